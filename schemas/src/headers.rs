//! Metadata of a record: CloudEvents 1.0 in Kafka's binary mode, its extensions, and the trace it belongs to.
//!
//! Headers hold no patient data: tokens, names, counters and times only.

use crate::time::Timestamp;
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// Id of this revision of the fact.
pub const CE_ID: &str = "ce_id";
/// Who stated it.
pub const CE_SOURCE: &str = "ce_source";
/// The CloudEvents version, `1.0`.
pub const CE_SPECVERSION: &str = "ce_specversion";
/// The topic's name.
pub const CE_TYPE: &str = "ce_type";
/// When it happened by its source.
pub const CE_TIME: &str = "ce_time";
/// The key's text.
pub const CE_SUBJECT: &str = "ce_subject";
/// The count per topic and key, given by the topic's one producer.
pub const CE_VERSION: &str = "ce_version";
/// The count per fact.
pub const CE_REVISION: &str = "ce_revision";
/// The fact's name.
pub const CE_FACTNAME: &str = "ce_factname";
/// What began the chain of events that this one belongs to.
pub const CE_CORRELATIONID: &str = "ce_correlationid";
/// The event that caused this one.
pub const CE_CAUSATIONID: &str = "ce_causationid";
/// The facility it concerns.
pub const CE_FACILITY: &str = "ce_facility";
/// Where the source has it.
pub const CE_SOURCEREF: &str = "ce_sourceref";
/// Of a command: the moment of its lane at which it was given, for whoever gave it. No part of [`Headers`].
pub const CE_MOMENT: &str = "ce_moment";
/// The content type of the value.
pub const CONTENT_TYPE: &str = "content-type";
/// The trace, as W3C writes it.
pub const TRACEPARENT: &str = "traceparent";
/// What [`CONTENT_TYPE`] says: Avro in Confluent's wire format.
pub const AVRO: &str = "application/avro";

/// The metadata that travels in a record's headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headers {
    /// Id of this revision of the fact: [`crate::event_id`].
    pub id: Uuid,
    /// Who stated it: a service, or a sender behind it.
    pub source: String,
    /// The topic's name.
    pub r#type: String,
    /// When it happened by its source.
    pub time: Timestamp,
    /// The key's text.
    pub subject: String,
    /// Counts per topic and key from 1; `raw.*` has none.
    pub version: Option<i64>,
    /// Counts per fact from 1.
    pub revision: Option<u32>,
    /// The fact's name.
    pub factname: String,
    /// The event that began the chain.
    pub correlationid: Option<String>,
    /// The event that caused this one.
    pub causationid: Option<String>,
    /// The facility it concerns.
    pub facility: Option<String>,
    /// Where the source has it, e.g. topic, partition and offset.
    pub sourceref: Option<String>,
    /// The trace it belongs to.
    pub traceparent: Option<TraceParent>,
}

/// A record's headers are not those of this contract. Values are not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// A header that every record has is not there.
    #[error("header {0} is missing")]
    Missing(&'static str),
    /// A header's value cannot be read.
    #[error("header {0} cannot be read")]
    Unreadable(&'static str),
}

impl Headers {
    /// The headers of a record, ready for Kafka.
    pub fn to_pairs(&self) -> Vec<(String, Vec<u8>)> {
        let mut pairs = Pairs(Vec::with_capacity(15));
        pairs.put(CE_SPECVERSION, "1.0");
        pairs.put(CE_ID, self.id);
        pairs.put(CE_SOURCE, &self.source);
        pairs.put(CE_TYPE, &self.r#type);
        pairs.put(CE_TIME, self.time);
        pairs.put(CE_SUBJECT, &self.subject);
        pairs.put_some(CE_VERSION, self.version);
        pairs.put_some(CE_REVISION, self.revision);
        pairs.put(CE_FACTNAME, &self.factname);
        pairs.put_some(CE_CORRELATIONID, self.correlationid.as_ref());
        pairs.put_some(CE_CAUSATIONID, self.causationid.as_ref());
        pairs.put_some(CE_FACILITY, self.facility.as_ref());
        pairs.put_some(CE_SOURCEREF, self.sourceref.as_ref());
        pairs.put_some(TRACEPARENT, self.traceparent.as_ref());
        pairs.put(CONTENT_TYPE, AVRO);
        pairs.0
    }

    /// Reads a record's headers. Of a name that occurs twice the first counts; names not of ours are passed over;
    /// a trace that cannot be read is none, since tracing must not stop a record.
    ///
    /// # Errors
    /// When one that every record has is missing, or one cannot be read.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Self, HeaderError> {
        let found = Found(pairs.into_iter().collect());
        if found.text(CE_SPECVERSION)? != "1.0" {
            return Err(HeaderError::Unreadable(CE_SPECVERSION));
        }
        Ok(Self {
            id: found.value(CE_ID)?,
            source: found.value(CE_SOURCE)?,
            r#type: found.value(CE_TYPE)?,
            time: found.value(CE_TIME)?,
            subject: found.value(CE_SUBJECT)?,
            version: found.optional(CE_VERSION)?,
            revision: found.optional(CE_REVISION)?,
            factname: found.value(CE_FACTNAME)?,
            correlationid: found.optional(CE_CORRELATIONID)?,
            causationid: found.optional(CE_CAUSATIONID)?,
            facility: found.optional(CE_FACILITY)?,
            sourceref: found.optional(CE_SOURCEREF)?,
            traceparent: found.optional(TRACEPARENT).unwrap_or_default(),
        })
    }
}

/// A W3C trace context: which trace and which span caused this.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TraceParent {
    /// The trace; not zero.
    pub trace_id: u128,
    /// The span; not zero.
    pub span_id: u64,
    /// Bit 0: the trace is recorded.
    pub flags: u8,
}

/// A text is no trace context of W3C's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a traceparent of W3C's form")]
pub struct TraceParentError;

impl TraceParent {
    /// Whether whoever caused this records the trace.
    pub fn is_sampled(&self) -> bool {
        self.flags & 1 == 1
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

impl FromStr for TraceParent {
    type Err = TraceParentError;

    /// Versions later than 00 may append parts, which are passed over as the standard asks.
    fn from_str(text: &str) -> Result<Self, TraceParentError> {
        let mut parts = text.split('-');
        let mut part = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits).ok_or(TraceParentError)?;
            let lower = part.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
            if lower {
                u128::from_str_radix(part, 16).map_err(|_| TraceParentError)
            } else {
                Err(TraceParentError)
            }
        };
        let (version, trace_id, span_id, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        let more = parts.next().is_some();
        if version == 0xff || (version == 0 && more) || trace_id == 0 || span_id == 0 {
            return Err(TraceParentError);
        }
        Ok(Self { trace_id, span_id: span_id as u64, flags: flags as u8 })
    }
}

struct Pairs(Vec<(String, Vec<u8>)>);

impl Pairs {
    fn put(&mut self, name: &str, value: impl fmt::Display) {
        self.0.push((name.to_owned(), value.to_string().into_bytes()));
    }

    fn put_some(&mut self, name: &str, value: Option<impl fmt::Display>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }
}

struct Found<'a>(Vec<(&'a str, &'a [u8])>);

impl<'a> Found<'a> {
    fn text(&self, name: &'static str) -> Result<&'a str, HeaderError> {
        self.optional_text(name)?.ok_or(HeaderError::Missing(name))
    }

    fn optional_text(&self, name: &'static str) -> Result<Option<&'a str>, HeaderError> {
        match self.0.iter().find(|(header, _)| *header == name) {
            Some((_, value)) => {
                std::str::from_utf8(value).map(Some).map_err(|_| HeaderError::Unreadable(name))
            }
            None => Ok(None),
        }
    }

    fn value<T: FromStr>(&self, name: &'static str) -> Result<T, HeaderError> {
        self.text(name)?.parse().map_err(|_| HeaderError::Unreadable(name))
    }

    fn optional<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, HeaderError> {
        let text = self.optional_text(name)?;
        text.map(str::parse).transpose().map_err(|_| HeaderError::Unreadable(name))
    }
}
