//! The catalog: what every topic is, who answers for it, who writes it and who reads it.
//!
//! Read from `catalog.yaml`; a mistake in it is found before anything runs, and all mistakes are told at once.

mod reading;
mod validation;

pub use reading::{CatalogErrors, Mistake, Problem};

use crate::key::ServiceName;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

/// All topics of the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    key_types: BTreeMap<String, u32>,
    topics: BTreeMap<String, Topic>,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name, version included: `billing.charge.v1`.
    pub name: String,
    /// What it carries, in a sentence.
    pub summary: String,
    /// The team that answers for its meaning.
    pub owner: String,
    /// The system whose word counts.
    pub system_of_record: String,
    /// What kind of data it carries.
    pub data_class: DataClass,
    /// Whether its events state facts or give commands.
    pub kind: Kind,
    /// The key type's name: [`crate::Key::TYPE`].
    pub key_type: String,
    /// Its partitions, fixed for life.
    pub partitions: u32,
    /// What the broker does with old records.
    pub cleanup: Cleanup,
    /// How long records are kept, in milliseconds; `None` is forever.
    pub retention_ms: Option<i64>,
    /// How large a value may be, in bytes, framing included.
    pub value_bytes_max: usize,
    /// Whether somebody waits for it.
    pub lane: Lane,
    /// How soon after its cause an event should be readable, in milliseconds, at the 99th percentile.
    pub latency_objective_ms: u64,
    /// Who writes it.
    pub producer: Producer,
    /// The services that read it.
    pub consumers: Vec<ServiceName>,
}

/// What kind of data a topic carries; access and masking follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DataClass {
    /// Data of patients.
    Phi,
    /// Money, by tokens only.
    Financial,
    /// Neither.
    Operational,
}

/// Whether events state or ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Something is so; it may be corrected.
    Fact,
    /// Something shall be done; immutable.
    Command,
}

/// What the broker does with old records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cleanup {
    /// Keeps the latest record of each key; deletes are tombstones.
    Compact,
    /// Deletes what is older than the retention.
    Delete,
}

/// Whether somebody waits for a topic's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Throughput counts.
    Batch,
    /// Latency counts.
    Interactive,
}

/// The one writer of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Producer {
    /// Every service, each under its own name as key: still one writer per key.
    EveryService,
    /// One service.
    Service(ServiceName),
}

/// What is kept for headers and key when the broker's limit for a message is derived from that of a value.
const ENVELOPE_BYTES_MAX: usize = 64 * 1024;
/// How long a tombstone stays readable: a reader that was away longer reads the topic again.
const TOMBSTONES_KEPT_MS: i64 = 7 * 24 * 3_600_000;

impl Catalog {
    /// The catalog of this contract.
    ///
    /// # Panics
    /// When the committed file is wrong, which this crate's own tests rule out.
    pub fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<Catalog> = LazyLock::new(|| {
            let parsed = Catalog::parse(include_str!("../catalog.yaml"));
            parsed.unwrap_or_else(|errors| panic!("catalog.yaml: {errors}"))
        });
        &BUILTIN
    }

    /// Reads a catalog of this contract's topics.
    ///
    /// # Errors
    /// All mistakes in it, with their lines.
    pub fn parse(text: &str) -> Result<Self, CatalogErrors> {
        Self::parse_for(text, &crate::events::SCHEMAS)
    }

    /// Reads a catalog of given (topic, schema) pairs.
    ///
    /// # Errors
    /// All mistakes in it, with their lines.
    pub fn parse_for(text: &str, schemas: &[(&str, &str)]) -> Result<Self, CatalogErrors> {
        let mut found = reading::read(text)?;
        validation::validate(&mut found, schemas);
        found.into_result()
    }

    /// A topic by its name.
    pub fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.get(name)
    }

    /// All topics, by name.
    pub fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.topics.values()
    }

    /// Key types and their partition counts, by name.
    pub fn key_types(&self) -> impl Iterator<Item = (&str, u32)> {
        self.key_types.iter().map(|(name, partitions)| (name.as_str(), *partitions))
    }
}

impl Topic {
    /// Whether only the latest record of each key is kept.
    pub fn is_compacted(&self) -> bool {
        self.cleanup == Cleanup::Compact
    }

    /// Whether its events are commands, which are never revised.
    pub fn is_command(&self) -> bool {
        self.kind == Kind::Command
    }

    /// How large a value may be, in bytes, framing included.
    pub fn value_bytes_max(&self) -> usize {
        self.value_bytes_max
    }

    /// Whether a service may write it.
    pub fn is_written_by(&self, service: &str) -> bool {
        match &self.producer {
            Producer::EveryService => true,
            Producer::Service(name) => name.as_str() == service,
        }
    }

    /// Whether a service is declared to read it.
    pub fn is_read_by(&self, service: &str) -> bool {
        self.consumers.iter().any(|name| name.as_str() == service)
    }

    /// The topic's configuration in Kafka. `min.insync.replicas` goes with the number of copies, which is an installation's.
    pub fn configs(&self) -> BTreeMap<String, String> {
        let mut configs = BTreeMap::new();
        let mut put = |name: &str, value: String| configs.insert(name.to_owned(), value);
        put("cleanup.policy", self.cleanup.to_string());
        put("compression.type", "producer".to_owned());
        put("max.message.bytes", (self.value_bytes_max + ENVELOPE_BYTES_MAX).to_string());
        put("message.timestamp.type", "CreateTime".to_owned());
        put("retention.bytes", "-1".to_owned());
        put("retention.ms", self.retention_ms.unwrap_or(-1).to_string());
        if self.is_compacted() {
            put("delete.retention.ms", TOMBSTONES_KEPT_MS.to_string());
        }
        configs
    }
}

impl fmt::Display for DataClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Phi => "phi",
            Self::Financial => "financial",
            Self::Operational => "operational",
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fact => "fact",
            Self::Command => "command",
        })
    }
}

impl fmt::Display for Cleanup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Compact => "compact",
            Self::Delete => "delete",
        })
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Batch => "batch",
            Self::Interactive => "interactive",
        })
    }
}

impl fmt::Display for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EveryService => f.write_str("*"),
            Self::Service(name) => fmt::Display::fmt(name, f),
        }
    }
}
