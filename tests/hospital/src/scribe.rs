//! Writes a day down: every message as a draft, and beside it what the day comes to.
//!
//! A draft has no control id yet: those are given in the order of sending, once all drafts are there. Until then a
//! [`MessageId`]'s number is the draft's place.

use crate::chance::Chance;
use crate::config::{Config, Sender};
use crate::dialect::Dialect;
use crate::person::Person;
use crate::tables::{self, Row};
use crate::truth::{Bad, Fate, MessageId, Standing, Truth, Visit};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// A message before it has a number.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) sender: Sender,
    pub(crate) at: Timestamp,
    pub(crate) code: &'static str,
    pub(crate) trigger: &'static str,
    pub(crate) body: Vec<String>,
    pub(crate) patient: Option<String>,
    pub(crate) visit: Option<String>,
    pub(crate) fate: Fate,
}

/// A patient's stay, as it stands while the day goes on.
#[derive(Clone, Debug)]
pub(crate) struct Stay {
    pub(crate) person: Person,
    pub(crate) visit: String,
    pub(crate) class: &'static str,
    pub(crate) location: Place,
    pub(crate) prior: Option<Place>,
    pub(crate) payer: Option<&'static str>,
    pub(crate) admitted_at: Timestamp,
    pub(crate) discharged_at: Option<Timestamp>,
    /// When the discharge was said, to be cancelled or not.
    pub(crate) discharge_said_at: Option<Timestamp>,
    /// Its place in the truth.
    pub(crate) truth: usize,
}

/// Point of care, room and bed.
pub(crate) type Place = (&'static str, &'static str, &'static str);

/// The day being written.
pub(crate) struct Scribe {
    pub(crate) seed: u64,
    pub(crate) chance: Chance,
    pub(crate) truth: Truth,
    pub(crate) drafts: Vec<Draft>,
    pub(crate) unpriced: u32,
    pub(crate) dialects: BTreeMap<Sender, Dialect>,
    prices: BTreeMap<Sender, Vec<Row>>,
    patients: BTreeMap<(Sender, String), usize>,
    /// When each charge was first said, beside the truth's list.
    pub(crate) charged_at: Vec<Timestamp>,
    counters: BTreeMap<(Sender, &'static str), usize>,
    morning: Timestamp,
}

impl Scribe {
    pub(crate) fn new(config: &Config) -> Self {
        let of = |sender| (sender, tables::prices(sender, &config.day.to_string()));
        let midnight = config.day.to_zoned(TimeZone::UTC).map(|day| day.timestamp()).unwrap_or_default();
        Self {
            seed: config.seed,
            chance: Chance::new(config.seed),
            truth: Truth::default(),
            drafts: Vec::new(),
            unpriced: config.unpriced.of_ten_thousand(),
            dialects: Sender::ALL.map(|sender| (sender, Dialect::of(sender))).into(),
            prices: Sender::ALL.map(of).into(),
            patients: BTreeMap::new(),
            charged_at: Vec::new(),
            counters: BTreeMap::new(),
            morning: midnight + SignedDuration::from_hours(5),
        }
    }

    /// A clock that begins at some moment of the day's first hours.
    pub(crate) fn clock(&mut self) -> Clock {
        let now = self.morning + SignedDuration::from_secs(self.chance.within(0..=8 * 3_600));
        Clock { now, end: self.morning + SignedDuration::from_hours(16) }
    }

    pub(crate) fn dialect(&self, sender: Sender) -> &Dialect {
        &self.dialects[&sender]
    }

    pub(crate) fn prices(&self, sender: Sender) -> &[Row] {
        &self.prices[&sender]
    }

    /// Something that this sender charges for.
    pub(crate) fn any_price(&mut self, sender: Sender) -> Row {
        self.chance.one(&self.prices[&sender]).clone()
    }

    /// The next number of a kind: `T7-000001`.
    pub(crate) fn number(&mut self, sender: Sender, kind: &'static str) -> String {
        let counter = self.counters.entry((sender, kind)).or_default();
        *counter += 1;
        format!("{kind}{}-{counter:06}", self.seed)
    }

    /// Writes a message down.
    pub(crate) fn post(
        &mut self,
        sender: Sender,
        at: Timestamp,
        (code, trigger): (&'static str, &'static str),
        body: Vec<String>,
        about: (Option<&Person>, Option<&str>),
    ) -> MessageId {
        let id = MessageId { sender, number: self.drafts.len() };
        self.drafts.push(Draft {
            sender,
            at,
            code,
            trigger,
            body,
            patient: about.0.map(|person| person.id.clone()),
            visit: about.1.map(str::to_owned),
            fate: Fate::Applied,
        });
        id
    }

    /// What is to become of a message that was written.
    pub(crate) fn fate(&mut self, message: MessageId, fate: Fate) {
        self.drafts[message.number].fate = fate;
    }

    /// It is bad: nothing of it is in the truth.
    pub(crate) fn bad(&mut self, message: MessageId, why: Bad) {
        let fate = match why {
            Bad::NoControlId | Bad::Garbage => Fate::Refused { why },
            Bad::UnknownEvent | Bad::Test => Fate::Ignored { why },
            Bad::UnknownCode | Bad::NoNumber | Bad::NoPatient => Fate::Parked { why },
        };
        self.fate(message, fate);
    }

    /// A message said this of a patient.
    pub(crate) fn says_patient(&mut self, person: &Person, message: MessageId) {
        let key = (person.home, person.id.clone());
        match self.patients.get(&key) {
            Some(place) => self.truth.patients[*place] = person.truth(message),
            None => {
                self.patients.insert(key, self.truth.patients.len());
                self.truth.patients.push(person.truth(message));
            }
        }
    }

    /// A stay that begins now; nothing is said of it yet.
    pub(crate) fn stay(
        &mut self,
        person: &Person,
        class: &'static str,
        location: Place,
        at: Timestamp,
    ) -> Stay {
        let (kind, payers): (_, &[&str]) = match person.home {
            Sender::Clinic => ("A", &["KK1", "KK2"]),
            Sender::North | Sender::Lab => ("V", &["PAY-EAST", "PAY-NORTH", "PAY-STATE"]),
        };
        let visit = format!("{}-{}", crate::person::MARK, self.number(person.home, kind));
        let payer = self.chance.of_hundred(70).then(|| *self.chance.one(payers));
        self.truth.visits.push(Visit {
            sender: person.home,
            visit: visit.clone(),
            patient: person.id.clone(),
            standing: Standing::Planned,
            class: class.to_owned(),
            facility: self.dialect(person.home).source[1].to_owned(),
            payer: payer.map(str::to_owned),
            location: location.0.to_owned(),
            admitted_at: at,
            discharged_at: None,
            discharges_cancelled: 0,
            transfers: 0,
            moved_to: None,
            messages: Vec::new(),
        });
        Stay {
            person: person.clone(),
            visit,
            class,
            location,
            prior: None,
            payer,
            admitted_at: at,
            discharged_at: None,
            discharge_said_at: None,
            truth: self.truth.visits.len() - 1,
        }
    }

    pub(crate) fn visit(&mut self, stay: &Stay) -> &mut Visit {
        &mut self.truth.visits[stay.truth]
    }
}

/// A patient's time: it goes forward with what happens, and not beyond the day's end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    now: Timestamp,
    end: Timestamp,
}

impl Clock {
    pub(crate) fn now(self) -> Timestamp {
        self.now
    }

    /// Goes on by so many minutes; by seconds where the day is over.
    pub(crate) fn goes_on(&mut self, chance: &mut Chance, minutes: (i64, i64)) -> Timestamp {
        let wanted =
            SignedDuration::from_secs(60 * chance.within(minutes.0..=minutes.1) + chance.within(1..=59));
        let hurried = SignedDuration::from_secs(chance.within(1..=9));
        self.now += if self.now + wanted < self.end { wanted } else { hurried };
        self.now
    }
}
