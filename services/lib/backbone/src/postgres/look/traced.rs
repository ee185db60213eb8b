//! What a ledger knows of one fact's way: by keys, by places of records, by commands.

use super::super::PostgresStore;
use super::super::tx;
use super::super::wire::{Ask, unpack};
use super::{ParkedSeen, parked_seen, read};
use crate::emission::Emitted;
use crate::store::{Effect, StoreError};
use canon::time::Timestamp;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Where a record lies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlaceSeen {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

/// What is parked of a processor.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// The processor.
    pub processor: String,
    /// The input.
    pub input: ParkedSeen,
}

/// What a person decided of a parked record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecidedSeen {
    /// The processor.
    pub processor: String,
    /// The record.
    pub place: PlaceSeen,
    /// Whether it was given up; else another value was put in its place.
    pub given_up: bool,
    /// Who decided.
    pub by: String,
    /// Why.
    pub because: String,
    /// When.
    pub at: Timestamp,
}

/// Places as a statement takes them.
fn columns(places: &[PlaceSeen]) -> (Vec<String>, Vec<i32>, Vec<i64>) {
    let topics = places.iter().map(|place| place.topic.clone()).collect();
    let partitions = places.iter().map(|place| place.partition).collect();
    (topics, partitions, places.iter().map(|place| place.offset).collect())
}

/// Facts of the emission ledger under some keys, by some names, or stated last for some records.
///
/// # Errors
/// When the database cannot be read; so with all of these.
pub async fn stated(
    store: &PostgresStore,
    keys: &[String],
    facts: &[Uuid],
    places: &[PlaceSeen],
) -> Result<Vec<Emitted>, StoreError> {
    let sql = format!(
        "{} WHERE key = ANY($1) OR fact = ANY($2) OR (origin_topic, origin_partition, origin_offset) IN
            (SELECT * FROM unnest($3::text[], $4::int[], $5::bigint[])) ORDER BY topic, key, version",
        tx::EMITTED
    );
    let (topics, partitions, offsets) = columns(places);
    let asked = Ask::new(sql).with(keys).with(facts).with(topics).with(partitions).with(offsets);
    read(store, asked, tx::emitted).await
}

/// What is parked under some chains, or of some records, in park order.
pub async fn held(
    store: &PostgresStore,
    chains: &[String],
    places: &[PlaceSeen],
) -> Result<Vec<Held>, StoreError> {
    let sql = "SELECT id, lane, chain, topic, partition, record_offset, record_timestamp_us, deadline_key, deadline_at_us,
        reason, detail, parked_at_us, processor FROM parked
        WHERE chain = ANY($1) OR deadline_key = ANY($1) OR (topic, partition, record_offset) IN
            (SELECT * FROM unnest($2::text[], $3::int[], $4::bigint[])) ORDER BY id";
    let (topics, partitions, offsets) = columns(places);
    let asked = Ask::new(sql).with(chains).with(topics).with(partitions).with(offsets);
    read(store, asked, |row| Ok(Held { input: parked_seen(row)?, processor: row.try_get(12)? })).await
}

/// What people decided of some records.
pub async fn decided(store: &PostgresStore, places: &[PlaceSeen]) -> Result<Vec<DecidedSeen>, StoreError> {
    let sql = "SELECT d.processor, d.topic, d.lane, d.record_offset, d.value IS NULL, i.asked_by, i.because, d.at_us
        FROM decision d JOIN intent i ON i.id = d.intent WHERE (d.topic, d.lane, d.record_offset) IN
            (SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[])) ORDER BY d.at_us";
    let (topics, partitions, offsets) = columns(places);
    read(store, Ask::new(sql).with(topics).with(partitions).with(offsets), |row| {
        Ok(DecidedSeen {
            processor: row.try_get(0)?,
            place: PlaceSeen {
                topic: row.try_get(1)?,
                // A lane reads its own partition.
                partition: row.try_get(2)?,
                offset: row.try_get(3)?,
            },
            given_up: row.try_get(4)?,
            by: row.try_get(5)?,
            because: row.try_get(6)?,
            at: Timestamp(row.try_get(7)?),
        })
    })
    .await
}

/// Records of a topic that people gave up, by processor, partition and offset.
pub async fn given_up(store: &PostgresStore, topic: &str) -> Result<Vec<(String, i32, i64)>, StoreError> {
    let sql = "SELECT processor, lane, record_offset FROM decision WHERE topic = $1 AND value IS NULL";
    read(store, Ask::new(sql).with(topic), |row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)))
        .await
}

/// Which of some facts without versions a processor has met: name and id.
pub async fn met(
    store: &PostgresStore,
    processor: &str,
    names: &[String],
) -> Result<BTreeSet<(String, Uuid)>, StoreError> {
    let sql = "SELECT name, id FROM seen WHERE processor = $1 AND name = ANY($2)";
    read(store, Ask::new(sql).with(processor).with(names), |row| Ok((row.try_get(0)?, row.try_get(1)?))).await
}

/// What became of some commands, with the sink that carried them out.
pub async fn effects_of(
    store: &PostgresStore,
    commands: &[Uuid],
) -> Result<Vec<(String, Effect)>, StoreError> {
    let sql = "SELECT command, name, ended, their_id, at_us, processor FROM effect WHERE command = ANY($1) ORDER BY at_us";
    read(store, Ask::new(sql).with(commands), |row| Ok((row.try_get(5)?, tx::effect(row)?))).await
}

/// Who reads a topic's partition, and how far each has come.
pub async fn readers(
    store: &PostgresStore,
    topic: &str,
    partition: i32,
) -> Result<Vec<(String, i64)>, StoreError> {
    let sql = "SELECT processor, next FROM position WHERE topic = $1 AND lane = $2 ORDER BY processor";
    read(store, Ask::new(sql).with(topic).with(partition), |row| Ok((row.try_get(0)?, row.try_get(1)?))).await
}

/// The batch that read a record: its number, its clock. Looked for among batches that are not older than `since`, since a
/// lane's journal is long; nothing where a processor keeps none.
pub async fn folded(
    store: &PostgresStore,
    processor: &str,
    place: &PlaceSeen,
    since: Timestamp,
) -> Result<Option<(i64, Timestamp)>, StoreError> {
    let sql = "SELECT seq, clock_us FROM journal WHERE processor = $1 AND lane = $2 AND clock_us >= $3
        AND EXISTS (SELECT 1 FROM json_array_elements(entry -> 'segments') segment
            WHERE segment ->> 'topic' = $4 AND (segment ->> 'first')::bigint <= $5 AND (segment ->> 'next')::bigint > $5)
        ORDER BY seq LIMIT 1";
    let asked = Ask::new(sql).with(processor).with(place.partition).with(since.0);
    let asked = asked.with(place.topic.as_str()).with(place.offset);
    let found: Vec<(i64, Timestamp)> =
        read(store, asked, |row| Ok((row.try_get(0)?, Timestamp(row.try_get(1)?)))).await?;
    Ok(found.into_iter().next())
}

/// Rows of the outbox under some keys: topic, headers, and when each was written.
pub async fn waiting_to_go(
    store: &PostgresStore,
    keys: &[String],
) -> Result<Vec<(String, Vec<(String, Vec<u8>)>, Timestamp)>, StoreError> {
    let sql = "SELECT topic, headers, at_us FROM outbox WHERE key = ANY($1) ORDER BY seq";
    let keys: Vec<&[u8]> = keys.iter().map(|key| key.as_bytes()).collect();
    read(store, Ask::new(sql).with(keys), |row| {
        Ok((row.try_get(0)?, unpack(row.try_get(1)?)?, Timestamp(row.try_get(2)?)))
    })
    .await
}
