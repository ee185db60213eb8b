//! Whom a message is about: the tokens of its patient and its visit, by the sender's policies.
//!
//! An identifier that cannot be read for certain is none: bytes without a meaning would make one token of two people.

use crate::sender::{PatientPolicy, VisitPolicy};
use canon::{EncounterToken, PatientToken, Phi, Tokenizer};
use hl7::charset::Charset;
use hl7::message::{Field, Message, Path, Presence, Repetition, Value};

/// The longest identifier that is taken as one, in bytes.
pub(crate) const ID_BYTES_MAX: usize = 250;

/// A visit as a message names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Visit {
    pub(crate) token: EncounterToken,
    pub(crate) number: Phi<String>,
}

/// A value cannot be read for certain. The value is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Illegible {
    #[error("has bytes that its character set does not know")]
    Charset,
    #[error("has control characters")]
    Control,
    #[error("is longer than {ID_BYTES_MAX} bytes")]
    Length,
}

/// The patient's token, from the one repetition that the policy chooses.
pub(crate) fn patient(
    message: &Message<'_>,
    charset: Charset,
    policy: &PatientPolicy,
    tokens: &Tokenizer,
) -> Result<Option<PatientToken>, Illegible> {
    match field(message, &policy.path) {
        Some(field) => patient_of(field, charset, policy, tokens),
        None => Ok(None),
    }
}

/// The patient's token, from the one repetition of a field of identifiers that the policy chooses.
pub(crate) fn patient_of(
    field: Field<'_>,
    charset: Charset,
    policy: &PatientPolicy,
    tokens: &Tokenizer,
) -> Result<Option<PatientToken>, Illegible> {
    identifiers(field, charset, policy, tokens).next().transpose()
}

/// The tokens of all patients that a field of identifiers names, as a merge may name several.
pub(crate) fn patients_of(
    field: Field<'_>,
    charset: Charset,
    policy: &PatientPolicy,
    tokens: &Tokenizer,
) -> Result<Vec<PatientToken>, Illegible> {
    identifiers(field, charset, policy, tokens).collect()
}

/// The repetitions that count by the policy and have a value.
fn identifiers(
    field: Field<'_>,
    charset: Charset,
    policy: &PatientPolicy,
    tokens: &Tokenizer,
) -> impl Iterator<Item = Result<PatientToken, Illegible>> {
    let counts = move |identifier: &Repetition<'_>| {
        let authority = identifier.component(4);
        let is_named = |wanted: &String| {
            [*authority.subcomponent(1), *authority.subcomponent(2)]
                .iter()
                .any(|part| part.text(charset).trim() == wanted)
        };
        let is_of_type = |wanted: &String| identifier.component(5).text(charset).trim() == wanted;
        policy.assigning_authority.as_ref().is_none_or(is_named)
            && policy.identifier_type.as_ref().is_none_or(is_of_type)
    };
    field.repetitions().filter(counts).filter_map(move |identifier| {
        let id = code(*identifier.component(1), charset).transpose()?;
        Some(id.map(|id| tokens.patient(&policy.authority, &id)))
    })
}

/// The visit, from the first place of the policy that has a number.
pub(crate) fn visit(
    message: &Message<'_>,
    charset: Charset,
    policy: &VisitPolicy,
    tokens: &Tokenizer,
) -> Result<Option<Visit>, Illegible> {
    for path in &policy.paths {
        if let Some(number) = code(component(message, path), charset)? {
            let token = tokens.encounter(&policy.authority, &number);
            return Ok(Some(Visit { token, number: Phi(number) }));
        }
    }
    Ok(None)
}

/// The value at a path, of its first component where the path names none.
pub(crate) fn component<'a>(message: &Message<'a>, path: &Path) -> Value<'a> {
    if path.within.component.is_some() {
        return message.get(path);
    }
    match field(message, path) {
        Some(field) => {
            let number = path.within.repetition.map_or(1, |number| number.get().into());
            *field.repetition(number).component(1)
        }
        // What is not there is an absent value.
        None => message.get(path),
    }
}

/// A code or an identifier: its text without blanks around it; none where nothing is said, or a deletion.
pub(crate) fn code(value: Value<'_>, charset: Charset) -> Result<Option<String>, Illegible> {
    if value.presence() != Presence::Value {
        return Ok(None);
    }
    let decoded = value.decode(charset);
    if decoded.had_errors {
        return Err(Illegible::Charset);
    }
    let text = decoded.text.trim();
    if text.chars().any(char::is_control) {
        return Err(Illegible::Control);
    }
    if text.len() > ID_BYTES_MAX {
        return Err(Illegible::Length);
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn field<'a>(message: &Message<'a>, path: &Path) -> Option<Field<'a>> {
    let skip = path.occurrence.map_or(0, |occurrence| usize::from(occurrence.get()) - 1);
    let segment = message.segments_named(path.segment()).nth(skip)?;
    Some(segment.field(path.within.field.get().into()))
}
