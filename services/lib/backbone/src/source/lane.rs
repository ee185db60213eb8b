//! A source's owner: asks for page after page, and commits cursor, rows, facts and outbox together, under the lane's
//! epoch.
//!
//! A source is one lane, so leases, fences and drain are those of every lane. Every failure ends the same way: the page
//! is dropped, the lane and the cursor are read again, and the author is asked again from there. A source that stops
//! and asks commits nothing of its page; it asks the world again now and then, and goes on when that much is not gone
//! any more, or when a person has let it go.

mod keep;

use super::ledger::{SourceTx, Standing};
use super::page::Bounds;
use super::{Mark, Page, Source, Sourcing};
use crate::contract::{Contract, SchemaSource};
use crate::edge::BrokerError;
use crate::env::{Backoff, Env, Loop, Watch};
use crate::guard::{self, Behind, Doubt, Guard};
use crate::lane::Left;
use crate::owner::{self, Holder};
use crate::sink::Unavailable;
use crate::store::{Fence, Grant, Store, StoreError};
use futures::FutureExt;
use std::collections::BTreeMap;
use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Bounds of a source's work.
#[derive(Clone, Debug)]
pub struct SourceLimits {
    /// How long the source stays ours without a sign of life.
    pub lease: Duration,
    /// The longest wait between two tries.
    pub backoff_max: Duration,
    /// The shortest wait after a page without news.
    pub idle_min: Duration,
    /// How long a source that asks a person waits before it asks the world again.
    pub ask_again: Duration,
    /// Takes without a commit between them after which the next try waits.
    pub crashes_max: i32,
    /// How long it waits then, so that a page that kills the process does not keep it from its other work.
    pub crash_pause: Duration,
    /// How much may go without a person being asked.
    pub bounds: Bounds,
}

impl Default for SourceLimits {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(10),
            backoff_max: Duration::from_secs(30),
            idle_min: Duration::from_millis(100),
            ask_again: Duration::from_secs(60),
            crashes_max: 3,
            crash_pause: Duration::from_secs(60),
            bounds: Bounds::default(),
        }
    }
}

/// What a page came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pulled {
    /// Rows found, refused ones included.
    pub rows: usize,
    /// Rows that could not be stated.
    pub refused: usize,
    /// Rows that were gone, and all they stated withdrawn.
    pub gone: usize,
    /// Facts stated anew, corrected or withdrawn.
    pub published: usize,
    /// Whether the source stopped and asks instead: nothing was kept.
    pub held: bool,
}

/// The parts that a source works with.
pub(crate) struct Pulling<S, C, E> {
    pub(crate) service: &'static str,
    pub(crate) instance: Uuid,
    pub(crate) store: S,
    pub(crate) schemas: Arc<C>,
    pub(crate) contract: Arc<Contract>,
    pub(crate) env: E,
    pub(crate) watch: Arc<dyn Watch>,
    pub(crate) limits: SourceLimits,
    /// Rung when rows were put into the outbox.
    pub(crate) bell: Arc<Notify>,
    /// Says whether the ledger can be relied on.
    pub(crate) guard: Arc<dyn Guard>,
}

/// What interrupts a turn.
#[derive(Debug)]
pub(crate) enum Trouble {
    Store(StoreError),
    Broker(BrokerError),
    Registry(BrokerError),
    /// The ledger went back in time.
    Behind(Behind),
    Cursor(serde_json::Error),
    World(Unavailable),
    Panicked(Panicked),
}

/// The source's code panicked.
#[derive(Debug, thiserror::Error)]
#[error("the source panicked; see the log for where")]
pub(crate) struct Panicked;

/// The source died over and over.
#[derive(Debug, thiserror::Error)]
#[error("the process died {0} times without the source keeping a page: it is slowed down")]
struct Died(i32);

/// The source stopped and asks.
#[derive(Debug, thiserror::Error)]
#[error("{gone} of {known} rows of {kind} are gone: a person has to look, and to approve it if it is so")]
struct Asking {
    kind: String,
    gone: i64,
    known: i64,
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
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

impl Trouble {
    fn what(&self, source: &'static str) -> (&'static str, &(dyn Error + 'static)) {
        match self {
            Self::Store(error) => ("postgres", error),
            Self::Broker(error) => ("kafka", error),
            Self::Registry(error) => ("registry", error),
            Self::Behind(error) => ("ledger", error),
            Self::Cursor(error) => (source, error),
            Self::World(error) => (source, error),
            Self::Panicked(error) => (source, error),
        }
    }
}

/// Works a source whenever this instance holds it, until told to stop.
pub(crate) async fn share<A, S, C, E>(
    parts: &Pulling<S, C, E>,
    sourcing: &Sourcing<A>,
    stop: CancellationToken,
) where
    A: Source,
    S: Store<Tx: SourceTx>,
    C: SchemaSource,
    E: Env,
{
    let holder = Holder {
        store: &parts.store,
        env: &parts.env,
        watch: parts.watch.as_ref(),
        instance: parts.instance,
        lease: parts.limits.lease,
        backoff_max: parts.limits.backoff_max,
    };
    let work = |grant: Grant, token| async move { Post::new(parts, sourcing, &grant).work(&token).await };
    owner::share_out(&holder, A::NAME, 1, work, stop).await;
}

/// The owner of a source.
pub(crate) struct Post<'p, A, S, C, E> {
    parts: &'p Pulling<S, C, E>,
    sourcing: &'p Sourcing<A>,
    fence: Fence,
    attempts: i32,
    /// Whether the next try waits, since the process died over and over.
    is_slowed: bool,
    /// When the lease was renewed last.
    renewed: Duration,
    /// What was asked of a person, by kind, since the source was taken.
    asked: BTreeMap<String, (i64, i64)>,
}

impl<'p, A, S, C, E> Post<'p, A, S, C, E>
where
    A: Source,
    S: Store<Tx: SourceTx>,
    C: SchemaSource,
    E: Env,
{
    pub(crate) fn new(parts: &'p Pulling<S, C, E>, sourcing: &'p Sourcing<A>, grant: &Grant) -> Self {
        let is_slowed = grant.attempts >= parts.limits.crashes_max;
        let (fence, attempts, renewed) = (grant.fence, grant.attempts, parts.env.elapsed());
        Self { parts, sourcing, fence, attempts, is_slowed, renewed, asked: BTreeMap::new() }
    }

    async fn work(mut self, stop: &CancellationToken) -> Left {
        let (lane, watch) = (self.fence.lane, self.parts.watch.as_ref());
        watch.lane_taken(lane, self.fence.epoch);
        let mut backoff = Backoff::new(Duration::from_millis(50), self.parts.limits.backoff_max);
        let left = loop {
            let Err(trouble) = self.turns(&mut backoff, stop).await else {
                // One that cannot be given back is free again when its lease has passed.
                let _ = self.parts.store.release_lane(&self.fence).await;
                break Left::Drained;
            };
            if matches!(trouble, Trouble::Store(StoreError::Fenced)) {
                break Left::Lost;
            }
            let (what, error) = trouble.what(A::NAME);
            watch.trouble(what, error);
            if matches!(trouble, Trouble::Behind(_)) {
                let _ = guard::stop(&self.parts.store, watch, &self.fence).await;
            }
            match self.recover(&mut backoff, stop).await {
                Some(left) => break left,
                None => watch.beat(Loop::Lane(lane)),
            }
        };
        self.asked.keys().for_each(|kind| watch.asks(A::NAME, kind, 0, 0));
        watch.healed(A::NAME);
        watch.lane_left(lane, left == Left::Lost);
        left
    }

    /// Asks for page after page; returns when asked to stop.
    async fn turns(&mut self, backoff: &mut Backoff, stop: &CancellationToken) -> Result<(), Trouble> {
        let limits = self.parts.limits.clone();
        if std::mem::take(&mut self.is_slowed) {
            self.parts.watch.trouble(A::NAME, &Died(self.attempts));
            self.rest(limits.crash_pause, stop).await?;
        }
        self.parts.guard.check().await?;
        self.parts.watch.healed("ledger");
        self.parts.watch.stopped(self.fence.lane, false);
        let mut cursor = self.cursor().await?;
        while !stop.is_cancelled() {
            self.parts.watch.beat(Loop::Lane(self.fence.lane));
            let Some(page) = self.ask(&cursor, stop).await? else { break };
            let (next, wait) = (page.cursor.clone(), page.wait);
            let pulled = self.take(page, &cursor).await?;
            backoff.reset();
            ["kafka", "postgres", "registry"].into_iter().for_each(|what| self.parts.watch.healed(what));
            if pulled.held {
                self.rest_until_approved(stop).await?;
                continue;
            }
            self.parts.watch.healed(A::NAME);
            // A page that neither moves the cursor nor asks to wait would be asked for without end.
            let wait = if next == cursor { wait.max(limits.idle_min) } else { wait };
            cursor = next;
            self.rest(wait, stop).await?;
        }
        Ok(())
    }

    /// The cursor, as of the sequence held.
    pub(crate) async fn cursor(&self) -> Result<A::Cursor, Trouble> {
        let standing = self.standing().await?;
        match standing.cursor {
            None => Ok(A::Cursor::default()),
            Some(cursor) => serde_json::from_value(cursor).map_err(Trouble::Cursor),
        }
    }

    async fn standing(&self) -> Result<Standing, StoreError> {
        // Rolled back when it is dropped: it only reads, and finds out early that the source is somebody else's.
        let mut tx = self.parts.store.begin(&self.fence, self.parts.limits.lease, 0).await?;
        tx.standing().await
    }

    /// One call of the author's code; nothing when told to stop. The lease is kept alive however long it takes.
    pub(crate) async fn ask(
        &mut self,
        cursor: &A::Cursor,
        stop: &CancellationToken,
    ) -> Result<Option<Page<A::Cursor>>, Trouble> {
        let lease = self.parts.limits.lease;
        let next = self.sourcing.source.next(cursor, Mark(self.fence.seq));
        // A source shares nothing with the runtime that a panic could leave half done.
        let mut next = std::pin::pin!(AssertUnwindSafe(next).catch_unwind());
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(None),
                page = &mut next => return match page {
                    Ok(Ok(page)) => Ok(Some(page)),
                    Ok(Err(unavailable)) => Err(Trouble::World(unavailable)),
                    Err(_) => Err(Trouble::Panicked(Panicked)),
                },
                () = self.parts.env.sleep(lease / 3) => self.renew().await?,
            }
        }
    }

    /// Keeps the lease alive. A ledger that does not answer is found out when the page is kept.
    async fn renew(&mut self) -> Result<(), StoreError> {
        self.renewed = self.parts.env.elapsed();
        match self.parts.store.renew(&self.fence, self.parts.limits.lease).await {
            Err(StoreError::Fenced) => Err(StoreError::Fenced),
            Err(error) => {
                self.parts.watch.trouble("postgres", &error);
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    /// Waits, alive and under the lease.
    async fn rest(&mut self, how_long: Duration, stop: &CancellationToken) -> Result<(), StoreError> {
        let turn = self.parts.limits.lease / 3;
        let mut left = how_long;
        while left > Duration::ZERO && !stop.is_cancelled() {
            let step = left.min(turn);
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                () = self.parts.env.sleep(step) => {}
            }
            left -= step;
            self.parts.watch.beat(Loop::Lane(self.fence.lane));
            // Short waits add up: a source at rest commits nothing that would renew its lease.
            if self.parts.env.elapsed().saturating_sub(self.renewed) >= turn {
                self.renew().await?;
            }
        }
        Ok(())
    }

    /// Waits for a person's answer, or until the world is to be asked again.
    async fn rest_until_approved(&mut self, stop: &CancellationToken) -> Result<(), StoreError> {
        let mut left = self.parts.limits.ask_again;
        while left > Duration::ZERO && !stop.is_cancelled() {
            let step = left.min(self.parts.limits.lease / 3);
            self.rest(step, stop).await?;
            left -= step;
            let holds = self.standing().await?.holds;
            if holds.values().any(|hold| hold.approved.is_some_and(|approved| approved >= hold.gone)) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// After trouble: waits, then reads the lane again under the epoch held.
    async fn recover(&mut self, backoff: &mut Backoff, stop: &CancellationToken) -> Option<Left> {
        loop {
            let pause = backoff.step(&self.parts.env);
            tokio::select! {
                biased;
                () = stop.cancelled() => return Some(Left::Drained),
                () = self.parts.env.sleep(pause) => {}
            }
            match self.parts.store.resume(&self.fence).await {
                Ok(Some(grant)) => {
                    self.fence = grant.fence;
                    // Kept alive while it is in trouble, so that it does not wander from owner to owner.
                    if self.parts.store.renew(&self.fence, self.parts.limits.lease).await.is_ok() {
                        return None;
                    }
                }
                Ok(None) => return Some(Left::Lost),
                Err(error) => self.parts.watch.trouble("postgres", &error),
            }
        }
    }
}
