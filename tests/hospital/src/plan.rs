//! A day: what every sender sends, in order, and what it comes to.

use crate::chance::Chance;
use crate::config::{Config, Sender};
use crate::dialect::{Dialect, Header, with_sent_at};
use crate::scribe::{Draft, Scribe};
use crate::truth::{Bad, Fate, Message, MessageId, Silent, Standing, Truth};
use crate::{office, ward};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Makes days up.
#[derive(Clone, Copy, Debug)]
pub struct Day;

/// A day that was made up.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it was made of.
    pub config: Config,
    /// What it comes to.
    pub truth: Truth,
    streams: BTreeMap<Sender, Vec<Outgoing>>,
}

/// A message on its way: first, or a second time though it was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Its place in the truth.
    pub id: MessageId,
    /// MSH-10; none: it is empty, or the bytes are no message.
    pub control_id: Option<String>,
    /// MSH-9 such as `ADT^A01`.
    pub kind: String,
    /// When it is sent, by the day's clock.
    pub due: Timestamp,
    /// It was sent before and acknowledged.
    pub is_copy: bool,
    /// Its place among everything that is sent, by `due`, from 0.
    pub order: usize,
    /// What has one lane has to stay in order; else it may go over several connections.
    pub lane: u64,
    /// The whole of it, without a frame.
    pub bytes: Vec<u8>,
}

impl Outgoing {
    /// The copy that is sent behind a message of this time; MSH-7 is another.
    fn sent_at(self, due: Timestamp, dialect: &Dialect) -> Self {
        let bytes = dialect.renewed(&self.bytes, due + SignedDuration::from_secs(7));
        Self { due, bytes, ..self }
    }
}

impl Day {
    /// Makes a day up.
    pub fn plan(config: &Config) -> Plan {
        let mut scribe = Scribe::new(config);
        for number in 0..config.patients {
            // Three of five go to the hospital.
            let (round, place) = (number / 5, number % 5);
            match place {
                0..3 => scribe.ward(number, (round * 3 + place) % ward::COURSES),
                _ => scribe.office(number, (round * 2 + place - 3) % office::COURSES),
            }
        }
        let bad = config.bad.of(scribe.drafts.len());
        scribe.bad_ones(bad);
        let mut chance = Chance::apart(config.seed, 1);
        Finishing::new(config, scribe).finish(&mut chance)
    }
}

impl Plan {
    /// What a sender sends, in its order.
    pub fn stream(&self, sender: Sender) -> &[Outgoing] {
        self.streams.get(&sender).map(Vec::as_slice).unwrap_or_default()
    }

    /// What all of them send, each in its order.
    pub fn outgoing(&self) -> impl Iterator<Item = &Outgoing> {
        self.streams.values().flatten()
    }

    /// How many messages there are by kind, copies not counted.
    pub fn kinds(&self) -> BTreeMap<(Sender, String), usize> {
        let mut kinds = BTreeMap::new();
        for message in &self.truth.messages {
            *kinds.entry((message.id.sender, message.kind.clone())).or_default() += 1;
        }
        kinds
    }
}

/// From drafts to messages with numbers, control ids and bytes.
struct Finishing<'a> {
    config: &'a Config,
    drafts: Vec<Draft>,
    charged_at: Vec<Timestamp>,
    dialects: BTreeMap<Sender, Dialect>,
    truth: Truth,
    /// When each draft is sent.
    due: Vec<Timestamp>,
    /// The number that each draft got.
    numbers: Vec<usize>,
    /// What is still to be sent a second time.
    copies: BTreeMap<Sender, Vec<Outgoing>>,
}

impl<'a> Finishing<'a> {
    fn new(config: &'a Config, scribe: Scribe) -> Self {
        let Scribe { drafts, charged_at, truth, dialects, .. } = scribe;
        let due = drafts.iter().map(|draft| draft.at).collect();
        let numbers = vec![0; drafts.len()];
        Self { config, drafts, charged_at, dialects, truth, due, numbers, copies: BTreeMap::new() }
    }

    fn finish(mut self, chance: &mut Chance) -> Plan {
        self.hush();
        self.tell_late_ones();
        let mut order: Vec<usize> = (0..self.drafts.len()).collect();
        order.sort_by_key(|draft| (self.due[*draft], self.drafts[*draft].at, *draft));
        let mut streams: BTreeMap<Sender, Vec<Outgoing>> =
            Sender::ALL.map(|sender| (sender, Vec::new())).into();
        let mut counted = BTreeMap::new();
        for draft in order {
            let number = counted.entry(self.drafts[draft].sender).or_insert(0);
            *number += 1;
            self.numbers[draft] = *number;
            let outgoing = self.outgoing(draft);
            self.take(&mut streams, outgoing, draft, chance);
        }
        for (sender, stream) in &mut streams {
            let Some(last) = stream.last().map(|last| last.due) else { continue };
            let copies = self.copies.remove(sender).into_iter().flatten();
            stream.extend(copies.map(|copy| copy.sent_at(last, &self.dialects[sender])));
        }
        self.truth.messages.sort_by_key(|message| message.id);
        self.renumber();
        let mut all: Vec<&mut Outgoing> = streams.values_mut().flatten().collect();
        // Stable: what one sender sends at one time stays as it is in its stream.
        all.sort_by_key(|outgoing| outgoing.due);
        for (order, outgoing) in all.into_iter().enumerate() {
            outgoing.order = order;
        }
        Plan { config: self.config.clone(), truth: self.truth, streams }
    }

    /// Holds back what a silent sender would have said.
    fn hush(&mut self) {
        let Some(silence) = self.config.silence else { return };
        let Ok(midnight) = self.config.day.to_zoned(TimeZone::UTC) else { return };
        let hour = |hour: i8| midnight.timestamp() + SignedDuration::from_hours(hour.into());
        let (from, to) = (hour(silence.from_hour), hour(silence.to_hour));
        let mut held = 0;
        for (draft, due) in self.drafts.iter().zip(&mut self.due) {
            if draft.sender == silence.sender && from <= *due && *due < to {
                *due = to;
                held += 1;
            }
        }
        self.truth.silences.push(Silent { sender: silence.sender, from, to, held });
    }

    /// Which charges were said behind the discharge that held.
    fn tell_late_ones(&mut self) {
        let discharged: BTreeMap<(Sender, &str), Timestamp> = (self.truth.visits.iter())
            .filter(|visit| visit.standing == Standing::Finished)
            .filter_map(|visit| Some(((visit.sender, visit.visit.as_str()), visit.discharged_at?)))
            .collect();
        for (charge, charged_at) in self.truth.charges.iter_mut().zip(&self.charged_at) {
            let discharged = discharged.get(&(charge.sender, charge.visit.as_str()));
            charge.late = discharged.is_some_and(|discharged| discharged < charged_at);
        }
    }

    fn outgoing(&self, place: usize) -> Outgoing {
        let draft = &self.drafts[place];
        let number = self.numbers[place];
        let seed = self.config.seed;
        let control_id = match (draft.sender, &draft.fate) {
            (_, Fate::Refused { .. }) => None,
            (Sender::North, _) => Some(format!("N{seed}-{number:06}")),
            (Sender::Lab, _) => Some(format!("L{seed}-{number:06}")),
            (Sender::Clinic, _) => {
                Some(format!("{:05}", (number - 1) % self.config.restart_after.max(1) + 1))
            }
        };
        let dialect = &self.dialects[&draft.sender];
        let is_garbage = draft.fate == Fate::Refused { why: Bad::Garbage };
        let mut segments = Vec::new();
        if !is_garbage {
            segments.push(dialect.header(&Header {
                code: draft.code,
                trigger: draft.trigger,
                control_id: control_id.as_deref().unwrap_or_default(),
                processing: if draft.fate == (Fate::Ignored { why: Bad::Test }) { "T" } else { "P" },
                sent_at: self.due[place],
            }));
        }
        segments.extend(draft.body.iter().cloned());
        let mut kind = format!("{}^{}", draft.code, draft.trigger);
        kind.truncate(kind.trim_end_matches('^').len());
        let owner = draft.patient.as_ref().or(draft.visit.as_ref());
        Outgoing {
            id: MessageId { sender: draft.sender, number },
            control_id,
            kind,
            due: self.due[place],
            is_copy: false,
            order: 0,
            lane: owner.map_or(0, |owner| lane(owner)),
            bytes: dialect.bytes(&segments),
        }
    }

    /// Puts a message into its stream, and now and then a copy of an earlier one behind it.
    fn take(
        &mut self,
        streams: &mut BTreeMap<Sender, Vec<Outgoing>>,
        outgoing: Outgoing,
        place: usize,
        chance: &mut Chance,
    ) {
        let draft = &self.drafts[place];
        let is_good = draft.fate == Fate::Applied;
        let is_twice = is_good && chance.of_ten_thousand(self.config.twice.of_ten_thousand());
        self.truth.messages.push(Message {
            id: outgoing.id,
            control_id: outgoing.control_id.clone(),
            kind: outgoing.kind.clone(),
            patient: draft.patient.clone(),
            visit: draft.visit.clone(),
            due: outgoing.due,
            content: hex(&content(&outgoing.bytes)),
            copies: if is_twice { 2 } else { 1 },
            fate: draft.fate.clone(),
        });
        let stream = streams.entry(outgoing.id.sender).or_default();
        let copies = self.copies.entry(outgoing.id.sender).or_default();
        stream.push(outgoing.clone());
        if chance.of_hundred(40) {
            let dialect = &self.dialects[&outgoing.id.sender];
            stream.extend(copies.drain(..).map(|copy| copy.sent_at(outgoing.due, dialect)));
        }
        if is_twice {
            copies.push(Outgoing { is_copy: true, ..outgoing });
        }
    }

    /// Puts messages' numbers where drafts' places stood.
    fn renumber(&mut self) {
        let numbers = &self.numbers;
        let truth = &mut self.truth;
        let ids = (truth.patients.iter_mut().map(|it| &mut it.message))
            .chain(truth.links.iter_mut().map(|it| &mut it.message))
            .chain(truth.visits.iter_mut().flat_map(|it| &mut it.messages))
            .chain(truth.charges.iter_mut().flat_map(|it| it.said.iter_mut().map(|said| &mut said.message)))
            .chain(truth.appointments.iter_mut().flat_map(|it| &mut it.messages))
            .chain(truth.orders.iter_mut().flat_map(|it| &mut it.messages))
            .chain(truth.results.iter_mut().flat_map(|it| &mut it.messages))
            .chain(truth.consumptions.iter_mut().map(|it| &mut it.message));
        for id in ids {
            id.number = numbers[id.number];
        }
        for message in &mut truth.messages {
            if let Fate::Behind { message } = &mut message.fate {
                *message = numbers[*message];
            }
        }
    }
}

/// What makes a message the same one: its bytes without MSH-7.
pub fn content(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(with_sent_at(bytes, b"")).into()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// FNV-1a: the same on every machine.
fn lane(owner: &str) -> u64 {
    owner
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
