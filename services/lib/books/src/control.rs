//! Control totals: what a sender says that it posted, as CSV with a heading and the columns
//!
//! | column | what |
//! |---|---|
//! | `sender` | the sender's name, as its file is called |
//! | `facility` | the facility's code; empty where none is said |
//! | `day` | the day of the services at the facility, `YYYY-MM-DD` |
//! | `currency` | ISO 4217 |
//! | `count` | charges, credits and adjustments that stand |
//! | `amount` | what they come to, signed as they add to accounts |
//!
//! in any order, one row an account.

use super::Account;
use canon::{Date, Money};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What senders say, by account: how many, and what they come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Control {
    pub(super) totals: BTreeMap<Account, (i64, Money)>,
}

/// A file of control totals cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The same account twice.
    #[error("line {line}: the account was given before")]
    Again {
        /// Where.
        line: u64,
    },
    /// Not a row of the six columns.
    #[error("the control totals cannot be read")]
    Csv(#[from] csv::Error),
    /// Not a day.
    #[error("line {line}: the day is not YYYY-MM-DD")]
    Day {
        /// Where.
        line: u64,
    },
}

/// A row.
#[derive(Deserialize)]
struct Total {
    sender: String,
    facility: String,
    day: String,
    currency: String,
    count: i64,
    amount: Money,
}

impl Control {
    /// Reads the file's text.
    ///
    /// # Errors
    /// What is wrong with it, with the line.
    pub fn parse(text: &str) -> Result<Self, ControlError> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
        let headers = reader.headers()?.clone();
        let mut totals = BTreeMap::new();
        for record in reader.records() {
            let record = record?;
            let line = record.position().map_or(0, csv::Position::line);
            let Total { sender, facility, day, currency, count, amount } =
                record.deserialize(Some(&headers))?;
            if day.parse::<Date>().is_err() {
                return Err(ControlError::Day { line });
            }
            let account = Account { sender, facility, day, currency };
            if totals.insert(account, (count, amount)).is_some() {
                return Err(ControlError::Again { line });
            }
        }
        Ok(Self { totals })
    }
}
