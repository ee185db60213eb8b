//! One connection, byte for byte: what is written goes out as a packet of its own, and what comes back is told as it
//! came.

use crate::answer::Answer;
use crate::message::{END, START, framed};
use crate::target::{Mllp, Target};
use crate::tls::Manner;
use std::fmt;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

/// MLLP's positive commit byte.
pub(crate) const COMMIT: u8 = 0x06;
/// Its negative one.
pub(crate) const NO_COMMIT: u8 = 0x15;

/// What came on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// An acknowledgement.
    Answer(Answer),
    /// The connection's end.
    Closed,
    /// A commit byte in its frame.
    Commit(u8),
    /// Bytes outside of a frame, other than line ends.
    Noise { bytes: usize },
    /// Nothing for as long as was waited.
    Silence,
    /// A frame that is no acknowledgement.
    Unreadable { why: &'static str, bytes: usize },
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(answer) => answer.fmt(f),
            Self::Closed => f.write_str("the connection was closed"),
            Self::Commit(byte) => write!(f, "the commit byte 0x{byte:02x}"),
            Self::Noise { bytes } => write!(f, "{bytes} bytes outside of a frame"),
            Self::Silence => f.write_str("no answer in time"),
            Self::Unreadable { why, bytes } => write!(f, "a frame of {bytes} bytes that is no answer: {why}"),
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection to the endpoint.
pub(crate) struct Peer {
    hearing: Hearing,
    writing: WriteHalf<Box<dyn Stream>>,
    /// The certificate that the endpoint has shown.
    pub(crate) certificate: Option<Vec<u8>>,
    mllp: Mllp,
    patience: Duration,
}

struct Hearing {
    reading: ReadHalf<Box<dyn Stream>>,
    buffer: Vec<u8>,
}

impl Peer {
    /// Connects, and shakes hands where the target is encrypted.
    pub(crate) async fn connect(target: &Target, manner: Manner) -> io::Result<Self> {
        let begun = timeout(target.timeout, async {
            let stream = dial(target).await?;
            let Some(tls) = &target.tls else {
                return Ok(Self::over(Box::new(stream), None, target));
            };
            let stream = tls.connect(manner, stream).await?;
            let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            let shown = shown.map(|certificate| certificate.as_ref().to_vec());
            Ok(Self::over(Box::new(stream), shown, target))
        });
        begun.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Connects without TLS, whatever the target is.
    pub(crate) async fn plain(target: &Target) -> io::Result<Self> {
        let stream = timeout(target.timeout, dial(target)).await;
        let stream = stream.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        Ok(Self::over(Box::new(stream), None, target))
    }

    fn over(stream: Box<dyn Stream>, certificate: Option<Vec<u8>>, target: &Target) -> Self {
        let (reading, writing) = tokio::io::split(stream);
        let hearing = Hearing { reading, buffer: Vec::new() };
        Self { hearing, writing, certificate, mllp: target.mllp, patience: target.timeout }
    }

    /// Writes. Whether the endpoint still takes it shows in what is heard afterwards.
    pub(crate) async fn says(&mut self, bytes: &[u8]) {
        let _ = timeout(self.patience, say(&mut self.writing, bytes)).await;
    }

    /// Writes every piece as a packet of its own, with a pause between them.
    pub(crate) async fn says_in_pieces(&mut self, pieces: &[&[u8]], pause: Duration) {
        for (number, piece) in pieces.iter().enumerate() {
            if number > 0 {
                tokio::time::sleep(pause).await;
            }
            self.says(piece).await;
        }
    }

    /// Says that nothing more will be written.
    pub(crate) async fn says_no_more(&mut self) {
        let _ = timeout(self.patience, self.writing.shutdown()).await;
    }

    /// What comes next, in the manner of a sender: commit bytes are given and taken where the endpoint is of MLLP's
    /// second release.
    pub(crate) async fn hears(&mut self) -> Heard {
        self.hears_within(self.patience).await
    }

    /// The same with another patience.
    pub(crate) async fn hears_within(&mut self, most: Duration) -> Heard {
        let mut heard = self.hears_raw(most).await;
        if self.mllp == Mllp::V1 {
            return heard;
        }
        // More than one where a message before was to get nothing else.
        while heard == Heard::Commit(COMMIT) {
            heard = self.hears_raw(most).await;
        }
        if matches!(heard, Heard::Answer(_) | Heard::Unreadable { .. }) {
            self.says(&framed(&[COMMIT])).await;
        }
        heard
    }

    /// What comes next, whatever it is.
    pub(crate) async fn hears_raw(&mut self, most: Duration) -> Heard {
        self.hearing.next(most).await
    }

    /// Writes and hears at the same time, as one has to where more is written than the network holds: gives the first
    /// `count` of what comes, fewer if the connection ends.
    pub(crate) async fn says_and_hears(&mut self, bytes: &[u8], count: usize) -> Vec<Heard> {
        let Self { hearing, writing, patience, mllp, .. } = self;
        let speaking = async {
            let _ = timeout(*patience * 4, say(writing, bytes)).await;
            writing
        };
        let hears = async {
            let mut all = Vec::new();
            while all.len() < count {
                // What has been answered says nothing of when the rest will have been written.
                let heard = hearing.next(*patience * 4).await;
                if *mllp == Mllp::V2 && heard == Heard::Commit(COMMIT) {
                    continue;
                }
                let ends = matches!(heard, Heard::Closed | Heard::Silence);
                all.push(heard);
                if ends {
                    break;
                }
            }
            all
        };
        let (writing, all) = tokio::join!(speaking, hears);
        if *mllp == Mllp::V2 {
            for _ in &all {
                let _ = timeout(*patience, say(writing, &framed(&[COMMIT]))).await;
            }
        }
        all
    }
}

impl Hearing {
    async fn next(&mut self, most: Duration) -> Heard {
        let until = Instant::now() + most;
        loop {
            if let Some(heard) = self.take() {
                return heard;
            }
            // The buffer takes what has come even if the wait ends.
            match timeout_at(until, self.reading.read_buf(&mut self.buffer)).await {
                Ok(Ok(0) | Err(_)) => return Heard::Closed,
                Ok(Ok(_)) => {}
                Err(_) => return Heard::Silence,
            }
        }
    }

    /// A frame, or what stands before one.
    fn take(&mut self) -> Option<Heard> {
        let start = self.buffer.iter().position(|byte| *byte == START).unwrap_or(self.buffer.len());
        let noise = self.buffer.drain(..start).filter(|byte| !matches!(byte, b'\r' | b'\n')).count();
        if noise > 0 {
            return Some(Heard::Noise { bytes: noise });
        }
        let end = self.buffer.windows(2).position(|pair| pair == [END, b'\r'])?;
        let frame: Vec<u8> = self.buffer.drain(..end + 2).collect();
        let payload = frame.get(1..end).unwrap_or_default();
        Some(match payload {
            [byte @ (COMMIT | NO_COMMIT)] => Heard::Commit(*byte),
            _ => match Answer::read(payload) {
                Ok(answer) => Heard::Answer(answer),
                Err(why) => Heard::Unreadable { why, bytes: payload.len() },
            },
        })
    }
}

async fn dial(target: &Target) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(&target.address).await?;
    // A packet is what a case says it is.
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn say(writing: &mut WriteHalf<Box<dyn Stream>>, bytes: &[u8]) -> io::Result<()> {
    writing.write_all(bytes).await?;
    writing.flush().await
}
