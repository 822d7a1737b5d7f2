//! Does the gate read the captures of IEC 104 as an independent decoder reads them? (GEN-15)
//!
//! Frame by frame, ASDU by ASDU: what the gate lets through means to it what it means to tshark, and what the gate refuses
//! is on a list with its reason.

use std::{collections::HashMap, path::Path};

use serde_json::Value;
use sluicegate_proto::iec104::{Asdu, AsduFault, Direction};

use crate::gate::shared;

/// What the gate does not let through as it is, although the decoder has nothing to say against it.
const EXPLAINED: &[(&str, &str)] = &[];

#[test]
fn gen_15_the_captures_of_iec_104_mean_the_same_to_an_independent_decoder() {
    for name in ["generated__iec104", "georgemakrakis_zeek-iec104__iec104"] {
        let Some(oracle) = shared(&format!("corpora/iec104/{name}.pdu.jsonl")) else { return };
        let folder = oracle.parent().expect("it lies in a folder");
        let capture = ["pcap", "pcapng"].map(|ending| folder.join(format!("{name}.{ending}")));
        let capture = capture.iter().find(|path| path.exists()).expect("the capture beside its decode");
        let found = compared(capture, &rows(&oracle));
        eprintln!("{name}: {} ASDUs the same, {} explained", found.same, found.explained);
        assert!(found.differences.is_empty(), "{name}:\n{}", found.differences.join("\n"));
        assert!(found.same >= 15, "{name}: only {} ASDUs", found.same);
    }
}

#[derive(Default)]
struct Found {
    same: usize,
    explained: usize,
    differences: Vec<String>,
}

/// The decoder's ASDUs, by frame, in order.
fn rows(path: &Path) -> HashMap<u64, Vec<Value>> {
    let text = std::fs::read_to_string(path).expect("readable");
    let mut all: HashMap<u64, Vec<Value>> = HashMap::new();
    for line in text.lines() {
        let row: Value = serde_json::from_str(line).expect("a row is JSON");
        if row["proto"] == "iec60870_asdu" {
            all.entry(row["frame"].as_u64().expect("a frame")).or_default().push(row);
        }
    }
    all
}

fn compared(capture: &Path, oracle: &HashMap<u64, Vec<Value>>) -> Found {
    let mut found = Found::default();
    let mut told: HashMap<u64, Vec<(Vec<u8>, Direction)>> = HashMap::new();
    for (frame, asdu, direction) in asdus(&std::fs::read(capture).expect("readable")) {
        told.entry(frame).or_default().push((asdu, direction));
    }
    let mut frames: Vec<_> = oracle.keys().chain(told.keys()).copied().collect();
    frames.sort_unstable();
    frames.dedup();
    for frame in frames {
        let (ours, theirs) = (told.remove(&frame).unwrap_or_default(), oracle.get(&frame).cloned().unwrap_or_default());
        if ours.len() != theirs.len() {
            found.differences.push(format!("frame {frame}: {} ASDUs against {}", ours.len(), theirs.len()));
        }
        for ((bytes, direction), row) in ours.iter().zip(&theirs) {
            match Asdu::read(bytes, *direction) {
                Ok(asdu) => match difference(&asdu, row) {
                    None => found.same += 1,
                    Some(text) => found.differences.push(format!("frame {frame}: {text}: {bytes:02x?}")),
                },
                Err(AsduFault::Severed { check, .. } | AsduFault::Illegal { check, .. }) => {
                    if EXPLAINED.iter().any(|(id, _)| *id == check.id()) {
                        found.explained += 1;
                    } else {
                        found.differences.push(format!("frame {frame}: refused by {}: {bytes:02x?}", check.id()));
                    }
                }
            }
        }
    }
    found
}

/// What the gate and the decoder read in different ways.
fn difference(asdu: &Asdu<'_>, row: &Value) -> Option<String> {
    let objects: Vec<_> = asdu.objects().collect();
    let first = objects.first()?;
    let sequence = asdu.bytes()[1] & 0x80 != 0;
    let mut fields = vec![
        ("typeid", vec![u32::from(asdu.type_id())]),
        ("sq", vec![u32::from(sequence)]),
        ("numix", vec![objects.len() as u32]),
        ("causetx", vec![u32::from(asdu.cause())]),
        ("nega", vec![u32::from(asdu.is_negative())]),
        ("test", vec![u32::from(asdu.is_test())]),
        ("oa", vec![u32::from(asdu.originator())]),
        ("addr", vec![u32::from(asdu.ca())]),
        // Of a sequence it shows the first address, or all.
        ("ioa", objects.iter().map(|object| object.ioa).collect()),
    ];
    if asdu.type_id() == 100 {
        fields.push(("qoi", vec![u32::from(first.element[0])]));
    }
    fields.into_iter().find_map(|(name, ours)| {
        let theirs = numbers(&row[format!("iec60870_asdu.{name}")]);
        let same = theirs == ours || (name == "ioa" && sequence && theirs.first() == ours.first());
        (!same).then(|| format!("{name} is {ours:?} here and {theirs:?} there"))
    })
}

/// One number or several, as texts.
fn numbers(value: &Value) -> Vec<u32> {
    let one = |value: &Value| value.as_str().and_then(|text| text.parse().ok());
    match value {
        Value::Array(all) => all.iter().filter_map(one).collect(),
        other => one(other).into_iter().collect(),
    }
}

/// Every ASDU of a capture: the frame that completed it, its bytes, its way.
fn asdus(capture: &[u8]) -> Vec<(u64, Vec<u8>, Direction)> {
    let mut streams: HashMap<Vec<u8>, (Option<u32>, Vec<u8>)> = HashMap::new();
    let mut all = Vec::new();
    for (frame, link, packet) in packets(capture) {
        let Some((ends, to_station, sequence, data)) = segment(link, packet) else { continue };
        let (next, waiting) = streams.entry(ends).or_default();
        // What was sent again is there already; what starts anew starts anew.
        let skip = next.map_or(0, |next| next.wrapping_sub(sequence) as usize);
        if data.is_empty() || (skip > 0 && skip <= data.len().max(1 << 16) && skip >= data.len()) {
            continue;
        }
        if skip > data.len() {
            waiting.clear();
        }
        waiting.extend(data.get(skip..).unwrap_or(data));
        *next = Some(sequence.wrapping_add(data.len() as u32));
        while let Some(length) = waiting.get(1).map(|length| usize::from(*length) + 2).filter(|n| waiting.len() >= *n) {
            let apdu: Vec<u8> = waiting.drain(..length).collect();
            if apdu.len() > 6 {
                let direction = if to_station { Direction::Control } else { Direction::Monitor };
                all.push((frame, apdu[6..].to_vec(), direction));
            }
        }
    }
    all
}

/// The packets of a pcap or a pcapng of this machine's byte order, numbered from 1, with their link type.
fn packets(bytes: &[u8]) -> Vec<(u64, u32, &[u8])> {
    let word = |at: usize| bytes.get(at..at + 4).map(|four| u32::from_le_bytes(four.try_into().expect("four")));
    let (mut all, mut at) = (Vec::new(), 0);
    if word(0) == Some(0xA1B2_C3D4) {
        let link = word(20).expect("a header");
        at = 24;
        while let Some(length) = word(at + 8) {
            all.push((all.len() as u64 + 1, link, &bytes[at + 16..at + 16 + length as usize]));
            at += 16 + length as usize;
        }
        return all;
    }
    assert_eq!(word(0), Some(0x0A0D_0D0A), "neither pcap nor pcapng");
    let mut link = 1;
    while let (Some(kind), Some(length)) = (word(at), word(at + 4)) {
        match kind {
            1 => link = word(at + 8).expect("a block") & 0xFFFF,
            6 => {
                let captured = word(at + 20).expect("a block") as usize;
                all.push((all.len() as u64 + 1, link, &bytes[at + 28..at + 28 + captured]));
            }
            _ => {}
        }
        at += length as usize;
    }
    all
}

/// Both ends of a TCP segment over IPv4, whether it goes to port 2404, its sequence number and its data.
fn segment(link: u32, packet: &[u8]) -> Option<(Vec<u8>, bool, u32, &[u8])> {
    let ip = packet.get(
        match link {
            0 => 4,
            1 => 14,
            113 => 16,
            276 => 20,
            _ => 0,
        }..,
    )?;
    if ip.first()? >> 4 != 4 || *ip.get(9)? != 6 {
        return None;
    }
    let total = usize::from(u16::from_be_bytes([*ip.get(2)?, *ip.get(3)?]));
    let tcp = ip.get(usize::from(ip[0] & 15) * 4..total)?;
    let data = tcp.get(usize::from(*tcp.get(12)? >> 4) * 4..)?;
    let sequence = u32::from_be_bytes(tcp.get(4..8)?.try_into().ok()?);
    let ends = [&ip[12..20], &tcp[..4]].concat();
    Some((ends, tcp[2..4] == 2404_u16.to_be_bytes(), sequence, data))
}
