//! Generated from `clinical.patient-link.v1.avsc`: the records of topic `clinical.patient-link.v1`. Do not
//! edit: see `schemas/README.md`.

use crate::event::{Change, ContentHasher, Event};
use crate::key::PatientToken;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A patient's token was retired: what is said of it belongs to the survivor. Withdrawn when the source takes
/// the link back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatientLink {
    /// What has happened to the fact; left out of its content.
    #[serde(default)]
    pub change: Change,
    /// MRG-1: the retired patient's token.
    pub patient: PatientToken,
    /// PID-3: the token of the patient that goes on. It may be retired itself by a later link.
    pub survivor: PatientToken,
    /// The sender's name in our configuration.
    pub sender: String,
    /// MSH-9.2 of the message, e.g. A40.
    pub trigger: String,
    /// The source's time of the message: EVN-2, else MSH-7. What folds merge by.
    pub occurred_at: Timestamp,
}

impl Event for PatientLink {
    const TOPIC: &'static str = "clinical.patient-link.v1";
    const SCHEMA: &'static str = include_str!("../../clinical.patient-link.v1.avsc");
    type Key = PatientToken;

    fn change(&self) -> Change {
        self.change
    }

    fn mark(&mut self, change: Change) {
        self.change = change;
    }

    fn content(&self, hasher: &mut ContentHasher) {
        hasher.field("patient", &self.patient);
        hasher.field("survivor", &self.survivor);
        hasher.field("sender", &self.sender);
        hasher.field("trigger", &self.trigger);
        hasher.field("occurred_at", &self.occurred_at);
    }
}
