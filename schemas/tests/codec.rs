//! Bodies and frames: exact round trips, agreement with apache-avro, and refusal of everything else.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use apache_avro::types::Value;
use canon::codec::{self, DecodeError};
use canon::{Charge, Event, InvoiceRequest, WriterSchema};
use support::Numbers;

fn writer<E: Event>() -> WriterSchema {
    WriterSchema::parse(E::SCHEMA).unwrap()
}

fn body<E: Event>(event: &E) -> Vec<u8> {
    let frame = codec::encode(0x0102_0304, event).unwrap();
    assert_eq!(frame[..5], [0, 1, 2, 3, 4]);
    let (id, body) = codec::split(&frame).unwrap();
    assert_eq!(id, 0x0102_0304);
    body.to_vec()
}

/// What apache-avro makes of a body, and what it writes for that.
fn by_apache<E: Event>(body: &[u8]) -> (Value, Vec<u8>) {
    let schema = apache_avro::Schema::parse_str(E::SCHEMA).unwrap();
    let mut rest = body;
    let reader = apache_avro::reader::datum::GenericDatumReader::builder(&schema).build().unwrap();
    let value = reader.read_value(&mut rest).unwrap();
    assert!(rest.is_empty(), "{}", E::TOPIC);
    let writer = apache_avro::writer::datum::GenericDatumWriter::builder(&schema).build().unwrap();
    let mut written = Vec::new();
    writer.write_value(&mut written, value.clone()).unwrap();
    (value, written)
}

#[track_caller]
fn check<E: Event>(event: &E) {
    let bytes = body(event);
    assert_eq!(&codec::decode::<E>(&writer::<E>(), &bytes).unwrap(), event);
    let (_, written) = by_apache::<E>(&bytes);
    assert_eq!(written, bytes, "apache-avro writes {} otherwise", E::TOPIC);
    let json = serde_json::to_string(event).unwrap();
    assert_eq!(&serde_json::from_str::<E>(&json).unwrap(), event, "as JSON");
    check_refusals::<E>(&bytes);
}

#[track_caller]
fn check_refusals<E: Event>(bytes: &[u8]) {
    let writer = writer::<E>();
    for length in 0..bytes.len() {
        assert!(codec::decode::<E>(&writer, &bytes[..length]).is_err(), "cut off at {length}");
    }
    let longer = [bytes, &[0, 0]].concat();
    let error = codec::decode::<E>(&writer, &longer).unwrap_err();
    assert!(matches!(error, DecodeError::Trailing { bytes: 2, .. }), "{error}");
}

#[test]
fn events_are_written_and_read_as_apache_avro_does() {
    check(&support::raw());
    check(&support::encounter());
    check(&support::charge());
    check(&support::case());
    check(&support::request());
    check(&support::dead_letter());
    check(&support::audit());
    check(&support::clinical::patient());
    check(&support::clinical::link());
    check(&support::clinical::appointment());
    check(&support::clinical::order());
    check(&support::clinical::result());
    check(&support::clinical::consumption());
    check(&support::odoo::item());
    check(&support::odoo::location());
    check(&support::odoo::stock_level());
    check(&support::odoo::partner());
    check(&support::odoo::invoice());
    check(&support::odoo::payment());
    check(&support::odoo::code());
    check(&support::odoo::sender());
}

#[test]
fn apache_avro_reads_the_very_amount() {
    let (Value::Record(fields), _) = by_apache::<Charge>(&body(&support::charge())) else {
        panic!("a record")
    };
    let (_, Value::Decimal(amount)) = fields.iter().find(|(name, _)| name == "amount").unwrap() else {
        panic!("a decimal")
    };
    let bytes: Vec<u8> = amount.try_into().unwrap();
    assert_eq!(bytes, (-12_345_650_i32).to_be_bytes(), "two's complement, no byte more than needed");
}

#[test]
fn amounts_take_as_few_bytes_as_java_gives_them() {
    for (text, length) in
        [("0", 1), ("0.0127", 1), ("0.0128", 2), ("-0.0128", 1), ("-0.0129", 2), ("99999999999999.9999", 8)]
    {
        let charge = Charge { amount: text.parse().unwrap(), ..support::charge() };
        let zero = Charge { amount: "0".parse().unwrap(), ..support::charge() };
        assert_eq!(body(&charge).len() - body(&zero).len(), length - 1, "{text}");
        check(&charge);
    }
}

#[test]
fn a_frame_of_another_format_is_refused() {
    for frame in [&b""[..], b"\0\0\0\0", b"\x01\0\0\0\x07abc", b"{\"a\": 1}"] {
        assert_eq!(codec::split(frame), Err(DecodeError::Frame));
    }
    assert_eq!(codec::split(b"\0\0\0\0\x07"), Ok((7, &b""[..])));
}

#[test]
fn a_schema_of_another_topic_is_refused() {
    let error = codec::decode::<Charge>(&writer::<InvoiceRequest>(), &body(&support::request())).unwrap_err();
    assert!(matches!(error, DecodeError::Schema { .. }), "{error}");
    assert!(error.to_string().contains("is named"), "{error}");
}

#[test]
fn a_length_that_lies_is_refused_before_anything_is_allocated() {
    // 0xfe ff ff ff ff ff ff ff ff 01 is the largest long there is.
    const HUGE: [u8; 10] = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let bytes = body(&support::request());
    for at in 0..bytes.len() {
        let lying = [&bytes[..at], &HUGE, &bytes[at..]].concat();
        let _ = codec::decode::<InvoiceRequest>(&writer::<InvoiceRequest>(), &lying);
    }
    let endless = WriterSchema::parse(&InvoiceRequest::SCHEMA.replacen(
        "\"fields\": [",
        "\"fields\": [{\"name\": \"nothings\", \"type\": {\"type\": \"array\", \"items\": \"null\"}},",
        1,
    ));
    let error =
        codec::decode::<InvoiceRequest>(&endless.unwrap(), &[&HUGE, &bytes[..]].concat()).unwrap_err();
    assert!(error.to_string().contains("sequence size"), "{error}");
}

#[track_caller]
fn check_mutations<E: Event>(event: &E, seed: u64) {
    let (writer, bytes) = (writer::<E>(), body(event));
    let mut numbers = Numbers(seed);
    for _ in 0..20_000 {
        let mut mutated = bytes.clone();
        for _ in 0..=numbers.below(4) {
            let at = numbers.below(mutated.len());
            match numbers.below(4) {
                0 => mutated[at] = u8::try_from(numbers.below(256)).unwrap(),
                1 => mutated[at] ^= 1 << numbers.below(8),
                2 => mutated.truncate(at.max(1)),
                _ => mutated.insert(at, [0, 1, 0x7f, 0x80, 0xff][numbers.below(5)]),
            }
        }
        if let Ok(read) = codec::decode::<E>(&writer, &mutated) {
            assert_eq!(codec::decode::<E>(&writer, &body(&read)).as_ref(), Ok(&read), "seed {seed}");
        }
    }
}

#[test]
fn no_bytes_make_the_decoder_panic() {
    check_mutations(&support::raw(), 1);
    check_mutations(&support::encounter(), 2);
    check_mutations(&support::charge(), 3);
    check_mutations(&support::case(), 4);
    check_mutations(&support::request(), 5);
    check_mutations(&support::dead_letter(), 6);
    check_mutations(&support::audit(), 7);
    check_mutations(&support::clinical::patient(), 8);
    check_mutations(&support::clinical::link(), 9);
    check_mutations(&support::clinical::appointment(), 10);
    check_mutations(&support::clinical::order(), 11);
    check_mutations(&support::clinical::result(), 12);
    check_mutations(&support::clinical::consumption(), 13);
    check_mutations(&support::odoo::item(), 14);
    check_mutations(&support::odoo::location(), 15);
    check_mutations(&support::odoo::stock_level(), 16);
    check_mutations(&support::odoo::partner(), 17);
    check_mutations(&support::odoo::invoice(), 18);
    check_mutations(&support::odoo::payment(), 19);
    check_mutations(&support::odoo::code(), 20);
    check_mutations(&support::odoo::sender(), 21);
}

#[test]
fn errors_and_debug_texts_tell_no_values() {
    const CANARY: &str = "ZZCANARYZZ";
    let charge = Charge { description: Some(canon::Phi(CANARY.to_owned())), ..support::charge() };
    assert!(!format!("{charge:?}").contains(CANARY));
    let bytes = body(&charge);
    for at in 0..bytes.len() {
        let mut mutated = bytes.clone();
        mutated[at] ^= 0x20;
        if let Err(error) = codec::decode::<Charge>(&writer::<Charge>(), &mutated) {
            assert!(!format!("{error} {error:?}").contains("CANARY"), "{error}");
        }
    }
}

#[test]
fn a_refused_value_is_not_repeated() {
    const CANARY: &str = "ZZCANARYZZ";
    // This writer calls the visit's token what we call the charge's id, and the other way round.
    let swapped = Charge::SCHEMA.replace("\"name\": \"charge\"", "\"name\": \"x\"");
    let swapped = swapped.replace("\"name\": \"encounter\"", "\"name\": \"charge\"");
    let swapped =
        WriterSchema::parse(&swapped.replace("\"name\": \"x\"", "\"name\": \"encounter\"")).unwrap();
    let bytes = body(&Charge { charge: CANARY.to_owned(), ..support::charge() });
    let error = codec::decode::<Charge>(&swapped, &bytes).unwrap_err();
    assert!(error.to_string().contains("not a token"), "{error}");
    assert!(!format!("{error} {error:?}").contains(CANARY), "{error}");
}
