//! Typed keys: what facts are ordered and partitioned by. No key holds patient data, only tokens, codes and names.

use crate::event::{Content, ContentHasher, feed_text};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt::{self, Debug, Display};
use std::hash::Hash;
use std::str::FromStr;

/// A key of a topic. Its text, as UTF-8, is the record's key in Kafka.
pub trait Key:
    Clone + Ord + Hash + Debug + Display + FromStr<Err = KeyError> + Send + Sync + 'static
{
    /// The key type's name in `catalog.yaml`. Topics of one key type have one partition count.
    const TYPE: &'static str;
}

/// A text is no key of the type that was asked for. The text itself is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a code, or not escaped as codes are.
    #[error("not a code of 1 to {CODE_BYTES_MAX} bytes with what may not stand in it escaped")]
    Code,
    /// Not a service's or a sender's name.
    #[error("not a name of at most 64 letters, digits, dots, hyphens and underscores")]
    Name,
    /// Not as many parts as the key has.
    #[error("not a key of the form {0}")]
    Parts(&'static str),
    /// A raw message's key has no known prefix.
    #[error("not a raw message's key: it begins with none of p:, v:, s:")]
    Prefix,
    /// There is no such table of codes.
    #[error("not a table of codes that is known here")]
    Table,
    /// Not a token.
    #[error("not a token of 32 lower-case hexadecimal digits")]
    Token,
}

/// Declares one kind of token: same form, different type, so that they cannot be mixed.
macro_rules! token {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// A token of 16 bytes, as [`crate::token::Tokenizer`] makes them.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(hex(bytes))
            }

            /// The 32 hexadecimal digits.
            pub fn as_str(&self) -> &str {
                // Only hexadecimal digits are ever stored.
                std::str::from_utf8(&self.0).unwrap_or_default()
            }
        }

        impl FromStr for $name {
            type Err = KeyError;
            fn from_str(text: &str) -> Result<Self, KeyError> {
                parse_hex(text).map(Self)
            }
        }

        text_form!($name);
    };
}

/// Gives a key with `as_str` and `FromStr` its other text forms.
macro_rules! text_form {
    ($name:ident) => {
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::serial::parsed(deserializer)
            }
        }

        impl Content for $name {
            fn feed(&self, hasher: &mut ContentHasher) {
                feed_text(hasher, self.as_str());
            }
        }
    };
}

/// Declares one kind of name that people give to a part of the installation.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = KeyError;
            fn from_str(text: &str) -> Result<Self, KeyError> {
                parse_name(text).map(Self)
            }
        }

        text_form!($name);
    };
}

/// Gives a key of several parts, with `Display` and `FromStr`, its form in serde: the text.
macro_rules! serde_by_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::serial::parsed(deserializer)
            }
        }
    };
}

mod codes;

pub use codes::{CODE_BYTES_MAX, CodeKey, ItemCode, LocationCode, PartnerCode, StockKey};

token! {
    /// A patient's account, keyed by the installation's secret.
    AccountToken
}
token! {
    /// A visit, keyed by the installation's secret. What clinical and billing facts are ordered by.
    EncounterToken
}
token! {
    /// A patient, keyed by the installation's secret.
    PatientToken
}

/// The key of a raw message: the patient's token, else the visit's, else the sender.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RawKey {
    /// `p:` and the token.
    Patient(PatientToken),
    /// `v:` and the token.
    Visit(EncounterToken),
    /// `s:` and the sender's name: nothing in the message says whose it is.
    Sender(String),
}

name! {
    /// A sender, as its file under the senders' folder is called. What its configuration is published under.
    SenderName
}
name! {
    /// A service, as its folder under `services/` is called. What `ops.*` facts are ordered by.
    ServiceName
}

impl FromStr for RawKey {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        match text.split_at_checked(2) {
            Some(("p:", token)) => token.parse().map(Self::Patient),
            Some(("v:", token)) => token.parse().map(Self::Visit),
            Some(("s:", name)) => parse_name(name).map(Self::Sender),
            _ => Err(KeyError::Prefix),
        }
    }
}

impl Display for RawKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Patient(token) => write!(f, "p:{token}"),
            Self::Visit(token) => write!(f, "v:{token}"),
            Self::Sender(name) => write!(f, "s:{name}"),
        }
    }
}

serde_by_text!(RawKey);

impl Key for AccountToken {
    const TYPE: &'static str = "account";
}

impl Key for EncounterToken {
    const TYPE: &'static str = "encounter";
}

impl Key for PatientToken {
    const TYPE: &'static str = "patient";
}

impl Key for RawKey {
    const TYPE: &'static str = "raw";
}

impl Key for SenderName {
    const TYPE: &'static str = "sender";
}

impl Key for ServiceName {
    const TYPE: &'static str = "service";
}

pub(crate) fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}

fn parse_name(text: &str) -> Result<String, KeyError> {
    if is_name(text) { Ok(text.to_owned()) } else { Err(KeyError::Name) }
}

fn parse_hex(text: &str) -> Result<[u8; 32], KeyError> {
    let digits: [u8; 32] = text.as_bytes().try_into().map_err(|_| KeyError::Token)?;
    let lower = digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    if lower { Ok(digits) } else { Err(KeyError::Token) }
}

fn hex(bytes: [u8; 16]) -> [u8; 32] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 32];
    for (place, byte) in bytes.into_iter().enumerate() {
        text[2 * place] = DIGITS[usize::from(byte >> 4)];
        text[2 * place + 1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "00112233445566778899aabbccddeeff";

    /// A key that reads back as itself, or is refused.
    #[track_caller]
    pub(super) fn check<K: Key>(text: &str, expected: Result<(), KeyError>) {
        let parsed = text.parse::<K>();
        assert_eq!(parsed.map(|key| key.to_string()), expected.map(|()| text.to_owned()), "{text}");
    }

    #[test]
    fn keys_read_back_what_they_write_and_refuse_the_rest() {
        check::<EncounterToken>(TOKEN, Ok(()));
        check::<EncounterToken>("00112233445566778899AABBCCDDEEFF", Err(KeyError::Token));
        check::<EncounterToken>("0011", Err(KeyError::Token));
        check::<PatientToken>("", Err(KeyError::Token));
        check::<RawKey>(&format!("p:{TOKEN}"), Ok(()));
        check::<RawKey>(&format!("v:{TOKEN}"), Ok(()));
        check::<RawKey>("s:lakeside-ehr", Ok(()));
        check::<RawKey>("s:", Err(KeyError::Name));
        check::<RawKey>("s:a b", Err(KeyError::Name));
        check::<RawKey>("é:x", Err(KeyError::Prefix));
        check::<RawKey>("v:12345", Err(KeyError::Token));
        check::<RawKey>(TOKEN, Err(KeyError::Prefix));
        check::<ServiceName>("billing-projector", Ok(()));
        check::<ServiceName>("billing projector", Err(KeyError::Name));
        check::<SenderName>("lakeside-ehr", Ok(()));
        check::<SenderName>("*", Err(KeyError::Name));
    }

    #[test]
    fn tokens_are_made_of_bytes() {
        let token = EncounterToken::from_bytes([0xa5; 16]);
        assert_eq!(token.as_str(), "a5".repeat(16));
        assert_eq!(format!("{token:?}"), token.to_string());
    }
}
