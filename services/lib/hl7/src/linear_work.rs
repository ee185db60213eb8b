//! Inputs built to hang, held against the number of bytes looked at instead of a clock.
//!
//! Case 18 of the edge cases: deep repetition, megabyte fields, escapes that never end; and their like for
//! the framing.

use crate::ack::{BatchReply, batch_ack};
use crate::batch::Batch;
use crate::charset::Charset;
use crate::message::{Message, Path};
use crate::mllp::{Decoder, Frame, Limits};
use crate::scan::work;

const HEADER: &str = "MSH|^~\\&|A|B|C|D|20260301||DFT^P03|1|P|2.5\r";
const LENGTH: usize = 1 << 20;
const STREAM_LENGTH: usize = 1 << 18;

/// Runs `task` on a megabyte of `unit`s inside a message; each byte may be looked at a few times at most.
#[track_caller]
fn check_message(unit: &str, times: usize, task: impl Fn(&Message<'_>) -> usize) {
    let payload = format!("{HEADER}OBX|1|TX|{}|end\r", unit.repeat(LENGTH / unit.len()));
    let (found, steps) = work::of(|| task(&Message::parse(payload.as_bytes()).unwrap()));
    assert!(found > 0, "the task finds something");
    let limit = times * payload.len();
    assert!(steps <= limit, "{unit:?}: {steps} bytes looked at, {limit} allowed");
}

/// Decodes a long stream of `unit`s in pieces of `read` bytes.
#[track_caller]
fn check_stream(unit: &[u8], read: usize) {
    let stream = unit.repeat(STREAM_LENGTH / unit.len());
    let mut decoder = Decoder::new(Limits { frame_bytes: 1 << 16, head_bytes: 64 });
    let (_, steps) = work::of(|| {
        for piece in stream.chunks(read) {
            decoder.push(piece);
            for frame in decoder.by_ref() {
                assert!(!matches!(frame, Frame::Message(payload) if payload.len() > 1 << 16));
            }
        }
        decoder.finish()
    });
    let limit = 2 * stream.len();
    assert!(steps <= limit, "{unit:?} by {read}: {steps} bytes looked at, {limit} allowed");
}

fn all_parts(message: &Message<'_>) -> usize {
    let fields = message.segments().flat_map(|segment| segment.fields());
    let components =
        fields.flat_map(|field| field.repetitions()).flat_map(|repetition| repetition.components());
    components.flat_map(|component| component.subcomponents()).count()
}

fn texts(message: &Message<'_>) -> usize {
    let fields = message.segments().flat_map(|segment| segment.fields());
    fields.map(|field| field.text(Charset::UTF_8).len()).sum()
}

#[test]
fn case_18_taking_everything_apart_looks_at_each_byte_a_few_times() {
    for unit in [
        "~",
        "^",
        "&",
        "|",
        "x",
        "a~",
        "^&~",
        "|^~&",
        "longer than a block of bytes, with words|",
        "\r",
        "OBX|\r",
    ] {
        check_message(unit, 6, all_parts);
    }
}

#[test]
fn case_18_escapes_that_never_end_look_at_each_byte_a_few_times() {
    for unit in ["\\", "\\X", "\\X41\\", "\\F", "\\Zunknown", "\\.br\\", "\\X4\\", "é\\"] {
        check_message(unit, 4, texts);
    }
}

#[test]
fn case_18_a_far_position_looks_at_each_byte_a_few_times() {
    for (unit, path) in
        [("|", "OBX-65535"), ("~", "OBX-3[65535]"), ("^", "OBX-3.65535"), ("&", "OBX-3.1.65535")]
    {
        let path = Path::parse(path).unwrap();
        check_message(unit, 6, |message| 1 + message.get(&path).raw().len());
    }
    check_message("FT1|1\r", 6, |message| message.groups("FT1", &["IN1"]).count());
}

#[test]
fn case_18_a_batch_built_to_hang_looks_at_each_byte_a_few_times() {
    let reply = BatchReply { control_id: "1", sent_at: "2026" };
    for unit in [
        "MSH|^~\\&\r",
        "MSH",
        "MSH|\r",
        "BHS|^~\\&\rBTS|9\r",
        "MSH|^~\\&|A\rBTS|2\r",
        "BHS|^~\\&|A|B\r",
        "\r",
    ] {
        let payload = format!("FHS|^~\\&|A\rBHS|^~\\&|A\rMSH|^~\\&|A\r{}", unit.repeat(LENGTH / unit.len()));
        let (answer, steps) = work::of(|| {
            let batch = Batch::parse(payload.as_bytes()).unwrap();
            batch_ack(&batch, &reply, &[]).len() + batch.messages().count()
        });
        let limit = 12 * payload.len();
        assert!(answer > 0 && steps <= limit, "{unit:?}: {steps} bytes looked at, {limit} allowed");
    }
}

#[test]
fn case_18_a_stream_built_to_hang_looks_at_each_byte_once() {
    let units: [&[u8]; 10] = [
        b"\x0b",
        b"\x1c",
        b"\x0b\x1c",
        b"\x0bMS",
        b"\x0bMSH|",
        b"\x1c\x1cx",
        b"\x0bMSH|\x1c\r",
        b"\r\n",
        b"garbage",
        b"\x0b\r\n",
    ];
    for unit in units {
        for read in [1, 7, 4096, STREAM_LENGTH] {
            check_stream(unit, read);
        }
    }
}
