//! Reading values out of a message, or saying which position cannot be read.

use crate::sender::Reading;
use crate::subject;
use backbone::{Reason, Reject};
use canon::decimal::DecimalError;
use canon::{Date, Fixed, Phi, Timestamp};
use hl7::charset::Charset;
use hl7::message::{Field, Message, Path, Presence, Value};
use hl7::time;
use std::fmt::Display;

/// A message with what its sender's configuration says of reading it.
pub(crate) struct Reader<'m, 'a> {
    message: &'m Message<'a>,
    charset: Charset,
    reading: &'m Reading,
}

impl<'m, 'a> Reader<'m, 'a> {
    pub(crate) fn new(message: &'m Message<'a>, reading: &'m Reading) -> Self {
        Self { message, charset: Charset::of(message, reading.charset).charset, reading }
    }

    pub(super) fn reading(&self) -> &'m Reading {
        self.reading
    }

    pub(crate) fn message(&self) -> &'m Message<'a> {
        self.message
    }

    pub(crate) fn charset(&self) -> Charset {
        self.charset
    }

    /// A code: none where nothing is said, or a deletion.
    pub(super) fn code(&self, value: Value<'_>, at: impl Display) -> Result<Option<String>, Reject> {
        subject::code(value, self.charset).map_err(|why| invalid(at, why))
    }

    /// A code at a path, of its first component where the path names none.
    pub(super) fn code_at(&self, path: &str) -> Result<Option<String>, Reject> {
        self.code(self.at(path), path)
    }

    /// The code at the first of some paths that has one.
    pub(super) fn first_of(&self, paths: &[Path]) -> Result<Option<String>, Reject> {
        for path in paths {
            if let Some(code) = self.code(subject::component(self.message, path), path)? {
                return Ok(Some(code));
            }
        }
        Ok(None)
    }

    /// A code that the source may delete: none where nothing is said, empty where it is deleted.
    pub(super) fn deletable(&self, value: Value<'_>, at: impl Display) -> Result<Option<String>, Reject> {
        match value.presence() {
            Presence::Null => Ok(Some(String::new())),
            Presence::Absent | Presence::Value => self.code(value, at),
        }
    }

    /// Free text for people: what cannot be read of it is replaced.
    pub(crate) fn free_text(&self, value: Value<'_>) -> Option<Phi<String>> {
        let text = value.text(self.charset);
        let plain = |char: char| if char.is_control() && char != '\n' { ' ' } else { char };
        let text: String = text.trim().chars().map(plain).collect();
        (!text.is_empty()).then_some(Phi(text))
    }

    /// An exact number.
    pub(super) fn decimal<const P: u32, const S: u32>(
        &self,
        value: Value<'_>,
        at: impl Display,
    ) -> Result<Option<Fixed<P, S>>, Reject> {
        let Some(text) = self.code(value, &at)? else { return Ok(None) };
        text.parse().map(Some).map_err(|why: DecimalError| invalid(at, format!("is {why}")))
    }

    /// A point in time, by the sender's zone where the value has no offset.
    pub(super) fn time(&self, value: Value<'_>, at: impl Display) -> Result<Option<Timestamp>, Reject> {
        if value.presence() != Presence::Value {
            return Ok(None);
        }
        match time::instant(value.raw(), &self.reading.zone) {
            Ok(instant) => Ok(Some(Timestamp(instant.micros))),
            Err(why) => Err(invalid(at, why)),
        }
    }

    /// The day that a time names at its source, whatever the zone; none if it names none.
    pub(super) fn day(&self, value: Value<'_>) -> Option<Date> {
        let digits = value.raw().get(..8).filter(|raw| raw.iter().all(u8::is_ascii_digit))?;
        let (year, rest) = std::str::from_utf8(digits).ok()?.split_at_checked(4)?;
        let (month, day) = rest.split_at_checked(2)?;
        Date::from_ymd(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
    }

    /// A place as people write it, `ward^room^bed`: none where nothing is said, empty where it is deleted.
    pub(super) fn place(&self, field: Field<'_>, at: impl Display + Copy) -> Result<Option<String>, Reject> {
        if field.presence() == Presence::Null {
            return Ok(Some(String::new()));
        }
        let mut parts = Vec::with_capacity(3);
        for number in 1..=3 {
            parts.push(self.code(*field.component(number), at)?.unwrap_or_default());
        }
        let place = parts.join("^");
        let place = place.trim_end_matches('^');
        Ok((!place.is_empty()).then(|| place.to_owned()))
    }

    /// A point in time at a path.
    pub(super) fn time_at(&self, path: &str) -> Result<Option<Timestamp>, Reject> {
        self.time(self.at(path), path)
    }

    /// The day of a time at a path as it is written there, whatever the zone; what it leaves out is the first.
    pub(super) fn date_at(&self, path: &str) -> Option<Date> {
        let (year, month, day) = time::Dtm::parse(self.at(path).raw()).ok()?.date();
        Date::from_ymd(year, month, day)
    }

    /// The day in the sender's zone at a point in time.
    pub(super) fn date_of(&self, at: Timestamp) -> Option<Date> {
        let (year, month, day) = self.reading.zone.date(at.as_micros())?;
        Date::from_ymd(year, month, day)
    }

    /// The value at a path that this crate wrote down.
    pub(super) fn at(&self, path: &str) -> Value<'a> {
        match Path::parse(path) {
            Ok(path) => subject::component(self.message, &path),
            // None of ours, which are all written down in this crate and read by its tests: an absent value.
            Err(_) => *self.message.header().field(0),
        }
    }
}

/// A value that cannot be read: `FT1[2]-11: …`, never the value.
pub(super) fn invalid(at: impl Display, why: impl Display) -> Reject {
    Reject::new(Reason::Invalid, format!("{at} {why}"))
}
