//! Do the kept lines of the fuzz targets stay harmless? (GEN-16; near the lines goes `tests/corpus.rs`)

use std::vec::Vec;

use crate::{modbus, sentence};

type Entry = fn(&[u8]);

const KEPT: &[(&str, Entry)] = &[
    (include_str!("../../fuzz/seeds/modbus_peer.hex"), modbus::fuzz_peer),
    (include_str!("../../fuzz/seeds/modbus_device.hex"), modbus::fuzz_device),
    (include_str!("../../fuzz/seeds/modbus_request.hex"), modbus::fuzz_request),
    (include_str!("../../fuzz/seeds/modbus_response.hex"), modbus::fuzz_response),
    (include_str!("../../fuzz/seeds/sentence.hex"), sentence::fuzz_sentence),
];

#[test]
fn gen_16_every_kept_line_goes_through_its_entry() {
    for (lines, entry) in KEPT {
        go_through(lines, *entry);
    }
}

/// Each line of a target, in hexadecimal, through the target's entry.
pub(crate) fn go_through(lines: &str, entry: Entry) {
    assert!(lines.lines().count() >= 20);
    for line in lines.lines() {
        let byte = |at| u8::from_str_radix(&line[at..at + 2], 16).expect("hexadecimal");
        entry(&(0..line.len()).step_by(2).map(byte).collect::<Vec<_>>());
    }
}
