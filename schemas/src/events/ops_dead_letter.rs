//! Generated from `ops.dead-letter.v1.avsc`: the records of topic `ops.dead-letter.v1`. Do not edit: see
//! `schemas/README.md`.

use crate::event::{Change, ContentHasher, Event};
use crate::key::ServiceName;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A notice that a record was parked. Its bytes stay in the service's ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The service that parked it.
    pub service: ServiceName,
    /// The projection or sink that rejected it.
    pub processor: String,
    /// The lane, which is the partition's number.
    pub lane: i32,
    /// The topic it was read from.
    pub topic: String,
    /// The partition it was read from.
    pub partition: i32,
    /// Its place in the partition.
    pub offset: i64,
    /// The text of the key whose later records park behind it. Empty: it parks nobody else.
    #[serde(default)]
    pub chain: String,
    /// The class of the reason, as metrics label it.
    pub reason_class: String,
    /// What is wrong: positions, codes and field names, never values.
    #[serde(default)]
    pub reason: String,
    /// When it was parked, by the database's clock.
    pub parked_at: Timestamp,
    /// The record's ce_id. Null: it has none that can be read.
    #[serde(default)]
    pub event_id: Option<Uuid>,
    /// How often it was tried.
    #[serde(default = "dead_letter_attempts")]
    pub attempts: i32,
}

fn dead_letter_attempts() -> i32 {
    1
}

impl Event for DeadLetter {
    const TOPIC: &'static str = "ops.dead-letter.v1";
    const SCHEMA: &'static str = include_str!("../../ops.dead-letter.v1.avsc");
    type Key = ServiceName;

    fn change(&self) -> Change {
        Change::Recorded
    }

    fn mark(&mut self, _change: Change) {}

    fn content(&self, hasher: &mut ContentHasher) {
        hasher.field("service", &self.service);
        hasher.field("processor", &self.processor);
        hasher.field("lane", &self.lane);
        hasher.field("topic", &self.topic);
        hasher.field("partition", &self.partition);
        hasher.field("offset", &self.offset);
        if !self.chain.is_empty() {
            hasher.field("chain", &self.chain);
        }
        hasher.field("reason_class", &self.reason_class);
        if !self.reason.is_empty() {
            hasher.field("reason", &self.reason);
        }
        hasher.field("parked_at", &self.parked_at);
        if self.event_id.is_some() {
            hasher.field("event_id", &self.event_id);
        }
        if self.attempts != dead_letter_attempts() {
            hasher.field("attempts", &self.attempts);
        }
    }
}
