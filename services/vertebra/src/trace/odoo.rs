//! What Odoo has of the way: the invoices and credit notes of its requests, as they are now.

use super::TraceError;
use super::page::{Looked, Step, Where};
use super::way::Way;
use ::odoo::invoice::{FoundInvoice, Invoices, MoveState};
use ::odoo::{Client, Context, ExternalId, Search};
use serde::Deserialize;

/// How Odoo is reached.
pub struct OdooAt(pub ::odoo::Settings);

/// Reads back what the requests were made into.
pub(super) async fn ask(odoo: &OdooAt, way: &mut Way) -> Result<(), TraceError> {
    let client = Client::new(&odoo.0).map_err(TraceError::OdooSettings)?;
    let requests = way.requests();
    let names = requests.iter().filter_map(|request| ExternalId::coded("invoice", request).ok());
    let names: Vec<ExternalId> = names.collect();
    let invoices = Invoices::new(client.clone(), companies(&client).await?);
    let found = invoices.read_back(&names).await.map_err(TraceError::Odoo)?;
    for name in &names {
        way.steps.push(match found.get(name) {
            Some(invoice) => step(name, invoice),
            None => Step {
                place: name.to_string(),
                what: "not in odoo".to_owned(),
                waits: true,
                request: request_of(name, &requests),
                ..Step::new(Where::Odoo)
            },
        });
        if let Some(step) = way.steps.last_mut() {
            step.request = request_of(name, &requests);
        }
    }
    way.looked.push(Looked::odoo(names.len(), found.len()));
    Ok(())
}

fn request_of(name: &ExternalId, requests: &std::collections::BTreeSet<String>) -> Option<String> {
    let is_it = |request: &&String| ExternalId::coded("invoice", request).is_ok_and(|id| id == *name);
    requests.iter().find(is_it).cloned()
}

/// All of them: an invoice may be of any.
async fn companies(client: &Client) -> Result<Vec<i64>, TraceError> {
    #[derive(Deserialize)]
    struct Row {
        id: i64,
    }
    let search = Search { fields: &["id"], ..Search::default() };
    let rows: Vec<Row> =
        client.search_read("res.company", &search, &Context::new()).await.map_err(TraceError::Odoo)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

fn step(name: &ExternalId, invoice: &FoundInvoice) -> Step {
    let state = match invoice.state {
        MoveState::Draft => "draft",
        MoveState::Posted => "posted",
        MoveState::Cancel => "cancelled",
    };
    let text = |value: &dyn std::fmt::Display| value.to_string();
    let mut values = vec![
        ("id", text(&invoice.id)),
        ("state", state.to_owned()),
        ("payment", invoice.payment_state.clone()),
        ("untaxed", text(&invoice.untaxed)),
        ("total", text(&invoice.total)),
        ("residual", text(&invoice.residual)),
        ("lines", text(&invoice.lines.len())),
    ];
    values.extend(invoice.number.as_ref().map(|number| ("number", number.clone())));
    Step {
        place: name.to_string(),
        what: format!("{} is {state} now", invoice.move_type),
        values: values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        ..Step::new(Where::Odoo)
    }
}
