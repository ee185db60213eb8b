//! What is set off against what: payments, credit notes, and what they make of an invoice's residual and payment state.

use super::orm::{self, Mode, Values};
use super::raised::Raised;
use super::schema::{self, LINE, MOVE, PARTIAL, PAYMENT, REGISTER, REVERSAL};
use super::store::{Record, Store};
use super::value::Val;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const NOTHING_LEFT: &str = "There's nothing left to pay for the selected journal items, so no payment registration is \
    necessary. You've got your finances under control like a boss!";

/// Credit notes that Odoo will set off when they are posted: those whose invoice is in the books before the call.
pub(super) fn due_on_posting(store: &Store, ids: &[i64]) -> Vec<(i64, i64)> {
    let reversed = |id: &i64| {
        let invoice = number(store, MOVE, *id, "reversed_entry_id")?;
        (text(store, MOVE, invoice, "state") == "posted").then_some((invoice, *id))
    };
    ids.iter().filter_map(reversed).collect()
}

/// Sets two moves off against each other, as far as both are open.
pub(super) fn set_off(store: &mut Store, (invoice, refund): (i64, i64)) {
    let amount = residual(store, invoice).min(residual(store, refund));
    if let (Some(debit), Some(credit)) = (term(store, invoice), term(store, refund)) {
        reconcile(store, debit, credit, amount);
    }
}

/// Gives a posted move the line that payments are set against.
pub(super) fn open(store: &mut Store, id: i64) {
    if term(store, id).is_none() {
        put_line(store, id, "payment_term", None);
    }
}

/// What is still to be paid of a move.
pub(super) fn residual(store: &Store, id: i64) -> Decimal {
    let total = store.get(MOVE, id).map_or(Decimal::ZERO, |header| header["amount_total"].float());
    let paid = partials_of(store, id).into_iter().filter_map(|(partial, ..)| amount(store, partial));
    paid.fold(total, |left, paid| left.checked_sub(paid).unwrap_or(left))
}

/// Makes a move's residual and payment state anew, and the states of its payments.
pub(super) fn settle(store: &mut Store, id: i64) {
    let left = residual(store, id);
    let others: Vec<i64> = partials_of(store, id).into_iter().map(|(_, other)| other).collect();
    let kind = |store: &Store, id: i64| text(store, MOVE, id, "move_type").to_owned();
    let refunds_only = others.iter().all(|other| kind(store, *other) == "out_refund");
    let payment_state = match (others.is_empty(), left.is_zero()) {
        (true, _) => "not_paid",
        (_, false) => "partial",
        _ if refunds_only && kind(store, id) == "out_invoice" => "reversed",
        _ => "paid",
    };
    let fields = [("amount_residual", Val::Float(left)), ("payment_state", Val::Text(payment_state.into()))];
    store.update(MOVE, id, Record::from(fields));
    for payment in others.iter().filter_map(|other| payment_of(store, *other)).collect::<BTreeSet<_>>() {
        settle_payment(store, payment);
    }
}

/// A move that is cancelled or deleted is set off against nothing any more.
pub(super) fn release(store: &mut Store, id: i64) {
    let partials = partials_of(store, id);
    for (partial, _) in &partials {
        store.delete(PARTIAL, *partial);
    }
    for (_, other) in partials {
        settle(store, other);
        if let Some(payment) = payment_of(store, other) {
            settle_payment(store, payment);
        }
    }
}

/// `create` of `account.payment.register`: it is for the moves that the context names.
pub(super) fn register(store: &mut Store, values: Values, context: &Value) -> Result<i64, Raised> {
    let moves = active(context);
    let mut lines = vec![];
    for id in &moves {
        if text(store, MOVE, *id, "state") != "posted" {
            return Err(Raised::user("payments of drafts are not for this fake"));
        }
        lines.extend(term(store, *id).filter(|_| !residual(store, *id).is_zero()));
    }
    if lines.is_empty() {
        return Err(Raised::user(NOTHING_LEFT));
    }
    let mut fields = values.fields;
    fields.insert("line_ids", Val::Ids(lines));
    Ok(store.insert(REGISTER, fields))
}

/// `action_create_payments`.
pub(super) fn create_payments(store: &mut Store, ids: &[i64], mode: Mode) -> Result<Value, Raised> {
    let mut made = vec![];
    for id in ids {
        let wizard = store.get(REGISTER, *id).cloned().ok_or_else(|| Raised::missing(REGISTER, *id))?;
        let lines = wizard["line_ids"].ids().to_vec();
        let groups: Vec<Vec<i64>> = match wizard.get("group_payment") == Some(&Val::Bool(true)) {
            true => vec![lines],
            false => lines.into_iter().map(|line| vec![line]).collect(),
        };
        for lines in groups {
            made.push(pay(store, &lines, &wizard, mode)?);
        }
    }
    Ok(json!({"type": "ir.actions.act_window", "res_model": PAYMENT, "res_id": made.first()}))
}

fn pay(store: &mut Store, lines: &[i64], wizard: &Record, mode: Mode) -> Result<i64, Raised> {
    let moves: Vec<i64> = lines.iter().filter_map(|line| number(store, LINE, *line, "move_id")).collect();
    let Some(&first) = moves.first() else { return Err(Raised::user(NOTHING_LEFT)) };
    let open = moves
        .iter()
        .map(|id| residual(store, *id))
        .fold(Decimal::ZERO, |sum, one| sum.checked_add(one).unwrap_or(sum));
    let given = |name: &str| wizard.get(name).cloned().filter(|value| *value != Val::Nothing);
    let mut left = given("amount").map_or(open, |amount| amount.float());
    let is_refund = text(store, MOVE, first, "move_type") == "out_refund";
    let journal =
        store.ids("account.journal").find(|id| text(store, "account.journal", *id, "type") == "bank");
    let date = given("payment_date").unwrap_or_else(|| orm::today(store));
    let name =
        format!("PBNK1/{}/{:05}", date.text().get(..4).unwrap_or_default(), store.ids(PAYMENT).count() + 1);
    let copied = |field: &str| store.get(MOVE, first).map_or(Val::Nothing, |header| header[field].clone());
    let shared = [
        ("name", Val::Text(name)),
        ("date", date),
        ("journal_id", journal.map_or(Val::Nothing, Val::Int)),
        ("company_id", Val::Int(mode.company)),
        ("partner_id", copied("partner_id")),
        ("currency_id", copied("currency_id")),
    ];
    let mut entry = Record::from(shared.clone());
    entry.extend([("move_type", Val::Text("entry".into())), ("state", Val::Text("posted".into()))]);
    entry.extend([("amount_total", Val::Float(left)), ("payment_state", Val::Text("not_paid".into()))]);
    let memo = given("communication").unwrap_or_else(|| copied("name"));
    let mut payment = Record::from(shared);
    let direction = if is_refund { "outbound" } else { "inbound" };
    payment.extend([
        ("amount", Val::Float(left)),
        ("memo", memo),
        ("payment_type", Val::Text(direction.into())),
    ]);
    let entry = store.insert(MOVE, entry);
    payment.insert("move_id", Val::Int(entry));
    let id = store.insert(PAYMENT, payment);
    let ours = put_line(store, entry, "product", Some(id));
    for (line, header) in lines.iter().zip(&moves) {
        let amount = left.min(residual(store, *header));
        let (debit, credit) = if is_refund { (ours, *line) } else { (*line, ours) };
        reconcile(store, debit, credit, amount);
        left = left.checked_sub(amount).unwrap_or_default();
    }
    settle_payment(store, id);
    Ok(id)
}

/// `action_cancel` of payments: the entry goes, and with it what it was set off against.
pub(super) fn cancel_payments(store: &mut Store, ids: &[i64]) {
    for id in ids {
        if let Some(entry) = number(store, PAYMENT, *id, "move_id") {
            release(store, entry);
            store.lines(entry).into_iter().for_each(|line| store.delete(LINE, line));
            store.delete(MOVE, entry);
        }
        let fields = [("move_id", Val::Nothing), ("state", Val::Text("canceled".into()))];
        store.update(PAYMENT, *id, Record::from(fields));
    }
}

/// `remove_move_reconcile` of lines.
pub(super) fn unreconcile(store: &mut Store, lines: &[i64]) {
    let moves: BTreeSet<i64> =
        lines.iter().filter_map(|line| number(store, LINE, *line, "move_id")).collect();
    for id in moves {
        release(store, id);
        settle(store, id);
    }
}

/// `refund_moves`: a draft credit note for each of the wizard's invoices.
pub(super) fn refund(store: &mut Store, ids: &[i64], mode: Mode) -> Result<Value, Raised> {
    let mut made = vec![];
    for id in ids {
        let wizard = store.get(REVERSAL, *id).cloned().ok_or_else(|| Raised::missing(REVERSAL, *id))?;
        for invoice in wizard["move_ids"].ids() {
            made.push(reverse(store, *invoice, wizard.get("reason").map_or("", Val::text), mode)?);
        }
    }
    Ok(json!({"type": "ir.actions.act_window", "res_model": MOVE, "res_id": made.first()}))
}

fn reverse(store: &mut Store, invoice: i64, reason: &str, mode: Mode) -> Result<i64, Raised> {
    let header = store.get(MOVE, invoice).cloned().ok_or_else(|| Raised::missing(MOVE, invoice))?;
    let mut fields: Record = ["company_id", "journal_id", "partner_id", "currency_id"]
        .into_iter()
        .filter_map(|name| Some((name, header.get(name)?.clone())))
        .collect();
    let reference = format!("Reversal of: {}, {reason}", header.get("name").map_or("", Val::text));
    fields.extend([
        ("move_type", Val::Text("out_refund".into())),
        ("reversed_entry_id", Val::Int(invoice)),
        ("ref", Val::Text(reference)),
    ]);
    let copied = ["product_id", "name", "quantity", "price_unit", "tax_ids", "account_id"];
    let mut lines = vec![];
    for line in store.lines(invoice) {
        let Some(line) = store.get(LINE, line).filter(|line| line["display_type"].text() == "product") else {
            continue;
        };
        let fields = copied.into_iter().filter_map(|name| Some((name, line.get(name)?.clone()))).collect();
        lines.push(orm::LineValues { fields, ..orm::LineValues::default() });
    }
    let Some(model) = schema::model(MOVE) else { return Err(Raised::missing(MOVE, invoice)) };
    orm::create(store, model, Values { fields, lines }, mode)
}

/// The records that a button was clicked on.
pub(super) fn active(context: &Value) -> Vec<i64> {
    context["active_ids"].as_array().into_iter().flatten().filter_map(Value::as_i64).collect()
}

fn settle_payment(store: &mut Store, id: i64) {
    let Some(entry) = number(store, PAYMENT, id, "move_id") else { return };
    let invoices: Vec<i64> = partials_of(store, entry).into_iter().map(|(_, other)| other).collect();
    let paid = !invoices.is_empty() && invoices.iter().all(|id| residual(store, *id).is_zero());
    // It goes on naming invoices that it is not set off against any more.
    let before = store.get(PAYMENT, id).and_then(|payment| payment.get("reconciled_invoice_ids"));
    let mut named = before.map(|before| before.ids().to_vec()).unwrap_or_default();
    named.extend(invoices.iter().filter(|id| !named.contains(id)).copied().collect::<Vec<_>>());
    let state = if paid { "paid" } else { "in_process" };
    let fields = [("state", Val::Text(state.into())), ("reconciled_invoice_ids", Val::Ids(named))];
    let same = store
        .get(PAYMENT, id)
        .is_some_and(|now| fields.iter().all(|(name, value)| now.get(name) == Some(value)));
    if !same {
        store.update(PAYMENT, id, Record::from(fields));
    }
}

fn reconcile(store: &mut Store, debit: i64, credit: i64, amount: Decimal) {
    if amount.is_zero() {
        return;
    }
    let header = |line| number(store, LINE, line, "move_id");
    let (debited, credited) = (header(debit), header(credit));
    let currency =
        debited.and_then(|id| number(store, MOVE, id, "currency_id")).map_or(Val::Nothing, Val::Int);
    store.insert(
        PARTIAL,
        Record::from([
            ("debit_move_id", Val::Int(debit)),
            ("credit_move_id", Val::Int(credit)),
            ("amount", Val::Float(amount)),
            ("debit_amount_currency", Val::Float(amount)),
            ("credit_amount_currency", Val::Float(amount)),
            ("debit_currency_id", currency.clone()),
            ("credit_currency_id", currency),
        ]),
    );
    for id in debited.into_iter().chain(credited) {
        settle(store, id);
    }
}

/// A move's partials, each with the move on the other side.
fn partials_of(store: &Store, id: i64) -> Vec<(i64, i64)> {
    let lines = store.lines(id);
    let other = |partial: i64| {
        let record = store.get(PARTIAL, partial)?;
        let (debit, credit) = (record["debit_move_id"].int()?, record["credit_move_id"].int()?);
        let other = match (lines.contains(&debit), lines.contains(&credit)) {
            (true, _) => credit,
            (_, true) => debit,
            _ => return None,
        };
        Some((partial, number(store, LINE, other, "move_id")?))
    };
    store.ids(PARTIAL).filter_map(other).collect()
}

fn payment_of(store: &Store, entry: i64) -> Option<i64> {
    store.lines(entry).into_iter().find_map(|line| number(store, LINE, line, "payment_id"))
}

fn term(store: &Store, id: i64) -> Option<i64> {
    store.lines(id).into_iter().find(|line| text(store, LINE, *line, "display_type") == "payment_term")
}

fn put_line(store: &mut Store, header: i64, kind: &str, payment: Option<i64>) -> i64 {
    let mut line = Record::from([
        ("move_id", Val::Int(header)),
        ("display_type", Val::Text(kind.into())),
        ("account_id", Val::Int(3)),
        ("price_subtotal", Val::Float(Decimal::ZERO)),
        ("price_total", Val::Float(Decimal::ZERO)),
    ]);
    line.extend(payment.map(|payment| ("payment_id", Val::Int(payment))));
    store.insert(LINE, line)
}

fn amount(store: &Store, partial: i64) -> Option<Decimal> {
    Some(store.get(PARTIAL, partial)?["amount"].float())
}

fn number(store: &Store, model: &str, id: i64, field: &str) -> Option<i64> {
    store.get(model, id)?.get(field)?.int()
}

fn text<'a>(store: &'a Store, model: &str, id: i64, field: &str) -> &'a str {
    store.get(model, id).and_then(|record| record.get(field)).map_or("", Val::text)
}
