//! The day's money: charges as they were said, and every visit's account between charges, invoices and payments (I9).

use super::check::{Amiss, latest};
use super::{Codes, Played, invoices};
use crate::books::{Evidence, Stated};
use canon::events::billing_charge::ChargeKind as Kind;
use canon::events::billing_invoice_request::RequestKind;
use canon::{Case, Change, Charge, InvoiceRequest, Money};
use hospital::truth::{Charge as Said, ChargeKind, Fate, MessageId};
use odoo::ExternalId;
use odoo::invoice::MoveState;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// By sender, visit, transaction and kind: a credit may have the number of what it takes back.
type Transaction<'a> = (&'a str, String, &'a str, Kind);

/// Keys of visits of which a charge waits for its code: all that came behind it waits as well.
pub(super) fn held(played: &Played, codes: Codes) -> BTreeSet<String> {
    let charges = played.plan.truth.charges.iter();
    let waiting =
        charges.filter(|charge| codes == Codes::Morning && matches!(charge.fate, Fate::Unmapped { .. }));
    waiting.map(|charge| played.visit(charge.sender, &charge.visit).to_string()).collect()
}

/// Which message a record of a charge comes from.
pub(super) fn messages(played: &Played, evidence: &Evidence) -> BTreeMap<(i32, i64), MessageId> {
    let charges = played.plan.truth.charges.iter();
    let said: BTreeMap<Transaction<'_>, MessageId> = charges
        .filter_map(|charge| Some((transaction(played, charge), charge.said.last()?.message)))
        .collect();
    let message = |stated: &Stated<Charge>| {
        let body = stated.body.as_ref()?;
        let of = (body.sender.as_str(), stated.key.clone(), body.transaction_id.as_str(), body.kind);
        Some((stated.at, *said.get(&of)?))
    };
    evidence.charges.stated.iter().filter_map(message).collect()
}

fn transaction<'a>(played: &Played, charge: &'a Said) -> Transaction<'a> {
    let kind = match charge.kind {
        ChargeKind::Charge => Kind::Charge,
        ChargeKind::Credit => Kind::Credit,
        ChargeKind::Adjustment => Kind::Adjustment,
    };
    let visit = played.visit(charge.sender, &charge.visit).to_string();
    (charge.sender.name(), visit, &charge.transaction, kind)
}

/// Accounts of `held` keys are not followed.
pub(super) fn check(played: &Played, evidence: &Evidence, held: &BTreeSet<String>, found: &mut Vec<Amiss>) {
    charges(played, evidence, found);
    let booked = Booked::of(evidence, found);
    let mut sums: BTreeMap<String, (Decimal, Decimal)> = BTreeMap::new();
    let groups = groups(played);
    for group in groups.iter().filter(|group| group.keys.is_disjoint(held)) {
        booked.check(group, found);
        let (is, should) = sums.entry(group.currency.clone()).or_default();
        *should += group.net;
        *is += booked.sum(group, |booked| booked.unbilled + booked.invoiced);
    }
    for (currency, (is, should)) in sums {
        if is != should {
            let what = "unbilled and on posted invoices";
            found.push(Amiss::Sum { what, currency, is, should });
        }
    }
}

/// One fact of each transaction, as it was last said.
fn charges(played: &Played, evidence: &Evidence, found: &mut Vec<Amiss>) {
    let truth = &played.plan.truth;
    let visits = played.visits();
    let mut facts: BTreeMap<Transaction<'_>, Vec<&Charge>> = BTreeMap::new();
    for (stated, body) in
        latest(&evidence.charges.stated, |body| body.change == Change::Withdrawn).into_values()
    {
        let of = (body.sender.as_str(), stated.key.clone(), body.transaction_id.as_str(), body.kind);
        facts.entry(of).or_default().push(body);
    }
    for charge in &truth.charges {
        let its = facts.remove(&transaction(played, charge)).unwrap_or_default();
        let of = format!("{} of visit {}", charge.transaction, charge.visit);
        match (its[..].first(), charge.counts()) {
            (None, false) => {}
            (None, true) => found.push(Amiss::Missing { what: "charge", of }),
            (Some(_), _) if its.len() > 1 => {
                let (is, should) = (format!("stated {} times", its.len()), "one".to_owned());
                found.push(Amiss::Differs { what: "charge", of, is, should });
            }
            (Some(body), _) => {
                let tell = |quantity: Decimal, code: &str, amount: Decimal, currency: &str| {
                    format!("{} of {code} for {} {currency}", quantity.normalize(), amount.normalize())
                };
                // A credit's quantity has the sign that its sender gives it.
                let is = tell(decimal(body.quantity).abs(), &body.code, decimal(body.amount), &body.currency);
                let should = tell(charge.quantity.into(), &charge.code, signed(charge), &charge.currency);
                if is != should && charge.counts() {
                    found.push(Amiss::Differs { what: "charge", of, is, should });
                }
            }
        }
    }
    let strangers = facts.into_keys().filter(|(_, visit, ..)| visits.contains(visit));
    found.extend(strangers.map(|(sender, _, transaction, kind)| Amiss::Stranger {
        what: "charge",
        of: format!("{transaction} of {sender} ({kind:?})"),
    }));
}

/// Amounts of facts have the sign that they add to an account with.
pub(super) fn signed(charge: &Said) -> Decimal {
    charge.net()
}

/// Accounts that charges were moved between: whose invoices they are on is the biller's to decide.
struct Group {
    /// The visit that is left.
    visit: String,
    currency: String,
    keys: BTreeSet<String>,
    net: Decimal,
    /// All is on invoices, or nothing; nothing when it cannot be said.
    is_finished: Option<bool>,
}

fn groups(played: &Played) -> Vec<Group> {
    let truth = &played.plan.truth;
    let moved: BTreeMap<(&str, &str), &str> = truth
        .visits
        .iter()
        .filter_map(|visit| Some(((visit.sender.name(), visit.visit.as_str()), visit.moved_to.as_deref()?)))
        .collect();
    let reopened: BTreeSet<(&str, &str)> = truth
        .visits
        .iter()
        .filter(|visit| visit.discharges_cancelled > 0)
        .map(|visit| (visit.sender.name(), visit.visit.as_str()))
        .collect();
    let accounts = truth.accounts();
    let mut groups: BTreeMap<(&str, &str, &str), Group> = BTreeMap::new();
    for account in &accounts {
        let sender = account.sender.name();
        let mut left = account.visit.as_str();
        while let Some(next) = moved.get(&(sender, left)) {
            left = next;
        }
        let group = groups.entry((sender, left, &account.currency)).or_insert_with(|| Group {
            visit: left.to_owned(),
            currency: account.currency.clone(),
            keys: BTreeSet::from([played.visit(account.sender, left).to_string()]),
            net: Decimal::ZERO,
            is_finished: Some(account.finished),
        });
        group.keys.insert(played.visit(account.sender, &account.visit).to_string());
        group.net += account.net;
        let is_early = !account.finished && reopened.contains(&(sender, account.visit.as_str()));
        if left != account.visit || is_early || group.is_finished != Some(account.finished) {
            group.is_finished = None;
        }
    }
    groups.into_values().collect()
}

/// Where a visit's money is.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    unbilled: Decimal,
    invoiced: Decimal,
}

struct Booked(BTreeMap<(String, String), Place>);

impl Booked {
    /// What cases say is unbilled, and what posted invoices less credit notes hold in Odoo.
    fn of(evidence: &Evidence, found: &mut Vec<Amiss>) -> Self {
        let mut booked: BTreeMap<(String, String), Place> = BTreeMap::new();
        for (stated, case) in
            latest(&evidence.cases.stated, |case: &Case| case.change == Change::Withdrawn).into_values()
        {
            booked.entry((stated.key.clone(), case.currency.clone())).or_default().unbilled +=
                decimal(case.unbilled);
        }
        let requests =
            latest(&evidence.requests.stated, |request: &InvoiceRequest| request.change == Change::Withdrawn);
        for (stated, request) in requests.into_values() {
            let id = ExternalId::coded("invoice", &request.request).ok();
            let Some(invoice) = id.and_then(|id| evidence.invoices.get(&id)) else {
                found.push(Amiss::Missing { what: "the invoice of request", of: request.request.clone() });
                continue;
            };
            found.extend(invoices::differs(request, invoice));
            if !evidence.effects.get(&stated.name).is_some_and(|(applied, _)| *applied) {
                found.push(Amiss::Missing {
                    what: "the writer's memory of request",
                    of: request.request.clone(),
                });
            }
            let sum: Decimal = invoice.lines.iter().map(|line| line.subtotal).sum();
            let sign = if request.kind == RequestKind::CreditNote { -Decimal::ONE } else { Decimal::ONE };
            let place = booked.entry((stated.key.clone(), request.currency.clone())).or_default();
            if invoice.state == MoveState::Posted {
                place.invoiced += sum * sign;
            }
        }
        Self(booked)
    }

    fn sum(&self, group: &Group, of: impl Fn(Place) -> Decimal) -> Decimal {
        let places = group.keys.iter().filter_map(|key| self.0.get(&(key.clone(), group.currency.clone())));
        places.map(|place| of(*place)).sum()
    }

    fn check(&self, group: &Group, found: &mut Vec<Amiss>) {
        let (unbilled, invoiced) =
            (self.sum(group, |place| place.unbilled), self.sum(group, |place| place.invoiced));
        let should = match group.is_finished {
            Some(true) => {
                [("unbilled", unbilled, Decimal::ZERO), ("on posted invoices", invoiced, group.net)].to_vec()
            }
            Some(false) => {
                [("unbilled", unbilled, group.net), ("on posted invoices", invoiced, Decimal::ZERO)].to_vec()
            }
            None => [("unbilled and on posted invoices", unbilled + invoiced, group.net)].to_vec(),
        };
        for (what, is, should) in should.into_iter().filter(|(_, is, should)| is != should) {
            let (visit, currency) = (group.visit.clone(), group.currency.clone());
            found.push(Amiss::Account { visit, what, currency, is, should });
        }
    }
}

pub(super) fn decimal(money: Money) -> Decimal {
    Decimal::new(money.unscaled(), 4).normalize()
}
