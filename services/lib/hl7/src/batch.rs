//! Batches: the messages of a payload that begins with FHS or BHS, as spans over its bytes.
//!
//! Consumes a payload `[FHS] {[BHS] {message} [BTS]} [FTS]`, gives its messages in order, what its trailers count and
//! where they disagree with what is there. Copies nothing. A message is not parsed here: one of a hundred that is
//! broken is broken by itself. Refused is what would be put with the wrong message, see [`BatchError`].

use std::fmt;

use crate::delimiters::{DelimiterError, Delimiters};
use crate::message::{BYTE_ORDER_MARK, Lines, Segment, is_header, is_named};

/// A batch, or a file of several.
#[derive(Clone)]
pub struct Batch<'a> {
    bytes: &'a [u8],
    /// Of its first header.
    delimiters: Delimiters,
    file: Option<Segment<'a>>,
    groups: Vec<BatchGroup<'a>>,
    counted: Count,
}

/// The messages between one BHS and its BTS, of which either may be left out.
#[derive(Clone)]
pub struct BatchGroup<'a> {
    header: Option<Segment<'a>>,
    messages: Vec<&'a [u8]>,
    counted: Count,
}

/// Why a payload is not taken as a batch. Positions only, never content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// FHS-1 and FHS-2, or BHS-1 and BHS-2, cannot separate.
    #[error("the delimiters of the batch cannot be used")]
    Delimiters(#[from] DelimiterError),
    /// A segment that belongs to no message, or a header or trailer where none can stand.
    #[error("segment {segment} is out of place in a batch")]
    Misplaced {
        /// Its number in the payload, from 1.
        segment: usize,
    },
    /// It begins with neither FHS nor BHS.
    #[error("the payload does not begin with FHS or BHS")]
    NoBatch,
}

/// A trailer that counts otherwise than we do: something was lost on the way, or the sender counts otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// Which trailer: that of a batch, by its number from 1, or with nothing the file's.
    pub batch: Option<usize>,
    /// What it says; nothing if that is no number.
    pub said: Option<u64>,
    /// What is there: messages of a batch, batches of a file.
    pub found: usize,
}

/// What a trailer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Count {
    Absent,
    Illegible,
    Said(u64),
}

impl<'a> Batch<'a> {
    /// Finds the messages of a batch.
    ///
    /// # Errors
    /// When the payload is none, or cannot be split without guessing.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BatchError> {
        let mut splitter = Splitter::of(bytes)?;
        for (index, (at, line)) in Lines::of(bytes).enumerate() {
            splitter.take(index + 1, at, line)?;
        }
        splitter.close(bytes.len());
        Ok(splitter.batch)
    }

    /// The payload as it came.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether a UTF-8 byte order mark stands before the batch: it then holds for each of its messages.
    #[must_use]
    pub fn has_byte_order_mark(&self) -> bool {
        self.bytes.starts_with(BYTE_ORDER_MARK)
    }

    /// What the first header separates with.
    #[must_use]
    pub fn delimiters(&self) -> Delimiters {
        self.delimiters
    }

    /// The FHS.
    #[must_use]
    pub fn file_header(&self) -> Option<Segment<'a>> {
        self.file
    }

    /// The batches in order; one without a header if there is no BHS.
    #[must_use]
    pub fn groups(&self) -> &[BatchGroup<'a>] {
        &self.groups
    }

    /// The bytes of each message, from its MSH to what follows its last segment's end, in order.
    pub fn messages(&self) -> impl Iterator<Item = &'a [u8]> + Clone {
        self.groups.iter().flat_map(|group| group.messages.iter().copied())
    }

    /// Where a trailer counts otherwise than we do, the file's last.
    pub fn disagreements(&self) -> impl Iterator<Item = Disagreement> {
        let of_groups = self
            .groups
            .iter()
            .enumerate()
            .filter_map(|(index, group)| group.counted.against(Some(index + 1), group.messages.len()));
        of_groups.chain(self.counted.against(None, self.groups.len()))
    }
}

impl<'a> BatchGroup<'a> {
    /// The BHS.
    #[must_use]
    pub fn header(&self) -> Option<Segment<'a>> {
        self.header
    }

    /// The bytes of each message.
    #[must_use]
    pub fn messages(&self) -> &[&'a [u8]] {
        &self.messages
    }
}

impl Count {
    /// BTS-1 or FTS-1.
    fn of(trailer: Segment<'_>) -> Self {
        let said = trailer.field(1).raw().trim_ascii();
        if said.is_empty() {
            return Self::Absent;
        }
        let number =
            std::str::from_utf8(said).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        number.and_then(|text| text.parse().ok()).map_or(Self::Illegible, Self::Said)
    }

    fn against(self, batch: Option<usize>, found: usize) -> Option<Disagreement> {
        let said = match self {
            Self::Absent => return None,
            Self::Said(said) if usize::try_from(said) == Ok(found) => return None,
            Self::Said(said) => Some(said),
            Self::Illegible => None,
        };
        Some(Disagreement { batch, said, found })
    }
}

/// A batch as far as it is read.
struct Splitter<'a> {
    batch: Batch<'a>,
    /// Of the last FHS or BHS.
    delimiters: Delimiters,
    /// Where the message that is open begins.
    message: Option<usize>,
    /// A batch is open: its messages go into the last group.
    is_open: bool,
    has_ended: bool,
}

impl<'a> Splitter<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, BatchError> {
        let (_, first) = Lines::of(bytes).next().ok_or(BatchError::NoBatch)?;
        if !matches!(first, [b'F' | b'B', b'H', b'S', ..]) {
            return Err(BatchError::NoBatch);
        }
        let delimiters = Delimiters::of_header(first)?;
        let batch = Batch { bytes, delimiters, file: None, groups: Vec::new(), counted: Count::Absent };
        Ok(Self { batch, delimiters, message: None, is_open: false, has_ended: false })
    }

    fn take(&mut self, segment: usize, at: usize, line: &'a [u8]) -> Result<(), BatchError> {
        let misplaced = Err(BatchError::Misplaced { segment });
        let separator = self.delimiters.field;
        if self.has_ended {
            return misplaced;
        }
        if is_header(line, b"MSH", separator) {
            self.close(at);
            self.open(None);
            self.message = Some(at);
        } else if is_header(line, b"BHS", separator) {
            self.close(at);
            self.delimiters = Delimiters::of_header(line)?;
            self.is_open = false;
            self.open(Some(Segment::new(line, self.delimiters)));
        } else if is_header(line, b"FHS", separator) {
            if segment > 1 {
                return misplaced;
            }
            self.batch.file = Some(Segment::new(line, self.delimiters));
        } else if is_named(line, b"BTS", separator) {
            self.close(at);
            if !std::mem::take(&mut self.is_open) {
                return misplaced;
            }
            if let Some(group) = self.batch.groups.last_mut() {
                group.counted = Count::of(Segment::new(line, self.delimiters));
            }
        } else if is_named(line, b"FTS", separator) {
            self.close(at);
            self.has_ended = true;
            self.batch.counted = Count::of(Segment::new(line, self.delimiters));
        } else if self.message.is_none() {
            return misplaced;
        }
        Ok(())
    }

    /// The message that is open ends here.
    fn close(&mut self, end: usize) {
        let message = self.message.take().and_then(|start| self.batch.bytes.get(start..end));
        if let (Some(message), Some(group)) = (message, self.batch.groups.last_mut()) {
            group.messages.push(message);
        }
    }

    /// A group is open from here on, if none is.
    fn open(&mut self, header: Option<Segment<'a>>) {
        if !std::mem::replace(&mut self.is_open, true) {
            self.batch.groups.push(BatchGroup { header, messages: Vec::new(), counted: Count::Absent });
        }
    }
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.batch {
            Some(number) => write!(f, "BTS-1 of batch {number} ")?,
            None => f.write_str("FTS-1 ")?,
        }
        match self.said {
            Some(said) => write!(f, "counts {said}, ")?,
            None => f.write_str("is no number, ")?,
        }
        write!(f, "{} came", self.found)
    }
}

impl fmt::Debug for Batch<'_> {
    /// Shape only, no content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Batch({} bytes, {} messages)", self.bytes.len(), self.messages().count())
    }
}

impl fmt::Debug for BatchGroup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BatchGroup({} messages)", self.messages.len())
    }
}
