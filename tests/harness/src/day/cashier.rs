//! Somebody at a desk in Odoo, after the day: pays invoices, some in part. And whether that came back.

use super::cases::SEVERAL_CURRENCIES;
use super::check::{Amiss, latest};
use crate::books::Evidence;
use crate::stack::Stack;
use canon::events::billing_invoice_request::RequestKind;
use canon::{Change, InvoiceRequest, Money};
use odoo::ExternalId;
use odoo::cashier::Cashier;
use odoo::invoice::{FoundInvoice, MoveState};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// What was paid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paid {
    /// How many payments were registered.
    pub payments: usize,
    /// How many invoices are paid in part or whole, from before as well.
    pub invoices: usize,
}

/// Of visits with these keys every third invoice is paid, every other third by half; one that has a payment is left alone,
/// so that the same day again changes nothing. Which are paid follows from the requests' names alone.
///
/// # Errors
/// When Odoo does not take a payment.
pub async fn pay(stack: &Stack, evidence: &Evidence, keys: &BTreeSet<String>) -> Result<Paid, odoo::Error> {
    let mut paid = Paid::default();
    for (_, request, invoice) in invoices(evidence, keys) {
        let is_open = invoice.state == MoveState::Posted && invoice.move_type == "out_invoice";
        // A key's last digits are as good as random, and stay the same.
        let lot = request.request.bytes().map(usize::from).sum::<usize>() % 3;
        if !is_open || lot == 0 || invoice.total <= Decimal::ONE {
            continue;
        }
        paid.invoices += 1;
        if invoice.payment_state == "not_paid" {
            let half = (invoice.total / Decimal::TWO).round_dp(2);
            let cashier = Cashier::new(stack.odoo(), invoice.company);
            cashier.pay(invoice.id, (lot == 2).then_some(half)).await?;
            paid.payments += 1;
        }
    }
    Ok(paid)
}

/// What was requested for these visits, with its key, and what Odoo has of it. A request of a visit that was moved names the
/// other one.
fn invoices<'a>(
    evidence: &'a Evidence,
    keys: &'a BTreeSet<String>,
) -> impl Iterator<Item = (&'a str, &'a InvoiceRequest, &'a FoundInvoice)> {
    let requests = latest(&evidence.requests.stated, |one| one.change == Change::Withdrawn);
    requests.into_values().filter(|(stated, _)| keys.contains(&stated.key)).filter_map(|(stated, request)| {
        let id = ExternalId::coded("invoice", &request.request).ok()?;
        Some((stated.key.as_str(), request, evidence.invoices.get(&id)?))
    })
}

/// What the poller publishes of every invoice is what Odoo has, and the cases say what was paid.
pub(super) fn check(evidence: &Evidence, keys: &BTreeSet<String>, found: &mut Vec<Amiss>) {
    let entered = latest(&evidence.entered.stated, |one| one.change == Change::Withdrawn);
    let entered: BTreeMap<i64, &canon::Invoice> =
        entered.into_values().map(|(_, body)| (body.invoice, body)).collect();
    let mut allocated: BTreeMap<(i64, &str), Vec<Money>> = BTreeMap::new();
    let payments = latest(&evidence.paid.stated, |one| one.change == Change::Withdrawn);
    for (_, payment) in payments.into_values() {
        allocated.entry((payment.invoice, &payment.currency)).or_default().push(payment.amount);
    }
    let mut paid: BTreeMap<&str, Decimal> = BTreeMap::new();
    // An invoice and its credit note are set off against each other in Odoo: what is open there is no matter of payments.
    let set_off: BTreeSet<&str> = invoices(evidence, keys)
        .filter(|(_, request, _)| request.kind == RequestKind::CreditNote)
        .map(|(key, ..)| key)
        .collect();
    for (key, request, invoice) in invoices(evidence, keys) {
        let of = request.request.clone();
        let Some(body) = entered.get(&invoice.id) else {
            found.push(Amiss::Missing { what: "on billing.invoice.v1 the invoice of request", of });
            continue;
        };
        let is = Stands {
            state: body.state.as_str().to_owned(),
            payment_state: &body.payment_state,
            number: body.number.as_deref(),
            currency: &body.currency,
            total: exact(body.total),
            residual: exact(body.residual),
            lines: body.lines.len(),
        };
        let should = Stands {
            state: format!("{:?}", invoice.state).to_lowercase(),
            payment_state: &invoice.payment_state,
            number: invoice.number.as_deref(),
            currency: &request.currency,
            total: invoice.total.abs().normalize(),
            residual: invoice.residual.abs().normalize(),
            lines: invoice.lines.len(),
        };
        if is != should {
            let (is, should) = (format!("{is:?}"), format!("{should:?}"));
            found.push(Amiss::Differs { what: "billing.invoice.v1 of request", of: of.clone(), is, should });
        }
        let its = allocated.get(&(invoice.id, request.currency.as_str())).into_iter().flatten();
        let sum: Decimal = its.map(|amount| exact(*amount)).sum();
        let should = (invoice.total - invoice.residual).abs();
        if sum != should && !set_off.contains(key) {
            let (is, should) = (sum.to_string(), should.to_string());
            found.push(Amiss::Differs { what: "billing.payment.v1 of request", of, is, should });
        }
        let sign = if request.kind == RequestKind::CreditNote { -Decimal::ONE } else { Decimal::ONE };
        *paid.entry(key).or_default() += sum * sign;
    }
    let cases = latest(&evidence.cases.stated, |one| one.change == Change::Withdrawn);
    for (stated, case) in cases.into_values().filter(|(stated, _)| keys.contains(&stated.key)) {
        // The currency itself is held against the requests with the case's other figures.
        let paid = paid.get(stated.key.as_str()).copied().filter(|_| case.currency != SEVERAL_CURRENCIES);
        let (is, should) = (exact(case.paid), paid.unwrap_or_default());
        if is != should {
            let (of, is, should) = (stated.key.clone(), is.to_string(), should.normalize().to_string());
            found.push(Amiss::Differs { what: "what is paid of case", of, is, should });
        }
    }
}

/// An invoice as Odoo has it and as the poller says it.
#[derive(Debug, PartialEq, Eq)]
struct Stands<'a> {
    state: String,
    payment_state: &'a str,
    number: Option<&'a str>,
    currency: &'a str,
    total: Decimal,
    residual: Decimal,
    lines: usize,
}

fn exact(money: Money) -> Decimal {
    super::accounts::decimal(money)
}
