//! The effect against a real Odoo 19: what the fake is believed to do like it.
//!
//! Runs when `VERTEBRA_TEST_ODOO_URL`, `VERTEBRA_TEST_ODOO_DB` and `VERTEBRA_TEST_ODOO_KEY` name one, and leaves its
//! invoices there, under visits that no other run has.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test says why it was skipped, and stops as tests do"
)]

#[path = "effects/acts.rs"]
mod acts;
#[path = "../src/sample.rs"]
mod sample;

use acts::{effect, effect_in_the_end};
use canon::{InvoiceRequest, Phi};
use odoo::invoice::{FoundInvoice, Invoices, MoveState, Ref};
use odoo::seed::{Named, Plan, Seeded, seed};
use odoo::{Client, ExternalId, Secret, Settings};
use odoo_writer::{Database, KeyFile, Portion, Record, Terms, Writer};
use sample::{request_of, visit};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A real Odoo with a seed.
struct Real {
    settings: Settings,
    client: Client,
    seeded: Seeded,
    key_file: PathBuf,
}

impl Real {
    async fn new() -> Option<Self> {
        let settings = settings()?;
        let client = Client::new(&settings).unwrap();
        let named = |code: &str| Named { code: code.to_owned(), name: format!("name of {code}") };
        let (payers, items) = (vec![named("TEST-AOK")], vec![named("TEST-4711"), named("TEST-4712")]);
        let plan = Plan { currency: "USD".to_owned(), self_pay: "Self-pay".to_owned(), payers, items };
        let seeded = seed(&client, &plan).await.unwrap();
        let key_file = std::env::temp_dir().join(format!("odoo-writer-key-{}", uuid::Uuid::new_v4()));
        std::fs::write(&key_file, settings.key.reveal()).unwrap();
        Some(Self { settings, client, seeded, key_file })
    }

    async fn writer(&self) -> Writer {
        let key = KeyFile::open(self.key_file.clone()).unwrap();
        let database = Database::Confirmed(self.client.database_uuid().await.unwrap());
        let company = Record(Ref::Id(self.seeded.company));
        let terms = Terms { database, company, journal: None, taxes: vec![], account: None };
        let portion = Portion { requests_max: 20, lines_max: 500 };
        Writer::new(Client::new(&self.settings).unwrap(), key, terms, portion)
    }

    async fn found(&self, requests: &[InvoiceRequest]) -> BTreeMap<ExternalId, FoundInvoice> {
        let name =
            |request: &InvoiceRequest| ExternalId::ours(&format!("invoice_{}", request.request)).unwrap();
        let names: Vec<ExternalId> = requests.iter().map(name).collect();
        Invoices::new(self.client.clone(), vec![self.seeded.company]).read_back(&names).await.unwrap()
    }

    /// Every request is one posted invoice of 12.44 in two lines, and nobody made another one with its reference.
    async fn all_posted_once(&self, requests: &[InvoiceRequest]) {
        let found = self.found(requests).await;
        assert_eq!(found.len(), requests.len());
        for invoice in found.values() {
            assert_eq!((invoice.state, invoice.total.to_string().as_str()), (MoveState::Posted, "12.44"));
            assert_eq!(invoice.lines.len(), 2);
        }
        let references: Vec<&str> = requests.iter().map(|request| request.request.as_str()).collect();
        let args = serde_json::json!({"domain": [["ref", "in", references]]});
        let count: usize =
            self.client.call("account.move", "search_count", &[], args, &odoo::Context::new()).await.unwrap();
        assert_eq!(count, requests.len());
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.key_file);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test asks its caller for an Odoo; there is no configuration to validate"
)]
fn settings() -> Option<Settings> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let given = || {
        let url = variable("VERTEBRA_TEST_ODOO_URL")?;
        let database = variable("VERTEBRA_TEST_ODOO_DB")?;
        Some(Settings::new(&url, &database, Secret::new(&variable("VERTEBRA_TEST_ODOO_KEY")?)))
    };
    let settings = given();
    if settings.is_none() {
        assert!(variable("VERTEBRA_TEST_REQUIRED").is_none(), "no Odoo was given, and one is required");
        println!("skipped: no Odoo was given");
    }
    settings
}

fn requests(count: usize) -> Vec<InvoiceRequest> {
    (0..count).map(|_| request_of(visit(), &[("TEST-4711", "12.34"), ("TEST-4712", "0.10")])).collect()
}

#[track_caller]
fn check(outcomes: &[String], beginning: &str) {
    assert!(outcomes.iter().all(|outcome| outcome.starts_with(beginning)), "{outcomes:?}");
}

#[tokio::test]
async fn requests_become_posted_invoices_and_repeats_change_nothing() {
    let Some(real) = Real::new().await else { return };
    let writer = real.writer().await;
    let requests = requests(3);
    let first = effect_in_the_end(&writer, &requests).await;
    check(&first, "applied account.move,");
    real.all_posted_once(&requests).await;
    assert_eq!(effect(&writer, &requests).await, first);
    real.all_posted_once(&requests).await;
}

#[tokio::test]
async fn owners_that_race_make_one_invoice_of_each() {
    let Some(real) = Real::new().await else { return };
    let (one, other) = (real.writer().await, real.writer().await);
    let requests = requests(4);
    let (left, right) =
        tokio::join!(effect_in_the_end(&one, &requests), effect_in_the_end(&other, &requests));
    check(&left, "applied account.move,");
    assert_eq!(left, right);
    real.all_posted_once(&requests).await;
}

#[tokio::test]
async fn bad_data_in_a_batch_parks_alone() {
    let Some(real) = Real::new().await else { return };
    let writer = real.writer().await;
    let mut requests = requests(3);
    // More digits than Odoo's floats keep, an unknown code.
    requests[0] = request_of(visit(), &[("TEST-4711", "12345678901234.56")]);
    requests[2] = request_of(visit(), &[("TEST-none", "1")]);
    let outcomes = effect_in_the_end(&writer, &requests).await;
    check(&outcomes[..1], "refused: line 0: an amount has more than 15 digits");
    check(&outcomes[1..2], "applied");
    check(&outcomes[2..], "refused: odoo has no product for the charge codes TEST-none");
    real.all_posted_once(&requests[1..2]).await;
    assert_eq!(real.found(&requests).await.len(), 1);
}

#[tokio::test]
async fn texts_read_back_as_they_were_sent() {
    let Some(real) = Real::new().await else { return };
    let writer = real.writer().await;
    let mut request = request_of(visit(), &[("TEST-4711", "0.01")]);
    request.payer = Some("TEST-AOK".to_owned());
    request.visit_number = Phi(" V 1,2;\"'%\u{1}<b>é\n".to_owned());
    request.lines[0].description = Some(Phi("\tMRT, \"30%\" (Schädel)\r\n<br/> \u{0}& 注射 ".to_owned()));
    request.lines[0].quantity = "2.5".parse().unwrap();
    let outcomes = effect_in_the_end(&writer, std::slice::from_ref(&request)).await;
    check(&outcomes, "applied");
    let found = real.found(&[request]).await;
    let name = found.values().next().and_then(|invoice| invoice.lines[0].name.clone()).unwrap();
    assert_eq!(name.reveal(), "MRT, \"30%\" (Schädel) <br/> & 注射 × 2.5");
}

#[tokio::test]
async fn an_invoice_that_a_person_edited_keeps_the_edit() {
    let Some(real) = Real::new().await else { return };
    let writer = real.writer().await;
    let requests = requests(1);
    check(&effect_in_the_end(&writer, &requests).await, "applied");
    let found = real.found(&requests).await;
    let invoice = found.values().next().unwrap();
    let context = odoo::Context::new();
    let act = async |model: &str, method: &str, id: i64, args: serde_json::Value| {
        real.client.call::<serde_json::Value>(model, method, &[id], args, &context).await.unwrap();
    };
    act("account.move", "button_draft", invoice.id, serde_json::Value::Null).await;
    let edit = serde_json::json!({"vals": {"price_unit": 10.0}});
    act("account.move.line", "write", invoice.lines[0].id, edit).await;
    let outcomes = effect(&writer, &requests).await;
    check(
        &outcomes,
        "diverged: odoo's draft is not as it was requested: amount_untaxed, amount_total, price_unit of ",
    );
    let found = real.found(&requests).await;
    let invoice = found.values().next().unwrap();
    assert_eq!((invoice.state, invoice.total.to_string().as_str()), (MoveState::Draft, "10.1"));
}
