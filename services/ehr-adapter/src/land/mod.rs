//! Landing: HL7v2 over MLLP, durable in Kafka before it is acknowledged.
//!
//! Consumes connections, one listener a sender; publishes `raw.hl7v2.v1`; answers each message once, in order: AA
//! when Kafka has it with `acks=all`, AE when that is not known in time, AR when it cannot be used as it is. Nothing
//! else is on this path, and no payload reaches a log, a metric, a key, a header or an error.

mod answer;
mod connection;
mod intake;
mod listener;
#[cfg(test)]
mod tests;
mod watch;

use crate::sender::Sender;
use answer::Numbers;
use backbone::edge::BrokerError;
use backbone::health::Health;
use backbone::kafka::{Ack, Offset};
use backbone::metrics::Metrics;
use backbone::service::{LandError, Lander, Listening};
use canon::{Headers, RawHl7v2, RawKey, Tokenizer};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use watch::{Counts, Watch};

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

/// A sender and what its connections share.
pub(crate) struct Desk<L> {
    pub(crate) sender: Sender,
    pub(crate) tokenizer: Tokenizer,
    pub(crate) lander: Arc<L>,
    pub(crate) watch: Watch,
    pub(crate) numbers: Arc<Numbers>,
    pub(crate) around: Around,
    /// Cancelled when a drain has waited long enough for what is in hand.
    pub(crate) hurry: CancellationToken,
}

/// Listens for every sender until the service is told to stop; what was begun is then ended.
pub(crate) async fn run(lander: Lander<RawHl7v2>, senders: Vec<Sender>, tokenizer: Tokenizer) -> Listening {
    let around = Around {
        health: lander.health().clone(),
        metrics: lander.metrics().clone(),
        stop: lander.stop().clone(),
    };
    let counts = Counts::of(&around.metrics)?;
    let bound = bind(senders).await?;
    serve(lander, around, bound, tokenizer, counts).await;
    Ok(())
}

/// Binds every sender's address, so that none is served when one cannot be.
pub(crate) async fn bind(senders: Vec<Sender>) -> Result<Vec<(Sender, TcpListener)>, ListenError> {
    let mut bound = Vec::with_capacity(senders.len());
    for sender in senders {
        let address = sender.listening.address;
        match TcpListener::bind(address).await {
            Ok(listener) => bound.push((sender, listener)),
            Err(source) => return Err(ListenError { sender: sender.name, address, source }),
        }
    }
    Ok(bound)
}

/// Serves what was bound, until the token is cancelled and every connection has ended.
pub(crate) async fn serve<L: Land>(
    lander: L,
    around: Around,
    bound: Vec<(Sender, TcpListener)>,
    tokenizer: Tokenizer,
    counts: Counts,
) {
    let (tasks, hurry) = (TaskTracker::new(), CancellationToken::new());
    let (lander, numbers) = (Arc::new(lander), Arc::new(Numbers::new()));
    for (sender, listener) in bound {
        let desk = Desk {
            watch: Watch::new(&sender.name, around.metrics.clone(), counts.clone()),
            sender,
            tokenizer: tokenizer.clone(),
            lander: lander.clone(),
            numbers: numbers.clone(),
            around: around.clone(),
            hurry: hurry.clone(),
        };
        tasks.spawn(listener::accept(Arc::new(desk), listener, tasks.clone()));
    }
    tasks.close();
    let hurried = async {
        around.stop.cancelled().await;
        tokio::time::sleep(DRAIN_PATIENCE).await;
        hurry.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = tasks.wait() => {}
        () = hurried => {}
    }
}

/// When tests have received everything.
#[cfg(test)]
pub(crate) const RECEIVED_FOR_TESTS: canon::Timestamp = canon::Timestamp(1_772_400_000_000_000);

/// What would be landed of a payload.
#[cfg(test)]
pub(crate) fn intake_for_tests(
    sender: &Sender,
    tokens: &Tokenizer,
    payload: &[u8],
) -> (RawKey, Headers, RawHl7v2) {
    let intake = intake::Intake::of(sender, tokens, payload.to_vec(), RECEIVED_FOR_TESTS);
    (intake.key, intake.headers, intake.message)
}
