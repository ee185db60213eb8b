//! What is generated and committed: the Rust types of the events, and `docs/events.md`.
//!
//! `UPDATE_GENERATED=1 cargo test -p canon` writes the files; without it a stale one fails.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod codegen;

use canon::Catalog;
use codegen::model::Record;
use std::fs;
use std::path::{Path, PathBuf};

/// The `.avsc` files of the folder, as (topic, text), by topic.
fn schemas() -> Vec<(String, String)> {
    let folder = fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap();
    let files =
        folder.map(|entry| entry.unwrap().path()).filter(|path| path.extension() == Some("avsc".as_ref()));
    let mut found: Vec<_> = files
        .map(|path| {
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap())
        })
        .collect();
    found.sort();
    found
}

/// The catalog as it stands beside the files, which may have a topic more than the crate was built with.
fn catalog() -> Catalog {
    let schemas = schemas();
    let pairs: Vec<_> = schemas.iter().map(|(topic, text)| (topic.as_str(), text.as_str())).collect();
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog.yaml")).unwrap();
    Catalog::parse_for(&text, &pairs).unwrap()
}

/// The released versions, as (topic, number), by both.
fn history() -> Vec<(String, u32)> {
    let mut found = Vec::new();
    for (topic, _) in schemas() {
        let Ok(folder) = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("history").join(&topic))
        else {
            continue;
        };
        let stems =
            folder.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned());
        found.extend(stems.map(|stem| (topic.clone(), stem.parse().unwrap())));
    }
    found.sort();
    found
}

/// Compares a committed file with what it should be, or writes it when asked to.
#[track_caller]
fn check(path: &Path, expected: &str) {
    let update = std::env::vars_os().any(|(name, value)| name == "UPDATE_GENERATED" && value == "1");
    let found = fs::read_to_string(path).unwrap_or_default();
    if found == expected {
        return;
    }
    assert!(update, "{} is stale: run `UPDATE_GENERATED=1 cargo test -p canon`", path.display());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, expected).unwrap();
}

fn events(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/events").join(file)
}

#[test]
fn the_event_types_are_those_of_the_schemas() {
    let topics: Vec<(String, Record)> =
        schemas().into_iter().map(|(topic, text)| (topic, Record::parse(&text))).collect();
    let catalog = catalog();
    for (topic, record) in &topics {
        let file = format!("{}.rs", codegen::rust::module(topic));
        check(&events(&file), &codegen::rust::event(&catalog, topic, record));
    }
    check(&events("mod.rs"), &codegen::rust::index(&topics, &history()));
}

#[test]
fn the_test_record_is_that_of_its_schema() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/evolution");
    let record = Record::parse(&fs::read_to_string(folder.join("current.avsc")).unwrap());
    let text = codegen::rust::test_event("test.sample.v1", &record, "current.avsc");
    check(&folder.join("sample.rs"), &text);
}

#[test]
fn the_page_of_events_is_that_of_the_catalog() {
    let records: Vec<(String, Record)> =
        schemas().into_iter().map(|(topic, text)| (topic, Record::parse(&text))).collect();
    let page = codegen::docs::page(&catalog(), &records);
    check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/events.md"), &page);
}
