//! Generated from `reference.sender.v1.avsc`: the records of topic `reference.sender.v1`. Do not edit: see
//! `schemas/README.md`.

use crate::event::{Change, ContentHasher, Event};
use crate::key::SenderName;
use serde::{Deserialize, Serialize};

/// How the messages of a sender are read; the latest record of a key is the whole of it. It has no secrets
/// and names no patient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SenderConfig {
    /// What has happened to the fact; left out of its content.
    #[serde(default)]
    pub change: Change,
    /// The sender's name: that of its file.
    pub sender: SenderName,
    /// The file's text, YAML, whole.
    pub text: String,
}

impl Event for SenderConfig {
    const TOPIC: &'static str = "reference.sender.v1";
    const SCHEMA: &'static str = include_str!("../../reference.sender.v1.avsc");
    type Key = SenderName;

    fn change(&self) -> Change {
        self.change
    }

    fn mark(&mut self, change: Change) {
        self.change = change;
    }

    fn content(&self, hasher: &mut ContentHasher) {
        hasher.field("sender", &self.sender);
        hasher.field("text", &self.text);
    }
}
