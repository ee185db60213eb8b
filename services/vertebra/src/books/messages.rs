//! Messages: each that a sender was told is safe was translated, is parked, was given up, or was not read yet.

use super::{Failed, Known, Topics, headers, named, place, read, topic};
use crate::ledger::LedgerError;
use ::books::flow::{Flow, Of, Place};
use backbone::edge::BrokerError;
use backbone::postgres::{PostgresStore, look};
use backbone::record::Record;
use canon::{Event, Money, RawHl7v2};
use std::collections::{BTreeSet, HashSet};
use uuid::Uuid;

/// Who translates.
const PROCESSOR: &str = "hl7-translation";

pub(super) async fn flow(
    store: &PostgresStore,
    topics: &Topics<'_>,
    told: &mut (dyn FnMut(&str) + Send),
) -> Result<Flow, Failed> {
    let name = topic(RawHl7v2::TOPIC);
    let known = Known::of(store, PROCESSOR, name).await?;
    let mut flow = Flow::new("messages", name, PROCESSOR);
    // What is sent again lands again, and is known by its id.
    let mut ids: HashSet<Uuid> = HashSet::new();
    let mut ledger: Result<(), LedgerError> = Ok(());
    read(topics, name, told, async |records| {
        if ledger.is_err() {
            return Ok(());
        }
        ledger = take(store, &known, &mut flow, &mut ids, &records).await;
        Ok::<(), BrokerError>(())
    })
    .await?;
    ledger?;
    Ok(flow)
}

async fn take(
    store: &PostgresStore,
    known: &Known,
    flow: &mut Flow,
    ids: &mut HashSet<Uuid>,
    records: &[Record],
) -> Result<(), LedgerError> {
    let read: Vec<_> = records.iter().map(|record| (record, headers(record))).collect();
    let names: BTreeSet<String> =
        read.iter().filter_map(|(_, headers)| Some(headers.as_ref()?.factname.clone())).collect();
    let met = look::met(store, PROCESSOR, &names.into_iter().collect::<Vec<_>>()).await?;
    for (record, headers) in read {
        let at = place(record);
        if headers.as_ref().is_some_and(|headers| !ids.insert(headers.id)) {
            flow.again += 1;
            continue;
        }
        let is_met =
            headers.as_ref().is_some_and(|headers| met.contains(&(headers.factname.clone(), headers.id)));
        let stands = match () {
            () if known.is_ahead(at) => Place::InFlight,
            () if known.parked.contains(&at) => Place::Parked,
            () if known.given_up.contains(&at) => Place::Discarded,
            () if is_met => Place::Applied,
            () => Place::Missing,
        };
        let of = Of {
            sender: headers.as_ref().map(|headers| sender(&headers.source)).unwrap_or_default(),
            facility: headers.and_then(|headers| headers.facility).unwrap_or_default(),
            day: record.timestamp.date().to_string(),
            currency: String::new(),
        };
        flow.add(of, Money::ZERO, stands, Money::ZERO, || named(record.topic, at));
    }
    Ok(())
}

/// The last part of `vertebra/ehr-adapter/north`.
fn sender(source: &str) -> String {
    source.rsplit('/').next().unwrap_or(source).to_owned()
}
