//! An Odoo for tests and demonstrations: real HTTP on 127.0.0.1, in this process, in memory.
//!
//! It consumes JSON-2 calls and answers as Odoo 19.0 was observed to (`tests/agreement` puts the same questions to this fake
//! and to a real Odoo): external ids are unique, a create-only `load` leaves alone what is there, a batch is kept whole or
//! not at all, a line id moves to the header that names it, a deletion takes its external ids along, posting works once.
//!
//! What it does not have: users and their rights, payments, locks and transactions that overlap (calls are carried out one
//! after the other; contention is a [`Fault`]), and any model not in `schema.rs`.

mod connection;
mod domain;
mod fault;
mod fresh;
mod http;
mod load;
mod methods;
mod orm;
mod raised;
mod schema;
mod store;
mod value;

pub use fault::{Fault, Rule};

use crate::{Client, Secret, Settings, SettingsError};
use connection::{CuttableListener, Scissors};
use fault::{Due, Rules};
use serde_json::Value;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
            store: Mutex::new(fresh::store(&uuid)),
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
        *lock(&self.shared.store) = fresh::store(&uuid);
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
