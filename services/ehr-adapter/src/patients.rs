//! What is known of a patient: a fold of its own over the landed messages, one state a patient.
//!
//! Consumes `raw.hl7v2.v1`, publishes `clinical.patient.v1`. Only ADT messages count: what other systems copy into
//! their PID is older than what registration says. An empty field says nothing, `""` deletes; of each field the latest
//! word holds by the source's time, so that the order of arrival makes no difference. What the
//! translation passes by, or parks over its MSH, says nothing here. Nothing parks here: what cannot be read parks in the
//! translation of the same message, and is told once.

#[cfg(test)]
mod tests;

use crate::sender::Reading;
use crate::setup::Setup;
use crate::translate::{Reader, counts, occurred_at};
use backbone::{Cx, Fact, Folding, On, Projection, Reject};
use canon::event::{Change, Name};
use canon::{Patient, PatientToken, Phi, RawHl7v2, RawKey, SenderConfig, Timestamp, Tokenizer};
use hl7::charset::Charset;
use hl7::message::{Field, Message, Presence, Repetition, Segment, Value};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is known of one patient.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Known {
    said: BTreeMap<What, Said>,
    /// What was stated last: what changes nothing states nothing.
    stated: Option<Box<Patient>>,
}

/// A field of a patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Address,
    BirthDate,
    Deceased,
    Family,
    Given,
    Phone,
    Sex,
}

/// The latest word on a field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Said {
    at: Timestamp,
    /// None: deleted.
    value: Option<Phi<String>>,
}

/// The fold as the service runs it.
pub(crate) fn folding(setup: Setup) -> Folding<Known> {
    Folding::new(setup).on::<RawHl7v2>().knows::<SenderConfig>().emits::<Patient>()
}

impl Projection for Known {
    const NAME: &'static str = "hl7-patients";
    type Key = RawKey;
    type Setup = Setup;
}

impl On<RawHl7v2> for Known {
    fn on(&mut self, fact: &Fact<RawHl7v2>, cx: &mut Cx<'_, Setup>) -> Result<(), Reject> {
        let RawKey::Patient(patient) = fact.key else { return Ok(()) };
        if !is_of_registration(&fact.body) {
            return Ok(());
        }
        let reading = cx.setup().reading(cx, &fact.body.sender)?;
        let heard = self.hear(&fact.body, fact.homonyms, patient, &reading, cx.setup().tokens());
        if let Some((name, event)) = heard {
            cx.emit::<Patient>(name, &patient, event);
        }
        Ok(())
    }
}

/// Whether it is a message that patients' data are taken from.
fn is_of_registration(raw: &RawHl7v2) -> bool {
    raw.message_code.as_deref() == Some("ADT") && raw.unparsed.is_none()
}

impl Known {
    /// Takes what a message says; gives the patient as it is then, if anything is different. `homonyms` counts other
    /// messages that came under its control id before.
    pub(crate) fn hear(
        &mut self,
        raw: &RawHl7v2,
        homonyms: u32,
        patient: PatientToken,
        reading: &Reading,
        tokens: &Tokenizer,
    ) -> Option<(Name, Patient)> {
        if !is_of_registration(raw) {
            return None;
        }
        let payload = Charset::readable(raw.payload.reveal(), reading.charset);
        let message = Message::parse(&payload).ok()?;
        let reader = Reader::new(&message, reading);
        if !counts(raw, homonyms, &reader, tokens) {
            return None;
        }
        // A time that cannot be read parks in the translation; here it is as if it were not there.
        let at = occurred_at(&reader).ok().flatten().unwrap_or(raw.received_at);
        for (what, value) in words(&reader, message.segment("PID")?) {
            let word = Said { at, value };
            let held = self.said.get(&what);
            // At one time the greater word holds, so that it is the same one in every order.
            if held.is_none_or(|held| (held.at, &held.value) < (word.at, &word.value)) {
                self.said.insert(what, word);
            }
        }
        let event = self.as_of(at, patient, &raw.sender);
        if self.stated.as_deref().is_some_and(|stated| says_the_same(stated, &event)) {
            return None;
        }
        self.stated = Some(Box::new(event.clone()));
        Some((Name::new("patient", &[patient.as_str()]), event))
    }

    fn as_of(&self, at: Timestamp, patient: PatientToken, sender: &str) -> Patient {
        let value = |what| self.said.get(&what).and_then(|said| said.value.clone());
        Patient {
            change: Change::Recorded,
            patient,
            sender: sender.to_owned(),
            family: value(What::Family),
            given: value(What::Given),
            birth_date: value(What::BirthDate),
            sex: value(What::Sex),
            address: value(What::Address),
            phone: value(What::Phone),
            deceased: Phi(value(What::Deceased).is_some_and(|said| said.reveal() == "Y")),
            occurred_at: at,
        }
    }
}

/// Whether nothing of the patient is different, whoever said it and when.
fn says_the_same(one: &Patient, other: &Patient) -> bool {
    let apart = Patient { sender: one.sender.clone(), occurred_at: one.occurred_at, ..other.clone() };
    *one == apart
}

/// What a PID says: none where it deletes, nothing where it is silent.
fn words<'a>(reader: &Reader<'_, '_>, pid: Segment<'a>) -> Vec<(What, Option<Phi<String>>)> {
    let mut words = Vec::new();
    let name = legal(reader, pid.field(5));
    let is_null = |field: Field<'a>| field.presence() == Presence::Null;
    let mut take = |what, whole: Field<'a>, value: Value<'a>| match (is_null(whole), value.presence()) {
        (true, _) | (_, Presence::Null) => words.push((what, None)),
        (false, Presence::Absent) => {}
        (false, Presence::Value) => {
            if let Some(text) = reader.free_text(value) {
                words.push((what, Some(text)));
            }
        }
    };
    take(What::Family, pid.field(5), *name.component(1).subcomponent(1));
    take(What::Given, pid.field(5), *name.component(2));
    take(What::BirthDate, pid.field(7), *pid.field(7).component(1));
    take(What::Sex, pid.field(8), *pid.field(8).component(1));
    let (phone, whole) = (pid.field(13), pid.field(13).repetition(1));
    let number = if whole.component(1).is_absent() { whole.component(12) } else { whole.component(1) };
    take(What::Phone, phone, *number);
    words.extend(address(reader, pid.field(11)));
    words.extend(deceased(reader, pid));
    words
}

/// The legal name among several (XPN.7 is L), else the first.
fn legal<'a>(reader: &Reader<'_, '_>, field: Field<'a>) -> Repetition<'a> {
    let is_legal = |name: &Repetition<'a>| name.component(7).text(reader.charset()).trim() == "L";
    field.repetitions().find(is_legal).unwrap_or_else(|| field.repetition(1))
}

/// The first address, as one text.
fn address(reader: &Reader<'_, '_>, field: Field<'_>) -> Option<(What, Option<Phi<String>>)> {
    let (first, mut parts) = (field.repetition(1), Vec::new());
    if field.presence() == Presence::Null {
        return Some((What::Address, None));
    }
    // Street, second line, then town, and behind it state, postcode and country.
    for number in 1..=6 {
        let value = first.component(number);
        let value = if number == 1 { *value.subcomponent(1) } else { *value };
        parts.extend(reader.free_text(value).map(Phi::into_inner));
    }
    (!parts.is_empty()).then(|| (What::Address, Some(Phi(parts.join(", ")))))
}

/// PID-30, or a time of death in PID-29.
fn deceased(reader: &Reader<'_, '_>, pid: Segment<'_>) -> Option<(What, Option<Phi<String>>)> {
    let (died_at, indicator) = (pid.field(29), pid.field(30));
    let said = indicator.component(1).text(reader.charset()).trim().to_uppercase();
    match (died_at.presence(), indicator.presence()) {
        (Presence::Value, _) => Some((What::Deceased, Some(Phi("Y".to_owned())))),
        (_, Presence::Value) if said == "Y" || said == "N" => Some((What::Deceased, Some(Phi(said)))),
        (Presence::Null, _) | (_, Presence::Null) => Some((What::Deceased, None)),
        _ => None,
    }
}
