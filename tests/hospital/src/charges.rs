//! DFT^P03: charges, what takes them back, what changes them, and what a cabinet says of supplies.

use crate::adt;
use crate::config::Sender;
use crate::person::MARK;
use crate::scribe::{Scribe, Stay};
use crate::tables::Row;
use crate::truth::{Charge, ChargeKind, Consumption, Fate, MessageId, Said};
use jiff::Timestamp;
use rust_decimal::Decimal;

/// One FT1.
struct Line<'a> {
    transaction: &'a str,
    kind: ChargeKind,
    code: &'a str,
    description: String,
    quantity: i64,
    /// What it is said to cost; nothing: the table of codes has to say.
    said: Price,
    currency: &'a str,
    department: &'a str,
    at: Timestamp,
    reverses: Option<&'a str>,
}

enum Price {
    Extended(String),
    Each(String),
    Unsaid,
}

impl Scribe {
    /// A message with so many new charges.
    pub(crate) fn charges(&mut self, at: Timestamp, stay: &Stay, count: usize) -> MessageId {
        let home = stay.person.home;
        let message = MessageId { sender: home, number: self.drafts.len() };
        let mut lines = Vec::new();
        for number in 1..=count {
            let row = self.any_price(home);
            let charge = self.charge(at, stay, &row, message);
            lines.extend(self.line(number, &charge, None));
            self.truth.charges.push(charge);
            self.charged_at.push(at);
        }
        self.post_charges(at, stay, lines)
    }

    /// A message with one charge under a code that nobody has mapped yet.
    pub(crate) fn charges_unmapped(&mut self, at: Timestamp, stay: &Stay, row: &Row) -> MessageId {
        let message = MessageId { sender: stay.person.home, number: self.drafts.len() };
        let mut charge = self.charge(at, stay, row, message);
        charge.fate = Fate::Unmapped { code: row.code.clone() };
        let lines = self.line(1, &charge, None);
        self.truth.charges.push(charge);
        self.charged_at.push(at);
        let message = self.post_charges(at, stay, lines);
        self.fate(message, Fate::Unmapped { code: row.code.clone() });
        message
    }

    /// A message with one charge that is nowhere in the truth; the amount is what it is said to be.
    pub(crate) fn charges_untold(&mut self, at: Timestamp, stay: &Stay, amount: Option<&str>) -> MessageId {
        let row = self.any_price(stay.person.home);
        let message = MessageId { sender: stay.person.home, number: self.drafts.len() };
        let charge = self.charge(at, stay, &row, message);
        let lines = self.line(1, &charge, amount);
        self.post_charges(at, stay, lines)
    }

    /// CD: takes a whole charge back.
    pub(crate) fn credits(&mut self, at: Timestamp, stay: &Stay, place: usize) {
        self.answers(at, stay, place, ChargeKind::Credit);
    }

    /// AJ: makes a charge cheaper, or dearer.
    pub(crate) fn adjusts(&mut self, at: Timestamp, stay: &Stay, place: usize) {
        self.answers(at, stay, place, ChargeKind::Adjustment);
    }

    /// The same transaction again, with another quantity.
    pub(crate) fn corrects(&mut self, at: Timestamp, stay: &Stay, place: usize) {
        let mut charge = self.truth.charges[place].clone();
        let each = charge.amount / Decimal::from(charge.quantity);
        charge.quantity += self.chance.within(1..=2);
        charge.amount = each * Decimal::from(charge.quantity);
        let message = MessageId { sender: stay.person.home, number: self.drafts.len() };
        charge.said.push(Said { message, amount: charge.amount });
        let amount = charge.amount.to_string();
        let lines = self.line(1, &charge, Some(&amount));
        self.truth.charges[place] = charge;
        self.post_charges(at, stay, lines);
    }

    /// A transaction that names an earlier one.
    fn answers(&mut self, at: Timestamp, stay: &Stay, place: usize, kind: ChargeKind) {
        let message = MessageId { sender: stay.person.home, number: self.drafts.len() };
        let of = self.truth.charges[place].clone();
        let (quantity, amount) = match kind {
            ChargeKind::Adjustment => {
                let cents = self.chance.within(-900..=300);
                let least = -(of.amount * Decimal::ONE_HUNDRED / Decimal::TWO).floor();
                (1, (Decimal::from(if cents == 0 { 1 } else { cents }).max(least)) / Decimal::ONE_HUNDRED)
            }
            ChargeKind::Charge | ChargeKind::Credit => (of.quantity, of.amount),
        };
        let charge = Charge {
            transaction: self.number(stay.person.home, "T"),
            kind,
            quantity,
            amount,
            reverses: Some(of.transaction.clone()),
            service_at: at,
            late: false,
            in_cancelled_discharge: false,
            said: vec![Said { message, amount }],
            ..of
        };
        // The hospital writes credits with a minus, the clinic without one: what CD means is clear either way.
        let minus = kind == ChargeKind::Credit && stay.person.home == Sender::North;
        let said = if minus { -amount } else { amount };
        let lines = self.line(1, &charge, Some(&said.to_string()));
        self.truth.charges.push(charge);
        self.charged_at.push(at);
        self.post_charges(at, stay, lines);
    }

    fn charge(&mut self, at: Timestamp, stay: &Stay, row: &Row, message: MessageId) -> Charge {
        let home = stay.person.home;
        let quantity = self.chance.within(1..=4);
        let amount = row.price.unwrap_or_default() * Decimal::from(quantity);
        Charge {
            sender: home,
            visit: stay.visit.clone(),
            transaction: self.number(home, "T"),
            kind: ChargeKind::Charge,
            code: row.code.clone(),
            quantity,
            amount,
            currency: row.currency.clone(),
            department: stay.location.0.to_owned(),
            service_at: at,
            reverses: None,
            late: false,
            in_cancelled_discharge: false,
            said: vec![Said { message, amount }],
            fate: Fate::Applied,
        }
    }

    /// The FT1, and the clinic's ZFT behind it. Without an amount to be written the charge's own is.
    fn line(&mut self, number: usize, charge: &Charge, amount: Option<&str>) -> Vec<String> {
        let each = charge.amount / Decimal::from(charge.quantity);
        let said = match (charge.sender, amount) {
            (_, Some(amount)) if charge.quantity == 1 || charge.sender == Sender::North => {
                Price::Extended(amount.to_owned())
            }
            (Sender::Clinic, Some(amount)) if amount.parse::<Decimal>().is_err() => {
                Price::Each(amount.to_owned())
            }
            (Sender::Clinic, _) => Price::Each(each.to_string()),
            _ if self.chance.of_ten_thousand(self.unpriced) => Price::Unsaid,
            _ => Price::Extended(charge.amount.to_string()),
        };
        let rows = self.prices(charge.sender).iter();
        let name = rows.filter(|row| row.code == charge.code).map(|row| row.description.clone()).next();
        let name = name.unwrap_or_default();
        let description = if self.chance.of_hundred(30) { format!("{name}, for {MARK}-Note") } else { name };
        let line = Line {
            transaction: &charge.transaction,
            kind: charge.kind,
            code: &charge.code,
            description,
            quantity: charge.quantity,
            said,
            currency: &charge.currency,
            department: &charge.department,
            at: charge.service_at,
            reverses: charge.reverses.as_deref(),
        };
        self.segments(charge.sender, number, &line)
    }

    fn segments(&self, sender: Sender, number: usize, line: &Line<'_>) -> Vec<String> {
        let dialect = self.dialect(sender);
        let kind = match line.kind {
            ChargeKind::Charge => "CG",
            ChargeKind::Credit => "CD",
            ChargeKind::Adjustment => "AJ",
        };
        let ft1 = dialect.segment("FT1").put(1, number.to_string()).text(2, line.transaction);
        let ft1 = ft1.time(4, Some(line.at)).time(5, Some(line.at)).put(6, kind);
        let ft1 = ft1.parts(7, &[line.code, &line.description, "L"]).put(10, line.quantity.to_string());
        // The clinic leaves its currency to its configuration.
        let currency = (sender == Sender::North).then_some(line.currency);
        let ft1 = match &line.said {
            Price::Extended(amount) => ft1.put(11, dialect.price(amount, currency)),
            Price::Each(amount) => ft1.put(12, dialect.price(amount, currency)),
            Price::Unsaid => ft1,
        };
        if sender != Sender::Clinic {
            return vec![ft1.text(3, line.reverses.unwrap_or_default()).text(13, line.department).end()];
        }
        let own = dialect.segment("ZFT").put(1, number.to_string());
        let own = own.text(2, line.reverses.unwrap_or_default()).text(3, line.department);
        vec![ft1.end(), own.end()]
    }

    fn post_charges(&mut self, at: Timestamp, stay: &Stay, lines: Vec<String>) -> MessageId {
        let dialect = self.dialect(stay.person.home);
        let mut body =
            vec![adt::event(dialect, "P03", at), adt::person(dialect, stay), adt::visit(dialect, stay)];
        body.extend(lines);
        let about = (Some(&stay.person), Some(stay.visit.as_str()));
        self.post(stay.person.home, at, ("DFT", "P03"), body, about)
    }

    /// What a cabinet of the hospital says was taken out: a DFT without amounts.
    pub(crate) fn takes_supplies(&mut self, at: Timestamp, stay: &Stay) {
        let code = *self.chance.one(&["S-CAT", "S-DRS"]);
        let quantity = self.chance.within(1..=6);
        let transaction = self.number(Sender::Lab, "S");
        let dialect = self.dialect(Sender::Lab);
        let ft1 = dialect.segment("FT1").put(1, "1").text(2, &transaction).time(4, Some(at));
        let ft1 = ft1.put(6, "CG").parts(7, &[code, "Schränkchen", "L"]).put(10, quantity.to_string());
        let ft1 = ft1.put(16, adt::place(dialect, stay.location)).end();
        let body =
            vec![adt::event(dialect, "P03", at), adt::person(dialect, stay), adt::visit(dialect, stay), ft1];
        let about = (Some(&stay.person), Some(stay.visit.as_str()));
        let message = self.post(Sender::Lab, at, ("DFT", "P03"), body, about);
        self.truth.consumptions.push(Consumption {
            sender: Sender::Lab,
            source: "charge".to_owned(),
            patient: stay.person.id.clone(),
            visit: stay.visit.clone(),
            code: code.to_owned(),
            quantity,
            unit: String::new(),
            lot: String::new(),
            location: stay.location.0.to_owned(),
            consumed_at: at,
            message,
        });
    }
}
