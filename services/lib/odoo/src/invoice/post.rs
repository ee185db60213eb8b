//! Posting drafts: the state is read before acting, and again where Odoo refuses.

use super::Invoices;
use super::found::{MoveState, states};
use super::plan::MOVE;
use crate::bisect::{Bisect, LoadOutcome, Rejection, Verdict};
use crate::error::{Absent, Error, Refusal};
use serde::de::IgnoredAny;
use serde_json::Value;
use std::collections::BTreeMap;

/// What became of an invoice that was to be posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Posted {
    /// It was posted before, by us or by a person.
    Already,
    /// A person cancelled it.
    Cancelled,
    /// It was deleted.
    Gone,
    /// Odoo does not post it; it is still a draft.
    Refused(Refusal),
    /// Another transaction was in the way: again later.
    Retry,
    /// It was posted now, or by a faster one in the same moment.
    Posted,
}

impl Invoices {
    /// Posts those of the invoices that are drafts: one outcome per id, in order. They are posted in one call; what spoils it
    /// is found by halving. In a period that is locked for sales Odoo posts all the same, under today's accounting date.
    pub async fn post(&self, ids: &[i64]) -> Result<Vec<Posted>, Error> {
        let before = states(self, ids).await?;
        let drafts: Vec<i64> =
            before.iter().filter(|(_, state)| **state == MoveState::Draft).map(|(id, _)| *id).collect();
        let posted = self.post_drafts(&drafts).await?;
        let outcome = |id: &i64| match before.get(id) {
            None => Posted::Gone,
            Some(MoveState::Cancel) => Posted::Cancelled,
            Some(MoveState::Posted) => Posted::Already,
            Some(MoveState::Draft) => posted.get(id).cloned().unwrap_or(Posted::Retry),
        };
        Ok(ids.iter().map(outcome).collect())
    }

    async fn post_drafts(&self, ids: &[i64]) -> Result<BTreeMap<i64, Posted>, Error> {
        let mut bisect = Bisect::new(ids.len());
        let mut changed = BTreeMap::new();
        while let Some(range) = bisect.next_range() {
            let batch = &ids[range];
            // The answer is false, or a window to open: nothing to be learnt from it.
            let answer: Result<IgnoredAny, Error> =
                self.client.call(MOVE, "action_post", batch, Value::Null, &self.context()).await;
            bisect.tell(match answer {
                Ok(_) => Verdict::Loaded(batch.to_vec()),
                Err(Error::Contended { .. }) => Verdict::Contended,
                Err(Error::Refused { refusal, .. }) => {
                    if let [id] = *batch {
                        changed.extend(self.changed_meanwhile(id).await?.map(|outcome| (id, outcome)));
                    }
                    Verdict::Rejected(Rejection::Refusal(refusal))
                }
                Err(Error::Missing { absent: Absent::Record, .. }) => {
                    if let [id] = *batch {
                        changed.insert(id, Posted::Gone);
                    }
                    Verdict::Rejected(Rejection::Messages(vec![]))
                }
                Err(error) => return Err(error),
            });
        }
        let outcomes = ids.iter().copied().zip(bisect.into_outcomes());
        Ok(outcomes
            .map(|(id, outcome)| (id, changed.remove(&id).unwrap_or_else(|| outcome.into())))
            .collect())
    }

    /// "Must be in draft" is no refusal if it is posted: somebody was faster, or our own answer was lost.
    async fn changed_meanwhile(&self, id: i64) -> Result<Option<Posted>, Error> {
        Ok(match states(self, &[id]).await?.get(&id) {
            Some(MoveState::Cancel) => Some(Posted::Cancelled),
            Some(MoveState::Draft) => None,
            Some(MoveState::Posted) => Some(Posted::Posted),
            None => Some(Posted::Gone),
        })
    }
}

impl From<LoadOutcome> for Posted {
    fn from(outcome: LoadOutcome) -> Self {
        match outcome {
            LoadOutcome::Loaded(_) => Self::Posted,
            LoadOutcome::Rejected(Rejection::Refusal(refusal)) => Self::Refused(refusal),
            LoadOutcome::Rejected(Rejection::Messages(_)) => Self::Gone,
            LoadOutcome::Retry => Self::Retry,
        }
    }
}
