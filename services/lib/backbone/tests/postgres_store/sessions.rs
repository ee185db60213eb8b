//! Sessions on PostgreSQL: locks, lost connections, errors without data, and what operators see.

use crate::home::{
    CASES, Home, LEASE, SHARDS, commit, eventually, lane, next, on_postgres, own, processors, said,
};
use backbone::env::{Env, Unwatched};
use backbone::postgres::{OpenError, PostgresStore, look};
use backbone::record::{OutRecord, Record};
use backbone::store::{Changes, Parked, ParkedItem, Store, StoreError, Tx};
use backbone::{Reason, Reject};
use canon::Timestamp;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_server_holds_no_value() {
    on_postgres(LEASE, |home| async move {
        let raw = home.raw().await;
        raw.batch_execute("ALTER TABLE deadline ADD CONSTRAINT small CHECK (length(key) < 5)")
            .await
            .expect("altered");
        let fence = own(&home.store, lane(0)).await.fence;
        let mut tx = home.store.begin(&fence, LEASE, 0).await.expect("a batch");
        let deadlines = vec![("DOE^JANE".into(), Some(Timestamp(1)))];
        let error = tx.write(Changes { deadlines, ..Changes::default() }).await.expect_err("refused");
        let text = said(&error);
        assert!(text.contains("23514") && text.contains("small") && text.contains("deadline"), "{text}");
        assert!(!text.contains("DOE"), "{text}");
        // After an error nothing is committed, whatever is asked for.
        assert!(matches!(tx.commit().await.err(), Some(StoreError::Unavailable { .. })));
        home.store.begin(&fence, LEASE, 0).await.expect("the connection was not used again");
        let keys = vec!["DOE\u{0}JANE".to_owned()];
        let mut tx = home.store.begin(&fence, LEASE, 0).await.expect("a batch");
        let want = backbone::store::Want { keys, ..Default::default() };
        let text = said(&tx.load(&want).await.expect_err("refused"));
        assert!(text.contains("22021") && !text.contains("DOE"), "{text}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_whose_row_is_locked_is_not_free_and_nobody_waits_for_it() {
    on_postgres(LEASE, |home| async move {
        home.store.ensure_lanes(CASES, 1).await.expect("lanes");
        let short = Duration::from_millis(1);
        let grant =
            home.store.take_lane(lane(0), Uuid::new_v4(), short).await.expect("an answer").expect("free");
        let tx = home.store.begin(&grant.fence, short, 0).await.expect("a batch");
        let take = || home.store.take_lane(lane(0), Uuid::new_v4(), LEASE);
        let answer = tokio::time::timeout(Duration::from_secs(5), take()).await.expect("no waiting");
        assert_eq!(answer.expect("an answer"), None);
        tx.commit().await.expect("committed");
        let taken = eventually("the lease passes", || async { take().await.expect("an answer") }).await;
        assert_eq!(taken.fence.seq, 1, "the last commit of the owner before is seen");
    })
    .await;
}

/// Ends every session of the ledger but the test's own, as a restart of the server does.
async fn end_sessions(home: &Home, raw: &tokio_postgres::Client) {
    let name = format!("{:.50}/{:.8}", home.settings.service, home.settings.instance.simple().to_string());
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1";
    assert!(!raw.query(sql, &[&name]).await.expect("ended").is_empty(), "no session of {name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_were_ended_are_replaced() {
    on_postgres(LEASE, |home| async move {
        let raw = home.raw().await;
        let fence = own(&home.store, lane(0)).await.fence;
        for _ in 0..3 {
            end_sessions(&home, &raw).await;
            eventually("a call works again", || async {
                match home.store.renew(&fence, LEASE).await {
                    Ok(_) => Some(()),
                    Err(StoreError::Unavailable { .. }) => None,
                    Err(other) => panic!("{other}"),
                }
            })
            .await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_over_a_lost_connection_is_unknown_and_nothing_was_written() {
    on_postgres(LEASE, |home| async move {
        let raw = home.raw().await;
        let fence = own(&home.store, lane(0)).await.fence;
        let mut tx = home.store.begin(&fence, LEASE, 0).await.expect("a batch");
        let positions = [("t".to_owned(), 1)].into();
        tx.write(Changes { positions, ..Changes::default() }).await.expect("written");
        end_sessions(&home, &raw).await;
        assert!(matches!(tx.commit().await.err(), Some(StoreError::CommitUnknown)));
        let grant =
            eventually("the lane is read again", || async { home.store.resume(&fence).await.ok() }).await;
        let grant = grant.expect("still ours");
        assert_eq!((grant.fence, grant.positions.len()), (fence, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_is_read_again_only_after_a_commit_in_doubt_has_ended() {
    on_postgres(LEASE, |home| async move {
        let fence = own(&home.store, lane(0)).await.fence;
        let mut doubtful = home.store.begin(&fence, LEASE, 0).await.expect("a batch");
        let positions = [("t".to_owned(), 5)].into();
        doubtful.write(Changes { positions, ..Changes::default() }).await.expect("written");
        let mut reading = tokio::spawn({
            let store = home.store.clone();
            async move { store.resume(&fence).await }
        });
        let early = tokio::time::timeout(Duration::from_millis(200), &mut reading).await;
        assert!(early.is_err(), "it did not wait");
        doubtful.commit().await.expect("committed");
        let grant = reading.await.expect("no panic").expect("an answer").expect("still ours");
        assert_eq!((grant.fence, grant.positions["t"]), (next(&fence), 5));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_dropped_while_it_waits_is_rolled_back_and_its_session_closed() {
    on_postgres(LEASE, |home| async move {
        let (first, second) = (own(&home.store, lane(0)).await.fence, own(&home.store, lane(1)).await.fence);
        let counter = [("t".to_owned(), "k".to_owned())];
        let mut holder = home.store.begin(&first, LEASE, 0).await.expect("a batch");
        holder.lock_counters(&counter).await.expect("locked");
        let mut waiter = home.store.begin(&second, LEASE, 0).await.expect("a batch");
        let early = tokio::time::timeout(Duration::from_millis(100), waiter.lock_counters(&counter)).await;
        assert!(early.is_err(), "it did not wait");
        drop(waiter);
        // The server notices that nobody listens any more, long before the statement's time-out.
        let again = tokio::time::timeout(Duration::from_secs(10), home.store.begin(&second, LEASE, 0)).await;
        again.expect("in time").expect("a batch").commit().await.expect("committed");
        holder.commit().await.expect("committed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_see_lanes_parked_inputs_and_the_outbox() {
    on_postgres(LEASE, |home| async move {
        let fence = own(&home.store, lane(0)).await.fence;
        assert_eq!(look::outbox(&home.store).await.expect("an answer"), look::OutboxSeen::default());
        let record = Record {
            topic: "raw.hl7v2.v1",
            partition: 0,
            offset: 3,
            timestamp: Timestamp(7),
            key: None,
            value: Some(b"MSH".to_vec()),
            headers: Vec::new(),
        };
        let at = Timestamp(9);
        let item = |item, reason| Parked::of(Some("k".into()), item, Reject::new(reason, "why"), at);
        let outbox = vec![OutRecord {
            seq: 0,
            topic: "t".into(),
            partition: 0,
            key: vec![1],
            value: None,
            headers: Vec::new(),
        }];
        let changes = Changes {
            parked: vec![
                item(ParkedItem::Record(record), Reason::Decode),
                item(ParkedItem::Deadline { key: "k".into(), at }, Reason::Behind),
            ],
            positions: [("raw.hl7v2.v1".to_owned(), 4)].into(),
            outbox,
            ..Changes::default()
        };
        commit(&home.store, &fence, changes).await;
        let lanes = look::lanes(&home.store, CASES).await.expect("lanes");
        assert_eq!((lanes.len(), lanes[0].epoch, lanes[0].seq, lanes[0].owner.is_some()), (1, 1, 1, true));
        let positions = look::positions(&home.store, CASES).await.expect("positions");
        assert_eq!(positions[&(0, "raw.hl7v2.v1".to_owned())], 4);
        let parked = look::parked(&home.store, CASES).await.expect("parked");
        assert_eq!(parked.iter().map(|one| one.reason).collect::<Vec<_>>(), [Reason::Decode, Reason::Behind]);
        assert_eq!(parked[0].record.as_ref().map(|record| record.offset), Some(3));
        assert_eq!(parked[1].deadline, Some(("k".to_owned(), at)));
        assert!(look::bytes(&home.store, parked[1].id).await.expect("an answer").is_none());
        let outbox = look::outbox(&home.store).await.expect("an answer");
        assert_eq!(outbox.rows, 1);
        assert!(outbox.oldest_age.is_some_and(|age| age < LEASE));
        home.store.ping().await.expect("an answer");
    })
    .await;
}

/// Waits as the machine does.
#[derive(Clone)]
struct Machine;

impl Env for Machine {
    async fn sleep(&self, how_long: Duration) {
        tokio::time::sleep(how_long).await;
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn jitter_permille(&self) -> u32 {
        0
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_waits_for_a_server_that_is_away_until_told_to_stop() {
    on_postgres(LEASE, |home| async move {
        let mut settings = home.settings.clone();
        let nobody = "postgres://me:hunter2@127.0.0.1:1/nowhere";
        settings.url = backbone::settings::ServiceUrl::parse(nobody, &["postgres"]).expect("a URL");
        let error = PostgresStore::connect(&settings, SHARDS, &processors()).await.err().expect("nobody there");
        assert!(matches!(error, OpenError::Store(StoreError::Unavailable { .. })), "{error}");
        assert!(!said(&error).contains("hunter2"), "{error:?}");
        let stop = CancellationToken::new();
        let mut opening = tokio::spawn({
            let stop = stop.clone();
            async move {
                PostgresStore::open(&settings, SHARDS, &processors(), &Machine, &Unwatched, &stop).await
            }
        });
        let early = tokio::time::timeout(Duration::from_millis(300), &mut opening).await;
        assert!(early.is_err(), "it did not wait");
        stop.cancel();
        assert!(opening.await.expect("no panic").expect("no mistake").is_none());
        let stop = CancellationToken::new();
        let opened = PostgresStore::open(&home.settings, SHARDS, &processors(), &Machine, &Unwatched, &stop).await;
        assert!(opened.expect("no mistake").is_some());
    })
    .await;
}
