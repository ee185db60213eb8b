//! Asking a processor to fold the records of a topic again, and waiting for what its lanes' owners answer.
//!
//! Consumes the ledger; writes into it what is wished, one wish a lane, with who wishes it and why. Who folds is the
//! service: it has to run. What was wished and is not answered stays, and is carried out when the lane's owner comes to it.

use super::{LedgerError, lanes, table};
use backbone::postgres::PostgresStore;
use backbone::postgres::operate::{self, Asker, IntentSeen};
use backbone::wish::{Outcome, Wish};
use canon::{Catalog, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// How often the ledger is asked what came of it.
const ASKED_EVERY: Duration = Duration::from_millis(500);

/// What is wished of a processor.
#[derive(Clone, Debug)]
pub struct Wished<'a> {
    /// The projection.
    pub processor: &'a str,
    /// The topic whose records it folds again.
    pub topic: &'a str,
    /// Records before this time (the topic's) are left alone.
    pub since: Timestamp,
    /// Only counts what would change.
    pub dry_run: bool,
}

/// What came of wishes.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The projection.
    pub processor: String,
    /// The topic; nothing when this release does not know such a wish.
    pub topic: Option<String>,
    /// Records before this time were left alone.
    pub since: Option<String>,
    /// Whether it was only counted.
    pub dry_run: bool,
    /// By number.
    pub lanes: Vec<Lane>,
    /// Over all lanes that have answered.
    pub sum: Outcome,
}

/// What came of a lane's wish.
#[derive(Clone, Debug, Serialize)]
pub struct Lane {
    /// The lane.
    pub lane: i32,
    /// The wish's number.
    pub wish: i64,
    /// What its owner answered; nothing yet.
    pub outcome: Option<Outcome>,
    /// How a lane stands that has not answered.
    pub state: Option<lanes::State>,
}

/// Writes a wish for each lane of a processor.
///
/// # Errors
/// When there is no such topic or processor, or the ledger does not answer.
pub async fn ask(
    store: &PostgresStore,
    wished: &Wished<'_>,
    asker: Asker<'_>,
) -> Result<Vec<IntentSeen>, LedgerError> {
    let Wished { processor, topic, since, dry_run } = *wished;
    // Whether the projection folds the topic its lanes say. A table is a processor of its own, called as its topic is; it
    // keeps rows and folds nothing, so nobody would ever answer.
    let catalog = Catalog::builtin();
    if catalog.topic(topic).is_none() || catalog.topic(processor).is_some() {
        let (topic, processor) = (topic.to_owned(), processor.to_owned());
        return Err(LedgerError::NotFolded { processor, topic });
    }
    let wish = Wish::Again { topic: topic.to_owned(), since, dry_run };
    let asked = operate::wish(store, processor, &wish, asker).await?;
    if asked.is_empty() {
        return Err(LedgerError::NoProcessor { processor: processor.to_owned() });
    }
    Ok(asked)
}

/// Wishes that were written before.
///
/// # Errors
/// When one of them is not there, or the ledger does not answer.
pub async fn asked(store: &PostgresStore, wishes: &[i64]) -> Result<Vec<IntentSeen>, LedgerError> {
    let found = operate::intents(store, wishes).await?;
    let missing = wishes.iter().find(|wish| !found.iter().any(|seen| seen.id == **wish));
    missing.map_or(Ok(found), |wish| Err(LedgerError::NoWish { wish: *wish }))
}

/// Waits until every wish is answered, at most for so long; `told` hears of each news. A ledger that goes away
/// meanwhile is asked again: the wishes are written.
pub async fn wait(
    store: &PostgresStore,
    mut asked: Vec<IntentSeen>,
    at_most: Duration,
    mut told: impl FnMut(&str),
) -> Report {
    let began = Instant::now();
    let ids: Vec<i64> = asked.iter().map(|seen| seen.id).collect();
    let mut news = None;
    loop {
        match operate::intents(store, &ids).await {
            Ok(seen) if seen.len() == asked.len() => asked = seen,
            Ok(_) => {}
            Err(error) => told(&format!("{error}; asking again")),
        }
        let answered = asked.iter().filter(|seen| seen.outcome.is_some()).count();
        if news.replace(answered) != Some(answered) {
            told(&format!("{answered} of {} lanes have answered", asked.len()));
        }
        let left = at_most.saturating_sub(began.elapsed());
        if answered == asked.len() || left.is_zero() {
            break;
        }
        tokio::time::sleep(ASKED_EVERY.min(left)).await;
    }
    let silent = asked.iter().any(|seen| seen.outcome.is_none());
    let lanes = if silent { lanes::list(store).await.ok() } else { None };
    Report::of(asked, &lanes.map(|lanes| lanes.lanes).unwrap_or_default())
}

impl Report {
    fn of(asked: Vec<IntentSeen>, seen: &[lanes::Lane]) -> Self {
        let processor = asked.first().map(|seen| seen.processor.clone()).unwrap_or_default();
        let wish = asked.first().and_then(|seen| seen.wish.clone());
        let (topic, since, dry_run) = match wish {
            Some(Wish::Again { topic, since, dry_run }) => (Some(topic), Some(since.to_string()), dry_run),
            Some(_) | None => (None, None, false),
        };
        let mut sum = Outcome::default();
        asked.iter().filter_map(|seen| seen.outcome.as_ref()).for_each(|outcome| sum.add(outcome));
        let state = |number| {
            let lane = seen.iter().find(|lane| lane.processor == processor && lane.lane == number);
            lane.map(|lane| lane.state)
        };
        let lane = |seen: IntentSeen| Lane {
            lane: seen.lane,
            wish: seen.id,
            state: if seen.outcome.is_none() { state(seen.lane) } else { None },
            outcome: seen.outcome,
        };
        let mut lanes: Vec<Lane> = asked.into_iter().map(lane).collect();
        lanes.sort_by_key(|lane| lane.lane);
        Self { processor, topic, since, dry_run, lanes, sum }
    }

    /// Whether every lane has answered, and nothing was rejected or refused.
    pub fn is_clean(&self) -> bool {
        let clean = |outcome: &Outcome| outcome.failed.is_none() && outcome.rejected.is_empty();
        self.lanes.iter().all(|lane| lane.outcome.as_ref().is_some_and(clean))
    }

    /// The wishes that are not answered.
    fn open(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter().filter(|lane| lane.outcome.is_none())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
        writeln!(f, "{} folds {} again, since {}", self.processor, told(&self.topic), told(&self.since))?;
        let mut rows: Vec<_> = self.lanes.iter().map(Lane::row).collect();
        rows.push(row("sum".to_owned(), &self.sum));
        let heading =
            ["lane", "records", "unchanged", "corrected", "recorded", "withdrawn", "parked", "rejected", ""];
        table::write(f, heading, &rows)?;
        let open: Vec<String> = self.open().map(|lane| lane.wish.to_string()).collect();
        if !open.is_empty() {
            let s = if open.len() == 1 { "" } else { "s" };
            return write!(
                f,
                "{} lane{s} not answered. The wish stays, and is carried out when the lane's owner comes to it: see \
                 `vertebra lanes list`, and wait on with `vertebra again --service <name> --asked {}`",
                open.len(),
                open.join(",")
            );
        }
        match (self.lanes.iter().any(|lane| lane.refused().is_some()), self.dry_run) {
            (true, _) => write!(f, "where a lane refused, nothing was done"),
            (false, true) => write!(f, "a dry run: nothing was changed; --yes does it"),
            (false, false) => write!(f, "done"),
        }
    }
}

impl Lane {
    fn refused(&self) -> Option<&str> {
        self.outcome.as_ref()?.failed.as_deref()
    }

    fn row(&self) -> [String; 9] {
        if let Some(outcome) = &self.outcome {
            return row(self.lane.to_string(), outcome);
        }
        let why = match self.state {
            Some(lanes::State::Stopped) => "no answer: its breaker has stopped it",
            Some(lanes::State::Unowned) => "no answer: no instance holds it; does the service run?",
            Some(lanes::State::Works) | None => "no answer",
        };
        let mut cells: [String; 9] = std::array::from_fn(|_| "-".to_owned());
        (cells[0], cells[8]) = (self.lane.to_string(), why.to_owned());
        cells
    }
}

fn row(name: String, outcome: &Outcome) -> [String; 9] {
    let Outcome { records, unchanged, corrected, recorded, withdrawn, parked, rejected, failed, .. } =
        outcome;
    let counts = [records, unchanged, corrected, recorded, withdrawn, parked].map(u64::to_string);
    let [records, unchanged, corrected, recorded, withdrawn, parked] = counts;
    let refused = failed.as_ref().map(|why| format!("refused: {why}")).unwrap_or_default();
    [name, records, unchanged, corrected, recorded, withdrawn, parked, by_reason(rejected), refused]
}

fn by_reason(rejected: &BTreeMap<String, u64>) -> String {
    match rejected.is_empty() {
        true => "0".to_owned(),
        false => rejected.iter().map(|(reason, of)| format!("{reason} {of}")).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(lane: i32, outcome: Option<Outcome>) -> IntentSeen {
        let again =
            Wish::Again { topic: "raw.hl7v2.v1".to_owned(), since: Timestamp(1_000_000), dry_run: true };
        let processor = "hl7-translation".to_owned();
        IntentSeen { id: 40 + i64::from(lane), processor, lane, wish: Some(again), outcome }
    }

    fn folded(records: u64) -> Outcome {
        Outcome { records, unchanged: records - 1, corrected: 1, ..Outcome::default() }
    }

    #[track_caller]
    fn check(outcomes: Vec<Option<Outcome>>, clean: bool, page: &str) {
        let asked = (0..).zip(outcomes).map(|(lane, outcome)| wish(lane, outcome)).collect();
        let report = Report::of(asked, &[]);
        assert_eq!(report.to_string(), page);
        assert_eq!(report.is_clean(), clean);
    }

    #[test]
    fn each_lane_is_a_line_and_the_sum_is_one() {
        check(
            vec![Some(folded(120)), Some(folded(9))],
            true,
            "hl7-translation folds raw.hl7v2.v1 again, since 1970-01-01T00:00:01Z\n\
             lane  records  unchanged  corrected  recorded  withdrawn  parked  rejected\n\
             0     120      119        1          0         0          0       0\n\
             1     9        8          1          0         0          0       0\n\
             sum   129      127        2          0         0          0       0\n\
             a dry run: nothing was changed; --yes does it",
        );
    }

    #[test]
    fn what_is_rejected_refused_or_not_answered_is_said_and_is_not_clean() {
        let rejected = Outcome { rejected: BTreeMap::from([("invalid".to_owned(), 3)]), ..folded(5) };
        let failed = Outcome { failed: Some("not here".to_owned()), ..Outcome::default() };
        check(
            vec![Some(rejected.clone()), Some(failed.clone())],
            false,
            "hl7-translation folds raw.hl7v2.v1 again, since 1970-01-01T00:00:01Z\n\
             lane  records  unchanged  corrected  recorded  withdrawn  parked  rejected\n\
             0     5        4          1          0         0          0       invalid 3\n\
             1     0        0          0          0         0          0       0          refused: not here\n\
             sum   5        4          1          0         0          0       invalid 3\n\
             where a lane refused, nothing was done",
        );
        let open = Report::of(vec![wish(0, Some(rejected)), wish(1, None)], &[]);
        let page = open.to_string();
        assert!(page.contains("1     -        -") && page.contains("1 lane not answered"), "{page}");
        assert!(page.ends_with("--asked 41`") && !open.is_clean(), "{page}");
    }
}
