//! ADT: patients and visits.

use crate::config::Sender;
use crate::dialect::Dialect;
use crate::person::{MARK, Person};
use crate::scribe::{Place, Scribe, Stay};
use crate::truth::{Link, MessageId, Standing};
use jiff::Timestamp;

impl Scribe {
    /// Says a visit under this trigger, and what that makes of it.
    pub(crate) fn says_visit(&mut self, trigger: &'static str, at: Timestamp, stay: &mut Stay) -> MessageId {
        self.changes(trigger, at, stay);
        let message = self.post_visit(trigger, at, stay, Vec::new());
        self.says_patient(&stay.person.clone(), message);
        message
    }

    /// The message alone, with more segments behind the PID: nothing of it is in the truth but that it is there.
    pub(crate) fn post_visit(
        &mut self,
        trigger: &'static str,
        at: Timestamp,
        stay: &Stay,
        more: Vec<String>,
    ) -> MessageId {
        let dialect = self.dialect(stay.person.home);
        let mut body = vec![event(dialect, trigger, at), person(dialect, stay)];
        body.extend(more);
        body.push(visit(dialect, stay));
        body.extend(insurance(dialect, stay));
        let about = (Some(&stay.person), Some(stay.visit.as_str()));
        let message = self.post(stay.person.home, at, ("ADT", trigger), body, about);
        self.visit(stay).messages.push(message);
        message
    }

    /// What a trigger does to a visit.
    fn changes(&mut self, trigger: &str, at: Timestamp, stay: &mut Stay) {
        let place = stay.truth;
        match trigger {
            "A01" | "A04" => self.visit(stay).standing = Standing::Open,
            "A02" => self.visit(stay).transfers += 1,
            "A12" => self.visit(stay).transfers -= 1,
            "A03" => {
                (stay.discharged_at, stay.discharge_said_at) = (Some(at), Some(at));
                self.visit(stay).standing = Standing::Finished;
            }
            "A11" => self.visit(stay).standing = Standing::Cancelled,
            "A13" => {
                let said_at = stay.discharge_said_at.take();
                stay.discharged_at = None;
                let visit = self.visit(stay);
                visit.standing = Standing::Open;
                visit.discharges_cancelled += 1;
                let number = visit.visit.clone();
                for (charge, charged_at) in self.truth.charges.iter_mut().zip(&self.charged_at) {
                    let is_ours = charge.sender == stay.person.home && charge.visit == number;
                    if is_ours && said_at.is_some_and(|said_at| *charged_at <= said_at) {
                        charge.in_cancelled_discharge = true;
                    }
                }
            }
            _ => {}
        }
        let visit = &mut self.truth.visits[place];
        stay.class.clone_into(&mut visit.class);
        stay.location.0.clone_into(&mut visit.location);
        visit.patient.clone_from(&stay.person.id);
        visit.discharged_at = stay.discharged_at;
    }

    /// A28 and A31: a person without a visit.
    pub(crate) fn says_person(&mut self, trigger: &'static str, at: Timestamp, who: &Person) -> MessageId {
        let dialect = self.dialect(who.home);
        let outside = dialect.segment("PV1").put(1, "1").put(2, "N").end();
        let body = vec![event(dialect, trigger, at), who.segment(dialect, None), outside];
        let message = self.post(who.home, at, ("ADT", trigger), body, (Some(who), None));
        self.says_patient(who, message);
        message
    }

    /// A40, A34 and A18: one patient under two numbers.
    pub(crate) fn merges(&mut self, trigger: &'static str, at: Timestamp, stays: &Person, goes: &Person) {
        let dialect = self.dialect(stays.home);
        let retired = dialect.segment("MRG").put(1, goes.identifier(dialect)).end();
        let body = vec![event(dialect, trigger, at), stays.segment(dialect, None), retired];
        let message = self.post(stays.home, at, ("ADT", trigger), body, (Some(stays), None));
        self.says_patient(stays, message);
        self.truth.links.push(Link {
            sender: stays.home,
            retired: goes.id.clone(),
            survivor: stays.id.clone(),
            trigger: trigger.to_owned(),
            message,
        });
    }

    /// A45 of the hospital, A35, A41 and A44 of the clinic: a visit that was opened by mistake goes into another.
    pub(crate) fn moves_visit(&mut self, trigger: &'static str, at: Timestamp, from: &Stay, to: &mut Stay) {
        let dialect = self.dialect(to.person.home);
        let merge = dialect.segment("MRG").put(1, from.person.identifier(dialect));
        let merge = match dialect.sender {
            Sender::Clinic => merge.parts(3, &[&from.visit, "", "", "CLINIC", "AN"]),
            Sender::North | Sender::Lab => merge.text(5, &from.visit),
        };
        let merge = merge.end();
        let message = self.post_visit(trigger, at, to, vec![merge]);
        self.says_patient(&to.person.clone(), message);
        self.visit(from).moved_to = Some(to.visit.clone());
        self.visit(from).messages.push(message);
    }
}

pub(crate) fn event(dialect: &Dialect, trigger: &str, at: Timestamp) -> String {
    dialect.segment("EVN").put(1, trigger).time(2, Some(at)).end()
}

/// The PID of a stay.
pub(crate) fn person(dialect: &Dialect, stay: &Stay) -> String {
    let account = (dialect.sender == Sender::Clinic).then_some(stay.visit.as_str());
    stay.person.segment(dialect, account)
}

/// The PV1 of a stay.
pub(crate) fn visit(dialect: &Dialect, stay: &Stay) -> String {
    let pv1 = dialect.segment("PV1").put(1, "1").put(2, stay.class).put(3, place(dialect, stay.location));
    let pv1 = match stay.prior {
        Some(prior) => pv1.put(6, place(dialect, prior)),
        None => pv1,
    };
    let pv1 = pv1.parts(7, &["D77", &format!("{MARK}-Doctor"), "Ilva"]);
    let pv1 = if dialect.sender == Sender::Clinic { pv1 } else { pv1.text(19, &stay.visit) };
    pv1.time(44, Some(stay.admitted_at)).time(45, stay.discharged_at).end()
}

fn insurance(dialect: &Dialect, stay: &Stay) -> Option<String> {
    let payer = stay.payer?;
    Some(
        dialect
            .segment("IN1")
            .put(1, "1")
            .put(2, "PLAN-1")
            .put(3, payer)
            .text(4, &format!("{MARK}-Insurer"))
            .end(),
    )
}

pub(crate) fn place(dialect: &Dialect, place: Place) -> String {
    dialect.components(&[place.0, place.1, place.2, dialect.source[1]])
}
