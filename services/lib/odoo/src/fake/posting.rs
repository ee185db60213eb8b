//! Posting, and back: what a move's state allows, its number, its date in a locked period.

use super::ledger;
use super::orm::{sum, today};
use super::raised::Raised;
use super::schema::MOVE;
use super::store::{Record, Store};
use super::value::Val;

/// `action_post`.
pub(super) fn post(store: &mut Store, ids: &[i64]) -> Result<(), Raised> {
    let set_off = ledger::due_on_posting(store, ids);
    for &id in ids {
        let Some(header) = store.get(MOVE, id) else {
            return Err(Raised::missing(MOVE, id));
        };
        if header["state"].text() != "draft" {
            let number = header.get("name").map_or("", Val::text).to_owned();
            return Err(Raised::user(format!("The entry {number} (id {id}) must be in draft.")));
        }
        if store.invoice_lines(id).is_empty() {
            return Err(Raised::user("Even magicians can't post nothing!"));
        }
        if header["amount_total"].float().is_sign_negative() && !header["amount_total"].float().is_zero() {
            return Err(Raised::user(
                "You cannot validate an invoice with a negative total amount. You should create a credit note \
                 instead. Use the action menu to transform it into a credit note or refund.",
            ));
        }
        let locked =
            header["company_id"].int().and_then(|id| store.get("res.company", id)?.get("sale_lock_date"));
        let date = match header["date"].text() <= locked.map_or("", Val::text) {
            true => today(store),
            false => header["date"].clone(),
        };
        let prefix = if header["move_type"].text() == "out_refund" { "RINV" } else { "INV" };
        // Once given, a number stays through the draft state.
        let name = header.get("name").filter(|name| **name != Val::Nothing).cloned();
        let name = name.unwrap_or_else(|| number(store, prefix, date.text()));
        let fields = [("name", name), ("state", Val::Text("posted".into())), ("date", date)];
        store.update(MOVE, id, Record::from(fields));
        ledger::open(store, id);
        sum(store, id);
    }
    for pair in set_off {
        ledger::set_off(store, pair);
    }
    Ok(())
}

/// The next number of the date's year.
fn number(store: &Store, prefix: &str, date: &str) -> Val {
    let prefix = format!("{prefix}/{}/", date.get(..4).unwrap_or(date));
    let numbers = store
        .ids(MOVE)
        .filter_map(|id| store.get(MOVE, id)?.get("name")?.text().strip_prefix(&prefix)?.parse::<u32>().ok());
    Val::Text(format!("{prefix}{:05}", numbers.max().unwrap_or(0) + 1))
}

/// `button_draft` and `button_cancel`.
pub(super) fn set_state(store: &mut Store, ids: &[i64], state: &str) -> Result<(), Raised> {
    for &id in ids {
        if !store.exists(MOVE, id) {
            return Err(Raised::missing(MOVE, id));
        }
        store.update(MOVE, id, Record::from([("state", Val::Text(state.to_owned()))]));
        if state == "cancel" {
            ledger::release(store, id);
        }
        sum(store, id);
    }
    Ok(())
}
