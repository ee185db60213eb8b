//! Where the stack is that a test runs on: told by the environment, never started here.

use backbone::kafka::KafkaSettings;
use backbone::registry::{Registry, RegistryError};
use backbone::settings::ServiceUrl;
use odoo::seed::{self, SeedError, Seeded};
use std::path::PathBuf;

/// A running Kafka, registry, PostgreSQL and Odoo.
#[derive(Clone, Debug)]
pub struct Stack {
    /// Brokers to ask first.
    pub kafka: String,
    /// The registry's API in Confluent's form.
    pub registry_url: String,
    /// The services' database, with its password.
    pub postgres_url: String,
    /// Odoo.
    pub odoo: OdooAt,
}

/// Where Odoo is.
#[derive(Clone, Debug)]
pub struct OdooAt {
    /// Its address.
    pub url: String,
    /// The database.
    pub database: String,
    /// The file with an API key.
    pub key_file: PathBuf,
}

impl Stack {
    /// The stack that `VERTEBRA_TEST_*` name; nothing, with a line that says so, where they do not.
    ///
    /// # Panics
    /// When some are not set and `VERTEBRA_TEST_REQUIRED` is.
    #[expect(clippy::print_stdout, reason = "a test that was skipped says so")]
    pub fn from_env() -> Option<Self> {
        let mut missing = Vec::new();
        let mut variable = |name: &'static str| {
            let value = told(name);
            if value.is_none() {
                missing.push(name);
            }
            value.unwrap_or_default()
        };
        let stack = Self {
            kafka: variable("VERTEBRA_TEST_KAFKA"),
            registry_url: variable("VERTEBRA_TEST_REGISTRY_URL"),
            postgres_url: variable("VERTEBRA_TEST_POSTGRES_URL"),
            odoo: OdooAt {
                url: variable("VERTEBRA_TEST_ODOO_URL"),
                database: variable("VERTEBRA_TEST_ODOO_DB"),
                key_file: variable("VERTEBRA_TEST_ODOO_KEY_FILE").into(),
            },
        };
        if missing.is_empty() {
            return Some(stack);
        }
        assert!(told("VERTEBRA_TEST_REQUIRED").is_none(), "not set: {}", missing.join(", "));
        println!("skipped: these name no stack: {}", missing.join(", "));
        None
    }

    /// How its Kafka is reached.
    pub fn kafka(&self) -> KafkaSettings {
        KafkaSettings::plaintext(self.kafka.clone(), "vertebra-harness")
    }

    /// A client of its registry.
    ///
    /// # Errors
    /// When none can be made.
    ///
    /// # Panics
    /// When the address is none.
    pub fn registry(&self) -> Result<Registry, RegistryError> {
        let url = ServiceUrl::parse(&self.registry_url, &["http", "https"]);
        Registry::new(&url.unwrap_or_else(|wrong| panic!("the registry's address is not {}", wrong.expects)))
    }

    /// A client of its Odoo.
    ///
    /// # Panics
    /// When the key cannot be read or the address is none.
    pub fn odoo(&self) -> odoo::Client {
        let key = std::fs::read_to_string(&self.odoo.key_file);
        let key = key.unwrap_or_else(|error| panic!("the API key's file cannot be read: {error}"));
        let settings = odoo::Settings::new(&self.odoo.url, &self.odoo.database, odoo::Secret::new(&key));
        odoo::Client::new(&settings).unwrap_or_else(|error| panic!("no client of Odoo: {error}"))
    }

    /// Puts what the invoices of the small hospital and of a whole day need into Odoo; again does nothing.
    ///
    /// # Errors
    /// When Odoo does not take them.
    pub async fn seed_odoo(&self) -> Result<Seeded, SeedError> {
        let odoo = self.odoo();
        seed::activate(&odoo, &["EUR"]).await?;
        seed::seed(&odoo, &crate::day::seeds()).await
    }
}

#[expect(clippy::disallowed_methods, reason = "tests are told where the stack is by their environment")]
fn told(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
