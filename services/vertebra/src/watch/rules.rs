//! Rules as Prometheus reads them.

use std::collections::BTreeMap;
use std::fmt::Write;

/// Rules that are evaluated together, in order.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its name.
    pub name: &'static str,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug)]
pub enum Rule {
    /// A query whose result is kept under a name.
    Record {
        /// The name, with colons.
        name: String,
        /// The query.
        expr: String,
        /// Labels that its series get.
        labels: BTreeMap<&'static str, String>,
    },
    /// A query that somebody is told of when it finds something.
    Alert(Alert),
}

/// An alert.
#[derive(Clone, Debug)]
pub struct Alert {
    /// Its name, beginning with `Vertebra`.
    pub name: &'static str,
    /// Who is told.
    pub severity: Severity,
    /// What is looked for.
    pub expr: String,
    /// How long it has to hold.
    pub holds: &'static str,
    /// The page that says what to do.
    pub runbook: &'static str,
    /// What is so, in a line.
    pub summary: &'static str,
    /// What it means for the hospital.
    pub means: &'static str,
    /// What to do first.
    pub then: &'static str,
}

/// Who is told, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Whoever is on call, at any hour.
    Page,
    /// Somebody, in working hours.
    Ticket,
}

/// The address that runbooks lie under.
pub(super) struct Runbooks<'a>(pub(super) &'a str);

impl Severity {
    fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Ticket => "ticket",
        }
    }
}

impl Rule {
    /// The query.
    pub fn expr(&self) -> &str {
        match self {
            Self::Record { expr, .. } => expr,
            Self::Alert(alert) => &alert.expr,
        }
    }

    pub(super) fn record(name: &str, expr: impl Into<String>) -> Self {
        Self::Record { name: name.to_owned(), expr: expr.into(), labels: BTreeMap::new() }
    }

    /// A number that is always so, under labels.
    pub(super) fn constant(
        name: &str,
        value: &str,
        labels: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Self {
        let labels = labels.into_iter().collect();
        Self::Record { name: name.to_owned(), expr: format!("vector({value})"), labels }
    }
}

/// The counter has risen within the time, or has come up above zero: Prometheus sees no rise in a series' first value.
pub(super) fn risen(counter: &str, by: &str, within: &str) -> String {
    format!(
        "sum by ({by}) (increase({counter}[{within}])) > 0\n\
         or (sum by ({by}) ({counter}) > 0 unless sum by ({by}) ({counter} offset {within}))"
    )
}

pub(super) fn yaml(groups: &[Group], runbooks: &Runbooks<'_>) -> String {
    let mut out = String::from(
        "# Generated from schemas/catalog.yaml; do not edit. What the rules are is said in services/vertebra/src/watch/;\n\
         # `UPDATE_GENERATED=1 cargo test -p vertebra` writes this file, `vertebra contract alerts` prints it.\n\
         groups:\n",
    );
    for group in groups {
        push(&mut out, format_args!("  - name: {}\n    rules:\n", group.name));
        for rule in &group.rules {
            match rule {
                Rule::Record { name, expr, labels } => {
                    push(&mut out, format_args!("      - record: {name}\n"));
                    query(&mut out, expr);
                    if !labels.is_empty() {
                        let labels: Vec<String> =
                            labels.iter().map(|(name, value)| format!("{name}: {}", quoted(value))).collect();
                        push(&mut out, format_args!("        labels: {{{}}}\n", labels.join(", ")));
                    }
                }
                Rule::Alert(alert) => tell(&mut out, alert, runbooks),
            }
        }
    }
    out
}

fn tell(out: &mut String, alert: &Alert, runbooks: &Runbooks<'_>) {
    push(out, format_args!("      - alert: {}\n", alert.name));
    query(out, &alert.expr);
    push(out, format_args!("        for: {}\n", alert.holds));
    push(
        out,
        format_args!("        labels: {{severity: {}}}\n        annotations:\n", alert.severity.as_str()),
    );
    push(out, format_args!("          summary: {}\n", quoted(alert.summary)));
    let description = format!("{} {}", alert.means, alert.then);
    push(out, format_args!("          description: {}\n", quoted(&description)));
    let page = format!("{}/{}.md", runbooks.0, alert.runbook);
    push(out, format_args!("          runbook_url: {}\n", quoted(&page)));
}

fn query(out: &mut String, expr: &str) {
    if !expr.contains('\n') && !expr.contains(": ") && !expr.contains('#') {
        return push(out, format_args!("        expr: {expr}\n"));
    }
    out.push_str("        expr: |-\n");
    for line in expr.lines() {
        push(out, format_args!("          {line}\n"));
    }
}

/// A text as JSON has it is a text of YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(text);
}
