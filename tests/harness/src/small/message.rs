//! The hospital's messages, written out.

use super::chance::Chance;
use super::{Kind, Outgoing, PRICES, PlannedCharge};
use crate::canaries::MARK;
use canon::{Money, Timestamp};
use std::time::Duration;

/// Writes messages with numbers that go on and a clock that does.
#[derive(Debug)]
pub(super) struct Writing {
    seed: u64,
    clock: Timestamp,
    messages: usize,
    transactions: usize,
}

/// A patient in one visit.
#[derive(Debug)]
pub(super) struct Patient {
    pub(super) visit: String,
    /// PID-3, 5, 7, 8, 11 and 13.
    identity: [String; 6],
    admitted_at: Timestamp,
    discharged_at: Option<Timestamp>,
    payer: Option<String>,
    class: &'static str,
}

/// What every control id of a seed begins with.
pub(super) fn prefix(seed: u64) -> String {
    format!("S{seed}-")
}

impl Writing {
    pub(super) fn new(seed: u64, morning: Timestamp) -> Self {
        Self { seed, clock: morning, messages: 0, transactions: 0 }
    }

    pub(super) fn patient(&mut self, number: usize, payer: Option<String>, chance: &mut Chance) -> Patient {
        let seed = self.seed;
        self.clock = self.clock + Duration::from_secs(300);
        Patient {
            visit: format!("{MARK}-V{seed}-{number:05}"),
            identity: [
                format!("{MARK}-P{seed}-{number:05}^^^LAKESIDE^MR~{number:09}^^^{MARK}-REGISTRY^SS"),
                format!("{MARK}-FAMILY{number}^{MARK}-GIVEN{number}^{MARK}-MIDDLE"),
                format!("{}{:02}{:02}", 1930 + chance.below(80), 1 + chance.below(12), 1 + chance.below(28)),
                if chance.of_hundred(50) { "F" } else { "M" }.to_owned(),
                format!("{} {MARK}-STREET^^{MARK}-TOWN^^{:05}", 1 + chance.below(200), 10_000 + number),
                format!("+1 555 {MARK}-{number:04}"),
            ],
            admitted_at: self.clock,
            discharged_at: None,
            payer,
            class: if chance.of_hundred(60) { "I" } else { "O" },
        }
    }

    pub(super) fn admit(&mut self, patient: &mut Patient, registered: bool) -> Outgoing {
        self.visit_message(if registered { "A04" } else { "A01" }, patient)
    }

    pub(super) fn update(&mut self, patient: &mut Patient) -> Outgoing {
        self.visit_message("A08", patient)
    }

    pub(super) fn discharge(&mut self, patient: &mut Patient) -> Outgoing {
        patient.discharged_at = Some(self.clock + Duration::from_secs(60));
        self.visit_message("A03", patient)
    }

    /// One DFT^P03 with so many charges; some say what all of it costs, some the price of one.
    pub(super) fn charges(
        &mut self,
        patient: &mut Patient,
        count: usize,
        chance: &mut Chance,
    ) -> (Outgoing, Vec<PlannedCharge>) {
        let (control_id, mut text) = self.begin("DFT^P03^DFT_P03", "P03");
        text += &patient.segments();
        let mut planned = Vec::new();
        for number in 1..=count {
            self.transactions += 1;
            let transaction = format!("T{}-{:06}", self.seed, self.transactions);
            let (code, name, cents) = PRICES[chance.below(PRICES.len())];
            let quantity = 1 + i64::try_from(chance.below(4)).unwrap_or(0);
            let note =
                if chance.of_hundred(30) { format!("{name}, for {MARK}-NOTE") } else { name.to_owned() };
            let (extended, each) = if chance.of_hundred(50) {
                (format!("{}&USD", money(cents * quantity)), String::new())
            } else {
                (String::new(), format!("{}&USD", money(cents)))
            };
            let at = self.now();
            text += &format!(
                "FT1|{number}|{transaction}||{at}|{at}|CG|{code}^{note}^L|||{quantity}|{extended}|{each}|WARD-3\r"
            );
            let amount = Money::from_unscaled(cents * quantity * 100).unwrap_or(Money::ZERO);
            planned.push(PlannedCharge {
                transaction,
                code: code.to_owned(),
                amount,
                message: control_id.clone(),
            });
        }
        (Outgoing { control_id, kind: Kind::Charges, bytes: text.into_bytes() }, planned)
    }

    fn visit_message(&mut self, trigger: &str, patient: &Patient) -> Outgoing {
        let structure = if trigger == "A03" { "ADT_A03" } else { "ADT_A01" };
        let (control_id, mut text) = self.begin(&format!("ADT^{trigger}^{structure}"), trigger);
        text += &patient.segments();
        if let Some(payer) = &patient.payer {
            text += &format!("IN1|1|PLAN-1|{payer}|{MARK}-INSURER\r");
        }
        Outgoing { control_id, kind: Kind::Visit, bytes: text.into_bytes() }
    }

    /// MSH and EVN; MSH-7 is the sender's to write.
    fn begin(&mut self, kind: &str, trigger: &str) -> (String, String) {
        self.messages += 1;
        self.clock = self.clock + Duration::from_secs(20);
        let control_id = format!("{}{:06}", prefix(self.seed), self.messages);
        let at = self.now();
        let text = format!(
            "MSH|^~\\&|HIS|LAKESIDE|VERTEBRA|HOUSE|{at}||{kind}|{control_id}|P|2.5.1|||AL|NE||UNICODE UTF-8\r\
             EVN|{trigger}|{at}\r"
        );
        (control_id, text)
    }

    fn now(&self) -> String {
        written(self.clock)
    }
}

impl Patient {
    fn segments(&self) -> String {
        let [id, name, born, sex, address, phone] = &self.identity;
        let (class, visit) = (self.class, &self.visit);
        let admitted = written(self.admitted_at);
        let discharged = self.discharged_at.map(written).unwrap_or_default();
        // PV1-3, 19, 44 and 45 are what counts; the rest is empty.
        let to_19 = "|".repeat(16);
        let to_44 = "|".repeat(25);
        format!(
            "PID|1||{id}||{name}||{born}|{sex}|||{address}||{phone}\r\
             PV1|1|{class}|WARD-3^301^1^LAKESIDE{to_19}{visit}{to_44}{admitted}|{discharged}\r"
        )
    }
}

/// As HL7 has it, to the second, in UTC.
fn written(at: Timestamp) -> String {
    hl7::time::format_utc(at.as_micros()).replace(".000", "")
}

/// Cents as `12.34`.
fn money(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}
