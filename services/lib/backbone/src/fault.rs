//! Fault points: a process that kills or stops itself at a named place, for the tests of `tests/faults`.
//!
//! Consumes one environment variable, [`VARIABLE`], once: `<call>:<before|inside|after>:<nth>:<kill|stop>`. Publishes
//! nothing. Does to the world what an operator's `kill -9` or `kill -STOP` would do, at a place that no clock could
//! hit. Compiled with the feature `fault-points` only; a default build has neither the wrapper nor the variable.
//!
//! A call is passed `before` it is sent and `after` it was answered; one that failed is not passed a second time. The
//! outbox is passed `after` only when rows were read, so that the place is the same however often it was empty.

use crate::edge::{BrokerError, Producer, Publisher};
use crate::emission::{CounterKey, Emitted};
use crate::journal::Entry;
use crate::moment::Ahead;
use crate::record::{Marks, OutRecord};
use crate::replay::{Difference, Replay, Side as ReplaySide, Standing as InReplay, Which};
use crate::source::{Known, Mark, SourceTx, Standing, Swept};
use crate::store::{
    AskNews, Changes, Effect, Fence, Fleet, Grant, Intent, LaneId, Loaded, News, Parked, Renewed, ShardFence,
    Store, StoreError, Tx, Want,
};
use crate::table::TableRow;
use canon::time::Timestamp;
use nix::sys::signal::{Signal, raise};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use uuid::Uuid;

/// Where the fault of a process is told.
pub const VARIABLE: &str = "VERTEBRA_TEST_FAULT";

/// Every call that is passed, by the names the simulation has for them.
pub const CALLS: &[&str] = &[
    "are complete",
    "begin",
    "beside",
    "commit",
    "deadline",
    "deadlines",
    "decisions",
    "decisions behind",
    "delete outbox",
    "differing",
    "effects",
    "emitted",
    "ensure lanes",
    "entries",
    "fence",
    "flush",
    "heartbeat",
    "hold shard",
    "intent",
    "keys",
    "landed",
    "leave",
    "load",
    "lock counters",
    "news",
    "note replay",
    "outbox",
    "parked",
    "parked of",
    "publish",
    "release lane",
    "release shard",
    "renew",
    "replays",
    "resume",
    "source known",
    "source standing",
    "source swept",
    "stated",
    "table rows",
    "take along",
    "take lane",
    "take shard",
    "throw away",
    "turn",
    "write",
];

/// A fault to be made: where, at which passage, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The call.
    pub call: &'static str,
    /// The side of it.
    pub side: Side,
    /// The first passage is 1.
    pub nth: u32,
    /// What happens there.
    pub signal: Blow,
}

/// A side of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The call is not sent yet.
    Before,
    /// It is half done: records are in the producer's buffer, their transaction is open.
    Inside,
    /// It was answered.
    After,
}

/// What happens to the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// SIGKILL.
    Kill,
    /// SIGSTOP; it goes on from there at SIGCONT.
    Stop,
}

/// A fault that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// No call of this name is ever passed.
    #[error("`{0}` is no call; one of {CALLS:?} is expected")]
    Call(String),
    /// Passages are counted from one.
    #[error("`{0}` is no passage; 1 is the first one")]
    Passage(String),
    /// Not four parts.
    #[error("<call>:<before|inside|after>:<nth>:<kill|stop> is expected")]
    Shape,
    /// Not a side.
    #[error("`{0}` is no side; before, inside or after is expected")]
    Side(String),
    /// Not a signal.
    #[error("`{0}` is no fault; kill or stop is expected")]
    Signal(String),
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let parts: Vec<&str> = text.split(':').collect();
        let [call, side, nth, signal] = parts[..] else { return Err(FaultError::Shape) };
        let known = CALLS.iter().find(|known| **known == call);
        let side = match side {
            "before" => Side::Before,
            "inside" => Side::Inside,
            "after" => Side::After,
            _ => return Err(FaultError::Side(side.to_owned())),
        };
        let signal = match signal {
            "kill" => Blow::Kill,
            "stop" => Blow::Stop,
            _ => return Err(FaultError::Signal(signal.to_owned())),
        };
        let counted = nth.parse().ok().filter(|nth| *nth > 0);
        Ok(Self {
            call: known.ok_or_else(|| FaultError::Call(call.to_owned()))?,
            side,
            nth: counted.ok_or_else(|| FaultError::Passage(nth.to_owned()))?,
            signal,
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Before => "before",
            Side::Inside => "inside",
            Side::After => "after",
        };
        let signal = match self.signal {
            Blow::Kill => "kill",
            Blow::Stop => "stop",
        };
        write!(f, "{}:{side}:{}:{signal}", self.call, self.nth)
    }
}

/// Says that the process passes here; at the fault's own passage it goes no further.
pub(crate) fn pass(call: &'static str, side: Side) {
    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
    let Some(armed) = ARMED.get_or_init(Armed::from_environment) else { return };
    if armed.is_due(call, side) {
        armed.strike();
    }
}

struct Armed {
    fault: Fault,
    passed: AtomicU32,
}

impl Armed {
    fn new(fault: Fault) -> Self {
        Self { fault, passed: AtomicU32::new(0) }
    }

    fn from_environment() -> Option<Self> {
        #[expect(
            clippy::disallowed_methods,
            reason = "no setting of a service: it must not show in its help"
        )]
        let text = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty())?;
        match text.parse() {
            Ok(fault) => {
                tracing::warn!(%fault, "a fault is armed");
                Some(Self::new(fault))
            }
            Err(error) => {
                // A test that armed nothing must not pass for that.
                tracing::error!(%error, variable = VARIABLE, "the fault cannot be read");
                std::process::exit(2)
            }
        }
    }

    fn is_due(&self, call: &str, side: Side) -> bool {
        self.fault.call == call
            && self.fault.side == side
            && self.passed.fetch_add(1, Ordering::SeqCst) + 1 == self.fault.nth
    }

    fn strike(&self) {
        let signal = match self.fault.signal {
            Blow::Kill => Signal::SIGKILL,
            Blow::Stop => Signal::SIGSTOP,
        };
        tracing::warn!(fault = %self.fault, "the fault strikes");
        // To this thread, which comes no further: sent to the process, any of its threads may take it, and this one
        // goes on meanwhile.
        if let Err(error) = raise(signal) {
            tracing::error!(%error, "the fault could not be made");
            std::process::exit(2);
        }
        tracing::warn!(fault = %self.fault, "going on after the fault");
    }
}

/// A part of the runtime whose calls are passed.
#[derive(Clone)]
pub struct Faulty<T>(T);

/// Has a part's calls passed.
pub(crate) fn with_points<T>(part: T) -> Faulty<T> {
    Faulty(part)
}

/// Passes a call on both sides.
async fn crossing<T, X>(call: &'static str, body: impl Future<Output = Result<T, X>>) -> Result<T, X> {
    pass(call, Side::Before);
    let answer = body.await?;
    pass(call, Side::After);
    Ok(answer)
}

impl<S: Store> Store for Faulty<S> {
    type Tx = Faulty<S::Tx>;

    async fn ensure_lanes(&self, processor: &'static str, lanes: i32) -> Result<(), StoreError> {
        crossing("ensure lanes", self.0.ensure_lanes(processor, lanes)).await
    }

    async fn heartbeat(
        &self,
        processor: &'static str,
        instance: Uuid,
        lease: Duration,
    ) -> Result<Fleet, StoreError> {
        crossing("heartbeat", self.0.heartbeat(processor, instance, lease)).await
    }

    async fn leave(&self, processor: &'static str, instance: Uuid) -> Result<(), StoreError> {
        crossing("leave", self.0.leave(processor, instance)).await
    }

    async fn take_lane(
        &self,
        lane: LaneId,
        instance: Uuid,
        lease: Duration,
    ) -> Result<Option<Grant>, StoreError> {
        crossing("take lane", self.0.take_lane(lane, instance, lease)).await
    }

    async fn resume(&self, fence: &Fence) -> Result<Option<Grant>, StoreError> {
        crossing("resume", self.0.resume(fence)).await
    }

    async fn renew(&self, fence: &Fence, lease: Duration) -> Result<Renewed, StoreError> {
        crossing("renew", self.0.renew(fence, lease)).await
    }

    async fn are_complete(&self, topics: &[(&'static str, i32)]) -> Result<bool, StoreError> {
        crossing("are complete", self.0.are_complete(topics)).await
    }

    async fn ahead(&self, lane: LaneId) -> Result<Vec<Ahead>, StoreError> {
        crossing("ahead", self.0.ahead(lane)).await
    }

    async fn release_lane(&self, fence: &Fence) -> Result<(), StoreError> {
        crossing("release lane", self.0.release_lane(fence)).await
    }

    async fn begin_at(
        &self,
        fence: &Fence,
        lease: Duration,
        due_max: usize,
        at: Option<Timestamp>,
    ) -> Result<Self::Tx, StoreError> {
        crossing("begin", self.0.begin_at(fence, lease, due_max, at)).await.map(Faulty)
    }

    async fn reached(&self) -> Result<Marks, StoreError> {
        crossing("reached", self.0.reached()).await
    }

    async fn stop_lane(&self, fence: &Fence, why: &'static str) -> Result<(), StoreError> {
        crossing("stop lane", self.0.stop_lane(fence, why)).await
    }

    async fn take_shard(
        &self,
        shard: i32,
        instance: Uuid,
        lease: Duration,
    ) -> Result<Option<ShardFence>, StoreError> {
        crossing("take shard", self.0.take_shard(shard, instance, lease)).await
    }

    async fn hold_shard(&self, fence: &ShardFence, lease: Duration) -> Result<(), StoreError> {
        crossing("hold shard", self.0.hold_shard(fence, lease)).await
    }

    async fn release_shard(&self, fence: &ShardFence) -> Result<(), StoreError> {
        crossing("release shard", self.0.release_shard(fence)).await
    }

    async fn outbox(&self, shard: i32, max: usize) -> Result<Vec<OutRecord>, StoreError> {
        pass("outbox", Side::Before);
        let rows = self.0.outbox(shard, max).await?;
        if !rows.is_empty() {
            pass("outbox", Side::After);
        }
        Ok(rows)
    }

    async fn delete_outbox(&self, seqs: &[i64]) -> Result<(), StoreError> {
        crossing("delete outbox", self.0.delete_outbox(seqs)).await
    }

    async fn replays(&self) -> Result<Vec<Replay>, StoreError> {
        crossing("replays", self.0.replays()).await
    }

    async fn beside(&self, replay: i64) -> Result<Self, StoreError> {
        crossing("beside", self.0.beside(replay)).await.map(Faulty)
    }

    async fn throw_away(&self, replay: i64) -> Result<(), StoreError> {
        crossing("throw away", self.0.throw_away(replay)).await
    }

    async fn note_replay(
        &self,
        replay: i64,
        code: Option<&str>,
        trouble: Option<&str>,
    ) -> Result<(), StoreError> {
        crossing("note replay", self.0.note_replay(replay, code, trouble)).await
    }

    async fn entries(&self, lane: LaneId, behind: i64, max: usize) -> Result<Vec<Entry>, StoreError> {
        crossing("entries", self.0.entries(lane, behind, max)).await
    }

    async fn decisions_behind(&self, lane: LaneId, behind: i64) -> Result<Vec<Entry>, StoreError> {
        crossing("decisions behind", self.0.decisions_behind(lane, behind)).await
    }

    async fn cut_overs(&self, lane: LaneId) -> Result<Vec<Entry>, StoreError> {
        crossing("cutovers", self.0.cut_overs(lane)).await
    }

    async fn table_rows(&self, behind: i64, upto: i64) -> Result<Vec<TableRow>, StoreError> {
        crossing("table rows", self.0.table_rows(behind, upto)).await
    }
}

impl<T: Tx> Tx for Faulty<T> {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn due(&self) -> &[(Timestamp, String)] {
        self.0.due()
    }

    fn tables(&self) -> i64 {
        self.0.tables()
    }

    async fn intent(&mut self) -> Result<Option<Intent>, StoreError> {
        crossing("intent", self.0.intent()).await
    }

    async fn stated(&mut self, topic: &str, offsets: Range<i64>) -> Result<Vec<Emitted>, StoreError> {
        crossing("stated", self.0.stated(topic, offsets)).await
    }

    async fn parked(&mut self, numbers: &[i64]) -> Result<Vec<(i64, Parked)>, StoreError> {
        crossing("parked", self.0.parked(numbers)).await
    }

    async fn decisions(
        &mut self,
        topic: &str,
        offsets: Range<i64>,
    ) -> Result<BTreeMap<i64, Option<Vec<u8>>>, StoreError> {
        crossing("decisions", self.0.decisions(topic, offsets)).await
    }

    async fn news(&mut self, wanted: &AskNews) -> Result<News, StoreError> {
        crossing("news", self.0.news(wanted)).await
    }

    async fn load(&mut self, want: &Want) -> Result<Loaded, StoreError> {
        crossing("load", self.0.load(want)).await
    }

    async fn lock_counters(&mut self, keys: &[CounterKey]) -> Result<BTreeMap<CounterKey, i64>, StoreError> {
        crossing("lock counters", self.0.lock_counters(keys)).await
    }

    async fn emitted(&mut self, facts: &[Uuid]) -> Result<HashMap<Uuid, Emitted>, StoreError> {
        crossing("emitted", self.0.emitted(facts)).await
    }

    async fn effects(&mut self, commands: &[Uuid]) -> Result<HashMap<Uuid, Effect>, StoreError> {
        crossing("effects", self.0.effects(commands)).await
    }

    async fn write(&mut self, changes: Changes) -> Result<Option<Timestamp>, StoreError> {
        crossing("write", self.0.write(changes)).await
    }

    async fn commit(self) -> Result<(), StoreError> {
        crossing("commit", self.0.commit()).await
    }

    async fn parked_of(&mut self, which: &Which) -> Result<Vec<(i64, Parked)>, StoreError> {
        crossing("parked of", self.0.parked_of(which)).await
    }

    async fn take_along(&mut self, replay: i64) -> Result<Option<InReplay>, StoreError> {
        crossing("take along", self.0.take_along(replay)).await
    }

    async fn turn(&mut self, to: ReplaySide) -> Result<(), StoreError> {
        crossing("turn", self.0.turn(to)).await
    }

    async fn keys(&mut self, behind: &str, max: usize) -> Result<Vec<String>, StoreError> {
        crossing("keys", self.0.keys(behind, max)).await
    }

    async fn deadline(&mut self, key: &str) -> Result<Option<Timestamp>, StoreError> {
        crossing("deadline", self.0.deadline(key)).await
    }

    async fn deadlines(&mut self) -> Result<BTreeMap<String, Timestamp>, StoreError> {
        crossing("deadlines", self.0.deadlines()).await
    }

    async fn differing(&mut self) -> Result<Vec<Difference>, StoreError> {
        crossing("differing", self.0.differing()).await
    }
}

impl<T: SourceTx> SourceTx for Faulty<T> {
    async fn standing(&mut self) -> Result<Standing, StoreError> {
        crossing("source standing", self.0.standing()).await
    }

    async fn swept(&mut self, kind: &str, began: Mark, present: &[&str]) -> Result<Swept, StoreError> {
        crossing("source swept", self.0.swept(kind, began, present)).await
    }

    async fn known(&mut self, rows: &[(String, String)], facts: &[Uuid]) -> Result<Known, StoreError> {
        crossing("source known", self.0.known(rows, facts)).await
    }
}

impl<P: Publisher> Publisher for Faulty<P> {
    type Producer = Faulty<P::Producer>;

    async fn fence(&self, transactional_id: &str) -> Result<Self::Producer, BrokerError> {
        crossing("fence", self.0.fence(transactional_id)).await.map(Faulty)
    }
}

impl<P: Producer> Producer for Faulty<P> {
    async fn publish(&mut self, records: &[OutRecord], marks: &Marks) -> Result<(), BrokerError> {
        crossing("publish", self.0.publish(records, marks)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Result<Fault, FaultError>) {
        assert_eq!(text.parse(), want);
    }

    #[test]
    fn a_fault_is_read_as_it_is_written() {
        let fault = Fault { call: "delete outbox", side: Side::Before, nth: 3, signal: Blow::Kill };
        check("delete outbox:before:3:kill", Ok(fault));
        check(&fault.to_string(), Ok(fault));
        let fault = Fault { call: "publish", side: Side::Inside, nth: 1, signal: Blow::Stop };
        check("publish:inside:1:stop", Ok(fault));
    }

    #[test]
    fn a_fault_that_would_never_strike_is_refused() {
        check("publish:inside:1", Err(FaultError::Shape));
        check("", Err(FaultError::Shape));
        check("comit:after:1:kill", Err(FaultError::Call("comit".to_owned())));
        check("commit:late:1:kill", Err(FaultError::Side("late".to_owned())));
        check("commit:after:0:kill", Err(FaultError::Passage("0".to_owned())));
        check("commit:after:x:kill", Err(FaultError::Passage("x".to_owned())));
        check("commit:after:1:term", Err(FaultError::Signal("term".to_owned())));
    }

    #[test]
    fn a_fault_strikes_at_its_own_passage_and_once() {
        let armed = Armed::new(Fault { call: "commit", side: Side::After, nth: 2, signal: Blow::Kill });
        assert!(!armed.is_due("commit", Side::Before));
        assert!(!armed.is_due("commit", Side::After));
        assert!(!armed.is_due("begin", Side::After));
        assert!(armed.is_due("commit", Side::After));
        assert!(!armed.is_due("commit", Side::After));
    }
}
