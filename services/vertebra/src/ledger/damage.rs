//! A topic that was damaged: its records were cut off or it was made anew, and readers stand outside of what it holds.
//!
//! Its one producer says once more what it said last of every fact, out of its ledger; its readers read it from where it
//! begins, and drop what they have. What was never in a ledger (`raw.*`) is its sender's to send again.

use super::{LedgerError, table};
use backbone::contract::Contract;
use backbone::edge::BrokerError;
use backbone::kafka::Admin;
use backbone::postgres::operate::{self, Asker};
use backbone::postgres::restate::{self, Restated};
use backbone::postgres::{PostgresStore, look};
use canon::Catalog;
use serde::Serialize;
use std::fmt;

/// Nothing can be done about a topic.
#[derive(Debug, thiserror::Error)]
pub enum DamageError {
    /// Kafka does not answer.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The ledger does not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The service does not write it.
    #[error("{service} does not write {topic}: docs/events.md tells who does")]
    NotWritten {
        /// The service that was asked for.
        service: String,
        /// The topic.
        topic: String,
    },
}

impl DamageError {
    /// Whether another try, later, may do.
    pub fn is_away(&self) -> bool {
        match self {
            Self::Broker(_) => true,
            Self::Ledger(error) => error.is_away(),
            Self::NotWritten { .. } => false,
        }
    }
}

/// Lanes that stand outside of what a topic holds.
#[derive(Clone, Debug, Serialize)]
pub struct Reread {
    /// The topic.
    pub topic: String,
    /// The lanes.
    pub lanes: Vec<Outside>,
    /// Whether they were moved.
    pub done: bool,
}

/// A lane that stands outside of what its partition holds.
#[derive(Clone, Debug, Serialize)]
pub struct Outside {
    /// The processor.
    pub processor: String,
    /// Its number.
    pub lane: i32,
    /// The next offset it wants.
    pub next: i64,
    /// The lowest one that is there, which it is moved to.
    pub low: i64,
    /// The end.
    pub end: i64,
}

/// What a producer said once more, or would.
#[derive(Clone, Debug, Serialize)]
pub struct Said {
    /// The topic.
    pub topic: String,
    /// Facts.
    pub facts: u64,
    /// Commands that were amended since.
    pub left_out: u64,
    /// Whether it was done.
    pub done: bool,
}

/// Has the lanes of a service that stand outside of what a topic holds read it from where it begins.
///
/// # Errors
/// When Kafka or the ledger does not answer.
pub async fn reread(
    store: &PostgresStore,
    admin: &Admin,
    topic: &str,
    asker: Option<Asker<'_>>,
) -> Result<Reread, DamageError> {
    let held = admin.held(topic).await?;
    let mut lanes = Vec::new();
    for processor in look::processors(store).await.map_err(LedgerError::Store)? {
        let positions = look::positions(store, &processor).await.map_err(LedgerError::Store)?;
        for ((lane, of), next) in positions {
            let Some(held) = held.get(&lane).filter(|_| of == topic) else { continue };
            if (held.low..=held.end).contains(&next) {
                continue;
            }
            let outside = Outside { processor: processor.clone(), lane, next, low: held.low, end: held.end };
            if let Some(asker) = asker {
                let moved = operate::move_lane(store, (&processor, lane), topic, held.low, asker).await;
                moved.map_err(LedgerError::Store)?;
            }
            lanes.push(outside);
        }
    }
    Ok(Reread { topic: topic.to_owned(), lanes, done: asker.is_some() })
}

/// Has a service publish every fact of a topic once more.
///
/// # Errors
/// When the service does not write the topic, or the ledger does not answer.
pub async fn restate(
    store: &PostgresStore,
    service: &str,
    topic: &str,
    asker: Option<Asker<'_>>,
) -> Result<Said, DamageError> {
    let catalog = Catalog::builtin();
    if !catalog.topic(topic).is_some_and(|topic| topic.is_written_by(service)) {
        return Err(DamageError::NotWritten { service: service.to_owned(), topic: topic.to_owned() });
    }
    let contract = Contract::of(catalog);
    let Restated { facts, left_out } =
        restate::restate(store, service, topic, &contract, asker).await.map_err(LedgerError::Store)?;
    Ok(Said { topic: topic.to_owned(), facts, left_out, done: asker.is_some() })
}

impl fmt::Display for Reread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, lanes, done } = self;
        if lanes.is_empty() {
            return write!(f, "every lane stands within what {topic} holds");
        }
        let row = |outside: &Outside| {
            let numbers = [outside.next, outside.low, outside.end].map(|number| number.to_string());
            let [next, low, end] = numbers;
            [outside.processor.clone(), outside.lane.to_string(), next, low, end]
        };
        let rows: Vec<[String; 5]> = lanes.iter().map(row).collect();
        table::write(f, ["processor", "lane", "stands at", "first there", "end"], &rows)?;
        match done {
            true => write!(f, "{} lanes read {topic} from where it begins", lanes.len()),
            false => {
                write!(f, "a dry run: nothing was changed; --yes has them read {topic} from where it begins")
            }
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, facts, left_out, done } = self;
        if *left_out > 0 {
            writeln!(
                f,
                "{left_out} commands were amended since and are left out: what was given is not kept"
            )?;
        }
        match done {
            true => write!(f, "{facts} facts of {topic} are published once more"),
            false => write!(f, "{facts} facts of {topic} would be published once more: --yes does it"),
        }
    }
}
