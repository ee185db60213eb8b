//! A code of the day stood for the wrong product. The table is corrected, and billing, which remembers what it asked for, is rebuilt
//! beside the live one by the running service, compared, cut over to, gone back from and cut over to again: in the end every charge is
//! net on the right product, by credit notes, and nothing was published before anybody said yes.
//!
//! Needs what `VERTEBRA_TEST_*` name, and the services' programs, which `cargo build --workspace --bins` makes.

use canon::events::billing_invoice_request::RequestKind;
use canon::{Code, Event};
use end_to_end::{Operator, balanced, drained, folder, seed, sending, settled, start};
use harness::{Books, Codes, Evidence, Fleet, Launch, Played, Role, SenderFile, Stack, until};
use hospital::truth::{Charge, ChargeKind, Fate};
use hospital::{Config, LATER, Sender, TABLES, Table};
use rust_decimal::Decimal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

const PATIENTS: usize = 12;
const TAKEN_UP: Duration = Duration::from_secs(60);
/// The code, which is its product's as well, and the product that it stood for.
const RIGHT: &str = "BED-GEN";
const WRONG: &str = "THE-HOU";

#[tokio::test(flavor = "multi_thread")]
async fn billing_is_rebuilt_beside_the_live_one_and_what_a_wrong_code_table_spoiled_is_put_right() {
    let Some(stack) = Stack::from_env() else { return };
    let seed = seed();
    let folder = folder("replayed", seed);
    let files = Sender::ALL.map(|sender| SenderFile::of_day(sender, Launch::free_port()));
    let fleet = Fleet::new(&stack, &folder, files.to_vec()).expect("its files");
    // As the day before this one in the same ledger has it, so that its charges come to the same.
    let fleet = fleet.with(Role::Bill, "known-items-only", "true");
    fleet.add_codes(LATER).expect("a file of codes");
    let right = TABLES[0];
    let spoiled = right.csv.replace(&format!(",{RIGHT},\"Bed, general"), &format!(",{WRONG},\"Bed, general"));
    assert_ne!(spoiled, right.csv);
    fleet.add_codes(Table { csv: Box::leak(spoiled.into_boxed_str()), ..right }).expect("a wrong table");
    fleet.apply_contract().expect("topics and schemas");
    stack.seed_odoo().await.expect("partners and products");
    let mut processes = start(&fleet).await;
    let books = Books::open(&stack).await.expect("the books");
    let operator = Operator::new(&fleet, &stack);

    // Tests before this one have left theirs.
    let others = charges(&read(&books).await);

    let mut day = day_with_the_code(seed);
    day.send(&sending(&fleet), |_| {}).await;
    settled(&books).await;
    let before = read(&books).await;
    let wrong = net(&others, &before, WRONG);
    assert!(wrong > Decimal::ZERO && net(&others, &before, RIGHT).is_zero(), "the mistake did no harm");

    // As everything was looked up then, the same comes out; but where tests before this one ran with other settings.
    let replay = run(&operator, &[]);
    let verify = ["replay", "verify", "--service", "billing-projector", "--replay", &replay];
    let (_, same) = operator.json_of_either(&verify);
    let differing = same["facts"].as_array().expect("facts");
    assert!(differing.iter().all(|facts| facts["cause"] == "configuration"), "{same}");
    retire(&operator, &replay);

    let codes = books.count(Code::TOPIC).await.expect("the topic");
    fleet.add_codes(right).expect("the right table");
    let published =
        until(TAKEN_UP, || async { (books.count(Code::TOPIC).await.ok()? != codes).then_some(()) });
    published.await.expect("the corrected table is published");
    settled(&books).await;
    let counts = requests(&read(&books).await);

    let plan = operator
        .said(0, &["replay", "plan", "--service", "billing-projector", "--processor", "billing-case"]);
    assert!(plan.contains("billing.invoice-request.v1") && plan.contains("commands"), "{plan}");
    let replay = run(&operator, &["--tables", "now"]);
    let of = ["--service", "billing-projector", "--replay", &replay];
    let verified = operator.json(1, &[&["replay", "verify"][..], &of].concat());
    let facts = verified["facts"].as_array().expect("facts");
    // By what the tests before this one ran with, it may have been the configuration as well: a deadline says no more.
    let is_named = |fact: &Value| {
        let cause = fact["cause"].as_str().expect("a cause");
        fact["topic"] == "billing.invoice-request.v1" && cause.ends_with("master data")
    };
    assert!(facts.iter().any(is_named), "{verified}");
    let rows = verified["some_rows"].as_array().expect("rows");
    let is_explained = |row: &Value| row["cause"].as_str().is_some_and(|cause| cause != "unknown");
    assert!(!rows.is_empty() && rows.iter().any(is_explained), "{verified}");
    let who = ["--by", "a test", "--because", "the code stood for the wrong product"];
    operator.said(1, &[&["replay", "cutover"][..], &of, &who].concat());
    let would = operator.json(0, &[&["replay", "cutover", "--dry-run"][..], &of, &who].concat());
    settled(&books).await;
    assert_eq!(requests(&read(&books).await), counts, "something was published that nobody had said yes to");

    let yes = ["--by", "a test", "--yes-because", "as verified"];
    println!("{}", operator.said(0, &[&["replay", "cutover"][..], &of, &yes].concat()));
    settled(&books).await;
    let after = read(&books).await;
    // What was told beforehand is what came, in money: invoiced and credited for themselves.
    let (invoiced, credited) = asked_for(&after);
    let (invoiced_before, credited_before) = asked_for(&before);
    assert_eq!(moved(&would, "recorded"), invoiced - invoiced_before, "{would:#}");
    assert_eq!(moved(&would, "reversed"), credited - credited_before, "{would:#}");
    assert!(credited < credited_before, "{would:#}");
    assert_eq!((net(&others, &after, RIGHT), net(&others, &after, WRONG).is_zero()), (wrong, true));
    assert!(notes(&after) > notes(&before), "nothing was credited");

    operator.said(0, &[&["replay", "rollback"][..], &of, &yes].concat());
    settled(&books).await;
    let back = read(&books).await;
    assert_eq!((net(&others, &back, WRONG), net(&others, &back, RIGHT).is_zero()), (wrong, true));
    operator.said(0, &[&["replay", "cutover"][..], &of, &yes].concat());
    balanced(&books, &[&day], Codes::Later).await;
    let end = read(&books).await;
    assert_eq!((net(&others, &end, RIGHT), net(&others, &end, WRONG).is_zero()), (wrong, true));

    retire(&operator, &replay);
    let gone = until(TAKEN_UP, || async {
        let left = operator.json(0, &["replay", "list", "--service", "billing-projector"]);
        (left["replays"] == serde_json::json!([])).then_some(())
    });
    gone.await.expect("the service throws it away");
    drained(&mut processes).await;
    std::fs::remove_dir_all(&folder).expect("the folder goes when all went well");
}

/// A day on which somebody's stay is charged by the code, and ends: not every day of so few patients has one.
fn day_with_the_code(seed: u64) -> Played {
    let is_charged = |day: &Played| {
        let truth = &day.plan.truth;
        let ends = |charge: &Charge| {
            let mut visits = truth.visits.iter();
            let visit = visits.find(|visit| (visit.sender, &visit.visit) == (charge.sender, &charge.visit));
            visit.is_some_and(|visit| visit.discharged_at.is_some())
        };
        let is_counted = |charge: &Charge| charge.kind == ChargeKind::Charge && charge.fate == Fate::Applied;
        let is_given_back = |charge: &Charge| {
            let mut others = truth.charges.iter();
            others.any(|other| other.reverses.as_deref() == Some(charge.transaction.as_str()))
        };
        let mut charges = truth.charges.iter().filter(|charge| charge.code == RIGHT);
        charges.any(|charge| is_counted(charge) && ends(charge) && !is_given_back(charge))
    };
    // Far from each other: seeds of tests that follow are the times at which they begin.
    let seeds = (0..50).map(|step| seed + step * 100_000_000);
    let mut days = seeds.map(|seed| Played::of_fleet(&Config::new(seed, PATIENTS)));
    days.find(is_charged).expect("one day of fifty has a bed in a general ward")
}

/// Has billing rebuilt; the rebuild's number.
fn run(operator: &Operator<'_>, more: &[&str]) -> String {
    let run = ["replay", "run", "--service", "billing-projector", "--processor", "billing-case"];
    let who = ["--by", "a test", "--because", "it is tested", "--timeout", "120s"];
    let rebuild = operator.json(0, &[&run[..], &who, more].concat());
    rebuild["replay"].to_string()
}

fn retire(operator: &Operator<'_>, replay: &str) {
    let retire = ["replay", "retire", "--service", "billing-projector", "--replay", replay];
    operator.said(0, &[&retire[..], &["--by", "a test", "--because", "it is settled"]].concat());
}

async fn read(books: &Books) -> Evidence {
    books.read().await.expect("everything can be read")
}

/// How many requests there are.
fn requests(evidence: &Evidence) -> usize {
    evidence.requests.stated.len()
}

/// What all requests ask for: invoiced, and credited, which is not above zero.
fn asked_for(evidence: &Evidence) -> (Decimal, Decimal) {
    let mut seen = BTreeSet::new();
    let (mut invoiced, mut credited) = (Decimal::ZERO, Decimal::ZERO);
    let bodies = evidence.requests.stated.iter().filter_map(|stated| stated.body.as_ref());
    for request in bodies.filter(|request| seen.insert(request.request.as_str())) {
        let total = Decimal::new(request.total.unscaled(), 4);
        match request.kind {
            RequestKind::CreditNote => credited -= total,
            _ => invoiced += total,
        }
    }
    (invoiced, credited)
}

/// What requests of this kind of change come to, as a step tells it.
fn moved(told: &Value, change: &str) -> Decimal {
    let moved = told["sum"]["moved"].as_array().expect("sums").iter();
    let ours = moved.filter(|one| one["topic"] == "billing.invoice-request.v1" && one["change"] == change);
    let amount =
        |one: &Value, at: &str| -> Decimal { one[at].as_str().expect("money").parse().expect("money") };
    ours.map(|one| amount(one, "after") - amount(one, "before")).sum()
}

fn notes(evidence: &Evidence) -> usize {
    let bodies = evidence.requests.stated.iter().filter_map(|stated| stated.body.as_ref());
    bodies.filter(|request| request.kind == RequestKind::CreditNote).count()
}

/// The charges of the code.
fn charges(evidence: &Evidence) -> BTreeSet<String> {
    let bodies = evidence.charges.stated.iter().filter_map(|stated| stated.body.as_ref());
    bodies.filter(|charge| charge.code == RIGHT).map(|charge| charge.charge.clone()).collect()
}

/// What the code's charges come to on a product, but for others' charges: invoiced less credited.
fn net(others: &BTreeSet<String>, evidence: &Evidence, product: &str) -> Decimal {
    let ours: BTreeSet<String> = charges(evidence).difference(others).cloned().collect();
    let mut seen = BTreeSet::new();
    let bodies = evidence.requests.stated.iter().filter_map(|stated| stated.body.as_ref());
    let mut sum = Decimal::ZERO;
    for request in bodies.filter(|request| seen.insert(request.request.as_str())) {
        let sign = if request.kind == RequestKind::CreditNote { -Decimal::ONE } else { Decimal::ONE };
        let lines = request.lines.iter().filter(|line| line.code == product && ours.contains(&line.charge));
        sum += lines.map(|line| Decimal::new(line.amount.unscaled(), 4)).sum::<Decimal>() * sign;
    }
    sum
}
