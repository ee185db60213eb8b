//! What holds for any bytes at all: asserted by the mutation loop here and by the fuzz targets.

#![allow(clippy::unwrap_used, dead_code, reason = "each target uses one of these, and fails by a panic")]

use canon::codec::{self, WriterSchema};
use canon::events::{HISTORY, SCHEMAS};
use canon::key::{CodeKey, Key, StockKey};
use canon::{
    AccountToken, Audit, Case, Charge, Code, Consumption, ContentHash, Date, DeadLetter, Encounter,
    EncounterToken, Event, Fixed, Headers, Invoice, InvoiceRequest, Item, ItemCode, LabResult, Location,
    LocationCode, Money, Order, Partner, PartnerCode, Patient, PatientLink, PatientToken, Payment, RawHl7v2,
    RawKey, SenderConfig, SenderName, ServiceName, StockLevel, Timestamp, TraceParent, compat, partition,
};
use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::str::FromStr;
use std::sync::OnceLock;

/// A body of any topic, under its own schema and under every released one.
type Decode = fn(&[u8], &[WriterSchema]);

/// The schemas that bodies of a topic may have been written with.
fn writers(topic: &str) -> &'static [WriterSchema] {
    static WRITERS: OnceLock<BTreeMap<&str, Vec<WriterSchema>>> = OnceLock::new();
    let all = || {
        let mut writers = BTreeMap::<&str, Vec<WriterSchema>>::new();
        let released = HISTORY.iter().map(|(topic, _, schema)| (*topic, *schema));
        for (topic, schema) in SCHEMAS.into_iter().chain(released) {
            writers.entry(topic).or_default().push(WriterSchema::parse(schema).unwrap());
        }
        writers
    };
    &WRITERS.get_or_init(all)[topic]
}

/// One function a topic, in the order of `SCHEMAS`.
const DECODE: [(&str, Decode); SCHEMAS.len()] = [
    (Case::TOPIC, decode::<Case>),
    (Charge::TOPIC, decode::<Charge>),
    (InvoiceRequest::TOPIC, decode::<InvoiceRequest>),
    (Invoice::TOPIC, decode::<Invoice>),
    (Payment::TOPIC, decode::<Payment>),
    (canon::Appointment::TOPIC, decode::<canon::Appointment>),
    (Encounter::TOPIC, decode::<Encounter>),
    (Order::TOPIC, decode::<Order>),
    (PatientLink::TOPIC, decode::<PatientLink>),
    (Patient::TOPIC, decode::<Patient>),
    (LabResult::TOPIC, decode::<LabResult>),
    (Item::TOPIC, decode::<Item>),
    (Location::TOPIC, decode::<Location>),
    (StockLevel::TOPIC, decode::<StockLevel>),
    (Audit::TOPIC, decode::<Audit>),
    (DeadLetter::TOPIC, decode::<DeadLetter>),
    (Partner::TOPIC, decode::<Partner>),
    (RawHl7v2::TOPIC, decode::<RawHl7v2>),
    (Code::TOPIC, decode::<Code>),
    (SenderConfig::TOPIC, decode::<SenderConfig>),
    (Consumption::TOPIC, decode::<Consumption>),
];

/// A frame is refused, or is one event that comes out again as it went in. The schema's id picks the topic.
pub(crate) fn avro(frame: &[u8]) {
    let Ok((schema_id, body)) = codec::split(frame) else {
        assert!(frame.len() < 5 || frame[0] != 0, "a frame that has its prefix is taken apart");
        return;
    };
    let (topic, decode) = DECODE[usize::try_from(schema_id).unwrap() % DECODE.len()];
    decode(body, writers(topic));
}

fn decode<E: Event>(body: &[u8], writers: &[WriterSchema]) {
    for writer in writers {
        let event = match codec::decode::<E>(writer, body) {
            Ok(event) => event,
            Err(error) => {
                let _told = error.to_string();
                continue;
            }
        };
        // Read as an older one it may hold what only a newer one can say; written it is as the newest says it.
        let frame = codec::encode(7, &event).expect("what was read can be written");
        let (_, again) = codec::split(&frame).unwrap();
        let again = codec::decode::<E>(&writers[0], again).expect("what was written can be read");
        assert_eq!(again, event, "an event comes out as it went in");
        assert_eq!(ContentHash::of(&again), ContentHash::of(&event));
        let json = serde_json::to_string(&event).expect("written as JSON");
        assert_eq!(serde_json::from_str::<E>(&json).expect("read as JSON"), event);
        assert!(codec::decode::<E>(writer, &[body, b"\0"].concat()).is_err(), "nothing may follow an event");
    }
}

/// A writer's schema is refused, or can be held against every one of ours; a fit is a fit for decoding.
pub(crate) fn schema(bytes: &[u8]) {
    let Ok(json) = std::str::from_utf8(bytes) else { return };
    let Ok(writer) = WriterSchema::parse(json) else { return };
    let _marked = compat::has_phi(json);
    for (_, ours) in SCHEMAS {
        let _problems = compat::reads(ours, json);
    }
    for body in [&b""[..], &[0; 64], &[2; 64], &[0xff; 64]] {
        let _any = codec::decode::<Charge>(&writer, body);
        let _any = codec::decode::<RawHl7v2>(&writer, body);
    }
}

/// Decimals, times, days, keys and headers are refused, or come out again as they went in.
pub(crate) fn values(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    decimals::<18, 4>(text);
    decimals::<18, 0>(text);
    decimals::<5, 5>(text);
    again::<Timestamp>(text);
    again::<Date>(text);
    again::<TraceParent>(text);
    key::<AccountToken>(text);
    key::<CodeKey>(text);
    key::<EncounterToken>(text);
    key::<ItemCode>(text);
    key::<LocationCode>(text);
    key::<PartnerCode>(text);
    key::<PatientToken>(text);
    key::<RawKey>(text);
    key::<SenderName>(text);
    key::<ServiceName>(text);
    key::<StockKey>(text);
    headers(text);
}

fn decimals<const P: u32, const S: u32>(text: &str) {
    let Ok(number) = text.parse::<Fixed<P, S>>() else { return };
    again::<Fixed<P, S>>(text);
    assert_eq!(Fixed::<P, S>::from_unscaled(number.unscaled()), Ok(number));
    assert!(number.decimals() <= S);
    assert_eq!(number.checked_sub(number), Some(Fixed::ZERO));
    assert_eq!(Fixed::ZERO.checked_sub(number), Some(-number));
    assert_eq!(number.checked_mul(Money::from_whole(1).unwrap()), Ok(number));
    assert_eq!((-number).abs(), number.abs());
    let padded = format!("{number:.2}");
    assert_eq!(padded.parse(), Ok(number), "padded it is the same number");
    if let Some(double) = number.checked_add(number) {
        assert_eq!(Fixed::sum([number, number]), Some(double));
        assert_eq!(double.checked_sub(number), Some(number));
    }
}

fn key<K: Key>(text: &str) {
    let Ok(key) = text.parse::<K>() else { return };
    assert_eq!(key.to_string(), text, "a key has one text");
    for partitions in [1, 6, 48] {
        assert!(partition(text.as_bytes(), partitions) < partitions);
    }
}

fn again<T: FromStr<Err: Debug> + Display + Debug + PartialEq>(text: &str) {
    let Ok(value) = text.parse::<T>() else { return };
    assert_eq!(value.to_string().parse::<T>().expect("what we write can be read"), value);
}

/// Lines `name=value` as a record's headers.
fn headers(text: &str) {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let Ok(headers) = Headers::from_pairs(pairs.map(|(name, value)| (name, value.as_bytes()))) else {
        return;
    };
    let written = headers.to_pairs();
    let again = Headers::from_pairs(written.iter().map(|(name, value)| (name.as_str(), value.as_slice())));
    assert_eq!(again.expect("our own headers can be read"), headers);
}
