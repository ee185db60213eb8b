//! A broker in memory, with what matters here of Kafka's: transactions, the fence of a transactional id, the last
//! stable offset, and offsets that markers leave holes in.

use super::{Sim, cross_to_broker};
use crate::contract::{Contract, SchemaSource, Schemas};
use crate::edge::{BEGINNING, BrokerError, LaneReader, Log, Producer, Publisher, Witness};
use crate::memory::World;
use crate::mutant::{self, Mutant};
use crate::record::{Marks, OutRecord, Record};
use canon::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Clone, Debug)]
enum Entry {
    Committed(Sent),
    /// Of an open transaction: everything from here on is not yet stable.
    Open {
        id: String,
        epoch: u64,
        sent: Sent,
    },
    /// An aborted record, or a transaction's marker.
    Hole,
}

/// A record, and when its producer sent it.
#[derive(Clone, Debug)]
struct Sent {
    at: Timestamp,
    record: OutRecord,
}

/// A partition.
#[derive(Debug, Default)]
struct Partition {
    entries: Vec<Entry>,
    /// The last stable offset: everything before it is decided.
    stable: usize,
}

impl Partition {
    fn append(&mut self, entry: Entry) {
        self.entries.push(entry);
        self.settle();
    }

    /// Decides what is open, where `decide` does.
    fn decide(&mut self, mut decide: impl FnMut(&mut Entry)) {
        self.entries[self.stable..].iter_mut().for_each(&mut decide);
        self.settle();
    }

    fn settle(&mut self) {
        let decided = self.entries[self.stable..].iter();
        self.stable += decided.take_while(|entry| !matches!(entry, Entry::Open { .. })).count();
    }

    /// What is decided from an offset on.
    fn stable_from(&self, from: i64) -> &[Entry] {
        let from = usize::try_from(from).unwrap_or(0).min(self.stable);
        &self.entries[from..self.stable]
    }
}

#[derive(Debug, Default)]
struct Logs {
    partitions: BTreeMap<(&'static str, i32), Partition>,
    epochs: BTreeMap<String, u64>,
    /// By transactional id, as committed offsets are: what was left last stands.
    marks: BTreeMap<String, Marks>,
    /// A topic that nobody gets to read.
    away: Option<&'static str>,
}

/// The broker; clones share it.
#[derive(Clone)]
pub(crate) struct SimBroker {
    sim: Sim,
    logs: Arc<Mutex<Logs>>,
    pub(crate) schemas: Arc<Schemas>,
}

impl Logs {
    fn partition(&self, topic: &'static str, number: i32) -> Option<&Partition> {
        self.partitions.get(&(topic, number))
    }

    fn append(&mut self, topic: &str, number: i32, entry: Entry) {
        let mut partitions = self.partitions.iter_mut();
        if let Some((_, log)) = partitions.find(|((of, its), _)| (*of, *its) == (topic, number)) {
            log.append(entry);
        }
    }
}

impl SimBroker {
    pub(crate) fn new(sim: &Sim, contract: &Contract, topics: &[&'static str], schemas: Schemas) -> Self {
        let mut logs = Logs::default();
        for topic in topics {
            for partition in 0..i32::try_from(contract.partitions(topic)).unwrap_or(1) {
                logs.partitions.insert((*topic, partition), Partition::default());
            }
        }
        let (logs, schemas) = (Arc::new(Mutex::new(logs)), Arc::new(schemas));
        Self { sim: sim.clone(), logs, schemas }
    }

    fn logs(&self) -> MutexGuard<'_, Logs> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a committed record, as a producer without transactions does.
    pub(crate) fn append(&self, record: OutRecord) {
        self.append_late(record, World::now(&self.sim));
    }

    /// Appends a record that was sent then and comes to be seen only now, as one of a long transaction does.
    pub(crate) fn append_late(&self, record: OutRecord, sent: Timestamp) {
        let (topic, partition) = (record.topic.clone(), record.partition);
        self.logs().append(&topic, partition, Entry::Committed(Sent { at: sent, record }));
        self.sim.stir();
    }

    /// Committed records of a partition from an offset up to the last stable one, with their offsets.
    pub(crate) fn committed(&self, topic: &'static str, partition: i32, from: i64) -> Vec<Record> {
        self.some_committed(topic, partition, from, usize::MAX)
    }

    fn some_committed(&self, topic: &'static str, partition: i32, from: i64, max: usize) -> Vec<Record> {
        let logs = self.logs();
        let Some(log) = logs.partition(topic, partition) else { return Vec::new() };
        let read = |(offset, entry): (i64, &Entry)| match entry {
            Entry::Committed(sent) => Some(record(topic, partition, offset, sent)),
            _ => None,
        };
        (from.max(0)..).zip(log.stable_from(from)).filter_map(read).take(max).collect()
    }

    /// Whether a committed record waits at or after an offset.
    pub(crate) fn has_any(&self, topic: &'static str, partition: i32, from: i64) -> bool {
        let logs = self.logs();
        let waiting = logs.partition(topic, partition).map(|log| log.stable_from(from));
        waiting.unwrap_or_default().iter().any(|entry| matches!(entry, Entry::Committed(_)))
    }

    /// Nobody gets to read this topic, until it is another one or none.
    pub(crate) fn keeps_back(&self, topic: Option<&'static str>) {
        self.logs().away = topic;
    }

    /// Takes the fence of an id and nothing else, as an operator's command does.
    pub(crate) fn seal(&self, id: &str) {
        let epoch = self.raise(id);
        self.abort_older(id, epoch);
        self.sim.stir();
    }

    fn raise(&self, id: &str) -> u64 {
        let mut logs = self.logs();
        let epoch = logs.epochs.entry(id.to_owned()).or_insert(0);
        *epoch += 1;
        *epoch
    }

    /// The marks that relays have left.
    pub(crate) fn left(&self) -> Marks {
        let logs = self.logs();
        let mut all = Marks::new();
        for (lane, seq) in logs.marks.values().flatten() {
            let most = all.entry(lane.clone()).or_insert(*seq);
            *most = *seq.max(most);
        }
        all
    }

    fn abort_older(&self, id: &str, epoch: u64) {
        for log in self.logs().partitions.values_mut() {
            log.decide(|entry| {
                if matches!(entry, Entry::Open { id: of, epoch: held, .. } if of == id && *held < epoch) {
                    *entry = Entry::Hole;
                }
            });
        }
    }

    fn is_fenced(&self, id: &str, epoch: u64) -> bool {
        !mutant::is(Mutant::RelayWithoutFence)
            && self.logs().epochs.get(id).is_some_and(|current| *current != epoch)
    }
}

fn record(topic: &'static str, partition: i32, offset: i64, sent: &Sent) -> Record {
    let Sent { at: timestamp, record: out } = sent;
    let (key, value, headers) = (Some(out.key.clone()), out.value.clone(), out.headers.clone());
    Record { topic, partition, offset, timestamp: *timestamp, key, value, headers }
}

impl SchemaSource for SimBroker {
    fn schemas(&self) -> &Arc<Schemas> {
        &self.schemas
    }

    async fn ensure(&self, _ids: &[u32]) -> Result<(), BrokerError> {
        cross_to_broker(&self.sim, "registry").await
    }
}

impl Log for SimBroker {
    type Reader = SimReader;

    async fn open(&self, lane: i32, positions: &[(&'static str, i64)]) -> Result<SimReader, BrokerError> {
        cross_to_broker(&self.sim, "open").await?;
        let next = positions.iter().map(|(topic, next)| (*topic, if *next == BEGINNING { 0 } else { *next }));
        Ok(SimReader { broker: self.clone(), lane, next: next.collect(), ended: BTreeSet::new() })
    }
}

/// Reads a lane's partitions, its topics mixed at random.
pub(crate) struct SimReader {
    broker: SimBroker,
    lane: i32,
    next: Vec<(&'static str, i64)>,
    ended: BTreeSet<&'static str>,
}

impl SimReader {
    fn has_any(&self) -> bool {
        self.next.iter().any(|(topic, next)| self.broker.has_any(topic, self.lane, *next))
    }
}

impl LaneReader for SimReader {
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Vec<Record>, BrokerError> {
        let sim = self.broker.sim.clone();
        let reader = &*self;
        sim.until(World::now(&sim) + wait, || reader.has_any()).await;
        cross_to_broker(&sim, "fetch").await?;
        let away = self.broker.logs().away;
        if self.next.iter().any(|(topic, _)| Some(*topic) == away) {
            return Err(BrokerError::new("the topic has no leader"));
        }
        // Slow, and nothing comes though something is there.
        if sim.fails(30, "a fetch brings nothing") {
            self.ended.clear();
            return Ok(Vec::new());
        }
        let mut waiting: Vec<Vec<Record>> = Vec::new();
        for (topic, next) in &self.next {
            let mut records = self.broker.some_committed(topic, self.lane, *next, max);
            records.reverse();
            waiting.push(records);
        }
        let mut batch: Vec<Record> = Vec::new();
        let most = usize::try_from(1 + sim.below(max as u64)).unwrap_or(1);
        while batch.len() < most {
            waiting.retain(|records| !records.is_empty());
            if waiting.is_empty() {
                break;
            }
            let pick = usize::try_from(sim.below(waiting.len() as u64)).unwrap_or(0);
            batch.extend(waiting[pick].pop());
        }
        for record in &batch {
            for (topic, next) in &mut self.next {
                if *topic == record.topic {
                    *next = record.offset + 1;
                }
            }
        }
        let ended = self.next.iter().filter(|(topic, next)| !self.broker.has_any(topic, self.lane, *next));
        self.ended = ended.map(|(topic, _)| *topic).collect();
        Ok(batch)
    }

    fn is_at_end(&self) -> bool {
        self.ended.len() == self.next.len()
    }

    fn is_at_end_of(&self, topic: &str) -> bool {
        self.ended.contains(topic)
    }
}

impl Witness for SimBroker {
    async fn marks(&self) -> Result<Marks, BrokerError> {
        cross_to_broker(&self.sim, "marks").await?;
        let marks = self.left();
        cross_to_broker(&self.sim, "marks").await?;
        Ok(marks)
    }
}

impl Publisher for SimBroker {
    type Producer = SimProducer;

    async fn fence(&self, transactional_id: &str) -> Result<SimProducer, BrokerError> {
        cross_to_broker(&self.sim, "init transactions").await?;
        let id = transactional_id.to_owned();
        let epoch = self.raise(&id);
        if !mutant::is(Mutant::RelayWithoutFence) {
            self.abort_older(&id, epoch);
        }
        self.sim.stir();
        cross_to_broker(&self.sim, "init transactions").await?;
        Ok(SimProducer { broker: self.clone(), id, epoch, unsent: Vec::new() })
    }
}

/// A producer under a transactional id.
pub(crate) struct SimProducer {
    broker: SimBroker,
    id: String,
    epoch: u64,
    /// What it still has in its buffer of a transaction that was not confirmed.
    unsent: Vec<OutRecord>,
}

impl SimProducer {
    fn check(&self) -> Result<(), BrokerError> {
        if self.broker.is_fenced(&self.id, self.epoch) {
            return Err(BrokerError::new("fenced by a newer producer"));
        }
        Ok(())
    }

    /// Ends the transaction: its records become visible, and a marker follows in each partition it touched.
    fn end(&self, marks: &Marks) {
        let mut logs = self.broker.logs();
        logs.marks.insert(self.id.clone(), marks.clone());
        for log in logs.partitions.values_mut() {
            let mut touched = false;
            log.decide(|entry| {
                if let Entry::Open { id, epoch, sent } = entry
                    && (id.as_str(), *epoch) == (self.id.as_str(), self.epoch)
                {
                    *entry = Entry::Committed(sent.clone());
                    touched = true;
                }
            });
            if touched {
                log.append(Entry::Hole);
            }
        }
    }
}

impl Producer for SimProducer {
    async fn publish(&mut self, records: &[OutRecord], marks: &Marks) -> Result<(), BrokerError> {
        let unsent = std::mem::take(&mut self.unsent);
        for (sent, out) in records.iter().chain(&unsent).enumerate() {
            if (self.broker.sim.one_in(3) || self.broker.sim.is_to_fail())
                && let Err(error) = cross_to_broker(&self.broker.sim, "produce").await
            {
                self.unsent = records.iter().skip(sent).cloned().collect();
                return Err(error);
            }
            self.check()?;
            let sent = Sent { at: World::now(&self.broker.sim), record: out.clone() };
            let entry = Entry::Open { id: self.id.clone(), epoch: self.epoch, sent };
            self.broker.logs().append(&out.topic, out.partition, entry);
        }
        cross_to_broker(&self.broker.sim, "commit transaction").await?;
        self.check()?;
        self.end(marks);
        self.broker.sim.stir();
        cross_to_broker(&self.broker.sim, "commit transaction").await
    }
}
