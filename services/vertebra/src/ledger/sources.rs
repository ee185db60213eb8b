//! What the sources of a service know, what they ask a person, and answering it.

use super::{LedgerError, table};
use backbone::postgres::PostgresStore;
use backbone::postgres::look::{self, SourceSeen};
use backbone::postgres::operate::{self, Asker};
use serde::Serialize;
use std::fmt;

/// All sources of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sources {
    /// One for each kind of rows.
    pub kinds: Vec<Kind>,
}

/// A kind of rows that a source knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kind {
    /// The source.
    pub source: String,
    /// The kind: a table's or a model's name. Nothing when the source knows no row.
    pub kind: Option<String>,
    /// Rows that are known to be there.
    pub rows: i64,
    /// Those of them that could not be stated: what they stated before still holds.
    pub refused: i64,
    /// What a person is asked.
    pub asks: Option<Question>,
}

/// A question of a source: may what these rows state be withdrawn?
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Question {
    /// How many rows are gone.
    pub gone: i64,
    /// Of how many that were known.
    pub known: i64,
    /// Since when it asks, or with these numbers.
    pub since: String,
    /// How many a person has let go; the source takes it up within a minute or so.
    pub approved: Option<i64>,
}

/// What came of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answered {
    /// The source.
    pub source: String,
    /// The kind.
    pub kind: String,
    /// How many the answer lets go.
    pub approves: i64,
    /// How many are gone; nothing when the source does not ask.
    pub gone: Option<i64>,
    /// Whether the source goes on.
    pub approved: bool,
}

/// What sources know and ask.
///
/// # Errors
/// When the ledger does not answer.
pub async fn list(store: &PostgresStore) -> Result<Sources, LedgerError> {
    Ok(Sources { kinds: look::pulled(store).await?.into_iter().map(kind).collect() })
}

/// Lets a source withdraw up to so many rows of a kind, once; who says so and why is kept in the ledger.
///
/// # Errors
/// When the ledger does not answer.
pub async fn approve(
    store: &PostgresStore,
    source: &str,
    kind: &str,
    gone: i64,
    asker: Asker<'_>,
) -> Result<Answered, LedgerError> {
    let answer = operate::approve(store, source, kind, gone, asker).await?;
    Ok(Answered {
        source: source.to_owned(),
        kind: kind.to_owned(),
        approves: gone,
        gone: answer.map(|answer| answer.gone),
        approved: answer.is_some_and(|answer| answer.approved),
    })
}

fn kind(seen: SourceSeen) -> Kind {
    let SourceSeen { source, kind, rows, refused, hold } = seen;
    let asks = hold.map(|hold| Question {
        gone: hold.gone,
        known: hold.known,
        since: hold.asked_at.to_string(),
        approved: hold.approved,
    });
    Kind { source, kind, rows, refused, asks }
}

impl Sources {
    /// Whether nobody is asked anything, and every row could be stated.
    pub fn are_well(&self) -> bool {
        self.kinds.iter().all(|kind| kind.asks.is_none() && kind.refused == 0)
    }
}

impl fmt::Display for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kinds.is_empty() {
            return write!(f, "no source has read anything yet");
        }
        let rows = self.kinds.iter().map(|kind| {
            let name = kind.kind.clone().unwrap_or_else(|| "-".to_owned());
            let asks = kind.asks.as_ref().map(ToString::to_string).unwrap_or_default();
            [kind.source.clone(), name, kind.rows.to_string(), kind.refused.to_string(), asks]
        });
        table::write(f, ["source", "kind", "rows", "refused", "asks"], &rows.collect::<Vec<_>>())?;
        let refused: i64 = self.kinds.iter().map(|kind| kind.refused).sum();
        match self.kinds.iter().filter(|kind| kind.asks.is_some()).count() {
            0 => write!(f, "nobody is asked anything, {refused} rows refused"),
            asks => {
                write!(f, "{asks} to be answered, {refused} rows refused: `vertebra source approve --help`")
            }
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gone, known, since, approved } = self;
        write!(f, "{gone} of {known} are gone, since {since}")?;
        match approved {
            Some(approved) if approved >= gone => write!(f, "; approved"),
            Some(approved) => write!(f, "; {approved} were approved, which is too few"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, kind, approves, gone, approved } = self;
        match (gone, approved) {
            (None, _) => write!(f, "{source} asks nothing about {kind}; nothing was done"),
            (Some(gone), false) => {
                write!(
                    f,
                    "{gone} rows of {kind} are gone, more than {approves}; nothing was done: look again"
                )
            }
            (Some(_), true) => {
                write!(
                    f,
                    "{source} goes on: up to {approves} rows of {kind} are withdrawn, once, if still gone"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backbone::source::Hold;
    use canon::Timestamp;

    fn seen(kind: &str, refused: i64, hold: Option<Hold>) -> SourceSeen {
        SourceSeen { source: "odoo-items".to_owned(), kind: Some(kind.to_owned()), rows: 900, refused, hold }
    }

    #[track_caller]
    fn check(kinds: Vec<SourceSeen>, well: bool, page: &str) {
        let sources = Sources { kinds: kinds.into_iter().map(kind).collect() };
        assert_eq!((sources.to_string().as_str(), sources.are_well()), (page, well));
    }

    #[test]
    fn what_is_known_refused_and_asked_is_a_line_a_kind() {
        check(Vec::new(), true, "no source has read anything yet");
        let hold = Hold { gone: 120, known: 900, asked_at: Timestamp(1_000_000), approved: None };
        check(
            vec![seen("product.product", 0, Some(hold)), seen("uom.uom", 2, None)],
            false,
            "source      kind             rows  refused  asks\n\
             odoo-items  product.product  900   0        120 of 900 are gone, since 1970-01-01T00:00:01Z\n\
             odoo-items  uom.uom          900   2\n\
             1 to be answered, 2 rows refused: `vertebra source approve --help`",
        );
    }
}
