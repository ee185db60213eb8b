//! Values: slices of a message with the delimiters to take them apart further.
//!
//! A [`Field`] has repetitions, a [`Repetition`] components, a [`Component`] sub-components; each is also a
//! [`Value`]. What is not there is an absent value, never an error and never an `Option`, so that reading
//! far positions needs no checks.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use crate::charset::{Charset, Decoded};
use crate::delimiters::Delimiters;
use crate::escape;
use crate::scan::{self, Pieces};

/// A slice of the message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Value<'a> {
    raw: &'a [u8],
    delimiters: Delimiters,
}

/// What a value says about the one the receiver holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Nothing was sent: what the receiver holds stays as it is.
    Absent,
    /// `""` was sent: what the receiver holds is deleted.
    Null,
    /// A value was sent.
    Value,
}

/// A field, all of its repetitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a>(Value<'a>);

/// One repetition of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repetition<'a>(Value<'a>);

/// A component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component<'a>(Value<'a>);

/// A sub-component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subcomponent<'a>(Value<'a>);

impl<'a> Value<'a> {
    pub(crate) fn new(raw: &'a [u8], delimiters: Delimiters) -> Self {
        Self { raw, delimiters }
    }

    /// The bytes as they came; empty when the value is absent.
    #[must_use]
    pub fn raw(self) -> &'a [u8] {
        self.raw
    }

    /// Absent, to be deleted, or a value.
    #[must_use]
    pub fn presence(self) -> Presence {
        match self.raw {
            b"" => Presence::Absent,
            b"\"\"" => Presence::Null,
            _ => Presence::Value,
        }
    }

    /// Nothing was sent here.
    #[must_use]
    pub fn is_absent(self) -> bool {
        self.raw.is_empty()
    }

    /// The bytes with escapes decoded, copied only if there are any.
    #[must_use]
    pub fn unescaped(self) -> Cow<'a, [u8]> {
        escape::unescape(self.raw, &self.delimiters)
    }

    /// The text, escapes decoded. Empty when the value is absent or null: the two quotes of a null are never
    /// mistaken for content. Delimiters of lower levels stay in, so ask for the component that is meant.
    #[must_use]
    pub fn text(self, charset: Charset) -> Cow<'a, str> {
        self.decode(charset).text
    }

    /// [`text`](Self::text), and whether bytes had no meaning in `charset`.
    #[must_use]
    pub fn decode(self, charset: Charset) -> Decoded<'a> {
        match self.presence() {
            Presence::Value => charset.decode_cow(self.unescaped()),
            Presence::Absent | Presence::Null => Decoded { text: Cow::Borrowed(""), had_errors: false },
        }
    }

    fn part(self, separator: u8, number: usize) -> Self {
        let piece = number.checked_sub(1).and_then(|index| scan::piece(self.raw, separator, index));
        Self { raw: piece.unwrap_or_default(), ..self }
    }

    fn parts(self, separator: u8) -> impl Iterator<Item = Self> + Clone {
        Pieces::of(self.raw, separator).map(move |raw| Self { raw, ..self })
    }
}

impl<'a> Field<'a> {
    pub(crate) fn new(value: Value<'a>) -> Self {
        Self(value)
    }

    /// The repetition with this number, from 1.
    #[must_use]
    pub fn repetition(self, number: usize) -> Repetition<'a> {
        Repetition(self.0.part(self.0.delimiters.repetition, number))
    }

    /// The repetitions in order; none when the field is absent.
    pub fn repetitions(self) -> impl Iterator<Item = Repetition<'a>> + Clone {
        self.0.parts(self.0.delimiters.repetition).map(Repetition)
    }

    /// The component with this number, from 1, of the first repetition.
    #[must_use]
    pub fn component(self, number: usize) -> Component<'a> {
        self.repetition(1).component(number)
    }
}

impl<'a> Repetition<'a> {
    /// The component with this number, from 1.
    #[must_use]
    pub fn component(self, number: usize) -> Component<'a> {
        Component(self.0.part(self.0.delimiters.component, number))
    }

    /// The components in order; none when the repetition is empty.
    pub fn components(self) -> impl Iterator<Item = Component<'a>> + Clone {
        self.0.parts(self.0.delimiters.component).map(Component)
    }
}

impl<'a> Component<'a> {
    /// The sub-component with this number, from 1.
    #[must_use]
    pub fn subcomponent(self, number: usize) -> Subcomponent<'a> {
        Subcomponent(self.0.part(self.0.delimiters.subcomponent, number))
    }

    /// The sub-components in order; none when the component is empty.
    pub fn subcomponents(self) -> impl Iterator<Item = Subcomponent<'a>> + Clone {
        self.0.parts(self.0.delimiters.subcomponent).map(Subcomponent)
    }
}

impl fmt::Debug for Value<'_> {
    /// The bytes may be a patient's; only their number is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({} bytes)", self.presence(), self.raw.len())
    }
}

impl<'a> Deref for Field<'a> {
    type Target = Value<'a>;
    fn deref(&self) -> &Value<'a> {
        &self.0
    }
}

impl<'a> Deref for Repetition<'a> {
    type Target = Value<'a>;
    fn deref(&self) -> &Value<'a> {
        &self.0
    }
}

impl<'a> Deref for Component<'a> {
    type Target = Value<'a>;
    fn deref(&self) -> &Value<'a> {
        &self.0
    }
}

impl<'a> Deref for Subcomponent<'a> {
    type Target = Value<'a>;
    fn deref(&self) -> &Value<'a> {
        &self.0
    }
}
