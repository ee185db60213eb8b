//! An endpoint in the process, as good as one can be without storing anything, or with one fault.

use hl7::mllp::{self, Decoder, Limits};
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// Over this a payload is refused: more than the cases send that are to be taken.
const FRAME_BYTES_MAX: usize = 1_500_000;
/// How long an FS without a CR is waited on.
const CR_PAUSE: Duration = Duration::from_millis(50);

/// What is wrong with an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    AcceptsStrayCommitBytes,
    AcceptsWhatIsNoMessage,
    AcceptsWhatWasCutOff,
    AcceptsWhatWasGivenUp,
    AnswersBatchesTwice,
    AnswersInReverse,
    AnswersOnlyTheFirstOfAPacket,
    AnswersTwice,
    ClosesAtOtherThanAscii,
    /// No fault: of MLLP's second release.
    Commits,
    CommitsByTheWrongByte,
    DiesByAProbe,
    DiesByOneByte,
    HangsAtLength,
    KeepsDelimitersOfValues,
    NamesTheMessageBefore,
    Flawless,
    RefusesASecondTime,
    RefusesTraining,
    RefusesWithoutPid,
    RefusesEscapes,
    ReusesControlIds,
    ServesOneAtATime,
    ShowsNoSwap,
    SilentAboutMerges,
    SilentAboutTheTooLarge,
    SilentAboutTheUnparsable,
    SilentAboutYears,
    SilentWithoutStartBlock,
    UppercasesControlIds,
}

/// A running endpoint.
pub(crate) struct Endpoint {
    pub(crate) address: String,
    serving: JoinHandle<()>,
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Endpoint {
    pub(crate) async fn with(fault: Fault) -> Self {
        Self::encrypted(fault, None).await
    }

    pub(crate) async fn encrypted(fault: Fault, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        Self { address, serving: tokio::spawn(accept(listener, fault, tls)) }
    }
}

async fn accept(listener: TcpListener, fault: Fault, tls: Option<TlsAcceptor>) {
    let known = Arc::default();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        if fault == Fault::DiesByAProbe && matches!(stream.peek(&mut [0]).await, Ok(0) | Err(_)) {
            return;
        }
        let desk = Desk { fault, known: Arc::clone(&known), before: String::new(), answers: 0 };
        let tls = tls.clone();
        let serving = tokio::spawn(async move {
            // Peers that are gone are no concern of an endpoint.
            let _ = match tls {
                None => desk.serve(stream).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => desk.serve(stream).await,
                    Err(error) => Err(error),
                },
            };
        });
        if fault == Fault::ServesOneAtATime {
            let _ = serving.await;
        }
    }
}

struct Desk {
    fault: Fault,
    /// Control ids that were accepted.
    known: Arc<std::sync::Mutex<BTreeSet<String>>>,
    /// The control id of the message before.
    before: String,
    answers: u32,
}

impl Desk {
    async fn serve(mut self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let limits = Limits { frame_bytes: FRAME_BYTES_MAX, ..Limits::default() };
        let mut decoder = Decoder::new(limits);
        let mut buffer = vec![0; 16 << 10];
        loop {
            let pause = if decoder.awaits_only_cr() { CR_PAUSE } else { Duration::from_secs(600) };
            let mut frames = Vec::new();
            let mut ends = false;
            match timeout(pause, stream.read(&mut buffer)).await {
                Err(_) => frames.extend(decoder.idle()),
                Ok(read) => match read.unwrap_or(0) {
                    0 => {
                        if self.fault == Fault::AcceptsWhatWasCutOff {
                            decoder.push(b"\x1c\r");
                        }
                        frames.extend(decoder.finish());
                        ends = true;
                    }
                    1 if self.fault == Fault::DiesByOneByte => return Ok(()),
                    length => self.push(&mut decoder, &buffer[..length]),
                },
            }
            frames.extend(decoder.by_ref());
            let mut answers: Vec<String> = frames.into_iter().flat_map(|frame| self.answers(frame)).collect();
            match self.fault {
                Fault::AnswersInReverse => answers.reverse(),
                Fault::AnswersOnlyTheFirstOfAPacket => answers.truncate(1),
                Fault::AnswersTwice => answers.extend_from_within(..),
                _ => {}
            }
            for answer in answers {
                match answer.as_str() {
                    "close" => return Ok(()),
                    "hang" => return std::future::pending().await,
                    answer => stream.write_all(&mllp::encode(answer.as_bytes())).await?,
                }
            }
            if ends {
                return stream.shutdown().await;
            }
        }
    }

    fn push(&self, decoder: &mut Decoder, bytes: &[u8]) {
        match self.fault {
            Fault::AcceptsWhatWasGivenUp => {
                for byte in bytes {
                    if *byte == mllp::START && decoder.is_inside_frame() {
                        decoder.push(b"\x1c\r");
                    }
                    decoder.push(&[*byte]);
                }
            }
            Fault::SilentWithoutStartBlock if !decoder.is_inside_frame() && bytes[0] != mllp::START => {}
            _ => decoder.push(bytes),
        }
    }

    fn answers(&mut self, frame: mllp::Frame) -> Vec<String> {
        match frame {
            mllp::Frame::Message(payload) => self.committed(&payload),
            mllp::Frame::Fault(mllp::Fault::TooLarge { .. })
                if self.fault == Fault::SilentAboutTheTooLarge =>
            {
                Vec::new()
            }
            mllp::Frame::Fault(mllp::Fault::TooLarge { head, .. }) => {
                let msh = Msh::read(&head).expect("an MSH within the head");
                vec![self.write(&msh, "AR")]
            }
            mllp::Frame::Fault(_) => Vec::new(),
        }
    }

    fn committed(&mut self, payload: &[u8]) -> Vec<String> {
        let byte = match self.fault {
            Fault::Commits => "\x06",
            Fault::CommitsByTheWrongByte => "\x15",
            _ => return self.to(payload),
        };
        match payload {
            [0x06 | 0x15] => Vec::new(),
            _ => [vec![byte.to_owned()], self.to(payload)].concat(),
        }
    }

    fn to(&mut self, payload: &[u8]) -> Vec<String> {
        let text = String::from_utf8_lossy(payload);
        let text = text.trim_start_matches('\u{feff}');
        match self.fault {
            Fault::HangsAtLength if payload.len() > 100_000 => return vec!["hang".to_owned()],
            Fault::ClosesAtOtherThanAscii if !payload.is_ascii() => return vec!["close".to_owned()],
            _ => {}
        }
        if text.starts_with("FHS") || text.starts_with("BHS") {
            let answer = "MSH|^~\\&|A|B|C|D|2026||ACK|1|P|2.5\rMSA|AA\r".to_owned();
            let count = if self.fault == Fault::AnswersBatchesTwice { 2 } else { 1 };
            return vec![answer; count];
        }
        let msh = Msh::read(payload);
        let Some(msh) = msh.filter(|msh| !msh.field(10).is_empty()) else {
            let is_commit = matches!(payload, [0x06 | 0x15]);
            let code = match self.fault {
                Fault::SilentAboutTheUnparsable => return Vec::new(),
                Fault::AcceptsStrayCommitBytes if is_commit => "AA",
                Fault::AcceptsWhatIsNoMessage => "AA",
                _ => "AR",
            };
            return vec![format!("MSH|^~\\&|||||2026||ACK|1|P|2.5\rMSA|{code}||no message\r")];
        };
        let is_about_time = text.contains("\rEVN|A08|2026\r");
        match self.fault {
            Fault::SilentAboutMerges if text.contains("\rMRG|") => return Vec::new(),
            Fault::SilentAboutYears if is_about_time => return Vec::new(),
            _ => {}
        }
        let code = match msh.field(15) {
            "AL" | "SU" => "CA",
            "NE" | "ER" => return Vec::new(),
            _ => self.code(&msh, text),
        };
        vec![self.write(&msh, code)]
    }

    fn code(&self, msh: &Msh, text: &str) -> &'static str {
        let is_new = self.known.lock().expect("not poisoned").insert(msh.field(10).to_owned());
        let refuses = match self.fault {
            Fault::RefusesASecondTime => !is_new,
            Fault::RefusesEscapes => text.contains("\\X41\\"),
            Fault::RefusesTraining => msh.field(11) != "P",
            Fault::RefusesWithoutPid => !text.contains("\rPID"),
            _ => false,
        };
        if refuses { "AE" } else { "AA" }
    }

    /// A control id for an answer.
    fn next(&mut self) -> String {
        self.answers += 1;
        format!("A{}", self.answers)
    }

    fn write(&mut self, msh: &Msh, code: &str) -> String {
        let id = msh.field(10).to_owned();
        let named = match self.fault {
            Fault::NamesTheMessageBefore if !self.before.is_empty() => self.before.clone(),
            Fault::UppercasesControlIds => id.to_uppercase(),
            _ => id.clone(),
        };
        let own = if self.fault == Fault::ReusesControlIds { id.clone() } else { self.next() };
        self.before = id;
        let whole = match self.fault {
            Fault::ShowsNoSwap => [3, 4, 5, 6],
            _ => [5, 6, 3, 4],
        };
        let [a, b, c, d] = whole.map(|number| msh.field(number));
        let (s, e) = match self.fault {
            Fault::KeepsDelimitersOfValues => ('|', "^~\\&"),
            _ => (msh.separator, msh.field(2)),
        };
        format!(
            "MSH{s}{e}{s}{a}{s}{b}{s}{c}{s}{d}{s}2026{s}{s}ACK{s}{own}{s}P{s}2.5\rMSA{s}{code}{s}{named}{s}a reason\r"
        )
    }
}

struct Msh {
    separator: char,
    fields: Vec<String>,
}

impl Msh {
    fn read(payload: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(payload);
        let line = text.trim_start_matches('\u{feff}').split(['\r', '\n']).next()?.to_owned();
        let separator = line.strip_prefix("MSH")?.chars().next().filter(char::is_ascii_punctuation)?;
        let mut fields: Vec<String> = line.split(separator).map(str::to_owned).collect();
        if fields.get(1)?.is_empty() {
            return None;
        }
        fields.insert(1, separator.to_string());
        Some(Self { separator, fields })
    }

    fn field(&self, number: usize) -> &str {
        self.fields.get(number).map_or("", String::as_str)
    }
}
