//! Generated from `partner.v1.avsc`: the records of topic `partner.v1`. Do not edit: see `schemas/README.md`.

use crate::event::{Change, ContentHasher, Event};
use crate::key::PartnerCode;
use serde::{Deserialize, Serialize};

/// A company or a supplier of Odoo (res.partner), never a patient; the latest record of a key is the whole of
/// it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partner {
    /// What has happened to the fact; left out of its content.
    #[serde(default)]
    pub change: Change,
    /// The partner's code: res.partner.ref, escaped; without one, the partner's id as text.
    pub partner: PartnerCode,
    /// res.partner.id.
    pub partner_id: i64,
    /// res.partner.name.
    pub name: String,
    /// res.partner.ref as written. Null: none.
    #[serde(default)]
    pub reference: Option<String>,
    /// res.partner.is_company.
    #[serde(default)]
    pub is_company: bool,
    /// res.partner.supplier_rank is above zero.
    #[serde(default)]
    pub supplier: bool,
    /// res.partner.customer_rank is above zero.
    #[serde(default)]
    pub customer: bool,
    /// res.partner.vat: the tax number. Null: none.
    #[serde(default)]
    pub vat: Option<String>,
    /// res.partner.active: archived partners are known and not active.
    #[serde(default = "partner_active")]
    pub active: bool,
    /// The name of res.partner.company_id. Null: every company's.
    #[serde(default)]
    pub company: Option<String>,
}

fn partner_active() -> bool {
    true
}

impl Event for Partner {
    const TOPIC: &'static str = "partner.v1";
    const SCHEMA: &'static str = include_str!("../../partner.v1.avsc");
    type Key = PartnerCode;

    fn change(&self) -> Change {
        self.change
    }

    fn mark(&mut self, change: Change) {
        self.change = change;
    }

    fn content(&self, hasher: &mut ContentHasher) {
        hasher.field("partner", &self.partner);
        hasher.field("partner_id", &self.partner_id);
        hasher.field("name", &self.name);
        if self.reference.is_some() {
            hasher.field("reference", &self.reference);
        }
        if self.is_company {
            hasher.field("is_company", &self.is_company);
        }
        if self.supplier {
            hasher.field("supplier", &self.supplier);
        }
        if self.customer {
            hasher.field("customer", &self.customer);
        }
        if self.vat.is_some() {
            hasher.field("vat", &self.vat);
        }
        if self.active != partner_active() {
            hasher.field("active", &self.active);
        }
        if self.company.is_some() {
            hasher.field("company", &self.company);
        }
    }
}
