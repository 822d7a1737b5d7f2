//! Every Modbus capture against the decode of somebody else: direction, unit, function, address, quantity, values.
//!
//! The other decode is evidence, not truth: where the two differ, [`EXPLAINED`] says which clause makes it so.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;
use sluicegate_proto::protocol::Protocol;

use super::{corpora, decode, kept};

/// Where the two may differ: the capture (a part of its name), the packets, what is different, and why.
const EXPLAINED: &[(&str, &[u64], &str, &str)] = &[
    (
        "OISF_suricata-verify__modbus.pcap",
        &[32, 34],
        "length_mismatch",
        "the request of FC 43/14 has four bytes (Application Protocol 6.21), not five",
    ),
    (
        "digitalbond_Quickdraw-Snort__modbus_test_data_part1.pcap",
        &[32, 34],
        "length_mismatch",
        "the request of FC 43/14 has four bytes (Application Protocol 6.21), not five",
    ),
    (
        "cisagov_icsnpp-modbus__modbus_example.pcap",
        &[64],
        "malformed",
        "the byte count of FC 20 is 7 to 245 (Application Protocol 6.14), not 0",
    ),
    (
        "cisagov_icsnpp-modbus__modbus_example.pcap",
        &[68],
        "malformed",
        "the request data length of FC 21 is 9 to 251 (Application Protocol 6.15), not 0",
    ),
    (
        "zeek_zeek__modbus-eit.pcap",
        &[2],
        "response_mismatch",
        "183 objects are told and two bytes follow (Application Protocol 6.21)",
    ),
    (
        "digitalbond_Quickdraw-Snort__modbus_test_data_part1.pcap",
        &[113],
        "only ours",
        "packet 111 ends in three bytes of nothing; tshark takes 113 for their continuation, we take the conversation up \
         again at a packet that starts whole",
    ),
    (
        "generated__modbus_udp.pcapng",
        &[],
        "only ours",
        "tshark does not take datagrams on port 502 for Modbus unless it is told to",
    ),
];

#[test]
fn the_captures_of_this_repository_mean_what_tshark_says() {
    let mut used = vec![0; EXPLAINED.len()];
    let captures = kept();
    assert!(captures.len() >= 5, "the captures lie in tests/captures");
    let messages: usize = captures.iter().map(|capture| compare(capture, &mut used)).sum();
    assert!(messages >= 78, "{messages}");
}

#[test]
fn gen_15_every_modbus_capture_means_what_tshark_says() {
    let captures = corpora("modbus");
    if captures.is_empty() {
        return;
    }
    let mut used = vec![0; EXPLAINED.len()];
    let messages: usize = captures.iter().map(|capture| compare(capture, &mut used)).sum();
    assert!(messages >= 3286, "{messages} messages were compared");
    for ((file, frames, what, why), times) in EXPLAINED.iter().zip(used) {
        assert!(times > 0, "{file} {frames:?}: {what} is explained and does not occur: {why}");
    }
    println!("{} captures, {messages} messages compared", captures.len());
}

/// Compares one capture; every difference must be explained. Returns how many messages were compared.
fn compare(capture: &Path, used: &mut [usize]) -> usize {
    let oracle = oracle(capture);
    let (lines, _) = decode(capture, Protocol::Modbus, &[]);
    let mut ours: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
    for line in lines {
        ours.entry(line["frame"].as_u64().expect("a number")).or_default().push(line);
    }
    let mut faults = Vec::new();
    let mut compared = 0;
    let mut fault = |frame: u64, what: &str, more: &str| {
        let name = capture.file_name().expect("a file").to_string_lossy();
        let explained = EXPLAINED.iter().position(|(file, frames, kind, _)| {
            name == *file && *kind == what && (frames.is_empty() || frames.contains(&frame))
        });
        match explained {
            Some(place) => used[place] += 1,
            None => faults.push(format!("{name} packet {frame}: {what} {more}")),
        }
    };
    for (frame, messages) in &oracle {
        let mut mine = ours.remove(frame).unwrap_or_default();
        for message in messages {
            compared += 1;
            let place = mine.iter().position(|line| is_of(line, message));
            let Some(line) = place.map(|place| mine.remove(place)) else {
                fault(*frame, "only theirs", &message.row.to_string());
                continue;
            };
            match line["malformed"].as_str() {
                Some(reason) => fault(*frame, reason, &format!("{line} {}", message.row)),
                None => differences(&line, message).iter().for_each(|one| fault(*frame, one, &format!("{line}"))),
            }
        }
        ours.insert(*frame, mine);
    }
    // Whatever tshark does not take for Modbus must not have a meaning here either.
    for (frame, line) in ours.iter().flat_map(|(frame, lines)| lines.iter().map(move |line| (*frame, line))) {
        if line["malformed"].is_null() {
            fault(frame, "only ours", &line.to_string());
        }
    }
    assert!(faults.is_empty(), "{} differences:\n{}", faults.len(), faults.join("\n"));
    compared
}

/// One message as tshark read it.
struct Message {
    unit: u64,
    row: Value,
}

fn oracle(capture: &Path) -> BTreeMap<u64, Vec<Message>> {
    let text = std::fs::read_to_string(capture.with_extension("pdu.jsonl")).expect("each capture has its decode");
    let mut messages: BTreeMap<u64, Vec<Message>> = BTreeMap::new();
    let mut unit = None;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let row: Value = serde_json::from_str(line).expect("an object a line");
        if row["proto"] == "mbtcp" {
            unit = Some(number(&row["mbtcp.unit_id"]));
            continue;
        }
        let unit = unit.take().expect("a header stands before each message");
        messages.entry(row["frame"].as_u64().expect("a number")).or_default().push(Message { unit, row });
    }
    messages
}

/// Whether a line is of the unit and the function of a message.
fn is_of(line: &Value, message: &Message) -> bool {
    let of = |one: &Value| one["unit"] == message.unit && one["function"] == number(&message.row["modbus.func_code"]);
    let deeds = line["deeds"].as_array().expect("a list");
    if deeds.is_empty() { of(line) } else { deeds.iter().all(of) }
}

/// What is different of a message that both could read.
fn differences(line: &Value, message: &Message) -> Vec<&'static str> {
    let row = &message.row;
    let field = |name: &str| row.get(format!("modbus.{name}"));
    let deeds = line["deeds"].as_array().expect("a list");
    let any = |name: &str, value: u64| deeds.iter().any(|deed| deed[name] == value);
    let of_class =
        |class: &str, name: &str, value: u64| deeds.iter().any(|deed| deed["class"] == class && deed[name] == value);
    let mut faults = Vec::new();
    let mut must = |holds: bool, what| {
        if !holds {
            faults.push(what);
        }
    };
    let function = number(&row["modbus.func_code"]);
    if let Some(direction) = direction(function, row) {
        must(line["direction"] == direction, "direction");
    }
    must(field("exception_code").map(number) == deeds[0].get("exception").and_then(Value::as_u64), "exception");
    for (theirs, ours) in [
        ("reference_num", "address"),
        ("bit_cnt", "quantity"),
        ("and_mask", "and_mask"),
        ("or_mask", "or_mask"),
        ("diagnostic_code", "sub_function"),
        ("mei", "sub_function"),
        ("read_device_id", "read_code"),
    ] {
        must(field(theirs).is_none_or(|value| any(ours, number(value))), theirs_of(theirs));
    }
    for (theirs, class, ours) in [
        ("read_reference_num", "read", "address"),
        ("read_word_cnt", "read", "quantity"),
        ("write_reference_num", "write", "address"),
        ("write_word_cnt", "write", "quantity"),
    ] {
        must(field(theirs).is_none_or(|value| of_class(class, ours, number(value))), theirs_of(theirs));
    }
    must(field("object_id").is_none_or(|value| objects(&deeds[0]) == numbers(value)), "object_id");
    match (field("word_cnt").map(number), function) {
        (None, _) => {}
        // A queue says how many registers it holds.
        (Some(count), 24) => {
            must(deeds[0]["values"].as_array().is_some_and(|all| all.len() as u64 == count), "word_cnt");
        }
        (Some(count), _) => must(any("quantity", count), "word_cnt"),
    }
    let values =
        |expected: &[u64]| deeds.iter().any(|deed| starts_with(&deed["values"], expected, deed.get("quantity")));
    must(field("regval_uint16").is_none_or(|value| values(&numbers(value))), "values");
    must(field("bitval").is_none_or(|value| values(&numbers(value))), "bits");
    must(field("data").is_none_or(|data| is_data(function, data.as_str().expect("a text"), deeds)), "data");
    faults
}

/// The objects of FC 43/14: the one from which on a request asks, or those that an answer tells.
fn objects(deed: &Value) -> Vec<u64> {
    let Some(payload) = deed["payload"].as_str() else { return deed["object_id"].as_u64().into_iter().collect() };
    let bytes: Vec<u64> =
        (0..payload.len() / 2).map(|at| u64::from_str_radix(&payload[2 * at..2 * at + 2], 16).expect("hex")).collect();
    // Read code, conformity, whether more follows, where, how many; then for each its id, its length, its text.
    let (mut at, mut ids) = (5, Vec::new());
    while let (Some(id), Some(length)) = (bytes.get(at), bytes.get(at + 1)) {
        ids.push(*id);
        at += 2 + usize::try_from(*length).expect("a byte");
    }
    ids
}

/// Bytes that tshark did not take apart: as we have them.
fn is_data(function: u64, data: &str, deeds: &[Value]) -> bool {
    let bytes: Vec<u64> =
        data.split(':').filter(|one| !one.is_empty()).map(|one| u64::from_str_radix(one, 16).expect("hex")).collect();
    let words: Vec<u64> = bytes.chunks(2).map(|pair| pair.iter().fold(0, |sum, byte| sum * 256 + byte)).collect();
    let bits = || bytes.iter().flat_map(|byte| (0..8).map(move |n| byte >> n & 1));
    let any = |expected: &[u64]| deeds.iter().any(|deed| starts_with(&deed["values"], expected, deed.get("quantity")));
    match function {
        5 => any(&[u64::from(words == [0xFF00])]),
        6 | 8 | 23 | 24 => any(&words),
        15 => deeds.iter().any(|deed| {
            let count = deed["quantity"].as_u64().expect("a number") as usize;
            starts_with(&deed["values"], &bits().take(count).collect::<Vec<_>>(), deed.get("quantity"))
        }),
        _ => deeds.iter().any(|deed| deed["payload"].as_str() == Some(&data.replace(':', ""))),
    }
}

/// Whether `values` are the expected ones. Bits without a known quantity (an answer whose request was not captured) go on
/// to the end of their byte; tshark knows the quantity from the request that it saw elsewhere.
fn starts_with(values: &Value, expected: &[u64], quantity: Option<&Value>) -> bool {
    let Some(values) = values.as_array() else { return false };
    let values: Vec<_> = values.iter().filter_map(Value::as_u64).collect();
    if quantity.is_some() { values == expected } else { values.starts_with(expected) }
}

/// Which end sent it, where the fields tell.
fn direction(function: u64, row: &Value) -> Option<&'static str> {
    let has = |name: &str| row.get(format!("modbus.{name}")).is_some();
    match function {
        _ if has("exception_code") => Some("response"),
        1..=4 if has("reference_num") => Some("request"),
        1..=4 if has("byte_cnt") => Some("response"),
        15 | 16 => Some(if has("byte_cnt") { "request" } else { "response" }),
        23 => Some(if has("read_reference_num") { "request" } else { "response" }),
        24 => Some(if has("reference_num") { "request" } else { "response" }),
        _ => None,
    }
}

fn theirs_of(name: &str) -> &'static str {
    [
        "reference_num",
        "bit_cnt",
        "and_mask",
        "or_mask",
        "diagnostic_code",
        "mei",
        "read_device_id",
        "object_id",
        "read_reference_num",
        "read_word_cnt",
        "write_reference_num",
        "write_word_cnt",
    ]
    .into_iter()
    .find(|one| *one == name)
    .expect("a name of the table")
}

fn numbers(value: &Value) -> Vec<u64> {
    match value.as_array() {
        Some(all) => all.iter().map(number).collect(),
        None => vec![number(value)],
    }
}

fn number(value: &Value) -> u64 {
    let text = value.as_str().expect("tshark's fields are texts");
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    }
    .unwrap_or_else(|_| panic!("{text} is no number"))
}
