//! How far lanes are behind what is committed at the broker, those included that never committed anything.

use super::LedgerError;
use super::status::StatusError;
use backbone::edge::{BEGINNING, LaneReader, Log};
use backbone::kafka::KafkaLog;
use backbone::postgres::{PostgresStore, look};
use canon::{Catalog, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

/// How long the first record that was not read is waited for.
const FIRST_WAIT: Duration = Duration::from_secs(3);

/// The positions of a processor: of its lanes, by topic; none where a lane has not committed yet.
type Positions = BTreeMap<(i32, String), Option<i64>>;

/// How far behind something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Behind {
    /// Offsets; markers of transactions count too.
    pub(super) offsets: i64,
    /// How old the oldest record is that was not read.
    pub(super) seconds: u64,
}

/// How far the lanes of a processor are behind. A lane that never committed on a topic that others of it read is behind by all
/// of it. Nothing for a source, which reads no topic.
pub(super) async fn of_processor(
    store: &PostgresStore,
    log: &KafkaLog,
    processor: &str,
    lanes: &BTreeSet<i32>,
) -> Result<Option<Behind>, StatusError> {
    let known = look::positions(store, processor).await.map_err(LedgerError::Store)?;
    let positions = positions(known, lanes, processor);
    if positions.is_empty() {
        return Ok(None);
    }
    sum(log, positions).await.map(Some)
}

/// What of a service's topics nobody there has committed anything of: how far behind it is.
pub(super) async fn never_read(
    store: &PostgresStore,
    log: &KafkaLog,
    service: &str,
    processors: &[String],
) -> Result<BTreeMap<String, Behind>, StatusError> {
    let mut read = BTreeSet::new();
    for processor in processors {
        let known = look::positions(store, processor).await.map_err(LedgerError::Store)?;
        read.extend(known.into_keys().map(|(_, topic)| topic));
        // A table is a processor of its own, called as its topic is, and told there.
        read.insert(processor.clone());
    }
    let mut behind = BTreeMap::new();
    for topic in Catalog::builtin().topics().filter(|topic| topic.is_read_by(service)) {
        if read.contains(&topic.name) {
            continue;
        }
        let partitions = 0..i32::try_from(topic.partitions).unwrap_or(0);
        let all = partitions.map(|partition| ((partition, topic.name.clone()), None)).collect();
        behind.insert(topic.name.clone(), sum(log, all).await?);
    }
    Ok(behind)
}

/// What is known, and what is missing: every lane reads every topic that any of them does.
fn positions(known: BTreeMap<(i32, String), i64>, lanes: &BTreeSet<i32>, processor: &str) -> Positions {
    let mut topics: BTreeSet<String> = known.keys().map(|(_, topic)| topic.clone()).collect();
    topics.extend(Catalog::builtin().topic(processor).map(|topic| topic.name.clone()));
    let mut positions: Positions = topics
        .iter()
        .filter_map(|topic| Some((topic, i32::try_from(Catalog::builtin().topic(topic)?.partitions).ok()?)))
        .flat_map(|(topic, partitions)| {
            let read = lanes.iter().filter(move |lane| **lane < partitions);
            read.map(move |lane| ((*lane, topic.clone()), None))
        })
        .collect();
    positions.extend(known.into_iter().map(|(at, next)| (at, Some(next))));
    positions
}

async fn sum(log: &KafkaLog, positions: Positions) -> Result<Behind, StatusError> {
    let mut behind = Behind::default();
    for ((lane, topic), next) in positions {
        let Some(topic) = Catalog::builtin().topic(&topic).map(|policy| policy.name.as_str()) else {
            continue;
        };
        let (low, end) = log.bounds(topic, lane).await?;
        let from = next.unwrap_or(low);
        if end <= from {
            continue;
        }
        behind.offsets += end - from;
        // What lies before the topic's beginning cannot be read: the lane says so itself.
        if from < low {
            continue;
        }
        let mut reader = log.open(lane, &[(topic, next.unwrap_or(BEGINNING))]).await?;
        // Behind the last record there may be nothing but markers.
        if let Some(first) = reader.next(1, FIRST_WAIT).await?.first() {
            let age = Timestamp::from(SystemTime::now()).since(first.timestamp).as_secs();
            behind.seconds = behind.seconds.max(age);
        }
    }
    Ok(behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(known: &[(i32, &str, i64)], lanes: i32, processor: &str, expected: &[(i32, &str, Option<i64>)]) {
        let known = known.iter().map(|(lane, topic, next)| ((*lane, (*topic).to_owned()), *next)).collect();
        let found = positions(known, &(0..lanes).collect(), processor);
        let expected = expected
            .iter()
            .map(|(lane, topic, next)| ((*lane, (*topic).to_owned()), *next))
            .collect::<Positions>();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_lane_that_never_committed_reads_what_the_others_read() {
        let (charges, invoices) = ("billing.charge.v1", "billing.invoice.v1");
        check(
            &[(0, charges, 7), (1, invoices, 3)],
            2,
            "billing-case",
            &[(0, charges, Some(7)), (0, invoices, None), (1, charges, None), (1, invoices, Some(3))],
        );
        check(&[], 2, "odoo-items", &[]);
    }

    #[test]
    fn a_table_that_has_read_nothing_is_behind_by_its_topic() {
        check(&[], 1, "reference.code.v1", &[(0, "reference.code.v1", None)]);
    }
}
