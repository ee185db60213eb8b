//! What a person asks of a lane, and what came of it.
//!
//! A wish lies in the ledger as an intent. The lane's owner carries it out between two batches, under the lane's fence, and
//! writes what came of it in the same transaction.

use canon::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What a person asks of a lane.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Wish {
    /// Folds the records of a topic again, from a time on.
    Again {
        /// The topic.
        topic: String,
        /// Records before this time (the topic's) are left alone.
        since: Timestamp,
        /// Only counts what would change.
        dry_run: bool,
    },
    /// Gives parked inputs up, for good; what waits behind one of them goes on. Their bytes are kept as a decision.
    Discard {
        /// Their numbers.
        inputs: Vec<i64>,
        /// Only counts what would come of it.
        dry_run: bool,
    },
    /// Puts another value in the place of a parked record's, and tries it as [`Wish::Redrive`] does. Both values are kept.
    Edit {
        /// Its number; the first of its key.
        input: i64,
        /// The value in Confluent's wire format.
        #[serde(with = "base64_text")]
        value: Vec<u8>,
        /// Only counts what would come of it.
        dry_run: bool,
    },
    /// Tries parked inputs again, each with what waits behind it, in park order.
    Redrive {
        /// Their numbers; each the first of its key.
        inputs: Vec<i64>,
        /// Only counts what would come of it.
        dry_run: bool,
    },
}

impl fmt::Debug for Wish {
    /// Without the value of an edit: a patient's data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dry = if self.is_dry() { ", dry run" } else { "" };
        write!(f, "{} of {:?}{dry}", self.verb(), crate::mend::inputs(self))
    }
}

impl Wish {
    /// What is asked, in a word.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Again { .. } => "again",
            Self::Discard { .. } => "discard",
            Self::Edit { .. } => "edit",
            Self::Redrive { .. } => "redrive",
        }
    }

    /// Whether nothing is to be changed.
    pub fn is_dry(&self) -> bool {
        match self {
            Self::Again { dry_run, .. }
            | Self::Discard { dry_run, .. }
            | Self::Edit { dry_run, .. }
            | Self::Redrive { dry_run, .. } => *dry_run,
        }
    }
}

/// What came of a wish. Of a dry run: what would.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcome {
    /// Inputs folded, or tried.
    pub records: u64,
    /// Facts that are stated and say what they said before.
    pub unchanged: u64,
    /// Facts with a corrected content.
    pub corrected: u64,
    /// Facts that were not stated before.
    pub recorded: u64,
    /// Facts that are stated no longer.
    pub withdrawn: u64,
    /// Inputs that were parked and are no longer, since they went through.
    pub resolved: u64,
    /// Inputs that were given up.
    pub discarded: u64,
    /// Inputs that are parked: left there, or again.
    pub parked: u64,
    /// Inputs asked for that are not parked (any more), or are not the first of their key.
    pub missed: u64,
    /// Inputs that are rejected now, by reason; of records folded again: what they stated before stays.
    pub rejected: BTreeMap<String, u64>,
    /// Why nothing was done.
    pub failed: Option<String>,
}

impl Outcome {
    /// Counts a lane's outcome to others'. Why a lane refused is told of that lane.
    pub fn add(&mut self, one: &Self) {
        let mine = [
            &mut self.records,
            &mut self.unchanged,
            &mut self.corrected,
            &mut self.recorded,
            &mut self.withdrawn,
            &mut self.resolved,
            &mut self.discarded,
            &mut self.parked,
            &mut self.missed,
        ];
        let more = [
            one.records,
            one.unchanged,
            one.corrected,
            one.recorded,
            one.withdrawn,
            one.resolved,
            one.discarded,
            one.parked,
            one.missed,
        ];
        mine.into_iter().zip(more).for_each(|(mine, more)| *mine += more);
        for (reason, inputs) in &one.rejected {
            *self.rejected.entry(reason.clone()).or_default() += inputs;
        }
    }
}

/// Bytes as text in JSON.
pub(crate) mod base64_text {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
