//! What a source keeps in the ledger: its cursor, the rows it knows, who states which fact, and what a person is asked.
//!
//! All of it is read and written in the transaction that holds the source's lane, so it needs no locks of its own.

use crate::reject::Reason;
use crate::source::Mark;
use crate::store::{StoreError, Tx};
use canon::time::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// A transaction of a source's lane; whose source it is, the fence says.
pub trait SourceTx: Tx {
    /// Reads where the source stands.
    fn standing(&mut self) -> impl Future<Output = Result<Standing, StoreError>> + Send;

    /// Holds a sweep against the rows known before it began.
    fn swept(
        &mut self,
        kind: &str,
        began: Mark,
        present: &[&str],
    ) -> impl Future<Output = Result<Swept, StoreError>> + Send;

    /// Reads rows by (kind, id), and facts: those that these rows own, and those asked for.
    fn known(
        &mut self,
        rows: &[(String, String)],
        facts: &[Uuid],
    ) -> impl Future<Output = Result<Known, StoreError>> + Send;
}

/// Where a source stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// Its cursor as JSON; nothing before its first page.
    pub cursor: Option<Value>,
    /// What a person is asked, by kind.
    pub holds: BTreeMap<String, Hold>,
}

/// A sweep that would withdraw too much to be done unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// How many rows are gone.
    pub gone: i64,
    /// Of how many that were known when the sweep began.
    pub known: i64,
    /// When it was asked first, or with these numbers.
    pub asked_at: Timestamp,
    /// How many a person lets go, once. Written by [`Approval`] only.
    pub approved: Option<i64>,
}

/// A sweep held against what is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many rows of the kind were known when it began.
    pub known: i64,
    /// Those of them that were neither found nor in a page since, in order.
    pub gone: Vec<String>,
}

/// Rows and facts that were asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    /// Rows by (kind, id).
    pub rows: HashMap<(String, String), RowKnown>,
    /// Facts by identity.
    pub facts: HashMap<Uuid, FactKnown>,
}

/// A row of the world that is known to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowKnown {
    /// The lane's sequence when it was in a page last.
    pub seen_seq: i64,
    /// Why it could not be stated, when it could not.
    pub refused: Option<Refusal>,
}

/// Why a row could not be stated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The class.
    pub reason: Reason,
    /// In words, without patient data.
    pub detail: String,
}

/// A fact that a row states. A name has one owner at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactKnown {
    /// The fact's identity.
    pub fact: Uuid,
    /// The kind and identity of the row that stated it last.
    pub row: (String, String),
    /// Its topic.
    pub topic: String,
    /// Its name.
    pub name: String,
    /// Its key.
    pub key: String,
}

/// What one page changes, besides emissions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceChanges {
    /// The cursor after the page.
    pub cursor: Option<Value>,
    /// Rows that are there.
    pub rows: Vec<((String, String), RowKnown)>,
    /// Rows that are gone.
    pub rows_gone: Vec<(String, String)>,
    /// Facts and who states them now.
    pub facts: Vec<FactKnown>,
    /// Facts that nobody states any more.
    pub facts_gone: Vec<Uuid>,
    /// What a person is asked; approvals stay as they are.
    pub holds: Vec<(String, Hold)>,
    /// Kinds nobody has to be asked about any more: an approval goes with the question.
    pub holds_gone: Vec<String>,
}

/// Lets a source go on that stopped and asked.
pub trait Approval {
    /// Approves that a sweep withdraws up to `gone` rows of a kind, once. Answers whether the source was asking.
    ///
    /// # Errors
    /// When the ledger cannot be used.
    fn approve(
        &self,
        source: &str,
        kind: &str,
        gone: i64,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}
