//! Generated from `billing.charge.v1.avsc`: the records of topic `billing.charge.v1`. Do not edit: see
//! `schemas/README.md`.

use crate::decimal::Fixed;
use crate::event::{Change, Content, ContentHasher, Event};
use crate::key::{EncounterToken, PatientToken};
use crate::phi::Phi;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// One charge, credit or adjustment posted to a visit by its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// What has happened to the fact; left out of its content.
    #[serde(default)]
    pub change: Change,
    /// The fact's id, readable and made of tokens and source ids.
    pub charge: String,
    /// The visit's token.
    pub encounter: EncounterToken,
    /// The patient's token. Null: the message names no patient of the authority that counts.
    #[serde(default)]
    pub patient: Option<PatientToken>,
    /// The sender's name in our configuration.
    pub sender: String,
    /// MSH-10 of the message that carried it.
    pub control_id: String,
    /// The facility's code. Null: not said.
    #[serde(default)]
    pub facility: Option<String>,
    /// FT1-2: the source's number of the transaction; operational, says nothing of the patient.
    pub transaction_id: String,
    /// FT1-6: what the transaction does to the visit's account.
    #[serde(default)]
    pub kind: ChargeKind,
    /// The id of the charge that this credit or adjustment takes back. Null: none is named.
    #[serde(default)]
    pub reverses: Option<String>,
    /// FT1-7.1: the code of what was delivered, in the source's charge master.
    pub code: String,
    /// FT1-7.2, else FT1-8: free text of the source. Null: not said.
    #[serde(default)]
    pub description: Option<Phi<String>>,
    /// FT1-10: how many units of the code were delivered; of a credit, given back and so not positive.
    pub quantity: Fixed<18, 4>,
    /// The extended amount, in units of the currency, signed as it adds to the visit's account: a credit is
    /// never positive.
    pub amount: Fixed<18, 4>,
    /// ISO 4217, three capital letters.
    pub currency: String,
    /// FT1-4: when it was delivered.
    pub service_at: Timestamp,
    /// FT1-13.1: the department that is credited, as table `department` has it, else as the source says.
    /// Null: not said.
    #[serde(default)]
    pub department: Option<String>,
    /// The company in Odoo that invoices it, by external id or database id: of the facility in the sender's
    /// file. Null: the file names none.
    #[serde(default)]
    pub company: Option<String>,
    /// The journal in Odoo that its invoice is in, by external id or database id: of the facility in the
    /// sender's file. Null: the file names none.
    #[serde(default)]
    pub journal: Option<String>,
    /// The source's time of the message: EVN-2, else MSH-7.
    pub occurred_at: Timestamp,
}

impl Event for Charge {
    const TOPIC: &'static str = "billing.charge.v1";
    const SCHEMA: &'static str = include_str!("../../billing.charge.v1.avsc");
    type Key = EncounterToken;

    fn change(&self) -> Change {
        self.change
    }

    fn mark(&mut self, change: Change) {
        self.change = change;
    }

    fn content(&self, hasher: &mut ContentHasher) {
        hasher.field("charge", &self.charge);
        hasher.field("encounter", &self.encounter);
        if self.patient.is_some() {
            hasher.field("patient", &self.patient);
        }
        hasher.field("sender", &self.sender);
        hasher.field("control_id", &self.control_id);
        if self.facility.is_some() {
            hasher.field("facility", &self.facility);
        }
        hasher.field("transaction_id", &self.transaction_id);
        if self.kind != ChargeKind::Unknown {
            hasher.field("kind", &self.kind);
        }
        if self.reverses.is_some() {
            hasher.field("reverses", &self.reverses);
        }
        hasher.field("code", &self.code);
        if self.description.is_some() {
            hasher.field("description", &self.description);
        }
        hasher.field("quantity", &self.quantity);
        hasher.field("amount", &self.amount);
        hasher.field("currency", &self.currency);
        hasher.field("service_at", &self.service_at);
        if self.department.is_some() {
            hasher.field("department", &self.department);
        }
        if self.company.is_some() {
            hasher.field("company", &self.company);
        }
        if self.journal.is_some() {
            hasher.field("journal", &self.journal);
        }
        hasher.field("occurred_at", &self.occurred_at);
    }
}

/// What a transaction does to an account (table 0017).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeKind {
    /// `charge`.
    Charge,
    /// `credit`.
    Credit,
    /// `adjustment`.
    Adjustment,
    /// `unknown`, and whatever a newer writer says.
    #[default]
    #[serde(other)]
    Unknown,
}

impl ChargeKind {
    /// The symbol, as Avro has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Adjustment => "adjustment",
            Self::Charge => "charge",
            Self::Credit => "credit",
            Self::Unknown => "unknown",
        }
    }
}

impl Content for ChargeKind {
    fn feed(&self, hasher: &mut ContentHasher) {
        crate::event::feed_text(hasher, self.as_str());
    }
}
