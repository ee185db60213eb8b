//! One batch's transaction on PostgreSQL.
//!
//! Its connection goes back to the pool after a COMMIT that was confirmed, or with a ROLLBACK queued on it when every
//! statement before was answered. In every other case the connection is closed, and the server rolls back.

pub(super) mod source;

use super::failure::Failure;
use super::identifier::Identifier;
use super::layout::Layout;
use super::wire::{Ask, ask, pipeline};
use super::{lease, pool, tables, write};
use crate::emission::{CounterKey, Emitted, Origin};
use crate::mutant::{self, Mutant};
use crate::replay::{Difference, Side, Standing, Which};
use crate::store::{
    AskNews, Changes, Effect, Ended, Fence, Intent, Loaded, News, Parked, StoreError, StoredState, Trial, Tx,
    Want,
};
use canon::event::ContentHash;
use canon::time::Timestamp;
use deadpool_postgres::Object;
use futures::FutureExt;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

/// A transaction on a [`PostgresStore`](super::PostgresStore), holding its lane's row.
pub struct PostgresTx {
    /// Absent once it is committed or closed.
    connection: Option<Object>,
    pub(super) layout: Arc<Layout>,
    pub(super) fence: Fence,
    now: Timestamp,
    due: Vec<(Timestamp, String)>,
    tables: i64,
    /// What the lane's row says now: written again only when it changes.
    attempts: (i32, Option<Trial>),
    /// Whether every statement sent so far was answered without an error.
    settled: bool,
    /// The schema of the rebuild's ledger that was taken along, and which of the two calls are about.
    pub(super) along: Option<Identifier>,
    pub(super) side: Side,
}

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

// The fence. Another owner's epoch, or a sequence moved on by a commit whose answer was lost, finds no row.
macro_rules! fence {
    ($holds:literal) => {
        concat!(
            "UPDATE lane SET seq = seq + 1, lease_until_us = now_us() + $5,
                clock_us = greatest(clock_us, least(now_us(), $6::bigint))
            WHERE processor = $1 AND lane = $2 AND ",
            $holds,
            " RETURNING clock_us, attempts, trial_topic, trial_offset, (SELECT h.seq FROM table_head h)"
        )
    };
}

fn fencing() -> &'static str {
    if mutant::is(Mutant::EffectWithoutFence) {
        return fence!("$3::bigint IS NOT NULL AND $4::bigint IS NOT NULL");
    }
    if mutant::is(Mutant::FenceWithoutSequence) {
        return fence!("epoch = $3 AND $4::bigint IS NOT NULL AND owner IS NOT NULL");
    }
    fence!("epoch = $3 AND seq = $4 AND owner IS NOT NULL")
}

const DUE: &str = "SELECT at_us, key FROM deadline
    WHERE processor = $1 AND lane = $2
        AND at_us <= (SELECT clock_us FROM lane WHERE processor = $1 AND lane = $2)
    ORDER BY at_us, key LIMIT $3";

const PARKED: &str = "SELECT wanted FROM unnest($2::text[]) AS wanted
    WHERE EXISTS (SELECT 1 FROM parked WHERE processor = $1 AND chain = wanted)";

const SEEN: &str = "SELECT name, id FROM seen WHERE processor = $1 AND name = ANY($2)";

// Row by row in their order, which is the order of the locks; held to the end of the transaction. A row that is there
// is locked even though nothing is updated: no dead row is left behind by looking.
const LOCK_COUNTERS: &str = "INSERT INTO counter (topic, key, version)
    SELECT topic, key, 0 FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS wanted(topic, key, place) ORDER BY place
    ON CONFLICT (topic, key) DO UPDATE SET version = counter.version WHERE false";

// A statement of its own: it sees what was committed by whoever held the locks before.
const READ_COUNTERS: &str = "SELECT c.topic, c.key, c.version
    FROM unnest($1::text[], $2::text[]) AS wanted(topic, key) JOIN counter c USING (topic, key)";

pub(super) const EMITTED_COLUMNS: [&str; 13] = [
    "fact",
    "name",
    "topic",
    "key",
    "revision",
    "version",
    "content",
    "withdrawn",
    "wire",
    "origin_processor",
    "origin_topic",
    "origin_partition",
    "origin_offset",
];

pub(super) const EMITTED: &str =
    "SELECT fact, name, topic, key, revision, version, content, withdrawn, wire, origin_processor, origin_topic,
        origin_partition, origin_offset FROM emitted";

const INTENT: &str =
    "SELECT id, body, tries FROM intent WHERE processor = $1 AND lane = $2 AND ended_at_us IS NULL
    ORDER BY id LIMIT 1";

const PARKED_RECORDS: &str = "SELECT topic, record_offset FROM parked
    WHERE processor = $1 AND lane = $2 AND kind = 'record'";

const DECISIONS: &str = "SELECT record_offset, value FROM decision
    WHERE processor = $1 AND lane = $2 AND topic = $3 AND record_offset >= $4 AND record_offset < $5";

pub(super) const EFFECTS: &str =
    "SELECT command, name, ended, their_id, at_us FROM effect WHERE processor = $1";

impl PostgresTx {
    /// BEGIN, the fence and what is due: one round trip.
    pub(super) async fn begin(
        connection: Object,
        layout: Arc<Layout>,
        fence: &Fence,
        lease: Duration,
        (due_max, at): (usize, Option<Timestamp>),
    ) -> Result<Self, StoreError> {
        let lane = fence.lane;
        let mut tx = Self {
            connection: Some(connection),
            layout,
            fence: *fence,
            now: Timestamp(0),
            due: Vec::new(),
            tables: 0,
            attempts: (0, None),
            settled: false,
            along: None,
            side: Side::Live,
        };
        let of = |sql: &'static str| Ask::new(sql).with(lane.processor).with(lane.number);
        let ours = of(fencing())
            .with(fence.epoch)
            .with(fence.seq)
            .with(lease::micros(lease))
            .with(at.map(|at| at.0));
        let mut asks = vec![Ask::new(BEGIN), ours];
        if due_max > 0 {
            asks.push(of(DUE).with(i64::try_from(due_max).unwrap_or(i64::MAX)));
        }
        let answers = tx.send("begin a batch", asks).await?;
        let Some(row) = answers.get(1).and_then(|rows| rows.first()) else {
            // Dropped, and with it rolled back.
            return Err(StoreError::Fenced);
        };
        let read = || -> Result<_, Failure> {
            let due = answers.get(2).map_or(&[][..], Vec::as_slice).iter();
            let due = due.map(|row| Ok((Timestamp(row.try_get(0)?), row.try_get(1)?)));
            let attempts = (row.try_get(1)?, lease::trial(row.try_get(2)?, row.try_get(3)?));
            let tables = row.try_get(4)?;
            Ok((Timestamp(row.try_get(0)?), due.collect::<Result<Vec<_>, Failure>>()?, attempts, tables))
        };
        (tx.now, tx.due, tx.attempts, tx.tables) =
            read().map_err(|failure| failure.during("begin a batch"))?;
        Ok(tx)
    }

    /// Sends statements; whatever comes between leaves the transaction unsettled.
    pub(super) async fn send(
        &mut self,
        what: &'static str,
        asks: Vec<Ask<'_>>,
    ) -> Result<Vec<Vec<Row>>, StoreError> {
        let closed = || Failure::Connection(None).during(what);
        self.settled = false;
        let connection = self.connection.as_ref().ok_or_else(closed)?;
        match pipeline(connection, asks).await {
            Ok(answers) => {
                self.settled = true;
                Ok(answers)
            }
            Err(failure) => {
                // Nothing more is done in a transaction that failed; its locks are let go at once.
                self.close();
                Err(failure.during(what))
            }
        }
    }

    pub(super) async fn ask(&mut self, what: &'static str, ask: Ask<'_>) -> Result<Vec<Row>, StoreError> {
        Ok(self.send(what, vec![ask]).await?.pop().unwrap_or_default())
    }

    /// A statement about the lane.
    pub(super) fn of_lane(&self, sql: impl Into<Cow<'static, str>>) -> Ask<'static> {
        Ask::new(sql).with(self.fence.lane.processor).with(self.fence.lane.number)
    }

    fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            pool::close(connection);
        }
    }
}

impl Tx for PostgresTx {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn due(&self) -> &[(Timestamp, String)] {
        &self.due
    }

    fn tables(&self) -> i64 {
        self.tables
    }

    async fn intent(&mut self) -> Result<Option<Intent>, StoreError> {
        let what = "read what a person wants done";
        let lane = self.fence.lane;
        let of = |sql: &'static str| Ask::new(sql).with(lane.processor).with(lane.number);
        let answers = self.send(what, vec![of(INTENT), of(PARKED_RECORDS)]).await?;
        intent(&answers).map_err(|failure| failure.during(what))
    }

    async fn stated(&mut self, topic: &str, offsets: Range<i64>) -> Result<Vec<Emitted>, StoreError> {
        let what = "read what records stated";
        let lane = self.fence.lane;
        let sql = format!(
            "{EMITTED} WHERE NOT withdrawn AND origin_processor = $1 AND origin_partition = $2 AND origin_topic = $3
                AND origin_offset >= $4 AND origin_offset < $5"
        );
        let ask = Ask::new(sql).with(lane.processor).with(lane.number);
        let rows = self.ask(what, ask.with(topic).with(offsets.start).with(offsets.end)).await?;
        rows.iter().map(emitted).collect::<Result<_, Failure>>().map_err(|failure| failure.during(what))
    }

    async fn parked(&mut self, numbers: &[i64]) -> Result<Vec<(i64, Parked)>, StoreError> {
        let what = "read parked inputs";
        let lane = self.fence.lane;
        let ask = Ask::new(tables::PARKED).with(lane.processor).with(lane.number).with(numbers);
        let rows = self.ask(what, ask).await?;
        let read = |row: &Row| Ok((row.try_get(1)?, tables::parked(row)?));
        rows.iter().map(read).collect::<Result<_, Failure>>().map_err(|failure| failure.during(what))
    }

    async fn decisions(
        &mut self,
        topic: &str,
        offsets: Range<i64>,
    ) -> Result<BTreeMap<i64, Option<Vec<u8>>>, StoreError> {
        let what = "read what people decided";
        let lane = self.fence.lane;
        let ask = Ask::new(DECISIONS).with(lane.processor).with(lane.number).with(topic);
        let rows = self.ask(what, ask.with(offsets.start).with(offsets.end)).await?;
        let read = |row: &Row| Ok((row.try_get(0)?, row.try_get(1)?));
        rows.iter().map(read).collect::<Result<_, Failure>>().map_err(|failure| failure.during(what))
    }

    async fn news(&mut self, wanted: &AskNews) -> Result<News, StoreError> {
        let what = "read what has come to the tables";
        let asks = tables::asks(self.fence.lane, wanted, self.tables);
        let answers = self.send(what, asks).await?;
        tables::news(&answers).map_err(|failure| failure.during(what))
    }

    async fn load(&mut self, want: &Want) -> Result<Loaded, StoreError> {
        let what = "load states";
        let processor = self.fence.lane.processor;
        let sql = self.layout.processor(processor).map_err(|failure| failure.during(what))?;
        let mut asks = Vec::new();
        if !want.keys.is_empty() {
            asks.push(Ask::new(sql.load.as_str()).with(want.keys.as_slice()));
            asks.push(Ask::new(PARKED).with(processor).with(want.keys.as_slice()));
        }
        let names: BTreeSet<&str> = want.identities.iter().map(|(name, _)| name.as_str()).collect();
        if !names.is_empty() {
            asks.push(Ask::new(SEEN).with(processor).with(names.iter().copied().collect::<Vec<_>>()));
        }
        if asks.is_empty() {
            return Ok(Loaded::default());
        }
        let answers = self.send(what, asks).await?;
        loaded(answers, !want.keys.is_empty(), &names).map_err(|failure| failure.during(what))
    }

    async fn lock_counters(&mut self, keys: &[CounterKey]) -> Result<BTreeMap<CounterKey, i64>, StoreError> {
        let what = "lock version counters";
        // Sorted here too: two lanes that lock in different orders would wait for each other.
        let sorted: BTreeSet<&CounterKey> = keys.iter().collect();
        if sorted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let (topics, keys): (Vec<&str>, Vec<&str>) =
            sorted.into_iter().map(|(topic, key)| (topic.as_str(), key.as_str())).unzip();
        let of = |sql: &'static str| Ask::new(sql).with(topics.as_slice()).with(keys.as_slice());
        let answers = self.send(what, vec![of(LOCK_COUNTERS), of(READ_COUNTERS)]).await?;
        let read = |row: &Row| Ok(((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?));
        answers
            .iter()
            .flatten()
            .map(read)
            .collect::<Result<_, Failure>>()
            .map_err(|failure| failure.during(what))
    }

    async fn emitted(&mut self, facts: &[Uuid]) -> Result<HashMap<Uuid, Emitted>, StoreError> {
        let what = "read the emission ledger";
        if facts.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = self.ask(what, Ask::new(format!("{EMITTED} WHERE fact = ANY($1)")).with(facts)).await?;
        let read = |row: &Row| emitted(row).map(|row| (row.fact, row));
        rows.iter().map(read).collect::<Result<_, Failure>>().map_err(|failure| failure.during(what))
    }

    async fn effects(&mut self, commands: &[Uuid]) -> Result<HashMap<Uuid, Effect>, StoreError> {
        let what = "read the effect ledger";
        if commands.is_empty() {
            return Ok(HashMap::new());
        }
        let sql = format!("{EFFECTS} AND command = ANY($2)");
        let rows = self.ask(what, Ask::new(sql).with(self.fence.lane.processor).with(commands)).await?;
        let read = |row: &Row| effect(row).map(|row| (row.command, row));
        rows.iter().map(read).collect::<Result<_, Failure>>().map_err(|failure| failure.during(what))
    }

    async fn write(&mut self, changes: Changes) -> Result<Option<Timestamp>, StoreError> {
        let what = "write a batch";
        let layout = Arc::clone(&self.layout);
        let shown = (changes.attempts, changes.trial.clone());
        let place = write::Place { lane: self.fence.lane, now: self.now, layout: &layout };
        // A rebuild's lane has no crash counter that a cutover would clear.
        let is_shown = self.side == Side::Beside || shown == self.attempts;
        let asks = place.asks(&changes, !is_shown).map_err(|failure| failure.during(what))?;
        let answers = self.send(what, asks).await?;
        if !is_shown {
            self.attempts = shown;
        }
        let next = answers.last().and_then(|rows| rows.first());
        let next = next.map_or(Ok(None), |row| row.try_get::<_, Option<i64>>(0));
        Ok(next.map_err(|error| Failure::from(error).during(what))?.map(Timestamp))
    }

    async fn parked_of(&mut self, which: &Which) -> Result<Vec<(i64, Parked)>, StoreError> {
        self.parked_rows(which).await
    }

    async fn take_along(&mut self, replay: i64) -> Result<Option<Standing>, StoreError> {
        self.take_lane_along(replay).await
    }

    async fn turn(&mut self, side: Side) -> Result<(), StoreError> {
        self.turn_to(side).await
    }

    async fn keys(&mut self, behind: &str, max: usize) -> Result<Vec<String>, StoreError> {
        self.keys_behind(behind, max).await
    }

    async fn deadline(&mut self, key: &str) -> Result<Option<Timestamp>, StoreError> {
        self.deadline_of(key).await
    }

    async fn deadlines(&mut self) -> Result<BTreeMap<String, Timestamp>, StoreError> {
        self.deadlines_of_lane().await
    }

    async fn differing(&mut self) -> Result<Vec<Difference>, StoreError> {
        self.differing_facts().await
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        // After a failed statement the server would answer COMMIT with a rollback, and no error.
        let open = self.connection.as_ref().filter(|_| self.settled);
        let connection = open.ok_or_else(|| Failure::Connection(None).during("commit a batch"))?;
        self.settled = false;
        if ask(connection, Ask::new("COMMIT")).await.is_err() {
            return Err(StoreError::CommitUnknown);
        }
        // Back to the pool.
        drop(self.connection.take());
        Ok(())
    }
}

impl Drop for PostgresTx {
    fn drop(&mut self) {
        if self.settled
            && let Some(connection) = self.connection.as_ref()
        {
            // Polled once it is on its way, and the connection answers in order: whoever gets it next is behind the
            // ROLLBACK. One that cannot be sent meets a closed connection, which the pool throws away.
            let _ = connection.batch_execute("ROLLBACK").now_or_never();
        } else {
            self.close();
        }
    }
}

/// The answers to what was wanted: states and parked chains when there were keys, then identities.
fn loaded(answers: Vec<Vec<Row>>, keys: bool, names: &BTreeSet<&str>) -> Result<Loaded, Failure> {
    let mut answers = answers.into_iter();
    let mut loaded = Loaded::default();
    if keys {
        for row in answers.next().unwrap_or_default() {
            loaded.states.insert(row.try_get(0)?, stored(&row)?);
        }
        let parked = answers.next().unwrap_or_default();
        loaded.parked = parked.iter().map(|row| row.try_get(0)).collect::<Result<HashSet<_>, _>>()?;
    }
    loaded.seen = names.iter().map(|name| ((*name).to_owned(), HashSet::new())).collect();
    for row in answers.next().unwrap_or_default() {
        loaded.seen.entry(row.try_get(0)?).or_default().insert(row.try_get(1)?);
    }
    Ok(loaded)
}

/// A state: its second and third column.
pub(super) fn stored(row: &Row) -> Result<StoredState, Failure> {
    let Json(versions) = row.try_get::<_, Json<BTreeMap<String, i64>>>(1)?;
    Ok(StoredState { versions, body: row.try_get(2)? })
}

/// A row as [`EMITTED`] selects it.
pub(super) fn emitted(row: &Row) -> Result<Emitted, Failure> {
    emitted_at(row, 0)
}

/// The same from a column on.
pub(super) fn emitted_at(row: &Row, first: usize) -> Result<Emitted, Failure> {
    let corrupt = || Failure::Corrupt("an emitted fact");
    Ok(Emitted {
        fact: row.try_get(first)?,
        name: row.try_get(first + 1)?,
        topic: row.try_get(first + 2)?,
        key: row.try_get(first + 3)?,
        revision: u32::try_from(row.try_get::<_, i64>(first + 4)?).map_err(|_| corrupt())?,
        version: row.try_get(first + 5)?,
        content: ContentHash(row.try_get::<_, &[u8]>(first + 6)?.try_into().map_err(|_| corrupt())?),
        withdrawn: row.try_get(first + 7)?,
        wire: row.try_get(first + 8)?,
        origin: match (
            row.try_get(first + 9)?,
            row.try_get(first + 10)?,
            row.try_get(first + 11)?,
            row.try_get(first + 12)?,
        ) {
            (Some(processor), Some(topic), Some(partition), Some(offset)) => {
                Some(Origin { processor, topic, partition, offset })
            }
            _ => None,
        },
    })
}

/// The next intent and what is parked; nothing when nobody wants anything.
fn intent(answers: &[Vec<Row>]) -> Result<Option<Intent>, Failure> {
    let Some(row) = answers.first().and_then(|rows| rows.first()) else { return Ok(None) };
    let Json(body) = row.try_get::<_, Json<serde_json::Value>>(1)?;
    let parked = answers.get(1).into_iter().flatten();
    let parked = parked.map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    Ok(Some(Intent {
        id: row.try_get(0)?,
        wish: serde_json::from_value(body).ok(),
        tries: row.try_get(2)?,
        parked: parked.collect::<Result<_, Failure>>()?,
    }))
}

/// A row as [`EFFECTS`] selects it.
pub(super) fn effect(row: &Row) -> Result<Effect, Failure> {
    let ended = match row.try_get(2)? {
        "applied" => Ended::Applied,
        "discarded" => Ended::Discarded,
        "parked" => Ended::Parked,
        _ => return Err(Failure::Corrupt("an effect")),
    };
    let at = Timestamp(row.try_get(4)?);
    Ok(Effect { command: row.try_get(0)?, name: row.try_get(1)?, ended, their_id: row.try_get(3)?, at })
}
