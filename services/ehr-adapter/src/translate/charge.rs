//! What a DFT message says of charges: one fact per FT1, all of them or none.

use super::consumption;
use super::currency::decimals;
use super::part::Part;
use super::reader::invalid;
use super::source::Source;
use super::tables::{self, AsSaid};
use super::unmapped::{PAYMENT, Unmapped, Why};
use super::{Statement, Translated};
use crate::sender::Reversal;
use backbone::{Reason, Reject};
use canon::event::{Change, Name};
use canon::events::billing_charge::ChargeKind;
use canon::{Charge, CodeTable, Date, Money, Quantity};
use std::collections::BTreeSet;

/// The charges and consumptions of a message, in its order.
pub(super) fn charges(source: &Source<'_>) -> Result<Translated, Reject> {
    source.one_patient()?;
    let dft = source.reading.dft;
    let mut translated = Translated::default();
    let mut names = BTreeSet::new();
    let lines = Part::all(source.reader, "FT1");
    if lines.is_empty() {
        return Err(Reject::new(Reason::Invalid, "a DFT without FT1"));
    }
    for part in lines {
        let Some(line) = Line::read(part, source)? else {
            translated.unmapped.push(Unmapped { what: PAYMENT.to_owned(), why: Why::Payment });
            continue;
        };
        if !names.insert(line.parts("")) {
            // The later one would count as a correction of the earlier, and a charge would be lost.
            let at = line.part.at(source.reading.transaction.within.field.get().into());
            return Err(Reject::new(
                Reason::Conflict,
                format!("{at} is the id of an earlier FT1 of this message"),
            ));
        }
        if dft.charge {
            let (name, charge) = line.charge(&mut translated.as_said)?;
            translated.statements.push(Statement::Charge(name, Box::new(charge)));
        }
        if dft.consumption {
            consumption::of_charge(&line, &mut translated)?;
        }
    }
    Ok(translated)
}

/// One FT1.
pub(super) struct Line<'s, 'a> {
    pub(super) part: Part<'s, 'a>,
    pub(super) source: &'s Source<'a>,
    pub(super) kind: ChargeKind,
    pub(super) code: String,
    pub(super) quantity: Quantity,
    /// FT1-2, if it is there.
    pub(super) transaction: Option<String>,
    /// The day of the service, as the source has it.
    pub(super) day: Date,
}

impl<'s, 'a> Line<'s, 'a> {
    /// What every use of an FT1 needs; none for a payment.
    fn read(part: Part<'s, 'a>, source: &'s Source<'a>) -> Result<Option<Self>, Reject> {
        let Some(kind) = kind(&part)? else { return Ok(None) };
        let path = source.reading.charge_code;
        let code = part.code_at(&path)?;
        let code =
            code.ok_or_else(|| invalid(part.at(path.within.field.get().into()), "is empty: no charge code"))?;
        let quantity = match part.decimal(10)? {
            Some(quantity) => quantity,
            None => Quantity::from_whole(1).map_err(|why| invalid(part.at(10), why))?,
        };
        let transaction = part.code_at(&source.reading.transaction)?;
        let day = part.day(4).unwrap_or(source.occurred_on);
        Ok(Some(Self { part, source, kind, code, quantity, transaction, day }))
    }

    fn charge(&self, as_said: &mut BTreeSet<AsSaid>) -> Result<(Name, Charge), Reject> {
        let Self { source, part, .. } = self;
        let facility = source.reading.facility_of(source.facility.as_deref());
        let visit = source.visit()?;
        let name = Name::new("charge", &self.parts(visit.token.as_str()));
        let (amount, currency) = self.amount()?;
        let description = part.reader.free_text(*part.field(7).component(2));
        let description = description.or_else(|| part.reader.free_text(*part.field(8).component(1)));
        let is_credit = self.kind == ChargeKind::Credit;
        // A credit takes away, with whichever sign its source writes it.
        let signed = |number: Quantity| if is_credit { -number.abs() } else { number };
        let charge = Charge {
            change: Change::Recorded,
            charge: name.to_string(),
            encounter: visit.token,
            patient: source.patient,
            sender: source.sender.to_string(),
            control_id: source.control_id.to_owned(),
            facility: source.facility.clone(),
            transaction_id: match &self.transaction {
                Some(id) => id.clone(),
                None => format!("{}-{}", source.control_id, part.number()),
            },
            kind: self.kind,
            reverses: self.reverses(visit.token.as_str())?,
            code: self.code.clone(),
            description,
            quantity: signed(self.quantity),
            amount: signed(amount),
            currency,
            service_at: part.time(4)?.unwrap_or(source.occurred_at),
            department: self.department(as_said)?,
            company: facility.and_then(|facility| facility.company.clone()),
            journal: facility.and_then(|facility| facility.journal.clone()),
            occurred_at: source.occurred_at,
        };
        Ok((name, charge))
    }

    /// The department, as its table has it, else as it is said.
    fn department(&self, as_said: &mut BTreeSet<AsSaid>) -> Result<Option<String>, Reject> {
        let Some(said) = self.part.code_at(&self.source.reading.department)? else { return Ok(None) };
        let known = tables::known(self.source, CodeTable::Department, &said, self.day, as_said)?;
        Ok(Some(known.map_or(said, |entry| entry.target)))
    }

    /// What it is named by: the source's number of the transaction, so that it is one fact however often and in whatever
    /// message it is told; without one the message and the FT1's place in it. A credit may have its charge's number.
    pub(super) fn parts(&self, owner: &str) -> Vec<String> {
        let sender = self.source.sender.as_str();
        let number = self.part.number().to_string();
        match &self.transaction {
            Some(id) => [sender, owner, id].into_iter().chain(suffix(self.kind)).map(str::to_owned).collect(),
            None => self.source.parts_by_message(&[sender, owner, self.source.control_id, &number]),
        }
    }

    /// The id of the charge that is taken back.
    fn reverses(&self, visit: &str) -> Result<Option<String>, Reject> {
        if self.kind == ChargeKind::Charge {
            return Ok(None);
        }
        let id = match &self.source.reading.reversal {
            Reversal::Nothing => None,
            Reversal::Itself => self.transaction.clone(),
            Reversal::Transaction(path) => self.part.code_at(path)?,
        };
        let name = |id: String| Name::new("charge", &[self.source.sender.as_str(), visit, &id]).to_string();
        Ok(id.map(name))
    }

    /// The extended amount and its currency: as it is said, else a unit's times the quantity.
    fn amount(&self) -> Result<(Money, String), Reject> {
        let (amount, currency, at) = if let Some(amount) = self.part.decimal::<18, 4>(11)? {
            (amount, self.currency(11)?, self.part.at(11))
        } else if let Some(unit) = self.part.decimal::<18, 4>(12)? {
            let at = self.part.at(12);
            (self.times(unit, &at)?, self.currency(12)?, at)
        } else {
            let at = format!("{} by its price in the code table", self.part.at(7));
            let (price, currency) = self.price()?;
            (self.times(price, &at)?, currency, at)
        };
        if amount.decimals() > decimals(&currency) {
            return Err(invalid(at, "is an amount finer than its currency is divided"));
        }
        Ok((amount, currency))
    }

    fn times(&self, unit: Money, at: &str) -> Result<Money, Reject> {
        unit.checked_mul(self.quantity).map_err(|why| invalid(at, format!("times FT1-10 has {why}")))
    }

    /// The price that the code table has for the day of the service.
    fn price(&self) -> Result<(Money, String), Reject> {
        let Source { tables, sender, .. } = self.source;
        let found = tables::find(*tables, CodeTable::Charge, sender, &self.code, self.day, self.part.at(7))?;
        let entry = found.map_err(|unknown| {
            let waits = unknown.waits();
            let detail = format!("{} and FT1-12 are empty: no amount; {}", self.part.at(11), waits.detail);
            Reject { detail, ..waits }
        })?;
        let Some(price) = entry.price else {
            let why = "and FT1-12 are empty: no amount, and the code table has no price";
            let own = tables::key(CodeTable::Charge, sender, &self.code, self.part.at(7))?;
            return Err(tables::released_by(invalid(self.part.at(11), why), &own));
        };
        let currency = entry.currency.or_else(|| self.default_currency());
        Ok((price, self.sound(currency, 7)?))
    }

    /// CP.1.2, else the facility's, else the sender's.
    fn currency(&self, field: usize) -> Result<String, Reject> {
        let said = *self.part.field(field).component(1).subcomponent(2);
        let said = self.part.reader.code(said, self.part.at(field))?;
        self.sound(said.or_else(|| self.default_currency()), field)
    }

    fn default_currency(&self) -> Option<String> {
        let reading = self.source.reading;
        let facility = reading.facility_of(self.source.facility.as_deref());
        facility.and_then(|facility| facility.currency.clone()).or_else(|| reading.currency.clone())
    }

    fn sound(&self, currency: Option<String>, field: usize) -> Result<String, Reject> {
        let is_code = |code: &String| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
        currency
            .filter(is_code)
            .ok_or_else(|| invalid(self.part.at(field), "has a currency that is not three capital letters"))
    }
}

/// What FT1-6 says; none of a payment.
fn kind(part: &Part<'_, '_>) -> Result<Option<ChargeKind>, Reject> {
    match part.code(6)?.as_deref() {
        Some("CG") => Ok(Some(ChargeKind::Charge)),
        Some("CD") => Ok(Some(ChargeKind::Credit)),
        Some("AJ") => Ok(Some(ChargeKind::Adjustment)),
        Some("PY") => Ok(None),
        Some(_) => {
            let detail =
                format!("{}: not a transaction type that is translated: CG, CD, AJ and PY are", part.at(6));
            Err(Reject::new(Reason::Unsupported, detail))
        }
        None => Err(invalid(part.at(6), "is empty: not said whether it is a charge")),
    }
}

fn suffix(kind: ChargeKind) -> Option<&'static str> {
    match kind {
        ChargeKind::Adjustment => Some("AJ"),
        ChargeKind::Credit => Some("CD"),
        ChargeKind::Charge | ChargeKind::Unknown => None,
    }
}
