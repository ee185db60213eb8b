//! What lies in a ledger, for operators and tests: plain reads, each of one moment, nothing locked.

mod pulled;
mod traced;

pub use pulled::{SourceSeen, pulled};
pub use traced::{
    DecidedSeen, Held, PlaceSeen, decided, effects_of, folded, given_up, held, met, readers, stated,
    waiting_to_go,
};

use super::failure::Failure;
use super::layout::Layout;
use super::tx;
use super::wire::{Ask, ask, unpack};
use super::{OpenError, PostgresSettings, PostgresStore, lease, pool};
use crate::audit::Sealed;
use crate::emission::Emitted;
use crate::journal::Entry;
use crate::reject::Reason;
use crate::settings::ServiceUrl;
use crate::store::{Effect, LaneId, StoreError, StoredState, Trial};
use crate::table::TableRow;
use canon::time::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

/// A lane as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneSeen {
    /// Its number.
    pub number: i32,
    /// Whoever holds it, when the lease has not passed.
    pub owner: Option<Uuid>,
    /// Its epoch.
    pub epoch: i64,
    /// The sequence of its last commit.
    pub seq: i64,
    /// The clock of its last batch.
    pub clock: Timestamp,
    /// Its crash counter.
    pub attempts: i32,
    /// The record that is being tried alone.
    pub trial: Option<Trial>,
    /// Why and since when it is stopped.
    pub stopped: Option<(String, Timestamp)>,
}

/// A parked input.
#[derive(Clone, Debug, PartialEq)]
pub struct ParkedSeen {
    /// Its number, in park order.
    pub id: i64,
    /// The lane.
    pub lane: i32,
    /// The key it blocks.
    pub chain: Option<String>,
    /// The record's place; of a deadline nothing.
    pub record: Option<RecordSeen>,
    /// The deadline's key and time; of a record nothing.
    pub deadline: Option<(String, Timestamp)>,
    /// The class of what is wrong.
    pub reason: Reason,
    /// In words.
    pub detail: String,
    /// When it was parked.
    pub at: Timestamp,
}

/// Where a parked record came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSeen {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its time.
    pub timestamp: Timestamp,
}

/// A parked record's bytes: patient data, to be asked for one by one.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordBytes {
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// How far the relay is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxSeen {
    /// Rows not yet published.
    pub rows: i64,
    /// How long the oldest one has been there.
    pub oldest_age: Option<Duration>,
}

/// The lanes of a processor, in order.
///
/// # Errors
/// When the database cannot be read; so with all of these.
pub async fn lanes(store: &PostgresStore, processor: &str) -> Result<Vec<LaneSeen>, StoreError> {
    let sql =
        "SELECT lane, CASE WHEN lease_until_us > now_us() THEN owner END, epoch, seq, clock_us, attempts,
        trial_topic, trial_offset, stopped_why, stopped_at_us FROM lane WHERE processor = $1 ORDER BY lane";
    read(store, Ask::new(sql).with(processor), |row| {
        Ok(LaneSeen {
            number: row.try_get(0)?,
            owner: row.try_get(1)?,
            epoch: row.try_get(2)?,
            seq: row.try_get(3)?,
            clock: Timestamp(row.try_get(4)?),
            attempts: row.try_get(5)?,
            trial: lease::trial(row.try_get(6)?, row.try_get(7)?),
            stopped: match (row.try_get(8)?, row.try_get(9)?) {
                (Some(why), Some(at)) => Some((why, Timestamp(at))),
                _ => None,
            },
        })
    })
    .await
}

/// The next offsets of a processor's lanes, by lane and topic.
pub async fn positions(
    store: &PostgresStore,
    processor: &str,
) -> Result<BTreeMap<(i32, String), i64>, StoreError> {
    let sql = "SELECT lane, topic, next FROM position WHERE processor = $1";
    read(store, Ask::new(sql).with(processor), |row| {
        Ok(((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?))
    })
    .await
}

/// A processor's parked inputs in park order, without their bytes.
pub async fn parked(store: &PostgresStore, processor: &str) -> Result<Vec<ParkedSeen>, StoreError> {
    let sql = "SELECT id, lane, chain, topic, partition, record_offset, record_timestamp_us, deadline_key, deadline_at_us,
        reason, detail, parked_at_us FROM parked WHERE processor = $1 ORDER BY id";
    read(store, Ask::new(sql).with(processor), parked_seen).await
}

/// How many inputs are parked, by processor and reason.
pub async fn parked_counts(store: &PostgresStore) -> Result<Vec<(String, String, i64)>, StoreError> {
    let sql = "SELECT processor, reason, count(*) FROM parked GROUP BY 1, 2";
    read(store, Ask::new(sql), |row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))).await
}

fn parked_seen(row: &Row) -> Result<ParkedSeen, Failure> {
    let record = match row.try_get::<_, Option<String>>(3)? {
        Some(topic) => Some(RecordSeen {
            topic,
            partition: row.try_get(4)?,
            offset: row.try_get(5)?,
            timestamp: Timestamp(row.try_get(6)?),
        }),
        None => None,
    };
    let deadline = match row.try_get::<_, Option<String>>(7)? {
        Some(key) => Some((key, Timestamp(row.try_get(8)?))),
        None => None,
    };
    let reason = serde_json::from_value(Value::String(row.try_get(9)?));
    Ok(ParkedSeen {
        id: row.try_get(0)?,
        lane: row.try_get(1)?,
        chain: row.try_get(2)?,
        record,
        deadline,
        reason: reason.map_err(|_| Failure::Corrupt("a parked input's reason"))?,
        detail: row.try_get(10)?,
        at: Timestamp(row.try_get(11)?),
    })
}

/// The bytes of one parked record; nothing for a deadline or an unknown number.
pub async fn bytes(store: &PostgresStore, id: i64) -> Result<Option<RecordBytes>, StoreError> {
    let sql = "SELECT key, value, headers FROM parked WHERE id = $1 AND kind = 'record'";
    let found = read(store, Ask::new(sql).with(id), |row| {
        Ok(RecordBytes { key: row.try_get(0)?, value: row.try_get(1)?, headers: unpack(row.try_get(2)?)? })
    });
    let found: Vec<RecordBytes> = found.await?;
    Ok(found.into_iter().next())
}

/// What people did by hand and what the ledger has sealed, after a place, in order.
pub async fn sealed(store: &PostgresStore, after: i64, max: i64) -> Result<Vec<Sealed>, StoreError> {
    let sql = "SELECT audit_seq, asked_by, body ->> 'do', audit_subject(i), because, ended_at_us, audit_hash FROM intent i
        WHERE audit_seq > $1 ORDER BY audit_seq LIMIT $2";
    read(store, Ask::new(sql).with(after).with(max), |row| {
        let hash = row.try_get::<_, &[u8]>(6)?.try_into().map_err(|_| Failure::Corrupt("a seal"))?;
        Ok(Sealed {
            seq: row.try_get(0)?,
            actor: row.try_get(1)?,
            action: row.try_get(2)?,
            subject: row.try_get(3)?,
            reason: row.try_get(4)?,
            at: Timestamp(row.try_get(5)?),
            hash,
        })
    })
    .await
}

/// How many rows wait to be published, and since when.
pub async fn outbox(store: &PostgresStore) -> Result<OutboxSeen, StoreError> {
    let sql = "SELECT count(*), (SELECT now_us() - at_us FROM outbox ORDER BY seq LIMIT 1) FROM outbox";
    let seen: Vec<OutboxSeen> = read(store, Ask::new(sql), |row| {
        let age_us: Option<i64> = row.try_get(1)?;
        let oldest_age = age_us.map(|us| Duration::from_micros(u64::try_from(us).unwrap_or(0)));
        Ok(OutboxSeen { rows: row.try_get(0)?, oldest_age })
    })
    .await?;
    Ok(seen.into_iter().next().unwrap_or_default())
}

/// Every row of the service's tables, in order.
pub async fn table_rows(store: &PostgresStore) -> Result<Vec<TableRow>, StoreError> {
    read(store, Ask::new(super::tables::ROWS).with(0_i64).with(i64::MAX), super::tables::row).await
}

/// A lane's journal, in order.
pub async fn journal(store: &PostgresStore, lane: LaneId) -> Result<Vec<Entry>, StoreError> {
    let sql = "SELECT entry FROM journal WHERE processor = $1 AND lane = $2 ORDER BY seq";
    read(store, Ask::new(sql).with(lane.processor).with(lane.number), |row| json(row, 0)).await
}

/// A processor's states by key.
pub async fn states(
    store: &PostgresStore,
    processor: &'static str,
) -> Result<BTreeMap<String, StoredState>, StoreError> {
    let sql = store.layout.processor(processor).map_err(|failure| failure.during(WHAT))?;
    read(store, Ask::new(sql.all.as_str()), |row| Ok((row.try_get(0)?, tx::stored(row)?))).await
}

/// A processor's deadlines by lane and key.
pub async fn deadlines(
    store: &PostgresStore,
    processor: &str,
) -> Result<BTreeMap<(i32, String), Timestamp>, StoreError> {
    let sql = "SELECT lane, key, at_us FROM deadline WHERE processor = $1";
    read(store, Ask::new(sql).with(processor), |row| {
        Ok(((row.try_get(0)?, row.try_get(1)?), Timestamp(row.try_get(2)?)))
    })
    .await
}

/// The emission ledger by fact.
pub async fn emitted(store: &PostgresStore) -> Result<BTreeMap<Uuid, Emitted>, StoreError> {
    read(store, Ask::new(tx::EMITTED), |row| tx::emitted(row).map(|row| (row.fact, row))).await
}

/// The version counters by topic and key.
pub async fn counters(store: &PostgresStore) -> Result<BTreeMap<(String, String), i64>, StoreError> {
    let sql = "SELECT topic, key, version FROM counter";
    read(store, Ask::new(sql), |row| Ok(((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?))).await
}

/// A sink's effect ledger by command.
pub async fn effects(store: &PostgresStore, processor: &str) -> Result<BTreeMap<Uuid, Effect>, StoreError> {
    read(store, Ask::new(tx::EFFECTS).with(processor), |row| tx::effect(row).map(|row| (row.command, row)))
        .await
}

/// A report table's rows as JSON objects by primary key.
pub async fn rows(store: &PostgresStore, table: &'static str) -> Result<BTreeMap<String, Value>, StoreError> {
    let name = store.layout.table(table).map_err(|failure| failure.during(WHAT))?;
    let sql = format!("SELECT \"row\", to_jsonb(t) - 'row' FROM {} t", name.name);
    read(store, Ask::new(sql), |row| Ok((row.try_get(0)?, row.try_get(1)?))).await
}

/// How many shards the relay has.
pub async fn shards(store: &PostgresStore) -> Result<i32, StoreError> {
    let counted: Vec<i32> =
        read(store, Ask::new("SELECT count(*)::int FROM shard"), |row| Ok(row.try_get(0)?)).await?;
    Ok(counted.into_iter().sum())
}

/// A row of a table that parked inputs wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingSeen {
    /// The table's topic.
    pub topic: String,
    /// The row's key.
    pub key: String,
    /// Inputs that wait for it; those parked behind them are not counted.
    pub inputs: i64,
    /// Since when the first of them waits.
    pub oldest: Timestamp,
}

/// What parked inputs wait for, what most of them wait for first.
pub async fn waiting(store: &PostgresStore) -> Result<Vec<WaitingSeen>, StoreError> {
    let sql = "SELECT w.topic, w.key, count(*), min(parked_at_us) FROM parked,
            unnest(string_to_array(waits_topic, E'\\n'), string_to_array(waits_key, E'\\n')) AS w (topic, key)
        GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2";
    read(store, Ask::new(sql), |row| {
        Ok(WaitingSeen {
            topic: row.try_get(0)?,
            key: row.try_get(1)?,
            inputs: row.try_get(2)?,
            oldest: Timestamp(row.try_get(3)?),
        })
    })
    .await
}

/// The numbers of parked inputs that wait for a row of a table.
pub async fn waiting_inputs(store: &PostgresStore) -> Result<BTreeSet<i64>, StoreError> {
    let sql = "SELECT id FROM parked WHERE waits_topic IS NOT NULL";
    read(store, Ask::new(sql), |row| Ok(row.try_get(0)?)).await
}

/// Where parked records say they are from, by number: the header `ce_source`, which holds names only.
pub async fn sources(store: &PostgresStore, ids: &[i64]) -> Result<BTreeMap<i64, String>, StoreError> {
    let sql = "SELECT id, headers FROM parked WHERE id = ANY($1) AND kind = 'record'";
    let found: BTreeMap<i64, Option<String>> = read(store, Ask::new(sql).with(ids), |row| {
        let headers = unpack(row.try_get(1)?)?;
        let source = headers.into_iter().find(|(name, _)| name == canon::headers::CE_SOURCE);
        Ok((row.try_get(0)?, source.and_then(|(_, source)| String::from_utf8(source).ok())))
    })
    .await?;
    Ok(found.into_iter().filter_map(|(id, source)| Some((id, source?))).collect())
}

/// The processors whose lanes are known.
pub async fn processors(store: &PostgresStore) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT DISTINCT processor FROM lane ORDER BY 1";
    read(store, Ask::new(sql), |row| Ok(row.try_get(0)?)).await
}

/// Names of the services that have a ledger in a database, as far as their schemas tell: an underscore there is a dash in every
/// name of the catalog.
///
/// # Errors
/// When the database cannot be read, or the URL cannot be used.
pub async fn ledgers(url: &ServiceUrl) -> Result<Vec<String>, OpenError> {
    let settings = PostgresSettings {
        url: url.clone(),
        service: "vertebra",
        instance: Uuid::new_v4(),
        lease: Duration::from_secs(30),
        connections_max: 1,
    };
    let layout = Arc::new(Layout::new(settings.service, 1, &[])?);
    let pool = pool::pool(&settings, &layout.schema)?;
    let store = PostgresStore { pool, layout, settings: Arc::new(settings) };
    let sql = "SELECT replace(n.nspname, '_', '-') FROM pg_namespace n
        WHERE has_schema_privilege(n.oid, 'USAGE') AND (SELECT count(*) FROM pg_class c
            WHERE c.relnamespace = n.oid AND c.relname IN ('lane', 'intent', 'migration') AND c.relkind = 'r') = 3
            AND n.nspname !~ '_replay_[0-9]+$'
        ORDER BY 1";
    Ok(read(&store, Ask::new(sql), |row| Ok(row.try_get(0)?)).await?)
}

/// The database's clock.
pub async fn clock(store: &PostgresStore) -> Result<Timestamp, StoreError> {
    let told: Vec<i64> = read(store, Ask::new("SELECT now_us()"), |row| Ok(row.try_get(0)?)).await?;
    Ok(Timestamp(told.first().copied().unwrap_or(0)))
}

/// How many wishes nobody has carried out yet.
pub async fn open_intents(store: &PostgresStore) -> Result<i64, StoreError> {
    let sql = "SELECT count(*) FROM intent WHERE ended_at_us IS NULL";
    let counted: Vec<i64> = read(store, Ask::new(sql), |row| Ok(row.try_get(0)?)).await?;
    Ok(counted.first().copied().unwrap_or(0))
}

/// The ledger of a service as it is, for operators: nothing is made, nothing migrated. Nothing when the service has none.
///
/// # Errors
/// When the database cannot be read, or the URL or the name cannot be used.
pub async fn open(settings: &PostgresSettings) -> Result<Option<PostgresStore>, OpenError> {
    let layout = Arc::new(Layout::new(settings.service, 1, &[])?);
    let pool = pool::pool(settings, &layout.schema)?;
    let store = PostgresStore { pool, layout, settings: Arc::new(settings.clone()) };
    let there = Ask::new("SELECT to_regclass(current_schema() || '.lane') IS NOT NULL");
    let there: Vec<bool> =
        read(&store, there, |row| Ok(row.try_get::<_, Option<bool>>(0)?.unwrap_or(false))).await?;
    Ok((there == [true]).then_some(store))
}

const WHAT: &str = "look at the ledger";

pub(super) async fn read<T, C: FromIterator<T>>(
    store: &PostgresStore,
    question: Ask<'_>,
    of: impl Fn(&Row) -> Result<T, Failure>,
) -> Result<C, StoreError> {
    let client = store.connection(WHAT).await?;
    let rows = ask(&client, question).await.map_err(|failure| failure.during(WHAT))?;
    rows.iter().map(of).collect::<Result<C, Failure>>().map_err(|failure| failure.during(WHAT))
}

fn json<T: DeserializeOwned>(row: &Row, column: usize) -> Result<T, Failure> {
    let Json(value) = row.try_get::<_, Json<Value>>(column)?;
    serde_json::from_value(value).map_err(|_| Failure::Corrupt("a journal entry"))
}
