//! What the cluster lets us do, and what time it has there: found out by trying what changes nothing.
//!
//! The client has no call for the rights of a principal, so what is only asked for is tried: reading a topic where it ends, asking
//! a group's positions. What writing would be answered cannot be tried without writing.

use super::{Admin, TIMEOUT, offsets, options, run};
use crate::edge::BrokerError;
use crate::kafka::reach::Context;
use crate::kafka::tail::{Visible, each_from};
use canon::time::Timestamp;
use rdkafka::admin::ResourceSpecifier;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

/// What the name of a broker's authorizer is configured under.
const AUTHORIZER: &str = "authorizer.class.name";
/// Where brokers keep positions: each record bears the time of the broker that wrote it.
const POSITIONS: &str = "__consumer_offsets";
/// How far back the broker's own record is looked for: no clock is worse than that.
const LOOKED_BACK: Duration = Duration::from_secs(86_400);

/// What trying came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// It was answered.
    Allowed,
    /// The cluster forbids it.
    Denied,
    /// It was answered otherwise, or not in time.
    Unknown(String),
}

impl Access {
    fn of(error: &KafkaError) -> Self {
        match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed
                | RDKafkaErrorCode::TransactionalIdAuthorizationFailed,
            ) => Self::Denied,
            _ => Self::Unknown(error.to_string()),
        }
    }
}

impl Admin {
    /// The authorizer that the brokers are configured with; nothing where they have none, and so forbid nothing.
    ///
    /// # Errors
    /// When the broker does not tell.
    pub async fn authorizer(&self) -> Result<Option<String>, BrokerError> {
        let what = "the brokers' configuration cannot be asked";
        let metadata = self.blocking(what, |consumer| consumer.fetch_metadata(None, TIMEOUT)).await?;
        let Some(broker) = metadata.brokers().first().map(|broker| broker.id()) else { return Ok(None) };
        let answers = self.admin.describe_configs(&[ResourceSpecifier::Broker(broker)], &options()).await;
        let answers = answers.map_err(|error| self.reach.failed(what, error))?;
        for answer in answers {
            let resource = answer.map_err(|code| self.reach.failed(what, KafkaError::AdminOp(code)))?;
            let entry = resource.entries.into_iter().find(|entry| entry.name == AUTHORIZER);
            if let Some(name) = entry.and_then(|entry| entry.value).filter(|name| !name.is_empty()) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// Whether a topic's first partition may be read.
    ///
    /// # Errors
    /// When no client can be made.
    pub async fn may_read(&self, topic: &str) -> Result<Access, BrokerError> {
        let mut config = self.kafka.client();
        config.set("group.id", "vertebra-doctor").set("enable.auto.commit", "false");
        config.set("enable.partition.eof", "true").set("fetch.wait.max.ms", "50");
        let made = config.create_with_context(Context { reach: self.reach.clone() });
        let consumer: BaseConsumer<Context> =
            made.map_err(|error| self.reach.failed("no client for reading", error))?;
        let topic = topic.to_owned();
        let tried = tokio::task::spawn_blocking(move || read_at_the_end(&consumer, &topic)).await;
        tried.map_err(|error| BrokerError::caused("reading was not tried", error))
    }

    /// Whether positions may be asked and committed under a group's name; none is.
    ///
    /// # Errors
    /// When no client can be made.
    pub async fn may_use_group(&self, group: &str, topic: &str) -> Result<Access, BrokerError> {
        let consumer = self.member(group)?;
        let mut asked = TopicPartitionList::new();
        asked.add_partition(topic, 0);
        let tried = tokio::task::spawn_blocking(move || consumer.committed_offsets(asked, TIMEOUT)).await;
        let tried = tried.map_err(|error| BrokerError::caused("the group was not tried", error))?;
        Ok(tried.map_or_else(|error| Access::of(&error), |_| Access::Allowed))
    }

    /// The time that a broker has: that of the record by which it keeps a position. To have one, a position is committed under
    /// the name of a group that nobody else has.
    ///
    /// # Errors
    /// When the position is not taken, or the brokers' own topic may not be read.
    pub async fn clock(&self, topic: &str) -> Result<Timestamp, BrokerError> {
        let group = "vertebra-doctor";
        let consumer = self.member(group)?;
        let what = "the broker's clock cannot be asked";
        let list = offsets([(topic, 0, 0)]).map_err(|error| self.reach.failed(what, error))?;
        let commit = move || consumer.commit(&list, rdkafka::consumer::CommitMode::Sync);
        run(&self.reach, what, commit).await?;
        let since = Timestamp::from(std::time::SystemTime::now()) - LOOKED_BACK;
        let from = self.offsets_at(POSITIONS, since).await?;
        let held = self.held(POSITIONS).await?;
        // The last record of each partition is enough: the newest of them is ours, or newer.
        let last = from.into_iter().filter_map(|(partition, first)| {
            let end = held.get(&partition)?.end;
            (first < end).then_some((partition, first.max(end - 1)))
        });
        let mut newest = Timestamp::MIN;
        let newer = async |records: Vec<crate::record::Record>| {
            newest = records.iter().map(|record| record.timestamp).fold(newest, Timestamp::max);
            Ok(())
        };
        each_from(&self.kafka, POSITIONS, last.collect(), Visible::All, newer).await?;
        match newest {
            Timestamp::MIN => Err(BrokerError::new(what)),
            newest => Ok(newest),
        }
    }
}

fn read_at_the_end(consumer: &BaseConsumer<Context>, topic: &str) -> Access {
    let mut assignment = TopicPartitionList::new();
    let assigned = assignment.add_partition_offset(topic, 0, Offset::End);
    if let Err(error) = assigned.and_then(|()| consumer.assign(&assignment)) {
        return Access::of(&error);
    }
    let began = Instant::now();
    while began.elapsed() < TIMEOUT {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => return Access::Allowed,
            Some(Err(error)) => return Access::of(&error),
            None => {}
        }
    }
    Access::Unknown("no answer".to_owned())
}
