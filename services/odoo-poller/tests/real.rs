//! The sources on a real Odoo and its PostgreSQL: long transactions, and every table against what was published.
//!
//! They run when `VERTEBRA_TEST_ODOO_URL`, `_DB` and `_KEY` name an Odoo, the late commit also when
//! `VERTEBRA_TEST_ODOO_POSTGRES_URL` names its database; they leave their records there, under names of their own.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests stop them the way tests do, and say why one was skipped"
)]

mod world;

use backbone::source::SourceRig;
use canon::{Invoice, Item, Name, Payment, StockLevel};
use jiff::SignedDuration;
use odoo::invoice::MoveType;
use odoo::{Secret, Settings};
use odoo_poller::check::{self, Folds};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use world::{ALWAYS, NEVER, World, decimal};

#[expect(
    clippy::disallowed_methods,
    reason = "a test asks its caller for an Odoo; there is no configuration to validate"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

async fn world() -> Option<World> {
    let given = || {
        let (url, database) = (variable("VERTEBRA_TEST_ODOO_URL")?, variable("VERTEBRA_TEST_ODOO_DB")?);
        Some(Settings::new(&url, &database, Secret::new(&variable("VERTEBRA_TEST_ODOO_KEY")?)))
    };
    let Some(settings) = given() else {
        assert!(
            variable("VERTEBRA_TEST_REQUIRED").is_none(),
            "VERTEBRA_TEST_REQUIRED is set and no Odoo is given"
        );
        println!("skipped: no Odoo given");
        return None;
    };
    Some(World::new(settings).await)
}

fn code() -> String {
    format!("T{}", &uuid::Uuid::new_v4().simple().to_string()[..12])
}

fn visit() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// One Odoo, and one test at a time: what one has not committed yet the other would miss.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_held_open_past_the_overlap_is_found_by_the_sweep_and_one_within_it_by_the_window() {
    let _alone = ALONE.lock().await;
    let Some(world) = world().await else { return };
    let Some(url) = variable("VERTEBRA_TEST_ODOO_POSTGRES_URL") else {
        println!("skipped: no PostgreSQL of Odoo's given");
        return;
    };
    let (mut client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    for is_late in [false, true] {
        // Long enough for a slow machine, or short enough to be waited for.
        let overlap = SignedDuration::from_secs(if is_late { 2 } else { 120 });
        let code = code();
        let product = world.create("product.product", json!({"name": code, "default_code": code})).await;
        // The sweep at each start of a round sees what there is; it is the windows that are looked at first.
        let polling = world.polling_with(NEVER, overlap);
        let mut rig = SourceRig::new(polling.items());
        rig.pulls().await.unwrap();
        rig.pulls().await.unwrap();
        let changed = format!("{code}-changed");
        let barcode = |rig: &SourceRig<_>| {
            rig.latest::<Item>()
                .into_iter()
                .find(|item| item.product_id == product)
                .and_then(|item| item.barcode)
        };
        // Over RPC a write within the second of the one before it looks like that one: README, "What it does not see".
        let (created, deadline) =
            (world.client.clock().await.unwrap(), Instant::now() + Duration::from_secs(60));
        while world.client.clock().await.unwrap().as_second() <= created.as_second() {
            assert!(Instant::now() < deadline, "odoo's clock stands still");
        }
        // As Odoo writes: all in one transaction carries the time at which that began.
        let held = client.transaction().await.unwrap();
        let update =
            "UPDATE product_product SET barcode = $1, write_date = now() AT TIME ZONE 'UTC' WHERE id = $2";
        held.execute(update, &[&changed, &i32::try_from(product).unwrap()]).await.unwrap();
        if is_late {
            // The cursor moves on until its windows begin behind that transaction's beginning.
            let began = world.client.clock().await.unwrap();
            let deadline = Instant::now() + Duration::from_secs(60);
            while world.client.clock().await.unwrap().duration_since(began)
                <= overlap + SignedDuration::from_secs(3)
            {
                assert!(Instant::now() < deadline, "odoo's clock stands still");
                rig.pulls().await.unwrap();
            }
        }
        rig.pulls().await.unwrap();
        held.commit().await.unwrap();
        for _ in 0..3 {
            rig.pulls().await.unwrap();
        }
        assert_eq!(barcode(&rig).is_none(), is_late, "by windows alone");
        rig.source().sweeps_now().await;
        // A sweep is as many pages as Odoo has products for, and another look may come before it.
        for _ in 0..50 {
            if barcode(&rig).is_some() {
                break;
            }
            rig.pulls().await.unwrap();
        }
        assert_eq!(barcode(&rig), Some(changed));
    }
    assert!(world.figures.late_rows("product.product") >= 1);
    drop(client);
    connection.await.unwrap().unwrap();
}

fn name(kind: &str, parts: &[&dyn std::fmt::Display]) -> String {
    let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
    Name::new(kind, &parts).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_odoo_has_is_what_was_published() {
    let _alone = ALONE.lock().await;
    let Some(world) = world().await else { return };
    let polling = world.polling(ALWAYS);
    let mut items = SourceRig::new(polling.items());
    let mut places = SourceRig::new(polling.locations());
    let mut partners = SourceRig::new(polling.partners());
    let mut stock = SourceRig::new(polling.stock());
    let mut invoices = SourceRig::new(polling.invoices());
    let visit = visit();
    let work = async |step: usize| {
        let code = code();
        match step {
            0 => drop(
                world.create("product.product", json!({"name": code, "default_code": "DUPLICATE"})).await,
            ),
            1 => {
                let draft = world.draft(&visit, 1, MoveType::OutInvoice, &["100.10", "20"]);
                let invoice = world.posted(&draft).await;
                world.cashier().pay(invoice, Some(decimal("50.05"))).await.unwrap();
                let reverses = Some(draft.external_id.clone());
                world.posted(&world.draft(&visit, 2, MoveType::OutRefund { reverses }, &["20"])).await;
            }
            2 => drop(
                world.create("res.partner", json!({"name": code, "is_company": true, "ref": code})).await,
            ),
            _ => moved_stock(&world, &code).await,
        }
    };
    for step in 0..4 {
        work(step).await;
        let rigs = async {
            items.pulls().await?;
            places.pulls().await?;
            partners.pulls().await?;
            stock.pulls().await?;
            invoices.pulls().await
        };
        rigs.await.unwrap();
    }
    for _ in 0..2 {
        items.pulls().await.unwrap();
        stock.pulls().await.unwrap();
        invoices.pulls().await.unwrap();
        partners.pulls().await.unwrap();
    }
    let mut folds = Folds::new();
    fold(&mut folds, items.latest::<Item>(), |item| name("item", &[&item.item]));
    fold(&mut folds, places.latest::<canon::Location>(), |place| name("location", &[&place.location]));
    fold(&mut folds, partners.latest::<canon::Partner>(), |partner| name("partner", &[&partner.partner]));
    fold(&mut folds, stock.latest::<StockLevel>(), |level| {
        name("stock-level", &[&level.item, &level.location])
    });
    fold(&mut folds, invoices.latest::<Invoice>(), |invoice| {
        name("invoice", &[&invoice.encounter, &invoice.invoice])
    });
    fold(&mut folds, invoices.latest::<Payment>(), |paid| {
        name("payment", &[&paid.encounter, &paid.payment, &paid.invoice])
    });
    let expected = check::expected(&polling.odoo, &world.figures).await.unwrap();
    let ours = invoices.latest::<Invoice>().into_iter().filter(|invoice| invoice.encounter.as_str() == visit);
    assert_eq!(ours.count(), 2);
    let differences = check::differences(&folds, &expected.folds);
    // Other tests work in this database: what differs now is looked at again.
    let told: Vec<String> = differences.iter().map(ToString::to_string).collect();
    assert_eq!(told, [""; 0]);
    assert!(expected.rows() > 10, "{}", expected.rows());
}

/// Stock of an item of its own, where Odoo has the app.
async fn moved_stock(world: &World, code: &str) {
    if world.client.fields("stock.quant").await.unwrap().is_none() {
        println!("this Odoo has no stock app");
        return;
    }
    let context = odoo::Context::new().with("inventory_mode", json!(true));
    let product = json!({"name": code, "default_code": code, "is_storable": true, "tracking": "lot"});
    let product = world.create("product.product", product).await;
    let lot = world.create("stock.lot", json!({"name": code, "product_id": product})).await;
    let domain = json!([["usage", "=", "internal"]]);
    let args = json!({"domain": domain, "limit": 1});
    let place: Vec<i64> = world.client.call("stock.location", "search", &[], args, &context).await.unwrap();
    let quant =
        json!({"product_id": product, "location_id": place[0], "lot_id": lot, "inventory_quantity": 12.5});
    let quant = world.client.create("stock.quant", &[quant], &context).await.unwrap();
    world
        .client
        .call::<Value>("stock.quant", "action_apply_inventory", &quant, Value::Null, &context)
        .await
        .unwrap();
}

fn fold<E: canon::Event>(folds: &mut Folds, latest: Vec<E>, name: impl Fn(&E) -> String) {
    let rows: BTreeMap<String, String> =
        latest.iter().map(|event| (name(event), check::content(event))).collect();
    folds.insert(E::TOPIC, rows);
}
