//! What was used up in a day: every consumption as it was said, in the units and places of the tables of codes.

use super::Played;
use super::accounts::decimal;
use super::check::{Amiss, latest};
use super::clinic::{hold, sorted};
use crate::books::Evidence;
use canon::Change;
use hospital::{Sender, TABLES};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// By visit: source, code, item, quantity, lot, place, and whether it was given back.
pub(super) fn check(played: &Played, evidence: &Evidence, found: &mut Vec<Amiss>) {
    let visits = played.visits();
    let bodies = latest(&evidence.consumptions.stated, |body| body.change == Change::Withdrawn);
    let mut is: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (_, body) in bodies.into_values() {
        let visit = body.encounter.as_ref().map(ToString::to_string);
        let Some(visit) = visit.filter(|visit| visits.contains(visit)) else { continue };
        let used = Used {
            source: body.source.as_str(),
            code: &body.code,
            item: body.item.plain(),
            quantity: decimal(body.quantity),
            lot: body.lot.as_deref().unwrap_or_default(),
            location: body.location.plain(),
            returned: body.returned,
        };
        is.entry(visit).or_default().push(format!("{used:?}"));
    }
    let mut should: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in &played.plan.truth.consumptions {
        let used = Used {
            source: &one.source,
            code: &one.code,
            item: target("charge", one.sender, &one.code),
            quantity: (Decimal::from(one.quantity) * factor(one.sender, &one.unit)).normalize(),
            lot: &one.lot,
            location: target("location", one.sender, &one.location),
            // A day has no pharmacy that takes something back.
            returned: false,
        };
        let visit = played.visit(one.sender, &one.visit).to_string();
        should.entry(visit).or_default().push(format!("{used:?}"));
    }
    hold("the consumption of visit", sorted(is), sorted(should), found);
}

#[derive(Debug)]
#[expect(dead_code, reason = "what is told of it is all of it")]
struct Used<'a> {
    source: &'a str,
    code: &'a str,
    item: String,
    quantity: Decimal,
    lot: &'a str,
    location: String,
    returned: bool,
}

/// What a code is in Odoo.
fn target(table: &str, sender: Sender, code: &str) -> String {
    let mut rows = TABLES.into_iter().flat_map(hospital::Table::rows);
    let row = rows.find(|row| {
        row.table == table && row.code == code && (row.sender == sender.name() || row.sender == "*")
    });
    row.map(|row| row.target).unwrap_or_default()
}

/// How many of Odoo's units one of a sender's is: the last column of the table.
fn factor(sender: Sender, unit: &str) -> Decimal {
    let mut lines =
        TABLES.iter().filter(|table| table.file == "unit.csv").flat_map(|table| table.csv.lines());
    let own = format!("unit,{},{unit},", sender.name());
    let everybodys = format!("unit,*,{unit},");
    let line = lines.find(|line| line.starts_with(&own) || line.starts_with(&everybodys));
    line.and_then(|line| line.rsplit(',').next()?.parse().ok()).unwrap_or(Decimal::ONE)
}
