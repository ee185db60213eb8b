//! Framing: cases 1 to 7, 9 and 10, as far as they are the codec's.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use hl7::mllp::{Commit, Decoder, Fault, Frame, Limits, encode};

mod invariants;

const LIMITS: Limits = Limits { frame_bytes: 64, head_bytes: 8 };

/// What comes out when these reads arrive one after the other, without a pause.
#[track_caller]
fn check(reads: &[&[u8]], expected: &[&str]) {
    let mut decoder = Decoder::new(LIMITS);
    let mut shown = Vec::new();
    for read in reads {
        decoder.push(read);
        shown.extend(decoder.by_ref().map(show));
    }
    assert_eq!(shown, expected);
}

/// A message is its text, a fault its name and number.
fn show(frame: Frame) -> String {
    match frame {
        Frame::Message(payload) => String::from_utf8_lossy(&payload).into_owned(),
        Frame::Fault(Fault::GarbageBeforeStart { bytes }) => format!("garbage {bytes}"),
        Frame::Fault(Fault::StartInsideFrame { bytes }) => format!("restart {bytes}"),
        Frame::Fault(Fault::TooLarge { limit_bytes, seen_bytes, head }) => {
            format!("too large {seen_bytes}/{limit_bytes} {}", String::from_utf8_lossy(&head))
        }
        Frame::Fault(Fault::Unfinished { bytes }) => format!("unfinished {bytes}"),
    }
}

#[test]
fn case_01_without_a_start_block_nothing_is_a_message() {
    check(&[b"MSH|a\r\x1c\rMSH|b\r\x1c\r"], &[]);
    let mut decoder = Decoder::new(LIMITS);
    decoder.push(b"MSH|a\r\x1c\rMSH|b\r\x1c\r");
    assert_eq!(decoder.idle().map(show).as_deref(), Some("garbage 16"));
    assert_eq!(decoder.idle(), None, "told once");
}

#[test]
fn case_01_bytes_before_the_start_block_are_dropped_and_counted() {
    check(&[b"hello\x0bMSH|a\x1c\r"], &["garbage 5", "MSH|a"]);
    check(&[b"\r\nhe", b"llo\r\n", b"\x0bMSH|a\x1c\r"], &["garbage 7", "MSH|a"]);
    check(&[b"\x0bMSH|a\x1c\r\x1c\r\x0bMSH|b\x1c\r"], &["MSH|a", "garbage 2", "MSH|b"]);
}

#[test]
fn case_02_fs_cr_lf_ends_the_frame_and_the_lf_is_nothing() {
    check(&[b"\x0bMSH|a\x1c\r\n\x0bMSH|b\x1c\r\n"], &["MSH|a", "MSH|b"]);
    check(&[b"\x0bMSH|a\x1c\n\x0bMSH|b\x1c\n"], &["MSH|a", "MSH|b"]);
}

#[test]
fn case_02_fs_without_cr_ends_the_frame() {
    check(&[b"\x0bMSH|a\x1c\x0bMSH|b\x1c\x0bMSH|c\x1c\r"], &["MSH|a", "MSH|b", "MSH|c"]);
    let mut decoder = Decoder::new(LIMITS);
    decoder.push(b"\x0bMSH|a\x1c");
    assert!(decoder.awaits_only_cr());
    assert_eq!(decoder.next(), None, "the CR may still come");
    assert_eq!(decoder.idle().map(show).as_deref(), Some("MSH|a"), "a pause says that it does not");
    assert!(!decoder.is_inside_frame());
    decoder.push(b"\x0bMSH|b\x1c\r");
    assert_eq!(decoder.next().map(show).as_deref(), Some("MSH|b"));
}

#[test]
fn case_02_the_cr_may_come_in_a_later_packet() {
    check(&[b"\x0bMSH|a\x1c", b"\r", b"\x0bMSH|b\x1c", b"\r"], &["MSH|a", "MSH|b"]);
    let mut decoder = Decoder::new(LIMITS);
    decoder.push(b"\x0bMSH|a\x1c");
    assert!(decoder.idle().is_some());
    decoder.push(b"\r");
    decoder.push(b"\x0bMSH|b\x1c\r");
    let rest: Vec<String> = decoder.map(show).collect();
    assert_eq!(rest, ["MSH|b"], "a CR that comes after the pause is neither a frame nor garbage");
}

#[test]
fn case_03_many_frames_in_one_read() {
    let stream: Vec<u8> = (0..1000).flat_map(|number| encode(format!("MSH|{number}").as_bytes())).collect();
    let found: Vec<String> =
        invariants::frames(&stream, stream.len(), LIMITS).into_iter().map(show).collect();
    assert_eq!(found, (0..1000).map(|number| format!("MSH|{number}")).collect::<Vec<_>>());
}

#[test]
fn case_03_one_frame_in_one_byte_reads() {
    let found: Vec<String> =
        invariants::frames(b"\x0bMSH|a\r\x1c\r", 1, LIMITS).into_iter().map(show).collect();
    assert_eq!(found, ["MSH|a\r"]);
}

#[test]
fn case_03_a_stream_split_at_every_byte_gives_the_same_frames() {
    let stream = b"xx\x0bMSH|a\x1c\r\n\x0bMSH|\x1c\x0b!\x1c\x1c\r\x0bMSH|c\x0b\xef\xbb\xbf\r\nMSH|d\x1c\x0bMSH|e\x1c\rzz\x0bFHS\x1c\n";
    let whole = invariants::frames(stream, stream.len(), LIMITS);
    let shown: Vec<String> = whole.iter().cloned().map(show).collect();
    let expected = [
        "garbage 2",
        "MSH|a",
        "MSH|",
        "!\x1c",
        "restart 5",
        "\u{feff}\r\nMSH|d",
        "MSH|e",
        "garbage 2",
        "FHS",
    ];
    assert_eq!(shown, expected);
    for first in 0..stream.len() {
        for second in first..stream.len() {
            let mut decoder = Decoder::new(LIMITS);
            for piece in [&stream[..first], &stream[first..second], &stream[second..]] {
                decoder.push(piece);
            }
            let found: Vec<Frame> = decoder.by_ref().collect();
            assert!(found == whole, "split at {first} and {second}");
        }
    }
}

#[test]
fn case_04_start_and_end_bytes_inside_the_payload_are_payload() {
    check(&[b"\x0bMSH|a\x1cb\x1c\x1cc\x1c\x1c\r"], &["MSH|a\x1cb\x1c\x1cc\x1c"]);
    check(&[b"\x0bMSH|a\x0bline\x0b\x0bMSX\x0bM\x1c\r"], &["MSH|a\x0bline\x0b\x0bMSX\x0bM"]);
    check(&[b"\x0bMSH|a\x1c\x0bMSH|b\x1c\r"], &["MSH|a", "MSH|b"]);
}

#[test]
fn case_04_a_new_start_block_in_mid_frame_begins_a_new_frame() {
    check(&[b"\x0bMSH|abandoned\x0bMSH|a\x1c\r"], &["restart 13", "MSH|a"]);
    check(&[b"\x0bMSH|aban\x0bMS", b"H|a\x1c\r"], &["restart 8", "MSH|a"]);
    check(&[b"\x0bMSH|aban\x0b\xef\xbb\xbfMSH|a\x1c\r"], &["restart 8", "\u{feff}MSH|a"]);
    check(&[b"\x0bMSH|aban\x0b\r\nBHS|a\x1c\r"], &["restart 8", "\r\nBHS|a"]);
    check(&[b"\x0b\x0b\x0bMSH|a\x1c\r"], &["restart 1", "MSH|a"]);
}

#[test]
fn case_05_a_frame_over_the_limit_is_a_fault_and_the_next_one_a_message() {
    let mut stream = encode(&[&b"MSH|0123456789"[..], &[b'x'; 60]].concat());
    stream.extend(encode(b"MSH|next"));
    for size in [1, 5, 64, 1000] {
        let found: Vec<String> = invariants::frames(&stream, size, LIMITS).into_iter().map(show).collect();
        assert_eq!(found, ["too large 74/64 MSH|0123", "MSH|next"], "in reads of {size}");
    }
    check(&[&encode(&[b'x'; 64])], &["x".repeat(64).as_str()]);
    check(&[&encode(&[b'x'; 65])], &["too large 65/64 xxxxxxxx"]);
}

#[test]
fn case_05_a_sender_that_dribbles_is_seen_to_be_inside_a_frame() {
    let mut decoder = Decoder::new(LIMITS);
    assert!(!decoder.is_inside_frame());
    for byte in b"\x0bMSH|\x0bM\x1c" {
        decoder.push(&[*byte]);
        assert!(decoder.is_inside_frame());
    }
    assert!(decoder.idle().is_some());
    assert!(!decoder.is_inside_frame());
}

#[test]
fn case_06_a_probe_makes_no_noise() {
    let mut decoder = Decoder::new(LIMITS);
    assert_eq!((decoder.idle(), decoder.finish()), (None, None));
    decoder.push(b"\r\n");
    assert_eq!(decoder.finish(), None);
}

#[test]
fn case_07_a_connection_lost_in_mid_message_gives_no_message() {
    for (stream, expected) in [
        (&b"\x0bMSH|a"[..], "unfinished 5"),
        (b"\x0b", "unfinished 0"),
        (b"\x0bMSH|a\x0bMS", "unfinished 8"),
        (b"\x0bMSH|a\x1c", "MSH|a"),
        (b"noise", "garbage 5"),
    ] {
        let mut decoder = Decoder::new(LIMITS);
        decoder.push(stream);
        assert_eq!(decoder.finish().map(show).as_deref(), Some(expected));
        assert_eq!(decoder.finish(), None);
    }
}

#[test]
fn case_07_many_messages_come_over_one_connection() {
    let mut decoder = Decoder::new(LIMITS);
    for number in 0..10_000 {
        let payload = format!("MSH|{number}");
        decoder.push(&encode(payload.as_bytes()));
        assert_eq!(decoder.next().map(show), Some(payload));
        assert_eq!(decoder.next(), None);
    }
}

#[test]
fn case_09_commit_bytes_are_frames_of_one_byte() {
    check(&[b"\x0b\x06\x1c\r\x0b\x15\x1c\r"], &["\u{6}", "\u{15}"]);
    check(&[&Commit::Stored.frame(), &Commit::NotStored.frame()], &["\u{6}", "\u{15}"]);
    let read = [&b"\x06"[..], b"\x15", b"\x06\x06", b"", b"MSH|"].map(Commit::of);
    assert_eq!(read, [Some(Commit::Stored), Some(Commit::NotStored), None, None, None]);
}

#[test]
fn case_10_pipelined_messages_come_out_one_by_one_and_in_order() {
    check(&[b"\x0bMSH|1\x1c\r\x0bMSH|2\x1c\r\x0bMS", b"H|3\x1c\r\x0b"], &["MSH|1", "MSH|2", "MSH|3"]);
}

#[test]
fn an_empty_frame_is_a_message_without_bytes() {
    check(&[b"\x0b\x1c\r\x0b\x1c\x1c\r"], &["", "\x1c"]);
}

#[test]
fn what_is_printed_for_debugging_shows_no_content() {
    let stream = [encode(b"MSH|Muster"), encode(&[b'M'; 100])].concat();
    let mut decoder = Decoder::new(LIMITS);
    decoder.push(&stream);
    let shown = format!("{decoder:?} {:?}", decoder.by_ref().collect::<Vec<_>>());
    assert!(!shown.contains("Muster") && !shown.contains("77, 77"), "{shown}");
}
