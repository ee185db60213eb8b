//! Paths: `PID-3[1].4.2` names a value in a message, `3[1].4.2` one in a segment.
//!
//! Written as mappings and people write them: `SEG[n]-FIELD[n].COMPONENT.SUBCOMPONENT`, all counted from 1,
//! the brackets and everything behind the field optional. The segment's `[n]` defaults to the first. Without
//! a repetition a bare field means all of its repetitions, and a component that of the first one.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

/// A value in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path {
    segment: [u8; 3],
    /// Which segment of that name, from 1; the first if not given.
    pub occurrence: Option<NonZeroU16>,
    /// The value inside that segment.
    pub within: FieldPath,
}

/// A value in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldPath {
    /// Field, from 1.
    pub field: NonZeroU16,
    /// Repetition, from 1; all of them if not given.
    pub repetition: Option<NonZeroU16>,
    /// Component, from 1.
    pub component: Option<NonZeroU16>,
    /// Sub-component, from 1; only behind a component.
    pub subcomponent: Option<NonZeroU16>,
}

/// Why a text is no path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A bracket is opened and not closed.
    #[error("a bracket is not closed in a path")]
    BracketOpen,
    /// A number is missing, zero, over 65535 or has other characters.
    #[error("{part} is not a number from 1 to 65535")]
    Number {
        /// Which number.
        part: &'static str,
    },
    /// The segment is not a capital letter and two capital letters or digits before a `-`.
    #[error("a path begins with a segment of three characters and a '-', such as PID-3")]
    Segment,
    /// More follows the sub-component.
    #[error("nothing follows the sub-component in a path")]
    TooDeep,
}

impl Path {
    /// Reads a path such as `PID-3[1].4.2`.
    ///
    /// # Errors
    /// When the text is not a path.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let (segment, within) = text.split_once('-').ok_or(PathError::Segment)?;
        let (name, occurrence) = bracketed(segment, "the segment's occurrence")?;
        let segment: [u8; 3] = name.as_bytes().try_into().map_err(|_| PathError::Segment)?;
        let sound = segment[0].is_ascii_uppercase()
            && segment.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        if !sound {
            return Err(PathError::Segment);
        }
        Ok(Self { segment, occurrence, within: FieldPath::parse(within)? })
    }

    /// The segment's name.
    #[must_use]
    pub fn segment(&self) -> &str {
        // `parse` is the only way to make one, and lets nothing but ASCII in.
        std::str::from_utf8(&self.segment).unwrap_or_default()
    }
}

impl FieldPath {
    /// Reads a path inside a segment such as `3[1].4.2`.
    ///
    /// # Errors
    /// When the text is not a path.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let mut parts = text.split('.');
        let (field, repetition) = bracketed(parts.next().unwrap_or_default(), "the repetition")?;
        let path = Self {
            field: number(field, "the field")?,
            repetition,
            component: parts.next().map(|text| number(text, "the component")).transpose()?,
            subcomponent: parts.next().map(|text| number(text, "the sub-component")).transpose()?,
        };
        if parts.next().is_some() { Err(PathError::TooDeep) } else { Ok(path) }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.segment())?;
        if let Some(occurrence) = self.occurrence {
            write!(f, "[{occurrence}]")?;
        }
        write!(f, "-{}", self.within)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.field)?;
        if let Some(repetition) = self.repetition {
            write!(f, "[{repetition}]")?;
        }
        for part in [self.component, self.subcomponent].into_iter().flatten() {
            write!(f, ".{part}")?;
        }
        Ok(())
    }
}

impl FromStr for Path {
    type Err = PathError;
    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::parse(text)
    }
}

impl FromStr for FieldPath {
    type Err = PathError;
    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::parse(text)
    }
}

/// `NAME` or `NAME[n]`.
fn bracketed<'t>(text: &'t str, part: &'static str) -> Result<(&'t str, Option<NonZeroU16>), PathError> {
    let Some((name, rest)) = text.split_once('[') else {
        return Ok((text, None));
    };
    let inside = rest.strip_suffix(']').ok_or(PathError::BracketOpen)?;
    Ok((name, Some(number(inside, part)?)))
}

fn number(text: &str, part: &'static str) -> Result<NonZeroU16, PathError> {
    // `parse` would take a leading plus, and leading zeros would not come back from Display.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) || text.starts_with('0') {
        return Err(PathError::Number { part });
    }
    text.parse().map_err(|_| PathError::Number { part })
}
