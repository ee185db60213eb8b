//! A projection rebuilt beside the live one: what it would take, how far it is, what it has otherwise, and the step from one to
//! the other.
//!
//! Consumes a service's ledger and those of its rebuilds, and asks Kafka what its topics still hold; writes what is asked for, with
//! who asks and why. The service does it: it has to run. No report shows a message; report rows and names of facts are shown
//! as the ledger has them, with tokens for keys.

use super::{LedgerError, table};
use backbone::edge::BrokerError;
use backbone::kafka::{KafkaLog, KafkaSettings, LogSettings};
use backbone::postgres::PostgresStore;
use backbone::postgres::operate::{self, Asker, IntentSeen};
use backbone::postgres::replays::{self, ReplaySeen, RowSeen, SumSeen};
use backbone::replay::{Difference, Standing};
use backbone::store::StoreError;
use backbone::wish::{CutOver, Outcome, Wish};
use canon::Catalog;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

const ASKED_EVERY: Duration = Duration::from_millis(250);
/// Report rows and facts that are shown one by one, of each kind.
const SHOWN_MAX: i64 = 10;

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
        self.has_caught_up() && self.trouble.is_none() && !self.lanes.iter().any(|lane| lane.has_missed)
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

/// Waits until a rebuild has caught up with what is live, at most for so long; `told` hears how far it is.
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
    let mut before = None;
    loop {
        let rebuild = find(store, replay).await?;
        if rebuild.has_caught_up() || rebuild.trouble.is_some() || began.elapsed() >= at_most {
            return Ok(rebuild);
        }
        if before.replace(rebuild.percent()) != Some(rebuild.percent()) {
            told(&format!("{} % followed", rebuild.percent()));
        }
        tokio::time::sleep(ASKED_EVERY).await;
    }
}

/// What a rebuild has otherwise than what is live.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// The rebuild.
    pub rebuild: Rebuild,
    /// States that differ, of how many.
    pub states: (i64, i64),
    /// Parked inputs by reason: live, and in the rebuild.
    pub parked: BTreeMap<String, (i64, i64)>,
    /// Facts that differ, by topic, what would become of them, and what caused it.
    pub facts: Vec<FactClass>,
    /// Report rows that differ, by table.
    pub rows: BTreeMap<String, i64>,
    /// Some of them.
    pub some_rows: Vec<ShownRow>,
    /// Sums of report tables that differ.
    pub sums: Vec<ShownSum>,
}

/// Facts of one kind that differ.
#[derive(Clone, Debug, Serialize)]
pub struct FactClass {
    /// Their topic.
    pub topic: String,
    /// recorded, corrected or withdrawn.
    pub change: &'static str,
    /// code, configuration, master data, or unknown.
    pub cause: &'static str,
    /// How many.
    pub facts: usize,
    /// Names of some of them.
    pub names: Vec<String>,
}

/// A report row that differs.
#[derive(Clone, Debug, Serialize)]
pub struct ShownRow {
    /// The table.
    pub table: String,
    /// The row.
    pub row: String,
    /// Columns that differ: live, and in the rebuild.
    pub columns: BTreeMap<String, (String, String)>,
}

/// A sum that differs.
#[derive(Clone, Debug, Serialize)]
pub struct ShownSum {
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
    /// The currency, where the table has one.
    pub currency: Option<String>,
    /// In decimal text.
    pub live: String,
    /// In decimal text.
    pub beside: String,
}

/// Compares a rebuild with what is live.
///
/// # Errors
/// When there is none of this number, or the ledger does not answer.
pub async fn verify(store: &PostgresStore, replay: i64) -> Result<Verified, ReplayError> {
    let seen = replays::list(store).await?.into_iter().find(|one| one.id == replay);
    let seen = seen.filter(|one| one.schema.is_some()).ok_or(ReplayError::NoReplay(replay))?;
    let processor = seen.processor.clone();
    let code = seen.code.clone().unwrap_or_default();
    let otherwise = replays::folded_otherwise(store, &processor, &code).await?;
    let causes = Causes { code, otherwise, with_tables_of_now: seen.tables_at.is_some() };
    let differing = replays::differing(store, replay, &processor).await?;
    let (rows, counts) = replays::differing_rows(store, replay, SHOWN_MAX).await?;
    Ok(Verified {
        states: replays::differing_states(store, replay, &processor).await?,
        parked: replays::parked(store, replay, &processor).await?,
        facts: classes(&differing, &causes),
        rows: counts.into_iter().filter(|(_, count)| *count > 0).collect(),
        some_rows: rows.into_iter().map(ShownRow::of).collect(),
        sums: replays::differing_sums(store, replay).await?.into_iter().map(ShownSum::of).collect(),
        rebuild: Rebuild::of(seen),
    })
}

/// What can have caused a difference.
struct Causes {
    /// The code and the configuration of the rebuild.
    code: String,
    otherwise: Vec<(i32, String, i64, i64, String)>,
    with_tables_of_now: bool,
}

impl Causes {
    /// Of a fact: what folded the record that it was stated for. Of what a deadline did, anything of its lane.
    fn of(&self, difference: &Difference) -> &'static str {
        let row = difference.live.as_ref().or(difference.beside.as_ref());
        let Some(origin) = row.and_then(|row| row.origin.as_ref()) else { return "unknown" };
        let folded = self.otherwise.iter().find(|(lane, topic, first, next, _)| {
            *lane == origin.partition
                && (origin.topic.is_empty()
                    || (*topic == origin.topic && (*first..*next).contains(&origin.offset)))
        });
        match folded {
            Some((.., code)) if version(code) != version(&self.code) => "code",
            Some(_) => "configuration",
            None if self.with_tables_of_now => "master data",
            None => "unknown",
        }
    }
}

/// The release of a journal's code text, before the configuration.
fn version(code: &str) -> Option<&str> {
    code.split(' ').nth(1)
}

fn classes(differing: &[Difference], causes: &Causes) -> Vec<FactClass> {
    let mut classes: BTreeMap<(String, &'static str, &'static str), Vec<String>> = BTreeMap::new();
    for one in differing {
        let is_new = one.beside.as_ref().is_some_and(|row| !row.withdrawn);
        let Some(row) = one.beside.as_ref().or(one.live.as_ref()) else { continue };
        let change = match (is_new, &one.live) {
            (true, Some(_)) => "corrected",
            (true, None) => "recorded",
            (false, _) => "withdrawn",
        };
        classes.entry((row.topic.clone(), change, causes.of(one))).or_default().push(row.name.clone());
    }
    let shown = usize::try_from(SHOWN_MAX).unwrap_or(10);
    let class = |((topic, change, cause), mut names): ((String, &'static str, &'static str), Vec<String>)| {
        let facts = names.len();
        names.truncate(shown);
        FactClass { topic, change, cause, facts, names }
    };
    classes.into_iter().map(class).collect()
}

impl ShownRow {
    fn of(seen: RowSeen) -> Self {
        let of = |row: &Option<serde_json::Value>, column: &str| {
            let value = row.as_ref().and_then(|row| row.get(column));
            value.map_or_else(
                || "-".to_owned(),
                |value| value.as_str().map_or_else(|| value.to_string(), str::to_owned),
            )
        };
        let both = [&seen.live, &seen.beside];
        let columns = both.into_iter().flatten().filter_map(|row| row.as_object()).flat_map(|row| row.keys());
        let columns =
            columns.map(|column| (column.clone(), (of(&seen.live, column), of(&seen.beside, column))));
        let columns = columns.filter(|(_, (live, beside))| live != beside).collect();
        Self { table: seen.table, row: seen.row, columns }
    }
}

impl ShownSum {
    fn of(seen: SumSeen) -> Self {
        let SumSeen { table, column, currency, live, beside } = seen;
        Self { table, column, currency, live, beside }
    }
}

impl Verified {
    /// Whether nothing differs.
    pub fn is_same(&self) -> bool {
        self.states.0 == 0
            && self.facts.is_empty()
            && self.rows.is_empty()
            && self.parked.values().all(|(live, beside)| live == beside)
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.rebuild)?;
        if !self.rebuild.has_caught_up() {
            writeln!(f, "\nIt has not caught up: what is compared is of different times.")?;
        }
        if self.is_same() {
            return write!(
                f,
                "\nNothing differs: {} states, their facts and report rows are the same.",
                self.states.1
            );
        }
        writeln!(f, "\n{} of {} states differ.", self.states.0, self.states.1)?;
        if !self.facts.is_empty() {
            writeln!(f, "\nFacts that a cutover would state:")?;
            let row = |class: &FactClass| {
                [
                    class.topic.clone(),
                    class.change.to_owned(),
                    class.cause.to_owned(),
                    class.facts.to_string(),
                    class.names.first().cloned().unwrap_or_default(),
                ]
            };
            let rows: Vec<[String; 5]> = self.facts.iter().map(row).collect();
            table::write(f, ["topic", "change", "cause", "facts", "such as"], &rows)?;
        }
        let parked = self.parked.iter().filter(|(_, (live, beside))| live != beside);
        let parked: Vec<[String; 3]> = parked
            .map(|(reason, (live, beside))| [reason.clone(), live.to_string(), beside.to_string()])
            .collect();
        if !parked.is_empty() {
            writeln!(f, "\nParked inputs:")?;
            table::write(f, ["reason", "live", "rebuilt"], &parked)?;
        }
        if !self.sums.is_empty() {
            writeln!(f, "\nSums of the report tables:")?;
            let row = |sum: &ShownSum| {
                [
                    sum.table.clone(),
                    sum.column.clone(),
                    sum.currency.clone().unwrap_or_default(),
                    sum.live.clone(),
                    sum.beside.clone(),
                ]
            };
            let rows: Vec<[String; 5]> = self.sums.iter().map(row).collect();
            table::write(f, ["table", "column", "currency", "live", "rebuilt"], &rows)?;
        }
        for (name, count) in &self.rows {
            writeln!(f, "\n{name}: {count} rows differ, such as:")?;
            let of_table = self.some_rows.iter().filter(|row| row.table == *name);
            let rows: Vec<[String; 4]> = of_table
                .flat_map(|row| {
                    let cells = row.columns.iter();
                    cells.map(|(column, (live, beside))| {
                        [row.row.clone(), column.clone(), live.clone(), beside.clone()]
                    })
                })
                .collect();
            table::write(f, ["row", "column", "live", "rebuilt"], &rows)?;
        }
        Ok(())
    }
}

/// What came of a cutover or a rollback.
#[derive(Clone, Debug, Serialize)]
pub struct Changed {
    /// The rebuild.
    pub replay: i64,
    /// Whether what was live before is again.
    pub back: bool,
    /// Whether it was only counted.
    pub dry_run: bool,
    /// By lane.
    pub lanes: BTreeMap<i32, Outcome>,
    /// Over all lanes.
    pub sum: Outcome,
    /// Why it ended before all lanes were through.
    pub stopped: Option<String>,
}

impl Changed {
    /// Whether every lane went through.
    pub fn is_done(&self) -> bool {
        self.stopped.is_none()
    }
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match (self.back, self.dry_run) {
            (false, false) => "cut over",
            (false, true) => "would be cut over",
            (true, false) => "rolled back",
            (true, true) => "would be rolled back",
        };
        writeln!(f, "{} lanes {what}", self.lanes.len())?;
        let row = |(lane, outcome): (&i32, &Outcome)| {
            [
                lane.to_string(),
                outcome.records.to_string(),
                outcome.recorded.to_string(),
                outcome.corrected.to_string(),
                outcome.withdrawn.to_string(),
                outcome.parked.to_string(),
                outcome.resolved.to_string(),
            ]
        };
        let rows: Vec<[String; 7]> = self.lanes.iter().map(row).collect();
        table::write(f, ["lane", "states", "recorded", "corrected", "withdrawn", "parked", "freed"], &rows)?;
        self.stopped.iter().try_for_each(|why| writeln!(f, "stopped: {why}"))
    }
}

/// Has lanes cut over to a rebuild, or back: one after another, and no further when one does not go through.
///
/// # Errors
/// When there is none of this number, or the ledger does not answer.
pub async fn cut_over(
    store: &PostgresStore,
    cut: CutOver,
    only: Option<i32>,
    asker: Asker<'_>,
    patience: Duration,
    mut told: impl FnMut(&str),
) -> Result<Changed, ReplayError> {
    let rebuild = find(store, cut.replay).await?;
    let CutOver { replay, back, dry_run } = cut;
    let mut changed =
        Changed { replay, back, dry_run, lanes: BTreeMap::new(), sum: Outcome::default(), stopped: None };
    // Lanes that are where they are to be were changed by a call before this one.
    let wanted = rebuild.lanes.iter().filter(|lane| lane.is_cut_over == back);
    let wanted = wanted.filter(|lane| only.is_none_or(|only| only == lane.lane));
    for lane in wanted.map(|lane| lane.lane) {
        let wish = Wish::CutOver(cut);
        let asked = operate::wish_of_lane(store, &rebuild.processor, lane, &wish, asker).await?;
        let Some(asked) = asked else {
            return Err(LedgerError::Unknown { processor: rebuild.processor, lane }.into());
        };
        let seen = answered(store, asked, patience).await?;
        match seen.outcome {
            Some(outcome) if outcome.failed.is_none() => {
                changed.sum.add(&outcome);
                changed.lanes.insert(lane, outcome);
                told(&format!("lane {lane} is through"));
            }
            Some(Outcome { failed, .. }) => {
                let why = failed.unwrap_or_default();
                changed.stopped = Some(format!("lane {lane} refused: {why}"));
                return Ok(changed);
            }
            None => {
                changed.stopped = Some(format!(
                    "lane {lane} has not answered: see `vertebra lanes list`. What was asked stays, under the number {}, and is \
                     carried out when the lane's owner comes to it",
                    seen.id
                ));
                return Ok(changed);
            }
        }
    }
    Ok(changed)
}

async fn answered(
    store: &PostgresStore,
    asked: IntentSeen,
    patience: Duration,
) -> Result<IntentSeen, StoreError> {
    let (began, id) = (Instant::now(), asked.id);
    let mut seen = asked;
    while seen.outcome.is_none() && began.elapsed() < patience {
        tokio::time::sleep(ASKED_EVERY).await;
        if let Some(now) = operate::intents(store, &[id]).await?.pop() {
            seen = now;
        }
    }
    Ok(seen)
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
