//! Code tables: what a source's codes stand for, on a day.
//!
//! A sender's own row goes before everybody's. A code that nobody has mapped parks its message until somebody does, where
//! nothing can be made of it; where it is only called otherwise it passes as it is said, and is counted.

use super::source::Source;
use crate::setup::Setup;
use backbone::{Absent, Cx, Reason, Reject};
use canon::event::Event;
use canon::events::reference_code::CodeEntry;
use canon::{Code, CodeKey, CodeTable, Date, SenderName};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::sync::Arc;

/// Where codes are looked up.
pub(crate) trait Tables {
    /// What is known of a code.
    fn code(&self, key: &CodeKey) -> Result<Arc<Code>, Absent>;
}

/// The tables as the fold has them.
pub(crate) struct Looked<'c, 's> {
    cx: &'c Cx<'s, Setup>,
}

impl<'c, 's> Looked<'c, 's> {
    pub(crate) fn new(cx: &'c Cx<'s, Setup>) -> Self {
        Self { cx }
    }
}

impl Tables for Looked<'_, '_> {
    fn code(&self, key: &CodeKey) -> Result<Arc<Code>, Absent> {
        self.cx.lookup::<Code>(key)
    }
}

/// Tables as they are listed, without a fold around them.
#[derive(Debug, Default)]
pub(crate) struct Listed(pub(crate) BTreeMap<CodeKey, Arc<Code>>);

impl Tables for Listed {
    fn code(&self, key: &CodeKey) -> Result<Arc<Code>, Absent> {
        let missing = || Absent::Missing { topic: Code::TOPIC, key: key.to_string() };
        self.0.get(key).cloned().ok_or_else(missing)
    }
}

/// What a code stands for on a day.
pub(super) fn entry(
    tables: &dyn Tables,
    table: CodeTable,
    sender: &SenderName,
    code: &str,
    day: Date,
    at: impl Display,
) -> Result<CodeEntry, Reject> {
    find(tables, table, sender, code, day, at)?.map_err(|unknown| unknown.waits())
}

/// As [`entry`], for codes that need not be in a table.
pub(super) fn find(
    tables: &dyn Tables,
    table: CodeTable,
    sender: &SenderName,
    code: &str,
    day: Date,
    at: impl Display,
) -> Result<Result<CodeEntry, Unknown>, Reject> {
    let at = at.to_string();
    let own = key(table, sender, code, &at)?;
    for key in [&own, &own.for_everybody()] {
        match tables.code(key) {
            Ok(code) => {
                let holds = |entry: &&CodeEntry| {
                    entry.valid_from.is_none_or(|from| from <= day)
                        && entry.valid_to.is_none_or(|to| day < to)
                };
                if let Some(entry) = code.entries.iter().find(holds) {
                    return Ok(Ok(entry.clone()));
                }
            }
            Err(Absent::Unusable(reject)) => return Err(reject),
            Err(Absent::Gone { .. } | Absent::Missing { .. }) => {}
        }
    }
    Ok(Err(Unknown { key: own, at }))
}

/// The key of a sender's own row.
pub(super) fn key(
    table: CodeTable,
    sender: &SenderName,
    code: &str,
    at: impl Display,
) -> Result<CodeKey, Reject> {
    CodeKey::of(table, Some(sender), code).map_err(|why| super::reader::invalid(at, why))
}

/// A code that is in no table, and passed as it is said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AsSaid {
    pub(crate) table: CodeTable,
    pub(crate) code: String,
}

/// As [`find`], for codes that a fact may carry as its source says them: none where no table has the code, which is
/// then told. A code that makes no key is in no table.
pub(super) fn known(
    source: &Source<'_>,
    table: CodeTable,
    code: &str,
    day: Date,
    as_said: &mut BTreeSet<AsSaid>,
) -> Result<Option<CodeEntry>, Reject> {
    let found = match CodeKey::of(table, Some(&source.sender), code) {
        Ok(_) => find(source.tables, table, &source.sender, code, day, table.as_str())?.ok(),
        Err(_) => None,
    };
    if found.is_none() {
        as_said.insert(AsSaid { table, code: code.to_owned() });
    }
    Ok(found)
}

/// A code that nothing is known of for its day.
pub(super) struct Unknown {
    key: CodeKey,
    at: String,
}

impl Unknown {
    /// Parks the input until the sender, or everybody, has a row for the code.
    pub(super) fn waits(self) -> Reject {
        let detail =
            format!("{}: {} is not in {} for its day; waits until it is", self.at, self.key, Code::TOPIC);
        released_by(Reject::new(Reason::Missing, detail), &self.key)
    }
}

/// The same, until a row of the code comes: the sender's own or everybody's, since either is looked up.
pub(super) fn released_by(reject: Reject, own: &CodeKey) -> Reject {
    let absent = |key: &CodeKey| Absent::Missing { topic: Code::TOPIC, key: key.to_string() };
    reject.or(absent(own)).or(absent(&own.for_everybody()))
}
