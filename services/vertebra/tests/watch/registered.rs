//! Which metrics the code registers, with their labels, read from the source: what a service registers itself is not
//! reachable from here, since services never depend on services.
//!
//! A registration is `…Vec::new(options, labels)`, `IntGauge::new(name, help)` or the like, or the runtime's own
//! `made.gauges(name, help, labels)`. Options and labels stand there, or in a `let` of the same file. A name begins with
//! `vertebra_`, or the file says what is put before it, as `format!("vertebra_landing_{name}")`. Held against what
//! [`Metrics`] really tells by a test below.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Metrics by name, each with its labels.
pub(crate) struct Registered(BTreeMap<String, BTreeSet<String>>);

impl Registered {
    /// Reads the sources of all services and of the runtime, tests left out.
    pub(crate) fn read(root: &Path) -> Self {
        let mut found = BTreeMap::new();
        let services = fs::read_dir(root.join("services")).expect("a folder");
        let services = services.map(|entry| entry.expect("an entry").path());
        // What this crate asks for is no registration.
        let services = services.filter(|path| !path.ends_with("vertebra") && !path.ends_with("lib"));
        for folder in services.chain([root.join("services/lib/backbone")]) {
            scan_folder(&folder.join("src"), &mut found);
        }
        Self(found)
    }

    /// The labels of a metric, or of the histogram that a series belongs to.
    pub(crate) fn labels(&self, name: &str) -> Option<&BTreeSet<String>> {
        let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        self.0.get(name).or_else(|| self.0.get(histogram?))
    }
}

fn scan_folder(folder: &Path, found: &mut BTreeMap<String, BTreeSet<String>>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() && !path.ends_with("tests") {
            scan_folder(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            scan(&fs::read_to_string(path).expect("a source"), found);
        }
    }
}

/// Registrations of one file.
fn scan(source: &str, found: &mut BTreeMap<String, BTreeSet<String>>) {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let source = lines.collect::<Vec<_>>().join("\n");
    let prefix = literals(&source).into_iter().find_map(|text| {
        let prefix = text.strip_suffix("{name}")?;
        prefix.starts_with("vertebra_").then(|| prefix.to_owned())
    });
    let full = |name: &str| match (&prefix, name.starts_with("vertebra_")) {
        (_, true) => Some(name.to_owned()),
        (Some(prefix), false) => Some(format!("{prefix}{name}")),
        (None, false) => None,
    };
    for needle in
        ["CounterVec::new(", "GaugeVec::new(", "HistogramVec::new(", "Gauge::new(", "Counter::new(", "made."]
    {
        for (at, _) in source.match_indices(needle) {
            let call = arguments(&source[at..]);
            let (options, labels) = match (needle, call.as_slice()) {
                ("made.", [name, help, labels, ..]) => (format!("{name}, {help}"), Some(*labels)),
                (_, [options, labels, ..]) if needle.contains("Vec") => {
                    ((*options).to_owned(), Some(*labels))
                }
                (_, [name, help]) => (format!("{name}, {help}"), None),
                _ => continue,
            };
            let name = literals(resolved(&source, &options)).into_iter().next();
            let Some(name) = name.and_then(|name| full(&name)) else { continue };
            let labels = labels.map(|labels| literals(resolved(&source, labels))).unwrap_or_default();
            found.insert(name, labels.into_iter().collect());
        }
    }
}

/// What stands between the first parenthesis of a text and its partner, by commas.
fn arguments(text: &str) -> Vec<&str> {
    let Some(open) = text.find('(') else { return Vec::new() };
    let (mut depth, mut from, mut in_text, mut found) = (0, open + 1, false, Vec::new());
    for (at, char) in text.char_indices().skip_while(|(at, _)| *at < open) {
        match char {
            '"' => in_text = !in_text,
            _ if in_text => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && char == ',' && !in_text) {
            found.push(text[from..at].trim());
            from = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    found.retain(|argument| !argument.is_empty());
    found
}

/// The expression itself when it has literals of its own, else what its first name was declared as.
fn resolved<'a>(source: &'a str, expression: &'a str) -> &'a str {
    if expression.contains('"') {
        return expression;
    }
    let name = expression.trim_start_matches('&');
    let name = name.split(|char: char| !(char.is_alphanumeric() || char == '_')).next().unwrap_or_default();
    // A long declaration goes on in the next line.
    let declared = source.split_once(&format!("let {name} =")).map(|(_, rest)| rest);
    declared.and_then(|rest| rest.split(';').next()).unwrap_or_default()
}

/// String literals of a source.
fn literals(source: &str) -> Vec<String> {
    let (mut found, mut begin, mut escaped) = (Vec::new(), None, false);
    for (at, char) in source.char_indices() {
        match (begin, char) {
            (None, '"') if !source[..at].ends_with('\'') => begin = Some(at),
            (Some(_), '\\') if !escaped => {
                escaped = true;
                continue;
            }
            (Some(from), '"') if !escaped => {
                found.push(source[from + 1..at].to_owned());
                begin = None;
            }
            _ => {}
        }
        escaped = false;
    }
    found
}

/// Our metrics and recorded series that a query names.
pub(crate) fn names(query: &str) -> BTreeSet<String> {
    let words = without_texts(query);
    let words = words.split(|char: char| !(char.is_ascii_alphanumeric() || char == '_' || char == ':'));
    words.filter(|word| word.starts_with("vertebra")).map(str::to_owned).collect()
}

/// Labels that a query selects, groups or joins by.
pub(crate) fn labels_asked(query: &str) -> BTreeSet<String> {
    let query = without_texts(query);
    let mut found = BTreeSet::new();
    let mut take = |list: &str| {
        for part in list.split(',') {
            let label: String =
                part.trim().chars().take_while(|char| char.is_alphanumeric() || *char == '_').collect();
            found.extend((!label.is_empty()).then_some(label));
        }
    };
    for part in query.split('{').skip(1) {
        take(part.split('}').next().unwrap_or_default());
    }
    for keyword in ["by (", "on (", "group_left (", "without ("] {
        for part in query.split(keyword).skip(1) {
            take(part.split(')').next().unwrap_or_default());
        }
    }
    found
}

/// The query without what stands in quotes.
fn without_texts(query: &str) -> String {
    query.split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use backbone::metrics::{Lag, Landed, Metrics, Outcome, RowOutcome};
    use std::time::Duration;

    #[track_caller]
    fn check(source: &str, expected: &[(&str, &[&str])]) {
        let mut found = BTreeMap::new();
        scan(source, &mut found);
        let found: Vec<(&str, Vec<&str>)> = found
            .iter()
            .map(|(name, labels)| (name.as_str(), labels.iter().map(String::as_str).collect()))
            .collect();
        let expected: Vec<(&str, Vec<&str>)> =
            expected.iter().map(|(name, labels)| (*name, labels.to_vec())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn registrations_are_found_in_each_form() {
        check(
            r#"let o = |name: &str, help: &str| Opts::new(format!("vertebra_x_{name}"), help);
               IntGaugeVec::new(o("open", "Open ones"), &["sender", "kind"])?; error("no", "what is this");"#,
            &[("vertebra_x_open", &["kind", "sender"])],
        );
        check(
            "let amounts =\n  Opts::new(\"vertebra_w\", \"Where\"); GaugeVec::new(amounts, &[\"place\"])?",
            &[("vertebra_w", &["place"])],
        );
        check(
            r#"let lane = ["a", "b"]; made.gauges("vertebra_y", "Why, and how", &lane)"#,
            &[("vertebra_y", &["a", "b"])],
        );
        check(
            r#"let model = &["model"]; let seen = HistogramOpts::new("vertebra_s", "From (a) to b");
               HistogramVec::new(seen.buckets(SECONDS.to_vec()), model)?; IntGauge::new("vertebra_g", "One")"#,
            &[("vertebra_g", &[]), ("vertebra_s", &["model"])],
        );
        check(r#"// made.gauges("vertebra_z", "Not this", &["a"])"#, &[]);
    }

    /// Every kind of thing that happens, once: what is told then is what the runtime registers.
    fn told() -> String {
        let metrics = Metrics::new("s").unwrap();
        let second = Duration::from_secs(1);
        metrics.events("p", "t", Outcome::Applied, 1);
        metrics.batch("p", 1, second);
        metrics.lag("p", "t", 0, Lag::AtEnd);
        metrics.lane_taken("p", 0, 1);
        metrics.lane_stopped("p", 0, true);
        metrics.lease_lost("p");
        metrics.outbox(0, 1, second);
        metrics.relayed("t", 1);
        metrics.relay_transaction(0, second);
        metrics.parked("p", "invalid");
        metrics.parked_rows("p", "invalid", 1);
        metrics.retry("kafka");
        metrics.source_asks("o", "k", 1);
        metrics.source_rows("o", RowOutcome::Seen, 1);
        metrics.landing_begun("n");
        metrics.landing_ended("n", Landed::Accepted, second);
        metrics.render()
    }

    #[test]
    fn what_the_runtime_tells_is_what_is_read_from_its_source() {
        let registered = Registered::read(&super::super::root());
        let told = told();
        let samples: Vec<&str> = told.lines().filter(|line| line.starts_with("vertebra_")).collect();
        assert!(samples.len() > 20, "{told}");
        for sample in samples {
            let name = sample.split('{').next().unwrap();
            let labels =
                registered.labels(name).unwrap_or_else(|| panic!("{name} is not found in the source"));
            let mut told = labels_asked(sample);
            told.remove("le");
            told.remove("service");
            assert_eq!(&told, labels, "{name}");
        }
    }
}
