//! Messages: spans over the bytes of one HL7v2 message.
//!
//! Consumes a payload, gives segments, fields and values that borrow from it; copies nothing and changes
//! nothing. Finding the segments is one pass; fields are searched when asked for, because most readers want
//! a dozen of several hundred.
//!
//! Tolerated: segments ended by CR, LF or CRLF, blank lines, a UTF-8 byte order mark, Z-segments anywhere,
//! lines that are no segments (see [`Segment::is_named_soundly`]). Refused: what would be read as something
//! it is not, see [`ParseError`].

mod path;
mod segment;
mod value;

use std::fmt;

pub use path::{FieldPath, Path, PathError};
pub use segment::Segment;
pub use value::{Component, Field, Presence, Repetition, Subcomponent, Value};

use crate::delimiters::{DelimiterError, Delimiters};
use crate::scan;
pub(crate) use segment::is_named;

/// The UTF-8 byte order mark.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Segments that most messages do not exceed, so that their list is allocated once.
const USUAL_SEGMENTS: usize = 16;

/// One message.
#[derive(Clone)]
pub struct Message<'a> {
    bytes: &'a [u8],
    delimiters: Delimiters,
    /// At least one, the first is the MSH.
    lines: Vec<&'a [u8]>,
}

/// Some segments in a row, from one that leads them; `FT1` and the diagnoses and procedures behind it.
#[derive(Clone, Copy)]
pub struct Group<'m, 'a> {
    lines: &'m [&'a [u8]],
    delimiters: Delimiters,
}

/// Why a payload is not taken as a message. Positions and counts only, never content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A batch (FHS or BHS), which is several messages: split it first.
    #[error("the payload is a batch, not a message")]
    Batch,
    /// MSH-1 and MSH-2 cannot separate.
    #[error("the delimiters cannot be used")]
    Delimiters(#[from] DelimiterError),
    /// No bytes, or blank lines only.
    #[error("the payload is empty")]
    Empty,
    /// The first segment is not an MSH.
    #[error("the payload does not begin with MSH")]
    NoHeader,
    /// A second MSH: read as one message, its charges would land on the first one's patient.
    #[error("segment {segment} is a second MSH")]
    SecondHeader {
        /// Its number, from 1.
        segment: usize,
    },
}

impl<'a> Message<'a> {
    /// Finds the segments of a message.
    ///
    /// # Errors
    /// When the payload cannot be read as one message without guessing.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let mut lines = Lines::of(bytes).map(|(_, line)| line);
        let header = lines.next().ok_or(ParseError::Empty)?;
        match header {
            [b'M', b'S', b'H', ..] => {}
            [b'F' | b'B', b'H', b'S', ..] => return Err(ParseError::Batch),
            _ => return Err(ParseError::NoHeader),
        }
        let delimiters = Delimiters::of_header(header)?;
        let mut found = Vec::with_capacity(USUAL_SEGMENTS);
        found.push(header);
        for line in lines {
            if is_header(line, b"MSH", delimiters.field) {
                return Err(ParseError::SecondHeader { segment: found.len() + 1 });
            }
            found.push(line);
        }
        Ok(Self { bytes, delimiters, lines: found })
    }

    /// The payload as it came.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether a UTF-8 byte order mark stands before the message.
    #[must_use]
    pub fn has_byte_order_mark(&self) -> bool {
        self.bytes.starts_with(BYTE_ORDER_MARK)
    }

    /// What the message separates with.
    #[must_use]
    pub fn delimiters(&self) -> Delimiters {
        self.delimiters
    }

    /// The MSH.
    #[must_use]
    pub fn header(&self) -> Segment<'a> {
        Segment::new(self.lines.first().copied().unwrap_or_default(), self.delimiters)
    }

    /// All segments in order, blank lines left out.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = Segment<'a>> + ExactSizeIterator + Clone {
        self.whole().segments()
    }

    /// The segments of one name, in order.
    pub fn segments_named<'s>(&'s self, name: &'s str) -> impl Iterator<Item = Segment<'a>> + Clone {
        self.whole().segments_named(name)
    }

    /// The first segment of a name.
    #[must_use]
    pub fn segment(&self, name: &str) -> Option<Segment<'a>> {
        self.segments_named(name).next()
    }

    /// The groups led by `leader`: each runs to the next leader, to a segment named in `ends`, or to the end
    /// of the message. `groups("FT1", &["GT1", "IN1"])` gives every charge with what belongs to it.
    pub fn groups<'s>(&'s self, leader: &'s str, ends: &'s [&'s str]) -> impl Iterator<Item = Group<'s, 'a>> {
        let separator = self.delimiters.field;
        let leads = move |line: &&[u8]| is_named(line, leader.as_bytes(), separator);
        let ends = move |line: &&[u8]| ends.iter().any(|end| is_named(line, end.as_bytes(), separator));
        let mut rest: &'s [&'a [u8]] = &self.lines;
        std::iter::from_fn(move || {
            rest = rest.get(rest.iter().position(leads)?..)?;
            let length = rest
                .iter()
                .skip(1)
                .position(|line| leads(line) || ends(line))
                .map_or(rest.len(), |at| at + 1);
            let (lines, tail) = rest.split_at_checked(length)?;
            rest = tail;
            Some(Group { lines, delimiters: self.delimiters })
        })
    }

    /// The value at a path; absent if any part of the way is not there.
    #[must_use]
    pub fn get(&self, path: &Path) -> Value<'a> {
        self.whole().get(path)
    }

    fn whole(&self) -> Group<'_, 'a> {
        Group { lines: &self.lines, delimiters: self.delimiters }
    }
}

impl<'m, 'a> Group<'m, 'a> {
    /// The segment that leads the group.
    #[must_use]
    pub fn leader(self) -> Segment<'a> {
        Segment::new(self.lines.first().copied().unwrap_or_default(), self.delimiters)
    }

    /// All segments of the group, the leader first.
    pub fn segments(
        self,
    ) -> impl DoubleEndedIterator<Item = Segment<'a>> + ExactSizeIterator + Clone + use<'m, 'a> {
        self.lines.iter().map(move |line| Segment::new(line, self.delimiters))
    }

    /// The segments of one name, in order.
    pub fn segments_named<'s>(
        self,
        name: &'s str,
    ) -> impl Iterator<Item = Segment<'a>> + Clone + use<'s, 'm, 'a> {
        self.segments().filter(move |segment| segment.is(name))
    }

    /// The value at a path, its segments counted within the group; absent if any part is not there.
    #[must_use]
    pub fn get(self, path: &Path) -> Value<'a> {
        let skip = path.occurrence.map_or(0, |occurrence| usize::from(occurrence.get()) - 1);
        match self.segments_named(path.segment()).nth(skip) {
            Some(segment) => segment.get(&path.within),
            None => Value::new(&[], self.delimiters),
        }
    }
}

impl fmt::Debug for Message<'_> {
    /// Shape only, no content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({} bytes, {} segments)", self.bytes.len(), self.lines.len())
    }
}

impl fmt::Debug for Group<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.segments()).finish()
    }
}

/// Whether a line is this header: in delimiters that hold already, or in sound ones of its own. A text that was broken by a
/// stray line end and goes on with these letters is neither.
pub(crate) fn is_header(line: &[u8], name: &[u8], separator: u8) -> bool {
    line.starts_with(name) && (is_named(line, name, separator) || Delimiters::of_header(line).is_ok())
}

/// The lines of a payload that are not blank, each with its place in the payload.
pub(crate) struct Lines<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Lines<'a> {
    /// The lines behind the byte order mark, if there is one.
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        let position = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        Self { bytes, position }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = (usize, &'a [u8]);

    fn next(&mut self) -> Option<(usize, &'a [u8])> {
        loop {
            let rest = self.bytes.get(self.position..).filter(|rest| !rest.is_empty())?;
            let length = scan::find_either(b'\r', b'\n', rest).unwrap_or(rest.len());
            let at = self.position;
            self.position += length + 1;
            if length > 0 {
                return Some((at, rest.get(..length)?));
            }
        }
    }
}
