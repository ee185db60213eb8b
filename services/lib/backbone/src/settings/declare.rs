//! Declaring settings: what kind of value, under which heading, for which sub-commands.

use super::text::{self, Shown};
use super::{Entry, Kind, Mistake, Need, Parser, Secret, ServiceUrl, Setting, Spec, Values, Wrong};
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Where declared settings go: which sub-commands, which heading in the help.
pub struct Scope<'a> {
    spec: &'a mut Spec,
    commands: Vec<&'static str>,
    group: &'static str,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(spec: &'a mut Spec, commands: Vec<&'static str>) -> Self {
        Self { spec, commands, group: "Service" }
    }

    /// The heading in the help of what is declared from here on.
    #[must_use]
    pub fn group(mut self, title: &'static str) -> Self {
        self.group = title;
        self
    }

    /// A text that is not empty.
    pub fn text(&mut self, name: &'static str, help: &str) -> Declaration<'_, String> {
        self.declare(name, help, |text| {
            if text.trim().is_empty() {
                Err(Wrong::expects("a text that is not empty"))
            } else {
                Ok(text.to_owned())
            }
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
            if text.is_empty() {
                Err(Wrong::expects("a secret that is not empty"))
            } else {
                Ok(Secret::new(text))
            }
        });
        declaration.kind = Kind::Secret;
        declaration
    }

    /// A check over several settings, made when each of them is valid by itself.
    pub fn rule(&mut self, check: impl Fn(&Values) -> Vec<Mistake> + Send + Sync + 'static) {
        let commands = self.commands.clone();
        self.spec.rules.push(Box::new(move |values| {
            let holds =
                commands.is_empty() || values.command().is_some_and(|command| commands.contains(&command));
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
    parse: Parse<T>,
}

type Parse<T> = Box<dyn Fn(&str) -> Result<T, Wrong> + Send + Sync>;

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
    pub fn when(mut self, expects: &'static str, holds: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self {
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
        finish: impl Fn(Option<&str>, &dyn Fn(&str) -> Result<T, Wrong>) -> Result<V, Wrong>
        + Send
        + Sync
        + 'static,
    ) -> Setting<V> {
        let Self { spec, commands, group, name, help, kind, parse } = self;
        let parser: Parser = Box::new(move |text| Ok(Box::new(finish(text, &parse)?)));
        spec.entries.push(Entry { name, help, group, commands, kind, need, parser });
        Setting { index: spec.entries.len() - 1, value: PhantomData }
    }
}

impl<T: PartialOrd + Shown + Send + Sync + 'static> Declaration<'_, T> {
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
