//! Rebuilds' ledgers in memory, beside the service's own.

use super::{MemoryStore, MemoryTx, Tables, World};
use crate::emission::Emitted;
use crate::journal::Entry;
use crate::replay::{Difference, Standing, Which};
use crate::store::{CUT_OVER, Changes, FOLLOWED, LaneId, MISSED, Parked, StoreError};
use canon::time::Timestamp;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::MutexGuard;
use uuid::Uuid;

/// A ledger that nobody else looks at meanwhile.
pub struct Opened<'a> {
    all: MutexGuard<'a, Tables>,
    replay: Option<i64>,
}

impl<'a> Opened<'a> {
    pub(super) fn new(mut all: MutexGuard<'a, Tables>, replay: Option<i64>) -> Self {
        if let Some(replay) = replay {
            // One that was thrown away is empty: whoever still holds it finds no lane.
            all.besides.entry(replay).or_default();
        }
        Self { all, replay }
    }
}

impl Deref for Opened<'_> {
    type Target = Tables;

    fn deref(&self) -> &Tables {
        let beside = self.replay.and_then(|replay| self.all.besides.get(&replay));
        beside.map_or(&*self.all, |beside| beside)
    }
}

impl DerefMut for Opened<'_> {
    fn deref_mut(&mut self) -> &mut Tables {
        match self.replay {
            Some(replay) => self.all.besides.entry(replay).or_default(),
            None => &mut self.all,
        }
    }
}

impl<W: World> MemoryTx<W> {
    pub(super) async fn take_lane_along(&mut self, replay: i64) -> Result<Option<Standing>, StoreError> {
        let lane = self.fence.lane;
        let is_there = |tables: &Tables| {
            tables.besides.get(&replay).is_some_and(|beside| beside.lanes.contains_key(&lane))
        };
        if !self.statement("take along", |tables| is_there(tables)).await? {
            return Ok(None);
        }
        let beside = MemoryStore { replay: Some(replay), ..self.store.clone() };
        let id = beside.tables().begin_transaction(beside.world.now());
        self.along = Some((beside.clone(), id));
        self.lock_of(&beside, id, super::Lock::Lane(lane)).await?;
        let positions = beside.tables().positions(lane);
        let at = |topic: &str| positions.get(topic).copied().unwrap_or(0);
        let journal = self
            .store
            .tables()
            .journal
            .get(&lane)
            .and_then(|entries| entries.last())
            .map_or(0, |entry| entry.seq);
        Ok(Some(Standing {
            journal,
            followed: at(FOLLOWED),
            has_missed: at(MISSED) == 1,
            is_cut_over: at(CUT_OVER) == 1,
        }))
    }

    /// Writes what the rebuild's ledger gets, and lets go of its lane: whoever followed into it finds another sequence.
    pub(super) fn let_go(&mut self, changes: Vec<Changes>) {
        if let Some((beside, id)) = self.along.take() {
            let mut tables = beside.tables();
            for changes in changes {
                tables.apply(&self.fence, changes);
            }
            if let Some(row) = tables.lanes.get_mut(&self.fence.lane) {
                row.seq += 1;
            }
            tables.rollback(id);
        }
    }
}

impl Tables {
    pub(super) fn parked_of(&self, lane: LaneId, which: &Which) -> Vec<(i64, Parked)> {
        let mine = self.parked.iter().filter(|(_, (of, parked))| *of == lane && which.has(parked));
        mine.map(|(number, (_, parked))| (*number, parked.clone())).collect()
    }

    pub(super) fn keys(&self, processor: &'static str, behind: &str, max: usize) -> Vec<String> {
        let keys = self.states.keys().filter(|(of, key)| *of == processor && key.as_str() > behind);
        keys.take(max).map(|(_, key)| key.clone()).collect()
    }

    pub(super) fn deadlines_of(&self, lane: LaneId) -> BTreeMap<String, Timestamp> {
        let mine = self.deadlines.iter().filter(|((of, _), _)| *of == lane);
        mine.map(|((_, key), at)| (key.clone(), *at)).collect()
    }

    pub(super) fn journal_behind(&self, lane: LaneId, behind: i64, max: usize) -> Vec<Entry> {
        let entries = self.journal.get(&lane).into_iter().flatten();
        entries.filter(|entry| entry.seq > behind).take(max).cloned().collect()
    }
}

pub(super) fn differing(
    lane: LaneId,
    live: &BTreeMap<Uuid, Emitted>,
    beside: &BTreeMap<Uuid, Emitted>,
) -> Vec<Difference> {
    let is_mine = |row: &&Emitted| {
        let origin = row.origin.as_ref();
        origin.is_some_and(|origin| origin.processor == lane.processor && origin.partition == lane.number)
    };
    let in_force = |row: Option<&Emitted>| row.filter(|row| !row.withdrawn).map(|row| row.content);
    let new = beside
        .values()
        .filter(is_mine)
        .map(|row| Difference { live: live.get(&row.fact).cloned(), beside: Some(row.clone()) });
    let old = live.values().filter(is_mine).filter(|row| !beside.contains_key(&row.fact));
    let old = old.map(|row| Difference { live: Some(row.clone()), beside: None });
    let mut all: Vec<Difference> =
        new.chain(old).filter(|one| in_force(one.live.as_ref()) != in_force(one.beside.as_ref())).collect();
    let fact = |one: &Difference| one.live.as_ref().or(one.beside.as_ref()).map(|row| row.fact);
    all.sort_by_key(fact);
    all
}
