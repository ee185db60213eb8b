//! A sender as EHRs are: one message at a time over MLLP, sent again until it is acknowledged.

use crate::history::History;
use crate::small::Outgoing;
use canon::Timestamp;
use hl7::ack::{AckCode, Acknowledgement};
use hl7::mllp::{self, Decoder, Frame, Limits};
use hospital::content;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// One connection of a sender, made again whenever it is lost.
#[derive(Debug)]
pub struct Sender {
    address: SocketAddr,
    connection: Option<(TcpStream, Decoder)>,
    /// How long an ACK is waited for before the message is sent again.
    pub ack_timeout: Duration,
    /// How long one message is tried for.
    pub patience: Duration,
    /// What was sent and acknowledged so far.
    pub history: History,
}

/// A message was not acknowledged and will not be. Nothing of its content is told.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The receiver said that sending again is no use.
    #[error("{control_id} was refused with {code}")]
    Refused {
        /// MSH-10.
        control_id: String,
        /// MSA-1.
        code: &'static str,
    },
    /// It was tried for as long as the sender's patience.
    #[error("{control_id} was not acknowledged in {tries} tries; the last one: {last}")]
    Unacknowledged {
        /// MSH-10.
        control_id: String,
        /// How often it was written or a connection was tried.
        tries: u32,
        /// How the last try ended.
        last: String,
    },
}

enum Try {
    Acknowledged,
    Again(String),
    Refused(&'static str),
}

impl Sender {
    /// Connects with the first message.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            connection: None,
            ack_timeout: Duration::from_secs(30),
            patience: Duration::from_secs(120),
            history: History::default(),
        }
    }

    /// Sends a message until it is acknowledged. Each time MSH-7 says when; nothing else changes.
    ///
    /// # Errors
    /// When it is refused, or the patience is over.
    pub async fn send(&mut self, message: &Outgoing) -> Result<(), SendError> {
        let begun = Instant::now();
        let content = content(&message.bytes);
        let mut tries = 0;
        loop {
            tries += 1;
            let last = match self.attempt(message, content).await {
                Ok(Try::Acknowledged) => return Ok(()),
                Ok(Try::Refused(code)) => {
                    return Err(SendError::Refused { control_id: message.control_id.clone(), code });
                }
                Ok(Try::Again(why)) => why,
                Err(error) => error.to_string(),
            };
            // Whatever comes later on this connection would answer an earlier try.
            self.connection = None;
            if begun.elapsed() > self.patience {
                let control_id = message.control_id.clone();
                return Err(SendError::Unacknowledged { control_id, tries, last });
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
    }

    async fn attempt(&mut self, message: &Outgoing, content: [u8; 32]) -> io::Result<Try> {
        let (mut stream, mut decoder) = match self.connection.take() {
            Some(open) => open,
            None => {
                let stream = TcpStream::connect(self.address).await?;
                stream.set_nodelay(true)?;
                (stream, Decoder::new(Limits::default()))
            }
        };
        let now = Timestamp::from(SystemTime::now());
        let frame = mllp::encode(&with_sent_at(&message.bytes, &hl7::time::format_utc(now.as_micros())));
        self.history.sent(&message.control_id, content, now);
        stream.write_all(&frame).await?;
        let written = Instant::now();
        let answered = tokio::time::timeout(self.ack_timeout, answer(&mut stream, &mut decoder)).await;
        let payload = match answered {
            Ok(payload) => payload?,
            Err(_) => return Ok(Try::Again("no answer in time".to_owned())),
        };
        let Ok(ack) = Acknowledgement::parse(&payload) else {
            return Ok(Try::Again("the answer is no acknowledgement".to_owned()));
        };
        if ack.control_id.raw() != message.control_id.as_bytes() {
            return Ok(Try::Again("the answer is to another message".to_owned()));
        }
        self.connection = Some((stream, decoder));
        Ok(match ack.code {
            AckCode::ApplicationAccept | AckCode::CommitAccept => {
                let at = Timestamp::from(SystemTime::now());
                self.history.acknowledged(&message.control_id, at, written.elapsed());
                Try::Acknowledged
            }
            AckCode::ApplicationError | AckCode::CommitError => Try::Again(ack.code.letters().to_owned()),
            AckCode::ApplicationReject | AckCode::CommitReject => Try::Refused(ack.code.letters()),
        })
    }
}

/// Sends each stream over a connection of its own, in its order, all at once.
///
/// # Errors
/// The first message that cannot be brought through; other streams go on to their end.
pub async fn send_all(streams: Vec<Vec<Outgoing>>, sender: impl Fn() -> Sender) -> (History, Vec<SendError>) {
    let tasks = streams.into_iter().map(|stream| {
        let mut sender = sender();
        tokio::spawn(async move {
            let mut failed = None;
            for message in &stream {
                if let Err(error) = sender.send(message).await {
                    failed = Some(error);
                    break;
                }
            }
            (sender.history, failed)
        })
    });
    let (mut history, mut errors) = (History::default(), Vec::new());
    for ended in futures::future::join_all(tasks).await {
        let (theirs, failed) = ended.unwrap_or_else(|error| panic!("a sender panicked: {error}"));
        history.merge(theirs);
        errors.extend(failed);
    }
    (history, errors)
}

async fn answer(stream: &mut TcpStream, decoder: &mut Decoder) -> io::Result<Vec<u8>> {
    let mut buffer = [0; 4096];
    loop {
        if let Some(Frame::Message(payload)) = decoder.next() {
            return Ok(payload);
        }
        match stream.read(&mut buffer).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => decoder.push(&buffer[..read]),
        }
    }
}

/// The message with another MSH-7; as it is where it has none.
fn with_sent_at(bytes: &[u8], sent_at: &str) -> Vec<u8> {
    let header_end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
    let (header, rest) = bytes.split_at(header_end);
    // MSH-1 is the separator itself, so MSH-7 is the sixth behind the name.
    let mut fields: Vec<&[u8]> = header.split(|byte| *byte == b'|').collect();
    if let Some(field) = fields.get_mut(6) {
        *field = sent_at.as_bytes();
    }
    [&fields.join(&b'|')[..], rest].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_msh_7_changes_when_a_message_is_sent_again() {
        let message = b"MSH|^~\\&|A|B|C|D|20250101||ADT^A01|7|P|2.5\rEVN|A01|1\r";
        let again = with_sent_at(message, "20260101");
        assert_eq!(again, b"MSH|^~\\&|A|B|C|D|20260101||ADT^A01|7|P|2.5\rEVN|A01|1\r");
        assert_eq!(content(message), content(&again));
        assert_ne!(content(message), content(b"MSH|^~\\&|A|B|C|D|20250101||ADT^A01|8|P|2.5\rEVN|A01|1\r"));
    }
}
