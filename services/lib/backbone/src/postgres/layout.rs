//! What a service's code declares of its ledger: processors, report tables, relay shards; and the SQL that follows.

use super::failure::Failure;
use super::identifier::Identifier;
use super::report::ReportTable;
use super::{OpenError, Processor};
use std::collections::HashMap;
use std::sync::Arc;

/// Everything about one ledger that is known before it is opened.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) schema: Identifier,
    pub(super) shards: i32,
    pub(super) processors: HashMap<&'static str, Arc<ProcessorSql>>,
    pub(super) tables: HashMap<&'static str, Arc<ReportTable>>,
}

/// The statements that name a processor's table of states.
#[derive(Debug)]
pub(super) struct ProcessorSql {
    pub(super) table: Identifier,
    pub(super) create: String,
    pub(super) load: String,
    pub(super) all: String,
    pub(super) keys: String,
    pub(super) remove: String,
    pub(super) store: String,
}

/// Tables of the ledger itself, which no report table may be called.
const RESERVED: [&str; 26] = [
    "ahead",
    "audit_head",
    "counter",
    "deadline",
    "decision",
    "effect",
    "emitted",
    "instance",
    "intent",
    "journal",
    "lane",
    "migration",
    "outbox",
    "outbox_seq",
    "parked",
    "position",
    "replay",
    "seen",
    "shard",
    "source_cursor",
    "source_fact",
    "source_hold",
    "source_row",
    "table_complete",
    "table_head",
    "table_row",
];

impl Layout {
    pub(super) fn new(service: &str, shards: i32, processors: &[Processor]) -> Result<Self, OpenError> {
        let schema = Identifier::of_name("schema", "", service)?;
        if schema.as_str().starts_with("pg_") || ["public", "information_schema"].contains(&schema.as_str()) {
            return Err(OpenError::Reserved { name: schema.as_str().to_owned() });
        }
        let mut layout =
            Self { schema, shards: shards.max(1), processors: HashMap::new(), tables: HashMap::new() };
        for processor in processors {
            let sql = ProcessorSql::new(Identifier::of_name("table", "state_", processor.name)?);
            layout.processors.insert(processor.name, Arc::new(sql));
            for table in &processor.tables {
                if RESERVED.contains(&table.name) || table.name.starts_with("state_") {
                    return Err(OpenError::Reserved { name: table.name.to_owned() });
                }
                let made = Arc::new(ReportTable::new(table)?);
                match layout.tables.insert(table.name, made) {
                    Some(other) if other.columns != table.columns => {
                        return Err(OpenError::TwoTables { table: table.name });
                    }
                    _ => {}
                }
            }
        }
        Ok(layout)
    }

    /// The same in another schema.
    pub(super) fn beside(&self, schema: Identifier) -> Self {
        let Self { shards, processors, tables, .. } = self;
        Self { schema, shards: *shards, processors: processors.clone(), tables: tables.clone() }
    }

    pub(super) fn processor(&self, name: &'static str) -> Result<Arc<ProcessorSql>, Failure> {
        self.processors.get(name).cloned().ok_or(Failure::UnknownProcessor(name))
    }

    pub(super) fn table(&self, name: &'static str) -> Result<Arc<ReportTable>, Failure> {
        self.tables.get(name).cloned().ok_or(Failure::UnknownTable(name))
    }
}

impl ProcessorSql {
    fn new(table: Identifier) -> Self {
        Self {
            // `json`, not `jsonb`: a state keeps every text its fold put there, a NUL included, and is read back as it
            // was written.
            create: format!(
                "CREATE TABLE {table} (key text COLLATE \"C\" PRIMARY KEY, versions jsonb NOT NULL, body json NOT NULL) \
                 WITH (fillfactor = 80)"
            ),
            load: format!("SELECT key, versions, body FROM {table} WHERE key = ANY($1)"),
            all: format!("SELECT key, versions, body FROM {table} ORDER BY key"),
            keys: format!("SELECT key FROM {table} WHERE key > $1 ORDER BY key LIMIT $2"),
            remove: format!("DELETE FROM {table} WHERE key = ANY($1)"),
            store: format!(
                "INSERT INTO {table} (key, versions, body) \
                 SELECT * FROM unnest($1::text[], $2::jsonb[], $3::json[]) \
                 ON CONFLICT (key) DO UPDATE SET versions = excluded.versions, body = excluded.body"
            ),
            table,
        }
    }
}
