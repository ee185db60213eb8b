//! A person who decides about parked inputs now and then: tries them again, edits one, gives one up; also while processes
//! die and stall, and about inputs that are parked no longer.

use super::{Happened, LANES, Scenario, headers, version};
use crate::mend::inputs;
use crate::projection::Projection;
use crate::sim::sample::{self, Left, OrderSink, Right, TOPICS, Tally};
use crate::sink::Sink;
use crate::store::{LaneId, ParkedItem};
use crate::wish::Wish;
use canon::event::Event;
use canon::key::EncounterToken;
use std::collections::BTreeSet;

impl Scenario {
    /// A wish about one input that is parked, or was once.
    pub(super) fn decide(&mut self) {
        let parked: Vec<(i64, LaneId)> =
            self.store.tables().parked.iter().map(|(number, (lane, _))| (*number, *lane)).collect();
        if parked.is_empty() {
            return;
        }
        let (input, lane) = parked[usize::try_from(self.sim.below(parked.len() as u64)).unwrap_or(0)];
        let others: Vec<i64> =
            parked.iter().filter(|(_, of)| *of == lane).map(|(number, _)| *number).collect();
        let dry_run = self.sim.one_in(4);
        let wish = match self.sim.below(4) {
            0 => Wish::Discard { inputs: vec![input], dry_run },
            1 => match self.corrected(input) {
                Some(value) => Wish::Edit { input, value, dry_run },
                None => return,
            },
            2 => Wish::Redrive { inputs: others, dry_run },
            _ => Wish::Redrive { inputs: vec![input, input + 1], dry_run },
        };
        self.store.tables().ask(lane, wish);
        self.sim.stir();
    }

    /// The number of a parked record without the mood that it was rejected for.
    fn corrected(&self, input: i64) -> Option<Vec<u8>> {
        let tables = self.store.tables();
        let (_, parked) = tables.parked.get(&input)?;
        let ParkedItem::Record(record) = &parked.item else { return None };
        let key: EncounterToken = headers(record).subject.parse().ok()?;
        let number = version(record)?;
        let schemas = &self.broker.schemas;
        let record = match record.topic == Left::TOPIC {
            true => sample::input(&key, number, &Left::new(number, ""), schemas),
            false => sample::input(&key, number, &Right::new(number, ""), schemas),
        };
        record.value
    }

    /// What happened in the schedule.
    pub(super) fn happened(&self) -> Happened {
        let cutovers = self.cutovers();
        let tables = self.store.tables();
        let mut happened = Happened { stops: self.stops, cutovers, ..Happened::default() };
        for row in tables.intents.values().filter(|row| !row.wish.is_dry()) {
            let Some(outcome) = &row.outcome else { continue };
            match row.lane.processor == OrderSink::NAME {
                true => happened.commands += outcome.resolved + outcome.discarded,
                false => {
                    happened.resolved += outcome.resolved;
                    happened.discarded += outcome.discarded;
                }
            }
        }
        happened.edited = tables.decisions.values().filter(|decision| decision.now.is_some()).count() as u64;
        happened
    }

    /// Whether every wish was answered.
    pub(super) fn are_wishes_answered(&self) -> bool {
        self.store.tables().intents.values().all(|row| row.outcome.is_some())
    }

    /// Versions of a key's inputs that were given up.
    pub(super) fn given_up(&self, key: &EncounterToken, topic: &'static str) -> BTreeSet<i64> {
        let number = sample::contract().partition_of(topic, key.to_string().as_bytes());
        let lane = LaneId { processor: Tally::NAME, number };
        let tables = self.store.tables();
        let given_up = tables
            .decisions
            .values()
            .zip(tables.decisions.keys())
            .filter(|(decision, (of, on, _))| decision.now.is_none() && *of == lane && on == topic);
        let offsets: BTreeSet<i64> = given_up.map(|(decision, _)| decision.offset).collect();
        let records = self.broker.committed(topic, number, 0).into_iter();
        let mine = records.filter(|record| {
            offsets.contains(&record.offset) && record.key.as_deref() == Some(key.to_string().as_bytes())
        });
        mine.filter_map(|record| version(&record)).collect()
    }

    /// A dry run changes nothing, and what is not dry leaves bytes behind of all that it gave up or edited.
    pub(super) fn decisions_keep_what_was_decided(&self) -> Result<(), String> {
        let tables = self.store.tables();
        for ((lane, topic, offset), decision) in &tables.decisions {
            let row = tables.intents.get(&decision.intent).ok_or("a decision without an intent")?;
            if row.wish.is_dry() || row.lane != *lane || inputs(&row.wish).is_empty() {
                return Err(format!("{topic}@{offset}: decided by {:?}", row.wish));
            }
            if ![Tally::NAME, OrderSink::NAME].contains(&lane.processor) || lane.number >= LANES {
                return Err(format!("{lane:?} decided something"));
            }
            let topic = TOPICS.into_iter().find(|known| known == topic).unwrap_or_default();
            let records = self.broker.committed(topic, lane.number, *offset);
            let came = records.into_iter().find(|record| record.offset == *offset);
            if came.and_then(|record| record.value) != decision.was {
                return Err(format!("{topic}@{offset}: other bytes were kept than came"));
            }
        }
        Ok(())
    }
}
