//! Acknowledgements: building the answer to a message, and reading one.
//!
//! Consumes a parsed message (or nothing, where none could be parsed) and what the answer shall say; gives
//! the bytes of an ACK, not framed. Clock and counter are the caller's. What is echoed is echoed byte for
//! byte, in the delimiters of the message it came in. The one exception: MLLP's own start and end bytes,
//! which no framed answer could carry, are left out of an echo.

mod asked;
mod batch;

pub use asked::{Asked, Condition, Verdict};
pub use batch::{BatchReply, batch_ack};

use crate::delimiters::Delimiters;
use crate::escape::escape_into;
use crate::message::{Message, ParseError, Path, Value};
use crate::mllp;

/// MSA-1, table 0008.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AckCode {
    /// `AA`: accepted by the application, or in original mode simply accepted.
    ApplicationAccept,
    /// `AE`: an error; the sender may try again.
    ApplicationError,
    /// `AR`: refused; sending it again unchanged is no use.
    ApplicationReject,
    /// `CA`: enhanced mode, safely stored.
    CommitAccept,
    /// `CE`: enhanced mode, could not be stored.
    CommitError,
    /// `CR`: enhanced mode, refused before it was stored.
    CommitReject,
}

/// ERR-3, table 0357.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// 100
    SegmentSequence,
    /// 101
    RequiredFieldMissing,
    /// 102
    DataType,
    /// 103
    TableValueNotFound,
    /// 200
    UnsupportedMessageType,
    /// 201
    UnsupportedEventCode,
    /// 202
    UnsupportedProcessingId,
    /// 203
    UnsupportedVersionId,
    /// 204
    UnknownKeyIdentifier,
    /// 205
    DuplicateKeyIdentifier,
    /// 206
    RecordLocked,
    /// 207
    ApplicationInternal,
}

/// What an answer says.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'r> {
    /// MSA-1.
    pub code: AckCode,
    /// MSH-10 of the answer itself, not of the message.
    pub control_id: &'r str,
    /// MSH-7 of the answer itself; [`crate::time::format_utc`] writes one.
    pub sent_at: &'r str,
    /// MSA-3 and ERR-8: a text for people. It must not quote the message.
    pub text: Option<&'r str>,
    /// What is wrong and where; makes an ERR segment.
    pub error: Option<(ErrorCode, Option<Path>)>,
}

/// The answer to `message`, ended by CR and not framed.
#[must_use]
pub fn ack(message: &Message<'_>, reply: &Reply<'_>) -> Vec<u8> {
    let header = message.header();
    let echo = |field: usize| *header.field(field);
    let trigger = *header.field(9).component(2);
    let mut out = Writer { out: Vec::with_capacity(256), delimiters: message.delimiters() };
    out.header(reply, &[echo(5), echo(6), echo(3), echo(4)], Some(trigger), [Some(echo(11)), Some(echo(12))]);
    out.acknowledgement(reply, Some(echo(10)));
    out.out
}

/// The answer to a payload whose MSH cannot be parsed: default delimiters, no addressee, no MSA-2, since
/// none of it can be trusted. `reply.code` is usually `AR`.
#[must_use]
pub fn ack_unparsed(reply: &Reply<'_>) -> Vec<u8> {
    let mut out = Writer { out: Vec::with_capacity(128), delimiters: Delimiters::default() };
    out.header(reply, &[], None, [None, None]);
    out.acknowledgement(reply, None);
    out.out
}

/// An acknowledgement received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledgement<'a> {
    /// MSA-1.
    pub code: AckCode,
    /// MSA-2: the control id of the message it answers.
    pub control_id: Value<'a>,
    /// MSA-3.
    pub text: Value<'a>,
}

/// Why a payload is no acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AckError {
    /// MSA-1 is not in table 0008.
    #[error("MSA-1 is not an acknowledgement code")]
    Code,
    /// There is no MSA segment.
    #[error("there is no MSA segment")]
    Missing,
    /// It is no message.
    #[error("the acknowledgement is not a message")]
    Unparsed(#[from] ParseError),
}

impl<'a> Acknowledgement<'a> {
    /// Reads an acknowledgement.
    ///
    /// # Errors
    /// When the payload is none.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, AckError> {
        let message = Message::parse(bytes)?;
        let msa = message.segment("MSA").ok_or(AckError::Missing)?;
        let code = AckCode::named(msa.field(1).raw()).ok_or(AckError::Code)?;
        Ok(Self { code, control_id: *msa.field(2), text: *msa.field(3) })
    }
}

impl AckCode {
    /// All codes with their letters.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::ApplicationAccept, "AA"),
        (Self::ApplicationError, "AE"),
        (Self::ApplicationReject, "AR"),
        (Self::CommitAccept, "CA"),
        (Self::CommitError, "CE"),
        (Self::CommitReject, "CR"),
    ];

    /// The code with these two letters.
    #[must_use]
    pub fn named(letters: &[u8]) -> Option<Self> {
        Self::ALL.iter().find(|(_, text)| text.as_bytes() == letters).map(|(code, _)| *code)
    }

    /// The two letters.
    #[must_use]
    pub fn letters(self) -> &'static str {
        match self {
            Self::ApplicationAccept => "AA",
            Self::ApplicationError => "AE",
            Self::ApplicationReject => "AR",
            Self::CommitAccept => "CA",
            Self::CommitError => "CE",
            Self::CommitReject => "CR",
        }
    }

    /// Whether the receiver took the message over.
    #[must_use]
    pub fn is_positive(self) -> bool {
        matches!(self, Self::ApplicationAccept | Self::CommitAccept)
    }
}

impl ErrorCode {
    /// The number and text of table 0357.
    #[must_use]
    pub fn number_and_text(self) -> (u16, &'static str) {
        match self {
            Self::SegmentSequence => (100, "Segment sequence error"),
            Self::RequiredFieldMissing => (101, "Required field missing"),
            Self::DataType => (102, "Data type error"),
            Self::TableValueNotFound => (103, "Table value not found"),
            Self::UnsupportedMessageType => (200, "Unsupported message type"),
            Self::UnsupportedEventCode => (201, "Unsupported event code"),
            Self::UnsupportedProcessingId => (202, "Unsupported processing id"),
            Self::UnsupportedVersionId => (203, "Unsupported version id"),
            Self::UnknownKeyIdentifier => (204, "Unknown key identifier"),
            Self::DuplicateKeyIdentifier => (205, "Duplicate key identifier"),
            Self::RecordLocked => (206, "Application record locked"),
            Self::ApplicationInternal => (207, "Application internal error"),
        }
    }
}

/// Writes segments in the delimiters of the message that is answered.
struct Writer {
    out: Vec<u8>,
    delimiters: Delimiters,
}

impl Writer {
    /// The MSH: `parties` is MSH-3 to MSH-6, `versions` MSH-11 and MSH-12.
    fn header(
        &mut self,
        reply: &Reply<'_>,
        parties: &[Value<'_>],
        trigger: Option<Value<'_>>,
        versions: [Option<Value<'_>>; 2],
    ) {
        self.out.extend_from_slice(b"MSH");
        self.out.push(self.delimiters.field);
        self.out.extend(self.delimiters.encoding_characters());
        for index in 0..4 {
            self.field();
            self.echo(parties.get(index).copied());
        }
        self.field();
        self.text(reply.sent_at);
        self.field();
        self.field();
        self.out.extend_from_slice(b"ACK");
        if let Some(trigger) = trigger.filter(|trigger| !trigger.is_absent()) {
            self.out.push(self.delimiters.component);
            self.echo(Some(trigger));
            self.out.push(self.delimiters.component);
            self.out.extend_from_slice(b"ACK");
        }
        self.field();
        self.text(reply.control_id);
        for version in versions {
            self.field();
            self.echo(version);
        }
        self.end();
    }

    /// The MSA, and the ERR if there is an error to name.
    fn acknowledgement(&mut self, reply: &Reply<'_>, answered: Option<Value<'_>>) {
        self.out.extend_from_slice(b"MSA");
        self.field();
        self.out.extend_from_slice(reply.code.letters().as_bytes());
        self.field();
        self.echo(answered);
        if let Some(text) = reply.text {
            self.field();
            self.text(text);
        }
        self.end();
        if let Some((code, location)) = reply.error {
            self.error(code, location, reply.text.unwrap_or_default());
        }
    }

    /// `ERR||location|code^text^HL70357|E||||text`
    fn error(&mut self, code: ErrorCode, location: Option<Path>, text: &str) {
        let component = self.delimiters.component;
        self.out.extend_from_slice(b"ERR");
        self.field();
        self.field();
        if let Some(path) = location {
            let within = path.within;
            let deeper = [Some(within.field), within.repetition, within.component, within.subcomponent];
            let occurrence = path.occurrence.map_or(1, std::num::NonZeroU16::get);
            self.out.extend_from_slice(path.segment().as_bytes());
            self.number(component, occurrence);
            for part in deeper {
                self.number(component, part.map_or(1, std::num::NonZeroU16::get));
            }
        }
        self.field();
        let (number, name) = code.number_and_text();
        self.text(&number.to_string());
        for part in [name, "HL70357"] {
            self.out.push(component);
            self.text(part);
        }
        self.field();
        self.out.push(b'E');
        for _ in 0..4 {
            self.field();
        }
        self.text(text);
        self.end();
    }

    fn number(&mut self, separator: u8, number: u16) {
        self.out.push(separator);
        self.text(&number.to_string());
    }

    fn field(&mut self) {
        self.out.push(self.delimiters.field);
    }

    fn text(&mut self, text: &str) {
        escape_into(text, &self.delimiters, &mut self.out);
    }

    fn echo(&mut self, value: Option<Value<'_>>) {
        let raw = value.map(Value::raw).unwrap_or_default();
        self.out.extend(raw.iter().filter(|&&byte| byte != mllp::START && byte != mllp::END));
    }

    fn end(&mut self) {
        self.out.push(b'\r');
    }
}
