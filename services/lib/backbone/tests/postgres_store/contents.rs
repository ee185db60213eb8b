//! Everything comes back as it was written.

use crate::home::{CASES, Inspect, LEASE, WRITER, commit, lane, load, next, own, state, states};
use backbone::again::Again;
use backbone::journal::{Culprit, CutOver, Edited, Entry, Place, Released, Segment};
use backbone::record::Record;
use backbone::store::{Changes, Decision, Effect, Ended, LaneId, Parked, ParkedItem, Store, Tx, Want};
use backbone::wish::{Chosen, Outcome, Wish};
use backbone::{Emitted, Origin, Reason, Reject};
use canon::{ContentHash, Timestamp};
use serde_json::{Value, json};
use std::collections::HashSet;
use uuid::Uuid;

pub(crate) async fn states_come_back_as_they_were_written<S: Store>(store: S) {
    let fence = own(&store, lane(0)).await.fence;
    let bodies = [
        ("plain", json!({"open": {"c1": {"amount": "12.34"}}, "billed": [], "finished": false})),
        ("nothing", Value::Null),
        ("text", json!("Ünïcode, \"quotes\", \\ and \n")),
        ("nul", json!({"field": "a\u{0}b"})),
        ("numbers", json!([i64::MIN, u64::MAX, 0.1, -0.0])),
        ("a key with 'quotes' and ünïcode", json!(1)),
    ];
    let fence = commit(&store, &fence, states(&bodies)).await;
    let keys: Vec<&str> = bodies.iter().map(|(key, _)| *key).chain(["unknown"]).collect();
    let loaded = load(&store, &fence, &keys).await;
    assert_eq!(loaded.states.len(), bodies.len());
    for (key, body) in bodies {
        assert_eq!(loaded.states[key], state(body), "{key}");
    }
    let writer = own(&store, LaneId { processor: WRITER, number: 0 }).await.fence;
    assert!(load(&store, &writer, &keys).await.states.is_empty(), "each processor has its own");
}

pub(crate) async fn of_a_key_written_twice_the_last_state_stays<S: Store>(store: S) {
    let fence = own(&store, lane(0)).await.fence;
    let fence = commit(&store, &fence, states(&[("x", json!(1)), ("y", json!(2)), ("x", json!(3))])).await;
    let fence = commit(&store, &fence, states(&[("y", json!(4))])).await;
    let loaded = load(&store, &fence, &["x", "y", "x"]).await;
    assert_eq!((&loaded.states["x"].body, &loaded.states["y"].body), (&json!(3), &json!(4)));
}

fn record(offset: i64, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[(&str, &[u8])]) -> Record {
    Record {
        topic: "raw.hl7v2.v1",
        partition: 0,
        offset,
        timestamp: Timestamp(77),
        key: key.map(<[u8]>::to_vec),
        value: value.map(<[u8]>::to_vec),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect(),
    }
}

fn parked(chain: Option<&str>, item: ParkedItem) -> Parked {
    let detail = "PID-3 is missing\u{0}".to_owned();
    Parked::of(chain.map(str::to_owned), item, Reject::new(Reason::Invalid, detail), Timestamp(99))
}

pub(crate) async fn a_parked_chain_is_met_by_every_lane_of_its_processor<S: Store>(store: S) {
    let (first, second) = (own(&store, lane(0)).await.fence, own(&store, lane(1)).await.fence);
    let writer = own(&store, LaneId { processor: WRITER, number: 0 }).await.fence;
    let deadline = ParkedItem::Deadline { key: "k2".into(), at: Timestamp(5) };
    let items = vec![
        parked(Some("k1"), ParkedItem::Record(record(1, Some(b"k1"), None, &[]))),
        parked(Some("k2"), deadline),
        parked(None, ParkedItem::Record(record(2, Some(b"k3"), None, &[]))),
    ];
    commit(&store, &first, Changes { parked: items, ..Changes::default() }).await;
    let want: HashSet<String> = ["k1".to_owned(), "k2".to_owned()].into();
    assert_eq!(load(&store, &second, &["k1", "k2", "k3", "k4"]).await.parked, want);
    assert_eq!(load(&store, &writer, &["k1", "k2"]).await.parked, HashSet::new());
}

pub(crate) async fn parked_records_keep_their_very_bytes<S: Inspect>(store: S) {
    let fence = own(&store, lane(0)).await.fence;
    let headers: &[(&str, &[u8])] = &[("ce_id", b"1"), ("ce_id", &[0, 255, 13]), ("empty", b"")];
    let records = [
        record(1, Some(&[0xff, 0]), Some(b"MSH|^~\\&|\r\x00\xfe"), headers),
        record(2, None, None, &[]),
        record(3, Some(b""), Some(b""), &[]),
    ];
    let items = records.iter().map(|record| parked(None, ParkedItem::Record(record.clone()))).collect();
    commit(&store, &fence, Changes { parked: items, ..Changes::default() }).await;
    let kept = store.parked_bytes(CASES).await;
    let want = records
        .map(|record| (record.topic.to_owned(), record.offset, record.key, record.value, record.headers));
    assert_eq!(kept, want);
}

pub(crate) async fn identities_once_seen_are_known<S: Store>(store: S) {
    let fence = own(&store, lane(0)).await.fence;
    let [one, two, three] = [1, 2, 3].map(Uuid::from_u128);
    let seen = vec![("a".into(), one), ("a".into(), two), ("b".into(), one), ("a".into(), one)];
    let fence = commit(&store, &fence, Changes { seen, ..Changes::default() }).await;
    let fence = commit(&store, &fence, Changes { seen: vec![("a".into(), two)], ..Changes::default() }).await;
    let mut tx = store.begin(&fence, LEASE, 0).await.expect("a batch");
    let identities = vec![("a".into(), three), ("a".into(), one), ("c".into(), one)];
    let loaded = tx.load(&Want { identities, ..Want::default() }).await.expect("loaded");
    assert_eq!(loaded.seen.get("a"), Some(&HashSet::from([one, two])), "all that were seen under the name");
    assert_eq!(loaded.seen.get("c").map_or(0, HashSet::len), 0);
    assert!(!loaded.seen.contains_key("b"));
}

pub(crate) async fn the_emission_ledger_keeps_the_latest_revision<S: Store>(store: S) {
    let fence = own(&store, lane(0)).await.fence;
    let row = |fact: u128, revision: u32| Emitted {
        fact: Uuid::from_u128(fact),
        name: "charge/1%2F2".into(),
        topic: "billing.charge.v1".into(),
        key: "k".into(),
        revision,
        version: i64::from(revision) + 10,
        content: ContentHash([u8::try_from(revision).unwrap_or(0); 16]),
        withdrawn: revision == 2,
        wire: vec![0, 0, 0, 0, 1, 255],
        origin: (fact == 2).then(|| origin(i64::from(revision))),
    };
    let changes = |emitted| Changes { emitted, ..Changes::default() };
    let fence = commit(&store, &fence, changes(vec![row(1, 1), row(2, 1), row(2, u32::MAX)])).await;
    let fence = commit(&store, &fence, changes(vec![row(1, 2)])).await;
    let mut tx = store.begin(&fence, LEASE, 0).await.expect("a batch");
    let known = tx.emitted(&[1, 2, 3].map(Uuid::from_u128)).await.expect("rows");
    assert_eq!(known.len(), 2);
    assert_eq!(known[&Uuid::from_u128(1)], row(1, 2));
    assert_eq!(known[&Uuid::from_u128(2)], row(2, u32::MAX));
    assert!(tx.emitted(&[]).await.expect("rows").is_empty());
}

pub(crate) async fn the_effect_ledger_keeps_what_became_of_a_command<S: Store>(store: S) {
    let writer = own(&store, LaneId { processor: WRITER, number: 0 }).await.fence;
    let effect = |command: u128, ended, their_id: Option<&str>| Effect {
        command: Uuid::from_u128(command),
        name: "invoice/1".into(),
        ended,
        their_id: their_id.map(str::to_owned),
        at: Timestamp(5),
    };
    let effects = vec![effect(1, Ended::Applied, Some("account.move,7")), effect(2, Ended::Parked, None)];
    let fence = commit(&store, &writer, Changes { effects, ..Changes::default() }).await;
    let redriven = effect(2, Ended::Applied, None);
    let fence =
        commit(&store, &fence, Changes { effects: vec![redriven.clone()], ..Changes::default() }).await;
    let mut tx = store.begin(&fence, LEASE, 0).await.expect("a batch");
    let known = tx.effects(&[1, 2, 3].map(Uuid::from_u128)).await.expect("rows");
    assert_eq!(known.len(), 2);
    assert_eq!(known[&Uuid::from_u128(1)], effect(1, Ended::Applied, Some("account.move,7")));
    assert_eq!(known[&Uuid::from_u128(2)], redriven);
}

pub(crate) async fn parked_inputs_are_found_by_number_with_their_chains<S: Inspect>(store: S) {
    let fence = own(&store, lane(0)).await.fence;
    let other = own(&store, lane(1)).await.fence;
    let item = |offset| ParkedItem::Record(record(offset, Some(b"k"), Some(b"v"), &[("ce_id", b"1")]));
    let chains = [Some("a"), Some("b"), Some("a"), None, None];
    let all: Vec<Parked> = (1..).zip(chains).map(|(offset, chain)| parked(chain, item(offset))).collect();
    let fence = commit(&store, &fence, Changes { parked: all.clone(), ..Changes::default() }).await;
    commit(&store, &other, Changes { parked: vec![parked(Some("c"), item(6))], ..Changes::default() }).await;
    let mut tx = store.begin(&fence, LEASE, 0).await.expect("a batch");
    let numbers: Vec<i64> = (0..99).collect();
    let found = tx.parked(&numbers).await.expect("rows");
    let items =
        found.iter().map(|(_, parked)| (parked.chain.clone(), parked.item.clone())).collect::<Vec<_>>();
    let put = all.iter().map(|parked| (parked.chain.clone(), parked.item.clone())).collect::<Vec<_>>();
    assert_eq!(items, put, "in park order, of the lane");
    let number = |index: usize| found[index].0;
    // (asked for, found), by their places in `all`.
    for (asked, expected) in
        [(vec![2], vec![0, 2]), (vec![3, 1], vec![1, 3]), (vec![4], vec![4]), (vec![], vec![])]
    {
        let asked: Vec<i64> = asked.into_iter().map(number).collect();
        let rows = tx.parked(&asked).await.expect("rows");
        let rows: Vec<i64> = rows.into_iter().map(|(number, _)| number).collect();
        assert_eq!(rows, expected.into_iter().map(number).collect::<Vec<_>>());
    }
}

pub(crate) async fn what_was_decided_is_kept_with_the_bytes_that_came<S: Inspect>(store: S) {
    let mut fence = own(&store, lane(0)).await.fence;
    let intent = store.ask(lane(0), Wish::Discard { inputs: vec![1], dry_run: false }).await;
    let topic = "raw.hl7v2.v1".to_owned();
    let decision = |offset, was: &[u8], now: Option<&[u8]>| Decision {
        topic: topic.clone(),
        offset,
        was: Some(was.to_vec()),
        now: now.map(<[u8]>::to_vec),
        intent,
    };
    let rounds = [
        vec![decision(3, b"came", Some(b"edited")), decision(4, b"bad", None)],
        vec![decision(3, b"edited", Some(b"edited again")), decision(9, b"beyond", None)],
    ];
    for decisions in rounds {
        fence = commit(&store, &fence, Changes { decisions, ..Changes::default() }).await;
    }
    let mut tx = store.begin(&fence, LEASE, 0).await.expect("a batch");
    let decided = tx.decisions(&topic, 0..9).await.expect("rows");
    assert_eq!(decided, [(3, Some(b"edited again".to_vec())), (4, None)].into());
    assert!(tx.decisions("billing.charge.v1", 0..9).await.expect("rows").is_empty());
}

pub(crate) async fn an_intent_is_open_until_it_is_ended_and_tells_how_often_it_was_begun<S: Inspect>(
    store: S,
) {
    let fence = own(&store, lane(0)).await.fence;
    let wish = Wish::Edit { input: 7, value: vec![0, 255], dry_run: true };
    let id = store.ask(lane(0), wish.clone()).await;
    let later = store.ask(lane(0), Wish::Redrive { inputs: vec![1], dry_run: false }).await;
    let begun = Changes { begun: Some(id), ..Changes::default() };
    let fence = commit(&store, &fence, begun).await;
    let mut tx = store.begin(&fence, LEASE, 0).await.expect("a batch");
    let intent = tx.intent().await.expect("an answer").expect("an intent");
    assert_eq!((intent.id, intent.wish, intent.tries), (id, Some(wish), 1));
    let outcome =
        Outcome { resolved: 3, missed: 1, rejected: [("invalid".into(), 2)].into(), ..Outcome::default() };
    tx.write(Changes { ended: Some((id, outcome.clone())), ..Changes::default() }).await.expect("written");
    tx.commit().await.expect("committed");
    assert_eq!((store.outcome(id).await, store.outcome(later).await), (Some(outcome), None));
    let mut tx = store.begin(&next(&fence), LEASE, 0).await.expect("a batch");
    assert_eq!(tx.intent().await.expect("an answer").map(|intent| intent.id), Some(later));
}

pub(crate) async fn a_journal_entry_comes_back_as_it_was_written<S: Inspect>(store: S) {
    let mut fence = own(&store, lane(0)).await.fence;
    let topic = "billing.charge.v1".to_owned();
    let entry = |seq| Entry {
        tables: 7,
        discarded: vec![
            Place::Record { topic: topic.clone(), offset: 5 },
            Place::Deadline { key: "b".into(), at: Timestamp(6) },
        ],
        edited: vec![Edited { topic: topic.clone(), offset: 6, value: vec![0, 13, 255] }],
        released: vec![
            Released::Chain("schlüssel".into()),
            Released::Head("b".into()),
            Released::Alone { topic: topic.clone(), offset: 4 },
        ],
        again: (seq == 2).then(|| Again {
            topic: topic.clone(),
            first: 0,
            next: 9,
            chosen: Chosen {
                since: Timestamp(i64::MIN),
                until: Some(Timestamp(7)),
                sender: Some("north".to_owned()),
            },
            parked: [3, 5].into(),
        }),
        cut_over: (seq == 3).then_some(CutOver { replay: 2, back: true, tables_at: Some(4) }),
        seq,
        clock: Timestamp(1_800_000_000_123_456 + seq),
        fired_to: (seq == 1).then(|| (Timestamp(i64::MIN), "schlüssel".to_owned())),
        put_off_to: (seq == 3).then_some(Timestamp(9)),
        fired_early: (seq == 2).then(|| (Timestamp(7), "another".to_owned())),
        segments: vec![Segment { topic: topic.clone(), first: 0, next: i64::MAX }],
        culprits: vec![Culprit {
            topic: topic.clone(),
            offset: 3,
            reason: Reason::Crash,
            detail: "the process died over it\u{0}".into(),
        }],
        code: "1.0 Setup { hold: \"48h\" }".into(),
    };
    for seq in 1..=3 {
        fence = commit(&store, &fence, Changes { journal: Some(entry(seq)), ..Changes::default() }).await;
    }
    assert_eq!(store.journal(lane(0)).await, [entry(1), entry(2), entry(3)]);
    assert_eq!(store.journal(lane(1)).await, []);
}

fn origin(offset: i64) -> Origin {
    let (processor, topic) = (crate::home::CASES.to_owned(), "raw.hl7v2.v1".to_owned());
    Origin { processor, topic, partition: 0, offset }
}

pub(crate) async fn what_records_of_a_range_stated_is_found_by_their_offsets<S: Inspect>(store: S) {
    let fence = own(&store, lane(0)).await.fence;
    let row = |fact: u128, offset: Option<i64>, withdrawn: bool| Emitted {
        fact: Uuid::from_u128(fact),
        name: format!("charge/{fact}"),
        topic: "billing.charge.v1".into(),
        key: "k".into(),
        revision: 1,
        version: 1,
        content: ContentHash([0; 16]),
        withdrawn,
        wire: vec![0],
        origin: offset.map(origin),
    };
    let rows =
        vec![row(1, Some(4), false), row(2, Some(5), true), row(3, Some(6), false), row(4, None, false)];
    let fence = commit(&store, &fence, Changes { emitted: rows.clone(), ..Changes::default() }).await;
    let mut tx = store.begin(&fence, LEASE, 0).await.expect("a batch");
    assert_eq!(tx.stated("raw.hl7v2.v1", 4..6).await.expect("an answer"), [rows[0].clone()]);
    assert_eq!(tx.stated("raw.hl7v2.v1", 0..9).await.expect("an answer").len(), 2);
    assert_eq!(tx.stated("raw.other", 0..9).await.expect("an answer"), []);
}

pub(crate) async fn a_stopped_lane_is_told_to_whoever_takes_or_renews_it<S: Inspect>(store: S) {
    let grant = own(&store, lane(0)).await;
    assert!(!grant.stopped && !store.renew(&grant.fence, LEASE).await.expect("renewed").stopped);
    let stop = Changes { stop: Some("too many rejects".to_owned()), ..Changes::default() };
    let fence = commit(&store, &grant.fence, stop).await;
    let told = store.renew(&fence, LEASE).await.expect("renewed");
    assert!(told.stopped && !told.wish);
    // A batch that stops nothing leaves it stopped.
    let fence = commit(&store, &fence, Changes::default()).await;
    assert!(store.resume(&fence).await.expect("an answer").expect("a grant").stopped);
}
