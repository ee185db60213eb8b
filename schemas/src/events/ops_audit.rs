//! Generated from `ops.audit.v1.avsc`: the records of topic `ops.audit.v1`. Do not edit: see
//! `schemas/README.md`.

use crate::event::{Change, ContentHasher, Event};
use crate::key::ServiceName;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What somebody did to a service by hand; each record seals the one before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// The service it was done to.
    pub service: ServiceName,
    /// Who did it: an operator's login, never a patient.
    pub actor: String,
    /// What was done, e.g. redrive, discard, cutover.
    pub action: String,
    /// What it was done to: a chain, a lane, a replay.
    pub subject: String,
    /// Why, in the operator's words; they are told to name no patient.
    #[serde(default)]
    pub reason: String,
    /// When, by the database's clock.
    pub at: Timestamp,
    /// The hash of the service's record before; 32 zero bytes for the first.
    #[serde(with = "crate::serial::bytes")]
    pub previous_hash: [u8; 32],
    /// SHA-256 of this record's other fields.
    #[serde(with = "crate::serial::bytes")]
    pub hash: [u8; 32],
}

impl Event for Audit {
    const TOPIC: &'static str = "ops.audit.v1";
    const SCHEMA: &'static str = include_str!("../../ops.audit.v1.avsc");
    type Key = ServiceName;

    fn change(&self) -> Change {
        Change::Recorded
    }

    fn mark(&mut self, _change: Change) {}

    fn content(&self, hasher: &mut ContentHasher) {
        hasher.field("service", &self.service);
        hasher.field("actor", &self.actor);
        hasher.field("action", &self.action);
        hasher.field("subject", &self.subject);
        if !self.reason.is_empty() {
            hasher.field("reason", &self.reason);
        }
        hasher.field("at", &self.at);
        hasher.field("previous_hash", &self.previous_hash);
        hasher.field("hash", &self.hash);
    }
}
