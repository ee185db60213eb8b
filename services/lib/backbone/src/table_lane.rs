//! The lane of a table: what a compacted topic says goes into the ledger, in one order over all tables.
//!
//! Consumes one partition of a compacted topic; writes the ledger's table rows. A record published twice is kept once,
//! by its version. What has no key or no headers of ours parks alone.

use crate::contract::SchemaSource;
use crate::edge::Log;
use crate::env::Env;
use crate::fact::Meta;
use crate::lane::{Parts, Position, Trouble, Worker, positions_after};
use crate::record::Record;
use crate::store::{Changes, Parked, ParkedItem, Store, Tx};
use crate::table::TableRow;
use canon::time::Timestamp;

/// The lane of one table.
pub(crate) struct TableWorker<'p, S, L, C, E> {
    pub(crate) parts: &'p Parts<S, L, C, E>,
    pub(crate) topic: &'static str,
    /// Whether the ledger knows that this partition was read to its end once.
    pub(crate) complete: bool,
}

impl<S, L, C, E> Worker for TableWorker<'_, S, L, C, E>
where
    S: Store,
    L: Log,
    C: SchemaSource,
    E: Env,
{
    fn inputs(&self) -> Vec<&'static str> {
        vec![self.topic]
    }

    fn forget(&mut self) {
        self.complete = false;
    }

    fn has_news(&self, lane: &Position) -> bool {
        !self.complete && lane.at_end
    }

    async fn run(&mut self, lane: &mut Position, records: Vec<Record>) -> Result<(), Trouble> {
        let began = self.parts.env.elapsed();
        let mut tx = self.parts.store.begin(&lane.fence, self.parts.limits.lease, 0).await?;
        let now = tx.now();
        let positions = positions_after(&records);
        let mut changes = Changes { positions: positions.clone(), ..Changes::default() };
        for record in &records {
            match Meta::of(record) {
                Ok(meta) => changes.tables.push(row(record, &meta)),
                Err(reject) => changes.parked.push(parked(record, reject, now)),
            }
        }
        let complete = lane.at_end && !self.complete;
        changes.tables_complete = complete.then(|| (self.topic.to_owned(), lane.fence.lane.number));
        let reasons: Vec<_> = changes.parked.iter().map(|parked| parked.reason).collect();
        tx.write(changes).await?;
        tx.commit().await?;
        self.complete |= complete;
        self.parts.shelf.stir();
        let elapsed = self.parts.env.elapsed();
        lane.advance(positions, now, elapsed);
        lane.solo_left = 0;
        let applied = u64::try_from(records.len() - reasons.len()).unwrap_or(0);
        let tally = crate::batch::Tally { applied, parked: reasons.len() as u64, ..Default::default() };
        self.parts.watch.batch(lane.fence.lane, &tally, elapsed.saturating_sub(began), &lane.positions);
        for reason in reasons {
            self.parts.watch.parked(lane.fence.lane, reason);
        }
        Ok(())
    }
}

fn row(record: &Record, meta: &Meta) -> TableRow {
    TableRow {
        seq: 0,
        topic: record.topic.to_owned(),
        key: meta.key.clone(),
        version: meta.headers.version.unwrap_or(record.offset),
        wire: record.value.clone(),
    }
}

fn parked(record: &Record, reject: crate::reject::Reject, at: Timestamp) -> Parked {
    Parked::of(None, ParkedItem::Record(record.clone()), reject, at)
}
