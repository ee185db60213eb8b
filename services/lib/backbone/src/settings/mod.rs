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
mod inputs;
mod mistakes;
mod resolve;
mod text;
mod values;

#[cfg(test)]
mod tests;

pub use common::{Common, CommonValues, Ledger, LedgerValues, Tokens};
pub use inputs::Inputs;
pub use mistakes::{Mistake, Mistakes, Origin, Problem, Stop};
pub use text::{LogFormat, Secret, ServiceUrl, Wrong};
pub use values::Values;

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

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
        Scope { spec: self, commands: Vec::new(), group: "Service" }
    }

    /// Declares settings of some sub-commands: elsewhere they are neither wanted nor validated.
    pub fn within(&mut self, commands: &[Command]) -> Scope<'_> {
        let commands = commands.iter().map(|command| command.name).collect();
        Scope { spec: self, commands, group: "Service" }
    }

    /// Reads and validates everything.
    ///
    /// # Errors
    /// All mistakes at once, or the text of `--help`, `--version` or `--check-config`, which end the process too.
    pub fn parse(&self, inputs: &Inputs) -> Result<Values, Stop> {
        resolve::resolve(self, inputs)
    }
}

/// Where declared settings go: which sub-commands, which heading in the help.
pub struct Scope<'a> {
    spec: &'a mut Spec,
    commands: Vec<&'static str>,
    group: &'static str,
}

impl Scope<'_> {
    /// The heading in the help of what is declared from here on.
    #[must_use]
    pub fn group(mut self, title: &'static str) -> Self {
        self.group = title;
        self
    }

    /// A text that is not empty.
    pub fn text(&mut self, name: &'static str, help: &str) -> Declaration<'_, String> {
        self.declare(name, help, |text| {
            if text.trim().is_empty() { Err(Wrong::expects("a text that is not empty")) } else { Ok(text.to_owned()) }
        })
    }

    /// A list of texts, with commas between them (or a list, in the file).
    pub fn list(&mut self, name: &'static str, help: &str) -> Declaration<'_, Vec<String>> {
        self.declare(name, help, |text| {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Ok(items.map(str::to_owned).collect())
        })
    }

    /// A whole number or anything else with a text form; `expects` completes "is not …".
    pub fn parsed<T>(&mut self, name: &'static str, help: &str, expects: &'static str) -> Declaration<'_, T>
    where
        T: FromStr + Send + Sync + 'static,
    {
        self.declare(name, help, move |text| text.trim().parse().map_err(|_| Wrong::expects(expects)))
    }

    /// A whole number.
    pub fn number<T>(&mut self, name: &'static str, help: &str) -> Declaration<'_, T>
    where
        T: FromStr + Send + Sync + 'static,
    {
        self.parsed(name, help, "a whole number in range")
    }

    /// `true` or `false`.
    pub fn switch(&mut self, name: &'static str, help: &str) -> Declaration<'_, bool> {
        self.parsed(name, help, "true or false")
    }

    /// An address to bind, such as `127.0.0.1:9600`.
    pub fn address(&mut self, name: &'static str, help: &str) -> Declaration<'_, SocketAddr> {
        self.parsed(name, help, "an address such as 127.0.0.1:9600")
    }

    /// A path.
    pub fn path(&mut self, name: &'static str, help: &str) -> Declaration<'_, PathBuf> {
        self.parsed(name, help, "a path")
    }

    /// A time span with its unit: `500ms`, `10s`, `5m`, `2h`, `3d`, also `1h30m`.
    pub fn duration(&mut self, name: &'static str, help: &str) -> Declaration<'_, Duration> {
        self.declare(name, help, text::duration)
    }

    /// An amount of bytes: `65536`, `64KiB`, `8MiB`.
    pub fn bytes(&mut self, name: &'static str, help: &str) -> Declaration<'_, usize> {
        self.declare(name, help, text::bytes)
    }

    /// A URL of one of these schemes. A password within it may only come from the environment.
    pub fn url(
        &mut self,
        name: &'static str,
        help: &str,
        schemes: &'static [&'static str],
    ) -> Declaration<'_, ServiceUrl> {
        let mut declaration = self.declare(name, help, move |text| ServiceUrl::parse(text, schemes));
        declaration.kind = Kind::Url;
        declaration
    }

    /// One of a few words, each with what it means.
    pub fn choice<T: Clone + Send + Sync + 'static>(
        &mut self,
        name: &'static str,
        help: &str,
        choices: &[(&'static str, T)],
    ) -> Declaration<'_, T> {
        let choices: BTreeMap<&'static str, T> = choices.iter().cloned().collect();
        let words = choices.keys().copied().collect::<Vec<_>>().join(", ");
        let help = format!("{help} ({words})");
        self.declare(name, &help, move |text| {
            choices.get(text.trim()).cloned().ok_or_else(|| Wrong::expects(format!("one of {words}")))
        })
    }

    /// A secret: `--<name>-file`, `VERTEBRA_<NAME>_FILE` or `<name>-file` name a file; `VERTEBRA_<NAME>` holds it.
    pub fn secret(&mut self, name: &'static str, help: &str) -> Declaration<'_, Secret> {
        let mut declaration = self.declare(name, help, |text| {
            if text.is_empty() { Err(Wrong::expects("a secret that is not empty")) } else { Ok(Secret::new(text)) }
        });
        declaration.kind = Kind::Secret;
        declaration
    }

    /// A check over several settings, made when each of them is valid by itself.
    pub fn rule(&mut self, check: impl Fn(&Values) -> Vec<Mistake> + Send + Sync + 'static) {
        let commands = self.commands.clone();
        self.spec.rules.push(Box::new(move |values| {
            let holds = commands.is_empty() || values.command().is_some_and(|command| commands.contains(&command));
            if holds { check(values) } else { Vec::new() }
        }));
    }

    fn declare<T: Send + Sync + 'static>(
        &mut self,
        name: &'static str,
        help: &str,
        parse: impl Fn(&str) -> Result<T, Wrong> + Send + Sync + 'static,
    ) -> Declaration<'_, T> {
        Declaration {
            spec: self.spec,
            commands: self.commands.clone(),
            group: self.group,
            name,
            help: help.to_owned(),
            kind: Kind::Plain,
            parse: Box::new(parse),
        }
    }
}

/// A setting about to be declared; one of `default`, `required` and `optional` ends it and hands out the handle.
#[must_use = "end it with default, required or optional"]
pub struct Declaration<'a, T> {
    spec: &'a mut Spec,
    commands: Vec<&'static str>,
    group: &'static str,
    name: &'static str,
    help: String,
    kind: Kind,
    parse: Box<dyn Fn(&str) -> Result<T, Wrong> + Send + Sync>,
}

impl<T: Send + Sync + 'static> Declaration<'_, T> {
    /// The value when nothing is given, as text, so that the help shows what one would write.
    pub fn default(self, text: impl Into<String>) -> Setting<T> {
        let need = Need::Default(text.into());
        self.end(need, |value, parse| parse(value.unwrap_or_default()))
    }

    /// Without it the service does not start.
    pub fn required(self) -> Setting<T> {
        self.end(Need::Required, |value, parse| parse(value.unwrap_or_default()))
    }

    /// May be left out.
    pub fn optional(self) -> Setting<Option<T>> {
        self.end(Need::Optional, |value, parse| value.map(parse).transpose())
    }

    /// Another condition on the value; `expects` completes "is not …".
    pub fn when(
        mut self,
        expects: &'static str,
        holds: impl Fn(&T) -> bool + Send + Sync + 'static,
    ) -> Self {
        let parse = self.parse;
        self.parse = Box::new(move |text| {
            let value = parse(text)?;
            if holds(&value) { Ok(value) } else { Err(Wrong::expects(expects)) }
        });
        self
    }

    fn end<V: Send + Sync + 'static>(
        self,
        need: Need,
        finish: impl Fn(Option<&str>, &dyn Fn(&str) -> Result<T, Wrong>) -> Result<V, Wrong> + Send + Sync + 'static,
    ) -> Setting<V> {
        let Self { spec, commands, group, name, help, kind, parse } = self;
        let parser: Parser = Box::new(move |text| Ok(Box::new(finish(text, &parse)?)));
        spec.entries.push(Entry { name, help, group, commands, kind, need, parser });
        Setting { index: spec.entries.len() - 1, value: PhantomData }
    }
}

impl<T: PartialOrd + text::Shown + Send + Sync + 'static> Declaration<'_, T> {
    /// The lowest and the highest value allowed.
    pub fn range(mut self, range: RangeInclusive<T>) -> Self {
        let parse = self.parse;
        self.help = format!("{} ({} to {})", self.help, range.start().shown(), range.end().shown());
        self.parse = Box::new(move |text| {
            let value = parse(text)?;
            if range.contains(&value) {
                return Ok(value);
            }
            Err(Wrong::expects(format!("between {} and {}", range.start().shown(), range.end().shown())))
        });
        self
    }
}
