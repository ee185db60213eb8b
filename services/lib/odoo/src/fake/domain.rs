//! Domains: Odoo's prefix notation of conditions, as far as clients of an invoice need it.

use super::raised::Raised;
use super::schema::{self, Kind, Model};
use super::store::Store;
use super::value::Val;
use serde_json::Value;

/// The ids of a model's records that match, in rising order.
pub(super) fn search(
    store: &Store,
    model: &'static Model,
    domain: &Value,
    context: &Value,
) -> Result<Vec<i64>, Raised> {
    let terms = domain.as_array().map(Vec::as_slice).unwrap_or_default();
    let hides = context["active_test"] != false
        && model.field("active").is_some()
        && !terms.iter().any(|term| term[0] == "active");
    let mut found = vec![];
    for id in store.ids(model.name) {
        let mut rest = terms;
        let mut matches = !hides || store.value(model, id, "active") == Val::Bool(true);
        while !rest.is_empty() {
            // Evaluated in full, so that a wrong field is found out whatever the data.
            matches &= term(store, model, id, &mut rest)?;
        }
        if matches {
            found.push(id);
        }
    }
    Ok(found)
}

fn term(store: &Store, model: &'static Model, id: i64, rest: &mut &[Value]) -> Result<bool, Raised> {
    let Some((first, others)) = rest.split_first() else {
        return Err(Raised::value("Domain() invalid: it ends too early"));
    };
    *rest = others;
    match first.as_str() {
        Some("!") => Ok(!term(store, model, id, rest)?),
        Some(operator @ ("&" | "|")) => {
            let (left, right) = (term(store, model, id, rest)?, term(store, model, id, rest)?);
            Ok(if operator == "&" { left && right } else { left || right })
        }
        _ => condition(store, model, id, first),
    }
}

fn condition(store: &Store, model: &'static Model, id: i64, term: &Value) -> Result<bool, Raised> {
    let (Some(path), Some(operator)) = (term[0].as_str(), term[1].as_str()) else {
        return Err(Raised::value("Domain() invalid item in domain"));
    };
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let field = model.field(name).ok_or_else(|| {
        Raised::value(format!("Invalid field {}.{name} in condition ({path:?}, {operator:?}, …)", model.name))
    })?;
    let value = store.value(model, id, name);
    if let (Some(rest), Some(other)) = (rest, field.kind.relation().and_then(schema::model)) {
        let ids: Vec<i64> = value.int().into_iter().chain(value.ids().iter().copied()).collect();
        let further = Value::Array(vec![rest.into(), operator.into(), term[2].clone()]);
        for id in ids {
            if condition(store, other, id, &further)? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    holds(field.kind, &value, operator, &term[2])
        .ok_or_else(|| Raised::value(format!("operator {operator:?} is not for this fake")))
}

fn holds(kind: Kind, value: &Val, operator: &str, wanted: &Value) -> Option<bool> {
    let equal = |wanted: &Value| match (kind, value) {
        (Kind::Many2many(_) | Kind::One2many(..), Val::Ids(ids)) => {
            wanted.as_i64().is_some_and(|id| ids.contains(&id))
        }
        (_, Val::Int(number)) => wanted.as_i64() == Some(*number),
        _ => Val::from_json(kind, wanted).as_ref() == Some(value),
    };
    let one_of = || match wanted {
        Value::Array(list) => list.iter().any(equal),
        single => equal(single),
    };
    let like = || wanted.as_str().map(|part| value.text().to_lowercase().contains(&part.to_lowercase()));
    let order = || order(value, &Val::from_json(kind, wanted)?);
    match operator {
        "=" | "in" => Some(one_of()),
        "!=" | "not in" => Some(!one_of()),
        "like" | "ilike" => like(),
        "=like" => wanted.as_str().map(|pattern| match pattern.strip_suffix('%') {
            Some(prefix) => value.text().starts_with(prefix),
            None => value.text() == pattern,
        }),
        ">" => order().map(std::cmp::Ordering::is_gt),
        ">=" => order().map(std::cmp::Ordering::is_ge),
        "<" => order().map(std::cmp::Ordering::is_lt),
        "<=" => order().map(std::cmp::Ordering::is_le),
        _ => None,
    }
}

/// The order of two values of one field; none where there is none.
pub(super) fn order(left: &Val, right: &Val) -> Option<std::cmp::Ordering> {
    match (left, right) {
        (Val::Float(left), Val::Float(right)) => Some(left.cmp(right)),
        (Val::Int(left), Val::Int(right)) => Some(left.cmp(right)),
        (Val::Bool(left), Val::Bool(right)) => Some(left.cmp(right)),
        (Val::Text(left), Val::Text(right)) => Some(left.cmp(right)),
        (Val::Nothing, Val::Nothing) => Some(std::cmp::Ordering::Equal),
        (Val::Nothing, _) => Some(std::cmp::Ordering::Less),
        (_, Val::Nothing) => Some(std::cmp::Ordering::Greater),
        _ => None,
    }
}
