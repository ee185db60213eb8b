//! Generated from `clinical.patient.v1.avsc`: the records of topic `clinical.patient.v1`. Do not edit: see
//! `schemas/README.md`.

use crate::event::{Change, ContentHasher, Event};
use crate::key::PatientToken;
use crate::phi::Phi;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What is known of a patient after one message; the latest record of a key is the whole of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patient {
    /// What has happened to the fact; left out of its content.
    #[serde(default)]
    pub change: Change,
    /// The patient's token.
    pub patient: PatientToken,
    /// The sender's name in our configuration.
    pub sender: String,
    /// PID-5.1 of the legal name: the family name. Null: not known.
    #[serde(default)]
    pub family: Option<Phi<String>>,
    /// PID-5.2 of the legal name: the given name. Null: not known.
    #[serde(default)]
    pub given: Option<Phi<String>>,
    /// PID-7 as written: a day, a month or a year, as precise as it was said. Null: not known.
    #[serde(default)]
    pub birth_date: Option<Phi<String>>,
    /// PID-8: administrative sex, table 0001. Null: not known.
    #[serde(default)]
    pub sex: Option<Phi<String>>,
    /// PID-11, the first one, as one text. Null: not known.
    #[serde(default)]
    pub address: Option<Phi<String>>,
    /// PID-13.1, else PID-13.12 of the first one. Null: not known.
    #[serde(default)]
    pub phone: Option<Phi<String>>,
    /// PID-30 is Y, or PID-29 has a time. False: not said.
    #[serde(default)]
    pub deceased: Phi<bool>,
    /// The source's time of the message: EVN-2, else MSH-7. What folds merge by.
    pub occurred_at: Timestamp,
}

impl Event for Patient {
    const TOPIC: &'static str = "clinical.patient.v1";
    const SCHEMA: &'static str = include_str!("../../clinical.patient.v1.avsc");
    type Key = PatientToken;

    fn change(&self) -> Change {
        self.change
    }

    fn mark(&mut self, change: Change) {
        self.change = change;
    }

    fn content(&self, hasher: &mut ContentHasher) {
        hasher.field("patient", &self.patient);
        hasher.field("sender", &self.sender);
        if self.family.is_some() {
            hasher.field("family", &self.family);
        }
        if self.given.is_some() {
            hasher.field("given", &self.given);
        }
        if self.birth_date.is_some() {
            hasher.field("birth_date", &self.birth_date);
        }
        if self.sex.is_some() {
            hasher.field("sex", &self.sex);
        }
        if self.address.is_some() {
            hasher.field("address", &self.address);
        }
        if self.phone.is_some() {
            hasher.field("phone", &self.phone);
        }
        if self.deceased.0 {
            hasher.field("deceased", &self.deceased);
        }
        hasher.field("occurred_at", &self.occurred_at);
    }
}
