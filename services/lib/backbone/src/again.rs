//! Folding records again that were folded before, after a mapping was corrected: only what differs goes out.
//!
//! For folds that remember nothing: each record is folded by itself, with the tables as they are now. What several
//! records state under one name counts as the last of them says it. A fact whose record no longer states it is
//! withdrawn. Records that are parked are left where they are.

use crate::contract::Schemas;
use crate::emission::{Cause, Draft, Emitted, Outbox, Said};
use crate::fact::Meta;
use crate::program::{Given, Ground, Program};
use crate::record::Record;
use crate::reject::{Reason, Reject};
use crate::table::Book;
use crate::wish::Outcome;
use canon::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use uuid::Uuid;

/// A run over records that were folded before, as the journal has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    /// The records' topic.
    pub topic: String,
    /// The first record's offset.
    pub first: i64,
    /// One past the last record's offset.
    pub next: i64,
    /// Records before this time (the topic's) are left alone.
    pub since: Timestamp,
    /// Offsets that were parked then, or had been given up.
    pub parked: BTreeSet<i64>,
}

/// What folding again came to, not yet held against the ledger.
pub(crate) struct Folded {
    /// One statement or withdrawal a fact.
    pub(crate) said: Vec<Said>,
    /// Offsets whose records were folded and not rejected: what they no longer state is withdrawn.
    offsets: BTreeSet<i64>,
    pub(crate) outcome: Outcome,
}

/// Folds records by themselves.
///
/// # Errors
/// The fold remembers something: it has to be rebuilt instead.
pub(crate) fn fold(
    program: &dyn Program,
    schemas: &Schemas,
    book: &Book,
    now: Timestamp,
    again: &Again,
    records: &[Record],
) -> Result<Folded, Reject> {
    let mut folded = Folded { said: Vec::new(), offsets: BTreeSet::new(), outcome: Outcome::default() };
    let mut places: BTreeMap<Uuid, usize> = BTreeMap::new();
    let mut met: HashSet<(String, Uuid)> = HashSet::new();
    for (index, record) in records.iter().enumerate() {
        let in_range = (again.first..again.next).contains(&record.offset) && record.timestamp >= again.since;
        let Some(meta) = Meta::of(record).ok().filter(|_| in_range) else { continue };
        if again.parked.contains(&record.offset) {
            folded.outcome.parked += 1;
            continue;
        }
        if !met.insert(meta.identity()) {
            continue;
        }
        let given = Given { record, meta: &meta, homonyms: 0 };
        let mut out = Outbox::default();
        let mut state = program.fresh();
        let ground = Ground { now, schemas, book };
        let result = catch_unwind(AssertUnwindSafe(|| program.on(state.as_mut(), &given, ground, &mut out)));
        let result = result.unwrap_or_else(|_| Err(Reject::new(Reason::Panic, "the fold panicked")));
        folded.outcome.records += 1;
        if let Err(reject) = result {
            *folded.outcome.rejected.entry(reject.reason.as_str().to_owned()).or_default() += 1;
            continue;
        }
        if out.wake.is_some() || !state.same(program.fresh().as_ref()) {
            let what = "this fold remembers what it saw; folding records again by themselves would be wrong";
            return Err(Reject::new(Reason::Unsupported, what));
        }
        folded.offsets.insert(record.offset);
        let cause = Cause::record(program.name(), &meta.headers, record);
        for draft in out.drafts {
            let said = Said { input: index, cause: cause.clone(), draft };
            match places.get(&said.draft.fact) {
                Some(place) => folded.said[*place] = said,
                None => {
                    places.insert(said.draft.fact, folded.said.len());
                    folded.said.push(said);
                }
            }
        }
    }
    Ok(folded)
}

impl Folded {
    /// Withdraws facts that a record of the range stated and no record states any longer.
    pub(crate) fn withdraw(&mut self, program: &dyn Program, stated: &[Emitted]) {
        let said: BTreeSet<Uuid> = self.said.iter().map(|said| said.draft.fact).collect();
        for row in stated.iter().filter(|row| !row.withdrawn && !said.contains(&row.fact)) {
            let Some(origin) = row.origin.as_ref().filter(|origin| self.offsets.contains(&origin.offset))
            else {
                continue;
            };
            if let Some((topic, mark)) = program.withdraw(&row.topic) {
                let cause = Cause { origin: Some(origin.clone()), ..Cause::default() };
                self.said.push(Said { input: usize::MAX, draft: Draft::withdrawal(row, topic, mark), cause });
            }
        }
    }

    /// Drops what a refused statement was part of: what its fact said before stays.
    pub(crate) fn refuse(&mut self, fact: Uuid, reject: &Reject) {
        self.said.retain(|said| said.draft.fact != fact);
        *self.outcome.rejected.entry(reject.reason.as_str().to_owned()).or_default() += 1;
    }

    /// Counts what is news.
    pub(crate) fn count(&mut self, emitted: &[Emitted]) {
        self.outcome.count(&emitted.iter().collect::<Vec<_>>());
        let stated = self.said.len() as u64;
        let news = emitted.len() as u64;
        self.outcome.unchanged = stated.saturating_sub(news);
    }
}
