//! What a ledger holds, and the rules of its rows: leases by the database's clock, locks, atomic commits.

use crate::emission::{CounterKey, Emitted, Origin};
use crate::journal::Entry;
use crate::moment::Moment;
use crate::mutant::{self, Mutant};
use crate::projection::Row;
use crate::record::OutRecord;
use crate::replay::Replay;
use crate::store::{
    AskNews, Changes, Decision, Effect, Fence, Fleet, Grant, Intent, LaneId, Loaded, News, Parked,
    ParkedItem, Renewed, ShardFence, StoreError, StoredState, Trial, Want,
};
use crate::table::TableRow;
use crate::wish::{Outcome, Wish};
use canon::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::time::Duration;
use uuid::Uuid;

/// What a transaction can lock.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lock {
    /// A lane's row.
    Lane(LaneId),
    /// A version counter.
    Counter(CounterKey),
}

/// What a person wants done in a lane.
#[derive(Clone, Debug)]
pub struct IntentRow {
    /// The lane.
    pub lane: LaneId,
    /// What is wanted.
    pub wish: Wish,
    /// How often it was begun.
    pub tries: i32,
    /// What came of it.
    pub outcome: Option<Outcome>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct LaneRow {
    pub(super) owner: Option<Uuid>,
    pub(super) epoch: i64,
    lease_until: Timestamp,
    pub(super) seq: i64,
    clock: Timestamp,
    pub(super) attempts: i32,
    pub(super) trial: Option<Trial>,
    pub(super) stopped: Option<String>,
    pub(super) reread_until: Option<Timestamp>,
    pub(super) positions: BTreeMap<String, i64>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct ShardRow {
    pub(super) owner: Option<Uuid>,
    pub(super) epoch: i64,
    lease_until: Timestamp,
}

#[derive(Clone, Debug)]
pub(super) struct Transaction {
    touched: Timestamp,
    ended: bool,
}

/// The rows of one service's ledger. Fields that tests compare are public.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// States by (processor, key).
    pub states: BTreeMap<(&'static str, String), StoredState>,
    /// Parked inputs with their lanes, by number: in park order.
    pub parked: BTreeMap<i64, (LaneId, Parked)>,
    /// Every row of the service's tables, in order.
    pub table_rows: Vec<TableRow>,
    /// What people want done, by number, and what came of it.
    pub intents: BTreeMap<i64, IntentRow>,
    /// Deadlines by (lane, key).
    pub deadlines: BTreeMap<(LaneId, String), Timestamp>,
    /// Journal entries by lane.
    pub journal: BTreeMap<LaneId, Vec<Entry>>,
    /// The emission ledger.
    pub emitted: BTreeMap<Uuid, Emitted>,
    /// When commands were given that a recovered ledger took over.
    pub(super) moments: BTreeMap<Uuid, Moment>,
    /// What people decided of parked records, by lane, topic and offset.
    pub decisions: BTreeMap<(LaneId, String, i64), Decision>,
    /// Report rows by (table, row).
    pub rows: BTreeMap<(&'static str, String), Row>,
    /// Effects by (processor, command).
    pub effects: BTreeMap<(&'static str, Uuid), Effect>,
    /// Version counters.
    pub counters: BTreeMap<CounterKey, i64>,
    /// Rows not yet published.
    pub outbox: BTreeMap<i64, OutRecord>,
    /// Rebuilds that people asked for, by number.
    pub replays: BTreeMap<i64, Replay>,
    /// Their ledgers.
    pub besides: BTreeMap<i64, Tables>,
    pub(super) complete: BTreeSet<(String, i32)>,
    next_parked: i64,
    /// What sources keep.
    pub sources: super::SourceTables,
    seen: BTreeSet<(&'static str, String, Uuid)>,
    pub(super) lanes: BTreeMap<LaneId, LaneRow>,
    pub(super) shards: Vec<ShardRow>,
    instances: BTreeMap<(&'static str, Uuid), Timestamp>,
    pub(super) transactions: HashMap<u64, Transaction>,
    pub(super) locks: BTreeMap<Lock, u64>,
    pub(super) next_transaction: u64,
    pub(super) late: Vec<(super::late::Late, Vec<Changes>)>,
    next_seq: i64,
}

impl Tables {
    pub(super) fn new(shards: i32) -> Self {
        let shards = (0..shards).map(|_| ShardRow::default()).collect();
        Self { shards, ..Self::default() }
    }

    /// The next offsets of a lane.
    pub fn positions(&self, lane: LaneId) -> BTreeMap<String, i64> {
        self.lanes.get(&lane).map(|row| row.positions.clone()).unwrap_or_default()
    }

    /// Whether some lane's owner is trying a record alone.
    pub fn is_any_tried_alone(&self) -> bool {
        self.lanes.values().any(|row| row.trial.is_some())
    }

    /// How often a shard was taken.
    pub fn shard_epoch(&self, shard: usize) -> i64 {
        self.shards.get(shard).map_or(0, |row| row.epoch)
    }

    pub(super) fn ensure_lane(&mut self, lane: LaneId) {
        self.lanes.entry(lane).or_default();
    }

    pub(super) fn heartbeat(
        &mut self,
        processor: &'static str,
        instance: Uuid,
        now: Timestamp,
        lease: Duration,
    ) -> Fleet {
        self.instances.insert((processor, instance), now + lease);
        let alive = self.instances.iter().filter(|((of, _), until)| *of == processor && **until > now);
        let instances = alive.map(|((_, instance), _)| *instance).collect();
        let lanes = self.lanes.iter().filter(|(lane, _)| lane.processor == processor);
        let owners = lanes.map(|(_, row)| row.owner.filter(|_| row.lease_until > now)).collect();
        Fleet { instances, owners }
    }

    pub(super) fn leave(&mut self, processor: &'static str, instance: Uuid) {
        self.instances.remove(&(processor, instance));
    }

    pub(super) fn take_lane(
        &mut self,
        lane: LaneId,
        instance: Uuid,
        now: Timestamp,
        lease: Duration,
        idle: Duration,
    ) -> Option<Grant> {
        // A row that a transaction holds is skipped, until the transaction ends or the server ends it.
        if let Some(holder) = self.locks.get(&Lock::Lane(lane)).copied()
            && !self.end_if_idle(holder, now, idle)
        {
            return None;
        }
        let row = self.lanes.get_mut(&lane)?;
        if row.owner.is_some() && row.lease_until > now {
            return None;
        }
        row.owner = Some(instance);
        row.epoch += 1;
        row.lease_until = now + lease;
        let grant = self.grant(lane, now);
        self.lanes.get_mut(&lane)?.attempts += 1;
        grant
    }

    fn grant(&self, lane: LaneId, now: Timestamp) -> Option<Grant> {
        let row = self.lanes.get(&lane)?;
        Some(Grant {
            fence: Fence { lane, epoch: row.epoch, seq: row.seq },
            positions: row.positions.clone(),
            now: now.max(row.clock),
            next_due: self.next_due(lane),
            attempts: row.attempts,
            trial: row.trial.clone(),
            stopped: row.stopped.is_some(),
            reread_until: row.reread_until,
        })
    }

    fn next_due(&self, lane: LaneId) -> Option<Timestamp> {
        self.deadlines.iter().filter(|((of, _), _)| *of == lane).map(|(_, at)| *at).min()
    }

    pub(super) fn next_due_after(
        &self,
        lane: LaneId,
        changed: &[(String, Option<Timestamp>)],
    ) -> Option<Timestamp> {
        let kept = self
            .deadlines
            .iter()
            .filter(|((of, key), _)| *of == lane && !changed.iter().any(|(changed, _)| changed == key));
        kept.map(|(_, at)| *at).chain(changed.iter().filter_map(|(_, at)| *at)).min()
    }

    pub(super) fn resume(&self, fence: &Fence, now: Timestamp) -> Option<Grant> {
        let row = self.lanes.get(&fence.lane)?;
        (row.epoch == fence.epoch && row.owner.is_some()).then(|| self.grant(fence.lane, now)).flatten()
    }

    pub(super) fn renew(
        &mut self,
        fence: &Fence,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Renewed, StoreError> {
        let row = self.lanes.get_mut(&fence.lane).ok_or(StoreError::Fenced)?;
        if (row.epoch, row.seq) != (fence.epoch, fence.seq) || row.owner.is_none() {
            return Err(StoreError::Fenced);
        }
        row.lease_until = now + lease;
        let now = now.max(row.clock);
        let stopped = row.stopped.is_some();
        let (next_due, tables) = (self.next_due(fence.lane), self.head());
        Ok(Renewed { now, next_due, tables, wish: self.wish(fence.lane).is_some(), stopped })
    }

    pub(super) fn release_lane(&mut self, fence: &Fence) {
        if let Some(row) = self.lanes.get_mut(&fence.lane).filter(|row| row.epoch == fence.epoch) {
            row.owner = None;
            row.attempts = 0;
        }
    }

    pub(super) fn begin_transaction(&mut self, now: Timestamp) -> u64 {
        self.next_transaction += 1;
        self.transactions.insert(self.next_transaction, Transaction { touched: now, ended: false });
        self.next_transaction
    }

    pub(super) fn touch(&mut self, id: u64, now: Timestamp) -> Result<(), StoreError> {
        let transaction = self.transactions.get_mut(&id).filter(|transaction| !transaction.ended);
        let ended = StoreError::Unavailable { what: "the transaction was ended while idle", source: None };
        transaction.ok_or(ended)?.touched = now;
        Ok(())
    }

    pub(super) fn try_lock(
        &mut self,
        id: u64,
        lock: &Lock,
        now: Timestamp,
        idle: Duration,
    ) -> Result<bool, StoreError> {
        self.touch(id, now)?;
        let Some(holder) = self.locks.get(lock).copied().filter(|holder| *holder != id) else {
            self.locks.insert(lock.clone(), id);
            return Ok(true);
        };
        self.end_if_idle(holder, now, idle);
        Ok(false)
    }

    /// Ends a transaction that sat idle too long, as `idle_in_transaction_session_timeout` does.
    fn end_if_idle(&mut self, holder: u64, now: Timestamp, idle: Duration) -> bool {
        let idled = self.transactions.get(&holder).is_none_or(|other| other.touched + idle <= now);
        if idled {
            if let Some(other) = self.transactions.get_mut(&holder) {
                other.ended = true;
            }
            self.locks.retain(|_, of| *of != holder);
        }
        idled
    }

    pub(super) fn check_fence(
        &self,
        fence: &Fence,
        now: Timestamp,
        due_max: usize,
    ) -> Result<(Timestamp, Vec<(Timestamp, String)>), StoreError> {
        let row = self.lanes.get(&fence.lane).ok_or(StoreError::Fenced)?;
        let is_in_sequence = row.seq == fence.seq || mutant::is(Mutant::FenceWithoutSequence);
        let holds = row.epoch == fence.epoch && is_in_sequence && row.owner.is_some();
        if !holds && !mutant::is(Mutant::EffectWithoutFence) {
            return Err(StoreError::Fenced);
        }
        let now = now.max(row.clock);
        let mine = self.deadlines.iter().filter(|((of, _), at)| *of == fence.lane && **at <= now);
        let mut due: Vec<(Timestamp, String)> = mine.map(|((_, key), at)| (*at, key.clone())).collect();
        due.sort();
        due.truncate(due_max);
        Ok((now, due))
    }

    pub(super) fn load(&self, processor: &'static str, want: &Want) -> Loaded {
        let mut loaded = Loaded::default();
        for key in &want.keys {
            if let Some(state) = self.states.get(&(processor, key.clone())) {
                loaded.states.insert(key.clone(), state.clone());
            }
            let parked = self
                .parked
                .values()
                .any(|(lane, parked)| lane.processor == processor && parked.chain.as_deref() == Some(key));
            if parked {
                loaded.parked.insert(key.clone());
            }
        }
        for (name, _) in &want.identities {
            let from = (processor, name.clone(), Uuid::nil());
            let seen = self.seen.range(from..).take_while(|(of, seen, _)| (*of, seen) == (processor, name));
            let ids: HashSet<Uuid> = seen.map(|(_, _, id)| *id).collect();
            loaded.seen.insert(name.clone(), ids);
        }
        loaded
    }

    fn wish(&self, lane: LaneId) -> Option<(i64, &IntentRow)> {
        let mut open = self.intents.iter().filter(|(_, row)| row.lane == lane && row.outcome.is_none());
        open.next().map(|(id, row)| (*id, row))
    }

    /// A person asks something of a lane; the intent's number.
    pub fn ask(&mut self, lane: LaneId, wish: Wish) -> i64 {
        let id = self.intents.last_key_value().map_or(1, |(last, _)| last + 1);
        self.intents.insert(id, IntentRow { lane, wish, tries: 0, outcome: None });
        id
    }

    pub(super) fn intent(&self, lane: LaneId) -> Option<Intent> {
        let (id, row) = self.wish(lane)?;
        let mine = self.parked.values().filter(|(of, _)| *of == lane);
        let parked = mine.filter_map(|(_, parked)| match &parked.item {
            ParkedItem::Record(record) => Some((record.topic.to_owned(), record.offset)),
            ParkedItem::Deadline { .. } => None,
        });
        Some(Intent { id, wish: Some(row.wish.clone()), tries: row.tries, parked: parked.collect() })
    }

    pub(super) fn parked_with_chains(&self, lane: LaneId, numbers: &[i64]) -> Vec<(i64, Parked)> {
        let mine = || self.parked.iter().filter(|(_, (of, _))| *of == lane);
        let wanted = mine().filter(|(number, _)| numbers.contains(number));
        let chains: BTreeSet<&str> = wanted.filter_map(|(_, (_, parked))| parked.chain.as_deref()).collect();
        let is_asked = |number: &i64, parked: &Parked| {
            numbers.contains(number) || parked.chain.as_deref().is_some_and(|chain| chains.contains(chain))
        };
        let rows = mine().filter(|(number, (_, parked))| is_asked(number, parked));
        rows.map(|(number, (_, parked))| (*number, parked.clone())).collect()
    }

    pub(super) fn decided(
        &self,
        lane: LaneId,
        topic: &str,
        offsets: &Range<i64>,
    ) -> BTreeMap<i64, Option<Vec<u8>>> {
        let mine = self
            .decisions
            .iter()
            .filter(|((of, on, offset), _)| (*of, on.as_str()) == (lane, topic) && offsets.contains(offset));
        mine.map(|((.., offset), decision)| (*offset, decision.now.clone())).collect()
    }

    pub(super) fn stated(&self, lane: LaneId, topic: &str, offsets: &Range<i64>) -> Vec<Emitted> {
        let is_mine = |origin: &Origin| {
            (origin.processor.as_str(), origin.topic.as_str(), origin.partition)
                == (lane.processor, topic, lane.number)
                && offsets.contains(&origin.offset)
        };
        let rows = self.emitted.values().filter(|row| !row.withdrawn);
        rows.filter(|row| row.origin.as_ref().is_some_and(is_mine)).cloned().collect()
    }

    pub(super) fn head(&self) -> i64 {
        self.table_rows.last().map_or(0, |row| row.seq)
    }

    pub(super) fn are_complete(&self, topics: &[(&'static str, i32)]) -> bool {
        let mut partitions =
            topics.iter().flat_map(|(topic, count)| (0..*count).map(|number| ((*topic).to_owned(), number)));
        partitions.all(|partition| self.complete.contains(&partition))
    }

    pub(super) fn news(&self, lane: LaneId, ask: &AskNews, upto: i64) -> News {
        let rows = self.table_rows.iter().filter(|row| row.seq > ask.after && row.seq <= upto).cloned();
        let mut news = News { rows: rows.collect(), ..News::default() };
        if ask.released_max == 0 {
            return news;
        }
        let mine = || self.parked.iter().filter(|(_, (of, _))| *of == lane);
        let is_over = |parked: &Parked| {
            parked.waits.as_ref().is_some_and(|waits| {
                self.table_rows.iter().any(|row| {
                    row.seq > waits.after
                        && row.seq <= ask.waiting_upto
                        && waits.rows.iter().any(|one| (&row.topic, &row.key) == (&one.topic, &one.key))
                })
            })
        };
        let mut out: BTreeMap<i64, Parked> = BTreeMap::new();
        for (number, (_, head)) in mine().filter(|(_, (_, parked))| is_over(parked)) {
            if out.len() >= ask.released_max {
                news.more = true;
                break;
            }
            let with = mine().filter(|(other, (_, parked))| {
                *other == number || (parked.chain.is_some() && parked.chain == head.chain)
            });
            out.extend(with.map(|(number, (_, parked))| (*number, parked.clone())));
        }
        news.released = out.into_iter().collect();
        news
    }

    pub(super) fn counters(&self, keys: &[CounterKey]) -> BTreeMap<CounterKey, i64> {
        keys.iter().map(|key| (key.clone(), self.counters.get(key).copied().unwrap_or(0))).collect()
    }

    pub(super) fn emitted(&self, facts: &[Uuid]) -> HashMap<Uuid, Emitted> {
        facts.iter().filter_map(|fact| self.emitted.get(fact).map(|row| (*fact, row.clone()))).collect()
    }

    pub(super) fn effects(&self, processor: &'static str, commands: &[Uuid]) -> HashMap<Uuid, Effect> {
        let find = |command: &Uuid| Some((*command, self.effects.get(&(processor, *command))?.clone()));
        commands.iter().filter_map(find).collect()
    }

    pub(super) fn draw_sequences(&mut self, outbox: &mut [OutRecord]) {
        for row in outbox {
            self.next_seq += 1;
            row.seq = self.next_seq;
        }
    }

    pub(super) fn rollback(&mut self, id: u64) {
        self.locks.retain(|_, of| *of != id);
        self.transactions.remove(&id);
    }

    pub(super) fn commit(
        &mut self,
        id: u64,
        fence: &Fence,
        (now, clock): (Timestamp, Timestamp),
        lease: Duration,
        all: Vec<Changes>,
    ) -> Result<(), StoreError> {
        self.touch(id, now)?;
        for changes in all {
            self.apply(fence, changes);
        }
        if let Some(row) = self.lanes.get_mut(&fence.lane) {
            row.seq += 1;
            row.lease_until = now + lease;
            row.clock = row.clock.max(clock);
        }
        self.rollback(id);
        Ok(())
    }

    pub(super) fn apply(&mut self, fence: &Fence, changes: Changes) {
        let lane = fence.lane;
        let of = |key: String| (lane.processor, key);
        for key in changes.states_gone {
            self.states.remove(&of(key));
        }
        self.states.extend(changes.states.into_iter().map(|(key, state)| (of(key), state)));
        for (key, at) in changes.deadlines {
            match at {
                Some(at) => self.deadlines.insert((lane, key), at),
                None => self.deadlines.remove(&(lane, key)),
            };
        }
        self.seen.extend(changes.seen.into_iter().map(|(name, id)| (lane.processor, name, id)));
        for number in changes.unparked {
            self.parked.remove(&number);
        }
        for parked in changes.parked {
            self.next_parked += 1;
            self.parked.insert(self.next_parked, (lane, parked));
        }
        for row in changes.tables {
            let mine = |other: &&TableRow| (&other.topic, &other.key) == (&row.topic, &row.key);
            let last = self.table_rows.iter().rev().find(mine).map_or(i64::MIN, |other| other.version);
            if row.version > last {
                let seq = self.head() + 1;
                self.table_rows.push(TableRow { seq, ..row });
            }
        }
        self.complete.extend(changes.tables_complete);
        if let Some((id, outcome)) = changes.ended
            && let Some(row) = self.intents.get_mut(&id)
        {
            row.outcome = Some(outcome);
        }
        if let Some(row) = changes.begun.and_then(|id| self.intents.get_mut(&id)) {
            row.tries += 1;
        }
        for decision in changes.decisions {
            let place = (lane, decision.topic.clone(), decision.offset);
            let was = self.decisions.get(&place).map_or(decision.was, |first| first.was.clone());
            self.decisions.insert(place, Decision { was, ..decision });
        }
        self.counters.extend(changes.counters);
        self.emitted.extend(changes.emitted.into_iter().map(|row| (row.fact, row)));
        self.outbox.extend(changes.outbox.into_iter().map(|row| (row.seq, row)));
        for gone in changes.rows_gone {
            self.rows.remove(&gone);
        }
        self.rows.extend(changes.rows.into_iter().map(|row| ((row.table, row.row.clone()), row)));
        let effects = changes.effects.into_iter();
        self.effects.extend(effects.map(|effect| ((lane.processor, effect.command), effect)));
        self.journal.entry(lane).or_default().extend(changes.journal);
        changes.source.into_iter().for_each(|source| self.sources.apply(lane.processor, source));
        if let Some(row) = self.lanes.get_mut(&lane) {
            row.positions.extend(changes.positions);
            row.attempts = changes.attempts;
            row.trial = changes.trial;
            row.stopped = changes.stop.or(row.stopped.take());
            row.reread_until.take_if(|_| changes.reread_over);
        }
        changes.left.into_iter().for_each(|fact| drop(self.moments.remove(&fact)));
        if changes.reread_over {
            self.moments.retain(|_, moment| !moment.is_of(lane));
        }
    }

    pub(super) fn take_shard(
        &mut self,
        shard: i32,
        instance: Uuid,
        now: Timestamp,
        lease: Duration,
    ) -> Option<ShardFence> {
        let row = self.shards.get_mut(usize::try_from(shard).ok()?)?;
        if row.owner.is_some() && row.lease_until > now {
            return None;
        }
        *row = ShardRow { owner: Some(instance), epoch: row.epoch + 1, lease_until: now + lease };
        Some(ShardFence { shard, epoch: row.epoch })
    }

    fn shard(&mut self, fence: &ShardFence) -> Option<&mut ShardRow> {
        let row = self.shards.get_mut(usize::try_from(fence.shard).ok()?)?;
        (row.epoch == fence.epoch && row.owner.is_some()).then_some(row)
    }

    pub(super) fn hold_shard(
        &mut self,
        fence: &ShardFence,
        now: Timestamp,
        lease: Duration,
    ) -> Result<(), StoreError> {
        self.shard(fence).ok_or(StoreError::Fenced)?.lease_until = now + lease;
        Ok(())
    }

    pub(super) fn release_shard(&mut self, fence: &ShardFence) {
        if let Some(row) = self.shard(fence) {
            row.owner = None;
        }
    }

    pub(super) fn outbox(&self, shard: i32, max: usize) -> Vec<OutRecord> {
        let shards = i32::try_from(self.shards.len()).unwrap_or(1);
        let mine = self.outbox.values().filter(|row| row.partition % shards == shard);
        mine.take(max).cloned().collect()
    }

    pub(super) fn delete_outbox(&mut self, seqs: &[i64]) {
        for seq in seqs {
            self.outbox.remove(seq);
        }
    }
}
