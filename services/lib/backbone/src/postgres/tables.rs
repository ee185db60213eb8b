//! The tables' rows in the ledger, and what of a lane waited for them.

use super::failure::Failure;
use super::wire::{Ask, unpack};
use crate::record::Record;
use crate::reject::Waits;
use crate::store::{AskNews, Changes, LaneId, News, Parked, ParkedItem, Waiting};
use crate::table::TableRow;
use canon::catalog::Catalog;
use canon::time::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};
use tokio_postgres::Row;

// The head's row is locked to the end of the transaction: places are visible in their order.
const TABLES: &str = "WITH fresh AS (
        SELECT topic, key, version, wire, place
        FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[])
            WITH ORDINALITY AS new(topic, key, version, wire, place)
        WHERE version > coalesce((SELECT max(r.version) FROM table_row r WHERE r.topic = new.topic AND r.key = new.key),
            new.version - 1)
    ), head AS (
        UPDATE table_head SET seq = seq + (SELECT count(*) FROM fresh) RETURNING seq - (SELECT count(*) FROM fresh) AS seq
    )
    INSERT INTO table_row (seq, topic, key, version, wire, at_us)
    SELECT head.seq + row_number() OVER (ORDER BY place), topic, key, version, wire, $5 FROM fresh, head";

const COMPLETE: &str = "INSERT INTO table_complete (topic, partition) VALUES ($1, $2) ON CONFLICT DO NOTHING";

pub(super) const ROWS: &str =
    "SELECT seq, topic, key, version, wire FROM table_row WHERE seq > $1 AND seq <= $2 ORDER BY seq";

// Heads of chains whose wait is over, and with each its whole chain.
const RELEASED: &str = "WITH heads AS (
        SELECT p.id, p.chain FROM parked p
        WHERE p.processor = $1 AND p.lane = $2 AND p.waits_topic IS NOT NULL AND EXISTS (
            SELECT 1 FROM table_row t
            JOIN unnest(string_to_array(p.waits_topic, E'\\n'), string_to_array(p.waits_key, E'\\n')) AS w (topic, key)
                ON t.topic = w.topic AND t.key = w.key
            WHERE t.seq > p.waits_after AND t.seq <= $3)
        ORDER BY p.id LIMIT $4)
    SELECT (SELECT count(*) FROM heads) = $4, p.id, p.chain, p.topic, p.partition, p.record_offset,
        p.record_timestamp_us, p.key, p.value, p.headers, p.deadline_key, p.deadline_at_us, p.reason, p.detail,
        p.parked_at_us, p.waits_topic, p.waits_key, p.waits_after, p.homonyms
    FROM parked p
    WHERE p.processor = $1 AND p.lane = $2 AND (p.id IN (SELECT id FROM heads)
        OR p.chain IN (SELECT chain FROM heads WHERE chain IS NOT NULL))
    ORDER BY p.id";

// Inputs, and with each its whole chain.
pub(super) const PARKED: &str =
    "SELECT false, p.id, p.chain, p.topic, p.partition, p.record_offset, p.record_timestamp_us, p.key, p.value,
        p.headers, p.deadline_key, p.deadline_at_us, p.reason, p.detail, p.parked_at_us, p.waits_topic, p.waits_key,
        p.waits_after, p.homonyms
    FROM parked p
    WHERE p.processor = $1 AND p.lane = $2 AND (p.id = ANY($3) OR p.chain IN (
        SELECT h.chain FROM parked h
        WHERE h.processor = $1 AND h.lane = $2 AND h.id = ANY($3) AND h.chain IS NOT NULL))
    ORDER BY p.id";

/// Chains begun in one batch, for each so many inputs that are allowed in it: how long they are is not known before.
const INPUTS_A_CHAIN: usize = 20;

/// What a table's topic said.
pub(super) fn write<'a>(changes: &'a Changes, now: Timestamp, asks: &mut Vec<Ask<'a>>) {
    let mut last: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    let mut rows: Vec<&TableRow> = Vec::new();
    for row in &changes.tables {
        let last = last.entry((&row.topic, &row.key)).or_insert(i64::MIN);
        if row.version > *last {
            *last = row.version;
            rows.push(row);
        }
    }
    if !rows.is_empty() {
        let ask = Ask::new(TABLES).with(rows.iter().map(|row| row.topic.as_str()).collect::<Vec<_>>());
        let ask = ask.with(rows.iter().map(|row| row.key.as_str()).collect::<Vec<_>>());
        let ask = ask.with(rows.iter().map(|row| row.version).collect::<Vec<_>>());
        asks.push(ask.with(rows.iter().map(|row| row.wire.as_deref()).collect::<Vec<_>>()).with(now.0));
    }
    if let Some((topic, partition)) = &changes.tables_complete {
        asks.push(Ask::new(COMPLETE).with(topic.as_str()).with(*partition));
    }
}

/// The questions behind [`news`].
pub(super) fn asks(lane: LaneId, wanted: &AskNews, upto: i64) -> Vec<Ask<'static>> {
    let mut asks = vec![Ask::new(ROWS).with(wanted.after).with(upto)];
    if wanted.released_max > 0 {
        let heads = i64::try_from(wanted.released_max.div_ceil(INPUTS_A_CHAIN)).unwrap_or(i64::MAX);
        let ask = Ask::new(RELEASED).with(lane.processor).with(lane.number);
        asks.push(ask.with(wanted.waiting_upto).with(heads));
    }
    asks
}

/// The answers: rows, and what is released.
pub(super) fn news(answers: &[Vec<Row>]) -> Result<News, Failure> {
    let rows = answers.first().into_iter().flatten().map(row).collect::<Result<_, _>>()?;
    let mut news = News { rows, ..News::default() };
    for row in answers.get(1).into_iter().flatten() {
        news.more = row.try_get(0)?;
        news.released.push((row.try_get(1)?, parked(row)?));
    }
    Ok(news)
}

/// A row as [`ROWS`] selects it.
pub(super) fn row(row: &Row) -> Result<TableRow, Failure> {
    Ok(TableRow {
        seq: row.try_get(0)?,
        topic: row.try_get(1)?,
        key: row.try_get(2)?,
        version: row.try_get(3)?,
        wire: row.try_get(4)?,
    })
}

/// A row as [`PARKED`] selects it, from its third column on.
pub(super) fn parked(row: &Row) -> Result<Parked, Failure> {
    let item = match row.try_get::<_, Option<&str>>(3)? {
        Some(topic) => ParkedItem::Record(Record {
            topic: known(topic),
            partition: row.try_get(4)?,
            offset: row.try_get(5)?,
            timestamp: Timestamp(row.try_get(6)?),
            key: row.try_get(7)?,
            value: row.try_get(8)?,
            headers: unpack(row.try_get(9)?)?,
        }),
        None => ParkedItem::Deadline { key: row.try_get(10)?, at: Timestamp(row.try_get(11)?) },
    };
    let reason = serde_json::from_value(Value::String(row.try_get(12)?));
    let waits = match (row.try_get(15)?, row.try_get(16)?, row.try_get(17)?) {
        (Some(topics), Some(keys), Some(after)) => Some(Waiting { rows: rows(topics, keys), after }),
        _ => None,
    };
    Ok(Parked {
        chain: row.try_get(2)?,
        item,
        reason: reason.map_err(|_| Failure::Corrupt("a parked input's reason"))?,
        detail: row.try_get(13)?,
        at: Timestamp(row.try_get(14)?),
        waits,
        homonyms: u32::try_from(row.try_get::<_, i32>(18)?).unwrap_or(0),
    })
}

/// What is waited for, from a line each.
fn rows(topics: &str, keys: &str) -> Vec<Waits> {
    let row = |(topic, key): (&str, &str)| Waits { topic: topic.to_owned(), key: key.to_owned() };
    topics.split('\n').zip(keys.split('\n')).map(row).collect()
}

/// A topic's name for as long as the process lives: the catalog's, or one remembered.
fn known(topic: &str) -> &'static str {
    static OTHERS: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    if let Some(policy) = Catalog::builtin().topic(topic) {
        return policy.name.as_str();
    }
    let mut others = OTHERS.lock().unwrap_or_else(PoisonError::into_inner);
    let others = others.get_or_insert_default();
    match others.get(topic) {
        Some(known) => known,
        None => {
            // A parked record is of a topic that the service reads: there are few of them.
            let topic: &'static str = Box::leak(topic.to_owned().into_boxed_str());
            others.insert(topic);
            topic
        }
    }
}
