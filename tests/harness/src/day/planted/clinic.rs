//! Faults of patients, links, visits, appointments, orders and results.

use super::{Fault, Told, add, change, double, lose};
use crate::books::Evidence;
use crate::day::Played;
use canon::events::clinical_appointment::{Appointment, AppointmentStatus};
use canon::events::clinical_result::{LabResult, ResultStatus};
use canon::{Case, Order, Patient, PatientLink, PatientToken, Phi};
use std::collections::BTreeSet;

pub(super) const FAULTS: [Fault; 33] = [
    ("a patient is missing", |played, there| lose_patient(played, there), Told::Missing("patient")),
    ("a family name is wrong", |played, there| patient(played, there, |one| one.family = other()), PATIENT),
    ("a given name is missing", |played, there| patient(played, there, |one| one.given = None), PATIENT),
    (
        "a birth date is wrong",
        |played, there| patient(played, there, |one| one.birth_date = other()),
        PATIENT,
    ),
    ("a sex is wrong", |played, there| patient(played, there, |one| one.sex = other()), PATIENT),
    ("an address is wrong", |played, there| patient(played, there, |one| one.address = other()), PATIENT),
    ("a phone is wrong", |played, there| patient(played, there, |one| one.phone = other()), PATIENT),
    (
        "somebody is said to have died",
        |played, there| patient(played, there, |one| one.deceased = Phi(!*one.deceased.reveal())),
        PATIENT,
    ),
    (
        "a link is missing",
        |played, there| {
            let keys = retired(played);
            lose(&mut there.links, |stated, _| keys.contains(&stated.key))
        },
        Told::Missing("link of patient"),
    ),
    (
        "a link leads to somebody else",
        |played, there| {
            let keys = retired(played);
            let other = PatientToken::from_bytes([7; 16]);
            change(&mut there.links, |stated, _| keys.contains(&stated.key), |link| link.survivor = other)
        },
        Told::Differs("link of patient"),
    ),
    (
        "a link that was never said",
        |played, there| {
            let retired = retired(played);
            let Some(key) = played.patients().difference(&retired).next().cloned() else { return false };
            let is_added = add(&mut there.links, |_, _| true, |_: &mut PatientLink| {});
            let added = there.links.stated.last_mut().filter(|_| is_added);
            added.map(|link| link.key = key).is_some()
        },
        Told::Stranger("link of patient"),
    ),
    (
        "a visit was never heard of",
        |played, there| {
            let keys = played.visits();
            let before = there.encounters.stated.len();
            let key =
                there.encounters.stated.iter().find(|one| keys.contains(&one.key)).map(|one| one.key.clone());
            there.encounters.stated.retain(|one| Some(&one.key) != key.as_ref());
            there.encounters.stated.len() < before
        },
        Told::Missing("visit"),
    ),
    (
        "a message of a visit has no fact",
        |played, there| {
            let keys = played.visits();
            lose(&mut there.encounters, |stated, _| keys.contains(&stated.key))
        },
        Told::Fewer("the messages of visit"),
    ),
    (
        "a message of a visit has two facts",
        |played, there| {
            let keys = played.visits();
            double(&mut there.encounters, |stated, _| keys.contains(&stated.key))
        },
        Told::Differs("the messages of visit"),
    ),
    ("a case is finished that is not", |played, there| turns(played, there, false), CASE),
    ("a case is not finished that is", |played, there| turns(played, there, true), CASE),
    (
        "an appointment is missing",
        |played, there| {
            let keys = played.patients();
            lose(&mut there.appointments, |stated, _| keys.contains(&stated.key))
        },
        Told::Fewer("the appointments of patient"),
    ),
    (
        "an appointment is there twice",
        |played, there| {
            let keys = played.patients();
            double(&mut there.appointments, |stated, _| keys.contains(&stated.key))
        },
        APPOINTMENT,
    ),
    (
        "an appointment has another status",
        |played, there| appointment(played, there, |one| one.status = AppointmentStatus::Unsaid),
        APPOINTMENT,
    ),
    (
        "an appointment begins at another time",
        |played, there| appointment(played, there, |one| one.starts_at = None),
        APPOINTMENT,
    ),
    (
        "an appointment ends at another time",
        |played, there| appointment(played, there, |one| one.ends_at = one.starts_at),
        APPOINTMENT,
    ),
    (
        "an order is missing",
        |played, there| {
            let keys = played.patients();
            lose(&mut there.orders, |stated, _| keys.contains(&stated.key))
        },
        Told::Fewer("the orders of patient"),
    ),
    (
        "an order is there twice",
        |played, there| {
            let keys = played.patients();
            double(&mut there.orders, |stated, _| keys.contains(&stated.key))
        },
        ORDER,
    ),
    (
        "an order that nobody gave",
        |played, there| {
            let keys = played.patients();
            add(&mut there.orders, |stated, _| keys.contains(&stated.key), |one| one.code.push('X'))
        },
        ORDER,
    ),
    ("an order of something else", |played, there| order(played, there, |one| one.code.push('X')), ORDER),
    (
        "an order was changed",
        |played, there| order(played, there, |one| one.order_control = "XO".to_owned()),
        ORDER,
    ),
    (
        "a result is missing",
        |played, there| {
            let keys = played.patients();
            lose(&mut there.results, |stated, _| keys.contains(&stated.key))
        },
        Told::Fewer("the results of patient"),
    ),
    (
        "a result is there twice",
        |played, there| {
            let keys = played.patients();
            double(&mut there.results, |stated, _| keys.contains(&stated.key))
        },
        RESULT,
    ),
    (
        "a result has another value",
        |played, there| result(played, there, |one| one.observations[0].value = other()),
        RESULT,
    ),
    (
        "a value is of something else",
        |played, there| result(played, there, |one| one.observations[0].code.push('X')),
        RESULT,
    ),
    ("a value is missing", |played, there| result(played, there, |one| drop(one.observations.pop())), RESULT),
    (
        "a result has another status",
        |played, there| result(played, there, |one| one.status = ResultStatus::Deleted),
        RESULT,
    ),
    ("a result is of another test", |played, there| result(played, there, |one| one.code.push('X')), RESULT),
];

const PATIENT: Told = Told::Differs("patient");
const CASE: Told = Told::Differs("the case of visit");
const APPOINTMENT: Told = Told::Differs("the appointments of patient");
const ORDER: Told = Told::Differs("the orders of patient");
const RESULT: Told = Told::Differs("the results of patient");

#[expect(clippy::unnecessary_wraps, reason = "what is said of a patient may be unknown")]
fn other() -> Option<Phi<String>> {
    Some(Phi("another".to_owned()))
}

/// Whom the hospital and the clinic said something of.
fn registered(played: &Played) -> BTreeSet<String> {
    let patients = played.plan.truth.patients.iter();
    patients.map(|one| played.patient(one.sender, &one.id).to_string()).collect()
}

fn retired(played: &Played) -> BTreeSet<String> {
    let links = played.plan.truth.links.iter();
    links.map(|link| played.patient(link.sender, &link.retired).to_string()).collect()
}

fn lose_patient(played: &Played, there: &mut Evidence) -> bool {
    let keys = registered(played);
    lose(&mut there.patients, |stated, _| keys.contains(&stated.key))
}

fn patient(played: &Played, there: &mut Evidence, spoil: impl FnOnce(&mut Patient)) -> bool {
    let keys = registered(played);
    change(&mut there.patients, |stated, _| keys.contains(&stated.key), spoil)
}

/// A case that nothing was moved from says the opposite.
fn turns(played: &Played, there: &mut Evidence, finished: bool) -> bool {
    let visits = played.plan.truth.visits.iter().filter(|visit| visit.moved_to.is_none());
    let keys: BTreeSet<String> =
        visits.map(|visit| played.visit(visit.sender, &visit.visit).to_string()).collect();
    change(
        &mut there.cases,
        |stated, body| keys.contains(&stated.key) && body.finished == finished,
        |body: &mut Case| body.finished = !finished,
    )
}

fn appointment(played: &Played, there: &mut Evidence, spoil: impl FnOnce(&mut Appointment)) -> bool {
    let keys = played.patients();
    change(&mut there.appointments, |stated, _| keys.contains(&stated.key), spoil)
}

fn order(played: &Played, there: &mut Evidence, spoil: impl FnOnce(&mut Order)) -> bool {
    let keys = played.patients();
    change(&mut there.orders, |stated, _| keys.contains(&stated.key), spoil)
}

fn result(played: &Played, there: &mut Evidence, spoil: impl FnOnce(&mut LabResult)) -> bool {
    let keys = played.patients();
    change(
        &mut there.results,
        |stated, body| keys.contains(&stated.key) && !body.observations.is_empty(),
        spoil,
    )
}
