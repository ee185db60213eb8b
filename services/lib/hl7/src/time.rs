//! Times: HL7's TS and DTM, `YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]`, to microseconds UTC.
//!
//! Consumes the bytes of a value's first component and the zone that holds where the sender gave no offset;
//! gives the instant its parts name, the parts left out being the first (month 1, day 1, midnight), with the
//! precision that was sent. Zones come from the database built into the program: no file is read, and the
//! same bytes mean the same instant on every host.
//!
//! Where clocks change: a local time that occurs twice means its **first** occurrence, so the earlier of the
//! two instants; one that never occurs is **shifted forward** by the length of the gap (02:30 becomes 03:30).
//! [`Instant::origin`] says when that happened, since a sender that gives no offset cannot mean better.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};

/// The most digits of a second's fraction that microseconds can hold. The standard ends at four.
const FRACTION_DIGITS_MAX: usize = 6;

/// A zone of the IANA database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// A zone's name is not in the IANA database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the zone is not a name of the IANA time zone database, such as Europe/Berlin")]
pub struct UnknownZone;

/// How much of a time was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precision {
    /// `YYYY`
    Year,
    /// `YYYYMM`
    Month,
    /// `YYYYMMDD`
    Day,
    /// `YYYYMMDDHH`
    Hour,
    /// `YYYYMMDDHHMM`
    Minute,
    /// `YYYYMMDDHHMMSS`
    Second,
    /// A fraction with this many digits, 1 to 6.
    Fraction(u8),
}

/// Where an instant's offset from UTC comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The zone, at a local time that occurs once.
    Zone,
    /// The zone, at a local time that occurs twice; the first was taken.
    ZoneFold,
    /// The zone, at a local time that clocks leave out; it was shifted forward.
    ZoneGap,
    /// The value itself.
    Stated,
}

/// A time as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dtm {
    local: DateTime,
    offset_seconds: Option<i32>,
    precision: Precision,
}

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instant {
    /// Microseconds since 1970-01-01T00:00:00Z.
    pub micros: i64,
    /// How much of it was sent.
    pub precision: Precision,
    /// Where its offset comes from.
    pub origin: Origin,
}

/// A part of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Year, four digits.
    Year,
    /// Month, 01 to 12.
    Month,
    /// Day of the month.
    Day,
    /// Hour, 00 to 23.
    Hour,
    /// Minute, 00 to 59.
    Minute,
    /// Second, 00 to 59: the standard knows no leap second.
    Second,
    /// Fraction of a second.
    Fraction,
    /// Offset from UTC, a sign and four digits, at most 23:59.
    Offset,
}

/// Why a value is no time. The value itself is never quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// A part has too few digits.
    #[error("the time is cut short in its {part:?}")]
    CutShort {
        /// Which part.
        part: Part,
    },
    /// Nothing was sent.
    #[error("the time is empty")]
    Empty,
    /// The fraction is finer than a microsecond.
    #[error("the time's fraction has more than 6 digits")]
    FractionTooFine,
    /// A part is a number that does not exist there, such as month 13 or 30 February.
    #[error("the time's {part:?} is out of range")]
    OutOfRange {
        /// Which part.
        part: Part,
    },
    /// A character that does not belong there.
    #[error("the time has an unexpected character at byte {position}")]
    Unexpected {
        /// Its position, from 0.
        position: usize,
    },
}

impl Zone {
    /// UTC.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The zone with this name, such as `Europe/Berlin`.
    ///
    /// # Errors
    /// When the built-in database does not have it.
    pub fn named(name: &str) -> Result<Self, UnknownZone> {
        TimeZoneDatabase::bundled().get(name).map(Self).map_err(|_| UnknownZone)
    }

    /// Year, month and day in this zone at a point in time, microseconds since 1970-01-01T00:00:00Z; none where the
    /// calendar ends.
    #[must_use]
    pub fn date(&self, micros: i64) -> Option<(i16, i8, i8)> {
        let date = jiff::Timestamp::from_microsecond(micros).ok()?.to_zoned(self.0.clone()).date();
        Some((date.year(), date.month(), date.day()))
    }
}

impl Dtm {
    /// Reads a time. Nothing before, between or behind its parts is tolerated.
    ///
    /// # Errors
    /// Names the part that is wrong, never the value.
    pub fn parse(bytes: &[u8]) -> Result<Self, TimeError> {
        if bytes.is_empty() {
            return Err(TimeError::Empty);
        }
        let mut input = Input { bytes, position: 0 };
        let year = input.number::<4>(Part::Year)?;
        let mut precision = Precision::Year;
        // Each part stands only where the one before it does.
        let mut parts = [1, 1, 0, 0, 0];
        for (value, (part, reached)) in parts.iter_mut().zip(PARTS) {
            if !input.at_digit() {
                break;
            }
            *value = input.number::<2>(part)?;
            precision = reached;
        }
        let mut nanos = 0;
        if precision == Precision::Second && input.take(b'.') {
            (nanos, precision) = input.fraction()?;
        }
        let offset_seconds = input.offset()?;
        input.end()?;
        Ok(Self { local: civil(year, parts, nanos)?, offset_seconds, precision })
    }

    /// How much was sent.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Year, month and day as they were sent, whatever the zone: what a date of birth means.
    #[must_use]
    pub fn date(&self) -> (i16, i8, i8) {
        (self.local.year(), self.local.month(), self.local.day())
    }

    /// The point in time; `zone` holds where no offset was sent.
    #[must_use]
    pub fn instant(&self, zone: &Zone) -> Instant {
        let (offset_seconds, origin) = match self.offset_seconds {
            Some(offset_seconds) => (offset_seconds, Origin::Stated),
            None => match zone.0.to_ambiguous_timestamp(self.local).offset() {
                AmbiguousOffset::Unambiguous { offset } => (offset.seconds(), Origin::Zone),
                AmbiguousOffset::Fold { before, .. } => (before.seconds(), Origin::ZoneFold),
                // Read with the offset that held before the gap, the time comes out behind it.
                AmbiguousOffset::Gap { before, .. } => (before.seconds(), Origin::ZoneGap),
            },
        };
        // Counted here and not by jiff, whose instants end a day before 99991231, which senders use for "never".
        let since = self.local.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
        let micros = since.as_micros() - i128::from(offset_seconds) * 1_000_000;
        // Ten thousand years are a thirtieth of what the type holds.
        let micros = i64::try_from(micros).unwrap_or(i64::MAX);
        Instant { micros, precision: self.precision, origin }
    }
}

/// Reads a time and places it: [`Dtm::parse`] and [`Dtm::instant`].
///
/// # Errors
/// Names the part that is wrong, never the value.
pub fn instant(bytes: &[u8], zone: &Zone) -> Result<Instant, TimeError> {
    Ok(Dtm::parse(bytes)?.instant(zone))
}

/// Writes microseconds UTC as `YYYYMMDDHHMMSS.SSS+0000`, for an MSH-7 of our own. Cut to the years 1 to 9999.
#[must_use]
pub fn format_utc(micros: i64) -> String {
    let end = DateTime::constant(9999, 12, 31, 23, 59, 59, 999_000_000);
    let start = DateTime::constant(1, 1, 1, 0, 0, 0, 0);
    let since = jiff::SignedDuration::from_micros(micros);
    let edge = if micros < 0 { start } else { end };
    let at = DateTime::constant(1970, 1, 1, 0, 0, 0, 0).checked_add(since).unwrap_or(edge).max(start);
    let (date, time) = (at.date(), at.time());
    format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}.{:03}+0000",
        date.year(),
        date.month(),
        date.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.subsec_nanosecond() / 1_000_000
    )
}

const PARTS: [(Part, Precision); 5] = [
    (Part::Month, Precision::Month),
    (Part::Day, Precision::Day),
    (Part::Hour, Precision::Hour),
    (Part::Minute, Precision::Minute),
    (Part::Second, Precision::Second),
];

fn civil(year: i16, [month, day, hour, minute, second]: [i16; 5], nanos: i32) -> Result<DateTime, TimeError> {
    let within = |part, value: i16, range: std::ops::RangeInclusive<i16>| match i8::try_from(value) {
        Ok(small) if range.contains(&value) => Ok(small),
        _ => Err(TimeError::OutOfRange { part }),
    };
    if year == 0 {
        return Err(TimeError::OutOfRange { part: Part::Year });
    }
    let month = within(Part::Month, month, 1..=12)?;
    let day = within(Part::Day, day, 1..=31)?;
    let hour = within(Part::Hour, hour, 0..=23)?;
    let minute = within(Part::Minute, minute, 0..=59)?;
    let second = within(Part::Second, second, 0..=59)?;
    let date = Date::new(year, month, day).map_err(|_| TimeError::OutOfRange { part: Part::Day })?;
    let time =
        Time::new(hour, minute, second, nanos).map_err(|_| TimeError::OutOfRange { part: Part::Fraction })?;
    Ok(date.to_datetime(time))
}

/// The bytes of a time and how far they are read.
struct Input<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Input<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.position).copied()
    }

    fn at_digit(&self) -> bool {
        self.peek().is_some_and(|byte| byte.is_ascii_digit())
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.position += usize::from(there);
        there
    }

    fn digit(&mut self) -> Option<i16> {
        let digit = self.peek().filter(u8::is_ascii_digit)?;
        self.position += 1;
        Some(i16::from(digit - b'0'))
    }

    /// Exactly `DIGITS` digits; four at most, so that they fit.
    fn number<const DIGITS: usize>(&mut self, part: Part) -> Result<i16, TimeError> {
        let mut value = 0;
        for _ in 0..DIGITS {
            let digit = self.digit().ok_or(match self.peek() {
                Some(b'+' | b'-' | b'.') | None => TimeError::CutShort { part },
                Some(_) => TimeError::Unexpected { position: self.position },
            })?;
            value = value * 10 + digit;
        }
        Ok(value)
    }

    /// The digits behind the dot, as nanoseconds.
    fn fraction(&mut self) -> Result<(i32, Precision), TimeError> {
        let (mut nanos, mut unit, mut digits) = (0, 100_000_000, 0);
        while let Some(digit) = self.digit() {
            digits += 1;
            if usize::from(digits) > FRACTION_DIGITS_MAX {
                return Err(TimeError::FractionTooFine);
            }
            nanos += i32::from(digit) * unit;
            unit /= 10;
        }
        if digits == 0 {
            Err(TimeError::CutShort { part: Part::Fraction })
        } else {
            Ok((nanos, Precision::Fraction(digits)))
        }
    }

    /// `+HHMM` or `-HHMM`, in seconds.
    fn offset(&mut self) -> Result<Option<i32>, TimeError> {
        let sign = match self.peek() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Ok(None),
        };
        self.position += 1;
        let hours = i32::from(self.number::<2>(Part::Offset)?);
        let minutes = i32::from(self.number::<2>(Part::Offset)?);
        if hours > 23 || minutes > 59 {
            return Err(TimeError::OutOfRange { part: Part::Offset });
        }
        Ok(Some(sign * (hours * 3600 + minutes * 60)))
    }

    fn end(&self) -> Result<(), TimeError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(TimeError::Unexpected { position: self.position }),
        }
    }
}
