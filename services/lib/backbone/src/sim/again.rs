//! Schedules of folding again: a fold that remembers nothing, a table that changes under it, and a person who now and then has
//! a topic folded again, while processes crash and stall and answers are lost.
//!
//! In the end, folded again once more, what is stated is what the records say with the table as it is.

use super::broker::SimBroker;
use super::instance::{Instance, LEASE};
use super::sample::{self, Echo, Left, Note, Rate, TOPICS};
use super::{Process, Sim, step};
use crate::fold_lane::FoldWorker;
use crate::guard::{Comparing, Guard};
use crate::lane::Limits;
use crate::memory::{MemoryStore, World};
use crate::owner;
use crate::program::Program;
use crate::projection::Projection;
use crate::rebuild::{Ground, rebuild};
use crate::record::Record;
use crate::store::LaneId;
use crate::table_lane::TableWorker;
use crate::wish::{Chosen, Outcome, Wish};
use canon::event::{Change, Event, Name};
use canon::headers::Headers;
use canon::key::EncounterToken;
use canon::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const LANES: i32 = 2;
const MOODS: [&str; 4] = ["calm", "cross", "glad", "always"];

struct Scenario {
    sim: Sim,
    store: MemoryStore<Sim>,
    broker: SimBroker,
    /// The last version given, by topic's index and key.
    versions: BTreeMap<(usize, EncounterToken), i64>,
}

fn instance(sim: &Sim, store: &MemoryStore<Sim>, broker: &SimBroker) -> Process {
    let guard: Arc<dyn Guard> = Arc::new(Comparing::new(store.clone(), Arc::new(broker.clone())));
    let instance = Instance::new(sim, store, broker, guard);
    let limits = Limits {
        lease: LEASE,
        batch_records_max: 5,
        backoff_max: Duration::from_secs(1),
        ..Limits::default()
    };
    let parts = || instance.parts(&limits);
    let (fold_parts, table_parts) = (parts(), parts());
    let program: Arc<dyn Program> = Arc::new(sample::echo());
    let lanes = async move {
        let worker = || FoldWorker::new(&fold_parts, program.clone());
        owner::share(&fold_parts, Echo::NAME, LANES, worker, CancellationToken::new()).await;
    };
    let tables = async move {
        let worker = || TableWorker { parts: &table_parts, topic: Rate::TOPIC, complete: false };
        owner::share(&table_parts, Rate::TOPIC, LANES, worker, CancellationToken::new()).await;
    };
    Process::new(vec![Box::pin(lanes), Box::pin(tables), instance.relay(0)])
}

impl Scenario {
    fn new(seed: u64) -> Self {
        let sim = Sim::new(seed);
        let store = MemoryStore::new(sim.clone(), 1);
        let broker = SimBroker::new(&sim, &sample::contract(), &TOPICS, sample::schemas());
        Self { sim, store, broker, versions: BTreeMap::new() }
    }

    /// Plays a seed to its end; how many facts could be compared. `last` has everything folded again before that.
    fn play(seed: u64, last: bool) -> Result<usize, String> {
        let mut scenario = Self::new(seed);
        scenario.disturb();
        scenario.sim.heal();
        let mut processes = vec![scenario.start(), scenario.start()];
        scenario.settle(&mut processes)?;
        if last {
            scenario.fold_all_again(&mut processes)?;
        }
        for lane in 0..LANES {
            scenario.a_rebuild_states_the_same(lane)?;
        }
        scenario.compare()
    }

    fn start(&self) -> Process {
        instance(&self.sim, &self.store, &self.broker)
    }

    fn disturb(&mut self) {
        let mut processes = vec![self.start(), self.start()];
        let turns = 400 + self.sim.below(800);
        for _ in 0..turns {
            let _ = step(&self.sim, &mut processes);
            if self.sim.one_in(20) {
                self.put_in();
            }
            if self.sim.one_in(120) {
                let since = Timestamp(i64::try_from(self.sim.below(8)).unwrap_or(0));
                let dry_run = self.sim.one_in(3);
                let number = i32::try_from(self.sim.below(2)).unwrap_or(0);
                self.wish(
                    number,
                    Wish::Again { topic: Left::TOPIC.to_owned(), chosen: Chosen::since(since), dry_run },
                );
            }
            let which = usize::try_from(self.sim.below(2)).unwrap_or(0);
            if self.sim.one_in(250) {
                processes[which] = self.start();
            }
            if self.sim.one_in(250) {
                let stall = Duration::from_millis(100 + self.sim.below(30_000));
                processes[which].freeze(World::now(&self.sim) + stall);
            }
        }
    }

    fn put_in(&mut self) {
        let key: EncounterToken = format!("{:032x}", self.sim.below(4)).parse().unwrap();
        let is_rate = self.sim.one_in(4);
        let version = self.versions.entry((if is_rate { 5 } else { 0 }, key)).or_insert(0);
        *version += 1;
        let schemas = &self.broker.schemas;
        if !is_rate {
            let mood = MOODS[usize::try_from(self.sim.below(4)).unwrap_or(0)];
            return self.broker.append(sample::input(&key, *version, &Left::new(*version, mood), schemas));
        }
        let n = i64::try_from(self.sim.below(3)).unwrap_or(0);
        let rate = sample::input(&key, *version, &Rate::new(n, ""), schemas);
        self.broker.append(if self.sim.one_in(6) { sample::tombstone(rate) } else { rate });
    }

    /// A person asks; the intent's number.
    fn wish(&self, number: i32, wish: Wish) -> i64 {
        let id = self.store.tables().ask(LaneId { processor: Echo::NAME, number }, wish);
        self.sim.stir();
        id
    }

    fn settle(&self, processes: &mut [Process]) -> Result<(), String> {
        for _ in 0..200_000 {
            let _ = step(&self.sim, processes);
            if self.is_settled() {
                return Ok(());
            }
        }
        Err(format!("not settled at {}", World::now(&self.sim)))
    }

    fn is_settled(&self) -> bool {
        let tables = self.store.tables();
        let is_read = |processor, topic| {
            (0..LANES).all(|number| {
                let next = tables.positions(LaneId { processor, number }).get(topic).copied().unwrap_or(0);
                !self.broker.has_any(topic, number, next)
            })
        };
        let rates = self.rates();
        let waits = |key: &str| key.parse().is_ok_and(|key: EncounterToken| rates.contains_key(&key));
        is_read(Echo::NAME, Left::TOPIC)
            && is_read(Rate::TOPIC, Rate::TOPIC)
            && tables.outbox.is_empty()
            && tables.intents.values().all(|row| row.outcome.is_some())
            && !tables.parked.values().any(|(_, parked)| parked.chain.as_deref().is_some_and(waits))
    }

    fn fold_all_again(&self, processes: &mut [Process]) -> Result<(), String> {
        for number in 0..LANES {
            loop {
                let since = Timestamp(i64::MIN);
                let id = self.wish(
                    number,
                    Wish::Again {
                        topic: Left::TOPIC.to_owned(),
                        chosen: Chosen::since(since),
                        dry_run: false,
                    },
                );
                self.settle(processes)?;
                let done = self.store.tables().intents.get(&id).and_then(|row| row.outcome.clone());
                match done {
                    Some(Outcome { failed: None, .. }) => break,
                    Some(Outcome { failed: Some(why), .. }) if why.contains("ask again") => {}
                    other => return Err(format!("lane {number}: {other:?}")),
                }
            }
        }
        Ok(())
    }

    /// The rate of each key that has one.
    fn rates(&self) -> BTreeMap<EncounterToken, i64> {
        let mut rates = BTreeMap::new();
        for record in self.all(Rate::TOPIC) {
            let key = key(&record);
            match record.value.as_deref() {
                Some(value) => rates.insert(key, self.broker.schemas.decode::<Rate>(value).unwrap().n),
                None => rates.remove(&key),
            };
        }
        rates
    }

    fn all(&self, topic: &'static str) -> Vec<Record> {
        (0..LANES).flat_map(|lane| self.broker.committed(topic, lane, 0)).collect()
    }

    /// What is stated of keys that have a rate is what their records say with it.
    fn compare(&self) -> Result<usize, String> {
        let rates = self.rates();
        let mut wanted: BTreeMap<String, i64> = BTreeMap::new();
        for record in self.all(Left::TOPIC) {
            let Some(rate) = rates.get(&key(&record)) else { continue };
            let body: Left = self.broker.schemas.decode(record.value.as_deref().unwrap_or_default()).unwrap();
            let name = Name::new("note", &[key(&record).to_string(), body.mood.clone()]).to_string();
            // The last record of a name counts, if it says nothing too: the others state it, and it is withdrawn.
            if *rate != 0 || body.mood == "always" {
                wanted.insert(name, body.n * rate);
            }
        }
        let mut stated: BTreeMap<String, i64> = BTreeMap::new();
        for record in self.all(Note::TOPIC) {
            if !rates.contains_key(&key(&record)) {
                continue;
            }
            let body: Note = self.broker.schemas.decode(record.value.as_deref().unwrap_or_default()).unwrap();
            let name = headers(&record).factname;
            match body.change {
                Change::Withdrawn => stated.remove(&name),
                _ => stated.insert(name, body.n),
            };
        }
        if stated == wanted {
            Ok(wanted.len())
        } else {
            Err(format!("{stated:?} is stated, {wanted:?} is said"))
        }
    }

    fn a_rebuild_states_the_same(&self, number: i32) -> Result<(), String> {
        let tables = self.store.tables();
        let lane = LaneId { processor: Echo::NAME, number };
        let journal = tables.journal.get(&lane).cloned().unwrap_or_default();
        let (folding, contract) = (sample::echo(), sample::contract());
        let ground = Ground {
            service: "simulated",
            program: &folding,
            contract: &contract,
            schemas: &self.broker.schemas,
            tables: &tables.table_rows,
            given: &[],
        };
        let read = |_: &str, first: i64, next: i64| -> Vec<Record> {
            let records = self.broker.committed(Left::TOPIC, number, first);
            records.into_iter().filter(|record| record.offset < next).collect()
        };
        let rebuilt = rebuild(&ground, &journal, read).map_err(|error| error.to_string())?;
        let mine = |key: &str| contract.partition_of(Left::TOPIC, key.as_bytes()) == number;
        let live: BTreeMap<_, _> = tables
            .emitted
            .values()
            .filter(|row| row.topic == Note::TOPIC && mine(&row.key))
            .map(|row| (row.fact, (row.content, row.withdrawn)))
            .collect();
        if rebuilt.facts == live {
            Ok(())
        } else {
            Err(format!("lane {number}: a rebuild states other facts"))
        }
    }
}

fn headers(record: &Record) -> Headers {
    Headers::from_pairs(record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()))).unwrap()
}

fn key(record: &Record) -> EncounterToken {
    String::from_utf8_lossy(record.key.as_deref().unwrap_or_default()).parse().unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::tests::{all_hold, seeds};
    use crate::store::Store;
    use futures::executor::block_on;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use uuid::Uuid;

    #[test]
    fn folded_again_through_crashes_and_stalls_what_is_stated_is_what_was_said() {
        let compared = AtomicUsize::new(0);
        let play = |seed| {
            compared.fetch_add(Scenario::play(seed, true)?, Ordering::Relaxed);
            Ok(())
        };
        all_hold(seeds(1_000), play);
        assert!(compared.load(Ordering::Relaxed) > 0, "there was nothing to compare");
    }

    #[test]
    fn what_was_not_folded_again_is_noticed() {
        assert!((0..200).any(|seed| Scenario::play(seed, false).is_err()), "no schedule noticed");
    }

    #[test]
    fn a_lane_over_which_processes_died_does_what_a_person_asks_when_it_is_quiet() {
        let mut scenario = Scenario::new(1);
        scenario.sim.heal();
        (0..10).for_each(|_| scenario.put_in());
        scenario.settle(&mut [scenario.start()]).unwrap();
        let lane = LaneId { processor: Echo::NAME, number: 0 };
        for _ in 0..3 {
            scenario.sim.advance(LEASE);
            let taken = block_on(scenario.store.take_lane(lane, Uuid::new_v4(), LEASE));
            assert!(taken.unwrap().is_some(), "nobody has it");
        }
        let mut processes = [scenario.start()];
        let until = World::now(&scenario.sim) + 4 * LEASE;
        while World::now(&scenario.sim) < until {
            let _ = step(&scenario.sim, &mut processes);
        }
        let chosen = Chosen::since(Timestamp(i64::MIN));
        let id = scenario.wish(0, Wish::Again { topic: Left::TOPIC.to_owned(), chosen, dry_run: true });
        scenario.settle(&mut processes).unwrap();
        let outcome = scenario.store.tables().intents[&id].outcome.clone().unwrap();
        assert_eq!(outcome.failed, None);
    }
}
