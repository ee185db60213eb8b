//! What the topics say: each is read to its end and folded.

use super::Folds;
use backbone::contract::SchemaSource;
use backbone::edge::BrokerError;
use backbone::kafka::{KafkaSettings, Visible, tail};
use backbone::registry::{Registry, RegistryError};
use backbone::settings::ServiceUrl;
use canon::{Change, Event, Headers, Invoice, Item, Location, Partner, Payment, StockLevel, codec};
use std::collections::{BTreeMap, BTreeSet};

/// Why the topics, or Odoo, could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Kafka.
    #[error(transparent)]
    Kafka(#[from] BrokerError),
    /// Odoo.
    #[error(transparent)]
    Odoo(#[from] ::odoo::Error),
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A record that is none of this contract's.
    #[error("{topic}: the record at {partition}/{offset} cannot be read")]
    Record {
        /// The topic.
        topic: &'static str,
        /// The partition.
        partition: i32,
        /// The offset.
        offset: i64,
    },
}

/// Reads all topics that the poller writes.
///
/// # Errors
/// When one cannot be read.
pub async fn folded(kafka: &KafkaSettings, registry: &ServiceUrl) -> Result<Folds, CheckError> {
    let registry = Registry::new(registry)?;
    Ok(BTreeMap::from([
        (Invoice::TOPIC, topic::<Invoice>(kafka, &registry).await?),
        (Item::TOPIC, topic::<Item>(kafka, &registry).await?),
        (Location::TOPIC, topic::<Location>(kafka, &registry).await?),
        (Partner::TOPIC, topic::<Partner>(kafka, &registry).await?),
        (Payment::TOPIC, topic::<Payment>(kafka, &registry).await?),
        (StockLevel::TOPIC, topic::<StockLevel>(kafka, &registry).await?),
    ]))
}

/// The last word under each name: the highest version, as readers have it. A tombstone and a withdrawal take it away.
async fn topic<E: Event>(
    kafka: &KafkaSettings,
    registry: &Registry,
) -> Result<BTreeMap<String, String>, CheckError> {
    let records = tail(kafka, E::TOPIC, Visible::Committed).await?;
    let values = records.iter().filter_map(|record| record.value.as_deref());
    let ids: BTreeSet<u32> = values.filter_map(|value| Some(codec::split(value).ok()?.0)).collect();
    registry.ensure(&ids.into_iter().collect::<Vec<_>>()).await?;
    let mut last = BTreeMap::<String, (i64, Option<String>)>::new();
    for record in &records {
        let unreadable =
            || CheckError::Record { topic: E::TOPIC, partition: record.partition, offset: record.offset };
        let pairs = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        let headers = Headers::from_pairs(pairs).map_err(|_| unreadable())?;
        let version = headers.version.ok_or_else(unreadable)?;
        let body = record.value.as_deref().map(|value| registry.schemas().decode::<E>(value)).transpose();
        let body = body.map_err(|_| unreadable())?.filter(|body| body.change() != Change::Withdrawn);
        let content = body.map(|body| super::content(&body));
        let known = last.get(&headers.factname).map(|(version, _)| *version);
        if known.is_none_or(|known| known < version) {
            last.insert(headers.factname, (version, content));
        }
    }
    Ok(last.into_iter().filter_map(|(name, (_, content))| Some((name, content?))).collect())
}
