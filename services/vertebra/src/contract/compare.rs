//! Topics as they are against topics as the catalog has them: decides, asks nobody.

use super::report::{Finding, State};
use backbone::kafka::TopicMistake;
use canon::Catalog;
use canon::catalog::Topic;
use std::collections::BTreeMap;

/// What Kafka has.
#[derive(Clone, Debug, Default)]
pub(super) struct Topics {
    /// Partition counts by topic.
    pub(super) partitions: BTreeMap<String, u32>,
    /// The configuration in force by topic and name.
    pub(super) configs: BTreeMap<String, BTreeMap<String, String>>,
}

/// One finding for each topic of the catalog, in its order.
pub(super) fn topic_findings(catalog: &Catalog, there: &Topics) -> Vec<Finding> {
    catalog.topics().map(|topic| finding(topic, there)).collect()
}

fn finding(topic: &Topic, there: &Topics) -> Finding {
    let name = topic.name.as_str();
    match TopicMistake::of(topic, there.partitions.get(name).copied()) {
        Some(mistake @ TopicMistake::Missing { .. }) => {
            return Finding::topic(name, State::Missing, mistake.to_string());
        }
        Some(mistake) => return Finding::topic(name, State::Refused, mistake.to_string()),
        None => {}
    }
    let empty = BTreeMap::new();
    let found = there.configs.get(name).unwrap_or(&empty);
    let differs: Vec<String> = topic
        .configs()
        .iter()
        .filter(|(key, value)| found.get(*key) != Some(*value))
        .map(|(key, value)| {
            let is = found.get(key).map_or("not told", String::as_str);
            format!("{key} is {is}, the catalog says {value}")
        })
        .collect();
    if differs.is_empty() {
        return Finding::topic(name, State::Same, format!("{} partitions", topic.partitions));
    }
    let advice = "nothing here alters a topic: change it with kafka-configs, or correct the catalog";
    Finding::topic(name, State::Differs, format!("{}; {advice}", differs.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic() -> &'static Topic {
        Catalog::builtin().topic("billing.case.v1").expect("a topic of the catalog")
    }

    fn there(partitions: u32, change: impl FnOnce(&mut BTreeMap<String, String>)) -> Topics {
        let name = topic().name.clone();
        let mut configs = topic().configs();
        // The broker tells its defaults too.
        configs.insert("segment.bytes".to_owned(), "1073741824".to_owned());
        change(&mut configs);
        Topics { partitions: [(name.clone(), partitions)].into(), configs: [(name, configs)].into() }
    }

    #[track_caller]
    fn check(there: &Topics, state: State, says: &str) {
        let found = finding(topic(), there);
        assert_eq!(found.state, state, "{}", found.detail);
        assert!(found.detail.contains(says), "{}", found.detail);
    }

    #[test]
    fn a_topic_as_declared_is_the_same_whatever_else_the_broker_has_configured() {
        check(&there(6, |_| {}), State::Same, "6 partitions");
    }

    #[test]
    fn a_topic_that_is_not_there_is_missing() {
        check(&Topics::default(), State::Missing, "vertebra contract apply");
    }

    #[test]
    fn another_partition_count_is_refused_with_what_to_do() {
        check(&there(7, |_| {}), State::Refused, "has 7 partitions and the catalog says 6");
        check(&there(7, |_| {}), State::Refused, "never alter it");
    }

    #[test]
    fn every_configuration_that_differs_is_told() {
        let changed = there(6, |configs| {
            configs.insert("cleanup.policy".to_owned(), "delete".to_owned());
            configs.remove("retention.ms");
        });
        check(&changed, State::Differs, "cleanup.policy is delete, the catalog says compact");
        check(&changed, State::Differs, "retention.ms is not told, the catalog says -1");
    }

    #[test]
    fn every_topic_of_the_catalog_gets_its_finding() {
        let findings = topic_findings(Catalog::builtin(), &Topics::default());
        assert_eq!(findings.len(), Catalog::builtin().topics().count());
        assert!(findings.iter().all(|finding| finding.state == State::Missing));
    }
}
