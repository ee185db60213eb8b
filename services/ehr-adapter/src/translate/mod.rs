//! Translation: what one message said, as facts. A pure fold without memory.
//!
//! Consumes `raw.hl7v2.v1`, publishes `clinical.encounter.v1` (ADT A01, A03, A04, A08, A13) and `billing.charge.v1`
//! (DFT P03, one fact per FT1). Messages of other types and of other processing modes than the sender's
//! configuration allows come to nothing. What cannot be read without guessing parks, and says which position.

mod charge;
mod encounter;
mod reader;
#[cfg(test)]
mod tests;

use crate::sender::{ControlIds, Dft, Reading, Sender};
use crate::subject::{self, Illegible, Visit};
use backbone::{Cx, Fact, On, Projection, Reason, Reject};
use canon::event::Name;
use canon::{Charge, Encounter, EncounterToken, PatientToken, RawHl7v2, RawKey, Timestamp, Tokenizer};
use charge::charges;
use encounter::encounter;
use hl7::message::{Message, ParseError, Path};
use reader::Reader;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// The translation of raw messages. It remembers nothing: each message is translated by itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Translation {}

/// The senders' ways of being read, and the tokens' secret.
pub(crate) struct Setup {
    readings: BTreeMap<String, Reading>,
    tokens: Tokenizer,
    fingerprint: String,
}

/// What the message says; each is emitted under its name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Statement {
    Charge(Name, Box<Charge>),
    Encounter(Name, Box<Encounter>),
}

/// What a message is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// ADT with this trigger.
    Visit(encounter::Trigger),
    /// DFT^P03.
    Charges,
}

/// What every fact of a message shares.
struct Source<'a> {
    sender: &'a str,
    control_id: &'a str,
    /// Told apart by content as well, where control ids start again.
    identity: Option<String>,
    visit: Visit,
    patient: Option<PatientToken>,
    facility: Option<String>,
    occurred_at: Timestamp,
}

impl Setup {
    pub(crate) fn new(senders: Vec<Sender>, tokens: Tokenizer) -> Self {
        let readings: BTreeMap<String, Reading> =
            senders.into_iter().map(|sender| (sender.name, sender.reading)).collect();
        let mut hash = Sha256::new();
        hash.update(format!("{readings:?}"));
        // Tells one secret from another without telling anything of it.
        hash.update(tokens.account("vertebra", "fingerprint of the token secret").as_str());
        let fingerprint = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { readings, tokens, fingerprint }
    }
}

impl fmt::Debug for Setup {
    /// What the journal keeps with every batch: short, and another one when anything of it is another.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "senders {}", self.fingerprint)
    }
}

impl Projection for Translation {
    const NAME: &'static str = "hl7-translation";
    type Key = RawKey;
    type Setup = Setup;
}

impl On<RawHl7v2> for Translation {
    fn on(&mut self, fact: &Fact<RawHl7v2>, cx: &mut Cx<'_, Setup>) -> Result<(), Reject> {
        let statements = translate(cx.setup(), &fact.body, fact.homonyms).map_err(|reject| {
            // What nobody is known to own parks nobody else.
            let blocks_key = reject.blocks_key && !matches!(fact.key, RawKey::Sender(_));
            Reject { blocks_key, ..reject }
        })?;
        for statement in statements {
            match statement {
                Statement::Charge(name, charge) => {
                    let key = charge.encounter;
                    cx.emit::<Charge>(name, &key, *charge);
                }
                Statement::Encounter(name, visit) => {
                    let key = visit.encounter;
                    cx.emit::<Encounter>(name, &key, *visit);
                }
            }
        }
        Ok(())
    }
}

/// What a message says; `homonyms` counts other messages that came under its control id before.
pub(crate) fn translate(setup: &Setup, raw: &RawHl7v2, homonyms: u32) -> Result<Vec<Statement>, Reject> {
    let unknown = || Reject::new(Reason::Unsupported, "no sender of this name is configured");
    let reading = setup.readings.get(&raw.sender).ok_or_else(unknown)?;
    let payload = raw.payload.reveal();
    let message = Message::parse(payload).map_err(unreadable)?;
    if let Some(why) = &raw.unparsed {
        return Err(Reject::alone(Reason::Invalid, why));
    }
    let reader = Reader::new(&message, reading);
    let Some(kind) = Kind::of(raw, &reader, reading)? else { return Ok(Vec::new()) };
    if !is_allowed(raw, reading)? {
        return Ok(Vec::new());
    }
    if homonyms > 0 && reading.control_ids == ControlIds::Unique {
        let detail = "MSH-10 was given to another message before; if this sender's counter starts again, \
                      say `control_ids: restarts` in its configuration";
        return Err(Reject::new(Reason::Conflict, detail));
    }
    let source = Source::of(raw, &reader, reading, &setup.tokens)?;
    match kind {
        Kind::Visit(trigger) => {
            let (name, visit) = encounter(&source, trigger, &reader, reading)?;
            Ok(vec![Statement::Encounter(name, Box::new(visit))])
        }
        Kind::Charges => {
            let charges = charges(&source, &reader, reading)?;
            Ok(charges.into_iter().map(|(name, charge)| Statement::Charge(name, Box::new(charge))).collect())
        }
    }
}

impl Kind {
    /// What is translated; nothing otherwise.
    fn of(raw: &RawHl7v2, reader: &Reader<'_, '_>, reading: &Reading) -> Result<Option<Self>, Reject> {
        // Versions before 2.3 say the trigger in EVN-1 only.
        let trigger = match &raw.trigger {
            Some(trigger) => Some(trigger.clone()),
            None => reader.code_at("EVN-1")?,
        };
        Ok(match (raw.message_code.as_deref(), trigger.as_deref()) {
            (Some("ADT"), Some(trigger)) => encounter::Trigger::named(trigger).map(Self::Visit),
            (Some("DFT"), Some("P03")) if reading.dft == Dft::Charge => Some(Self::Charges),
            _ => None,
        })
    }
}

impl<'a> Source<'a> {
    fn of(
        raw: &'a RawHl7v2,
        reader: &Reader<'_, '_>,
        reading: &Reading,
        tokens: &Tokenizer,
    ) -> Result<Self, Reject> {
        let message = reader.message();
        let control_id = raw.control_id.as_deref();
        let control_id = control_id.ok_or_else(|| Reject::alone(Reason::Invalid, "MSH-10 is empty"))?;
        let visit = subject::visit(message, reader.charset(), &reading.visit, tokens);
        let visit = visit.map_err(|why| illegible(&places(&reading.visit.paths), why))?;
        let visit = visit.ok_or_else(|| {
            let places = places(&reading.visit.paths);
            Reject::new(Reason::Invalid, format!("{places}: no visit number"))
        })?;
        let patient = subject::patient(message, reader.charset(), &reading.patient, tokens);
        let patient = patient.map_err(|why| illegible(&reading.patient.path.to_string(), why))?;
        let facility = match reader.code_at("PV1-3.4")? {
            Some(facility) => Some(facility),
            None => reader.code_at("MSH-4")?.or_else(|| reading.facility.clone()),
        };
        let occurred_at = match reader.time_at("EVN-2")? {
            Some(at) => at,
            None => reader.time_at("MSH-7")?.unwrap_or(raw.received_at),
        };
        let identity = (reading.control_ids == ControlIds::Restarts).then(|| hex(&raw.identity[..16]));
        Ok(Self { sender: &raw.sender, control_id, identity, visit, patient, facility, occurred_at })
    }

    /// A fact's name of these parts, and of the message's identity where its control id is not enough.
    fn name_by_message(&self, kind: &str, parts: &[&str]) -> Name {
        let parts: Vec<&str> = parts.iter().copied().chain(self.identity.as_deref()).collect();
        Name::new(kind, &parts)
    }

    fn encounter(&self) -> EncounterToken {
        self.visit.token
    }
}

/// Whether the message's processing mode is one that is translated here.
fn is_allowed(raw: &RawHl7v2, reading: &Reading) -> Result<bool, Reject> {
    let said = raw.processing_id.as_deref().unwrap_or_default();
    let is_listed = reading.processing.iter().any(|allowed| allowed == said);
    if said.is_empty() && !is_listed {
        // Skipping it could lose charges, taking it could bill a test: a person has to say.
        let detail =
            "MSH-11 is empty; if this sender leaves it out, add \"\" to `processing` in its configuration";
        return Err(Reject::new(Reason::Invalid, detail));
    }
    Ok(is_listed)
}

fn unreadable(error: ParseError) -> Reject {
    match error {
        ParseError::Batch => {
            Reject::alone(Reason::Unsupported, "the payload is a batch, which is not split yet")
        }
        other => Reject::alone(Reason::Invalid, other),
    }
}

fn illegible(at: &str, why: Illegible) -> Reject {
    Reject::new(Reason::Invalid, format!("{at} {why}"))
}

/// `PV1-19, else PID-18`.
fn places(paths: &[Path]) -> String {
    paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(", else ")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
