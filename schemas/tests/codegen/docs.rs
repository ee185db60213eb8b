//! `docs/events.md` from the catalog and the schemas.

use super::model::{Field, Record, Shape};
use canon::Catalog;
use canon::catalog::Topic;

/// The whole page.
pub(crate) fn page(catalog: &Catalog, records: &[(String, Record)]) -> String {
    let mut out = String::from(
        "<!-- Generated from schemas/catalog.yaml and schemas/*.avsc; do not edit. See schemas/README.md. -->\n\n# Events\n\n\
         Every topic, who writes it, who reads it, and what its records hold. Values are Avro in Confluent's wire \
         format; metadata travels in headers (CloudEvents 1.0, Kafka binary mode). PHI marks fields of a patient's \
         data: they never reach keys, headers, logs, metrics or errors.\n\n",
    );
    out += "| topic | carries | class | key | partitions | kept | producer | consumers |\n|---|---|---|---|---|---|---|---|\n";
    for topic in catalog.topics() {
        let cells = [
            format!("[{0}](#{1})", topic.name, topic.name.replace('.', "")),
            topic.summary.clone(),
            topic.data_class.to_string(),
            topic.key_type.clone(),
            topic.partitions.to_string(),
            kept(topic),
            producer(topic),
            consumers(topic),
        ];
        out += &format!("| {} |\n", cells.join(" | "));
    }
    out += "\n## Key types\n\n| key type | partitions, for life |\n|---|---|\n";
    for (name, partitions) in catalog.key_types() {
        out += &format!("| {name} | {partitions} |\n");
    }
    for topic in catalog.topics() {
        let (_, record) = records.iter().find(|(name, _)| *name == topic.name).unwrap();
        out += &section(topic, record);
    }
    out
}

fn section(topic: &Topic, record: &Record) -> String {
    let mut out = format!("\n## {}\n\n{}\n\n", topic.name, record.doc);
    out += &format!(
        "A {} of {}; {} answers for it. Lane {}, readable within {} ms (p99). Values up to {} bytes.\n\n",
        topic.kind,
        topic.system_of_record,
        topic.owner,
        topic.lane,
        topic.latency_objective_ms,
        topic.value_bytes_max,
    );
    out += &fields(record);
    let configs: Vec<String> =
        topic.configs().iter().map(|(name, value)| format!("`{name}={value}`")).collect();
    out + &format!("\nIn Kafka: {}\n", configs.join(" "))
}

fn fields(record: &Record) -> String {
    let mut out = format!("| {} | type | PHI | meaning |\n|---|---|---|---|\n", record.name);
    let mut inner = String::new();
    for field in &record.fields {
        let phi = if field.phi { "PHI" } else { "" };
        out += &format!("| `{}` | {} | {phi} | {} |\n", field.name, shape(field), field.doc);
        if let Shape::List(items) = &field.shape {
            inner += &format!("\nEach of `{}`: {}\n\n{}", field.name, items.doc, fields(items));
        }
    }
    out + &inner
}

fn shape(field: &Field) -> String {
    let plain = match &field.shape {
        Shape::Bool => "boolean".to_owned(),
        Shape::Int => "int".to_owned(),
        Shape::Long => "long".to_owned(),
        Shape::Text => field.token.as_ref().map_or("text".to_owned(), |token| match token.as_str() {
            "account" | "encounter" | "patient" => format!("{token} token"),
            "sender" | "service" => format!("{token}'s name"),
            token => format!("{token}'s code"),
        }),
        Shape::Bytes => "bytes".to_owned(),
        Shape::Fixed(size) => format!("{size} bytes"),
        Shape::Decimal(precision, scale) => format!("decimal({precision}, {scale})"),
        Shape::Timestamp => "time, UTC, µs".to_owned(),
        Shape::Date => "day".to_owned(),
        Shape::Uuid => "UUID".to_owned(),
        Shape::Enum(kind) | Shape::Again(kind) => {
            kind.symbols.iter().map(|symbol| format!("`{symbol}`")).collect::<Vec<_>>().join(" ")
        }
        Shape::List(record) => format!("list of {}", record.name),
    };
    if field.nullable { format!("{plain}, or null") } else { plain }
}

fn kept(topic: &Topic) -> String {
    const DAY_MS: i64 = 86_400_000;
    match topic.retention_ms {
        None if topic.is_compacted() => "the latest of each key".to_owned(),
        None => "for ever".to_owned(),
        Some(retention_ms) if retention_ms % DAY_MS == 0 => format!("{} days", retention_ms / DAY_MS),
        Some(retention_ms) => format!("{} hours", retention_ms / 3_600_000),
    }
}

fn producer(topic: &Topic) -> String {
    match &topic.producer {
        canon::catalog::Producer::EveryService => "every service, for its own key".to_owned(),
        canon::catalog::Producer::Service(name) => name.to_string(),
    }
}

fn consumers(topic: &Topic) -> String {
    if topic.consumers.is_empty() {
        return "people and tools".to_owned();
    }
    topic.consumers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
