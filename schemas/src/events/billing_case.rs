//! Generated from `billing.case.v1.avsc`: the records of topic `billing.case.v1`. Do not edit: see
//! `schemas/README.md`.

use crate::decimal::Fixed;
use crate::event::{Change, Content, ContentHasher, Event};
use crate::key::EncounterToken;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Where the billing of a visit stands; the latest record of a key is the whole of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// What has happened to the fact; left out of its content.
    #[serde(default)]
    pub change: Change,
    /// The visit's token.
    pub encounter: EncounterToken,
    /// Where billing stands.
    #[serde(default)]
    pub status: CaseStatus,
    /// Whether the visit is finished.
    #[serde(default)]
    pub finished: bool,
    /// ISO 4217 of the sums. Empty: no charge was seen yet.
    #[serde(default)]
    pub currency: String,
    /// The sum of charges in no request, in units of the currency.
    pub unbilled: Fixed<18, 4>,
    /// How many charges are in no request.
    #[serde(default)]
    pub unbilled_count: i64,
    /// The sum of lines requested, in units of the currency.
    pub requested: Fixed<18, 4>,
    /// How many lines were requested.
    #[serde(default)]
    pub requested_count: i64,
    /// How many invoices were requested.
    #[serde(default)]
    pub requests: i64,
    /// The sum of our lines on invoices that are posted in Odoo, in units of the currency.
    #[serde(default)]
    pub invoiced: Fixed<18, 4>,
    /// How many of our lines are on posted invoices.
    #[serde(default)]
    pub invoiced_count: i64,
    /// The sum of what posted credit notes take back of them, positive, in units of the currency.
    #[serde(default)]
    pub credited: Fixed<18, 4>,
    /// How many lines posted credit notes have.
    #[serde(default)]
    pub credited_count: i64,
    /// The sum of payments allocated to them, in units of the currency.
    #[serde(default)]
    pub paid: Fixed<18, 4>,
    /// How many payments were allocated.
    #[serde(default)]
    pub paid_count: i64,
    /// By how much Odoo differs from what was requested, without sign, in units of the currency.
    #[serde(default)]
    pub diverged: Fixed<18, 4>,
    /// How many requests Odoo has otherwise than they were.
    #[serde(default)]
    pub diverged_count: i64,
    /// The latest source's time among what was folded.
    pub as_of: Timestamp,
}

impl Event for Case {
    const TOPIC: &'static str = "billing.case.v1";
    const SCHEMA: &'static str = include_str!("../../billing.case.v1.avsc");
    type Key = EncounterToken;

    fn change(&self) -> Change {
        self.change
    }

    fn mark(&mut self, change: Change) {
        self.change = change;
    }

    fn content(&self, hasher: &mut ContentHasher) {
        hasher.field("encounter", &self.encounter);
        if self.status != CaseStatus::Unknown {
            hasher.field("status", &self.status);
        }
        if self.finished {
            hasher.field("finished", &self.finished);
        }
        if !self.currency.is_empty() {
            hasher.field("currency", &self.currency);
        }
        hasher.field("unbilled", &self.unbilled);
        if self.unbilled_count != 0 {
            hasher.field("unbilled_count", &self.unbilled_count);
        }
        hasher.field("requested", &self.requested);
        if self.requested_count != 0 {
            hasher.field("requested_count", &self.requested_count);
        }
        if self.requests != 0 {
            hasher.field("requests", &self.requests);
        }
        if !self.invoiced.is_zero() {
            hasher.field("invoiced", &self.invoiced);
        }
        if self.invoiced_count != 0 {
            hasher.field("invoiced_count", &self.invoiced_count);
        }
        if !self.credited.is_zero() {
            hasher.field("credited", &self.credited);
        }
        if self.credited_count != 0 {
            hasher.field("credited_count", &self.credited_count);
        }
        if !self.paid.is_zero() {
            hasher.field("paid", &self.paid);
        }
        if self.paid_count != 0 {
            hasher.field("paid_count", &self.paid_count);
        }
        if !self.diverged.is_zero() {
            hasher.field("diverged", &self.diverged);
        }
        if self.diverged_count != 0 {
            hasher.field("diverged_count", &self.diverged_count);
        }
        hasher.field("as_of", &self.as_of);
    }
}

/// Where the billing of a visit stands: open while the visit lasts, held until the bill hold has passed,
/// billed when all is requested, invoiced when all that was requested is posted in Odoo, paid when nothing of
/// that is left to pay, diverged while Odoo has it otherwise than requested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseStatus {
    /// `open`.
    Open,
    /// `held`.
    Held,
    /// `billed`.
    Billed,
    /// `invoiced`.
    Invoiced,
    /// `paid`.
    Paid,
    /// `diverged`.
    Diverged,
    /// `unknown`, and whatever a newer writer says.
    #[default]
    #[serde(other)]
    Unknown,
}

impl CaseStatus {
    /// The symbol, as Avro has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Billed => "billed",
            Self::Diverged => "diverged",
            Self::Held => "held",
            Self::Invoiced => "invoiced",
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Unknown => "unknown",
        }
    }
}

impl Content for CaseStatus {
    fn feed(&self, hasher: &mut ContentHasher) {
        crate::event::feed_text(hasher, self.as_str());
    }
}
