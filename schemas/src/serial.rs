//! How values that serde has no form for travel: byte strings, and types that have a text.
//!
//! The errors never repeat what was read, since it may be a patient's.

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserializer, Serializer};
use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::str::FromStr;

/// Avro `bytes` as a vector.
pub mod bytes {
    use super::{BytesVisitor, Deserializer, Serializer};

    /// Writes a byte string.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer, B: AsBytes>(value: &B, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(value.as_bytes())
    }

    /// Reads a byte string.
    ///
    /// # Errors
    /// When it is none, or has another length than a fixed one.
    pub fn deserialize<'de, D: Deserializer<'de>, B: AsBytes>(deserializer: D) -> Result<B, D::Error> {
        let bytes = deserializer.deserialize_byte_buf(BytesVisitor)?;
        B::from_bytes(bytes).ok_or_else(|| serde::de::Error::custom("a byte string of another length"))
    }

    /// What is made of bytes: a vector, an array, either of them under [`crate::Phi`].
    pub trait AsBytes: Sized {
        /// The bytes.
        fn as_bytes(&self) -> &[u8];
        /// From the bytes, when there are as many as there must be.
        fn from_bytes(bytes: Vec<u8>) -> Option<Self>;
    }

    impl AsBytes for Vec<u8> {
        fn as_bytes(&self) -> &[u8] {
            self
        }
        fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
            Some(bytes)
        }
    }

    impl<const N: usize> AsBytes for [u8; N] {
        fn as_bytes(&self) -> &[u8] {
            self
        }
        fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
            bytes.try_into().ok()
        }
    }

    impl<B: AsBytes> AsBytes for crate::Phi<B> {
        fn as_bytes(&self) -> &[u8] {
            self.0.as_bytes()
        }
        fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
            B::from_bytes(bytes).map(crate::Phi)
        }
    }
}

/// Reads a value from its text.
pub(crate) fn parsed<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    deserializer.deserialize_str(TextVisitor(PhantomData))
}

struct TextVisitor<T>(PhantomData<T>);

impl<T: FromStr<Err: Display>> Visitor<'_> for TextVisitor<T> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Vec<u8>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a byte string")
    }
    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }
    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Vec<u8>, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = numbers.next_element()? {
            bytes.push(byte);
        }
        Ok(bytes)
    }
}
