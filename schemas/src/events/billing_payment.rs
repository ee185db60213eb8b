//! Generated from `billing.payment.v1.avsc`: the records of topic `billing.payment.v1`. Do not edit: see
//! `schemas/README.md`.

use crate::decimal::Fixed;
use crate::event::{Change, ContentHasher, Event};
use crate::key::EncounterToken;
use crate::time::Date;
use serde::{Deserialize, Serialize};

/// What of a payment was allocated to an invoice of a visit in Odoo; one fact for each payment and invoice,
/// withdrawn when they are no longer reconciled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// What has happened to the fact; left out of its content.
    #[serde(default)]
    pub change: Change,
    /// account.payment.id; of an entry without one, the account.move.id, negative.
    pub payment: i64,
    /// account.move.id of the invoice.
    pub invoice: i64,
    /// The visit's token.
    pub encounter: EncounterToken,
    /// The id of our request that the invoice was made for. Null: somebody made it by hand.
    #[serde(default)]
    pub request: Option<String>,
    /// account.partial.reconcile: what was allocated to this invoice, in units of the currency; positive
    /// reduces what is to be paid.
    pub amount: Fixed<18, 4>,
    /// ISO 4217 of the amount, which is the invoice's.
    pub currency: String,
    /// account.payment.state as Odoo has it, e.g. draft, in_process, paid, canceled.
    pub state: String,
    /// account.payment.date. Null: not said.
    #[serde(default)]
    pub paid_on: Option<Date>,
}

impl Event for Payment {
    const TOPIC: &'static str = "billing.payment.v1";
    const SCHEMA: &'static str = include_str!("../../billing.payment.v1.avsc");
    type Key = EncounterToken;

    fn change(&self) -> Change {
        self.change
    }

    fn mark(&mut self, change: Change) {
        self.change = change;
    }

    fn content(&self, hasher: &mut ContentHasher) {
        hasher.field("payment", &self.payment);
        hasher.field("invoice", &self.invoice);
        hasher.field("encounter", &self.encounter);
        if self.request.is_some() {
            hasher.field("request", &self.request);
        }
        hasher.field("amount", &self.amount);
        hasher.field("currency", &self.currency);
        hasher.field("state", &self.state);
        if self.paid_on.is_some() {
            hasher.field("paid_on", &self.paid_on);
        }
    }
}
