//! Whether the topics say what Odoo has: every topic is read to its end and folded, Odoo's own tables are read whole, and
//! rows that differ are named.
//!
//! It reads Kafka and Odoo and writes nothing. At quiescence there is no difference; while Odoo is being worked in, what
//! changed within the last polling interval differs, and the same check a moment later does not have it.

mod expect;
mod topics;

pub use expect::{Expected, expected};
pub use topics::{CheckError, folded};

use canon::Event;
use std::collections::BTreeMap;
use std::fmt;

/// What each topic's fold is, or is to be: the topic, the facts' names, and the content as text.
pub type Folds = BTreeMap<&'static str, BTreeMap<String, String>>;

/// A row that differs. Its content is not told: invoices are a person's affair.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// The topic.
    pub topic: &'static str,
    /// The fact's name.
    pub row: String,
    /// How it differs.
    pub how: How,
}

/// How a row differs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// Odoo has it, the topic does not.
    Missing,
    /// These fields are not the same.
    Other(Vec<String>),
    /// The topic has it, Odoo does not.
    Surplus,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, row, how } = self;
        match how {
            How::Missing => write!(f, "{topic} {row}: in odoo and not in the topic"),
            How::Other(fields) => write!(f, "{topic} {row}: other {}", fields.join(", ")),
            How::Surplus => write!(f, "{topic} {row}: in the topic and not in odoo"),
        }
    }
}

/// Every row that differs, in order.
pub fn differences(folded: &Folds, expected: &Folds) -> Vec<Difference> {
    let mut differences = vec![];
    let nothing = BTreeMap::new();
    for (topic, rows) in expected {
        let told = folded.get(topic).unwrap_or(&nothing);
        for (row, content) in rows {
            let how = match told.get(row) {
                None => How::Missing,
                Some(told) if told == content => continue,
                Some(told) => How::Other(fields(told, content)),
            };
            differences.push(Difference { topic, row: row.clone(), how });
        }
        let surplus = told.keys().filter(|row| !rows.contains_key(*row));
        differences.extend(surplus.map(|row| Difference { topic, row: row.clone(), how: How::Surplus }));
    }
    differences.sort();
    differences
}

/// An event's content as text: what it states, without what has happened to it.
pub fn content<E: Event>(event: &E) -> String {
    text(serde_json::to_value(event))
}

fn text(body: serde_json::Result<serde_json::Value>) -> String {
    let mut body = body.unwrap_or_default();
    if let Some(fields) = body.as_object_mut() {
        fields.remove("change");
    }
    body.to_string()
}

fn fields(told: &str, content: &str) -> Vec<String> {
    let object = |text: &str| {
        serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).unwrap_or_default()
    };
    let (told, content) = (object(told), object(content));
    content
        .iter()
        .filter(|(name, value)| told.get(*name) != Some(value))
        .map(|(name, _)| name.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: &str = "inventory.item.v1";

    fn folds(rows: &[(&str, &str)]) -> Folds {
        let rows = rows.iter().map(|(row, content)| ((*row).to_owned(), (*content).to_owned())).collect();
        BTreeMap::from([(TOPIC, rows)])
    }

    #[track_caller]
    fn check(folded: &[(&str, &str)], expected: &[(&str, &str)], told: &[&str]) {
        let differences = differences(&folds(folded), &folds(expected));
        assert_eq!(differences.iter().map(ToString::to_string).collect::<Vec<_>>(), told);
    }

    #[test]
    fn rows_that_differ_are_named_and_not_quoted() {
        check(&[("A", r#"{"name":"x"}"#)], &[("A", r#"{"name":"x"}"#)], &[]);
        check(
            &[("A", r#"{"name":"x","unit":"u"}"#), ("C", "{}")],
            &[("A", r#"{"name":"y","unit":"u"}"#), ("B", "{}")],
            &[
                "inventory.item.v1 A: other name",
                "inventory.item.v1 B: in odoo and not in the topic",
                "inventory.item.v1 C: in the topic and not in odoo",
            ],
        );
        check(&[], &[], &[]);
    }
}
