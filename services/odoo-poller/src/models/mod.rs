//! What is read of Odoo, model by model, and the facts that it states.

mod items;
mod locations;
mod moves;
mod partners;
mod stock;

pub use items::Items;
pub use locations::Locations;
pub use moves::Moves;
pub use partners::Partners;
pub use stock::{Pair, Stock};

use ::odoo::Exact;
use backbone::{Reason, Reject};
use canon::key::KeyError;
use canon::{Date, Money};
use rust_decimal::{Decimal, RoundingStrategy};

/// An amount of money, exact: finer ones than the contract has are refused, not rounded.
fn money(field: &'static str, amount: Exact) -> Result<Money, Reject> {
    let exact = amount.0.normalize().to_string().parse();
    exact.map_err(|_| Reject::new(Reason::Invalid, format!("{field} has more digits than the contract")))
}

/// A price or a quantity, rounded to the contract's four decimals: Odoo's averages have any number of them.
fn rounded(field: &'static str, number: Exact) -> Result<Money, Reject> {
    let rounded = number.0.round_dp_with_strategy(4, RoundingStrategy::MidpointAwayFromZero);
    money(field, Exact(rounded))
}

/// The sum of numbers, rounded like each of them.
fn sum(field: &'static str, numbers: impl IntoIterator<Item = Exact>) -> Result<Money, Reject> {
    let sum = numbers.into_iter().try_fold(Decimal::ZERO, |sum, number| sum.checked_add(number.0));
    let sum =
        sum.ok_or_else(|| Reject::new(Reason::Invalid, format!("the sum of {field} is beyond all numbers")))?;
    rounded(field, Exact(sum))
}

fn key(field: &'static str) -> impl Fn(KeyError) -> Reject {
    move |error| Reject::new(Reason::Invalid, format!("{field} is {error}"))
}

fn date(date: Option<jiff::civil::Date>) -> Option<Date> {
    date.and_then(|date| date.to_string().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(text: &str) -> Exact {
        Exact::parse(text).unwrap()
    }

    #[test]
    fn money_is_exact_or_refused_and_quantities_are_rounded() {
        assert_eq!(money("m", exact("12.340")).unwrap().to_string(), "12.34");
        assert!(money("m", exact("0.30000000000000004")).is_err());
        assert_eq!(rounded("q", exact("0.30000000000000004")).unwrap().to_string(), "0.3");
        assert_eq!(sum("q", [exact("0.1"), exact("0.2"), exact("-0.00005")]).unwrap().to_string(), "0.3");
    }
}
