//! Names of schemas, tables and columns: only what needs no quoting rules is accepted.

use std::fmt;

/// A name that can be put between double quotes in SQL as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Identifier(String);

/// A name cannot be used for a schema, table or column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` cannot name a {what} in PostgreSQL: use lower-case letters, digits and underscores, a letter first, \
     {LENGTH_MAX} at most with any prefix"
)]
pub struct NotAnIdentifier {
    /// What it was to name.
    pub what: &'static str,
    /// The name.
    pub name: String,
}

/// PostgreSQL cuts longer names off in silence.
const LENGTH_MAX: usize = 63;

impl Identifier {
    pub(super) fn new(what: &'static str, name: &str) -> Result<Self, NotAnIdentifier> {
        let letters = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
        let fits = name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.len() <= LENGTH_MAX
            && name.chars().all(letters);
        if fits { Ok(Self(name.to_owned())) } else { Err(NotAnIdentifier { what, name: name.to_owned() }) }
    }

    /// The same with the hyphens of a service's or processor's name as underscores.
    pub(super) fn of_name(what: &'static str, prefix: &str, name: &str) -> Result<Self, NotAnIdentifier> {
        let clear = !name.contains('_');
        let made = Self::new(what, &format!("{prefix}{}", name.replace('-', "_")));
        // With both allowed, two names could meet in one table.
        made.and_then(|made| {
            let mixed = || NotAnIdentifier { what, name: name.to_owned() };
            if clear || !name.contains('-') { Ok(made) } else { Err(mixed()) }
        })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// With its quotes.
impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, want: Option<&str>) {
        let made = Identifier::of_name("table", "", name).ok();
        assert_eq!(made.map(|made| made.to_string()).as_deref(), want);
    }

    #[test]
    fn only_plain_names_become_identifiers() {
        check("billing-case", Some("\"billing_case\""));
        check("case_row", Some("\"case_row\""));
        check("x\"; DROP SCHEMA public; --", None);
        check("Case", None);
        check("1st", None);
        check("", None);
        check("größe", None);
        check("a-b_c", None);
        check(&"a".repeat(64), None);
    }
}
