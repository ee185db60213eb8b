//! What people do to invoices between our steps is told, and left as it is.

use crate::acts::effect;
use crate::world::{POSTED, World, requests};
use odoo::fake::Fault;
use serde_json::{Value, json};

/// The request is loaded and not posted, a person does something to it, and the request is repeated.
async fn check(acts: &[(&str, &str, Value)], outcome: &str, books: &[&str]) {
    let world = World::seeded().await;
    let writer = world.writer();
    let requests = requests(1);
    world.odoo.inject(Fault::ResetBefore.on("account.move", "action_post"));
    let first = effect(&writer, &requests).await;
    assert!(first[0].starts_with("retry"), "{first:?}");
    let request = &requests[0].request;
    for (name, method, args) in acts {
        let (model, name) = match *name {
            "invoice" => ("account.move", format!("invoice_{request}")),
            line => ("account.move.line", format!("line_{request}-{line}")),
        };
        let id = world.id_of(&name).await;
        world.does(model, method, &[id], args.clone()).await;
    }
    let outcomes = effect(&writer, &requests).await;
    let shown = outcomes[0].replace(request.as_str(), "R");
    assert!(shown.starts_with(outcome), "{shown}");
    assert_eq!(world.books().await, books);
    // Once more: nothing is repaired behind anybody's back.
    effect(&writer, &requests).await;
    assert_eq!(world.books().await, books);
}

#[tokio::test]
async fn an_edited_line_is_diverged_and_keeps_the_edit() {
    let edit = ("1", "write", json!({"vals": {"price_unit": 10.0}}));
    let text = "diverged: odoo's draft is not as it was requested: amount_untaxed, amount_total, \
                price_unit of __vertebra__.line_R-1, price_subtotal of __vertebra__.line_R-1";
    check(std::slice::from_ref(&edit), text, &["draft 10.1 = 10 + 0.1"]).await;
    let post = ("invoice", "action_post", Value::Null);
    let text = text.replace("draft", "posted invoice");
    check(&[edit, post], &text, &["posted 10.1 = 10 + 0.1"]).await;
}

#[tokio::test]
async fn a_deleted_line_is_diverged_and_not_made_again() {
    let delete = ("2", "unlink", Value::Null);
    let text = "diverged: odoo's draft is not as it was requested: amount_untaxed, amount_total, \
                __vertebra__.line_R-2 is gone";
    check(&[delete], text, &["draft 12.34 = 12.34"]).await;
}

#[tokio::test]
async fn a_cancelled_invoice_is_diverged_and_stays_cancelled() {
    let cancel = ("invoice", "button_cancel", Value::Null);
    check(&[cancel], "diverged: the invoice was cancelled in odoo", &["cancel 12.44 = 12.34 + 0.1"]).await;
}

#[tokio::test]
async fn another_payer_or_date_is_diverged() {
    let edit = |vals: Value| ("invoice", "write", json!({"vals": vals}));
    let books = ["draft 12.44 = 12.34 + 0.1"];
    let text = |field| format!("diverged: odoo's draft is not as it was requested: {field}");
    check(&[edit(json!({"invoice_date": "2026-02-01"}))], &text("invoice_date"), &books).await;
    check(&[edit(json!({"partner_id": 1}))], &text("partner_id"), &books).await;
    check(&[edit(json!({"ref": "something else"}))], &text("ref"), &books).await;
}

#[tokio::test]
async fn what_a_person_posted_as_it_was_requested_is_applied() {
    check(&[("invoice", "action_post", Value::Null)], "applied account.move,", &[POSTED]).await;
}

#[tokio::test]
async fn a_draft_deleted_before_it_took_effect_is_made_again_once() {
    check(&[("invoice", "unlink", Value::Null)], "applied account.move,", &[POSTED]).await;
}
