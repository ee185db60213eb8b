//! What is mapped: from a message's type to what it is to us.

use super::reader::Reader;
use super::unmapped::Why;
use backbone::Reject;
use canon::RawHl7v2;
use canon::events::clinical_appointment::AppointmentStatus;
use canon::events::clinical_encounter::EncounterStatus;

/// What a message is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An account or a visit was merged or moved into another.
    Accounts,
    /// RXA: given to a patient.
    Administrations,
    Appointment(AppointmentStatus),
    /// FT1: charges, consumptions, or both.
    Charges,
    /// RXD: given out.
    Dispenses,
    /// A patient's identifier was retired for another.
    Link,
    Orders,
    /// Said of a person and of no visit.
    Person,
    /// RQD: taken from a cabinet.
    Requisitions,
    Results,
    /// Such a link was taken back.
    Unlink,
    /// Where a visit stands.
    Visit(EncounterStatus),
}

impl Kind {
    /// The message's type as people write it, and what it is to us.
    pub(super) fn of(raw: &RawHl7v2, reader: &Reader<'_, '_>) -> Result<(String, Result<Self, Why>), Reject> {
        let code = raw.message_code.as_deref().unwrap_or_default();
        // Versions before 2.3 say the trigger in EVN-1 only.
        let trigger = match &raw.trigger {
            Some(trigger) => Some(trigger.clone()),
            None => reader.code_at("EVN-1")?,
        };
        let trigger = trigger.unwrap_or_default();
        let kind = match Self::named(code, &trigger) {
            Some(Self::Charges) if !reader.reading().dft.charge && !reader.reading().dft.consumption => {
                Err(Why::Ignored)
            }
            Some(kind) => Ok(kind),
            None => Err(Why::NotMapped),
        };
        Ok((format!("{code}^{trigger}"), kind))
    }

    fn named(code: &str, trigger: &str) -> Option<Self> {
        use AppointmentStatus::{Booked, Cancelled as CalledOff, Modified, NoShow, Rescheduled};
        use EncounterStatus::{Cancelled, Finished, InProgress, Planned, Unsaid};
        Some(match (code, trigger) {
            ("ADT", "A01" | "A04" | "A06" | "A07" | "A13") => Self::Visit(InProgress),
            ("ADT", "A03") => Self::Visit(Finished),
            ("ADT", "A05") => Self::Visit(Planned),
            ("ADT", "A11") => Self::Visit(Cancelled),
            // Transfers, and updates that also come after a discharge, say nothing of where the visit stands.
            ("ADT", "A02" | "A08" | "A12") => Self::Visit(Unsaid),
            ("ADT", "A28" | "A31") => Self::Person,
            ("ADT", "A18" | "A34" | "A40") => Self::Link,
            ("ADT", "A37") => Self::Unlink,
            ("ADT", "A35" | "A41" | "A44" | "A45") => Self::Accounts,
            ("DFT", "P03" | "P11") => Self::Charges,
            // Before version 2.4 orders of every kind had the trigger O01.
            ("ORM", "O01") | ("OMP", "O09") | ("RDE", "O01" | "O11") => Self::Orders,
            ("ORU", "R01") => Self::Results,
            ("RDS", "O01" | "O13") => Self::Dispenses,
            ("RAS", "O01" | "O17") => Self::Administrations,
            ("OMS", "O05") => Self::Requisitions,
            ("SIU", "S12") => Self::Appointment(Booked),
            ("SIU", "S13") => Self::Appointment(Rescheduled),
            ("SIU", "S14") => Self::Appointment(Modified),
            ("SIU", "S15") => Self::Appointment(CalledOff),
            ("SIU", "S26") => Self::Appointment(NoShow),
            _ => return None,
        })
    }
}
