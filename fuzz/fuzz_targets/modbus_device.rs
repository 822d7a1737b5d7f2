//! What may a device send that makes the device half panic, hang or break an invariant?
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sluicegate_proto::modbus::fuzz_device(bytes));
