//! What watches the services: Prometheus' rules and Grafana's dashboard, from the catalog.
//!
//! Consumes the catalog; gives text. `deploy/alerts/vertebra.rules.yaml` and `deploy/dashboards/vertebra.json` are what
//! these functions say, and a test fails when they are not.

mod alerts;
mod dashboard;
mod limits;
mod panels;
mod rules;
mod senders;

pub use rules::{Group, Rule};
pub(crate) use senders::{ALLOWED as SILENCE_ALLOWED, HABIT as SILENCE_HABIT, SILENCE as SILENCE_NOW};

use canon::Catalog;
use rules::Runbooks;

/// Where the runbooks are when nobody says otherwise: in this repository.
pub const RUNBOOKS: &str = "docs/runbooks";

/// All rules, in groups.
pub fn groups(catalog: &Catalog) -> Vec<Group> {
    let mut groups = vec![limits::group(catalog), senders::group()];
    groups.extend(alerts::groups());
    groups
}

/// The file of rules that Prometheus loads; alerts point at pages under `runbooks`.
pub fn rules(catalog: &Catalog, runbooks: &str) -> String {
    rules::yaml(&groups(catalog), &Runbooks(runbooks.trim_end_matches('/')))
}

/// The dashboard that Grafana loads.
pub fn dashboard(catalog: &Catalog) -> serde_json::Value {
    dashboard::board(catalog)
}

/// Every query of the dashboard, as it is asked.
pub fn queries(catalog: &Catalog) -> Vec<String> {
    dashboard::queries(catalog)
}
