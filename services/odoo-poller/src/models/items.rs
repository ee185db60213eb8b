//! `product.product` → `inventory.item.v1`.

use super::{key, rounded};
use crate::books::{Named, Odoo};
use crate::codes::{ITEMS, Shared};
use crate::figures::Figures;
use crate::follow::{Model, Watched};
use crate::said::{Fact, Row};
use ::odoo::{Error, Exact, Maybe};
use backbone::Reject;
use canon::events::inventory_item::ItemTracking;
use canon::key::ItemCode;
use canon::{Change, Item};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;

const FIELDS: &[&str] = &[
    "active",
    "barcode",
    "company_id",
    "currency_id",
    "default_code",
    "detailed_type",
    "is_storable",
    "lst_price",
    "name",
    "product_tmpl_id",
    "standard_price",
    "tracking",
    "type",
    "uom_id",
];

/// A product variant, as Odoo has it; fields that this Odoo lacks are left at their default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Product {
    pub(crate) id: i64,
    active: bool,
    barcode: Maybe<String>,
    company_id: Maybe<Named>,
    currency_id: Maybe<Named>,
    detailed_type: Maybe<String>,
    is_storable: Option<bool>,
    lst_price: Exact,
    name: Maybe<String>,
    product_tmpl_id: Maybe<::odoo::Link>,
    standard_price: Exact,
    tracking: Maybe<String>,
    #[serde(rename = "type")]
    kind: Maybe<String>,
    uom_id: Maybe<Named>,
}

/// Follows products.
#[derive(Debug)]
pub struct Items {
    shared: Shared,
    figures: Figures,
}

impl Items {
    pub(crate) fn new(figures: Figures) -> Self {
        Self { shared: Shared::default(), figures }
    }
}

impl Model for Items {
    const NAME: &'static str = "odoo-items";
    const KIND: &'static str = "product.product";
    type Root = i64;

    fn watched(&self) -> &'static [Watched] {
        &[Watched { model: "product.product", domain: "[]", fields: &[] }]
    }

    fn own(&self, row: &Value) -> Option<i64> {
        row["id"].as_i64()
    }

    async fn concerned(&self, _: &Odoo, _: &'static str, _: &[Value]) -> Result<BTreeSet<i64>, Error> {
        Ok(BTreeSet::new())
    }

    async fn read(&self, odoo: &Odoo, ids: BTreeSet<i64>) -> Result<Vec<Row>, Error> {
        let codes = ITEMS.known_as(odoo, &self.shared, &self.figures, ids).await?;
        let products: Vec<Product> = odoo.read(ITEMS.model, codes.keys().copied(), FIELDS).await?;
        let row = |product: &Product| {
            let code = codes.get(&product.id)?;
            Some(Row::one(product.id, item(product, code).map(|(key, body)| Fact::Item(key, body))))
        };
        Ok(products.iter().filter_map(row).collect())
    }

    async fn unsettled(&self, odoo: &Odoo) -> Result<BTreeSet<i64>, Error> {
        Ok(ITEMS.known_as(odoo, &self.shared, &self.figures, []).await?.into_keys().collect())
    }
}

/// What a product states, under this code.
pub(crate) fn item(product: &Product, code: &str) -> Result<(ItemCode, Item), Reject> {
    let key = ItemCode::of(code).map_err(key("default_code"))?;
    let is_storable = || {
        let kind = product.detailed_type.0.as_deref().or(product.kind.0.as_deref());
        kind == Some("product")
    };
    let item = Item {
        change: Change::Unknown,
        item: key.clone(),
        product_id: product.id,
        template_id: product.product_tmpl_id.0.map_or(0, |link| link.0),
        name: product.name.0.clone().unwrap_or_default(),
        active: product.active,
        barcode: product.barcode.0.clone(),
        unit: product.uom_id.0.as_ref().map(|unit| unit.name.clone()).unwrap_or_default(),
        storable: product.is_storable.unwrap_or_else(is_storable),
        tracking: match product.tracking.0.as_deref() {
            Some("lot") => ItemTracking::Lot,
            Some("none") => ItemTracking::None,
            Some("serial") => ItemTracking::Serial,
            _ => ItemTracking::Unknown,
        },
        list_price: rounded("lst_price", product.lst_price)?,
        standard_price: rounded("standard_price", product.standard_price)?,
        currency: product.currency_id.0.as_ref().map(|currency| currency.name.clone()),
        company: product.company_id.0.as_ref().map(|company| company.name.clone()),
    };
    Ok((key, item))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(product: &str, told: impl Fn(&Item) -> String, expected: &str) {
        let product: Product = serde_json::from_str(product).unwrap();
        assert_eq!(told(&item(&product, "70551").unwrap().1), expected);
    }

    #[test]
    fn a_product_of_any_version_says_whether_its_stock_is_counted() {
        let storable = |item: &Item| item.storable.to_string();
        check(r#"{"id": 1, "is_storable": true, "type": "consu"}"#, storable, "true");
        check(r#"{"id": 1, "is_storable": false, "type": "consu"}"#, storable, "false");
        check(r#"{"id": 1, "type": "product"}"#, storable, "true");
        check(r#"{"id": 1, "detailed_type": "product", "type": "consu"}"#, storable, "true");
        check(r#"{"id": 1, "detailed_type": "consu"}"#, storable, "false");
    }

    #[test]
    fn prices_are_exact_up_to_four_decimals() {
        let prices = |item: &Item| format!("{} {}", item.list_price, item.standard_price);
        check(
            r#"{"id": 1, "lst_price": 1500.0, "standard_price": 3.3333333333333335}"#,
            prices,
            "1500 3.3333",
        );
    }

    #[test]
    fn odoos_false_is_nothing() {
        let texts = |item: &Item| format!("{:?} {:?} {:?}", item.barcode, item.company, item.tracking);
        check(
            r#"{"id": 1, "barcode": false, "company_id": false, "tracking": false}"#,
            texts,
            "None None Unknown",
        );
        check(
            r#"{"id": 1, "barcode": "4006381333931", "company_id": [1, "My Company"], "tracking": "lot"}"#,
            texts,
            r#"Some("4006381333931") Some("My Company") Lot"#,
        );
    }
}
