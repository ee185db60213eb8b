//! How the lanes of a service stand, and letting a stopped one go on.

use super::{LedgerError, table};
use backbone::postgres::PostgresStore;
use backbone::postgres::look::{self, LaneSeen};
use backbone::postgres::operate::{self, Asker};
use serde::Serialize;
use std::fmt;

/// All lanes of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lanes {
    /// By processor and number.
    pub lanes: Vec<Lane>,
}

/// One lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lane {
    /// The processor.
    pub processor: String,
    /// Its number.
    pub lane: i32,
    /// How it stands: `works`, `stopped`, or `unowned` when no instance holds it.
    pub state: State,
    /// The instance that holds it.
    pub owner: Option<String>,
    /// How often it was taken: whoever held it under a lower number is fenced.
    pub epoch: i64,
    /// The time of its last batch; it does not move while nothing comes.
    pub last_batch: String,
    /// How often it was taken since its last commit: more than a few are crashes.
    pub attempts: i32,
    /// Since when it is stopped.
    pub stopped_at: Option<String>,
    /// Why it is stopped.
    pub stopped_why: Option<String>,
}

/// How a lane stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Its breaker has stopped it.
    Stopped,
    /// Nobody holds it.
    Unowned,
    /// An instance works it.
    Works,
}

/// What came of a wish to resume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Resumed {
    /// The processor.
    pub processor: String,
    /// The lane.
    pub lane: i32,
    /// False when it was not stopped.
    pub resumed: bool,
}

/// The lanes as they stand.
///
/// # Errors
/// When the ledger does not answer.
pub async fn list(store: &PostgresStore) -> Result<Lanes, LedgerError> {
    let mut lanes = Vec::new();
    for processor in look::processors(store).await? {
        let seen = look::lanes(store, &processor).await?;
        lanes.extend(seen.into_iter().map(|seen| lane(&processor, seen)));
    }
    Ok(Lanes { lanes })
}

/// Lets a stopped lane go on; who says so and why is kept in the ledger.
///
/// # Errors
/// When there is no such lane, or the ledger does not answer.
pub async fn resume(
    store: &PostgresStore,
    processor: &str,
    lane: i32,
    asker: Asker<'_>,
) -> Result<Resumed, LedgerError> {
    let lanes = look::lanes(store, processor).await?;
    if !lanes.iter().any(|seen| seen.number == lane) {
        return Err(LedgerError::Unknown { processor: processor.to_owned(), lane });
    }
    let resumed = operate::resume(store, processor, lane, asker).await?;
    Ok(Resumed { processor: processor.to_owned(), lane, resumed })
}

fn lane(processor: &str, seen: LaneSeen) -> Lane {
    let state = match (&seen.stopped, &seen.owner) {
        (Some(_), _) => State::Stopped,
        (None, None) => State::Unowned,
        (None, Some(_)) => State::Works,
    };
    let (stopped_why, stopped_at) = seen.stopped.unzip();
    Lane {
        processor: processor.to_owned(),
        lane: seen.number,
        state,
        owner: seen.owner.map(|owner| owner.to_string()),
        epoch: seen.epoch,
        last_batch: seen.clock.to_string(),
        attempts: seen.attempts,
        stopped_at: stopped_at.map(|at| at.to_string()),
        stopped_why,
    }
}

impl Lanes {
    /// Whether every lane is worked.
    pub fn all_work(&self) -> bool {
        self.lanes.iter().all(|lane| lane.state == State::Works)
    }
}

impl fmt::Display for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.lanes.iter().map(|lane| {
            let why = match (&lane.stopped_at, &lane.stopped_why) {
                (Some(at), Some(why)) => format!("since {at}: {why}"),
                _ => String::new(),
            };
            let owner = lane.owner.clone().unwrap_or_else(|| "-".to_owned());
            let state = lane.state.as_str().to_owned();
            let [number, epoch, attempts] =
                [lane.lane.to_string(), lane.epoch.to_string(), lane.attempts.to_string()];
            [lane.processor.clone(), number, state, owner, epoch, lane.last_batch.clone(), attempts, why]
        });
        let heading = ["processor", "lane", "state", "owner", "epoch", "last batch", "attempts", "why"];
        table::write(f, heading, &rows.collect::<Vec<_>>())?;
        let of = |state| self.lanes.iter().filter(|lane| lane.state == state).count();
        let (stopped, unowned) = (of(State::Stopped), of(State::Unowned));
        write!(f, "{} lanes, {stopped} stopped, {unowned} unowned", self.lanes.len())
    }
}

impl fmt::Display for Resumed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, lane, resumed } = self;
        match resumed {
            true => write!(f, "lane {lane} of {processor} goes on; its owner takes it up within seconds"),
            false => write!(f, "lane {lane} of {processor} was not stopped; nothing was done"),
        }
    }
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "STOPPED",
            Self::Unowned => "UNOWNED",
            Self::Works => "works",
        }
    }
}
