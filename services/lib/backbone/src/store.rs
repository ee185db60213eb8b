//! What the core asks of its ledger: leases, one transaction per batch, an outbox for the relay.
//!
//! Two implementations: `postgres` (the real one) and `memory` (the same semantics in memory, for authors' tests and
//! the simulation). Every rule of delivery is written once, against this trait.

mod kept;

pub use kept::{Decision, Effect, Ended, Parked, ParkedItem, Waiting};

use crate::emission::{CounterKey, Emitted};
use crate::journal::Entry;
use crate::moment::Ahead;
use crate::projection::Row;
use crate::record::{Marks, OutRecord, Record};
use crate::replay::{Difference, Replay, Side, Standing, Which};
use crate::table::TableRow;
use crate::wish::{Outcome, Wish};
use canon::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::error::Error;
use std::ops::Range;
use std::time::Duration;
use uuid::Uuid;

/// Why the ledger did not do what was asked, by what follows from it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else owns the lane or shard, or moved it on: let go of it.
    #[error("the lease is no longer ours: another epoch or sequence holds it")]
    Fenced,
    /// Nothing was written: try again later, order kept.
    #[error("the ledger cannot be used: {what}")]
    Unavailable {
        /// What was being done.
        what: &'static str,
        /// The driver's error.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// The COMMIT was sent and its answer did not come: drop the cache, read the lane again.
    #[error("it is not known whether the transaction was committed")]
    CommitUnknown,
}

/// One lane of one projection or sink: partition `number` of every topic it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId {
    /// The projection's or sink's name.
    pub processor: &'static str,
    /// The partition.
    pub number: i32,
}

/// Both fences of a lane: who owns it, and how far they have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The lane.
    pub lane: LaneId,
    /// Rises each time the lane is taken.
    pub epoch: i64,
    /// Rises with each committed transaction (not an offset: transaction markers and compaction leave gaps).
    pub seq: i64,
}

/// What a lane's owner is told when it takes the lane, or reads it again after an unknown outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// The fence to hold.
    pub fence: Fence,
    /// The next offset to read, per topic; a topic never read is absent.
    pub positions: BTreeMap<String, i64>,
    /// The database's clock.
    pub now: Timestamp,
    /// The earliest deadline of the lane.
    pub next_due: Option<Timestamp>,
    /// How often the lane was taken since its last commit: the crash counter.
    pub attempts: i32,
    /// The input that was being tried alone when the process died.
    pub trial: Option<Trial>,
    /// Whether the lane is stopped, until a person resumes it.
    pub stopped: bool,
    /// Until when records are read again that a recovered ledger had forgotten.
    pub reread_until: Option<Timestamp>,
}

/// An input run alone, since batches with it in them kept crashing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Its topic; of a deadline its key, behind a word and a blank, which no topic's name holds.
    pub topic: String,
    /// Its offset in the lane's partition; of a deadline its time in microseconds.
    pub offset: i64,
}

impl Trial {
    /// A record that is tried alone.
    pub(crate) fn of(record: &Record) -> Self {
        Self { topic: record.topic.to_owned(), offset: record.offset }
    }

    /// A deadline that is tried alone.
    pub(crate) fn deadline(key: &str, at: Timestamp) -> Self {
        Self { topic: format!("deadline {key}"), offset: at.0 }
    }
}

/// Who is alive and who owns what, for sharing lanes out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fleet {
    /// Instances whose heartbeat has not expired, in order.
    pub instances: Vec<Uuid>,
    /// For each lane in order: its owner, when its lease has not expired.
    pub owners: Vec<Option<Uuid>>,
}

/// A lane's heartbeat was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewed {
    /// The database's clock.
    pub now: Timestamp,
    /// The earliest deadline of the lane.
    pub next_due: Option<Timestamp>,
    /// The place of the latest row among those of the service's tables.
    pub tables: i64,
    /// Whether a person wants something done in the lane.
    pub wish: bool,
    /// Whether the lane is stopped.
    pub stopped: bool,
}

/// A relay shard and the epoch it is held under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardFence {
    /// The shard: output partition modulo the number of shards.
    pub shard: i32,
    /// Rises each time the shard is taken.
    pub epoch: i64,
}

/// The ledger of one service.
pub trait Store: Clone + Send + Sync + 'static {
    /// One transaction on it.
    type Tx: Tx;

    /// Makes the lanes known; those already there are left as they are.
    fn ensure_lanes(
        &self,
        processor: &'static str,
        lanes: i32,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Says that an instance is alive, and tells who else is.
    fn heartbeat(
        &self,
        processor: &'static str,
        instance: Uuid,
        lease: Duration,
    ) -> impl Future<Output = Result<Fleet, StoreError>> + Send;

    /// Says that an instance is going away.
    fn leave(
        &self,
        processor: &'static str,
        instance: Uuid,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Takes a lane whose lease is free or has expired by the database's clock; raises its epoch.
    fn take_lane(
        &self,
        lane: LaneId,
        instance: Uuid,
        lease: Duration,
    ) -> impl Future<Output = Result<Option<Grant>, StoreError>> + Send;

    /// Reads a lane again under the epoch held; nothing if somebody else holds it now.
    fn resume(&self, fence: &Fence) -> impl Future<Output = Result<Option<Grant>, StoreError>> + Send;

    /// Renews a lane's lease without work done.
    fn renew(
        &self,
        fence: &Fence,
        lease: Duration,
    ) -> impl Future<Output = Result<Renewed, StoreError>> + Send;

    /// Whether every partition of these tables' topics was read to its end once: before that a lookup finds missing
    /// what has only not been read yet.
    fn are_complete(
        &self,
        topics: &[(&'static str, i32)],
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The commands that a recovered ledger took over and that the lane has not given again, in the order in which they were given.
    fn ahead(&self, lane: LaneId) -> impl Future<Output = Result<Vec<Ahead>, StoreError>> + Send;

    /// Gives a lane back, so that another may take it at once; clears its crash counter.
    fn release_lane(&self, fence: &Fence) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Begins a batch's transaction. Its first statement moves the lane's row from the fence's sequence to the next,
    /// under the fence's epoch, and renews the lease; it reads the clock and at most `due_max` deadlines that are due.
    fn begin(
        &self,
        fence: &Fence,
        lease: Duration,
        due_max: usize,
    ) -> impl Future<Output = Result<Self::Tx, StoreError>> + Send {
        self.begin_at(fence, lease, due_max, None)
    }

    /// The same, and the batch's clock is not past a time: what was due after it is not due yet. Behind the lane's last
    /// batch it never is.
    fn begin_at(
        &self,
        fence: &Fence,
        lease: Duration,
        due_max: usize,
        at: Option<Timestamp>,
    ) -> impl Future<Output = Result<Self::Tx, StoreError>> + Send;

    /// How far every lane has come: the sequence of its last committed transaction.
    fn reached(&self) -> impl Future<Output = Result<Marks, StoreError>> + Send;

    /// Stops a lane until a person resumes it, and changes nothing else of it: its sequence least of all.
    fn stop_lane(
        &self,
        fence: &Fence,
        why: &'static str,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Takes a relay shard that is free or expired; raises its epoch.
    fn take_shard(
        &self,
        shard: i32,
        instance: Uuid,
        lease: Duration,
    ) -> impl Future<Output = Result<Option<ShardFence>, StoreError>> + Send;

    /// Renews a shard's lease; `Fenced` when its epoch is another one.
    fn hold_shard(
        &self,
        fence: &ShardFence,
        lease: Duration,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Gives a shard back.
    fn release_shard(&self, fence: &ShardFence) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The lowest rows of a shard's outbox, by sequence. Never by a cursor: a lower one may become visible later.
    fn outbox(
        &self,
        shard: i32,
        max: usize,
    ) -> impl Future<Output = Result<Vec<OutRecord>, StoreError>> + Send;

    /// Deletes rows that were published.
    fn delete_outbox(&self, seqs: &[i64]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Rebuilds that were asked for, and those that are over and not yet thrown away.
    fn replays(&self) -> impl Future<Output = Result<Vec<Replay>, StoreError>> + Send;

    /// The ledger of a rebuild, beside this one; made when it is not there.
    fn beside(&self, replay: i64) -> impl Future<Output = Result<Self, StoreError>> + Send;

    /// Throws the ledger of a rebuild away.
    fn throw_away(&self, replay: i64) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Notes by which code a rebuild is made, and what holds it up.
    fn note_replay(
        &self,
        replay: i64,
        code: Option<&str>,
        trouble: Option<&str>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// A lane's journal behind an entry, in order.
    fn entries(
        &self,
        lane: LaneId,
        behind: i64,
        max: usize,
    ) -> impl Future<Output = Result<Vec<Entry>, StoreError>> + Send;

    /// Entries of a lane's journal behind one by which people decided about inputs, in order.
    fn decisions_behind(
        &self,
        lane: LaneId,
        behind: i64,
    ) -> impl Future<Output = Result<Vec<Entry>, StoreError>> + Send;

    /// Entries of a lane's journal that are cutovers, in order.
    fn cut_overs(&self, lane: LaneId) -> impl Future<Output = Result<Vec<Entry>, StoreError>> + Send;

    /// The tables' rows behind a place and up to another one, in order.
    fn table_rows(
        &self,
        behind: i64,
        upto: i64,
    ) -> impl Future<Output = Result<Vec<TableRow>, StoreError>> + Send;
}

/// One batch's transaction, holding the lane's row. Dropped without commit, it is rolled back.
pub trait Tx: Send {
    /// The batch's clock: the database's, never behind the lane's last batch.
    fn now(&self) -> Timestamp;

    /// Deadlines due at the batch's clock, ordered by (deadline, key).
    fn due(&self) -> &[(Timestamp, String)];

    /// The place of the latest row among those of the service's tables, when the transaction began.
    fn tables(&self) -> i64;

    /// What a person wants done in the lane next.
    fn intent(&mut self) -> impl Future<Output = Result<Option<Intent>, StoreError>> + Send;

    /// The facts that records of a topic stated, by their offsets in the lane's partition.
    fn stated(
        &mut self,
        topic: &str,
        offsets: Range<i64>,
    ) -> impl Future<Output = Result<Vec<Emitted>, StoreError>> + Send;

    /// Reads parked inputs of the lane by their numbers, each with its whole chain, in park order. Numbers that are not
    /// there are left out.
    fn parked(
        &mut self,
        numbers: &[i64],
    ) -> impl Future<Output = Result<Vec<(i64, Parked)>, StoreError>> + Send;

    /// What people decided of records of a topic, by their offsets in the lane's partition: the value that one got, or
    /// nothing where it was given up.
    fn decisions(
        &mut self,
        topic: &str,
        offsets: Range<i64>,
    ) -> impl Future<Output = Result<BTreeMap<i64, Option<Vec<u8>>>, StoreError>> + Send;

    /// Reads what has come to the tables, and what of the lane was waiting for it.
    fn news(&mut self, ask: &AskNews) -> impl Future<Output = Result<News, StoreError>> + Send;

    /// Loads states and chains of keys, and what is known of identities.
    fn load(&mut self, want: &Want) -> impl Future<Output = Result<Loaded, StoreError>> + Send;

    /// Locks the version counters of these keys, in the order given (which is sorted), and reads them.
    fn lock_counters(
        &mut self,
        keys: &[CounterKey],
    ) -> impl Future<Output = Result<BTreeMap<CounterKey, i64>, StoreError>> + Send;

    /// Reads the emission ledger; call it after the counters are locked.
    fn emitted(
        &mut self,
        facts: &[Uuid],
    ) -> impl Future<Output = Result<HashMap<Uuid, Emitted>, StoreError>> + Send;

    /// Reads the effect ledger of a sink.
    fn effects(
        &mut self,
        commands: &[Uuid],
    ) -> impl Future<Output = Result<HashMap<Uuid, Effect>, StoreError>> + Send;

    /// Writes a batch's changes; outbox sequences are drawn here, in the order of the rows. Returns the lane's
    /// earliest deadline after them.
    fn write(
        &mut self,
        changes: Changes,
    ) -> impl Future<Output = Result<Option<Timestamp>, StoreError>> + Send;

    /// Commits.
    fn commit(self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Parked inputs of the lane, with their numbers, in park order.
    fn parked_of(
        &mut self,
        which: &Which,
    ) -> impl Future<Output = Result<Vec<(i64, Parked)>, StoreError>> + Send;

    /// Takes the lane of a rebuild's ledger along, to the end of the transaction: whoever follows into it is fenced off. Nothing
    /// when there is no such rebuild of the lane.
    fn take_along(
        &mut self,
        replay: i64,
    ) -> impl Future<Output = Result<Option<Standing>, StoreError>> + Send;

    /// Has the calls that follow be about the ledger that was taken along, or about the service's own again.
    fn turn(&mut self, side: Side) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Keys that have a state, in order, behind one; of all lanes.
    fn keys(
        &mut self,
        behind: &str,
        max: usize,
    ) -> impl Future<Output = Result<Vec<String>, StoreError>> + Send;

    /// A key's deadline in the lane.
    fn deadline(&mut self, key: &str) -> impl Future<Output = Result<Option<Timestamp>, StoreError>> + Send;

    /// The lane's deadlines.
    fn deadlines(&mut self) -> impl Future<Output = Result<BTreeMap<String, Timestamp>, StoreError>> + Send;

    /// Facts of the lane that this ledger and the one taken along have otherwise: what is in force in one of them and is not,
    /// or is something else, in the other. Those that an author made of a command that should have been another one are of
    /// no lane.
    fn differing(&mut self) -> impl Future<Output = Result<Vec<Difference>, StoreError>> + Send;
}

/// The topic under which a rebuild's ledger keeps how far it has followed the lane's journal.
pub(crate) const FOLLOWED: &str = "journal";
/// The one under which it keeps that it had taken an input about which a person decided afterwards: 1.
pub(crate) const MISSED: &str = "missed";
/// The one under which it keeps whether the lane was cut over: 1, or 0.
pub(crate) const CUT_OVER: &str = "cut over";

/// What a person wants done in a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Its number.
    pub id: i64,
    /// What is wanted; nothing when this build does not know it.
    pub wish: Option<Wish>,
    /// How often it was begun by an owner of the lane that did not come to its end.
    pub tries: i32,
    /// What is parked in the lane: topic and offset.
    pub parked: BTreeSet<(String, i64)>,
}

/// What a batch asks of the tables.
#[derive(Clone, Copy, Debug, Default)]
pub struct AskNews {
    /// Rows after this place and up to [`Tx::tables`] are wanted.
    pub after: i64,
    /// Parked inputs that wait for a row up to this place are wanted, each with its chain.
    pub waiting_upto: i64,
    /// No further chain is begun when so many inputs are found; none at all where it is zero.
    pub released_max: usize,
}

/// What has come to the tables.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// Rows, in their order.
    pub rows: Vec<TableRow>,
    /// Parked inputs whose wait is over, with their chains, in park order; each with its number in the ledger.
    pub released: Vec<(i64, Parked)>,
    /// Whether there are more of them.
    pub more: bool,
}

/// What a batch needs to see before it folds.
#[derive(Clone, Debug, Default)]
pub struct Want {
    /// Keys whose state and chain are wanted.
    pub keys: Vec<String>,
    /// Identities (name, id) of facts without versions.
    pub identities: Vec<(String, Uuid)>,
}

/// What the ledger holds of it.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// States by key; a key never seen is absent.
    pub states: HashMap<String, StoredState>,
    /// Keys with a parked chain.
    pub parked: HashSet<String>,
    /// For each name wanted: the ids seen under it.
    pub seen: HashMap<String, HashSet<Uuid>>,
}

/// A state as it is kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredState {
    /// The last version received of this key, per topic.
    pub versions: BTreeMap<String, i64>,
    /// The state as JSON.
    pub body: serde_json::Value,
}

/// Everything one batch writes.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// States by key, whole.
    pub states: Vec<(String, StoredState)>,
    /// Keys whose states are there no more.
    pub states_gone: Vec<String>,
    /// Deadlines set or cleared.
    pub deadlines: Vec<(String, Option<Timestamp>)>,
    /// Identities seen.
    pub seen: Vec<(String, Uuid)>,
    /// Inputs parked, in order.
    pub parked: Vec<Parked>,
    /// Numbers of parked inputs that are parked no longer.
    pub unparked: Vec<i64>,
    /// What a person decided of parked records.
    pub decisions: Vec<Decision>,
    /// What a table's topic said, in order; places are given by the store, and versions known already are left out.
    pub tables: Vec<TableRow>,
    /// A partition of a table's topic that was read to its end.
    pub tables_complete: Option<(String, i32)>,
    /// Counters that moved.
    pub counters: Vec<(CounterKey, i64)>,
    /// Emission ledger rows.
    pub emitted: Vec<Emitted>,
    /// Records to publish; their `seq` is drawn by the store.
    pub outbox: Vec<OutRecord>,
    /// Report rows to write.
    pub rows: Vec<Row>,
    /// Report rows to delete: table, row.
    pub rows_gone: Vec<(&'static str, String)>,
    /// Effects of a sink.
    pub effects: Vec<Effect>,
    /// Next offsets to read.
    pub positions: BTreeMap<String, i64>,
    /// The journal's entry; sinks have none.
    pub journal: Option<Entry>,
    /// An intent that was carried out, and what came of it.
    pub ended: Option<(i64, Outcome)>,
    /// An intent that is begun.
    pub begun: Option<i64>,
    /// Why the lane stops here.
    pub stop: Option<String>,
    /// What a recovered ledger had forgotten has been read again.
    pub reread_over: bool,
    /// A command that the lane did not give again at its moment, and does not try to once more.
    pub left: Option<Uuid>,
    /// The crash counter to leave behind: 0 after an ordinary batch.
    pub attempts: i32,
    /// The input that will be tried alone next.
    pub trial: Option<Trial>,
    /// What a source keeps; nothing in a batch of a projection or sink.
    pub source: Option<crate::source::SourceChanges>,
}
