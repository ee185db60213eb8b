//! Acknowledgements: what is echoed, what is our own, and what cannot break them.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use hl7::ack::{
    AckCode, AckError, Acknowledgement, Asked, Condition, ErrorCode, Reply, Verdict, ack, ack_unparsed,
};
use hl7::message::{Message, ParseError};

#[allow(dead_code, reason = "each test uses some of the samples")]
mod samples;

const ACCEPT: Reply<'_> = Reply {
    code: AckCode::ApplicationAccept,
    control_id: "9001",
    sent_at: "20260301101531.000+0000",
    text: None,
    error: None,
};

/// The answer to a message, its segments joined by line feeds.
#[track_caller]
fn check(payload: &[u8], reply: &Reply<'_>, expected: &[u8]) {
    let answer = ack(&Message::parse(payload).unwrap(), reply);
    let shown = String::from_utf8_lossy(&answer).replace('\r', "\n");
    assert_eq!(shown, String::from_utf8_lossy(expected).replace('\r', "\n"));
}

#[test]
fn case_11_an_acceptance_swaps_the_parties_and_echoes_the_control_id() {
    let expected = b"MSH|^~\\&|ERP|HQ^9.9^ISO|CHARGES|NORTH^1.2.3.4^ISO|20260301101531.000+0000||ACK^P03^ACK|9001|P|2.5.1\rMSA|AA|C000017\r";
    check(samples::DFT.as_bytes(), &ACCEPT, expected);
}

#[test]
fn case_11_a_resend_gets_the_same_code_and_control_id_in_a_fresh_answer() {
    let resent = samples::DFT.replace("20260301101530.1234", "20260301111530.9999");
    let again = Reply { control_id: "9002", ..ACCEPT };
    let first = ack(&Message::parse(samples::DFT.as_bytes()).unwrap(), &ACCEPT);
    let second = ack(&Message::parse(resent.as_bytes()).unwrap(), &again);
    assert_ne!(first, second);
    let [first, second] = [&first, &second].map(|answer| Acknowledgement::parse(answer).unwrap());
    assert_eq!((first.code, first.control_id), (second.code, second.control_id));
}

#[test]
fn case_12_a_header_that_cannot_be_parsed_is_answered_with_a_reason() {
    let reply = Reply { code: AckCode::ApplicationReject, text: Some("no header | at all"), ..ACCEPT };
    let answer = ack_unparsed(&reply);
    let expected: &[u8] =
        b"MSH|^~\\&|||||20260301101531.000+0000||ACK|9001||\rMSA|AR||no header \\F\\ at all\r";
    assert_eq!(String::from_utf8_lossy(&answer), String::from_utf8_lossy(expected));
}

#[test]
fn case_12_a_message_without_a_control_id_is_answered_with_a_reason() {
    let reply = Reply {
        code: AckCode::ApplicationReject,
        text: Some("MSH-10 is empty"),
        error: Some((ErrorCode::RequiredFieldMissing, "MSH-10".parse().ok())),
        ..ACCEPT
    };
    check(
        b"MSH|^~\\&|A|B|C|D|20260301||ADT^A08",
        &reply,
        b"MSH|^~\\&|C|D|A|B|20260301101531.000+0000||ACK^A08^ACK|9001||\rMSA|AR||MSH-10 is empty\r\
          ERR||MSH^1^10^1^1^1|101^Required field missing^HL70357|E||||MSH-10 is empty\r",
    );
}

#[test]
fn case_12b_the_processing_id_is_echoed() {
    let expected =
        b"MSH!*%$@#!ERP!HQ!REG!SOUTH*1.2!20260301101531.000+0000!!ACK*A01*ACK!9001!T!2.7\rMSA!AA!77\r";
    check(samples::ADT_CUSTOM.as_bytes(), &ACCEPT, expected);
}

#[test]
fn case_13_texts_are_escaped_in_the_delimiters_of_the_message() {
    let reply =
        Reply { code: AckCode::ApplicationError, text: Some("a!b*c%d$e@f#g|h\r\x1c\rMSA é€"), ..ACCEPT };
    check(
        samples::ADT_CUSTOM.as_bytes(),
        &reply,
        b"MSH!*%$@#!ERP!HQ!REG!SOUTH*1.2!20260301101531.000+0000!!ACK*A01*ACK!9001!T!2.7\r\
          MSA!AE!77!a$F$b$S$c$R$d$E$e$T$f$P$g|h$X0D$$X1C$$X0D$MSA ??\r",
    );
}

#[test]
fn what_is_echoed_keeps_its_bytes_except_those_that_would_end_the_frame() {
    check(
        b"MSH|^~\\&|A\xeb\\F\\|B~B2|C&c|\"\"|20260301||ADT^A01&x^Y|I D\x1c\\X41\\\xff|P^T|2.5^DEU\x1c",
        &ACCEPT,
        b"MSH|^~\\&|C&c|\"\"|A\xeb\\F\\|B~B2|20260301101531.000+0000||ACK^A01&x^ACK|9001|P^T|2.5^DEU\rMSA|AA|I D\\X41\\\xff\r",
    );
    check(
        b"MSH|^~\\&|A|B|C|D|||ADT|1",
        &ACCEPT,
        b"MSH|^~\\&|C|D|A|B|20260301101531.000+0000||ACK|9001||\rMSA|AA|1\r",
    );
}

#[test]
fn every_code_is_written_and_read_again() {
    for (code, letters) in AckCode::ALL {
        let answer = ack(&Message::parse(samples::DFT.as_bytes()).unwrap(), &Reply { code, ..ACCEPT });
        let received = Acknowledgement::parse(&answer).unwrap();
        assert_eq!((received.code, received.code.letters()), (code, letters));
        assert_eq!(received.control_id.raw(), b"C000017");
        assert_eq!(code.is_positive(), letters.ends_with('A'));
    }
}

#[test]
fn what_is_no_acknowledgement_is_said_to_be_none() {
    for (payload, expected) in [
        (&b"\x06"[..], AckError::Unparsed(ParseError::NoHeader)),
        (b"MSH|^~\\&|A\r", AckError::Missing),
        (b"MSH|^~\\&|A\rMSA|OK|1\r", AckError::Code),
    ] {
        assert_eq!(Acknowledgement::parse(payload), Err(expected));
    }
}

/// MSH-15 and MSH-16 ask for these codes when a message is accepted, failed, refused.
#[track_caller]
fn check_codes(accept: &str, application: &str, expected: [&str; 3]) {
    let payload = format!("MSH|^~\\&|A|B|C|D|20260301||ADT^A08|1|P|2.5|||{accept}|{application}\r");
    let asked = Asked::by(&Message::parse(payload.as_bytes()).unwrap());
    let said = [Verdict::Accepted, Verdict::Failed, Verdict::Refused]
        .map(|verdict| asked.codes(verdict).into_iter().map(AckCode::letters).collect::<Vec<_>>().join(" "));
    assert_eq!(said, expected, "{accept}|{application}");
}

#[test]
fn case_11_msh_15_and_16_say_which_answers_are_wanted() {
    // Original mode, and what the standard calls its equal.
    check_codes("", "", ["AA", "AE", "AR"]);
    check_codes("\"\"", "\"\"", ["AA", "AE", "AR"]);
    check_codes("NE", "AL", ["AA", "AE", "AR"]);
    check_codes("", "AL", ["AA", "AE", "AR"]);
    check_codes("AL", "NE", ["CA", "CE", "CR"]);
    check_codes("AL", "", ["CA", "CE", "CR"]);
    check_codes("AL", "AL", ["CA AA", "CE", "CR"]);
    check_codes("AL", "ER", ["CA", "CE", "CR"]);
    check_codes("AL", "SU", ["CA AA", "CE", "CR"]);
    check_codes("ER", "NE", ["", "CE", "CR"]);
    check_codes("ER", "AL", ["AA", "CE", "CR"]);
    check_codes("SU", "NE", ["CA", "", ""]);
    check_codes("SU", "ER", ["CA", "AE", "AR"]);
    check_codes("NE", "NE", ["", "", ""]);
    // What nobody knows is answered rather than left waiting.
    check_codes("al", "NE", ["CA", "CE", "CR"]);
}

#[test]
fn case_11_where_enhanced_mode_is_agreed_a_message_that_asks_for_nothing_is_answered_ca() {
    let asked = |end: &str| {
        let payload = format!("MSH|^~\\&|A|B|C|D|20260301||ADT^A08|1|P|2.5|||{end}\r");
        Asked::enhanced_by(&Message::parse(payload.as_bytes()).unwrap())
    };
    let (always, never) = (Condition::Always, Condition::Never);
    assert_eq!(asked(""), Asked::Enhanced { accept: always, application: never });
    assert_eq!(asked("NE|AL"), Asked::Enhanced { accept: never, application: always });
}
