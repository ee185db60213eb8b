//! What messages mean, as data: a message with something changed, and what comes of it.

use super::*;
use crate::land::intake_for_tests;
use backbone::Folding;
use backbone::rig::Rig;
use canon::Money;
use canon::events::clinical_encounter::EncounterStatus;

const ADT: &str = "MSH|^~\\&|ADT1|LAKESIDE|VERTEBRA|HQ|20260301101500||ADT^A01|17|P|2.5\r\
    EVN|A01|20260301101400\r\
    PID|1||9^^^OTHER^PI~4711^^^LAKESIDE^MR||Muster^Erika\r\
    PV1|1|I|W1^12^3^SOUTH||||||||||||||||V100|||||||||||||||||||||||||20260301080000|\r\
    IN1|1|PLAN|AOK1^^^X\r";

const DFT: &str = "MSH|^~\\&|ADT1|LAKESIDE|VERTEBRA|HQ|20260301101500+0100||DFT^P03|18|P|2.5\r\
    PID|1||4711^^^LAKESIDE^MR||Muster^Erika|||||||||||||V100\r\
    FT1|1|T1||20260301|20260301|CG|A10^Swab||||12.50||D7\r\
    FT1|2|T2||||CG|A11|long text||3||4.10&USD\r";

fn sender(more: &str) -> Sender {
    let text = format!(
        "name: north\ntime_zone: Europe/Berlin\ncurrency: EUR\npatient_authority: LAKESIDE\n\
         visit_paths: [PV1-19, PID-18]\nvisit_authority: LAKESIDE\n{more}"
    );
    Sender::parse(&text).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

fn tokens() -> Tokenizer {
    Tokenizer::new(b"an invented secret of 32 bytes!!").expect("long enough")
}

fn edited(text: &str, edits: &[(&str, &str)]) -> String {
    edits.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from} is not in the message");
        text.replace(from, to)
    })
}

fn translated(more: &str, text: &str, homonyms: u32) -> Result<Vec<Statement>, Reject> {
    let sender = sender(more);
    let (_, _, raw) = intake_for_tests(&sender, &tokens(), text.as_bytes());
    translate(&Setup::new(vec![sender], tokens()), &raw, homonyms)
}

#[track_caller]
fn encounter_of(edits: &[(&str, &str)]) -> Encounter {
    let mut statements = translated("", &edited(ADT, edits), 0).expect("translated");
    match statements.pop() {
        Some(Statement::Encounter(_, visit)) if statements.is_empty() => *visit,
        other => panic!("not one visit: {other:?}"),
    }
}

#[track_caller]
fn charges_of(more: &str, text: &str) -> Vec<(String, Charge)> {
    let statements = translated(more, text, 0).expect("translated");
    let charge = |statement| match statement {
        Statement::Charge(name, charge) => (name.to_string(), *charge),
        Statement::Encounter(..) => panic!("a visit"),
    };
    statements.into_iter().map(charge).collect()
}

#[track_caller]
fn check_parks(text: &str, edits: &[(&str, &str)], expected: &str) {
    let parked = translated("", &edited(text, edits), 0).expect_err("parked").to_string();
    assert_eq!(parked, expected);
}

#[track_caller]
fn check_nothing(more: &str, text: &str, edits: &[(&str, &str)]) {
    assert_eq!(translated(more, &edited(text, edits), 0), Ok(Vec::new()));
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

#[test]
fn an_admission_says_what_its_message_said() {
    let visit = encounter_of(&[]);
    let expected = Encounter {
        change: canon::Change::Recorded,
        encounter: tokens().encounter("LAKESIDE", "V100"),
        patient: Some(tokens().patient("LAKESIDE", "4711")),
        sender: "north".to_owned(),
        control_id: "17".to_owned(),
        trigger: "A01".to_owned(),
        visit_number: canon::Phi("V100".to_owned()),
        status: EncounterStatus::InProgress,
        class: Some("I".to_owned()),
        facility: Some("SOUTH".to_owned()),
        payer: Some("AOK1".to_owned()),
        admitted_at: Some(at("2026-03-01T07:00:00Z")),
        discharged_at: None,
        occurred_at: at("2026-03-01T09:14:00Z"),
    };
    assert_eq!(visit, expected);
}

#[track_caller]
fn check_status(trigger: &str, expected: EncounterStatus) {
    let visit = encounter_of(&[("ADT^A01", &format!("ADT^{trigger}"))]);
    assert_eq!((visit.trigger.as_str(), visit.status), (trigger, expected));
}

#[test]
fn each_trigger_says_where_the_visit_stands() {
    check_status("A01", EncounterStatus::InProgress);
    check_status("A03", EncounterStatus::Finished);
    check_status("A04", EncounterStatus::InProgress);
    check_status("A08", EncounterStatus::Unsaid);
    check_status("A13", EncounterStatus::InProgress);
}

#[test]
fn a_field_left_empty_says_nothing_and_two_quotes_delete() {
    let unsaid =
        encounter_of(&[("PV1|1|I|W1^12^3^SOUTH", "PV1|1||"), ("AOK1^^^X", ""), ("20260301080000", "")]);
    assert_eq!((unsaid.class, unsaid.payer, unsaid.admitted_at), (None, None, None));
    assert_eq!(unsaid.facility.as_deref(), Some("LAKESIDE"), "MSH-4");
    let deleted = encounter_of(&[("PV1|1|I|", "PV1|1|\"\"|"), ("AOK1^^^X", "\"\"")]);
    assert_eq!((deleted.class.as_deref(), deleted.payer.as_deref()), (Some(""), Some("")));
    assert_eq!(encounter_of(&[("IN1|1|PLAN|AOK1^^^X\r", "")]).payer, None);
}

#[test]
fn a_message_occurred_when_its_event_did_else_when_it_was_sent_else_when_it_came() {
    assert_eq!(
        encounter_of(&[("A01|20260301101400", "A01|20260701101400")]).occurred_at,
        at("2026-07-01T08:14:00Z")
    );
    assert_eq!(encounter_of(&[("A01|20260301101400", "A01|")]).occurred_at, at("2026-03-01T09:15:00Z"));
    let unsaid = encounter_of(&[("A01|20260301101400", "A01|"), ("20260301101500", "")]);
    assert_eq!(unsaid.occurred_at, crate::land::RECEIVED_FOR_TESTS);
}

#[test]
fn the_trigger_may_stand_in_the_event_segment_only() {
    assert_eq!(encounter_of(&[("ADT^A01", "ADT")]).trigger, "A01");
}

#[test]
fn the_patient_is_the_one_of_the_configured_authority_and_never_simply_the_first() {
    assert_eq!(encounter_of(&[("LAKESIDE^MR", "ELSEWHERE^MR")]).patient, None);
    let by_universal_id = encounter_of(&[("4711^^^LAKESIDE^MR", "4711^^^ns&LAKESIDE&ISO^MR")]);
    assert_eq!(by_universal_id.patient, Some(tokens().patient("LAKESIDE", "4711")));
    let by_type = translated("patient_identifier_type: PI\n", ADT, 0).expect("translated");
    let Some(Statement::Encounter(_, visit)) = by_type.first() else { panic!("a visit") };
    assert_eq!(visit.patient, Some(tokens().patient("LAKESIDE", "9")));
}

#[test]
fn every_ft1_is_a_charge() {
    let charges = charges_of("", DFT);
    let visit = tokens().encounter("LAKESIDE", "V100");
    assert_eq!(charges.len(), 2);
    let (name, first) = &charges[0];
    assert_eq!(name, &format!("charge/north/{visit}/T1"));
    let expected = Charge {
        change: canon::Change::Recorded,
        charge: name.clone(),
        encounter: visit,
        patient: Some(tokens().patient("LAKESIDE", "4711")),
        sender: "north".to_owned(),
        control_id: "18".to_owned(),
        facility: Some("LAKESIDE".to_owned()),
        transaction_id: "T1".to_owned(),
        kind: canon::events::billing_charge::ChargeKind::Charge,
        code: "A10".to_owned(),
        description: Some(canon::Phi("Swab".to_owned())),
        quantity: "1".parse().expect("a number"),
        amount: "12.50".parse().expect("a number"),
        currency: "EUR".to_owned(),
        service_at: at("2026-02-28T23:00:00Z"),
        department: Some("D7".to_owned()),
        occurred_at: at("2026-03-01T09:15:00Z"),
    };
    assert_eq!(first, &expected);
    let (_, second) = &charges[1];
    assert_eq!(second.description, Some(canon::Phi("long text".to_owned())));
    assert_eq!((second.amount, second.currency.as_str()), ("12.30".parse().expect("a number"), "USD"));
    assert_eq!(second.service_at, second.occurred_at);
}

#[track_caller]
fn check_amount(ft1: &str, expected: &str) {
    let charges = charges_of("", &edited(DFT, &[("||||12.50||D7", ft1)]));
    assert_eq!(charges[0].1.amount, expected.parse::<Money>().expect("a number"), "{ft1}");
}

#[test]
fn amounts_are_exact_and_the_extended_one_wins() {
    check_amount("|||3|10.01|99.99", "10.01");
    check_amount("|||3||0.1", "0.3");
    check_amount("|||0.5||0.0002", "0.0001");
    check_amount("|||3|\"\"|2.5", "7.5");
    check_amount("||||-5", "-5");
    check_amount("|||| 12.5000&EUR^UP", "12.5");
    check_amount("||||99999999999999.9999", "99999999999999.9999");
}

#[test]
fn what_cannot_be_read_without_guessing_parks_and_names_its_position() {
    let amount = "||||12.50||D7";
    check_parks(DFT, &[(amount, "||||12.50001")], "invalid: FT1[1]-11 is more than 4 decimals");
    check_parks(DFT, &[(amount, "||||12,50")], "invalid: FT1[1]-11 is not a decimal number");
    check_parks(DFT, &[(amount, "||||999999999999999")], "invalid: FT1[1]-11 is more than 18 digits");
    check_parks(DFT, &[(amount, "")], "invalid: FT1[1]-11 and FT1-12 are empty: no amount");
    check_parks(
        DFT,
        &[(amount, "|||0.3||0.0001")],
        "invalid: FT1[1]-12 times FT1-10 has more than 4 decimals",
    );
    check_parks(DFT, &[(amount, "|||two|1")], "invalid: FT1[1]-10 is not a decimal number");
    check_parks(
        DFT,
        &[("&USD", "&dollar")],
        "invalid: FT1[2]-12 has a currency that is not three capital letters",
    );
    check_parks(DFT, &[("A10^Swab", "^Swab")], "invalid: FT1[1]-7 is empty: no charge code");
    check_parks(
        DFT,
        &[("|20260301|20260301|", "|20261301||")],
        "invalid: FT1[1]-4 the time's Month is out of range",
    );
    check_parks(DFT, &[("|V100", "|")], "invalid: PV1-19, else PID-18: no visit number");
    check_parks(DFT, &[("|V100", "|V\\X00\\")], "invalid: PV1-19, else PID-18 has control characters");
    check_parks(
        ADT,
        &[("A01|20260301101400", "A01|2026030110140")],
        "invalid: EVN-2 the time is cut short in its Second",
    );
    check_parks(
        ADT,
        &[("|17|P", "|17|")],
        "invalid: MSH-11 is empty; if this sender leaves it out, add \"\" to \
        `processing` in its configuration",
    );
    let no_ft1 = DFT.split("FT1").next().expect("a beginning").to_owned();
    check_parks(&no_ft1, &[], "invalid: a DFT without FT1");
}

#[test]
fn what_is_not_supported_yet_parks_and_says_so() {
    check_parks(DFT, &[("|CG|A10", "|CD|A10")], "unsupported: FT1[1]-6: credits (CD) are not translated yet");
    check_parks(
        DFT,
        &[("|CG|A10", "|AJ|A10")],
        "unsupported: FT1[1]-6: adjustments (AJ) are not translated yet",
    );
    check_parks(
        DFT,
        &[("|CG|A11", "|PY|A11")],
        "unsupported: FT1[2]-6: payments (PY) are not translated yet",
    );
    check_parks(
        DFT,
        &[("|CG|A11", "|XX|A11")],
        "unsupported: FT1[2]-6: not a transaction type that is translated: CG is",
    );
    check_parks(DFT, &[("|CG|A11", "||A11")], "invalid: FT1[2]-6 is empty: not said whether it is a charge");
}

#[test]
fn one_transaction_twice_in_a_message_parks_since_a_charge_would_be_lost() {
    check_parks(DFT, &[("|T2|", "|T1|")], "conflict: FT1[2]-2 is the id of an earlier FT1 of this message");
}

#[test]
fn a_charge_without_a_transaction_id_is_named_by_its_message_and_place() {
    let charges = charges_of("", &edited(DFT, &[("|T2|", "||")]));
    let visit = tokens().encounter("LAKESIDE", "V100");
    assert_eq!(charges[1].0, format!("charge/north/{visit}/18/2"));
    assert_eq!(charges[1].1.transaction_id, "18-2");
    let charges = charges_of("control_ids: restarts\n", &edited(DFT, &[("|T2|", "||")]));
    assert!(charges[1].0.starts_with(&format!("charge/north/{visit}/18/2/")), "{}", charges[1].0);
    assert_eq!(charges[0].0, format!("charge/north/{visit}/T1"));
}

#[test]
fn case_12b_training_messages_are_translated_only_where_that_is_configured() {
    check_nothing("", DFT, &[("|18|P|", "|18|T|")]);
    check_nothing("", DFT, &[("|18|P|", "|18|D|")]);
    assert_eq!(charges_of("processing: [P, T]\n", &edited(DFT, &[("|18|P|", "|18|T|")])).len(), 2);
    assert_eq!(charges_of("processing: [P, \"\"]\n", &edited(DFT, &[("|18|P|", "|18||")])).len(), 2);
}

#[test]
fn messages_that_are_not_mapped_come_to_nothing() {
    check_nothing("", ADT, &[("ADT^A01", "ADT^A31")]);
    check_nothing("", ADT, &[("ADT^A01", "ORU^R01")]);
    check_nothing("", DFT, &[("DFT^P03", "DFT^P11")]);
    check_nothing("dft: ignore\n", DFT, &[]);
    // Also when nothing in them can be read.
    check_nothing("", ADT, &[("ADT^A01", "ADT^A31"), ("V100", ""), ("20260301101400", "soon")]);
}

#[test]
fn latin_and_escapes_are_read_and_bytes_without_a_meaning_name_nobody() {
    let latin = ADT.replace("V100", "V\u{1}").into_bytes();
    let latin: Vec<u8> = latin.into_iter().map(|byte| if byte == 1 { 0xe4 } else { byte }).collect();
    let read = |more: &str| {
        let sender = sender(more);
        let (key, _, raw) = intake_for_tests(&sender, &tokens(), &latin);
        assert!(matches!(key, RawKey::Patient(_)));
        translate(&Setup::new(vec![sender], tokens()), &raw, 0)
    };
    let parked = read("").expect_err("parked").to_string();
    assert_eq!(parked, "invalid: PV1-19, else PID-18 has bytes that its character set does not know");
    let statements = read("charset: 8859/1\n").expect("translated");
    let Some(Statement::Encounter(_, visit)) = statements.first() else { panic!("a visit") };
    assert_eq!(visit.encounter, tokens().encounter("LAKESIDE", "Vä"));
    assert_eq!(encounter_of(&[("AOK1", "A\\T\\B")]).payer.as_deref(), Some("A&B"));
}

fn rig(more: &str) -> Rig<Translation> {
    let setup = Setup::new(vec![sender(more)], tokens());
    Rig::new(Folding::<Translation>::new(setup).on::<RawHl7v2>().emits::<Encounter>().emits::<Charge>())
}

fn sees(rig: &mut Rig<Translation>, more: &str, text: &str) {
    let (key, headers, raw) = intake_for_tests(&sender(more), &tokens(), text.as_bytes());
    let name: Name = headers.factname.parse().expect("a name");
    rig.sees_raw(name, headers.id, &key, raw);
}

#[test]
fn case_11_a_message_sent_again_with_a_new_time_comes_to_nothing_new() {
    let mut rig = rig("");
    sees(&mut rig, "", DFT);
    sees(&mut rig, "", &edited(DFT, &[("20260301101500+0100", "20260301111500+0100")]));
    assert_eq!(rig.emitted::<Charge>().len(), 2);
    assert_eq!(rig.parked(), []);
}

#[test]
fn a_control_id_given_twice_parks_where_they_are_unique_and_is_two_messages_where_they_restart() {
    let other = edited(ADT, &[("V100", "V200")]);
    let mut unique = rig("");
    sees(&mut unique, "", ADT);
    sees(&mut unique, "", &other);
    assert_eq!(unique.emitted::<Encounter>().len(), 1);
    assert_eq!(unique.parked().iter().map(|(reason, _)| *reason).collect::<Vec<_>>(), [Reason::Conflict]);
    let mut restarts = rig("control_ids: restarts\n");
    sees(&mut restarts, "control_ids: restarts\n", ADT);
    sees(&mut restarts, "control_ids: restarts\n", &other);
    assert_eq!(restarts.latest::<Encounter>().len(), 2);
    assert_eq!(restarts.parked(), []);
}

#[test]
fn case_12_what_cannot_be_read_parks_nobody_else_and_what_is_badly_said_parks_its_patients_next() {
    let mut rig = rig("");
    sees(&mut rig, "", "PID|1||4711\r");
    sees(&mut rig, "", &edited(ADT, &[("|17|", "||")]));
    sees(&mut rig, "", "BHS|^~\\&\rMSH|^~\\&\r");
    // No patient and no visit: nobody's, so nobody waits behind it.
    sees(&mut rig, "", &edited(ADT, &[("LAKESIDE^MR", "OTHER^MR"), ("V100", ""), ("|17|", "|1|")]));
    sees(&mut rig, "", &edited(ADT, &[("LAKESIDE^MR", "OTHER^MR"), ("|17|", "|2|")]));
    assert_eq!(rig.emitted::<Encounter>().len(), 1);
    sees(&mut rig, "", &edited(ADT, &[("V100", ""), ("|17|", "|3|")]));
    sees(&mut rig, "", &edited(ADT, &[("|17|", "|4|")]));
    assert_eq!(rig.emitted::<Encounter>().len(), 1);
    let reasons: Vec<&str> = rig.parked().iter().map(|(reason, _)| reason.as_str()).collect();
    assert_eq!(reasons, ["invalid", "invalid", "unsupported", "invalid", "invalid", "behind"]);
}

#[test]
fn the_order_of_messages_changes_no_fact() {
    let discharge = edited(ADT, &[("ADT^A01", "ADT^A03"), ("|17|", "|19|")]);
    let messages = [ADT, DFT, &discharge];
    let latest = |order: [usize; 3]| {
        let mut rig = rig("");
        order.iter().for_each(|place| sees(&mut rig, "", messages[*place]));
        (rig.latest::<Encounter>(), rig.latest::<Charge>())
    };
    let expected = latest([0, 1, 2]);
    assert_eq!((expected.0.len(), expected.1.len()), (2, 2));
    for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        assert_eq!(latest(order), expected, "{order:?}");
    }
}

#[test]
fn the_journal_tells_one_configuration_from_another_and_no_secret() {
    let one = format!("{:?}", Setup::new(vec![sender("")], tokens()));
    let same = format!("{:?}", Setup::new(vec![sender("idle_timeout: 5m\n")], tokens()));
    let other = format!("{:?}", Setup::new(vec![sender("processing: [T]\n")], tokens()));
    let secret = Tokenizer::new(b"another invented secret, 32 long").expect("long enough");
    let other_secret = format!("{:?}", Setup::new(vec![sender("")], secret));
    assert_eq!(one, same);
    assert_ne!(one, other);
    assert_ne!(one, other_secret);
    assert!(one.len() < 40, "{one}");
}
