//! What must hold between topics, key types and schemas.

use super::reading::{Found, Problem};
use super::{Producer, Topic};
use crate::key::{
    AccountToken, CodeKey, EncounterToken, ItemCode, Key, LocationCode, PartnerCode, PatientToken, RawKey,
    SenderName, ServiceName, StockKey,
};

/// The key types that there are Rust types for.
const KEY_TYPES: [&str; 11] = [
    AccountToken::TYPE,
    CodeKey::TYPE,
    EncounterToken::TYPE,
    ItemCode::TYPE,
    LocationCode::TYPE,
    PartnerCode::TYPE,
    PatientToken::TYPE,
    RawKey::TYPE,
    SenderName::TYPE,
    ServiceName::TYPE,
    StockKey::TYPE,
];

pub(super) fn validate(found: &mut Found, schemas: &[(&str, &str)]) {
    let unknown: Vec<_> =
        found.key_types.iter().filter(|(name, _)| !KEY_TYPES.contains(&name.as_str())).collect();
    let unknown: Vec<_> = unknown.into_iter().map(|(name, (line, _))| (name.clone(), *line)).collect();
    for (name, line) in unknown {
        found.mistake(line, format!("key_types.{name}"), Problem::UnknownKeyType(name));
    }
    for (name, line) in found.names.clone() {
        let at = format!("topics.{name}");
        if !is_topic_name(&name) {
            found.mistake(line, at.clone(), Problem::Name);
        }
        if !schemas.iter().any(|(topic, _)| *topic == name) {
            found.mistake(line, at, Problem::NoSchema(name));
        }
    }
    for (topic, _) in schemas {
        if !found.names.contains_key(*topic) {
            found.mistake(0, "topics", Problem::NoTopic((*topic).to_owned()));
        }
    }
    for (line, topic) in found.topics.clone() {
        let schema = schemas.iter().find(|(name, _)| *name == topic.name).map(|(_, schema)| *schema);
        for problem in problems(found, &topic, schema) {
            found.mistake(line, format!("topics.{}", topic.name), problem);
        }
    }
}

fn problems(found: &Found, topic: &Topic, schema: Option<&str>) -> Vec<Problem> {
    let mut problems = Vec::new();
    match found.key_types.get(&topic.key_type) {
        None => problems.push(Problem::UnknownKeyType(topic.key_type.clone())),
        Some((_, expected)) if *expected != topic.partitions => problems.push(Problem::Partitions {
            key_type: topic.key_type.clone(),
            expected: *expected,
            found: topic.partitions,
        }),
        Some(_) => {}
    }
    if topic.is_compacted() && topic.retention_ms.is_some() {
        problems.push(Problem::CompactedRetention);
    }
    // One writer per key holds for "*" only where the key is the service itself.
    if topic.producer == Producer::EveryService && topic.key_type != ServiceName::TYPE {
        problems.push(Problem::OneProducer);
    }
    let marked = schema.is_some_and(crate::compat::has_phi);
    if marked && topic.data_class != super::DataClass::Phi {
        problems.push(Problem::Phi);
    }
    problems
}

/// Lower-case words with hyphens, joined by dots, and a version: `billing.invoice-request.v1`.
fn is_topic_name(name: &str) -> bool {
    let word = |word: &str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        word.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
            && word.bytes().all(plain)
            && !word.ends_with('-')
    };
    let Some((words, version)) = name.rsplit_once(".v") else {
        return false;
    };
    let numbered = version.bytes().all(|byte| byte.is_ascii_digit()) && !version.is_empty();
    numbered && !version.starts_with('0') && name.len() <= 200 && words.split('.').all(word)
}
