//! What sources keep: cursors, rows, who states which fact, and what persons are asked.

use crate::home::{CASES, LEASE, lane, next, own};
use backbone::Reason;
use backbone::source::{
    Approval, FactKnown, Hold, Known, Mark, Refusal, RowKnown, SourceChanges, SourceTx, Standing, Swept,
};
use backbone::store::{Changes, Fence, LaneId, Store, Tx};
use canon::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;
use uuid::Uuid;

/// A ledger that sources work with.
pub(crate) trait SourceStore: Store<Tx: SourceTx> + Approval {}

impl<S: Store<Tx: SourceTx> + Approval> SourceStore for S {}

type RowAt = (String, String);

fn at(kind: &str, id: &str) -> RowAt {
    (kind.to_owned(), id.to_owned())
}

fn row(id: &str, seen_seq: i64) -> (RowAt, RowKnown) {
    (at("product", id), RowKnown { seen_seq, refused: None })
}

fn fact(number: u128, owner: RowAt) -> FactKnown {
    let (topic, name) = ("inventory.item.v1".to_owned(), format!("item/{number}"));
    FactKnown { fact: Uuid::from_u128(number), row: owner, topic, name, key: format!("größe {number}") }
}

async fn keep(store: &impl SourceStore, fence: &Fence, source: SourceChanges) -> Fence {
    let mut tx = store.begin(fence, LEASE, 0).await.expect("a page");
    tx.write(Changes { source: Some(source), ..Changes::default() }).await.expect("written");
    tx.commit().await.expect("committed");
    next(fence)
}

async fn standing(store: &impl SourceStore, fence: &Fence) -> Standing {
    let mut tx = store.begin(fence, LEASE, 0).await.expect("a page");
    tx.standing().await.expect("a standing")
}

async fn known(store: &impl SourceStore, fence: &Fence, rows: &[RowAt], facts: &[u128]) -> Known {
    let facts: Vec<Uuid> = facts.iter().map(|number| Uuid::from_u128(*number)).collect();
    let mut tx = store.begin(fence, LEASE, 0).await.expect("a page");
    tx.known(rows, &facts).await.expect("known")
}

/// A mark as an author gets it: from JSON that he kept.
fn mark(seq: i64) -> Mark {
    serde_json::from_value(json!(seq)).expect("a mark")
}

pub(crate) async fn a_cursor_comes_back_as_it_was_written<S: SourceStore>(store: S) {
    let mut fence = own(&store, lane(0)).await.fence;
    assert_eq!(standing(&store, &fence).await, Standing::default());
    for cursor in [json!({"after": "2026-01-01 00:00:00", "a": [1, null]}), json!("a\u{0}b"), json!(null)] {
        fence =
            keep(&store, &fence, SourceChanges { cursor: Some(cursor.clone()), ..Default::default() }).await;
        assert_eq!(standing(&store, &fence).await.cursor, Some(cursor));
        fence = keep(&store, &fence, SourceChanges::default()).await;
    }
    let other = own(&store, LaneId { processor: "another", number: 0 }).await.fence;
    assert_eq!(standing(&store, &other).await, Standing::default(), "each source has its own");
}

pub(crate) async fn a_page_that_is_dropped_leaves_nothing_behind<S: SourceStore>(store: S) {
    let fence = own(&store, lane(0)).await.fence;
    let source = SourceChanges {
        cursor: Some(json!(1)),
        rows: vec![row("1", 1)],
        facts: vec![fact(1, at("product", "1"))],
        ..Default::default()
    };
    let mut tx = store.begin(&fence, LEASE, 0).await.expect("a page");
    tx.write(Changes { source: Some(source), ..Changes::default() }).await.expect("written");
    drop(tx);
    assert_eq!(standing(&store, &fence).await, Standing::default());
    assert_eq!(known(&store, &fence, &[at("product", "1")], &[1]).await, Known::default());
}

pub(crate) async fn rows_and_facts_come_back_as_they_were_written<S: SourceStore>(store: S) {
    let fence = own(&store, lane(0)).await.fence;
    let refused = Some(Refusal { reason: Reason::Invalid, detail: "field 3 is empty".to_owned() });
    let bad = (at("product", "b ä'\""), RowKnown { seen_seq: 7, refused });
    let source = SourceChanges {
        rows: vec![row("1", 1), row("2", 1), bad.clone(), (at("partner", "1"), row("1", 1).1), row("1", 2)],
        facts: vec![fact(1, at("product", "1")), fact(2, at("product", "2")), fact(3, at("partner", "1"))],
        ..Default::default()
    };
    let fence = keep(&store, &fence, source).await;
    let wanted = [at("product", "1"), bad.0.clone(), at("product", "nobody")];
    let found = known(&store, &fence, &wanted, &[3, 9]).await;
    assert_eq!(found.rows, [row("1", 2), bad].into(), "of a row written twice the last one stays");
    let facts: BTreeMap<Uuid, FactKnown> = found.facts.into_iter().collect();
    let want = [fact(1, at("product", "1")), fact(3, at("partner", "1"))];
    assert_eq!(facts, want.map(|fact| (fact.fact, fact)).into(), "those of the rows, and those asked for");
    let other = own(&store, LaneId { processor: "another", number: 0 }).await.fence;
    assert_eq!(known(&store, &other, &wanted, &[1, 3]).await, Known::default(), "each source has its own");
}

pub(crate) async fn a_fact_has_one_owner_and_what_is_gone_is_gone<S: SourceStore>(store: S) {
    let fence = own(&store, lane(0)).await.fence;
    let source = SourceChanges {
        rows: vec![row("1", 1), row("2", 1)],
        facts: vec![fact(1, at("product", "1")), fact(2, at("product", "1"))],
        ..Default::default()
    };
    let fence = keep(&store, &fence, source).await;
    let source = SourceChanges { facts: vec![fact(1, at("product", "2"))], ..Default::default() };
    let fence = keep(&store, &fence, source).await;
    let of = |id: &str| [at("product", id)];
    let ids = |known: Known| known.facts.into_keys().collect::<Vec<_>>();
    assert_eq!(ids(known(&store, &fence, &of("1"), &[]).await), [Uuid::from_u128(2)]);
    assert_eq!(ids(known(&store, &fence, &of("2"), &[]).await), [Uuid::from_u128(1)]);
    let source = SourceChanges {
        rows_gone: vec![at("product", "1"), at("product", "nobody")],
        facts_gone: vec![Uuid::from_u128(2)],
        ..Default::default()
    };
    let fence = keep(&store, &fence, source).await;
    assert_eq!(known(&store, &fence, &of("1"), &[2]).await, Known::default());
    assert_eq!(known(&store, &fence, &of("2"), &[]).await.rows.len(), 1);
}

pub(crate) async fn a_sweep_counts_and_names_what_was_known_before_it_and_not_found<S: SourceStore>(
    store: S,
) {
    let fence = own(&store, lane(0)).await.fence;
    let source = SourceChanges {
        rows: vec![
            row("a", 1),
            row("B", 2),
            row("ö", 2),
            row("late", 3),
            (at("partner", "p"), row("p", 1).1),
        ],
        ..Default::default()
    };
    let fence = keep(&store, &fence, source).await;
    let cases: [(i64, &[&str], i64, &[&str]); 5] = [
        (2, &["a"], 3, &["B", "ö"]),
        (2, &["a", "B", "ö", "x", "late"], 3, &[]),
        (3, &[], 4, &["B", "a", "late", "ö"]),
        (1, &["B", "B"], 1, &["a"]),
        (0, &[], 0, &[]),
    ];
    for (began, present, known, gone) in cases {
        let mut tx = store.begin(&fence, LEASE, 0).await.expect("a page");
        let swept = tx.swept("product", mark(began), present).await.expect("swept");
        let gone = gone.iter().map(|id| (*id).to_owned()).collect();
        assert_eq!(swept, Swept { known, gone }, "began at {began}, {present:?} present");
    }
}

pub(crate) async fn a_person_is_asked_and_the_answer_stays_until_the_question_goes<S: SourceStore>(store: S) {
    let fence = own(&store, lane(0)).await.fence;
    assert!(!store.approve(CASES, "product", 30).await.expect("an answer"), "nothing was asked");
    let hold = |gone, approved| Hold { gone, known: 100, asked_at: Timestamp(9), approved };
    let ask =
        |gone| SourceChanges { holds: vec![("product".into(), hold(gone, None))], ..Default::default() };
    let fence = keep(&store, &fence, ask(30)).await;
    assert_eq!(standing(&store, &fence).await.holds["product"], hold(30, None));
    assert!(store.approve(CASES, "product", 30).await.expect("an answer"));
    assert!(!store.approve(CASES, "partner", 30).await.expect("an answer"));
    let fence = keep(&store, &fence, ask(40)).await;
    assert_eq!(standing(&store, &fence).await.holds["product"], hold(40, Some(30)));
    let source = SourceChanges { holds_gone: vec!["product".into()], ..Default::default() };
    let fence = keep(&store, &fence, source).await;
    assert!(standing(&store, &fence).await.holds.is_empty());
    let fence = keep(&store, &fence, ask(50)).await;
    assert_eq!(standing(&store, &fence).await.holds["product"], hold(50, None), "an approval is used once");
}
