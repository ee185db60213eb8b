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
    #[error("topics are not as the catalog has them: {0}")]
    Topics(String),
}

impl Surroundings {
    /// Compares the topics a service touches with the catalog; waits for Kafka if it is away.
    pub(crate) async fn check_topics(
        &self,
        names: &[&'static str],
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
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
