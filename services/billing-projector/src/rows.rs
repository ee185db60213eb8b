//! What people see of a case: one row per visit, one per charge; tokens and money, nothing of a patient.

use crate::case::{Case, Entry, request_id};
use backbone::{Column, ReportRow, Rows, Table};
use canon::{EncounterToken, Money};
use serde::Serialize;

/// A visit's billing.
#[derive(Serialize)]
pub(crate) struct CaseRow {
    encounter: String,
    facility: Option<String>,
    status: &'static str,
    finished: bool,
    currency: String,
    unbilled: Money,
    unbilled_count: i64,
    requested: Money,
    requested_count: i64,
    requests: i64,
}

/// A charge and where it is.
#[derive(Serialize)]
pub(crate) struct ChargeRow {
    encounter: String,
    charge: String,
    code: String,
    currency: String,
    amount: Money,
    state: &'static str,
    request: Option<String>,
}

impl ReportRow for CaseRow {
    const TABLE: Table = Table {
        name: "billing_case",
        columns: &[
            ("encounter", Column::Text),
            ("facility", Column::Text),
            ("status", Column::Text),
            ("finished", Column::Bool),
            ("currency", Column::Text),
            ("unbilled", Column::Money),
            ("unbilled_count", Column::Integer),
            ("requested", Column::Money),
            ("requested_count", Column::Integer),
            ("requests", Column::Integer),
        ],
    };

    fn row(&self) -> String {
        self.encounter.clone()
    }
}

impl ReportRow for ChargeRow {
    const TABLE: Table = Table {
        name: "billing_charge",
        columns: &[
            ("encounter", Column::Text),
            ("charge", Column::Text),
            ("code", Column::Text),
            ("currency", Column::Text),
            ("amount", Column::Money),
            ("state", Column::Text),
            ("request", Column::Text),
        ],
    };

    /// The visit stands before the charge, so that a charge which moved to another visit is a row of each for a while:
    /// two lanes may write them in either order.
    fn row(&self) -> String {
        format!("{}/{}", self.encounter, self.charge)
    }
}

/// Adds the rows of a case.
pub(crate) fn put(case: &Case, visit: &EncounterToken, rows: &mut Rows) {
    if let Ok(stated) = case.stated(visit) {
        rows.put(&CaseRow {
            encounter: visit.to_string(),
            facility: case.facility(),
            status: stated.status.as_str(),
            finished: stated.finished,
            currency: stated.currency,
            unbilled: stated.unbilled,
            unbilled_count: stated.unbilled_count,
            requested: stated.requested,
            requested_count: stated.requested_count,
            requests: stated.requests,
        });
    }
    for (charge, entry) in case.charges() {
        rows.put(&charge_row(visit, charge, entry));
    }
}

fn charge_row(visit: &EncounterToken, charge: &str, entry: &Entry) -> ChargeRow {
    ChargeRow {
        encounter: visit.to_string(),
        charge: charge.to_owned(),
        code: entry.billable.code.clone(),
        currency: entry.billable.currency.clone(),
        amount: entry.billable.amount,
        state: if entry.request.is_some() { "requested" } else { "unbilled" },
        request: entry.request.map(|number| request_id(visit, number)),
    }
}
