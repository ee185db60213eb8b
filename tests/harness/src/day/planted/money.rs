//! Faults of charges, of what was invoiced for them, and of cases.

use super::{Fault, Told, add, change, dearer, double, lose};
use crate::books::{Evidence, Stated};
use crate::day::Played;
use crate::day::check::latest;
use canon::events::billing_charge::{Charge, ChargeKind};
use canon::events::billing_invoice_request::RequestKind;
use canon::{Case, Change, InvoiceRequest, Money, Quantity};
use hospital::truth::{Standing, Visit};
use odoo::ExternalId;
use odoo::invoice::{FoundInvoice, MoveState};
use rust_decimal::Decimal;
use std::collections::BTreeSet;

const CENT: Decimal = Decimal::from_parts(1, 0, 0, false, 2);

pub(super) const CHARGES: [Fault; 10] = [
    (
        "a charge is missing",
        |played, there| drop_charge(played, there, ChargeKind::Charge),
        Told::Missing("charge"),
    ),
    (
        "a credit is missing",
        |played, there| drop_charge(played, there, ChargeKind::Credit),
        Told::Missing("charge"),
    ),
    (
        "an adjustment is missing",
        |played, there| drop_charge(played, there, ChargeKind::Adjustment),
        Told::Missing("charge"),
    ),
    (
        "a charge is there twice",
        |played, there| {
            let keys = played.visits();
            double(&mut there.charges, |stated, _| keys.contains(&stated.key))
        },
        Told::Differs("charge"),
    ),
    (
        "a charge that was never said",
        |played, there| {
            let keys = played.visits();
            let never = |charge: &mut Charge| charge.transaction_id.push_str("-never");
            add(&mut there.charges, |stated, _| keys.contains(&stated.key), never)
        },
        Told::Stranger("charge"),
    ),
    (
        "a charge is a cent dearer",
        |played, there| charge(played, there, |charge| charge.amount = dearer(charge.amount)),
        Told::Differs("charge"),
    ),
    (
        "a charge is in another currency",
        |played, there| charge(played, there, |charge| charge.currency = "CHF".to_owned()),
        Told::Differs("charge"),
    ),
    (
        "a charge is of another quantity",
        |played, there| charge(played, there, |charge| charge.quantity = Quantity::default()),
        Told::Differs("charge"),
    ),
    (
        "a charge is of another code",
        |played, there| charge(played, there, |charge| charge.code.push('X')),
        Told::Differs("charge"),
    ),
    (
        "a credit is added",
        |played, there| {
            let keys = played.visits();
            change(
                &mut there.charges,
                |stated, body| keys.contains(&stated.key) && body.kind == ChargeKind::Credit,
                |body| body.amount = -body.amount,
            )
        },
        Told::Differs("charge"),
    ),
];

pub(super) const INVOICES: [Fault; 17] = [
    (
        "an invoice was never requested",
        |played, there| {
            let plain = plain(played, Standing::Finished);
            lose(&mut there.requests, |stated, body| plain.contains(&stated.key) && !body.total.is_zero())
        },
        Told::Account("on posted invoices"),
    ),
    (
        "a request is a line short, and so is its invoice",
        |played, there| {
            let plain = plain(played, Standing::Finished);
            let mut line = String::new();
            change(
                &mut there.requests,
                |stated, body| plain.contains(&stated.key) && body.lines.len() > 1,
                |body| line = body.lines.pop().map(|line| line.line).unwrap_or_default(),
            ) && ExternalId::coded("line", &line).is_ok_and(|id| {
                let invoices = there.invoices.values_mut();
                invoices.for_each(|invoice| invoice.lines.retain(|line| !line.external.contains(&id)));
                true
            })
        },
        Told::Account("on posted invoices"),
    ),
    (
        "what is on no invoice is missed by the sum",
        |played, there| {
            let plain = plain(played, Standing::Finished);
            lose(&mut there.requests, |stated, body| plain.contains(&stated.key) && !body.total.is_zero())
        },
        Told::Sum("unbilled and on posted invoices"),
    ),
    (
        "a request was never written",
        |played, there| {
            let name = requested(played, there, |_| true).map(|(stated, _)| stated.name.clone());
            name.is_some_and(|name| there.effects.remove(&name).is_some())
        },
        Told::Missing("the writer's memory of request"),
    ),
    (
        "a request was given up",
        |played, there| {
            let name = requested(played, there, |_| true).map(|(stated, _)| stated.name.clone());
            name.and_then(|name| there.effects.get_mut(&name)).map(|effect| effect.0 = false).is_some()
        },
        Told::Missing("the writer's memory of request"),
    ),
    (
        "an invoice is missing in odoo",
        |played, there| {
            let id = requested(played, there, |_| true).and_then(|(_, request)| id(request));
            id.is_some_and(|id| there.invoices.remove(&id).is_some())
        },
        Told::Missing("the invoice of request"),
    ),
    ("a line is lost", |played, there| invoice(played, there, |found| drop(found.lines.pop())), INVOICE),
    (
        "a line is there twice",
        |played, there| invoice(played, there, |found| found.lines.extend_from_within(..1)),
        INVOICE,
    ),
    (
        "a line that a person added",
        |played, there| {
            invoice(played, there, |found| {
                found.lines.extend_from_within(..1);
                found.lines.last_mut().into_iter().for_each(|line| line.external.clear());
            })
        },
        INVOICE,
    ),
    (
        "a line is a cent dearer",
        |played, there| invoice(played, there, |found| found.lines[0].subtotal += CENT),
        INVOICE,
    ),
    (
        "a line is of no product",
        |played, there| invoice(played, there, |found| found.lines[0].product = None),
        INVOICE,
    ),
    (
        "an invoice is a draft",
        |played, there| invoice(played, there, |found| found.state = MoveState::Draft),
        INVOICE,
    ),
    (
        "an invoice is cancelled",
        |played, there| invoice(played, there, |found| found.state = MoveState::Cancel),
        INVOICE,
    ),
    (
        "an invoice is in another currency",
        |played, there| invoice(played, there, |found| found.currency.external.clear()),
        INVOICE,
    ),
    (
        "an invoice is nobody's to pay",
        |played, there| invoice(played, there, |found| found.partner = None),
        INVOICE,
    ),
    (
        "an invoice is a credit note",
        |played, there| invoice(played, there, |found| found.move_type = "out_refund".to_owned()),
        INVOICE,
    ),
    (
        "a visit has an invoice more in odoo",
        |played, there| {
            let number = requested(played, there, |_| true);
            let number = number.map(|(_, request)| request.visit_number.reveal().clone());
            number.and_then(|number| there.by_reference.get_mut(&number)).map(|count| *count += 1).is_some()
        },
        Told::Differs("the invoices in odoo of visit"),
    ),
];

const INVOICE: Told = Told::Differs("the invoice of request");

pub(super) const CASES: [Fault; 15] = [
    (
        "a finished case has something unbilled",
        |played, there| case(played, there, Standing::Finished, |case| case.unbilled = dearer(case.unbilled)),
        Told::Account("unbilled"),
    ),
    (
        "an open case has a cent more unbilled",
        |played, there| case(played, there, Standing::Open, |case| case.unbilled = dearer(case.unbilled)),
        Told::Account("unbilled"),
    ),
    (
        "an open case is missing",
        |played, there| {
            let plain = charged(played, Standing::Open);
            lose(&mut there.cases, |stated, _| plain.contains(&stated.key))
        },
        Told::Account("unbilled"),
    ),
    (
        "a finished case is missing",
        |played, there| {
            let plain = charged(played, Standing::Finished);
            lose(&mut there.cases, |stated, _| plain.contains(&stated.key))
        },
        Told::Missing("case"),
    ),
    ("a case has a request more", |played, there| figures(played, there, |case| case.requests += 1), FIGURES),
    (
        "a case has a cent more requested",
        |played, there| figures(played, there, |case| case.requested = dearer(case.requested)),
        FIGURES,
    ),
    (
        "a case has a line more requested",
        |played, there| figures(played, there, |case| case.requested_count += 1),
        FIGURES,
    ),
    (
        "a case has a cent more invoiced",
        |played, there| figures(played, there, |case| case.invoiced = dearer(case.invoiced)),
        FIGURES,
    ),
    (
        "a case has nothing invoiced",
        |played, there| figures(played, there, |case| case.invoiced = Money::ZERO),
        FIGURES,
    ),
    (
        "a case has a line more invoiced",
        |played, there| figures(played, there, |case| case.invoiced_count += 1),
        FIGURES,
    ),
    (
        "a case has a cent more credited",
        |played, there| figures(played, there, |case| case.credited = dearer(case.credited)),
        FIGURES,
    ),
    (
        "a case has a line more credited",
        |played, there| figures(played, there, |case| case.credited_count += 1),
        FIGURES,
    ),
    ("a case has diverged", |played, there| figures(played, there, |case| case.diverged_count += 1), FIGURES),
    (
        "a case has diverged by a cent",
        |played, there| figures(played, there, |case| case.diverged = dearer(case.diverged)),
        FIGURES,
    ),
    (
        "a case is in another currency",
        |played, there| figures(played, there, |case| case.currency = "CHF".to_owned()),
        FIGURES,
    ),
];

const FIGURES: Told = Told::Differs("the figures of case");

/// Keys of visits that stand so, and that nothing was moved to or from, nor ended too early.
fn plain(played: &Played, standing: Standing) -> BTreeSet<String> {
    let visits = &played.plan.truth.visits;
    let into: BTreeSet<_> =
        visits.iter().filter_map(|visit| Some((visit.sender, visit.moved_to.as_deref()?))).collect();
    let is_plain = |visit: &&Visit| {
        visit.standing == standing
            && visit.moved_to.is_none()
            && visit.discharges_cancelled == 0
            && !into.contains(&(visit.sender, visit.visit.as_str()))
    };
    visits.iter().filter(is_plain).map(|visit| played.visit(visit.sender, &visit.visit).to_string()).collect()
}

/// Of those, the ones that have charges.
fn charged(played: &Played, standing: Standing) -> BTreeSet<String> {
    let charges = played.plan.truth.charges.iter();
    let all: BTreeSet<String> =
        charges.map(|charge| played.visit(charge.sender, &charge.visit).to_string()).collect();
    plain(played, standing).intersection(&all).cloned().collect()
}

fn drop_charge(played: &Played, there: &mut Evidence, kind: ChargeKind) -> bool {
    let keys = played.visits();
    lose(&mut there.charges, |stated, body| keys.contains(&stated.key) && body.kind == kind)
}

fn charge(played: &Played, there: &mut Evidence, spoil: impl FnOnce(&mut Charge)) -> bool {
    let keys = played.visits();
    change(&mut there.charges, |stated, _| keys.contains(&stated.key), spoil)
}

fn case(played: &Played, there: &mut Evidence, standing: Standing, spoil: impl FnOnce(&mut Case)) -> bool {
    let keys = charged(played, standing);
    change(&mut there.cases, |stated, _| keys.contains(&stated.key), spoil)
}

/// Of a case that something was invoiced for.
fn figures(played: &Played, there: &mut Evidence, spoil: impl FnOnce(&mut Case)) -> bool {
    let keys = played.visits();
    change(&mut there.cases, |stated, body| keys.contains(&stated.key) && !body.invoiced.is_zero(), spoil)
}

/// A request of the day.
fn requested<'a>(
    played: &Played,
    there: &'a Evidence,
    is_it: impl Fn(&InvoiceRequest) -> bool,
) -> Option<(&'a Stated<InvoiceRequest>, &'a InvoiceRequest)> {
    let keys = played.visits();
    let requests = latest(&there.requests.stated, |one| one.change == Change::Withdrawn);
    requests.into_values().find(|(stated, request)| keys.contains(&stated.key) && is_it(request))
}

fn id(request: &InvoiceRequest) -> Option<ExternalId> {
    ExternalId::coded("invoice", &request.request).ok()
}

/// Spoils an invoice that was requested.
fn invoice(played: &Played, there: &mut Evidence, spoil: impl FnOnce(&mut FoundInvoice)) -> bool {
    let id = requested(played, there, |request| request.kind == RequestKind::Invoice)
        .and_then(|(_, request)| id(request));
    id.and_then(|id| there.invoices.get_mut(&id)).map(spoil).is_some()
}
