//! What facts come to, in money and pieces, and what news add to it or take away.

use crate::contract::{Contract, Schemas};
use crate::emission::Emitted;
use crate::program::Program;
use crate::wish::{Became, Changed, Moved, Outcome};
use canon::decimal::{Money, Quantity};
use canon::event::Event;
use serde_json::Value;

/// Facts of a lane that are named; all are counted.
const NAMED_MAX: usize = 200;
/// The kind of a request that takes back: what it comes to is said without a sign.
const TAKES_BACK: &str = "credit_note";

/// What an event comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Worth {
    amount: Money,
    /// ISO 4217.
    currency: String,
    /// Units of what was delivered: an event's own, or its lines'. A line that takes back part of an amount has its units whole.
    pieces: Quantity,
    /// It is there to take back what another one said: both numbers are not above zero.
    is_reversal: bool,
}

/// What a wire form comes to; nothing of an event that has no amount.
pub(crate) type Weigh = fn(&[u8], &Schemas) -> Option<Worth>;

pub(crate) fn weigh<E: Event>(wire: &[u8], schemas: &Schemas) -> Option<Worth> {
    let event: E = schemas.decode(wire).ok()?;
    worth(&serde_json::to_value(&event).ok()?)
}

fn number(value: &Value) -> Option<Quantity> {
    value.as_str()?.parse().ok()
}

/// A line's units, with the sign of its amount: one of a credit of its own has them as the source said them, which is not positive.
fn units(line: &Value) -> Option<Quantity> {
    let units = number(line.get("quantity")?)?.abs();
    Some(if number(line.get("amount")?)?.is_negative() { -units } else { units })
}

fn worth(event: &Value) -> Option<Worth> {
    let amount = number(event.get("amount").or_else(|| event.get("total"))?)?;
    let pieces = match event.get("lines").and_then(Value::as_array) {
        Some(lines) => Quantity::sum(lines.iter().filter_map(units)).unwrap_or_default(),
        None => event.get("quantity").and_then(number).unwrap_or_default(),
    };
    let currency = event.get("currency")?.as_str()?.to_owned();
    let is_reversal = event.get("kind").and_then(Value::as_str) == Some(TAKES_BACK);
    let (amount, pieces) = if is_reversal { (-amount, -pieces) } else { (amount, pieces) };
    Some(Worth { amount, currency, pieces, is_reversal })
}

/// What it takes to tell what rows of the ledger come to.
#[derive(Clone, Copy)]
pub(crate) struct Scale<'a> {
    pub(crate) program: &'a dyn Program,
    pub(crate) contract: &'a Contract,
    pub(crate) schemas: &'a Schemas,
}

impl Scale<'_> {
    fn worth(&self, row: &Emitted) -> Option<Worth> {
        if row.withdrawn {
            return None;
        }
        self.program.weigh(&row.topic).and_then(|weigh| weigh(&row.wire, self.schemas))
    }

    /// Whether the ledger only keeps what is in force of it: what its author made of the difference is published in its place.
    fn is_amended(&self, row: &Emitted) -> bool {
        self.contract.is_command(&row.topic) && (row.revision > 1 || row.withdrawn)
    }
}

impl Outcome {
    /// A fact is news: names it, and sums it up.
    pub(crate) fn becomes(&mut self, scale: &Scale<'_>, before: Option<&Emitted>, row: &Emitted) {
        let (was, is) = (before.and_then(|before| scale.worth(before)), scale.worth(row));
        let change = match (row.withdrawn, row.revision) {
            (true, _) => Became::Withdrawn,
            (false, 1) if is.as_ref().is_some_and(|worth| worth.is_reversal) => Became::Reversed,
            (false, 1) => Became::Recorded,
            (false, _) => Became::Corrected,
        };
        if !scale.is_amended(row) {
            self.sum(&row.topic, change, was.as_ref(), is.as_ref());
        }
        if self.facts.len() < NAMED_MAX {
            let money = |worth: Option<Worth>| worth.map(|worth| (worth.amount, worth.currency));
            let (topic, name, revision) = (row.topic.clone(), row.name.clone(), row.revision);
            let (before, after) = (money(was), money(is));
            self.facts.push(Changed { topic, name, change, revision, before, after });
        }
    }

    /// A fact says what it said: sums it up.
    pub(crate) fn stays(&mut self, scale: &Scale<'_>, row: &Emitted) {
        let worth = scale.worth(row);
        self.sum(&row.topic, Became::Unchanged, worth.as_ref(), worth.as_ref());
    }

    /// A fact whose currency becomes another one is in the sums of both.
    fn sum(&mut self, topic: &str, change: Became, was: Option<&Worth>, is: Option<&Worth>) {
        let mut currencies: Vec<Option<&String>> =
            [is, was].iter().flatten().map(|worth| Some(&worth.currency)).collect();
        currencies.dedup();
        if currencies.is_empty() {
            currencies.push(None);
        }
        for (place, currency) in currencies.into_iter().enumerate() {
            let of = |worth: Option<&Worth>| {
                let worth = worth.filter(|worth| Some(&worth.currency) == currency);
                worth.map_or((Money::ZERO, Quantity::ZERO), |worth| (worth.amount, worth.pieces))
            };
            let ((before, pieces_before), (after, pieces_after)) = (of(was), of(is));
            self.moves(Moved {
                topic: topic.to_owned(),
                change,
                currency: currency.cloned(),
                facts: u64::from(place == 0),
                before,
                after,
                pieces_before,
                pieces_after,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(event: &Value, expected: Option<(&str, &str)>) {
        let expected = expected.map(|(amount, pieces)| Worth {
            amount: amount.parse().unwrap(),
            currency: "EUR".to_owned(),
            pieces: pieces.parse().unwrap(),
            is_reversal: event["kind"] == TAKES_BACK,
        });
        assert_eq!(worth(event), expected, "{event}");
    }

    #[test]
    fn an_event_comes_to_its_amount_and_its_pieces() {
        let charge = json!({ "kind": "credit", "amount": "-12.5", "quantity": "-2", "currency": "EUR" });
        check(&charge, Some(("-12.5", "-2")));
        let line = |quantity: &str, amount: &str| json!({ "quantity": quantity, "amount": amount });
        let lines = [line("2", "20"), line("-1", "15"), line("0.5", "-5")];
        let asked = |kind: &str| json!({ "kind": kind, "total": "30", "lines": lines, "currency": "EUR" });
        check(&asked("invoice"), Some(("30", "2.5")));
        check(&asked(TAKES_BACK), Some(("-30", "-2.5")));
        check(&asked("unknown"), Some(("30", "2.5")));
        check(&json!({ "total": "1", "currency": "EUR" }), Some(("1", "0")));
        check(&json!({ "status": "finished", "currency": "EUR" }), None);
        check(&json!({ "amount": "much", "currency": "EUR" }), None);
    }
}
