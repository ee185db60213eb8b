//! What is answered, and its bytes: pure.

use crate::sender::Acknowledge;
use backbone::metrics::Landed;
use canon::Timestamp;
use hl7::ack::{self, AckCode, Asked, BatchReply, ErrorCode, Reply, Verdict};
use hl7::batch::Batch;
use hl7::message::{Message, Path};
use hl7::time;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;
use uuid::Uuid;

/// Why a message cannot be used as it is. The text names positions and never values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) text: String,
    pub(crate) code: ErrorCode,
    pub(crate) at: Option<Path>,
}

/// What is answered to one message, in original mode and in enhanced mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// AA, CA: it is durable.
    Durable,
    /// AE, CE: it was not handed over.
    NotStored,
    /// AR, CR: it is durable and of no use as it is.
    Refused(Refusal),
    /// AE, CE: it is not known to be durable.
    Unknown,
    /// AR, CR: it cannot be stored, now or ever.
    Unstorable(Refusal),
}

/// Control ids of our own answers: of at most 20 characters, unique across restarts and instances.
pub(crate) struct Numbers {
    instance: u16,
    next: AtomicU64,
}

impl Refusal {
    pub(crate) fn new(code: ErrorCode, at: Option<Path>, text: String) -> Self {
        Self { text, code, at }
    }
}

impl Numbers {
    /// Begins at the present microsecond: fewer than a million answers a second keep behind the clock.
    pub(crate) fn new() -> Self {
        let micros = u64::try_from(Timestamp::from(SystemTime::now()).as_micros()).unwrap_or(0);
        let (_, instance) = Uuid::new_v4().as_u64_pair();
        Self { instance: instance as u16, next: AtomicU64::new(micros) }
    }

    fn next(&self) -> String {
        format!("{:04x}{:016}", self.instance, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

impl Answer {
    /// The answers that the message with this MSH asks for, not framed. One whose MSH cannot be read is always told.
    pub(crate) fn messages(
        &self,
        header: Option<&[u8]>,
        mode: Acknowledge,
        numbers: &Numbers,
    ) -> Vec<Vec<u8>> {
        let message = header.and_then(|header| Message::parse(header).ok());
        let asked = match (&message, mode) {
            (Some(message), Acknowledge::ByMessage) => Asked::by(message),
            (Some(message), Acknowledge::Enhanced) => Asked::enhanced_by(message),
            (None, _) | (_, Acknowledge::Original) => Asked::Original,
        };
        let answer = |code| {
            let (control_id, sent_at) = (numbers.next(), now());
            let reply = self.reply(code, &control_id, &sent_at);
            message.as_ref().map_or_else(|| ack::ack_unparsed(&reply), |message| ack::ack(message, &reply))
        };
        asked.codes(self.verdict()).into_iter().map(answer).collect()
    }

    /// How it is counted.
    pub(crate) fn landed(&self) -> Landed {
        match self.verdict() {
            Verdict::Accepted => Landed::Accepted,
            Verdict::Failed => Landed::Failed,
            Verdict::Refused => Landed::Refused,
        }
    }

    /// Whether it is durable, of use or not.
    pub(crate) fn is_stored(&self) -> bool {
        matches!(self, Self::Durable | Self::Refused(_))
    }

    fn verdict(&self) -> Verdict {
        match self {
            Self::Durable => Verdict::Accepted,
            Self::Unknown | Self::NotStored => Verdict::Failed,
            Self::Refused(_) | Self::Unstorable(_) => Verdict::Refused,
        }
    }

    fn reply<'r>(&'r self, code: AckCode, control_id: &'r str, sent_at: &'r str) -> Reply<'r> {
        let internal = Some((ErrorCode::ApplicationInternal, None));
        let (text, error) = match self {
            Self::Durable => (None, None),
            Self::Unknown => {
                let text = "the message is not known to be stored: send it again, it will not be taken twice";
                (Some(text), internal)
            }
            Self::NotStored => (Some("the message could not be stored: send it again"), internal),
            Self::Refused(refusal) | Self::Unstorable(refusal) => {
                (Some(refusal.text.as_str()), Some((refusal.code, refusal.at)))
            }
        };
        Reply { code, control_id, sent_at, text, error }
    }
}

/// The answer to a batch, not framed, from the answers to its messages.
pub(crate) fn batch(payload: &[u8], said: &[Vec<Vec<u8>>], numbers: &Numbers) -> Option<Vec<u8>> {
    let (control_id, sent_at) = (numbers.next(), now());
    let batch = Batch::parse(payload).ok()?;
    Some(ack::batch_ack(&batch, &BatchReply { control_id: &control_id, sent_at: &sent_at }, said))
}

fn now() -> String {
    time::format_utc(Timestamp::from(SystemTime::now()).as_micros())
}
