//! What may a peer send that makes the peer half panic, hang or break an invariant?
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sluicegate_proto::modbus::fuzz_peer(bytes));
