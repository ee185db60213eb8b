//! What Odoo answers to questions that are right, and to those that are not.

use super::World;
use odoo::{Absent, Client, Context, Denial, Error, Search, Secret};
use serde::Deserialize;
use serde_json::{Value, json};

pub(crate) async fn the_version_says_that_there_is_json_2(world: &World) {
    let version = world.client.version().await.unwrap();
    assert!(version.has_json2());
    assert_eq!((version.major, version.text.as_str()), (19, "19.0"));
}

pub(crate) async fn the_database_has_a_uuid(world: &World) {
    let uuid = world.client.database_uuid().await.unwrap();
    assert_eq!(uuid.len(), 36);
    assert_eq!(world.client.database_uuid().await.unwrap(), uuid);
}

pub(crate) async fn fields_get_tells_what_there_is(world: &World) {
    let fields = world.client.fields_get("account.move", &["type", "relation"]).await.unwrap();
    for (name, kind) in [
        ("invoice_line_ids", "one2many"),
        ("partner_id", "many2one"),
        ("ref", "char"),
        ("state", "selection"),
        ("invoice_date", "date"),
    ] {
        assert_eq!(fields[name]["type"], kind, "{name}");
    }
    assert_eq!(fields["invoice_line_ids"]["relation"], "account.move.line");
    assert!(!fields.contains_key("no_such_field"));
}

pub(crate) async fn a_wrong_key_is_denied_until_it_is_changed(world: &World) {
    let mut settings = world.settings.clone();
    settings.key = Secret::new("a-key-that-was-revoked");
    let client = Client::new(&settings).unwrap();
    let denied = client.database_uuid().await;
    assert!(matches!(denied, Err(Error::Denied { denial: Denial::Key, .. })), "{denied:?}");
    client.set_key(&world.settings.key).unwrap();
    client.database_uuid().await.unwrap();
}

pub(crate) async fn a_wrong_database_is_missing(world: &World) {
    let mut settings = world.settings.clone();
    settings.database = "no_such_database".to_owned();
    let missing = Client::new(&settings).unwrap().database_uuid().await;
    assert!(matches!(missing, Err(Error::Missing { absent: Absent::Database, .. })), "{missing:?}");
}

pub(crate) async fn unknown_models_and_methods_are_missing(world: &World) {
    for (model, method) in [("no.such.model", "read"), ("res.partner", "no_such_method")] {
        let missing = world.click(model, method, &[1], Value::Null).await;
        assert!(matches!(missing, Err(Error::Missing { absent: Absent::Model, .. })), "{missing:?}");
    }
    let private = world.click("account.move", "_post", &[1], Value::Null).await;
    assert!(matches!(private, Err(Error::Denied { denial: Denial::Right, .. })), "{private:?}");
}

pub(crate) async fn unknown_fields_are_refused(world: &World) {
    let read = world.click("res.partner", "read", &[1], json!({"fields": ["no_such"]})).await;
    let found = world.click("res.partner", "search", &[], json!({"domain": [["no_such", "=", 1]]})).await;
    let made = world.click("res.partner", "create", &[], json!({"vals_list": [{"no_such": 1}]})).await;
    let row = json!({"fields": ["id", "no_such"], "data": [["__vertebra__.x", "1"]]});
    let loaded = world.click("res.partner", "load", &[], row).await;
    for (question, answer) in [("read", read), ("search", found), ("create", made), ("load", loaded)] {
        let Err(Error::Refused { refusal, .. }) = answer else { panic!("{question}: {answer:?}") };
        assert_eq!((refusal.status, refusal.class.as_str()), (500, "builtins.ValueError"), "{question}");
    }
}

pub(crate) async fn records_that_are_gone_are_left_out_or_missing(world: &World) {
    let none: Vec<Value> =
        world.client.read("account.move", &[999_999_999], &["state"], &Context::new()).await.unwrap();
    assert!(none.is_empty());
    let posted = world.click("account.move", "action_post", &[999_999_999], Value::Null).await;
    assert!(matches!(posted, Err(Error::Missing { absent: Absent::Record, .. })), "{posted:?}");
}

pub(crate) async fn archived_records_are_found(world: &World) {
    let name = world.name();
    let made = world
        .client
        .create("res.partner", &[json!({"name": name, "active": false})], &Context::new())
        .await
        .unwrap();
    let search = Search { domain: json!([["name", "=", name]]), fields: &["name"], ..Search::default() };
    let found: Vec<Row> = world.client.search_read("res.partner", &search, &Context::new()).await.unwrap();
    assert_eq!(found.iter().map(|row| row.id).collect::<Vec<_>>(), made);
}

pub(crate) async fn an_archived_product_is_accepted_on_a_line(world: &World) {
    let code = world.name();
    let mut plan = super::plan();
    plan.items.push(odoo::seed::Named { code: code.clone(), name: "Old".to_owned() });
    odoo::seed::seed(&world.client, &plan).await.unwrap();
    let mut draft = world.draft(&[("1", "10")]);
    draft.lines[0].product = odoo::seed::item_id(&code).unwrap();
    let product =
        world.client.external_ids(&[&draft.lines[0].product]).await.unwrap()[&draft.lines[0].product].id;
    world.click("product.product", "write", &[product], json!({"vals": {"active": false}})).await.unwrap();
    world.create(&draft).await;
    assert_eq!(world.differences(&draft).await, [""; 0]);
}

pub(crate) async fn a_search_has_order_limit_and_offset(world: &World) {
    let names: Vec<String> = (0..4).map(|_| world.name()).collect();
    let values: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
    let ids = world.client.create("res.partner", &values, &Context::new()).await.unwrap();
    let domain = json!([["id", "in", ids], ["active", "=", true]]);
    let search = Search { domain, fields: &["name"], order: "id desc", limit: Some(2), offset: 1 };
    let found: Vec<Row> = world.client.search_read("res.partner", &search, &Context::new()).await.unwrap();
    assert_eq!(found.iter().map(|row| row.id).collect::<Vec<_>>(), [ids[2], ids[1]]);
    let either = json!(["|", ["id", "=", ids[0]], ["name", "=", names[3]]]);
    let count = world.click("res.partner", "search_count", &[], json!({"domain": either})).await.unwrap();
    assert_eq!(count, json!(2));
}

#[derive(Deserialize)]
struct Row {
    id: i64,
}
