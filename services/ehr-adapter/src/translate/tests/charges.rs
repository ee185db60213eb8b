//! DFT: charges, credits, adjustments, and what they take back.

use super::*;
use canon::events::billing_charge::ChargeKind;
use canon::{Money, Phi};

#[track_caller]
fn charges_of(more: &str, text: &str) -> Vec<(String, Charge)> {
    let charge = |statement| match statement {
        Statement::Charge(name, charge) => (name.to_string(), *charge),
        other => panic!("no charge: {other:?}"),
    };
    statements_of(more, text).into_iter().map(charge).collect()
}

fn charge_id(rest: &str) -> String {
    format!("charge/north/{}/{rest}", tokens().encounter("LAKESIDE", "V100"))
}

#[test]
fn every_ft1_is_a_charge() {
    let charges = charges_of("", DFT);
    assert_eq!(charges.len(), 2);
    let (name, first) = &charges[0];
    assert_eq!(name, &charge_id("T1"));
    let expected = Charge {
        change: canon::Change::Recorded,
        charge: name.clone(),
        encounter: tokens().encounter("LAKESIDE", "V100"),
        patient: Some(tokens().patient("LAKESIDE", "4711")),
        sender: "north".to_owned(),
        control_id: "18".to_owned(),
        facility: Some("LAKESIDE".to_owned()),
        transaction_id: "T1".to_owned(),
        kind: ChargeKind::Charge,
        reverses: None,
        code: "A10".to_owned(),
        description: Some(Phi("Swab".to_owned())),
        quantity: "1".parse().expect("a number"),
        amount: "12.50".parse().expect("a number"),
        currency: "EUR".to_owned(),
        service_at: at("2026-02-28T23:00:00Z"),
        department: Some("D7".to_owned()),
        company: None,
        journal: None,
        occurred_at: at("2026-03-01T09:15:00Z"),
    };
    assert_eq!(first, &expected);
    let (_, second) = &charges[1];
    assert_eq!(second.description, Some(Phi("long text".to_owned())));
    assert_eq!((second.amount, second.currency.as_str()), ("12.30".parse().expect("a number"), "USD"));
    assert_eq!(second.service_at, second.occurred_at);
    assert_eq!(charges_of("", &edited(DFT, &[("DFT^P03", "DFT^P11")])), charges);
}

const AMOUNT: &str = "||||12.50||D7";

#[track_caller]
fn check_amount(more: &str, ft1: &str, expected: &str) {
    let charges = charges_of(more, &edited(DFT, &[(AMOUNT, ft1)]));
    let (amount, currency) = expected.split_once(' ').expect("an amount and a currency");
    let charge = &charges[0].1;
    assert_eq!(
        (charge.amount, charge.currency.as_str()),
        (amount.parse::<Money>().expect("a number"), currency)
    );
}

#[test]
fn amounts_are_exact_and_the_extended_one_wins() {
    check_amount("", "|||3|10.01|99.99", "10.01 EUR");
    check_amount("", "|||3||0.1", "0.3 EUR");
    check_amount("", "|||0.5||0.02", "0.01 EUR");
    check_amount("", "|||3|\"\"|2.5", "7.5 EUR");
    check_amount("", "||||-5", "-5 EUR");
    check_amount("", "|||| 12.5000&EUR^UP", "12.5 EUR");
    check_amount("", "||||99999999999999.99", "99999999999999.99 EUR");
    check_amount("", "|||3||", "7.5 EUR");
    check_amount("", "||||1.005&KWD", "1.005 KWD");
    check_amount("facilities: {LAKESIDE: {currency: CHF}}\n", "||||5", "5 CHF");
    check_amount("facilities: {LAKESIDE: {currency: CHF}}\n", "||||5&USD", "5 USD");
}

#[test]
fn what_cannot_be_read_without_guessing_parks_and_names_its_position() {
    let parks = |text: &str, edits: &[(&str, &str)], expected: &str| check_parks("", text, edits, expected);
    parks(DFT, &[(AMOUNT, "||||12.50001")], "invalid: FT1[1]-11 is more than 4 decimals");
    let finer = "is an amount finer than its currency is divided";
    parks(DFT, &[(AMOUNT, "||||12.505")], &format!("invalid: FT1[1]-11 {finer}"));
    parks(DFT, &[(AMOUNT, "||||12.5&JPY")], &format!("invalid: FT1[1]-11 {finer}"));
    parks(DFT, &[(AMOUNT, "|||0.5||0.01")], &format!("invalid: FT1[1]-12 {finer}"));
    parks(
        DFT,
        &[(AMOUNT, "|||0.001||")],
        &format!("invalid: FT1[1]-7 by its price in the code table {finer}"),
    );
    parks(DFT, &[(AMOUNT, "||||12,50")], "invalid: FT1[1]-11 is not a decimal number");
    parks(DFT, &[(AMOUNT, "||||999999999999999")], "invalid: FT1[1]-11 is more than 18 digits");
    parks(DFT, &[(AMOUNT, "|||0.3||0.0001")], "invalid: FT1[1]-12 times FT1-10 has more than 4 decimals");
    parks(DFT, &[(AMOUNT, "|||two|1")], "invalid: FT1[1]-10 is not a decimal number");
    parks(DFT, &[("&USD", "&dollar")], "invalid: FT1[2]-12 has a currency that is not three capital letters");
    parks(DFT, &[("A10^Swab", "^Swab")], "invalid: FT1[1]-7 is empty: no charge code");
    parks(
        DFT,
        &[("|20260301|20260301|", "|20261301||")],
        "invalid: FT1[1]-4 the time's Month is out of range",
    );
    parks(DFT, &[("|V100", "|")], "invalid: PV1-19, else PID-18: no visit number");
    parks(DFT, &[("|V100", "|V\\X00\\")], "invalid: PV1-19, else PID-18 has control characters");
    let cut = "invalid: EVN-2 the time is cut short in its Second";
    parks(ADT, &[("A01|20260301101400", "A01|2026030110140")], cut);
    let unsaid = "invalid: MSH-11 is empty; if this sender leaves it out, add \"\" to `processing` in its configuration";
    parks(ADT, &[("|17|P", "|17|")], unsaid);
    let no_ft1 = DFT.split("FT1").next().expect("a beginning").to_owned();
    parks(&no_ft1, &[], "invalid: a DFT without FT1");
    let other = "unsupported: FT1[2]-6: not a transaction type that is translated: CG, CD, AJ and PY are";
    parks(DFT, &[("|CG|A11", "|XX|A11")], other);
    parks(DFT, &[("|CG|A11", "||A11")], "invalid: FT1[2]-6 is empty: not said whether it is a charge");
}

#[test]
fn a_charge_without_amount_and_price_waits_for_the_code_table() {
    let unpriced = edited(DFT, &[(AMOUNT, ""), ("A10^Swab", "Z99")]);
    let parked = translated("", &unpriced, 0).expect_err("parked");
    assert_eq!(
        parked.to_string(),
        "missing: FT1[1]-11 and FT1-12 are empty: no amount; FT1[1]-7: charge/north/Z99 is not in \
         reference.code.v1 for its day; waits until it is"
    );
    assert_eq!(parked.waits_for[0].key, "charge/north/Z99");
    let no_price = edited(DFT, &[(AMOUNT, ""), ("A10^Swab", "BED")]);
    let parked = translated("", &no_price, 0).expect_err("parked").to_string();
    assert_eq!(parked, "invalid: FT1[1]-11 and FT1-12 are empty: no amount, and the code table has no price");
}

#[track_caller]
fn check_reversal(more: &str, ft1: &str, expected: (ChargeKind, &str, &str, &str, Option<&str>)) {
    let head = DFT.split("FT1").next().expect("a beginning");
    let charges = charges_of(more, &format!("{head}{ft1}\r"));
    let (name, charge) = &charges[0];
    let reverses = charge.reverses.as_deref();
    let amounts = (charge.quantity.to_string(), charge.amount.to_string());
    let (kind, rest, quantity, amount, reversed) = expected;
    assert_eq!((charge.kind, name), (kind, &charge_id(rest)), "{ft1}");
    assert_eq!((amounts.0.as_str(), amounts.1.as_str()), (quantity, amount), "{ft1}");
    assert_eq!(reverses, reversed.map(charge_id).as_deref(), "{ft1}");
}

#[test]
fn a_credit_takes_away_whichever_its_sign_and_names_what_it_takes_back_as_configured() {
    use ChargeKind::{Adjustment, Charge, Credit};
    let by_path = "reversal: {names: transaction, path: FT1-3}\n";
    let by_z = "reversal: {names: transaction, path: ZFT-2}\n";
    let itself = "reversal: {names: itself}\n";
    check_reversal("", "FT1|1|T9|T1|||CD|A10|||2|12.50", (Credit, "T9/CD", "-2", "-12.5", None));
    check_reversal(by_path, "FT1|1|T9|T1|||CD|A10|||2|-12.50", (Credit, "T9/CD", "-2", "-12.5", Some("T1")));
    check_reversal(by_path, "FT1|1|T9||||CD|A10|||-2||6.25", (Credit, "T9/CD", "-2", "-12.5", None));
    check_reversal(by_path, "FT1|1|T9|T1|||CG|A10||||-3", (Charge, "T9", "1", "-3", None));
    check_reversal(by_z, "FT1|1|T9||||CD|A10||||5\rZFT|x|T1", (Credit, "T9/CD", "-1", "-5", Some("T1")));
    check_reversal(itself, "FT1|1|T1||||CD|A10||||5", (Credit, "T1/CD", "-1", "-5", Some("T1")));
    check_reversal(itself, "FT1|1|T1||||AJ|A10||||-5", (Adjustment, "T1/AJ", "1", "-5", Some("T1")));
    check_reversal("", "FT1|1|T1||||AJ|A10||||5", (Adjustment, "T1/AJ", "1", "5", None));
}

#[test]
fn a_z_segment_belongs_to_the_line_before_it_alone() {
    let more = "reversal: {names: transaction, path: ZFT-2}\n";
    let head = DFT.split("FT1").next().expect("a beginning");
    let lines = "FT1|1|T9||||CD|A10||||5\rFT1|2|T8||||CD|A10||||5\rZFT|x|T1\rFT1|3|T7||||CD|A10||||5\r";
    let reversed: Vec<Option<String>> =
        charges_of(more, &format!("{head}{lines}")).into_iter().map(|(_, charge)| charge.reverses).collect();
    assert_eq!(reversed, [None, Some(charge_id("T1")), None]);
}

#[test]
fn a_payment_is_no_charge_and_is_counted() {
    let paid = translated("", &edited(DFT, &[("|CG|A11", "|PY|A11")]), 0).expect("translated");
    assert_eq!(paid.statements.len(), 1);
    assert_eq!(paid.unmapped, [Unmapped { what: "FT1 PY".to_owned(), why: Why::Payment }]);
}

#[test]
fn one_transaction_twice_in_a_message_parks_since_a_charge_would_be_lost() {
    let parked = "conflict: FT1[2]-2 is the id of an earlier FT1 of this message";
    check_parks("", DFT, &[("|T2|", "|T1|")], parked);
    let both = edited(DFT, &[("|T2|", "|T1|"), ("|CG|A11", "|CD|A11")]);
    let names: Vec<String> = charges_of("", &both).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [charge_id("T1"), charge_id("T1/CD")], "a charge and its credit");
}

#[test]
fn a_charge_without_a_transaction_id_is_named_by_its_message_and_place() {
    let charges = charges_of("", &edited(DFT, &[("|T2|", "||")]));
    assert_eq!(charges[1].0, charge_id("18/2"));
    assert_eq!(charges[1].1.transaction_id, "18-2");
    let charges = charges_of("control_ids: restarts\n", &edited(DFT, &[("|T2|", "||")]));
    assert!(charges[1].0.starts_with(&charge_id("18/2/")), "{}", charges[1].0);
    assert_eq!(charges[0].0, charge_id("T1"));
}

#[test]
fn charges_can_be_read_from_other_places() {
    let more = "transaction_path: ZFT-1\ncharge_code: FT1-25\ndepartment: PV1-10\n";
    let head = DFT.split("FT1").next().expect("a beginning");
    let text = format!("{head}PV1|1|I||||||||MED\rFT1|1|||||CG|A10||||5||D7||||||||||||P5\rZFT|N1\r");
    let charges = charges_of(more, &text);
    let (name, charge) = &charges[0];
    assert_eq!(name, &charge_id("N1"));
    assert_eq!((charge.code.as_str(), charge.department.as_deref()), ("P5", Some("MED")));
}

#[test]
fn a_charge_goes_to_the_company_and_the_journal_of_its_facility() {
    let more = "facilities: {LAKESIDE: {company: base.north, journal: '7'}, SOUTH: {company: '2'}}\n";
    let places = |facility: &str| {
        let text = edited(DFT, &[("|ADT1|LAKESIDE|", &format!("|ADT1|{facility}|"))]);
        let places: Vec<_> =
            charges_of(more, &text).into_iter().map(|(_, charge)| (charge.company, charge.journal)).collect();
        assert_eq!(places[0], places[1], "one message is of one facility");
        places[0].clone()
    };
    assert_eq!(places("LAKESIDE"), (Some("base.north".to_owned()), Some("7".to_owned())));
    assert_eq!(places("SOUTH"), (Some("2".to_owned()), None));
    assert_eq!(places("WEST"), (None, None));
}

#[test]
fn a_department_is_what_its_table_says_and_else_what_the_source_says() {
    let department = |text: &str| charges_of("", text).remove(0).1.department;
    let known = edited(DFT, &[("||D7", "||D8")]);
    assert_eq!((department(&known).as_deref(), as_said("", &known)), (Some("SURGERY"), vec![]));
    assert_eq!(department(DFT).as_deref(), Some("D7"));
    assert_eq!(as_said("", DFT), ["department D7"]);
    // No key of a table, and still no reason to hold a charge up.
    let long = "D".repeat(200);
    assert_eq!(department(&edited(DFT, &[("||D7", &format!("||{long}"))])), Some(long));
}
