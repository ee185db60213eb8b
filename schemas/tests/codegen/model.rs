//! An `.avsc` file as the generators need it. Whatever they do not know is refused, so that nothing is lost in silence.

use serde_json::Value;

/// A record and its fields.
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) fields: Vec<Field>,
}

/// A field of a record.
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) shape: Shape,
    pub(crate) nullable: bool,
    pub(crate) phi: bool,
    /// The key type that a string field holds.
    pub(crate) token: Option<String>,
    /// Former names, the first released one first.
    pub(crate) aliases: Vec<String>,
    pub(crate) default: Option<Value>,
}

/// What a field's value is.
pub(crate) enum Shape {
    Bool,
    Int,
    Long,
    Text,
    Bytes,
    Fixed(u64),
    Decimal(u64, u64),
    Timestamp,
    Date,
    Uuid,
    Enum(Enum),
    /// A list of records.
    List(Record),
}

/// An enum and its symbols.
pub(crate) struct Enum {
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) symbols: Vec<String>,
    pub(crate) default: String,
}

impl Record {
    /// Reads a file's text.
    pub(crate) fn parse(text: &str) -> Self {
        let schema: Value = serde_json::from_str(text).unwrap();
        Self::of(&schema, &mut Vec::new())
    }

    fn of(schema: &Value, fixed: &mut Vec<(String, u64)>) -> Self {
        assert_eq!(schema["type"], "record");
        let fields = schema["fields"].as_array().unwrap();
        let fields = fields.iter().map(|field| Field::of(field, fixed)).collect();
        Self { name: string(schema, "name"), doc: string(schema, "doc"), fields }
    }
}

impl Field {
    fn of(field: &Value, fixed: &mut Vec<(String, u64)>) -> Self {
        let name = string(field, "name");
        let (nullable, inner) = match &field["type"] {
            Value::Array(both) => match both.as_slice() {
                [null, inner] if null == "null" => (true, inner),
                _ => panic!("{name}: only unions of null and one type are known"),
            },
            inner => (false, inner),
        };
        let aliases = field["aliases"].as_array().into_iter().flatten();
        Self {
            doc: string(field, "doc"),
            shape: Shape::of(&name, inner, fixed),
            nullable,
            phi: field["phi"].as_bool().unwrap_or(false),
            token: field["token"].as_str().map(str::to_owned),
            aliases: aliases.map(|alias| alias.as_str().unwrap().to_owned()).collect(),
            default: field.get("default").cloned(),
            name,
        }
    }
}

impl Shape {
    fn of(field: &str, schema: &Value, fixed: &mut Vec<(String, u64)>) -> Self {
        let kind = schema.as_str().or(schema["type"].as_str()).unwrap_or_default();
        match (kind, schema["logicalType"].as_str()) {
            ("boolean", None) => Self::Bool,
            ("int", None) => Self::Int,
            ("long", None) => Self::Long,
            ("string", None) => Self::Text,
            ("bytes", None) => Self::Bytes,
            ("bytes", Some("decimal")) => Self::Decimal(number(schema, "precision"), number(schema, "scale")),
            ("long", Some("timestamp-micros")) => Self::Timestamp,
            ("int", Some("date")) => Self::Date,
            ("string", Some("uuid")) => Self::Uuid,
            ("fixed", None) => {
                let full = format!("{}.{}", string(schema, "namespace"), string(schema, "name"));
                fixed.push((full, number(schema, "size")));
                Self::Fixed(number(schema, "size"))
            }
            ("enum", None) => Self::Enum(Enum::of(schema)),
            ("array", None) => Self::List(Record::of(&schema["items"], fixed)),
            (named, None) => match fixed.iter().find(|(name, _)| name == named) {
                Some((_, size)) => Self::Fixed(*size),
                None => panic!("{field}: type {named} is not known to the generators"),
            },
            (kind, Some(logical)) => panic!("{field}: {kind} with {logical} is not known to the generators"),
        }
    }
}

impl Enum {
    fn of(schema: &Value) -> Self {
        let symbols = schema["symbols"].as_array().unwrap();
        Self {
            name: string(schema, "name"),
            doc: string(schema, "doc"),
            symbols: symbols.iter().map(|symbol| symbol.as_str().unwrap().to_owned()).collect(),
            default: string(schema, "default"),
        }
    }
}

fn string(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is missing in {value}")).to_owned()
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_else(|| panic!("{name} is missing in {value}"))
}
