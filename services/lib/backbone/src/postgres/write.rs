//! A batch's changes as statements: one per table, columnar, each key once.

use super::failure::Failure;
use super::layout::{Layout, ProcessorSql};
use super::report::plain;
use super::tables;
use super::wire::{Ask, pack};
use crate::emission::{Emitted, Origin};
use crate::projection::Row;
use crate::record::{OutRecord, Record};
use crate::reject::Waits;
use crate::store::{Changes, Decision, Effect, Ended, LaneId, Parked, ParkedItem, StoredState, Waiting};
use canon::time::Timestamp;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::types::Json;
use uuid::Uuid;

/// Where and when a batch is written.
pub(super) struct Place<'l> {
    pub(super) lane: LaneId,
    pub(super) now: Timestamp,
    pub(super) layout: &'l Layout,
}

const CLEAR_DEADLINES: &str = "DELETE FROM deadline WHERE processor = $1 AND lane = $2 AND key = ANY($3)";

const SET_DEADLINES: &str = "INSERT INTO deadline (processor, lane, key, at_us)
    SELECT $1, $2, key, at FROM unnest($3::text[], $4::bigint[]) AS new(key, at)
    ON CONFLICT (processor, lane, key) DO UPDATE SET at_us = excluded.at_us WHERE deadline.at_us <> excluded.at_us";

const SEEN: &str = "INSERT INTO seen (processor, name, id)
    SELECT $1, name, id FROM unnest($2::text[], $3::uuid[]) AS new(name, id) ON CONFLICT DO NOTHING";

// Numbered row by row, behind the sort: ids are in park order.
const PARK: &str = "INSERT INTO parked (processor, lane, chain, kind, topic, partition, record_offset, record_timestamp_us,
        key, value, headers, deadline_key, deadline_at_us, reason, detail, parked_at_us, waits_topic, waits_key,
        waits_after, homonyms)
    SELECT $1, $2, chain, CASE WHEN topic IS NULL THEN 'deadline' ELSE 'record' END, topic, partition, record_offset,
        record_timestamp_us, key, value, headers, deadline_key, deadline_at_us, reason, detail, parked_at_us,
        waits_topic, waits_key, waits_after, homonyms
    FROM unnest($3::text[], $4::text[], $5::int[], $6::bigint[], $7::bigint[], $8::bytea[], $9::bytea[], $10::bytea[],
            $11::text[], $12::bigint[], $13::text[], $14::text[], $15::bigint[], $16::text[], $17::text[],
            $18::bigint[], $19::int[])
        WITH ORDINALITY AS new(chain, topic, partition, record_offset, record_timestamp_us, key, value, headers,
            deadline_key, deadline_at_us, reason, detail, parked_at_us, waits_topic, waits_key, waits_after,
            homonyms, place)
    ORDER BY place";

const UNPARK: &str = "DELETE FROM parked WHERE processor = $1 AND lane = $2 AND id = ANY($3)";

// What was edited before and is given up now, or edited again, keeps the value that came from the topic.
const DECISIONS: &str =
    "INSERT INTO decision (processor, lane, topic, record_offset, was, value, intent, at_us)
    SELECT $1, $2, topic, record_offset, was, value, intent, $8
    FROM unnest($3::text[], $4::bigint[], $5::bytea[], $6::bytea[], $7::bigint[])
        AS new(topic, record_offset, was, value, intent)
    ON CONFLICT (processor, lane, topic, record_offset) DO UPDATE SET value = excluded.value,
        intent = excluded.intent, at_us = excluded.at_us";

const COUNTERS: &str = "INSERT INTO counter (topic, key, version)
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])
    ON CONFLICT (topic, key) DO UPDATE SET version = excluded.version";

const EMITTED: &str = "INSERT INTO emitted (fact, name, topic, key, revision, version, content, withdrawn, wire,
        origin_processor, origin_topic, origin_partition, origin_offset)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bytea[],
        $8::boolean[], $9::bytea[], $10::text[], $11::text[], $12::int[], $13::bigint[])
    ON CONFLICT (fact) DO UPDATE SET name = excluded.name, topic = excluded.topic, key = excluded.key,
        revision = excluded.revision, version = excluded.version, content = excluded.content,
        withdrawn = excluded.withdrawn, wire = excluded.wire, origin_processor = excluded.origin_processor,
        origin_topic = excluded.origin_topic, origin_partition = excluded.origin_partition,
        origin_offset = excluded.origin_offset";

const ENDED: &str = "UPDATE intent SET ended_at_us = $4, result = $5
    WHERE processor = $1 AND lane = $2 AND id = $3 AND ended_at_us IS NULL";

const REREAD_OVER: [&str; 2] = [
    "UPDATE lane SET reread_until_us = NULL WHERE processor = $1 AND lane = $2",
    "DELETE FROM ahead WHERE processor = $1 AND lane = $2",
];

const LEFT: &str = "DELETE FROM ahead WHERE fact = $1";

const BEGUN: &str = "UPDATE intent SET tries = tries + 1
    WHERE processor = $1 AND lane = $2 AND id = $3 AND ended_at_us IS NULL";

const STOP: &str = "UPDATE lane SET stopped_why = $3, stopped_at_us = $4 WHERE processor = $1 AND lane = $2";

// The sequence is drawn row by row, behind the sort.
const OUTBOX: &str = "INSERT INTO outbox (shard, topic, partition, key, value, headers, at_us)
    SELECT partition % $1::int, topic, partition, key, value, headers, $2::bigint
    FROM unnest($3::text[], $4::int[], $5::bytea[], $6::bytea[], $7::bytea[])
        WITH ORDINALITY AS new(topic, partition, key, value, headers, place)
    ORDER BY place";

const EFFECTS: &str = "INSERT INTO effect (processor, command, name, ended, their_id, at_us)
    SELECT $1, * FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[])
    ON CONFLICT (processor, command) DO UPDATE SET name = excluded.name, ended = excluded.ended,
        their_id = excluded.their_id, at_us = excluded.at_us";

const POSITIONS: &str = "INSERT INTO position (processor, lane, topic, next)
    SELECT $1, $2, * FROM unnest($3::text[], $4::bigint[])
    ON CONFLICT (processor, lane, topic) DO UPDATE SET next = excluded.next";

const JOURNAL: &str =
    "INSERT INTO journal (processor, lane, seq, clock_us, entry) VALUES ($1, $2, $3, $4, $5)";

const ATTEMPTS: &str = "UPDATE lane SET attempts = $3, trial_topic = $4, trial_offset = $5
    WHERE processor = $1 AND lane = $2";

const NEXT_DUE: &str = "SELECT min(at_us) FROM deadline WHERE processor = $1 AND lane = $2";

impl<'l> Place<'l> {
    /// Everything to send, in order; the last one answers the lane's earliest deadline.
    pub(super) fn asks<'a>(&self, changes: &'a Changes, attempts: bool) -> Result<Vec<Ask<'a>>, Failure>
    where
        'l: 'a,
    {
        let mut asks = Vec::new();
        self.states(&changes.states, &mut asks)?;
        if !changes.states_gone.is_empty() {
            asks.push(Ask::new(self.sql()?.remove.as_str()).with(changes.states_gone.as_slice()));
        }
        self.deadlines(&changes.deadlines, &mut asks);
        if !changes.seen.is_empty() {
            let (names, ids): (Vec<&str>, Vec<Uuid>) =
                changes.seen.iter().map(|(name, id)| (name.as_str(), *id)).unzip();
            asks.push(Ask::new(SEEN).with(self.lane.processor).with(names).with(ids));
        }
        if !changes.unparked.is_empty() {
            asks.push(self.of(UNPARK).with(changes.unparked.as_slice()));
        }
        self.park(&changes.parked, &mut asks);
        self.decisions(&changes.decisions, &mut asks);
        tables::write(changes, self.now, &mut asks);
        counters(changes, &mut asks);
        emitted(&changes.emitted, &mut asks);
        self.outbox(&changes.outbox, &mut asks);
        self.rows(changes, &mut asks)?;
        self.effects(&changes.effects, &mut asks);
        if !changes.positions.is_empty() {
            let topics: Vec<&str> = changes.positions.keys().map(String::as_str).collect();
            let nexts: Vec<i64> = changes.positions.values().copied().collect();
            asks.push(self.of(POSITIONS).with(topics).with(nexts));
        }
        if let Some(entry) = &changes.journal {
            asks.push(self.of(JOURNAL).with(entry.seq).with(entry.clock.0).with(Json(entry)));
        }
        if let Some((id, outcome)) = &changes.ended {
            asks.push(self.of(ENDED).with(*id).with(self.now.0).with(Json(outcome)));
        }
        if let Some(fact) = changes.left {
            asks.push(Ask::new(LEFT).with(fact));
        }
        if changes.reread_over {
            asks.extend(REREAD_OVER.map(|sql| self.of(sql)));
        }
        if let Some(id) = changes.begun {
            asks.push(self.of(BEGUN).with(id));
        }
        if let Some(why) = &changes.stop {
            asks.push(self.of(STOP).with(why.as_str()).with(self.now.0));
        }
        if let Some(source) = &changes.source {
            super::tx::source::asks(self.lane.processor, source, &mut asks);
        }
        if attempts {
            let trial = changes.trial.as_ref();
            let topic = trial.map(|trial| trial.topic.as_str());
            asks.push(
                self.of(ATTEMPTS).with(changes.attempts).with(topic).with(trial.map(|trial| trial.offset)),
            );
        }
        asks.push(self.of(NEXT_DUE));
        Ok(asks)
    }

    fn of<'a>(&self, sql: &'static str) -> Ask<'a> {
        Ask::new(sql).with(self.lane.processor).with(self.lane.number)
    }

    fn sql(&self) -> Result<&'l ProcessorSql, Failure> {
        let sql = self.layout.processors.get(self.lane.processor);
        sql.map(AsRef::as_ref).ok_or(Failure::UnknownProcessor(self.lane.processor))
    }

    fn states<'a>(&self, states: &'a [(String, StoredState)], asks: &mut Vec<Ask<'a>>) -> Result<(), Failure>
    where
        'l: 'a,
    {
        if states.is_empty() {
            return Ok(());
        }
        let sql = self.sql()?;
        let last: BTreeMap<&str, &StoredState> =
            states.iter().map(|(key, state)| (key.as_str(), state)).collect();
        let keys: Vec<&str> = last.keys().copied().collect();
        let versions: Vec<Json<&BTreeMap<String, i64>>> =
            last.values().map(|state| Json(&state.versions)).collect();
        let bodies: Vec<&serde_json::Value> = last.values().map(|state| &state.body).collect();
        asks.push(Ask::new(sql.store.as_str()).with(keys).with(versions).with(bodies));
        Ok(())
    }

    fn deadlines<'a>(&self, deadlines: &'a [(String, Option<Timestamp>)], asks: &mut Vec<Ask<'a>>) {
        let last: BTreeMap<&str, Option<Timestamp>> =
            deadlines.iter().map(|(key, at)| (key.as_str(), *at)).collect();
        let cleared: Vec<&str> = last.iter().filter(|(_, at)| at.is_none()).map(|(key, _)| *key).collect();
        let (keys, ats): (Vec<&str>, Vec<i64>) =
            last.iter().filter_map(|(key, at)| Some((*key, at.as_ref()?.0))).unzip();
        if !cleared.is_empty() {
            asks.push(self.of(CLEAR_DEADLINES).with(cleared));
        }
        if !keys.is_empty() {
            asks.push(self.of(SET_DEADLINES).with(keys).with(ats));
        }
    }

    fn park<'a>(&self, parked: &'a [Parked], asks: &mut Vec<Ask<'a>>) {
        if parked.is_empty() {
            return;
        }
        let records: Vec<Option<&Record>> = parked.iter().map(|one| record(&one.item)).collect();
        let deadlines: Vec<Option<(&str, i64)>> = parked.iter().map(|one| deadline(&one.item)).collect();
        let of = |column: fn(&Record) -> i64| -> Vec<Option<i64>> {
            records.iter().map(|record| record.map(column)).collect()
        };
        let bytes = |column: fn(&Record) -> Option<&[u8]>| -> Vec<Option<&'a [u8]>> {
            records.iter().map(|record| record.and_then(column)).collect()
        };
        let ask = self.of(PARK).with(parked.iter().map(|one| one.chain.as_deref()).collect::<Vec<_>>());
        let ask =
            ask.with(records.iter().map(|record| record.map(|record| record.topic)).collect::<Vec<_>>());
        let ask =
            ask.with(records.iter().map(|record| record.map(|record| record.partition)).collect::<Vec<_>>());
        let ask = ask.with(of(|record| record.offset)).with(of(|record| record.timestamp.0));
        let ask =
            ask.with(bytes(|record| record.key.as_deref())).with(bytes(|record| record.value.as_deref()));
        let headers = records.iter().map(|record| record.map(|record| pack(&record.headers)));
        let ask = ask.with(headers.collect::<Vec<_>>());
        let ask = ask.with(deadlines.iter().map(|deadline| deadline.map(|(key, _)| key)).collect::<Vec<_>>());
        let ask = ask.with(deadlines.iter().map(|deadline| deadline.map(|(_, at)| at)).collect::<Vec<_>>());
        let ask = ask.with(parked.iter().map(|one| one.reason.as_str()).collect::<Vec<_>>());
        let ask = ask.with(parked.iter().map(|one| plain(&one.detail)).collect::<Vec<_>>());
        let ask = ask.with(parked.iter().map(|one| one.at.0).collect::<Vec<_>>());
        // Lines of a text, since neither topics nor keys hold a line's end.
        let waits = |column: fn(&Waits) -> &str| -> Vec<Option<String>> {
            let lines = |waits: &Waiting| waits.rows.iter().map(column).collect::<Vec<_>>().join("\n");
            parked.iter().map(|one| one.waits.as_ref().map(lines)).collect()
        };
        let ask = ask.with(waits(|row| &row.topic)).with(waits(|row| &row.key));
        let after = parked.iter().map(|one| one.waits.as_ref().map(|waits| waits.after));
        let ask = ask.with(after.collect::<Vec<_>>());
        let homonyms = parked.iter().map(|one| i32::try_from(one.homonyms).unwrap_or(i32::MAX));
        asks.push(ask.with(homonyms.collect::<Vec<_>>()));
    }

    fn outbox<'a>(&self, outbox: &'a [OutRecord], asks: &mut Vec<Ask<'a>>) {
        if outbox.is_empty() {
            return;
        }
        let ask = Ask::new(OUTBOX).with(self.layout.shards).with(self.now.0);
        let ask = ask.with(outbox.iter().map(|row| row.topic.as_str()).collect::<Vec<_>>());
        let ask = ask.with(outbox.iter().map(|row| row.partition).collect::<Vec<_>>());
        let ask = ask.with(outbox.iter().map(|row| row.key.as_slice()).collect::<Vec<_>>());
        let ask = ask.with(outbox.iter().map(|row| row.value.as_deref()).collect::<Vec<_>>());
        asks.push(ask.with(outbox.iter().map(|row| pack(&row.headers)).collect::<Vec<_>>()));
    }

    /// Report rows, table by table: first those that are gone, then those that are there.
    fn rows<'a>(&self, changes: &'a Changes, asks: &mut Vec<Ask<'a>>) -> Result<(), Failure>
    where
        'l: 'a,
    {
        let table = |name| self.layout.tables.get(name).ok_or(Failure::UnknownTable(name));
        let mut gone: BTreeMap<&'static str, BTreeSet<&str>> = BTreeMap::new();
        for (table, row) in &changes.rows_gone {
            gone.entry(table).or_default().insert(row);
        }
        for (name, rows) in gone {
            asks.push(table(name)?.delete(rows.into_iter().map(plain).collect()));
        }
        let mut there: BTreeMap<&'static str, BTreeMap<&str, &Row>> = BTreeMap::new();
        for row in &changes.rows {
            there.entry(row.table).or_default().insert(&row.row, row);
        }
        for (name, rows) in there {
            asks.push(table(name)?.upsert(&rows.into_values().collect::<Vec<_>>())?);
        }
        Ok(())
    }

    fn decisions<'a>(&self, decisions: &'a [Decision], asks: &mut Vec<Ask<'a>>) {
        if decisions.is_empty() {
            return;
        }
        let ask = self.of(DECISIONS).with(decisions.iter().map(|one| one.topic.as_str()).collect::<Vec<_>>());
        let ask = ask.with(decisions.iter().map(|one| one.offset).collect::<Vec<_>>());
        let ask = ask.with(decisions.iter().map(|one| one.was.as_deref()).collect::<Vec<_>>());
        let ask = ask.with(decisions.iter().map(|one| one.now.as_deref()).collect::<Vec<_>>());
        let ask = ask.with(decisions.iter().map(|one| one.intent).collect::<Vec<_>>());
        asks.push(ask.with(self.now.0));
    }

    fn effects<'a>(&self, effects: &'a [Effect], asks: &mut Vec<Ask<'a>>) {
        if effects.is_empty() {
            return;
        }
        let last: BTreeMap<Uuid, &Effect> = effects.iter().map(|effect| (effect.command, effect)).collect();
        let ended = |effect: &&Effect| match effect.ended {
            Ended::Applied => "applied",
            Ended::Discarded => "discarded",
            Ended::Parked => "parked",
        };
        let ask = Ask::new(EFFECTS).with(self.lane.processor).with(last.keys().copied().collect::<Vec<_>>());
        let ask = ask.with(last.values().map(|effect| effect.name.as_str()).collect::<Vec<_>>());
        let ask = ask.with(last.values().map(ended).collect::<Vec<_>>());
        let ask = ask.with(last.values().map(|effect| effect.their_id.as_deref()).collect::<Vec<_>>());
        asks.push(ask.with(last.values().map(|effect| effect.at.0).collect::<Vec<_>>()));
    }
}

fn record(item: &ParkedItem) -> Option<&Record> {
    match item {
        ParkedItem::Record(record) => Some(record),
        ParkedItem::Deadline { .. } => None,
    }
}

fn deadline(item: &ParkedItem) -> Option<(&str, i64)> {
    match item {
        ParkedItem::Record(_) => None,
        ParkedItem::Deadline { key, at } => Some((key, at.0)),
    }
}

fn counters<'a>(changes: &'a Changes, asks: &mut Vec<Ask<'a>>) {
    if changes.counters.is_empty() {
        return;
    }
    let last: BTreeMap<(&str, &str), i64> = changes
        .counters
        .iter()
        .map(|((topic, key), version)| ((topic.as_str(), key.as_str()), *version))
        .collect();
    let (topics, keys): (Vec<&str>, Vec<&str>) = last.keys().copied().unzip();
    asks.push(Ask::new(COUNTERS).with(topics).with(keys).with(last.into_values().collect::<Vec<_>>()));
}

fn emitted<'a>(emitted: &'a [Emitted], asks: &mut Vec<Ask<'a>>) {
    if emitted.is_empty() {
        return;
    }
    let last: BTreeMap<Uuid, &Emitted> = emitted.iter().map(|row| (row.fact, row)).collect();
    asks.push(facts(EMITTED, &last.into_values().collect::<Vec<_>>()));
}

/// Facts that are newer than what the ledger has; answers a row for each that was.
pub(super) fn take_over<'a>(rows: &[&'a Emitted]) -> Ask<'a> {
    facts(format!("{EMITTED} WHERE emitted.version < excluded.version RETURNING 1"), rows)
}

fn facts<'a>(sql: impl Into<Cow<'a, str>>, rows: &[&'a Emitted]) -> Ask<'a> {
    let ask = Ask::new(sql).with(rows.iter().map(|row| row.fact).collect::<Vec<_>>());
    let ask = ask.with(rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>());
    let ask = ask.with(rows.iter().map(|row| row.topic.as_str()).collect::<Vec<_>>());
    let ask = ask.with(rows.iter().map(|row| row.key.as_str()).collect::<Vec<_>>());
    let ask = ask.with(rows.iter().map(|row| i64::from(row.revision)).collect::<Vec<_>>());
    let ask = ask.with(rows.iter().map(|row| row.version).collect::<Vec<_>>());
    let ask = ask.with(rows.iter().map(|row| row.content.0.to_vec()).collect::<Vec<_>>());
    let ask = ask.with(rows.iter().map(|row| row.withdrawn).collect::<Vec<_>>());
    let ask = ask.with(rows.iter().map(|row| row.wire.as_slice()).collect::<Vec<_>>());
    let origins: Vec<Option<&Origin>> = rows.iter().map(|row| row.origin.as_ref()).collect();
    let texts = |column: fn(&Origin) -> &str| -> Vec<Option<&'a str>> {
        origins.iter().map(|origin| origin.map(column)).collect()
    };
    let ask = ask.with(texts(|origin| &origin.processor)).with(texts(|origin| &origin.topic));
    let ask = ask.with(origins.iter().map(|origin| origin.map(|one| one.partition)).collect::<Vec<_>>());
    ask.with(origins.iter().map(|origin| origin.map(|one| one.offset)).collect::<Vec<_>>())
}
