//! What holds for any bytes at all: asserted by the mutation loop here and by the fuzz targets.

#![allow(clippy::unwrap_used, dead_code, reason = "each target uses one of these, and fails by a panic")]

use std::ops::Range;

use hl7::ack::{AckCode, Acknowledgement, Asked, BatchReply, Reply, Verdict, ack, ack_unparsed, batch_ack};
use hl7::batch::Batch;
use hl7::charset::Charset;
use hl7::message::{Message, Path, Segment, Value};
use hl7::mllp::{self, Decoder, Fault, Frame, Limits};
use hl7::time::{Dtm, Origin, Precision, Zone, format_utc};

/// Fields compared one by one with the iterator, which costs the square of their number.
const COMPARED_FIELDS: usize = 40;

/// A message stays inside its bytes, and its parts put together are the message again.
pub(crate) fn parser(bytes: &[u8]) {
    let Ok(message) = Message::parse(bytes) else {
        return;
    };
    let charset = Charset::of(&message, Charset::LATIN_1).charset;
    for segment in message.segments() {
        assert_inside(bytes, segment.raw());
        assert!(
            !segment.raw().iter().any(|byte| matches!(byte, b'\r' | b'\n')),
            "no line end inside a segment"
        );
        fields(bytes, segment, &message, charset);
    }
    for text in ["PID-3[2].4.2", "MSH-1", "MSH-2", "FT1[2]-7.1", "OBX-5[3]"] {
        let path: Path = text.parse().unwrap();
        assert_eq!(path.to_string(), text);
        assert_inside(bytes, message.get(&path).raw());
    }
    let grouped: usize = message.groups("FT1", &["IN1"]).map(|group| group.segments().len()).sum();
    assert!(grouped <= message.segments().len());
    let _shown = format!("{message:?}");
    written_anew(bytes, message.segments().len());
}

/// A payload that is written anew has no segment that it did not have.
fn written_anew(bytes: &[u8], segments: usize) {
    for name in [&b"Shift_JIS"[..], b"BIG-5", b"GB18030", b"ISO IR87"] {
        let readable = Charset::readable(bytes, Charset::named(name).unwrap());
        assert!(
            Message::parse(&readable).is_err()
                || Message::parse(&readable).unwrap().segments().len() <= segments
        );
    }
}

fn fields(bytes: &[u8], segment: Segment<'_>, message: &Message<'_>, charset: Charset) {
    let delimiters = message.delimiters();
    let header = [&b"MSH"[..], b"FHS", b"BHS"].contains(&segment.name()) && segment.raw().len() > 3;
    let mut whole = segment.name().to_vec();
    for (index, field) in segment.fields().enumerate() {
        if index < COMPARED_FIELDS {
            assert_eq!(
                segment.field(index + 1).raw(),
                field.raw(),
                "field {} as the iterator has it",
                index + 1
            );
        }
        value(bytes, *field, charset);
        let repetitions: Vec<&[u8]> = field.repetitions().map(|repetition| repetition.raw()).collect();
        assert!(header && index < 2 || repetitions.join(&delimiters.repetition) == field.raw());
        for repetition in field.repetitions() {
            for component in repetition.components() {
                value(bytes, *component, charset);
                component.subcomponents().for_each(|subcomponent| value(bytes, *subcomponent, charset));
            }
        }
        if !(header && index == 0) {
            whole.push(delimiters.field);
            whole.extend_from_slice(field.raw());
        }
    }
    assert_eq!(whole, segment.raw(), "the fields put together are the segment");
}

fn value(bytes: &[u8], value: Value<'_>, charset: Charset) {
    assert_inside(bytes, value.raw());
    assert!(value.unescaped().len() <= value.raw().len(), "decoding never makes a value longer");
    let decoded = value.decode(charset);
    // Sets of Unicode can name the replacement character themselves.
    let unicode = charset.name().starts_with("UTF") || charset.name() == "gb18030";
    assert!(decoded.had_errors || unicode || !decoded.text.contains('\u{fffd}'), "no silent replacement");
}

#[track_caller]
fn assert_inside(bytes: &[u8], part: &[u8]) {
    let (outer, inner): (Range<_>, Range<_>) = (bytes.as_ptr_range(), part.as_ptr_range());
    assert!(
        part.is_empty() || (outer.start <= inner.start && inner.end <= outer.end),
        "a span outside of the bytes"
    );
}

/// A stream gives the same frames however it is cut, none over the limit, and no byte from nowhere.
pub(crate) fn framing(stream: &[u8]) {
    let limits = Limits { frame_bytes: 400, head_bytes: 16 };
    let whole = frames(stream, stream.len().max(1), limits);
    for size in [1, 2, 3, 7] {
        assert_eq!(frames(stream, size, limits), whole, "in pieces of {size}");
    }
    let mut accounted = 0;
    for frame in &whole {
        accounted += match frame {
            Frame::Message(payload) => {
                assert!(payload.len() <= limits.frame_bytes);
                payload.len() + 1
            }
            Frame::Fault(Fault::TooLarge { limit_bytes, seen_bytes, head }) => {
                assert!(seen_bytes > limit_bytes && head.len() <= limits.head_bytes);
                *seen_bytes
            }
            Frame::Fault(
                Fault::GarbageBeforeStart { bytes }
                | Fault::StartInsideFrame { bytes }
                | Fault::Unfinished { bytes },
            ) => *bytes,
        };
    }
    assert!(accounted <= stream.len(), "more bytes came out than went in");
    if !stream.iter().any(|&byte| byte == mllp::START || byte == mllp::END) {
        let unlimited = Limits { frame_bytes: usize::MAX, head_bytes: 0 };
        let framed = frames(&mllp::encode(stream), 5, unlimited);
        assert!(framed == [Frame::Message(stream.to_vec())], "what is encoded comes out again");
    }
}

/// All frames of a stream that comes in pieces of `size` bytes.
pub(crate) fn frames(stream: &[u8], size: usize, limits: Limits) -> Vec<Frame> {
    let mut decoder = Decoder::new(limits);
    let mut frames = Vec::new();
    for piece in stream.chunks(size) {
        decoder.push(piece);
        frames.extend(decoder.by_ref());
    }
    frames.extend(decoder.finish());
    frames.extend(decoder);
    frames
}

/// Any name is a character set or none, and any bytes are text in any of them: with errors told, and none that is UTF-8's.
/// The first line is the name, the rest is what is decoded, as a value and as a payload.
pub(crate) fn charset(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (name, text) = bytes.split_at(end);
    let text = text.get(1..).unwrap_or_default();
    let charset = Charset::named(name).unwrap_or(Charset::UTF_8);
    assert_eq!(Charset::named(charset.name().as_bytes()), Some(charset), "a set is known by its own name");
    let decoded = charset.decode(text);
    let unicode = charset.name().starts_with("UTF") || charset.name() == "gb18030";
    assert!(decoded.had_errors || unicode || !decoded.text.contains('\u{fffd}'), "no silent replacement");
    if charset == Charset::UTF_8 {
        assert_eq!(decoded.had_errors, std::str::from_utf8(text).is_err());
    }
    assert_eq!(charset.decode_cow(text.to_vec().into()), decoded, "owned or borrowed, the text is the same");
    let readable = Charset::readable(text, charset);
    if let Ok(message) = Message::parse(&readable) {
        let chosen = Charset::of(&message, charset).charset;
        for segment in message.segments() {
            segment.fields().for_each(|field| drop(field.decode(chosen)));
        }
        assert_eq!(Charset::readable(&readable, charset), readable, "what can be read is not written anew");
    }
}

/// Whatever was received, the answer is one frame and one message, and names what it answers.
pub(crate) fn answer(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let reply = Reply {
        code: AckCode::ApplicationError,
        control_id: "4711",
        sent_at: "20260301101501",
        text: Some(&text),
        error: Some((hl7::ack::ErrorCode::DataType, Path::parse("PID-3[2].4").ok())),
    };
    let answer = match Message::parse(bytes) {
        Ok(message) => {
            let answer = ack(&message, &reply);
            let received = Acknowledgement::parse(&answer).expect("an answer can be read");
            let mut expected = message.header().field(10).raw().to_vec();
            expected.retain(|&byte| byte != mllp::START && byte != mllp::END);
            assert_eq!(received.control_id.raw(), expected, "MSA-2 is MSH-10");
            answer
        }
        Err(_) => ack_unparsed(&reply),
    };
    assert_eq!(Acknowledgement::parse(&answer).map(|received| received.code), Ok(reply.code));
    let lines = Message::parse(&answer).expect("an answer is a message").segments().len();
    assert_eq!(lines, 3, "no text of ours ends a segment");
    let limits = Limits::default();
    assert!(
        frames(&mllp::encode(&answer), 64, limits) == [Frame::Message(answer.clone())],
        "no text of ours ends a frame"
    );
    let _any = Acknowledgement::parse(bytes);
}

/// A batch is its messages, their headers and trailers and nothing else; its answer is a batch of as many answers.
pub(crate) fn batch(bytes: &[u8]) {
    let Ok(batch) = Batch::parse(bytes) else { return };
    let mut end = 0;
    for message in batch.messages() {
        assert_inside(bytes, message);
        assert!(message.starts_with(b"MSH"));
        let start = message.as_ptr() as usize - bytes.as_ptr() as usize;
        assert_between(&bytes[end..start]);
        end = start + message.len();
    }
    assert_between(&bytes[end..]);
    let reply = |code| Reply { code, control_id: "4711", sent_at: "20260301101501", text: None, error: None };
    let answers: Vec<Vec<Vec<u8>>> = batch
        .messages()
        .map(|message| match Message::parse(message) {
            Ok(message) => {
                let codes = Asked::enhanced_by(&message).codes(Verdict::Failed);
                codes.into_iter().map(|code| ack(&message, &reply(code))).collect()
            }
            Err(_) => vec![ack_unparsed(&reply(AckCode::ApplicationReject))],
        })
        .collect();
    let whole = batch_ack(&batch, &BatchReply { control_id: "4712", sent_at: "20260301101501" }, &answers);
    let heard = Batch::parse(&whole).expect("the answer is a batch");
    assert_eq!(heard.messages().count(), answers.iter().flatten().count());
    assert_eq!(heard.disagreements().next(), None, "our trailers count as we do");
    assert!(heard.messages().all(|answer| Acknowledgement::parse(answer).is_ok()));
    let _shown =
        format!("{batch:?} {:?}", batch.disagreements().map(|one| one.to_string()).collect::<Vec<_>>());
}

/// What is no message of a batch is a header, a trailer, a blank line or a byte order mark.
#[track_caller]
fn assert_between(bytes: &[u8]) {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    for line in bytes.split(|byte| matches!(byte, b'\r' | b'\n')).filter(|line| !line.is_empty()) {
        assert!(
            [b"FHS", b"BHS", b"BTS", b"FTS"].iter().any(|name| line.starts_with(*name)),
            "a line was lost"
        );
    }
}

/// A time is refused or is an instant that can be written and read again.
pub(crate) fn time(bytes: &[u8]) {
    let Ok(time) = Dtm::parse(bytes) else { return };
    for zone in [Zone::UTC, Zone::named("Europe/Berlin").unwrap(), Zone::named("Pacific/Apia").unwrap()] {
        let instant = time.instant(&zone);
        assert_eq!(instant.precision, time.precision());
        assert_eq!(instant.origin == Origin::Stated, bytes.iter().any(|byte| matches!(byte, b'+' | b'-')));
        // A day inside the years that have four digits, so that no offset leaves them.
        if (2..9999).contains(&time.date().0) {
            let again =
                Dtm::parse(format_utc(instant.micros).as_bytes()).expect("a time of ours can be read");
            let again = again.instant(&zone);
            assert_eq!(again.micros, instant.micros.div_euclid(1000) * 1000);
            assert_eq!(again.precision, Precision::Fraction(3));
        }
    }
}
