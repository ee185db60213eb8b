//! What the operator's commands do, apart from the command line: comparing and applying the contract, writing what
//! watches the services, and looking into their ledgers, following a fact through all of it.
//!
//! Consumes the compiled contract, Kafka's, the registry's and PostgreSQL's answers; gives reports. Creates topics and
//! registers schemas only in [`contract::apply`]; writes a ledger only in [`ledger::again::ask`],
//! [`ledger::lanes::resume`], [`ledger::sources::approve`] and [`recover::recover`]; deletes nothing.

pub mod books;
pub mod contract;
pub mod doctor;
pub mod ledger;
pub mod recover;
pub mod trace;
pub mod watch;
