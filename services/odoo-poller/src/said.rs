//! What rows of Odoo's say in the contract's words: one type for the source, which states it, and for the check, which
//! holds it against the topics.

use backbone::Reject;
use backbone::source::SourceRow;
use canon::key::{EncounterToken, ItemCode, LocationCode, PartnerCode, StockKey};
use canon::{Event, Invoice, Item, Location, Name, Partner, Payment, StockLevel};

/// A row and all it says, or why it cannot.
#[derive(Debug)]
pub struct Row {
    pub(crate) id: String,
    pub(crate) says: Result<Vec<Fact>, Reject>,
}

/// A fact of one of the topics.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fact {
    Invoice(EncounterToken, Invoice),
    Item(ItemCode, Item),
    Level(StockKey, StockLevel),
    Location(LocationCode, Location),
    Partner(PartnerCode, Partner),
    Payment(EncounterToken, Payment),
}

impl Row {
    /// A row that says one thing.
    pub(crate) fn one(id: impl ToString, fact: Result<Fact, Reject>) -> Self {
        Self { id: id.to_string(), says: fact.map(|fact| vec![fact]) }
    }

    pub(crate) fn into_source(self, kind: &'static str) -> SourceRow {
        match self.says {
            Ok(facts) => {
                facts.into_iter().fold(SourceRow::new(kind, self.id), |row, fact| fact.stated_by(row))
            }
            Err(reject) => SourceRow::refused(kind, self.id, reject),
        }
    }
}

impl Fact {
    /// Facts of compacted topics are named by their key; those of a visit, by the visit and Odoo's ids.
    pub(crate) fn name(&self) -> Name {
        match self {
            Self::Invoice(visit, invoice) => {
                Name::new("invoice", &[visit.as_str(), &invoice.invoice.to_string()])
            }
            Self::Item(key, _) => Name::new("item", &[key.as_str()]),
            Self::Level(key, _) => Name::new("stock-level", &[key.item.as_str(), key.location.as_str()]),
            Self::Location(key, _) => Name::new("location", &[key.as_str()]),
            Self::Partner(key, _) => Name::new("partner", &[key.as_str()]),
            Self::Payment(visit, payment) => Name::new(
                "payment",
                &[visit.as_str(), &payment.payment.to_string(), &payment.invoice.to_string()],
            ),
        }
    }

    pub(crate) fn topic(&self) -> &'static str {
        match self {
            Self::Invoice(..) => Invoice::TOPIC,
            Self::Item(..) => Item::TOPIC,
            Self::Level(..) => StockLevel::TOPIC,
            Self::Location(..) => Location::TOPIC,
            Self::Partner(..) => Partner::TOPIC,
            Self::Payment(..) => Payment::TOPIC,
        }
    }

    /// The event as JSON.
    pub(crate) fn body(&self) -> serde_json::Result<serde_json::Value> {
        match self {
            Self::Invoice(_, body) => serde_json::to_value(body),
            Self::Item(_, body) => serde_json::to_value(body),
            Self::Level(_, body) => serde_json::to_value(body),
            Self::Location(_, body) => serde_json::to_value(body),
            Self::Partner(_, body) => serde_json::to_value(body),
            Self::Payment(_, body) => serde_json::to_value(body),
        }
    }

    fn stated_by(self, row: SourceRow) -> SourceRow {
        let name = self.name();
        match self {
            Self::Invoice(visit, body) => row.states(name, &visit, body),
            Self::Item(key, body) => row.states(name, &key, body),
            Self::Level(key, body) => row.states(name, &key, body),
            Self::Location(key, body) => row.states(name, &key, body),
            Self::Partner(key, body) => row.states(name, &key, body),
            Self::Payment(visit, body) => row.states(name, &visit, body),
        }
    }
}
