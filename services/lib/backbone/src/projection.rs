//! What an author of a projection writes: a pure fold over facts, and nothing about offsets or commits.
//!
//! The runtime reads a lane's facts in order, loads the states they touch, folds, and commits state, emissions,
//! deadlines, report rows, parked records, journal and offsets in one PostgreSQL transaction under the lane's epoch.

use crate::contract::Schemas;
use crate::emission::{Draft, Outbox};
use crate::fact::Fact;
use crate::reject::Reject;
use crate::table::{Absent, Book};
use canon::event::{Event, Name};
use canon::key::Key;
use canon::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::Arc;

/// A fold of facts, one state per key.
///
/// The state is kept as JSON, one row per key; evolve it with `#[serde(default)]`.
pub trait Projection:
    Clone + Default + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// The projection's name: of its tables, its lanes and its lag; lower case with hyphens, fixed for life.
    const NAME: &'static str;
    /// The key type of every topic it folds.
    type Key: Key;
    /// What the installation configures of it; `()` when nothing. The journal records which one was in force.
    type Setup: fmt::Debug + Send + Sync + 'static;

    /// The deadline asked for with [`Cx::wake`] has passed.
    ///
    /// # Errors
    /// A [`Reject`] parks the deadline; state and emissions stay as they were.
    fn woken(&mut self, key: &Self::Key, cx: &mut Cx<'_, Self::Setup>) -> Result<(), Reject> {
        let _ = (key, cx);
        Ok(())
    }

    /// The rows that people read of this state; the runtime writes the difference to those of the state before.
    /// A state that equals the default must have none: a key's first rows are compared with the default's.
    fn report(&self, key: &Self::Key, rows: &mut Rows) {
        let _ = (key, rows);
    }
}

/// How a projection folds one kind of fact. A fact of another key type than the projection's does not compile.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not fold `{E}`",
    note = "write `impl On<{E}> for {Self}`; the event's key type must be the projection's `Key`"
)]
pub trait On<E: Event<Key = <Self as Projection>::Key>>: Projection {
    /// Folds one fact. It sees each fact once, and the facts of one key and topic in their order.
    ///
    /// # Errors
    /// A [`Reject`] parks the fact, and later facts of its key behind it; state and emissions stay as they were.
    fn on(&mut self, fact: &Fact<E>, cx: &mut Cx<'_, Self::Setup>) -> Result<(), Reject>;
}

/// What a fold may do besides changing its state: no I/O, no clock, no randomness.
pub struct Cx<'a, S> {
    pub(crate) now: Timestamp,
    pub(crate) setup: &'a S,
    pub(crate) schemas: &'a Schemas,
    pub(crate) book: &'a Book,
    pub(crate) out: &'a mut Outbox,
}

impl<S> Cx<'_, S> {
    /// States a fact under a name that the author gives it.
    ///
    /// If the latest revision of that name has the same content nothing happens; other content makes a further
    /// revision. A command (by the catalog) is immutable: a second content under its name rejects the input.
    pub fn emit<E: Event>(&mut self, name: Name, key: &E::Key, event: E) {
        self.out.push(Draft::emit(name, key, event));
    }

    /// Takes back what was stated under a name: published as withdrawn, on a compacted topic as a tombstone.
    pub fn retract<E: Event>(&mut self, name: Name, key: &E::Key) {
        self.out.push(Draft::retract::<E>(name, key));
    }

    /// Asks to be woken at a time. One deadline per key, the last one asked for wins, a past one fires next.
    pub fn wake(&mut self, at: Timestamp) {
        self.out.wake = Some(at);
    }

    /// The value of a key in a table declared with [`Folding::knows`](crate::Folding::knows), as of this batch.
    ///
    /// # Errors
    /// [`Absent`] tells a row that was taken back from one that never was. With `?` it parks the input until a record
    /// of that very key comes, and the inputs of its key behind it; match on it to go on without.
    pub fn lookup<E: Event>(&self, key: &E::Key) -> Result<Arc<E>, Absent> {
        self.book.lookup(key, self.schemas)
    }

    /// The batch's clock: the database's, never behind an earlier batch of this lane.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// What the installation configured.
    pub fn setup(&self) -> &S {
        self.setup
    }
}

/// A table for people: typed columns, one primary key `row`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// The table's name within the service's schema, without prefix.
    pub name: &'static str,
    /// Column names and types, in order.
    pub columns: &'static [(&'static str, Column)],
}

/// The type of a report column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// `boolean`.
    Bool,
    /// `bigint`.
    Integer,
    /// `numeric(18,4)`.
    Money,
    /// `text`.
    Text,
    /// `timestamptz`, from RFC 3339 text.
    Time,
}

/// One kind of report row.
pub trait ReportRow: Serialize {
    /// Its table; the serialized fields are its columns.
    const TABLE: Table;
    /// The row's primary key, unique in the table.
    fn row(&self) -> String;
}

/// One report row as the stores keep it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The table's name.
    pub table: &'static str,
    /// The primary key.
    pub row: String,
    /// The columns, as a JSON object.
    pub columns: serde_json::Value,
}

/// Collects the rows of one state.
#[derive(Debug, Default)]
pub struct Rows {
    pub(crate) rows: Vec<Row>,
}

impl Rows {
    /// Adds a row.
    pub fn put<R: ReportRow>(&mut self, row: &R) {
        let columns = serde_json::to_value(row).unwrap_or(serde_json::Value::Null);
        self.rows.push(Row { table: R::TABLE.name, row: row.row(), columns });
    }
}
