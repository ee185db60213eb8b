//! What people see of a case: tokens, codes and money, nothing of a patient.

mod account;
#[cfg(test)]
mod summed;

pub(crate) use account::{AccountRow, rows as accounts};

use crate::asked::{number, request_id};
use crate::case::Case;
use crate::entry::Entry;
use crate::position::{At, Position, unbilled};
use crate::statement;
use backbone::{Column, ReportRow, Rows, Table};
use canon::{EncounterToken, Money, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;

/// Declares a kind of row: its table, its key, its columns with their types.
macro_rules! row {
    ($(#[$doc:meta])* $name:ident, $table:literal, $key:expr, { $($column:ident: $type:ty as $kind:ident,)* }) => {
        $(#[$doc])*
        #[derive(Serialize)]
        pub(crate) struct $name { $(pub(crate) $column: $type,)* }

        impl ReportRow for $name {
            const TABLE: Table =
                Table { name: $table, columns: &[$((stringify!($column), Column::$kind),)*] };

            fn row(&self) -> String {
                let key: fn(&Self) -> String = $key;
                key(self)
            }
        }
    };
}
pub(crate) use row;

row! {
    /// A visit's billing.
    CaseRow, "billing_case", |row| row.encounter.clone(), {
        encounter: String as Text,
        facility: Option<String> as Text,
        status: &'static str as Text,
        finished: bool as Bool,
        moved_to: Option<String> as Text,
        currency: String as Text,
        unbilled: Money as Money,
        unbilled_count: i64 as Integer,
        requested: Money as Money,
        requested_count: i64 as Integer,
        requests: i64 as Integer,
        invoiced: Money as Money,
        credited: Money as Money,
        paid: Money as Money,
        diverged: Money as Money,
        diverged_count: i64 as Integer,
    }
}

row! {
    /// A charge, credit or adjustment, and where it is. The visit stands before it in the key, so that one which moved
    /// to another visit is a row of each for a while: two lanes may write them in either order.
    ChargeRow, "billing_charge", |row| format!("{}/{}", row.encounter, row.charge), {
        encounter: String as Text,
        charge: String as Text,
        kind: &'static str as Text,
        reverses: Option<String> as Text,
        code: String as Text,
        item: String as Text,
        currency: String as Text,
        amount: Money as Money,
        state: &'static str as Text,
        request: Option<String> as Text,
    }
}

row! {
    /// What is in no request, or still in one and no longer meant to be. Its age is counted from the service.
    UnbilledRow, "billing_unbilled", |row| format!("{}/{}/{}", row.encounter, row.charge, row.currency), {
        encounter: String as Text,
        charge: String as Text,
        sender: Option<String> as Text,
        facility: Option<String> as Text,
        currency: String as Text,
        amount: Money as Money,
        state: &'static str as Text,
        since: Option<Timestamp> as Time,
    }
}

row! {
    /// A request and what became of it in Odoo.
    RequestRow, "billing_request", |row| row.request.clone(), {
        encounter: String as Text,
        request: String as Text,
        number: i64 as Integer,
        kind: &'static str as Text,
        reverses: Option<String> as Text,
        facility: Option<String> as Text,
        payer: Option<String> as Text,
        currency: String as Text,
        total: Money as Money,
        invoice_date: String as Text,
        state: &'static str as Text,
        odoo_id: Option<i64> as Integer,
        odoo_total: Money as Money,
        paid: Money as Money,
        residual: Money as Money,
        credited_by_hand: Money as Money,
        diverged: bool as Bool,
    }
}

row! {
    /// A request that Odoo has otherwise, or that another payer is said for since; who looks after it, and what differs:
    /// names of fields, codes of payers and amounts.
    DivergedRow, "billing_diverged", |row| row.request.clone(), {
        encounter: String as Text,
        request: String as Text,
        facility: Option<String> as Text,
        owner: Option<String> as Text,
        since: Timestamp as Time,
        what: String as Text,
        currency: String as Text,
        amount: Money as Money,
    }
}

/// Adds the rows of a case.
pub(crate) fn put(case: &Case, visit: &EncounterToken, rows: &mut Rows) {
    let positions = case.positions();
    rows.put(&case_row(case, visit, &positions));
    for (id, entry) in case.entries.iter() {
        rows.put(&charge_row(case, visit, &positions, (id, entry)));
    }
    for (of, (amount, wants)) in unbilled(&positions) {
        if !amount.is_zero() {
            rows.put(&unbilled_row(case, visit, of, amount, wants));
        }
    }
    requests(case, visit, rows);
    for row in accounts(case, visit, &positions) {
        rows.put(&row);
    }
}

fn case_row(case: &Case, visit: &EncounterToken, positions: &BTreeMap<At, Position>) -> CaseRow {
    let stated = statement::of(case, visit, positions);
    CaseRow {
        encounter: visit.to_string(),
        facility: case.visit.facility(),
        status: stated.status.as_str(),
        finished: stated.finished,
        moved_to: case.visit.moved_to().map(|survivor| survivor.to_string()),
        currency: stated.currency,
        unbilled: stated.unbilled,
        unbilled_count: stated.unbilled_count,
        requested: stated.requested,
        requested_count: stated.requested_count,
        requests: stated.requests,
        invoiced: stated.invoiced,
        credited: stated.credited,
        paid: stated.paid,
        diverged: stated.diverged,
        diverged_count: stated.diverged_count,
    }
}

fn charge_row(
    case: &Case,
    visit: &EncounterToken,
    positions: &BTreeMap<At, Position>,
    (id, entry): (&String, &Entry),
) -> ChargeRow {
    let root = case.entries.root(id);
    let at = At { charge: root.to_owned(), currency: entry.what.currency.clone(), left: None };
    let last = case.asked.iter().rposition(|asked| asked.lines.iter().any(|line| line.charge == root));
    let state = match positions.get(&at) {
        _ if entry.withdrawn && last.is_none() => "withdrawn",
        Some(position) if !position.waiting.is_zero() => "waiting",
        Some(position) if position.wants() => {
            if last.is_some() {
                "changed"
            } else {
                "unbilled"
            }
        }
        _ if last.is_some() => "requested",
        _ => "settled",
    };
    ChargeRow {
        encounter: visit.to_string(),
        charge: id.clone(),
        kind: entry.kind.as_str(),
        reverses: entry.reverses.clone(),
        code: entry.what.code.clone(),
        item: entry.what.item.clone(),
        currency: entry.what.currency.clone(),
        amount: case.entries.effect(id),
        state,
        request: last.map(|index| request_id(visit, index)),
    }
}

fn unbilled_row(
    case: &Case,
    visit: &EncounterToken,
    (charge, currency): (&str, &str),
    amount: Money,
    wants: bool,
) -> UnbilledRow {
    // Of what names a charge that has not come, the first one speaks.
    let named = || case.entries.iter().find(|(id, _)| case.entries.root(id) == charge);
    let entry = case.entries.get(charge).or_else(|| named().map(|(_, entry)| entry));
    UnbilledRow {
        encounter: visit.to_string(),
        charge: charge.to_owned(),
        sender: entry.map(|entry| entry.sender.clone()),
        facility: entry.and_then(|entry| entry.facility.clone()).or_else(|| case.visit.facility()),
        currency: currency.to_owned(),
        amount,
        state: match (wants, case.visit.finished_at()) {
            (false, _) => "waiting",
            (true, None) => "open",
            (true, Some(_)) => "held",
        },
        since: entry.map(|entry| entry.what.service_at),
    }
}

fn requests(case: &Case, visit: &EncounterToken, rows: &mut Rows) {
    for (index, asked) in case.asked.iter().enumerate() {
        let request = request_id(visit, index);
        let standing = case.books.standing(index);
        let diverged = case.diverged.get(&index);
        if let Some(diverged) = diverged {
            rows.put(&DivergedRow {
                encounter: visit.to_string(),
                request: request.clone(),
                facility: asked.facility.clone(),
                owner: diverged.owner.clone(),
                since: diverged.since,
                what: diverged.what.clone(),
                currency: asked.currency.clone(),
                amount: diverged.amount,
            });
        }
        rows.put(&RequestRow {
            encounter: visit.to_string(),
            request,
            number: i64::from(number(index)),
            kind: asked.kind.as_str(),
            reverses: asked.reverses.map(|reversed| request_id(visit, reversed)),
            facility: asked.facility.clone(),
            payer: asked.payer.clone(),
            currency: asked.currency.clone(),
            total: asked.total(),
            invoice_date: asked.date.to_string(),
            state: standing.state.as_str(),
            odoo_id: standing.invoice,
            odoo_total: standing.total,
            paid: standing.paid,
            residual: standing.residual,
            credited_by_hand: standing.credited,
            diverged: diverged.is_some(),
        });
    }
}
