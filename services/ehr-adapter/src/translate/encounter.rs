//! What an ADT message says of a visit: where it stands, or that it went into another.

use super::part::Part;
use super::reader::invalid;
use super::source::{Source, illegible};
use super::unmapped::{Unmapped, Why};
use super::{Statement, Translated};
use crate::subject;
use backbone::Reject;
use canon::event::Change;
use canon::events::clinical_encounter::EncounterStatus;
use canon::{Encounter, EncounterToken, PatientToken, Phi};
use hl7::message::{Field, Group, Path};
use std::num::NonZeroU16;

/// What this one message said, and nothing that others said before.
pub(super) fn encounter(source: &Source<'_>, status: EncounterStatus) -> Result<Translated, Reject> {
    source.one_patient()?;
    let (reader, reading) = (source.reader, source.reading);
    let visit = source.visit()?;
    let payer = subject::component(reader.message(), &reading.payer);
    let account = subject::component(reader.message(), &reading.account.path);
    let account = reader.code(account, reading.account.path)?;
    let pv1 = reader.message().segment("PV1");
    let place = |number: usize, at: &'static str| match pv1 {
        Some(pv1) => reader.place(pv1.field(number), at),
        None => Ok(None),
    };
    let event = Encounter {
        status,
        class: reader.deletable(reader.at("PV1-2"), "PV1-2")?,
        location: place(3, "PV1-3")?,
        prior_location: place(6, "PV1-6")?,
        attending: pv1.and_then(|pv1| attending(source, pv1.field(7))),
        account: account.map(|id| source.tokens.account(&reading.account.authority, &id)),
        payer: reader.deletable(payer, reading.payer)?,
        admitted_at: reader.time_at("PV1-44")?,
        discharged_at: reader.time_at("PV1-45")?,
        ..silent(source, visit.token, visit.number.clone(), source.patient)
    };
    Translated::of(vec![stated(source, event, 1)])
}

/// With the visit: a fact's key never changes, so a message that turns out to be of another visit is another fact.
fn stated(source: &Source<'_>, event: Encounter, number: usize) -> Statement {
    let number = number.to_string();
    let parts = [source.sender.as_str(), source.control_id, event.encounter.as_str(), &number];
    // A message says one, as a rule.
    let parts = if number == "1" { &parts[..3] } else { &parts[..] };
    Statement::Encounter(source.name_by_message("encounter", parts), Box::new(event))
}

/// Accounts or visits that were merged or moved: each retired one says where it went.
pub(super) fn moves(source: &Source<'_>) -> Result<Translated, Reject> {
    // A45 moves visits by their numbers, the others accounts.
    let of_visits = source.trigger == "A45";
    let account = one_value(source.reading.account.path);
    if !of_visits && !source.reading.visit.paths.iter().any(|path| one_value(*path) == account) {
        let what = format!("ADT^{}", source.trigger);
        return Ok(Translated {
            unmapped: vec![Unmapped { what, why: Why::Account }],
            ..Translated::default()
        });
    }
    let leader = if of_visits { "MRG" } else { "PID" };
    Part::none_before(source.reader, leader, &["MRG"])?;
    let mut statements = Vec::new();
    for group in source.reader.message().groups(leader, &[]) {
        for number in retired(source, group, of_visits)? {
            let event = moved(source, group, number, of_visits)?;
            statements.push(stated(source, event, statements.len() + 1));
        }
    }
    match statements.is_empty() {
        true => Err(invalid("MRG", "is missing: not said what was merged or moved")),
        false => Translated::of(statements),
    }
}

/// The numbers that retire in a group, each once: every MRG in it has to name one.
fn retired(source: &Source<'_>, group: Group<'_, '_>, of_visits: bool) -> Result<Vec<String>, Reject> {
    let (number, at) = if of_visits { (5, "MRG-5") } else { (3, "MRG-3") };
    let unsaid = || invalid(at, "is empty: not said what was merged or moved");
    let mut all = Vec::new();
    for mrg in group.segments_named("MRG") {
        let mut is_empty = true;
        for repetition in mrg.field(number).repetitions() {
            let Some(number) = source.reader.code(*repetition.component(1), at)? else { continue };
            is_empty = false;
            if !all.contains(&number) {
                all.push(number);
            }
        }
        if is_empty {
            return Err(unsaid());
        }
    }
    if all.is_empty() { Err(unsaid()) } else { Ok(all) }
}

/// A path with all that it leaves out: PID-18 and PID-18.1 are one place.
fn one_value(mut path: Path) -> Path {
    let first = Some(NonZeroU16::MIN);
    path.occurrence = path.occurrence.or(first);
    path.within.repetition = path.within.repetition.or(first);
    path.within.component = path.within.component.or(first);
    path
}

fn moved(
    source: &Source<'_>,
    group: Group<'_, '_>,
    retired: String,
    of_visits: bool,
) -> Result<Encounter, Reject> {
    let (reader, reading) = (source.reader, source.reading);
    let survivor = match of_visits {
        true => match group.segments_named("PV1").next() {
            Some(pv1) => reader.code(*pv1.field(19).component(1), "PV1-19")?,
            None => source.visit().ok().map(|visit| visit.number.reveal().clone()),
        },
        false => {
            let path = reading.account.path;
            reader.code(group.get(&one_value(path)), path)?
        }
    };
    let at = if of_visits { "PV1-19".to_owned() } else { reading.account.path.to_string() };
    let survivor =
        survivor.ok_or_else(|| invalid(at, "is empty: not said what it was merged or moved into"))?;
    let patient = match group.segments_named("PID").next() {
        Some(pid) => {
            let field = pid.field(reading.patient.path.within.field.get().into());
            let patient = subject::patient_of(field, reader.charset(), &reading.patient, source.tokens);
            patient.map_err(|why| illegible(&reading.patient.path.to_string(), why))?
        }
        None => source.patient,
    };
    let token = |number: &str| source.tokens.encounter(&reading.visit.authority, number);
    // An account that goes to another patient under its own number is the same visit.
    let moved_to = (retired != survivor).then(|| token(&survivor));
    let visit = token(&retired);
    Ok(Encounter { moved_to, ..silent(source, visit, Phi(retired), patient) })
}

/// What is known of every message of a visit.
fn silent(
    source: &Source<'_>,
    visit: EncounterToken,
    visit_number: Phi<String>,
    patient: Option<PatientToken>,
) -> Encounter {
    Encounter {
        change: Change::Recorded,
        encounter: visit,
        patient,
        sender: source.sender.to_string(),
        control_id: source.control_id.to_owned(),
        trigger: source.trigger.clone(),
        visit_number,
        status: EncounterStatus::Unsaid,
        class: None,
        facility: source.facility.clone(),
        location: None,
        prior_location: None,
        attending: None,
        account: None,
        moved_to: None,
        payer: None,
        admitted_at: None,
        discharged_at: None,
        occurred_at: source.occurred_at,
    }
}

/// A doctor as code and name.
fn attending(source: &Source<'_>, field: Field<'_>) -> Option<Phi<String>> {
    let parts =
        (1..=3).filter_map(|number| source.reader.free_text(*field.component(number).subcomponent(1)));
    let parts: Vec<String> = parts.map(Phi::into_inner).collect();
    (!parts.is_empty()).then(|| Phi(parts.join(" ")))
}
