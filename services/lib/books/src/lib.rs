//! The books of all visits, for people: where every amount is that a sender ever posted, by sender, facility, day and
//! currency, held against what the sender says it posted; and the flows that lead there: of every message, charge and command
//! whether it was applied, is parked, was given up, is on its way, or is nowhere.
//!
//! Reads the report tables that `billing-projector` keeps; changes nothing. Who reads topics and ledgers for the flows is
//! `vertebra books`.

pub mod flow;

mod control;
mod query;

pub use control::{Control, ControlError};
pub use query::{Aside, BooksError, Reader, Whose};

use canon::Money;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Whose books.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Account {
    /// The sender's name.
    pub sender: String,
    /// The facility's code; empty where none is said.
    pub facility: String,
    /// The day of the services, at the facility.
    pub day: String,
    /// ISO 4217.
    pub currency: String,
}

/// Where the amounts of an account are, over all visits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// Charges, credits and adjustments, without those withdrawn.
    pub count: i64,
    /// What they come to.
    pub charges: Money,
    /// What counts with a charge of another account, or another account's with one of this.
    pub carried: Money,
    /// In no request.
    pub unbilled: Money,
    /// Requested, and not known in Odoo.
    pub requested: Money,
    /// On drafts.
    pub draft: Money,
    /// On what is posted.
    pub posted: Money,
    /// On what was cancelled by hand.
    pub cancelled: Money,
    /// On what was deleted by hand.
    pub deleted: Money,
    /// What is nowhere, or in two places: nought, or the books are wrong. Of each visit without sign, so that what one
    /// lacks is not made good by what another has too much.
    #[serde(skip)]
    pub missing: Money,
}

/// What is in no request, by age.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unbilled {
    /// The facility's code; empty where none is said.
    pub facility: String,
    /// ISO 4217.
    pub currency: String,
    /// `open` while the visit lasts, `held` until the hold has passed, `waiting` for a charge that has not come.
    pub state: String,
    /// Days since the service: `0-3`, `4-7`, `8-30`, `31-90`, `91+`.
    pub days: String,
    /// How many charges.
    pub count: i64,
    /// What they come to.
    pub amount: Money,
}

/// A request that Odoo has otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diverged {
    /// The request's id.
    pub request: String,
    /// The facility's code; empty where none is said.
    pub facility: String,
    /// Who looks after it; empty where the installation names nobody.
    pub owner: String,
    /// Since when.
    pub since: String,
    /// Names of fields and amounts.
    pub what: String,
    /// ISO 4217.
    pub currency: String,
    /// By how much, without sign.
    pub amount: Money,
}

/// Everything, as of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// By account.
    pub accounts: BTreeMap<Account, Sums>,
    /// By age.
    pub unbilled: Vec<Unbilled>,
    /// The longest first.
    pub diverged: Vec<Diverged>,
    /// Inputs that wait in the ledger, by the class of what is wrong: their amounts are in no account yet.
    pub parked: BTreeMap<String, i64>,
}

/// An account that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Whose.
    pub account: Account,
    /// How many charges there are.
    pub count: i64,
    /// What they come to.
    pub amount: Money,
    /// How many there should be.
    pub count_said: i64,
    /// What they should come to.
    pub amount_said: Money,
}

impl Books {
    /// Whether nobody has anything to look after: every amount is somewhere, once, and as the control totals say; and every
    /// request is in Odoo as it was asked for, since the accounts tell what was asked.
    pub fn are_in_order(&self, control: Option<&Control>) -> bool {
        let differs = control.is_some_and(|control| !self.differences(control).is_empty());
        !differs && self.unbalanced().is_empty() && self.diverged.is_empty()
    }

    /// Accounts whose amounts are not all somewhere, once.
    pub fn unbalanced(&self) -> Vec<&Account> {
        self.accounts.iter().filter(|(_, sums)| !sums.missing.is_zero()).map(|(account, _)| account).collect()
    }

    /// Holds the accounts against what senders say. A control total speaks for its sender's whole day: what it leaves
    /// out of that should not be there.
    pub fn differences(&self, control: &Control) -> Vec<Difference> {
        let said_days: BTreeSet<(&str, &str)> =
            control.totals.keys().map(|account| (account.sender.as_str(), account.day.as_str())).collect();
        let ours = self
            .accounts
            .keys()
            .filter(|account| said_days.contains(&(account.sender.as_str(), account.day.as_str())));
        let accounts: BTreeSet<&Account> = control.totals.keys().chain(ours).collect();
        let difference = |account: &Account| {
            let is = self.accounts.get(account).cloned().unwrap_or_default();
            let (count_said, amount_said) = control.totals.get(account).copied().unwrap_or_default();
            let (count, amount) = (is.count, is.charges);
            let differs = (count, amount) != (count_said, amount_said);
            differs.then(|| Difference { account: account.clone(), count, amount, count_said, amount_said })
        };
        accounts.into_iter().filter_map(difference).collect()
    }

    /// The page as JSON.
    pub fn json(&self, control: Option<&Control>) -> serde_json::Value {
        let accounts: Vec<_> = self
            .accounts
            .iter()
            .map(|(account, sums)| {
                serde_json::json!({"account": account, "sums": sums, "missing": sums.missing})
            })
            .collect();
        serde_json::json!({
            "accounts": accounts,
            "unbilled": self.unbilled,
            "diverged": self.diverged,
            "parked": self.parked,
            "differences": control.map(|control| self.differences(control)),
        })
    }
}

/// The page as text.
impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns =
            ["charges", "carried", "unbilled", "requested", "draft", "posted", "cancelled", "deleted"];
        write!(f, "{:<16} {:<10} {:<10} {:<4} {:>7}", "sender", "facility", "day", "cur", "count")?;
        columns.iter().try_for_each(|column| write!(f, " {column:>14}"))?;
        writeln!(f)?;
        for (account, sums) in &self.accounts {
            let Account { sender, facility, day, currency } = account;
            write!(f, "{sender:<16} {facility:<10} {day:<10} {currency:<4} {:>7}", sums.count)?;
            let amounts = [sums.charges, sums.carried, sums.unbilled, sums.requested, sums.draft];
            let amounts = amounts.into_iter().chain([sums.posted, sums.cancelled, sums.deleted]);
            for amount in amounts {
                write!(f, " {:>14}", format!("{amount:.2}"))?;
            }
            match sums.missing {
                Money::ZERO => writeln!(f)?,
                missing => writeln!(f, "  {missing} is nowhere, or in two places")?,
            }
        }
        for Unbilled { facility, currency, state, days, count, amount } in &self.unbilled {
            writeln!(f, "unbilled: {facility} {currency} {amount:.2} in {count}, {state}, {days} days old")?;
        }
        for Diverged { request, facility, owner, since, what, currency, amount } in &self.diverged {
            let owner = if owner.is_empty() { "nobody" } else { owner };
            writeln!(
                f,
                "diverged: {request} {facility} {currency} {amount:.2} of {owner} since {since}: {what}"
            )?;
        }
        for (reason, count) in &self.parked {
            writeln!(f, "parked: {count} inputs as {reason}, in no account yet")?;
        }
        Ok(())
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Account { sender, facility, day, currency } = &self.account;
        write!(
            f,
            "differs: {sender} {facility} {day} {currency}: {} in {} here, {} in {} by the control total",
            self.amount, self.count, self.amount_said, self.count_said
        )
    }
}

#[cfg(test)]
mod tests;
