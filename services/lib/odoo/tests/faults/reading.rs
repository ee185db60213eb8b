//! What comes to light late, and Odoos of other versions.

use super::start;
use crate::agreement::reading::ids;
use odoo::fake::{Fault, KEY, Server};
use odoo::window::Cursor;
use odoo::{Client, Context, Denial, Error, Interface, Secret, Settings};
use serde_json::{Value, json};
use std::time::Duration;

/// A row comes to light whose transaction began so many seconds ago; windows overlap by 300.
async fn check(began_ago_s: u64, is_in_the_next_window: bool) {
    let (server, world) = start().await;
    let prefix = world.name();
    let (rows, cursor) = world.window(&prefix, 100, Cursor::default()).await;
    assert!(rows.is_empty());
    server.passes(Duration::from_secs(5));
    server.inject(Fault::BeganAgo(Duration::from_secs(began_ago_s)).on("res.partner", "create"));
    let late: Vec<i64> =
        world.client.create("res.partner", &[json!({"name": prefix})], &Context::new()).await.unwrap();
    let (rows, _) = world.window(&prefix, 100, cursor).await;
    assert_eq!(ids(&rows) == late, is_in_the_next_window, "{began_ago_s} s");
    assert_eq!(world.sweep(&prefix).await, late, "a sweep finds it in any case");
}

#[tokio::test]
async fn what_comes_to_light_within_the_overlap_is_in_the_next_window() {
    check(0, true).await;
    check(60, true).await;
    check(290, true).await;
}

#[tokio::test]
async fn what_comes_to_light_later_than_the_overlap_is_found_by_a_sweep_only() {
    check(320, false).await;
    check(86_400, false).await;
}

#[tokio::test]
async fn an_older_odoo_is_talked_to_over_json_rpc_by_itself() {
    for (major, is_json_2) in [(16, false), (18, false), (19, true)] {
        let server = Server::start().await.unwrap();
        server.set_major(major);
        let client = server.client().unwrap();
        assert_eq!(client.version().await.unwrap().major, u32::try_from(major).unwrap());
        client.database_uuid().await.unwrap();
        client.clock().await.unwrap();
        let json_2 = Client::new(&Settings { interface: Interface::Json2, ..server.settings() }).unwrap();
        assert_eq!(json_2.database_uuid().await.is_ok(), is_json_2, "{major}");
    }
}

#[tokio::test]
async fn over_json_rpc_a_wrong_login_and_a_changed_key_are_denied() {
    let server = Server::start().await.unwrap();
    let settings = Settings { interface: Interface::JsonRpc, ..server.settings() };
    let stranger = Client::new(&Settings { login: "nobody".into(), ..settings.clone() }).unwrap();
    let client = Client::new(&settings).unwrap();
    client.database_uuid().await.unwrap();
    server.set_key("another");
    for denied in [stranger.database_uuid().await, client.database_uuid().await] {
        assert!(matches!(denied, Err(Error::Denied { denial: Denial::Key, .. })), "{denied:?}");
    }
    client.set_key(&Secret::new("another")).unwrap();
    client.database_uuid().await.unwrap();
    assert_ne!(KEY, "another");
}

#[tokio::test]
async fn a_field_that_this_odoo_lacks_is_no_capability_and_cannot_be_read() {
    let (server, world) = start().await;
    server.hide("product.product", "is_storable");
    let fields = world.client.fields("product.product").await.unwrap().unwrap();
    assert_eq!(fields.pick(&["is_storable", "type"]), ["type"]);
    let read: Result<Vec<Value>, Error> =
        world.client.read("product.product", &[1], &["is_storable"], &Context::new()).await;
    assert!(matches!(read, Err(Error::Refused { .. })), "{read:?}");
}

#[tokio::test]
async fn calls_begin_so_far_apart() {
    let (server, _) = start().await;
    let client = Client::new(&Settings { apart_ms: 40, concurrent: 4, ..server.settings() }).unwrap();
    let began = tokio::time::Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let client = client.clone();
        calls.spawn(async move { client.version().await.unwrap() });
    }
    calls.join_all().await;
    assert!(began.elapsed() >= Duration::from_millis(200), "{:?}", began.elapsed());
}
