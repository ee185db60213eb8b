//! A real broker for tests: topics of one's own, and a raw producer that plays the zombie.

use backbone::kafka::{Admin, KafkaSettings};
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(60);

/// A broker, and what this test made on it.
pub(crate) struct Stand {
    pub(crate) kafka: KafkaSettings,
    pub(crate) admin: Admin,
    suffix: String,
    made: Mutex<Vec<&'static str>>,
}

/// A transaction that is open, with records sent and not committed.
pub(crate) struct OpenTransaction(BaseProducer);

impl Stand {
    /// The broker named by the environment; nothing, with a line that says so, when none is and none is required.
    #[expect(clippy::print_stdout, reason = "a test that was skipped says so")]
    pub(crate) async fn try_new() -> Option<Self> {
        #[expect(
            clippy::disallowed_methods,
            reason = "tests are told where the broker is by their environment"
        )]
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let Some(bootstrap) = variable("VERTEBRA_TEST_KAFKA") else {
            assert_ne!(
                variable("VERTEBRA_TEST_REQUIRED").as_deref(),
                Some("1"),
                "VERTEBRA_TEST_KAFKA is not set"
            );
            println!("skipped: VERTEBRA_TEST_KAFKA names no broker");
            return None;
        };
        let kafka = KafkaSettings::plaintext(bootstrap, "kafka-edge-test");
        let admin = Admin::new(&kafka).expect("a client");
        let suffix = uuid::Uuid::new_v4().simple().to_string();
        Some(Self { kafka, admin, suffix, made: Mutex::default() })
    }

    /// A name that nobody else has.
    pub(crate) fn name(&self, what: &str) -> String {
        format!("test.edge.{what}.{}", self.suffix)
    }

    /// A topic that nobody else has. Its name lives as long as the test's process, as names from the catalog do.
    pub(crate) async fn topic(&self, what: &str, partitions: u32) -> &'static str {
        let name: &'static str = Box::leak(self.name(what).into_boxed_str());
        self.admin.create_topic(name, partitions, 1, &BTreeMap::new()).await.expect("a topic");
        self.made.lock().expect("not poisoned").push(name);
        let begun = std::time::Instant::now();
        while self.admin.held(name).await.is_err() {
            assert!(begun.elapsed() < TIMEOUT, "{name} has no leaders");
        }
        name
    }

    /// Sends records in a transaction and leaves it open.
    pub(crate) async fn open_transaction(&self, id: &str, topic: &str, values: &[&str]) -> OpenTransaction {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &self.kafka.bootstrap)
            .set("transactional.id", id)
            .create()
            .expect("a producer");
        producer.init_transactions(TIMEOUT).expect("the fence");
        producer.begin_transaction().expect("begun");
        send(&producer, topic, values);
        producer.flush(TIMEOUT).expect("sent");
        OpenTransaction(producer)
    }

    pub(crate) async fn clean_up(self) {
        let made = self.made.into_inner().expect("not poisoned");
        self.admin.delete_topics(&made).await.expect("deleted");
    }
}

impl OpenTransaction {
    /// The zombie wakes, sends more of what it had, and tries to commit.
    pub(crate) async fn wake_and_commit(self, topic: &str, values: &[&str]) -> Result<(), KafkaError> {
        send(&self.0, topic, values);
        self.0.commit_transaction(TIMEOUT)
    }
}

fn send(producer: &BaseProducer, topic: &str, values: &[&str]) {
    for value in values {
        // A fenced producer may refuse at once; the commit tells.
        let _ = producer.send(BaseRecord::<[u8], str>::to(topic).partition(0).payload(value));
    }
}

/// The processor time that this process has used.
pub(crate) fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("statistics");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks = |index: usize| fields[index].parse::<u64>().expect("ticks");
    // Fields 14 and 15, in hundredths of a second.
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}
