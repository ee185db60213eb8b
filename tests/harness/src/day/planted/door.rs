//! Faults of raw messages and of what waits for a person.

use super::{Fault, Told};
use crate::books::{Evidence, ParkedAt};
use crate::day::{Played, accounts};
use canon::events::billing_charge::Charge;
use canon::{Event, InvoiceRequest, Patient, RawHl7v2};
use hospital::truth::{Fate, Message, MessageId};

pub(super) const FAULTS: [Fault; 11] = [
    (
        "a message that was acknowledged is lost",
        |played, there| {
            let Some(content) = applied(played).map(|message| message.content.clone()) else { return false };
            let before = there.raw.len();
            there.raw.retain(|raw| hex(&raw.content) != content);
            there.raw.len() < before
        },
        Told::Lost,
    ),
    ("a message has other bytes", |played, there| other_bytes(played, there), Told::Lost),
    (
        "a message that nobody sent",
        |played, there| {
            let Some(of) = applied(played).and_then(|message| message.control_id.clone()) else {
                return false;
            };
            let Some(mut again) = there.raw.iter().find(|raw| raw.control_id.as_ref() == Some(&of)).cloned()
            else {
                return false;
            };
            again.content = [0; 32];
            again.at.1 = i64::MAX;
            there.raw.push(again);
            true
        },
        Told::Stranger("raw message"),
    ),
    (
        "a message was never acknowledged",
        |played, _| {
            let Some(id) = applied(played).map(|message| message.id) else { return false };
            played.told.retain(|told| told.id != id);
            true
        },
        Told::Unacknowledged,
    ),
    ("a message waits that should not", |played, there| waits(played, there), Told::Parked),
    (
        "a charge waits that should not",
        |played, there| {
            let right = |id: &MessageId| {
                played.plan.truth.message(*id).is_some_and(|message| message.fate == Fate::Applied)
            };
            let charges = accounts::messages(played, there);
            let Some((partition, offset)) = charges.iter().find(|(_, id)| right(id)).map(|(at, _)| *at)
            else {
                return false;
            };
            park(there, Some((Charge::TOPIC, partition, offset)), None)
        },
        Told::Parked,
    ),
    (
        "a bad message does not wait",
        |played, there| goes_on(played, there, |message| matches!(message.fate, Fate::Parked { .. })),
        Told::NotParked,
    ),
    (
        "a message behind a bad one does not wait",
        |played, there| goes_on(played, there, |message| matches!(message.fate, Fate::Behind { .. })),
        Told::NotParked,
    ),
    (
        "a request of a visit waits",
        |played, there| {
            let key = played.visits().pop_first();
            park(there, Some((InvoiceRequest::TOPIC, 0, 0)), key)
        },
        Told::ParkedElsewhere,
    ),
    (
        "a deadline of a visit waits",
        |played, there| {
            let key = played.visits().pop_first();
            park(there, None, key)
        },
        Told::ParkedElsewhere,
    ),
    (
        "something of a patient waits",
        |played, there| {
            let key = played.patients().pop_first();
            park(there, Some((Patient::TOPIC, 0, 0)), key)
        },
        Told::ParkedElsewhere,
    ),
];

/// Faults of what waits for its code in the morning.
pub(super) const WAITING: [Fault; 4] = [
    (
        "a charge without a mapping does not wait",
        |played, there| goes_on(played, there, |message| matches!(message.fate, Fate::Unmapped { .. })),
        Told::NotParked,
    ),
    ("a message waits that should not, in the morning", |played, there| waits(played, there), Told::Parked),
    (
        "a visit waits that has no new code",
        |played, there| {
            let held = accounts::held(played, crate::day::Codes::Morning);
            let key = played.visits().difference(&held).next().cloned();
            park(there, Some((InvoiceRequest::TOPIC, 0, 0)), key)
        },
        Told::ParkedElsewhere,
    ),
    (
        "a charge that waits is not stated",
        |played, there| {
            let held = accounts::held(played, crate::day::Codes::Morning);
            super::lose(&mut there.charges, |stated, _| held.contains(&stated.key))
        },
        Told::Missing("charge"),
    ),
];

/// A message of the hospital's that all goes well with.
fn applied(played: &Played) -> Option<&Message> {
    let mut messages = played.plan.truth.messages.iter();
    messages.find(|message| {
        message.id.sender == hospital::Sender::North
            && message.fate == Fate::Applied
            && message.control_id.is_some()
    })
}

fn other_bytes(played: &Played, there: &mut Evidence) -> bool {
    let Some(content) = applied(played).map(|message| message.content.clone()) else { return false };
    let mut is_there = false;
    for raw in there.raw.iter_mut().filter(|raw| hex(&raw.content) == content) {
        raw.content[0] ^= 1;
        is_there = true;
    }
    is_there
}

/// What goes well is parked.
fn waits(played: &Played, there: &mut Evidence) -> bool {
    let Some(content) = applied(played).map(|message| message.content.clone()) else { return false };
    let raw = there.raw.iter().find(|raw| hex(&raw.content) == content);
    let Some((partition, offset)) = raw.map(|raw| raw.at) else { return false };
    park(there, Some((RawHl7v2::TOPIC, partition, offset)), None)
}

/// Nothing of one such message waits any more.
fn goes_on(played: &Played, there: &mut Evidence, is_it: impl Fn(&Message) -> bool) -> bool {
    let truth = &played.plan.truth;
    let charges = accounts::messages(played, there);
    let content = |at: (i32, i64)| {
        let raw = there.raw.iter().find(|raw| raw.at == at)?;
        let content = hex(&raw.content);
        truth
            .messages
            .iter()
            .find(|message| message.content == content && message.id.sender.name() == raw.sender)
    };
    let of = |parked: &ParkedAt| {
        let (topic, partition, offset) = parked.record.as_ref()?;
        let at = (*partition, *offset);
        match topic.as_str() {
            RawHl7v2::TOPIC => content(at).map(|message| message.id),
            Charge::TOPIC => charges.get(&at).copied(),
            _ => None,
        }
    };
    let ids: Vec<Option<MessageId>> = there.parked.iter().map(of).collect();
    let chosen = ids.iter().flatten().find(|id| truth.message(**id).is_some_and(&is_it)).copied();
    let Some(chosen) = chosen else { return false };
    let mut ids = ids.into_iter();
    there.parked.retain(|_| ids.next() != Some(Some(chosen)));
    true
}

fn park(there: &mut Evidence, record: Option<(&str, i32, i64)>, key: Option<String>) -> bool {
    there.parked.push(ParkedAt {
        service: "nobody",
        processor: "nothing",
        record: record.map(|(topic, partition, offset)| (topic.to_owned(), partition, offset)),
        key,
        reason: "invalid".to_owned(),
        detail: "planted".to_owned(),
    });
    true
}

fn hex(content: &[u8; 32]) -> String {
    content.iter().map(|byte| format!("{byte:02x}")).collect()
}
