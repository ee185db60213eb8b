//! MLLP release 2: a frame of one byte says whether the payload before it is stored.

use super::{END, START};

/// What the receiver of a payload says of it, beneath any answer of HL7's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// 0x06: it is in safe storage.
    Stored,
    /// 0x15: it is not; it may be sent again.
    NotStored,
}

impl Commit {
    /// What a payload says, if it is one of these.
    #[must_use]
    pub fn of(payload: &[u8]) -> Option<Self> {
        match payload {
            [0x06] => Some(Self::Stored),
            [0x15] => Some(Self::NotStored),
            _ => None,
        }
    }

    /// The bytes of its frame.
    #[must_use]
    pub fn frame(self) -> [u8; 4] {
        let byte = match self {
            Self::Stored => 0x06,
            Self::NotStored => 0x15,
        };
        [START, byte, END, b'\r']
    }
}
