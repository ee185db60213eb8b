//! What a case says of itself: its sums and where it stands.

use crate::case::Case;
use crate::entry::sum;
use crate::odoo::{Document, Standing, State};
use crate::position::{At, Position, unbilled};
use canon::events::billing_case::{Case as Stated, CaseStatus};
use canon::events::billing_invoice_request::RequestKind;
use canon::{Change, EncounterToken, Money};
use std::collections::{BTreeMap, BTreeSet};

/// The currency of a case whose charges have several: ISO 4217's code for "none". Such a case counts, but has no sums.
const SEVERAL_CURRENCIES: &str = "XXX";

/// The statement. Its sums fit, since the sum of all their parts does.
pub(crate) fn of(case: &Case, visit: &EncounterToken, positions: &BTreeMap<At, Position>) -> Stated {
    let standings: Vec<Standing> = (0..case.asked.len()).map(|index| case.books.standing(index)).collect();
    let currencies = currencies(case);
    let several = currencies.len() > 1;
    let shown = |amount: Money| if several { Money::ZERO } else { amount };
    let unbilled_count =
        unbilled(positions).values().filter(|(amount, wants)| *wants || !amount.is_zero()).count();
    let documents = documents(case, &standings);
    let posted = |is_note| documents.iter().filter(move |one| one.is_posted && one.is_note == is_note);
    let lines =
        |documents: &mut dyn Iterator<Item = &Document>| documents.map(|one| one.lines).sum::<usize>();
    let credited = posted(true).map(|note| note.amount).chain(standings.iter().map(|found| found.credited));
    let (paid, payments) = case.books.payments();
    Stated {
        change: Change::Recorded,
        encounter: *visit,
        status: status(case, positions, &standings),
        finished: case.visit.finished_at().is_some(),
        currency: match several {
            true => SEVERAL_CURRENCIES.to_owned(),
            false => currencies.first().copied().unwrap_or_default().to_owned(),
        },
        unbilled: shown(sum(positions.values().map(Position::unbilled))),
        unbilled_count: count(unbilled_count),
        requested: shown(sum(case.asked.iter().map(crate::asked::Asked::effect))),
        requested_count: count(lines(&mut documents.iter())),
        requests: count(documents.len()),
        invoiced: shown(sum(posted(false).map(|invoice| invoice.amount))),
        invoiced_count: count(lines(&mut posted(false))),
        credited: shown(sum(credited)),
        credited_count: count(lines(&mut posted(true)) + case.books.lines_by_hand()),
        paid: shown(paid),
        paid_count: count(payments),
        diverged: shown(sum(case.diverged.values().map(|diverged| diverged.amount))),
        diverged_count: count(case.diverged.len()),
        as_of: case.as_of,
    }
}

/// What was asked for, document by document. Where others put a request right, they are what was asked for.
fn documents(case: &Case, standings: &[Standing]) -> Vec<Document> {
    let amended = case.books.amended();
    let asked = case.asked.iter().zip(standings).enumerate();
    let plain =
        asked.filter(|(index, _)| !amended.contains_key(index)).map(|(_, (asked, standing))| Document {
            is_note: asked.kind == RequestKind::CreditNote,
            is_posted: standing.state == State::Posted,
            lines: asked.lines.len(),
            amount: asked.total(),
        });
    plain.chain(amended.values().flatten().copied()).collect()
}

fn status(case: &Case, positions: &BTreeMap<At, Position>, standings: &[Standing]) -> CaseStatus {
    let all_posted =
        !standings.is_empty() && standings.iter().all(|standing| standing.state == State::Posted);
    let all_paid = standings.iter().all(|standing| standing.residual.is_zero());
    if !case.diverged.is_empty() {
        CaseStatus::Diverged
    } else if case.visit.finished_at().is_none() {
        CaseStatus::Open
    } else if positions.values().any(|position| position.wants() || !position.unbilled().is_zero()) {
        CaseStatus::Held
    } else if all_posted && all_paid {
        CaseStatus::Paid
    } else if all_posted {
        CaseStatus::Invoiced
    } else {
        CaseStatus::Billed
    }
}

fn currencies(case: &Case) -> BTreeSet<&str> {
    let said = case.entries.iter().filter(|(_, entry)| !entry.withdrawn);
    let said = said.map(|(_, entry)| entry.what.currency.as_str());
    said.chain(case.asked.iter().map(|asked| asked.currency.as_str())).collect()
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
