//! A sink's lane carries out what a person decided about parked commands: tries them again, or gives them up.
//!
//! Whatever is applied is applied once: the effect is create-only, and what became of a command is recorded in the same
//! transaction that takes it out of the parked ones. A command is immutable, so none is edited.

use crate::contract::SchemaSource;
use crate::edge::Log;
use crate::env::Env;
use crate::fact::Meta;
use crate::lane::{Position, Trouble, ensure_writers};
use crate::mend::{self, Plan};
use crate::mend_lane::values;
use crate::record::Record;
use crate::sink::Sink;
use crate::sink_lane::{Pending, Progress, SinkWorker, command_of, parked_at};
use crate::store::{Changes, Effect, Ended, Parked, ParkedItem, Store, Tx};
use crate::wish::{Outcome, Wish};
use canon::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// A record's place: its topic is the sink's.
type Offset = i64;

impl<K, S, L, C, E> SinkWorker<'_, K, S, L, C, E>
where
    K: Sink,
    S: Store,
    L: Log,
    C: SchemaSource,
    E: Env,
{
    /// Carries out the lane's next intent, when there is one.
    pub(crate) async fn do_next_wish(&self, lane: &mut Position) -> Result<(), Trouble> {
        // Rolled back when it is dropped: it only reads.
        let mut tx = self.parts.store.begin(&lane.fence, self.parts.limits.lease, 0).await?;
        let intent = tx.intent().await?;
        let Some(intent) = intent else {
            lane.wish = false;
            return Ok(());
        };
        let wish = match intent.wish {
            Some(wish @ (Wish::Discard { .. } | Wish::Forget { .. } | Wish::Redrive { .. })) => wish,
            Some(Wish::Edit { .. }) => {
                let why = "a command is never edited: correct what it was made of, or discard it";
                return self.give_up(lane, tx, intent.id, why).await;
            }
            Some(Wish::Again { .. } | Wish::CutOver(_)) => {
                return self.give_up(lane, tx, intent.id, "a sink folds nothing").await;
            }
            None => {
                let why = "this release does not know how to do that";
                return self.give_up(lane, tx, intent.id, why).await;
            }
        };
        if lane.begun_wish != Some(intent.id) {
            if intent.tries >= self.parts.limits.crashes_max {
                let why = format!("it did not come to an end in {} tries", intent.tries);
                return self.give_up(lane, tx, intent.id, &why).await;
            }
            // An owner that comes after us knows by it that we did not come to an end.
            self.end(lane, tx, Changes { begun: Some(intent.id), ..Changes::default() }).await?;
            lane.begun_wish = Some(intent.id);
            tx = self.parts.store.begin(&lane.fence, self.parts.limits.lease, 0).await?;
        }
        if let Wish::Forget { lost, dry_run } = &wish {
            drop(tx);
            return self.forget_applied(lane, intent.id, lost, *dry_run).await;
        }
        let rows = tx.parked(mend::inputs(&wish)).await?;
        let plan = match mend::plan(&wish, rows) {
            Ok(plan) => plan,
            Err(why) => return self.give_up(lane, tx, intent.id, why).await,
        };
        if wish.is_dry() {
            // What the world would answer is not known before it is asked.
            let outcome = Outcome { parked: 0, resolved: 0, ..plan.outcome(&[], &[]) };
            return self
                .end(lane, tx, Changes { ended: Some((intent.id, outcome)), ..Changes::default() })
                .await;
        }
        // What an interrupted try of this wish has carried out.
        let metas = plan.released.iter().filter_map(record).filter_map(|record| Meta::of(record).ok());
        let commands: Vec<Uuid> = metas.map(|meta| command_of::<K::Command>(&meta)).collect();
        let effects = tx.effects(&commands).await?.into_values();
        let done: BTreeSet<Uuid> =
            effects.filter(|effect| effect.ended == Ended::Applied).map(|effect| effect.command).collect();
        drop(tx);
        ensure_writers(self.parts.source.as_ref(), values(plan.released.iter())).await?;
        self.try_again(lane, intent.id, &plan, &done).await
    }

    async fn try_again(
        &self,
        lane: &mut Position,
        intent: i64,
        plan: &Plan,
        done: &BTreeSet<Uuid>,
    ) -> Result<(), Trouble> {
        let began = self.parts.env.elapsed();
        let mut progress = Progress::default();
        let mut pending = Vec::new();
        for record in plan.released.iter().filter_map(record) {
            match Meta::of(record) {
                Err(reject) => progress.park(None, record, reject),
                Ok(meta) => {
                    let command = command_of::<K::Command>(&meta);
                    if done.contains(&command) {
                        continue;
                    }
                    match self.decode(record, &meta) {
                        Ok(fact) => pending.push(Pending { record, meta, command, fact }),
                        Err(reject) => progress.park(Some((&meta, command)), record, reject),
                    }
                }
            }
        }
        let fence = lane.fence;
        self.carry_out(&fence, pending, &mut progress).await;
        let (tally, stalled) = (progress.tally, progress.stalled.take());
        let mut tx = self.parts.store.begin(&lane.fence, self.parts.limits.lease, 0).await?;
        let now = tx.now();
        let parked: Vec<Parked> = progress.parked.into_iter().map(|parked| parked_at(now, parked)).collect();
        let again: BTreeSet<Offset> = parked.iter().filter_map(offset).collect();
        let went_through: Vec<Record> = plan
            .released
            .iter()
            .filter_map(record)
            .filter(|record| !again.contains(&record.offset))
            .cloned()
            .collect();
        let given_up = plan.given_up();
        let effects = progress.effects.into_iter();
        let effects = effects.map(|(command, name, ended, their_id)| Effect {
            command,
            name,
            ended,
            their_id,
            at: now,
        });
        if let Some(unavailable) = stalled {
            // What took effect is kept. All else stays as it is parked, and so does the wish: it is carried out when the
            // receiver is back.
            let effects = effects.filter(|effect| effect.ended == Ended::Applied).collect();
            self.end(lane, tx, Changes { effects, ..Changes::default() }).await?;
            return Err(Trouble::Effect(unavailable));
        }
        let discarded = given_up.iter().filter_map(|record| discarded::<K>(record, now));
        let mut changes = Changes {
            unparked: plan.unparked.clone(),
            decisions: plan.decisions(intent),
            effects: effects.chain(discarded).collect(),
            ended: Some((intent, plan.outcome(&parked, &[]))),
            ..Changes::default()
        };
        let reasons: Vec<_> = parked.iter().map(|parked| parked.reason).collect();
        changes.parked = parked;
        let resolved: Vec<Record> = went_through.into_iter().chain(given_up).collect();
        self.tell(&mut tx, lane.fence.lane, &mut changes, &resolved).await?;
        self.end(lane, tx, changes).await?;
        let took = self.parts.env.elapsed().saturating_sub(began);
        self.parts.watch.batch(lane.fence.lane, &tally, took, &lane.positions);
        for reason in reasons {
            self.parts.watch.parked(lane.fence.lane, reason);
        }
        Ok(())
    }

    /// Ends an intent that cannot be carried out, and says why.
    pub(crate) async fn give_up(
        &self,
        lane: &mut Position,
        tx: S::Tx,
        id: i64,
        why: &str,
    ) -> Result<(), Trouble> {
        let outcome = Outcome { failed: Some(why.to_owned()), ..Outcome::default() };
        self.end(lane, tx, Changes { ended: Some((id, outcome)), ..Changes::default() }).await
    }

    pub(crate) async fn end(
        &self,
        lane: &mut Position,
        mut tx: S::Tx,
        changes: Changes,
    ) -> Result<(), Trouble> {
        let now = tx.now();
        tx.write(changes).await?;
        tx.commit().await?;
        self.parts.bell.notify_one();
        lane.advance(BTreeMap::new(), now, self.parts.env.elapsed());
        Ok(())
    }
}

fn record(parked: &Parked) -> Option<&Record> {
    match &parked.item {
        ParkedItem::Record(record) => Some(record),
        ParkedItem::Deadline { .. } => None,
    }
}

fn offset(parked: &Parked) -> Option<Offset> {
    record(parked).map(|record| record.offset)
}

/// What the effect ledger says of a command that a person gave up; nothing of one that cannot be read.
fn discarded<K: Sink>(record: &Record, at: Timestamp) -> Option<Effect> {
    let meta = Meta::of(record).ok()?;
    Some(Effect {
        command: command_of::<K::Command>(&meta),
        name: meta.headers.factname,
        ended: Ended::Discarded,
        their_id: None,
        at,
    })
}
