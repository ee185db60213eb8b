//! Generated from `billing.invoice.v1.avsc`: the records of topic `billing.invoice.v1`. Do not edit: see
//! `schemas/README.md`.

use crate::decimal::Fixed;
use crate::event::{Change, Content, ContentHasher, Event};
use crate::key::EncounterToken;
use crate::time::Date;
use serde::{Deserialize, Serialize};

/// An invoice or credit note of a visit as it stands in Odoo (account.move).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoice {
    /// What has happened to the fact; left out of its content.
    #[serde(default)]
    pub change: Change,
    /// account.move.id.
    pub invoice: i64,
    /// The visit's token.
    pub encounter: EncounterToken,
    /// The id of our request that it was made for, from its external id. Null: somebody made it by hand.
    #[serde(default)]
    pub request: Option<String>,
    /// account.move.name. Null: a draft that has none.
    #[serde(default)]
    pub number: Option<String>,
    /// account.move.move_type.
    #[serde(default)]
    pub kind: InvoiceKind,
    /// account.move.state; deleted when the move is gone from Odoo.
    #[serde(default)]
    pub state: InvoiceState,
    /// account.move.payment_state as Odoo has it, e.g. not_paid, partial, in_payment, paid, reversed.
    pub payment_state: String,
    /// account.move.amount_total, in units of the currency; of a credit note too, positive.
    pub total: Fixed<18, 4>,
    /// account.move.amount_residual: what is still to be paid, in units of the currency.
    pub residual: Fixed<18, 4>,
    /// ISO 4217: the name of account.move.currency_id.
    pub currency: String,
    /// account.move.invoice_date. Null: a draft that has none.
    #[serde(default)]
    pub invoice_date: Option<Date>,
    /// account.move.reversed_entry_id: the invoice that this credit note reverses. Null: none.
    #[serde(default)]
    pub reverses: Option<i64>,
    /// The id of our request for the invoice that is reversed. Null: none, or not ours.
    #[serde(default)]
    pub reversed_request: Option<String>,
    /// The lines with an amount, in Odoo's order; none of a deleted move.
    pub lines: Vec<InvoiceLine>,
    /// It has an external id of ours: odoo-writer made it.
    #[serde(default)]
    pub ours: bool,
}

impl Event for Invoice {
    const TOPIC: &'static str = "billing.invoice.v1";
    const SCHEMA: &'static str = include_str!("../../billing.invoice.v1.avsc");
    type Key = EncounterToken;

    fn change(&self) -> Change {
        self.change
    }

    fn mark(&mut self, change: Change) {
        self.change = change;
    }

    fn content(&self, hasher: &mut ContentHasher) {
        hasher.field("invoice", &self.invoice);
        hasher.field("encounter", &self.encounter);
        if self.request.is_some() {
            hasher.field("request", &self.request);
        }
        if self.number.is_some() {
            hasher.field("number", &self.number);
        }
        if self.kind != InvoiceKind::Unknown {
            hasher.field("kind", &self.kind);
        }
        if self.state != InvoiceState::Unknown {
            hasher.field("state", &self.state);
        }
        hasher.field("payment_state", &self.payment_state);
        hasher.field("total", &self.total);
        hasher.field("residual", &self.residual);
        hasher.field("currency", &self.currency);
        if self.invoice_date.is_some() {
            hasher.field("invoice_date", &self.invoice_date);
        }
        if self.reverses.is_some() {
            hasher.field("reverses", &self.reverses);
        }
        if self.reversed_request.is_some() {
            hasher.field("reversed_request", &self.reversed_request);
        }
        hasher.field("lines", &self.lines.as_slice());
        if self.ours {
            hasher.field("ours", &self.ours);
        }
    }
}

/// What a move is: out_invoice or out_refund in Odoo's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceKind {
    /// `invoice`.
    Invoice,
    /// `credit_note`.
    CreditNote,
    /// `unknown`, and whatever a newer writer says.
    #[default]
    #[serde(other)]
    Unknown,
}

impl InvoiceKind {
    /// The symbol, as Avro has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreditNote => "credit_note",
            Self::Invoice => "invoice",
            Self::Unknown => "unknown",
        }
    }
}

impl Content for InvoiceKind {
    fn feed(&self, hasher: &mut ContentHasher) {
        crate::event::feed_text(hasher, self.as_str());
    }
}

/// Where a move stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceState {
    /// `draft`.
    Draft,
    /// `posted`.
    Posted,
    /// `cancelled`.
    Cancelled,
    /// `deleted`.
    Deleted,
    /// `unknown`, and whatever a newer writer says.
    #[default]
    #[serde(other)]
    Unknown,
}

impl InvoiceState {
    /// The symbol, as Avro has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Deleted => "deleted",
            Self::Draft => "draft",
            Self::Posted => "posted",
            Self::Unknown => "unknown",
        }
    }
}

impl Content for InvoiceState {
    fn feed(&self, hasher: &mut ContentHasher) {
        crate::event::feed_text(hasher, self.as_str());
    }
}

/// One line of an invoice in Odoo (account.move.line).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceLine {
    /// The id of our line, from its external id. Null: somebody added it by hand.
    #[serde(default)]
    pub line: Option<String>,
    /// default_code of the line's product. Null: it has none.
    #[serde(default)]
    pub code: Option<String>,
    /// account.move.line.price_subtotal, in units of the currency.
    pub amount: Fixed<18, 4>,
}

impl Content for InvoiceLine {
    fn feed(&self, hasher: &mut ContentHasher) {
        crate::event::feed_record(hasher, |hasher| {
            if self.line.is_some() {
                hasher.field("line", &self.line);
            }
            if self.code.is_some() {
                hasher.field("code", &self.code);
            }
            hasher.field("amount", &self.amount);
        });
    }
}
