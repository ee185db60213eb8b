//! Why an input is parked: a class for metrics, words for people, and whether its key waits.

use serde::Serialize;
use std::fmt;

/// Why an input is parked. The class is a metric's label; the text is for people and holds no patient data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct Reject {
    /// The class.
    pub reason: Reason,
    /// What is wrong, in words that name fields and positions, never values.
    pub detail: String,
    /// Whether later inputs of the key park behind it.
    pub blocks_key: bool,
    /// The table rows of which any that comes releases it.
    pub waits_for: Vec<Waits>,
}

/// A row of a table that is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waits {
    /// The table's topic.
    pub topic: String,
    /// The row's key.
    pub key: String,
}

impl Reject {
    /// Parks the input, and later inputs of its key behind it.
    pub fn new(reason: Reason, detail: impl fmt::Display) -> Self {
        Self { reason, detail: detail.to_string(), blocks_key: true, waits_for: Vec::new() }
    }

    /// The same, released as well by what another one waits for: a code that is neither mapped nor an item waits for
    /// either.
    #[must_use]
    pub fn or(mut self, other: impl Into<Self>) -> Self {
        self.waits_for.extend(other.into().waits_for);
        self
    }

    /// Parks the input and nobody else: for what cannot be attributed to a key, an unreadable message.
    pub fn alone(reason: Reason, detail: impl fmt::Display) -> Self {
        Self { reason, detail: detail.to_string(), blocks_key: false, waits_for: Vec::new() }
    }
}

/// The class of a [`Reject`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// An earlier input of the same key is parked.
    Behind,
    /// What the input says contradicts what is known.
    Conflict,
    /// The process died three times over this input.
    Crash,
    /// The value cannot be decoded to the compiled schema.
    Decode,
    /// A deadline, while records are read again, of a command that was given at a later moment, or with more in it: it fires there,
    /// or when all has been read. Nothing is parked for it.
    Early,
    /// Odoo, or whoever received the effect, shows something else than what we wrote.
    Diverged,
    /// An emitted event cannot be encoded, or is too large.
    Encode,
    /// The record lacks key or headers of this contract.
    Envelope,
    /// A table's row that it needs was taken back; it waits for that row.
    Gone,
    /// The content cannot be read: bad numbers, dates, missing fields.
    Invalid,
    /// It had taken effect, and the receiver has forgotten it: a person said so, and it waits to be carried out once more.
    Lost,
    /// A table has no row that it needs; it waits for that row.
    Missing,
    /// The fold panicked over it.
    Panic,
    /// The receiver refused the effect as bad data.
    Refused,
    /// A revision of an immutable command.
    Revision,
    /// What the input asks for is not supported yet.
    Unsupported,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Reason {
    /// Whether the input itself is wrong: what only waits for another input, for a table's row
    /// or for a person's word is not.
    pub(crate) fn is_the_inputs_fault(self) -> bool {
        !matches!(self, Self::Behind | Self::Gone | Self::Lost | Self::Missing)
    }

    /// The class as a metric's label and a column's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Behind => "behind",
            Self::Conflict => "conflict",
            Self::Crash => "crash",
            Self::Decode => "decode",
            Self::Early => "early",
            Self::Diverged => "diverged",
            Self::Encode => "encode",
            Self::Envelope => "envelope",
            Self::Gone => "gone",
            Self::Invalid => "invalid",
            Self::Lost => "lost",
            Self::Missing => "missing",
            Self::Panic => "panic",
            Self::Refused => "refused",
            Self::Revision => "revision",
            Self::Unsupported => "unsupported",
        }
    }
}
