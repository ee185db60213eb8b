//! An invented hospital's day: visits, charges, discharges, late charges, and messages that come twice.
//!
//! From a seed, so that the same day can be sent again. Whatever is a patient's holds [`crate::canaries::MARK`]: it may
//! be found in payloads and in Odoo's texts, and nowhere else. Knows the exact sum of every visit.

mod chance;
mod message;

use canon::{Money, Timestamp};
pub use chance::Chance;
use message::Writing;
use odoo::seed::Named;
use std::collections::BTreeMap;

/// The day's length and habits.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Makes the day; control ids, visits' numbers and transactions hold it, so that days do not meet.
    pub seed: u64,
    /// How many visits.
    pub visits: usize,
    /// Charges of a visit: at least, at most.
    pub charges: (usize, usize),
    /// Visits of ten that end before the day does.
    pub finished_of_ten: u64,
    /// Messages of a hundred that are sent twice though they were acknowledged.
    pub twice_of_hundred: u64,
    /// The sender's name in our configuration.
    pub sender: String,
}

/// A day.
#[derive(Clone, Debug)]
pub struct Hospital {
    plan: Plan,
    visits: Vec<Visit>,
    messages: Vec<Vec<Outgoing>>,
}

/// A visit, as it will have been.
#[derive(Clone, Debug)]
pub struct Visit {
    /// PV1-19.
    pub number: String,
    /// IN1-3, when somebody else than the patient pays.
    pub payer: Option<String>,
    /// The control id of the discharge; nothing: the visit goes on.
    pub discharge: Option<String>,
    /// Its charges.
    pub charges: Vec<PlannedCharge>,
}

/// A charge.
#[derive(Clone, Debug)]
pub struct PlannedCharge {
    /// FT1-2.
    pub transaction: String,
    /// FT1-7.
    pub code: String,
    /// What all of it costs.
    pub amount: Money,
    /// The control id of the message that carries it.
    pub message: String,
}

/// A message to be sent.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// MSH-10.
    pub control_id: String,
    /// What it is.
    pub kind: Kind,
    /// The whole of it.
    pub bytes: Vec<u8>,
}

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ADT: it is translated into one encounter's fact.
    Visit,
    /// DFT^P03: it is translated into charges' facts.
    Charges,
}

/// What the hospital charges for: products that Odoo has to know.
pub fn products() -> Vec<Named> {
    let named =
        |(code, name, _): &(&str, &str, i64)| Named { code: (*code).to_owned(), name: (*name).to_owned() };
    PRICES.iter().map(named).collect()
}

/// Who pays besides patients themselves.
pub fn payers() -> Vec<Named> {
    let named = |(code, name): &(&str, &str)| Named { code: (*code).to_owned(), name: (*name).to_owned() };
    PAYERS.iter().map(named).collect()
}

/// Code, name and price in cents.
const PRICES: [(&str, &str, i64); 14] = [
    ("BED-GEN", "Bed, general ward, a day", 41_250),
    ("BED-ICU", "Bed, intensive care, a day", 189_900),
    ("CON-001", "Consultation", 12_000),
    ("CON-002", "Consultation, extended", 19_550),
    ("IMG-CHE", "X-ray, chest", 8_875),
    ("IMG-MRI", "Magnetic resonance imaging", 61_333),
    ("LAB-BLC", "Blood count", 2_349),
    ("LAB-ELE", "Electrolytes", 1_901),
    ("MED-ANT", "Antibiotic, a dose", 1_077),
    ("MED-INF", "Infusion, 500 ml", 803),
    ("PHY-030", "Physiotherapy, 30 minutes", 4_600),
    ("SUP-CAT", "Catheter set", 3_725),
    ("SUP-DRS", "Wound dressing", 349),
    ("THE-HOU", "Theatre, an hour", 98_799),
];

const PAYERS: [(&str, &str); 3] =
    [("PAY-EAST", "Eastern Mutual"), ("PAY-NORTH", "Northern Health Fund"), ("PAY-STATE", "State Scheme")];

/// 2025-03-10T06:00:00Z: a day that is over, and the same whenever it is played.
const MORNING: Timestamp = Timestamp(1_741_586_400_000_000);

impl Hospital {
    /// Makes the day up.
    pub fn day(plan: Plan) -> Self {
        let mut chance = Chance::new(plan.seed);
        let mut writing = Writing::new(plan.seed, MORNING);
        let (mut visits, mut messages) = (Vec::new(), Vec::new());
        for number in 0..plan.visits {
            let (visit, its) = visit(&plan, number, &mut chance, &mut writing);
            visits.push(visit);
            messages.push(its);
        }
        Self { plan, visits, messages }
    }

    /// The sender's name in our configuration.
    pub fn sender(&self) -> &str {
        &self.plan.sender
    }

    /// What every control id of the day begins with.
    pub fn prefix(&self) -> String {
        message::prefix(self.plan.seed)
    }

    /// The visits.
    pub fn visits(&self) -> &[Visit] {
        &self.visits
    }

    /// How many different messages there are.
    pub fn message_count(&self) -> usize {
        self.messages.iter().map(Vec::len).sum()
    }

    /// How many charges there are.
    pub fn charge_count(&self) -> usize {
        self.visits.iter().map(|visit| visit.charges.len()).sum()
    }

    /// Every message once, with the index of the visit it is about.
    pub fn messages(&self) -> impl Iterator<Item = (usize, &Outgoing)> {
        self.messages
            .iter()
            .enumerate()
            .flat_map(|(visit, its)| its.iter().map(move |message| (visit, message)))
    }

    /// The sum of a visit's charges.
    ///
    /// # Panics
    /// When it has more than 18 digits.
    pub fn sum(visit: &Visit) -> Money {
        Money::sum(visit.charges.iter().map(|charge| charge.amount)).expect("an invented sum fits")
    }

    /// What is to be sent over so many connections at once: a visit's messages stay in their order on one of them, and
    /// visits are interleaved. Some messages stand there twice.
    pub fn streams(&self, connections: usize) -> Vec<Vec<Outgoing>> {
        let mut chance = Chance::new(self.plan.seed ^ 0x5eed_0005);
        let mut lanes: BTreeMap<usize, Vec<std::slice::Iter<'_, Outgoing>>> = BTreeMap::new();
        for (visit, its) in self.messages.iter().enumerate() {
            lanes.entry(visit % connections.max(1)).or_default().push(its.iter());
        }
        let mut stream = |visits: &mut Vec<std::slice::Iter<'_, Outgoing>>| {
            let (mut stream, mut again): (Vec<Outgoing>, Vec<Outgoing>) = (Vec::new(), Vec::new());
            while !visits.is_empty() {
                // A few visits at a time, as a day goes.
                let which = chance.below(visits.len().min(6));
                match visits[which].next() {
                    Some(message) => {
                        stream.push(message.clone());
                        if chance.of_hundred(self.plan.twice_of_hundred) {
                            again.push(message.clone());
                        }
                    }
                    None => drop(visits.remove(which)),
                }
                if chance.of_hundred(20) {
                    stream.extend(again.pop());
                }
            }
            stream.append(&mut again);
            stream
        };
        lanes.into_values().map(|mut visits| stream(&mut visits)).collect()
    }
}

fn visit(plan: &Plan, number: usize, chance: &mut Chance, writing: &mut Writing) -> (Visit, Vec<Outgoing>) {
    let payer = chance.of_hundred(70).then(|| PAYERS[chance.below(PAYERS.len())].0.to_owned());
    let mut patient = writing.patient(number, payer.clone(), chance);
    let mut messages = vec![writing.admit(&mut patient, chance.of_hundred(50))];
    let mut visit = Visit { number: patient.visit.clone(), payer, discharge: None, charges: Vec::new() };
    let count = plan.charges.0 + chance.below(plan.charges.1.saturating_sub(plan.charges.0) + 1);
    let late = if chance.of_hundred(25) { 1 + chance.below(2) } else { 0 };
    let finished = chance.below(10) < usize::try_from(plan.finished_of_ten).unwrap_or(10);
    // Where some go on, one certainly does.
    let finished = finished && (plan.finished_of_ten >= 10 || number + 1 < plan.visits);
    let mut left = count.saturating_sub(if finished { late } else { 0 });
    while left > 0 {
        let together = (1 + chance.below(3)).min(left);
        let (message, charges) = writing.charges(&mut patient, together, chance);
        messages.push(message);
        visit.charges.extend(charges);
        left -= together;
        if chance.of_hundred(15) {
            messages.push(writing.update(&mut patient));
        }
    }
    if finished {
        let discharge = writing.discharge(&mut patient);
        visit.discharge = Some(discharge.control_id.clone());
        messages.push(discharge);
        for _ in 0..late.min(count) {
            let (message, charges) = writing.charges(&mut patient, 1, chance);
            messages.push(message);
            visit.charges.extend(charges);
        }
    }
    (visit, messages)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canaries::MARK;
    use hl7::message::Message;
    use std::collections::BTreeSet;

    fn plan(seed: u64) -> Plan {
        let sender = "north".to_owned();
        Plan { seed, visits: 40, charges: (1, 9), finished_of_ten: 8, twice_of_hundred: 10, sender }
    }

    #[test]
    fn a_seed_makes_the_same_day_again_and_another_seed_another() {
        let bytes = |seed| -> Vec<Vec<u8>> {
            Hospital::day(plan(seed)).streams(3).concat().into_iter().map(|message| message.bytes).collect()
        };
        assert_eq!(bytes(7), bytes(7));
        let (seven, eight): (BTreeSet<_>, BTreeSet<_>) =
            (bytes(7).into_iter().collect(), bytes(8).into_iter().collect());
        assert!(seven.is_disjoint(&eight));
    }

    #[test]
    fn every_message_is_sent_and_some_twice_and_a_visits_order_is_kept() {
        let hospital = Hospital::day(plan(3));
        let all: BTreeSet<&str> =
            hospital.messages().map(|(_, message)| message.control_id.as_str()).collect();
        assert_eq!(all.len(), hospital.message_count());
        let streams = hospital.streams(4);
        let sent = streams.concat();
        assert!(sent.len() > hospital.message_count() * 105 / 100, "{} of {}", sent.len(), all.len());
        for (visit, its) in hospital.messages.iter().enumerate() {
            let mut first: Vec<&str> = Vec::new();
            for message in &streams[visit % 4] {
                if its.iter().any(|one| one.control_id == message.control_id)
                    && !first.contains(&&*message.control_id)
                {
                    first.push(&message.control_id);
                }
            }
            assert_eq!(first, its.iter().map(|message| &*message.control_id).collect::<Vec<_>>());
        }
    }

    #[test]
    fn messages_are_hl7_and_hold_planted_names_numbers_and_addresses() {
        let hospital = Hospital::day(plan(5));
        for (visit, outgoing) in hospital.messages() {
            let message = Message::parse(&outgoing.bytes).expect("a message");
            assert_eq!(message.header().field(10).raw(), outgoing.control_id.as_bytes());
            for (segment, field) in [("PID", 3), ("PID", 5), ("PID", 11), ("PID", 13), ("PV1", 19)] {
                let value = message.segment(segment).expect("a segment").field(field).raw().to_owned();
                assert!(String::from_utf8_lossy(&value).contains(MARK), "{segment}-{field}");
            }
            let charges = message.segments_named("FT1").count();
            let planned = &hospital.visits()[visit].charges;
            assert_eq!(
                charges,
                planned.iter().filter(|charge| charge.message == outgoing.control_id).count()
            );
        }
        assert!(hospital.visits().iter().any(|visit| visit.discharge.is_none()));
    }
}
