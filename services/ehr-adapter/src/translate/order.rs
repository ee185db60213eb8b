//! What an order message says: one fact per ORC.

use super::part::Part;
use super::reader::invalid;
use super::source::{Source, places};
use super::{Statement, Translated};
use backbone::{Reason, Reject};
use canon::event::{Change, Name};
use canon::events::clinical_order::OrderStatus;
use canon::{Order, PatientToken};
use std::collections::BTreeSet;

/// The orders of a message as it left them.
pub(super) fn orders(source: &Source<'_>) -> Result<Translated, Reject> {
    source.one_patient()?;
    let patient = source.patient()?;
    let parts = Part::all(source.reader, "ORC");
    if parts.is_empty() {
        return Err(Reject::new(Reason::Invalid, "an order message without ORC"));
    }
    let mut ids = BTreeSet::new();
    let mut statements = Vec::new();
    for part in &parts {
        let paths = &source.reading.order_paths;
        let id = part.first_of(paths)?;
        let id = id.ok_or_else(|| {
            invalid(format!("ORC[{}]: {}", part.number(), places(paths)), "are empty: no order number")
        })?;
        // With the patient: after a merge it is another's fact, and a fact's key never changes.
        let name = Name::new("order", &[source.sender.as_str(), patient.as_str(), &id]);
        if !ids.insert(id.clone()) {
            let detail = format!("{} is the order of an earlier ORC of this message", part.at(2));
            return Err(Reject::new(Reason::Conflict, detail));
        }
        let event = order(source, part, patient, id_of(source, &id))?;
        statements.push(Statement::Order(name, Box::new(event)));
    }
    Translated::of(statements)
}

fn order(
    source: &Source<'_>,
    part: &Part<'_, '_>,
    patient: PatientToken,
    order: String,
) -> Result<Order, Reject> {
    let reader = part.reader;
    // ORC-7 is a timing whose first component is an amount with its unit. What an order amounts to is for people to read: one
    // that cannot be read is none, and holds nobody up.
    let quantity = part
        .said(&["RXE-10", "RXO-11", "ORC-7.1.1"])
        .and_then(|(value, place)| reader.decimal(value, part.within(place)).ok().flatten());
    let ordered_at = match part.said(&["ORC-9", "OBR-6"]) {
        Some((value, place)) => reader.time(value, part.within(place))?,
        None => None,
    };
    let control = part.code(1)?.unwrap_or_default();
    Ok(Order {
        change: Change::Recorded,
        order,
        patient,
        encounter: source.encounter(),
        sender: source.sender.to_string(),
        control_id: source.control_id.to_owned(),
        trigger: source.trigger.clone(),
        status: status(&control, part.code(5)?.as_deref()),
        order_control: control,
        // An order may be called off by its number alone.
        code: part.said_code(&["OBR-4", "RXE-2", "RXO-1"])?.unwrap_or_default(),
        description: part
            .said(&["OBR-4.2", "RXE-2.2", "RXO-1.2"])
            .and_then(|(value, _)| reader.free_text(value)),
        quantity,
        unit: part.said_code(&["RXE-11", "RXO-12"])?,
        ordered_at,
        facility: source.facility.clone(),
        occurred_at: source.occurred_at,
    })
}

/// By what the message does to the order (table 0119), else by where it says that the order stands (table 0038).
fn status(control: &str, standing: Option<&str>) -> OrderStatus {
    match (control, standing) {
        ("NW", _) => OrderStatus::New,
        ("CA" | "CR" | "DC" | "DR" | "OC" | "OD", _) => OrderStatus::Cancelled,
        ("HD" | "HR" | "OH", _) => OrderStatus::Held,
        (_, Some("CM")) => OrderStatus::Completed,
        (_, Some("CA" | "DC" | "RP")) => OrderStatus::Cancelled,
        (_, Some("HD")) => OrderStatus::Held,
        ("RE", None) => OrderStatus::Completed,
        ("RL" | "RO" | "RP" | "RU" | "XO" | "XR" | "XX", _) => OrderStatus::Changed,
        _ => OrderStatus::Unsaid,
    }
}

/// An order's id, as orders and their results have it.
pub(super) fn id_of(source: &Source<'_>, number: &str) -> String {
    Name::new("order", &[source.sender.as_str(), number]).to_string()
}
