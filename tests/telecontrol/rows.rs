//! What is never answered: frames that no association in good order holds.

use super::{Rtu, ruled};
use crate::gate::{
    Peer, Site,
    station::{Centre, Manner, STARTDT, Station, asdu, i, s, u},
    wait,
};

const ALL: &[&str] = &["hmi read interrogation ca 1", "hmi control C_SC_NA_1 ca 1 ioa 1-100"];

/// IE-09 to IE-17, after a start: the session ends, and nothing reaches the station.
#[test]
fn broken_frames_of_a_centre_end_the_session() {
    let (_site, station, gate) = ruled(ALL);
    let gi = asdu(100, 6, 0, 1, 0, &[20]);
    let rows: &[(&str, Vec<u8>)] = &[
        ("IE-09 two objects claimed", i(0, 0, &[45, 2, 6, 0, 1, 0, 1, 0, 0, 1])),
        ("IE-10 a sequence of commands", i(0, 0, &[45, 0x81, 6, 0, 1, 0, 1, 0, 0, 1])),
        ("IE-11 too short", vec![0x68, 3, 7, 0, 0]),
        ("IE-12 too long", vec![0x68, 254, 0, 0, 0, 0]),
        ("IE-13 no start", vec![0x69, 4, 7, 0, 0, 0]),
        ("IE-14 no function", u(0x03).to_vec()),
        ("IE-14 two functions", u(0x47).to_vec()),
        ("IE-15 a number is left out", i(1, 0, &gi)),
        ("IE-15 acknowledged what was not sent", i(0, 5, &gi)),
        ("IE-15 the same in an S frame", s(1).to_vec()),
        ("IE-17 type 0", i(0, 0, &[0, 1, 6, 0, 1, 0, 0, 0, 0])),
        ("a station's word", u(0x0b).to_vec()),
    ];
    for (row, bytes) in rows {
        let mut centre = Centre::started(Peer::plain(&gate));
        centre.peer.send(bytes);
        assert!(centre.peer.until_closed().is_empty(), "{row}: nothing is said");
        wait("the floor is free again", || station.connections().1 == 0);
    }
    // IE-16: before a start, one that is not even wanted.
    let mut centre = Centre::new(Peer::plain(&gate));
    centre.peer.send(&i(0, 0, &gi));
    assert!(centre.peer.until_closed().is_empty(), "IE-16");
    assert!(station.asdus().is_empty(), "{:?}", station.asdus());
    gate.stop();
}

/// IE-15: the same number twice is no number.
#[test]
fn a_number_counts_once() {
    let (_site, station, gate) = ruled(ALL);
    let mut centre = Centre::started(Peer::plain(&gate));
    let single = asdu(45, 6, 0, 1, 1, &[1]);
    centre.peer.send(&[i(0, 0, &single), i(0, 0, &single)].concat());
    centre.peer.until_closed();
    assert!(station.asdus().len() <= 1);
    gate.stop();
}

/// The same from a station: both sides end.
#[test]
fn broken_frames_of_a_station_end_the_session() {
    let (site, station, gate) = ruled(ALL);
    let event = asdu(1, 3, 0, 1, 1, &[1]);
    let rows: &[(&str, Vec<u8>)] = &[
        ("no start", vec![0x69, 4, 7, 0, 0, 0]),
        ("two functions", u(0xc3).to_vec()),
        ("a centre's word", STARTDT.to_vec()),
        ("a number is left out", i(1, 0, &event)),
        ("acknowledged what was not sent", s(3).to_vec()),
        ("two objects claimed", i(0, 0, &[1, 2, 3, 0, 1, 0, 1, 0, 0, 1])),
    ];
    for (row, bytes) in rows {
        let mut centre = Centre::started(Peer::plain(&gate));
        station.raw(bytes);
        assert!(centre.peer.until_closed().is_empty(), "{row}");
    }
    site.record_with(&[("event", "session_closed"), ("cause", "upstream_unavailable")]);
    gate.stop();
}

/// IE-22: at most k of ours are outstanding towards a centre, whatever the station says; the rest waits and is not lost.
#[test]
fn a_window_is_kept() {
    let (site, station) = (Site::new(), Station::start(Manner::Confirms));
    let gate = Rtu { keys: "k = 4\nw = 2", ..Rtu::default() }.start(&site, &station);
    let mut centre = Centre::started(Peer::plain(&gate));
    for ioa in 1..=30 {
        station.say(&asdu(1, 3, 0, 1, ioa, &[1]));
    }
    for ioa in 1..=30u8 {
        assert_eq!(centre.asdu(), format!("010103000100{ioa:02x}000001"));
        if ioa % 4 == 0 {
            // What left so far is all that may: the test's answer comes behind it.
            centre.peer.send(&u(0x43));
            assert_eq!(centre.next(), u(0x83));
            centre.acknowledge();
        }
    }
    gate.stop();
}

/// IE-22: renumbered behind a refusal: what the station counts has no hole.
#[test]
fn a_refusal_leaves_no_hole_in_the_numbers() {
    let (_site, station, gate) = ruled(ALL);
    let mut centre = Centre::started(Peer::plain(&gate));
    for ioa in [1, 200, 2, 201, 3] {
        centre.ask(&asdu(45, 6, 0, 1, ioa, &[1]));
        centre.acknowledge();
    }
    let numbers: Vec<_> = station.frames().iter().filter_map(|frame| crate::gate::station::number(frame)).collect();
    assert_eq!(numbers, [0, 1, 2]);
    gate.stop();
}
