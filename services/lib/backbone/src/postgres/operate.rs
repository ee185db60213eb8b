//! What operators do to a ledger: they write what they want, and the lanes' owners carry it out.

use super::PostgresStore;
use super::failure::Failure;
use super::wire::{Ask, ask};
use crate::store::StoreError;
use crate::wish::{Outcome, Wish};
use serde_json::{Value, json};
use tokio_postgres::Row;
use tokio_postgres::types::Json;

/// Who asks, and why: kept with what is asked.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// A person's name.
    pub by: &'a str,
    /// The reason, in words.
    pub because: &'a str,
}

/// An intent and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct IntentSeen {
    /// Its number.
    pub id: i64,
    /// Who is asked.
    pub processor: String,
    /// The lane.
    pub lane: i32,
    /// What is asked; nothing when it is of a kind that this release does not know.
    pub wish: Option<Wish>,
    /// What came of it; nothing while it waits for the lane's owner.
    pub outcome: Option<Outcome>,
}

/// Asks every lane of a processor for something; the intents' numbers by lane.
pub async fn wish(
    store: &PostgresStore,
    processor: &str,
    wish: &Wish,
    asker: Asker<'_>,
) -> Result<Vec<IntentSeen>, StoreError> {
    let sql = "INSERT INTO intent (processor, lane, body, asked_by, because)
        SELECT processor, lane, $2, $3, $4 FROM lane WHERE processor = $1 ORDER BY lane
        RETURNING id, processor, lane, body, result";
    let asked = Ask::new(sql).with(processor).with(Json(wish)).with(asker.by).with(asker.because);
    seen(store, asked, intent).await
}

/// Asks one lane of a processor for something; nothing when there is no such lane.
pub async fn wish_of_lane(
    store: &PostgresStore,
    processor: &str,
    lane: i32,
    wish: &Wish,
    asker: Asker<'_>,
) -> Result<Option<IntentSeen>, StoreError> {
    let sql = "INSERT INTO intent (processor, lane, body, asked_by, because)
        SELECT processor, lane, $3, $4, $5 FROM lane WHERE processor = $1 AND lane = $2
        RETURNING id, processor, lane, body, result";
    let asked = Ask::new(sql).with(processor).with(lane).with(Json(wish)).with(asker.by).with(asker.because);
    Ok(seen(store, asked, intent).await?.into_iter().next())
}

/// Writes down that somebody was shown what is parked under a number.
pub async fn revealed(
    store: &PostgresStore,
    (processor, lane): (&str, i32),
    input: i64,
    asker: Asker<'_>,
) -> Result<(), StoreError> {
    // Kept as an intent that is ended with what it asked for.
    let sql = "INSERT INTO intent (processor, lane, body, asked_by, because, ended_at_us, result)
        VALUES ($1, $2, $3, $4, $5, now_us(), '{}') RETURNING id";
    let body = json!({"do": "reveal", "input": input});
    let asked = Ask::new(sql).with(processor).with(lane).with(Json(body)).with(asker.by).with(asker.because);
    seen(store, asked, |row| Ok(row.try_get::<_, i64>(0)?)).await.map(drop)
}

/// Writes down that somebody was shown the whole way of something; `what` names it by tokens and ids.
pub async fn traced(store: &PostgresStore, what: &str, asker: Asker<'_>) -> Result<(), StoreError> {
    // Kept as an intent that is ended with what it asked for; of no lane.
    let sql = "INSERT INTO intent (processor, lane, body, asked_by, because, ended_at_us, result)
        VALUES ('trace', 0, $1, $2, $3, now_us(), '{}') RETURNING id";
    let body = json!({"do": "reveal", "trace": what});
    let asked = Ask::new(sql).with(Json(body)).with(asker.by).with(asker.because);
    seen(store, asked, |row| Ok(row.try_get::<_, i64>(0)?)).await.map(drop)
}

/// What came of intents, by their numbers.
pub async fn intents(store: &PostgresStore, ids: &[i64]) -> Result<Vec<IntentSeen>, StoreError> {
    let sql = "SELECT id, processor, lane, body, result FROM intent WHERE id = ANY($1) ORDER BY id";
    seen(store, Ask::new(sql).with(ids), intent).await
}

fn intent(row: &Row) -> Result<IntentSeen, Failure> {
    let Json(body) = row.try_get::<_, Json<Value>>(3)?;
    let outcome = row.try_get::<_, Option<Json<Outcome>>>(4)?.map(|Json(outcome)| outcome);
    let wish = serde_json::from_value(body).ok();
    Ok(IntentSeen { id: row.try_get(0)?, processor: row.try_get(1)?, lane: row.try_get(2)?, wish, outcome })
}

/// Lets a stopped lane go on. False when it was not stopped.
pub async fn resume(
    store: &PostgresStore,
    processor: &str,
    lane: i32,
    asker: Asker<'_>,
) -> Result<bool, StoreError> {
    // The reason is kept as an intent that is ended with what it asked for.
    let sql = "WITH resumed AS (UPDATE lane SET stopped_why = NULL, stopped_at_us = NULL
            WHERE processor = $1 AND lane = $2 AND stopped_why IS NOT NULL RETURNING processor, lane)
        INSERT INTO intent (processor, lane, body, asked_by, because, ended_at_us, result)
        SELECT processor, lane, '{\"do\": \"resume\"}', $3, $4, now_us(), '{}' FROM resumed RETURNING id";
    let asked = Ask::new(sql).with(processor).with(lane).with(asker.by).with(asker.because);
    let rows: Vec<i64> = seen(store, asked, |row| Ok(row.try_get(0)?)).await?;
    Ok(!rows.is_empty())
}

/// Has a lane read a topic on from another place; where it stood. Whoever works the lane loses it and takes it anew. Nothing when
/// it has not read that topic.
pub async fn move_lane(
    store: &PostgresStore,
    (processor, lane): (&str, i32),
    topic: &str,
    next: i64,
    asker: Asker<'_>,
) -> Result<Option<i64>, StoreError> {
    // Kept as an intent that is ended with what it asked for.
    let sql = "WITH was AS (SELECT next FROM position WHERE processor = $1 AND lane = $2 AND topic = $3),
        fenced AS (UPDATE lane SET owner = NULL, epoch = epoch + 1, attempts = 0, trial_topic = NULL, trial_offset = NULL
            WHERE processor = $1 AND lane = $2 AND EXISTS (SELECT 1 FROM was) RETURNING processor, lane),
        moved AS (UPDATE position p SET next = $4 FROM fenced
            WHERE p.processor = fenced.processor AND p.lane = fenced.lane AND p.topic = $3 RETURNING p.processor, p.lane),
        kept AS (INSERT INTO intent (processor, lane, body, asked_by, because, ended_at_us, result)
            SELECT processor, lane, $5, $6, $7, now_us(), '{}' FROM moved RETURNING id)
        SELECT was.next FROM was, kept";
    let body = json!({"do": "move", "topic": topic, "next": next});
    let asked = Ask::new(sql).with(processor).with(lane).with(topic).with(next).with(Json(body));
    let was = seen(store, asked.with(asker.by).with(asker.because), |row| Ok(row.try_get(0)?));
    Ok(was.await?.into_iter().next())
}

/// A source's question to a person, and what came of answering it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Approved {
    /// How many rows are gone.
    pub gone: i64,
    /// Of how many.
    pub known: i64,
    /// Whether so many were let go; not when more are gone than the answer says.
    pub approved: bool,
}

/// Lets a source withdraw up to so many rows of a kind, once. Nothing when it does not ask.
pub async fn approve(
    store: &PostgresStore,
    source: &str,
    kind: &str,
    gone: i64,
    asker: Asker<'_>,
) -> Result<Option<Approved>, StoreError> {
    // Kept as an intent that is ended with what it asked for.
    let sql = "WITH asks AS (SELECT gone, known FROM source_hold WHERE source = $1 AND kind = $2 FOR UPDATE),
        approved AS (UPDATE source_hold h SET approved = $3 FROM asks
            WHERE h.source = $1 AND h.kind = $2 AND asks.gone <= $3 RETURNING h.source),
        kept AS (INSERT INTO intent (processor, lane, body, asked_by, because, ended_at_us, result)
            SELECT source, 0, $4, $5, $6, now_us(), '{}' FROM approved RETURNING id)
        SELECT gone, known, EXISTS (SELECT 1 FROM kept) FROM asks";
    let body = json!({"do": "approve", "kind": kind, "gone": gone});
    let asked = Ask::new(sql).with(source).with(kind).with(gone).with(Json(body));
    let answers = seen(store, asked.with(asker.by).with(asker.because), |row| {
        Ok(Approved { gone: row.try_get(0)?, known: row.try_get(1)?, approved: row.try_get(2)? })
    });
    Ok(answers.await?.into_iter().next())
}

async fn seen<T>(
    store: &PostgresStore,
    asked: Ask<'_>,
    of: impl Fn(&Row) -> Result<T, Failure>,
) -> Result<Vec<T>, StoreError> {
    let what = "operate the ledger";
    let client = store.connection(what).await?;
    let rows = ask(&client, asked).await.map_err(|failure| failure.during(what))?;
    rows.iter().map(of).collect::<Result<_, Failure>>().map_err(|failure| failure.during(what))
}
