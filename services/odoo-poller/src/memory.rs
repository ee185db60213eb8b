//! What one process remembers of a model's rows, to tell a late one from one that is known: pure.
//!
//! Nothing rests on it but counting and sparing work: the cursor and the ledger are what is true. A process that has just
//! begun, or that finds the cursor where it did not leave it, remembers nothing, and its next sweep reads every row anew.

use crate::follow::Cursor;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// A row as it was seen: when it was written, and what it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen<R> {
    pub(crate) written_at: Option<Timestamp>,
    pub(crate) root: R,
}

#[derive(Debug)]
pub(crate) struct Memory<R> {
    /// The cursor that was handed back last.
    left: Option<Cursor>,
    seen: BTreeMap<i64, Seen<R>>,
    /// Whether a sweep has seen all rows: what is not known after that came late.
    is_whole: bool,
    /// To be read again, whatever the windows say.
    again: BTreeSet<R>,
}

/// What a sweep found out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Rows that no window brought and none will bring.
    pub(crate) late: usize,
}

impl<R> Default for Memory<R> {
    fn default() -> Self {
        Self { left: None, seen: BTreeMap::new(), is_whole: false, again: BTreeSet::new() }
    }
}

impl<R: Ord + Clone> Memory<R> {
    /// Goes on from a cursor; forgets everything when it is not the one that was left. Answers whether it was.
    pub(crate) fn take_up(&mut self, cursor: &Cursor) -> bool {
        let goes_on = self.left.as_ref() == Some(cursor);
        if !goes_on {
            *self = Self::default();
        }
        goes_on
    }

    pub(crate) fn leave(&mut self, cursor: &Cursor) {
        self.left = Some(cursor.clone());
    }

    /// A row of a window; whether this state of it was not seen before.
    pub(crate) fn see(&mut self, id: i64, seen: Seen<R>) -> bool {
        match self.seen.get(&id) {
            Some(before) if *before == seen => false,
            _ => {
                self.seen.insert(id, seen);
                true
            }
        }
    }

    /// All rows that there are. What is not as it was seen, and not young enough for the next window, is read again.
    pub(crate) fn sweep(
        &mut self,
        mut rows: BTreeMap<i64, Seen<R>>,
        window_from: Option<Timestamp>,
    ) -> Found {
        let mut found = Found::default();
        let is_for_a_window =
            |seen: &Seen<R>| seen.written_at.is_some_and(|at| window_from.is_none_or(|from| at >= from));
        let present: BTreeSet<&R> = rows.values().map(|seen| &seen.root).collect();
        for (id, seen) in &rows {
            if self.seen.get(id) != Some(seen) && !is_for_a_window(seen) {
                found.late += usize::from(self.is_whole);
                self.again.insert(seen.root.clone());
            }
        }
        // Of a root with several rows, one may be gone and the others unchanged.
        let gone =
            self.seen.iter().filter(|(id, seen)| !rows.contains_key(id) && present.contains(&seen.root));
        let gone: Vec<R> = gone.map(|(_, seen)| seen.root.clone()).collect();
        self.again.extend(gone);
        // What a window will bring is still to be seen.
        rows.retain(|id, seen| self.seen.get(id) == Some(seen) || !is_for_a_window(seen));
        (self.seen, self.is_whole) = (rows, true);
        found
    }

    pub(crate) fn read_again(&mut self, roots: impl IntoIterator<Item = R>) {
        self.again.extend(roots);
    }

    /// So many of what is to be read again.
    pub(crate) fn some_again(&self, most: usize) -> BTreeSet<R> {
        self.again.iter().take(most).cloned().collect()
    }

    pub(crate) fn was_read(&mut self, roots: &BTreeSet<R>) {
        self.again.retain(|root| !roots.contains(root));
    }

    pub(crate) fn has_again(&self) -> bool {
        !self.again.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: i64 = 1_000;

    fn at(second: i64) -> Option<Timestamp> {
        Timestamp::from_second(second).ok()
    }

    fn rows(rows: &[(i64, i64, i64)]) -> BTreeMap<i64, Seen<i64>> {
        rows.iter().map(|(id, written, root)| (*id, Seen { written_at: at(*written), root: *root })).collect()
    }

    /// What was seen in windows before a first sweep of the same; what a second sweep finds; how many are late, and which
    /// roots are read again.
    #[track_caller]
    fn check(before: &[(i64, i64, i64)], after: &[(i64, i64, i64)], late: usize, again: &[i64]) {
        let mut memory = Memory::default();
        memory.sweep(rows(before), at(FROM));
        let all = memory.some_again(usize::MAX);
        memory.was_read(&all);
        assert_eq!(memory.sweep(rows(after), at(FROM)), Found { late });
        assert_eq!(memory.some_again(usize::MAX).into_iter().collect::<Vec<_>>(), again);
    }

    #[test]
    fn a_row_that_no_window_brings_is_late_and_read_again() {
        check(&[(1, 10, 1)], &[(1, 10, 1)], 0, &[]);
        check(&[(1, 10, 1)], &[(1, 10, 1), (2, 20, 2)], 1, &[2]);
        check(&[(1, 10, 1)], &[(1, 999, 1)], 1, &[1]);
        check(&[(1, 10, 1)], &[(1, 1_000, 1), (2, 1_001, 2)], 0, &[]);
    }

    #[test]
    fn a_row_that_is_gone_has_its_root_read_again_while_that_is_there() {
        check(&[(1, 10, 7), (2, 10, 7), (3, 10, 8)], &[(1, 10, 7)], 0, &[7]);
    }

    #[test]
    fn after_a_start_everything_is_read_again_and_nothing_called_late() {
        let mut memory = Memory::default();
        assert_eq!(memory.sweep(rows(&[(1, 10, 1), (2, 20, 2)]), at(FROM)), Found::default());
        assert_eq!(memory.some_again(1), BTreeSet::from([1]));
        memory.was_read(&BTreeSet::from([1]));
        assert_eq!(memory.some_again(9).into_iter().collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_cursor_that_was_left_elsewhere_is_taken_up_without_memory() {
        let mut memory = Memory::<i64>::default();
        let cursor = Cursor::default();
        assert!(!memory.take_up(&cursor));
        memory.leave(&cursor);
        assert!(memory.see(1, Seen { written_at: at(1), root: 1 }));
        assert!(memory.take_up(&cursor));
        assert!(!memory.see(1, Seen { written_at: at(1), root: 1 }));
        assert!(!memory.take_up(&Cursor { turn: 1, ..Cursor::default() }));
        assert!(memory.see(1, Seen { written_at: at(1), root: 1 }));
    }
}
