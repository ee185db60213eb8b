//! Merges of patients, as links between identifiers: no fact of the retired one is touched.

use super::part::Part;
use super::reader::invalid;
use super::source::{Source, illegible};
use super::{Statement, Translated};
use crate::subject;
use backbone::{Reason, Reject};
use canon::event::{Change, Name};
use canon::{PatientLink, PatientToken};
use hl7::message::{Field, Group};
use std::collections::BTreeMap;

/// A40, and its elders A34 and A18: PID-3 survives, every MRG-1 behind it retires; each pair a link.
pub(super) fn links(source: &Source<'_>) -> Result<Translated, Reject> {
    Part::none_before(source.reader, "PID", &["MRG"])?;
    let mut survivors = BTreeMap::new();
    let mut statements = Vec::new();
    for group in source.reader.message().groups("PID", &[]) {
        let path = source.reading.patient.path;
        let pid = group.segments_named(path.segment()).next();
        let survivor = pid.map(|pid| pid.field(path.within.field.get().into()));
        let survivor = patient(source, survivor, &path.to_string())?;
        for retired in retired(source, group)? {
            if retired == survivor {
                return Err(invalid("MRG-1", "names the patient that it is to be merged into"));
            }
            match survivors.insert(retired, survivor) {
                None => {}
                // One number, by two types of identifiers.
                Some(known) if known == survivor => continue,
                Some(_) => {
                    return Err(Reject::new(
                        Reason::Conflict,
                        "MRG-1 names a patient that is merged into two",
                    ));
                }
            }
            let link = PatientLink {
                change: Change::Recorded,
                patient: retired,
                survivor,
                sender: source.sender.to_string(),
                trigger: source.trigger.clone(),
                occurred_at: source.occurred_at,
            };
            statements.push(Statement::Link(name(retired), Box::new(link)));
        }
    }
    match statements.is_empty() {
        true => Err(invalid("PID", "is missing: not said which patients are merged")),
        false => Translated::of(statements),
    }
}

/// The patients that are merged into the one of a group: each MRG names one at least.
fn retired(source: &Source<'_>, group: Group<'_, '_>) -> Result<Vec<PatientToken>, Reject> {
    let charset = source.reader.charset();
    let mut all = Vec::new();
    for mrg in group.segments_named("MRG") {
        let named = subject::patients_of(mrg.field(1), charset, &source.reading.patient, source.tokens);
        let named = named.map_err(|why| illegible("MRG-1", why))?;
        if named.is_empty() {
            return Err(unnamed("MRG-1"));
        }
        all.extend(named);
    }
    if all.is_empty() { Err(unnamed("MRG-1")) } else { Ok(all) }
}

/// A37: two patients that are not one after all. Which of them was retired is not said.
pub(super) fn unlink(source: &Source<'_>) -> Result<Translated, Reject> {
    let mut statements = Vec::new();
    for pid in source.reader.message().segments_named("PID") {
        let path = source.reading.patient.path;
        let token = patient(source, Some(pid.field(path.within.field.get().into())), &path.to_string())?;
        statements.push(Statement::Unlinked(name(token), token));
    }
    match statements.len() {
        2 => Translated::of(statements),
        _ => Err(invalid("PID", "does not stand there twice: not said which patients are unlinked")),
    }
}

/// A link is named by who is retired: a later one corrects it, whoever says it.
fn name(retired: PatientToken) -> Name {
    Name::new("patient-link", &[retired.as_str()])
}

fn patient(source: &Source<'_>, field: Option<Field<'_>>, at: &str) -> Result<PatientToken, Reject> {
    let charset = source.reader.charset();
    let field = field.ok_or_else(|| unnamed(at))?;
    let found = subject::patient_of(field, charset, &source.reading.patient, source.tokens);
    found.map_err(|why| illegible(at, why))?.ok_or_else(|| unnamed(at))
}

fn unnamed(at: &str) -> Reject {
    invalid(at, "names no patient of the authority that counts")
}
