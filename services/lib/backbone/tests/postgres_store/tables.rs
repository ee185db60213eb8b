//! Tables: their rows in one order, and what waited for them.

use crate::home::{LEASE, commit, lane, own};
use backbone::record::Record;
use backbone::store::{AskNews, Changes, Fence, News, Parked, ParkedItem, Store, Tx, Waiting};
use backbone::table::TableRow;
use backbone::{Reason, Reject, Waits};
use canon::Timestamp;

fn row(topic: &str, key: &str, version: i64) -> TableRow {
    let wire = (version % 10 != 0).then(|| vec![0, 0, 0, 0, 1, u8::try_from(version % 256).unwrap_or(0)]);
    TableRow { seq: 0, topic: topic.to_owned(), key: key.to_owned(), version, wire }
}

fn told(tables: Vec<TableRow>) -> Changes {
    Changes { tables, ..Changes::default() }
}

async fn news<S: Store>(store: &S, fence: &Fence, ask: &AskNews) -> News {
    let mut tx = store.begin(fence, LEASE, 0).await.expect("a batch");
    tx.news(ask).await.expect("an answer")
}

fn ask(after: i64, waiting_upto: i64) -> AskNews {
    AskNews { after, waiting_upto, released_max: 100 }
}

pub(crate) async fn a_version_of_a_key_is_kept_once_and_an_older_one_not_at_all<S: Store>(store: S) {
    let fence = own(&store, lane(0)).await.fence;
    let fence =
        commit(&store, &fence, told(vec![row("t", "a", 1), row("t", "a", 1), row("t", "b", 1)])).await;
    let fence =
        commit(&store, &fence, told(vec![row("t", "a", 1), row("t", "a", 10), row("u", "a", 3)])).await;
    let fence = commit(&store, &fence, told(vec![row("t", "a", 4)])).await;
    let rows = news(&store, &fence, &ask(0, 0)).await.rows;
    let kept: Vec<_> =
        rows.iter().map(|row| (row.seq, row.topic.as_str(), row.key.as_str(), row.version)).collect();
    assert_eq!(kept, [(1, "t", "a", 1), (2, "t", "b", 1), (3, "t", "a", 10), (4, "u", "a", 3)]);
    assert_eq!(rows[2].wire, None);
    assert_eq!(rows[0].wire, row("t", "a", 1).wire);
    let later = news(&store, &fence, &ask(3, 0)).await.rows;
    assert_eq!(later.iter().map(|row| row.seq).collect::<Vec<_>>(), [4]);
}

pub(crate) async fn a_batch_is_told_the_latest_place_when_it_begins_and_when_it_renews<S: Store>(store: S) {
    let fence = own(&store, lane(0)).await.fence;
    assert_eq!(store.begin(&fence, LEASE, 0).await.expect("a batch").tables(), 0);
    let fence = commit(&store, &fence, told(vec![row("t", "a", 1), row("t", "b", 1)])).await;
    assert_eq!(store.begin(&fence, LEASE, 0).await.expect("a batch").tables(), 2);
    assert_eq!(store.renew(&fence, LEASE).await.expect("renewed").tables, 2);
}

fn record(offset: i64) -> ParkedItem {
    ParkedItem::Record(Record {
        topic: "billing.charge.v1",
        partition: 0,
        offset,
        timestamp: Timestamp(7),
        key: Some(b"k".to_vec()),
        value: Some(vec![0, 255, 1]),
        headers: vec![("ce_id".to_owned(), vec![1, 0, 2]), ("ce_id".to_owned(), Vec::new())],
    })
}

fn waiting(chain: Option<&str>, item: ParkedItem, key: &str) -> Parked {
    let reject = Reject::new(Reason::Missing, "is not there");
    let row = |topic: &str, key: &str| Waits { topic: topic.to_owned(), key: key.to_owned() };
    let parked = Parked::of(chain.map(str::to_owned), item, reject, Timestamp(5));
    Parked {
        waits: Some(Waiting { rows: vec![row("never", "x"), row("t", key)], after: 1 }),
        homonyms: 3,
        ..parked
    }
}

fn behind(chain: &str, item: ParkedItem) -> Parked {
    Parked::of(Some(chain.to_owned()), item, Reject::new(Reason::Behind, "behind"), Timestamp(6))
}

pub(crate) async fn what_waited_for_a_row_is_found_with_its_chain_and_nothing_else<S: Store>(store: S) {
    let fence = own(&store, lane(0)).await.fence;
    let deadline = ParkedItem::Deadline { key: "k".to_owned(), at: Timestamp(9) };
    let parked = vec![
        waiting(Some("k"), record(1), "a"),
        waiting(None, record(2), "b"),
        behind("other", record(3)),
        behind("k", deadline.clone()),
        waiting(Some("other-key"), record(4), "c"),
    ];
    // A row as of which it was not there yet does not release it.
    let fence = commit(&store, &fence, told(vec![row("t", "a", 1)])).await;
    let fence = commit(&store, &fence, Changes { parked: parked.clone(), ..Changes::default() }).await;
    assert!(news(&store, &fence, &ask(0, 9)).await.released.is_empty());
    let fence =
        commit(&store, &fence, told(vec![row("u", "c", 1), row("t", "a", 2), row("t", "b", 1)])).await;
    let found = news(&store, &fence, &ask(0, 9)).await;
    assert!(!found.more);
    let released: Vec<Parked> = found.released.iter().map(|(_, parked)| parked.clone()).collect();
    assert_eq!(released, [parked[0].clone(), parked[1].clone(), parked[3].clone()]);
    let numbers: Vec<i64> = found.released.iter().map(|(number, _)| *number).collect();
    assert!(numbers.is_sorted());
    let none = AskNews { released_max: 0, ..ask(0, 9) };
    assert!(news(&store, &fence, &none).await.released.is_empty());
    let one = news(&store, &fence, &AskNews { released_max: 1, ..ask(0, 9) }).await;
    assert_eq!((one.released.len(), one.more), (2, true));
    let fence = commit(&store, &fence, Changes { unparked: numbers, ..Changes::default() }).await;
    assert!(news(&store, &fence, &ask(0, 9)).await.released.is_empty());
}

pub(crate) async fn tables_are_complete_when_every_partition_was_read_to_its_end<S: Store>(store: S) {
    let fence = own(&store, lane(0)).await.fence;
    let read = |number| Changes { tables_complete: Some(("t".to_owned(), number)), ..Changes::default() };
    assert!(store.are_complete(&[]).await.expect("an answer"));
    assert!(!store.are_complete(&[("t", 2)]).await.expect("an answer"));
    let fence = commit(&store, &fence, read(0)).await;
    assert!(!store.are_complete(&[("t", 2)]).await.expect("an answer"));
    let fence = commit(&store, &fence, read(1)).await;
    commit(&store, &fence, read(1)).await;
    assert!(store.are_complete(&[("t", 2)]).await.expect("an answer"));
    assert!(!store.are_complete(&[("t", 2), ("u", 1)]).await.expect("an answer"));
}
