//! Schedules about one relay: it stands still when it has just taken its shard, and goes on when another one has
//! published; or it fails with rows in hand that it has not sent, and more come in before they are sent again.

use super::{Process, Scenario, World};
use canon::key::EncounterToken;
use std::time::Duration;

impl Scenario {
    /// Nothing else fails. Each seed has it stand still at another place.
    pub(in crate::sim) fn play_stalled(seed: u64) -> Result<(), String> {
        let (mut scenario, key) = Self::waiting(seed, 1);
        let before = scenario.store.tables().shard_epoch(0);
        let mut processes = vec![scenario.start()];
        while scenario.store.tables().shard_epoch(0) == before {
            scenario.step(&mut processes);
        }
        for _ in 0..seed % 40 {
            scenario.step(&mut processes);
        }
        processes[0].freeze(World::now(&scenario.sim) + Duration::from_secs(90));
        processes.push(scenario.start());
        scenario.says(key, 2);
        scenario.comes_to_rest(processes)
    }

    /// Nothing else fails. What one producer did not send is older than what the next one sends.
    pub(in crate::sim) fn play_unsent(seed: u64) -> Result<(), String> {
        let (mut scenario, key) = Self::waiting(seed, 3);
        scenario.sim.fails_next("produce");
        let mut processes = vec![scenario.start()];
        while scenario.sim.is_to_fail() {
            scenario.step(&mut processes);
        }
        scenario.says(key, 4);
        scenario.comes_to_rest(processes)
    }

    /// So many inputs of one key were folded, and whoever did it died with rows in the outbox.
    fn waiting(seed: u64, inputs: i64) -> (Self, EncounterToken) {
        let mut scenario = Self { takes_back: false, decides: false, ..Self::new(2 * seed) };
        scenario.sim.heal();
        let key = format!("{:032x}", 1).parse().unwrap();
        (1..=inputs).for_each(|number| scenario.says(key, number));
        let mut processes = vec![scenario.start()];
        while scenario.store.tables().outbox.is_empty() {
            scenario.step(&mut processes);
        }
        (scenario, key)
    }

    fn comes_to_rest(mut self, mut processes: Vec<Process>) -> Result<(), String> {
        let until = World::now(&self.sim) + Duration::from_secs(120);
        while World::now(&self.sim) < until {
            self.step(&mut processes);
        }
        drop(processes);
        self.end().map(drop)
    }
}
