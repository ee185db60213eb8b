//! A visit's billing: charges gather while the visit lasts, and an invoice is requested for them when it is finished
//! and the bill hold has passed. What changes after that is given back by credit notes.
//!
//! Folds `clinical.encounter.v1` and `billing.charge.v1`, in whatever order the two come, and what Odoo made of the
//! requests, `billing.invoice.v1` and `billing.payment.v1`; states `billing.invoice-request.v1`, a command, and
//! `billing.case.v1`. What is asked for follows from the difference between what the source says now and what was
//! asked for before, so nothing depends on the order of arrival.

use crate::asked::{Asked, AskedLine, number};
use crate::entry::{Entries, Entry, sum};
use crate::facilities::Facilities;
use crate::odoo::{Books, Difference};
use crate::place::Place;
use crate::plan::{Planned, PlannedLine, plan};
use crate::position::{At, Position, positions};
use crate::visit::Visit;
use crate::{codes, rows, statement};
use backbone::{Cx, Fact, Folding, On, Projection, Reason, Reject, Rows};
use canon::events::billing_case::Case as Stated;
use canon::events::billing_invoice_request::RequestKind;
use canon::{
    Change, Charge, Code, Date, Encounter, EncounterToken, Invoice, InvoiceRequest, Item, Money, Name,
    Payment, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

/// What the installation decides about bills.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How long a finished visit waits for late charges, and what comes late for more. Zero: not at all.
    pub hold: Duration,
    /// Lines of one request at most.
    pub lines_max: usize,
    /// Whether a charge waits until its item is one of Odoo's.
    pub known_items_only: bool,
    /// Whether Odoo adds taxes, so that its totals are not those of the requests.
    pub taxed: bool,
    /// Who invoices for which facility, and who owns what diverged.
    pub facilities: Facilities,
}

/// The billing of one visit.
///
/// A state with fields that it does not have is of another release and is not taken for an empty one: everything would
/// be asked for again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Case {
    pub(crate) visit: Visit,
    pub(crate) entries: Entries,
    /// Every request, in order; the first has the number 1.
    pub(crate) asked: Vec<Asked>,
    /// Charges that something is to be requested for, and since when, by the batch's clock.
    wanting: BTreeMap<String, Timestamp>,
    pub(crate) books: Books,
    /// Requests that Odoo has otherwise, or that another payer is said for since, by index.
    pub(crate) diverged: BTreeMap<usize, Diverged>,
    /// The latest source's time among what was folded.
    pub(crate) as_of: Timestamp,
}

/// A request that Odoo has otherwise than it was, or that another payer is said for since.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Diverged {
    pub(crate) since: Timestamp,
    /// Who looks after it.
    pub(crate) owner: Option<String>,
    /// Names of fields and amounts.
    pub(crate) what: String,
    /// By how much, without sign.
    pub(crate) amount: Money,
}

/// The fold as the service runs it.
pub fn folding(setup: Setup) -> Folding<Case> {
    Folding::new(setup)
        .on::<Encounter>()
        .on::<Charge>()
        .on::<Invoice>()
        .on::<Payment>()
        .knows::<Code>()
        .knows::<Item>()
        .emits::<InvoiceRequest>()
        .compensates(crate::compensate)
        .emits::<Stated>()
        .reports::<rows::AccountRow>()
        .reports::<rows::CaseRow>()
        .reports::<rows::ChargeRow>()
        .reports::<rows::DivergedRow>()
        .reports::<rows::RequestRow>()
        .reports::<rows::UnbilledRow>()
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
            Change::Withdrawn => self.entries.withdraw(&charge.body.charge, charge.body.occurred_at),
            _ => self.take(&charge.body, cx)?,
        }
        self.as_of = self.as_of.max(charge.body.occurred_at);
        self.settle(&charge.key, cx)
    }
}

impl On<Invoice> for Case {
    fn on(&mut self, invoice: &Fact<Invoice>, cx: &mut Cx<'_, Setup>) -> Result<(), Reject> {
        known_change(invoice.body.change)?;
        self.books.hear_invoice(&invoice.key, &invoice.body);
        self.settle(&invoice.key, cx)
    }
}

impl On<Payment> for Case {
    fn on(&mut self, payment: &Fact<Payment>, cx: &mut Cx<'_, Setup>) -> Result<(), Reject> {
        known_change(payment.body.change)?;
        self.books.hear_payment(&payment.body);
        self.settle(&payment.key, cx)
    }
}

impl Case {
    /// Where each charge stands.
    pub(crate) fn positions(&self) -> BTreeMap<At, Position> {
        positions(&self.entries, &self.asked)
    }

    fn take(&mut self, charge: &Charge, cx: &mut Cx<'_, Setup>) -> Result<(), Reject> {
        if self.entries.get(&charge.charge).is_some_and(|entry| entry.says(charge)) {
            return Ok(());
        }
        let day = cx.setup().facilities.of(charge.facility.as_deref()).day(charge.service_at);
        // Told again with nothing new but where it is invoiced, it stands for what it stood for.
        let stands_for = |entry: &Entry| entry.moves(charge).then(|| entry.what.item.clone());
        let item = match self.entries.get(&charge.charge).and_then(stands_for) {
            Some(item) => item,
            None => codes::item(charge, day, cx)?,
        };
        self.entries.put(&charge.charge, Entry::of(charge, item, day)?);
        Ok(())
    }

    /// When what is wanted is to be requested: the hold after the visit was finished; what came later than that waits
    /// for the hold itself, and whatever is wanted by then goes along.
    fn due(&self, hold: Duration) -> Option<Timestamp> {
        let held_until = self.visit.finished_at()? + hold;
        let due = |since: &Timestamp| if *since < held_until { held_until } else { *since + hold };
        self.wanting.values().map(due).min()
    }

    /// Says where the case stands and when it wants to be woken.
    fn settle(&mut self, visit: &EncounterToken, cx: &mut Cx<'_, Setup>) -> Result<(), Reject> {
        self.check_sums()?;
        let positions = self.positions();
        let mut wanting = BTreeMap::new();
        for (at, _) in positions.iter().filter(|(_, position)| position.wants()) {
            let since = self.wanting.get(&at.charge).copied().unwrap_or_else(|| cx.now());
            wanting.insert(at.charge.clone(), since);
        }
        self.wanting = wanting;
        self.compare(visit, cx);
        cx.emit(Name::new("case", &[visit]), visit, statement::of(self, visit, &positions));
        if let Some(due) = self.due(cx.setup().hold) {
            cx.wake(due);
        }
        Ok(())
    }

    /// Every sum of parts of the case fits, when all of it does.
    fn check_sums(&self) -> Result<(), Reject> {
        let entries = self.entries.iter().map(|(_, entry)| entry.what.amount);
        let asked = self.asked.iter().flat_map(|asked| asked.lines.iter().map(|line| line.amount));
        let all = Money::sum(entries.chain(asked).chain(self.books.amounts()).map(Money::abs));
        let too_much = "the sum of the visit's charges has more than 18 digits";
        all.map(drop).ok_or_else(|| Reject::new(Reason::Invalid, too_much))
    }

    /// Holds what Odoo has, and what the source says of who pays, against what was asked for.
    fn compare(&mut self, visit: &EncounterToken, cx: &Cx<'_, Setup>) {
        let setup = cx.setup();
        let mut diverged = BTreeMap::new();
        for (index, asked) in self.asked.iter().enumerate() {
            let in_odoo = self.books.difference(visit, index, asked, setup.taxed);
            let Some(found) = Difference::of([in_odoo, self.other_payer(asked, cx)]) else { continue };
            let known = self.diverged.get(&index);
            let now = Diverged {
                since: known.map_or(cx.now(), |known| known.since),
                owner: setup.facilities.of(asked.facility.as_deref()).owner,
                what: found.what,
                amount: found.amount,
            };
            diverged.insert(index, now);
        }
        self.diverged = diverged;
    }

    /// In what a request would be another one now that the source says another payer than it did then. A table that says
    /// something else of the same one since changes no request.
    fn other_payer(&self, asked: &Asked, cx: &Cx<'_, Setup>) -> Option<Difference> {
        let (said, left) = (self.visit.payer(), asked.left()?);
        if said.is_some() && said == asked.payer_said {
            return None;
        }
        // A row that cannot be read says nothing; it is for the request to wait for it.
        let is = self.payer(cx).unwrap_or_else(|_| said.map(|payer| payer.code));
        let name = |payer: &Option<String>| payer.clone().unwrap_or_else(|| "nobody".to_owned());
        let what = format!("payer {} instead of {}", name(&is), name(&asked.payer));
        (is != asked.payer).then(|| Difference { what, amount: left.abs() })
    }

    /// Who pays, as Odoo knows them.
    fn payer(&self, cx: &Cx<'_, Setup>) -> Result<Option<String>, Reject> {
        let day = self.visit.finished_at().unwrap_or_else(|| cx.now()).date();
        codes::payer(self.visit.payer().as_ref(), day, cx)
    }

    /// Requests everything that is wanted.
    fn request(&mut self, visit: &EncounterToken, cx: &mut Cx<'_, Setup>) -> Result<(), Reject> {
        let payer = self.payer(cx)?;
        let bears = self.visit.moved_to().unwrap_or(*visit);
        for index in self.ask(payer.as_deref(), cx.setup(), cx.now()) {
            let Some(asked) = self.asked.get(index) else { continue };
            let command = asked.command(visit, index, bears, self.visit.number());
            let name = Name::new("invoice-request", &[visit.as_str(), &number(index).to_string()]);
            cx.emit(name, visit, command);
        }
        // Were it not so, the deadline would fire again at once, and again, each time with further requests.
        if self.positions().values().any(Position::wants) {
            return Err(Reject::new(Reason::Conflict, "what was requested leaves something to be requested"));
        }
        Ok(())
    }

    /// Makes the requests that are wanted, what is given back first; their indices.
    fn ask(&mut self, payer: Option<&str>, setup: &Setup, now: Timestamp) -> Range<usize> {
        let first = self.asked.len();
        let places = |charge: &str| self.places_of(charge, setup);
        for planned in plan(&self.positions(), &self.asked, places, setup.lines_max) {
            let asked = self.asked_of(planned, payer, now);
            for line in &asked.lines {
                self.give_back(line);
            }
            self.asked.push(asked);
        }
        first..self.asked.len()
    }

    /// What a charge says of company and journal, and where it goes: as it says, else as its facility has it.
    fn places_of(&self, charge: &str, setup: &Setup) -> (Place, Place) {
        let entry = self.entries.get(charge);
        let said = entry.map(|entry| entry.place.clone()).unwrap_or_default();
        let facility = self.visit.facility().or_else(|| entry?.facility.clone());
        let place = said.or(&setup.facilities.of(facility.as_deref()).place());
        (said, place)
    }

    fn give_back(&mut self, taking: &AskedLine) {
        let taken = taking.reverses.and_then(|at| self.asked.get_mut(at.request)?.lines.get_mut(at.line));
        if let Some(line) = taken {
            line.credited = sum([line.credited, taking.amount]);
        }
    }

    /// A request with all that it says. A credit note goes to whom the invoice went.
    fn asked_of(&self, planned: Planned, payer: Option<&str>, now: Timestamp) -> Asked {
        let date = self.date_of(&planned, now);
        let first = planned.lines.first().and_then(|line| self.entries.get(&line.charge));
        let facility = self.visit.facility().or_else(|| first?.facility.clone());
        let line = |line: PlannedLine| AskedLine {
            charge: line.charge,
            what: line.what,
            place: line.place,
            amount: line.amount,
            credited: Money::ZERO,
            reverses: line.reverses,
        };
        let lines = planned.lines.into_iter().map(line).collect();
        if let Some(reversed) = planned.reverses.and_then(|index| self.asked.get(index)) {
            let (kind, date) = (planned.kind, date.max(reversed.date));
            return Asked { kind, reverses: planned.reverses, date, lines, ..reversed.clone() };
        }
        let Place { company, journal } = planned.place;
        Asked {
            kind: planned.kind,
            reverses: None,
            facility,
            company,
            journal,
            payer: payer.map(str::to_owned),
            payer_said: self.visit.payer(),
            currency: planned.currency,
            date,
            lines,
        }
    }

    /// The day (UTC) of the discharge, or of the latest service if that was later; of a credit note the day on which
    /// the source said the last of what it is for. It follows from the facts alone, so that the same facts folded again
    /// at another time make the same command; only a source whose clock is ahead of ours has its invoices dated today.
    fn date_of(&self, planned: &Planned, now: Timestamp) -> Date {
        let latest = if planned.kind == RequestKind::CreditNote {
            let about = |id: &str| planned.lines.iter().any(|line| line.charge == self.entries.root(id));
            self.entries.iter().filter(|(id, _)| about(id)).map(|(_, entry)| entry.told_at).max()
        } else {
            let services = planned.lines.iter().map(|line| line.what.service_at);
            services.chain(self.visit.finished_at()).max()
        };
        latest.map_or(now, |latest| latest.min(now)).date()
    }
}

fn known_change(change: Change) -> Result<(), Reject> {
    match change {
        Change::Unknown => Err(Reject::new(Reason::Unsupported, "a change that this release does not know")),
        Change::Recorded | Change::Corrected | Change::Withdrawn => Ok(()),
    }
}

#[cfg(test)]
mod tests;
