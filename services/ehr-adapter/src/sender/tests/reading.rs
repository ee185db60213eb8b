//! Files: how messages are read.

use super::*;
use crate::sender::reading::Facility;

#[track_caller]
fn read(more: &str) -> Reading {
    let sender = Sender::parse(&format!("{LEAST}{more}")).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    sender.reading
}

fn shown(paths: &[hl7::message::Path]) -> Vec<String> {
    paths.iter().map(ToString::to_string).collect()
}

#[test]
fn everything_has_a_default_but_what_nobody_can_guess() {
    let reading = read("");
    assert_eq!(shown(&reading.facility_paths), ["PV1-3.4", "MSH-4"]);
    assert_eq!(shown(&reading.order_paths), ["ORC-2", "OBR-2", "ORC-3", "OBR-3"]);
    assert_eq!(shown(&reading.appointment_paths), ["SCH-2", "SCH-1"]);
    assert_eq!(
        shown(&[reading.transaction, reading.charge_code, reading.department]),
        ["FT1-2", "FT1-7", "FT1-13"]
    );
    assert_eq!(
        (reading.account.path.to_string().as_str(), reading.account.authority.as_str()),
        ("PID-18", "NORTH")
    );
    assert_eq!(
        (reading.reversal, reading.dft.charge, reading.dft.consumption),
        (Reversal::Nothing, true, false)
    );
    assert_eq!((reading.ignored.len(), reading.facilities.len(), reading.lot), (0, 0, None));
}

#[test]
fn facilities_are_codes_elsewhere_each_of_them_optional() {
    let more =
        "facilities:\n  SOUTH: {company: base.smc, journal: '7', warehouse: WH, currency: CHF}\n  WEST: {}\n";
    let reading = read(more);
    let south = Facility {
        company: Some("base.smc".to_owned()),
        currency: Some("CHF".to_owned()),
        journal: Some("7".to_owned()),
        warehouse: Some("WH".to_owned()),
    };
    assert_eq!(reading.facility_of(Some("SOUTH")), Some(&south));
    assert_eq!(reading.facility_of(Some("WEST")), Some(&Facility::default()));
    assert_eq!((reading.facility_of(Some("EAST")), reading.facility_of(None)), (None, None));
}

#[test]
fn a_company_is_named_as_odoo_knows_it() {
    let is_taken = |id: &str| {
        let more = format!("facilities: {{SOUTH: {{company: {id:?}}}}}\n");
        Sender::parse(&format!("{LEAST}{more}")).is_ok()
    };
    for id in ["base.main_company", "__export__.res_company_2-x.y", "7"] {
        assert!(is_taken(id), "{id}");
    }
    for id in ["GEN", "0", "-7", "7.", ".x", "my company.x", "base.main company", "99999999999999999999"] {
        assert!(!is_taken(id), "{id}");
    }
}

#[test]
fn a_reversal_names_its_charge_in_one_of_three_ways() {
    let path = "ZFT-2".parse().expect("a path");
    assert_eq!(read("reversal: {names: transaction, path: ZFT-2}\n").reversal, Reversal::Transaction(path));
    assert_eq!(read("reversal: {names: itself}\n").reversal, Reversal::Itself);
    assert_eq!(read("reversal: {names: nothing}\n").reversal, Reversal::Nothing);
}

#[track_caller]
fn check_told(more: &str, expected: &[&str]) {
    check_mistakes(&format!("{LEAST}{more}"), expected);
}

#[test]
fn mistakes_inside_a_map_are_told_with_their_own_line() {
    check_told(
        "facilities:\n  SOUTH:\n    company: 7\n    colour: red\n  WEST:\n    currency: Franken\n    journal: INV\n",
        &[
            "line 8: facilities.SOUTH.company: is not an external id of odoo's such as base.main_company, or a database id in quotes",
            "line 9: facilities.SOUTH.colour: is not a field of a sender",
            "line 11: facilities.WEST.currency: is not three capital letters of ISO 4217",
            "line 12: facilities.WEST.journal: is not an external id of odoo's such as base.main_company, or a database id in quotes",
        ],
    );
    check_told(
        "reversal:\n  names: transaction\n  paths: FT1-3\n",
        &[
            "reversal.path: is missing: a path to the charge's transaction id, such as FT1-3 or ZFT-2",
            "line 8: reversal.paths: is not a field of a sender",
        ],
    );
    check_told(
        "reversal:\n  names: self\n",
        &["line 7: reversal.names: is not transaction, itself or nothing"],
    );
    check_told(
        "facilities: [SOUTH]\nreversal: itself\n",
        &[
            "line 6: facilities: is not a map such as {NORTH: {company: base.main_company, warehouse: WH/Stock, currency: EUR}}",
            "line 7: reversal: is not a map such as {names: transaction, path: FT1-3}, {names: itself} or {names: nothing}",
        ],
    );
}

#[test]
fn what_is_ignored_is_a_kind_of_message_perhaps_lacking_something() {
    let reading = read("ignore: [MDM, ADT^A17, ADT^A08 without a visit, SIU without a patient]\n");
    let passes = |code: &str, trigger: &str, has_visit: bool, has_patient: bool| {
        let mut rules = reading.ignored.iter().filter(|rule| rule.is_of(code, trigger));
        rules.any(|rule| rule.holds(has_visit, has_patient))
    };
    assert!(passes("MDM", "T02", true, true) && passes("ADT", "A17", true, true));
    assert!(!passes("ADT", "A01", false, false));
    assert!(passes("ADT", "A08", false, true) && !passes("ADT", "A08", true, false));
    assert!(passes("SIU", "S12", true, false) && !passes("SIU", "S12", false, true));
    let expects = "line 6: ignore: is not a list of messages such as [MDM, ADT^A17, ADT^A08 without a visit, SIU \
                   without a patient]";
    check_told("ignore: [ADT A08]\n", &[expects]);
    check_told("ignore: [ADT^A08 without a clue]\n", &[expects]);
    check_told("ignore: MDM\n", &[expects]);
}

#[test]
fn a_consumption_needs_no_currency() {
    let text = LEAST.replace("currency: EUR\n", "");
    check_mistakes(&format!("{text}dft: consumption\n"), &[]);
    check_mistakes(
        &format!("{text}dft: both\n"),
        &["currency: is missing: three capital letters of ISO 4217"],
    );
    check_told("dft: sometimes\n", &["line 6: dft: is not charge, consumption, both or ignore"]);
}

#[test]
fn a_character_set_is_one_that_messages_can_be_in() {
    assert_eq!(read("charset: BIG-5\n").charset.name(), "Big5");
    let expects = "line 6: charset: is not a character set such as UTF-8 or 8859/1; UTF-16 is none, since no message \
                   in it can be taken apart";
    check_told("charset: UNICODE UTF-16\n", &[expects]);
    check_told("charset: KLINGON\n", &[expects]);
}
