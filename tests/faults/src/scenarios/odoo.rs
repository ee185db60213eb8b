//! F16: the real Odoo is busy, slow, in its own way, restarted; and a person does something to what is ours.

use crate::Part;
use crate::play::{Path, Scenario, Stage};
use crate::proxy::Manner;
use crate::{Deadline, until};
use harness::Role;
use odoo::{Context, Search};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_postgres::NoTls;

/// A round of the poller's on an Odoo that has kept every run's invoices takes a while.
const TOLD: Deadline = Deadline::secs(180);

/// Each in turn, in an order that is drawn.
pub(super) const F16: Scenario = Scenario {
    real_odoo: true,
    roles: &[Role::Poll, Role::Land, Role::Translate, Role::Bill, Role::Write],
    per_second: 6,
    after: |stage| Box::pin(cancelled_by_hand(stage)),
    ..Scenario::new(
        "F16",
        "Odoo: 429 and 503, stalls of 30 s, serialization failures, kill -9 in mid-batch; an invoice cancelled by hand",
        |stage| Box::pin(in_turn(stage)),
    )
};

const BUSY: &str =
    "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 2\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const AWAY: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

async fn in_turn(stage: &mut Stage) {
    let mut left = vec![0, 1, 2, 3, 4];
    while !left.is_empty() {
        match left.remove(stage.chance.below(left.len())) {
            0 => says(stage, BUSY).await,
            1 => says(stage, AWAY).await,
            2 => stalls(stage).await,
            3 => contends(stage).await,
            _ => dies(stage).await,
        }
        stage.flows(12).await;
    }
}

async fn says(stage: &mut Stage, text: &'static str) {
    let before = stage.path(Path::Odoo).touched();
    stage.behaves(Path::Odoo, Manner::Answer(text));
    // Whoever is connected is to come anew.
    stage.resets(Path::Odoo);
    stage.touched(Path::Odoo, before).await;
    let held = stage.number(3, 8);
    stage.holds(Duration::from_secs(held as u64)).await;
    stage.behaves(Path::Odoo, Manner::Open);
}

async fn stalls(stage: &mut Stage) {
    let before = stage.path(Path::Odoo).touched();
    stage.behaves(Path::Odoo, Manner::Silent);
    stage.touched(Path::Odoo, before).await;
    stage.holds(Duration::from_secs(30)).await;
    stage.behaves(Path::Odoo, Manner::Open);
}

/// Somebody else writes the journal's row again and again, under what Odoo reads at the beginning of its transactions.
async fn contends(stage: &mut Stage) {
    let Some(url) = stage.ground.odoo_database().map(str::to_owned) else { return };
    let (mut client, connection) =
        tokio_postgres::connect(&url, NoTls).await.expect("odoo's database answers");
    tokio::spawn(async move { drop(connection.await) });
    stage.note("somebody else writes journals and partners of odoo all the time");
    for _ in 0..25 {
        let transaction = client.transaction().await.expect("a transaction");
        let sql = "UPDATE account_journal SET write_date = write_date;
            UPDATE res_partner SET write_date = write_date; UPDATE res_company SET write_date = write_date";
        // In each other's way, they say so; the next one will do.
        if transaction.batch_execute(sql).await.is_ok() {
            stage.holds(Duration::from_millis(150)).await;
            let _ = transaction.commit().await;
        }
    }
    stage.note("and has done");
}

async fn dies(stage: &mut Stage) {
    stage.kill_part(Part::Odoo).await;
    let held = stage.number(0, 4);
    stage.holds(Duration::from_secs(held as u64)).await;
    stage.start_part(Part::Odoo).await;
}

/// A person cancels one of our invoices: nothing is repaired, and somebody is told.
async fn cancelled_by_hand(stage: &mut Stage) {
    let client = stage.world.connect().await.expect("the database answers");
    let sql = "SELECT count(*) FROM billing_projector.billing_diverged";
    let before: i64 = client.query_one(sql, &[]).await.expect("the list").get(0);
    let odoo = stage.world.stack.odoo();
    let domain = json!([["move_type", "=", "out_invoice"], ["state", "=", "posted"]]);
    let search = Search { domain, fields: &["id"], order: "id desc", limit: Some(1), ..Search::default() };
    let found: Vec<Value> =
        odoo.search_read("account.move", &search, &Context::new()).await.expect("odoo answers");
    let id = found.first().and_then(|row| row["id"].as_i64()).expect("an invoice");
    for method in ["button_draft", "button_cancel"] {
        odoo.call::<Value>("account.move", method, &[id], Value::Null, &Context::new()).await.expect(method);
    }
    stage.note("a person has cancelled our latest invoice in odoo");
    until("somebody is told that an invoice was cancelled", TOLD, async || {
        let is: i64 = client.query_one(sql, &[]).await.map_err(|error| error.to_string())?.get(0);
        if is > before { Ok(()) } else { Err(format!("{is} invoices are listed as diverged")) }
    })
    .await;
    let domain = json!([["id", "=", id], ["state", "=", "cancel"]]);
    let search = Search { domain, fields: &["id"], order: "id", ..Search::default() };
    let still: Vec<Value> =
        odoo.search_read("account.move", &search, &Context::new()).await.expect("odoo answers");
    if still.len() != 1 {
        stage.violates(4, "what a person cancelled was repaired");
    }
}
