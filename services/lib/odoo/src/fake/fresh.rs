//! A fresh database: what Odoo 19 has after its installation with accounting for the United States.

use super::store::{Record, Store};
use super::value::Val;
use rust_decimal::Decimal;

pub(super) fn store(uuid: &str, now: jiff::Timestamp) -> Store {
    let mut store = Store::default();
    store.begin(now);
    base(&mut store, uuid);
    accounting(&mut store);
    store
}

fn base(store: &mut Store, uuid: &str) {
    for (name, symbol, active) in [("USD", "$", true), ("EUR", "€", false)] {
        let currency = [
            ("name", text(name)),
            ("symbol", text(symbol)),
            ("active", Val::Bool(active)),
            ("decimal_places", Val::Int(2)),
            ("rounding", Val::Float(Decimal::new(1, 2))),
        ];
        put(store, "res.currency", ("base", name), Record::from(currency));
    }
    let partner = [("name", text("My Company")), ("active", Val::Bool(true))];
    let partner = put(store, "res.partner", ("base", "main_partner"), Record::from(partner));
    let company = [
        ("name", text("My Company")),
        ("currency_id", Val::Int(1)),
        ("partner_id", Val::Int(partner)),
        ("chart_template", text("generic_coa")),
        ("active", Val::Bool(true)),
    ];
    put(store, "res.company", ("base", "main_company"), Record::from(company));
    put(
        store,
        "uom.uom",
        ("uom", "product_uom_unit"),
        [("name", text("Units")), ("active", Val::Bool(true))].into(),
    );
    let user = [("name", text("Administrator")), ("login", text("admin")), ("active", Val::Bool(true))];
    put(store, "res.users", ("base", "user_admin"), Record::from(user));
    let parameter = [("key", text("database.uuid")), ("value", text(uuid))];
    store.insert("ir.config_parameter", Record::from(parameter));
}

fn accounting(store: &mut Store) {
    for (name, code) in
        [("Product Sales", "400000"), ("Expenses", "600000"), ("Account Receivable", "121000")]
    {
        let account = [
            ("code", text(code)),
            ("name", text(name)),
            ("company_ids", Val::Ids(vec![1])),
            ("active", Val::Bool(true)),
        ];
        put(store, "account.account", ("account", &format!("1_{code}")), Record::from(account));
    }
    let tax = [
        ("name", text("15%")),
        ("amount", Val::Float(Decimal::from(15))),
        ("type_tax_use", text("sale")),
        ("company_id", Val::Int(1)),
        ("active", Val::Bool(true)),
    ];
    put(store, "account.tax", ("account", "1_sale_tax_template"), Record::from(tax));
    for (name, code, kind, account, id) in [
        ("Sales", "INV", "sale", 1, "1_sale"),
        ("Purchases", "BILL", "purchase", 2, "1_purchase"),
        ("Bank", "BNK1", "bank", 3, "1_bank"),
    ] {
        let journal = [
            ("name", text(name)),
            ("code", text(code)),
            ("type", text(kind)),
            ("company_id", Val::Int(1)),
            ("default_account_id", Val::Int(account)),
            ("active", Val::Bool(true)),
        ];
        put(store, "account.journal", ("account", id), Record::from(journal));
    }
}

fn put(store: &mut Store, model: &'static str, name: (&str, &str), fields: Record) -> i64 {
    let id = store.insert(model, fields);
    // Into an empty database, so no name is taken yet.
    let _ = store.name(name, model, id, false);
    id
}

fn text(text: &str) -> Val {
    Val::Text(text.to_owned())
}
