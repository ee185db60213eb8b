//! The lane of a sink: effect ledger first, then the world, then ledger and position in one transaction.
//!
//! Consumes one command topic; has the author's effect carried out; writes the effect ledger and parks what is
//! refused. A command whose receiver cannot take it now holds back its own key, and the lane's position, but not the
//! commands of other keys in the batch; what took effect is recorded before the wait.

use crate::batch::Tally;
use crate::contract::SchemaSource;
use crate::edge::Log;
use crate::emission::{Desk, counter_keys, facts, resolve};
use crate::env::Env;
use crate::fact::{Fact, Meta};
use crate::lane::{Parts, Position, Trouble, Worker, ensure_writers, positions_after};
use crate::mutant::{self, Mutant};
use crate::parking;
use crate::record::Record;
use crate::reject::{Reason, Reject};
use crate::sink::{Outcome, Sink, Unavailable};
use crate::store::{Changes, Effect, Ended, Fence, LaneId, Parked, ParkedItem, Store, Tx, Want};
use canon::event::Event;
use canon::time::Timestamp;
use futures::FutureExt;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::str::FromStr;
use std::sync::Arc;
use uuid::Uuid;

/// The lane of a sink.
pub(crate) struct SinkWorker<'p, K, S, L, C, E> {
    pub(crate) parts: &'p Parts<S, L, C, E>,
    pub(crate) sink: Arc<K>,
}

/// A command not yet ended.
pub(crate) struct Pending<'r, E: Event> {
    pub(crate) record: &'r Record,
    pub(crate) meta: Meta,
    pub(crate) command: Uuid,
    pub(crate) fact: Fact<E>,
}

/// What a batch has come to so far.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) effects: Vec<(Uuid, String, Ended, Option<String>)>,
    pub(crate) parked: Vec<(Option<String>, Record, Reject)>,
    blocked: HashSet<String>,
    pub(crate) stalled: Option<Unavailable>,
    pub(crate) tally: Tally,
}

impl Progress {
    pub(crate) fn park(&mut self, meta: Option<(&Meta, Uuid)>, record: &Record, reject: Reject) {
        let chain = meta.filter(|_| reject.blocks_key).map(|(meta, _)| meta.key.clone());
        self.blocked.extend(chain.clone());
        if let Some((meta, command)) = meta {
            self.effects.push((command, meta.headers.factname.clone(), Ended::Parked, None));
        }
        self.parked.push((chain, record.clone(), reject));
        self.tally.parked += 1;
    }
}

impl<K, S, L, C, E> Worker for SinkWorker<'_, K, S, L, C, E>
where
    K: Sink,
    S: Store,
    L: Log,
    C: SchemaSource,
    E: Env,
{
    fn inputs(&self) -> Vec<&'static str> {
        vec![K::Command::TOPIC]
    }

    fn forget(&mut self) {}

    fn is_wished(&self, lane: &Position) -> bool {
        lane.wish
    }

    async fn do_as_wished(&mut self, lane: &mut Position) -> Result<(), Trouble> {
        self.do_next_wish(lane).await
    }

    async fn run(&mut self, lane: &mut Position, records: Vec<Record>) -> Result<(), Trouble> {
        let began = self.parts.env.elapsed();
        let mut progress = Progress::default();
        let pending = self.plan(lane, &records, &mut progress).await?;
        if mutant::is(Mutant::OffsetBeforeEffect) {
            self.store(lane, positions_after(&records), Progress::default(), None).await?;
        }
        let fence = lane.fence;
        let left = self.carry_out(&fence, pending, &mut progress).await;
        let positions = match left.iter().map(|record| record.offset).min() {
            None => positions_after(&records),
            Some(first) => {
                // No command, so nothing would tell that it was met before when the position comes to it again.
                let comes_again = |record: &Record| record.offset >= first && Meta::of(record).is_err();
                progress.parked.retain(|(_, record, _)| !comes_again(record));
                BTreeMap::from([(K::Command::TOPIC.to_owned(), first)])
            }
        };
        let reasons: Vec<Reason> = progress.parked.iter().map(|(_, _, reject)| reject.reason).collect();
        let tally = progress.tally;
        let stalled = progress.stalled.take();
        let rejected = reasons.iter().filter(|reason| reason.is_the_inputs_fault()).count() as u64;
        let stop = lane.breaker.count(&self.parts.limits.breaker, tally.applied, rejected);
        let stopped = stop.is_some();
        self.store(lane, positions, progress, stop).await?;
        lane.stopped = stopped;
        // A sink's panics are caught, and nothing else of it is tried alone: batches again after one that went through.
        lane.solo_left = 0;
        let took = self.parts.env.elapsed().saturating_sub(began);
        self.parts.watch.batch(lane.fence.lane, &tally, took, &lane.positions);
        for reason in reasons {
            self.parts.watch.parked(lane.fence.lane, reason);
        }
        match stalled {
            Some(unavailable) => Err(Trouble::Effect(unavailable)),
            None => Ok(()),
        }
    }
}

impl<K, S, L, C, E> SinkWorker<'_, K, S, L, C, E>
where
    K: Sink,
    S: Store,
    L: Log,
    C: SchemaSource,
    E: Env,
{
    /// Holds a batch against the effect ledger: what ended before is dropped, what is behind a parked one parks.
    async fn plan<'r>(
        &self,
        lane: &Position,
        records: &'r [Record],
        progress: &mut Progress,
    ) -> Result<Vec<Pending<'r, K::Command>>, Trouble> {
        let metas: Vec<Result<Meta, Reject>> = records.iter().map(Meta::of).collect();
        let known: Vec<&Meta> = metas.iter().filter_map(|meta| meta.as_ref().ok()).collect();
        let want = Want { keys: known.iter().map(|meta| meta.key.clone()).collect(), identities: Vec::new() };
        let commands: Vec<Uuid> = known.iter().map(|meta| command_of::<K::Command>(meta)).collect();
        // Rolled back when it is dropped: it only reads, and finds out early that the lane is somebody else's.
        let mut tx = self.parts.store.begin(&lane.fence, self.parts.limits.lease, 0).await?;
        let loaded = tx.load(&want).await?;
        let ended: HashMap<Uuid, Effect> = tx.effects(&commands).await?;
        drop(tx);
        progress.blocked = loaded.parked;
        let mut met: HashSet<Uuid> = HashSet::new();
        let mut pending = Vec::new();
        for (record, meta) in records.iter().zip(metas) {
            let meta = match meta {
                Ok(meta) => meta,
                Err(reject) => {
                    progress.park(None, record, reject);
                    continue;
                }
            };
            let command = command_of::<K::Command>(&meta);
            if ended.contains_key(&command) || !met.insert(command) {
                progress.tally.duplicates += 1;
            } else if progress.blocked.contains(&meta.key) {
                progress.park(Some((&meta, command)), record, behind());
            } else {
                match self.decode(record, &meta) {
                    Ok(fact) => pending.push(Pending { record, meta, command, fact }),
                    Err(reject) => progress.park(Some((&meta, command)), record, reject),
                }
            }
        }
        Ok(pending)
    }

    pub(crate) fn decode(&self, record: &Record, meta: &Meta) -> Result<Fact<K::Command>, Reject> {
        let value = record.value.as_deref();
        let value = value.ok_or_else(|| Reject::new(Reason::Decode, "a tombstone among commands"))?;
        let body = self.parts.source.schemas().decode(value)?;
        let key = <K::Command as Event>::Key::from_str(&meta.key)
            .map_err(|_| Reject::alone(Reason::Envelope, "the key is not of the topic's key type"))?;
        let headers = meta.headers.clone();
        Ok(Fact { body, key, time: headers.time, headers, homonyms: 0 })
    }

    /// Carries commands out in waves, one of each key at a time. Returns the records of what could not be ended.
    pub(crate) async fn carry_out<'r>(
        &self,
        fence: &Fence,
        mut pending: Vec<Pending<'r, K::Command>>,
        progress: &mut Progress,
    ) -> Vec<&'r Record> {
        let mut left = Vec::new();
        let mut stalled: HashSet<String> = HashSet::new();
        while !pending.is_empty() {
            let mut met: HashSet<String> = HashSet::new();
            let mut wave = Vec::new();
            let mut later = Vec::new();
            for one in pending {
                if progress.blocked.contains(&one.meta.key) {
                    progress.park(Some((&one.meta, one.command)), one.record, behind());
                } else if stalled.contains(&one.meta.key) {
                    left.push(one.record);
                } else if met.insert(one.meta.key.clone()) {
                    wave.push(one);
                } else {
                    later.push(one);
                }
            }
            pending = later;
            if wave.is_empty() {
                continue;
            }
            let commands: Vec<Fact<K::Command>> = wave.iter().map(|one| one.fact.clone()).collect();
            let outcomes = self.effect(fence, &commands).await;
            // A sink that answers too few outcomes has not said what became of the rest: they are tried again.
            let silent = || Outcome::Retry(Unavailable { source: None });
            let outcomes = outcomes.into_iter().chain(std::iter::repeat_with(silent));
            for (one, outcome) in wave.into_iter().zip(outcomes) {
                match outcome {
                    Outcome::Applied { their_id } => {
                        let name = one.meta.headers.factname.clone();
                        progress.effects.push((one.command, name, Ended::Applied, their_id));
                        progress.tally.applied += 1;
                    }
                    Outcome::Retry(unavailable) => {
                        stalled.insert(one.meta.key.clone());
                        left.push(one.record);
                        progress.stalled.get_or_insert(unavailable);
                    }
                    Outcome::Reject(reject) => {
                        progress.park(Some((&one.meta, one.command)), one.record, reject);
                    }
                }
            }
        }
        left
    }

    /// The author's effect. One that panics over a batch is tried command by command, and the culprit is rejected.
    async fn effect(&self, fence: &Fence, commands: &[Fact<K::Command>]) -> Vec<Outcome> {
        if let Some(outcomes) = self.attempt(fence, commands).await {
            return outcomes;
        }
        let panicked =
            || Outcome::Reject(Reject::new(Reason::Panic, "the effect panicked; see the log for where"));
        let mut outcomes = Vec::new();
        for command in commands {
            let outcome = self.attempt(fence, std::slice::from_ref(command)).await;
            outcomes.push(outcome.map_or_else(panicked, |mut outcomes| {
                outcomes.pop().unwrap_or(Outcome::Retry(Unavailable { source: None }))
            }));
        }
        outcomes
    }

    /// One call of the effect, nothing if it panicked; the lane's lease is kept alive however long it takes.
    async fn attempt(&self, fence: &Fence, commands: &[Fact<K::Command>]) -> Option<Vec<Outcome>> {
        let lease = self.parts.limits.lease;
        // A sink shares nothing with the runtime that a panic could leave half done.
        let mut effect = std::pin::pin!(AssertUnwindSafe(self.sink.effect(commands)).catch_unwind());
        loop {
            tokio::select! {
                biased;
                outcomes = &mut effect => return outcomes.ok(),
                // A lane lost meanwhile shows when the outcome is stored; the effect itself is create-only.
                () = self.parts.env.sleep(lease / 3) => drop(self.parts.store.renew(fence, lease).await),
            }
        }
    }

    async fn store(
        &self,
        lane: &mut Position,
        positions: BTreeMap<String, i64>,
        progress: Progress,
        stop: Option<String>,
    ) -> Result<(), Trouble> {
        let limits = &self.parts.limits;
        let mut tx = self.parts.store.begin(&lane.fence, limits.lease, 0).await?;
        let now = tx.now();
        let effects = progress.effects.into_iter();
        let mut changes = Changes {
            effects: effects
                .map(|(command, name, ended, their_id)| Effect { command, name, ended, their_id, at: now })
                .collect(),
            parked: progress.parked.into_iter().map(|parked| parked_at(now, parked)).collect(),
            positions: positions.clone(),
            stop,
            ..Changes::default()
        };
        self.tell(&mut tx, lane.fence.lane, &mut changes, &[]).await?;
        tx.write(changes).await?;
        tx.commit().await?;
        self.parts.bell.notify_one();
        lane.advance(positions, now, self.parts.env.elapsed());
        Ok(())
    }

    /// Adds the notices of what is parked, and takes those back of what is so no longer.
    pub(crate) async fn tell(
        &self,
        tx: &mut S::Tx,
        lane: LaneId,
        changes: &mut Changes,
        resolved: &[Record],
    ) -> Result<(), Trouble> {
        let schemas = self.parts.source.schemas();
        let now = tx.now();
        let desk = Desk { source: self.parts.service, contract: &self.parts.contract, schemas, now };
        let mut said = parking::notices(&desk, lane, &changes.parked);
        said.extend(parking::withdrawals(&desk, lane, resolved));
        if said.is_empty() {
            return Ok(());
        }
        let counters = tx.lock_counters(&counter_keys(&said)).await?;
        let emitted = tx.emitted(&facts(&said)).await?;
        let taken_back = said.iter().filter(|said| !said.draft.is_statement());
        let wires = taken_back.filter_map(|said| Some(emitted.get(&said.draft.fact)?.wire.as_slice()));
        ensure_writers(self.parts.source.as_ref(), wires).await?;
        // A notice that cannot be published must not keep the batch from being stored.
        if let Ok(resolved) = resolve(&said, &counters, emitted, &desk) {
            (changes.emitted, changes.counters, changes.outbox) =
                (resolved.emitted, resolved.counters, resolved.outbox);
        }
        Ok(())
    }
}

pub(crate) fn command_of<E: Event>(meta: &Meta) -> Uuid {
    meta.headers.factname.parse::<canon::Name>().map_or(meta.headers.id, |name| name.fact_id(E::TOPIC))
}

pub(crate) fn parked_at(at: Timestamp, (chain, record, reject): (Option<String>, Record, Reject)) -> Parked {
    Parked::of(chain, ParkedItem::Record(record), reject, at)
}

fn behind() -> Reject {
    Reject::new(Reason::Behind, "an earlier command of this key is parked")
}
