//! A ledger on PostgreSQL that takes over what it lacks, in one transaction.

use super::failure::Failure;
use super::wire::{Ask, ask, out_record, pack};
use super::{PostgresStore, lease, pool, write};
use crate::audit;
use crate::guard;
use crate::moment::Moment;
use crate::record::Marks;
use crate::recover::{BEHIND, Found, GATED, How, Recover, Recovered, TAKEN_OVER};
use crate::store::StoreError;
use deadpool_postgres::Object;
use uuid::Uuid;

/// Rows in one statement, at most.
const ROWS_MAX: usize = 5_000;

// Whoever works a lane or relays waits, or finds its epoch gone.
const LOCK: [&str; 2] = [
    "SELECT 1 FROM lane ORDER BY processor, lane FOR UPDATE",
    "SELECT 1 FROM shard ORDER BY shard FOR UPDATE",
];

const COUNTERS: &str = "INSERT INTO counter (topic, key, version)
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])
    ON CONFLICT (topic, key) DO UPDATE SET version = excluded.version WHERE counter.version < excluded.version
    RETURNING 1";

// Of what the ledger took over only.
const MOMENTS: &str = "INSERT INTO ahead (fact, processor, lane, moment)
    SELECT new.* FROM unnest($1::uuid[], $2::text[], $3::int[], $4::text[]) AS new(fact, processor, lane, moment)
    JOIN emitted e ON e.fact = new.fact AND e.origin_processor = $5
    ON CONFLICT (fact) DO UPDATE
        SET processor = excluded.processor, lane = excluded.lane, moment = excluded.moment";

const OUTBOX: &str = "SELECT seq, topic, partition, key, NULL::bytea, headers FROM outbox ORDER BY seq";

const MOVED: &str = "UPDATE outbox SET headers = $2 WHERE seq = $1";

const RESTATED: &str = "UPDATE emitted SET version = $3 WHERE fact = $1 AND revision = $2";

const COUNTED: &str = "UPDATE counter SET version = $3 WHERE topic = $1 AND key = $2";

const ADVANCE: &str =
    "INSERT INTO lane (processor, lane, seq) SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[])
    ON CONFLICT (processor, lane) DO UPDATE SET seq = greatest(lane.seq, excluded.seq)";

const LET_GO: [&str; 2] = [
    "UPDATE lane SET owner = NULL, epoch = epoch + 1, attempts = 0, trial_topic = NULL,
        trial_offset = NULL, reread_until_us = now_us()",
    "UPDATE shard SET owner = NULL, epoch = epoch + 1",
];

const RESUME: &str =
    "UPDATE lane SET stopped_why = NULL, stopped_at_us = NULL WHERE starts_with(stopped_why, $1)";

// What keeps no journal carries out commands, unless it is a table, which is called as its topic is, or a source: one with a
// cursor, or the one that every ledger has, and that has none before anybody did anything.
const GATE: &str = "UPDATE lane l SET stopped_why = $1, stopped_at_us = now_us()
    WHERE NOT EXISTS (SELECT 1 FROM journal j WHERE j.processor = l.processor)
        AND NOT EXISTS (SELECT 1 FROM position p WHERE p.processor = l.processor AND p.topic = l.processor)
        AND NOT EXISTS (SELECT 1 FROM table_complete c WHERE c.topic = l.processor)
        AND NOT EXISTS (SELECT 1 FROM source_cursor s WHERE s.source = l.processor)
        AND l.processor <> $2
    RETURNING processor, lane";

// A table is to be read to its end again before what looks it up is folded.
const INCOMPLETE: &str = "DELETE FROM table_complete";

// Kept as an intent that is ended with what it came to.
const KEEP: &str = "INSERT INTO intent (processor, lane, body, asked_by, because, ended_at_us, result)
    SELECT processor, lane, '{\"do\": \"recover\"}', $1, $2, now_us(), '{}' FROM lane";

impl Recover for PostgresStore {
    async fn recover(&self, found: &Found, published: &Marks, how: How<'_>) -> Result<Recovered, StoreError> {
        let what = "recover the ledger";
        let client = self.connection(what).await?;
        let done = run(&client, found, published, how).await;
        if done.is_err() {
            // The server rolls back.
            pool::close(client);
        }
        done.map_err(|failure| failure.during(what))
    }
}

async fn run(client: &Object, found: &Found, published: &Marks, how: How<'_>) -> Result<Recovered, Failure> {
    client
        .batch_execute("BEGIN; SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = '10min'")
        .await?;
    client.batch_execute("SET LOCAL idle_in_transaction_session_timeout = 0").await?;
    for sql in LOCK {
        ask(client, Ask::new(sql)).await?;
    }
    let reached = lease::reached(client).await?;
    let behind = guard::compare(&reached, published).err();
    let mut recovered = Recovered {
        lanes: behind.map(|behind| behind.lanes.into_iter().collect()).unwrap_or_default(),
        ..Recovered::default()
    };
    take_over(client, found, &mut recovered).await?;
    if recovered.is_behind() {
        recovered.outbox = sift_outbox(client, found).await?;
        release(client, published, &mut recovered).await?;
    }
    match how {
        How::Done { by, because } if recovered.is_behind() => {
            ask(client, Ask::new(KEEP).with(by).with(because)).await?;
            ask(client, Ask::new("COMMIT")).await?;
        }
        _ => drop(ask(client, Ask::new("ROLLBACK")).await?),
    }
    Ok(recovered)
}

/// Facts and versions that are newer than what the ledger has.
async fn take_over(client: &Object, found: &Found, recovered: &mut Recovered) -> Result<(), Failure> {
    let facts: Vec<_> = found.facts().collect();
    for facts in facts.chunks(ROWS_MAX) {
        recovered.facts += ask(client, write::take_over(facts)).await?.len() as u64;
    }
    let moments: Vec<(Uuid, &str)> = found.moments().collect();
    for moments in moments.chunks(ROWS_MAX) {
        let of = moments.iter().filter_map(|(_, text)| text.parse::<Moment>().ok());
        let (processors, lanes): (Vec<String>, Vec<i32>) =
            of.map(|moment| (moment.processor, moment.lane)).unzip();
        let (facts, texts): (Vec<Uuid>, Vec<&str>) = moments.iter().copied().unzip();
        let ask_them = Ask::new(MOMENTS).with(facts).with(processors).with(lanes).with(texts);
        ask(client, ask_them.with(TAKEN_OVER)).await?;
    }
    let versions: Vec<_> = found.versions().collect();
    for versions in versions.chunks(ROWS_MAX) {
        let column = |of: fn(&(String, String)) -> &str| versions.iter().map(move |(key, _)| of(key));
        let ask_them = Ask::new(COUNTERS)
            .with(column(|(topic, _)| topic).collect::<Vec<_>>())
            .with(column(|(_, key)| key).collect::<Vec<_>>())
            .with(versions.iter().map(|(_, version)| *version).collect::<Vec<_>>());
        recovered.keys += ask(client, ask_them).await?.len() as u64;
    }
    Ok(())
}

/// Rows of the outbox that were published are there no more; the others come after what was.
async fn sift_outbox(client: &Object, found: &Found) -> Result<u64, Failure> {
    let rows = ask(client, Ask::new(OUTBOX)).await?;
    let sifted = found.sift(rows.iter().map(out_record).collect::<Result<_, _>>()?);
    ask(client, Ask::new("DELETE FROM outbox WHERE seq = ANY($1)").with(sifted.sent.as_slice())).await?;
    for moved in &sifted.moved {
        ask(client, Ask::new(MOVED).with(moved.seq).with(pack(&moved.headers))).await?;
        let restated = Ask::new(RESTATED).with(moved.fact).with(i64::from(moved.revision));
        ask(client, restated.with(moved.version)).await?;
    }
    for ((topic, key), version) in &sifted.counters {
        ask(client, Ask::new(COUNTED).with(topic.as_str()).with(key.as_str()).with(*version)).await?;
    }
    Ok(sifted.sent.len() as u64)
}

/// Every lane stands past what it had published and is free, but those of sinks are stopped.
async fn release(client: &Object, published: &Marks, recovered: &mut Recovered) -> Result<(), Failure> {
    let (lanes, seqs): (Vec<_>, Vec<i64>) = published.iter().map(|(lane, seq)| (lane, *seq)).unzip();
    let (processors, numbers): (Vec<&str>, Vec<i32>) =
        lanes.iter().map(|(processor, lane)| (processor.as_str(), *lane)).unzip();
    ask(client, Ask::new(ADVANCE).with(processors).with(numbers).with(seqs)).await?;
    for sql in LET_GO {
        ask(client, Ask::new(sql)).await?;
    }
    ask(client, Ask::new(RESUME).with(BEHIND)).await?;
    for row in ask(client, Ask::new(GATE).with(GATED).with(audit::SOURCE)).await? {
        recovered.gated.push((row.try_get(0)?, row.try_get(1)?));
    }
    recovered.gated.sort();
    ask(client, Ask::new(INCOMPLETE)).await?;
    Ok(())
}
