//! What a person asks of a lane, and what came of it.
//!
//! A wish lies in the ledger as an intent. The lane's owner carries it out between two batches, under the lane's fence, and
//! writes what came of it in the same transaction.

use crate::record::Record;
use canon::headers::CE_SOURCE;
use canon::time::Timestamp;
use canon::{Money, Quantity};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use uuid::Uuid;

/// What a person asks of a lane.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Wish {
    /// Folds records of a topic again.
    Again {
        /// The topic.
        topic: String,
        /// Which of its records; the others are left alone.
        #[serde(flatten)]
        chosen: Chosen,
        /// Only counts what would change.
        dry_run: bool,
    },
    /// Puts a rebuild's state in the place of the lane's, and states what differs; or the other way round.
    CutOver(CutOver),
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
    /// Forgets that commands took effect: their receiver has lost them. They are parked, in their order, and carried out once more
    /// by [`Wish::Redrive`].
    Forget {
        /// The commands.
        lost: Vec<Lost>,
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

/// What is to be changed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutOver {
    /// The rebuild's number.
    pub replay: i64,
    /// Back to what was live before.
    pub back: bool,
    /// Only counts what would be stated.
    pub dry_run: bool,
}

/// A command that took effect, and that its receiver has lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// The command.
    pub command: Uuid,
    /// Where it stands in the lane's partition.
    pub offset: i64,
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
            Self::CutOver(CutOver { back: false, .. }) => "cut over",
            Self::CutOver(CutOver { back: true, .. }) => "roll back",
            Self::Discard { .. } => "discard",
            Self::Edit { .. } => "edit",
            Self::Forget { .. } => "forget",
            Self::Redrive { .. } => "redrive",
        }
    }

    /// Whether nothing is to be changed.
    pub fn is_dry(&self) -> bool {
        match self {
            Self::Again { dry_run, .. }
            | Self::Discard { dry_run, .. }
            | Self::Edit { dry_run, .. }
            | Self::Forget { dry_run, .. }
            | Self::Redrive { dry_run, .. } => *dry_run,
            Self::CutOver(wish) => wish.dry_run,
        }
    }
}

/// Which records of a topic are folded again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// Not those before this time, the topic's.
    pub since: Timestamp,
    /// Not those of this time and later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Only those of this sender; of events between services, of this service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
}

impl Chosen {
    /// All from a time on.
    pub fn since(since: Timestamp) -> Self {
        Self { since, until: None, sender: None }
    }

    /// Whether a record is one of them.
    pub(crate) fn has(&self, record: &Record) -> bool {
        let is_of = |sender: &String| sender_of(record) == Some(sender);
        record.timestamp >= self.since
            && self.until.is_none_or(|until| record.timestamp < until)
            && self.sender.as_ref().is_none_or(is_of)
    }
}

/// Who a record says it is from: the last part of its source.
pub(crate) fn sender_of(record: &Record) -> Option<&str> {
    record.header(CE_SOURCE)?.rsplit('/').next()
}

/// Facts that became another word, or stayed the one they were, summed where they have an amount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Their topic.
    pub topic: String,
    /// What became of them.
    pub change: Became,
    /// ISO 4217; nothing where they have no amount.
    pub currency: Option<String>,
    /// How many.
    pub facts: u64,
    /// What they came to.
    pub before: Money,
    /// What they come to.
    pub after: Money,
    /// How many units were delivered by them.
    #[serde(default)]
    pub pieces_before: Quantity,
    /// How many are.
    #[serde(default)]
    pub pieces_after: Quantity,
}

/// What became of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Became {
    /// It says something else.
    Corrected,
    /// It is stated for the first time.
    Recorded,
    /// It is stated for the first time, and takes back what another one said: a credit note.
    Reversed,
    /// It says what it said.
    Unchanged,
    /// It is stated no longer.
    Withdrawn,
}

/// A fact that is news.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Its topic.
    pub topic: String,
    /// Its name.
    pub name: String,
    /// What became of it.
    pub change: Became,
    /// The revision that it has by now.
    pub revision: u32,
    /// Amount and currency that it had.
    pub before: Option<(Money, String)>,
    /// Amount and currency that it has.
    pub after: Option<(Money, String)>,
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
    /// Inputs asked for that are not parked (any more), or are not the first of their key. Of commands to be forgotten: those that
    /// did not take effect, and those of a key of which something is parked already.
    pub missed: u64,
    /// Inputs that are rejected now, by reason; of records folded again: what they stated before stays.
    pub rejected: BTreeMap<String, u64>,
    /// Why nothing was done.
    pub failed: Option<String>,
    /// Of records folded again: how many of each sender.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub senders: BTreeMap<String, u64>,
    /// The times of the first and the last of them, the topic's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<(Timestamp, Timestamp)>,
    /// What it comes to, by topic, change and currency.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub moved: Vec<Moved>,
    /// The facts that are news, the first of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<Changed>,
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
        for (sender, records) in &one.senders {
            *self.senders.entry(sender.clone()).or_default() += records;
        }
        if let Some((first, last)) = one.range {
            self.met(first);
            self.met(last);
        }
        one.moved.iter().for_each(|moved| self.moves(moved.clone()));
        self.facts.extend(one.facts.iter().cloned());
    }

    /// The range has this time in it.
    pub(crate) fn met(&mut self, time: Timestamp) {
        let (first, last) = self.range.unwrap_or((time, time));
        self.range = Some((first.min(time), last.max(time)));
    }

    /// Sums facts up.
    pub(crate) fn moves(&mut self, more: Moved) {
        let of = |moved: &Moved| (moved.topic.clone(), moved.change, moved.currency.clone());
        match self.moved.binary_search_by_key(&of(&more), of) {
            Ok(place) => {
                let held = &mut self.moved[place];
                held.facts += more.facts;
                for (held, more) in [
                    (&mut held.before, more.before),
                    (&mut held.after, more.after),
                    (&mut held.pieces_before, more.pieces_before),
                    (&mut held.pieces_after, more.pieces_after),
                ] {
                    *held = Money::sum([*held, more]).unwrap_or_default();
                }
            }
            Err(place) => self.moved.insert(place, more),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn record(source: &str, at: i64) -> Record {
        Record {
            topic: "raw.hl7v2.v1",
            partition: 0,
            offset: 0,
            timestamp: Timestamp(at),
            key: None,
            value: None,
            headers: vec![(CE_SOURCE.to_owned(), source.as_bytes().to_vec())],
        }
    }

    #[track_caller]
    fn check(chosen: &Chosen, source: &str, at: i64, expected: bool) {
        assert_eq!(chosen.has(&record(source, at)), expected, "{source} at {at}");
    }

    #[test]
    fn records_are_chosen_by_time_and_sender() {
        let chosen =
            Chosen { since: Timestamp(5), until: Some(Timestamp(9)), sender: Some("north".to_owned()) };
        check(&chosen, "vertebra/ehr-adapter/north", 5, true);
        check(&chosen, "vertebra/ehr-adapter/north", 4, false);
        check(&chosen, "vertebra/ehr-adapter/north", 9, false);
        check(&chosen, "vertebra/ehr-adapter/northern", 5, false);
        check(&Chosen::since(Timestamp(5)), "anybody", 1_000, true);
    }

    #[test]
    fn a_wish_of_an_older_release_chooses_by_time_alone() {
        let older = r#"{"do": "again", "topic": "t", "since": 7, "dry_run": false}"#;
        let wish = Wish::Again { topic: "t".to_owned(), chosen: Chosen::since(Timestamp(7)), dry_run: false };
        assert_eq!(serde_json::from_str::<Wish>(older).expect("a wish"), wish);
        let text = serde_json::to_string(&wish).expect("JSON");
        assert_eq!(serde_json::from_str::<Wish>(&text).expect("a wish"), wish);
    }

    #[test]
    fn sums_of_lanes_are_added_by_topic_change_and_currency() {
        let moved = |change, currency: &str, after: &str| Moved {
            topic: "t".to_owned(),
            change,
            currency: Some(currency.to_owned()),
            facts: 1,
            before: Money::ZERO,
            after: after.parse().expect("money"),
            pieces_before: Quantity::ZERO,
            pieces_after: after.parse().expect("a quantity"),
        };
        let mut sum = Outcome::default();
        for one in [
            moved(Became::Recorded, "EUR", "1"),
            moved(Became::Corrected, "EUR", "2"),
            moved(Became::Recorded, "USD", "4"),
            moved(Became::Recorded, "EUR", "8"),
        ] {
            sum.add(&Outcome { moved: vec![one], ..Outcome::default() });
        }
        let told: Vec<(u64, String)> =
            sum.moved.iter().map(|moved| (moved.facts, moved.after.to_string())).collect();
        assert!(sum.moved.iter().all(|moved| moved.pieces_after == moved.after));
        assert_eq!(told, [(1, "2".to_owned()), (2, "9".to_owned()), (1, "4".to_owned())]);
    }
}
