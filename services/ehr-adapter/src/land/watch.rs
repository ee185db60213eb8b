//! What is counted while landing, and how often it is said aloud. Labels are senders and kinds, never content.

use backbone::metrics::{Landed, Metrics};
use prometheus::{IntCounterVec, IntGaugeVec, Opts};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How often the same trouble of a sender is logged.
const SELDOM: Duration = Duration::from_secs(60);

/// Connections and streams; messages are counted by the runtime's own metrics.
#[derive(Clone)]
pub(crate) struct Counts {
    connections: IntGaugeVec,
    faults: IntCounterVec,
    last_message: IntGaugeVec,
    refused: IntCounterVec,
    rejected: IntGaugeVec,
}

/// One sender's view of what is counted.
#[derive(Clone)]
pub(crate) struct Watch {
    sender: Arc<str>,
    metrics: Metrics,
    counts: Counts,
    warned: Arc<Mutex<Option<Instant>>>,
}

/// A message that is counted as in flight until it ends, whatever way.
pub(crate) struct InFlight {
    watch: Watch,
    began: Instant,
    landed: Landed,
}

/// A connection that is counted until it ends.
pub(crate) struct Connected(Watch);

/// What was wrong with a stream of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamFault {
    /// MLLP v2: the sender could not store an answer of ours.
    AnswerNotStored,
    /// A batch's trailer counts otherwise than we do.
    BatchCount,
    Garbage,
    SlowFrame,
    StartInsideFrame,
    TooLarge,
    Unfinished,
}

/// Why a connection was closed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Cap,
    Peer,
    /// The peer does not accept our certificate, or how we speak.
    TlsByPeer,
    /// The client's certificate is of none of the authorities, or is not for clients.
    TlsCertificate,
    /// The client's certificate is not valid any more, or not yet.
    TlsExpired,
    TlsNoCertificate,
    /// It is no TLS, or none that we speak.
    TlsOther,
    TlsSlow,
}

impl Counts {
    /// Counts that are served with the service's metrics. Labels are the sender and a word from a fixed list.
    pub(crate) fn of(metrics: &Metrics) -> Result<Self, prometheus::Error> {
        let options = |name: &str, help: &str| Opts::new(format!("vertebra_landing_{name}"), help);
        let counts = Self {
            connections: IntGaugeVec::new(options("connections", "Open connections"), &["sender"])?,
            faults: IntCounterVec::new(
                options("stream_faults_total", "What was wrong with streams of bytes, by kind"),
                &["sender", "kind"],
            )?,
            last_message: IntGaugeVec::new(
                options(
                    "last_message_timestamp_seconds",
                    "When the last message came, whatever became of it; before the first, since when it is listened for",
                ),
                &["sender"],
            )?,
            refused: IntCounterVec::new(
                options("connections_refused_total", "Connections closed at once, by reason"),
                &["sender", "reason"],
            )?,
            rejected: IntGaugeVec::new(
                options(
                    "sender_config_rejected",
                    "1 while a sender's file is not taken and what it said before holds",
                ),
                &["sender"],
            )?,
        };
        metrics.register(counts.connections.clone())?;
        metrics.register(counts.faults.clone())?;
        metrics.register(counts.last_message.clone())?;
        metrics.register(counts.refused.clone())?;
        metrics.register(counts.rejected.clone())?;
        Ok(counts)
    }

    /// Whether a sender's file is not taken; the folder itself is `*`.
    pub(crate) fn rejected(&self, sender: &str, is_rejected: bool) {
        self.rejected.with_label_values(&[sender]).set(is_rejected.into());
    }

    /// A sender is no more: nobody shall wait for its messages.
    pub(crate) fn forget(&self, sender: &str) {
        // A series that was never written is none to be removed.
        let _ = self.last_message.remove_label_values(&[sender]);
        let _ = self.rejected.remove_label_values(&[sender]);
    }
}

impl Watch {
    pub(crate) fn new(sender: &str, metrics: Metrics, counts: Counts) -> Self {
        Self { sender: sender.into(), metrics, counts, warned: Arc::default() }
    }

    /// A payload has come in: the sender is not silent.
    pub(crate) fn heard(&self) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        self.counts.last_message.with_label_values(&[&*self.sender]).set(seconds);
    }

    /// A message has come in whole.
    pub(crate) fn begin(&self, received: Instant) -> InFlight {
        self.metrics.landing_begun(&self.sender);
        InFlight { watch: self.clone(), began: received, landed: Landed::Failed }
    }

    /// A message that was refused before it was one.
    pub(crate) fn refused_frame(&self) {
        self.metrics.landing_counted(&self.sender, Landed::Refused);
    }

    pub(crate) fn connected(&self) -> Connected {
        self.counts.connections.with_label_values(&[&*self.sender]).inc();
        Connected(self.clone())
    }

    pub(crate) fn refused(&self, why: Refused) {
        self.counts.refused.with_label_values(&[&*self.sender, why.as_str()]).inc();
    }

    pub(crate) fn fault(&self, fault: StreamFault) {
        self.counts.faults.with_label_values(&[&*self.sender, fault.as_str()]).inc();
    }

    /// Whether trouble of this sender may be logged now: not more often than once a minute.
    pub(crate) fn may_warn(&self) -> bool {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let may = warned.is_none_or(|last| last.elapsed() >= SELDOM);
        if may {
            *warned = Some(Instant::now());
        }
        may
    }
}

impl InFlight {
    /// The sender has been told.
    pub(crate) fn end(mut self, landed: Landed) {
        self.landed = landed;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.watch.metrics.landing_ended(&self.watch.sender, self.landed, self.began.elapsed());
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.counts.connections.with_label_values(&[&*self.0.sender]).dec();
    }
}

impl StreamFault {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::AnswerNotStored => "answer_not_stored",
            Self::BatchCount => "batch_count",
            Self::Garbage => "garbage",
            Self::SlowFrame => "slow_frame",
            Self::StartInsideFrame => "start_inside_frame",
            Self::TooLarge => "too_large",
            Self::Unfinished => "unfinished",
        }
    }
}

impl Refused {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Cap => "cap",
            Self::Peer => "peer",
            Self::TlsByPeer => "tls_by_peer",
            Self::TlsCertificate => "tls_certificate",
            Self::TlsExpired => "tls_expired",
            Self::TlsNoCertificate => "tls_no_certificate",
            Self::TlsOther => "tls_other",
            Self::TlsSlow => "tls_slow",
        }
    }
}
