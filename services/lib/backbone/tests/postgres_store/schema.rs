//! The schema on PostgreSQL: migrations, typed report tables, names, shards.

use crate::home::{CASES, LEASE, ROWS, SHARDS, commit, lane, on_postgres, own, processors, said};
use backbone::postgres::{OpenError, Processor, look, replays};
use backbone::record::OutRecord;
use backbone::store::{Changes, Store, Tx};
use backbone::{Column, Row, Table};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

fn row(id: &str, columns: Value) -> Row {
    Row { table: ROWS.name, row: id.into(), columns }
}

fn with_columns(columns: &'static [(&'static str, Column)]) -> Vec<Processor> {
    vec![Processor { name: CASES, tables: vec![Table { name: ROWS.name, columns }] }]
}

#[tokio::test(flavor = "multi_thread")]
async fn report_rows_are_typed_and_follow_their_states() {
    on_postgres(LEASE, |home| async move {
        let fence = own(&home.store, lane(0)).await.fence;
        let full = json!({"finished": true, "charges": 3, "unbilled": "12.3400", "visit": "v\u{0}1",
            "due": "2026-11-20T10:00:00Z"});
        let rows = vec![row("a", json!({"charges": 1})), row("b", json!({})), row("a", full)];
        let fence = commit(&home.store, &fence, Changes { rows, ..Changes::default() }).await;
        let changes = Changes {
            rows_gone: vec![(ROWS.name, "b".into()), (ROWS.name, "c".into()), (ROWS.name, "nobody".into())],
            rows: vec![row("c", json!({"due": 1_000_000, "unbilled": 5, "extra": "not a column"}))],
            ..Changes::default()
        };
        commit(&home.store, &fence, changes).await;
        let raw = home.raw().await;
        let sql = "SELECT \"row\", finished, charges, unbilled::text, visit, extract(epoch FROM due)::bigint
            FROM case_row ORDER BY 1";
        let found: Vec<_> = raw
            .query(sql, &[])
            .await
            .expect("rows")
            .iter()
            .map(|row| {
                (
                    row.get::<_, String>(0),
                    row.get::<_, Option<bool>>(1),
                    row.get::<_, Option<i64>>(2),
                    row.get::<_, Option<String>>(3),
                    row.get::<_, Option<String>>(4),
                    row.get::<_, Option<i64>>(5),
                )
            })
            .collect();
        let a = (
            "a".into(),
            Some(true),
            Some(3),
            Some("12.3400".into()),
            Some("v\u{fffd}1".into()),
            Some(1_795_168_800),
        );
        let c = ("c".into(), None, None, Some("5.0000".into()), None, Some(1));
        assert_eq!(found, [a, c]);
        assert_eq!(look::rows(&home.store, ROWS.name).await.expect("rows").len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_does_not_fit_is_told_by_table_and_column_without_its_value() {
    on_postgres(LEASE, |home| async move {
        let fence = own(&home.store, lane(0)).await.fence;
        for (column, value) in
            [("unbilled", json!("DOE^JANE")), ("charges", json!("DOE^JANE")), ("due", json!("DOE^JANE"))]
        {
            let mut tx = home.store.begin(&fence, LEASE, 0).await.expect("a batch");
            let rows = vec![row("a", json!({column: value}))];
            let error = tx.write(Changes { rows, ..Changes::default() }).await.expect_err("it does not fit");
            let said = said(&error);
            assert!(said.contains(column) && said.contains("case_row") && !said.contains("DOE"), "{said}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_start_at_once_migrate_once() {
    on_postgres(LEASE, |home| async move {
        let raw = home.raw().await;
        raw.batch_execute(&format!("DROP SCHEMA {} CASCADE", home.schema())).await.expect("dropped");
        let starts: Vec<_> = (0..5)
            .map(|_| {
                let home = home.clone();
                tokio::spawn(async move { home.again(SHARDS, &processors()).await.map(|_| ()) })
            })
            .collect();
        for start in starts {
            start.await.expect("no panic").expect("a ledger");
        }
        let applied =
            raw.query_one("SELECT count(*), max(number)::bigint FROM migration", &[]).await.expect("a count");
        assert!(applied.get::<_, i64>(0) > 0);
        assert_eq!(applied.get::<_, i64>(0), applied.get::<_, i64>(1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_is_listed_while_its_ledger_is_being_made_or_thrown_away() {
    on_postgres(LEASE, |home| async move {
        let raw = home.raw().await;
        raw.batch_execute(
            "INSERT INTO replay (processor, asked_by, because) VALUES ('cases', 'a test', 'to see')",
        )
        .await
        .expect("asked for");
        let listed = async || replays::list(&home.store).await.expect("rebuilds").remove(0);
        let asked = listed().await;
        assert_eq!((asked.lanes, asked.schema), (BTreeMap::new(), None));
        let beside = format!("{}_replay_{}", home.schema(), asked.id);
        raw.batch_execute(&format!("CREATE SCHEMA {beside}")).await.expect("made, with nothing in it yet");
        let made = listed().await;
        raw.batch_execute(&format!("DROP SCHEMA {beside}")).await.expect("dropped");
        assert_eq!((made.lanes, made.schema), (BTreeMap::new(), None));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_migration_is_refused() {
    on_postgres(LEASE, |home| async move {
        let raw = home.raw().await;
        raw.batch_execute(
            "INSERT INTO migration (number, name, checksum) VALUES (999, 'of a newer build', '')",
        )
        .await
        .expect("inserted");
        home.again(SHARDS, &processors()).await.expect("a newer build's migrations are left alone");
        raw.batch_execute("UPDATE migration SET checksum = 'x' WHERE number = 1").await.expect("changed");
        let error = home.again(SHARDS, &processors()).await.err().expect("refused");
        assert!(matches!(error, OpenError::MigrationChanged { number: 1, .. }), "{error}");
        assert!(error.to_string().contains("restore it"), "{error}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn report_columns_are_added_and_a_changed_type_is_refused() {
    on_postgres(LEASE, |home| async move {
        let fence = own(&home.store, lane(0)).await.fence;
        let rows = vec![row("a", json!({"charges": 1}))];
        commit(&home.store, &fence, Changes { rows, ..Changes::default() }).await;
        let wider =
            with_columns(&[("charges", Column::Integer), ("payer", Column::Text), ("paid_at", Column::Time)]);
        let store = home.again(SHARDS, &wider).await.expect("columns are added");
        let rows = look::rows(&store, ROWS.name).await.expect("rows");
        assert_eq!((&rows["a"]["charges"], &rows["a"]["payer"]), (&json!(1), &Value::Null));
        home.again(SHARDS, &wider).await.expect("nothing to do");
        let other = with_columns(&[("charges", Column::Text)]);
        let error = home.again(SHARDS, &other).await.err().expect("refused").to_string();
        assert!(
            error.contains("charges") && error.contains("bigint") && error.contains("another name"),
            "{error}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_would_need_quoting_or_are_taken_are_refused() {
    on_postgres(LEASE, |home| async move {
        let table = |name| vec![Processor { name: "x", tables: vec![Table { name, columns: &[] }] }];
        let column = |columns| vec![Processor { name: "x", tables: vec![Table { name: "t", columns }] }];
        for processors in [
            table("lane"),
            table("state_x"),
            table("x\"; DROP TABLE lane; --"),
            column(&[("Row", Column::Text)]),
            column(&[("row", Column::Text)]),
            vec![Processor { name: "a b", tables: Vec::new() }],
        ] {
            let error = home.again(SHARDS, &processors).await.err().expect("refused");
            assert!(matches!(error, OpenError::Name(_) | OpenError::Reserved { .. }), "{error}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_shards_changes_only_while_nobody_works() {
    on_postgres(LEASE, |home| async move {
        let fence = own(&home.store, lane(0)).await.fence;
        let out = |partition| OutRecord {
            seq: 0,
            topic: "t".into(),
            partition,
            key: vec![1],
            value: None,
            headers: Vec::new(),
        };
        let outbox = (0..6).map(out).collect();
        let fence = commit(&home.store, &fence, Changes { outbox, ..Changes::default() }).await;
        let error = home.again(3, &processors()).await.err().expect("refused");
        assert!(matches!(error, OpenError::Shards { stored: 2, wanted: 3 }), "{error}");
        home.store.release_lane(&fence).await.expect("given back");
        let store = home.again(3, &processors()).await.expect("nobody works");
        for shard in 0..3 {
            let rows = store.outbox(shard, 10).await.expect("rows");
            assert_eq!(rows.iter().map(|row| row.partition).collect::<Vec<_>>(), [shard, shard + 3]);
            store.take_shard(shard, Uuid::new_v4(), LEASE).await.expect("an answer").expect("a free shard");
        }
    })
    .await;
}
