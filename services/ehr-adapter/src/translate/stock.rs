//! What code tables make of something taken: which item, from which place, how much of it.

use super::Statement;
use super::consumption::Taken;
use super::reader::invalid;
use super::source::{Source, places};
use super::tables::{self, AsSaid};
use crate::setup::until_configured;
use backbone::Reject;
use canon::event::Name;
use canon::events::reference_code::CodeEntry;
use canon::{CodeTable, ItemCode, LocationCode, Quantity, StockKey};
use std::collections::BTreeSet;

/// The stock that something is taken from, and the name that the taking has by it.
pub(super) struct Stock {
    pub(super) entry: CodeEntry,
    pub(super) item: ItemCode,
    pub(super) location: LocationCode,
    pub(super) name: Name,
}

impl Stock {
    pub(super) fn taken_back(self) -> Statement {
        Statement::Unconsumed(self.name, StockKey::of(&self.item, &self.location))
    }
}

/// None where the code table says that it is nothing that is kept in stock.
pub(super) fn stock(source: &Source<'_>, taken: &Taken) -> Result<Option<Stock>, Reject> {
    let Source { tables, sender, .. } = source;
    let entry = tables::entry(*tables, CodeTable::Charge, sender, &taken.code, taken.day, &taken.at)?;
    if entry.target.is_empty() {
        return Ok(None);
    }
    let item = ItemCode::of(&entry.target).map_err(|why| invalid(&taken.at, format!("stands for {why}")))?;
    let location = location(source, taken)?;
    // With the stock: a fact's key never changes, and a table that is put right makes another fact of it.
    let stock = StockKey::of(&item, &location).to_string();
    let parts: Vec<&str> = taken.parts.iter().map(String::as_str).chain([stock.as_str()]).collect();
    let name = Name::new("consumption", &parts);
    Ok(Some(Stock { entry, item, location, name }))
}

/// How much in which unit: by the unit's table, else as the code's own row has it, else as it is said.
pub(super) fn measure(
    source: &Source<'_>,
    taken: &Taken,
    entry: CodeEntry,
    as_said: &mut BTreeSet<AsSaid>,
) -> Result<(Quantity, Option<String>), Reject> {
    let said = taken.quantity.clone()?;
    let mut unknown = BTreeSet::new();
    let by_unit = match &taken.unit {
        Some(unit) => tables::known(source, CodeTable::Unit, unit, taken.day, &mut unknown)?,
        None => None,
    };
    // A row that says what its code is measured in has said it of every unit.
    if entry.unit.is_none() {
        as_said.append(&mut unknown);
    }
    let (unit, factor) = match by_unit {
        Some(unit) => (Some(unit.target), unit.factor),
        None if entry.unit.is_some() => (entry.unit, entry.factor),
        None => (taken.unit.clone(), entry.factor),
    };
    let Some(factor) = factor else { return Ok((said, unit)) };
    let quantity = said.checked_mul(factor);
    let quantity =
        quantity.map_err(|why| invalid(&taken.at, format!("times its unit's factor has {why}")))?;
    Ok((quantity, unit))
}

/// The stock's place: by the table where the message names one, else the facility's warehouse.
fn location(source: &Source<'_>, taken: &Taken) -> Result<LocationCode, Reject> {
    let reading = source.reading;
    let at = places(&reading.location_paths);
    let code = match &taken.place {
        Some(place) => {
            tables::entry(source.tables, CodeTable::Location, &source.sender, place, taken.day, &at)?.target
        }
        None => {
            let facility = reading.facility_of(source.facility.as_deref());
            let warehouse = facility.and_then(|facility| facility.warehouse.clone());
            warehouse.ok_or_else(|| {
                let why = "are empty, and the facility has no warehouse in the sender's configuration";
                until_configured(source.sender.as_str(), invalid(&at, why))
            })?
        }
    };
    LocationCode::of(&code).map_err(|why| invalid(at, format!("stands for {why}")))
}
