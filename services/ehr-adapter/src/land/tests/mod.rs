//! The real server over real sockets, landing in memory: tests named by the cases they owe.

mod acknowledgement;
mod batch;
mod framing;
mod modes;
mod phi;
mod reload;
mod tls;

use super::files::Seen;
use super::roster::Roster;
use super::{Around, Land, Shared, serve};
use crate::sender::{Acknowledge, Mllp, Sender};
use backbone::edge::BrokerError;
use backbone::health::Health;
use backbone::kafka::Offset;
use backbone::metrics::Metrics;
use backbone::service::LandError;
use canon::{Headers, RawHl7v2, RawKey, Tokenizer};
use hl7::ack::{AckCode, Acknowledgement};
use hl7::mllp::{self, Decoder, Frame, Limits};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) const SENDER: &str = "name: north\ntime_zone: UTC\ncurrency: EUR\nlisten: 127.0.0.1:0\n\
    patient_authority: NORTH\nvisit_authority: NORTH\n";

/// How records become durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// At once.
    AtOnce,
    /// Kafka does not have it, and says so.
    Failing,
    /// Nothing more is taken.
    Full,
    /// When the test says so.
    Held,
    /// The topic does not take it.
    TooLarge,
}

/// Where tests land: what was handed over, and acknowledgements that wait to be given.
#[derive(Clone)]
struct Shelf {
    mode: Arc<Mutex<Mode>>,
    landed: Arc<Mutex<Vec<Piece>>>,
    held: Arc<Mutex<VecDeque<Option<oneshot::Sender<()>>>>>,
}

#[derive(Clone)]
struct Piece {
    key: RawKey,
    headers: Headers,
    message: RawHl7v2,
}

impl Land for Shelf {
    type Ack = Pin<Box<dyn Future<Output = Result<Offset, BrokerError>> + Send>>;

    async fn land(
        &self,
        key: &RawKey,
        headers: &Headers,
        message: &RawHl7v2,
    ) -> Result<Self::Ack, LandError> {
        let mode = *self.mode.lock().unwrap();
        if mode == Mode::Full {
            std::future::pending::<()>().await;
        }
        if mode == Mode::TooLarge {
            return Err(LandError::TooLarge { is_bytes: 9, most_bytes: 8 });
        }
        let piece = Piece { key: key.clone(), headers: headers.clone(), message: message.clone() };
        self.landed.lock().unwrap().push(piece);
        let (give, given) = oneshot::channel();
        match mode {
            Mode::Held => self.held.lock().unwrap().push_back(Some(give)),
            Mode::Failing => drop(give),
            Mode::AtOnce | Mode::Full | Mode::TooLarge => give.send(()).unwrap(),
        }
        Ok(Box::pin(async move {
            given
                .await
                .map(|()| Offset(0))
                .map_err(|_| BrokerError::new("a record is not known to be durable"))
        }))
    }
}

impl Shelf {
    /// The record handed over as the `number`th, from 0, becomes durable.
    fn release(&self, number: usize) {
        let give = self.held.lock().unwrap()[number].take().expect("still held");
        give.send(()).expect("waited for");
    }

    fn landed(&self) -> Vec<Piece> {
        self.landed.lock().unwrap().clone()
    }

    async fn has(&self, count: usize) {
        until("records to be landed", || self.landed.lock().unwrap().len() >= count).await;
    }
}

/// A server that runs.
struct Stand {
    address: SocketAddr,
    shelf: Shelf,
    around: Around,
    serving: JoinHandle<()>,
}

impl Stand {
    async fn new(mode: Mode) -> Self {
        Self::with(mode, |_| {}).await
    }

    async fn with(mode: Mode, change: impl FnOnce(&mut Sender)) -> Self {
        let mut sender = Sender::parse(SENDER).expect("valid");
        change(&mut sender);
        let (shelf, shared) = shared(mode);
        let mut roster = Roster::new(shared.clone());
        roster.open(vec![Seen::of_sender(sender)]).await.expect("bound");
        // Its folder is never looked at.
        Self::serving(shelf, shared, roster, PathBuf::new(), Duration::from_secs(3600)).await
    }

    async fn serving(
        shelf: Shelf,
        shared: Arc<Shared<Shelf>>,
        roster: Roster<Shelf>,
        folder: PathBuf,
        every: Duration,
    ) -> Self {
        let around = shared.around.clone();
        let serving = tokio::spawn(async move { serve(&shared, roster, folder, every).await });
        let mut address = None;
        until("the listener", || {
            address = listens(&around, "north").first().copied();
            address.is_some()
        })
        .await;
        Self { address: address.expect("an address"), shelf, around, serving }
    }

    async fn peer(&self) -> Peer {
        Peer::at(self.address).await
    }

    /// Whether the metrics have this line.
    fn tells(&self, line: &str) -> bool {
        let text = self.around.metrics.render();
        text.lines().any(|told| told.replace(",service=\"ehr-adapter\"", "") == line)
    }

    async fn counts(&self, line: &str) {
        until(line, || self.tells(line)).await;
    }

    /// Nothing is connected and nothing in flight.
    async fn is_quiet(&self) {
        self.counts(r#"vertebra_landing_connections{sender="north"} 0"#).await;
    }
}

fn shared(mode: Mode) -> (Shelf, Arc<Shared<Shelf>>) {
    let shelf = Shelf { mode: Arc::new(Mutex::new(mode)), landed: Arc::default(), held: Arc::default() };
    let (metrics, stop) = (Metrics::new("ehr-adapter").expect("metrics"), CancellationToken::new());
    let around = Around { health: Health::new(), metrics, stop };
    let shared = Shared::new(shelf.clone(), around, tokens()).expect("metrics");
    (shelf, Arc::new(shared))
}

/// Where a sender is listened for, as the pulses of the listeners tell.
fn listens(around: &Around, sender: &str) -> Vec<SocketAddr> {
    let start = format!("listener {sender} ");
    let parts = around.health.live().parts;
    parts.keys().filter_map(|name| name.strip_prefix(&start)?.parse().ok()).collect()
}

/// A sender's end of a connection.
struct Peer<S = TcpStream> {
    stream: S,
    decoder: Decoder,
}

/// An answer as a sender reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Heard {
    code: AckCode,
    control_id: String,
    text: String,
    whole: String,
}

impl Peer {
    async fn at(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("connected");
        stream.set_nodelay(true).expect("no delay");
        Self::over(stream)
    }

    #[track_caller]
    fn hears_nothing_yet(&self) {
        let mut buffer = [0; 16];
        let read = self.stream.try_read(&mut buffer);
        assert!(read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock));
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    fn over(stream: S) -> Self {
        Self { stream, decoder: Decoder::new(Limits::default()) }
    }

    async fn says(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("written");
    }

    async fn hears(&mut self) -> Heard {
        Heard::of(&self.hears_frame().await)
    }

    /// The payload of the next frame, whatever it is.
    async fn hears_frame(&mut self) -> Vec<u8> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(frame) = self.decoder.next() {
                let Frame::Message(answer) = frame else { panic!("a fault in an answer: {frame:?}") };
                return answer;
            }
            let read = timeout(PATIENCE, self.stream.read(&mut buffer)).await.expect("an answer in time");
            let length = read.expect("read");
            assert!(length > 0, "closed before an answer");
            self.decoder.push(&buffer[..length]);
        }
    }

    /// The server closes without another answer.
    async fn is_closed(&mut self) {
        let mut rest = Vec::new();
        let read = timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await.expect("closed in time");
        // A reset is an end as well.
        assert!(rest.is_empty(), "{read:?}");
    }

    async fn is_answered(&mut self, code: AckCode, control_id: &str) -> Heard {
        let heard = self.hears().await;
        assert_eq!((heard.code, heard.control_id.as_str()), (code, control_id), "{}", heard.whole);
        heard
    }
}

impl Heard {
    fn of(answer: &[u8]) -> Self {
        let read = Acknowledgement::parse(answer).expect("an acknowledgement");
        let text = |value: hl7::message::Value<'_>| String::from_utf8_lossy(value.raw()).into_owned();
        Self {
            code: read.code,
            control_id: text(read.control_id),
            text: text(read.text),
            whole: String::from_utf8_lossy(answer).into_owned(),
        }
    }
}

fn tokens() -> Tokenizer {
    Tokenizer::new(b"an invented secret of 32 bytes!!").expect("long enough")
}

/// A message under a control id.
fn message(control_id: &str) -> Vec<u8> {
    let visit = "|".repeat(16);
    format!(
        "MSH|^~\\&|A|B|C|D|20260301||ADT^A01|{control_id}|P|2.5\rPID|1||7^^^NORTH\rPV1|1|I|W1{visit}V{control_id}\r"
    )
    .into_bytes()
}

fn frame(control_id: &str) -> Vec<u8> {
    mllp::encode(&message(control_id))
}

/// Waits until something holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("waited in vain for {what}"));
}

/// What is logged by this thread, which is where a test's tasks run.
#[derive(Clone, Default)]
struct Logs(Arc<Mutex<Vec<u8>>>);

impl Logs {
    fn capture(&self) -> tracing::subscriber::DefaultGuard {
        let writer = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    fn warnings(&self) -> usize {
        self.text().lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).count()
    }
}

impl std::io::Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
