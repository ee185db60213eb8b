//! The whole way of one business fact: through topics, ledgers and Odoo, in order of time, each step with its cause.
//!
//! Consumes topics from a time on, every ledger of a database and, when one is given, Odoo; changes nothing. What people type
//! is made a token at once and is never told. A patient's data are shown only to somebody who says why, and that is kept.

mod found;
mod ledgers;
mod odoo;
mod page;
mod subject;
mod topics;
mod way;

pub use odoo::OdooAt;
pub use page::{Looked, Step, Trace};
pub use subject::{As, Subject, Taken, since};
pub(crate) use topics::ensure;

use crate::ledger::{LedgerError, open};
use backbone::edge::BrokerError;
use backbone::kafka::KafkaSettings;
use backbone::postgres::operate::{self, Asker};
use backbone::postgres::{PostgresStore, look};
use backbone::registry::Registry;
use backbone::settings::ServiceUrl;
use canon::{Timestamp, Tokenizer};

/// What is asked.
pub struct Question<'a> {
    /// What a person typed.
    pub subject: &'a Subject,
    /// Records before this time are not looked at.
    pub since: Timestamp,
    /// Makes tokens; without, only what is one already, or no identifier of a patient, is understood.
    pub tokens: Option<&'a Tokenizer>,
    /// The authority of a visit's or an account's number; without, every one that a sender's file names.
    pub authority: Option<&'a str>,
    /// Shows patients' data to somebody, for a reason.
    pub reveal: Option<Asker<'a>>,
}

/// Where is looked.
pub struct Places<'a> {
    /// The topics.
    pub kafka: &'a KafkaSettings,
    /// Their schemas.
    pub registry: &'a Registry,
    /// The ledgers.
    pub ledgers: &'a ServiceUrl,
    /// Odoo, when somebody says where it is.
    pub odoo: Option<OdooAt>,
}

/// The way cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// Kafka or the registry does not answer.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// PostgreSQL does not answer, or a ledger is not there.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Who looks at patients' data is written down first, and there is no ledger that it could be written into.
    #[error(
        "patients' data are shown once it is written down who asked, and this database has no ledger for that"
    )]
    NoLedger,
    /// Odoo does not answer.
    #[error("odoo cannot be asked")]
    Odoo(#[source] ::odoo::Error),
    /// Odoo cannot be reached with what was said of it.
    #[error("odoo cannot be asked with these settings")]
    OdooSettings(#[source] ::odoo::SettingsError),
}

impl TraceError {
    /// Whether another try, later, may do.
    pub fn is_away(&self) -> bool {
        match self {
            Self::Broker(_) | Self::Odoo(_) => true,
            Self::Ledger(error) => error.is_away(),
            Self::NoLedger | Self::OdooSettings(_) => false,
        }
    }
}

/// A ledger that was opened, with its service's name.
pub(crate) struct Opened {
    pub(crate) service: String,
    pub(crate) store: PostgresStore,
}

/// Follows a fact; `told` hears how far the reading is.
///
/// # Errors
/// When a part of the installation does not answer.
pub async fn trace(
    places: &Places<'_>,
    question: &Question<'_>,
    told: &mut (dyn FnMut(&str) + Send),
) -> Result<Trace, TraceError> {
    let mut ledgers = Vec::new();
    for service in look::ledgers(places.ledgers).await.map_err(LedgerError::from)? {
        let store = open(places.ledgers.clone(), &service).await?;
        ledgers.push(Opened { service, store });
    }
    let mut way = way::Way::new(question.since);
    let taken = subject::take(places, question, &mut way, told).await?;
    if let Some(asker) = question.reveal {
        write_down(&ledgers, &taken, asker).await?;
    }
    topics::follow(places, &mut way, &ledgers, told).await?;
    ledgers::ask(&ledgers, &mut way, question.reveal.is_some()).await?;
    if let Some(odoo) = &places.odoo {
        odoo::ask(odoo, &mut way).await?;
    }
    Ok(page::of(way, taken, question.reveal.is_some()))
}

/// Who looks, at what and why, before anything is shown.
async fn write_down(ledgers: &[Opened], taken: &[Taken], asker: Asker<'_>) -> Result<(), TraceError> {
    // Where messages are kept, else wherever something can be.
    let keeper = ledgers.iter().find(|ledger| ledger.service == "ehr-adapter").or_else(|| ledgers.first());
    let keeper = keeper.ok_or(TraceError::NoLedger)?;
    let what: Vec<String> = taken.iter().map(ToString::to_string).collect();
    operate::traced(&keeper.store, &what.join("; "), asker).await.map_err(LedgerError::Store)?;
    Ok(())
}
