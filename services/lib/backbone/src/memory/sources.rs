//! What sources keep, in memory.

use super::{MemoryStore, MemoryTx, World};
use crate::source::{
    Approval, FactKnown, Hold, Known, Mark, RowKnown, SourceChanges, SourceTx, Standing, Swept,
};
use crate::store::StoreError;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// A row by source, kind and identity.
type RowAt = (String, String, String);

/// The rows of all sources of one service.
#[derive(Clone, Debug, Default)]
pub struct SourceTables {
    /// Cursors by source.
    pub cursors: BTreeMap<String, serde_json::Value>,
    /// Rows known, by source, kind and identity.
    pub rows: BTreeMap<(String, String, String), RowKnown>,
    /// Facts by source and identity.
    pub facts: BTreeMap<(String, Uuid), FactKnown>,
    /// What persons are asked, by source and kind.
    pub holds: BTreeMap<(String, String), Hold>,
}

impl SourceTables {
    pub(super) fn apply(&mut self, source: &str, changes: SourceChanges) {
        let of = |(kind, id): (String, String)| (source.to_owned(), kind, id);
        self.cursors.extend(changes.cursor.map(|cursor| (source.to_owned(), cursor)));
        self.rows.extend(changes.rows.into_iter().map(|(at, row)| (of(at), row)));
        for at in changes.rows_gone.into_iter().map(of) {
            self.rows.remove(&at);
        }
        for fact in changes.facts_gone {
            self.facts.remove(&(source.to_owned(), fact));
        }
        self.facts.extend(changes.facts.into_iter().map(|fact| ((source.to_owned(), fact.fact), fact)));
        for (kind, asked) in changes.holds {
            let hold = self.holds.entry((source.to_owned(), kind)).or_insert(asked);
            *hold = Hold { approved: hold.approved, ..asked };
        }
        for kind in changes.holds_gone {
            self.holds.remove(&(source.to_owned(), kind));
        }
    }

    fn standing(&self, source: &str) -> Standing {
        let mine = self.holds.iter().filter(|((of, _), _)| of == source);
        let holds = mine.map(|((_, kind), hold)| (kind.clone(), *hold)).collect();
        Standing { cursor: self.cursors.get(source).cloned(), holds }
    }

    fn of<'a>(&'a self, source: &'a str, kind: &'a str) -> impl Iterator<Item = (&'a RowAt, &'a RowKnown)> {
        self.rows.iter().filter(move |((of, its, _), _)| of == source && its == kind)
    }

    fn swept(&self, source: &str, kind: &str, began: Mark, present: &[&str]) -> Swept {
        let present: BTreeSet<&str> = present.iter().copied().collect();
        let before = |row: &RowKnown| row.seen_seq <= began.0;
        let known = self.of(source, kind).filter(|(_, row)| before(row));
        let ids: Vec<&String> = known.map(|((_, _, id), _)| id).collect();
        let known = i64::try_from(ids.len()).unwrap_or(i64::MAX);
        let gone = ids.into_iter().filter(|id| !present.contains(id.as_str())).cloned().collect();
        Swept { known, gone }
    }

    fn known(&self, source: &str, rows: &[(String, String)], facts: &[Uuid]) -> Known {
        let find = |(kind, id): &(String, String)| {
            let row = self.rows.get(&(source.to_owned(), kind.clone(), id.clone()))?;
            Some(((kind.clone(), id.clone()), row.clone()))
        };
        let wanted: BTreeSet<&(String, String)> = rows.iter().collect();
        let mine = self.facts.iter().filter(|((of, _), _)| of == source);
        let concerned = mine.filter(|((_, id), fact)| wanted.contains(&fact.row) || facts.contains(id));
        Known {
            rows: rows.iter().filter_map(find).collect(),
            facts: concerned.map(|((_, id), fact)| (*id, fact.clone())).collect(),
        }
    }
}

impl<W: World> SourceTx for MemoryTx<W> {
    async fn standing(&mut self) -> Result<Standing, StoreError> {
        let source = self.fence.lane.processor;
        self.statement("source standing", |tables| tables.sources.standing(source)).await
    }

    async fn swept(&mut self, kind: &str, began: Mark, present: &[&str]) -> Result<Swept, StoreError> {
        let source = self.fence.lane.processor;
        self.statement("source swept", |tables| tables.sources.swept(source, kind, began, present)).await
    }

    async fn known(&mut self, rows: &[(String, String)], facts: &[Uuid]) -> Result<Known, StoreError> {
        let source = self.fence.lane.processor;
        self.statement("source known", |tables| tables.sources.known(source, rows, facts)).await
    }
}

impl<W: World> Approval for MemoryStore<W> {
    async fn approve(&self, source: &str, kind: &str, gone: i64) -> Result<bool, StoreError> {
        self.call("approve", |tables, _| {
            let hold = tables.sources.holds.get_mut(&(source.to_owned(), kind.to_owned()));
            Ok(hold.map(|hold| hold.approved = Some(gone)).is_some())
        })
        .await
    }
}
