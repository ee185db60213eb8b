//! What holds for any bytes given to the reading of Odoo's answers.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| odoo::any_bytes::answer(bytes));
