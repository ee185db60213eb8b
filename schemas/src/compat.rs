//! Which schemas can read each other's records: the gate that a changed `.avsc` file has to pass, and what a reader
//! makes sure of before it decodes.
//!
//! Avro's own rules are apache-avro's `SchemaCompatibility`; it passes over units of time, what a default means, lost
//! documentation and lost `phi` marks, which are looked at here.

use apache_avro::Schema;
use apache_avro::schema::{DecimalSchema, EnumSchema, RecordField, RecordSchema};
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use std::fmt;

/// One thing that does not fit between two schemas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incompatibility {
    /// Where: the record's or the field's path.
    pub at: String,
    /// What.
    pub what: Misfit,
}

/// What can be wrong between two schemas.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// Avro's rules say that records of the one cannot be read with the other.
    #[error("records of the {writer} schema cannot be read with the other: {why}")]
    Avro {
        /// Whose records.
        writer: &'static str,
        /// By apache-avro.
        why: String,
    },
    /// The default says what an absent field means, and what is left out of the content.
    #[error("the default was changed; it is what absence means in every record written so far")]
    Default,
    /// The documentation is gone.
    #[error("has no doc")]
    Doc,
    /// Without a default a new symbol cannot be read by older readers.
    #[error("the enum has no default, or another one than before")]
    EnumDefault,
    /// What the bytes mean has changed though they can be read.
    #[error("the logical type is {found}; it was {released}, for life")]
    Logical {
        /// What it is.
        found: String,
        /// What it was.
        released: String,
    },
    /// A required field is new or gone.
    #[error("{0} has this field and no default for it, and the other does not have it")]
    Missing(&'static str),
    /// The type has another name.
    #[error("is named {found}; it was {released}")]
    Name {
        /// What it is.
        found: String,
        /// What it was.
        released: String,
    },
    /// A `phi` mark is gone.
    #[error("was marked phi and is no longer: what was a patient's stays a patient's")]
    Phi,
    /// Older readers know only the old name and would take the default.
    #[error("was called {0}; older readers would silently take their default: add a field, keep the old one")]
    Renamed(String),
    /// The text is no schema of a record.
    #[error("not an Avro schema of a record: {0}")]
    Unreadable(String),
}

/// A released schema that the current one was held against, and what does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// The topic.
    pub topic: &'static str,
    /// The released version: the number of its file under `history/`.
    pub version: u32,
    /// What does not fit.
    pub problem: Incompatibility,
}

/// Holds every current schema against every released version of its topic, in both directions.
///
/// A released topic without a current schema is no break here: the catalog finds it.
pub fn check_releases() -> Vec<Break> {
    let mut breaks = Vec::new();
    for (topic, version, released) in crate::events::HISTORY {
        let current = crate::events::SCHEMAS.iter().find(|(name, _)| name == topic);
        let problems = current.map(|(_, current)| full(current, released)).unwrap_or_default();
        breaks.extend(problems.into_iter().map(|problem| Break { topic, version: *version, problem }));
    }
    breaks
}

/// Whether records of each can be read with the other, and nothing was lost on the way; everything that does not fit.
pub fn full(current: &str, released: &str) -> Vec<Incompatibility> {
    let (now, before) = match (record(current), record(released)) {
        (Ok(now), Ok(before)) => (now, before),
        (now, before) => return [now.err(), before.err()].into_iter().flatten().collect(),
    };
    let mut found = Vec::new();
    let root = now.name.name().to_owned();
    losses(&root, &now, &before, &mut found);
    if found.is_empty() {
        let (now, before) = (Schema::Record(now), Schema::Record(before));
        for (writer, writers, readers) in [("released", &before, &now), ("current", &now, &before)] {
            let why = match SchemaCompatibility::can_read(writers, readers) {
                Ok(Compatibility::Full) => continue,
                Ok(Compatibility::Partial) => "not all of them".to_owned(),
                Err(error) => error.to_string(),
            };
            found.push(Incompatibility { at: root.clone(), what: Misfit::Avro { writer, why } });
        }
    }
    found
}

/// Whether a reader's schema can read what a writer's schema wrote, older or newer; everything that does not fit.
pub fn reads(reader: &str, writer: &str) -> Vec<Incompatibility> {
    let mut found = Vec::new();
    match (record(reader), record(writer)) {
        (Ok(readers), Ok(writers)) => {
            let root = readers.name.name().to_owned();
            meanings(&root, &readers, &writers, &mut found);
            if let Err(error) =
                SchemaCompatibility::can_read(&Schema::Record(writers), &Schema::Record(readers))
            {
                let why = error.to_string();
                found.push(Incompatibility { at: root, what: Misfit::Avro { writer: "writer's", why } });
            }
        }
        (readers, writers) => found.extend([readers.err(), writers.err()].into_iter().flatten()),
    }
    found
}

/// Whether a schema has a field marked `phi`.
pub fn has_phi(schema: &str) -> bool {
    fn marked(record: &RecordSchema) -> bool {
        record.fields.iter().any(|field| is_phi(field) || inner_record(&field.schema).is_some_and(marked))
    }
    record(schema).is_ok_and(|record| marked(&record))
}

/// Several misfits in one line.
pub(crate) fn list(problems: &[Incompatibility]) -> String {
    problems.iter().map(Incompatibility::to_string).collect::<Vec<_>>().join("; ")
}

/// Parses a schema of a record.
pub(crate) fn record(json: &str) -> Result<RecordSchema, Incompatibility> {
    let why = match Schema::parse_str(json) {
        Ok(Schema::Record(record)) => return Ok(record),
        Ok(_) => "not a record".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(Incompatibility { at: "schema".to_owned(), what: Misfit::Unreadable(why) })
}

impl fmt::Display for Incompatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} against its released version {}: {}", self.topic, self.version, self.problem)
    }
}

/// What two versions of a record must have in common beyond Avro's rules.
fn losses(at: &str, now: &RecordSchema, before: &RecordSchema, found: &mut Vec<Incompatibility>) {
    let mut tell = |at: &str, what| found.push(Incompatibility { at: at.to_owned(), what });
    if now.name != before.name {
        let (now, before) = (now.name.to_string(), before.name.to_string());
        tell(at, Misfit::Name { found: now, released: before });
    }
    if now.doc.is_none() && before.doc.is_some() {
        tell(at, Misfit::Doc);
    }
    for field in &now.fields {
        let path = format!("{at}.{}", field.name);
        if field.doc.as_deref().unwrap_or_default().is_empty() {
            tell(&path, Misfit::Doc);
        }
        if let Schema::Enum(EnumSchema { default: None, .. }) = unwrapped(&field.schema) {
            tell(&path, Misfit::EnumDefault);
        }
        if before.lookup.contains_key(&field.name) {
            continue;
        }
        if let Some(old) = field.aliases.iter().find(|alias| before.lookup.contains_key(*alias)) {
            tell(&path, Misfit::Renamed(old.clone()));
        } else if field.default.is_none() {
            tell(&path, Misfit::Missing("the current schema"));
        }
    }
    for old in &before.fields {
        let path = format!("{at}.{}", old.name);
        match now.fields.iter().find(|field| field.name == old.name) {
            Some(field) => field_losses(&path, field, old, found),
            None if now.fields.iter().any(|field| field.aliases.contains(&old.name)) => {}
            None if old.default.is_none() => {
                found.push(Incompatibility { at: path, what: Misfit::Missing("the released schema") });
            }
            None => {}
        }
    }
}

fn field_losses(at: &str, now: &RecordField, before: &RecordField, found: &mut Vec<Incompatibility>) {
    let mut tell = |what| found.push(Incompatibility { at: at.to_owned(), what });
    if is_phi(before) && !is_phi(now) {
        tell(Misfit::Phi);
    }
    if now.default != before.default {
        tell(Misfit::Default);
    }
    if let Some(what) = other_meaning(&now.schema, &before.schema) {
        tell(what);
    }
    if let (Schema::Enum(now), Schema::Enum(before)) = (unwrapped(&now.schema), unwrapped(&before.schema))
        && before.default.is_some()
        && now.default.is_some()
        && now.default != before.default
    {
        tell(Misfit::EnumDefault);
    }
    if let (Some(now), Some(before)) = (inner_record(&now.schema), inner_record(&before.schema)) {
        losses(at, now, before, found);
    }
}

/// What the decoder relies on and Avro's rules do not look at: the record's name, and what numbers and bytes mean.
fn meanings(at: &str, reader: &RecordSchema, writer: &RecordSchema, found: &mut Vec<Incompatibility>) {
    if reader.name != writer.name {
        let (found_name, released) = (writer.name.to_string(), reader.name.to_string());
        found.push(Incompatibility { at: at.to_owned(), what: Misfit::Name { found: found_name, released } });
    }
    for field in &reader.fields {
        let path = format!("{at}.{}", field.name);
        let names = std::iter::once(&field.name).chain(&field.aliases);
        let Some(place) = names.filter_map(|name| writer.lookup.get(name)).next() else {
            continue;
        };
        let written = &writer.fields[*place];
        if let Some(what) = other_meaning(&written.schema, &field.schema) {
            found.push(Incompatibility { at: path.clone(), what });
        }
        if let (Some(readers), Some(writers)) = (inner_record(&field.schema), inner_record(&written.schema)) {
            meanings(&path, readers, writers, found);
        }
    }
}

fn other_meaning(now: &Schema, before: &Schema) -> Option<Misfit> {
    let (found, released) = (logical(unwrapped(now)), logical(unwrapped(before)));
    (found != released).then_some(Misfit::Logical { found, released })
}

/// The logical type, with what belongs to it. A UUID is a text like any other here.
fn logical(schema: &Schema) -> String {
    match schema {
        Schema::Decimal(DecimalSchema { precision, scale, .. }) => format!("decimal({precision}, {scale})"),
        Schema::BigDecimal => "big-decimal".to_owned(),
        Schema::Date => "date".to_owned(),
        Schema::TimeMillis => "time-millis".to_owned(),
        Schema::TimeMicros => "time-micros".to_owned(),
        Schema::TimestampMillis => "timestamp-millis".to_owned(),
        Schema::TimestampMicros => "timestamp-micros".to_owned(),
        Schema::TimestampNanos => "timestamp-nanos".to_owned(),
        Schema::LocalTimestampMillis => "local-timestamp-millis".to_owned(),
        Schema::LocalTimestampMicros => "local-timestamp-micros".to_owned(),
        Schema::LocalTimestampNanos => "local-timestamp-nanos".to_owned(),
        Schema::Duration(_) => "duration".to_owned(),
        _ => "none".to_owned(),
    }
}

/// The type of which a nullable field is.
fn unwrapped(schema: &Schema) -> &Schema {
    match schema {
        Schema::Union(union) => match union.variants() {
            [Schema::Null, inner] | [inner, Schema::Null] => inner,
            _ => schema,
        },
        _ => schema,
    }
}

/// The record that a field or its items are.
fn inner_record(schema: &Schema) -> Option<&RecordSchema> {
    match unwrapped(schema) {
        Schema::Record(record) => Some(record),
        Schema::Array(array) => inner_record(&array.items),
        Schema::Map(map) => inner_record(&map.types),
        _ => None,
    }
}

fn is_phi(field: &RecordField) -> bool {
    field.custom_attributes.get("phi").and_then(serde_json::Value::as_bool) == Some(true)
}
