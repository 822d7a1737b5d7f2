//! Do the attack vectors get the verdict that they ask for, however they are cut?
//!
//! The frames are those of the published vectors (ids as there), behind STARTDT where the vector is an I frame; each is
//! driven whole, at every 2-way split and byte by byte (GEN-01). In place of a policy stands: what reads passes, all
//! else is refused.

use core::{ops::ControlFlow, time::Duration};
use std::{format, string::String, vec, vec::Vec};

use proptest::prelude::*;

use super::{
    Device, Peer,
    checks::{Check, Fate},
    conformance::hex,
    word,
};
use crate::{
    half::{Body, DeviceOptions, DeviceStep, Floor, Ids, Input, PeerOptions, Signal, Step, Ticket},
    out::Out,
    policy::Denied,
    protocol::Message,
    time::Now,
    vocab::{Class, OnDeny, Reason},
};

const START: &str = "680407000000";
const STARTED: &str = "68040b000000";

/// Which centre's bytes come to what behind STARTDT: a line for each message or end, then what was answered.
const ASKED: &[(&str, &str, &[&str])] = &[
    ("IE-01", "", &[]),
    ("IE-02", "680e0000000064010600010000000014", &["passes 100"]),
    (
        "IE-03",
        "680e000000002d0106000100e9030081 680e020000002d0106000100e9030001",
        &[
            "refused 45 as function_not_allowed",
            "refused 45 as function_not_allowed",
            "< 680e000002002d016c000100e9030081680e020004002d016c000100e9030001",
        ],
    ),
    (
        "IE-04 (a double command)",
        "680e000000002e0106000100e9030001",
        &["refused 46 as function_not_allowed", "< 680e000002002e016c000100e9030001"],
    ),
    (
        "IE-05",
        "680e0000000069010600010000000001",
        &["refused 105 as function_not_allowed", "< 680e0000020069016c00010000000001"],
    ),
    (
        "IE-06",
        "680443000000 680e000000002d0106000100e9030001",
        &["refused 45 as function_not_allowed", "< 680483000000680e000002002d016c000100e9030001"],
    ),
    (
        "IE-07",
        "680e000000002d0186000100e9030001",
        &["refused 45 as function_not_allowed", "< 680e000002002d01ec000100e9030001"],
    ),
    ("IE-08", "680e000000002d010600ffffe9030001", &["silence for 45: unit_not_allowed"]),
    ("IE-09", "680e000000002d0206000100e9030000", &["ends length_mismatch"]),
    ("IE-10", "680f000000002d8206000100e903000000", &["ends malformed"]),
    ("IE-11", "6803070000", &["ends length_mismatch"]),
    ("IE-12", "68fe00000000", &["ends length_mismatch"]),
    ("IE-13", "690407000000", &["ends malformed"]),
    ("IE-14 (none)", "680403000000", &["ends malformed"]),
    ("IE-14 (two)", "680447000000", &["ends malformed"]),
    ("IE-15", "680e0a00000064010600010000000014", &["ends malformed"]),
    ("IE-17", "680d00000000000106000100000000", &["ends malformed"]),
    (
        "IE-18",
        "6810000000006e0106000100bc02000000 01",
        &["refused 110 as function_not_allowed", "< 6810000002006e016c000100bc0200000001"],
    ),
    ("IE-19 (shorter than its length)", "6810000000007a010d000100010000010000", &["ends length_mismatch"]),
    (
        "IE-19 (whole)",
        "6811000000007a010d00010001000001000000",
        &["refused 122 as function_not_allowed", "< 6811000002007a016c00010001000001000000"],
    ),
    (
        "IE-21",
        "681000000000300106000100d10700ff7f00",
        &["refused 48 as function_not_allowed", "< 681000000200300 16c000100d10700ff7f00"],
    ),
    ("IE-22 (an acknowledgement of what was never sent)", "680401000200", &["ends malformed"]),
    (
        "a report from a centre (GEN-09)",
        "680e00000000010103000100e9030001",
        &["refused 1 as direction_not_allowed", "< 680e00000200 01016c000100e9030001"],
    ),
    ("cut", "680e0000000064010600", &["waits for 16"]),
];

#[test]
fn a_centres_bytes_come_to_the_same_whatever_the_cuts() {
    for (id, bytes, expected) in ASKED {
        let bytes = hex(bytes);
        let meant: Vec<String> = expected.iter().map(|line| squeezed(line)).collect();
        for cuts in cuts(bytes.len()) {
            assert_eq!(ask(&bytes, &cuts, true), meant, "{id}, cut at {cuts:?}");
        }
    }
}

/// Of an answer only the digits count.
fn squeezed(line: &str) -> String {
    match line.strip_prefix("< ") {
        Some(digits) => format!("< {}", digits.replace(' ', "")),
        None => String::from(line),
    }
}

#[test]
fn ie_16_nothing_passes_before_the_station_has_confirmed_the_start() {
    let asked = hex("680e0000000064010600010000000014");
    for cuts in cuts(asked.len()) {
        assert_eq!(ask(&asked, &cuts, false), ["ends malformed"], "{cuts:?}");
    }
    let (mut peer, mut out) = (peer(), Out::new(4096));
    let both = [hex(START), asked].concat();
    let Step::Signal { used, signal } = peer.next(Input::Stream(&both), Now::default(), &mut out) else {
        panic!("no signal")
    };
    assert_eq!((signal.kind, signal.floor, out.len()), (word::START, Floor::Takes, 0));
    assert!(matches!(peer.next(Input::Stream(&both[used..]), Now::default(), &mut out), Step::Wait));
    peer.signal(signal_of(word::STARTED), Now::default(), &mut out).expect("room");
    assert_eq!(out.as_slice(), hex(STARTED));
    assert!(matches!(peer.next(Input::Stream(&both[used..]), Now::default(), &mut out), Step::Asked(_)));
}

/// The checks of the APCI, each with bytes that fail it: those of a centre, behind STARTDT or before it, or those of a
/// station.
const APCI: &[(Check, Side, &str)] = &[
    (Check::ApduStart, Side::Centre, "69"),
    (Check::ApduStart, Side::Station, "00"),
    (Check::ApduLength, Side::Centre, "6803"),
    (Check::ApduLength, Side::Station, "68fe"),
    (Check::ControlForm, Side::Centre, "680e0700000064010600010000000014"),
    (Check::ControlForm, Side::Station, "680400000000"),
    (Check::SReserved, Side::Centre, "680401000100"),
    (Check::SReserved, Side::Station, "680405000000"),
    (Check::UFunction, Side::Centre, "680447000000"),
    (Check::UFunction, Side::Station, "680403000000"),
    (Check::SendNumber, Side::Centre, "680e0a00000064010600010000000014"),
    (Check::SendNumber, Side::Station, "680e02000000010103000100010000 00"),
    (Check::ReceiveNumber, Side::Centre, "680401000200"),
    (Check::ReceiveNumber, Side::Station, "680e00000400010103000100010000 00"),
    (Check::Stopped, Side::Before, "680e0000000064010600010000000014"),
    (Check::Role, Side::Centre, "68040b000000"),
    (Check::Role, Side::Station, "680407000000"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Before,
    Centre,
    Station,
}

#[test]
fn every_check_of_the_apci_severs_on_either_side() {
    for (check, side, bytes) in APCI {
        let bytes = hex(bytes);
        let Fate::Severed(reason) = check.fate() else { panic!("{} does not sever", check.id()) };
        for cuts in cuts(bytes.len()) {
            let found = match side {
                Side::Before | Side::Centre => ask(&bytes, &cuts, *side == Side::Centre),
                Side::Station => tell(&bytes, &cuts),
            };
            assert_eq!(found, [format!("ends {reason}")], "{} {side:?} {cuts:?}", check.id());
        }
    }
}

proptest! {
    #[test]
    fn soup_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        ask(&bytes, &[], true);
        tell(&bytes, &[]);
    }

    /// A frame that is right, so that the soup reaches the ASDU; whole and byte by byte it comes to the same.
    #[test]
    fn soup_in_an_i_frame_never_panics(id in 0u8..=127, vsq in 0u8..4, cause in 0u8..64, body in prop::collection::vec(any::<u8>(), 3..60)) {
        let mut bytes = vec![0x68, body.len() as u8 + 10, 0, 0, 0, 0, id, vsq, cause, 0, 1, 0];
        bytes.extend(&body);
        let single: Vec<usize> = (1..bytes.len()).collect();
        prop_assert_eq!(ask(&bytes, &[], true), ask(&bytes, &single, true));
        prop_assert_eq!(tell(&bytes, &[]), tell(&bytes, &single));
    }
}

/// No cut, every single cut, and a cut at each byte.
fn cuts(len: usize) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    all.extend((1..len).map(|at| vec![at]));
    all.push((1..len).collect());
    all
}

fn peer() -> Peer {
    Peer::new(&PeerOptions { pending: 16, frame_timeout: Duration::from_secs(5), ..PeerOptions::default() })
}

const fn signal_of(kind: u8) -> Signal {
    Signal { kind, value: 0, floor: Floor::Silent }
}

fn reads(message: &Message<'_>) -> bool {
    let flow = message.deeds(&mut |deed| match deed.class {
        Class::Read => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    });
    flow.is_continue()
}

/// What a centre's bytes come to, behind STARTDT where it has been said.
fn ask(bytes: &[u8], cuts: &[usize], started: bool) -> Vec<String> {
    let (mut peer, mut out, mut told) = (peer(), Out::new(8192), Vec::new());
    if started {
        let start = hex(START);
        let step = peer.next(Input::Stream(&start), Now::default(), &mut out);
        assert!(matches!(step, Step::Signal { used: 6, .. }), "{step:?}");
        peer.signal(signal_of(word::STARTED), Now::default(), &mut out).expect("room");
        assert_eq!(out.as_slice(), hex(STARTED));
        out.clear();
    }
    let (mut start, mut wants) = (0, None);
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
                    let (function, reason) = match &asked.body {
                        Body::Message(message) if reads(message) => {
                            (message.function(), peer.accept(&asked, Ticket(told.len() as u64)).err())
                        }
                        Body::Message(message) => (message.function(), Some(Reason::FunctionNotAllowed)),
                        Body::Illegal { reason, function, .. } => (*function, Some(*reason)),
                    };
                    told.push(match reason {
                        None => format!("passes {function}"),
                        Some(reason) => {
                            let before = out.len();
                            peer.refuse(&asked, &Denied::because(reason), OnDeny::Refuse, &mut out).expect("room");
                            let word = if out.len() > before { "refused" } else { "silence for" };
                            if word == "refused" {
                                format!("{word} {function} as {reason}")
                            } else {
                                format!("{word} {function}: {reason}")
                            }
                        }
                    });
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
    if !out.is_empty() && !told.iter().any(|line| line.starts_with("ends")) {
        told.push(format!("< {}", out.as_slice().iter().map(|byte| format!("{byte:02x}")).collect::<String>()));
    }
    told
}

/// What a started station's bytes come to.
fn tell(bytes: &[u8], cuts: &[usize]) -> Vec<String> {
    let mut device = Device::new(&DeviceOptions {
        settings: crate::keys::Settings::default(),
        pending: 4,
        frame_timeout: Duration::from_secs(5),
        request_timeout: Duration::from_secs(10),
        ids: Ids::Own,
    });
    let (mut out, mut told) = (Out::new(8192), Vec::new());
    device.signal(signal_of(word::START), Now::default(), &mut out);
    assert_eq!(out.as_slice(), hex(START));
    let started = hex(STARTED);
    let step = device.next(Input::Stream(&started), Now::default(), &mut out);
    assert!(matches!(step, DeviceStep::Signal { used: 6, .. }), "{step:?}");
    let (mut start, mut wants) = (0, None);
    'arrivals: for end in cuts.iter().copied().chain([bytes.len()]) {
        loop {
            device.check_invariants();
            match device.next(Input::Stream(&bytes[start..end]), Now::default(), &mut out) {
                DeviceStep::Need { at_least } => {
                    wants = (end > start).then_some(at_least);
                    break;
                }
                DeviceStep::Told { used, .. } => {
                    told.push(String::from("told"));
                    start += used;
                }
                DeviceStep::Unasked { used, unasked } => {
                    told.push(format!("reports {}", unasked.message.function()));
                    start += used;
                }
                DeviceStep::Dropped { used, reason, .. } => {
                    told.push(format!("dropped {reason}"));
                    start += used;
                }
                DeviceStep::Own { used } | DeviceStep::Signal { used, .. } => start += used,
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
