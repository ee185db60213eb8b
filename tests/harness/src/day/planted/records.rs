//! Faults of topics: records that cannot be read, versions that leave something out or go back.

use super::{Fault, Told};
use crate::books::Read;
use canon::{
    Appointment, Case, Charge, Consumption, Encounter, Event, Invoice, InvoiceRequest, LabResult, Order,
    Patient, PatientLink, Payment,
};

pub(super) const FAULTS: [Fault; 27] = [
    ("an unreadable visit", |_, there| unreadable(&mut there.encounters), unread::<Encounter>()),
    ("an unreadable charge", |_, there| unreadable(&mut there.charges), unread::<Charge>()),
    ("an unreadable request", |_, there| unreadable(&mut there.requests), unread::<InvoiceRequest>()),
    ("an unreadable case", |_, there| unreadable(&mut there.cases), unread::<Case>()),
    ("an unreadable patient", |_, there| unreadable(&mut there.patients), unread::<Patient>()),
    ("an unreadable link", |_, there| unreadable(&mut there.links), unread::<PatientLink>()),
    ("an unreadable appointment", |_, there| unreadable(&mut there.appointments), unread::<Appointment>()),
    ("an unreadable order", |_, there| unreadable(&mut there.orders), unread::<Order>()),
    ("an unreadable result", |_, there| unreadable(&mut there.results), unread::<LabResult>()),
    ("an unreadable consumption", |_, there| unreadable(&mut there.consumptions), unread::<Consumption>()),
    ("an unreadable invoice", |_, there| unreadable(&mut there.entered), unread::<Invoice>()),
    ("an unreadable payment", |_, there| unreadable(&mut there.paid), unread::<Payment>()),
    ("a gap before a visit", |_, there| gap(&mut there.encounters), version::<Encounter>()),
    ("a gap before a charge", |_, there| gap(&mut there.charges), version::<Charge>()),
    ("a gap before a request", |_, there| gap(&mut there.requests), version::<InvoiceRequest>()),
    ("a gap before an appointment", |_, there| gap(&mut there.appointments), version::<Appointment>()),
    ("a gap before an order", |_, there| gap(&mut there.orders), version::<Order>()),
    ("a gap before a result", |_, there| gap(&mut there.results), version::<LabResult>()),
    ("a gap before a consumption", |_, there| gap(&mut there.consumptions), version::<Consumption>()),
    ("a gap before an invoice", |_, there| gap(&mut there.entered), version::<Invoice>()),
    ("a gap before a payment", |_, there| gap(&mut there.paid), version::<Payment>()),
    ("a case that goes back", |_, there| falls(&mut there.cases, 1), version::<Case>()),
    ("a patient that goes back", |_, there| falls(&mut there.patients, 1), version::<Patient>()),
    ("a link that goes back", |_, there| falls(&mut there.links, 1), version::<PatientLink>()),
    ("a charge that goes back", |_, there| falls(&mut there.charges, 1), version::<Charge>()),
    ("two charges of one version", |_, there| falls(&mut there.charges, 0), version::<Charge>()),
    ("two cases of one version", |_, there| falls(&mut there.cases, 0), version::<Case>()),
];

const fn unread<E: Event>() -> Told {
    Told::Unreadable(E::TOPIC)
}

const fn version<E: Event>() -> Told {
    Told::Version(E::TOPIC)
}

fn unreadable<E>(read: &mut Read<E>) -> bool {
    read.unreadable.push((0, 0));
    true
}

/// The last record of a key has a version too high.
fn gap<E>(read: &mut Read<E>) -> bool {
    read.stated.last_mut().map(|one| one.version += 1).is_some()
}

/// Behind the last record of a key comes another one, so much lower.
fn falls<E: Event>(read: &mut Read<E>, by: i64) -> bool
where
    crate::books::Stated<E>: Clone,
{
    let Some(mut again) = read.stated.last().cloned() else { return false };
    again.version -= by;
    again.id = uuid::Uuid::max();
    read.stated.push(again);
    true
}
