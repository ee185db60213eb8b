//! A lane reads again what it had read before, and keeps its lease meanwhile.

use crate::edge::{LaneReader, Log};
use crate::env::Env;
use crate::lane::{Parts, Position, Trouble};
use crate::record::Record;
use crate::store::Store;
use std::ops::RangeInclusive;
use std::time::Duration;

/// How long the topic may give nothing before the end of the range: then nothing is done at all.
const SILENCE_MAX: Duration = Duration::from_secs(60);

impl<S, L, C, E> Parts<S, L, C, E>
where
    S: Store,
    L: Log,
    E: Env,
{
    /// What is taken of the records of a range of the lane's partition, in order; nothing when the last of them did not come. The
    /// lane's position came of that one, so that it is there.
    pub(crate) async fn read_back(
        &self,
        lane: &Position,
        topic: &'static str,
        range: RangeInclusive<i64>,
        take: impl Fn(Record) -> Option<Record>,
    ) -> Result<Option<Vec<Record>>, Trouble> {
        let mut reader = self.log.open(lane.fence.lane.number, &[(topic, *range.start())]).await?;
        let mut records = Vec::new();
        let mut heard = self.env.elapsed();
        let mut renewed = heard;
        loop {
            let read = reader.next(self.limits.batch_records_max, self.limits.lease / 3).await?;
            let now = self.env.elapsed();
            if now.saturating_sub(renewed) >= self.limits.lease / 3 {
                self.store.renew(&lane.fence, self.limits.lease).await?;
                renewed = now;
            }
            let Some(at) = read.last().map(|record| record.offset) else {
                if now.saturating_sub(heard) >= SILENCE_MAX {
                    return Ok(None);
                }
                continue;
            };
            heard = now;
            let within = read.into_iter().filter(|record| record.offset <= *range.end());
            records.extend(within.filter_map(&take));
            if at >= *range.end() {
                return Ok(Some(records));
            }
        }
    }
}
