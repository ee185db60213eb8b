//! The edge towards Kafka, on a real broker: `VERTEBRA_TEST_KAFKA` names it.

mod kafka_stand;

use backbone::edge::{BEGINNING, LaneReader, Log, Producer, Publisher, Witness};
use backbone::health::Health;
use backbone::kafka::{
    KafkaLog, KafkaMarks, KafkaPublisher, KafkaSettings, Landing, LandingProducer, LogSettings, TopicMistake,
    Visible, tail,
};
use backbone::record::{Marks, OutRecord, Record};
use canon::catalog::Catalog;
use futures::future::join_all;
use kafka_stand::Stand;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const WAIT: Duration = Duration::from_millis(200);
const DEADLINE: Duration = Duration::from_secs(180);
const LEASE: Duration = Duration::from_secs(10);

fn out(topic: &str, partition: i32, seq: i64) -> OutRecord {
    OutRecord {
        seq,
        topic: topic.to_owned(),
        partition,
        key: b"key".to_vec(),
        value: Some(format!("{seq}").into_bytes()),
        headers: vec![("ce_id".to_owned(), seq.to_string().into_bytes())],
    }
}

async fn land(producer: &LandingProducer, topic: &str, partition: i32, value: &str) -> backbone::kafka::Ack {
    let headers = [("ce_type".to_owned(), b"test".to_vec())];
    let landing = Landing { topic, partition, key: b"key", value: value.as_bytes(), headers: &headers };
    producer.send(landing).await.expect("taken")
}

/// Reads a lane until it holds so many records, or the deadline passes.
async fn read(reader: &mut impl LaneReader, count: usize, max: usize) -> Vec<Record> {
    let begun = Instant::now();
    let mut records = Vec::new();
    while records.len() < count && begun.elapsed() < DEADLINE {
        records.extend(reader.next(max, WAIT).await.expect("records"));
    }
    records
}

#[track_caller]
fn check_unbroken(records: &[Record], topic: &str, first: i64, count: usize) {
    let offsets = records.iter().filter(|record| record.topic == topic).map(|record| record.offset);
    let expected: Vec<i64> = (first..).take(count).collect();
    assert_eq!(offsets.collect::<Vec<_>>(), expected, "{topic}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_repeated_while_lanes_open_and_close_under_load() {
    let Some(stand) = Stand::try_new().await else {
        return;
    };
    let (a, b) = (stand.topic("a", 6).await, stand.topic("b", 6).await);
    let each = 12_000;
    let producer = LandingProducer::start(&stand.kafka, None).expect("a producer");
    let writing = async {
        for chunk in 0..each / 500 {
            let mut acks = Vec::new();
            for number in chunk * 500..(chunk + 1) * 500 {
                for partition in 0..6 {
                    acks.push(land(&producer, a, partition, &number.to_string()).await);
                    acks.push(land(&producer, b, partition, &number.to_string()).await);
                }
            }
            for ack in join_all(acks).await {
                ack.expect("durable");
            }
        }
    };
    let settings = LogSettings { lane_records_max: 700, ..LogSettings::new(stand.name("group")) };
    let log = KafkaLog::start(&stand.kafka, &settings, None).expect("a log");

    // Lanes 0 to 2 stay open; lanes 3 to 5 are given back and taken again at their positions, over and over.
    let steady = async |lane: i32| {
        let mut reader = log.open(lane, &[(a, 0), (b, 0)]).await.expect("a lane");
        read(&mut reader, 2 * each, 500).await
    };
    let restless = async |lane: i32| {
        let mut positions = BTreeMap::from([(a, 0), (b, 0)]);
        let mut all: Vec<Record> = Vec::new();
        let begun = Instant::now();
        let mut rounds = 0;
        while all.len() < 2 * each && begun.elapsed() < DEADLINE {
            let list: Vec<(&'static str, i64)> = positions.iter().map(|(topic, at)| (*topic, *at)).collect();
            let mut reader = log.open(lane, &list).await.expect("a lane");
            let count = (2 * each - all.len()).min(400);
            for record in read(&mut reader, count, 100).await {
                positions.insert(record.topic, record.offset + 1);
                all.push(record);
            }
            rounds += 1;
        }
        assert!(rounds > 10, "lane {lane} was opened {rounds} times only");
        all
    };
    let begun = Instant::now();
    let ((), one, two, three, four, five, six) =
        tokio::join!(writing, steady(0), steady(1), steady(2), restless(3), restless(4), restless(5));
    println!("{} records in {:?}", 12 * each, begun.elapsed());
    for (lane, records) in [one, two, three, four, five, six].iter().enumerate() {
        println!("lane {lane}: {} records", records.len());
        check_unbroken(records, a, 0, each);
        check_unbroken(records, b, 0, each);
    }
    drop(log);
    stand.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_is_told_when_all_was_returned_and_not_for_silence() {
    let Some(stand) = Stand::try_new().await else {
        return;
    };
    let (a, b) = (stand.topic("a", 1).await, stand.topic("b", 1).await);
    let producer = LandingProducer::start(&stand.kafka, None).expect("a producer");
    let count = 3_000;
    let mut acks = Vec::new();
    for number in 0..count {
        acks.push(land(&producer, a, 0, &number.to_string()).await);
    }
    for ack in join_all(acks).await {
        ack.expect("durable");
    }
    let settings = LogSettings { lane_records_max: 200, ..LogSettings::new(stand.name("group")) };
    let log = KafkaLog::start(&stand.kafka, &settings, None).expect("a log");
    // One of the two topics is empty: it is at its end from the beginning.
    let mut reader = log.open(0, &[(a, BEGINNING), (b, BEGINNING)]).await.expect("a lane");
    let (begun, mut read) = (Instant::now(), 0);
    while !reader.is_at_end() {
        assert!(begun.elapsed() < DEADLINE, "no end was told, {read} records read");
        // No patience at all: most answers are empty, and none of those says that this is the end.
        read += reader.next(50, Duration::ZERO).await.expect("records").len();
    }
    assert_eq!(read, count, "the end was told before it");
    land(&producer, b, 0, "one more").await.await.expect("durable");
    assert_eq!(read_one(&mut reader).await.len(), 1);
    let begun = Instant::now();
    while !reader.is_at_end() {
        assert!(begun.elapsed() < DEADLINE, "the end was not told again");
        assert!(reader.next(50, WAIT).await.expect("records").is_empty());
    }
    drop(reader);
    drop(log);
    stand.clean_up().await;
}

async fn read_one(reader: &mut impl LaneReader) -> Vec<Record> {
    read(reader, 1, 50).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_opened_at_an_earlier_position_repeats_exactly_from_there() {
    let Some(stand) = Stand::try_new().await else {
        return;
    };
    let topic = stand.topic("again", 1).await;
    let producer = LandingProducer::start(&stand.kafka, None).expect("a producer");
    for number in 0..50 {
        land(&producer, topic, 0, &number.to_string()).await.await.expect("durable");
    }
    let log = KafkaLog::start(&stand.kafka, &LogSettings::new(stand.name("group")), None).expect("a log");
    for first in [0, 30, BEGINNING, 10, 49, 0] {
        let mut reader = log.open(0, &[(topic, first)]).await.expect("a lane");
        // Of a topic never read the ledger has no position: everything there is comes.
        let first = first.max(0);
        let count = usize::try_from(50 - first).expect("positive");
        check_unbroken(&read(&mut reader, count, 1000).await, topic, first, count);
        assert!(reader.next(10, Duration::ZERO).await.expect("nothing").is_empty());
        let twice = log.open(0, &[(topic, 0)]).await.err().expect("refused");
        assert!(twice.what.contains("is being read already"), "{twice}");
    }
    stand.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_outside_of_what_the_topic_holds_is_refused_with_both() {
    let Some(stand) = Stand::try_new().await else {
        return;
    };
    let topic = stand.topic("outside", 1).await;
    let log = KafkaLog::start(&stand.kafka, &LogSettings::new(stand.name("group")), None).expect("a log");
    let error = log.open(0, &[(topic, 7)]).await.err().expect("refused");
    let expected = format!("{topic}/0 holds offsets 0 to 0 and the ledger's position is 7");
    assert!(error.what.starts_with(&expected), "{error}");
    let error = log.open(0, &[("vertebra.test.absent", 0)]).await.err().expect("refused");
    assert!(error.what.contains("vertebra.test.absent/0 cannot be asked"), "{error}");
    stand.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zombies_buffered_records_are_refused_once_another_holds_the_fence() {
    let Some(stand) = Stand::try_new().await else {
        return;
    };
    let topic = stand.topic("fenced", 1).await;
    let id = stand.name("relay");
    let publisher = KafkaPublisher::new(&stand.kafka, LEASE, None);
    let mut zombie = publisher.fence(&id).await.expect("the fence");
    zombie.publish(&[out(topic, 0, 1)], &Marks::new()).await.expect("published");

    // Records sent and not committed: as of a process that is stopped in mid-transaction.
    let raw = stand.open_transaction(&id, topic, &["zombie before"]).await;
    let fenced = zombie.publish(&[out(topic, 0, 2)], &Marks::new()).await.expect_err("fenced by the raw one");
    println!("the first holder was told: {fenced}");
    let mut heir = publisher.fence(&id).await.expect("the fence");
    heir.publish(&[out(topic, 0, 3)], &Marks::new()).await.expect("published");
    let refused = raw.wake_and_commit(topic, &["zombie after"]).await;
    assert!(refused.is_err(), "the zombie's commit was confirmed");
    heir.publish(&[out(topic, 0, 4)], &Marks::new()).await.expect("published");

    let values = |records: Vec<Record>| -> Vec<String> {
        let text = |record: Record| String::from_utf8(record.value.unwrap_or_default()).expect("text");
        records.into_iter().map(text).collect()
    };
    let committed = values(tail(&stand.kafka, topic, Visible::Committed).await.expect("the topic"));
    assert_eq!(committed, ["1", "3", "4"]);
    let all = values(tail(&stand.kafka, topic, Visible::All).await.expect("the topic"));
    assert!(all.ends_with(&["3".to_owned(), "4".to_owned()]), "{all:?}");
    assert!(!all.contains(&"zombie after".to_owned()), "{all:?}");

    let ended = zombie.publish(&[out(topic, 0, 5)], &Marks::new()).await.expect_err("ended");
    assert!(ended.what.starts_with("the producer has ended"), "{ended}");
    stand.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_an_open_transaction_are_not_read_and_not_counted_as_behind() {
    let Some(stand) = Stand::try_new().await else {
        return;
    };
    let topic = stand.topic("open", 1).await;
    let mut producer =
        KafkaPublisher::new(&stand.kafka, LEASE, None).fence(&stand.name("relay")).await.expect("the fence");
    producer.publish(&[out(topic, 0, 1), out(topic, 0, 2)], &Marks::new()).await.expect("published");
    let log = KafkaLog::start(&stand.kafka, &LogSettings::new(stand.name("group")), None).expect("a log");
    let mut reader = log.open(0, &[(topic, 0)]).await.expect("a lane");
    assert_eq!(read(&mut reader, 2, 10).await.len(), 2);
    let end = log.bounds(topic, 0).await.expect("the ends").1;
    assert_eq!(end, 3, "two records and the marker of their commit");

    let raw = stand.open_transaction(&stand.name("other"), topic, &["unseen"]).await;
    assert!(reader.next(10, WAIT).await.expect("nothing").is_empty());
    assert_eq!(log.bounds(topic, 0).await.expect("the ends").1, end, "the last stable offset stands still");
    assert_eq!(stand.admin.held(topic).await.expect("the ends")[&0].end, end);
    raw.wake_and_commit(topic, &[]).await.expect("committed");
    assert_eq!(read(&mut reader, 1, 10).await.len(), 1);
    stand.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_does_not_answer_is_told_by_readiness_and_holds_nobody_up() {
    let nobody = KafkaSettings::plaintext("127.0.0.1:1", "kafka-edge-test");
    let health = Health::new();
    let log =
        KafkaLog::start(&nobody, &LogSettings::new("test"), Some(health.condition("kafka"))).expect("a log");
    let begun = Instant::now();
    while !health.ready().parts["kafka"].starts_with("no broker answers") {
        assert!(begun.elapsed() < DEADLINE, "{:?}", health.ready());
        tokio::task::yield_now().await;
    }
    let error = log.open(0, &[("vertebra.test.absent", 0)]).await.err().expect("refused");
    assert!(error.what.contains("no broker answers"), "{error}");

    let begun = Instant::now();
    let error = KafkaPublisher::new(&nobody, Duration::from_secs(1), None)
        .fence("test")
        .await
        .err()
        .expect("refused");
    assert!(error.what.starts_with("the fence of test was not confirmed"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(3), "taking a fence ends with the lease");

    let producer = LandingProducer::start(&nobody, None).expect("a producer");
    let ack = land(&producer, "vertebra.test.absent", 0, "x").await;
    let error = producer.warm_up("vertebra.test.absent", Duration::from_secs(1)).await.expect_err("cold");
    assert!(error.what.contains("cannot be asked"), "{error}");
    let begun = Instant::now();
    drop((log, producer));
    assert!(begun.elapsed() < Duration::from_secs(2), "dropping waits for nobody");
    ack.await.expect_err("not known to be durable");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lone_record_is_read_within_milliseconds_and_an_idle_log_rests() {
    let Some(stand) = Stand::try_new().await else {
        return;
    };
    let topic = stand.topic("idle", 6).await;
    let log = KafkaLog::start(&stand.kafka, &LogSettings::new(stand.name("group")), None).expect("a log");
    let mut readers = Vec::new();
    for lane in 0..6 {
        readers.push(log.open(lane, &[(topic, 0)]).await.expect("a lane"));
    }
    let producer = LandingProducer::start(&stand.kafka, None).expect("a producer");
    producer.warm_up(topic, DEADLINE).await.expect("warm");
    let mut latencies = Vec::new();
    for number in 0..100 {
        let begun = Instant::now();
        let ack = land(&producer, topic, number % 6, "x").await;
        let lane = usize::try_from(number % 6).expect("a lane");
        assert_eq!(read(&mut readers[lane], 1, 10).await.len(), 1);
        latencies.push(begun.elapsed());
        ack.await.expect("durable");
    }
    latencies.sort_unstable();
    println!("a lone record, sent to read: p50 {:?}, p95 {:?}", latencies[50], latencies[95]);
    // A round of an idle fetch or a nap takes 100 ms: where wake-ups are missed, every one takes as long.
    assert!(latencies[10] < Duration::from_millis(50), "{latencies:?}");

    let (begun, used) = (Instant::now(), kafka_stand::cpu_time());
    for reader in &mut readers {
        assert!(reader.next(10, Duration::from_millis(500)).await.expect("nothing").is_empty());
    }
    let share = (kafka_stand::cpu_time() - used).as_micros() * 1000 / begun.elapsed().as_micros();
    println!("at rest: {share} thousandths of a core");
    stand.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn landings_are_pipelined_in_order_and_each_is_acknowledged_with_its_offset() {
    let Some(stand) = Stand::try_new().await else {
        return;
    };
    let topic = stand.topic("landing", 1).await;
    let producer = LandingProducer::start(&stand.kafka, None).expect("a producer");
    let begun = Instant::now();
    producer.warm_up(topic, DEADLINE).await.expect("warm");
    let warm = begun.elapsed();
    let begun = Instant::now();
    land(&producer, topic, 0, "first").await.await.expect("durable");
    println!("warm after {warm:?}, first acknowledgement after {:?}", begun.elapsed());

    let mut lone: Vec<Duration> = Vec::new();
    for _ in 0..200 {
        let begun = Instant::now();
        land(&producer, topic, 0, "lone").await.await.expect("durable");
        lone.push(begun.elapsed());
    }
    lone.sort_unstable();
    println!("one in flight: p50 {:?}, p99 {:?}", lone[100], lone[198]);

    let begun = Instant::now();
    let mut acks = Vec::new();
    for number in 0..20_000 {
        acks.push(land(&producer, topic, 0, &format!("{number:0>300}")).await);
    }
    let offsets: Vec<i64> = join_all(acks).await.into_iter().map(|ack| ack.expect("durable").0).collect();
    println!("20,000 pipelined in {:?}", begun.elapsed());
    assert_eq!(offsets, (201..20_201).collect::<Vec<i64>>());
    producer.flush(DEADLINE).await.expect("nothing on its way");

    let records = tail(&stand.kafka, topic, Visible::Committed).await.expect("the topic");
    assert_eq!(records.len(), 20_201);
    assert_eq!(records[0].header("ce_type"), Some("test"));
    assert_eq!(records[0].key.as_deref(), Some(b"key".as_slice()));
    assert_eq!(records[300].value, Some(format!("{:0>300}", 99).into_bytes()));
    stand.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_whose_partition_count_differs_is_refused_with_what_to_do() {
    let Some(stand) = Stand::try_new().await else {
        return;
    };
    let catalog = Catalog::builtin();
    let declared = catalog.topics().next().expect("a topic");
    let mut renamed = declared.clone();
    renamed.name = stand.topic("few", 2).await.to_owned();

    let mistakes = stand.admin.check_topics(catalog, [renamed.name.as_str()]).await.expect("an answer");
    assert_eq!(mistakes, [TopicMistake::Undeclared { topic: renamed.name.clone() }]);
    let there = stand.admin.partitions().await.expect("topics");
    assert_eq!(there.get(&renamed.name), Some(&2));
    let mistake = TopicMistake::of(&renamed, there.get(&renamed.name).copied()).expect("a mistake");
    let text = mistake.to_string();
    let begin = format!("{} has 2 partitions and the catalog says {}", renamed.name, declared.partitions);
    for wanted in [begin.as_str(), "never alter it", "next generation", "in order", "correct the catalog"] {
        assert!(text.contains(wanted), "{wanted} is not in: {text}");
    }
    let absent = TopicMistake::of(&renamed, None).expect("a mistake").to_string();
    assert!(absent.contains("vertebra contract apply"), "{absent}");
    assert_eq!(TopicMistake::of(&renamed, Some(declared.partitions)), None);
    stand.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_are_committed_under_a_groups_name_without_joining_it() {
    let Some(stand) = Stand::try_new().await else {
        return;
    };
    let (topic, group) = (stand.topic("positions", 2).await, stand.name("group"));
    let producer = LandingProducer::start(&stand.kafka, None).expect("a producer");
    for number in 0..3 {
        land(&producer, topic, 1, &number.to_string()).await.await.expect("durable");
    }
    stand.admin.commit(&group, &[(topic, 1, 2)]).await.expect("committed");
    let found = stand.admin.committed(&group, &[(topic, 0), (topic, 1)]).await.expect("positions");
    assert_eq!(found, BTreeMap::from([((topic.to_owned(), 1), 2)]));

    // While lanes are being read, by the same consumer.
    let log = KafkaLog::start(&stand.kafka, &LogSettings::new(group.clone()), None).expect("a log");
    let mut reader = log.open(1, &[(topic, 0)]).await.expect("a lane");
    assert_eq!(read(&mut reader, 3, 10).await.len(), 3);
    log.commit(&[(topic, 1, 3)]);
    let begun = Instant::now();
    let expected = BTreeMap::from([((topic.to_owned(), 1), 3)]);
    while stand.admin.committed(&group, &[(topic, 1)]).await.expect("positions") != expected {
        assert!(begun.elapsed() < DEADLINE, "the position was not committed");
    }
    let held = stand.admin.held(topic).await.expect("ends");
    assert_eq!((held[&0].end, held[&1].low, held[&1].end), (0, 0, 3));
    let at =
        stand.admin.offsets_at(topic, canon::Timestamp::MAX - Duration::from_secs(1)).await.expect("offsets");
    assert_eq!(at, BTreeMap::from([(0, 0), (1, 3)]));
    let at = stand.admin.offsets_at(topic, canon::Timestamp::from_millis(1)).await.expect("offsets");
    assert_eq!(at[&1], 0);
    stand.clean_up().await;
}

fn marks(seq: i64) -> Marks {
    (0..6).map(|lane| (("a-processor".to_owned(), lane), seq + i64::from(lane))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marks_are_kept_with_what_was_published_and_not_without_it() {
    let Some(stand) = Stand::try_new().await else {
        return;
    };
    let (topic, id) = (stand.topic("marked", 1).await, stand.name("marking"));
    let kept = Arc::new(KafkaMarks::new(&stand.kafka, &id, topic).expect("a client"));
    assert_eq!(kept.marks().await.expect("an answer"), Marks::new());
    let publisher = KafkaPublisher::new(&stand.kafka, LEASE, None).leaving(kept.clone());
    let mut zombie = publisher.fence(&id).await.expect("the fence");
    zombie.publish(&[out(topic, 0, 1)], &marks(100)).await.expect("published");
    assert_eq!(kept.marks().await.expect("an answer"), marks(100));
    zombie.publish(&[], &marks(200)).await.expect("nothing to publish but the marks");
    assert_eq!(kept.marks().await.expect("an answer"), marks(200));
    let mut heir = publisher.fence(&id).await.expect("the fence");
    zombie.publish(&[out(topic, 0, 2)], &marks(300)).await.expect_err("fenced");
    assert_eq!(
        kept.marks().await.expect("an answer"),
        marks(200),
        "a zombie's marks are refused with its records"
    );
    heir.publish(&[out(topic, 0, 3)], &marks(201)).await.expect("published");
    assert_eq!(kept.marks().await.expect("an answer"), marks(201));
    stand.clean_up().await;
}

/// What marks cost a transaction, for the record: `--ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn what_marks_cost() {
    let Some(stand) = Stand::try_new().await else {
        return;
    };
    let topic = stand.topic("cost", 6).await;
    let rows: Vec<OutRecord> =
        (0..100).map(|seq| out(topic, i32::try_from(seq % 6).unwrap_or(0), seq)).collect();
    for marking in [false, true, false, true] {
        let id = stand.name("costing");
        let kept = Arc::new(KafkaMarks::new(&stand.kafka, &id, topic).expect("a client"));
        let publisher = KafkaPublisher::new(&stand.kafka, LEASE, None);
        let publisher = if marking { publisher.leaving(kept.clone()) } else { publisher };
        let mut producer = publisher.fence(&id).await.expect("the fence");
        let mut took: Vec<Duration> = Vec::new();
        for seq in 0..300 {
            let begun = Instant::now();
            producer.publish(&rows, &marks(seq)).await.expect("published");
            took.push(begun.elapsed());
        }
        took.sort();
        let begun = Instant::now();
        for _ in 0..100 {
            kept.marks().await.expect("an answer");
        }
        println!(
            "marks: {marking}, p50 {:?}, p99 {:?}, reading them {:?}",
            took[150],
            took[297],
            begun.elapsed() / 100
        );
    }
    stand.clean_up().await;
}
