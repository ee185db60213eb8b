#![doc = include_str!("../README.md")]

mod adt;
mod appointments;
mod bad;
mod chance;
mod charges;
mod config;
mod dialect;
mod lines;
mod office;
mod orders;
mod person;
mod plan;
mod scribe;
pub mod send;
mod tables;
#[expect(
    missing_docs,
    reason = "fields that say themselves what they are; the others have their position in HL7"
)]
pub mod truth;
mod ward;

pub use config::{Config, NoShare, NoSilence, Sender, Share, Silence, UnknownSender};
pub use lines::Unreadable;
pub use person::MARK;
pub use plan::{Day, Outgoing, Plan, content};
pub use tables::{LATER, Row, TABLES, Table, payers, products};
