//! Every case's figures, held against the requests under its key and what Odoo has of them.

use super::accounts::decimal;
use super::check::{Amiss, latest};
use crate::books::Evidence;
use canon::events::billing_invoice_request::RequestKind;
use canon::{Case, Change, InvoiceRequest};
use odoo::ExternalId;
use odoo::invoice::MoveState;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// The currency of a case whose charges or requests have several. Such a case counts, but has no sums.
pub(super) const SEVERAL_CURRENCIES: &str = "XXX";

/// A number of lines, and what they come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Lines {
    count: i64,
    sum: Decimal,
}

/// What a case says of its invoices; what is unbilled and what is paid of them is the accounts' and the cashier's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Figures {
    currency: String,
    requests: i64,
    requested: Lines,
    invoiced: Lines,
    credited: Lines,
    diverged: Lines,
}

/// Cases of these keys, all of which something was requested for.
pub(super) fn check(evidence: &Evidence, keys: &BTreeSet<String>, found: &mut Vec<Amiss>) {
    let mut should: BTreeMap<&str, Figures> = BTreeMap::new();
    let mut currencies: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let charges = latest(&evidence.charges.stated, |one| one.change == Change::Withdrawn);
    for (stated, charge) in charges.into_values() {
        currencies.entry(&stated.key).or_default().insert(&charge.currency);
    }
    let requests = latest(&evidence.requests.stated, |one| one.change == Change::Withdrawn);
    for (stated, request) in requests.into_values().filter(|(stated, _)| keys.contains(&stated.key)) {
        let id = ExternalId::coded("invoice", &request.request).ok();
        let invoice = id.and_then(|id| evidence.invoices.get(&id));
        let is_posted = invoice.is_some_and(|invoice| invoice.state == MoveState::Posted);
        should.entry(&stated.key).or_default().add(request, is_posted);
        currencies.entry(&stated.key).or_default().insert(&request.currency);
    }
    let cases = latest(&evidence.cases.stated, |one| one.change == Change::Withdrawn);
    for (stated, case) in cases.into_values().filter(|(stated, _)| keys.contains(&stated.key)) {
        let is = Figures::of(case);
        let mut should = should.remove(stated.key.as_str()).unwrap_or_default();
        should.is_in(currencies.get(stated.key.as_str()));
        if is != should {
            let (of, is, should) = (stated.key.clone(), format!("{is:?}"), format!("{should:?}"));
            found.push(Amiss::Differs { what: "the figures of case", of, is, should });
        }
    }
    found.extend(should.into_keys().map(|key| Amiss::Missing { what: "case", of: key.to_owned() }));
}

impl Figures {
    fn of(case: &Case) -> Self {
        Self {
            currency: case.currency.clone(),
            requests: case.requests,
            requested: Lines { count: case.requested_count, sum: decimal(case.requested) },
            invoiced: Lines { count: case.invoiced_count, sum: decimal(case.invoiced) },
            credited: Lines { count: case.credited_count, sum: decimal(case.credited) },
            diverged: Lines { count: case.diverged_count, sum: decimal(case.diverged) },
        }
    }

    fn add(&mut self, request: &InvoiceRequest, is_posted: bool) {
        let count = i64::try_from(request.lines.len()).unwrap_or(i64::MAX);
        let sum: Decimal = request.lines.iter().map(|line| decimal(line.amount)).sum();
        let is_note = request.kind == RequestKind::CreditNote;
        self.requests += 1;
        self.requested.add(count, if is_note { -sum } else { sum });
        if is_posted {
            let place = if is_note { &mut self.credited } else { &mut self.invoiced };
            place.add(count, sum);
        }
    }

    fn is_in(&mut self, currencies: Option<&BTreeSet<&str>>) {
        let mut currencies = currencies.into_iter().flatten().copied();
        self.currency = currencies.next().unwrap_or_default().to_owned();
        if currencies.next().is_some() {
            SEVERAL_CURRENCIES.clone_into(&mut self.currency);
            for lines in [&mut self.requested, &mut self.invoiced, &mut self.credited, &mut self.diverged] {
                lines.sum = Decimal::ZERO;
            }
        }
    }
}

impl Lines {
    fn add(&mut self, count: i64, sum: Decimal) {
        self.count += count;
        self.sum += sum;
    }
}
