//! The ledger in memory: the same leases, locks and atomic commits as in PostgreSQL, for tests and simulation.
//!
//! What can go wrong on the way to a database (an answer that is lost, a transaction that is cut off) is decided by a
//! [`World`], so that the simulation can make it happen by seed.

mod beside;
mod late;
mod recover;
mod sources;
mod tables;

use crate::emission::{CounterKey, Emitted};
use crate::journal::Entry;
use crate::moment::Ahead;
use crate::record::{Marks, OutRecord};
use crate::recover::{Found, How, Recover, Recovered};
use crate::replay::{Difference, Replay, Side, Standing, Which};
use crate::store::{
    AskNews, Changes, Effect, Fence, Fleet, Grant, Intent, LaneId, Loaded, News, Parked, Renewed, ShardFence,
    Store, StoreError, Tx, Want,
};
use crate::table::TableRow;
pub use beside::Opened;
use canon::time::Timestamp;
pub use sources::SourceTables;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
pub use tables::{Lock, Tables};
use uuid::Uuid;

/// What surrounds the ledger: its clock, and what becomes of each call.
pub trait World: Clone + Send + Sync + 'static {
    /// The database's clock.
    fn now(&self) -> Timestamp;

    /// Called once on the way to the ledger (`back` is false) and once on the way back. An error stands for a lost
    /// request or a lost answer.
    fn cross(&self, what: &'static str, back: bool) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Waits a moment for somebody else's lock.
    fn wait(&self) -> impl Future<Output = ()> + Send;

    /// How long a COMMIT goes on in the database whose sender is told no answer; mostly it does not.
    fn lingers(&self) -> Option<Duration> {
        None
    }

    /// How long a transaction may sit idle before the database ends it, if another wants its locks.
    fn idle_in_transaction(&self) -> Duration {
        Duration::from_secs(5)
    }
}

/// A ledger of one service in memory.
#[derive(Clone)]
pub struct MemoryStore<W> {
    world: W,
    tables: Arc<Mutex<Tables>>,
    /// The rebuild whose ledger this is; nothing: the service's own.
    replay: Option<i64>,
}

impl<W: World> MemoryStore<W> {
    /// An empty ledger with a number of relay shards.
    pub fn new(world: W, shards: i32) -> Self {
        Self { world, tables: Arc::new(Mutex::new(Tables::new(shards))), replay: None }
    }

    /// Looks at, or changes, what is committed.
    pub fn tables(&self) -> Opened<'_> {
        Opened::new(self.tables.lock().unwrap_or_else(PoisonError::into_inner), self.replay)
    }

    /// Waits for a COMMIT that goes on over a lane's row, as whoever wants to lock that row does.
    async fn wait_for_late(&self, lane: LaneId) {
        while self.tables().settled(self.world.now()).is_late(lane) {
            self.world.wait().await;
        }
    }

    /// One call to the ledger and back.
    async fn call<T>(
        &self,
        what: &'static str,
        body: impl FnOnce(&mut Tables, Timestamp) -> Result<T, StoreError> + Send,
    ) -> Result<T, StoreError>
    where
        T: Send,
    {
        self.world.cross(what, false).await?;
        let now = self.world.now();
        let result = body(self.tables().settled(now), now);
        self.world.cross(what, true).await?;
        result
    }
}

impl<W: World> Store for MemoryStore<W> {
    type Tx = MemoryTx<W>;

    async fn ensure_lanes(&self, processor: &'static str, lanes: i32) -> Result<(), StoreError> {
        self.call("ensure lanes", |tables, _| {
            (0..lanes).for_each(|number| tables.ensure_lane(LaneId { processor, number }));
            Ok(())
        })
        .await
    }

    async fn heartbeat(
        &self,
        processor: &'static str,
        instance: Uuid,
        lease: Duration,
    ) -> Result<Fleet, StoreError> {
        self.call("heartbeat", |tables, now| Ok(tables.heartbeat(processor, instance, now, lease))).await
    }

    async fn leave(&self, processor: &'static str, instance: Uuid) -> Result<(), StoreError> {
        self.call("leave", |tables, _| {
            tables.leave(processor, instance);
            Ok(())
        })
        .await
    }

    async fn take_lane(
        &self,
        lane: LaneId,
        instance: Uuid,
        lease: Duration,
    ) -> Result<Option<Grant>, StoreError> {
        let idle = self.world.idle_in_transaction();
        self.call("take lane", |tables, now| Ok(tables.take_lane(lane, instance, now, lease, idle))).await
    }

    async fn resume(&self, fence: &Fence) -> Result<Option<Grant>, StoreError> {
        self.wait_for_late(fence.lane).await;
        self.call("resume", |tables, now| Ok(tables.resume(fence, now))).await
    }

    async fn renew(&self, fence: &Fence, lease: Duration) -> Result<Renewed, StoreError> {
        self.wait_for_late(fence.lane).await;
        self.call("renew", |tables, now| tables.renew(fence, now, lease)).await
    }

    async fn are_complete(&self, topics: &[(&'static str, i32)]) -> Result<bool, StoreError> {
        self.call("are complete", |tables, _| Ok(tables.are_complete(topics))).await
    }

    async fn ahead(&self, lane: LaneId) -> Result<Vec<Ahead>, StoreError> {
        self.call("ahead", |tables, _| Ok(tables.ahead(lane))).await
    }

    async fn release_lane(&self, fence: &Fence) -> Result<(), StoreError> {
        self.call("release lane", |tables, _| {
            tables.release_lane(fence);
            Ok(())
        })
        .await
    }

    async fn begin_at(
        &self,
        fence: &Fence,
        lease: Duration,
        due_max: usize,
        at: Option<Timestamp>,
    ) -> Result<Self::Tx, StoreError> {
        self.world.cross("begin", false).await?;
        let id = self.tables().begin_transaction(self.world.now());
        let mut tx = MemoryTx {
            store: self.clone(),
            id,
            fence: *fence,
            lease,
            now: Timestamp(0),
            due: Vec::new(),
            tables: 0,
            changes: Vec::new(),
            along: None,
            side: Side::Live,
            open: true,
        };
        tx.lock(Lock::Lane(fence.lane)).await?;
        let now = self.world.now();
        let clock = at.map_or(now, |at| now.min(at));
        let (now, due) = self.tables().check_fence(fence, clock, due_max)?;
        (tx.now, tx.due, tx.tables) = (now, due, self.tables().head());
        self.world.cross("begin", true).await?;
        Ok(tx)
    }

    async fn reached(&self) -> Result<Marks, StoreError> {
        self.call("reached", |tables, _| Ok(tables.reached())).await
    }

    async fn stop_lane(&self, fence: &Fence, why: &'static str) -> Result<(), StoreError> {
        self.call("stop lane", |tables, _| tables.stop_lane(fence, why)).await
    }

    async fn take_shard(
        &self,
        shard: i32,
        instance: Uuid,
        lease: Duration,
    ) -> Result<Option<ShardFence>, StoreError> {
        self.call("take shard", |tables, now| Ok(tables.take_shard(shard, instance, now, lease))).await
    }

    async fn hold_shard(&self, fence: &ShardFence, lease: Duration) -> Result<(), StoreError> {
        self.call("hold shard", |tables, now| tables.hold_shard(fence, now, lease)).await
    }

    async fn release_shard(&self, fence: &ShardFence) -> Result<(), StoreError> {
        self.call("release shard", |tables, _| {
            tables.release_shard(fence);
            Ok(())
        })
        .await
    }

    async fn outbox(&self, shard: i32, max: usize) -> Result<Vec<OutRecord>, StoreError> {
        self.call("outbox", |tables, _| Ok(tables.outbox(shard, max))).await
    }

    async fn delete_outbox(&self, seqs: &[i64]) -> Result<(), StoreError> {
        self.call("delete outbox", |tables, _| {
            tables.delete_outbox(seqs);
            Ok(())
        })
        .await
    }

    async fn replays(&self) -> Result<Vec<Replay>, StoreError> {
        self.call("replays", |tables, _| Ok(tables.replays.values().cloned().collect())).await
    }

    async fn beside(&self, replay: i64) -> Result<Self, StoreError> {
        self.call("beside", |tables, _| {
            tables.besides.entry(replay).or_default();
            Ok(())
        })
        .await?;
        Ok(Self { replay: Some(replay), ..self.clone() })
    }

    async fn throw_away(&self, replay: i64) -> Result<(), StoreError> {
        self.call("throw away", |tables, _| {
            tables.besides.remove(&replay);
            tables.replays.remove(&replay);
            Ok(())
        })
        .await
    }

    async fn note_replay(
        &self,
        _replay: i64,
        _code: Option<&str>,
        _trouble: Option<&str>,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    async fn entries(&self, lane: LaneId, behind: i64, max: usize) -> Result<Vec<Entry>, StoreError> {
        self.call("entries", |tables, _| Ok(tables.journal_behind(lane, behind, max))).await
    }

    async fn decisions_behind(&self, lane: LaneId, behind: i64) -> Result<Vec<Entry>, StoreError> {
        self.call("decisions behind", |tables, _| {
            let entries = tables.journal_behind(lane, behind, usize::MAX);
            Ok(entries.into_iter().filter(|entry| entry.decided().next().is_some()).collect())
        })
        .await
    }

    async fn cut_overs(&self, lane: LaneId) -> Result<Vec<Entry>, StoreError> {
        self.call("cutovers", |tables, _| {
            let entries = tables.journal_behind(lane, 0, usize::MAX);
            Ok(entries.into_iter().filter(|entry| entry.cut_over.is_some()).collect())
        })
        .await
    }

    async fn table_rows(&self, behind: i64, upto: i64) -> Result<Vec<TableRow>, StoreError> {
        self.call("table rows", |tables, _| {
            let rows = tables.table_rows.iter().filter(|row| row.seq > behind && row.seq <= upto);
            Ok(rows.cloned().collect())
        })
        .await
    }
}

impl<W: World> Recover for MemoryStore<W> {
    async fn recover(&self, found: &Found, published: &Marks, how: How<'_>) -> Result<Recovered, StoreError> {
        let dry = matches!(how, How::DryRun);
        self.call("recover", |tables, now| Ok(tables.recover(found, published, now, dry))).await
    }
}

/// A transaction on a [`MemoryStore`]: reads see what is committed, locks are held to its end.
pub struct MemoryTx<W: World> {
    store: MemoryStore<W>,
    id: u64,
    fence: Fence,
    lease: Duration,
    now: Timestamp,
    due: Vec<(Timestamp, String)>,
    tables: i64,
    changes: Vec<(Side, Changes)>,
    /// A rebuild's ledger, and the transaction that holds its lane.
    along: Option<(MemoryStore<W>, u64)>,
    side: Side,
    open: bool,
}

impl<W: World> MemoryTx<W> {
    /// Waits for a lock. A holder that sat idle too long is ended by the database, as PostgreSQL does.
    async fn lock(&self, lock: Lock) -> Result<(), StoreError> {
        self.lock_of(self.there(), self.id, lock).await
    }

    async fn lock_of(&self, store: &MemoryStore<W>, id: u64, lock: Lock) -> Result<(), StoreError> {
        let idle = store.world.idle_in_transaction();
        loop {
            let now = store.world.now();
            if store.tables().settled(now).try_lock(id, &lock, now, idle)? {
                return Ok(());
            }
            store.world.wait().await;
        }
    }

    async fn statement<T: Send>(
        &self,
        what: &'static str,
        body: impl FnOnce(&mut Tables) -> T + Send,
    ) -> Result<T, StoreError> {
        self.store.world.cross(what, false).await?;
        self.store.tables().touch(self.id, self.store.world.now())?;
        let answer = body(&mut self.there().tables());
        self.store.world.cross(what, true).await?;
        Ok(answer)
    }

    /// The ledger that calls are about.
    fn there(&self) -> &MemoryStore<W> {
        match (&self.along, self.side) {
            (Some((beside, _)), Side::Beside) => beside,
            _ => &self.store,
        }
    }
}

impl<W: World> Tx for MemoryTx<W> {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn due(&self) -> &[(Timestamp, String)] {
        &self.due
    }

    fn tables(&self) -> i64 {
        self.tables
    }

    async fn intent(&mut self) -> Result<Option<Intent>, StoreError> {
        let lane = self.fence.lane;
        self.statement("intent", |tables| tables.intent(lane)).await
    }

    async fn stated(&mut self, topic: &str, offsets: Range<i64>) -> Result<Vec<Emitted>, StoreError> {
        let lane = self.fence.lane;
        self.statement("stated", |tables| tables.stated(lane, topic, &offsets)).await
    }

    async fn parked(&mut self, numbers: &[i64]) -> Result<Vec<(i64, Parked)>, StoreError> {
        let lane = self.fence.lane;
        self.statement("parked", |tables| tables.parked_with_chains(lane, numbers)).await
    }

    async fn decisions(
        &mut self,
        topic: &str,
        offsets: Range<i64>,
    ) -> Result<BTreeMap<i64, Option<Vec<u8>>>, StoreError> {
        let lane = self.fence.lane;
        self.statement("decisions", |tables| tables.decided(lane, topic, &offsets)).await
    }

    async fn news(&mut self, ask: &AskNews) -> Result<News, StoreError> {
        let (lane, upto) = (self.fence.lane, self.tables);
        self.statement("news", |tables| tables.news(lane, ask, upto)).await
    }

    async fn load(&mut self, want: &Want) -> Result<Loaded, StoreError> {
        let processor = self.fence.lane.processor;
        self.statement("load", |tables| tables.load(processor, want)).await
    }

    async fn lock_counters(&mut self, keys: &[CounterKey]) -> Result<BTreeMap<CounterKey, i64>, StoreError> {
        self.store.world.cross("lock counters", false).await?;
        self.store.tables().touch(self.id, self.store.world.now())?;
        for key in keys {
            self.lock(Lock::Counter(key.clone())).await?;
        }
        let counters = self.there().tables().counters(keys);
        self.store.world.cross("lock counters", true).await?;
        Ok(counters)
    }

    async fn emitted(&mut self, facts: &[Uuid]) -> Result<HashMap<Uuid, Emitted>, StoreError> {
        self.statement("emitted", |tables| tables.emitted(facts)).await
    }

    async fn effects(&mut self, commands: &[Uuid]) -> Result<HashMap<Uuid, Effect>, StoreError> {
        let processor = self.fence.lane.processor;
        self.statement("effects", |tables| tables.effects(processor, commands)).await
    }

    async fn write(&mut self, mut changes: Changes) -> Result<Option<Timestamp>, StoreError> {
        let lane = self.fence.lane;
        let (changes, next) = self
            .statement("write", move |tables| {
                tables.draw_sequences(&mut changes.outbox);
                let next = tables.next_due_after(lane, &changes.deadlines);
                (changes, next)
            })
            .await?;
        self.changes.push((self.side, changes));
        Ok(next)
    }

    async fn parked_of(&mut self, which: &Which) -> Result<Vec<(i64, Parked)>, StoreError> {
        let lane = self.fence.lane;
        self.statement("parked of", |tables| tables.parked_of(lane, which)).await
    }

    async fn take_along(&mut self, replay: i64) -> Result<Option<Standing>, StoreError> {
        self.take_lane_along(replay).await
    }

    async fn turn(&mut self, side: Side) -> Result<(), StoreError> {
        self.side = side;
        Ok(())
    }

    async fn keys(&mut self, behind: &str, max: usize) -> Result<Vec<String>, StoreError> {
        let processor = self.fence.lane.processor;
        self.statement("keys", |tables| tables.keys(processor, behind, max)).await
    }

    async fn deadline(&mut self, key: &str) -> Result<Option<Timestamp>, StoreError> {
        let at = (self.fence.lane, key.to_owned());
        self.statement("deadline", |tables| tables.deadlines.get(&at).copied()).await
    }

    async fn deadlines(&mut self) -> Result<BTreeMap<String, Timestamp>, StoreError> {
        let lane = self.fence.lane;
        self.statement("deadlines", |tables| tables.deadlines_of(lane)).await
    }

    async fn differing(&mut self) -> Result<Vec<Difference>, StoreError> {
        let lane = self.fence.lane;
        let beside = self.along.as_ref().map(|(beside, _)| beside.tables().emitted.clone());
        let beside = beside.unwrap_or_default();
        self.statement("differing", |tables| beside::differing(lane, &tables.emitted, &beside)).await
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        // A request lost on the way leaves the transaction to be rolled back, and its sender in the dark.
        let unknown = |_| StoreError::CommitUnknown;
        self.store.world.cross("commit", false).await.map_err(unknown)?;
        let now = self.store.world.now();
        let changes = std::mem::take(&mut self.changes);
        let (mine, others): (Vec<_>, Vec<_>) = changes.into_iter().partition(|(side, _)| *side == Side::Live);
        let only = |all: Vec<(Side, Changes)>| all.into_iter().map(|(_, changes)| changes).collect();
        if let (Some(time), None) = (self.store.world.lingers(), &self.along) {
            let (id, fence, clock, lease) = (self.id, self.fence, self.now, self.lease);
            let late = late::Late { at: now + time, sent: now, id, fence, clock, lease };
            self.store.tables().linger(late, only(mine));
            self.open = false;
            return Err(StoreError::CommitUnknown);
        }
        self.store.tables().commit(self.id, &self.fence, (now, self.now), self.lease, only(mine))?;
        self.let_go(only(others));
        self.open = false;
        self.store.world.cross("commit", true).await.map_err(unknown)
    }
}

impl<W: World> Drop for MemoryTx<W> {
    fn drop(&mut self) {
        if self.open {
            self.store.tables().rollback(self.id);
            if let Some((beside, id)) = &self.along {
                beside.tables().rollback(*id);
            }
        }
    }
}
