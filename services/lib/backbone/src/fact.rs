//! A fact as a fold sees it: the decoded body with the metadata that travelled in its headers.

use crate::record::Record;
use crate::reject::{Reason, Reject};
use canon::event::Event;
use canon::headers::Headers;
use canon::time::Timestamp;
use uuid::Uuid;

/// One fact read from a topic, decoded to the compiled schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact<E: Event> {
    /// What is stated.
    pub body: E,
    /// The key it was published under.
    pub key: E::Key,
    /// The CloudEvents attributes it came with.
    pub headers: Headers,
    /// When it happened by its source (`ce_time`).
    pub time: Timestamp,
    /// How many *other* facts of the same name were seen before it; only topics without versions (`raw.*`) can have
    /// any: a sender that used one control id for two different messages.
    pub homonyms: u32,
}

/// What the runtime reads of a record before anything is decoded.
#[derive(Clone, Debug)]
pub(crate) struct Meta {
    pub(crate) headers: Headers,
    pub(crate) key: String,
}

impl Meta {
    /// Reads key and headers of a record.
    ///
    /// # Errors
    /// A record without a text key or without our CloudEvents attributes was not written by a producer of this
    /// contract; it is parked alone, since it cannot be known whose order it belongs to.
    pub(crate) fn of(record: &Record) -> Result<Self, Reject> {
        let key = record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
        let key = key.ok_or_else(|| Reject::alone(Reason::Envelope, "the record has no text key"))?;
        // PostgreSQL's text cannot hold it: such a key could never be stored, and would hold its lane for ever.
        if key.contains('\0') {
            return Err(Reject::alone(Reason::Envelope, "the key holds a NUL"));
        }
        let pairs = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        let headers = Headers::from_pairs(pairs)
            .map_err(|error| Reject::alone(Reason::Envelope, format!("headers cannot be read: {error}")))?;
        if headers.factname.contains('\0') {
            return Err(Reject::alone(Reason::Envelope, "the fact's name holds a NUL"));
        }
        Ok(Self { headers, key: key.to_owned() })
    }

    /// The fact's identity across revisions, for topics whose facts have no version.
    pub(crate) fn identity(&self) -> (String, Uuid) {
        (self.headers.factname.clone(), self.headers.id)
    }
}
