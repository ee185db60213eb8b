//! A valid configuration.

use super::{Origin, Parsed, Setting};

/// Every setting's value, reached by its handle.
pub struct Values {
    pub(crate) command: Option<&'static str>,
    pub(crate) parsed: Vec<Option<Parsed>>,
    pub(crate) effective: Vec<Effective>,
    pub(crate) notices: Vec<String>,
}

/// One setting as it is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Effective {
    pub(crate) name: &'static str,
    pub(crate) shown: String,
    pub(crate) origin: Origin,
}

impl Values {
    /// A setting's value.
    ///
    /// # Panics
    /// When the handle belongs to another specification or to a sub-command that was not given: a mistake of the
    /// program, found by its first run.
    pub fn get<T: 'static>(&self, setting: &Setting<T>) -> &T {
        let value = self.parsed.get(setting.index).and_then(Option::as_ref);
        value.and_then(|value| value.downcast_ref()).expect("a setting of this service and this sub-command")
    }

    /// The sub-command given, of a service that has some.
    pub fn command(&self) -> Option<&'static str> {
        self.command
    }

    /// Variables with our prefix that are no settings of this service, to be logged once.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// The whole configuration as text: each value with where it came from, secrets masked.
    pub fn render(&self) -> String {
        let width = self.effective.iter().map(|line| line.name.len()).max().unwrap_or(0);
        let lines = self.effective.iter().map(|line| {
            let Effective { name, shown, origin } = line;
            format!("{name:width$} = {shown}  (from {origin})\n")
        });
        lines.collect()
    }
}

impl std::fmt::Debug for Values {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Values").field("command", &self.command).field("effective", &self.effective).finish()
    }
}
