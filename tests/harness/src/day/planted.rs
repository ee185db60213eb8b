//! Whether the day's checker would notice: faults planted into what balances, one at a time, each of which it has to name.

mod clinic;
mod door;
mod money;
mod office;
mod records;
mod supply;

use super::{Amiss, Codes, Played, amiss};
use crate::books::{Evidence, Read, Stated};
use canon::{Change, Event, Money};
use std::collections::BTreeMap;

/// A fault's name, how it is planted, and what has to be said of it. Planting says whether there was something to spoil.
type Fault = (&'static str, fn(&mut Played, &mut Evidence) -> bool, Told);

/// What a checker says, without whom it says it of.
#[derive(Clone, Copy)]
enum Told {
    Account(&'static str),
    Differs(&'static str),
    /// It is missing, or fewer are there than should be.
    Fewer(&'static str),
    Lost,
    Missing(&'static str),
    NotParked,
    Parked,
    ParkedElsewhere,
    Stranger(&'static str),
    Sum(&'static str),
    Unacknowledged,
    Unreadable(&'static str),
    Version(&'static str),
}

impl Told {
    fn is(self, found: &Amiss) -> bool {
        match found {
            Amiss::Lost { .. } => matches!(self, Self::Lost),
            Amiss::Unacknowledged { .. } => matches!(self, Self::Unacknowledged),
            Amiss::Parked { .. } => matches!(self, Self::Parked),
            Amiss::NotParked { .. } => matches!(self, Self::NotParked),
            Amiss::ParkedElsewhere(_) => matches!(self, Self::ParkedElsewhere),
            Amiss::Unreadable { topic, .. } => matches!(self, Self::Unreadable(of) if of == *topic),
            Amiss::Version { topic, .. } => matches!(self, Self::Version(of) if of == *topic),
            Amiss::Differs { what, .. } => matches!(self, Self::Differs(of) | Self::Fewer(of) if of == *what),
            Amiss::Missing { what, .. } => matches!(self, Self::Missing(of) | Self::Fewer(of) if of == *what),
            Amiss::Stranger { what, .. } => matches!(self, Self::Stranger(of) if of == *what),
            Amiss::Account { what, .. } => matches!(self, Self::Account(of) if of == *what),
            Amiss::Sum { what, .. } => matches!(self, Self::Sum(of) if of == *what),
        }
    }
}

impl Played {
    /// The faults that [`amiss`] does not name when they are planted into evidence that balances, and those that there is
    /// nothing to plant in. While codes are missing only those are planted that are about waiting for one.
    pub fn unnoticed(&self, evidence: &Evidence, codes: Codes) -> Vec<&'static str> {
        let faults: &[&[Fault]] = match codes {
            Codes::Morning => &[&door::WAITING],
            Codes::Later => &[
                &door::FAULTS,
                &records::FAULTS,
                &money::CHARGES,
                &money::INVOICES,
                &money::CASES,
                &office::FAULTS,
                &clinic::FAULTS,
                &supply::FAULTS,
            ],
        };
        let is_unnoticed = |(_, plant, told): &&Fault| {
            let (mut played, mut evidence) = (self.clone(), evidence.clone());
            !plant(&mut played, &mut evidence)
                || !amiss(&played, &evidence, codes).iter().any(|found| told.is(found))
        };
        faults.iter().copied().flatten().filter(is_unnoticed).map(|(name, ..)| *name).collect()
    }
}

/// Where a fact that this holds of is stated last.
fn last<E: Event>(read: &Read<E>, is_it: impl Fn(&Stated<E>, &E) -> bool) -> Option<usize> {
    let stated = read.stated.iter().enumerate();
    let last: BTreeMap<&str, usize> = stated.map(|(at, one)| (one.name.as_str(), at)).collect();
    last.into_values().find(|at| {
        let one = &read.stated[*at];
        one.body.as_ref().is_some_and(|body| body.change() != Change::Withdrawn && is_it(one, body))
    })
}

/// One fact says something else.
fn change<E: Event>(
    read: &mut Read<E>,
    is_it: impl Fn(&Stated<E>, &E) -> bool,
    change: impl FnOnce(&mut E),
) -> bool {
    let at = last(read, is_it);
    at.and_then(|at| read.stated[at].body.as_mut()).map(change).is_some()
}

/// One fact was never stated.
fn lose<E: Event>(read: &mut Read<E>, is_it: impl Fn(&Stated<E>, &E) -> bool) -> bool {
    let Some(name) = last(read, is_it).map(|at| read.stated[at].name.clone()) else { return false };
    read.stated.retain(|one| one.name != name);
    true
}

/// One fact is stated under another name as well, with something else in it.
fn add<E: Event>(
    read: &mut Read<E>,
    is_it: impl Fn(&Stated<E>, &E) -> bool,
    change: impl FnOnce(&mut E),
) -> bool
where
    Stated<E>: Clone,
{
    let Some(mut again) = last(read, is_it).map(|at| read.stated[at].clone()) else { return false };
    let versions = read.stated.iter().filter(|one| one.key == again.key).map(|one| one.version);
    again.version = versions.max().unwrap_or_default() + 1;
    again.name.push_str("/again");
    again.id = uuid::Uuid::max();
    again.body.as_mut().map(change);
    read.stated.push(again);
    true
}

/// One fact is stated under another name as well.
fn double<E: Event>(read: &mut Read<E>, is_it: impl Fn(&Stated<E>, &E) -> bool) -> bool
where
    Stated<E>: Clone,
{
    add(read, is_it, |_| {})
}

/// A cent more.
fn dearer(amount: Money) -> Money {
    let cent = Money::from_unscaled(100).unwrap_or_default();
    amount.checked_add(cent).unwrap_or_default()
}
