//! A hospital's small day on the real stack: HL7 over MLLP in, posted invoices in Odoo out, each charge once.
//!
//! Needs what `VERTEBRA_TEST_*` name, and the services' programs, which `cargo build --workspace --bins` makes.

use end_to_end::settled;
use harness::{
    Books, Evidence, Fleet, History, Hospital, Launch, Plan, Process, Role, Sender, SenderFile, Stack,
};
use harness::{canaries, check, send_all};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const READY: Duration = Duration::from_secs(60);
const DRAINED: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn each_charge_of_a_day_is_on_one_invoice_line_and_the_same_day_again_changes_nothing() {
    let Some(stack) = Stack::from_env() else { return };
    let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    let plan = Plan {
        seed,
        visits: 14,
        charges: (1, 6),
        finished_of_ten: 8,
        twice_of_hundred: 10,
        sender: "first-charge".to_owned(),
    };
    let hospital = Hospital::day(plan);
    println!("seed {seed}: {} messages, {} charges", hospital.message_count(), hospital.charge_count());
    let folder = folder(seed);
    let file = SenderFile::small(hospital.sender(), Launch::free_port());
    let fleet = Fleet::new(&stack, &folder, vec![file]).expect("its files");
    let address = fleet.mllp(hospital.sender());
    fleet.apply_contract().expect("topics and schemas");
    stack.seed_odoo().await.expect("partners and products");
    let mut processes = start(&fleet).await;

    let mut history = play(&hospital, address).await;
    assert_eq!(history.acknowledged_messages(), hospital.message_count());
    let books = Books::open(&stack).await.expect("the books");
    let first = balanced(&books, &hospital, &history).await;
    let rows = books.rows().await.expect("rows");

    history.merge(play(&hospital, address).await);
    let second = balanced(&books, &hospital, &history).await;
    assert!(second.raw.len() > first.raw.len(), "the second day did not land");
    assert_eq!(outcome(&first), outcome(&second), "the same messages changed something");
    assert!(first.invoices == second.invoices, "the same messages changed something in odoo");
    assert_eq!(rows, books.rows().await.expect("rows"), "the same messages changed what people see");

    let mut sightings = books.canaries().await.expect("records");
    for process in &processes {
        let metrics = process.metrics().await.expect("metrics");
        assert!(metrics.contains("vertebra_"), "{} has no metrics", process.name());
        sightings.extend(canaries::in_bytes(process.name(), metrics.as_bytes()));
    }
    for process in &mut processes {
        let ended = process.stop(DRAINED).await;
        assert!(ended.is_some_and(|status| status.success()), "{} did not drain: {ended:?}", process.name());
    }
    sightings.extend(canaries::in_logs(&folder).expect("logs"));
    assert!(sightings.is_empty(), "planted patient data was found: {sightings:#?}");
    std::fs::remove_dir_all(&folder).expect("the folder goes when all went well");
}

/// How much there is of everything behind the door.
fn outcome(evidence: &Evidence) -> [usize; 7] {
    [
        evidence.encounters.stated.len(),
        evidence.charges.stated.len(),
        evidence.cases.stated.len(),
        evidence.requests.stated.len(),
        evidence.dead_letters,
        evidence.invoices.len(),
        evidence.by_reference.values().sum(),
    ]
}

async fn start(fleet: &Fleet) -> Vec<Process> {
    let mut processes: Vec<Process> =
        Role::WAY.iter().map(|role| fleet.start(*role).unwrap_or_else(|error| panic!("{error}"))).collect();
    for process in &mut processes {
        process.ready(READY).await.unwrap_or_else(|error| panic!("{error}"));
    }
    processes
}

async fn play(hospital: &Hospital, address: SocketAddr) -> History {
    let (history, errors) = send_all(hospital.streams(3), || Sender::new(address)).await;
    assert!(errors.is_empty(), "{errors:?}");
    history
}

async fn balanced(books: &Books, hospital: &Hospital, history: &History) -> Evidence {
    settled(books).await;
    let evidence = books.read().await.expect("everything can be read");
    let differences = check(hospital, history, &evidence);
    let told: Vec<String> = differences.iter().map(ToString::to_string).collect();
    assert!(differences.is_empty(), "the books do not balance:\n{}", told.join("\n"));
    evidence
}

fn folder(seed: u64) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("first-charge-{seed}"))
}
