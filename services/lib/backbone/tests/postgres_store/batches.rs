//! One batch, one transaction: fences, atomicity, locks, the outbox's and the deadlines' order.

use crate::home::{CASES, LEASE, PATIENCE, SHARDS, commit, eventually, lane, load, own, states};
use backbone::record::OutRecord;
use backbone::store::{Changes, Fence, Store, StoreError, Tx, Want};
use canon::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

fn out(topic: &str, partition: i32, key: &str) -> OutRecord {
    let headers = vec![("ce_id".into(), b"1".to_vec()), ("ce_id".into(), vec![0, 255])];
    OutRecord { seq: 0, topic: topic.into(), partition, key: key.into(), value: Some(vec![0, 1, 2]), headers }
}

#[track_caller]
fn fenced<T>(answer: Result<T, StoreError>) {
    assert!(matches!(answer.err(), Some(StoreError::Fenced)));
}

pub(crate) async fn a_stale_epoch_writes_nothing<S: Store>(store: S) {
    let stale = own(&store, lane(0)).await.fence;
    store.release_lane(&stale).await.expect("given back");
    fenced(store.begin(&stale, LEASE, 10).await);
    let fence = own(&store, lane(0)).await.fence;
    fenced(store.begin(&stale, LEASE, 10).await);
    let unknown = Fence { lane: lane(9), ..fence };
    fenced(store.begin(&unknown, LEASE, 10).await);
    commit(&store, &fence, Changes::default()).await;
}

pub(crate) async fn a_stale_sequence_writes_nothing<S: Store>(store: S) {
    let fence = own(&store, lane(0)).await.fence;
    let after = commit(&store, &fence, states(&[("x", json!(1))])).await;
    fenced(store.begin(&fence, LEASE, 0).await);
    fenced(store.begin(&Fence { seq: after.seq + 1, ..after }, LEASE, 0).await);
    assert_eq!(load(&store, &after, &["x"]).await.states["x"].body, json!(1));
}

pub(crate) async fn a_dropped_batch_leaves_nothing_behind<S: Store>(store: S) {
    let fence = own(&store, lane(0)).await.fence;
    for _ in 0..5 {
        let mut tx = store.begin(&fence, LEASE, 0).await.expect("a batch under the same fence");
        let counter = ("t".to_owned(), "k".to_owned());
        assert_eq!(tx.lock_counters(std::slice::from_ref(&counter)).await.expect("locked")[&counter], 0);
        let changes = Changes {
            counters: vec![(counter, 1)],
            outbox: vec![out("t", 0, "k")],
            positions: BTreeMap::from([("t".into(), 1)]),
            deadlines: vec![("x".into(), Some(Timestamp(1)))],
            ..states(&[("x", json!(1))])
        };
        assert_eq!(tx.write(changes).await.expect("written"), Some(Timestamp(1)));
        drop(tx);
    }
    let grant = store.resume(&fence).await.expect("an answer").expect("still ours");
    assert_eq!((grant.fence, grant.positions.len(), grant.next_due), (fence, 0, None));
    assert!(load(&store, &fence, &["x"]).await.states.is_empty());
    assert_eq!(store.outbox(0, 10).await.expect("rows"), []);
}

pub(crate) async fn a_batch_is_visible_as_a_whole_and_only_after_its_commit<S: Store>(store: S) {
    let (first, second) = (own(&store, lane(0)).await.fence, own(&store, lane(1)).await.fence);
    let mut tx = store.begin(&first, LEASE, 0).await.expect("a batch");
    let changes = Changes { outbox: vec![out("t", 0, "k")], ..states(&[("x", json!(1)), ("y", json!(2))]) };
    tx.write(changes).await.expect("written");
    assert!(load(&store, &second, &["x", "y"]).await.states.is_empty());
    assert_eq!(store.outbox(0, 10).await.expect("rows").len(), 0);
    tx.commit().await.expect("committed");
    assert_eq!(load(&store, &second, &["x", "y"]).await.states.len(), 2);
    assert_eq!(store.outbox(0, 10).await.expect("rows").len(), 1);
}

pub(crate) async fn the_clock_of_a_lane_never_runs_backwards<S: Store>(store: S) {
    let grant = own(&store, lane(0)).await;
    let (mut fence, mut before) = (grant.fence, grant.now);
    for _ in 0..20 {
        let tx = store.begin(&fence, LEASE, 0).await.expect("a batch");
        assert!(tx.now() >= before, "{} after {before}", tx.now());
        before = tx.now();
        tx.commit().await.expect("committed");
        fence = crate::home::next(&fence);
    }
    let grant = store.resume(&fence).await.expect("an answer").expect("still ours");
    assert!(grant.now >= before);
}

pub(crate) async fn a_locked_counter_makes_the_next_batch_wait<S: Store>(store: S) {
    let (first, second) = (own(&store, lane(0)).await.fence, own(&store, lane(1)).await.fence);
    let counters: Vec<(String, String)> =
        ["a", "b"].map(|key| ("billing.case.v1".to_owned(), key.to_owned())).to_vec();
    let mut holder = store.begin(&first, LEASE, 0).await.expect("a batch");
    holder.lock_counters(&counters).await.expect("locked");
    let mut waiting = tokio::spawn({
        let (store, wanted) = (store.clone(), counters[1..].to_vec());
        async move {
            let mut tx = store.begin(&second, LEASE, 0).await.expect("a batch");
            tx.lock_counters(&wanted).await.expect("locked")
        }
    });
    let early = tokio::time::timeout(Duration::from_millis(200), &mut waiting).await;
    assert!(early.is_err(), "it did not wait");
    let moved = counters.iter().map(|counter| (counter.clone(), 5)).collect();
    holder.write(Changes { counters: moved, ..Changes::default() }).await.expect("written");
    holder.commit().await.expect("committed");
    let seen = tokio::time::timeout(PATIENCE, waiting).await.expect("in time").expect("no panic");
    assert_eq!(seen, BTreeMap::from([(counters[1].clone(), 5)]));
}

pub(crate) async fn versions_are_drawn_without_gaps_by_many_lanes_at_once<S: Store>(store: S) {
    const LANES: i32 = 4;
    const ROUNDS: i64 = 10;
    let mut fences = Vec::new();
    for number in 0..LANES {
        fences.push(own(&store, lane(number)).await.fence);
    }
    let keys = ["k1", "k2", "k3"].map(|key| ("t".to_owned(), key.to_owned()));
    let works = fences.into_iter().map(|mut fence| {
        let (store, keys) = (store.clone(), keys.to_vec());
        tokio::spawn(async move {
            for _ in 0..ROUNDS {
                let mut tx = store.begin(&fence, LEASE, 0).await.expect("a batch");
                let read = tx.lock_counters(&keys).await.expect("locked");
                let moved: Vec<_> = read.into_iter().map(|(key, version)| (key, version + 1)).collect();
                let version = |(key, version): &((String, String), i64)| OutRecord {
                    value: Some(version.to_be_bytes().to_vec()),
                    ..out("t", 0, &key.1)
                };
                let outbox = moved.iter().map(version).collect();
                tx.write(Changes { counters: moved, outbox, ..Changes::default() }).await.expect("written");
                tx.commit().await.expect("committed");
                fence = crate::home::next(&fence);
            }
        })
    });
    for work in works.collect::<Vec<_>>() {
        work.await.expect("no panic");
    }
    let rows = store.outbox(0, usize::MAX).await.expect("rows");
    for (_, key) in keys {
        let versions = rows.iter().filter(|row| row.key == key.as_bytes()).map(|row| row.value.clone());
        let want: Vec<_> =
            (1..=ROUNDS * i64::from(LANES)).map(|version| Some(version.to_be_bytes().to_vec())).collect();
        assert_eq!(versions.collect::<Vec<_>>(), want, "in sequence order of {key}");
    }
}

pub(crate) async fn outbox_rows_lie_in_the_order_they_were_said_in<S: Store>(store: S) {
    let fence = own(&store, lane(0)).await.fence;
    let mut said: Vec<OutRecord> =
        (0..500).map(|n| out("t", 0, &format!("key {}", (n * 7919) % 500))).collect();
    said[3].value = None;
    said[4].headers = Vec::new();
    let half = said.split_off(250);
    let fence = commit(&store, &fence, Changes { outbox: said.clone(), ..Changes::default() }).await;
    commit(&store, &fence, Changes { outbox: half.clone(), ..Changes::default() }).await;
    said.extend(half);
    let rows = store.outbox(0, 400).await.expect("rows");
    assert_eq!(rows.len(), 400);
    assert!(rows.windows(2).all(|pair| pair[0].seq < pair[1].seq));
    let without_seq = |row: &OutRecord| OutRecord { seq: 0, ..row.clone() };
    assert_eq!(rows.iter().map(without_seq).collect::<Vec<_>>(), said[..400]);
    // A lower row that is still there comes first again: nothing is remembered between calls.
    let published: Vec<i64> = rows[1..].iter().map(|row| row.seq).collect();
    store.delete_outbox(&published).await.expect("deleted");
    let left = store.outbox(0, 400).await.expect("rows");
    assert_eq!((left.len(), left[0].seq), (101, rows[0].seq));
}

pub(crate) async fn each_shard_has_its_own_outbox_rows<S: Store>(store: S) {
    let fence = own(&store, lane(0)).await.fence;
    let outbox = (0..6).map(|partition| out("t", partition, "k")).collect();
    commit(&store, &fence, Changes { outbox, ..Changes::default() }).await;
    for shard in 0..SHARDS {
        let rows = store.outbox(shard, 10).await.expect("rows");
        let partitions: Vec<i32> = rows.iter().map(|row| row.partition).collect();
        assert_eq!(partitions, (0..6).filter(|partition| partition % SHARDS == shard).collect::<Vec<_>>());
    }
}

pub(crate) async fn deadlines_fire_by_time_and_then_by_key<S: Store>(store: S) {
    let (fence, other) = (own(&store, lane(0)).await.fence, own(&store, lane(1)).await.fence);
    let past = |key: &str, at: i64| (key.to_owned(), Some(Timestamp(at)));
    // By bytes: capitals before small letters, small letters before what is not ASCII.
    let mut deadlines = vec![
        past("ö", 20),
        past("a", 20),
        past("B", 20),
        past("z", 10),
        past("late", i64::MAX),
        past("x", -5),
    ];
    deadlines.push(past("x", 30));
    let fence = commit(&store, &fence, Changes { deadlines, ..Changes::default() }).await;
    let tx = store.begin(&fence, LEASE, 4).await.expect("a batch");
    let due: Vec<(i64, &str)> = tx.due().iter().map(|(at, key)| (at.0, key.as_str())).collect();
    assert_eq!(due, [(10, "z"), (20, "B"), (20, "a"), (20, "ö")]);
    drop(tx);
    let tx = store.begin(&fence, LEASE, 100).await.expect("a batch");
    assert_eq!(tx.due().last(), Some(&(Timestamp(30), "x".to_owned())), "the last wake of a key wins");
    assert_eq!(tx.due().len(), 5, "what lies ahead does not fire");
    drop(tx);
    let mut tx = store.begin(&fence, LEASE, 0).await.expect("a batch");
    for (key, at) in [("late", Some(Timestamp(i64::MAX))), ("x", Some(Timestamp(30))), ("nobody", None)] {
        assert_eq!(tx.deadline(key).await.expect("an answer"), at, "{key}");
    }
    drop(tx);
    assert_eq!(
        store.begin(&other, LEASE, 100).await.expect("a batch").due(),
        [],
        "another lane's are its own"
    );
}

pub(crate) async fn the_earliest_deadline_is_told_after_each_change<S: Store>(store: S) {
    type Step = (&'static [(&'static str, Option<i64>)], Option<i64>);
    let mut fence = own(&store, lane(0)).await.fence;
    let steps: [Step; 5] = [
        (&[("a", Some(30)), ("b", Some(20))], Some(20)),
        (&[("b", Some(40))], Some(30)),
        (&[("a", None), ("nobody", None)], Some(40)),
        (&[("b", None), ("b", Some(50))], Some(50)),
        (&[("b", None)], None),
    ];
    for (changes, want) in steps {
        let deadlines = changes.iter().map(|(key, at)| ((*key).to_owned(), at.map(Timestamp))).collect();
        let mut tx = store.begin(&fence, LEASE, 0).await.expect("a batch");
        let told = tx.write(Changes { deadlines, ..Changes::default() }).await.expect("written");
        assert_eq!(told, want.map(Timestamp), "{changes:?}");
        tx.commit().await.expect("committed");
        fence = crate::home::next(&fence);
        assert_eq!(store.renew(&fence, LEASE).await.expect("renewed").next_due, want.map(Timestamp));
    }
}

/// A process that was stopped in mid-transaction: its lease passes, its locks must go away, and its transaction with
/// them.
pub(crate) async fn a_stopped_owners_transaction_is_ended<S: Store>(store: S, lease: Duration) {
    store.ensure_lanes(CASES, 1).await.expect("lanes");
    let grant =
        store.take_lane(lane(0), Uuid::new_v4(), lease).await.expect("an answer").expect("a free lane");
    let mut stopped = store.begin(&grant.fence, lease, 0).await.expect("a batch");
    let counter = ("t".to_owned(), "k".to_owned());
    stopped.lock_counters(std::slice::from_ref(&counter)).await.expect("locked");
    let changes = Changes { counters: vec![(counter.clone(), 1)], ..states(&[("x", json!("stale"))]) };
    stopped.write(changes).await.expect("written");
    let heir = Uuid::new_v4();
    let taken = eventually("the lease passes", || async {
        store.take_lane(lane(0), heir, LEASE).await.expect("an answer")
    })
    .await;
    let mut tx = store.begin(&taken.fence, LEASE, 0).await.expect("a batch");
    let counters = tx.lock_counters(std::slice::from_ref(&counter)).await.expect("locked");
    assert_eq!(counters[&counter], 0);
    assert!(stopped.commit().await.is_err(), "the stopped owner goes on, and writes nothing");
    let loaded = tx.load(&Want { keys: vec!["x".into()], ..Want::default() }).await.expect("loaded");
    assert!(loaded.states.is_empty());
    tx.commit().await.expect("committed");
}

pub(crate) async fn a_batch_that_is_given_a_time_is_not_past_it<S: Store>(store: S) {
    let fence = own(&store, lane(0)).await.fence;
    let deadlines = [("early", 500), ("late", 2_000)].map(|(key, at)| (key.to_owned(), Some(Timestamp(at))));
    let mut tx = store.begin_at(&fence, LEASE, 10, Some(Timestamp(400))).await.expect("a batch");
    assert_eq!(tx.now(), Timestamp(400));
    tx.write(Changes { deadlines: deadlines.to_vec(), ..Changes::default() }).await.expect("written");
    tx.commit().await.expect("committed");
    let fence = crate::home::next(&fence);
    for (at, now, due) in [(1_000, 1_000, 1), (100, 400, 0), (i64::MAX, 2_001, 2)] {
        let tx = store.begin_at(&fence, LEASE, 10, Some(Timestamp(at))).await.expect("a batch");
        assert!(tx.now() == Timestamp(now) || (at == i64::MAX && tx.now() > Timestamp(now)), "{at}");
        assert_eq!(tx.due().len(), due, "{at}");
    }
}
