//! `docs/fault-report.md`: what every run has come to, from the lines that runs leave.

use crate::play::{INVARIANTS, Judgement, Outcome, Scenario};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One run, as a line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The scenario.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// Why it was not run; else nothing.
    pub left_out: Option<String>,
    /// What kept it from a verdict; else nothing.
    pub failed: Option<String>,
    /// By invariant: `held`, `violated`, or why it was not judged.
    pub invariants: BTreeMap<u8, String>,
    /// Messages acknowledged.
    pub messages: usize,
    /// Sendings besides.
    pub again: usize,
    /// From the healing's beginning until nothing was on its way.
    pub recovered_ms: u64,
    /// The commit that was run, as `git describe` tells it; nothing where that is not known.
    #[serde(default)]
    pub commit: Option<String>,
}

/// Characters that are shown of what kept a run from its verdict.
const SHOWN_MAX: usize = 160;
const HELD: &str = "held";
const VIOLATED: &str = "violated";

impl Line {
    /// Of a run that came to a verdict.
    pub fn of(scenario: &Scenario, seed: u64, outcome: &Outcome) -> Self {
        let told = |number| match outcome.verdict.of(number) {
            Judgement::Held => HELD.to_owned(),
            Judgement::NotJudged(why) => (*why).to_owned(),
            Judgement::Violated(_) => VIOLATED.to_owned(),
        };
        Self {
            invariants: (1..=INVARIANTS).map(|number| (number, told(number))).collect(),
            messages: outcome.messages,
            again: outcome.again,
            recovered_ms: u64::try_from(outcome.recovered.as_millis()).unwrap_or(u64::MAX),
            ..Self::empty(scenario, seed)
        }
    }

    /// Of one that did not.
    pub fn failed(scenario: &Scenario, seed: u64, why: &str) -> Self {
        Self { failed: Some(why.to_owned()), ..Self::empty(scenario, seed) }
    }

    /// Of one that was not run.
    pub fn left_out(scenario: &Scenario, seed: u64, why: &str) -> Self {
        Self { left_out: Some(why.to_owned()), ..Self::empty(scenario, seed) }
    }

    /// Whether nothing is wrong with it.
    pub fn is_good(&self) -> bool {
        self.failed.is_none() && self.violated().is_empty()
    }

    /// Invariants that do not hold, by name.
    pub fn violated(&self) -> Vec<String> {
        let violated = self.invariants.iter().filter(|(_, told)| *told == VIOLATED);
        violated.map(|(number, _)| format!("I{number}")).collect()
    }

    fn empty(scenario: &Scenario, seed: u64) -> Self {
        Self {
            scenario: scenario.id.to_owned(),
            seed,
            left_out: None,
            failed: None,
            invariants: BTreeMap::new(),
            messages: 0,
            again: 0,
            recovered_ms: 0,
            commit: None,
        }
    }
}

/// The report of so many runs, in Markdown.
pub fn page(scenarios: &[Scenario], lines: &[Line]) -> String {
    let mut page = HEAD.to_owned();
    page += "\n## What held\n| | runs |";
    for number in 1..=INVARIANTS {
        let _ = write!(page, " I{number} |");
    }
    page += "\n|---|---|";
    page += &"---|".repeat(usize::from(INVARIANTS));
    for scenario in scenarios {
        let runs = runs_of(scenario, lines);
        let _ = write!(page, "\n| {} | {} |", scenario.id, runs.len());
        for number in 1..=INVARIANTS {
            let _ = write!(page, " {} |", mark(&runs, number));
        }
    }
    page += "\n\n`✓` held in every run · `✗` violated in one · `–` not judged, for the reason below · empty: no run\n";
    page += "\n## What was done\n| | fault | seeds | messages | sent again | longest recovery | repeat |\n|---|---|---|---|---|---|---|";
    for scenario in scenarios {
        let runs = runs_of(scenario, lines);
        let seeds: Vec<String> = runs.iter().map(|line| line.seed.to_string()).collect();
        let messages: usize = runs.iter().map(|line| line.messages).sum();
        let again: usize = runs.iter().map(|line| line.again).sum();
        let longest = runs.iter().map(|line| line.recovered_ms).max().unwrap_or(0);
        let _ = write!(
            page,
            "\n| {id} | {} | {} | {messages} | {again} | {}.{} s | `make test-faults SCENARIO={id} SEED={}` |",
            scenario.fault,
            seeds.join(" "),
            longest / 1000,
            longest % 1000 / 100,
            seeds.first().map_or("1", String::as_str),
            id = scenario.id,
        );
    }
    page += "\n";
    commits(&mut page, lines);
    remarks(&mut page, lines);
    page
}

/// Which commits were run: a report may be put together from several runs.
fn commits(page: &mut String, lines: &[Line]) {
    let mut runs: BTreeMap<&str, usize> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.left_out.is_none()) {
        *runs.entry(line.commit.as_deref().unwrap_or("not known")).or_default() += 1;
    }
    let each: Vec<String> = runs.iter().map(|(commit, runs)| format!("{commit} ({runs})")).collect();
    let _ = writeln!(page, "\nThe commits that were run, and how many runs: {}.", each.join(", "));
}

fn runs_of<'a>(scenario: &Scenario, lines: &'a [Line]) -> Vec<&'a Line> {
    lines.iter().filter(|line| line.scenario == scenario.id && line.left_out.is_none()).collect()
}

fn mark(runs: &[&Line], number: u8) -> &'static str {
    let told: Vec<&str> =
        runs.iter().map(|line| line.invariants.get(&number).map_or("no verdict", String::as_str)).collect();
    match told.as_slice() {
        [] => "",
        told if told.contains(&VIOLATED) || told.contains(&"no verdict") => "✗",
        told if told.iter().all(|told| *told == HELD) => "✓",
        _ => "–",
    }
}

/// What is not a plain yes, each once.
fn remarks(page: &mut String, lines: &[Line]) {
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in lines {
        let at = format!("{} seed {}", line.scenario, line.seed);
        if let Some(why) = &line.left_out {
            told.entry(format!("not run: {why}")).or_default().push(at.clone());
        }
        if let Some(why) = &line.failed {
            let first: String = why.lines().next().unwrap_or_default().chars().take(SHOWN_MAX).collect();
            told.entry(format!("no verdict: {first}")).or_default().push(at.clone());
        }
        for (number, why) in line.invariants.iter().filter(|(_, told)| *told != HELD) {
            told.entry(format!("I{number}: {why}")).or_default().push(at.clone());
        }
    }
    if told.is_empty() {
        return;
    }
    *page += "\n## Remarks\n";
    for (what, places) in told {
        let _ = writeln!(page, "- {what} ({})", places.join(", "));
    }
}

const HEAD: &str = "<!-- Generated from the runs' results by `make test-faults` -->
# Faults, and what held

Every scenario runs real services against a cluster of three brokers (three copies, `min.insync.replicas=2`), PostgreSQL and the
registry on one machine; Odoo is the stand-in that speaks its HTTP, and the real one in F3, F8 and F16. Services come to all of it through
proxies that can be cut, silenced, delayed and muted. An invented hospital sends at a steady rate while faults happen by a schedule drawn
from the seed; then everything is healed, the sender ends its day, nothing may be on its way before a deadline, and what was sent and
acknowledged is held against the topics, the ledgers, the journals and Odoo, all read whole.

I1 acknowledged = applied, parked or given up · I2 nothing that was not sent · I3 versions per key without gaps; behind a parked one, parked ·
I4 one record in Odoo per business key · I5 positions never beyond what is durable, never back · I6 nothing of a stale owner · I7 live = rebuilt along
the journal · I8 parked with its bytes · I9 sums to the cent · I10 no patient's data in keys, headers, logs, metrics, reports · I11 settled before the deadline.
A recovery is from the beginning of the healing (parts and services that are down start within it) to the moment when nothing is on its way.
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenarios::ALL;

    fn line(seed: u64, told: &str) -> Line {
        let invariants = (1..=INVARIANTS).map(|number| (number, HELD.to_owned())).collect();
        let mut line = Line { invariants, messages: 10, ..Line::empty(&ALL[0], seed) };
        line.invariants.insert(7, told.to_owned());
        line
    }

    #[test]
    fn a_report_of_several_commits_says_so() {
        let of = |seed, commit: Option<&str>| Line { commit: commit.map(str::to_owned), ..line(seed, HELD) };
        let page = page(&ALL[..1], &[of(1, Some("abc")), of(2, Some("abc")), of(3, None)]);
        assert!(page.contains("how many runs: abc (2), not known (1).\n"), "{page}");
    }

    #[test]
    fn one_run_that_violates_is_enough_and_what_was_not_judged_is_no_yes() {
        let row = |lines: &[Line]| {
            let page = page(&ALL[..1], lines);
            let start = format!("| {} | {} |", ALL[0].id, lines.len());
            page.lines().find(|line| line.starts_with(&start)).expect("its row").to_owned()
        };
        assert_eq!(row(&[line(1, HELD)]).matches('✓').count(), usize::from(INVARIANTS));
        assert_eq!(row(&[line(1, HELD), line(2, VIOLATED)]).matches('✗').count(), 1);
        assert_eq!(row(&[line(1, HELD), line(2, "nobody looked")]).matches('–').count(), 1);
        let failed = Line::failed(&ALL[0], 1, "it hung");
        assert!(!failed.is_good());
        assert_eq!(row(&[failed]).matches('✗').count(), usize::from(INVARIANTS));
    }

    #[test]
    fn what_was_not_run_says_why() {
        let page = page(&ALL[..1], &[Line::left_out(&ALL[0], 1, "no root")]);
        assert!(page.contains("- not run: no root ("), "{page}");
    }
}
