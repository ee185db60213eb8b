//! What one sender is: where it connects, and how its messages are read. One YAML file each, validated whole.
//!
//! Consumes a folder of files, gives senders or every mistake with its file and line. `land` uses all of it,
//! `translate` only [`Reading`], which therefore decides what facts come of a message.

mod fields;
mod folder;
mod ignored;
mod listening;
mod network;
mod reading;
#[cfg(test)]
mod tests;

pub(crate) use fields::{Mistake, Problem};
pub(crate) use folder::{File, load, open, read};
pub(crate) use ignored::Ignored;
pub(crate) use listening::{Acknowledge, Listening, Mllp, TlsFiles};
pub(crate) use network::Network;
pub(crate) use reading::{ControlIds, PatientPolicy, Reading, Reversal, VisitPolicy};

use canon::RawKey;
use fields::Fields;
use serde_json::Value;
use std::ops::RangeInclusive;
use std::time::Duration;

/// One sender.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    /// Its name: of its file, in facts' names, in metrics. Fixed for life.
    pub(crate) name: String,
    pub(crate) listening: Listening,
    pub(crate) reading: Reading,
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

fn name(value: &Value) -> Option<String> {
    let name = value.as_str()?;
    // A sender's name is the key of what nobody can attribute.
    format!("s:{name}").parse::<RawKey>().ok().map(|_| name.to_owned())
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
