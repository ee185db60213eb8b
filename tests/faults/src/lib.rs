//! What tests of faults stand on: a world of their own on the real stack, services that kill or stop themselves at named
//! places, parts of the stack that go away, paths that misbehave, and verdicts over what can be seen from outside.
//!
//! Consumes the stack named by the `VERTEBRA_TEST_*` variables, or an instance of its own with a cluster of Kafka; empties its
//! topics and drops the services' ledgers, so that every run begins where nothing has happened yet. The fault points are
//! `backbone::fault`'s.

#![expect(
    clippy::print_stdout,
    reason = "a run tells what was injected, where, and how long the recovery took"
)]

pub mod ground;
pub mod mutants;
pub mod play;
pub mod proxy;
pub mod report;
pub mod scenarios;

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
