//! Services with a ledger: projections and sinks, their lanes, and the relay.

use super::parts::Surroundings;
use super::watch::LiveWatch;
use super::{Ledgered, TokioEnv};
use crate::contract::Contract;
use crate::env::Watch;
use crate::kafka::{KafkaLog, KafkaPublisher, LogSettings};
use crate::lane::{FoldWorker, Limits, Parts};
use crate::metrics::Metrics;
use crate::owner;
use crate::postgres::{PostgresSettings, PostgresStore, Processor, look};
use crate::program::Program;
use crate::registry::Registry;
use crate::relay::{Relay, RelayLimits};
use crate::sink::Sink;
use crate::sink_lane::SinkWorker;
use crate::store::StoreError;
use canon::DeadLetter;
use canon::catalog::Catalog;
use canon::event::Event;
use std::collections::BTreeMap;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Relay shards of a service. More than one is worth it only when one transaction at a time is too slow.
const SHARDS: i32 = 1;
const CONNECTIONS_MAX: usize = 12;
const SAMPLED_EVERY: Duration = Duration::from_secs(5);
/// How long the ledger may take to say that it is there.
const ANSWER_MAX: Duration = Duration::from_secs(5);

// Tests of faults have every call of these parts passed by a point where the process can be killed or stopped.
#[cfg(feature = "fault-points")]
use crate::fault::{Faulty as Live, with_points};
#[cfg(not(feature = "fault-points"))]
type Live<T> = T;
#[cfg(not(feature = "fault-points"))]
fn with_points<T>(part: T) -> T {
    part
}

type LiveParts = Parts<Live<PostgresStore>, KafkaLog, Registry, TokioEnv>;
type Loop = Pin<Box<dyn Future<Output = ()> + Send>>;

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
        let first = program.inputs().first().map_or("", |(topic, _)| topic);
        let lanes = lanes_of(&parts.contract, first);
        let worker = || FoldWorker::new(&parts, program.clone());
        owner::share(&parts, program.name(), lanes, worker, stop).await;
    })
}

fn lanes_of(contract: &Contract, topic: &str) -> i32 {
    i32::try_from(contract.partitions(topic)).unwrap_or(1)
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
        let inputs = folded.chain(sinks).collect();
        let outputs = work.programs.iter().flat_map(|program| program.outputs().iter().copied());
        let outputs = outputs.chain([(DeadLetter::TOPIC, DeadLetter::SCHEMA)]).collect();
        Self { inputs, outputs }
    }

    fn reads(&self) -> Vec<&'static str> {
        self.inputs.values().flatten().copied().collect()
    }

    fn writes(&self) -> Vec<&'static str> {
        self.outputs.iter().map(|(topic, _)| *topic).collect()
    }
}

/// Runs until told to stop.
pub(crate) async fn run(around: Surroundings, work: Ledgered) -> Result<(), Box<dyn Error + Send + Sync>> {
    let topics = Topics::of(&work);
    around.check_topics(&topics.reads(), &topics.writes()).await?;
    let Some(source) = around.schemas(&topics.outputs).await? else { return Ok(()) };
    let mut processors = BTreeMap::new();
    for (name, inputs) in &topics.inputs {
        let group = LogSettings::new(format!("{}.{name}", around.name));
        let condition = around.health.condition("kafka");
        condition.ready();
        let log = Arc::new(KafkaLog::start(&around.common.kafka, &group, Some(condition))?);
        processors.insert(*name, (log, inputs.clone()));
    }
    let live = Arc::new(LiveWatch::new(around.health.clone(), around.metrics.clone(), processors.clone()));
    let watch: Arc<dyn Watch> = live.clone();
    let Some(ledger) = open_ledger(&around, &work, watch.as_ref()).await? else { return Ok(()) };
    let store = with_points(ledger.clone());
    let contract = Arc::new(Contract::of(Catalog::builtin()));
    let alone = Arc::default();
    let bell: Arc<Notify> = Arc::default();
    let parts = |processor: &str| LiveParts {
        alone: Arc::clone(&alone),
        bell: Arc::clone(&bell),
        service: around.name,
        instance: around.common.instance,
        store: store.clone(),
        log: processors[processor].0.clone(),
        source: source.clone(),
        contract: contract.clone(),
        env: around.env,
        watch: watch.clone(),
        limits: Limits {
            lease: work.ledger.lease,
            batch_records_max: work.ledger.batch_max,
            ..Limits::default()
        },
        code: concat!("vertebra ", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    let mut loops: Vec<Loop> = Vec::new();
    for program in &work.programs {
        loops.push(fold_lanes(program.clone(), parts(program.name()), around.stop.clone()));
    }
    for sink in &work.sinks {
        loops.push(sink.lanes(parts(sink.name()), around.stop.clone()));
    }
    loops.push(relay(&around, &work, &store, &watch, bell.clone()));
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

fn relay(
    around: &Surroundings,
    work: &Ledgered,
    store: &Live<PostgresStore>,
    watch: &Arc<dyn Watch>,
    bell: Arc<Notify>,
) -> Loop {
    let lease = work.ledger.lease;
    let relay = Relay {
        service: around.name,
        instance: around.common.instance,
        shard: 0,
        store: store.clone(),
        publisher: Arc::new(with_points(KafkaPublisher::new(&around.common.kafka, lease, None))),
        env: around.env,
        watch: watch.clone(),
        bell,
        limits: RelayLimits { lease, ..RelayLimits::default() },
    };
    let stop = around.stop.clone();
    Box::pin(async move { relay.run(stop).await })
}
