//! Folding one batch: pure, from what was loaded to what is to be written.
//!
//! What is released of the parked inputs comes first, in park order; then deadlines that are due fire, then come the
//! records in their order. Nothing here waits or asks anybody; the same
//! inputs with the same clock give the same changes, which is what makes a rebuild along the journal possible.

use crate::contract::Schemas;
use crate::emission::{Cause, Outbox, Said};
use crate::fact::Meta;
use crate::journal::{Culprit, Place, Released};
use crate::mutant::{self, Mutant};
use crate::program::{Given, Ground, Program, State, StateError};
use crate::record::Record;
use crate::reject::{Reason, Reject};
use crate::store::{Changes, Loaded, Parked, ParkedItem, StoredState, Trial, Waiting};
use crate::table::Book;
use canon::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use uuid::Uuid;

/// One key's state as the lane's owner keeps it.
pub(crate) struct Slot {
    pub(crate) state: Box<dyn State>,
    pub(crate) versions: BTreeMap<String, i64>,
    pub(crate) parked: bool,
}

impl Slot {
    fn copy(&self) -> Self {
        Self { state: self.state.boxed(), versions: self.versions.clone(), parked: self.parked }
    }
}

/// The states that a lane's owner keeps in memory, as their only writer.
#[derive(Default)]
pub(crate) struct Cache {
    slots: HashMap<String, Slot>,
}

impl Cache {
    /// Forgets everything: after a rollback, an unknown outcome, or when it has grown past its bound.
    pub(crate) fn clear(&mut self) {
        self.slots.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.slots.contains_key(key)
    }

    /// Puts what was loaded in place; a key without a row gets a fresh state.
    pub(crate) fn fill(
        &mut self,
        program: &dyn Program,
        keys: &[String],
        loaded: &Loaded,
    ) -> Result<(), StateError> {
        for key in keys {
            let (state, versions) = match loaded.states.get(key) {
                Some(stored) => (program.stored(&stored.body)?, stored.versions.clone()),
                None => (program.fresh(), BTreeMap::new()),
            };
            let parked = loaded.parked.contains(key);
            self.slots.insert(key.clone(), Slot { state, versions, parked });
        }
        Ok(())
    }

    /// Nothing is parked of a key any longer.
    pub(crate) fn free(&mut self, key: &str) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.parked = false;
        }
    }

    /// Takes over a committed batch's states.
    pub(crate) fn merge(&mut self, folded: BTreeMap<String, Slot>) {
        self.slots.extend(folded);
    }
}

/// A batch's inputs.
pub(crate) struct Batch<'a> {
    pub(crate) now: Timestamp,
    pub(crate) book: &'a Book,
    /// Parked inputs to be folded again, whole chains, in park order.
    pub(crate) released: &'a [Parked],
    /// Only the first input of each of those chains is folded, and the rest parks again: while the process dies over
    /// inputs, each is tried alone.
    pub(crate) heads_only: bool,
    pub(crate) due: &'a [(Timestamp, String)],
    pub(crate) records: &'a [Record],
    /// Inputs that are rejected without being folded, by their index: what is released, deadlines, records.
    pub(crate) forced: &'a BTreeMap<usize, Reject>,
    /// Inputs of a rebuild about which a person decided later than this: those that this release would take park all the same,
    /// until it comes to the decision.
    pub(crate) decided: &'a BTreeSet<Place>,
    /// When a deadline fires that is put off.
    pub(crate) put_off_to: Option<Timestamp>,
}

/// How inputs ended, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Folded.
    pub applied: u64,
    /// Seen before, dropped.
    pub duplicates: u64,
    /// Parked.
    pub parked: u64,
    /// Versions that were skipped: an alarm, since a topic's one producer counts without gaps.
    pub version_gaps: u64,
}

/// What a batch came to.
pub(crate) struct Folded {
    pub(crate) slots: BTreeMap<String, Slot>,
    pub(crate) said: Vec<Said>,
    pub(crate) wakes: BTreeMap<String, Option<Timestamp>>,
    pub(crate) parked: Vec<Parked>,
    pub(crate) seen: Vec<(String, Uuid)>,
    pub(crate) culprits: Vec<Culprit>,
    /// Records that were parked and are no longer.
    pub(crate) resolved: Vec<Record>,
    pub(crate) tally: Tally,
}

/// Folds a batch over cached states, which stay as they are.
pub(crate) fn fold(
    program: &dyn Program,
    schemas: &Schemas,
    cache: &Cache,
    seen: &HashMap<String, HashSet<Uuid>>,
    batch: &Batch<'_>,
) -> Folded {
    let folded = Folded {
        slots: BTreeMap::new(),
        said: Vec::new(),
        wakes: BTreeMap::new(),
        parked: Vec::new(),
        seen: Vec::new(),
        culprits: Vec::new(),
        resolved: Vec::new(),
        tally: Tally::default(),
    };
    let mut run = Run { program, schemas, cache, seen: seen.clone(), batch, folded };
    let mut heads: BTreeMap<&str, &Parked> = BTreeMap::new();
    for (index, parked) in batch.released.iter().enumerate() {
        if let Some(chain) = parked.chain.as_deref() {
            match heads.get(chain) {
                None => {
                    // The chain is taken out whole: its first input is behind nobody.
                    run.slot(chain).parked = false;
                    heads.insert(chain, parked);
                }
                Some(head) if batch.heads_only => {
                    run.park_again(chain, head, parked);
                    continue;
                }
                Some(_) => {}
            }
        }
        run.release(index, parked);
    }
    for (index, (at, key)) in batch.due.iter().enumerate() {
        run.folded.wakes.insert(key.clone(), None);
        run.fire(batch.released.len() + index, *at, key);
    }
    let before = batch.released.len() + batch.due.len();
    for (index, record) in batch.records.iter().enumerate() {
        run.take(before + index, record);
    }
    run.folded
}

struct Run<'a> {
    program: &'a dyn Program,
    schemas: &'a Schemas,
    cache: &'a Cache,
    seen: HashMap<String, HashSet<Uuid>>,
    batch: &'a Batch<'a>,
    folded: Folded,
}

impl<'r> Run<'r> {
    fn ground(&self) -> Ground<'r> {
        Ground { now: self.batch.now, schemas: self.schemas, book: self.batch.book }
    }

    fn slot(&mut self, key: &str) -> &mut Slot {
        let (program, cache) = (self.program, self.cache);
        self.folded.slots.entry(key.to_owned()).or_insert_with(|| match cache.slots.get(key) {
            Some(slot) => slot.copy(),
            None => Slot { state: program.fresh(), versions: BTreeMap::new(), parked: false },
        })
    }

    fn fire(&mut self, index: usize, at: Timestamp, key: &str) {
        let item = ParkedItem::Deadline { key: key.to_owned(), at };
        if self.slot(key).parked {
            return self.park(Some(key), item, behind(), 0);
        }
        let (program, ground) = (self.program, self.ground());
        let which = (index, Place::Deadline { key: key.to_owned(), at });
        let result =
            self.attempt(which, key, Cause::default(), |state, out| program.woken(state, key, ground, out));
        if mutant::is(Mutant::DedupeForgotten) {
            self.slot(key).versions.clear();
        }
        let Err(reject) = result else { return };
        if matches!(reject.reason, Reason::Crash | Reason::Early) {
            let Trial { topic, offset } = Trial::deadline(key, at);
            let (reason, detail) = (reject.reason, reject.detail.clone());
            self.folded.culprits.push(Culprit { topic, offset, reason, detail });
        }
        match reject.reason {
            Reason::Early => {
                let at = self.batch.put_off_to.unwrap_or(at);
                self.folded.wakes.insert(key.to_owned(), Some(at));
            }
            _ => self.park(Some(key), item, reject, 0),
        }
    }

    /// Parks an input of a chain of which only the head was folded: the first one waits for what the head had waited for,
    /// which has come, so that it is released next.
    fn park_again(&mut self, chain: &str, head: &Parked, parked: &Parked) {
        let slot = self.slot(chain);
        let waits = if slot.parked { None } else { head.waits.clone() };
        slot.parked = true;
        let Reject { reason, detail, .. } = behind();
        self.folded.parked.push(Parked { reason, detail, at: self.batch.now, waits, ..parked.clone() });
    }

    /// Folds again what was parked. It was met before: no version and no identity is looked at.
    fn release(&mut self, index: usize, parked: &Parked) {
        match &parked.item {
            ParkedItem::Deadline { key, at } => self.fire(index, *at, key),
            ParkedItem::Record(record) => match Meta::of(record) {
                Ok(meta) => {
                    let before = self.folded.parked.len();
                    self.give(index, record, &meta, parked.homonyms);
                    if self.folded.parked.len() == before {
                        self.folded.resolved.push(record.clone());
                    }
                }
                Err(reject) => self.park(None, parked.item.clone(), reject, 0),
            },
        }
    }

    fn take(&mut self, index: usize, record: &Record) {
        let item = || ParkedItem::Record(record.clone());
        let meta = match Meta::of(record) {
            Ok(meta) => meta,
            Err(reject) => return self.park(None, item(), reject, 0),
        };
        let Some(homonyms) = self.is_new(record, &meta) else {
            self.folded.tally.duplicates += 1;
            return;
        };
        self.give(index, record, &meta, homonyms);
    }

    /// Gives a record to the fold, unless an input of its key is parked.
    fn give(&mut self, index: usize, record: &Record, meta: &Meta, homonyms: u32) {
        let item = || ParkedItem::Record(record.clone());
        if self.slot(&meta.key).parked && !mutant::is(Mutant::SuccessorNotParked) {
            return self.park(Some(&meta.key), item(), behind(), homonyms);
        }
        let (program, ground) = (self.program, self.ground());
        let given = Given { record, meta, homonyms };
        let cause = Cause::record(program.name(), &meta.headers, record);
        let which = (index, Place::Record { topic: record.topic.to_owned(), offset: record.offset });
        let result =
            self.attempt(which, &meta.key, cause, |state, out| program.on(state, &given, ground, out));
        if let Err(reject) = result {
            if matches!(reject.reason, Reason::Crash) {
                let (topic, offset) = (record.topic.to_owned(), record.offset);
                let (reason, detail) = (reject.reason, reject.detail.clone());
                self.folded.culprits.push(Culprit { topic, offset, reason, detail });
            }
            self.park(Some(&meta.key), item(), reject, homonyms);
        }
    }

    /// Whether a record is met for the first time, and how many others had its name; marks it as met.
    fn is_new(&mut self, record: &Record, meta: &Meta) -> Option<u32> {
        if let Some(version) = meta.headers.version {
            let version = if mutant::is(Mutant::DedupeByTime) { meta.headers.time.0 } else { version };
            let last = self.slot(&meta.key).versions.entry(record.topic.to_owned()).or_insert(0);
            if version <= *last {
                return None;
            }
            let gap = version - *last - 1;
            *last = version;
            self.folded.tally.version_gaps += u64::try_from(gap).unwrap_or(0).min(1);
            return Some(0);
        }
        let (name, id) = meta.identity();
        let ids = self.seen.entry(name.clone()).or_default();
        if !ids.insert(id) {
            return None;
        }
        let homonyms = u32::try_from(ids.len() - 1).unwrap_or(u32::MAX);
        self.folded.seen.push((name, id));
        Some(homonyms)
    }

    /// Runs a handler on a copy of the state; only a success changes state, deadline and emissions.
    fn attempt(
        &mut self,
        (index, place): (usize, Place),
        key: &str,
        cause: Cause,
        handler: impl FnOnce(&mut dyn State, &mut Outbox) -> Result<(), Reject>,
    ) -> Result<(), Reject> {
        if let Some(reject) = self.batch.forced.get(&index) {
            return Err(reject.clone());
        }
        let mut state = self.slot(key).state.boxed();
        let mut out = Outbox::default();
        let is_decided = self.batch.decided.contains(&place);
        // The handler works on a copy: whatever a panic leaves half done is thrown away with it.
        let result = catch_unwind(AssertUnwindSafe(|| handler(state.as_mut(), &mut out)));
        result.unwrap_or_else(|_| {
            Err(Reject::new(Reason::Panic, "the fold panicked; see the log for where"))
        })?;
        if is_decided {
            return Err(Reject::new(Reason::Conflict, "a person decided about it: it waits until then"));
        }
        self.slot(key).state = state;
        if let Some(at) = out.wake {
            self.folded.wakes.insert(key.to_owned(), Some(at));
        }
        let said = out.drafts.into_iter().map(|draft| Said { input: index, draft, cause: cause.clone() });
        self.folded.said.extend(said);
        self.folded.tally.applied += 1;
        Ok(())
    }

    fn park(&mut self, key: Option<&str>, item: ParkedItem, reject: Reject, homonyms: u32) {
        let chain = key.filter(|_| reject.blocks_key).map(str::to_owned);
        if let Some(key) = &chain {
            self.slot(key).parked = true;
        }
        self.folded.tally.parked += 1;
        let after = self.batch.book.upto();
        let rows = reject.waits_for.clone();
        let waits = (!rows.is_empty()).then_some(Waiting { rows, after });
        let parked = Parked::of(chain, item, reject, self.batch.now);
        self.folded.parked.push(Parked { waits, homonyms, ..parked });
    }
}

fn behind() -> Reject {
    Reject::new(Reason::Behind, "an earlier input of this key is parked")
}

/// Keys whose states a batch needs.
pub(crate) fn keys(released: &[Parked], due: &[(Timestamp, String)], records: &[Record]) -> BTreeSet<String> {
    let released = released.iter().filter_map(|parked| match (&parked.chain, &parked.item) {
        (Some(chain), _) => Some(chain.clone()),
        (None, ParkedItem::Record(record)) => Meta::of(record).ok().map(|meta| meta.key),
        (None, ParkedItem::Deadline { key, .. }) => Some(key.clone()),
    });
    let due = due.iter().map(|(_, key)| key.clone());
    released
        .chain(due)
        .chain(records.iter().filter_map(|record| Meta::of(record).ok().map(|meta| meta.key)))
        .collect()
}

/// Identities that a batch needs to look up: of facts without versions.
pub(crate) fn identities(records: &[Record]) -> Vec<(String, Uuid)> {
    let metas = records.iter().filter_map(|record| Meta::of(record).ok());
    metas.filter(|meta| meta.headers.version.is_none()).map(|meta| meta.identity()).collect()
}

/// What a batch released, as the journal has it: chains by their keys, in park order.
pub(crate) fn releases(released: &[Parked], heads_only: bool) -> Vec<Released> {
    let mut all = Vec::new();
    for parked in released {
        let one = match (&parked.chain, &parked.item) {
            (Some(chain), _) if heads_only => Released::Head(chain.clone()),
            (Some(chain), _) => Released::Chain(chain.clone()),
            (None, ParkedItem::Record(record)) => {
                Released::Alone { topic: record.topic.to_owned(), offset: record.offset }
            }
            (None, ParkedItem::Deadline { key, .. }) => Released::Deadline(key.clone()),
        };
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
}

impl Folded {
    /// Whether a deadline was put off.
    pub(crate) fn has_put_off(&self) -> bool {
        self.culprits.iter().any(|culprit| culprit.reason == Reason::Early)
    }

    /// The states, deadlines, report rows and parked inputs to write; emissions and journal are added by the lane.
    pub(crate) fn changes(&self, program: &dyn Program, cache: &Cache) -> Result<Changes, StateError> {
        let mut changes = Changes {
            deadlines: self.wakes.iter().map(|(key, at)| (key.clone(), *at)).collect(),
            seen: self.seen.clone(),
            parked: self.parked.clone(),
            ..Changes::default()
        };
        for (key, slot) in &self.slots {
            let before = cache.slots.get(key);
            let same_state = before.is_some_and(|before| before.state.same(slot.state.as_ref()));
            if same_state && before.is_some_and(|before| before.versions == slot.versions) {
                continue;
            }
            let stored = StoredState { versions: slot.versions.clone(), body: slot.state.body()? };
            changes.states.push((key.clone(), stored));
            if !same_state {
                let old = before.map_or_else(Vec::new, |before| program.report(key, before.state.as_ref()));
                difference(&mut changes, old, program.report(key, slot.state.as_ref()));
            }
        }
        Ok(changes)
    }
}

/// Report rows that changed, and those that are there no more.
fn difference(changes: &mut Changes, old: Vec<crate::projection::Row>, new: Vec<crate::projection::Row>) {
    let gone =
        old.iter().filter(|row| !new.iter().any(|other| (other.table, &other.row) == (row.table, &row.row)));
    changes.rows_gone.extend(gone.map(|row| (row.table, row.row.clone())));
    changes.rows.extend(new.into_iter().filter(|row| !old.contains(row)));
}
