//! Every mutant of the runtime is noticed by some schedule: what the schedules hold is shown by what they do not.

use super::scenario::Scenario;
use super::shrink::failure;
use super::sources;
use crate::mutant::{Mutant, plant};

/// Schedules by what they are about.
type Schedules = (&'static str, fn(u64) -> Result<(), String>);

const SERVICE: Schedules = ("a service", |seed| Scenario::play(seed).map(drop));
const RESTORED: Schedules = ("a ledger restored", |seed| Scenario::play_restored(seed).map(drop));
const BACKLOG: Schedules = ("a backlog folded again", |seed| match Scenario::play_backlog(seed)? {
    (orders, 0) if orders == [3] => Ok(()),
    otherwise => Err(format!("orders and parked inputs are {otherwise:?}")),
});
const LATE: Schedules = ("records come late folded again", |seed| match Scenario::play_late(seed)? {
    (orders, 0) if orders == [1, 3] => Ok(()),
    otherwise => Err(format!("orders and parked inputs are {otherwise:?}")),
});
const CROSSED: Schedules = ("topics read in another order", |seed| match Scenario::play_crossed(seed)? {
    (orders, 0) if orders == [2, 3] => Ok(()),
    otherwise => Err(format!("orders and parked inputs are {otherwise:?}")),
});
const UNDER: Schedules = ("a ledger restored under a service", Scenario::play_under);
const STALLED: Schedules = ("a relay that stands still", Scenario::play_stalled);
const UNSENT: Schedules = ("a relay that fails before it has sent its rows", Scenario::play_unsent);
const SOURCES: Schedules = ("a source", |seed| sources::Scenario::play(seed).map(drop));

/// The schedules that are to notice a mutant; none where a service's own rule is broken, which `scripts/test mutants` looks after.
fn killers(mutant: Mutant) -> Option<Schedules> {
    Some(match mutant {
        Mutant::AckBeforeDurable
        | Mutant::ResendNotLanded
        | Mutant::IdOnHeaderOnly
        | Mutant::NoOverlap
        | Mutant::MoneyThroughFloat => return None,
        Mutant::CursorBeforeOutbox | Mutant::SweepWithoutMark | Mutant::TombstoneSkipped => SOURCES,
        Mutant::LedgerNotCompared => RESTORED,
        Mutant::RowsBeforeFence => STALLED,
        Mutant::ProducerReused => UNSENT,
        Mutant::FenceWithoutSequence => UNDER,
        Mutant::DeadlineNotPutOff => BACKLOG,
        Mutant::MomentNotKept => LATE,
        Mutant::RecordsByTime => CROSSED,
        _ => SERVICE,
    })
}

/// The first seed that notices, and what; one that is not well without the mutant does not count.
fn killed(mutant: Mutant, play: fn(u64) -> Result<(), String>, seeds: u64) -> Option<(u64, String)> {
    let notices = |seed: u64| failure(seed, &play);
    (0..seeds).find_map(|seed| {
        plant(Some(mutant));
        let noticed = notices(seed);
        plant(None);
        noticed.filter(|_| notices(seed).is_none()).map(|what| (seed, what))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{quietly, seeds};
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Mutex, PoisonError};

    #[test]
    fn every_mutant_is_killed() {
        let most = seeds(2_000).count() as u64;
        let runtime: Vec<(Mutant, Schedules)> =
            Mutant::ALL.iter().filter_map(|mutant| Some((*mutant, killers(*mutant)?))).collect();
        let (next, survivors) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let hunt = || {
            while let Some((mutant, (of, play))) = runtime.get(next.fetch_add(1, Ordering::Relaxed)) {
                let name = mutant.name();
                match killed(*mutant, *play, most) {
                    Some((seed, what)) => {
                        let what: String =
                            what.lines().next().unwrap_or_default().chars().take(100).collect();
                        println!("mutant {name}: killed, {of}, seed {seed}: {what}");
                    }
                    None => {
                        println!("mutant {name}: SURVIVED {most} schedules, {of}");
                        survivors.lock().unwrap_or_else(PoisonError::into_inner).push(name);
                    }
                }
            }
        };
        quietly(|| std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(hunt)))));
        let survivors = survivors.into_inner().unwrap_or_else(PoisonError::into_inner);
        let planted = runtime.len();
        let others = Mutant::ALL.iter().filter(|mutant| killers(**mutant).is_none());
        println!("mutants of services: {}", others.map(|mutant| mutant.name()).collect::<Vec<_>>().join(" "));
        println!("mutants of the runtime: {} killed / {planted} planted", planted - survivors.len());
        assert!(survivors.is_empty(), "nobody noticed {survivors:?}");
    }
}
