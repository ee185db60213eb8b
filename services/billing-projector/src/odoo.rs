//! What Odoo has of the visit: invoices, credit notes and payments as the poller states them, held against what was
//! asked for.
//!
//! Differences are told as names of fields and amounts, never with anything of a patient.

use crate::asked::{Asked, LineAt, amends, index_of, line_id};
use crate::entry::sum;
use canon::events::billing_invoice::{InvoiceKind, InvoiceState};
use canon::events::billing_invoice_request::RequestKind;
use canon::{Change, EncounterToken, Invoice, Money, Payment};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A report names so many differences; the rest is counted.
const DIFFERENCES_TOLD: usize = 5;
/// `account.payment.state` of payments that are none.
const VOID_PAYMENTS: [&str; 4] = ["draft", "canceled", "cancelled", "rejected"];

/// What Odoo has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Books {
    /// By Odoo's id.
    invoices: BTreeMap<i64, Entered>,
    /// By payment and invoice.
    payments: BTreeMap<String, Paid>,
}

/// An invoice or a credit note in Odoo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entered {
    /// The index of the request that it was made for; none of what a person made.
    request: Option<usize>,
    /// The index of the request that it puts right: one that should have been another one, as a rebuild has found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    amends: Option<usize>,
    /// The index of the request whose invoice it reverses.
    reverses: Option<usize>,
    kind: InvoiceKind,
    state: InvoiceState,
    total: Money,
    residual: Money,
    currency: String,
    /// Our lines by their ids, and what people added.
    lines: Vec<(Option<String>, Money)>,
}

/// What of a payment was allocated to an invoice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Paid {
    invoice: i64,
    amount: Money,
    void: bool,
}

/// Where a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// Nothing is known of it in Odoo: on its way, or parked at the writer.
    Requested,
    Draft,
    Posted,
    /// By a person, whose decision about it is awaited.
    Cancelled,
    /// By a person, whose decision about it is awaited.
    Deleted,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Standing {
    pub(crate) state: State,
    /// Odoo's id of it.
    pub(crate) invoice: Option<i64>,
    /// As Odoo has it.
    pub(crate) total: Money,
    pub(crate) residual: Money,
    pub(crate) paid: Money,
    /// Posted credit notes that people made for it by hand.
    pub(crate) credited: Money,
}

/// A document of ours, as Odoo has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Document {
    pub(crate) is_note: bool,
    pub(crate) is_posted: bool,
    /// Our lines of it, and what they come to.
    pub(crate) lines: usize,
    pub(crate) amount: Money,
}

/// In what a request is otherwise than it should be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Difference {
    pub(crate) what: String,
    /// Without sign.
    pub(crate) amount: Money,
}

impl Difference {
    /// All of them as one; the amount is the greatest, since they are about the same money.
    pub(crate) fn of(found: impl IntoIterator<Item = Option<Self>>) -> Option<Self> {
        let join = |all: Self, one: Self| Self {
            what: format!("{}, {}", all.what, one.what),
            amount: all.amount.max(one.amount),
        };
        found.into_iter().flatten().reduce(join)
    }
}

impl State {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Draft => "draft",
            Self::Posted => "posted",
            Self::Cancelled => "cancelled",
            Self::Deleted => "deleted",
        }
    }
}

impl Books {
    /// Takes what the poller says of an invoice.
    pub(crate) fn hear_invoice(&mut self, visit: &EncounterToken, said: &Invoice) {
        if said.change == Change::Withdrawn {
            return self.lose(said.invoice);
        }
        let index = |request: &Option<String>| index_of(visit, request.as_deref()?);
        let entered = Entered {
            request: index(&said.request),
            amends: said.request.as_deref().and_then(|request| amends(visit, request)),
            reverses: index(&said.reversed_request),
            kind: said.kind,
            state: said.state,
            total: said.total,
            residual: said.residual,
            currency: said.currency.clone(),
            lines: said.lines.iter().map(|line| (line.line.clone(), line.amount)).collect(),
        };
        self.invoices.insert(said.invoice, entered);
    }

    /// An invoice is gone from Odoo. One of ours is kept as deleted: a request that took effect is not carried out again,
    /// so what is owed is a person's decision.
    fn lose(&mut self, invoice: i64) {
        match self.invoices.get_mut(&invoice).filter(|entered| entered.is_ours()) {
            Some(entered) => {
                (entered.state, entered.lines) = (InvoiceState::Deleted, Vec::new());
                (entered.total, entered.residual) = (Money::ZERO, Money::ZERO);
            }
            None => drop(self.invoices.remove(&invoice)),
        }
    }

    /// Takes what the poller says of a payment.
    pub(crate) fn hear_payment(&mut self, said: &Payment) {
        let id = format!("{}/{}", said.payment, said.invoice);
        if said.change == Change::Withdrawn {
            self.payments.remove(&id);
            return;
        }
        let void = VOID_PAYMENTS.contains(&said.state.as_str());
        self.payments.insert(id, Paid { invoice: said.invoice, amount: said.amount, void });
    }

    /// Amounts of Odoo's, for the check that all sums fit.
    pub(crate) fn amounts(&self) -> impl Iterator<Item = Money> {
        let entered = self.invoices.values().flat_map(|entered| {
            entered.lines.iter().map(|(_, amount)| *amount).chain([entered.total, entered.residual])
        });
        entered.chain(self.payments.values().map(|paid| paid.amount))
    }

    /// What became of a request; with all that puts it right, as one.
    pub(crate) fn standing(&self, request: usize) -> Standing {
        let found = self.made_for(request);
        let all = || found.into_iter().chain(self.amending(request));
        let states = || all().map(|(_, entered)| state_of(entered));
        let paid = |id: &i64| sum(self.paid().filter(|paid| paid.invoice == *id).map(|paid| paid.amount));
        Standing {
            state: states()
                .find(|state| *state != State::Posted)
                .or(states().next())
                .unwrap_or(State::Requested),
            invoice: found.map(|(id, _)| *id),
            total: net(&found, all().map(|(_, entered)| (entered, entered.total))),
            residual: net(&found, all().map(|(_, entered)| (entered, entered.residual))),
            paid: net(&found, all().map(|(id, entered)| (entered, paid(id)))),
            credited: self.credited_by_hand(request),
        }
    }

    /// The documents of requests that others put right, by their index: their own, and those others.
    ///
    /// What was asked for is then what Odoo has of them, and not what should have been asked for at once.
    pub(crate) fn amended(&self) -> BTreeMap<usize, Vec<Document>> {
        let amended: BTreeSet<usize> = self.invoices.values().filter_map(|entered| entered.amends).collect();
        let document = |(_, entered): (&i64, &Entered)| Document {
            is_note: entered.kind == InvoiceKind::CreditNote,
            is_posted: state_of(entered) == State::Posted,
            lines: entered.ours().count(),
            amount: sum(entered.ours()),
        };
        let of = |request| self.made_for(request).into_iter().chain(self.amending(request)).map(document);
        amended.into_iter().map(|request| (request, of(request).collect())).collect()
    }

    /// The sum of payments to the visit's invoices, less what was paid out of its credit notes; how many there are.
    pub(crate) fn payments(&self) -> (Money, usize) {
        let is_note =
            |id: &i64| self.invoices.get(id).is_some_and(|entered| entered.kind == InvoiceKind::CreditNote);
        let signed = |paid: &Paid| if is_note(&paid.invoice) { -paid.amount } else { paid.amount };
        (sum(self.paid().map(signed)), self.paid().count())
    }

    /// Lines of posted credit notes that people made by hand.
    pub(crate) fn lines_by_hand(&self) -> usize {
        self.notes_by_hand().map(|entered| entered.lines.len()).sum()
    }

    fn credited_by_hand(&self, request: usize) -> Money {
        let its = self.notes_by_hand().filter(|entered| entered.reverses == Some(request));
        sum(its.map(|entered| entered.total))
    }

    /// Posted credit notes that people made.
    fn notes_by_hand(&self) -> impl Iterator<Item = &Entered> {
        self.invoices.values().filter(|entered| {
            !entered.is_ours()
                && (entered.kind, entered.state) == (InvoiceKind::CreditNote, InvoiceState::Posted)
        })
    }

    /// In what Odoo has a request otherwise than it was. `taxed`: Odoo adds taxes, so totals say nothing.
    pub(crate) fn difference(
        &self,
        visit: &EncounterToken,
        request: usize,
        asked: &Asked,
        taxed: bool,
    ) -> Option<Difference> {
        let (_, entered) = self.made_for(request)?;
        let state = state_of(entered);
        if [State::Cancelled, State::Deleted].contains(&state) {
            let what = format!("{} in odoo", state.as_str());
            return Some(Difference { what, amount: asked.total().abs() });
        }
        if self.amending(request).next().is_some() {
            return self.difference_of_amended(request, asked, taxed);
        }
        let mut told = Vec::new();
        let kind = match asked.kind {
            RequestKind::CreditNote => InvoiceKind::CreditNote,
            RequestKind::Invoice | RequestKind::Unknown => InvoiceKind::Invoice,
        };
        let fields = [
            (entered.kind == kind, "the kind of document"),
            (entered.currency == asked.currency, "currency"),
            (entered.reverses == asked.reverses, "the invoice that is reversed"),
        ];
        told.extend(fields.iter().filter(|(same, _)| !same).map(|(_, field)| (*field).to_owned()));
        told.extend(lines(visit, request, asked, entered));
        // What a person gave back may be given back by the source as well, and then by us: somebody has to know of both.
        let credited = self.credited_by_hand(request);
        if !credited.is_zero() {
            told.insert(0, format!("{credited} was credited by hand"));
        }
        let (is, should) = (entered.total, asked.total());
        if !taxed && is != should {
            told.insert(0, format!("total {is} instead of {should}"));
        }
        let amount = sum([sum([if taxed { entered.by_lines() } else { is }, -should]).abs(), credited]);
        (!told.is_empty()).then(|| Difference { what: joined(&told), amount })
    }

    /// In what Odoo has a request that others put right otherwise than it should have been. They are documents of their own,
    /// so what all of them come to is compared.
    fn difference_of_amended(&self, request: usize, asked: &Asked, taxed: bool) -> Option<Difference> {
        let all = || self.made_for(request).into_iter().chain(self.amending(request));
        let lost = all().map(|(_, entered)| state_of(entered));
        let lost = lost.filter(|state| [State::Cancelled, State::Deleted].contains(state));
        let mut told: Vec<String> =
            lost.map(|state| format!("what puts it right is {} in odoo", state.as_str())).collect();
        let amount = |entered: &Entered| if taxed { entered.by_lines() } else { entered.total };
        let lives = |entered: &Entered| ![State::Cancelled, State::Deleted].contains(&state_of(entered));
        let living = all().filter(|(_, entered)| lives(entered));
        let is = sum(living.map(|(_, entered)| entered.signed(amount(entered))));
        let (should, credited) = (asked.effect(), self.credited_by_hand(request));
        if !credited.is_zero() {
            told.insert(0, format!("{credited} was credited by hand"));
        }
        if is != should {
            told.insert(0, format!("all together {is} instead of {should}"));
        }
        let amount = sum([sum([is, -should]).abs(), credited]);
        (!told.is_empty()).then(|| Difference { what: joined(&told), amount })
    }

    /// What puts a request right.
    fn amending(&self, request: usize) -> impl Iterator<Item = (&i64, &Entered)> {
        self.invoices.iter().filter(move |(_, entered)| entered.amends == Some(request))
    }

    /// What is there of a request: one that lives, before one that was deleted.
    fn made_for(&self, request: usize) -> Option<(&i64, &Entered)> {
        let made = self.invoices.iter().filter(|(_, entered)| entered.request == Some(request));
        made.max_by_key(|(id, entered)| (entered.state != InvoiceState::Deleted, **id))
    }

    fn paid(&self) -> impl Iterator<Item = &Paid> {
        self.payments.values().filter(|paid| !paid.void)
    }
}

impl Entered {
    /// Whether we asked for it.
    fn is_ours(&self) -> bool {
        self.request.is_some() || self.amends.is_some()
    }

    /// What our lines come to, one by one.
    fn ours(&self) -> impl Iterator<Item = Money> {
        self.lines.iter().filter(|(line, _)| line.is_some()).map(|(_, amount)| *amount)
    }

    fn by_lines(&self) -> Money {
        sum(self.lines.iter().map(|(_, amount)| *amount))
    }

    /// What an amount of it adds to the visit's account.
    fn signed(&self, amount: Money) -> Money {
        if self.kind == InvoiceKind::CreditNote { -amount } else { amount }
    }
}

/// What amounts of several documents come to, as the first one counts them: a credit note's are positive.
fn net<'a>(first: &Option<(&i64, &Entered)>, all: impl Iterator<Item = (&'a Entered, Money)>) -> Money {
    let net = sum(all.map(|(entered, amount)| entered.signed(amount)));
    first.map_or(net, |(_, first)| first.signed(net))
}

/// A state that a newer poller says is none that is posted: nothing is counted as done by guessing.
fn state_of(entered: &Entered) -> State {
    match entered.state {
        InvoiceState::Posted => State::Posted,
        InvoiceState::Cancelled => State::Cancelled,
        InvoiceState::Deleted => State::Deleted,
        InvoiceState::Draft | InvoiceState::Unknown => State::Draft,
    }
}

fn lines(visit: &EncounterToken, request: usize, asked: &Asked, entered: &Entered) -> Vec<String> {
    let mut left: BTreeMap<&str, Money> =
        entered.lines.iter().filter_map(|(line, amount)| Some((line.as_deref()?, *amount))).collect();
    let mut told = Vec::new();
    for (line, of) in asked.lines.iter().enumerate() {
        let should = of.amount;
        match left.remove(line_id(visit, LineAt { request, line }).as_str()) {
            Some(is) if is == should => {}
            Some(is) => told.push(format!("line {}: {is} instead of {should}", line + 1)),
            None => told.push(format!("line {} of {should} is gone", line + 1)),
        }
    }
    let by_hand = entered.lines.iter().filter(|(line, _)| line.is_none()).map(|(_, amount)| *amount);
    told.extend(by_hand.chain(left.into_values()).map(|amount| format!("a line of {amount} was added")));
    told
}

fn joined(told: &[String]) -> String {
    let shown = told.iter().take(DIFFERENCES_TOLD).map(String::as_str).collect::<Vec<_>>().join(", ");
    match told.len().saturating_sub(DIFFERENCES_TOLD) {
        0 => shown,
        more => format!("{shown}, and {more} more"),
    }
}
