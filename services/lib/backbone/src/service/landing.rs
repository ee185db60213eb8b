//! Landing: what a listener accepts is durable in Kafka before it is answered.
//!
//! No ledger and no PostgreSQL on this path: it is ready when Kafka is. The schema's id is looked up once, at the
//! start; from then on the registry may be away.

use super::parts::Surroundings;
use super::{Running, chain};
use crate::contract::Contract;
use crate::edge::BrokerError;
use crate::health::Health;
use crate::kafka::{Ack, Landing, LandingProducer};
use crate::metrics::Metrics;
use canon::catalog::Catalog;
use canon::codec::{self, EncodeError};
use canon::event::Event;
use canon::headers::Headers;
use std::error::Error;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How a listener's work ended.
pub type Listening = Result<(), Box<dyn Error + Send + Sync>>;

pub(crate) type Start = Box<dyn FnOnce(Surroundings) -> Running + Send>;

/// How long the producer's warm-up may take before it is tried again.
const WARM_UP: Duration = Duration::from_secs(10);
/// How long records in hand may take to be durable when the service is told to stop.
const FLUSH: Duration = Duration::from_secs(5);

/// Something cannot be landed: it was not given to Kafka.
#[derive(Debug, thiserror::Error)]
pub enum LandError {
    /// The producer does not take it.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// It does not fit its schema.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// It is larger than its topic takes.
    #[error("{is_bytes} bytes, the topic takes {most_bytes}")]
    TooLarge {
        /// How large it is, framed.
        is_bytes: usize,
        /// How large it may be.
        most_bytes: usize,
    },
}

/// Puts events on a topic, for a listener. Clones share one producer.
pub struct Lander<E> {
    inner: Arc<Inner>,
    event: PhantomData<fn(E)>,
}

struct Inner {
    producer: LandingProducer,
    contract: Contract,
    schema_id: u32,
    around: Surroundings,
}

impl<E> Clone for Lander<E> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), event: PhantomData }
    }
}

impl<E: Event> Lander<E> {
    /// Gives an event to Kafka; it is durable (`acks=all`) when the returned [`Ack`] resolves, and not before. Waits
    /// while too much is on its way.
    ///
    /// # Errors
    /// It was not given to Kafka. An [`Ack`] that fails leaves it unknown: the sender sends again.
    pub async fn land(&self, key: &E::Key, headers: &Headers, event: &E) -> Result<Ack, LandError> {
        let value = codec::encode(self.inner.schema_id, event)?;
        let most_bytes =
            Catalog::builtin().topic(E::TOPIC).map_or(usize::MAX, canon::catalog::Topic::value_bytes_max);
        if value.len() > most_bytes {
            return Err(LandError::TooLarge { is_bytes: value.len(), most_bytes });
        }
        let key = key.to_string();
        let landing = Landing {
            topic: E::TOPIC,
            partition: self.inner.contract.partition_of(E::TOPIC, key.as_bytes()),
            key: key.as_bytes(),
            value: &value,
            headers: &headers.to_pairs(),
        };
        Ok(self.inner.producer.send(landing).await?)
    }

    /// The service's metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.around.metrics
    }

    /// The service's health.
    pub fn health(&self) -> &Health {
        &self.inner.around.health
    }

    /// Cancelled when the service is told to stop: accept nothing new, answer what is in hand.
    pub fn stop(&self) -> &CancellationToken {
        &self.inner.around.stop
    }
}

pub(crate) fn start<E, F, L>(listen: L) -> Start
where
    E: Event,
    F: Future<Output = Listening> + Send + 'static,
    L: FnOnce(Lander<E>) -> F + Send + 'static,
{
    Box::new(move |around| Box::pin(run(around, listen)))
}

async fn run<E, F, L>(around: Surroundings, listen: L) -> Listening
where
    E: Event,
    F: Future<Output = Listening> + Send,
    L: FnOnce(Lander<E>) -> F + Send,
{
    around.check_topics(&[], &[E::TOPIC]).await?;
    let Some(source) = around.schemas(&[(E::TOPIC, E::SCHEMA)]).await? else { return Ok(()) };
    let schema_id = crate::contract::SchemaSource::schemas(source.as_ref()).id_of(E::TOPIC)?;
    let condition = around.health.condition("kafka");
    let producer = LandingProducer::start(&around.common.kafka, Some(condition.clone()))?;
    let warm = around.wait_for(&condition, || producer.warm_up(E::TOPIC, WARM_UP)).await;
    if warm.is_none() {
        return Ok(());
    }
    condition.ready();
    let contract = Contract::of(Catalog::builtin());
    let inner = Arc::new(Inner { producer, contract, schema_id, around });
    let lander = Lander { inner: inner.clone(), event: PhantomData };
    listen(lander).await?;
    if let Err(error) = inner.producer.flush(FLUSH).await {
        tracing::warn!("{}", chain(&error));
    }
    Ok(())
}
