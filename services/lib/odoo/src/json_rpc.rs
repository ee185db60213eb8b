//! JSON-RPC, the interface of Odoo 16 to 18 (19 still has it): what a call and its answer look like. Plain functions.
//!
//! Every answer is HTTP 200. Errors carry the exception's class, from which they get the status that JSON-2 gives them, so
//! that nobody behind this has to know which interface was used.

use crate::classify::{self, Answer, Exception};
use crate::error::{Absent, Call, Denial, Error, Puzzle};
use crate::{Context, Secret};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// `common.version`: needs no key.
pub(crate) fn version() -> Value {
    envelope("common", "version", json!([]))
}

/// `common.authenticate`: the user's id, or false.
pub(crate) fn authenticate(database: &str, login: &str, key: &Secret) -> Value {
    envelope("common", "authenticate", json!([database, login, key.reveal(), {}]))
}

/// `object.execute_kw`. Everything goes by name, but the records and, since Odoo looks for it there, what is to be created.
pub(crate) fn execute(
    (database, user, key): (&str, i64, &Secret),
    (model, method): (&str, &str),
    ids: &[i64],
    args: Value,
    context: &Context,
) -> Option<Value> {
    let mut named = match args {
        Value::Object(map) => map,
        Value::Null => Map::new(),
        _ => return None,
    };
    let created = named.remove("vals_list").filter(|_| method == "create");
    let mut placed: Vec<Value> = created.into_iter().collect();
    if !ids.is_empty() {
        placed.push(ids.into());
    }
    named.insert("context".to_owned(), context.to_json());
    let args = json!([database, user, key.reveal(), model, method, placed, named]);
    Some(envelope("object", "execute_kw", args))
}

fn envelope(service: &str, method: &str, args: Value) -> Value {
    let params = json!({"service": service, "method": method, "args": args});
    json!({"jsonrpc": "2.0", "method": "call", "params": params, "id": 1})
}

#[derive(Deserialize)]
struct Envelope {
    // Raw, so that numbers keep their own text.
    result: Option<Box<RawValue>>,
    error: Option<Failed>,
}

#[derive(Deserialize)]
struct Failed {
    data: Option<Exception>,
}

/// Reads an answer. A method that returns nothing has no `result` at all: that is null.
pub(crate) fn read<T: DeserializeOwned>(call: Call, body: &[u8]) -> Result<T, Error> {
    let shape = |error: serde_json::Error| Puzzle::Shape { line: error.line(), column: error.column() };
    let envelope: Envelope = match serde_json::from_slice(body) {
        Ok(envelope) => envelope,
        Err(error) => return Err(Error::Protocol { call, puzzle: shape(error) }),
    };
    if let Some(failed) = envelope.error {
        return Err(error(call, failed));
    }
    let result = envelope.result.as_deref().map_or("null", RawValue::get);
    serde_json::from_str(result).map_err(|error| Error::Protocol { call, puzzle: shape(error) })
}

fn error(call: Call, failed: Failed) -> Error {
    let Some(exception) = failed.data else {
        return Error::Protocol { call, puzzle: Puzzle::Status(200) };
    };
    let message = exception.text();
    let is_about = |begin: &str, end: &str| message.starts_with(begin) && message.trim_end().ends_with(end);
    match exception.name.as_str() {
        "odoo.exceptions.AccessDenied" => Error::Denied { call, denial: Denial::Key },
        "odoo.exceptions.AccessError" => Error::Denied { call, denial: Denial::Right },
        "odoo.exceptions.MissingError" => Error::Missing { call, absent: Absent::Record },
        "builtins.AttributeError" if is_about("The method ", " does not exist") => {
            Error::Missing { call, absent: Absent::Model }
        }
        "odoo.exceptions.UserError" if is_about("Object ", " doesn't exist") => {
            Error::Missing { call, absent: Absent::Model }
        }
        "psycopg2.OperationalError"
            if message.contains("database \"") && message.contains("\" does not exist") =>
        {
            Error::Missing { call, absent: Absent::Database }
        }
        class => {
            let status = match class {
                "odoo.exceptions.UserError"
                | "odoo.exceptions.ValidationError"
                | "odoo.exceptions.RedirectWarning" => 422,
                _ => 500,
            };
            classify::raised(call, status, &exception, &Answer { status, retry_after: None, body: &[] })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Consequence::{self, Configure, Reject, Retry};
    use crate::Exact;

    fn call() -> Call {
        Call::new("account.move", "load")
    }

    #[track_caller]
    fn check(class: &str, message: &str, consequence: Consequence, display: &str) {
        let data =
            json!({"name": class, "message": message, "arguments": [message], "debug": "Traceback Jane Doe"});
        let body = json!({"jsonrpc": "2.0", "id": 1, "error": {"code": 200, "message": "Odoo Server Error", "data": data}});
        let error = read::<Value>(call(), body.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.consequence(), consequence, "{error:?}");
        let text = format!("{error} {error:?}");
        assert!(text.contains(display) && !text.contains("Jane"), "{text}");
    }

    #[test]
    fn errors_are_classed_as_json_2_has_them() {
        let retry = Retry { after: None };
        check("odoo.exceptions.AccessDenied", "Access Denied", Configure, "make a new one");
        check("odoo.exceptions.AccessError", "Jane", Configure, "give it the group");
        check("odoo.exceptions.MissingError", "Jane", Reject, "was deleted");
        check("odoo.exceptions.UserError", "Jane", Reject, "(422, odoo.exceptions.UserError)");
        check("odoo.exceptions.ValidationError", "Jane", Reject, "(422, odoo.exceptions.Validation");
        check("builtins.ValueError", "Jane", Reject, "(500, builtins.ValueError)");
        check(
            "odoo.exceptions.UserError",
            "Object no.model doesn't exist",
            Configure,
            "its app is installed",
        );
        check(
            "builtins.AttributeError",
            "The method 'm.f' does not exist",
            Configure,
            "its app is installed",
        );
        check("psycopg2.errors.SerializationFailure", "x", retry, "another transaction was in the way");
        check(
            "psycopg2.OperationalError",
            "FATAL:  database \"x\" does not exist\n",
            retry,
            "check the database's name",
        );
        check("psycopg2.OperationalError", "server closed the connection", retry, "its database failed");
    }

    #[test]
    fn a_result_may_be_missing_and_numbers_keep_their_text() {
        let get = |body: &str| read::<Option<Exact>>(call(), body.as_bytes());
        assert_eq!(get(r#"{"jsonrpc": "2.0", "id": 1}"#).unwrap(), None);
        let number = get(r#"{"jsonrpc": "2.0", "id": 1, "result": 0.30000000000000004}"#).unwrap();
        assert_eq!(number.unwrap().to_string(), "0.30000000000000004");
        assert!(matches!(get("<html>"), Err(Error::Protocol { .. })));
    }

    #[test]
    fn what_is_created_goes_by_place_and_the_rest_by_name() {
        let key = Secret::new("k3y");
        let args = |method: &str, ids: &[i64], args: Value| {
            execute(("db", 2, &key), ("m", method), ids, args, &Context::new())
                .map(|body| body["params"]["args"].clone())
        };
        let context = json!({"active_test": false});
        assert_eq!(
            args("create", &[], json!({"vals_list": [{"a": 1}]})),
            Some(json!(["db", 2, "k3y", "m", "create", [[{"a": 1}]], {"context": context}]))
        );
        assert_eq!(
            args("read", &[7], json!({"fields": ["a"]})),
            Some(json!(["db", 2, "k3y", "m", "read", [[7]], {"context": context, "fields": ["a"]}]))
        );
        assert_eq!(args("read", &[7], json!([1])), None);
    }
}
