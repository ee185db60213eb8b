//! What changes: credits, adjustments, corrections, withdrawals, moves; before and after it was asked for.

use super::*;
use std::collections::BTreeMap;

pub(super) fn credit(id: &str, reverses: Option<&str>, amount: &str) -> Step {
    let reverses = reverses.map(str::to_owned);
    Step::Posted(Charge { kind: ChargeKind::Credit, reverses, ..charge(id, amount) })
}

fn adjustment(id: &str, reverses: Option<&str>, amount: &str) -> Step {
    let reverses = reverses.map(str::to_owned);
    Step::Posted(Charge { kind: ChargeKind::Adjustment, reverses, ..charge(id, amount) })
}

/// Charges a of 100 and b of 50, discharged and requested.
pub(super) fn billed() -> Vec<Step> {
    vec![admitted("1", -20), posted("a", "100"), posted("b", "50"), discharged("2", -1), Step::Passes(23)]
}

const BILLED: &str = "1 AOK 2025-12-31 150 EUR: a=100 b=50";

/// What is requested after the first request, once the hold has passed again.
#[track_caller]
fn check_after(change: &[Step], expected: &[&str]) {
    let history = [&billed()[..], change, &[Step::Passes(24)]].concat();
    let expected = [&[BILLED], expected].concat();
    check(24, &history, &expected);
    // Nothing more comes of waiting.
    check(24, &[&history[..], &[Step::Passes(1_000)]].concat(), &expected);
}

#[test]
fn what_was_not_requested_nets_out() {
    let first = |change: Step, expected: &[&str]| {
        check(0, &[admitted("1", -20), posted("a", "100"), change, discharged("2", -1)], expected);
    };
    first(credit("c", Some("a"), "-30"), &["1 AOK 2025-12-31 70 EUR: a=70"]);
    first(credit("c", Some("a"), "-100"), &[]);
    first(adjustment("c", Some("a"), "-1"), &["1 AOK 2025-12-31 99 EUR: a=99"]);
    first(adjustment("c", Some("a"), "1"), &["1 AOK 2025-12-31 101 EUR: a=101"]);
    first(credit("c", None, "-30"), &["1 AOK 2025-12-31 70 EUR: a=100 c=-30"]);
    first(adjustment("c", None, "5"), &["1 AOK 2025-12-31 105 EUR: a=100 c=5"]);
}

#[test]
fn a_credit_of_a_requested_charge_is_a_credit_note_that_names_its_line() {
    check_after(&[credit("c", Some("a"), "-30")], &["2 back 1 AOK 2025-12-31 30 EUR: a=30@1-1"]);
    check_after(&[credit("c", Some("b"), "-50")], &["2 back 1 AOK 2025-12-31 50 EUR: b=50@1-2"]);
    check_after(
        &[credit("c", Some("b"), "-50"), adjustment("d", Some("a"), "-10"), credit("e", Some("a"), "-5")],
        &["2 back 1 AOK 2025-12-31 65 EUR: a=15@1-1 b=50@1-2"],
    );
}

#[test]
fn credits_in_parts_take_back_no_more_than_there_was() {
    let part = |id, amount| [credit(id, Some("a"), amount), Step::Passes(24)];
    let parts = [part("c", "-60"), part("d", "-30"), part("e", "-30")].concat();
    let expected = [
        "2 back 1 AOK 2025-12-31 60 EUR: a=60@1-1",
        "3 back 1 AOK 2025-12-31 30 EUR: a=30@1-1",
        "4 back 1 AOK 2025-12-31 10 EUR: a=10@1-1",
    ];
    check_after(&parts, &expected);
    let rig = run(24, &[&billed()[..], &parts].concat());
    let unbilled = rig.rows("billing_unbilled");
    assert_eq!(unbilled.len(), 1);
    let row = &unbilled[0];
    assert_eq!((row["charge"].as_str(), row["amount"].as_str()), (Some("a"), Some("-20")));
    assert_eq!(row["state"], "waiting");
}

#[test]
fn a_credit_before_its_charge_waits_for_it() {
    let history = [admitted("1", -20), credit("c", Some("a"), "-30"), discharged("2", -1), Step::Passes(100)];
    check(0, &history, &[]);
    check(0, &[&history[..], &[posted("a", "100")]].concat(), &["1 AOK 2025-12-31 70 EUR: a=70"]);
    check(0, &[&history[..], &[posted("a", "30")]].concat(), &[]);
    // In another currency it is no credit of it.
    check(0, &[&history[..], &[in_dollars("a", "100")]].concat(), &["1 AOK 2025-12-31 100 USD: a=100"]);
}

#[test]
fn a_credit_that_names_nothing_stands_alone_when_there_is_nothing_to_set_it_off_against() {
    check_after(&[credit("c", None, "-30")], &["2 credit AOK 2025-12-31 30 EUR: c=30"]);
    check_after(
        &[credit("c", None, "-30"), posted("d", "20")],
        &["2 AOK 2025-12-31 20 EUR: d=20", "3 credit AOK 2025-12-31 30 EUR: c=30"],
    );
    check_after(&[credit("c", None, "-30"), posted("d", "30")], &["2 AOK 2025-12-31 0 EUR: c=-30 d=30"]);
}

#[test]
fn a_credit_is_corrected_and_withdrawn_like_a_charge() {
    let Step::Posted(given) = credit("c", None, "-30") else { panic!() };
    let noted = [credit("c", None, "-30"), Step::Passes(24)];
    let gone = Step::Posted(Charge { change: Change::Withdrawn, ..given.clone() });
    check_after(&[credit("c", None, "-30"), gone.clone()], &[]);
    let credited = "2 credit AOK 2025-12-31 30 EUR: c=30";
    check_after(&[&noted[..], &[gone]].concat(), &[credited, "3 AOK 2025-12-31 30 EUR: c=30"]);
    let more = Step::Posted(Charge { amount: "-40".parse().unwrap(), ..given });
    check_after(&[&noted[..], &[more]].concat(), &[credited, "3 credit AOK 2025-12-31 10 EUR: c=10"]);
    let part = [credit("c", Some("a"), "-30"), Step::Passes(24), withdrawn("c")];
    let back = "2 back 1 AOK 2025-12-31 30 EUR: a=30@1-1";
    check_after(&part, &[back, "3 AOK 2025-12-31 30 EUR: a=30"]);
}

#[test]
fn a_charge_that_is_corrected_after_it_was_requested_is_given_back_and_asked_for_again() {
    let back = "2 back 1 AOK 2025-12-31 100 EUR: a=100@1-1";
    check_after(&[corrected("a", "120")], &[back, "3 AOK 2025-12-31 120 EUR: a=120"]);
    let other_code = Charge { change: Change::Corrected, code: "4712".to_owned(), ..charge("a", "100") };
    check_after(&[Step::Posted(other_code)], &[back, "3 AOK 2025-12-31 100 EUR: a=100"]);
    check_after(&[in_dollars("a", "100")], &[back, "3 AOK 2025-12-31 100 USD: a=100"]);
    // Part of it was given back before.
    check_after(
        &[credit("c", Some("a"), "-30"), Step::Passes(24), corrected("a", "120")],
        &[
            "2 back 1 AOK 2025-12-31 30 EUR: a=30@1-1",
            "3 back 1 AOK 2025-12-31 70 EUR: a=70@1-1",
            "4 AOK 2025-12-31 90 EUR: a=90",
        ],
    );
    // What is corrected back before the hold has passed changes nothing.
    check_after(&[corrected("a", "120"), corrected("a", "100")], &[]);
}

#[test]
fn a_charge_that_is_withdrawn_after_it_was_requested_is_given_back() {
    let back = "2 back 1 AOK 2025-12-31 100 EUR: a=100@1-1";
    check_after(&[withdrawn("a")], &[back]);
    check_after(&[withdrawn("nobody")], &[]);
    check_after(
        &[withdrawn("a"), Step::Passes(24), corrected("a", "100")],
        &[back, "3 AOK 2025-12-31 100 EUR: a=100"],
    );
}

#[test]
fn changes_wait_for_the_hold_and_for_the_next_discharge() {
    let change = [&billed()[..], &[withdrawn("a"), Step::Passes(23)]].concat();
    check(24, &change, &[BILLED]);
    let back = "2 back 1 AOK 2025-12-31 100 EUR: a=100@1-1";
    check(24, &[&change[..], &[Step::Passes(1)]].concat(), &[BILLED, back]);
    // A cancelled discharge: what was requested stays, nothing more is, until the next one.
    let cancelled = [&change[..], &[reopened("3", 40), posted("c", "7"), Step::Passes(500)]].concat();
    check(24, &cancelled, &[BILLED]);
    let again = [&cancelled[..], &[discharged("4", 540), Step::Passes(24)]].concat();
    check(24, &again, &[BILLED, back, "3 AOK 2026-01-23 7 EUR: c=7"]);
}

#[test]
fn a_credit_note_goes_to_whom_the_invoice_went() {
    let change = [payer("5", 1, "TK"), withdrawn("a"), posted("c", "7")];
    let back = "2 back 1 AOK 2025-12-31 100 EUR: a=100@1-1";
    check_after(&change, &[back, "3 TK 2025-12-31 7 EUR: c=7"]);
}

#[test]
fn a_credit_note_is_dated_when_the_source_took_back_and_never_before_its_invoice() {
    let Step::Posted(late) = credit("c", Some("a"), "-30") else { panic!() };
    let told = |hour| Step::Posted(Charge { occurred_at: at(hour), ..late.clone() });
    check_after(&[told(26)], &["2 back 1 AOK 2026-01-02 30 EUR: a=30@1-1"]);
    check_after(&[told(-400)], &["2 back 1 AOK 2025-12-31 30 EUR: a=30@1-1"]);
    // A source whose clock is ahead.
    check_after(&[told(400)], &["2 back 1 AOK 2026-01-02 30 EUR: a=30@1-1"]);
}

#[test]
fn a_visit_that_was_moved_is_finished_by_that_and_its_requests_name_the_survivor() {
    let survivor = EncounterToken::from_bytes([9; 16]);
    let message = said("2", -1, EncounterStatus::Unsaid);
    let moved = Step::Said(Encounter { moved_to: Some(survivor), ..message });
    let history = [admitted("1", -20), posted("a", "100"), moved, Step::Passes(24)];
    check(24, &history, &["1 AOK 2025-12-31 100 EUR: a=100"]);
    let requests = run(24, &history).emitted::<InvoiceRequest>();
    assert_eq!(requests[0].encounter, survivor);
    assert!(requests[0].request.starts_with(token().as_str()));
}

#[test]
fn company_and_journal_are_those_of_the_facility() {
    let at_north =
        Encounter { facility: Some("NORTH".to_owned()), ..said("1", -1, EncounterStatus::Finished) };
    let history =
        [posted("a", "100"), Step::Said(at_north), credit("c", None, "-1"), credit("d", Some("a"), "-2")];
    let requests = run(0, &history).emitted::<InvoiceRequest>();
    assert_eq!(requests.len(), 3);
    for request in requests {
        assert_eq!(request.company.as_deref(), Some("base.north"));
        assert_eq!(request.journal.as_deref(), Some("7"));
    }
    let requests = run(0, &[posted("a", "100"), discharged("1", -1)]).emitted::<InvoiceRequest>();
    assert_eq!((&requests[0].company, &requests[0].journal), (&None, &None));
}

/// A charge that its source has invoiced by a company.
fn at_company(id: &str, amount: &str, company: &str) -> Charge {
    Charge { company: Some(company.to_owned()), ..charge(id, amount) }
}

/// Where the requests go, and what they are: `1 base.north/7: a=1`.
fn goes(rig: &Rig<Case>) -> Vec<String> {
    let text = |(request, text): (InvoiceRequest, String)| {
        let or = |text: &Option<String>| text.clone().unwrap_or("-".to_owned());
        let (number, lines) = text.split_once(" nobody ").unwrap();
        let (_, lines) = lines.split_once(": ").unwrap();
        format!("{number} {}/{}: {lines}", or(&request.company), or(&request.journal))
    };
    rig.emitted::<InvoiceRequest>().into_iter().zip(requests(rig)).map(text).collect()
}

#[track_caller]
fn check_goes(hold_hours: u32, history: &[Step], expected: &[&str]) {
    let rig = run(hold_hours, history);
    assert_eq!(rig.parked(), []);
    assert_eq!(goes(&rig), expected);
    assert_eq!(rig.rows("billing_unbilled"), Vec::<serde_json::Value>::new());
}

#[test]
fn what_the_charges_say_of_company_and_journal_goes_before_the_file_of_facilities() {
    let at_north = Step::Said(Encounter {
        facility: Some("NORTH".to_owned()),
        ..said("1", -1, EncounterStatus::Finished)
    });
    let check = |charge: Charge, expected: &str| {
        check_goes(0, &[Step::Posted(charge), at_north.clone()], &[expected]);
    };
    check(charge("a", "1"), "1 base.north/7: a=1");
    check(at_company("a", "1", "base.north"), "1 base.north/7: a=1");
    // The file's journal is its company's.
    check(at_company("a", "1", "base.south"), "1 base.south/-: a=1");
    check(Charge { journal: Some("8".to_owned()), ..charge("a", "1") }, "1 base.north/8: a=1");
}

#[test]
fn each_company_and_each_facility_of_a_visit_is_requested_for_itself() {
    let credit = Charge { kind: ChargeKind::Credit, ..at_company("d", "-3", "base.south") };
    let named = Charge { kind: ChargeKind::Credit, reverses: Some("a".to_owned()), ..charge("e", "-1") };
    let at_north = Charge { facility: Some("NORTH".to_owned()), ..charge("c", "4") };
    let history = [
        Step::Posted(at_company("a", "2", "base.east")),
        posted("b", "2"),
        Step::Posted(at_north),
        Step::Posted(credit),
        // Counts with its charge, wherever that goes.
        Step::Posted(named),
        discharged("1", -1),
        Step::Passes(24),
    ];
    let expected = ["1 -/-: b=2", "2 base.east/-: a=1", "3 base.north/7: c=4", "4 credit base.south/-: d=3"];
    check_goes(24, &history, &expected);
}

#[test]
fn what_was_invoiced_by_the_wrong_company_is_given_back_there_and_asked_for_by_the_right_one() {
    let credit =
        |company: &str| Step::Posted(Charge { kind: ChargeKind::Credit, ..at_company("c", "-30", company) });
    let wrong = |id, amount| Step::Posted(at_company(id, amount, "base.wrong"));
    let right = |id, amount| Step::Posted(at_company(id, amount, "base.right"));
    let billed =
        [wrong("a", "100"), wrong("b", "50"), credit("base.wrong"), discharged("2", -1), Step::Passes(24)];
    let first = "1 base.wrong/-: a=100 b=50 c=-30";
    let put_right = [right("a", "100"), right("b", "50"), credit("base.right"), Step::Passes(24)];
    let history = [&billed[..], &put_right].concat();
    // In each company it comes to what it should: nothing, and 120.
    let expected = [
        first,
        "2 back 1 base.wrong/-: a=100@1-1 b=50@1-2",
        "3 base.right/-: a=100 b=50 c=-30",
        "4 base.wrong/-: c=30",
    ];
    check_goes(24, &history, &expected);
    check_goes(24, &[&history[..], &[Step::Passes(1_000)]].concat(), &expected);
    // While the hold lasts nothing is unbilled but what is on its way, and back again is as it was.
    let held = run(24, &[&billed[..], &put_right[..3]].concat());
    assert_eq!(held.rows("billing_unbilled"), Vec::<serde_json::Value>::new());
    let states: Vec<_> = held.rows("billing_charge").iter().map(|row| row["state"].clone()).collect();
    assert_eq!(states, ["changed", "changed", "changed"]);
    let back = [wrong("a", "100"), wrong("b", "50"), credit("base.wrong"), Step::Passes(24)];
    check_goes(24, &[&billed[..], &put_right[..3], &back].concat(), &[first]);
    // What is withdrawn is given back where it was invoiced.
    let gone = Step::Posted(Charge { change: Change::Withdrawn, ..at_company("a", "100", "base.right") });
    let expected = [first, "2 back 1 base.wrong/-: a=100@1-1"];
    check_goes(24, &[&billed[..], &[gone, Step::Passes(24)]].concat(), &expected);
}

#[test]
fn a_company_that_is_said_for_the_first_time_changes_no_invoice_of_its_own() {
    let at_north =
        Encounter { facility: Some("NORTH".to_owned()), ..said("1", -1, EncounterStatus::Finished) };
    let billed = [posted("a", "100"), Step::Said(at_north)];
    let first = "1 base.north/7: a=100";
    let told = |company| [&billed[..], &[Step::Posted(at_company("a", "100", company))]].concat();
    check_goes(0, &told("base.north"), &[first]);
    let expected = [first, "2 back 1 base.north/7: a=100@1-1", "3 base.south/-: a=100"];
    check_goes(0, &told("base.south"), &expected);
}

#[test]
fn a_state_of_charges_that_say_no_company_is_as_it_was_before_they_could() {
    let mut case = Case::default();
    case.entries.put("a", Entry::of(&charge("a", "1"), "4711".to_owned(), at(0).date()).unwrap());
    case.ask(None, &setup(0), at(0));
    let stored = serde_json::to_string(&case).unwrap();
    assert!(!stored.contains("place") && !stored.contains("payer_said"), "{stored}");
    assert_eq!(serde_json::from_str::<Case>(&stored).unwrap(), case);
}

/// What was asked for each charge, less what was given back.
fn per_charge(rig: &Rig<Case>) -> BTreeMap<String, Money> {
    let mut sums: BTreeMap<String, Money> = BTreeMap::new();
    for request in rig.emitted::<InvoiceRequest>() {
        for line in request.lines {
            let amount = if request.kind == RequestKind::CreditNote { -line.amount } else { line.amount };
            let sum = sums.entry(line.charge).or_default();
            *sum = sum.checked_add(amount).unwrap();
        }
    }
    sums.retain(|_, sum| !sum.is_zero());
    sums
}

#[test]
fn in_any_order_each_charge_comes_to_the_same() {
    let history = [
        posted("a", "100"),
        posted("b", "50"),
        credit("c", Some("a"), "-30"),
        adjustment("d", Some("b"), "5"),
        credit("e", None, "-7"),
        discharged("2", -1),
    ];
    let expected = [("a", "70"), ("b", "55"), ("e", "-7")];
    let expected: BTreeMap<String, Money> =
        expected.map(|(charge, amount)| (charge.to_owned(), amount.parse().unwrap())).into();
    // With a hold of nought each step may make a request of its own; with one, all of it goes together.
    for hold in [0, 24] {
        let mut tried = 0;
        permutations(&mut history.to_vec(), 0, &mut |order| {
            let rig = run(hold, &[order, &[Step::Passes(48)]].concat());
            assert_eq!(rig.parked(), []);
            assert_eq!(per_charge(&rig), expected, "hold {hold}");
            assert_eq!(rig.rows("billing_unbilled"), Vec::<serde_json::Value>::new());
            tried += 1;
        });
        assert_eq!(tried, 720);
    }
}
