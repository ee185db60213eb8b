//! External ids: the names under which Odoo's database keeps a record unique (`ir.model.data`).

use std::fmt;
use std::str::FromStr;

/// The module prefix of all that Vertebra makes. No module can have this name, so no upgrade cleans our records up.
pub const OUR_MODULE: &str = "__vertebra__";

/// Names are hashes and codes; a longer one is a mistake.
const NAME_LENGTH_MAX: usize = 200;

/// A record's external id, `module.name`. The name has letters, digits, `_`, `-` and `.` only: Odoo refuses spaces, its
/// `load` splits at commas, and its messages stumble over `%`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExternalId {
    module: String,
    name: String,
}

/// Not an external id. Carries only what is wrong, not the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadExternalId {
    /// A character that Odoo would stumble over.
    #[error("an external id has letters, digits, '_', '-' and '.' only")]
    Character,
    /// No name, or a name of more than 200 bytes.
    #[error("an external id's module and name have 1 to {NAME_LENGTH_MAX} characters")]
    Length,
    /// No dot between module and name.
    #[error("an external id is written module.name")]
    Module,
}

impl ExternalId {
    /// `__vertebra__.<name>`.
    pub fn ours(name: &str) -> Result<Self, BadExternalId> {
        Self::new(OUR_MODULE, name)
    }

    /// `<module>.<name>`.
    pub fn new(module: &str, name: &str) -> Result<Self, BadExternalId> {
        for part in [module, name] {
            if part.is_empty() || part.len() > NAME_LENGTH_MAX {
                return Err(BadExternalId::Length);
            }
        }
        match plain(name) && plain(module) && !module.contains('.') {
            true => Ok(Self { module: module.to_owned(), name: name.to_owned() }),
            false => Err(BadExternalId::Character),
        }
    }

    /// `__vertebra__.<kind>_<code>` for a code from elsewhere; characters an external id cannot have become `.` and two
    /// hexadecimal digits, so that different codes never meet.
    pub fn coded(kind: &str, code: &str) -> Result<Self, BadExternalId> {
        use fmt::Write as _;
        let mut name = format!("{kind}_");
        for byte in code.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => name.push(char::from(byte)),
                _ => write!(name, ".{byte:02x}").map_err(|_| BadExternalId::Character)?,
            }
        }
        match code.is_empty() {
            true => Err(BadExternalId::Length),
            false => Self::ours(&name),
        }
    }

    /// The module part.
    pub fn module(&self) -> &str {
        &self.module
    }

    /// The name part.
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

impl FromStr for ExternalId {
    type Err = BadExternalId;

    fn from_str(text: &str) -> Result<Self, BadExternalId> {
        let (module, name) = text.split_once('.').ok_or(BadExternalId::Module)?;
        Self::new(module, name)
    }
}

impl fmt::Display for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.module, self.name)
    }
}

impl fmt::Debug for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_have_dots_and_comes_back_as_it_was() {
        let id: ExternalId = "base.USD.x".parse().unwrap();
        assert_eq!((id.module(), id.name(), id.to_string()), ("base", "USD.x", "base.USD.x".to_owned()));
    }

    #[test]
    fn names_that_odoo_stumbles_over_are_refused() {
        for (name, error) in [
            ("a b", BadExternalId::Character),
            ("a,b", BadExternalId::Character),
            ("100%", BadExternalId::Character),
            ("é", BadExternalId::Character),
            ("", BadExternalId::Length),
            (&*"x".repeat(201), BadExternalId::Length),
        ] {
            assert_eq!(ExternalId::ours(name), Err(error), "{name}");
        }
        assert_eq!("nodot".parse::<ExternalId>(), Err(BadExternalId::Module));
    }

    #[test]
    fn different_codes_have_different_external_ids() {
        let id = |code| ExternalId::coded("item", code).unwrap().to_string();
        assert_eq!(id("99213-25"), "__vertebra__.item_99213-25");
        assert_eq!(id("A B/%"), "__vertebra__.item_A.20B.2f.25");
        assert_eq!(id("A.20B"), "__vertebra__.item_A.2e20B");
    }
}
