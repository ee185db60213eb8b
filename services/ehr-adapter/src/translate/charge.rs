//! What a DFT message says of charges: one fact per FT1, all of them or none.

use super::Source;
use super::reader::{Reader, invalid};
use crate::sender::Reading;
use backbone::{Reason, Reject};
use canon::event::{Change, Name};
use canon::events::billing_charge::ChargeKind;
use canon::{Charge, Money, Quantity};
use hl7::message::Segment;
use std::collections::BTreeSet;

/// The charges of a message, in its order.
pub(super) fn charges(
    source: &Source<'_>,
    reader: &Reader<'_, '_>,
    reading: &Reading,
) -> Result<Vec<(Name, Charge)>, Reject> {
    let mut charges = Vec::new();
    let mut names = BTreeSet::new();
    for (index, segment) in reader.message().segments_named("FT1").enumerate() {
        let line = Line { segment, number: index + 1, reader };
        let (name, charge) = line.charge(source, reading)?;
        if !names.insert(name.as_str().to_owned()) {
            // The later one would count as a correction of the earlier, and a charge would be lost.
            let detail = format!("{} is the id of an earlier FT1 of this message", line.at(2));
            return Err(Reject::new(Reason::Conflict, detail));
        }
        charges.push((name, charge));
    }
    if charges.is_empty() {
        return Err(Reject::new(Reason::Invalid, "a DFT without FT1"));
    }
    Ok(charges)
}

/// One FT1.
struct Line<'r, 'm, 'a> {
    segment: Segment<'a>,
    /// From 1.
    number: usize,
    reader: &'r Reader<'m, 'a>,
}

impl Line<'_, '_, '_> {
    fn charge(&self, source: &Source<'_>, reading: &Reading) -> Result<(Name, Charge), Reject> {
        let (name, transaction_id) = self.name(source)?;
        let kind = self.kind()?;
        let quantity = match self.reader.decimal(*self.segment.field(10).component(1), self.at(10))? {
            Some(quantity) => quantity,
            None => Quantity::from_whole(1).map_err(|why| invalid(self.at(10), why))?,
        };
        let (amount, currency) = self.amount(quantity, reading)?;
        let code = self.code(7)?.ok_or_else(|| invalid(self.at(7), "is empty: no charge code"))?;
        let description = self.reader.free_text(*self.segment.field(7).component(2));
        let description = description.or_else(|| self.reader.free_text(*self.segment.field(8).component(1)));
        // A range of times since version 2.5: its first component is the start.
        let service_at = *self.segment.field(4).component(1).subcomponent(1);
        let charge = Charge {
            change: Change::Recorded,
            charge: name.as_str().to_owned(),
            encounter: source.encounter(),
            patient: source.patient,
            sender: source.sender.to_owned(),
            control_id: source.control_id.to_owned(),
            facility: source.facility.clone(),
            transaction_id,
            kind,
            code,
            description,
            quantity,
            amount,
            currency,
            service_at: self.reader.time(service_at, self.at(4))?.unwrap_or(source.occurred_at),
            department: self.code(13)?,
            occurred_at: source.occurred_at,
        };
        Ok((name, charge))
    }

    /// By the source's number of the transaction, so that it is one fact however often and in whatever message it
    /// is told; without one by the message and the FT1's place in it.
    fn name(&self, source: &Source<'_>) -> Result<(Name, String), Reject> {
        let visit = source.encounter();
        if let Some(id) = self.code(2)? {
            return Ok((Name::new("charge", &[source.sender, visit.as_str(), &id]), id));
        }
        let number = self.number.to_string();
        let parts = [source.sender, visit.as_str(), source.control_id, &number];
        Ok((source.name_by_message("charge", &parts), format!("{}-{number}", source.control_id)))
    }

    fn kind(&self) -> Result<ChargeKind, Reject> {
        let unsupported = |what: &str| Reject::new(Reason::Unsupported, format!("{}: {what}", self.at(6)));
        match self.code(6)?.as_deref() {
            Some("CG") => Ok(ChargeKind::Charge),
            Some("CD") => Err(unsupported("credits (CD) are not translated yet")),
            Some("AJ") => Err(unsupported("adjustments (AJ) are not translated yet")),
            Some("PY") => Err(unsupported("payments (PY) are not translated yet")),
            Some(_) => Err(unsupported("not a transaction type that is translated: CG is")),
            None => Err(invalid(self.at(6), "is empty: not said whether it is a charge")),
        }
    }

    /// The extended amount and its currency: as it is said, else the unit's times the quantity.
    fn amount(&self, quantity: Quantity, reading: &Reading) -> Result<(Money, String), Reject> {
        if let Some(amount) = self.money(11)? {
            return Ok((amount, self.currency(11, reading)?));
        }
        let Some(unit) = self.money(12)? else {
            return Err(invalid(self.at(11), "and FT1-12 are empty: no amount"));
        };
        let amount = unit.checked_mul(quantity);
        let amount = amount.map_err(|why| invalid(self.at(12), format!("times FT1-10 has {why}")))?;
        Ok((amount, self.currency(12, reading)?))
    }

    /// CP.1.1, the amount of a composite price; a plain number is the same place.
    fn money(&self, field: usize) -> Result<Option<Money>, Reject> {
        let amount = *self.segment.field(field).component(1).subcomponent(1);
        self.reader.decimal(amount, self.at(field))
    }

    /// CP.1.2, else the sender's.
    fn currency(&self, field: usize, reading: &Reading) -> Result<String, Reject> {
        let said = *self.segment.field(field).component(1).subcomponent(2);
        let currency = self.reader.code(said, self.at(field))?.or_else(|| reading.currency.clone());
        let is_code = |code: &String| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
        currency
            .filter(is_code)
            .ok_or_else(|| invalid(self.at(field), "has a currency that is not three capital letters"))
    }

    /// The first component of a field.
    fn code(&self, field: usize) -> Result<Option<String>, Reject> {
        self.reader.code(*self.segment.field(field).component(1), self.at(field))
    }

    /// `FT1[2]-11`.
    fn at(&self, field: usize) -> String {
        format!("FT1[{}]-{field}", self.number)
    }
}
