//! From an answer that is no success, or a message of a `load`, to an [`Error`]: plain functions.
//!
//! Statuses and texts were observed on Odoo 19.0; `tests/real.rs` looks at them again.

use crate::error::{Absent, Call, Denial, Error, Outage, Puzzle, Refusal};
use serde::Deserialize;
use std::time::Duration;

/// What PostgreSQL and Odoo say, in English, when another transaction was in the way.
const CONTENTION: [&str; 6] = [
    "Cannot grab a lock on records",
    "canceling statement due to lock timeout",
    "could not obtain lock on",
    "could not serialize access",
    "deadlock detected",
    "restart transaction",
];
/// What they say when the database itself fails.
const DATABASE_FAILURES: [&str; 11] = [
    "SSL connection has been closed",
    "canceling statement due to user request",
    "connection already closed",
    "could not connect to server",
    "could not extend file",
    "cursor already closed",
    "out of memory",
    "out of shared memory",
    "remaining connection slots",
    "server closed the connection",
    "terminating connection",
];
/// How Odoo begins to say, within a `load`, that the user lacks a right.
const DENIALS: [&str; 3] = [
    "Access to unauthorized or invalid companies",
    "You are not allowed to",
    "Uh-oh! Looks like you have stumbled",
];

const CONTENDED_CLASSES: [&str; 6] = [
    "odoo.exceptions.ConcurrencyError",
    "odoo.exceptions.LockError",
    "psycopg2.errors.DeadlockDetected",
    "psycopg2.errors.LockNotAvailable",
    "psycopg2.errors.SerializationFailure",
    "psycopg2.extensions.TransactionRollbackError",
];
const DATABASE_FAILURE_CLASSES: [&str; 14] = [
    "odoo.sql_db.PoolError",
    "psycopg2.InterfaceError",
    "psycopg2.OperationalError",
    "psycopg2.errors.AdminShutdown",
    "psycopg2.errors.CannotConnectNow",
    "psycopg2.errors.CrashShutdown",
    "psycopg2.errors.DiskFull",
    "psycopg2.errors.IdleInTransactionSessionTimeout",
    "psycopg2.errors.InFailedSqlTransaction",
    "psycopg2.errors.OutOfMemory",
    "psycopg2.errors.QueryCanceled",
    "psycopg2.errors.ReadOnlySqlTransaction",
    "psycopg2.errors.TooManyConnections",
    "psycopg2.pool.PoolError",
];

/// An answer that is no success, as far as it matters.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    /// The header `Retry-After`.
    pub(crate) retry_after: Option<&'a str>,
    pub(crate) body: &'a [u8],
}

/// What a text of PostgreSQL's or Odoo's says about the circumstances, if it is not about the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Circumstance {
    Contended,
    DatabaseFailed,
    Denied,
}

impl Circumstance {
    pub(crate) fn of(message: &str) -> Option<Self> {
        let begins = |texts: &[&str]| texts.iter().any(|text| message.starts_with(text));
        if begins(&CONTENTION) {
            return Some(Self::Contended);
        }
        if begins(&DATABASE_FAILURES) {
            return Some(Self::DatabaseFailed);
        }
        begins(&DENIALS).then_some(Self::Denied)
    }

    pub(crate) fn into_error(self, call: Call) -> Error {
        match self {
            Self::Contended => Error::Contended { call },
            Self::DatabaseFailed => {
                Error::Unavailable { call, outage: Outage::Database, retry_after: None, source: None }
            }
            Self::Denied => Error::Denied { call, denial: Denial::Right },
        }
    }
}

/// Odoo's text without what PostgreSQL appends to it: `DETAIL: Failing row contains (…)` quotes a whole row.
pub(crate) fn without_detail(message: &str) -> String {
    let end = ["DETAIL:", "CONTEXT:", "HINT:"].iter().filter_map(|mark| message.find(mark)).min();
    message[..end.unwrap_or(message.len())].trim_end().to_owned()
}

/// The body of Odoo's errors. `debug` is a traceback that may quote data: it is never read.
#[derive(Deserialize)]
pub(crate) struct Exception {
    pub(crate) name: String,
    #[serde(default)]
    message: serde_json::Value,
}

impl Exception {
    /// Odoo's own text. It may quote the data.
    pub(crate) fn text(&self) -> &str {
        self.message.as_str().unwrap_or_default()
    }
}

pub(crate) fn error(call: Call, answer: &Answer<'_>) -> Error {
    let exception: Option<Exception> = serde_json::from_slice(answer.body).ok();
    match (answer.status, exception) {
        (401, _) => Error::Denied { call, denial: Denial::Key },
        (403, _) => Error::Denied { call, denial: Denial::Right },
        (404, exception) => Error::Missing { call, absent: absent(exception.as_ref(), answer.body) },
        (300..=399 | 405 | 415, _) => Error::Missing { call, absent: Absent::Interface },
        (status @ (408 | 425 | 429 | 502 | 503 | 504), _) => {
            unavailable(call, Outage::Status(status), answer)
        }
        (status, Some(exception)) => raised(call, status, &exception, answer),
        // Too large a batch: halving it helps.
        (413, None) => refused(call, 413, "payload too large", ""),
        (status @ 500.., None) => unavailable(call, Outage::Status(status), answer),
        (status, None) => Error::Protocol { call, puzzle: Puzzle::Status(status) },
    }
}

pub(crate) fn raised(call: Call, status: u16, exception: &Exception, answer: &Answer<'_>) -> Error {
    let class = exception.name.as_str();
    if CONTENDED_CLASSES.contains(&class) {
        return Error::Contended { call };
    }
    if DATABASE_FAILURE_CLASSES.contains(&class) {
        return unavailable(call, Outage::Database, answer);
    }
    let message = exception.text();
    match Circumstance::of(message) {
        Some(circumstance) => circumstance.into_error(call),
        None => refused(call, status, class, message),
    }
}

fn refused(call: Call, status: u16, class: &str, message: &str) -> Error {
    let message = without_detail(message).into();
    Error::Refused { call, refusal: Refusal { status, class: class.to_owned(), message } }
}

fn absent(exception: Option<&Exception>, body: &[u8]) -> Absent {
    match exception.map(|exception| exception.name.as_str()) {
        Some("odoo.exceptions.MissingError") => Absent::Record,
        Some(_) => Absent::Model,
        None if String::from_utf8_lossy(body).contains("No database is selected") => Absent::Database,
        None => Absent::Interface,
    }
}

fn unavailable(call: Call, outage: Outage, answer: &Answer<'_>) -> Error {
    // A date instead of seconds is rare and needs a clock: the caller's own back-off serves.
    let retry_after = answer.retry_after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    Error::Unavailable { call, outage, retry_after, source: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Consequence::{self, Configure, Reject, Retry};

    const RETRY: Consequence = Retry { after: None };
    const NO_DATABASE: &str =
        "<!DOCTYPE html>\n<title>404 Not Found</title>\n<p>No database is selected and …";

    #[track_caller]
    fn check(status: u16, body: &str, consequence: Consequence, display: &str) {
        let answer = Answer { status, retry_after: None, body: body.as_bytes() };
        let error = error(Call::new("account.move", "load"), &answer);
        assert_eq!(error.consequence(), consequence, "{error:?}");
        let text = error.to_string();
        assert!(text.starts_with("account.move.load: ") && text.contains(display), "{text}");
    }

    fn exception(class: &str, message: &str) -> String {
        serde_json::json!({"name": class, "message": message, "arguments": [message], "debug": "Traceback Jane Doe"})
            .to_string()
    }

    #[test]
    fn an_outage_is_retried() {
        for status in [408, 429, 502, 503, 504, 500, 599] {
            check(status, "<html>", RETRY, &format!("status {status}"));
        }
        check(500, &exception("psycopg2.OperationalError", "x"), RETRY, "its database failed");
        check(500, &exception("psycopg2.errors.AdminShutdown", "x"), RETRY, "its database failed");
        check(503, &exception("builtins.KeyError", "x"), RETRY, "status 503");
    }

    #[test]
    fn contention_is_retried() {
        for class in CONTENDED_CLASSES {
            check(500, &exception(class, "x"), RETRY, "another transaction was in the way");
        }
        let text = "could not serialize access due to concurrent update\n";
        check(
            422,
            &exception("odoo.exceptions.UserError", text),
            RETRY,
            "another transaction was in the way",
        );
        check(409, &exception("odoo.exceptions.LockError", "x"), RETRY, "another transaction was in the way");
    }

    #[test]
    fn what_a_person_must_change_says_what_to_do() {
        check(
            401,
            &exception("werkzeug.exceptions.Unauthorized", "Invalid apikey"),
            Configure,
            "make a new one",
        );
        check(403, &exception("odoo.exceptions.AccessError", "Jane"), Configure, "give it the group");
        check(404, NO_DATABASE, RETRY, "check the database's name");
        check(404, "<html>nginx", Configure, "check the address");
        check(303, "", Configure, "check the address");
        check(
            404,
            &exception("werkzeug.exceptions.NotFound", "the model 'x'…"),
            Configure,
            "its app is installed",
        );
        check(418, "", Configure, "status 418");
    }

    #[test]
    fn bad_data_are_rejected_and_not_quoted() {
        check(
            422,
            &exception("odoo.exceptions.UserError", "Jane"),
            Reject,
            "(422, odoo.exceptions.UserError)",
        );
        check(
            422,
            &exception("odoo.exceptions.ValidationError", "x"),
            Reject,
            "(422, odoo.exceptions.Validation",
        );
        check(500, &exception("builtins.ValueError", "x"), Reject, "(500, builtins.ValueError)");
        check(404, &exception("odoo.exceptions.MissingError", "x"), Reject, "was deleted");
        check(413, "<html>", Reject, "(413, payload too large)");
    }

    #[test]
    fn nothing_of_the_message_or_the_traceback_is_printed() {
        let body = exception("odoo.exceptions.UserError", "Jane Doe\nDETAIL: Failing row contains (Jane)");
        let answer = Answer { status: 422, retry_after: None, body: body.as_bytes() };
        let error = error(Call::new("m", "f"), &answer);
        assert!(!format!("{error:?} {error}").contains("Jane"));
        let Error::Refused { refusal, .. } = error else { panic!("{error:?}") };
        assert_eq!(refusal.message.reveal(), "Jane Doe");
    }

    #[test]
    fn retry_after_is_taken_in_seconds() {
        for (header, seconds) in
            [("7", Some(7)), (" 120 ", Some(120)), ("Wed, 21 Oct 2026 07:28:00 GMT", None)]
        {
            let answer = Answer { status: 429, retry_after: Some(header), body: b"" };
            let consequence = error(Call::new("m", "f"), &answer).consequence();
            assert_eq!(consequence, Retry { after: seconds.map(Duration::from_secs) });
        }
    }

    #[test]
    fn texts_about_circumstances_are_told_from_texts_about_data() {
        for (text, circumstance) in [
            ("could not serialize access due to read/write dependencies", Some(Circumstance::Contended)),
            ("deadlock detected\nDETAIL: …", Some(Circumstance::Contended)),
            ("could not obtain lock on row in relation", Some(Circumstance::Contended)),
            ("Cannot grab a lock on records", Some(Circumstance::Contended)),
            ("terminating connection due to administrator command", Some(Circumstance::DatabaseFailed)),
            (
                "You are not allowed to create 'Journal Entry' (account.move) records.",
                Some(Circumstance::Denied),
            ),
            ("The entry is not balanced.", None),
            ("No matching record found for name 'deadlock detected'", None),
        ] {
            assert_eq!(Circumstance::of(text), circumstance, "{text}");
        }
    }
}
