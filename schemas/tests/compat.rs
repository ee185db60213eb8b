//! The gate: nothing that was released becomes unreadable, loses its meaning, its documentation or its marks.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use canon::compat;

const CURRENT: &str = include_str!("evolution/current.avsc");

#[test]
fn every_schema_is_compatible_with_every_release_of_its_topic() {
    let breaks: Vec<String> = compat::check_releases().iter().map(ToString::to_string).collect();
    assert!(breaks.is_empty(), "a released topic would break; see schemas/README.md\n{}", breaks.join("\n"));
}

#[test]
fn every_field_has_a_doc_and_every_enum_a_default() {
    for (topic, schema) in canon::events::SCHEMAS {
        assert_eq!(compat::full(schema, schema), [], "{topic}");
    }
}

/// Changes the released text into the current one and expects what is told of it.
#[track_caller]
fn check(from: &str, to: &str, told: &[&str]) {
    assert!(CURRENT.contains(from), "{from} is not there");
    let found: Vec<String> =
        compat::full(&CURRENT.replacen(from, to, 1), CURRENT).iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), told.len(), "{found:#?}");
    for (found, told) in found.iter().zip(told) {
        assert!(found.contains(told), "{found}");
    }
}

#[test]
fn harmless_changes_pass() {
    check(
        "\"fields\": [",
        "\"fields\": [{\"name\": \"a\", \"doc\": \"A.\", \"type\": \"int\", \"default\": 0},",
        &[],
    );
    check("\"symbols\": [\"small\", ", "\"symbols\": [\"small\", \"huge\", ", &[]);
    check(
        "{\"name\": \"flag\", \"doc\": \"Added later.\", \"type\": \"boolean\", \"default\": true},",
        "",
        &[],
    );
    check("\"doc\": \"Bytes.\"", "\"doc\": \"Other words.\"", &[]);
    check("\"doc\": \"A visit.\", ", "\"doc\": \"A visit.\", \"phi\": true, ", &[]);
}

#[test]
fn breaking_changes_are_told() {
    let missing = "Sample.a: the current schema has this field and no default";
    check("\"fields\": [", "\"fields\": [{\"name\": \"a\", \"doc\": \"A.\", \"type\": \"int\"},", &[missing]);
    let count = "{\"name\": \"count\", \"doc\": \"A count; an int once.\", \"type\": \"long\"},";
    check(count, "", &["Sample.count: the released schema has this field and no default"]);
    check(count, &count.replace("long", "int"), &["records of the released schema cannot be read"]);
    check(count, &count.replace("long", "double"), &["records of the current schema cannot be read"]);
    check(count, &count.replace("A count; an int once.", ""), &["Sample.count: has no doc"]);
    check(
        "\"name\": \"digest\"",
        "\"name\": \"hash\", \"aliases\": [\"digest\"]",
        &["Sample.hash: was called digest"],
    );
    check(
        "\"type\": \"int\", \"default\": 3",
        "\"type\": \"int\", \"default\": 4",
        &["Sample.tries: the default was"],
    );
    check("\"phi\": true, \"type\": \"string\"", "\"type\": \"string\"", &["Sample.remark: was marked phi"]);
    check(
        "\"large\", \"other\"], \"default\": \"other\"}",
        "\"large\", \"other\"]}",
        &["Sample.kind: the enum has no default"],
    );
    check("\"precision\": 18", "\"precision\": 20", &["decimal(20, 4); it was decimal(18, 4)"]);
    check("\"scale\": 4", "\"scale\": 2", &["decimal(18, 2); it was decimal(18, 4)"]);
    check("timestamp-micros", "timestamp-millis", &["timestamp-millis; it was timestamp-micros"]);
    check("\"name\": \"Sample\"", "\"name\": \"Example\"", &["is named"]);
    check(
        "\"namespace\": \"org.vertebra.test\"",
        "\"namespace\": \"org.vertebra\"",
        &["Sample: is named org.vertebra.Sample", "Sample.items: is named org.vertebra.Item"],
    );
    check("\"type\": \"record\"", "\"type\": \"recrd\"", &["not an Avro schema"]);
}
