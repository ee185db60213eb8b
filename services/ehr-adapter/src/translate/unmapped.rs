//! What of the messages came to nothing, and why: counted by sender, kind of message and reason. Beside it the codes that
//! no table has and that stand in facts as they are said, counted by sender, table and code.

use super::reader::Reader;
use super::tables::AsSaid;
use crate::subject;
use canon::Tokenizer;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounterVec, Opts};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// How many kinds of messages, and how many codes, are told apart: their names come from outside.
const KINDS_MAX: usize = 200;

/// What all further kinds are called.
const OTHERS: &str = "other";

/// Parts of messages that are told apart, whose names are ours.
pub(super) const PAYMENT: &str = "FT1 PY";

/// A message, or a part of it, that comes to nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Unmapped {
    /// The kind of message, `ADT^A17`, or the part of one, `FT1 PY`.
    pub(crate) what: String,
    pub(crate) why: Why,
}

/// Why something comes to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// It is about an account, and this sender's visits are not known by their accounts.
    Account,
    /// The sender's configuration says so.
    Ignored,
    /// It was not given: refused by the patient, or held back.
    NotGiven,
    /// Nobody has said what it means.
    NotMapped,
    /// By the code table it is nothing that is kept in stock.
    NotStocked,
    /// What was paid is known from Odoo.
    Payment,
    /// MSH-11 is not one that is translated here.
    Processing,
}

impl Why {
    /// As metrics label it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Ignored => "ignored",
            Self::NotGiven => "not_given",
            Self::NotMapped => "not_mapped",
            Self::NotStocked => "not_stocked",
            Self::Payment => "payment",
            Self::Processing => "processing",
        }
    }
}

/// The count, for a service's metrics. Copies are handles of the same.
///
/// It counts what this process has seen, and a batch that is folded again counts again: for people, not for books.
#[derive(Clone)]
pub(crate) struct UnmappedCount {
    messages: IntCounterVec,
    told: Arc<Mutex<BTreeSet<(String, Unmapped)>>>,
    codes: IntCounterVec,
    told_codes: Arc<Mutex<BTreeSet<(String, AsSaid)>>>,
}

impl UnmappedCount {
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let options = Opts::new(
            "vertebra_translation_unmapped_total",
            "Messages, and parts of them, that were stored and came to nothing, by what they are and why",
        );
        let messages = IntCounterVec::new(options, &["sender", "what", "reason"])?;
        let of_codes = Opts::new(
            "vertebra_translation_unmapped_codes_total",
            "Codes that no code table has and that stand in facts as they are said, by table",
        );
        let codes = IntCounterVec::new(of_codes, &["sender", "table", "code"])?;
        Ok(Self { messages, told: Arc::default(), codes, told_codes: Arc::default() })
    }

    /// Counts a code. It is not said in the log: a table that an installation does without is no mistake.
    pub(crate) fn add_code(&self, sender: &str, as_said: &AsSaid) {
        let mut told = self.told_codes.lock().unwrap_or_else(PoisonError::into_inner);
        let sound = |char: char| char.is_ascii_alphanumeric() || "-_./%".contains(char);
        let tellable = as_said.code.len() <= 12 && as_said.code.chars().all(sound);
        let row = (sender.to_owned(), as_said.clone());
        let is_told = tellable && (told.contains(&row) || told.len() < KINDS_MAX);
        let code = if is_told { as_said.code.as_str() } else { OTHERS };
        self.codes.with_label_values(&[sender, as_said.table.as_str(), code]).inc();
        if is_told {
            told.insert(row);
        }
    }

    /// Counts one, and says it the first time.
    pub(crate) fn add(&self, sender: &str, unmapped: &Unmapped) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let tellable = unmapped.what == PAYMENT || is_kind(&unmapped.what);
        let mut unmapped = unmapped.clone();
        let known = |unmapped: &Unmapped| told.contains(&(sender.to_owned(), unmapped.clone()));
        if !tellable || (told.len() >= KINDS_MAX && !known(&unmapped)) {
            unmapped.what = OTHERS.to_owned();
        }
        let (what, reason) = (unmapped.what.clone(), unmapped.why.as_str());
        self.messages.with_label_values(&[sender, &what, reason]).inc();
        if told.insert((sender.to_owned(), unmapped)) {
            tracing::info!(sender, what, reason, "not translated; it stays in raw.hl7v2.v1 and is counted");
        }
    }
}

impl Collector for UnmappedCount {
    fn desc(&self) -> Vec<&Desc> {
        [self.messages.desc(), self.codes.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        [self.messages.collect(), self.codes.collect()].concat()
    }
}

/// Whether it is a kind of message or a segment as the standard writes them. What else stands in MSH-9 may be anything.
fn is_kind(what: &str) -> bool {
    let (code, trigger) = what.split_once('^').unwrap_or((what, ""));
    let is_sound = |part: &str| {
        part.len() == 3 && part.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    is_sound(code) && (trigger.is_empty() || is_sound(trigger))
}

/// Whether the sender's configuration passes the message by. What cannot be read for certain counts as named.
pub(super) fn is_ignored(said: &str, reader: &Reader<'_, '_>, tokens: &Tokenizer) -> bool {
    let reading = reader.reading();
    let (code, trigger) = said.split_once('^').unwrap_or((said, ""));
    let mut rules = reading.ignored.iter().filter(|rule| rule.is_of(code, trigger)).peekable();
    if rules.peek().is_none() {
        return false;
    }
    let (message, charset) = (reader.message(), reader.charset());
    let visit = subject::visit(message, charset, &reading.visit, tokens);
    let patient = subject::patient(message, charset, &reading.patient, tokens);
    rules.any(|rule| rule.holds(!matches!(visit, Ok(None)), !matches!(patient, Ok(None))))
}
