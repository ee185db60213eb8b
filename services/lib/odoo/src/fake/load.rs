//! `load`, as observed on Odoo 19.0 and read in its `orm/models.py`: rows to records, cells to values, all or nothing.

use super::orm::{self, LineValues, Mode, Values};
use super::raised::Raised;
use super::schema::{self, Kind, Model};
use super::store::Store;
use super::value::{Val, as_float};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Refusals that a test asked for: rows with this text in a cell get this message.
pub(super) type Refusals<'a> = &'a [(String, String)];

/// One record's cells: by field, then (for links and lines) by sub-field.
#[derive(Debug, Default)]
struct Extracted {
    cells: BTreeMap<String, String>,
    nested: BTreeMap<String, Vec<Extracted>>,
}

/// What of the context matters to `load`.
#[derive(Clone, Copy, Debug)]
pub(super) struct LoadMode {
    pub(super) record: Mode,
    /// `mode` is `update`.
    pub(super) update: bool,
}

/// A problem with a record, and the field that has it if one has.
struct Problem {
    field: Option<&'static str>,
    message: String,
    user_error: bool,
}

impl From<Raised> for Problem {
    fn from(raised: Raised) -> Self {
        let user_error = raised.class == "odoo.exceptions.UserError";
        Self { field: None, message: raised.message, user_error }
    }
}

/// Answers `{ids, messages, nextrow}`; the store is the caller's to roll back when `ids` is false.
pub(super) fn load(
    store: &mut Store,
    model: &'static Model,
    args: &Value,
    mode: LoadMode,
    refusals: Refusals<'_>,
) -> Result<Value, Raised> {
    let paths = strings(&args["fields"]);
    let fields: Vec<Vec<&str>> = paths.iter().map(|path| path.split('/').collect()).collect();
    if let Some(unknown) = fields.iter().find(|path| path[0] != ".id" && model.field(path[0]).is_none()) {
        return Err(Raised::value(format!("Invalid field name '{}'", unknown[0])));
    }
    let rows: Vec<Vec<String>> = args["data"].as_array().into_iter().flatten().map(strings).collect();
    let (mut ids, mut messages) = (vec![], vec![]);
    for (index, (from, span)) in spans(model, &fields, &rows).into_iter().enumerate() {
        let refused = refusals.iter().find(|(text, _)| span.iter().flatten().any(|cell| cell.contains(text)));
        let loaded = match refused {
            Some((_, message)) => Err(Problem { field: None, message: message.clone(), user_error: true }),
            None => record(store, model, &extract(&fields, span), mode),
        };
        match loaded {
            Ok(id) => ids.push(id),
            Err(problem) => {
                // Trying all records at once failed first, and that is blamed on the first one.
                if problem.user_error && index > 0 {
                    messages.push(message(0, 0, 0, &problem));
                }
                messages.push(message(index, from, from + span.len() - 1, &problem));
            }
        }
    }
    let ids = if messages.is_empty() { json!(ids) } else { json!(false) };
    Ok(json!({"ids": ids, "messages": messages, "nextrow": 0}))
}

fn message(record: usize, from: usize, to: usize, problem: &Problem) -> Value {
    let mut message = json!({
        "type": "error", "record": record, "rows": {"from": from, "to": to}, "message": problem.message,
    });
    if let Some(field) = problem.field {
        message["field"] = field.into();
    }
    message
}

/// Rows without any cell of the record's own belong to the record before.
fn spans<'a>(
    model: &Model,
    fields: &[Vec<&str>],
    rows: &'a [Vec<String>],
) -> Vec<(usize, &'a [Vec<String>])> {
    let of_lines =
        |path: &Vec<&str>| matches!(model.field(path[0]).map(|field| field.kind), Some(Kind::One2many(..)));
    let continues = |row: &[String]| {
        let filled = |lines: bool| {
            fields.iter().zip(row).any(|(path, cell)| of_lines(path) == lines && !cell.is_empty())
        };
        filled(true) && !filled(false)
    };
    let mut spans = vec![];
    let mut index = 0;
    while index < rows.len() {
        let length = 1 + rows[index + 1..].iter().take_while(|row| continues(row)).count();
        spans.push((index, &rows[index..index + length]));
        index += length;
    }
    spans
}

fn extract(fields: &[Vec<&str>], rows: &[Vec<String>]) -> Extracted {
    let mut record = Extracted::default();
    let mut nested: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (column, path) in fields.iter().enumerate() {
        match path.as_slice() {
            [field] => drop(
                record.cells.insert((*field).to_owned(), rows[0].get(column).cloned().unwrap_or_default()),
            ),
            [field, ..] => nested.entry(field).or_default().push(column),
            [] => {}
        }
    }
    for (field, columns) in nested {
        let paths: Vec<Vec<&str>> = columns.iter().map(|column| fields[*column][1..].to_vec()).collect();
        let cells = |row: &Vec<String>| -> Vec<String> {
            columns.iter().map(|column| row.get(*column).cloned().unwrap_or_default()).collect()
        };
        let filled = |row: &Vec<String>| row.iter().any(|cell| !cell.is_empty());
        let records = rows.iter().map(cells).filter(filled).map(|row| extract(&paths, &[row])).collect();
        record.nested.insert(field.to_owned(), records);
    }
    record
}

fn record(
    store: &mut Store,
    model: &'static Model,
    extracted: &Extracted,
    mode: LoadMode,
) -> Result<i64, Problem> {
    let mut values = Values::default();
    for (name, cell) in extracted.cells.iter().filter(|(name, _)| !matches!(name.as_str(), "id" | ".id")) {
        if let Some(field) = model.field(name) {
            values.fields.insert(field.name, leaf(field, cell, field.label, field.name)?);
        }
    }
    for (name, nested) in &extracted.nested {
        let Some(field) = model.field(name) else { continue };
        match field.kind {
            Kind::One2many(other, _) => {
                let other = schema::model(other).ok_or_else(|| Raised::value("no such model"))?;
                let line = |line| self::line(store, other, line, field);
                values.lines = nested.iter().map(line).collect::<Result<_, Problem>>()?;
            }
            _ => drop(values.fields.insert(field.name, link(store, field, nested, field.label, field.name)?)),
        }
    }
    keep(store, model, extracted.cells.get("id").map(String::as_str).unwrap_or_default(), values, mode)
}

/// Creates the record, overwrites it, or leaves it alone.
fn keep(
    store: &mut Store,
    model: &'static Model,
    name: &str,
    values: Values,
    mode: LoadMode,
) -> Result<i64, Problem> {
    if name.is_empty() {
        let missing = "Cannot update a record without specifying its id or xml_id";
        return if mode.update {
            Err(Raised::validation(missing).into())
        } else {
            Ok(orm::create(store, model, values, mode.record)?)
        };
    }
    let (module, name) = name.split_once('.').unwrap_or(("__import__", name));
    if let Some((named, id, noupdate)) = store.named(module, name) {
        if named != model.name {
            let message = format!(
                "For external id {module}.{name} when trying to create/update a record of model {} found record of \
                 different model {named} ({id})",
                model.name
            );
            return Err(Raised::validation(message).into());
        }
        if store.exists(model.name, id) {
            if !(mode.update && noupdate) {
                orm::write(store, model, id, values, mode.record)?;
            }
            return Ok(id);
        }
    }
    let id = orm::create(store, model, values, mode.record)?;
    store.name((module, name), model.name, id, mode.record.noupdate)?;
    if model.name == schema::PRODUCT {
        let template = store.get(model.name, id).and_then(|product| product["product_tmpl_id"].int());
        let name = format!("{name}_product_template");
        store.name((module, &name), schema::TEMPLATE, template.unwrap_or_default(), mode.record.noupdate)?;
    }
    Ok(id)
}

fn line(
    store: &Store,
    model: &'static Model,
    line: &Extracted,
    parent: &schema::Field,
) -> Result<LineValues, Problem> {
    let mut values = LineValues::default();
    let label = |field: &schema::Field| format!("{}/{}", parent.label, field.label);
    for (name, cell) in line.cells.iter().filter(|(name, _)| name.as_str() != "id") {
        let field = model.field(name).ok_or_else(|| Raised::value(format!("Invalid field name '{name}'")))?;
        values.fields.insert(field.name, leaf(field, cell, &label(field), parent.name)?);
    }
    for (name, nested) in &line.nested {
        let field = model.field(name).ok_or_else(|| Raised::value(format!("Invalid field name '{name}'")))?;
        values.fields.insert(field.name, link(store, field, nested, &label(field), parent.name)?);
    }
    if let Some(name) = line.cells.get("id").filter(|name| !name.is_empty()) {
        let (module, rest) = name.split_once('.').unwrap_or(("__import__", name));
        let known = store
            .named(module, rest)
            .filter(|(named, id, _)| *named == model.name && store.exists(named, *id));
        values.existing = known.map(|(_, id, _)| id);
        values.name = Some(format!("{module}.{rest}"));
    }
    Ok(values)
}

/// A cell of a field that is no link. An empty cell is a value: nothing.
fn leaf(field: &schema::Field, cell: &str, label: &str, blamed: &'static str) -> Result<Val, Problem> {
    let problem = |what: &str| Problem {
        field: Some(blamed),
        message: format!("{what} field '{label}'"),
        user_error: false,
    };
    if cell.is_empty() {
        return Ok(Val::unset(field.kind));
    }
    match field.kind {
        Kind::Boolean => Ok(Val::Bool(matches!(cell.to_lowercase().as_str(), "1" | "true" | "yes"))),
        Kind::Date => match cell.parse::<jiff::civil::Date>() {
            Ok(date) => Ok(Val::Text(date.to_string())),
            Err(_) => Err(problem(&format!("'{cell}' does not seem to be a valid date for"))),
        },
        Kind::Float => as_float(cell)
            .map(Val::Float)
            .ok_or_else(|| problem(&format!("'{cell}' does not seem to be a number for"))),
        Kind::Integer => cell
            .parse()
            .map(Val::Int)
            .map_err(|_| problem(&format!("'{cell}' does not seem to be an integer for"))),
        Kind::Selection(options) if !options.contains(&cell) => {
            Err(problem(&format!("Value '{cell}' not found in selection")))
        }
        _ => Ok(Val::Text(cell.to_owned())),
    }
}

/// The cell of a link: `field/id` holds external ids, `field/.id` a database id.
fn link(
    store: &Store,
    field: &schema::Field,
    nested: &[Extracted],
    label: &str,
    blamed: &'static str,
) -> Result<Val, Problem> {
    let problem = |message: String| Problem { field: Some(blamed), message, user_error: false };
    let Some(reference) = nested.first() else {
        return Ok(Val::unset(field.kind));
    };
    if reference.cells.len() > 1 {
        let message = "Ambiguous specification for field '%(field)s', only provide one of name, external id or database id";
        return Err(problem(message.to_owned()));
    }
    let other = field.kind.relation().unwrap_or_default();
    let mut ids = vec![];
    for (kind, text) in &reference.cells {
        let many = matches!(field.kind, Kind::Many2many(_));
        let parts: Vec<&str> = if many { text.split(',').collect() } else { vec![text] };
        for part in parts {
            let (found, what) = match kind.as_str() {
                "id" => {
                    let (module, name) = part.split_once('.').unwrap_or(("__import__", part));
                    let named = store
                        .named(module, name)
                        .filter(|(model, id, _)| *model == other && store.exists(model, *id));
                    (named.map(|(_, id, _)| id), "external id")
                }
                _ => (part.parse().ok().filter(|id| store.exists(other, *id)), "database id"),
            };
            let missing = || format!("No matching record found for {what} '{part}' in field '{label}'");
            ids.push(found.ok_or_else(|| problem(missing()))?);
        }
    }
    Ok(match field.kind {
        Kind::Many2many(_) => Val::Ids(ids),
        _ => ids.first().map_or(Val::Nothing, |id| Val::Int(*id)),
    })
}

fn strings(json: &Value) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(false) => String::new(),
        other => other.to_string(),
    };
    json.as_array().into_iter().flatten().map(text).collect()
}
