//! A file's fields with their lines, taken one by one; what is wrong is kept, so that all of it is told at once.

use serde::Deserialize;
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
    #[error("does not belong to the certificate")]
    KeyOfAnother,
    #[error("is missing: {0}")]
    Missing(&'static str),
    #[error("holds no certificate in PEM")]
    NoCertificate,
    #[error("there is no sender's file (*.yaml) in this folder")]
    NoFiles,
    #[error("holds no private key in PEM")]
    NoPrivateKey,
    #[error("is not {0}")]
    NotA(&'static str),
    #[error("is not a field of a sender; did you mean {0}?")]
    Unknown(&'static str),
    #[error("is not a field of a sender")]
    UnknownField,
    #[error("cannot be opened: {0}")]
    Unreadable(std::io::ErrorKind),
    #[error("holds a certificate that cannot be used")]
    UnusableCertificate,
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

impl std::error::Error for Mistake {}

/// The fields that nobody has taken yet, the names that were asked for, and what was wrong.
pub(super) struct Fields {
    left: BTreeMap<String, Spanned<Value>>,
    nested: Nested,
    /// The field that this map stands in, with a dot; empty for the file itself.
    within: String,
    asked: Vec<&'static str>,
    mistakes: Vec<Mistake>,
}

/// Fields that are maps, read again: as values they have lost the lines of what stands in them.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Nested {
    facilities: BTreeMap<String, BTreeMap<String, Spanned<Value>>>,
    reversal: BTreeMap<String, Spanned<Value>>,
}

impl Fields {
    /// Takes a file apart.
    pub(super) fn read(text: &str) -> Result<Self, Vec<Mistake>> {
        let left = serde_saphyr::from_str(text).map_err(|error| {
            let line = error.location().map_or(0, |location| location.line());
            let problem = Problem::Form(error.without_snippet().to_string());
            vec![Mistake { file: None, line, field: String::new(), problem }]
        })?;
        // Where one of them is no map this fails, and the value as it was read first is told as the mistake.
        let nested = serde_saphyr::from_str(text).unwrap_or_default();
        Ok(Self { nested, ..Self::inside(String::new(), left) })
    }

    fn inside(within: String, left: BTreeMap<String, Spanned<Value>>) -> Self {
        Self { left, nested: Nested::default(), within, asked: Vec::new(), mistakes: Vec::new() }
    }

    /// A field that is a map of fields; to be closed when they are taken.
    pub(super) fn map(&mut self, name: &'static str, expects: &'static str) -> Option<Self> {
        self.optional(name, expects, |value| value.is_object().then_some(()))?;
        Some(Self::inside(format!("{name}."), std::mem::take(&mut self.nested.reversal)))
    }

    /// A field that is a map of maps, by their names; each to be closed when its fields are taken.
    pub(super) fn maps(&mut self, name: &'static str, expects: &'static str) -> Vec<(String, Self)> {
        let is_of_maps = |value: &Value| {
            let sound = value.as_object()?.values().all(Value::is_object);
            sound.then_some(())
        };
        if self.optional(name, expects, is_of_maps).is_none() {
            return Vec::new();
        }
        let maps = std::mem::take(&mut self.nested.facilities);
        maps.into_iter()
            .map(|(key, left)| {
                let inside = Self::inside(format!("{name}.{key}."), left);
                (key, inside)
            })
            .collect()
    }

    /// Takes in what was wrong inside a map; what is left over there is unknown.
    pub(super) fn close(&mut self, mut inside: Self) {
        inside.left_over();
        self.mistakes.append(&mut inside.mistakes);
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

    /// The line of a field; 0 where it is left out.
    pub(super) fn line(&self, name: &str) -> u64 {
        self.left.get(name).map_or(0, |given| given.referenced.line())
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
        self.left_over();
        self.mistakes.sort_by_key(|mistake| mistake.line);
        if self.mistakes.is_empty() { Ok(()) } else { Err(self.mistakes) }
    }

    fn left_over(&mut self) {
        for (name, value) in std::mem::take(&mut self.left) {
            let problem = match self.nearest(&name) {
                Some(nearest) => Problem::Unknown(nearest),
                None => Problem::UnknownField,
            };
            self.mistake(value.referenced.line(), &name, problem);
        }
    }

    fn mistake(&mut self, line: u64, field: &str, problem: Problem) {
        let field = format!("{}{field}", self.within);
        self.mistakes.push(Mistake { file: None, line, field, problem });
    }

    /// The known name that differs in the way of writing only: `idleTimeout` for `idle_timeout`.
    fn nearest(&self, name: &str) -> Option<&'static str> {
        let plain = |text: &str| text.replace(['_', '-', ' '], "").to_lowercase();
        self.asked.iter().copied().find(|known| plain(known) == plain(name))
    }
}
