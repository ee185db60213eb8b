//! A whole hospital's day on the real stack: three senders with their dialects over MLLP, code tables, Odoo read and
//! written, a cashier, and every visit's account held against the day's own truth.
//!
//! Needs what `VERTEBRA_TEST_*` name, and the services' programs, which `cargo build --workspace --bins` makes.

use backbone::proof::{Proof, prove};
use end_to_end::{Operator, balanced, drained, folder, seed, sending, start};
use harness::{Books, Codes, Evidence, Fleet, Launch, Played, Role, SenderFile, Stack, canaries, pay, until};
use hospital::truth::{Fate, Message};
use hospital::{Config, LATER};
use jiff::civil::Date;
use serde_json::Value;
use std::time::Duration;

const PATIENTS: usize = 40;
/// How long Odoo's word may take.
const COME_BACK: Duration = Duration::from_secs(60);

/// What services count themselves, beside the runtime's counts, and a whole day moves.
const OWN_METRICS: [&str; 3] = [
    "vertebra_billing_amount{",
    "vertebra_billing_charges{",
    "vertebra_odoo_poller_detection_seconds_count{",
];

/// What is landed and nobody has said the meaning of: where the day has such messages.
const UNMAPPED: &str = "vertebra_translation_unmapped_total{";

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_day_comes_to_what_was_said_and_the_same_day_again_changes_nothing() {
    let Some(stack) = Stack::from_env() else { return };
    let seed = seed();
    let folder = folder("hospital-day", seed);
    let files = hospital::Sender::ALL.map(|sender| SenderFile::of_day(sender, Launch::free_port()));
    let fleet = Fleet::new(&stack, &folder, files.to_vec()).expect("its files");
    let fleet = fleet.with(Role::Bill, "known-items-only", "true");
    fleet.apply_contract().expect("topics and schemas");
    stack.seed_odoo().await.expect("partners and products");
    let mut processes = start(&fleet).await;

    // A day that no other test plays: the books of its senders are this day's alone.
    let config = Config { day: Date::constant(2025, 3, 12), ..Config::new(seed, PATIENTS) };
    let mut day = Played::of_fleet(&config);
    let how = sending(&fleet);
    let report = day.send(&how, |_| {}).await;
    assert!(report.unacknowledged.is_empty(), "{:?}", report.unacknowledged);
    println!("{} transmissions, {} acknowledged", report.transmissions, report.acknowledged);
    let books = Books::open(&stack).await.expect("the books");
    let mut evidence = balanced(&books, &[&day], Codes::Morning).await;
    println!("balanced, but for what nobody has mapped: {} parked", evidence.parked.len());
    assert_eq!(day.unnoticed(&evidence, Codes::Morning), [""; 0], "the checker is blind to these");

    released_too_early_it_waits_again(&Operator::new(&fleet, &stack));
    an_account_is_followed(&Operator::new(&fleet, &stack), &day);
    fleet.add_codes(LATER).expect("a file of codes");
    evidence = balanced(&books, &[&day], Codes::Later).await;
    let paid = pay(&stack, &evidence, &day.visits()).await.expect("odoo takes payments");
    assert!(paid.payments > 0, "nobody had anything to pay");
    evidence = balanced(&books, &[&day], Codes::Later).await;
    assert!(!evidence.paid.stated.is_empty(), "no payment came back");
    assert_eq!(day.unnoticed(&evidence, Codes::Later), [""; 0], "the checker is blind to these");

    let rows = books.rows().await.expect("rows");
    let report = day.send(&how, |_| {}).await;
    assert!(report.unacknowledged.is_empty(), "{:?}", report.unacknowledged);
    let again = balanced(&books, &[&day], Codes::Later).await;
    assert_eq!(outcome(&evidence), outcome(&again), "the same messages changed something");
    assert!(evidence.invoices == again.invoices, "the same messages changed something in odoo");
    assert_eq!(rows, books.rows().await.expect("rows"), "the same messages changed what people see");

    agrees_with_its_senders(&fleet, &stack, &day);
    // What changed within the last polling interval differs for a moment.
    let mut said = String::new();
    let same = until(COME_BACK, || {
        let (is_same, told) = fleet.run(Role::Poll, &["check"]).expect("the poller's program");
        said = told;
        async move { is_same.then_some(()) }
    });
    let same = same.await;
    assert!(same.is_some(), "the topics do not say what odoo has: {said}");
    each_ledger_is_what_its_journal_leads_to(&stack, &books).await;

    let mut sightings = books.canaries().await.expect("records");
    let mut served = String::new();
    for process in &processes {
        let metrics = process.metrics().await.expect("metrics");
        sightings.extend(canaries::in_bytes(process.name(), metrics.as_bytes()));
        served += &metrics;
    }
    let is_ignored = |message: &Message| matches!(message.fate, Fate::Ignored { .. });
    let unmapped = day.plan.truth.messages.iter().any(is_ignored).then_some(UNMAPPED);
    for name in OWN_METRICS.into_iter().chain(unmapped) {
        let is_told = served.lines().any(|line| line.starts_with(name) && !line.ends_with(" 0"));
        assert!(is_told, "{name} is on nobody's /metrics, or nought after a whole day");
    }
    drained(&mut processes).await;
    sightings.extend(canaries::in_logs(&folder).expect("logs"));
    assert!(sightings.is_empty(), "planted patient data was found: {sightings:#?}");
    std::fs::remove_dir_all(&folder).expect("the folder goes when all went well");
}

/// What waits for a code is released by a person who thinks that it is there: the lane's owner looks again, and it waits on.
#[track_caller]
fn released_too_early_it_waits_again(operator: &Operator<'_>) {
    let release = ["parked", "release", "--service", "billing-projector"];
    let who = ["--by", "a test", "--because", "the codes should be there"];
    let dry = operator.json(1, &[&release[..], &who].concat());
    assert!(dry["chosen"].as_u64().is_some_and(|chosen| chosen > 0) && dry["dry_run"] == true, "{dry:#}");
    assert!(dry["sum"]["rejected"]["missing"].is_u64() && dry["sum"]["resolved"] == 0, "{dry:#}");
    let done = operator.said(1, &[&release[..], &who, &["--yes"]].concat());
    assert!(done.contains("missing"), "{done}");
    let kept = operator.said(0, &["audit", "list", "--service", "billing-projector"]);
    assert!(kept.contains("the codes should be there"), "{kept}");
}

/// The clinic has accounts: by the number of one, its visit is found.
#[track_caller]
fn an_account_is_followed(operator: &Operator<'_>, day: &Played) {
    let mut visits = day.plan.truth.visits.iter();
    let visit = visits.find(|visit| visit.sender == hospital::Sender::Clinic && !visit.messages.is_empty());
    let number = &visit.expect("a visit at the clinic").visit;
    let (code, told) = operator.answered(&["trace", "-", "--as", "account", "--json"], number);
    assert!(code <= 1, "{told}");
    let told: Value = serde_json::from_str(&told).expect("JSON");
    let places = told["steps"].as_array().expect("steps").iter().filter_map(|step| step["place"].as_str());
    assert!(places.clone().any(|place| place.starts_with("clinical.encounter.v1/")), "{told:#}");
}

/// The books of the day are what its senders say that they posted; a cent more, and they differ. Everything that was
/// acknowledged is somewhere.
fn agrees_with_its_senders(fleet: &Fleet, stack: &Stack, day: &Played) {
    let operator = Operator::new(fleet, stack);
    let file = fleet.folder().join("control.csv");
    let name = file.to_str().expect("a plain path");
    let control = |text: &str| std::fs::write(&file, text).expect("a file of control totals");
    let totals = day.control_totals();
    control(&totals);
    let books = operator.json(0, &["books", "--control-total", name, "--since", "1970-01-01T00:00:00Z"]);
    let flows = books["flows"].as_array().expect("flows");
    let whats: Vec<&str> = flows.iter().filter_map(|flow| flow["what"].as_str()).collect();
    assert_eq!(whats, ["messages", "charges", "requests"], "{books:#}");
    for flow in flows {
        let sum = |place: &str| -> u64 {
            let accounts = flow["accounts"].as_array().expect("accounts").iter();
            accounts.map(|account| account[place]["count"].as_u64().expect("a count")).sum()
        };
        let parts = sum("applied") + sum("parked") + sum("discarded") + sum("in_flight");
        assert!(sum("applied") > 0 && sum("acknowledged") == parts && sum("missing") == 0, "{flow:#}");
    }
    let (account, amount) = totals.lines().last().and_then(|line| line.rsplit_once(',')).expect("an account");
    let more = format!("{account},{amount}1");
    assert!(amount.contains('.'), "{amount}");
    control(&totals.replace(&format!("{account},{amount}"), &more));
    let said = operator.said(1, &["books", "--control-total", name]);
    assert!(said.contains("differs"), "a total that is not met is not told: {said}");
}

/// I8, of every projection there is.
#[expect(clippy::print_stdout, reason = "a test says how much it proved")]
async fn each_ledger_is_what_its_journal_leads_to(stack: &Stack, books: &Books) {
    let registry = stack.registry().expect("the registry");
    let ledger = |service: &str| {
        books.ledgers().iter().find(|ledger| ledger.service == service).expect("the service's ledger")
    };
    let (billing, adapter) = (ledger("billing-projector"), ledger("ehr-adapter"));
    let folding = billing_projector::folding(billing_projector::Setup {
        hold: std::time::Duration::ZERO,
        lines_max: 500,
        known_items_only: true,
        taxed: false,
        facilities: billing_projector::Facilities::default(),
    });
    let tokens = canon::Tokenizer::new(harness::SECRET.as_bytes()).expect("a secret");
    let (translation, patients) = ehr_adapter::foldings(tokens).expect("counters");
    let kafka = stack.kafka();
    let proofs = [
        ("billing", prove(folding, billing.service, &billing.store, &kafka, &registry).await),
        ("translation", prove(translation, adapter.service, &adapter.store, &kafka, &registry).await),
        ("patients", prove(patients, adapter.service, &adapter.store, &kafka, &registry).await),
    ];
    for (what, proof) in proofs {
        let Proof { batches, states, facts, rows, differences } = proof.expect("everything can be read");
        println!("{what}: {batches} batches rebuilt to {states} states, {facts} facts, {rows} report rows");
        assert!(batches > 0 && facts > 0, "{what}: nothing was rebuilt");
        assert_eq!(differences, [""; 0], "{what}");
    }
}

/// How much there is of everything behind the door.
fn outcome(evidence: &Evidence) -> [usize; 11] {
    [
        evidence.encounters.stated.len(),
        evidence.charges.stated.len(),
        evidence.cases.stated.len(),
        evidence.requests.stated.len(),
        evidence.appointments.stated.len(),
        evidence.orders.stated.len(),
        evidence.results.stated.len(),
        evidence.consumptions.stated.len(),
        evidence.entered.stated.len(),
        evidence.invoices.len(),
        evidence.by_reference.values().sum(),
    ]
}
