//! COMMITs that go on in the database when nobody waits for them any longer.

use super::Tables;
use crate::store::{Changes, Fence, LaneId};
use canon::time::Timestamp;
use std::time::Duration;

/// A COMMIT that is under way, and nobody waits for.
#[derive(Clone, Debug)]
pub(super) struct Late {
    pub(super) at: Timestamp,
    /// When it was sent: the lease is as of then.
    pub(super) sent: Timestamp,
    pub(super) id: u64,
    pub(super) fence: Fence,
    pub(super) clock: Timestamp,
    pub(super) lease: Duration,
}

impl Tables {
    /// Commits later; whoever wants the transaction's locks waits until then.
    pub(super) fn linger(&mut self, late: Late, changes: Vec<Changes>) {
        if self.touch(late.id, late.at).is_ok() {
            self.late.push((late, changes));
        }
    }

    /// Whether one goes on over a lane's row.
    pub(super) fn is_late(&self, lane: LaneId) -> bool {
        self.late.iter().any(|(late, _)| late.fence.lane == lane)
    }

    /// As of a time: COMMITs that lingered have come about.
    pub(super) fn settled(&mut self, now: Timestamp) -> &mut Self {
        let (due, later) = std::mem::take(&mut self.late).into_iter().partition(|(late, _)| late.at <= now);
        self.late = later;
        let due: Vec<(Late, Vec<Changes>)> = due;
        for (Late { sent, id, fence, clock, lease, .. }, changes) in due {
            // One that was ended is rolled back.
            let _ = self.commit(id, &fence, (sent, clock), lease, changes);
        }
        self
    }
}
