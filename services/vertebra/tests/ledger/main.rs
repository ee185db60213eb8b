//! The operator's looks into a ledger, as a program, on a real PostgreSQL: tables, JSON and exit codes, and not a byte of
//! what was parked.

mod rights;
mod standing;

use backbone::postgres::{PostgresSettings, PostgresStore, Processor, look};
use backbone::record::Record;
use backbone::settings::ServiceUrl;
use backbone::source::{Hold, Refusal, RowKnown, SourceChanges};
use backbone::store::{Changes, Fence, LaneId, Parked, ParkedItem, Store, Tx, Waiting};
use backbone::wish::{Chosen, Outcome, Wish};
use backbone::{Reason, Reject, Waits};
use canon::Timestamp;
use serde_json::Value;
use std::process::{Command, Output};
use std::time::Duration;
use tokio_postgres::NoTls;
use uuid::Uuid;

const LEASE: Duration = Duration::from_secs(30);
const CASES: &str = "billing-case";
/// Planted in every parked value and key: it must not come out.
const CANARY: &str = "ZZCANARYZZ";

/// A ledger of a service that nobody else has.
struct Stand {
    url: String,
    service: &'static str,
    store: PostgresStore,
}

#[expect(clippy::disallowed_methods, reason = "tests are told where the stack is by their environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Stand {
    #[expect(clippy::print_stdout, reason = "a test that was skipped says so")]
    async fn try_new() -> Option<Self> {
        let Some(url) = variable("VERTEBRA_TEST_POSTGRES_URL") else {
            assert!(variable("VERTEBRA_TEST_REQUIRED").is_none(), "VERTEBRA_TEST_POSTGRES_URL is not set");
            println!("skipped: VERTEBRA_TEST_POSTGRES_URL names no database");
            return None;
        };
        let service = format!("test-{}", Uuid::new_v4().simple()).leak();
        let settings = PostgresSettings {
            url: ServiceUrl::parse(&url, &["postgres", "postgresql"]).expect("a URL"),
            service,
            instance: Uuid::new_v4(),
            lease: LEASE,
            connections_max: 4,
        };
        let processors = [Processor { name: CASES, tables: Vec::new() }];
        let store = PostgresStore::connect(&settings, 1, &processors).await.expect("a ledger");
        store.ensure_lanes(CASES, 2).await.expect("lanes");
        Some(Self { url, service, store })
    }

    async fn take(&self, number: i32) -> Fence {
        let lane = LaneId { processor: CASES, number };
        let grant = self.store.take_lane(lane, Uuid::new_v4(), LEASE).await.expect("an answer");
        grant.expect("a free lane").fence
    }

    async fn commit(&self, fence: &Fence, changes: Changes) {
        let mut tx = self.store.begin(fence, LEASE, 0).await.expect("a batch");
        tx.write(changes).await.expect("written");
        tx.commit().await.expect("committed");
    }

    /// The program, about this ledger.
    fn vertebra(&self, args: &[&str]) -> Output {
        self.vertebra_of(self.service, args)
    }

    fn vertebra_of(&self, service: &str, args: &[&str]) -> Output {
        vertebra(args.iter().copied().chain(["--service", service, "--postgres-url", &self.url]))
    }

    fn json(&self, args: &[&str]) -> Value {
        let ended = self.vertebra(&[args, &["--json"]].concat());
        serde_json::from_slice(&ended.stdout).expect("JSON")
    }

    async fn drop(self) {
        let schema = self.service.replace('-', "_");
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.expect("a connection");
        tokio::spawn(connection);
        client.batch_execute(&format!("DROP SCHEMA {schema} CASCADE")).await.expect("dropped");
    }
}

fn vertebra<'a>(args: impl IntoIterator<Item = &'a str>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vertebra")).env_clear().args(args).output().expect("it starts")
}

#[track_caller]
fn check(ended: &Output, code: i32, says: &[&str]) {
    let said =
        format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert_eq!(ended.status.code(), Some(code), "{said}");
    for says in says {
        assert!(said.contains(says), "{says} in {said}");
    }
    assert!(!said.contains(CANARY), "{said}");
}

fn parked(chain: &str, offset: i64, sender: &str, reject: Reject) -> Parked {
    let record = Record {
        topic: "billing.charge.v1",
        partition: 0,
        offset,
        timestamp: Timestamp(1_000_000),
        key: Some(CANARY.as_bytes().to_vec()),
        value: Some(CANARY.as_bytes().to_vec()),
        headers: vec![
            ("ce_source".to_owned(), format!("vertebra/ehr-adapter/{sender}").into_bytes()),
            ("other".to_owned(), CANARY.as_bytes().to_vec()),
        ],
    };
    let rows = reject.waits_for.clone();
    let at = Timestamp(2_000_000 + offset * 1_000_000);
    let mut parked = Parked::of(Some(chain.to_owned()), ParkedItem::Record(record), reject, at);
    parked.waits = (!rows.is_empty()).then_some(Waiting { rows, after: 0 });
    parked
}

fn waits(topic: &str, key: &str) -> Reject {
    let row = Waits { topic: topic.to_owned(), key: key.to_owned() };
    Reject { waits_for: vec![row], ..Reject::new(Reason::Missing, "no such row") }
}

/// The first lane with five parked inputs, still held.
async fn filled(stand: &Stand) -> Fence {
    let invalid = || Reject::new(Reason::Invalid, "FT1-10 is no number");
    let parked = vec![
        parked("k1", 1, "north", waits("reference.code.v1", "charge/north/A%2FB")),
        parked("k2", 2, "south", waits("reference.code.v1", "charge/north/A%2FB")),
        parked("k2", 3, "south", invalid()),
        parked("k3", 4, "south", waits("inventory.item.v1", "GLOVE")),
        parked("k4", 5, "north", invalid()),
    ];
    let fence = stand.take(0).await;
    stand.commit(&fence, Changes { parked, ..Changes::default() }).await;
    Fence { seq: fence.seq + 1, ..fence }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_parked_is_told_by_reason_key_and_sender_and_never_by_content() {
    let Some(stand) = Stand::try_new().await else { return };
    check(&stand.vertebra(&["parked", "list"]), 0, &["nothing is parked"]);
    filled(&stand).await;
    let all = stand.vertebra(&["parked", "list"]);
    check(&all, 1, &["billing.charge.v1/0@1", "FT1-10 is no number", "north", "k4", "5 parked"]);
    let narrow = ["parked", "list", "--reason", "invalid", "--sender", "south"];
    check(&stand.vertebra(&narrow), 1, &["k2", "1 parked"]);
    check(&stand.vertebra(&["parked", "list", "--key", "k9"]), 0, &["nothing is parked"]);
    check(&stand.vertebra(&["parked", "list", "--limit", "2"]), 1, &["5 parked, the first 2 of them shown"]);
    let told = stand.json(&["parked", "list"]);
    assert_eq!(told["inputs"].as_array().map(Vec::len), Some(5));
    assert_eq!(told["inputs"][1]["sender"], "south");
    let missing =
        told["reasons"].as_array().unwrap().iter().find(|count| count["reason"] == "missing").unwrap();
    assert_eq!((&missing["inputs"], &missing["keys"]), (&3.into(), &3.into()), "{missing}");
    stand.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_that_are_waited_for_are_told_with_how_much_waits() {
    let Some(stand) = Stand::try_new().await else { return };
    check(&stand.vertebra(&["codes", "unmapped"]), 0, &["nothing waits for a code"]);
    filled(&stand).await;
    check(
        &stand.vertebra(&["codes", "unmapped"]),
        1,
        &["charge", "north", "A/B", "inventory.item.v1", "GLOVE", "2 missing; 3 inputs wait"],
    );
    let told = stand.json(&["codes", "unmapped"]);
    let code = &told["codes"][0];
    assert_eq!(
        (&code["code"], &code["sender"], &code["inputs"]),
        (&"A/B".into(), &"north".into(), &2.into())
    );
    assert_eq!(code["oldest"], Timestamp(3_000_000).to_string());
    stand.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_lane_is_listed_with_its_reason_and_goes_on_when_somebody_says_why() {
    let Some(stand) = Stand::try_new().await else { return };
    check(&stand.vertebra(&["lanes", "list"]), 1, &["UNOWNED", "2 lanes, 0 stopped, 2 unowned"]);
    let (first, _) = (stand.take(0).await, stand.take(1).await);
    check(&stand.vertebra(&["lanes", "list"]), 0, &["2 lanes, 0 stopped, 0 unowned"]);
    let stop = Some("9 inputs in a row were rejected".to_owned());
    stand.commit(&first, Changes { stop, ..Changes::default() }).await;
    check(&stand.vertebra(&["lanes", "list"]), 1, &["STOPPED", "9 inputs in a row", "1 stopped"]);
    assert_eq!(stand.json(&["lanes", "list"])["lanes"][0]["state"], "stopped");
    // It carries nothing out: whoever asks is told so, and does not wait.
    let parked = vec![parked("k1", 1, "north", Reject::new(Reason::Invalid, "FT1-10 is no number"))];
    let first = Fence { seq: first.seq + 1, ..first };
    stand.commit(&first, Changes { parked, ..Changes::default() }).await;
    let redrive =
        ["parked", "redrive", "--key", "k1", "--by", "jo", "--because", "rolled back", "--timeout", "20s"];
    check(
        &stand.vertebra(&redrive),
        1,
        &["lane 0 of billing-case is stopped", "9 inputs in a row", "lanes resume"],
    );
    let resume = |lane, processor| {
        let who = ["--by", "night shift", "--because", "rolled back"];
        stand.vertebra(&[&["lanes", "resume", "--processor", processor, "--lane", lane][..], &who].concat())
    };
    check(&resume("7", CASES), 2, &["has no lane 7"]);
    check(&resume("0", "other"), 2, &["other has no lane 0"]);
    check(&resume("1", CASES), 1, &["was not stopped"]);
    check(&resume("0", CASES), 0, &["lane 0 of billing-case goes on"]);
    check(&resume("0", CASES), 1, &["was not stopped"]);
    let lanes = look::lanes(&stand.store, CASES).await.expect("lanes");
    assert!(lanes.iter().all(|lane| lane.stopped.is_none()), "{lanes:?}");
    stand.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lanes_are_asked_to_fold_again_and_what_they_have_not_answered_stays_wished() {
    let Some(stand) = Stand::try_new().await else { return };
    let again = |processor, topic, more: &[&str]| {
        let what =
            ["raw", "replay", "--processor", processor, "--topic", topic, "--since", "2025-03-10T00:00:00Z"];
        let who = ["--by", "jo", "--because", "a mapping was corrected", "--timeout", "0s"];
        stand.vertebra(&[&what[..], &who, more].concat())
    };
    check(&again("other", "raw.hl7v2.v1", &[]), 2, &["no lane of other"]);
    check(&again(CASES, "raw.v1", &[]), 2, &["does not fold raw.v1"]);
    check(&again("reference.code.v1", "raw.hl7v2.v1", &[]), 2, &["does not fold"]);
    let (first, second) = (stand.take(0).await, stand.take(1).await);
    let asked = again(CASES, "raw.hl7v2.v1", &["--json"]);
    check(&asked, 1, &["asked 2 lanes", "0 of 2 lanes have answered"]);
    let told: Value = serde_json::from_slice(&asked.stdout).expect("JSON");
    let wishes = [0, 1].map(|lane| told["lanes"][lane]["wish"].as_i64().expect("a number"));
    let numbers = format!("{},{}", wishes[0], wishes[1]);
    let waited = || stand.vertebra(&["raw", "replay", "--asked", &numbers, "--timeout", "0s"]);
    check(&waited(), 1, &["2 lanes not answered", &format!("--asked {numbers}")]);
    let mut tx = stand.store.begin(&first, LEASE, 0).await.expect("a batch");
    let since = "2025-03-10T00:00:00Z".parse().expect("a time");
    let wish = Wish::Again { topic: "raw.hl7v2.v1".to_owned(), chosen: Chosen::since(since), dry_run: true };
    let intent = tx.intent().await.expect("an answer").expect("an intent");
    assert_eq!((intent.id, intent.wish), (wishes[0], Some(wish)), "what the lane's owner reads");
    drop(tx);
    let outcome = || Outcome { records: 7, corrected: 2, ..Outcome::default() };
    let ended = Some((wishes[0], outcome()));
    stand.commit(&first, Changes { ended, ..Changes::default() }).await;
    check(&waited(), 1, &["1 of 2 lanes have answered", "1 lane not answered"]);
    let ended = Some((wishes[1], outcome()));
    stand.commit(&second, Changes { ended, ..Changes::default() }).await;
    check(&waited(), 0, &["sum   14 ", "a dry run: nothing was changed"]);
    check(&stand.vertebra(&["raw", "replay", "--asked", "999"]), 2, &["under the number 999"]);
    let done = again(CASES, "raw.hl7v2.v1", &["--yes", "--json"]);
    let told: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!((&told["dry_run"], &told["since"]), (&false.into(), &"2025-03-10T00:00:00Z".into()));
    // One lane first: nobody has answered for it, so the other one was not asked.
    assert_eq!(told["lanes"].as_array().map(Vec::len), Some(1), "{told}");
    assert_eq!(told["stopped"], "lane 0 has not answered");
    stand.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_asks_goes_on_when_somebody_lets_that_many_go_and_says_why() {
    const ITEMS: &str = "odoo-items";
    let Some(stand) = Stand::try_new().await else { return };
    check(&stand.vertebra(&["source", "list"]), 0, &["no source has read anything yet"]);
    stand.store.ensure_lanes(ITEMS, 1).await.expect("lanes");
    let source = LaneId { processor: ITEMS, number: 0 };
    let grant = stand.store.take_lane(source, Uuid::new_v4(), LEASE).await.expect("an answer");
    let row = |id: &str, refused: bool| {
        let refused = refused.then(|| Refusal { reason: Reason::Invalid, detail: "no code".to_owned() });
        (("product.product".to_owned(), id.to_owned()), RowKnown { seen_seq: 1, refused })
    };
    let hold = Hold { gone: 120, known: 900, asked_at: Timestamp(1_000_000), approved: None };
    let source = SourceChanges {
        cursor: Some(Value::Null),
        rows: vec![row("1", false), row("2", true)],
        holds: vec![("product.product".to_owned(), hold)],
        ..SourceChanges::default()
    };
    stand
        .commit(&grant.expect("a free lane").fence, Changes { source: Some(source), ..Changes::default() })
        .await;
    let asks = ["odoo-items", "product.product", "120 of 900 are gone", "1 to be answered, 1 rows refused"];
    check(&stand.vertebra(&["source", "list"]), 1, &asks);
    let approve = |kind, gone| {
        let what = ["source", "approve", "--source", ITEMS, "--kind", kind, "--gone", gone];
        stand.vertebra(&[&what[..], &["--by", "jo", "--because", "an old catalogue"]].concat())
    };
    check(&approve("uom.uom", "120"), 1, &["asks nothing about uom.uom"]);
    check(&approve("product.product", "119"), 1, &["more than 119; nothing was done"]);
    assert_eq!(stand.json(&["source", "list"])["kinds"][0]["asks"]["approved"], Value::Null);
    check(&approve("product.product", "120"), 0, &["up to 120 rows of product.product"]);
    check(&stand.vertebra(&["source", "list"]), 1, &["; approved"]);
    stand.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_is_not_there_is_told_apart_from_a_database_that_does_not_answer() {
    let Some(stand) = Stand::try_new().await else { return };
    let none = format!("test-{}", Uuid::new_v4().simple());
    check(&stand.vertebra_of(&none, &["lanes", "list"]), 2, &["has no ledger of", &none]);
    check(&stand.vertebra_of(&none, &["parked", "list"]), 2, &["--service"]);
    let (client, connection) = tokio_postgres::connect(&stand.url, NoTls).await.expect("a connection");
    tokio::spawn(connection);
    let made =
        client.query("SELECT 1 FROM pg_namespace WHERE nspname = $1", &[&none.replace('-', "_")]).await;
    assert!(made.expect("an answer").is_empty(), "looking makes nothing");
    stand.drop().await;
}

#[test]
fn a_command_line_without_a_database_is_refused_and_a_silent_one_is_away() {
    check(&vertebra(["lanes", "list", "--service", "s"]), 2, &["--postgres-url is missing"]);
    let nowhere = ["lanes", "list", "--service", "s", "--postgres-url", "postgres://me@127.0.0.1:1/x"];
    check(&vertebra(nowhere), 3, &["the ledger cannot be used"]);
    let twice = ["--postgres-url", "postgres://me:pw@127.0.0.1:1/x", "--postgres-password-file", "/dev/null"];
    check(&vertebra(["lanes", "list", "--service", "s"].into_iter().chain(twice)), 2, &["leave one out"]);
}
