//! What a message says: facts under their names, stated or taken back.

use backbone::Cx;
use canon::event::{Event, Name};
use canon::{
    Appointment, Charge, Consumption, Encounter, LabResult, Order, PatientLink, PatientToken, StockKey,
};
use serde_json::Value;

/// One thing that a message says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Statement {
    Appointment(Name, Box<Appointment>),
    Charge(Name, Box<Charge>),
    Consumption(Name, Box<Consumption>),
    Encounter(Name, Box<Encounter>),
    Link(Name, Box<PatientLink>),
    Order(Name, Box<Order>),
    Result(Name, Box<LabResult>),
    /// A consumption did not take place after all.
    Unconsumed(Name, StockKey),
    /// A link between patients is taken back.
    Unlinked(Name, PatientToken),
}

/// A statement for people.
pub(crate) struct Shown {
    pub(crate) topic: &'static str,
    /// What says which fields are of a patient.
    pub(crate) schema: &'static str,
    pub(crate) name: String,
    pub(crate) key: String,
    /// None: taken back.
    pub(crate) event: Option<Value>,
}

impl Statement {
    /// States it, or takes it back.
    pub(crate) fn say<S>(self, cx: &mut Cx<'_, S>) {
        match self {
            Self::Appointment(name, event) => cx.emit::<Appointment>(name, &event.patient.clone(), *event),
            Self::Charge(name, event) => cx.emit::<Charge>(name, &event.encounter.clone(), *event),
            Self::Consumption(name, event) => cx.emit::<Consumption>(name, &stock(&event), *event),
            Self::Encounter(name, event) => cx.emit::<Encounter>(name, &event.encounter.clone(), *event),
            Self::Link(name, event) => cx.emit::<PatientLink>(name, &event.patient.clone(), *event),
            Self::Order(name, event) => cx.emit::<Order>(name, &event.patient.clone(), *event),
            Self::Result(name, event) => cx.emit::<LabResult>(name, &event.patient.clone(), *event),
            Self::Unconsumed(name, key) => cx.retract::<Consumption>(name, &key),
            Self::Unlinked(name, key) => cx.retract::<PatientLink>(name, &key),
        }
    }

    /// What people are shown of it.
    pub(crate) fn shown(&self) -> Shown {
        match self {
            Self::Appointment(name, event) => stated(name, &event.patient, &**event),
            Self::Charge(name, event) => stated(name, &event.encounter, &**event),
            Self::Consumption(name, event) => stated(name, &stock(event), &**event),
            Self::Encounter(name, event) => stated(name, &event.encounter, &**event),
            Self::Link(name, event) => stated(name, &event.patient, &**event),
            Self::Order(name, event) => stated(name, &event.patient, &**event),
            Self::Result(name, event) => stated(name, &event.patient, &**event),
            Self::Unconsumed(name, key) => shown::<Consumption>(name, key, None),
            Self::Unlinked(name, key) => shown::<PatientLink>(name, key, None),
        }
    }
}

fn stock(event: &Consumption) -> StockKey {
    StockKey::of(&event.item, &event.location)
}

/// A fact that is stated.
pub(crate) fn stated<E: Event>(name: &Name, key: &E::Key, event: &E) -> Shown {
    shown::<E>(name, key, serde_json::to_value(event).ok())
}

fn shown<E: Event>(name: &Name, key: &E::Key, event: Option<Value>) -> Shown {
    Shown { topic: E::TOPIC, schema: E::SCHEMA, name: name.to_string(), key: key.to_string(), event }
}
