//! What one sender is: where it connects, and how its messages are read. One YAML file each, validated whole.
//!
//! Consumes a folder of files, gives senders or every mistake with its file and line. `land` uses all of it,
//! `translate` only [`Reading`], which therefore decides what facts come of a message.

mod fields;
mod network;
#[cfg(test)]
mod tests;

pub(crate) use fields::{Mistake, Problem};
pub(crate) use network::Network;

use canon::catalog::Catalog;
use canon::event::Event;
use canon::{RawHl7v2, RawKey};
use fields::Fields;
use hl7::charset::Charset;
use hl7::message::Path;
use hl7::time::Zone;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// What a raw record is larger than its message: the fields beside the payload, each of them within the MSH.
const ENVELOPE_BYTES_MAX: usize = 64 << 10;

/// What a text is expected to be: YAML takes `7` for a number and `NO` for false.
const A_TEXT: &str = "a text; quote it if it looks like something else";

/// One sender.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    /// Its name: of its file, in facts' names, in metrics. Fixed for life.
    pub(crate) name: String,
    pub(crate) listening: Listening,
    pub(crate) reading: Reading,
}

/// How its connections are served.
#[derive(Clone, Debug)]
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    pub(crate) allow: Vec<Network>,
    pub(crate) connections_max: usize,
    /// Messages of one connection that may be on their way to Kafka at once.
    pub(crate) pipeline_max: usize,
    pub(crate) frame_bytes_max: usize,
    /// How long a frame may take from its first byte to its last.
    pub(crate) frame_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    /// From a message's last byte to an answer, whatever it is.
    pub(crate) ack_deadline: Duration,
}

/// How its messages are read.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    /// Holds where MSH-18 says nothing, or nothing known.
    pub(crate) charset: Charset,
    pub(crate) control_ids: ControlIds,
    pub(crate) currency: Option<String>,
    pub(crate) dft: Dft,
    /// Holds where a message does not say.
    pub(crate) facility: Option<String>,
    pub(crate) patient: PatientPolicy,
    pub(crate) payer: Path,
    /// Values of MSH-11 that are translated; the empty one means that it may be left out.
    pub(crate) processing: Vec<String>,
    pub(crate) visit: VisitPolicy,
    /// Holds for times without an offset.
    pub(crate) zone: Zone,
}

/// What a control id (MSH-10) is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ControlIds {
    /// Never given twice: a second message under one parks.
    Unique,
    /// A counter that starts again: messages are told apart by content as well.
    Restarts,
}

/// What a DFT^P03 means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dft {
    /// Charges.
    Charge,
    /// Nothing to us; it is landed and not translated.
    Ignore,
}

/// Which repetition of a field is the patient's identifier. Never simply the first.
#[derive(Clone, Debug)]
pub(crate) struct PatientPolicy {
    pub(crate) path: Path,
    /// What tokens are made under.
    pub(crate) authority: String,
    /// CX.4 has to be this, its namespace or its universal id.
    pub(crate) assigning_authority: Option<String>,
    /// CX.5 has to be this.
    pub(crate) identifier_type: Option<String>,
}

/// Where a visit's number stands: the first of these places that has one.
#[derive(Clone, Debug)]
pub(crate) struct VisitPolicy {
    pub(crate) paths: Vec<Path>,
    /// What tokens are made under.
    pub(crate) authority: String,
}

/// Reads every `.yaml` file of a folder.
pub(crate) fn load(folder: &std::path::Path) -> Result<Vec<Sender>, Vec<Mistake>> {
    let unreadable = |path: &std::path::Path, error: &std::io::Error| {
        vec![Mistake::of_file(path, Problem::Unreadable(error.kind()))]
    };
    let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    let mut files: Vec<_> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml"));
    files.sort();
    if files.is_empty() {
        return Err(vec![Mistake::of_file(folder, Problem::NoFiles)]);
    }
    let (mut senders, mut mistakes) = (Vec::new(), Vec::new());
    let mut addresses = BTreeMap::new();
    for path in files {
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                mistakes.extend(unreadable(&path, &error));
                continue;
            }
        };
        match Sender::parse(&text) {
            Err(wrong) => mistakes.extend(wrong.into_iter().map(|mistake| mistake.within(&path))),
            Ok(sender) => {
                if path.file_stem().is_none_or(|stem| stem != sender.name.as_str()) {
                    mistakes.push(Mistake::of_file(&path, Problem::FileName));
                }
                let address = sender.listening.address;
                if address.port() != 0 && addresses.insert(address, ()).is_some() {
                    mistakes.push(Mistake::of_file(&path, Problem::AddressTaken(address)));
                }
                senders.push(sender);
            }
        }
    }
    if mistakes.is_empty() { Ok(senders) } else { Err(mistakes) }
}

impl Sender {
    /// Reads one sender's file.
    pub(crate) fn parse(text: &str) -> Result<Self, Vec<Mistake>> {
        let mut fields = Fields::read(text)?;
        let name = fields.required(
            "name",
            "a name of at most 64 letters, digits, dots, hyphens and underscores",
            name,
        );
        let listening = Listening::read(&mut fields);
        let reading = Reading::read(&mut fields);
        fields.finish()?;
        match (name, reading) {
            (Some(name), Some(reading)) => Ok(Self { name, listening, reading }),
            // What is missing was told.
            _ => Err(Vec::new()),
        }
    }
}

impl Listening {
    fn read(fields: &mut Fields) -> Self {
        let seconds = |from: u64, to: u64| Duration::from_secs(from)..=Duration::from_secs(to);
        let value_bytes_max =
            Catalog::builtin().topic(RawHl7v2::TOPIC).map_or(0, |topic| topic.value_bytes_max());
        let frame_most = value_bytes_max.saturating_sub(ENVELOPE_BYTES_MAX);
        fields.or("acknowledge", "original, the only mode there is", (), |value| {
            (value.as_str()? == "original").then_some(())
        });
        Self {
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
        }
    }
}

impl Reading {
    fn read(fields: &mut Fields) -> Option<Self> {
        let zone = fields
            .required("time_zone", "a name such as Europe/Berlin", |value| Zone::named(value.as_str()?).ok());
        let charset =
            fields.or("charset", "a character set such as UTF-8 or 8859/1", Charset::UTF_8, |value| {
                Charset::named(value.as_str()?.as_bytes())
            });
        let control_ids = fields.or("control_ids", "unique or restarts", ControlIds::Unique, |value| {
            match value.as_str()? {
                "unique" => Some(ControlIds::Unique),
                "restarts" => Some(ControlIds::Restarts),
                _ => None,
            }
        });
        let processing = fields.or(
            "processing",
            "a list of values of MSH-11 such as [P], \"\" where it may be empty",
            vec!["P".to_owned()],
            |value| list(value, |item| Some(item.to_owned())).filter(|items| !items.is_empty()),
        );
        let dft = fields.or("dft", "charge or ignore", Dft::Charge, |value| match value.as_str()? {
            "charge" => Some(Dft::Charge),
            "ignore" => Some(Dft::Ignore),
            _ => None,
        });
        let a_currency = "three capital letters of ISO 4217";
        let currency = match dft {
            Dft::Charge => fields.required("currency", a_currency, currency),
            Dft::Ignore => fields.optional("currency", a_currency, currency),
        };
        let facility = fields.optional("facility", A_TEXT, text);
        let payer = fields.or_else("payer", "a path such as IN1-3", || field("IN1-3"), path);
        let patient = PatientPolicy::read(fields);
        let visit = VisitPolicy::read(fields);
        Some(Self {
            charset,
            control_ids,
            currency,
            dft,
            facility,
            patient: patient?,
            payer: payer?,
            processing,
            visit: visit?,
            zone: zone?,
        })
    }
}

impl PatientPolicy {
    fn read(fields: &mut Fields) -> Option<Self> {
        let path =
            fields.or_else("patient_path", "a path to a field such as PID-3", || field("PID-3"), whole_field);
        let authority = fields.required("patient_authority", A_TEXT, text);
        let named = fields.optional("patient_assigning_authority", A_TEXT, text);
        let identifier_type = fields.optional("patient_identifier_type", A_TEXT, text);
        // Without a rule of its own the authority that tokens are made under is also the one CX.4 has to name.
        let by_default = if identifier_type.is_none() { authority.clone() } else { None };
        Some(Self {
            path: path?,
            authority: authority?,
            assigning_authority: named.or(by_default),
            identifier_type,
        })
    }
}

impl VisitPolicy {
    fn read(fields: &mut Fields) -> Option<Self> {
        let paths = fields.or_else(
            "visit_paths",
            "a list of paths such as [PV1-19, PID-18]",
            || field("PV1-19").map(|path| vec![path]),
            |value| list(value, |item| Path::parse(item).ok()).filter(|paths| !paths.is_empty()),
        );
        let authority = fields.required("visit_authority", A_TEXT, text);
        Some(Self { paths: paths?, authority: authority? })
    }
}

fn field(text: &str) -> Option<Path> {
    Path::parse(text).ok()
}

fn name(value: &Value) -> Option<String> {
    let name = value.as_str()?;
    // A sender's name is the key of what nobody can attribute.
    format!("s:{name}").parse::<RawKey>().ok().map(|_| name.to_owned())
}

fn text(value: &Value) -> Option<String> {
    let text = value.as_str()?.trim();
    (!text.is_empty() && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

/// Three capital letters; whether such a currency exists is Odoo's to say.
fn currency(value: &Value) -> Option<String> {
    let code = value.as_str()?;
    (code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase())).then(|| code.to_owned())
}

fn path(value: &Value) -> Option<Path> {
    Path::parse(value.as_str()?).ok()
}

/// A field with all of its repetitions, among which a policy chooses.
fn whole_field(value: &Value) -> Option<Path> {
    path(value).filter(|path| path.within.repetition.is_none() && path.within.component.is_none())
}

fn list<T>(value: &Value, read: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    value.as_array()?.iter().map(|item| read(item.as_str()?)).collect()
}

fn whole(value: &Value, range: RangeInclusive<usize>) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok().filter(|number| range.contains(number))
}

fn span(value: &Value, range: RangeInclusive<Duration>) -> Option<Duration> {
    let span: jiff::SignedDuration = value.as_str()?.parse().ok()?;
    Duration::try_from(span).ok().filter(|span| range.contains(span))
}

fn bytes(value: &Value) -> Option<usize> {
    let text = value.as_str()?;
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let unit_bytes = match unit {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        _ => return None,
    };
    number.parse::<usize>().ok()?.checked_mul(unit_bytes)
}
