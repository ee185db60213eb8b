//! From text to values: the forms that settings are written in.

use reqwest::Url;
use std::fmt;
use std::time::Duration;

/// A text is not what a setting expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Completes "is not …".
    pub expects: String,
}

impl Wrong {
    /// What had been expected.
    pub fn expects(what: impl Into<String>) -> Self {
        Self { expects: what.into() }
    }
}

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one call that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// The URL of a service, printed without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceUrl(Url);

impl ServiceUrl {
    /// Parses a URL that has a host and one of these schemes.
    ///
    /// # Errors
    /// The text is no such URL.
    pub fn parse(text: &str, schemes: &[&str]) -> Result<Self, Wrong> {
        let wrong = || {
            Wrong::expects(format!("a URL with a host, beginning with {}", schemes.join(":// or ") + "://"))
        };
        let url = Url::parse(text.trim()).map_err(|_| wrong())?;
        if !schemes.contains(&url.scheme()) || url.host_str().is_none_or(str::is_empty) {
            return Err(wrong());
        }
        Ok(Self(url))
    }

    /// Whether it holds a password.
    pub fn has_password(&self) -> bool {
        self.0.password().is_some()
    }

    /// The same URL with this password.
    #[must_use]
    pub fn with_password(mut self, password: &Secret) -> Self {
        // Refused only by URLs without a host, and those do not parse.
        let _ = self.0.set_password(Some(password.reveal()));
        self
    }

    /// The URL with its password, for the client that connects.
    pub fn reveal(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.clone();
        if self.has_password() {
            let _ = shown.set_password(Some("secret"));
        }
        f.write_str(shown.as_str())
    }
}

impl fmt::Debug for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line, for collectors.
    Json,
    /// For people.
    Text,
}

/// How a bound is written in help and mistakes.
pub trait Shown {
    /// The text one would write to get this value.
    fn shown(&self) -> String;
}

impl Shown for Duration {
    fn shown(&self) -> String {
        let ms = self.as_millis();
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
        let fitting = units.iter().find(|(unit_ms, _)| ms >= *unit_ms && ms.is_multiple_of(*unit_ms));
        fitting.map_or_else(|| format!("{ms}ms"), |(unit_ms, unit)| format!("{}{unit}", ms / unit_ms))
    }
}

impl Shown for u16 {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for u32 {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for u64 {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for usize {
    fn shown(&self) -> String {
        self.to_string()
    }
}

/// A duration as settings are written, such as `10s` or `2h`.
///
/// # Errors
/// It is none.
pub fn duration(text: &str) -> Result<Duration, Wrong> {
    let wrong = || Wrong::expects("a duration such as 500ms, 10s, 5m, 2h or 3d");
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut total_ms: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (count, after) = rest.split_at(digits);
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        let unit_ms = match unit.trim() {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        let part_ms =
            count.parse::<u64>().ok().and_then(|count| count.checked_mul(unit_ms)).ok_or_else(wrong)?;
        total_ms = total_ms.checked_add(part_ms).ok_or_else(wrong)?;
        rest = next;
    }
    Ok(Duration::from_millis(total_ms))
}

pub(crate) fn bytes(text: &str) -> Result<usize, Wrong> {
    let wrong = || Wrong::expects("an amount of bytes such as 65536, 64KiB or 8MiB");
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at(digits);
    let unit_bytes: usize = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    count.parse::<usize>().ok().and_then(|count| count.checked_mul(unit_bytes)).ok_or_else(wrong)
}
