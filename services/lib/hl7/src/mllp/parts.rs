//! The two things a decoder holds: the payload of the open frame, and the bytes behind a doubtful VT.

use std::fmt;

use super::{Fault, Frame, Limits};

/// The payload of the open frame, cut to its head once it is over the limit.
pub(super) struct Payload {
    bytes: Vec<u8>,
    seen_bytes: usize,
    limits: Limits,
}

impl Payload {
    pub(super) fn new(limits: Limits) -> Self {
        Self { bytes: Vec::new(), seen_bytes: 0, limits }
    }

    /// How long the payload is so far, dropped bytes included.
    pub(super) fn seen_bytes(&self) -> usize {
        self.seen_bytes
    }

    /// Keeps the bytes, or what belongs to the head once the payload is over the limit.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        let before = self.seen_bytes;
        self.seen_bytes = before.saturating_add(bytes.len());
        if self.seen_bytes <= self.limits.frame_bytes {
            self.bytes.extend_from_slice(bytes);
        } else {
            let head = self.limits.head_bytes;
            self.bytes.truncate(head);
            let room = head.saturating_sub(before).min(bytes.len());
            self.bytes.extend_from_slice(&bytes[..room]);
            self.bytes.shrink_to(head);
        }
    }

    /// The payload, whole or as a fault; a new one begins.
    pub(super) fn take(&mut self) -> Frame {
        let seen_bytes = std::mem::take(&mut self.seen_bytes);
        let bytes = std::mem::take(&mut self.bytes);
        if seen_bytes <= self.limits.frame_bytes {
            return Frame::Message(bytes);
        }
        Frame::Fault(Fault::TooLarge { limit_bytes: self.limits.frame_bytes, seen_bytes, head: bytes })
    }

    /// Drops the payload; a new one begins.
    pub(super) fn clear(&mut self) {
        self.seen_bytes = 0;
        self.bytes.clear();
    }
}

/// Bytes behind a VT inside a frame, while they may still be a message header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Candidate {
    bytes: [u8; 8],
    length: u8,
}

/// What the bytes behind a VT are.
pub(super) enum Verdict {
    Payload,
    Start(Candidate),
    Undecided(Candidate),
}

impl Candidate {
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length.into()).unwrap_or_default()
    }

    /// What is known with one more byte.
    pub(super) fn with(mut self, byte: u8) -> Verdict {
        let Some(slot) = self.bytes.get_mut(usize::from(self.length)) else {
            return Verdict::Payload;
        };
        *slot = byte;
        self.length += 1;
        let bytes = self.bytes();
        if b"\xef\xbb\xbf".starts_with(bytes) {
            return Verdict::Undecided(self);
        }
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = &text[text.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()..];
        match text {
            b"MSH" | b"FHS" | b"BHS" => Verdict::Start(self),
            _ if [b"MSH", b"FHS", b"BHS"].iter().any(|name| name.starts_with(text)) => {
                Verdict::Undecided(self)
            }
            _ => Verdict::Payload,
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.seen_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_05_a_payload_over_the_limit_holds_only_its_head() {
        let mut payload = Payload::new(Limits { frame_bytes: 1000, head_bytes: 10 });
        for _ in 0..100_000 {
            payload.extend(b"MSH|dribble");
            assert!(payload.bytes.capacity() <= 2048, "the memory of a frame does not grow with it");
        }
        assert_eq!(payload.bytes, b"MSH|dribbl");
        assert_eq!(payload.seen_bytes(), 1_100_000);
    }
}
