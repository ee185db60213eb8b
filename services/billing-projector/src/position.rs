//! What each charge comes to, held against what was asked for it: a plain function from both to what is still to do.
//!
//! A charge's credits and adjustments count with it, so what was never asked for simply nets out. What was asked for and
//! is no longer so is given back line by line. Nothing here depends on the order in which anything came.

use crate::asked::{Asked, AskedLine, LineAt};
use crate::entry::{Billable, Entries, Entry, sum};
use crate::place::Place;
use canon::Money;
use canon::events::billing_invoice_request::RequestKind;
use std::collections::BTreeMap;

/// A charge in a currency: what names it in another one waits beside it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    pub(crate) charge: String,
    pub(crate) currency: String,
    /// Where it was invoiced and is to be no longer. None: where it is to be.
    pub(crate) left: Option<Place>,
}

/// Where a charge stands. `wanted - asked = open - Σ back + waiting`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Position {
    /// What the source says: the charge with what names it.
    pub(crate) wanted: Money,
    /// What was requested, less what was given back.
    pub(crate) asked: Money,
    /// Lines that are to be given back, in part or whole.
    pub(crate) back: Vec<Back>,
    /// What is to be asked for.
    pub(crate) open: Option<Open>,
    /// What nothing can be done about yet: a credit of a charge that has not come, or of more than the charge is.
    pub(crate) waiting: Money,
}

/// A line to be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Back {
    pub(crate) line: LineAt,
    pub(crate) amount: Money,
}

/// A line to be asked for; below zero where a credit names no charge.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Open {
    pub(crate) amount: Money,
    pub(crate) what: Billable,
}

impl Position {
    /// Whether something is to be requested.
    pub(crate) fn wants(&self) -> bool {
        !self.back.is_empty() || self.open.is_some()
    }

    /// What is in no request, or still in one and no longer meant to be.
    pub(crate) fn unbilled(&self) -> Money {
        sum([self.wanted, -self.asked])
    }
}

/// What of each charge is in no request, by charge and currency, and whether something is to be requested for it.
pub(crate) fn unbilled(positions: &BTreeMap<At, Position>) -> BTreeMap<(&str, &str), (Money, bool)> {
    let mut found: BTreeMap<(&str, &str), (Money, bool)> = BTreeMap::new();
    for (at, position) in positions {
        let (amount, wants) = found.entry((&at.charge, &at.currency)).or_default();
        *amount = sum([*amount, position.unbilled()]);
        *wants |= position.wants();
    }
    found
}

/// Every charge of the case.
pub(crate) fn positions(entries: &Entries, asked: &[Asked]) -> BTreeMap<At, Position> {
    let mut gathered: BTreeMap<At, Gathered<'_>> = BTreeMap::new();
    for (id, entry) in entries.iter() {
        let (charge, currency) = (entries.root(id).to_owned(), entry.what.currency.clone());
        let at = At { charge, currency, left: None };
        gathered.entry(at).or_default().effects.push(entries.effect(id));
    }
    for (request, lines) in asked.iter().enumerate() {
        for (line, of) in lines.lines.iter().enumerate() {
            let root = entries.get(&of.charge);
            let is_there = root.is_none_or(|root| root.place.is_at(&lines.place(), &of.place));
            let left = (!is_there).then(|| lines.place());
            let at = At { charge: of.charge.clone(), currency: lines.currency.clone(), left };
            gathered.entry(at).or_default().lines.push((LineAt { request, line }, lines, of));
        }
    }
    gathered.into_iter().map(|(at, found)| (at.clone(), found.position(&at, entries))).collect()
}

/// What there is of a charge.
#[derive(Default)]
struct Gathered<'a> {
    effects: Vec<Money>,
    lines: Vec<(LineAt, &'a Asked, &'a AskedLine)>,
}

impl Gathered<'_> {
    fn position(self, at: &At, entries: &Entries) -> Position {
        let is_here = |root: &&Entry| root.what.currency == at.currency && at.left.is_none();
        let root = entries.get(&at.charge).filter(is_here);
        let standing = root.filter(|root| !root.withdrawn);
        let mut position = Position {
            wanted: sum(self.effects.iter().copied()),
            asked: sum(self.lines.iter().map(|(_, asked, line)| asked.signed(line))),
            ..Position::default()
        };
        // Of a charge that is no more, amounts alone count: there is nothing that its lines could show instead.
        let is_as_now = |line: &AskedLine| standing.is_none_or(|root| root.what == line.what);
        let (fresh, stale): (Vec<_>, Vec<_>) = self.reversible().partition(|(_, line)| is_as_now(line));
        position.back = stale.iter().map(|(at, line)| Back { line: *at, amount: line.left() }).collect();
        let mut rest = sum([position.unbilled(), sum(position.back.iter().map(|back| back.amount))]);
        // The latest line first: what came last is likeliest what is meant.
        for (at, line) in fresh.iter().rev() {
            let amount = line.left().min(-rest);
            if !amount.is_negative() && !amount.is_zero() {
                position.back.push(Back { line: *at, amount });
                rest = sum([rest, amount]);
            }
        }
        let takes_itself = standing.is_some() && entries.effect(&at.charge).is_negative();
        let for_nothing = self.lines.is_empty() && standing.is_some_and(|root| root.what.amount.is_zero());
        let what = root.map(|root| &root.what).or_else(|| self.lines.last().map(|(_, _, line)| &line.what));
        let is_open = match rest {
            rest if rest.is_zero() => for_nothing,
            rest if rest.is_negative() => takes_itself,
            _ => true,
        };
        match what.filter(|_| is_open) {
            Some(what) => position.open = Some(Open { amount: rest, what: what.clone() }),
            None => position.waiting = rest,
        }
        position
    }

    /// Lines of invoices with something left of them.
    fn reversible(&self) -> impl Iterator<Item = (LineAt, &AskedLine)> {
        let lines = self.lines.iter().filter(|(_, asked, line)| {
            asked.kind == RequestKind::Invoice && !line.left().is_zero() && !line.amount.is_negative()
        });
        lines.map(|(at, _, line)| (*at, *line))
    }
}
