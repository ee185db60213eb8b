//! The books: what Kafka, the ledgers and Odoo have, read whole and held against what a sender sent.

mod check;
mod evidence;
mod figures;
mod settle;
#[cfg(test)]
mod tests;

pub use check::{Difference, check};
pub use evidence::{Evidence, Landed, ParkedAt, Read, Stated};
pub use figures::{Figures, percentile};
pub use settle::{Behind, Unsettled};

use crate::canaries::{self, Sighting};
use crate::stack::Stack;
use backbone::Table;
use backbone::edge::BrokerError;
use backbone::kafka::Admin;
use backbone::postgres::{OpenError, PostgresSettings, PostgresStore, Processor, look};
use backbone::registry::{Registry, RegistryError};
use backbone::settings::ServiceUrl;
use backbone::store::StoreError;
use canon::Event as _;
use canon::catalog::Catalog;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

/// A service's ledger, and what the harness knows of it.
pub struct Ledger {
    /// The service.
    pub service: &'static str,
    /// What reads topics there, with what it reads.
    pub processors: &'static [(&'static str, &'static [&'static str])],
    /// Its report tables.
    pub tables: &'static [&'static str],
    /// The ledger itself.
    pub store: PostgresStore,
}

/// The way to everything that is read.
pub struct Books {
    stack: Stack,
    admin: Admin,
    registry: Registry,
    odoo: odoo::Client,
    ledgers: Vec<Ledger>,
}

/// Something cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BooksError {
    /// Kafka.
    #[error(transparent)]
    Kafka(#[from] BrokerError),
    /// A ledger.
    #[error(transparent)]
    Ledger(#[from] StoreError),
    /// A log.
    #[error("a log cannot be read")]
    Log(#[from] std::io::Error),
    /// Odoo.
    #[error(transparent)]
    Odoo(#[from] odoo::Error),
    /// A ledger cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

type Known = (&'static str, &'static [(&'static str, &'static [&'static str])], &'static [&'static str]);

/// Service, processors and report tables, in the order of a charge's way. What a fold looks up it reads by a processor
/// that is called as the topic is.
const LEDGERS: [Known; 5] = [
    ("code-importer", &[], &[]),
    ("odoo-poller", &[], &[]),
    (
        "ehr-adapter",
        &[
            (canon::SenderConfig::TOPIC, &[canon::SenderConfig::TOPIC]),
            (canon::Code::TOPIC, &[canon::Code::TOPIC]),
            ("hl7-translation", &[canon::RawHl7v2::TOPIC]),
            ("hl7-patients", &[canon::RawHl7v2::TOPIC]),
        ],
        &[],
    ),
    (
        "billing-projector",
        &[
            (canon::Item::TOPIC, &[canon::Item::TOPIC]),
            (canon::Code::TOPIC, &[canon::Code::TOPIC]),
            (
                "billing-case",
                &[
                    canon::Encounter::TOPIC,
                    canon::Charge::TOPIC,
                    canon::Invoice::TOPIC,
                    canon::Payment::TOPIC,
                ],
            ),
        ],
        &[
            "billing_account",
            "billing_case",
            "billing_charge",
            "billing_diverged",
            "billing_request",
            "billing_unbilled",
        ],
    ),
    ("odoo-writer", &[("odoo-invoices", &[canon::InvoiceRequest::TOPIC])], &[]),
];

/// Every topic of the catalog.
fn topics() -> impl Iterator<Item = &'static str> {
    Catalog::builtin().topics().map(|topic| topic.name.as_str())
}

impl Books {
    /// Opens the ledgers of the services that have been started; nothing is made.
    ///
    /// # Errors
    /// When a ledger cannot be read.
    ///
    /// # Panics
    /// When the stack's addresses are none.
    pub async fn open(stack: &Stack) -> Result<Self, BooksError> {
        let url = ServiceUrl::parse(&stack.postgres_url, &["postgres", "postgresql"]);
        let url = url.unwrap_or_else(|wrong| panic!("the database's URL is not {}", wrong.expects));
        let mut ledgers = Vec::new();
        for (service, processors, tables) in LEDGERS {
            let settings = PostgresSettings {
                url: url.clone(),
                service,
                instance: Uuid::nil(),
                lease: Duration::from_secs(20),
                connections_max: 2,
            };
            if look::open(&settings).await?.is_none() {
                continue;
            }
            // A service with report tables has one fold, and it is the last.
            let last = processors.last().map(|(name, _)| *name);
            let is_last = |name| tables.iter().filter(move |_| last == Some(name));
            let known: Vec<Processor> = processors
                .iter()
                .filter(|(name, topics)| !topics.contains(name))
                .map(|(name, _)| Processor {
                    name,
                    tables: is_last(*name).map(|name| Table { name, columns: &[] }).collect(),
                })
                .collect();
            let store = PostgresStore::connect(&settings, 1, &known).await?;
            ledgers.push(Ledger { service, processors, tables, store });
        }
        Ok(Self {
            stack: stack.clone(),
            admin: Admin::new(&stack.kafka())?,
            registry: stack.registry()?,
            odoo: stack.odoo(),
            ledgers,
        })
    }

    /// The ledgers, in the order of a charge's way.
    pub fn ledgers(&self) -> &[Ledger] {
        &self.ledgers
    }

    /// Everything that reads topics, with its ledger.
    fn processors(&self) -> impl Iterator<Item = (&Ledger, &'static str)> {
        self.ledgers.iter().flat_map(|ledger| ledger.processors.iter().map(move |(name, _)| (ledger, *name)))
    }

    /// What people see: the rows of every report table.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn rows(&self) -> Result<BTreeMap<&'static str, BTreeMap<String, Value>>, BooksError> {
        let mut tables = BTreeMap::new();
        for ledger in &self.ledgers {
            for table in ledger.tables {
                tables.insert(*table, look::rows(&ledger.store, table).await?);
            }
        }
        Ok(tables)
    }

    /// How many records a topic shows to a reader of committed ones.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn count(&self, topic: &'static str) -> Result<usize, BooksError> {
        Ok(self.tail(topic).await?.len())
    }

    /// Looks for planted data in keys, headers and report tables. Logs and metrics are the caller's to name.
    ///
    /// # Errors
    /// When something cannot be read.
    pub async fn canaries(&self) -> Result<Vec<Sighting>, BooksError> {
        let mut found = Vec::new();
        for topic in topics() {
            found.extend(canaries::in_records(&self.tail(topic).await?));
        }
        for (table, rows) in self.rows().await? {
            found.extend(canaries::in_rows(table, &rows));
        }
        for (ledger, processor) in self.processors() {
            for parked in look::parked(&ledger.store, processor).await? {
                let place = format!("{}: parked {}", ledger.service, parked.id);
                let told = format!("{:?} {}", parked.chain, parked.detail);
                found.extend(canaries::in_bytes(&place, told.as_bytes()));
            }
        }
        Ok(found)
    }

    async fn tail(&self, topic: &'static str) -> Result<Vec<backbone::record::Record>, BrokerError> {
        backbone::kafka::tail(&self.stack.kafka(), topic, backbone::kafka::Visible::Committed).await
    }
}
