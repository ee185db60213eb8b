//! A lane's owner: reads its partitions, and commits offset, state and outbox together, under the lane's epoch.
//!
//! Consumes partition *n* of every input topic; publishes through the outbox only; writes the service's ledger.
//! Every failure ends the same way: let go of reader and cache, read the lane again under the epoch held, go on from
//! what is stored. Nothing else is known to be true after an error.

use crate::batch::{self, Batch, Cache, Folded};
use crate::contract::{Contract, SchemaSource, Schemas};
use crate::edge::{BrokerError, LaneReader, Log};
use crate::emission::{CounterKey, Desk, Resolved, Said, resolve};
use crate::env::{Backoff, Env, Loop, Watch};
use crate::journal;
use crate::parking;
use crate::program::Program;
use crate::record::Record;
use crate::reject::{Reason, Reject};
use crate::store::{Changes, Fence, Grant, LaneId, Loaded, Store, StoreError, Trial, Tx, Want};
use canon::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, RwLock};
use tokio_util::sync::CancellationToken;

/// Bounds of a lane's work.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How long a lane stays ours without a sign of life.
    pub lease: Duration,
    /// Records in one batch, at most.
    pub batch_records_max: usize,
    /// Deadlines fired in one batch, at most.
    pub due_max: usize,
    /// States kept in memory per lane, at most.
    pub cache_states_max: usize,
    /// Takes without a commit between them after which records are run one by one.
    pub crashes_max: i32,
    /// The longest wait between two tries.
    pub backoff_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(10),
            batch_records_max: 1000,
            due_max: 500,
            cache_states_max: 50_000,
            crashes_max: 3,
            backoff_max: Duration::from_secs(5),
        }
    }
}

/// The parts that all lanes of a service share.
pub(crate) struct Parts<S, L, C, E> {
    pub(crate) service: &'static str,
    pub(crate) instance: uuid::Uuid,
    pub(crate) store: S,
    pub(crate) log: Arc<L>,
    pub(crate) source: Arc<C>,
    pub(crate) contract: Arc<Contract>,
    pub(crate) env: E,
    pub(crate) watch: Arc<dyn Watch>,
    pub(crate) limits: Limits,
    pub(crate) code: String,
    /// Held to read by every fold of the process, and to write by one that is tried alone: a process that dies during
    /// a trial then died of that record, or of a signal, and not of what another lane was folding.
    pub(crate) alone: Arc<RwLock<()>>,
    /// Rung when rows were put into the outbox, so that this process's relay need not look all the time.
    pub(crate) bell: Arc<Notify>,
}

/// Why a lane's loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// It was asked to.
    Drained,
    /// Another one owns the lane.
    Lost,
}

/// What interrupts a turn.
#[derive(Debug)]
pub(crate) enum Trouble {
    Store(StoreError),
    Broker(BrokerError),
    State(serde_json::Error),
    /// The effect's receiver cannot take it now.
    Effect(crate::sink::Unavailable),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<BrokerError> for Trouble {
    fn from(error: BrokerError) -> Self {
        Self::Broker(error)
    }
}

impl From<serde_json::Error> for Trouble {
    fn from(error: serde_json::Error) -> Self {
        Self::State(error)
    }
}

impl Trouble {
    fn what(&self) -> (&'static str, &(dyn std::error::Error + 'static)) {
        match self {
            Self::Store(error) => ("postgres", error),
            Self::Broker(error) => ("kafka", error),
            Self::State(error) => ("state", error),
            Self::Effect(error) => ("effect", error),
        }
    }
}

/// What differs between lanes of projections and of sinks.
pub(crate) trait Worker: Send {
    /// The topics read.
    fn inputs(&self) -> Vec<&'static str>;

    /// Does one batch to its commit, or returns what came between.
    fn run(
        &mut self,
        lane: &mut Position,
        records: Vec<Record>,
    ) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// Forgets what is in memory.
    fn forget(&mut self);
}

/// How far a lane has come, as far as its owner knows.
#[derive(Clone, Debug)]
pub(crate) struct Position {
    pub(crate) fence: Fence,
    pub(crate) positions: BTreeMap<String, i64>,
    pub(crate) next_due: Option<Timestamp>,
    pub(crate) trial: Option<Trial>,
    pub(crate) attempts: i32,
    /// Records still to be run one by one, since batches crashed.
    pub(crate) solo_left: usize,
    /// The trial that this process has begun: trying it again after a lost answer is no further death.
    begun: Option<Trial>,
    clock: (Timestamp, Duration),
}

impl Position {
    pub(crate) fn of(grant: Grant, elapsed: Duration, limits: &Limits) -> Self {
        let solo = grant.attempts >= limits.crashes_max;
        Self {
            fence: grant.fence,
            positions: grant.positions,
            next_due: grant.next_due,
            trial: grant.trial,
            attempts: grant.attempts,
            solo_left: if solo { limits.batch_records_max } else { 0 },
            begun: None,
            clock: (grant.now, elapsed),
        }
    }

    /// A committed batch: the fence moves on.
    pub(crate) fn advance(&mut self, positions: BTreeMap<String, i64>, now: Timestamp, elapsed: Duration) {
        self.fence.seq += 1;
        self.positions.extend(positions);
        self.clock = (now, elapsed);
    }

    /// The database's clock as far as it can be told without asking.
    fn now(&self, elapsed: Duration) -> Timestamp {
        self.clock.0 + elapsed.saturating_sub(self.clock.1)
    }

    fn is_due(&self, elapsed: Duration) -> bool {
        self.next_due.is_some_and(|due| due <= self.now(elapsed))
    }

    /// How long to wait for records: until the lease wants renewing or a deadline falls due.
    fn patience(&self, elapsed: Duration, lease: Duration) -> Duration {
        let until_due = self.next_due.map(|due| due.since(self.now(elapsed)));
        until_due.unwrap_or(Duration::MAX).min(lease / 3).max(Duration::from_millis(1))
    }
}

/// Works a lane until it is told to stop or loses it.
pub(crate) async fn work<S, L, C, E, W>(
    parts: &Parts<S, L, C, E>,
    mut worker: W,
    grant: Grant,
    stop: CancellationToken,
) -> Left
where
    S: Store,
    L: Log,
    C: SchemaSource,
    E: Env,
    W: Worker,
{
    let id = grant.fence.lane;
    parts.watch.lane_taken(id, grant.fence.epoch);
    let mut lane = Position::of(grant, parts.env.elapsed(), &parts.limits);
    let mut backoff = Backoff::new(Duration::from_millis(50), parts.limits.backoff_max);
    let left = loop {
        let Err(trouble) = read_and_run(parts, &mut worker, &mut lane, &mut backoff, &stop).await else {
            // A lane that cannot be given back is free again when its lease has passed.
            let _ = parts.store.release_lane(&lane.fence).await;
            break Left::Drained;
        };
        worker.forget();
        if matches!(trouble, Trouble::Store(StoreError::Fenced)) {
            break Left::Lost;
        }
        let (what, error) = trouble.what();
        parts.watch.trouble(what, error);
        match recover(parts, &mut lane, &mut backoff, &stop).await {
            Some(left) => break left,
            None => parts.watch.beat(Loop::Lane(id)),
        }
    };
    parts.watch.lane_left(id, left == Left::Lost);
    left
}

/// Opens the reader and takes batch after batch; returns when asked to stop.
async fn read_and_run<S, L, C, E, W>(
    parts: &Parts<S, L, C, E>,
    worker: &mut W,
    lane: &mut Position,
    backoff: &mut Backoff,
    stop: &CancellationToken,
) -> Result<(), Trouble>
where
    S: Store,
    L: Log,
    C: SchemaSource,
    E: Env,
    W: Worker,
{
    if stop.is_cancelled() {
        return Ok(());
    }
    let starts: Vec<(&'static str, i64)> = worker
        .inputs()
        .into_iter()
        .map(|topic| (topic, lane.positions.get(topic).copied().unwrap_or(crate::edge::BEGINNING)))
        .collect();
    let mut reader = parts.log.open(lane.fence.lane.number, &starts).await?;
    let mut renewed = parts.env.elapsed();
    loop {
        parts.watch.beat(Loop::Lane(lane.fence.lane));
        let max = if lane.solo_left > 0 { 1 } else { parts.limits.batch_records_max };
        let patience = lane.patience(parts.env.elapsed(), parts.limits.lease);
        let records = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            records = reader.next(max, patience) => records?,
        };
        let elapsed = parts.env.elapsed();
        if records.is_empty() && !lane.is_due(elapsed) {
            parts.watch.lag(lane.fence.lane, None, lane.now(elapsed));
            if elapsed.saturating_sub(renewed) >= parts.limits.lease / 3 {
                let told = parts.store.renew(&lane.fence, parts.limits.lease).await?;
                (lane.clock, lane.next_due) = ((told.now, elapsed), told.next_due);
                renewed = elapsed;
                healthy(parts);
            }
            continue;
        }
        parts.watch.lag(lane.fence.lane, records.first().map(|first| first.timestamp), lane.now(elapsed));
        ensure_schemas(parts.source.as_ref(), &records).await?;
        worker.run(lane, records).await?;
        renewed = parts.env.elapsed();
        backoff.reset();
        healthy(parts);
    }
}

fn healthy<S, L, C, E>(parts: &Parts<S, L, C, E>) {
    ["effect", "kafka", "postgres", "state"].into_iter().for_each(|what| parts.watch.healed(what));
}

/// After trouble: waits, then reads the lane again under the epoch held.
async fn recover<S, L, C, E>(
    parts: &Parts<S, L, C, E>,
    lane: &mut Position,
    backoff: &mut Backoff,
    stop: &CancellationToken,
) -> Option<Left>
where
    S: Store,
    E: Env,
{
    loop {
        let pause = backoff.step(&parts.env);
        tokio::select! {
            biased;
            () = stop.cancelled() => return Some(Left::Drained),
            () = parts.env.sleep(pause) => {}
        }
        match parts.store.resume(&lane.fence).await {
            Ok(Some(grant)) => {
                let before = lane.clone();
                *lane = Position::of(grant, parts.env.elapsed(), &parts.limits);
                (lane.attempts, lane.solo_left, lane.begun) =
                    (before.attempts, before.solo_left, before.begun);
                // Kept alive while it is in trouble, so that it does not wander from owner to owner.
                if parts.store.renew(&lane.fence, parts.limits.lease).await.is_ok() {
                    return None;
                }
            }
            Ok(None) => return Some(Left::Lost),
            Err(error) => parts.watch.trouble("postgres", &error),
        }
    }
}

/// Has every writer's schema of a batch at hand before it is folded.
pub(crate) async fn ensure_schemas(
    source: &impl SchemaSource,
    records: &[Record],
) -> Result<(), BrokerError> {
    let values = records.iter().filter_map(|record| record.value.as_deref());
    let ids: BTreeSet<u32> =
        values.filter_map(|value| canon::codec::split(value).ok()).map(|(id, _)| id).collect();
    let unknown: Vec<u32> = ids.into_iter().filter(|id| !source.schemas().knows(*id)).collect();
    if unknown.is_empty() { Ok(()) } else { source.ensure(&unknown).await }
}

/// The next offsets after a batch, per topic.
pub(crate) fn positions_after(records: &[Record]) -> BTreeMap<String, i64> {
    records.iter().map(|record| (record.topic.to_owned(), record.offset + 1)).collect()
}

/// The lane of a projection.
pub(crate) struct FoldWorker<'p, S, L, C, E> {
    pub(crate) parts: &'p Parts<S, L, C, E>,
    pub(crate) program: Arc<dyn Program>,
    cache: Cache,
}

impl<'p, S, L, C, E> FoldWorker<'p, S, L, C, E> {
    pub(crate) fn new(parts: &'p Parts<S, L, C, E>, program: Arc<dyn Program>) -> Self {
        Self { parts, program, cache: Cache::default() }
    }
}

impl<S, L, C, E> Worker for FoldWorker<'_, S, L, C, E>
where
    S: Store,
    L: Log,
    C: SchemaSource,
    E: Env,
{
    fn inputs(&self) -> Vec<&'static str> {
        self.program.inputs().iter().map(|(topic, _)| *topic).collect()
    }

    fn forget(&mut self) {
        self.cache.clear();
    }

    async fn run(&mut self, lane: &mut Position, records: Vec<Record>) -> Result<(), Trouble> {
        let began = self.parts.env.elapsed();
        // Taken before any row is locked, so that nobody waits for it with a transaction open.
        let (_alone, _beside);
        if lane.solo_left > 0 {
            _alone = self.parts.alone.write().await;
        } else {
            _beside = self.parts.alone.read().await;
        }
        let forced = self.try_alone(lane, &records).await?;
        let limits = &self.parts.limits;
        let mut tx = self.parts.store.begin(&lane.fence, limits.lease, limits.due_max).await?;
        let now = tx.now();
        let due = tx.due().to_vec();
        if due.is_empty() && records.is_empty() {
            // The deadline was waited for by an estimate of the database's clock, and is not due yet.
            lane.clock = (now, self.parts.env.elapsed());
            return Ok(());
        }
        let loaded = self.load(&mut tx, &due, &records).await?;
        let (folded, resolved) = self.fold(&mut tx, lane.fence.lane, &due, &records, &loaded, forced).await?;
        let mut changes = folded.changes(self.program.as_ref(), &self.cache)?;
        (changes.emitted, changes.counters, changes.outbox) =
            (resolved.emitted, resolved.counters, resolved.outbox);
        changes.positions = positions_after(&records);
        let setup = self.program.setup_text();
        changes.journal = Some(journal::Entry {
            seq: lane.fence.seq + 1,
            clock: now,
            fired_to: due.last().cloned(),
            segments: journal::segments(records.iter().map(|record| (record.topic, record.offset))),
            culprits: folded.culprits.clone(),
            code: format!("{} {setup}", self.parts.code),
        });
        lane.solo_left = lane.solo_left.saturating_sub(records.len());
        changes.attempts = if lane.solo_left > 0 { limits.crashes_max } else { 0 };
        let positions = changes.positions.clone();
        let reasons: Vec<Reason> = changes.parked.iter().map(|parked| parked.reason).collect();
        let next_due = tx.write(changes).await?;
        tx.commit().await?;
        self.parts.bell.notify_one();
        self.settle(folded.slots);
        (lane.trial, lane.begun, lane.next_due) = (None, None, next_due);
        let elapsed = self.parts.env.elapsed();
        lane.advance(positions, now, elapsed);
        let took = elapsed.saturating_sub(began);
        self.parts.watch.batch(lane.fence.lane, &folded.tally, took, &lane.positions);
        for reason in reasons {
            self.parts.watch.parked(lane.fence.lane, reason);
        }
        Ok(())
    }
}

impl<S, L, C, E> FoldWorker<'_, S, L, C, E>
where
    S: Store,
    L: Log,
    C: SchemaSource,
    E: Env,
{
    fn settle(&mut self, slots: BTreeMap<String, batch::Slot>) {
        self.cache.merge(slots);
        if self.cache.len() > self.parts.limits.cache_states_max {
            self.cache.clear();
        }
    }

    /// While batches crash, notes which record is tried alone; one that was tried too often is rejected instead.
    async fn try_alone(
        &self,
        lane: &mut Position,
        records: &[Record],
    ) -> Result<BTreeMap<usize, Reject>, Trouble> {
        let (true, Some(record)) = (lane.solo_left > 0, records.first()) else { return Ok(BTreeMap::new()) };
        let limits = &self.parts.limits;
        let trial = Trial { topic: record.topic.to_owned(), offset: record.offset };
        if lane.begun.as_ref() == Some(&trial) {
            return Ok(BTreeMap::new());
        }
        let tries = if lane.trial.as_ref() == Some(&trial) { lane.attempts } else { limits.crashes_max };
        let tx = self.parts.store.begin(&lane.fence, limits.lease, 0).await?;
        let now = tx.now();
        let mut tx = tx;
        tx.write(Changes { attempts: tries + 1, trial: Some(trial.clone()), ..Changes::default() }).await?;
        tx.commit().await?;
        lane.advance(BTreeMap::new(), now, self.parts.env.elapsed());
        (lane.trial, lane.begun, lane.attempts) = (Some(trial.clone()), Some(trial), tries + 1);
        if tries < 2 * limits.crashes_max {
            return Ok(BTreeMap::new());
        }
        let what = format!("the process died over it {} times", limits.crashes_max);
        // Deadlines come before records in a batch, and how many are due is known only inside the transaction.
        Ok(BTreeMap::from([(FIRST_RECORD, Reject::new(Reason::Crash, what))]))
    }

    async fn load(
        &mut self,
        tx: &mut S::Tx,
        due: &[(Timestamp, String)],
        records: &[Record],
    ) -> Result<Loaded, Trouble> {
        let keys = batch::keys(due, records).into_iter().filter(|key| !self.cache.has(key)).collect();
        let want = Want { keys, identities: batch::identities(records) };
        if want.keys.is_empty() && want.identities.is_empty() {
            return Ok(Loaded::default());
        }
        let loaded = tx.load(&want).await?;
        self.cache.fill(self.program.as_ref(), &want.keys, &loaded)?;
        Ok(loaded)
    }

    /// Folds and holds the result against the emission ledger; an input whose statement is refused is rejected, and
    /// the batch folded again without it.
    async fn fold(
        &self,
        tx: &mut S::Tx,
        lane: LaneId,
        due: &[(Timestamp, String)],
        records: &[Record],
        loaded: &Loaded,
        forced: BTreeMap<usize, Reject>,
    ) -> Result<(Folded, Resolved), Trouble> {
        let schemas: &Schemas = self.parts.source.schemas();
        let mut forced: BTreeMap<usize, Reject> = forced
            .into_iter()
            .map(|(index, reject)| (if index == FIRST_RECORD { due.len() } else { index }, reject))
            .collect();
        let now = tx.now();
        let desk = Desk { source: self.parts.service, contract: &self.parts.contract, schemas, now };
        let mut telling = true;
        loop {
            let batch = Batch { now, due, records, forced: &forced };
            let mut folded = batch::fold(self.program.as_ref(), schemas, &self.cache, &loaded.seen, &batch);
            if telling {
                folded.said.extend(parking::notices(&desk, lane, &folded.parked));
            }
            if folded.said.is_empty() {
                return Ok((folded, Resolved::default()));
            }
            let keys = counter_keys(&folded.said);
            let counters = tx.lock_counters(&keys).await?;
            let facts: Vec<uuid::Uuid> = facts(&folded.said);
            let emitted = tx.emitted(&facts).await?;
            match resolve(&folded.said, &counters, emitted, &desk) {
                Ok(resolved) => return Ok((folded, resolved)),
                // A notice that cannot be published must not keep the batch from being stored.
                Err(refusal) if refusal.input == parking::NOTICE => telling = false,
                Err(refusal) => {
                    forced.insert(refusal.input, refusal.reject);
                }
            }
        }
    }
}

/// Stands for the first record while the number of due deadlines is not known.
const FIRST_RECORD: usize = usize::MAX;

/// The counters to lock, sorted, so that two lanes never wait for each other.
pub(crate) fn counter_keys(said: &[Said]) -> Vec<CounterKey> {
    let keys: BTreeSet<CounterKey> =
        said.iter().map(|said| (said.draft.topic.to_owned(), said.draft.key.clone())).collect();
    keys.into_iter().collect()
}

/// The facts whose ledger rows are wanted.
pub(crate) fn facts(said: &[Said]) -> Vec<uuid::Uuid> {
    said.iter().map(|said| said.draft.fact).collect::<BTreeSet<_>>().into_iter().collect()
}
