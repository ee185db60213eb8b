//! Histories of visits and the requests they end in, on the live core over a ledger in memory.

mod books;
mod changes;
mod codes;
mod odoo;

use super::*;
use backbone::rig::Rig;
use canon::events::billing_charge::ChargeKind;
use canon::events::billing_invoice_request::Line;
use canon::events::clinical_encounter::EncounterStatus;
use canon::{Phi, Quantity};

/// The rig's first moment: hours in a history count from here.
const START: Timestamp = Timestamp(1_767_225_600_000_000);
const HOUR: Duration = Duration::from_secs(3_600);

#[derive(Clone)]
enum Step {
    /// A message about the visit.
    Said(Encounter),
    /// A charge is stated, corrected or withdrawn.
    Posted(Charge),
    /// What the poller says of an invoice.
    Entered(Invoice),
    /// What the poller says of a payment.
    Paid(Payment),
    /// The last record comes twice.
    Again,
    /// Time goes on, in hours.
    Passes(u32),
}

fn token() -> EncounterToken {
    EncounterToken::from_bytes([7; 16])
}

fn at(hour: i64) -> Timestamp {
    Timestamp(START.0 + hour * 3_600_000_000)
}

fn said(control_id: &str, hour: i64, status: EncounterStatus) -> Encounter {
    Encounter {
        change: Change::Recorded,
        encounter: token(),
        patient: None,
        sender: "lakeside".to_owned(),
        control_id: control_id.to_owned(),
        trigger: "A08".to_owned(),
        visit_number: Phi(String::new()),
        status,
        class: None,
        facility: None,
        location: None,
        prior_location: None,
        attending: None,
        account: None,
        moved_to: None,
        payer: None,
        admitted_at: None,
        discharged_at: None,
        occurred_at: at(hour),
    }
}

fn admitted(control_id: &str, hour: i64) -> Step {
    let message = said(control_id, hour, EncounterStatus::InProgress);
    Step::Said(Encounter { payer: Some("AOK".into()), visit_number: Phi("V1".into()), ..message })
}

fn discharged(control_id: &str, hour: i64) -> Step {
    Step::Said(said(control_id, hour, EncounterStatus::Finished))
}

fn reopened(control_id: &str, hour: i64) -> Step {
    Step::Said(said(control_id, hour, EncounterStatus::InProgress))
}

fn payer(control_id: &str, hour: i64, payer: &str) -> Step {
    Step::Said(Encounter { payer: Some(payer.into()), ..said(control_id, hour, EncounterStatus::Unsaid) })
}

fn charge(id: &str, amount: &str) -> Charge {
    Charge {
        change: Change::Recorded,
        charge: id.to_owned(),
        encounter: token(),
        patient: None,
        sender: "lakeside".to_owned(),
        control_id: "0".to_owned(),
        facility: None,
        transaction_id: id.to_owned(),
        kind: ChargeKind::Charge,
        reverses: None,
        code: "4711".to_owned(),
        description: None,
        quantity: Quantity::from_whole(1).unwrap(),
        amount: amount.parse().unwrap(),
        currency: "EUR".to_owned(),
        service_at: at(-20),
        department: None,
        company: None,
        journal: None,
        occurred_at: at(-19),
    }
}

fn posted(id: &str, amount: &str) -> Step {
    Step::Posted(charge(id, amount))
}

fn corrected(id: &str, amount: &str) -> Step {
    Step::Posted(Charge { change: Change::Corrected, ..charge(id, amount) })
}

fn withdrawn(id: &str) -> Step {
    Step::Posted(Charge { change: Change::Withdrawn, ..charge(id, "1") })
}

fn in_dollars(id: &str, amount: &str) -> Step {
    Step::Posted(Charge { currency: "USD".to_owned(), ..charge(id, amount) })
}

fn setup(hold_hours: u32) -> Setup {
    let facilities = "NORTH: {company: base.north, journal: '7', owner: Nora}\n'*': {owner: Otto}";
    Setup {
        hold: HOUR * hold_hours,
        lines_max: 3,
        known_items_only: false,
        taxed: false,
        facilities: Facilities::parse(facilities).unwrap(),
    }
}

fn run(hold_hours: u32, history: &[Step]) -> Rig<Case> {
    let mut rig = Rig::new(folding(setup(hold_hours)));
    go_on(&mut rig, history);
    rig
}

fn go_on(rig: &mut Rig<Case>, history: &[Step]) {
    for step in history {
        match step {
            Step::Said(body) => {
                let name = Name::new("encounter", &[&body.sender, &body.control_id]);
                rig.sees(name, &token(), body.clone());
            }
            Step::Posted(body) => rig.sees(Name::new("charge", &[&body.charge]), &token(), body.clone()),
            Step::Entered(body) => {
                let name = Name::new("invoice", &[body.invoice.to_string()]);
                rig.sees(name, &token(), body.clone());
            }
            Step::Paid(body) => {
                let name = Name::new("payment", &[body.payment.to_string(), body.invoice.to_string()]);
                rig.sees(name, &token(), body.clone());
            }
            Step::Again => rig.sees_again(),
            Step::Passes(hours) => rig.passes(HOUR * *hours),
        }
    }
}

/// The requests as text: number, payer, day, total, lines; of a credit note what it takes back as well.
fn requests(rig: &Rig<Case>) -> Vec<String> {
    let text = |request: InvoiceRequest| {
        let visit = token();
        let short = |id: &String| id.strip_prefix(visit.as_str()).unwrap()[1..].to_owned();
        let number = match (request.kind, &request.reverses) {
            (RequestKind::Invoice, None) => request.number.to_string(),
            (RequestKind::CreditNote, None) => format!("{} credit", request.number),
            (RequestKind::CreditNote, Some(reverses)) => {
                format!("{} back {}", request.number, short(reverses))
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(request.request, format!("{visit}-{}", request.number));
        assert_eq!(Money::sum(request.lines.iter().map(|line| line.amount)), Some(request.total));
        let line = |(position, line): (usize, &Line)| {
            assert_eq!(line.line, format!("{}-{}", request.request, position + 1));
            let reverses = line.reverses.as_ref().map(|line| format!("@{}", short(line))).unwrap_or_default();
            format!("{}={}{reverses}", line.charge, line.amount)
        };
        let lines: Vec<String> = request.lines.iter().enumerate().map(line).collect();
        let payer = request.payer.as_deref().unwrap_or("nobody");
        let (date, total, currency) = (request.invoice_date, request.total, request.currency);
        format!("{number} {payer} {date} {total} {currency}: {}", lines.join(" "))
    };
    rig.emitted::<InvoiceRequest>().into_iter().map(text).collect()
}

#[track_caller]
fn check(hold_hours: u32, history: &[Step], expected: &[&str]) {
    let rig = run(hold_hours, history);
    assert_eq!(rig.parked(), []);
    assert_eq!(requests(&rig), expected);
}

#[track_caller]
fn check_parked(hold_hours: u32, history: &[Step], reasons: &[&str], expected: &[&str]) {
    let rig = run(hold_hours, history);
    let parked: Vec<String> = rig.parked().iter().map(|(reason, text)| format!("{reason}: {text}")).collect();
    assert_eq!(parked, reasons);
    assert_eq!(requests(&rig), expected);
}

#[test]
fn a_finished_visit_is_requested_when_the_hold_has_passed() {
    let history = [admitted("1", -20), posted("a", "10.50"), posted("b", "0.0003"), discharged("2", -1)];
    let whole = ["1 AOK 2025-12-31 10.5003 EUR: a=10.5 b=0.0003"];
    check(24, &history, &[]);
    check(24, &[&history[..], &[Step::Passes(22)]].concat(), &[]);
    check(24, &[&history[..], &[Step::Passes(23)]].concat(), &whole);
    check(24, &[&history[..], &[Step::Passes(1_000)]].concat(), &whole);
}

#[test]
fn a_hold_of_zero_requests_at_once() {
    let history = [admitted("1", -20), posted("a", "1"), discharged("2", -1), posted("b", "2")];
    check(0, &history, &["1 AOK 2025-12-31 1 EUR: a=1", "2 AOK 2025-12-31 2 EUR: b=2"]);
}

#[test]
fn what_is_not_finished_or_has_no_charge_is_never_requested() {
    check(0, &[posted("a", "1"), Step::Passes(1_000)], &[]);
    check(0, &[admitted("1", -20), posted("a", "1"), Step::Passes(1_000)], &[]);
    check(0, &[admitted("1", -20), discharged("2", -1), Step::Passes(1_000)], &[]);
    let cancelled = Step::Said(said("3", 0, EncounterStatus::Cancelled));
    check(0, &[cancelled, discharged("2", -1), posted("a", "1"), Step::Passes(1_000)], &[]);
}

#[test]
fn duplicates_change_nothing() {
    let history = [
        admitted("1", -20),
        Step::Again,
        posted("a", "1"),
        Step::Again,
        discharged("2", -1),
        Step::Again,
        Step::Passes(24),
        Step::Again,
        Step::Passes(24),
    ];
    check(24, &history, &["1 AOK 2025-12-31 1 EUR: a=1"]);
}

#[test]
fn late_charges_wait_for_the_hold_and_go_together() {
    let billed = [admitted("1", -20), posted("a", "1"), discharged("2", -1), Step::Passes(23)];
    let late = [posted("b", "2"), Step::Passes(20), posted("c", "4"), Step::Passes(3)];
    let first = "1 AOK 2025-12-31 1 EUR: a=1";
    check(24, &[&billed[..], &late].concat(), &[first]);
    check(
        24,
        &[&billed[..], &late, &[Step::Passes(1)]].concat(),
        &[first, "2 AOK 2025-12-31 6 EUR: b=2 c=4"],
    );
}

#[test]
fn charges_that_come_long_after_a_discharge_still_wait_for_each_other() {
    let history =
        [discharged("2", -100), posted("a", "1"), Step::Passes(23), posted("b", "2"), Step::Passes(1)];
    check(24, &history, &["1 nobody 2025-12-31 3 EUR: a=1 b=2"]);
}

#[test]
fn a_cancelled_discharge_holds_the_bill_until_the_next_one() {
    let history =
        [admitted("1", -20), posted("a", "1"), discharged("2", -1), reopened("3", 2), Step::Passes(100)];
    check(24, &history, &[]);
    // Two days on: the new discharge counts, the time before it does not.
    let again = [&history[..], &[discharged("4", 90), Step::Passes(13)]].concat();
    check(24, &again, &[]);
    check(24, &[&again[..], &[Step::Passes(1)]].concat(), &["1 AOK 2026-01-04 1 EUR: a=1"]);
}

#[test]
fn the_discharge_that_was_said_counts_and_not_the_message_about_it() {
    let message = said("2", -1, EncounterStatus::Finished);
    let discharge = Step::Said(Encounter { discharged_at: Some(at(-30)), ..message });
    let charge = Step::Posted(Charge { service_at: at(-40), ..charge("a", "1") });
    check(24, &[charge, discharge, Step::Passes(24)], &["1 nobody 2025-12-30 1 EUR: a=1"]);
}

#[test]
fn a_clock_ahead_of_ours_neither_holds_a_bill_for_ever_nor_dates_it_ahead() {
    let history = [posted("a", "1"), discharged("2", 100_000), Step::Passes(24)];
    check(24, &history, &["1 nobody 2026-01-01 1 EUR: a=1"]);
}

#[test]
fn services_after_the_discharge_date_the_invoice() {
    let late = Step::Posted(Charge { service_at: at(30), ..charge("a", "1") });
    check(24, &[discharged("2", -1), late, Step::Passes(48)], &["1 nobody 2026-01-01 1 EUR: a=1"]);
    let late = Step::Posted(Charge { service_at: at(20), ..charge("a", "1") });
    check(24, &[discharged("2", -1), late, Step::Passes(48)], &["1 nobody 2026-01-01 1 EUR: a=1"]);
}

#[test]
fn the_payer_said_last_pays_and_an_empty_one_is_nobody() {
    let history = [payer("3", -2, "TK"), discharged("2", -1), admitted("1", -20), posted("a", "1")];
    check(2, &[&history[..], &[Step::Passes(1)]].concat(), &["1 TK 2025-12-31 1 EUR: a=1"]);
    check(
        2,
        &[&history[..], &[payer("4", 0, ""), Step::Passes(1)]].concat(),
        &["1 nobody 2025-12-31 1 EUR: a=1"],
    );
}

#[test]
fn a_message_that_is_corrected_or_withdrawn_counts_no_more() {
    let history = [payer("1", -20, "TK"), payer("2", -10, "AOK"), discharged("3", -1), posted("a", "1")];
    let Step::Said(second) = payer("2", -10, "DAK") else { panic!() };
    let correction = Step::Said(Encounter { change: Change::Corrected, ..second.clone() });
    let withdrawal = Step::Said(Encounter { change: Change::Withdrawn, ..second });
    let pass = Step::Passes(1);
    check(2, &[&history[..], &[correction, pass.clone()]].concat(), &["1 DAK 2025-12-31 1 EUR: a=1"]);
    check(2, &[&history[..], &[withdrawal, pass]].concat(), &["1 TK 2025-12-31 1 EUR: a=1"]);
}

#[test]
fn a_charge_changed_before_it_is_requested_is_requested_as_it_is_then() {
    let history = [posted("a", "1"), posted("b", "2"), discharged("2", -1)];
    let change = [corrected("a", "5"), withdrawn("b"), Step::Passes(24)];
    check(24, &[&history[..], &change].concat(), &["1 nobody 2025-12-31 5 EUR: a=5"]);
}

#[test]
fn a_correction_does_not_prolong_the_hold() {
    let history =
        [discharged("2", -100), posted("a", "1"), Step::Passes(20), corrected("a", "2"), Step::Passes(4)];
    check(24, &history, &["1 nobody 2025-12-31 2 EUR: a=2"]);
}

#[test]
fn a_correction_that_leaves_the_bill_as_it_is_passes() {
    let resent = Charge { change: Change::Corrected, control_id: "9".into(), ..charge("a", "1") };
    let history = [posted("a", "1"), discharged("2", -1), Step::Passes(24), Step::Posted(resent)];
    check(24, &history, &["1 nobody 2025-12-31 1 EUR: a=1"]);
}

#[test]
fn a_kind_of_transaction_that_is_not_known_parks() {
    let history = [Step::Posted(Charge { kind: ChargeKind::Unknown, ..charge("a", "1") })];
    let reason = "unsupported: FT1-6: a kind of transaction that this release does not know";
    check_parked(0, &history, &[reason], &[]);
    let history = [Step::Posted(Charge { kind: ChargeKind::Credit, ..charge("a", "1") })];
    check_parked(0, &history, &["invalid: a credit above zero: it would add to the account"], &[]);
}

#[test]
fn sums_beyond_eighteen_digits_park_the_charge_that_makes_them() {
    let most = "99999999999999.9999";
    let reason = "invalid: the sum of the visit's charges has more than 18 digits";
    check_parked(0, &[posted("a", most), posted("b", "0.0001")], &[reason], &[]);
}

#[test]
fn each_currency_is_requested_for_itself() {
    let history =
        [posted("a", "1"), in_dollars("b", "2"), posted("c", "4"), discharged("2", -1), Step::Passes(24)];
    check(24, &history, &["1 nobody 2025-12-31 5 EUR: a=1 c=4", "2 nobody 2025-12-31 2 USD: b=2"]);
    let stated = run(24, &history).latest::<Stated>();
    let [case] = &stated[..] else { panic!("{stated:?}") };
    assert_eq!((case.currency.as_str(), case.requested, case.requested_count), ("XXX", Money::ZERO, 3));
}

#[test]
fn many_lines_make_several_requests_in_the_order_of_service() {
    let early = Step::Posted(Charge { service_at: at(-30), ..charge("z", "16") });
    let mut history: Vec<Step> = ["d", "c", "b", "a"].iter().map(|id| posted(id, "1")).collect();
    history.extend([early, discharged("2", -1)]);
    check(0, &history, &["1 nobody 2025-12-31 18 EUR: z=16 a=1 b=1", "2 nobody 2025-12-31 2 EUR: c=1 d=1"]);
}

#[test]
fn messages_and_charges_in_any_order_make_the_same_requests() {
    let history = [
        admitted("1", -20),
        payer("2", -10, "TK"),
        discharged("3", -6),
        reopened("4", -4),
        posted("a", "10.01"),
        posted("b", "20.02"),
    ];
    let end = [Step::Passes(1), discharged("5", -1), Step::Passes(24)];
    let mut tried = 0;
    permutations(&mut history.to_vec(), 0, &mut |order| {
        check(24, &[order, &end].concat(), &["1 TK 2025-12-31 30.03 EUR: a=10.01 b=20.02"]);
        tried += 1;
    });
    assert_eq!(tried, 720);
}

#[test]
fn the_case_and_its_rows_tell_where_each_charge_is() {
    let history = [admitted("1", -20), posted("a", "1.5"), posted("b", "2")];
    let row = |rig: &Rig<Case>, table| rig.rows(table);
    let check = |rig: &Rig<Case>, expected: &str| {
        let cases = rig.latest::<Stated>();
        let [case] = &cases[..] else { panic!("{cases:?}") };
        let text = format!(
            "{} {} {}x {} + {}x {} {} in {}",
            case.status.as_str(),
            case.finished,
            case.unbilled_count,
            case.unbilled,
            case.requested_count,
            case.requested,
            case.currency,
            case.requests
        );
        assert_eq!(text, expected);
        let rows = row(rig, "billing_case");
        assert_eq!(rows[0]["unbilled"], case.unbilled.to_string());
        assert_eq!(rows[0]["status"], case.status.as_str());
    };
    check(&run(24, &history[..1]), "open false 0x 0 + 0x 0  in 0");
    check(&run(24, &history), "open false 2x 3.5 + 0x 0 EUR in 0");
    let history = [&history[..], &[discharged("2", -1)]].concat();
    check(&run(24, &history), "held true 2x 3.5 + 0x 0 EUR in 0");
    let history = [&history[..], &[Step::Passes(23)]].concat();
    check(&run(24, &history), "billed true 0x 0 + 2x 3.5 EUR in 1");
    let rig = run(24, &[&history[..], &[posted("c", "4")]].concat());
    check(&rig, "held true 1x 4 + 2x 3.5 EUR in 1");
    let charges: Vec<String> = row(&rig, "billing_charge")
        .iter()
        .map(|row| format!("{} {} {} {}", row["charge"], row["amount"], row["state"], row["request"]))
        .collect();
    let request = format!("\"{}-1\"", token());
    let requested = |charge, amount| format!("\"{charge}\" \"{amount}\" \"requested\" {request}");
    assert_eq!(
        charges,
        [requested("a", "1.5"), requested("b", "2"), "\"c\" \"4\" \"unbilled\" null".to_owned()]
    );
}

fn permutations(steps: &mut Vec<Step>, from: usize, each: &mut impl FnMut(&[Step])) {
    if from == steps.len() {
        return each(steps);
    }
    for other in from..steps.len() {
        steps.swap(from, other);
        permutations(steps, from + 1, each);
        steps.swap(from, other);
    }
}
