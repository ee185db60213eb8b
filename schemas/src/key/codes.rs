//! Keys made of codes that other systems and people give: items, locations, partners, stock, and codes of tables.
//!
//! A code may be any text, so what would break a key's form is escaped, as `%` and two hexadecimal digits for each
//! byte. There is one way to write a code, so that one code is one key.

use super::{Key, KeyError, SenderName};
use crate::event::{Content, ContentHasher, feed_text};
use crate::events::reference_code::CodeTable;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt::{self, Debug, Display, Write};
use std::str::FromStr;

/// How long a code may be, in bytes, escaped as keys have it.
pub const CODE_BYTES_MAX: usize = 128;

/// Declares one kind of code: same form, different type, so that they cannot be mixed.
macro_rules! code {
    ($(#[$doc:meta])* $name:ident, $key_type:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The key of a code as its system writes it: `%`, `@` and control characters are escaped.
            ///
            /// # Errors
            /// When it is empty or too long.
            pub fn of(plain: &str) -> Result<Self, KeyError> {
                escape(plain, is_apart).map(Self)
            }

            /// The key's text, escaped.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The code as its system writes it.
            pub fn plain(&self) -> String {
                // Only what `unescape` has read, or would read, is ever stored.
                unescape(&self.0, is_apart).unwrap_or_default()
            }
        }

        impl FromStr for $name {
            type Err = KeyError;
            fn from_str(text: &str) -> Result<Self, KeyError> {
                unescape(text, is_apart).map(|_| Self(text.to_owned()))
            }
        }

        text_form!($name);

        impl Key for $name {
            const TYPE: &'static str = $key_type;
        }
    };
}

code! {
    /// An item of the stock, by the code people know it by.
    ItemCode, "item"
}
code! {
    /// A place where stock is kept.
    LocationCode, "location"
}
code! {
    /// A company or a supplier; never a patient.
    PartnerCode, "partner"
}

/// The stock of an item at a location: `item@location`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StockKey {
    /// What.
    pub item: ItemCode,
    /// Where.
    pub location: LocationCode,
}

impl StockKey {
    /// The key of an item at a location.
    pub fn of(item: &ItemCode, location: &LocationCode) -> Self {
        Self { item: item.clone(), location: location.clone() }
    }
}

impl FromStr for StockKey {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (item, location) = text.split_once('@').ok_or(KeyError::Parts("item@location"))?;
        Ok(Self { item: item.parse()?, location: location.parse()? })
    }
}

impl Display for StockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.item, self.location)
    }
}

serde_by_text!(StockKey);

impl Key for StockKey {
    const TYPE: &'static str = "stock";
}

/// A code of a table: `table/sender/code`, the sender `*` where the code is everybody's.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CodeKey {
    table: CodeTable,
    sender: Option<SenderName>,
    /// As the source writes it.
    code: String,
}

impl CodeKey {
    /// The key of a code as its source writes it.
    ///
    /// # Errors
    /// When the code is empty or too long, or the table is a newer one's.
    pub fn of(table: CodeTable, sender: Option<&SenderName>, code: &str) -> Result<Self, KeyError> {
        escape(code, is_slash)?;
        if table == CodeTable::Unknown {
            return Err(KeyError::Table);
        }
        Ok(Self { table, sender: sender.cloned(), code: code.to_owned() })
    }

    /// The table.
    pub fn table(&self) -> CodeTable {
        self.table
    }

    /// Whose code it is; nobody's in particular when there is none.
    pub fn sender(&self) -> Option<&SenderName> {
        self.sender.as_ref()
    }

    /// The code as its source writes it.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The same code, everybody's: where to look when the sender has none of its own.
    #[must_use]
    pub fn for_everybody(&self) -> Self {
        Self { sender: None, ..self.clone() }
    }
}

impl FromStr for CodeKey {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut parts = text.split('/');
        let (Some(table), Some(sender), Some(code), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(KeyError::Parts("table/sender/code"));
        };
        let table = TABLES.into_iter().find(|known| known.as_str() == table).ok_or(KeyError::Table)?;
        let sender = if sender == "*" { None } else { Some(sender.parse()?) };
        Ok(Self { table, sender, code: unescape(code, is_slash)? })
    }
}

impl Display for CodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sender = self.sender.as_ref().map_or("*", SenderName::as_str);
        let code = escape(&self.code, is_slash).map_err(|_| fmt::Error)?;
        write!(f, "{}/{sender}/{code}", self.table.as_str())
    }
}

serde_by_text!(CodeKey);

impl Key for CodeKey {
    const TYPE: &'static str = "code";
}

/// The tables there are keys for: all but the one that stands for those of newer writers.
const TABLES: [CodeTable; 5] =
    [CodeTable::Charge, CodeTable::Department, CodeTable::Location, CodeTable::Payer, CodeTable::Unit];

/// What keeps the parts of a stock key apart.
fn is_apart(letter: char) -> bool {
    letter == '@'
}

/// What keeps the parts of a code's key apart.
fn is_slash(letter: char) -> bool {
    letter == '/'
}

/// Writes a code so that neither `%`, nor control characters, nor what keeps parts apart stand in it.
fn escape(plain: &str, apart: impl Fn(char) -> bool) -> Result<String, KeyError> {
    let mut text = String::with_capacity(plain.len());
    for letter in plain.chars() {
        if letter == '%' || letter.is_control() || apart(letter) {
            for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
                write!(text, "%{byte:02X}").map_err(|_| KeyError::Code)?;
            }
        } else {
            text.push(letter);
        }
    }
    if (1..=CODE_BYTES_MAX).contains(&text.len()) { Ok(text) } else { Err(KeyError::Code) }
}

/// Reads what [`escape`] has written, and nothing that it would have written otherwise.
fn unescape(text: &str, apart: impl Fn(char) -> bool) -> Result<String, KeyError> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            plain.push(byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2).ok_or(KeyError::Code)?;
        let digits = std::str::from_utf8(digits).map_err(|_| KeyError::Code)?;
        plain.push(u8::from_str_radix(digits, 16).map_err(|_| KeyError::Code)?);
        rest = after;
    }
    let plain = String::from_utf8(plain).map_err(|_| KeyError::Code)?;
    if escape(&plain, apart)? == text { Ok(plain) } else { Err(KeyError::Code) }
}

#[cfg(test)]
mod tests;
