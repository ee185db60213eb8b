//! Rules and dashboard against the code: they are those of the catalog, they name metrics that services register, and
//! every alert has its page.

mod registered;

use canon::Catalog;
use registered::Registered;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use vertebra::watch;
use vertebra::watch::Rule;

/// Metrics that rules ask for and no code registers yet. One that is registered has no place here.
const AWAITED: &[&str] = &[];

/// Labels that Prometheus gives, and those that rules make.
const GIVEN: [&str; 7] = ["alertname", "alertstate", "instance", "job", "le", "severity", "week"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Compares a committed file with what it should be, or writes it when asked to.
#[track_caller]
fn check_file(path: &str, expected: &str) {
    let update = std::env::vars_os().any(|(name, value)| name == "UPDATE_GENERATED" && value == "1");
    let path = root().join(path);
    if fs::read_to_string(&path).unwrap_or_default() == expected {
        return;
    }
    assert!(update, "{} is stale: run `UPDATE_GENERATED=1 cargo test -p vertebra`", path.display());
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, expected).expect("written");
}

#[test]
fn the_rules_are_those_of_the_catalog() {
    check_file("deploy/alerts/vertebra.rules.yaml", &watch::rules(Catalog::builtin(), watch::RUNBOOKS));
}

#[test]
fn the_dashboard_is_that_of_the_catalog() {
    check_file("deploy/dashboards/vertebra.json", &format!("{:#}\n", watch::dashboard(Catalog::builtin())));
}

/// Every query of rules and dashboard, with what it is for.
fn queries() -> Vec<(String, String)> {
    let mut queries = Vec::new();
    for rule in watch::groups(Catalog::builtin()).iter().flat_map(|group| &group.rules) {
        let what = match rule {
            Rule::Alert(alert) => alert.name.to_owned(),
            Rule::Record { name, .. } => name.clone(),
        };
        queries.push((what, rule.expr().to_owned()));
    }
    let asked = watch::queries(Catalog::builtin());
    queries.extend(asked.into_iter().map(|query| ("the dashboard".to_owned(), query)));
    queries
}

#[test]
fn every_metric_that_is_asked_for_is_registered_by_some_service() {
    let registered = Registered::read(&root());
    let recorded: BTreeSet<String> = watch::groups(Catalog::builtin())
        .iter()
        .flat_map(|group| &group.rules)
        .filter_map(|rule| match rule {
            Rule::Record { name, .. } => Some(name.clone()),
            Rule::Alert(_) => None,
        })
        .collect();
    let mut wrong = Vec::new();
    let mut awaited = BTreeSet::new();
    for (what, query) in queries() {
        for name in registered::names(&query) {
            if name.contains(':') {
                if !recorded.contains(&name) {
                    wrong.push(format!("{what} asks for {name}, which no rule records"));
                }
            } else if registered.labels(&name).is_none() {
                if !AWAITED.contains(&name.as_str()) {
                    wrong.push(format!("{what} asks for {name}, which no code registers"));
                }
                awaited.insert(name);
            }
        }
    }
    let come = AWAITED.iter().filter(|name| registered.labels(name).is_some());
    wrong.extend(come.map(|name| format!("{name} is registered now: take it off the list of those awaited")));
    let forgotten =
        AWAITED.iter().filter(|name| !awaited.contains(**name) && registered.labels(name).is_none());
    wrong.extend(forgotten.map(|name| format!("{name} is awaited, and nothing asks for it")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_label_that_is_asked_for_is_one_of_the_metrics_in_the_query() {
    let registered = Registered::read(&root());
    let mut recorded: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for rule in watch::groups(Catalog::builtin()).iter().flat_map(|group| &group.rules) {
        if let Rule::Record { name, expr, labels } = rule {
            let all = recorded.entry(name.clone()).or_default();
            all.extend(labels.keys().map(|label| (*label).to_owned()));
            all.extend(registered::labels_asked(expr));
        }
    }
    for (what, query) in queries() {
        let mut known: BTreeSet<String> = GIVEN.iter().map(|label| (*label).to_owned()).collect();
        known.insert("service".to_owned());
        for name in registered::names(&query) {
            known.extend(registered.labels(&name).into_iter().flatten().cloned());
            known.extend(recorded.get(&name).into_iter().flatten().cloned());
            if AWAITED.contains(&name.as_str()) {
                known.extend(registered::labels_asked(&query));
            }
        }
        let asked = registered::labels_asked(&query);
        wrong.extend(
            asked.difference(&known).map(|label| format!("{what}: no metric in it has {label}: {query}")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_alert_has_its_page_which_names_it() {
    let mut wrong = Vec::new();
    for rule in watch::groups(Catalog::builtin()).iter().flat_map(|group| &group.rules) {
        let Rule::Alert(alert) = rule else { continue };
        let page = root().join(format!("docs/runbooks/{}.md", alert.runbook));
        let text = fs::read_to_string(&page).unwrap_or_default();
        if !text.contains(&format!("`{}`", alert.name)) {
            wrong.push(format!("{} does not speak of {}", page.display(), alert.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_topic_that_is_read_has_a_limit_and_a_panel() {
    let rules = watch::rules(Catalog::builtin(), watch::RUNBOOKS);
    let board = watch::dashboard(Catalog::builtin()).to_string();
    for topic in Catalog::builtin().topics().filter(|topic| !topic.consumers.is_empty()) {
        assert!(rules.contains(&format!("topic: \"{}\"", topic.name)), "{} has no limit", topic.name);
        assert!(board.contains(&format!("Behind on {}", topic.name)), "{} has no panel", topic.name);
    }
}
