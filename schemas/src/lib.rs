//! The contract: what services say to each other, as Rust types.
//!
//! Consumes nothing, publishes nothing, does no I/O. One `.avsc` file per topic and `catalog.yaml` are the sources;
//! the types under [`events`] are generated from them, and a test fails when they are stale.

pub mod catalog;
pub mod codec;
pub mod compat;
pub mod decimal;
pub mod event;
pub mod events;
pub mod headers;
pub mod key;
pub mod partition;
pub mod phi;
pub mod serial;
pub mod time;
pub mod token;

pub use catalog::Catalog;
pub use codec::{DecodeError, EncodeError, WriterSchema};
pub use decimal::{Fixed, Money, Quantity};
pub use event::{Change, ContentHash, ContentHasher, Event, Name, event_id};
pub use events::billing_case::Case;
pub use events::billing_charge::Charge;
pub use events::billing_invoice_request::InvoiceRequest;
pub use events::clinical_encounter::Encounter;
pub use events::ops_audit::Audit;
pub use events::ops_dead_letter::DeadLetter;
pub use events::raw_hl7v2::RawHl7v2;
pub use headers::{Headers, TraceParent};
pub use key::{AccountToken, EncounterToken, Key, KeyError, PatientToken, RawKey, ServiceName};
pub use partition::partition;
pub use phi::Phi;
pub use time::{Date, Timestamp};
pub use token::Tokenizer;
