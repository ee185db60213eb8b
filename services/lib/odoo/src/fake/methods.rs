//! The methods that the fake has, each one transaction.

use super::domain;
use super::ledger;
use super::load::{self, LoadMode, Refusals};
use super::orm::{self, Mode};
use super::posting;
use super::raised::Raised;
use super::schema::{self, LINE, MOVE, Model, NAMES, PAYMENT, REGISTER, REVERSAL};
use super::store::Store;
use super::value::Val;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// Carries a call out, in a transaction that began then. On an error, and on a `load` that kept nothing, the store is as it was.
pub(super) fn call(
    store: &mut Store,
    model: &str,
    method: &str,
    body: &Value,
    began: Timestamp,
    refusals: Refusals<'_>,
) -> Result<Value, Raised> {
    let Some(model) = schema::model(model) else {
        return Err(Raised::not_found(format!("the model '{model}' does not exist")));
    };
    if method.starts_with('_') {
        return Err(Raised::access("Private methods cannot be called remotely."));
    }
    let text = body.to_string();
    if let Some((_, message)) = refusals.iter().find(|(part, _)| method != "load" && text.contains(part)) {
        return Err(Raised::validation(message.clone()));
    }
    if has_rules(model) {
        company(store, &body["context"])?;
    }
    if let Some(answer) = read_only(store, model, method, body) {
        return answer;
    }
    let mut copy = store.clone();
    copy.begin(began);
    let answer = changing(&mut copy, model, method, body, refusals)?;
    if answer["ids"] != false {
        *store = copy;
    }
    Ok(answer)
}

fn read_only(
    store: &Store,
    model: &'static Model,
    method: &str,
    body: &Value,
) -> Option<Result<Value, Raised>> {
    let answer = match method {
        "context_get" => Ok(json!({"lang": "en_US", "tz": false, "uid": 2})),
        "fields_get" => Ok(fields_get(model, body)),
        "get_param" => Ok(get_param(store, body)),
        "read" => ids(body).and_then(|ids| read(store, model, &ids, body)),
        "search" => found(store, model, body).map(|ids| json!(ids)),
        "search_count" => found(store, model, body).map(|ids| json!(ids.len())),
        "search_read" => found(store, model, body).and_then(|ids| read(store, model, &ids, body)),
        _ => return None,
    };
    Some(answer)
}

fn changing(
    store: &mut Store,
    model: &'static Model,
    method: &str,
    body: &Value,
    refusals: Refusals<'_>,
) -> Result<Value, Raised> {
    let context = &body["context"];
    let mode = Mode { company: company(store, context)?, noupdate: context["noupdate"] == true };
    match (model.name, method) {
        (_, "create") => create(store, model, body, mode),
        (_, "load") => {
            let mode = LoadMode { record: mode, update: context["mode"] == "update" };
            load::load(store, model, body, mode, refusals)
        }
        (_, "unlink") => {
            for id in ids(body)? {
                orm::unlink(store, model, id)?;
            }
            Ok(json!(true))
        }
        (_, "write") => {
            for id in ids(body)? {
                orm::write(store, model, id, orm::values(model, &body["vals"])?, mode)?;
            }
            Ok(json!(true))
        }
        (LINE, "remove_move_reconcile") => {
            ledger::unreconcile(store, &ids(body)?);
            Ok(json!(true))
        }
        (PAYMENT, "action_cancel") => {
            ledger::cancel_payments(store, &ids(body)?);
            Ok(Value::Null)
        }
        (PAYMENT, "action_draft") => {
            for id in ids(body)? {
                store.update(PAYMENT, id, [("state", Val::Text("draft".into()))].into());
            }
            Ok(Value::Null)
        }
        (REGISTER, "action_create_payments") => ledger::create_payments(store, &ids(body)?, mode),
        (REVERSAL, "refund_moves" | "reverse_moves") => ledger::refund(store, &ids(body)?, mode),
        (MOVE, "action_post") => posting::post(store, &ids(body)?).map(|()| json!(false)),
        (MOVE, "button_cancel") => posting::set_state(store, &ids(body)?, "cancel").map(|()| Value::Null),
        (MOVE, "button_draft") => posting::set_state(store, &ids(body)?, "draft").map(|()| Value::Null),
        (name, method) => Err(Raised::not_found(format!("The method '{name}.{method}' does not exist"))),
    }
}

fn create(store: &mut Store, model: &'static Model, body: &Value, mode: Mode) -> Result<Value, Raised> {
    let list = &body["vals_list"];
    let single = [list.clone()];
    let mut ids = vec![];
    for json in list.as_array().map_or(single.as_slice(), Vec::as_slice) {
        let mut values = orm::values(model, json)?;
        if model.name == REVERSAL {
            values.fields.entry("move_ids").or_insert(Val::Ids(ledger::active(&body["context"])));
        }
        ids.push(if model.name == REGISTER {
            ledger::register(store, values, &body["context"])?
        } else if model.name == NAMES {
            let field =
                |name| values.fields.get(name).map(|value| value.text().to_owned()).unwrap_or_default();
            let id = values.fields.get("res_id").and_then(Val::int).unwrap_or_default();
            store.name((&field("module"), &field("name")), &field("model"), id, json["noupdate"] == true)?
        } else {
            orm::create(store, model, values, mode)?
        });
    }
    Ok(json!(ids))
}

/// Models whose records Odoo shows by company (`ir.rule`), which is when it looks at the companies of the context.
fn has_rules(model: &Model) -> bool {
    !matches!(model.name, "ir.config_parameter" | NAMES | "res.currency" | "uom.uom")
}

fn company(store: &Store, context: &Value) -> Result<i64, Raised> {
    let allowed: Vec<i64> =
        context["allowed_company_ids"].as_array().into_iter().flatten().filter_map(Value::as_i64).collect();
    match allowed.iter().all(|id| store.exists("res.company", *id)) {
        true => Ok(allowed.first().copied().unwrap_or(1)),
        false => Err(Raised::access("Access to unauthorized or invalid companies.")),
    }
}

fn ids(body: &Value) -> Result<Vec<i64>, Raised> {
    let list = body["ids"].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().map(|id| id.as_i64().ok_or_else(|| Raised::arguments("ids are integers"))).collect()
}

fn read(store: &Store, model: &'static Model, ids: &[i64], body: &Value) -> Result<Value, Raised> {
    let fields: Vec<String> = body["fields"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    let there = ids.iter().filter(|id| store.exists(model.name, **id));
    there.map(|id| store.read(model, *id, &fields)).collect()
}

fn found(store: &Store, model: &'static Model, body: &Value) -> Result<Vec<i64>, Raised> {
    let mut ids = domain::search(store, model, &body["domain"], &body["context"])?;
    if let Some(order) = body["order"].as_str() {
        sort(store, model, &mut ids, order)?;
    }
    let number = |name: &str| body[name].as_u64().and_then(|number| usize::try_from(number).ok());
    let limit = number("limit").filter(|limit| *limit > 0).unwrap_or(usize::MAX);
    Ok(ids.into_iter().skip(number("offset").unwrap_or(0)).take(limit).collect())
}

fn sort(store: &Store, model: &'static Model, ids: &mut [i64], order: &str) -> Result<(), Raised> {
    // From the last key to the first: each sort keeps the order of equals.
    for key in order.split(',').rev() {
        let mut words = key.split_whitespace();
        let name = words.next().unwrap_or_default();
        if model.field(name).is_none() {
            return Err(Raised::value(format!("Invalid field '{name}' on model '{}'", model.name)));
        }
        let falling = words.next().is_some_and(|word| word.eq_ignore_ascii_case("desc"));
        ids.sort_by(|left, right| {
            let (left, right) = (store.value(model, *left, name), store.value(model, *right, name));
            let order = domain::order(&left, &right).unwrap_or(std::cmp::Ordering::Equal);
            if falling { order.reverse() } else { order }
        });
    }
    Ok(())
}

fn fields_get(model: &'static Model, body: &Value) -> Value {
    let wanted = |list: &Value, name: &str| {
        list.as_array().is_none_or(|list| list.is_empty() || list.iter().any(|item| item == name))
    };
    let mut fields = Map::new();
    for field in model.all_fields().filter(|field| wanted(&body["allfields"], field.name)) {
        let mut all = json!({"type": field.kind.name(), "string": field.label});
        if let Some(relation) = field.kind.relation() {
            all["relation"] = relation.into();
        }
        if let schema::Kind::Selection(options) = field.kind {
            all["selection"] = options.iter().map(|option| json!([option, option])).collect();
        }
        let attributes = all.as_object().into_iter().flatten();
        let kept: Map<String, Value> = attributes
            .filter(|(name, _)| wanted(&body["attributes"], name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        fields.insert(field.name.to_owned(), Value::Object(kept));
    }
    Value::Object(fields)
}

fn get_param(store: &Store, body: &Value) -> Value {
    let key = body["key"].as_str().unwrap_or_default();
    let found = store.ids("ir.config_parameter").find_map(|id| {
        let record = store.get("ir.config_parameter", id)?;
        (record["key"].text() == key).then(|| record["value"].text().to_owned())
    });
    found.map_or(json!(false), Value::String)
}
