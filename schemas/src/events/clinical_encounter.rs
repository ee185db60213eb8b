//! Generated from `clinical.encounter.v1.avsc`: the records of topic `clinical.encounter.v1`. Do not edit:
//! see `schemas/README.md`.

use crate::event::{Change, Content, ContentHasher, Event};
use crate::key::{AccountToken, EncounterToken, PatientToken};
use crate::phi::Phi;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What ONE message said of a visit; named by (sender, control id, visit). A null says nothing, so it changes
/// nothing: folds merge the facts of a visit by occurred_at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encounter {
    /// What has happened to the fact; left out of its content.
    #[serde(default)]
    pub change: Change,
    /// The visit's token.
    pub encounter: EncounterToken,
    /// The patient's token. Null: the message names no patient of the authority that counts.
    #[serde(default)]
    pub patient: Option<PatientToken>,
    /// The sender's name in our configuration.
    pub sender: String,
    /// MSH-10 of the message.
    pub control_id: String,
    /// MSH-9.2 of the message, e.g. A01.
    pub trigger: String,
    /// PV1-19.1: the visit's number at its source, for people to find it. Empty: not said.
    #[serde(default)]
    pub visit_number: Phi<String>,
    /// Where the visit stands after this message; unsaid: the message does not tell.
    #[serde(default)]
    pub status: EncounterStatus,
    /// PV1-2: the visit's class, table 0004, e.g. I inpatient, O outpatient, E emergency. Null: not said.
    #[serde(default)]
    pub class: Option<String>,
    /// PV1-3.4, else MSH-4: the facility's code. Null: not said.
    #[serde(default)]
    pub facility: Option<String>,
    /// PV1-3 as point of care^room^bed: where the patient is. Null: not said.
    #[serde(default)]
    pub location: Option<String>,
    /// PV1-6 as point of care^room^bed: where the patient was before. Null: not said.
    #[serde(default)]
    pub prior_location: Option<String>,
    /// PV1-7 of the first: the attending doctor, as code and name. Null: not said.
    #[serde(default)]
    pub attending: Option<Phi<String>>,
    /// PID-18: the token of the account that the visit is billed on. Null: not said.
    #[serde(default)]
    pub account: Option<AccountToken>,
    /// The token of the visit that this one was merged or moved into (A35, A41, A44, A45). Null: it was not.
    #[serde(default)]
    pub moved_to: Option<EncounterToken>,
    /// IN1-3.1 of the first insurance: the payer's code. Null: not said. Empty: deleted by the source.
    #[serde(default)]
    pub payer: Option<String>,
    /// PV1-44. Null: not said.
    #[serde(default)]
    pub admitted_at: Option<Timestamp>,
    /// PV1-45. Null: not said.
    #[serde(default)]
    pub discharged_at: Option<Timestamp>,
    /// The source's time of the message: EVN-2, else MSH-7. What folds merge by.
    pub occurred_at: Timestamp,
}

impl Event for Encounter {
    const TOPIC: &'static str = "clinical.encounter.v1";
    const SCHEMA: &'static str = include_str!("../../clinical.encounter.v1.avsc");
    type Key = EncounterToken;

    fn change(&self) -> Change {
        self.change
    }

    fn mark(&mut self, change: Change) {
        self.change = change;
    }

    fn content(&self, hasher: &mut ContentHasher) {
        hasher.field("encounter", &self.encounter);
        if self.patient.is_some() {
            hasher.field("patient", &self.patient);
        }
        hasher.field("sender", &self.sender);
        hasher.field("control_id", &self.control_id);
        hasher.field("trigger", &self.trigger);
        if !self.visit_number.0.is_empty() {
            hasher.field("visit_number", &self.visit_number);
        }
        if self.status != EncounterStatus::Unsaid {
            hasher.field("status", &self.status);
        }
        if self.class.is_some() {
            hasher.field("class", &self.class);
        }
        if self.facility.is_some() {
            hasher.field("facility", &self.facility);
        }
        if self.location.is_some() {
            hasher.field("location", &self.location);
        }
        if self.prior_location.is_some() {
            hasher.field("prior_location", &self.prior_location);
        }
        if self.attending.is_some() {
            hasher.field("attending", &self.attending);
        }
        if self.account.is_some() {
            hasher.field("account", &self.account);
        }
        if self.moved_to.is_some() {
            hasher.field("moved_to", &self.moved_to);
        }
        if self.payer.is_some() {
            hasher.field("payer", &self.payer);
        }
        if self.admitted_at.is_some() {
            hasher.field("admitted_at", &self.admitted_at);
        }
        if self.discharged_at.is_some() {
            hasher.field("discharged_at", &self.discharged_at);
        }
        hasher.field("occurred_at", &self.occurred_at);
    }
}

/// Where a visit stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EncounterStatus {
    /// `planned`.
    Planned,
    /// `in_progress`.
    InProgress,
    /// `finished`.
    Finished,
    /// `cancelled`.
    Cancelled,
    /// `unsaid`, and whatever a newer writer says.
    #[default]
    #[serde(other)]
    Unsaid,
}

impl EncounterStatus {
    /// The symbol, as Avro has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Finished => "finished",
            Self::InProgress => "in_progress",
            Self::Planned => "planned",
            Self::Unsaid => "unsaid",
        }
    }
}

impl Content for EncounterStatus {
    fn feed(&self, hasher: &mut ContentHasher) {
        crate::event::feed_text(hasher, self.as_str());
    }
}
