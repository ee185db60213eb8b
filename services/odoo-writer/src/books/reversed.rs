//! Invoices that credit notes reverse, as Odoo has them, and what was given back of them before.

use crate::invoice::{GivenBack, Reversed};
use odoo::invoice::{FoundInvoice, Invoices};
use odoo::{Client, Context, Exact, ExternalId, Link, OUR_MODULE, Search};
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const MOVE: &str = "account.move";

/// Invoices that are to be reversed, with what was given back of them before.
pub(super) async fn as_they_are(
    client: &Client,
    companies: Vec<i64>,
    invoices: &[ExternalId],
) -> Result<BTreeMap<ExternalId, Reversed>, odoo::Error> {
    let context = Context::new().companies(&companies);
    let found = Invoices::new(client.clone(), companies).read_back(invoices).await?;
    let ids: BTreeSet<i64> = found.values().map(|invoice| invoice.id).collect();
    let back = given_back(client, &context, &ids).await?;
    let reversed =
        |invoice: &FoundInvoice| Reversed::of(invoice, back.get(&invoice.id).copied().unwrap_or_default());
    Ok(found.into_iter().map(|(id, invoice)| (id, reversed(&invoice))).collect())
}

/// What posted credit notes that name these invoices come to. Ours are those with an external id of ours.
async fn given_back(
    client: &Client,
    context: &Context,
    invoices: &BTreeSet<i64>,
) -> Result<BTreeMap<i64, GivenBack>, odoo::Error> {
    #[derive(Deserialize)]
    struct Note {
        id: i64,
        reversed_entry_id: Link,
        amount_untaxed: Exact,
    }
    #[derive(Deserialize)]
    struct Name {
        res_id: i64,
    }
    if invoices.is_empty() {
        return Ok(BTreeMap::new());
    }
    let domain = json!([
        ["reversed_entry_id", "in", invoices],
        ["move_type", "=", "out_refund"],
        ["state", "=", "posted"]
    ]);
    let fields = &["reversed_entry_id", "amount_untaxed"];
    let search = Search { domain, fields, order: "id", ..Search::default() };
    let notes: Vec<Note> = client.search_read(MOVE, &search, context).await?;
    if notes.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ids: Vec<i64> = notes.iter().map(|note| note.id).collect();
    let domain = json!([["module", "=", OUR_MODULE], ["model", "=", MOVE], ["res_id", "in", ids]]);
    let search = Search { domain, fields: &["res_id"], order: "id", ..Search::default() };
    let names: Vec<Name> = client.search_read("ir.model.data", &search, &Context::new()).await?;
    let ours: BTreeSet<i64> = names.into_iter().map(|name| name.res_id).collect();
    let mut back = BTreeMap::<i64, GivenBack>::new();
    for note in notes {
        let back = back.entry(note.reversed_entry_id.0).or_default();
        let by = if ours.contains(&note.id) { &mut back.ours } else { &mut back.by_hand };
        *by = by.saturating_add(note.amount_untaxed.0);
    }
    Ok(back)
}
