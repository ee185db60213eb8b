//! The client: one HTTP request per call, so many at a time, under a key that can be changed while it runs.

use crate::classify::{self, Answer};
use crate::error::{Call, Error, Outage, Puzzle};
use crate::{Context, Secret};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, Url, redirect};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Semaphore;

const DATABASE_HEADER: HeaderName = HeaderName::from_static("x-odoo-database");
const USER_AGENT: &str = concat!("vertebra/", env!("CARGO_PKG_VERSION"));

/// Which Odoo, and how hard to press it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Odoo's address, such as `https://odoo.example.org`.
    pub url: String,
    /// The database's name.
    pub database: String,
    /// An API key of the integration's user.
    pub key: Secret,
    /// Longest time for making a connection.
    pub connect_ms: u64,
    /// Longest time for a whole call. Above Odoo's own limit (`limit_time_real`, 120 s), after which it ends the worker and
    /// rolls back: then the outcome is known when we give up.
    pub answer_ms: u64,
    /// Calls at a time, at most; further ones wait. Odoo's workers are its real limit: leave some for people.
    pub concurrent: usize,
}

impl Settings {
    /// 5 s to connect, 130 s for a call, two calls at a time.
    pub fn new(url: &str, database: &str, key: Secret) -> Self {
        Self {
            url: url.to_owned(),
            database: database.to_owned(),
            key,
            connect_ms: 5_000,
            answer_ms: 130_000,
            concurrent: 2,
        }
    }
}

/// Why no client can be made from the settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Zero calls at a time would wait for ever.
    #[error("at least one call at a time")]
    Concurrent,
    /// The database's name cannot stand in a header.
    #[error("the database's name has characters that a header cannot carry")]
    Database,
    /// The API key cannot stand in a header, or is empty.
    #[error("the API key is empty or has characters that a header cannot carry")]
    Key,
    /// No TLS or no resolver on this machine.
    #[error("the HTTP client cannot be set up")]
    Transport(#[source] reqwest::Error),
    /// The address is not one.
    #[error("not an http:// or https:// address")]
    Url,
}

/// A client of one database of one Odoo. Cheap to clone; clones share connections, key and concurrency.
#[derive(Clone, Debug)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: reqwest::Client,
    base: Url,
    /// The header's whole value, marked sensitive so that nothing prints it.
    authorization: RwLock<HeaderValue>,
    gate: Semaphore,
}

impl Client {
    /// Makes a client. Says nothing to Odoo yet.
    pub fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let base = Url::parse(&settings.url).map_err(|_| SettingsError::Url)?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(SettingsError::Url);
        }
        if settings.concurrent == 0 {
            return Err(SettingsError::Concurrent);
        }
        let database = HeaderValue::from_str(&settings.database).map_err(|_| SettingsError::Database)?;
        // No proxy from the environment (configuration is read in one place), no redirects (they turn POST into GET), no
        // cookies (Odoo refuses a session together with the database's header).
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_millis(settings.connect_ms))
            .timeout(Duration::from_millis(settings.answer_ms))
            .tcp_keepalive(Duration::from_secs(30))
            .pool_max_idle_per_host(settings.concurrent)
            .user_agent(USER_AGENT)
            .default_headers(HeaderMap::from_iter([(DATABASE_HEADER, database)]))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(SettingsError::Transport)?;
        let authorization = RwLock::new(authorization(&settings.key)?);
        Ok(Self(Arc::new(Inner { http, base, authorization, gate: Semaphore::new(settings.concurrent) })))
    }

    /// Takes another API key from the next call on: keys made in Odoo's pages live three months at most.
    pub fn set_key(&self, key: &Secret) -> Result<(), SettingsError> {
        let value = authorization(key)?;
        *self.0.authorization.write().unwrap_or_else(PoisonError::into_inner) = value;
        Ok(())
    }

    /// Calls any method: `ids` are the records it is called on (none for methods of the model), `args` an object of named
    /// arguments (JSON-2 has no positional ones). One call is one transaction.
    pub async fn call<T: DeserializeOwned>(
        &self,
        model: &str,
        method: &str,
        ids: &[i64],
        args: Value,
        context: &Context,
    ) -> Result<T, Error> {
        let call = Call::new(model, method);
        let Some(body) = body(ids, args, context) else {
            return Err(Error::Protocol { call, puzzle: Puzzle::Request });
        };
        let authorization = self.0.authorization.read().unwrap_or_else(PoisonError::into_inner).clone();
        let request = self.0.http.post(self.url(&["json", "2", model, method]));
        self.send(call, request.header(AUTHORIZATION, authorization).json(&body)).await
    }

    /// Asks for a page that needs no key.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, Error> {
        self.send(Call::new("GET", &path.join("/")), self.0.http.get(self.url(path))).await
    }

    async fn send<T: DeserializeOwned>(&self, call: Call, request: RequestBuilder) -> Result<T, Error> {
        // The gate is never closed, so there always is a permit in the end.
        let _permit = self.0.gate.acquire().await.ok();
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Err(transport(call, error)),
        };
        read(call, response).await
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.0.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }
}

fn authorization(key: &Secret) -> Result<HeaderValue, SettingsError> {
    if key.reveal().is_empty() {
        return Err(SettingsError::Key);
    }
    let mut value =
        HeaderValue::from_str(&format!("bearer {}", key.reveal())).map_err(|_| SettingsError::Key)?;
    value.set_sensitive(true);
    Ok(value)
}

fn body(ids: &[i64], args: Value, context: &Context) -> Option<Map<String, Value>> {
    let mut body = match args {
        Value::Object(map) => map,
        Value::Null => Map::new(),
        _ => return None,
    };
    body.insert("context".to_owned(), context.to_json());
    // Methods of the model refuse even an empty list.
    if !ids.is_empty() {
        body.insert("ids".to_owned(), ids.into());
    }
    Some(body)
}

async fn read<T: DeserializeOwned>(call: Call, response: Response) -> Result<T, Error> {
    let status = response.status();
    let retry_after =
        response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body = match response.bytes().await {
        Ok(body) => body,
        Err(error) => return Err(transport(call, error)),
    };
    if !status.is_success() {
        let answer = Answer { status: status.as_u16(), retry_after: retry_after.as_deref(), body: &body };
        return Err(classify::error(call, &answer));
    }
    // The error's own text quotes the payload; its place does not.
    serde_json::from_slice(&body).map_err(|error| {
        let puzzle = Puzzle::Shape { line: error.line(), column: error.column() };
        Error::Protocol { call, puzzle }
    })
}

fn transport(call: Call, error: reqwest::Error) -> Error {
    if error.is_builder() {
        return Error::Protocol { call, puzzle: Puzzle::Request };
    }
    let outage = match &error {
        // A connection that is not made in time was not used either: Connect comes first.
        error if error.is_connect() => Outage::Connect,
        error if error.is_timeout() => Outage::TimedOut,
        _ => Outage::Lost,
    };
    Error::Unavailable { call, outage, retry_after: None, source: Some(error.without_url()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings(url: &str) -> Settings {
        Settings::new(url, "odoo", Secret::new("k3y"))
    }

    #[test]
    fn neither_settings_nor_client_print_the_key() {
        let settings = settings("http://127.0.0.1:1");
        let client = Client::new(&settings).unwrap();
        assert!(!format!("{settings:?} {client:?}").contains("k3y"));
    }

    #[test]
    fn an_address_may_have_a_path_of_its_own() {
        for base in ["http://127.0.0.1:1/erp", "http://127.0.0.1:1/erp/"] {
            let url = Client::new(&settings(base)).unwrap().url(&["json", "2", "res.partner", "read"]);
            assert_eq!(url.as_str(), "http://127.0.0.1:1/erp/json/2/res.partner/read");
        }
    }

    #[test]
    fn settings_that_cannot_work_are_refused_at_once() {
        let check = |settings: Settings, wanted: fn(&SettingsError) -> bool| {
            assert!(Client::new(&settings).is_err_and(|error| wanted(&error)), "{settings:?}");
        };
        check(settings("127.0.0.1:8069"), |error| matches!(error, SettingsError::Url));
        check(settings("ftp://127.0.0.1"), |error| matches!(error, SettingsError::Url));
        check(Settings { concurrent: 0, ..settings("http://127.0.0.1") }, |error| {
            matches!(error, SettingsError::Concurrent)
        });
        check(Settings { key: Secret::new("\n"), ..settings("http://127.0.0.1") }, |error| {
            matches!(error, SettingsError::Key)
        });
        check(Settings { database: "a\nb".into(), ..settings("http://127.0.0.1") }, |error| {
            matches!(error, SettingsError::Database)
        });
    }

    #[test]
    fn a_body_has_named_arguments_only_and_no_empty_ids() {
        let context = Context::new();
        assert_eq!(
            body(&[], json!({"domain": []}), &context).map(Value::Object),
            Some(json!({"domain": [], "context": {"active_test": false}}))
        );
        assert_eq!(
            body(&[7], Value::Null, &context).map(Value::Object),
            Some(json!({"ids": [7], "context": {"active_test": false}}))
        );
        assert_eq!(body(&[], json!([1]), &context), None);
    }
}
