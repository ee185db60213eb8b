//! A lane's records between the thread that fetches and the task that reads: bounded by records and by bytes.

use super::log::Command;
use crate::edge::{BrokerError, LaneReader};
use crate::record::Record;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// How much of a lane is kept ready at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
}

impl Bounds {
    /// Whether nothing fits. A record is taken while one byte fits, so that the largest gets through.
    pub(crate) fn is_none(self) -> bool {
        self.records == 0 || self.bytes == 0
    }

    /// What is left when a record has been taken.
    pub(crate) fn less(self, record: &Record) -> Self {
        let records = self.records.saturating_sub(1);
        Self { records, bytes: self.bytes.saturating_sub(record.size_bytes()) }
    }
}

/// Records fetched and not yet read.
pub(crate) struct Buffer {
    bounds: Bounds,
    /// How many topics the lane reads.
    topics: usize,
    waiting: Mutex<Waiting>,
    filled: Notify,
}

#[derive(Default)]
struct Waiting {
    records: VecDeque<Record>,
    bytes: usize,
    failed: Option<BrokerError>,
    /// The thread has left the lane alone for want of room.
    starved: bool,
    /// Topics that are at their ends behind these records.
    ended: BTreeSet<&'static str>,
    /// That all are was told to whoever waited.
    told: bool,
}

impl Waiting {
    fn is_at_end(&self, topics: usize) -> bool {
        self.ended.len() == topics && self.records.is_empty()
    }
}

impl Buffer {
    pub(crate) fn new(bounds: Bounds, topics: usize) -> Self {
        Self { bounds, topics, waiting: Mutex::default(), filled: Notify::new() }
    }

    /// What fits; nothing when the lane is full, and then its reader will wake the thread.
    pub(crate) fn room(&self) -> Bounds {
        let mut waiting = self.lock();
        let room = Bounds {
            records: self.bounds.records.saturating_sub(waiting.records.len()),
            bytes: self.bounds.bytes.saturating_sub(waiting.bytes),
        };
        waiting.starved = room.is_none() || waiting.failed.is_some();
        if waiting.starved { Bounds::default() } else { room }
    }

    pub(crate) fn put(&self, records: &mut Vec<Record>) {
        if records.is_empty() {
            return;
        }
        let mut waiting = self.lock();
        waiting.bytes += records.iter().map(Record::size_bytes).sum::<usize>();
        for record in records.drain(..) {
            waiting.ended.remove(record.topic);
            waiting.records.push_back(record);
        }
        waiting.told = false;
        drop(waiting);
        self.filled.notify_one();
    }

    /// A topic is at its end, behind what was put in of it.
    pub(crate) fn end(&self, topic: &'static str) {
        self.lock().ended.insert(topic);
        self.filled.notify_one();
    }

    /// Whether everything up to the partitions' ends was taken.
    fn is_at_end(&self) -> bool {
        self.lock().is_at_end(self.topics)
    }

    fn is_at_end_of(&self, topic: &str) -> bool {
        let waiting = self.lock();
        waiting.ended.contains(topic) && waiting.records.iter().all(|record| record.topic != topic)
    }

    /// The same, for the first time since records came.
    fn has_come_to_the_end(&self) -> bool {
        let mut waiting = self.lock();
        waiting.is_at_end(self.topics) && !std::mem::replace(&mut waiting.told, true)
    }

    /// The lane cannot be read on. What was fetched before is still handed out.
    pub(crate) fn fail(&self, error: BrokerError) {
        self.lock().failed.get_or_insert(error);
        self.filled.notify_one();
    }

    /// Takes what is there, and says whether the thread waits for room.
    fn take(&self, max: usize) -> Result<(Vec<Record>, bool), BrokerError> {
        let mut waiting = self.lock();
        if waiting.records.is_empty()
            && let Some(error) = waiting.failed.take()
        {
            waiting.failed = Some(BrokerError::new("the lane's reader failed before"));
            return Err(error);
        }
        let count = waiting.records.len().min(max);
        let taken: Vec<Record> = waiting.records.drain(..count).collect();
        waiting.bytes -= taken.iter().map(Record::size_bytes).sum::<usize>();
        let starved = count > 0 && std::mem::take(&mut waiting.starved);
        Ok((taken, starved))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reader of one lane. Dropped, its partitions are no longer read.
pub struct KafkaReader {
    pub(crate) id: u64,
    pub(crate) buffer: Arc<Buffer>,
    pub(crate) commands: mpsc::UnboundedSender<Command>,
    pub(crate) thread: Thread,
}

impl LaneReader for KafkaReader {
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Vec<Record>, BrokerError> {
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            // A permit is kept when records come between the look and the waiting.
            let (records, starved) = self.buffer.take(max)?;
            if starved {
                self.thread.unpark();
            }
            if !records.is_empty() || self.buffer.has_come_to_the_end() {
                return Ok(records);
            }
            if tokio::time::timeout_at(deadline, self.buffer.filled.notified()).await.is_err() {
                return Ok(Vec::new());
            }
        }
    }

    fn is_at_end(&self) -> bool {
        self.buffer.is_at_end()
    }

    fn is_at_end_of(&self, topic: &str) -> bool {
        self.buffer.is_at_end_of(topic)
    }
}

impl Drop for KafkaReader {
    fn drop(&mut self) {
        // The thread may have ended before; then there is nothing to close.
        let _ = self.commands.send(Command::Close(self.id));
        self.thread.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use canon::time::Timestamp;

    fn record(offset: i64, size: usize) -> Record {
        let value = Some(vec![0; size]);
        let timestamp = Timestamp::EPOCH;
        Record { topic: "t", partition: 0, offset, timestamp, key: None, value, headers: Vec::new() }
    }

    #[track_caller]
    fn check_room(bounds: Bounds, sizes: &[usize], expected: usize) {
        let buffer = Buffer::new(bounds, 1);
        let mut records = sizes.iter().map(|size| record(0, *size)).collect();
        buffer.put(&mut records);
        assert_eq!(buffer.room().records, expected);
        let (_, starved) = buffer.take(usize::MAX).expect("records");
        assert_eq!(starved, expected == 0, "whoever takes from a full lane wakes the thread");
        assert_eq!(buffer.room(), bounds);
    }

    #[test]
    fn a_lane_is_bounded_by_records_and_by_bytes() {
        let bounds = Bounds { records: 3, bytes: 100 };
        check_room(bounds, &[1], 2);
        check_room(bounds, &[1, 1, 1], 0);
        check_room(bounds, &[100], 0);
        check_room(bounds, &[99], 2);
    }

    #[test]
    fn the_end_is_told_once_and_only_behind_what_came_before_it() {
        let buffer = Buffer::new(Bounds { records: 10, bytes: 1000 }, 1);
        buffer.put(&mut vec![record(1, 1)]);
        assert!(!buffer.is_at_end());
        buffer.end("t");
        assert!(!buffer.is_at_end(), "a record is still to be taken");
        buffer.take(9).expect("a record");
        assert!(buffer.is_at_end() && buffer.has_come_to_the_end() && !buffer.has_come_to_the_end());
        buffer.put(&mut vec![record(2, 1)]);
        buffer.take(9).expect("a record");
        assert!(!buffer.is_at_end(), "more came, and it is not known whether there is more still");
    }

    #[test]
    fn one_topic_may_be_at_its_end_and_another_not() {
        let buffer = Buffer::new(Bounds { records: 10, bytes: 1000 }, 2);
        buffer.put(&mut vec![record(1, 1)]);
        buffer.end("u");
        assert!(buffer.is_at_end_of("u") && !buffer.is_at_end_of("t"));
        buffer.end("t");
        assert!(!buffer.is_at_end_of("t") && !buffer.is_at_end(), "a record is still to be taken");
        buffer.take(9).expect("a record");
        assert!(buffer.is_at_end_of("t") && buffer.is_at_end());
        buffer.put(&mut vec![record(2, 1)]);
        assert!(buffer.is_at_end_of("u") && !buffer.is_at_end_of("t"));
    }

    #[test]
    fn what_was_fetched_before_a_failure_is_handed_out_before_it() {
        let buffer = Buffer::new(Bounds { records: 10, bytes: 1000 }, 1);
        buffer.put(&mut vec![record(1, 1), record(2, 1)]);
        buffer.fail(BrokerError::new("denied"));
        assert!(buffer.room().is_none());
        assert_eq!(buffer.take(1).expect("a record").0, [record(1, 1)]);
        assert_eq!(buffer.take(9).expect("a record").0, [record(2, 1)]);
        assert_eq!(buffer.take(9).expect_err("the failure").what, "denied");
        assert_eq!(buffer.take(9).expect_err("again").what, "the lane's reader failed before");
    }
}
