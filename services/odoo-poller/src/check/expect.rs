//! What the topics are to say: Odoo's tables, read whole, without a cursor.

use super::Folds;
use crate::books::Odoo;
use crate::figures::Figures;
use crate::follow::{Model, everything};
use crate::models::{Items, Locations, Moves, Partners, Stock};
use ::odoo::Error;
use canon::{Event, Invoice, Item, Location, Partner, Payment, StockLevel};
use std::collections::{BTreeMap, BTreeSet};

/// Roots read at a time.
const ROOTS_PER_CALL: usize = 500;

/// What Odoo has.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// What the topics are to say.
    pub folds: Folds,
    /// Rows that cannot be stated, and are in no topic; kind and id.
    pub refused: Vec<(&'static str, String)>,
}

/// Reads all of it.
///
/// # Errors
/// When Odoo cannot be read.
pub async fn expected(odoo: &Odoo, figures: &Figures) -> Result<Expected, Error> {
    let topics =
        [Invoice::TOPIC, Item::TOPIC, Location::TOPIC, Partner::TOPIC, Payment::TOPIC, StockLevel::TOPIC];
    let folds = topics.into_iter().map(|topic| (topic, BTreeMap::new())).collect();
    let mut expected = Expected { folds, refused: vec![] };
    expected.read(odoo, &Items::new(figures.clone())).await?;
    expected.read(odoo, &Locations::new(figures.clone())).await?;
    expected.read(odoo, &Partners::new(figures.clone())).await?;
    expected.read(odoo, &Stock::new(figures.clone())).await?;
    expected.read(odoo, &Moves::new(figures.clone())).await?;
    Ok(expected)
}

impl Expected {
    /// How many rows the topics are to have.
    pub fn rows(&self) -> usize {
        self.folds.values().map(BTreeMap::len).sum()
    }

    async fn read<M: Model>(&mut self, odoo: &Odoo, model: &M) -> Result<(), Error> {
        let roots: BTreeSet<M::Root> =
            everything(odoo, model).await?.into_values().map(|seen| seen.root).collect();
        let roots: Vec<M::Root> = roots.into_iter().collect();
        for roots in roots.chunks(ROOTS_PER_CALL) {
            for row in model.read(odoo, roots.iter().cloned().collect()).await? {
                let Ok(facts) = row.says else {
                    self.refused.push((M::KIND, row.id));
                    continue;
                };
                for fact in facts {
                    let body = super::text(fact.body());
                    self.folds.entry(fact.topic()).or_default().insert(fact.name().to_string(), body);
                }
            }
        }
        Ok(())
    }
}
