//! The thread that takes records from the partitions' queues to the lanes' buffers.

use super::lane::{Bounds, Buffer};
use super::log::{Command, Request, offsets};
use super::reach::{Context, Reach};
use crate::edge::BrokerError;
use crate::record::Record;
use canon::time::Timestamp;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// The longest sleep. Wake-ups make it short; this is for one that librdkafka might lose.
const NAP: Duration = Duration::from_millis(100);
/// Records taken from one partition before the lane's next one has its turn.
const TURN: usize = 256;
/// Events of the consumer itself served in one round.
const EVENTS: usize = 16;

pub(crate) struct Poller {
    consumer: Arc<BaseConsumer<Context>>,
    inbox: mpsc::UnboundedReceiver<Command>,
    lanes: BTreeMap<u64, Lane>,
    reach: Reach,
    batch: Vec<Record>,
}

struct Lane {
    number: i32,
    sources: Vec<Source>,
    buffer: Arc<Buffer>,
    failed: bool,
}

struct Source {
    topic: &'static str,
    partition: i32,
    queue: PartitionQueue<Context>,
    /// The lowest offset that may come: what was read before must not come again.
    next: i64,
    /// Nothing more was there when librdkafka looked last, and whether the buffer was told so.
    ended: Option<bool>,
}

impl Poller {
    pub(crate) fn new(
        consumer: Arc<BaseConsumer<Context>>,
        inbox: mpsc::UnboundedReceiver<Command>,
        reach: Reach,
    ) -> Self {
        Self { consumer, inbox, lanes: BTreeMap::new(), reach, batch: Vec::with_capacity(TURN) }
    }

    /// Works until it is told to stop, or everybody who could tell is gone.
    pub(crate) fn run(mut self) {
        loop {
            loop {
                match self.inbox.try_recv() {
                    Ok(Command::Open { request, reply }) => {
                        let id = request.id;
                        let opened = self.open(request);
                        // Whoever asked may be gone; then its lane is closed again.
                        if reply.send(opened).is_err() {
                            self.close(id);
                        }
                    }
                    Ok(Command::Close(id)) => self.close(id),
                    Ok(Command::Stop) | Err(mpsc::error::TryRecvError::Disconnected) => return self.stop(),
                    Err(mpsc::error::TryRecvError::Empty) => break,
                }
            }
            self.serve_events();
            let mut moved = 0;
            for lane in self.lanes.values_mut() {
                moved += lane.fill(&mut self.batch, &self.reach);
            }
            if moved == 0 {
                std::thread::park_timeout(NAP);
            }
        }
    }

    fn open(&mut self, request: Request) -> Result<(), BrokerError> {
        let Request { id, lane: number, positions, buffer } = request;
        let what = |topic: &str| format!("lane {number}: {topic}/{number}");
        for (topic, _) in &positions {
            let mut sources = self.lanes.values().flat_map(|lane| &lane.sources);
            if sources.any(|source| source.topic == *topic && source.partition == number) {
                return Err(BrokerError::new(format!("{} is being read already", what(topic))));
            }
        }
        let mut sources = Vec::new();
        for (topic, next) in &positions {
            // Before it is assigned, so that nothing comes by the consumer's own queue.
            let split = self.consumer.split_partition_queue(topic, number);
            let mut queue = split.ok_or_else(|| BrokerError::new(format!("{} has no queue", what(topic))))?;
            let thread = std::thread::current();
            queue.set_nonempty_callback(move || thread.unpark());
            sources.push(Source { topic, partition: number, queue, next: *next, ended: None });
        }
        let assigned = offsets(positions.iter().map(|(topic, next)| (*topic, number, *next)))
            .and_then(|offsets| self.consumer.incremental_assign(&offsets));
        assigned.map_err(|error| self.reach.failed(format!("lane {number} cannot be assigned"), error))?;
        self.lanes.insert(id, Lane { number, sources, buffer, failed: false });
        Ok(())
    }

    fn close(&mut self, id: u64) {
        let Some(lane) = self.lanes.remove(&id) else {
            return;
        };
        let taken = offsets(lane.sources.iter().map(|source| (source.topic, source.partition, 0)))
            .and_then(|offsets| self.consumer.incremental_unassign(&offsets));
        if let Err(error) = taken {
            tracing::warn!(lane = lane.number, %error, "a lane's partitions were not taken away");
        }
        // What was fetched and not read must not be met by whoever opens the partition next.
        for source in &lane.sources {
            while source.queue.poll(Duration::ZERO).is_some() {}
        }
    }

    fn stop(mut self) {
        let open: Vec<u64> = self.lanes.keys().copied().collect();
        for id in open {
            if let Some(lane) = self.lanes.get_mut(&id) {
                lane.fail(BrokerError::new(
                    "the consumer has been stopped, or is made anew since the cluster was away",
                ));
            }
            self.close(id);
        }
    }

    /// Errors that concern no partition, and log lines, come by the consumer's own queue.
    fn serve_events(&mut self) {
        for _ in 0..EVENTS {
            match self.consumer.poll(Duration::ZERO) {
                None => return,
                // The context has been told.
                Some(Err(error)) => tracing::debug!(%error, "the consumer complains"),
                Some(Ok(message)) => {
                    let (topic, partition) = (message.topic(), message.partition());
                    let lane = self.lanes.values_mut().find(|lane| {
                        lane.sources
                            .iter()
                            .any(|source| source.topic == topic && source.partition == partition)
                    });
                    if let Some(lane) = lane {
                        lane.fail(BrokerError::new(format!("{topic}/{partition} came by another queue")));
                    }
                }
            }
        }
    }
}

impl Lane {
    /// Moves what is there and has room; returns how much it was.
    fn fill(&mut self, batch: &mut Vec<Record>, reach: &Reach) -> usize {
        if self.failed {
            return 0;
        }
        let mut room = self.buffer.room();
        let mut moved = 0;
        let mut wrong = None;
        for source in &mut self.sources {
            if let Err(error) = source.take(&mut room, batch) {
                wrong = Some(
                    reach.failed(format!("{}/{} cannot be read", source.topic, source.partition), error),
                );
            }
            moved += batch.len();
            self.buffer.put(batch);
            if source.ended == Some(false) {
                self.buffer.end(source.topic);
                source.ended = Some(true);
            }
        }
        if let Some(error) = wrong {
            self.fail(error);
        }
        moved
    }

    fn fail(&mut self, error: BrokerError) {
        self.failed = true;
        self.buffer.fail(error);
    }
}

impl Source {
    fn take(&mut self, room: &mut Bounds, batch: &mut Vec<Record>) -> Result<(), KafkaError> {
        while batch.len() < TURN && !room.is_none() {
            match self.queue.poll(Duration::ZERO) {
                None => return Ok(()),
                Some(Err(KafkaError::PartitionEOF(_))) => self.ended = Some(false),
                Some(Ok(message)) if message.offset() < self.next => {
                    tracing::warn!(topic = self.topic, partition = self.partition, "a record came again");
                }
                Some(Ok(message)) => {
                    (self.next, self.ended) = (message.offset() + 1, None);
                    let record = record(self.topic, &message);
                    *room = room.less(&record);
                    batch.push(record);
                }
                Some(Err(error)) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Copies a record out of librdkafka's memory.
pub(crate) fn record(topic: &'static str, message: &BorrowedMessage<'_>) -> Record {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        let pair = |header: rdkafka::message::Header<'_, &[u8]>| {
            (header.key.to_owned(), header.value.unwrap_or_default().to_vec())
        };
        headers.iter().map(pair).collect()
    });
    Record {
        topic,
        partition: message.partition(),
        offset: message.offset(),
        timestamp: Timestamp::from_millis(message.timestamp().to_millis().unwrap_or(0)),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers,
    }
}
