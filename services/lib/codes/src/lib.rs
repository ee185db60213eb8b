//! Code tables as people keep them: CSV files of a folder, one row for what a code stands for within some days.
//!
//! Consumes a folder, gives the codes or every mistake with its file and line. A code is one record with all its times,
//! so that whoever looks it up picks the time by the day of service, and a rebuild finds it as it was.

use canon::events::reference_code::CodeEntry;
use canon::{Change, Code, CodeKey, CodeTable, Date, Fixed};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// What is wrong with a code table, and where.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {problem}", path.display(), Line(*line))]
pub struct Mistake {
    /// The file, or the folder.
    pub path: PathBuf,
    /// The line, from 1; zero where it is not one line's.
    pub line: u64,
    /// What is wrong.
    #[source]
    pub problem: Problem,
}

struct Line(u64);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 > 0 { write!(f, ":{}", self.0) } else { Ok(()) }
    }
}

/// What can be wrong. Codes are operational: they may be told.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A column's value.
    #[error("`{column}` is not {expected}")]
    Column {
        /// The column.
        column: &'static str,
        /// What is expected.
        expected: &'static str,
    },
    /// The file is no CSV, or has a column that is not known.
    #[error("it cannot be read as a code table: {0}")]
    Form(#[from] csv::Error),
    /// The folder or file cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// No tables at all: a folder that is not there yet, or another one than was meant.
    #[error("there is no code table (*.csv) in this folder")]
    NoFiles,
    /// Two rows hold on one day.
    #[error("it holds on days on which line {other} says something else of the same code")]
    Overlap {
        /// The other row's line; of the same or of an earlier file.
        other: u64,
    },
}

/// A row as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(default)]
    table: Option<String>,
    #[serde(default)]
    sender: Option<String>,
    code: String,
    #[serde(default)]
    valid_from: Option<String>,
    #[serde(default)]
    valid_to: Option<String>,
    target: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    price: Option<String>,
    #[serde(default)]
    currency: Option<String>,
    #[serde(default)]
    unit: Option<String>,
    #[serde(default)]
    factor: Option<String>,
}

/// A folder of tables at one look.
#[derive(Debug)]
pub struct Look {
    /// What its files said, or every mistake of every file: a table that is half right would price half the charges.
    pub codes: Result<BTreeMap<CodeKey, Code>, Vec<Mistake>>,
    /// Another one if any byte is: a file that is still being written may look sound, and lack half its rows.
    pub print: String,
}

/// Codes with the lines that their entries came from.
#[derive(Debug, Default)]
struct Reading {
    codes: BTreeMap<CodeKey, Vec<(u64, CodeEntry)>>,
    mistakes: Vec<Mistake>,
    print: Sha256,
}

/// Reads every `.csv` of a folder, in the order of their names.
///
/// # Errors
/// Every mistake of every file.
pub fn read(folder: &Path) -> Result<BTreeMap<CodeKey, Code>, Vec<Mistake>> {
    look(folder).codes
}

/// Reads every `.csv` of a folder, in the order of their names, and says how it looked.
pub fn look(folder: &Path) -> Look {
    let mut reading = Reading::default();
    match files(folder) {
        Ok(paths) if paths.is_empty() => reading.tell(folder, 0, Problem::NoFiles),
        Ok(paths) => paths.iter().for_each(|path| reading.file(path)),
        Err(error) => reading.tell(folder, 0, error.into()),
    }
    let print = reading.print.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let codes = if reading.mistakes.is_empty() { Ok(reading.codes()) } else { Err(reading.mistakes) };
    Look { codes, print }
}

/// Reads one table's bytes as [`read`] does; the path is told with a mistake, and its stem names the table.
///
/// # Errors
/// Every mistake.
pub fn read_table(path: &Path, bytes: &[u8]) -> Result<BTreeMap<CodeKey, Code>, Vec<Mistake>> {
    let mut reading = Reading::default();
    reading.table(path, bytes);
    if reading.mistakes.is_empty() { Ok(reading.codes()) } else { Err(reading.mistakes) }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, std::io::Error> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        paths.push(entry?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "csv"));
    paths.sort();
    Ok(paths)
}

impl Reading {
    fn tell(&mut self, path: &Path, line: u64, problem: Problem) {
        self.mistakes.push(Mistake { path: path.to_owned(), line, problem });
    }

    fn file(&mut self, path: &Path) {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => return self.tell(path, 0, error.into()),
        };
        for part in [path.as_os_str().as_encoded_bytes(), &bytes] {
            self.print.update(part.len().to_be_bytes());
            self.print.update(part);
        }
        self.table(path, &bytes);
    }

    fn table(&mut self, path: &Path, bytes: &[u8]) {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
        let headers = match reader.headers() {
            Ok(headers) => headers.clone(),
            Err(error) => return self.tell(path, 1, error.into()),
        };
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        for record in reader.records() {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    let line = error.position().map_or(0, csv::Position::line);
                    self.tell(path, line, error.into());
                    continue;
                }
            };
            let line = record.position().map_or(0, csv::Position::line);
            match record.deserialize::<Row>(Some(&headers)) {
                Err(error) => self.tell(path, line, error.into()),
                Ok(row) => match row.entry(&stem) {
                    Err(problem) => self.tell(path, line, problem),
                    Ok((key, entry)) => self.add(path, line, key, entry),
                },
            }
        }
    }

    fn add(&mut self, path: &Path, line: u64, key: CodeKey, entry: CodeEntry) {
        let entries = self.codes.entry(key).or_default();
        match entries.iter().find(|(_, other)| overlap(other, &entry)) {
            Some((other, _)) => {
                let problem = Problem::Overlap { other: *other };
                self.mistakes.push(Mistake { path: path.to_owned(), line, problem });
            }
            None => entries.push((line, entry)),
        }
    }

    fn codes(self) -> BTreeMap<CodeKey, Code> {
        let code = |(key, mut entries): (CodeKey, Vec<(u64, CodeEntry)>)| {
            entries.sort_by_key(|(_, entry)| entry.valid_from);
            let code = Code {
                change: Change::Recorded,
                table: key.table(),
                sender: key.sender().cloned(),
                code: key.code().to_owned(),
                entries: entries.into_iter().map(|(_, entry)| entry).collect(),
            };
            (key, code)
        };
        self.codes.into_iter().map(code).collect()
    }
}

/// Whether there is a day on which both hold.
fn overlap(left: &CodeEntry, right: &CodeEntry) -> bool {
    let begins_before_the_end = |one: &CodeEntry, other: &CodeEntry| match (one.valid_from, other.valid_to) {
        (Some(from), Some(to)) => from < to,
        _ => true,
    };
    begins_before_the_end(left, right) && begins_before_the_end(right, left)
}

impl Row {
    fn entry(self, stem: &str) -> Result<(CodeKey, CodeEntry), Problem> {
        let wrong = |column, expected| move || Problem::Column { column, expected };
        let table = match said(self.table).as_deref().unwrap_or(stem) {
            "charge" => CodeTable::Charge,
            "department" => CodeTable::Department,
            "location" => CodeTable::Location,
            "payer" => CodeTable::Payer,
            "unit" => CodeTable::Unit,
            _ => return Err(wrong("table", "charge, department, location, payer or unit")()),
        };
        let sender = said(self.sender).filter(|sender| sender != "*");
        let sender =
            sender.map(|sender| sender.parse().map_err(|_| wrong("sender", "a sender's name, or *")()));
        let sender = sender.transpose()?;
        let key = CodeKey::of(table, sender.as_ref(), &self.code)
            .map_err(|_| wrong("code", "a code of at most 128 bytes")())?;
        if self.target.is_empty() && table != CodeTable::Charge {
            return Err(wrong("target", "what the code stands for")());
        }
        let entry = CodeEntry {
            valid_from: day(self.valid_from, "valid_from")?,
            valid_to: day(self.valid_to, "valid_to")?,
            target: self.target,
            description: said(self.description),
            price: number(self.price, "price")?,
            currency: said(self.currency),
            unit: said(self.unit),
            factor: number(self.factor, "factor")?,
        };
        let is_currency =
            |text: &String| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase());
        if entry.currency.as_ref().is_some_and(|text| !is_currency(text)) {
            return Err(wrong("currency", "three capital letters of ISO 4217")());
        }
        if entry.price.is_some() && entry.currency.is_none() {
            return Err(wrong("currency", "said, and a price wants one")());
        }
        if entry.valid_from.zip(entry.valid_to).is_some_and(|(from, to)| to <= from) {
            return Err(wrong("valid_to", "later than `valid_from`")());
        }
        Ok((key, entry))
    }
}

fn said(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn day(text: Option<String>, column: &'static str) -> Result<Option<Date>, Problem> {
    let wrong = |_| Problem::Column { column, expected: "a day such as 2026-04-01" };
    said(text).map(|text| text.parse::<Date>().map_err(wrong)).transpose()
}

fn number<const P: u32, const S: u32>(
    text: Option<String>,
    column: &'static str,
) -> Result<Option<Fixed<P, S>>, Problem> {
    let wrong = |_| Problem::Column { column, expected: "a number with a point and at most four decimals" };
    said(text).map(|text| text.parse::<Fixed<P, S>>().map_err(wrong)).transpose()
}
