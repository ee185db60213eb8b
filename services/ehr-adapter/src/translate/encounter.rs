//! What an ADT message says of a visit.

use super::Source;
use super::reader::Reader;
use crate::sender::Reading;
use crate::subject;
use backbone::Reject;
use canon::Encounter;
use canon::event::{Change, Name};
use canon::events::clinical_encounter::EncounterStatus;

/// The triggers that are translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    A01,
    A03,
    A04,
    A08,
    A13,
}

impl Trigger {
    /// The trigger of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::A01, Self::A03, Self::A04, Self::A08, Self::A13]
            .into_iter()
            .find(|trigger| trigger.as_str() == name)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::A01 => "A01",
            Self::A03 => "A03",
            Self::A04 => "A04",
            Self::A08 => "A08",
            Self::A13 => "A13",
        }
    }

    /// Where the visit stands after it.
    fn status(self) -> EncounterStatus {
        match self {
            Self::A01 | Self::A04 | Self::A13 => EncounterStatus::InProgress,
            Self::A03 => EncounterStatus::Finished,
            // An update also comes after a discharge: it says nothing of where the visit stands.
            Self::A08 => EncounterStatus::Unsaid,
        }
    }
}

/// What this one message said, and nothing that others said before.
pub(super) fn encounter(
    source: &Source<'_>,
    trigger: Trigger,
    reader: &Reader<'_, '_>,
    reading: &Reading,
) -> Result<(Name, Encounter), Reject> {
    let name = source.name_by_message("encounter", &[source.sender, source.control_id]);
    let payer = subject::component(reader.message(), &reading.payer);
    let visit = Encounter {
        change: Change::Recorded,
        encounter: source.encounter(),
        patient: source.patient,
        sender: source.sender.to_owned(),
        control_id: source.control_id.to_owned(),
        trigger: trigger.as_str().to_owned(),
        visit_number: source.visit.number.clone(),
        status: trigger.status(),
        class: reader.deletable(reader.at("PV1-2"), "PV1-2")?,
        facility: source.facility.clone(),
        payer: reader.deletable(payer, reading.payer)?,
        admitted_at: reader.time_at("PV1-44")?,
        discharged_at: reader.time_at("PV1-45")?,
        occurred_at: source.occurred_at,
    };
    Ok((name, visit))
}
