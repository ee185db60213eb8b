//! Generated from `clinical.order.v1.avsc`: the records of topic `clinical.order.v1`. Do not edit: see
//! `schemas/README.md`.

use crate::decimal::Fixed;
use crate::event::{Change, Content, ContentHasher, Event};
use crate::key::{EncounterToken, PatientToken};
use crate::phi::Phi;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// An order as the latest message on it left it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// What has happened to the fact; left out of its content.
    #[serde(default)]
    pub change: Change,
    /// The fact's id: the sender's name with ORC-2 or ORC-3, as the sender's file has it; readable, made of
    /// source ids.
    pub order: String,
    /// The patient's token.
    pub patient: PatientToken,
    /// PV1-19, else PID-18: the visit's token. Null: the message names none.
    #[serde(default)]
    pub encounter: Option<EncounterToken>,
    /// The sender's name in our configuration.
    pub sender: String,
    /// MSH-10 of the message.
    pub control_id: String,
    /// MSH-9.2 of the message, e.g. O01.
    pub trigger: String,
    /// ORC-1: what the message does to the order, table 0119, e.g. NW new, CA cancel.
    pub order_control: String,
    /// Where the order stands after this message, by ORC-1, else ORC-5; unsaid: neither tells.
    #[serde(default)]
    pub status: OrderStatus,
    /// OBR-4.1, else RXE-2.1 or RXO-1.1: the code of what is ordered.
    pub code: String,
    /// OBR-4.2, else RXE-2.2 or RXO-1.2: free text of the source. Null: not said.
    #[serde(default)]
    pub description: Option<Phi<String>>,
    /// RXE-10, else RXO-11 or ORC-7.1: how much is ordered, in the unit beside it. Null: not said.
    #[serde(default)]
    pub quantity: Option<Fixed<18, 4>>,
    /// RXE-11.1, else RXO-12.1: the unit's code at the source. Null: not said.
    #[serde(default)]
    pub unit: Option<String>,
    /// ORC-9, else OBR-6: when it was ordered. Null: not said.
    #[serde(default)]
    pub ordered_at: Option<Timestamp>,
    /// PV1-3.4, else MSH-4: the facility's code. Null: not said.
    #[serde(default)]
    pub facility: Option<String>,
    /// The source's time of the message: EVN-2, else MSH-7. What folds merge by.
    pub occurred_at: Timestamp,
}

impl Event for Order {
    const TOPIC: &'static str = "clinical.order.v1";
    const SCHEMA: &'static str = include_str!("../../clinical.order.v1.avsc");
    type Key = PatientToken;

    fn change(&self) -> Change {
        self.change
    }

    fn mark(&mut self, change: Change) {
        self.change = change;
    }

    fn content(&self, hasher: &mut ContentHasher) {
        hasher.field("order", &self.order);
        hasher.field("patient", &self.patient);
        if self.encounter.is_some() {
            hasher.field("encounter", &self.encounter);
        }
        hasher.field("sender", &self.sender);
        hasher.field("control_id", &self.control_id);
        hasher.field("trigger", &self.trigger);
        hasher.field("order_control", &self.order_control);
        if self.status != OrderStatus::Unsaid {
            hasher.field("status", &self.status);
        }
        hasher.field("code", &self.code);
        if self.description.is_some() {
            hasher.field("description", &self.description);
        }
        if self.quantity.is_some() {
            hasher.field("quantity", &self.quantity);
        }
        if self.unit.is_some() {
            hasher.field("unit", &self.unit);
        }
        if self.ordered_at.is_some() {
            hasher.field("ordered_at", &self.ordered_at);
        }
        if self.facility.is_some() {
            hasher.field("facility", &self.facility);
        }
        hasher.field("occurred_at", &self.occurred_at);
    }
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// `new`.
    New,
    /// `changed`.
    Changed,
    /// `cancelled`.
    Cancelled,
    /// `completed`.
    Completed,
    /// `held`.
    Held,
    /// `unsaid`, and whatever a newer writer says.
    #[default]
    #[serde(other)]
    Unsaid,
}

impl OrderStatus {
    /// The symbol, as Avro has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Changed => "changed",
            Self::Completed => "completed",
            Self::Held => "held",
            Self::New => "new",
            Self::Unsaid => "unsaid",
        }
    }
}

impl Content for OrderStatus {
    fn feed(&self, hasher: &mut ContentHasher) {
        crate::event::feed_text(hasher, self.as_str());
    }
}
