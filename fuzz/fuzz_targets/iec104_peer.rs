//! Does a control centre that says anything read the same at every cut?
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sluicegate_proto::iec104::fuzz_peer(bytes));
