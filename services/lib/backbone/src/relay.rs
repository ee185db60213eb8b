//! The relay: publishes the outbox, under a fence of the broker's.
//!
//! Consumes the outbox rows of one shard; publishes them to their topics in fenced transactions; deletes them when
//! the transaction is committed. PostgreSQL cannot fence a record that already sits in a stopped process's buffers,
//! the broker can: the transactional id is there for that only. Any error or time-out destroys the producer and goes
//! back to the lease; there is no other recovery, and no second transaction after a failed one. Rows published twice
//! carry the same version, and readers drop them. With what it publishes, and now and then without, it tells the broker how
//! far the ledger's lanes have come: a ledger that went back in time is found out by it.

use crate::edge::{BrokerError, Producer, Publisher};
use crate::env::{Backoff, Env, Loop, Watch};
use crate::guard::{self, Behind, Doubt, Guard};
use crate::mutant::{self, Mutant};
use crate::record::{Marks, OutRecord};
use crate::store::{ShardFence, Store, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Bounds of a relay's work.
#[derive(Clone, Debug)]
pub struct RelayLimits {
    /// How long a shard stays ours without a sign of life; the producer's transaction time-out is not longer.
    pub lease: Duration,
    /// Rows in one transaction, at most.
    pub rows_max: usize,
    /// How long an empty outbox is left alone, unless this process rings: rows of other instances wait so long at most.
    pub idle: Duration,
    /// The longest wait between two tries.
    pub backoff_max: Duration,
}

impl Default for RelayLimits {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(10),
            rows_max: 2000,
            idle: Duration::from_millis(100),
            backoff_max: Duration::from_secs(5),
        }
    }
}

/// The name that the relays of a shard fence each other by, and that its marks are kept under.
pub fn transactional_id(service: &str, shard: i32) -> String {
    format!("vertebra.{service}.{shard}")
}

/// The parts of one relay.
pub(crate) struct Relay<S, P, E> {
    pub(crate) service: &'static str,
    pub(crate) instance: Uuid,
    pub(crate) shard: i32,
    pub(crate) store: S,
    pub(crate) publisher: Arc<P>,
    pub(crate) env: E,
    pub(crate) watch: Arc<dyn Watch>,
    pub(crate) limits: RelayLimits,
    /// Rung by this process's lanes when they put rows into the outbox.
    pub(crate) bell: Arc<Notify>,
    /// Says whether the ledger can be relied on.
    pub(crate) guard: Arc<dyn Guard>,
}

enum Trouble {
    Store(StoreError),
    Broker(BrokerError),
    Behind(Behind),
}

impl From<Doubt> for Trouble {
    fn from(doubt: Doubt) -> Self {
        match doubt {
            Doubt::Store(error) => Self::Store(error),
            Doubt::Broker(error) => Self::Broker(error),
            Doubt::Behind(behind) => Self::Behind(behind),
        }
    }
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

impl<S: Store, P: Publisher, E: Env> Relay<S, P, E> {
    /// Publishes whenever this instance holds the shard, until told to stop.
    pub(crate) async fn run(&self, stop: CancellationToken) {
        let mut backoff = Backoff::new(Duration::from_millis(50), self.limits.backoff_max);
        while !stop.is_cancelled() {
            self.watch.beat(Loop::Relay(self.shard));
            let pause = match self.hold(&stop, &mut backoff).await {
                Ok(()) => {
                    // Another one publishes: what went wrong here while the shard was ours is over.
                    self.watch.healed("relay");
                    self.limits.lease / 3
                }
                Err(Trouble::Store(StoreError::Fenced)) => self.limits.idle,
                Err(trouble) => {
                    match &trouble {
                        Trouble::Store(error) => self.watch.trouble("postgres", error),
                        Trouble::Broker(error) => self.watch.trouble("relay", error),
                        Trouble::Behind(behind) => self.watch.trouble("ledger", behind),
                    }
                    backoff.step(&self.env)
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = self.env.sleep(pause) => {}
            }
        }
    }

    /// Takes the shard if it is free, and relays until something fails. Returns `Ok` when another one holds it.
    async fn hold(&self, stop: &CancellationToken, backoff: &mut Backoff) -> Result<(), Trouble> {
        let Some(fence) = self.store.take_shard(self.shard, self.instance, self.limits.lease).await? else {
            return Ok(());
        };
        let result = self.relay(&fence, stop, backoff).await;
        // Given back at once, so that after a failure nobody, this instance included, waits for the lease to pass.
        // A newer holder is not disturbed: the epoch is another one then.
        let released = self.store.release_shard(&fence).await;
        result?;
        Ok(released?)
    }

    async fn relay(
        &self,
        fence: &ShardFence,
        stop: &CancellationToken,
        backoff: &mut Backoff,
    ) -> Result<(), Trouble> {
        let id = transactional_id(self.service, self.shard);
        let mut early = match mutant::is(Mutant::RowsBeforeFence) {
            true => Some(self.store.outbox(self.shard, self.limits.rows_max).await?),
            false => None,
        };
        let mut producer = self.publisher.fence(&id).await?;
        // The order is the fence: whoever stalled before `init_transactions` finds a newer epoch here, and has read
        // no rows yet that could be published stale.
        if early.is_none() {
            self.store.hold_shard(fence, self.limits.lease).await?;
        }
        // From here on no earlier relay leaves a mark, so what it left is all there is.
        self.guard.check().await?;
        self.watch.healed("relay");
        let (mut held, mut left) = (self.env.elapsed(), Left::default());
        // Rows become visible in another order than they are numbered: only a mutant asks by it.
        let mut cursor = 0;
        while !stop.is_cancelled() {
            self.watch.beat(Loop::Relay(self.shard));
            let rows = match early.take() {
                Some(rows) => rows,
                None => self.store.outbox(self.shard, self.limits.rows_max).await?,
            };
            let rows = mutated(rows, cursor);
            let began = self.env.elapsed();
            if rows.is_empty() {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return Ok(()),
                    () = self.bell.notified() => {}
                    () = self.env.sleep(self.limits.idle) => {}
                }
            } else {
                // Read after the rows: whatever is published now, the ledger had come so far.
                let marks = self.reached(&left).await?;
                let published = producer.publish(&rows, &marks).await;
                if published.is_err() && mutant::is(Mutant::ProducerReused) {
                    self.env.sleep(self.limits.idle).await;
                    continue;
                }
                published?;
                cursor = rows.last().map_or(cursor, |row| row.seq);
                left = Left { marks, at: began };
                let seqs: Vec<i64> = rows.iter().map(|row| row.seq).collect();
                self.store.delete_outbox(&seqs).await?;
                self.watch.relayed(*fence, rows.len(), self.env.elapsed().saturating_sub(began));
                backoff.reset();
            }
            if self.env.elapsed().saturating_sub(held) >= self.limits.lease / 3 {
                self.store.hold_shard(fence, self.limits.lease).await?;
                held = self.env.elapsed();
                let marks = self.reached(&left).await?;
                if marks != left.marks || held.saturating_sub(left.at) >= MARKS_KEPT {
                    producer.publish(&[], &marks).await?;
                    left = Left { marks, at: held };
                }
            }
        }
        Ok(())
    }

    /// How far the lanes have come. A ledger replaced under our feet, with our very epoch in it, is found out here.
    async fn reached(&self, left: &Left) -> Result<Marks, Trouble> {
        let reached = self.store.reached().await?;
        guard::compare(&reached, &left.marks).map_err(Trouble::Behind)?;
        Ok(reached)
    }
}

/// The rows as they are, but for mutants.
fn mutated(mut rows: Vec<OutRecord>, cursor: i64) -> Vec<OutRecord> {
    if mutant::is(Mutant::OutboxByCursor) {
        rows.retain(|row| row.seq > cursor);
    }
    if mutant::is(Mutant::OutboxOutOfOrder) {
        rows.reverse();
    }
    rows
}

/// The marks that were left last, and when.
#[derive(Default)]
struct Left {
    marks: Marks,
    at: Duration,
}

/// Marks are left again so often, though no lane moved: a broker forgets what is not repeated for days.
const MARKS_KEPT: Duration = Duration::from_secs(3600);
