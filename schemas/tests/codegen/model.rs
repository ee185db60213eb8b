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
    /// An enum that an earlier field of the schema has brought along.
    Again(Enum),
    /// A list of records.
    List(Record),
}

/// An enum and its symbols.
#[derive(Clone)]
pub(crate) struct Enum {
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) symbols: Vec<String>,
    pub(crate) default: String,
}

/// A type that later fields can mention by its full name.
enum Named {
    Fixed(u64),
    Enum(Enum),
}

/// The named types seen so far, by their full names.
struct Known {
    namespace: String,
    types: Vec<(String, Named)>,
}

impl Record {
    /// Reads a file's text.
    pub(crate) fn parse(text: &str) -> Self {
        let schema: Value = serde_json::from_str(text).unwrap();
        let namespace = string(&schema, "namespace");
        Self::of(&schema, &mut Known { namespace, types: Vec::new() })
    }

    fn of(schema: &Value, known: &mut Known) -> Self {
        assert_eq!(schema["type"], "record");
        let fields = schema["fields"].as_array().unwrap();
        let fields = fields.iter().map(|field| Field::of(field, known)).collect();
        Self { name: string(schema, "name"), doc: string(schema, "doc"), fields }
    }
}

impl Field {
    fn of(field: &Value, known: &mut Known) -> Self {
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
            shape: Shape::of(&name, inner, known),
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
    fn of(field: &str, schema: &Value, known: &mut Known) -> Self {
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
                let size = number(schema, "size");
                known.add(schema, Named::Fixed(size));
                Self::Fixed(size)
            }
            ("enum", None) => {
                let kind = Enum::of(schema);
                known.add(schema, Named::Enum(kind.clone()));
                Self::Enum(kind)
            }
            ("array", None) => Self::List(Record::of(&schema["items"], known)),
            (named, None) => match known.types.iter().find(|(name, _)| name == named) {
                Some((_, Named::Fixed(size))) => Self::Fixed(*size),
                Some((_, Named::Enum(kind))) => Self::Again(kind.clone()),
                None => panic!("{field}: type {named} is not known to the generators"),
            },
            (kind, Some(logical)) => panic!("{field}: {kind} with {logical} is not known to the generators"),
        }
    }
}

impl Known {
    /// A type without a namespace of its own is in the record's.
    fn add(&mut self, schema: &Value, named: Named) {
        let namespace = schema["namespace"].as_str().unwrap_or(&self.namespace);
        self.types.push((format!("{namespace}.{}", string(schema, "name")), named));
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
