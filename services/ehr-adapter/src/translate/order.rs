//! What an order message says: one fact per ORC, and one more per further OBR behind it.

use super::part::Part;
use super::reader::invalid;
use super::source::{Source, places};
use super::{Statement, Translated};
use backbone::{Reason, Reject};
use canon::event::{Change, Name};
use canon::events::clinical_order::OrderStatus;
use canon::{Order, PatientToken};
use hl7::message::Path;
use std::collections::BTreeSet;

/// What says what is ordered; each of them once behind an ORC, as a rule.
const DETAILS: [&str; 3] = ["OBR", "RXE", "RXO"];

/// The orders of a message as it left them.
pub(super) fn orders(source: &Source<'_>) -> Result<Translated, Reject> {
    source.one_patient()?;
    let patient = source.patient()?;
    let parts = Part::all(source.reader, "ORC");
    if parts.is_empty() {
        return Err(Reject::new(Reason::Invalid, "an order message without ORC"));
    }
    Part::none_before(source.reader, "ORC", &DETAILS)?;
    let mut ids = BTreeSet::new();
    let mut statements = Vec::new();
    for orc in &parts {
        for (index, part) in orc.each("OBR").enumerate() {
            let id = id(source, &part, index == 0, &ids)?;
            // With the patient: after a merge it is another's fact, and a fact's key never changes.
            let name = Name::new("order", &[source.sender.as_str(), patient.as_str(), &id]);
            let event = order(source, &part, patient, id_of(source, &id))?;
            ids.insert(id);
            statements.push(Statement::Order(name, Box::new(event)));
        }
    }
    Translated::of(statements)
}

/// An order's number: by the ORC, which the first OBR behind it shares; of a further one it has to be its own.
fn id(
    source: &Source<'_>,
    part: &Part<'_, '_>,
    is_first: bool,
    known: &BTreeSet<String>,
) -> Result<String, Reject> {
    let paths = &source.reading.order_paths;
    let at = |rest: &str| format!("ORC[{}]: {rest}", part.number());
    if is_first {
        if let Some(name) = DETAILS[1..].iter().find(|name| part.count(name) > 1) {
            return Err(Reject::new(Reason::Unsupported, at(&format!("a second {name} behind one ORC"))));
        }
        let id = part.first_of(paths)?;
        let id = id.ok_or_else(|| invalid(at(&places(paths)), "are empty: no order number"))?;
        if known.contains(&id) {
            let detail = format!("{} is the order of an earlier ORC of this message", part.at(2));
            return Err(Reject::new(Reason::Conflict, detail));
        }
        return Ok(id);
    }
    let own: Vec<Path> = paths.iter().copied().filter(|path| path.segment() == "OBR").collect();
    part.first_of(&own)?.filter(|id| !known.contains(id)).ok_or_else(|| {
        let detail = "a further OBR behind one ORC, without a number of its own";
        Reject::new(Reason::Unsupported, at(detail))
    })
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
