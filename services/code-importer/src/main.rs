//! `code-importer`: code tables out of CSV files, as master data that folds look up.
//!
//! Consumes the `.csv` files of a folder (see the crate `codes`); publishes `reference.code.v1`, one record a code. Does
//! nothing else to the world. `--check-config` reads the folder and tells every mistake, without starting anything.

mod tables;

use backbone::service::{Service, Work};
use backbone::settings::{Mistake, Problem};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut service = Service::new("code-importer", "publishes code tables kept as CSV files");
    let ledger = service.ledger();
    let mut scope = service.settings().group("Codes");
    let folder = scope
        .path("codes", "folder of CSV files: charge.csv, department.csv, location.csv, payer.csv, unit.csv")
        .default("deploy/codes");
    let read = folder;
    scope.rule(move |values| {
        let mistakes = codes::read(values.get(&read).as_path()).err().unwrap_or_default();
        let told = |mistake: &codes::Mistake| Mistake {
            name: "codes".to_owned(),
            problem: Problem::Inside { said: mistake.to_string() },
        };
        mistakes.iter().map(told).collect()
    });
    service.run(move |values| {
        let tables = tables::sourcing(values.get(&folder).clone());
        Ok(Work::with_ledger(ledger.values(values)).source(tables))
    })
}
