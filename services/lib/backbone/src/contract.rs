//! The contract as a running service holds it: what the catalog says of each topic, and the schemas by their ids.

use crate::reject::{Reason, Reject};
use canon::catalog::Catalog;
use canon::codec::{self, WriterSchema};
use canon::event::Event;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// What the runtime must know of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPolicy {
    /// Its partitions, fixed for life.
    pub partitions: u32,
    /// Whether only the latest value of a key is kept; withdrawals are tombstones.
    pub compacted: bool,
    /// Whether its events are commands: a name is used once, with one content.
    pub command: bool,
    /// The largest value, in bytes.
    pub value_bytes_max: usize,
}

/// The topics a service may touch.
#[derive(Clone, Debug, Default)]
pub struct Contract {
    topics: HashMap<String, TopicPolicy>,
}

impl Contract {
    /// Everything in the catalog.
    pub fn of(catalog: &Catalog) -> Self {
        let topics = catalog.topics().map(|topic| {
            let policy = TopicPolicy {
                partitions: topic.partitions,
                compacted: topic.is_compacted(),
                command: topic.is_command(),
                value_bytes_max: topic.value_bytes_max(),
            };
            (topic.name.clone(), policy)
        });
        Self { topics: topics.collect() }
    }

    /// A contract of one's own, for tests of the runtime.
    pub fn with(topics: impl IntoIterator<Item = (&'static str, TopicPolicy)>) -> Self {
        Self { topics: topics.into_iter().map(|(name, policy)| (name.to_owned(), policy)).collect() }
    }

    pub(crate) fn topic(&self, name: &str) -> Result<&TopicPolicy, Reject> {
        let missing = || Reject::new(Reason::Unsupported, format!("topic {name} is not in the catalog"));
        self.topics.get(name).ok_or_else(missing)
    }

    /// How many partitions a topic has; one where the catalog does not know it.
    pub fn partitions(&self, topic: &str) -> u32 {
        self.topics.get(topic).map_or(1, |policy| policy.partitions)
    }

    pub(crate) fn is_compacted(&self, topic: &str) -> bool {
        self.topics.get(topic).is_some_and(|policy| policy.compacted)
    }

    pub(crate) fn is_command(&self, topic: &str) -> bool {
        self.topics.get(topic).is_some_and(|policy| policy.command)
    }

    pub(crate) fn partition_of(&self, topic: &str, key: &[u8]) -> i32 {
        i32::try_from(canon::partition::partition(key, self.partitions(topic))).unwrap_or(0)
    }
}

/// Schema ids of what is written, and parsed writers' schemas of what is read.
///
/// The registry fills it before a batch is folded, so that folding itself asks nobody.
#[derive(Debug, Default)]
pub struct Schemas {
    ids: RwLock<HashMap<String, u32>>,
    writers: RwLock<HashMap<u32, Arc<WriterSchema>>>,
}

impl Schemas {
    /// Ids given in order to some schemas, for tests without a registry.
    pub fn with(schemas: &[(&'static str, &'static str)]) -> Self {
        let all = Self::default();
        for (id, (topic, schema)) in (1..).zip(schemas) {
            all.learn_id(topic, id);
            WriterSchema::parse(schema).into_iter().for_each(|writer| all.learn_writer(id, writer));
        }
        all
    }

    /// Remembers under which id our schema of a topic is registered.
    pub fn learn_id(&self, topic: &str, id: u32) {
        self.ids.write().unwrap_or_else(PoisonError::into_inner).insert(topic.to_owned(), id);
    }

    /// Remembers a writer's schema.
    pub fn learn_writer(&self, id: u32, writer: WriterSchema) {
        let mut writers = self.writers.write().unwrap_or_else(PoisonError::into_inner);
        writers.insert(id, Arc::new(writer));
    }

    /// Whether an id's schema is known. That the registry has none is not: it may have it by the next time.
    pub fn knows(&self, id: u32) -> bool {
        self.writers.read().unwrap_or_else(PoisonError::into_inner).contains_key(&id)
    }

    /// The id our schema of a topic is registered under.
    ///
    /// # Errors
    /// The topic was not declared as one that the service writes.
    pub fn id_of(&self, topic: &str) -> Result<u32, Reject> {
        let ids = self.ids.read().unwrap_or_else(PoisonError::into_inner);
        let missing = || Reject::new(Reason::Unsupported, format!("{topic} is not declared as an output"));
        ids.get(topic).copied().ok_or_else(missing)
    }

    /// Decodes a value in Confluent's wire format to the compiled schema.
    ///
    /// # Errors
    /// The bytes are not what a registered writer's schema describes; they are parked as they are.
    pub fn decode<E: Event>(&self, wire: &[u8]) -> Result<E, Reject> {
        let wrong = |what: &dyn std::fmt::Display| {
            Reject::new(Reason::Decode, format!("{} cannot be decoded: {what}", E::TOPIC))
        };
        let (id, body) = codec::split(wire).map_err(|error| wrong(&error))?;
        let writers = self.writers.read().unwrap_or_else(PoisonError::into_inner);
        let writer = writers.get(&id).cloned();
        drop(writers);
        let writer = writer.ok_or_else(|| wrong(&format!("the registry knows no schema {id}")))?;
        codec::decode(&writer, body).map_err(|error| wrong(&error))
    }
}

/// Where writers' schemas come from.
pub trait SchemaSource: Send + Sync + 'static {
    /// What is known so far.
    fn schemas(&self) -> &Arc<Schemas>;

    /// Fetches the schemas of ids that are not known. One that the registry does not have is asked for again the next time:
    /// what parked for want of it is tried again once it is there, and nobody starts anything anew for that.
    ///
    /// # Errors
    /// The registry cannot be asked: the batch is tried again, order kept.
    fn ensure(&self, ids: &[u32]) -> impl Future<Output = Result<(), crate::edge::BrokerError>> + Send;
}
