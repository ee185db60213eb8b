//! The delimiters a message announces for itself in MSH-1 and MSH-2.
//!
//! Consumes a header segment, gives the separators every other part of the crate splits by. Delimiters that
//! would make the split ambiguous are refused here, once, so that nothing behind has to think of them.

use crate::scan;

/// The separators of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimiters {
    /// Between fields; MSH-1, usually `|`.
    pub field: u8,
    /// Between components; first of MSH-2, usually `^`.
    pub component: u8,
    /// Between repetitions; second of MSH-2, usually `~`.
    pub repetition: u8,
    /// Around escapes; third of MSH-2, usually `\`.
    pub escape: u8,
    /// Between sub-components; fourth of MSH-2, usually `&`.
    pub subcomponent: u8,
    /// Marks a truncated value; fifth of MSH-2 from version 2.7 on, usually `#`.
    pub truncation: Option<u8>,
}

impl Default for Delimiters {
    /// `|^~\&`, as the standard suggests.
    fn default() -> Self {
        Self {
            field: b'|',
            component: b'^',
            repetition: b'~',
            escape: b'\\',
            subcomponent: b'&',
            truncation: None,
        }
    }
}

impl Delimiters {
    /// Splits nothing and escapes nothing: a carriage return never stands inside a segment. For MSH-1 and
    /// MSH-2, which hold the delimiters as plain characters.
    pub(crate) const LITERAL: Self = Self {
        field: b'\r',
        component: b'\r',
        repetition: b'\r',
        escape: b'\r',
        subcomponent: b'\r',
        truncation: None,
    };

    /// Reads the delimiters of a header segment (`MSH`, `FHS` or `BHS`, without its end).
    ///
    /// # Errors
    /// When the header ends too early, MSH-2 has not four or five characters, or they cannot separate.
    pub fn of_header(header: &[u8]) -> Result<Self, DelimiterError> {
        let (&field, rest) = header.get(3..).and_then(<[u8]>::split_first).ok_or(DelimiterError::Missing)?;
        let encoding = &rest[..scan::find(field, rest).unwrap_or(rest.len())];
        let (&[component, repetition, escape, subcomponent], truncation) =
            encoding.split_first_chunk::<4>().ok_or(DelimiterError::Count { found: encoding.len() })?;
        let truncation = match *truncation {
            [] => None,
            [truncation] => Some(truncation),
            _ => {
                return Err(DelimiterError::Count { found: encoding.len() });
            }
        };
        let delimiters = Self { field, component, repetition, escape, subcomponent, truncation };
        delimiters.check()?;
        Ok(delimiters)
    }

    /// MSH-2 as these delimiters are written.
    #[must_use]
    pub fn encoding_characters(&self) -> Vec<u8> {
        let mut text = vec![self.component, self.repetition, self.escape, self.subcomponent];
        text.extend(self.truncation);
        text
    }

    fn check(&self) -> Result<(), DelimiterError> {
        let all = std::iter::once(self.field).chain(self.encoding_characters());
        let mut seen = [false; 128];
        for (index, byte) in all.enumerate() {
            // A letter or digit would split names and numbers, a control character would split segments or
            // frames, a byte above 127 would cut characters in two.
            if !byte.is_ascii_punctuation() {
                return Err(DelimiterError::Unusable { index });
            }
            if std::mem::replace(&mut seen[usize::from(byte)], true) {
                return Err(DelimiterError::Repeated { index });
            }
        }
        Ok(())
    }
}

/// Why a header's delimiters cannot be used. `index` 0 is MSH-1, 1 to 5 are the characters of MSH-2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DelimiterError {
    /// The header ends before MSH-1.
    #[error("the header ends before MSH-1")]
    Missing,
    /// MSH-2 is too short or too long.
    #[error("MSH-2 has {found} characters, 4 or 5 are needed")]
    Count {
        /// Characters found.
        found: usize,
    },
    /// Two delimiters are the same character.
    #[error("delimiter {index} (0 is MSH-1, then MSH-2) repeats an earlier one")]
    Repeated {
        /// Which delimiter.
        index: usize,
    },
    /// A letter, digit, space, control character or byte above 127.
    #[error("delimiter {index} (0 is MSH-1, then MSH-2) is not a punctuation character")]
    Unusable {
        /// Which delimiter.
        index: usize,
    },
}
