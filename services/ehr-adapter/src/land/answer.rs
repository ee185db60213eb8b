//! What is answered, and its bytes: pure.

use backbone::metrics::Landed;
use canon::Timestamp;
use hl7::ack::{self, AckCode, ErrorCode, Reply};
use hl7::message::{Message, Path};
use hl7::{mllp, time};
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

/// What is answered to one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// AA: it is durable.
    Durable,
    /// AE: it is not known to be.
    Unknown,
    /// AE: it was not handed over.
    NotStored,
    /// AR: it is of no use as it is.
    Refused(Refusal),
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
    /// The framed answer to the message with this MSH.
    pub(crate) fn bytes(&self, header: Option<&[u8]>, numbers: &Numbers) -> Vec<u8> {
        let control_id = numbers.next();
        let sent_at = time::format_utc(Timestamp::from(SystemTime::now()).as_micros());
        let reply = self.reply(&control_id, &sent_at);
        let answer = match header.map(Message::parse) {
            Some(Ok(message)) => ack::ack(&message, &reply),
            Some(Err(_)) | None => ack::ack_unparsed(&reply),
        };
        mllp::encode(&answer)
    }

    /// How it is counted.
    pub(crate) fn landed(&self) -> Landed {
        match self {
            Self::Durable => Landed::Accepted,
            Self::Unknown | Self::NotStored => Landed::Failed,
            Self::Refused(_) => Landed::Refused,
        }
    }

    fn reply<'r>(&'r self, control_id: &'r str, sent_at: &'r str) -> Reply<'r> {
        let reply = |code, text, error| Reply { code, control_id, sent_at, text, error };
        let internal = Some((ErrorCode::ApplicationInternal, None));
        match self {
            Self::Durable => reply(AckCode::ApplicationAccept, None, None),
            Self::Unknown => {
                let text = "the message is not known to be stored: send it again, it will not be taken twice";
                reply(AckCode::ApplicationError, Some(text), internal)
            }
            Self::NotStored => {
                let text = "the message could not be stored: send it again";
                reply(AckCode::ApplicationError, Some(text), internal)
            }
            Self::Refused(refusal) => {
                let error = Some((refusal.code, refusal.at));
                reply(AckCode::ApplicationReject, Some(&refusal.text), error)
            }
        }
    }
}
