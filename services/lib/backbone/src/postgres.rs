//! The ledger on PostgreSQL: one schema per service, one transaction per batch, every rule of [`store`](crate::store)
//! kept by the database.
//!
//! Consumes and publishes nothing; reads and writes the schema named after the service. What holds it together:
//!
//! - **Time** is the database's `clock_timestamp()`, in microseconds; no process's clock is believed.
//! - **The fence** is the first statement of every transaction: it moves the lane's row on from the epoch and sequence
//!   that the owner holds, and finds no row when somebody else did.
//! - **A stopped process** loses its transaction: the server ends one that sits idle for half a lease, and its locks go
//!   with it. A lane or shard whose row is locked is not free.
//! - **Nothing half done is used again**: after any error a connection is closed, never given back.
//! - **Errors hold no data**: of what the server says only SQLSTATE and names are kept, and parameters do not show in
//!   the driver's log. The tables hold patient data by design: states, parked records, outbox.
//!
//! Absent: TLS of our own (loopback, or a sidecar that speaks it), retries (the core's, with order kept), cursors.

mod beside;
mod failure;
mod identifier;
mod layout;
mod lease;
pub mod look;
mod migrate;
pub mod operate;
mod pool;
mod recover;
pub mod replays;
mod report;
pub mod restate;
mod tables;
mod tx;
mod wire;
mod write;

pub use failure::Failure;
pub use identifier::NotAnIdentifier;
pub use tx::PostgresTx;

use crate::env::{Backoff, Env, Watch};
use crate::journal::Entry;
use crate::moment::Ahead;
use crate::projection::Table;
use crate::record::{Marks, OutRecord};
use crate::replay::Replay;
use crate::settings::ServiceUrl;
use crate::store::{Fence, Fleet, Grant, LaneId, Renewed, ShardFence, Store, StoreError};
use crate::table::TableRow;
use canon::time::Timestamp;
use deadpool_postgres::{Object, Pool};
use layout::Layout;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use wire::{Ask, ask};

/// How to reach the server, and as whom.
#[derive(Clone, Debug)]
pub struct PostgresSettings {
    /// The database, with its password; several hosts are tried in turn for one that can be written to.
    pub url: ServiceUrl,
    /// The service's name: the schema's, with underscores.
    pub service: &'static str,
    /// This process, shown to people who look at the server's sessions.
    pub instance: Uuid,
    /// The shortest lease in use. A transaction may sit idle, or wait for a lock, for half of it.
    pub lease: Duration,
    /// Connections at most: one for each lane worked at once, and a few.
    pub connections_max: usize,
}

impl PostgresSettings {
    fn application_name(&self) -> String {
        let instance = self.instance.simple().to_string();
        // PostgreSQL cuts it off at 63 bytes.
        format!("{:.50}/{:.8}", self.service, instance)
    }
}

/// A projection or sink as the ledger knows it.
#[derive(Clone, Debug)]
pub struct Processor {
    /// Its name.
    pub name: &'static str,
    /// The report tables it writes; a sink has none.
    pub tables: Vec<Table>,
}

/// Why a ledger could not be opened, by what is to be done.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A report column has another type than the code says.
    #[error(
        "column {column} of report table {table} is {is} in the database and {wanted} in the code: give the column \
         another name, or drop the table and rebuild the projection"
    )]
    ColumnChanged {
        /// The table.
        table: String,
        /// The column.
        column: &'static str,
        /// Its type in the database.
        is: String,
        /// Its type in the code.
        wanted: &'static str,
    },
    /// A migration that was applied is not the one in this build.
    #[error(
        "migration {number} ({name}) was changed after it had been applied: restore it, and put the change into a new \
         migration"
    )]
    MigrationChanged {
        /// Its number.
        number: i32,
        /// Its name.
        name: &'static str,
    },
    /// A name cannot be used.
    #[error(transparent)]
    Name(#[from] NotAnIdentifier),
    /// A name is the ledger's own or PostgreSQL's.
    #[error("`{name}` is taken: choose another name")]
    Reserved {
        /// The name.
        name: String,
    },
    /// The number of relay shards differs while somebody works on the ledger.
    #[error(
        "the ledger has {stored} relay shards and {wanted} are configured: stop every instance of the service, wait \
         until their leases have passed, then start with the new number"
    )]
    Shards {
        /// As stored.
        stored: i32,
        /// As configured.
        wanted: i32,
    },
    /// Nothing is wrong but the way to the database: try again.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// One report table, two declarations.
    #[error("report table {table} is declared twice with different columns")]
    TwoTables {
        /// The table.
        table: &'static str,
    },
    /// The URL is not one that the driver understands.
    #[error("the database's URL cannot be used: postgres://user@host:5432/name is expected")]
    Url,
}

/// The ledger of one service on PostgreSQL.
#[derive(Clone)]
pub struct PostgresStore {
    pool: Pool,
    layout: Arc<Layout>,
    settings: Arc<PostgresSettings>,
}

impl PostgresStore {
    /// Connects and brings the schema up to date, once.
    ///
    /// # Errors
    /// [`OpenError::Store`] while the server cannot be used; every other one needs a person.
    pub async fn connect(
        settings: &PostgresSettings,
        shards: i32,
        processors: &[Processor],
    ) -> Result<Self, OpenError> {
        let layout = Arc::new(Layout::new(settings.service, shards, processors)?);
        let pool = pool::pool(settings, &layout.schema)?;
        let store = Self { pool, layout, settings: Arc::new(settings.clone()) };
        migrate::migrate(store.connection("connect").await?, &store.layout).await?;
        Ok(store)
    }

    /// Connects, waiting for a server that cannot be used yet; nothing when it was told to stop meanwhile.
    ///
    /// # Errors
    /// What waiting does not heal.
    pub async fn open<E: Env>(
        settings: &PostgresSettings,
        shards: i32,
        processors: &[Processor],
        env: &E,
        watch: &dyn Watch,
        stop: &CancellationToken,
    ) -> Result<Option<Self>, OpenError> {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        loop {
            let trying = Self::connect(settings, shards, processors);
            let tried = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(None),
                tried = trying => tried,
            };
            match tried {
                Err(OpenError::Store(error)) => watch.trouble("postgres", &error),
                Err(error) => return Err(error),
                Ok(store) => {
                    watch.healed("postgres");
                    return Ok(Some(store));
                }
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(None),
                () = env.sleep(backoff.step(env)) => {}
            }
        }
    }

    /// Whether the server answers: for readiness.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let what = "ping";
        let client = self.connection(what).await?;
        ask(&client, Ask::new("SELECT 1")).await.map(|_| ()).map_err(|failure| failure.during(what))
    }

    async fn connection(&self, what: &'static str) -> Result<Object, StoreError> {
        pool::connection(&self.pool).await.map_err(|failure| failure.during(what))
    }
}

impl Store for PostgresStore {
    type Tx = PostgresTx;

    async fn ensure_lanes(&self, processor: &'static str, lanes: i32) -> Result<(), StoreError> {
        let what = "make lanes known";
        let client = self.connection(what).await?;
        lease::ensure(&client, processor, lanes).await.map_err(|failure| failure.during(what))
    }

    async fn heartbeat(
        &self,
        processor: &'static str,
        instance: Uuid,
        lease: Duration,
    ) -> Result<Fleet, StoreError> {
        let what = "send a heartbeat";
        let client = self.connection(what).await?;
        lease::heartbeat(&client, processor, instance, lease).await.map_err(|failure| failure.during(what))
    }

    async fn leave(&self, processor: &'static str, instance: Uuid) -> Result<(), StoreError> {
        let what = "take leave";
        let client = self.connection(what).await?;
        lease::leave(&client, processor, instance).await.map_err(|failure| failure.during(what))
    }

    async fn take_lane(
        &self,
        lane: LaneId,
        instance: Uuid,
        lease: Duration,
    ) -> Result<Option<Grant>, StoreError> {
        let what = "take a lane";
        let client = self.connection(what).await?;
        lease::take(&client, lane, instance, lease).await.map_err(|failure| failure.during(what))
    }

    async fn resume(&self, fence: &Fence) -> Result<Option<Grant>, StoreError> {
        let what = "read a lane again";
        let client = self.connection(what).await?;
        lease::resume(&client, fence).await.map_err(|failure| failure.during(what))
    }

    async fn renew(&self, fence: &Fence, lease: Duration) -> Result<Renewed, StoreError> {
        let what = "renew a lane's lease";
        let client = self.connection(what).await?;
        let renewed = lease::renew(&client, fence, lease).await.map_err(|failure| failure.during(what))?;
        renewed.ok_or(StoreError::Fenced)
    }

    async fn are_complete(&self, topics: &[(&'static str, i32)]) -> Result<bool, StoreError> {
        let what = "see whether tables are complete";
        let client = self.connection(what).await?;
        lease::are_complete(&client, topics).await.map_err(|failure| failure.during(what))
    }

    async fn ahead(&self, lane: LaneId) -> Result<Vec<Ahead>, StoreError> {
        let what = "read what a lane gives again";
        let client = self.connection(what).await?;
        lease::ahead(&client, lane).await.map_err(|failure| failure.during(what))
    }

    async fn release_lane(&self, fence: &Fence) -> Result<(), StoreError> {
        let what = "give a lane back";
        let client = self.connection(what).await?;
        lease::release(&client, fence).await.map_err(|failure| failure.during(what))
    }

    async fn begin_at(
        &self,
        fence: &Fence,
        lease: Duration,
        due_max: usize,
        at: Option<Timestamp>,
    ) -> Result<PostgresTx, StoreError> {
        let client = self.connection("begin a batch").await?;
        PostgresTx::begin(client, Arc::clone(&self.layout), fence, lease, (due_max, at)).await
    }

    async fn reached(&self) -> Result<Marks, StoreError> {
        let what = "see how far the lanes have come";
        let client = self.connection(what).await?;
        lease::reached(&client).await.map_err(|failure| failure.during(what))
    }

    async fn stop_lane(&self, fence: &Fence, why: &'static str) -> Result<(), StoreError> {
        let what = "stop a lane";
        let client = self.connection(what).await?;
        let ours = lease::stop(&client, fence, why).await.map_err(|failure| failure.during(what))?;
        if ours { Ok(()) } else { Err(StoreError::Fenced) }
    }

    async fn take_shard(
        &self,
        shard: i32,
        instance: Uuid,
        lease: Duration,
    ) -> Result<Option<ShardFence>, StoreError> {
        let what = "take a relay shard";
        let client = self.connection(what).await?;
        lease::take_shard(&client, shard, instance, lease).await.map_err(|failure| failure.during(what))
    }

    async fn hold_shard(&self, fence: &ShardFence, lease: Duration) -> Result<(), StoreError> {
        let client = self.connection("hold a relay shard").await?;
        lease::hold_shard(&client, fence, lease).await
    }

    async fn release_shard(&self, fence: &ShardFence) -> Result<(), StoreError> {
        let what = "give a relay shard back";
        let client = self.connection(what).await?;
        lease::release_shard(&client, fence).await.map_err(|failure| failure.during(what))
    }

    async fn outbox(&self, shard: i32, max: usize) -> Result<Vec<OutRecord>, StoreError> {
        let what = "read the outbox";
        let client = self.connection(what).await?;
        let sql = "SELECT seq, topic, partition, key, value, headers FROM outbox WHERE shard = $1 ORDER BY seq LIMIT $2";
        let rows = Ask::new(sql).with(shard).with(i64::try_from(max).unwrap_or(i64::MAX));
        let rows = ask(&client, rows).await.map_err(|failure| failure.during(what))?;
        rows.iter()
            .map(wire::out_record)
            .collect::<Result<_, Failure>>()
            .map_err(|failure| failure.during(what))
    }

    async fn delete_outbox(&self, seqs: &[i64]) -> Result<(), StoreError> {
        let what = "delete published rows";
        let client = self.connection(what).await?;
        let delete = Ask::new("DELETE FROM outbox WHERE seq = ANY($1)").with(seqs);
        ask(&client, delete).await.map(|_| ()).map_err(|failure| failure.during(what))
    }

    async fn replays(&self) -> Result<Vec<Replay>, StoreError> {
        self.replays_asked().await
    }

    async fn beside(&self, replay: i64) -> Result<Self, StoreError> {
        let what = "make a rebuild's ledger";
        beside::open(self, replay).await.map_err(|error| beside::unusable(what, error))
    }

    async fn throw_away(&self, replay: i64) -> Result<(), StoreError> {
        beside::throw_away(self, replay).await
    }

    async fn note_replay(
        &self,
        replay: i64,
        code: Option<&str>,
        trouble: Option<&str>,
    ) -> Result<(), StoreError> {
        self.note(replay, code, trouble).await
    }

    async fn entries(&self, lane: LaneId, behind: i64, max: usize) -> Result<Vec<Entry>, StoreError> {
        self.journal_behind(lane, behind, max).await
    }

    async fn decisions_behind(&self, lane: LaneId, behind: i64) -> Result<Vec<Entry>, StoreError> {
        self.decided_behind(lane, behind).await
    }

    async fn cut_overs(&self, lane: LaneId) -> Result<Vec<Entry>, StoreError> {
        self.cut_over(lane).await
    }

    async fn table_rows(&self, behind: i64, upto: i64) -> Result<Vec<TableRow>, StoreError> {
        self.rows_between(behind, upto).await
    }
}
