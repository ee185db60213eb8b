//! The day in numbers: what a page shows.

use super::accounts::decimal;
use super::check::latest;
use super::{Codes, Played};
use crate::books::Evidence;
use canon::events::billing_invoice_request::RequestKind;
use canon::{Change, Timestamp};
use hospital::truth::{Charge, Visit};
use odoo::ExternalId;
use odoo::invoice::MoveState;
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use std::time::Duration;

/// The day in numbers; amounts by currency.
#[derive(Clone, Debug, Default)]
pub struct DayFigures {
    /// Charges, credits and adjustments that count.
    pub charges: usize,
    /// What they come to.
    pub charged: BTreeMap<String, Decimal>,
    /// What the cases say is in no request yet.
    pub unbilled: BTreeMap<String, Decimal>,
    /// What is on posted invoices, less credit notes.
    pub invoiced: BTreeMap<String, Decimal>,
    /// What was paid of that.
    pub paid: BTreeMap<String, Decimal>,
    /// Posted invoices in Odoo.
    pub invoices: usize,
    /// Posted credit notes.
    pub credit_notes: usize,
    /// Lines of both.
    pub lines: usize,
    /// Payments that came back.
    pub payments: usize,
    /// From the ACK of the last message of a visit to the moment its first invoice was posted, sorted; visits with one
    /// request only.
    pub latencies: Vec<Duration>,
}

impl DayFigures {
    /// Counts what is of the day.
    pub fn of(played: &Played, evidence: &Evidence, codes: Codes) -> Self {
        let keys = played.visits();
        let mut figures = Self::default();
        for charge in played.plan.truth.charges.iter().filter(|charge| counts(charge, codes)) {
            figures.charges += 1;
            *figures.charged.entry(charge.currency.clone()).or_default() += charge.net();
        }
        let cases = latest(&evidence.cases.stated, |one| one.change == Change::Withdrawn);
        for (_, case) in cases.into_values().filter(|(stated, _)| keys.contains(&stated.key)) {
            *figures.unbilled.entry(case.currency.clone()).or_default() += decimal(case.unbilled);
        }
        let acks = last_acks(played);
        let mut times: BTreeMap<&str, Vec<Timestamp>> = BTreeMap::new();
        let requests = latest(&evidence.requests.stated, |one| one.change == Change::Withdrawn);
        for (stated, request) in requests.into_values().filter(|(stated, _)| keys.contains(&stated.key)) {
            let id = ExternalId::coded("invoice", &request.request).ok();
            let Some(invoice) = id.and_then(|id| evidence.invoices.get(&id)) else { continue };
            if invoice.state != MoveState::Posted {
                continue;
            }
            let (count, sign) = match request.kind {
                RequestKind::CreditNote => (&mut figures.credit_notes, -Decimal::ONE),
                _ => (&mut figures.invoices, Decimal::ONE),
            };
            *count += 1;
            figures.lines += invoice.lines.len();
            let sum: Decimal = invoice.lines.iter().map(|line| line.subtotal).sum();
            *figures.invoiced.entry(request.currency.clone()).or_default() += sum * sign;
            if let Some((true, at)) = evidence.effects.get(&stated.name) {
                times.entry(&stated.key).or_default().push(*at);
            }
        }
        let payments = latest(&evidence.paid.stated, |one| one.change == Change::Withdrawn);
        for (_, payment) in payments.into_values().filter(|(stated, _)| keys.contains(&stated.key)) {
            figures.payments += 1;
            *figures.paid.entry(payment.currency.clone()).or_default() += decimal(payment.amount);
        }
        for (key, times) in times {
            // One that was posted before the day was sent again says nothing of this time.
            if let ([at], Some(acked)) = (&times[..], acks.get(key))
                && at >= acked
            {
                figures.latencies.push(at.since(*acked));
            }
        }
        figures.latencies.sort_unstable();
        figures
    }
}

fn counts(charge: &Charge, codes: Codes) -> bool {
    use hospital::truth::Fate;
    charge.counts() && (codes == Codes::Later || !matches!(charge.fate, Fate::Unmapped { .. }))
}

/// When the last message of each visit was acknowledged, by the visit's key.
fn last_acks(played: &Played) -> BTreeMap<String, Timestamp> {
    let mut acked = BTreeMap::new();
    for told in &played.told {
        if let Some(at) = told.acknowledged_at {
            acked.insert(told.id, Timestamp(at.as_microsecond()));
        }
    }
    let truth = &played.plan.truth;
    let mut acks: BTreeMap<String, Timestamp> = BTreeMap::new();
    let of = |visit: &Visit| played.visit(visit.sender, &visit.visit).to_string();
    for visit in &truth.visits {
        let last = visit.messages.iter().filter_map(|id| acked.get(id)).max();
        acks.extend(last.map(|at| (of(visit), *at)));
    }
    for charge in &truth.charges {
        let key = played.visit(charge.sender, &charge.visit).to_string();
        for at in charge.said.iter().filter_map(|said| acked.get(&said.message)) {
            let last = acks.entry(key.clone()).or_insert(*at);
            *last = (*last).max(*at);
        }
    }
    acks
}
