mod kafka_stand;
use backbone::edge::{LaneReader, Log};
use backbone::kafka::*;
use kafka_stand::Stand;
use std::time::{Duration, Instant};
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probe() {
    let Some(stand) = Stand::try_new().await else { return };
    let topic = stand.topic("again", 3).await;
    let producer = LandingProducer::start(&stand.kafka, None).expect("a producer");
    for number in 0..5000 {
        for p in 0..3 {
        let v = number.to_string();
        drop(producer.send(Landing { topic, partition: p, key: b"k", value: v.as_bytes(), headers: &[] }).await.unwrap());
        }
    }
    producer.flush(Duration::from_secs(10)).await.unwrap();
    let log = KafkaLog::start(&stand.kafka, &LogSettings::new(stand.name("group")), None).expect("a log");
    let go = async |lane: i32| {
    for first in 0..10 {
        let t = Instant::now();
        let mut reader = log.open(lane, &[(topic, first)]).await.expect("a lane");
        let o = t.elapsed();
        let r = reader.next(1, Duration::from_secs(5)).await.unwrap();
        println!("{lane} open {o:?} first {:?} {}", t.elapsed(), r.len());
        drop(reader);
    }
    };
    tokio::join!(go(0), go(1), go(2));
    stand.clean_up().await;
}
