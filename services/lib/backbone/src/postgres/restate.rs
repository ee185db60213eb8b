//! A service that publishes the facts of one topic once more, since the topic was damaged.
//!
//! Each fact as it was said last, under the id, revision and version that it has: whoever has it drops it, whoever lost it
//! takes it. Versions that were corrected since are not said again, so readers meet gaps.

use super::failure::Failure;
use super::operate::Asker;
use super::tx::{EMITTED, emitted};
use super::wire::{Ask, ask, pack};
use super::{PostgresStore, pool};
use crate::contract::{Contract, Schemas};
use crate::emission::{Cause, Desk, Emitted};
use crate::store::StoreError;
use canon::time::Timestamp;
use deadpool_postgres::Object;
use serde_json::json;
use tokio_postgres::types::Json;

/// Rows in one statement, at most.
const ROWS_MAX: usize = 2_000;

// Whoever states something new of the topic waits, so that nothing older comes behind it.
const LOCK: &str = "SELECT 1 FROM counter WHERE topic = $1 ORDER BY key FOR UPDATE";

const FACTS: &str = "WHERE topic = $1 AND (key, version) > ($2, $3) ORDER BY key, version LIMIT $4";

// The sequence is drawn row by row, behind the sort.
const OUTBOX: &str = "INSERT INTO outbox (shard, topic, partition, key, value, headers, at_us)
    SELECT partition % $1::int, topic, partition, key, value, headers, now_us()
    FROM unnest($2::text[], $3::int[], $4::bytea[], $5::bytea[], $6::bytea[])
        WITH ORDINALITY AS new(topic, partition, key, value, headers, place)
    ORDER BY place";

// Kept as an intent that is ended with what it asked for.
const KEEP: &str = "INSERT INTO intent (processor, lane, body, asked_by, because, ended_at_us, result)
    SELECT processor, lane, $1, $2, $3, now_us(), '{}' FROM lane ORDER BY processor, lane LIMIT 1";

/// What was published once more, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restated {
    /// Facts.
    pub facts: u64,
    /// Commands that were amended since: what was given is not kept.
    pub left_out: u64,
}

/// Publishes every fact of a topic once more; without somebody who asks for it, only counts them.
///
/// # Errors
/// When the database does not answer. Nothing was changed then.
pub async fn restate(
    store: &PostgresStore,
    service: &str,
    topic: &str,
    contract: &Contract,
    asker: Option<Asker<'_>>,
) -> Result<Restated, StoreError> {
    let what = "publish a topic once more";
    let client = store.connection(what).await?;
    let done = run(&client, service, topic, contract, asker).await;
    if done.is_err() {
        // The server rolls back.
        pool::close(client);
    }
    done.map_err(|failure| failure.during(what))
}

async fn run(
    client: &Object,
    service: &str,
    topic: &str,
    contract: &Contract,
    asker: Option<Asker<'_>>,
) -> Result<Restated, Failure> {
    client
        .batch_execute("BEGIN; SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = '10min'")
        .await?;
    ask(client, Ask::new(LOCK).with(topic)).await?;
    let shards = ask(client, Ask::new("SELECT count(*)::int FROM shard")).await?;
    let shards: i32 = shards.first().map_or(Ok(1), |row| row.try_get::<_, i32>(0))?.max(1);
    let now = ask(client, Ask::new("SELECT now_us()")).await?;
    let now = Timestamp(now.first().map_or(Ok(0), |row| row.try_get(0))?);
    let schemas = Schemas::default();
    let desk = Desk { source: service, contract, schemas: &schemas, now };
    let (mut restated, mut after) = (Restated::default(), (String::new(), 0_i64));
    loop {
        let asked = Ask::new(format!("{EMITTED} {FACTS}")).with(topic).with(after.0.as_str()).with(after.1);
        let rows = ask(client, asked.with(i64::try_from(ROWS_MAX).unwrap_or(i64::MAX))).await?;
        let facts = rows.iter().map(emitted).collect::<Result<Vec<_>, Failure>>()?;
        let Some(last) = facts.last() else { break };
        after = (last.key.clone(), last.version);
        let is_said = |fact: &&Emitted| !contract.is_command(topic) || fact.revision == 1 && !fact.withdrawn;
        let said: Vec<&Emitted> = facts.iter().filter(is_said).collect();
        restated.facts += said.len() as u64;
        restated.left_out += (facts.len() - said.len()) as u64;
        if asker.is_some() {
            put(client, shards, &desk, &said).await?;
        }
    }
    match asker {
        Some(Asker { by, because }) => {
            let body = json!({"do": "restate", "topic": topic});
            ask(client, Ask::new(KEEP).with(Json(body)).with(by).with(because)).await?;
            ask(client, Ask::new("COMMIT")).await?;
        }
        None => drop(ask(client, Ask::new("ROLLBACK")).await?),
    }
    Ok(restated)
}

async fn put(client: &Object, shards: i32, desk: &Desk<'_>, facts: &[&Emitted]) -> Result<(), Failure> {
    let rows: Vec<_> = facts.iter().map(|fact| desk.record(fact, &Cause::default())).collect();
    let asked = Ask::new(OUTBOX).with(shards);
    let asked = asked.with(rows.iter().map(|row| row.topic.as_str()).collect::<Vec<_>>());
    let asked = asked.with(rows.iter().map(|row| row.partition).collect::<Vec<_>>());
    let asked = asked.with(rows.iter().map(|row| row.key.as_slice()).collect::<Vec<_>>());
    let asked = asked.with(rows.iter().map(|row| row.value.as_deref()).collect::<Vec<_>>());
    let asked = asked.with(rows.iter().map(|row| pack(&row.headers)).collect::<Vec<_>>());
    ask(client, asked).await.map(drop)
}
