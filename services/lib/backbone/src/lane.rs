//! A lane's owner: reads its partitions, and commits offset, state and outbox together, under the lane's epoch.
//!
//! Consumes partition *n* of every input topic; publishes through the outbox only; writes the service's ledger.
//! Every failure ends the same way: let go of reader and cache, read the lane again under the epoch held, go on from
//! what is stored. Nothing else is known to be true after an error.

mod reread;
mod trouble;

use reread::{Forgotten, reread};
pub(crate) use trouble::{Left, Trouble};

use crate::breaker::{Breaker, BreakerLimits};
use crate::contract::{Contract, SchemaSource};
use crate::edge::{BrokerError, LaneReader, Log};
use crate::env::{Backoff, Env, Loop, Watch};
use crate::guard::{self, Guard};
use crate::moment::Ahead;
use crate::record::Record;
use crate::store::{Fence, Grant, Renewed, Store, StoreError, Trial};
use crate::table::Shelf;
use canon::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, RwLock};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

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
    /// When a lane stops because of what it rejects.
    pub breaker: BreakerLimits,
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
            breaker: BreakerLimits::default(),
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
    /// The service's tables.
    pub(crate) shelf: Arc<Shelf>,
    /// Says whether the ledger can be relied on.
    pub(crate) guard: Arc<dyn Guard>,
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

    /// Whether there is something to do without a record and without a deadline.
    fn has_news(&self, lane: &Position) -> bool {
        let _ = lane;
        false
    }

    /// Whether a person wants something done that this lane can do.
    fn is_wished(&self, lane: &Position) -> bool {
        let _ = lane;
        false
    }

    /// Does it. No reader of the lane's is open meanwhile: it may read what was read before.
    fn do_as_wished(&mut self, lane: &mut Position) -> impl Future<Output = Result<(), Trouble>> + Send {
        let _ = lane;
        std::future::ready(Ok(()))
    }

    /// Whether its deadlines go by the time of records that are read again.
    fn keeps_time(&self) -> bool {
        false
    }

    /// Whether records may be read again that a recovered ledger had forgotten.
    fn may_reread(&self) -> impl Future<Output = Result<bool, Trouble>> + Send {
        std::future::ready(Ok(true))
    }

    /// Of records that are read again: the lane has come to the moment at which this was given.
    fn give_again(
        &mut self,
        lane: &mut Position,
        ahead: &Ahead,
    ) -> impl Future<Output = Result<(), Trouble>> + Send {
        let _ = (lane, ahead);
        std::future::ready(Ok(()))
    }

    /// How long to wait for records at most, whatever the lease and the deadlines say.
    fn patience_max(&self) -> Duration {
        Duration::MAX
    }
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
    /// The intent that this process has begun.
    pub(crate) begun_wish: Option<i64>,
    /// The trial that this process has begun: trying it again after a lost answer is no further death.
    pub(crate) begun: Option<Trial>,
    pub(crate) clock: (Timestamp, Duration),
    /// The latest row of the service's tables that the ledger told of.
    pub(crate) tables: i64,
    /// As of which row, and which stirring of this process, it was looked whether anything parked is released.
    pub(crate) looked: Option<(i64, u64)>,
    /// Everything that the topics held when they were last looked at has been read.
    pub(crate) at_end: bool,
    /// A person wants something done.
    pub(crate) wish: bool,
    /// Stopped, until a person resumes it.
    pub(crate) stopped: bool,
    pub(crate) breaker: Breaker,
    /// Until when records are read again that a recovered ledger had forgotten.
    pub(crate) reread_until: Option<Timestamp>,
    /// That is over, and the ledger is to be told.
    pub(crate) reread_over: bool,
    /// While they are: the time of the record at hand, or the clock of what is given again, which the batch's clock does not pass.
    pub(crate) at: Option<Timestamp>,
    /// While they are: what was given at moments to which the lane is to come.
    pub(crate) ahead: VecDeque<Ahead>,
    /// Of what was given before, what was not given again.
    pub(crate) awaited: BTreeSet<Uuid>,
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
            begun_wish: None,
            begun: None,
            clock: (grant.now, elapsed),
            tables: 0,
            looked: None,
            at_end: false,
            wish: false,
            stopped: grant.stopped,
            breaker: Breaker::default(),
            reread_until: grant.reread_until,
            reread_over: false,
            at: None,
            ahead: VecDeque::new(),
            awaited: BTreeSet::new(),
        }
    }

    /// A committed batch: the fence moves on.
    pub(crate) fn advance(&mut self, positions: BTreeMap<String, i64>, now: Timestamp, elapsed: Duration) {
        self.fence.seq += 1;
        self.positions.extend(positions);
        self.clock = (now, elapsed);
    }

    /// What the ledger told with a renewal.
    fn hear(&mut self, told: Renewed, elapsed: Duration) {
        (self.clock, self.next_due) = ((told.now, elapsed), told.next_due);
        (self.tables, self.wish, self.stopped) = (told.tables, told.wish, told.stopped);
    }

    /// The database's clock as far as it can be told without asking.
    fn now(&self, elapsed: Duration) -> Timestamp {
        self.clock.0 + elapsed.saturating_sub(self.clock.1)
    }

    pub(crate) fn is_due(&self, elapsed: Duration) -> bool {
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
        if matches!(trouble, Trouble::Store(_)) {
            // What was wished may be what the ledger could not do: begun again, it counts.
            lane.begun_wish = None;
        }
        let (what, error) = trouble.what();
        parts.watch.trouble(what, error);
        if matches!(trouble, Trouble::Behind(_)) {
            parts.shelf.clear();
            lane.stopped = true;
            // One that could not be stopped in the ledger asks again, and works no more than the others.
            let _ = guard::stop(&parts.store, parts.watch.as_ref(), &lane.fence).await;
        }
        match recover(parts, &mut lane, &mut backoff, &stop).await {
            Some(left) => break left,
            None => parts.watch.beat(Loop::Lane(id)),
        }
    };
    parts.watch.lane_left(id, left == Left::Lost);
    left
}

/// Works by batches until asked to stop; between them it does what a person wants.
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
    hold_still(parts, lane, stop).await?;
    if stop.is_cancelled() {
        return Ok(());
    }
    // Each time a lane is begun, not only when it is taken: a ledger restored under its owner may have the very epoch.
    parts.guard.check().await?;
    parts.watch.healed("ledger");
    while !stop.is_cancelled() {
        while worker.is_wished(lane) {
            worker.do_as_wished(lane).await?;
        }
        read_on(parts, worker, lane, backoff, stop).await?;
    }
    Ok(())
}

/// Opens the reader and takes batch after batch; returns when asked to stop, or for something.
async fn read_on<S, L, C, E, W>(
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
    let starts: Vec<(&'static str, i64)> = worker
        .inputs()
        .into_iter()
        .map(|topic| (topic, lane.positions.get(topic).copied().unwrap_or(crate::edge::BEGINNING)))
        .collect();
    let mut reader = parts.log.open(lane.fence.lane.number, &starts).await?;
    let mut forgotten = Forgotten::of(worker.inputs());
    if lane.reread_until.is_some() && worker.keeps_time() {
        while !worker.may_reread().await? {
            pause(parts, lane, stop).await?;
            if stop.is_cancelled() {
                return Ok(());
            }
        }
        let mut ahead = parts.store.ahead(lane.fence.lane).await?;
        ahead.retain(|one| !one.moment.is_behind(&lane.positions));
        lane.ahead = ahead.into();
        let awaited = lane.ahead.iter().filter(|one| one.deadline().is_some());
        lane.awaited = awaited.map(|one| one.fact).collect();
    }
    // Not put off by batches, which renew the lease too: it tells what a person wants.
    let mut told = parts.env.elapsed();
    loop {
        parts.watch.beat(Loop::Lane(lane.fence.lane));
        let max = if lane.solo_left > 0 { 1 } else { parts.limits.batch_records_max };
        let rereads = lane.reread_until.is_some() && worker.keeps_time();
        let patience = match rereads {
            // Deadlines wait until it is sure that nothing comes before them.
            true => parts.limits.lease / 3,
            false => lane.patience(parts.env.elapsed(), parts.limits.lease).min(worker.patience_max()),
        };
        let records = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            records = reader.next(max, patience) => records?,
        };
        lane.at_end = reader.is_at_end();
        let elapsed = parts.env.elapsed();
        if elapsed.saturating_sub(told) >= parts.limits.lease / 3 {
            lane.hear(parts.store.renew(&lane.fence, parts.limits.lease).await?, elapsed);
            told = elapsed;
            healthy(parts);
        }
        if !rereads && records.is_empty() && lane.at_end && !lane.is_due(elapsed) && !worker.has_news(lane) {
            // Whatever it was that processes died over, it is behind us. Else a quiet lane would never be trusted again.
            lane.solo_left = 0;
        }
        if worker.is_wished(lane) {
            // What was read is read again: nothing of it is folded yet.
            return Ok(());
        }
        parts.watch.lag(lane.fence.lane, records.first().map(|first| first.timestamp), lane.now(elapsed));
        ensure_schemas(parts.source.as_ref(), &records).await?;
        let records = match rereads {
            false => records,
            true => {
                forgotten.add(records);
                let ended = worker.inputs().into_iter().filter(|topic| reader.is_at_end_of(topic)).collect();
                reread(parts, worker, lane, (&mut forgotten, &ended), stop).await?;
                if lane.reread_until.is_some() || stop.is_cancelled() {
                    continue;
                }
                forgotten.rest()
            }
        };
        if records.is_empty() && !lane.is_due(elapsed) && !worker.has_news(lane) {
            continue;
        }
        run_all(worker, lane, records, max).await?;
        backoff.reset();
        healthy(parts);
        hold_still(parts, lane, stop).await?;
    }
}

/// Runs records in batches of so many; without any, once.
async fn run_all<W: Worker>(
    worker: &mut W,
    lane: &mut Position,
    mut records: Vec<Record>,
    max: usize,
) -> Result<(), Trouble> {
    while records.len() > max {
        let rest = records.split_off(max);
        worker.run(lane, std::mem::replace(&mut records, rest)).await?;
    }
    worker.run(lane, records).await
}

/// While a lane is stopped, keeps it and does nothing, until a person resumes it or the process stops.
async fn hold_still<S, L, C, E>(
    parts: &Parts<S, L, C, E>,
    lane: &mut Position,
    stop: &CancellationToken,
) -> Result<(), Trouble>
where
    S: Store,
    E: Env,
{
    while lane.stopped && !stop.is_cancelled() {
        parts.watch.stopped(lane.fence.lane, true);
        pause(parts, lane, stop).await?;
        if !lane.stopped {
            lane.breaker = Breaker::default();
            parts.watch.stopped(lane.fence.lane, false);
        }
    }
    Ok(())
}

/// Keeps a lane for a while in which it does nothing.
async fn pause<S, L, C, E>(
    parts: &Parts<S, L, C, E>,
    lane: &mut Position,
    stop: &CancellationToken,
) -> Result<(), Trouble>
where
    S: Store,
    E: Env,
{
    parts.watch.beat(Loop::Lane(lane.fence.lane));
    tokio::select! {
        biased;
        () = stop.cancelled() => return Ok(()),
        () = parts.env.sleep(parts.limits.lease / 3) => {}
    }
    lane.hear(parts.store.renew(&lane.fence, parts.limits.lease).await?, parts.env.elapsed());
    Ok(())
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
                let before = std::mem::replace(lane, Position::of(grant, parts.env.elapsed(), &parts.limits));
                (lane.attempts, lane.solo_left, lane.begun) =
                    (before.attempts, before.solo_left, before.begun);
                lane.begun_wish = before.begun_wish;
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
    ensure_writers(source, records.iter().filter_map(|record| record.value.as_deref())).await
}

pub(crate) async fn ensure_writers(
    source: &impl SchemaSource,
    values: impl Iterator<Item = &[u8]>,
) -> Result<(), BrokerError> {
    let ids: BTreeSet<u32> =
        values.filter_map(|value| canon::codec::split(value).ok()).map(|(id, _)| id).collect();
    let unknown: Vec<u32> = ids.into_iter().filter(|id| !source.schemas().knows(*id)).collect();
    if unknown.is_empty() { Ok(()) } else { source.ensure(&unknown).await }
}

/// The next offsets after a batch, per topic.
pub(crate) fn positions_after(records: &[Record]) -> BTreeMap<String, i64> {
    records.iter().map(|record| (record.topic.to_owned(), record.offset + 1)).collect()
}
