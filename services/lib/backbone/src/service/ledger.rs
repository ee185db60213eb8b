//! Services with a ledger: projections, sinks and sources, their lanes, and the relay.

use super::audited::Audited;
use super::parts::Surroundings;
use super::replaying::Replaying;
use super::source::{LivePulling, SourceRunner};
use super::watch::LiveWatch;
use super::{Ledgered, TokioEnv};
use crate::contract::Contract;
use crate::env::{Env, Unwatched, Watch};
use crate::fold_lane::FoldWorker;
use crate::guard::{Comparing, Guard, Unguarded};
use crate::kafka::{KafkaLog, KafkaMarks, KafkaPublisher, LogSettings};
use crate::lane::{Limits, Parts};
use crate::metrics::Metrics;
use crate::owner;
use crate::postgres::{PostgresSettings, PostgresStore, Processor, look};
use crate::program::Program;
use crate::registry::Registry;
use crate::relay::{Relay, RelayLimits, transactional_id};
use crate::sink::Sink;
use crate::sink_lane::SinkWorker;
use crate::source::{Source, SourceLimits, Sourcing};
use crate::store::{Store, StoreError};
use crate::table_lane::TableWorker;
use canon::catalog::Catalog;
use canon::event::Event;
use canon::{Audit, DeadLetter, ServiceName};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, RwLock};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Relay shards of a service. More than one is worth it only when one transaction at a time is too slow.
const SHARDS: i32 = 1;
const SHARD: i32 = 0;
/// What the journal says folded a batch, before the configuration.
const CODE: &str = concat!("vertebra ", env!("CARGO_PKG_VERSION"));
const CONNECTIONS_MAX: usize = 12;
const SAMPLED_EVERY: Duration = Duration::from_secs(5);
/// How long the ledger may take to say that it is there.
const ANSWER_MAX: Duration = Duration::from_secs(5);

// Tests of faults have every call of these parts passed by a point where the process can be killed or stopped.
#[cfg(feature = "fault-points")]
pub(super) use crate::fault::{Faulty as Live, with_points};
#[cfg(not(feature = "fault-points"))]
pub(super) type Live<T> = T;
#[cfg(not(feature = "fault-points"))]
fn with_points<T>(part: T) -> T {
    part
}

pub(super) type LiveParts = Parts<Live<PostgresStore>, KafkaLog, Registry, TokioEnv>;
pub(super) type Loop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A sink with its type erased.
pub(crate) trait SinkRunner: Send + Sync {
    fn name(&self) -> &'static str;
    fn input(&self) -> (&'static str, &'static str);
    fn lanes(&self, parts: LiveParts, stop: CancellationToken) -> Loop;
}

pub(crate) struct SinkLanes<K> {
    pub(crate) sink: Arc<K>,
}

impl<K: Sink> SinkRunner for SinkLanes<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn input(&self) -> (&'static str, &'static str) {
        (K::Command::TOPIC, K::Command::SCHEMA)
    }

    fn lanes(&self, parts: LiveParts, stop: CancellationToken) -> Loop {
        let sink = self.sink.clone();
        Box::pin(async move {
            let lanes = lanes_of(&parts.contract, K::Command::TOPIC);
            let worker = || SinkWorker { parts: &parts, sink: sink.clone() };
            owner::share(&parts, K::NAME, lanes, worker, stop).await;
        })
    }
}

fn fold_lanes(program: Arc<dyn Program>, parts: LiveParts, stop: CancellationToken) -> Loop {
    Box::pin(async move {
        let tables = program.lookups().iter().map(|(topic, _)| (*topic, lanes_of(&parts.contract, topic)));
        if !complete(&parts, &tables.collect::<Vec<_>>(), &stop).await {
            return;
        }
        let first = program.inputs().first().map_or("", |(topic, _)| topic);
        let lanes = lanes_of(&parts.contract, first);
        let worker = || FoldWorker::new(&parts, program.clone());
        owner::share(&parts, program.name(), lanes, worker, stop).await;
    })
}

/// Waits until the tables were read to their end once; says so while it takes. False when told to stop.
async fn complete(parts: &LiveParts, tables: &[(&'static str, i32)], stop: &CancellationToken) -> bool {
    let mut pause = Duration::from_millis(50);
    while !stop.is_cancelled() {
        match parts.store.are_complete(tables).await {
            Ok(true) => return true,
            Ok(false) => tracing::debug!("tables are being read for the first time"),
            Err(error) => parts.watch.trouble("postgres", &error),
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = parts.env.sleep(pause) => pause = (pause * 2).min(Duration::from_secs(1)),
        }
    }
    false
}

/// The lanes of a table: one for each partition of its topic.
fn table_lanes(topic: &'static str, parts: LiveParts, stop: CancellationToken) -> Loop {
    Box::pin(async move {
        let lanes = lanes_of(&parts.contract, topic);
        let worker = || TableWorker { parts: &parts, topic, complete: false };
        owner::share(&parts, topic, lanes, worker, stop).await;
    })
}

fn lanes_of(contract: &Contract, topic: &str) -> i32 {
    i32::try_from(contract.partitions(topic)).unwrap_or(1)
}

/// The topics that are looked up, each once.
fn tables_of(work: &Ledgered) -> BTreeSet<&'static str> {
    work.programs.iter().flat_map(|program| program.lookups().iter().map(|(topic, _)| *topic)).collect()
}

/// What a service reads and writes, over all its processors.
struct Topics {
    inputs: BTreeMap<&'static str, Vec<&'static str>>,
    outputs: Vec<(&'static str, &'static str)>,
}

impl Topics {
    fn of(work: &Ledgered) -> Self {
        let programs = work.programs.iter();
        let folded = programs.map(|program| {
            (program.name(), program.inputs().iter().map(|(topic, _)| *topic).collect::<Vec<_>>())
        });
        let sinks = work.sinks.iter().map(|sink| (sink.name(), vec![sink.input().0]));
        // A table is a processor of its own, called as its topic is.
        let tables = tables_of(work).into_iter().map(|topic| (topic, vec![topic]));
        let inputs = folded.chain(sinks).chain(tables).collect();
        let outputs = work.programs.iter().flat_map(|program| program.outputs().iter().copied());
        let pulled = work.sources.iter().flat_map(|source| source.outputs());
        let outputs = outputs.chain(pulled).chain([(DeadLetter::TOPIC, DeadLetter::SCHEMA)]);
        let outputs = outputs.chain([(Audit::TOPIC, Audit::SCHEMA)]).collect();
        Self { inputs, outputs }
    }

    fn reads(&self) -> Vec<&'static str> {
        self.inputs.values().flatten().copied().collect()
    }

    fn writes(&self) -> Vec<&'static str> {
        self.outputs.iter().map(|(topic, _)| *topic).collect()
    }
}

/// More lanes than their marks at the broker have room for.
#[derive(Debug, thiserror::Error)]
#[error("{0} lanes are too many for one service: put some of its projections into another one")]
struct Crowded(i32);

/// Every processor and how many lanes it has.
fn lanes(topics: &Topics, work: &Ledgered, contract: &Contract) -> Vec<(&'static str, i32)> {
    let read = topics.inputs.iter().map(|(name, inputs)| {
        (*name, inputs.iter().map(|topic| lanes_of(contract, topic)).max().unwrap_or(1))
    });
    let sources = work.sources.iter().map(|source| source.name()).chain([Audited::NAME]);
    read.chain(sources.map(|source| (source, 1))).collect()
}

/// Runs until told to stop.
pub(crate) async fn run(around: Surroundings, work: Ledgered) -> Result<(), Box<dyn Error + Send + Sync>> {
    let topics = Topics::of(&work);
    around.check_topics(&topics.reads(), &topics.writes()).await?;
    let Some(registry) = around.schemas(&topics.outputs).await? else { return Ok(()) };
    let mut processors = BTreeMap::new();
    // It has just said what topics it has. A service that reads none has no other news of it than its relay's.
    let condition = around.health.condition("kafka");
    condition.ready();
    for (name, inputs) in &topics.inputs {
        let group = LogSettings::new(format!("{}.{name}", around.name));
        let log = Arc::new(KafkaLog::start(&around.common.kafka, &group, Some(condition.clone()))?);
        processors.insert(*name, (log, inputs.clone()));
    }
    let (health, metrics) = (around.health.clone(), around.metrics.clone());
    let live = Arc::new(LiveWatch::new(around.name, health, metrics, processors.clone()));
    let watch: Arc<dyn Watch> = live.clone();
    let Some(ledger) = open_ledger(&around, &work, watch.as_ref()).await? else { return Ok(()) };
    let store = with_points(ledger.clone());
    let contract = Arc::new(Contract::of(Catalog::builtin()));
    let lanes = lanes(&topics, &work, &contract);
    if !KafkaMarks::have_room(&lanes) {
        return Err(Crowded(lanes.iter().map(|(_, count)| count).sum()).into());
    }
    let marks = Arc::new(KafkaMarks::new(
        &around.common.kafka,
        &transactional_id(around.name, SHARD),
        DeadLetter::TOPIC,
    )?);
    let guard: Arc<dyn Guard> = Arc::new(Comparing::new(store.clone(), marks.clone()));
    let alone: Arc<RwLock<()>> = Arc::default();
    let bell: Arc<Notify> = Arc::default();
    let shelf = Arc::default();
    let parts = |processor: &str| LiveParts {
        alone: Arc::clone(&alone),
        bell: Arc::clone(&bell),
        shelf: Arc::clone(&shelf),
        guard: Arc::clone(&guard),
        service: around.name,
        instance: around.common.instance,
        store: store.clone(),
        log: processors[processor].0.clone(),
        source: registry.clone(),
        contract: contract.clone(),
        env: around.env,
        watch: watch.clone(),
        limits: Limits {
            lease: work.ledger.lease,
            batch_records_max: work.ledger.batch_max,
            ..Limits::default()
        },
        code: CODE.to_owned(),
    };
    let mut loops: Vec<Loop> = Vec::new();
    for program in &work.programs {
        loops.push(fold_lanes(program.clone(), parts(program.name()), around.stop.clone()));
    }
    for topic in tables_of(&work) {
        loops.push(table_lanes(topic, parts(topic), around.stop.clone()));
    }
    for sink in &work.sinks {
        loops.push(sink.lanes(parts(sink.name()), around.stop.clone()));
    }
    let replaying = Replaying {
        service: around.name,
        kafka: around.common.kafka.clone(),
        store: store.clone(),
        programs: work
            .programs
            .iter()
            .map(|program| {
                let first = program.inputs().first().map_or("", |(topic, _)| topic);
                (program.clone(), lanes_of(&contract, first))
            })
            .collect(),
        env: around.env,
    };
    let of = parts_of_rebuilds(&around, &work, (&registry, &contract), &alone);
    loops.push(Box::pin(replaying.run(of, around.stop.clone())));
    let service = around.name.parse::<ServiceName>()?;
    let audited = Sourcing::new(Audited { store: ledger.clone(), service }).states::<Audit>();
    let audited: Arc<dyn SourceRunner> = Arc::new(audited);
    for source in work.sources.iter().chain([&audited]) {
        let parts = LivePulling {
            service: around.name,
            instance: around.common.instance,
            store: store.clone(),
            schemas: registry.clone(),
            contract: contract.clone(),
            env: around.env,
            watch: watch.clone(),
            limits: SourceLimits { lease: work.ledger.lease, ..SourceLimits::default() },
            bell: Arc::clone(&bell),
            guard: Arc::clone(&guard),
        };
        loops.push(source.clone().pull(parts, around.stop.clone()));
    }
    let lease = work.ledger.lease;
    let relay = Relay {
        service: around.name,
        instance: around.common.instance,
        shard: SHARD,
        store: store.clone(),
        publisher: Arc::new(with_points(
            KafkaPublisher::new(&around.common.kafka, lease, None).leaving(marks),
        )),
        env: around.env,
        watch: watch.clone(),
        bell,
        guard,
        limits: RelayLimits { lease, ..RelayLimits::default() },
    };
    let stop = around.stop.clone();
    loops.push(Box::pin(async move { relay.run(stop).await }));
    loops.push(attend(watch.clone(), ledger.clone(), around.stop.clone()));
    loops.push(sample(live, ledger, around.metrics.clone(), around.stop.clone()));
    around.health.condition("postgres").ready();
    let mut tasks: JoinSet<()> = loops.into_iter().collect();
    // A loop that panicked is a bug: the process ends, and is started again by whoever watches it.
    while let Some(ended) = tasks.join_next().await {
        ended?;
    }
    Ok(())
}

/// The parts of a rebuild: nothing of it holds up what is live, but that no input is tried alone beside it. What holds it up is told where it is kept.
fn parts_of_rebuilds(
    around: &Surroundings,
    work: &Ledgered,
    (registry, contract): (&Arc<Registry>, &Arc<Contract>),
    alone: &Arc<RwLock<()>>,
) -> impl Fn(Live<PostgresStore>, Arc<KafkaLog>) -> LiveParts + Send + Sync + use<> {
    let (service, instance, env) = (around.name, around.common.instance, around.env);
    let (source, contract, lease) = (registry.clone(), contract.clone(), work.ledger.lease);
    let (batch_records_max, alone) = (work.ledger.batch_max, alone.clone());
    move |store, log| LiveParts {
        alone: alone.clone(),
        bell: Arc::default(),
        shelf: Arc::default(),
        guard: Arc::new(Unguarded),
        service,
        instance,
        store,
        log,
        source: source.clone(),
        contract: contract.clone(),
        env,
        watch: Arc::new(Unwatched),
        limits: Limits { lease, batch_records_max, ..Limits::default() },
        code: CODE.to_owned(),
    }
}

/// Asks the ledger now and then whether it is there. Whoever works with it tells what failed; that it neither answers
/// nor closes connections, nobody who waits for it can tell.
fn attend(watch: Arc<dyn Watch>, store: PostgresStore, stop: CancellationToken) -> Loop {
    Box::pin(async move {
        while !stop.is_cancelled() {
            let answer = tokio::select! {
                () = stop.cancelled() => return,
                answer = tokio::time::timeout(ANSWER_MAX, store.ping()) => answer,
            };
            match answer {
                Ok(Ok(())) => watch.healed("postgres"),
                Ok(Err(error)) => watch.trouble("postgres", &error),
                Err(_) => {
                    let silent = StoreError::Unavailable { what: "it does not answer", source: None };
                    watch.trouble("postgres", &silent);
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(SAMPLED_EVERY) => {}
            }
        }
    })
}

/// Measures now and then what no single event tells: lag, the outbox, what is parked.
fn sample(live: Arc<LiveWatch>, store: PostgresStore, metrics: Metrics, stop: CancellationToken) -> Loop {
    Box::pin(async move {
        while !stop.is_cancelled() {
            live.measure_lag().await;
            // A ledger that does not answer is told of by those who need it.
            if let Ok(outbox) = look::outbox(&store).await {
                metrics.outbox(0, outbox.rows, outbox.oldest_age.unwrap_or_default());
            }
            if let Ok(counts) = look::parked_counts(&store).await {
                for (processor, reason, rows) in counts {
                    metrics.parked_rows(&processor, &reason, rows);
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(SAMPLED_EVERY) => {}
            }
        }
    })
}

async fn open_ledger(
    around: &Surroundings,
    work: &Ledgered,
    watch: &dyn Watch,
) -> Result<Option<PostgresStore>, crate::postgres::OpenError> {
    let settings = PostgresSettings {
        url: work.ledger.postgres_url.clone(),
        service: around.name,
        instance: around.common.instance,
        lease: work.ledger.lease,
        connections_max: CONNECTIONS_MAX,
    };
    let folds = work.programs.iter();
    let folds = folds.map(|program| Processor { name: program.name(), tables: program.tables().to_vec() });
    let sinks = work.sinks.iter().map(|sink| Processor { name: sink.name(), tables: Vec::new() });
    let processors: Vec<Processor> = folds.chain(sinks).collect();
    PostgresStore::open(&settings, SHARDS, &processors, &around.env, watch, &around.stop).await
}
