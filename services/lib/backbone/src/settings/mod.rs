//! One configuration for every service: flag over environment over file over default, read once and validated whole.
//!
//! Consumes the process's arguments, its `VERTEBRA_*` variables, one YAML file and the files that secrets lie in.
//! Does nothing to the world: all of it is passed in, so that a test needs no process.
//!
//! A setting is declared once, with its help, its default and its bounds; the declaration hands out a typed handle,
//! and the handle is the only way to its value. All mistakes are told at once, each with where the value came from
//! and what to do. A secret comes from a file or from the environment, never from a flag, and is never printed.
//!
//! ```
//! use backbone::settings::{Inputs, Spec};
//!
//! let mut spec = Spec::new("billing-projector", "folds charges into billing cases");
//! let hold = spec.all().group("Billing").duration("bill-hold", "how long a finished visit waits").default("48h");
//! let inputs = Inputs::new(["billing-projector", "--bill-hold", "2h"], [("VERTEBRA_BILL_HOLD", "1h")]);
//! let values = spec.parse(&inputs).expect("valid");
//! assert_eq!(values.get(&hold).as_secs(), 7_200);
//! ```

mod arguments;
mod common;
mod declare;
mod inputs;
mod mistakes;
mod resolve;
mod text;
mod values;

#[cfg(test)]
mod tests;

pub use common::{Common, CommonValues, Ledger, LedgerValues, Tokens};
pub use declare::{Declaration, Scope};
pub use inputs::Inputs;
pub use mistakes::{Mistake, Mistakes, Origin, Problem, Stop};
pub use text::{LogFormat, Secret, ServiceUrl, Wrong, duration};
pub use values::Values;

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;

/// Where variables of ours begin.
pub(crate) const PREFIX: &str = "VERTEBRA_";

/// Everything a service can be told, declared before anything is read.
pub struct Spec {
    pub(crate) service: &'static str,
    pub(crate) about: &'static str,
    pub(crate) commands: Vec<Command>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) rules: Vec<Rule>,
}

/// A sub-command, such as `land` of `ehr-adapter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its name on the command line.
    pub name: &'static str,
    pub(crate) about: &'static str,
}

/// The handle of one declared setting.
pub struct Setting<T> {
    pub(crate) index: usize,
    value: PhantomData<fn() -> T>,
}

impl<T> Clone for Setting<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Setting<T> {}

impl<T> fmt::Debug for Setting<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Setting({})", self.index)
    }
}

/// What is checked once every single value is valid.
type Rule = Box<dyn Fn(&Values) -> Vec<Mistake> + Send + Sync>;

/// A value whose type only its handle knows.
pub(crate) type Parsed = Box<dyn Any + Send + Sync>;

pub(crate) type Parser = Box<dyn Fn(Option<&str>) -> Result<Parsed, Wrong> + Send + Sync>;

pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) help: String,
    pub(crate) group: &'static str,
    /// The commands it belongs to; none means all.
    pub(crate) commands: Vec<&'static str>,
    pub(crate) kind: Kind,
    pub(crate) need: Need,
    pub(crate) parser: Parser,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    /// From a file or the environment, never shown.
    Secret,
    /// Shown without its password, which only the environment may give.
    Url,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Default(String),
    Required,
    Optional,
}

impl Entry {
    /// The variable that sets it.
    pub(crate) fn variable(&self) -> String {
        variable(self.name)
    }

    pub(crate) fn belongs_to(&self, command: Option<&str>) -> bool {
        self.commands.is_empty() || command.is_some_and(|command| self.commands.contains(&command))
    }
}

pub(crate) fn variable(name: &str) -> String {
    format!("{PREFIX}{}", name.to_uppercase().replace('-', "_"))
}

impl Spec {
    /// A service without settings; `about` completes "`<service>` …" in its help.
    pub fn new(service: &'static str, about: &'static str) -> Self {
        Self { service, about, commands: Vec::new(), entries: Vec::new(), rules: Vec::new() }
    }

    /// Declares a sub-command. A service that has any wants one of them on its command line.
    pub fn command(&mut self, name: &'static str, about: &'static str) -> Command {
        let command = Command { name, about };
        self.commands.push(command);
        command
    }

    /// Declares settings that hold whatever the sub-command is.
    pub fn all(&mut self) -> Scope<'_> {
        Scope::new(self, Vec::new())
    }

    /// Declares settings of some sub-commands: elsewhere they are neither wanted nor validated.
    pub fn within(&mut self, commands: &[Command]) -> Scope<'_> {
        let commands = commands.iter().map(|command| command.name).collect();
        Scope::new(self, commands)
    }

    /// Reads and validates everything.
    ///
    /// # Errors
    /// All mistakes at once, or the text of `--help`, `--version` or `--check-config`, which end the process too.
    pub fn parse(&self, inputs: &Inputs) -> Result<Values, Stop> {
        resolve::resolve(self, inputs)
    }
}
