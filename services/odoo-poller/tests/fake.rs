//! The sources on the live core, against a fake Odoo over real HTTP.
#![expect(clippy::unwrap_used, reason = "helpers of tests stop them the way tests do")]

mod world;

use backbone::source::SourceRig;
use canon::events::billing_invoice::InvoiceState;
use canon::{Change, Invoice, Item, Location, Partner, Payment, StockLevel};
use odoo::fake::{Fault, Server};
use odoo::invoice::MoveType;
use odoo_poller::{Follow, Items, Moves, Pace, Polling, Webhooks};
use serde_json::{Value, json};
use std::time::Duration;
use world::{ALWAYS, NEVER, VISIT, World, decimal};

async fn start() -> (Server, World) {
    let server = Server::start().await.unwrap();
    let world = World::new(server.settings()).await;
    (server, world)
}

fn keys<E>(published: &[(String, Option<E>)]) -> Vec<String> {
    published
        .iter()
        .map(|(key, body)| format!("{key}{}", if body.is_some() { "" } else { " gone" }))
        .collect()
}

fn codes(rig: &SourceRig<Follow<Items>>) -> Vec<String> {
    rig.latest::<Item>().iter().map(|item| format!("{} {}", item.item, item.product_id)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn products_are_items_and_unchanged_ones_are_published_once() {
    let (server, world) = start().await;
    let mut rig = SourceRig::new(world.polling(ALWAYS).items());
    assert_eq!(rig.pulls().await.unwrap().published, 2);
    let item = &rig.latest::<Item>()[0];
    assert_eq!((item.item.as_str(), item.name.as_str(), item.unit.as_str()), ("70551", "MRI brain", "Units"));
    assert_eq!((item.active, item.storable, item.list_price.to_string().as_str()), (true, false, "1"));
    for _ in 0..3 {
        server.passes(Duration::from_secs(5));
        assert_eq!(rig.pulls().await.unwrap().published, 0, "windows overlap, and a sweep changes nothing");
    }
    // A write that changes nothing moves the write_date.
    world.write("product.product", item.product_id, json!({"name": "MRI brain"})).await;
    assert_eq!(rig.pulls().await.unwrap().published, 0);
    world.write("product.product", item.product_id, json!({"list_price": 1500.25, "active": false})).await;
    assert_eq!(rig.pulls().await.unwrap().published, 1);
    let (_, Some(item)) = rig.published::<Item>().pop().unwrap() else { panic!("a tombstone") };
    assert_eq!(
        (item.change, item.list_price.to_string(), item.active),
        (Change::Corrected, "1500.25".into(), false)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_duplicate_code_stays_with_the_lowest_active_product() {
    let (server, world) = start().await;
    let mut rig = SourceRig::new(world.polling(NEVER).items());
    rig.pulls().await.unwrap();
    let first = rig.latest::<Item>()[0].product_id;
    let second =
        world.create("product.product", json!({"name": "Another MRI", "default_code": "70551"})).await;
    rig.pulls().await.unwrap();
    assert_eq!(
        codes(&rig),
        [format!("70551 {first}"), format!("99213 {}", first + 1), format!("id:{second} {second}")]
    );
    server.passes(Duration::from_secs(5));
    world.write("product.product", first, json!({"active": false})).await;
    rig.pulls().await.unwrap();
    assert_eq!(
        codes(&rig),
        [format!("70551 {second}"), format!("99213 {}", first + 1), format!("id:{first} {first}")]
    );
    world.write("product.product", second, json!({"default_code": "70552"})).await;
    rig.pulls().await.unwrap();
    assert_eq!(
        codes(&rig),
        [format!("70551 {first}"), format!("70552 {second}"), format!("99213 {}", first + 1)]
    );
    let gone: Vec<String> =
        keys(&rig.published::<Item>()).into_iter().filter(|key| key.ends_with("gone")).collect();
    assert_eq!(gone, [format!("id:{second} gone"), format!("id:{first} gone")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_its_keeper_leaves_by_deletion_goes_to_the_next_at_the_sweep() {
    let (_server, world) = start().await;
    let mut rig = SourceRig::new(world.polling(ALWAYS).items());
    rig.pulls().await.unwrap();
    let first = rig.latest::<Item>()[0].product_id;
    let second =
        world.create("product.product", json!({"name": "Another MRI", "default_code": "70551"})).await;
    rig.pulls().await.unwrap();
    world.unlink("product.product", &[first]).await;
    for _ in 0..3 {
        rig.pulls().await.unwrap();
    }
    assert_eq!(codes(&rig), [format!("70551 {second}"), format!("99213 {}", first + 1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deleted_is_a_tombstone_at_the_next_sweep() {
    let (server, world) = start().await;
    let polling = world.polling(jiff::SignedDuration::from_secs(60));
    let mut rig = SourceRig::new(polling.items());
    rig.pulls().await.unwrap();
    rig.pulls().await.unwrap();
    let gone = rig.latest::<Item>()[1].product_id;
    world.unlink("product.product", &[gone]).await;
    assert_eq!(rig.pulls().await.unwrap().gone, 0, "before its time there is no sweep");
    server.passes(Duration::from_secs(61));
    rig.pulls().await.unwrap();
    assert_eq!(keys(&rig.published::<Item>()).pop().unwrap(), "99213 gone");
    assert_eq!(rig.latest::<Item>().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_much_is_gone_at_once_a_person_is_asked() {
    let (server, world) = start().await;
    let mut made = vec![];
    for index in 0..60 {
        made.push(
            world.create("product.product", json!({"name": "P", "default_code": format!("P{index}")})).await,
        );
    }
    let mut rig = SourceRig::new(world.polling(ALWAYS).items());
    rig.pulls().await.unwrap();
    world.unlink("product.product", &made[..40]).await;
    for _ in 0..2 {
        server.passes(Duration::from_secs(60));
        let pulled = rig.pulls().await.unwrap();
        assert!(pulled.held && pulled.published == 0, "{pulled:?}");
    }
    rig.approves("product.product", 40).await;
    assert_eq!(rig.pulls().await.unwrap().gone, 40);
    assert_eq!(rig.latest::<Item>().len(), 22);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_to_light_later_than_the_overlap_is_found_by_the_sweep_and_counted() {
    for (began_ago_s, published_at_once, late) in [(200, 1, 0), (400, 0, 1)] {
        let (server, world) = start().await;
        let polling = world.polling(jiff::SignedDuration::from_secs(60));
        let mut rig = SourceRig::new(polling.items());
        rig.pulls().await.unwrap();
        rig.pulls().await.unwrap();
        server.passes(Duration::from_secs(5));
        server.inject(Fault::BeganAgo(Duration::from_secs(began_ago_s)).on("product.product", "create"));
        world.create("product.product", json!({"name": "Late", "default_code": "LATE"})).await;
        assert_eq!(rig.pulls().await.unwrap().published, published_at_once, "began {began_ago_s} s ago");
        assert_eq!(world.figures.late_rows("product.product"), 0);
        server.passes(Duration::from_secs(61));
        for _ in 0..2 {
            rig.pulls().await.unwrap();
        }
        assert_eq!(world.figures.late_rows("product.product"), late, "began {began_ago_s} s ago");
        assert!(codes(&rig).iter().any(|code| code.starts_with("LATE ")), "{:?}", codes(&rig));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_to_light_late_of_a_further_model_is_read_at_a_sweep() {
    // The sweep's interval and the overlap are 900 s together.
    for (began_ago_s, published_at_once) in [(200, 2), (400, 0), (850, 0)] {
        let (server, world) = start().await;
        let mut rig = SourceRig::new(world.polling(jiff::SignedDuration::from_secs(600)).stock());
        let (gauze, quant) = world.gauze().await;
        world.create("stock.quant", quant).await;
        for _ in 0..2 {
            rig.pulls().await.unwrap();
        }
        // The quant itself is in no window any more.
        server.passes(Duration::from_secs(400));
        rig.pulls().await.unwrap();
        server.inject(Fault::BeganAgo(Duration::from_secs(began_ago_s)).on("product.product", "write"));
        world.write("product.product", gauze, json!({"default_code": "GAUZE-2"})).await;
        assert_eq!(rig.pulls().await.unwrap().published, published_at_once, "began {began_ago_s} s ago");
        server.passes(Duration::from_secs(601));
        for _ in 0..2 {
            rig.pulls().await.unwrap();
        }
        let levels: Vec<String> =
            rig.latest::<StockLevel>().iter().map(|level| level.item.to_string()).collect();
        assert_eq!(levels, ["GAUZE-2"], "began {began_ago_s} s ago");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poller_that_starts_anew_finds_late_rows_too_but_cannot_call_them_late() {
    let (server, world) = start().await;
    let polling = world.polling(jiff::SignedDuration::from_secs(60));
    let mut rig = SourceRig::new(polling.items());
    rig.pulls().await.unwrap();
    server.inject(Fault::BeganAgo(Duration::from_secs(86_400)).on("product.product", "create"));
    world.create("product.product", json!({"name": "Late", "default_code": "LATE"})).await;
    // The next call of an instance that has taken over: its memory is not where the cursor is.
    rig.source().forget().await;
    server.passes(Duration::from_secs(61));
    for _ in 0..3 {
        rig.pulls().await.unwrap();
    }
    assert!(codes(&rig).iter().any(|code| code.starts_with("LATE ")), "{:?}", codes(&rig));
    assert_eq!(world.figures.late_rows("product.product"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn companies_and_suppliers_are_partners_and_persons_are_not() {
    let (_server, world) = start().await;
    let mut rig = SourceRig::new(world.polling(NEVER).partners());
    world.create("res.partner", json!({"name": "canary Jane Doe", "ref": "ACME"})).await;
    world.create("res.partner", json!({"name": "Sole trader", "supplier_rank": 2, "ref": "ST@1"})).await;
    rig.pulls().await.unwrap();
    let partners = rig.latest::<Partner>();
    let told: Vec<String> = partners
        .iter()
        .map(|partner| {
            format!("{} {} {} {}", partner.partner, partner.name, partner.is_company, partner.supplier)
        })
        .collect();
    let self_pay = partners.iter().find(|partner| partner.name == "Self-pay").unwrap().partner_id;
    assert_eq!(
        told,
        [
            "ACME Acme Health Plan true false".to_owned(),
            "ST%401 Sole trader false true".to_owned(),
            format!("id:{self_pay} Self-pay true false"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quants_of_an_item_at_a_location_are_one_level_and_follow_its_codes() {
    let (server, world) = start().await;
    let polling = world.polling(ALWAYS);
    let (mut stock, mut places) = (SourceRig::new(polling.stock()), SourceRig::new(polling.locations()));
    let warehouse = world.create("stock.warehouse", json!({"name": "Main", "code": "WH"})).await;
    let (gauze, quant) = world.gauze().await;
    let place = quant["location_id"].as_i64().unwrap();
    world.write("stock.location", place, json!({"warehouse_id": warehouse})).await;
    let lot = world
        .create(
            "stock.lot",
            json!({"name": "L1", "product_id": gauze, "expiration_date": "2027-01-02 03:04:05"}),
        )
        .await;
    let quant = |quantity: f64, lot: Value| {
        let mut quant = quant.clone();
        (quant["quantity"], quant["lot_id"]) = (quantity.into(), lot);
        quant
    };
    let loose = world.create("stock.quant", quant(12.5, json!(false))).await;
    world.create("stock.quant", quant(7.0, json!(lot))).await;
    stock.pulls().await.unwrap();
    places.pulls().await.unwrap();
    let level = |rig: &SourceRig<_>| {
        let levels = rig.latest::<StockLevel>();
        let text = |level: &StockLevel| {
            format!("{}@{} {} in {}", level.item, level.location, level.quantity, level.lots.len())
        };
        levels.iter().map(text).collect::<Vec<_>>()
    };
    assert_eq!(level(&stock), ["GAUZE@WHSTOCK 19.5 in 2"]);
    let told = &places.latest::<Location>()[0];
    assert_eq!((told.location.as_str(), told.warehouse.as_deref()), ("WHSTOCK", Some("WH")));
    server.passes(Duration::from_secs(5));
    world.write("stock.quant", loose, json!({"quantity": 0})).await;
    assert_eq!(stock.pulls().await.unwrap().published, 1);
    assert_eq!(level(&stock), ["GAUZE@WHSTOCK 7 in 1"]);
    // Odoo deletes empty quants later, and that is no news.
    world.unlink("stock.quant", &[loose]).await;
    for _ in 0..3 {
        assert_eq!(stock.pulls().await.unwrap().published, 0);
    }
    world.write("product.product", gauze, json!({"default_code": "GAUZE-2"})).await;
    stock.pulls().await.unwrap();
    assert_eq!(level(&stock), ["GAUZE-2@WHSTOCK 7 in 1"]);
    world.write("stock.warehouse", warehouse, json!({"code": "MAIN"})).await;
    places.pulls().await.unwrap();
    assert_eq!(places.latest::<Location>()[0].warehouse.as_deref(), Some("MAIN"));
}

fn standing(rig: &SourceRig<Follow<Moves>>) -> Vec<String> {
    let mut told: Vec<String> = rig
        .latest::<Invoice>()
        .iter()
        .map(|invoice| {
            let request =
                invoice.request.as_deref().and_then(|request| request.split('-').nth(1)).unwrap_or("-");
            let reversed = invoice
                .reversed_request
                .as_deref()
                .and_then(|request| request.split('-').nth(1))
                .unwrap_or("-");
            let state = invoice.state.as_str();
            format!(
                "{request}/{reversed} {state} {} {} of {}",
                invoice.payment_state, invoice.residual, invoice.total
            )
        })
        .collect();
    told.extend(
        rig.latest::<Payment>().iter().map(|payment| format!("{} {}", payment.state, payment.amount)),
    );
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invoices_of_visits_are_told_with_what_was_paid_and_others_are_not() {
    let (_server, world) = start().await;
    let mut rig = SourceRig::new(world.polling(NEVER).invoices());
    let invoice = world.posted(&world.draft(VISIT, 1, MoveType::OutInvoice, &["100", "50"])).await;
    let line = json!([[0, 0, {"product_id": 1, "price_unit": 5}]]);
    let stranger = json!({"move_type": "out_invoice", "partner_id": 1, "invoice_line_ids": line});
    world.create("account.move", stranger).await;
    rig.pulls().await.unwrap();
    assert_eq!(standing(&rig), ["1/- posted not_paid 150 of 150"]);
    let told = &rig.latest::<Invoice>()[0];
    assert_eq!((told.encounter.as_str(), told.ours, told.currency.as_str()), (VISIT, true, "USD"));
    let lines: Vec<_> = told
        .lines
        .iter()
        .map(|line| (line.line.clone().unwrap(), line.code.clone(), line.amount.to_string()))
        .collect();
    let code = || Some("70551".to_owned());
    assert_eq!(
        lines,
        [
            (format!("{VISIT}-1-1"), code(), "100".to_owned()),
            (format!("{VISIT}-1-2"), code(), "50".to_owned())
        ]
    );
    let cashier = world.cashier();
    let payment = cashier.pay(invoice, Some(decimal("40.25"))).await.unwrap();
    rig.pulls().await.unwrap();
    assert_eq!(standing(&rig), ["1/- posted partial 109.75 of 150", "in_process 40.25"]);
    cashier.pay(invoice, None).await.unwrap();
    rig.pulls().await.unwrap();
    assert_eq!(standing(&rig), ["1/- posted paid 0 of 150", "paid 40.25", "paid 109.75"]);
    cashier.cancel_payment(payment).await.unwrap();
    rig.pulls().await.unwrap();
    assert_eq!(standing(&rig), ["1/- posted partial 40.25 of 150", "in_process 109.75"]);
    let (_, Some(withdrawn)) = rig
        .published::<Payment>()
        .into_iter()
        .rfind(|(_, body)| body.as_ref().is_some_and(|body| body.change == Change::Withdrawn))
        .unwrap()
    else {
        panic!("a tombstone")
    };
    assert_eq!(withdrawn.payment, payment);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credit_notes_ours_or_made_by_hand_belong_to_the_visit_that_they_reverse() {
    let (_server, world) = start().await;
    let mut rig = SourceRig::new(world.polling(NEVER).invoices());
    let draft = world.draft(VISIT, 1, MoveType::OutInvoice, &["100"]);
    let invoice = world.posted(&draft).await;
    rig.pulls().await.unwrap();
    let reverses = Some(draft.external_id.clone());
    world.posted(&world.draft(VISIT, 2, MoveType::OutRefund { reverses }, &["30"])).await;
    let by_hand = world.cashier().credit(invoice, world.seeded.journal).await.unwrap();
    rig.pulls().await.unwrap();
    assert_eq!(
        standing(&rig),
        ["1/- posted partial 70 of 100", "2/1 posted paid 0 of 30", "-/1 draft not_paid 100 of 100"]
    );
    world.cashier().post(by_hand).await.unwrap();
    // What reverses a reversal is the visit's, too.
    let line = json!([[0, 0, {"product_id": 1, "price_unit": 5, "tax_ids": [[6, 0, []]]}]]);
    let again = json!({"move_type": "out_invoice", "partner_id": 1, "reversed_entry_id": by_hand, "invoice_line_ids": line});
    world.create("account.move", again).await;
    rig.pulls().await.unwrap();
    assert_eq!(
        standing(&rig),
        [
            "1/- posted reversed 0 of 100",
            "2/1 posted paid 0 of 30",
            "-/1 posted partial 30 of 100",
            "-/- draft not_paid 5 of 5",
        ]
    );
    assert!(rig.latest::<Invoice>().iter().all(|invoice| invoice.encounter.as_str() == VISIT));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_invoice_is_withdrawn_with_its_payments() {
    let (_server, world) = start().await;
    let mut rig = SourceRig::new(world.polling(ALWAYS).invoices());
    let invoice = world.posted(&world.draft(VISIT, 1, MoveType::OutInvoice, &["100"])).await;
    world.cashier().pay(invoice, None).await.unwrap();
    rig.pulls().await.unwrap();
    assert_eq!(standing(&rig).len(), 2);
    let cashier = world.cashier();
    cashier.reset(invoice).await.unwrap();
    cashier.cancel(invoice).await.unwrap();
    rig.pulls().await.unwrap();
    assert_eq!(rig.latest::<Invoice>()[0].state, InvoiceState::Cancelled);
    cashier.delete(invoice).await.unwrap();
    rig.pulls().await.unwrap();
    rig.pulls().await.unwrap();
    assert_eq!(standing(&rig), [""; 0]);
    assert_eq!(rig.published::<Invoice>().pop().unwrap().1.unwrap().change, Change::Withdrawn);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_odoo_without_the_stock_app_has_no_levels_and_no_trouble() {
    let (server, world) = start().await;
    for model in ["stock.quant", "stock.location"] {
        server.forget(model);
    }
    let polling = world.polling(ALWAYS);
    assert_eq!(SourceRig::new(polling.stock()).pulls().await.unwrap().rows, 0);
    assert_eq!(SourceRig::new(polling.locations()).pulls().await.unwrap().rows, 0);
    assert_eq!(SourceRig::new(polling.items()).pulls().await.unwrap().rows, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_odoo_is_read_over_json_rpc_with_the_fields_it_has() {
    let (server, world) = start().await;
    server.set_major(17);
    server.hide("product.product", "is_storable");
    let mut rig = SourceRig::new(world.polling(ALWAYS).items());
    assert_eq!(rig.pulls().await.unwrap().published, 2);
    assert!(!rig.latest::<Item>()[0].storable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_denied_key_is_waited_for_and_read_again_from_its_file() {
    let (server, world) = start().await;
    let mut rig = SourceRig::new(world.polling(ALWAYS).items());
    server.set_key("another");
    assert!(rig.pulls().await.is_err());
    server.set_key(odoo::fake::KEY);
    assert_eq!(rig.pulls().await.unwrap().published, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poke_ends_the_wait_and_nothing_of_it_is_believed() {
    let (_server, world) = start().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let webhooks = Webhooks { address: listener.local_addr().unwrap(), secret: uuid::Uuid::new_v4() };
    drop(listener);
    let pace = Pace { poll: Duration::from_secs(3600), sweep: NEVER };
    let polling = Polling { pace, webhooks: Some(webhooks), ..world.polling(NEVER) };
    let mut rig = SourceRig::new(polling.items());
    rig.pulls().await.unwrap();
    world.create("product.product", json!({"name": "New", "default_code": "NEW"})).await;
    let post = async |path: String| {
        let url = format!("http://{}/poke/{path}", webhooks.address);
        reqwest::Client::new()
            .post(url)
            .body("{\"_id\": 4711}")
            .send()
            .await
            .map(|answer| answer.status().as_u16())
    };
    let poked = async {
        // The listener is there once the first look has begun, or a moment later.
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while post("nobody".to_owned()).await.is_err() {
            assert!(std::time::Instant::now() < deadline, "webhooks are not heard");
            tokio::task::yield_now().await;
        }
        assert_eq!(post("nobody".to_owned()).await.unwrap(), 404);
        assert_eq!(post(webhooks.secret.to_string()).await.unwrap(), 204);
    };
    let (pulled, ()) = tokio::join!(rig.pulls(), poked);
    assert_eq!(pulled.unwrap().published, 1);
    assert_eq!(rig.latest::<Item>().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_long_changes_took_to_be_seen_is_measured_and_a_first_reading_is_not() {
    let (_server, world) = start().await;
    let mut rig = SourceRig::new(world.polling(NEVER).items());
    rig.pulls().await.unwrap();
    assert_eq!(world.figures.detections("product.product"), 0);
    world.create("product.product", json!({"name": "New", "default_code": "NEW"})).await;
    rig.pulls().await.unwrap();
    rig.pulls().await.unwrap();
    assert_eq!(world.figures.detections("product.product"), 1);
}
