//! The fake's HTTP face: routes, headers and statuses as Odoo 19 has them.

use super::connection::Scissors;
use super::fault::{Due, Fault};
use super::methods;
use super::raised::{Raised, SERIALIZATION};
use super::{Served, Shared};
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::sync::Arc;

/// Odoo's own.
const BODY_BYTES_MAX: usize = 128 * 1024 * 1024;
const NO_DATABASE: &str = "<!DOCTYPE html>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>No database is \
    selected and the requested URL was not found in the server-wide controllers.</p>\n";

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/web/version", get(version))
        .route("/json/2/{model}/{method}", post(json_2))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(shared)
}

async fn version() -> Json<Value> {
    Json(json!({"version_info": [19, 0, 0, "final", 0, ""], "version": "19.0"}))
}

async fn json_2(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    Path((model, method)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let seen = Seen { shared, scissors, model, method };
    // Odoo carries a call out whether or not the client still waits.
    match tokio::spawn(seen.serve(headers, body)).await {
        Ok(response) => response,
        Err(_) => page(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
    }
}

struct Seen {
    shared: Arc<Shared>,
    scissors: Scissors,
    model: String,
    method: String,
}

impl Seen {
    async fn serve(self, headers: HeaderMap, body: Bytes) -> Response {
        let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let _busy = self.shared.enter();
        let (response, cut) = match self.refuse(&headers, &body) {
            Some(response) => (response, false),
            None => self.carry_out(&body).await,
        };
        let status = (!cut).then(|| response.status().as_u16());
        let user_agent =
            headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let user_agent = user_agent.to_owned();
        self.shared.log(Served { model: self.model, method: self.method, body, user_agent, status });
        if cut {
            self.scissors.cut();
        }
        response
    }

    /// What is refused before the database is asked.
    fn refuse(&self, headers: &HeaderMap, body: &Value) -> Option<Response> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let database: &str = text(header::HeaderName::from_static("x-odoo-database"));
        // Without the header Odoo takes the only database there is.
        if !database.is_empty() && database != self.shared.database {
            return Some(page(StatusCode::NOT_FOUND, NO_DATABASE));
        }
        if !text(header::CONTENT_TYPE).starts_with("application/json") {
            return Some(page(StatusCode::UNSUPPORTED_MEDIA_TYPE, "415 Unsupported Media Type"));
        }
        let bearer = text(header::AUTHORIZATION);
        let key =
            bearer.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("bearer ")).map(|_| &bearer[7..]);
        if key != Some(self.shared.key().as_str()) {
            return Some(raised(&Raised::unauthorized()));
        }
        let unreadable = || Raised { status: 400, ..Raised::arguments("could not parse the body as json") };
        body.is_null().then(|| raised(&unreadable()))
    }

    /// The answer, and whether the connection is to be reset instead.
    async fn carry_out(&self, body: &Value) -> (Response, bool) {
        let due = self.shared.due(&self.model, &self.method);
        let mut cut = false;
        match &due.fault {
            Some(Fault::Meanwhile { model, method, body }) => {
                // Whether it worked for them is their affair.
                let _ = methods::call(&mut self.shared.store(), model, method, body, &[]);
            }
            Some(Fault::NoDatabase) => return (page(StatusCode::NOT_FOUND, NO_DATABASE), false),
            Some(Fault::ResetAfter) => cut = true,
            Some(Fault::ResetBefore) => return (StatusCode::OK.into_response(), true),
            Some(Fault::Serialization) => return (raised(&Raised::serialization()), false),
            Some(Fault::SerializationMessage) => return (Json(contended()).into_response(), false),
            Some(Fault::Stall(time)) => tokio::time::sleep(*time).await,
            Some(Fault::Status { status, retry_after_seconds }) => {
                return (plain(*status, *retry_after_seconds), false);
            }
            Some(Fault::Refuse { .. }) | None => {}
        }
        (self.answer(body, &due), cut)
    }

    fn answer(&self, body: &Value, due: &Due) -> Response {
        let mut store = self.shared.store();
        match methods::call(&mut store, &self.model, &self.method, body, &due.refusals) {
            Ok(value) => Json(value).into_response(),
            Err(exception) => raised(&exception),
        }
    }
}

fn contended() -> Value {
    let message = format!("{SERIALIZATION}\n");
    json!({"ids": false, "nextrow": 0, "messages": [
        {"type": "error", "record": 0, "rows": {"from": 0, "to": 0}, "message": message},
    ]})
}

fn raised(exception: &Raised) -> Response {
    let status = StatusCode::from_u16(exception.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(exception.body())).into_response()
}

fn page(status: StatusCode, html: &'static str) -> Response {
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}

fn plain(status: u16, retry_after_seconds: Option<u64>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = page(status, "<html><h1>busy</h1></html>");
    if let Some(seconds) = retry_after_seconds {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}
