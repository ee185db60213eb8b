//! A rebuild beside the live projection: follows the lanes' journals, folds what they folded, and publishes nothing.
//!
//! Consumes the live ledger's journal and tables' rows, and the records that the journal names; writes the rebuild's ledger.
//! One process follows a lane at a time, under a lease of the rebuild's ledger; where it stopped, the next one goes on. A
//! lane that has caught up goes on following, so that it can be cut over, or back, at any time.

use crate::contract::SchemaSource;
use crate::edge::{BEGINNING, BrokerError, LaneReader, Log};
use crate::env::{Backoff, Env};
use crate::fold_lane::{FoldWorker, Given};
use crate::journal::{Entry, InForce, Place, Segment};
use crate::lane::{Parts, Position, Trouble, ensure_schemas, ensure_writers};
use crate::mend_lane::values;
use crate::program::{Ground, Program};
use crate::rebuild::forced;
use crate::record::Record;
use crate::replay::{Replay, Which};
use crate::store::{
    Changes, Decision, FOLLOWED, Grant, LaneId, MISSED, Parked, ParkedItem, Store, StoreError, Tx,
};
use crate::table::Book;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often a rebuild that has caught up looks for more.
const LOOKED_EVERY: Duration = Duration::from_millis(100);
/// Journal entries read at once.
const ENTRIES_MAX: usize = 500;

/// A rebuild as one process makes it.
pub(crate) struct Follower<'p, S, L: Log, C, E> {
    /// The service's ledger.
    live: &'p S,
    /// The rebuild's ledger and what surrounds it.
    parts: &'p Parts<S, L, C, E>,
    program: Arc<dyn Program>,
    replay: Replay,
    lanes: BTreeMap<i32, Followed<'p, S, L, C, E>>,
    book: Book,
    reels: Reels<L>,
    /// When it was looked for free lanes last.
    looked: Option<Duration>,
    /// Folded since the rate was looked at, and when that was.
    paced: (u64, Duration),
}

/// A lane that is followed.
struct Followed<'p, S, L, C, E> {
    worker: FoldWorker<'p, S, L, C, E>,
    position: Position,
    /// What is to be folded next.
    entries: VecDeque<Entry>,
    renewed: Duration,
    /// Processes died over it: nobody follows it any further.
    is_given_up: bool,
    /// Inputs about which people decided, and by which entry last, as far as the journal was looked through.
    decided: BTreeMap<Place, i64>,
    /// What was cut over to before, and is live.
    in_force: InForce,
    /// Whether it was looked through from where the lane was taken.
    is_looked_through: bool,
}

impl<S, L, C, E> Followed<'_, S, L, C, E> {
    fn followed(&self) -> i64 {
        followed(&self.position)
    }
}

/// The last entry of the live lane's journal that was followed.
fn followed(position: &Position) -> i64 {
    position.positions.get(FOLLOWED).copied().unwrap_or(0)
}

impl<'p, S, L, C, E> Follower<'p, S, L, C, E>
where
    S: Store,
    L: Log,
    C: SchemaSource,
    E: Env,
{
    /// A rebuild that goes on where it is. `logs` has one for each input: their records are read each at its own pace.
    pub(crate) fn new(
        live: &'p S,
        parts: &'p Parts<S, L, C, E>,
        program: Arc<dyn Program>,
        replay: Replay,
        logs: BTreeMap<&'static str, Arc<L>>,
    ) -> Self {
        let paced = (0, parts.env.elapsed());
        let reels = Reels { logs, open: BTreeMap::new() };
        Self {
            live,
            parts,
            program,
            replay,
            lanes: BTreeMap::new(),
            book: Book::default(),
            reels,
            looked: None,
            paced,
        }
    }

    /// Follows until told to stop, then gives its lanes back.
    pub(crate) async fn run(&mut self, lanes: i32, stop: &CancellationToken) {
        let mut backoff = Backoff::new(LOOKED_EVERY, self.parts.limits.backoff_max);
        let mut told: Option<String> = None;
        while !stop.is_cancelled() {
            let turn = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                turn = self.paced_turn(lanes) => turn,
            };
            let pause = match turn {
                Ok(pause) => {
                    backoff.reset();
                    let given_up = self.given_up();
                    self.tell(&mut told, given_up).await;
                    pause
                }
                // A lane was cut over, or is another's by now: it is taken again as it is there.
                Err(Trouble::Store(StoreError::Fenced)) => {
                    self.leave().await;
                    LOOKED_EVERY
                }
                Err(trouble) => {
                    // What was begun is begun anew, by whoever takes the lane.
                    self.leave().await;
                    self.tell(&mut told, Some(trouble.to_string())).await;
                    backoff.step(&self.parts.env)
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = self.parts.env.sleep(pause) => {}
            }
        }
        self.leave().await;
    }

    /// What to say of lanes that nobody follows any further.
    fn given_up(&self) -> Option<String> {
        let lanes = self.lanes.iter().filter(|(_, lane)| lane.is_given_up);
        let lanes: Vec<String> = lanes
            .map(|(number, lane)| format!("lane {number} behind entry {} of its journal", lane.followed()))
            .collect();
        let times = self.parts.limits.crashes_max;
        (!lanes.is_empty()).then(|| {
            format!(
                "the process died {times} times over {}: mend the fold, and rebuild anew",
                lanes.join(", ")
            )
        })
    }

    /// Gives its lanes back. Of one that was given up the next one shall know.
    pub(crate) async fn leave(&mut self) {
        self.looked = None;
        let lanes = std::mem::take(&mut self.lanes).into_values();
        for lane in lanes.filter(|lane| !lane.is_given_up) {
            // One that cannot be given back is free when its lease has passed.
            let _ = self.parts.store.release_lane(&lane.position.fence).await;
        }
        self.reels.open.clear();
    }

    /// Says once what holds it up, and once that nothing does.
    async fn tell(&self, told: &mut Option<String>, trouble: Option<String>) {
        let trouble = trouble.unwrap_or_default();
        if told.as_ref() == Some(&trouble) {
            return;
        }
        if !trouble.is_empty() {
            tracing::warn!(replay = self.replay.id, %trouble, "the rebuild is held up");
        }
        let code = format!("{} {}", self.parts.code, self.program.setup_text());
        if self.live.note_replay(self.replay.id, Some(&code), Some(&trouble)).await.is_ok() {
            *told = Some(trouble);
        }
    }

    /// A turn, unless more was folded lately than is allowed; then only the lanes are kept. How long to wait after it.
    async fn paced_turn(&mut self, lanes: i32) -> Result<Duration, Trouble> {
        let wait = self.pace();
        if !wait.is_zero() {
            for lane in self.lanes.values_mut() {
                lane.keep(self.parts).await?;
            }
            return Ok(wait.min(self.parts.limits.lease / 3));
        }
        Ok(if self.turn(lanes).await? { Duration::ZERO } else { LOOKED_EVERY })
    }

    /// Takes what lanes it can get and folds the next entry of one of them; whether there was one.
    pub(crate) async fn turn(&mut self, lanes: i32) -> Result<bool, Trouble> {
        let parts = self.parts;
        let now = parts.env.elapsed();
        let is_looked = self.looked.is_some_and(|at| now.saturating_sub(at) < parts.limits.lease / 3);
        if !is_looked && self.lanes.len() < usize::try_from(lanes).unwrap_or(0) {
            self.looked = Some(now);
            parts.store.ensure_lanes(self.program.name(), lanes).await?;
            for number in (0..lanes).filter(|number| !self.lanes.contains_key(number)).collect::<Vec<_>>() {
                let id = LaneId { processor: self.program.name(), number };
                let taken = parts.store.take_lane(id, parts.instance, parts.limits.lease).await?;
                if let Some(grant) = taken {
                    let lane = Followed::of(parts, self.program.clone(), grant);
                    self.lanes.insert(number, lane);
                }
            }
        }
        for lane in self.lanes.values_mut() {
            lane.keep(parts).await?;
            lane.read_on(self.live).await?;
        }
        // In the order of the tables, so that they need not be gone through once for each lane.
        let next = |lane: &Followed<'p, S, L, C, E>| lane.entries.front().map(|entry| entry.tables);
        let next = self.lanes.iter().filter_map(|(number, lane)| Some((next(lane)?, *number))).min();
        let Some((_, number)) = next else { return Ok(false) };
        self.follow(number).await?;
        Ok(true)
    }

    /// Folds a lane's next entry.
    async fn follow(&mut self, number: i32) -> Result<(), Trouble> {
        let next =
            self.lanes.get_mut(&number).and_then(|lane| Some((lane.in_force, lane.entries.pop_front()?)));
        let Some((in_force, entry)) = next else { return Ok(()) };
        // As it was looked up then, or as what was cut over to since and is live did; or as of now.
        self.open_book(in_force.tables(&entry).max(self.replay.tables_at.unwrap_or(0))).await?;
        let mut records = Vec::new();
        for segment in &entry.segments {
            records.extend(self.reels.read(number, segment, &self.program, &self.parts.limits).await?);
        }
        ensure_schemas(self.parts.source.as_ref(), &records).await?;
        self.paced.0 += records.len() as u64;
        let Some(lane) = self.lanes.get_mut(&number) else { return Ok(()) };
        match &entry.again {
            None => lane.fold(&self.book, &entry, &records).await?,
            Some(again) => {
                let mut topics = self.program.inputs().iter().map(|(topic, _)| *topic);
                let topic = topics.find(|topic| *topic == again.topic).unwrap_or_default();
                let records = lane.worker.read_again(&lane.position, topic, again).await?;
                let lost = || BrokerError::new(format!("{topic} could not be read to the end of a range"));
                lane.fold_again(&self.book, &entry, again.clone(), records.ok_or_else(lost)?).await?;
            }
        }
        Ok(())
    }

    /// Has the book say what the tables said at a place.
    async fn open_book(&mut self, upto: i64) -> Result<(), Trouble> {
        if self.program.lookups().is_empty() || upto == self.book.upto() {
            return Ok(());
        }
        if upto < self.book.upto() {
            self.book = Book::default();
        }
        let rows = self.live.table_rows(self.book.upto(), upto).await?;
        ensure_writers(self.parts.source.as_ref(), rows.iter().filter_map(|row| row.wire.as_deref())).await?;
        self.book.extend(&rows);
        Ok(())
    }

    /// How long to wait so that no more is folded in a second than is allowed.
    fn pace(&mut self) -> Duration {
        let Some(rate) = self.replay.records_per_second else { return Duration::ZERO };
        let (folded, since) = self.paced;
        let allowed = Duration::from_micros(folded.saturating_mul(1_000_000) / u64::from(rate.max(1)));
        let taken = self.parts.env.elapsed().saturating_sub(since);
        if taken > allowed + Duration::from_secs(1) {
            self.paced = (0, self.parts.env.elapsed());
        }
        allowed.saturating_sub(taken)
    }
}

impl<'p, S, L, C, E> Followed<'p, S, L, C, E>
where
    S: Store,
    L: Log,
    C: SchemaSource,
    E: Env,
{
    fn of(parts: &'p Parts<S, L, C, E>, program: Arc<dyn Program>, grant: Grant) -> Self {
        let renewed = parts.env.elapsed();
        Self {
            is_given_up: grant.attempts >= parts.limits.crashes_max,
            worker: FoldWorker::new(parts, program),
            position: Position::of(grant, renewed, &parts.limits),
            entries: VecDeque::new(),
            renewed,
            decided: BTreeMap::new(),
            in_force: InForce::default(),
            is_looked_through: false,
        }
    }

    /// Reads on in the live lane's journal when all that was read is folded.
    async fn read_on(&mut self, live: &S) -> Result<(), Trouble> {
        let (id, followed) = (self.position.fence.lane, self.followed());
        if !self.is_looked_through {
            let decisions = live.decisions_behind(id, followed).await?;
            self.decided.extend(decisions.iter().flat_map(decided));
            self.in_force = InForce::of(&live.cut_overs(id).await?);
            self.is_looked_through = true;
        }
        if self.entries.is_empty() && !self.is_given_up {
            self.entries = live.entries(id, followed, ENTRIES_MAX).await?.into();
            self.decided.extend(self.entries.iter().flat_map(decided));
        }
        Ok(())
    }

    async fn keep(&mut self, parts: &Parts<S, L, C, E>) -> Result<(), Trouble> {
        let now = parts.env.elapsed();
        if now.saturating_sub(self.renewed) >= parts.limits.lease / 3 {
            parts.store.renew(&self.position.fence, parts.limits.lease).await?;
            self.renewed = now;
        }
        Ok(())
    }

    /// Folds what an entry folded, under its clock and with its tables.
    async fn fold(&mut self, book: &Book, entry: &Entry, records: &[Record]) -> Result<(), Trouble> {
        let (worker, position) = (&mut self.worker, &mut self.position);
        let parts = worker.parts;
        // Not while an input of a live lane is tried alone: a process that dies then died of that.
        let _beside = parts.alone.read().await;
        let due_max = if entry.fired_to.is_some() { usize::MAX } else { 0 };
        let mut tx =
            parts.store.begin_at(&position.fence, parts.limits.lease, due_max, Some(entry.clock)).await?;
        let mut due = tx.due().to_vec();
        due.retain(|one| entry.fires(one));
        if let Some((_, key)) = &entry.fired_early
            && let Some(at) = tx.deadline(key).await?
        {
            due = vec![(at, key.clone())];
        }
        self.decided.retain(|_, last| *last > entry.seq);
        let decided: BTreeSet<Place> = self.decided.keys().cloned().collect();
        let given_up = chains(&mut tx, &Which::given_up(&entry.discarded)).await?;
        let mut parked = wanted(&mut tx, &Which::released(&entry.released)).await?;
        parked.retain(|(number, _)| !given_up.numbers.contains(number));
        let (mut unparked, mut released): (Vec<i64>, Vec<Parked>) = parked.into_iter().unzip();
        let edited = edit(&mut released, entry);
        // It was taken here before anybody decided about it.
        let missed = entry.discarded.len() - given_up.numbers.len() + entry.edited.len() - edited;
        let places = &given_up.numbers;
        unparked.extend(places);
        ensure_writers(parts.source.as_ref(), values(released.iter())).await?;
        let loaded = worker.load(&mut tx, &released, &due, records).await?;
        let given = Given {
            book,
            now: entry.clock,
            positions: None,
            tells: false,
            released: &released,
            given_up: &[],
            decided: &decided,
            heads_only: entry.has_heads_only(),
            due: &due,
            records,
            rereads: false,
            awaited: &BTreeSet::new(),
            put_off_to: entry.put_off_to,
        };
        let forced = forced(entry, &released, &due, records);
        let (folded, resolved) = worker.fold(&mut tx, position.fence.lane, &given, &loaded, forced).await?;
        let mut changes = folded.changes(worker.program.as_ref(), &worker.cache)?;
        changes.unparked = unparked;
        changes.decisions = decisions(entry);
        (changes.emitted, changes.counters) = (resolved.emitted, resolved.counters);
        if missed > 0 {
            changes.positions.insert(MISSED.to_owned(), 1);
        }
        self.commit(tx, entry, changes).await?;
        self.worker.settle(folded.slots);
        given_up.freed.iter().for_each(|chain| self.worker.cache.free(chain));
        Ok(())
    }

    /// Folds by itself what an entry folded so.
    async fn fold_again(
        &mut self,
        book: &Book,
        entry: &Entry,
        mut again: crate::again::Again,
        mut records: Vec<Record>,
    ) -> Result<(), Trouble> {
        let (worker, position) = (&self.worker, &self.position);
        let parts = worker.parts;
        let _beside = parts.alone.read().await;
        let at = Some(entry.clock);
        // Rolled back when it is dropped: it only reads.
        let mut tx = parts.store.begin_at(&position.fence, parts.limits.lease, 0, at).await?;
        worker.heed(&mut tx, &mut again, &mut records).await?;
        drop(tx);
        let ground = Ground { now: entry.clock, schemas: parts.source.schemas(), book };
        let folded = worker.refold(position, ground, &again, &records).await?;
        let mut tx = parts.store.begin_at(&position.fence, parts.limits.lease, 0, at).await?;
        let mut changes = Changes::default();
        // What this release remembers is what the entry's did not: it is folded as it came, and not again.
        if let Ok(mut folded) = folded {
            let stated = tx.stated(&again.topic, again.first..again.next).await?;
            folded.withdraw(worker.program.as_ref(), &stated);
            let (resolved, _) = worker.resolve_again(&mut tx, &mut folded).await?;
            (changes.emitted, changes.counters) = (resolved.emitted, resolved.counters);
        }
        self.commit(tx, entry, changes).await
    }

    /// Writes what an entry came to, and how far the lane has followed.
    async fn commit(&mut self, mut tx: S::Tx, entry: &Entry, mut changes: Changes) -> Result<(), Trouble> {
        changes.positions.insert(FOLLOWED.to_owned(), entry.seq);
        let positions = changes.positions.clone();
        let now = tx.now();
        tx.write(changes).await?;
        tx.commit().await?;
        let elapsed = self.worker.parts.env.elapsed();
        self.position.advance(positions, now, elapsed);
        self.renewed = elapsed;
        Ok(())
    }
}

/// The inputs about which people decided by an entry.
fn decided(entry: &Entry) -> impl Iterator<Item = (Place, i64)> {
    let seq = entry.seq;
    entry.decided().map(move |place| (place, seq))
}

/// Parked inputs that an entry gave up.
struct GivenUp {
    numbers: Vec<i64>,
    /// Chains of which nothing is left.
    freed: BTreeSet<String>,
}

async fn wanted(tx: &mut impl Tx, which: &Which) -> Result<Vec<(i64, Parked)>, StoreError> {
    if which.is_empty() { Ok(Vec::new()) } else { tx.parked_of(which).await }
}

async fn chains(tx: &mut impl Tx, which: &Which) -> Result<GivenUp, StoreError> {
    let rows = wanted(tx, which).await?;
    let numbers: Vec<i64> = rows.iter().map(|(number, _)| *number).collect();
    let chains: Vec<String> = rows.into_iter().filter_map(|(_, parked)| parked.chain).collect();
    let mut freed: BTreeSet<String> = chains.iter().cloned().collect();
    for (number, parked) in wanted(tx, &Which { chains, ..Which::default() }).await? {
        if let Some(chain) = parked.chain.filter(|_| !numbers.contains(&number)) {
            freed.remove(&chain);
        }
    }
    Ok(GivenUp { numbers, freed })
}

/// Gives records that were edited their new values; how many there were.
fn edit(released: &mut [Parked], entry: &Entry) -> usize {
    let mut found = 0;
    for edited in &entry.edited {
        for parked in &mut *released {
            if let ParkedItem::Record(record) = &mut parked.item
                && (record.topic, record.offset) == (edited.topic.as_str(), edited.offset)
            {
                record.value = Some(edited.value.clone());
                found += 1;
            }
        }
    }
    found
}

/// What people decided, as the rebuild's ledger keeps it for folding again.
fn decisions(entry: &Entry) -> Vec<Decision> {
    let edited = entry.edited.iter();
    let edited = edited.map(|one| (one.topic.clone(), one.offset, Some(one.value.clone())));
    let given_up = Which::given_up(&entry.discarded).records.into_iter();
    let all = edited.chain(given_up.map(|(topic, offset)| (topic, offset, None)));
    all.map(|(topic, offset, now)| Decision { topic, offset, was: None, now, intent: 0 }).collect()
}

/// Readers of the inputs, each where the journal was followed to.
struct Reels<L: Log> {
    logs: BTreeMap<&'static str, Arc<L>>,
    open: BTreeMap<(i32, &'static str), Reel<L::Reader>>,
}

struct Reel<R> {
    reader: R,
    /// Read and not yet wanted.
    records: VecDeque<Record>,
    /// The next offset that it can give.
    next: i64,
}

impl<L: Log> Reels<L> {
    /// The records of a run, as far as the topic still has them.
    async fn read(
        &mut self,
        lane: i32,
        segment: &Segment,
        program: &Arc<dyn Program>,
        limits: &crate::lane::Limits,
    ) -> Result<Vec<Record>, Trouble> {
        let unknown = || BrokerError::new(format!("{} is not folded by this release", segment.topic));
        let inputs = program.inputs().iter();
        let topic =
            inputs.map(|(topic, _)| *topic).find(|topic| *topic == segment.topic).ok_or_else(unknown)?;
        let log = self.logs.get(topic).ok_or_else(unknown)?;
        let at = (lane, topic);
        if self.open.get(&at).is_none_or(|reel| reel.next > segment.first) {
            // One consumer has a partition at one place only.
            self.open.remove(&at);
            let reader = log.open(lane, &[(topic, segment.first.max(BEGINNING))]).await?;
            self.open.insert(at, Reel { reader, records: VecDeque::new(), next: segment.first });
        }
        let Some(reel) = self.open.get_mut(&at) else { return Ok(Vec::new()) };
        let mut run = Vec::new();
        loop {
            while let Some(record) = reel.records.pop_front() {
                if record.offset >= segment.next {
                    reel.records.push_front(record);
                    reel.next = segment.next;
                    return Ok(run);
                }
                reel.next = record.offset + 1;
                if record.offset >= segment.first {
                    run.push(record);
                }
                if reel.next >= segment.next {
                    return Ok(run);
                }
            }
            let read = reel.reader.next(limits.batch_records_max, limits.lease / 3).await?;
            if read.is_empty() && reel.reader.is_at_end() {
                // Compacted away.
                reel.next = segment.next;
                return Ok(run);
            }
            reel.records.extend(read);
        }
    }
}
