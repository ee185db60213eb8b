//! A failing schedule made short: of what befell it by chance, only as much is left as it takes to fail.
//!
//! A chance is whatever is drawn about once in so many times: a crash, a lost answer, a record that comes twice. A schedule whose
//! chances are spared in part is another schedule, and as fixed as the first.

use canon::time::Timestamp;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A chance that befell a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chance {
    /// Which of the schedule's, the spared ones counted.
    number: u64,
    /// When, in the simulated world.
    at: Timestamp,
    /// What it was, or where it was drawn.
    what: String,
}

/// What a schedule came to when some of its chances were spared.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Failure {
    what: String,
    befell: Vec<Chance>,
}

/// A schedule that fails, and little besides.
#[derive(Clone, Debug)]
pub(super) struct Short {
    seed: u64,
    /// How many chances befell it in the beginning.
    whole: usize,
    failure: Failure,
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, whole, failure: Failure { what, befell } } = self;
        writeln!(f, "SIM_SEED={seed} fails by {} of {whole} chances:", befell.len())?;
        let seconds = |at: Timestamp| (at.0 / 1_000_000, at.0 % 1_000_000);
        for Chance { at, what, .. } in befell {
            let (whole, micros) = seconds(*at);
            writeln!(f, "  {whole:>5}.{micros:06} s  {what}")?;
        }
        write!(f, "{what}")
    }
}

/// The chances of the schedule that is played on this thread.
#[derive(Default)]
struct Ledger {
    spared: BTreeSet<u64>,
    drawn: u64,
    befell: Vec<Chance>,
}

thread_local! {
    static LEDGER: RefCell<Option<Ledger>> = const { RefCell::new(None) };
}

/// Whether a chance that was drawn befalls the schedule: always, but where it is being made short.
pub(super) fn befalls(at: Timestamp, what: impl FnOnce() -> String) -> bool {
    LEDGER.with_borrow_mut(|ledger| {
        let Some(ledger) = ledger else { return true };
        let number = ledger.drawn;
        ledger.drawn += 1;
        let befalls = !ledger.spared.contains(&number);
        if befalls {
            ledger.befell.push(Chance { number, at, what: what() });
        }
        befalls
    })
}

/// How a schedule fails, where it does; a panic is a failure.
pub(super) fn failure(seed: u64, play: &dyn Fn(u64) -> Result<(), String>) -> Option<String> {
    match catch_unwind(AssertUnwindSafe(|| play(seed))) {
        Ok(held) => held.err(),
        Err(_) => Some("it panicked".to_owned()),
    }
}

fn sparing(spared: &BTreeSet<u64>, seed: u64, play: &dyn Fn(u64) -> Result<(), String>) -> Option<Failure> {
    LEDGER.set(Some(Ledger { spared: spared.clone(), ..Ledger::default() }));
    let failed = failure(seed, play);
    let befell = LEDGER.take().map(|ledger| ledger.befell).unwrap_or_default();
    failed.map(|what| Failure { what, befell })
}

/// Makes a failing schedule short, in so many plays at most; nothing when it does not fail.
pub(super) fn shorten(seed: u64, play: &dyn Fn(u64) -> Result<(), String>, plays: usize) -> Option<Short> {
    let mut spared = BTreeSet::new();
    let mut failure = sparing(&spared, seed, play)?;
    let whole = failure.befell.len();
    let (mut size, mut left) = (whole.div_ceil(2), plays);
    while size > 0 {
        let mut is_shorter = false;
        let mut end = failure.befell.len();
        // From the last on: before what is spared, nothing changes.
        while end > 0 && left > 0 {
            left -= 1;
            let from = end.saturating_sub(size);
            let mut more = spared.clone();
            more.extend(failure.befell[from..end].iter().map(|chance| chance.number));
            match sparing(&more, seed, play) {
                Some(shorter) if shorter.befell.len() < failure.befell.len() => {
                    (spared, failure, is_shorter) = (more, shorter, true);
                    end = from.min(failure.befell.len());
                }
                _ => end = from,
            }
        }
        size = match (left, is_shorter && size == 1) {
            (0, _) => 0,
            (_, true) => 1,
            _ => size / 2,
        };
    }
    Some(Short { seed, whole, failure })
}

#[cfg(test)]
mod tests {
    use super::super::scenario::Scenario;
    use super::super::tests::quietly;
    use super::*;
    use crate::mutant::{Mutant, plant};

    /// A schedule that fails with a mutant comes down to little, and to the same each time.
    #[track_caller]
    fn check(mutant: Mutant) {
        let planted = |seed| {
            plant(Some(mutant));
            let held = catch_unwind(AssertUnwindSafe(|| Scenario::play(seed).map(drop)));
            plant(None);
            held.unwrap_or_else(|_| Err("it panicked".to_owned()))
        };
        let seed = (0..2_000).find(|seed| planted(*seed).is_err()).expect("a schedule that notices");
        let short = shorten(seed, &planted, 150).expect("it fails");
        println!("{}: {short}", mutant.name());
        let Short { whole, failure, .. } = &short;
        assert!(failure.befell.len() * 3 <= *whole, "{short}");
        let again = shorten(seed, &planted, 150).expect("it fails");
        assert_eq!(again.failure, *failure);
    }

    #[test]
    fn what_fails_comes_down_to_the_few_chances_that_it_takes() {
        quietly(|| [Mutant::SuccessorNotParked, Mutant::OffsetBeforeEffect].into_iter().for_each(check));
    }

    #[test]
    fn what_holds_is_not_made_short() {
        assert!(shorten(1, &|seed| Scenario::play(seed).map(drop), 9).is_none());
    }
}
