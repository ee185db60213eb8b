//! How every service of a database stands, on one page.
//!
//! Consumes the ledgers and, when a cluster is given, the ends of the topics that their lanes read; changes nothing.

use super::lanes::{self, State};
use super::silence::{self, Sender, SilenceError};
use super::{LedgerError, behind, open, sources, table};
use backbone::edge::BrokerError;
use backbone::kafka::{KafkaLog, KafkaSettings, LogSettings};
use backbone::postgres::{PostgresStore, look};
use backbone::settings::ServiceUrl;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// Kafka does not answer.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// PostgreSQL does not answer, or a ledger is not there.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Prometheus does not answer.
    #[error(transparent)]
    Silence(#[from] SilenceError),
}

impl StatusError {
    /// Whether another try, later, may do.
    pub fn is_away(&self) -> bool {
        match self {
            Self::Broker(_) | Self::Silence(_) => true,
            Self::Ledger(error) => error.is_away(),
        }
    }
}

/// All services of a database.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// By name.
    pub services: Vec<Service>,
    /// Senders and their silence; nothing where Prometheus was not asked.
    pub senders: Option<Vec<Sender>>,
}

/// One service.
#[derive(Clone, Debug, Serialize)]
pub struct Service {
    /// Its name.
    pub service: String,
    /// Its projections, sinks, tables and sources.
    pub processors: Vec<Processor>,
    /// Topics that the catalog has it read and that no lane of it has committed anything of; nothing where it was not asked.
    pub never_read: Vec<NeverRead>,
    /// Rows that are to be published.
    pub outbox: i64,
    /// How old the oldest of them is, in seconds.
    pub outbox_age_s: Option<u64>,
    /// What people have asked and nobody has carried out.
    pub open_wishes: i64,
    /// Questions of sources that nobody has answered.
    pub questions: usize,
}

/// A projection, a sink, a table or a source.
#[derive(Clone, Debug, Serialize)]
pub struct Processor {
    /// Its name.
    pub processor: String,
    /// How many lanes it has.
    pub lanes: usize,
    /// Those of them that a breaker, or a recovered ledger, has stopped.
    pub stopped: usize,
    /// Those of them that no instance holds.
    pub unowned: usize,
    /// How many of them each instance holds.
    pub owners: BTreeMap<String, usize>,
    /// The highest epoch of a lane: how often it was taken.
    pub epoch: i64,
    /// Why lanes are stopped, and since when, by number.
    pub breakers: BTreeMap<i32, String>,
    /// Inputs that are parked.
    pub parked: i64,
    /// Offsets that were not read; nothing where it was not asked. Markers of transactions count too.
    pub behind: Option<i64>,
    /// How old the oldest record is that was not read, in seconds; 0 where there is none.
    pub behind_s: Option<u64>,
}

/// A topic that a service is to read and has not begun with.
#[derive(Clone, Debug, Serialize)]
pub struct NeverRead {
    /// The topic.
    pub topic: String,
    /// Offsets in it.
    pub behind: i64,
    /// How old its first record is, in seconds; 0 where there is none.
    pub behind_s: u64,
}

/// Looks at ledgers: the one of a service, or all that the database has.
///
/// # Errors
/// When PostgreSQL or Kafka does not answer, or the service has no ledger here.
pub async fn status(
    url: &ServiceUrl,
    service: Option<&str>,
    kafka: Option<&KafkaSettings>,
    prometheus: Option<&ServiceUrl>,
) -> Result<Status, StatusError> {
    let names = match service {
        Some(service) => vec![service.to_owned()],
        None => look::ledgers(url).await.map_err(LedgerError::from)?,
    };
    let log =
        kafka.map(|kafka| KafkaLog::start(kafka, &LogSettings::new("vertebra-status"), None)).transpose()?;
    let mut services = Vec::new();
    for name in names {
        let store = open(url.clone(), &name).await?;
        services.push(of(&store, name, log.as_ref()).await?);
    }
    let senders = match prometheus {
        Some(prometheus) => Some(silence::senders(prometheus).await?),
        None => None,
    };
    Ok(Status { services, senders })
}

async fn of(store: &PostgresStore, service: String, log: Option<&KafkaLog>) -> Result<Service, StatusError> {
    let mut processors: BTreeMap<String, Processor> = BTreeMap::new();
    let mut numbers: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
    for lane in lanes::list(store).await?.lanes {
        let at = processors.entry(lane.processor.clone()).or_insert_with(|| Processor {
            processor: lane.processor,
            lanes: 0,
            stopped: 0,
            unowned: 0,
            owners: BTreeMap::new(),
            epoch: 0,
            breakers: BTreeMap::new(),
            parked: 0,
            behind: None,
            behind_s: None,
        });
        at.lanes += 1;
        numbers.entry(at.processor.clone()).or_default().insert(lane.lane);
        at.stopped += usize::from(lane.state == State::Stopped);
        at.unowned += usize::from(lane.state == State::Unowned);
        at.epoch = at.epoch.max(lane.epoch);
        if let Some(owner) = lane.owner {
            *at.owners.entry(owner).or_default() += 1;
        }
        if let (Some(why), Some(since)) = (lane.stopped_why, lane.stopped_at) {
            at.breakers.insert(lane.lane, format!("since {since}: {why}"));
        }
    }
    for (processor, _, parked) in look::parked_counts(store).await.map_err(LedgerError::Store)? {
        processors.entry(processor).and_modify(|at| at.parked += parked);
    }
    let mut never_read = Vec::new();
    if let Some(log) = log {
        for processor in processors.values_mut() {
            let lanes = numbers.remove(&processor.processor).unwrap_or_default();
            let behind = behind::of_processor(store, log, &processor.processor, &lanes).await?;
            (processor.behind, processor.behind_s) = behind.map(|at| (at.offsets, at.seconds)).unzip();
        }
        let names: Vec<String> = processors.keys().cloned().collect();
        let missing = behind::never_read(store, log, &service, &names).await?;
        never_read = missing
            .into_iter()
            .map(|(topic, at)| NeverRead { topic, behind: at.offsets, behind_s: at.seconds })
            .collect();
    }
    let outbox = look::outbox(store).await.map_err(LedgerError::Store)?;
    let asks = sources::list(store).await?.kinds;
    Ok(Service {
        service,
        processors: processors.into_values().collect(),
        never_read,
        outbox: outbox.rows,
        outbox_age_s: outbox.oldest_age.map(|age| age.as_secs()),
        open_wishes: look::open_intents(store).await.map_err(LedgerError::Store)?,
        questions: asks
            .iter()
            .filter(|kind| kind.asks.as_ref().is_some_and(|asks| asks.approved.is_none()))
            .count(),
    })
}

impl Processor {
    /// Instances as logs and `application_name` call them, each with how many lanes it holds.
    fn owners(&self) -> String {
        if self.owners.is_empty() {
            return "-".to_owned();
        }
        let told = |(owner, lanes): (&String, &usize)| format!("{}×{lanes}", owner.get(..8).unwrap_or(owner));
        self.owners.iter().map(told).collect::<Vec<_>>().join(" ")
    }
}

impl Status {
    /// Whether nothing waits for a person.
    pub fn is_well(&self) -> bool {
        let silent = self.senders.iter().flatten().any(|sender| sender.is_silent);
        !silent
            && self.services.iter().all(|service| {
                service.questions == 0
                    && service
                        .processors
                        .iter()
                        .all(|at| at.stopped == 0 && at.unowned == 0 && at.parked == 0)
            })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.services.is_empty() {
            return write!(f, "this database has no ledger");
        }
        let mut rows = Vec::new();
        for service in &self.services {
            for (place, at) in service.processors.iter().enumerate() {
                let name = if place == 0 { service.service.clone() } else { String::new() };
                let state = match (at.stopped, at.unowned) {
                    (0, 0) => "works".to_owned(),
                    (0, unowned) => format!("{unowned} UNOWNED"),
                    (stopped, _) => format!("{stopped} STOPPED"),
                };
                let behind = at.behind.map_or_else(|| "-".to_owned(), |offsets| offsets.to_string());
                let behind_s = at.behind_s.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds} s"));
                let [lanes, epoch, parked] =
                    [at.lanes.to_string(), at.epoch.to_string(), at.parked.to_string()];
                let processor = at.processor.clone();
                rows.push([name, processor, lanes, state, at.owners(), epoch, parked, behind, behind_s]);
            }
        }
        table::write(
            f,
            [
                "service",
                "processor",
                "lanes",
                "state",
                "owners",
                "epoch",
                "parked",
                "offsets behind",
                "behind",
            ],
            &rows,
        )?;
        for service in &self.services {
            for Processor { processor, breakers, .. } in &service.processors {
                let name = &service.service;
                let mut told = breakers.iter();
                told.try_for_each(|(lane, why)| writeln!(f, "{name} {processor} {lane} is stopped {why}"))?;
            }
        }
        writeln!(f)?;
        let rows = self.services.iter().map(|service| {
            let age = service.outbox_age_s.map_or_else(|| "-".to_owned(), |age| format!("{age} s"));
            let counts = [
                service.outbox.to_string(),
                age,
                service.open_wishes.to_string(),
                service.questions.to_string(),
            ];
            let [outbox, age, wishes, questions] = counts;
            [service.service.clone(), outbox, age, wishes, questions]
        });
        table::write(
            f,
            ["service", "outbox", "oldest", "open wishes", "questions"],
            &rows.collect::<Vec<_>>(),
        )?;
        self.write_more(f)?;
        let parked: i64 =
            self.services.iter().flat_map(|service| &service.processors).map(|at| at.parked).sum();
        match self.is_well() {
            true => write!(f, "nothing waits for a person"),
            false => write!(
                f,
                "{parked} parked: `vertebra parked list`; stopped and unowned lanes: `vertebra lanes list`; questions: `vertebra \
                 source list`"
            ),
        }
    }
}

impl Status {
    /// Topics that nobody has begun with, and senders.
    fn write_more(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for service in &self.services {
            for NeverRead { topic, behind, behind_s } in &service.never_read {
                let name = &service.service;
                writeln!(f, "{name} has not begun with {topic}: {behind} offsets behind, {behind_s} s")?;
            }
        }
        let Some(senders) = &self.senders else {
            return writeln!(f, "\nhow long senders are silent: --prometheus-url tells\n");
        };
        writeln!(f)?;
        let seconds = |seconds: Option<u64>| seconds.map_or_else(|| "-".to_owned(), |s| format!("{s} s"));
        let rows = senders.iter().map(|sender| {
            let state = match (sender.is_silent, sender.allowed_s) {
                (true, _) => "SILENT",
                (false, Some(_)) => "as usual",
                (false, None) => "no habit at this hour",
            };
            let Sender { sender, silent_s, habit_s, allowed_s, .. } = sender;
            [
                sender.clone(),
                seconds(Some(*silent_s)),
                seconds(*habit_s),
                seconds(*allowed_s),
                state.to_owned(),
            ]
        });
        table::write(f, ["sender", "silent for", "usually", "allowed", ""], &rows.collect::<Vec<_>>())?;
        writeln!(f)
    }
}
