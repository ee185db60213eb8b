//! What an operator's step comes to, on pages for people: sums in money and pieces, and the facts that are news.

use super::table;
use backbone::wish::{Became, Changed, Moved, Outcome};
use canon::{Money, Quantity};
use std::fmt;

/// Facts that are named on a page for people.
const SHOWN_MAX: usize = 20;

/// Sums by topic, change and currency, and names.
pub(super) fn write(f: &mut fmt::Formatter<'_>, outcome: &Outcome) -> fmt::Result {
    let Outcome { moved, facts, .. } = outcome;
    if !moved.is_empty() {
        writeln!(f)?;
        let rows: Vec<_> = moved.iter().map(moved_row).collect();
        let heading = ["topic", "facts", "", "currency", "before", "after", "difference", "pieces"];
        table::write(f, heading, &rows)?;
    }
    if !facts.is_empty() {
        writeln!(f)?;
        let rows: Vec<_> = facts.iter().take(SHOWN_MAX).map(fact_row).collect();
        table::write(f, ["", "topic", "fact", "revision", "before", "after"], &rows)?;
        let news = outcome.corrected + outcome.recorded + outcome.withdrawn;
        let shown = rows.len() as u64;
        if news > shown {
            writeln!(f, "… and {} more; --json tells up to 200 of each lane", news - shown)?;
        }
    }
    Ok(())
}

fn became(change: Became) -> &'static str {
    match change {
        Became::Corrected => "corrected",
        Became::Recorded => "recorded",
        Became::Reversed => "reversed",
        Became::Unchanged => "unchanged",
        Became::Withdrawn => "withdrawn",
    }
}

/// Pieces are what is added to them, or taken away.
fn moved_row(moved: &Moved) -> [String; 8] {
    let Moved { topic, change, currency, facts, before, after, pieces_before, pieces_after } = moved;
    let said = |amount: Money| currency.as_ref().map_or_else(|| "-".to_owned(), |_| amount.to_string());
    let difference = |before: Money, after: Money| Money::sum([after, -before]).unwrap_or_default();
    let pieces: Quantity = difference(*pieces_before, *pieces_after);
    [
        topic.clone(),
        facts.to_string(),
        became(*change).to_owned(),
        currency.clone().unwrap_or_else(|| "-".to_owned()),
        said(*before),
        said(*after),
        said(difference(*before, *after)),
        said(pieces),
    ]
}

fn fact_row(fact: &Changed) -> [String; 6] {
    let Changed { topic, name, change, revision, before, after } = fact;
    let money = |amount: &Option<(Money, String)>| {
        amount.as_ref().map_or_else(|| "-".to_owned(), |(amount, currency)| format!("{amount} {currency}"))
    };
    let (before, after) = (money(before), money(after));
    [became(*change).to_owned(), topic.clone(), name.clone(), revision.to_string(), before, after]
}
