//! What the core asks of a broker: a lane's records in order, and a fenced transaction to publish in.
//!
//! Two implementations: `kafka` (the real one) and `sim` (an in-memory broker under a seeded scheduler). The core
//! never learns which one it runs on.

use crate::record::{Marks, OutRecord, Record};
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// A broker did not do what was asked; the cause is kept.
///
/// Whoever gets one lets go of the reader or producer it came from and starts again from the ledger: nothing else
/// is known to be safe after a time-out.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct BrokerError {
    /// What was being done: names of topics, partitions and offsets, never a payload.
    pub what: String,
    /// The client's own error.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl BrokerError {
    /// An error with nothing beneath it.
    pub fn new(what: impl fmt::Display) -> Self {
        Self { what: what.to_string(), source: None }
    }

    /// An error caused by another.
    pub fn caused(what: impl fmt::Display, source: impl Error + Send + Sync + 'static) -> Self {
        Self { what: what.to_string(), source: Some(Box::new(source)) }
    }
}

/// The position of a topic that was never read: the earliest record there is.
pub const BEGINNING: i64 = -1;

/// Opens a lane's partitions at given positions.
pub trait Log: Send + Sync + 'static {
    /// The reader of one lane.
    type Reader: LaneReader;

    /// Starts reading partition `lane` of every topic, each at its next offset to be read, or [`BEGINNING`].
    ///
    /// # Errors
    /// When the broker cannot be asked, or a position lies outside what the topic holds.
    fn open(
        &self,
        lane: i32,
        positions: &[(&'static str, i64)],
    ) -> impl Future<Output = Result<Self::Reader, BrokerError>> + Send;
}

/// A lane's records, each partition in its own order. Dropping it stops the reading.
pub trait LaneReader: Send {
    /// Waits at most `wait` for a first record, then takes what is already there, `max` records at most.
    ///
    /// Only committed records are returned. An empty answer means that nothing came in time, or that every partition was
    /// read to its end: [`LaneReader::is_at_end`] tells which.
    ///
    /// # Errors
    /// When the partitions can no longer be read; the reader is of no use afterwards.
    fn next(
        &mut self,
        max: usize,
        wait: Duration,
    ) -> impl Future<Output = Result<Vec<Record>, BrokerError>> + Send;

    /// Whether everything was returned that the partitions held when they were last looked at. Silence does not say so: a
    /// broker may be slow.
    fn is_at_end(&self) -> bool;

    /// The same of one topic.
    fn is_at_end_of(&self, topic: &str) -> bool;
}

/// What the broker keeps of how far the lanes of a ledger had come.
pub trait Witness: Send + Sync + 'static {
    /// How far each lane had come when anything was published last, of all relays of a service; nothing where nothing is
    /// kept.
    ///
    /// # Errors
    /// When the broker cannot be asked.
    fn marks(&self) -> impl Future<Output = Result<Marks, BrokerError>> + Send;
}

/// Makes producers that fence each other by a transactional id.
pub trait Publisher: Send + Sync + 'static {
    /// A producer that holds the fence.
    type Producer: Producer;

    /// Takes the fence (`init_transactions`): from here on nothing of an earlier holder of the same id is written.
    ///
    /// # Errors
    /// When the broker did not confirm it.
    fn fence(
        &self,
        transactional_id: &str,
    ) -> impl Future<Output = Result<Self::Producer, BrokerError>> + Send;
}

/// One fenced producer. After any error it is thrown away: there is no second transaction on it.
pub trait Producer: Send {
    /// Publishes all records in one transaction and returns when it is committed. In the same transaction it leaves the
    /// marks, for the [`Witness`] to tell.
    ///
    /// # Errors
    /// When it was not confirmed: the records may or may not be visible.
    fn publish(
        &mut self,
        records: &[OutRecord],
        marks: &Marks,
    ) -> impl Future<Output = Result<(), BrokerError>> + Send;
}
