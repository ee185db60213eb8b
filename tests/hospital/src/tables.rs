//! The tables of codes that go with the day: what is charged and what it costs, payers, departments, units, locations.
//!
//! The files of `codes/` as they are imported, and what the day itself needs of them.

use crate::config::Sender;
use rust_decimal::Decimal;

/// A file of `codes/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name, such as `charge.csv`.
    pub file: &'static str,
    /// Its text.
    pub csv: &'static str,
}

/// Every table that is there from the morning on.
pub const TABLES: [Table; 5] = [
    Table { file: "charge.csv", csv: include_str!("../codes/charge.csv") },
    Table { file: "department.csv", csv: include_str!("../codes/department.csv") },
    Table { file: "location.csv", csv: include_str!("../codes/location.csv") },
    Table { file: "payer.csv", csv: include_str!("../codes/payer.csv") },
    Table { file: "unit.csv", csv: include_str!("../codes/unit.csv") },
];

/// The codes that the day uses and nobody has mapped yet: importing it releases what waits.
pub const LATER: Table = Table { file: "charge-later.csv", csv: include_str!("../codes/charge-later.csv") };

/// A row.
#[expect(missing_docs, reason = "columns that say themselves what they are")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// charge, department, location, payer or unit.
    pub table: String,
    /// Whose code it is; `*`: everybody's.
    pub sender: String,
    pub code: String,
    /// `YYYY-MM-DD`, or empty.
    pub valid_from: String,
    /// The first day on which it no longer holds, or empty.
    pub valid_to: String,
    /// What it is in Odoo.
    pub target: String,
    pub description: String,
    pub price: Option<Decimal>,
    pub currency: String,
    pub unit: String,
}

impl Table {
    /// Its rows.
    pub fn rows(self) -> Vec<Row> {
        self.csv.lines().skip(1).map(row).collect()
    }
}

/// What Odoo has to know as products: code and name, each once.
pub fn products() -> Vec<(String, String)> {
    targets(TABLES[0])
}

/// Who pays besides patients themselves: code and name, each once.
pub fn payers() -> Vec<(String, String)> {
    targets(TABLES[3])
}

fn targets(table: Table) -> Vec<(String, String)> {
    let mut named: Vec<(String, String)> = Vec::new();
    for row in table.rows() {
        if named.iter().all(|(target, _)| *target != row.target) {
            named.push((row.target, row.description));
        }
    }
    named
}

/// What a sender charges for on a day.
pub(crate) fn prices(sender: Sender, day: &str) -> Vec<Row> {
    let whose = if sender == Sender::North { "*" } else { sender.name() };
    let holds = |row: &Row| {
        row.sender == whose
            && row.price.is_some()
            && row.valid_from.as_str() <= day
            && (row.valid_to.is_empty() || day < row.valid_to.as_str())
    };
    TABLES[0].rows().into_iter().filter(holds).collect()
}

/// A row, in which a value with commas stands in quotation marks.
fn row(line: &str) -> Row {
    let mut values = vec![String::new()];
    let mut is_quoted = false;
    for char in line.chars() {
        match char {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => values.push(String::new()),
            char => values.last_mut().into_iter().for_each(|value| value.push(char)),
        }
    }
    let mut values = values.into_iter();
    let mut next = || values.next().unwrap_or_default();
    Row {
        table: next(),
        sender: next(),
        code: next(),
        valid_from: next(),
        valid_to: next(),
        target: next(),
        description: next(),
        price: next().parse().ok(),
        currency: next(),
        unit: next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_every_table_is_whole() {
        for table in TABLES.into_iter().chain([LATER]) {
            for (row, line) in table.rows().iter().zip(table.csv.lines().skip(1)) {
                assert!(table.file.starts_with(&row.table), "{line}");
                assert!(
                    !row.code.is_empty() && !row.target.is_empty() && !row.description.is_empty(),
                    "{line}"
                );
                assert!(row.sender == "*" || row.sender.parse::<Sender>().is_ok(), "{line}");
                assert_eq!(row.price.is_some(), !row.currency.is_empty(), "{line}");
            }
        }
    }

    #[test]
    fn a_price_is_the_one_of_the_day() {
        let of = |day| {
            let rows = prices(Sender::North, day);
            let row: Vec<_> = rows.iter().filter(|row| row.code == "IMG-CHE").collect();
            assert_eq!(row.len(), 1, "{day}");
            row[0].price.map(|price| price.to_string())
        };
        assert_eq!(of("2024-12-30").as_deref(), Some("85.00"));
        assert_eq!(of("2024-12-31").as_deref(), Some("88.75"));
    }

    #[test]
    fn what_waits_for_a_mapping_is_not_mapped_from_the_morning_on() {
        for later in LATER.rows() {
            assert!(TABLES[0].rows().iter().all(|row| row.code != later.code), "{}", later.code);
        }
    }
}
