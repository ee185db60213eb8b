//! The catalog: what it says, and that every mistake in it is told, all at once, with its line.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use canon::catalog::{Catalog, Producer};
use canon::{
    CodeKey, EncounterToken, ItemCode, Key, LocationCode, PartnerCode, PatientToken, RawKey, SenderName,
    ServiceName, StockKey,
};

const TEXT: &str = include_str!("../catalog.yaml");

#[test]
fn the_catalog_says_who_writes_and_reads_what() {
    let catalog = Catalog::builtin();
    assert_eq!(catalog.topics().count(), canon::events::SCHEMAS.len());
    let requests = catalog.topic("billing.invoice-request.v1").unwrap();
    assert!(requests.is_command() && !requests.is_compacted());
    assert!(requests.is_written_by("billing-projector") && !requests.is_written_by("odoo-writer"));
    assert!(requests.is_read_by("odoo-writer"));
    assert_eq!(catalog.topic("ops.audit.v1").unwrap().producer, Producer::EveryService);
    assert_eq!(catalog.topic("billing.case.v2"), None);
    let partitions: Vec<_> = catalog.key_types().collect();
    let expected = [
        (CodeKey::TYPE, 1),
        (EncounterToken::TYPE, 6),
        (ItemCode::TYPE, 6),
        (LocationCode::TYPE, 6),
        (PartnerCode::TYPE, 6),
        (PatientToken::TYPE, 6),
        (RawKey::TYPE, 6),
        (SenderName::TYPE, 1),
        (ServiceName::TYPE, 1),
        (StockKey::TYPE, 6),
    ];
    assert_eq!(partitions, expected);
}

#[track_caller]
fn check_configs(topic: &str, expected: &[(&str, &str)]) {
    let configs = Catalog::builtin().topic(topic).unwrap().configs();
    let found: Vec<_> = configs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(found, expected, "{topic}");
}

#[test]
fn topics_are_configured_as_the_catalog_says() {
    check_configs(
        "billing.case.v1",
        &[
            ("cleanup.policy", "compact"),
            ("compression.type", "producer"),
            ("delete.retention.ms", "604800000"),
            ("max.message.bytes", "1114112"),
            ("message.timestamp.type", "CreateTime"),
            ("retention.bytes", "-1"),
            ("retention.ms", "-1"),
        ],
    );
    check_configs(
        "raw.hl7v2.v1",
        &[
            ("cleanup.policy", "delete"),
            ("compression.type", "producer"),
            ("max.message.bytes", "8454144"),
            ("message.timestamp.type", "CreateTime"),
            ("retention.bytes", "-1"),
            ("retention.ms", "-1"),
        ],
    );
    let kept = Catalog::builtin().topic("ops.dead-letter.v1").unwrap().configs();
    assert_eq!(kept["retention.ms"], "7776000000");
}

/// Changes the file at its first occurrence of `from` and expects these mistakes, in the order of their lines.
#[track_caller]
fn check(changes: &[(&str, &str)], told: &[&str]) {
    let mut text = TEXT.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from} is not there");
        text = text.replacen(from, to, 1);
    }
    let errors = Catalog::parse(&text).unwrap_err();
    assert_eq!(errors.0.len(), told.len(), "{errors}");
    for (mistake, told) in errors.0.iter().zip(told) {
        assert!(mistake.to_string().contains(told), "{mistake}\nshould tell {told}");
    }
}

/// The line on which a text first stands.
fn line_of(text: &str) -> String {
    let before = TEXT.split(text).next().unwrap();
    format!("line {}: ", before.matches('\n').count() + 1)
}

#[test]
fn every_mistake_is_told_with_its_line() {
    check(
        &[
            ("data_class: financial", "data_class: secret"),
            ("latency_objective_ms: 250", "latency_objective_ms: soon"),
            ("    owner: clinical-integration\n", ""),
            ("retention: 90d", "retention: 90 days"),
            ("consumers: [ehr-adapter]", "consumers: [ehr-adapter]\n    colour: red"),
        ],
        &[
            &format!(
                "{}topics.billing.case.v1: data_class: is not one of phi",
                line_of("data_class: financial")
            ),
            "topics.billing.charge.v1: latency_objective_ms: is not a number",
            "topics.clinical.appointment.v1: owner: is missing",
            "topics.ops.dead-letter.v1: retention: is not forever, or",
            "topics.raw.hl7v2.v1: colour: is not a field",
        ],
    );
}

#[test]
fn topics_of_one_key_type_have_one_partition_count() {
    check(
        &[("key_type: encounter\n    partitions: 6", "key_type: encounter\n    partitions: 7")],
        &["topics.billing.case.v1: has 7 partitions, but the topics of key type encounter have 6"],
    );
    check(
        &[("encounter: {partitions: 6}", "encounter: {partitions: 0}")],
        &[
            "key_types.encounter: partitions: is not",
            "is not a key type: encounter",
            "is not a key type: encounter",
            "is not a key type: encounter",
            "is not a key type: encounter",
            "is not a key type: encounter",
            "is not a key type: encounter",
        ],
    );
    check(
        &[("  service: {partitions: 1}", "  service: {partitions: 1}\n  bed: {partitions: 1}")],
        &["key_types.bed: is not a key type: bed"],
    );
    check(&[("key_type: raw", "key_type: bed")], &["topics.raw.hl7v2.v1: is not a key type: bed"]);
}

#[test]
fn a_topic_has_exactly_one_producer() {
    const ONE: &str = "producer: billing-projector";
    check(
        &[(ONE, "producer: [billing-projector, odoo-writer]")],
        &["billing.case.v1: producer: has exactly one"],
    );
    check(&[(ONE, "producer: \"*\"")], &["billing.case.v1: producer: has exactly one"]);
    check(&[(ONE, "producer: billing projector")], &["billing.case.v1: producer: has exactly one"]);
    check(
        &[("key_type: service", "key_type: raw"), ("partitions: 1\n", "partitions: 6\n")],
        &["topics.ops.audit.v1: has exactly one"],
    );
    check(&[("[odoo-writer]", "[odoo-writer, odoo-writer]")], &["odoo-writer is named twice"]);
}

#[test]
fn topics_and_schemas_belong_together() {
    check(
        &[("  billing.case.v1:", "  billing.Case.v1:")],
        &[
            "topics: billing.case.v1.avsc has no topic in the catalog",
            "topics.billing.Case.v1: is not a topic's name",
            "topics.billing.Case.v1: has no billing.Case.v1.avsc",
        ],
    );
    for name in
        ["billing.case", "billing.case.v0", "billing..v1", "billing.case.v", "billing.-case.v1", "b c.v1"]
    {
        let (from, to) = ("  billing.case.v1:", format!("  {name}:"));
        let errors = Catalog::parse(&TEXT.replacen(from, &to, 1)).unwrap_err().to_string();
        assert!(errors.contains("is not a topic's name"), "{name}: {errors}");
    }
}

#[test]
fn retention_and_data_class_fit_the_topic() {
    check(&[("retention: forever", "retention: 30d")], &["billing.case.v1: a compacted topic has"]);
    check(
        &[("data_class: phi", "data_class: operational")],
        &["billing.charge.v1: carries fields marked phi"],
    );
}

#[test]
fn what_is_no_catalog_is_told_with_its_line() {
    for (text, told) in [("topics: [", "catalog: cannot be read"), ("", "catalog: cannot be read")] {
        let errors = Catalog::parse(text).unwrap_err().to_string();
        assert!(errors.starts_with("1 mistake\n") && errors.contains(told), "{errors}");
    }
    let twice = format!("{TEXT}  billing.case.v1: {{}}\n");
    assert!(Catalog::parse(&twice).is_err(), "a topic that stands there twice");
}

#[test]
fn every_topic_is_keyed_by_the_type_its_event_has() {
    fn check<E: canon::Event>() {
        let topic = Catalog::builtin().topic(E::TOPIC).unwrap();
        assert_eq!(topic.key_type, E::Key::TYPE, "{}", E::TOPIC);
    }
    check::<canon::Appointment>();
    check::<canon::Audit>();
    check::<canon::Case>();
    check::<canon::Charge>();
    check::<canon::Code>();
    check::<canon::Consumption>();
    check::<canon::DeadLetter>();
    check::<canon::Encounter>();
    check::<canon::Invoice>();
    check::<canon::InvoiceRequest>();
    check::<canon::Item>();
    check::<canon::LabResult>();
    check::<canon::Location>();
    check::<canon::Order>();
    check::<canon::Partner>();
    check::<canon::Patient>();
    check::<canon::PatientLink>();
    check::<canon::Payment>();
    check::<canon::RawHl7v2>();
    check::<canon::SenderConfig>();
    check::<canon::StockLevel>();
}
