//! Whether a ledger knows everything that was published from it: asked before anything is done on its word.
//!
//! Consumes the marks that the relay leaves at the broker, in the very transactions that it publishes in: how far each
//! lane of the ledger had come. A ledger whose lane has not come as far went back in time. It would give used versions to other facts, and readers would drop those in silence; so whoever asks lets go
//! of the lane, says what is to be done, and publishes nothing.

use crate::edge::{BrokerError, Witness};
use crate::env::Watch;
use crate::mutant::{self, Mutant};
use crate::record::Marks;
use crate::recover::BEHIND;
use crate::store::{Fence, Store, StoreError};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Mutex;

/// A ledger that went back in time: lanes that had come further than it knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// By processor and number: how far the ledger has come, and how far it had when it was published from last.
    pub lanes: Vec<((String, i32), (i64, i64))>,
}

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(BEHIND)?;
        let mut lead = ": ";
        for ((processor, lane), (known, published)) in &self.lanes {
            write!(f, "{lead}{processor} {lane} is at {known} and was at {published}")?;
            lead = ", ";
        }
        Ok(())
    }
}

impl std::error::Error for Behind {}

/// Why it is not known that the ledger can be relied on.
#[derive(Debug)]
pub(crate) enum Doubt {
    Store(StoreError),
    Broker(BrokerError),
    Behind(Behind),
}

/// Asked before a lane begins and before the relay reads a row.
pub(crate) trait Guard: Send + Sync {
    /// Compares the ledger with what the broker keeps of it.
    fn check(&self) -> BoxFuture<'_, Result<(), Doubt>>;
}

/// Relies on the ledger: where there is no broker.
pub(crate) struct Unguarded;

impl Guard for Unguarded {
    fn check(&self) -> BoxFuture<'_, Result<(), Doubt>> {
        futures::future::ready(Ok(())).boxed()
    }
}

/// The guard of one process. Whoever asks while it is comparing waits for the next answer, and shares it.
pub(crate) struct Comparing<S, W> {
    store: S,
    witness: Arc<W>,
    begun: AtomicU64,
    /// Which comparison was the last one to find nothing wrong.
    passed: Mutex<u64>,
}

impl<S: Store, W: Witness> Comparing<S, W> {
    pub(crate) fn new(store: S, witness: Arc<W>) -> Self {
        Self { store, witness, begun: AtomicU64::new(0), passed: Mutex::new(0) }
    }

    async fn compare(&self) -> Result<(), Doubt> {
        let published = self.witness.marks().await.map_err(Doubt::Broker)?;
        // Read after the marks, so that what is published meanwhile is no difference.
        let known = self.store.reached().await.map_err(Doubt::Store)?;
        let compared = compare(&known, &published);
        if mutant::is(Mutant::LedgerNotCompared) { Ok(()) } else { compared.map_err(Doubt::Behind) }
    }
}

impl<S: Store, W: Witness> Guard for Comparing<S, W> {
    fn check(&self) -> BoxFuture<'_, Result<(), Doubt>> {
        async move {
            let asked = self.begun.load(Ordering::SeqCst);
            let mut passed = self.passed.lock().await;
            if *passed > asked {
                return Ok(());
            }
            let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
            self.compare().await?;
            *passed = number;
            Ok(())
        }
        .boxed()
    }
}

/// The lanes that had come further than the ledger knows. A lane that it does not know has come nowhere.
pub(crate) fn compare(known: &Marks, published: &Marks) -> Result<(), Behind> {
    let reached = |lane: &(String, i32)| known.get(lane).copied().unwrap_or(0);
    let behind = published.iter().filter(|(lane, seq)| reached(lane) < **seq);
    let lanes: Vec<_> = behind.map(|(lane, seq)| (lane.clone(), (reached(lane), *seq))).collect();
    if lanes.is_empty() { Ok(()) } else { Err(Behind { lanes }) }
}

/// Stops a lane whose ledger went back, until a person has recovered it.
pub(crate) async fn stop<S: Store>(store: &S, watch: &dyn Watch, fence: &Fence) -> Result<(), StoreError> {
    watch.stopped(fence.lane, true);
    store.stop_lane(fence, BEHIND).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(marks: &[(&str, i32, i64)]) -> Marks {
        marks.iter().map(|(processor, lane, seq)| (((*processor).to_owned(), *lane), *seq)).collect()
    }

    #[track_caller]
    fn check(known: &[(&str, i32, i64)], published: &[(&str, i32, i64)], behind: &[(&str, i32)]) {
        let found = compare(&marks(known), &marks(published)).err();
        let lanes = found.map(|found| found.lanes).unwrap_or_default();
        let lanes: Vec<(&str, i32)> =
            lanes.iter().map(|((processor, lane), _)| (processor.as_str(), *lane)).collect();
        assert_eq!(lanes, behind);
    }

    #[test]
    fn a_lane_is_behind_when_it_had_come_further_than_the_ledger_knows() {
        check(&[("a", 0, 7), ("a", 1, 3)], &[("a", 0, 7), ("a", 1, 4)], &[("a", 1)]);
        check(&[("a", 0, 7)], &[("a", 0, 6)], &[]);
        check(&[("a", 0, 7)], &[], &[]);
    }

    #[test]
    fn a_ledger_made_anew_is_behind() {
        check(&[], &[("a", 0, 1), ("b", 2, 5)], &[("a", 0), ("b", 2)]);
    }
}
