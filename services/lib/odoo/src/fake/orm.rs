//! Create, write and unlink with what Odoo's accounting adds: defaults, sums, and what a posted invoice forbids.

use super::ledger;
use super::raised::Raised;
use super::schema::{self, LINE, MOVE, Model, PRODUCT, TEMPLATE};
use super::store::{Record, Store};
use super::value::{Val, rounded};
use rust_decimal::Decimal;

/// Decimals of quantities ("Product Unit") and of the currencies that the fake has.
const PLACES: u32 = 2;
/// From here on the floats of debit and credit no longer meet.
const UNBALANCED_FROM: i64 = 1_000_000_000_000_000;

/// What a record is given.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    pub(super) fields: Record,
    /// `invoice_line_ids`.
    pub(super) lines: Vec<LineValues>,
}

/// One line that a header is given.
#[derive(Clone, Debug, Default)]
pub(super) struct LineValues {
    /// It exists: it is moved here, from wherever it was, and overwritten.
    pub(super) existing: Option<i64>,
    /// Its external id, if it is new.
    pub(super) name: Option<String>,
    pub(super) fields: Record,
}

/// What of the context matters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mode {
    pub(super) company: i64,
    pub(super) noupdate: bool,
}

pub(super) fn create(
    store: &mut Store,
    model: &'static Model,
    values: Values,
    mode: Mode,
) -> Result<i64, Raised> {
    let mut fields = values.fields;
    let default = |fields: &mut Record, name, value| {
        fields.entry(name).or_insert(value);
    };
    if model.field("active").is_some() {
        default(&mut fields, "active", Val::Bool(true));
    }
    match model.name {
        "res.partner" if fields.get("name").is_none_or(|name| name.text().is_empty()) => {
            return Err(Raised::validation("Contacts require a name"));
        }
        "account.journal" => default(&mut fields, "company_id", Val::Int(mode.company)),
        PRODUCT => {
            default(&mut fields, "type", Val::Text("consu".into()));
            default(&mut fields, "taxes_id", Val::Ids(store.ids("account.tax").take(1).collect()));
            default(&mut fields, "list_price", Val::Float(Decimal::ONE));
            default(&mut fields, "sale_ok", Val::Bool(true));
            default(&mut fields, "tracking", Val::Text("none".into()));
            default(&mut fields, "uom_id", Val::Int(1));
            let template = store.insert(TEMPLATE, fields.clone());
            default(&mut fields, "product_tmpl_id", Val::Int(template));
        }
        MOVE => move_defaults(store, &mut fields, mode),
        LINE => {
            let parent = fields.get("move_id").and_then(Val::int);
            let parent = parent
                .ok_or_else(|| Raised::validation("Missing required value for the field 'Journal Entry'"))?;
            return line(store, parent, LineValues { fields, ..LineValues::default() }, mode);
        }
        _ => {}
    }
    let id = store.insert(model.name, fields);
    if model.name == MOVE {
        lines(store, id, values.lines, mode)?;
    }
    Ok(id)
}

pub(super) fn write(
    store: &mut Store,
    model: &'static Model,
    id: i64,
    values: Values,
    mode: Mode,
) -> Result<(), Raised> {
    if !store.exists(model.name, id) {
        return Err(Raised::missing(model.name, id));
    }
    if model.name == MOVE && state(store, id) == "posted" {
        let held = ["invoice_date", "partner_id", "currency_id", "journal_id", "company_id", "move_type"];
        let mut touched: Vec<&str> =
            held.into_iter().filter(|field| values.fields.contains_key(field)).collect();
        touched.extend((!values.lines.is_empty()).then_some("invoice_line_ids"));
        if !touched.is_empty() {
            let touched = touched.join(", ");
            return Err(Raised::user(format!(
                "You cannot modify the following readonly fields on a posted move: {touched}"
            )));
        }
    }
    let header = |store: &Store| {
        store.get(LINE, id).and_then(|line| line.get("move_id")?.int()).filter(|_| model.name == LINE)
    };
    let before = header(store);
    store.update(model.name, id, values.fields);
    match model.name {
        MOVE => lines(store, id, values.lines, mode)?,
        LINE => {
            settle_line(store, id)?;
            for header in before.into_iter().chain(header(store)) {
                sum(store, header);
            }
        }
        _ => {}
    }
    Ok(())
}

pub(super) fn unlink(store: &mut Store, model: &'static Model, id: i64) -> Result<(), Raised> {
    let posted = |store: &Store, id| state(store, id) == "posted";
    let refused = || {
        Raised::user(
            "You can't delete a posted journal item. Don’t play games with your accounting records; reset the journal \
             entry to draft before deleting it.",
        )
    };
    match model.name {
        MOVE => {
            if posted(store, id) {
                return Err(refused());
            }
            ledger::release(store, id);
            for line in store.lines(id) {
                store.delete(LINE, line);
            }
            store.delete(MOVE, id);
        }
        LINE => {
            let parent = store.get(LINE, id).and_then(|line| line.get("move_id")?.int()).unwrap_or_default();
            if posted(store, parent) {
                return Err(refused());
            }
            store.delete(LINE, id);
            sum(store, parent);
        }
        name => store.delete(name, id),
    }
    Ok(())
}

fn state(store: &Store, id: i64) -> &str {
    store.get(MOVE, id).map_or("", |record| record["state"].text())
}

fn move_defaults(store: &Store, fields: &mut Record, mode: Mode) {
    let mut default = |name, value| {
        fields.entry(name).or_insert(value);
    };
    default("state", Val::Text("draft".into()));
    default("payment_state", Val::Text("not_paid".into()));
    default("move_type", Val::Text("entry".into()));
    default("company_id", Val::Int(mode.company));
    let sales =
        |id: &i64| store.get("account.journal", *id).is_some_and(|journal| journal["type"].text() == "sale");
    let journal = store.ids("account.journal").find(sales);
    default("journal_id", journal.map_or(Val::Nothing, Val::Int));
    let company = store.get("res.company", mode.company);
    default("currency_id", company.map_or(Val::Nothing, |company| company["currency_id"].clone()));
    let date = fields.get("invoice_date").filter(|date| **date != Val::Nothing).cloned();
    fields.entry("date").or_insert(date.unwrap_or_else(|| today(store)));
}

pub(super) fn today(store: &Store) -> Val {
    Val::Text(store.now().get(..10).unwrap_or_default().to_owned())
}

fn lines(store: &mut Store, parent: i64, lines: Vec<LineValues>, mode: Mode) -> Result<(), Raised> {
    for values in lines {
        match values.existing {
            // What happens to the invoice it is taken from, posted or not: it is short, and nobody is told.
            Some(id) => {
                let before = store.get(LINE, id).and_then(|line| line.get("move_id")?.int());
                let mut fields = values.fields;
                fields.insert("move_id", Val::Int(parent));
                store.update(LINE, id, fields);
                settle_line(store, id)?;
                before.into_iter().for_each(|before| sum(store, before));
            }
            None => drop(line(store, parent, values, mode)?),
        }
    }
    sum(store, parent);
    Ok(())
}

fn line(store: &mut Store, parent: i64, values: LineValues, mode: Mode) -> Result<i64, Raised> {
    let mut fields = values.fields;
    fields.insert("move_id", Val::Int(parent));
    let header = |field: &str| store.get(MOVE, parent).and_then(|header| header.get(field)).cloned();
    let product = fields.get("product_id").and_then(Val::int);
    let of_product = |field: &str| Some(store.get(PRODUCT, product?)?.get(field)?.clone());
    let journal = header("journal_id").and_then(|journal| journal.int());
    let account = journal.and_then(|id| store.get("account.journal", id)?.get("default_account_id").cloned());
    let defaults = [
        ("display_type", Some(Val::Text("product".into()))),
        ("company_id", header("company_id")),
        ("currency_id", header("currency_id")),
        ("partner_id", header("partner_id")),
        ("name", of_product("name")),
        ("quantity", Some(Val::Float(Decimal::ONE))),
        ("price_unit", of_product("list_price")),
        ("tax_ids", of_product("taxes_id")),
        ("account_id", account.filter(|account| *account != Val::Nothing).or(Some(Val::Int(1)))),
    ];
    for (name, value) in defaults {
        fields.entry(name).or_insert(value.unwrap_or(Val::Nothing));
    }
    let id = store.insert(LINE, fields);
    settle_line(store, id)?;
    if let Some((module, name)) = values.name.as_deref().and_then(|name| name.split_once('.')) {
        store.name((module, name), LINE, id, mode.noupdate)?;
    }
    sum(store, parent);
    Ok(id)
}

/// Rounds a line's quantity and makes its subtotal, and refuses what PostgreSQL or the balance refuses.
fn settle_line(store: &mut Store, id: i64) -> Result<(), Raised> {
    let Some(line) = store.get(LINE, id) else {
        return Ok(());
    };
    if line["account_id"] == Val::Nothing {
        // Word for word with PostgreSQL's detail, which quotes the whole row.
        return Err(Raised::validation(format!(
            "new row for relation \"account_move_line\" violates check constraint \
             \"account_move_line_check_accountable_required_fields\"\nDETAIL:  Failing row contains ({id}, {}, …).\n",
            line["name"].text(),
        )));
    }
    check_company(store, line)?;
    let quantity = rounded(line["quantity"].float(), PLACES);
    let subtotal = quantity.checked_mul(line["price_unit"].float()).map(|product| rounded(product, PLACES));
    let balanced = |subtotal: &Decimal| subtotal.abs() < Decimal::from(UNBALANCED_FROM);
    let Some(subtotal) = subtotal.filter(balanced) else {
        return Err(Raised::user("The entry is not balanced."));
    };
    let tax = line["tax_ids"].ids().iter().try_fold(Decimal::ZERO, |tax, id| {
        let percent = store.get("account.tax", *id)?.get("amount")?.float();
        tax.checked_add(rounded(subtotal.checked_mul(percent)?.checked_div(Decimal::ONE_HUNDRED)?, PLACES))
    });
    let total = tax.and_then(|tax| tax.checked_add(subtotal)).unwrap_or(subtotal);
    let fields = [
        ("quantity", Val::Float(quantity)),
        ("price_subtotal", Val::Float(subtotal)),
        ("price_total", Val::Float(total)),
    ];
    store.update(LINE, id, Record::from(fields));
    Ok(())
}

/// A line's account and taxes are of its company, or of none. (Branches are not for this fake.)
fn check_company(store: &Store, line: &Record) -> Result<(), Raised> {
    let Some(company) = line.get("company_id").and_then(Val::int) else { return Ok(()) };
    let is_of = |model, id: i64, field| {
        let of = store.get(model, id).and_then(|record| record.get(field));
        of.is_none_or(|of| {
            of.int().is_none_or(|of| of == company) && (of.ids().is_empty() || of.ids().contains(&company))
        })
    };
    let account = line["account_id"].int().is_none_or(|id| is_of("account.account", id, "company_ids"));
    let taxes = line["tax_ids"].ids().iter().all(|id| is_of("account.tax", *id, "company_id"));
    match account && taxes {
        true => Ok(()),
        false => Err(Raised::user("Uh-oh! You’ve got some company inconsistencies here:")),
    }
}

/// Makes a header's sums anew, and what its lines mirror.
pub(super) fn sum(store: &mut Store, id: i64) {
    let Some(header) = store.get(MOVE, id) else { return };
    let state = header["state"].clone();
    let lines = store.lines(id);
    let (mut untaxed, mut total) = (Decimal::ZERO, Decimal::ZERO);
    for line in &lines {
        let Some(record) = store.get(LINE, *line) else {
            continue;
        };
        untaxed = untaxed.checked_add(record["price_subtotal"].float()).unwrap_or(untaxed);
        total = total.checked_add(record["price_total"].float()).unwrap_or(total);
    }
    for line in lines {
        store.update(LINE, line, Record::from([("parent_state", state.clone())]));
    }
    let tax = total.checked_sub(untaxed).unwrap_or_default();
    let sums = Record::from([
        ("amount_untaxed", Val::Float(untaxed)),
        ("amount_tax", Val::Float(tax)),
        ("amount_total", Val::Float(total)),
    ]);
    store.update(MOVE, id, sums);
    ledger::settle(store, id);
}

/// Reads `create`'s and `write`'s arguments.
pub(super) fn values(model: &'static Model, json: &serde_json::Value) -> Result<Values, Raised> {
    let mut values = Values::default();
    for (name, value) in json.as_object().into_iter().flatten() {
        let field = model
            .field(name)
            .ok_or_else(|| Raised::value(format!("Invalid field '{name}' in '{}'", model.name)))?;
        if name == "invoice_line_ids" {
            values.lines = commands(value)?;
            continue;
        }
        let read = Val::from_json(field.kind, value);
        let read = read.ok_or_else(|| Raised::value(format!("Wrong value for {}.{name}", model.name)))?;
        values.fields.insert(field.name, read);
    }
    Ok(values)
}

/// `[0, 0, values]`: a new line. (Other commands are not for this fake.)
fn commands(json: &serde_json::Value) -> Result<Vec<LineValues>, Raised> {
    let Some(model) = schema::model(LINE) else {
        return Ok(vec![]);
    };
    let line = |command: &serde_json::Value| match command[0].as_i64() {
        Some(0) => Ok(LineValues { fields: values(model, &command[2])?.fields, ..LineValues::default() }),
        _ => Err(Raised::value("the fake knows the command [0, 0, values] only")),
    };
    json.as_array().into_iter().flatten().map(line).collect()
}
