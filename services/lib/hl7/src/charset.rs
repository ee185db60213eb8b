//! Character sets: from the name a sender wrote into MSH-18 to text.
//!
//! Consumes MSH-18 and bytes, gives text and whether replacement characters had to stand in. Decoding never
//! fails and never fails silently. What a name means is decided for what senders do, not only for what
//! table 0211 says: `8859/1` is read as windows-1252, which only differs where ISO 8859-1 has control
//! characters, and ASCII is read as UTF-8, its superset.

use std::borrow::Cow;
use std::fmt;

use encoding_rs::{
    BIG5, EUC_KR, Encoding, GB18030, GBK, ISO_2022_JP, ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_5,
    ISO_8859_6, ISO_8859_7, ISO_8859_8, ISO_8859_10, ISO_8859_13, ISO_8859_14, ISO_8859_15, ISO_8859_16,
    SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_874, WINDOWS_1252, WINDOWS_1254,
};

use crate::escape;
use crate::message::{BYTE_ORDER_MARK, Lines, Message};
use crate::scan;

/// How bytes become text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Charset(&'static Encoding);

/// A decoded text.
#[derive(Clone, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// The text; U+FFFD stands where bytes had no meaning.
    pub text: Cow<'a, str>,
    /// Some bytes had no meaning in this character set: it is the wrong one, or the value is damaged.
    pub had_errors: bool,
}

/// The character set of a message and how it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What to decode with.
    pub charset: Charset,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a character set comes from. `Unknown` is worth counting: the sender said something nobody understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// MSH-18 is empty; the fallback holds.
    Absent,
    /// A UTF-8 byte order mark stands before the message; it is believed before MSH-18.
    ByteOrderMark,
    /// MSH-18 named it.
    Declared,
    /// MSH-18 has a name that is not known, or that this message cannot be in; the fallback holds.
    Unknown,
}

impl Charset {
    /// UTF-8, and ASCII with it.
    pub const UTF_8: Self = Self(UTF_8);
    /// Windows-1252, and ISO 8859-1 with it.
    pub const LATIN_1: Self = Self(WINDOWS_1252);

    /// The character set with this name: one of table 0211, its common misspellings, a DICOM name such as
    /// `ISO_IR 100`, or any label browsers know.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Self> {
        let plain: Vec<u8> =
            name.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_uppercase).collect();
        let plain = std::str::from_utf8(&plain).ok()?;
        table_0211(plain).or_else(|| Encoding::for_label_no_replacement(name)).map(Self)
    }

    /// The character set of `message`: its byte order mark, else MSH-18's first repetition, else `fallback`.
    #[must_use]
    pub fn of(message: &Message<'_>, fallback: Self) -> Choice {
        if message.has_byte_order_mark() {
            return Choice { charset: Self::UTF_8, origin: Origin::ByteOrderMark };
        }
        let declared = message.header().field(18).repetition(1);
        if declared.is_absent() {
            return Choice { charset: fallback, origin: Origin::Absent };
        }
        match Self::named(declared.raw()).filter(|charset| !charset.is_wide()) {
            Some(charset) => Choice { charset, origin: Origin::Declared },
            None => Choice { charset: fallback, origin: Origin::Unknown },
        }
    }

    /// A payload as it can be taken apart and read. Where characters of its set (see [`of`](Self::of)) have bytes that
    /// look like delimiters it is written anew, in UTF-8 behind a byte order mark; else it is what came.
    ///
    /// Bytes without a meaning become FF, which has none in UTF-8 either: a value with one still says that it had errors.
    #[must_use]
    pub fn readable(payload: &[u8], fallback: Self) -> Cow<'_, [u8]> {
        let header = Lines::of(payload).next().and_then(|(_, line)| Message::parse(line).ok());
        let Some(header) = header.filter(|_| !payload.starts_with(BYTE_ORDER_MARK)) else {
            return Cow::Borrowed(payload);
        };
        let charset = Self::of(&header, fallback).charset;
        if charset.delimiters_are_safe() {
            return Cow::Borrowed(payload);
        }
        let mut out = BYTE_ORDER_MARK.to_vec();
        // Line ends are part of no character: what is damaged in a line does not reach the next one.
        let mut rest = payload;
        while !rest.is_empty() {
            let end = scan::find_either(b'\r', b'\n', rest).unwrap_or(rest.len());
            let (line, tail) = rest.split_at(end);
            charset.write_anew(line, header.delimiters().escape, &mut out);
            out.extend(tail.first());
            rest = tail.get(1..).unwrap_or_default();
        }
        Cow::Owned(out)
    }

    /// Decodes bytes; copies only where the bytes are not UTF-8 already.
    #[must_use]
    pub fn decode(self, bytes: &[u8]) -> Decoded<'_> {
        let (text, had_errors) = self.0.decode_without_bom_handling(bytes);
        Decoded { text, had_errors }
    }

    /// Decodes bytes that are already owned.
    #[must_use]
    pub fn decode_cow<'a>(self, bytes: Cow<'a, [u8]>) -> Decoded<'a> {
        match bytes {
            Cow::Borrowed(bytes) => self.decode(bytes),
            Cow::Owned(bytes) => {
                let Decoded { text, had_errors } = self.decode(&bytes);
                Decoded { text: Cow::Owned(text.into_owned()), had_errors }
            }
        }
    }

    /// Whether a message may be split before it is decoded. In Shift_JIS, Big5, GBK, GB 18030 and ISO 2022
    /// the second byte of a character can look like a delimiter: [`readable`](Self::readable) writes such a payload anew.
    #[must_use]
    pub fn delimiters_are_safe(self) -> bool {
        ![BIG5, GB18030, GBK, ISO_2022_JP, SHIFT_JIS, UTF_16BE, UTF_16LE].contains(&self.0)
    }

    /// Whether every character has two bytes, delimiters as well: a message that was taken apart by single bytes is not
    /// in it, whatever its MSH-18 says.
    #[must_use]
    pub fn is_wide(self) -> bool {
        [UTF_16BE, UTF_16LE].contains(&self.0)
    }

    /// The name of the encoding in the WHATWG standard.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }
}

impl Charset {
    /// A line in UTF-8, its hexadecimal escapes too: they hold bytes of the message's character set.
    fn write_anew(self, line: &[u8], escape: u8, out: &mut Vec<u8>) {
        let line = self.utf_8(line);
        let mut pieces = line.split(|byte| *byte == escape).peekable();
        let mut may_be_escape = false;
        while let Some(piece) = pieces.next() {
            let is_last = pieces.peek().is_none();
            match escape::hexadecimal(piece).filter(|_| may_be_escape && !is_last) {
                Some(bytes) => escape::push_hexadecimal(&self.utf_8(&bytes), out),
                None => out.extend_from_slice(piece),
            }
            if !is_last {
                out.push(escape);
            }
            may_be_escape = true;
        }
    }

    fn utf_8(self, bytes: &[u8]) -> Vec<u8> {
        let Decoded { mut text, .. } = self.decode(bytes);
        if self.0 == ISO_2022_JP {
            // The Roman set has them where ASCII has what delimiters are written with.
            text = Cow::Owned(text.replace('\u{a5}', "\\").replace('\u{203e}', "~"));
        }
        text.split('\u{fffd}').map(str::as_bytes).collect::<Vec<_>>().join(&0xff)
    }
}

impl fmt::Debug for Charset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Decoded<'_> {
    /// The text may be a patient's; only its length is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decoded({} bytes, had_errors: {})", self.text.len(), self.had_errors)
    }
}

/// Names with everything but letters and digits taken out, in upper case.
fn table_0211(plain: &str) -> Option<&'static Encoding> {
    let latin = plain.strip_prefix("ISO").unwrap_or(plain).strip_prefix("8859").or(match plain {
        "ISOIR100" | "IR100" | "LATIN1" => Some("1"),
        "ISOIR101" | "IR101" => Some("2"),
        "ISOIR109" | "IR109" => Some("3"),
        "ISOIR110" | "IR110" => Some("4"),
        "ISOIR144" | "IR144" => Some("5"),
        "ISOIR127" | "IR127" => Some("6"),
        "ISOIR126" | "IR126" => Some("7"),
        "ISOIR138" | "IR138" => Some("8"),
        "ISOIR148" | "IR148" => Some("9"),
        "ISOIR166" | "IR166" => Some("11"),
        "ISOIR203" | "IR203" => Some("15"),
        _ => None,
    });
    if let Some(part) = latin {
        return iso_8859(part);
    }
    Some(match plain {
        "ASCII" | "USASCII" | "7BITASCII" | "ISOIR6" | "ISOIR006" | "646" | "ISO646" => UTF_8,
        "UTF8" | "UNICODEUTF8" | "UNICODE" | "ISOIR192" | "IR192" | "ISO10646UTF8" => UTF_8,
        "UTF16" | "UNICODEUTF16" | "UTF16LE" => UTF_16LE,
        "UTF16BE" => UTF_16BE,
        "WINDOWS1252" | "WIN1252" | "CP1252" | "1252" | "ANSI" => WINDOWS_1252,
        "ISOIR14" | "IR14" | "ISOIR13" | "IR13" | "SHIFTJIS" | "SJIS" => SHIFT_JIS,
        "ISOIR87" | "IR87" | "ISOIR159" | "IR159" | "ISO2022JP" => ISO_2022_JP,
        "GB180302000" | "GB18030" => GB18030,
        "GB2312" | "GBK" => GBK,
        "KSX1001" | "ISOIR149" | "IR149" => EUC_KR,
        "BIG5" => BIG5,
        _ => return None,
    })
}

/// One part of ISO 8859. Parts 1, 9 and 11 are read as the Windows sets that contain them.
fn iso_8859(part: &str) -> Option<&'static Encoding> {
    Some(match part {
        "1" => WINDOWS_1252,
        "2" => ISO_8859_2,
        "3" => ISO_8859_3,
        "4" => ISO_8859_4,
        "5" => ISO_8859_5,
        "6" => ISO_8859_6,
        "7" => ISO_8859_7,
        "8" => ISO_8859_8,
        "9" => WINDOWS_1254,
        "10" => ISO_8859_10,
        "11" => WINDOWS_874,
        "13" => ISO_8859_13,
        "14" => ISO_8859_14,
        "15" => ISO_8859_15,
        "16" => ISO_8859_16,
        _ => return None,
    })
}
