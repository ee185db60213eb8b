//! Whether a rebuild along the journal comes to what a ledger has (I8): on the real PostgreSQL and the real Kafka.
//!
//! Consumes a projection's ledger and its input topics, whole; publishes and changes nothing. Meant for tests and for an
//! operator's doubt, while nothing is on its way: what is folded meanwhile differs.

use crate::contract::{Contract, SchemaSource};
use crate::edge::BrokerError;
use crate::emission::Emitted;
use crate::journal::Entry;
use crate::kafka::{self, KafkaSettings, Visible};
use crate::postgres::{PostgresStore, look};
use crate::program::{Folding, Program, StateError};
use crate::projection::{Column, Projection};
use crate::rebuild::{Ground, Rebuilt, is_come_to, rebuild};
use crate::record::Record;
use crate::registry::{Registry, RegistryError};
use crate::store::{LaneId, StoreError};
use crate::table::TableRow;
use canon::catalog::Catalog;
use canon::event::Event;
use canon::time::Timestamp;
use canon::{DeadLetter, Money, codec};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

/// What came of a rebuild.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// Batches that were folded again.
    pub batches: usize,
    /// States that they came to.
    pub states: usize,
    /// Facts that they state, or stated.
    pub facts: usize,
    /// Report rows that people see of them.
    pub rows: usize,
    /// What the ledger has otherwise, by keys and numbers, never by contents.
    pub differences: Vec<String>,
}

/// Nothing can be proved.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// Kafka.
    #[error(transparent)]
    Kafka(#[from] BrokerError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] StoreError),
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A rebuilt state cannot be written.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Folds every lane's journal of a projection from nothing, and compares states, deadlines, parked inputs, report rows and
/// facts with the service's ledger. No other projection of the service may state facts on its topics.
///
/// # Errors
/// When something cannot be read.
pub async fn prove<P: Projection>(
    folding: Folding<P>,
    service: &'static str,
    store: &PostgresStore,
    kafka: &KafkaSettings,
    registry: &Registry,
) -> Result<Proof, ProofError> {
    let outputs = folding.outputs().iter().copied().chain([(DeadLetter::TOPIC, DeadLetter::SCHEMA)]);
    for (topic, schema) in outputs {
        registry.schemas().learn_id(topic, registry.id_of(topic, schema).await?);
    }
    let mut records: BTreeMap<(&'static str, i32), Vec<Record>> = BTreeMap::new();
    for (topic, _) in folding.inputs() {
        for record in kafka::tail(kafka, topic, Visible::Committed).await? {
            records.entry((*topic, record.partition)).or_default().push(record);
        }
    }
    let tables = look::table_rows(store).await?;
    registry.ensure(&ids(records.values().flatten(), &tables)).await?;
    let contract = Contract::of(Catalog::builtin());
    let emitted = look::emitted(store).await?;
    let given: Vec<Emitted> = emitted.values().filter(|row| row.is_taken_over()).cloned().collect();
    let ground = Ground {
        service,
        program: &folding,
        contract: &contract,
        schemas: registry.schemas(),
        tables: &tables,
        given: &given,
    };
    let mut proof = Proof::default();
    let mut all = Rebuilt::default();
    let mut cut_over: Vec<Entry> = Vec::new();
    for lane in look::lanes(store, P::NAME).await? {
        let journal = look::journal(store, LaneId { processor: P::NAME, number: lane.number }).await?;
        cut_over.extend(journal.iter().filter(|entry| entry.cut_over.is_some()).cloned());
        proof.batches += journal.len();
        let read = |topic: &str, first: i64, next: i64| {
            let of = records.iter().filter(|((of, partition), _)| *of == topic && *partition == lane.number);
            let records = of.flat_map(|(_, records)| records);
            records.filter(|record| (first..next).contains(&record.offset)).cloned().collect()
        };
        let rebuilt = rebuild(&ground, &journal, read)?;
        all.states.extend(rebuilt.states);
        all.deadlines.extend(rebuilt.deadlines);
        all.parked.extend(rebuilt.parked);
        all.facts.extend(rebuilt.facts);
        all.rows.extend(rebuilt.rows);
    }
    (proof.states, proof.facts) = (all.states.len(), all.facts.len());
    let deadlines = look::deadlines(store, P::NAME).await?;
    let parked = look::parked(store, P::NAME).await?;
    let differences = &mut proof.differences;
    compare("the state of", &all.states, &look::states(store, P::NAME).await?, differences);
    let live = deadlines.into_iter().map(|((_, key), at)| (key, at)).collect();
    compare("the deadline of", &all.deadlines, &live, differences);
    // Notices of what was parked are the runtime's, not the fold's; other topics are other projections' and sources'.
    let is_stated = |topic: &str| folding.outputs().iter().any(|(of, _)| *of == topic);
    let facts = emitted.values().filter(|row| is_stated(&row.topic) && !row.is_taken_over());
    let facts = facts.filter(|row| is_come_to(row, &cut_over) && (given.is_empty() || !row.withdrawn));
    let live = facts.map(|row| (row.fact, (row.content, row.withdrawn))).collect();
    // What was published before the ledger went back, and came out otherwise this time, is not stated again, or was stated in
    // between and is withdrawn. Where one lane was cut over, the others' facts are compared as its own are.
    all.facts.retain(|fact, (_, withdrawn)| {
        let is_withdrawn_asked = cut_over.is_empty() && given.is_empty();
        !emitted.get(fact).is_some_and(Emitted::is_taken_over) && (is_withdrawn_asked || !*withdrawn)
    });
    compare("the fact", &all.facts, &live, differences);
    let counted = |chains: Vec<(Option<String>, String)>| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for (chain, reason) in chains {
            *counts.entry(format!("{}: {reason}", chain.unwrap_or_default())).or_default() += 1;
        }
        counts
    };
    let rebuilt = all.parked.into_iter().map(|one| (one.chain, one.reason.to_string()));
    let live = parked.into_iter().map(|one| (one.chain, one.reason.to_string()));
    compare("what is parked of", &counted(rebuilt.collect()), &counted(live.collect()), differences);
    for table in folding.tables() {
        let of =
            |columns: &Value| table.columns.iter().map(|(name, kind)| cell(columns, name, *kind)).collect();
        let mine = all.rows.iter().filter(|((name, _), _)| *name == table.name);
        let rebuilt: BTreeMap<String, Vec<String>> =
            mine.map(|((_, key), row)| (key.clone(), of(&row.columns))).collect();
        let live = look::rows(store, table.name).await?;
        let live = live.into_iter().map(|(key, columns)| (key, of(&columns))).collect();
        proof.rows += rebuilt.len();
        compare(&format!("in {} the row", table.name), &rebuilt, &live, &mut proof.differences);
    }
    Ok(proof)
}

/// A column's value, written as PostgreSQL and the fold would agree to write it.
fn cell(columns: &Value, name: &str, kind: Column) -> String {
    let value = columns.get(name).unwrap_or(&Value::Null);
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match kind {
        Column::Money => text.parse::<Money>().map_or(text, |money| money.to_string()),
        Column::Time => match value.as_i64() {
            Some(micros) => Timestamp(micros).to_string(),
            // The database says UTC as an offset.
            None => text.replace("+00:00", "Z").parse::<Timestamp>().map_or(text, |at| at.to_string()),
        },
        Column::Bool | Column::Integer | Column::Text => text,
    }
}

/// The schemas that everything was written with.
fn ids<'a>(records: impl Iterator<Item = &'a Record>, tables: &'a [TableRow]) -> Vec<u32> {
    let values = records.filter_map(|record| record.value.as_deref());
    let wires = tables.iter().filter_map(|row| row.wire.as_deref());
    let ids: BTreeSet<u32> =
        values.chain(wires).filter_map(|value| Some(codec::split(value).ok()?.0)).collect();
    ids.into_iter().collect()
}

fn compare<K: Ord + Debug, V: PartialEq>(
    what: &str,
    rebuilt: &BTreeMap<K, V>,
    live: &BTreeMap<K, V>,
    differences: &mut Vec<String>,
) {
    for (key, value) in rebuilt {
        match live.get(key) {
            None => differences.push(format!("{what} {key:?} is rebuilt and not in the ledger")),
            Some(is) if is != value => differences.push(format!("{what} {key:?} is rebuilt otherwise")),
            Some(_) => {}
        }
    }
    let lacking = live.keys().filter(|key| !rebuilt.contains_key(key));
    differences.extend(lacking.map(|key| format!("{what} {key:?} is in the ledger and not rebuilt")));
}
