//! Does every published attack vector get its verdict through the running gate, however it is cut?
//!
//! Judged at the device's socket: what arrived there, and on the peer's side: what came back, and whether the gate hung up.
//! Each vector is sent whole, at every 2-way split, and byte by byte (GEN-01).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::Value;

use crate::gate::{Answers, Config, Device, Gate, Peer, Site, frame, shared, wait};

/// Between two parts, so that the gate reads them apart. Where it does not, the verdict is the same.
const BETWEEN: Duration = Duration::from_micros(500);
/// What passes: a read. It stands behind each vector, so that all that came before it has had its verdict.
const PROBE: [u8; 5] = [3, 0, 99, 0, 1];
const PROBE_TEXT: &str = "010300630001";

/// Which of our closed reasons a vector's reason is.
const REASONS: &[(&str, &str)] = &[
    ("fc_not_allowed", "function_not_allowed"),
    ("mbap_len_mismatch", "length_mismatch"),
    ("mbap_len_range", "length_mismatch"),
    ("mbap_proto_id", "malformed"),
    ("pdu_trailing_bytes", "length_mismatch"),
    ("pdu_short", "length_mismatch"),
    ("byte_count_mismatch", "length_mismatch"),
    ("exception_in_request", "malformed"),
    ("fc_zero", "malformed"),
    ("tid_in_flight", "duplicate_id"),
    ("unit_broadcast", "unit_not_allowed"),
    ("fc8_sub_not_allowed", "function_not_allowed"),
    ("mei_not_allowed", "function_not_allowed"),
    ("fc23_write_range", "function_not_allowed"),
    ("file_record_range", "malformed"),
    ("file_cumulative_len", "malformed"),
    ("addr_wrap", "address_not_allowed"),
    ("value_range", "value_not_allowed"),
    ("unsolicited_response", "unsolicited_response"),
    ("response_fc_mismatch", "response_mismatch"),
    ("response_len_mismatch", "response_mismatch"),
];

/// What a peer's bytes come to.
struct Due {
    id: &'static str,
    /// Unit and PDU of each request at the device.
    device: &'static [&'static str],
    /// What the peer gets.
    end: End,
}

enum End {
    /// Answers, in hex; the session goes on.
    Answers(&'static [&'static str]),
    /// The gate hangs up without a byte.
    Closed,
    /// The first is answered, the second gets silence; the session goes on. The device answers late.
    Duplicate,
}

const READ_TEN: &str = "01030000000a";
const TEN: &str = "0001000000170103140000000100020003000400050006000700080009";

const DUE: &[Due] = &[
    due("MB-01", &[READ_TEN], End::Answers(&[TEN])),
    due("MB-02", &[READ_TEN], End::Answers(&[TEN, "000200000003018601"])),
    // The length can only be a lie for function 3: no need to wait for the deadline.
    due("MB-03", &[], End::Closed),
    due("MB-05", &[], End::Closed),
    due("MB-06", &[], End::Closed),
    due("MB-07", &[], End::Closed),
    due("MB-09", &[], End::Closed),
    due("MB-10", &[READ_TEN], End::Duplicate),
    due("MB-15", &[], End::Answers(&["000100000003008601"])),
    due("MB-17", &[], End::Answers(&["000100000003018801"])),
    due("MB-18", &[], End::Answers(&["000100000003018801"])),
    due("MB-19", &[], End::Answers(&["00010000000301ab01"])),
    due("MB-21", &[], End::Answers(&["00010000000301da01"])),
    due("MB-22", &[], End::Answers(&["000100000003019701"])),
    due("MB-23", &[], End::Answers(&["000100000003019601"])),
    due("MB-25", &[], End::Answers(&["000100000003019503"])),
    due("MB-26", &[], End::Answers(&["000100000003019403"])),
    due("MB-27", &[], End::Answers(&["000100000003018302"])),
    due("MB-29", &[], End::Closed),
    due("MB-30", &[], End::Answers(&["000100000003018503"])),
    due("MB-31", &[], End::Closed),
    due("MB-33", &[], End::Closed),
    due("MB-34", &[], End::Closed),
    due("MB-35", &[], End::Closed),
];

const fn due(id: &'static str, device: &'static [&'static str], end: End) -> Due {
    Due { id, device, end }
}

/// GEN-04 (lengths that lie), GEN-09 (an exception as a request) and GEN-10 (functions of nobody) are among the vectors.
#[test]
fn every_cut_of_a_peers_bytes_comes_to_one_verdict() {
    let Some(vectors) = vectors("c2s") else { return };
    let (site, device) = (Site::new(), Device::start());
    let gate = Gate::start(&site, &Config::plain(&device, &["hmi read holding 0-99"]));
    let mut control = Peer::plain(&gate);
    for (id, (bytes, reason)) in &vectors {
        let due = DUE.iter().find(|one| one.id == id).unwrap_or_else(|| panic!("{id} is new: what is due?"));
        let before = count(&gate, reason);
        let cuts = cuts(bytes.len());
        for parts in &cuts {
            device.forget();
            let mut peer = Peer::plain(&gate);
            one(due, &mut peer, &mut control, &device, (bytes, parts));
        }
        if let Some(reason) = reason {
            let counted = count(&gate, &Some(reason.clone())) - before;
            assert_eq!(counted, cuts.len() as u64, "{id}: every cut is counted as {reason}");
        }
    }
    assert_eq!(vectors.len(), DUE.len(), "every row of the table is a vector");
    gate.stop();
}

/// GEN-03: in one TLS record, in two, and a record for each byte.
#[test]
fn vectors_come_to_the_same_over_tls() {
    let Some(vectors) = vectors("c2s") else { return };
    let (site, device) = (Site::new(), Device::start());
    let gate = Gate::start(&site, &Config::tls(&device, &["hmi read holding 0-99"]));
    let mut control = Peer::tls(&gate, &site, "scada");
    for (id, (bytes, _)) in &vectors {
        let due = DUE.iter().find(|one| one.id == id).expect("the other test says which one is new");
        let middle = bytes.len() / 2;
        for parts in [vec![bytes.len()], vec![middle, bytes.len()], (1..=bytes.len()).collect()] {
            device.forget();
            let mut peer = Peer::tls(&gate, &site, "scada");
            one(due, &mut peer, &mut control, &device, (bytes, &parts));
        }
    }
    gate.stop();
}

/// GEN-08, MB-11, MB-13, MB-14: what a device says falsely reaches nobody.
#[test]
fn every_cut_of_a_devices_bytes_comes_to_one_verdict() {
    let Some(vectors) = vectors("s2c") else { return };
    let (site, device) = (Site::new(), Device::start());
    let gate = Gate::start(&site, &Config::plain(&device, &["hmi read holding 0-99"]));
    let mut peer = Peer::plain(&gate);
    for (id, (bytes, reason)) in &vectors {
        let reason = reason.as_ref().expect("no vector of a device passes");
        let before = count(&gate, &Some(reason.clone()));
        // The ids on the device's connection are the gate's own: the vector's 1 stands for the one in flight. What is
        // unsolicited is followed by the true answer, which must be the one that is delivered.
        let unsolicited = reason == "unsolicited_response";
        let (lie, truth) = (bytes.clone(), "010302000a");
        device.answers(Answers::Falsely(Arc::new(move |request| {
            let mut answer = lie.clone();
            let id = u16::from_be_bytes([request[0], request[1]]);
            let id = if unsolicited { id.wrapping_add(8) } else { id };
            answer[..2].copy_from_slice(&id.to_be_bytes());
            if unsolicited {
                answer.extend_from_slice(&request[..2]);
                answer.extend_from_slice(&hex("00000005"));
                answer.extend_from_slice(&hex(truth));
            }
            answer
        })));
        let total = if unsolicited { bytes.len() * 2 } else { bytes.len() };
        let cuts = cuts(total);
        for parts in &cuts {
            device.cuts(parts);
            let answer = peer.ask(&[3, 0, 0, 0, 1]);
            let due = if unsolicited { vec![3, 2, 0, 10] } else { vec![0x83, 0x0b] };
            assert_eq!(answer, due, "{id}, cut at {parts:?}: the peer got something else");
        }
        let counted = count(&gate, &Some(reason.clone())) - before;
        assert_eq!(counted, cuts.len() as u64, "{id}: every cut is counted as {reason}");
    }
    assert_eq!(vectors.len(), 3, "there is a new vector of a device");
    gate.stop();
}

fn one(due: &Due, peer: &mut Peer, control: &mut Peer, device: &Device, (bytes, parts): (&[u8], &[usize])) {
    let case = format!("{}, cut at {parts:?}", due.id);
    if matches!(due.end, End::Duplicate) {
        device.answers(Answers::Later);
    }
    let mut start = 0;
    for &end in parts {
        // The gate may have hung up before the last byte: that is its right.
        let sent = peer.try_send(&bytes[start..end]);
        assert!(sent.is_ok() || matches!(due.end, End::Closed), "{case}: {sent:?}");
        std::thread::sleep(BETWEEN);
        start = end;
    }
    let mut expected: Vec<&str> = due.device.to_vec();
    expected.push(PROBE_TEXT);
    let read = |peer: &mut Peer| text(&peer.answer().unwrap_or_else(|error| panic!("{case}: {error}")));
    match due.end {
        End::Closed => {
            assert_eq!(text(&peer.until_closed()), "", "{case}: bytes for a severed peer");
            assert_eq!(control.ask(&PROBE), [3, 2, 0, 99], "{case}");
        }
        End::Answers(answers) => {
            for answer in answers {
                assert_eq!(read(peer), *answer, "{case}");
            }
            peer.send(&frame(0x7777, 1, &PROBE));
            assert_eq!(read(peer), "7777000000050103020063", "{case}");
        }
        End::Duplicate => {
            peer.send(&frame(0x7777, 1, &PROBE));
            wait("the first request at the device", || !device.texts().is_empty());
            // The probe is behind the duplicate: when it is in flight or queued, the duplicate has had its verdict. The
            // device has one request at a time, so the order at its socket is the order of the peer.
            device.answers(Answers::Truly);
            assert_eq!(read(peer), TEN.replacen("0001", "0007", 1), "{case}");
            assert_eq!(read(peer), "7777000000050103020063", "{case}");
        }
    }
    assert_eq!(device.texts(), expected, "{case}: at the device's socket");
}

/// Each vector's bytes and our reason, by id; `None` where it passes.
type Vectors = BTreeMap<String, (Vec<u8>, Option<String>)>;

fn vectors(direction: &str) -> Option<Vectors> {
    let text = std::fs::read_to_string(shared("vectors/modbus.json")?).expect("the vectors are readable");
    let all: Vec<Value> = serde_json::from_str(&text).expect("the vectors are JSON");
    let field = |one: &Value, name: &str| one[name].as_str().expect("a text").to_owned();
    let mut found = Vectors::new();
    for one in all.iter().filter(|one| one["dir"] == direction) {
        let segments = one["segments"].as_array().expect("a list").iter();
        let bytes = segments.flat_map(|part| hex(part.as_str().expect("hex"))).collect();
        let reason = field(one, "reason");
        let ours = REASONS.iter().find(|(theirs, _)| *theirs == reason).map(|(_, ours)| (*ours).to_owned());
        assert!(ours.is_some() || reason == "ok", "{reason} has no reason of ours");
        found.insert(field(one, "id"), (bytes, ours));
    }
    Some(found)
}

/// Where parts end: whole, every 2-way split, byte by byte.
fn cuts(length: usize) -> Vec<Vec<usize>> {
    let mut all = vec![vec![length]];
    all.extend((1..length).map(|at| vec![at, length]));
    all.push((1..=length).collect());
    all
}

fn count(gate: &Gate, reason: &Option<String>) -> u64 {
    let Some(reason) = reason else { return 0 };
    gate.metric(&format!("denials_total{{conduit=\"pump\",mode=\"enforce\",reason=\"{reason}\"}}"))
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
}

fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
