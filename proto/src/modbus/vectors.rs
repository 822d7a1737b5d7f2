//! Do the attack vectors get the verdict that they ask for, however they are cut?
//!
//! The frames are those of the published vectors (ids as there); each is driven whole, at every 2-way split and byte by
//! byte (GEN-01). In place of a policy stands: points may be read, all else is refused.

use core::{ops::ControlFlow, time::Duration};
use std::{format, string::String, vec, vec::Vec};

use proptest::prelude::*;

use super::{
    Device, Peer, fuzz_device, fuzz_peer,
    request::{Request, Space},
};
use crate::{
    deed::ReadFirst,
    half::{Body, DeviceOptions, DeviceStep, Ids, Input, PeerOptions, Step, Ticket},
    keys::{Setting, Settings},
    out::Out,
    policy::Denied,
    protocol::Message,
    time::Now,
    vocab::{Class, OnDeny, Reason},
};

/// Bytes that hexadecimal digits name; blanks are ignored.
pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).expect("hex")).collect()
}

pub(super) fn peer(pending: usize) -> Peer {
    peer_with(pending, &[])
}

/// A peer's half under these settings.
pub(super) fn peer_with(pending: usize, settings: &[(&'static str, Setting)]) -> Peer {
    let settings = Settings(settings.iter().cloned().collect());
    Peer::new(&PeerOptions { settings, pending, frame_timeout: Duration::from_secs(5), ..PeerOptions::default() })
}

/// A word of the settings.
pub(super) fn word(key: &'static str, word: &str) -> (&'static str, Setting) {
    (key, Setting::Text(word.into()))
}

pub(super) fn device(pending: usize, ids: Ids) -> Device {
    device_with(pending, ids, &[])
}

/// A device's half under these settings.
pub(super) fn device_with(pending: usize, ids: Ids, settings: &[(&'static str, Setting)]) -> Device {
    Device::new(&DeviceOptions {
        settings: Settings(settings.iter().cloned().collect()),
        pending,
        frame_timeout: Duration::from_secs(5),
        request_timeout: Duration::from_secs(10),
        ids,
    })
}

/// Which peer's bytes come to what: a line for each message or end, then what was answered.
const ASKED: &[(&str, &str, &[&str])] = &[
    ("MB-01", "00010000000601030000000a", &["passes 3"]),
    ("MB-02", "00010000000601030000000a 000200000006010600000001", &["passes 3", "refused 6 as function_not_allowed"]),
    ("MB-03", "00010000004001030000000a", &["ends length_mismatch"]),
    ("MB-04", "00010000000b0110000000010200ff0000", &["ends length_mismatch"]),
    ("MB-05", "00010000000301030000000a1000", &["ends length_mismatch"]),
    ("MB-06", "00010000000e01030000000a10000000010200ff", &["ends length_mismatch"]),
    ("MB-07", "00010001000601030000000a", &["ends malformed"]),
    ("MB-08", "00010000000001030000000a", &["ends length_mismatch"]),
    ("MB-09", "00010000ffff01030000000a", &["ends length_mismatch"]),
    ("MB-10", "00070000000601030000000a 00070000000601030000000a", &["passes 3", "silence for duplicate_id"]),
    ("MB-15", "000100000006000600000001", &["refused 6 as function_not_allowed", "< 000100000003008601"]),
    ("MB-17", "000100000006010800040000", &["refused 8 as function_not_allowed", "< 000100000003018801"]),
    ("MB-18", "00010000000601080001ff00", &["refused 8 as function_not_allowed", "< 000100000003018801"]),
    ("MB-19", "000100000005012b0e0100", &["refused 43 as function_not_allowed", "< 00010000000301ab01"]),
    ("MB-20", "000100000005012b0d0100", &["refused 43 as function_not_allowed", "< 00010000000301ab01"]),
    ("MB-21", "000100000004015a0002", &["refused 90 as function_not_allowed", "< 00010000000301da01"]),
    (
        "MB-22",
        "00010000000d011700000001000a0001020001",
        &["refused 23 as function_not_allowed", "< 000100000003019701"],
    ),
    ("MB-23", "000100000008011600040000ffff", &["refused 22 as function_not_allowed", "< 000100000003019601"]),
    (
        "MB-24 (a group cut short)",
        "0001000000090114060600010000ff",
        &["refused 20 as malformed", "< 000100000003019403"],
    ),
    (
        "MB-24 (words that are missing)",
        "00010000000a011507060001000000 01",
        &["refused 21 as malformed", "< 000100000003019503"],
    ),
    ("MB-24 (byte count)", "00010000000a011508060001000000 01", &["ends length_mismatch"]),
    ("MB-25", "00010000000a0115070600000000ffff", &["refused 21 as malformed", "< 000100000003019503"]),
    ("MB-27", "0001000000060103fff00020", &["refused 3 as address_not_allowed", "< 000100000003018302"]),
    ("MB-28 (126 registers)", "00010000000601030000007e", &["refused 3 as malformed", "< 000100000003018303"]),
    ("MB-29", "00010000000401060000", &["ends length_mismatch"]),
    ("MB-30", "000100000006010500001234", &["refused 5 as value_not_allowed", "< 000100000003018503"]),
    ("MB-31", "000100000009011000000002020001", &["ends length_mismatch"]),
    ("MB-32 (RTU on TCP)", "01030000000ac5cd", &["ends malformed"]),
    ("MB-33", "000100000003018302", &["ends malformed"]),
    ("MB-34", "0001000000020103 0000000a", &["ends length_mismatch"]),
    ("MB-35", "000100000003010000", &["ends malformed"]),
    ("cut", "00010000000601030000", &["waits for 12"]),
];

/// Which device's bytes come to what, after one read of one register under id 1.
const TOLD: &[(&str, &str, &[&str])] = &[
    ("plain", "000100000005010302000a", &["told"]),
    ("MB-11", "000900000005010302000a", &["dropped unsolicited_response"]),
    ("MB-12", "000100000005010302000a 000100000005010302000b", &["told", "dropped unsolicited_response"]),
    ("MB-13", "000100000005010402000a", &["dropped response_mismatch, ticket 7"]),
    ("MB-14", "000100000007010304000a000b", &["dropped response_mismatch, ticket 7"]),
    ("MB-36 (06)", "000100000003018306", &["told exception 6"]),
    ("MB-36 (unknown)", "000100000003018363", &["told exception 99"]),
    ("another unit", "000100000005020302000a", &["dropped response_mismatch, ticket 7"]),
    ("an exception that goes on", "00010000000401830200", &["dropped response_mismatch, ticket 7"]),
    ("an exception of another function", "000100000003018402", &["dropped response_mismatch, ticket 7"]),
    ("a byte count that lies", "000100000005010303000a", &["dropped response_mismatch, ticket 7"]),
    ("a bare function", "0001000000020103", &["dropped response_mismatch, ticket 7"]),
    ("protocol id 1", "000100010005010302000a", &["ends malformed"]),
    ("length 1", "000100000001010302000a", &["ends length_mismatch"]),
    ("length 255", "0001000000ff0103", &["ends length_mismatch"]),
    ("cut", "00010000000501", &["waits for 11"]),
];

/// GEN-04 and GEN-05: what lies about its length, or goes on behind its last field, ends the session.
#[test]
fn a_peers_bytes_come_to_the_same_whatever_the_cuts() {
    let long = format!("0001000000f80114f5{}", "0600010000007c".repeat(35));
    let file = ("MB-26", long.as_str(), &["refused 20 as malformed", "< 000100000003019403"][..]);
    for (id, bytes, expected) in ASKED.iter().chain([&file]) {
        let bytes = hex(bytes);
        for cuts in cuts(bytes.len()) {
            assert_eq!(ask(&bytes, &cuts), *expected, "{id}, cut at {cuts:?}");
        }
        fuzz_peer(&bytes);
    }
}

#[test]
fn a_devices_bytes_come_to_the_same_whatever_the_cuts() {
    for (id, bytes, expected) in TOLD {
        let bytes = hex(bytes);
        for cuts in cuts(bytes.len()) {
            assert_eq!(tell(&bytes, &cuts), *expected, "{id}, cut at {cuts:?}");
        }
        fuzz_device(&bytes);
    }
}

proptest! {
    #[test]
    fn byte_soup_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        fuzz_peer(&bytes);
        fuzz_device(&bytes);
    }

    /// A header that is right, so that the soup reaches the functions.
    #[test]
    fn soup_behind_a_header_never_panics(unit: u8, function in 0u8..=46, body in prop::collection::vec(any::<u8>(), 0..252)) {
        let mut bytes = vec![0, 1, 0, 0, 0, body.len() as u8 + 2, unit, function];
        bytes.extend(&body);
        fuzz_peer(&bytes);
        fuzz_device(&bytes);
    }
}

/// No cut, every single cut, and a cut at each byte.
fn cuts(len: usize) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    all.extend((1..len).map(|at| vec![at]));
    all.push((1..len).collect());
    all
}

fn may_pass(request: &Request<'_>) -> bool {
    let flow = request.deeds(&mut |deed| {
        if deed.class == Class::Read && Space::of(deed.object).is_some() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    flow.is_continue()
}

fn ask(bytes: &[u8], cuts: &[usize]) -> Vec<String> {
    let (mut peer, mut out, mut told) = (peer(16), Out::new(4096), Vec::new());
    let mut start = 0;
    let mut wants = None;
    'arrivals: for end in cuts.iter().copied().chain([bytes.len()]) {
        loop {
            peer.check_invariants();
            match peer.next(Input::Stream(&bytes[start..end]), Now::default(), &mut out) {
                Step::Need { at_least } => {
                    assert!(at_least > end - start);
                    wants = (end > start).then_some(at_least);
                    break;
                }
                Step::Asked(asked) => {
                    assert_eq!(asked.frame, &bytes[start..start + asked.used]);
                    let reason = match asked.body {
                        Body::Message(Message::Modbus(request)) if may_pass(&request) => {
                            peer.accept(&asked, Ticket(told.len() as u64)).err()
                        }
                        Body::Message(_) => Some(Reason::FunctionNotAllowed),
                        Body::Illegal { reason, .. } => Some(reason),
                    };
                    let function = match asked.body {
                        Body::Message(message) => message.function(),
                        Body::Illegal { function, .. } => function,
                    };
                    if let Some(reason) = reason {
                        let before = out.len() + peer.pending();
                        peer.refuse(&asked, &Denied::because(reason), OnDeny::Refuse, &mut out).expect("room");
                        let silent = before == out.len() + peer.pending();
                        told.push(if silent {
                            format!("silence for {reason}")
                        } else {
                            format!("refused {function} as {reason}")
                        });
                    } else {
                        told.push(format!("passes {function}"));
                    }
                    start += asked.used;
                }
                Step::Wait => break,
                Step::Own { used } | Step::Signal { used, .. } => start += used,
                Step::End { reason, .. } => {
                    told.push(format!("ends {}", reason.expect("a reason")));
                    wants = None;
                    break 'arrivals;
                }
            }
        }
    }
    told.extend(wants.map(|n| format!("waits for {n}")));
    if !out.is_empty() {
        told.push(format!("< {}", out.as_slice().iter().map(|byte| format!("{byte:02x}")).collect::<String>()));
    }
    told
}

fn tell(bytes: &[u8], cuts: &[usize]) -> Vec<String> {
    let (mut device, mut out, mut told) = (device(1, Ids::Own), Out::new(4096), Vec::new());
    let read = ReadFirst { unit: 1, object: super::tables::HOLDING, first: 0, count: 1 };
    device.ask(&read, Ticket(7), Now::default(), &mut out).expect("room");
    assert_eq!(out.as_slice(), hex("000100000006010300000001"));
    let mut start = 0;
    let mut wants = None;
    'arrivals: for end in cuts.iter().copied().chain([bytes.len()]) {
        loop {
            device.check_invariants();
            match device.next(Input::Stream(&bytes[start..end]), Now::default(), &mut out) {
                DeviceStep::Need { at_least } => {
                    wants = (end > start).then_some(at_least);
                    break;
                }
                DeviceStep::Told { used, told: answer } => {
                    assert_eq!(answer.ticket, Ticket(7));
                    told.push(answer.exception.map_or(String::from("told"), |code| format!("told exception {code}")));
                    start += used;
                }
                DeviceStep::Dropped { used, reason, spoiled } => {
                    let ticket = spoiled.map_or(String::new(), |ticket| format!(", ticket {}", ticket.0));
                    told.push(format!("dropped {reason}{ticket}"));
                    start += used;
                }
                DeviceStep::Own { used } | DeviceStep::Signal { used, .. } => start += used,
                DeviceStep::Unasked { .. } => panic!("no Modbus device speaks unasked"),
                DeviceStep::End { reason, .. } => {
                    told.push(format!("ends {}", reason.expect("a reason")));
                    wants = None;
                    break 'arrivals;
                }
            }
        }
    }
    told.extend(wants.map(|n| format!("waits for {n}")));
    told
}
