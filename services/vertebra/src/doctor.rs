//! Whether everything is there that the services need, and what to do where it is not.
//!
//! Consumes what was configured, and the answers of Kafka, the registry, PostgreSQL and Odoo. Changes nothing but this: to see the
//! broker's clock it commits a position under the name of a group that is its own.

mod cluster;
mod ledgers;
mod odoo;

use crate::ledger::table;
use backbone::kafka::KafkaSettings;
use backbone::settings::ServiceUrl;
use canon::Timestamp;
use serde::Serialize;
use std::error::Error;
use std::fmt;
use std::time::{Duration, SystemTime};

/// Clocks that are further apart are told.
const APART: Duration = Duration::from_secs(2);
/// Clocks that are further apart than this are wrong.
const APART_MAX: Duration = Duration::from_secs(60);

/// What was configured; what is left out is not examined, and that is said.
pub struct Configured {
    /// Kafka and the registry.
    pub cluster: Option<(KafkaSettings, ServiceUrl)>,
    /// The database of the ledgers.
    pub ledgers: Option<ServiceUrl>,
    /// Odoo.
    pub odoo: Option<::odoo::Settings>,
    /// What is wrong with what was given, one by one.
    pub mistakes: Vec<String>,
}

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it has to be.
    Ok,
    /// It works, and somebody should look; or it could not be told.
    Warning,
    /// Something does not work.
    Failed,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Configuration, Kafka, registry, PostgreSQL, Odoo or clock.
    pub area: &'static str,
    /// What.
    pub what: String,
    /// How it stands.
    pub verdict: Verdict,
    /// In words.
    pub said: String,
    /// What to do about it.
    pub then: Option<String>,
}

/// Everything that was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Examined {
    /// In order.
    pub lines: Vec<Line>,
}

impl Line {
    fn ok(area: &'static str, what: impl Into<String>, said: impl Into<String>) -> Self {
        Self { area, what: what.into(), verdict: Verdict::Ok, said: said.into(), then: None }
    }

    fn warning(area: &'static str, what: impl Into<String>, said: impl Into<String>, then: &str) -> Self {
        Self { verdict: Verdict::Warning, then: Some(then.to_owned()), ..Self::ok(area, what, said) }
    }

    fn failed(area: &'static str, what: impl Into<String>, said: impl Into<String>, then: &str) -> Self {
        Self { verdict: Verdict::Failed, then: Some(then.to_owned()), ..Self::ok(area, what, said) }
    }
}

/// Looks at everything that was configured.
pub async fn examine(configured: &Configured) -> Examined {
    let mut lines = Vec::new();
    let wrong = configured.mistakes.iter();
    lines.extend(wrong.map(|mistake| Line::failed("configuration", "options", mistake, "correct it")));
    let missing = |what: &str, option: &str| {
        Line::warning("configuration", what, "not given, not examined", &format!("give {option}"))
    };
    match &configured.cluster {
        Some((kafka, registry)) => lines.extend(cluster::examine(kafka, registry).await),
        None => lines.push(missing("Kafka and the registry", "--kafka-bootstrap and --registry-url")),
    }
    match &configured.ledgers {
        Some(url) => lines.extend(ledgers::examine(url).await),
        None => lines.push(missing("PostgreSQL", "--postgres-url")),
    }
    match &configured.odoo {
        Some(settings) => lines.extend(odoo::examine(settings).await),
        None => lines.push(missing("Odoo", "--odoo-url, --odoo-database and --odoo-api-key-file")),
    }
    Examined { lines }
}

fn here() -> Timestamp {
    SystemTime::now().into()
}

/// A clock held against ours; `asked` and `told` are our times before and after it was asked.
fn clock(whose: &str, theirs: Timestamp, asked: Timestamp, told: Timestamp) -> Line {
    let apart = theirs.since(told).max(asked.since(theirs));
    let said = format!("{whose} has {theirs}, here it is {told}");
    let then = "let all hosts follow one time source; leases and deadlines follow the database's clock";
    match apart {
        apart if apart > APART_MAX => Line::failed("clock", whose, said, then),
        apart if apart > APART => Line::warning("clock", whose, said, then),
        _ => Line::ok("clock", whose, "agrees with the clock here to two seconds"),
    }
}

fn words(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

impl Examined {
    /// Whether everything works.
    pub fn works(&self) -> bool {
        self.lines.iter().all(|line| line.verdict != Verdict::Failed)
    }
}

impl fmt::Display for Examined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.lines.iter().map(|line| {
            let verdict = match line.verdict {
                Verdict::Ok => "ok",
                Verdict::Warning => "WARNING",
                Verdict::Failed => "FAILED",
            };
            let then = line.then.as_ref().map(|then| format!("; {then}")).unwrap_or_default();
            [verdict.to_owned(), line.area.to_owned(), line.what.clone(), format!("{}{then}", line.said)]
        });
        table::write(f, ["", "area", "what", ""], &rows.collect::<Vec<_>>())?;
        let count = |verdict| self.lines.iter().filter(|line| line.verdict == verdict).count();
        let (failed, warnings) = (count(Verdict::Failed), count(Verdict::Warning));
        write!(f, "{} looked at: {failed} failed, {warnings} to look at", self.lines.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(theirs_s: i64, verdict: Verdict) {
        let at = |seconds: i64| Timestamp(seconds * 1_000_000);
        assert_eq!(clock("odoo", at(theirs_s), at(100), at(101)).verdict, verdict, "{theirs_s}");
    }

    #[test]
    fn clocks_may_be_apart_by_as_much_as_asking_takes_and_a_little() {
        check(100, Verdict::Ok);
        check(98, Verdict::Ok);
        check(103, Verdict::Ok);
        check(97, Verdict::Warning);
        check(104, Verdict::Warning);
        check(20, Verdict::Failed);
        check(200, Verdict::Failed);
    }

    #[test]
    fn one_failure_is_enough_and_each_line_says_what_to_do() {
        let mut examined = Examined { lines: vec![Line::ok("Kafka", "brokers", "3 answer")] };
        examined.lines.push(Line::warning("Kafka", "authorizer", "none", "set one up"));
        assert!(examined.works());
        examined.lines.push(Line::failed("Odoo", "key", "denied", "make another"));
        assert!(!examined.works());
        let page = examined.to_string();
        assert!(page.contains("FAILED   Odoo   key         denied; make another"), "{page}");
        assert!(page.ends_with("3 looked at: 1 failed, 1 to look at"), "{page}");
    }
}
