//! Is what is read as an answer what would leave, and shows only what was asked for?
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sluicegate_proto::modbus::fuzz_response(bytes));
