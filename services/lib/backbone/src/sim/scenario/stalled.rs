//! A schedule in which a relay stands still when it has just taken its shard, and goes on when another one has published.

use super::{Scenario, World};
use std::time::Duration;

impl Scenario {
    /// Nothing else fails. Each seed has it stand still at another place.
    pub(in crate::sim) fn play_stalled(seed: u64) -> Result<(), String> {
        let mut scenario = Self { takes_back: false, decides: false, ..Self::new(2 * seed) };
        scenario.sim.heal();
        let key = format!("{:032x}", 1).parse().unwrap();
        scenario.says(key, 1);
        let mut processes = vec![scenario.start()];
        while scenario.store.tables().outbox.is_empty() {
            scenario.step(&mut processes);
        }
        let before = scenario.store.tables().shard_epoch(0);
        processes = vec![scenario.start()];
        while scenario.store.tables().shard_epoch(0) == before {
            scenario.step(&mut processes);
        }
        for _ in 0..seed % 40 {
            scenario.step(&mut processes);
        }
        processes[0].freeze(World::now(&scenario.sim) + Duration::from_secs(90));
        processes.push(scenario.start());
        scenario.says(key, 2);
        let until = World::now(&scenario.sim) + Duration::from_secs(120);
        while World::now(&scenario.sim) < until {
            scenario.step(&mut processes);
        }
        drop(processes);
        scenario.end().map(drop)
    }
}
