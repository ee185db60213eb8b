//! Faults of consumption.

use super::{Fault, Told, change, double, lose};
use crate::books::Evidence;
use crate::day::Played;
use canon::events::supply_consumption::ConsumptionSource;
use canon::{Consumption, ItemCode, LocationCode, Quantity};
use std::collections::BTreeSet;

pub(super) const FAULTS: [Fault; 10] = [
    (
        "a consumption is missing",
        |played, there| {
            let keys = played.visits();
            lose(&mut there.consumptions, |_, body| is_of(body, &keys))
        },
        Told::Fewer(WHAT),
    ),
    (
        "a consumption is there twice",
        |played, there| {
            let keys = played.visits();
            double(&mut there.consumptions, |_, body| is_of(body, &keys))
        },
        Told::Differs(WHAT),
    ),
    (
        "a consumption is nobody's",
        |played, there| spoil(played, there, |one| one.encounter = None),
        Told::Fewer(WHAT),
    ),
    (
        "a consumption is of another quantity",
        |played, there| spoil(played, there, |one| one.quantity = Quantity::default()),
        Told::Differs(WHAT),
    ),
    (
        "a consumption is of another lot",
        |played, there| spoil(played, there, |one| one.lot = Some("LOT1".to_owned())),
        Told::Differs(WHAT),
    ),
    (
        "a consumption is given back",
        |played, there| spoil(played, there, |one| one.returned = true),
        Told::Differs(WHAT),
    ),
    (
        "a consumption is of another code",
        |played, there| spoil(played, there, |one| one.code.push('X')),
        Told::Differs(WHAT),
    ),
    (
        "a consumption is of another item",
        |played, there| {
            let Ok(item) = ItemCode::of("OTHER") else { return false };
            spoil(played, there, |one| one.item = item)
        },
        Told::Differs(WHAT),
    ),
    (
        "a consumption is from another place",
        |played, there| {
            let Ok(location) = LocationCode::of("WH/OTHER") else { return false };
            spoil(played, there, |one| one.location = location)
        },
        Told::Differs(WHAT),
    ),
    (
        "a consumption is by something else",
        |played, there| spoil(played, there, |one| one.source = ConsumptionSource::Requisition),
        Told::Differs(WHAT),
    ),
];

const WHAT: &str = "the consumption of visit";

fn is_of(body: &Consumption, keys: &BTreeSet<String>) -> bool {
    body.encounter.as_ref().is_some_and(|visit| keys.contains(visit.as_str()))
}

fn spoil(played: &Played, there: &mut Evidence, spoil: impl FnOnce(&mut Consumption)) -> bool {
    let keys = played.visits();
    change(&mut there.consumptions, |_, body| is_of(body, &keys), spoil)
}
