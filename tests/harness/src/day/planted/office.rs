//! Faults of what came back from Odoo: invoices as they stand there, and payments.

use super::{Fault, Told, change, dearer, double, lose};
use crate::books::Evidence;
use crate::day::Played;
use crate::day::check::latest;
use canon::events::billing_invoice::{Invoice, InvoiceState};
use canon::events::billing_invoice_request::RequestKind;
use canon::{Change, Payment};
use std::collections::BTreeSet;

pub(super) const FAULTS: [Fault; 14] = [
    (
        "an invoice did not come back",
        |played, there| {
            let keys = paid(played, there);
            lose(&mut there.entered, |stated, _| keys.contains(&stated.key))
        },
        Told::Missing("on billing.invoice.v1 the invoice of request"),
    ),
    (
        "an invoice came back as a draft",
        |played, there| entered(played, there, |invoice| invoice.state = InvoiceState::Draft),
        INVOICE,
    ),
    (
        "that an invoice was paid did not come back",
        |played, there| {
            entered(played, there, |invoice| {
                (invoice.payment_state, invoice.residual) = ("not_paid".to_owned(), invoice.total);
            })
        },
        INVOICE,
    ),
    (
        "an invoice came back in another payment state",
        |played, there| entered(played, there, |invoice| invoice.payment_state = "reversed".to_owned()),
        INVOICE,
    ),
    (
        "an invoice came back with a cent more open",
        |played, there| entered(played, there, |invoice| invoice.residual = dearer(invoice.residual)),
        INVOICE,
    ),
    (
        "an invoice came back a cent dearer",
        |played, there| entered(played, there, |invoice| invoice.total = dearer(invoice.total)),
        INVOICE,
    ),
    (
        "an invoice came back in another currency",
        |played, there| entered(played, there, |invoice| invoice.currency = "CHF".to_owned()),
        INVOICE,
    ),
    (
        "an invoice came back without its number",
        |played, there| entered(played, there, |invoice| invoice.number = None),
        INVOICE,
    ),
    (
        "an invoice came back without a line",
        |played, there| entered(played, there, |invoice| drop(invoice.lines.pop())),
        INVOICE,
    ),
    (
        "a payment is missing",
        |played, there| {
            let keys = paid(played, there);
            lose(&mut there.paid, |stated, _| keys.contains(&stated.key))
        },
        PAYMENT,
    ),
    (
        "a payment is there twice",
        |played, there| {
            let keys = paid(played, there);
            double(&mut there.paid, |stated, _| keys.contains(&stated.key))
        },
        PAYMENT,
    ),
    (
        "a payment is of a cent more",
        |played, there| payment(played, there, |payment| payment.amount = dearer(payment.amount)),
        PAYMENT,
    ),
    (
        "a payment is in another currency",
        |played, there| payment(played, there, |payment| payment.currency = "CHF".to_owned()),
        PAYMENT,
    ),
    (
        "a case has a cent more paid",
        |played, there| {
            let keys = paid(played, there);
            change(
                &mut there.cases,
                |stated, _| keys.contains(&stated.key),
                |case| case.paid = dearer(case.paid),
            )
        },
        Told::Differs("what is paid of case"),
    ),
];

const INVOICE: Told = Told::Differs("billing.invoice.v1 of request");
const PAYMENT: Told = Told::Differs("billing.payment.v1 of request");

/// Keys of visits that somebody paid something of, and that have no credit note, which is set off in Odoo.
fn paid(played: &Played, there: &Evidence) -> BTreeSet<String> {
    let payments = latest(&there.paid.stated, |one| one.change == Change::Withdrawn);
    let mut keys: BTreeSet<String> = payments.into_values().map(|(stated, _)| stated.key.clone()).collect();
    let visits = played.visits();
    keys.retain(|key| visits.contains(key));
    for (stated, request) in
        latest(&there.requests.stated, |one| one.change == Change::Withdrawn).into_values()
    {
        if request.kind == RequestKind::CreditNote {
            keys.remove(&stated.key);
        }
    }
    keys
}

/// Of an invoice that something was paid of.
fn entered(played: &Played, there: &mut Evidence, spoil: impl FnOnce(&mut Invoice)) -> bool {
    let keys = paid(played, there);
    change(
        &mut there.entered,
        |stated, invoice| keys.contains(&stated.key) && invoice.residual < invoice.total,
        spoil,
    )
}

fn payment(played: &Played, there: &mut Evidence, spoil: impl FnOnce(&mut Payment)) -> bool {
    let keys = paid(played, there);
    change(&mut there.paid, |stated, _| keys.contains(&stated.key), spoil)
}
