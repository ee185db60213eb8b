//! What holds for any bytes given to HL7's `ack`.

#![no_main]

#[path = "../../../services/lib/hl7/tests/invariants/mod.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| invariants::answer(bytes));
