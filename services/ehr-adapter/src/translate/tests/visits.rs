//! ADT: visits, moves of accounts, links of patients.

use super::*;
use canon::events::clinical_encounter::EncounterStatus;
use canon::{PatientToken, Phi};

#[track_caller]
fn encounters_of(more: &str, text: &str) -> Vec<Encounter> {
    let encounter = |statement| match statement {
        Statement::Encounter(_, visit) => *visit,
        other => panic!("no visit: {other:?}"),
    };
    statements_of(more, text).into_iter().map(encounter).collect()
}

#[track_caller]
fn encounter_of(edits: &[(&str, &str)]) -> Encounter {
    let mut visits = encounters_of("", &edited(ADT, edits));
    assert_eq!(visits.len(), 1);
    visits.remove(0)
}

#[test]
fn an_admission_says_what_its_message_said() {
    let visit =
        encounter_of(&[("SOUTH||||", "SOUTH|||W0^1|D9^Doe^Jane~D8"), ("Erika\r", "Erika|||||||||||||K7\r")]);
    let expected = Encounter {
        change: canon::Change::Recorded,
        encounter: tokens().encounter("LAKESIDE", "V100"),
        patient: Some(tokens().patient("LAKESIDE", "4711")),
        sender: "north".to_owned(),
        control_id: "17".to_owned(),
        trigger: "A01".to_owned(),
        visit_number: Phi("V100".to_owned()),
        status: EncounterStatus::InProgress,
        class: Some("I".to_owned()),
        facility: Some("SOUTH".to_owned()),
        location: Some("W1^12^3".to_owned()),
        prior_location: Some("W0^1".to_owned()),
        attending: Some(Phi("D9 Doe Jane".to_owned())),
        account: Some(tokens().account("LAKESIDE", "K7")),
        moved_to: None,
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
fn case_16_each_trigger_says_where_the_visit_stands_the_cancels_too() {
    use EncounterStatus::{Cancelled, Finished, InProgress, Planned, Unsaid};
    check_status("A01", InProgress);
    check_status("A02", Unsaid);
    check_status("A03", Finished);
    check_status("A04", InProgress);
    check_status("A05", Planned);
    check_status("A06", InProgress);
    check_status("A07", InProgress);
    check_status("A08", Unsaid);
    check_status("A11", Cancelled);
    check_status("A12", Unsaid);
    check_status("A13", InProgress);
}

#[test]
fn a_field_left_empty_says_nothing_and_two_quotes_delete() {
    let unsaid =
        encounter_of(&[("PV1|1|I|W1^12^3^SOUTH", "PV1|1||"), ("AOK1^^^X", ""), ("20260301080000", "")]);
    assert_eq!((unsaid.class, unsaid.payer, unsaid.admitted_at), (None, None, None));
    assert_eq!((unsaid.location, unsaid.facility.as_deref()), (None, Some("LAKESIDE")), "MSH-4");
    let deleted = encounter_of(&[("PV1|1|I|W1^12^3^SOUTH", "PV1|1|\"\"|\"\""), ("AOK1^^^X", "\"\"")]);
    let deleted = (deleted.class, deleted.payer, deleted.location);
    assert_eq!(deleted, (Some(String::new()), Some(String::new()), Some(String::new())));
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
    let by_type = encounters_of("patient_identifier_type: PI\n", ADT);
    assert_eq!(by_type[0].patient, Some(tokens().patient("LAKESIDE", "9")));
}

#[test]
fn places_in_z_segments_can_be_configured() {
    let message = edited(ADT, &[("||V100|", "|||"), ("IN1|1", "ZVI|x|V7^2~V8|Z2\rIN1|1")]);
    let visit = encounters_of("visit_paths: [ZVI-2]\npayer: ZVI-3\nfacility_paths: [ZVI-1]\n", &message);
    assert_eq!(visit[0].encounter, tokens().encounter("LAKESIDE", "V7"));
    assert_eq!((visit[0].payer.as_deref(), visit[0].facility.as_deref()), (Some("Z2"), Some("x")));
}

#[test]
fn an_account_stands_where_the_sender_says_and_is_of_the_authority_that_it_says() {
    let account = |more: &str, text: &str| encounters_of(more, text).remove(0).account;
    let text = edited(ADT, &[("Erika\r", "Erika|||||||||||||K7\rZAC|x|K9\r")]);
    let of = |authority: &str, number: &str| Some(tokens().account(authority, number));
    assert_eq!(account("", &text), of("LAKESIDE", "K7"));
    assert_eq!(account("account_path: ZAC-2\n", &text), of("LAKESIDE", "K9"));
    assert_eq!(account("account_path: ZAC-2\naccount_authority: BILLING\n", &text), of("BILLING", "K9"));
    assert_eq!(account("account_path: ZAC-3\n", &text), None);
    // Where visits are known by it, moves of accounts are moves of visits there too.
    let more = "account_path: ZAC-2\nvisit_paths: [ZAC-2]\n";
    let moved = edited(MERGE, &[("ADT^A40", "ADT^A44"), ("\rMRG", "\rZAC|x|K9\rMRG")]);
    let visits = encounters_of(more, &moved);
    let of = |number: &str| tokens().encounter("LAKESIDE", number);
    assert_eq!((visits[0].encounter, visits[0].moved_to), (of("K1"), Some(of("K9"))));
}

const MERGE: &str = "MSH|^~\\&|ADT1|LAKESIDE|VERTEBRA|HQ|20260301101500||ADT^A40|21|P|2.5\r\
    EVN|A40|20260301101400\r\
    PID|1||4711^^^LAKESIDE^MR||Muster^Erika|||||||||||||K2\r\
    MRG|9^^^OTHER^PI~815^^^LAKESIDE^MR||K1||V1\r\
    PV1|1|I|||||||||||||||||V2\r";

fn patient(id: &str) -> PatientToken {
    tokens().patient("LAKESIDE", id)
}

#[test]
fn case_16_a_merge_is_a_link_from_the_retired_patient_to_the_one_that_survives() {
    for trigger in ["A40", "A34", "A18"] {
        let statements = statements_of("", &edited(MERGE, &[("ADT^A40", &format!("ADT^{trigger}"))]));
        let [Statement::Link(name, link)] = &statements[..] else { panic!("one link: {statements:?}") };
        assert_eq!(name.as_str(), format!("patient-link/{}", patient("815")));
        assert_eq!((link.patient, link.survivor), (patient("815"), patient("4711")));
        assert_eq!((link.trigger.as_str(), link.occurred_at), (trigger, at("2026-03-01T09:14:00Z")));
    }
    let two = format!("{MERGE}PID|2||12^^^LAKESIDE\rMRG|13^^^LAKESIDE\r");
    assert_eq!(statements_of("", &two).len(), 2);
    let unnamed = "invalid: MRG-1 names no patient of the authority that counts";
    check_parks("", MERGE, &[("815^^^LAKESIDE", "815^^^ELSEWHERE")], unnamed);
    let the_same = "invalid: MRG-1 names the patient that it is to be merged into";
    check_parks("", MERGE, &[("815^^^LAKESIDE", "4711^^^LAKESIDE")], the_same);
}

/// The patients that retire, each into 4711.
#[track_caller]
fn check_retired(edits: &[(&str, &str)], expected: &[&str]) {
    let links: Vec<_> = statements_of("", &edited(MERGE, edits))
        .into_iter()
        .map(|statement| match statement {
            Statement::Link(_, link) => (link.patient, link.survivor),
            other => panic!("no link: {other:?}"),
        })
        .collect();
    let expected: Vec<_> = expected.iter().map(|id| (patient(id), patient("4711"))).collect();
    assert_eq!(links, expected);
}

#[test]
fn case_16_all_patients_that_a_merge_names_retire() {
    check_retired(&[("815^^^LAKESIDE^MR", "815^^^LAKESIDE^MR~816^^^LAKESIDE^MR")], &["815", "816"]);
    check_retired(&[("\rPV1", "\rMRG|817^^^LAKESIDE\rPV1")], &["815", "817"]);
    check_retired(&[("815^^^LAKESIDE^MR", "815^^^LAKESIDE^MR~815^^^LAKESIDE^PI")], &["815"]);
    let unnamed = "invalid: MRG-1 names no patient of the authority that counts";
    check_parks("", MERGE, &[("\rPV1", "\rMRG|817^^^OTHER\rPV1")], unnamed);
    let two = format!("{MERGE}PID|2||12^^^LAKESIDE\rMRG|815^^^LAKESIDE\r");
    check_parks("", &two, &[], "conflict: MRG-1 names a patient that is merged into two");
    let early = "unsupported: MRG stands before the first PID: not said to which it belongs";
    check_parks("", MERGE, &[("PID|1|", "MRG|817^^^LAKESIDE\rPID|1|")], early);
}

#[test]
fn case_16_visits_are_known_by_their_accounts_however_the_place_is_written() {
    let text = edited(MERGE, &[("ADT^A40", "ADT^A41")]);
    let told = |more: &str| {
        let visits = encounters_of(more, &text);
        (visits[0].encounter, visits[0].moved_to)
    };
    let of = |number: &str| tokens().encounter("LAKESIDE", number);
    for visits in ["PID-18.1", "'PID-18[1]'", "'PID[1]-18'", "PV1-19, PID-18"] {
        assert_eq!(told(&format!("visit_paths: [{visits}]\n")), (of("K1"), Some(of("K2"))), "{visits}");
        assert_eq!(told(&format!("account_path: PID-18.1\nvisit_paths: [{visits}]\n")), told(""), "{visits}");
    }
    check_nothing("visit_paths: [PID-18.2]\n", &text, &[], ("ADT^A41", Why::Account));
    // The survivor stands where the account does.
    let elsewhere = edited(&text, &[("|||K2\r", "|||K9^K2\r")]);
    let visits = encounters_of("account_path: PID-18.2\nvisit_paths: [PID-18.2]\n", &elsewhere);
    assert_eq!(visits[0].moved_to, Some(of("K2")));
}

#[test]
fn case_16_all_accounts_and_visits_that_are_merged_or_moved_say_where_they_went() {
    let told = |edits: &[(&str, &str)]| -> Vec<_> {
        let visits = encounters_of("", &edited(MERGE, edits));
        visits.into_iter().map(|visit| (visit.visit_number.reveal().clone(), visit.moved_to)).collect()
    };
    let into = |number: &str| Some(tokens().encounter("LAKESIDE", number));
    let of = |number: &str, survivor: &str| (number.to_owned(), into(survivor));
    let account = ("ADT^A40", "ADT^A41");
    assert_eq!(told(&[account, ("\rPV1", "\rMRG|||K7\rPV1")]), [of("K1", "K2"), of("K7", "K2")]);
    assert_eq!(told(&[account, ("||K1||", "||K1~K7~K1||")]), [of("K1", "K2"), of("K7", "K2")]);
    assert_eq!(told(&[("ADT^A40", "ADT^A45"), ("||V1\r", "||V1~V7\r")]), [of("V1", "V2"), of("V7", "V2")]);
    let names = named(&statements_of("", &edited(MERGE, &[account, ("||K1||", "||K1~K7||")])));
    assert_ne!(names[0], names[1]);
    let unsaid = "invalid: MRG-3 is empty: not said what was merged or moved";
    check_parks("", MERGE, &[account, ("\rPV1", "\rMRG|9\rPV1")], unsaid);
}

#[test]
fn an_unlink_takes_the_link_back_whichever_of_the_two_was_retired() {
    let unlink = edited(MERGE, &[("ADT^A40", "ADT^A37"), ("MRG|9^^^OTHER^PI~", "PID|2||")]);
    let expected = [patient("4711"), patient("815")].map(|token| {
        let name = Name::new("patient-link", &[token.as_str()]);
        Statement::Unlinked(name, token)
    });
    assert_eq!(statements_of("", &unlink), expected);
    let alone = "invalid: PID does not stand there twice: not said which patients are unlinked";
    check_parks("", MERGE, &[("ADT^A40", "ADT^A37")], alone);
}

#[test]
fn case_16_a_merged_account_says_where_it_went() {
    for trigger in ["A35", "A41", "A44"] {
        let message = edited(MERGE, &[("ADT^A40", &format!("ADT^{trigger}"))]);
        let visits = encounters_of("", &message);
        assert_eq!(visits.len(), 1);
        assert_eq!(visits[0].encounter, tokens().encounter("LAKESIDE", "K1"), "{trigger}");
        assert_eq!(visits[0].moved_to, Some(tokens().encounter("LAKESIDE", "K2")));
        assert_eq!(visits[0].patient, Some(patient("4711")));
        assert_eq!((visits[0].trigger.as_str(), visits[0].status), (trigger, EncounterStatus::Unsaid));
        // Where visits are not known by their accounts, nothing is known of a visit.
        let nothing = format!("ADT^{trigger}");
        check_nothing("visit_paths: [PV1-19]\n", &message, &[], (&nothing, Why::Account));
    }
    let visits = encounters_of("", &edited(MERGE, &[("ADT^A40", "ADT^A45")]));
    assert_eq!(visits[0].encounter, tokens().encounter("LAKESIDE", "V1"));
    assert_eq!(visits[0].moved_to, Some(tokens().encounter("LAKESIDE", "V2")));
    let same = encounters_of("", &edited(MERGE, &[("ADT^A40", "ADT^A44"), ("||K1||", "||K2||")]));
    assert_eq!(same[0].moved_to, None, "the account goes to another patient");
    let unsaid = "invalid: MRG-3 is empty: not said what was merged or moved";
    check_parks("", MERGE, &[("ADT^A40", "ADT^A41"), ("||K1||", "||||")], unsaid);
}

#[test]
fn a_second_patient_in_one_message_parks() {
    let parked = "unsupported: PID[2]: a second patient in one message";
    check_parks("", ADT, &[("IN1|1", "PID|2||5^^^LAKESIDE\rIN1|1")], parked);
}
