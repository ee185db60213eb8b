//! A rebuild's ledger beside the service's: found, followed into, and changed over in one transaction.

use crate::home::{CASES, LEASE, commit, lane, load, next, own, state, states};
use backbone::journal::{CutOver, Entry, Place, Segment};
use backbone::record::Record;
use backbone::replay::{Difference, Side, Standing, Which};
use backbone::store::{Changes, Fence, Parked, ParkedItem, Store, StoreError, Tx, Want};
use backbone::table::TableRow;
use backbone::{Emitted, Origin, Reason, Reject};
use canon::{ContentHash, Timestamp};
use serde_json::json;
use std::collections::BTreeMap;
use uuid::Uuid;

const REPLAY: i64 = 3;

fn fact(number: u128, content: u8, lane: i32) -> Emitted {
    let (processor, topic) = (CASES.to_owned(), "billing.charge.v1".to_owned());
    Emitted {
        fact: Uuid::from_u128(number),
        name: format!("request/{number}"),
        topic: "billing.invoice-request.v1".into(),
        key: "k".into(),
        revision: 1,
        version: 1,
        content: ContentHash([content; 16]),
        withdrawn: false,
        wire: vec![content],
        origin: Some(Origin { processor, topic, partition: lane, offset: 4 }),
    }
}

fn parked(offset: i64, chain: Option<&str>) -> Parked {
    let record = Record {
        topic: "raw.hl7v2.v1",
        partition: 0,
        offset,
        timestamp: Timestamp(7),
        key: Some(b"k".to_vec()),
        value: Some(vec![0]),
        headers: Vec::new(),
    };
    let reject = Reject::new(Reason::Invalid, "PID-3 is missing");
    Parked::of(chain.map(str::to_owned), ParkedItem::Record(record), reject, Timestamp(9))
}

fn entry(seq: i64) -> Entry {
    let segment = Segment { topic: "raw.hl7v2.v1".to_owned(), first: seq, next: seq + 1 };
    Entry { seq, segments: vec![segment], ..Entry::default() }
}

/// A lane that is live, its rebuild, and both owners' fences.
async fn both<S: Store>(store: &S) -> (Fence, S, Fence) {
    let fence = own(store, lane(0)).await.fence;
    let live = Changes {
        deadlines: vec![("a".to_owned(), Some(Timestamp(50)))],
        parked: vec![parked(1, None)],
        emitted: vec![fact(1, 1, 0), fact(2, 1, 0), fact(3, 1, 0), fact(4, 1, 1)],
        journal: Some(entry(1)),
        ..states(&[("a", json!({"sum": 1})), ("b", json!({"sum": 2}))])
    };
    let fence = commit(store, &fence, live).await;
    let beside = store.beside(REPLAY).await.expect("a ledger beside");
    beside.ensure_lanes(CASES, 2).await.expect("lanes");
    let follower = own(&beside, lane(0)).await.fence;
    let rebuilt = Changes {
        deadlines: vec![("c".to_owned(), Some(Timestamp(60)))],
        parked: vec![parked(2, Some("k"))],
        emitted: vec![
            fact(1, 1, 0),
            fact(2, 9, 0),
            Emitted { withdrawn: true, ..fact(5, 1, 0) },
            fact(6, 1, 0),
        ],
        positions: BTreeMap::from([("journal".to_owned(), 1)]),
        ..states(&[("a", json!({"sum": 10})), ("c", json!({"sum": 3}))])
    };
    let follower = commit(&beside, &follower, rebuilt).await;
    (fence, beside, follower)
}

pub(crate) async fn a_rebuild_is_found_where_its_lane_is_and_tells_how_far_it_is<S: Store>(store: S) {
    let (fence, _, _) = both(&store).await;
    let mut tx = store.begin(&fence, LEASE, 0).await.expect("a batch");
    assert_eq!(tx.take_along(REPLAY + 1).await.expect("an answer"), None);
    let standing = Standing { journal: 1, followed: 1, ..Standing::default() };
    assert_eq!(tx.take_along(REPLAY).await.expect("an answer"), Some(standing));
}

pub(crate) async fn facts_that_differ_are_told_of_the_lane_and_of_no_other<S: Store>(store: S) {
    let (fence, _, _) = both(&store).await;
    let mut tx = store.begin(&fence, LEASE, 0).await.expect("a batch");
    tx.take_along(REPLAY).await.expect("an answer").expect("a rebuild");
    let differ = |live: Option<Emitted>, beside: Option<Emitted>| Difference { live, beside };
    let mut found = tx.differing().await.expect("facts");
    found.sort_by_key(|one| one.live.as_ref().or(one.beside.as_ref()).map(|row| row.fact));
    let expected = [
        differ(Some(fact(2, 1, 0)), Some(fact(2, 9, 0))),
        differ(Some(fact(3, 1, 0)), None),
        differ(None, Some(fact(6, 1, 0))),
    ];
    assert_eq!(found, expected);
}

pub(crate) async fn both_ledgers_change_in_one_transaction_and_whoever_followed_is_fenced_off<S: Store>(
    store: S,
) {
    let (fence, beside, follower) = both(&store).await;
    let mut tx = store.begin(&fence, LEASE, 0).await.expect("a batch");
    tx.take_along(REPLAY).await.expect("an answer").expect("a rebuild");
    let want = Want { keys: vec!["a".to_owned(), "b".to_owned(), "c".to_owned()], identities: Vec::new() };
    assert_eq!(tx.keys("", 9).await.expect("keys"), ["a", "b"]);
    let ours = tx.load(&want).await.expect("states").states;
    tx.turn(Side::Beside).await.expect("turned");
    assert_eq!(tx.keys("a", 9).await.expect("keys"), ["c"]);
    assert_eq!(tx.deadlines().await.expect("deadlines"), BTreeMap::from([("c".to_owned(), Timestamp(60))]));
    let theirs = tx.load(&want).await.expect("states").states;
    assert_eq!(
        (ours["a"].clone(), theirs["a"].clone()),
        (state(json!({"sum": 1})), state(json!({"sum": 10})))
    );
    let parked_there = tx.parked_of(&Which::all()).await.expect("parked");
    let swap = Changes {
        states_gone: vec!["c".to_owned()],
        unparked: parked_there.iter().map(|(number, _)| *number).collect(),
        ..states(&[("a", json!({"sum": 1})), ("b", json!({"sum": 2}))])
    };
    tx.write(swap).await.expect("written");
    tx.turn(Side::Live).await.expect("turned");
    let swap = Changes {
        states_gone: vec!["b".to_owned()],
        parked: parked_there.into_iter().map(|(_, parked)| parked).collect(),
        journal: Some(entry(2)),
        ..states(&[("a", json!({"sum": 10})), ("c", json!({"sum": 3}))])
    };
    tx.write(swap).await.expect("written");
    tx.commit().await.expect("committed");

    let stale = beside.begin(&follower, LEASE, 0).await;
    assert!(matches!(stale, Err(StoreError::Fenced)), "whoever followed wrote on");
    let live = load(&store, &next(&fence), &["a", "b", "c"]).await;
    assert_eq!((live.states.len(), live.states["c"].clone()), (2, state(json!({"sum": 3}))));
    let there = load(&beside, &next(&follower), &["a", "b", "c"]).await;
    assert_eq!((there.states.len(), there.states["b"].clone()), (2, state(json!({"sum": 2}))));
    let mut tx = store.begin(&next(&fence), LEASE, 0).await.expect("a batch");
    assert_eq!(tx.parked_of(&Which::all()).await.expect("parked").len(), 2);
}

pub(crate) async fn a_change_over_that_is_given_up_leaves_both_as_they_were<S: Store>(store: S) {
    let (fence, beside, follower) = both(&store).await;
    let mut tx = store.begin(&fence, LEASE, 0).await.expect("a batch");
    tx.take_along(REPLAY).await.expect("an answer").expect("a rebuild");
    tx.turn(Side::Beside).await.expect("turned");
    tx.write(states(&[("a", json!({"sum": 0}))])).await.expect("written");
    tx.turn(Side::Live).await.expect("turned");
    tx.write(states(&[("a", json!({"sum": 0}))])).await.expect("written");
    drop(tx);
    assert_eq!(load(&store, &fence, &["a"]).await.states["a"], state(json!({"sum": 1})));
    assert_eq!(load(&beside, &follower, &["a"]).await.states["a"], state(json!({"sum": 10})));
}

pub(crate) async fn parked_inputs_are_found_by_what_the_journal_says_of_them<S: Store>(store: S) {
    let fence = own(&store, lane(0)).await.fence;
    let deadline = |key: &str, at, chain: Option<&str>| Parked {
        item: ParkedItem::Deadline { key: key.to_owned(), at: Timestamp(at) },
        ..parked(0, chain)
    };
    let all = vec![
        parked(1, Some("a")),
        parked(2, Some("a")),
        parked(3, None),
        parked(4, Some("b")),
        deadline("c", 5, Some("c")),
        deadline("d", 6, None),
    ];
    let fence = commit(&store, &fence, Changes { parked: all.clone(), ..Changes::default() }).await;
    let mut tx = store.begin(&fence, LEASE, 0).await.expect("a batch");
    let topic = || "raw.hl7v2.v1".to_owned();
    let cases = [
        (Which::all(), vec![0, 1, 2, 3, 4, 5]),
        (Which { chains: vec!["a".to_owned()], ..Which::default() }, vec![0, 1]),
        (Which { alone: vec![(topic(), 3), (topic(), 4)], ..Which::default() }, vec![2]),
        (Which { records: vec![(topic(), 2), (topic(), 3)], ..Which::default() }, vec![1, 2]),
        (Which { deadlines_alone: vec!["c".to_owned(), "d".to_owned()], ..Which::default() }, vec![5]),
        (Which { deadlines: vec![("c".to_owned(), Timestamp(5))], ..Which::default() }, vec![4]),
        (Which { deadlines: vec![("c".to_owned(), Timestamp(6))], ..Which::default() }, vec![]),
    ];
    for (which, expected) in cases {
        let found = tx.parked_of(&which).await.expect("parked");
        let found: Vec<Parked> = found.into_iter().map(|(_, parked)| parked).collect();
        let expected: Vec<Parked> = expected.into_iter().map(|index: usize| all[index].clone()).collect();
        assert_eq!(found, expected, "{which:?}");
    }
}

pub(crate) async fn a_journal_is_read_on_behind_an_entry_and_by_what_people_decided<S: Store>(store: S) {
    let mut fence = own(&store, lane(0)).await.fence;
    for seq in 1..=4 {
        let place = Place::Record { topic: "raw.hl7v2.v1".to_owned(), offset: 5 };
        let discarded = if seq == 3 { vec![place] } else { Vec::new() };
        let cut_over = (seq == 2).then_some(CutOver { replay: 1, back: false, tables_at: Some(4) });
        let journal = Some(Entry { discarded, cut_over, ..entry(seq) });
        fence = commit(&store, &fence, Changes { journal, ..Changes::default() }).await;
    }
    let seqs = |entries: Vec<Entry>| entries.into_iter().map(|entry| entry.seq).collect::<Vec<_>>();
    assert_eq!(seqs(store.entries(lane(0), 1, 2).await.expect("entries")), [2, 3]);
    assert_eq!(seqs(store.entries(lane(1), 0, 9).await.expect("entries")), [0_i64; 0]);
    assert_eq!(seqs(store.decisions_behind(lane(0), 0).await.expect("entries")), [3]);
    assert_eq!(seqs(store.cut_overs(lane(0)).await.expect("entries")), [2]);
    assert_eq!(seqs(store.decisions_behind(lane(0), 3).await.expect("entries")), [0_i64; 0]);
}

pub(crate) async fn rows_of_tables_are_read_between_two_places<S: Store>(store: S) {
    let fence = own(&store, lane(0)).await.fence;
    let row = |key: &str| TableRow {
        seq: 0,
        topic: "inventory.item.v1".to_owned(),
        key: key.to_owned(),
        version: 1,
        wire: Some(vec![1]),
    };
    let tables = ["a", "b", "c"].map(row).to_vec();
    commit(&store, &fence, Changes { tables, ..Changes::default() }).await;
    let rows = store.table_rows(1, 2).await.expect("rows");
    assert_eq!(rows.into_iter().map(|row| (row.seq, row.key)).collect::<Vec<_>>(), [(2, "b".to_owned())]);
}

pub(crate) async fn what_was_thrown_away_is_found_no_more<S: Store>(store: S) {
    let (fence, _, _) = both(&store).await;
    store.throw_away(REPLAY).await.expect("thrown away");
    let mut tx = store.begin(&fence, LEASE, 0).await.expect("a batch");
    assert_eq!(tx.take_along(REPLAY).await.expect("an answer"), None);
}
