//! The settings that every service has, and those of services with a ledger.

use super::{LogFormat, Mistake, Scope, Secret, ServiceUrl, Setting, Values};
use crate::kafka::KafkaSettings;
use crate::kafka::settings::KafkaDeclared;
use std::net::SocketAddr;
use std::time::Duration;
use uuid::Uuid;

/// What every service is told: itself, its logs, Kafka, the registry.
#[derive(Clone, Copy, Debug)]
pub struct Common {
    drain_timeout: Setting<Duration>,
    http_listen: Setting<SocketAddr>,
    instance: Setting<Option<Uuid>>,
    kafka: KafkaDeclared,
    log_format: Setting<LogFormat>,
    log_level: Setting<String>,
    registry_url: Setting<ServiceUrl>,
}

/// The values of [`Common`].
#[derive(Clone, Debug)]
pub struct CommonValues {
    /// How long a drain may take after SIGTERM.
    pub drain_timeout: Duration,
    /// Where `/live`, `/ready` and `/metrics` are served.
    pub http_listen: SocketAddr,
    /// This process among the service's instances.
    pub instance: Uuid,
    /// How to reach Kafka.
    pub kafka: KafkaSettings,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// Which log lines are written: a level, or directives by module.
    pub log_level: String,
    /// The schema registry's API in Confluent's form.
    pub registry_url: ServiceUrl,
}

impl Common {
    /// Declares them, usually within `spec.all()`.
    pub fn declare(scope: Scope<'_>) -> Self {
        let mut scope = scope.group("Service");
        let http_listen = scope
            .address("http-listen", "address of /live, /ready and /metrics; port 0 takes a free one")
            .default("127.0.0.1:9600");
        let instance = scope
            .parsed("instance", "this process among the service's instances; made up when left out", "a UUID")
            .optional();
        let drain_timeout = scope
            .duration("drain-timeout", "how long work in hand may take to end after SIGTERM")
            .range(Duration::ZERO..=Duration::from_secs(300))
            .default("10s");
        let log_level = scope
            .text("log-level", "error, warn, info, debug or trace, also by module: info,backbone=debug")
            .default("info");
        let log_format = scope
            .choice(
                "log-format",
                "how log lines are written",
                &[("json", LogFormat::Json), ("text", LogFormat::Text)],
            )
            .default("json");
        let mut scope = scope.group("Kafka and the registry");
        let kafka = KafkaDeclared::declare(&mut scope);
        let registry_url = scope
            .url("registry-url", "schema registry, its API in Confluent's form", &["http", "https"])
            .required();
        Self { drain_timeout, http_listen, instance, kafka, log_format, log_level, registry_url }
    }

    /// The values; `service` names the client towards the broker.
    pub fn values(&self, service: &str, values: &Values) -> CommonValues {
        CommonValues {
            drain_timeout: *values.get(&self.drain_timeout),
            http_listen: *values.get(&self.http_listen),
            instance: values.get(&self.instance).unwrap_or_else(Uuid::now_v7),
            kafka: self.kafka.values(service, values),
            log_format: *values.get(&self.log_format),
            log_level: values.get(&self.log_level).clone(),
            registry_url: values.get(&self.registry_url).clone(),
        }
    }
}

/// What a service with a ledger is told besides: PostgreSQL, leases, batches.
#[derive(Clone, Copy, Debug)]
pub struct Ledger {
    batch_max: Setting<usize>,
    lease: Setting<Duration>,
    postgres_password: Setting<Option<Secret>>,
    postgres_url: Setting<ServiceUrl>,
}

/// The values of [`Ledger`].
#[derive(Clone, Debug)]
pub struct LedgerValues {
    /// How many records one transaction takes at most.
    pub batch_max: usize,
    /// How long a lane or a relay shard stays ours without a sign of life.
    pub lease: Duration,
    /// The database, with its password when there is one.
    pub postgres_url: ServiceUrl,
}

impl Ledger {
    /// Declares them, in the scope of the sub-commands that have a ledger.
    pub fn declare(scope: Scope<'_>) -> Self {
        let mut scope = scope.group("Ledger");
        let postgres_url = scope
            .url(
                "postgres-url",
                "database of the ledger, postgres://user@host:5432/name",
                &["postgres", "postgresql"],
            )
            .required();
        let postgres_password =
            scope.secret("postgres-password", "password of the database's user").optional();
        let lease = scope
            .duration("lease", "how long a lane stays ours without a sign of life")
            .range(Duration::from_secs(2)..=Duration::from_secs(120))
            .default("10s");
        let batch_max = scope
            .number("batch-max", "records one transaction takes at most")
            .range(1..=100_000)
            .default("1000");
        let ledger = Self { batch_max, lease, postgres_password, postgres_url };
        scope.rule(move |values| {
            let twice = values.get(&postgres_url).has_password() && values.get(&postgres_password).is_some();
            let what = "the URL holds a password and postgres-password gives one too; leave one out";
            if twice { vec![Mistake::together("postgres-url", what)] } else { Vec::new() }
        });
        ledger
    }

    /// The values.
    pub fn values(&self, values: &Values) -> LedgerValues {
        let url = values.get(&self.postgres_url).clone();
        let postgres_url = match values.get(&self.postgres_password) {
            Some(password) => url.with_password(password),
            None => url,
        };
        LedgerValues {
            batch_max: *values.get(&self.batch_max),
            lease: *values.get(&self.lease),
            postgres_url,
        }
    }
}

/// What a service that makes tokens is told: the installation's secret.
#[derive(Clone, Copy, Debug)]
pub struct Tokens {
    secret: Setting<Secret>,
}

impl Tokens {
    /// Declares it, in the scope of the sub-commands that make tokens.
    pub fn declare(scope: Scope<'_>) -> Self {
        let help = "secret that patients' and visits' tokens are made with; fixed for a topic's life";
        let secret = scope
            .group("Tokens")
            .secret("token-secret", help)
            .when("a secret of 32 characters or more", |secret| secret.reveal().len() >= 32)
            .required();
        Self { secret }
    }

    /// The secret.
    pub fn secret(&self, values: &Values) -> Secret {
        values.get(&self.secret).clone()
    }
}
