//! Lanes that their breaker stops, and a person who looks now and then and lets them go on.

use super::{LANES, OrderSink, Scenario, Tally};
use crate::memory::Tables;
use crate::projection::Projection;
use crate::recover::{BEHIND, GATED};
use crate::sink::Sink;
use crate::store::LaneId;
use std::collections::BTreeMap;

/// Where stopped lanes stood when they were first seen so.
pub(super) type Standing = BTreeMap<LaneId, BTreeMap<String, i64>>;

fn stopped(tables: &Tables) -> impl Iterator<Item = LaneId> + '_ {
    // What waits for a ledger to be recovered, or for a person to have looked at effects, is another matter.
    let by_breaker = |why: &str| why != GATED && !why.starts_with(BEHIND);
    let lanes = [Tally::NAME, OrderSink::NAME].into_iter();
    let lanes = lanes.flat_map(|processor| (0..LANES).map(move |number| LaneId { processor, number }));
    lanes.filter(move |lane| tables.stopped(*lane).is_some_and(by_breaker))
}

impl Scenario {
    /// Sees that a stopped lane stays where it is.
    pub(super) fn look_at_stopped(&mut self) -> Result<(), String> {
        let tables = self.store.tables();
        for lane in stopped(&tables) {
            let stands = tables.positions(lane);
            match self.standing.get(&lane) {
                None => {
                    self.stops += 1;
                    self.standing.insert(lane, stands);
                }
                Some(stood) if *stood == stands => {}
                Some(stood) => {
                    return Err(format!("{lane:?} is stopped and went from {stood:?} to {stands:?}"));
                }
            }
        }
        Ok(())
    }

    /// A person lets every stopped lane go on.
    pub(super) fn resume(&mut self) {
        let mut tables = self.store.tables();
        let lanes: Vec<LaneId> = stopped(&tables).collect();
        lanes.into_iter().for_each(|lane| tables.go_on(lane));
        self.standing.clear();
    }
}
