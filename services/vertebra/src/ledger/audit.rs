//! What people did to a service by hand, and whether that is still what they did.
//!
//! Consumes the ledger, where each record seals the next, and on request `ops.audit.v1`, which says the same; gives reports.

use super::{LedgerError, table};
use backbone::audit::{Chain, Sealed};
use backbone::contract::SchemaSource;
use backbone::edge::BrokerError;
use backbone::kafka::{KafkaSettings, Visible, tail};
use backbone::postgres::{PostgresStore, look};
use backbone::record::Record;
use backbone::registry::Registry;
use canon::{Audit, Event, codec};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;

/// Records asked for at a time.
const AT_A_TIME: i64 = 1_000;

/// The chain cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Kafka or the registry does not answer.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The ledger does not answer, or is not there.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl AuditError {
    /// Whether another try, later, may do.
    pub fn is_away(&self) -> bool {
        match self {
            Self::Broker(_) => true,
            Self::Ledger(error) => error.is_away(),
        }
    }
}

/// What people did, the last of it.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// In order.
    pub records: Vec<Entry>,
    /// How many there are in all.
    pub all: i64,
}

/// One thing that somebody did.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Its place in the chain.
    pub seq: i64,
    /// When.
    pub at: String,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// To what.
    pub subject: String,
    /// Why.
    pub reason: String,
}

/// Whether the chain holds.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// The service.
    pub service: String,
    /// Records in the ledger.
    pub ledger: i64,
    /// Records on the topic; nothing when it was not looked at.
    pub topic: Option<i64>,
    /// The last record's seal: noted elsewhere, it tells later that nothing up to it was made anew.
    pub head: String,
    /// What is wrong.
    pub broken: Vec<String>,
}

/// The last records of a ledger's chain.
///
/// # Errors
/// When the ledger does not answer.
pub async fn list(store: &PostgresStore, limit: usize) -> Result<Listed, LedgerError> {
    let all = read(store).await?;
    let from = all.len().saturating_sub(limit);
    let count = i64::try_from(all.len()).unwrap_or(i64::MAX);
    let records = all[from..].iter().map(|sealed| Entry {
        seq: sealed.seq,
        at: sealed.at.to_string(),
        actor: sealed.actor.clone(),
        action: sealed.action.clone(),
        // The hashes of what was asked and of what came of it are for the seal.
        subject: sealed.subject.split(" asked ").next().unwrap_or_default().to_owned(),
        reason: sealed.reason.clone(),
    });
    Ok(Listed { records: records.collect(), all: count })
}

async fn read(store: &PostgresStore) -> Result<Vec<Sealed>, LedgerError> {
    let mut all: Vec<Sealed> = Vec::new();
    loop {
        let after = all.last().map_or(0, |last| last.seq);
        let more = look::sealed(store, after, AT_A_TIME).await?;
        if more.is_empty() {
            return Ok(all);
        }
        all.extend(more);
    }
}

/// Holds every record of the ledger against its seal; and, when a cluster is given, the records of the topic.
///
/// # Errors
/// When PostgreSQL, Kafka or the registry does not answer.
pub async fn verify(
    store: &PostgresStore,
    service: &str,
    topic: Option<(&KafkaSettings, &Registry)>,
) -> Result<Verified, AuditError> {
    // The topic first: what is done meanwhile is in the ledger by then.
    let told = match topic {
        None => None,
        Some((kafka, registry)) => Some(published(kafka, registry, service).await?),
    };
    let sealed = read(store).await?;
    let mut chain = Chain::of(service);
    let broken = sealed.iter().find_map(|record| chain.follow(record).err());
    let mut verified = Verified {
        service: service.to_owned(),
        ledger: i64::try_from(sealed.len()).unwrap_or(i64::MAX),
        topic: None,
        head: hex(&chain.head().1),
        broken: broken.iter().map(|broken| format!("the ledger: {broken}")).collect(),
    };
    if let Some(told) = told {
        verified.topic = Some(i64::try_from(told.len()).unwrap_or(i64::MAX));
        verified.broken.extend(compare(&sealed, &told, service));
    }
    Ok(verified)
}

async fn published(
    kafka: &KafkaSettings,
    registry: &Registry,
    service: &str,
) -> Result<Vec<Audit>, BrokerError> {
    let records = tail(kafka, Audit::TOPIC, Visible::Committed).await?;
    let ids: BTreeSet<u32> =
        records.iter().filter_map(|record| Some(codec::split(record.value.as_deref()?).ok()?.0)).collect();
    registry.ensure(&ids.into_iter().collect::<Vec<_>>()).await?;
    Ok(told(&records, registry, service))
}

/// What the topic says of a service, in order; what was published twice once.
fn told(records: &[Record], registry: &Registry, service: &str) -> Vec<Audit> {
    let decoded = records.iter().filter_map(|record| record.value.as_deref());
    let decoded = decoded.filter_map(|value| registry.schemas().decode::<Audit>(value).ok());
    let mut met = BTreeSet::new();
    decoded.filter(|audit| audit.service.as_str() == service && met.insert(audit.hash)).collect()
}

/// What the topic has otherwise than the ledger. The topic may be behind by what was done in the last seconds.
fn compare(sealed: &[Sealed], told: &[Audit], service: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut chain = Chain::of(service);
    for (place, audit) in (1..).zip(told) {
        let record = Sealed {
            seq: place,
            actor: audit.actor.clone(),
            action: audit.action.clone(),
            subject: audit.subject.clone(),
            reason: audit.reason.clone(),
            at: audit.at,
            hash: audit.hash,
        };
        if let Err(broken) = chain.follow(&record) {
            wrong.push(format!(
                "the topic: {broken}; a ledger that was restored from a backup goes on from an older record"
            ));
            break;
        }
    }
    let differs = told.iter().zip(sealed).position(|(audit, sealed)| audit.hash != sealed.hash);
    wrong.extend(
        differs.map(|place| format!("record {} is another one in the ledger than on the topic", place + 1)),
    );
    if told.len() > sealed.len() {
        wrong.push(format!("the topic has {} records, the ledger {}", told.len(), sealed.len()));
    }
    wrong
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.records.iter().map(|entry| {
            let Entry { seq, at, actor, action, subject, reason } = entry.clone();
            [seq.to_string(), at, actor, action, subject, reason]
        });
        table::write(f, ["record", "at", "who", "did", "to", "because"], &rows.collect::<Vec<_>>())?;
        write!(f, "{} of {} records", self.records.len(), self.all)
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for broken in &self.broken {
            writeln!(f, "{broken}")?;
        }
        let topic =
            self.topic.map_or_else(|| "not looked at: --topic does".to_owned(), |count| count.to_string());
        writeln!(f, "{}: {} records in the ledger; on {}: {topic}", self.service, self.ledger, Audit::TOPIC)?;
        write!(
            f,
            "{}; the last seal is {}",
            if self.broken.is_empty() { "the chain holds" } else { "the chain is broken" },
            self.head
        )
    }
}
