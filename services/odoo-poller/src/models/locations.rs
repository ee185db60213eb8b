//! `stock.location` → `inventory.location.v1`.

use super::key;
use crate::books::{Named, Odoo};
use crate::codes::{LOCATIONS, Shared};
use crate::figures::Figures;
use crate::follow::{Model, Watched};
use crate::said::{Fact, Row};
use ::odoo::{Error, Maybe};
use backbone::Reject;
use canon::key::LocationCode;
use canon::{Change, Location};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const FIELDS: &[&str] = &["active", "barcode", "company_id", "complete_name", "usage", "warehouse_id"];
const WAREHOUSE: &str = "stock.warehouse";

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Place {
    pub(crate) id: i64,
    active: bool,
    barcode: Maybe<String>,
    company_id: Maybe<Named>,
    complete_name: Maybe<String>,
    usage: Maybe<String>,
    pub(crate) warehouse_id: Maybe<::odoo::Link>,
}

/// A warehouse's short name.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Warehouse {
    pub(crate) id: i64,
    pub(crate) code: Maybe<String>,
}

/// Follows stock locations.
#[derive(Debug)]
pub struct Locations {
    shared: Shared,
    figures: Figures,
}

impl Locations {
    pub(crate) fn new(figures: Figures) -> Self {
        Self { shared: Shared::default(), figures }
    }
}

impl Model for Locations {
    const NAME: &'static str = "odoo-locations";
    const KIND: &'static str = "stock.location";
    type Root = i64;

    fn watched(&self) -> &'static [Watched] {
        &[
            Watched { model: "stock.location", domain: "[]", fields: &[] },
            Watched { model: WAREHOUSE, domain: "[]", fields: &[] },
        ]
    }

    fn own(&self, row: &Value) -> Option<i64> {
        row["id"].as_i64()
    }

    /// A warehouse's code is told with each of its locations.
    async fn concerned(&self, odoo: &Odoo, _: &'static str, rows: &[Value]) -> Result<BTreeSet<i64>, Error> {
        let ids: Vec<i64> = rows.iter().filter_map(|row| row["id"].as_i64()).collect();
        let places: Vec<Place> =
            odoo.find(LOCATIONS.model, json!([["warehouse_id", "in", ids]]), &["active"]).await?;
        Ok(places.into_iter().map(|place| place.id).collect())
    }

    async fn read(&self, odoo: &Odoo, ids: BTreeSet<i64>) -> Result<Vec<Row>, Error> {
        let codes = LOCATIONS.known_as(odoo, &self.shared, &self.figures, ids).await?;
        let places: Vec<Place> = odoo.read(LOCATIONS.model, codes.keys().copied(), FIELDS).await?;
        let warehouses = places.iter().filter_map(|place| place.warehouse_id.0.map(|link| link.0));
        let warehouses: Vec<Warehouse> = odoo.read(WAREHOUSE, warehouses, &["code"]).await?;
        let warehouses: BTreeMap<i64, String> =
            warehouses.into_iter().filter_map(|warehouse| Some((warehouse.id, warehouse.code.0?))).collect();
        let row = |place: &Place| {
            let code = codes.get(&place.id)?;
            Some(Row::one(
                place.id,
                location(place, code, &warehouses).map(|(key, body)| Fact::Location(key, body)),
            ))
        };
        Ok(places.iter().filter_map(row).collect())
    }

    async fn unsettled(&self, odoo: &Odoo) -> Result<BTreeSet<i64>, Error> {
        Ok(LOCATIONS.known_as(odoo, &self.shared, &self.figures, []).await?.into_keys().collect())
    }
}

/// What a location states, under this code.
pub(crate) fn location(
    place: &Place,
    code: &str,
    warehouses: &BTreeMap<i64, String>,
) -> Result<(LocationCode, Location), Reject> {
    let key = LocationCode::of(code).map_err(key("barcode"))?;
    let location = Location {
        change: Change::Unknown,
        location: key.clone(),
        location_id: place.id,
        name: place.complete_name.0.clone().unwrap_or_default(),
        usage: place.usage.0.clone().unwrap_or_default(),
        warehouse: place.warehouse_id.0.and_then(|link| warehouses.get(&link.0).cloned()),
        active: place.active,
        barcode: place.barcode.0.clone(),
        company: place.company_id.0.as_ref().map(|company| company.name.clone()),
    };
    Ok((key, location))
}
