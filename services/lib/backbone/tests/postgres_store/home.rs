//! Where the cases run: a ledger in memory with the machine's clock, and a schema of its own on a real PostgreSQL.

use backbone::journal::Entry;
use backbone::memory::{MemoryStore, World};
use backbone::postgres::operate::{self, Asker};
use backbone::postgres::{OpenError, PostgresSettings, PostgresStore, Processor, look};
use backbone::settings::ServiceUrl;
use backbone::store::{
    Changes, Fence, Grant, LaneId, Loaded, ParkedItem, Store, StoreError, StoredState, Tx, Want,
};
use backbone::wish::{Outcome, Wish};
use backbone::{Column, Table};
use canon::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::error::Error;
use std::future::Future;
use std::time::{Duration, Instant, SystemTime};
use tokio_postgres::NoTls;
use uuid::Uuid;

/// Long enough for the slowest box.
pub(crate) const LEASE: Duration = Duration::from_secs(30);

/// How long a condition may take to come true.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const SHARDS: i32 = 2;

pub(crate) const CASES: &str = "billing-case";
pub(crate) const WRITER: &str = "odoo-writer";

pub(crate) const ROWS: Table = Table {
    name: "case_row",
    columns: &[
        ("finished", Column::Bool),
        ("charges", Column::Integer),
        ("unbilled", Column::Money),
        ("visit", Column::Text),
        ("due", Column::Time),
    ],
};

/// The machine's clock, and an idle transaction is ended after half a lease, as PostgreSQL is told to.
#[derive(Clone)]
pub(crate) struct Machine {
    lease: Duration,
}

impl World for Machine {
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }

    async fn cross(&self, _: &'static str, _: bool) -> Result<(), StoreError> {
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn wait(&self) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    fn idle_in_transaction(&self) -> Duration {
        self.lease / 2
    }
}

pub(crate) fn memory(lease: Duration) -> MemoryStore<Machine> {
    MemoryStore::new(Machine { lease }, SHARDS)
}

/// A ledger on PostgreSQL.
#[derive(Clone)]
pub(crate) struct Home {
    pub(crate) store: PostgresStore,
    pub(crate) settings: PostgresSettings,
}

pub(crate) fn processors() -> Vec<Processor> {
    vec![Processor { name: CASES, tables: vec![ROWS] }, Processor { name: WRITER, tables: Vec::new() }]
}

/// The server's URL, or nothing when there is none and none is required.
#[expect(clippy::print_stdout, reason = "a helper of tests, which may print")]
fn url() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "a test has no settings")]
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let url = variable("VERTEBRA_TEST_POSTGRES_URL");
    if url.is_none() {
        let required = variable("VERTEBRA_TEST_REQUIRED").is_some_and(|value| value == "1");
        assert!(!required, "VERTEBRA_TEST_POSTGRES_URL is not set, and VERTEBRA_TEST_REQUIRED=1");
        println!("skipped: VERTEBRA_TEST_POSTGRES_URL is not set");
    }
    url
}

/// Settings of a service whose schema nobody else has.
fn settings(url: &str, lease: Duration) -> PostgresSettings {
    let service = format!("test-{}", Uuid::new_v4().simple());
    PostgresSettings {
        url: ServiceUrl::parse(url, &["postgres", "postgresql"]).expect("a URL of PostgreSQL"),
        service: Box::leak(service.into_boxed_str()),
        instance: Uuid::new_v4(),
        lease,
        connections_max: 12,
    }
}

impl Home {
    pub(crate) fn schema(&self) -> String {
        self.settings.service.replace('-', "_")
    }

    /// A connection of the test's own, outside of the ledger.
    pub(crate) async fn raw(&self) -> tokio_postgres::Client {
        let (client, connection) =
            tokio_postgres::connect(self.settings.url.reveal().as_str(), NoTls).await.expect("a connection");
        tokio::spawn(connection);
        client.batch_execute(&format!("SET search_path = {}", self.schema())).await.expect("a schema");
        client
    }

    pub(crate) async fn again(
        &self,
        shards: i32,
        processors: &[Processor],
    ) -> Result<PostgresStore, OpenError> {
        PostgresStore::connect(&self.settings, shards, processors).await
    }
}

/// Runs a case on a fresh schema, and drops it whatever comes of the case.
pub(crate) async fn on_postgres<F>(lease: Duration, case: impl FnOnce(Home) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let Some(url) = url() else { return };
    let settings = settings(&url, lease);
    let store = PostgresStore::connect(&settings, SHARDS, &processors()).await.expect("a ledger");
    let home = Home { store, settings };
    let done = tokio::spawn(case(home.clone())).await;
    let raw = home.raw().await;
    // The case's last transaction may still be rolling back.
    raw.batch_execute(&format!("DROP SCHEMA {} CASCADE", home.schema())).await.expect("a schema to drop");
    if let Err(panic) = done {
        std::panic::resume_unwind(panic.into_panic());
    }
}

/// What a case wants to see of a ledger beyond what the core asks of it.
pub(crate) trait Inspect: Store {
    /// Headers and bytes of parked records: (topic, offset, key, value, headers).
    fn parked_bytes(&self, processor: &'static str) -> impl Future<Output = Vec<Bytes>> + Send;

    fn journal(&self, lane: LaneId) -> impl Future<Output = Vec<Entry>> + Send;

    /// A person asks something of a lane; the intent's number.
    fn ask(&self, lane: LaneId, wish: Wish) -> impl Future<Output = i64> + Send;

    /// What came of an intent.
    fn outcome(&self, id: i64) -> impl Future<Output = Option<Outcome>> + Send;
}

/// A parked record as it was kept.
pub(crate) type Bytes = (String, i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, Vec<u8>)>);

impl Inspect for MemoryStore<Machine> {
    async fn parked_bytes(&self, processor: &'static str) -> Vec<Bytes> {
        let tables = self.tables();
        let mine = tables.parked.values().filter(|(lane, _)| lane.processor == processor);
        let records = mine.filter_map(|(_, parked)| match &parked.item {
            ParkedItem::Record(record) => Some(record.clone()),
            ParkedItem::Deadline { .. } => None,
        });
        records
            .map(|record| (record.topic.to_owned(), record.offset, record.key, record.value, record.headers))
            .collect()
    }

    async fn journal(&self, lane: LaneId) -> Vec<Entry> {
        self.tables().journal.get(&lane).cloned().unwrap_or_default()
    }

    async fn ask(&self, lane: LaneId, wish: Wish) -> i64 {
        self.tables().ask(lane, wish)
    }

    async fn outcome(&self, id: i64) -> Option<Outcome> {
        self.tables().intents.get(&id)?.outcome.clone()
    }
}

impl Inspect for PostgresStore {
    async fn parked_bytes(&self, processor: &'static str) -> Vec<Bytes> {
        let mut found = Vec::new();
        for parked in look::parked(self, processor).await.expect("parked inputs") {
            if let Some(place) = parked.record {
                let bytes = look::bytes(self, parked.id).await.expect("bytes").expect("a record");
                found.push((place.topic, place.offset, bytes.key, bytes.value, bytes.headers));
            }
        }
        found
    }

    async fn journal(&self, lane: LaneId) -> Vec<Entry> {
        look::journal(self, lane).await.expect("a journal")
    }

    async fn ask(&self, lane: LaneId, wish: Wish) -> i64 {
        let asker = Asker { by: "a test", because: "it is tested" };
        let asked = operate::wish_of_lane(self, lane.processor, lane.number, &wish, asker).await;
        asked.expect("an answer").expect("a lane").id
    }

    async fn outcome(&self, id: i64) -> Option<Outcome> {
        operate::intents(self, &[id]).await.expect("an intent").into_iter().next()?.outcome
    }
}

pub(crate) fn lane(number: i32) -> LaneId {
    LaneId { processor: CASES, number }
}

/// Makes lanes known and takes one.
pub(crate) async fn own(store: &impl Store, id: LaneId) -> Grant {
    store.ensure_lanes(id.processor, id.number + 1).await.expect("lanes");
    store.take_lane(id, Uuid::new_v4(), LEASE).await.expect("an answer").expect("a free lane")
}

/// The fence after one more commit.
pub(crate) fn next(fence: &Fence) -> Fence {
    Fence { seq: fence.seq + 1, ..*fence }
}

/// Writes one batch and returns the next fence.
pub(crate) async fn commit(store: &impl Store, fence: &Fence, changes: Changes) -> Fence {
    let mut tx = store.begin(fence, LEASE, 0).await.expect("a batch");
    tx.write(changes).await.expect("written");
    tx.commit().await.expect("committed");
    next(fence)
}

/// Asks again until there is an answer.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut ask: impl FnMut() -> F,
) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < until, "not in {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A state with this body.
pub(crate) fn state(body: Value) -> StoredState {
    StoredState { versions: BTreeMap::from([("billing.charge.v1".into(), i64::MAX)]), body }
}

/// A batch that writes states.
pub(crate) fn states(bodies: &[(&str, Value)]) -> Changes {
    let states = bodies.iter().map(|(key, body)| ((*key).to_owned(), state(body.clone()))).collect();
    Changes { states, ..Changes::default() }
}

/// Everything a batch can see of some keys, in a transaction that is rolled back.
pub(crate) async fn load(store: &impl Store, fence: &Fence, keys: &[&str]) -> Loaded {
    let want = Want { keys: keys.iter().map(|key| (*key).to_owned()).collect(), ..Want::default() };
    let mut tx = store.begin(fence, LEASE, 0).await.expect("a batch");
    tx.load(&want).await.expect("loaded")
}

/// All an error says, causes included.
pub(crate) fn said(error: &dyn Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error} {error:?}");
        cause = error.source();
    }
    text
}
