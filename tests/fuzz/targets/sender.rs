//! What holds for any bytes given to the reading of a sender's file.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ehr_adapter::any_bytes::sender(bytes));
