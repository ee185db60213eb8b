//! MLLP: frames in a stream of bytes, `VT payload FS CR`.
//!
//! Consumes what a socket gave, in whatever pieces; gives the payloads and what was wrong with the stream.
//! A plain state machine: no socket, no clock, no log. Each byte is looked at once, and it holds one payload
//! of at most the limit however long the sender's frame is.
//!
//! The rules, since senders disagree about all of them:
//! - **A frame ends** at `FS CR`. `FS LF` ends it too, and so does `FS VT`, where the next frame begins.
//! - **`FS` without anything behind it** ends the frame when the sender pauses, which only the server can
//!   know: it calls [`Decoder::idle`]. An `FS` followed by any other byte is payload.
//! - **`VT` inside a frame** begins a new one if a message header (`MSH`, `FHS` or `BHS`, perhaps behind a
//!   byte order mark or line ends) stands behind it: the sender gave up the frame before. Else it is payload,
//!   such as the line break of a word processor in a note.
//! - **Between frames** CR and LF are nothing (`FS CR LF`, or a CR that came late); other bytes are dropped
//!   and counted.
//! - **A frame over the limit** is dropped while it comes in. The fault is given when the frame ends, with
//!   its beginning, so that the server can answer it by its control id and go on with the next.

mod commit;
mod frame;
mod parts;

use std::collections::VecDeque;

pub use commit::Commit;
pub use frame::{Fault, Frame};

use crate::scan;
use parts::{Candidate, Payload, Verdict};

/// Begins a frame: VT.
pub const START: u8 = 0x0b;
/// Ends a frame, with a CR behind it: FS.
pub const END: u8 = 0x1c;

/// The bytes of a frame around `payload`.
///
/// An `FS CR` inside the payload would end the frame early: MLLP has no way to escape it.
#[must_use]
pub fn encode(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 3);
    out.push(START);
    out.extend_from_slice(payload);
    out.extend_from_slice(&[END, b'\r']);
    out
}

/// What a decoder holds at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest payload, in bytes.
    pub frame_bytes: usize,
    /// How much of a longer one is kept for its answer, in bytes; an MSH is rarely over 300.
    pub head_bytes: usize,
}

impl Default for Limits {
    /// 16 MiB, the header of a longer one within 4 KiB.
    fn default() -> Self {
        Self { frame_bytes: 16 << 20, head_bytes: 4 << 10 }
    }
}

/// Takes a stream apart. `push` what the socket gave, then take frames until there are none.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    payload: Payload,
    /// Bytes dropped since the last frame.
    garbage_bytes: usize,
    ready: VecDeque<Frame>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No frame is open.
    Between,
    /// In a payload.
    Inside,
    /// In a payload, behind an FS that may be its end.
    Ending,
    /// In a payload, behind a VT that may begin a new one.
    Starting(Candidate),
}

impl Decoder {
    /// A decoder at the beginning of a connection.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let payload = Payload::new(limits);
        Self { state: State::Between, payload, garbage_bytes: 0, ready: VecDeque::new() }
    }

    /// Takes in what the socket gave.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while let Some((&first, tail)) = bytes.split_first() {
            match self.state {
                State::Between => bytes = self.skip(bytes),
                State::Inside => bytes = self.fill(bytes),
                State::Ending => {
                    match first {
                        b'\r' | b'\n' => self.deliver(State::Between),
                        START => self.deliver(State::Inside),
                        // Of two FS the first is payload and the second may be the end.
                        END => self.payload.extend(&[END]),
                        _ => {
                            self.payload.extend(&[END]);
                            self.state = State::Inside;
                            continue;
                        }
                    }
                    bytes = tail;
                }
                State::Starting(candidate) => match candidate.with(first) {
                    Verdict::Undecided(longer) => {
                        self.state = State::Starting(longer);
                        bytes = tail;
                    }
                    Verdict::Start(header) => {
                        self.ready.push_back(Frame::Fault(Fault::StartInsideFrame {
                            bytes: self.payload.seen_bytes(),
                        }));
                        self.payload.clear();
                        self.payload.extend(header.bytes());
                        self.state = State::Inside;
                        bytes = tail;
                    }
                    // The byte itself is looked at again: it may be an FS or another VT.
                    Verdict::Payload => self.keep_candidate(candidate),
                },
            }
        }
    }

    /// Says that the sender pauses. A frame that only awaits the CR behind its FS is complete then; bytes
    /// dropped since the last frame are reported. Gives what is ready, like [`next`](Iterator::next).
    pub fn idle(&mut self) -> Option<Frame> {
        match self.state {
            State::Ending => self.deliver(State::Between),
            State::Between => self.report_garbage(),
            State::Inside | State::Starting(_) => {}
        }
        self.next()
    }

    /// Says that the stream has ended: as [`idle`](Self::idle), and an open frame is reported as unfinished.
    /// The decoder is then as new.
    pub fn finish(&mut self) -> Option<Frame> {
        if let State::Starting(candidate) = self.state {
            self.keep_candidate(candidate);
        }
        if self.state == State::Inside {
            self.ready.push_back(Frame::Fault(Fault::Unfinished { bytes: self.payload.seen_bytes() }));
            self.payload.clear();
            self.state = State::Between;
        }
        self.idle()
    }

    /// Whether a frame only awaits the CR behind its FS: the server waits a moment and calls
    /// [`idle`](Self::idle).
    #[must_use]
    pub fn awaits_only_cr(&self) -> bool {
        self.state == State::Ending
    }

    /// Whether a frame is open: a sender silent now is dribbling or gone, not idle.
    #[must_use]
    pub fn is_inside_frame(&self) -> bool {
        self.state != State::Between
    }

    /// Between frames: looks for a start, counts the rest.
    fn skip<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let start = scan::find(START, bytes);
        let (dropped, rest) = bytes.split_at(start.unwrap_or(bytes.len()));
        // Line ends behind a frame are its own; amid garbage they are garbage.
        let blank = if self.garbage_bytes > 0 {
            0
        } else {
            dropped.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
        };
        self.garbage_bytes = self.garbage_bytes.saturating_add(dropped.len() - blank);
        if start.is_some() {
            self.report_garbage();
            self.state = State::Inside;
        }
        rest.get(1..).unwrap_or_default()
    }

    /// Inside a frame: takes bytes up to the next one that may end or begin a frame.
    fn fill<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let Some(at) = scan::find_either(START, END, bytes) else {
            self.payload.extend(bytes);
            return &[];
        };
        let (plain, rest) = bytes.split_at(at);
        self.payload.extend(plain);
        self.state = match rest.first() {
            Some(&END) => State::Ending,
            _ => State::Starting(Candidate::default()),
        };
        rest.get(1..).unwrap_or_default()
    }

    /// The VT and what followed it were payload.
    fn keep_candidate(&mut self, candidate: Candidate) {
        self.payload.extend(&[START]);
        self.payload.extend(candidate.bytes());
        self.state = State::Inside;
    }

    fn deliver(&mut self, next: State) {
        self.ready.push_back(self.payload.take());
        self.state = next;
    }

    fn report_garbage(&mut self) {
        let bytes = std::mem::take(&mut self.garbage_bytes);
        if bytes > 0 {
            self.ready.push_back(Frame::Fault(Fault::GarbageBeforeStart { bytes }));
        }
    }
}

impl Iterator for Decoder {
    type Item = Frame;

    /// The next frame of what was pushed; more may come after `None`.
    fn next(&mut self) -> Option<Frame> {
        self.ready.pop_front()
    }
}
