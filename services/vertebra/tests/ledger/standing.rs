//! How services stand, with senders' silence as a Prometheus tells it; and what is released of the parked.

use super::{CASES, LEASE, Stand, check, filled, vertebra};
use axum::extract::Query;
use axum::routing::get;
use axum::{Json, Router};
use backbone::store::{Store, Tx};
use backbone::wish::Wish;
use serde_json::{Value, json};
use std::collections::HashMap;

/// An HTTP server that answers as Prometheus does, with three senders.
async fn prometheus() -> String {
    let answer = async |Query(asked): Query<HashMap<String, String>>| {
        let values: &[(&str, &str)] = match asked["query"].as_str() {
            "vertebra:sender_silence_seconds" => &[("north", "30.5"), ("south", "7200"), ("new", "60")],
            "vertebra:sender_silence_habit_seconds" => &[("north", "100"), ("south", "120"), ("new", "NaN")],
            "vertebra:sender_silence_allowed_seconds" => &[("north", "600"), ("south", "600")],
            _ => return Json(json!({"status": "error", "error": "no such series"})),
        };
        let series =
            values.iter().map(|(sender, value)| json!({"metric": {"sender": sender}, "value": [0, value]}));
        let result: Vec<Value> = series.collect();
        Json(json!({"status": "success", "data": {"resultType": "vector", "result": result}}))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let app = Router::new().route("/api/v1/query", get(answer));
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}/")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_is_silent_against_its_habit_is_in_the_status() {
    let Some(stand) = Stand::try_new().await else { return };
    let (_first, _second) = (stand.take(0).await, stand.take(1).await);
    check(&stand.vertebra(&["status"]), 0, &["--prometheus-url tells", "nothing waits for a person"]);
    let url = prometheus().await;
    let status = ["status", "--prometheus-url", &url];
    check(
        &stand.vertebra(&status),
        1,
        &["south   7200 s      120 s    600 s    SILENT", "no habit at this hour"],
    );
    let told = stand.json(&status);
    let north = json!({
        "sender": "north", "silent_s": 30, "habit_s": 100, "allowed_s": 600, "is_silent": false,
    });
    assert_eq!(told["senders"][2], north, "{told:#}");
    assert_eq!(
        (&told["senders"][0]["sender"], &told["senders"][1]["habit_s"]),
        (&json!("south"), &Value::Null)
    );
    let nowhere = ["status", "--prometheus-url", "http://127.0.0.1:1"];
    check(&stand.vertebra(&nowhere), 3, &["prometheus cannot be asked"]);
    check(
        &vertebra(["status", "--prometheus-url", "x", "--postgres-url", &stand.url]),
        2,
        &["--prometheus-url is not"],
    );
    stand.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_row_is_released_alone_and_by_the_first_of_its_key() {
    let Some(stand) = Stand::try_new().await else { return };
    let fence = filled(&stand).await;
    let who = ["--by", "jo", "--because", "nobody needs to wait", "--timeout", "0s", "--json"];
    let release = |more: &[&str]| {
        let ended = stand.vertebra(&[&["parked", "release"][..], more, &who].concat());
        let told: Value = serde_json::from_slice(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
        (ended.status.code(), told["chosen"].as_u64(), told["verb"].clone())
    };
    assert_eq!(
        release(&[]),
        (Some(1), Some(3), json!("redrive")),
        "nobody holds the lane, so nobody answers"
    );
    assert_eq!(release(&["--sender", "north"]), (Some(1), Some(1), json!("redrive")));
    assert_eq!(release(&["--key", "k4"]), (Some(0), Some(0), json!("redrive")), "it waits for no row");
    // What the lane's owner is asked: the first ones of their keys, not what waits behind them.
    let mut tx = stand.store.begin(&fence, LEASE, 0).await.expect("a batch");
    let intent = tx.intent().await.expect("an answer").expect("an intent");
    let Some(Wish::Redrive { inputs, dry_run: true }) = intent.wish else { panic!("{:?}", intent.wish) };
    assert_eq!(inputs.len(), 3, "{inputs:?} of {CASES}");
    drop(tx);
    stand.drop().await;
}

#[test]
fn a_shell_is_told_every_word() {
    check(&vertebra(["completions", "bash"]), 0, &["vertebra__subcmd__books", "trace", "raw", "doctor"]);
    check(&vertebra(["completions", "fish"]), 0, &["release"]);
}

#[test]
fn an_installation_that_is_not_there_is_told_by_the_doctor_line_by_line() {
    let url = "http://127.0.0.1:1";
    let ended = vertebra([
        "doctor",
        "--kafka-bootstrap",
        "127.0.0.1:1",
        "--registry-url",
        url,
        "--postgres-url",
        "postgres://me@127.0.0.1:1/x",
        "--odoo-url",
        url,
        "--odoo-database",
        "x",
        "--odoo-api-key-file",
        "/dev/null",
        "--token-secret-file",
        "/dev/null",
    ]);
    let says = [
        "FAILED  configuration  options  --token-secret-file: the token secret has 0 bytes",
        "FAILED  Kafka          brokers",
        "FAILED  PostgreSQL     answer",
        "FAILED  Odoo           client",
    ];
    check(&ended, 1, &says);
    check(
        &vertebra(["doctor"]),
        0,
        &["WARNING  configuration  Kafka and the registry  not given, not examined", "0 failed"],
    );
}
