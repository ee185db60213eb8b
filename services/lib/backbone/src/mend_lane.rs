//! A projection's lane carries out what a person decided about parked inputs: under the lane's fence, in the lane's order,
//! and in one transaction with what came of it.

use crate::batch;
use crate::contract::SchemaSource;
use crate::edge::Log;
use crate::emission::Emitted;
use crate::env::Env;
use crate::fold_lane::{FoldWorker, Given};
use crate::journal::Entry;
use crate::lane::{Position, Trouble, ensure_writers};
use crate::mend::{self, Plan};
use crate::mutant::{self, Mutant};
use crate::record::Record;
use crate::reject::Reason;
use crate::store::{Changes, Parked, ParkedItem, Store, Tx};
use crate::wish::Wish;
use std::collections::{BTreeMap, BTreeSet};

impl<S, L, C, E> FoldWorker<'_, S, L, C, E>
where
    S: Store,
    L: Log,
    C: SchemaSource,
    E: Env,
{
    /// Tries parked inputs again, edits one, or gives some up.
    pub(crate) async fn mend(&mut self, lane: &mut Position, id: i64, wish: &Wish) -> Result<(), Trouble> {
        let parts = self.parts;
        let began = parts.env.elapsed();
        let _beside = parts.alone.read().await;
        let mut tx = parts.store.begin(&lane.fence, parts.limits.lease, 0).await?;
        let now = tx.now();
        let (book, ..) = self.look(lane, &mut tx, 0).await?;
        let rows = tx.parked(mend::inputs(wish)).await?;
        let plan = match mend::plan(wish, rows) {
            Ok(plan) => plan,
            Err(why) => {
                drop(tx);
                return self.give_up(lane, id, why).await;
            }
        };
        ensure_writers(parts.source.as_ref(), values(plan.released.iter())).await?;
        let loaded = self.load(&mut tx, &plan.released, &[], &[]).await?;
        let given_up: Vec<Record> = plan.given_up();
        let given = Given {
            book: &book,
            now,
            positions: Some(&lane.positions),
            tells: true,
            released: &plan.released,
            given_up: &given_up,
            decided: &BTreeSet::new(),
            heads_only: false,
            due: &[],
            records: &[],
            rereads: false,
            awaited: &BTreeSet::new(),
            put_off_to: None,
        };
        let (folded, resolved) =
            self.fold(&mut tx, lane.fence.lane, &given, &loaded, BTreeMap::new()).await?;
        let outputs = self.program.outputs();
        let is_ours = |row: &&Emitted| outputs.iter().any(|(topic, _)| *topic == row.topic);
        let news: Vec<&Emitted> = resolved.emitted.iter().filter(is_ours).collect();
        let ended = Some((id, plan.outcome(&folded.parked, &news)));
        if wish.is_dry() {
            return self.end(lane, tx, Changes { ended, ..Changes::default() }).await;
        }
        let mut changes = folded.changes(self.program.as_ref(), &self.cache)?;
        let entry = self.entry(lane, now, &book);
        changes.journal = Some(Entry {
            released: batch::releases(&plan.released, false),
            discarded: plan.places(),
            edited: plan.edits(),
            ..entry
        });
        (changes.emitted, changes.counters, changes.outbox) =
            (resolved.emitted, resolved.counters, resolved.outbox);
        (changes.ended, changes.decisions) = (ended, plan.decisions(id));
        let reasons: Vec<Reason> = changes.parked.iter().map(|parked| parked.reason).collect();
        let Plan { unparked, freed, .. } = plan;
        changes.unparked = if mutant::is(Mutant::RedriveTwice) { Vec::new() } else { unparked };
        if mutant::is(Mutant::DiscardWithoutTrace) {
            changes.decisions.clear();
        }
        self.end(lane, tx, changes).await?;
        self.settle(folded.slots);
        freed.iter().for_each(|chain| self.cache.free(chain));
        let took = parts.env.elapsed().saturating_sub(began);
        parts.watch.batch(lane.fence.lane, &folded.tally, took, &lane.positions);
        for reason in reasons {
            parts.watch.parked(lane.fence.lane, reason);
        }
        Ok(())
    }
}

/// Values of parked records: their writers' schemas are needed.
pub(crate) fn values<'a>(parked: impl Iterator<Item = &'a Parked>) -> impl Iterator<Item = &'a [u8]> {
    parked.filter_map(|parked| match &parked.item {
        ParkedItem::Record(record) => record.value.as_deref(),
        ParkedItem::Deadline { .. } => None,
    })
}
