//! Reading topics for what belongs to the way: only the partitions of keys that are known, and from a time on.

use super::found::Found;
use super::page::Looked;
use super::way::Way;
use super::{Opened, Places, TraceError};
use crate::ledger::LedgerError;
use backbone::contract::SchemaSource;
use backbone::edge::BrokerError;
use backbone::kafka::{Admin, Visible, each_from, records_at};
use backbone::postgres::look::{self, PlaceSeen};
use backbone::record::Record;
use backbone::registry::Registry;
use canon::{Catalog, EncounterToken, Event, Key, RawHl7v2, RawKey, Timestamp, codec, partition};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// So many records are read between two words about it.
const TOLD_EVERY: u64 = 100_000;

/// Which part of a topic is read.
pub(super) struct Range<'a> {
    topic: &'a str,
    /// Only the partitions that these keys lie in.
    keys: Option<BTreeSet<String>>,
    since: Timestamp,
}

impl<'a> Range<'a> {
    /// All partitions, from a time on.
    pub(super) fn all(topic: &'a str, since: Timestamp) -> Self {
        Self { topic, keys: None, since }
    }

    fn of(topic: &'a str, keys: BTreeSet<String>, since: Timestamp) -> Self {
        Self { topic, keys: Some(keys), since }
    }
}

/// Learns the schemas that records were written with.
pub(crate) async fn ensure(registry: &Registry, records: &[Record]) -> Result<(), BrokerError> {
    let values = records.iter().filter_map(|record| record.value.as_deref());
    let ids: BTreeSet<u32> = values.filter_map(|value| Some(codec::split(value).ok()?.0)).collect();
    registry.ensure(&ids.into_iter().collect::<Vec<_>>()).await
}

/// Reads a part of a topic, and gives the records that are looked for. Where was looked is noted.
pub(super) async fn find(
    places: &Places<'_>,
    range: Range<'_>,
    way: &mut Way,
    wanted: impl Fn(&Found) -> bool + Send,
    told: &mut (dyn FnMut(&str) + Send),
) -> Result<Vec<Found>, TraceError> {
    let Some(topic) = Catalog::builtin().topic(range.topic) else { return Ok(Vec::new()) };
    let admin = Admin::new(places.kafka)?;
    let mut from = admin.offsets_at(&topic.name, range.since).await?;
    if let Some(keys) = &range.keys {
        let of = |key: &String| i32::try_from(partition(key.as_bytes(), topic.partitions)).unwrap_or(0);
        let wanted: BTreeSet<i32> = keys.iter().map(of).collect();
        from.retain(|partition, _| wanted.contains(partition));
    }
    let held = admin.held(&topic.name).await?;
    let is_open = |(partition, first): &(i32, i64)| held.get(partition).is_some_and(|held| *first < held.end);
    let from: BTreeMap<i32, i64> = from.into_iter().filter(is_open).collect();
    let (mut read, mut found) = (0_u64, Vec::new());
    let of_key = |record: &Record| {
        let Some(keys) = &range.keys else { return true };
        let key = record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
        key.is_some_and(|key| keys.contains(key))
    };
    let take = async |records: Vec<Record>| {
        let before = read;
        read += records.len() as u64;
        if before / TOLD_EVERY != read / TOLD_EVERY {
            told(&format!("{}: {read} records", topic.name));
        }
        let records: Vec<Record> = records.into_iter().filter(of_key).collect();
        ensure(places.registry, &records).await?;
        let schemas = places.registry.schemas();
        found.extend(records.iter().filter_map(|record| Found::of(record, schemas)).filter(&wanted));
        Ok(())
    };
    if !from.is_empty() {
        each_from(places.kafka, &topic.name, from, Visible::Committed, take).await?;
    }
    way.looked.push(Looked::topic(&topic.name, range.since, read, found.len()));
    Ok(found)
}

/// Reads all that belongs to what was asked after: what was made of messages, the topics of its visits, and the messages that
/// led to it.
pub(super) async fn follow(
    places: &Places<'_>,
    way: &mut Way,
    ledgers: &[Opened],
    told: &mut (dyn FnMut(&str) + Send),
) -> Result<(), TraceError> {
    made_of_messages(places, way, ledgers, told).await?;
    let keys: BTreeSet<String> = way.keys().iter().map(EncounterToken::to_string).collect();
    if !keys.is_empty() {
        let of_visits = |key_type: &str| key_type == EncounterToken::TYPE;
        for topic in Catalog::builtin().topics().filter(|topic| of_visits(&topic.key_type)) {
            let range = Range::of(&topic.name, keys.clone(), way.since);
            for found in find(places, range, way, |_| true, told).await? {
                way.add(found);
            }
        }
        messages_behind(places, way, ledgers, &keys, told).await?;
    }
    way.prune();
    Ok(())
}

/// The facts that the ledgers know of single messages, wherever they are.
async fn made_of_messages(
    places: &Places<'_>,
    way: &mut Way,
    ledgers: &[Opened],
    told: &mut (dyn FnMut(&str) + Send),
) -> Result<(), TraceError> {
    let messages = way.records.values().filter(|found| found.topic == RawHl7v2::TOPIC);
    let messages: Vec<PlaceSeen> = messages.map(place).collect();
    if messages.is_empty() {
        return Ok(());
    }
    let mut elsewhere: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for ledger in ledgers {
        for row in look::stated(&ledger.store, &[], &[], &messages).await.map_err(LedgerError::Store)? {
            match row.key.parse::<EncounterToken>() {
                Ok(visit) if is_of_visits(&row.topic) => way.leads_to(visit),
                _ => {
                    elsewhere.entry(row.topic).or_default().insert(row.key);
                }
            }
        }
    }
    for (topic, keys) in elsewhere {
        let range = Range::of(&topic, keys, way.since);
        for found in find(places, range, way, |_| true, told).await? {
            way.add(found);
        }
    }
    Ok(())
}

fn is_of_visits(topic: &str) -> bool {
    Catalog::builtin().topic(topic).is_some_and(|topic| topic.key_type == EncounterToken::TYPE)
}

pub(super) fn place(found: &Found) -> PlaceSeen {
    PlaceSeen { topic: found.topic.to_owned(), partition: found.partition, offset: found.offset }
}

/// The messages that what was found is made of: by their places, which the ledgers know of what was said last, and else among
/// the patients' messages.
async fn messages_behind(
    places: &Places<'_>,
    way: &mut Way,
    ledgers: &[Opened],
    keys: &BTreeSet<String>,
    told: &mut (dyn FnMut(&str) + Send),
) -> Result<(), TraceError> {
    let (mut at, visits): (BTreeSet<(i32, i64)>, Vec<String>) =
        (BTreeSet::new(), keys.iter().cloned().collect());
    for ledger in ledgers {
        let stated = look::stated(&ledger.store, &visits, &[], &[]).await.map_err(LedgerError::Store)?;
        let origins = stated.into_iter().filter_map(|row| row.origin);
        let messages = origins.filter(|origin| origin.topic == RawHl7v2::TOPIC);
        at.extend(messages.map(|origin| (origin.partition, origin.offset)));
    }
    let records = records_at(places.kafka, RawHl7v2::TOPIC, at).await?;
    ensure(places.registry, &records).await?;
    let schemas = places.registry.schemas();
    records.iter().filter_map(|record| Found::of(record, schemas)).for_each(|found| way.add(found));
    let missing = missing(way);
    if missing.is_empty() {
        return Ok(());
    }
    let patients = way.records.values().filter_map(|found| found.text("patient")?.parse().ok());
    let mut of: BTreeSet<String> = patients.map(|patient| RawKey::Patient(patient).to_string()).collect();
    of.extend(way.keys().into_iter().map(|visit| RawKey::Visit(visit).to_string()));
    let range = Range::of(RawHl7v2::TOPIC, of, way.since);
    let is_missing = |found: &Found| missing.contains(&found.headers.id);
    for found in find(places, range, way, is_missing, told).await? {
        way.add(found);
    }
    Ok(())
}

/// Events that are said to be causes and were not found. What has no cause of its own comes of a message.
fn missing(way: &Way) -> BTreeSet<Uuid> {
    let known: BTreeSet<Uuid> = way.records.values().map(|found| found.headers.id).collect();
    let causes =
        way.records.values().filter_map(|found| found.headers.correlationid.as_deref()?.parse().ok());
    causes.filter(|id| !known.contains(id)).collect()
}
