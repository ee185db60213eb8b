//! How a sender's connections are served. `land` alone uses it; what is changed here changes no fact.

use super::fields::Fields;
use super::{Network, bytes, list, span, whole};
use canon::RawHl7v2;
use canon::catalog::Catalog;
use canon::event::Event;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a raw record is larger than its message: the fields beside the payload, each of them within the MSH.
const ENVELOPE_BYTES_MAX: usize = 64 << 10;

/// How its connections are served.
#[derive(Clone, Debug)]
pub(crate) struct Listening {
    pub(crate) acknowledge: Acknowledge,
    pub(crate) address: SocketAddr,
    pub(crate) allow: Vec<Network>,
    pub(crate) connections_max: usize,
    pub(crate) mllp: Mllp,
    /// Messages of one connection that may be on their way to Kafka at once; a batch counts as one.
    pub(crate) pipeline_max: usize,
    pub(crate) frame_bytes_max: usize,
    /// How long a frame may take from its first byte to its last.
    pub(crate) frame_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    /// From a message's last byte to an answer, whatever it is.
    pub(crate) ack_deadline: Duration,
    pub(crate) tls: Option<TlsFiles>,
}

/// Which mode of acknowledgement a message is answered in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acknowledge {
    /// What MSH-15 and MSH-16 ask for; original mode where both are empty.
    ByMessage,
    /// Enhanced mode; CA, CE or CR where MSH-15 and MSH-16 are empty.
    Enhanced,
    /// Original mode, whatever MSH-15 and MSH-16 say.
    Original,
}

/// Which release of MLLP the connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mllp {
    V1,
    /// With commit bytes beneath HL7's answers.
    V2,
}

/// Where mutual TLS has its material, all of it PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// Ours, with what is between it and its root.
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// Whose clients may connect.
    pub(crate) client_authorities: PathBuf,
    /// Where the sender's file says so.
    pub(crate) line: u64,
}

impl Listening {
    pub(super) fn read(fields: &mut Fields) -> Self {
        let seconds = |from: u64, to: u64| Duration::from_secs(from)..=Duration::from_secs(to);
        let value_bytes_max =
            Catalog::builtin().topic(RawHl7v2::TOPIC).map_or(0, |topic| topic.value_bytes_max());
        let frame_most = value_bytes_max.saturating_sub(ENVELOPE_BYTES_MAX);
        Self {
            acknowledge: fields.or(
                "acknowledge",
                "original, enhanced or by-message",
                Acknowledge::ByMessage,
                acknowledge,
            ),
            address: fields.or(
                "listen",
                "an address such as 127.0.0.1:2575",
                SocketAddr::from(([127, 0, 0, 1], 2575)),
                |value| value.as_str()?.parse().ok(),
            ),
            allow: fields.or(
                "allow",
                "a list of addresses and networks such as [10.1.2.3, 10.2.0.0/16], host bits zero",
                Network::loopback(),
                |value| list(value, |item| item.parse().ok()),
            ),
            connections_max: fields
                .or("connections_max", "a number from 1 to 10000", 64, |value| whole(value, 1..=10_000)),
            mllp: fields.or("mllp", "v1 or v2", Mllp::V1, |value| match value.as_str()? {
                "v1" => Some(Mllp::V1),
                "v2" => Some(Mllp::V2),
                _ => None,
            }),
            pipeline_max: fields
                .or("pipeline_max", "a number from 1 to 1000", 32, |value| whole(value, 1..=1_000)),
            frame_bytes_max: fields.or(
                "frame_max",
                "an amount of bytes such as 4MiB, from 1KiB up to 64KiB less than raw.hl7v2.v1 takes",
                4 << 20,
                |value| bytes(value).filter(|bytes| (1 << 10..=frame_most).contains(bytes)),
            ),
            frame_timeout: fields.or(
                "frame_timeout",
                "a time span such as 30s, from 1s to 10m",
                Duration::from_secs(30),
                |value| span(value, seconds(1, 600)),
            ),
            idle_timeout: fields.or(
                "idle_timeout",
                "a time span such as 10m, from 1s to 24h",
                Duration::from_secs(600),
                |value| span(value, seconds(1, 86_400)),
            ),
            ack_deadline: fields.or(
                "ack_deadline",
                "a time span such as 20s, from 1s to 5m",
                Duration::from_secs(20),
                |value| span(value, seconds(1, 300)),
            ),
            tls: TlsFiles::read(fields),
        }
    }
}

impl TlsFiles {
    fn read(fields: &mut Fields) -> Option<Self> {
        let line = fields.line("tls");
        let a_mapping = "a mapping of three files: certificate, key and client_authorities";
        fields.optional("tls", a_mapping, |value| {
            let given = value.as_object().filter(|given| given.len() == 3)?;
            let file = |name: &str| given.get(name).and_then(Value::as_str).map(PathBuf::from);
            Some(Self {
                certificate: file("certificate")?,
                key: file("key")?,
                client_authorities: file("client_authorities")?,
                line,
            })
        })
    }

    /// Relative paths are relative to the sender's file.
    pub(super) fn within(self, folder: &Path) -> Self {
        let [certificate, key, client_authorities] =
            [self.certificate, self.key, self.client_authorities].map(|path| folder.join(path));
        Self { certificate, key, client_authorities, line: self.line }
    }

    /// All three, in a fixed order.
    pub(crate) fn paths(&self) -> [&Path; 3] {
        [&self.certificate, &self.key, &self.client_authorities]
    }
}

fn acknowledge(value: &Value) -> Option<Acknowledge> {
    match value.as_str()? {
        "by-message" => Some(Acknowledge::ByMessage),
        "enhanced" => Some(Acknowledge::Enhanced),
        "original" => Some(Acknowledge::Original),
        _ => None,
    }
}
