//! What `odoo-poller` is made of: `main.rs` wires it to its settings and to the runtime, the tests drive it against an
//! Odoo over HTTP.
//!
//! `follow` reads windows and sweeps, `models` say what rows state (pure, but for the questions), `codes` decides which
//! record a code stands for, `memory` what came late, `poke` hears webhooks, `check` holds the topics against Odoo.

mod books;
pub mod check;
mod codes;
mod figures;
mod follow;
mod memory;
mod models;
mod poke;
mod said;

pub use books::Odoo;
pub use figures::Figures;
pub use follow::{Cursor, Follow, Model, Pace, Watched};
pub use models::{Items, Locations, Moves, Pair, Partners, Stock};
pub use poke::{Poke, Webhooks};
pub use said::Row;

use backbone::source::Sourcing;
use canon::{Invoice, Item, Location, Partner, Payment, StockLevel};
use std::sync::Arc;

/// What all sources share.
#[derive(Clone, Debug)]
pub struct Polling {
    /// The Odoo that is read.
    pub odoo: Arc<Odoo>,
    /// How often.
    pub pace: Pace,
    /// What hurries them.
    pub poke: Poke,
    /// Where webhooks are heard, if they are. Each instance that has a source listens.
    pub webhooks: Option<Webhooks>,
    /// What is measured.
    pub figures: Figures,
}

impl Polling {
    /// `inventory.item.v1` from products.
    pub fn items(&self) -> Sourcing<Follow<Items>> {
        Sourcing::new(self.follow(Items::new(self.figures.clone()))).states::<Item>()
    }

    /// `inventory.location.v1` from stock locations.
    pub fn locations(&self) -> Sourcing<Follow<Locations>> {
        Sourcing::new(self.follow(Locations::new(self.figures.clone()))).states::<Location>()
    }

    /// `partner.v1` from companies and suppliers.
    pub fn partners(&self) -> Sourcing<Follow<Partners>> {
        Sourcing::new(self.follow(Partners::new(self.figures.clone()))).states::<Partner>()
    }

    /// `inventory.stock-level.v1` from quants.
    pub fn stock(&self) -> Sourcing<Follow<Stock>> {
        Sourcing::new(self.follow(Stock::new(self.figures.clone()))).states::<StockLevel>()
    }

    /// `billing.invoice.v1` and `billing.payment.v1` from visits' invoices and credit notes.
    pub fn invoices(&self) -> Sourcing<Follow<Moves>> {
        Sourcing::new(self.follow(Moves::new(self.figures.clone()))).states::<Invoice>().states::<Payment>()
    }

    /// Hears webhooks from now on, once in this process.
    pub(crate) fn listen(&self) {
        if let Some(webhooks) = self.webhooks {
            self.poke.serve_once(webhooks);
        }
    }

    fn follow<M: Model>(&self, model: M) -> Follow<M> {
        Follow::new(self, model)
    }
}
