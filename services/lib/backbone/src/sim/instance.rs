//! What all parts of one simulated instance share: its lease, its bell, its guard, and the way to ledger and broker.

use super::broker::SimBroker;
use super::{Sim, Task, sample};
use crate::env::Unwatched;
use crate::guard::Guard;
use crate::lane::{Limits, Parts};
use crate::memory::MemoryStore;
use crate::relay::{Relay, RelayLimits};
use crate::table::Shelf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, RwLock};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(super) const LEASE: Duration = Duration::from_secs(10);

pub(super) struct Instance {
    pub(super) id: Uuid,
    pub(super) guard: Arc<dyn Guard>,
    pub(super) bell: Arc<Notify>,
    sim: Sim,
    store: MemoryStore<Sim>,
    broker: SimBroker,
    alone: Arc<RwLock<()>>,
    shelf: Arc<Shelf>,
}

impl Instance {
    pub(super) fn new(
        sim: &Sim,
        store: &MemoryStore<Sim>,
        broker: &SimBroker,
        guard: Arc<dyn Guard>,
    ) -> Self {
        Self {
            id: Uuid::from_u128(u128::from(sim.below(u64::MAX))),
            guard,
            bell: Arc::default(),
            sim: sim.clone(),
            store: store.clone(),
            broker: broker.clone(),
            alone: Arc::default(),
            shelf: Arc::default(),
        }
    }

    /// What the lanes of a processor work with.
    pub(super) fn parts(&self, limits: &Limits) -> Parts<MemoryStore<Sim>, SimBroker, SimBroker, Sim> {
        Parts {
            alone: self.alone.clone(),
            bell: self.bell.clone(),
            shelf: self.shelf.clone(),
            guard: self.guard.clone(),
            service: "simulated",
            instance: self.id,
            store: self.store.clone(),
            log: Arc::new(self.broker.clone()),
            source: Arc::new(self.broker.clone()),
            contract: Arc::new(sample::contract()),
            env: self.sim.clone(),
            watch: Arc::new(Unwatched),
            limits: limits.clone(),
            code: "sim".to_owned(),
        }
    }

    /// A shard of the relay, at work.
    pub(super) fn relay(&self, shard: i32) -> Task {
        let relay = Relay {
            service: "simulated",
            instance: self.id,
            shard,
            store: self.store.clone(),
            publisher: Arc::new(self.broker.clone()),
            env: self.sim.clone(),
            watch: Arc::new(Unwatched),
            bell: self.bell.clone(),
            guard: self.guard.clone(),
            limits: RelayLimits {
                lease: LEASE,
                rows_max: 5,
                idle: Duration::from_millis(700),
                ..RelayLimits::default()
            },
        };
        Box::pin(async move { relay.run(CancellationToken::new()).await })
    }
}
