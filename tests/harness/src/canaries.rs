//! Planted patient data, looked for where none may be: logs, metrics, keys, headers, report tables.

use backbone::record::Record;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What everything of an invented patient holds.
pub const MARK: &str = "ZZCANARY";

/// Other ways in which bytes come into a text: hexadecimal, base64 at its three shifts, and a list of numbers.
const DISGUISES: [&str; 6] = [
    "5a5a43414e415259",
    "WlpDQU5BUl",
    "paQ0FOQVJZ",
    "aWkNBTkFSW",
    "90, 90, 67, 65, 78, 65",
    "90,90,67,65,78,65",
];

/// A place where planted data was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Which log, metric, topic or table.
    pub place: String,
    /// What stands around it; invented, so it may be shown.
    pub around: String,
}

impl fmt::Display for Sighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: …{}…", self.place, self.around)
    }
}

/// Looks through a text, or bytes that may hold one.
pub fn in_bytes(place: &str, bytes: &[u8]) -> Vec<Sighting> {
    let text = String::from_utf8_lossy(bytes);
    let lower = text.to_ascii_lowercase();
    let mut found = Vec::new();
    for (text, sign) in [(&*lower, MARK.to_ascii_lowercase()), (&*lower, DISGUISES[0].to_owned())]
        .into_iter()
        .chain(DISGUISES[1..].iter().map(|sign| (&*text, (*sign).to_owned())))
    {
        for (at, _) in text.match_indices(&sign).take(3) {
            let from =
                (0..=at.saturating_sub(60)).rev().find(|from| text.is_char_boundary(*from)).unwrap_or(0);
            let to = (at + 60..text.len()).find(|to| text.is_char_boundary(*to)).unwrap_or(text.len());
            let around = text[from..to].replace(['\n', '\r'], " ");
            found.push(Sighting { place: place.to_owned(), around });
        }
    }
    found
}

/// Looks through the logs of a folder: its files `*.log`, and files `log` and `log.*` in it and in the folders below it.
/// Kafka's segments also end with `.log`, and do hold payloads; they lie deeper.
///
/// # Errors
/// When one cannot be read.
pub fn in_logs(folder: &Path) -> io::Result<Vec<Sighting>> {
    let mut found = Vec::new();
    for path in logs(folder)? {
        found.extend(in_bytes(&path.display().to_string(), &std::fs::read(&path)?));
    }
    Ok(found)
}

fn logs(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            let below = std::fs::read_dir(&path)?.filter_map(|entry| Some(entry.ok()?.path()));
            found.extend(below.filter(|path| path.is_file() && named(path, "log")));
        } else if named(&path, "log") || path.extension().is_some_and(|kind| kind == "log") {
            found.push(path);
        }
    }
    Ok(found)
}

/// `log`, or `log.1` and the like.
fn named(path: &Path, name: &str) -> bool {
    path.file_name().and_then(|file| file.to_str()).is_some_and(|file| file.split('.').next() == Some(name))
}

/// Looks through keys and headers.
pub fn in_records<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<Sighting> {
    let mut found = Vec::new();
    for record in records {
        let place = format!("{} {}@{}", record.topic, record.partition, record.offset);
        found.extend(in_bytes(&format!("{place}, key"), record.key.as_deref().unwrap_or_default()));
        for (name, value) in &record.headers {
            found.extend(in_bytes(&format!("{place}, header {name}"), value));
        }
    }
    found
}

/// Looks through the rows of a report table.
pub fn in_rows(table: &str, rows: &BTreeMap<String, Value>) -> Vec<Sighting> {
    let look = |(row, value): (&String, &Value)| in_bytes(table, format!("{row} {value}").as_bytes());
    rows.iter().flat_map(look).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, times: usize) {
        let found = in_bytes("a log", text.as_bytes());
        assert_eq!(found.len(), times, "{found:?}");
    }

    #[test]
    fn planted_data_is_found_however_it_is_written() {
        check("nothing here", 0);
        check("patient ZZCANARY-FAMILY7 admitted", 1);
        check("patient zzcanary-family7 admitted", 1);
        check("payload 4d5348 5A5A43414E415259", 1);
        check(&format!("{:?}", "x ZZCANARY".as_bytes()), 1);
        // base64 of "ZZCANARY-1", of "xZZCANARY-1" and of "xxZZCANARY-1"
        check("WlpDQU5BUlktMQ==", 1);
        check("eFpaQ0FOQVJZLTE=", 1);
        check("eHhaWkNBTkFSWS0x", 1);
        check("é ZZCANARY é, ZZCANARY", 2);
    }
}
