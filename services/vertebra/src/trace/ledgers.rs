//! What the ledgers know of the way: who has read which record in which batch, what waits and why, what people decided, what
//! became of commands.

use super::page::{Step, Where};
use super::topics::place;
use super::way::Way;
use super::{Opened, TraceError};
use crate::ledger::{LedgerError, decide};
use backbone::Emitted;
use backbone::postgres::look::{self, Held, PlaceSeen};
use backbone::store::{Ended, StoreError};
use canon::{Headers, Name, event_id};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use uuid::Uuid;

/// How far the database's clock and the topics' may be apart.
const CLOCKS_APART_MAX: Duration = Duration::from_secs(600);

/// Asks every ledger.
pub(super) async fn ask(ledgers: &[Opened], way: &mut Way, reveal: bool) -> Result<(), TraceError> {
    for ledger in ledgers {
        of(ledger, way, reveal).await?;
    }
    Ok(())
}

async fn of(ledger: &Opened, way: &mut Way, reveal: bool) -> Result<(), TraceError> {
    let failed = |error: StoreError| TraceError::Ledger(LedgerError::Store(error));
    let (store, service) = (&ledger.store, ledger.service.as_str());
    let places: Vec<PlaceSeen> = way.records.values().map(place).collect();
    let chains: Vec<String> = way.chains().into_iter().collect();
    let before = way.steps.len();
    let held = look::held(store, &chains, &places).await.map_err(failed)?;
    let mut stopped: BTreeSet<(String, PlaceSeen)> = BTreeSet::new();
    for held in held {
        let message = match reveal {
            true => decide::text(store, held.input.id).await?,
            false => None,
        };
        stopped.extend(record_of(&held).map(|place| (held.processor.clone(), place)));
        way.steps.push(parked(service, held, &places, message));
    }
    for decided in look::decided(store, &places).await.map_err(failed)? {
        let done = if decided.given_up { "given up" } else { "edited" };
        let what = format!("{done} by {}: {}", decided.by, decided.because);
        if decided.given_up {
            stopped.insert((decided.processor.clone(), decided.place.clone()));
        }
        let mut step = step(service, &decided.processor, what);
        (step.at, step.of) = (Some(decided.at), Some(decided.place));
        way.steps.push(step);
    }
    let mut carried_out: BTreeSet<String> = BTreeSet::new();
    for (processor, effect) in look::effects_of(store, &way.commands()).await.map_err(failed)? {
        let what = match (effect.ended, effect.their_id) {
            (Ended::Applied, Some(theirs)) => format!("applied: their id {theirs}"),
            (Ended::Applied, None) => "applied".to_owned(),
            (Ended::Discarded, _) => "given up".to_owned(),
            (Ended::Parked, _) => "refused: parked".to_owned(),
        };
        let mut step = step(service, &processor, what);
        (step.at, step.fact) = (Some(effect.at), Some(effect.name));
        way.steps.push(step);
        carried_out.insert(processor);
    }
    read(ledger, way, &stopped, &carried_out).await?;
    let visits: Vec<String> = way.visits.iter().map(ToString::to_string).collect();
    let facts = facts(way);
    for row in look::stated(store, &visits, &facts, &[]).await.map_err(failed)? {
        way.steps.push(stated(service, row));
    }
    for (topic, headers, at) in look::waiting_to_go(store, &visits).await.map_err(failed)? {
        let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        let headers = Headers::from_pairs(pairs).ok();
        let mut step = step(service, "outbox", format!("waits to be published on {topic}"));
        (step.at, step.waits) = (Some(at), true);
        step.id = headers.as_ref().map(|headers| headers.id);
        step.fact = headers.map(|headers| headers.factname);
        way.steps.push(step);
    }
    way.looked.push(super::page::Looked::ledger(service, way.steps.len() - before));
    Ok(())
}

fn step(service: &str, processor: &str, what: String) -> Step {
    Step { place: format!("{service}: {processor}"), what, ..Step::new(Where::Ledger) }
}

fn record_of(held: &Held) -> Option<PlaceSeen> {
    let record = held.input.record.as_ref()?;
    Some(PlaceSeen { topic: record.topic.clone(), partition: record.partition, offset: record.offset })
}

/// What waits: one of the records that were found, or another one under the same key, of which nobody can tell without reading
/// it whether it belongs here.
fn parked(service: &str, held: Held, known: &[PlaceSeen], message: Option<String>) -> Step {
    let place = record_of(&held);
    let is_known = place.as_ref().is_some_and(|place| known.contains(place));
    let input = held.input;
    let of = match (&place, &input.deadline) {
        (Some(place), _) if !is_known => {
            format!(" {}/{}@{}, of the same key", place.topic, place.partition, place.offset)
        }
        (None, Some((_, at))) => format!(" the deadline of {at}"),
        _ => String::new(),
    };
    let what = format!("parked as {}, number {}{of}: {}", input.reason.as_str(), input.id, input.detail);
    let mut step = step(service, &held.processor, what);
    (step.at, step.of, step.waits) = (Some(input.at), place, true);
    step.whole = message.map(serde_json::Value::String);
    step
}

/// Who has read which record, in which batch.
async fn read(
    ledger: &Opened,
    way: &mut Way,
    stopped: &BTreeSet<(String, PlaceSeen)>,
    carried_out: &BTreeSet<String>,
) -> Result<(), TraceError> {
    let failed = |error: StoreError| TraceError::Ledger(LedgerError::Store(error));
    let mut readers: BTreeMap<(&str, i32), Vec<(String, i64)>> = BTreeMap::new();
    let mut steps = Vec::new();
    for found in way.records.values() {
        let partition = (found.topic, found.partition);
        if let Entry::Vacant(place) = readers.entry(partition) {
            place.insert(look::readers(&ledger.store, found.topic, found.partition).await.map_err(failed)?);
        }
        for (processor, next) in &readers[&partition] {
            let place = place(found);
            if stopped.contains(&(processor.clone(), place.clone())) || carried_out.contains(processor) {
                continue;
            }
            if *next <= found.offset {
                let mut step = step(&ledger.service, processor, format!("not read yet: it is at {next}"));
                (step.at, step.of, step.waits) = (Some(found.at), Some(place), true);
                steps.push(step);
                continue;
            }
            let since = found.at - CLOCKS_APART_MAX;
            let batch = look::folded(&ledger.store, processor, &place, since).await.map_err(failed)?;
            let (at, what) = match batch {
                Some((seq, at)) => (Some(at), format!("read, in batch {seq}")),
                None => (None, "read".to_owned()),
            };
            let mut step = step(&ledger.service, processor, what);
            (step.at, step.of) = (at, Some(place));
            steps.push(step);
        }
    }
    way.steps.extend(steps);
    Ok(())
}

/// The facts of the records that were found.
fn facts(way: &Way) -> Vec<Uuid> {
    let facts = way.records.values().filter_map(|found| {
        let name: Name = found.headers.factname.parse().ok()?;
        Some(name.fact_id(found.topic))
    });
    facts.collect::<BTreeSet<_>>().into_iter().collect()
}

/// What the emission ledger has as the latest word on a fact.
fn stated(service: &str, row: Emitted) -> Step {
    let last = if row.withdrawn { "withdrawn" } else { "stated" };
    let origin = row.origin.map(|of| match of.topic.is_empty() {
        true => ", last when a deadline had passed".to_owned(),
        false => format!(", last for {}/{}@{}", of.topic, of.partition, of.offset),
    });
    let what = format!("{last} as the latest word on {}{}", row.topic, origin.unwrap_or_default());
    Step {
        id: Some(event_id(row.fact, row.revision)),
        fact: Some(row.name),
        version: Some(row.version),
        revision: Some(row.revision),
        ..step(service, "emissions", what)
    }
}
