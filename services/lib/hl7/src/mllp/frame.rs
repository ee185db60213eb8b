//! What a decoder gives: payloads and faults. Neither shows content when printed.

use std::fmt;

/// What came out of the stream.
#[derive(Clone, PartialEq, Eq)]
pub enum Frame {
    /// A payload, perhaps empty.
    Message(Vec<u8>),
    /// Something was wrong; the stream goes on.
    Fault(Fault),
}

/// What was wrong with the stream.
#[derive(Clone, PartialEq, Eq)]
pub enum Fault {
    /// Bytes outside of any frame were dropped.
    GarbageBeforeStart {
        /// How many.
        bytes: usize,
    },
    /// A new frame began inside one; the unfinished one was dropped.
    StartInsideFrame {
        /// Length of the payload that was dropped.
        bytes: usize,
    },
    /// A payload was longer than the limit and was dropped.
    TooLarge {
        /// The limit.
        limit_bytes: usize,
        /// How long the payload was.
        seen_bytes: usize,
        /// Its beginning, for the answer.
        head: Vec<u8>,
    },
    /// The stream ended inside a frame, which was dropped.
    Unfinished {
        /// Length of the payload that was dropped.
        bytes: usize,
    },
}

impl fmt::Debug for Frame {
    /// A payload is a patient's; only its length is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(payload) => write!(f, "Message({} bytes)", payload.len()),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GarbageBeforeStart { bytes } => {
                write!(f, "{bytes} bytes outside of any frame were dropped")
            }
            Self::StartInsideFrame { bytes } => {
                write!(f, "a new frame began inside one of which {bytes} bytes had come")
            }
            Self::TooLarge { limit_bytes, seen_bytes, .. } => {
                write!(f, "a payload of {seen_bytes} bytes is over the limit of {limit_bytes}")
            }
            Self::Unfinished { bytes } => {
                write!(f, "the stream ended inside a frame of which {bytes} bytes had come")
            }
        }
    }
}
