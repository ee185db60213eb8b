//! What surrounds a service's work, and waiting for it to be there.

use super::{TokioEnv, chain};
use crate::contract::SchemaSource;
use crate::env::{Backoff, Env};
use crate::health::{Condition, Health};
use crate::kafka::Admin;
use crate::metrics::Metrics;
use crate::registry::{Registry, RegistryError};
use crate::settings::CommonValues;
use canon::catalog::Catalog;
use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What every kind of work is given.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) name: &'static str,
    pub(crate) common: CommonValues,
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
    pub(crate) stop: CancellationToken,
    pub(crate) env: TokioEnv,
}

/// What cannot be healed by waiting.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    #[error(
        "the catalog does not have it so: {0}; say it in schemas/catalog.yaml, or in the service's declaration"
    )]
    Catalog(String),
    #[error("topics are not as the catalog has them: {0}")]
    Topics(String),
}

/// What a service does that the catalog does not have it doing.
fn undeclared(name: &str, reads: &[&'static str], writes: &[&'static str]) -> Vec<String> {
    let catalog = Catalog::builtin();
    let read = reads.iter().filter(|topic| !catalog.topic(topic).is_some_and(|topic| topic.is_read_by(name)));
    let written =
        writes.iter().filter(|topic| !catalog.topic(topic).is_some_and(|topic| topic.is_written_by(name)));
    let read = read.map(|topic| format!("{name} reads {topic}"));
    read.chain(written.map(|topic| format!("{name} writes {topic}"))).collect()
}

impl Surroundings {
    /// Compares what a service reads and writes with the catalog, and the topics with it; waits for Kafka if it is
    /// away.
    pub(crate) async fn check_topics(
        &self,
        reads: &[&'static str],
        writes: &[&'static str],
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let undeclared = undeclared(self.name, reads, writes);
        if !undeclared.is_empty() {
            return Err(Unfit::Catalog(undeclared.join("; ")).into());
        }
        let names: BTreeSet<&'static str> = reads.iter().chain(writes).copied().collect();
        let condition = self.health.condition("topics");
        let kafka = self.common.kafka.clone();
        let found = self
            .wait_for(&condition, || async {
                let admin = Admin::new(&kafka)?;
                admin.check_topics(Catalog::builtin(), names.iter().copied()).await
            })
            .await;
        let Some(mistakes) = found else { return Ok(()) };
        if mistakes.is_empty() {
            condition.ready();
            return Ok(());
        }
        let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        Err(Unfit::Topics(told.join("; ")).into())
    }

    /// Learns under which ids our schemas are registered; waits for the registry, or for the command that registers.
    pub(crate) async fn schemas(
        &self,
        outputs: &[(&'static str, &'static str)],
    ) -> Result<Option<Arc<Registry>>, RegistryError> {
        let condition = self.health.condition("registry");
        let registry = Registry::new(&self.common.registry_url)?;
        for (topic, schema) in outputs {
            let Some(id) = self.wait_for(&condition, || registry.id_of(topic, schema)).await else {
                return Ok(None);
            };
            registry.schemas().learn_id(topic, id);
        }
        condition.ready();
        Ok(Some(Arc::new(registry)))
    }

    /// Tries until it works or the service is told to stop; unready and saying why meanwhile.
    pub(crate) async fn wait_for<T, X, F>(&self, condition: &Condition, attempt: impl Fn() -> F) -> Option<T>
    where
        F: Future<Output = Result<T, X>>,
        X: Error + 'static,
    {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
        let mut told = String::new();
        loop {
            let tried = tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                tried = attempt() => tried,
            };
            match tried {
                Ok(value) => return Some(value),
                Err(error) => {
                    let why = chain(&error);
                    if told != why {
                        tracing::warn!("waiting: {why}");
                        condition.unready(&why);
                        told = why;
                    }
                }
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                () = self.env.sleep(backoff.step(&self.env)) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, reads: &[&'static str], writes: &[&'static str], wrong: &[&str]) {
        assert_eq!(undeclared(name, reads, writes), wrong);
    }

    #[test]
    fn what_the_catalog_declares_is_nothing_to_tell() {
        let case = ["billing.case.v1", "billing.invoice-request.v1", "ops.dead-letter.v1"];
        check("billing-projector", &["billing.charge.v1", "clinical.encounter.v1"], &case, &[]);
    }

    #[test]
    fn a_second_producer_and_an_unknown_reader_are_told() {
        let wrong = ["odoo-writer reads raw.hl7v2.v1", "odoo-writer writes billing.case.v1"];
        check("odoo-writer", &["raw.hl7v2.v1"], &["billing.case.v1"], &wrong);
    }
}
