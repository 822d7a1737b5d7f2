//! Does every text load as a configuration, or end in a fault that can be shown?
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sluicegate_config::fuzz_text(bytes));
