//! What somebody is told of, by what it is about. Names and labels of metrics are those that the services register; a
//! test holds them against the code.

mod flow;
mod outside;
mod parked;

use super::rules::{Alert, Group, Rule, Severity, risen};

pub(super) fn groups() -> Vec<Group> {
    let group =
        |name, alerts: Vec<Alert>| Group { name, rules: alerts.into_iter().map(Rule::Alert).collect() };
    vec![
        group("vertebra-flow", flow::alerts()),
        group("vertebra-parked", parked::alerts()),
        group("vertebra-outside", outside::alerts()),
    ]
}
