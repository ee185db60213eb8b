//! The sender of a run: days of an invented hospital, one after the other at a steady rate, each message sent until it is
//! acknowledged.

use crate::days::{ACK_TIMEOUT, Playing};
use futures::future::join_all;
use harness::{History, Hospital, Outgoing, Plan, Sender};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Connections that a day is sent over.
const CONNECTIONS: usize = 3;
/// Visits of a day: small, so that a run is many days and any of them can be the last.
const VISITS: usize = 6;
/// How long one message is tried for: longer than any run.
const PATIENCE: Duration = Duration::from_secs(600);

/// Days that are sent besides have seeds that are so much higher: more than a run has days.
const BESIDES: u64 = 500;

/// Days that are being sent.
pub struct Traffic {
    /// Of the next day that is sent besides.
    besides: u64,
    going: Arc<Going>,
    sending: JoinHandle<Result<Vec<(Hospital, History)>, String>>,
}

struct Going {
    acknowledged: AtomicUsize,
    end: CancellationToken,
    /// Between two messages of one connection.
    pace: Duration,
    address: SocketAddr,
}

impl Traffic {
    /// Begins with days of these seeds, at so many messages a second.
    pub fn start(address: SocketAddr, first_seed: u64, per_second: u32) -> Self {
        let pace = Duration::from_secs(1) * u32::try_from(CONNECTIONS).unwrap_or(1) / per_second;
        let end = CancellationToken::new();
        let going = Arc::new(Going { acknowledged: AtomicUsize::new(0), end, pace, address });
        let sending = tokio::spawn(days(Arc::clone(&going), first_seed));
        Self { besides: first_seed + BESIDES, going, sending }
    }

    /// A day of so many visits, to be sent besides by whoever asks for it.
    pub(super) fn besides(&mut self, visits: usize) -> Playing {
        self.besides += 1;
        Playing::new(self.going.address, visits, self.besides)
    }

    /// How many messages were acknowledged so far, copies included.
    pub fn acknowledged(&self) -> usize {
        self.going.acknowledged.load(Ordering::SeqCst)
    }

    /// Whether it still sends; it ends by itself only when a message is refused for good.
    pub fn is_going(&self) -> bool {
        !self.sending.is_finished()
    }

    /// Sends the day that was begun to its end, as fast as it is taken, and no other; everything is acknowledged then.
    ///
    /// # Errors
    /// What was not acknowledged.
    pub async fn finish(self) -> Result<Vec<(Hospital, History)>, String> {
        self.going.end.cancel();
        self.sending.await.map_err(|error| error.to_string())?
    }
}

async fn days(going: Arc<Going>, first_seed: u64) -> Result<Vec<(Hospital, History)>, String> {
    let mut days = Vec::new();
    for seed in first_seed.. {
        let plan = Plan {
            seed,
            visits: VISITS,
            charges: (1, 4),
            finished_of_ten: 8,
            twice_of_hundred: 5,
            sender: "hosp".to_owned(),
        };
        let hospital = Hospital::day(plan);
        let streams = hospital.streams(CONNECTIONS).into_iter();
        let sent = join_all(streams.map(|messages| stream(&going, messages))).await;
        let mut history = History::default();
        for one in sent {
            history.merge(one?);
        }
        days.push((hospital, history));
        if going.end.is_cancelled() {
            break;
        }
    }
    Ok(days)
}

async fn stream(going: &Going, messages: Vec<Outgoing>) -> Result<History, String> {
    let mut sender = Sender::new(going.address);
    (sender.ack_timeout, sender.patience) = (ACK_TIMEOUT, PATIENCE);
    for message in messages {
        let next = Instant::now() + going.pace;
        sender.send(&message).await.map_err(|error| error.to_string())?;
        going.acknowledged.fetch_add(1, Ordering::SeqCst);
        tokio::select! {
            () = sleep_until(next) => {}
            () = going.end.cancelled() => {}
        }
    }
    Ok(sender.history)
}
