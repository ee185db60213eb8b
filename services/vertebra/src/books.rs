//! The conservation accounts: of every message, charge and request whether it took effect, waits for a person, was given up, is
//! on its way, or is nowhere; and where every amount is.
//!
//! Consumes the topics that the flows begin with, from a time on, and the ledgers; changes nothing. The ledger is read before the
//! topic, so that what comes meanwhile is in flight and never missing.

mod charges;
mod messages;
mod requests;

use crate::ledger::{LedgerError, open};
use ::books::flow::Flow;
use ::books::{Books, BooksError, Control, Difference, Reader};
use backbone::edge::BrokerError;
use backbone::kafka::{Admin, KafkaSettings, Visible, each_from};
use backbone::postgres::{PostgresStore, look};
use backbone::record::Record;
use backbone::registry::Registry;
use backbone::settings::ServiceUrl;
use canon::{Catalog, Headers, Timestamp};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// So many records are read between two words about it.
const TOLD_EVERY: u64 = 100_000;
/// What is nowhere is looked for again: a fact may have been stated and folded while we looked.
const LOOKS_MAX: usize = 3;

/// The books cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// Kafka or the registry does not answer.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The report tables cannot be read.
    #[error("the accounts of billing-projector cannot be read")]
    Accounts(#[from] BooksError),
    /// PostgreSQL does not answer, or a ledger is not there.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Failed {
    /// Whether another try, later, may do.
    pub fn is_away(&self) -> bool {
        match self {
            Self::Accounts(_) | Self::Broker(_) => true,
            Self::Ledger(error) => error.is_away(),
        }
    }
}

/// Everything, for one moment of each part.
#[derive(Debug, Serialize)]
pub struct Report {
    /// From when on flows were looked at; nothing where they were not.
    pub since: Option<String>,
    /// What became of what was acknowledged.
    pub flows: Vec<Flow>,
    /// Where amounts are, of all days.
    #[serde(serialize_with = "page")]
    accounts: (Books, Option<Control>),
    /// Accounts that a control total has otherwise.
    pub differences: Vec<Difference>,
    /// Whether everything is somewhere, once, and as senders say.
    pub balances: bool,
}

/// Where the topics are.
pub struct Topics<'a> {
    /// Kafka.
    pub kafka: &'a KafkaSettings,
    /// The schemas.
    pub registry: &'a Registry,
    /// Records before this time are not looked at.
    pub since: Timestamp,
}

/// The books; without topics the accounts alone. `told` hears how far the reading is.
///
/// # Errors
/// When a part of the installation does not answer.
pub async fn books(
    ledgers: &ServiceUrl,
    topics: Option<&Topics<'_>>,
    control: Option<Control>,
    told: &mut (dyn FnMut(&str) + Send),
) -> Result<Report, Failed> {
    let mut flows = Vec::new();
    if let Some(topics) = topics {
        let there = look::ledgers(ledgers).await.map_err(LedgerError::from)?;
        for (service, flow) in FLOWS {
            if there.iter().any(|name| name == service) {
                let store = open(ledgers.clone(), service).await?;
                flows.push(looked(flow, &store, ledgers, topics, told).await?);
            }
        }
    }
    let books = Reader::connect(ledgers).await?.books().await?;
    let differences = control.as_ref().map(|control| books.differences(control)).unwrap_or_default();
    let balances = flows.iter().all(Flow::balances) && books.are_in_order(control.as_ref());
    let since = topics.map(|topics| topics.since.to_string());
    Ok(Report { since, flows, accounts: (books, control), differences, balances })
}

/// What flows, and whose ledger knows what became of it.
const FLOWS: [(&str, What); 3] =
    [("ehr-adapter", What::Messages), ("billing-projector", What::Charges), ("odoo-writer", What::Requests)];

#[derive(Clone, Copy)]
enum What {
    Charges,
    Messages,
    Requests,
}

async fn looked(
    what: What,
    store: &PostgresStore,
    ledgers: &ServiceUrl,
    topics: &Topics<'_>,
    told: &mut (dyn FnMut(&str) + Send),
) -> Result<Flow, Failed> {
    let mut looks = 1;
    loop {
        let flow = match what {
            What::Charges => charges::flow(store, ledgers, topics, told).await?,
            What::Messages => messages::flow(store, topics, told).await?,
            What::Requests => requests::flow(store, topics, told).await?,
        };
        if flow.balances() || looks == LOOKS_MAX {
            return Ok(flow);
        }
        told(&format!("{} do not balance; looking again", flow.what));
        looks += 1;
    }
}

/// What a ledger knows of a topic's records, apart from what they came to.
struct Known {
    next: BTreeMap<i32, i64>,
    parked: BTreeSet<(i32, i64)>,
    given_up: BTreeSet<(i32, i64)>,
}

impl Known {
    /// The positions first: what is read meanwhile counts as in flight.
    async fn of(store: &PostgresStore, processor: &str, topic: &str) -> Result<Self, LedgerError> {
        let positions = look::positions(store, processor).await?;
        let of_topic = positions.into_iter().filter(|((_, of), _)| of == topic);
        let next = of_topic.map(|((lane, _), next)| (lane, next)).collect();
        let parked = look::parked(store, processor).await?.into_iter().filter_map(|input| input.record);
        let parked = parked.filter(|record| record.topic == topic);
        let parked = parked.map(|record| (record.partition, record.offset)).collect();
        let given_up = look::given_up(store, topic).await?.into_iter().filter(|(of, ..)| of == processor);
        let given_up = given_up.map(|(_, partition, offset)| (partition, offset)).collect();
        Ok(Self { next, parked, given_up })
    }

    fn is_ahead(&self, (partition, offset): (i32, i64)) -> bool {
        self.next.get(&partition).is_none_or(|next| offset >= *next)
    }
}

/// Hands on the records of a topic from a time on.
async fn read(
    topics: &Topics<'_>,
    topic: &'static str,
    told: &mut (dyn FnMut(&str) + Send),
    mut with: impl AsyncFnMut(Vec<Record>) -> Result<(), BrokerError>,
) -> Result<(), Failed> {
    let admin = Admin::new(topics.kafka)?;
    let held = admin.held(topic).await?;
    let from = admin.offsets_at(topic, topics.since).await?;
    let is_open = |(partition, first): &(i32, i64)| held.get(partition).is_some_and(|held| *first < held.end);
    let from: BTreeMap<i32, i64> = from.into_iter().filter(is_open).collect();
    if from.is_empty() {
        return Ok(());
    }
    let mut count = 0_u64;
    let counted = async |records: Vec<Record>| {
        let before = count;
        count += records.len() as u64;
        if before / TOLD_EVERY != count / TOLD_EVERY {
            told(&format!("{topic}: {count} records"));
        }
        with(records).await
    };
    Ok(each_from(topics.kafka, topic, from, Visible::Committed, counted).await?)
}

fn headers(record: &Record) -> Option<Headers> {
    let pairs = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
    Headers::from_pairs(pairs).ok()
}

fn place(record: &Record) -> (i32, i64) {
    (record.partition, record.offset)
}

fn named(topic: &str, (partition, offset): (i32, i64)) -> String {
    format!("{topic}/{partition}@{offset}")
}

/// The topic as the catalog has it: names there live as long as the program.
fn topic(name: &str) -> &'static str {
    Catalog::builtin().topic(name).map_or("", |topic| topic.name.as_str())
}

fn page<S: serde::Serializer>(
    (books, control): &(Books, Option<Control>),
    serializer: S,
) -> Result<S::Ok, S::Error> {
    books.json(control.as_ref()).serialize(serializer)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.since {
            Some(since) => writeln!(f, "what was acknowledged since {since}\n")?,
            None => writeln!(f, "flows were not looked at: --kafka-bootstrap does\n")?,
        }
        self.flows.iter().try_for_each(|flow| writeln!(f, "{flow}"))?;
        write!(f, "where amounts are, of all days\n{}", self.accounts.0)?;
        self.differences.iter().try_for_each(|difference| writeln!(f, "{difference}"))?;
        if self.accounts.1.is_some() && self.differences.is_empty() {
            writeln!(f, "the control totals are met")?;
        }
        write!(f, "{}", if self.balances { "the books balance" } else { "the books do not balance" })
    }
}
