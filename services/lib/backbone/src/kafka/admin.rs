//! Topics and positions: what is there, what the catalog says should be, and making it so.
//!
//! Consumes metadata; creates topics and commits positions under a group's name when told to. It never alters a
//! topic: a partition count is fixed for life, since another one would put keys elsewhere.

mod access;
mod describe;

pub use access::Access;

use super::log::offsets;
use super::reach::{Context, Reach};
use super::settings::KafkaSettings;
use crate::edge::BrokerError;
use canon::catalog::{Catalog, Topic};
use canon::time::Timestamp;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(10);

/// Asks and arranges topics.
pub struct Admin {
    kafka: KafkaSettings,
    admin: AdminClient<Context>,
    consumer: Arc<BaseConsumer<Context>>,
    reach: Reach,
}

/// What a partition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The lowest offset held.
    pub low: i64,
    /// The last stable offset: where a reader of committed records ends.
    pub end: i64,
}

/// A topic is not what the catalog says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicMistake {
    /// It is there with another number of partitions.
    #[error(
        "{topic} has {found} partitions and the catalog says {expected}; a topic's count is fixed for life, since \
         another one sends keys elsewhere: never alter it; create the topic's next generation and copy it over in \
         order, or correct the catalog if {found} was meant"
    )]
    Partitions {
        /// The topic.
        topic: String,
        /// Its partitions.
        found: u32,
        /// The catalog's.
        expected: u32,
    },
    /// It is not there.
    #[error("{topic} does not exist; run `vertebra contract apply`")]
    Missing {
        /// The topic.
        topic: String,
    },
    /// The catalog has no such topic.
    #[error("{topic} is not in the catalog; declare it there")]
    Undeclared {
        /// The topic.
        topic: String,
    },
}

impl TopicMistake {
    /// Compares a topic of the catalog with the partitions that were found, if it was.
    pub fn of(declared: &Topic, found: Option<u32>) -> Option<Self> {
        let (topic, expected) = (declared.name.clone(), declared.partitions);
        match found {
            None => Some(Self::Missing { topic }),
            Some(found) if found != expected => Some(Self::Partitions { topic, found, expected }),
            Some(_) => None,
        }
    }
}

/// All that is wrong with a service's topics.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct TopicMistakes(pub Vec<TopicMistake>);

impl fmt::Display for TopicMistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(TopicMistake::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl Admin {
    /// A client for administration; that a broker answers is not needed.
    ///
    /// # Errors
    /// When the settings do not make a client.
    pub fn new(kafka: &KafkaSettings) -> Result<Self, BrokerError> {
        let reach = Reach::new(None);
        let context = Context { reach: reach.clone() };
        let made = |error| reach.failed("the client for administration cannot be made", error);
        let admin = kafka.client().create_with_context(context.clone()).map_err(made)?;
        let mut config = kafka.client();
        // Ends are asked as a reader of committed records meets them.
        config.set("isolation.level", "read_committed");
        let consumer = Arc::new(config.create_with_context(context).map_err(made)?);
        Ok(Self { kafka: kafka.clone(), admin, consumer, reach })
    }

    /// The partition counts of all topics there are.
    ///
    /// # Errors
    /// When the broker does not tell.
    pub async fn partitions(&self) -> Result<BTreeMap<String, u32>, BrokerError> {
        let what = "the topics cannot be listed";
        let metadata = self.blocking(what, |consumer| consumer.fetch_metadata(None, TIMEOUT)).await?;
        let topics = metadata.topics().iter().filter(|topic| topic.error().is_none());
        let count = |partitions: usize| u32::try_from(partitions).unwrap_or(u32::MAX);
        Ok(topics.map(|topic| (topic.name().to_owned(), count(topic.partitions().len()))).collect())
    }

    /// Compares topics with the catalog and tells everything that is wrong; nothing is altered.
    ///
    /// # Errors
    /// When the broker does not tell.
    pub async fn check_topics(
        &self,
        catalog: &Catalog,
        names: impl IntoIterator<Item = &str>,
    ) -> Result<Vec<TopicMistake>, BrokerError> {
        let there = self.partitions().await?;
        let mistake = |name: &str| match catalog.topic(name) {
            Some(declared) => TopicMistake::of(declared, there.get(name).copied()),
            None => Some(TopicMistake::Undeclared { topic: name.to_owned() }),
        };
        Ok(names.into_iter().filter_map(mistake).collect())
    }

    /// Creates those topics of the catalog that are missing, with so many copies of which so many must have a record before
    /// it is acknowledged, and says which.
    ///
    /// # Errors
    /// When one could not be created; others may have been.
    pub async fn create_missing(
        &self,
        catalog: &Catalog,
        replication: u16,
        min_in_sync: u16,
    ) -> Result<Vec<String>, BrokerError> {
        let there = self.partitions().await?;
        let mut created = Vec::new();
        for topic in catalog.topics().filter(|topic| !there.contains_key(&topic.name)) {
            let mut configs = topic.configs();
            configs.insert("min.insync.replicas".to_owned(), min_in_sync.to_string());
            let replication = i32::from(replication);
            if self.create_topic(&topic.name, topic.partitions, replication, &configs).await? {
                created.push(topic.name.clone());
            }
        }
        Ok(created)
    }

    /// Creates one topic; says no when it was there.
    ///
    /// # Errors
    /// When it could not be created.
    pub async fn create_topic(
        &self,
        name: &str,
        partitions: u32,
        replication: i32,
        configs: &BTreeMap<String, String>,
    ) -> Result<bool, BrokerError> {
        let count = i32::try_from(partitions).unwrap_or(i32::MAX);
        let mut topic = NewTopic::new(name, count, TopicReplication::Fixed(replication));
        for (key, value) in configs {
            topic = topic.set(key, value);
        }
        let what = || format!("{name} cannot be created");
        let results = self.admin.create_topics([&topic], &options()).await;
        match results.map_err(|error| self.reach.failed(what(), error))?.pop() {
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(false),
            Some(Err((_, code))) => Err(self.reach.failed(what(), KafkaError::AdminOp(code))),
            Some(Ok(_)) | None => Ok(true),
        }
    }

    /// Deletes topics; those that are not there are passed over.
    ///
    /// # Errors
    /// When one could not be deleted; others may have been.
    pub async fn delete_topics(&self, names: &[&str]) -> Result<(), BrokerError> {
        let results = self.admin.delete_topics(names, &options()).await;
        for result in results.map_err(|error| self.reach.failed("topics cannot be deleted", error))? {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
                Err((name, code)) => {
                    return Err(self
                        .reach
                        .failed(format!("{name} cannot be deleted"), KafkaError::AdminOp(code)));
                }
            }
        }
        Ok(())
    }

    /// Deletes the records of a topic before these offsets, by partition: what retention does, at once.
    ///
    /// # Errors
    /// When the broker does not do it.
    pub async fn cut(&self, topic: &str, before: &BTreeMap<i32, i64>) -> Result<(), BrokerError> {
        let what = || format!("records of {topic} cannot be deleted");
        let mut offsets = TopicPartitionList::new();
        for (partition, offset) in before {
            let added = offsets.add_partition_offset(topic, *partition, Offset::Offset(*offset));
            added.map_err(|error| BrokerError::caused(what(), error))?;
        }
        let deleted = self.admin.delete_records(&offsets, &options()).await;
        deleted.map(drop).map_err(|error| BrokerError::caused(what(), error))
    }

    /// What each partition of a topic holds.
    ///
    /// # Errors
    /// When the topic is not there, or the broker does not tell.
    pub async fn held(&self, topic: &str) -> Result<BTreeMap<i32, Held>, BrokerError> {
        let name = topic.to_owned();
        let what = format!("the ends of {topic} cannot be asked");
        self.blocking(&what, move |consumer| {
            let mut held = BTreeMap::new();
            for partition in partitions_of(consumer, &name)? {
                let (low, end) = consumer.fetch_watermarks(&name, partition, TIMEOUT)?;
                held.insert(partition, Held { low, end });
            }
            Ok(held)
        })
        .await
    }

    /// The first offset of each partition whose record is not older than a time; the end where all are.
    ///
    /// # Errors
    /// When the topic is not there, or the broker does not tell.
    pub async fn offsets_at(&self, topic: &str, time: Timestamp) -> Result<BTreeMap<i32, i64>, BrokerError> {
        let held = self.held(topic).await?;
        let (name, partitions) = (topic.to_owned(), held.keys().copied().collect::<Vec<_>>());
        let what = format!("the offsets of {topic} at a time cannot be asked");
        let found = self
            .blocking(&what, move |consumer| {
                let mut times = TopicPartitionList::new();
                for partition in &partitions {
                    times.add_partition_offset(&name, *partition, Offset::Offset(time.as_millis()))?;
                }
                consumer.offsets_for_times(times, TIMEOUT)
            })
            .await?;
        let offset = |partition: i32, held: &Held| match found.find_partition(topic, partition)?.offset() {
            Offset::Offset(offset) => Some((partition, offset)),
            _ => Some((partition, held.end)),
        };
        Ok(held.iter().filter_map(|(partition, held)| offset(*partition, held)).collect())
    }

    /// The positions committed under a group's name; a partition without one is absent.
    ///
    /// # Errors
    /// When the broker does not tell.
    pub async fn committed(
        &self,
        group: &str,
        partitions: &[(&str, i32)],
    ) -> Result<BTreeMap<(String, i32), i64>, BrokerError> {
        let consumer = self.member(group)?;
        let mut asked = TopicPartitionList::new();
        for (topic, partition) in partitions {
            asked.add_partition(topic, *partition);
        }
        let what = format!("the positions of {group} cannot be asked");
        let found = run(&self.reach, &what, move || consumer.committed_offsets(asked, TIMEOUT)).await?;
        let position = |found: rdkafka::topic_partition_list::TopicPartitionListElem<'_>| match found.offset()
        {
            Offset::Offset(offset) => Some(((found.topic().to_owned(), found.partition()), offset)),
            _ => None,
        };
        Ok(found.elements().into_iter().filter_map(position).collect())
    }

    /// Commits positions under a group's name without joining the group: for lag tools and autoscalers only.
    ///
    /// # Errors
    /// When the broker did not take them, as while somebody is a member of that group.
    pub async fn commit(&self, group: &str, positions: &[(&str, i32, i64)]) -> Result<(), BrokerError> {
        let consumer = self.member(group)?;
        let what = format!("the positions of {group} cannot be committed");
        let list = offsets(positions.iter().copied()).map_err(|error| self.reach.failed(&what, error))?;
        run(&self.reach, &what, move || consumer.commit(&list, CommitMode::Sync)).await
    }

    fn member(&self, group: &str) -> Result<BaseConsumer<Context>, BrokerError> {
        let mut config = self.kafka.client();
        config.set("group.id", group).set("enable.auto.commit", "false");
        let made = config.create_with_context(Context { reach: self.reach.clone() });
        made.map_err(|error| self.reach.failed(format!("no client for {group}"), error))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        what: &str,
        call: impl FnOnce(&BaseConsumer<Context>) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, BrokerError> {
        let consumer = self.consumer.clone();
        run(&self.reach, what, move || call(&consumer)).await
    }
}

async fn run<T: Send + 'static>(
    reach: &Reach,
    what: &str,
    call: impl FnOnce() -> Result<T, KafkaError> + Send + 'static,
) -> Result<T, BrokerError> {
    let done = tokio::task::spawn_blocking(call).await;
    done.map_err(|error| BrokerError::caused(what, error))?.map_err(|error| reach.failed(what, error))
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(TIMEOUT)).operation_timeout(Some(TIMEOUT))
}

/// The partitions of a topic, which has to be there.
pub(crate) fn partitions_of(consumer: &BaseConsumer<Context>, topic: &str) -> Result<Vec<i32>, KafkaError> {
    let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT)?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let unknown = || KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition);
    let found = found.ok_or_else(unknown)?;
    match found.error() {
        Some(error) => Err(KafkaError::MetadataFetch(error.into())),
        None => Ok(found.partitions().iter().map(|partition| partition.id()).collect()),
    }
}
