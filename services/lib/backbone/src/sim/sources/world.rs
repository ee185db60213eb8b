//! The world that the simulated source asks: rows with a code that can move, some hidden for a while, some unreadable.

use super::super::Sim;
use super::super::sample::{Note, Sum};
use crate::env::Env;
use crate::reject::{Reason, Reject};
use crate::sink::Unavailable;
use crate::source::{Mark, Page, Source, SourceRow, Sweep};
use canon::event::Name;
use canon::key::EncounterToken;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Rows of one page.
const PAGE: usize = 3;

#[derive(Clone, Debug)]
struct Row {
    code: u64,
    n: i64,
    /// Rises with each change of the table.
    write: u64,
    hidden: bool,
    bad: bool,
}

#[derive(Debug, Default)]
struct Inner {
    rows: BTreeMap<u64, Row>,
    away: BTreeSet<u64>,
    ids: u64,
    writes: u64,
}

/// The table; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Table(Arc<Mutex<Inner>>);

impl Inner {
    fn touch(&mut self, id: u64, change: impl FnOnce(&mut Row)) {
        self.writes += 1;
        let write = self.writes;
        if let Some(row) = self.rows.get_mut(&id) {
            change(row);
            row.write = write;
        }
    }

    fn pick(&self, sim: &Sim) -> Option<u64> {
        let place = usize::try_from(sim.below(self.rows.len() as u64)).unwrap_or(0);
        self.rows.keys().nth(place).copied()
    }

    /// A code that no row has; one that a row had before comes back easily.
    fn free_code(&self, sim: &Sim) -> u64 {
        let taken: BTreeSet<u64> = self.rows.values().map(|row| row.code).collect();
        let mut code = sim.below(12);
        while taken.contains(&code) {
            code += 1;
        }
        code
    }
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something changes.
    pub(super) fn change(&self, sim: &Sim) {
        let mut inner = self.lock();
        let n = i64::try_from(sim.below(9)).unwrap_or(0);
        let picked = inner.pick(sim);
        match (sim.below(9), picked) {
            (0..3, _) | (_, None) => {
                inner.ids += 1;
                let (id, code) = (inner.ids, inner.free_code(sim));
                inner.rows.insert(id, Row { code, n, write: 0, hidden: false, bad: false });
                inner.touch(id, |_| {});
            }
            (3, Some(id)) => inner.touch(id, |row| row.n = n),
            (4, Some(id)) => {
                let bad = sim.one_in(2);
                inner.touch(id, |row| (row.n, row.bad) = (n, bad));
            }
            (5, Some(id)) => {
                let code = inner.free_code(sim);
                inner.touch(id, |row| row.code = code);
            }
            (6, Some(id)) => inner.swap(sim, id),
            (7, Some(id)) => {
                inner.away.insert(id);
                inner.touch(id, |row| row.hidden = !row.hidden);
            }
            // Now and then a good part goes at once.
            (_, Some(id)) => {
                let many = if sim.one_in(4) { 4 } else { 1 };
                let ids: Vec<u64> = inner.rows.range(id..).take(many).map(|(id, _)| *id).collect();
                for id in ids {
                    inner.rows.remove(&id);
                    inner.away.insert(id);
                }
            }
        }
    }

    /// What could not be read can be.
    pub(super) fn heal(&self) {
        let mut inner = self.lock();
        let bad: Vec<u64> = inner.rows.iter().filter(|(_, row)| row.bad).map(|(id, _)| *id).collect();
        bad.into_iter().for_each(|id| inner.touch(id, |row| row.bad = false));
    }

    pub(super) fn visible(&self) -> BTreeSet<u64> {
        self.lock().rows.iter().filter(|(_, row)| !row.hidden).map(|(id, _)| *id).collect()
    }

    pub(super) fn was_ever_away(&self, id: u64) -> bool {
        self.lock().away.contains(&id)
    }

    /// The last change of a row that can be seen.
    pub(super) fn last_write(&self) -> u64 {
        self.lock().rows.values().filter(|row| !row.hidden).map(|row| row.write).max().unwrap_or(0)
    }

    /// What sums and notes should say, by key.
    pub(super) fn stated(&self) -> (BTreeMap<String, i64>, BTreeMap<String, i64>) {
        let inner = self.lock();
        let there = || inner.rows.iter().filter(|(_, row)| !row.hidden);
        let sums = there().map(|(_, row)| (token(row.code).to_string(), row.n));
        let notes =
            there().filter(|(_, row)| row.has_note()).map(|(id, row)| (token(*id).to_string(), row.n));
        (sums.collect(), notes.collect())
    }
}

impl Inner {
    /// Two rows exchange their codes.
    fn swap(&mut self, sim: &Sim, one: u64) {
        let Some(other) = self.pick(sim).filter(|other| *other != one) else { return };
        let (first, second) = (self.rows[&one].code, self.rows[&other].code);
        self.touch(one, |row| row.code = second);
        self.touch(other, |row| row.code = first);
    }
}

impl Row {
    fn has_note(&self) -> bool {
        self.n % 2 == 1
    }

    fn found(&self, id: u64) -> SourceRow {
        if self.bad {
            return SourceRow::refused("row", id.to_string(), Reject::new(Reason::Invalid, "a bad row"));
        }
        let code = token(self.code);
        let row = SourceRow::new("row", id.to_string()).states::<Sum>(
            Name::new("sum", &[code.as_str()]),
            &code,
            Sum::new(self.n, ""),
        );
        if !self.has_note() {
            return row;
        }
        row.states::<Note>(Name::new("note", &[id.to_string()]), &token(id), Note::new(self.n, ""))
    }
}

fn token(number: u64) -> EncounterToken {
    format!("{number:032x}").parse().unwrap()
}

/// Asks for rows by the order of their changes; between those pages it goes through all ids, from the highest down, so
/// that rows come in behind it.
pub(super) struct Rows {
    pub(super) sim: Sim,
    pub(super) table: Table,
    pub(super) sweeps: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Cursor {
    after: u64,
    sweep: Option<Sweeping>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Sweeping {
    began: Mark,
    below: u64,
    present: BTreeSet<String>,
}

impl Source for Rows {
    const NAME: &'static str = "rows";
    type Cursor = Cursor;

    async fn next(&self, cursor: &Cursor, at: Mark) -> Result<Page<Cursor>, Unavailable> {
        self.sim.give_way().await;
        if self.sim.fails(30, "a source does not answer") {
            return Err(Unavailable { source: None });
        }
        let mut page = Page::new(Vec::new(), cursor.clone());
        if cursor.sweep.is_some() && self.sim.one_in(2) {
            self.sweep_on(&mut page);
        } else {
            self.read_on(&mut page);
            if self.sweeps && page.cursor.sweep.is_none() && self.sim.one_in(3) {
                page.cursor.sweep = Some(Sweeping { began: at, below: u64::MAX, present: BTreeSet::new() });
            }
        }
        self.sim.give_way().await;
        // A slow answer, longer than a lease: what it tells is old when it comes.
        if self.sim.fails(10, "a source answers late") {
            self.sim.sleep(Duration::from_secs(15)).await;
        }
        Ok(page)
    }
}

impl Rows {
    fn read_on(&self, page: &mut Page<Cursor>) {
        let inner = self.table.lock();
        let mut changed: Vec<(u64, u64)> = inner
            .rows
            .iter()
            .filter(|(_, row)| !row.hidden && row.write > page.cursor.after)
            .map(|(id, row)| (row.write, *id))
            .collect();
        changed.sort_unstable();
        changed.truncate(PAGE);
        match changed.last() {
            Some((write, _)) => page.cursor.after = *write,
            None => page.wait = Duration::from_millis(300),
        }
        page.rows = changed.into_iter().map(|(_, id)| inner.rows[&id].found(id)).collect();
    }

    fn sweep_on(&self, page: &mut Page<Cursor>) {
        let Some(mut sweep) = page.cursor.sweep.take() else { return };
        let inner = self.table.lock();
        let there = inner.rows.range(..sweep.below).rev().filter(|(_, row)| !row.hidden);
        let ids: Vec<u64> = there.take(PAGE).map(|(id, _)| *id).collect();
        sweep.present.extend(ids.iter().map(u64::to_string));
        match ids.last() {
            Some(lowest) if ids.len() == PAGE => {
                sweep.below = *lowest;
                page.cursor.sweep = Some(sweep);
            }
            _ => page.sweep.push(Sweep { kind: "row", present: sweep.present, began: sweep.began }),
        }
    }
}
