//! Two days with a mistake in one sender's file, which is corrected in between: the raw messages are translated again, only
//! what the mistake had spoiled goes out, and Odoo ends right by credit notes.
//!
//! Needs what `VERTEBRA_TEST_*` name, and the services' programs, which `cargo build --workspace --bins` makes.

use canon::events::billing_invoice_request::RequestKind;
use canon::{Event, SenderConfig};
use end_to_end::{balanced, drained, folder, seed, sending, settled, start};
use harness::{Books, Codes, Evidence, Fleet, Launch, Played, SenderFile, Stack, until};
use hospital::{Config, LATER, Sender};
use std::process::Command;
use std::time::Duration;

const PATIENTS: usize = 20;
const TAKEN_UP: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn what_a_wrong_mapping_spoiled_is_corrected_by_translating_again_and_credit_notes() {
    let Some(stack) = Stack::from_env() else { return };
    let seed = seed();
    let folder = folder("corrected-mapping", seed);
    let mut files = Sender::ALL.map(|sender| SenderFile::of_day(sender, Launch::free_port()));
    let clinic = files.iter_mut().find(|file| file.name == "clinic").expect("the clinic's file");
    let right = clinic.yaml.clone();
    clinic.yaml = right.replace("currency: EUR", "currency: USD");
    assert_ne!(clinic.yaml, right);
    let fleet = Fleet::new(&stack, &folder, files.to_vec()).expect("its files");
    fleet.add_codes(LATER).expect("a file of codes");
    fleet.apply_contract().expect("topics and schemas");
    stack.seed_odoo().await.expect("partners and products");
    let mut processes = start(&fleet).await;
    let books = Books::open(&stack).await.expect("the books");

    let mut first = Played::of_fleet(&Config::new(seed, PATIENTS));
    first.send(&sending(&fleet), |_| {}).await;
    settled(&books).await;
    let spoiled = books.read().await.expect("everything can be read");
    assert!(!harness::amiss(&first, &spoiled, Codes::Later).is_empty(), "the mistake did no harm");

    let configs = books.count(SenderConfig::TOPIC).await.expect("the topic");
    fleet.rewrite_sender("clinic", &right).expect("the corrected file");
    let published =
        until(TAKEN_UP, || async { (books.count(SenderConfig::TOPIC).await.ok()? != configs).then_some(()) });
    published.await.expect("the corrected file is published");
    settled(&books).await;
    let mut second = Played::of_fleet(&Config::new(seed + 1, PATIENTS));
    second.send(&sending(&fleet), |_| {}).await;
    balanced(&books, &[&second], Codes::Later).await;

    let before = books.read().await.expect("everything can be read");
    let dry = again(&fleet, &stack, &[]);
    // Named, and with what they come to in both currencies.
    for said in
        ["of clinic ", "billing.charge.v1", "corrected  USD", "corrected  EUR", "charge/clinic/", "a dry run"]
    {
        assert!(dry.contains(said), "{said} in {dry}");
    }
    assert!(!dry.contains("north") && !dry.contains("charge/lab/"), "another sender's: {dry}");
    let looked = books.read().await.expect("everything can be read");
    assert_eq!(counts(&before), counts(&looked), "looking changed something");
    println!("{}", again(&fleet, &stack, &["--yes"]));
    let after = balanced(&books, &[&first, &second], Codes::Later).await;

    let (others, clinics, _) = counts(&before);
    let (others_after, clinics_after, notes) = counts(&after);
    assert_eq!(others, others_after, "facts of senders whose mapping was right went out again");
    assert_eq!(
        untouched(&before),
        untouched(&after),
        "facts that are no matter of a currency went out again"
    );
    assert!(clinics_after > clinics, "nothing of the clinic's was corrected");
    assert!(notes > 0, "nothing was credited");
    drained(&mut processes).await;
    std::fs::remove_dir_all(&folder).expect("the folder goes when all went well");
}

/// Records of charges of other senders and of the clinic, and credit notes that were asked for.
fn counts(evidence: &Evidence) -> (usize, usize, usize) {
    let of = |is_clinic: bool| {
        let bodies = evidence.charges.stated.iter().filter_map(|stated| stated.body.as_ref());
        bodies.filter(|body| (body.sender == "clinic") == is_clinic).count()
    };
    let requests = evidence.requests.stated.iter().filter_map(|stated| stated.body.as_ref());
    let notes = requests.filter(|request| request.kind == RequestKind::CreditNote).count();
    (of(false), of(true), notes)
}

/// How many records there are of what no currency is in.
fn untouched(evidence: &Evidence) -> [usize; 6] {
    [
        evidence.encounters.stated.len(),
        evidence.links.stated.len(),
        evidence.appointments.stated.len(),
        evidence.orders.stated.len(),
        evidence.results.stated.len(),
        evidence.consumptions.stated.len(),
    ]
}

/// What an operator types.
fn again(fleet: &Fleet, stack: &Stack, more: &[&str]) -> String {
    let output = Command::new(fleet.program("vertebra"))
        .env_clear()
        .args(["raw", "replay", "--sender", "clinic", "--since", "1970-01-01T00:00:00Z"])
        .args(["--by", "a test", "--because", "the clinic's currency was wrong"])
        .args(["--postgres-url", &stack.postgres_url])
        .args(more)
        .output()
        .expect("the program is built");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.code().is_some_and(|code| code <= 1),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said
}
