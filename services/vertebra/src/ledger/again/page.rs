//! What came of folding again, as a page for people.

use super::{Lane, Report};
use crate::ledger::{lanes, sums, table};
use backbone::wish::Outcome;
use std::collections::BTreeMap;
use std::fmt;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} folds {} again{}",
            self.processor,
            self.topic.as_deref().unwrap_or("?"),
            self.which()
        )?;
        let mut rows: Vec<_> = self.lanes.iter().map(Lane::row).collect();
        rows.push(row("sum".to_owned(), &self.sum));
        let heading =
            ["lane", "records", "unchanged", "corrected", "recorded", "withdrawn", "parked", "rejected", ""];
        table::write(f, heading, &rows)?;
        self.write_sums(f)?;
        if let Some(why) = &self.stopped {
            writeln!(f, "stopped: {why}")?;
        }
        let open: Vec<String> = self.open().map(|lane| lane.wish.to_string()).collect();
        if !open.is_empty() {
            let s = if open.len() == 1 { "" } else { "s" };
            return write!(
                f,
                "{} lane{s} not answered. The wish stays, and is carried out when the lane's owner comes to it: see \
                 `vertebra lanes list`, and wait on with `vertebra raw replay --service <name> --asked {}`",
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

impl Report {
    /// Which records, in words.
    fn which(&self) -> String {
        let Self { since, until, sender, .. } = self;
        let part = |before: &str, part: &Option<String>| {
            part.as_ref().map(|part| format!("{before}{part}")).unwrap_or_default()
        };
        [part(", since ", since), part(" until ", until), part(", of ", sender)].concat()
    }

    /// Whose records, what became of their facts, and which of them are news.
    fn write_sums(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { senders, range, .. } = &self.sum;
        if let Some((first, last)) = range {
            let senders: Vec<String> =
                senders.iter().map(|(sender, records)| format!("{sender} {records}")).collect();
            writeln!(f, "records from {first} to {last}, of {}", senders.join(", "))?;
        }
        sums::write(f, &self.sum)
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
