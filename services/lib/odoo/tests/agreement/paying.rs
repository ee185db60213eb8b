//! What people do at the desk, and what invoices look like afterwards.

use super::{World, decimal};
use odoo::cashier::Cashier;
use odoo::invoice::MoveState;
use odoo::{Context, Error};
use serde_json::json;

impl World {
    pub(crate) fn cashier(&self) -> Cashier {
        Cashier::new(self.client.clone(), self.seeded.company)
    }

    /// State, amount and how many invoices, of a payment.
    async fn payment(&self, id: i64) -> (String, String, usize) {
        let fields = json!({"fields": ["state", "amount", "reconciled_invoice_ids"]});
        let row = &self.click("account.payment", "read", &[id], fields).await.unwrap()[0];
        let invoices = row["reconciled_invoice_ids"].as_array().map_or(0, Vec::len);
        (row["state"].as_str().unwrap_or_default().to_owned(), row["amount"].to_string(), invoices)
    }

    /// Amounts set off against an invoice, with the payment's id on the other side.
    async fn partials(&self, invoice: i64) -> Vec<(String, Option<i64>)> {
        let domain = json!([["debit_move_id.move_id", "=", invoice]]);
        let fields = json!(["debit_amount_currency", "credit_move_id"]);
        let args = json!({"domain": domain, "fields": fields, "order": "id"});
        let rows = self.click("account.partial.reconcile", "search_read", &[], args).await.unwrap();
        let mut partials = vec![];
        for row in rows.as_array().unwrap() {
            let line = row["credit_move_id"][0].as_i64().unwrap();
            let read = json!({"fields": ["payment_id"]});
            let line = &self.click("account.move.line", "read", &[line], read).await.unwrap()[0];
            partials.push((row["debit_amount_currency"].to_string(), line["payment_id"][0].as_i64()));
        }
        partials
    }
}

pub(crate) async fn payments_in_part_and_of_the_rest_pay_an_invoice(world: &World) {
    let (cashier, invoice) = (world.cashier(), world.draft(&[("1", "100")]));
    let id = world.posted(&invoice).await;
    let first = cashier.pay(id, Some(decimal("30.10"))).await.unwrap();
    world.check_open(&invoice, "partial", "69.9").await;
    assert_eq!(world.payment(first).await, ("in_process".to_owned(), "30.1".to_owned(), 1));
    let second = cashier.pay(id, None).await.unwrap();
    world.check_open(&invoice, "paid", "0").await;
    assert_eq!(world.payment(second).await, ("paid".to_owned(), "69.9".to_owned(), 1));
    let partials = world.partials(id).await;
    assert_eq!(partials, [("30.1".to_owned(), Some(first)), ("69.9".to_owned(), Some(second))]);
    assert!(matches!(cashier.pay(id, None).await, Err(Error::Refused { .. })), "nothing is left to pay");
}

pub(crate) async fn a_cancelled_payment_opens_the_invoice_again(world: &World) {
    let (cashier, invoice) = (world.cashier(), world.draft(&[("1", "100")]));
    let id = world.posted(&invoice).await;
    let payment = cashier.pay(id, Some(decimal("40"))).await.unwrap();
    cashier.cancel_payment(payment).await.unwrap();
    world.check_open(&invoice, "not_paid", "100").await;
    assert_eq!(world.payment(payment).await.0, "canceled");
    assert_eq!(world.partials(id).await, []);
}

pub(crate) async fn what_was_set_off_is_taken_apart(world: &World) {
    let (cashier, invoice) = (world.cashier(), world.draft(&[("1", "100")]));
    let id = world.posted(&invoice).await;
    let payment = cashier.pay(id, Some(decimal("40"))).await.unwrap();
    cashier.unreconcile(id).await.unwrap();
    world.check_open(&invoice, "not_paid", "100").await;
    assert_eq!(world.partials(id).await, []);
    // The payment still names the invoice: only what is set off tells.
    assert_eq!(world.payment(payment).await.2, 1);
}

pub(crate) async fn a_credit_note_by_hand_reverses_an_invoice_and_has_no_external_id(world: &World) {
    let (cashier, invoice) = (world.cashier(), world.draft(&[("1", "70")]));
    let id = world.posted(&invoice).await;
    let credit = cashier.credit(id, world.seeded.journal).await.unwrap();
    let fields = json!({"fields": ["move_type", "state", "reversed_entry_id", "amount_total"]});
    let row = &world.click("account.move", "read", &[credit], fields).await.unwrap()[0];
    assert_eq!((&row["move_type"], &row["state"]), (&json!("out_refund"), &json!("draft")));
    assert_eq!((&row["reversed_entry_id"][0], &row["amount_total"]), (&json!(id), &json!(70.0)));
    let names = json!({"domain": [["model", "=", "account.move"], ["res_id", "=", credit]]});
    assert_eq!(world.click("ir.model.data", "search_count", &[], names).await.unwrap(), json!(0));
    cashier.post(credit).await.unwrap();
    world.check_open(&invoice, "reversed", "0").await;
}

pub(crate) async fn a_paid_invoice_that_is_cancelled_is_open_and_not_paid(world: &World) {
    let (cashier, invoice) = (world.cashier(), world.draft(&[("1", "33")]));
    let id = world.posted(&invoice).await;
    cashier.pay(id, None).await.unwrap();
    cashier.reset(id).await.unwrap();
    world.check_open(&invoice, "paid", "0").await;
    cashier.cancel(id).await.unwrap();
    world.check_open(&invoice, "not_paid", "33").await;
    assert_eq!(world.find(&invoice).await.unwrap().state, MoveState::Cancel);
    cashier.delete(id).await.unwrap();
    assert_eq!(world.find(&invoice).await, None);
}

pub(crate) async fn a_repriced_draft_has_another_total(world: &World) {
    let invoice = world.draft(&[("1", "33")]);
    let id = world.posted(&invoice).await;
    world.cashier().reset(id).await.unwrap();
    let line = world.find(&invoice).await.unwrap().lines[0].id;
    world.cashier().reprice(line, decimal("30.5")).await.unwrap();
    world.cashier().post(id).await.unwrap();
    let found = world.find(&invoice).await.unwrap();
    assert_eq!((found.total, found.residual), (decimal("30.5"), decimal("30.5")));
}

pub(crate) async fn what_is_set_off_moves_the_invoices_write_date(world: &World) {
    let (cashier, invoice) = (world.cashier(), world.draft(&[("1", "100")]));
    let id = world.posted(&invoice).await;
    let before = world.written(id).await;
    world.a_second_passes().await;
    cashier.pay(id, Some(decimal("40"))).await.unwrap();
    let paid = world.written(id).await;
    world.a_second_passes().await;
    cashier.unreconcile(id).await.unwrap();
    let taken_apart = world.written(id).await;
    assert!(before < paid && paid < taken_apart, "{before} {paid} {taken_apart}");
}

impl World {
    async fn written(&self, id: i64) -> String {
        let context = Context::new();
        let fields = json!({"fields": ["write_date"]});
        let rows: serde_json::Value =
            self.client.call("account.move", "read", &[id], fields, &context).await.unwrap();
        rows[0]["write_date"].as_str().unwrap().to_owned()
    }

    /// Waits until Odoo's clock shows another second.
    pub(crate) async fn a_second_passes(&self) {
        let now = self.client.clock().await.unwrap();
        while self.client.clock().await.unwrap() <= now {
            tokio::task::yield_now().await;
        }
    }
}
