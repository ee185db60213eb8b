//! A projection's lane carries out what a person asked of it: reads what it read before, folds it by itself, and
//! states what differs, under the lane's fence and in the lane's order.

use crate::again::{Again, Folded, Refolding};
use crate::contract::SchemaSource;
use crate::edge::{BEGINNING, Log};
use crate::emission::{Desk, Emitted, Resolved, counter_keys, facts, resolve};
use crate::env::Env;
use crate::fold_lane::FoldWorker;
use crate::journal::Entry;
use crate::lane::{Position, Trouble, ensure_schemas, ensure_writers};
use crate::program::Ground;
use crate::record::Record;
use crate::reject::Reject;
use crate::store::{Changes, Intent, Store, Tx};
use crate::table::Book;
use crate::wish::{Chosen, Outcome, Wish};
use crate::worth::Scale;
use canon::time::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use uuid::Uuid;

impl<S, L, C, E> FoldWorker<'_, S, L, C, E>
where
    S: Store,
    L: Log,
    C: SchemaSource,
    E: Env,
{
    /// Carries out the lane's next intent, when there is one.
    pub(crate) async fn do_next_wish(&mut self, lane: &mut Position) -> Result<(), Trouble> {
        // Rolled back when it is dropped: it only reads.
        let mut tx = self.parts.store.begin(&lane.fence, self.parts.limits.lease, 0).await?;
        let intent = tx.intent().await?;
        drop(tx);
        lane.wish = false;
        let Some(intent) = intent else { return Ok(()) };
        if lane.solo_left > 0 {
            return self
                .give_up(lane, intent.id, "the process died lately: ask again when the lane works")
                .await;
        }
        if lane.begun_wish != Some(intent.id) {
            if intent.tries >= self.parts.limits.crashes_max {
                let why = format!("it did not come to an end in {} tries", intent.tries);
                return self.give_up(lane, intent.id, &why).await;
            }
            // An owner that comes after us knows by it that we did not come to an end.
            let tx = self.parts.store.begin(&lane.fence, self.parts.limits.lease, 0).await?;
            self.end(lane, tx, Changes { begun: Some(intent.id), ..Changes::default() }).await?;
            lane.begun_wish = Some(intent.id);
        }
        match &intent.wish {
            Some(Wish::Again { topic, chosen, dry_run }) => {
                self.fold_as_wished(lane, &intent, topic, chosen, *dry_run).await
            }
            Some(wish @ (Wish::Discard { .. } | Wish::Edit { .. } | Wish::Redrive { .. })) => {
                self.mend(lane, intent.id, wish).await
            }
            Some(Wish::CutOver(wish)) => self.cut_over(lane, intent.id, *wish).await,
            Some(Wish::Forget { .. }) => self.give_up(lane, intent.id, "a fold has no effects").await,
            None => self.give_up(lane, intent.id, "this release does not know how to do that").await,
        }
    }

    /// Folds the records of a topic again.
    async fn fold_as_wished(
        &self,
        lane: &mut Position,
        intent: &Intent,
        topic: &str,
        chosen: &Chosen,
        dry_run: bool,
    ) -> Result<(), Trouble> {
        let Some((topic, _)) = self.program.inputs().iter().find(|(input, _)| *input == topic) else {
            return self.give_up(lane, intent.id, "the topic is not one that is folded here").await;
        };
        let next = lane.positions.get(*topic).copied().unwrap_or(0);
        let parked = intent.parked.iter().filter(|(of, _)| of == *topic).map(|(_, offset)| *offset).collect();
        let again = Again { topic: (*topic).to_owned(), first: 0, next, chosen: chosen.clone(), parked };
        let Some(records) = self.read_again(lane, topic, &again).await? else {
            return self
                .give_up(lane, intent.id, "the topic could not be read to the end of the range")
                .await;
        };
        self.fold_again(lane, intent, again, records, dry_run).await
    }

    /// Reads the records of a range; nothing when its end did not come.
    pub(crate) async fn read_again(
        &self,
        lane: &Position,
        topic: &'static str,
        again: &Again,
    ) -> Result<Option<Vec<Record>>, Trouble> {
        if again.next == 0 {
            return Ok(Some(Vec::new()));
        }
        // Only met: whoever sent it again says nothing new.
        let take = |record: Record| match again.chosen.has(&record) {
            true => Some(record),
            false => Some(Record { value: None, ..record }),
        };
        let records = self.parts.read_back(lane, topic, BEGINNING..=again.next - 1, take).await?;
        if let Some(records) = &records {
            ensure_schemas(self.parts.source.as_ref(), records).await?;
        }
        Ok(records)
    }

    async fn fold_again(
        &self,
        lane: &mut Position,
        intent: &Intent,
        mut again: Again,
        mut records: Vec<Record>,
        dry_run: bool,
    ) -> Result<(), Trouble> {
        // Not held open while records are folded: a transaction that sits idle is ended. It is rolled back; it only reads.
        let mut tx = self.parts.store.begin(&lane.fence, self.parts.limits.lease, 0).await?;
        let now = tx.now();
        let (book, ..) = self.look(lane, &mut tx, 0).await?;
        self.heed(&mut tx, &mut again, &mut records).await?;
        drop(tx);
        let ground = Ground { now, schemas: self.parts.source.schemas(), book: &book };
        let mut folded = match self.refold(lane, ground, &again, &records).await? {
            Ok(folded) => folded,
            Err(reject) => return self.give_up(lane, intent.id, &reject.detail).await,
        };
        let mut tx = self.parts.store.begin(&lane.fence, self.parts.limits.lease, 0).await?;
        let stated = tx.stated(&again.topic, again.first..again.next).await?;
        folded.withdraw(self.program.as_ref(), &stated);
        let (resolved, before) = self.resolve_again(&mut tx, &mut folded).await?;
        folded.count(&self.scale(), &before, &resolved.emitted);
        let mut changes = Changes { ended: Some((intent.id, folded.outcome)), ..Changes::default() };
        if !dry_run {
            (changes.emitted, changes.counters, changes.outbox) =
                (resolved.emitted, resolved.counters, resolved.outbox);
            changes.journal = Some(Entry { again: Some(again), ..self.entry(lane, now, &book) });
        }
        self.end(lane, tx, changes).await
    }

    /// Has what people decided of records count: one that was given up is left out, one that was edited has its new value.
    pub(crate) async fn heed(
        &self,
        tx: &mut S::Tx,
        again: &mut Again,
        records: &mut [Record],
    ) -> Result<(), Trouble> {
        for (offset, decided) in tx.decisions(&again.topic, again.first..again.next).await? {
            let Some(value) = decided else {
                again.parked.insert(offset);
                continue;
            };
            ensure_writers(self.parts.source.as_ref(), std::iter::once(value.as_slice())).await?;
            let edited = records.iter_mut().filter(|record| record.offset == offset);
            edited.for_each(|record| record.value = Some(value.clone()));
        }
        Ok(())
    }

    /// Folds records while the lane stays ours.
    pub(crate) async fn refold(
        &self,
        lane: &Position,
        ground: Ground<'_>,
        again: &Again,
        records: &[Record],
    ) -> Result<Result<Folded, Reject>, Trouble> {
        let parts = self.parts;
        let mut refolding = Refolding::new(self.program.as_ref(), ground, again);
        let mut renewed = parts.env.elapsed();
        for records in records.chunks(parts.limits.batch_records_max) {
            if let Err(reject) = records.iter().try_for_each(|record| refolding.take(record)) {
                return Ok(Err(reject));
            }
            // Others have their turn: the lanes of a processor share a task.
            parts.env.sleep(Duration::ZERO).await;
            if parts.env.elapsed().saturating_sub(renewed) >= parts.limits.lease / 3 {
                parts.store.renew(&lane.fence, parts.limits.lease).await?;
                renewed = parts.env.elapsed();
            }
        }
        Ok(Ok(refolding.folded()))
    }

    /// What is news, and what the ledger had.
    pub(crate) async fn resolve_again(
        &self,
        tx: &mut S::Tx,
        folded: &mut Folded,
    ) -> Result<(Resolved, HashMap<Uuid, Emitted>), Trouble> {
        let schemas = self.parts.source.schemas();
        let now = tx.now();
        let desk = Desk { source: self.parts.service, contract: &self.parts.contract, schemas, now };
        let counters = tx.lock_counters(&counter_keys(&folded.said)).await?;
        let emitted = tx.emitted(&facts(&folded.said)).await?;
        folded.leave_to_others(&emitted);
        // To take them back, and to tell what they came to.
        let wires =
            folded.said.iter().filter_map(|said| Some(emitted.get(&said.draft.fact)?.wire.as_slice()));
        ensure_writers(self.parts.source.as_ref(), wires).await?;
        loop {
            match resolve(&folded.said, &counters, emitted.clone(), &desk) {
                Ok(resolved) => return Ok((resolved, emitted)),
                Err(refusal) => folded.refuse(refusal.fact, &refusal.reject),
            }
        }
    }

    pub(crate) fn scale(&self) -> Scale<'_> {
        let parts = self.parts;
        Scale { program: self.program.as_ref(), contract: &parts.contract, schemas: parts.source.schemas() }
    }

    /// An entry for the journal in which nothing was read.
    pub(crate) fn entry(&self, lane: &Position, now: Timestamp, book: &Book) -> Entry {
        Entry {
            seq: lane.fence.seq + 1,
            clock: now,
            tables: book.upto(),
            code: format!("{} {}", self.parts.code, self.program.setup_text()),
            ..Entry::default()
        }
    }

    /// Ends an intent that cannot be carried out, and says why.
    pub(crate) async fn give_up(&self, lane: &mut Position, id: i64, why: &str) -> Result<(), Trouble> {
        let outcome = Outcome { failed: Some(why.to_owned()), ..Outcome::default() };
        let tx = self.parts.store.begin(&lane.fence, self.parts.limits.lease, 0).await?;
        self.end(lane, tx, Changes { ended: Some((id, outcome)), ..Changes::default() }).await
    }

    /// Writes what came of an intent, and commits.
    pub(crate) async fn end(
        &self,
        lane: &mut Position,
        mut tx: S::Tx,
        changes: Changes,
    ) -> Result<(), Trouble> {
        let now = tx.now();
        let next_due = tx.write(changes).await?;
        tx.commit().await?;
        self.parts.bell.notify_one();
        // Another one may be waiting.
        (lane.wish, lane.next_due) = (true, next_due);
        lane.advance(BTreeMap::new(), now, self.parts.env.elapsed());
        Ok(())
    }
}
