//! What an author of a source writes: the next page of the world's rows and the cursor after it.
//!
//! A source consumes a world that is asked (a database, an API, a folder) and publishes, through the outbox, the facts
//! that its rows state; it changes nothing in the world. The runtime owes: one owner at a time, by a lease; cursor,
//! what each row states and outbox in one transaction under that lease; nothing published for unchanged content; what
//! a row states no more withdrawn; rows that are gone withdrawn by a sweep, and a person asked before a sweep takes
//! away much.

pub(crate) mod lane;
mod ledger;
mod notice;
mod page;
#[cfg(test)]
mod tests;

pub use crate::rig::SourceRig;
pub use lane::{Pulled, SourceLimits};
pub use ledger::{
    Approval, FactKnown, Hold, Known, Refusal, RowKnown, SourceChanges, SourceTx, Standing, Swept,
};
pub use page::Bounds;

use crate::emission::{Draft, Remark, mark};
use crate::reject::Reject;
use crate::sink::Unavailable;
use canon::event::{Event, Name};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A world that is asked for its rows, page by page.
///
/// The cursor is kept as JSON; evolve it with `#[serde(default)]`.
pub trait Source: Send + Sync + 'static {
    /// The source's name: of its lease, its rows in the ledger and its metrics; fixed for life. No projection or sink
    /// of the service has it too.
    const NAME: &'static str;
    /// Where the next page begins, and whatever else has to be remembered from page to page.
    type Cursor: Clone + Default + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static;

    /// The page after the cursor. Called again and again, by one instance at a time; may be called again with a cursor
    /// it was called with before, after a failure, and is dropped in the middle when the service drains. One call may
    /// take five minutes at most. `at` is for a sweep that begins with this call: see [`Sweep`].
    ///
    /// # Errors
    /// The world cannot be asked now: tried again in place, with back-off. A row that is wrong is no error of the
    /// page: say it with [`SourceRow::refused`].
    fn next(
        &self,
        cursor: &Self::Cursor,
        at: Mark,
    ) -> impl Future<Output = Result<Page<Self::Cursor>, Unavailable>> + Send;
}

/// A moment of a source's own past. It may be kept in the cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mark(pub(crate) i64);

/// What one call found: a few hundred rows are a good page.
pub struct Page<C> {
    /// Rows that are there, in their order: of a row found twice, and of a name stated twice, the last one holds.
    pub rows: Vec<SourceRow>,
    /// Where to go on.
    pub cursor: C,
    /// Sweeps that ended with this page.
    pub sweep: Vec<Sweep>,
    /// How long to wait before the next call; zero: there is more.
    pub wait: Duration,
}

impl<C> Page<C> {
    /// Rows, and where to go on at once.
    pub fn new(rows: Vec<SourceRow>, cursor: C) -> Self {
        Self { rows, cursor, sweep: Vec::new(), wait: Duration::ZERO }
    }

    /// Nothing more now: the next call comes after a while.
    #[must_use]
    pub fn then_wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// A sweep ended with this page.
    #[must_use]
    pub fn swept(mut self, sweep: Sweep) -> Self {
        self.sweep.push(sweep);
        self
    }
}

/// One row of the world and all it states. What it stated before and does not state now is withdrawn.
pub struct SourceRow {
    pub(crate) kind: &'static str,
    pub(crate) id: String,
    pub(crate) says: Result<Vec<Draft>, Reject>,
}

impl SourceRow {
    /// A row, by its kind (a table's or model's name) and its identity there: technical ones, never patient data, since
    /// both are told in notices and headers. As it is made it says nothing to us.
    pub fn new(kind: &'static str, id: impl Into<String>) -> Self {
        Self { kind, id: storable(id.into()), says: Ok(Vec::new()) }
    }

    /// A row that cannot be stated. It is told of once on `ops.dead-letter.v1`, and what it stated before stays.
    pub fn refused(kind: &'static str, id: impl Into<String>, why: Reject) -> Self {
        let detail = storable(why.detail);
        Self { kind, id: storable(id.into()), says: Err(Reject { detail, ..why }) }
    }

    /// The row states a fact, under a name that the author gives it. A name belongs to the row that stated it last: a
    /// row that stated it before and is gone, or says something else now, does not take it away from that one.
    #[must_use]
    pub fn states<E: Event>(mut self, name: Name, key: &E::Key, event: E) -> Self {
        if let Ok(drafts) = &mut self.says {
            drafts.push(Draft::emit(name, key, event));
        }
        self
    }
}

/// PostgreSQL's text cannot hold a NUL: a row that has one must not hold its page for ever.
fn storable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

/// The end of looking through everything of a kind: rows known when it began and not found are gone, and what they
/// stated is withdrawn.
///
/// Found is what `present` names, and every row that was in a page since `began`; so a sweep may be one list of ids, or
/// a second reading of all rows with nothing in `present`. If much is gone, the source stops and asks a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// The kind of rows.
    pub kind: &'static str,
    /// Identities that were found.
    pub present: BTreeSet<String>,
    /// The mark of the call that the sweep began with: `at` of this call, or one that was kept in the cursor.
    pub began: Mark,
}

/// Declares a source and what its rows state.
pub struct Sourcing<S> {
    pub(crate) source: S,
    pub(crate) topics: BTreeMap<&'static str, Stated>,
}

/// A kind of fact that a source states: its schema, and how one is taken back.
#[derive(Clone, Copy)]
pub(crate) struct Stated {
    pub(crate) schema: &'static str,
    pub(crate) withdraw: Remark,
}

impl<S: Source> Sourcing<S> {
    /// Starts a declaration.
    pub fn new(source: S) -> Self {
        Self { source, topics: BTreeMap::new() }
    }

    /// Rows state a kind of fact. Keep the declaration of one that is stated no more, until all of it is withdrawn.
    #[must_use]
    pub fn states<E: Event>(mut self) -> Self {
        self.topics.insert(E::TOPIC, Stated { schema: E::SCHEMA, withdraw: mark::<E> });
        self
    }

    pub(crate) fn outputs(&self) -> Vec<(&'static str, &'static str)> {
        self.topics.iter().map(|(topic, stated)| (*topic, stated.schema)).collect()
    }
}

impl Unavailable {
    /// Because of an error.
    pub fn because(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { source: Some(Box::new(source)) }
    }
}
