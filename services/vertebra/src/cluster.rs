//! Where Kafka and the registry are, by the same names as the services' settings.

use backbone::kafka::{KafkaSettings, Sasl, SecurityProtocol};
use backbone::settings::{Secret, ServiceUrl};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(next_help_heading = "Kafka and the registry")]
pub(crate) struct Cluster {
    /// Brokers to ask first, such as kafka-1:9092,kafka-2:9092
    #[arg(long, env = "VERTEBRA_KAFKA_BOOTSTRAP", value_name = "BROKERS")]
    kafka_bootstrap: Option<String>,
    /// How the connection is secured
    #[arg(long, env = "VERTEBRA_KAFKA_SECURITY_PROTOCOL", value_enum, default_value_t = Protocol::Plaintext)]
    kafka_security_protocol: Protocol,
    /// How we show who we are: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
    #[arg(long, env = "VERTEBRA_KAFKA_SASL_MECHANISM", default_value = "SCRAM-SHA-512", value_name = "NAME")]
    kafka_sasl_mechanism: String,
    /// User, under the sasl protocols
    #[arg(long, env = "VERTEBRA_KAFKA_SASL_USERNAME", value_name = "USER")]
    kafka_sasl_username: Option<String>,
    /// File of the user's password
    #[arg(long, env = "VERTEBRA_KAFKA_SASL_PASSWORD_FILE", value_name = "FILE")]
    kafka_sasl_password_file: Option<PathBuf>,
    /// Certificate authority's PEM file, when not the system's
    #[arg(long, env = "VERTEBRA_KAFKA_SSL_CA", value_name = "FILE")]
    kafka_ssl_ca: Option<PathBuf>,
    /// Schema registry, its API in Confluent's form
    #[arg(long, env = "VERTEBRA_REGISTRY_URL", value_name = "URL", hide_env_values = true)]
    registry_url: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Protocol {
    Plaintext,
    SaslPlaintext,
    SaslSsl,
    Ssl,
}

impl Cluster {
    /// The settings, or everything that is wrong with them.
    pub(crate) fn settings(&self) -> Result<(KafkaSettings, ServiceUrl), Vec<String>> {
        let mut mistakes = Vec::new();
        if self.kafka_bootstrap.is_none() {
            mistakes.push("--kafka-bootstrap is missing (or VERTEBRA_KAFKA_BOOTSTRAP)".to_owned());
        }
        let registry = match self.registry_url.as_deref() {
            None => Err("--registry-url is missing (or VERTEBRA_REGISTRY_URL)".to_owned()),
            Some(url) => ServiceUrl::parse(url, &["http", "https"])
                .map_err(|wrong| format!("--registry-url is not {}", wrong.expects)),
        };
        let registry = registry.map_err(|mistake| mistakes.push(mistake)).ok();
        let kafka = self.kafka().map_err(|mistake| mistakes.push(mistake)).ok().flatten();
        match (kafka, registry) {
            (Some(kafka), Some(registry)) if mistakes.is_empty() => Ok((kafka, registry)),
            _ => Err(mistakes),
        }
    }

    /// Kafka alone; nothing when no broker is named.
    pub(crate) fn kafka(&self) -> Result<Option<KafkaSettings>, String> {
        let sasl = self.sasl()?;
        Ok(self.kafka_bootstrap.clone().map(|bootstrap| KafkaSettings {
            bootstrap,
            client_id: "vertebra".to_owned(),
            protocol: match self.kafka_security_protocol {
                Protocol::Plaintext => SecurityProtocol::Plaintext,
                Protocol::SaslPlaintext => SecurityProtocol::SaslPlaintext,
                Protocol::SaslSsl => SecurityProtocol::SaslSsl,
                Protocol::Ssl => SecurityProtocol::Ssl,
            },
            sasl,
            ssl_ca: self.kafka_ssl_ca.clone(),
        }))
    }

    fn sasl(&self) -> Result<Option<Sasl>, String> {
        if !matches!(self.kafka_security_protocol, Protocol::SaslPlaintext | Protocol::SaslSsl) {
            return Ok(None);
        }
        let (Some(username), Some(path)) = (&self.kafka_sasl_username, &self.kafka_sasl_password_file) else {
            return Err(
                "a sasl protocol needs --kafka-sasl-username and --kafka-sasl-password-file".to_owned()
            );
        };
        let password = std::fs::read_to_string(path)
            .map_err(|error| format!("--kafka-sasl-password-file cannot be read: {error}"))?;
        Ok(Some(Sasl {
            mechanism: self.kafka_sasl_mechanism.clone(),
            username: username.clone(),
            password: Secret::new(password.trim_end()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        cluster: Cluster,
    }

    #[track_caller]
    fn check(args: &[&str], mistakes: &[&str]) {
        let parsed =
            Only::try_parse_from(["only"].iter().chain(args)).unwrap_or_else(|error| panic!("{error}"));
        let told = parsed.cluster.settings().err().unwrap_or_default();
        assert_eq!(told.len(), mistakes.len(), "{told:?}");
        assert!(told.iter().zip(mistakes).all(|(told, said)| told.contains(said)), "{told:?}");
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        check(
            &["--kafka-security-protocol", "sasl_ssl", "--registry-url", "nowhere"],
            &["--kafka-bootstrap is missing", "--registry-url is not a URL", "needs --kafka-sasl-username"],
        );
        check(&["--kafka-bootstrap", "127.0.0.1:9092", "--registry-url", "http://127.0.0.1:8080"], &[]);
    }
}
