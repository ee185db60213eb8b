//! Field values, and how they look in JSON and in the cells of a `load`.

use super::schema::Kind;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Number, Value};

/// A field's value. A many2one is its id; a one2many is not stored.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Val {
    Bool(bool),
    Float(Decimal),
    Ids(Vec<i64>),
    Int(i64),
    Nothing,
    Text(String),
}

impl Val {
    pub(super) fn int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn float(&self) -> Decimal {
        match self {
            Self::Float(number) => *number,
            _ => Decimal::ZERO,
        }
    }

    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            _ => "",
        }
    }

    pub(super) fn ids(&self) -> &[i64] {
        match self {
            Self::Ids(ids) => ids,
            _ => &[],
        }
    }

    /// What a field has that was never set.
    pub(super) fn unset(kind: Kind) -> Self {
        match kind {
            Kind::Boolean => Self::Bool(false),
            Kind::Float => Self::Float(Decimal::ZERO),
            Kind::Integer => Self::Int(0),
            Kind::Many2many(_) | Kind::One2many(..) => Self::Ids(vec![]),
            Kind::Char | Kind::Date | Kind::Datetime | Kind::Many2one(_) | Kind::Selection(_) => {
                Self::Nothing
            }
        }
    }

    /// From an argument of `create` or `write`; none where the JSON does not fit the type.
    pub(super) fn from_json(kind: Kind, json: &Value) -> Option<Self> {
        if matches!(json, Value::Bool(false) | Value::Null) {
            return Some(Self::unset(kind));
        }
        Some(match (kind, json) {
            (Kind::Boolean, Value::Bool(truth)) => Self::Bool(*truth),
            (Kind::Float, Value::Number(number)) => Self::Float(as_float(&number.to_string())?),
            (Kind::Integer | Kind::Many2one(_), Value::Number(number)) => Self::Int(number.as_i64()?),
            (Kind::Many2many(_), Value::Array(commands)) => Self::Ids(linked(commands)?),
            (Kind::Selection(options), Value::String(text)) => {
                options.contains(&text.as_str()).then(|| Self::Text(text.clone()))?
            }
            (Kind::Char | Kind::Date | Kind::Datetime, Value::String(text)) => Self::Text(text.clone()),
            _ => return None,
        })
    }
}

/// Odoo's commands `[6, 0, ids]` and `[4, id]`, or bare ids.
fn linked(commands: &[Value]) -> Option<Vec<i64>> {
    let mut ids = vec![];
    for command in commands {
        match command.as_array().map(Vec::as_slice) {
            Some([code, id, ..]) if code == 4 => ids.push(id.as_i64()?),
            Some([code, _, all]) if code == 6 => {
                ids = all.as_array()?.iter().map(Value::as_i64).collect::<Option<_>>()?;
            }
            Some(_) => return None,
            None => ids.push(command.as_i64()?),
        }
    }
    Some(ids)
}

/// What Python's `float()` makes of a text: the decimal of the nearest double's shortest text.
pub(super) fn as_float(text: &str) -> Option<Decimal> {
    let double: f64 = text.trim().parse().ok()?;
    Decimal::from_str_exact(&double.to_string()).ok().map(|decimal| decimal.normalize())
}

/// A float in JSON, as Python writes it: `1500.0`, `12.34`.
pub(super) fn float_json(decimal: Decimal) -> Value {
    decimal.to_f64().and_then(Number::from_f64).map_or(Value::Null, Value::Number)
}

/// Rounds as Odoo rounds money and quantities, half away from zero.
pub(super) fn rounded(decimal: Decimal, places: u32) -> Decimal {
    decimal.round_dp_with_strategy(places, rust_decimal::RoundingStrategy::MidpointAwayFromZero).normalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_pass_through_a_double_as_they_do_in_odoo() {
        for (text, json) in [
            ("12.34", "12.34"),
            ("1500", "1500.0"),
            ("0.1", "0.1"),
            ("99999999999999.99", "99999999999999.98"),
        ] {
            assert_eq!(float_json(as_float(text).unwrap()).to_string(), json);
        }
        assert_eq!(as_float("abc"), None);
    }
}
