//! The journal: what a lane folded, batch by batch, in the order and under the clock it did.
//!
//! A rebuild that follows it sees the same inputs at the same times, so its state equals the live one whatever the
//! interleaving of topics was.

use crate::again::Again;
use crate::reject::Reason;
use crate::store::ParkedItem;
use canon::time::Timestamp;
use serde::{Deserialize, Serialize};

/// One committed batch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The lane's sequence of this batch.
    pub seq: i64,
    /// The batch's clock.
    pub clock: Timestamp,
    /// The last deadline that was fired, when any was; they fire in the order of (deadline, key).
    pub fired_to: Option<(Timestamp, String)>,
    /// The one deadline that was fired, due or not, since it had fired at this moment before the ledger went back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fired_early: Option<(Timestamp, String)>,
    /// When the deadlines fire that were put off, if any was: those that would have given a command before the moment at which it was
    /// given before the ledger went back, or with less in it. They are among the culprits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub put_off_to: Option<Timestamp>,
    /// What was read, in order.
    pub segments: Vec<Segment>,
    /// The place in the order of the tables' rows as of which they were looked up.
    #[serde(default)]
    pub tables: i64,
    /// Parked inputs that a person gave up, before anything else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub discarded: Vec<Place>,
    /// Values that a person put in the place of parked records', before anything was folded again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edited: Vec<Edited>,
    /// What was parked and was folded again, before what was read.
    #[serde(default)]
    pub released: Vec<Released>,
    /// Records folded before that were folded again, by themselves.
    #[serde(default)]
    pub again: Option<Again>,
    /// A rebuild's state was put in the place of the lane's, or the other way round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_over: Option<CutOver>,
    /// Inputs parked since the process died over them: not to be repeated by folding again.
    pub culprits: Vec<Culprit>,
    /// The code and the configuration that folded it.
    pub code: String,
}

impl Entry {
    /// The inputs about which people decided: given up, or edited.
    pub(crate) fn decided(&self) -> impl Iterator<Item = Place> {
        let edited = self.edited.iter();
        let edited = edited.map(|one| Place::Record { topic: one.topic.clone(), offset: one.offset });
        self.discarded.iter().cloned().chain(edited)
    }

    /// Whether a deadline was fired that is set.
    pub(crate) fn fires(&self, deadline: &(Timestamp, String)) -> bool {
        let is_early = self.fired_early.as_ref().is_some_and(|(_, key)| *key == deadline.1);
        is_early || self.fired_to.as_ref().is_some_and(|last| deadline <= last)
    }

    /// Whether of each chain that was released only the first input was folded.
    pub(crate) fn has_heads_only(&self) -> bool {
        self.released.iter().any(|one| matches!(one, Released::Head(_)))
    }
}

/// A lane's part of the ledger changed over with a rebuild's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutOver {
    /// The rebuild.
    pub replay: i64,
    /// Whether what was live before is again.
    pub back: bool,
    /// The place among the tables' rows as of which it had looked everything up that was folded before that place; nothing: as it
    /// was looked up then.
    pub tables_at: Option<i64>,
}

/// A run of records of one topic in the lane's partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The topic.
    pub topic: String,
    /// The first record's offset.
    pub first: i64,
    /// One past the last record's offset.
    pub next: i64,
}

/// What was taken out of the parked inputs, to be folded again in park order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Released {
    /// Everything that was parked of a key.
    Chain(String),
    /// The first input that was parked of a key; the rest was parked again.
    Head(String),
    /// A key's deadline that held nobody up.
    Deadline(String),
    /// One record that held nobody up.
    Alone {
        /// Its topic.
        topic: String,
        /// Its offset.
        offset: i64,
    },
}

/// A parked input.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A deadline.
    Deadline {
        /// The key it was set for.
        key: String,
        /// When it was due.
        at: Timestamp,
    },
    /// A record.
    Record {
        /// Its topic.
        topic: String,
        /// Its offset.
        offset: i64,
    },
}

/// The value that a parked record got.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edited {
    /// Its topic.
    pub topic: String,
    /// Its offset.
    pub offset: i64,
    /// In Confluent's wire format.
    #[serde(with = "crate::wish::base64_text")]
    pub value: Vec<u8>,
}

impl Place {
    pub(crate) fn of(item: &ParkedItem) -> Self {
        match item {
            ParkedItem::Record(record) => {
                Self::Record { topic: record.topic.to_owned(), offset: record.offset }
            }
            ParkedItem::Deadline { key, at } => Self::Deadline { key: key.clone(), at: *at },
        }
    }
}

impl std::fmt::Debug for Edited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}: {} bytes", self.topic, self.offset, self.value.len())
    }
}

/// An input that was parked without being folded: a record, or a deadline as it is tried alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Culprit {
    /// Its topic.
    pub topic: String,
    /// Its offset.
    pub offset: i64,
    /// Why.
    pub reason: Reason,
    /// In words.
    pub detail: String,
}

/// The runs of a batch's records, in the order they were folded.
pub(crate) fn segments<'a>(records: impl Iterator<Item = (&'a str, i64)>) -> Vec<Segment> {
    let mut runs: Vec<Segment> = Vec::new();
    for (topic, offset) in records {
        match runs.last_mut() {
            // Offsets between two records of a run hold transaction markers or compacted records.
            Some(run) if run.topic == topic => run.next = offset + 1,
            _ => runs.push(Segment { topic: topic.to_owned(), first: offset, next: offset + 1 }),
        }
    }
    runs
}

/// The place as of which each entry's lookups count, when what they led to is live now: what was cut over to looked them up as of
/// its own.
pub(crate) fn tables(journal: &[Entry]) -> Vec<i64> {
    let in_force = InForce::of(journal);
    journal.iter().map(|entry| in_force.tables(entry)).collect()
}

/// The cutover to what is live now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct InForce {
    /// The number of its entry.
    until: i64,
    /// As of which place of the tables what was folded before it was looked up; 0: as it was looked up then.
    pub(crate) tables_at: i64,
}

impl InForce {
    /// By the entries of a lane, or by those among them that are cutovers; none where nothing was cut over to that is live.
    pub(crate) fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut in_force = Vec::new();
        for entry in entries {
            match entry.cut_over {
                Some(CutOver { back: true, .. }) => drop(in_force.pop()),
                Some(CutOver { tables_at, .. }) => {
                    in_force.push(Self { until: entry.seq, tables_at: tables_at.unwrap_or(0) });
                }
                None => {}
            }
        }
        in_force.pop().unwrap_or_default()
    }

    /// The place as of which an entry's lookups count.
    pub(crate) fn tables(&self, entry: &Entry) -> i64 {
        if entry.seq < self.until { entry.tables.max(self.tables_at) } else { entry.tables }
    }
}
