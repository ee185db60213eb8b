//! What does not agree, all of it: a plain function over what was sent, the truth, and what was read.

use super::{Codes, Played, accounts, cases, cashier, clinic, invoices, supply};
use crate::books::{Evidence, ParkedAt, Stated};
use canon::{Charge, Event, RawHl7v2};
use hospital::truth::{Fate, Message, MessageId};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// One thing that does not agree. Numbers and codes are invented; names are never told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each field is named in its message")]
pub enum Amiss {
    /// I1
    #[error("{kind}, number {} of {}, was acknowledged and is not on raw.hl7v2.v1 as it was sent", .id.number, .id.sender)]
    Lost { id: MessageId, kind: String },
    #[error("{kind}, number {} of {}, was never acknowledged", .id.number, .id.sender)]
    Unacknowledged { id: MessageId, kind: String },
    #[error("{kind}, number {} of {}, is parked: {} ({})", .id.number, .id.sender, .parked.detail, .parked.reason)]
    Parked { id: MessageId, kind: String, parked: ParkedAt },
    #[error("{kind}, number {} of {}, should wait for a person and does not", .id.number, .id.sender)]
    NotParked { id: MessageId, kind: String },
    #[error("{} has parked what is no message of the day: {} ({})", .0.service, .0.detail, .0.reason)]
    ParkedElsewhere(ParkedAt),
    #[error("{topic} {partition}@{offset} cannot be read")]
    Unreadable { topic: &'static str, partition: i32, offset: i64 },
    /// I3
    #[error("{topic} {partition}@{offset} has version {is} of its key, behind {after}")]
    Version { topic: &'static str, partition: i32, offset: i64, is: i64, after: i64 },
    #[error("{what} {of} is {is}, {should} was said")]
    Differs { what: &'static str, of: String, is: String, should: String },
    #[error("{what} {of} is nowhere")]
    Missing { what: &'static str, of: String },
    #[error("{what} {of} was never said")]
    Stranger { what: &'static str, of: String },
    /// I9
    #[error("visit {visit}: {what} is {is} {currency}, {should} should be")]
    Account { visit: String, what: &'static str, currency: String, is: Decimal, should: Decimal },
    #[error("{what}: {is} {currency} in all, {should} should be")]
    Sum { what: &'static str, currency: String, is: Decimal, should: Decimal },
}

/// Holds what was read against the truth of everything that was acknowledged; everything that differs.
pub fn amiss(played: &Played, evidence: &Evidence, codes: Codes) -> Vec<Amiss> {
    let mut found = Vec::new();
    let places = landed(played, evidence, &mut found);
    parked(played, evidence, codes, &places, &mut found);
    records(evidence, &mut found);
    let held = accounts::held(played, codes);
    accounts::check(played, evidence, &held, &mut found);
    invoices::copies(played, evidence, &mut found);
    clinic::check(played, evidence, &held, &mut found);
    supply::check(played, evidence, &mut found);
    let followed = played.visits().difference(&held).cloned().collect();
    cases::check(evidence, &followed, &mut found);
    cashier::check(evidence, &followed, &mut found);
    found
}

/// Places of raw records, and which message of the day each is.
type Places = BTreeMap<(i32, i64), MessageId>;

/// I1 and I2 at the door.
fn landed(played: &Played, evidence: &Evidence, found: &mut Vec<Amiss>) -> Places {
    let truth = &played.plan.truth;
    let ids: BTreeMap<(&str, &str), MessageId> = truth
        .messages
        .iter()
        .map(|message| ((message.id.sender.name(), message.content.as_str()), message.id))
        .collect();
    let mut places = Places::new();
    for raw in &evidence.raw {
        let content: String = raw.content.iter().map(|byte| format!("{byte:02x}")).collect();
        if let Some(id) = ids.get(&(raw.sender.as_str(), content.as_str())) {
            places.insert(raw.at, *id);
        } else if let Some(of) = raw.control_id.as_deref().filter(|id| played.is_ours(&raw.sender, id)) {
            found.push(Amiss::Stranger { what: "raw message", of: of.to_owned() });
        }
    }
    let there: BTreeSet<MessageId> = places.values().copied().collect();
    let acknowledged = played.acknowledged();
    for message in &truth.messages {
        let (id, kind) = (message.id, message.kind.clone());
        let is_refused = matches!(message.fate, Fate::Refused { .. });
        if acknowledged.contains(&id) && !there.contains(&id) {
            found.push(Amiss::Lost { id, kind });
        } else if !acknowledged.contains(&id) && !is_refused {
            found.push(Amiss::Unacknowledged { id, kind });
        }
    }
    places
}

/// What waits for a person is what has to, and nothing else.
fn parked(played: &Played, evidence: &Evidence, codes: Codes, places: &Places, found: &mut Vec<Amiss>) {
    let truth = &played.plan.truth;
    let kind = |id: MessageId| truth.message(id).map(|message| message.kind.clone()).unwrap_or_default();
    let waits = |message: &Message| match message.fate {
        Fate::Parked { .. } | Fate::Behind { .. } | Fate::Refused { .. } => true,
        Fate::Unmapped { .. } => codes == Codes::Morning,
        Fate::Applied | Fate::Ignored { .. } => false,
    };
    let held = accounts::held(played, codes);
    let (visits, patients) = (played.visits(), played.patients());
    let charges = accounts::messages(played, evidence);
    let mut waiting = BTreeSet::new();
    for parked in &evidence.parked {
        let key = parked.key.as_deref();
        let id = parked.record.as_ref().and_then(|(topic, partition, offset)| match topic.as_str() {
            RawHl7v2::TOPIC => places.get(&(*partition, *offset)),
            Charge::TOPIC => charges.get(&(*partition, *offset)),
            _ => None,
        });
        match id {
            Some(id) if truth.message(*id).is_some_and(waits) => drop(waiting.insert(*id)),
            _ if key.is_some_and(|key| held.contains(key)) => {}
            Some(id) => {
                found.push(Amiss::Parked { id: *id, kind: kind(*id), parked: parked.clone() });
            }
            None if key.is_some_and(|key| visits.contains(key) || patients.contains(key)) => {
                found.push(Amiss::ParkedElsewhere(parked.clone()));
            }
            // Other days and other senders have their own.
            None => {}
        }
    }
    let acknowledged = played.acknowledged();
    for message in
        truth.messages.iter().filter(|message| waits(message) && acknowledged.contains(&message.id))
    {
        if !waiting.contains(&message.id) {
            found.push(Amiss::NotParked { id: message.id, kind: message.kind.clone() });
        }
    }
}

/// I3, on every topic: everything can be read, and versions rise; where nothing is compacted, without a gap.
fn records(evidence: &Evidence, found: &mut Vec<Amiss>) {
    fn of<E: Event>(read: &crate::books::Read<E>, is_compacted: bool, found: &mut Vec<Amiss>) {
        let topic = E::TOPIC;
        found.extend(read.unreadable.iter().map(|(partition, offset)| Amiss::Unreadable {
            topic,
            partition: *partition,
            offset: *offset,
        }));
        let mut last: BTreeMap<&str, (i64, uuid::Uuid)> = BTreeMap::new();
        for stated in &read.stated {
            let (after, id) = last.insert(&stated.key, (stated.version, stated.id)).unwrap_or_default();
            let rises = if is_compacted { stated.version > after } else { stated.version == after + 1 };
            // A relay that was killed may publish the same once more.
            let is_again = stated.version == after && stated.id == id;
            if !rises && !is_again {
                let (partition, offset) = stated.at;
                found.push(Amiss::Version { topic, partition, offset, is: stated.version, after });
            }
        }
    }
    of(&evidence.encounters, false, found);
    of(&evidence.charges, false, found);
    of(&evidence.requests, false, found);
    of(&evidence.cases, true, found);
    of(&evidence.patients, true, found);
    of(&evidence.links, true, found);
    of(&evidence.appointments, false, found);
    of(&evidence.orders, false, found);
    of(&evidence.results, false, found);
    of(&evidence.consumptions, false, found);
    of(&evidence.entered, false, found);
    of(&evidence.paid, false, found);
}

/// What each fact says last, by its name; what was withdrawn is not there.
pub(super) fn latest<E>(
    stated: &[Stated<E>],
    is_withdrawn: impl Fn(&E) -> bool,
) -> BTreeMap<&str, (&Stated<E>, &E)> {
    let mut latest = BTreeMap::new();
    for one in stated {
        match &one.body {
            Some(body) if !is_withdrawn(body) => drop(latest.insert(one.name.as_str(), (one, body))),
            _ => drop(latest.remove(one.name.as_str())),
        }
    }
    latest
}
