//! SIU: the clinic's appointments.

use crate::config::Sender;
use crate::person::Person;
use crate::scribe::Scribe;
use crate::truth::Appointment;
use jiff::{SignedDuration, Timestamp};

impl Scribe {
    /// S12: books an appointment so many hours from now, and says its place in the truth.
    pub(crate) fn books(&mut self, at: Timestamp, person: &Person, hours: i64) -> usize {
        let starts_at = at + SignedDuration::from_mins(hours * 60);
        let appointment = Appointment {
            sender: Sender::Clinic,
            placer: self.number(Sender::Clinic, "B"),
            filler: self.number(Sender::Clinic, "G"),
            patient: person.id.clone(),
            status: String::new(),
            starts_at,
            ends_at: starts_at + SignedDuration::from_mins(30),
            service: (*self.chance.one(&["CHECK", "PHYSIO"])).to_owned(),
            messages: Vec::new(),
        };
        self.truth.appointments.push(appointment);
        let place = self.truth.appointments.len() - 1;
        self.says_appointment("S12", at, person, place);
        place
    }

    /// S13: the same appointment at another time.
    pub(crate) fn reschedules(&mut self, at: Timestamp, person: &Person, place: usize) {
        let later = SignedDuration::from_mins(self.chance.within(1..=6) * 30);
        self.truth.appointments[place].starts_at += later;
        self.truth.appointments[place].ends_at += later;
        self.says_appointment("S13", at, person, place);
    }

    /// S14, S15, S26, and the two above.
    pub(crate) fn says_appointment(
        &mut self,
        trigger: &'static str,
        at: Timestamp,
        person: &Person,
        place: usize,
    ) {
        let status = match trigger {
            "S12" => "booked",
            "S13" => "rescheduled",
            "S14" => "modified",
            "S15" => "cancelled",
            _ => "no_show",
        };
        status.clone_into(&mut self.truth.appointments[place].status);
        let said = self.truth.appointments[place].clone();
        let dialect = self.dialect(Sender::Clinic);
        let (starts, ends) = (dialect.time(said.starts_at), dialect.time(said.ends_at));
        // TQ of version 2.4: start and end are its 4th and 5th component.
        let timing = dialect.components(&["", "", "30", &starts, &ends]);
        let filler_status = match trigger {
            "S15" => "Cancelled",
            "S26" => "Noshow",
            _ => "Booked",
        };
        let sch =
            dialect.segment("SCH").text(1, &said.placer).text(2, &said.filler).parts(7, &[&said.service]);
        let sch = sch.put(9, "30").put(10, "MIN").put(11, timing).put(25, filler_status).end();
        let body = vec![
            sch,
            person.segment(dialect, None),
            dialect.segment("RGS").put(1, "1").end(),
            dialect.segment("AIS").put(1, "1").put(2, "A").parts(3, &[&said.service]).put(4, &*starts).end(),
            dialect.segment("AIL").put(1, "1").put(2, "A").parts(3, &["D1", "R4", "", "CLINIC"]).end(),
        ];
        let message = self.post(Sender::Clinic, at, ("SIU", trigger), body, (Some(person), None));
        self.truth.appointments[place].messages.push(message);
    }
}
