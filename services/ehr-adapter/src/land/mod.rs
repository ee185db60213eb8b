//! Landing: HL7v2 over MLLP, durable in Kafka before it is acknowledged.
//!
//! Consumes connections, one listener a sender, and the senders' files as they change; publishes `raw.hl7v2.v1`;
//! answers in order what the messages ask for: AA or CA when Kafka has it with `acks=all`, AE or CE when that is not
//! known in time, AR or CR when it cannot be used as it is. Nothing else is on this path, and no payload reaches a log,
//! a metric, a key, a header or an error.

mod answer;
mod connection;
mod files;
mod hand;
mod intake;
mod listener;
mod roster;
#[cfg(test)]
mod tests;
mod tls;
mod watch;
mod writer;

use crate::sender::{Mistake, Sender};
use answer::Numbers;
use backbone::edge::BrokerError;
use backbone::health::Health;
use backbone::kafka::{Ack, Offset};
use backbone::metrics::Metrics;
use backbone::service::{LandError, Lander, Listening};
use canon::{Headers, RawHl7v2, RawKey, Tokenizer};
pub(crate) use files::check;
use roster::Roster;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tls::Tls;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use watch::{Counts, Watch};

/// How often the senders' files are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long messages in hand are waited for when the service is told to stop; then they are answered AE.
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);

/// Where messages are landed. One implementation is Kafka's; tests have one in memory.
pub(crate) trait Land: Send + Sync + 'static {
    /// Resolves when the record is durable, and not before.
    type Ack: Future<Output = Result<Offset, BrokerError>> + Send;

    /// Hands a message over; waits while too much is on its way.
    fn land(
        &self,
        key: &RawKey,
        headers: &Headers,
        message: &RawHl7v2,
    ) -> impl Future<Output = Result<Self::Ack, LandError>> + Send;
}

impl Land for Lander<RawHl7v2> {
    type Ack = Ack;

    async fn land(&self, key: &RawKey, headers: &Headers, message: &RawHl7v2) -> Result<Ack, LandError> {
        Lander::land(self, key, headers, message).await
    }
}

/// What the listeners run among.
#[derive(Clone, Debug)]
pub(crate) struct Around {
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
    pub(crate) stop: CancellationToken,
}

/// A sender's address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("{address} cannot be listened on for sender {sender}")]
pub(crate) struct ListenError {
    sender: String,
    address: SocketAddr,
    #[source]
    source: io::Error,
}

/// Listening cannot begin.
#[derive(Debug)]
pub(crate) enum StartError {
    Listen(ListenError),
    Mistakes(Vec<Mistake>),
}

/// What all connections share.
pub(crate) struct Shared<L> {
    pub(crate) lander: L,
    pub(crate) tokenizer: Tokenizer,
    pub(crate) numbers: Numbers,
    pub(crate) counts: Counts,
    pub(crate) around: Around,
    pub(crate) tasks: TaskTracker,
    /// Cancelled when a drain has waited long enough for what is in hand.
    pub(crate) hurry: CancellationToken,
}

/// A sender's settings and what its connections work with.
pub(crate) struct Desk<L> {
    pub(crate) sender: Sender,
    pub(crate) tls: Option<Tls>,
    pub(crate) watch: Watch,
    pub(crate) shared: Arc<Shared<L>>,
    /// Cancelled when the service stops, or the sender is no more.
    pub(crate) stop: CancellationToken,
}

/// Listens for every sender of a folder until the service is told to stop; what was begun is then ended.
pub(crate) async fn run(lander: Lander<RawHl7v2>, folder: PathBuf, tokenizer: Tokenizer) -> Listening {
    let around = Around {
        health: lander.health().clone(),
        metrics: lander.metrics().clone(),
        stop: lander.stop().clone(),
    };
    let shared = Arc::new(Shared::new(lander, around, tokenizer)?);
    let mut roster = Roster::new(shared.clone());
    files::open(&mut roster, &folder).await?;
    serve(&shared, roster, folder, LOOK).await;
    Ok(())
}

/// Serves the roster and follows the folder, until the service is told to stop and every connection has ended.
pub(crate) async fn serve<L: Land>(shared: &Shared<L>, roster: Roster<L>, folder: PathBuf, every: Duration) {
    let stop = shared.around.stop.clone();
    files::follow(roster, folder, every, shared.counts.clone(), stop).await;
    shared.tasks.close();
    tokio::select! {
        () = shared.tasks.wait() => return,
        () = tokio::time::sleep(DRAIN_PATIENCE) => shared.hurry.cancel(),
    }
    shared.tasks.wait().await;
}

impl<L> Shared<L> {
    pub(crate) fn new(lander: L, around: Around, tokenizer: Tokenizer) -> Result<Self, prometheus::Error> {
        let counts = Counts::of(&around.metrics)?;
        let (tasks, hurry) = (TaskTracker::new(), CancellationToken::new());
        Ok(Self { lander, tokenizer, numbers: Numbers::new(), counts, around, tasks, hurry })
    }
}

impl From<ListenError> for StartError {
    fn from(error: ListenError) -> Self {
        Self::Listen(error)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(error) => error.fmt(f),
            Self::Mistakes(mistakes) => {
                f.write_str("the senders' files cannot be used:")?;
                mistakes.iter().try_for_each(|mistake| write!(f, " {mistake};"))
            }
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen(error) => error.source(),
            Self::Mistakes(_) => None,
        }
    }
}

/// When tests have received everything.
#[cfg(test)]
pub(crate) const RECEIVED_FOR_TESTS: canon::Timestamp = canon::Timestamp(1_772_400_000_000_000);

/// What would be landed of a payload.
pub(crate) fn record_of(
    sender: &Sender,
    tokens: &Tokenizer,
    payload: Vec<u8>,
    received_at: canon::Timestamp,
) -> (RawKey, Headers, RawHl7v2) {
    let intake = intake::Intake::of(sender, tokens, payload, received_at);
    (intake.key, intake.headers, intake.message)
}

/// The same, received when tests have received everything.
#[cfg(test)]
pub(crate) fn intake_for_tests(
    sender: &Sender,
    tokens: &Tokenizer,
    payload: &[u8],
) -> (RawKey, Headers, RawHl7v2) {
    record_of(sender, tokens, payload.to_vec(), RECEIVED_FOR_TESTS)
}
