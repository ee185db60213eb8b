//! Report tables: typed columns for people and dashboards, written in columns, one statement per table and batch.

use super::OpenError;
use super::failure::Failure;
use super::identifier::Identifier;
use super::wire::Ask;
use crate::projection::{Column, Row, Table};
use canon::Money;
use canon::time::Timestamp;
use serde_json::Value;

/// A report table and its statements.
#[derive(Debug)]
pub(super) struct ReportTable {
    pub(super) name: Identifier,
    pub(super) columns: &'static [(&'static str, Column)],
    pub(super) create: String,
    upsert: String,
    delete: String,
}

/// The primary key of every report table.
const KEY: &str = "row";

impl ReportTable {
    pub(super) fn new(table: &Table) -> Result<Self, OpenError> {
        let name = Identifier::new("table", table.name)?;
        let mut columns = Vec::new();
        for (column, kind) in table.columns {
            if *column == KEY {
                return Err(OpenError::Reserved { name: format!("{}.{KEY}", table.name) });
            }
            columns.push((Identifier::new("column", column)?, *kind));
        }
        let each = |of: &dyn Fn(usize, &Identifier, Column) -> String| -> String {
            columns.iter().enumerate().map(|(index, (column, kind))| of(index, column, *kind)).collect()
        };
        let created = each(&|_, column, kind| format!(", {column} {}", declared(kind)));
        let named = each(&|_, column, _| format!(", {column}"));
        let picked = each(&|index, _, kind| format!(", c{index}::{}", declared(kind)));
        let arrays = each(&|index, _, kind| format!(", ${}::{}[]", index + 2, sent(kind)));
        let aliases = each(&|index, _, _| format!(", c{index}"));
        let updates = each(&|_, column, _| format!(", {column} = excluded.{column}"));
        Ok(Self {
            create: format!(
                "CREATE TABLE {name} (\"{KEY}\" text COLLATE \"C\" PRIMARY KEY{created}) WITH (fillfactor = 80)"
            ),
            upsert: format!(
                "INSERT INTO {name} (\"{KEY}\"{named}) \
                 SELECT k{picked} FROM unnest($1::text[]{arrays}) AS u(k{aliases}) \
                 ON CONFLICT (\"{KEY}\") DO UPDATE SET \"{KEY}\" = excluded.\"{KEY}\"{updates}"
            ),
            delete: format!("DELETE FROM {name} WHERE \"{KEY}\" = ANY($1)"),
            name,
            columns: table.columns,
        })
    }

    /// Deletes rows.
    pub(super) fn delete<'a>(&'a self, rows: Vec<String>) -> Ask<'a> {
        Ask::new(self.delete.as_str()).with(rows)
    }

    /// Writes rows, each key once.
    pub(super) fn upsert<'a>(&'a self, rows: &[&Row]) -> Result<Ask<'a>, Failure> {
        let keys: Vec<String> = rows.iter().map(|row| plain(&row.row)).collect();
        let mut ask = Ask::new(self.upsert.as_str()).with(keys);
        for (column, kind) in self.columns {
            let values = rows.iter().map(|row| (row.table, row.columns.get(column).unwrap_or(&Value::Null)));
            ask = match kind {
                Column::Bool => ask.with(collect(values, column, Value::as_bool)?),
                Column::Integer => ask.with(collect(values, column, Value::as_i64)?),
                Column::Money => ask.with(collect(values, column, money)?),
                Column::Text => ask.with(collect(values, column, text)?),
                Column::Time => ask.with(collect(values, column, time)?),
            };
        }
        Ok(ask)
    }
}

/// A column's values; one that does not fit is told by where it stands, before the database would abort over it.
fn collect<'v, T>(
    values: impl Iterator<Item = (&'static str, &'v Value)>,
    column: &'static str,
    fit: impl Fn(&Value) -> Option<T>,
) -> Result<Vec<Option<T>>, Failure> {
    let one = |(table, value): (&'static str, &Value)| match value {
        Value::Null => Ok(None),
        value => fit(value).map(Some).ok_or(Failure::Row { table, column }),
    };
    values.map(one).collect()
}

fn money(value: &Value) -> Option<String> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        other => other.as_str()?.to_owned(),
    };
    Some(text.parse::<Money>().ok()?.to_string())
}

fn text(value: &Value) -> Option<String> {
    Some(match value {
        Value::String(text) => plain(text),
        other => plain(&other.to_string()),
    })
}

/// RFC 3339, or microseconds as [`Timestamp`] is serialized.
fn time(value: &Value) -> Option<String> {
    let at = match value {
        Value::Number(micros) => Timestamp(micros.as_i64()?),
        other => other.as_str()?.parse().ok()?,
    };
    // Outside of what RFC 3339 can write there is nothing to show.
    let text = at.to_string();
    text.parse::<Timestamp>().ok().map(|_| text)
}

/// Report rows are for people: what PostgreSQL's text cannot hold is shown as U+FFFD.
pub(super) fn plain(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A column's type.
pub(super) fn declared(kind: Column) -> &'static str {
    match kind {
        Column::Bool => "boolean",
        Column::Integer => "bigint",
        Column::Money => "numeric(18,4)",
        Column::Text => "text",
        Column::Time => "timestamptz",
    }
}

/// The type as the catalog of the database writes it.
pub(super) fn shown(kind: Column) -> &'static str {
    match kind {
        Column::Time => "timestamp with time zone",
        other => declared(other),
    }
}

/// The type a column's values are sent as.
fn sent(kind: Column) -> &'static str {
    match kind {
        Column::Bool => "boolean",
        Column::Integer => "bigint",
        Column::Money | Column::Text | Column::Time => "text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(fit: fn(&Value) -> Option<String>, value: &Value, want: Option<&str>) {
        assert_eq!(fit(value).as_deref(), want);
    }

    #[test]
    fn values_are_made_fit_for_their_columns_or_refused() {
        check(money, &json!("12.34"), Some("12.34"));
        check(money, &json!(12), Some("12"));
        check(money, &json!("12.34567"), None);
        check(money, &json!(true), None);
        check(time, &json!("2026-11-20T10:00:00Z"), Some("2026-11-20T10:00:00Z"));
        check(time, &json!(0), Some("1970-01-01T00:00:00Z"));
        check(time, &json!(i64::MAX), None);
        check(time, &json!("yesterday"), None);
        check(text, &json!("a\0b"), Some("a\u{fffd}b"));
        check(text, &json!(["x"]), Some("[\"x\"]"));
    }
}
