//! One MLLP connection of a sender.

use hl7::ack::{AckCode, Acknowledgement};
use hl7::mllp::{self, Decoder, Frame, Limits};
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    decoder: Decoder,
}

/// An answer, as far as it concerns the sender.
pub(super) struct Answer {
    pub(super) code: AckCode,
    /// MSA-2.
    pub(super) control_id: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, decoder: Decoder::new(Limits::default()) })
    }

    pub(super) async fn write(&mut self, payload: &[u8]) -> io::Result<()> {
        self.stream.write_all(&mllp::encode(payload)).await
    }

    /// Until there is something of an answer, which is then left unread.
    pub(super) async fn answered(&self) -> io::Result<()> {
        self.stream.readable().await
    }

    /// The next answer; nothing where it is no acknowledgement.
    pub(super) async fn answer(&mut self) -> io::Result<Option<Answer>> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(frame) = self.decoder.next() {
                let Frame::Message(payload) = frame else { return Ok(None) };
                let ack = Acknowledgement::parse(&payload).ok();
                return Ok(
                    ack.map(|ack| Answer { code: ack.code, control_id: ack.control_id.raw().to_vec() })
                );
            }
            match self.stream.read(&mut buffer).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.decoder.push(&buffer[..read]),
            }
        }
    }
}
