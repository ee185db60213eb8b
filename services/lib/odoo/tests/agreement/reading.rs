//! Reading by windows: every row, once, in pages; what was written since, again.

use super::World;
use jiff::SignedDuration;
use odoo::window::{self, Cursor, Reading, Row, instant};
use odoo::{Context, Maybe};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const OVERLAP: SignedDuration = SignedDuration::from_secs(300);

#[derive(Debug, Deserialize)]
pub(crate) struct Partner {
    id: i64,
    name: Maybe<String>,
    write_date: Option<String>,
}

impl Row for Partner {
    fn id(&self) -> i64 {
        self.id
    }
}

impl World {
    /// Partners of this prefix.
    async fn partners(&self, prefix: &str, count: usize) -> Vec<i64> {
        let values: Vec<Value> =
            (0..count).map(|index| json!({"name": format!("{prefix}_{index}")})).collect();
        self.client.create("res.partner", &values, &Context::new()).await.unwrap()
    }

    /// Reads a window to its end: what came, and the cursor after it.
    pub(crate) async fn window(
        &self,
        prefix: &str,
        limit: u32,
        mut cursor: Cursor,
    ) -> (Vec<Partner>, Cursor) {
        let (mut all, context) = (vec![], Context::new());
        let domain = vec![json!(["name", "=like", format!("{prefix}%")])];
        let reading = Reading { model: "res.partner", domain, fields: &["name"], context: &context, limit };
        loop {
            let (rows, after) =
                window::page::<Partner>(&self.client, &reading, &cursor, OVERLAP).await.unwrap();
            all.extend(rows);
            cursor = after;
            if !cursor.is_open() {
                return (all, cursor);
            }
        }
    }

    pub(crate) async fn sweep(&self, prefix: &str) -> Vec<i64> {
        let (mut all, context) = (vec![], Context::new());
        let domain = vec![json!(["name", "=like", format!("{prefix}%")])];
        let fields = &["name", "write_date"];
        let reading = Reading { model: "res.partner", domain, fields, context: &context, limit: 7 };
        loop {
            let after = all.last().copied().unwrap_or_default();
            let (rows, more) = window::sweep::<Partner>(&self.client, &reading, after).await.unwrap();
            assert!(rows.iter().all(|row| instant(row.write_date.as_deref().unwrap()).is_some()));
            all.extend(ids(&rows));
            if !more {
                return all;
            }
        }
    }
}

pub(crate) fn ids(partners: &[Partner]) -> Vec<i64> {
    partners.iter().map(|partner| partner.id).collect()
}

pub(crate) async fn a_window_has_every_row_once_whatever_the_pages(world: &World) {
    let prefix = world.name();
    let made = world.partners(&prefix, 60).await;
    for limit in [7, 60, 61, 1000] {
        let (rows, _) = world.window(&prefix, limit, Cursor::default()).await;
        assert_eq!(ids(&rows), made, "pages of {limit}");
    }
}

pub(crate) async fn what_was_written_since_is_in_the_next_window(world: &World) {
    let prefix = world.name();
    let made = world.partners(&prefix, 3).await;
    let (_, cursor) = world.window(&prefix, 100, Cursor::default()).await;
    let changed = json!({"vals": {"name": format!("{prefix}_changed"), "active": false}});
    world.click("res.partner", "write", &[made[1]], changed).await.unwrap();
    let new = world.partners(&prefix, 1).await;
    let (rows, _) = world.window(&prefix, 100, cursor).await;
    let seen: BTreeSet<i64> = rows.iter().map(|row| row.id).collect();
    assert!(seen.contains(&made[1]) && seen.contains(&new[0]), "{seen:?}");
    let changed = rows.iter().find(|row| row.id == made[1]).and_then(|row| row.name.0.clone());
    assert_eq!(changed, Some(format!("{prefix}_changed")));
}

pub(crate) async fn a_sweep_has_every_row_and_not_what_was_deleted(world: &World) {
    let prefix = world.name();
    let mut made = world.partners(&prefix, 15).await;
    assert_eq!(world.sweep(&prefix).await, made);
    let gone = made.remove(4);
    world.click("res.partner", "unlink", &[gone], Value::Null).await.unwrap();
    world.click("res.partner", "write", &[made[2]], json!({"vals": {"active": false}})).await.unwrap();
    assert_eq!(world.sweep(&prefix).await, made);
}

pub(crate) async fn the_clock_is_that_of_write_dates(world: &World) {
    let before = world.client.clock().await.unwrap();
    let made = world.partners(&world.name(), 1).await[0];
    let after = world.client.clock().await.unwrap();
    let row = world.click("res.partner", "read", &[made], json!({"fields": ["write_date"]})).await.unwrap();
    let written = instant(row[0]["write_date"].as_str().unwrap()).unwrap();
    assert!(before <= written && written <= after, "{before} {written} {after}");
}

pub(crate) async fn capabilities_are_fields_and_models_that_are_there(world: &World) {
    let fields = world.client.fields("product.product").await.unwrap().unwrap();
    assert_eq!(fields.pick(&["default_code", "no_such", "uom_id"]), ["default_code", "uom_id"]);
    assert_eq!(world.client.fields("no.such.model").await.unwrap(), None);
}
