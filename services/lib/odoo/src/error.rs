//! Errors named by what the caller must do about them. No error's text holds a value of a payload.

use crate::Hidden;
use std::fmt;
use std::time::Duration;

/// The call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Odoo's model, such as `account.move`.
    pub model: String,
    /// Its method.
    pub method: String,
}

impl Call {
    pub(crate) fn new(model: &str, method: &str) -> Self {
        Self { model: model.to_owned(), method: method.to_owned() }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.model, self.method)
    }
}

/// Why a call gave no result. What it did in Odoo is certain only for the variants that say so.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Odoo or the way to it is down or busy. The call may have been carried out all the same. Retry.
    #[error("{call}: odoo is unavailable: {outage}")]
    Unavailable {
        /// What was called.
        call: Call,
        /// How it failed.
        outage: Outage,
        /// How long Odoo, or a proxy, asks to wait.
        retry_after: Option<Duration>,
        /// The transport's error, without address.
        #[source]
        source: Option<reqwest::Error>,
    },
    /// Another transaction was in the way; nothing was done. Retry.
    #[error("{call}: another transaction was in the way")]
    Contended {
        /// What was called.
        call: Call,
    },
    /// The key or its user may not do this; nothing was done. A person must change the configuration.
    #[error("{call}: {denial}")]
    Denied {
        /// What was called.
        call: Call,
        /// What is not allowed, and what to do.
        denial: Denial,
    },
    /// Odoo understood and refused; nothing was done. Repeating the same call gives the same answer.
    #[error("{call}: {refusal}")]
    Refused {
        /// What was called.
        call: Call,
        /// Odoo's reason.
        refusal: Refusal,
    },
    /// What was called does not exist there; nothing was done.
    #[error("{call}: {absent}")]
    Missing {
        /// What was called.
        call: Call,
        /// What is not there, and what to do.
        absent: Absent,
    },
    /// The answer was not understood. The call may have been carried out.
    #[error("{call}: answer not understood: {puzzle}")]
    Protocol {
        /// What was called.
        call: Call,
        /// What is strange about it.
        puzzle: Puzzle,
    },
}

/// What the caller does about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// The same call later.
    Retry {
        /// Not before this.
        after: Option<Duration>,
    },
    /// A person must change something outside the data; the same call will work then. Hold the lane and say so.
    Configure,
    /// This call will never work: the data are bad.
    Reject,
}

impl Error {
    /// What to do about it.
    pub fn consequence(&self) -> Consequence {
        match self {
            Self::Unavailable { retry_after, .. } => Consequence::Retry { after: *retry_after },
            // A wrong name and an outage of Odoo's PostgreSQL look alike, and the second one is the ordinary one.
            Self::Contended { .. } | Self::Missing { absent: Absent::Database, .. } => {
                Consequence::Retry { after: None }
            }
            Self::Denied { .. } | Self::Protocol { .. } => Consequence::Configure,
            Self::Missing { absent: Absent::Record, .. } | Self::Refused { .. } => Consequence::Reject,
            Self::Missing { .. } => Consequence::Configure,
        }
    }
}

/// How Odoo was unavailable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Outage {
    /// No connection (refused, no route, no name, TLS).
    #[error("no connection")]
    Connect,
    /// Odoo has no use of its database at the moment.
    #[error("its database failed")]
    Database,
    /// The connection ended before the answer did: Odoo ends workers that take too long, this way.
    #[error("the connection was lost before the answer")]
    Lost,
    /// Odoo, or a proxy before it, answered with this status.
    #[error("status {0}")]
    Status(u16),
    /// No answer within the time allowed.
    #[error("no answer in time")]
    TimedOut,
}

/// What is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// 401.
    #[error(
        "odoo does not accept the API key: make a new one as the integration's user (Preferences, Account Security) and \
         put it where the configuration says"
    )]
    Key,
    /// 403.
    #[error(
        "the API key's user lacks the right, or the company: give it the group or the company in odoo's settings"
    )]
    Right,
}

/// Odoo's reason for a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status, over JSON-RPC the one that JSON-2 would have: 422 for what a user did wrong, 500 for what Odoo's code did not expect.
    pub status: u16,
    /// The exception's class, such as `odoo.exceptions.ValidationError`.
    pub class: String,
    /// Odoo's text. It may quote the data: not for a log.
    pub message: Hidden<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "odoo refuses ({}, {})", self.status, self.class)
    }
}

/// What is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Absent {
    /// Odoo 19 answers alike for a name that is wrong and while its PostgreSQL is down: retry, and show the text.
    #[error(
        "odoo has no such database, or cannot reach it now: check the database's name, and odoo's PostgreSQL"
    )]
    Database,
    /// Something that is not Odoo, or not the version for the interface that is configured.
    #[error(
        "no such interface at this address: check the address, and that JSON-2 is used with odoo 19 or newer only"
    )]
    Interface,
    /// The model or the method.
    #[error("odoo has no such model or method: check that its app is installed")]
    Model,
    /// The record was deleted.
    #[error("the record does not exist, or was deleted")]
    Record,
}

/// What is strange about an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Puzzle {
    /// Fewer or more results than questions.
    #[error("{got} results for {asked} records")]
    Count {
        /// Records sent.
        asked: usize,
        /// Results received.
        got: usize,
    },
    /// An answer without the time of day.
    #[error("no date")]
    Date,
    /// The call could not be written as a request.
    #[error("not a request")]
    Request,
    /// JSON of another shape, seen at this place.
    #[error("unexpected JSON at line {line}, column {column}")]
    Shape {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// A status that Odoo does not use.
    #[error("status {0}")]
    Status(u16),
}
