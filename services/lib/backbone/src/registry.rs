//! The schema registry, by its API in Confluent's form.
//!
//! Consumes subjects named `<topic>-value`. Services only ask: under which id exactly our compiled schema is registered,
//! and what the schema of an id is. Registering is the operator's (`vertebra contract apply`), and sets the subject to
//! `FULL_TRANSITIVE`, since topics are replayed and every reader meets every version ever written.

use crate::contract::{SchemaSource, Schemas};
use crate::edge::BrokerError;
use crate::settings::ServiceUrl;
use canon::codec::WriterSchema;
use futures::stream::{self, StreamExt as _};
use schema_registry_converter::async_impl::schema_registry::{SrSettings, get_schema_by_id, post_schema};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{RawError, SchemaType, SuppliedSchema};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

/// Subjects are held to it.
const COMPATIBILITY: &str = "FULL_TRANSITIVE";
const TIMEOUT: Duration = Duration::from_secs(5);
/// Confluent's codes for a subject, a version or a schema that is not there all begin so.
const NOT_FOUND: u32 = 404;
const CONFLICT: u32 = 409;
/// The largest id that a registry gives.
const ID_MAX: u32 = i32::MAX as u32;
/// Schemas that are asked for at once.
const ASKED_AT_ONCE: usize = 8;

/// The registry did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The schema would break a reader of an earlier or a later version.
    #[error("the schema of {topic} is not compatible with the versions registered before: {said}")]
    Incompatible {
        /// The topic.
        topic: String,
        /// What the registry says.
        said: String,
    },
    /// Our compiled schema is not registered.
    #[error("the compiled schema of {topic} is not registered; run `vertebra contract apply`")]
    NotRegistered {
        /// The topic.
        topic: String,
    },
    /// The registry understands the question and says no.
    #[error("the registry refused {what}: {code} {said}")]
    Refused {
        /// What was asked.
        what: String,
        /// Its code.
        code: u32,
        /// What it says.
        said: String,
    },
    /// The registry does not answer, or not sensibly: try again later.
    #[error("the registry cannot be asked for {what}")]
    Unavailable {
        /// What was asked.
        what: String,
        /// The client's error.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// A client of the registry, with what it has told so far.
#[derive(Debug)]
pub struct Registry {
    base: String,
    http: reqwest::Client,
    converter: SrSettings,
    schemas: Arc<Schemas>,
}

impl Registry {
    /// A client; that the registry answers is not needed.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(url: &ServiceUrl) -> Result<Self, RegistryError> {
        let base = url.reveal().as_str().trim_end_matches('/').to_owned();
        let unavailable = |source| RegistryError::Unavailable { what: "anything".to_owned(), source };
        let http = reqwest::Client::builder().timeout(TIMEOUT).build();
        let http = http.map_err(|error| unavailable(error.into()))?;
        let converter = SrSettings::new_builder(base.clone()).set_timeout(TIMEOUT).build();
        let converter = converter.map_err(|error| unavailable(error.into()))?;
        Ok(Self { base, http, converter, schemas: Arc::default() })
    }

    /// Registers a schema for a topic's values and gives its id; one that is registered keeps the id it has. For the
    /// operator's command, never for a service.
    ///
    /// # Errors
    /// When it is not compatible with earlier versions, is refused, or the registry cannot be asked.
    pub async fn register(&self, topic: &str, schema: &str) -> Result<u32, RegistryError> {
        // A subject that is not there yet cannot be held to anything; its first version is compatible with none.
        let was_there = self.hold(topic).await?;
        let supplied = SuppliedSchema::new(None, SchemaType::Avro, compact(schema));
        let what = format!("the registration of {topic}");
        let registered = post_schema(&self.converter, subject(topic), supplied).await;
        let id = registered.map_err(|error| refusal(topic, what, error))?.id;
        if !was_there && !self.hold(topic).await? {
            let what = format!("{COMPATIBILITY} for {topic}");
            return Err(RegistryError::Refused { what, code: NOT_FOUND, said: "no such subject".to_owned() });
        }
        Ok(id)
    }

    /// The id under which exactly this schema is registered for a topic's values. Registers nothing.
    ///
    /// # Errors
    /// When it is not registered, or the registry cannot be asked.
    pub async fn id_of(&self, topic: &str, schema: &str) -> Result<u32, RegistryError> {
        #[derive(serde::Deserialize)]
        struct Found {
            id: u32,
        }
        let what = format!("the id of {topic}");
        let body = serde_json::json!({ "schema": compact(schema), "schemaType": "AVRO" });
        let request = self.http.post(format!("{}/subjects/{}", self.base, subject(topic))).json(&body);
        match self.ask::<Found>(&what, request).await {
            Ok(found) => Ok(found.id),
            Err(RegistryError::Refused { code, .. }) if is_not_found(code) => {
                Err(RegistryError::NotRegistered { topic: topic.to_owned() })
            }
            Err(error) => Err(error),
        }
    }

    /// The schema of an id; nothing if the registry has none, or none of a record.
    ///
    /// # Errors
    /// When the registry cannot be asked.
    pub async fn writer(&self, id: u32) -> Result<Option<WriterSchema>, RegistryError> {
        // Registries count in Java's numbers; asked for more, one may say that it cannot be asked, which would hold the
        // lane up for ever.
        if id > ID_MAX {
            return Ok(None);
        }
        let what = format!("schema {id}");
        let found = match get_schema_by_id(id, &self.converter).await {
            Ok(found) => found,
            Err(error) => {
                return match refusal("", what, error) {
                    RegistryError::Refused { code, .. } if is_not_found(code) => Ok(None),
                    error => Err(error),
                };
            }
        };
        let parsed = WriterSchema::parse(&found.schema);
        Ok(parsed.inspect_err(|error| tracing::warn!(id, %error, "a registered schema cannot be used")).ok())
    }

    /// Says whether the subject was there to be held to the compatibility.
    async fn hold(&self, topic: &str) -> Result<bool, RegistryError> {
        let what = format!("{COMPATIBILITY} for {topic}");
        let body = serde_json::json!({ "compatibility": COMPATIBILITY });
        let request = self.http.put(format!("{}/config/{}", self.base, subject(topic))).json(&body);
        match self.ask::<serde_json::Value>(&what, request).await {
            Ok(_) => Ok(true),
            Err(RegistryError::Refused { code, .. }) if is_not_found(code) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        what: &str,
        request: reqwest::RequestBuilder,
    ) -> Result<T, RegistryError> {
        let unavailable = |source: reqwest::Error| RegistryError::Unavailable {
            what: what.to_owned(),
            // The address may hold a password.
            source: source.without_url().into(),
        };
        let answer = request.send().await.map_err(unavailable)?;
        let status = answer.status();
        if status.is_success() {
            return answer.json().await.map_err(unavailable);
        }
        if status.is_server_error() {
            return Err(answer.error_for_status().map(|_| ()).map_err(unavailable).err().unwrap_or_else(
                || RegistryError::Refused {
                    what: what.to_owned(),
                    code: status.as_u16().into(),
                    said: String::new(),
                },
            ));
        }
        let (code, said) = match answer.json::<RawError>().await {
            Ok(error) => (error.error_code, error.message),
            Err(_) => (status.as_u16().into(), status.to_string()),
        };
        Err(RegistryError::Refused { what: what.to_owned(), code, said })
    }
}

impl SchemaSource for Registry {
    fn schemas(&self) -> &Arc<Schemas> {
        &self.schemas
    }

    async fn ensure(&self, ids: &[u32]) -> Result<(), BrokerError> {
        let unknown = ids.iter().copied().filter(|id| !self.schemas.knows(*id));
        // Poison may name an id a record, and a batch waits for all of them.
        let mut asked =
            stream::iter(unknown).map(async |id| (id, self.writer(id).await)).buffer_unordered(ASKED_AT_ONCE);
        while let Some((id, writer)) = asked.next().await {
            let writer = writer.map_err(|error| BrokerError::caused(told(&error), error))?;
            writer.into_iter().for_each(|writer| self.schemas.learn_writer(id, writer));
        }
        Ok(())
    }
}

fn subject(topic: &str) -> String {
    format!("{topic}-value")
}

fn is_not_found(code: u32) -> bool {
    code == NOT_FOUND || code / 100 == NOT_FOUND
}

/// An error with its cause, in one line.
fn told(error: &RegistryError) -> String {
    match error {
        RegistryError::Unavailable { source, .. } => format!("{error}: {source}"),
        _ => error.to_string(),
    }
}

fn refusal(topic: &str, what: String, error: SRCError) -> RegistryError {
    let raw = error.source().and_then(|source| source.downcast_ref::<RawError>()).cloned();
    match raw {
        Some(raw) if raw.error_code == CONFLICT || raw.error_code / 100 == CONFLICT => {
            RegistryError::Incompatible { topic: topic.to_owned(), said: raw.message }
        }
        // A code of 0 stands for an answer that was none of the registry's: a proxy's, say.
        Some(raw) if (400..500).contains(&raw.error_code) || (40_000..50_000).contains(&raw.error_code) => {
            RegistryError::Refused { what, code: raw.error_code, said: raw.message }
        }
        _ => RegistryError::Unavailable { what, source: error.into() },
    }
}

/// The schema without the white space between its tokens, so that laying the file out anew registers nothing new.
fn compact(schema: &str) -> String {
    let mut compact = String::with_capacity(schema.len());
    let (mut in_text, mut escaped) = (false, false);
    for char in schema.chars() {
        if !in_text && char.is_ascii_whitespace() {
            continue;
        }
        compact.push(char);
        in_text = if char == '"' && !escaped { !in_text } else { in_text };
        escaped = char == '\\' && !escaped;
    }
    compact
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(schema: &str, expected: &str) {
        assert_eq!(compact(schema), expected);
    }

    #[test]
    fn white_space_between_tokens_is_left_out_and_within_texts_is_kept() {
        check("{ \"a\" :\n\t[ 1, true ] }", r#"{"a":[1,true]}"#);
        check(r#"{"doc" : "two  words, \"quoted \\\" here"}"#, r#"{"doc":"two  words, \"quoted \\\" here"}"#);
        check(r#"{"doc": "ends with \\" , "b": "x y"}"#, r#"{"doc":"ends with \\","b":"x y"}"#);
    }

    #[test]
    fn codes_of_what_is_not_there_are_known() {
        assert!([404, 40_401, 40_403].iter().all(|code| is_not_found(*code)));
        assert!([400, 40_901, 409, 500, 50_001].iter().all(|code| !is_not_found(*code)));
    }

    #[tokio::test]
    async fn a_registry_that_does_not_answer_is_told_as_such() {
        let url = ServiceUrl::parse("http://127.0.0.1:1/apis", &["http"]).expect("a URL");
        let registry = Registry::new(&url).expect("a client");
        let error = registry.id_of("billing.charge.v1", "{}").await.expect_err("unavailable");
        assert!(matches!(error, RegistryError::Unavailable { .. }), "{error}");
        let error = registry.register("billing.charge.v1", "{}").await.expect_err("unavailable");
        assert!(matches!(error, RegistryError::Unavailable { .. }), "{error}");
        let error = registry.ensure(&[7]).await.expect_err("unavailable");
        assert!(error.what.starts_with("the registry cannot be asked for schema 7"), "{error}");
    }
}
