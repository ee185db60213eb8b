//! Whether everything that was sent has come to its end: nothing to read, nothing to publish, nothing due.

use super::{Books, BooksError, Ledger};
use backbone::Reason;
use backbone::postgres::look;
use canon::{Event as _, Timestamp};
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant, SystemTime};

/// A deadline that is not further away than this counts as due.
const DUE_SOON: Duration = Duration::from_secs(1);

/// How far one service is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Behind {
    /// Records not yet read.
    pub records: i64,
    /// Rows not yet published.
    pub outbox: i64,
    /// Deadlines that are due.
    pub due: usize,
}

/// Something was still on its way when the time was over.
#[derive(Debug)]
pub struct Unsettled(pub BTreeMap<&'static str, Behind>);

impl std::error::Error for Unsettled {}

impl fmt::Display for Unsettled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not settled:")?;
        for (service, behind) in &self.0 {
            let Behind { records, outbox, due } = behind;
            write!(
                f,
                " {service} has {records} records to read, {outbox} rows to publish, {due} deadlines due;"
            )?;
        }
        Ok(())
    }
}

impl Behind {
    fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

impl Books {
    /// Waits until nothing is on its way any more (I11); `progress` is told each time it looks.
    ///
    /// Services are asked in the order of a charge's way, and one that has come to its end stays there while nothing is
    /// sent. Two rounds have to find nothing: a broker confirms a transaction before its records can be read, so that for a
    /// moment they are neither in the outbox nor on the topic. What comes back from Odoo comes when the poller looks, and is
    /// nothing that can be seen from here to be on its way.
    ///
    /// # Errors
    /// Who is behind when the time is over, or why nobody can be asked.
    pub async fn settle(
        &self,
        most: Duration,
        mut progress: impl FnMut(&BTreeMap<&'static str, Behind>),
    ) -> Result<Result<(), Unsettled>, BooksError> {
        let begun = Instant::now();
        let mut ends = BTreeMap::new();
        let mut was_nothing = false;
        loop {
            let mut behind = BTreeMap::new();
            for ledger in &self.ledgers {
                behind.insert(ledger.service, self.behind(ledger, &mut ends).await?);
            }
            let is_nothing = behind.values().all(|behind| behind.is_nothing());
            if is_nothing && was_nothing {
                return Ok(Ok(()));
            }
            was_nothing = is_nothing;
            progress(&behind);
            if begun.elapsed() > most && !is_nothing {
                return Ok(Err(Unsettled(behind)));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn behind(&self, ledger: &Ledger, ends: &mut Ends) -> Result<Behind, BooksError> {
        let mut behind = Behind::default();
        let soon = Timestamp::from(SystemTime::now()) + DUE_SOON;
        for (processor, inputs) in ledger.processors {
            let positions = look::positions(&ledger.store, processor).await?;
            for topic in *inputs {
                for (partition, held) in self.admin.held(topic).await? {
                    let next = positions.get(&(partition, (*topic).to_owned())).copied().unwrap_or(held.low);
                    if next < held.end {
                        let end = self.end(topic, partition, held.end, ends).await?;
                        behind.records += (end - next).max(0);
                    }
                }
            }
            let deadlines = look::deadlines(&ledger.store, processor).await?;
            behind.due += deadlines.values().filter(|at| **at <= soon).count();
        }
        // What waits for its sender's file is on its way: the service publishes the file itself, a moment after it starts.
        // An id that was given twice waits for another file, which nobody writes.
        let waiting = look::waiting(&ledger.store).await?;
        let for_senders = waiting.iter().filter(|row| row.topic == canon::SenderConfig::TOPIC);
        let mut on_its_way: i64 = for_senders.map(|row| row.inputs).sum();
        if on_its_way > 0 {
            let waiting = look::waiting_inputs(&ledger.store).await?;
            for (processor, _) in ledger.processors {
                let parked = look::parked(&ledger.store, processor).await?;
                let twice =
                    parked.iter().filter(|one| one.reason == Reason::Conflict && waiting.contains(&one.id));
                on_its_way -= i64::try_from(twice.count()).unwrap_or(0);
            }
        }
        behind.records += on_its_way.max(0);
        // Last: what is read, due or released while this asks comes to lie there.
        behind.outbox = look::outbox(&ledger.store).await?.rows;
        Ok(behind)
    }

    /// The offset behind the last record that a partition shows: behind it stand only the transactions' markers, which
    /// no reader's position passes.
    async fn end(
        &self,
        topic: &'static str,
        partition: i32,
        held: i64,
        ends: &mut Ends,
    ) -> Result<i64, BooksError> {
        if let Some((known, end)) = ends.get(&(topic, partition))
            && *known == held
        {
            return Ok(*end);
        }
        // Asked before the records are read: what is published between belongs to a later end.
        let held = self.admin.held(topic).await?;
        let records = self.tail(topic).await?;
        let last = |partition: i32| {
            let of = records.iter().filter(|record| record.partition == partition);
            of.map(|record| record.offset + 1).max().unwrap_or(0)
        };
        ends.extend(held.into_iter().map(|(of, held)| ((topic, of), (held.end, last(of)))));
        Ok(last(partition))
    }
}

/// By topic and partition: the end that was held, and the offset behind its last record.
type Ends = BTreeMap<(&'static str, i32), (i64, i64)>;
