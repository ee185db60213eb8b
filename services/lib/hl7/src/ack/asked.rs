//! What a sender asks to be answered: original mode, or enhanced by MSH-15 and MSH-16 (table 0155).

use super::AckCode;
use crate::message::{Message, Presence, Value};

/// When an acknowledgement is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `AL`; also what is not in the table, since an answer too many is seen and one too few is waited for.
    Always,
    /// `NE`
    Never,
    /// `ER`
    OnError,
    /// `SU`
    OnSuccess,
}

/// What became of a message, as its sender is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is taken over.
    Accepted,
    /// It is not; it may be sent again.
    Failed,
    /// It is of no use as it is.
    Refused,
}

/// Which answers a message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// One answer: AA, AE or AR.
    Original,
    /// The accept acknowledgement (CA, CE or CR), then the application's.
    Enhanced {
        /// MSH-15.
        accept: Condition,
        /// MSH-16.
        application: Condition,
    },
}

impl Asked {
    /// What the message itself asks for: enhanced mode where MSH-15 or MSH-16 has a value; the one that has none then
    /// asks for nothing.
    #[must_use]
    pub fn by(message: &Message<'_>) -> Self {
        let [accept, application] = [15, 16].map(|number| Condition::of(*message.header().field(number)));
        match (accept, application) {
            (None, None) => Self::Original,
            _ => Self::Enhanced {
                accept: accept.unwrap_or(Condition::Never),
                application: application.unwrap_or(Condition::Never),
            },
        }
    }

    /// What it asks for where enhanced mode is agreed upon whatever it says: an accept acknowledgement, then.
    #[must_use]
    pub fn enhanced_by(message: &Message<'_>) -> Self {
        match Self::by(message) {
            Self::Original => Self::Enhanced { accept: Condition::Always, application: Condition::Never },
            asked @ Self::Enhanced { .. } => asked,
        }
    }

    /// The codes to answer with, in order; none where the sender wants to hear nothing of this. What was said to be
    /// not accepted has no application's answer behind it.
    #[must_use]
    pub fn codes(self, verdict: Verdict) -> Vec<AckCode> {
        let (commit, said) = match verdict {
            Verdict::Accepted => (AckCode::CommitAccept, AckCode::ApplicationAccept),
            Verdict::Failed => (AckCode::CommitError, AckCode::ApplicationError),
            Verdict::Refused => (AckCode::CommitReject, AckCode::ApplicationReject),
        };
        let Self::Enhanced { accept, application } = self else { return vec![said] };
        let (accept, application) = (accept.holds(verdict), application.holds(verdict));
        let is_last = accept && verdict != Verdict::Accepted;
        let commit = accept.then_some(commit);
        commit.into_iter().chain((application && !is_last).then_some(said)).collect()
    }
}

impl Condition {
    /// MSH-15 or MSH-16; nothing where it has no value.
    fn of(value: Value<'_>) -> Option<Self> {
        if value.presence() != Presence::Value {
            return None;
        }
        Some(match value.raw() {
            b"NE" => Self::Never,
            b"ER" => Self::OnError,
            b"SU" => Self::OnSuccess,
            _ => Self::Always,
        })
    }

    fn holds(self, verdict: Verdict) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::OnError => verdict != Verdict::Accepted,
            Self::OnSuccess => verdict == Verdict::Accepted,
        }
    }
}
