//! On real parts: PostgreSQL goes back to a dump while Kafka keeps what was published since.
//!
//! `VERTEBRA_TEST_KAFKA` and `VERTEBRA_TEST_POSTGRES_URL` name them, `pg_dump` and `psql` are on the path. The ledger has a
//! schema of its own; the topics are the simulation's, made anew.

use super::TokioEnv;
use crate::contract::{SchemaSource, Schemas};
use crate::edge::{BrokerError, Producer, Publisher, Witness};
use crate::env::Watch;
use crate::fold_lane::FoldWorker;
use crate::guard::{Comparing, Guard};
use crate::kafka::{
    Admin, KafkaLog, KafkaMarks, KafkaPublisher, KafkaSettings, LogSettings, Visible, each, tail,
};
use crate::lane::{Limits, Parts};
use crate::owner;
use crate::postgres::{PostgresSettings, PostgresStore, Processor, look};
use crate::program::Program;
use crate::projection::Projection;
use crate::record::{Marks, Record};
use crate::recover::{Found, How, Reading, Recover, Recovered};
use crate::relay::{Relay, RelayLimits, transactional_id};
use crate::settings::ServiceUrl;
use crate::sim::sample::{self, Left, Note, Order, Rate, Sum, TOPICS, Tally};
use crate::table_lane::TableWorker;
use canon::event::Event;
use canon::headers::Headers;
use canon::key::EncounterToken;
use std::collections::BTreeMap;
use std::error::Error;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const LEASE: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(60);
const LANES: i32 = 2;
const KEYS: u64 = 4;
const OUTPUTS: [&str; 3] = [Sum::TOPIC, Order::TOPIC, Note::TOPIC];

/// The schemas, which need no registry.
struct Fixed(Arc<Schemas>);

impl SchemaSource for Fixed {
    fn schemas(&self) -> &Arc<Schemas> {
        &self.0
    }

    async fn ensure(&self, _ids: &[u32]) -> Result<(), BrokerError> {
        Ok(())
    }
}

/// Keeps what was in trouble.
#[derive(Default)]
struct Seen(Mutex<Vec<(&'static str, String)>>);

impl Watch for Seen {
    fn trouble(&self, what: &'static str, error: &(dyn Error + 'static)) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((what, error.to_string()));
    }
}

struct Stand {
    kafka: KafkaSettings,
    settings: PostgresSettings,
    schemas: Arc<Schemas>,
    dump: std::path::PathBuf,
    sent: i64,
}

#[expect(clippy::disallowed_methods, reason = "tests are told where the stack is by their environment")]
fn variable(name: &str) -> Option<String> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    if value.is_none() {
        assert!(std::env::var("VERTEBRA_TEST_REQUIRED").as_deref() != Ok("1"), "{name} is not set");
        println!("skipped: {name} is not set");
    }
    value
}

/// Asks until there is an answer.
async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "not in {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn key(number: u64) -> EncounterToken {
    format!("{number:032x}").parse().expect("a key")
}

impl Stand {
    async fn try_new() -> Option<Self> {
        let bootstrap = variable("VERTEBRA_TEST_KAFKA")?;
        let url = variable("VERTEBRA_TEST_POSTGRES_URL")?;
        let kafka = KafkaSettings::plaintext(bootstrap, "restored-test");
        let admin = Admin::new(&kafka).expect("a client");
        // Left by a run that was cut off.
        let _ = admin.delete_topics(&TOPICS).await;
        for topic in TOPICS {
            until("a new topic", async || admin.create_topic(topic, 2, 1, &BTreeMap::new()).await.ok()).await;
            until("its leaders", async || admin.held(topic).await.ok()).await;
        }
        let service = format!("test-{}", Uuid::new_v4().simple()).leak();
        let settings = PostgresSettings {
            url: ServiceUrl::parse(&url, &["postgres", "postgresql"]).expect("a URL"),
            service,
            instance: Uuid::new_v4(),
            lease: LEASE,
            connections_max: 8,
        };
        let dump = std::env::temp_dir().join(format!("{service}.sql"));
        Some(Self { kafka, settings, schemas: Arc::new(sample::schemas()), dump, sent: 0 })
    }

    fn service(&self) -> &'static str {
        self.settings.service
    }

    fn schema(&self) -> String {
        self.service().replace('-', "_")
    }

    async fn store(&self) -> PostgresStore {
        let processors = [Processor { name: Tally::NAME, tables: sample::folding().tables().to_vec() }];
        PostgresStore::connect(&self.settings, 1, &processors).await.expect("a ledger")
    }

    fn marks(&self) -> KafkaMarks {
        KafkaMarks::new(&self.kafka, &transactional_id(self.service(), 0), Sum::TOPIC).expect("a client")
    }

    fn database(&self, program: &str, args: &[&str]) {
        let url = self.settings.url.reveal();
        let mut told = Command::new(program);
        let told = told.arg("--dbname").arg(url.as_str()).args(args).stdout(Stdio::null()).status();
        assert!(told.as_ref().is_ok_and(std::process::ExitStatus::success), "{program}: {told:?}");
    }

    fn dump(&self) {
        let file = self.dump.display().to_string();
        self.database("pg_dump", &["--schema", &self.schema(), "--file", &file]);
    }

    fn restore(&self) {
        let (file, schema) = (self.dump.display().to_string(), self.schema());
        let drop = format!("DROP SCHEMA {schema} CASCADE");
        let quiet = ["--quiet", "--set", "ON_ERROR_STOP=1"];
        self.database("psql", &[&quiet[..], &["--command", &drop]].concat());
        self.database("psql", &[&quiet[..], &["--file", &file]].concat());
    }

    /// So many more numbers for every key.
    async fn send(&mut self, count: i64) {
        let publisher = KafkaPublisher::new(&self.kafka, LEASE, None);
        let mut producer = publisher.fence(&format!("{}.input", self.service())).await.expect("the fence");
        let mut records = Vec::new();
        for n in self.sent + 1..=self.sent + count {
            for number in 0..KEYS {
                let mood = if n % 3 == 0 { "note" } else { "" };
                records.push(sample::input(&key(number), n, &Left::new(n, mood), &self.schemas));
            }
        }
        producer.publish(&records, &Marks::new()).await.expect("published");
        self.sent += count;
    }

    /// Starts the service.
    async fn start(&self) -> Running {
        let store = self.store().await;
        let (env, seen, bell) = (TokioEnv::new(), Arc::new(Seen::default()), Arc::default());
        let marks = Arc::new(self.marks());
        let guard: Arc<dyn Guard> = Arc::new(Comparing::new(store.clone(), marks.clone()));
        let instance = Uuid::new_v4();
        let group = LogSettings::new(format!("{}.tally", self.service()));
        let parts = Arc::new(Parts {
            service: self.service(),
            instance,
            store: store.clone(),
            log: Arc::new(KafkaLog::start(&self.kafka, &group, None).expect("a log")),
            source: Arc::new(Fixed(self.schemas.clone())),
            contract: Arc::new(sample::contract()),
            env,
            watch: seen.clone(),
            limits: Limits { lease: LEASE, ..Limits::default() },
            code: "test".to_owned(),
            alone: Arc::default(),
            bell: Arc::clone(&bell),
            shelf: Arc::default(),
            guard: guard.clone(),
        });
        let publisher = KafkaPublisher::new(&self.kafka, LEASE, None).leaving(marks);
        let relay = Relay {
            service: self.service(),
            instance,
            shard: 0,
            store: store.clone(),
            publisher: Arc::new(publisher),
            env,
            watch: seen.clone(),
            limits: RelayLimits { lease: LEASE, ..RelayLimits::default() },
            bell,
            guard,
        };
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let (token, of_table) = (stop.clone(), Arc::clone(&parts));
        tasks.spawn(async move {
            let worker = || TableWorker { parts: &of_table, topic: Rate::TOPIC, complete: false };
            owner::share(&of_table, Rate::TOPIC, LANES, worker, token).await;
        });
        let token = stop.clone();
        tasks.spawn(async move {
            let program: Arc<dyn Program> = Arc::new(sample::folding());
            let worker = || FoldWorker::new(&parts, program.clone());
            owner::share(&parts, Tally::NAME, LANES, worker, token).await;
        });
        let token = stop.clone();
        tasks.spawn(async move { relay.run(token).await });
        Running { store, seen, stop, tasks }
    }

    async fn published(&self, topic: &'static str) -> Vec<Record> {
        tail(&self.kafka, topic, Visible::Committed).await.expect("records")
    }

    /// What the fold of a topic says: of each fact the latest content.
    async fn facts(&self, topic: &'static str) -> BTreeMap<String, i64> {
        let mut latest: BTreeMap<String, (i64, i64)> = BTreeMap::new();
        for record in self.published(topic).await {
            let headers = headers(&record);
            let n = record.value.as_deref().map(|wire| n(topic, wire, &self.schemas));
            let next = (headers.version.unwrap_or(0), n.unwrap_or(0));
            let known = latest.entry(headers.factname).or_insert(next);
            *known = next.max(*known);
        }
        latest.into_iter().map(|(name, (_, n))| (name, n)).collect()
    }

    /// What follows from all numbers up to one, when orders were given after these.
    fn expected(&self, ordered_after: &[i64]) -> BTreeMap<String, BTreeMap<String, i64>> {
        let sum = |upto: i64| upto * (upto + 1) / 2;
        let noted = self.sent - self.sent % 3;
        let name = |kind: &str, of: &[String]| canon::Name::new(kind, of).to_string();
        let mut all: BTreeMap<String, BTreeMap<String, i64>> = BTreeMap::new();
        for key in (0..KEYS).map(|number| key(number).to_string()) {
            let mut says = |topic: &str, name: String, n: i64| {
                all.entry(topic.to_owned()).or_default().insert(name, n);
            };
            says(Sum::TOPIC, name("sum", std::slice::from_ref(&key)), sum(self.sent));
            says(Note::TOPIC, name("note", std::slice::from_ref(&key)), sum(noted) / 10);
            for (number, upto) in (1..).zip(ordered_after) {
                let number: i32 = number;
                says(Order::TOPIC, name("order", &[key.clone(), number.to_string()]), sum(*upto));
            }
        }
        all
    }

    async fn comes_to(&self, ordered_after: &[i64]) {
        let expected = self.expected(ordered_after);
        until("what is published", async || {
            for topic in OUTPUTS {
                if self.facts(topic).await != expected[topic] {
                    return None;
                }
            }
            Some(())
        })
        .await;
    }

    /// Per key versions rise without gaps, and none was given to two events.
    async fn versions_hold(&self) {
        for topic in OUTPUTS {
            let mut given: BTreeMap<(String, i64), Uuid> = BTreeMap::new();
            let mut last: BTreeMap<String, i64> = BTreeMap::new();
            for record in self.published(topic).await {
                let headers = headers(&record);
                let version = headers.version.expect("a version");
                let before = given.insert((headers.subject.clone(), version), headers.id);
                assert!(
                    before.is_none_or(|before| before == headers.id),
                    "{topic}: {version} was given twice"
                );
                let last = last.entry(headers.subject).or_insert(0);
                assert!(version <= *last + 1, "{topic}: {version} after {last}");
                *last = version.max(*last);
            }
        }
    }

    /// What `vertebra recover` does.
    async fn recover(&self, how: How<'_>) -> Recovered {
        let id = transactional_id(self.service(), 0);
        if matches!(how, How::Done { .. }) {
            drop(KafkaPublisher::new(&self.kafka, LEASE, None).fence(&id).await.expect("the fence"));
        }
        let mut found = Found::of(self.service());
        for reading in [Reading::of::<Sum>(), Reading::of::<Order>(), Reading::of::<Note>()] {
            let take = async |records: Vec<Record>| {
                records.iter().for_each(|record| found.see(&reading, &self.schemas, record));
                Ok(())
            };
            each(&self.kafka, reading.topic, Visible::Committed, take).await.expect("records");
        }
        assert_eq!(found.unread, 0);
        let marks = self.marks().marks().await.expect("marks");
        self.store().await.recover(&found, &marks, how).await.expect("recovered")
    }

    async fn clean_up(self) {
        let drop = format!("DROP SCHEMA {} CASCADE", self.schema());
        self.database("psql", &["--quiet", "--command", &drop]);
        let _ = std::fs::remove_file(&self.dump);
        let _ = Admin::new(&self.kafka).expect("a client").delete_topics(&TOPICS).await;
    }
}

fn headers(record: &Record) -> Headers {
    let pairs = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
    Headers::from_pairs(pairs).expect("headers")
}

fn n(topic: &str, wire: &[u8], schemas: &Schemas) -> i64 {
    match topic {
        Sum::TOPIC => schemas.decode::<Sum>(wire).expect("a sum").n,
        Order::TOPIC => schemas.decode::<Order>(wire).expect("an order").n,
        _ => schemas.decode::<Note>(wire).expect("a note").n,
    }
}

struct Running {
    store: PostgresStore,
    seen: Arc<Seen>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Running {
    async fn stop(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("no panic");
        }
    }

    async fn stopped(&self) -> Vec<Option<String>> {
        let lanes = look::lanes(&self.store, Tally::NAME).await.expect("lanes");
        lanes.into_iter().map(|lane| lane.stopped.map(|(why, _)| why)).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restored_from_a_dump_a_service_halts_and_once_recovered_it_loses_and_doubles_nothing() {
    let Some(mut stand) = Stand::try_new().await else { return };
    let running = stand.start().await;
    stand.send(5).await;
    stand.comes_to(&[5]).await;
    stand.dump();
    stand.send(5).await;
    stand.comes_to(&[5, 10]).await;
    running.stop().await;
    let mut before = 0;
    for topic in OUTPUTS {
        before += stand.published(topic).await.len();
    }

    stand.restore();
    stand.send(2).await;
    let running = stand.start().await;
    let stopped = until("both lanes stopped", async || {
        let stopped = running.stopped().await;
        stopped.iter().all(Option::is_some).then_some(stopped)
    })
    .await;
    assert!(stopped.iter().flatten().all(|why| why.contains("vertebra recover")), "{stopped:?}");
    let troubles = running.seen.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert!(troubles.iter().any(|(what, why)| *what == "ledger" && why.contains("tally")), "{troubles:?}");
    let told = stand.recover(How::DryRun).await;
    assert!(told.is_behind() && told.facts > 0 && told.keys > 0 && told.lanes.len() == 2, "{told:?}");
    let mut halted = 0;
    for topic in OUTPUTS {
        halted += stand.published(topic).await.len();
    }
    assert_eq!(halted, before, "a service whose ledger is behind published");

    let done = stand.recover(How::Done { by: "a tester", because: "restored on purpose" }).await;
    assert_eq!(done, told, "it was done as it was told");
    stand.comes_to(&[5, 10, 12]).await;
    stand.versions_hold().await;
    assert_eq!(running.stopped().await, [None, None]);
    assert!(look::parked(&running.store, Tally::NAME).await.expect("parked").is_empty());
    let again = stand.recover(How::DryRun).await;
    assert!(!again.is_behind(), "{again:?}");
    running.stop().await;
    stand.clean_up().await;
}
