//! A projection rebuilt beside the live one: what it would take, how far it is, what it has otherwise, and the step from one to
//! the other.
//!
//! Consumes a service's ledger and those of its rebuilds, and asks Kafka what its topics still hold; writes what is asked for, with
//! who asks and why. The service does it: it has to run. No report shows a message; report rows and names of facts are shown
//! as the ledger has them, with tokens for keys.

mod changed;
mod verified;

pub use changed::{Changed, cut_over};
pub use verified::{FactClass, ShownRow, ShownSum, Verified, verify};

use super::{LedgerError, table};
use backbone::edge::BrokerError;
use backbone::kafka::{KafkaLog, KafkaSettings, LogSettings};
use backbone::postgres::PostgresStore;
use backbone::postgres::operate::Asker;
use backbone::postgres::replays::{self, ReplaySeen};
use backbone::replay::Standing;
use backbone::store::StoreError;
use canon::Catalog;
use serde::Serialize;
use std::fmt;
use std::time::{Duration, Instant};

/// How often it is looked how far a rebuild is.
const LOOKED_EVERY: Duration = Duration::from_millis(250);

/// How long trouble may last that goes away by itself.
const TROUBLED: Duration = Duration::from_secs(15);

/// What cannot be told or done.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Kafka does not answer.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// PostgreSQL does not answer, or the ledger is not there.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// There is no rebuild of this number.
    #[error("there is no rebuild {0}: `vertebra replay list` tells which there are")]
    NoReplay(i64),
    /// One rebuild of a projection at a time.
    #[error(
        "{0} folded nothing yet, or one rebuild of it is there already: `vertebra replay list` tells; retire that one first"
    )]
    NotStarted(String),
}

impl From<StoreError> for ReplayError {
    fn from(error: StoreError) -> Self {
        Self::Ledger(error.into())
    }
}

impl ReplayError {
    /// Whether another try, later, may do.
    pub fn is_away(&self) -> bool {
        match self {
            Self::Broker(_) => true,
            Self::Ledger(error) => error.is_away(),
            Self::NoReplay(_) | Self::NotStarted(_) => false,
        }
    }
}

/// What a rebuild would take, and what could follow.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// The projection.
    pub processor: String,
    /// Keys that have a state.
    pub keys: i64,
    /// By lane.
    pub lanes: Vec<PlannedLane>,
    /// Where its facts go, and how many are in force.
    pub effects: Vec<PlannedEffect>,
    /// Why it cannot be rebuilt.
    pub refused: Vec<String>,
}

/// A lane's journal.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedLane {
    /// The lane.
    pub lane: i32,
    /// Batches to follow.
    pub entries: i64,
    /// Offsets to read, over all topics.
    pub records: i64,
    /// The clock of the first batch.
    pub from: Option<String>,
    /// The clock of the last one.
    pub to: Option<String>,
}

/// A topic on which a projection states facts.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedEffect {
    /// The topic.
    pub topic: String,
    /// Facts in force.
    pub facts: i64,
    /// Whether they are commands: what differs is made right by further ones.
    pub is_command: bool,
    /// Who reads it.
    pub readers: Vec<String>,
}

/// Tells what a rebuild would take; with a cluster, whether the topics still hold what was folded.
///
/// # Errors
/// When the ledger or the cluster does not answer, or there is no such projection.
pub async fn plan(
    store: &PostgresStore,
    processor: &str,
    kafka: Option<&KafkaSettings>,
) -> Result<Plan, ReplayError> {
    let journals = replays::journals(store, processor).await?;
    if journals.is_empty() {
        return Err(LedgerError::NoProcessor { processor: processor.to_owned() }.into());
    }
    let mut refused = Vec::new();
    if let Some(kafka) = kafka {
        let log = KafkaLog::start(kafka, &LogSettings::new("vertebra-replay-plan"), None)?;
        for (lane, seen) in &journals {
            for (topic, (first, next, _)) in &seen.topics {
                let Some(known) = Catalog::builtin().topic(topic) else { continue };
                let (low, end) = log.bounds(&known.name, *lane).await?;
                if low > *first {
                    refused.push(format!(
                        "{topic}/{lane} begins at {low}, and was folded from {first} on: retention has cut what is needed"
                    ));
                }
                if end < *next {
                    refused.push(format!(
                        "{topic}/{lane} ends at {end}, and was folded up to {next}: it was made anew, or lost records"
                    ));
                }
            }
        }
    }
    let lanes = journals.into_iter().map(|(lane, seen)| PlannedLane {
        lane,
        entries: seen.entries,
        records: seen.topics.values().map(|(_, _, records)| records).sum(),
        from: seen.clocks.map(|(from, _)| from.to_string()),
        to: seen.clocks.map(|(_, to)| to.to_string()),
    });
    let stated = replays::stated(store, processor).await?;
    let effects = stated.into_iter().map(|(topic, facts)| {
        let known = Catalog::builtin().topic(&topic);
        PlannedEffect {
            facts,
            is_command: known.is_some_and(|topic| topic.is_command()),
            readers: known
                .map(|topic| topic.consumers.iter().map(ToString::to_string).collect())
                .unwrap_or_default(),
            topic,
        }
    });
    Ok(Plan {
        processor: processor.to_owned(),
        keys: replays::keys(store, processor).await?,
        lanes: lanes.collect(),
        effects: effects.collect(),
        refused,
    })
}

impl Plan {
    /// Whether nothing speaks against it.
    pub fn can_be_done(&self) -> bool {
        self.refused.is_empty()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} keys have a state", self.processor, self.keys)?;
        let text = |time: &Option<String>| time.clone().unwrap_or_default();
        let row = |lane: &PlannedLane| {
            [
                lane.lane.to_string(),
                lane.entries.to_string(),
                lane.records.to_string(),
                text(&lane.from),
                text(&lane.to),
            ]
        };
        let rows: Vec<[String; 5]> = self.lanes.iter().map(row).collect();
        table::write(f, ["lane", "batches", "records", "from", "to"], &rows)?;
        writeln!(
            f,
            "\nNothing goes out before a cutover. What could then be corrected, withdrawn or added:"
        )?;
        let row = |effect: &PlannedEffect| {
            let kind = if effect.is_command { "commands" } else { "facts" };
            [effect.topic.clone(), effect.facts.to_string(), kind.to_owned(), effect.readers.join(", ")]
        };
        let rows: Vec<[String; 4]> = self.effects.iter().map(row).collect();
        table::write(f, ["topic", "in force", "kind", "read by"], &rows)?;
        self.refused.iter().try_for_each(|why| writeln!(f, "\nrefused: {why}"))
    }
}

/// A rebuild as it stands.
#[derive(Clone, Debug, Serialize)]
pub struct Rebuild {
    /// Its number.
    pub replay: i64,
    /// The projection.
    pub processor: String,
    /// The schema of its ledger in the service's database; nothing before it was begun.
    pub schema: Option<String>,
    /// Whether everything is looked up as of when it was asked for, or as it was then.
    pub with_tables_of_now: bool,
    /// Who asked for it.
    pub by: String,
    /// Why.
    pub because: String,
    /// When.
    pub at: String,
    /// What holds it up.
    pub trouble: Option<String>,
    /// Whether it is over.
    pub is_retired: bool,
    /// By lane.
    pub lanes: Vec<RebuiltLane>,
}

/// A lane of it.
#[derive(Clone, Debug, Serialize)]
pub struct RebuiltLane {
    /// The lane.
    pub lane: i32,
    /// The last entry of the live lane's journal.
    pub journal: i64,
    /// The last one that was followed.
    pub followed: i64,
    /// Whether it is live now, and what was live before is beside.
    pub is_cut_over: bool,
    /// Whether a person decided afterwards about an input that it had taken: it has to be made anew.
    pub has_missed: bool,
}

impl Rebuild {
    fn of(seen: ReplaySeen) -> Self {
        let lane = |(lane, standing): (i32, Standing)| {
            let Standing { journal, followed, has_missed, is_cut_over } = standing;
            RebuiltLane { lane, journal, followed, is_cut_over, has_missed }
        };
        Self {
            replay: seen.id,
            processor: seen.processor,
            schema: seen.schema,
            with_tables_of_now: seen.tables_at.is_some(),
            by: seen.by,
            because: seen.because,
            at: seen.at.to_string(),
            trouble: seen.trouble,
            is_retired: seen.retired.is_some(),
            lanes: seen.lanes.into_iter().map(lane).collect(),
        }
    }

    /// Whether every lane was followed to where the live one is.
    pub fn has_caught_up(&self) -> bool {
        !self.lanes.is_empty() && self.lanes.iter().all(|lane| lane.followed >= lane.journal)
    }

    /// Whether nobody has to do anything about it.
    pub fn is_well(&self) -> bool {
        let is_whole = self.trouble.is_none() && !self.lanes.iter().any(|lane| lane.has_missed);
        self.is_retired || (self.has_caught_up() && is_whole)
    }

    fn percent(&self) -> i64 {
        let (all, done) = self
            .lanes
            .iter()
            .fold((0, 0), |(all, done), lane| (all + lane.journal, done + lane.followed.min(lane.journal)));
        if all == 0 { 0 } else { done * 100 / all }
    }
}

impl fmt::Display for Rebuild {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables =
            if self.with_tables_of_now { "as they were when it was asked for" } else { "as they were then" };
        writeln!(f, "rebuild {} of {}, tables {tables}: {}", self.replay, self.processor, self.because)?;
        writeln!(f, "asked for by {} at {}", self.by, self.at)?;
        match &self.schema {
            Some(schema) => writeln!(f, "its tables are in schema {schema}")?,
            None => writeln!(f, "not begun yet: the service begins it within seconds, when it runs")?,
        }
        self.trouble.iter().try_for_each(|trouble| writeln!(f, "held up: {trouble}"))?;
        if self.is_retired {
            writeln!(f, "retired: the service throws it away")?;
        }
        let row = |lane: &RebuiltLane| {
            let state = match (lane.has_missed, lane.is_cut_over) {
                (true, _) => "a person decided about what it had taken: retire it and rebuild anew",
                (false, true) => "live; what was live before is beside",
                (false, false) => "beside",
            };
            [lane.lane.to_string(), format!("{} of {}", lane.followed, lane.journal), state.to_owned()]
        };
        let rows: Vec<[String; 3]> = self.lanes.iter().map(row).collect();
        table::write(f, ["lane", "followed", "state"], &rows)
    }
}

/// Rebuilds of a service.
#[derive(Clone, Debug, Serialize)]
pub struct Rebuilds {
    /// By number.
    pub replays: Vec<Rebuild>,
}

impl fmt::Display for Rebuilds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.replays.is_empty() {
            return write!(f, "nothing is rebuilt");
        }
        self.replays.iter().try_for_each(|replay| writeln!(f, "{replay}"))
    }
}

/// Rebuilds whose ledgers are there, or are to be made.
///
/// # Errors
/// When the ledger does not answer.
pub async fn list(store: &PostgresStore) -> Result<Rebuilds, ReplayError> {
    Ok(Rebuilds { replays: replays::list(store).await?.into_iter().map(Rebuild::of).collect() })
}

async fn find(store: &PostgresStore, replay: i64) -> Result<Rebuild, ReplayError> {
    let found = list(store).await?.replays.into_iter().find(|one| one.replay == replay);
    found.ok_or(ReplayError::NoReplay(replay))
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The projection.
    pub processor: &'a str,
    /// Everything is looked up as it is now, not as it was then.
    pub with_tables_of_now: bool,
    /// Records folded in a second, at most.
    pub rate: Option<u32>,
}

/// Asks for a rebuild; its number.
///
/// # Errors
/// When one is there already, or the ledger does not answer.
pub async fn start(store: &PostgresStore, run: Run<'_>, asker: Asker<'_>) -> Result<i64, ReplayError> {
    let Run { processor, with_tables_of_now, rate } = run;
    let started = replays::start(store, processor, with_tables_of_now, rate, asker).await?;
    started.ok_or_else(|| ReplayError::NotStarted(processor.to_owned()))
}

/// Waits until a rebuild has caught up with what is live, or trouble does not go away, at most for so long; `told` hears how far
/// it is.
///
/// # Errors
/// When there is none of this number, or the ledger does not answer.
pub async fn wait(
    store: &PostgresStore,
    replay: i64,
    at_most: Duration,
    mut told: impl FnMut(&str),
) -> Result<Rebuild, ReplayError> {
    let began = Instant::now();
    let (mut before, mut troubled) = (None, None);
    loop {
        let rebuild = find(store, replay).await?;
        let is_troubled = rebuild.trouble.is_some();
        troubled = is_troubled.then(|| troubled.unwrap_or_else(Instant::now));
        let is_stuck = troubled.is_some_and(|since: Instant| since.elapsed() >= TROUBLED);
        if (rebuild.has_caught_up() && !is_troubled) || is_stuck || began.elapsed() >= at_most {
            return Ok(rebuild);
        }
        if before.replace(rebuild.percent()) != Some(rebuild.percent()) {
            told(&format!("{} % followed", rebuild.percent()));
        }
        tokio::time::sleep(LOOKED_EVERY).await;
    }
}

/// What came of retiring a rebuild.
#[derive(Clone, Debug, Serialize)]
pub struct Retired {
    /// The rebuild.
    pub replay: i64,
    /// Whether it was retired by this.
    pub retired: bool,
}

impl fmt::Display for Retired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.retired {
            true => write!(f, "rebuild {} is retired: the service throws it away", self.replay),
            false => write!(f, "rebuild {} was retired before, or was never there", self.replay),
        }
    }
}

/// Ends a rebuild: what is beside is thrown away by the service.
///
/// # Errors
/// When the ledger does not answer.
pub async fn retire(store: &PostgresStore, replay: i64, asker: Asker<'_>) -> Result<Retired, ReplayError> {
    Ok(Retired { replay, retired: replays::retire(store, replay, asker).await? })
}
