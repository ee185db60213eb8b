//! Whatever call breaks off, before or after it was carried out, and however often: in the end each request is one
//! posted invoice with its lines once.

use crate::acts::{effect, effect_in_the_end};
use crate::world::{POSTED, SHORT_ANSWER_MS, World, requests};
use odoo::fake::Fault;
use std::time::Duration;

/// Every call of the way, with the model it is made on.
const CALLS: [(&str, &str); 9] = [
    ("account.journal", "search_read"),
    ("account.move", "action_post"),
    ("account.move", "load"),
    ("account.move", "read"),
    ("account.move.line", "search_read"),
    ("ir.config_parameter", "search_read"),
    ("ir.model.data", "search_read"),
    ("res.company", "search_read"),
    ("res.currency", "search_read"),
];

#[track_caller]
fn all_applied(outcomes: &[String]) {
    assert!(outcomes.iter().all(|outcome| outcome.starts_with("applied account.move,")), "{outcomes:?}");
}

/// A try breaks off at a call, then again; the request is repeated until it has ended, and once more after that.
async fn check(fault: Fault, model: &str, method: &str, times: u32) {
    let world = World::seeded().await;
    let writer = world.writer();
    let requests = requests(3);
    world.odoo.inject(fault.clone().on(model, method).times(times));
    let first = effect(&writer, &requests).await;
    assert!(
        first.iter().any(|outcome| outcome.starts_with("retry")),
        "{fault:?} at {model}.{method}: {first:?}"
    );
    let ended = effect_in_the_end(&writer, &requests).await;
    all_applied(&ended);
    assert_eq!(world.books().await, [POSTED; 3], "{fault:?} at {model}.{method}");
    assert_eq!(effect(&writer, &requests).await, ended, "a late duplicate has another outcome");
    assert_eq!(world.books().await, [POSTED; 3]);
}

#[tokio::test]
async fn the_way_has_the_calls_that_are_broken_here() {
    let world = World::seeded().await;
    all_applied(&effect(&world.writer(), &requests(1)).await);
    let mut made: Vec<(String, String)> =
        world.odoo.served().into_iter().map(|served| (served.model, served.method)).collect();
    made.sort();
    made.dedup();
    let calls = CALLS.map(|(model, method)| (model.to_owned(), method.to_owned()));
    assert_eq!(made, calls);
}

#[tokio::test]
async fn a_connection_that_is_lost_anywhere_ends_in_one_invoice_each() {
    for (model, method) in CALLS {
        for times in [1, 2] {
            check(Fault::ResetBefore, model, method, times).await;
            check(Fault::ResetAfter, model, method, times).await;
        }
    }
}

#[tokio::test]
async fn a_busy_or_contended_odoo_ends_in_one_invoice_each() {
    for (model, method) in CALLS {
        check(Fault::Serialization, model, method, 2).await;
        check(Fault::NoDatabase, model, method, 1).await;
        check(Fault::Status { status: 503, retry_after_seconds: Some(0) }, model, method, 2).await;
        check(Fault::Status { status: 429, retry_after_seconds: None }, model, method, 1).await;
    }
    check(Fault::SerializationMessage, "account.move", "load", 3).await;
}

#[tokio::test]
async fn what_is_carried_out_after_we_gave_up_waiting_changes_nothing_more() {
    for method in ["load", "action_post"] {
        let mut world = World::seeded().await;
        world.answer_ms = SHORT_ANSWER_MS;
        let writer = world.writer();
        let stall = Duration::from_millis(3 * SHORT_ANSWER_MS);
        world.odoo.inject(Fault::Stall(stall).on("account.move", method));
        let first = effect(&writer, &requests(2)).await;
        assert!(
            first[0].ends_with("no answer in time") || first[0].contains("no answer in time:"),
            "{first:?}"
        );
        all_applied(&effect_in_the_end(&writer, &requests(2)).await);
        world.until(|odoo| odoo.count("account.move", method) >= 2).await;
        assert_eq!(world.books().await, [POSTED; 2], "{method}");
    }
}

#[tokio::test]
async fn a_repeat_neither_loads_nor_posts_again() {
    let world = World::seeded().await;
    let writer = world.writer();
    let first = effect(&writer, &requests(2)).await;
    all_applied(&first);
    assert_eq!(effect(&writer, &requests(2)).await, first);
    assert_eq!(world.odoo.count("account.move", "load"), 1);
    assert_eq!(world.odoo.count("account.move", "action_post"), 1);
}

#[tokio::test]
async fn two_owners_at_once_make_one_invoice_each() {
    let world = World::seeded().await;
    let (one, other) = (world.writer(), world.writer());
    let requests = requests(5);
    let (left, right) =
        tokio::join!(effect_in_the_end(&one, &requests), effect_in_the_end(&other, &requests));
    all_applied(&left);
    assert_eq!(left, right);
    assert_eq!(world.books().await, [POSTED; 5]);
}
