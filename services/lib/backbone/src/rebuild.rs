//! A rebuild along the journal: the same fold over the same inputs under the same clocks, from nothing.

use crate::again::{self, Again};
use crate::batch::{self, Batch, Cache};
use crate::compensation::compensate;
use crate::contract::{Contract, Schemas};
use crate::emission::{CounterKey, Desk, Emitted, Origin, counter_keys, facts, resolve};
use crate::journal::{self, Entry, Place, Released};
use crate::program::{self, Program, StateError};
use crate::projection::Row;
use crate::record::Record;
use crate::reject::Reject;
use crate::store::{LaneId, Loaded, Parked, ParkedItem, StoredState, Trial};
use crate::table::{Book, TableRow};
use canon::event::ContentHash;
use canon::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
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
    /// Every row that the service's tables ever had, in order.
    pub(crate) tables: &'a [TableRow],
    /// Facts that the ledger took over after it went back in time: of commands, names that were given.
    pub(crate) given: &'a [Emitted],
}

/// Folds a lane's journal. `read` gives the records of a topic between two offsets of the lane's partition.
pub(crate) fn rebuild(
    ground: &Ground<'_>,
    journal: &[Entry],
    read: impl Fn(&str, i64, i64) -> Vec<Record>,
) -> Result<Rebuilt, StateError> {
    let commands = ground.given.iter().filter(|row| ground.contract.is_command(&row.topic));
    let given: HashMap<Uuid, Emitted> = commands.map(|row| (row.fact, row.clone())).collect();
    let mut lane = Lane { emitted: given, ..Lane::default() };
    for (index, (entry, tables)) in journal.iter().zip(journal::tables(journal)).enumerate() {
        lane.decided = journal[index + 1..].iter().flat_map(Entry::decided).collect();
        let segments = entry.segments.iter();
        let records: Vec<Record> =
            segments.flat_map(|segment| read(&segment.topic, segment.first, segment.next)).collect();
        lane.fold(ground, entry, tables, &records)?;
        if let Some(again) = &entry.again {
            let mut records = read(&again.topic, again.first, again.next);
            for record in &mut records {
                if let Some(value) = lane.edits.get(&(record.topic.to_owned(), record.offset)) {
                    record.value = Some(value.clone());
                }
            }
            lane.again(ground, entry, again, &records);
        }
    }
    let facts = lane.emitted.into_values().filter(|row| is_come_to(row, journal));
    let facts = facts.map(|row| (row.fact, (row.content, row.withdrawn))).collect();
    Ok(Rebuilt { facts, ..lane.built })
}

#[derive(Default)]
struct Lane {
    cache: Cache,
    book: Book,
    seen: HashMap<String, HashSet<Uuid>>,
    emitted: HashMap<Uuid, Emitted>,
    counters: BTreeMap<CounterKey, i64>,
    /// Values that records got by hand, by topic and offset.
    edits: BTreeMap<(String, i64), Vec<u8>>,
    /// Inputs about which a person decides further on.
    decided: BTreeSet<Place>,
    built: Rebuilt,
}

impl Lane {
    fn fold(
        &mut self,
        ground: &Ground<'_>,
        entry: &Entry,
        tables: i64,
        records: &[Record],
    ) -> Result<(), StateError> {
        let due = self.due(entry);
        let known = ground.tables.partition_point(|row| row.seq <= tables);
        let news = ground.tables[..known].iter().filter(|row| row.seq > self.book.upto());
        self.book.extend(&news.cloned().collect::<Vec<_>>());
        self.decide(entry);
        let released = self.release(&entry.released);
        let keys = batch::keys(&released, &due, records);
        let keys: Vec<String> = keys.into_iter().filter(|key| !self.cache.has(key)).collect();
        self.cache.fill(ground.program, &keys, &Loaded::default())?;
        let mut forced = forced(entry, &released, &due, records);
        let desk = Desk {
            source: ground.service,
            contract: ground.contract,
            schemas: ground.schemas,
            now: entry.clock,
        };
        let (folded, resolved) = loop {
            let (now, book) = (entry.clock, &self.book);
            let heads_only = entry.has_heads_only();
            let (released, due) = (&released, &due);
            let decided = &self.decided;
            let put_off_to = entry.put_off_to;
            let batch =
                Batch { now, book, released, heads_only, due, records, forced: &forced, decided, put_off_to };
            let mut folded = batch::fold(ground.program, ground.schemas, &self.cache, &self.seen, &batch);
            let of_none = folded.said.iter_mut().filter(|said| said.cause.origin.is_none());
            let lane = LaneId { processor: ground.program.name(), number: 0 };
            of_none.for_each(|said| said.cause.origin = Some(Origin::of_lane(lane)));
            let wanted = counter_keys(&folded.said).into_iter();
            let counters = wanted.map(|key| (key.clone(), self.counters.get(&key).copied().unwrap_or(0)));
            let counters = counters.collect();
            if let Err(refusal) = compensate(&mut folded.said, &self.emitted, ground.program, &desk) {
                forced.insert(refusal.input, refusal.reject);
                continue;
            }
            let wanted = facts(&folded.said).into_iter();
            let rows = wanted.filter_map(|fact| Some((fact, self.emitted.get(&fact)?.clone())));
            match resolve(&folded.said, &counters, rows.collect(), &desk) {
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

    /// Folds records by themselves that were folded before.
    fn again(&mut self, ground: &Ground<'_>, entry: &Entry, again: &Again, records: &[Record]) {
        let (program, now) = (ground.program, entry.clock);
        let stand = program::Ground { now, schemas: ground.schemas, book: &self.book };
        let Ok(mut folded) = again::fold(program, stand, again, records) else { return };
        folded.leave_to_others(&self.emitted);
        let is_mine = |row: &&Emitted| {
            let offsets = again.first..again.next;
            let origin = row.origin.as_ref();
            origin.is_some_and(|origin| origin.topic == again.topic && offsets.contains(&origin.offset))
        };
        let stated: Vec<Emitted> = self.emitted.values().filter(is_mine).cloned().collect();
        folded.withdraw(program, &stated);
        let desk = Desk { source: ground.service, contract: ground.contract, schemas: ground.schemas, now };
        loop {
            let wanted = counter_keys(&folded.said).into_iter();
            let counters = wanted.map(|key| (key.clone(), self.counters.get(&key).copied().unwrap_or(0)));
            let wanted = facts(&folded.said).into_iter();
            let rows = wanted.filter_map(|fact| Some((fact, self.emitted.get(&fact)?.clone())));
            match resolve(&folded.said, &counters.collect(), rows.collect(), &desk) {
                Ok(resolved) => {
                    self.counters.extend(resolved.counters);
                    self.emitted.extend(resolved.emitted.into_iter().map(|row| (row.fact, row)));
                    return;
                }
                Err(refusal) => folded.refuse(refusal.fact, &refusal.reject),
            }
        }
    }

    /// Does with the parked inputs what the journal says a person decided.
    fn decide(&mut self, entry: &Entry) {
        for place in &entry.discarded {
            let at = self.built.parked.iter().position(|parked| Place::of(&parked.item) == *place);
            let Some(chain) = at.and_then(|at| self.built.parked.remove(at).chain) else { continue };
            if !self.built.parked.iter().any(|parked| parked.chain.as_deref() == Some(&chain)) {
                self.cache.free(&chain);
            }
        }
        for edited in &entry.edited {
            self.edits.insert((edited.topic.clone(), edited.offset), edited.value.clone());
            for parked in &mut self.built.parked {
                if let ParkedItem::Record(record) = &mut parked.item
                    && (record.topic, record.offset) == (edited.topic.as_str(), edited.offset)
                {
                    record.value = Some(edited.value.clone());
                }
            }
        }
    }

    /// Takes out of the parked inputs what the journal says was folded again.
    fn release(&mut self, released: &[Released]) -> Vec<Parked> {
        let is_released = |parked: &Parked| {
            released.iter().any(|one| match (one, &parked.chain, &parked.item) {
                (Released::Chain(key) | Released::Head(key), Some(chain), _) => key == chain,
                (Released::Alone { topic, offset }, None, ParkedItem::Record(record)) => {
                    (topic.as_str(), *offset) == (record.topic, record.offset)
                }
                (Released::Deadline(key), None, ParkedItem::Deadline { key: of, .. }) => key == of,
                _ => false,
            })
        };
        let (out, left) = std::mem::take(&mut self.built.parked).into_iter().partition(is_released);
        self.built.parked = left;
        out
    }

    /// The deadlines that the journal says were fired.
    fn due(&self, entry: &Entry) -> Vec<(Timestamp, String)> {
        let mut due: Vec<(Timestamp, String)> =
            self.built.deadlines.iter().map(|(key, at)| (*at, key.clone())).collect();
        due.retain(|deadline| entry.fires(deadline));
        due.sort();
        due
    }
}

/// Whether a fact of a ledger is one that a rebuild comes to. Where a lane was cut over, it does so only for what is in force:
/// what was made of commands on the way there, and what was withdrawn, depends on what was live before.
pub(crate) fn is_come_to(row: &Emitted, journal: &[Entry]) -> bool {
    let is_cut_over = journal.iter().any(|entry| entry.cut_over.is_some());
    !is_cut_over || (!row.withdrawn && row.origin.is_some())
}

/// Inputs of an entry that are rejected as they were then, by their index.
pub(crate) fn forced(
    entry: &Entry,
    released: &[Parked],
    due: &[(Timestamp, String)],
    records: &[Record],
) -> BTreeMap<usize, Reject> {
    let mut forced: BTreeMap<usize, Reject> = BTreeMap::new();
    for culprit in &entry.culprits {
        let at = |record: &Record| record.topic == culprit.topic && record.offset == culprit.offset;
        let fell_due = |key: &str, at: Timestamp| {
            Trial::deadline(key, at) == Trial { topic: culprit.topic.clone(), offset: culprit.offset }
        };
        let was = |parked: &Parked| match &parked.item {
            ParkedItem::Record(record) => at(record),
            ParkedItem::Deadline { key, at } => fell_due(key, *at),
        };
        let before = released.len() + due.len();
        let index = records.iter().position(at).map(|index| before + index);
        let index = index.or_else(|| released.iter().position(was));
        let fired = || due.iter().position(|(at, key)| fell_due(key, *at));
        let index = index.or_else(|| fired().map(|index| released.len() + index));
        let reject = Reject::new(culprit.reason, &culprit.detail);
        forced.extend(index.map(|index| (index, reject)));
    }
    forced
}
