//! What the catalog promises, as series: rules and dashboards compare with them.

use super::rules::{Group, Rule};
use canon::Catalog;
use canon::catalog::{Lane, Producer, Topic};
use std::collections::BTreeMap;

/// How far a topic's readers may be behind before somebody is told, for topics that somebody waits for: so many times
/// the objective, and never less than what the measuring itself (every 5 s, then a scrape) can tell.
const INTERACTIVE: (u64, u64) = (40, 10_000);
/// The same for topics where throughput counts.
const BATCH: (u64, u64) = (60, 60_000);

pub(super) fn group(catalog: &Catalog) -> Group {
    let mut rules = Vec::new();
    for topic in catalog.topics() {
        let labels = || {
            [("topic", topic.name.clone()), ("class", topic.lane.to_string()), ("owner", topic.owner.clone())]
        };
        let objective = seconds(topic.latency_objective_ms);
        rules.push(Rule::constant("vertebra:topic_objective_seconds", &objective, labels()));
        if !topic.consumers.is_empty() {
            rules.push(Rule::constant(
                "vertebra:topic_lag_limit_seconds",
                &seconds(limit_ms(topic)),
                labels(),
            ));
            let lanes = topic.partitions.to_string();
            rules.push(Rule::constant("vertebra:topic_lanes", &lanes, [("topic", topic.name.clone())]));
        }
    }
    for (service, limit_ms) in outboxes(catalog) {
        let labels = [("service", service)];
        rules.push(Rule::constant("vertebra:service_outbox_limit_seconds", &seconds(limit_ms), labels));
    }
    Group { name: "vertebra-catalog", rules }
}

/// How old the oldest row of a service's outbox may be: its topics share it, so the most urgent one decides.
fn outboxes(catalog: &Catalog) -> BTreeMap<String, u64> {
    let mut limits = BTreeMap::new();
    for topic in catalog.topics() {
        // What every service writes is never alone in an outbox.
        let Producer::Service(service) = &topic.producer else { continue };
        let limit = limits.entry(service.to_string()).or_insert(u64::MAX);
        *limit = limit_ms(topic).min(*limit);
    }
    // They read only; their outbox holds notices of what they parked.
    for service in catalog.topics().flat_map(|topic| &topic.consumers) {
        limits.entry(service.to_string()).or_insert(BATCH.1);
    }
    limits
}

fn limit_ms(topic: &Topic) -> u64 {
    let (times, least) = match topic.lane {
        Lane::Batch => BATCH,
        Lane::Interactive => INTERACTIVE,
    };
    (topic.latency_objective_ms * times).max(least)
}

/// Milliseconds as seconds, in decimal digits.
fn seconds(ms: u64) -> String {
    let text = format!("{}.{:03}", ms / 1000, ms % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ms: u64, text: &str) {
        assert_eq!(seconds(ms), text);
    }

    #[test]
    fn milliseconds_are_written_as_seconds() {
        check(50, "0.05");
        check(250, "0.25");
        check(1_000, "1");
        check(10_500, "10.5");
        check(0, "0");
    }

    #[test]
    fn an_outbox_is_as_urgent_as_the_most_urgent_topic_in_it() {
        let limits = outboxes(Catalog::builtin());
        assert_eq!(limits["ehr-adapter"], 10_000, "clinical topics are waited for");
        assert_eq!(limits["odoo-poller"], 600_000, "master data are not");
        assert_eq!(limits["odoo-writer"], 60_000, "it writes notices only");
    }
}
