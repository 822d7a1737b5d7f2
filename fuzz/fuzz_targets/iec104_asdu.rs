//! Is what is read as an ASDU what would leave, in either direction?
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sluicegate_proto::iec104::fuzz_asdu(bytes));
