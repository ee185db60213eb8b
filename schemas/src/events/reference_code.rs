//! Generated from `reference.code.v1.avsc`: the records of topic `reference.code.v1`. Do not edit: see
//! `schemas/README.md`.

use crate::decimal::Fixed;
use crate::event::{Change, Content, ContentHasher, Event};
use crate::key::{CodeKey, SenderName};
use crate::time::Date;
use serde::{Deserialize, Serialize};

/// What a code means, over time; the latest record of a key is the whole of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// What has happened to the fact; left out of its content.
    #[serde(default)]
    pub change: Change,
    /// Which table it belongs to.
    #[serde(default)]
    pub table: CodeTable,
    /// The sender whose code it is. Null: every sender's.
    #[serde(default)]
    pub sender: Option<SenderName>,
    /// The code as the source writes it, e.g. FT1-7.1, FT1-13.1, RXE-11.1, IN1-3.1 or PV1-3.
    pub code: String,
    /// What it means and when; ordered by the first day, and no two of them overlap.
    pub entries: Vec<CodeEntry>,
}

impl Event for Code {
    const TOPIC: &'static str = "reference.code.v1";
    const SCHEMA: &'static str = include_str!("../../reference.code.v1.avsc");
    type Key = CodeKey;

    fn change(&self) -> Change {
        self.change
    }

    fn mark(&mut self, change: Change) {
        self.change = change;
    }

    fn content(&self, hasher: &mut ContentHasher) {
        if self.table != CodeTable::Unknown {
            hasher.field("table", &self.table);
        }
        if self.sender.is_some() {
            hasher.field("sender", &self.sender);
        }
        hasher.field("code", &self.code);
        hasher.field("entries", &self.entries.as_slice());
    }
}

/// A table of codes: what its targets are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeTable {
    /// `charge`.
    Charge,
    /// `department`.
    Department,
    /// `unit`.
    Unit,
    /// `payer`.
    Payer,
    /// `location`.
    Location,
    /// `unknown`, and whatever a newer writer says.
    #[default]
    #[serde(other)]
    Unknown,
}

impl CodeTable {
    /// The symbol, as Avro has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Department => "department",
            Self::Location => "location",
            Self::Payer => "payer",
            Self::Unit => "unit",
            Self::Unknown => "unknown",
        }
    }
}

impl Content for CodeTable {
    fn feed(&self, hasher: &mut ContentHasher) {
        crate::event::feed_text(hasher, self.as_str());
    }
}

/// What a code means within some days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeEntry {
    /// The first day on which it holds. Null: since ever.
    #[serde(default)]
    pub valid_from: Option<Date>,
    /// The first day on which it no longer holds. Null: until further notice.
    #[serde(default)]
    pub valid_to: Option<Date>,
    /// What the code stands for, e.g. the item's code or the external id of an Odoo record.
    pub target: String,
    /// For people. Null: none.
    #[serde(default)]
    pub description: Option<String>,
    /// The price of one unit, in units of the currency. Null: the table has none.
    #[serde(default)]
    pub price: Option<Fixed<18, 4>>,
    /// ISO 4217 of the price. Null: there is no price.
    #[serde(default)]
    pub currency: Option<String>,
    /// The unit's name in Odoo. Null: not said.
    #[serde(default)]
    pub unit: Option<String>,
    /// How many of that unit one of the source's units is. Null: as many.
    #[serde(default)]
    pub factor: Option<Fixed<18, 4>>,
}

impl Content for CodeEntry {
    fn feed(&self, hasher: &mut ContentHasher) {
        crate::event::feed_record(hasher, |hasher| {
            if self.valid_from.is_some() {
                hasher.field("valid_from", &self.valid_from);
            }
            if self.valid_to.is_some() {
                hasher.field("valid_to", &self.valid_to);
            }
            hasher.field("target", &self.target);
            if self.description.is_some() {
                hasher.field("description", &self.description);
            }
            if self.price.is_some() {
                hasher.field("price", &self.price);
            }
            if self.currency.is_some() {
                hasher.field("currency", &self.currency);
            }
            if self.unit.is_some() {
                hasher.field("unit", &self.unit);
            }
            if self.factor.is_some() {
                hasher.field("factor", &self.factor);
            }
        });
    }
}
