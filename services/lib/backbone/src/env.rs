//! Time and observation as the core uses them, so that the same code runs under tokio and under the simulation.

use crate::batch::Tally;
use crate::store::{LaneId, ShardFence};
use canon::time::Timestamp;
use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

/// Waiting and measuring. Never a wall clock: what time it is, the database says.
pub trait Env: Clone + Send + Sync + 'static {
    /// Waits.
    fn sleep(&self, how_long: Duration) -> impl Future<Output = ()> + Send;

    /// A monotonic reading.
    fn elapsed(&self) -> Duration;

    /// A number from 0 to 999, for jitter.
    fn jitter_permille(&self) -> u32;
}

/// A loop whose liveness is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loop {
    /// A lane's.
    Lane(LaneId),
    /// The one that shares a processor's lanes out.
    Owner(&'static str),
    /// A relay shard's.
    Relay(i32),
}

/// What the loops tell about themselves: for metrics, health and the lag that Kafka's tools show.
pub trait Watch: Send + Sync + 'static {
    /// A lane was taken.
    fn lane_taken(&self, lane: LaneId, epoch: i64) {
        let _ = (lane, epoch);
    }

    /// A lane was given back or lost.
    fn lane_left(&self, lane: LaneId, lost: bool) {
        let _ = (lane, lost);
    }

    /// A batch was committed; `positions` are the next offsets, `newest` the time of its last record.
    fn batch(&self, lane: LaneId, tally: &Tally, took: Duration, positions: &BTreeMap<String, i64>) {
        let _ = (lane, tally, took, positions);
    }

    /// A record is about to be processed: its time tells the lag. Nothing waits when `first` is absent.
    fn lag(&self, lane: LaneId, first: Option<Timestamp>, now: Timestamp) {
        let _ = (lane, first, now);
    }

    /// An input was parked.
    fn parked(&self, lane: LaneId, reason: crate::reject::Reason) {
        let _ = (lane, reason);
    }

    /// A lane is stopped, by its breaker or since its ledger went back in time; or it goes on again.
    fn stopped(&self, lane: LaneId, stopped: bool) {
        let _ = (lane, stopped);
    }

    /// A source kept a page.
    fn pulled(&self, source: &'static str, pulled: &crate::source::Pulled) {
        let _ = (source, pulled);
    }

    /// A source stopped and asks whether so many of a kind's known rows are gone; zero: it asks no more.
    fn asks(&self, source: &'static str, kind: &str, gone: i64, known: i64) {
        let _ = (source, kind, gone, known);
    }

    /// Something is being tried again; the healthy path never calls this.
    fn trouble(&self, what: &'static str, error: &(dyn Error + 'static)) {
        let _ = (what, error);
    }

    /// What was in trouble works again.
    fn healed(&self, what: &'static str) {
        let _ = what;
    }

    /// A loop has come round: liveness.
    fn beat(&self, which: Loop) {
        let _ = which;
    }

    /// The relay published rows of a shard.
    fn relayed(&self, shard: ShardFence, rows: usize, took: Duration) {
        let _ = (shard, rows, took);
    }
}

/// Says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Watch for Unwatched {}

/// Back-off with jitter: doubles from `first` to `most`, each wait between half and whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, next: first }
    }

    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }

    pub(crate) fn step(&mut self, env: &impl Env) -> Duration {
        let whole = self.next;
        self.next = (self.next * 2).min(self.most);
        whole / 2 + whole * env.jitter_permille() / 2000
    }
}
