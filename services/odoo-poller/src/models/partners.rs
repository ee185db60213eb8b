//! `res.partner` → `partner.v1`: companies and suppliers, never patients.

use super::key;
use crate::books::{Named, Odoo};
use crate::codes::{PARTNERS, Shared};
use crate::figures::Figures;
use crate::follow::{Model, Watched};
use crate::said::{Fact, Row};
use ::odoo::{Error, Maybe};
use backbone::Reject;
use canon::key::PartnerCode;
use canon::{Change, Partner};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;

const FIELDS: &[&str] =
    &["active", "company_id", "customer_rank", "is_company", "name", "ref", "supplier_rank", "vat"];

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Contact {
    pub(crate) id: i64,
    active: bool,
    company_id: Maybe<Named>,
    customer_rank: i64,
    is_company: bool,
    name: Maybe<String>,
    #[serde(rename = "ref")]
    reference: Maybe<String>,
    supplier_rank: i64,
    vat: Maybe<String>,
}

/// Follows partners.
#[derive(Debug)]
pub struct Partners {
    shared: Shared,
    figures: Figures,
}

impl Partners {
    pub(crate) fn new(figures: Figures) -> Self {
        Self { shared: Shared::default(), figures }
    }
}

impl Model for Partners {
    const NAME: &'static str = "odoo-partners";
    const KIND: &'static str = "res.partner";
    type Root = i64;

    fn watched(&self) -> &'static [Watched] {
        &[Watched { model: "res.partner", domain: PARTNERS.domain, fields: &[] }]
    }

    fn own(&self, row: &Value) -> Option<i64> {
        row["id"].as_i64()
    }

    async fn concerned(&self, _: &Odoo, _: &'static str, _: &[Value]) -> Result<BTreeSet<i64>, Error> {
        Ok(BTreeSet::new())
    }

    async fn read(&self, odoo: &Odoo, ids: BTreeSet<i64>) -> Result<Vec<Row>, Error> {
        let codes = PARTNERS.known_as(odoo, &self.shared, &self.figures, ids).await?;
        let contacts: Vec<Contact> = odoo.read(PARTNERS.model, codes.keys().copied(), FIELDS).await?;
        let row = |contact: &Contact| {
            let code = codes.get(&contact.id)?;
            Some(Row::one(contact.id, partner(contact, code).map(|(key, body)| Fact::Partner(key, body))))
        };
        Ok(contacts.iter().filter_map(row).collect())
    }

    async fn unsettled(&self, odoo: &Odoo) -> Result<BTreeSet<i64>, Error> {
        Ok(PARTNERS.known_as(odoo, &self.shared, &self.figures, []).await?.into_keys().collect())
    }
}

/// What a partner states, under this code.
pub(crate) fn partner(contact: &Contact, code: &str) -> Result<(PartnerCode, Partner), Reject> {
    let key = PartnerCode::of(code).map_err(key("ref"))?;
    let partner = Partner {
        change: Change::Unknown,
        partner: key.clone(),
        partner_id: contact.id,
        name: contact.name.0.clone().unwrap_or_default(),
        reference: contact.reference.0.clone(),
        is_company: contact.is_company,
        supplier: contact.supplier_rank > 0,
        customer: contact.customer_rank > 0,
        vat: contact.vat.0.clone(),
        active: contact.active,
        company: contact.company_id.0.as_ref().map(|company| company.name.clone()),
    };
    Ok((key, partner))
}
