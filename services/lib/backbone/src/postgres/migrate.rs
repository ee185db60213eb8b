//! Brings a ledger's schema up to what this build needs, in one transaction under an advisory lock.
//!
//! Numbered migrations make the ledger's own tables; tables of states and of report rows follow the code's
//! declarations. A schema that is up to date is only read, so that a service needs no right to change it. Migrations
//! of a newer build are left alone: they must not break an older one, or rolling back a release would.

use super::OpenError;
use super::failure::{Failure, during};
use super::layout::Layout;
use super::pool;
use super::report::{ReportTable, shown};
use super::wire::{Ask, ask};
use crate::store::StoreError;
use deadpool_postgres::Object;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Applied in order, never changed once released.
const MIGRATIONS: [(i32, &str, &str); 10] = [
    (1, "ledger", include_str!("../../migrations/0001_ledger.sql")),
    (2, "tables", include_str!("../../migrations/0002_tables.sql")),
    (3, "operations", include_str!("../../migrations/0003_operations.sql")),
    (4, "sources", include_str!("../../migrations/0004_sources.sql")),
    (5, "rereads", include_str!("../../migrations/0005_rereads.sql")),
    (6, "decisions", include_str!("../../migrations/0006_decisions.sql")),
    (7, "audit", include_str!("../../migrations/0007_audit.sql")),
    (8, "replays", include_str!("../../migrations/0008_replays.sql")),
    (9, "ahead", include_str!("../../migrations/0009_ahead.sql")),
    (10, "seal", include_str!("../../migrations/0010_seal.sql")),
];

/// Marks our advisory locks among those of others in the same database.
const LOCK_CLASS: i32 = 0x5645_5254;

/// How long to wait for another instance that is migrating.
const WAIT: &str = "SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = '10min'";

/// Migrates, or changes nothing at all.
pub(super) async fn migrate(client: Object, layout: &Layout) -> Result<(), OpenError> {
    match run(&client, layout).await {
        Ok(()) => Ok(()),
        Err(error) => {
            pool::close(client);
            Err(error)
        }
    }
}

async fn run(client: &Object, layout: &Layout) -> Result<(), OpenError> {
    let what = "migrate the ledger";
    batch(client, "BEGIN").await?;
    batch(client, WAIT).await?;
    let schema = layout.schema.as_str();
    let lock = Ask::new("SELECT pg_advisory_xact_lock($1, hashtext($2))").with(LOCK_CLASS).with(schema);
    ask(client, lock).await.map_err(during(what))?;
    // Asked for first: creating it needs a right on the database that a service need not have.
    let there = Ask::new("SELECT 1 FROM pg_namespace WHERE nspname = $1").with(schema);
    if ask(client, there).await.map_err(during(what))?.is_empty() {
        batch(client, &format!("CREATE SCHEMA {}", layout.schema)).await?;
    }
    apply(client, &MIGRATIONS).await?;
    let columns = columns(client, schema).await.map_err(during(what))?;
    for processor in layout.processors.values() {
        if !columns.contains_key(processor.table.as_str()) {
            batch(client, &processor.create).await?;
        }
    }
    for table in layout.tables.values() {
        report(client, table, columns.get(table.name.as_str())).await?;
    }
    shards(client, layout.shards).await?;
    Ok(batch(client, "COMMIT").await?)
}

/// Applies what is missing; refuses what was changed.
async fn apply(client: &Object, migrations: &[(i32, &'static str, &'static str)]) -> Result<(), OpenError> {
    let what = "migrate the ledger";
    let there = Ask::new("SELECT to_regclass(current_schema() || '.migration') IS NOT NULL");
    let there = ask(client, there).await.map_err(during(what))?;
    if !there.first().is_some_and(|row| row.get(0)) {
        batch(client, MIGRATION_TABLE).await?;
    }
    let applied =
        ask(client, Ask::new("SELECT number, checksum FROM migration")).await.map_err(during(what))?;
    let applied: BTreeMap<i32, Vec<u8>> = applied.iter().map(|row| (row.get(0), row.get(1))).collect();
    for (number, name, sql) in migrations {
        let checksum = Sha256::digest(sql.as_bytes()).to_vec();
        match applied.get(number) {
            Some(before) if *before == checksum => {}
            Some(_) => {
                return Err(OpenError::MigrationChanged { number: *number, name });
            }
            None => {
                batch(client, sql).await?;
                let insert = "INSERT INTO migration (number, name, checksum) VALUES ($1, $2, $3)";
                let insert = Ask::new(insert).with(*number).with(*name).with(checksum);
                ask(client, insert).await.map_err(during(what))?;
            }
        }
    }
    Ok(())
}

const MIGRATION_TABLE: &str = "CREATE TABLE migration (
    number integer PRIMARY KEY,
    name text NOT NULL,
    checksum bytea NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)";

/// Columns and their types by table.
type Columns = BTreeMap<String, BTreeMap<String, String>>;

async fn columns(client: &Object, schema: &str) -> Result<Columns, Failure> {
    let sql = "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped";
    let mut tables = Columns::new();
    for row in ask(client, Ask::new(sql).with(schema)).await? {
        let columns: &mut BTreeMap<String, String> = tables.entry(row.try_get(0)?).or_default();
        columns.insert(row.try_get(1)?, row.try_get(2)?);
    }
    Ok(tables)
}

/// Makes a report table, or adds columns that are new. Columns that the code no longer has stay as they are.
async fn report(
    client: &Object,
    table: &ReportTable,
    there: Option<&BTreeMap<String, String>>,
) -> Result<(), OpenError> {
    let Some(there) = there else {
        return Ok(batch(client, &table.create).await?);
    };
    for (column, kind) in table.columns {
        let wanted = shown(*kind);
        match there.get(*column) {
            Some(is) if is == wanted => {}
            Some(is) => {
                let table = table.name.as_str().to_owned();
                return Err(OpenError::ColumnChanged { table, column, is: is.clone(), wanted });
            }
            // Both names were checked when the layout was made.
            None => {
                batch(client, &format!("ALTER TABLE {} ADD COLUMN \"{column}\" {wanted}", table.name)).await?
            }
        }
    }
    Ok(())
}

/// Has as many shards as are wanted. Their number is part of the order of what is published: it changes only while
/// nobody works on the ledger.
async fn shards(client: &Object, wanted: i32) -> Result<(), OpenError> {
    let what = "set up the relay's shards";
    let count = ask(client, Ask::new("SELECT count(*)::int FROM shard")).await.map_err(during(what))?;
    let stored: i32 = count.first().map_or(0, |row| row.get(0));
    if stored == wanted {
        return Ok(());
    }
    if stored > 0 {
        let busy = "SELECT 1 FROM lane WHERE owner IS NOT NULL AND lease_until_us > now_us()
            UNION ALL SELECT 1 FROM shard WHERE owner IS NOT NULL AND lease_until_us > now_us() LIMIT 1";
        if !ask(client, Ask::new(busy)).await.map_err(during(what))?.is_empty() {
            return Err(OpenError::Shards { stored, wanted });
        }
    }
    for sql in [
        "DELETE FROM shard WHERE shard >= $1",
        "INSERT INTO shard (shard) SELECT generate_series(0, $1 - 1) ON CONFLICT DO NOTHING",
        "UPDATE outbox SET shard = partition % $1 WHERE shard <> partition % $1",
    ] {
        ask(client, Ask::new(sql).with(wanted)).await.map_err(during(what))?;
    }
    Ok(())
}

async fn batch(client: &Object, sql: &str) -> Result<(), StoreError> {
    client.batch_execute(sql).await.map_err(during("migrate the ledger"))
}
