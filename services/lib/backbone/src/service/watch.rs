//! What the loops tell, as metrics, readiness, liveness and a few log lines.

use super::chain;
use crate::batch::Tally;
use crate::env::{Loop, Watch};
use crate::health::{Health, Heartbeat};
use crate::kafka::KafkaLog;
use crate::metrics::{Lag, Metrics, Outcome, RowOutcome};
use crate::reject::Reason;
use crate::source::Pulled;
use crate::store::{LaneId, ShardFence};
use canon::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a loop may take for one turn before the process counts as stuck. An effect on a slow Odoo may take two
/// minutes; the lane keeps its lease meanwhile, but does not come round.
const TURN_MAX: Duration = Duration::from_secs(300);

/// How far a lane has come.
#[derive(Clone, Debug, Default)]
struct Progress {
    positions: BTreeMap<String, i64>,
    /// How old the first unprocessed record was, and when that was seen; nothing when the lane is at the end.
    behind: Option<(Duration, Instant)>,
}

/// The watch of a running service.
pub(crate) struct LiveWatch {
    service: &'static str,
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
    /// The log and the input topics of each processor.
    pub(crate) processors: BTreeMap<&'static str, (Arc<KafkaLog>, Vec<&'static str>)>,
    beats: Mutex<BTreeMap<Loop, Heartbeat>>,
    /// How far each lane of ours has come.
    lanes: Mutex<BTreeMap<LaneId, Progress>>,
    troubled: Mutex<BTreeSet<&'static str>>,
    /// Lanes of ours that are stopped.
    held: Mutex<BTreeSet<LaneId>>,
}

impl LiveWatch {
    pub(crate) fn new(
        service: &'static str,
        health: Health,
        metrics: Metrics,
        processors: BTreeMap<&'static str, (Arc<KafkaLog>, Vec<&'static str>)>,
    ) -> Self {
        Self {
            service,
            health,
            metrics,
            processors,
            beats: Mutex::default(),
            lanes: Mutex::default(),
            troubled: Mutex::default(),
            held: Mutex::default(),
        }
    }

    /// Tells how far each lane of ours is behind, by the ends of its partitions.
    pub(crate) async fn measure_lag(&self) {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (lane, progress) in lanes {
            let Some((log, inputs)) = self.processors.get(lane.processor) else { continue };
            for topic in inputs {
                let lag = match progress.behind {
                    None => Lag::AtEnd,
                    Some((age, seen)) => match log.bounds(topic, lane.number).await {
                        Ok((low, end)) => Lag::Behind {
                            records: end - progress.positions.get(*topic).copied().unwrap_or(low),
                            age: age + seen.elapsed(),
                        },
                        Err(_) => Lag::Unknown,
                    },
                };
                self.metrics.lag(lane.processor, topic, lane.number, lag);
            }
        }
    }

    fn inputs(&self, processor: &str) -> &[&'static str] {
        self.processors.get(processor).map_or(&[], |(_, inputs)| inputs)
    }
}

impl Watch for LiveWatch {
    fn lane_taken(&self, lane: LaneId, epoch: i64) {
        self.metrics.lane_taken(lane.processor, lane.number, epoch);
        tracing::debug!(processor = lane.processor, lane = lane.number, epoch, "lane taken");
    }

    fn lane_left(&self, lane: LaneId, lost: bool) {
        self.metrics.lane_left(lane.processor, lane.number, self.inputs(lane.processor).iter().copied());
        self.beats.lock().unwrap_or_else(PoisonError::into_inner).remove(&Loop::Lane(lane));
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&lane);
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.remove(&lane);
        let none_left = lanes.is_empty();
        drop(lanes);
        if none_left {
            // Whatever kept a lane of ours waiting is its next owner's to find out.
            ["effect", "kafka", "state"].into_iter().for_each(|what| self.healed(what));
        }
        if lost {
            self.metrics.lease_lost(lane.processor);
            tracing::warn!(processor = lane.processor, lane = lane.number, "lane lost to another owner");
        }
    }

    fn batch(&self, lane: LaneId, tally: &Tally, took: Duration, positions: &BTreeMap<String, i64>) {
        let records = tally.applied + tally.duplicates + tally.parked;
        self.metrics.batch(lane.processor, usize::try_from(records).unwrap_or(usize::MAX), took);
        let topic = self.inputs(lane.processor).first().copied().unwrap_or_default();
        for (outcome, count) in [
            (Outcome::Applied, tally.applied),
            (Outcome::Duplicate, tally.duplicates),
            (Outcome::Parked, tally.parked),
            (Outcome::VersionGap, tally.version_gaps),
        ] {
            self.metrics.events(lane.processor, topic, outcome, count);
        }
        if tally.version_gaps > 0 {
            tracing::error!(processor = lane.processor, lane = lane.number, "versions of a key were skipped");
        }
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.entry(lane).or_default().positions.clone_from(positions);
        drop(lanes);
        if let Some((log, _)) = self.processors.get(lane.processor) {
            let positions: Vec<(&str, i32, i64)> =
                positions.iter().map(|(topic, next)| (topic.as_str(), lane.number, *next)).collect();
            log.commit(&positions);
        }
    }

    fn lag(&self, lane: LaneId, first: Option<Timestamp>, now: Timestamp) {
        let behind = first.map(|first| (now.since(first), Instant::now()));
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).entry(lane).or_default().behind = behind;
    }

    fn parked(&self, lane: LaneId, reason: Reason) {
        self.metrics.parked(lane.processor, reason.as_str());
        tracing::warn!(processor = lane.processor, lane = lane.number, reason = reason.as_str(), "parked");
    }

    fn stopped(&self, lane: LaneId, stopped: bool) {
        self.metrics.lane_stopped(lane.processor, lane.number, stopped);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if stopped && held.insert(lane) {
            tracing::error!(
                processor = lane.processor,
                lane = lane.number,
                "stopped: a person has to look; `vertebra lanes list` says why"
            );
        } else if !stopped && held.remove(&lane) {
            tracing::info!(processor = lane.processor, lane = lane.number, "goes on");
        }
    }

    fn pulled(&self, source: &'static str, pulled: &Pulled) {
        for (outcome, rows) in [
            (RowOutcome::Gone, pulled.gone),
            (RowOutcome::Refused, pulled.refused),
            (RowOutcome::Seen, pulled.rows - pulled.refused),
        ] {
            self.metrics.source_rows(source, outcome, rows as u64);
        }
    }

    fn asks(&self, source: &'static str, kind: &str, gone: i64, known: i64) {
        self.metrics.source_asks(source, kind, gone);
        if gone > 0 {
            tracing::error!(
                source,
                kind,
                gone,
                known,
                "the source stopped: so many of its known rows are gone; if they are, approve it: vertebra source approve \
                 --service {} --source {source} --kind {kind} --gone {gone} --by <who> --because <why>",
                self.service
            );
        }
    }

    fn trouble(&self, what: &'static str, error: &(dyn Error + 'static)) {
        self.metrics.retry(what);
        let why = chain(error);
        self.health.condition(what).unready(&why);
        if self.troubled.lock().unwrap_or_else(PoisonError::into_inner).insert(what) {
            tracing::warn!(what, "trying again: {why}");
        }
    }

    fn healed(&self, what: &'static str) {
        if self.troubled.lock().unwrap_or_else(PoisonError::into_inner).remove(what) {
            tracing::info!(what, "works again");
            self.health.condition(what).ready();
        }
    }

    fn beat(&self, which: Loop) {
        let mut beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        let name = || match which {
            Loop::Lane(lane) => format!("lane {}/{}", lane.processor, lane.number),
            Loop::Owner(processor) => format!("owner {processor}"),
            Loop::Relay(shard) => format!("relay {shard}"),
        };
        beats.entry(which).or_insert_with(|| self.health.heartbeat(name(), TURN_MAX)).beat();
    }

    fn relayed(&self, shard: ShardFence, rows: usize, took: Duration) {
        self.metrics.relay_transaction(shard.shard, took);
        self.metrics.relayed("all", rows as u64);
    }
}
