//! Does every text that is read as a rule print as itself, and has every other a fault?
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sluicegate_proto::sentence::fuzz_sentence(bytes));
