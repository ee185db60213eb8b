//! The contract held against what Kafka and the registry have, and made so where something is missing.
//!
//! `check` only asks. `apply` creates missing topics and registers missing schemas; what is there and differs is told
//! with what to do and never altered: a topic's partitions are fixed for life, and its configuration may have been
//! changed by somebody who had a reason.

mod compare;
mod report;

pub use report::{Finding, Kind, Report, State};

use backbone::edge::BrokerError;
use backbone::kafka::Admin;
use backbone::registry::{Registry, RegistryError};
use canon::Catalog;
use compare::{Topics, topic_findings};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long topics that were created may take until every broker knows them.
const VISIBLE: Duration = Duration::from_secs(15);

/// Nothing can be said or done.
#[derive(Debug, thiserror::Error)]
pub enum ContractError {
    /// There are fewer brokers than copies wanted.
    #[error(
        "kafka has {brokers} broker(s) and --replication {replication} wants as many copies of every topic: start the \
         other brokers, or say --replication {brokers} if this cluster is to keep no more"
    )]
    Brokers {
        /// Brokers that were found.
        brokers: usize,
        /// Copies that were asked for.
        replication: u16,
    },
    /// Nothing could ever be written.
    #[error(
        "--min-in-sync {min_in_sync} wants more copies than --replication {replication} makes: nothing could be written"
    )]
    InSync {
        /// Copies that were asked for.
        replication: u16,
        /// Copies that were to have a record.
        min_in_sync: u16,
    },
    /// Kafka does not answer, or says no.
    #[error(transparent)]
    Kafka(#[from] BrokerError),
    /// The registry does not answer.
    #[error(transparent)]
    Registry(RegistryError),
    /// Topics were created and are still not known.
    #[error("created, and not visible after {} s: {}", VISIBLE.as_secs(), .0.join(", "))]
    Unseen(Vec<String>),
}

/// How safely topics that are created keep what is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copies {
    /// Copies of each record.
    pub replication: u16,
    /// Copies that must have a record before its producer is answered.
    pub min_in_sync: u16,
}

impl Copies {
    /// So many copies, one of which may be away: no less keeps what was acknowledged when a broker is lost, and no
    /// more goes on without it.
    pub fn of(replication: u16) -> Self {
        Self { replication, min_in_sync: replication.saturating_sub(1).max(1) }
    }
}

/// Where the contract is to hold, and what it says.
pub struct Contract<'a> {
    /// The cluster.
    pub admin: &'a Admin,
    /// The registry.
    pub registry: &'a Registry,
    /// The topics.
    pub catalog: &'a Catalog,
    /// The schema of each topic.
    pub schemas: &'a [(&'a str, &'a str)],
}

impl Contract<'_> {
    /// Compares and alters nothing.
    ///
    /// # Errors
    /// When Kafka or the registry does not answer.
    pub async fn check(&self) -> Result<Report, ContractError> {
        let mut findings = topic_findings(self.catalog, &self.topics().await?);
        for (topic, schema) in self.schemas {
            findings.push(match self.registry.id_of(topic, schema).await {
                Ok(id) => Finding::schema(topic, State::Same, format!("id {id}")),
                Err(error @ RegistryError::NotRegistered { .. }) => {
                    Finding::schema(topic, State::Missing, error.to_string())
                }
                Err(error) => refused(topic, error)?,
            });
        }
        Ok(Report { findings })
    }

    /// Creates missing topics with these copies, and registers missing schemas under `FULL_TRANSITIVE`. A topic with
    /// another number of partitions stops everything before anything is done. The same call again does nothing.
    ///
    /// # Errors
    /// When Kafka or the registry does not answer, or there are fewer brokers than copies wanted.
    pub async fn apply(&self, copies: Copies) -> Result<Report, ContractError> {
        let before = topic_findings(self.catalog, &self.topics().await?);
        if before.iter().any(|finding| finding.state == State::Refused) {
            return Ok(Report { findings: before });
        }
        let created = self.create(&before, copies).await?;
        let mut findings = topic_findings(self.catalog, &self.topics().await?);
        for finding in findings.iter_mut().filter(|finding| created.contains(&finding.topic)) {
            if finding.state == State::Same {
                finding.state = State::Created;
            }
        }
        for (topic, schema) in self.schemas {
            findings.push(self.register(topic, schema).await?);
        }
        Ok(Report { findings })
    }

    async fn create(&self, before: &[Finding], copies: Copies) -> Result<BTreeSet<String>, ContractError> {
        let missing = before.iter().filter(|finding| finding.state == State::Missing);
        let missing: BTreeSet<String> = missing.map(|finding| finding.topic.clone()).collect();
        if missing.is_empty() {
            return Ok(missing);
        }
        let Copies { replication, min_in_sync } = copies;
        if min_in_sync > replication {
            return Err(ContractError::InSync { replication, min_in_sync });
        }
        let brokers = self.admin.brokers().await?;
        if brokers < usize::from(replication) {
            return Err(ContractError::Brokers { brokers, replication });
        }
        let created = self.admin.create_missing(self.catalog, replication, min_in_sync).await?;
        self.wait_visible(&missing).await?;
        Ok(created.into_iter().collect())
    }

    /// A service that starts now must find them: it takes a missing topic for a mistake.
    async fn wait_visible(&self, names: &BTreeSet<String>) -> Result<(), ContractError> {
        let deadline = tokio::time::Instant::now() + VISIBLE;
        loop {
            let there = self.admin.partitions().await?;
            let unseen: Vec<String> =
                names.iter().filter(|name| !there.contains_key(*name)).cloned().collect();
            if unseen.is_empty() {
                return Ok(());
            }
            if tokio::time::Instant::now() > deadline {
                return Err(ContractError::Unseen(unseen));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn register(&self, topic: &str, schema: &str) -> Result<Finding, ContractError> {
        let was_there = match self.registry.id_of(topic, schema).await {
            Ok(_) => true,
            Err(RegistryError::NotRegistered { .. }) => false,
            Err(error) => return refused(topic, error),
        };
        // Also where it was there: so that the subject is held to FULL_TRANSITIVE from now on.
        let state = if was_there { State::Same } else { State::Registered };
        match self.registry.register(topic, schema).await {
            Ok(id) => Ok(Finding::schema(topic, state, format!("id {id}"))),
            Err(error) => refused(topic, error),
        }
    }

    async fn topics(&self) -> Result<Topics, ContractError> {
        let partitions = self.admin.partitions().await?;
        let named = self.catalog.topics().map(|topic| topic.name.as_str());
        let there: Vec<&str> = named.filter(|name| partitions.contains_key(*name)).collect();
        let configs = self.admin.configs(&there).await?;
        Ok(Topics { partitions, configs })
    }
}

/// Holds the compiled schemas against the released ones; asks nobody.
pub fn check_releases() -> Report {
    let mut broken: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for found in canon::compat::check_releases() {
        let told = format!("against version {}: {}: {}", found.version, found.problem.at, found.problem.what);
        broken.entry(found.topic).or_default().push(told);
    }
    let topics = canon::events::SCHEMAS.iter().map(|(topic, _)| *topic);
    let finding = |topic: &str| match broken.remove(topic) {
        None => Finding::schema(topic, State::Same, "compatible with every released version"),
        Some(told) => Finding::schema(topic, State::Refused, told.join("; ")),
    };
    Report { findings: topics.map(finding).collect() }
}

/// What the registry refuses is a finding; that it does not answer is an error.
fn refused(topic: &str, error: RegistryError) -> Result<Finding, ContractError> {
    match error {
        RegistryError::Unavailable { .. } => Err(ContractError::Registry(error)),
        error => Ok(Finding::schema(topic, State::Refused, error.to_string())),
    }
}
