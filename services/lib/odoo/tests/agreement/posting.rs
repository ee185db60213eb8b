//! Posting: once, and only what is a draft.

use super::World;
use odoo::invoice::{MoveState, Posted};
use odoo::{Error, Refusal};
use serde_json::json;

pub(crate) async fn a_draft_is_posted_once(world: &World) {
    let draft = world.draft(&[("1", "12.34")]);
    let id = world.create(&draft).await;
    assert_eq!(world.invoices.post(&[id]).await.unwrap(), [Posted::Posted]);
    let found = world.find(&draft).await.unwrap();
    assert_eq!((found.state, found.residual), (MoveState::Posted, super::decimal("12.34")));
    assert!(found.number.unwrap().starts_with("INV/2026/"));
    assert_eq!(world.differences(&draft).await, [""; 0]);
    assert_eq!(world.invoices.post(&[id]).await.unwrap(), [Posted::Already]);
}

pub(crate) async fn posting_answers_false_and_refuses_a_second_time(world: &World) {
    let id = world.create(&world.draft(&[("1", "1")])).await;
    assert_eq!(world.click("account.move", "action_post", &[id], json!(null)).await.unwrap(), json!(false));
    let again = world.click("account.move", "action_post", &[id], json!(null)).await;
    let Err(Error::Refused { refusal: Refusal { status, class, message }, .. }) = again else {
        panic!("{again:?}")
    };
    assert_eq!((status, class.as_str()), (422, "odoo.exceptions.UserError"));
    assert!(message.reveal().contains("must be in draft"));
}

pub(crate) async fn what_cannot_be_posted_does_not_hold_up_the_others(world: &World) {
    let mut ids = vec![];
    for price in ["1", "-5", "2", "3", "4", "5"] {
        ids.push(world.create(&world.draft(&[("1", price)])).await);
    }
    world.click("account.move", "button_cancel", &[ids[2]], json!(null)).await.unwrap();
    world.click("account.move", "unlink", &[ids[3]], json!(null)).await.unwrap();
    world.click("account.move", "action_post", &[ids[4]], json!(null)).await.unwrap();
    let outcomes = world.invoices.post(&ids).await.unwrap();
    let [
        Posted::Posted,
        Posted::Refused(refusal),
        Posted::Cancelled,
        Posted::Gone,
        Posted::Already,
        Posted::Posted,
    ] = &outcomes[..]
    else {
        panic!("{outcomes:?}")
    };
    assert_eq!((refusal.status, refusal.class.as_str()), (422, "odoo.exceptions.UserError"));
    assert!(refusal.message.reveal().contains("negative total"));
}

pub(crate) async fn a_posted_invoice_is_not_deleted(world: &World) {
    let id = world.create(&world.draft(&[("1", "1")])).await;
    world.invoices.post(&[id]).await.unwrap();
    let unlinked = world.click("account.move", "unlink", &[id], json!(null)).await;
    assert!(matches!(unlinked, Err(Error::Refused { .. })), "{unlinked:?}");
}

pub(crate) async fn posting_nothing_asks_nothing(world: &World) {
    assert_eq!(world.invoices.post(&[]).await.unwrap(), []);
}
