//! Kafka: the only place that names rdkafka.
//!
//! Consumes topics by lanes ([`KafkaLog`]), publishes under a fence ([`KafkaPublisher`]), lands raw records
//! ([`LandingProducer`]), and asks and arranges topics ([`Admin`]). Whoever uses it sees records, positions and
//! [`crate::edge::BrokerError`], never a client.

mod admin;
mod landing;
mod lane;
mod log;
mod marks;
mod poller;
mod publisher;
pub(crate) mod reach;
pub(crate) mod settings;
pub(crate) mod tail;
mod unhurried;

pub use admin::{Access, Admin, TopicMistake, TopicMistakes};
pub use landing::{Ack, Landing, LandingProducer, Offset};
pub use lane::KafkaReader;
pub use log::{KafkaLog, LogSettings};
pub use marks::KafkaMarks;
pub use publisher::{KafkaProducer, KafkaPublisher};
pub use settings::{KafkaSettings, Sasl, SecurityProtocol};
pub use tail::{Visible, each, each_from, records_at, tail};
