//! Schedules of a source: a world of rows that change, move their names, hide and end, and two instances that ask it by
//! pages and in sweeps, while processes crash and stall and answers are lost.

mod world;

use super::broker::SimBroker;
use super::instance::{Instance, LEASE};
use super::sample::{self, Note, Sum, TOPICS};
use super::{Process, Sim, step};
use crate::env::{Unwatched, Watch};
use crate::guard::{Comparing, Guard};
use crate::memory::{MemoryStore, World};
use crate::record::Record;
use crate::source::lane::{Pulling, share};
use crate::source::{Bounds, Source, SourceLimits, Sourcing};
use canon::event::{Change, Event};
use canon::headers::Headers;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use world::{Rows, Table};

const LANES: i32 = 2;
const BOUNDS: Bounds = Bounds { gone_min: 2, gone_permille: 100 };

pub(super) struct Scenario {
    sim: Sim,
    store: MemoryStore<Sim>,
    broker: SimBroker,
    table: Table,
    /// How often a sweep withdrew more than the bounds allow unasked.
    approved: u32,
}

fn instance(
    sim: &Sim,
    store: &MemoryStore<Sim>,
    broker: &SimBroker,
    rows: Rows,
    watch: Arc<dyn Watch>,
) -> Process {
    let guard: Arc<dyn Guard> = Arc::new(Comparing::new(store.clone(), Arc::new(broker.clone())));
    let instance = Instance::new(sim, store, broker, guard);
    let parts = Pulling {
        service: "simulated",
        instance: instance.id,
        store: store.clone(),
        schemas: Arc::new(broker.clone()),
        contract: Arc::new(sample::contract()),
        env: sim.clone(),
        watch,
        limits: SourceLimits {
            lease: LEASE,
            backoff_max: Duration::from_secs(1),
            ask_again: Duration::from_secs(5),
            crash_pause: Duration::from_secs(2),
            bounds: BOUNDS,
            ..SourceLimits::default()
        },
        bell: instance.bell.clone(),
        guard: instance.guard.clone(),
    };
    let sourcing = Sourcing::new(rows).states::<Sum>().states::<Note>();
    let mut tasks: Vec<super::Task> =
        vec![Box::pin(async move { share(&parts, &sourcing, CancellationToken::new()).await })];
    tasks.extend((0..2).map(|shard| instance.relay(shard)));
    Process::new(tasks)
}

impl Scenario {
    /// Plays a seed to its end; answers how many approvals it took.
    pub(super) fn play(seed: u64) -> Result<u32, String> {
        let sim = Sim::new(seed);
        let store = MemoryStore::new(sim.clone(), 2);
        let broker = SimBroker::new(&sim, &sample::contract(), &TOPICS, sample::schemas());
        let mut scenario = Self { sim, store, broker, table: Table::default(), approved: 0 };
        scenario.disturb()?;
        scenario.sim.heal();
        scenario.table.heal();
        scenario.settle()?;
        scenario.check()?;
        Ok(scenario.approved)
    }

    fn start(&self) -> Process {
        let rows = Rows { sim: self.sim.clone(), table: self.table.clone(), sweeps: true };
        instance(&self.sim, &self.store, &self.broker, rows, Arc::new(Unwatched))
    }

    /// A changing world, and faults.
    fn disturb(&mut self) -> Result<(), String> {
        let mut processes = vec![self.start(), self.start()];
        let turns = 400 + self.sim.below(800);
        for _ in 0..turns {
            self.step(&mut processes)?;
            if self.sim.one_in(20) {
                self.table.change(&self.sim);
            }
            if self.sim.one_in(150) {
                self.approve();
            }
            if self.sim.one_in(200) {
                let which = usize::try_from(self.sim.below(2)).unwrap_or(0);
                processes[which] = self.start();
            }
            if self.sim.one_in(200) {
                let which = usize::try_from(self.sim.below(2)).unwrap_or(0);
                let stall = Duration::from_millis(100 + self.sim.below(30_000));
                processes[which].freeze(World::now(&self.sim) + stall);
            }
        }
        // The stalled ones come back and find the world changed.
        (0..400).try_for_each(|_| self.step(&mut processes))
    }

    /// One turn. The cursor never goes back; what the source forgets must be gone, and not too much of it unasked.
    fn step(&mut self, processes: &mut [Process]) -> Result<(), String> {
        let (before, approved, from) = (self.known(), self.approval(), self.position());
        let _ = step(&self.sim, processes);
        let (after, to) = (self.known(), self.position());
        if to < from {
            return Err(format!("the cursor went back from {from} to {to}"));
        }
        let forgotten: Vec<&u64> = before.difference(&after).collect();
        if let Some(id) = forgotten.iter().find(|id| !self.table.was_ever_away(***id)) {
            return Err(format!("row {id} was always there and was withdrawn"));
        }
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        if BOUNDS.is_too_much(count(forgotten.len()), count(before.len())) {
            if approved.is_none_or(|approved| approved < count(forgotten.len())) {
                return Err(format!("{} of {} rows went unasked", forgotten.len(), before.len()));
            }
            self.approved += 1;
        }
        Ok(())
    }

    fn known(&self) -> BTreeSet<u64> {
        let tables = self.store.tables();
        tables.sources.rows.keys().filter_map(|(_, _, id)| id.parse().ok()).collect()
    }

    fn approval(&self) -> Option<i64> {
        self.store.tables().sources.holds.values().find_map(|hold| hold.approved)
    }

    /// A person has looked.
    fn approve(&self) {
        for hold in self.store.tables().sources.holds.values_mut() {
            hold.approved = Some(hold.gone);
        }
    }

    /// Everything is healthy again, and a person answers: all must be told within a bound.
    fn settle(&mut self) -> Result<(), String> {
        let mut processes = vec![self.start(), self.start()];
        for _ in 0..20_000 {
            for _ in 0..10 {
                self.step(&mut processes)?;
            }
            self.approve();
            if self.is_settled() {
                return Ok(());
            }
        }
        let (known, there) = (self.known(), self.table.visible());
        Err(format!("not settled: rows {known:?} are known, {there:?} are there"))
    }

    fn is_settled(&self) -> bool {
        let is_told = self.store.tables().outbox.is_empty();
        is_told && self.position() >= self.table.last_write() && self.known() == self.table.visible()
    }

    /// How far the stored cursor has come.
    fn position(&self) -> u64 {
        let tables = self.store.tables();
        let cursor = tables.sources.cursors.get(Rows::NAME);
        cursor.and_then(|cursor| cursor.get("after")?.as_u64()).unwrap_or(0)
    }

    fn check(&self) -> Result<(), String> {
        for topic in [Sum::TOPIC, Note::TOPIC] {
            for lane in 0..LANES {
                self.versions_rise_without_gaps(topic, lane)?;
            }
        }
        let sums = self.in_force::<Sum>(|sum| sum.n, |_| Change::Recorded);
        let notes = self.in_force::<Note>(|note| note.n, |note| note.change);
        let (want_sums, want_notes) = self.table.stated();
        if sums != want_sums {
            return Err(format!("sums say {sums:?}, the world is {want_sums:?}"));
        }
        if notes != want_notes {
            return Err(format!("notes say {notes:?}, the world is {want_notes:?}"));
        }
        Ok(())
    }

    /// The fold of a topic: the last word under each key, when it is no tombstone and no withdrawal.
    fn in_force<E: Event>(&self, number: fn(&E) -> i64, change: fn(&E) -> Change) -> BTreeMap<String, i64> {
        let mut last: BTreeMap<String, Option<i64>> = BTreeMap::new();
        for record in (0..LANES).flat_map(|lane| self.broker.committed(E::TOPIC, lane, 0)) {
            let key = String::from_utf8(record.key.clone().unwrap_or_default()).unwrap();
            let event: Option<E> =
                record.value.as_deref().map(|value| self.broker.schemas.decode(value).unwrap());
            let event = event.filter(|event| change(event) != Change::Withdrawn);
            last.insert(key, event.as_ref().map(number));
        }
        last.into_iter().filter_map(|(key, number)| Some((key, number?))).collect()
    }

    /// I3 and I6: nothing stale on any topic, and a compacted one ends in its last word.
    fn versions_rise_without_gaps(&self, topic: &'static str, lane: i32) -> Result<(), String> {
        let mut seen: BTreeMap<String, (BTreeMap<i64, Uuid>, i64)> = BTreeMap::new();
        for record in self.broker.committed(topic, lane, 0) {
            let headers = headers(&record);
            let version = headers.version.unwrap_or(0);
            let (ids, last) = seen.entry(headers.subject.clone()).or_default();
            let most = ids.last_key_value().map_or(0, |(version, _)| *version);
            if version > most + 1 {
                return Err(format!("{topic}/{lane}: version {version} after {most}"));
            }
            if ids.insert(version, headers.id).is_some_and(|other| other != headers.id) {
                return Err(format!("{topic}/{lane}: version {version} was given twice"));
            }
            *last = version;
        }
        let tables = self.store.tables();
        for ((of, key), counter) in tables.counters.iter().filter(|((of, _), _)| of == topic) {
            if sample::contract().partition_of(of, key.as_bytes()) == lane {
                let last = seen.get(key).map_or(0, |(_, last)| *last);
                if last != *counter {
                    return Err(format!("{topic}/{lane} {key}: counted {counter}, published {last} last"));
                }
            }
        }
        Ok(())
    }
}

fn headers(record: &Record) -> Headers {
    Headers::from_pairs(record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()))).unwrap()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{all_hold, seeds};
    use super::*;
    use crate::store::LaneId;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn a_source_that_crashes_stalls_and_loses_answers_states_the_world_as_it_is() {
        let approved = AtomicU32::new(0);
        let play = |seed| {
            approved.fetch_add(Scenario::play(seed)?, Ordering::Relaxed);
            Ok(())
        };
        let seeds = seeds(1_500);
        let many = seeds.end - seeds.start > 100;
        all_hold(seeds, play);
        assert!(!many || approved.into_inner() > 0, "no schedule had a person approve a sweep");
    }

    /// Counts how often the source was taken.
    #[derive(Default)]
    struct Taken(AtomicU32);

    impl Watch for Taken {
        fn lane_taken(&self, _lane: LaneId, _epoch: i64) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_source_at_rest_keeps_its_lease() {
        let sim = Sim::new(1);
        sim.heal();
        let store = MemoryStore::new(sim.clone(), 2);
        let broker = SimBroker::new(&sim, &sample::contract(), &TOPICS, sample::schemas());
        let taken = Arc::new(Taken::default());
        let start = || {
            let rows = Rows { sim: sim.clone(), table: Table::default(), sweeps: false };
            instance(&sim, &store, &broker, rows, taken.clone())
        };
        let mut processes = vec![start(), start()];
        let until = World::now(&sim) + Duration::from_secs(300);
        while World::now(&sim) < until {
            let _ = step(&sim, &mut processes);
        }
        assert_eq!(taken.0.load(Ordering::Relaxed), 1, "it wandered between instances");
    }
}
