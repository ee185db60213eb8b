//! Flag over environment over file over default, and everything that is wrong at once.

use super::arguments::{self, Arguments, flag};
use super::mistakes::masked;
use super::values::Effective;
use super::{
    Entry, Inputs, Kind, Mistake, Mistakes, Need, Origin, PREFIX, Problem, ServiceUrl, Spec, Stop, Values,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The flag that names the configuration file.
pub(crate) const CONFIG: &str = "config";

/// Variables of the tests and of the local stack are not settings.
const FOREIGN: [&str; 2] = ["VERTEBRA_STACK_", "VERTEBRA_TEST_"];

pub(crate) fn resolve(spec: &Spec, inputs: &Inputs) -> Result<Values, Stop> {
    let twice = declared_twice(spec);
    if !twice.is_empty() {
        return Err(Stop::Mistakes(Mistakes(twice)));
    }
    let mut arguments = arguments::parse(spec, &inputs.args)?;
    let mut mistakes = Vec::new();
    if let Some(problem) = arguments.problem.take() {
        mistakes.push(Mistake { name: spec.service.to_owned(), problem });
    }
    let file = ConfigFile::read(inputs, &arguments, &mut mistakes);
    file.unknown_keys(spec, &mut mistakes);
    let notices = unknown_variables(spec, inputs, &mut mistakes);

    let mut values =
        Values { command: arguments.command, parsed: Vec::new(), effective: Vec::new(), notices };
    // Without its sub-command nothing is known to be wanted; that it is missing has been said.
    let layers = Layers { inputs, arguments: &arguments, file: &file };
    for entry in &spec.entries {
        let wanted = entry.belongs_to(arguments.command);
        let parsed = if wanted { layers.take(entry, &mut values.effective, &mut mistakes) } else { None };
        values.parsed.push(parsed);
    }
    if mistakes.is_empty() {
        mistakes.extend(spec.rules.iter().flat_map(|rule| rule(&values)));
    }
    if !mistakes.is_empty() {
        return Err(Stop::Mistakes(Mistakes(mistakes)));
    }
    if arguments.check_config { Err(Stop::Said(values.render())) } else { Ok(values) }
}

struct Layers<'a> {
    inputs: &'a Inputs,
    arguments: &'a Arguments,
    file: &'a ConfigFile,
}

impl Layers<'_> {
    fn take(
        &self,
        entry: &Entry,
        effective: &mut Vec<Effective>,
        mistakes: &mut Vec<Mistake>,
    ) -> Option<super::Parsed> {
        let mut wrong = |problem| mistakes.push(Mistake { name: entry.name.to_owned(), problem });
        let (text, origin) = match self.find(entry) {
            Ok(found) => found,
            Err(problem) => {
                wrong(problem);
                return None;
            }
        };
        if text.is_none() && entry.need == Need::Required {
            wrong(if entry.kind == Kind::Secret { Problem::MissingSecret } else { Problem::Missing });
            return None;
        }
        match (entry.parser)(text.as_deref()) {
            Ok(parsed) => {
                if leaks_password(entry, text.as_deref(), &origin) {
                    wrong(Problem::PasswordInUrl { origin: origin.clone() });
                }
                effective.push(Effective { name: entry.name, shown: shown(entry, text.as_deref()), origin });
                Some(parsed)
            }
            Err(expected) => {
                let value = text.filter(|_| entry.kind == Kind::Plain);
                wrong(Problem::NotUnderstood { value, origin, expects: expected.expects });
                None
            }
        }
    }

    fn find(&self, entry: &Entry) -> Result<(Option<String>, Origin), Problem> {
        if entry.kind == Kind::Secret {
            return self.find_secret(entry);
        }
        let found = self.find_text(entry.name, &entry.variable());
        Ok(match (found, &entry.need) {
            (Some((text, origin)), _) => (Some(text), origin),
            (None, Need::Default(text)) => (Some(text.clone()), Origin::Default),
            (None, _) => (None, Origin::Nowhere),
        })
    }

    fn find_secret(&self, entry: &Entry) -> Result<(Option<String>, Origin), Problem> {
        let variable = entry.variable();
        let named = self.find_text(&flag(entry), &format!("{variable}_FILE"));
        let given = variable_of(self.inputs, &variable);
        match (given, named) {
            (Some(_), Some(_)) => Err(Problem::SecretTwice),
            (Some(secret), None) => Ok((Some(secret), Origin::Variable(variable))),
            (None, Some((path, origin))) => {
                let path = PathBuf::from(path);
                match self.inputs.read(&path) {
                    // Editors end a file with a line break that is not part of the secret.
                    Ok(text) => Ok((Some(text.trim_end_matches(['\n', '\r']).to_owned()), origin)),
                    Err(error) => Err(Problem::Unreadable { path, origin, kind: error.kind() }),
                }
            }
            (None, None) => Ok((None, Origin::Nowhere)),
        }
    }

    fn find_text(&self, name: &str, variable: &str) -> Option<(String, Origin)> {
        if let Some(text) = self.arguments.flags.get(name) {
            return Some((text.clone(), Origin::Flag(name.to_owned())));
        }
        if let Some(text) = variable_of(self.inputs, variable) {
            return Some((text, Origin::Variable(variable.to_owned())));
        }
        let text = self.file.keys.get(name)?;
        Some((text.clone(), Origin::File { path: self.file.path.clone(), key: name.to_owned() }))
    }
}

/// A variable that is set; an empty one counts as not set, since that is how compose files leave one out.
fn variable_of(inputs: &Inputs, variable: &str) -> Option<String> {
    inputs.variables.get(variable).filter(|value| !value.is_empty()).cloned()
}

fn leaks_password(entry: &Entry, text: Option<&str>, origin: &Origin) -> bool {
    let has_password = || {
        let url = text.and_then(|text| reqwest::Url::parse(text.trim()).ok());
        url.is_some_and(|url| url.password().is_some())
    };
    entry.kind == Kind::Url && !matches!(origin, Origin::Variable(_)) && has_password()
}

fn shown(entry: &Entry, text: Option<&str>) -> String {
    match (entry.kind, text) {
        (Kind::Secret, text) => masked(text),
        (_, None) => "(none)".to_owned(),
        (Kind::Plain, Some(text)) => text.to_owned(),
        (Kind::Url, Some(text)) => {
            let scheme = text.split(':').next().unwrap_or_default();
            ServiceUrl::parse(text, &[scheme]).map_or_else(|_| masked(Some(text)), |url| url.to_string())
        }
    }
}

/// The configuration file, flattened: `kafka: {bootstrap: x}` is `kafka-bootstrap: x`.
#[derive(Default)]
struct ConfigFile {
    path: PathBuf,
    keys: BTreeMap<String, String>,
}

impl ConfigFile {
    fn read(inputs: &Inputs, arguments: &Arguments, mistakes: &mut Vec<Mistake>) -> Self {
        let variable = super::variable(CONFIG);
        let named = arguments.flags.get(CONFIG).map(|path| (path.clone(), Origin::Flag(CONFIG.to_owned())));
        let named =
            named.or_else(|| Some((variable_of(inputs, &variable)?, Origin::Variable(variable.clone()))));
        let Some((path, origin)) = named else {
            return Self::default();
        };
        let path = PathBuf::from(path);
        let mut wrong = |problem| mistakes.push(Mistake { name: CONFIG.to_owned(), problem });
        let text = match inputs.read(&path) {
            Ok(text) => text,
            Err(error) => {
                wrong(Problem::Unreadable { path, origin, kind: error.kind() });
                return Self::default();
            }
        };
        match keys(&text) {
            Ok(keys) => Self { path, keys },
            Err(said) => {
                wrong(Problem::NotYaml { path, said });
                Self::default()
            }
        }
    }

    fn unknown_keys(&self, spec: &Spec, mistakes: &mut Vec<Mistake>) {
        let known: BTreeSet<String> = spec.entries.iter().map(flag).collect();
        for key in self.keys.keys().filter(|key| !known.contains(*key)) {
            let is_secret = spec.entries.iter().any(|entry| entry.kind == Kind::Secret && entry.name == key);
            let path = self.path.clone();
            let problem = if is_secret {
                Problem::SecretInFile { path }
            } else {
                Problem::UnknownKey { path, nearest: nearest(key, spec) }
            };
            mistakes.push(Mistake { name: key.clone(), problem });
        }
    }
}

fn keys(text: &str) -> Result<BTreeMap<String, String>, String> {
    if text.trim().is_empty() {
        return Ok(BTreeMap::new());
    }
    // The parser's message quotes the lines around; only its first line is kept, so that nothing secret is repeated.
    let first_line =
        |error: serde_saphyr::Error| error.to_string().lines().next().unwrap_or_default().to_owned();
    let root: serde_json::Value = serde_saphyr::from_str(text).map_err(first_line)?;
    let mut keys = BTreeMap::new();
    match root {
        serde_json::Value::Null => {}
        serde_json::Value::Object(_) => flatten(None, &root, &mut keys),
        _ => return Err("its top level is not a mapping".to_owned()),
    }
    Ok(keys)
}

fn flatten(name: Option<&str>, value: &serde_json::Value, keys: &mut BTreeMap<String, String>) {
    use serde_json::Value;
    let scalar = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match (name, value) {
        (_, Value::Object(members)) => {
            for (key, member) in members {
                let name = name.map_or_else(|| key.clone(), |name| format!("{name}-{key}"));
                flatten(Some(&name), member, keys);
            }
        }
        (None, _) | (_, Value::Null) => {}
        (Some(name), Value::Array(items)) => {
            keys.insert(name.to_owned(), items.iter().map(scalar).collect::<Vec<_>>().join(","));
        }
        (Some(name), value) => {
            keys.insert(name.to_owned(), scalar(value));
        }
    }
}

fn declared_twice(spec: &Spec) -> Vec<Mistake> {
    let mut seen = BTreeSet::from([CONFIG.to_owned()]);
    let mut is_new = |entry: &&Entry| {
        seen.insert(flag(entry)) && (entry.kind != Kind::Secret || seen.insert(entry.name.to_owned()))
    };
    let twice = spec.entries.iter().filter(|entry| !is_new(entry));
    twice.map(|entry| Mistake { name: entry.name.to_owned(), problem: Problem::DeclaredTwice }).collect()
}

/// A misspelt variable is a mistake; one that resembles none of ours belongs to somebody else in the same
/// environment and is only told.
fn unknown_variables(spec: &Spec, inputs: &Inputs, mistakes: &mut Vec<Mistake>) -> Vec<String> {
    let mut known: BTreeSet<String> = BTreeSet::from([super::variable(CONFIG)]);
    for entry in &spec.entries {
        known.insert(entry.variable());
        if entry.kind == Kind::Secret {
            known.insert(format!("{}_FILE", entry.variable()));
        }
    }
    let ours = inputs.variables.keys().filter(|name| name.starts_with(PREFIX));
    let unknown =
        ours.filter(|name| !known.contains(*name) && !FOREIGN.iter().any(|other| name.starts_with(other)));
    let mut notices = Vec::new();
    for name in unknown {
        let near = known.iter().find(|candidate| distance(candidate, name) <= 2);
        match near {
            Some(nearest) => {
                let problem = Problem::UnknownVariable { nearest: nearest.clone() };
                mistakes.push(Mistake { name: name.clone(), problem });
            }
            None => notices.push(name.clone()),
        }
    }
    notices
}

fn nearest(key: &str, spec: &Spec) -> Option<&'static str> {
    let scored = spec.entries.iter().map(|entry| (distance(entry.name, key), entry.name));
    scored.filter(|(distance, _)| *distance <= 3).min().map(|(_, name)| name)
}

/// How many letters have to be put in, taken out or exchanged to make one word of the other.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, from) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}
