//! Is what is read as a request what would leave, with deeds in range?
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sluicegate_proto::modbus::fuzz_request(bytes));
