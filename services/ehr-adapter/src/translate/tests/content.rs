//! Cases 12b, 14, 15, 17 of what senders do to contents; 16 is in `visits`, `charges` and `fold`.

use super::clinical::{ORU, results_of};
use super::*;
use canon::events::clinical_result::ResultStatus;
use canon::{Phi, RawKey};

#[test]
fn case_12b_training_messages_are_translated_only_where_that_is_configured() {
    check_nothing("", DFT, &[("|18|P|", "|18|T|")], ("DFT^P03", Why::Processing));
    check_nothing("", DFT, &[("|18|P|", "|18|D|")], ("DFT^P03", Why::Processing));
    assert_eq!(statements_of("processing: [P, T]\n", &edited(DFT, &[("|18|P|", "|18|T|")])).len(), 2);
    assert_eq!(statements_of("processing: [P, \"\"]\n", &edited(DFT, &[("|18|P|", "|18||")])).len(), 2);
}

#[test]
fn messages_that_are_not_mapped_come_to_nothing_and_say_so() {
    check_nothing("", ADT, &[("ADT^A01", "ADT^A17")], ("ADT^A17", Why::NotMapped));
    check_nothing("", ADT, &[("ADT^A01", "MDM^T02")], ("MDM^T02", Why::NotMapped));
    // Also when nothing in them can be read.
    let unreadable = [("ADT^A01", "ADT^A17"), ("V100", ""), ("20260301101400", "soon"), ("|17|P", "|17|")];
    check_nothing("", ADT, &unreadable, ("ADT^A17", Why::NotMapped));
    // What is said of a person alone is the other projection's.
    assert_eq!(translated("", &edited(ADT, &[("ADT^A01", "ADT^A31")]), 0), Ok(Translated::default()));
}

#[test]
fn what_the_sender_is_configured_to_ignore_never_parks() {
    let more = "ignore: [ADT^A08 without a visit, ADT^A05, DFT]\n";
    let update = [("ADT^A01", "ADT^A08"), ("V100", "")];
    check_nothing(more, ADT, &update, ("ADT^A08", Why::Ignored));
    assert_eq!(statements_of(more, &edited(ADT, &update[..1])).len(), 1, "it names a visit");
    check_nothing(more, ADT, &[("ADT^A01", "ADT^A05")], ("ADT^A05", Why::Ignored));
    check_nothing(more, DFT, &[("|CG|A10", "|??|A10")], ("DFT^P03", Why::Ignored));
    check_parks(more, ADT, &[("V100", "")], "invalid: PV1-19, else PID-18: no visit number");
}

/// The visit's number of a message whose number has these bytes in it.
fn visit_number(more: &str, number: &[u8], msh18: &str, bom: bool) -> Result<String, String> {
    let text = ADT.replace("|17|P|2.5\r", &format!("|17|P|2.5||||||{msh18}\r"));
    let mut bytes = if bom { b"\xef\xbb\xbf".to_vec() } else { Vec::new() };
    let (before, after) = text.split_once("V100").expect("a number");
    bytes.extend_from_slice(before.as_bytes());
    bytes.extend_from_slice(number);
    bytes.extend_from_slice(after.as_bytes());
    let translated = translated_bytes(more, &bytes, 0).map_err(|reject| reject.to_string())?;
    match &translated.statements[..] {
        [Statement::Encounter(_, visit)] => Ok(visit.visit_number.reveal().clone()),
        other => panic!("no visit: {other:?}"),
    }
}

#[test]
fn case_14_character_sets_absent_wrong_misspelt_with_a_mark() {
    let (latin, utf8) = (b"V\xe4".as_slice(), "Vä".as_bytes());
    let illegible = "invalid: PV1-19, else PID-18 has bytes that its character set does not know";
    let check = |more: &str, bytes: &[u8], msh18: &str, bom: bool, expected: Result<&str, &str>| {
        let read = visit_number(more, bytes, msh18, bom);
        assert_eq!(read.as_deref().map_err(String::as_str), expected, "{msh18}");
    };
    check("", utf8, "", false, Ok("Vä"));
    check("", latin, "", false, Err(illegible));
    check("charset: 8859/1\n", latin, "", false, Ok("Vä"));
    check("", latin, "8859/1", false, Ok("Vä"));
    check("", latin, "ISO_IR 100", false, Ok("Vä"));
    check("", latin, "UNICODE UTF-8", false, Err(illegible));
    check("", utf8, "nonsense", false, Ok("Vä"));
    check("", utf8, "UNICODE UTF-16", false, Ok("Vä"));
    check("charset: 8859/1\n", latin, "UTF-16", false, Ok("Vä"));
    check("", utf8, "8859/1", true, Ok("Vä"));
    check("charset: 8859/1\n", utf8, "", true, Ok("Vä"));
}

#[test]
fn case_14_bytes_without_a_meaning_name_nobody_and_free_text_shows_where_they_were() {
    let text = edited(DFT, &[("|long text|", "|l\u{1}ng text|")]).into_bytes();
    let bytes: Vec<u8> = text.into_iter().map(|byte| if byte == 1 { 0xf6 } else { byte }).collect();
    let translated = translated_bytes("", &bytes, 0).expect("translated");
    let Statement::Charge(_, charge) = &translated.statements[1] else { panic!("a charge") };
    assert_eq!(charge.description, Some(Phi("l\u{fffd}ng text".to_owned())));
    let (key, _, _) = intake_for_tests(&sender(""), &tokens(), &bytes);
    assert!(matches!(key, RawKey::Patient(_)));
}

/// The visit of a message whose patient's name has these bytes, as it is keyed and as it is translated.
#[track_caller]
fn check_shifts_nothing(more: &str, msh18: &str, name: &[u8]) {
    let text =
        edited(DFT, &[("|18|P|2.5\r", &format!("|18|P|2.5||||||{msh18}\r")), ("LAKESIDE^MR", "OTHER")]);
    let (before, after) = text.split_once("Muster").expect("a name");
    let bytes = [before.as_bytes(), name, after.as_bytes()].concat();
    let (key, _, raw) = intake_for_tests(&sender(more), &tokens(), &bytes);
    let visit = tokens().encounter("LAKESIDE", "V100");
    assert_eq!(key, RawKey::Visit(visit), "{msh18}");
    assert_eq!(raw.payload.reveal(), &bytes, "what came is what lands");
    let translated = translated_bytes(more, &bytes, 0).expect("translated");
    let Some(Statement::Charge(_, charge)) = translated.statements.first() else { panic!("a charge") };
    assert_eq!(charge.encounter, visit, "{msh18}");
}

#[test]
fn case_14_a_character_that_looks_like_a_delimiter_shifts_no_field() {
    check_shifts_nothing("", "BIG-5", b"\xa8\x7c");
    check_shifts_nothing("charset: BIG-5\n", "", b"\xa8\x7c");
    check_shifts_nothing("", "GB 18030-2000", b"\x81\x7c");
    check_shifts_nothing("", "Shift_JIS", b"\x83\x7c");
    check_shifts_nothing("", "ISO IR87", b"\x1b$B%|\x1b(B");
}

#[test]
fn case_14_bytes_without_a_meaning_name_nobody_where_the_message_is_written_anew_too() {
    let illegible = "invalid: PV1-19, else PID-18 has bytes that its character set does not know";
    assert_eq!(visit_number("", b"V\x83\x5c", "Shift_JIS", false).as_deref(), Ok("Vソ"));
    assert_eq!(visit_number("", b"V\xfd", "Shift_JIS", false), Err(illegible.to_owned()));
}

#[test]
fn case_15_escapes_are_read_where_they_stand() {
    let payer = |code: &str| {
        let statements = statements_of("", &edited(ADT, &[("AOK1", code)]));
        let Some(Statement::Encounter(_, visit)) = statements.first() else { panic!("a visit") };
        visit.payer.clone()
    };
    assert_eq!(payer("A\\T\\B").as_deref(), Some("A&B"));
    assert_eq!(payer("A\\F\\B\\S\\C\\R\\D\\E\\E").as_deref(), Some("A|B^C~D\\E"));
    assert_eq!(payer("A\\X42\\C").as_deref(), Some("ABC"));
    assert_eq!(payer("A\\Q\\B").as_deref(), Some("A\\Q\\B"), "nobody knows what it means");
    assert_eq!(payer("A\\B").as_deref(), Some("A\\B"), "it never ends");
    let text = edited(DFT, &[("|long text|", "|one\\.br\\two|")]);
    let Statement::Charge(_, charge) = &statements_of("", &text)[1] else { panic!("a charge") };
    assert_eq!(charge.description, Some(Phi("one\ntwo".to_owned())));
}

#[test]
fn case_15_a_value_is_kept_as_written_repeated_or_of_a_type_that_was_not_announced() {
    let value = |from: &str, to: &str| {
        let (_, result) = results_of(&edited(ORU, &[(from, to)])).remove(1);
        let observation = &result.observations[0];
        (observation.value_type.clone(), observation.value.clone().map(Phi::into_inner))
    };
    let of = |kind: &str, value: &str| (Some(kind.to_owned()), Some(value.to_owned()));
    assert_eq!(value("||<5|", "||<5~see below|"), of("ST", "<5~see below"));
    assert_eq!(value("|ST|CRP||<5|", "|NM|CRP||not measured|"), of("NM", "not measured"));
    assert_eq!(value("|ST|CRP||<5|", "|NM|CRP||NEG^negative^L|"), of("NM", "NEG^negative^L"));
    assert_eq!(value("|ST|CRP||<5|", "||CRP||<5|"), (None, Some("<5".to_owned())));
    assert_eq!(value("||<5|", "||\"\"|"), (Some("ST".to_owned()), None));
    assert_eq!(value("|ST|CRP||<5|", "|ZZ|CRP|"), (Some("ZZ".to_owned()), None));
}

#[test]
fn case_15_versions_from_2_1_to_2_8_are_read_alike() {
    let ends = |text: &str| {
        let statements = statements_of("", text);
        let Some(Statement::Encounter(_, visit)) = statements.first() else { panic!("a visit") };
        (visit.trigger.clone(), visit.encounter, visit.payer.clone(), visit.occurred_at)
    };
    let expected = ends(ADT);
    for (from, to) in [
        ("ADT^A01|17|P|2.5", "ADT|17|P|2.1"),
        ("ADT^A01|17|P|2.5", "ADT^A01|17|P^T|2.3.1"),
        ("ADT^A01|17|P|2.5", "ADT^A01^ADT_A01|17|P^T|2.8^USA^2.8"),
        ("MSH|^~\\&|", "MSH|^~\\&#|"),
        ("|20260301101400\r", "|20260301101400|||Z9^Zed\r"),
    ] {
        assert_eq!(ends(&edited(ADT, &[(from, to)])), expected, "{to}");
    }
    assert_eq!(ends(&ADT.replace('\r', "\n")), expected);
    assert_eq!(ends(&ADT.replace('\r', "\r\n")), expected);
    assert_eq!(ends(&ADT.replace("PID|", "ZXY|anything\rPID|")), expected);
}

#[track_caller]
fn check_time(more: &str, written: &str, expected: Result<&str, &str>) {
    let text = edited(ADT, &[("A01|20260301101400", &format!("A01|{written}"))]);
    let read = translated(more, &text, 0).map(|translated| match &translated.statements[..] {
        [Statement::Encounter(_, visit)] => visit.occurred_at,
        other => panic!("no visit: {other:?}"),
    });
    assert_eq!(
        read.map_err(|reject| reject.to_string()),
        expected.map(at).map_err(str::to_owned),
        "{written}"
    );
}

#[test]
fn case_17_times_of_every_precision_in_the_senders_zone_or_with_their_own_offset() {
    check_time("", "2026", Ok("2025-12-31T23:00:00Z"));
    check_time("", "202607", Ok("2026-06-30T22:00:00Z"));
    check_time("", "20260701", Ok("2026-06-30T22:00:00Z"));
    check_time("", "2026070112", Ok("2026-07-01T10:00:00Z"));
    check_time("", "202601011200", Ok("2026-01-01T11:00:00Z"));
    check_time("", "20260701123015", Ok("2026-07-01T10:30:15Z"));
    check_time("", "20260701123015.1234", Ok("2026-07-01T10:30:15.1234Z"));
    check_time("", "20260701123015.1234-0500", Ok("2026-07-01T17:30:15.1234Z"));
    check_time("", "20260701+0000", Ok("2026-07-01T00:00:00Z"));
    // Clocks go forward: the hour is not there. They go back: it is there twice, and the first is meant.
    check_time("", "20260329023000", Ok("2026-03-29T01:30:00Z"));
    check_time("", "20261025023000", Ok("2026-10-25T00:30:00Z"));
    check_time("", "20261301", Err("invalid: EVN-2 the time's Month is out of range"));
    check_time("", "yesterday", Err("invalid: EVN-2 the time has an unexpected character at byte 0"));
}

#[test]
fn case_16_the_status_of_a_result_is_the_reports_else_that_of_its_least_settled_value() {
    let status = |edits: &[(&str, &str)]| results_of(&edited(ORU, edits)).remove(0).1.status;
    assert_eq!(status(&[]), ResultStatus::Final);
    assert_eq!(status(&[("||F\rOBX|1|NM", "||C\rOBX|1|NM")]), ResultStatus::Corrected);
    let by_values = ("||F\rOBX|1|NM", "||\rOBX|1|NM");
    assert_eq!(status(&[by_values]), ResultStatus::Final);
    assert_eq!(status(&[by_values, ("|L|||F", "|L|||C")]), ResultStatus::Corrected);
    assert_eq!(status(&[by_values, ("|L|||F", "|L|||P")]), ResultStatus::Preliminary);
}
