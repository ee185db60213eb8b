//! Generated from `billing.invoice-request.v1.avsc`: the records of topic `billing.invoice-request.v1`. Do
//! not edit: see `schemas/README.md`.

use crate::decimal::Fixed;
use crate::event::{Change, Content, ContentHasher, Event};
use crate::key::EncounterToken;
use crate::phi::Phi;
use crate::time::{Date, Timestamp};
use serde::{Deserialize, Serialize};

/// A command: make this invoice, or this credit note. Immutable; late charges make a further request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceRequest {
    /// What has happened to the fact; left out of its content.
    #[serde(default)]
    pub change: Change,
    /// The request's id: the visit's token, a hyphen, the number.
    pub request: String,
    /// The visit's token.
    pub encounter: EncounterToken,
    /// The request's number within the visit, from 1.
    pub number: i32,
    /// What is to be made.
    #[serde(default = "invoice_request_kind")]
    pub kind: RequestKind,
    /// The id of the request whose invoice a credit note reverses. Null: an invoice.
    #[serde(default)]
    pub reverses: Option<String>,
    /// The facility's code. Null: not said.
    #[serde(default)]
    pub facility: Option<String>,
    /// The company in Odoo, by external id or database id: what its charges say, else the facility's in
    /// billing-projector's file. Null: the writer's own.
    #[serde(default)]
    pub company: Option<String>,
    /// The journal in Odoo, by external id or database id: what its charges say, else the facility's in
    /// billing-projector's file. Null: the writer's own.
    #[serde(default)]
    pub journal: Option<String>,
    /// The payer's code, as table `payer` has it, else as the source says. Null: none; the patient pays.
    #[serde(default)]
    pub payer: Option<String>,
    /// ISO 4217 of every amount in it.
    pub currency: String,
    /// The day the invoice is dated.
    pub invoice_date: Date,
    /// The visit's number at its source, for people to find it. Empty: not known.
    #[serde(default)]
    pub visit_number: Phi<String>,
    /// The lines, at least one.
    pub lines: Vec<Line>,
    /// The sum of the lines' amounts, in units of the currency.
    pub total: Fixed<18, 4>,
}

fn invoice_request_kind() -> RequestKind {
    RequestKind::Invoice
}

impl Event for InvoiceRequest {
    const TOPIC: &'static str = "billing.invoice-request.v1";
    const SCHEMA: &'static str = include_str!("../../billing.invoice-request.v1.avsc");
    type Key = EncounterToken;

    fn change(&self) -> Change {
        self.change
    }

    fn mark(&mut self, change: Change) {
        self.change = change;
    }

    fn content(&self, hasher: &mut ContentHasher) {
        hasher.field("request", &self.request);
        hasher.field("encounter", &self.encounter);
        hasher.field("number", &self.number);
        if self.kind != invoice_request_kind() {
            hasher.field("kind", &self.kind);
        }
        if self.reverses.is_some() {
            hasher.field("reverses", &self.reverses);
        }
        if self.facility.is_some() {
            hasher.field("facility", &self.facility);
        }
        if self.company.is_some() {
            hasher.field("company", &self.company);
        }
        if self.journal.is_some() {
            hasher.field("journal", &self.journal);
        }
        if self.payer.is_some() {
            hasher.field("payer", &self.payer);
        }
        hasher.field("currency", &self.currency);
        hasher.field("invoice_date", &self.invoice_date);
        if !self.visit_number.0.is_empty() {
            hasher.field("visit_number", &self.visit_number);
        }
        hasher.field("lines", &self.lines.as_slice());
        hasher.field("total", &self.total);
    }
}

/// What a request asks for. Unknown: a newer writer's, which nobody carries out by guessing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// `invoice`.
    Invoice,
    /// `credit_note`.
    CreditNote,
    /// `unknown`, and whatever a newer writer says.
    #[default]
    #[serde(other)]
    Unknown,
}

impl RequestKind {
    /// The symbol, as Avro has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreditNote => "credit_note",
            Self::Invoice => "invoice",
            Self::Unknown => "unknown",
        }
    }
}

impl Content for RequestKind {
    fn feed(&self, hasher: &mut ContentHasher) {
        crate::event::feed_text(hasher, self.as_str());
    }
}

/// One line of an invoice; it belongs to one request for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The line's id, which Odoo keeps as external id.
    pub line: String,
    /// The charge's id.
    pub charge: String,
    /// The id of the line that a credit note's line takes back. Null: an invoice's line.
    #[serde(default)]
    pub reverses: Option<String>,
    /// The charge's code.
    pub code: String,
    /// Free text of the source. Null: not said.
    #[serde(default)]
    pub description: Option<Phi<String>>,
    /// How many units of the code were delivered.
    pub quantity: Fixed<18, 4>,
    /// The extended amount, in units of the request's currency; what a credit note takes back is positive.
    pub amount: Fixed<18, 4>,
    /// When it was delivered.
    pub service_at: Timestamp,
}

impl Content for Line {
    fn feed(&self, hasher: &mut ContentHasher) {
        crate::event::feed_record(hasher, |hasher| {
            hasher.field("line", &self.line);
            hasher.field("charge", &self.charge);
            if self.reverses.is_some() {
                hasher.field("reverses", &self.reverses);
            }
            hasher.field("code", &self.code);
            if self.description.is_some() {
                hasher.field("description", &self.description);
            }
            hasher.field("quantity", &self.quantity);
            hasher.field("amount", &self.amount);
            hasher.field("service_at", &self.service_at);
        });
    }
}
