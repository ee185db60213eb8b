//! Odoo: whether it answers and lets us in, which database it is, its modules, what the user may do, and its clock.

use super::{Line, clock, here, words};
use ::odoo::{Client, Context, Error, Search, Settings};
use canon::Timestamp;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

const ODOO: &str = "Odoo";
/// The oldest version that the client speaks with.
const MAJOR_MIN: u32 = 16;
/// Modules, what needs them, and whether anything works without.
const MODULES: [(&str, &str, bool); 3] = [
    ("account", "invoices and payments", true),
    ("purchase", "orders, once procurement is connected", false),
    ("stock", "items, places and stock levels", false),
];
/// Models, what our services do there, and the module that has them, where Odoo may be without.
const RIGHTS: [(&str, &[&str], Option<&str>); 16] = [
    ("account.account", &["read"], None),
    ("account.journal", &["read"], None),
    ("account.move", &["read", "create", "write"], None),
    ("account.move.line", &["read", "create"], None),
    ("account.partial.reconcile", &["read"], None),
    ("account.payment", &["read"], None),
    ("account.tax", &["read"], None),
    ("ir.model.data", &["read", "create"], None),
    ("product.product", &["read"], None),
    ("res.company", &["read"], None),
    ("res.currency", &["read"], None),
    ("res.partner", &["read"], None),
    ("stock.location", &["read"], Some("stock")),
    ("stock.lot", &["read"], Some("stock")),
    ("stock.quant", &["read"], Some("stock")),
    ("stock.warehouse", &["read"], Some("stock")),
];

pub(super) async fn examine(settings: &Settings) -> Vec<Line> {
    let client = match Client::new(settings) {
        Ok(client) => client,
        Err(error) => {
            return vec![Line::failed(ODOO, "client", words(&error), "correct the options of Odoo")];
        }
    };
    let asked = here();
    let version = match client.version().await {
        Ok(version) => version,
        Err(error) => {
            let then = "see whether it runs, and compare --odoo-url with it";
            return vec![Line::failed(ODOO, "answer", words(&error), then)];
        }
    };
    let mut lines = vec![match version.major {
        major if major < MAJOR_MIN => {
            Line::failed(ODOO, "version", version.text, "16 is the oldest that is spoken with")
        }
        _ => Line::ok(ODOO, "version", version.text),
    }];
    match client.database_uuid().await {
        Ok(uuid) => lines.push(Line::ok(
            ODOO,
            "database",
            format!("its uuid is {uuid}: odoo-writer writes to it when odoo-database-uuid says the same"),
        )),
        Err(error) => {
            let then = "compare --odoo-database and the API key: one made in Odoo's pages lives three months at most";
            lines.push(Line::failed(ODOO, "key", words(&error), then));
            return lines;
        }
    }
    let (installed, told) = modules(&client).await;
    lines.extend(told);
    lines.extend(rights(&client, version.major, &installed).await);
    match client.clock().await {
        // To the second, as HTTP tells it.
        Ok(theirs) => lines.push(clock("odoo", Timestamp(theirs.as_microsecond()), asked, here())),
        Err(error) => lines.push(Line::warning("clock", "odoo", words(&error), "compare the hosts by hand")),
    }
    lines
}

/// The modules that are installed, and how that is told.
async fn modules(client: &Client) -> (Vec<&'static str>, Vec<Line>) {
    #[derive(Deserialize)]
    struct Row {
        name: String,
        state: String,
    }
    let names: Vec<&str> = MODULES.iter().map(|(name, ..)| *name).collect();
    let search =
        Search { domain: json!([["name", "in", names]]), fields: &["name", "state"], ..Search::default() };
    let rows: Vec<Row> = match client.search_read("ir.module.module", &search, &Context::new()).await {
        Ok(rows) => rows,
        Err(error) => {
            let then = "this user may not see modules: look at them in Odoo's Apps";
            return (Vec::new(), vec![Line::warning(ODOO, "modules", words(&error), then)]);
        }
    };
    let state: BTreeMap<String, String> = rows.into_iter().map(|row| (row.name, row.state)).collect();
    let line = |(name, what, is_needed): &(&str, &str, bool)| {
        let what_for = format!("module {name}");
        match (state.get(*name).map(String::as_str), is_needed) {
            (Some("installed"), _) => Line::ok(ODOO, what_for, "installed"),
            (_, true) => {
                Line::failed(ODOO, what_for, "not installed", &format!("install it: {what} need it"))
            }
            (_, false) => Line::warning(
                ODOO,
                what_for,
                "not installed",
                &format!("install it for {what}, or do without"),
            ),
        }
    };
    let is_installed = |name: &&str| state.get(*name).is_some_and(|state| state == "installed");
    let installed = MODULES.iter().map(|(name, ..)| *name).filter(is_installed).collect();
    (installed, MODULES.iter().map(line).collect())
}

async fn rights(client: &Client, major: u32, installed: &[&str]) -> Vec<Line> {
    let (mut denied, mut unknown, mut allowed) = (Vec::new(), Vec::new(), 0);
    let is_there = |module: Option<&str>| module.is_none_or(|module| installed.contains(&module));
    for (model, operations, _) in RIGHTS.into_iter().filter(|(.., module)| is_there(*module)) {
        for operation in operations {
            match may(client, major, model, operation).await {
                Ok(true) => allowed += 1,
                Ok(false) => denied.push(format!("{operation} {model}")),
                Err(error) => unknown.push(format!("{operation} {model}: {}", words(&error))),
            }
        }
    }
    let mut lines = Vec::new();
    if !denied.is_empty() {
        lines.push(Line::failed(
            ODOO,
            "rights",
            format!("the user may not {}", denied.join(", ")),
            "give the integration's user the rights of an invoicing user (Accounting: Invoicing), and of a user of the inventory where items and stock are published",
        ));
    }
    if !unknown.is_empty() {
        lines.push(Line::warning(ODOO, "rights", unknown.join("; "), "look at the user's rights in Odoo"));
    }
    if denied.is_empty() && unknown.is_empty() {
        lines.push(Line::ok(ODOO, "rights", format!("the user may do all {allowed} things that are needed")));
    }
    lines
}

/// Odoo 18 has a call of its own for asking; before, the one that denied could be asked not to.
async fn may(client: &Client, major: u32, model: &str, operation: &str) -> Result<bool, Error> {
    match major >= 18 {
        true => client.call(model, "has_access", &[], json!({"operation": operation}), &Context::new()).await,
        false => {
            let args = json!({"operation": operation, "raise_exception": false});
            client.call(model, "check_access_rights", &[], args, &Context::new()).await
        }
    }
}
