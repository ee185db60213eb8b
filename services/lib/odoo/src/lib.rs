//! A client of Odoo 16 to 19, over JSON-2 or JSON-RPC, made for writing invoices at most once and for reading without losing
//! a row.
//!
//! It consumes drafts and questions, answers with typed records, exact decimals and errors named by what the caller
//! must do about them, and changes the world only through [`Client`]. Decisions (rows of a `load`, bisection,
//! comparison, classification of answers) are plain functions beside it, tested without a network.
//!
//! What is deliberately absent: retries, back-off and any memory of what was done (the caller's runtime has them);
//! logging (an answer may hold a patient's data; the caller decides).
//!
//! # Where floats come in
//! Odoo keeps money as PostgreSQL `numeric` but computes and serialises it as a Python float, printed as the shortest
//! text that reads back as the same float. Outwards, amounts go as decimal text in the cells of a `load`; Odoo calls
//! `float()` on them. Inwards, the number's own text in the JSON is parsed as a decimal ([`Exact`]); no float exists on
//! our side. Text of up to 15 significant digits survives that journey unchanged, so [`invoice`] refuses to send more.

#[cfg(any(test, fuzzing))]
pub mod any_bytes;
mod bisect;
pub mod cashier;
mod classify;
mod client;
mod context;
mod error;
mod exact;
mod external_id;
#[cfg(feature = "fake")]
pub mod fake;
mod fields;
mod hidden;
pub mod invoice;
mod json_rpc;
mod load;
mod model_calls;
pub mod seed;
mod settings;
mod values;
pub mod window;

pub use bisect::{LoadOutcome, Rejection};
pub use client::Client;
pub use context::Context;
pub use error::{Absent, Call, Consequence, Denial, Error, Outage, Puzzle, Refusal};
pub use exact::{Exact, NotExact, is_exact_in_odoo};
pub use external_id::{BadExternalId, ExternalId, OUR_MODULE};
pub use fields::Fields;
pub use hidden::{Hidden, Secret};
pub use load::{LoadAnswer, LoadMessage, LoadRecord};
pub use model_calls::{Known, Search, Version};
pub use settings::{Interface, Settings, SettingsError};
pub use values::{Link, Maybe};
