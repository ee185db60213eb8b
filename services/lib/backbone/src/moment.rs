//! Moments of a lane: what it had read when it gave a command, and by which clock.
//!
//! Travels in a header of the command's record (`ce_moment`), so that a ledger that went back in time can be taken through
//! the same moments again (ADR 0012). Holds names of topics, offsets and a time, nothing of what was read.

use crate::emission::Said;
use crate::record::Record;
use crate::store::{LaneId, Parked, ParkedItem};
use canon::time::Timestamp;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// How far a lane had come when it gave a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The lane's projection.
    pub processor: String,
    /// The lane's partition.
    pub lane: i32,
    /// The batch's clock.
    pub clock: Timestamp,
    /// The next offset to read, per topic; a topic never read is absent.
    pub positions: BTreeMap<String, i64>,
    /// What made the fold give it.
    pub by: By,
}

/// What made a fold give a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// The deadline of this key.
    Deadline(String),
    /// The last record that was read of this topic.
    Record(String),
    /// Something that had been parked, or a person.
    Other,
}

/// A text is no moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a moment of a lane")]
pub struct MomentError;

/// A command that was given at a moment to which its lane comes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// The command.
    pub fact: Uuid,
    /// Its version among its key's.
    pub version: i64,
    /// When it was given.
    pub moment: Moment,
}

impl Moment {
    pub(crate) fn is_of(&self, lane: LaneId) -> bool {
        (self.processor.as_str(), self.lane) == (lane.processor, lane.number)
    }

    /// The next offset that it had to read of a topic.
    pub(crate) fn next_of(&self, topic: &str) -> i64 {
        self.positions.get(topic).copied().unwrap_or(0)
    }

    /// Whether a lane that stands here has read more than then.
    pub(crate) fn is_behind(&self, positions: &BTreeMap<String, i64>) -> bool {
        positions.iter().any(|(topic, next)| *next > self.next_of(topic))
    }

    /// Whether this record made the fold give the command.
    pub(crate) fn is_by(&self, record: &Record) -> bool {
        self.by == By::Record(record.topic.to_owned()) && record.offset + 1 == self.next_of(record.topic)
    }

    /// One lane's moments follow each other in this order.
    fn place(&self) -> (i64, Timestamp) {
        (self.positions.values().sum(), self.clock)
    }
}

impl Ahead {
    /// The key whose deadline gave it.
    pub(crate) fn deadline(&self) -> Option<&str> {
        match &self.moment.by {
            By::Deadline(key) => Some(key),
            By::Record(_) | By::Other => None,
        }
    }
}

/// In the order in which a lane comes to them.
pub(crate) fn in_order(mut ahead: Vec<Ahead>) -> Vec<Ahead> {
    ahead.sort_by_key(|one| (one.moment.place(), one.version));
    ahead
}

/// Notes with each command of a batch the moment at which it is given: behind the records up to the one that led to it.
///
/// `positions` is where the batch begins.
pub(crate) fn note<'a>(
    commands: impl Iterator<Item = &'a mut Said>,
    lane: LaneId,
    clock: Timestamp,
    positions: &BTreeMap<String, i64>,
    (released, due, records): (&[Parked], &[(Timestamp, String)], &[Record]),
) {
    let mut commands: Vec<&mut Said> = commands.collect();
    commands.sort_by_key(|said| said.input);
    let (mut positions, mut rest) = (positions.clone(), records.iter());
    for said in commands {
        let input = said.input;
        let (of_due, of_records) =
            (input.checked_sub(released.len()), input.checked_sub(released.len() + due.len()));
        let record = of_records.and_then(|index| records.get(index));
        let upto = record.and(of_records).map_or(0, |index| index + 1);
        let passed = records.len() - rest.len();
        for record in rest.by_ref().take(upto.saturating_sub(passed)) {
            let next = positions.entry(record.topic.to_owned()).or_insert(0);
            *next = (record.offset + 1).max(*next);
        }
        let due = of_due.and_then(|index| due.get(index)).map(|(_, key)| key);
        let parked = released.get(input).and_then(|parked| match &parked.item {
            ParkedItem::Deadline { key, .. } => Some(key),
            ParkedItem::Record(_) => None,
        });
        let by = match (due.or(parked), record) {
            (Some(key), _) => By::Deadline(key.clone()),
            (None, Some(record)) => By::Record(record.topic.to_owned()),
            (None, None) => By::Other,
        };
        let processor = lane.processor.to_owned();
        let moment = Moment { processor, lane: lane.number, clock, positions: positions.clone(), by };
        said.cause.moment = Some(moment.to_string());
    }
}

/// What a deadline's key follows, and what a record's topic.
const MARKS: [&str; 2] = [" woken ", " by "];

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} {}", self.processor, self.lane, self.clock.0)?;
        self.positions.iter().try_for_each(|(topic, next)| write!(f, " {topic}:{next}"))?;
        let [woken, by] = MARKS;
        match &self.by {
            By::Deadline(key) => write!(f, "{woken}{key}"),
            By::Record(topic) => write!(f, "{by}{topic}"),
            By::Other => Ok(()),
        }
    }
}

impl FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, MomentError> {
        let [woken, by] = MARKS;
        // Names of processors and topics hold no blanks; a key may.
        let (text, by) = match (text.split_once(woken), text.split_once(by)) {
            (Some((text, key)), _) => (text, By::Deadline(key.to_owned())),
            (None, Some((text, topic))) => (text, By::Record(topic.to_owned())),
            (None, None) => (text, By::Other),
        };
        let mut parts = text.split(' ');
        let (processor, lane) = parts.next().and_then(|lane| lane.rsplit_once('/')).ok_or(MomentError)?;
        let clock = parts.next().ok_or(MomentError)?;
        let position = |part: &str| {
            let (topic, next) = part.rsplit_once(':')?;
            Some((topic.to_owned(), next.parse().ok()?))
        };
        Ok(Self {
            processor: processor.to_owned(),
            lane: lane.parse().map_err(|_| MomentError)?,
            clock: Timestamp(clock.parse().map_err(|_| MomentError)?),
            positions: parts.map(position).collect::<Option<_>>().ok_or(MomentError)?,
            by,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment() -> Moment {
        let positions = [("billing.charge.v1", 120), ("clinical.encounter.v1", 7)];
        Moment {
            processor: "billing-case".to_owned(),
            lane: 3,
            clock: Timestamp(1_764_517_051_000_000),
            positions: positions.map(|(topic, next)| (topic.to_owned(), next)).into(),
            by: By::Deadline("a key by name".to_owned()),
        }
    }

    #[test]
    fn it_is_read_as_it_is_written() {
        let by = By::Record("billing.charge.v1".to_owned());
        let nowhere = Moment { positions: BTreeMap::new(), by: By::Other, ..moment() };
        for moment in [moment(), Moment { by, ..moment() }, Moment { by: By::Other, ..moment() }, nowhere] {
            assert_eq!(moment.to_string().parse(), Ok(moment));
        }
        let text = "billing-case/3 1764517051000000 billing.charge.v1:120 clinical.encounter.v1:7 woken a key by name";
        assert_eq!(moment().to_string(), text);
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in ["", "a/3", "a 1", "a/3 one", "a/3 1 topic", "a/3 1 topic:x", "a/b 1", "a/3 woken 1"] {
            assert_eq!(text.parse::<Moment>(), Err(MomentError), "{text:?}");
        }
    }
}
