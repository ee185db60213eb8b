//! A person who has the projection rebuilt beside the live one, cuts lanes over to it and back, and has it thrown away; also
//! while processes die and stall.

use super::{LANES, Scenario};
use crate::follow::Follower;
use crate::lane::Parts;
use crate::memory::MemoryStore;
use crate::program::Program;
use crate::projection::Projection;
use crate::replay::Replay;
use crate::sim::Sim;
use crate::sim::broker::SimBroker;
use crate::sim::sample::{Left, Right, Tally};
use crate::store::{LaneId, Store};
use crate::wish::{CutOver, Wish};
use canon::event::Event;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

pub(super) type SimParts = Parts<MemoryStore<Sim>, SimBroker, SimBroker, Sim>;

/// Makes the rebuild that is asked for, until it is over; then throws it away.
pub(super) async fn attend(
    live: MemoryStore<Sim>,
    parts: impl Fn(MemoryStore<Sim>) -> SimParts,
    program: Arc<dyn Program>,
) {
    let env = parts(live.clone()).env;
    loop {
        env.wait_a_moment().await;
        let Ok(replays) = live.replays().await else { continue };
        for replay in replays {
            if replay.is_retired {
                let _ = live.throw_away(replay.id).await;
                continue;
            }
            let Ok(beside) = live.beside(replay.id).await else { continue };
            let parts = parts(beside);
            let log = parts.log.clone();
            let logs: BTreeMap<&str, _> =
                [Left::TOPIC, Right::TOPIC].map(|topic| (topic, log.clone())).into();
            let stop = CancellationToken::new();
            let id = replay.id;
            let retired = async {
                while live.tables().replays.get(&id).is_some_and(|one| !one.is_retired) {
                    env.wait_a_moment().await;
                }
                stop.cancel();
            };
            let mut follower = Follower::new(&live, &parts, program.clone(), replay, logs);
            futures::join!(follower.run(LANES, &stop), retired);
        }
    }
}

impl Scenario {
    /// Asks for a rebuild, for a cutover or a rollback of a lane, or that the rebuild be thrown away.
    pub(super) fn replay(&mut self) {
        let open = self.store.tables().replays.values().find(|one| !one.is_retired).map(|one| one.id);
        let Some(replay) = open else {
            let mut tables = self.store.tables();
            self.replays += 1;
            let tables_at = self.sim.one_in(3).then(|| tables.table_rows.last().map_or(0, |row| row.seq));
            let (id, processor) = (self.replays, Tally::NAME.to_owned());
            let asked = Replay { id, processor, tables_at, records_per_second: None, is_retired: false };
            tables.replays.insert(id, asked);
            drop(tables);
            return self.sim.stir();
        };
        if self.sim.one_in(8) {
            if let Some(replay) = self.store.tables().replays.get_mut(&replay) {
                replay.is_retired = true;
            }
            return self.sim.stir();
        }
        let number = i32::try_from(self.sim.below(2)).unwrap_or(0);
        let (back, dry_run) = (self.sim.one_in(3), self.sim.one_in(5));
        let lane = LaneId { processor: Tally::NAME, number };
        self.store.tables().ask(lane, Wish::CutOver(CutOver { replay, back, dry_run }));
        self.sim.stir();
    }

    /// How many lanes were cut over or back.
    pub(super) fn cutovers(&self) -> u64 {
        let tables = self.store.tables();
        let entries = tables.journal.values().flatten();
        entries.filter(|entry| entry.cut_over.is_some()).count() as u64
    }
}

impl Sim {
    async fn wait_a_moment(&self) {
        crate::env::Env::sleep(self, Duration::from_millis(700)).await;
    }
}
