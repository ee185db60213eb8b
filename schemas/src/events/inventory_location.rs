//! Generated from `inventory.location.v1.avsc`: the records of topic `inventory.location.v1`. Do not edit:
//! see `schemas/README.md`.

use crate::event::{Change, ContentHasher, Event};
use crate::key::LocationCode;
use serde::{Deserialize, Serialize};

/// A stock location of Odoo (stock.location); the latest record of a key is the whole of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// What has happened to the fact; left out of its content.
    #[serde(default)]
    pub change: Change,
    /// The location's code: stock.location.barcode, escaped; without one, the location's id as text.
    pub location: LocationCode,
    /// stock.location.id.
    pub location_id: i64,
    /// stock.location.complete_name, e.g. WH/Stock/Theatre 2.
    pub name: String,
    /// stock.location.usage: internal, view, supplier, customer, inventory, production or transit.
    pub usage: String,
    /// stock.warehouse.code of the location's warehouse. Null: it belongs to none.
    #[serde(default)]
    pub warehouse: Option<String>,
    /// stock.location.active: archived locations are known and not active.
    #[serde(default = "location_active")]
    pub active: bool,
    /// stock.location.barcode. Null: none.
    #[serde(default)]
    pub barcode: Option<String>,
    /// The name of stock.location.company_id. Null: every company's.
    #[serde(default)]
    pub company: Option<String>,
}

fn location_active() -> bool {
    true
}

impl Event for Location {
    const TOPIC: &'static str = "inventory.location.v1";
    const SCHEMA: &'static str = include_str!("../../inventory.location.v1.avsc");
    type Key = LocationCode;

    fn change(&self) -> Change {
        self.change
    }

    fn mark(&mut self, change: Change) {
        self.change = change;
    }

    fn content(&self, hasher: &mut ContentHasher) {
        hasher.field("location", &self.location);
        hasher.field("location_id", &self.location_id);
        hasher.field("name", &self.name);
        hasher.field("usage", &self.usage);
        if self.warehouse.is_some() {
            hasher.field("warehouse", &self.warehouse);
        }
        if self.active != location_active() {
            hasher.field("active", &self.active);
        }
        if self.barcode.is_some() {
            hasher.field("barcode", &self.barcode);
        }
        if self.company.is_some() {
            hasher.field("company", &self.company);
        }
    }
}
