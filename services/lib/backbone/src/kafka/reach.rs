//! Whether the cluster is reached, kept for readiness and for the text of errors.
//!
//! Consumes the errors that librdkafka tells its clients. It tells some of them once and is silent ever after (a
//! denied topic), and the cause of others only here (a wrong password: the call itself merely runs into its time-out);
//! so they are kept. What is unreachable is asked again every second, until it answers; what was reached, now and then.

use crate::edge::BrokerError;
use crate::health::Condition;
use rdkafka::ClientContext;
use rdkafka::client::Client;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// A denial that is not repeated within this time is over: whoever was denied tries again much sooner.
const DENIED_FOR: Duration = Duration::from_secs(60);
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// With what an ask takes, less than the 9 s after which a broker that stands still is no longer the leader of anything.
const ASK_WHEN_WELL: Duration = Duration::from_secs(4);
const ASK_TIMEOUT: Duration = Duration::from_secs(3);

/// One client's view of the cluster; copies are handles of the same.
#[derive(Clone)]
pub(crate) struct Reach {
    inner: Arc<Inner>,
}

struct Inner {
    condition: Option<Condition>,
    trouble: Mutex<Trouble>,
    changed: Notify,
}

#[derive(Default)]
struct Trouble {
    reached_once: bool,
    /// Why no broker answers.
    unreachable: Option<String>,
    /// No broker answered at all, after one had: told until somebody asks for it. What one of several brokers refuses is not
    /// that.
    away: bool,
    /// What the cluster forbids, and since when we know.
    denied: Option<(String, Instant)>,
}

impl Reach {
    /// Keeps the state, and the condition of readiness along with it.
    pub(crate) fn new(condition: Option<Condition>) -> Self {
        let inner = Inner { condition, trouble: Mutex::default(), changed: Notify::new() };
        Self { inner: Arc::new(inner) }
    }

    /// Why things fail, where more is known than what the failed call says.
    pub(crate) fn cause(&self) -> Option<String> {
        let trouble = self.lock();
        trouble.unreachable.clone().or_else(|| trouble.denied.as_ref().map(|(denied, _)| denied.clone()))
    }

    /// An error of rdkafka's as one of ours, with the cause that is known.
    pub(crate) fn failed(&self, what: impl std::fmt::Display, error: KafkaError) -> BrokerError {
        match self.cause() {
            Some(cause) => BrokerError::caused(format!("{what}: {error} ({cause})"), error),
            None => BrokerError::caused(format!("{what}: {error}"), error),
        }
    }

    fn told(&self, code: RDKafkaErrorCode, reason: &str) {
        let mut trouble = self.lock();
        match code {
            RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::TransactionalIdAuthorizationFailed => {
                trouble.denied = Some((format!("denied by the cluster: {reason}"), Instant::now()));
            }
            RDKafkaErrorCode::Authentication
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::SSL
            | RDKafkaErrorCode::Resolve => trouble.unreachable = Some(format!("{code}: {reason}")),
            RDKafkaErrorCode::AllBrokersDown => {
                trouble.away |= trouble.reached_once;
                // Follows the errors above, and says less.
                trouble.unreachable.get_or_insert_with(|| "no broker answers".to_owned());
            }
            // One of several brokers, or a record: whoever it concerns is told otherwise.
            _ => return,
        }
        self.show(&mut trouble);
        drop(trouble);
        self.inner.changed.notify_one();
    }

    pub(crate) fn reached(&self) {
        let mut trouble = self.lock();
        trouble.reached_once = true;
        trouble.unreachable = None;
        self.show(&mut trouble);
    }

    fn show(&self, trouble: &mut Trouble) {
        trouble.denied.take_if(|(_, since)| since.elapsed() > DENIED_FOR);
        let Some(condition) = &self.inner.condition else {
            return;
        };
        let reason = trouble.unreachable.as_ref().or(trouble.denied.as_ref().map(|(denied, _)| denied));
        match reason {
            Some(reason) => condition.unready(reason),
            None if trouble.reached_once => condition.ready(),
            None => condition.unready("no broker has answered yet"),
        }
    }

    /// Whether the cluster was away since this was asked last.
    fn was_away(&self) -> bool {
        std::mem::take(&mut self.lock().away)
    }

    fn needs_asking(&self) -> bool {
        let trouble = self.lock();
        !trouble.reached_once || trouble.unreachable.is_some() || trouble.denied.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Trouble> {
        self.inner.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client that can be asked whether a broker answers.
pub(crate) trait Ask: Send + Sync + 'static {
    /// Asks, at most for the time given.
    fn ask(&self, timeout: Duration) -> Result<(), KafkaError>;
}

impl Ask for BaseConsumer<Context> {
    fn ask(&self, timeout: Duration) -> Result<(), KafkaError> {
        use rdkafka::consumer::Consumer;
        ask(self.client(), timeout)
    }
}

pub(crate) fn ask<C: ClientContext>(client: &Client<C>, timeout: Duration) -> Result<(), KafkaError> {
    client.fetch_metadata(None, timeout).map(|_| ())
}

/// Why a client is watched no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watched {
    /// The cluster was reached before, was away, and is reached again.
    CameBack,
    /// The client is gone.
    Ended,
}

/// Asks a client until the cluster answers, at first and whenever it stopped answering, and now and then whether it still
/// does; ends when the cluster came back, or with the client.
pub(crate) async fn keep_watch<A: Ask>(reach: Reach, client: Weak<A>) -> Watched {
    loop {
        if !reach.needs_asking() {
            // Woken or not, it is asked: a broker that neither answers nor closes connections is told of by nobody.
            let _ = tokio::time::timeout(ASK_WHEN_WELL, reach.inner.changed.notified()).await;
        }
        let Some(client) = client.upgrade() else { return Watched::Ended };
        let asked = tokio::task::spawn_blocking(move || client.ask(ASK_TIMEOUT)).await;
        match asked {
            Ok(Ok(())) => {
                reach.reached();
                if reach.was_away() {
                    return Watched::CameBack;
                }
            }
            Ok(Err(error)) => {
                let mut trouble = reach.lock();
                trouble.away |= trouble.reached_once;
                trouble.unreachable.get_or_insert_with(|| format!("no broker answers: {error}"));
                reach.show(&mut trouble);
            }
            Err(_) => return Watched::Ended,
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// Asks as [`keep_watch`] does, for as long as the client is there.
pub(crate) async fn keep_watch_always<A: Ask>(reach: Reach, client: Weak<A>) {
    while keep_watch(reach.clone(), client.clone()).await == Watched::CameBack {}
}

/// What librdkafka tells its clients, handed on.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) reach: Reach,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        told(&self.reach, &error, reason);
    }
}

impl ConsumerContext for Context {
    fn commit_callback(&self, result: rdkafka::error::KafkaResult<()>, _: &rdkafka::TopicPartitionList) {
        if let Err(error) = result {
            // For lag tools only: the positions that count are in the ledger.
            tracing::debug!(%error, "positions were not committed to kafka");
        }
    }
}

/// librdkafka's log lines. Connections that come and go are told by readiness; the lines are kept for looking closer.
pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(target: "librdkafka", facility, message);
        }
        _ if facility == "FAIL" => tracing::debug!(target: "librdkafka", facility, message),
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => {
            tracing::warn!(target: "librdkafka", facility, message);
        }
        _ => tracing::debug!(target: "librdkafka", facility, message),
    }
}

/// Hands an error on to the state of the cluster.
pub(crate) fn told(reach: &Reach, error: &KafkaError, reason: &str) {
    if let Some(code) = error.rdkafka_error_code() {
        reach.told(code, reason);
    }
}
