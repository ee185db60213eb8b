//! The client: one HTTP request per call, so many at a time, under a key that can be changed while it runs.

use crate::classify::{self, Answer};
use crate::error::{Call, Denial, Error, Outage, Puzzle};
use crate::{Context, Interface, Maybe, Secret, Settings, SettingsError, json_rpc};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{AUTHORIZATION, DATE, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, Url, redirect};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::Instant;

const DATABASE_HEADER: HeaderName = HeaderName::from_static("x-odoo-database");
const USER_AGENT: &str = concat!("vertebra/", env!("CARGO_PKG_VERSION"));

/// A client of one database of one Odoo. Cheap to clone; clones share connections, key and concurrency.
#[derive(Clone, Debug)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: reqwest::Client,
    base: Url,
    /// Its name, and as a header.
    database: (String, HeaderValue),
    login: String,
    interface: OnceCell<Interface>,
    key: RwLock<Key>,
    gate: Semaphore,
    apart: Duration,
    /// When the next call may begin.
    next: Mutex<Instant>,
}

#[derive(Clone, Debug)]
struct Key {
    /// The header's whole value, marked sensitive so that nothing prints it.
    header: HeaderValue,
    secret: Secret,
    /// The user's id, once JSON-RPC told it for this key.
    user: Arc<OnceCell<i64>>,
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
        let header = HeaderValue::from_str(&settings.database).map_err(|_| SettingsError::Database)?;
        // No proxy from the environment (configuration is read in one place), no redirects (they turn POST into GET), no
        // cookies (Odoo refuses a session together with the database's header).
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_millis(settings.connect_ms))
            .timeout(Duration::from_millis(settings.answer_ms))
            .tcp_keepalive(Duration::from_secs(30))
            .pool_max_idle_per_host(settings.concurrent)
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(SettingsError::Transport)?;
        Ok(Self(Arc::new(Inner {
            http,
            base,
            database: (settings.database.clone(), header),
            login: settings.login.clone(),
            interface: match settings.interface {
                Interface::ByVersion => OnceCell::new(),
                interface => OnceCell::new_with(Some(interface)),
            },
            key: RwLock::new(Key::new(&settings.key)?),
            gate: Semaphore::new(settings.concurrent),
            apart: Duration::from_millis(settings.apart_ms),
            next: Mutex::new(Instant::now()),
        })))
    }

    /// Takes another API key from the next call on: keys made in Odoo's pages live three months at most.
    pub fn set_key(&self, key: &Secret) -> Result<(), SettingsError> {
        let key = Key::new(key)?;
        *self.0.key.write().unwrap_or_else(PoisonError::into_inner) = key;
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
        match self.interface().await? {
            Interface::JsonRpc => self.execute(call, ids, args, context).await,
            Interface::ByVersion | Interface::Json2 => {
                let Some(body) = body(ids, args, context) else {
                    return Err(Error::Protocol { call, puzzle: Puzzle::Request });
                };
                let request = self.0.http.post(self.url(&["json", "2", model, method]));
                let request = request.header(AUTHORIZATION, self.key().header);
                let request = request.header(DATABASE_HEADER, self.0.database.1.clone());
                self.send(call, request.json(&body)).await.and_then(Got::json)
            }
        }
    }

    /// What Odoo's clock says, in whole seconds. (An answer tells it; where a proxy stands before Odoo, it is the proxy's.)
    pub async fn clock(&self) -> Result<Timestamp, Error> {
        let call = Call::new("GET", "web/version");
        let got = match self.send(call.clone(), self.0.http.get(self.url(&["web", "version"]))).await {
            Err(Error::Missing { .. }) => {
                let request = self.0.http.post(self.url(&["jsonrpc"])).json(&json_rpc::version());
                self.send(call.clone(), request).await?
            }
            got => got?,
        };
        got.date.ok_or(Error::Protocol { call, puzzle: Puzzle::Date })
    }

    /// Asks for a page that needs no key.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, Error> {
        let call = Call::new("GET", &path.join("/"));
        self.send(call, self.0.http.get(self.url(path))).await.and_then(Got::json)
    }

    /// A call over JSON-RPC, whole.
    pub(crate) async fn common<T: DeserializeOwned>(&self, call: Call, body: Value) -> Result<T, Error> {
        let request = self.0.http.post(self.url(&["jsonrpc"])).json(&body);
        let got = self.send(call, request).await?;
        json_rpc::read(got.call, &got.body)
    }

    async fn execute<T: DeserializeOwned>(
        &self,
        call: Call,
        ids: &[i64],
        args: Value,
        context: &Context,
    ) -> Result<T, Error> {
        let key = self.key();
        let database = self.0.database.0.as_str();
        let user = key.user.get_or_try_init(async || {
            let body = json_rpc::authenticate(database, &self.0.login, &key.secret);
            let user: Maybe<i64> = self.common(call.clone(), body).await?;
            user.0.ok_or_else(|| Error::Denied { call: call.clone(), denial: Denial::Key })
        });
        let who = (database, *user.await?, &key.secret);
        match json_rpc::execute(who, (&call.model, &call.method), ids, args, context) {
            Some(body) => self.common(call, body).await,
            None => Err(Error::Protocol { call, puzzle: Puzzle::Request }),
        }
    }

    /// The interface to use; asked for once.
    async fn interface(&self) -> Result<Interface, Error> {
        let by_version = async || {
            let version = self.version().await?;
            Ok(if version.has_json2() { Interface::Json2 } else { Interface::JsonRpc })
        };
        self.0.interface.get_or_try_init(by_version).await.copied()
    }

    async fn send(&self, call: Call, request: RequestBuilder) -> Result<Got, Error> {
        // The gate is never closed, so there always is a permit in the end.
        let _permit = self.0.gate.acquire().await.ok();
        tokio::time::sleep_until(self.turn()).await;
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Err(transport(call, error)),
        };
        Got::receive(call, response).await
    }

    /// When this call may begin; the next one may later.
    fn turn(&self) -> Instant {
        let mut next = self.0.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = (*next).max(Instant::now());
        *next = turn + self.0.apart;
        turn
    }

    fn key(&self) -> Key {
        self.0.key.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.0.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }
}

impl Key {
    fn new(secret: &Secret) -> Result<Self, SettingsError> {
        Ok(Self { header: authorization(secret)?, secret: secret.clone(), user: Arc::default() })
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

/// An answer that is a success, as far as HTTP says.
struct Got {
    call: Call,
    body: Vec<u8>,
    date: Option<Timestamp>,
}

impl Got {
    async fn receive(call: Call, response: Response) -> Result<Self, Error> {
        let status = response.status();
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let retry_after = header(RETRY_AFTER).map(str::to_owned);
        let date = header(DATE).and_then(|date| rfc2822::parse(date).ok()).map(|date| date.timestamp());
        let body = match response.bytes().await {
            Ok(body) => body,
            Err(error) => return Err(transport(call, error)),
        };
        if !status.is_success() {
            let answer = Answer { status: status.as_u16(), retry_after: retry_after.as_deref(), body: &body };
            return Err(classify::error(call, &answer));
        }
        Ok(Self { call, body: body.into(), date })
    }

    /// The error's own text quotes the payload; its place does not.
    fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let puzzle = Puzzle::Shape { line: error.line(), column: error.column() };
            Error::Protocol { call: self.call, puzzle }
        })
    }
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
