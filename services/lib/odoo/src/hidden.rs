//! Values that must not be printed by accident: the API key, and texts that may hold a patient's data.

use std::fmt;

/// A secret, such as an API key. `Debug` prints `[redacted]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps the secret; surrounding white space (a key file's last line feed) is dropped.
    pub fn new(secret: &str) -> Self {
        Self(secret.trim().to_owned())
    }

    /// The secret itself, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A value that may hold personal data. `Debug` and `Display` print `[redacted]`; whoever calls [`Hidden::reveal`] answers for
/// where it goes.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hidden<T>(T);

impl<T> Hidden<T> {
    /// Hides `value`.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for a person with the right to see it or for Odoo itself; never for a log.
    pub fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<T> fmt::Display for Hidden<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<T> From<T> for Hidden<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_a_secret_nor_a_hidden_value_is_printed() {
        let text = format!("{:?} {:?} {}", Secret::new("s3cret\n"), Hidden::new("Jane"), Hidden::new("Jane"));
        assert_eq!(text, "[redacted] [redacted] [redacted]");
        assert_eq!(Secret::new("s3cret\n").reveal(), "s3cret");
    }
}
