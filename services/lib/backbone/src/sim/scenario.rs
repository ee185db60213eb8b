//! One schedule: two instances of a service over a ledger and a broker, faults by seed, then healing and the checks.

use super::broker::SimBroker;
use super::sample::{self, Left, Order, OrderSink, Orders, Right, TOPICS, Tally};
use super::{Process, Sim, step};
use crate::env::Unwatched;
use crate::lane::{FoldWorker, Limits, Parts};
use crate::memory::{MemoryStore, World};
use crate::owner;
use crate::program::Program;
use crate::projection::Projection;
use crate::rebuild::{Ground, Rebuilt, rebuild};
use crate::record::Record;
use crate::reject::Reason;
use crate::relay::{Relay, RelayLimits};
use crate::sink::Sink;
use crate::sink_lane::SinkWorker;
use crate::store::{Ended, LaneId, ParkedItem};
use canon::event::Event;
use canon::headers::Headers;
use canon::key::EncounterToken;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What is weakened, to show that the checks notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weakened {
    Nothing,
    LaneFence,
    BrokerFence,
}

const LANES: i32 = 2;

pub(super) struct Scenario {
    sim: Sim,
    store: MemoryStore<Sim>,
    broker: SimBroker,
    orders: Orders,
    /// What was put in, in order of arrival: topic, key, version, number.
    inputs: Vec<(&'static str, EncounterToken, i64)>,
    /// Those of them that kill whoever folds them.
    killers: Vec<(&'static str, EncounterToken, i64)>,
}

fn instance(sim: &Sim, store: &MemoryStore<Sim>, broker: &SimBroker, orders: &Orders) -> Process {
    let id = Uuid::from_u128(u128::from(sim.below(u64::MAX)));
    let lease = Duration::from_secs(10);
    let limits = Limits {
        lease,
        batch_records_max: 7,
        due_max: 2,
        cache_states_max: 3,
        backoff_max: Duration::from_secs(1),
        ..Limits::default()
    };
    let alone = Arc::new(tokio::sync::RwLock::new(()));
    let bell = Arc::new(tokio::sync::Notify::new());
    let parts = || Parts {
        alone: alone.clone(),
        bell: bell.clone(),
        service: "simulated",
        instance: id,
        store: store.clone(),
        log: Arc::new(broker.clone()),
        source: Arc::new(broker.clone()),
        contract: Arc::new(sample::contract()),
        env: sim.clone(),
        watch: Arc::new(Unwatched),
        limits: limits.clone(),
        code: "sim".to_owned(),
    };
    let (fold_parts, sink_parts) = (parts(), parts());
    let program: Arc<dyn Program> = Arc::new(sample::folding());
    let lanes = async move {
        let worker = || FoldWorker::new(&fold_parts, program.clone());
        owner::share(&fold_parts, Tally::NAME, LANES, worker, CancellationToken::new()).await;
    };
    let sink = Arc::new(OrderSink { sim: sim.clone(), orders: orders.clone() });
    let effects = async move {
        let worker = || SinkWorker { parts: &sink_parts, sink: sink.clone() };
        owner::share(&sink_parts, OrderSink::NAME, LANES, worker, CancellationToken::new()).await;
    };
    let mut tasks: Vec<super::Task> = vec![Box::pin(lanes), Box::pin(effects)];
    for shard in 0..2 {
        let relay = Relay {
            service: "simulated",
            instance: id,
            shard,
            store: store.clone(),
            publisher: Arc::new(broker.clone()),
            env: sim.clone(),
            watch: Arc::new(Unwatched),
            bell: bell.clone(),
            limits: RelayLimits {
                lease,
                rows_max: 5,
                idle: Duration::from_millis(700),
                ..RelayLimits::default()
            },
        };
        tasks.push(Box::pin(async move { relay.run(CancellationToken::new()).await }));
    }
    Process::new(tasks)
}

impl Scenario {
    /// Plays a seed to its end.
    pub(super) fn play(seed: u64, weakened: Weakened) -> Result<(), String> {
        let sim = Sim::new(seed);
        let store = MemoryStore::new(sim.clone(), 2);
        store.tables().without_fence = weakened == Weakened::LaneFence;
        let mut broker = SimBroker::new(&sim, &sample::contract(), &TOPICS, sample::schemas());
        broker.without_fence = weakened == Weakened::BrokerFence;
        let mut scenario =
            Self { sim, store, broker, orders: Orders::default(), inputs: Vec::new(), killers: Vec::new() };
        scenario.disturb();
        scenario.sim.heal();
        scenario.settle()?;
        scenario.check()
    }

    fn start(&self) -> Process {
        instance(&self.sim, &self.store, &self.broker, &self.orders)
    }

    /// Traffic and faults.
    fn disturb(&mut self) {
        let mut processes = vec![self.start(), self.start()];
        let mut versions: BTreeMap<(usize, EncounterToken), i64> = BTreeMap::new();
        let turns = 600 + self.sim.below(1200);
        for _ in 0..turns {
            self.step(&mut processes);
            if self.sim.one_in(25) {
                self.put_in(&mut versions);
            }
            // Signals that hit the same trial three times would park an innocent record: that is the counter's limit.
            if self.sim.one_in(250) && !self.store.tables().is_any_tried_alone() {
                let which = usize::try_from(self.sim.below(2)).unwrap_or(0);
                processes[which] = self.start();
            }
            if self.sim.one_in(250) && !self.store.tables().is_any_tried_alone() {
                let which = usize::try_from(self.sim.below(2)).unwrap_or(0);
                let stall = Duration::from_millis(100 + self.sim.below(30_000));
                processes[which].freeze(World::now(&self.sim) + stall);
            }
        }
        // The stalled ones come back and find the world changed.
        for _ in 0..400 {
            self.step(&mut processes);
        }
    }

    /// One turn; a process that died in it is started again.
    fn step(&self, processes: &mut [Process]) {
        let whose = step(&self.sim, processes);
        if let (true, Some(died)) = (sample::ABORTED.take(), whose) {
            processes[died] = self.start();
        }
    }

    fn put_in(&mut self, versions: &mut BTreeMap<(usize, EncounterToken), i64>) {
        let key: EncounterToken = format!("{:032x}", self.sim.below(4)).parse().unwrap();
        let moods = ["", "", "", "", "note", "note", "unsay", "recommand", "bad", "panic", "abort"];
        // Bad numbers park all that follows of their key: rare, or nothing else would be seen.
        let rare = if self.sim.one_in(6) { moods.len() } else { moods.len() - 3 };
        let mood = moods[usize::try_from(self.sim.below(rare as u64)).unwrap_or(0)];
        let side = usize::try_from(self.sim.below(2)).unwrap_or(0);
        let version = versions.entry((side, key)).or_insert(0);
        *version += 1;
        let schemas = &self.broker.schemas;
        let record = match side {
            0 => sample::input(&key, *version, &Left::new(*version, mood), schemas),
            _ => sample::input(&key, *version, &Right::new(*version, mood), schemas),
        };
        // What an upstream relay publishes twice carries the same version.
        if self.sim.one_in(5) {
            self.broker.append(record.clone());
        }
        self.broker.append(record);
        self.inputs.push((TOPICS[side], key, *version));
        if mood == "abort" {
            self.killers.push((TOPICS[side], key, *version));
        }
    }

    /// Everything is healthy again: all that came in must be through within a bound.
    fn settle(&mut self) -> Result<(), String> {
        let mut processes = vec![self.start(), self.start()];
        for _ in 0..20_000 {
            for _ in 0..10 {
                self.step(&mut processes);
            }
            if self.is_settled() {
                return Ok(());
            }
        }
        let tables = self.store.tables();
        let (now, outbox) = (World::now(&self.sim), tables.outbox.len());
        Err(format!("not settled at {now}: {outbox} rows in the outbox, deadlines {:?}", tables.deadlines))
    }

    fn is_settled(&self) -> bool {
        let tables = self.store.tables();
        let read = (0..LANES).all(|number| {
            let positions = tables.positions(LaneId { processor: Tally::NAME, number });
            [Left::TOPIC, Right::TOPIC].iter().all(|topic| {
                let next = positions.get(*topic).copied().unwrap_or(0);
                !self.broker.has_any(topic, number, next)
            }) && {
                let positions = tables.positions(LaneId { processor: OrderSink::NAME, number });
                let next = positions.get(Order::TOPIC).copied().unwrap_or(0);
                !self.broker.has_any(Order::TOPIC, number, next)
            }
        });
        read && tables.outbox.is_empty() && tables.deadlines.is_empty()
    }

    fn check(&self) -> Result<(), String> {
        self.each_input_is_applied_or_parked_once()?;
        self.parked_inputs_keep_their_order()?;
        self.only_killers_are_parked_as_such()?;
        for topic in [sample::Sum::TOPIC, sample::Order::TOPIC, sample::Note::TOPIC] {
            for lane in 0..LANES {
                self.versions_rise_without_gaps(topic, lane)?;
            }
        }
        self.each_command_took_effect_once_in_order()?;
        (0..LANES).try_for_each(|lane| self.a_rebuild_equals_the_live_state(lane))
    }

    fn each_input_is_applied_or_parked_once(&self) -> Result<(), String> {
        let keys: BTreeSet<&EncounterToken> = self.inputs.iter().map(|(_, key, _)| key).collect();
        for key in keys {
            let state = self.state(key);
            if state.doubled > 0 {
                return Err(format!("{key}: {} inputs were folded twice", state.doubled));
            }
            for (topic, applied) in [(Left::TOPIC, &state.left), (Right::TOPIC, &state.right)] {
                let came = self.inputs.iter().filter(|(of, k, _)| *of == topic && k == key);
                let came: BTreeSet<i64> = came.map(|(_, _, version)| *version).collect();
                let parked = self.parked(key, topic);
                let mut ended: Vec<i64> = applied.iter().copied().chain(parked).collect();
                ended.sort_unstable();
                if ended != came.iter().copied().collect::<Vec<_>>() {
                    return Err(format!("{key} {topic}: {ended:?} ended of {came:?}"));
                }
            }
        }
        Ok(())
    }

    fn state(&self, key: &EncounterToken) -> Tally {
        let tables = self.store.tables();
        let stored = tables.states.get(&(Tally::NAME, key.to_string()));
        stored.map(|stored| serde_json::from_value(stored.body.clone()).unwrap()).unwrap_or_default()
    }

    fn parked(&self, key: &EncounterToken, topic: &str) -> Vec<i64> {
        let tables = self.store.tables();
        let records = tables.parked.iter().filter_map(|(_, parked)| match &parked.item {
            ParkedItem::Record(record) if parked.chain.as_deref() == Some(key.as_str()) => Some(record),
            _ => None,
        });
        records.filter(|record| record.topic == topic).filter_map(version).collect()
    }

    fn parked_inputs_keep_their_order(&self) -> Result<(), String> {
        let keys: BTreeSet<&EncounterToken> = self.inputs.iter().map(|(_, key, _)| key).collect();
        for key in keys {
            for topic in [Left::TOPIC, Right::TOPIC] {
                let parked = self.parked(key, topic);
                if !parked.is_sorted() {
                    return Err(format!("{key} {topic}: parked out of order: {parked:?}"));
                }
            }
            let tables = self.store.tables();
            let chain = tables.parked.iter().filter(|(lane, parked)| {
                lane.processor == Tally::NAME && parked.chain.as_deref() == Some(key.as_str())
            });
            let heads = chain.filter(|(_, parked)| parked.reason != Reason::Behind).count();
            if heads > 1 {
                return Err(format!("{key}: {heads} heads of one chain"));
            }
        }
        Ok(())
    }

    fn only_killers_are_parked_as_such(&self) -> Result<(), String> {
        for (_, parked) in &self.store.tables().parked {
            let ParkedItem::Record(record) = &parked.item else { continue };
            let is_killer = self.killers.iter().any(|(topic, key, number)| {
                (*topic, Some(*number)) == (record.topic, version(record))
                    && record.key.as_deref() == Some(key.to_string().as_bytes())
            });
            if parked.reason == Reason::Crash && !is_killer {
                return Err(format!(
                    "{} {} was parked for a crash it did not cause",
                    record.topic, record.offset
                ));
            }
        }
        Ok(())
    }

    /// I4: at most one effect per command, exactly one if applied, in the order of its key.
    fn each_command_took_effect_once_in_order(&self) -> Result<(), String> {
        let orders = self.orders.lock();
        let tables = self.store.tables();
        let mut wanted: BTreeMap<Vec<u8>, Vec<String>> = BTreeMap::new();
        for record in (0..LANES).flat_map(|lane| self.broker.committed(Order::TOPIC, lane, 0)) {
            let name = headers(&record).factname;
            let mine = wanted.entry(record.key.clone().unwrap_or_default()).or_default();
            if mine.contains(&name) {
                continue;
            }
            let ended = tables.effects.values().find(|effect| effect.name == name);
            let ended = ended.ok_or_else(|| format!("{name}: no effect and not parked"))?.ended;
            let made = orders.iter().filter(|(made, _)| *made == name).count();
            if made != usize::from(ended == Ended::Applied) {
                return Err(format!("{name}: {ended:?}, made {made} times"));
            }
            if ended == Ended::Applied {
                mine.push(name);
            }
        }
        for (key, names) in wanted {
            let made: Vec<&String> =
                orders.iter().filter(|(_, of)| of.as_bytes() == key).map(|(name, _)| name).collect();
            if made != names.iter().collect::<Vec<_>>() {
                return Err(format!("effects out of order: {made:?}, wanted {names:?}"));
            }
        }
        Ok(())
    }

    /// I3 and I6: nothing stale on any topic.
    fn versions_rise_without_gaps(&self, topic: &'static str, lane: i32) -> Result<(), String> {
        let mut seen: BTreeMap<Vec<u8>, (i64, BTreeMap<i64, Uuid>, i64)> = BTreeMap::new();
        for record in self.broker.committed(topic, lane, 0) {
            let headers = headers(&record);
            let (version, id) = (headers.version.unwrap_or(0), headers.id);
            let key = record.key.clone().unwrap_or_default();
            let (most, ids, last) = seen.entry(key).or_default();
            *last = version;
            if version > *most + 1 {
                return Err(format!("{topic}/{lane}: version {version} after {most}"));
            }
            *most = (*most).max(version);
            if ids.insert(version, id).is_some_and(|other| other != id) {
                return Err(format!("{topic}/{lane}: version {version} was given twice"));
            }
        }
        let tables = self.store.tables();
        for ((of, key), counter) in &tables.counters {
            let mine = sample::contract().partition_of(topic, key.as_bytes()) == lane;
            let (most, last) = seen.get(key.as_bytes()).map_or((0, 0), |(most, _, last)| (*most, *last));
            if of == topic && mine && (*counter, *counter) != (most, last) {
                return Err(format!(
                    "{topic}/{lane} {key}: counted {counter}, published {most}, last {last}"
                ));
            }
        }
        Ok(())
    }

    /// I7.
    fn a_rebuild_equals_the_live_state(&self, number: i32) -> Result<(), String> {
        let lane = LaneId { processor: Tally::NAME, number };
        let tables = self.store.tables();
        let journal = tables.journal.get(&lane).cloned().unwrap_or_default();
        let (folding, contract) = (sample::folding(), sample::contract());
        let schemas = &self.broker.schemas;
        let ground = Ground { service: "simulated", program: &folding, contract: &contract, schemas };
        let read = |topic: &str, first: i64, next: i64| {
            let topic = TOPICS.into_iter().find(|known| *known == topic).unwrap_or_default();
            let records = self.broker.committed(topic, number, first);
            records.into_iter().filter(|record| record.offset < next).collect()
        };
        let rebuilt = rebuild(&ground, &journal, read).map_err(|error| error.to_string())?;
        let mine = |key: &str| contract.partition_of(Left::TOPIC, key.as_bytes()) == number;
        let live = Rebuilt {
            states: tables
                .states
                .iter()
                .filter(|((_, key), _)| mine(key))
                .map(|((_, key), state)| (key.clone(), state.clone()))
                .collect(),
            deadlines: tables
                .deadlines
                .iter()
                .filter(|((of, _), _)| *of == lane)
                .map(|((_, key), at)| (key.clone(), *at))
                .collect(),
            parked: tables
                .parked
                .iter()
                .filter(|(of, _)| *of == lane)
                .map(|(_, parked)| parked.clone())
                .collect(),
            rows: tables
                .rows
                .iter()
                .filter(|((_, row), _)| mine(row))
                .map(|(at, row)| (at.clone(), row.clone()))
                .collect(),
            facts: tables
                .emitted
                .values()
                .filter(|row| mine(&row.key))
                .map(|row| (row.fact, (row.content, row.withdrawn)))
                .collect(),
        };
        if rebuilt == live {
            Ok(())
        } else {
            Err(format!("lane {number}: a rebuild differs:\n{rebuilt:#?}\nlive:\n{live:#?}"))
        }
    }
}

fn headers(record: &Record) -> Headers {
    Headers::from_pairs(record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()))).unwrap()
}

fn version(record: &Record) -> Option<i64> {
    headers(record).version
}
