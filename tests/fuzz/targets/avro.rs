//! What holds for any bytes given to the decoding of events.

#![no_main]

#[path = "../../../schemas/tests/invariants/mod.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| invariants::avro(bytes));
