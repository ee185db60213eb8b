//! `stock.quant` → `inventory.stock-level.v1`: all quants of an item at a location are one level.

use super::{key, sum};
use crate::books::{Odoo, link};
use crate::codes::{ITEMS, LOCATIONS, Shared};
use crate::figures::Figures;
use crate::follow::{Model, Watched};
use crate::said::{Fact, Row};
use ::odoo::{Error, Exact, Link, Maybe, window};
use backbone::Reject;
use canon::events::inventory_stock_level::StockLot;
use canon::key::{ItemCode, LocationCode, StockKey};
use canon::{Change, StockLevel, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

const QUANT: &str = "stock.quant";
const LOT: &str = "stock.lot";
const QUANT_FIELDS: &[&str] = &["location_id", "lot_id", "product_id", "quantity", "reserved_quantity"];

/// A product at a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    pub(crate) product: i64,
    pub(crate) location: i64,
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.product, self.location)
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Quant {
    location_id: Link,
    lot_id: Maybe<Link>,
    product_id: Link,
    quantity: Exact,
    reserved_quantity: Exact,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Lot {
    id: i64,
    name: Maybe<String>,
    expiration_date: Maybe<String>,
}

/// Follows stock levels.
#[derive(Debug)]
pub struct Stock {
    items: Shared,
    locations: Shared,
    figures: Figures,
}

impl Stock {
    pub(crate) fn new(figures: Figures) -> Self {
        Self { items: Shared::default(), locations: Shared::default(), figures }
    }

    async fn pairs(
        &self,
        odoo: &Odoo,
        field: &'static str,
        ids: BTreeSet<i64>,
    ) -> Result<BTreeSet<Pair>, Error> {
        if ids.is_empty() {
            return Ok(BTreeSet::new());
        }
        let domain = json!([[field, "in", ids]]);
        let rows: Vec<Value> = odoo.find(QUANT, domain, &["location_id", "product_id"]).await?;
        Ok(rows.iter().filter_map(pair).collect())
    }
}

impl Model for Stock {
    const NAME: &'static str = "odoo-stock";
    const KIND: &'static str = "stock.level";
    type Root = Pair;

    fn watched(&self) -> &'static [Watched] {
        &[
            Watched { model: QUANT, domain: "[]", fields: &["location_id", "product_id"] },
            // Their codes make a level's key.
            Watched { model: "product.product", domain: "[]", fields: &[] },
            Watched { model: "stock.location", domain: "[]", fields: &[] },
            Watched { model: LOT, domain: "[]", fields: &["product_id"] },
        ]
    }

    fn own(&self, row: &Value) -> Option<Pair> {
        pair(row)
    }

    async fn concerned(
        &self,
        odoo: &Odoo,
        model: &'static str,
        rows: &[Value],
    ) -> Result<BTreeSet<Pair>, Error> {
        let ids = rows.iter().filter_map(|row| row["id"].as_i64());
        match model {
            "product.product" => {
                let known = ITEMS.known_as(odoo, &self.items, &self.figures, ids).await?;
                self.pairs(odoo, "product_id", known.into_keys().collect()).await
            }
            "stock.location" => {
                let known = LOCATIONS.known_as(odoo, &self.locations, &self.figures, ids).await?;
                self.pairs(odoo, "location_id", known.into_keys().collect()).await
            }
            _ => self.pairs(odoo, "lot_id", ids.collect()).await,
        }
    }

    async fn read(&self, odoo: &Odoo, pairs: BTreeSet<Pair>) -> Result<Vec<Row>, Error> {
        let products: BTreeSet<i64> = pairs.iter().map(|pair| pair.product).collect();
        let locations: BTreeSet<i64> = pairs.iter().map(|pair| pair.location).collect();
        let domain = json!([["product_id", "in", products], ["location_id", "in", locations]]);
        let quants: Vec<Quant> = odoo.find(QUANT, domain, QUANT_FIELDS).await?;
        let lots = quants.iter().filter_map(|quant| quant.lot_id.0.map(|link| link.0));
        let lots: Vec<Lot> = odoo.read(LOT, lots, &["expiration_date", "name"]).await?;
        let lots: BTreeMap<i64, Lot> = lots.into_iter().map(|lot| (lot.id, lot)).collect();
        let items = ITEMS.known_as(odoo, &self.items, &self.figures, products).await?;
        let places = LOCATIONS.known_as(odoo, &self.locations, &self.figures, locations).await?;
        let mut levels = BTreeMap::<Pair, Vec<Quant>>::new();
        for quant in quants {
            let pair = Pair { product: quant.product_id.0, location: quant.location_id.0 };
            if pairs.contains(&pair) {
                levels.entry(pair).or_default().push(quant);
            }
        }
        let row = |(pair, quants): (&Pair, &Vec<Quant>)| {
            let codes = (items.get(&pair.product)?.as_str(), places.get(&pair.location)?.as_str());
            let level = level(*pair, codes, quants, &lots);
            Some(Row::one(pair, level.map(|(key, level)| Fact::Level(key, level))))
        };
        Ok(levels.iter().filter_map(row).collect())
    }

    async fn unsettled(&self, odoo: &Odoo) -> Result<BTreeSet<Pair>, Error> {
        let items = ITEMS.known_as(odoo, &self.items, &self.figures, []).await?;
        let places = LOCATIONS.known_as(odoo, &self.locations, &self.figures, []).await?;
        let mut pairs = self.pairs(odoo, "product_id", items.into_keys().collect()).await?;
        pairs.extend(self.pairs(odoo, "location_id", places.into_keys().collect()).await?);
        Ok(pairs)
    }
}

fn pair(row: &Value) -> Option<Pair> {
    Some(Pair { product: link(&row["product_id"])?, location: link(&row["location_id"])? })
}

/// What a pair's quants state together. Lots of which nothing is there are left out: Odoo deletes such quants sooner or
/// later, and that is no news.
pub(crate) fn level(
    pair: Pair,
    (item, location): (&str, &str),
    quants: &[Quant],
    lots: &BTreeMap<i64, Lot>,
) -> Result<(StockKey, StockLevel), Reject> {
    let item = ItemCode::of(item).map_err(key("default_code"))?;
    let location = LocationCode::of(location).map_err(key("barcode"))?;
    let mut by_lot = BTreeMap::<(Option<&str>, Option<i64>), Vec<&Quant>>::new();
    for quant in quants {
        let id = quant.lot_id.0.map(|link| link.0);
        let name = id.and_then(|id| lots.get(&id)).and_then(|lot| lot.name.0.as_deref());
        by_lot.entry((name, id)).or_default().push(quant);
    }
    let mut told = vec![];
    for ((name, id), quants) in by_lot {
        let lot = StockLot {
            lot: name.map(str::to_owned),
            quantity: sum("quantity", quants.iter().map(|quant| quant.quantity))?,
            reserved: sum("reserved_quantity", quants.iter().map(|quant| quant.reserved_quantity))?,
            expires_at: id
                .and_then(|id| lots.get(&id)?.expiration_date.0.as_deref())
                .and_then(window::instant)
                .map(|instant| Timestamp::from_micros(instant.as_microsecond())),
        };
        if !(lot.quantity.is_zero() && lot.reserved.is_zero()) {
            told.push(lot);
        }
    }
    let level = StockLevel {
        change: Change::Unknown,
        item: item.clone(),
        location: location.clone(),
        product_id: pair.product,
        location_id: pair.location,
        quantity: sum("quantity", quants.iter().map(|quant| quant.quantity))?,
        reserved: sum("reserved_quantity", quants.iter().map(|quant| quant.reserved_quantity))?,
        lots: told,
    };
    Ok((StockKey::of(&item, &location), level))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quant(lot: Option<i64>, quantity: &str, reserved: &str) -> Quant {
        Quant {
            location_id: Link(8),
            lot_id: Maybe(lot.map(Link)),
            product_id: Link(3),
            quantity: Exact::parse(quantity).unwrap(),
            reserved_quantity: Exact::parse(reserved).unwrap(),
        }
    }

    #[track_caller]
    fn check(quants: &[Quant], expected: &str) {
        let lot = |id, name: &str, expires: Option<&str>| Lot {
            id,
            name: Maybe(Some(name.to_owned())),
            expiration_date: Maybe(expires.map(str::to_owned)),
        };
        let lots = [lot(1, "L1", Some("2027-01-02 03:04:05")), lot(2, "L2", None)];
        let lots = lots.into_iter().map(|lot| (lot.id, lot)).collect();
        let pair = Pair { product: 3, location: 8 };
        let (key, level) = level(pair, ("GAUZE", "WH@1"), quants, &lots).unwrap();
        let lots = level.lots.iter().map(|lot| {
            let expires = lot.expires_at.map(|at| at.to_string()).unwrap_or_default();
            format!(" {}={}/{}{expires}", lot.lot.as_deref().unwrap_or("-"), lot.quantity, lot.reserved)
        });
        let text = format!("{key} {}/{}{}", level.quantity, level.reserved, lots.collect::<String>());
        assert_eq!(text, expected);
    }

    #[test]
    fn all_quants_of_an_item_at_a_location_are_one_level_with_its_lots() {
        check(&[quant(None, "12.0", "2.0")], "GAUZE@WH%401 12/2 -=12/2");
        check(
            &[quant(Some(2), "7.0", "0.0"), quant(Some(1), "5.5", "1.0"), quant(Some(1), "-0.5", "0")],
            "GAUZE@WH%401 12/1 L1=5/12027-01-02T03:04:05Z L2=7/0",
        );
        check(&[quant(Some(1), "5.0", "0.0"), quant(Some(1), "-5.0", "0.0")], "GAUZE@WH%401 0/0");
    }
}
