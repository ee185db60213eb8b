//! A rebuild along the journal: the same fold over the same inputs under the same clocks, from nothing.

use crate::batch::{self, Batch, Cache};
use crate::contract::{Contract, Schemas};
use crate::emission::{CounterKey, Desk, Emitted, resolve};
use crate::journal::Entry;
use crate::lane::{counter_keys, facts};
use crate::program::Program;
use crate::projection::Row;
use crate::record::Record;
use crate::reject::Reject;
use crate::store::{Loaded, Parked, StoredState};
use canon::event::ContentHash;
use canon::time::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet};
use uuid::Uuid;

/// What a lane's journal leads to.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Rebuilt {
    pub(crate) states: BTreeMap<String, StoredState>,
    pub(crate) deadlines: BTreeMap<String, Timestamp>,
    pub(crate) parked: Vec<Parked>,
    pub(crate) rows: BTreeMap<(&'static str, String), Row>,
    /// Per fact: its latest content, and whether it is withdrawn.
    pub(crate) facts: BTreeMap<Uuid, (ContentHash, bool)>,
}

/// What a rebuild stands on besides the journal.
pub(crate) struct Ground<'a> {
    pub(crate) service: &'a str,
    pub(crate) program: &'a dyn Program,
    pub(crate) contract: &'a Contract,
    pub(crate) schemas: &'a Schemas,
}

/// Folds a lane's journal. `read` gives the records of a topic between two offsets of the lane's partition.
pub(crate) fn rebuild(
    ground: &Ground<'_>,
    journal: &[Entry],
    read: impl Fn(&str, i64, i64) -> Vec<Record>,
) -> Result<Rebuilt, serde_json::Error> {
    let mut lane = Lane::default();
    for entry in journal {
        let segments = entry.segments.iter();
        let records: Vec<Record> =
            segments.flat_map(|segment| read(&segment.topic, segment.first, segment.next)).collect();
        lane.fold(ground, entry, &records)?;
    }
    let facts = lane.emitted.into_values().map(|row| (row.fact, (row.content, row.withdrawn))).collect();
    Ok(Rebuilt { facts, ..lane.built })
}

#[derive(Default)]
struct Lane {
    cache: Cache,
    seen: HashMap<String, HashSet<Uuid>>,
    emitted: HashMap<Uuid, Emitted>,
    counters: BTreeMap<CounterKey, i64>,
    built: Rebuilt,
}

impl Lane {
    fn fold(
        &mut self,
        ground: &Ground<'_>,
        entry: &Entry,
        records: &[Record],
    ) -> Result<(), serde_json::Error> {
        let due = self.due(entry);
        let keys = batch::keys(&due, records);
        let keys: Vec<String> = keys.into_iter().filter(|key| !self.cache.has(key)).collect();
        self.cache.fill(ground.program, &keys, &Loaded::default())?;
        let mut forced: BTreeMap<usize, Reject> = BTreeMap::new();
        for culprit in &entry.culprits {
            let at = |record: &Record| record.topic == culprit.topic && record.offset == culprit.offset;
            let index = records.iter().position(at);
            let reject = Reject::new(culprit.reason, &culprit.detail);
            forced.extend(index.map(|index| (due.len() + index, reject)));
        }
        let desk = Desk {
            source: ground.service,
            contract: ground.contract,
            schemas: ground.schemas,
            now: entry.clock,
        };
        let (folded, resolved) = loop {
            let batch = Batch { now: entry.clock, due: &due, records, forced: &forced };
            let folded = batch::fold(ground.program, ground.schemas, &self.cache, &self.seen, &batch);
            let wanted = counter_keys(&folded.said).into_iter();
            let counters = wanted.map(|key| (key.clone(), self.counters.get(&key).copied().unwrap_or(0)));
            let wanted = facts(&folded.said).into_iter();
            let rows = wanted.filter_map(|fact| Some((fact, self.emitted.get(&fact)?.clone())));
            match resolve(&folded.said, &counters.collect(), rows.collect(), &desk) {
                Ok(resolved) => break (folded, resolved),
                Err(refusal) => forced.insert(refusal.input, refusal.reject),
            };
        };
        let changes = folded.changes(ground.program, &self.cache)?;
        self.built.states.extend(changes.states);
        self.built.parked.extend(changes.parked);
        for (key, at) in changes.deadlines {
            match at {
                Some(at) => self.built.deadlines.insert(key, at),
                None => self.built.deadlines.remove(&key),
            };
        }
        for gone in &changes.rows_gone {
            self.built.rows.remove(gone);
        }
        self.built.rows.extend(changes.rows.into_iter().map(|row| ((row.table, row.row.clone()), row)));
        for (name, id) in changes.seen {
            self.seen.entry(name).or_default().insert(id);
        }
        self.counters.extend(resolved.counters);
        self.emitted.extend(resolved.emitted.into_iter().map(|row| (row.fact, row)));
        self.cache.merge(folded.slots);
        Ok(())
    }

    /// The deadlines that the journal says were fired.
    fn due(&self, entry: &Entry) -> Vec<(Timestamp, String)> {
        let Some(last) = &entry.fired_to else { return Vec::new() };
        let mut due: Vec<(Timestamp, String)> =
            self.built.deadlines.iter().map(|(key, at)| (*at, key.clone())).collect();
        due.retain(|deadline| deadline <= last);
        due.sort();
        due
    }
}
