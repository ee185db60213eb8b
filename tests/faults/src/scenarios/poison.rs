//! F12: what nobody can read, among what everybody can: one record in a hundred, and nothing else.

use crate::days::{ACK_TIMEOUT, unbillable};
use crate::play::{HAPPENS, Scenario, Stage};
use crate::{Deadline, until};
use backbone::kafka::{Landing, LandingProducer, Visible, tail};
use backbone::record::Record;
use canon::headers::{CE_FACTNAME, CE_ID, CE_REVISION, CE_VERSION};
use canon::{Charge, Event, RawHl7v2, partition};
use harness::{Role, Sender};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use uuid::Uuid;

/// Parked with its bytes, told, given up by a person; a breaker where it is too much.
pub(super) const F12: Scenario = Scenario::new(
    "F12",
    "poison: not Avro, an unknown schema, truncated, bytes behind, absurd lengths, a field out of range; 1 % and 100 % of a partition",
    |stage| Box::pin(poison(stage)),
);

/// What the keys of planted records begin with: no counter gave them versions.
pub(crate) const POISON: &str = "poison-";
/// More in a row than a lane takes (ADR 0011).
const FLOOD: usize = 450;
/// The second time that the source of what people did asks for its cursor: a page is read, and nothing of it is kept.
const TELLING: &str = "source standing:before:2";
const GIVEN_UP: Deadline = Deadline::secs(240);

/// What is made of a good value.
type Spoil = fn(&[u8]) -> Vec<u8>;

/// How a record is spoiled.
const SPOILED: [(&str, Spoil); 6] = [
    ("not Avro", |_| b"this was never a record".to_vec()),
    ("an unknown schema", |good| [&[0, 0x7f, 0xff, 0xff, 0xff], &good[5..]].concat()),
    ("truncated", |good| good[..good.len() / 2].to_vec()),
    ("bytes behind", |good| [good, b"and more"].concat()),
    ("absurd lengths", |good| [&good[..5], &[0xff; 9], &[0x01], &good[5..]].concat()),
    ("nothing", |_| Vec::new()),
];

async fn poison(stage: &mut Stage) {
    let producer = LandingProducer::start(&stage.world.stack.kafka(), None).expect("a producer");
    let mut planted = Vec::new();
    for (topic, service) in [(RawHl7v2::TOPIC, "ehr-adapter"), (Charge::TOPIC, "billing-projector")] {
        let good = sample(stage, topic).await;
        for (what, spoil) in SPOILED {
            let value = spoil(good.value.as_deref().expect("a value"));
            // A key of its own, or one that the day goes on with where no version tells that it is nobody's.
            let live = topic == RawHl7v2::TOPIC && stage.chance.of_hundred(30);
            let key =
                if live { good.key.clone().expect("a key") } else { format!("{POISON}{what}").into_bytes() };
            land(stage, &producer, topic, &key, &value, &good).await;
            planted.push((what, value.clone()));
            stage.note(format_args!("{what} on {topic}{}", if live { ", under a live key" } else { "" }));
            stage.flows(10).await;
        }
        if topic == RawHl7v2::TOPIC {
            planted.push(("under a visit's key", waits_behind(stage, &producer, &good).await));
        }
        kept(stage, service, &planted).await;
        planted.clear();
        stage.flows(20).await;
        if topic == Charge::TOPIC {
            told_by_the_next(stage, service).await;
        }
        given_up(stage, service).await;
    }
    flooded(stage, &producer).await;
}

/// What follows what nobody can read waits behind it, where it is of the same key. The bytes that were planted.
async fn waits_behind(stage: &mut Stage, producer: &LandingProducer, good: &Record) -> Vec<u8> {
    let [admitted, _, discharged] = unbillable(1);
    let mut sender = Sender::new(stage.world.mllp());
    sender.ack_timeout = ACK_TIMEOUT;
    sender.send(&admitted).await.unwrap_or_else(|error| panic!("{error}"));
    let control_id = admitted.control_id.as_bytes();
    let is_it = |record: &&Record| {
        let value = record.value.as_deref().unwrap_or_default();
        value.windows(control_id.len()).any(|part| part == control_id)
    };
    let raw = tail(&stage.world.stack.kafka(), RawHl7v2::TOPIC, Visible::Committed).await.expect("the topic");
    let key = raw.iter().rev().find(is_it).and_then(|record| record.key.clone());
    let value = b"in the middle of a visit".to_vec();
    land(stage, producer, RawHl7v2::TOPIC, &key.expect("what was acknowledged is there"), &value, good).await;
    sender.send(&discharged).await.unwrap_or_else(|error| panic!("{error}"));
    let sql = "SELECT count(*) FROM ehr_adapter.parked WHERE reason = 'behind'";
    until("what follows it waits behind it", HAPPENS, async || {
        let client = stage.world.connect().await.map_err(|error| error.to_string())?;
        let row = client.query_one(sql, &[]).await.map_err(|error| error.to_string())?;
        if row.get::<_, i64>(0) > 0 { Ok(()) } else { Err("nothing does".to_owned()) }
    })
    .await;
    stage.note("a visit's end waits behind what was planted before it");
    value
}

/// A record to be spoiled.
async fn sample(stage: &Stage, topic: &'static str) -> Record {
    let records = tail(&stage.world.stack.kafka(), topic, Visible::Committed).await.expect("the topic");
    records.last().cloned().expect("something is there already")
}

async fn land(
    stage: &mut Stage,
    producer: &LandingProducer,
    topic: &'static str,
    key: &[u8],
    value: &[u8],
    like: &Record,
) {
    let partitions = canon::Catalog::builtin().topic(topic).expect("a topic of the catalog").partitions;
    let partition = i32::try_from(partition::partition(key, partitions)).expect("few");
    // Another fact than the good one: else it would be dropped as a double of it.
    let id = Uuid::new_v4().to_string();
    let fresh = |(name, value): &(String, Vec<u8>)| {
        let value = match name.as_str() {
            CE_ID | CE_FACTNAME => id.clone().into_bytes(),
            CE_VERSION | CE_REVISION => b"1".to_vec(),
            _ => value.clone(),
        };
        (name.clone(), value)
    };
    let headers: Vec<(String, Vec<u8>)> = like.headers.iter().map(fresh).collect();
    let landing = Landing { topic, partition, key, value, headers: &headers };
    let offset = producer.send(landing).await.expect("taken").await.expect("durable");
    stage.wanted.spoiled.insert((topic, partition, offset.0));
}

/// Waits until every one of them is parked, with its very bytes.
async fn kept(stage: &mut Stage, service: &'static str, planted: &[(&str, Vec<u8>)]) {
    let schema = service.replace('-', "_");
    let sql = format!("SELECT value FROM {schema}.parked WHERE kind = 'record' AND reason <> 'behind'");
    until(format!("what was planted is parked by {service}"), GIVEN_UP, async || {
        let client = stage.world.connect().await.map_err(|error| error.to_string())?;
        let rows = client.query(&sql, &[]).await.map_err(|error| error.to_string())?;
        let parked: Vec<Vec<u8>> =
            rows.iter().map(|row| row.get::<_, Option<Vec<u8>>>(0).unwrap_or_default()).collect();
        let missing = planted.iter().filter(|(_, value)| !parked.contains(value)).map(|(what, _)| *what);
        match missing.collect::<Vec<_>>() {
            missing if missing.is_empty() => Ok(()),
            missing => Err(format!("{missing:?} are not, among {} parked", parked.len())),
        }
    })
    .await;
    stage.wanted.looked.push(8);
    stage.note(format_args!("all {} are parked by {service} with their bytes", planted.len()));
}

/// A person gives up what heads the chains, until nothing is parked and no lane stands still; what waited behind goes on.
async fn given_up(stage: &mut Stage, service: &'static str) {
    let began = std::time::Instant::now();
    loop {
        if began.elapsed() > GIVEN_UP.0 {
            match left(stage, service).await {
                0 => panic!("{service}: {} that were planted are not read", unread(stage, service).await),
                left => panic!("{service}: {left} are still parked"),
            }
        }
        // A lane that stands still carries nothing out; one that goes on may meet more and stop again.
        if resumed(stage, service).await > 0 {
            stage.holds(Duration::from_secs(1)).await;
            continue;
        }
        // Asked first: what a lane reads after this is parked or stops it, and what is asked next tells.
        let unread = unread(stage, service).await;
        let heads = heads(stage, service).await;
        if heads.is_empty() && left(stage, service).await == 0 {
            match unread {
                0 => break,
                _ => stage.holds(Duration::from_millis(200)).await,
            }
        }
        for some in heads.chunks(100) {
            let ids = some.join(",");
            let args = ["parked", "discard", "--service", service, "--id", &ids, "--yes", "--rate", "1000"];
            let why = ["--timeout", "30s", "--by", "a test", "--because", "it was planted"];
            let (done, said) = stage.types(&[&args[..], &why].concat()).await;
            // One that an earlier one of its lane made free, or that was tried again meanwhile, is not there any more.
            if !done {
                stage.note(format_args!("not all of it: {}", said.lines().last().unwrap_or_default()));
            }
        }
    }
    sealed(stage, service).await;
    decided(stage, service).await;
}

/// Whoever tells what people did dies with the first of it in hand, read and not yet kept: the next one tells it.
async fn told_by_the_next(stage: &mut Stage, service: &'static str) {
    let mut victim = stage.doomed(Role::Bill, TELLING).await;
    victim.until_ready().await;
    let head = heads(stage, service).await.into_iter().next().expect("something is parked");
    let args = ["parked", "discard", "--service", service, "--id", &head, "--yes", "--timeout", "30s"];
    let (_, said) =
        stage.types(&[&args[..], &["--by", "a test", "--because", "it was planted"]].concat()).await;
    stage.note(said.lines().last().unwrap_or_default().to_owned());
    stage.dies_at(Role::Bill, victim, TELLING).await;
}

/// Of each that was planted it is kept that somebody gave it up.
async fn decided(stage: &mut Stage, service: &'static str) {
    let (topic, schema) = planted_on(service);
    let sql = format!("SELECT lane, record_offset FROM {schema}.decision WHERE topic = $1 AND value IS NULL");
    let client = stage.world.connect().await.expect("the database answers");
    let rows = client.query(&sql, &[&topic]).await.expect("the decisions");
    let kept: BTreeSet<(i32, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let planted = stage.wanted.spoiled.iter().filter(|(of, ..)| *of == topic);
    let missing = planted.filter(|(_, lane, offset)| !kept.contains(&(*lane, *offset))).count();
    if missing > 0 {
        stage.violates(8, format_args!("{service}: nothing is kept of {missing} inputs that were given up"));
    }
}

/// How many of those that were planted some lane has still to read.
async fn unread(stage: &Stage, service: &str) -> usize {
    let (topic, schema) = planted_on(service);
    let sql = format!("SELECT lane, min(next) FROM {schema}.position WHERE topic = $1 GROUP BY lane");
    let client = stage.world.connect().await.expect("the database answers");
    let rows = client.query(&sql, &[&topic]).await.expect("the positions");
    let next: BTreeMap<i32, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let planted = stage.wanted.spoiled.iter().filter(|(of, ..)| *of == topic);
    planted.filter(|(_, lane, offset)| next.get(lane).is_none_or(|next| next <= offset)).count()
}

/// The topic on which records were planted for a service, and the schema of its ledger.
fn planted_on(service: &str) -> (&'static str, &'static str) {
    match service {
        "ehr-adapter" => (RawHl7v2::TOPIC, "ehr_adapter"),
        _ => (Charge::TOPIC, "billing_projector"),
    }
}

/// What was given up was done by somebody, for a reason, and it is sealed and published.
async fn sealed(stage: &mut Stage, service: &'static str) {
    let (_, did) = stage.types(&["audit", "list", "--service", service, "--json"]).await;
    if !did.contains("discard") {
        stage.violates(1, format_args!("{service}: inputs were given up and nobody is named for it"));
    }
    let began = std::time::Instant::now();
    loop {
        let (_, told) = stage.types(&["audit", "verify", "--service", service, "--json", "--topic"]).await;
        let verified: Value = serde_json::from_str(&told).unwrap_or_default();
        if !verified["ledger"].is_null()
            && verified["topic"] == verified["ledger"]
            && verified["broken"] == json!([])
        {
            return;
        }
        if began.elapsed() > HAPPENS.0 {
            return stage
                .violates(8, format_args!("{service}: what people did is not sealed and published: {told}"));
        }
        stage.holds(Duration::from_secs(1)).await;
    }
}

async fn heads(stage: &mut Stage, service: &str) -> Vec<String> {
    let list = ["parked", "list", "--service", service, "--json", "--limit", "2000"];
    let (_, said) = stage.types(&list).await;
    let told: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    let inputs = told["inputs"].as_array().expect("inputs").iter();
    inputs.filter(|input| input["reason"] != "behind").map(|input| input["id"].to_string()).collect()
}

async fn left(stage: &Stage, service: &str) -> i64 {
    let schema = service.replace('-', "_");
    let client = stage.world.connect().await.expect("the database answers");
    let sql = format!("SELECT count(*) FROM {schema}.parked");
    client.query_one(&sql, &[]).await.expect("a count").get(0)
}

/// Has lanes that stand still go on; returns how many did.
async fn resumed(stage: &mut Stage, service: &'static str) -> usize {
    let schema = service.replace('-', "_");
    let client = stage.world.connect().await.expect("the database answers");
    let sql = format!("SELECT processor, lane FROM {schema}.lane WHERE stopped_why IS NOT NULL");
    let stopped = client.query(&sql, &[]).await.expect("the lanes");
    for row in &stopped {
        let (processor, lane) = (row.get::<_, String>(0), row.get::<_, i32>(1).to_string());
        let args = ["lanes", "resume", "--service", service, "--processor", &processor, "--lane", &lane];
        let (done, said) =
            stage.types(&[&args[..], &["--by", "a test", "--because", "it was planted"]].concat()).await;
        assert!(done, "a lane is not resumed: {said}");
    }
    stopped.len()
}

/// Nothing but poison on one partition: the breaker stops its lane before a day's worth is parked.
async fn flooded(stage: &mut Stage, producer: &LandingProducer) {
    let good = sample(stage, Charge::TOPIC).await;
    let keys = (0..).map(|number| format!("{POISON}{number}").into_bytes());
    let partition = |key: &Vec<u8>| partition::partition(key, 6);
    let wanted = u32::try_from(stage.chance.below(6)).unwrap_or(0);
    let keys: Vec<Vec<u8>> = keys.filter(|key| partition(key) == wanted).take(FLOOD).collect();
    for key in &keys {
        land(stage, producer, Charge::TOPIC, key, b"poison", &good).await;
    }
    stage.note(format_args!("{FLOOD} records of {} {wanted} are poison", Charge::TOPIC));
    let sql = "SELECT count(*) FROM billing_projector.lane WHERE stopped_why IS NOT NULL";
    until("the breaker stops the lane", HAPPENS, async || {
        let client = stage.world.connect().await.map_err(|error| error.to_string())?;
        let row = client.query_one(sql, &[]).await.map_err(|error| error.to_string())?;
        match row.get::<_, i64>(0) {
            0 => Err("no lane stands still".to_owned()),
            _ => Ok(()),
        }
    })
    .await;
    stage.note("the breaker has stopped the lane");
    stage.flows(20).await;
    given_up(stage, "billing-projector").await;
}
