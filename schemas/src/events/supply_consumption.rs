//! Generated from `supply.consumption.v1.avsc`: the records of topic `supply.consumption.v1`. Do not edit:
//! see `schemas/README.md`.

use crate::decimal::Fixed;
use crate::event::{Change, Content, ContentHasher, Event};
use crate::key::{EncounterToken, ItemCode, LocationCode, PatientToken, StockKey};
use crate::time::{Date, Timestamp};
use serde::{Deserialize, Serialize};

/// Something was taken from stock for a visit or a department, or was given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consumption {
    /// What has happened to the fact; left out of its content.
    #[serde(default)]
    pub change: Change,
    /// The fact's id, readable and made of tokens and source ids.
    pub consumption: String,
    /// The item's code, as inventory.item.v1 is keyed; the source's code, mapped by the code tables.
    pub item: ItemCode,
    /// The stock location's code, as inventory.location.v1 is keyed; by FT1-16, RXD-13, RXA-11, RQD-9 or
    /// PV1-3 and the code tables, else the facility's warehouse.
    pub location: LocationCode,
    /// FT1-7, RXD-18 or RXA-15 where the sender's configuration says so: the lot or serial number. Null: not
    /// said.
    #[serde(default)]
    pub lot: Option<String>,
    /// RXD-19 or RXA-16: the lot's last day. Null: not said.
    #[serde(default)]
    pub expires_on: Option<Date>,
    /// How much was taken, in the unit beside it; never negative.
    pub quantity: Fixed<18, 4>,
    /// The unit's name in Odoo, as tables `unit` and `charge` have it; where they have none, the unit as the
    /// source says. Null: not said; the item's own.
    #[serde(default)]
    pub unit: Option<String>,
    /// The visit's token. Null: taken for no visit that is named.
    #[serde(default)]
    pub encounter: Option<EncounterToken>,
    /// The patient's token. Null: the message names no patient of the authority that counts.
    #[serde(default)]
    pub patient: Option<PatientToken>,
    /// The sender's name in our configuration.
    pub sender: String,
    /// MSH-10 of the message.
    pub control_id: String,
    /// What kind of message told it.
    #[serde(default)]
    pub source: ConsumptionSource,
    /// FT1-7.1, RXD-2.1, RXA-5.1 or RQD-2.1: the source's code, before it was mapped to the item.
    pub code: String,
    /// It was given back: the quantity is added to the stock.
    #[serde(default)]
    pub returned: bool,
    /// FT1-4, RXD-3 or RXA-3: when it was taken.
    pub consumed_at: Timestamp,
    /// PV1-3.4, else MSH-4: the facility's code. Null: not said.
    #[serde(default)]
    pub facility: Option<String>,
    /// The source's time of the message: EVN-2, else MSH-7.
    pub occurred_at: Timestamp,
}

impl Event for Consumption {
    const TOPIC: &'static str = "supply.consumption.v1";
    const SCHEMA: &'static str = include_str!("../../supply.consumption.v1.avsc");
    type Key = StockKey;

    fn change(&self) -> Change {
        self.change
    }

    fn mark(&mut self, change: Change) {
        self.change = change;
    }

    fn content(&self, hasher: &mut ContentHasher) {
        hasher.field("consumption", &self.consumption);
        hasher.field("item", &self.item);
        hasher.field("location", &self.location);
        if self.lot.is_some() {
            hasher.field("lot", &self.lot);
        }
        if self.expires_on.is_some() {
            hasher.field("expires_on", &self.expires_on);
        }
        hasher.field("quantity", &self.quantity);
        if self.unit.is_some() {
            hasher.field("unit", &self.unit);
        }
        if self.encounter.is_some() {
            hasher.field("encounter", &self.encounter);
        }
        if self.patient.is_some() {
            hasher.field("patient", &self.patient);
        }
        hasher.field("sender", &self.sender);
        hasher.field("control_id", &self.control_id);
        if self.source != ConsumptionSource::Unknown {
            hasher.field("source", &self.source);
        }
        hasher.field("code", &self.code);
        if self.returned {
            hasher.field("returned", &self.returned);
        }
        hasher.field("consumed_at", &self.consumed_at);
        if self.facility.is_some() {
            hasher.field("facility", &self.facility);
        }
        hasher.field("occurred_at", &self.occurred_at);
    }
}

/// What told of a consumption: FT1 of a charge, RXD of a dispense, RXA of an administration, RQD of a
/// requisition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsumptionSource {
    /// `charge`.
    Charge,
    /// `dispense`.
    Dispense,
    /// `administration`.
    Administration,
    /// `requisition`.
    Requisition,
    /// `unknown`, and whatever a newer writer says.
    #[default]
    #[serde(other)]
    Unknown,
}

impl ConsumptionSource {
    /// The symbol, as Avro has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Administration => "administration",
            Self::Charge => "charge",
            Self::Dispense => "dispense",
            Self::Requisition => "requisition",
            Self::Unknown => "unknown",
        }
    }
}

impl Content for ConsumptionSource {
    fn feed(&self, hasher: &mut ContentHasher) {
        crate::event::feed_text(hasher, self.as_str());
    }
}
