//! Case 14: MSH-18 absent, wrong or misspelt, a byte order mark, Latin-1.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

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
    // The second byte of this character is a backslash; decoded first, nothing is torn apart.
    let payload = b"MSH|^~\\&|A\rPID|||1||\x83\x5c|x\r";
    let text = Charset::named(b"Shift_JIS").unwrap().decode(payload).text;
    let message = Message::parse(text.as_bytes()).unwrap();
    assert_eq!(message.segment("PID").unwrap().field(5).text(Charset::UTF_8), "ソ");
}
