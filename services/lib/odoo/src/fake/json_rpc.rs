//! The fake's older face, `/jsonrpc`: always HTTP 200, errors inside, the key among the arguments.

use super::connection::Scissors;
use super::http::{Face, Seen};
use super::raised::Raised;
use super::{Shared, http};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The user that the key is of.
const LOGIN: &str = "admin";
const USER: i64 = 2;

pub(super) async fn answer(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let (params, args) = (&body["params"], &body["params"]["args"]);
    match (params["service"].as_str(), params["method"].as_str()) {
        (Some("common"), Some("version")) => {
            let major = shared.major();
            let info = json!([major, 0, 0, "final", 0, ""]);
            result(
                json!({"server_version": format!("{major}.0"), "server_version_info": info, "protocol_version": 1}),
            )
        }
        (Some("common"), Some("authenticate")) => match wrong_database(&shared, args) {
            Some(response) => response,
            None => result(match args[1] == LOGIN && args[2] == shared.key().as_str() {
                true => json!(USER),
                false => json!(false),
            }),
        },
        (Some("object"), Some("execute_kw")) => {
            // Odoo carries a call out whether or not the client still waits.
            let args = args.clone();
            match tokio::spawn(execute(shared, scissors, headers, args)).await {
                Ok(response) => response,
                Err(_) => http::broken(),
            }
        }
        _ => raised(&Raised::value("no such service")),
    }
}

async fn execute(shared: Arc<Shared>, scissors: Scissors, headers: HeaderMap, args: Value) -> Response {
    let text = |index: usize| args[index].as_str().unwrap_or_default().to_owned();
    let seen = Seen { shared: shared.clone(), scissors, model: text(3), method: text(4) };
    let body = body(&seen.method, &args[5], &args[6]);
    let _busy = shared.enter();
    let (response, cut) = match refuse(&shared, &args) {
        Some(response) => (response, false),
        None => seen.carry_out(&body, Face::JsonRpc).await,
    };
    seen.answered(&headers, body, response, cut)
}

/// The call as JSON-2 has it.
fn body(method: &str, placed: &Value, named: &Value) -> Value {
    let mut body = named.as_object().cloned().unwrap_or_else(Map::new);
    if let Some(first) = placed.get(0) {
        body.insert(if method == "create" { "vals_list" } else { "ids" }.to_owned(), first.clone());
    }
    Value::Object(body)
}

fn refuse(shared: &Shared, args: &Value) -> Option<Response> {
    let wrong_key = || Raised { class: "odoo.exceptions.AccessDenied", ..Raised::access("Access Denied") };
    wrong_database(shared, args)
        .or_else(|| (args[1] != USER || args[2] != shared.key().as_str()).then(|| raised(&wrong_key())))
}

fn wrong_database(shared: &Shared, args: &Value) -> Option<Response> {
    let name = args[0].as_str().unwrap_or_default();
    let message =
        format!("connection to server at \"127.0.0.1\" failed: FATAL:  database \"{name}\" does not exist\n");
    let raised = |message| raised(&Raised { class: "psycopg2.OperationalError", ..Raised::value(message) });
    (name != shared.database).then(|| raised(message))
}

/// A method that returns nothing has no result at all.
pub(super) fn result(value: Value) -> Response {
    let mut envelope = json!({"jsonrpc": "2.0", "id": 1});
    if !value.is_null() {
        envelope["result"] = value;
    }
    Json(envelope).into_response()
}

pub(super) fn raised(exception: &Raised) -> Response {
    let exception = match (exception.status, exception.message.as_str()) {
        // The two faces say this differently.
        (404, message) if message.starts_with("the model '") => {
            let model = message.split('\'').nth(1).unwrap_or_default();
            Raised::user(format!("Object {model} doesn't exist"))
        }
        (404, message) if message.starts_with("The method '") => {
            Raised { class: "builtins.AttributeError", ..Raised::value(message) }
        }
        _ => exception.clone(),
    };
    let error = json!({"code": 200, "message": "Odoo Server Error", "data": exception.body()});
    Json(json!({"jsonrpc": "2.0", "id": 1, "error": error})).into_response()
}
