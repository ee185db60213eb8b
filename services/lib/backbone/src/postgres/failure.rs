//! What went wrong between us and PostgreSQL, without the values that its messages can hold.
//!
//! A server's message, detail and context repeat parameters ("invalid input syntax for type numeric: …"): of them only
//! severity, SQLSTATE and the names of table and constraint are kept.

use crate::store::StoreError;
use deadpool_postgres::{HookError, PoolError};
use std::error::Error as _;
use std::fmt;
use std::io;

/// A failure of the database or of the way to it; never holds data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The server answered with an error.
    Server {
        /// `ERROR`, `FATAL` or `PANIC`, in the server's language.
        severity: String,
        /// The five letters that PostgreSQL documents.
        sqlstate: String,
        /// The table, when the server named one.
        table: Option<String>,
        /// The constraint, when the server named one.
        constraint: Option<String>,
    },
    /// The connection was lost or could not be made.
    Connection(Option<io::ErrorKind>),
    /// No connection of the pool became free, or could be made, in time.
    Exhausted,
    /// A processor that was not declared when the ledger was opened.
    UnknownProcessor(&'static str),
    /// A report table that was not declared when the ledger was opened.
    UnknownTable(&'static str),
    /// A report row that its table cannot hold: a mistake of the projection's code.
    Row {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// A stored row cannot be read back: another program wrote it.
    Corrupt(&'static str),
    /// The driver gave up, by its own words for the kind of error.
    Driver(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server { severity, sqlstate, table, constraint } => {
                write!(f, "postgresql answered {severity} {sqlstate}")?;
                if let Some(meaning) = meaning(sqlstate) {
                    write!(f, " ({meaning})")?;
                }
                table.iter().try_for_each(|table| write!(f, ", table {table}"))?;
                constraint.iter().try_for_each(|constraint| write!(f, ", constraint {constraint}"))
            }
            Self::Connection(None) => f.write_str("the connection to postgresql is closed"),
            Self::Connection(Some(kind)) => write!(f, "the connection to postgresql failed: {kind}"),
            Self::Exhausted => f.write_str("no connection to postgresql became free in time"),
            Self::UnknownProcessor(name) => write!(f, "processor {name} was not declared to the ledger"),
            Self::UnknownTable(name) => write!(f, "report table {name} was not declared to the ledger"),
            Self::Row { table, column } => {
                write!(
                    f,
                    "a report row does not fit column {column} of table {table}: correct its type in the code"
                )
            }
            Self::Corrupt(what) => write!(f, "{what} in the ledger cannot be read back"),
            Self::Driver(kind) => write!(f, "the postgresql driver failed: {kind}"),
        }
    }
}

impl std::error::Error for Failure {}

/// What the codes mean that are met in operation.
fn meaning(sqlstate: &str) -> Option<&'static str> {
    Some(match sqlstate {
        "22021" | "22P05" => "a text holds a NUL or is no UTF-8, which its columns cannot hold",
        "25006" => "the server is read-only",
        "25P02" => "an earlier statement of the transaction failed",
        "25P03" => "the transaction sat idle too long",
        "28000" | "28P01" => "user or password refused",
        "3D000" => "the database does not exist",
        "3F000" | "42P01" => "a schema or table is missing",
        "40001" | "40P01" => "it gave way to another transaction",
        "42501" => "the user lacks a privilege",
        "53100" => "its disk is full",
        "53300" => "too many connections",
        "55P03" => "a lock was not free in time",
        "57014" => "the statement took too long",
        "57P01" | "57P02" | "57P03" | "57P04" | "57P05" => {
            "the server is shutting down, starting up or ended the session"
        }
        _ => return None,
    })
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        if let Some(db) = error.as_db_error() {
            return Self::Server {
                severity: db.severity().to_owned(),
                sqlstate: db.code().code().to_owned(),
                table: db.table().map(str::to_owned),
                constraint: db.constraint().map(str::to_owned),
            };
        }
        if error.is_closed() {
            return Self::Connection(None);
        }
        match error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
            Some(io) => Self::Connection(Some(io.kind())),
            // Names the kind of error only; what lies beneath could quote a value.
            None => Self::Driver(error.to_string()),
        }
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => error.into(),
            PoolError::Timeout(_) => Self::Exhausted,
            other => Self::Driver(other.to_string()),
        }
    }
}

impl Failure {
    /// Whether a schema or a table that was asked for is not there.
    pub(super) fn is_of_what_is_not_there(&self) -> bool {
        matches!(self, Self::Server { sqlstate, .. } if sqlstate == "3F000" || sqlstate == "42P01")
    }

    /// Nothing was written: to be tried again.
    pub(super) fn during(self, what: &'static str) -> StoreError {
        StoreError::Unavailable { what, source: Some(Box::new(self)) }
    }
}

/// For `map_err`: an error of pool or driver while doing something.
pub(super) fn during<E: Into<Failure>>(what: &'static str) -> impl Fn(E) -> StoreError {
    move |error| error.into().during(what)
}
