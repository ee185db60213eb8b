//! A sink's lane forgets that commands took effect, since their receiver has lost them: it was restored from a backup.
//!
//! What is forgotten is parked as it stands on the topic, the first of its key as lost and the rest behind it. Nothing is carried
//! out by that: a person has it tried again, one first, the others after it. A command that the receiver has all the same is
//! found there, since effects are create-only.

use crate::contract::SchemaSource;
use crate::edge::Log;
use crate::env::Env;
use crate::fact::Meta;
use crate::lane::{Position, Trouble};
use crate::record::Record;
use crate::reject::{Reason, Reject};
use crate::sink::Sink;
use crate::sink_lane::{SinkWorker, command_of, parked_at};
use crate::store::{Changes, Effect, Ended, Store, Tx, Want};
use crate::wish::{Lost, Outcome};
use canon::event::Event;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

impl<K, S, L, C, E> SinkWorker<'_, K, S, L, C, E>
where
    K: Sink,
    S: Store,
    L: Log,
    C: SchemaSource,
    E: Env,
{
    /// Parks commands that took effect, and takes it out of the effect ledger that they did.
    pub(crate) async fn forget_applied(
        &self,
        lane: &mut Position,
        intent: i64,
        lost: &[Lost],
        dry_run: bool,
    ) -> Result<(), Trouble> {
        let Some(records) = self.read_back(lane, lost).await? else {
            let tx = self.parts.store.begin(&lane.fence, self.parts.limits.lease, 0).await?;
            return self.give_up(lane, tx, intent, "the topic could not be read to the last of them").await;
        };
        let metas: Vec<(&Record, Meta)> =
            records.iter().filter_map(|record| Some((record, Meta::of(record).ok()?))).collect();
        let mut tx = self.parts.store.begin(&lane.fence, self.parts.limits.lease, 0).await?;
        let now = tx.now();
        let want =
            Want { keys: metas.iter().map(|(_, meta)| meta.key.clone()).collect(), identities: Vec::new() };
        let blocked = tx.load(&want).await?.parked;
        let commands: Vec<Uuid> = lost.iter().map(|one| one.command).collect();
        let ended = tx.effects(&commands).await?;
        let mut changes = Changes::default();
        let mut first: BTreeSet<String> = BTreeSet::new();
        for (record, meta) in metas {
            let command = command_of::<K::Command>(&meta);
            let applied = ended.get(&command).filter(|effect| effect.ended == Ended::Applied);
            // Behind what is parked of its key it would stand behind what has to come after it.
            let Some(effect) = applied.filter(|_| !blocked.contains(&meta.key)) else { continue };
            let reject = match first.insert(meta.key.clone()) {
                true => Reject::new(Reason::Lost, "it had taken effect, and the receiver has lost it"),
                false => Reject::new(Reason::Behind, "an earlier command of this key is parked"),
            };
            changes.parked.push(parked_at(now, (Some(meta.key), record.clone(), reject)));
            changes.effects.push(Effect { ended: Ended::Parked, their_id: None, at: now, ..effect.clone() });
        }
        let parked = changes.parked.len() as u64;
        let outcome =
            Outcome { records: parked, parked, missed: lost.len() as u64 - parked, ..Outcome::default() };
        if dry_run {
            changes = Changes::default();
        } else {
            self.tell(&mut tx, lane.fence.lane, &mut changes, &[]).await?;
        }
        changes.ended = Some((intent, outcome));
        let reasons: Vec<Reason> = changes.parked.iter().map(|parked| parked.reason).collect();
        self.end(lane, tx, changes).await?;
        for reason in reasons {
            self.parts.watch.parked(lane.fence.lane, reason);
        }
        Ok(())
    }

    /// The records of commands, in their order; nothing when the last did not come. One that stands elsewhere than was said is
    /// left out.
    async fn read_back(&self, lane: &Position, lost: &[Lost]) -> Result<Option<Vec<Record>>, Trouble> {
        let wanted: BTreeMap<i64, Uuid> = lost.iter().map(|one| (one.offset, one.command)).collect();
        let read_until = lane.positions.get(K::Command::TOPIC).copied().unwrap_or(0);
        let wanted: BTreeMap<i64, Uuid> =
            wanted.into_iter().filter(|(offset, _)| (0..read_until).contains(offset)).collect();
        let (Some((first, _)), Some((last, _))) = (wanted.first_key_value(), wanted.last_key_value()) else {
            return Ok(Some(Vec::new()));
        };
        let take = |record: Record| {
            let command = Meta::of(&record).ok().map(|meta| command_of::<K::Command>(&meta))?;
            (wanted.get(&record.offset) == Some(&command)).then_some(record)
        };
        self.parts.read_back(lane, K::Command::TOPIC, *first..=*last, take).await
    }
}
