//! A ledger in memory that goes back in time, and takes over what it lacks.

use super::Tables;
use crate::audit;
use crate::guard;
use crate::moment::{self, Ahead};
use crate::record::Marks;
use crate::recover::{BEHIND, Found, GATED, Recovered};
use crate::store::{Fence, LaneId, StoreError};
use canon::time::Timestamp;
use uuid::Uuid;

impl Tables {
    /// What a backup taken now holds: what is committed.
    pub fn backup(&self) -> Self {
        let mut backup = self.clone();
        backup.transactions.clear();
        backup.locks.clear();
        backup.late.clear();
        backup
    }

    /// Goes back to a backup. Transactions that are open are ended, and all connections cut off.
    pub fn restore(&mut self, backup: &Self) {
        let next = self.next_transaction;
        *self = backup.backup();
        self.next_transaction = next;
    }

    /// How far every lane has come.
    pub fn reached(&self) -> Marks {
        let lanes = self.lanes.iter();
        lanes.map(|(lane, row)| ((lane.processor.to_owned(), lane.number), row.seq)).collect()
    }

    /// Why a lane is stopped.
    pub fn stopped(&self, lane: LaneId) -> Option<&str> {
        self.lanes.get(&lane)?.stopped.as_deref()
    }

    /// A person lets a stopped lane go on.
    pub fn go_on(&mut self, lane: LaneId) {
        if let Some(row) = self.lanes.get_mut(&lane) {
            row.stopped = None;
        }
    }

    pub(super) fn stop_lane(&mut self, fence: &Fence, why: &str) -> Result<(), StoreError> {
        let row = self.lanes.get_mut(&fence.lane).filter(|row| row.epoch == fence.epoch);
        row.ok_or(StoreError::Fenced)?.stopped.get_or_insert_with(|| why.to_owned());
        Ok(())
    }

    /// What a lane gives again, in its order.
    pub(super) fn ahead(&self, lane: LaneId) -> Vec<Ahead> {
        let ahead =
            self.moments.iter().filter(|(_, moment)| moment.is_of(lane)).filter_map(|(fact, moment)| {
                let row = self.emitted.get(fact).filter(|row| row.is_taken_over())?;
                Some(Ahead { fact: *fact, version: row.version, moment: moment.clone() })
            });
        moment::in_order(ahead.collect())
    }

    /// What keeps no journal carries out commands, unless it is a table, which is called as its topic is, or a source.
    fn is_sink(&self, processor: &str) -> bool {
        let is_fold =
            self.journal.iter().any(|(lane, entries)| lane.processor == processor && !entries.is_empty());
        let is_table = self
            .lanes
            .iter()
            .any(|(lane, row)| lane.processor == processor && row.positions.contains_key(processor))
            || self.complete.iter().any(|(topic, _)| topic == processor);
        let is_source = processor == audit::SOURCE || self.sources.cursors.contains_key(processor);
        !is_fold && !is_table && !is_source
    }

    pub(crate) fn recover(
        &mut self,
        found: &Found,
        published: &Marks,
        now: Timestamp,
        dry: bool,
    ) -> Recovered {
        let newer = |row: &&crate::Emitted| {
            self.emitted.get(&row.fact).is_none_or(|known| known.version < row.version)
        };
        let facts: Vec<crate::Emitted> = found.facts().filter(newer).cloned().collect();
        let higher = |(key, version): &(&_, i64)| self.counters.get(*key).is_none_or(|known| known < version);
        let counters: Vec<_> =
            found.versions().filter(higher).map(|(key, version)| (key.clone(), version)).collect();
        let sifted = found.sift(self.outbox.values().cloned().collect());
        let behind = guard::compare(&self.reached(), published).err();
        let mut recovered = Recovered {
            facts: facts.len() as u64,
            keys: counters.len() as u64,
            outbox: sifted.sent.len() as u64,
            lanes: behind.map(|behind| behind.lanes.into_iter().collect()).unwrap_or_default(),
            gated: Vec::new(),
        };
        if !recovered.is_behind() {
            return Recovered::default();
        }
        let mut after = self.clone();
        after.emitted.extend(facts.into_iter().map(|row| (row.fact, row)));
        after.counters.extend(counters);
        let is_taken_over = |fact: &Uuid| after.emitted.get(fact).is_some_and(crate::Emitted::is_taken_over);
        let moments = found.moments().filter(|(fact, _)| is_taken_over(fact));
        let moments: Vec<_> =
            moments.filter_map(|(fact, moment)| Some((fact, moment.parse().ok()?))).collect();
        after.moments.extend(moments);
        after.delete_outbox(&sifted.sent);
        for moved in sifted.moved {
            after.outbox.entry(moved.seq).and_modify(|row| row.headers = moved.headers);
            if let Some(row) = after.emitted.get_mut(&moved.fact).filter(|row| row.revision == moved.revision)
            {
                row.version = moved.version;
            }
        }
        after.counters.extend(sifted.counters);
        for (lane, row) in &mut after.lanes {
            let name = (lane.processor.to_owned(), lane.number);
            row.seq = row.seq.max(published.get(&name).copied().unwrap_or(0));
            (row.owner, row.epoch, row.attempts, row.trial) = (None, row.epoch + 1, 0, None);
            row.reread_until = Some(now);
            row.stopped.take_if(|why| why.starts_with(BEHIND));
            if self.is_sink(lane.processor) {
                row.stopped = Some(GATED.to_owned());
                recovered.gated.push(name);
            }
        }
        after.complete.clear();
        after.shards.iter_mut().for_each(|row| (row.owner, row.epoch) = (None, row.epoch + 1));
        if !dry {
            *self = after;
        }
        recovered
    }
}
