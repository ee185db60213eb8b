//! Customer invoices and credit notes, written at most once: draft → [`Invoices::create_only`] → [`Invoices::read_back`] →
//! [`compare`] → [`Invoices::post`].
//!
//! Every header and every line has an external id, which Odoo's database keeps unique. A draft that is there already is
//! left alone, whatever people made of it. Decisions are plain functions ([`compare`], `plan`, `rows`); the rest asks.
//!
//! Architecture Invariant: nothing here overwrites or deletes a record.

mod compare;
mod create;
mod draft;
mod found;
mod plan;
mod post;
mod rows;

pub use compare::{Difference, LineField, compare};
pub use create::Created;
pub use draft::{DraftFault, InvoiceDraft, Line, MoveType, Ref, Taxes};
#[cfg(any(test, fuzzing))]
pub(crate) use found::found_rows;
pub use found::{FoundInvoice, FoundLine, FoundRef, MoveState};
pub use plan::Reason;
pub use post::Posted;

use crate::{Client, Context};

/// Invoices of some companies in one Odoo.
#[derive(Clone, Debug)]
pub struct Invoices {
    client: Client,
    companies: Vec<i64>,
}

impl Invoices {
    /// Through this client, with a view of these companies' records (database ids). Name every company that drafts are
    /// for: a record of another one would not be seen.
    pub fn new(client: Client, companies: Vec<i64>) -> Self {
        Self { client, companies }
    }

    fn context(&self) -> Context {
        Context::new().companies(&self.companies)
    }
}
