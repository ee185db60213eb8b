//! Leases of lanes and shards, and who is alive: all by the database's clock.

use super::failure::Failure;
use super::wire::{Ask, ask, pipeline};
use crate::moment::{self, Ahead};
use crate::record::Marks;
use crate::recover::TAKEN_OVER;
use crate::store::{Fence, Fleet, Grant, LaneId, Renewed, ShardFence, StoreError, Trial};
use canon::time::Timestamp;
use deadpool_postgres::ClientWrapper;
use std::time::Duration;
use tokio_postgres::Row;
use uuid::Uuid;

const ENSURE: &str =
    "INSERT INTO lane (processor, lane) SELECT $1, n FROM generate_series(0, $2::int - 1) AS n
    ON CONFLICT DO NOTHING";

const BEAT: &str = "INSERT INTO instance (processor, id, alive_until_us) VALUES ($1, $2, now_us() + $3)
    ON CONFLICT (processor, id) DO UPDATE SET alive_until_us = excluded.alive_until_us";

// Kept for a day, so that a slow instance does not vanish and come back for those who look.
const FORGET: &str = "DELETE FROM instance WHERE (processor, id) IN (
        SELECT processor, id FROM instance
        WHERE processor = $1 AND alive_until_us < now_us() - 86400000000 FOR UPDATE SKIP LOCKED)";

const ALIVE: &str = "SELECT id FROM instance WHERE processor = $1 AND alive_until_us > now_us() ORDER BY id";

const OWNERS: &str = "SELECT CASE WHEN lease_until_us > now_us() THEN owner END FROM lane
    WHERE processor = $1 ORDER BY lane";

const LEAVE: &str = "DELETE FROM instance WHERE processor = $1 AND id = $2";

// A row that a transaction holds is not free, whatever its lease says: its holder is at work, or the server ends it.
const TAKE: &str =
    "UPDATE lane SET owner = $3, epoch = epoch + 1, lease_until_us = now_us() + $4, attempts = attempts + 1
    WHERE (processor, lane) = (SELECT processor, lane FROM lane
        WHERE processor = $1 AND lane = $2 AND (owner IS NULL OR lease_until_us <= now_us())
        FOR UPDATE SKIP LOCKED)
    RETURNING epoch";

// One statement, so that sequence and positions are of one moment.
const READ: &str =
    "SELECT owner, epoch, seq, attempts, trial_topic, trial_offset, greatest(now_us(), clock_us),
        (SELECT min(at_us) FROM deadline WHERE processor = $1 AND lane = $2),
        ARRAY(SELECT topic FROM position WHERE processor = $1 AND lane = $2 ORDER BY topic),
        ARRAY(SELECT next FROM position WHERE processor = $1 AND lane = $2 ORDER BY topic),
        stopped_why IS NOT NULL, reread_until_us
    FROM lane WHERE processor = $1 AND lane = $2";

// Waits until a transaction of ours whose outcome is unknown has ended one way or the other.
const SETTLE: &str = "SELECT 1 FROM lane WHERE processor = $1 AND lane = $2 FOR UPDATE";

const RENEW: &str = "UPDATE lane SET lease_until_us = now_us() + $5
    WHERE processor = $1 AND lane = $2 AND epoch = $3 AND seq = $4 AND owner IS NOT NULL
    RETURNING greatest(now_us(), clock_us),
        (SELECT min(at_us) FROM deadline d WHERE d.processor = $1 AND d.lane = $2),
        (SELECT h.seq FROM table_head h),
        EXISTS (SELECT 1 FROM intent i WHERE i.processor = $1 AND i.lane = $2 AND i.ended_at_us IS NULL),
        stopped_why IS NOT NULL";

const COMPLETE: &str = "SELECT NOT EXISTS (
        SELECT 1 FROM unnest($1::text[], $2::int[]) AS wanted(topic, partitions),
            generate_series(0, partitions - 1) AS n
        WHERE NOT EXISTS (SELECT 1 FROM table_complete c WHERE c.topic = wanted.topic AND c.partition = n))";

const AHEAD: &str = "SELECT a.fact, e.version, a.moment FROM ahead a JOIN emitted e ON e.fact = a.fact
    WHERE a.processor = $1 AND a.lane = $2 AND e.origin_processor = $3";

const RELEASE: &str =
    "UPDATE lane SET owner = NULL, attempts = 0 WHERE processor = $1 AND lane = $2 AND epoch = $3";

const REACHED: &str = "SELECT processor, lane, seq FROM lane";

// Whatever stopped it before stays the reason.
const STOP: &str = "UPDATE lane SET stopped_why = coalesce(stopped_why, $4),
        stopped_at_us = coalesce(stopped_at_us, now_us())
    WHERE processor = $1 AND lane = $2 AND epoch = $3 RETURNING 1";

const TAKE_SHARD: &str = "UPDATE shard SET owner = $2, epoch = epoch + 1, lease_until_us = now_us() + $3
    WHERE shard = (SELECT shard FROM shard
        WHERE shard = $1 AND (owner IS NULL OR lease_until_us <= now_us()) FOR UPDATE SKIP LOCKED)
    RETURNING epoch";

const HOLD_SHARD: &str = "UPDATE shard SET lease_until_us = now_us() + $3
    WHERE shard = $1 AND epoch = $2 AND owner IS NOT NULL RETURNING epoch";

const RELEASE_SHARD: &str = "UPDATE shard SET owner = NULL WHERE shard = $1 AND epoch = $2";

/// A duration as the ledger adds it to its clock.
pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}

fn of(sql: &'static str, lane: LaneId) -> Ask<'static> {
    Ask::new(sql).with(lane.processor).with(lane.number)
}

pub(super) async fn ensure(
    client: &ClientWrapper,
    processor: &'static str,
    lanes: i32,
) -> Result<(), Failure> {
    ask(client, Ask::new(ENSURE).with(processor).with(lanes)).await.map(|_| ())
}

pub(super) async fn heartbeat(
    client: &ClientWrapper,
    processor: &'static str,
    instance: Uuid,
    lease: Duration,
) -> Result<Fleet, Failure> {
    let asks = vec![
        Ask::new(BEAT).with(processor).with(instance).with(micros(lease)),
        Ask::new(FORGET).with(processor),
        Ask::new(ALIVE).with(processor),
        Ask::new(OWNERS).with(processor),
    ];
    let answers = pipeline(client, asks).await?;
    let [_, _, alive, owners] = answers.as_slice() else {
        return Err(Failure::Corrupt("a heartbeat's answer"));
    };
    Ok(Fleet {
        instances: alive.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?,
        owners: owners.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?,
    })
}

pub(super) async fn leave(
    client: &ClientWrapper,
    processor: &'static str,
    instance: Uuid,
) -> Result<(), Failure> {
    ask(client, Ask::new(LEAVE).with(processor).with(instance)).await.map(|_| ())
}

/// Takes a lane and reads where it stands, in one round trip.
pub(super) async fn take(
    client: &ClientWrapper,
    lane: LaneId,
    instance: Uuid,
    lease: Duration,
) -> Result<Option<Grant>, Failure> {
    // A statement of its own reads: it sees all that was committed before the lane became ours.
    let asks = vec![of(TAKE, lane).with(instance).with(micros(lease)), of(READ, lane)];
    let answers = pipeline(client, asks).await?;
    let [taken, read] = answers.as_slice() else {
        return Ok(None);
    };
    let (Some(taken), Some(read)) = (taken.first(), read.first()) else {
        return Ok(None);
    };
    let grant = grant(lane, read)?.filter(|(owner, _)| *owner == instance).map(|(_, grant)| grant);
    let epoch: i64 = taken.try_get(0)?;
    // The counter tells of takes before this one.
    let before = |grant: Grant| Grant { attempts: grant.attempts - 1, ..grant };
    Ok(grant.filter(|grant| grant.fence.epoch == epoch).map(before))
}

pub(super) async fn resume(client: &ClientWrapper, fence: &Fence) -> Result<Option<Grant>, Failure> {
    let answers = pipeline(client, vec![of(SETTLE, fence.lane), of(READ, fence.lane)]).await?;
    let Some(row) = answers.last().and_then(|rows| rows.first()) else {
        return Ok(None);
    };
    let grant = grant(fence.lane, row)?.map(|(_, grant)| grant);
    Ok(grant.filter(|grant| grant.fence.epoch == fence.epoch))
}

/// A lane as it stands and its owner; nothing when nobody owns it.
fn grant(lane: LaneId, row: &Row) -> Result<Option<(Uuid, Grant)>, Failure> {
    let Some(owner) = row.try_get::<_, Option<Uuid>>(0)? else {
        return Ok(None);
    };
    let topics: Vec<String> = row.try_get(8)?;
    let nexts: Vec<i64> = row.try_get(9)?;
    let grant = Grant {
        fence: Fence { lane, epoch: row.try_get(1)?, seq: row.try_get(2)? },
        positions: topics.into_iter().zip(nexts).collect(),
        now: Timestamp(row.try_get(6)?),
        next_due: row.try_get::<_, Option<i64>>(7)?.map(Timestamp),
        attempts: row.try_get(3)?,
        trial: trial(row.try_get(4)?, row.try_get(5)?),
        stopped: row.try_get(10)?,
        reread_until: row.try_get::<_, Option<i64>>(11)?.map(Timestamp),
    };
    Ok(Some((owner, grant)))
}

/// The record tried alone, from its two columns.
pub(super) fn trial(topic: Option<String>, offset: Option<i64>) -> Option<Trial> {
    Some(Trial { topic: topic?, offset: offset? })
}

pub(super) async fn renew(
    client: &ClientWrapper,
    fence: &Fence,
    lease: Duration,
) -> Result<Option<Renewed>, Failure> {
    let ours = of(RENEW, fence.lane).with(fence.epoch).with(fence.seq).with(micros(lease));
    let rows = ask(client, ours).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let next_due = row.try_get::<_, Option<i64>>(1)?.map(Timestamp);
    let (tables, wish, stopped) = (row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
    Ok(Some(Renewed { now: Timestamp(row.try_get(0)?), next_due, tables, wish, stopped }))
}

pub(super) async fn are_complete(
    client: &ClientWrapper,
    topics: &[(&'static str, i32)],
) -> Result<bool, Failure> {
    let (topics, partitions): (Vec<&str>, Vec<i32>) = topics.iter().copied().unzip();
    let rows = ask(client, Ask::new(COMPLETE).with(topics).with(partitions)).await?;
    rows.first().map_or(Ok(false), |row| Ok(row.try_get(0)?))
}

pub(super) async fn ahead(client: &ClientWrapper, lane: LaneId) -> Result<Vec<Ahead>, Failure> {
    let rows = ask(client, of(AHEAD, lane).with(TAKEN_OVER)).await?;
    let read = |row: &Row| {
        let moment: &str = row.try_get(2)?;
        let moment = moment.parse().map_err(|_| Failure::Corrupt("the moment of a command"))?;
        Ok(Ahead { fact: row.try_get(0)?, version: row.try_get(1)?, moment })
    };
    Ok(moment::in_order(rows.iter().map(read).collect::<Result<_, Failure>>()?))
}

pub(super) async fn release(client: &ClientWrapper, fence: &Fence) -> Result<(), Failure> {
    ask(client, of(RELEASE, fence.lane).with(fence.epoch)).await.map(|_| ())
}

pub(super) async fn reached(client: &ClientWrapper) -> Result<Marks, Failure> {
    let rows = ask(client, Ask::new(REACHED)).await?;
    rows.iter().map(|row| Ok(((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?))).collect()
}

/// Stops a lane; false when it is not ours.
pub(super) async fn stop(client: &ClientWrapper, fence: &Fence, why: &str) -> Result<bool, Failure> {
    let ours = of(STOP, fence.lane).with(fence.epoch).with(why);
    Ok(!ask(client, ours).await?.is_empty())
}

pub(super) async fn take_shard(
    client: &ClientWrapper,
    shard: i32,
    instance: Uuid,
    lease: Duration,
) -> Result<Option<ShardFence>, Failure> {
    let rows = ask(client, Ask::new(TAKE_SHARD).with(shard).with(instance).with(micros(lease))).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(ShardFence { shard, epoch: row.try_get(0)? }))
}

pub(super) async fn hold_shard(
    client: &ClientWrapper,
    fence: &ShardFence,
    lease: Duration,
) -> Result<(), StoreError> {
    let ours = Ask::new(HOLD_SHARD).with(fence.shard).with(fence.epoch).with(micros(lease));
    let rows = ask(client, ours).await.map_err(|failure| failure.during("hold the relay's shard"))?;
    if rows.is_empty() { Err(StoreError::Fenced) } else { Ok(()) }
}

pub(super) async fn release_shard(client: &ClientWrapper, fence: &ShardFence) -> Result<(), Failure> {
    ask(client, Ask::new(RELEASE_SHARD).with(fence.shard).with(fence.epoch)).await.map(|_| ())
}
