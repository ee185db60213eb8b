//! Taking a file of messages apart, however it was written down.

use hl7::batch::Batch;
use hl7::mllp::{Decoder, Frame, Limits, START};

/// The longest message, in bytes.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// The messages of a file in order, and what was wrong with it besides them.
///
/// Framed as in MLLP; a batch; else one after the other, each from its MSH on. Blank lines and the ends of lines do not
/// matter.
pub(super) fn split(bytes: &[u8]) -> (Vec<Vec<u8>>, Vec<String>) {
    if bytes.contains(&START) {
        return framed(bytes);
    }
    if let Ok(batch) = Batch::parse(bytes) {
        let notes = batch.disagreements().map(|disagreement| disagreement.to_string()).collect();
        return (batch.messages().map(<[u8]>::to_vec).collect(), notes);
    }
    (plain(bytes), Vec::new())
}

fn framed(bytes: &[u8]) -> (Vec<Vec<u8>>, Vec<String>) {
    let mut decoder = Decoder::new(Limits { frame_bytes: MESSAGE_BYTES_MAX, ..Limits::default() });
    let (mut messages, mut notes) = (Vec::new(), Vec::new());
    decoder.push(bytes);
    let mut frames: Vec<Frame> = decoder.by_ref().collect();
    frames.extend(decoder.finish());
    frames.extend(decoder.by_ref());
    for frame in frames {
        match frame {
            Frame::Message(payload) => messages.push(payload),
            Frame::Fault(fault) => notes.push(fault.to_string()),
        }
    }
    (messages, notes)
}

fn plain(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut messages: Vec<Vec<u8>> = Vec::new();
    for line in bytes.split_inclusive(|byte| matches!(byte, b'\r' | b'\n')) {
        let begins = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).starts_with(b"MSH");
        let is_blank = line.iter().all(u8::is_ascii_whitespace);
        match messages.last_mut() {
            Some(message) if !begins => message.extend_from_slice(line),
            _ if is_blank => {}
            _ => messages.push(line.to_vec()),
        }
    }
    for message in &mut messages {
        let end = message.iter().rposition(|byte| !byte.is_ascii_whitespace()).map_or(0, |last| last + 1);
        message.truncate(end);
        message.push(b'\r');
    }
    messages
}
