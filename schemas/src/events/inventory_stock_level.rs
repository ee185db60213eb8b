//! Generated from `inventory.stock-level.v1.avsc`: the records of topic `inventory.stock-level.v1`. Do not
//! edit: see `schemas/README.md`.

use crate::decimal::Fixed;
use crate::event::{Change, Content, ContentHasher, Event};
use crate::key::{ItemCode, LocationCode, StockKey};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// How much of an item Odoo has at a location (the sum of stock.quant); the latest record of a key is the
/// whole of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockLevel {
    /// What has happened to the fact; left out of its content.
    #[serde(default)]
    pub change: Change,
    /// The item's code, as inventory.item.v1 is keyed.
    pub item: ItemCode,
    /// The location's code, as inventory.location.v1 is keyed.
    pub location: LocationCode,
    /// stock.quant.product_id.
    pub product_id: i64,
    /// stock.quant.location_id.
    pub location_id: i64,
    /// The sum of stock.quant.quantity, in the item's unit; negative where Odoo lets it be.
    pub quantity: Fixed<18, 4>,
    /// The sum of stock.quant.reserved_quantity, in the item's unit.
    pub reserved: Fixed<18, 4>,
    /// The same by lot, ordered by the lot's name; what has no lot is an entry of its own.
    pub lots: Vec<StockLot>,
}

impl Event for StockLevel {
    const TOPIC: &'static str = "inventory.stock-level.v1";
    const SCHEMA: &'static str = include_str!("../../inventory.stock-level.v1.avsc");
    type Key = StockKey;

    fn change(&self) -> Change {
        self.change
    }

    fn mark(&mut self, change: Change) {
        self.change = change;
    }

    fn content(&self, hasher: &mut ContentHasher) {
        hasher.field("item", &self.item);
        hasher.field("location", &self.location);
        hasher.field("product_id", &self.product_id);
        hasher.field("location_id", &self.location_id);
        hasher.field("quantity", &self.quantity);
        hasher.field("reserved", &self.reserved);
        hasher.field("lots", &self.lots.as_slice());
    }
}

/// How much of one lot there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockLot {
    /// stock.lot.name. Null: stock without a lot.
    #[serde(default)]
    pub lot: Option<String>,
    /// The sum of stock.quant.quantity of the lot, in the item's unit.
    pub quantity: Fixed<18, 4>,
    /// The sum of stock.quant.reserved_quantity of the lot, in the item's unit.
    pub reserved: Fixed<18, 4>,
    /// stock.lot.expiration_date. Null: none.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
}

impl Content for StockLot {
    fn feed(&self, hasher: &mut ContentHasher) {
        crate::event::feed_record(hasher, |hasher| {
            if self.lot.is_some() {
                hasher.field("lot", &self.lot);
            }
            hasher.field("quantity", &self.quantity);
            hasher.field("reserved", &self.reserved);
            if self.expires_at.is_some() {
                hasher.field("expires_at", &self.expires_at);
            }
        });
    }
}
