//! From a payload to the record that is landed: pure, but for the trace that begins here.

use super::answer::Refusal;
use crate::sender::{Reading, Sender};
use crate::subject;
use backbone::telemetry;
use canon::event::{Event, Name};
use canon::{Headers, Phi, RawHl7v2, RawKey, Timestamp, Tokenizer};
use hl7::ack::ErrorCode;
use hl7::batch::{Batch, BatchError};
use hl7::charset::Charset;
use hl7::message::{Message, ParseError, Path, Presence, Value};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The longest MSH that is read; real ones have 300 bytes.
pub(crate) const HEADER_BYTES_MAX: usize = 4 << 10;

/// The most messages of one batch: each is a record and an answer, however short it is.
const BATCH_MESSAGES_MAX: usize = 10_000;

/// A message ready to be landed, and what is to be answered once it is.
pub(crate) struct Intake {
    pub(crate) key: RawKey,
    pub(crate) headers: Headers,
    pub(crate) message: RawHl7v2,
    /// The MSH alone, to answer in its delimiters; none if it cannot be read.
    pub(crate) header: Option<Vec<u8>>,
    /// Why it is answered AR though it was landed.
    pub(crate) refusal: Option<Refusal>,
}

/// What the MSH says of the message, and whose it is.
struct Header {
    control_id: String,
    key: RawKey,
    charset: Option<String>,
    message_code: Option<String>,
    processing_id: Option<String>,
    trigger: Option<String>,
    version_id: Option<String>,
}

impl Intake {
    /// Reads what is needed to land a payload, however bad it is.
    pub(crate) fn of(sender: &Sender, tokens: &Tokenizer, payload: Vec<u8>, received_at: Timestamp) -> Self {
        // What lands is what came; only what is read of it may be written anew.
        let readable = Charset::readable(&payload, sender.reading.charset);
        let parsed = Message::parse(&readable);
        let identity = identity(&payload, parsed.as_ref().ok());
        let header = header_line(&payload).map(<[u8]>::to_vec);
        let read = match &parsed {
            Ok(message) => Header::read(message, &sender.reading, tokens, &sender.name),
            Err(ParseError::Batch) => Err(Refusal::of_batch(&payload)),
            Err(error) => Err(Refusal::of(*error)),
        };
        let (read, refusal) = match read {
            Ok(header) => (Some(header), None),
            Err(refusal) => (None, Some(refusal)),
        };
        let key =
            read.as_ref().map_or_else(|| RawKey::Sender(sender.name.clone()), |header| header.key.clone());
        let control_id = read.as_ref().map(|header| header.control_id.clone());
        let headers = headers(sender, &key, control_id.as_deref(), &identity, received_at);
        let field =
            |choose: fn(&Header) -> &Option<String>| read.as_ref().and_then(|header| choose(header).clone());
        let message = RawHl7v2 {
            sender: sender.name.clone(),
            message_code: field(|header| &header.message_code),
            trigger: field(|header| &header.trigger),
            processing_id: field(|header| &header.processing_id),
            version_id: field(|header| &header.version_id),
            charset: field(|header| &header.charset),
            control_id,
            received_at,
            identity,
            unparsed: refusal.as_ref().map(|refusal| refusal.text.clone()),
            payload: Phi(payload),
        };
        Self { key, headers, message, header, refusal }
    }
}

impl Header {
    fn read(
        message: &Message<'_>,
        reading: &Reading,
        tokens: &Tokenizer,
        sender: &str,
    ) -> Result<Self, Refusal> {
        let msh = message.header();
        if msh.raw().len() > HEADER_BYTES_MAX {
            let text = format!("the MSH is longer than {HEADER_BYTES_MAX} bytes");
            return Err(Refusal::new(ErrorCode::DataType, None, text));
        }
        let charset = Charset::of(message, reading.charset).charset;
        let place = Path::parse("MSH-10").ok();
        let control_id = match subject::code(*msh.field(10), charset) {
            Ok(Some(id)) => id,
            Ok(None) => {
                return Err(Refusal::new(
                    ErrorCode::RequiredFieldMissing,
                    place,
                    "MSH-10 is empty".to_owned(),
                ));
            }
            Err(illegible) => {
                return Err(Refusal::new(ErrorCode::DataType, place, format!("MSH-10 {illegible}")));
            }
        };
        let said = |value: Value<'_>| {
            (value.presence() == Presence::Value).then(|| value.text(charset).trim().to_owned())
        };
        Ok(Self {
            control_id,
            key: key(message, charset, reading, tokens, sender),
            charset: said(*msh.field(18)),
            message_code: said(*msh.field(9).component(1)),
            processing_id: said(*msh.field(11).component(1)),
            trigger: said(*msh.field(9).component(2)),
            version_id: said(*msh.field(12).component(1)),
        })
    }
}

/// The patient's token, else the visit's, else the sender; what cannot be read for certain names nobody.
fn key(
    message: &Message<'_>,
    charset: Charset,
    reading: &Reading,
    tokens: &Tokenizer,
    sender: &str,
) -> RawKey {
    if let Ok(Some(patient)) = subject::patient(message, charset, &reading.patient, tokens) {
        return RawKey::Patient(patient);
    }
    match subject::visit(message, charset, &reading.visit, tokens) {
        Ok(Some(visit)) => RawKey::Visit(visit.token),
        Ok(None) | Err(_) => RawKey::Sender(sender.to_owned()),
    }
}

fn headers(
    sender: &Sender,
    key: &RawKey,
    control_id: Option<&str>,
    identity: &[u8; 32],
    received_at: Timestamp,
) -> Headers {
    let name = match control_id {
        Some(id) => Name::new("hl7v2", &[&sender.name, id]),
        None => Name::new("hl7v2", &[&sender.name, "sha256", &hex(identity)]),
    };
    Headers {
        id: Uuid::new_v5(&name.fact_id(RawHl7v2::TOPIC), identity),
        source: format!("vertebra/ehr-adapter/{}", sender.name),
        r#type: RawHl7v2::TOPIC.to_owned(),
        time: received_at,
        subject: key.to_string(),
        version: None,
        revision: None,
        factname: name.to_string(),
        correlationid: None,
        causationid: None,
        facility: sender.reading.facility.clone(),
        sourceref: control_id.map(str::to_owned),
        traceparent: telemetry::root_traceparent().parse().ok(),
    }
}

/// SHA-256 of the payload from its MSH on with MSH-7 blanked, since engines renew it when they send again, and with one
/// line end behind the last segment, since they do not all keep that one. The message is the payload as it is read, which
/// may be written anew.
fn identity(payload: &[u8], message: Option<&Message<'_>>) -> [u8; 32] {
    let mut hash = Sha256::new();
    let Some(message) = message else {
        hash.update(payload);
        return hash.finalize().into();
    };
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    // Only a byte order mark and line ends can stand before the MSH.
    let start = payload.iter().position(|byte| *byte == b'M').unwrap_or_default();
    let last = payload.iter().rposition(|byte| !is_end(byte)).map_or(0, |last| last + 1);
    let rest = payload.get(start..last).unwrap_or_default();
    let separator = message.delimiters().field;
    for (place, part) in message.header().raw().split(|byte| *byte == separator).enumerate() {
        if place > 0 {
            hash.update([separator]);
        }
        // MSH-1 is the separator itself, so the seventh field is the sixth behind the name.
        if place != 6 {
            hash.update(part);
        }
    }
    // As it came: what is written anew may be another message's as well.
    let end = rest.iter().position(is_end).unwrap_or(rest.len());
    hash.update(rest.get(end..).unwrap_or_default());
    hash.update(b"\r");
    hash.finalize().into()
}

/// The messages of a payload that is a batch; nothing where it is none, or is not to be taken apart.
pub(crate) fn batch(payload: &[u8]) -> Option<Batch<'_>> {
    Batch::parse(payload)
        .ok()
        .filter(|batch| batch.messages().take(BATCH_MESSAGES_MAX + 1).count() <= BATCH_MESSAGES_MAX)
}

/// A message of a batch as it is landed: what a byte order mark said of the batch holds for each message alone.
pub(crate) fn alone(batch: &Batch<'_>, message: &[u8]) -> Vec<u8> {
    let mark: &[u8] = if batch.has_byte_order_mark() { b"\xef\xbb\xbf" } else { b"" };
    [mark, message].concat()
}

/// The first line, if it is an MSH that can be answered: also of a payload that is no message as a whole.
pub(crate) fn header_line(payload: &[u8]) -> Option<&[u8]> {
    let text = payload.strip_prefix(b"\xef\xbb\xbf").unwrap_or(payload);
    let line = text.split(|byte| matches!(byte, b'\r' | b'\n')).find(|line| !line.is_empty())?;
    (line.len() <= HEADER_BYTES_MAX && Message::parse(line).is_ok()).then_some(line)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Refusal {
    fn of(error: ParseError) -> Self {
        match error {
            // Which delimiter, and not only that one cannot be used.
            ParseError::Delimiters(cause) => Self::new(ErrorCode::DataType, None, cause.to_string()),
            ParseError::Batch
            | ParseError::Empty
            | ParseError::NoHeader
            | ParseError::SecondHeader { .. } => {
                Self::new(ErrorCode::SegmentSequence, None, error.to_string())
            }
        }
    }

    /// Of a batch that is not taken apart.
    fn of_batch(payload: &[u8]) -> Self {
        let (code, text) = match Batch::parse(payload) {
            Ok(_) => {
                let text =
                    format!("the batch has more than {BATCH_MESSAGES_MAX} messages: send them in several");
                (ErrorCode::ApplicationInternal, text)
            }
            Err(BatchError::Delimiters(cause)) => (ErrorCode::DataType, cause.to_string()),
            Err(error) => (ErrorCode::SegmentSequence, error.to_string()),
        };
        Self::new(code, None, text)
    }
}
