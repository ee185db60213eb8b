//! Reading a whole topic, from its beginning to its end: for tests and for the operator's tools.

use super::admin::partitions_of;
use super::poller::record;
use super::reach::{Context, Reach};
use super::settings::KafkaSettings;
use crate::edge::BrokerError;
use crate::record::Record;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeSet;
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
    mut with: impl AsyncFnMut(Vec<Record>) -> Result<(), BrokerError>,
) -> Result<(), BrokerError> {
    let reach = Reach::new(None);
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
    let failed = |error| reach.failed(format!("{topic} cannot be read"), error);
    let consumer = config.create_with_context(Context { reach: reach.clone() }).map_err(failed)?;
    let (found, mut some) = mpsc::channel(AHEAD_MAX);
    let reading = tokio::task::spawn_blocking(move || read(&consumer, topic, &found));
    let mut records = Vec::new();
    while some.recv_many(&mut records, AHEAD_MAX).await > 0 {
        with(std::mem::take(&mut records)).await?;
    }
    let read = reading.await.map_err(|error| BrokerError::caused(format!("{topic} was not read"), error))?;
    read.map_err(failed)
}

fn read(
    consumer: &BaseConsumer<Context>,
    topic: &'static str,
    found: &mpsc::Sender<Record>,
) -> Result<(), KafkaError> {
    let mut open: BTreeSet<i32> = partitions_of(consumer, topic)?.into_iter().collect();
    let mut assignment = TopicPartitionList::new();
    for partition in &open {
        assignment.add_partition_offset(topic, *partition, Offset::Beginning)?;
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
            // Brokers that come and go are waited for; the rest is for the caller.
            Some(Err(KafkaError::MessageConsumption(
                rdkafka::error::RDKafkaErrorCode::AllBrokersDown
                | rdkafka::error::RDKafkaErrorCode::BrokerTransportFailure,
            )))
            | None => {
                if last_progress.elapsed() > SILENCE {
                    return Err(KafkaError::NoMessageReceived);
                }
                continue;
            }
            Some(Err(error)) => return Err(error),
        }
        last_progress = Instant::now();
    }
    Ok(())
}
