//! An Odoo for tests and demonstrations: real HTTP on 127.0.0.1, in this process, in memory.
//!
//! It consumes JSON-2 calls and answers as Odoo 19.0 was observed to (`tests/agreement` puts the same questions to this fake
//! and to a real Odoo): external ids are unique, a create-only `load` leaves alone what is there, a batch is kept whole or
//! not at all, a line id moves to the header that names it, a deletion takes its external ids along, posting works once,
//! payments and credit notes are set off; `write_date` is the transaction's start, in whole seconds, by a clock of its own.
//!
//! What it does not have: users and their rights, locks and transactions that overlap (calls are carried out one
//! after the other; contention is a [`Fault`]), and any model not in `schema.rs`.

mod connection;
mod domain;
mod fault;
mod fresh;
mod http;
mod json_rpc;
mod ledger;
mod load;
mod methods;
mod models;
mod orm;
mod posting;
mod raised;
mod schema;
mod store;
mod value;

pub use fault::{Fault, Rule};

use crate::{Client, Secret, Settings, SettingsError};
use connection::{CuttableListener, Scissors};
use fault::{Due, Rules};
use jiff::Timestamp;
use serde_json::Value;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::Store;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// The database that [`Server::start`] serves.
pub const DATABASE: &str = "fake";
/// The API key that [`Server::start`] accepts.
pub const KEY: &str = "fake-api-key";

/// A running fake. It ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<io::Result<()>>,
}

/// A call that was served.
#[derive(Clone, Debug, PartialEq)]
pub struct Served {
    /// Odoo's model.
    pub model: String,
    /// Its method.
    pub method: String,
    /// The whole body.
    pub body: Value,
    /// The header `User-Agent`.
    pub user_agent: String,
    /// HTTP status; none where the connection was reset instead.
    pub status: Option<u16>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    database: String,
    key: Mutex<String>,
    uuid: Mutex<String>,
    store: Mutex<Store>,
    /// How far its clock is ahead of the real one.
    ahead: Mutex<Duration>,
    /// Odoo's version.
    major: AtomicUsize,
    /// Fields of models that it does not have, as another version or without an app.
    hidden: Mutex<Vec<(String, String)>>,
    rules: Mutex<Rules>,
    log: Mutex<Vec<Served>>,
    busy: AtomicUsize,
    busiest: AtomicUsize,
}

impl Server {
    /// Serves [`DATABASE`] for [`KEY`] on a free port.
    pub async fn start() -> io::Result<Self> {
        Self::start_at(0, DATABASE, KEY).await
    }

    /// Serves this database for this key on this port of 127.0.0.1; 0: a free one.
    pub async fn start_at(port: u16, database: &str, key: &str) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let uuid = Uuid::new_v4().to_string();
        let shared = Arc::new(Shared {
            database: database.to_owned(),
            key: Mutex::new(key.to_owned()),
            store: Mutex::new(fresh::store(&uuid, Timestamp::now())),
            ahead: Mutex::default(),
            major: AtomicUsize::new(19),
            hidden: Mutex::default(),
            uuid: Mutex::new(uuid),
            rules: Mutex::default(),
            log: Mutex::default(),
            busy: AtomicUsize::new(0),
            busiest: AtomicUsize::new(0),
        });
        let service = http::router(shared.clone()).into_make_service_with_connect_info::<Scissors>();
        let serving = tokio::spawn(axum::serve(CuttableListener(listener), service).into_future());
        Ok(Self { address, shared, serving })
    }

    /// Such as `http://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Settings of a client for this fake.
    pub fn settings(&self) -> Settings {
        Settings::new(&self.url(), &self.shared.database, Secret::new(&self.shared.key()))
    }

    /// A client for this fake.
    pub fn client(&self) -> Result<Client, SettingsError> {
        Client::new(&self.settings())
    }

    /// Makes something go wrong.
    pub fn inject(&self, rule: Rule) {
        lock(&self.shared.rules).0.push(rule);
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        lock(&self.shared.rules).0.clear();
    }

    /// The calls served so far, of all models, in the order of their answers.
    pub fn served(&self) -> Vec<Served> {
        lock(&self.shared.log).clone()
    }

    /// How many calls of a method were served so far.
    pub fn count(&self, model: &str, method: &str) -> usize {
        lock(&self.shared.log)
            .iter()
            .filter(|served| served.model == model && served.method == method)
            .count()
    }

    /// Forgets the calls served so far, and the most at a time.
    pub fn forget_served(&self) {
        lock(&self.shared.log).clear();
        self.shared.busiest.store(0, Ordering::SeqCst);
    }

    /// The most calls that were under way at a time.
    pub fn most_at_a_time(&self) -> usize {
        self.shared.busiest.load(Ordering::SeqCst)
    }

    /// Is of another version from now on: below 19 there is no JSON-2. The fields stay as they are; see [`Server::hide`].
    pub fn set_major(&self, major: usize) {
        self.shared.major.store(major, Ordering::SeqCst);
    }

    /// Has this field no longer, as another version or without the app that brings it.
    pub fn hide(&self, model: &str, field: &str) {
        lock(&self.shared.hidden).push((model.to_owned(), field.to_owned()));
    }

    /// Has this model no longer, as without the app that brings it.
    pub fn forget(&self, model: &str) {
        self.hide(model, "");
    }

    /// Moves its clock on.
    pub fn passes(&self, time: Duration) {
        *lock(&self.shared.ahead) += time;
    }

    /// Accepts this key only, from now on.
    pub fn set_key(&self, key: &str) {
        *lock(&self.shared.key) = key.to_owned();
    }

    /// The database's uuid.
    pub fn database_uuid(&self) -> String {
        lock(&self.shared.uuid).clone()
    }

    /// A fresh database in place of this one, with another uuid: as after a restore that went wrong.
    pub fn replace_database(&self) {
        let uuid = Uuid::new_v4().to_string();
        *lock(&self.shared.store) = fresh::store(&uuid, self.shared.now());
        *lock(&self.shared.uuid) = uuid;
    }

    /// Deletes a record behind the ORM's back, as raw SQL does: its external ids stay behind.
    pub fn delete_by_sql(&self, model: &str, id: i64) {
        lock(&self.shared.store).drop_record(model, id);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    fn key(&self) -> String {
        lock(&self.key).clone()
    }

    fn now(&self) -> Timestamp {
        Timestamp::now().saturating_add(*lock(&self.ahead)).unwrap_or(Timestamp::MAX)
    }

    fn major(&self) -> usize {
        self.major.load(Ordering::SeqCst)
    }

    fn hides(&self, model: &str, field: &str) -> bool {
        lock(&self.hidden).iter().any(|(of, name)| of == model && name == field)
    }

    /// A hidden field that a call asks for.
    fn hidden(&self, model: &str, body: &Value) -> Option<String> {
        let fields = body["fields"].as_array().into_iter().flatten().filter_map(Value::as_str);
        fields.into_iter().find(|name| self.hides(model, name)).map(str::to_owned)
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.store)
    }

    fn due(&self, model: &str, method: &str) -> Due {
        lock(&self.rules).take(model, method)
    }

    fn log(&self, served: Served) {
        lock(&self.log).push(served);
    }

    fn enter(self: &Arc<Self>) -> Busy {
        let now = self.busy.fetch_add(1, Ordering::SeqCst) + 1;
        self.busiest.fetch_max(now, Ordering::SeqCst);
        Busy(self.clone())
    }
}

/// A call under way.
struct Busy(Arc<Shared>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
