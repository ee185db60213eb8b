//! A file of messages, sent one after the other: codes and latencies. Of what is sent nothing is told.

use crate::bench::Ended;
use crate::message::framed;
use crate::target::Target;
use crate::tls::Manner;
use crate::wire::{Heard, Peer};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// What came of a file.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Replayed {
    messages: usize,
    /// How many by MSA-1, or by what came instead of an answer.
    by_answer: BTreeMap<String, usize>,
    /// Answers whose MSA-2 is not the MSH-10 of the message.
    misnamed: usize,
    accepted: usize,
    latencies_us: Latencies,
}

/// From the last byte written to the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Latencies {
    p50: u64,
    p90: u64,
    p99: u64,
    max: u64,
}

/// The messages of a file: each begins at a line that begins with `MSH`. Lines end in CR, LF or both; segments are
/// given with the CR of the standard. Lines of batches (FHS, BHS, BTS, FTS) and what stands before the first message
/// are left out.
pub fn messages(file: &[u8]) -> Vec<Vec<u8>> {
    let mut messages: Vec<Vec<u8>> = Vec::new();
    let lines = file.split(|byte| matches!(byte, b'\r' | b'\n')).filter(|line| !line.is_empty());
    for line in lines {
        if line.starts_with(b"MSH") {
            messages.push(Vec::new());
        }
        if [b"FHS", b"BHS", b"BTS", b"FTS"].iter().any(|batch| line.starts_with(*batch)) {
            continue;
        }
        if let Some(message) = messages.last_mut() {
            message.extend_from_slice(line);
            message.push(b'\r');
        }
    }
    messages
}

/// Sends each message when the one before is answered, on one connection for as long as it lasts.
///
/// # Errors
/// When there is no connection to be had.
pub async fn replay(target: &Target, messages: &[Vec<u8>]) -> Result<Replayed, Ended> {
    let mut replayed = Replayed { messages: messages.len(), ..Replayed::default() };
    let mut latencies = Vec::with_capacity(messages.len());
    let mut open = None;
    for message in messages {
        let mut peer = match open.take() {
            Some(peer) => peer,
            None => Peer::connect(target, Manner::Usual).await.map_err(|error| Ended::Failed {
                expected: "a connection".to_owned(),
                came: error.to_string(),
            })?,
        };
        let begun = Instant::now();
        peer.says(&framed(message)).await;
        let heard = peer.hears().await;
        let said = match &heard {
            Heard::Answer(answer) => {
                latencies.push(begun.elapsed());
                let is_named = answer.control_id == control_id(message);
                replayed.misnamed += usize::from(!is_named);
                replayed.accepted += usize::from(is_named && answer.accepts());
                answer.code.clone()
            }
            other => other.to_string(),
        };
        *replayed.by_answer.entry(said).or_default() += 1;
        // An answer that comes late would be taken for the next one.
        if matches!(heard, Heard::Answer(_)) {
            open = Some(peer);
        }
    }
    replayed.latencies_us = Latencies::of(latencies);
    Ok(replayed)
}

impl Replayed {
    /// Whether every message was accepted under its own control id.
    pub fn is_good(&self) -> bool {
        self.accepted == self.messages
    }
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { messages, by_answer, misnamed, accepted, latencies_us } = self;
        for (answer, count) in by_answer {
            writeln!(f, "{count:>8}  {answer}")?;
        }
        let Latencies { p50, p90, p99, max } = latencies_us;
        writeln!(f, "latency: p50 {p50} µs, p90 {p90} µs, p99 {p99} µs, most {max} µs")?;
        write!(f, "{messages} messages: {accepted} accepted, {misnamed} answered under another control id")
    }
}

impl Latencies {
    fn of(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        let at = |percent: usize| {
            let rank = (all.len() * percent).div_ceil(100).max(1) - 1;
            all.get(rank).map_or(0, |time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
        };
        Self { p50: at(50), p90: at(90), p99: at(99), max: at(100) }
    }
}

fn control_id(message: &[u8]) -> &[u8] {
    let header = message.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let Some(separator) = header.get(3) else { return &[] };
    // MSH-1 is the separator itself, so MSH-10 is the ninth behind the name.
    header.split(|byte| byte == separator).nth(9).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(file: &str, expected: &[&str]) {
        let read: Vec<String> = messages(file.as_bytes())
            .into_iter()
            .map(|message| String::from_utf8(message).expect("text").replace('\r', "/"))
            .collect();
        assert_eq!(read, expected, "{file:?}");
    }

    #[test]
    fn a_message_begins_at_an_msh_whatever_lines_end_in() {
        check("MSH|1\rPID|1\r\n\nMSH|2\rPID|2\r", &["MSH|1/PID|1/", "MSH|2/PID|2/"]);
        check("MSH|1\nPID|1\n\nMSH|2\n", &["MSH|1/PID|1/", "MSH|2/"]);
        check("MSH|1\r\nPID|1|MSH|\r\nMSH|2", &["MSH|1/PID|1|MSH|/", "MSH|2/"]);
        check("a comment\nFHS|^\rBHS|^\rMSH|1\rPID|1\rBTS|1\rFTS|1\r", &["MSH|1/PID|1/"]);
        check("", &[]);
    }

    #[test]
    fn percentiles_are_latencies_that_were_measured() {
        let of = |most: u64| Latencies::of((1..=most).rev().map(Duration::from_micros).collect());
        assert_eq!(of(100), Latencies { p50: 50, p90: 90, p99: 99, max: 100 });
        assert_eq!(of(1), Latencies { p50: 1, p90: 1, p99: 1, max: 1 });
        assert_eq!(of(0), Latencies::default());
    }

    #[test]
    fn msh_10_is_found_in_any_delimiters() {
        assert_eq!(control_id(b"MSH|^~\\&|A|B|C|D|2026||ADT|77|P|2.5\rPID|1"), b"77");
        assert_eq!(control_id(b"MSH#*~\\&#A#B#C#D#2026##ADT#77#P#2.5"), b"77");
        assert_eq!(control_id(b"MSH"), b"");
    }
}
