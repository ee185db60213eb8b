//! What every reader of a topic relies on: versions rise without gaps per key, and what is published twice is the same.
//!
//! Reads topics whole and the counters of the ledgers; tells every mistake. A relay may publish rows twice; a record
//! of a stale owner would show as a version with two identities, or as a last record that is not the newest.

use crate::scenarios::POISON;
use crate::world::World;
use backbone::kafka::{Visible, tail};
use backbone::record::Record;
use canon::event::Event;
use canon::headers::{CE_ID, CE_VERSION};
use canon::{Case, Charge, Code, DeadLetter, Encounter, Invoice, InvoiceRequest, Item, Partner, Payment};
use std::collections::{BTreeMap, BTreeSet};

/// Topics with versions, and the schema of the ledger that gives them; dead letters have several.
const STATED: [(&str, Option<&str>); 10] = [
    (Case::TOPIC, Some("billing_projector")),
    (Charge::TOPIC, Some("ehr_adapter")),
    (Code::TOPIC, Some("code_importer")),
    (DeadLetter::TOPIC, None),
    (Encounter::TOPIC, Some("ehr_adapter")),
    (Invoice::TOPIC, Some("odoo_poller")),
    (InvoiceRequest::TOPIC, Some("billing_projector")),
    (Item::TOPIC, Some("odoo_poller")),
    (Partner::TOPIC, Some("odoo_poller")),
    (Payment::TOPIC, Some("odoo_poller")),
];

/// What is wrong with the versions of all topics; and how many records were published a second time.
///
/// # Errors
/// When a topic or a ledger cannot be read.
pub(crate) async fn mistakes(world: &World) -> Result<(Vec<String>, usize), String> {
    let mut mistakes = Vec::new();
    let mut repeated = 0;
    for (topic, schema) in STATED {
        let records = tail(&world.stack.kafka(), topic, Visible::Committed).await;
        let records = records.map_err(|error| error.to_string())?;
        let mut keys = by_key(&records);
        // Planted by a test: nobody gave them versions.
        keys.retain(|key, _| !key.starts_with(POISON));
        for (key, records) in &keys {
            let (wrong, again) = of_key(records);
            mistakes.extend(wrong.into_iter().map(|wrong| format!("{topic}, key {key}: {wrong}")));
            repeated += again;
        }
        if let Some(schema) = schema {
            let counters = counters(world, schema, topic).await?;
            let newest =
                |records: &[&Record]| records.iter().map(|record| version(record)).max().unwrap_or(0);
            let newest: BTreeMap<&str, i64> =
                keys.iter().map(|(key, records)| (*key, newest(records))).collect();
            for (key, given) in &counters {
                let is = newest.get(key.as_str()).copied().unwrap_or(0);
                if is != *given {
                    mistakes.push(format!("{topic}, key {key}: {given} versions were given, {is} published"));
                }
            }
            mistakes.extend(
                newest
                    .keys()
                    .filter(|key| !counters.contains_key(**key))
                    .map(|key| format!("{topic}, key {key}: no counter")),
            );
        }
    }
    Ok((mistakes, repeated))
}

/// How many different notices the writer has given of parked commands. Others tell of what waited for its sender's file.
///
/// # Errors
/// When the topic cannot be read.
pub(crate) async fn dead_letters(world: &World) -> Result<usize, String> {
    let records = tail(&world.stack.kafka(), DeadLetter::TOPIC, Visible::Committed).await;
    let records = records.map_err(|error| error.to_string())?;
    let writers = records.iter().filter(|record| record.key.as_deref() == Some(b"odoo-writer"));
    let ids: BTreeSet<&str> = writers.filter_map(|record| record.header(CE_ID)).collect();
    Ok(ids.len())
}

fn by_key(records: &[Record]) -> BTreeMap<&str, Vec<&Record>> {
    let mut keys: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in records {
        let key = record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok()).unwrap_or("?");
        keys.entry(key).or_default().push(record);
    }
    keys
}

fn version(record: &Record) -> i64 {
    record.header(CE_VERSION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Mistakes of one key, in offset order; and how many of its records are repetitions.
fn of_key(records: &[&Record]) -> (Vec<String>, usize) {
    let mut mistakes = Vec::new();
    let mut first: BTreeMap<i64, &Record> = BTreeMap::new();
    let mut repeated = 0;
    for record in records {
        let (version, id) = (version(record), record.header(CE_ID));
        if let Some(before) = first.get(&version) {
            repeated += 1;
            if before.header(CE_ID) != id || before.value != record.value {
                mistakes.push(format!(
                    "version {version} is two records, at {} and {}",
                    before.offset, record.offset
                ));
            }
            continue;
        }
        let expected = i64::try_from(first.len()).unwrap_or(i64::MAX) + 1;
        if version != expected {
            mistakes.push(format!("version {version} where {expected} was to come, at {}", record.offset));
        }
        first.insert(version, record);
    }
    let newest = first.keys().next_back().copied().unwrap_or(0);
    if let Some(last) = records.last().map(|last| version(last)).filter(|last| *last != newest) {
        mistakes.push(format!("the last record is version {last}, the newest {newest}"));
    }
    (mistakes, repeated)
}

async fn counters(world: &World, schema: &str, topic: &str) -> Result<BTreeMap<String, i64>, String> {
    let client = world.connect().await.map_err(|error| error.to_string())?;
    // A service that this world has not started has given none.
    let there = client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&format!("{schema}.counter")]).await;
    if !there.map_err(|error| error.to_string())?.get::<_, bool>(0) {
        return Ok(BTreeMap::new());
    }
    let asked =
        client.query(&format!("SELECT key, version FROM {schema}.counter WHERE topic = $1"), &[&topic]).await;
    let rows = asked.map_err(|error| error.to_string())?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use canon::Timestamp;

    fn record(offset: i64, version: i64, id: &str) -> Record {
        Record {
            topic: Case::TOPIC,
            partition: 0,
            offset,
            timestamp: Timestamp(0),
            key: Some(b"k".to_vec()),
            value: Some(id.as_bytes().to_vec()),
            headers: vec![
                (CE_VERSION.to_owned(), version.to_string().into_bytes()),
                (CE_ID.to_owned(), id.as_bytes().to_vec()),
            ],
        }
    }

    #[track_caller]
    fn check(stated: &[(i64, &str)], wrong: &[&str], repeated: usize) {
        let records: Vec<Record> =
            (0..).zip(stated).map(|(at, (version, id))| record(at, *version, id)).collect();
        let (mistakes, again) = of_key(&records.iter().collect::<Vec<_>>());
        assert_eq!(mistakes, wrong);
        assert_eq!(again, repeated);
    }

    #[test]
    fn rows_published_twice_in_their_order_are_no_mistake() {
        check(&[(1, "a"), (2, "b"), (3, "c")], &[], 0);
        check(&[(1, "a"), (2, "b"), (1, "a"), (2, "b"), (3, "c")], &[], 2);
    }

    #[test]
    fn a_gap_a_second_identity_and_a_stale_end_are_mistakes() {
        check(&[(1, "a"), (3, "c")], &["version 3 where 2 was to come, at 1"], 0);
        check(&[(1, "a"), (1, "b")], &["version 1 is two records, at 0 and 1"], 1);
        check(&[(1, "a"), (2, "b"), (1, "a")], &["the last record is version 1, the newest 2"], 1);
    }
}
