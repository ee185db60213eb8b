//! Escape sequences: decoding those of a value, encoding a text of our own.
//!
//! Consumes bytes and the message's delimiters; gives bytes, copied only where an escape is decoded. What is
//! not understood is kept as it stands: an unknown escape, one that never ends, odd hexadecimal digits.

use std::borrow::Cow;

use crate::delimiters::Delimiters;
use crate::scan;

/// Decodes `\F\ \S\ \T\ \R\ \E\ \P\`, `\Xdd..\` and `\.br\` (a line feed).
///
/// Hexadecimal data is put in as bytes of the message's character set, before the set is decoded.
#[must_use]
pub fn unescape<'a>(raw: &'a [u8], delimiters: &Delimiters) -> Cow<'a, [u8]> {
    let escape = delimiters.escape;
    let Some(first) = scan::find(escape, raw) else {
        return Cow::Borrowed(raw);
    };
    let mut out: Option<Vec<u8>> = None;
    // `copied` is how far `raw` is in `out`; what stays verbatim is copied later in one piece, or never.
    let (mut copied, mut opens) = (0, first);
    while let Some(length) = scan::find(escape, &raw[opens + 1..]) {
        let closes = opens + 1 + length;
        if let Some(meaning) = Meaning::of(&raw[opens + 1..closes], delimiters) {
            let out = out.get_or_insert_default();
            out.extend_from_slice(&raw[copied..opens]);
            meaning.push(out);
            copied = closes + 1;
        }
        match scan::find(escape, &raw[closes + 1..]) {
            Some(next) => opens = closes + 1 + next,
            None => break,
        }
    }
    match out {
        None => Cow::Borrowed(raw),
        Some(mut out) => {
            out.extend_from_slice(&raw[copied..]);
            Cow::Owned(out)
        }
    }
}

/// The bytes that a hexadecimal escape with this body stands for, if it is one.
pub(crate) fn hexadecimal(body: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    Meaning::Hexadecimal(pairs(body)?).push(&mut bytes);
    Some(bytes)
}

/// Appends the body of the escape that stands for these bytes.
pub(crate) fn push_hexadecimal(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'X');
    out.extend(bytes.iter().flat_map(|byte| [hex(byte >> 4), hex(byte & 15)]));
}

/// Appends `text` to `out` so that no delimiter, no segment end and no framing byte of it takes effect.
///
/// Control characters become `\Xdd\`; what is not ASCII becomes `?`, since the reader's character set is not
/// known.
pub fn escape_into(text: &str, delimiters: &Delimiters, out: &mut Vec<u8>) {
    for char in text.chars() {
        let Ok(byte) = u8::try_from(char) else {
            out.push(b'?');
            continue;
        };
        let letter = match byte {
            _ if byte == delimiters.field => b'F',
            _ if byte == delimiters.component => b'S',
            _ if byte == delimiters.subcomponent => b'T',
            _ if byte == delimiters.repetition => b'R',
            _ if byte == delimiters.escape => b'E',
            _ if Some(byte) == delimiters.truncation => b'P',
            0..=0x1f | 0x7f => {
                out.push(delimiters.escape);
                push_hexadecimal(&[byte], out);
                out.push(delimiters.escape);
                continue;
            }
            _ => {
                out.push(if byte.is_ascii() { byte } else { b'?' });
                continue;
            }
        };
        out.extend_from_slice(&[delimiters.escape, letter, delimiters.escape]);
    }
}

/// What an escape stands for.
enum Meaning<'a> {
    Byte(u8),
    Hexadecimal(&'a [[u8; 2]]),
}

impl<'a> Meaning<'a> {
    /// The meaning of the escape with this body, if it has one here.
    fn of(body: &'a [u8], delimiters: &Delimiters) -> Option<Self> {
        let byte = match body {
            b"F" => Some(delimiters.field),
            b"S" => Some(delimiters.component),
            b"T" => Some(delimiters.subcomponent),
            b"R" => Some(delimiters.repetition),
            b"E" => Some(delimiters.escape),
            b"P" => delimiters.truncation,
            [b'X' | b'x', ..] => return pairs(body).map(Self::Hexadecimal),
            _ if body.eq_ignore_ascii_case(b".br") => Some(b'\n'),
            _ => None,
        };
        byte.map(Self::Byte)
    }

    fn push(&self, out: &mut Vec<u8>) {
        match self {
            Self::Byte(byte) => out.push(*byte),
            Self::Hexadecimal(pairs) => {
                out.extend(pairs.iter().map(|&[high, low]| nibble(high) << 4 | nibble(low)))
            }
        }
    }
}

/// The digits of a hexadecimal escape with this body.
fn pairs(body: &[u8]) -> Option<&[[u8; 2]]> {
    let [b'X' | b'x', digits @ ..] = body else { return None };
    let (pairs, odd) = digits.as_chunks::<2>();
    let sound = !pairs.is_empty() && odd.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    sound.then_some(pairs)
}

/// The value of a hexadecimal digit.
fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

/// The hexadecimal digit of a value below 16.
fn hex(nibble: u8) -> u8 {
    match nibble {
        0..=9 => b'0' + nibble,
        _ => b'A' + nibble - 10,
    }
}
