//! The fake's HTTP face: routes, headers and statuses as Odoo 19 has them.

use super::connection::Scissors;
use super::fault::{Due, Fault};
use super::json_rpc;
use super::methods;
use super::raised::{Raised, SERIALIZATION};
use super::{Served, Shared};
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
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
        .route("/jsonrpc", post(json_rpc::answer))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(shared.clone(), dated))
        .with_state(shared)
}

/// Odoo's own clock, as every answer of it tells it.
async fn dated(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let date = shared.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(date) = HeaderValue::from_str(&date) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

async fn version(State(shared): State<Arc<Shared>>) -> Response {
    let major = shared.major();
    // The page came with 19.
    match major >= 19 {
        true => Json(json!({"version_info": [major, 0, 0, "final", 0, ""], "version": format!("{major}.0")}))
            .into_response(),
        false => page(StatusCode::NOT_FOUND, "<h1>Not Found</h1>"),
    }
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
        Err(_) => broken(),
    }
}

pub(super) fn broken() -> Response {
    page(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
}

pub(super) struct Seen {
    pub(super) shared: Arc<Shared>,
    pub(super) scissors: Scissors,
    pub(super) model: String,
    pub(super) method: String,
}

impl Seen {
    async fn serve(self, headers: HeaderMap, body: Bytes) -> Response {
        let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let _busy = self.shared.enter();
        let (response, cut) = match self.refuse(&headers, &body) {
            Some(response) => (response, false),
            None => self.carry_out(&body, Face::Json2).await,
        };
        self.answered(&headers, body, response, cut)
    }

    /// Keeps what was answered, and cuts the connection where a fault wants it.
    pub(super) fn answered(
        self,
        headers: &HeaderMap,
        body: Value,
        response: Response,
        cut: bool,
    ) -> Response {
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
        if self.shared.major() < 19 {
            return Some(page(StatusCode::NOT_FOUND, "<h1>Not Found</h1>"));
        }
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
    pub(super) async fn carry_out(&self, body: &Value, face: Face) -> (Response, bool) {
        let due = self.shared.due(&self.model, &self.method);
        let mut cut = false;
        match &due.fault {
            Some(Fault::BeganAgo(_)) => {}
            Some(Fault::Meanwhile { model, method, body }) => {
                // Whether it worked for them is their affair.
                let _ = methods::call(&mut self.shared.store(), model, method, body, self.shared.now(), &[]);
            }
            Some(Fault::NoDatabase) => return (page(StatusCode::NOT_FOUND, NO_DATABASE), false),
            Some(Fault::ResetAfter) => cut = true,
            Some(Fault::ResetBefore) => return (StatusCode::OK.into_response(), true),
            Some(Fault::Serialization) => return (face.raised(&Raised::serialization()), false),
            Some(Fault::SerializationMessage) => return (face.result(contended()), false),
            Some(Fault::Stall(time)) => tokio::time::sleep(*time).await,
            Some(Fault::Status { status, retry_after_seconds }) => {
                return (plain(*status, *retry_after_seconds), false);
            }
            Some(Fault::Refuse { .. }) | None => {}
        }
        (self.answer(body, &due, face), cut)
    }

    fn answer(&self, body: &Value, due: &Due, face: Face) -> Response {
        if self.shared.hides(&self.model, "") {
            return face.raised(&Raised::not_found(format!("the model '{}' does not exist", self.model)));
        }
        if let Some(name) = self.shared.hidden(&self.model, body) {
            return face.raised(&Raised::value(format!("Invalid field '{name}' on '{}'", self.model)));
        }
        let mut store = self.shared.store();
        let began = match due.fault {
            Some(Fault::BeganAgo(time)) => self.shared.now().saturating_sub(time).unwrap_or(Timestamp::MIN),
            _ => self.shared.now(),
        };
        match methods::call(&mut store, &self.model, &self.method, body, began, &due.refusals) {
            Ok(Value::Object(mut fields)) if self.method == "fields_get" => {
                fields.retain(|name, _| !self.shared.hides(&self.model, name));
                face.result(Value::Object(fields))
            }
            Ok(value) => face.result(value),
            Err(exception) => face.raised(&exception),
        }
    }
}

/// The interface that a call came by.
#[derive(Clone, Copy, Debug)]
pub(super) enum Face {
    Json2,
    JsonRpc,
}

impl Face {
    fn result(self, value: Value) -> Response {
        match self {
            Self::Json2 => Json(value).into_response(),
            Self::JsonRpc => json_rpc::result(value),
        }
    }

    fn raised(self, exception: &Raised) -> Response {
        match self {
            Self::Json2 => raised(exception),
            Self::JsonRpc => json_rpc::raised(exception),
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
