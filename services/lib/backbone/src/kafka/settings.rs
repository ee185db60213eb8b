//! How a client of Kafka is told where the cluster is and how to show itself.

use crate::settings::{Mistake, Scope, Secret, Setting, Values};
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where the cluster is and how to show oneself.
#[derive(Clone, Debug)]
pub struct KafkaSettings {
    /// Brokers to ask first, `host:port`, with commas between them.
    pub bootstrap: String,
    /// The name that the broker's logs and quotas know this client by.
    pub client_id: String,
    /// How the connection is secured.
    pub protocol: SecurityProtocol,
    /// Who we are, under the two `Sasl…` protocols.
    pub sasl: Option<Sasl>,
    /// The certificate authority's PEM file; the system's own when left out.
    pub ssl_ca: Option<PathBuf>,
}

/// Who we are towards the broker.
#[derive(Clone, Debug)]
pub struct Sasl {
    /// `SCRAM-SHA-512`, `SCRAM-SHA-256` or `PLAIN`.
    pub mechanism: String,
    /// The user.
    pub username: String,
    /// The user's password.
    pub password: Secret,
}

/// How the connection is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityProtocol {
    /// Neither encrypted nor authenticated: loopback and tests.
    Plaintext,
    /// Authenticated, not encrypted.
    SaslPlaintext,
    /// Authenticated and encrypted.
    SaslSsl,
    /// Encrypted.
    Ssl,
}

const PROTOCOLS: [(&str, SecurityProtocol); 4] = [
    ("plaintext", SecurityProtocol::Plaintext),
    ("sasl_plaintext", SecurityProtocol::SaslPlaintext),
    ("sasl_ssl", SecurityProtocol::SaslSsl),
    ("ssl", SecurityProtocol::Ssl),
];

impl SecurityProtocol {
    fn is_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

impl fmt::Display for SecurityProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = PROTOCOLS.iter().find(|(_, protocol)| protocol == self);
        f.write_str(name.map_or("plaintext", |(name, _)| name))
    }
}

impl KafkaSettings {
    /// A cluster without security, for tests and tools on loopback.
    pub fn plaintext(bootstrap: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self {
            bootstrap: bootstrap.into(),
            client_id: client_id.into(),
            protocol: SecurityProtocol::Plaintext,
            sasl: None,
            ssl_ca: None,
        }
    }

    /// What producers, consumers and administration have in common.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("client.id", &self.client_id)
            .set("security.protocol", self.protocol.to_string())
            // A restarted broker is found again in a second, not in ten.
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.connection.setup.timeout.ms", "5000")
            .set("socket.keepalive.enable", "true")
            .set("allow.auto.create.topics", "false")
            .set("enable.metrics.push", "false")
            // Idle connections that the broker closes are no news.
            .set("log.connection.close", "false")
            .set_log_level(RDKafkaLogLevel::Warning);
        if let Some(sasl) = &self.sasl {
            config
                .set("sasl.mechanism", &sasl.mechanism)
                .set("sasl.username", &sasl.username)
                .set("sasl.password", sasl.password.reveal());
        }
        if let Some(path) = &self.ssl_ca {
            config.set("ssl.ca.location", path.to_string_lossy());
        }
        config
    }
}

/// The handles of Kafka's settings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KafkaDeclared {
    bootstrap: Setting<Bootstrap>,
    mechanism: Setting<&'static str>,
    password: Setting<Option<Secret>>,
    protocol: Setting<SecurityProtocol>,
    ssl_ca: Setting<Option<PathBuf>>,
    username: Setting<Option<String>>,
}

/// Brokers to ask first; each has a host and a port.
struct Bootstrap(String);

impl FromStr for Bootstrap {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let is_broker = |broker: &str| {
            let parts = broker.trim().rsplit_once(':');
            parts.is_some_and(|(host, port)| {
                !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
            })
        };
        if text.split(',').all(is_broker) { Ok(Self(text.to_owned())) } else { Err(()) }
    }
}

impl KafkaDeclared {
    pub(crate) fn declare(scope: &mut Scope<'_>) -> Self {
        let bootstrap = scope
            .parsed(
                "kafka-bootstrap",
                "brokers to ask first",
                "a list of brokers such as kafka-1:9092,kafka-2:9092",
            )
            .required();
        let protocol = scope
            .choice("kafka-security-protocol", "how the connection is secured", &PROTOCOLS)
            .default("plaintext");
        let mechanisms = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"].map(|name| (name, name));
        let mechanism = scope
            .choice("kafka-sasl-mechanism", "how we show who we are", &mechanisms)
            .default("SCRAM-SHA-512");
        let username = scope.text("kafka-sasl-username", "user, under the sasl protocols").optional();
        let password = scope.secret("kafka-sasl-password", "the user's password").optional();
        let ssl_ca =
            scope.path("kafka-ssl-ca", "certificate authority's PEM file, when not the system's").optional();
        let declared = Self { bootstrap, mechanism, password, protocol, ssl_ca, username };
        scope.rule(move |values| declared.mistakes(values));
        declared
    }

    pub(crate) fn values(&self, service: &str, values: &Values) -> KafkaSettings {
        let protocol = *values.get(&self.protocol);
        let user = values.get(&self.username).clone().zip(values.get(&self.password).clone());
        let sasl = user.filter(|_| protocol.is_sasl()).map(|(username, password)| Sasl {
            mechanism: (*values.get(&self.mechanism)).to_owned(),
            username,
            password,
        });
        KafkaSettings {
            bootstrap: values.get(&self.bootstrap).0.clone(),
            client_id: service.to_owned(),
            protocol,
            sasl,
            ssl_ca: values.get(&self.ssl_ca).clone(),
        }
    }

    fn mistakes(&self, values: &Values) -> Vec<Mistake> {
        let protocol = *values.get(&self.protocol);
        let (username, password) = (values.get(&self.username), values.get(&self.password));
        let mut mistakes = Vec::new();
        if protocol.is_sasl() && username.is_none() {
            let what = "missing, and kafka-security-protocol is a sasl one; give the user";
            mistakes.push(Mistake::together("kafka-sasl-username", what));
        }
        if protocol.is_sasl() && password.is_none() {
            let what = "missing, and kafka-security-protocol is a sasl one; name its file, or set \
                        VERTEBRA_KAFKA_SASL_PASSWORD";
            mistakes.push(Mistake::together("kafka-sasl-password", what));
        }
        if !protocol.is_sasl() && (username.is_some() || password.is_some()) {
            let what = "a user is given, and kafka-security-protocol uses none; set it to sasl_ssl";
            mistakes.push(Mistake::together("kafka-security-protocol", what));
        }
        mistakes
    }
}
