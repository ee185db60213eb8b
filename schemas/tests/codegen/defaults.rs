//! What the defaults of fields come to in Rust: attributes' functions, values, and the condition that one is not there.

use super::model::{Field, Record, Shape};
use super::rust::{field_type, pascal, snake};
use serde_json::Value;

/// The function that makes a default which is not the type's own.
pub(super) fn default_fn(record: &str, field: &Field) -> String {
    format!("{}_{}", snake(record), field.name)
}

/// The functions of defaults that are not the type's own.
pub(super) fn defaults(record: &Record) -> String {
    let mut out = String::new();
    for field in &record.fields {
        let Some(value) = field.default.as_ref().filter(|value| !is_plain(field, value)) else {
            continue;
        };
        let name = default_fn(&record.name, field);
        out += &format!("fn {name}() -> {} {{\n    {}\n}}\n\n", field_type(field), literal(field, value));
    }
    out
}

/// Whether a default is what the Rust type has by itself.
pub(super) fn is_plain(field: &Field, value: &Value) -> bool {
    match (&field.shape, value) {
        (_, Value::Null) => field.nullable,
        _ if field.nullable => panic!("{}: a nullable field's default is null", field.name),
        (Shape::Bool, Value::Bool(value)) => !value,
        (Shape::Int | Shape::Long | Shape::Timestamp | Shape::Date, Value::Number(value)) => {
            value.as_i64() == Some(0)
        }
        (Shape::Text, Value::String(value)) => value.is_empty(),
        (Shape::Enum(kind) | Shape::Again(kind), Value::String(value)) => *value == kind.default,
        (Shape::Decimal(..), Value::String(value)) => {
            assert_eq!(value, "\u{0}", "{}: a decimal's default is zero", field.name);
            true
        }
        (Shape::List(_), Value::Array(items)) if items.is_empty() => true,
        _ => panic!("{}: this default is not known to the generators", field.name),
    }
}

fn literal(field: &Field, value: &Value) -> String {
    let text = match (&field.shape, value) {
        (Shape::Bool, Value::Bool(value)) => value.to_string(),
        (Shape::Int | Shape::Long, Value::Number(value)) => value.to_string(),
        (Shape::Text, Value::String(value)) => format!("{value:?}.to_owned()"),
        (Shape::Enum(kind) | Shape::Again(kind), Value::String(value)) => {
            format!("{}::{}", kind.name, pascal(value))
        }
        _ => panic!("{}: this default is not known to the generators", field.name),
    };
    if field.phi { format!("Phi({text})") } else { text }
}

/// The condition under which a field differs from its default; nothing where it has none.
pub(super) fn differs(record: &Record, field: &Field, value: &str) -> Option<String> {
    let default = field.default.as_ref()?;
    let inner = if field.phi { format!("{value}.0") } else { value.to_owned() };
    Some(match (&field.shape, default) {
        (_, Value::Null) => format!("{value}.is_some()"),
        _ if !is_plain(field, default) => format!("{value} != {}()", default_fn(&record.name, field)),
        (Shape::Bool, _) => inner,
        (Shape::Text | Shape::List(_), _) => format!("!{inner}.is_empty()"),
        (Shape::Enum(kind) | Shape::Again(kind), _) => {
            format!("{value} != {}::{}", kind.name, pascal(&kind.default))
        }
        (Shape::Int | Shape::Long, _) => format!("{inner} != 0"),
        (Shape::Decimal(..), _) => format!("!{inner}.is_zero()"),
        (Shape::Timestamp, _) => format!("{inner} != Timestamp::EPOCH"),
        _ => panic!("{}: a default of this type is not known to the generators", field.name),
    })
}
