//! Case 14: MSH-18 absent, wrong or misspelt, a byte order mark, Latin-1.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::borrow::Cow;

use hl7::charset::{Charset, Origin};
use hl7::message::Message;

/// The name in MSH-18 means this encoding.
#[track_caller]
fn check(names: &[&str], expected: Option<&str>) {
    for name in names {
        assert_eq!(Charset::named(name.as_bytes()).map(Charset::name), expected, "{name}");
    }
}

/// The name of a patient in a message with this MSH-18 is `expected`, and whether it was damaged.
#[track_caller]
fn check_message(mark: &[u8], msh_18: &str, name: &[u8], expected: (Origin, &str, bool)) {
    let mut payload = mark.to_vec();
    payload
        .extend_from_slice(format!("MSH|^~\\&|A|B|||||ADT^A01|1|P|2.5||||||{msh_18}\rPID|||1||").as_bytes());
    payload.extend_from_slice(name);
    let message = Message::parse(&payload).unwrap();
    let choice = Charset::of(&message, Charset::LATIN_1);
    let decoded = message.segment("PID").unwrap().field(5).decode(choice.charset);
    assert_eq!((choice.origin, &*decoded.text, decoded.had_errors), expected);
}

#[test]
fn case_14_names_are_understood_as_senders_write_them() {
    check(
        &["8859/1", "ISO_IR 100", "ISO-8859-1", "iso 8859/1", "ISO8859-1", "Latin1", "WINDOWS-1252"],
        Some("windows-1252"),
    );
    check(
        &["UNICODE UTF-8", "UTF-8", "UTF8", "unicode utf8", "UNICODE", "ISO_IR 192", "ASCII", "US-ASCII"],
        Some("UTF-8"),
    );
    check(&["8859/2", "ISO_IR 101"], Some("ISO-8859-2"));
    check(&["8859/5", "ISO IR144"], Some("ISO-8859-5"));
    check(&["8859/9", "ISO_IR 148"], Some("windows-1254"));
    check(&["8859/15", "ISO-8859-15"], Some("ISO-8859-15"));
    check(&["8859/11"], Some("windows-874"));
    check(&["ISO IR87"], Some("ISO-2022-JP"));
    check(&["ISO IR14"], Some("Shift_JIS"));
    check(&["GB 18030-2000"], Some("gb18030"));
    check(&["KS X 1001"], Some("EUC-KR"));
    check(&["BIG-5"], Some("Big5"));
    check(&["koi8-r"], Some("KOI8-R"));
    check(&["", "8859/99", "CNS 11643-1992", "EBCDIC", "\u{e9}"], None);
}

#[test]
fn case_14_a_wrong_or_missing_name_is_never_silent() {
    check_message(b"", "8859/1", b"Zo\xeb", (Origin::Declared, "Zoë", false));
    check_message(b"", "UNICODE UTF-8", "Zoë".as_bytes(), (Origin::Declared, "Zoë", false));
    check_message(b"", "UNICODE UTF-8", b"Zo\xeb", (Origin::Declared, "Zo\u{fffd}", true));
    check_message(b"", "", b"Zo\xeb", (Origin::Absent, "Zoë", false));
    check_message(b"", "KLINGON", b"Zo\xeb", (Origin::Unknown, "Zoë", false));
    // A message whose delimiters are single bytes is not in UTF-16.
    check_message(b"", "UNICODE UTF-16", b"Zo\xeb", (Origin::Unknown, "Zoë", false));
    check_message(b"", "UTF-16BE", b"Zo\xeb", (Origin::Unknown, "Zoë", false));
    check_message(b"", "ASCII", b"Zo\xeb", (Origin::Declared, "Zo\u{fffd}", true));
    check_message(b"\xef\xbb\xbf", "8859/1", "Zoë".as_bytes(), (Origin::ByteOrderMark, "Zoë", false));
    check_message(b"", "8859/1~UNICODE UTF-8", b"Zo\xeb", (Origin::Declared, "Zoë", false));
    check_message(b"", "8859/1", b"Zo\\XEB\\", (Origin::Declared, "Zoë", false));
}

#[test]
fn case_14_sets_whose_characters_look_like_delimiters_say_so() {
    for name in ["8859/1", "UTF-8", "8859/15", "KS X 1001", "EUC-JP"] {
        assert!(Charset::named(name.as_bytes()).unwrap().delimiters_are_safe(), "{name}");
    }
    for name in ["ISO IR87", "Shift_JIS", "GB18030", "BIG-5", "UTF-16"] {
        let charset = Charset::named(name.as_bytes()).unwrap();
        assert!(!charset.delimiters_are_safe(), "{name}");
    }
}

/// PID-5 and PID-8 of a message in this set, and whether PID-5 had bytes without a meaning.
#[track_caller]
fn check_readable(msh_18: &str, name: &[u8], expected: (&str, &str, bool)) {
    let mut payload = format!("MSH|^~\\&|A|B|||||ADT^A01|1|P|2.5||||||{msh_18}\rPID|||1||").into_bytes();
    payload.extend_from_slice(name);
    payload.extend_from_slice(b"|||F\nPV1||I\r");
    let readable = Charset::readable(&payload, Charset::UTF_8);
    let message = Message::parse(&readable).unwrap();
    let charset = Charset::of(&message, Charset::UTF_8).charset;
    let at = |path: &str| message.get(&path.parse().unwrap()).decode(charset);
    let (family, sex) = (at("PID-5.1"), at("PID-8"));
    assert_eq!((&*family.text, &*sex.text, family.had_errors), expected, "{msh_18}");
    assert_eq!((&*at("PV1-2").text, message.segments().len()), ("I", 3), "{msh_18}");
}

#[test]
fn case_14_a_character_that_looks_like_a_delimiter_tears_nothing_apart() {
    // The second bytes are those of | \ | ^.
    check_readable("BIG-5", b"\xa8\x7c^A", ("育", "F", false));
    check_readable("Shift_JIS", b"\x83\x5c\x83\x5c^A", ("ソソ", "F", false));
    check_readable("GB 18030-2000", b"\x81\x7c^A", ("亅", "F", false));
    check_readable("ISO IR87", b"\x1b$B%^\x1b(B^A", ("マ", "F", false));
    // The Roman set has a yen sign and an overline for backslash and tilde; as delimiters they are what they were.
    check_readable("ISO IR87", b"\x1b$B%^\x1b(J\\T\\B^A~C", ("マ&B", "F", false));
    // A line that does not return to single bytes does not take the next one along.
    check_readable("ISO IR87", b"A^\x1b$B%^", ("A", "", false));
}

#[test]
fn case_14_what_is_written_anew_keeps_its_escapes_and_says_where_bytes_had_no_meaning() {
    check_readable("Shift_JIS", b"\\X835C\\^A", ("ソ", "F", false));
    check_readable("Shift_JIS", b"\\X7C\\\\F\\X41^A", ("||X41", "F", false));
    check_readable("Shift_JIS", b"X835C\\E\\X835C^A", ("X835C\\X835C", "F", false));
    check_readable("Shift_JIS", b"\xfd^A", ("\u{fffd}", "F", true));
    check_readable("Shift_JIS", b"\\XFD\\^A", ("\u{fffd}", "F", true));
}

#[test]
fn case_14_what_can_be_taken_apart_as_it_is_stays_what_came() {
    for name in ["", "8859/1", "UNICODE UTF-8", "KLINGON", "UTF-16", "KS X 1001"] {
        let payload = format!("MSH|^~\\&|A|B|||||ADT^A01|1|P|2.5||||||{name}\rPID|||1\r");
        assert!(matches!(Charset::readable(payload.as_bytes(), Charset::UTF_8), Cow::Borrowed(_)), "{name}");
    }
    for payload in [&b"\xef\xbb\xbfMSH|^~\\&|A\r"[..], b"PID|1\r", b"MSH|^^^^|A\r", b""] {
        assert_eq!(Charset::readable(payload, Charset::named(b"BIG-5").unwrap()), payload);
    }
    // Where the message says nothing it is in the fallback.
    let payload = b"MSH|^~\\&|A\xa8\x7c|B\r";
    let readable = Charset::readable(payload, Charset::named(b"BIG-5").unwrap());
    assert_eq!(readable, "\u{feff}MSH|^~\\&|A育|B\r".as_bytes());
}
