//! Ten times the traffic costs ten times the work: counted in instructions, which no load of the machine changes.

use std::{path::Path, process::Command};

use super::{
    decode,
    writer::{ACK, Form, PLAIN, Piece, Talk, adu, capture, ethernet, ip, pcap},
};
use crate::gate::{missing, repository};
use sluicegate_proto::protocol::Protocol;

/// Instructions that `decode` takes for these bytes, as callgrind counts them.
fn instructions(bytes: &[u8]) -> u64 {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("one.pcap");
    std::fs::write(&file, bytes).expect("it is writable");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", env!("CARGO_BIN_EXE_sluicegate")])
        .args(["decode", "--protocol", "modbus", "--json"])
        .arg(&file)
        .output()
        .expect("valgrind is there");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let count = told.lines().find_map(|line| line.split_once("Collected :")).map(|(_, count)| count.trim().to_owned());
    count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no count:\n{told}"))
}

/// That the second capture, ten times the first, costs at most twelve times its work. What the command costs on an empty
/// capture is no work of the capture's.
fn costs_ten_times(what: &str, one: &[u8], ten: &[u8]) {
    static EMPTY: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    let empty = *EMPTY.get_or_init(|| instructions(&capture(&[])));
    let (one, ten) = (instructions(one) - empty, instructions(ten) - empty);
    println!("{what}: {one} instructions, ten times: {ten}");
    assert!(ten <= 12 * one, "{what}: {one} instructions, ten times the traffic: {ten}");
}

/// The packets of a capture of this repository.
fn packets(name: &str) -> (u32, Vec<Vec<u8>>) {
    let mut packets =
        sluicegate::capture::Packets::open(&repository().join("tests/captures").join(name)).expect("kept");
    let (mut link, mut all) = (0, Vec::new());
    while let Some(packet) = packets.packet().expect("it is whole") {
        link = packet.link.expect("it is described");
        all.push(packet.data.to_vec());
    }
    (link, all)
}

/// The same packet from another client port.
fn moved(packet: &[u8], by: u16) -> Vec<u8> {
    let mut packet = packet.to_vec();
    // Ethernet, then IPv4 without options.
    for at in [34, 36] {
        let port = u16::from_be_bytes([packet[at], packet[at + 1]]);
        if port != 502 {
            packet[at..at + 2].copy_from_slice(&port.wrapping_add(by).to_be_bytes());
        }
    }
    packet
}

#[test]
fn ten_copies_of_a_capture_cost_at_most_twelve_times_one() {
    if missing(&["valgrind"]) {
        return;
    }
    let (link, one) = packets("generated__modbus.pcapng");
    let form = Form { link, ..PLAIN };
    let copies: Vec<_> = (0..10).flat_map(|copy| one.iter().map(move |packet| moved(packet, 100 * copy))).collect();
    let again: Vec<_> = (0..10).flat_map(|_| one.clone()).collect();
    let bytes = pcap(form, &copies);
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), &bytes).expect("it is writable");
    assert_eq!(decode(file.path(), Protocol::Modbus, &[]).0.len(), 340, "ten times the messages");
    costs_ten_times("ten other clients", &pcap(form, &one), &bytes);
    costs_ten_times("the same packets again", &pcap(form, &one), &pcap(form, &again));
}

/// A request in pieces of one byte, the last first.
fn backwards(bytes: usize) -> Vec<Piece> {
    let mut talk = Talk::new("10.1.1.5:40000", "10.1.1.9:502");
    let request = adu(1, 1, &[3, 0, 0, 0, 1]);
    for at in 0..bytes {
        talk.add(true, ACK, &request[at % request.len()..=at % request.len()]);
    }
    talk.pieces[2..].reverse();
    talk.pieces
}

/// So many connections with one request each, none of which ever ends.
fn connections(count: u32) -> Vec<Piece> {
    let one = |n: u32| {
        let [_, b, c, d] = n.to_be_bytes();
        let mut talk = Talk::middle(&format!("10.{b}.{c}.{d}:40000"), "10.255.255.9:502");
        talk.asks(&adu(1, 1, &[3, 0, 0, 0, 1]));
        talk.pieces
    };
    (0..count).flat_map(one).collect()
}

/// Requests that nobody answers, all under one id or each under its own.
fn unanswered(count: u16) -> Vec<Piece> {
    let mut talk = Talk::new("10.1.1.5:40000", "10.1.1.9:502");
    for id in 0..count {
        talk.asks(&adu(id, 1, &[3, 0, 0, 0, 1]));
    }
    talk.pieces
}

/// Packets of garbage, each of which is told.
fn garbage(count: usize) -> Vec<Piece> {
    let mut talk = Talk::new("10.1.1.5:40000", "10.1.1.9:502");
    for _ in 0..count {
        talk.asks(&[0xFF; 40]).tells(&[0xFF; 40]);
    }
    talk.pieces
}

#[test]
fn hostile_captures_cost_what_their_length_says() {
    if missing(&["valgrind"]) {
        return;
    }
    costs_ten_times("bytes, the last first", &capture(&backwards(60)), &capture(&backwards(600)));
    costs_ten_times("connections that never end", &capture(&connections(30)), &capture(&connections(300)));
    costs_ten_times("requests that nobody answers", &capture(&unanswered(30)), &capture(&unanswered(300)));
    costs_ten_times("garbage", &capture(&garbage(20)), &capture(&garbage(200)));
}

#[test]
fn what_is_kept_has_bounds_and_what_does_not_fit_is_told() {
    let told = |pieces: &[Piece]| {
        let packets: Vec<_> = pieces.iter().map(|piece| ethernet(&ip(piece), &[])).collect();
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("one.pcap");
        std::fs::write(&file, pcap(PLAIN, &packets)).expect("it is writable");
        decode(Path::new(&file), Protocol::Modbus, &[]).1
    };
    // 100 000 segments of a stream, the last first: 4 096 are held, then the gap is told and left.
    let summary = told(&backwards(100_000));
    assert!(summary["gaps"].as_u64() > Some(0), "{summary}");
    // 100 000 connections: 65 536 are kept, and those before are told to their end.
    let summary = told(&connections(100_000));
    assert_eq!(
        (&summary["streams"], &summary["requests"], &summary["forgotten"]),
        (&100_000.into(), &100_000.into(), &34_464.into())
    );
}
