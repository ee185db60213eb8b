//! Records of older and newer writers: every released schema, and a record of these tests with every change there is.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "evolution/sample.rs"]
mod sample;

use apache_avro::schema::{DecimalSchema, Schema};
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use canon::codec;
use canon::{
    Audit, Case, Change, Charge, ContentHash, Date, DeadLetter, Encounter, Event, InvoiceRequest, Phi,
    RawHl7v2, Timestamp, WriterSchema,
};
use sample::{Item, Kind, Sample};

const AT: Timestamp = Timestamp(1_790_000_000_123_456);

/// Some value of a schema: the same one for a field's name and type, whatever record it stands in.
fn value(name: &str, schema: &Schema) -> Value {
    match schema {
        Schema::Null => Value::Null,
        Schema::Boolean => Value::Boolean(false),
        Schema::Int => Value::Int(7),
        Schema::Long => Value::Long(7),
        Schema::Date => Value::Date(20_777),
        Schema::TimestampMicros => Value::TimestampMicros(AT.0),
        Schema::Bytes => Value::Bytes(b"bytes".to_vec()),
        // 12.34, in as few bytes as Java writes it.
        Schema::Decimal(DecimalSchema { .. }) => Value::Decimal(vec![0x01, 0xe2, 0x08].into()),
        Schema::Uuid(_) => Value::Uuid(uuid::Uuid::from_u128(7)),
        Schema::String => Value::String(text(name)),
        Schema::Fixed(fixed) => Value::Fixed(fixed.size, vec![7; fixed.size]),
        Schema::Ref { .. } => Value::Fixed(32, vec![7; 32]),
        Schema::Enum(kind) => Value::Enum(0, kind.symbols[0].clone()),
        Schema::Array(array) => Value::Array(vec![value(name, &array.items), value(name, &array.items)]),
        Schema::Union(union) => Value::Union(1, Box::new(value(name, &union.variants()[1]))),
        Schema::Record(record) => {
            let fields = record.fields.iter();
            Value::Record(
                fields.map(|field| (field.name.clone(), value(&field.name, &field.schema))).collect(),
            )
        }
        other => panic!("{name}: no value of {other:?}"),
    }
}

fn text(name: &str) -> String {
    match name {
        "account" | "encounter" | "moved_to" | "patient" | "survivor" => "5a".repeat(16),
        "sender" | "service" => "billing-projector".to_owned(),
        other => format!("a {other}"),
    }
}

fn written(schema: &str, change: impl FnOnce(&mut Vec<(String, Value)>)) -> Vec<u8> {
    let schema = Schema::parse_str(schema).unwrap();
    let Value::Record(mut fields) = value("", &schema) else { panic!("a record") };
    change(&mut fields);
    let writer = GenericDatumWriter::builder(&schema).build().unwrap();
    writer.write_value_to_vec(Value::Record(fields)).unwrap()
}

/// What stands in both records, and in the records within, is the same in both.
#[track_caller]
fn check_kept(at: &str, now: &Value, before: &Value) {
    match (now, before) {
        (Value::Record(now), Value::Record(before)) => {
            for (name, before) in before {
                if let Some((_, now)) = now.iter().find(|(field, _)| field == name) {
                    check_kept(&format!("{at}: {name}"), now, before);
                }
            }
        }
        (Value::Array(now), Value::Array(before)) => {
            assert_eq!(now.len(), before.len(), "{at}");
            now.iter().zip(before).for_each(|(now, before)| check_kept(at, now, before));
        }
        _ => assert_eq!(now, before, "{at}"),
    }
}

#[track_caller]
fn check_history<E: Event>() {
    let mut releases = 0;
    for (_, number, schema) in canon::events::HISTORY.iter().filter(|(topic, _, _)| *topic == E::TOPIC) {
        let writer = WriterSchema::parse(schema).unwrap();
        let event: E = codec::decode(&writer, &written(schema, |_| {}))
            .unwrap_or_else(|error| panic!("release {number}: {error}"));
        // What we write of it again has, field by field, what the old writer gave.
        let again = codec::encode(1, &event).unwrap();
        let current = Schema::parse_str(E::SCHEMA).unwrap();
        let reader = apache_avro::reader::datum::GenericDatumReader::builder(&current).build().unwrap();
        let now = reader.read_value(&mut &again[5..]).unwrap();
        let before = value("", &Schema::parse_str(schema).unwrap());
        check_kept(&format!("{} release {number}", E::TOPIC), &now, &before);
        releases += 1;
    }
    assert!(releases > 0, "{} has no released schema", E::TOPIC);
}

#[test]
fn an_event_of_every_release_is_read() {
    check_history::<Audit>();
    check_history::<Case>();
    check_history::<Charge>();
    check_history::<DeadLetter>();
    check_history::<Encounter>();
    check_history::<InvoiceRequest>();
    check_history::<RawHl7v2>();
}

fn expected() -> Sample {
    let token = "5a".repeat(16);
    let item = Item { amount: "12.34".parse().unwrap(), note: Some(Phi("a note".to_owned())) };
    Sample {
        change: Change::Recorded,
        encounter: token.parse().unwrap(),
        patient: Some(token.parse().unwrap()),
        title: "a title".to_owned(),
        count: 7,
        tries: 7,
        unit: "a unit".to_owned(),
        remark: Phi("a remark".to_owned()),
        flag: false,
        kind: Kind::Small,
        amount: "12.34".parse().unwrap(),
        price: Some("12.34".parse().unwrap()),
        at: AT,
        until: Some(AT),
        day: Date(20_777),
        id: Some(uuid::Uuid::from_u128(7)),
        digest: [7; 32],
        payload: Phi(b"bytes".to_vec()),
        items: vec![item.clone(), item],
    }
}

#[track_caller]
fn check(schema: &str, change: impl FnOnce(&mut Vec<(String, Value)>), expected: Sample) {
    let writer = WriterSchema::parse(schema).unwrap();
    let read: Sample = codec::decode(&writer, &written(schema, change)).unwrap();
    assert_eq!(read, expected);
}

#[test]
fn fields_the_writer_did_not_know_have_their_defaults() {
    let expected = Sample {
        patient: None,
        tries: 3,
        unit: "piece".to_owned(),
        remark: Phi(String::new()),
        flag: true,
        kind: Kind::Other,
        id: None,
        items: Vec::new(),
        ..expected()
    };
    check(include_str!("evolution/older-fewer-fields.avsc"), |_| {}, expected);
}

#[test]
fn fields_we_do_not_know_are_passed_over() {
    check(include_str!("evolution/older-more-fields.avsc"), |_| {}, expected());
    check(include_str!("evolution/newer-items.avsc"), |_| {}, expected());
}

#[test]
fn an_int_is_read_where_we_have_a_long() {
    check(include_str!("evolution/older-int.avsc"), |_| {}, expected());
}

#[test]
fn a_symbol_we_do_not_know_is_the_default() {
    let huge = |fields: &mut Vec<(String, Value)>| {
        let kind = fields.iter_mut().find(|(name, _)| name == "kind").unwrap();
        kind.1 = Value::Enum(3, "huge".to_owned());
    };
    check(include_str!("evolution/newer-symbol.avsc"), huge, Sample { kind: Kind::Other, ..expected() });
}

#[test]
fn a_former_name_is_read() {
    let expected = Sample { title: "a name".to_owned(), ..expected() };
    check(include_str!("evolution/older-name.avsc"), |_| {}, expected);
}

#[test]
fn a_required_field_is_read_where_we_have_an_optional_one() {
    check(include_str!("evolution/older-required.avsc"), |_| {}, expected());
}

#[test]
fn the_order_of_the_fields_is_the_writers() {
    check(include_str!("evolution/older-order.avsc"), |_| {}, expected());
}

#[test]
fn decimals_are_read_however_many_bytes_they_have() {
    for (bytes, text) in [
        (&[][..], "0"),
        (&[0], "0"),
        (&[0x7f], "0.0127"),
        (&[0x00, 0x80], "0.0128"),
        (&[0x80], "-0.0128"),
        (&[0xff, 0x7f], "-0.0129"),
        (&[0xff, 0xff, 0xff, 0xff], "-0.0001"),
        (&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0xe2, 0x08], "12.34"),
        (&[0x0d, 0xe0, 0xb6, 0xb3, 0xa7, 0x63, 0xff, 0xff], "99999999999999.9999"),
        (&[0xf2, 0x1f, 0x49, 0x4c, 0x58, 0x9c, 0x00, 0x01], "-99999999999999.9999"),
    ] {
        let schema = Sample::SCHEMA;
        let writer = WriterSchema::parse(schema).unwrap();
        let read: Sample = codec::decode(&writer, &with_amount(bytes)).unwrap();
        assert_eq!(read.amount.to_string(), text, "{bytes:x?}");
    }
    for beyond in
        [&[0x0d, 0xe0, 0xb6, 0xb3, 0xa7, 0x64, 0, 0][..], &[0x7f; 12], &[0x7f; 16], &[0x01; 17], &[0x80; 12]]
    {
        let read =
            codec::decode::<Sample>(&WriterSchema::parse(Sample::SCHEMA).unwrap(), &with_amount(beyond));
        assert!(read.is_err(), "{beyond:x?} has more digits than the precision");
    }
}

/// A body whose amount has exactly these bytes: the one place of the pattern is cut out and filled by hand.
fn with_amount(bytes: &[u8]) -> Vec<u8> {
    const MARK: [u8; 3] = [0x11, 0x22, 0x33];
    let body = written(Sample::SCHEMA, |fields| {
        let amount = fields.iter_mut().find(|(name, _)| name == "amount").unwrap();
        amount.1 = Value::Decimal(MARK.to_vec().into());
    });
    let at = body.windows(4).position(|part| part == [6, 0x11, 0x22, 0x33]).unwrap();
    [&body[..at], &[u8::try_from(bytes.len() * 2).unwrap()], bytes, &body[at + 4..]].concat()
}

#[test]
fn what_is_written_with_another_meaning_is_refused() {
    for (from, to, told) in [
        ("timestamp-micros", "timestamp-millis", "Sample.at: the logical type is timestamp-millis"),
        ("\"scale\": 4", "\"scale\": 2", "Sample.amount: the logical type is decimal(18, 2)"),
        ("\"name\": \"Sample\"", "\"name\": \"Example\"", "is named"),
    ] {
        let writer = WriterSchema::parse(&Sample::SCHEMA.replace(from, to)).unwrap();
        let error = codec::decode::<Sample>(&writer, &written(Sample::SCHEMA, |_| {})).unwrap_err();
        assert!(error.to_string().contains(told), "{error}");
    }
}

#[test]
fn the_content_leaves_out_what_equals_the_default_and_the_change() {
    let older = include_str!("evolution/older-fewer-fields.avsc");
    let read: Sample = codec::decode(&WriterSchema::parse(older).unwrap(), &written(older, |_| {})).unwrap();
    let mut corrected = read.clone();
    corrected.mark(Change::Corrected);
    assert_eq!(corrected.change(), Change::Corrected);
    assert_eq!(ContentHash::of(&read), ContentHash::of(&corrected));
    let spoken = Sample { remark: Phi("x".to_owned()), ..read.clone() };
    assert_ne!(ContentHash::of(&read), ContentHash::of(&spoken));
    let later = Sample { at: read.at + std::time::Duration::from_micros(1), ..read.clone() };
    assert_ne!(ContentHash::of(&read), ContentHash::of(&later));
}
