//! What end-to-end tests and the demonstration stand on: real processes, an invented hospital, and books that are held
//! against what it sent.
//!
//! Consumes a running stack ([`Stack`]); starts and signals services ([`Fleet`], [`Process`]); sends HL7 over MLLP
//! ([`Sender`]) that a seeded generator made up ([`Hospital`]); reads topics, ledgers and Odoo ([`Books`]) and tells
//! everything that does not agree ([`check`]). [`canaries`] looks for planted patient data where none may be.
//!
//! The truth is what the sender sent and saw acknowledged, never a counter of the code under test.

pub mod canaries;

mod books;
mod day;
mod fleet;
mod history;
mod process;
mod sender;
mod small;
mod stack;
mod wait;

pub use books::{
    Behind, Books, BooksError, Difference, Evidence, Figures, Landed, Ledger, ParkedAt, Read, Stated,
    Unsettled, check, percentile,
};
pub use day::{Amiss, Codes, DayFigures, Paid, Played, amiss, pay, seeds};
pub use fleet::{Fleet, Role, SECRET, SenderFile};
pub use history::{History, Sent};
pub use process::{Launch, NotReady, Process, Signal, page};
pub use sender::{SendError, Sender, send_all};
pub use small::{Chance, Hospital, Kind, Outgoing, Plan, PlannedCharge, Visit, payers, products};
pub use stack::{OdooAt, Stack};
pub use wait::until;
