//! Folding records again that were folded before, after a mapping was corrected: only what differs goes out.
//!
//! For folds that remember nothing: each record is folded by itself, with the tables as they are now. What several
//! records state under one name counts as the last of them says it. A fact whose record no longer states it is
//! withdrawn; one that a record states last which is not folded here is left as it is. Records that are parked are left
//! where they are, and so are those that a person gave up.

use crate::emission::{Cause, Draft, Emitted, Origin, Outbox, Said};
use crate::fact::Meta;
use crate::program::{Given, Ground, Program};
use crate::record::Record;
use crate::reject::{Reason, Reject};
use crate::wish::{Chosen, Outcome, sender_of};
use crate::worth::Scale;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
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
    /// Which of them; the others are left alone.
    #[serde(flatten)]
    pub chosen: Chosen,
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

/// Folding records by themselves, one after another.
pub(crate) struct Refolding<'a> {
    program: &'a dyn Program,
    ground: Ground<'a>,
    again: &'a Again,
    folded: Folded,
    /// Where in `folded.said` a fact is.
    places: BTreeMap<Uuid, usize>,
    /// Ids that were met, by name: a message that was sent again is folded once, wherever its first copy lies.
    met: HashMap<String, HashSet<Uuid>>,
}

/// Folds records by themselves, those before the range included: they are only met.
///
/// # Errors
/// The fold remembers something: it has to be rebuilt instead.
pub(crate) fn fold(
    program: &dyn Program,
    ground: Ground<'_>,
    again: &Again,
    records: &[Record],
) -> Result<Folded, Reject> {
    let mut refolding = Refolding::new(program, ground, again);
    records.iter().try_for_each(|record| refolding.take(record))?;
    Ok(refolding.folded())
}

impl<'a> Refolding<'a> {
    pub(crate) fn new(program: &'a dyn Program, ground: Ground<'a>, again: &'a Again) -> Self {
        let folded = Folded { said: Vec::new(), offsets: BTreeSet::new(), outcome: Outcome::default() };
        Self { program, ground, again, folded, places: BTreeMap::new(), met: HashMap::new() }
    }

    pub(crate) fn folded(self) -> Folded {
        self.folded
    }

    /// Folds the next record.
    ///
    /// # Errors
    /// The fold remembers something: it has to be rebuilt instead.
    pub(crate) fn take(&mut self, record: &Record) -> Result<(), Reject> {
        let Again { first, next, chosen, parked, .. } = self.again;
        if !(*first..*next).contains(&record.offset) {
            return Ok(());
        }
        let Ok(meta) = Meta::of(record) else { return Ok(()) };
        let (name, id) = meta.identity();
        let ids = self.met.entry(name).or_default();
        let homonyms = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let is_new = ids.insert(id);
        if !chosen.has(record) {
            return Ok(());
        }
        if parked.contains(&record.offset) {
            self.folded.outcome.parked += 1;
            return Ok(());
        }
        if !is_new {
            return Ok(());
        }
        let given = Given { record, meta: &meta, homonyms };
        let mut out = Outbox::default();
        let mut state = self.program.fresh();
        let (program, ground) = (self.program, self.ground);
        let result = catch_unwind(AssertUnwindSafe(|| program.on(state.as_mut(), &given, ground, &mut out)));
        let result = result.unwrap_or_else(|_| Err(Reject::new(Reason::Panic, "the fold panicked")));
        self.folded.outcome.records += 1;
        self.folded.outcome.met(record.timestamp);
        let sender = sender_of(record).unwrap_or_default().to_owned();
        *self.folded.outcome.senders.entry(sender).or_default() += 1;
        if let Err(reject) = result {
            *self.folded.outcome.rejected.entry(reject.reason.as_str().to_owned()).or_default() += 1;
            return Ok(());
        }
        if out.wake.is_some() || !state.same(program.fresh().as_ref()) {
            let what = "this fold remembers what it saw; folding records again by themselves would be wrong";
            return Err(Reject::new(Reason::Unsupported, what));
        }
        self.folded.offsets.insert(record.offset);
        let cause = Cause::record(program.name(), &meta.headers, record);
        out.drafts.into_iter().for_each(|draft| self.say(cause.clone(), draft));
        Ok(())
    }

    /// What several records state under one name counts as the last of them says it.
    fn say(&mut self, cause: Cause, draft: Draft) {
        let said = Said { input: self.folded.said.len(), cause, draft };
        match self.places.get(&said.draft.fact) {
            Some(place) => self.folded.said[*place] = said,
            None => {
                self.places.insert(said.draft.fact, self.folded.said.len());
                self.folded.said.push(said);
            }
        }
    }
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
            if let Some((topic, mark)) = program.mark(&row.topic) {
                let cause = Cause { origin: Some(origin.clone()), ..Cause::default() };
                self.said.push(Said { input: usize::MAX, draft: Draft::withdrawal(row, topic, mark), cause });
            }
        }
    }

    /// Leaves facts as they are that a record has the last word on which was not folded here: one of another lane, or one
    /// that came later and is parked, given up, or rejected now.
    pub(crate) fn leave_to_others(&mut self, emitted: &HashMap<Uuid, Emitted>) {
        let offsets = &self.offsets;
        let is_ours = |said: &Said| {
            let row = emitted.get(&said.draft.fact);
            let (Some(last), Some(mine)) =
                (row.and_then(|row| row.origin.as_ref()), said.cause.origin.as_ref())
            else {
                return true;
            };
            let place = |origin: &Origin| (origin.processor.clone(), origin.topic.clone(), origin.partition);
            let is_later = place(last) != place(mine) || last.offset > mine.offset;
            last.is_taken_over()
                || !is_later
                || (place(last) == place(mine) && offsets.contains(&last.offset))
        };
        self.said.retain(is_ours);
    }

    /// Drops what a refused statement was part of: what its fact said before stays.
    pub(crate) fn refuse(&mut self, fact: Uuid, reject: &Reject) {
        self.said.retain(|said| said.draft.fact != fact);
        *self.outcome.rejected.entry(reject.reason.as_str().to_owned()).or_default() += 1;
    }

    /// Counts what is news, names it and sums it up; `before` is what the ledger had.
    pub(crate) fn count(&mut self, scale: &Scale<'_>, before: &HashMap<Uuid, Emitted>, news: &[Emitted]) {
        let news: Vec<&Emitted> = news.iter().collect();
        self.outcome.count(&news);
        self.outcome.unchanged = (self.said.len() as u64).saturating_sub(news.len() as u64);
        let is_news: BTreeSet<Uuid> = news.iter().map(|row| row.fact).collect();
        let said: BTreeSet<Uuid> = self.said.iter().map(|said| said.draft.fact).collect();
        let unchanged = said.difference(&is_news).filter_map(|fact| before.get(fact));
        unchanged.for_each(|row| self.outcome.stays(scale, row));
        news.into_iter().for_each(|row| self.outcome.becomes(scale, before.get(&row.fact), row));
    }
}
