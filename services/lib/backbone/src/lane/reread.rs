//! What a recovered ledger had forgotten is read again: record by record, past the moments at which commands were given.

use super::{Parts, Position, Trouble, Worker, hold_still};
use crate::env::{Env, Loop};
use crate::moment::Ahead;
use crate::mutant::{self, Mutant};
use crate::record::Record;
use crate::store::Store;
use canon::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tokio_util::sync::CancellationToken;

/// Runs records that a recovered ledger had forgotten, one by one, and comes to each moment at which a command was given: what
/// had been read then has been read, and nothing else. Between two moments records come by their times, and deadlines fire by
/// the time of the record at hand.
pub(super) async fn reread<S, L, C, E, W>(
    parts: &Parts<S, L, C, E>,
    worker: &mut W,
    lane: &mut Position,
    (forgotten, ended): (&mut Forgotten, &BTreeSet<&'static str>),
    stop: &CancellationToken,
) -> Result<(), Trouble>
where
    S: Store,
    E: Env,
    W: Worker,
{
    while !stop.is_cancelled() {
        parts.watch.beat(Loop::Lane(lane.fence.lane));
        let clock = lane.ahead.front().map(|ahead| ahead.moment.clock);
        let (topic, at) = match forgotten.next(&lane.positions, lane.ahead.front(), ended) {
            Next::Unknown => return Ok(()),
            // What comes before a moment was folded by no later clock, and what the command was given for by this very one.
            Next::Record(topic, _, true) => (Some(topic), clock),
            Next::Record(topic, at, false) => (Some(topic), Some(clock.map_or(at, |clock| at.min(clock)))),
            Next::Nothing => (None, clock),
        };
        if clock.is_none() && at.is_none_or(|at| lane.reread_until.is_none_or(|until| at >= until)) {
            (lane.reread_until, lane.at, lane.reread_over) = (None, None, true);
            lane.awaited.clear();
            return Ok(());
        }
        lane.at = at;
        match topic {
            _ if fire_due(worker, lane).await? => {}
            Some(topic) => worker.run(lane, forgotten.take(topic)).await?,
            None => {
                if let Some(ahead) = lane.ahead.pop_front() {
                    worker.give_again(lane, &ahead).await?;
                }
            }
        }
        hold_still(parts, lane, stop).await?;
    }
    Ok(())
}

/// What is due comes before what is read again, however much that is. False when nothing is, or none of it came through.
async fn fire_due<W: Worker>(worker: &mut W, lane: &mut Position) -> Result<bool, Trouble> {
    let before = lane.fence.seq;
    if lane.next_due.is_some_and(|due| lane.at.is_some_and(|at| due <= at.max(lane.clock.0))) {
        worker.run(lane, Vec::new()).await?;
    }
    Ok(lane.fence.seq > before)
}

/// Records that a recovered ledger had forgotten, read and not yet run: each topic's in its order.
pub(super) struct Forgotten(BTreeMap<&'static str, VecDeque<Record>>);

impl Forgotten {
    pub(super) fn of(inputs: Vec<&'static str>) -> Self {
        Self(inputs.into_iter().map(|topic| (topic, VecDeque::new())).collect())
    }

    pub(super) fn add(&mut self, records: Vec<Record>) {
        for record in records {
            self.0.entry(record.topic).or_default().push_back(record);
        }
    }

    /// What comes next, once it is known: every topic has a record at hand, was read to its end, or has been read as far as it
    /// had been at the moment that lies ahead.
    fn next(
        &self,
        positions: &BTreeMap<String, i64>,
        ahead: Option<&Ahead>,
        ended: &BTreeSet<&'static str>,
    ) -> Next {
        let mut earliest = None;
        for (topic, records) in &self.0 {
            let is_passed = |next: i64| ahead.is_some_and(|ahead| next >= ahead.moment.next_of(topic));
            match records.front() {
                Some(first) if is_passed(first.offset) && !mutant::is(Mutant::RecordsByTime) => {}
                Some(first) => {
                    // What was given for it holds all else that had been read.
                    let is_last = ahead.is_some_and(|ahead| ahead.moment.is_by(first));
                    let at = (is_last, first.timestamp, *topic);
                    earliest = Some(earliest.map_or(at, |other| at.min(other)));
                }
                None if ended.contains(topic) => {}
                None if is_passed(positions.get(*topic).copied().unwrap_or(0)) => {}
                None => return Next::Unknown,
            }
        }
        earliest.map_or(Next::Nothing, |(is_last, at, topic)| Next::Record(topic, at, is_last))
    }

    fn take(&mut self, topic: &str) -> Vec<Record> {
        self.0.get_mut(topic).and_then(VecDeque::pop_front).into_iter().collect()
    }

    /// What is left, by time.
    pub(super) fn rest(&mut self) -> Vec<Record> {
        let (nowhere, all) = (BTreeMap::new(), self.0.keys().copied().collect());
        let next = || match self.next(&nowhere, None, &all) {
            Next::Record(topic, ..) => self.take(topic).pop(),
            Next::Unknown | Next::Nothing => None,
        };
        std::iter::from_fn(next).collect()
    }
}

/// What comes next of what is read again.
#[derive(Clone, Copy)]
enum Next {
    /// It has not been read yet.
    Unknown,
    /// A record of this topic, of this time, and whether what lies ahead was given for it.
    Record(&'static str, Timestamp, bool),
    /// Nothing more, or nothing before the moment that lies ahead.
    Nothing,
}
