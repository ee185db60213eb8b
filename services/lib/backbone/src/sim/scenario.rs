//! One schedule: two instances of a service over a ledger and a broker, faults by seed, then healing and the checks.

mod check;
mod decided;
mod replayed;
mod restored;
mod stalled;
mod stopped;

use super::broker::SimBroker;
use super::instance::{Instance, LEASE};
use super::sample::{self, Left, Order, OrderSink, Orders, Rate, Right, TOPICS, Tally};
use super::{Process, Sim, step};
use crate::breaker::BreakerLimits;
use crate::fold_lane::FoldWorker;
use crate::guard::{Comparing, Guard, Unguarded};
use crate::lane::Limits;
use crate::memory::{MemoryStore, Tables, World};
use crate::owner;
use crate::program::Program;
use crate::projection::Projection;
use crate::record::{OutRecord, Record};
use crate::sink::Sink;
use crate::sink_lane::SinkWorker;
use crate::store::{LaneId, Waiting};
use crate::table::TableRow;
use crate::table_lane::TableWorker;
use canon::event::Event;
use canon::headers::Headers;
use canon::key::EncounterToken;
pub(super) use restored::Played;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const LANES: i32 = 2;

/// The last version given to what comes in, by topic's index and key.
type Versions = BTreeMap<(usize, EncounterToken), i64>;

/// How often what is rare happened in schedules: where it never does, nothing is shown of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Happened {
    /// A breaker stopped a lane.
    pub(super) stops: u64,
    /// Parked inputs went through when a person had them tried again.
    pub(super) resolved: u64,
    /// Parked inputs were given up.
    pub(super) discarded: u64,
    /// Parked records got another value.
    pub(super) edited: u64,
    /// Commands went through that a sink had refused, or were given up.
    pub(super) commands: u64,
    /// Lanes were cut over to a rebuild, or back.
    pub(super) cutovers: u64,
}

impl std::ops::AddAssign for Happened {
    fn add_assign(&mut self, other: Self) {
        self.stops += other.stops;
        self.resolved += other.resolved;
        self.discarded += other.discarded;
        self.edited += other.edited;
        self.commands += other.commands;
        self.cutovers += other.cutovers;
    }
}

pub(super) struct Scenario {
    sim: Sim,
    store: MemoryStore<Sim>,
    broker: SimBroker,
    orders: Orders,
    /// What was put in, in order of arrival: topic, key, version, number.
    inputs: Vec<(&'static str, EncounterToken, i64)>,
    /// Those of them that kill whoever folds them.
    killers: Vec<(&'static str, EncounterToken, i64)>,
    /// All that was sent.
    sent: Vec<OutRecord>,
    /// What was withdrawn of what a recovered ledger had taken over is not asked of a rebuild.
    recovered: bool,
    /// Commands are taken back, too. Not where the ledger goes back in time: a rebuild has what was taken over from its
    /// beginning on, and the fold took back nothing where it did not have it yet.
    takes_back: bool,
    /// A person decides about parked inputs. Not where the ledger goes back in time: what was decided is forgotten, and what
    /// was published of it is not.
    decides: bool,
    /// Nothing comes in that is parked or kills a process, and no row of a table changes.
    is_calm: bool,
    standing: stopped::Standing,
    /// How often a breaker stopped a lane.
    stops: u64,
    /// Whether a person has the projection rebuilt: in one schedule of three, since rebuilds take turns from the others.
    rebuilds: bool,
    /// How many rebuilds were asked for.
    replays: i64,
}

fn instance(
    sim: &Sim,
    store: &MemoryStore<Sim>,
    broker: &SimBroker,
    orders: &Orders,
    rebuilds: bool,
) -> Process {
    let guard: Arc<dyn Guard> = Arc::new(Comparing::new(store.clone(), Arc::new(broker.clone())));
    let instance = Instance::new(sim, store, broker, guard);
    let limits = Limits {
        lease: LEASE,
        batch_records_max: 7,
        due_max: 2,
        cache_states_max: 3,
        backoff_max: Duration::from_secs(1),
        breaker: BreakerLimits { run_max: 1, percent_max: 50, inputs_min: 10 },
        ..Limits::default()
    };
    let parts = || instance.parts(&limits);
    let (fold_parts, sink_parts, table_parts) = (parts(), parts(), parts());
    let program: Arc<dyn Program> = Arc::new(sample::compensating());
    let (of_rebuilds, rebuilt) = (parts(), program.clone());
    let of_rebuilds = move |store| replayed::SimParts {
        store,
        log: of_rebuilds.log.clone(),
        source: of_rebuilds.source.clone(),
        contract: of_rebuilds.contract.clone(),
        env: of_rebuilds.env.clone(),
        watch: of_rebuilds.watch.clone(),
        limits: of_rebuilds.limits.clone(),
        code: of_rebuilds.code.clone(),
        alone: of_rebuilds.alone.clone(),
        bell: Arc::default(),
        shelf: Arc::default(),
        guard: Arc::new(Unguarded),
        service: of_rebuilds.service,
        instance: of_rebuilds.instance,
    };
    let attended = replayed::attend(store.clone(), of_rebuilds, rebuilt);
    let lanes = async move {
        let worker = || FoldWorker::new(&fold_parts, program.clone());
        owner::share(&fold_parts, Tally::NAME, LANES, worker, CancellationToken::new()).await;
    };
    let sink = Arc::new(OrderSink { sim: sim.clone(), orders: orders.clone() });
    let effects = async move {
        let worker = || SinkWorker { parts: &sink_parts, sink: sink.clone() };
        owner::share(&sink_parts, OrderSink::NAME, LANES, worker, CancellationToken::new()).await;
    };
    let tables = async move {
        let worker = || TableWorker { parts: &table_parts, topic: Rate::TOPIC, complete: false };
        owner::share(&table_parts, Rate::TOPIC, LANES, worker, CancellationToken::new()).await;
    };
    let mut tasks: Vec<super::Task> = vec![Box::pin(lanes), Box::pin(effects), Box::pin(tables)];
    if rebuilds {
        tasks.push(Box::pin(attended));
    }
    tasks.extend((0..2).map(|shard| instance.relay(shard)));
    Process::new(tasks)
}

impl Scenario {
    /// Plays a seed to its end.
    ///
    /// What happened in it, when everything held.
    pub(super) fn play(seed: u64) -> Result<Happened, String> {
        let mut scenario = Self::new(seed);
        scenario.rebuilds = seed % 3 == 2;
        scenario.disturb()?;
        scenario.end()
    }

    fn new(seed: u64) -> Self {
        let sim = Sim::new(seed);
        // One relay for both lanes at times: the rows of one come in between those of the other.
        let store = MemoryStore::new(sim.clone(), if seed.is_multiple_of(2) { 1 } else { 2 });
        let broker = SimBroker::new(&sim, &sample::contract(), &TOPICS, sample::schemas());
        Self {
            sim,
            store,
            broker,
            orders: Orders::default(),
            inputs: Vec::new(),
            killers: Vec::new(),
            sent: Vec::new(),
            recovered: false,
            takes_back: true,
            decides: true,
            is_calm: false,
            standing: stopped::Standing::new(),
            stops: 0,
            rebuilds: false,
            replays: 0,
        }
    }

    fn end(&mut self) -> Result<Happened, String> {
        self.sim.heal();
        self.settle()?;
        self.check()?;
        Ok(self.happened())
    }

    fn start(&self) -> Process {
        let rebuilds = self.rebuilds;
        instance(&self.sim, &self.store, &self.broker, &self.orders, rebuilds)
    }

    /// Traffic and faults.
    fn disturb(&mut self) -> Result<(), String> {
        let mut processes = vec![self.start(), self.start()];
        let mut versions = Versions::new();
        let turns = 400 + self.sim.below(800);
        self.disturb_for(turns, &mut processes, &mut versions)?;
        // The stalled ones come back and find the world changed.
        for _ in 0..400 {
            self.step(&mut processes);
        }
        Ok(())
    }

    fn disturb_for(
        &mut self,
        turns: u64,
        processes: &mut [Process],
        versions: &mut Versions,
    ) -> Result<(), String> {
        for _ in 0..turns {
            self.step(processes);
            self.look_at_stopped()?;
            if self.sim.one_in(150) {
                self.resume();
            }
            if self.sim.one_in(25) {
                self.put_in(versions);
            }
            if self.decides && self.sim.one_in(60) {
                self.decide();
            }
            if self.rebuilds && self.sim.one_in(80) {
                self.replay();
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
        Ok(())
    }

    /// One turn; a process that died in it is started again.
    fn step(&self, processes: &mut [Process]) {
        let whose = step(&self.sim, processes);
        if let (true, Some(died)) = (sample::ABORTED.take(), whose) {
            processes[died] = self.start();
        }
    }

    fn put_in(&mut self, versions: &mut Versions) {
        let key: EncounterToken = format!("{:032x}", self.sim.below(4)).parse().unwrap();
        if self.sim.one_in(6) && !(self.is_calm && versions.contains_key(&(5, key))) {
            return self.rate(key, versions);
        }
        let moods = [
            "",
            "",
            "",
            "",
            "rated",
            "rated",
            "note",
            "note",
            "unsay",
            "recommand",
            "recommand",
            "uncommand",
            "bad",
            "panic",
            "abort",
            "doom",
        ];
        // Bad numbers park all that follows of their key: rare, or nothing else would be seen.
        let rare = if self.sim.one_in(6) { moods.len() } else { moods.len() - 4 };
        let mood = moods[usize::try_from(self.sim.below(rare as u64)).unwrap_or(0)];
        let mood = match mood {
            "rated" if self.is_calm && !self.is_rated(&key) => "",
            mood if self.is_calm && !["rated", "recommand"].contains(&mood) => "",
            "uncommand" if !self.takes_back => "recommand",
            mood => mood,
        };
        let side = usize::try_from(self.sim.below(2)).unwrap_or(0);
        let version = versions.entry((side, key)).or_insert(0);
        *version += 1;
        let schemas = &self.broker.schemas;
        let record = match side {
            0 => sample::input(&key, *version, &Left::new(*version, mood), schemas),
            _ => sample::input(&key, *version, &Right::new(*version, mood), schemas),
        };
        // What an upstream relay publishes twice carries the same version, at once or much later.
        if self.sim.one_in(5) {
            self.broker.append(record.clone());
        }
        self.sent.push(record.clone());
        self.broker.append(record);
        if self.sim.one_in(8) {
            let which = usize::try_from(self.sim.below(self.sent.len() as u64)).unwrap_or(0);
            self.broker.append(self.sent[which].clone());
        }
        self.inputs.push((TOPICS[side], key, *version));
        if mood == "abort" {
            self.killers.push((TOPICS[side], key, *version));
        }
    }

    /// A table says something of a key.
    fn rate(&mut self, key: EncounterToken, versions: &mut Versions) {
        let version = versions.entry((5, key)).or_insert(0);
        *version += 1;
        let rate = sample::input(&key, *version, &Rate::new(*version, ""), &self.broker.schemas);
        let rate = if !self.is_calm && self.sim.one_in(4) { sample::tombstone(rate) } else { rate };
        if self.sim.one_in(5) {
            self.broker.append(rate.clone());
        }
        self.broker.append(rate);
    }

    /// The table says something of a key.
    fn is_rated(&self, key: &EncounterToken) -> bool {
        self.store.tables().table_rows.iter().any(|row| row.key == key.as_str())
    }

    /// Everything is healthy again: all that came in must be through within a bound.
    fn settle(&mut self) -> Result<(), String> {
        let mut processes = vec![self.start(), self.start()];
        for _ in 0..20_000 {
            self.resume();
            for _ in 0..10 {
                self.step(&mut processes);
            }
            if self.is_settled() {
                return Ok(());
            }
        }
        let tables = self.store.tables();
        let (now, outbox) = (World::now(&self.sim), tables.outbox.len());
        let open: Vec<_> = tables.intents.iter().filter(|(_, row)| row.outcome.is_none()).collect();
        let deadlines = &tables.deadlines;
        Err(format!(
            "not settled at {now}: {outbox} rows in the outbox, deadlines {deadlines:?}, wishes {open:?}"
        ))
    }

    fn is_settled(&self) -> bool {
        if !self.are_wishes_answered() {
            return false;
        }
        let tables = self.store.tables();
        let read = (0..LANES).all(|number| {
            let positions = tables.positions(LaneId { processor: Tally::NAME, number });
            [Left::TOPIC, Right::TOPIC].iter().all(|topic| {
                let next = positions.get(*topic).copied().unwrap_or(0);
                !self.broker.has_any(topic, number, next)
            }) && {
                [(OrderSink::NAME, Order::TOPIC), (Rate::TOPIC, Rate::TOPIC)].iter().all(
                    |(processor, topic)| {
                        let positions = tables.positions(LaneId { processor, number });
                        let next = positions.get(*topic).copied().unwrap_or(0);
                        !self.broker.has_any(topic, number, next)
                    },
                )
            }
        });
        read && self.waits_in_vain(&tables).is_none()
            && tables.outbox.is_empty()
            && tables.deadlines.is_empty()
    }

    /// A parked input whose table row has come, and that was not released.
    fn waits_in_vain(&self, tables: &Tables) -> Option<String> {
        let parked = tables.parked.values().filter_map(|(_, parked)| parked.waits.as_ref());
        let came = |waits: &&Waiting| {
            let of = |row: &TableRow| {
                waits.rows.iter().any(|one| (&row.topic, &row.key) == (&one.topic, &one.key))
            };
            tables.table_rows.iter().any(|row| row.seq > waits.after && of(row))
        };
        parked.clone().find(came).map(|waits| format!("{:?} waits in vain", waits.rows))
    }
}

fn headers(record: &Record) -> Headers {
    Headers::from_pairs(record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()))).unwrap()
}

fn version(record: &Record) -> Option<i64> {
    headers(record).version
}
