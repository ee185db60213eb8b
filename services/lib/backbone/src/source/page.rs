//! What one page comes to: pure, from what was known to what is said and what is known after it.
//!
//! Of a row found twice and of a name stated twice the last one holds. A fact belongs to the row that stated it last:
//! only that row's silence, or its end, withdraws it. A row whose statement or withdrawal is refused is as it was
//! before, and nobody else in the page is concerned.

use super::ledger::{FactKnown, Known, Refusal, RowKnown, SourceChanges};
use super::{Pulled, SourceRow, Stated};
use crate::emission::{Cause, CounterKey, Desk, Draft, Emitted, Resolved, Said, resolve};
use crate::reject::{Reason, Reject};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use uuid::Uuid;

/// A row by its kind and identity.
pub(crate) type RowAt = (String, String);

/// How much may go without a person being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// So many rows may always go.
    pub gone_min: i64,
    /// So many thousandths of a kind's rows may go.
    pub gone_permille: i64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { gone_min: 20, gone_permille: 10 }
    }
}

impl Bounds {
    pub(crate) fn is_too_much(&self, gone: i64, known: i64) -> bool {
        gone > self.gone_min && gone.saturating_mul(1000) > known.saturating_mul(self.gone_permille)
    }
}

/// A page's rows, each once, and then the rows that are gone.
#[derive(Default)]
pub(crate) struct Findings {
    rows: Vec<(RowAt, Finding)>,
}

enum Finding {
    States(Vec<Said>),
    Refused(Reject),
    Gone,
}

/// What a page is held against.
pub(crate) struct Before<'a> {
    pub(crate) known: &'a Known,
    pub(crate) counters: &'a BTreeMap<CounterKey, i64>,
    pub(crate) emitted: &'a HashMap<Uuid, Emitted>,
    pub(crate) topics: &'a BTreeMap<&'static str, Stated>,
    pub(crate) desk: &'a Desk<'a>,
    /// The lane's sequence that the page will be committed under.
    pub(crate) seq: i64,
}

/// What a page comes to.
#[derive(Default)]
pub(crate) struct Settled {
    pub(crate) resolved: Resolved,
    pub(crate) changes: SourceChanges,
    /// Rows refused for a reason that was not told yet, and rows, without one, that are refused no more.
    pub(crate) notices: Vec<(RowAt, Option<Refusal>)>,
    /// Whether anything has to be kept besides that rows were seen.
    pub(crate) is_news: bool,
    pub(crate) pulled: Pulled,
}

impl Findings {
    pub(crate) fn new(rows: Vec<SourceRow>) -> Self {
        let mut last: BTreeMap<RowAt, usize> = BTreeMap::new();
        for (index, row) in rows.iter().enumerate() {
            last.insert(row.at(), index);
        }
        let mut findings = Self::default();
        for (index, row) in rows.into_iter().enumerate() {
            let at = row.at();
            if last.get(&at) == Some(&index) {
                let finding = finding(&at, findings.rows.len(), row.says);
                findings.rows.push((at, finding));
            }
        }
        findings
    }

    /// Adds rows that a sweep did not find; one that is in the page itself was found.
    pub(crate) fn gone(&mut self, kind: &str, ids: Vec<String>) -> usize {
        let found: HashSet<RowAt> = self.rows.iter().map(|(at, _)| at.clone()).collect();
        let rows = ids.into_iter().map(|id| (kind.to_owned(), id)).filter(|at| !found.contains(at));
        let before = self.rows.len();
        self.rows.extend(rows.map(|at| (at, Finding::Gone)));
        self.rows.len() - before
    }

    pub(crate) fn rows(&self) -> Vec<RowAt> {
        self.rows.iter().map(|(at, _)| at.clone()).collect()
    }

    /// The facts that are stated.
    pub(crate) fn stated(&self) -> Vec<Uuid> {
        self.statements().map(|said| said.draft.fact).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The facts that could be stated or withdrawn.
    pub(crate) fn facts(&self, known: &Known) -> Vec<Uuid> {
        let stated = self.statements().map(|said| said.draft.fact);
        stated.chain(known.facts.keys().copied()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The counters that could move, sorted, so that two lanes never wait for each other.
    pub(crate) fn counters(&self, known: &Known) -> Vec<CounterKey> {
        let stated = self.statements().map(|said| (said.draft.topic.to_owned(), said.draft.key.clone()));
        let owned = known.facts.values().map(|fact| (fact.topic.clone(), fact.key.clone()));
        stated.chain(owned).collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn statements(&self) -> impl Iterator<Item = &Said> {
        self.rows.iter().flat_map(|(_, finding)| match finding {
            Finding::States(said) => said.as_slice(),
            Finding::Refused(_) | Finding::Gone => &[],
        })
    }

    /// Holds the page against the ledger. A row that is refused is left out, and the rest settled again without it,
    /// since a name that it took may then be another row's to withdraw.
    pub(crate) fn settle(&self, before: &Before<'_>) -> Settled {
        let mut refused: BTreeMap<usize, Reject> = BTreeMap::new();
        for (index, (_, finding)) in self.rows.iter().enumerate() {
            if let Finding::Refused(reject) = finding {
                refused.insert(index, reject.clone());
            }
        }
        loop {
            let mut books = Books::new(before);
            let mut changes = SourceChanges::default();
            let more = self.say(before, &refused, &mut books, &mut changes);
            if more.is_empty() {
                return self.settled(before, &refused, books.close(), changes);
            }
            refused.extend(more);
        }
    }

    /// Says what the rows that are not refused make of it. Returns those of them that cannot say it.
    fn say(
        &self,
        before: &Before<'_>,
        refused: &BTreeMap<usize, Reject>,
        books: &mut Books<'_>,
        changes: &mut SourceChanges,
    ) -> BTreeMap<usize, Reject> {
        let heard = || (0..).zip(&self.rows).filter(|(index, _)| !refused.contains_key(index));
        let mut stated: HashMap<Uuid, (usize, usize)> = HashMap::new();
        for (index, (_, finding)) in heard() {
            let Finding::States(said) = finding else { continue };
            stated.extend((0..).zip(said).map(|(place, said)| (said.draft.fact, (index, place))));
        }
        let mut owned: HashMap<&RowAt, Vec<&FactKnown>> = HashMap::new();
        for fact in before.known.facts.values() {
            owned.entry(&fact.row).or_default().push(fact);
        }
        let mut more = BTreeMap::new();
        // All withdrawals first: where one name follows another under one key of a compacted topic, the statement stays.
        for (index, (at, _)) in heard() {
            let mut silent = owned.remove(at).unwrap_or_default();
            silent.retain(|fact| !stated.contains_key(&fact.fact));
            silent.sort_by_key(|fact| fact.fact);
            for fact in silent {
                match books.withdraw(fact, index) {
                    Ok(()) => changes.facts_gone.push(fact.fact),
                    Err(reject) => drop(more.insert(index, reject)),
                }
            }
        }
        for (index, (at, finding)) in heard() {
            let Finding::States(said) = finding else { continue };
            for (place, said) in (0..).zip(said) {
                if stated.get(&said.draft.fact) != Some(&(index, place)) {
                    continue;
                }
                match books.say(said) {
                    Ok(()) => changes.facts.extend(claim(before.known, at, &said.draft)),
                    Err(reject) => drop(more.insert(index, reject)),
                }
            }
        }
        more
    }

    fn settled(
        &self,
        before: &Before<'_>,
        refused: &BTreeMap<usize, Reject>,
        resolved: Resolved,
        mut changes: SourceChanges,
    ) -> Settled {
        let mut is_news =
            !(resolved.outbox.is_empty() && changes.facts.is_empty() && changes.facts_gone.is_empty());
        let mut notices = Vec::new();
        let mut pulled = Pulled { published: resolved.outbox.len(), ..Pulled::default() };
        for (index, (at, finding)) in self.rows.iter().enumerate() {
            let row = before.known.rows.get(at);
            let why = refused.get(&index);
            let why = why.map(|why| Refusal { reason: why.reason, detail: why.detail.clone() });
            let is_gone = matches!(finding, Finding::Gone);
            let told = row.and_then(|row| row.refused.clone());
            if told != why {
                notices.push((at.clone(), why.clone()));
            }
            pulled.rows += usize::from(!is_gone);
            pulled.refused += usize::from(why.is_some());
            if is_gone && why.is_none() {
                pulled.gone += 1;
                is_news = true;
                changes.rows_gone.push(at.clone());
                continue;
            }
            is_news |= row.is_none() || told != why;
            // One that is gone and could not be withdrawn was not seen: the next sweep finds it gone again.
            let seen_seq = row.filter(|_| is_gone).map_or(before.seq, |row| row.seen_seq);
            changes.rows.push((at.clone(), RowKnown { seen_seq, refused: why }));
        }
        Settled { resolved, changes, notices, is_news, pulled }
    }
}

impl SourceRow {
    fn at(&self) -> RowAt {
        (self.kind.to_owned(), self.id.clone())
    }
}

fn finding(at: &RowAt, index: usize, says: Result<Vec<Draft>, Reject>) -> Finding {
    let drafts = match says {
        Ok(drafts) => drafts,
        Err(reject) => return Finding::Refused(reject),
    };
    // Found here, before the ledger is asked for a counter that it cannot hold.
    if drafts.iter().any(|draft| draft.key.contains('\0') || draft.name.contains('\0')) {
        return Finding::Refused(Reject::new(Reason::Encode, "a name or key holds a NUL"));
    }
    let cause = Cause { source_ref: Some(format!("{}/{}", at.0, at.1)), ..Cause::default() };
    let said = drafts.into_iter().map(|draft| Said { input: index, draft, cause: cause.clone() });
    Finding::States(said.collect())
}

/// The fact as the row's own; nothing when it is already.
fn claim(known: &Known, at: &RowAt, draft: &Draft) -> Option<FactKnown> {
    if known.facts.get(&draft.fact).is_some_and(|fact| fact.row == *at) {
        return None;
    }
    let (topic, name, key) = (draft.topic.to_owned(), draft.name.clone(), draft.key.clone());
    Some(FactKnown { fact: draft.fact, row: at.clone(), topic, name, key })
}

/// The emission ledger while a page is held against it. Each fact is said once, so each is resolved by itself.
struct Books<'a> {
    before: &'a Before<'a>,
    versions: BTreeMap<CounterKey, i64>,
    resolved: Resolved,
}

impl<'a> Books<'a> {
    fn new(before: &'a Before<'a>) -> Self {
        Self { before, versions: BTreeMap::new(), resolved: Resolved::default() }
    }

    fn say(&mut self, said: &Said) -> Result<(), Reject> {
        let counter = (said.draft.topic.to_owned(), said.draft.key.clone());
        let version = self.versions.get(&counter).or_else(|| self.before.counters.get(&counter));
        let counters = BTreeMap::from([(counter, version.copied().unwrap_or(0))]);
        let emitted = self.before.emitted.get(&said.draft.fact);
        let emitted = emitted.map(|row| (row.fact, row.clone())).into_iter().collect();
        let resolved = resolve(std::slice::from_ref(said), &counters, emitted, self.before.desk);
        let resolved = resolved.map_err(|refusal| refusal.reject)?;
        self.versions.extend(resolved.counters);
        self.resolved.emitted.extend(resolved.emitted);
        self.resolved.outbox.extend(resolved.outbox);
        Ok(())
    }

    fn withdraw(&mut self, fact: &FactKnown, index: usize) -> Result<(), Reject> {
        let declared = self.before.topics.get_key_value(fact.topic.as_str());
        let undeclared = || {
            let what =
                format!("{} has to be withdrawn and is not declared as stated by the source", fact.topic);
            Reject::new(Reason::Unsupported, what)
        };
        let (topic, stated) = declared.ok_or_else(undeclared)?;
        let (name, key) = (fact.name.clone(), fact.key.clone());
        let draft = Draft::withdrawing(fact.fact, name, topic, key, stated.withdraw);
        let cause = Cause { source_ref: Some(format!("{}/{}", fact.row.0, fact.row.1)), ..Cause::default() };
        self.say(&Said { input: index, draft, cause })
    }

    fn close(self) -> Resolved {
        Resolved { counters: self.versions.into_iter().collect(), ..self.resolved }
    }
}
