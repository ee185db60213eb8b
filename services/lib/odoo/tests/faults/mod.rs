//! What the client makes of an Odoo that fails, and what is in Odoo afterwards.

mod reading;

use crate::agreement::{World, id};
use odoo::fake::{Fault, Server};
use odoo::invoice::{Created, InvoiceDraft, Invoices, Posted, Reason};
use odoo::{
    Absent, Client, Consequence, Context, Error, LoadAnswer, Outage, Puzzle, Rejection, Secret, Settings,
};
use serde_json::json;
use std::time::{Duration, Instant};

const RETRY: Consequence = Consequence::Retry { after: None };

async fn start() -> (Server, World) {
    let server = Server::start().await.unwrap();
    let world = World::new(server.settings(), "faults").await;
    server.forget_served();
    (server, world)
}

fn status(status: u16, retry_after_seconds: Option<u64>) -> Fault {
    Fault::Status { status, retry_after_seconds }
}

/// A fault while an invoice is loaded: how it is classed, and whether the invoice is there afterwards. In any case the same
/// call again makes exactly one.
async fn check(fault: Fault, consequence: Consequence, outage: Option<Outage>, applied: bool) {
    let (server, world) = start().await;
    let draft = world.draft(&[("1", "12.34")]);
    server.inject(fault.clone().on("account.move", "load"));
    let error = world.invoices.create_only(std::slice::from_ref(&draft)).await.unwrap_err();
    assert_eq!(error.consequence(), consequence, "{fault:?}: {error:?}");
    if let Error::Unavailable { outage: seen, .. } = &error {
        assert_eq!(Some(*seen), outage, "{fault:?}: {error:?}");
    }
    assert_eq!(world.find(&draft).await.is_some(), applied, "{fault:?}");
    let again = world.invoices.create_only(std::slice::from_ref(&draft)).await.unwrap();
    assert!(
        matches!(again[..], [Created::Existing(_)] if applied) || matches!(again[..], [Created::Loaded(_)])
    );
    assert_eq!(world.differences(&draft).await, [""; 0]);
}

#[tokio::test]
async fn an_answer_that_says_come_back_later_is_obeyed() {
    let after = |seconds| Consequence::Retry { after: Some(Duration::from_secs(seconds)) };
    check(status(429, Some(7)), after(7), Some(Outage::Status(429)), false).await;
    check(status(503, Some(30)), after(30), Some(Outage::Status(503)), false).await;
    check(status(502, None), RETRY, Some(Outage::Status(502)), false).await;
    check(status(500, None), RETRY, Some(Outage::Status(500)), false).await;
}

#[tokio::test]
async fn a_reset_connection_is_retried_whether_or_not_the_call_was_carried_out() {
    check(Fault::ResetBefore, RETRY, Some(Outage::Lost), false).await;
    check(Fault::ResetAfter, RETRY, Some(Outage::Lost), true).await;
}

#[tokio::test]
async fn a_database_that_is_down_looks_missing_and_is_retried() {
    check(Fault::NoDatabase, RETRY, None, false).await;
}

#[tokio::test]
async fn contention_is_an_outcome_of_its_own_however_odoo_says_it() {
    for fault in [Fault::Serialization, Fault::SerializationMessage] {
        let (server, world) = start().await;
        let drafts = [world.draft(&[("1", "1")]), world.draft(&[("1", "2")])];
        server.inject(fault.on("account.move", "load"));
        let outcomes = world.invoices.create_only(&drafts).await.unwrap();
        assert_eq!(outcomes, [Created::Retry, Created::Retry]);
        assert_eq!(server.count("account.move", "load"), 1, "contention is no reason to halve a batch");
        let again = world.invoices.create_only(&drafts).await.unwrap();
        assert!(again.iter().all(|outcome| matches!(outcome, Created::Loaded(_))), "{again:?}");
    }
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_retried_and_finds_what_was_done() {
    let (server, world) = start().await;
    let settings = Settings { answer_ms: 500, ..server.settings() };
    let hasty = Invoices::new(Client::new(&settings).unwrap(), vec![world.seeded.company]);
    let draft = world.draft(&[("1", "12.34")]);
    server.inject(Fault::Stall(Duration::from_millis(1_500)).on("account.move", "load"));
    let error = hasty.create_only(std::slice::from_ref(&draft)).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { outage: Outage::TimedOut, .. }), "{error:?}");
    let deadline = Instant::now() + Duration::from_secs(10);
    while server.count("account.move", "load") == 0 {
        assert!(Instant::now() < deadline, "the stalled call was never carried out");
        tokio::task::yield_now().await;
    }
    let again = world.invoices.create_only(std::slice::from_ref(&draft)).await.unwrap();
    assert!(matches!(again[..], [Created::Existing(_)]), "{again:?}");
}

#[tokio::test]
async fn nobody_listening_is_an_outage() {
    let server = Server::start().await.unwrap();
    let settings = server.settings();
    drop(server);
    let client = Client::new(&settings).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    // The listener is closed by the runtime a moment after the server is dropped.
    loop {
        match client.version().await {
            Err(Error::Unavailable { outage: Outage::Connect, .. }) => return,
            _ => assert!(Instant::now() < deadline, "still answering"),
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_answer_in_another_shape_is_not_believed() {
    let (server, world) = start().await;
    server.inject(status(200, None).on("ir.config_parameter", "search_read"));
    let answer = world.client.database_uuid().await;
    assert!(
        matches!(answer, Err(Error::Protocol { puzzle: Puzzle::Shape { line: 1, column: 1 }, .. })),
        "{answer:?}"
    );
    let wrong: Result<Vec<String>, Error> =
        world.client.read("res.partner", &[1], &["name"], &Context::new()).await;
    let text = format!("{:?}", wrong.unwrap_err());
    assert!(text.contains("Shape") && !text.contains("My Company"), "{text}");
}

#[tokio::test]
async fn a_refused_draft_is_found_in_as_few_calls_as_halving_needs() {
    let (server, world) = start().await;
    let mut drafts: Vec<InvoiceDraft> = (0..16).map(|_| world.draft(&[("1", "1"), ("1", "2")])).collect();
    drafts[11].lines[1].name = "canary Jane Doe".to_owned().into();
    let refusal = Fault::Refuse { containing: "canary".into(), message: "no Jane Doe here".into() };
    server.inject(refusal.on("account.move", "load").always());
    let outcomes = world.invoices.create_only(&drafts).await.unwrap();
    for (index, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Created::Loaded(_) => assert_ne!(index, 11),
            Created::Refused(Reason::Odoo(Rejection::Messages(messages))) => {
                assert_eq!((index, messages.len()), (11, 1));
                assert_eq!(messages[0].message.reveal(), "no Jane Doe here");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(server.count("account.move", "load"), 9, "one in 16: 1 + 2 × log₂ 16");
    let printed = format!(
        "{outcomes:?} {}",
        match &outcomes[11] {
            Created::Refused(reason) => reason.to_string(),
            _ => String::new(),
        }
    );
    assert!(!printed.contains("Jane"), "{printed}");
}

#[tokio::test]
async fn a_call_refused_with_an_exception_is_bisected_too() {
    let (server, world) = start().await;
    let drafts = [world.draft(&[("1", "1")]), world.draft(&[("1", "2")])];
    server.inject(status(413, None).on("account.move", "load"));
    let outcomes = world.invoices.create_only(&drafts).await.unwrap();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Created::Loaded(_))), "{outcomes:?}");
    assert_eq!(server.count("account.move", "load"), 3);
}

#[tokio::test]
async fn posting_whose_answer_was_lost_is_seen_to_be_done() {
    let (server, world) = start().await;
    let created = world.create(&world.draft(&[("1", "1")])).await;
    server.inject(Fault::ResetAfter.on("account.move", "action_post"));
    assert_eq!(world.invoices.post(&[created]).await.unwrap_err().consequence(), RETRY);
    assert_eq!(world.invoices.post(&[created]).await.unwrap(), [Posted::Already]);
    assert_eq!(server.count("account.move", "action_post"), 1);
}

#[tokio::test]
async fn an_invoice_posted_by_a_person_in_between_is_no_refusal() {
    let (server, world) = start().await;
    let drafts = [world.draft(&[("1", "1")]), world.draft(&[("1", "2")])];
    let ids = [world.create(&drafts[0]).await, world.create(&drafts[1]).await];
    // The first look sees drafts; then somebody clicks.
    let body = json!({"ids": [ids[1]]});
    let cancelled = Fault::Meanwhile { model: "account.move".into(), method: "button_cancel".into(), body };
    server.inject(cancelled.on("account.move", "action_post"));
    let outcomes = world.invoices.post(&ids).await.unwrap();
    assert_eq!(outcomes, [Posted::Posted, Posted::Cancelled]);
}

#[tokio::test]
async fn an_invoice_created_by_another_writer_in_between_is_found() {
    let (server, world) = start().await;
    let draft = world.draft(&[("1", "12.34")]);
    // What the other one sends is what we send.
    let other = world.draft(&[("1", "1")]);
    world.create(&other).await;
    let text = server.served().into_iter().find(|call| call.method == "load").unwrap().body.to_string();
    let text = text
        .replace(other.external_id.name(), draft.external_id.name())
        .replace("\"1\",\"\"]", "\"99\",\"\"]");
    let body = serde_json::from_str(&text).unwrap();
    let faster = Fault::Meanwhile { model: "account.move".into(), method: "load".into(), body };
    server.inject(faster.on("account.move", "load"));
    world.create(&draft).await;
    let line = &draft.lines[0].external_id;
    let (price, subtotal) = (format!("price_unit of {line}"), format!("price_subtotal of {line}"));
    assert_eq!(world.differences(&draft).await, ["amount_untaxed", "amount_total", &price, &subtotal]);
}

#[tokio::test]
async fn contended_posting_is_left_for_later() {
    let (server, world) = start().await;
    let created = world.create(&world.draft(&[("1", "1")])).await;
    server.inject(Fault::Serialization.on("account.move", "action_post"));
    assert_eq!(world.invoices.post(&[created]).await.unwrap(), [Posted::Retry]);
    assert_eq!(world.invoices.post(&[created]).await.unwrap(), [Posted::Posted]);
}

#[tokio::test]
async fn no_more_calls_at_a_time_than_allowed() {
    let (server, world) = start().await;
    server.inject(Fault::Stall(Duration::from_millis(20)).on_any().always());
    let calls = (0..12).map(|_| {
        let client = world.client.clone();
        tokio::spawn(async move { client.database_uuid().await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!(server.most_at_a_time(), 2);
}

#[tokio::test]
async fn every_call_says_who_asks_and_wants_archived_records() {
    let (server, world) = start().await;
    let draft = world.draft(&[("1", "1")]);
    let created = world.create(&draft).await;
    world.find(&draft).await;
    world.invoices.post(&[created]).await.unwrap();
    let served = server.served();
    assert!(served.len() > 5);
    for call in served {
        assert_eq!(call.user_agent, format!("vertebra/{}", env!("CARGO_PKG_VERSION")));
        assert_eq!(call.body["context"]["active_test"], false, "{}.{}", call.model, call.method);
    }
}

#[tokio::test]
async fn amounts_go_out_as_decimal_text() {
    let (server, world) = start().await;
    world.create(&world.draft(&[("1", "12.30"), ("-2", "0.1")])).await;
    let load = server.served().into_iter().find(|call| call.method == "load").unwrap();
    let cells = |row: usize| [load.body["data"][row][11].clone(), load.body["data"][row][12].clone()];
    assert_eq!((cells(0), cells(1)), ([json!("1"), json!("12.3")], [json!("-2"), json!("0.1")]));
    assert_eq!(load.body["context"]["mode"], "update");
    assert_eq!(load.body["context"]["noupdate"], true);
    assert_eq!(load.body["context"]["allowed_company_ids"], json!([1]));
}

#[tokio::test]
async fn a_key_is_changed_without_a_restart() {
    let (server, world) = start().await;
    server.set_key("the-next-key");
    assert_eq!(world.client.database_uuid().await.unwrap_err().consequence(), Consequence::Configure);
    world.client.set_key(&Secret::new("the-next-key\n")).unwrap();
    assert_eq!(world.client.database_uuid().await.unwrap(), server.database_uuid());
}

#[tokio::test]
async fn a_replaced_database_has_another_uuid_and_none_of_our_records() {
    let (server, world) = start().await;
    let draft = world.draft(&[("1", "1")]);
    world.create(&draft).await;
    let before = world.client.database_uuid().await.unwrap();
    server.replace_database();
    assert_ne!(world.client.database_uuid().await.unwrap(), before);
    assert_eq!(world.find(&draft).await, None);
}

#[tokio::test]
async fn names_that_dangle_are_given_anew() {
    let (server, world) = start().await;
    let draft = world.draft(&[("1", "1")]);
    let created = world.create(&draft).await;
    let line = world.find(&draft).await.unwrap().lines[0].id;
    server.delete_by_sql("account.move.line", line);
    server.delete_by_sql("account.move", created);
    assert_eq!(world.find(&draft).await, None);
    assert_ne!(world.create(&draft).await, created);
    assert_eq!(world.differences(&draft).await, [""; 0]);
}

#[tokio::test]
async fn a_locked_period_is_posted_under_todays_date() {
    let (_server, world) = start().await;
    world
        .click("res.company", "write", &[1], json!({"vals": {"sale_lock_date": "2026-11-30"}}))
        .await
        .unwrap();
    let draft = world.draft(&[("1", "1")]);
    let created = world.create(&draft).await;
    assert_eq!(world.invoices.post(&[created]).await.unwrap(), [Posted::Posted]);
    let read = world
        .click("account.move", "read", &[created], json!({"fields": ["date", "invoice_date"]}))
        .await
        .unwrap();
    assert_eq!(read[0]["invoice_date"], "2026-11-02");
    assert_ne!(read[0]["date"], "2026-11-02");
    assert_eq!(world.differences(&draft).await, [""; 0]);
}

#[tokio::test]
async fn nothing_is_printed_of_what_odoo_says_or_of_the_key() {
    let (server, world) = start().await;
    let draft = world.draft(&[("1", "1")]);
    let canary = || Fault::Refuse { containing: draft.external_id.to_string(), message: "canary".into() };
    server.inject(canary().on("account.move", "load"));
    let outcome = world.invoices.create_only(std::slice::from_ref(&draft)).await.unwrap();
    let partner = json!([{"name": "canary", "ref": draft.external_id.to_string()}]);
    server.inject(canary().on("res.partner", "create"));
    let error =
        world.client.create("res.partner", partner.as_array().unwrap(), &Context::new()).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    let printed = format!("{outcome:?} {error:?} {error} {:?} {:?}", world.client, world.settings);
    assert!(!printed.contains("canary") && !printed.contains(odoo::fake::KEY), "{printed}");
    let source = std::error::Error::source(&error);
    assert!(source.is_none());
}

#[tokio::test]
async fn many_external_ids_are_asked_for_in_few_calls() {
    let (server, world) = start().await;
    let names: Vec<_> = (0..2_500).map(|number| id(&format!("n{number}"))).collect();
    let known = world.client.external_ids(&names.iter().collect::<Vec<_>>()).await.unwrap();
    assert_eq!((known.len(), server.count("ir.model.data", "search_read")), (0, 3));
}

#[tokio::test]
async fn a_page_that_is_no_odoo_is_a_matter_of_configuration() {
    let (server, world) = start().await;
    let settings = Settings { url: format!("{}/nowhere", server.url()), ..server.settings() };
    let error = Client::new(&settings).unwrap().database_uuid().await.unwrap_err();
    assert!(matches!(error, Error::Missing { absent: Absent::Interface, .. }), "{error:?}");
    assert_eq!(error.consequence(), Consequence::Configure);
    let loaded = world.client.load("res.partner", &["id"], &[], &Context::new()).await.unwrap();
    assert_eq!(loaded, LoadAnswer::Loaded(vec![]));
}
