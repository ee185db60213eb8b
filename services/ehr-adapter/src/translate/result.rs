//! What a laboratory reports: one fact per OBR with its OBX segments.

use super::order::id_of;
use super::reader::invalid;
use super::source::Source;
use super::{Statement, Translated};
use backbone::{Reason, Reject};
use canon::event::{Change, Name};
use canon::events::clinical_result::{Observation, ResultStatus};
use canon::{LabResult, PatientToken, Phi, Timestamp};
use hl7::message::{Field, Group, Path, Presence, Segment};
use std::collections::BTreeSet;

/// A longer value, such as a scanned document, stays in the raw message alone.
const VALUE_BYTES_MAX: usize = 64 << 10;

/// The results of a message as it left them.
pub(super) fn results(source: &Source<'_>) -> Result<Translated, Reject> {
    source.one_patient()?;
    let patient = source.patient()?;
    let message = source.reader.message();
    let mut orc = None;
    let mut orcs = Vec::new();
    for segment in message.segments() {
        if segment.is("ORC") {
            orc = Some(segment);
        } else if segment.is("OBR") {
            orcs.push(orc);
        }
    }
    if orcs.is_empty() {
        return Err(Reject::new(Reason::Invalid, "a result message without OBR"));
    }
    let mut ids = BTreeSet::new();
    let mut statements = Vec::new();
    for (index, (group, orc)) in message.groups("OBR", &["ORC"]).zip(orcs).enumerate() {
        let report = Report { source, group, orc, number: index + 1 };
        let (id, event) = report.result(patient)?;
        if !ids.insert(id.clone()) {
            let detail =
                format!("OBR[{}] has the numbers and the code of an earlier OBR of this message", index + 1);
            return Err(Reject::new(Reason::Conflict, detail));
        }
        // With the patient: after a merge it is another's fact, and a fact's key never changes.
        let name = Name::new("result", &[source.sender.as_str(), patient.as_str(), &id.0, &id.1]);
        statements.push(Statement::Result(name, Box::new(event)));
    }
    Translated::of(statements)
}

/// One OBR with what belongs to it.
struct Report<'s, 'a> {
    source: &'s Source<'a>,
    group: Group<'s, 'a>,
    orc: Option<Segment<'a>>,
    number: usize,
}

/// The filler's number of the order, and what was examined.
type Id = (String, String);

impl Report<'_, '_> {
    fn result(&self, patient: PatientToken) -> Result<(Id, LabResult), Reject> {
        let Self { source, .. } = self;
        let obr = self.group.leader();
        let code = self.code(obr.field(4), "4")?;
        let code = code.ok_or_else(|| invalid(self.at("4"), "is empty: not said what was examined"))?;
        let mut number = None;
        for (segment, field) in [(Some(obr), 3), (self.orc, 3), (Some(obr), 2), (self.orc, 2)] {
            if let (None, Some(segment)) = (&number, segment) {
                number = self.code(segment.field(field), &field.to_string())?;
            }
        }
        // Without any number it is known by its message alone.
        let number = number.unwrap_or_else(|| format!("{}-{}", source.control_id, self.number));
        let observed_at = self.time(obr.field(7), "7")?;
        let observations = self.observations(observed_at)?;
        let event = LabResult {
            change: Change::Recorded,
            result: Name::new("result", &[source.sender.as_str(), &number, &code]).to_string(),
            patient,
            encounter: source.encounter(),
            order: self.order()?.map(|order| id_of(source, &order)),
            sender: source.sender.to_string(),
            control_id: source.control_id.to_owned(),
            status: match self.code(obr.field(25), "25")? {
                Some(said) => status(&said),
                None => least_settled(&observations),
            },
            code: code.clone(),
            observations,
            observed_at,
            occurred_at: source.occurred_at,
        };
        Ok(((number, code), event))
    }

    fn observations(&self, observed_at: Option<Timestamp>) -> Result<Vec<Observation>, Reject> {
        let mut observations = Vec::new();
        for (index, obx) in self.group.segments_named("OBX").enumerate() {
            let at = |field: usize| format!("OBR[{}]: OBX[{}]-{field}", self.number, index + 1);
            let reader = self.source.reader;
            let code = |field: usize| reader.code(*obx.field(field).component(1), at(field));
            observations.push(Observation {
                set_id: code(1)?.unwrap_or_default(),
                code: code(3)?.ok_or_else(|| invalid(at(3), "is empty: not said what was observed"))?,
                sub_id: code(4)?,
                value_type: code(2)?,
                value: self.value(obx.field(5)),
                unit: code(6)?,
                reference_range: reader.free_text(*obx.field(7)).map(Phi::into_inner),
                abnormal: code(8)?.map(Phi),
                status: code(11)?.map_or(ResultStatus::Unsaid, |said| status(&said)),
                observed_at: reader.time(*obx.field(14).component(1), at(14))?.or(observed_at),
            });
        }
        Ok(observations)
    }

    /// As it is written, whatever type OBX-2 announces: which of them is right is not ours to say.
    fn value(&self, field: Field<'_>) -> Option<Phi<String>> {
        if field.presence() != Presence::Value {
            return None;
        }
        if field.raw().len() > VALUE_BYTES_MAX {
            return Some(Phi(format!("[{} bytes, in the raw message]", field.raw().len())));
        }
        self.source.reader.free_text(*field)
    }

    /// The order's number, as order messages have it.
    fn order(&self) -> Result<Option<String>, Reject> {
        for path in &self.source.reading.order_paths {
            let segment = match path.segment() {
                "ORC" => self.orc,
                name => self.group.segments_named(name).next(),
            };
            let Some(segment) = segment else { continue };
            let field = segment.field(path.within.field.get().into());
            let number = path.within.component.map_or(1, |number| number.get().into());
            if let Some(id) = self.source.reader.code(*field.component(number), Path::to_string(path))? {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    fn code(&self, field: Field<'_>, number: &str) -> Result<Option<String>, Reject> {
        self.source.reader.code(*field.component(1), self.at(number))
    }

    fn time(&self, field: Field<'_>, number: &str) -> Result<Option<Timestamp>, Reject> {
        self.source.reader.time(*field.component(1), self.at(number))
    }

    fn at(&self, field: &str) -> String {
        format!("OBR[{}]-{field}", self.number)
    }
}

/// Tables 0085 and 0123.
fn status(said: &str) -> ResultStatus {
    match said {
        "C" | "K" => ResultStatus::Corrected,
        "D" | "W" | "X" => ResultStatus::Deleted,
        "F" | "U" => ResultStatus::Final,
        "A" | "I" | "O" | "P" | "R" | "S" => ResultStatus::Preliminary,
        _ => ResultStatus::Unsaid,
    }
}

/// The whole is as settled as the least settled of its parts.
fn least_settled(observations: &[Observation]) -> ResultStatus {
    use ResultStatus::{Corrected, Deleted, Final, Preliminary, Unsaid};
    let has = |status| observations.iter().any(|observation| observation.status == status);
    [Preliminary, Corrected, Final, Deleted].into_iter().find(|status| has(*status)).unwrap_or(Unsaid)
}
