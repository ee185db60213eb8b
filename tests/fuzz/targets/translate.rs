//! What holds for any bytes given to the translation of messages.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ehr_adapter::any_bytes::translation(bytes));
