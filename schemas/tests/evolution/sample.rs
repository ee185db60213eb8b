//! Generated from `current.avsc`: a record of these tests. Do not edit: see `schemas/README.md`.

use canon::decimal::Fixed;
use canon::event::{Change, Content, ContentHasher, Event};
use canon::key::{EncounterToken, PatientToken};
use canon::phi::Phi;
use canon::time::{Date, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A record of the tests: one field of every kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// What has happened.
    #[serde(default)]
    pub(crate) change: Change,
    /// A visit.
    pub(crate) encounter: EncounterToken,
    /// A patient.
    #[serde(default)]
    pub(crate) patient: Option<PatientToken>,
    /// A name that was `name` once.
    #[serde(alias = "name")]
    pub(crate) title: String,
    /// A count; an int once.
    pub(crate) count: i64,
    /// Added later, with a default of its own.
    #[serde(default = "sample_tries")]
    pub(crate) tries: i32,
    /// Added later, with a default of its own.
    #[serde(default = "sample_unit")]
    pub(crate) unit: String,
    /// Added later, with a default.
    #[serde(default)]
    pub(crate) remark: Phi<String>,
    /// Added later.
    #[serde(default = "sample_flag")]
    pub(crate) flag: bool,
    /// A kind.
    #[serde(default)]
    pub(crate) kind: Kind,
    /// An amount.
    pub(crate) amount: Fixed<18, 4>,
    /// A price.
    #[serde(default)]
    pub(crate) price: Option<Fixed<18, 4>>,
    /// A time.
    pub(crate) at: Timestamp,
    /// A time.
    #[serde(default)]
    pub(crate) until: Option<Timestamp>,
    /// A day.
    pub(crate) day: Date,
    /// An id.
    #[serde(default)]
    pub(crate) id: Option<Uuid>,
    /// A digest.
    #[serde(with = "canon::serial::bytes")]
    pub(crate) digest: [u8; 32],
    /// Bytes.
    #[serde(with = "canon::serial::bytes")]
    pub(crate) payload: Phi<Vec<u8>>,
    /// Items.
    #[serde(default)]
    pub(crate) items: Vec<Item>,
}

fn sample_tries() -> i32 {
    3
}

fn sample_unit() -> String {
    "piece".to_owned()
}

fn sample_flag() -> bool {
    true
}

impl Event for Sample {
    const TOPIC: &'static str = "test.sample.v1";
    const SCHEMA: &'static str = include_str!("current.avsc");
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
        hasher.field("name", &self.title);
        hasher.field("count", &self.count);
        if self.tries != sample_tries() {
            hasher.field("tries", &self.tries);
        }
        if self.unit != sample_unit() {
            hasher.field("unit", &self.unit);
        }
        if !self.remark.0.is_empty() {
            hasher.field("remark", &self.remark);
        }
        if self.flag != sample_flag() {
            hasher.field("flag", &self.flag);
        }
        if self.kind != Kind::Other {
            hasher.field("kind", &self.kind);
        }
        hasher.field("amount", &self.amount);
        if self.price.is_some() {
            hasher.field("price", &self.price);
        }
        hasher.field("at", &self.at);
        if self.until.is_some() {
            hasher.field("until", &self.until);
        }
        hasher.field("day", &self.day);
        if self.id.is_some() {
            hasher.field("id", &self.id);
        }
        hasher.field("digest", &self.digest);
        hasher.field("payload", &self.payload);
        if !self.items.is_empty() {
            hasher.field("items", &self.items.as_slice());
        }
    }
}

/// A kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// `small`.
    Small,
    /// `large`.
    Large,
    /// `other`, and whatever a newer writer says.
    #[default]
    #[serde(other)]
    Other,
}

impl Kind {
    /// The symbol, as Avro has it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Large => "large",
            Self::Other => "other",
            Self::Small => "small",
        }
    }
}

impl Content for Kind {
    fn feed(&self, hasher: &mut ContentHasher) {
        canon::event::feed_text(hasher, self.as_str());
    }
}

/// An item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Item {
    /// An amount.
    pub(crate) amount: Fixed<18, 4>,
    /// A note.
    #[serde(default)]
    pub(crate) note: Option<Phi<String>>,
}

impl Content for Item {
    fn feed(&self, hasher: &mut ContentHasher) {
        canon::event::feed_record(hasher, |hasher| {
            hasher.field("amount", &self.amount);
            if self.note.is_some() {
                hasher.field("note", &self.note);
            }
        });
    }
}
