//! Avro bodies in Confluent's wire format: a zero byte, the schema's id (big-endian, 4 bytes), the body.
//!
//! Encoding and decoding are `serde_avro_fast` straight to and from the event types (twice as fast as any other
//! route measured). What it leaves to us is done here: trailing bytes are refused, no length that was read makes an
//! allocation larger than the body, the writer's schema is held against the type once, and errors tell no values.

use crate::compat::{self, Incompatibility};
use crate::event::Event;
use serde_avro_fast::de::{DeserializerConfig, DeserializerState, read::SliceRead};
use serde_avro_fast::ser::SerializerConfig;
use std::any::TypeId;
use std::collections::HashMap;
use std::fmt;
use std::io::Read;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

/// The first byte of a frame.
const MAGIC: u8 = 0;
/// Bytes before the body.
const PREFIX_BYTES: usize = 5;

/// An event cannot be written; it was not published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The type's own schema cannot be parsed: a build that must not run.
    #[error("the schema of {topic} cannot be used")]
    Schema {
        /// The topic.
        topic: &'static str,
        /// Why.
        #[source]
        source: SchemaError,
    },
    /// A value does not fit the schema.
    #[error("the event does not fit the schema of {topic}: {cause}")]
    Value {
        /// The topic.
        topic: &'static str,
        /// What did not fit, without the value.
        cause: Cause,
    },
}

/// Bytes are no event of the type that was asked for. The bytes are kept by whoever asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not a frame of Confluent's wire format.
    #[error("the value has no schema id: it is not in Confluent's wire format")]
    Frame,
    /// The writer's schema does not describe what the type reads.
    #[error("the writer's schema does not fit {topic}: {}", compat::list(.problems))]
    Schema {
        /// The topic.
        topic: &'static str,
        /// Everything that does not fit.
        problems: Vec<Incompatibility>,
    },
    /// There is more than one event in the body.
    #[error("{bytes} bytes follow the event of {topic}")]
    Trailing {
        /// The topic.
        topic: &'static str,
        /// How many.
        bytes: usize,
    },
    /// The body is cut off, or holds a value that the type refuses.
    #[error("the body is no event of {topic}: {cause}")]
    Value {
        /// The topic.
        topic: &'static str,
        /// What was wrong, without the value.
        cause: Cause,
    },
}

/// A text is no Avro schema of a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an Avro schema of a record: {0}")]
pub struct SchemaError(String);

/// What a codec complained of, with every value taken out of it: a value may be a patient's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause(String);

/// A writer's schema, parsed once and shared.
pub struct WriterSchema {
    schema: serde_avro_fast::Schema,
    json: String,
    /// The types it was found to fit, so that the comparison is made once and not per event.
    fits: RwLock<Vec<TypeId>>,
}

/// Writes events of one type with its own schema.
pub struct Writer<E> {
    schema: Arc<serde_avro_fast::Schema>,
    event: PhantomData<fn(&E)>,
}

/// Splits a value into its schema's id and its body.
///
/// # Errors
/// When it is not in Confluent's wire format.
pub fn split(frame: &[u8]) -> Result<(u32, &[u8]), DecodeError> {
    match frame {
        [MAGIC, a, b, c, d, body @ ..] => Ok((u32::from_be_bytes([*a, *b, *c, *d]), body)),
        _ => Err(DecodeError::Frame),
    }
}

/// Writes an event with its own schema, framed under the id which that schema is registered with.
///
/// # Errors
/// When a value does not fit the schema.
pub fn encode<E: Event>(schema_id: u32, event: &E) -> Result<Vec<u8>, EncodeError> {
    Writer::<E>::shared()?.encode(schema_id, event)
}

/// Reads an event from a body that was written with a given schema, an older or a newer one.
///
/// # Errors
/// When the schema does not fit the type, or the body is not one event of it.
pub fn decode<E: Event>(writer: &WriterSchema, body: &[u8]) -> Result<E, DecodeError> {
    writer.check::<E>()?;
    let mut config = DeserializerConfig::new(&writer.schema);
    // Every item of a list takes a byte or more; a list of nothings would be the only longer one.
    config.max_seq_size = body.len();
    let mut state = DeserializerState::with_config(SliceRead::new(body), config);
    let event = E::deserialize(state.deserializer())
        .map_err(|error| DecodeError::Value { topic: E::TOPIC, cause: Cause::of(&error) })?;
    let bytes = std::io::copy(&mut state.into_reader().by_ref(), &mut std::io::sink()).unwrap_or(0);
    match usize::try_from(bytes) {
        Ok(0) => Ok(event),
        bytes => Err(DecodeError::Trailing { topic: E::TOPIC, bytes: bytes.unwrap_or(usize::MAX) }),
    }
}

impl WriterSchema {
    /// Parses a schema as the registry has it.
    ///
    /// # Errors
    /// When it is no Avro schema, or not one of a record.
    pub fn parse(json: &str) -> Result<Self, SchemaError> {
        compat::record(json).map_err(|problem| SchemaError(problem.to_string()))?;
        let schema = json
            .parse()
            .map_err(|error: serde_avro_fast::schema::SchemaError| SchemaError(error.to_string()))?;
        Ok(Self { schema, json: json.to_owned(), fits: RwLock::default() })
    }

    /// The schema's text, as it was parsed.
    pub fn json(&self) -> &str {
        &self.json
    }

    fn check<E: Event>(&self) -> Result<(), DecodeError> {
        let known = |fits: &Vec<TypeId>| fits.contains(&TypeId::of::<E>());
        if known(&self.fits.read().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(());
        }
        let problems = compat::reads(E::SCHEMA, &self.json);
        if !problems.is_empty() {
            return Err(DecodeError::Schema { topic: E::TOPIC, problems });
        }
        let mut fits = self.fits.write().unwrap_or_else(PoisonError::into_inner);
        if !known(&fits) {
            fits.push(TypeId::of::<E>());
        }
        Ok(())
    }
}

impl fmt::Debug for WriterSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriterSchema").field("json", &self.json).finish_non_exhaustive()
    }
}

impl<E: Event> Writer<E> {
    /// Parses the type's schema.
    ///
    /// # Errors
    /// When it cannot be parsed.
    pub fn new() -> Result<Self, EncodeError> {
        let schema = E::SCHEMA.parse().map_err(|error: serde_avro_fast::schema::SchemaError| {
            EncodeError::Schema { topic: E::TOPIC, source: SchemaError(error.to_string()) }
        })?;
        Ok(Self { schema: Arc::new(schema), event: PhantomData })
    }

    /// Writes an event, framed under the id which the schema is registered with.
    ///
    /// # Errors
    /// When a value does not fit the schema.
    pub fn encode(&self, schema_id: u32, event: &E) -> Result<Vec<u8>, EncodeError> {
        let mut frame = Vec::with_capacity(PREFIX_BYTES + 512);
        frame.push(MAGIC);
        frame.extend_from_slice(&schema_id.to_be_bytes());
        serde_avro_fast::to_datum(event, frame, &mut SerializerConfig::new(&self.schema))
            .map_err(|error| EncodeError::Value { topic: E::TOPIC, cause: Cause::of(&error) })
    }

    /// The writer of a type, parsed at its first use.
    fn shared() -> Result<Self, EncodeError> {
        static SCHEMAS: OnceLock<RwLock<HashMap<TypeId, Arc<serde_avro_fast::Schema>>>> = OnceLock::new();
        let schemas = SCHEMAS.get_or_init(RwLock::default);
        let known = schemas.read().unwrap_or_else(PoisonError::into_inner).get(&TypeId::of::<E>()).cloned();
        if let Some(schema) = known {
            return Ok(Self { schema, event: PhantomData });
        }
        let writer = Self::new()?;
        let mut schemas = schemas.write().unwrap_or_else(PoisonError::into_inner);
        schemas.insert(TypeId::of::<E>(), writer.schema.clone());
        Ok(writer)
    }
}

impl<E> Clone for Writer<E> {
    fn clone(&self) -> Self {
        Self { schema: self.schema.clone(), event: PhantomData }
    }
}

impl Cause {
    /// Cuts the text at the first value: serde puts values in quotes and back-ticks, and names of fields too, which
    /// are kept where they are known to be names.
    fn of(error: &impl fmt::Display) -> Self {
        let text = error.to_string();
        let named = text.starts_with("missing field `") || text.starts_with("duplicate field `");
        let end = if named { text.len() } else { text.find(['"', '\'', '`']).unwrap_or(text.len()) };
        let cut = if end < text.len() { "…" } else { "" };
        Self(format!("{}{cut}", &text[..end]))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
