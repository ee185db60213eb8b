//! Bad data beside good, configuration that is not right yet, and how hard Odoo is pressed.

use crate::acts::effect;
use crate::sample::request;
use crate::world::{POSTED, World, requests};
use canon::{InvoiceRequest, Phi};
use odoo::fake::Fault;
use odoo_writer::{Database, Portion, Terms};
use serde_json::json;

const PORTION: Portion = Portion { requests_max: 20, lines_max: 500 };

#[track_caller]
fn check(outcomes: &[String], beginnings: &[&str]) {
    assert_eq!(outcomes.len(), beginnings.len());
    for (outcome, beginning) in outcomes.iter().zip(beginnings) {
        assert!(outcome.starts_with(beginning), "{outcomes:?}");
    }
}

#[tokio::test]
async fn a_request_that_odoo_refuses_does_not_hold_the_others_up() {
    let world = World::seeded().await;
    let mut requests = requests(5);
    requests[1] = request(2, &[("4711", "1"), ("0815", "2")]);
    let bad = requests[3].request.clone();
    let fault = Fault::Refuse { containing: bad, message: "Jane Doe has no such thing".to_owned() };
    world.odoo.inject(fault.on("account.move", "load").always());
    let outcomes = effect(&world.writer(), &requests).await;
    let unknown = "refused: odoo has no product for the charge codes 0815: ";
    check(&outcomes, &["applied", unknown, "applied", "refused: odoo refuses", "applied"]);
    assert_eq!(world.books().await, [POSTED; 3]);
}

#[tokio::test]
async fn a_payer_without_a_partner_parks_its_request_until_there_is_one() {
    let world = World::seeded().await;
    let mut requests = requests(2);
    requests[1].payer = Some("TK".to_owned());
    let unknown = "refused: odoo has no partner for the payer TK: ";
    check(&effect(&world.writer(), &requests).await, &["applied", unknown]);
    assert_eq!(world.books().await, [POSTED]);
    world.seed_payer("TK").await;
    check(&effect(&world.writer(), &requests).await, &["applied", "applied"]);
    assert_eq!(world.books().await, [POSTED; 2]);
}

#[tokio::test]
async fn no_outcome_says_anything_of_the_patient() {
    let world = World::seeded().await;
    let named = |visit: u8| {
        let mut request = request(visit, &[("4711", "12.44")]);
        request.visit_number = Phi("V-JANE".to_owned());
        request.lines[0].description = Some(Phi("Seen by Dr. Doe, for Jane".to_owned()));
        request
    };
    let fault = |visit: &InvoiceRequest, containing: &str, message: &str| Fault::Refuse {
        containing: format!("{containing}{}", visit.request),
        message: message.to_owned(),
    };
    let requests = [named(1), named(2)];
    world
        .odoo
        .inject(fault(&requests[0], "invoice_", "Jane Doe is unknown").on("account.move", "load").always());
    world.odoo.inject(Fault::ResetBefore.on("account.move", "action_post"));
    let mut outcomes = effect(&world.writer(), &requests).await;
    world.odoo.heal();
    let id = world.id_of(&format!("line_{}-1", requests[1].request)).await;
    world.does("account.move.line", "write", &[id], serde_json::json!({"vals": {"name": "for Jane"}})).await;
    outcomes.extend(effect(&world.writer(), &requests[1..]).await);
    check(&outcomes, &["retry", "retry", "diverged"]);
    let said = format!("{outcomes:?}");
    assert!(!said.contains("Jane") && !said.contains("JANE") && !said.contains("Doe"), "{said}");
}

#[tokio::test]
async fn requests_go_several_in_a_load_and_never_too_many() {
    let loads = async |portion, count: u8| {
        let world = World::seeded().await;
        let outcomes = effect(&world.writer_for(Database::Any, portion), &requests(count)).await;
        check(&outcomes, &vec!["applied"; usize::from(count)]);
        assert_eq!(world.books().await.len(), usize::from(count));
        world.odoo.count("account.move", "load")
    };
    assert_eq!(loads(PORTION, 45).await, 3);
    assert_eq!(loads(Portion { requests_max: 20, lines_max: 5 }, 5).await, 3);
    assert_eq!(loads(Portion { requests_max: 20, lines_max: 1 }, 3).await, 3);
}

#[tokio::test]
async fn what_took_effect_before_an_outage_is_told_as_applied() {
    let world = World::seeded().await;
    let writer = world.writer_for(Database::Any, Portion { requests_max: 2, lines_max: 500 });
    let second = requests(5)[2].request.clone();
    // A question about the second portion fails, and none about the first.
    let fault = Fault::Refuse { containing: second, message: "no".to_owned() };
    world.odoo.inject(fault.on("ir.model.data", "search_read").always());
    let outcomes = effect(&writer, &requests(5)).await;
    check(&outcomes, &["applied", "applied", "retry", "retry", "retry"]);
    assert_eq!(world.books().await, [POSTED; 2]);
    world.odoo.heal();
    check(&effect(&writer, &requests(5)).await, &["applied"; 5]);
    assert_eq!(world.books().await, [POSTED; 5]);
}

#[tokio::test]
async fn a_new_key_in_the_file_is_taken_without_a_restart() {
    let world = World::seeded().await;
    let writer = world.writer();
    world.odoo.set_key("another");
    check(&effect(&writer, &requests(1)).await, &["retry: ir.config_parameter"]);
    std::fs::write(&world.key_file, "another\n").unwrap();
    check(&effect(&writer, &requests(1)).await, &["applied"]);
    let search = odoo::Search { fields: &["state"], ..odoo::Search::default() };
    let client = world.client_with("another");
    let moves: Vec<serde_json::Value> =
        client.search_read("account.move", &search, &odoo::Context::new()).await.unwrap();
    assert_eq!(moves.len(), 1);
}

#[tokio::test]
async fn a_key_file_that_went_away_holds_and_names_the_file() {
    let world = World::seeded().await;
    let writer = world.writer();
    world.odoo.set_key("another");
    std::fs::remove_file(&world.key_file).unwrap();
    let outcomes = effect(&writer, &requests(1)).await;
    check(&outcomes, &["retry: the API key's file cannot be read: "]);
    assert!(outcomes[0].contains(world.key_file.to_str().unwrap()));
}

#[tokio::test]
async fn nothing_is_written_before_a_person_confirmed_the_database() {
    let world = World::seeded().await;
    let uuid = world.odoo.database_uuid();
    let outcomes = effect(&world.writer_for(Database::Unconfirmed, PORTION), &requests(1)).await;
    let text = format!("retry: odoo's database is {uuid}: set VERTEBRA_ODOO_DATABASE_UUID={uuid} to confirm");
    check(&outcomes, &[&text]);
    assert_eq!(world.books().await, [""; 0]);
    check(&effect(&world.writer_for(Database::Confirmed(uuid), PORTION), &requests(1)).await, &["applied"]);
}

#[tokio::test]
async fn a_copied_or_restored_database_is_not_written_to() {
    let world = World::seeded().await;
    let writer = world.writer_for(Database::Confirmed(world.odoo.database_uuid()), PORTION);
    check(&effect(&writer, &requests(1)).await, &["applied"]);
    world.odoo.replace_database();
    world.seed().await;
    let outcomes = effect(&writer, &requests(2)).await;
    let text = format!("retry: odoo's database is {}, and ", world.odoo.database_uuid());
    check(&outcomes, &[&text, &text]);
    assert_eq!(world.books().await, [""; 0]);
}

#[tokio::test]
async fn without_a_self_pay_partner_requests_wait_for_one() {
    let world = World::empty().await;
    let writer = world.writer();
    let text = "retry: odoo has no partner __vertebra__.partner_self_pay";
    check(&effect(&writer, &requests(1)).await, &[text]);
    world.seed().await;
    check(&effect(&writer, &requests(1)).await, &["applied"]);
}

/// What a setting names is not there: all requests wait, none is refused for it.
async fn waits(edit: impl FnOnce(&mut Terms), what: &str) {
    let (world, held) = (World::seeded().await, format!("retry: {what}"));
    check(&effect(&world.writer_with(PORTION, edit), &requests(2)).await, &[held.as_str(); 2]);
    assert_eq!(world.books().await, [""; 0]);
}

#[tokio::test]
async fn a_mistake_in_the_settings_is_told_and_parks_nothing() {
    let company = "odoo has no such company: odoo-company names it";
    waits(|terms| terms.company = "99".parse().unwrap(), company).await;
    waits(|terms| terms.company = "account.1_sale".parse().unwrap(), company).await;
    let journal = "odoo has no such journal: odoo-journal names it";
    for named in ["account.1_sael", "base.main_company", "99"] {
        waits(|terms| terms.journal = Some(named.parse().unwrap()), journal).await;
    }
    let account = "odoo has no such account: odoo-income-account names it";
    for named in ["account.1_40000", "account.1_sale", "99"] {
        waits(|terms| terms.account = Some(named.parse().unwrap()), account).await;
    }
    let tax = "odoo has no such tax: odoo-taxes names it";
    for named in ["account.1_sale_tax", "account.1_sale"] {
        let taxes = ["account.1_sale_tax_template", named].map(|id| id.parse().unwrap());
        waits(|terms| terms.taxes = taxes.into(), tax).await;
    }
}

#[tokio::test]
async fn account_and_taxes_of_the_settings_are_those_of_their_company_alone() {
    let world = World::seeded().await;
    let north = world.makes("res.company", json!({"name": "North", "currency_id": 1, "active": true})).await;
    let sales =
        world.makes("account.account", json!({"name": "Sales", "code": "4", "company_ids": [north]})).await;
    let journal = json!({"name": "Sales", "type": "sale", "company_id": north, "default_account_id": sales});
    world.makes("account.journal", journal).await;
    let writer = world.writer_with(PORTION, |terms| {
        terms.journal = Some("account.1_sale".parse().unwrap());
        terms.account = Some("1".parse().unwrap());
        terms.taxes = vec!["account.1_sale_tax_template".parse().unwrap()];
    });
    let mut requests = requests(2);
    requests[1].company = Some(north.to_string());
    check(&effect(&writer, &requests).await, &["applied", "applied"]);
    assert_eq!(world.books().await, ["posted 14.31 = 12.34 + 0.1", POSTED]);
}

#[tokio::test]
async fn further_requests_of_a_visit_are_further_invoices() {
    let world = World::seeded().await;
    let writer = world.writer();
    let first = request(1, &[("4711", "1")]);
    let mut late = request(1, &[("4711", "2")]);
    late.number = 2;
    late.request = format!("{}-2", late.encounter);
    late.lines[0].line = format!("{}-1", late.request);
    check(&effect(&writer, &[first]).await, &["applied"]);
    check(&effect(&writer, &[late]).await, &["applied"]);
    assert_eq!(world.books().await, ["posted 1 = 1", "posted 2 = 2"]);
}

#[tokio::test]
async fn a_line_of_one_request_is_never_taken_by_another() {
    let world = World::seeded().await;
    let writer = world.writer();
    let mut thief = request(2, &[("4711", "2")]);
    thief.lines[0].line = request(1, &[("4711", "1")]).lines[0].line.clone();
    check(&effect(&writer, &[request(1, &[("4711", "1")])]).await, &["applied"]);
    check(&effect(&writer, &[thief]).await, &["refused: line 0: its external id is on another invoice"]);
    assert_eq!(world.books().await, ["posted 1 = 1"]);
}

#[tokio::test]
async fn odoo_is_asked_no_more_at_a_time_than_allowed() {
    let world = World::seeded().await;
    let writer = world.writer();
    let requests = requests(6);
    let (left, middle, right) = tokio::join!(
        effect(&writer, &requests[..2]),
        effect(&writer, &requests[2..4]),
        effect(&writer, &requests[4..])
    );
    check(&[left, middle, right].concat(), &["applied"; 6]);
    assert!(world.odoo.most_at_a_time() <= world.odoo.settings().concurrent);
}
