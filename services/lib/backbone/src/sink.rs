//! What an author of a sink writes: an effect for a batch of commands, one outcome each.
//!
//! The runtime owes order per key, concurrency across keys, and an effect ledger that is consulted before the world
//! is. An effect may still be tried twice (a crash between it and the ledger's commit), so it must be create-only on
//! the receiver's side.

use crate::fact::Fact;
use crate::reject::{Reason, Reject};
use canon::event::Event;

/// Carries commands out.
pub trait Sink: Send + Sync + 'static {
    /// The sink's name: of its lanes and its lag; fixed for life.
    const NAME: &'static str;
    /// The command it carries out.
    type Command: Event;

    /// Carries out commands of different keys, in any order, and answers one outcome for each, in theirs.
    fn effect(&self, commands: &[Fact<Self::Command>]) -> impl Future<Output = Vec<Outcome>> + Send;
}

/// What became of one command.
#[derive(Debug)]
pub enum Outcome {
    /// It took effect, now or at an earlier try.
    Applied {
        /// Their identity for it.
        their_id: Option<String>,
    },
    /// The receiver cannot take it now: tried again in place, order kept. Never a dead letter.
    Retry(Unavailable),
    /// It never will: parked, and later commands of its key behind it.
    Reject(Reject),
}

/// The receiver of an effect, or the world that a source asks, cannot be used now.
#[derive(Debug, thiserror::Error)]
#[error("the other side cannot be used now")]
pub struct Unavailable {
    /// What it, or the connection to it, said.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Outcome {
    /// Refused as bad data.
    pub fn refused(detail: impl std::fmt::Display) -> Self {
        Self::Reject(Reject::new(Reason::Refused, detail))
    }

    /// The receiver shows something else than what was written, because somebody changed it.
    pub fn diverged(detail: impl std::fmt::Display) -> Self {
        Self::Reject(Reject::new(Reason::Diverged, detail))
    }

    /// To be tried again.
    pub fn retry(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Retry(Unavailable { source: Some(Box::new(source)) })
    }
}
