//! Generated from `clinical.result.v1.avsc`: the records of topic `clinical.result.v1`. Do not edit: see
//! `schemas/README.md`.

use crate::event::{Change, Content, ContentHasher, Event};
use crate::key::{EncounterToken, PatientToken};
use crate::phi::Phi;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The results of one OBR with its OBX segments, as the latest message on them left them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabResult {
    /// What has happened to the fact; left out of its content.
    #[serde(default)]
    pub change: Change,
    /// The fact's id: the sender's name, the filler's order number (OBR-3, else OBR-2) and OBR-4.1; readable,
    /// made of source ids.
    pub result: String,
    /// The patient's token.
    pub patient: PatientToken,
    /// PV1-19, else PID-18: the visit's token. Null: the message names none.
    #[serde(default)]
    pub encounter: Option<EncounterToken>,
    /// The id of the order it answers, as clinical.order.v1 has it. Null: ORC and OBR name none.
    #[serde(default)]
    pub order: Option<String>,
    /// The sender's name in our configuration.
    pub sender: String,
    /// MSH-10 of the message.
    pub control_id: String,
    /// OBR-25, else the least settled of OBX-11: where the whole stands.
    #[serde(default)]
    pub status: ResultStatus,
    /// OBR-4.1: the code of what was examined.
    pub code: String,
    /// One for each OBX, in the message's order.
    pub observations: Vec<Observation>,
    /// OBR-7: when the specimen was taken or the examination made. Null: not said.
    #[serde(default)]
    pub observed_at: Option<Timestamp>,
    /// The source's time of the message: EVN-2, else MSH-7. What folds merge by.
    pub occurred_at: Timestamp,
}

impl Event for LabResult {
    const TOPIC: &'static str = "clinical.result.v1";
    const SCHEMA: &'static str = include_str!("../../clinical.result.v1.avsc");
    type Key = PatientToken;

    fn change(&self) -> Change {
        self.change
    }

    fn mark(&mut self, change: Change) {
        self.change = change;
    }

    fn content(&self, hasher: &mut ContentHasher) {
        hasher.field("result", &self.result);
        hasher.field("patient", &self.patient);
        if self.encounter.is_some() {
            hasher.field("encounter", &self.encounter);
        }
        if self.order.is_some() {
            hasher.field("order", &self.order);
        }
        hasher.field("sender", &self.sender);
        hasher.field("control_id", &self.control_id);
        if self.status != ResultStatus::Unsaid {
            hasher.field("status", &self.status);
        }
        hasher.field("code", &self.code);
        hasher.field("observations", &self.observations.as_slice());
        if self.observed_at.is_some() {
            hasher.field("observed_at", &self.observed_at);
        }
        hasher.field("occurred_at", &self.occurred_at);
    }
}

/// Where a result stands (table 0085).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultStatus {
    /// `preliminary`.
    Preliminary,
    /// `final`.
    Final,
    /// `corrected`.
    Corrected,
    /// `deleted`.
    Deleted,
    /// `unsaid`, and whatever a newer writer says.
    #[default]
    #[serde(other)]
    Unsaid,
}

impl ResultStatus {
    /// The symbol, as Avro has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Corrected => "corrected",
            Self::Deleted => "deleted",
            Self::Final => "final",
            Self::Preliminary => "preliminary",
            Self::Unsaid => "unsaid",
        }
    }
}

impl Content for ResultStatus {
    fn feed(&self, hasher: &mut ContentHasher) {
        crate::event::feed_text(hasher, self.as_str());
    }
}

/// One observed value: an OBX segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// OBX-1: its number within the OBR; empty: not said.
    #[serde(default)]
    pub set_id: String,
    /// OBX-3.1: the code of what was observed.
    pub code: String,
    /// OBX-4: tells observations of one code apart. Null: not said.
    #[serde(default)]
    pub sub_id: Option<String>,
    /// OBX-2: the value's HL7 type, e.g. NM, ST, CE. Null: not said.
    #[serde(default)]
    pub value_type: Option<String>,
    /// OBX-5 as written, repetitions and components included. Null: no value.
    #[serde(default)]
    pub value: Option<Phi<String>>,
    /// OBX-6.1: the unit's code at the source. Null: not said.
    #[serde(default)]
    pub unit: Option<String>,
    /// OBX-7 as written. Null: not said.
    #[serde(default)]
    pub reference_range: Option<String>,
    /// OBX-8: the flag, table 0078, e.g. H, LL. Null: not said.
    #[serde(default)]
    pub abnormal: Option<Phi<String>>,
    /// OBX-11: where this value stands.
    #[serde(default)]
    pub status: ResultStatus,
    /// OBX-14, else OBR-7: when it was observed. Null: not said.
    #[serde(default)]
    pub observed_at: Option<Timestamp>,
}

impl Content for Observation {
    fn feed(&self, hasher: &mut ContentHasher) {
        crate::event::feed_record(hasher, |hasher| {
            if !self.set_id.is_empty() {
                hasher.field("set_id", &self.set_id);
            }
            hasher.field("code", &self.code);
            if self.sub_id.is_some() {
                hasher.field("sub_id", &self.sub_id);
            }
            if self.value_type.is_some() {
                hasher.field("value_type", &self.value_type);
            }
            if self.value.is_some() {
                hasher.field("value", &self.value);
            }
            if self.unit.is_some() {
                hasher.field("unit", &self.unit);
            }
            if self.reference_range.is_some() {
                hasher.field("reference_range", &self.reference_range);
            }
            if self.abnormal.is_some() {
                hasher.field("abnormal", &self.abnormal);
            }
            if self.status != ResultStatus::Unsaid {
                hasher.field("status", &self.status);
            }
            if self.observed_at.is_some() {
                hasher.field("observed_at", &self.observed_at);
            }
        });
    }
}
