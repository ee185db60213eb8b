//! Requests: each invoice or credit note that was asked for was carried out, is parked, was given up, or was not read yet.

use super::{Failed, Known, Topics, headers, named, place, read, topic};
use crate::ledger::LedgerError;
use crate::trace::ensure;
use ::books::flow::{Flow, Of, Place};
use backbone::contract::SchemaSource;
use backbone::postgres::{PostgresStore, look};
use backbone::store::Ended;
use canon::events::billing_invoice_request::RequestKind;
use canon::{Event, InvoiceRequest, Money, Name};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use uuid::Uuid;

/// Who carries them out.
const PROCESSOR: &str = "odoo-invoices";
/// Commands asked for at a time.
const AT_A_TIME: usize = 1_000;

/// A request by its fact: commands have one content for ever.
struct Asked {
    of: Of,
    amount: Money,
    at: (i32, i64),
}

pub(super) async fn flow(
    store: &PostgresStore,
    topics: &Topics<'_>,
    told: &mut (dyn FnMut(&str) + Send),
) -> Result<Flow, Failed> {
    let name = topic(InvoiceRequest::TOPIC);
    let known = Known::of(store, PROCESSOR, name).await?;
    let mut flow = Flow::new("requests", name, PROCESSOR);
    let mut asked: BTreeMap<Uuid, Asked> = BTreeMap::new();
    let mut unreadable = Vec::new();
    read(topics, name, told, async |records| {
        ensure(topics.registry, &records).await?;
        for record in &records {
            let at = place(record);
            let fact = headers(record).and_then(|headers| headers.factname.parse::<Name>().ok());
            let request = record
                .value
                .as_deref()
                .map(|value| topics.registry.schemas().decode::<InvoiceRequest>(value));
            match (fact, request) {
                (Some(fact), Some(Ok(request))) => {
                    let new = Asked { of: of(&request), amount: signed(&request), at };
                    let fact = fact.fact_id(name);
                    match asked.entry(fact) {
                        Entry::Occupied(_) => flow.again += 1,
                        Entry::Vacant(place) => {
                            place.insert(new);
                        }
                    }
                }
                _ => unreadable.push(at),
            }
        }
        Ok(())
    })
    .await?;
    for at in unreadable {
        let stands = if known.parked.contains(&at) { Place::Parked } else { Place::Missing };
        let stands = if known.is_ahead(at) { Place::InFlight } else { stands };
        flow.add(Of::default(), Money::ZERO, stands, Money::ZERO, || named(name, at));
    }
    let asked: Vec<(Uuid, Asked)> = asked.into_iter().collect();
    for some in asked.chunks(AT_A_TIME) {
        let commands: Vec<Uuid> = some.iter().map(|(command, _)| *command).collect();
        let effects = look::effects_of(store, &commands).await.map_err(LedgerError::Store)?;
        let ended: BTreeMap<Uuid, Ended> =
            effects.into_iter().map(|(_, effect)| (effect.command, effect.ended)).collect();
        for (command, asked) in some {
            let stands = match ended.get(command) {
                Some(Ended::Applied) => Place::Applied,
                Some(Ended::Discarded) => Place::Discarded,
                _ if known.parked.contains(&asked.at) => Place::Parked,
                _ if known.is_ahead(asked.at) => Place::InFlight,
                _ if known.given_up.contains(&asked.at) => Place::Discarded,
                _ => Place::Missing,
            };
            flow.add(asked.of.clone(), asked.amount, stands, Money::ZERO, || named(name, asked.at));
        }
    }
    Ok(flow)
}

fn of(request: &InvoiceRequest) -> Of {
    Of {
        sender: String::new(),
        facility: request.facility.clone().unwrap_or_default(),
        day: request.invoice_date.to_string(),
        currency: request.currency.clone(),
    }
}

/// What it adds to what is owed.
fn signed(request: &InvoiceRequest) -> Money {
    if request.kind == RequestKind::CreditNote { -request.total } else { request.total }
}
