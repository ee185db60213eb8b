//! The fold: names, repeats, what parks, and the order of messages.

use super::clinical::ORU;
use super::supply::RAS;
use super::*;
use crate::setup::Setup;
use backbone::rig::Rig;
use canon::events::clinical_encounter::EncounterStatus;
use canon::events::clinical_result::ResultStatus;
use canon::{Change, EncounterToken, Event, SenderConfig};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

pub(super) fn unmapped() -> UnmappedCount {
    UnmappedCount::new().expect("a count")
}

pub(super) fn rig(more: &str) -> Rig<Translation> {
    let mut rig = Rig::new(folding(Setup::new(tokens(), unmapped())));
    configures(&mut rig, more);
    for (key, code) in codes() {
        rig.knows::<Code>(&key, &code);
    }
    rig
}

pub(super) fn configures(rig: &mut Rig<Translation>, more: &str) {
    let name: canon::SenderName = "north".parse().expect("a name");
    let config = SenderConfig { change: Change::Recorded, sender: name.clone(), text: text(more) };
    rig.knows::<SenderConfig>(&name, &config);
}

pub(super) fn sees(rig: &mut Rig<Translation>, more: &str, text: &str) {
    let (key, headers, raw) = intake_for_tests(&sender(more), &tokens(), text.as_bytes());
    let name: Name = headers.factname.parse().expect("a name");
    rig.sees_raw(name, headers.id, &key, raw);
}

pub(super) fn reasons(rig: &Rig<Translation>) -> Vec<&'static str> {
    rig.parked().iter().map(|(reason, _)| reason.as_str()).collect()
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
fn case_11_a_message_sent_again_with_another_last_line_end_comes_to_nothing_new() {
    // Without a number of its own a charge is known by its message.
    let unnumbered = edited(DFT, &[("|T1|", "||"), ("|T2|", "||")]);
    let bare = unnumbered.trim_end();
    for more in ["", "control_ids: restarts\n"] {
        let mut rig = rig(more);
        sees(&mut rig, more, &unnumbered);
        for (before, end) in
            [("", ""), ("", "\r\n"), ("", "\n"), ("", "\r\r"), ("\r\n", "\r"), ("\u{feff}", "\r")]
        {
            sees(&mut rig, more, &format!("{before}{bare}{end}"));
        }
        assert_eq!((rig.emitted::<Charge>().len(), rig.parked()), (2, vec![]), "{more}");
    }
}

/// Those who sent a message before an upgrade may send it again after one.
#[test]
fn the_identity_of_a_message_that_ends_as_the_standard_says_is_its_hash_without_msh_7() {
    let (_, _, raw) = intake_for_tests(&sender(""), &tokens(), DFT.as_bytes());
    let plain = edited(DFT, &[("|20260301101500+0100|", "||")]);
    assert_eq!(raw.identity, <[u8; 32]>::from(Sha256::digest(plain)));
}

#[test]
fn a_control_id_given_twice_parks_where_they_are_unique_and_is_two_messages_where_they_restart() {
    let other = edited(ADT, &[("V100", "V200")]);
    let mut unique = rig("");
    sees(&mut unique, "", ADT);
    sees(&mut unique, "", &other);
    assert_eq!(unique.emitted::<Encounter>().len(), 1);
    assert_eq!(reasons(&unique), ["conflict"]);
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
    assert_eq!(reasons(&rig), ["invalid", "invalid", "unsupported", "invalid", "invalid", "behind"]);
}

#[test]
fn a_message_is_read_by_the_configuration_that_holds_when_it_is_folded() {
    let mut rig = rig("dft: ignore\n");
    sees(&mut rig, "", DFT);
    configures(&mut rig, "dft: charge\n");
    sees(&mut rig, "", &edited(DFT, &[("|18|", "|19|"), ("|T1|", "|T3|"), ("|T2|", "|T4|")]));
    let told: Vec<String> = rig.latest::<Charge>().into_iter().map(|charge| charge.transaction_id).collect();
    assert_eq!(told, ["T3", "T4"]);
}

/// Translated again under what holds now, the facts are at these visits and nowhere else.
#[track_caller]
fn check_again(before: &str, now: &str, messages: &[&str], visits: &[EncounterToken]) {
    let mut rig = rig(before);
    for text in messages {
        sees(&mut rig, before, text);
    }
    configures(&mut rig, now);
    let outcome = rig.folds_again::<RawHl7v2>(false);
    assert_eq!((outcome.rejected, outcome.failed), (BTreeMap::new(), None));
    let mut told: Vec<EncounterToken> =
        rig.latest::<Encounter>().into_iter().map(|visit| visit.encounter).collect();
    told.sort();
    let mut visits = visits.to_vec();
    visits.sort();
    assert_eq!(told, visits);
    assert_eq!(rig.parked(), []);
}

#[test]
fn a_message_that_turns_out_to_be_of_another_visit_is_taken_from_the_one_and_told_of_the_other() {
    let visit = |authority: &str, number: &str| tokens().encounter(authority, number);
    let account = edited(ADT, &[("Erika\r", "Erika|||||||||||||K7\r")]);
    check_again("", "visit_paths: [PID-18]\n", &[&account], &[visit("LAKESIDE", "K7")]);
    let two = edited(&account, &[("|17|", "|19|"), ("V100", "V200")]);
    check_again(
        "visit_paths: [PID-18]\n",
        "",
        &[&account, &two],
        &[visit("LAKESIDE", "V100"), visit("LAKESIDE", "V200")],
    );
    let moved = "MSH|^~\\&|A|LAKESIDE|V|HQ|20260301101500||ADT^A41|21|P|2.5\rEVN|A41\r\
        PID|1||4711^^^LAKESIDE|||||||||||||||K2\rMRG|||K1\rPID|2||4711^^^LAKESIDE|||||||||||||||K4\rMRG|||K3\r";
    let of_accounts = ["K1", "K3"].map(|number| visit("ACCOUNTS", number));
    check_again("", "visit_paths: [PID-18]\nvisit_authority: ACCOUNTS\n", &[moved], &of_accounts);
}

#[test]
fn an_administration_that_is_corrected_to_a_refusal_takes_nothing_from_stock() {
    let mut rig = rig("");
    sees(&mut rig, "", RAS);
    assert_eq!(rig.latest::<Consumption>().len(), 1);
    sees(&mut rig, "", &edited(RAS, &[("|32|", "|34|"), ("20271130", "20271130||||RE|U")]));
    assert_eq!((rig.latest::<Consumption>(), rig.parked()), (vec![], vec![]));
    // It was given after all.
    sees(&mut rig, "", &edited(RAS, &[("|32|", "|35|"), ("20271130", "20271130||||CP|U")]));
    assert_eq!(rig.latest::<Consumption>().len(), 1);
}

#[test]
fn case_16_a_corrected_result_corrects_the_fact() {
    let mut rig = rig("");
    sees(&mut rig, "", ORU);
    let corrected = [("|61|", "|62|"), ("||F\rOBX|1|NM", "||C\rOBX|1|NM"), ("||7.1|", "||7.4|")];
    sees(&mut rig, "", &edited(ORU, &corrected));
    let results = rig.latest::<LabResult>();
    assert_eq!(results.len(), 2);
    assert_eq!((results[0].change, results[0].status), (Change::Corrected, ResultStatus::Corrected));
    assert_eq!(results[0].observations[0].value, Some(canon::Phi("7.4".to_owned())));
    let revisions: Vec<_> = rig.headers(LabResult::TOPIC).iter().map(|headers| headers.revision).collect();
    assert_eq!(revisions, [Some(1), Some(1), Some(2), Some(2)]);
}

#[test]
fn case_16_a_corrected_value_corrects_a_report_that_does_not_say_where_it_stands() {
    let unsaid = edited(ORU, &[("||F\rOBX|1|NM", "||\rOBX|1|NM")]);
    let mut rig = rig("");
    sees(&mut rig, "", &unsaid);
    let first = rig.latest::<LabResult>().remove(0);
    assert_eq!((first.change, first.status), (Change::Recorded, ResultStatus::Final));
    sees(&mut rig, "", &edited(&unsaid, &[("|61|", "|62|"), ("||7.1|", "||7.4|"), ("|N|||F", "|N|||C")]));
    let result = rig.latest::<LabResult>().remove(0);
    assert_eq!((result.change, result.status), (Change::Corrected, ResultStatus::Corrected));
    let told =
        result.observations.iter().map(|one| (one.status, one.value.clone().map(canon::Phi::into_inner)));
    let expected = [(ResultStatus::Corrected, "7.4"), (ResultStatus::Final, "9.0")];
    let expected = expected.map(|(status, value)| (status, Some(value.to_owned())));
    assert_eq!(told.collect::<Vec<_>>(), expected, "the other value stands");
}

#[test]
fn case_16_an_update_after_a_discharge_reopens_nothing() {
    let mut rig = rig("");
    let later = |trigger: &str, id: &str, at: &str| {
        let (kind, id) = (format!("ADT^{trigger}"), format!("|{id}|P"));
        edited(ADT, &[("ADT^A01", &kind), ("|17|P", &id), ("A01|20260301101400", &format!("{trigger}|{at}"))])
    };
    sees(&mut rig, "", ADT);
    sees(&mut rig, "", &later("A03", "18", "20260302101400"));
    sees(&mut rig, "", &later("A08", "19", "20260303101400"));
    let told = |rig: &Rig<Translation>| -> Vec<_> {
        rig.latest::<Encounter>().into_iter().map(|visit| (visit.change, visit.status)).collect()
    };
    use EncounterStatus::{Finished, InProgress, Unsaid};
    let expected = [InProgress, Finished, Unsaid].map(|status| (Change::Recorded, status));
    assert_eq!(told(&rig), expected, "the discharge is the last word on where the visit stands");
    sees(&mut rig, "", &later("A13", "20", "20260304101400"));
    assert_eq!(told(&rig).last(), Some(&(Change::Recorded, InProgress)), "its cancel does reopen");
    assert_eq!(rig.parked(), []);
}

#[test]
fn case_16_a_merge_links_and_an_unlink_takes_it_back() {
    let merge = "MSH|^~\\&|A|LAKESIDE|V|HQ|20260301101500||ADT^A40|71|P|2.5\rEVN|A40\r\
        PID|1||4711^^^LAKESIDE\rMRG|815^^^LAKESIDE\r";
    let mut rig = rig("");
    sees(&mut rig, "", merge);
    assert_eq!(rig.latest::<PatientLink>().len(), 1);
    // What still comes under the retired number is that patient's, as before: no key is moved.
    sees(&mut rig, "", &edited(ADT, &[("4711", "815")]));
    assert_eq!(rig.latest::<Encounter>()[0].patient, Some(tokens().patient("LAKESIDE", "815")));
    let unlink = [("A40", "A37"), ("|71|", "|72|"), ("MRG|", "PID|2||")];
    sees(&mut rig, "", &edited(merge, &unlink));
    assert_eq!(rig.latest::<PatientLink>(), []);
    assert_eq!(rig.parked(), []);
}

#[test]
fn a_charge_that_is_sent_again_with_another_amount_is_corrected_and_its_credit_is_a_fact_of_its_own() {
    let more = "reversal: {names: itself}\n";
    let mut rig = rig(more);
    sees(&mut rig, more, DFT);
    sees(&mut rig, more, &edited(DFT, &[("|18|", "|19|"), ("12.50", "13.50")]));
    sees(&mut rig, more, &edited(DFT, &[("|18|", "|20|"), ("12.50", "13.50"), ("|CG|A10", "|CD|A10")]));
    let charges = rig.latest::<Charge>();
    let told: Vec<_> =
        charges.iter().map(|charge| (charge.transaction_id.as_str(), charge.amount.to_string())).collect();
    assert_eq!(told, [("T1", "13.5".to_owned()), ("T1", "-13.5".to_owned()), ("T2", "12.3".to_owned())]);
    assert_eq!(charges[1].reverses.as_ref(), Some(&charges[0].charge));
}

#[test]
fn a_charge_that_is_told_again_after_its_facilitys_company_was_put_right_is_corrected() {
    let more = "facilities: {LAKESIDE: {company: base.north}}\n";
    let mut rig = rig(more);
    sees(&mut rig, more, DFT);
    let put_right = "facilities: {LAKESIDE: {company: base.south}}\n";
    configures(&mut rig, put_right);
    sees(&mut rig, put_right, &edited(DFT, &[("|18|", "|19|")]));
    let charges = rig.latest::<Charge>();
    let told: Vec<_> = charges.iter().map(|charge| (charge.change, charge.company.as_deref())).collect();
    assert_eq!(told, [(Change::Corrected, Some("base.south")); 2]);
}

#[test]
fn codes_that_stand_in_facts_as_they_are_said_are_counted_by_sender_table_and_code() {
    let count = unmapped();
    let mut rig = Rig::new(folding(Setup::new(tokens(), count.clone())));
    configures(&mut rig, "");
    sees(&mut rig, "", DFT);
    sees(&mut rig, "", &edited(DFT, &[("|18|", "|19|"), ("||D7", "||Muster, Erika")]));
    assert_eq!(rig.parked(), []);
    let mut told: Vec<Vec<String>> = prometheus::core::Collector::collect(&count)[1]
        .get_metric()
        .iter()
        .map(|metric| metric.get_label().iter().map(|label| label.value().to_owned()).collect())
        .collect();
    told.sort();
    // What a sender writes there is a label only where it looks like a code.
    assert_eq!(told, [["D7", "north", "department"], ["other", "north", "department"]]);
}

#[test]
fn the_order_of_messages_changes_no_fact() {
    let discharge = edited(ADT, &[("ADT^A01", "ADT^A03"), ("|17|", "|19|")]);
    let credit = edited(DFT, &[("|18|", "|21|"), ("|CG|A10", "|CD|A10"), ("|T2|", "|T3|")]);
    let messages = [ADT, DFT, &discharge, &credit];
    let latest = |order: &[usize]| {
        let mut rig = rig("");
        order.iter().for_each(|place| sees(&mut rig, "", messages[*place]));
        (rig.latest::<Encounter>(), rig.latest::<Charge>())
    };
    let expected = latest(&[0, 1, 2, 3]);
    assert_eq!((expected.0.len(), expected.1.len()), (2, 4));
    for order in permutations(4) {
        assert_eq!(latest(&order), expected, "{order:?}");
    }
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for shorter in permutations(count - 1) {
        for place in 0..count {
            let mut longer = shorter.clone();
            longer.insert(place, count - 1);
            all.push(longer);
        }
    }
    all
}

#[test]
fn what_comes_to_nothing_is_counted_by_sender_kind_and_reason() {
    let count = unmapped();
    let add = |what: &str, why| count.add("north", &Unmapped { what: what.to_owned(), why });
    add("ADT^A17", Why::NotMapped);
    add("ADT^A17", Why::NotMapped);
    add("FT1 PY", Why::Payment);
    // What a sender writes there is no label.
    for what in
        ["ADT^Erika Muster", "ADT^Muster", "Muster^A01", "ADT^A01^Muster", "ADT^a01", "Erika", "Eri PY", ""]
    {
        add(what, Why::NotMapped);
    }
    add("ADT^", Why::NotMapped);
    add("RXD", Why::NotMapped);
    let told: Vec<(Vec<String>, f64)> = prometheus::core::Collector::collect(&count)[0]
        .get_metric()
        .iter()
        .map(|metric| {
            let labels = metric.get_label().iter().map(|label| label.value().to_owned());
            (labels.collect(), metric.get_counter().get_value())
        })
        .collect();
    let row = |reason: &str, what: &str, count| {
        (vec![reason.to_owned(), "north".to_owned(), what.to_owned()], count)
    };
    let mut told = told;
    told.sort_by(|left, right| left.0.cmp(&right.0));
    assert_eq!(
        told,
        [
            row("not_mapped", "ADT^", 1.0),
            row("not_mapped", "ADT^A17", 2.0),
            row("not_mapped", "RXD", 1.0),
            row("not_mapped", "other", 8.0),
            row("payment", "FT1 PY", 1.0)
        ]
    );
}

#[test]
fn the_journal_tells_one_secret_from_another_and_neither() {
    let told = |secret: &[u8]| {
        let tokens = Tokenizer::new(secret).expect("long enough");
        format!("{:?}", Setup::new(tokens, unmapped()))
    };
    let (one, other) = (told(b"an invented secret of 32 bytes!!"), told(b"another invented secret, 32 long"));
    assert_ne!(one, other);
    assert!(one.len() < 40, "{one}");
}
