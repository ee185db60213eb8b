//! A visit's billing: charges gather while the visit lasts, and an invoice is requested for them when it is finished
//! and the bill hold has passed.
//!
//! Folds `clinical.encounter.v1` and `billing.charge.v1`, in whatever order the two come; states
//! `billing.invoice-request.v1`, a command, and `billing.case.v1`. A charge is in one request for ever: what comes
//! late makes a further request, and what changes after it was requested is parked, since that needs a credit note.

use crate::rows::{self, CaseRow, ChargeRow};
use crate::visit::Visit;
use backbone::{Cx, Fact, Folding, On, Projection, Reason, Reject, Rows};
use canon::events::billing_case::{Case as Stated, CaseStatus};
use canon::events::billing_charge::ChargeKind;
use canon::events::billing_invoice_request::Line;
use canon::{
    Change, Charge, Date, Encounter, EncounterToken, InvoiceRequest, Money, Name, Phi, Quantity, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The currency of a case whose charges have several: ISO 4217's code for "none". Such a case counts, but has no sums.
const SEVERAL_CURRENCIES: &str = "XXX";

/// What the installation decides about bills.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    /// How long a finished visit waits for late charges, and a late charge for further ones. Zero: not at all.
    pub(crate) hold: Duration,
    /// Lines of one request at most.
    pub(crate) lines_max: usize,
}

/// The billing of one visit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Case {
    visit: Visit,
    /// By the charge's id.
    charges: BTreeMap<String, Entry>,
    /// How many were made; the number of the last.
    requests: i32,
    /// The latest source's time among what was folded.
    as_of: Timestamp,
}

/// A charge of the case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) billable: Billable,
    /// When it was first folded, by the batch's clock: a late one waits from here.
    arrived_at: Timestamp,
    /// The request it is in.
    pub(crate) request: Option<i32>,
}

/// What an invoice shows of a charge. A correction that leaves this as it was is none to billing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Billable {
    pub(crate) code: String,
    description: Option<Phi<String>>,
    quantity: Quantity,
    pub(crate) amount: Money,
    pub(crate) currency: String,
    service_at: Timestamp,
}

/// The fold as the service runs it.
pub(crate) fn folding(setup: Setup) -> Folding<Case> {
    Folding::new(setup)
        .on::<Encounter>()
        .on::<Charge>()
        .emits::<InvoiceRequest>()
        .emits::<Stated>()
        .reports::<CaseRow>()
        .reports::<ChargeRow>()
}

impl Projection for Case {
    const NAME: &'static str = "billing-case";
    type Key = EncounterToken;
    type Setup = Setup;

    fn woken(&mut self, visit: &EncounterToken, cx: &mut Cx<'_, Setup>) -> Result<(), Reject> {
        if self.due(cx.setup().hold).is_some_and(|due| due <= cx.now()) {
            self.request(visit, cx)?;
        }
        self.settle(visit, cx)
    }

    fn report(&self, visit: &EncounterToken, rows: &mut Rows) {
        // A visit that nothing was heard of has no row: what the runtime writes is the difference to that.
        if *self != Self::default() {
            rows::put(self, visit, rows);
        }
    }
}

impl On<Encounter> for Case {
    fn on(&mut self, said: &Fact<Encounter>, cx: &mut Cx<'_, Setup>) -> Result<(), Reject> {
        known_change(said.body.change)?;
        self.visit.hear(said, cx.now());
        self.as_of = self.as_of.max(said.body.occurred_at);
        self.settle(&said.key, cx)
    }
}

impl On<Charge> for Case {
    fn on(&mut self, charge: &Fact<Charge>, cx: &mut Cx<'_, Setup>) -> Result<(), Reject> {
        known_change(charge.body.change)?;
        match charge.body.change {
            Change::Withdrawn => self.withdraw(&charge.body)?,
            _ => self.take(&charge.body, cx.now())?,
        }
        self.as_of = self.as_of.max(charge.body.occurred_at);
        self.settle(&charge.key, cx)
    }
}

impl Case {
    /// What the case says of itself.
    pub(crate) fn stated(&self, visit: &EncounterToken) -> Result<Stated, Reject> {
        let finished = self.visit.finished_at().is_some();
        let (requested, open): (Vec<_>, Vec<_>) =
            self.charges.values().partition(|entry| entry.request.is_some());
        let currencies: BTreeSet<&str> =
            self.charges.values().map(|entry| entry.billable.currency.as_str()).collect();
        let sum = |entries: &[&Entry]| match currencies.len() {
            0 | 1 => total(entries.iter().map(|entry| &entry.billable)),
            _ => Ok(Money::ZERO),
        };
        Ok(Stated {
            change: Change::Recorded,
            encounter: *visit,
            status: match (finished, open.is_empty()) {
                (false, _) => CaseStatus::Open,
                (true, false) => CaseStatus::Held,
                (true, true) => CaseStatus::Billed,
            },
            finished,
            currency: match currencies.len() {
                0 | 1 => currencies.first().copied().unwrap_or_default().to_owned(),
                _ => SEVERAL_CURRENCIES.to_owned(),
            },
            unbilled: sum(&open)?,
            unbilled_count: count(&open),
            requested: sum(&requested)?,
            requested_count: count(&requested),
            requests: i64::from(self.requests),
            as_of: self.as_of,
        })
    }

    /// The charges, by id.
    pub(crate) fn charges(&self) -> &BTreeMap<String, Entry> {
        &self.charges
    }

    /// The facility's code.
    pub(crate) fn facility(&self) -> Option<String> {
        self.visit.facility()
    }

    fn take(&mut self, charge: &Charge, now: Timestamp) -> Result<(), Reject> {
        if charge.kind != ChargeKind::Charge {
            let what = format!("FT1-6: a transaction of kind {} cannot be billed yet", charge.kind.as_str());
            return Err(Reject::new(Reason::Unsupported, what));
        }
        let billable = Billable::of(charge);
        match self.charges.get_mut(&charge.charge) {
            Some(entry) if entry.billable == billable => {}
            Some(Entry { request: Some(number), .. }) => return Err(needs_credit_note("corrected", *number)),
            Some(entry) => entry.billable = billable,
            None => {
                let entry = Entry { billable, arrived_at: now, request: None };
                self.charges.insert(charge.charge.clone(), entry);
            }
        }
        Ok(())
    }

    fn withdraw(&mut self, charge: &Charge) -> Result<(), Reject> {
        if let Some(Entry { request: Some(number), .. }) = self.charges.get(&charge.charge) {
            return Err(needs_credit_note("withdrawn", *number));
        }
        self.charges.remove(&charge.charge);
        Ok(())
    }

    /// When what is open is to be requested: the hold after the visit was finished; what came later than that waits for
    /// the hold itself, and whatever is open by then goes along.
    fn due(&self, hold: Duration) -> Option<Timestamp> {
        let held_until = self.visit.finished_at()? + hold;
        let due =
            |entry: &Entry| if entry.arrived_at < held_until { held_until } else { entry.arrived_at + hold };
        self.charges.values().filter(|entry| entry.request.is_none()).map(due).min()
    }

    /// Says where the case stands and when it wants to be woken.
    fn settle(&self, visit: &EncounterToken, cx: &mut Cx<'_, Setup>) -> Result<(), Reject> {
        cx.emit(Name::new("case", &[visit]), visit, self.stated(visit)?);
        if let Some(due) = self.due(cx.setup().hold) {
            cx.wake(due);
        }
        Ok(())
    }

    /// Requests everything that is open, each currency for itself.
    fn request(&mut self, visit: &EncounterToken, cx: &mut Cx<'_, Setup>) -> Result<(), Reject> {
        for charges in self.open(cx.setup().lines_max) {
            self.requests += 1;
            let request = self.request_of(visit, &charges, cx.now())?;
            for charge in charges {
                self.charges.entry(charge).and_modify(|entry| entry.request = Some(self.requests));
            }
            cx.emit(
                Name::new("invoice-request", &[visit.as_str(), &self.requests.to_string()]),
                visit,
                request,
            );
        }
        Ok(())
    }

    /// The ids of open charges, in the order and the portions in which they are requested.
    fn open(&self, lines_max: usize) -> Vec<Vec<String>> {
        let mut by_currency: BTreeMap<&str, Vec<(&String, &Billable)>> = BTreeMap::new();
        for (charge, entry) in self.charges.iter().filter(|(_, entry)| entry.request.is_none()) {
            by_currency.entry(&entry.billable.currency).or_default().push((charge, &entry.billable));
        }
        let mut portions = Vec::new();
        for mut charges in by_currency.into_values() {
            charges.sort_by_key(|(charge, billable)| (billable.service_at, *charge));
            let portion = |charges: &[(&String, &Billable)]| {
                charges.iter().map(|(charge, _)| (*charge).clone()).collect()
            };
            portions.extend(charges.chunks(lines_max.max(1)).map(portion));
        }
        portions
    }

    /// The command for some charges, under the number that was just given.
    fn request_of(
        &self,
        visit: &EncounterToken,
        charges: &[String],
        now: Timestamp,
    ) -> Result<InvoiceRequest, Reject> {
        let request = request_id(visit, self.requests);
        let entries: Vec<_> =
            charges.iter().filter_map(|charge| Some((charge, &self.charges.get(charge)?.billable))).collect();
        let line = |(position, (charge, billable)): (usize, &(&String, &Billable))| Line {
            line: format!("{request}-{}", position + 1),
            charge: (*charge).clone(),
            code: billable.code.clone(),
            description: billable.description.clone(),
            quantity: billable.quantity,
            amount: billable.amount,
            service_at: billable.service_at,
        };
        Ok(InvoiceRequest {
            change: Change::Recorded,
            encounter: *visit,
            number: self.requests,
            facility: self.visit.facility(),
            payer: self.visit.payer(),
            currency: entries.first().map(|(_, billable)| billable.currency.clone()).unwrap_or_default(),
            invoice_date: self.invoice_date(entries.iter().map(|(_, billable)| billable.service_at), now),
            visit_number: self.visit.number(),
            lines: entries.iter().enumerate().map(line).collect(),
            total: total(entries.iter().map(|(_, billable)| *billable))?,
            request,
        })
    }

    /// The day (UTC) of the discharge, or of the latest service if that was later. It follows from the facts alone, so
    /// that the same facts folded again at another time make the same command; only a source whose clock is ahead of
    /// ours has its invoices dated today.
    fn invoice_date(&self, services: impl Iterator<Item = Timestamp>, now: Timestamp) -> Date {
        let latest = services.chain(self.visit.finished_at()).max();
        latest.map_or(now, |latest| latest.min(now)).date()
    }
}

impl Billable {
    fn of(charge: &Charge) -> Self {
        Self {
            code: charge.code.clone(),
            description: charge.description.clone(),
            quantity: charge.quantity,
            amount: charge.amount,
            currency: charge.currency.clone(),
            service_at: charge.service_at,
        }
    }
}

/// A request's id. Its lines have it too, with their position: a request never changes, so neither do they.
pub(crate) fn request_id(visit: &EncounterToken, number: i32) -> String {
    format!("{visit}-{number}")
}

fn total<'a>(billables: impl Iterator<Item = &'a Billable>) -> Result<Money, Reject> {
    let sum = Money::sum(billables.map(|billable| billable.amount));
    sum.ok_or_else(|| Reject::new(Reason::Invalid, "the sum of the visit's charges has more than 18 digits"))
}

fn count(entries: &[&Entry]) -> i64 {
    i64::try_from(entries.len()).unwrap_or(i64::MAX)
}

fn known_change(change: Change) -> Result<(), Reject> {
    match change {
        Change::Unknown => Err(Reject::new(Reason::Unsupported, "a change that this release does not know")),
        Change::Recorded | Change::Corrected | Change::Withdrawn => Ok(()),
    }
}

fn needs_credit_note(what: &str, number: i32) -> Reject {
    let text =
        format!("a charge was {what} after request {number} had been made with it; that needs a credit note");
    Reject::new(Reason::Unsupported, text)
}

#[cfg(test)]
mod tests;
