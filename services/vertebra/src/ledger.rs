//! What lies in a service's ledger and waits for a person.
//!
//! Consumes the ledger in PostgreSQL; gives reports, without a byte of what was parked. [`lanes::resume`] lets a stopped
//! lane go on, [`sources::approve`] a source that asks, [`again::ask`] has records folded again, [`decide`] parked inputs tried
//! again, edited or given up, [`effects::forget`] effects forgotten that Odoo has lost; each writes down who said so and why. Nothing else here changes anything, and no ledger is made or migrated.

pub mod again;
pub mod audit;
mod behind;
pub mod codes;
pub mod damage;
pub mod decide;
pub mod effects;
pub mod lanes;
pub mod parked;
pub mod replay;
pub mod silence;
pub mod sources;
pub mod status;
mod sums;
pub(crate) mod table;

use backbone::postgres::{OpenError, PostgresSettings, PostgresStore, look};
use backbone::settings::ServiceUrl;
use backbone::store::StoreError;
use std::time::Duration;
use uuid::Uuid;

/// How long a question may take: an operator waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// A ledger cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The database has none under this name.
    #[error(
        "this database has no ledger of {service}: compare --service and --postgres-url with the service's settings"
    )]
    None {
        /// The service that was asked for.
        service: String,
    },
    /// It has no such processor.
    #[error("this ledger has no lane of {processor}: `vertebra lanes list` tells which processors there are")]
    NoProcessor {
        /// The processor that was asked for.
        processor: String,
    },
    /// It has no such wish.
    #[error("nobody has wished anything under the number {wish}")]
    NoWish {
        /// The number.
        wish: i64,
    },
    /// Nothing is parked under a number.
    #[error("nothing is parked under the number {input} (any more): `vertebra parked list` tells what is")]
    NotParked {
        /// The number that was asked for.
        input: i64,
    },
    /// Another input of its key comes first.
    #[error("{input} waits behind {first}, which is the first of its key: decide about that one")]
    NotFirst {
        /// The number that was asked for.
        input: i64,
        /// The first one of its key.
        first: i64,
    },
    /// An input of this kind has no text that could be edited.
    #[error(
        "{input} is of {topic}: only messages of raw.hl7v2.v1 are edited. Correct what it was made of (the sender's file, a code          table, the message), or discard it"
    )]
    NoText {
        /// The number that was asked for.
        input: i64,
        /// The record's topic, or a deadline.
        topic: String,
    },
    /// A parked message cannot be read as this release has it.
    #[error("the parked message {input} cannot be decoded by this release")]
    Unreadable {
        /// The number that was asked for.
        input: i64,
    },
    /// The topic is not one that the processor folds.
    #[error(
        "{processor} does not fold {topic}: docs/events.md tells who reads what, `vertebra lanes list` which projections \
         there are"
    )]
    NotFolded {
        /// The processor that was asked for.
        processor: String,
        /// The topic that was asked for.
        topic: String,
    },
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It has no such lane.
    #[error("{processor} has no lane {lane}: `vertebra lanes list` tells which there are")]
    Unknown {
        /// The processor that was asked for.
        processor: String,
        /// The lane that was asked for.
        lane: i32,
    },
}

impl LedgerError {
    /// Whether another try, later, may do.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Store(_) | Self::Open(OpenError::Store(_)))
    }
}

/// Opens the ledger of a service.
///
/// # Errors
/// When there is none, or the database does not answer.
pub async fn open(url: ServiceUrl, service: &str) -> Result<PostgresStore, LedgerError> {
    let settings = PostgresSettings {
        url,
        // A program opens one or two in its life.
        service: Box::leak(service.to_owned().into_boxed_str()),
        instance: Uuid::new_v4(),
        lease: PATIENCE,
        connections_max: 1,
    };
    let found = look::open(&settings).await?;
    found.ok_or_else(|| LedgerError::None { service: service.to_owned() })
}
