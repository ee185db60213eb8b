//! The step from what is live to a rebuild, and back: lane by lane.

use super::{ReplayError, find};
use crate::ledger::{LedgerError, sums, table};
use backbone::postgres::PostgresStore;
use backbone::postgres::operate::{self, Asker, IntentSeen};
use backbone::store::StoreError;
use backbone::wish::{CutOver, Outcome, Wish};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// How often the ledger is asked what came of a wish.
const ASKED_EVERY: Duration = Duration::from_millis(250);

/// What came of a cutover or a rollback.
#[derive(Clone, Debug, Serialize)]
pub struct Changed {
    /// The rebuild.
    pub replay: i64,
    /// Whether what was live before is again.
    pub back: bool,
    /// Whether it was only counted.
    pub dry_run: bool,
    /// By lane.
    pub lanes: BTreeMap<i32, Outcome>,
    /// Over all lanes.
    pub sum: Outcome,
    /// Why it ended before all lanes were through.
    pub stopped: Option<String>,
}

impl Changed {
    /// Whether every lane went through.
    pub fn is_done(&self) -> bool {
        self.stopped.is_none()
    }
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match (self.back, self.dry_run) {
            (false, false) => "cut over",
            (false, true) => "would be cut over",
            (true, false) => "rolled back",
            (true, true) => "would be rolled back",
        };
        writeln!(f, "{} lanes {what}", self.lanes.len())?;
        let row = |(lane, outcome): (&i32, &Outcome)| {
            [
                lane.to_string(),
                outcome.records.to_string(),
                outcome.recorded.to_string(),
                outcome.corrected.to_string(),
                outcome.withdrawn.to_string(),
                outcome.parked.to_string(),
                outcome.resolved.to_string(),
            ]
        };
        let rows: Vec<[String; 7]> = self.lanes.iter().map(row).collect();
        table::write(f, ["lane", "states", "recorded", "corrected", "withdrawn", "parked", "freed"], &rows)?;
        sums::write(f, &self.sum)?;
        self.stopped.iter().try_for_each(|why| writeln!(f, "stopped: {why}"))
    }
}

/// Has lanes cut over to a rebuild, or back: one after another, and no further when one does not go through.
///
/// # Errors
/// When there is none of this number, or the ledger does not answer.
pub async fn cut_over(
    store: &PostgresStore,
    cut: CutOver,
    only: Option<i32>,
    asker: Asker<'_>,
    patience: Duration,
    mut told: impl FnMut(&str),
) -> Result<Changed, ReplayError> {
    let rebuild = find(store, cut.replay).await?;
    let CutOver { replay, back, dry_run } = cut;
    let mut changed =
        Changed { replay, back, dry_run, lanes: BTreeMap::new(), sum: Outcome::default(), stopped: None };
    // Lanes that are where they are to be were changed by a call before this one.
    let wanted = rebuild.lanes.iter().filter(|lane| lane.is_cut_over == back);
    let wanted = wanted.filter(|lane| only.is_none_or(|only| only == lane.lane));
    for lane in wanted.map(|lane| lane.lane) {
        let wish = Wish::CutOver(cut);
        let asked = operate::wish_of_lane(store, &rebuild.processor, lane, &wish, asker).await?;
        let Some(asked) = asked else {
            return Err(LedgerError::Unknown { processor: rebuild.processor, lane }.into());
        };
        let seen = answered(store, asked, patience).await?;
        match seen.outcome {
            Some(outcome) if outcome.failed.is_none() => {
                changed.sum.add(&outcome);
                changed.lanes.insert(lane, outcome);
                told(&format!("lane {lane} is {}", if dry_run { "compared" } else { "through" }));
            }
            Some(Outcome { failed, .. }) => {
                let why = failed.unwrap_or_default();
                changed.stopped = Some(format!("lane {lane} refused: {why}"));
                return Ok(changed);
            }
            None => {
                changed.stopped = Some(format!(
                    "lane {lane} has not answered: see `vertebra lanes list`. What was asked stays, under the number {}, and is \
                     carried out when the lane's owner comes to it",
                    seen.id
                ));
                return Ok(changed);
            }
        }
    }
    Ok(changed)
}

async fn answered(
    store: &PostgresStore,
    asked: IntentSeen,
    patience: Duration,
) -> Result<IntentSeen, StoreError> {
    let (began, id) = (Instant::now(), asked.id);
    let mut seen = asked;
    while seen.outcome.is_none() && began.elapsed() < patience {
        tokio::time::sleep(ASKED_EVERY).await;
        if let Some(now) = operate::intents(store, &[id]).await?.pop() {
            seen = now;
        }
    }
    Ok(seen)
}
