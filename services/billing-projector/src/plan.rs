//! From where charges stand to the requests that are to be made: what is given back first, then what is asked for.

use crate::asked::{Asked, LineAt};
use crate::entry::{Billable, sum};
use crate::place::Place;
use crate::position::{At, Open, Position};
use canon::Money;
use canon::events::billing_invoice_request::RequestKind;
use std::collections::BTreeMap;

/// A request to be made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Planned {
    pub(crate) kind: RequestKind,
    /// The index of the request that a credit note reverses; none of a credit that names no charge.
    pub(crate) reverses: Option<usize>,
    pub(crate) currency: String,
    /// Where it goes.
    pub(crate) place: Place,
    pub(crate) lines: Vec<PlannedLine>,
}

/// A line of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PlannedLine {
    pub(crate) charge: String,
    pub(crate) what: Billable,
    /// What the charge said of company and journal.
    pub(crate) place: Place,
    pub(crate) amount: Money,
    pub(crate) reverses: Option<LineAt>,
}

/// Every request that is due, in the order in which they are to be made. `places` says of a charge what it says itself
/// of company and journal, and where it goes by that.
pub(crate) fn plan(
    positions: &BTreeMap<At, Position>,
    asked: &[Asked],
    places: impl Fn(&str) -> (Place, Place),
    lines_max: usize,
) -> Vec<Planned> {
    let mut planned = credit_notes(positions, asked);
    let mut open: BTreeMap<(&str, Place), Vec<PlannedLine>> = BTreeMap::new();
    for (at, position) in positions {
        let Some(Open { amount, what }) = &position.open else { continue };
        // What sets off lines that are to be elsewhere goes where they are.
        let left = at.left.as_ref().map(|place| (place.clone(), place.clone()));
        let (said, place) = left.unwrap_or_else(|| places(&at.charge));
        let (charge, what) = (at.charge.clone(), what.clone());
        let line = PlannedLine { charge, what, place: said, amount: *amount, reverses: None };
        open.entry((&at.currency, place)).or_default().push(line);
    }
    for ((currency, place), mut lines) in open {
        lines.sort_by(|one, other| {
            (one.what.service_at, &one.charge).cmp(&(other.what.service_at, &other.charge))
        });
        planned.extend(of_place(currency, &place, lines, lines_max.max(1)));
    }
    planned
}

/// One for each request that has something to give back; it has no more lines than that one.
fn credit_notes(positions: &BTreeMap<At, Position>, asked: &[Asked]) -> Vec<Planned> {
    let mut by_request: BTreeMap<usize, Vec<(usize, PlannedLine)>> = BTreeMap::new();
    for (at, position) in positions {
        for back in &position.back {
            let Some(line) = asked.get(back.line.request).and_then(|asked| asked.lines.get(back.line.line))
            else {
                continue;
            };
            let (charge, what, place) = (at.charge.clone(), line.what.clone(), line.place.clone());
            let line = PlannedLine { charge, what, place, amount: back.amount, reverses: Some(back.line) };
            by_request.entry(back.line.request).or_default().push((back.line.line, line));
        }
    }
    let note = |(request, mut lines): (usize, Vec<(usize, PlannedLine)>)| {
        lines.sort_by_key(|(place, _)| *place);
        Planned {
            kind: RequestKind::CreditNote,
            reverses: Some(request),
            currency: asked.get(request).map(|asked| asked.currency.clone()).unwrap_or_default(),
            place: asked.get(request).map(Asked::place).unwrap_or_default(),
            lines: lines.into_iter().map(|(_, line)| line).collect(),
        }
    };
    by_request.into_iter().map(note).collect()
}

/// Credits that name no charge go on the invoice, as long as it is one and something is left of it; else they are
/// credit notes of their own.
fn of_place(currency: &str, place: &Place, lines: Vec<PlannedLine>, lines_max: usize) -> Vec<Planned> {
    let invoice = |lines: &[PlannedLine]| Planned {
        kind: RequestKind::Invoice,
        reverses: None,
        currency: currency.to_owned(),
        place: place.clone(),
        lines: lines.to_vec(),
    };
    let total = sum(lines.iter().map(|line| line.amount));
    if lines.len() <= lines_max && !total.is_negative() {
        return vec![invoice(&lines)];
    }
    let (taken, asked): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| line.amount.is_negative());
    let taken: Vec<PlannedLine> =
        taken.into_iter().map(|line| PlannedLine { amount: -line.amount, ..line }).collect();
    let notes =
        taken.chunks(lines_max).map(|lines| Planned { kind: RequestKind::CreditNote, ..invoice(lines) });
    asked.chunks(lines_max).map(invoice).chain(notes).collect()
}
