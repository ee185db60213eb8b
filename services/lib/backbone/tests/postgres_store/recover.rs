//! A ledger that went back in time takes over what was published from it.

use crate::home::{CASES, LEASE, WRITER, commit, lane, own};
use backbone::contract::Schemas;
use backbone::journal::Entry;
use backbone::record::{Marks, OutRecord, Record};
use backbone::recover::{Found, How, Reading, Recover};
use backbone::store::{Changes, LaneId, Store, Tx};
use backbone::{Ahead, Emitted, Origin};
use canon::event::{Event, event_id};
use canon::headers::CE_MOMENT;
use canon::{ContentHash, DeadLetter, Headers, Name, Timestamp};
use std::collections::BTreeMap;
use uuid::Uuid;

const SERVICE: &str = "a-service";
const DONE: How<'static> = How::Done { by: "a tester", because: "restored on purpose" };

fn name(number: i64) -> Name {
    Name::new("notice", &[number.to_string()])
}

fn notice(number: i64) -> DeadLetter {
    DeadLetter {
        service: SERVICE.parse().expect("a name"),
        processor: CASES.to_owned(),
        lane: 0,
        topic: "t".to_owned(),
        partition: 0,
        offset: number,
        chain: String::new(),
        reason_class: "invalid".to_owned(),
        reason: "it was".to_owned(),
        parked_at: Timestamp(1),
        event_id: None,
        attempts: 1,
    }
}

fn schemas() -> Schemas {
    Schemas::with(&[(DeadLetter::TOPIC, DeadLetter::SCHEMA)])
}

/// A notice as it lies in the outbox: number, version, revision.
fn out(source: &str, number: i64, version: i64, revision: u32) -> OutRecord {
    let headers = Headers {
        id: event_id(name(number).fact_id(DeadLetter::TOPIC), revision),
        source: source.to_owned(),
        r#type: DeadLetter::TOPIC.to_owned(),
        time: Timestamp(version),
        subject: source.to_owned(),
        version: Some(version),
        revision: Some(revision),
        factname: name(number).to_string(),
        correlationid: None,
        causationid: None,
        facility: None,
        sourceref: None,
        traceparent: None,
    };
    OutRecord {
        seq: 0,
        topic: DeadLetter::TOPIC.to_owned(),
        partition: 0,
        key: source.as_bytes().to_vec(),
        value: canon::codec::encode(1, &notice(number)).ok(),
        headers: headers.to_pairs(),
    }
}

/// Given by lane 0 when it had read this much of a topic.
fn given(number: i64, version: i64, moment: &str) -> OutRecord {
    let mut record = out(SERVICE, number, version, 1);
    record.headers.push((CE_MOMENT.to_owned(), moment.as_bytes().to_vec()));
    record
}

fn found(published: &[OutRecord]) -> Found {
    let (mut found, reading, schemas) = (Found::of(SERVICE), Reading::of::<DeadLetter>(), schemas());
    for (offset, out) in (0..).zip(published) {
        let record = Record {
            topic: DeadLetter::TOPIC,
            partition: out.partition,
            offset,
            timestamp: Timestamp(0),
            key: Some(out.key.clone()),
            value: out.value.clone(),
            headers: out.headers.clone(),
        };
        found.see(&reading, &schemas, &record);
    }
    found
}

fn emitted(number: i64, version: i64, revision: u32) -> Emitted {
    Emitted {
        fact: name(number).fact_id(DeadLetter::TOPIC),
        name: name(number).to_string(),
        topic: DeadLetter::TOPIC.to_owned(),
        key: SERVICE.to_owned(),
        revision,
        version,
        content: ContentHash([7; 16]),
        withdrawn: false,
        wire: vec![1],
        origin: None,
    }
}

fn entry(seq: i64) -> Entry {
    Entry { seq, clock: Timestamp(0), code: "test".to_owned(), ..Entry::default() }
}

fn marks(seqs: &[(i32, i64)]) -> Marks {
    seqs.iter().map(|(lane, seq)| ((CASES.to_owned(), *lane), *seq)).collect()
}

/// Notices 1 and 2 as versions 1 and 2, the second one still in the outbox, under a lane that has come to 1.
async fn a_ledger<S: Store>(store: &S) {
    let fence = own(store, lane(0)).await.fence;
    let changes = Changes {
        emitted: vec![emitted(1, 1, 1), emitted(2, 2, 1)],
        counters: vec![((DeadLetter::TOPIC.to_owned(), SERVICE.to_owned()), 2)],
        outbox: vec![out(SERVICE, 2, 2, 1), out(SERVICE, 9, 9, 1)],
        journal: Some(entry(1)),
        ..Changes::default()
    };
    commit(store, &fence, changes).await;
    own(store, LaneId { processor: WRITER, number: 0 }).await;
}

/// Facts and the counter as the ledger has them.
async fn ledger<S: Store>(store: &S, facts: &[i64]) -> (BTreeMap<i64, Emitted>, i64) {
    let fence = own(store, lane(1)).await.fence;
    let mut tx = store.begin(&fence, LEASE, 0).await.expect("a batch");
    let ids: Vec<Uuid> = facts.iter().map(|number| name(*number).fact_id(DeadLetter::TOPIC)).collect();
    let counter = (DeadLetter::TOPIC.to_owned(), SERVICE.to_owned());
    let counters = tx.lock_counters(std::slice::from_ref(&counter)).await.expect("counters");
    let mut rows = tx.emitted(&ids).await.expect("facts");
    drop(tx);
    store.release_lane(&fence).await.expect("given back");
    let rows = facts.iter().zip(ids).filter_map(|(number, id)| Some((*number, rows.remove(&id)?)));
    (rows.collect(), counters[&counter])
}

pub(crate) async fn what_was_published_and_forgotten_is_taken_over<S: Store + Recover>(store: S) {
    a_ledger(&store).await;
    // Published since: a further revision of 1, and 3; of another service's notices nothing is taken.
    let published = [
        out(SERVICE, 1, 1, 1),
        out(SERVICE, 2, 2, 1),
        out(SERVICE, 1, 3, 2),
        out(SERVICE, 3, 4, 1),
        out("other", 4, 9, 1),
    ];
    let (found, published) = (found(&published), marks(&[(0, 6), (1, 4)]));
    let before = ledger(&store, &[1, 2, 3, 4]).await;
    let told = store.recover(&found, &published, How::DryRun).await.expect("told");
    assert_eq!(ledger(&store, &[1, 2, 3, 4]).await, before, "a dry run changes nothing");
    assert_eq!((told.facts, told.keys, told.outbox), (2, 1, 1));
    let lane = |number: i32| (CASES.to_owned(), number);
    assert_eq!(told.lanes[&lane(0)], (1, 6));
    assert_eq!(told.gated, [(WRITER.to_owned(), 0)]);

    assert_eq!(store.recover(&found, &published, DONE).await.expect("done"), told);
    let (facts, counter) = ledger(&store, &[1, 2, 3, 4]).await;
    let at = |number: i64| facts.get(&number).map(|row| (row.version, row.revision));
    assert_eq!([at(1), at(2), at(3), at(4)], [Some((3, 2)), Some((2, 1)), Some((4, 1)), None]);
    assert_eq!(counter, 4);
    assert_eq!(facts[&2].content, ContentHash([7; 16]), "what the ledger knew best stays");
    assert!(
        facts[&3].content != ContentHash([7; 16])
            && facts[&3].wire == out(SERVICE, 3, 4, 1).value.expect("a value")
    );
    assert!(matches!(&facts[&3].origin, Some(Origin { topic, offset: 3, .. }) if topic == DeadLetter::TOPIC));
    let left = store.outbox(0, 10).await.expect("rows");
    assert_eq!(left.len(), 1, "what was published is not published again");
    let reached = store.reached().await.expect("lanes");
    assert!(reached[&lane(0)] == 6 && reached[&lane(1)] >= 4, "{reached:?}");
    let again = store.recover(&found, &published, DONE).await.expect("done");
    assert!(!again.is_behind(), "{again:?}");
}

pub(crate) async fn what_was_given_lies_ahead_of_its_lane_until_it_is_given_again<S: Store + Recover>(
    store: S,
) {
    a_ledger(&store).await;
    let published = [
        given(1, 1, &format!("{CASES}/0 5 t:1 woken k")),
        given(3, 3, &format!("{CASES}/0 9 t:12 u:1 woken k")),
        given(4, 4, &format!("{CASES}/0 8 t:7 u:1 woken k")),
        given(5, 5, &format!("{CASES}/0 8 t:11 u:1 woken k")),
        given(6, 6, &format!("{CASES}/1 8 t:4 by t")),
        given(7, 7, "unreadable"),
        out(SERVICE, 8, 8, 1),
    ];
    store.recover(&found(&published), &marks(&[(0, 6)]), DONE).await.expect("done");
    let numbers = async |number: i32| {
        let number_of = |ahead: &Ahead| (1..9).find(|of| name(*of).fact_id(DeadLetter::TOPIC) == ahead.fact);
        let ahead = store.ahead(lane(number)).await.expect("what lies ahead");
        assert!(ahead.iter().all(|one| one.version > 2 && one.moment.lane == number), "{ahead:?}");
        ahead.iter().filter_map(number_of).collect::<Vec<_>>()
    };
    assert_eq!(numbers(0).await, [4, 5, 3], "what the ledger knew is not given again");
    assert_eq!(numbers(1).await, [6]);

    let again = store.ahead(lane(0)).await.expect("what lies ahead")[0].clone();
    assert_eq!(again.moment.to_string(), format!("{CASES}/0 8 t:7 u:1 woken k"));
    let origin = Origin { processor: CASES.to_owned(), topic: "t".to_owned(), partition: 0, offset: 6 };
    let restated = Emitted { origin: Some(origin), ..emitted(4, 4, 1) };
    let fence = own(&store, lane(0)).await.fence;
    let fence = commit(&store, &fence, Changes { emitted: vec![restated], ..Changes::default() }).await;
    assert_eq!(numbers(0).await, [5, 3]);
    let left = Some(name(5).fact_id(DeadLetter::TOPIC));
    let fence = commit(&store, &fence, Changes { left, ..Changes::default() }).await;
    assert_eq!(numbers(0).await, [3]);
    commit(&store, &fence, Changes { reread_over: true, ..Changes::default() }).await;
    assert_eq!((numbers(0).await, numbers(1).await), (vec![], vec![6]));
}

pub(crate) async fn what_was_not_published_gets_versions_after_what_was<S: Store + Recover>(store: S) {
    a_ledger(&store).await;
    // Version 2 was published of another notice; that of 2 waits in the outbox under the same one.
    let published = [out(SERVICE, 1, 1, 1), out(SERVICE, 3, 2, 1)];
    let (found, marks) = (found(&published), marks(&[(0, 6)]));
    let recovered = store.recover(&found, &marks, DONE).await.expect("done");
    assert!(recovered.is_behind());
    let left = store.outbox(0, 10).await.expect("rows");
    let left: Vec<Headers> = left.iter().map(headers).collect();
    let told: Vec<_> = left.iter().map(|headers| (headers.factname.clone(), headers.version)).collect();
    assert_eq!(told, [(name(2).to_string(), Some(3)), (name(9).to_string(), Some(4))]);
    let (facts, counter) = ledger(&store, &[1, 2, 3]).await;
    let versions: Vec<i64> = facts.values().map(|row| row.version).collect();
    assert_eq!((versions, counter), (vec![1, 3, 2], 4));
}

fn headers(row: &OutRecord) -> Headers {
    let pairs = row.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
    Headers::from_pairs(pairs).expect("headers of ours")
}

pub(crate) async fn lanes_of_a_recovered_ledger_are_free_and_those_of_sinks_wait<S: Store + Recover>(
    store: S,
) {
    a_ledger(&store).await;
    // The source of what people did: nobody had done anything before the backup, so that it has no cursor.
    let audit = LaneId { processor: "audit", number: 0 };
    own(&store, audit).await;
    // A table without rows has no position either, and was read to its end.
    let table = LaneId { processor: "a.table", number: 0 };
    let complete = Changes { tables_complete: Some(("a.table".to_owned(), 0)), ..Changes::default() };
    commit(&store, &own(&store, table).await.fence, complete).await;
    let held = own(&store, lane(1)).await.fence;
    store.stop_lane(&held, backbone::recover::BEHIND).await.expect("stopped");
    let recovered = store.recover(&found(&[]), &marks(&[(0, 6)]), DONE).await.expect("done");
    assert!(recovered.is_behind());
    assert!(store.renew(&held, LEASE).await.is_err(), "whoever held a lane has lost it");
    assert!(!own(&store, lane(1)).await.stopped);
    assert_eq!(own(&store, lane(0)).await.fence.seq, 6);
    assert!(own(&store, LaneId { processor: WRITER, number: 0 }).await.stopped);
    assert!(!own(&store, audit).await.stopped, "what people do is told of all the same");
    assert!(!own(&store, table).await.stopped, "a table is read");
    assert!(
        !store.are_complete(&[("a.table", 1)]).await.expect("an answer"),
        "and to its end, before it is looked up"
    );
}

pub(crate) async fn a_ledger_that_lacks_nothing_is_left_as_it_is<S: Store + Recover>(store: S) {
    a_ledger(&store).await;
    let held = own(&store, lane(1)).await.fence;
    let published = [out(SERVICE, 1, 1, 1), out(SERVICE, 2, 2, 1)];
    let recovered = store.recover(&found(&published), &marks(&[(0, 1)]), DONE).await.expect("done");
    assert_eq!(recovered, backbone::recover::Recovered::default());
    store.renew(&held, LEASE).await.expect("still ours");
    assert_eq!(store.outbox(0, 10).await.expect("rows").len(), 2, "what may not be published yet stays");
}
