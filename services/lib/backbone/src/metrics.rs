//! What a service counts, in Prometheus' text form, registered once and whole.
//!
//! Names begin with `vertebra_` and end in their unit. Labels are bounded: service, processor, topic, lane, shard,
//! sender and classes of reasons; never a key, an id or anything of a payload. A lane's series leave with the lane,
//! so that over all instances each lane is told by its owner alone.

use prometheus::core::Collector;
use prometheus::{
    Encoder, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};
use std::sync::Arc;
use std::time::Duration;

/// From half a millisecond to half a minute.
const SECONDS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0];

const RECORDS: [f64; 9] = [1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0, 10_000.0];

/// A service's metrics; copies are handles of the same.
#[derive(Clone)]
pub struct Metrics {
    all: Arc<All>,
}

struct All {
    registry: Registry,
    batch_records: HistogramVec,
    batch_seconds: HistogramVec,
    events: IntCounterVec,
    lag_records: IntGaugeVec,
    lag_seconds: GaugeVec,
    landing_ack_seconds: HistogramVec,
    landing_inflight: IntGaugeVec,
    landing_messages: IntCounterVec,
    lane_epoch: IntGaugeVec,
    lanes_owned: IntGaugeVec,
    lane_stopped: IntGaugeVec,
    lease_lost: IntCounterVec,
    outbox_age_seconds: GaugeVec,
    outbox_rows: IntGaugeVec,
    parked: IntCounterVec,
    parked_rows: IntGaugeVec,
    relay_records: IntCounterVec,
    relay_transaction_seconds: HistogramVec,
    retries: IntCounterVec,
    source_asks_rows: IntGaugeVec,
    source_rows: IntCounterVec,
}

/// How far a lane is behind one topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lag {
    /// Everything committed has been processed.
    AtEnd,
    /// So many records are unprocessed, the first of them so old.
    Behind {
        /// Unprocessed offsets, markers included.
        records: i64,
        /// The first unprocessed record's age.
        age: Duration,
    },
    /// Nobody can say: the broker does not tell the end.
    Unknown,
}

/// How a landing ended, towards the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landed {
    /// Durable and acknowledged.
    Accepted,
    /// Not durable in time: the sender was told so, or nothing.
    Failed,
    /// Refused as it is.
    Refused,
}

/// How an event ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Folded or carried out.
    Applied,
    /// Seen before.
    Duplicate,
    /// Parked.
    Parked,
    /// A version was skipped before this one: an alarm.
    VersionGap,
}

/// How a row of a source ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOutcome {
    /// It is there no more, and what it stated is withdrawn.
    Gone,
    /// It could not be stated.
    Refused,
    /// It is there, and states what it states.
    Seen,
}

impl Metrics {
    /// Registers everything under the service's name.
    ///
    /// # Errors
    /// The service's name is no label value, or two metrics have one name.
    pub fn new(service: &str) -> Result<Self, prometheus::Error> {
        let registry = Registry::new_custom(None, Some([("service".to_owned(), service.to_owned())].into()))?;
        let made = Maker { registry: &registry };
        let build = made.gauges("build_info", "The version that runs; always 1", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let lane = ["processor", "topic", "lane"];
        let all = All {
            batch_records: made.histograms(
                "batch_records",
                "Records of a batch",
                &["processor"],
                &RECORDS,
            )?,
            batch_seconds: made.histograms(
                "batch_seconds",
                "A batch, from its first record to its commit",
                &["processor"],
                &SECONDS,
            )?,
            events: made.counters(
                "events_total",
                "Events by how they ended",
                &["processor", "topic", "outcome"],
            )?,
            lag_records: made.gauges("lag_records", "Unprocessed offsets, markers included", &lane)?,
            lag_seconds: made.float_gauges(
                "lag_seconds",
                "Age of the first unprocessed record; 0 at the end, absent when unknown",
                &lane,
            )?,
            landing_ack_seconds: made.histograms(
                "landing_ack_seconds",
                "From a message's last byte to its durable acknowledgement",
                &["sender"],
                &SECONDS,
            )?,
            landing_inflight: made.gauges("landing_inflight", "Messages not yet durable", &["sender"])?,
            landing_messages: made.counters(
                "landing_messages_total",
                "Messages by result",
                &["sender", "result"],
            )?,
            lane_epoch: made.gauges("lane_epoch", "Epoch of an owned lane", &["processor", "lane"])?,
            lane_stopped: made.gauges(
                "lane_stopped",
                "1 while an owned lane is stopped by its breaker, until a person resumes it",
                &["processor", "lane"],
            )?,
            lanes_owned: made.gauges("lanes_owned", "Lanes owned by this instance", &["processor"])?,
            lease_lost: made.counters("lease_lost_total", "Leases lost while in use", &["processor"])?,
            outbox_age_seconds: made.float_gauges(
                "outbox_age_seconds",
                "Age of the oldest row",
                &["shard"],
            )?,
            outbox_rows: made.gauges("outbox_rows", "Rows not yet published", &["shard"])?,
            parked: made.counters("parked_total", "Inputs parked", &["processor", "reason"])?,
            parked_rows: made.gauges(
                "parked_rows",
                "Inputs that wait for a person",
                &["processor", "reason"],
            )?,
            relay_records: made.counters("relay_records_total", "Records published", &["topic"])?,
            relay_transaction_seconds: made.histograms(
                "relay_transaction_seconds",
                "A relay's transaction at the broker",
                &["shard"],
                &SECONDS,
            )?,
            retries: made.counters("retries_total", "Tries again in place, by what failed", &["what"])?,
            source_asks_rows: made.gauges(
                "source_asks_rows",
                "Rows that are gone, which a source has stopped over and asks a person about",
                &["source", "kind"],
            )?,
            source_rows: made.counters(
                "source_rows_total",
                "Rows of pages that were kept, by how they ended",
                &["source", "outcome"],
            )?,
            registry,
        };
        Ok(Self { all: Arc::new(all) })
    }

    /// Adds a service's own metrics to what is served; their names begin with `vertebra_`.
    ///
    /// # Errors
    /// When a metric of that name is served already.
    pub fn register(&self, collector: impl Collector + 'static) -> Result<(), prometheus::Error> {
        self.register_boxed(Box::new(collector))
    }

    pub(crate) fn register_boxed(&self, collector: Box<dyn Collector>) -> Result<(), prometheus::Error> {
        self.all.registry.register(collector)
    }

    /// Everything, in Prometheus' text form.
    pub fn render(&self) -> String {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.all.registry.gather(), &mut text) {
            tracing::warn!(%error, "the metrics cannot be written");
        }
        String::from_utf8(text).unwrap_or_default()
    }

    /// Events of a topic that ended alike.
    pub fn events(&self, processor: &str, topic: &str, outcome: Outcome, count: u64) {
        let outcome = match outcome {
            Outcome::Applied => "applied",
            Outcome::Duplicate => "duplicate",
            Outcome::Parked => "parked",
            Outcome::VersionGap => "version_gap",
        };
        self.all.events.with_label_values(&[processor, topic, outcome]).inc_by(count);
    }

    /// A batch was committed.
    pub fn batch(&self, processor: &str, records: usize, took: Duration) {
        let records = u32::try_from(records).unwrap_or(u32::MAX);
        self.all.batch_records.with_label_values(&[processor]).observe(records.into());
        self.all.batch_seconds.with_label_values(&[processor]).observe(took.as_secs_f64());
    }

    /// How far a lane is behind a topic.
    pub fn lag(&self, processor: &str, topic: &str, lane: i32, lag: Lag) {
        let lane = lane.to_string();
        let labels = [processor, topic, lane.as_str()];
        let (records, age) = match lag {
            Lag::AtEnd => (0, Duration::ZERO),
            Lag::Behind { records, age } => (records, age),
            Lag::Unknown => return self.forget_lag(&labels),
        };
        self.all.lag_records.with_label_values(&labels).set(records);
        self.all.lag_seconds.with_label_values(&labels).set(age.as_secs_f64());
    }

    /// A lane is ours, under this epoch.
    pub fn lane_taken(&self, processor: &str, lane: i32, epoch: i64) {
        let lane = lane.to_string();
        self.all.lane_epoch.with_label_values(&[processor, lane.as_str()]).set(epoch);
        self.all.lanes_owned.with_label_values(&[processor]).inc();
    }

    /// A lane is ours no longer: its series leave with it.
    pub fn lane_left<'a>(&self, processor: &str, lane: i32, topics: impl IntoIterator<Item = &'a str>) {
        let lane = lane.to_string();
        // A series that was never written is none to be removed.
        if self.all.lane_epoch.remove_label_values(&[processor, lane.as_str()]).is_ok() {
            self.all.lanes_owned.with_label_values(&[processor]).dec();
        }
        let _ = self.all.lane_stopped.remove_label_values(&[processor, lane.as_str()]);
        for topic in topics {
            self.forget_lag(&[processor, topic, lane.as_str()]);
        }
    }

    /// A lane of ours is stopped by its breaker, or goes on.
    pub fn lane_stopped(&self, processor: &str, lane: i32, stopped: bool) {
        self.all.lane_stopped.with_label_values(&[processor, &lane.to_string()]).set(i64::from(stopped));
    }

    /// A lease was lost while it was in use.
    pub fn lease_lost(&self, processor: &str) {
        self.all.lease_lost.with_label_values(&[processor]).inc();
    }

    /// What waits in a shard of the outbox, and how long the oldest has waited.
    pub fn outbox(&self, shard: i32, rows: i64, oldest: Duration) {
        let shard = shard.to_string();
        self.all.outbox_rows.with_label_values(&[&shard]).set(rows);
        self.all.outbox_age_seconds.with_label_values(&[&shard]).set(oldest.as_secs_f64());
    }

    /// A relay published records of one topic.
    pub fn relayed(&self, topic: &str, records: u64) {
        self.all.relay_records.with_label_values(&[topic]).inc_by(records);
    }

    /// A relay's transaction was committed.
    pub fn relay_transaction(&self, shard: i32, took: Duration) {
        self.all
            .relay_transaction_seconds
            .with_label_values(&[shard.to_string()])
            .observe(took.as_secs_f64());
    }

    /// An input was parked.
    pub fn parked(&self, processor: &str, reason: &str) {
        self.all.parked.with_label_values(&[processor, reason]).inc();
    }

    /// How many inputs wait for a person, by reason.
    pub fn parked_rows(&self, processor: &str, reason: &str, rows: i64) {
        self.all.parked_rows.with_label_values(&[processor, reason]).set(rows);
    }

    /// Something is tried again; `what` is one of a few words, such as "postgres".
    pub fn retry(&self, what: &str) {
        self.all.retries.with_label_values(&[what]).inc();
    }

    /// A source asks a person about so many rows that are gone; zero: it asks no more.
    pub fn source_asks(&self, source: &str, kind: &str, gone: i64) {
        if gone > 0 {
            self.all.source_asks_rows.with_label_values(&[source, kind]).set(gone);
        } else {
            // A series that was never written is none to be removed.
            let _ = self.all.source_asks_rows.remove_label_values(&[source, kind]);
        }
    }

    /// Rows of a source that ended alike.
    pub fn source_rows(&self, source: &str, outcome: RowOutcome, count: u64) {
        let outcome = match outcome {
            RowOutcome::Gone => "gone",
            RowOutcome::Refused => "refused",
            RowOutcome::Seen => "seen",
        };
        self.all.source_rows.with_label_values(&[source, outcome]).inc_by(count);
    }

    /// A message is on its way to be durable.
    pub fn landing_begun(&self, sender: &str) {
        self.all.landing_inflight.with_label_values(&[sender]).inc();
    }

    /// A message that was begun ended so, after this time.
    pub fn landing_ended(&self, sender: &str, landed: Landed, took: Duration) {
        self.all.landing_inflight.with_label_values(&[sender]).dec();
        self.all.landing_ack_seconds.with_label_values(&[sender]).observe(took.as_secs_f64());
        self.landing_counted(sender, landed);
    }

    /// A message that was never begun, such as a refused one.
    pub fn landing_counted(&self, sender: &str, landed: Landed) {
        let result = match landed {
            Landed::Accepted => "accepted",
            Landed::Failed => "failed",
            Landed::Refused => "refused",
        };
        self.all.landing_messages.with_label_values(&[sender, result]).inc();
    }

    fn forget_lag(&self, labels: &[&str]) {
        // A series that was never written is none to be removed.
        let _ = self.all.lag_records.remove_label_values(labels);
        let _ = self.all.lag_seconds.remove_label_values(labels);
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

struct Maker<'a> {
    registry: &'a Registry,
}

impl Maker<'_> {
    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
        self.register(IntCounterVec::new(Opts::new(full(name), help), labels)?)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
        self.register(IntGaugeVec::new(Opts::new(full(name), help), labels)?)
    }

    fn float_gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, prometheus::Error> {
        self.register(GaugeVec::new(Opts::new(full(name), help), labels)?)
    }

    fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<HistogramVec, prometheus::Error> {
        let options = HistogramOpts::new(full(name), help).buckets(buckets.to_vec());
        self.register(HistogramVec::new(options, labels)?)
    }

    fn register<C: Collector + Clone + 'static>(&self, collector: C) -> Result<C, prometheus::Error> {
        self.registry.register(Box::new(collector.clone()))?;
        Ok(collector)
    }
}

fn full(name: &str) -> String {
    format!("vertebra_{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(metrics: &Metrics, line: &str, is_told: bool) {
        let text = metrics.render();
        assert_eq!(text.lines().any(|told| told == line), is_told, "{line} in\n{text}");
    }

    #[test]
    fn what_was_counted_is_told_with_service_and_unit() {
        let metrics = Metrics::new("billing-projector").expect("metrics");
        metrics.events("case", "billing.charge.v1", Outcome::Applied, 3);
        metrics.landing_begun("north");
        metrics.landing_ended("north", Landed::Accepted, Duration::from_millis(2));
        let event =
            r#"{outcome="applied",processor="case",topic="billing.charge.v1",service="billing-projector"} 3"#;
        check(&metrics, &format!("vertebra_events_total{event}"), true);
        check(&metrics, r#"vertebra_landing_inflight{sender="north",service="billing-projector"} 0"#, true);
    }

    #[test]
    fn a_lanes_series_leave_with_the_lane() {
        let metrics = Metrics::new("s").expect("metrics");
        metrics.lane_taken("p", 2, 7);
        metrics.lag("p", "t", 2, Lag::Behind { records: 4, age: Duration::from_millis(1500) });
        check(&metrics, r#"vertebra_lag_seconds{lane="2",processor="p",topic="t",service="s"} 1.5"#, true);
        metrics.lag("p", "t", 2, Lag::AtEnd);
        check(&metrics, r#"vertebra_lag_seconds{lane="2",processor="p",topic="t",service="s"} 0"#, true);
        check(&metrics, r#"vertebra_lanes_owned{processor="p",service="s"} 1"#, true);
        metrics.lane_left("p", 2, ["t"]);
        metrics.lane_left("p", 2, ["t"]);
        check(&metrics, r#"vertebra_lanes_owned{processor="p",service="s"} 0"#, true);
        assert!(!metrics.render().contains("lag_seconds{"));
        assert!(!metrics.render().contains("lane_epoch{"));
    }
}
