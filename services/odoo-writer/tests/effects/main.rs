//! The effect against a fake Odoo over real HTTP: whatever goes wrong in between, each request becomes one invoice, and
//! nothing that a person made is touched.

#![expect(clippy::unwrap_used, reason = "helpers of tests stop them the way tests do")]

mod acts;
mod circumstances;
mod crashes;
mod notes;
mod people;
#[path = "../../src/sample.rs"]
mod sample;
mod world;
