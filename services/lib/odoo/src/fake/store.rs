//! The database: records by model and id, external ids among them.

use super::raised::Raised;
use super::schema::{self, Kind, LINE, MOVE, Model, NAMES};
use super::value::{Val, float_json};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) type Record = BTreeMap<&'static str, Val>;

/// Cheap to clone: a transaction works on a copy, which takes the original's place when it commits.
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    tables: BTreeMap<&'static str, Table>,
    /// Row of `ir.model.data` by module and name: the unique index.
    names: BTreeMap<(String, String), i64>,
    /// Lines by header: the one index whose absence makes long runs slow.
    lines: BTreeMap<i64, BTreeSet<i64>>,
    /// The transaction's start, which all its records carry.
    now: String,
}

#[derive(Clone, Debug, Default)]
struct Table {
    rows: BTreeMap<i64, Arc<Record>>,
    last_id: i64,
}

impl Store {
    /// A transaction begins: its time, whole seconds as they are seen over RPC.
    pub(super) fn begin(&mut self, now: jiff::Timestamp) {
        self.now = now.strftime("%Y-%m-%d %H:%M:%S").to_string();
    }

    /// When the transaction began, as Odoo writes it, in UTC.
    pub(super) fn now(&self) -> &str {
        &self.now
    }

    pub(super) fn ids(&self, model: &str) -> impl Iterator<Item = i64> + '_ {
        self.tables.get(model).into_iter().flat_map(|table| table.rows.keys().copied())
    }

    pub(super) fn get(&self, model: &str, id: i64) -> Option<&Record> {
        self.tables.get(model)?.rows.get(&id).map(AsRef::as_ref)
    }

    pub(super) fn exists(&self, model: &str, id: i64) -> bool {
        self.get(model, id).is_some()
    }

    /// A field's value, links to many included.
    pub(super) fn value(&self, model: &'static Model, id: i64, field: &str) -> Val {
        let Some(field) = model.field(field) else {
            return Val::Nothing;
        };
        match (field.name, field.kind) {
            ("id", _) => Val::Int(id),
            ("display_name", _) => Val::Text(self.display_name(model, id)),
            // There are no attributes here that add to a variant's price.
            ("lst_price", _) => self.value(model, id, "list_price"),
            (_, Kind::One2many(..)) => Val::Ids(self.invoice_lines(id)),
            (name, kind) => self
                .get(model.name, id)
                .and_then(|record| record.get(name))
                .cloned()
                .unwrap_or(Val::unset(kind)),
        }
    }

    /// The lines of a header.
    pub(super) fn lines(&self, header: i64) -> Vec<i64> {
        self.lines.get(&header).into_iter().flatten().copied().collect()
    }

    /// Those of them that a person sees.
    pub(super) fn invoice_lines(&self, header: i64) -> Vec<i64> {
        let is_product = |line: &i64| {
            self.get(LINE, *line).is_some_and(|line| line["display_type"].text() != "payment_term")
        };
        self.lines(header).into_iter().filter(is_product).collect()
    }

    fn index_line(&mut self, id: i64, before: Option<i64>) {
        let now = self.header_of(id);
        if let Some(lines) = before.and_then(|before| self.lines.get_mut(&before)) {
            lines.remove(&id);
        }
        if let Some(now) = now {
            self.lines.entry(now).or_default().insert(id);
        }
    }

    fn header_of(&self, line: i64) -> Option<i64> {
        self.get(LINE, line)?.get("move_id")?.int()
    }

    /// Puts a record in, as it is.
    pub(super) fn insert(&mut self, model: &'static str, mut record: Record) -> i64 {
        let now = self.now.clone();
        record.insert("create_date", Val::Text(now.clone()));
        record.insert("write_date", Val::Text(now));
        let table = self.tables.entry(model).or_default();
        table.last_id += 1;
        table.rows.insert(table.last_id, Arc::new(record));
        let id = table.last_id;
        if model == LINE {
            self.index_line(id, None);
        }
        id
    }

    /// Sets fields of a record that exists.
    pub(super) fn update(&mut self, model: &str, id: i64, values: Record) {
        let now = self.now.clone();
        if let Some(row) = self.tables.get_mut(model).and_then(|table| table.rows.get_mut(&id)) {
            let row = Arc::make_mut(row);
            row.extend(values);
            row.insert("write_date", Val::Text(now));
        }
    }

    /// Deletes a record; its external ids go with it, as the ORM does it.
    pub(super) fn delete(&mut self, model: &str, id: i64) {
        self.drop_record(model, id);
        let names: Vec<i64> = self.names.values().copied().collect();
        for row in names {
            let named = self.get(NAMES, row);
            let its =
                named.is_some_and(|named| named["model"].text() == model && named["res_id"] == Val::Int(id));
            if its {
                self.delete_name(row);
            }
        }
    }

    /// Deletes a record behind the ORM's back: its external ids stay and dangle.
    pub(super) fn drop_record(&mut self, model: &str, id: i64) {
        let before = self.header_of(id).filter(|_| model == LINE);
        if let Some(table) = self.tables.get_mut(model) {
            table.rows.remove(&id);
        }
        if model == LINE {
            self.index_line(id, before);
        }
    }

    fn delete_name(&mut self, row: i64) {
        self.names.retain(|_, id| *id != row);
        self.drop_record(NAMES, row);
    }

    /// The record under an external id, and whether it is marked `noupdate`. It may dangle.
    pub(super) fn named(&self, module: &str, name: &str) -> Option<(&str, i64, bool)> {
        let row = self.names.get(&(module.to_owned(), name.to_owned()))?;
        let record = self.get(NAMES, *row)?;
        Some((record["model"].text(), record["res_id"].int()?, record["noupdate"] == Val::Bool(true)))
    }

    /// Gives a record an external id; a dangling one is given anew.
    pub(super) fn name(
        &mut self,
        (module, name): (&str, &str),
        model: &str,
        id: i64,
        noupdate: bool,
    ) -> Result<i64, Raised> {
        if name.contains(' ') {
            return Err(Raised::validation(
                "new row for relation \"ir_model_data\" violates check constraint \"ir_model_data_name_nospaces\"",
            ));
        }
        let key = (module.to_owned(), name.to_owned());
        if let Some(row) = self.names.get(&key).copied() {
            if self.named(module, name).is_some_and(|(model, id, _)| self.exists(model, id)) {
                return Err(Raised::validation(
                    "The operation cannot be completed: duplicate key value violates unique constraint \
                     \"ir_model_data_module_name_uniq_index\"",
                ));
            }
            self.delete_name(row);
        }
        let row = self.insert(
            NAMES,
            Record::from([
                ("module", Val::Text(module.to_owned())),
                ("name", Val::Text(name.to_owned())),
                ("model", Val::Text(model.to_owned())),
                ("res_id", Val::Int(id)),
                ("noupdate", Val::Bool(noupdate)),
            ]),
        );
        self.names.insert(key, row);
        Ok(row)
    }

    /// The fields of a record as `read` answers them.
    pub(super) fn read(&self, model: &'static Model, id: i64, fields: &[String]) -> Result<Value, Raised> {
        let mut row = Map::from_iter([("id".to_owned(), json!(id))]);
        let all: Vec<String>;
        let fields = if fields.is_empty() {
            all = model.all_fields().map(|field| field.name.to_owned()).collect();
            &all
        } else {
            fields
        };
        for name in fields {
            let field = model
                .field(name)
                .ok_or_else(|| Raised::value(format!("Invalid field '{name}' on '{}'", model.name)))?;
            row.insert(name.clone(), self.json(field.kind, self.value(model, id, name)));
        }
        Ok(Value::Object(row))
    }

    fn json(&self, kind: Kind, value: Val) -> Value {
        match (kind, value) {
            (Kind::Many2one(other), Val::Int(id)) => match schema::model(other) {
                Some(model) => json!([id, self.display_name(model, id)]),
                None => json!([id, ""]),
            },
            (_, Val::Bool(truth)) => json!(truth),
            (_, Val::Float(number)) => float_json(number),
            (_, Val::Ids(ids)) => json!(ids),
            (_, Val::Int(number)) => json!(number),
            (_, Val::Nothing) => json!(false),
            (_, Val::Text(text)) => json!(text),
        }
    }

    fn display_name(&self, model: &'static Model, id: i64) -> String {
        let text = |field: &str| self.value(model, id, field).text().to_owned();
        match (model.name, text("ref")) {
            (MOVE, reference) => {
                let number = Some(text("name")).filter(|name| !name.is_empty());
                let suffix = if reference.is_empty() { String::new() } else { format!(" ({reference})") };
                number.unwrap_or_else(|| "Draft Invoice".to_owned()) + &suffix
            }
            (schema::PRODUCT, _) if !text("default_code").is_empty() => {
                format!("[{}] {}", text("default_code"), text("name"))
            }
            (LINE, _) => text("name"),
            _ => text("name"),
        }
    }
}
