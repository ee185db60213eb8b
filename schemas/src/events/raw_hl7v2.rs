//! Generated from `raw.hl7v2.v1.avsc`: the records of topic `raw.hl7v2.v1`. Do not edit: see
//! `schemas/README.md`.

use crate::event::{Change, ContentHasher, Event};
use crate::key::RawKey;
use crate::phi::Phi;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// One HL7v2 message as a sender gave it, untouched. Published before it is acknowledged; a re-send lands
/// again and is dropped at translation by (sender, control id, identity).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawHl7v2 {
    /// The sender's name in our configuration.
    pub sender: String,
    /// MSH-10. Null: the message has none.
    #[serde(default)]
    pub control_id: Option<String>,
    /// MSH-9.1, e.g. ADT. Null: not said.
    #[serde(default)]
    pub message_code: Option<String>,
    /// MSH-9.2, e.g. A01. Null: not said.
    #[serde(default)]
    pub trigger: Option<String>,
    /// MSH-11.1: P production, T training, D debugging. Null: not said.
    #[serde(default)]
    pub processing_id: Option<String>,
    /// MSH-12.1, e.g. 2.5.1. Null: not said.
    #[serde(default)]
    pub version_id: Option<String>,
    /// MSH-18, as written; often wrong. Null: not said.
    #[serde(default)]
    pub charset: Option<String>,
    /// When the last byte of the frame came in, by the adapter's clock.
    pub received_at: Timestamp,
    /// SHA-256 of the message with MSH-7 blanked: engines renew MSH-7 when they send again.
    #[serde(with = "crate::serial::bytes")]
    pub identity: [u8; 32],
    /// Why the MSH segment could not be read: a position and a reason, never a value. Null: it could.
    #[serde(default)]
    pub unparsed: Option<String>,
    /// The message's bytes between the frame's start and end blocks.
    #[serde(with = "crate::serial::bytes")]
    pub payload: Phi<Vec<u8>>,
}

impl Event for RawHl7v2 {
    const TOPIC: &'static str = "raw.hl7v2.v1";
    const SCHEMA: &'static str = include_str!("../../raw.hl7v2.v1.avsc");
    type Key = RawKey;

    fn change(&self) -> Change {
        Change::Recorded
    }

    fn mark(&mut self, _change: Change) {}

    fn content(&self, hasher: &mut ContentHasher) {
        hasher.field("sender", &self.sender);
        if self.control_id.is_some() {
            hasher.field("control_id", &self.control_id);
        }
        if self.message_code.is_some() {
            hasher.field("message_code", &self.message_code);
        }
        if self.trigger.is_some() {
            hasher.field("trigger", &self.trigger);
        }
        if self.processing_id.is_some() {
            hasher.field("processing_id", &self.processing_id);
        }
        if self.version_id.is_some() {
            hasher.field("version_id", &self.version_id);
        }
        if self.charset.is_some() {
            hasher.field("charset", &self.charset);
        }
        hasher.field("received_at", &self.received_at);
        hasher.field("identity", &self.identity);
        if self.unparsed.is_some() {
            hasher.field("unparsed", &self.unparsed);
        }
        hasher.field("payload", &self.payload);
    }
}
