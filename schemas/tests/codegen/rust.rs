//! Rust types from records: a struct, its enums and lists, and `impl Event`. Written as rustfmt would.

use super::defaults::{default_fn, defaults, differs, is_plain};
use super::model::{Enum, Field, Record, Shape};
use canon::Catalog;
use std::collections::BTreeSet;

const WIDTH: usize = 110;

/// The Rust types of keys, as an import lists them.
const KEYS: [&str; 11] = [
    "AccountToken",
    "CodeKey",
    "EncounterToken",
    "ItemCode",
    "LocationCode",
    "PartnerCode",
    "PatientToken",
    "RawKey",
    "SenderName",
    "ServiceName",
    "StockKey",
];

/// The module of a topic: `billing.invoice-request.v1` is `billing_invoice_request`.
pub(crate) fn module(topic: &str) -> String {
    let (name, version) = topic.rsplit_once('.').unwrap();
    let name = name.replace(['.', '-'], "_");
    // The first version has the plain name; only a break makes another module.
    if version == "v1" { name } else { format!("{name}_{version}") }
}

/// `events/mod.rs`: the modules, every schema by its topic, and every released one.
pub(crate) fn index(topics: &[(String, Record)], history: &[(String, u32)]) -> String {
    let mut out = header("the `.avsc` files: the records of every topic");
    // A hyphen is sorted before a dot, an underscore is not.
    for module in topics.iter().map(|(topic, _)| module(topic)).collect::<BTreeSet<_>>() {
        out += &format!("pub mod {module};\n");
    }
    out += "\n/// Every topic of this contract and its schema, by topic.\n#[rustfmt::skip]\n";
    out += &format!("pub const SCHEMAS: [(&str, &str); {}] = [\n", topics.len());
    for (topic, _) in topics {
        out += &format!("    (\"{topic}\", include_str!(\"../../{topic}.avsc\")),\n");
    }
    out += "];\n\n/// Every released schema: topic, number of the release, schema; by topic and number.\n#[rustfmt::skip]\n";
    out += "pub const HISTORY: &[(&str, u32, &str)] = &[\n";
    for (topic, number) in history {
        let file = format!("include_str!(\"../../history/{topic}/{number}.avsc\")");
        out += &format!("    (\"{topic}\", {number}, {file}),\n");
    }
    out + "];\n"
}

/// One event's module within the crate, by its topic.
pub(crate) fn event(catalog: &Catalog, topic: &str, record: &Record) -> String {
    let body = items(record, topic, key_type(catalog, topic), &format!("../../{topic}.avsc"));
    header(&format!("`{topic}.avsc`: the records of topic `{topic}`")) + &imports(&body) + &body
}

/// An event's module of a test, outside the crate.
pub(crate) fn test_event(topic: &str, record: &Record, path: &str) -> String {
    let body = items(record, topic, "EncounterToken", path);
    let text = header(&format!("`{path}`: a record of these tests")) + &imports(&body) + &body;
    text.replace("crate::", "canon::").replace("pub ", "pub(crate) ")
}

fn items(record: &Record, topic: &str, key: &str, path: &str) -> String {
    let mut body = structure(record);
    body += &implementation(record, topic, key, path);
    for field in &record.fields {
        body += &nested(field);
    }
    body
}

fn header(of: &str) -> String {
    format!(
        "{}\n",
        comment("", "//! ", &format!("Generated from {of}. Do not edit: see `schemas/README.md`."))
    )
}

/// The imports that the body makes use of.
fn imports(body: &str) -> String {
    let used = |name: &str| {
        let next = |at: usize| body[at + name.len()..].chars().next();
        let before = |at: usize| body[..at].chars().next_back();
        let apart =
            |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':' && c != '"');
        body.match_indices(name).any(|(at, _)| apart(next(at)) && apart(before(at)))
    };
    let mut out = String::new();
    let groups: [(&str, &[&str]); 7] = [
        ("crate::decimal", &["Fixed"]),
        ("crate::event", &["Change", "Content", "ContentHasher", "Event"]),
        ("crate::key", &KEYS),
        ("crate::phi", &["Phi"]),
        ("crate::time", &["Date", "Timestamp"]),
        ("serde", &["Deserialize", "Serialize"]),
        ("uuid", &["Uuid"]),
    ];
    for (path, names) in groups {
        let names: Vec<&str> = names.iter().copied().filter(|name| used(name)).collect();
        match names.as_slice() {
            [] => {}
            [one] => out += &format!("use {path}::{one};\n"),
            many => out += &format!("use {path}::{{{}}};\n", many.join(", ")),
        }
    }
    out + "\n"
}

fn structure(record: &Record) -> String {
    let mut out = comment("", "/// ", &record.doc);
    out += "#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]\n";
    out += &format!("pub struct {} {{\n", record.name);
    for field in &record.fields {
        out += &comment("    ", "/// ", &field.doc);
        if let Some(attribute) = attribute(&record.name, field) {
            out += &format!("    {attribute}\n");
        }
        out += &format!("    pub {}: {},\n", ident(&field.name), field_type(field));
    }
    out + "}\n\n" + &defaults(record)
}

/// What lets records of older and newer writers be read: defaults and former names.
fn attribute(record: &str, field: &Field) -> Option<String> {
    let mut parts: Vec<String> = field.aliases.iter().map(|alias| format!("alias = \"{alias}\"")).collect();
    match &field.default {
        Some(value) if is_plain(field, value) => parts.push("default".to_owned()),
        Some(_) => parts.push(format!("default = \"{}\"", default_fn(record, field))),
        None => {}
    }
    if matches!(field.shape, Shape::Bytes | Shape::Fixed(_)) {
        assert!(!field.nullable, "{}: nullable byte strings are not known to the generators", field.name);
        parts.push("with = \"crate::serial::bytes\"".to_owned());
    }
    (!parts.is_empty()).then(|| format!("#[serde({})]", parts.join(", ")))
}

pub(super) fn field_type(field: &Field) -> String {
    let plain = match &field.shape {
        Shape::Bool => "bool".to_owned(),
        Shape::Int => "i32".to_owned(),
        Shape::Long => "i64".to_owned(),
        Shape::Text => match field.token.as_deref() {
            None => "String".to_owned(),
            Some(token) => key_name(token)
                .unwrap_or_else(|| panic!("{}: key type {token} is not known to the generators", field.name))
                .to_owned(),
        },
        Shape::Bytes => "Vec<u8>".to_owned(),
        Shape::Fixed(size) => format!("[u8; {size}]"),
        Shape::Decimal(precision, scale) => format!("Fixed<{precision}, {scale}>"),
        Shape::Timestamp => "Timestamp".to_owned(),
        Shape::Date => "Date".to_owned(),
        Shape::Uuid => "Uuid".to_owned(),
        Shape::Enum(kind) | Shape::Again(kind) => kind.name.clone(),
        Shape::List(record) => format!("Vec<{}>", record.name),
    };
    let kept = if field.phi { format!("Phi<{plain}>") } else { plain };
    if field.nullable { format!("Option<{kept}>") } else { kept }
}

fn implementation(record: &Record, topic: &str, key: &str, path: &str) -> String {
    let name = &record.name;
    let has_change = record.fields.iter().any(|field| field.name == "change");
    let (change, mark) = if has_change {
        ("self.change", "fn mark(&mut self, change: Change) {\n        self.change = change;\n    }")
    } else {
        ("Change::Recorded", "fn mark(&mut self, _change: Change) {}")
    };
    format!(
        "impl Event for {name} {{
    const TOPIC: &'static str = \"{topic}\";
    const SCHEMA: &'static str = include_str!(\"{path}\");
    type Key = {key};

    fn change(&self) -> Change {{
        {change}
    }}

    {mark}

    fn content(&self, hasher: &mut ContentHasher) {{
{content}    }}
}}
",
        content = content(record, "self", 8),
    )
}

/// The Rust type of a topic's key, which the catalog names.
fn key_type(catalog: &Catalog, topic: &str) -> &'static str {
    let key_type = catalog.topic(topic).map(|topic| topic.key_type.as_str());
    key_type
        .and_then(key_name)
        .unwrap_or_else(|| panic!("{topic}: key type {key_type:?} is not known to the generators"))
}

/// The Rust type of a key type.
fn key_name(key_type: &str) -> Option<&'static str> {
    Some(match key_type {
        "account" => "AccountToken",
        "code" => "CodeKey",
        "encounter" => "EncounterToken",
        "item" => "ItemCode",
        "location" => "LocationCode",
        "partner" => "PartnerCode",
        "patient" => "PatientToken",
        "raw" => "RawKey",
        "sender" => "SenderName",
        "service" => "ServiceName",
        "stock" => "StockKey",
        _ => return None,
    })
}

/// Feeds every field but `change`, and those with a default only where they differ from it.
fn content(record: &Record, of: &str, indent: usize) -> String {
    let pad = " ".repeat(indent);
    let mut out = String::new();
    for field in record.fields.iter().filter(|field| field.name != "change") {
        let value = format!("{of}.{}", ident(&field.name));
        // A renamed field keeps its first name here, so that contents stay what they were.
        let name = field.aliases.first().unwrap_or(&field.name);
        let list = if matches!(field.shape, Shape::List(_)) { ".as_slice()" } else { "" };
        let feed = format!("hasher.field(\"{name}\", &{value}{list});");
        match differs(record, field, &value) {
            Some(condition) => out += &format!("{pad}if {condition} {{\n{pad}    {feed}\n{pad}}}\n"),
            None => out += &format!("{pad}{feed}\n"),
        }
    }
    out
}

/// The enum or record that a field brings along. `Change` is written by hand, since every event shares it.
fn nested(field: &Field) -> String {
    match &field.shape {
        Shape::Enum(kind) if kind.name == "Change" => String::new(),
        Shape::Enum(kind) => format!("\n{}", enumeration(kind)),
        Shape::List(record) => {
            let mut out = format!("\n{}", structure(record));
            out += &format!("impl Content for {} {{\n", record.name);
            out += "    fn feed(&self, hasher: &mut ContentHasher) {\n";
            out += "        crate::event::feed_record(hasher, |hasher| {\n";
            out += &content(record, "self", 12);
            out += "        });\n    }\n}\n";
            for field in &record.fields {
                out += &nested(field);
            }
            out
        }
        _ => String::new(),
    }
}

/// An enum; what its writer said and we do not know is read as the default.
fn enumeration(kind: &Enum) -> String {
    let name = &kind.name;
    let mut out = comment("", "/// ", &kind.doc);
    out += "#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]\n";
    out += &format!("#[serde(rename_all = \"snake_case\")]\npub enum {name} {{\n");
    // serde wants the one for everything else last.
    let others = kind.symbols.iter().filter(|symbol| **symbol != kind.default);
    for symbol in others {
        out += &format!("    /// `{symbol}`.\n    {},\n", pascal(symbol));
    }
    out += &format!("    /// `{}`, and whatever a newer writer says.\n", kind.default);
    out += &format!("    #[default]\n    #[serde(other)]\n    {},\n}}\n\n", pascal(&kind.default));
    out += &format!("impl {name} {{\n    /// The symbol, as Avro has it.\n");
    out += "    pub fn as_str(self) -> &'static str {\n        match self {\n";
    for symbol in kind.symbols.iter().collect::<BTreeSet<_>>() {
        out += &format!("            Self::{} => \"{symbol}\",\n", pascal(symbol));
    }
    out += "        }\n    }\n}\n\n";
    out += &format!("impl Content for {name} {{\n    fn feed(&self, hasher: &mut ContentHasher) {{\n");
    out + "        crate::event::feed_text(hasher, self.as_str());\n    }\n}\n"
}

/// A comment broken where it gets too wide.
fn comment(indent: &str, mark: &str, text: &str) -> String {
    let mut out = String::new();
    let mut line = format!("{indent}{mark}");
    for word in text.split_whitespace() {
        if line.len() + word.len() > WIDTH && line.len() > indent.len() + mark.len() {
            out += &format!("{}\n", line.trim_end());
            line = format!("{indent}{mark}");
        }
        line += &format!("{word} ");
    }
    out + line.trim_end() + "\n"
}

fn ident(name: &str) -> String {
    if matches!(name, "type" | "ref" | "match" | "move" | "use") {
        format!("r#{name}")
    } else {
        name.to_owned()
    }
}

pub(super) fn pascal(symbol: &str) -> String {
    let part = |part: &str| part[..1].to_uppercase() + &part[1..];
    symbol.split('_').map(part).collect()
}

pub(super) fn snake(name: &str) -> String {
    let mut out = String::new();
    for (at, letter) in name.char_indices() {
        if letter.is_uppercase() && at > 0 {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    out
}
