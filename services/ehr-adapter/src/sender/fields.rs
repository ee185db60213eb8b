//! A file's fields with their lines, taken one by one; what is wrong is kept, so that all of it is told at once.

use serde_json::Value;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// One mistake in a sender's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// The file, once it is known.
    pub(crate) file: Option<PathBuf>,
    /// The line, from 1; 0 where the file as a whole is meant.
    pub(crate) line: u64,
    /// The field; empty where the file as a whole is meant.
    pub(crate) field: String,
    pub(crate) problem: Problem,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("{0} is another sender's address too")]
    AddressTaken(SocketAddr),
    #[error("the file is not named as its sender is")]
    FileName,
    #[error("cannot be read: {0}")]
    Form(String),
    #[error("is missing: {0}")]
    Missing(&'static str),
    #[error("there is no sender's file (*.yaml) in this folder")]
    NoFiles,
    #[error("is not {0}")]
    NotA(&'static str),
    #[error("is not a field of a sender; did you mean {0}?")]
    Unknown(&'static str),
    #[error("is not a field of a sender")]
    UnknownField,
    #[error("cannot be opened: {0}")]
    Unreadable(std::io::ErrorKind),
}

impl Mistake {
    pub(crate) fn of_file(file: &Path, problem: Problem) -> Self {
        Self { file: Some(file.to_owned()), line: 0, field: String::new(), problem }
    }

    pub(crate) fn within(self, file: &Path) -> Self {
        Self { file: Some(file.to_owned()), ..self }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), 0) => write!(f, "{}: ", file.display())?,
            (Some(file), line) => write!(f, "{}:{line}: ", file.display())?,
            (None, 0) => {}
            (None, line) => write!(f, "line {line}: ")?,
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        write!(f, "{}", self.problem)
    }
}

/// The fields that nobody has taken yet, the names that were asked for, and what was wrong.
pub(super) struct Fields {
    left: BTreeMap<String, Spanned<Value>>,
    asked: Vec<&'static str>,
    mistakes: Vec<Mistake>,
}

impl Fields {
    /// Takes a file apart.
    pub(super) fn read(text: &str) -> Result<Self, Vec<Mistake>> {
        let left = serde_saphyr::from_str(text).map_err(|error| {
            let line = error.location().map_or(0, |location| location.line());
            let problem = Problem::Form(error.without_snippet().to_string());
            vec![Mistake { file: None, line, field: String::new(), problem }]
        })?;
        Ok(Self { left, asked: Vec::new(), mistakes: Vec::new() })
    }

    /// A field that has to be there; `expects` completes "is not …".
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        expects: &'static str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<T> {
        if !self.left.contains_key(name) {
            self.asked.push(name);
            self.mistake(0, name, Problem::Missing(expects));
            return None;
        }
        self.optional(name, expects, read)
    }

    /// A field that may be left out.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        expects: &'static str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<T> {
        self.asked.push(name);
        let given = self.left.remove(name)?;
        let read = read(&given.value);
        if read.is_none() {
            self.mistake(given.referenced.line(), name, Problem::NotA(expects));
        }
        read
    }

    /// A field with a default, which also stands in for a wrong one so that the rest can be looked at.
    pub(super) fn or<T>(
        &mut self,
        name: &'static str,
        expects: &'static str,
        default: T,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> T {
        self.optional(name, expects, read).unwrap_or(default)
    }

    /// As [`or`](Self::or), where making the default may fail.
    pub(super) fn or_else<T>(
        &mut self,
        name: &'static str,
        expects: &'static str,
        default: impl FnOnce() -> Option<T>,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<T> {
        self.optional(name, expects, read).or_else(default)
    }

    /// Ends the reading: what is left over is unknown.
    pub(super) fn finish(mut self) -> Result<(), Vec<Mistake>> {
        for (name, value) in std::mem::take(&mut self.left) {
            let problem = match self.nearest(&name) {
                Some(nearest) => Problem::Unknown(nearest),
                None => Problem::UnknownField,
            };
            self.mistake(value.referenced.line(), &name, problem);
        }
        self.mistakes.sort_by_key(|mistake| mistake.line);
        if self.mistakes.is_empty() { Ok(()) } else { Err(self.mistakes) }
    }

    fn mistake(&mut self, line: u64, field: &str, problem: Problem) {
        self.mistakes.push(Mistake { file: None, line, field: field.to_owned(), problem });
    }

    /// The known name that differs in the way of writing only: `idleTimeout` for `idle_timeout`.
    fn nearest(&self, name: &str) -> Option<&'static str> {
        let plain = |text: &str| text.replace(['_', '-', ' '], "").to_lowercase();
        self.asked.iter().copied().find(|known| plain(known) == plain(name))
    }
}
