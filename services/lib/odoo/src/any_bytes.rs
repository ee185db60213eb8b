//! What holds for any bytes that Odoo, or something before it, may answer: asserted by the mutation loop here and by the
//! fuzz target. Compiled for those two only.

#[cfg(test)]
#[path = "../../../../tests/fuzz/mutations.rs"]
mod mutations;

use crate::classify::{self, Answer};
use crate::error::{Call, Consequence};
use crate::invoice::found_rows;
use crate::load::{LoadAnswer, Wire};
use crate::{Error, Exact, Link, Maybe, json_rpc, window};
use serde::de::DeserializeOwned;

/// Every status that Odoo, a proxy or somebody else gives.
const STATUSES: [u16; 12] = [200, 303, 401, 403, 404, 408, 413, 418, 422, 429, 500, 503];

/// An answer is read or has a consequence; no error's text holds anything of it but an exception's class.
pub fn answer(body: &[u8]) {
    for status in STATUSES {
        for retry_after in [None, std::str::from_utf8(body).ok()] {
            told(body, &classify::error(call(), &Answer { status, retry_after, body }));
        }
    }
    shape::<Wire>(body, |wire| drop(LoadAnswer::read(call(), 2, wire)));
    shape::<Exact>(body, number);
    shape::<Vec<Option<Link>>>(body, drop);
    shape::<Maybe<Vec<i64>>>(body, drop);
    shape::<Maybe<String>>(body, drop);
    found_rows(body);
    if let Ok(text) = std::str::from_utf8(body) {
        Exact::parse(text).into_iter().for_each(number);
        let _time = window::instant(text);
    }
}

fn call() -> Call {
    Call::new("account.move", "load")
}

/// Reads the answer as it comes over either interface.
fn shape<T: DeserializeOwned>(body: &[u8], holds: impl Fn(T)) {
    if let Ok(value) = serde_json::from_slice(body) {
        holds(value);
    }
    match json_rpc::read::<T>(call(), body) {
        Ok(value) => holds(value),
        Err(error) => told(body, &error),
    }
}

/// A number is written as it is read.
fn number(exact: Exact) {
    assert_eq!(Exact::parse(&exact.to_string()), Ok(exact), "a number keeps its value");
}

fn told(body: &[u8], error: &Error) {
    let text = format!("{error} {error:?}");
    let class = match error {
        Error::Refused { refusal, .. } => refusal.class.as_str(),
        _ => "",
    };
    let secret = "Jane";
    assert!(!text.contains(secret) || class.contains(secret), "an error quotes {} bytes", body.len());
    match error.consequence() {
        Consequence::Configure | Consequence::Reject | Consequence::Retry { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::mutations::check;

    #[test]
    fn any_answer_is_read_or_has_a_consequence() {
        check("odoo", 2_000, super::answer);
    }
}
