//! What a day comes to when every message of it has arrived: what checks compare with.
//!
//! It is kept while the day is made up and never read back from the messages; a test reads those with another reader
//! and finds the same. One JSON object a line, told apart by `truth`.

mod account;

pub use account::Account;

use crate::config::Sender;
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Everything a day comes to, each list in the order of the day.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Truth {
    pub messages: Vec<Message>,
    pub patients: Vec<Patient>,
    pub links: Vec<Link>,
    pub visits: Vec<Visit>,
    pub charges: Vec<Charge>,
    pub appointments: Vec<Appointment>,
    pub orders: Vec<Order>,
    pub results: Vec<Outcome>,
    pub consumptions: Vec<Consumption>,
    pub silences: Vec<Silent>,
}

/// Which message: its sender and its number there, from 1 in the order in which it is first sent. Control ids are no
/// such number: the clinic's start again, and a bad message has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MessageId {
    pub sender: Sender,
    pub number: usize,
}

/// A message and what has to become of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    pub id: MessageId,
    /// MSH-10; none: it is empty, or the bytes are no message.
    pub control_id: Option<String>,
    /// MSH-9.1 and 9.2 such as `ADT^A01`, `garbage` where it is no message.
    pub kind: String,
    /// Whom its patient's number is of, and that number.
    pub patient: Option<String>,
    pub visit: Option<String>,
    /// When it is sent, by the day's clock.
    pub due: Timestamp,
    /// SHA-256 of its bytes with MSH-7 left out, in hexadecimal: what makes it the same message when it is sent again.
    pub content: String,
    /// How often it is sent though it was acknowledged: 1, or 2.
    pub copies: usize,
    pub fate: Fate,
}

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fate", rename_all = "kebab-case")]
pub enum Fate {
    /// It is acknowledged and its facts are stated.
    Applied,
    /// It is answered AR (and kept under its sender).
    Refused { why: Bad },
    /// It is acknowledged and parks until a person does something.
    Parked { why: Bad },
    /// It is acknowledged and waits behind a bad one of its patient.
    Behind { message: usize },
    /// It is acknowledged and its charge waits until this code is mapped (see `codes/charge-later.csv`).
    Unmapped { code: String },
    /// It is acknowledged, and nothing comes of it.
    Ignored { why: Bad },
}

/// Why a message is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bad {
    /// FT1-7 is a code that the tables do not have yet.
    UnknownCode,
    /// MSH-10 is empty.
    NoControlId,
    /// An amount is no number.
    NoNumber,
    /// There is no PID, and nothing else that says whose it is.
    NoPatient,
    /// A trigger that nobody knows.
    UnknownEvent,
    /// No HL7 at all.
    Garbage,
    /// MSH-11 says it is a test.
    Test,
}

impl Bad {
    /// All of them, in the order in which a day has them.
    pub const ALL: [Self; 7] = [
        Self::UnknownCode,
        Self::NoNumber,
        Self::NoControlId,
        Self::NoPatient,
        Self::UnknownEvent,
        Self::Garbage,
        Self::Test,
    ];
}

/// A patient of the hospital or the clinic, as last said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Patient {
    pub sender: Sender,
    /// PID-3.1 of the repetition that counts.
    pub id: String,
    pub family: String,
    pub given: String,
    /// `YYYYMMDD`
    pub birth_date: String,
    pub sex: String,
    pub street: String,
    pub town: String,
    pub phone: String,
    pub deceased: bool,
    /// The message that said so last.
    pub message: MessageId,
}

/// Two numbers of one patient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    pub sender: Sender,
    pub retired: String,
    pub survivor: String,
    /// A40, A34 or A18.
    pub trigger: String,
    pub message: MessageId,
}

/// Where a visit stands at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// A05 and nothing since.
    Planned,
    Open,
    Finished,
    /// A11.
    Cancelled,
}

/// A visit (the clinic's account).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Visit {
    pub sender: Sender,
    /// PV1-19, the clinic's PID-18.
    pub visit: String,
    pub patient: String,
    pub standing: Standing,
    /// PV1-2 as last said.
    pub class: String,
    pub facility: String,
    /// IN1-3.
    pub payer: Option<String>,
    /// PV1-3 as last said.
    pub location: String,
    pub admitted_at: Timestamp,
    pub discharged_at: Option<Timestamp>,
    /// How many discharges were cancelled (A13).
    pub discharges_cancelled: usize,
    /// How often its patient was moved (A02), less what was cancelled (A12).
    pub transfers: usize,
    /// The visit that it was moved into (A35, A41, A44, A45).
    pub moved_to: Option<String>,
    /// Every ADT of it.
    pub messages: Vec<MessageId>,
}

/// FT1-6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChargeKind {
    /// CG
    Charge,
    /// CD: it takes back what it names; its amount is positive.
    Credit,
    /// AJ: added as it is signed.
    Adjustment,
}

/// One transaction, by (sender, visit, transaction), as it stands after its corrections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Charge {
    pub sender: Sender,
    pub visit: String,
    pub transaction: String,
    pub kind: ChargeKind,
    pub code: String,
    pub quantity: i64,
    pub amount: Decimal,
    pub currency: String,
    pub department: String,
    pub service_at: Timestamp,
    /// The transaction that a credit or an adjustment names.
    pub reverses: Option<String>,
    /// It came behind the discharge that held.
    pub late: bool,
    /// It was there when a discharge came that was cancelled afterwards, so it may have been on an invoice too early.
    pub in_cancelled_discharge: bool,
    /// Every amount that was said of it, with the message; more than one: it was corrected.
    pub said: Vec<Said>,
    /// Whether it counts, and if not at once, what it waits for.
    pub fate: Fate,
}

/// What a message said of a transaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    pub message: MessageId,
    pub amount: Decimal,
}

/// An appointment as last said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Appointment {
    pub sender: Sender,
    /// SCH-1.
    pub placer: String,
    /// SCH-2.
    pub filler: String,
    pub patient: String,
    /// booked, rescheduled, modified, cancelled or no_show.
    pub status: String,
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
    pub service: String,
    pub messages: Vec<MessageId>,
}

/// An order as last said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    pub sender: Sender,
    /// ORC-2.
    pub placer: String,
    pub patient: String,
    pub visit: String,
    /// ORC-1 as last said.
    pub control: String,
    pub code: String,
    pub messages: Vec<MessageId>,
}

/// A result (an OBR with its OBX) as last said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub sender: Sender,
    /// OBR-2.
    pub placer: String,
    /// OBR-3.
    pub filler: String,
    pub patient: String,
    pub visit: String,
    /// OBR-4.1.
    pub code: String,
    /// OBX-11 as last said: P, F or C.
    pub status: String,
    /// OBX-3.1 and OBX-5 as last said, in order.
    pub values: Vec<(String, String)>,
    pub observed_at: Timestamp,
    pub messages: Vec<MessageId>,
}

/// What was used up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Consumption {
    pub sender: Sender,
    /// dispense (RDS) or administration (RAS).
    pub source: String,
    pub patient: String,
    pub visit: String,
    pub code: String,
    pub quantity: i64,
    pub unit: String,
    pub lot: String,
    /// The point of care.
    pub location: String,
    pub consumed_at: Timestamp,
    pub message: MessageId,
}

/// Hours in which a sender said nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Silent {
    pub sender: Sender,
    pub from: Timestamp,
    pub to: Timestamp,
    /// How many messages it held back.
    pub held: usize,
}

impl Charge {
    /// What it adds to its visit's account.
    pub fn net(&self) -> Decimal {
        match self.kind {
            ChargeKind::Charge | ChargeKind::Adjustment => self.amount,
            ChargeKind::Credit => -self.amount,
        }
    }

    /// Whether it counts as soon as everything has arrived and every code is mapped.
    pub fn counts(&self) -> bool {
        matches!(self.fate, Fate::Applied | Fate::Unmapped { .. })
    }
}

impl Truth {
    /// A message.
    pub fn message(&self, id: MessageId) -> Option<&Message> {
        let place = self.messages.binary_search_by_key(&id, |message| message.id).ok()?;
        self.messages.get(place)
    }
}
