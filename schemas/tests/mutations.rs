//! The seeds of the fuzz targets, and mutations of them, against what holds for any bytes.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod invariants;
#[path = "../../tests/fuzz/mutations.rs"]
mod mutations;
#[allow(dead_code, reason = "it has what other tests need, too")]
mod support;

use canon::events::SCHEMAS;
use canon::{Event, codec};
use mutations::check;

#[test]
fn decoding_takes_any_bytes() {
    check("avro", 20_000, invariants::avro);
}

#[test]
fn writers_schemas_may_be_any_text() {
    check("avro-schema", 300, invariants::schema);
}

#[test]
fn decimals_times_days_keys_and_headers_take_any_bytes() {
    check("values", 40_000, invariants::values);
}

/// The seeds are written by `UPDATE_GENERATED=1`, and stay as they are while schemas evolve: they are what is decoded.
#[test]
fn there_is_a_seed_of_every_topic() {
    let update = std::env::vars_os().any(|(name, value)| name == "UPDATE_GENERATED" && value == "1");
    let mut seeds = seeds();
    seeds
        .extend(SCHEMAS.map(|(topic, schema)| ("avro-schema", topic.to_owned(), schema.as_bytes().to_vec())));
    for (target, name, bytes) in seeds {
        let path = mutations::corpus(target).join(&name);
        if update && !path.exists() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, bytes).unwrap();
        }
        assert!(path.is_file(), "no seed {}: UPDATE_GENERATED=1", path.display());
    }
}

/// What decimals, times, keys and headers look like.
const VALUES: [(&str, &str); 10] = [
    ("code-key", "charge/*/CON-1%2F2"),
    ("date", "2026-02-28"),
    ("decimal", "-99999999999999.9999"),
    ("decimal-bare", "+.50000"),
    ("name", "lakeside-ehr"),
    ("raw-key", "s:lakeside-ehr"),
    ("raw-key-patient", "p:01010101010101010101010101010101"),
    ("stock-key", "ITEM-1@WH/Stock"),
    ("time", "2026-11-02T09:30:00.123456+01:00"),
    ("token", "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"),
];

const HEADERS: &str = "ce_specversion=1.0\nce_id=00000000-0000-5000-8000-000000000001\nce_source=/vertebra/ehr-adapter\n\
    ce_type=billing.charge.v1\nce_time=2026-11-02T09:30:00Z\nce_subject=5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a\nce_version=7\n\
    ce_revision=0\nce_factname=charge/north/1\nce_facility=LS1\n\
    traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\ncontent-type=application/avro\n";

/// Seeds of the fuzz targets: target, name, bytes. A frame's schema id picks the topic by its place in `SCHEMAS`.
fn seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    fn frame<E: Event>(event: E) -> (&'static str, String, Vec<u8>) {
        let place = SCHEMAS.iter().position(|(topic, _)| *topic == E::TOPIC).unwrap();
        let frame = codec::encode(u32::try_from(place).unwrap(), &event).unwrap();
        ("avro", E::TOPIC.to_owned(), frame)
    }
    let frames = [
        frame(support::case()),
        frame(support::charge()),
        frame(support::request()),
        frame(support::odoo::invoice()),
        frame(support::odoo::payment()),
        frame(support::clinical::appointment()),
        frame(support::encounter()),
        frame(support::clinical::order()),
        frame(support::clinical::link()),
        frame(support::clinical::patient()),
        frame(support::clinical::result()),
        frame(support::odoo::item()),
        frame(support::odoo::location()),
        frame(support::odoo::stock_level()),
        frame(support::audit()),
        frame(support::dead_letter()),
        frame(support::odoo::partner()),
        frame(support::raw()),
        frame(support::odoo::code()),
        frame(support::odoo::sender()),
        frame(support::clinical::consumption()),
    ];
    let values = VALUES.into_iter().chain([("headers", HEADERS)]);
    let values = values.map(|(name, text)| ("values", name.to_owned(), text.as_bytes().to_vec()));
    frames.into_iter().chain(values).collect()
}
