//! What was taken from stock: by charge, dispense, administration or requisition; all of a message or nothing.

use super::charge::Line;
use super::part::Part;
use super::reader::invalid;
use super::source::Source;
use super::stock::{Stock, measure, stock};
use super::tables::AsSaid;
use super::unmapped::{Unmapped, Why};
use super::{Statement, Translated};
use backbone::{Reason, Reject};
use canon::event::{Change, Name};
use canon::events::billing_charge::ChargeKind;
use canon::events::supply_consumption::ConsumptionSource;
use canon::{Consumption, Date, Quantity, Timestamp};
use std::collections::BTreeSet;

/// What one segment says was taken.
pub(super) struct Taken {
    /// What it is named by, besides the stock it is taken from.
    pub(super) parts: Vec<String>,
    kind: ConsumptionSource,
    pub(super) code: String,
    /// Where the code stands, `RXD[1]-2`.
    pub(super) at: String,
    /// Where it was taken from, in the source's words.
    pub(super) place: Option<String>,
    /// What takes it back need not say how much.
    pub(super) quantity: Result<Quantity, Reject>,
    pub(super) unit: Option<String>,
    lot: Option<String>,
    expires_on: Option<Date>,
    returned: bool,
    consumed_at: Timestamp,
    /// The day of that, as the source has it.
    pub(super) day: Date,
}

/// What an FT1 took from stock; adjustments move money only.
pub(super) fn of_charge(line: &Line<'_, '_>, translated: &mut Translated) -> Result<(), Reject> {
    let Line { part, source, .. } = line;
    if line.kind == ChargeKind::Adjustment {
        return Ok(());
    }
    let owner = source.encounter().map(|visit| visit.to_string()).unwrap_or_default();
    let taken = Taken {
        parts: line.parts(&owner),
        kind: ConsumptionSource::Charge,
        code: line.code.clone(),
        at: part.at(source.reading.charge_code.within.field.get().into()),
        place: part.first_of(&source.reading.location_paths)?,
        quantity: Ok(line.quantity),
        unit: None,
        lot: source.reading.lot.map(|path| part.code_at(&path)).transpose()?.flatten(),
        expires_on: None,
        returned: line.kind == ChargeKind::Credit,
        consumed_at: part.time(4)?.unwrap_or(source.occurred_at),
        day: line.day,
    };
    match consumption(source, &taken, &mut translated.as_said)? {
        Some((name, event)) => translated.statements.push(Statement::Consumption(name, Box::new(event))),
        // As a charge it was translated.
        None if source.reading.dft.charge => {}
        None => translated.unmapped.push(not_stocked("FT1")),
    }
    Ok(())
}

/// RXD: what a pharmacy gave out.
pub(super) fn dispenses(source: &Source<'_>) -> Result<Translated, Reject> {
    all(source, "RXD", |part, told| {
        let taken = Taken {
            lot: part.code(18)?,
            expires_on: part.day(19),
            ..of_part(
                source,
                part,
                ConsumptionSource::Dispense,
                &Fields { name: &[1], code: &[2], at: 3, amount: 4 },
            )?
        };
        tell(source, part, "RXD", &taken, told)
    })
}

/// RXA: what a patient was given.
pub(super) fn administrations(source: &Source<'_>) -> Result<Translated, Reject> {
    all(source, "RXA", |part, told| {
        let fields = Fields { name: &[1, 2, 3], code: &[5], at: 3, amount: 6 };
        let taken = || of_part(source, part, ConsumptionSource::Administration, &fields);
        // Refused or not given: nothing was taken, or it was put back.
        if matches!(part.code(20)?.as_deref(), Some("NA" | "RE")) {
            told.translated.unmapped.push(Unmapped { what: "RXA".to_owned(), why: Why::NotGiven });
            // What cannot be made out of it holds nobody up: there is nothing to be stated.
            if let Ok(Some(stock)) = taken().and_then(|taken| stock(source, &taken)) {
                told.translated.statements.push(stock.taken_back());
            }
            return Ok(());
        }
        let taken = Taken { lot: part.code(15)?, expires_on: part.day(16), ..taken()? };
        match part.code(21)?.as_deref() {
            // The record of it is deleted.
            Some("D") => undo(source, "RXA", &taken, told),
            _ => tell(source, part, "RXA", &taken, told),
        }
    })
}

/// RQD: what was asked of a cabinet, and given.
pub(super) fn requisitions(source: &Source<'_>) -> Result<Translated, Reject> {
    all(source, "RQD", |part, told| {
        let fields = Fields { name: &[1], code: &[2, 3, 4], at: 10, amount: 5 };
        let taken = of_part(source, part, ConsumptionSource::Requisition, &fields)?;
        // The time of RQD-10 is when it is needed.
        let taken = Taken { consumed_at: source.occurred_at, day: source.occurred_on, ..taken };
        tell(source, part, "RQD", &taken, told)
    })
}

/// Which fields of a segment say what; the unit stands behind the amount.
struct Fields {
    /// What tells it from others of the same order.
    name: &'static [usize],
    /// The first with a value.
    code: &'static [usize],
    at: usize,
    amount: usize,
}

fn of_part(
    source: &Source<'_>,
    part: &Part<'_, '_>,
    kind: ConsumptionSource,
    fields: &Fields,
) -> Result<Taken, Reject> {
    let mut found = None;
    for field in fields.code {
        if let Some(code) = part.code(*field)? {
            found = Some((code, part.at(*field)));
            break;
        }
    }
    let first = part.at(fields.code.first().copied().unwrap_or_default());
    let (code, at) = found.ok_or_else(|| invalid(first, "is empty: no code of what was taken"))?;
    let quantity = part.decimal(fields.amount).and_then(|quantity| {
        quantity.ok_or_else(|| invalid(part.at(fields.amount), "is empty: no quantity"))
    });
    Ok(Taken {
        parts: parts(source, part, kind, fields.name)?,
        kind,
        code,
        at,
        place: part.first_of(&source.reading.location_paths)?,
        quantity,
        unit: part.code(fields.amount + 1)?,
        lot: None,
        expires_on: None,
        returned: false,
        consumed_at: part.time(fields.at)?.unwrap_or(source.occurred_at),
        day: part.day(fields.at).unwrap_or(source.occurred_on),
    })
}

/// By the order's number and the segment's own numbers within it; without an order by the message.
fn parts(
    source: &Source<'_>,
    part: &Part<'_, '_>,
    kind: ConsumptionSource,
    fields: &[usize],
) -> Result<Vec<String>, Reject> {
    let sender = source.sender.as_str();
    let Some(order) = part.first_of(&source.reading.order_paths)? else {
        let number = part.number().to_string();
        return Ok(source.parts_by_message(&[sender, kind.as_str(), source.control_id, &number]));
    };
    let mut parts = vec![sender.to_owned(), kind.as_str().to_owned(), order];
    for field in fields {
        parts.push(part.code(*field)?.unwrap_or_default());
    }
    Ok(parts)
}

/// Reads every segment of a name.
fn all(
    source: &Source<'_>,
    name: &'static str,
    read: impl Fn(&Part<'_, '_>, &mut Told) -> Result<(), Reject>,
) -> Result<Translated, Reject> {
    source.one_patient()?;
    let mut told = Told::default();
    let parts = Part::led_by(source.reader, "ORC", name)?;
    if parts.is_empty() {
        return Err(invalid(name, "is missing: not said what was taken"));
    }
    for part in &parts {
        read(part, &mut told)?;
    }
    told.keep_what_is_stated();
    Ok(told.translated)
}

/// What the segments so far came to, and what they were named by.
#[derive(Default)]
struct Told {
    translated: Translated,
    names: BTreeSet<Vec<String>>,
}

impl Told {
    /// Two of one name would be one fact, and what one of them took would be lost.
    fn names(&mut self, what: &str, taken: &Taken) -> Result<(), Reject> {
        match self.names.insert(taken.parts.clone()) {
            true => Ok(()),
            false => Err(Reject::new(Reason::Conflict, format!("two {what} have the same numbers"))),
        }
    }

    /// What one segment says was given another one with its numbers does not take back.
    fn keep_what_is_stated(&mut self) {
        let statements = &mut self.translated.statements;
        let stated = |statement: &Statement| match statement {
            Statement::Consumption(name, _) => Some(name.clone()),
            _ => None,
        };
        let stated: BTreeSet<Name> = statements.iter().filter_map(stated).collect();
        statements.retain(|statement| match statement {
            Statement::Unconsumed(name, _) => !stated.contains(name),
            _ => true,
        });
    }
}

/// States it, or takes it back where its order is called off.
fn tell(
    source: &Source<'_>,
    part: &Part<'_, '_>,
    what: &str,
    taken: &Taken,
    told: &mut Told,
) -> Result<(), Reject> {
    match part.said_code(&["ORC-1"])?.as_deref() {
        Some("CA" | "CR" | "DC" | "DR" | "OC" | "OD") => undo(source, what, taken, told),
        _ => state(source, what, taken, told),
    }
}

fn state(source: &Source<'_>, what: &str, taken: &Taken, told: &mut Told) -> Result<(), Reject> {
    told.names(what, taken)?;
    let translated = &mut told.translated;
    match consumption(source, taken, &mut translated.as_said)? {
        Some((name, event)) => translated.statements.push(Statement::Consumption(name, Box::new(event))),
        None => translated.unmapped.push(not_stocked(what)),
    }
    Ok(())
}

/// What was told of it before is taken back.
fn undo(source: &Source<'_>, what: &str, taken: &Taken, told: &mut Told) -> Result<(), Reject> {
    told.names(what, taken)?;
    if let Some(stock) = stock(source, taken)? {
        told.translated.statements.push(stock.taken_back());
    }
    Ok(())
}

fn not_stocked(what: &str) -> Unmapped {
    Unmapped { what: what.to_owned(), why: Why::NotStocked }
}

/// The fact; none of what is not kept in stock.
fn consumption(
    source: &Source<'_>,
    taken: &Taken,
    as_said: &mut BTreeSet<AsSaid>,
) -> Result<Option<(Name, Consumption)>, Reject> {
    let Some(Stock { entry, item, location, name }) = stock(source, taken)? else { return Ok(None) };
    let (quantity, unit) = measure(source, taken, entry, as_said)?;
    let event = Consumption {
        change: Change::Recorded,
        consumption: name.to_string(),
        item,
        location,
        lot: taken.lot.clone(),
        expires_on: taken.expires_on,
        quantity: quantity.abs(),
        unit,
        encounter: source.encounter(),
        patient: source.patient,
        sender: source.sender.to_string(),
        control_id: source.control_id.to_owned(),
        source: taken.kind,
        code: taken.code.clone(),
        // What is given back is written as a credit, or as a negative quantity.
        returned: taken.returned || quantity.is_negative(),
        consumed_at: taken.consumed_at,
        facility: source.facility.clone(),
        occurred_at: source.occurred_at,
    };
    Ok(Some((name, event)))
}
