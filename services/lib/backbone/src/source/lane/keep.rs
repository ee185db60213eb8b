//! Keeping a page: one transaction under the source's fence, or a question to a person and nothing else.

use super::super::page::{Before, Findings, Settled};
use super::super::{Hold, Page, Pulled, Source, SourceChanges, SourceTx, Standing, notice, storable};
use super::{Asking, Post, Trouble};
use crate::contract::SchemaSource;
use crate::emission::{Desk, Emitted, counter_keys, facts, resolve};
use crate::env::Env;
use crate::mutant::{self, Mutant};
use crate::store::{Changes, Store, StoreError, Tx};
use std::collections::{BTreeSet, HashMap};
use uuid::Uuid;

impl<A, S, C, E> Post<'_, A, S, C, E>
where
    A: Source,
    S: Store<Tx: SourceTx>,
    C: SchemaSource,
    E: Env,
{
    /// Keeps a page, or asks a person about it.
    pub(crate) async fn take(
        &mut self,
        page: Page<A::Cursor>,
        before: &A::Cursor,
    ) -> Result<Pulled, Trouble> {
        let has_moved = page.cursor != *before;
        if page.rows.is_empty() && page.sweep.is_empty() && !has_moved && self.attempts == 0 {
            return Ok(Pulled::default());
        }
        let limits = &self.parts.limits;
        if has_moved && mutant::is(Mutant::CursorBeforeOutbox) {
            let mut tx = self.parts.store.begin(&self.fence, limits.lease, 0).await?;
            let cursor = Some(serde_json::to_value(&page.cursor).map_err(Trouble::Cursor)?);
            let source = Some(SourceChanges { cursor, ..Default::default() });
            tx.write(Changes { source, ..Changes::default() }).await?;
            self.commit(tx).await?;
        }
        let mut findings = Findings::new(page.rows);
        let mut tx = self.parts.store.begin(&self.fence, limits.lease, 0).await?;
        let standing = tx.standing().await?;
        let mut answered: Vec<String> = Vec::new();
        let mut asking: Vec<(String, Hold)> = Vec::new();
        for sweep in &page.sweep {
            let present: Vec<String> = sweep.present.iter().map(|id| storable(id.clone())).collect();
            let present: Vec<&str> = present.iter().map(String::as_str).collect();
            let began = if mutant::is(Mutant::SweepWithoutMark) {
                crate::source::Mark(i64::MAX)
            } else {
                sweep.began
            };
            let swept = tx.swept(sweep.kind, began, &present).await?;
            let gone = i64::try_from(findings.gone(sweep.kind, swept.gone)).unwrap_or(i64::MAX);
            let hold = standing.holds.get(sweep.kind);
            let is_approved = hold.and_then(|hold| hold.approved).is_some_and(|approved| gone <= approved);
            if limits.bounds.is_too_much(gone, swept.known) && !is_approved {
                let hold = Hold { gone, known: swept.known, asked_at: tx.now(), approved: None };
                asking.push((sweep.kind.to_owned(), hold));
            } else if hold.is_some() {
                answered.push(sweep.kind.to_owned());
            }
        }
        if !asking.is_empty() {
            return self.hold(tx, asking, &standing).await;
        }
        let mut settled = self.settle(&mut tx, &findings).await?;
        settled.changes.holds_gone = answered;
        let pulled = settled.pulled;
        if settled.is_news || has_moved || self.attempts > 0 || !settled.changes.holds_gone.is_empty() {
            let cursor = serde_json::to_value(&page.cursor).map_err(Trouble::Cursor)?;
            settled.changes.cursor = Some(cursor);
            self.keep(tx, settled).await?;
        }
        for kind in std::mem::take(&mut self.asked).into_keys() {
            self.parts.watch.asks(A::NAME, &kind, 0, 0);
        }
        self.parts.watch.pulled(A::NAME, &pulled);
        Ok(pulled)
    }

    /// Writes down what a person is asked, and tells.
    async fn hold(
        &mut self,
        mut tx: S::Tx,
        mut asking: Vec<(String, Hold)>,
        standing: &Standing,
    ) -> Result<Pulled, Trouble> {
        let watch = self.parts.watch.as_ref();
        for (kind, Hold { gone, known, .. }) in &asking {
            let (gone, known) = (*gone, *known);
            watch.trouble(A::NAME, &Asking { kind: kind.clone(), gone, known });
            if self.asked.insert(kind.clone(), (gone, known)) != Some((gone, known)) {
                watch.asks(A::NAME, kind, gone, known);
            }
        }
        let numbers = |hold: &Hold| (hold.gone, hold.known);
        asking.retain(|(kind, hold)| standing.holds.get(kind).map(numbers) != Some(numbers(hold)));
        if !asking.is_empty() || self.attempts > 0 {
            let source = SourceChanges { holds: asking, ..Default::default() };
            tx.write(Changes { source: Some(source), ..Changes::default() }).await?;
            self.commit(tx).await?;
        }
        Ok(Pulled { held: true, ..Pulled::default() })
    }

    /// Holds the page against the ledger, with the counters concerned locked.
    async fn settle(&self, tx: &mut S::Tx, findings: &Findings) -> Result<Settled, Trouble> {
        let known = tx.known(&findings.rows(), &findings.stated()).await?;
        let counters = tx.lock_counters(&findings.counters(&known)).await?;
        let emitted = self.emitted(tx, &findings.facts(&known)).await?;
        let schemas = self.parts.schemas.schemas();
        let desk =
            Desk { source: self.parts.service, contract: &self.parts.contract, schemas, now: tx.now() };
        Ok(findings.settle(&Before {
            known: &known,
            counters: &counters,
            emitted: &emitted,
            topics: &self.sourcing.topics,
            desk: &desk,
            seq: self.fence.seq + 1,
        }))
    }

    /// Reads the emission ledger, and has at hand the schemas of what may have to be withdrawn, which is decoded first.
    async fn emitted(&self, tx: &mut S::Tx, facts: &[Uuid]) -> Result<HashMap<Uuid, Emitted>, Trouble> {
        let emitted = tx.emitted(facts).await?;
        let schemas = self.parts.schemas.schemas();
        let ids = emitted.values().filter_map(|row| canon::codec::split(&row.wire).ok()).map(|(id, _)| id);
        let unknown: BTreeSet<u32> = ids.filter(|id| !schemas.knows(*id)).collect();
        if !unknown.is_empty() {
            // Once after a start. Should it take too long, the database ends the transaction, and the next try has them.
            let unknown: Vec<u32> = unknown.into_iter().collect();
            self.parts.schemas.ensure(&unknown).await.map_err(Trouble::Registry)?;
        }
        Ok(emitted)
    }

    async fn keep(&mut self, mut tx: S::Tx, settled: Settled) -> Result<(), Trouble> {
        let Settled { resolved, changes, notices, .. } = settled;
        let reasons: Vec<_> = notices.iter().filter_map(|(_, why)| Some(why.as_ref()?.reason)).collect();
        let mut changes = Changes {
            emitted: resolved.emitted,
            counters: resolved.counters,
            outbox: resolved.outbox,
            source: Some(changes),
            ..Changes::default()
        };
        let schemas = self.parts.schemas.schemas();
        let now = tx.now();
        let desk = Desk { source: self.parts.service, contract: &self.parts.contract, schemas, now };
        let said = notice::said(&desk, &self.fence, &notices);
        if !said.is_empty() {
            let counters = tx.lock_counters(&counter_keys(&said)).await?;
            let emitted = self.emitted(&mut tx, &facts(&said)).await?;
            // A notice that cannot be published must not keep the page from being kept.
            if let Ok(told) = resolve(&said, &counters, emitted, &desk) {
                changes.emitted.extend(told.emitted);
                changes.counters.extend(told.counters);
                changes.outbox.extend(told.outbox);
            }
        }
        tx.write(changes).await?;
        self.commit(tx).await?;
        reasons.into_iter().for_each(|reason| self.parts.watch.parked(self.fence.lane, reason));
        Ok(())
    }

    async fn commit(&mut self, tx: S::Tx) -> Result<(), StoreError> {
        tx.commit().await?;
        self.parts.bell.notify_one();
        (self.fence.seq, self.attempts, self.renewed) = (self.fence.seq + 1, 0, self.parts.env.elapsed());
        Ok(())
    }
}
