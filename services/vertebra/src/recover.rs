//! Bringing a ledger that went back in time up to what was published from it.
//!
//! Consumes a service's output topics and its marks at the broker; gives a report. [`recover`] changes the ledger only when
//! it is told to, and then first takes the fence of the service's relays, so that nothing of a process that still runs on
//! the old ledger is published afterwards.

use crate::ledger::LedgerError;
use backbone::contract::SchemaSource;
use backbone::edge::{BrokerError, Publisher, Witness};
use backbone::kafka::{KafkaMarks, KafkaPublisher, KafkaSettings, Visible, each};
use backbone::postgres::{PostgresStore, look};
use backbone::record::{Marks, Record};
use backbone::recover::{Found, How, Reading, Recover};
use backbone::registry::Registry;
use backbone::transactional_id;
use canon::{Catalog, DeadLetter, Event};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How every event that services publish from a ledger is read. What lands is published from none.
pub const READINGS: [fn() -> Reading; 20] = [
    Reading::of::<canon::Appointment>,
    Reading::of::<canon::Audit>,
    Reading::of::<canon::Case>,
    Reading::of::<canon::Charge>,
    Reading::of::<canon::Code>,
    Reading::of::<canon::Consumption>,
    Reading::of::<canon::DeadLetter>,
    Reading::of::<canon::Encounter>,
    Reading::of::<canon::Invoice>,
    Reading::of::<canon::InvoiceRequest>,
    Reading::of::<canon::Item>,
    Reading::of::<canon::LabResult>,
    Reading::of::<canon::Location>,
    Reading::of::<canon::Order>,
    Reading::of::<canon::Partner>,
    Reading::of::<canon::Patient>,
    Reading::of::<canon::PatientLink>,
    Reading::of::<canon::Payment>,
    Reading::of::<canon::SenderConfig>,
    Reading::of::<canon::StockLevel>,
];

/// It is told again after so many records.
const TOLD_EVERY: u64 = 100_000;

const FENCE_WAIT: Duration = Duration::from_secs(10);

/// How often it is tried to take a fence.
const FENCE_TRIES: usize = 3;

/// A ledger cannot be recovered.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// Kafka or the registry does not answer.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The ledger cannot be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// What is to be recovered.
pub struct Ledger<'a> {
    /// The service's name.
    pub service: &'a str,
    /// Its ledger.
    pub store: &'a PostgresStore,
    /// Where it publishes.
    pub kafka: &'a KafkaSettings,
    /// Where its schemas are.
    pub registry: &'a Registry,
}

/// What became of a ledger, or would.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The service.
    pub service: String,
    /// Whether the ledger had forgotten anything.
    pub behind: bool,
    /// Whether it was recovered; false when it was only looked.
    pub done: bool,
    /// Facts taken over: published in a later revision than the ledger knew.
    pub facts: u64,
    /// Keys whose version counter was set forward.
    pub keys: u64,
    /// Rows of the outbox that were published already, and dropped.
    pub outbox: u64,
    /// Lanes that had come further than the ledger knew.
    pub lanes: Vec<Lane>,
    /// Lanes that wait for a person now: `<processor> <lane>`.
    pub gated: Vec<String>,
    /// Records read.
    pub records: u64,
    /// Records that could not be read: what they state is published again when it is stated again.
    pub unread: u64,
}

/// A lane that had come further than the ledger knew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lane {
    /// The projection, sink or source.
    pub processor: String,
    /// Its number.
    pub lane: i32,
    /// How far the ledger says it has come, in transactions.
    pub known: i64,
    /// How far it had.
    pub had: i64,
}

/// Compares a ledger with what was published from it; and takes over what it lacks, unless it is only asked. `told` hears how
/// far it is.
///
/// # Errors
/// When Kafka, the registry or PostgreSQL does not answer. Nothing was changed then, and it can be done again.
pub async fn recover(
    ledger: &Ledger<'_>,
    how: How<'_>,
    mut told: impl FnMut(&str),
) -> Result<Report, RecoverError> {
    let done = matches!(how, How::Done { .. });
    let shards = look::shards(ledger.store).await.map_err(LedgerError::Store)?.max(1);
    let mut published = Marks::new();
    for shard in 0..shards {
        let id = transactional_id(ledger.service, shard);
        let marks = Arc::new(KafkaMarks::new(ledger.kafka, &id, DeadLetter::TOPIC)?);
        if done {
            let publisher = KafkaPublisher::new(ledger.kafka, FENCE_WAIT, None).leaving(marks.clone());
            take_fence(&publisher, &id).await?;
        }
        for (lane, seq) in marks.marks().await? {
            let most = published.entry(lane).or_insert(seq);
            *most = seq.max(*most);
        }
    }
    let found = read(ledger, &mut told).await?;
    let recovered = ledger.store.recover(&found, &published, how).await.map_err(LedgerError::Store)?;
    let behind = recovered.is_behind();
    let lanes = recovered.lanes.into_iter();
    Ok(Report {
        service: ledger.service.to_owned(),
        behind,
        done: done && behind,
        facts: recovered.facts,
        keys: recovered.keys,
        outbox: recovered.outbox,
        lanes: lanes.map(|((processor, lane), (known, had))| Lane { processor, lane, known, had }).collect(),
        gated: recovered.gated.into_iter().map(|(processor, lane)| format!("{processor} {lane}")).collect(),
        records: found.records,
        unread: found.unread,
    })
}

/// The service's own relay, which halts and looks again, may take it at the very same time.
async fn take_fence(publisher: &KafkaPublisher, id: &str) -> Result<(), BrokerError> {
    for _ in 1..FENCE_TRIES {
        if publisher.fence(id).await.is_ok() {
            return Ok(());
        }
    }
    publisher.fence(id).await.map(drop)
}

/// Everything that a service has published, of those topics that are there.
async fn read(ledger: &Ledger<'_>, told: &mut impl FnMut(&str)) -> Result<Found, BrokerError> {
    let mut found = Found::of(ledger.service);
    for reading in READINGS.map(|reading| reading()) {
        let topic = Catalog::builtin().topic(reading.topic);
        if !topic.is_some_and(|topic| topic.is_written_by(ledger.service)) {
            continue;
        }
        let take = async |records: Vec<Record>| {
            let values = records.iter().filter_map(|record| record.value.as_deref());
            let ids = values.filter_map(|value| canon::codec::split(value).ok()).map(|(id, _)| id);
            let schemas = ledger.registry.schemas();
            let unknown: BTreeSet<u32> = ids.filter(|id| !schemas.knows(*id)).collect();
            if !unknown.is_empty() {
                ledger.registry.ensure(&unknown.into_iter().collect::<Vec<_>>()).await?;
            }
            let before = found.records;
            records.iter().for_each(|record| found.see(&reading, schemas, record));
            if before / TOLD_EVERY != found.records / TOLD_EVERY {
                told(&format!("{} records are read, now of {}", found.records, reading.topic));
            }
            Ok(())
        };
        each(ledger.kafka, reading.topic, Visible::Committed, take).await?;
    }
    Ok(found)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, records, unread, facts, keys, outbox, .. } = self;
        writeln!(f, "{records} records of {service} read, {unread} of them not readable")?;
        if !self.behind {
            return write!(f, "the ledger knows everything that was published from it: nothing to do");
        }
        for Lane { processor, lane, known, had } in &self.lanes {
            writeln!(f, "{processor} {lane}: the ledger knows {known} transactions, it had {had}")?;
        }
        let would = if self.done { "" } else { "would be " };
        writeln!(f, "{facts} facts {would}taken over, {keys} version counters {would}set forward")?;
        writeln!(f, "{outbox} rows of the outbox {would}dropped, since they are published")?;
        for lane in &self.gated {
            writeln!(f, "{lane} {would}kept back until `vertebra lanes resume`")?;
        }
        match self.done {
            true => write!(f, "the ledger is recovered; the service goes on from its older positions"),
            false => write!(f, "the ledger is BEHIND; nothing was changed: the same with --yes does it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_that_is_published_from_a_ledger_can_be_read() {
        let read: BTreeSet<&str> = READINGS.iter().map(|reading| reading().topic).collect();
        let topics = Catalog::builtin().topics().map(|topic| topic.name.as_str());
        let missing: Vec<&str> =
            topics.filter(|topic| !read.contains(topic) && !topic.starts_with("raw.")).collect();
        assert_eq!(missing, Vec::<&str>::new());
    }
}
