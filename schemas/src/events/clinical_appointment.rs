//! Generated from `clinical.appointment.v1.avsc`: the records of topic `clinical.appointment.v1`. Do not
//! edit: see `schemas/README.md`.

use crate::event::{Change, Content, ContentHasher, Event};
use crate::key::{EncounterToken, PatientToken};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// An appointment as the latest message on it left it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appointment {
    /// What has happened to the fact; left out of its content.
    #[serde(default)]
    pub change: Change,
    /// The fact's id: the sender's name and SCH-1 or SCH-2, as the sender's file has it; readable, made of
    /// source ids.
    pub appointment: String,
    /// The patient's token.
    pub patient: PatientToken,
    /// PV1-19, else PID-18: the visit's token. Null: the message names none.
    #[serde(default)]
    pub encounter: Option<EncounterToken>,
    /// The sender's name in our configuration.
    pub sender: String,
    /// MSH-10 of the message.
    pub control_id: String,
    /// MSH-9.2 of the message, e.g. S12.
    pub trigger: String,
    /// Where the appointment stands after this message, by the trigger, else SCH-25; unsaid: neither tells.
    #[serde(default)]
    pub status: AppointmentStatus,
    /// SCH-11.4, else AIS-4: when it begins. Null: not said.
    #[serde(default)]
    pub starts_at: Option<Timestamp>,
    /// SCH-11.5, else the beginning and SCH-9 or AIS-7: when it ends. Null: not said.
    #[serde(default)]
    pub ends_at: Option<Timestamp>,
    /// AIS-3.1, else SCH-8.1: the code of what it is for. Null: not said.
    #[serde(default)]
    pub service: Option<String>,
    /// AIL-3 as point of care^room^bed. Null: not said.
    #[serde(default)]
    pub location: Option<String>,
    /// AIG-3.1, else AIP-3.1: the code of what or who is reserved, never a name. Null: not said.
    #[serde(default)]
    pub resource: Option<String>,
    /// AIL-3.4, else MSH-4: the facility's code. Null: not said.
    #[serde(default)]
    pub facility: Option<String>,
    /// The source's time of the message: EVN-2, else MSH-7. What folds merge by.
    pub occurred_at: Timestamp,
}

impl Event for Appointment {
    const TOPIC: &'static str = "clinical.appointment.v1";
    const SCHEMA: &'static str = include_str!("../../clinical.appointment.v1.avsc");
    type Key = PatientToken;

    fn change(&self) -> Change {
        self.change
    }

    fn mark(&mut self, change: Change) {
        self.change = change;
    }

    fn content(&self, hasher: &mut ContentHasher) {
        hasher.field("appointment", &self.appointment);
        hasher.field("patient", &self.patient);
        if self.encounter.is_some() {
            hasher.field("encounter", &self.encounter);
        }
        hasher.field("sender", &self.sender);
        hasher.field("control_id", &self.control_id);
        hasher.field("trigger", &self.trigger);
        if self.status != AppointmentStatus::Unsaid {
            hasher.field("status", &self.status);
        }
        if self.starts_at.is_some() {
            hasher.field("starts_at", &self.starts_at);
        }
        if self.ends_at.is_some() {
            hasher.field("ends_at", &self.ends_at);
        }
        if self.service.is_some() {
            hasher.field("service", &self.service);
        }
        if self.location.is_some() {
            hasher.field("location", &self.location);
        }
        if self.resource.is_some() {
            hasher.field("resource", &self.resource);
        }
        if self.facility.is_some() {
            hasher.field("facility", &self.facility);
        }
        hasher.field("occurred_at", &self.occurred_at);
    }
}

/// Where an appointment stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppointmentStatus {
    /// `booked`.
    Booked,
    /// `rescheduled`.
    Rescheduled,
    /// `modified`.
    Modified,
    /// `cancelled`.
    Cancelled,
    /// `no_show`.
    NoShow,
    /// `unsaid`, and whatever a newer writer says.
    #[default]
    #[serde(other)]
    Unsaid,
}

impl AppointmentStatus {
    /// The symbol, as Avro has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Booked => "booked",
            Self::Cancelled => "cancelled",
            Self::Modified => "modified",
            Self::NoShow => "no_show",
            Self::Rescheduled => "rescheduled",
            Self::Unsaid => "unsaid",
        }
    }
}

impl Content for AppointmentStatus {
    fn feed(&self, hasher: &mut ContentHasher) {
        crate::event::feed_text(hasher, self.as_str());
    }
}
