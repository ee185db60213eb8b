//! Emission by name: from what a fold said to rows of the outbox.
//!
//! A fold states facts under names. Whether that is news is decided here, against the emission ledger, while the
//! counters of the keys concerned are locked: the same content again is nothing, other content is a revision, a
//! revision of a command is refused. Versions count per topic and key without gaps.

use crate::contract::{Contract, Schemas};
use crate::mutant::{self, Mutant};
use crate::record::{OutRecord, Record};
use crate::reject::{Reason, Reject};
use crate::store::LaneId;
use canon::codec;
use canon::event::{Change, ContentHash, ContentHasher, Event, Name, event_id};
use canon::headers::{CE_MOMENT, Headers};
use canon::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use uuid::Uuid;

/// What one input made its fold say.
#[derive(Default)]
pub(crate) struct Outbox {
    pub(crate) drafts: Vec<Draft>,
    pub(crate) wake: Option<Timestamp>,
}

impl Outbox {
    pub(crate) fn push(&mut self, draft: Draft) {
        self.drafts.push(draft);
    }
}

/// One statement or withdrawal, not yet held against the ledger.
pub(crate) struct Draft {
    pub(crate) fact: Uuid,
    pub(crate) name: String,
    pub(crate) topic: &'static str,
    pub(crate) key: String,
    saying: Saying,
}

enum Saying {
    Stated(Box<dyn Stated>),
    Withdrawn(Remark),
    /// What a rebuild states, as its ledger has it.
    Adopted(Box<Emitted>, Remark),
    /// A command that should have been another one: what is in force from now on. Nothing is published of it.
    Amended(Box<Emitted>),
}

/// Marks a wire form with a change: decode with its writer's schema, mark, encode with ours.
pub(crate) type Remark = fn(&[u8], Change, &Schemas, u32) -> Result<Vec<u8>, Reject>;

trait Stated: Send + Sync {
    fn content(&self) -> ContentHash;
    fn wire(&self, change: Change, schema_id: u32) -> Result<Vec<u8>, Reject>;
}

impl<E: Event> Stated for E {
    fn content(&self) -> ContentHash {
        let mut hasher = ContentHasher::new();
        Event::content(self, &mut hasher);
        hasher.finish()
    }

    fn wire(&self, change: Change, schema_id: u32) -> Result<Vec<u8>, Reject> {
        let mut marked = self.clone();
        marked.mark(change);
        codec::encode(schema_id, &marked)
            .map_err(|error| Reject::new(Reason::Encode, format!("{} cannot be encoded: {error}", E::TOPIC)))
    }
}

impl Draft {
    pub(crate) fn emit<E: Event>(name: Name, key: &E::Key, event: E) -> Self {
        Self::new::<E>(name, key, Saying::Stated(Box::new(event)))
    }

    pub(crate) fn retract<E: Event>(name: Name, key: &E::Key) -> Self {
        Self::new::<E>(name, key, Saying::Withdrawn(mark::<E>))
    }

    /// Takes back what the ledger has.
    pub(crate) fn withdrawal(row: &Emitted, topic: &'static str, by: Remark) -> Self {
        Self::withdrawing(row.fact, row.name.clone(), topic, row.key.clone(), by)
    }

    /// Takes back what the ledger knows, where the event's type is known no more.
    pub(crate) fn withdrawing(
        fact: Uuid,
        name: String,
        topic: &'static str,
        key: String,
        by: Remark,
    ) -> Self {
        Self { fact, name, topic, key, saying: Saying::Withdrawn(by) }
    }

    /// States what a rebuild's ledger has.
    pub(crate) fn adopt(row: Emitted, topic: &'static str, by: Remark) -> Self {
        let (fact, name, key) = (row.fact, row.name.clone(), row.key.clone());
        Self { fact, name, topic, key, saying: Saying::Adopted(Box::new(row), by) }
    }

    /// What the ledger keeps in the place of a further revision.
    pub(crate) fn amend(&mut self, row: Emitted) {
        self.saying = Saying::Amended(Box::new(row));
    }

    pub(crate) fn is_statement(&self) -> bool {
        matches!(self.saying, Saying::Stated(_) | Saying::Adopted(..))
    }

    fn new<E: Event>(name: Name, key: &E::Key, saying: Saying) -> Self {
        let fact = name.fact_id(E::TOPIC);
        Self { fact, name: name.to_string(), topic: E::TOPIC, key: key.to_string(), saying }
    }
}

pub(crate) fn mark<E: Event>(
    wire: &[u8],
    change: Change,
    schemas: &Schemas,
    schema_id: u32,
) -> Result<Vec<u8>, Reject> {
    let event: E = schemas.decode(wire)?;
    event.wire(change, schema_id)
}

/// What led to a statement: copied into its headers, never part of its content.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cause {
    pub(crate) causation: Option<Uuid>,
    pub(crate) correlation: Option<String>,
    pub(crate) facility: Option<String>,
    pub(crate) source_ref: Option<String>,
    pub(crate) traceparent: Option<canon::headers::TraceParent>,
    pub(crate) origin: Option<Origin>,
    /// Of a command: [`crate::Moment`].
    pub(crate) moment: Option<String>,
}

/// The record that a fact was last stated for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Who folded it.
    pub processor: String,
    /// The record's topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

impl Origin {
    /// Of what a deadline made a lane's fold say: there is no record.
    pub(crate) fn of_lane(lane: LaneId) -> Self {
        let (processor, topic) = (lane.processor.to_owned(), String::new());
        Self { processor, topic, partition: lane.number, offset: 0 }
    }
}

impl Cause {
    /// The cause that a fact is for what is made of it.
    pub(crate) fn of(headers: &Headers) -> Self {
        Self {
            causation: Some(headers.id),
            correlation: headers.correlationid.clone().or_else(|| Some(headers.id.to_string())),
            facility: headers.facility.clone(),
            source_ref: headers.sourceref.clone(),
            traceparent: headers.traceparent.clone(),
            origin: None,
            moment: None,
        }
    }

    /// The cause that a record is for what a processor makes of it.
    pub(crate) fn record(processor: &str, headers: &Headers, record: &Record) -> Self {
        let origin = Origin {
            processor: processor.to_owned(),
            topic: record.topic.to_owned(),
            partition: record.partition,
            offset: record.offset,
        };
        Self { origin: Some(origin), ..Self::of(headers) }
    }
}

/// A fact's latest revision in the emission ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct Emitted {
    /// The fact: UUIDv5 of topic and name.
    pub fact: Uuid,
    /// The name its author gave it.
    pub name: String,
    /// Its topic.
    pub topic: String,
    /// Its key, the same for life.
    pub key: String,
    /// How many revisions there are; of a command, of which only the first is published, how many contents were in force.
    pub revision: u32,
    /// The version its latest revision has among the key's.
    pub version: i64,
    /// The latest content; of a withdrawn fact the one that was withdrawn.
    pub content: ContentHash,
    /// Whether the latest revision withdrew it.
    pub withdrawn: bool,
    /// The latest wire form, kept to be able to withdraw it.
    pub wire: Vec<u8>,
    /// The record whose fold stated or withdrew it last, without a topic for what a deadline did; nothing for what an author made
    /// of a command that should have been another one.
    pub origin: Option<Origin>,
}

/// A (topic, key) whose versions are counted together.
pub(crate) type CounterKey = (String, String);

/// A batch's statements held against the ledger, ready to be written.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    pub(crate) emitted: Vec<Emitted>,
    pub(crate) counters: Vec<(CounterKey, i64)>,
    pub(crate) outbox: Vec<OutRecord>,
    /// Facts that were stated again as they were taken over.
    pub(crate) restated: BTreeSet<Uuid>,
}

/// One input's statement could not be accepted: the input is rejected and the batch folded again without it.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) input: usize,
    pub(crate) fact: Uuid,
    pub(crate) reject: Reject,
}

/// Everything a batch said, each with the index of the input that said it.
pub(crate) struct Said {
    pub(crate) input: usize,
    pub(crate) draft: Draft,
    pub(crate) cause: Cause,
}

/// Decides what is news. `counters` and `emitted` are the ledger's rows, read under the counters' locks.
pub(crate) fn resolve(
    said: &[Said],
    counters: &BTreeMap<CounterKey, i64>,
    emitted: HashMap<Uuid, Emitted>,
    at: &Desk<'_>,
) -> Result<Resolved, Refusal> {
    let mut ledger = emitted;
    let mut versions: BTreeMap<CounterKey, i64> = counters.clone();
    let mut touched = Touched::default();
    let (mut outbox, mut restated) = (Vec::new(), BTreeSet::new());
    for Said { input, draft, cause } in said {
        let refuse = |reject| Refusal { input: *input, fact: draft.fact, reject };
        let before = ledger.get(&draft.fact);
        if let (Saying::Amended(after), Some(before)) = (&draft.saying, before) {
            let row = Emitted { version: before.version, origin: cause.origin.clone(), ..(**after).clone() };
            touched.add(draft.fact);
            ledger.insert(draft.fact, row);
            continue;
        }
        let Some(after) = at.next(draft, before).map_err(refuse)? else {
            // Stated again as it was taken over: from here on it is this input's.
            if let Some(row) = before.filter(|row| row.is_taken_over() && draft.is_statement()) {
                let row = Emitted { origin: cause.origin.clone(), ..row.clone() };
                touched.add(draft.fact);
                restated.insert(draft.fact);
                ledger.insert(draft.fact, row);
            }
            continue;
        };
        if at.contract.is_command(draft.topic) && after.revision > 1 {
            let what = format!("{} is a command and was already given with other content", draft.topic);
            return Err(refuse(Reject::new(Reason::Revision, what)));
        }
        let version = versions.entry((draft.topic.to_owned(), draft.key.clone())).or_insert(0);
        *version += 1;
        let row = Emitted { version: *version, origin: cause.origin.clone(), ..after };
        let record = at.record(&row, cause);
        if record.value.is_some() || !mutant::is(Mutant::TombstoneSkipped) {
            outbox.push(record);
        }
        touched.add(draft.fact);
        ledger.insert(draft.fact, row);
    }
    let emitted = touched.order.iter().filter_map(|fact| ledger.remove(fact)).collect();
    let counters = versions.into_iter().filter(|(key, version)| counters.get(key) != Some(version)).collect();
    Ok(Resolved { emitted, counters, outbox, restated })
}

/// Facts whose rows change, in the order in which they came up.
#[derive(Default)]
struct Touched {
    order: Vec<Uuid>,
    known: HashSet<Uuid>,
}

impl Touched {
    fn add(&mut self, fact: Uuid) {
        if self.known.insert(fact) {
            self.order.push(fact);
        }
    }
}

/// What resolving needs besides the ledger.
pub(crate) struct Desk<'a> {
    pub(crate) source: &'a str,
    pub(crate) contract: &'a Contract,
    pub(crate) schemas: &'a Schemas,
    pub(crate) now: Timestamp,
}

impl Desk<'_> {
    /// The fact's next revision, or nothing when there is no news. The version is filled in by the caller.
    pub(crate) fn next(&self, draft: &Draft, before: Option<&Emitted>) -> Result<Option<Emitted>, Reject> {
        let policy = self.contract.topic(draft.topic)?;
        let schema_id = self.schemas.id_of(draft.topic)?;
        if before.is_some_and(|row| row.key != draft.key) {
            let what =
                format!("a fact of {} moved to another key: withdraw it and state a new one", draft.topic);
            return Err(Reject::new(Reason::Conflict, what));
        }
        let revision = before.map_or(1, |row| row.revision + 1);
        let change = if revision == 1 { Change::Recorded } else { Change::Corrected };
        // Under another key the same content is no repetition: it is refused above.
        let is_said = |content| before.is_some_and(|row| !row.withdrawn && row.content == content);
        let (content, wire, withdrawn) = match (&draft.saying, before) {
            (Saying::Stated(event), _) => {
                let content = event.content();
                if is_said(content) {
                    return Ok(None);
                }
                (content, event.wire(change, schema_id)?, false)
            }
            (Saying::Adopted(row, _), _) if is_said(row.content) => return Ok(None),
            (Saying::Adopted(row, mark), _) => {
                (row.content, mark(&row.wire, change, self.schemas, schema_id)?, false)
            }
            (Saying::Withdrawn(_), None) => return Ok(None),
            (Saying::Withdrawn(_), Some(row)) if row.withdrawn => return Ok(None),
            (Saying::Withdrawn(mark), Some(row)) => {
                (row.content, mark(&row.wire, Change::Withdrawn, self.schemas, schema_id)?, true)
            }
            (Saying::Amended(_), _) => return Ok(None),
        };
        if draft.name.contains('\0') || draft.key.contains('\0') {
            return Err(Reject::new(Reason::Encode, format!("a name or key on {} holds a NUL", draft.topic)));
        }
        if wire.len() > policy.value_bytes_max {
            let what = format!("{} of {} bytes, {} allowed", draft.topic, wire.len(), policy.value_bytes_max);
            return Err(Reject::new(Reason::Encode, what));
        }
        let (fact, name, topic, key) =
            (draft.fact, draft.name.clone(), draft.topic.to_owned(), draft.key.clone());
        let (version, origin) = (0, None);
        Ok(Some(Emitted { fact, name, topic, key, revision, version, content, withdrawn, wire, origin }))
    }

    pub(crate) fn record(&self, row: &Emitted, cause: &Cause) -> OutRecord {
        let headers = Headers {
            id: event_id(row.fact, row.revision),
            source: self.source.to_owned(),
            r#type: row.topic.clone(),
            time: self.now,
            subject: row.key.clone(),
            version: Some(row.version),
            revision: Some(row.revision),
            factname: row.name.clone(),
            correlationid: cause.correlation.clone(),
            causationid: cause.causation.map(|id| id.to_string()),
            facility: cause.facility.clone(),
            sourceref: cause.source_ref.clone(),
            traceparent: cause.traceparent.clone(),
        };
        let mut headers = headers.to_pairs();
        headers
            .extend(cause.moment.as_ref().map(|moment| (CE_MOMENT.to_owned(), moment.clone().into_bytes())));
        let tombstone = row.withdrawn && self.contract.is_compacted(&row.topic);
        OutRecord {
            seq: 0,
            topic: row.topic.clone(),
            partition: self.contract.partition_of(&row.topic, row.key.as_bytes()),
            key: row.key.clone().into_bytes(),
            value: (!tombstone).then(|| row.wire.clone()),
            headers,
        }
    }
}

/// The counters to lock, sorted, so that two lanes never wait for each other.
pub(crate) fn counter_keys(said: &[Said]) -> Vec<CounterKey> {
    let keys: BTreeSet<CounterKey> =
        said.iter().map(|said| (said.draft.topic.to_owned(), said.draft.key.clone())).collect();
    keys.into_iter().collect()
}

/// The facts whose ledger rows are wanted.
pub(crate) fn facts(said: &[Said]) -> Vec<uuid::Uuid> {
    said.iter().map(|said| said.draft.fact).collect::<BTreeSet<_>>().into_iter().collect()
}
