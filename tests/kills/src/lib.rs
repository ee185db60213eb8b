//! What the kill tests stand on: a world of their own on the real stack, services that kill or stop themselves at
//! named places, parts of the stack that go away, and books that must balance afterwards.
//!
//! Consumes the stack named by the `VERTEBRA_TEST_*` variables; empties its topics and drops the services' ledgers, and
//! has an Odoo of its own, so that every test begins where nothing has happened yet. The fault points are
//! `backbone::fault`'s.

#![expect(
    clippy::print_stdout,
    reason = "a run tells what was injected, where, and how long the recovery took"
)]

mod days;
mod nemesis;
mod versions;
mod victim;
mod wait;
mod world;

pub use days::{Days, Playing};
pub use nemesis::{Part, is_long};
pub use victim::Victim;
pub use wait::{Deadline, until};
pub use world::{Start, World};

/// Tells what the run has come to.
pub fn say(line: impl std::fmt::Display) {
    println!("{line}");
}
