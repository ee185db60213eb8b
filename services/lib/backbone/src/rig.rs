//! A rig for authors: the live core over a ledger in memory, so that a fold is tested without broker or database.
//!
//! Every verb drives the same code that runs in production: a batch, its transaction, emission by name, parking,
//! deadlines, the journal. After every verb the books are checked (each input applied, parked or a duplicate), and
//! a rebuild along the journal must equal the live state.

#[cfg(test)]
mod replays;
mod source;
#[cfg(test)]
mod tests;

pub use source::SourceRig;

use crate::contract::{Contract, SchemaSource, Schemas, TopicPolicy};
use crate::edge::{BrokerError, LaneReader, Log};
use crate::env::{Env, Unwatched};
use crate::fold_lane::FoldWorker;
use crate::follow::Follower;
use crate::guard::Unguarded;
use crate::lane::{Limits, Parts, Position, Trouble, Worker};
use crate::memory::{MemoryStore, World};
use crate::program::{Folding, Program};
use crate::projection::Projection;
use crate::rebuild::{Ground, Rebuilt, is_come_to, rebuild};
use crate::record::{OutRecord, Record};
use crate::reject::Reason;
use crate::replay::Replay;
use crate::store::{LaneId, Parked, Store, StoreError};
use crate::table::TableRow;
use crate::wish::{Chosen, CutOver, Outcome, Wish};
use canon::catalog::Catalog;
use canon::event::{Event, Name, event_id};
use canon::headers::Headers;
use canon::time::Timestamp;
use futures::executor::block_on;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// One projection on the live core over a ledger in memory, in one lane.
pub struct Rig<P: Projection> {
    program: Arc<Folding<P>>,
    parts: Parts<MemoryStore<Still>, Shelved, Known, Still>,
    world: Still,
    position: Position,
    history: Vec<Record>,
    versions: BTreeMap<(&'static str, String), i64>,
    published: Vec<OutRecord>,
    /// Whether the fold that is declared is the one that all of the live state came of.
    is_of_one_fold: bool,
}

impl<P: Projection> Rig<P> {
    /// A rig at 2026-01-01T00:00:00Z with nothing in it.
    ///
    /// # Panics
    /// When the declaration does not stand: the rig is for tests.
    #[track_caller]
    pub fn new(folding: Folding<P>) -> Self {
        let topics = folding.inputs().iter().chain(folding.outputs()).chain(folding.lookups());
        let contract = one_partition_each(topics);
        Self::under(folding, contract)
    }

    #[track_caller]
    fn under(folding: Folding<P>, contract: Contract) -> Self {
        let world = Still(Arc::new(AtomicI64::new(1_767_225_600_000_000)));
        let store = MemoryStore::new(world.clone(), 1);
        let all: Vec<(&'static str, &'static str)> =
            folding.inputs().iter().chain(folding.outputs()).chain(folding.lookups()).copied().collect();
        let parts = Parts {
            service: "rig",
            instance: Uuid::nil(),
            store: store.clone(),
            log: Arc::new(Shelved(Vec::new())),
            source: Arc::new(Known(Arc::new(Schemas::with(&all)))),
            contract: Arc::new(contract),
            env: world.clone(),
            watch: Arc::new(Unwatched),
            limits: Limits::default(),
            code: "rig".to_owned(),
            alone: Arc::default(),
            bell: Arc::default(),
            shelf: Arc::default(),
            guard: Arc::new(Unguarded),
        };
        let lane = LaneId { processor: P::NAME, number: 0 };
        let grant = block_on(async {
            store.ensure_lanes(P::NAME, 1).await?;
            store.take_lane(lane, parts.instance, parts.limits.lease).await
        });
        let grant = grant.ok().flatten().expect("a new ledger's lane is free");
        let position = Position::of(grant, parts.env.elapsed(), &parts.limits);
        let (history, versions, published) = (Vec::new(), BTreeMap::new(), Vec::new());
        let program = Arc::new(folding);
        Self { program, parts, world, position, history, versions, published, is_of_one_fold: true }
    }

    /// A further release, whose fold says otherwise: from now on it folds, what was folded stays.
    pub fn becomes(&mut self, folding: Folding<P>) {
        self.program = Arc::new(folding);
        self.is_of_one_fold = false;
    }

    /// A person has everything rebuilt beside the live state, with the tables as they were then; the rebuild's number.
    #[track_caller]
    pub fn replays(&mut self) -> i64 {
        self.rebuilds(None)
    }

    /// The same, with the tables as they are now.
    #[track_caller]
    pub fn replays_with_the_tables_of_now(&mut self) -> i64 {
        let now = self.parts.store.tables().table_rows.last().map_or(0, |row| row.seq);
        self.rebuilds(Some(now))
    }

    #[track_caller]
    fn rebuilds(&mut self, tables_at: Option<i64>) -> i64 {
        let mut tables = self.parts.store.tables();
        let id = tables.replays.last_key_value().map_or(1, |(last, _)| last + 1);
        let processor = P::NAME.to_owned();
        let replay = Replay { id, processor, tables_at, records_per_second: None, is_retired: false };
        tables.replays.insert(id, replay);
        drop(tables);
        self.follows(id);
        id
    }

    /// A rebuild follows to where the live state is.
    #[track_caller]
    pub fn follows(&mut self, replay: i64) {
        let asked =
            self.parts.store.tables().replays.get(&replay).cloned().expect("the rebuild was asked for");
        let (live, log) = (&self.parts.store, Arc::new(Shelved(self.history.clone())));
        let logs = self.program.inputs().iter().map(|(topic, _)| (*topic, log.clone())).collect();
        let followed = block_on(async {
            let parts = Parts {
                store: live.beside(replay).await?,
                log,
                alone: Arc::default(),
                bell: Arc::default(),
                shelf: Arc::default(),
                watch: Arc::new(Unwatched),
                source: self.parts.source.clone(),
                contract: self.parts.contract.clone(),
                env: self.parts.env.clone(),
                limits: self.parts.limits.clone(),
                code: self.parts.code.clone(),
                guard: self.parts.guard.clone(),
                ..self.parts
            };
            let mut follower = Follower::new(live, &parts, self.program.clone(), asked, logs);
            while follower.turn(1).await? {}
            follower.leave().await;
            Ok::<(), Trouble>(())
        });
        followed.unwrap_or_else(|trouble| panic!("the journal could not be followed: {trouble:?}"));
    }

    /// A person puts a rebuild's state in the place of the live one, or what was live back.
    #[track_caller]
    pub fn cuts_over(&mut self, replay: i64, back: bool, dry_run: bool) -> Outcome {
        self.follows(replay);
        if !dry_run {
            self.is_of_one_fold = !back;
        }
        self.does(Wish::CutOver(CutOver { replay, back, dry_run }))
    }

    /// The fold sees one fact, stated under a name now.
    #[track_caller]
    pub fn sees<E: Event<Key = P::Key>>(&mut self, name: Name, key: &E::Key, event: E) {
        let version = self.versions.entry((E::TOPIC, key.to_string())).or_insert(0);
        *version += 1;
        let version = Some(*version);
        let id = event_id(name.fact_id(E::TOPIC), u32::try_from(self.history.len()).unwrap_or(0));
        self.sees_with(key, &event, |headers| {
            (headers.version, headers.factname, headers.id) = (version, name.to_string(), id);
        });
    }

    /// The fold sees one fact of a topic without versions (`raw.*`), known by its name and id.
    #[track_caller]
    pub fn sees_raw<E: Event<Key = P::Key>>(&mut self, name: Name, id: Uuid, key: &E::Key, event: E) {
        self.sees_with(key, &event, |headers| {
            (headers.version, headers.factname, headers.id) = (None, name.to_string(), id);
        });
    }

    /// A table has a row, from now on: what waited for it is folded.
    #[track_caller]
    pub fn knows<E: Event>(&mut self, key: &E::Key, event: &E) {
        let id = self.parts.source.0.id_of(E::TOPIC).expect("the projection knows this topic");
        let wire = canon::codec::encode(id, event).expect("the event fits its schema");
        self.learns(E::TOPIC, key.to_string(), Some(wire));
    }

    /// A table's row is taken back.
    #[track_caller]
    pub fn forgets<E: Event>(&mut self, key: &E::Key) {
        self.learns(E::TOPIC, key.to_string(), None);
    }

    #[track_caller]
    fn learns(&mut self, topic: &'static str, key: String, wire: Option<Vec<u8>>) {
        let mut tables = self.parts.store.tables();
        let seq = i64::try_from(tables.table_rows.len()).unwrap_or(i64::MAX - 1) + 1;
        tables.table_rows.push(TableRow { seq, topic: topic.to_owned(), key, version: seq, wire });
        drop(tables);
        self.parts.shelf.stir();
        self.run(Vec::new());
        self.fires();
    }

    /// A person has everything folded again, by itself, that was folded before.
    #[track_caller]
    pub fn folds_again<E: Event<Key = P::Key>>(&mut self, dry_run: bool) -> Outcome {
        let chosen = Chosen::since(Timestamp(i64::MIN));
        let wish = Wish::Again { topic: E::TOPIC.to_owned(), chosen, dry_run };
        self.does(wish)
    }

    /// A person has parked inputs tried again: the first ones of their keys, each with what waits behind it.
    #[track_caller]
    pub fn redrives(&mut self, dry_run: bool) -> Outcome {
        let mut keys = std::collections::BTreeSet::new();
        let first = |(number, parked): (&i64, &(LaneId, Parked))| {
            let chain = parked.1.chain.clone();
            chain.is_none_or(|chain| keys.insert(chain)).then_some(*number)
        };
        let inputs = self.parts.store.tables().parked.iter().filter_map(first).collect();
        self.does(Wish::Redrive { inputs, dry_run })
    }

    /// A person gives the first parked input up.
    #[track_caller]
    pub fn discards(&mut self, dry_run: bool) -> Outcome {
        let inputs = vec![self.first_parked()];
        self.does(Wish::Discard { inputs, dry_run })
    }

    /// A person puts another event in the place of the first parked input's.
    #[track_caller]
    pub fn edits<E: Event<Key = P::Key>>(&mut self, event: &E, dry_run: bool) -> Outcome {
        let id = self.parts.source.0.id_of(E::TOPIC).expect("the projection folds this topic");
        let value = canon::codec::encode(id, event).expect("the event fits its schema");
        let input = self.first_parked();
        self.does(Wish::Edit { input, value, dry_run })
    }

    #[track_caller]
    fn first_parked(&self) -> i64 {
        let tables = self.parts.store.tables();
        *tables.parked.first_key_value().expect("something is parked").0
    }

    #[track_caller]
    fn does(&mut self, wish: Wish) -> Outcome {
        let lane = self.position.fence.lane;
        let id = self.parts.store.tables().ask(lane, wish);
        self.parts.log = Arc::new(Shelved(self.history.clone()));
        self.position.wish = true;
        self.run(Vec::new());
        let outcome = self.parts.store.tables().intents.get(&id).and_then(|row| row.outcome.clone());
        self.fires();
        outcome.expect("the lane's owner carried it out")
    }

    /// Whether the lane's breaker has stopped it.
    pub fn is_stopped(&self) -> bool {
        self.position.stopped
    }

    /// The fold's input has the last record once more, as when a relay publishes twice.
    #[track_caller]
    pub fn sees_again(&mut self) {
        let mut record = self.history.last().cloned().expect("nothing was seen yet");
        record.offset = self.next_offset(record.topic);
        self.take(record);
    }

    /// Time goes on; deadlines that fall due fire, one batch at a time.
    #[track_caller]
    pub fn passes(&mut self, how_long: Duration) {
        let until = self.now() + how_long;
        while let Some(due) = self.next_due().filter(|due| *due <= until) {
            self.world.set(due.max(self.now()));
            self.run(Vec::new());
        }
        self.world.set(until);
    }

    /// The rig's clock.
    pub fn now(&self) -> Timestamp {
        World::now(&self.world)
    }

    /// Everything that was published on an event's topic, in order; tombstones are left out.
    pub fn emitted<E: Event>(&self) -> Vec<E> {
        let mine = self.published.iter().filter(|record| record.topic == E::TOPIC);
        mine.filter_map(|record| record.value.as_deref()).map(|value| self.decode(value)).collect()
    }

    /// The latest revision of each fact on an event's topic that is not withdrawn, in order of their names.
    pub fn latest<E: Event>(&self) -> Vec<E> {
        let tables = self.parts.store.tables();
        let mut rows: Vec<_> =
            tables.emitted.values().filter(|row| row.topic == E::TOPIC && !row.withdrawn).collect();
        rows.sort_by(|left, right| left.name.cmp(&right.name));
        rows.into_iter().map(|row| self.decode(&row.wire)).collect()
    }

    /// The headers of everything published on a topic.
    pub fn headers(&self, topic: &str) -> Vec<Headers> {
        self.published
            .iter()
            .filter(|record| record.topic == topic)
            .map(|record| headers_of(&record.headers))
            .collect()
    }

    /// What is parked, in park order.
    pub fn parked(&self) -> Vec<(Reason, String)> {
        let tables = self.parts.store.tables();
        tables.parked.values().map(|(_, parked)| (parked.reason, parked.detail.clone())).collect()
    }

    /// A key's state; none if the key was never seen.
    pub fn state(&self, key: &P::Key) -> Option<P> {
        let tables = self.parts.store.tables();
        let stored = tables.states.get(&(P::NAME, key.to_string()))?;
        serde_json::from_value(stored.body.clone()).ok()
    }

    /// The rows of a report table, in order of their keys.
    pub fn rows(&self, table: &str) -> Vec<serde_json::Value> {
        let tables = self.parts.store.tables();
        tables.rows.values().filter(|row| row.table == table).map(|row| row.columns.clone()).collect()
    }

    fn decode<E: Event>(&self, wire: &[u8]) -> E {
        self.parts.source.0.decode(wire).expect("what the rig encoded decodes")
    }

    fn next_offset(&self, topic: &str) -> i64 {
        let last = self.history.iter().rev().find(|record| record.topic == topic);
        last.map_or(0, |record| record.offset + 1)
    }

    fn next_due(&self) -> Option<Timestamp> {
        self.parts.store.tables().deadlines.values().min().copied()
    }

    #[track_caller]
    fn sees_with<E: Event>(&mut self, key: &E::Key, event: &E, with: impl FnOnce(&mut Headers)) {
        let mut headers = Headers {
            id: Uuid::nil(),
            source: "rig".to_owned(),
            r#type: E::TOPIC.to_owned(),
            time: self.now(),
            subject: key.to_string(),
            version: None,
            revision: Some(1),
            factname: String::new(),
            correlationid: None,
            causationid: None,
            facility: None,
            sourceref: None,
            traceparent: None,
        };
        with(&mut headers);
        let id = self.parts.source.0.id_of(E::TOPIC).expect("the projection folds this topic");
        let value = canon::codec::encode(id, event).expect("the event fits its schema");
        self.take(Record {
            topic: E::TOPIC,
            partition: 0,
            offset: self.next_offset(E::TOPIC),
            timestamp: self.now(),
            key: Some(key.to_string().into_bytes()),
            value: Some(value),
            headers: headers.to_pairs(),
        });
    }

    #[track_caller]
    fn take(&mut self, record: Record) {
        self.history.push(record.clone());
        self.run(vec![record]);
        self.fires();
    }

    /// What is due at once (a past deadline, a hold of zero) fires in the next batch.
    #[track_caller]
    fn fires(&mut self) {
        while self.next_due().is_some_and(|due| due <= self.now()) {
            self.run(Vec::new());
        }
    }

    #[track_caller]
    fn run(&mut self, records: Vec<Record>) {
        let came = records.len();
        let told = Arc::new(Told::default());
        self.parts.watch = told.clone();
        // A fresh worker each time: nothing may live in its memory that is not in the ledger.
        let mut worker = FoldWorker::new(&self.parts, self.program.clone());
        let ran = block_on(async {
            while worker.is_wished(&self.position) {
                worker.do_as_wished(&mut self.position).await?;
            }
            worker.run(&mut self.position, records).await
        });
        ran.unwrap_or_else(|trouble| panic!("the batch failed: {trouble:?}"));
        let tally = told.0.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or_default();
        let ended = tally.applied + tally.parked + tally.duplicates;
        assert!(ended >= came as u64, "{came} inputs came, {tally:?}");
        let outbox = std::mem::take(&mut self.parts.store.tables().outbox);
        self.published.extend(outbox.into_values());
        if self.is_of_one_fold {
            self.rebuilds_equal();
        }
    }

    #[track_caller]
    fn rebuilds_equal(&self) {
        let tables = self.parts.store.tables();
        let lane = self.position.fence.lane;
        let journal = tables.journal.get(&lane).cloned().unwrap_or_default();
        let ground = Ground {
            given: &[],
            service: self.parts.service,
            program: self.program.as_ref(),
            contract: &self.parts.contract,
            schemas: &self.parts.source.0,
            tables: &tables.table_rows,
        };
        let read = |topic: &str, first: i64, next: i64| {
            let range = self.history.iter().filter(|record| record.topic == topic);
            range.filter(|record| (first..next).contains(&record.offset)).cloned().collect()
        };
        let rebuilt = rebuild(&ground, &journal, read).expect("states can be written");
        let facts = tables.emitted.values().filter(|row| is_come_to(row, &journal));
        let live = Rebuilt {
            states: tables.states.iter().map(|((_, key), state)| (key.clone(), state.clone())).collect(),
            deadlines: tables.deadlines.iter().map(|((_, key), at)| (key.clone(), *at)).collect(),
            parked: tables.parked.values().map(|(_, parked)| parked.clone()).collect(),
            rows: tables.rows.iter().map(|(at, row)| (at.clone(), row.clone())).collect(),
            facts: facts.map(|row| (row.fact, (row.content, row.withdrawn))).collect(),
        };
        assert_eq!(rebuilt, live, "a rebuild along the journal differs from the live state");
    }
}

fn headers_of(pairs: &[(String, Vec<u8>)]) -> Headers {
    let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
    Headers::from_pairs(pairs).expect("the rig writes headers")
}

/// The catalog's policies with one partition each; topics it does not know are plain facts.
fn one_partition_each<'a>(topics: impl Iterator<Item = &'a (&'static str, &'static str)>) -> Contract {
    let policy = |name: &str| match Catalog::builtin().topic(name) {
        None => TopicPolicy { partitions: 1, compacted: false, command: false, value_bytes_max: 1 << 20 },
        Some(topic) => TopicPolicy {
            partitions: 1,
            compacted: topic.is_compacted(),
            command: topic.is_command(),
            value_bytes_max: topic.value_bytes_max(),
        },
    };
    Contract::with(topics.map(|(name, _)| (*name, policy(name))))
}

/// A world where nothing fails and time moves when it is told to.
#[derive(Clone)]
struct Still(Arc<AtomicI64>);

impl Still {
    fn set(&self, now: Timestamp) {
        self.0.store(now.0, Ordering::Relaxed);
    }
}

impl World for Still {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }

    async fn cross(&self, _what: &'static str, _back: bool) -> Result<(), StoreError> {
        Ok(())
    }

    async fn wait(&self) {}
}

impl Env for Still {
    /// Where the clock stands still, nothing that waits for it ever goes on: least of all a loop that renews a lease
    /// while an author's code waits for something else.
    async fn sleep(&self, how_long: Duration) {
        if !how_long.is_zero() {
            std::future::pending().await
        }
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn jitter_permille(&self) -> u32 {
        0
    }
}

/// Schemas known from the start.
struct Known(Arc<Schemas>);

impl SchemaSource for Known {
    fn schemas(&self) -> &Arc<Schemas> {
        &self.0
    }

    async fn ensure(&self, _ids: &[u32]) -> Result<(), BrokerError> {
        Ok(())
    }
}

/// What was seen so far, for what is read again; new records the rig hands over itself.
struct Shelved(Vec<Record>);

impl Log for Shelved {
    type Reader = Shelved;

    async fn open(&self, _lane: i32, positions: &[(&'static str, i64)]) -> Result<Shelved, BrokerError> {
        let wanted = |record: &&Record| positions.iter().any(|(topic, _)| *topic == record.topic);
        Ok(Shelved(self.0.iter().filter(wanted).cloned().collect()))
    }
}

impl LaneReader for Shelved {
    async fn next(&mut self, _max: usize, _wait: Duration) -> Result<Vec<Record>, BrokerError> {
        Ok(std::mem::take(&mut self.0))
    }

    fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    fn is_at_end_of(&self, topic: &str) -> bool {
        self.0.iter().all(|record| record.topic != topic)
    }
}

/// Keeps the last batch's tally.
#[derive(Default)]
struct Told(Mutex<Option<crate::batch::Tally>>);

impl crate::env::Watch for Told {
    fn batch(
        &self,
        _lane: LaneId,
        tally: &crate::batch::Tally,
        _took: Duration,
        _positions: &BTreeMap<String, i64>,
    ) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(*tally);
    }
}
