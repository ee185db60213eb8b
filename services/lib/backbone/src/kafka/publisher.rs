//! Publishing under a fence: one transaction per call, by a producer that holds a transactional id.
//!
//! The id is there for the fence only: whatever an earlier holder still has in its buffer is refused by the broker.
//! Nothing else of Kafka's transactions is relied on. Any error or time-out ends the producer; there is no second
//! transaction on it and no recovery but going back to the lease.

use super::marks::KafkaMarks;
use super::reach::{self, Ask, Context, Reach, keep_watch_always};
use super::settings::KafkaSettings;
use super::unhurried::Unhurried;
use crate::edge::{BrokerError, Producer, Publisher};
use crate::health::Condition;
use crate::mutant::{self, Mutant};
use crate::record::{Marks, OutRecord};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The lowest transaction time-out that librdkafka takes.
const TIMEOUT_MIN: Duration = Duration::from_secs(1);
/// How long a full queue is given to drain before it is looked at again.
const FULL_WAIT: Duration = Duration::from_millis(5);
/// How much longer than it was told a call of librdkafka may take.
const OVERTIME: Duration = Duration::from_secs(2);

/// Makes fenced producers.
pub struct KafkaPublisher {
    kafka: KafkaSettings,
    timeout: Duration,
    reach: Reach,
    marks: Option<Arc<KafkaMarks>>,
}

impl KafkaPublisher {
    /// A publisher whose transactions end within the lease, whatever happens to the process.
    pub fn new(kafka: &KafkaSettings, lease: Duration, condition: Option<Condition>) -> Self {
        let (timeout, reach) = (lease.max(TIMEOUT_MIN), Reach::new(condition));
        Self { kafka: kafka.clone(), timeout, reach, marks: None }
    }

    /// The same, leaving marks there, and settling at the fence what was left there before. Without, none are left.
    #[must_use]
    pub fn leaving(self, marks: Arc<KafkaMarks>) -> Self {
        Self { marks: Some(marks), ..self }
    }
}

impl Publisher for KafkaPublisher {
    type Producer = KafkaProducer;

    async fn fence(&self, transactional_id: &str) -> Result<KafkaProducer, BrokerError> {
        let (timeout, reach) = (self.timeout, self.reach.clone());
        let unfenced = mutant::is(Mutant::RelayWithoutFence).then(|| uuid::Uuid::new_v4().to_string());
        let config = config(&self.kafka, unfenced.as_deref().unwrap_or(transactional_id), timeout);
        let (id, kept) = (transactional_id.to_owned(), self.marks.clone());
        let fencing = move || {
            let context = Deliveries { base: Context { reach: reach.clone() }, failed: Mutex::default() };
            let made = config.create_with_context::<_, Threaded>(context);
            let client =
                Unhurried::new(made.map_err(|error| reach.failed("the producer cannot be made", error))?);
            let fenced = client.init_transactions(timeout);
            fenced.map_err(|error| reach.failed(format!("the fence of {id} was not confirmed"), error))?;
            if let Some(kept) = kept {
                let settled = settle(&client, &kept, timeout);
                settled.map_err(|error| reach.failed(format!("the marks of {id} are not settled"), error))?;
            }
            Ok(client)
        };
        let client = in_time("taking the fence", 3 * timeout, fencing).await??;
        self.reach.reached();
        tokio::spawn(keep_watch_always(self.reach.clone(), client.downgrade()));
        let (reach, marks) = (self.reach.clone(), self.marks.clone());
        Ok(KafkaProducer { client: Some(client), timeout, reach, marks })
    }
}

/// A producer that holds the fence of its transactional id.
pub struct KafkaProducer {
    /// Gone after the first error, and while a transaction runs, so that a call that was dropped half-way ends it too.
    client: Option<Unhurried<Threaded>>,
    timeout: Duration,
    reach: Reach,
    marks: Option<Arc<KafkaMarks>>,
}

impl Producer for KafkaProducer {
    async fn publish(&mut self, records: &[OutRecord], marks: &Marks) -> Result<(), BrokerError> {
        let ended =
            || BrokerError::new("the producer has ended: an earlier transaction on it was not confirmed");
        let client = self.client.take().ok_or_else(ended)?;
        let deadline = Instant::now() + self.timeout;
        let failed = |what: &str, error| self.reach.failed(what, error);

        client.begin_transaction().map_err(|error| failed("the transaction cannot begin", error))?;
        for record in records {
            enqueue(&client, record, deadline).await.map_err(|error| {
                let OutRecord { topic, partition, seq, .. } = record;
                failed(&format!("row {seq} cannot be sent to {topic}/{partition}"), error)
            })?;
        }
        #[cfg(feature = "fault-points")]
        crate::fault::pass("publish", crate::fault::Side::Inside);
        let leaving = self.marks.clone().map(|kept| (kept, marks.clone()));
        let committing = move || {
            let committed = commit(&client, leaving, deadline);
            (client, committed)
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let (client, committed) = in_time("the commit", left, committing).await?;
        if let Err(error) = committed {
            // Why a record failed says more than that its transaction did.
            let cause = client.client().context().take_failure();
            let what = cause.map_or_else(
                || "the transaction was not confirmed".to_owned(),
                |cause| format!("the transaction was not confirmed, since a record was not: {cause}"),
            );
            return Err(failed(&what, error));
        }
        self.reach.reached();
        self.client = Some(client);
        Ok(())
    }
}

type Threaded = ThreadedProducer<Deliveries>;

impl Ask for Threaded {
    fn ask(&self, timeout: Duration) -> Result<(), KafkaError> {
        reach::ask(self.client(), timeout)
    }
}

/// Waits for calls of librdkafka that block. Sending offsets to a transaction takes no notice of its time-out while the group's
/// coordinator is away, and may then never come back (librdkafka, issue 5456): it is left to itself, and its client with it.
async fn in_time<T: Send + 'static>(
    what: &str,
    time: Duration,
    calls: impl FnOnce() -> T + Send + 'static,
) -> Result<T, BrokerError> {
    let calling = tokio::task::spawn_blocking(calls);
    match tokio::time::timeout(time + OVERTIME, calling).await {
        Ok(ended) => ended.map_err(|error| BrokerError::caused(format!("{what} was cut short"), error)),
        Err(_) => Err(BrokerError::new(format!("{what} has not ended in {time:?}, and is given up"))),
    }
}

async fn enqueue(producer: &Threaded, record: &OutRecord, deadline: Instant) -> Result<(), KafkaError> {
    loop {
        let base = BaseRecord::<[u8], [u8]>::to(&record.topic).partition(record.partition).key(&record.key);
        let base = match &record.value {
            Some(value) => base.payload(value),
            None => base,
        };
        match producer.send(base.headers(headers(&record.headers))) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _))
                if Instant::now() < deadline =>
            {
                tokio::time::sleep(FULL_WAIT).await;
            }
            Err((error, _)) => return Err(error),
        }
    }
}

/// Headers as rdkafka has them.
pub(crate) fn headers(pairs: &[(String, Vec<u8>)]) -> OwnedHeaders {
    let empty = OwnedHeaders::new_with_capacity(pairs.len());
    pairs.iter().fold(empty, |headers, (key, value)| headers.insert(Header { key, value: Some(value) }))
}

/// Ends what an earlier holder left open at the marks. A broker that was killed and comes back may end that transaction and
/// tell none of its partitions (Kafka 4.3.1: `docs/adr/0012`); the marks stay pending then, and whoever asks for them waits,
/// until a transaction of this transactional id that touches them ends. This one is given up.
fn settle(producer: &Threaded, kept: &KafkaMarks, timeout: Duration) -> Result<(), KafkaError> {
    let (offsets, group) = kept.leave(&Marks::new())?;
    producer.begin_transaction()?;
    producer.send_offsets_to_transaction(&offsets, &group, timeout)?;
    producer.abort_transaction(timeout)
}

fn commit(
    producer: &Threaded,
    leaving: Option<(Arc<KafkaMarks>, Marks)>,
    deadline: Instant,
) -> Result<(), KafkaError> {
    let left = || deadline.saturating_duration_since(Instant::now());
    // Sent while the records are on their way.
    if let Some((kept, marks)) = leaving {
        let (offsets, group) = kept.leave(&marks)?;
        producer.send_offsets_to_transaction(&offsets, &group, left())?;
    }
    producer.flush(left())?;
    #[cfg(feature = "fault-points")]
    crate::fault::pass("flush", crate::fault::Side::After);
    producer.commit_transaction(left())
}

/// Keeps why the first record of a transaction failed.
struct Deliveries {
    base: Context,
    failed: Mutex<Option<KafkaError>>,
}

impl Deliveries {
    fn take_failure(&self) -> Option<KafkaError> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        reach::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        reach::told(&self.base.reach, &error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error.clone());
        }
    }
}

fn config(kafka: &KafkaSettings, transactional_id: &str, timeout: Duration) -> ClientConfig {
    let timeout_ms = timeout.as_millis().to_string();
    let mut config = kafka.client();
    config
        .set("transactional.id", transactional_id)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("transaction.timeout.ms", &timeout_ms)
        // A record that is late fails its transaction; the next producer sends it again.
        .set("message.timeout.ms", &timeout_ms)
        .set("compression.type", "lz4")
        .set("batch.size", "262144")
        .set("message.max.bytes", MESSAGE_BYTES_MAX)
        .set("queue.buffering.max.kbytes", "65536")
        // The commit sends what is there at once; until then batches may fill.
        .set("linger.ms", "5");
    config
}

/// The largest request a producer makes; what a topic takes is the topic's own configuration.
pub(crate) const MESSAGE_BYTES_MAX: &str = "16777216";

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn a_call_that_does_not_come_back_is_given_up() {
        let (end, ended) = mpsc::channel::<()>();
        let call = in_time("the commit", Duration::ZERO, move || ended.recv().is_ok());
        let given_up = tokio::time::timeout(Duration::from_secs(60), call).await;
        let error = given_up.expect("it is not waited for").expect_err("it did not end");
        assert!(error.to_string().contains("the commit has not ended"), "{error}");
        drop(end);
        assert_eq!(in_time("a call", Duration::ZERO, || 7).await.expect("its answer"), 7);
    }
}
