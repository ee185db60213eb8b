//! What sources keep, on PostgreSQL: read and written within the transaction that holds the source's lane.

use super::PostgresTx;
use crate::postgres::PostgresStore;
use crate::postgres::failure::Failure;
use crate::postgres::wire::{Ask, ask};
use crate::source::{
    Approval, FactKnown, Hold, Known, Mark, Refusal, RowKnown, SourceChanges, SourceTx, Standing, Swept,
};
use crate::store::StoreError;
use canon::time::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use tokio_postgres::Row;
use uuid::Uuid;

const CURSOR: &str = "SELECT cursor FROM source_cursor WHERE source = $1";

const HOLDS: &str = "SELECT kind, gone, known, asked_at_us, approved FROM source_hold WHERE source = $1";

const COUNT: &str = "SELECT count(*) FROM source_row WHERE source = $1 AND kind = $2 AND seen_seq <= $3";

// Joined, so that the planner hashes what is present whatever there is of it.
const GONE: &str =
    "SELECT r.id FROM source_row r LEFT JOIN unnest($4::text[]) AS there(id) ON there.id = r.id
    WHERE r.source = $1 AND r.kind = $2 AND r.seen_seq <= $3 AND there.id IS NULL ORDER BY r.id";

const ROWS: &str = "SELECT r.kind, r.id, r.seen_seq, r.refused_reason, r.refused_detail
    FROM unnest($2::text[], $3::text[]) AS wanted(kind, id)
    JOIN source_row r ON r.source = $1 AND r.kind = wanted.kind AND r.id = wanted.id";

const FACTS_OF: &str = "SELECT f.fact, f.kind, f.id, f.topic, f.name, f.key
    FROM unnest($2::text[], $3::text[]) AS wanted(kind, id)
    JOIN source_fact f ON f.source = $1 AND f.kind = wanted.kind AND f.id = wanted.id";

const FACTS: &str =
    "SELECT fact, kind, id, topic, name, key FROM source_fact WHERE source = $1 AND fact = ANY($2)";

const SET_CURSOR: &str = "INSERT INTO source_cursor (source, cursor) VALUES ($1, $2)
    ON CONFLICT (source) DO UPDATE SET cursor = excluded.cursor";

const SET_ROWS: &str = "INSERT INTO source_row (source, kind, id, seen_seq, refused_reason, refused_detail)
    SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[])
    ON CONFLICT (source, kind, id) DO UPDATE SET seen_seq = excluded.seen_seq,
        refused_reason = excluded.refused_reason, refused_detail = excluded.refused_detail";

const CLEAR_ROWS: &str = "DELETE FROM source_row r USING unnest($2::text[], $3::text[]) AS gone(kind, id)
    WHERE r.source = $1 AND r.kind = gone.kind AND r.id = gone.id";

const SET_FACTS: &str = "INSERT INTO source_fact (source, fact, kind, id, topic, name, key)
    SELECT $1, * FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
    ON CONFLICT (source, fact) DO UPDATE SET kind = excluded.kind, id = excluded.id, topic = excluded.topic,
        name = excluded.name, key = excluded.key";

const CLEAR_FACTS: &str = "DELETE FROM source_fact WHERE source = $1 AND fact = ANY($2)";

// What a person approved meanwhile stays.
const SET_HOLDS: &str = "INSERT INTO source_hold (source, kind, gone, known, asked_at_us)
    SELECT $1, * FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[])
    ON CONFLICT (source, kind) DO UPDATE SET gone = excluded.gone, known = excluded.known,
        asked_at_us = excluded.asked_at_us";

const CLEAR_HOLDS: &str = "DELETE FROM source_hold WHERE source = $1 AND kind = ANY($2)";

const APPROVE: &str =
    "UPDATE source_hold SET approved = $3 WHERE source = $1 AND kind = $2 RETURNING approved";

impl SourceTx for PostgresTx {
    async fn standing(&mut self) -> Result<Standing, StoreError> {
        let what = "read a source's cursor";
        let source = self.fence.lane.processor;
        let asks = vec![Ask::new(CURSOR).with(source), Ask::new(HOLDS).with(source)];
        let answers = self.send(what, asks).await?;
        standing(&answers).map_err(|failure| failure.during(what))
    }

    async fn swept(&mut self, kind: &str, began: Mark, present: &[&str]) -> Result<Swept, StoreError> {
        let what = "hold a sweep against what is known";
        let of = |sql| Ask::new(sql).with(self.fence.lane.processor).with(kind).with(began.0);
        let asks = vec![of(COUNT), of(GONE).with(present)];
        let answers = self.send(what, asks).await?;
        swept(&answers).map_err(|failure| failure.during(what))
    }

    async fn known(&mut self, rows: &[(String, String)], facts: &[Uuid]) -> Result<Known, StoreError> {
        let what = "read a source's rows";
        if rows.is_empty() && facts.is_empty() {
            return Ok(Known::default());
        }
        let source = self.fence.lane.processor;
        let (kinds, ids): (Vec<&str>, Vec<&str>) =
            rows.iter().map(|(kind, id)| (kind.as_str(), id.as_str())).unzip();
        let of = |sql| Ask::new(sql).with(source).with(kinds.as_slice()).with(ids.as_slice());
        let asks = vec![of(ROWS), of(FACTS_OF), Ask::new(FACTS).with(source).with(facts)];
        let answers = self.send(what, asks).await?;
        known(&answers).map_err(|failure| failure.during(what))
    }
}

impl Approval for PostgresStore {
    async fn approve(&self, source: &str, kind: &str, gone: i64) -> Result<bool, StoreError> {
        let what = "approve a sweep";
        let client = self.connection(what).await?;
        let rows = ask(&client, Ask::new(APPROVE).with(source).with(kind).with(gone)).await;
        rows.map(|rows| !rows.is_empty()).map_err(|failure| failure.during(what))
    }
}

fn standing(answers: &[Vec<Row>]) -> Result<Standing, Failure> {
    let [cursor, holds] = answers else { return Err(Failure::Corrupt("a source's cursor")) };
    let cursor = cursor.first().map(|row| row.try_get::<_, Value>(0)).transpose()?;
    let hold = |row: &Row| {
        let asked_at = Timestamp(row.try_get(3)?);
        let hold =
            Hold { gone: row.try_get(1)?, known: row.try_get(2)?, asked_at, approved: row.try_get(4)? };
        Ok((row.try_get(0)?, hold))
    };
    let holds = holds.iter().map(hold).collect::<Result<BTreeMap<String, Hold>, Failure>>()?;
    Ok(Standing { cursor, holds })
}

fn swept(answers: &[Vec<Row>]) -> Result<Swept, Failure> {
    let [count, gone] = answers else { return Err(Failure::Corrupt("a sweep")) };
    let known = count.first().map_or(Ok(0), |row| row.try_get(0))?;
    let gone = gone.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    Ok(Swept { known, gone })
}

fn known(answers: &[Vec<Row>]) -> Result<Known, Failure> {
    let Some((rows, facts)) = answers.split_first() else { return Err(Failure::Corrupt("a source's rows")) };
    let rows = rows.iter().map(row).collect::<Result<HashMap<_, _>, Failure>>()?;
    let facts = facts.iter().flatten().map(|row| fact(row).map(|fact| (fact.fact, fact)));
    Ok(Known { rows, facts: facts.collect::<Result<_, Failure>>()? })
}

fn row(row: &Row) -> Result<((String, String), RowKnown), Failure> {
    let refused = match row.try_get::<_, Option<String>>(3)? {
        None => None,
        Some(reason) => {
            let reason = serde_json::from_value(Value::String(reason));
            let reason = reason.map_err(|_| Failure::Corrupt("a refused row's reason"))?;
            Some(Refusal { reason, detail: row.try_get(4)? })
        }
    };
    Ok(((row.try_get(0)?, row.try_get(1)?), RowKnown { seen_seq: row.try_get(2)?, refused }))
}

fn fact(row: &Row) -> Result<FactKnown, Failure> {
    Ok(FactKnown {
        fact: row.try_get(0)?,
        row: (row.try_get(1)?, row.try_get(2)?),
        topic: row.try_get(3)?,
        name: row.try_get(4)?,
        key: row.try_get(5)?,
    })
}

/// What a page changes as statements; each row, fact and kind is there once.
pub(in crate::postgres) fn asks<'a>(
    source: &'static str,
    changes: &'a SourceChanges,
    asks: &mut Vec<Ask<'a>>,
) {
    let of = |sql: &'static str| Ask::new(sql).with(source);
    asks.extend(changes.cursor.iter().map(|cursor| of(SET_CURSOR).with(cursor)));
    let rows: BTreeMap<&(String, String), &RowKnown> =
        changes.rows.iter().map(|(at, row)| (at, row)).collect();
    if !rows.is_empty() {
        let (kinds, ids) = pairs(rows.keys().copied());
        let refused = |of: fn(&Refusal) -> &str| -> Vec<Option<&'a str>> {
            rows.values().map(|row| row.refused.as_ref().map(of)).collect()
        };
        let ask = of(SET_ROWS).with(kinds).with(ids);
        let ask = ask.with(rows.values().map(|row| row.seen_seq).collect::<Vec<_>>());
        let ask = ask.with(refused(|refusal| refusal.reason.as_str()));
        asks.push(ask.with(refused(|refusal| &refusal.detail)));
    }
    if !changes.rows_gone.is_empty() {
        let (kinds, ids) = pairs(changes.rows_gone.iter());
        asks.push(of(CLEAR_ROWS).with(kinds).with(ids));
    }
    if !changes.facts_gone.is_empty() {
        asks.push(of(CLEAR_FACTS).with(changes.facts_gone.as_slice()));
    }
    facts(source, &changes.facts, asks);
    let holds: BTreeMap<&String, &Hold> = changes.holds.iter().map(|(kind, hold)| (kind, hold)).collect();
    if !holds.is_empty() {
        let column = |of: fn(&Hold) -> i64| holds.values().map(|hold| of(hold)).collect::<Vec<i64>>();
        let ask = of(SET_HOLDS).with(holds.keys().map(|kind| kind.as_str()).collect::<Vec<_>>());
        let ask = ask.with(column(|hold| hold.gone)).with(column(|hold| hold.known));
        asks.push(ask.with(column(|hold| hold.asked_at.0)));
    }
    if !changes.holds_gone.is_empty() {
        asks.push(of(CLEAR_HOLDS).with(changes.holds_gone.as_slice()));
    }
}

fn facts<'a>(source: &'static str, facts: &'a [FactKnown], asks: &mut Vec<Ask<'a>>) {
    let facts: BTreeMap<Uuid, &FactKnown> = facts.iter().map(|fact| (fact.fact, fact)).collect();
    if facts.is_empty() {
        return;
    }
    let (kinds, ids) = pairs(facts.values().map(|fact| &fact.row));
    let text = |of: fn(&FactKnown) -> &str| facts.values().map(|fact| of(fact)).collect::<Vec<&'a str>>();
    let ask = Ask::new(SET_FACTS).with(source).with(facts.keys().copied().collect::<Vec<_>>());
    let ask = ask.with(kinds).with(ids).with(text(|fact| &fact.topic));
    asks.push(ask.with(text(|fact| &fact.name)).with(text(|fact| &fact.key)));
}

fn pairs<'a>(rows: impl Iterator<Item = &'a (String, String)>) -> (Vec<&'a str>, Vec<&'a str>) {
    rows.map(|(kind, id)| (kind.as_str(), id.as_str())).unzip()
}
