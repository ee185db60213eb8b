//! What came of a run: for people a table with a last line that says it all, for programs one JSON document.

use crate::message::Numbers;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// What came of one case.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The number of the fact it stands for.
    pub number: &'static str,
    /// Its name, unique among all cases.
    pub name: &'static str,
    /// What the standard, or experience with engines, says.
    pub says: &'static str,
    /// The verdict.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What was done and seen, in order.
    pub steps: Vec<String>,
    /// How long it took.
    pub took_ms: u64,
}

/// The verdict on a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// As it has to be.
    Passed,
    /// A known variation, which loses nothing.
    Tolerated {
        /// Which.
        what: String,
    },
    /// Not as it has to be.
    Failed {
        /// What has to come.
        expected: String,
        /// What came.
        came: String,
    },
    /// Not run.
    Skipped {
        /// Why.
        why: String,
    },
}

/// What came of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    endpoint: String,
    passed: usize,
    tolerated: usize,
    failed: usize,
    skipped: usize,
    /// One a case, in the order they were run.
    pub findings: Vec<Finding>,
    #[serde(skip)]
    numbers: Arc<Numbers>,
}

impl Report {
    pub(crate) fn new(endpoint: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            passed: 0,
            tolerated: 0,
            failed: 0,
            skipped: 0,
            findings: Vec::new(),
            numbers: Arc::new(Numbers::new()),
        }
    }

    pub(crate) fn numbers(&self) -> &Arc<Numbers> {
        &self.numbers
    }

    pub(crate) fn add(&mut self, finding: Finding) {
        match finding.outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Tolerated { .. } => self.tolerated += 1,
            Outcome::Failed { .. } => self.failed += 1,
            Outcome::Skipped { .. } => self.skipped += 1,
        }
        self.findings.push(finding);
    }

    /// Whether nothing failed.
    pub fn is_good(&self) -> bool {
        self.failed == 0
    }

    /// The last line.
    pub fn summary(&self) -> String {
        let Self { endpoint, passed, tolerated, failed, skipped, .. } = self;
        format!("{endpoint}: {passed} passed, {tolerated} tolerated, {failed} failed, {skipped} skipped")
    }
}

impl fmt::Display for Finding {
    /// A row of the table; what failed is followed by what was done up to there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, name, took_ms, .. } = self;
        let word = match self.outcome {
            Outcome::Passed => "passed",
            Outcome::Tolerated { .. } => "tolerated",
            Outcome::Failed { .. } => "FAILED",
            Outcome::Skipped { .. } => "skipped",
        };
        write!(f, "{number:>4}  {name:<44} {word:<9} {took_ms:>7} ms")?;
        match &self.outcome {
            Outcome::Passed => Ok(()),
            Outcome::Tolerated { what: told } | Outcome::Skipped { why: told } => write!(f, "  {told}"),
            Outcome::Failed { expected, came } => {
                write!(f, "\n      {}\n      expected: {expected}\n      came:     {came}", self.says)?;
                self.steps.iter().try_for_each(|step| write!(f, "\n      - {step}"))
            }
        }
    }
}
