//! Schedules in which the ledger goes back to a backup while the broker keeps what was published.

use super::{LANES, Scenario, Versions};
use crate::memory::{Tables, World};
use crate::projection::Projection;
use crate::record::Record;
use crate::recover::{Found, GATED, Reading};
use crate::reject::Reason;
use crate::sim::instance::LEASE;
use crate::sim::sample::{self, Left, Note, Order, OrderSink, Rate, Right, Sum, Tally};
use crate::sink::Sink;
use crate::store::LaneId;
use canon::event::Event;
use canon::key::EncounterToken;
use canon::time::Timestamp;
use std::time::Duration;

/// What a schedule came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) enum Played {
    /// Nothing had been published that the backup did not know.
    NothingLost,
    /// It halted, and went on once it was recovered.
    Recovered,
}

impl Scenario {
    /// Traffic and faults; a backup is taken, and restored a while later; a person recovers what then stands still.
    pub(in crate::sim) fn play_restored(seed: u64) -> Result<Played, String> {
        Self { takes_back: false, decides: false, ..Self::new(seed) }.go_back().map(|(played, _)| played)
    }

    /// As [`Self::play_restored`], where nothing comes in that is parked: nothing that was given is refused.
    pub(in crate::sim) fn play_exactly(seed: u64) -> Result<Played, String> {
        let (played, scenario) =
            Self { takes_back: false, decides: false, is_calm: true, ..Self::new(seed) }.go_back()?;
        let tables = scenario.store.tables();
        let refused = tables.parked.values().find(|(_, parked)| parked.reason == Reason::Revision);
        match refused {
            Some((_, parked)) => Err(format!("{:?} {}", parked.chain, parked.detail)),
            None => Ok(played),
        }
    }

    fn go_back(self) -> Result<(Played, Self), String> {
        let mut scenario = self;
        let mut processes = vec![scenario.start(), scenario.start()];
        let mut versions = Versions::new();
        let turns = 200 + scenario.sim.below(800);
        scenario.disturb_for(turns, &mut processes, &mut versions)?;
        let backup = scenario.store.tables().backup();
        let turns = scenario.sim.below(800);
        scenario.disturb_for(turns, &mut processes, &mut versions)?;
        // Everything stops, and what was sent and not committed at the broker never is.
        drop(processes);
        scenario.restore(&backup);
        let mut processes = vec![scenario.start(), scenario.start()];
        let is_behind = crate::guard::compare(&backup.reached(), &scenario.broker.left()).is_err();
        if is_behind {
            scenario.stands_still(&mut processes, &mut versions)?;
            scenario.recover()?;
        }
        let turns = scenario.sim.below(600);
        scenario.disturb_for(turns, &mut processes, &mut versions)?;
        drop(processes);
        scenario.end()?;
        Ok((if is_behind { Played::Recovered } else { Played::NothingLost }, scenario))
    }

    /// A backlog is folded at once before a deadline fires, and is forgotten. What was ordered at last, and how many inputs are
    /// parked.
    pub(in crate::sim) fn play_backlog(seed: u64) -> Result<(Vec<i64>, usize), String> {
        Self::play_forgotten(seed, |scenario, key| {
            scenario.says(key, 1);
            scenario.sim.advance(2 * sample::HOLD);
            scenario.says(key, 2);
        })
    }

    /// A deadline fires before records that are older than it is, which the lane comes to late; all of that is forgotten. What
    /// was ordered at last, and how many inputs are parked.
    pub(in crate::sim) fn play_late(seed: u64) -> Result<(Vec<i64>, usize), String> {
        Self::play_forgotten(seed, |scenario, key| {
            let mut processes = scenario.start_alone();
            scenario.says(key, 1);
            scenario.until_set(&mut processes, None);
            drop(processes);
            scenario.says(key, 2);
            scenario.sim.advance(2 * sample::HOLD);
        })
    }

    /// Records of two topics are read in another order than they were sent in, with a deadline between them, and both are
    /// forgotten. What was ordered at last, and how many inputs are parked.
    pub(in crate::sim) fn play_crossed(seed: u64) -> Result<(Vec<i64>, usize), String> {
        Self::play_forgotten(seed, |scenario, key| {
            let sent = World::now(&scenario.sim);
            scenario.sim.advance(sample::HOLD / 3);
            let mut processes = scenario.start_alone();
            scenario.says(key, 2);
            let set = scenario.until_set(&mut processes, None);
            while scenario.store.tables().deadlines.values().next().copied() == set {
                scenario.step(&mut processes);
            }
            drop(processes);
            let right = sample::input(&key, 1, &Right::new(1, ""), &scenario.broker.schemas);
            scenario.broker.append_late(right, sent);
            scenario.inputs.push((Right::TOPIC, key, 1));
        })
    }

    /// What is looked up comes late to a ledger that has forgotten it. What was ordered at last, and how many inputs are parked.
    pub(in crate::sim) fn play_unread(seed: u64) -> Result<(Vec<i64>, usize), String> {
        let (mut scenario, key, backup) = Self::with_backup(seed)?;
        scenario.broker.append(sample::input(&key, 1, &Rate::new(1, ""), &scenario.broker.schemas));
        scenario.settle()?;
        scenario.broker.append(sample::input(&key, 1, &Left::new(1, "rated"), &scenario.broker.schemas));
        scenario.inputs.push((Left::TOPIC, key, 1));
        scenario.settle()?;
        scenario.says(key, 2);
        scenario.settle()?;
        scenario.restore(&backup);
        scenario.recover()?;
        scenario.broker.keeps_back(Some(Rate::TOPIC));
        drop(scenario.start_alone());
        scenario.broker.keeps_back(None);
        scenario.comes_to(key)
    }

    /// A record that adds nothing sets a deadline anew, and both are forgotten.
    pub(in crate::sim) fn play_anew(seed: u64) -> Result<(Vec<i64>, usize), String> {
        Self::play_forgotten(seed, |scenario, key| {
            let mut processes = scenario.start_alone();
            scenario.says(key, 1);
            let first = scenario.until_set(&mut processes, None);
            scenario.sim.advance(sample::HOLD / 3);
            let nothing = sample::input(&key, 2, &Left::new(0, ""), &scenario.broker.schemas);
            scenario.broker.append(nothing);
            scenario.inputs.push((Left::TOPIC, key, 0));
            scenario.until_set(&mut processes, first);
            drop(processes);
            scenario.sim.advance(2 * sample::HOLD);
        })
    }

    /// One instance, once it has every lane.
    fn start_alone(&self) -> Vec<super::Process> {
        let mut processes = vec![self.start()];
        let until = World::now(&self.sim) + 4 * LEASE;
        while World::now(&self.sim) < until {
            self.step(&mut processes);
        }
        processes
    }

    /// Goes on until the first deadline is another one.
    fn until_set(&self, processes: &mut [super::Process], before: Option<Timestamp>) -> Option<Timestamp> {
        let first = || self.store.tables().deadlines.values().next().copied();
        while first().is_none() || first() == before {
            self.step(processes);
        }
        first()
    }

    /// The ledger goes back under a service that lives: it halts like one that starts.
    pub(in crate::sim) fn play_under(seed: u64) -> Result<(), String> {
        let mut scenario = Self { takes_back: false, decides: false, ..Self::new(seed) };
        scenario.sim.heal();
        let keys: Vec<EncounterToken> =
            (0..4).map(|number| format!("{number:032x}").parse().unwrap()).collect();
        let mut processes = vec![scenario.start()];
        let run = |scenario: &Self, processes: &mut Vec<super::Process>, time: Duration| {
            let until = World::now(&scenario.sim) + time;
            while World::now(&scenario.sim) < until {
                scenario.step(processes);
            }
        };
        keys.iter().for_each(|key| scenario.says(*key, 1));
        run(&scenario, &mut processes, 3 * LEASE);
        let backup = scenario.store.tables().backup();
        keys.iter().for_each(|key| scenario.says(*key, 2));
        run(&scenario, &mut processes, LEASE);
        scenario.restore(&backup);
        let reached = backup.reached();
        keys.iter().for_each(|key| scenario.says(*key, 3));
        run(&scenario, &mut processes, 3 * LEASE);
        if scenario.store.tables().reached() == reached {
            return Ok(());
        }
        Err("a lane moved whose ledger had gone back under it".to_owned())
    }

    /// Nothing fails; the ledger goes back to before what `happens` to a key.
    fn play_forgotten(
        seed: u64,
        happens: impl FnOnce(&mut Self, EncounterToken),
    ) -> Result<(Vec<i64>, usize), String> {
        let (mut scenario, key, backup) = Self::with_backup(seed)?;
        happens(&mut scenario, key);
        scenario.settle()?;
        scenario.restore(&backup);
        scenario.recover()?;
        scenario.comes_to(key)
    }

    /// Nothing fails; a backup is taken before anything came in of a key.
    fn with_backup(seed: u64) -> Result<(Self, EncounterToken, Tables), String> {
        let mut scenario = Self { takes_back: false, decides: false, ..Self::new(seed) };
        scenario.sim.heal();
        let [first, key] = [0, 1].map(|number| format!("{number:032x}").parse().unwrap());
        scenario.says(first, 1);
        scenario.settle()?;
        let backup = scenario.store.tables().backup();
        Ok((scenario, key, backup))
    }

    fn comes_to(mut self, key: EncounterToken) -> Result<(Vec<i64>, usize), String> {
        self.settle()?;
        self.check()?;
        Ok(self.ordered(key))
    }

    fn ordered(&self, key: EncounterToken) -> (Vec<i64>, usize) {
        let lanes = (0..LANES).flat_map(|lane| self.broker.committed(Order::TOPIC, lane, 0));
        let of_key = lanes.filter(|record| record.key.as_deref() == Some(key.to_string().as_bytes()));
        let n = |record: Record| {
            let order = self.broker.schemas.decode::<Order>(&record.value.unwrap_or_default());
            order.map_or(0, |order| order.n)
        };
        (of_key.map(n).collect(), self.store.tables().parked.len())
    }

    pub(super) fn says(&mut self, key: EncounterToken, n: i64) {
        self.broker.append(sample::input(&key, n, &Left::new(n, ""), &self.broker.schemas));
        self.inputs.push((Left::TOPIC, key, n));
    }

    fn restore(&mut self, backup: &Tables) {
        self.standing.clear();
        self.store.tables().restore(backup);
    }

    /// A ledger that is behind: whatever comes in, nothing is published and no lane moves.
    fn stands_still(
        &mut self,
        processes: &mut [super::Process],
        versions: &mut Versions,
    ) -> Result<(), String> {
        let published = |scenario: &Self| -> usize {
            let topics = [Sum::TOPIC, Order::TOPIC, Note::TOPIC];
            let lanes = topics.into_iter().flat_map(|topic| (0..LANES).map(move |lane| (topic, lane)));
            lanes.map(|(topic, lane)| scenario.broker.committed(topic, lane, 0).len()).sum()
        };
        ["vertebra.simulated.0", "vertebra.simulated.1"].into_iter().for_each(|id| self.broker.seal(id));
        let (before, reached) = (published(self), self.store.tables().reached());
        let turns = self.sim.below(600);
        self.disturb_for(turns, processes, versions)?;
        if published(self) != before {
            return Err("a ledger that is behind published".to_owned());
        }
        if self.store.tables().reached() != reached {
            return Err("a lane of a ledger that is behind moved".to_owned());
        }
        Ok(())
    }

    /// What `vertebra recover` does: seals the relays off, reads the outputs, writes the ledger; a person lets effects go on.
    fn recover(&mut self) -> Result<(), String> {
        ["vertebra.simulated.0", "vertebra.simulated.1"].into_iter().for_each(|id| self.broker.seal(id));
        let mut found = Found::of("simulated");
        for reading in [Reading::of::<Sum>(), Reading::of::<Order>(), Reading::of::<Note>()] {
            for lane in 0..LANES {
                let records = self.broker.committed(reading.topic, lane, 0);
                records.iter().for_each(|record| found.see(&reading, &self.broker.schemas, record));
            }
        }
        if found.unread > 0 {
            return Err(format!("{} records could not be read", found.unread));
        }
        let (published, now) = (self.broker.left(), World::now(&self.sim));
        let dry = self.store.tables().clone().recover(&found, &published, now, true);
        let mut tables = self.store.tables();
        let recovered = tables.recover(&found, &published, now, false);
        if !recovered.is_behind() || recovered != dry {
            return Err(format!("it was behind, and recovering it said {recovered:?} after {dry:?}"));
        }
        for number in 0..LANES {
            let sink = LaneId { processor: OrderSink::NAME, number };
            if tables.stopped(sink) != Some(GATED) {
                return Err(format!("effects of lane {number} were not kept back"));
            }
            // The others are kept back only when the backup is older than all that they ever did.
            for processor in [OrderSink::NAME, Tally::NAME, Rate::TOPIC] {
                tables.go_on(LaneId { processor, number });
            }
        }
        drop(tables);
        self.recovered = true;
        Ok(())
    }
}
