//! The lane of a projection: records and deadlines to one batch, folded, resolved and committed with the lane's position.
//!
//! Consumes what the lane's owner has read; publishes through the outbox only. What it caches is given up after an error.

use crate::batch::{self, Batch, Cache, Folded};
use crate::compensation::compensate;
use crate::contract::{SchemaSource, Schemas};
use crate::edge::Log;
use crate::emission::{Desk, Emitted, Origin, Refusal, Resolved, Said, counter_keys, facts, resolve};
use crate::env::Env;
use crate::journal::{self, Place};
use crate::lane::{Parts, Position, Trouble, Worker, ensure_writers, positions_after};
use crate::mend_lane::values;
use crate::moment::{self, Ahead};
use crate::mutant::{self, Mutant};
use crate::parking;
use crate::program::Program;
use crate::record::Record;
use crate::reject::{Reason, Reject};
use crate::store::{
    AskNews, Changes, LaneId, Loaded, News, Parked, ParkedItem, Store, StoreError, Trial, Tx, Want,
};
use crate::table::Book;
use canon::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// How often a lane with nothing to do looks whether this process added rows to its tables.
const TABLES_LOOKED_AT: Duration = Duration::from_millis(250);

/// Deadlines in one batch at most while records are read again: each that is put off has the batch folded once more.
const REREAD_DUE_MAX: usize = 50;

/// The lane of a projection.
pub(crate) struct FoldWorker<'p, S, L, C, E> {
    pub(crate) parts: &'p Parts<S, L, C, E>,
    pub(crate) program: Arc<dyn Program>,
    pub(crate) cache: Cache,
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

    fn keeps_time(&self) -> bool {
        true
    }

    /// A table has rows that the lane's parked inputs may be waiting for.
    fn has_news(&self, lane: &Position) -> bool {
        let looked = |(upto, stirred)| upto >= lane.tables && stirred == self.parts.shelf.stirred();
        !self.program.lookups().is_empty() && !lane.looked.is_some_and(looked)
    }

    /// Not while records are read again: a wish is carried out now, and they are of then.
    fn is_wished(&self, lane: &Position) -> bool {
        lane.wish && lane.reread_until.is_none()
    }

    async fn do_as_wished(&mut self, lane: &mut Position) -> Result<(), Trouble> {
        self.do_next_wish(lane).await
    }

    fn patience_max(&self) -> Duration {
        if self.program.lookups().is_empty() { Duration::MAX } else { TABLES_LOOKED_AT }
    }

    async fn run(&mut self, lane: &mut Position, records: Vec<Record>) -> Result<(), Trouble> {
        // What is due comes before records, and while the process dies over inputs it is tried alone too.
        while lane.solo_left > 0 && !records.is_empty() && lane.is_due(self.parts.env.elapsed()) {
            let before = lane.fence.seq;
            self.batch(lane, Vec::new(), None).await?;
            if lane.fence.seq == before {
                break;
            }
        }
        self.batch(lane, records, None).await
    }

    /// What is looked up was read to its end: else it would be missing where it had been there.
    async fn may_reread(&self) -> Result<bool, Trouble> {
        let contract = &self.parts.contract;
        let lanes = |topic: &str| i32::try_from(contract.partitions(topic)).unwrap_or(1);
        let tables: Vec<_> = self.program.lookups().iter().map(|(topic, _)| (*topic, lanes(topic))).collect();
        Ok(tables.is_empty() || self.parts.store.are_complete(&tables).await?)
    }

    /// Fires the deadline that gave the command, if what it says is the very command. After that it may say it whenever it is due.
    async fn give_again(&mut self, lane: &mut Position, ahead: &Ahead) -> Result<(), Trouble> {
        if lane.awaited.contains(&ahead.fact) && !mutant::is(Mutant::MomentNotKept) {
            self.batch(lane, Vec::new(), Some(ahead)).await?;
            lane.awaited.remove(&ahead.fact);
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
    /// One batch: what is released, what is due, records; or a deadline that gives a command as it was given before.
    async fn batch(
        &mut self,
        lane: &mut Position,
        records: Vec<Record>,
        as_before: Option<&Ahead>,
    ) -> Result<(), Trouble> {
        let began = self.parts.env.elapsed();
        // Taken before any row is locked, so that nobody waits for it with a transaction open.
        let (_alone, _beside);
        if lane.solo_left > 0 {
            _alone = self.parts.alone.write().await;
        } else {
            _beside = self.parts.alone.read().await;
        }
        let limits = &self.parts.limits;
        // While records are tried alone, so is what is released: one input a batch, in batches without records.
        let heads_only = lane.solo_left > 0;
        let released_max = match (heads_only, records.is_empty()) {
            _ if as_before.is_some() => 0,
            (true, true) => 1,
            (true, false) => 0,
            (false, _) => limits.batch_records_max,
        };
        let trial = match records.first() {
            Some(record) => Some(Trial::of(record)),
            None => self.first_alone(lane, released_max, as_before).await?,
        };
        let forced = self.try_alone(lane, trial).await?;
        let stirred = self.parts.shelf.stirred();
        let due_max = match (heads_only, records.is_empty()) {
            _ if as_before.is_some() => 0,
            (true, true) => 1,
            (true, false) => 0,
            (false, _) if lane.at.is_some() => limits.due_max.min(REREAD_DUE_MAX),
            (false, _) => limits.due_max,
        };
        let mut tx = self.parts.store.begin_at(&lane.fence, limits.lease, due_max, lane.at).await?;
        let now = tx.now();
        let (book, news, upto) = self.look(lane, &mut tx, released_max).await?;
        lane.tables = lane.tables.max(upto);
        let due = match as_before {
            Some(ahead) => deadline(&mut tx, ahead).await?,
            None if heads_only && !news.released.is_empty() => Vec::new(),
            None => tx.due().to_vec(),
        };
        let looked = (released_max > 0 && !news.more && (!heads_only || news.released.is_empty()))
            .then_some((upto, stirred));
        if let (Some(ahead), []) = (as_before, due.as_slice()) {
            return self.leave(lane, tx, ahead).await;
        }
        if due.is_empty() && records.is_empty() && news.released.is_empty() {
            // The deadline was waited for by an estimate of the database's clock, and is not due yet; or nobody
            // waited for what has come to the tables.
            lane.clock = (now, self.parts.env.elapsed());
            lane.looked = looked;
            return Ok(());
        }
        let (numbers, released): (Vec<i64>, Vec<Parked>) = news.released.into_iter().unzip();
        let alone = records.first().map(Trial::of).or_else(|| first_alone(&released, &due));
        if heads_only && alone != lane.trial {
            // A row of a table came meanwhile, and with it another input comes first: it is looked again.
            return Ok(());
        }
        let loaded = self.load(&mut tx, &released, &due, &records).await?;
        let put_off_to = lane.at.and(lane.reread_until);
        let given = Given {
            book: &book,
            now,
            positions: Some(&lane.positions),
            tells: true,
            released: &released,
            given_up: &[],
            decided: &BTreeSet::new(),
            heads_only,
            due: &due,
            records: &records,
            rereads: lane.at.is_some(),
            awaited: if as_before.is_some() { &BTreeSet::new() } else { &lane.awaited },
            put_off_to,
        };
        let (folded, resolved) = self.fold(&mut tx, lane.fence.lane, &given, &loaded, forced).await?;
        let is_sound = folded.parked.is_empty() && folded.culprits.is_empty();
        if let Some(ahead) = as_before
            && !(is_sound && resolved.restated.contains(&ahead.fact))
        {
            return self.leave(lane, tx, ahead).await;
        }
        let Resolved { emitted, counters, outbox, restated } = resolved;
        let mut changes = folded.changes(self.program.as_ref(), &self.cache)?;
        changes.unparked = numbers;
        (changes.emitted, changes.counters, changes.outbox) = (emitted, counters, outbox);
        changes.positions = positions_after(&records);
        changes.reread_over = lane.reread_over;
        let setup = self.program.setup_text();
        changes.journal = Some(journal::Entry {
            seq: lane.fence.seq + 1,
            clock: now,
            fired_to: due.last().filter(|_| as_before.is_none()).cloned(),
            fired_early: due.first().filter(|_| as_before.is_some()).cloned(),
            put_off_to: put_off_to.filter(|_| folded.has_put_off()),
            tables: book.upto(),
            released: batch::releases(&released, heads_only),
            segments: journal::segments(records.iter().map(|record| (record.topic, record.offset))),
            culprits: folded.culprits.clone(),
            code: format!("{} {setup}", self.parts.code),
            ..journal::Entry::default()
        });
        let others = usize::from(!released.is_empty() || !due.is_empty());
        lane.solo_left = lane.solo_left.saturating_sub(records.len().max(others));
        changes.attempts = if lane.solo_left > 0 { limits.crashes_max } else { 0 };
        let positions = changes.positions.clone();
        let reasons: Vec<Reason> = changes.parked.iter().map(|parked| parked.reason).collect();
        let rejected = reasons.iter().filter(|reason| reason.is_the_inputs_fault()).count() as u64;
        changes.stop = lane.breaker.count(&limits.breaker, folded.tally.applied, rejected);
        let stopped = changes.stop.is_some();
        let next_due = tx.write(changes).await?;
        tx.commit().await?;
        lane.stopped = stopped;
        self.parts.bell.notify_one();
        self.settle(folded.slots);
        (lane.trial, lane.begun, lane.next_due) = (None, None, next_due);
        lane.looked = if as_before.is_some() { lane.looked } else { looked };
        lane.reread_over = false;
        for fact in &restated {
            lane.awaited.remove(fact);
        }
        let elapsed = self.parts.env.elapsed();
        lane.advance(positions, now, elapsed);
        let took = elapsed.saturating_sub(began);
        self.parts.watch.batch(lane.fence.lane, &folded.tally, took, &lane.positions);
        for reason in reasons {
            self.parts.watch.parked(lane.fence.lane, reason);
        }
        Ok(())
    }

    /// What is not given again at its moment is not tried there once more: the process may have died over it, or over what comes
    /// next, which is counted.
    async fn leave(&self, lane: &mut Position, mut tx: S::Tx, ahead: &Ahead) -> Result<(), Trouble> {
        let now = tx.now();
        let (attempts, trial) = match lane.solo_left {
            0 => (0, None),
            _ => (lane.attempts, lane.trial.clone()),
        };
        tx.write(Changes { left: Some(ahead.fact), attempts, trial, ..Changes::default() }).await?;
        tx.commit().await?;
        lane.advance(BTreeMap::new(), now, self.parts.env.elapsed());
        Ok(())
    }

    pub(crate) fn settle(&mut self, slots: BTreeMap<String, batch::Slot>) {
        self.cache.merge(slots);
        if self.cache.len() > self.parts.limits.cache_states_max {
            self.cache.clear();
        }
    }

    /// While batches crash, notes which input is tried alone; one that was tried too often is rejected instead.
    async fn try_alone(
        &self,
        lane: &mut Position,
        trial: Option<Trial>,
    ) -> Result<BTreeMap<usize, Reject>, Trouble> {
        let (true, Some(trial)) = (lane.solo_left > 0, trial) else { return Ok(BTreeMap::new()) };
        let limits = &self.parts.limits;
        if lane.begun.as_ref() == Some(&trial) {
            return Ok(BTreeMap::new());
        }
        let tries = if lane.trial.as_ref() == Some(&trial) { lane.attempts } else { limits.crashes_max };
        let tx = self.parts.store.begin_at(&lane.fence, limits.lease, 0, lane.at).await?;
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
        // It is the only input of its batch.
        Ok(BTreeMap::from([(0, Reject::new(Reason::Crash, what))]))
    }

    /// While inputs are tried alone, and none is a record: the parked one that is to be released next, or what is due, or is to
    /// give a command as it was given before.
    async fn first_alone(
        &self,
        lane: &Position,
        released_max: usize,
        as_before: Option<&Ahead>,
    ) -> Result<Option<Trial>, Trouble> {
        if lane.solo_left == 0 || (released_max == 0 && as_before.is_none()) {
            return Ok(None);
        }
        // Rolled back when it is dropped: it only reads.
        let mut tx = self.parts.store.begin_at(&lane.fence, self.parts.limits.lease, 1, lane.at).await?;
        let due = match as_before {
            Some(ahead) => deadline(&mut tx, ahead).await?,
            None => tx.due().to_vec(),
        };
        let (_, news, _) = self.look(lane, &mut tx, released_max).await?;
        let released: Vec<Parked> = news.released.into_iter().map(|(_, parked)| parked).collect();
        Ok(first_alone(&released, &due))
    }

    /// The tables as of this batch, what was waiting for what has come to them, and the place up to which that was asked:
    /// another lane may have taken the book further meanwhile.
    pub(crate) async fn look(
        &self,
        lane: &Position,
        tx: &mut S::Tx,
        released_max: usize,
    ) -> Result<(Arc<Book>, News, i64), Trouble> {
        let book = self.parts.shelf.book();
        let upto = tx.tables().max(book.upto());
        if self.program.lookups().is_empty() {
            return Ok((Arc::default(), News::default(), upto));
        }
        let is_looked = lane.looked.is_some_and(|(looked, _)| looked >= upto);
        let released_max = if is_looked { 0 } else { released_max };
        if upto == book.upto() && released_max == 0 {
            return Ok((book, News::default(), upto));
        }
        let ask = AskNews { after: book.upto(), waiting_upto: upto, released_max };
        let news = tx.news(&ask).await?;
        let wires = news.rows.iter().filter_map(|row| row.wire.as_deref());
        ensure_writers(self.parts.source.as_ref(), wires).await?;
        let released = news.released.iter().map(|(_, parked)| parked);
        ensure_writers(self.parts.source.as_ref(), values(released)).await?;
        Ok((self.parts.shelf.extend(book, &news.rows), news, upto))
    }

    pub(crate) async fn load(
        &mut self,
        tx: &mut S::Tx,
        released: &[Parked],
        due: &[(Timestamp, String)],
        records: &[Record],
    ) -> Result<Loaded, Trouble> {
        let keys =
            batch::keys(released, due, records).into_iter().filter(|key| !self.cache.has(key)).collect();
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
    pub(crate) async fn fold(
        &self,
        tx: &mut S::Tx,
        lane: LaneId,
        given: &Given<'_>,
        loaded: &Loaded,
        forced: BTreeMap<usize, Reject>,
    ) -> Result<(Folded, Resolved), Trouble> {
        let schemas: &Schemas = self.parts.source.schemas();
        let Given {
            book,
            now,
            positions,
            tells,
            released,
            given_up,
            decided,
            heads_only,
            due,
            records,
            put_off_to,
            ..
        } = *given;
        let mut forced = forced;
        let desk = Desk { source: self.parts.service, contract: &self.parts.contract, schemas, now };
        let mut telling = tells;
        loop {
            let batch =
                Batch { now, book, released, heads_only, due, records, forced: &forced, decided, put_off_to };
            let mut folded = batch::fold(self.program.as_ref(), schemas, &self.cache, &loaded.seen, &batch);
            // What a deadline made the fold say is the lane's too.
            let of_none = folded.said.iter_mut().filter(|said| said.cause.origin.is_none());
            of_none.for_each(|said| said.cause.origin = Some(Origin::of_lane(lane)));
            if telling {
                folded.said.extend(parking::notices(&desk, lane, &folded.parked));
                folded.said.extend(parking::withdrawals(&desk, lane, &folded.resolved));
                folded.said.extend(parking::withdrawals(&desk, lane, given_up));
            }
            if folded.said.is_empty() {
                return Ok((folded, Resolved::default()));
            }
            let keys = counter_keys(&folded.said);
            let counters = tx.lock_counters(&keys).await?;
            let facts: Vec<uuid::Uuid> = facts(&folded.said);
            let mut emitted = tx.emitted(&facts).await?;
            // What is withdrawn or amended may have been stated by an earlier release, under its schema, and is decoded.
            let contract = &self.parts.contract;
            let is_decoded =
                |said: &&Said| !said.draft.is_statement() || contract.is_command(said.draft.topic);
            let decoded = folded.said.iter().filter(is_decoded);
            let wires = decoded.filter_map(|said| Some(emitted.get(&said.draft.fact)?.wire.as_slice()));
            ensure_writers(self.parts.source.as_ref(), wires).await?;
            match compensate(&mut folded.said, &emitted, self.program.as_ref(), &desk) {
                Ok(facts) if facts.is_empty() => {}
                Ok(facts) => emitted.extend(tx.emitted(&facts).await?),
                Err(refusal) => {
                    forced.insert(refusal.input, refusal.reject);
                    continue;
                }
            }
            if let Some(positions) = positions {
                let commands = folded.said.iter_mut().filter(|said| contract.is_command(said.draft.topic));
                moment::note(commands, lane, now, positions, (released, due, records));
            }
            let taken_over = given.taken_over(&emitted);
            match resolve(&folded.said, &counters, emitted, &desk) {
                Ok(resolved) => {
                    let early = given.before_their_moment(&folded.said, &resolved);
                    if early.is_empty() {
                        return Ok((folded, resolved));
                    }
                    let what = "the command was given at a moment that comes further on";
                    forced.extend(early.into_iter().map(|input| (input, Reject::new(Reason::Early, what))));
                }
                Err(refusal) if given.is_early(&refusal, &taken_over) => {
                    let what = "the command was given with what comes further on";
                    forced.insert(refusal.input, Reject::new(Reason::Early, what));
                }
                // A notice that cannot be published must not keep the batch from being stored.
                Err(refusal) if refusal.input == parking::NOTICE => telling = false,
                Err(refusal) => {
                    forced.insert(refusal.input, refusal.reject);
                }
            }
        }
    }
}

/// The deadline that is to give a command, whenever it is due.
async fn deadline(tx: &mut impl Tx, ahead: &Ahead) -> Result<Vec<(Timestamp, String)>, StoreError> {
    let Some(key) = ahead.deadline() else { return Ok(Vec::new()) };
    Ok(tx.deadline(key).await?.map(|at| (at, key.to_owned())).into_iter().collect())
}

/// What is tried alone when no record is: what is released, then what is due.
fn first_alone(released: &[Parked], due: &[(Timestamp, String)]) -> Option<Trial> {
    let released = released.first().map(|parked| match &parked.item {
        ParkedItem::Record(record) => Trial::of(record),
        ParkedItem::Deadline { key, at } => Trial::deadline(key, *at),
    });
    released.or_else(|| due.first().map(|(at, key)| Trial::deadline(key, *at)))
}

/// The inputs of a batch.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    pub(crate) book: &'a Book,
    /// The batch's clock.
    pub(crate) now: Timestamp,
    /// The next offsets to read, before it; nothing where nothing of it is published.
    pub(crate) positions: Option<&'a BTreeMap<String, i64>>,
    /// Whether the world is told of what is parked.
    pub(crate) tells: bool,
    pub(crate) released: &'a [Parked],
    /// Parked records that a person gave up: nothing is folded of them.
    pub(crate) given_up: &'a [Record],
    /// Of a rebuild: inputs about which a person decided later.
    pub(crate) decided: &'a BTreeSet<Place>,
    pub(crate) heads_only: bool,
    pub(crate) due: &'a [(Timestamp, String)],
    pub(crate) records: &'a [Record],
    /// Records are read again that a recovered ledger had forgotten.
    pub(crate) rereads: bool,
    /// Commands that are given at moments to come, and not before.
    pub(crate) awaited: &'a BTreeSet<Uuid>,
    /// When a deadline fires that would have given a command before its moment, or with less in it than was given.
    pub(crate) put_off_to: Option<Timestamp>,
}

impl Given<'_> {
    /// Commands that the ledger took over and nobody has given again.
    fn taken_over(&self, emitted: &HashMap<Uuid, Emitted>) -> BTreeSet<Uuid> {
        let rows = emitted.values().filter(|row| self.rereads && row.is_taken_over());
        rows.map(|row| row.fact).collect()
    }

    /// Whether a deadline fires too early: the first time a backlog was folded at once before it did, and what it made of
    /// that is in the command that was given.
    fn is_early(&self, refusal: &Refusal, taken_over: &BTreeSet<Uuid>) -> bool {
        self.is_deadline(refusal.input)
            && self.may_put_off()
            && refusal.reject.reason == Reason::Revision
            && taken_over.contains(&refusal.fact)
            && !mutant::is(Mutant::DeadlineNotPutOff)
    }

    /// The deadlines that gave a command before the moment at which it had been given.
    fn before_their_moment(&self, said: &[Said], resolved: &Resolved) -> BTreeSet<usize> {
        if self.awaited.is_empty() || !self.may_put_off() || mutant::is(Mutant::DeadlineNotPutOff) {
            return BTreeSet::new();
        }
        let is_awaited = |said: &&Said| {
            let fact = &said.draft.fact;
            self.is_deadline(said.input) && self.awaited.contains(fact) && resolved.restated.contains(fact)
        };
        said.iter().filter(is_awaited).map(|said| said.input).collect()
    }

    /// Where it would be due again at once, by clocks that are apart, it is put off no more.
    fn may_put_off(&self) -> bool {
        self.put_off_to.is_some_and(|to| to > self.now)
    }

    fn is_deadline(&self, input: usize) -> bool {
        let before = self.released.len();
        (before..before + self.due.len()).contains(&input)
    }
}
