//! Which run on real processes is to notice which mutant, and by what.
//!
//! The simulation's schedules and the services' own tests notice every one of them (`scripts/test mutants`); what is here shows
//! that the checker over real histories does, too.

use backbone::mutant::Mutant;

/// A run that is to notice a mutant.
#[derive(Clone, Copy, Debug)]
pub struct Hunt {
    /// The scenario.
    pub scenario: &'static str,
    /// Seeds, tried in turn until one notices.
    pub seeds: &'static [u64],
    /// What tells that it was noticed: an invariant that is violated, or what a run says that comes to no verdict. One of them is
    /// enough; a run that fails otherwise has noticed nothing.
    pub by: &'static [&'static str],
}

const FIRST: &[u64] = &[1];

/// The run for a mutant.
///
/// # Errors
/// Why there is none, and only the simulation has it.
pub const fn hunt(mutant: Mutant) -> Result<Hunt, &'static str> {
    let (scenario, seeds, by): (_, _, &[&str]) = match mutant {
        Mutant::OutboxOutOfOrder => ("F1", FIRST, &["I3", "I6", "I9"]),
        Mutant::DedupeByTime => ("F1", FIRST, &["I7", "I9"]),
        Mutant::DedupeForgotten => ("F1", FIRST, &["I7"]),
        Mutant::IdOnHeaderOnly => ("F1", FIRST, &["I4"]),
        Mutant::MoneyThroughFloat => ("F1", FIRST, &["I1", "I4"]),
        Mutant::AckBeforeDurable | Mutant::ResendNotLanded => ("F6", FIRST, &["I1"]),
        Mutant::ProducerReused => ("F6", FIRST, &["I11"]),
        Mutant::RelayWithoutFence | Mutant::RowsBeforeFence => ("F4", &[1, 2, 3], &["I3", "I6"]),
        Mutant::OffsetBeforeEffect => ("F3", FIRST, &["I1", "I4"]),
        Mutant::NoOverlap => ("F14", FIRST, &["the topics say what odoo has"]),
        Mutant::LedgerNotCompared => ("F10", FIRST, &["ledger"]),
        // With this seed the ledger is exchanged under services that go on with their leases. The journal's key refuses what they
        // write then, and they come no further.
        Mutant::FenceWithoutSequence => ("F10", &[2], &["I11"]),
        Mutant::DeadlineNotPutOff | Mutant::MomentNotKept | Mutant::RecordsByTime => {
            ("F10", &[1, 3, 2], &["I1", "I7", "I9"])
        }
        Mutant::RedriveTwice => ("F12", FIRST, &["are still parked"]),
        Mutant::CursorBeforeOutbox => ("F12", FIRST, &["I8"]),
        Mutant::OutboxByCursor => ("F5", &[1, 2, 3], &["I11"]),
        Mutant::SuccessorNotParked => ("F12", FIRST, &["what follows it waits behind it"]),
        Mutant::DiscardWithoutTrace => ("F12", FIRST, &["I8"]),
        Mutant::TombstoneSkipped => ("F13", FIRST, &["I3"]),
        Mutant::EffectWithoutFence => ("F5", &[1, 2, 3], &["I5", "I11"]),
        Mutant::SweepWithoutMark => {
            return Err("a sweep of today's sources is one page, and nothing is made known while it is read");
        }
    };
    Ok(Hunt { scenario, seeds, by })
}
