//! Reading values out of a message, or saying which position cannot be read.

use crate::sender::Reading;
use crate::subject;
use backbone::{Reason, Reject};
use canon::decimal::DecimalError;
use canon::{Fixed, Phi, Timestamp};
use hl7::charset::Charset;
use hl7::message::{Message, Path, Presence, Value};
use hl7::time::{self, Zone};
use std::fmt::Display;

/// A message with what its sender's configuration says of reading it.
pub(super) struct Reader<'m, 'a> {
    message: &'m Message<'a>,
    charset: Charset,
    zone: &'m Zone,
}

impl<'m, 'a> Reader<'m, 'a> {
    pub(super) fn new(message: &'m Message<'a>, reading: &'m Reading) -> Self {
        Self { message, charset: Charset::of(message, reading.charset).charset, zone: &reading.zone }
    }

    pub(super) fn message(&self) -> &'m Message<'a> {
        self.message
    }

    pub(super) fn charset(&self) -> Charset {
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

    /// A code that the source may delete: none where nothing is said, empty where it is deleted.
    pub(super) fn deletable(&self, value: Value<'_>, at: impl Display) -> Result<Option<String>, Reject> {
        match value.presence() {
            Presence::Null => Ok(Some(String::new())),
            Presence::Absent | Presence::Value => self.code(value, at),
        }
    }

    /// Free text for people: what cannot be read of it is replaced.
    pub(super) fn free_text(&self, value: Value<'_>) -> Option<Phi<String>> {
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
        match time::instant(value.raw(), self.zone) {
            Ok(instant) => Ok(Some(Timestamp(instant.micros))),
            Err(why) => Err(invalid(at, why)),
        }
    }

    /// A point in time at a path.
    pub(super) fn time_at(&self, path: &str) -> Result<Option<Timestamp>, Reject> {
        self.time(self.at(path), path)
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
