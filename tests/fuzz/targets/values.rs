//! What holds for any bytes given to the reading of decimals, times, days, keys and headers.

#![no_main]

#[path = "../../../schemas/tests/invariants/mod.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| invariants::values(bytes));
