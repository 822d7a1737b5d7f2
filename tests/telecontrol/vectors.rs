//! Does every published attack vector get its verdict through the running gate, however it is cut (GEN-01)?

use std::time::Duration;

use serde_json::Value;

use super::ruled;
use crate::gate::{
    Peer, shared,
    station::{Centre, TESTED, TESTFR, heard, number},
    wait,
};

/// Between two parts, so that the gate reads them apart. Where it does not, the verdict is the same.
const BETWEEN: Duration = Duration::from_micros(500);

/// What a vector comes to: ASDUs at the station, and what the centre gets: images, or the end.
const DUE: &[(&str, usize, Option<&[&str]>)] = &[
    ("IE-01", 0, Some(&[])),
    ("IE-02", 1, Some(&[])),
    ("IE-03", 0, Some(&["2d016c000100e9030081", "2d016c000100e9030001"])),
    ("IE-05", 0, Some(&["69016c00010000000001"])),
    ("IE-06", 0, Some(&["2d016c000100e9030001"])),
    ("IE-07", 0, Some(&["2d01ec000100e9030001"])),
    ("IE-09", 0, None),
    ("IE-10", 0, None),
    ("IE-11", 0, None),
    ("IE-13", 0, None),
    ("IE-14", 0, None),
    ("IE-15", 0, None),
    ("IE-17", 0, None),
    ("IE-18", 0, Some(&["6e016c000100bc0200000001"])),
    // Its only object is an octet short: what follows would mean nothing.
    ("IE-19", 0, None),
    ("IE-21", 0, Some(&["30016c000100d10700ff7f00"])),
];

#[test]
fn every_cut_of_a_centres_bytes_comes_to_one_verdict() {
    let Some(file) = shared("vectors/iec104.json") else { return };
    let text = std::fs::read_to_string(file).expect("it is readable");
    let vectors: Vec<Value> = serde_json::from_str(&text).expect("it is JSON");
    let (_site, station, gate) = ruled(&["hmi read interrogation ca 1"]);
    let mut runs = 0;
    for vector in &vectors {
        let id = vector["id"].as_str().expect("an id");
        let (_, asdus, end) = DUE.iter().find(|(one, ..)| *one == id).unwrap_or_else(|| panic!("{id} is new"));
        let hex: String = vector["segments"].as_array().expect("segments").iter().filter_map(Value::as_str).collect();
        let bytes = unhex(&hex);
        println!("{id} {hex}");
        for parts in cuts(bytes.len()) {
            station.forget();
            let mut centre = Centre::started(Peer::plain(&gate));
            let mut from = 0;
            for to in parts.iter().copied().chain([bytes.len()]) {
                // A gate that has hung up takes no more.
                let _ = centre.peer.try_send(&bytes[from..to]);
                std::thread::sleep(BETWEEN);
                from = to;
            }
            match end {
                None => assert!(centre.peer.until_closed().is_empty(), "{id} {parts:?}: nothing is said"),
                Some(images) => answered(&mut centre, images, (id, &parts)),
            }
            heard(&station, *asdus);
            drop(centre);
            wait("the end at the station", || station.connections().1 == 0);
            assert_eq!(station.asdus().len(), *asdus, "{id} {parts:?}");
            runs += 1;
        }
    }
    assert_eq!(vectors.len(), DUE.len(), "every row of the table is a vector");
    println!("{} vectors, {runs} cuts", vectors.len());
    gate.stop();
}

/// A test behind the vector: all that came before it has had its verdict.
fn answered(centre: &mut Centre, images: &[&str], at: (&str, &[usize])) {
    let mut told = Vec::new();
    centre.peer.send(&TESTFR);
    let mut tests = if at.0 == "IE-06" { 2 } else { 1 };
    while tests > 0 {
        let frame = centre.next();
        if frame == TESTED {
            tests -= 1;
        } else if number(&frame).is_some() && frame[8] & 0x40 != 0 {
            told.push(frame[6..].iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        }
    }
    let due: Vec<_> = images.iter().map(|image| image.replace(' ', "")).collect();
    assert_eq!(told, due, "{at:?}");
}

/// Whole, every 2-way split, byte by byte.
fn cuts(length: usize) -> Vec<Vec<usize>> {
    let splits = (1..length).map(|at| vec![at]);
    [vec![], (1..length).collect()].into_iter().chain(splits).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("hex")).collect()
}
