//! The command line, by clap: flags as text, and the help that teaches them.

use super::{Entry, Kind, Need, Problem, Spec, Stop, resolve::CONFIG};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches};
use std::collections::BTreeMap;

/// What the command line says.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) command: Option<&'static str>,
    /// Values by flag, without the dashes.
    pub(crate) flags: BTreeMap<String, String>,
    pub(crate) check_config: bool,
    pub(crate) problem: Option<Problem>,
}

/// Reads the command line. What clap does not understand is kept as one problem, and the rest is read all the same,
/// so that other mistakes are told together with it.
///
/// # Errors
/// The texts of `--help` and `--version`, when these were asked for.
pub(crate) fn parse(spec: &Spec, args: &[String]) -> Result<Arguments, Stop> {
    let command = command(spec);
    let error = match command.clone().try_get_matches_from(args) {
        Ok(matches) => return Ok(read(spec, &matches, None)),
        Err(error) => error,
    };
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return Err(Stop::Said(error.to_string()));
    }
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    let said = first.strip_prefix("error: ").unwrap_or(first).to_owned();
    let lenient = command.ignore_errors(true).subcommand_required(false);
    match lenient.try_get_matches_from(args) {
        Ok(matches) => Ok(read(spec, &matches, Some(Problem::Flag { said }))),
        Err(_) => Ok(Arguments { problem: Some(Problem::Flag { said }), ..Arguments::default() }),
    }
}

/// The flag that gives a setting.
pub(crate) fn flag(entry: &Entry) -> String {
    match entry.kind {
        Kind::Secret => format!("{}-file", entry.name),
        Kind::Plain | Kind::Url => entry.name.to_owned(),
    }
}

fn command(spec: &Spec) -> clap::Command {
    let has_commands = !spec.commands.is_empty();
    let config = Arg::new(CONFIG)
        .long(CONFIG)
        .value_name("FILE")
        .help(format!("YAML file of settings, by the names of the flags [env: {}]", super::variable(CONFIG)));
    let check = Arg::new("check-config")
        .long("check-config")
        .action(ArgAction::SetTrue)
        .help("Say what is in effect and where it came from, secrets masked, and end");
    let mut root = clap::Command::new(spec.service)
        .about(spec.about)
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(
            "Precedence: flag, variable, file, default. Secrets come from a file or a variable, never from a flag.",
        )
        .disable_help_subcommand(true)
        .subcommand_required(has_commands)
        .max_term_width(110)
        .arg(config.global(has_commands))
        .arg(check.global(has_commands));
    for entry in spec.entries.iter().filter(|entry| entry.commands.is_empty()) {
        root = root.arg(arg(entry).global(has_commands));
    }
    for sub in &spec.commands {
        let own = spec.entries.iter().filter(|entry| entry.commands.contains(&sub.name));
        root = root.subcommand(clap::Command::new(sub.name).about(sub.about).args(own.map(arg)));
    }
    root
}

fn arg(entry: &Entry) -> Arg {
    let (value, mut help) = match entry.kind {
        Kind::Secret => ("FILE", format!("{}: the file it lies in", entry.help)),
        Kind::Plain | Kind::Url => ("VALUE", entry.help.clone()),
    };
    match &entry.need {
        Need::Default(text) if text.is_empty() => {}
        Need::Default(text) => help.push_str(&format!(" [default: {text}]")),
        Need::Required => help.push_str(" [required]"),
        Need::Optional => {}
    }
    let variable = entry.variable();
    match entry.kind {
        Kind::Secret => help.push_str(&format!(" [env: {variable}_FILE, or {variable} itself]")),
        Kind::Plain | Kind::Url => help.push_str(&format!(" [env: {variable}]")),
    }
    Arg::new(entry.name)
        .long(flag(entry))
        .value_name(value)
        .help(help)
        .help_heading(entry.group)
        .allow_hyphen_values(true)
}

fn read(spec: &Spec, matches: &ArgMatches, problem: Option<Problem>) -> Arguments {
    let (given, leaf) = matches.subcommand().map_or((None, matches), |(name, leaf)| (Some(name), leaf));
    let command = given.and_then(|given| spec.commands.iter().find(|command| command.name == given));
    let text = |id: &str| {
        let found = leaf.try_get_one::<String>(id).ok().flatten();
        found.or_else(|| matches.try_get_one::<String>(id).ok().flatten()).cloned()
    };
    let mut flags: BTreeMap<String, String> =
        spec.entries.iter().filter_map(|entry| Some((flag(entry), text(entry.name)?))).collect();
    flags.extend(text(CONFIG).map(|path| (CONFIG.to_owned(), path)));
    let check_config = [leaf, matches]
        .iter()
        .any(|matches| matches.try_get_one::<bool>("check-config").ok().flatten().copied().unwrap_or(false));
    Arguments { command: command.map(|command| command.name), flags, check_config, problem }
}
