//! Sends a day over MLLP: a connection or several for each sender, held to a rate, until everything is answered.
//!
//! Consumes a [`Plan`] and addresses; tells of every time that a message was written, with what was answered. Loses
//! acknowledgements on purpose where it is asked to: it hangs up on the answer and sends the message again.

mod connection;
mod lane;
mod told;

pub use told::{End, Told, Unacknowledged};

use crate::config::{Sender, Share};
use crate::plan::Plan;
use lane::Lane;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How a day is sent.
#[derive(Clone, Debug)]
pub struct Sending {
    /// Where each sender connects to; what has no address is not sent.
    pub endpoints: BTreeMap<Sender, SocketAddr>,
    /// Messages a second, all senders together, in the order of the day; 0: as fast as they are answered.
    pub rate: u32,
    /// Connections of each sender. A patient's messages stay on one, in order.
    pub connections: usize,
    /// Messages of one connection that may be unanswered. Beyond 1 a patient's messages may come out of order when one
    /// is not taken, as with any sender that does not wait.
    pub pipeline: usize,
    /// How many acknowledgements are lost on purpose.
    pub lost_acks: Share,
    /// How long an answer is waited for before the message is sent again.
    pub ack_timeout: Duration,
    /// How long one message is tried for.
    pub patience: Duration,
    /// How long is waited before a message is sent again.
    pub between_tries: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How often anything was written.
    pub transmissions: usize,
    /// Messages that were acknowledged, copies not counted.
    pub acknowledged: usize,
    /// Messages that were answered AR or CR.
    pub refused: usize,
    /// Acknowledgements that were lost on purpose.
    pub lost: usize,
    /// Other transmissions that came to nothing and were made again.
    pub repeated: usize,
    /// What was given up, the first of each connection: nothing behind it was sent.
    pub unacknowledged: Vec<Unacknowledged>,
}

impl Sending {
    /// One message at a time for each sender, as fast as it is answered, nothing lost on purpose.
    pub fn new(endpoints: BTreeMap<Sender, SocketAddr>) -> Self {
        Self {
            endpoints,
            rate: 0,
            connections: 1,
            pipeline: 1,
            lost_acks: Share::NONE,
            ack_timeout: Duration::from_secs(30),
            patience: Duration::from_secs(120),
            between_tries: Duration::from_millis(100),
        }
    }

    /// How many transmissions without any repetition this makes of a day.
    pub fn count(&self, plan: &Plan) -> usize {
        self.endpoints.keys().map(|sender| plan.stream(*sender).len()).sum()
    }

    /// How long after the beginning the message of this rank is sent.
    fn after(&self, rank: usize) -> Duration {
        let rank = u64::try_from(rank).unwrap_or(u64::MAX);
        match u64::from(self.rate) {
            0 => Duration::ZERO,
            rate => Duration::from_micros(rank.saturating_mul(1_000_000) / rate),
        }
    }
}

/// Sends a day; `tell` is told of every transmission as soon as it has ended.
pub async fn send(plan: &Arc<Plan>, how: &Sending, mut tell: impl FnMut(&Told)) -> Report {
    let (to, mut from) = mpsc::channel(1_024);
    let mut lanes = JoinSet::new();
    let begun = Instant::now();
    let how = Arc::new(how.clone());
    for lane in lanes_of(plan, &how) {
        lanes.spawn(lane.run(begun, to.clone()));
    }
    drop(to);
    let mut report = Report::default();
    let (mut acknowledged, mut refused) = (BTreeSet::new(), BTreeSet::new());
    while let Some(told) = from.recv().await {
        tell(&told);
        report.transmissions += 1;
        match told.end {
            End::Acknowledged => drop(acknowledged.insert(told.id)),
            End::Refused => drop(refused.insert(told.id)),
            End::LostOnPurpose => report.lost += 1,
            End::AskedAgain | End::Broken | End::Late | End::Strange => report.repeated += 1,
        }
    }
    (report.acknowledged, report.refused) = (acknowledged.len(), refused.len());
    while let Some(ended) = lanes.join_next().await {
        report.unacknowledged.extend(ended.unwrap_or_else(|error| panic!("a lane panicked: {error}")));
    }
    report
}

/// The day's messages on their connections, each with its rank among all that are sent.
fn lanes_of(plan: &Arc<Plan>, how: &Arc<Sending>) -> Vec<Lane> {
    let mut ranked: Vec<(Sender, usize)> = Vec::new();
    for sender in how.endpoints.keys() {
        ranked.extend((0..plan.stream(*sender).len()).map(|place| (*sender, place)));
    }
    ranked.sort_by_key(|(sender, place)| plan.stream(*sender)[*place].order);
    let connections = u64::try_from(how.connections.max(1)).unwrap_or(1);
    let mut lanes: BTreeMap<(Sender, u64), Vec<(usize, usize)>> = BTreeMap::new();
    for (rank, (sender, place)) in ranked.into_iter().enumerate() {
        let connection = plan.stream(sender)[place].lane % connections;
        lanes.entry((sender, connection)).or_default().push((place, rank));
    }
    let lane = |((sender, connection), messages): ((Sender, u64), Vec<(usize, usize)>)| {
        let address = *how.endpoints.get(&sender)?;
        Some(Lane::new(Arc::clone(plan), Arc::clone(how), sender, connection, address, messages))
    };
    lanes.into_iter().filter_map(lane).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_spreads_messages_evenly_and_none_holds_nothing_back() {
        let at = |rate, rank| Sending { rate, ..Sending::new(BTreeMap::new()) }.after(rank).as_micros();
        assert_eq!([at(50, 0), at(50, 1), at(50, 500)], [0, 20_000, 10_000_000]);
        assert_eq!(at(3, 3_000_000), 1_000_000_000_000);
        assert_eq!(at(0, 1_000), 0);
    }
}
