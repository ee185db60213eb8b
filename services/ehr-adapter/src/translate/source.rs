//! What every fact of a message shares: whose it is, when it was, and what it is named by.

use super::Desk;
use super::reader::{Reader, invalid};
use super::tables::Tables;
use crate::sender::{ControlIds, Reading};
use crate::subject::{self, Illegible, Visit};
use backbone::{Reason, Reject};
use canon::event::Name;
use canon::{Date, EncounterToken, PatientToken, RawHl7v2, SenderName, Timestamp, Tokenizer};
use hl7::message::Path;

/// A message with what all of its facts say.
pub(super) struct Source<'a> {
    pub(super) reader: &'a Reader<'a, 'a>,
    pub(super) reading: &'a Reading,
    pub(super) tables: &'a dyn Tables,
    pub(super) tokens: &'a Tokenizer,
    pub(super) sender: SenderName,
    pub(super) control_id: &'a str,
    pub(super) trigger: String,
    pub(super) facility: Option<String>,
    pub(super) occurred_at: Timestamp,
    /// The day of that where the sender is: what code tables are asked for where a line has no day of its own.
    pub(super) occurred_on: Date,
    /// Tells messages apart by content as well, where control ids start again.
    identity: Option<String>,
    visit: Option<Visit>,
    pub(super) patient: Option<PatientToken>,
}

impl<'a> Source<'a> {
    pub(super) fn of(raw: &'a RawHl7v2, reader: &'a Reader<'a, 'a>, desk: &Desk<'a>) -> Result<Self, Reject> {
        let Desk { reading, tables, tokens } = *desk;
        let message = reader.message();
        let control_id = raw.control_id.as_deref();
        let control_id = control_id.ok_or_else(|| Reject::alone(Reason::Invalid, "MSH-10 is empty"))?;
        let unnamed = || Reject::alone(Reason::Invalid, "the sender's name is none");
        let sender = raw.sender.parse::<SenderName>().map_err(|_| unnamed())?;
        let visit = subject::visit(message, reader.charset(), &reading.visit, tokens);
        let visit = visit.map_err(|why| illegible(&places(&reading.visit.paths), why))?;
        let patient = subject::patient(message, reader.charset(), &reading.patient, tokens);
        let patient = patient.map_err(|why| illegible(&reading.patient.path.to_string(), why))?;
        let facility = reader.first_of(&reading.facility_paths)?.or_else(|| reading.facility.clone());
        let trigger = match &raw.trigger {
            Some(trigger) => trigger.clone(),
            None => reader.code_at("EVN-1")?.unwrap_or_default(),
        };
        let occurred_at = occurred_at(reader)?.unwrap_or(raw.received_at);
        let identity = (reading.control_ids == ControlIds::Restarts).then(|| hex(&raw.identity[..16]));
        Ok(Self {
            reader,
            reading,
            tables,
            tokens,
            sender,
            control_id,
            trigger,
            facility,
            occurred_at,
            occurred_on: occurred_on(reader, raw.received_at),
            identity,
            visit,
            patient,
        })
    }

    /// The visit's token, if the message names a visit.
    pub(super) fn encounter(&self) -> Option<EncounterToken> {
        self.visit.as_ref().map(|visit| visit.token)
    }

    /// The visit, of a message that has to name one.
    pub(super) fn visit(&self) -> Result<&Visit, Reject> {
        self.visit.as_ref().ok_or_else(|| {
            let places = places(&self.reading.visit.paths);
            Reject::new(Reason::Invalid, format!("{places}: no visit number"))
        })
    }

    /// The patient, of a message that has to name one.
    pub(super) fn patient(&self) -> Result<PatientToken, Reject> {
        self.patient.ok_or_else(|| {
            let place = self.reading.patient.path;
            invalid(place, "names no patient of the authority that counts")
        })
    }

    /// Parks a message with a second patient: what is said behind it would be taken for the first one's.
    pub(super) fn one_patient(&self) -> Result<(), Reject> {
        match self.reader.message().segments_named("PID").nth(1) {
            None => Ok(()),
            Some(_) => Err(Reject::new(Reason::Unsupported, "PID[2]: a second patient in one message")),
        }
    }

    /// A fact's name of these parts, and of the message's identity where its control id is not enough.
    pub(super) fn name_by_message(&self, kind: &str, parts: &[&str]) -> Name {
        Name::new(kind, &self.parts_by_message(parts))
    }

    /// The parts of such a name.
    pub(super) fn parts_by_message(&self, parts: &[&str]) -> Vec<String> {
        parts.iter().copied().chain(self.identity.as_deref()).map(str::to_owned).collect()
    }
}

/// When it happened, by the source: EVN-2, else MSH-7.
pub(crate) fn occurred_at(reader: &Reader<'_, '_>) -> Result<Option<Timestamp>, Reject> {
    match reader.time_at("EVN-2")? {
        Some(at) => Ok(Some(at)),
        None => reader.time_at("MSH-7"),
    }
}

/// The day that this is at its source: as it is written there, else the day in the sender's zone when it came.
fn occurred_on(reader: &Reader<'_, '_>, received_at: Timestamp) -> Date {
    let said = ["EVN-2", "MSH-7"].into_iter().find_map(|path| reader.date_at(path));
    said.or_else(|| reader.date_of(received_at)).unwrap_or_else(|| received_at.date())
}

/// `PV1-19, else PID-18`.
pub(super) fn places(paths: &[Path]) -> String {
    paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(", else ")
}

pub(super) fn illegible(at: &str, why: Illegible) -> Reject {
    Reject::new(Reason::Invalid, format!("{at} {why}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
