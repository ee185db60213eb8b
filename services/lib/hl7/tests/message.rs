//! Messages, values, escapes and paths.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::borrow::Cow;

use hl7::charset::Charset;
use hl7::delimiters::DelimiterError;
use hl7::message::{FieldPath, Message, ParseError, Path, PathError, Presence};

#[allow(dead_code, reason = "each test uses some of the samples")]
mod samples;

/// The text at each path of a message.
#[track_caller]
fn check(payload: &str, expected: &[(&str, &str)]) {
    let message = Message::parse(payload.as_bytes()).unwrap();
    for (path, text) in expected {
        let value = message.get(&path.parse().unwrap());
        assert_eq!(value.text(Charset::UTF_8), *text, "{path}");
    }
}

#[track_caller]
fn check_refused(payload: &[u8], expected: ParseError) {
    assert_eq!(Message::parse(payload).map(|message| message.segments().len()), Err(expected));
}

/// OBX-5 with this raw value decodes to `expected`; the second says whether it had to be copied.
#[track_caller]
fn check_escape(raw: &str, expected: &str, copied: bool) {
    let payload = format!("MSH|^~\\&#|A\rOBX|1|TX|||{raw}\r");
    let message = Message::parse(payload.as_bytes()).unwrap();
    let text = message.segment("OBX").unwrap().field(5).text(Charset::UTF_8);
    assert_eq!(text, expected);
    assert_eq!(matches!(text, Cow::Owned(_)), copied, "{raw} copied");
}

#[test]
fn fields_count_as_the_standard_counts_and_the_header_begins_with_its_separator() {
    check(
        samples::DFT,
        &[
            ("MSH-1", "|"),
            ("MSH-2", "^~\\&"),
            ("MSH-3", "CHARGES"),
            ("MSH-4.2", "1.2.3.4"),
            ("MSH-9.2", "P03"),
            ("MSH-10", "C000017"),
            ("MSH-18", "UNICODE UTF-8"),
            ("PID-3[3].4.2", "1.2"),
            ("PID-3[3].1", "A-1&2"),
            ("PID-3.4", "NORTH"),
            ("PID-5.1.2", "van"),
            ("PID-18.1", "ACC7788"),
            ("PV1-19.1", "V5566"),
            ("PV1-45", "20260301090000"),
            ("FT1-7.1", "4711"),
            ("FT1[3]-6", "CD"),
            ("FT1[3]-8", "Panel 14 | twice"),
            ("FT1-19[2].1", "E11"),
            ("FT1-25.1", "4711"),
            ("FT1-26[2]", "59"),
            ("FT1[4]-2", "T1004"),
            ("FT1[5]-2", ""),
            ("FT1-99", ""),
            ("FT1-7.9", ""),
            ("XYZ-1", ""),
            ("ZFT-2.2", "data"),
        ],
    );
}

#[test]
fn case_13_delimiters_are_the_ones_the_message_announces() {
    let expected = [
        ("MSH-1", "!"),
        ("MSH-2", "*%$@#"),
        ("MSH-4.2", "1.2"),
        ("PID-3.2", "4"),
        ("PID-3[3]", "9"),
        ("PID-5.1.2", "part"),
        ("PID-8", "F"),
        ("PV1-19", "V!9"),
        ("ZZZ-1", "Jx"),
        ("ZZZ-2", "#"),
    ];
    check(samples::ADT_CUSTOM, &expected);
}

#[test]
fn segments_end_at_cr_lf_or_both_and_blank_lines_are_nothing() {
    for end in ["\r", "\n", "\r\n", "\n\n\r", "\r\r\n\n"] {
        let payload = samples::DFT.replace('\r', end);
        let message = Message::parse(payload.as_bytes()).unwrap();
        assert_eq!(message.segments().len(), 12, "{end:?}");
        check(&payload, &[("PID-5.2", "Erika"), ("ZFT-1", "1"), ("IN1-19", "Weg 1^^Ort^^01234^DEU")]);
    }
    check(&format!("\r\n{}", samples::ORU_LF), &[("OBX-5[2]", "99"), ("PID-3.4", "EAST")]);
    check("MSH|^~\\&|A||||||X^Y|7", &[("MSH-10", "7")]);
}

#[test]
fn a_byte_order_mark_is_tolerated_and_reported() {
    let payload = format!("\u{feff}{}", samples::ORU_LF);
    let message = Message::parse(payload.as_bytes()).unwrap();
    assert!(message.has_byte_order_mark());
    check(&payload, &[("MSH-3", "LAB")]);
}

#[test]
fn case_12_a_payload_that_cannot_be_read_without_guessing_is_refused() {
    let delimiters = |error: DelimiterError| ParseError::Delimiters(error);
    check_refused(b"", ParseError::Empty);
    check_refused(b"\r\n\r\n", ParseError::Empty);
    check_refused(b"PID|1", ParseError::NoHeader);
    check_refused(b" MSH|^~\\&|", ParseError::NoHeader);
    check_refused(b"\x06", ParseError::NoHeader);
    check_refused(b"FHS|^~\\&|A\rMSH|^~\\&|A\r", ParseError::Batch);
    check_refused(b"MSH", delimiters(DelimiterError::Missing));
    check_refused(b"MSH|", delimiters(DelimiterError::Count { found: 0 }));
    check_refused(b"MSH|^~\\|A", delimiters(DelimiterError::Count { found: 3 }));
    check_refused(b"MSH|^~\\&#!|A", delimiters(DelimiterError::Count { found: 6 }));
    check_refused(b"MSH|^~\\&|A\rPID|1\rMSH|^~\\&|B\r", ParseError::SecondHeader { segment: 3 });
    check_refused(b"MSH|^~\\&|A\rPID|1\rMSH#^~\\&#B\r", ParseError::SecondHeader { segment: 3 });
    // A text that was broken by a stray line end is no header.
    for line in ["MSHAPED|1", "MSH, he said", "MSH#", "MSH^^^^^"] {
        check(&format!("MSH|^~\\&|A\rNTE|1||a\n{line}\rPV1||I\r"), &[("PV1-2", "I")]);
    }
}

#[test]
fn case_18_delimiters_equal_to_each_other_are_refused() {
    let repeated = |index| ParseError::Delimiters(DelimiterError::Repeated { index });
    let unusable = |index| ParseError::Delimiters(DelimiterError::Unusable { index });
    check_refused(b"MSH|^^\\&|A", repeated(2));
    check_refused(b"MSH|^~\\^|A", repeated(4));
    check_refused(b"MSH|^~\\&~|A", repeated(5));
    check_refused(b"MSH|^~\\\x1c|A", unusable(4));
    check_refused(b"MSHA^~\\&A", unusable(0));
    check_refused(b"MSH|1~\\&|A", unusable(1));
    check_refused(b"MSH| ~\\&|A", unusable(1));
    check_refused(b"MSH|^~\\\xa7|A", unusable(4));
    check_refused(b"MSH\t^~\\&\tA", unusable(0));
}

#[test]
fn what_is_deleted_is_told_from_what_was_not_sent() {
    let message = Message::parse(samples::ADT_CUSTOM.as_bytes()).unwrap();
    let pid = message.segment("PID").unwrap();
    assert_eq!(pid.field(7).presence(), Presence::Null);
    assert_eq!(pid.field(7).text(Charset::UTF_8), "", "the quotes are not content");
    assert_eq!(pid.field(7).raw(), b"\"\"");
    assert_eq!(pid.field(6).presence(), Presence::Absent);
    assert_eq!(pid.field(60).presence(), Presence::Absent);
    assert_eq!(pid.field(8).presence(), Presence::Value);
    assert_eq!(pid.field(6).repetitions().count(), 0);
    assert_eq!(pid.field(3).repetitions().count(), 3);
    assert_eq!(pid.field(0).raw(), b"");
}

#[test]
fn case_15_escapes_are_decoded_and_unknown_ones_kept() {
    check_escape("plain", "plain", false);
    check_escape("\\F\\\\S\\\\T\\\\R\\\\E\\\\P\\", "|^&~\\#", true);
    check_escape("a\\.br\\b\\.BR\\c", "a\nb\nc", true);
    check_escape("\\X4A4b\\-\\xC3A9\\", "JK-é", true);
    check_escape("\\H\\bold\\N\\", "\\H\\bold\\N\\", false);
    check_escape("\\Zown\\ and \\F\\", "\\Zown\\ and |", true);
    check_escape("\\X4\\ \\X\\ \\XZZ\\ \\\\", "\\X4\\ \\X\\ \\XZZ\\ \\\\", false);
}

#[test]
fn case_18_an_escape_that_never_ends_is_kept() {
    check_escape("\\", "\\", false);
    check_escape("\\F", "\\F", false);
    check_escape("cost \\F\\ price \\X41", "cost | price \\X41", true);
    check_escape("C:\\dir", "C:\\dir", false);
}

#[test]
fn case_15_a_broken_line_is_a_segment_of_its_own_that_says_so() {
    let message = Message::parse(b"MSH|^~\\&|A\rOBX|1|TX|||first\nsecond line\rZZ1|x\rNTE").unwrap();
    let sound: Vec<bool> = message.segments().map(|segment| segment.is_named_soundly()).collect();
    assert_eq!(sound, [true, true, false, true, true]);
    assert_eq!(message.segment("NTE").unwrap().fields().count(), 0);
    assert_eq!(message.segments_named("ZZ1").count(), 1);
    assert_eq!(message.segments_named("ZZ").count(), 0);
}

#[test]
fn groups_run_from_one_leader_to_the_next_or_to_what_ends_them() {
    let message = Message::parse(samples::DFT.as_bytes()).unwrap();
    let charges: Vec<(String, usize)> = message
        .groups("FT1", &["GT1", "IN1"])
        .map(|group| (group.leader().field(2).text(Charset::UTF_8).into_owned(), group.segments().len()))
        .collect();
    let expected = [("T1001", 2), ("T1002", 1), ("T1003", 2), ("T1004", 1)];
    assert_eq!(charges, expected.map(|(id, segments)| (id.to_owned(), segments)));
    let first = message.groups("FT1", &["GT1"]).next().unwrap();
    let note = first.get(&"NTE-3".parse().unwrap());
    assert_eq!(note.text(Charset::UTF_8), "first line\nsecond JK line");
    assert_eq!(message.groups("DG1", &[]).count(), 0);
}

#[test]
fn a_path_reads_as_it_is_written() {
    for text in ["PID-3", "PID-3[1].4.2", "FT1-7.1", "OBX[12]-5[2]", "ZX9-65535"] {
        assert_eq!(text.parse::<Path>().unwrap().to_string(), text);
    }
    assert_eq!("3[1].4.2".parse::<FieldPath>().unwrap().to_string(), "3[1].4.2");
    let number = |part| PathError::Number { part };
    for (text, expected) in [
        ("PID", PathError::Segment),
        ("pid-3", PathError::Segment),
        ("PIDX-3", PathError::Segment),
        ("1PD-3", PathError::Segment),
        ("PID-", number("the field")),
        ("PID-0", number("the field")),
        ("PID-+3", number("the field")),
        ("PID-03", number("the field")),
        ("PID-65536", number("the field")),
        ("PID-3[0]", number("the repetition")),
        ("PID-3[1", PathError::BracketOpen),
        ("PID[x]-3", number("the segment's occurrence")),
        ("PID-3.", number("the component")),
        ("PID-3.1.", number("the sub-component")),
        ("PID-3.1.1.1", PathError::TooDeep),
    ] {
        assert_eq!(text.parse::<Path>(), Err(expected), "{text}");
    }
}

#[test]
fn what_is_printed_for_debugging_shows_no_content() {
    let message = Message::parse(samples::DFT.as_bytes()).unwrap();
    let pid = message.segment("PID").unwrap();
    let group = message.groups("PID", &[]).next().unwrap();
    let name = pid.field(5).decode(Charset::UTF_8);
    let shown = format!("{message:?} {pid:?} {:?} {group:?} {name:?}", pid.field(5));
    for secret in ["Muster", "Erika", "7000123", "19700230"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
