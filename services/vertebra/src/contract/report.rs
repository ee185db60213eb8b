//! What was found or done, as a table for people and as JSON for programs.

use serde::Serialize;
use std::fmt;

/// Everything that was found or done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// One for each topic, then one for each schema.
    pub findings: Vec<Finding>,
}

/// One topic or schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which of the two.
    pub kind: Kind,
    /// The topic it is or belongs to.
    pub topic: String,
    /// How it stands.
    pub state: State,
    /// The particulars, and what to do where something is wrong.
    pub detail: String,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The schema of a topic's values.
    Schema,
    /// A topic.
    Topic,
}

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Was missing and is there now.
    Created,
    /// Is there and not as the contract has it; left alone.
    Differs,
    /// Is not there.
    Missing,
    /// Cannot be: a person has to decide.
    Refused,
    /// Was missing and is registered now.
    Registered,
    /// Is as the contract has it.
    Same,
}

impl State {
    /// Whether the contract holds here.
    pub fn holds(self) -> bool {
        matches!(self, Self::Created | Self::Registered | Self::Same)
    }

    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Differs => "DIFFERS",
            Self::Missing => "MISSING",
            Self::Refused => "REFUSED",
            Self::Registered => "registered",
            Self::Same => "same",
        }
    }
}

impl Finding {
    pub(super) fn topic(topic: &str, state: State, detail: impl Into<String>) -> Self {
        Self { kind: Kind::Topic, topic: topic.to_owned(), state, detail: detail.into() }
    }

    pub(super) fn schema(topic: &str, state: State, detail: impl Into<String>) -> Self {
        Self { kind: Kind::Schema, topic: topic.to_owned(), state, detail: detail.into() }
    }
}

impl Report {
    /// Whether the contract holds everywhere.
    pub fn holds(&self) -> bool {
        self.findings.iter().all(|finding| finding.state.holds())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.findings.iter().map(|finding| finding.topic.len()).max().unwrap_or_default();
        for finding in &self.findings {
            let kind = match finding.kind {
                Kind::Schema => "schema",
                Kind::Topic => "topic",
            };
            writeln!(
                f,
                "{kind:<6}  {:<width$}  {:<10}  {}",
                finding.topic,
                finding.state.word(),
                finding.detail
            )?;
        }
        let wrong = self.findings.iter().filter(|finding| !finding.state.holds()).count();
        match wrong {
            0 => write!(f, "the contract holds: {} topics and schemas", self.findings.len()),
            wrong => write!(f, "the contract does not hold: {wrong} of {} differ", self.findings.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(states: &[State], holds: bool, last_line: &str) {
        let finding = |state: &State| Finding::topic("a.v1", *state, "so");
        let report = Report { findings: states.iter().map(finding).collect() };
        assert_eq!(report.holds(), holds);
        assert_eq!(report.to_string().lines().last(), Some(last_line));
    }

    #[test]
    fn the_contract_holds_when_nothing_is_missing_or_other() {
        check(
            &[State::Same, State::Created, State::Registered],
            true,
            "the contract holds: 3 topics and schemas",
        );
        check(&[State::Same, State::Missing], false, "the contract does not hold: 1 of 2 differ");
        check(&[State::Differs, State::Refused], false, "the contract does not hold: 2 of 2 differ");
    }

    #[test]
    fn a_finding_is_one_line_of_the_table_and_one_object_of_the_json() {
        let report = Report { findings: vec![Finding::schema("a.v1", State::Registered, "id 7")] };
        assert_eq!(report.to_string().lines().next(), Some("schema  a.v1  registered  id 7"));
        let json = serde_json::to_string(&report).expect("json");
        let expected =
            r#"{"findings":[{"kind":"schema","topic":"a.v1","state":"registered","detail":"id 7"}]}"#;
        assert_eq!(json, expected);
    }
}
