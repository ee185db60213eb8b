//! What can be wrong with a configuration, told so that the reader knows what to change.

use super::{Secret, variable};
use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Why there are no values: something else was asked for, or something is wrong.
#[derive(Debug)]
pub enum Stop {
    /// The text of `--help`, `--version` or `--check-config`.
    Said(String),
    /// All that is wrong.
    Mistakes(Mistakes),
}

impl Stop {
    /// Prints it where it belongs and gives the process's end: 0 for what was asked for, 2 for mistakes.
    pub fn end(&self) -> ExitCode {
        // A closed pipe is the reader's business.
        match self {
            Self::Said(text) => {
                let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
                ExitCode::SUCCESS
            }
            Self::Mistakes(mistakes) => {
                let _ = writeln!(std::io::stderr(), "{mistakes}");
                ExitCode::from(2)
            }
        }
    }
}

/// Everything that is wrong, at once.
#[derive(Debug, thiserror::Error)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        writeln!(f, "the configuration has {count} mistake{}:", if count == 1 { "" } else { "s" })?;
        for mistake in &self.0 {
            writeln!(f, "  {mistake}")?;
        }
        write!(f, "--help tells every setting, --check-config what is in effect")
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The setting, the key, the variable or the flag.
    pub name: String,
    /// What is wrong with it.
    pub problem: Problem,
}

impl Mistake {
    /// A mistake that only several settings together show; `what` says what to do.
    pub fn together(name: &'static str, what: &'static str) -> Self {
        Self { name: name.to_owned(), problem: Problem::Together(what) }
    }
}

/// What is wrong with a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Two settings of one name were declared: a mistake of the program's.
    DeclaredTwice,
    /// A file cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Who named it.
        origin: Origin,
        /// Why not.
        kind: std::io::ErrorKind,
    },
    /// The command line cannot be parsed.
    Flag {
        /// What clap says of it.
        said: String,
    },
    /// Something is wrong in a file that the setting names.
    Inside {
        /// Where and what.
        said: String,
    },
    /// Nothing gives it.
    Missing,
    /// Nothing gives this secret.
    MissingSecret,
    /// The value is not what is expected; without a value when it is a secret.
    NotUnderstood {
        /// The value, unless it is a secret.
        value: Option<String>,
        /// Where it came from.
        origin: Origin,
        /// Completes "is not …".
        expects: String,
    },
    /// The configuration file is not a mapping of names to values.
    NotYaml {
        /// The file.
        path: PathBuf,
        /// What the parser says, without the text around it.
        said: String,
    },
    /// A URL with a password came from where secrets may not come from.
    PasswordInUrl {
        /// Where it came from.
        origin: Origin,
    },
    /// A secret was written into the configuration file.
    SecretInFile {
        /// The file.
        path: PathBuf,
    },
    /// A secret is given both as a value and as a file.
    SecretTwice,
    /// Several settings do not go together.
    Together(&'static str),
    /// The configuration file has a key that no setting has.
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The setting that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A variable looks like a setting's, misspelt.
    UnknownVariable {
        /// The variable that was probably meant.
        nearest: String,
    },
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.problem {
            Problem::DeclaredTwice => write!(f, "{name}: declared twice; this is a mistake of the program"),
            Problem::Flag { said } => f.write_str(said),
            Problem::Inside { said } => write!(f, "{name}: {said}"),
            Problem::Missing => {
                write!(f, "{name}: missing; give --{name}, {} or {name} in the file", variable(name))
            }
            Problem::MissingSecret => {
                let variable = variable(name);
                write!(
                    f,
                    "{name}: missing; name its file by --{name}-file or {variable}_FILE, or set {variable}"
                )
            }
            Problem::NotUnderstood { value: Some(value), origin, expects } => {
                write!(f, "{name}: `{value}` from {origin} is not {expects}")
            }
            Problem::NotUnderstood { value: None, origin, expects } => {
                write!(f, "{name}: the value from {origin} is not {expects}")
            }
            Problem::NotYaml { path, said } => {
                write!(f, "{name}: {} is not a YAML mapping of settings: {said}", path.display())
            }
            Problem::PasswordInUrl { origin } => write!(
                f,
                "{name}: the URL from {origin} holds a password; leave it out there and give it by a file or by {}",
                variable(name)
            ),
            Problem::SecretInFile { path } => write!(
                f,
                "{name}: a secret is not written into {}; name its file there as {name}-file, or set {}",
                path.display(),
                variable(name)
            ),
            Problem::SecretTwice => {
                let variable = variable(name);
                write!(f, "{name}: given both by {variable} and by a file; leave one out")
            }
            Problem::Together(what) => write!(f, "{name}: {what}"),
            Problem::UnknownKey { path, nearest: Some(nearest) } => {
                write!(f, "{name}: not a setting, in {}; did you mean {nearest}?", path.display())
            }
            Problem::UnknownKey { path, nearest: None } => {
                write!(f, "{name}: not a setting of this service, in {}; take it out", path.display())
            }
            Problem::UnknownVariable { nearest } => {
                write!(f, "{name}: not a setting; did you mean {nearest}?")
            }
            Problem::Unreadable { path, origin, kind } => {
                write!(f, "{name}: {} named by {origin} cannot be read: {kind}", path.display())
            }
        }
    }
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nothing was given.
    Default,
    /// A key of the configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
    },
    /// A flag.
    Flag(String),
    /// Nothing was given, and there is no default.
    Nowhere,
    /// A variable.
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("its default"),
            Self::File { path, key } => write!(f, "{key} in {}", path.display()),
            Self::Flag(flag) => write!(f, "--{flag}"),
            Self::Nowhere => f.write_str("nowhere"),
            Self::Variable(variable) => f.write_str(variable),
        }
    }
}

/// How a secret is shown when the configuration is printed.
pub(crate) fn masked(secret: Option<&str>) -> String {
    secret.map_or_else(|| "(none)".to_owned(), |text| Secret::new(text).to_string())
}
