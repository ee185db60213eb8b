//! Landing: a record is durable before its sender is answered.
//!
//! Idempotent and not transactional: nothing else is on this path. A record is never given up in less than five minutes,
//! since one that timed out may have been written all the same. When too much is on its way, `send` waits: a full
//! queue is back-pressure, not an error.

use super::publisher::{MESSAGE_BYTES_MAX, headers};
use super::reach::{self, Ask, Context, Reach, keep_watch_always};
use super::settings::KafkaSettings;
use super::unhurried::Unhurried;
use crate::edge::BrokerError;
use crate::health::Condition;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, ready};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

/// Bytes on their way at most; beyond it `send` waits.
const INFLIGHT_BYTES_MAX: u32 = 32 << 20;
/// What a record costs besides its bytes.
const RECORD_OVERHEAD_BYTES: usize = 256;
const FULL_WAIT: Duration = Duration::from_millis(5);

/// The place of a durable record in its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offset(pub i64);

/// One record to land.
#[derive(Clone, Copy, Debug)]
pub struct Landing<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition, by murmur2 of the key.
    pub partition: i32,
    /// The key's bytes.
    pub key: &'a [u8],
    /// The value's bytes.
    pub value: &'a [u8],
    /// CloudEvents attributes and `traceparent`.
    pub headers: &'a [(String, Vec<u8>)],
}

/// Lands records durably; one per service, shared by its connections.
pub struct LandingProducer {
    kafka: KafkaSettings,
    /// Made anew after a fatal error, since librdkafka takes nothing more on that one.
    producer: Mutex<Unhurried<Threaded>>,
    room: Arc<Semaphore>,
    reach: Reach,
}

/// A record on its way; resolves when all in-sync replicas have it. Dropped, the record is on its way all the same.
#[must_use = "a record is durable when this resolves, not before"]
pub struct Ack {
    receiver: oneshot::Receiver<Result<Offset, KafkaError>>,
    topic: String,
    partition: i32,
    reach: Reach,
}

impl LandingProducer {
    /// Starts the producer, within a Tokio runtime; that a broker answers is not needed.
    ///
    /// # Errors
    /// When the settings do not make a client.
    pub fn start(kafka: &KafkaSettings, condition: Option<Condition>) -> Result<Self, BrokerError> {
        let reach = Reach::new(condition);
        let producer = make(kafka, &reach)?;
        Ok(Self {
            kafka: kafka.clone(),
            producer: Mutex::new(producer),
            room: Arc::new(Semaphore::new(INFLIGHT_BYTES_MAX as usize)),
            reach,
        })
    }

    /// Waits until the topic's leaders are known and the producer has its identity, so that the first record does not
    /// wait a second for both.
    ///
    /// # Errors
    /// When that has not come about in time; try again.
    pub async fn warm_up(&self, topic: &str, timeout: Duration) -> Result<(), BrokerError> {
        let deadline = tokio::time::Instant::now() + timeout;
        let (producer, name) = (self.current()?, topic.to_owned());
        let mut identified = producer.client().context().identified.subscribe();
        let asking = tokio::task::spawn_blocking(move || {
            producer.client().fetch_metadata(Some(&name), timeout).map(|metadata| {
                let found = metadata.topics().iter().find(|found| found.name() == name);
                found.and_then(|found| found.error()).map(RDKafkaErrorCode::from)
            })
        });
        let what = || format!("the leaders of {topic} cannot be asked");
        match asking.await.map_err(|error| BrokerError::caused(what(), error))? {
            Err(error) => return Err(self.reach.failed(what(), error)),
            Ok(Some(code)) => return Err(self.reach.failed(what(), KafkaError::MetadataFetch(code))),
            Ok(None) => {}
        }
        let waited = tokio::time::timeout_at(deadline, identified.wait_for(|identified| *identified)).await;
        match waited {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => {
                Err(BrokerError::new("the cluster has not given the producer its identity in time"))
            }
        }
    }

    /// Hands a record to the producer. Records of one partition become durable in the order of these calls, if each is
    /// awaited before the next is made; their acknowledgements may be awaited later, all together.
    ///
    /// # Errors
    /// When the record cannot be taken at all: too large, or the client is of no use.
    pub async fn send(&self, landing: Landing<'_>) -> Result<Ack, BrokerError> {
        let Landing { topic, partition, .. } = landing;
        let permit = self.permit(&landing).await?;
        let (sender, receiver) = oneshot::channel();
        let mut waiting = Box::new(Waiting { sender, _permit: permit });
        loop {
            let base = BaseRecord::with_opaque_to(topic, waiting)
                .partition(partition)
                .key(landing.key)
                .payload(landing.value)
                .headers(headers(landing.headers));
            match self.current()?.send(base) {
                Ok(()) => {
                    return Ok(Ack {
                        receiver,
                        topic: topic.to_owned(),
                        partition,
                        reach: self.reach.clone(),
                    });
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), base)) => {
                    waiting = base.delivery_opaque;
                    tokio::time::sleep(FULL_WAIT).await;
                }
                Err((error, _)) => return Err(self.reach.failed(not_durable(topic, partition), error)),
            }
        }
    }

    /// Waits until nothing is on its way, for a drain.
    ///
    /// # Errors
    /// When something still is after this time.
    pub async fn flush(&self, timeout: Duration) -> Result<(), BrokerError> {
        let all = tokio::time::timeout(timeout, self.room.acquire_many(INFLIGHT_BYTES_MAX)).await;
        match all {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(BrokerError::new("records are still on their way to kafka")),
        }
    }

    async fn permit(&self, landing: &Landing<'_>) -> Result<OwnedSemaphorePermit, BrokerError> {
        let bytes = landing.key.len() + landing.value.len() + RECORD_OVERHEAD_BYTES;
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(INFLIGHT_BYTES_MAX);
        let acquired = self.room.clone().acquire_many_owned(bytes).await;
        acquired.map_err(|error| BrokerError::caused("the landing producer is closed", error))
    }

    fn current(&self) -> Result<Unhurried<Threaded>, BrokerError> {
        let mut producer = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((code, reason)) = producer.client().fatal_error() {
            tracing::warn!(%code, reason, "the landing producer is made anew");
            *producer = make(&self.kafka, &self.reach)?;
        }
        Ok(producer.clone())
    }
}

impl Future for Ack {
    type Output = Result<Offset, BrokerError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        let received = ready!(Pin::new(&mut self.receiver).poll(cx));
        Poll::Ready(match received {
            Ok(Ok(offset)) => {
                #[cfg(feature = "fault-points")]
                crate::fault::pass("landed", crate::fault::Side::After);
                Ok(offset)
            }
            Ok(Err(error)) => Err(self.reach.failed(not_durable(&self.topic, self.partition), error)),
            Err(gone) => Err(BrokerError::caused(not_durable(&self.topic, self.partition), gone)),
        })
    }
}

fn not_durable(topic: &str, partition: i32) -> String {
    format!("a record for {topic}/{partition} is not known to be durable")
}

type Threaded = ThreadedProducer<Acks>;

fn make(kafka: &KafkaSettings, reach: &Reach) -> Result<Unhurried<Threaded>, BrokerError> {
    let context = Acks { base: Context { reach: reach.clone() }, identified: watch::Sender::new(false) };
    let made = config(kafka).create_with_context::<_, Threaded>(context);
    let made = made.map_err(|error| reach.failed("the landing producer cannot be made", error))?;
    let producer = Unhurried::new(made);
    tokio::spawn(keep_watch_always(reach.clone(), producer.downgrade()));
    Ok(producer)
}

impl Ask for Threaded {
    fn ask(&self, timeout: Duration) -> Result<(), KafkaError> {
        reach::ask(self.client(), timeout)
    }
}

/// Whoever waits for a record, and the room it takes.
struct Waiting {
    sender: oneshot::Sender<Result<Offset, KafkaError>>,
    _permit: OwnedSemaphorePermit,
}

struct Acks {
    base: Context,
    identified: watch::Sender<bool>,
}

impl ClientContext for Acks {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        reach::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        reach::told(&self.base.reach, &error, reason);
    }

    /// The only place where librdkafka tells whether an idempotent producer has got its identity.
    fn stats_raw(&self, statistics: &[u8]) {
        const IDENTIFIED: &[u8] = br#""idemp_state": "Assigned""#;
        if !*self.identified.borrow() {
            let is_identified = statistics.windows(IDENTIFIED.len()).any(|window| window == IDENTIFIED);
            self.identified
                .send_if_modified(|identified| std::mem::replace(identified, is_identified) != is_identified);
        }
    }
}

impl ProducerContext for Acks {
    type DeliveryOpaque = Box<Waiting>;

    fn delivery(&self, result: &DeliveryResult<'_>, waiting: Box<Waiting>) {
        let result = match result {
            Ok(message) => Ok(Offset(message.offset())),
            Err((error, _)) => Err(error.clone()),
        };
        // Whoever waited may have gone; the record's room is free again all the same.
        let _ = waiting.sender.send(result);
    }
}

fn config(kafka: &KafkaSettings) -> ClientConfig {
    let mut config = kafka.client();
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        // A record that timed out may have been written: giving up early makes duplicates and breaks the order.
        .set("message.timeout.ms", "300000")
        // A lone message is sent at once; under load batches fill while earlier ones are on their way.
        .set("linger.ms", "0")
        .set("batch.size", "262144")
        .set("compression.type", "lz4")
        .set("message.max.bytes", MESSAGE_BYTES_MAX)
        .set("queue.buffering.max.kbytes", "131072")
        .set("statistics.interval.ms", "200");
    config
}
