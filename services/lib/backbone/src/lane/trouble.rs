//! What interrupts a lane, and why its loop ended.

use crate::edge::BrokerError;
use crate::guard::{Behind, Doubt};
use crate::program::StateError;
use crate::store::StoreError;

/// Why a lane's loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// It was asked to.
    Drained,
    /// Another one owns the lane.
    Lost,
}

/// What interrupts a turn.
#[derive(Debug)]
pub(crate) enum Trouble {
    Store(StoreError),
    Broker(BrokerError),
    State(StateError),
    /// The ledger went back in time.
    Behind(Behind),
    /// The effect's receiver cannot take it now.
    Effect(crate::sink::Unavailable),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<BrokerError> for Trouble {
    fn from(error: BrokerError) -> Self {
        Self::Broker(error)
    }
}

impl From<Doubt> for Trouble {
    fn from(doubt: Doubt) -> Self {
        match doubt {
            Doubt::Store(error) => Self::Store(error),
            Doubt::Broker(error) => Self::Broker(error),
            Doubt::Behind(behind) => Self::Behind(behind),
        }
    }
}

impl From<StateError> for Trouble {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (what, error) = self.what();
        write!(f, "{what}: {error}")
    }
}

impl Trouble {
    pub(crate) fn what(&self) -> (&'static str, &(dyn std::error::Error + 'static)) {
        match self {
            Self::Store(error) => ("postgres", error),
            Self::Broker(error) => ("kafka", error),
            Self::State(error) => ("state", error),
            Self::Behind(error) => ("ledger", error),
            Self::Effect(error) => ("effect", error),
        }
    }
}
