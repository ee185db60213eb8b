//! After a ledger went back in time: what it lacks is taken over from what was published from it.
//!
//! Consumes the service's own output topics, from their beginning; gives the latest revision of every fact, and the
//! highest version of every key. [`Recover::recover`] writes into the ledger what of it is newer there, drops rows of the
//! outbox that are published already, and moves the lanes past what they had published. Then the service goes on from
//! its older positions: what it states again with the same content is known and published no second time, other content
//! is the next revision under the next version.

use crate::contract::Schemas;
use crate::emission::{CounterKey, Emitted, Origin};
use crate::moment::Moment;
use crate::record::{Marks, OutRecord, Record};
use crate::reject::Reject;
use crate::store::StoreError;
use canon::Name;
use canon::event::{Change, ContentHash, ContentHasher, Event};
use canon::headers::{CE_MOMENT, Headers};
use std::collections::{BTreeMap, HashMap, HashSet};
use uuid::Uuid;

/// Stands as the processor of a fact that was taken over and has not been stated again since.
pub(crate) const TAKEN_OVER: &str = "taken over";

/// How the reason of a lane begins that was stopped since its ledger went back.
pub const BEHIND: &str = "the ledger is older than what was published from it, so PostgreSQL went back in time; \
    run `vertebra recover` for this service";

/// What a lane of a sink is stopped for once its ledger was recovered.
pub(crate) const GATED: &str = "the ledger was recovered, and effects that it had forgotten would be tried again: look \
    what became of them, then `vertebra lanes resume`";

/// How a topic's values are read.
#[derive(Clone, Copy)]
pub struct Reading {
    /// The topic.
    pub topic: &'static str,
    content: Content,
}

/// A value's content, and whether it withdraws the fact.
type Content = fn(&[u8], &Schemas) -> Result<(ContentHash, bool), Reject>;

impl Reading {
    /// As values of this event.
    pub fn of<E: Event>() -> Self {
        Self { topic: E::TOPIC, content: content::<E> }
    }
}

fn content<E: Event>(wire: &[u8], schemas: &Schemas) -> Result<(ContentHash, bool), Reject> {
    let event: E = schemas.decode(wire)?;
    let mut hasher = ContentHasher::new();
    event.content(&mut hasher);
    Ok((hasher.finish(), event.change() == Change::Withdrawn))
}

/// What a service's output topics say of its ledger.
#[derive(Debug, Default)]
pub struct Found {
    service: String,
    facts: HashMap<Uuid, Emitted>,
    versions: BTreeMap<CounterKey, i64>,
    /// When commands were given, as [`Moment`] is written.
    moments: HashMap<Uuid, String>,
    /// Of every record that was published.
    ids: HashSet<Uuid>,
    /// Records of the service that were looked at.
    pub records: u64,
    /// Records whose headers or value could not be read: what they state counts as another content.
    pub unread: u64,
}

impl Found {
    /// Nothing yet, of this service.
    pub fn of(service: &str) -> Self {
        Self { service: service.to_owned(), ..Self::default() }
    }

    /// Takes in a record of an output topic; those of a partition in their order. Records of other services are passed
    /// over.
    pub fn see(&mut self, reading: &Reading, schemas: &Schemas, record: &Record) {
        let pairs = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        let Ok(headers) = Headers::from_pairs(pairs) else {
            self.unread += 1;
            return;
        };
        if headers.source != self.service {
            return;
        }
        self.records += 1;
        self.ids.insert(headers.id);
        let (Some(version), Some(revision), Ok(name)) =
            (headers.version, headers.revision, headers.factname.parse::<Name>())
        else {
            self.unread += 1;
            return;
        };
        let latest = self.versions.entry((record.topic.to_owned(), headers.subject.clone())).or_insert(0);
        *latest = version.max(*latest);
        let fact = name.fact_id(reading.topic);
        // Published twice, or out of the way of a newer one.
        if self.facts.get(&fact).is_some_and(|known| known.version >= version) {
            return;
        }
        let (content, withdrawn) = match record.value.as_deref() {
            // What was withdrawn is asked by nobody: stated again, it is a further revision in any case.
            None => (UNKNOWN, true),
            Some(wire) => (reading.content)(wire, schemas).unwrap_or_else(|_| {
                self.unread += 1;
                (UNKNOWN, false)
            }),
        };
        let row = Emitted {
            fact,
            name: headers.factname,
            topic: record.topic.to_owned(),
            key: headers.subject,
            revision,
            version,
            content,
            withdrawn,
            wire: record.value.clone().unwrap_or_default(),
            origin: Some(Origin {
                processor: TAKEN_OVER.to_owned(),
                topic: record.topic.to_owned(),
                partition: record.partition,
                offset: record.offset,
            }),
        };
        self.facts.insert(fact, row);
        // One that cannot be read is none: what was given then is found where its lane comes to it.
        let moment = moment(&record.headers).and_then(|value| std::str::from_utf8(value).ok());
        let moment = moment.filter(|text| text.parse::<Moment>().is_ok());
        self.moments.extend(moment.map(|text| (fact, text.to_owned())));
    }

    /// The moments at which commands were given.
    pub(crate) fn moments(&self) -> impl Iterator<Item = (Uuid, &str)> {
        self.moments.iter().map(|(fact, moment)| (*fact, moment.as_str()))
    }

    /// The latest revision of every fact that was published.
    pub(crate) fn facts(&self) -> impl Iterator<Item = &Emitted> {
        self.facts.values()
    }

    /// The highest version of every key that was published.
    pub(crate) fn versions(&self) -> impl Iterator<Item = (&CounterKey, i64)> {
        self.versions.iter().map(|(key, version)| (key, *version))
    }

    /// What becomes of the outbox, given in its order: what was published is dropped. Where versions that wait were given to
    /// other facts and published, whatever waits of that key gets further ones, in its order: else readers would drop it.
    pub(crate) fn sift(&self, outbox: Vec<OutRecord>) -> Sifted {
        let mut sifted = Sifted::default();
        let mut waiting: BTreeMap<CounterKey, Vec<(OutRecord, Headers)>> = BTreeMap::new();
        for row in outbox {
            let pairs = row.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
            let Ok(headers) = Headers::from_pairs(pairs) else { continue };
            // Of a compacted topic an older revision may be gone that was published.
            let fact = headers.factname.parse::<Name>().map(|name| name.fact_id(&row.topic));
            let latest = fact.ok().and_then(|fact| self.facts.get(&fact)).map(|latest| latest.revision);
            let is_past =
                latest.is_some_and(|latest| headers.revision.is_some_and(|revision| latest >= revision));
            match is_past || self.ids.contains(&headers.id) {
                true => sifted.sent.push(row.seq),
                false => {
                    let key = (row.topic.clone(), headers.subject.clone());
                    waiting.entry(key).or_default().push((row, headers));
                }
            }
        }
        for (key, rows) in waiting {
            let latest = self.versions.get(&key).copied().unwrap_or(0);
            if rows.iter().all(|(_, headers)| headers.version.is_some_and(|version| version > latest)) {
                continue;
            }
            let mut version = latest;
            for (row, mut headers) in rows {
                version += 1;
                headers.version = Some(version);
                let fact = headers.factname.parse::<Name>().map(|name| name.fact_id(&row.topic));
                let (seq, mut pairs, revision) = (row.seq, headers.to_pairs(), headers.revision.unwrap_or(1));
                pairs.extend(moment(&row.headers).map(|value| (CE_MOMENT.to_owned(), value.to_vec())));
                sifted.moved.extend(fact.ok().map(|fact| Moved {
                    seq,
                    headers: pairs,
                    fact,
                    revision,
                    version,
                }));
            }
            sifted.counters.push((key, version));
        }
        sifted
    }
}

/// The moment at which a record's command was given.
fn moment(headers: &[(String, Vec<u8>)]) -> Option<&[u8]> {
    headers.iter().find(|(name, _)| name == CE_MOMENT).map(|(_, value)| value.as_slice())
}

/// What becomes of an outbox.
#[derive(Debug, Default)]
pub(crate) struct Sifted {
    /// Rows that were published.
    pub(crate) sent: Vec<i64>,
    /// Rows that were not, and get another version.
    pub(crate) moved: Vec<Moved>,
    /// The counters after that.
    pub(crate) counters: Vec<(CounterKey, i64)>,
}

/// A row of the outbox under another version.
#[derive(Debug)]
pub(crate) struct Moved {
    pub(crate) seq: i64,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) fact: Uuid,
    pub(crate) revision: u32,
    pub(crate) version: i64,
}

const UNKNOWN: ContentHash = ContentHash([0; 16]);

impl Emitted {
    /// Whether it was taken over from what was published, and was not stated again since.
    pub(crate) fn is_taken_over(&self) -> bool {
        self.origin.as_ref().is_some_and(Origin::is_taken_over)
    }
}

impl Origin {
    /// Whether no record is known that stated the fact: it was taken over from what was published.
    pub(crate) fn is_taken_over(&self) -> bool {
        self.processor == TAKEN_OVER
    }
}

/// What became of a ledger, or would.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Facts that were published in a later revision than the ledger knew.
    pub facts: u64,
    /// Keys that had been given later versions than the ledger knew.
    pub keys: u64,
    /// Rows of the outbox that are published already.
    pub outbox: u64,
    /// Lanes that had come further than the ledger knew: how far it says, and how far they had.
    pub lanes: BTreeMap<(String, i32), (i64, i64)>,
    /// Lanes of sinks, which wait for a person now.
    pub gated: Vec<(String, i32)>,
}

impl Recovered {
    /// Whether the ledger had forgotten anything.
    pub fn is_behind(&self) -> bool {
        self.facts > 0 || self.keys > 0 || !self.lanes.is_empty()
    }
}

/// A ledger that takes over what it lacks.
pub trait Recover {
    /// In one transaction, and not at all when it is only asked what would be done: takes over what was published, moves
    /// every lane past what it had published, and lets all lanes and shards go, so that they are taken anew. Lanes of
    /// sinks are stopped. A ledger that lacks nothing is left as it is.
    fn recover(
        &self,
        found: &Found,
        published: &Marks,
        how: How<'_>,
    ) -> impl Future<Output = Result<Recovered, StoreError>> + Send;
}

/// How a ledger is recovered.
#[derive(Clone, Copy, Debug)]
pub enum How<'a> {
    /// Only told, and nothing changed.
    DryRun,
    /// Done, and kept who had it done and why.
    Done {
        /// A person's name.
        by: &'a str,
        /// The reason, in words.
        because: &'a str,
    },
}
