//! From YAML to topics, keeping every mistake and its line.

use super::{Catalog, Cleanup, DataClass, Kind, Lane, Producer, Topic};
use crate::key::ServiceName;
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;
use std::fmt;

/// Every mistake of a catalog.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct CatalogErrors(pub Vec<Mistake>);

/// One mistake and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The line, from 1; 0 where the file as a whole is meant.
    pub line: u64,
    /// What is concerned, as a path: `topics.billing.charge.v1: partitions`.
    pub at: String,
    /// What is wrong.
    pub problem: Problem,
}

/// What can be wrong in a catalog.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A compacted topic keeps the latest record of each key for ever.
    #[error("a compacted topic has retention: forever")]
    CompactedRetention,
    /// The text is not YAML, or not of the catalog's shape.
    #[error("cannot be read: {0}")]
    Form(String),
    /// A list names somebody twice.
    #[error("{0} is named twice")]
    Twice(String),
    /// A field that every topic has is not there.
    #[error("is missing")]
    Missing,
    /// The name is not of the form.
    #[error("is not a topic's name, like billing.charge.v1")]
    Name,
    /// There is no `.avsc` file of this topic.
    #[error("has no {0}.avsc")]
    NoSchema(String),
    /// There is an `.avsc` file and no topic.
    #[error("{0}.avsc has no topic in the catalog")]
    NoTopic(String),
    /// The number is not one that makes sense here.
    #[error("is not {0}")]
    NotA(&'static str),
    /// More than one producer, or none.
    #[error("has exactly one producer: the name of a service, or \"*\" for ops.* topics keyed by service")]
    OneProducer,
    /// Topics of one key type have one partition count.
    #[error("has {found} partitions, but the topics of key type {key_type} have {expected}")]
    Partitions {
        /// The key type.
        key_type: String,
        /// Its count.
        expected: u32,
        /// The topic's.
        found: u32,
    },
    /// The schema has PHI fields and the topic is not declared to.
    #[error("carries fields marked phi, so its data_class is phi")]
    Phi,
    /// The field is none of a topic's.
    #[error("is not a field of the catalog")]
    UnknownField,
    /// The key type is none that the contract has types for.
    #[error("is not a key type: {0}")]
    UnknownKeyType(String),
}

impl fmt::Display for CatalogErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "{count} {}", if count == 1 { "mistake" } else { "mistakes" })?;
        self.0.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        write!(f, "{}: {}", self.at, self.problem)
    }
}

/// A catalog in the making: what could be read, and what was wrong.
pub(super) struct Found {
    pub(super) key_types: BTreeMap<String, (u64, u32)>,
    pub(super) topics: Vec<(u64, Topic)>,
    /// Names of all topics, also of those that could not be read.
    pub(super) names: BTreeMap<String, u64>,
    pub(super) mistakes: Vec<Mistake>,
}

impl Found {
    pub(super) fn mistake(&mut self, line: u64, at: impl Into<String>, problem: Problem) {
        self.mistakes.push(Mistake { line, at: at.into(), problem });
    }

    pub(super) fn into_result(mut self) -> Result<Catalog, CatalogErrors> {
        if !self.mistakes.is_empty() {
            self.mistakes.sort_by_key(|mistake| mistake.line);
            return Err(CatalogErrors(self.mistakes));
        }
        let key_types = self.key_types.into_iter().map(|(name, (_, partitions))| (name, partitions));
        let topics = self.topics.into_iter().map(|(_, topic)| (topic.name.clone(), topic));
        Ok(Catalog { key_types: key_types.collect(), topics: topics.collect() })
    }
}

/// Values with their lines, whatever they are: what they should be is looked at afterwards, all of it.
type Fields = BTreeMap<String, Spanned<Value>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    key_types: BTreeMap<String, Spanned<Fields>>,
    topics: BTreeMap<String, Spanned<Fields>>,
}

/// Reads what can be read; an error only when nothing can.
pub(super) fn read(text: &str) -> Result<Found, CatalogErrors> {
    let file: File = serde_saphyr::from_str(text).map_err(|error| {
        let line = error.location().map_or(0, |location| location.line());
        let problem = Problem::Form(error.without_snippet().to_string());
        CatalogErrors(vec![Mistake { line, at: "catalog".to_owned(), problem }])
    })?;
    let mut found = Found {
        key_types: BTreeMap::new(),
        topics: Vec::new(),
        names: BTreeMap::new(),
        mistakes: Vec::new(),
    };
    for (name, fields) in file.key_types {
        let line = fields.referenced.line();
        let mut reader =
            Reader { at: format!("key_types.{name}"), line, fields: fields.value, found: &mut found };
        let partitions = reader.partitions();
        reader.finish();
        if let Some(partitions) = partitions {
            found.key_types.insert(name, (line, partitions));
        }
    }
    for (name, fields) in file.topics {
        let line = fields.referenced.line();
        found.names.insert(name.clone(), line);
        let mut reader =
            Reader { at: format!("topics.{name}"), line, fields: fields.value, found: &mut found };
        let topic = reader.topic(name);
        reader.finish();
        found.topics.extend(topic.map(|topic| (line, topic)));
    }
    Ok(found)
}

/// Takes the fields of one entry one by one; what is left over is unknown.
struct Reader<'a> {
    at: String,
    line: u64,
    fields: Fields,
    found: &'a mut Found,
}

impl Reader<'_> {
    fn topic(&mut self, name: String) -> Option<Topic> {
        // Every field is read before the first missing one ends it, so that all mistakes are found.
        let summary = self.text("summary");
        let owner = self.text("owner");
        let system_of_record = self.text("system_of_record");
        let data_class = self.one_of(
            "data_class",
            "one of phi, financial, operational",
            &[
                ("phi", DataClass::Phi),
                ("financial", DataClass::Financial),
                ("operational", DataClass::Operational),
            ],
        );
        let kind = if self.fields.contains_key("kind") {
            self.one_of("kind", "one of fact, command", &[("fact", Kind::Fact), ("command", Kind::Command)])
        } else {
            Some(Kind::Fact)
        };
        let key_type = self.text("key_type");
        let partitions = self.partitions();
        let cleanup = self.one_of(
            "cleanup",
            "one of delete, compact",
            &[("delete", Cleanup::Delete), ("compact", Cleanup::Compact)],
        );
        let retention_ms = self.retention();
        let value_bytes_max = if self.fields.contains_key("value_bytes_max") {
            self.number("value_bytes_max", "a size in bytes from 1024 to 16777216", 1_024..=16_777_216)
        } else {
            Some(1_048_576)
        };
        let lane = self.one_of(
            "lane",
            "one of interactive, batch",
            &[("interactive", Lane::Interactive), ("batch", Lane::Batch)],
        );
        let latency_objective_ms = self.number(
            "latency_objective_ms",
            "a number of milliseconds from 1 to 86400000",
            1..=86_400_000,
        );
        let producer = self.producer(&name);
        let consumers = self.consumers();
        Some(Topic {
            name,
            summary: summary?,
            owner: owner?,
            system_of_record: system_of_record?,
            data_class: data_class?,
            kind: kind?,
            key_type: key_type?,
            partitions: partitions?,
            cleanup: cleanup?,
            retention_ms: retention_ms?,
            value_bytes_max: usize::try_from(value_bytes_max?).ok()?,
            lane: lane?,
            latency_objective_ms: latency_objective_ms?,
            producer: producer?,
            consumers: consumers?,
        })
    }

    fn partitions(&mut self) -> Option<u32> {
        let partitions = self.number("partitions", "a number of partitions from 1 to 1000", 1..=1_000)?;
        u32::try_from(partitions).ok()
    }

    fn text(&mut self, name: &'static str) -> Option<String> {
        let (line, value) = self.take(name)?;
        match value {
            Value::String(text) if !text.trim().is_empty() => Some(text),
            _ => self.wrong(line, name, Problem::NotA("a text")),
        }
    }

    fn number(
        &mut self,
        name: &'static str,
        what: &'static str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<u64> {
        let (line, value) = self.take(name)?;
        match value.as_u64().filter(|number| range.contains(number)) {
            Some(number) => Some(number),
            None => self.wrong(line, name, Problem::NotA(what)),
        }
    }

    fn one_of<T: Copy>(&mut self, name: &'static str, what: &'static str, known: &[(&str, T)]) -> Option<T> {
        let (line, value) = self.take(name)?;
        match known.iter().find(|(text, _)| value.as_str() == Some(text)) {
            Some((_, value)) => Some(*value),
            None => self.wrong(line, name, Problem::NotA(what)),
        }
    }

    /// `forever`, or a number with `d` or `h` behind it.
    fn retention(&mut self) -> Option<Option<i64>> {
        const DAYS_MAX: i64 = 36_500;
        let (line, value) = self.take("retention")?;
        let text = value.as_str().unwrap_or_default();
        let hours = |number: &str, hours: i64| {
            let number: i64 = number.parse().ok()?;
            (1..=DAYS_MAX * 24 / hours).contains(&number).then_some(Some(number * hours * 3_600_000))
        };
        let read = match (text, text.strip_suffix('d'), text.strip_suffix('h')) {
            ("forever", _, _) => Some(None),
            (_, Some(number), _) => hours(number, 24),
            (_, _, Some(number)) => hours(number, 1),
            _ => None,
        };
        read.or_else(|| {
            self.wrong(line, "retention", Problem::NotA("forever, or days or hours like 90d or 12h"))
        })
    }

    fn producer(&mut self, topic: &str) -> Option<Producer> {
        let (line, value) = self.take("producer")?;
        let producer = match value.as_str() {
            Some("*") if topic.starts_with("ops.") => Some(Producer::EveryService),
            Some(name) => name.parse().ok().map(Producer::Service),
            None => None,
        };
        producer.or_else(|| self.wrong(line, "producer", Problem::OneProducer))
    }

    fn consumers(&mut self) -> Option<Vec<ServiceName>> {
        let (line, value) = self.take("consumers")?;
        let names = value.as_array().and_then(|names| {
            let names = names.iter().map(|name| name.as_str()?.parse::<ServiceName>().ok());
            names.collect::<Option<Vec<_>>>()
        });
        let Some(names) = names else {
            return self.wrong(line, "consumers", Problem::NotA("a list of services' names"));
        };
        match names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            Some((_, twice)) => self.wrong(line, "consumers", Problem::Twice(twice.to_string())),
            None => Some(names),
        }
    }

    fn take(&mut self, name: &'static str) -> Option<(u64, Value)> {
        match self.fields.remove(name) {
            Some(field) => Some((field.referenced.line(), field.value)),
            None => self.wrong(self.line, name, Problem::Missing),
        }
    }

    fn wrong<T>(&mut self, line: u64, name: &str, problem: Problem) -> Option<T> {
        self.found.mistake(line, format!("{}: {name}", self.at), problem);
        None
    }

    fn finish(self) {
        for (name, field) in self.fields {
            let at = format!("{}: {name}", self.at);
            self.found.mistake(field.referenced.line(), at, Problem::UnknownField);
        }
    }
}
