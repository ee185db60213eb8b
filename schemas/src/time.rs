//! Points in time and calendar days, as Avro carries them: microseconds and days since 1970-01-01, UTC.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time, in microseconds since 1970-01-01T00:00:00Z. Arithmetic saturates.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// A day of the Gregorian calendar, in days since 1970-01-01, without a time zone.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Date(pub i32);

/// A text is no time or day of the form that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not `YYYY-MM-DD`.
    #[error("not a day of the form YYYY-MM-DD")]
    Date,
    /// Not RFC 3339.
    #[error("not a time of the form of RFC 3339")]
    Timestamp,
}

impl Timestamp {
    /// The beginning of the epoch.
    pub const EPOCH: Self = Self(0);
    /// Later than every time a source can give.
    pub const MAX: Self = Self(i64::MAX);
    /// Earlier than every time a source can give.
    pub const MIN: Self = Self(i64::MIN);

    /// From milliseconds since the epoch, as Kafka has them.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// From microseconds since the epoch.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Milliseconds since the epoch, rounded down.
    pub fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Microseconds since the epoch.
    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// The UTC day it falls on; the nearest one that a [`Date`] can hold.
    pub fn date(self) -> Date {
        let days = self.0.div_euclid(86_400_000_000);
        Date(i32::try_from(days).unwrap_or(if days < 0 { i32::MIN } else { i32::MAX }))
    }

    /// The time since an earlier point; zero when it was not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        let micros = self.0.saturating_sub(earlier.0);
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(micros(later)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, earlier: Duration) -> Self {
        Self(self.0.saturating_sub(micros(earlier)))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self(micros(after)),
            Err(before) => Self(micros(before.duration()).saturating_neg()),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => write!(f, "{time}"),
            // Outside the years that RFC 3339 can write.
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let time: jiff::Timestamp = text.parse().map_err(|_| TimeError::Timestamp)?;
        Ok(Self(time.as_microsecond()))
    }
}

impl Date {
    /// A day by its civil parts; `None` when the calendar does not have it.
    pub fn from_ymd(year: i16, month: i8, day: i8) -> Option<Self> {
        Self::from_civil(jiff::civil::Date::new(year, month, day).ok()?)
    }

    /// The first moment of the day, UTC.
    pub fn midnight(self) -> Timestamp {
        Timestamp(i64::from(self.0).saturating_mul(86_400_000_000))
    }

    fn from_civil(day: jiff::civil::Date) -> Option<Self> {
        let midnight = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Timestamp(midnight.timestamp().as_microsecond()).date())
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.midnight().0) {
            Ok(time) => write!(f, "{}", time.to_zoned(jiff::tz::TimeZone::UTC).date()),
            Err(_) => write!(f, "{}d", self.0),
        }
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Date {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let day: jiff::civil::Date = text.parse().map_err(|_| TimeError::Date)?;
        if plain { Self::from_civil(day).ok_or(TimeError::Date) } else { Err(TimeError::Date) }
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
