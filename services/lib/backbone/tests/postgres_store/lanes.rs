//! Leases: of lanes, of relay shards, and who is alive.

use crate::home::{CASES, LEASE, commit, eventually, lane, own};
use backbone::store::{Changes, Fence, Fleet, ShardFence, Store, StoreError, Trial, Tx};
use canon::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

/// Passes while a test looks.
const SHORT: Duration = Duration::from_millis(150);

pub(crate) async fn a_lane_is_owned_by_one_instance_until_it_is_given_back<S: Store>(store: S) {
    let grant = own(&store, lane(0)).await;
    assert_eq!((grant.fence.epoch, grant.fence.seq, grant.attempts), (1, 0, 0));
    assert!(grant.positions.is_empty());
    let other = Uuid::new_v4();
    assert_eq!(store.take_lane(lane(0), other, LEASE).await.expect("an answer"), None);
    store.release_lane(&grant.fence).await.expect("given back");
    let grant = store.take_lane(lane(0), other, LEASE).await.expect("an answer").expect("a free lane");
    assert_eq!((grant.fence.epoch, grant.attempts), (2, 0));
}

pub(crate) async fn a_lane_is_free_again_when_its_lease_has_passed<S: Store>(store: S) {
    store.ensure_lanes(CASES, 1).await.expect("lanes");
    let first =
        store.take_lane(lane(0), Uuid::new_v4(), SHORT).await.expect("an answer").expect("a free lane");
    let other = Uuid::new_v4();
    let second = eventually("the lease passes", || async {
        store.take_lane(lane(0), other, LEASE).await.expect("an answer")
    })
    .await;
    assert_eq!(second.fence.epoch, first.fence.epoch + 1);
    assert!(second.now > first.now);
    assert!(matches!(store.begin(&first.fence, LEASE, 0).await.err(), Some(StoreError::Fenced)));
}

pub(crate) async fn a_lane_nobody_made_known_is_not_taken<S: Store>(store: S) {
    assert_eq!(store.take_lane(lane(7), Uuid::new_v4(), LEASE).await.expect("an answer"), None);
}

pub(crate) async fn a_renewed_lane_stays_ours<S: Store>(store: S) {
    store.ensure_lanes(CASES, 1).await.expect("lanes");
    let me = Uuid::new_v4();
    let grant = store.take_lane(lane(0), me, SHORT).await.expect("an answer").expect("a free lane");
    let renewed = store.renew(&grant.fence, LEASE).await.expect("renewed");
    assert!(renewed.now >= grant.now);
    eventually("the first lease has passed", || async {
        let renewed = store.renew(&grant.fence, LEASE).await.expect("renewed");
        (renewed.now > grant.now + SHORT * 2).then_some(())
    })
    .await;
    assert_eq!(store.take_lane(lane(0), Uuid::new_v4(), LEASE).await.expect("an answer"), None);
}

pub(crate) async fn a_renewal_is_fenced_by_epoch_and_by_sequence<S: Store>(store: S) {
    let fence = own(&store, lane(0)).await.fence;
    for stale in [Fence { epoch: fence.epoch - 1, ..fence }, Fence { seq: fence.seq + 1, ..fence }] {
        let refused = store.renew(&stale, LEASE).await.err();
        assert!(matches!(refused, Some(StoreError::Fenced)), "{stale:?}: {refused:?}");
    }
    store.release_lane(&fence).await.expect("given back");
    assert!(matches!(store.renew(&fence, LEASE).await.err(), Some(StoreError::Fenced)));
}

pub(crate) async fn a_lane_is_read_again_only_under_its_epoch<S: Store>(store: S) {
    let fence = own(&store, lane(0)).await.fence;
    let after = commit(
        &store,
        &fence,
        Changes { positions: BTreeMap::from([("a".into(), 7)]), ..Changes::default() },
    )
    .await;
    // The fence it was asked with is the one before: its owner did not hear of the commit.
    let grant = store.resume(&fence).await.expect("an answer").expect("still ours");
    assert_eq!((grant.fence, grant.positions), (after, BTreeMap::from([("a".into(), 7)])));
    store.release_lane(&after).await.expect("given back");
    assert_eq!(store.resume(&after).await.expect("an answer"), None);
    own(&store, lane(0)).await;
    assert_eq!(store.resume(&after).await.expect("an answer"), None);
}

pub(crate) async fn lanes_made_known_again_stay_as_they_are<S: Store>(store: S) {
    let fence = own(&store, lane(0)).await.fence;
    store.ensure_lanes(CASES, 3).await.expect("lanes");
    store.renew(&fence, LEASE).await.expect("still ours");
    let fleet = store.heartbeat(CASES, Uuid::new_v4(), LEASE).await.expect("a fleet");
    assert_eq!(fleet.owners.len(), 3);
}

pub(crate) async fn a_new_owner_is_told_where_the_lane_stands<S: Store>(store: S) {
    let fence = own(&store, lane(1)).await.fence;
    let due = Timestamp(5_000_000);
    let changes = |positions: &[(&str, i64)]| Changes {
        positions: positions.iter().map(|(topic, next)| ((*topic).to_owned(), *next)).collect(),
        deadlines: vec![("x".into(), Some(due)), ("y".into(), Some(Timestamp(9_000_000)))],
        ..Changes::default()
    };
    let fence = commit(&store, &fence, changes(&[("a", 10), ("b", 20)])).await;
    let fence = commit(&store, &fence, changes(&[("b", 21)])).await;
    store.release_lane(&fence).await.expect("given back");
    let grant = own(&store, lane(1)).await;
    assert_eq!(grant.fence, Fence { lane: lane(1), epoch: 2, seq: 2 });
    assert_eq!(grant.positions, BTreeMap::from([("a".into(), 10), ("b".into(), 21)]));
    assert_eq!(grant.next_due, Some(due));
    let other = own(&store, lane(0)).await;
    assert_eq!((other.positions.len(), other.next_due), (0, None), "another lane knows nothing of it");
}

pub(crate) async fn takes_without_a_commit_between_them_are_counted<S: Store>(store: S) {
    store.ensure_lanes(CASES, 1).await.expect("lanes");
    let take = || {
        let me = Uuid::new_v4();
        let store = store.clone();
        async move {
            let take = || async { store.take_lane(lane(0), me, SHORT).await.expect("an answer") };
            eventually("the lease passes", take).await
        }
    };
    for attempts in 0..3 {
        assert_eq!(take().await.attempts, attempts);
    }
    let grant = take().await;
    assert_eq!((grant.attempts, &grant.trial), (3, &None));
    let trial = Some(Trial { topic: "a".into(), offset: 4 });
    let mut tx = store.begin(&grant.fence, SHORT, 0).await.expect("a batch");
    tx.write(Changes { attempts: 4, trial: trial.clone(), ..Changes::default() }).await.expect("written");
    tx.commit().await.expect("committed");
    let grant = take().await;
    assert_eq!((grant.attempts, grant.trial), (4, trial));
    let fence = commit(&store, &grant.fence, Changes::default()).await;
    let grant = store.resume(&fence).await.expect("an answer").expect("still ours");
    assert_eq!((grant.attempts, grant.trial), (0, None), "an ordinary batch clears both");
}

pub(crate) async fn instances_see_each_other_and_who_owns_what<S: Store>(store: S) {
    let mut instances = [Uuid::new_v4(), Uuid::new_v4()];
    instances.sort();
    let [first, second] = instances;
    store.ensure_lanes(CASES, 3).await.expect("lanes");
    store.ensure_lanes("odoo-writer", 1).await.expect("lanes");
    let alone = store.heartbeat(CASES, second, LEASE).await.expect("a fleet");
    assert_eq!(alone, Fleet { instances: vec![second], owners: vec![None, None, None] });
    store.take_lane(lane(1), first, LEASE).await.expect("an answer").expect("a free lane");
    let both = store.heartbeat(CASES, first, LEASE).await.expect("a fleet");
    assert_eq!(both, Fleet { instances: vec![first, second], owners: vec![None, Some(first), None] });
    store.leave(CASES, first).await.expect("gone");
    let left = store.heartbeat(CASES, second, LEASE).await.expect("a fleet");
    assert_eq!(left, Fleet { instances: vec![second], owners: vec![None, Some(first), None] });
}

pub(crate) async fn a_silent_instance_is_forgotten<S: Store>(store: S) {
    let (silent, loud) = (Uuid::new_v4(), Uuid::new_v4());
    store.ensure_lanes(CASES, 1).await.expect("lanes");
    store.heartbeat(CASES, silent, SHORT).await.expect("a fleet");
    store.take_lane(lane(0), silent, SHORT).await.expect("an answer").expect("a free lane");
    eventually("heartbeat and lease pass", || async {
        let fleet = store.heartbeat(CASES, loud, LEASE).await.expect("a fleet");
        (fleet == Fleet { instances: vec![loud], owners: vec![None] }).then_some(())
    })
    .await;
}

pub(crate) async fn a_shard_is_relayed_by_one_instance_at_a_time<S: Store>(store: S) {
    let (first, second) = (Uuid::new_v4(), Uuid::new_v4());
    let take = |instance, lease| {
        let store = store.clone();
        async move { store.take_shard(1, instance, lease).await.expect("an answer") }
    };
    let held = take(first, SHORT).await.expect("a free shard");
    assert_eq!(held, ShardFence { shard: 1, epoch: 1 });
    store.hold_shard(&held, LEASE).await.expect("held");
    assert_eq!(take(second, LEASE).await, None);
    store.hold_shard(&held, SHORT).await.expect("held");
    let newer = eventually("the lease passes", || take(second, LEASE)).await;
    assert_eq!(newer, ShardFence { shard: 1, epoch: 2 });
    assert!(matches!(store.hold_shard(&held, LEASE).await.err(), Some(StoreError::Fenced)));
    store.release_shard(&held).await.expect("an answer");
    store.hold_shard(&newer, LEASE).await.expect("a stale holder gives nothing back");
    store.release_shard(&newer).await.expect("given back");
    assert!(matches!(store.hold_shard(&newer, LEASE).await.err(), Some(StoreError::Fenced)));
    assert_eq!(take(first, LEASE).await, Some(ShardFence { shard: 1, epoch: 3 }));
    let elsewhere = store.take_shard(99, first, LEASE).await.expect("an answer");
    assert_eq!(elsewhere, None, "there is no such shard");
}
