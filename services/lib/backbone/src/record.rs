//! A record as the broker holds it: bytes in, bytes out, nothing decoded.
//!
//! Everything that crosses between Kafka and the core is one of these two, so that what parks keeps the very
//! bytes that came, and what is published is decided inside the transaction that recorded it.

use canon::time::Timestamp;
use std::collections::BTreeMap;

/// One record read from a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The topic's name, from the catalog.
    pub topic: &'static str,
    /// The partition; a lane reads the same one of every topic.
    pub partition: i32,
    /// The record's place in its partition.
    pub offset: i64,
    /// The broker's or the producer's time of the record.
    pub timestamp: Timestamp,
    /// The key's bytes: the text of a typed key, or nothing.
    pub key: Option<Vec<u8>>,
    /// The value's bytes in Confluent's wire format; nothing in a tombstone.
    pub value: Option<Vec<u8>>,
    /// Header names and values, in the order they were written.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Record {
    /// The value of the first header of this name, when it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(header, _)| header == name)?;
        std::str::from_utf8(value).ok()
    }

    /// Bytes held by key, value and headers: what a batch's size cap counts.
    pub fn size_bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.key.as_ref().map_or(0, Vec::len) + self.value.as_ref().map_or(0, Vec::len) + headers
    }
}

/// How far lanes have come, by processor and number: the sequence of a lane's last committed transaction.
pub type Marks = BTreeMap<(String, i32), i64>;

/// One record to be published by the relay, as it lies in the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutRecord {
    /// Its place in the outbox; within one key, sequence order is version order.
    pub seq: i64,
    /// The topic it goes to.
    pub topic: String,
    /// The partition, chosen when it was emitted (murmur2 of the key).
    pub partition: i32,
    /// The key's bytes.
    pub key: Vec<u8>,
    /// The value in Confluent's wire format; nothing is a tombstone.
    pub value: Option<Vec<u8>>,
    /// CloudEvents attributes and `traceparent`.
    pub headers: Vec<(String, Vec<u8>)>,
}
