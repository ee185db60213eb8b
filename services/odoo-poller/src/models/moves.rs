//! `account.move` and what it is set off against → `billing.invoice.v1` and `billing.payment.v1`.
//!
//! Of interest are moves of visits: ours, by their external id, and those that reverse one of ours, through whatever
//! number of reversals. What was paid is read with the invoice, so that what is taken apart is withdrawn with it.

mod read;
mod state;

use crate::books::Odoo;
use crate::figures::Figures;
use crate::follow::{Model, Watched};
use crate::said::{Fact, Row};
use ::odoo::Error;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const MOVE: &str = "account.move";
const LINE: &str = "account.move.line";
const PARTIAL: &str = "account.partial.reconcile";
const PAYMENT: &str = "account.payment";

/// Follows invoices and credit notes.
#[derive(Debug)]
pub struct Moves {
    figures: Figures,
}

impl Moves {
    pub(crate) fn new(figures: Figures) -> Self {
        Self { figures }
    }
}

impl Model for Moves {
    const NAME: &'static str = "odoo-invoices";
    const KIND: &'static str = "account.move";
    type Root = i64;

    fn watched(&self) -> &'static [Watched] {
        &[
            Watched {
                model: MOVE,
                domain: r#"[["move_type", "in", ["out_invoice", "out_refund"]]]"#,
                fields: &[],
            },
            Watched { model: PAYMENT, domain: "[]", fields: &[] },
        ]
    }

    fn own(&self, row: &Value) -> Option<i64> {
        row["id"].as_i64()
    }

    /// The invoices that payments are set off against: a payment's own state does not move the invoice's `write_date`.
    async fn concerned(&self, odoo: &Odoo, _: &'static str, rows: &[Value]) -> Result<BTreeSet<i64>, Error> {
        let ids: Vec<i64> = rows.iter().filter_map(|row| row["id"].as_i64()).collect();
        let lines: Vec<read::LineOfMove> =
            odoo.find(LINE, json!([["payment_id", "in", ids]]), &["move_id", "payment_id"]).await?;
        let lines: BTreeSet<i64> = lines.iter().map(|line| line.id).collect();
        let (partials, others) = read::set_off(odoo, "id", &lines).await?;
        let sides = partials.iter().flat_map(|partial| [partial.debit_move_id.0, partial.credit_move_id.0]);
        Ok(sides
            .filter(|line| !lines.contains(line))
            .filter_map(|line| Some(others.get(&line)?.move_id.0))
            .collect())
    }

    async fn read(&self, odoo: &Odoo, ids: BTreeSet<i64>) -> Result<Vec<Row>, Error> {
        let asked = ids.len();
        let found = read::found(odoo, ids).await?;
        self.figures.others(MOVE, asked.saturating_sub(found.len()));
        Ok(found.iter().map(row).collect())
    }

    async fn unsettled(&self, _: &Odoo) -> Result<BTreeSet<i64>, Error> {
        Ok(BTreeSet::new())
    }
}

fn row(found: &read::Found) -> Row {
    let visit = found.visit;
    let says = state::stated(found).map(|(invoice, payments)| {
        let payments = payments.into_iter().map(|payment| Fact::Payment(visit, payment));
        std::iter::once(Fact::Invoice(visit, invoice)).chain(payments).collect()
    });
    Row { id: found.header.id.to_string(), says }
}
