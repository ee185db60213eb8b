//! The endpoint under test: where it is, and what is known of how it is set up.

use crate::message::Sender;
use crate::tls::Tls;
use std::time::Duration;

/// The endpoint under test.
#[derive(Clone, Debug)]
pub struct Target {
    /// `host:port`.
    pub address: String,
    /// How long an answer is waited for, and a connection.
    pub timeout: Duration,
    /// How it is encrypted, if it is.
    pub tls: Option<Tls>,
    /// Who the messages say they are from.
    pub sender: Sender,
    /// Which release of MLLP it is set up for.
    pub mllp: Mllp,
    /// Whether the cases that wait for the endpoint's own time-outs are run.
    pub slow: Slow,
    /// The size of a message that is meant to be too large, in bytes.
    pub oversize_bytes: usize,
}

/// A release of MLLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mllp {
    /// Frames only.
    V1,
    /// Each frame is answered by a commit byte in a frame of its own, 0x06 or 0x15, in both directions.
    V2,
}

/// Whether the endpoint's time-outs are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slow {
    /// They are not.
    No,
    /// They are, for at most this long.
    Within(Duration),
}

impl Target {
    /// An endpoint of which nothing but its address is known.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            timeout: Duration::from_secs(10),
            tls: None,
            sender: Sender::default(),
            mllp: Mllp::V1,
            slow: Slow::No,
            oversize_bytes: 32 << 20,
        }
    }
}
