//! What a rebuild has otherwise than what is live: by name, by sums, and what caused it.

use super::{Rebuild, ReplayError};
use crate::ledger::table;
use backbone::postgres::PostgresStore;
use backbone::postgres::replays::{self, ReplaySeen, RowSeen, SumSeen};
use backbone::replay::Difference;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// Report rows of a table, and facts of a class, that are told one by one.
const TOLD_MAX: usize = 200;
/// Report rows of a table that a page for people has.
const SHOWN_MAX: usize = 10;

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
    /// code, configuration, master data, one of two of them, or unknown.
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
    /// What caused it: what did of the facts of its key, or of all facts where that is the same.
    pub cause: String,
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

/// How often is looked again at most, while the live ledger moves on.
const LOOKS_MAX: usize = 4;

/// Until it is looked again: what follows looks more often.
const LOOKED_AGAIN: Duration = Duration::from_millis(500);

/// Compares a rebuild with what is live: where that moves on meanwhile, once more, a few times at most.
///
/// # Errors
/// When there is none of this number, or the ledger does not answer.
pub async fn verify(store: &PostgresStore, replay: i64) -> Result<Verified, ReplayError> {
    for _ in 1..LOOKS_MAX {
        let before = find(store, replay).await?;
        let (before, verified) = (before.lanes.clone(), compare(store, before).await?);
        if verified.rebuild.has_caught_up() && find(store, replay).await?.lanes == before {
            return Ok(verified);
        }
        tokio::time::sleep(LOOKED_AGAIN).await;
    }
    compare(store, find(store, replay).await?).await
}

async fn find(store: &PostgresStore, replay: i64) -> Result<ReplaySeen, ReplayError> {
    let seen = replays::list(store).await?.into_iter().find(|one| one.id == replay);
    seen.filter(|one| one.schema.is_some()).ok_or(ReplayError::NoReplay(replay))
}

async fn compare(store: &PostgresStore, seen: ReplaySeen) -> Result<Verified, ReplayError> {
    let replay = seen.id;
    let processor = seen.processor.clone();
    let code = seen.code.clone().unwrap_or_default();
    let otherwise = replays::folded_otherwise(store, &processor, &code).await?;
    let causes = Causes { code, otherwise, with_tables_of_now: seen.tables_at.is_some() };
    let differing = replays::differing(store, replay, &processor).await?;
    let told_max = i64::try_from(TOLD_MAX).unwrap_or(i64::MAX);
    let (rows, counts) = replays::differing_rows(store, replay, told_max).await?;
    let by_key = by_key(&differing, &causes);
    Ok(Verified {
        states: replays::differing_states(store, replay, &processor).await?,
        parked: replays::parked(store, replay, &processor).await?,
        facts: classes(&differing, &causes),
        rows: counts.into_iter().filter(|(_, count)| *count > 0).collect(),
        some_rows: rows.into_iter().map(|row| ShownRow::of(row, &by_key)).collect(),
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
        let by_release = folded.map(|(.., code)| version(code) != version(&self.code));
        match (by_release, self.with_tables_of_now) {
            (Some(true), false) => "code",
            (Some(true), true) => "code or master data",
            (Some(false), false) => "configuration",
            (Some(false), true) => "configuration or master data",
            (None, true) => "master data",
            (None, false) => "unknown",
        }
    }
}

/// The causes of facts, by their keys.
fn by_key<'a>(differing: &'a [Difference], causes: &Causes) -> BTreeMap<&'a str, BTreeSet<&'static str>> {
    let mut by_key: BTreeMap<&str, BTreeSet<&'static str>> = BTreeMap::new();
    for one in differing {
        if let Some(row) = one.live.as_ref().or(one.beside.as_ref()) {
            by_key.entry(&row.key).or_default().insert(causes.of(one));
        }
    }
    by_key
}

/// What caused that a report row differs: it begins with the key whose state it shows.
fn cause_of(row: &str, by_key: &BTreeMap<&str, BTreeSet<&'static str>>) -> String {
    let key = row.split('/').next().unwrap_or(row);
    let all: BTreeSet<&'static str> = by_key.values().flatten().copied().collect();
    match by_key.get(row).or_else(|| by_key.get(key)) {
        Some(causes) => causes.iter().copied().collect::<Vec<_>>().join(" or "),
        None if all.len() == 1 => all.into_iter().collect(),
        None => "unknown".to_owned(),
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
    let class = |((topic, change, cause), mut names): ((String, &'static str, &'static str), Vec<String>)| {
        let facts = names.len();
        names.truncate(TOLD_MAX);
        FactClass { topic, change, cause, facts, names }
    };
    classes.into_iter().map(class).collect()
}

impl ShownRow {
    fn of(seen: RowSeen, by_key: &BTreeMap<&str, BTreeSet<&'static str>>) -> Self {
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
        let cause = cause_of(&seen.row, by_key);
        Self { table: seen.table, row: seen.row, cause, columns }
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
            let of_table = self.some_rows.iter().filter(|row| row.table == *name).take(SHOWN_MAX);
            let rows: Vec<[String; 5]> = of_table
                .flat_map(|row| {
                    let cells = row.columns.iter();
                    cells.map(|(column, (live, beside))| {
                        [row.row.clone(), column.clone(), live.clone(), beside.clone(), row.cause.clone()]
                    })
                })
                .collect();
            table::write(f, ["row", "column", "live", "rebuilt", "cause"], &rows)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(row: &str, by_key: &[(&'static str, &[&'static str])], expected: &str) {
        let by_key = by_key.iter().map(|(key, causes)| (*key, causes.iter().copied().collect())).collect();
        assert_eq!(cause_of(row, &by_key), expected, "{row}");
    }

    #[test]
    fn a_report_row_differs_for_what_made_the_facts_of_its_key_differ() {
        let by_key: [(&str, &[&str]); 2] = [("k1", &["code"]), ("k2", &["configuration", "master data"])];
        check("k1", &by_key, "code");
        check("k2/charge-7", &by_key, "configuration or master data");
        check("k3/charge-7", &by_key, "unknown");
        check("k3", &by_key[..1], "code");
        check("k3", &[], "unknown");
    }
}
