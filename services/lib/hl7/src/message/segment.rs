//! Segments: one line of a message, its fields found when asked for.

use std::fmt;

use crate::delimiters::Delimiters;
use crate::message::path::FieldPath;
use crate::message::value::{Field, Value};
use crate::scan::{self, Pieces};

/// One segment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Segment<'a> {
    bytes: &'a [u8],
    delimiters: Delimiters,
}

impl<'a> Segment<'a> {
    pub(crate) fn new(bytes: &'a [u8], delimiters: Delimiters) -> Self {
        Self { bytes, delimiters }
    }

    /// The bytes of the segment as they came, without its end.
    #[must_use]
    pub fn raw(self) -> &'a [u8] {
        self.bytes
    }

    /// What it separates with: of a header its own.
    #[must_use]
    pub fn delimiters(self) -> Delimiters {
        self.delimiters
    }

    /// Its name, such as `PID`. A line broken inside a text has anything here: see
    /// [`is_named_soundly`](Self::is_named_soundly).
    #[must_use]
    pub fn name(self) -> &'a [u8] {
        scan::piece(self.bytes, self.delimiters.field, 0).unwrap_or_default()
    }

    /// Whether this is a segment with this name.
    #[must_use]
    pub fn is(self, name: &str) -> bool {
        is_named(self.bytes, name.as_bytes(), self.delimiters.field)
    }

    /// Whether the name is a letter and two letters or digits, as the standard wants. If not, a text was
    /// probably broken by a stray line end.
    #[must_use]
    pub fn is_named_soundly(self) -> bool {
        matches!(self.name(), [first, rest @ ..] if first.is_ascii_uppercase() && rest.len() == 2
            && rest.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()))
    }

    /// The field with this number, as the standard counts: MSH-1 is the separator itself, MSH-2 the encoding
    /// characters, so MSH-3 is the first after them.
    #[must_use]
    pub fn field(self, number: usize) -> Field<'a> {
        let (raw, delimiters) = if self.is_header() {
            match number {
                0 => (None, self.delimiters),
                1 => (self.bytes.get(3..4), Delimiters::LITERAL),
                2 => (scan::piece(self.bytes, self.delimiters.field, 1), Delimiters::LITERAL),
                _ => (scan::piece(self.bytes, self.delimiters.field, number - 1), self.delimiters),
            }
        } else {
            let raw = if number == 0 { None } else { scan::piece(self.bytes, self.delimiters.field, number) };
            (raw, self.delimiters)
        };
        Field::new(Value::new(raw.unwrap_or_default(), delimiters))
    }

    /// The fields in order, the first being number 1; of a header segment the separator is the first.
    pub fn fields(self) -> impl Iterator<Item = Field<'a>> + Clone {
        let literal = if self.is_header() { 2 } else { 0 };
        let rest = Pieces::of(self.bytes, self.delimiters.field).skip(1 + literal / 2);
        let leading = (1..=literal).map(move |number| self.field(number));
        leading.chain(rest.map(move |raw| Field::new(Value::new(raw, self.delimiters))))
    }

    /// The value at a path inside the segment.
    #[must_use]
    pub fn get(self, path: &FieldPath) -> Value<'a> {
        let field = self.field(path.field.get().into());
        let repetition = match (path.repetition, path.component) {
            (None, None) => return *field,
            (number, _) => field.repetition(number.map_or(1, |number| number.get().into())),
        };
        let Some(component) = path.component else {
            return *repetition;
        };
        let component = repetition.component(component.get().into());
        let Some(subcomponent) = path.subcomponent else {
            return *component;
        };
        *component.subcomponent(subcomponent.get().into())
    }

    /// Headers hold their own delimiters, which shifts the count of their fields by one.
    fn is_header(self) -> bool {
        matches!(self.bytes, [b'M', b'S', b'H', ..] | [b'F' | b'B', b'H', b'S', ..])
            && self.bytes.get(3) == Some(&self.delimiters.field)
    }
}

impl fmt::Debug for Segment<'_> {
    /// Only a sound name is shown, since anything else may be a patient's text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.is_named_soundly() { self.name() } else { b"?" };
        write!(f, "Segment({}, {} bytes)", String::from_utf8_lossy(name), self.bytes.len())
    }
}

/// Whether a line is a segment with this name.
pub(crate) fn is_named(line: &[u8], name: &[u8], separator: u8) -> bool {
    matches!(line.strip_prefix(name), Some([]))
        || matches!(line.strip_prefix(name), Some([next, ..]) if *next == separator)
}
