//! The books: where every amount of a visit is, by sender, facility, day and currency. Summed over visits they say
//! where everything is that a sender ever posted:
//!
//! `charges + carried = unbilled + requested + draft + posted + cancelled + deleted`
//!
//! A credit counts with the charge that it names, which may be of another day: `carried` takes it from its own day's
//! account to that one's, and is nought over all of a currency.

use super::row;
use crate::asked::Asked;
use crate::case::Case;
use crate::entry::{Entry, sum};
use crate::odoo::State;
use crate::position::{At, Position};
use backbone::{Column, ReportRow, Table};
use canon::{EncounterToken, Money};
use serde::Serialize;
use std::collections::BTreeMap;

row! {
    /// A visit's part of an account.
    AccountRow, "billing_account", |row| {
        let AccountRow { encounter, sender, facility, day, currency, .. } = row;
        format!("{encounter}/{sender}/{facility}/{day}/{currency}")
    }, {
        encounter: String as Text,
        sender: String as Text,
        facility: String as Text,
        day: String as Text,
        currency: String as Text,
        charges_count: i64 as Integer,
        charges: Money as Money,
        carried: Money as Money,
        unbilled: Money as Money,
        requested: Money as Money,
        draft: Money as Money,
        posted: Money as Money,
        cancelled: Money as Money,
        deleted: Money as Money,
    }
}

/// The rows of a case.
pub(crate) fn rows(
    case: &Case,
    visit: &EncounterToken,
    positions: &BTreeMap<At, Position>,
) -> Vec<AccountRow> {
    let mut accounts = Accounts { case, visit, by_key: BTreeMap::new() };
    for (id, entry) in case.entries.iter() {
        accounts.post(id, entry);
    }
    for (at, position) in positions {
        if let Some(root) = case.entries.get(&at.charge) {
            let account = accounts.of(root, &at.currency);
            account.unbilled = sum([account.unbilled, position.unbilled()]);
        }
    }
    for (index, asked) in case.asked.iter().enumerate() {
        accounts.ask(asked, case.books.standing(index).state);
    }
    accounts.by_key.into_values().filter(|row| !row.is_empty()).collect()
}

struct Accounts<'a> {
    case: &'a Case,
    visit: &'a EncounterToken,
    by_key: BTreeMap<(String, String, String, String), AccountRow>,
}

impl Accounts<'_> {
    fn of(&mut self, entry: &Entry, currency: &str) -> &mut AccountRow {
        let facility = entry.facility.clone().or_else(|| self.case.visit.facility()).unwrap_or_default();
        let (sender, day, currency) = (entry.sender.clone(), entry.day.to_string(), currency.to_owned());
        let key = (sender.clone(), facility.clone(), day.clone(), currency.clone());
        let zero = Money::ZERO;
        self.by_key.entry(key).or_insert_with(|| AccountRow {
            encounter: self.visit.to_string(),
            sender,
            facility,
            day,
            currency,
            charges_count: 0,
            charges: zero,
            carried: zero,
            unbilled: zero,
            requested: zero,
            draft: zero,
            posted: zero,
            cancelled: zero,
            deleted: zero,
        })
    }

    /// What the source posted, and what of it counts elsewhere. What names a charge that has not come is unbilled where
    /// it is.
    fn post(&mut self, id: &str, entry: &Entry) {
        let entries = &self.case.entries;
        let (effect, currency) = (entries.effect(id), &entry.what.currency);
        let root = entries.get(entries.root(id));
        let own = self.of(entry, currency);
        own.charges = sum([own.charges, effect]);
        own.charges_count += i64::from(!entry.withdrawn);
        match root {
            None => own.unbilled = sum([own.unbilled, effect]),
            Some(root) => {
                own.carried = sum([own.carried, -effect]);
                let its = self.of(root, currency);
                its.carried = sum([its.carried, effect]);
            }
        }
    }

    fn ask(&mut self, asked: &Asked, state: State) {
        for line in &asked.lines {
            let Some(root) = self.case.entries.get(&line.charge) else { continue };
            let account = self.of(root, &asked.currency);
            let column = match state {
                State::Requested => &mut account.requested,
                State::Draft => &mut account.draft,
                State::Posted => &mut account.posted,
                State::Cancelled => &mut account.cancelled,
                State::Deleted => &mut account.deleted,
            };
            *column = sum([*column, asked.signed(line)]);
        }
    }
}

impl AccountRow {
    fn is_empty(&self) -> bool {
        let places = [self.unbilled, self.requested, self.draft, self.posted, self.cancelled, self.deleted];
        self.charges_count == 0
            && self.charges.is_zero()
            && self.carried.is_zero()
            && places.iter().all(|amount| amount.is_zero())
    }
}
