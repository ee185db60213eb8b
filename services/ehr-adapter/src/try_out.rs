//! Trying a sender's file on real messages before it is live: the same intake, translation and patients, and nobody else.
//!
//! Consumes a sender's file, messages and perhaps code tables; prints what would come of each message, what would park
//! and why, what is not translated, and a summary. No broker, no database. A patient's data are shown on demand only.

mod messages;
mod page;
#[cfg(test)]
mod tests;

use crate::patients::Known;
use crate::sender::{Mistake, Sender};
use crate::translate::tables::{AsSaid, Listed};
use crate::translate::{Desk, Shown, Unmapped, stated, translate};
use crate::{land, sender};
use backbone::Reject;
use canon::{RawHl7v2, RawKey, Timestamp, Tokenizer};
use clap::Parser;
use page::Page;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

/// Where code tables are looked for when nobody says.
const CODES: &str = "deploy/codes";

/// Shows what a sender's configuration makes of messages, without a broker and a database.
///
/// Ends with 0 when every message is translated or passed by, with 1 when one would park or something cannot be read.
/// Tokens are made under a secret drawn for this run and shown as #1, #2 …; they are not those of an installation.
#[derive(Debug, Parser)]
#[command(name = "ehr-adapter try", bin_name = "ehr-adapter try")]
struct Asked {
    /// The sender's file.
    sender: PathBuf,
    /// A file of messages, framed as in MLLP, as a batch, or one after the other; - reads the standard input.
    messages: PathBuf,
    /// A folder of code tables, CSV; without it `deploy/codes`, where that is.
    #[arg(long)]
    codes: Option<PathBuf>,
    /// Show patients' data.
    #[arg(long)]
    reveal: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    /// Print the summary alone.
    #[arg(long)]
    summary: bool,
}

/// Something that was to be read cannot be.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Sender(Vec<Mistake>),
    #[error("{} cannot be read: {source}", path.display())]
    Input { path: PathBuf, source: io::Error },
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Codes(Vec<codes::Mistake>),
}

/// What became of one message.
struct Told {
    /// From 1.
    number: usize,
    what: String,
    control_id: Option<String>,
    /// It was seen before: it comes to nothing new.
    again: bool,
    facts: Vec<Shown>,
    unmapped: Vec<Unmapped>,
    as_said: BTreeSet<AsSaid>,
    parked: Option<Reject>,
}

impl Told {
    fn outcome(&self) -> &'static str {
        match self {
            Self { again: true, .. } => "sent again",
            Self { parked: Some(_), .. } => "parked",
            Self { facts, unmapped, .. } if facts.is_empty() && !unmapped.is_empty() => "not translated",
            _ => "translated",
        }
    }
}

/// Does it, where that is what the process was asked for.
pub(crate) fn asked(arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let arguments: Vec<OsString> = arguments.collect();
    if arguments.get(1).is_none_or(|command| command != "try") {
        return None;
    }
    let asked = match Asked::try_parse_from(&arguments[1..]) {
        Ok(asked) => asked,
        Err(error) => {
            let _ = error.print();
            return Some(ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)));
        }
    };
    Some(match run(&asked) {
        Ok(page) => {
            let text = if asked.json { page.json() } else { page.text(asked.summary) };
            // Whoever reads it may have read enough, as `head` does.
            let _ = io::stdout().write_all(text.as_bytes());
            if page.parks() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    })
}

fn run(asked: &Asked) -> Result<Page, Unusable> {
    let sender = sender::open(&asked.sender).map_err(Unusable::Sender)?;
    let input = |source| Unusable::Input { path: asked.messages.clone(), source };
    let bytes = if asked.messages == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes).map_err(input)?;
        bytes
    } else {
        std::fs::read(&asked.messages).map_err(input)?
    };
    let folder = asked.codes.clone().or_else(|| Some(PathBuf::from(CODES)).filter(|folder| folder.is_dir()));
    // As code-importer reads them: what it refuses is refused here.
    let tables = folder.map(|folder| codes::read(&folder)).transpose().map_err(Unusable::Codes)?;
    let tables = tables.unwrap_or_default().into_iter().map(|(key, code)| (key, Arc::new(code)));
    let tables = Listed(tables.collect());
    let (messages, notes) = messages::split(&bytes);
    let mut page = Page::new(asked.reveal, notes);
    let mut trial = Trial::new(&sender, &tables);
    for (index, message) in messages.into_iter().enumerate() {
        let (told, is_behind) = trial.take(index + 1, message);
        page.add(&told, is_behind);
    }
    Ok(page)
}

/// The sender's messages so far.
struct Trial<'a> {
    sender: &'a Sender,
    tables: &'a Listed,
    tokens: Tokenizer,
    now: Timestamp,
    /// The identities under each control id.
    seen: BTreeMap<Option<String>, BTreeSet<[u8; 32]>>,
    patients: BTreeMap<RawKey, Known>,
    /// What parks its key.
    blocked: BTreeSet<RawKey>,
}

impl<'a> Trial<'a> {
    fn new(sender: &'a Sender, tables: &'a Listed) -> Self {
        Self {
            sender,
            tables,
            tokens: tokenizer(),
            now: SystemTime::now().into(),
            seen: BTreeMap::new(),
            patients: BTreeMap::new(),
            blocked: BTreeSet::new(),
        }
    }

    /// What becomes of a message, and whether it would wait behind an earlier one of its key.
    fn take(&mut self, number: usize, payload: Vec<u8>) -> (Told, bool) {
        let (key, _, raw) = land::record_of(self.sender, &self.tokens, payload, self.now);
        let part = |part: &Option<String>| part.clone().unwrap_or_default();
        let mut told = Told {
            number,
            what: format!("{}^{}", part(&raw.message_code), part(&raw.trigger)),
            control_id: raw.control_id.clone(),
            again: false,
            facts: Vec::new(),
            unmapped: Vec::new(),
            as_said: BTreeSet::new(),
            parked: None,
        };
        let identities = self.seen.entry(raw.control_id.clone()).or_default();
        let homonyms = u32::try_from(identities.len()).unwrap_or(u32::MAX);
        if !identities.insert(raw.identity) {
            told.again = true;
            return (told, false);
        }
        let is_behind = self.blocked.contains(&key);
        let desk = Desk { reading: &self.sender.reading, tables: self.tables, tokens: &self.tokens };
        match translate(&desk, &raw, homonyms) {
            Ok(translated) => {
                told.facts = translated.statements.iter().map(|said| said.shown()).collect();
                told.unmapped = translated.unmapped;
                told.as_said = translated.as_said;
            }
            Err(reject) => {
                if reject.blocks_key && !matches!(key, RawKey::Sender(_)) {
                    self.blocked.insert(key.clone());
                }
                told.parked = Some(reject);
            }
        }
        told.facts.extend(self.patient(&key, &raw, homonyms));
        (told, is_behind)
    }

    fn patient(&mut self, key: &RawKey, raw: &RawHl7v2, homonyms: u32) -> Option<Shown> {
        let RawKey::Patient(patient) = key else { return None };
        let known = self.patients.entry(key.clone()).or_default();
        let (name, event) = known.hear(raw, homonyms, *patient, &self.sender.reading, &self.tokens)?;
        Some(stated(&name, patient, &event))
    }
}

/// Tries messages, then the same ones again: how many there are, and how many of those were known the second time.
#[cfg(any(test, fuzzing))]
pub(crate) fn told_of(sender: &Sender, tables: &Listed, bytes: &[u8]) -> (usize, usize) {
    let (messages, notes) = messages::split(bytes);
    let mut trial = Trial::new(sender, tables);
    let mut page = Page::new(true, notes);
    for (index, message) in messages.iter().enumerate() {
        let (told, is_behind) = trial.take(index + 1, message.clone());
        page.add(&told, is_behind);
    }
    let _shown = (page.json(), page.text(false));
    let again = messages.iter().filter(|message| trial.take(0, (*message).clone()).0.again);
    (messages.len(), again.count())
}

/// Under a secret that nobody keeps: who has the output cannot try numbers until a token matches.
fn tokenizer() -> Tokenizer {
    let secret = [uuid::Uuid::new_v4().into_bytes(), uuid::Uuid::new_v4().into_bytes()].concat();
    Tokenizer::new(&secret).expect("32 bytes are enough")
}
