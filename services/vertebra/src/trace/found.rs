//! One record that belongs to the way: its headers, and its body without a patient's data.

use backbone::contract::Schemas;
use backbone::record::Record;
use canon::readable::readable;
use canon::{
    Appointment, Case, Charge, Encounter, EncounterToken, Event, Headers, Invoice, InvoiceRequest, LabResult,
    Order, Patient, PatientLink, Payment, RawHl7v2, Timestamp,
};
use serde_json::Value;

/// A record that was found.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) topic: &'static str,
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// The topic's.
    pub(super) at: Timestamp,
    pub(super) headers: Headers,
    /// Without a patient's data; nothing of a tombstone, or of what cannot be decoded.
    pub(super) body: Option<Value>,
    /// With them: shown to nobody who has not said why.
    pub(super) whole: Option<Value>,
}

type Read = fn(&Schemas, &[u8]) -> Option<(Value, Value)>;

/// The topics whose bodies say something of the way.
const READ: [(&str, Read); 12] = [
    (Appointment::TOPIC, body::<Appointment>),
    (Case::TOPIC, body::<Case>),
    (Charge::TOPIC, body::<Charge>),
    (Encounter::TOPIC, body::<Encounter>),
    (Invoice::TOPIC, body::<Invoice>),
    (InvoiceRequest::TOPIC, body::<InvoiceRequest>),
    (LabResult::TOPIC, body::<LabResult>),
    (Order::TOPIC, body::<Order>),
    (Patient::TOPIC, body::<Patient>),
    (PatientLink::TOPIC, body::<PatientLink>),
    (Payment::TOPIC, body::<Payment>),
    (RawHl7v2::TOPIC, message),
];

/// An event, masked and whole.
fn body<E: Event>(schemas: &Schemas, wire: &[u8]) -> Option<(Value, Value)> {
    let event: E = schemas.decode(wire).ok()?;
    shown(serde_json::to_value(&event).ok()?, E::SCHEMA)
}

fn shown(event: Value, schema: &str) -> Option<(Value, Value)> {
    let schema: Value = serde_json::from_str(schema).ok()?;
    let (mut masked, mut whole) = (event.clone(), event);
    readable(&mut masked, &schema, false);
    readable(&mut whole, &schema, true);
    Some((masked, whole))
}

/// A message as text, since nobody reads it as a list of bytes.
fn message(schemas: &Schemas, wire: &[u8]) -> Option<(Value, Value)> {
    let mut raw: RawHl7v2 = schemas.decode(wire).ok()?;
    let text = String::from_utf8_lossy(raw.payload.reveal()).replace('\r', "\n");
    raw.payload = canon::Phi(Vec::new());
    let mut event = serde_json::to_value(&raw).ok()?;
    event["payload"] = Value::String(text);
    if let Some(fields) = event.as_object_mut() {
        fields.remove("identity");
    }
    shown(event, RawHl7v2::SCHEMA)
}

impl Found {
    /// A record with our headers; others belong to no way. The schemas of its value have to be known.
    pub(super) fn of(record: &Record, schemas: &Schemas) -> Option<Self> {
        let pairs = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        let headers = Headers::from_pairs(pairs).ok()?;
        let read = READ.iter().find(|(topic, _)| *topic == record.topic).map(|(_, read)| read);
        let body = read.and_then(|read| read(schemas, record.value.as_deref()?));
        let (body, whole) = body.unzip();
        Some(Self {
            topic: record.topic,
            partition: record.partition,
            offset: record.offset,
            at: record.timestamp,
            headers,
            body,
            whole,
        })
    }

    pub(super) fn place(&self) -> String {
        format!("{}/{}@{}", self.topic, self.partition, self.offset)
    }

    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.body.as_ref()?.get(field)?.as_str()
    }

    pub(super) fn number(&self, field: &str) -> Option<i64> {
        self.body.as_ref()?.get(field)?.as_i64()
    }

    /// The visit that it is of.
    pub(super) fn visit(&self) -> Option<EncounterToken> {
        self.text("encounter")?.parse().ok()
    }

    /// Ids of charges that a request's lines are for.
    pub(super) fn charges(&self) -> impl Iterator<Item = &str> {
        let lines = self.body.as_ref().and_then(|body| body.get("lines")).and_then(Value::as_array);
        lines.into_iter().flatten().filter_map(|line| line.get("charge")?.as_str())
    }
}
