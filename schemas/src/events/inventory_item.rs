//! Generated from `inventory.item.v1.avsc`: the records of topic `inventory.item.v1`. Do not edit: see
//! `schemas/README.md`.

use crate::decimal::Fixed;
use crate::event::{Change, Content, ContentHasher, Event};
use crate::key::ItemCode;
use serde::{Deserialize, Serialize};

/// A product variant of Odoo (product.product); the latest record of a key is the whole of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What has happened to the fact; left out of its content.
    #[serde(default)]
    pub change: Change,
    /// The item's code: product.product.default_code, escaped; without one, the product's id as text.
    pub item: ItemCode,
    /// product.product.id.
    pub product_id: i64,
    /// product.product.product_tmpl_id.
    pub template_id: i64,
    /// product.product.display_name without the code.
    pub name: String,
    /// product.product.active: archived products are known and not active.
    #[serde(default = "item_active")]
    pub active: bool,
    /// product.product.barcode. Null: none.
    #[serde(default)]
    pub barcode: Option<String>,
    /// The name of product.template.uom_id: what stock of it is counted in.
    pub unit: String,
    /// Stock of it is counted: is_storable (18 and later), else type product.
    #[serde(default)]
    pub storable: bool,
    /// product.template.tracking.
    #[serde(default)]
    pub tracking: ItemTracking,
    /// product.product.lst_price, in units of the currency, per unit.
    pub list_price: Fixed<18, 4>,
    /// product.product.standard_price: the cost, in units of the currency, per unit.
    pub standard_price: Fixed<18, 4>,
    /// ISO 4217 of the prices: the name of product.template.currency_id. Null: not said.
    #[serde(default)]
    pub currency: Option<String>,
    /// The name of product.template.company_id. Null: every company's.
    #[serde(default)]
    pub company: Option<String>,
}

fn item_active() -> bool {
    true
}

impl Event for Item {
    const TOPIC: &'static str = "inventory.item.v1";
    const SCHEMA: &'static str = include_str!("../../inventory.item.v1.avsc");
    type Key = ItemCode;

    fn change(&self) -> Change {
        self.change
    }

    fn mark(&mut self, change: Change) {
        self.change = change;
    }

    fn content(&self, hasher: &mut ContentHasher) {
        hasher.field("item", &self.item);
        hasher.field("product_id", &self.product_id);
        hasher.field("template_id", &self.template_id);
        hasher.field("name", &self.name);
        if self.active != item_active() {
            hasher.field("active", &self.active);
        }
        if self.barcode.is_some() {
            hasher.field("barcode", &self.barcode);
        }
        hasher.field("unit", &self.unit);
        if self.storable {
            hasher.field("storable", &self.storable);
        }
        if self.tracking != ItemTracking::Unknown {
            hasher.field("tracking", &self.tracking);
        }
        hasher.field("list_price", &self.list_price);
        hasher.field("standard_price", &self.standard_price);
        if self.currency.is_some() {
            hasher.field("currency", &self.currency);
        }
        if self.company.is_some() {
            hasher.field("company", &self.company);
        }
    }
}

/// How the stock of an item is told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemTracking {
    /// `none`.
    None,
    /// `lot`.
    Lot,
    /// `serial`.
    Serial,
    /// `unknown`, and whatever a newer writer says.
    #[default]
    #[serde(other)]
    Unknown,
}

impl ItemTracking {
    /// The symbol, as Avro has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lot => "lot",
            Self::None => "none",
            Self::Serial => "serial",
            Self::Unknown => "unknown",
        }
    }
}

impl Content for ItemTracking {
    fn feed(&self, hasher: &mut ContentHasher) {
        crate::event::feed_text(hasher, self.as_str());
    }
}
