//! A mapping was wrong since Tuesday: the sender's file is corrected, what it spoiled is translated again, and Odoo ends right by
//! credit notes.

use canon::events::billing_invoice_request::RequestKind;
use canon::{Event, SenderConfig};
use end_to_end::{balanced, drained, folder, seed, sending, start};
use harness::{Books, Codes, Evidence, Fleet, Launch, Played, SenderFile, Stack, until};
use hospital::{Config, LATER, Sender};
use runbooks::expect::Known;
use runbooks::scene::{ALONE, SETTLED, scaled};
use runbooks::typist::{Others, Typist};
use std::time::Duration;

const TAKEN_UP: Duration = Duration::from_secs(60);

/// Whoever corrects the file.
struct Integrators<'a> {
    fleet: &'a Fleet,
    books: &'a Books,
    right: String,
}

impl Others for Integrators<'_> {
    async fn then(&mut self, name: &str, _known: &mut Known) -> bool {
        match name {
            "the file is corrected" => {
                let configs = self.books.count(SenderConfig::TOPIC).await.expect("the topic");
                self.fleet.rewrite_sender("clinic", &self.right).expect("the corrected file");
                let published = until(TAKEN_UP, || async {
                    (self.books.count(SenderConfig::TOPIC).await.ok()? != configs).then_some(())
                });
                published.await.expect("the corrected file is published");
            }
            _ => return false,
        }
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_was_wrong_since_tuesday() {
    let Some(stack) = Stack::from_env() else { return };
    let _alone = ALONE.lock().await;
    let seed = seed();
    let folder = folder("mapping-wrong", seed);
    let mut files = Sender::ALL.map(|sender| SenderFile::of_day(sender, Launch::free_port()));
    let clinic = files.iter_mut().find(|file| file.name == "clinic").expect("the clinic's file");
    let right = clinic.yaml.clone();
    clinic.yaml = right.replace("currency: EUR", "currency: USD");
    let fleet = Fleet::new(&stack, &folder, files.to_vec()).expect("its files");
    fleet.add_codes(LATER).expect("a file of codes");
    fleet.apply_contract().expect("topics and schemas");
    stack.seed_odoo().await.expect("partners and products");
    let mut processes = start(&fleet).await;
    let books = Books::open(&stack).await.expect("the books");
    let mut day = Played::of_fleet(&Config::new(seed, scaled(30, 200)));
    day.send(&sending(&fleet), |_| {}).await;
    let settled = books.settle(SETTLED, |_| {}).await.expect("everybody can be asked");
    settled.unwrap_or_else(|unsettled| panic!("{unsettled}"));
    let spoiled = books.read().await.expect("everything can be read");
    assert!(!harness::amiss(&day, &spoiled, Codes::Later).is_empty(), "the mistake did no harm");

    let tried = folder.join("corrected.yaml");
    std::fs::write(&tried, &right).expect("the file to be tried");
    let mut typist = Typist::new("mapping-was-wrong.md", &fleet, &stack).knowing("sender", "clinic");
    typist.types(&mut Integrators { fleet: &fleet, books: &books, right }).await;

    let after = balanced(&books, &[&day], Codes::Later).await;
    assert!(notes(&after) > notes(&spoiled), "nothing was credited");
    drained(&mut processes).await;
    std::fs::remove_dir_all(&folder).expect("the folder goes when all went well");
}

fn notes(evidence: &Evidence) -> usize {
    let requests = evidence.requests.stated.iter().filter_map(|stated| stated.body.as_ref());
    requests.filter(|request| request.kind == RequestKind::CreditNote).count()
}
