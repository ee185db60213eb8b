//! Rebuilds as operators see them: asked for, how far they have come, what they have otherwise, retired.

use super::PostgresStore;
use super::beside::{differences, differing_sql, schema, unusable};
use super::failure::Failure;
use super::identifier::Identifier;
use super::look::read;
use super::operate::Asker;
use super::wire::{Ask, ask, pipeline};
use crate::replay::{Difference, Standing};
use crate::store::{CUT_OVER, FOLLOWED, MISSED, StoreError};
use canon::time::Timestamp;
use std::collections::BTreeMap;
use tokio_postgres::Row;

const WHAT: &str = "look at rebuilds";

/// A rebuild that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplaySeen {
    /// Its number.
    pub id: i64,
    /// The projection.
    pub processor: String,
    /// The place among the tables' rows as of which everything before it is looked up; nothing: as it was looked up then.
    pub tables_at: Option<i64>,
    /// Who asked for it.
    pub by: String,
    /// Why.
    pub because: String,
    /// When.
    pub at: Timestamp,
    /// The code and the configuration that make it; nothing before it was begun.
    pub code: Option<String>,
    /// What holds it up.
    pub trouble: Option<String>,
    /// When it was retired.
    pub retired: Option<Timestamp>,
    /// By lane; none before it was begun, or after it was thrown away.
    pub lanes: BTreeMap<i32, Standing>,
    /// The schema of its ledger, where it is there.
    pub schema: Option<String>,
}

/// A number of a report table, over all rows of a currency, as both ledgers have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SumSeen {
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
    /// What the table's column `currency` says; nothing where it has none.
    pub currency: Option<String>,
    /// In decimal text.
    pub live: String,
    /// In decimal text.
    pub beside: String,
}

/// A report row that the two ledgers have otherwise: its columns as JSON, where it is there.
#[derive(Clone, Debug, PartialEq)]
pub struct RowSeen {
    /// The table.
    pub table: String,
    /// The row's key.
    pub row: String,
    /// As it is live.
    pub live: Option<serde_json::Value>,
    /// As the rebuild has it.
    pub beside: Option<serde_json::Value>,
}

/// What a projection's journal holds, by lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalSeen {
    /// Batches.
    pub entries: i64,
    /// The clock of the first and of the last.
    pub clocks: Option<(Timestamp, Timestamp)>,
    /// By topic: the first offset that was read and one past the last, and how many offsets lie in what was read.
    pub topics: BTreeMap<String, (i64, i64, i64)>,
}

/// Asks for a rebuild; its number. Nothing when one of this projection is not retired yet, or there is no such projection.
pub async fn start(
    store: &PostgresStore,
    processor: &str,
    with_tables_of_now: bool,
    records_per_second: Option<u32>,
    asker: Asker<'_>,
) -> Result<Option<i64>, StoreError> {
    let sql = "WITH made AS (
            INSERT INTO replay (processor, tables_at, records_per_second, asked_by, because)
            SELECT $1, CASE WHEN $2 THEN (SELECT seq FROM table_head) END, $3, $4, $5
            WHERE EXISTS (SELECT 1 FROM journal WHERE processor = $1)
            ON CONFLICT DO NOTHING RETURNING id),
        kept AS (INSERT INTO intent (processor, lane, body, asked_by, because, ended_at_us, result)
            SELECT $1, 0, json_build_object('do', 'replay', 'replay', id), $4, $5, now_us(), '{}' FROM made RETURNING id)
        SELECT id FROM made";
    let rate = records_per_second.and_then(|rate| i32::try_from(rate).ok());
    let asked = Ask::new(sql).with(processor).with(with_tables_of_now).with(rate);
    let made: Vec<i64> =
        read(store, asked.with(asker.by).with(asker.because), |row| Ok(row.try_get(0)?)).await?;
    Ok(made.first().copied())
}

/// Retires a rebuild: nobody follows into it any longer, and the service throws it away. False when it is not there, or was
/// retired before.
pub async fn retire(store: &PostgresStore, replay: i64, asker: Asker<'_>) -> Result<bool, StoreError> {
    let sql = "WITH ended AS (UPDATE replay SET retired_at_us = now_us() WHERE id = $1 AND retired_at_us IS NULL
            RETURNING id, processor),
        kept AS (INSERT INTO intent (processor, lane, body, asked_by, because, ended_at_us, result)
            SELECT processor, 0, json_build_object('do', 'retire', 'replay', id), $2, $3, now_us(), '{}' FROM ended
            RETURNING id)
        SELECT id FROM ended";
    let asked = Ask::new(sql).with(replay).with(asker.by).with(asker.because);
    let ended: Vec<i64> = read(store, asked, |row| Ok(row.try_get(0)?)).await?;
    Ok(!ended.is_empty())
}

/// Rebuilds whose ledgers are there, or are to be made.
pub async fn list(store: &PostgresStore) -> Result<Vec<ReplaySeen>, StoreError> {
    let sql = "SELECT id, processor, tables_at, asked_by, because, asked_at_us, code, trouble, retired_at_us FROM replay
        WHERE dropped_at_us IS NULL ORDER BY id";
    let mut all: Vec<ReplaySeen> = read(store, Ask::new(sql), |row| {
        Ok(ReplaySeen {
            id: row.try_get(0)?,
            processor: row.try_get(1)?,
            tables_at: row.try_get(2)?,
            by: row.try_get(3)?,
            because: row.try_get(4)?,
            at: Timestamp(row.try_get(5)?),
            code: row.try_get(6)?,
            trouble: row.try_get::<_, Option<String>>(7)?.filter(|trouble| !trouble.is_empty()),
            retired: row.try_get::<_, Option<i64>>(8)?.map(Timestamp),
            lanes: BTreeMap::new(),
            schema: None,
        })
    })
    .await?;
    for seen in &mut all {
        let beside = name_of(store, seen.id)?;
        if let Some(lanes) = standings(store, &seen.processor, &beside).await? {
            seen.lanes = lanes;
            seen.schema = Some(beside.as_str().to_owned());
        }
    }
    Ok(all)
}

/// Nothing where its ledger is not there yet, or no longer: a service makes it and throws it away meanwhile.
async fn standings(
    store: &PostgresStore,
    processor: &str,
    beside: &Identifier,
) -> Result<Option<BTreeMap<i32, Standing>>, StoreError> {
    let sql = format!(
        "SELECT l.lane, coalesce((SELECT max(seq) FROM journal j WHERE j.processor = l.processor AND j.lane = l.lane), 0),
            p.topic, p.next
        FROM lane l LEFT JOIN {beside}.position p ON p.processor = l.processor AND p.lane = l.lane
        WHERE l.processor = $1"
    );
    let client = store.connection(WHAT).await?;
    let rows = match ask(&client, Ask::new(sql).with(processor)).await {
        Err(failure) if failure.is_of_what_is_not_there() => return Ok(None),
        asked => asked.map_err(|failure| failure.during(WHAT))?,
    };
    let read = |row: &Row| -> Result<(i32, i64, Option<String>, Option<i64>), Failure> {
        Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?))
    };
    let rows: Vec<_> =
        rows.iter().map(read).collect::<Result<_, _>>().map_err(|failure| failure.during(WHAT))?;
    let mut lanes: BTreeMap<i32, Standing> = BTreeMap::new();
    for (lane, journal, topic, next) in rows {
        let standing = lanes.entry(lane).or_default();
        standing.journal = journal;
        match (topic.as_deref(), next) {
            (Some(FOLLOWED), Some(next)) => standing.followed = next,
            (Some(MISSED), Some(next)) => standing.has_missed = next == 1,
            (Some(CUT_OVER), Some(next)) => standing.is_cut_over = next == 1,
            _ => {}
        }
    }
    Ok(Some(lanes))
}

/// Facts of a projection that the two ledgers have otherwise.
pub async fn differing(
    store: &PostgresStore,
    replay: i64,
    processor: &str,
) -> Result<Vec<Difference>, StoreError> {
    let beside = name_of(store, replay)?;
    let client = store.connection(WHAT).await?;
    let asks = differing_sql(&beside, "", "").map(|sql| Ask::new(sql).with(processor));
    let answers = pipeline(&client, asks.into()).await.map_err(|failure| failure.during(WHAT))?;
    differences(answers.iter().flatten()).map_err(|failure| failure.during(WHAT))
}

/// How many states the two ledgers have otherwise, of how many.
pub async fn differing_states(
    store: &PostgresStore,
    replay: i64,
    processor: &str,
) -> Result<(i64, i64), StoreError> {
    let beside = name_of(store, replay)?;
    let table =
        Identifier::of_name("table", "state_", processor).map_err(|error| unusable(WHAT, error.into()))?;
    let sql = format!(
        "SELECT count(*) FILTER (WHERE l.body::text IS DISTINCT FROM b.body::text
            OR l.versions IS DISTINCT FROM b.versions), count(*)
        FROM {table} l FULL JOIN {beside}.{table} b ON b.key = l.key"
    );
    let counted: Vec<(i64, i64)> =
        read(store, Ask::new(sql), |row| Ok((row.try_get(0)?, row.try_get(1)?))).await?;
    Ok(counted.first().copied().unwrap_or_default())
}

/// Parked inputs of a projection by reason: live, and as the rebuild has them.
pub async fn parked(
    store: &PostgresStore,
    replay: i64,
    processor: &str,
) -> Result<BTreeMap<String, (i64, i64)>, StoreError> {
    let beside = name_of(store, replay)?;
    let sql = format!(
        "SELECT reason, sum(live)::bigint, sum(beside)::bigint FROM (
            SELECT reason, 1 AS live, 0 AS beside FROM parked WHERE processor = $1
            UNION ALL SELECT reason, 0, 1 FROM {beside}.parked WHERE processor = $1) AS both_of GROUP BY reason"
    );
    read(store, Ask::new(sql).with(processor), |row| {
        Ok((row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?)))
    })
    .await
}

/// Report rows that the two ledgers have otherwise, at most so many a table; and how many there are of each table.
pub async fn differing_rows(
    store: &PostgresStore,
    replay: i64,
    max: i64,
) -> Result<(Vec<RowSeen>, BTreeMap<String, i64>), StoreError> {
    let beside = name_of(store, replay)?;
    let (mut rows, mut counts) = (Vec::new(), BTreeMap::new());
    for (table, _) in tables(store, &beside).await? {
        let name = Identifier::new("table", &table).map_err(|error| unusable(WHAT, error.into()))?;
        let from = format!(
            "FROM {name} l FULL JOIN {beside}.{name} b ON b.\"row\" = l.\"row\"
            WHERE to_jsonb(l) IS DISTINCT FROM to_jsonb(b)"
        );
        let count = Ask::new(format!("SELECT count(*) {from}"));
        let count: Vec<i64> = read(store, count, |row| Ok(row.try_get(0)?)).await?;
        counts.insert(table.clone(), count.first().copied().unwrap_or(0));
        let sql = format!(
            "SELECT coalesce(l.\"row\", b.\"row\"), to_jsonb(l) - 'row', to_jsonb(b) - 'row' {from} ORDER BY 1 LIMIT $1"
        );
        let some: Vec<RowSeen> = read(store, Ask::new(sql).with(max), |row| {
            Ok(RowSeen {
                table: table.clone(),
                row: row.try_get(0)?,
                live: row.try_get(1)?,
                beside: row.try_get(2)?,
            })
        })
        .await?;
        rows.extend(some);
    }
    Ok((rows, counts))
}

/// Sums of report tables' numbers that the two ledgers have otherwise.
pub async fn differing_sums(store: &PostgresStore, replay: i64) -> Result<Vec<SumSeen>, StoreError> {
    let beside = name_of(store, replay)?;
    let mut sums = Vec::new();
    for (table, columns) in tables(store, &beside).await? {
        let name = Identifier::new("table", &table).map_err(|error| unusable(WHAT, error.into()))?;
        let by =
            if columns.iter().any(|(column, _)| column == "currency") { "currency" } else { "NULL::text" };
        let numbers = columns.iter().filter(|(_, kind)| kind.starts_with("numeric") || kind == "bigint");
        for (column, _) in numbers {
            let column = Identifier::new("column", column).map_err(|error| unusable(WHAT, error.into()))?;
            let sql = format!(
                "SELECT currency, sum(live)::text, sum(beside)::text FROM (
                    SELECT {by} AS currency, coalesce({column}, 0) AS live, 0 AS beside FROM {name}
                    UNION ALL SELECT {by}, 0, coalesce({column}, 0) FROM {beside}.{name}) AS both_of
                GROUP BY currency HAVING sum(live) <> sum(beside) ORDER BY 1"
            );
            let some: Vec<SumSeen> = read(store, Ask::new(sql), |row| {
                Ok(SumSeen {
                    table: table.clone(),
                    column: column.as_str().to_owned(),
                    currency: row.try_get(0)?,
                    live: row.try_get(1)?,
                    beside: row.try_get(2)?,
                })
            })
            .await?;
            sums.extend(some);
        }
    }
    Ok(sums)
}

/// What was folded by another code or under another configuration than a text: by lane and topic, the runs of offsets and that
/// code.
pub async fn folded_otherwise(
    store: &PostgresStore,
    processor: &str,
    code: &str,
) -> Result<Vec<(i32, String, i64, i64, String)>, StoreError> {
    let sql = "SELECT j.lane, s ->> 'topic', min((s ->> 'first')::bigint), max((s ->> 'next')::bigint), j.entry ->> 'code'
        FROM journal j, json_array_elements(j.entry -> 'segments') s
        WHERE j.processor = $1 AND j.entry ->> 'code' <> $2 GROUP BY 1, 2, 5 ORDER BY 1, 2, 3";
    read(store, Ask::new(sql).with(processor).with(code), |row| {
        Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?))
    })
    .await
}

/// What a projection's journal holds, by lane.
pub async fn journals(
    store: &PostgresStore,
    processor: &str,
) -> Result<BTreeMap<i32, JournalSeen>, StoreError> {
    let entries =
        "SELECT lane, count(*), min(clock_us), max(clock_us) FROM journal WHERE processor = $1 GROUP BY lane";
    let counted: Vec<(i32, JournalSeen)> = read(store, Ask::new(entries).with(processor), |row| {
        let clocks = Some((Timestamp(row.try_get(2)?), Timestamp(row.try_get(3)?)));
        Ok((row.try_get(0)?, JournalSeen { entries: row.try_get(1)?, clocks, topics: BTreeMap::new() }))
    })
    .await?;
    let mut lanes: BTreeMap<i32, JournalSeen> = counted.into_iter().collect();
    let segments = "SELECT j.lane, s ->> 'topic', min((s ->> 'first')::bigint), max((s ->> 'next')::bigint),
            sum((s ->> 'next')::bigint - (s ->> 'first')::bigint)::bigint
        FROM journal j, json_array_elements(j.entry -> 'segments') s WHERE j.processor = $1 GROUP BY 1, 2";
    let read_of: Vec<(i32, String, (i64, i64, i64))> =
        read(store, Ask::new(segments).with(processor), |row| {
            Ok((row.try_get(0)?, row.try_get(1)?, (row.try_get(2)?, row.try_get(3)?, row.try_get(4)?)))
        })
        .await?;
    for (lane, topic, offsets) in read_of {
        lanes.entry(lane).or_default().topics.insert(topic, offsets);
    }
    Ok(lanes)
}

/// Topics on which a projection states facts, and how many are in force on each.
pub async fn stated(store: &PostgresStore, processor: &str) -> Result<BTreeMap<String, i64>, StoreError> {
    let sql =
        "SELECT topic, count(*) FROM emitted WHERE origin_processor = $1 AND NOT withdrawn GROUP BY topic";
    read(store, Ask::new(sql).with(processor), |row| Ok((row.try_get(0)?, row.try_get(1)?))).await
}

/// How many keys have a state.
pub async fn keys(store: &PostgresStore, processor: &str) -> Result<i64, StoreError> {
    let table =
        Identifier::of_name("table", "state_", processor).map_err(|error| unusable(WHAT, error.into()))?;
    let counted: Vec<i64> =
        read(store, Ask::new(format!("SELECT count(*) FROM {table}")), |row| Ok(row.try_get(0)?)).await?;
    Ok(counted.first().copied().unwrap_or(0))
}

fn name_of(store: &PostgresStore, replay: i64) -> Result<Identifier, StoreError> {
    schema(&store.layout, replay).map_err(|error| unusable(WHAT, error))
}

/// Report tables that both ledgers have, with their columns and types.
async fn tables(
    store: &PostgresStore,
    beside: &Identifier,
) -> Result<BTreeMap<String, Vec<(String, String)>>, StoreError> {
    let sql = "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE n.nspname = $1 AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
            AND EXISTS (SELECT 1 FROM pg_attribute k WHERE k.attrelid = c.oid AND k.attname = 'row')
            AND to_regclass(quote_ident(current_schema()) || '.' || quote_ident(c.relname)) IS NOT NULL
        ORDER BY c.relname, a.attnum";
    let rows: Vec<(String, String, String)> = read(store, Ask::new(sql).with(beside.as_str()), |row| {
        Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
    })
    .await?;
    let mut tables: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for (table, column, kind) in rows {
        tables.entry(table).or_default().push((column, kind));
    }
    Ok(tables)
}
