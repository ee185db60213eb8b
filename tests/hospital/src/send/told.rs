//! What is told of one transmission: a line of the log of what was sent.

use crate::config::Sender;
use crate::truth::MessageId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A message was written to a connection, and this came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Which message.
    pub id: MessageId,
    /// MSH-10, where it has one.
    pub control_id: Option<String>,
    /// MSH-9.
    pub kind: String,
    /// It had been acknowledged before: a copy of the plan's.
    pub is_copy: bool,
    /// From 1, for each time the plan has it sent.
    pub attempt: u32,
    /// Which of the sender's connections.
    pub connection: u64,
    /// SHA-256 of the bytes that were sent.
    pub sha256: String,
    /// The same with MSH-7 left out, as the truth has it.
    pub content: String,
    /// When its last byte was written.
    pub sent_at: Timestamp,
    /// When it was acknowledged, if it was.
    pub acknowledged_at: Option<Timestamp>,
    /// From its last byte to the answer, in microseconds, if there was one.
    pub answer_us: Option<u64>,
    /// MSA-1, if there was an answer.
    pub code: Option<String>,
    /// How it ended.
    pub end: End,
}

/// How a transmission ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// AA or CA.
    Acknowledged,
    /// AE or CE: it is sent again.
    AskedAgain,
    /// The connection broke before the answer: it is sent again.
    Broken,
    /// No answer in time: it is sent again.
    Late,
    /// The connection was closed on purpose before the answer was read: it is sent again.
    LostOnPurpose,
    /// AR or CR: it is not sent again.
    Refused,
    /// The answer was to another message, or none: it is sent again.
    Strange,
}

/// A message was given up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("message {number} of {sender} was not acknowledged in {tries} tries; the last one: {last}", number = id.number, sender = id.sender)]
pub struct Unacknowledged {
    /// Which.
    pub id: MessageId,
    /// How often it was written, or a connection tried in vain.
    pub tries: u32,
    /// How the last try ended.
    pub last: String,
    /// How many messages behind it were not sent.
    pub unsent: usize,
}

impl Told {
    /// Whose message it was.
    pub fn sender(&self) -> Sender {
        self.id.sender
    }
}
