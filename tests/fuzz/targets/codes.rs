//! What holds for any bytes given to the reading of a code table.

#![no_main]

#[path = "../../../services/lib/codes/tests/invariants/mod.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| invariants::table(bytes));
