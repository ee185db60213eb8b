//! A projection rebuilt beside the live one: what is asked for, how far it has come, and what would change at a cutover.
//!
//! The rebuild has a ledger of its own beside the service's, follows the live lanes' journals into it, and publishes nothing.
//! A cutover changes the two ledgers' parts of one lane over, in one transaction, and states what differs; a rollback is the
//! same once more.

use crate::emission::Emitted;
use crate::journal::{Place, Released};
use crate::store::{Parked, ParkedItem};
use canon::time::Timestamp;

/// A rebuild that a person asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Its number.
    pub id: i64,
    /// The projection.
    pub processor: String,
    /// The place among the tables' rows as of which everything is looked up that was folded before it; nothing: as it was
    /// looked up then.
    pub tables_at: Option<i64>,
    /// Records folded in a second, at most.
    pub records_per_second: Option<u32>,
    /// Whether it is over: what is beside can be thrown away.
    pub is_retired: bool,
}

/// How a rebuild's lane stands to the live one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The live lane's last journal entry.
    pub journal: i64,
    /// The last of them that was followed.
    pub followed: i64,
    /// Whether it had taken an input about which a person decided afterwards: it is to be made anew.
    pub has_missed: bool,
    /// Whether the lane was cut over: the ledger beside has what was live before.
    pub is_cut_over: bool,
}

/// Which ledger a transaction's calls are about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// The service's.
    #[default]
    Live,
    /// The rebuild's.
    Beside,
}

/// A fact that the two ledgers have otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// As the live ledger has it.
    pub live: Option<Emitted>,
    /// As the ledger beside has it.
    pub beside: Option<Emitted>,
}

/// Which parked inputs of a lane are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Which {
    /// Every one.
    pub all: bool,
    /// Those of chains.
    pub chains: Vec<String>,
    /// Records that hold nobody up, by topic and offset.
    pub alone: Vec<(String, i64)>,
    /// Records, by topic and offset, whether they hold anybody up or not.
    pub records: Vec<(String, i64)>,
    /// Keys' deadlines that hold nobody up.
    pub deadlines_alone: Vec<String>,
    /// Deadlines by key and time, whether they hold anybody up or not.
    pub deadlines: Vec<(String, Timestamp)>,
}

impl Which {
    /// Every parked input of the lane.
    pub fn all() -> Self {
        Self { all: true, ..Self::default() }
    }

    /// What an entry of the journal says was folded again.
    pub(crate) fn released(released: &[Released]) -> Self {
        let mut which = Self::default();
        for one in released {
            match one {
                Released::Chain(key) | Released::Head(key) => which.chains.push(key.clone()),
                Released::Alone { topic, offset } => which.alone.push((topic.clone(), *offset)),
                Released::Deadline(key) => which.deadlines_alone.push(key.clone()),
            }
        }
        which
    }

    /// What an entry of the journal says was given up.
    pub(crate) fn given_up(places: &[Place]) -> Self {
        let mut which = Self::default();
        for place in places {
            match place {
                Place::Record { topic, offset } => which.records.push((topic.clone(), *offset)),
                Place::Deadline { key, at } => which.deadlines.push((key.clone(), *at)),
            }
        }
        which
    }

    /// Whether nothing is wanted.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a parked input is among them.
    pub(crate) fn has(&self, parked: &Parked) -> bool {
        if self.all || parked.chain.as_ref().is_some_and(|chain| self.chains.contains(chain)) {
            return true;
        }
        match &parked.item {
            ParkedItem::Record(record) => {
                let is = |(topic, offset): &(String, i64)| {
                    (topic.as_str(), *offset) == (record.topic, record.offset)
                };
                self.records.iter().any(is) || (parked.chain.is_none() && self.alone.iter().any(is))
            }
            ParkedItem::Deadline { key, at } => {
                self.deadlines.iter().any(|(of, due)| (of, due) == (key, at))
                    || (parked.chain.is_none() && self.deadlines_alone.contains(key))
            }
        }
    }
}
