//! What an event is: a statement of fact or a command, of one topic, with an identity and a content.

use crate::key::Key;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::{self, Debug, Display};
use std::str::FromStr;
use uuid::Uuid;

/// A record of a topic of the contract. Implementations are generated from the `.avsc` files.
pub trait Event: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The topic, by its name in `catalog.yaml`.
    const TOPIC: &'static str;
    /// The Avro schema that this type writes, as JSON.
    const SCHEMA: &'static str;
    /// What the topic is keyed by.
    type Key: Key;

    /// What the record says has happened to the fact. Topics without a `change` field only record.
    fn change(&self) -> Change;

    /// Sets the `change` field; nothing happens on topics that have none.
    fn mark(&mut self, change: Change);

    /// Feeds what is stated: fields and values, without `change` and without what equals its schema's default, so
    /// that a field added later leaves the contents of older facts as they were.
    fn content(&self, hasher: &mut ContentHasher);
}

/// What a record says has happened to its fact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Stated for the first time.
    Recorded,
    /// Stated again with another content.
    Corrected,
    /// Taken back.
    Withdrawn,
    /// A change that this build does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

/// The hash of an event's content: equal hashes mean that there is nothing new to say.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub [u8; 16]);

impl ContentHash {
    /// The hash of an event's content.
    pub fn of<E: Event>(event: &E) -> Self {
        let mut hasher = ContentHasher::new();
        event.content(&mut hasher);
        hasher.finish()
    }
}

impl Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

/// Takes an event's fields in the order of the schema and makes a truncated SHA-256 of them.
#[derive(Clone, Debug, Default)]
pub struct ContentHasher {
    hash: Sha256,
}

impl ContentHasher {
    /// Nothing fed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One field, by the name it was first released with.
    pub fn field(&mut self, name: &str, value: &impl Content) {
        self.leaf(b'f', name.as_bytes());
        value.feed(self);
    }

    /// The hash of what was fed.
    pub fn finish(self) -> ContentHash {
        let digest = self.hash.finalize();
        let mut hash = [0; 16];
        hash.copy_from_slice(&digest[..16]);
        ContentHash(hash)
    }

    /// A kind and bytes preceded by their length, so that no two contents feed the same bytes.
    fn leaf(&mut self, kind: u8, bytes: &[u8]) {
        self.hash.update([kind]);
        self.hash.update((bytes.len() as u64).to_be_bytes());
        self.hash.update(bytes);
    }
}

/// A value that can be part of an event's content.
pub trait Content {
    /// Feeds the value. Whatever means the same feeds the same: integers by value, enums by symbol, decimals by text.
    fn feed(&self, hasher: &mut ContentHasher);
}

/// Feeds a record inside a record: its fields between a beginning and an end.
pub fn feed_record(hasher: &mut ContentHasher, fields: impl FnOnce(&mut ContentHasher)) {
    hasher.leaf(b'{', b"");
    fields(hasher);
    hasher.leaf(b'}', b"");
}

/// Feeds a value by its text.
pub fn feed_text(hasher: &mut ContentHasher, text: &str) {
    hasher.leaf(b's', text.as_bytes());
}

impl Content for String {
    fn feed(&self, hasher: &mut ContentHasher) {
        feed_text(hasher, self);
    }
}

impl Content for bool {
    fn feed(&self, hasher: &mut ContentHasher) {
        hasher.leaf(b'b', &[u8::from(*self)]);
    }
}

impl Content for i32 {
    fn feed(&self, hasher: &mut ContentHasher) {
        i64::from(*self).feed(hasher);
    }
}

impl Content for i64 {
    fn feed(&self, hasher: &mut ContentHasher) {
        hasher.leaf(b'i', &self.to_be_bytes());
    }
}

impl Content for [u8] {
    fn feed(&self, hasher: &mut ContentHasher) {
        hasher.leaf(b'x', self);
    }
}

impl Content for Vec<u8> {
    fn feed(&self, hasher: &mut ContentHasher) {
        self.as_slice().feed(hasher);
    }
}

impl<const N: usize> Content for [u8; N] {
    fn feed(&self, hasher: &mut ContentHasher) {
        self.as_slice().feed(hasher);
    }
}

impl Content for crate::Timestamp {
    fn feed(&self, hasher: &mut ContentHasher) {
        self.0.feed(hasher);
    }
}

impl Content for crate::Date {
    fn feed(&self, hasher: &mut ContentHasher) {
        self.0.feed(hasher);
    }
}

impl<const P: u32, const S: u32> Content for crate::Fixed<P, S> {
    fn feed(&self, hasher: &mut ContentHasher) {
        feed_text(hasher, &self.to_string());
    }
}

impl Content for Uuid {
    fn feed(&self, hasher: &mut ContentHasher) {
        feed_text(hasher, &self.to_string());
    }
}

impl<T: Content> Content for crate::Phi<T> {
    fn feed(&self, hasher: &mut ContentHasher) {
        self.0.feed(hasher);
    }
}

impl<T: Content> Content for Option<T> {
    fn feed(&self, hasher: &mut ContentHasher) {
        match self {
            Some(value) => value.feed(hasher),
            None => hasher.leaf(b'n', b""),
        }
    }
}

/// A list of records.
impl<T: Content> Content for &[T] {
    fn feed(&self, hasher: &mut ContentHasher) {
        hasher.leaf(b'[', &(self.len() as u64).to_be_bytes());
        for item in *self {
            item.feed(hasher);
        }
    }
}

/// A fact's name: a kind and parts that its source or its author gives. Built of tokens and source ids, never of
/// patient data. Same name, same fact: what is stated under it again is a revision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Name(String);

/// A text is no fact's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a fact's name of the form kind/part/part")]
pub struct NameError;

impl Name {
    /// A name of a kind and parts. The text is `kind/part/part`; `/` and `%` within a part are escaped.
    pub fn new<P: AsRef<str>>(kind: &str, parts: &[P]) -> Self {
        let mut text = kind.replace('%', "%25").replace('/', "%2F");
        for part in parts {
            text.push('/');
            text.push_str(&part.as_ref().replace('%', "%25").replace('/', "%2F"));
        }
        Self(text)
    }

    /// The text, as the header `ce_factname` carries it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The fact's identity within a topic: a UUIDv5, the same everywhere and for ever.
    pub fn fact_id(&self, topic: &str) -> Uuid {
        let topic = Uuid::new_v5(&FACTS, topic.as_bytes());
        Uuid::new_v5(&topic, self.0.as_bytes())
    }
}

impl Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let kind = text.split('/').next().unwrap_or_default();
        if kind.is_empty() { Err(NameError) } else { Ok(Self(text.to_owned())) }
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::serial::parsed(deserializer)
    }
}

/// The id of one revision of a fact (`ce_id`): a UUIDv5 of the two. Revisions count from 1.
pub fn event_id(fact: Uuid, revision: u32) -> Uuid {
    Uuid::new_v5(&fact, revision.to_string().as_bytes())
}

/// The namespace of every fact of every installation; drawn once.
const FACTS: Uuid = Uuid::from_u128(0x6f0c_6a54_93c1_4f8e_a2d7_5b1e_9f3c_7d20);
