//! What an SIU message says of an appointment.

use super::reader::invalid;
use super::source::{Source, places};
use super::{Statement, Translated};
use backbone::Reject;
use canon::event::{Change, Name};
use canon::events::clinical_appointment::AppointmentStatus;
use canon::{Appointment, Timestamp};
use hl7::message::{Segment, Value};
use std::time::Duration;

/// The appointment as this message left it.
pub(super) fn appointment(source: &Source<'_>, status: AppointmentStatus) -> Result<Translated, Reject> {
    source.one_patient()?;
    let reader = source.reader;
    let patient = source.patient()?;
    let paths = &source.reading.appointment_paths;
    let id =
        reader.first_of(paths)?.ok_or_else(|| invalid(places(paths), "are empty: no appointment number"))?;
    let message = reader.message();
    let location = match message.segment("AIL") {
        Some(ail) => reader.place(ail.field(3), "AIL-3")?.filter(|place| !place.is_empty()),
        None => None,
    };
    let (starts_at, ends_at) = span(source)?;
    let first = |one: &str, other: &str| match reader.code_at(one)? {
        Some(code) => Ok(Some(code)),
        None => reader.code_at(other),
    };
    let event = Appointment {
        change: Change::Recorded,
        appointment: Name::new("appointment", &[source.sender.as_str(), &id]).to_string(),
        patient,
        encounter: source.encounter(),
        sender: source.sender.to_string(),
        control_id: source.control_id.to_owned(),
        trigger: source.trigger.clone(),
        status,
        starts_at,
        ends_at,
        service: first("AIS-3", "SCH-8")?,
        location,
        resource: first("AIG-3", "AIP-3")?,
        facility: reader.code_at("AIL-3.4")?.or_else(|| source.facility.clone()),
        occurred_at: source.occurred_at,
    };
    // With the patient: after a merge it is another's fact, and a fact's key never changes.
    let name = Name::new("appointment", &[source.sender.as_str(), patient.as_str(), &id]);
    Translated::of(vec![Statement::Appointment(name, Box::new(event))])
}

/// From when to when: by SCH-11, else TQ1, else the first service's beginning; the end perhaps by a duration.
fn span(source: &Source<'_>) -> Result<(Option<Timestamp>, Option<Timestamp>), Reject> {
    let reader = source.reader;
    let mut starts_at = None;
    for path in ["SCH-11.4", "TQ1-7", "AIS-4"] {
        starts_at = starts_at.or(reader.time_at(path)?);
    }
    let mut ends_at = None;
    for path in ["SCH-11.5", "TQ1-8"] {
        ends_at = ends_at.or(reader.time_at(path)?);
    }
    if ends_at.is_some() {
        return Ok((starts_at, ends_at));
    }
    let message = reader.message();
    let stated = |segment: Option<Segment<'_>>, field: usize| {
        segment.and_then(|segment| {
            let number = *segment.field(field).component(1);
            let unit = *segment.field(field + 1).component(1);
            duration(&number.text(reader.charset()), unit_of(source, unit).as_deref())
        })
    };
    let lasts = stated(message.segment("SCH"), 9).or_else(|| stated(message.segment("AIS"), 7));
    Ok((starts_at, starts_at.zip(lasts).map(|(at, lasts)| at + lasts)))
}

fn unit_of(source: &Source<'_>, unit: Value<'_>) -> Option<String> {
    let text = unit.text(source.reader.charset()).trim().to_lowercase();
    (!text.is_empty()).then_some(text)
}

/// A duration in whole units; none where it cannot be read, since an appointment does not stand or fall by its end.
fn duration(number: &str, unit: Option<&str>) -> Option<Duration> {
    let seconds = match unit {
        None | Some("m" | "min" | "mins" | "minute" | "minutes") => 60,
        Some("h" | "hr" | "hour" | "hours") => 3_600,
        Some("s" | "sec" | "seconds") => 1,
        Some(_) => return None,
    };
    let number: u64 = number.trim().parse().ok()?;
    // A year at most: more is no appointment.
    Some(Duration::from_secs(number.checked_mul(seconds)?)).filter(|lasts| lasts.as_secs() <= 366 * 86_400)
}
