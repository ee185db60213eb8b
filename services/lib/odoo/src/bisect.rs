//! Which records of a refused batch are the bad ones: halve it until single records are blamed.
//!
//! Odoo refuses a batch whole, and its messages do not blame reliably (a database error names the first record). So only
//! a batch of one is called bad. The decision is here, without a network; [`Client`](crate::Client) asks the questions.

use crate::error::Refusal;
use crate::load::LoadMessage;
use std::ops::Range;

/// What became of one record of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadOutcome {
    /// It exists, under this id.
    Loaded(i64),
    /// Odoo does not take it, and it was alone in the call.
    Rejected(Rejection),
    /// Another transaction was in the way: the same record again later.
    Retry,
}

/// Why Odoo does not take a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// `load` said so.
    Messages(Vec<LoadMessage>),
    /// The call was refused.
    Refusal(Refusal),
}

/// What one question gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing was kept; another transaction was in the way.
    Contended,
    /// All were taken, with these ids.
    Loaded(Vec<i64>),
    /// Nothing was kept.
    Rejected(Rejection),
}

/// A bisection under way: ask for the range [`Bisect::next`] names, tell the [`Verdict`], until there is none.
/// Earlier records are asked for before later ones.
#[derive(Debug)]
pub(crate) struct Bisect {
    /// Ranges not yet decided, the first on top.
    open: Vec<Range<usize>>,
    outcomes: Vec<LoadOutcome>,
}

impl Bisect {
    /// Of so many records.
    pub(crate) fn new(records: usize) -> Self {
        // Undecided is Retry, so that a record can never be taken for done.
        let open = Vec::from_iter((records > 0).then_some(0..records));
        Self { open, outcomes: vec![LoadOutcome::Retry; records] }
    }

    /// The records to load in the next call.
    pub(crate) fn next_range(&self) -> Option<Range<usize>> {
        self.open.last().cloned()
    }

    /// What that call gave.
    pub(crate) fn tell(&mut self, verdict: Verdict) {
        let Some(range) = self.open.pop() else { return };
        match verdict {
            Verdict::Contended => {}
            Verdict::Loaded(ids) => {
                for (outcome, id) in self.outcomes[range].iter_mut().zip(ids) {
                    *outcome = LoadOutcome::Loaded(id);
                }
            }
            Verdict::Rejected(why) if range.len() == 1 => {
                self.outcomes[range.start] = LoadOutcome::Rejected(why)
            }
            Verdict::Rejected(_) => {
                let middle = range.start + range.len() / 2;
                self.open.push(middle..range.end);
                self.open.push(range.start..middle);
            }
        }
    }

    /// One outcome per record, in their order.
    pub(crate) fn into_outcomes(self) -> Vec<LoadOutcome> {
        self.outcomes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection() -> Rejection {
        Rejection::Messages(vec![])
    }

    /// Plays Odoo: a letter a record; `b`ad ones spoil a call, `c`ontended ones hold it up.
    fn play(records: &str) -> (String, usize) {
        let records = records.as_bytes();
        let (mut bisect, mut calls, mut order) = (Bisect::new(records.len()), 0, vec![]);
        while let Some(range) = bisect.next_range() {
            calls += 1;
            let batch = &records[range.clone()];
            bisect.tell(match (batch.contains(&b'c'), batch.contains(&b'b')) {
                (true, _) => Verdict::Contended,
                (_, true) => Verdict::Rejected(rejection()),
                _ => {
                    order.extend(range.clone());
                    Verdict::Loaded(range.map(|index| i64::try_from(index).unwrap()).collect())
                }
            });
        }
        assert!(order.is_sorted(), "loaded in another order: {order:?}");
        let letter = |(index, outcome)| match outcome {
            LoadOutcome::Loaded(id) => {
                assert_eq!(usize::try_from(id).unwrap(), index);
                'g'
            }
            LoadOutcome::Rejected(_) => 'b',
            LoadOutcome::Retry => 'c',
        };
        (bisect.into_outcomes().into_iter().enumerate().map(letter).collect(), calls)
    }

    #[track_caller]
    fn check(records: &str, outcomes: &str, calls: usize) {
        assert_eq!(play(records), (outcomes.to_owned(), calls));
    }

    #[test]
    fn nothing_to_load_asks_nothing() {
        check("", "", 0);
    }

    #[test]
    fn a_good_batch_is_one_call() {
        check("gggggggg", "gggggggg", 1);
    }

    #[test]
    fn only_a_batch_of_one_is_called_bad() {
        check("b", "b", 1);
        check("ggggbggg", "ggggbggg", 7);
        check("bbbb", "bbbb", 7);
        check("gbg", "gbg", 5);
    }

    #[test]
    fn a_contended_batch_is_left_for_later_whole() {
        check("gcg", "ccc", 1);
        check("gcgb", "cccc", 1);
        check("bg", "bg", 3);
    }

    #[test]
    fn every_pattern_blames_exactly_the_bad_ones() {
        for pattern in 0..1_u32 << 10 {
            let records: String =
                (0..10).map(|bit| if pattern >> bit & 1 == 1 { 'b' } else { 'g' }).collect();
            assert_eq!(play(&records).0, records);
        }
    }
}
