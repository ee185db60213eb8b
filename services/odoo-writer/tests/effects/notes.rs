//! Credit notes: made once, of what is posted, and set off by Odoo against the invoice that they reverse.

use crate::acts::effect;
use crate::sample::{request, reversal_of};
use crate::world::{POSTED, World, requests};
use canon::InvoiceRequest;
use canon::events::billing_invoice_request::RequestKind;
use odoo::cashier::Cashier;
use odoo::fake::Fault;
use serde_json::{Value, json};

/// What is still owed on the invoice of a request.
async fn residual(world: &World, request: &InvoiceRequest) -> String {
    let invoices = odoo::invoice::Invoices::new(world.person.clone(), vec![1]);
    let id = odoo::ExternalId::ours(&format!("invoice_{}", request.request)).unwrap();
    let found = invoices.read_back(std::slice::from_ref(&id)).await.unwrap();
    found[&id].residual.to_string()
}

/// The one outcome.
#[track_caller]
fn check(outcomes: &[String], beginning: &str) {
    assert!(outcomes.len() == 1 && outcomes[0].starts_with(beginning), "{outcomes:?}");
}

#[tokio::test]
async fn a_credit_note_settles_its_invoice_and_repeats_change_nothing() {
    let world = World::seeded().await;
    let writer = world.writer();
    let invoices = requests(1);
    check(&effect(&writer, &invoices).await, "applied account.move,");
    assert_eq!(residual(&world, &invoices[0]).await, "12.44");
    let notes = [reversal_of(&invoices[0])];
    let first = effect(&writer, &notes).await;
    check(&first, "applied account.move,");
    assert_eq!(world.books().await, [POSTED, POSTED]);
    assert_eq!(residual(&world, &invoices[0]).await, "0");
    assert_eq!(effect(&writer, &notes).await, first);
    assert_eq!(world.books().await, [POSTED, POSTED]);
}

#[tokio::test]
async fn a_part_is_given_back_of_a_part() {
    let world = World::seeded().await;
    let writer = world.writer();
    let invoices = requests(1);
    effect(&writer, &invoices).await;
    let mut note = reversal_of(&invoices[0]);
    note.lines.truncate(1);
    note.lines[0].amount = "2.34".parse().unwrap();
    note.total = note.lines[0].amount;
    check(&effect(&writer, &[note]).await, "applied");
    assert_eq!(world.books().await, [POSTED, "posted 2.34 = 2.34"]);
    assert_eq!(residual(&world, &invoices[0]).await, "10.1");
}

#[tokio::test]
async fn a_credit_that_names_no_invoice_stands_alone() {
    let world = World::seeded().await;
    let alone = InvoiceRequest { kind: RequestKind::CreditNote, ..request(1, &[("4711", "5")]) };
    check(&effect(&world.writer(), &[alone]).await, "applied");
    assert_eq!(world.books().await, ["posted 5 = 5"]);
}

#[tokio::test]
async fn an_invoice_that_is_no_longer_posted_is_not_given_back_by_us() {
    let acts: [(&[&str], &str, &str); 3] = [
        (&["button_draft", "unlink"], "was deleted in odoo: decide what is owed", ""),
        (
            &["button_draft", "button_cancel"],
            "was cancelled in odoo: decide what is owed",
            "cancel 12.44 = 12.34 + 0.1",
        ),
        (
            &["button_draft"],
            "was made a draft again in odoo: post it, or decide what is owed",
            "draft 12.44 = 12.34 + 0.1",
        ),
    ];
    for (methods, what, books) in acts {
        let world = World::seeded().await;
        let writer = world.writer();
        let invoices = requests(1);
        effect(&writer, &invoices).await;
        let id = world.id_of(&format!("invoice_{}", invoices[0].request)).await;
        for method in methods {
            world.does("account.move", method, &[id], Value::Null).await;
        }
        let text = format!("diverged: the invoice that is to be reversed {what}");
        let outcomes = effect(&writer, &[reversal_of(&invoices[0])]).await;
        assert_eq!(outcomes, [text]);
        let books: Vec<&str> = [books].into_iter().filter(|text| !text.is_empty()).collect();
        assert_eq!(world.books().await, books);
    }
}

/// What people do to a posted invoice by hand.
#[derive(Clone, Copy)]
enum Act {
    /// All of it.
    Pays,
    /// So much of it.
    Credits(&'static str),
    /// By a credit note that does not say of what.
    CreditsUnnamed(&'static str),
}

impl Act {
    async fn is_done(self, world: &World, invoice: i64) {
        let cashier = Cashier::new(world.person.clone(), 1);
        let (amount, is_named) = match self {
            Self::Pays => {
                cashier.pay(invoice, None).await.unwrap();
                return;
            }
            Self::Credits(amount) => (amount, true),
            Self::CreditsUnnamed(amount) => (amount, false),
        };
        let note = cashier.credit(invoice, 1).await.unwrap();
        let mut lines = world.lines(note).await.into_iter();
        cashier.reprice(lines.next().unwrap(), amount.parse().unwrap()).await.unwrap();
        for line in lines {
            cashier.reprice(line, "0".parse().unwrap()).await.unwrap();
        }
        cashier.post(note).await.unwrap();
        if !is_named {
            let unnamed = json!({"vals": {"reversed_entry_id": false}});
            world.does("account.move", "write", &[note], unnamed).await;
        }
    }
}

/// An invoice of 12.44; acts by hand; then notes of ours, each with its outcome.
async fn given_back(acts: &[Act], notes: &[(&str, &str)]) {
    let world = World::seeded().await;
    let writer = world.writer();
    let invoice = request(1, &[("4711", "12.44")]);
    effect(&writer, std::slice::from_ref(&invoice)).await;
    let id = world.id_of(&format!("invoice_{}", invoice.request)).await;
    for act in acts {
        act.is_done(&world, id).await;
    }
    for (number, (amount, outcome)) in (2..).zip(notes) {
        let mut note = reversal_of(&invoice);
        (note.number, note.request) = (number, format!("{}-{number}", note.encounter));
        note.lines[0].line = format!("{}-1", note.request);
        note.lines[0].amount = amount.parse().unwrap();
        note.total = note.lines[0].amount;
        check(&effect(&writer, std::slice::from_ref(&note)).await, outcome);
        check(&effect(&writer, &[note]).await, outcome);
    }
}

#[tokio::test]
async fn what_was_credited_by_hand_is_not_given_back_a_second_time() {
    let by_hand =
        "diverged: the invoice that is to be reversed was credited by hand in odoo: decide what is owed";
    given_back(&[], &[("12.44", "applied")]).await;
    given_back(&[Act::Credits("12.44")], &[("12.44", by_hand)]).await;
    given_back(&[Act::Credits("12.44")], &[("0.01", by_hand)]).await;
    given_back(&[Act::Pays, Act::Credits("12.44")], &[("12.44", by_hand)]).await;
    given_back(&[Act::CreditsUnnamed("12.44")], &[("12.44", by_hand)]).await;
    // There is room for both; then there is not.
    given_back(&[Act::Credits("2")], &[("10", "applied"), ("0.44", "applied"), ("0.01", by_hand)]).await;
    given_back(&[Act::Credits("2")], &[("12.44", by_hand)]).await;
    // All of it is ours.
    given_back(&[Act::Pays], &[("12", "applied"), ("0.44", "applied")]).await;
}

#[tokio::test]
async fn a_note_of_ours_that_is_there_stays_whatever_was_credited_by_hand_since() {
    let world = World::seeded().await;
    let writer = world.writer();
    let invoices = requests(1);
    effect(&writer, &invoices).await;
    let notes = [reversal_of(&invoices[0])];
    let applied = effect(&writer, &notes).await;
    check(&applied, "applied");
    let id = world.id_of(&format!("invoice_{}", invoices[0].request)).await;
    Act::Credits("5").is_done(&world, id).await;
    assert_eq!(effect(&writer, &notes).await, applied);
}

#[tokio::test]
async fn a_credit_note_that_was_loaded_and_not_posted_is_posted_by_the_repeat() {
    let world = World::seeded().await;
    let writer = world.writer();
    let invoices = requests(1);
    effect(&writer, &invoices).await;
    let notes = [reversal_of(&invoices[0])];
    world.odoo.inject(Fault::ResetBefore.on("account.move", "action_post"));
    check(&effect(&writer, &notes).await, "retry");
    assert_eq!(world.books().await, [POSTED, "draft 12.44 = 12.34 + 0.1"]);
    check(&effect(&writer, &notes).await, "applied");
    assert_eq!(world.books().await, [POSTED, POSTED]);
    assert_eq!(residual(&world, &invoices[0]).await, "0");
}

#[tokio::test]
async fn company_and_journal_are_those_of_the_request() {
    let world = World::seeded().await;
    let mut requests = requests(5);
    requests[0].company = Some("base.main_company".to_owned());
    requests[1].company = Some("base.no_such_company".to_owned());
    requests[2].journal = Some("base.main_company".to_owned());
    requests[3].company = Some("99".to_owned());
    requests[4].company = Some("1".to_owned());
    let no_company = |company: &str| {
        format!(
            "refused: odoo has no company {company} that the API key's user may use: name one by its external id or its \
             database id"
        )
    };
    let no_journal =
        "refused: odoo has no journal base.main_company: name one by its external id or its database id";
    let outcomes = effect(&world.writer(), &requests).await;
    assert!(outcomes[0].starts_with("applied") && outcomes[4].starts_with("applied"), "{outcomes:?}");
    assert_eq!(outcomes[1..4], [no_company("base.no_such_company"), no_journal.into(), no_company("99")]);
    assert_eq!(world.books().await, [POSTED; 2]);
}
