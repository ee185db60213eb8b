//! The shapes in which Odoo answers: `false` for nothing, `[id, "name"]` for a link.

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _};
use serde_json::value::RawValue;

/// A value or Odoo's `false`. For fields whose own values are never `false`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Maybe<T>(pub Option<T>);

impl<T> Default for Maybe<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        match raw.get() {
            "false" | "null" => Ok(Self(None)),
            text => serde_json::from_str(text).map(|value| Self(Some(value))).map_err(D::Error::custom),
        }
    }
}

/// The id out of a many2one's `[id, "name"]`. The name is not kept: it may be a person's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link(pub i64);

impl<'de> Deserialize<'de> for Link {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (id, _name) = <(i64, serde::de::IgnoredAny)>::deserialize(deserializer)?;
        Ok(Self(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Exact;

    #[track_caller]
    fn check<T: DeserializeOwned + PartialEq + std::fmt::Debug>(json: &str, value: T) {
        assert_eq!(serde_json::from_str::<T>(json).unwrap(), value);
    }

    #[test]
    fn odoo_writes_nothing_as_false_and_links_as_pairs() {
        check("false", Maybe::<Link>(None));
        check("null", Maybe::<String>(None));
        check(r#"[7, "Jane"]"#, Maybe(Some(Link(7))));
        check("\"INV/1\"", Maybe(Some("INV/1".to_owned())));
        check("12.30", Maybe(Some(Exact::parse("12.3").unwrap())));
        check("[1, 2]", Maybe(Some(vec![1_i64, 2])));
    }
}
