//! Rebuilds' ledgers: schemas beside the service's, and transactions over both.
//!
//! Every statement names tables without their schema, so that a transaction turns from one ledger to the other by its search
//! path alone.

use super::failure::Failure;
use super::identifier::Identifier;
use super::layout::Layout;
use super::tx::{EMITTED_COLUMNS, PostgresTx, emitted_at};
use super::wire::{Ask, ask};
use super::{OpenError, PostgresSettings, PostgresStore, migrate, pool, tables};
use crate::emission::Emitted;
use crate::journal::Entry;
use crate::replay::{Difference, Replay, Side, Standing, Which};
use crate::store::{CUT_OVER, FOLLOWED, LaneId, MISSED, Parked, StoreError};
use crate::table::TableRow;
use canon::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_postgres::Row;
use tokio_postgres::types::Json;

/// What a rebuild needs at once: a batch, a renewal, and one to spare.
const CONNECTIONS_MAX: usize = 4;

const REPLAYS: &str =
    "SELECT id, processor, tables_at, records_per_second, retired_at_us IS NOT NULL FROM replay
    WHERE dropped_at_us IS NULL ORDER BY id";

const JOURNAL: &str =
    "SELECT entry FROM journal WHERE processor = $1 AND lane = $2 AND seq > $3 ORDER BY seq LIMIT $4";

// Both are left out of an entry that has none.
const DECIDED: &str = "SELECT entry FROM journal WHERE processor = $1 AND lane = $2 AND seq > $3
    AND (entry -> 'discarded' IS NOT NULL OR entry -> 'edited' IS NOT NULL) ORDER BY seq";

const CUT_OVERS: &str = "SELECT entry FROM journal WHERE processor = $1 AND lane = $2
    AND json_typeof(entry -> 'cut_over') = 'object' ORDER BY seq";

// Whoever follows into it holds another sequence from here on.
const FENCE: &str = "UPDATE lane SET seq = seq + 1 WHERE processor = $1 AND lane = $2 RETURNING seq";

const POSITIONS: &str = "SELECT topic, next FROM position WHERE processor = $1 AND lane = $2";

const LAST: &str = "SELECT max(seq) FROM journal WHERE processor = $1 AND lane = $2";

const PARKED_OF: &str = "SELECT false, p.id, p.chain, p.topic, p.partition, p.record_offset, p.record_timestamp_us, p.key,
        p.value, p.headers, p.deadline_key, p.deadline_at_us, p.reason, p.detail, p.parked_at_us, p.waits_topic, p.waits_key,
        p.waits_after, p.homonyms
    FROM parked p
    WHERE p.processor = $1 AND p.lane = $2 AND ($3 OR p.chain = ANY($4)
        OR (p.chain IS NULL AND (p.topic, p.record_offset) IN (SELECT * FROM unnest($5::text[], $6::bigint[])))
        OR (p.topic, p.record_offset) IN (SELECT * FROM unnest($7::text[], $8::bigint[]))
        OR (p.chain IS NULL AND p.deadline_key = ANY($9))
        OR (p.deadline_key, p.deadline_at_us) IN (SELECT * FROM unnest($10::text[], $11::bigint[])))
    ORDER BY p.id";

/// The schema of a rebuild's ledger.
pub(super) fn schema(layout: &Layout, replay: i64) -> Result<Identifier, OpenError> {
    Ok(Identifier::new("schema", &format!("{}_replay_{replay}", layout.schema.as_str()))?)
}

/// The ledger of a rebuild, made when it is not there.
pub(super) async fn open(store: &PostgresStore, replay: i64) -> Result<PostgresStore, OpenError> {
    let layout = Arc::new(store.layout.beside(schema(&store.layout, replay)?));
    let settings = PostgresSettings { connections_max: CONNECTIONS_MAX, ..(*store.settings).clone() };
    let pool = pool::pool(&settings, &layout.schema)?;
    let made = PostgresStore { pool, layout, settings: store.settings.clone() };
    migrate::migrate(made.connection("make a rebuild's ledger").await?, &made.layout).await?;
    // Decisions are copied without the intents that they came of.
    let free = Ask::new("ALTER TABLE decision DROP CONSTRAINT IF EXISTS decision_intent_fkey");
    let client = made.connection("make a rebuild's ledger").await?;
    ask(&client, free).await.map_err(|failure| failure.during("make a rebuild's ledger"))?;
    Ok(made)
}

pub(super) async fn throw_away(store: &PostgresStore, replay: i64) -> Result<(), StoreError> {
    let what = "throw a rebuild's ledger away";
    let schema = schema(&store.layout, replay).map_err(|error| unusable(what, error))?;
    let client = store.connection(what).await?;
    let dropping = Ask::new(format!("DROP SCHEMA IF EXISTS {schema} CASCADE"));
    ask(&client, dropping).await.map_err(|failure| failure.during(what))?;
    let note = Ask::new("UPDATE replay SET dropped_at_us = now_us() WHERE id = $1").with(replay);
    ask(&client, note).await.map(drop).map_err(|failure| failure.during(what))
}

pub(super) fn unusable(what: &'static str, error: OpenError) -> StoreError {
    match error {
        OpenError::Store(error) => error,
        other => StoreError::Unavailable { what, source: Some(Box::new(other)) },
    }
}

impl PostgresStore {
    pub(super) async fn replays_asked(&self) -> Result<Vec<Replay>, StoreError> {
        let what = "see what is to be rebuilt";
        let client = self.connection(what).await?;
        let rows = ask(&client, Ask::new(REPLAYS)).await.map_err(|failure| failure.during(what))?;
        let read = |row: &Row| {
            let rate = row.try_get::<_, Option<i32>>(3)?;
            Ok(Replay {
                id: row.try_get(0)?,
                processor: row.try_get(1)?,
                tables_at: row.try_get(2)?,
                records_per_second: rate.and_then(|rate| u32::try_from(rate).ok()),
                is_retired: row.try_get(4)?,
            })
        };
        rows.iter().map(read).collect::<Result<_, Failure>>().map_err(|failure| failure.during(what))
    }

    pub(super) async fn note(
        &self,
        replay: i64,
        code: Option<&str>,
        trouble: Option<&str>,
    ) -> Result<(), StoreError> {
        let what = "note how a rebuild goes";
        let client = self.connection(what).await?;
        let note = Ask::new("UPDATE replay SET code = coalesce($2, code), trouble = $3 WHERE id = $1");
        let noted = ask(&client, note.with(replay).with(code).with(trouble)).await;
        noted.map(drop).map_err(|failure| failure.during(what))
    }

    pub(super) async fn journal_behind(
        &self,
        lane: LaneId,
        behind: i64,
        max: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let asked = Ask::new(JOURNAL).with(lane.processor).with(lane.number).with(behind);
        self.read_entries(asked.with(i64::try_from(max).unwrap_or(i64::MAX))).await
    }

    pub(super) async fn decided_behind(&self, lane: LaneId, behind: i64) -> Result<Vec<Entry>, StoreError> {
        self.read_entries(Ask::new(DECIDED).with(lane.processor).with(lane.number).with(behind)).await
    }

    pub(super) async fn cut_over(&self, lane: LaneId) -> Result<Vec<Entry>, StoreError> {
        self.read_entries(Ask::new(CUT_OVERS).with(lane.processor).with(lane.number)).await
    }

    async fn read_entries(&self, asked: Ask<'_>) -> Result<Vec<Entry>, StoreError> {
        let what = "read a lane's journal";
        let client = self.connection(what).await?;
        let rows = ask(&client, asked).await.map_err(|failure| failure.during(what))?;
        let read = |row: &Row| {
            let Json(value) = row.try_get::<_, Json<serde_json::Value>>(0)?;
            serde_json::from_value(value).map_err(|_| Failure::Corrupt("a journal entry"))
        };
        rows.iter().map(read).collect::<Result<_, Failure>>().map_err(|failure| failure.during(what))
    }

    pub(super) async fn rows_between(&self, behind: i64, upto: i64) -> Result<Vec<TableRow>, StoreError> {
        let what = "read the tables' rows";
        let client = self.connection(what).await?;
        let asked = Ask::new(tables::ROWS).with(behind).with(upto);
        let rows = ask(&client, asked).await.map_err(|failure| failure.during(what))?;
        rows.iter().map(tables::row).collect::<Result<_, Failure>>().map_err(|failure| failure.during(what))
    }
}

impl PostgresTx {
    pub(super) async fn parked_rows(&mut self, which: &Which) -> Result<Vec<(i64, Parked)>, StoreError> {
        let what = "read parked inputs";
        let places = |places: &[(String, i64)]| -> (Vec<String>, Vec<i64>) { places.iter().cloned().unzip() };
        let (alone, alone_at) = places(&which.alone);
        let (records, records_at) = places(&which.records);
        let due = which.deadlines.iter().map(|(key, at)| (key.clone(), at.0)).collect::<Vec<_>>();
        let (keys, ats) = places(&due);
        let asked = self.of_lane(PARKED_OF).with(which.all).with(which.chains.clone());
        let asked = asked.with(alone).with(alone_at).with(records).with(records_at);
        let asked = asked.with(which.deadlines_alone.clone()).with(keys).with(ats);
        let rows = self.ask(what, asked).await?;
        let read = |row: &Row| Ok((row.try_get(1)?, tables::parked(row)?));
        rows.iter().map(read).collect::<Result<_, Failure>>().map_err(|failure| failure.during(what))
    }

    pub(super) async fn take_lane_along(&mut self, replay: i64) -> Result<Option<Standing>, StoreError> {
        let what = "take a rebuild's lane along";
        let beside = schema(&self.layout, replay).map_err(|error| unusable(what, error))?;
        let there = Ask::new("SELECT to_regclass($1::text) IS NOT NULL").with(format!("{beside}.lane"));
        let there = self.ask(what, there).await?;
        if !there.first().is_some_and(|row| row.get(0)) {
            return Ok(None);
        }
        let last = self.of_lane(LAST);
        let last = self.ask(what, last).await?;
        self.along = Some(beside);
        self.turn_to(Side::Beside).await?;
        let fenced = self.of_lane(FENCE);
        let fenced = self.ask(what, fenced).await?;
        let positions = self.of_lane(POSITIONS);
        let positions = self.ask(what, positions).await?;
        self.turn_to(Side::Live).await?;
        if fenced.is_empty() {
            return Ok(None);
        }
        let read = || -> Result<Standing, Failure> {
            let journal = last.first().map_or(Ok(None), |row| row.try_get::<_, Option<i64>>(0))?;
            let mut standing = Standing { journal: journal.unwrap_or(0), ..Standing::default() };
            for row in &positions {
                match row.try_get::<_, &str>(0)? {
                    FOLLOWED => standing.followed = row.try_get(1)?,
                    MISSED => standing.has_missed = row.try_get::<_, i64>(1)? == 1,
                    CUT_OVER => standing.is_cut_over = row.try_get::<_, i64>(1)? == 1,
                    _ => {}
                }
            }
            Ok(standing)
        };
        read().map(Some).map_err(|failure| failure.during(what))
    }

    pub(super) async fn turn_to(&mut self, side: Side) -> Result<(), StoreError> {
        let beside = self.along.as_ref().filter(|_| side == Side::Beside);
        let to = format!("SET LOCAL search_path = {}", beside.unwrap_or(&self.layout.schema));
        self.side = side;
        self.ask("turn to another ledger", Ask::new(to)).await.map(drop)
    }

    pub(super) async fn keys_behind(&mut self, behind: &str, max: usize) -> Result<Vec<String>, StoreError> {
        let what = "read the keys of states";
        let sql = self.layout.processor(self.fence.lane.processor).map_err(|failure| failure.during(what))?;
        let asked = Ask::new(sql.keys.as_str()).with(behind).with(i64::try_from(max).unwrap_or(i64::MAX));
        let rows = self.ask(what, asked).await?;
        let read = |row: &Row| Ok(row.try_get(0)?);
        rows.iter().map(read).collect::<Result<_, Failure>>().map_err(|failure| failure.during(what))
    }

    pub(super) async fn deadline_of(&mut self, key: &str) -> Result<Option<Timestamp>, StoreError> {
        let what = "read a deadline";
        let sql = "SELECT at_us FROM deadline WHERE processor = $1 AND lane = $2 AND key = $3";
        let asked = self.of_lane(sql).with(key.to_owned());
        let rows = self.ask(what, asked).await?;
        let at = rows.first().map(|row| row.try_get(0).map(Timestamp)).transpose();
        at.map_err(|error| Failure::from(error).during(what))
    }

    pub(super) async fn deadlines_of_lane(&mut self) -> Result<BTreeMap<String, Timestamp>, StoreError> {
        let what = "read deadlines";
        let asked = self.of_lane("SELECT key, at_us FROM deadline WHERE processor = $1 AND lane = $2");
        let rows = self.ask(what, asked).await?;
        let read = |row: &Row| Ok((row.try_get(0)?, Timestamp(row.try_get(1)?)));
        rows.iter().map(read).collect::<Result<_, Failure>>().map_err(|failure| failure.during(what))
    }

    pub(super) async fn differing_facts(&mut self) -> Result<Vec<Difference>, StoreError> {
        let what = "compare the ledgers' facts";
        let Some(beside) = self.along.clone() else { return Ok(Vec::new()) };
        let [new, old] = differing_sql(&beside, "AND b.origin_partition = $2", "AND l.origin_partition = $2");
        let asks = vec![self.of_lane(new), self.of_lane(old)];
        let answers = self.send(what, asks).await?;
        differences(answers.iter().flatten()).map_err(|failure| failure.during(what))
    }
}

/// Facts that two ledgers have otherwise: those of the ledger beside, and those that only the live one has. Of a processor, $1.
pub(super) fn differing_sql(beside: &Identifier, of_new: &str, of_old: &str) -> [String; 2] {
    let columns = |table: &str| {
        let of = |column: &&str| format!("{table}.{column}");
        EMITTED_COLUMNS.iter().map(of).collect::<Vec<_>>().join(", ")
    };
    let (new, live) = (columns("b"), columns("l"));
    [
        format!(
            "SELECT b.fact, {live}, {new} FROM {beside}.emitted b LEFT JOIN emitted l ON l.fact = b.fact
            WHERE b.origin_processor = $1 {of_new}
                AND CASE WHEN b.withdrawn THEN NULL ELSE b.content END
                    IS DISTINCT FROM CASE WHEN l.withdrawn THEN NULL ELSE l.content END
            ORDER BY b.fact"
        ),
        format!(
            "SELECT l.fact, {live}, {} FROM emitted l
            WHERE l.origin_processor = $1 {of_old} AND NOT l.withdrawn
                AND NOT EXISTS (SELECT 1 FROM {beside}.emitted b WHERE b.fact = l.fact)
            ORDER BY l.fact",
            nothing()
        ),
    ]
}

/// Columns of a fact that is not there, of the types that they are read as.
fn nothing() -> String {
    let kinds = [
        "uuid", "text", "text", "text", "bigint", "bigint", "bytea", "boolean", "bytea", "text", "text",
        "integer", "bigint",
    ];
    kinds.map(|kind| format!("NULL::{kind}")).join(", ")
}

/// Rows as [`differing_sql`] selects them.
pub(super) fn differences<'a>(rows: impl Iterator<Item = &'a Row>) -> Result<Vec<Difference>, Failure> {
    let fact = |row: &Row, first: usize| -> Result<Option<Emitted>, Failure> {
        let is_there = row.try_get::<_, Option<uuid::Uuid>>(first)?.is_some();
        if is_there { emitted_at(row, first).map(Some) } else { Ok(None) }
    };
    rows.map(|row| Ok(Difference { live: fact(row, 1)?, beside: fact(row, 1 + EMITTED_COLUMNS.len())? }))
        .collect()
}
