//! Whether the checker would notice: balanced evidence, and one thing wrong with it at a time.

use super::evidence::{Evidence, Landed, ParkedAt, Stated};
use super::{Difference, Figures, check};
use crate::history::History;
use crate::small::{Hospital, Kind, Plan};
use canon::events::billing_case::CaseStatus;
use canon::events::billing_charge::ChargeKind;
use canon::events::billing_invoice_request::{Line, RequestKind};
use canon::events::clinical_encounter::EncounterStatus;
use canon::{
    Case, Change, Charge, Date, Encounter, EncounterToken, InvoiceRequest, Money, Phi, Quantity, Timestamp,
};
use odoo::ExternalId;
use odoo::invoice::{FoundInvoice, FoundLine, FoundRef, MoveState};
use rust_decimal::Decimal;
use std::time::Duration;

fn hospital() -> Hospital {
    let sender = "north".to_owned();
    Hospital::day(Plan {
        seed: 1,
        visits: 8,
        charges: (2, 5),
        finished_of_ten: 7,
        twice_of_hundred: 0,
        sender,
    })
}

/// What there is when everything went well.
fn balanced(hospital: &Hospital) -> (History, Evidence) {
    let (mut history, mut evidence) = (History::default(), Evidence::default());
    for (visit, message) in hospital.messages() {
        let content = hospital::content(&message.bytes);
        history.sent(&message.control_id, content, Timestamp(1));
        history.acknowledged(&message.control_id, Timestamp(2), Duration::from_millis(3));
        let control_id = Some(message.control_id.clone());
        let at = (0, evidence.raw.len() as i64);
        evidence.raw.push(Landed { sender: hospital.sender().to_owned(), control_id, content, at });
        if message.kind == Kind::Visit {
            let body = encounter(hospital, visit, &message.control_id);
            put(&mut evidence.encounters.stated, visit, &message.control_id, body);
        }
    }
    for (index, visit) in hospital.visits().iter().enumerate() {
        for planned in &visit.charges {
            let body = charge(hospital, index, planned);
            put(&mut evidence.charges.stated, index, &planned.transaction, body);
        }
        let (sum, finished) = (Hospital::sum(visit), visit.discharge.is_some());
        put(&mut evidence.cases.stated, index, "case", case(index, if finished { Money::ZERO } else { sum }));
        if finished {
            let request = request(hospital, index);
            let name = format!("invoice-request/{index}/1");
            evidence.effects.insert(name.clone(), (true, Timestamp(5_000_000)));
            let id = ExternalId::coded("invoice", &request.request).unwrap();
            evidence.invoices.insert(id, invoice(&request));
            evidence.by_reference.insert(visit.number.clone(), 1);
            put(&mut evidence.requests.stated, index, &name, request);
        }
    }
    (history, evidence)
}

fn token(visit: usize) -> EncounterToken {
    EncounterToken::from_bytes([u8::try_from(visit).unwrap(); 16])
}

fn put<E>(stated: &mut Vec<Stated<E>>, visit: usize, name: &str, body: E) {
    let key = token(visit).to_string();
    let version = stated.iter().filter(|stated| stated.key == key).count() as i64 + 1;
    let at = (0, stated.len() as i64);
    let (id, name) = (uuid::Uuid::nil(), name.to_owned());
    stated.push(Stated { key, at, id, name, version, revision: 1, body: Some(body) });
}

fn encounter(hospital: &Hospital, visit: usize, control_id: &str) -> Encounter {
    Encounter {
        change: Change::Recorded,
        encounter: token(visit),
        patient: None,
        sender: hospital.sender().to_owned(),
        control_id: control_id.to_owned(),
        trigger: "A01".to_owned(),
        visit_number: Phi(hospital.visits()[visit].number.clone()),
        status: EncounterStatus::InProgress,
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
        occurred_at: Timestamp(1),
    }
}

fn charge(hospital: &Hospital, visit: usize, planned: &crate::small::PlannedCharge) -> Charge {
    Charge {
        change: Change::Recorded,
        charge: format!("charge/{}", planned.transaction),
        encounter: token(visit),
        patient: None,
        sender: hospital.sender().to_owned(),
        control_id: planned.message.clone(),
        facility: None,
        transaction_id: planned.transaction.clone(),
        kind: ChargeKind::Charge,
        reverses: None,
        code: planned.code.clone(),
        description: None,
        quantity: Quantity::from_whole(1).unwrap(),
        amount: planned.amount,
        currency: "USD".to_owned(),
        service_at: Timestamp(1),
        department: None,
        company: None,
        journal: None,
        occurred_at: Timestamp(1),
    }
}

fn case(visit: usize, unbilled: Money) -> Case {
    Case {
        change: Change::Recorded,
        encounter: token(visit),
        status: CaseStatus::Open,
        finished: false,
        currency: "USD".to_owned(),
        unbilled,
        unbilled_count: 0,
        requested: Money::ZERO,
        requested_count: 0,
        requests: 0,
        invoiced: Money::ZERO,
        invoiced_count: 0,
        credited: Money::ZERO,
        credited_count: 0,
        paid: Money::ZERO,
        paid_count: 0,
        diverged: Money::ZERO,
        diverged_count: 0,
        as_of: Timestamp(1),
    }
}

fn request(hospital: &Hospital, index: usize) -> InvoiceRequest {
    let visit = &hospital.visits()[index];
    let request = format!("{}-1", token(index));
    let line = |(position, planned): (usize, &crate::small::PlannedCharge)| Line {
        line: format!("{request}-{}", position + 1),
        charge: format!("charge/{}", planned.transaction),
        reverses: None,
        code: planned.code.clone(),
        description: None,
        quantity: Quantity::from_whole(1).unwrap(),
        amount: planned.amount,
        service_at: Timestamp(1),
    };
    InvoiceRequest {
        change: Change::Recorded,
        encounter: token(index),
        number: 1,
        kind: RequestKind::Invoice,
        reverses: None,
        facility: None,
        company: None,
        journal: None,
        payer: None,
        currency: "USD".to_owned(),
        invoice_date: Date(20_000),
        visit_number: Phi(visit.number.clone()),
        lines: visit.charges.iter().enumerate().map(line).collect(),
        total: Hospital::sum(visit),
        request,
    }
}

fn invoice(request: &InvoiceRequest) -> FoundInvoice {
    let record = || FoundRef { id: 1, external: vec![] };
    let line = |line: &Line| FoundLine {
        id: 1,
        external: vec![ExternalId::coded("line", &line.line).unwrap()],
        product: None,
        name: None,
        quantity: Decimal::ONE,
        price_unit: Decimal::new(line.amount.unscaled(), 4),
        subtotal: Decimal::new(line.amount.unscaled(), 4).normalize(),
        taxes: vec![],
        account: None,
    };
    FoundInvoice {
        id: 1,
        number: None,
        state: MoveState::Posted,
        payment_state: "not_paid".to_owned(),
        move_type: "out_invoice".to_owned(),
        company: 1,
        journal: record(),
        partner: None,
        currency: record(),
        invoice_date: None,
        reference: None,
        reverses: None,
        untaxed: Decimal::ZERO,
        total: Decimal::ZERO,
        residual: Decimal::ZERO,
        lines: request.lines.iter().map(line).collect(),
    }
}

#[test]
fn what_went_well_balances_and_is_counted() {
    let hospital = hospital();
    let (history, evidence) = balanced(&hospital);
    assert_eq!(check(&hospital, &history, &evidence), []);
    let figures = Figures::of(&hospital, &history, &evidence);
    assert_eq!(figures.charges, hospital.charge_count());
    assert_eq!(figures.unbilled.checked_add(figures.invoiced), Some(figures.sent));
    assert!(figures.invoices > 0 && figures.unbilled > Money::ZERO);
    assert_eq!(figures.latencies, vec![Duration::from_micros(4_999_998); figures.invoices]);
}

/// Spoils one thing and wants to hear of it; other things may be wrong because of it.
#[track_caller]
fn check_told(spoil: impl FnOnce(&mut History, &mut Evidence), told: impl Fn(&Difference) -> bool) {
    let hospital = hospital();
    let (mut history, mut evidence) = balanced(&hospital);
    spoil(&mut history, &mut evidence);
    let found = check(&hospital, &history, &evidence);
    assert!(found.iter().any(told), "{found:#?}");
}

#[test]
fn a_message_that_is_lost_or_was_never_sent_is_told() {
    check_told(|_, evidence| drop(evidence.raw.pop()), |told| matches!(told, Difference::Lost { .. }));
    check_told(
        |_, evidence| evidence.raw[0].content = [0; 32],
        |told| matches!(told, Difference::Lost { .. }),
    );
    let unsent =
        |_: &mut History, evidence: &mut Evidence| evidence.raw[0].control_id = Some("S1-999999".to_owned());
    check_told(unsent, |told| matches!(told, Difference::Unsent { .. }));
}

#[test]
fn a_fact_that_is_missing_doubled_revised_or_made_up_is_told() {
    check_told(
        |_, evidence| drop(evidence.encounters.stated.pop()),
        |told| matches!(told, Difference::Facts { count: 0, .. }),
    );
    check_told(
        |_, evidence| {
            let again = evidence.charges.stated[0].clone();
            evidence.charges.stated.push(Stated { name: "another".to_owned(), version: 99, ..again });
        },
        |told| matches!(told, Difference::Facts { count: 2, .. }),
    );
    check_told(
        |_, evidence| evidence.charges.stated[0].revision = 2,
        |told| matches!(told, Difference::Revised { .. }),
    );
    let other = |evidence: &mut Evidence, change: fn(&mut Charge)| {
        evidence.charges.stated[0].body.iter_mut().for_each(change);
    };
    check_told(
        |_, evidence| other(evidence, |charge| charge.transaction_id = "T1-999999".to_owned()),
        |told| matches!(told, Difference::Stranger { .. }),
    );
    check_told(
        |_, evidence| other(evidence, |charge| charge.amount = Money::from_unscaled(1).unwrap()),
        |told| matches!(told, Difference::Amount { .. }),
    );
    check_told(
        |_, evidence| evidence.charges.unreadable.push((3, 7)),
        |told| matches!(told, Difference::Unreadable { offset: 7, .. }),
    );
}

#[test]
fn versions_that_skip_repeat_or_fall_are_told() {
    let last =
        |evidence: &mut Evidence, version| evidence.charges.stated.last_mut().unwrap().version = version;
    for version in [0, 1, 99] {
        check_told(|_, evidence| last(evidence, version), |told| matches!(told, Difference::Version { .. }));
    }
    check_told(
        |_, evidence| {
            let again = evidence.cases.stated[0].clone();
            evidence.cases.stated.push(again);
        },
        |told| matches!(told, Difference::Version { topic: "billing.case.v1", .. }),
    );
}

#[test]
fn a_charge_on_no_line_or_on_two_is_told() {
    let lines = |evidence: &mut Evidence, change: fn(&mut Vec<Line>)| {
        change(&mut evidence.requests.stated[0].body.as_mut().unwrap().lines);
    };
    check_told(
        |_, evidence| lines(evidence, |lines| drop(lines.pop())),
        |told| matches!(told, Difference::Lines { count: 0, should: 1, .. }),
    );
    check_told(
        |_, evidence| lines(evidence, |lines| lines.push(lines[0].clone())),
        |told| matches!(told, Difference::Lines { count: 2, should: 1, .. }),
    );
    check_told(
        |_, evidence| lines(evidence, |lines| lines[0].charge = "charge/none".to_owned()),
        |told| matches!(told, Difference::StrangeLines { .. }),
    );
    check_told(
        |_, evidence| {
            let again = evidence.requests.stated[0].clone();
            evidence.requests.stated.push(Stated { version: again.version + 1, ..again });
        },
        |told| matches!(told, Difference::Requests { count: 2, .. }),
    );
    check_told(
        |_, evidence| {
            evidence
                .cases
                .stated
                .iter_mut()
                .for_each(|stated| stated.body.as_mut().unwrap().unbilled = Money::ZERO)
        },
        |told| matches!(told, Difference::Unbilled { .. }),
    );
}

#[test]
fn an_invoice_that_is_missing_doubled_changed_or_not_posted_is_told() {
    let change = |evidence: &mut Evidence, change: fn(&mut FoundInvoice)| {
        evidence.invoices.values_mut().for_each(change)
    };
    check_told(|_, evidence| evidence.invoices.clear(), |told| matches!(told, Difference::NoInvoice { .. }));
    check_told(
        |_, evidence| change(evidence, |invoice| invoice.state = MoveState::Draft),
        |told| matches!(told, Difference::NotPosted { .. }),
    );
    check_told(
        |_, evidence| change(evidence, |invoice| invoice.lines.extend_from_within(..1)),
        |told| matches!(told, Difference::LineCount { .. }),
    );
    check_told(
        |_, evidence| change(evidence, |invoice| invoice.lines[0].subtotal += Decimal::new(1, 2)),
        |told| matches!(told, Difference::InvoiceLine { count: 0, .. }),
    );
    check_told(
        |_, evidence| evidence.by_reference.values_mut().for_each(|count| *count = 2),
        |told| matches!(told, Difference::Copies { is: 2, should: 1, .. }),
    );
    check_told(
        |_, evidence| evidence.effects.values_mut().for_each(|effect| effect.0 = false),
        |told| matches!(told, Difference::NoEffect { .. }),
    );
}

#[test]
fn sums_that_differ_by_a_cent_and_parked_records_are_told() {
    check_told(
        |_, evidence| {
            let line = &mut evidence.invoices.values_mut().next().unwrap().lines[0];
            line.subtotal += Decimal::new(1, 2);
        },
        |told| matches!(told, Difference::Sum { what: "the sum of what is unbilled and on invoices", .. }),
    );
    let parked = |topic: &str| ParkedAt {
        service: "ehr-adapter",
        processor: "hl7-translation",
        key: None,
        record: Some((topic.to_owned(), 0, 0)),
        reason: "invalid".to_owned(),
        detail: "FT1[1]-11".to_owned(),
    };
    for topic in ["raw.hl7v2.v1", "clinical.encounter.v1", "billing.charge.v1", "billing.invoice-request.v1"]
    {
        check_told(
            |_, evidence| evidence.parked.push(parked(topic)),
            |told| matches!(told, Difference::Parked(_)),
        );
    }
}
