//! What a ledger keeps of single inputs and commands.

use crate::record::Record;
use crate::reject::{Reason, Reject, Waits};
use canon::time::Timestamp;
use uuid::Uuid;

/// What a person decided of a parked record: kept for good, with its bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Decision {
    /// Its topic.
    pub topic: String,
    /// Its offset in the lane's partition.
    pub offset: i64,
    /// Its value as it was parked.
    pub was: Option<Vec<u8>>,
    /// The value that it got; nothing: it was given up.
    pub now: Option<Vec<u8>>,
    /// The intent's number: who decided, when and why.
    pub intent: i64,
}

impl std::fmt::Debug for Decision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = if self.now.is_some() { "edited" } else { "discarded" };
        write!(f, "{}@{} {what} by intent {}", self.topic, self.offset, self.intent)
    }
}

/// One input that waits for a person.
#[derive(Clone, Debug, PartialEq)]
pub struct Parked {
    /// The key whose later inputs park behind it; nothing if it blocks nobody.
    pub chain: Option<String>,
    /// What is parked.
    pub item: ParkedItem,
    /// The class of what is wrong.
    pub reason: Reason,
    /// In words, without patient data.
    pub detail: String,
    /// The batch's clock.
    pub at: Timestamp,
    /// The table row whose coming releases it, when one does.
    pub waits: Option<Waiting>,
    /// How many other facts of its name were seen before it: what a fold is told again on release.
    pub homonyms: u32,
}

/// What a parked input waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The rows, at least one; any of them will do.
    pub rows: Vec<Waits>,
    /// The place among the tables' rows as of which it was not there.
    pub after: i64,
}

impl Parked {
    /// An input parked for a reason that no table heals.
    pub fn of(chain: Option<String>, item: ParkedItem, reject: Reject, at: Timestamp) -> Self {
        let Reject { reason, detail, .. } = reject;
        Self { chain, item, reason, detail, at, waits: None, homonyms: 0 }
    }
}

/// What can be parked: a record with its very bytes, or a deadline of a parked key.
#[derive(Clone, Debug, PartialEq)]
pub enum ParkedItem {
    /// A record as it was read.
    Record(Record),
    /// A deadline that fell due while its key was parked, or whose fold rejected.
    Deadline {
        /// The key.
        key: String,
        /// When it was due.
        at: Timestamp,
    },
}

/// What became of a command, so that it is never carried out a second time.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// The command's fact id.
    pub command: Uuid,
    /// Its name.
    pub name: String,
    /// How it ended.
    pub ended: Ended,
    /// Their identity for it: in Odoo the record's id.
    pub their_id: Option<String>,
    /// The batch's clock.
    pub at: Timestamp,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It took effect.
    Applied,
    /// A person gave it up.
    Discarded,
    /// It is parked, with its reason in the parked rows.
    Parked,
}
