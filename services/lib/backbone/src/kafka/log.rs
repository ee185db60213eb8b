//! Reading lanes: one consumer and one thread for all lanes of a processor.
//!
//! ```text
//!   broker ──▶ librdkafka ──▶ a queue per partition ──▶ the thread ──▶ a bounded buffer per lane ──▶ KafkaReader
//! ```
//! Partitions are assigned at the positions that the ledger holds, without the group protocol, and taken away when
//! the lane's reader is dropped; other lanes do not notice. The thread takes from a partition's queue only while the
//! lane's buffer has room, so that a slow lane holds nobody up and nothing is paused (resuming stalls for up to a
//! second). It sleeps when nothing is there and is woken by librdkafka, by readers that made room, and by commands.

use super::lane::{Bounds, Buffer, KafkaReader};
use super::poller::Poller;
use super::reach::{Context, Reach, Watched, keep_watch};
use super::settings::KafkaSettings;
use crate::edge::{BEGINNING, BrokerError, Log};
use crate::health::Condition;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::Thread;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// At most so often is a consumer made anew.
const RENEWED_EVERY: Duration = Duration::from_secs(5);

/// How lanes are read.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// The name that positions are committed under for lag tools: the service's and the processor's.
    pub group: String,
    /// Records kept ready per lane at most.
    pub lane_records_max: usize,
    /// Bytes kept ready per lane at most; one batch of the broker's may exceed it.
    pub lane_bytes_max: usize,
    /// Bytes that librdkafka fetches ahead per partition.
    pub prefetch_bytes: usize,
}

impl LogSettings {
    /// What has been measured to serve: a few megabytes a lane.
    pub fn new(group: impl Into<String>) -> Self {
        Self {
            group: group.into(),
            lane_records_max: 10_000,
            lane_bytes_max: 4 << 20,
            prefetch_bytes: 2 << 20,
        }
    }
}

/// Kafka as the core reads it. One per processor: a partition can be read at one position at a time.
pub struct KafkaLog {
    inner: Arc<Inner>,
}

struct Inner {
    config: ClientConfig,
    live: Mutex<Live>,
    bounds: Bounds,
    ids: AtomicU64,
    reach: Reach,
}

/// A consumer and its thread.
#[derive(Clone)]
struct Live {
    consumer: Arc<BaseConsumer<Context>>,
    commands: mpsc::UnboundedSender<Command>,
    thread: Thread,
}

impl Live {
    fn start(config: &ClientConfig, reach: &Reach) -> Result<Self, BrokerError> {
        let consumer: BaseConsumer<Context> = config
            .create_with_context(Context { reach: reach.clone() })
            .map_err(|error| reach.failed("the consumer cannot be made", error))?;
        let consumer = Arc::new(consumer);
        let (commands, inbox) = mpsc::unbounded_channel();
        let poller = Poller::new(consumer.clone(), inbox, reach.clone());
        let spawned = std::thread::Builder::new().name("kafka-log".to_owned()).spawn(move || poller.run());
        let handle = spawned.map_err(|error| BrokerError::caused("no thread for the consumer", error))?;
        Ok(Self { consumer, commands, thread: handle.thread().clone() })
    }

    /// Fails the lanes that are open, and ends the thread.
    fn stop(&self) {
        // The thread may have ended before.
        let _ = self.commands.send(Command::Stop);
        self.thread.unpark();
    }
}

impl Inner {
    fn live(&self) -> Live {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another consumer in the place of one that the cluster was away from; its lanes fail, and are opened anew.
    fn renew(&self) {
        match Live::start(&self.config, &self.reach) {
            Ok(live) => {
                let before =
                    std::mem::replace(&mut *self.live.lock().unwrap_or_else(PoisonError::into_inner), live);
                before.stop();
            }
            Err(error) => tracing::warn!(%error, "the consumer was not made anew and goes on as it is"),
        }
    }
}

/// Watches over the consumer that is there, as long as anybody reads.
///
/// One that the cluster was away from is thrown away: librdkafka's was seen to fetch nothing any more, without an error, when
/// a broker had stood still and come back as leader of a further epoch.
async fn keep_reading(inner: Weak<Inner>) {
    let mut renewed = Instant::now();
    loop {
        let Some(alive) = inner.upgrade() else { return };
        let (reach, consumer) = (alive.reach.clone(), Arc::downgrade(&alive.live().consumer));
        drop(alive);
        match keep_watch(reach, consumer).await {
            Watched::CameBack => {
                // A cluster that comes and goes: what is read between is read.
                tokio::time::sleep_until(renewed + RENEWED_EVERY).await;
                renewed = Instant::now();
                inner.upgrade().into_iter().for_each(|inner| inner.renew());
            }
            Watched::Ended => return,
        }
    }
}

/// What the thread is asked to do.
pub(crate) enum Command {
    Open { request: Request, reply: oneshot::Sender<Result<(), BrokerError>> },
    Close(u64),
    Stop,
}

/// A lane to be opened.
pub(crate) struct Request {
    pub(crate) id: u64,
    pub(crate) lane: i32,
    pub(crate) positions: Vec<(&'static str, i64)>,
    pub(crate) buffer: Arc<Buffer>,
}

impl KafkaLog {
    /// Starts the consumer and its thread, within a Tokio runtime. The condition of readiness says whether the cluster
    /// is reached.
    ///
    /// # Errors
    /// When the settings do not make a client, or no thread can be had. That a broker answers is not needed.
    pub fn start(
        kafka: &KafkaSettings,
        settings: &LogSettings,
        condition: Option<Condition>,
    ) -> Result<Self, BrokerError> {
        let reach = Reach::new(condition);
        let config = config(kafka, settings);
        let live = Mutex::new(Live::start(&config, &reach)?);
        let bounds = Bounds { records: settings.lane_records_max, bytes: settings.lane_bytes_max };
        let inner = Arc::new(Inner { config, live, bounds, ids: AtomicU64::new(0), reach });
        tokio::spawn(keep_reading(Arc::downgrade(&inner)));
        Ok(Self { inner })
    }

    /// Commits positions under the group's name, for lag tools and autoscalers. Nobody waits for it, and nothing rests
    /// on it: the positions that count lie in the ledger.
    pub fn commit(&self, positions: &[(&str, i32, i64)]) {
        let committed = offsets(positions.iter().copied())
            .and_then(|offsets| self.inner.live().consumer.commit(&offsets, CommitMode::Async));
        if let Err(error) = committed {
            tracing::debug!(%error, "positions were not committed to kafka");
        }
    }

    /// The lowest offset held and the last stable offset of one partition.
    ///
    /// # Errors
    /// When the broker does not tell.
    pub async fn bounds(&self, topic: &'static str, partition: i32) -> Result<(i64, i64), BrokerError> {
        let consumer = self.inner.live().consumer;
        let asked =
            tokio::task::spawn_blocking(move || consumer.fetch_watermarks(topic, partition, ASK_TIMEOUT));
        let what = || format!("the ends of {topic}/{partition} cannot be asked");
        let answer = asked.await.map_err(|error| BrokerError::caused(what(), error))?;
        answer.map_err(|error| self.inner.reach.failed(what(), error))
    }

    /// The offset to begin at, which the topic holds or will hold next.
    async fn position(
        &self,
        topic: &'static str,
        lane: i32,
        position: i64,
    ) -> Result<(&'static str, i64), BrokerError> {
        let (low, end) = self.bounds(topic, lane).await?;
        if position == BEGINNING {
            return Ok((topic, low));
        }
        if (low..=end).contains(&position) {
            return Ok((topic, position));
        }
        let why = if position < low {
            "records that were not read have been deleted"
        } else {
            "the topic is behind the ledger: it was made anew, or lost records"
        };
        Err(BrokerError::new(format!(
            "{topic}/{lane} holds offsets {low} to {end} and the ledger's position is {position}: {why}"
        )))
    }
}

impl Log for KafkaLog {
    type Reader = KafkaReader;

    async fn open(&self, lane: i32, positions: &[(&'static str, i64)]) -> Result<KafkaReader, BrokerError> {
        let asked = positions.iter().map(|(topic, position)| self.position(topic, lane, *position));
        let positions = futures::future::try_join_all(asked).await?;
        let Inner { bounds, ids, .. } = &*self.inner;
        let Live { commands, thread, .. } = self.inner.live();
        let id = ids.fetch_add(1, Ordering::Relaxed);
        let buffer = Arc::new(Buffer::new(*bounds, positions.len()));
        // From here on a drop of this future closes the lane again, since it drops the reader.
        let reader =
            KafkaReader { id, buffer: buffer.clone(), commands: commands.clone(), thread: thread.clone() };
        let (reply, opened) = oneshot::channel();
        let request = Request { id, lane, positions, buffer };
        let gone = || BrokerError::new("the consumer's thread has ended");
        commands.send(Command::Open { request, reply }).map_err(|_| gone())?;
        thread.unpark();
        opened.await.map_err(|_| gone())??;
        Ok(reader)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.live().stop();
    }
}

/// A list of positions as rdkafka has it.
pub(crate) fn offsets<'a>(
    positions: impl IntoIterator<Item = (&'a str, i32, i64)>,
) -> Result<TopicPartitionList, rdkafka::error::KafkaError> {
    let mut list = TopicPartitionList::new();
    for (topic, partition, offset) in positions {
        list.add_partition_offset(topic, partition, Offset::Offset(offset))?;
    }
    Ok(list)
}

fn config(kafka: &KafkaSettings, settings: &LogSettings) -> ClientConfig {
    let mut config = kafka.client();
    config
        .set("group.id", &settings.group)
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // A position that the topic does not hold is for a person to look at, never for a client to skip.
        .set("auto.offset.reset", "error")
        // A reader knows by it that it has come to the end: silence may be a slow broker's.
        .set("enable.partition.eof", "true")
        .set("check.crcs", "true")
        // An idle fetch comes back so often; a lane that is opened waits for it. New records end it at once.
        .set("fetch.wait.max.ms", "100")
        .set("fetch.error.backoff.ms", "100")
        .set("fetch.queue.backoff.ms", "10")
        .set("fetch.max.bytes", "8388608")
        .set("queued.min.messages", "100000")
        .set("queued.max.messages.kbytes", (settings.prefetch_bytes / 1024).max(1).to_string());
    config
}
