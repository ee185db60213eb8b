//! What a configuration is read from, gathered so that it can also be made up.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Arguments, variables and files.
pub struct Inputs {
    pub(crate) args: Vec<String>,
    pub(crate) variables: BTreeMap<String, String>,
    files: Files,
}

enum Files {
    Real,
    Given(BTreeMap<PathBuf, String>),
}

impl Inputs {
    /// Arguments (the program's name first) and variables that were made up; there are no files.
    pub fn new<A, V>(args: A, variables: V) -> Self
    where
        A: IntoIterator,
        A::Item: Into<String>,
        V: IntoIterator<Item = (&'static str, &'static str)>,
    {
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self {
            args: args.into_iter().map(Into::into).collect(),
            variables: variables.collect(),
            files: Files::Given(BTreeMap::new()),
        }
    }

    /// Adds a file that was made up.
    #[must_use]
    pub fn with_file(mut self, path: &str, content: &str) -> Self {
        if let Files::Given(files) = &mut self.files {
            files.insert(PathBuf::from(path), content.to_owned());
        }
        self
    }

    /// What this process was started with. Texts that are not UTF-8 are read as far as they are.
    pub fn of_process() -> Self {
        let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
        Self {
            args: std::env::args_os().map(text).collect(),
            variables: std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect(),
            files: Files::Real,
        }
    }

    pub(crate) fn read(&self, path: &Path) -> io::Result<String> {
        match &self.files {
            Files::Real => std::fs::read_to_string(path),
            Files::Given(files) => files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into()),
        }
    }
}
