//! Reading a topic to its end, whole, in part, or at single places: for tests and for the operator's tools.

use super::admin::partitions_of;
use super::poller::record;
use super::reach::{Context, Reach};
use super::settings::KafkaSettings;
use crate::edge::BrokerError;
use crate::record::Record;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use uuid::Uuid;

/// How long nothing may come before the topic's end.
const SILENCE: Duration = Duration::from_secs(15);
/// Records read ahead of whoever takes them.
const AHEAD_MAX: usize = 1_000;

/// Which records are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visible {
    /// Those of committed transactions, as services see them.
    Committed,
    /// Also those of transactions that are open or were aborted.
    All,
}

/// Every record of a topic that is visible now, by partition and offset.
///
/// # Errors
/// When the topic is not there, cannot be read, or its end is not reached for want of any progress.
pub async fn tail(
    kafka: &KafkaSettings,
    topic: &'static str,
    visible: Visible,
) -> Result<Vec<Record>, BrokerError> {
    let mut records = Vec::new();
    let all = async |some| {
        records.extend(some);
        Ok(())
    };
    each(kafka, topic, visible, all).await?;
    records.sort_by_key(|record| (record.partition, record.offset));
    Ok(records)
}

/// Hands on every record of a topic that is visible now, some at a time, those of a partition in their order. What is not
/// handed on yet is not read far ahead, so that a topic of any length can be gone through.
///
/// # Errors
/// When the topic is not there, cannot be read, or its end is not reached for want of any progress; and whatever `with`
/// says.
pub async fn each(
    kafka: &KafkaSettings,
    topic: &'static str,
    visible: Visible,
    with: impl AsyncFnMut(Vec<Record>) -> Result<(), BrokerError>,
) -> Result<(), BrokerError> {
    go_through(kafka, topic, None, visible, with).await
}

/// The same of some partitions, each from an offset on.
///
/// # Errors
/// As [`each`]; and when an offset lies outside what the topic holds.
pub async fn each_from(
    kafka: &KafkaSettings,
    topic: &'static str,
    from: BTreeMap<i32, i64>,
    visible: Visible,
    with: impl AsyncFnMut(Vec<Record>) -> Result<(), BrokerError>,
) -> Result<(), BrokerError> {
    go_through(kafka, topic, Some(from), visible, with).await
}

/// The committed records at single places, partition and offset; those that are not there (any more) are left out.
///
/// # Errors
/// When the topic cannot be read.
pub async fn records_at(
    kafka: &KafkaSettings,
    topic: &'static str,
    places: BTreeSet<(i32, i64)>,
) -> Result<Vec<Record>, BrokerError> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let reach = Reach::new(None);
    let failed = |error| reach.failed(format!("{topic} cannot be read"), error);
    let consumer = consumer(kafka, Visible::Committed, &reach).map_err(failed)?;
    let reading = tokio::task::spawn_blocking(move || {
        let found = places.into_iter().map(|place| read_at(&consumer, topic, place));
        found.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()
    });
    let read = reading.await.map_err(|error| BrokerError::caused(format!("{topic} was not read"), error))?;
    read.map_err(failed)
}

fn read_at(
    consumer: &BaseConsumer<Context>,
    topic: &'static str,
    (partition, offset): (i32, i64),
) -> Result<Option<Record>, KafkaError> {
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, partition, Offset::Offset(offset))?;
    consumer.assign(&assignment)?;
    let began = Instant::now();
    while began.elapsed() < SILENCE {
        match consumer.poll(Duration::from_millis(100)) {
            // What an assignment before this one fetched may still come.
            Some(Ok(message)) if message.partition() != partition || message.offset() < offset => {}
            Some(Ok(message)) => {
                return Ok((message.offset() == offset).then(|| record(topic, &message)));
            }
            Some(Err(KafkaError::PartitionEOF(at))) if at == partition => return Ok(None),
            // Deleted meanwhile, or never there.
            Some(Err(KafkaError::MessageConsumption(
                rdkafka::error::RDKafkaErrorCode::OffsetOutOfRange
                | rdkafka::error::RDKafkaErrorCode::AutoOffsetReset,
            ))) => return Ok(None),
            Some(Err(error)) if !is_passing(&error) => return Err(error),
            Some(Err(_)) | None => {}
        }
    }
    Err(KafkaError::NoMessageReceived)
}

async fn go_through(
    kafka: &KafkaSettings,
    topic: &'static str,
    from: Option<BTreeMap<i32, i64>>,
    visible: Visible,
    mut with: impl AsyncFnMut(Vec<Record>) -> Result<(), BrokerError>,
) -> Result<(), BrokerError> {
    let reach = Reach::new(None);
    let failed = |error| reach.failed(format!("{topic} cannot be read"), error);
    let consumer = consumer(kafka, visible, &reach).map_err(failed)?;
    let (found, mut some) = mpsc::channel(AHEAD_MAX);
    let reading = tokio::task::spawn_blocking(move || read(&consumer, topic, from, &found));
    let mut records = Vec::new();
    while some.recv_many(&mut records, AHEAD_MAX).await > 0 {
        with(std::mem::take(&mut records)).await?;
    }
    let read = reading.await.map_err(|error| BrokerError::caused(format!("{topic} was not read"), error))?;
    read.map_err(failed)
}

fn consumer(
    kafka: &KafkaSettings,
    visible: Visible,
    reach: &Reach,
) -> Result<BaseConsumer<Context>, KafkaError> {
    let mut config = kafka.client();
    config
        .set("group.id", format!("vertebra-tail-{}", Uuid::new_v4()))
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("enable.partition.eof", "true")
        .set("check.crcs", "true")
        .set("fetch.wait.max.ms", "50")
        .set(
            "isolation.level",
            match visible {
                Visible::Committed => "read_committed",
                Visible::All => "read_uncommitted",
            },
        );
    config.create_with_context(Context { reach: reach.clone() })
}

fn read(
    consumer: &BaseConsumer<Context>,
    topic: &'static str,
    from: Option<BTreeMap<i32, i64>>,
    found: &mpsc::Sender<Record>,
) -> Result<(), KafkaError> {
    let from: BTreeMap<i32, Offset> = match from {
        Some(from) => {
            from.into_iter().map(|(partition, offset)| (partition, Offset::Offset(offset))).collect()
        }
        None => {
            let all = partitions_of(consumer, topic)?.into_iter();
            all.map(|partition| (partition, Offset::Beginning)).collect()
        }
    };
    let mut open: BTreeSet<i32> = from.keys().copied().collect();
    let mut assignment = TopicPartitionList::new();
    for (partition, offset) in from {
        assignment.add_partition_offset(topic, partition, offset)?;
    }
    consumer.assign(&assignment)?;
    let mut last_progress = Instant::now();
    while !open.is_empty() {
        match consumer.poll(Duration::from_millis(100)) {
            // Nobody wants any more.
            Some(Ok(message)) if found.blocking_send(record(topic, &message)).is_err() => return Ok(()),
            Some(Ok(_)) => {}
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                open.remove(&partition);
            }
            Some(Err(error)) if !is_passing(&error) => return Err(error),
            Some(Err(_)) | None => {
                if last_progress.elapsed() > SILENCE {
                    return Err(KafkaError::NoMessageReceived);
                }
                continue;
            }
        }
        last_progress = Instant::now();
    }
    Ok(())
}

/// Brokers that come and go are waited for; the rest is for the caller.
fn is_passing(error: &KafkaError) -> bool {
    use rdkafka::error::RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure};
    matches!(error, KafkaError::MessageConsumption(AllBrokersDown | BrokerTransportFailure))
}
