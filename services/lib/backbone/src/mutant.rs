//! Mutants: rules that are broken one at a time, to show that the tests of these rules notice.
//!
//! Each is a rule that was bought with a failure; `make test-mutants` shows that every one is noticed. They exist in tests, and in
//! programs that are built with the feature `fault-points`: there, one environment variable, [`VARIABLE`], names the one that
//! is planted. In every other build [`is`] is false, and the compiler leaves them out.

/// Where the mutant of a process is told.
pub const VARIABLE: &str = "VERTEBRA_TEST_MUTANT";

/// Declares the mutants with their names.
macro_rules! mutants {
    ($($(#[$what:meta])+ $mutant:ident = $name:literal,)+) => {
        /// A rule that is broken.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mutant { $($(#[$what])+ $mutant,)+ }

        impl Mutant {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$mutant,)+];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$mutant => $name,)+ }
            }
        }
    };
}

mutants! {
    /// A sink's lane moves past commands before they have taken effect.
    OffsetBeforeEffect = "offset-before-effect",
    /// A lane's batch is written whoever owns the lane now.
    EffectWithoutFence = "effect-without-fence",
    /// A lane's owner writes whatever it has written meanwhile: the epoch is looked at, the sequence is not.
    FenceWithoutSequence = "fence-without-sequence",
    /// A relay goes on with the producer whose transaction was not confirmed.
    ProducerReused = "producer-reused",
    /// A relay reads what is numbered after what it published last.
    OutboxByCursor = "outbox-by-cursor",
    /// A relay reads rows before it takes the fence, and does not look again whether the shard is still its own.
    RowsBeforeFence = "rows-before-fence",
    /// A relay publishes the last row first.
    OutboxOutOfOrder = "outbox-out-of-order",
    /// An input is a repetition when it has the time of the one before, whatever its version.
    DedupeByTime = "dedupe-by-time",
    /// A state forgets what it has met as soon as a deadline fired.
    DedupeForgotten = "dedupe-forgotten",
    /// An input whose key has a parked one is folded all the same.
    SuccessorNotParked = "successor-not-parked",
    /// What was tried again with success stays parked.
    RedriveTwice = "redrive-twice",
    /// What a person gave up is deleted, and nothing is kept of it.
    DiscardWithoutTrace = "discard-without-trace",
    /// Relays of one shard are not fenced off by each other at the broker.
    RelayWithoutFence = "relay-without-fence",
    /// A sweep withdraws what it did not find, though it was made known after the sweep began.
    SweepWithoutMark = "sweep-without-mark",
    /// A source's cursor is kept before what it read.
    CursorBeforeOutbox = "cursor-before-outbox",
    /// What is withdrawn from a compacted topic gets no tombstone.
    TombstoneSkipped = "tombstone-skipped",
    /// A ledger is not compared with what was published from it.
    LedgerNotCompared = "ledger-not-compared",
    /// A message is accepted before it is durable.
    AckBeforeDurable = "ack-before-durable",
    /// A message that came before is accepted and not landed, whatever became of it the first time.
    ResendNotLanded = "resend-not-landed",
    /// An invoice's external id is the same at every try, those of its lines are not.
    IdOnHeaderOnly = "id-on-header-only",
    /// Odoo is asked for what changed since the last answer, and for nothing before it.
    NoOverlap = "no-overlap",
    /// Money goes through a binary float.
    MoneyThroughFloat = "money-through-float",
    /// When records are read again, nothing is given at the moments at which it was given before.
    MomentNotKept = "moment-not-kept",
    /// Records are read again by their times alone, beyond the moment at which something was given.
    RecordsByTime = "records-by-time",
    /// When records are read again, a deadline gives a command before the moment at which it was given.
    DeadlineNotPutOff = "deadline-not-put-off",
}

/// Whether this one is planted.
#[cfg(not(any(test, feature = "fault-points")))]
#[inline]
pub const fn is(_: Mutant) -> bool {
    false
}

/// A name that nothing else has, for a mutant that needs one.
pub fn fresh() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Whether this was met before by this process, for a mutant that goes by it; from now on it was.
#[cfg(not(any(test, feature = "fault-points")))]
#[inline]
pub const fn was_met(_: uuid::Uuid) -> bool {
    false
}

#[cfg(any(test, feature = "fault-points"))]
pub use planted::{is, plant, was_met};

#[cfg(any(test, feature = "fault-points"))]
mod planted {
    use super::{Mutant, VARIABLE};
    use std::cell::Cell;
    use std::collections::BTreeSet;
    use std::sync::{Mutex, OnceLock, PoisonError};
    use uuid::Uuid;

    thread_local! {
        static HERE: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Whether this one is planted.
    ///
    /// # Panics
    /// When the environment names one that there is not: a test that plants nothing would show nothing.
    pub fn is(mutant: Mutant) -> bool {
        HERE.get() == Some(mutant) || of_process() == Some(mutant)
    }

    /// Plants one for what runs on this thread, or none.
    pub fn plant(mutant: Option<Mutant>) {
        HERE.set(mutant);
    }

    /// Whether this was met before by this process, for a mutant that goes by it; from now on it was.
    pub fn was_met(what: Uuid) -> bool {
        static MET: Mutex<BTreeSet<Uuid>> = Mutex::new(BTreeSet::new());
        !MET.lock().unwrap_or_else(PoisonError::into_inner).insert(what)
    }

    fn of_process() -> Option<Mutant> {
        static OF_PROCESS: OnceLock<Option<Mutant>> = OnceLock::new();
        *OF_PROCESS.get_or_init(|| {
            #[expect(clippy::disallowed_methods, reason = "a test's switch, not configuration")]
            let name = std::env::var(VARIABLE).ok().filter(|name| !name.is_empty())?;
            let found = Mutant::ALL.iter().find(|mutant| mutant.name() == name);
            let all = || Mutant::ALL.iter().map(|mutant| mutant.name()).collect::<Vec<_>>().join(", ");
            Some(*found.unwrap_or_else(|| panic!("{VARIABLE} is {name}, and there are: {}", all())))
        })
    }
}
