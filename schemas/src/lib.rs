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
pub mod readable;
pub mod serial;
pub mod time;
pub mod token;

pub use catalog::Catalog;
pub use codec::{DecodeError, EncodeError, WriterSchema};
pub use decimal::{Fixed, Money, Quantity};
pub use event::{Change, ContentHash, ContentHasher, Event, Name, event_id};
pub use events::billing_case::Case;
pub use events::billing_charge::Charge;
pub use events::billing_invoice::Invoice;
pub use events::billing_invoice_request::InvoiceRequest;
pub use events::billing_payment::Payment;
pub use events::clinical_appointment::Appointment;
pub use events::clinical_encounter::Encounter;
pub use events::clinical_order::Order;
pub use events::clinical_patient::Patient;
pub use events::clinical_patient_link::PatientLink;
pub use events::clinical_result::LabResult;
pub use events::inventory_item::Item;
pub use events::inventory_location::Location;
pub use events::inventory_stock_level::StockLevel;
pub use events::ops_audit::Audit;
pub use events::ops_dead_letter::DeadLetter;
pub use events::partner::Partner;
pub use events::raw_hl7v2::RawHl7v2;
pub use events::reference_code::{Code, CodeTable};
pub use events::reference_sender::SenderConfig;
pub use events::supply_consumption::Consumption;
pub use headers::{Headers, TraceParent};
pub use key::{
    AccountToken, CodeKey, EncounterToken, ItemCode, Key, KeyError, LocationCode, PartnerCode, PatientToken,
    RawKey, SenderName, ServiceName, StockKey,
};
pub use partition::partition;
pub use phi::Phi;
pub use time::{Date, Timestamp};
pub use token::Tokenizer;
