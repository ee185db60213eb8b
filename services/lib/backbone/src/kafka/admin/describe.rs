//! What the cluster says of itself and of its topics' configuration. Asks only.

use super::{Admin, TIMEOUT, options};
use crate::edge::BrokerError;
use rdkafka::admin::{OwnedResourceSpecifier, ResourceSpecifier};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use std::collections::BTreeMap;

impl Admin {
    /// How many brokers there are.
    ///
    /// # Errors
    /// When none answers.
    pub async fn brokers(&self) -> Result<usize, BrokerError> {
        let what = "the brokers cannot be counted";
        let metadata = self.blocking(what, |consumer| consumer.fetch_metadata(None, TIMEOUT)).await?;
        Ok(metadata.brokers().len())
    }

    /// In how many copies each topic is kept, by its name: those of the partition that has the fewest.
    ///
    /// # Errors
    /// When the broker does not tell.
    pub async fn copies(&self) -> Result<BTreeMap<String, usize>, BrokerError> {
        let what = "the topics' copies cannot be counted";
        let metadata = self.blocking(what, |consumer| consumer.fetch_metadata(None, TIMEOUT)).await?;
        let topics = metadata.topics().iter().filter(|topic| topic.error().is_none());
        let fewest = topics.filter_map(|topic| {
            let copies = topic.partitions().iter().map(|partition| partition.replicas().len()).min()?;
            Some((topic.name().to_owned(), copies))
        });
        Ok(fewest.collect())
    }

    /// The configuration in force of topics, by topic and name, the cluster's defaults included.
    ///
    /// # Errors
    /// When a topic is not there, or the broker does not tell.
    pub async fn configs(
        &self,
        topics: &[&str],
    ) -> Result<BTreeMap<String, BTreeMap<String, String>>, BrokerError> {
        if topics.is_empty() {
            return Ok(BTreeMap::new());
        }
        let what = "the topics' configuration cannot be asked";
        let asked: Vec<_> = topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
        let answers = self.admin.describe_configs(&asked, &options()).await;
        let mut found = BTreeMap::new();
        for answer in answers.map_err(|error| self.reach.failed(what, error))? {
            let resource = answer.map_err(|code| self.reach.failed(what, KafkaError::AdminOp(code)))?;
            let OwnedResourceSpecifier::Topic(topic) = resource.specifier else { continue };
            let entries = resource.entries.into_iter();
            found.insert(topic, entries.filter_map(|entry| Some((entry.name, entry.value?))).collect());
        }
        Ok(found)
    }
}
