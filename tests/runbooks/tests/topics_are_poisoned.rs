//! Topics that are poisoned, on the real stack: what cannot be read parks with its bytes and is told of, and nobody else waits; a
//! lane that reads nothing else stops; and once the cause is gone all of it is folded, in the order of its keys.
//!
//! It leaves records on the topic of charges that nobody can read, so it is the last of this crate's.

use backbone::contract::SchemaSource as _;
use backbone::kafka::{Visible, tail};
use backbone::postgres::look;
use canon::{Charge, Encounter, EncounterToken, Event};
use end_to_end::{drained, folder, seed};
use harness::{Books, Fleet, Launch, Ledger, Role, SenderFile, Stack, until};
use runbooks::poison::{Ids, Poisoner, Put, SPOILINGS, charge};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

const READY: Duration = Duration::from_secs(60);
const DONE: Duration = Duration::from_secs(60);
/// Records of a batch: less than what stops a lane, so that it is seen to stop within its input.
const BATCH: usize = 50;
/// Poison in a row that stops a lane.
const RUN_MAX: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn poison_parks_with_its_bytes_stops_a_lane_of_nothing_else_and_is_folded_once_its_cause_is_gone() {
    let Some(stack) = Stack::from_env() else { return };
    let seed = seed();
    let folder = folder("poisoned", seed);
    let file = SenderFile::small("poisoned", Launch::free_port());
    let fleet = Fleet::new(&stack, &folder, vec![file]).expect("its files");
    let fleet = fleet.with(Role::Bill, "batch-max", &BATCH.to_string());
    fleet.apply_contract().expect("topics and schemas");
    let mut process = fleet.start(Role::Bill).expect("the program");
    process.ready(READY).await.unwrap_or_else(|error| panic!("{error}"));
    let books = Books::open(&stack).await.expect("the books");
    let scene = Scene::new(&stack, &fleet, &books, seed).await;

    let spoiled = scene.one_in_a_hundred().await;
    let unknown = scene.nothing_else(&spoiled).await;
    scene.registered(&unknown).await;
    scene.given_up(&spoiled).await;
    let mut processes = [process];
    drained(&mut processes).await;
    std::fs::remove_dir_all(&folder).expect("the folder goes when all went well");
}

/// Poison that was put, with the sound records behind it.
struct Spoiled {
    name: &'static str,
    reason: &'static str,
    blocks: bool,
    put: Put,
    place: (i32, i64),
    /// The visit of the sound one that was put behind it.
    visit: EncounterToken,
}

/// A parked record.
#[derive(Clone, Debug)]
struct Parked {
    id: i64,
    chain: Option<String>,
    reason: String,
}

struct Scene<'a> {
    stack: &'a Stack,
    fleet: &'a Fleet,
    ledger: &'a Ledger,
    poisoner: Poisoner,
    ids: Ids,
    seed: u64,
}

impl<'a> Scene<'a> {
    async fn new(stack: &'a Stack, fleet: &'a Fleet, books: &'a Books, seed: u64) -> Self {
        let registry = stack.registry().expect("a client");
        let own = registry.id_of(Charge::TOPIC, Charge::SCHEMA).await.expect("registered");
        let other = registry.id_of(Encounter::TOPIC, Encounter::SCHEMA).await.expect("registered");
        let schema = r#"{"type": "record", "name": "Before", "fields": []}"#;
        // Ids are given one after the other, and nobody else registers anything now.
        let before = registry
            .register(&format!("poison.{seed}"), &schema.replace("Before", &format!("Before{seed}")))
            .await;
        let next = before.expect("registered") + 1;
        let ledger = books.ledgers().iter().find(|ledger| ledger.service == "billing-projector");
        let ledger = ledger.expect("billing has a ledger");
        let poisoner = Poisoner::new(stack).expect("a producer");
        Self { stack, fleet, ledger, poisoner, ids: Ids { own, other, next }, seed }
    }

    /// Each kind of poison among a hundred sound records, and a sound one of its key behind it.
    async fn one_in_a_hundred(&self) -> Vec<Spoiled> {
        let mut puts = Vec::new();
        let mut sound = Vec::new();
        let mut at = Vec::new();
        for spoiling in SPOILINGS {
            for number in 0..100 {
                let visit = self.poisoner.visit();
                puts.push(charge(visit, 1, self.ids.own));
                if number != 50 {
                    sound.push((visit, 1));
                    continue;
                }
                let poison = puts.last_mut().expect("a record");
                (spoiling.spoil)(poison, &self.ids);
                at.push((spoiling, puts.len() - 1, visit));
                puts.push(charge(visit, 2, self.ids.own));
                if !spoiling.blocks {
                    sound.push((visit, 2));
                }
            }
        }
        let places = self.poisoner.put(&puts).await.expect("they land");
        self.folded(&sound).await;
        let spoiled = at.into_iter().map(|(spoiling, index, visit)| Spoiled {
            name: spoiling.name,
            reason: spoiling.reason,
            blocks: spoiling.blocks,
            put: puts[index].clone(),
            place: places[index],
            visit,
        });
        let spoiled: Vec<Spoiled> = spoiled.collect();
        for one in &spoiled {
            self.is_parked(one).await;
        }
        self.are_told_of(&spoiled).await;
        let lanes = look::lanes(&self.ledger.store, "billing-case").await.expect("lanes");
        assert!(lanes.iter().all(|lane| lane.stopped.is_none()), "one in a hundred stopped a lane");
        spoiled
    }

    /// It is parked for its reason, with the very bytes; what stands behind it waits if it has a key.
    async fn is_parked(&self, one: &Spoiled) {
        let (name, visit) = (one.name, one.visit.to_string());
        let parked = self.parked().await;
        let found = parked.get(&one.place).unwrap_or_else(|| panic!("{name}: not parked"));
        assert_eq!(found.reason, one.reason, "{name}");
        assert_eq!(found.chain, one.blocks.then(|| visit.clone()), "{name}: whose key waits");
        let bytes = look::bytes(&self.ledger.store, found.id).await.expect("the ledger").expect("a record");
        assert_eq!(bytes.key.as_deref(), Some(&one.put.key[..]), "{name}: the key's bytes");
        assert_eq!(bytes.value.as_deref(), Some(&one.put.value[..]), "{name}: the value's bytes");
        assert_eq!(bytes.headers, one.put.headers, "{name}: the headers");
        let behind = parked
            .values()
            .filter(|parked| parked.reason == "behind" && parked.chain.as_ref() == Some(&visit));
        assert_eq!(behind.count(), usize::from(one.blocks), "{name}: what waits behind it");
    }

    async fn are_told_of(&self, spoiled: &[Spoiled]) {
        let wanted: BTreeSet<(i32, i64)> = spoiled.iter().map(|one| one.place).collect();
        let told = until(DONE, || async {
            let notices = self.notices().await;
            wanted
                .iter()
                .all(|place| notices.get(place).is_some_and(|notice| !notice.is_withdrawn))
                .then_some(notices)
        });
        let notices = told.await.expect("a notice of each on ops.dead-letter.v1");
        for one in spoiled {
            assert_eq!(notices[&one.place].reason, one.reason, "{}: what the notice says", one.name);
        }
    }

    /// Nothing but poison on one lane, of which the cause can be mended: a schema that is not registered. The others go on.
    async fn nothing_else(&self, before: &[Spoiled]) -> Vec<(EncounterToken, i64)> {
        let poisoned = before.iter().find(|one| one.blocks).expect("some").place.0;
        let visits: Vec<EncounterToken> =
            (0..2 * RUN_MAX).map(|_| self.poisoner.visit_of(poisoned)).collect();
        // Two of each visit, so that there is an order to keep.
        let puts = |version| visits.iter().map(move |visit| charge(*visit, version, self.ids.next));
        let puts: Vec<Put> = puts(1).chain(puts(2)).collect();
        let places = self.poisoner.put(&puts).await.expect("they land");
        let stopped = until(DONE, || async {
            let lanes = look::lanes(&self.ledger.store, "billing-case").await.ok()?;
            lanes.into_iter().find(|lane| lane.number == poisoned)?.stopped
        });
        let (why, _) = stopped.await.expect("the lane stops");
        assert!(why.contains("were rejected"), "{why}");
        let ours: BTreeSet<(i32, i64)> = places.iter().copied().collect();
        let parked = self.parked().await;
        let parked = parked.keys().filter(|place| ours.contains(place)).count();
        assert!((RUN_MAX..RUN_MAX + BATCH).contains(&parked), "{parked} parked before it stopped");
        let (code, said) = self.typed(&["lanes", "list", "--service", "billing-projector"]);
        assert!(code == 1 && said.contains("STOPPED"), "{code}: {said}");
        // The next lane goes on meanwhile, and this one reads no further.
        let elsewhere: Vec<(EncounterToken, i64)> =
            (0..20).map(|_| (self.poisoner.visit_of(self.poisoner.next_to(poisoned)), 1)).collect();
        let sound: Vec<Put> =
            elsewhere.iter().map(|(visit, version)| charge(*visit, *version, self.ids.own)).collect();
        self.poisoner.put(&sound).await.expect("they land");
        self.folded(&elsewhere).await;
        let later = self.parked().await;
        assert_eq!(
            later.keys().filter(|place| ours.contains(place)).count(),
            parked,
            "the stopped lane read on"
        );
        visits.iter().flat_map(|visit| [(*visit, 1), (*visit, 2)]).collect()
    }

    /// The schema is registered; the lane is resumed, what is parked is tried again.
    async fn registered(&self, unknown: &[(EncounterToken, i64)]) {
        let registry = self.stack.registry().expect("a client");
        // The same fields, and another text: another schema to the registry.
        let schema = Charge::SCHEMA.replacen("\"doc\": \"", &format!("\"doc\": \"{}: ", self.seed), 1);
        let id =
            registry.register(&format!("poison.{}.charge", self.seed), &schema).await.expect("registered");
        assert_eq!(id, self.ids.next, "somebody else registered something meanwhile");
        registry.ensure(&[id]).await.expect("asked");
        let lane = self.poisoner.partition(unknown[0].0.as_str().as_bytes()).to_string();
        let because = ["--by", "a test", "--because", "the schema is registered now"];
        let resume = [
            "lanes",
            "resume",
            "--service",
            "billing-projector",
            "--processor",
            "billing-case",
            "--lane",
            &lane,
        ];
        let (code, said) = self.typed(&[&resume[..], &because].concat());
        assert_eq!(code, 0, "{said}");
        // By its numbers: other poison is parked for the same reason, and stays so.
        let visits: BTreeSet<String> = unknown.iter().map(|(visit, _)| visit.to_string()).collect();
        let unfolded = async || {
            let parked = self.parked().await;
            let heads = parked.into_values().filter(|parked| parked.reason == "decode");
            let heads =
                heads.filter(|parked| parked.chain.as_ref().is_some_and(|chain| visits.contains(chain)));
            heads.map(|parked| parked.id.to_string()).collect::<Vec<_>>()
        };
        let heads = unfolded().await.join(",");
        let redrive =
            ["parked", "redrive", "--service", "billing-projector", "--id", &heads, "--rate", "1000"];
        let redrive = [&redrive[..], &because].concat();
        let (code, said) = self.typed(&redrive);
        assert!(code == 0 && said.contains("dry run"), "{code}: {said}");
        let (code, said) = self.typed(&[&redrive[..], &["--yes"]].concat());
        assert_eq!(code, 0, "{said}");
        self.folded(unknown).await;
        assert_eq!(unfolded().await, Vec::<String>::new());
        let (code, said) = self.typed(&["lanes", "list", "--service", "billing-projector"]);
        assert!(code == 0 && !said.contains("STOPPED"), "{code}: {said}");
    }

    /// What nobody can mend is given up: what waited behind it goes on, notices are taken back, and the bytes are kept.
    async fn given_up(&self, spoiled: &[Spoiled]) {
        let parked = self.parked().await;
        // One kind's cause was mended with the schema, and was not asked for.
        let heads: Vec<String> = spoiled.iter().map(|one| parked[&one.place].id.to_string()).collect();
        let discard = ["parked", "discard", "--service", "billing-projector", "--id", &heads.join(",")];
        let because = ["--by", "a test", "--because", "nobody can read it", "--rate", "1000", "--yes"];
        let (code, said) = self.typed(&[&discard[..], &because].concat());
        assert_eq!(code, 0, "{said}");
        let behind: Vec<(EncounterToken, i64)> = spoiled.iter().map(|one| (one.visit, 2)).collect();
        self.folded(&behind).await;
        let places: BTreeSet<(i32, i64)> = spoiled.iter().map(|one| one.place).collect();
        let parked = self.parked().await;
        assert!(places.iter().all(|place| !parked.contains_key(place)), "something is parked still");
        let taken_back = until(DONE, || async {
            let notices = self.notices().await;
            places
                .iter()
                .all(|place| notices.get(place).is_some_and(|notice| notice.is_withdrawn))
                .then_some(())
        });
        taken_back.await.expect("the notices are taken back");
    }

    /// Waits until these charges, by visit and number, are in billing's rows.
    async fn folded(&self, charges: &[(EncounterToken, i64)]) {
        let names: Vec<String> = charges
            .iter()
            .map(|(visit, version)| format!("{visit}/charge/poisoned/{visit}/T{version}"))
            .collect();
        let missing =
            |rows: &BTreeMap<String, Value>| names.iter().filter(|name| !rows.contains_key(*name)).count();
        let all = until(DONE, || async {
            let rows = look::rows(&self.ledger.store, "billing_charge").await.ok()?;
            (missing(&rows) == 0).then_some(())
        });
        if all.await.is_none() {
            let rows = look::rows(&self.ledger.store, "billing_charge").await.expect("rows");
            panic!(
                "{} of {} are not folded, such as {:?}",
                missing(&rows),
                names.len(),
                names.iter().find(|name| !rows.contains_key(*name))
            );
        }
    }

    /// By partition and offset of the topic of charges.
    async fn parked(&self) -> BTreeMap<(i32, i64), Parked> {
        let parked = look::parked(&self.ledger.store, "billing-case").await.expect("the ledger");
        let of_charges = parked.into_iter().filter_map(|seen| {
            let record = seen.record.filter(|record| record.topic == Charge::TOPIC)?;
            let parked = Parked { id: seen.id, chain: seen.chain, reason: seen.reason.as_str().to_owned() };
            Some(((record.partition, record.offset), parked))
        });
        of_charges.collect()
    }

    /// The latest notice of each record of the topic of charges.
    async fn notices(&self) -> BTreeMap<(i32, i64), Notice> {
        let registry = self.stack.registry().expect("a client");
        let kafka = self.stack.kafka();
        let records = tail(&kafka, canon::DeadLetter::TOPIC, Visible::Committed).await.expect("the topic");
        let ids =
            records.iter().filter_map(|record| Some(canon::codec::split(record.value.as_deref()?).ok()?.0));
        registry
            .ensure(&ids.collect::<BTreeSet<u32>>().into_iter().collect::<Vec<_>>())
            .await
            .expect("asked");
        let mut notices = BTreeMap::new();
        for record in &records {
            let Some(value) = record.value.as_deref() else { continue };
            let body: canon::DeadLetter = registry.schemas().decode(value).expect("a notice of ours");
            if body.topic == Charge::TOPIC {
                let revision = record.header("ce_revision").and_then(|text| text.parse::<u32>().ok());
                // A notice that is taken back is said a second time, by the same name.
                let is_withdrawn = revision.is_some_and(|revision| revision > 1);
                notices.insert(
                    (body.partition, body.offset),
                    Notice { reason: body.reason_class, is_withdrawn },
                );
            }
        }
        notices
    }

    fn typed(&self, args: &[&str]) -> (i32, String) {
        let ended = Command::new(self.fleet.program("vertebra"))
            .env_clear()
            .args(args)
            .args(["--postgres-url", &self.stack.postgres_url])
            .output()
            .expect("the program is built");
        let said = [ended.stdout, ended.stderr].concat();
        (ended.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
    }
}

struct Notice {
    reason: String,
    is_withdrawn: bool,
}
