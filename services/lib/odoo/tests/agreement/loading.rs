//! What `load` itself does: the facts on which the invoice's rules rest.

use super::{World, record};
use odoo::{Context, Error, LoadAnswer, LoadOutcome, LoadRecord, Rejection, Search};
use serde_json::{Value, json};

const HEADER: [&str; 7] =
    ["id", "move_type", "journal_id/.id", "partner_id/id", "currency_id/.id", "invoice_date", "ref"];
const LINE: [&str; 5] = [
    "invoice_line_ids/id",
    "invoice_line_ids/product_id/id",
    "invoice_line_ids/name",
    "invoice_line_ids/quantity",
    "invoice_line_ids/price_unit",
];

impl World {
    fn rows(&self, name: &str, lines: &[(&str, &str)]) -> LoadRecord {
        let journal = self.seeded.journal.to_string();
        let currency = self.seeded.currency.to_string();
        let header =
            [name, "out_invoice", &journal, "__vertebra__.partner_self_pay", &currency, "2026-11-02", "test"];
        let rows = lines.iter().enumerate().map(|(index, (line, price))| {
            let header = if index == 0 { header } else { [""; 7] };
            let line = [line, "__vertebra__.item_70551", "MRI", "1", price];
            header.iter().chain(line.iter()).copied().collect::<Vec<&str>>()
        });
        let rows: Vec<Vec<&str>> = rows.collect();
        record(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    async fn load(&self, records: &[LoadRecord], context: Context) -> LoadAnswer {
        let fields: Vec<&str> = HEADER.into_iter().chain(LINE).collect();
        self.client.load("account.move", &fields, records, &context).await.unwrap()
    }

    async fn loaded(&self, records: &[LoadRecord], context: Context) -> i64 {
        match self.load(records, context).await {
            LoadAnswer::Loaded(ids) => ids[0],
            other => panic!("{other:?}"),
        }
    }
}

fn create_only() -> Context {
    Context::new().create_only()
}

pub(crate) async fn a_create_only_load_leaves_alone_what_is_there_and_another_overwrites(world: &World) {
    let name = format!("__vertebra__.{}", world.name());
    let (a, b, c) = (format!("{name}_a"), format!("{name}_b"), format!("{name}_c"));
    let id = world.loaded(&[world.rows(&name, &[(&a, "1"), (&b, "2")])], create_only()).await;
    let longer = world.rows(&name, &[(&a, "3"), (&b, "4"), (&c, "5")]);
    assert_eq!(world.loaded(&[longer], create_only()).await, id);
    assert_eq!(world.prices(id).await, ["1", "2"], "a create-only repeat changes nothing and adds nothing");
    assert_eq!(world.loaded(&[world.rows(&name, &[(&a, "3"), (&b, "4")])], Context::new()).await, id);
    assert_eq!(world.prices(id).await, ["3", "4"], "a plain repeat overwrites");
    assert_eq!(world.loaded(&[world.rows(&name, &[("", "5"), ("", "6")])], Context::new()).await, id);
    assert_eq!(world.prices(id).await, ["3", "4", "5", "6"], "lines without external ids double");
}

pub(crate) async fn a_line_id_moves_to_the_header_that_names_it_even_out_of_a_posted_invoice(world: &World) {
    let (first, second) =
        (format!("__vertebra__.{}", world.name()), format!("__vertebra__.{}", world.name()));
    let (a, b) = (format!("{first}_a"), format!("{first}_b"));
    let victim = world.loaded(&[world.rows(&first, &[(&a, "10"), (&b, "20")])], create_only()).await;
    let thief = world.loaded(&[world.rows(&second, &[(&b, "1")])], create_only()).await;
    assert_eq!(
        (world.prices(victim).await, world.prices(thief).await),
        (vec!["10".to_owned()], vec!["1".to_owned()])
    );
    // Back again, so that no posted invoice is left short in a database that others use.
    let posted = world
        .loaded(&[world.rows(&format!("{second}_p"), &[(&format!("{second}_pl"), "5")])], create_only())
        .await;
    world.click("account.move", "action_post", &[posted], json!(null)).await.unwrap();
    let robber = world.rows(&format!("{second}_r"), &[(&format!("{second}_pl"), "5")]);
    let robber = world.loaded(&[robber], create_only()).await;
    assert_eq!((world.prices(posted).await, world.prices(robber).await), (vec![], vec!["5".to_owned()]));
    let line = world.click(
        "account.move.line",
        "search",
        &[],
        json!({"domain": [["move_id", "=", robber], ["display_type", "=", "product"]]}),
    );
    let line = line.await.unwrap()[0].as_i64().unwrap();
    world.click("account.move.line", "write", &[line], json!({"vals": {"move_id": posted}})).await.unwrap();
    world.click("account.move", "unlink", &[robber], json!(null)).await.unwrap();
}

pub(crate) async fn a_posted_invoice_is_not_overwritten(world: &World) {
    let name = format!("__vertebra__.{}", world.name());
    let line = format!("{name}_a");
    let id = world.loaded(&[world.rows(&name, &[(&line, "10")])], create_only()).await;
    world.click("account.move", "action_post", &[id], json!(null)).await.unwrap();
    let repeat = world.rows(&name, &[(&line, "11")]);
    assert_eq!(world.loaded(std::slice::from_ref(&repeat), create_only()).await, id);
    assert!(matches!(world.load(&[repeat], Context::new()).await, LoadAnswer::Rejected(_)));
    assert_eq!(world.prices(id).await, ["10"]);
}

pub(crate) async fn a_batch_with_a_bad_record_is_refused_whole(world: &World) {
    let names: Vec<String> = (0..3).map(|_| format!("__vertebra__.{}", world.name())).collect();
    let record =
        |index: usize, price: &str| world.rows(&names[index], &[(&format!("{}_l", names[index]), price)]);
    let LoadAnswer::Rejected(messages) =
        world.load(&[record(0, "1"), record(1, "abc"), record(2, "3")], create_only()).await
    else {
        panic!("loaded")
    };
    assert_eq!((messages[0].record, messages[0].rows), (Some(1), Some((1, 1))));
    let LoadAnswer::Rejected(messages) =
        world.load(&[record(0, "1"), record(1, "1e15")], create_only()).await
    else {
        panic!("loaded")
    };
    // The message of the attempt to create all at once blames the first record, though the second is bad.
    assert_eq!((messages[0].record, messages[0].field.as_deref()), (Some(0), None));
    let ids: Vec<odoo::ExternalId> = names.iter().map(|name| name.parse().unwrap()).collect();
    assert!(
        world.client.external_ids(&ids.iter().collect::<Vec<_>>()).await.unwrap().is_empty(),
        "nothing is kept"
    );
}

pub(crate) async fn bisection_blames_exactly_the_bad_records(world: &World) {
    let partner = |bad: bool| {
        let name = world.name();
        record(&[&[&format!("__vertebra__.{name}"), if bad { "" } else { &name }]])
    };
    let pattern = [false, false, true, false, false, false, true, false];
    let records = pattern.map(partner);
    let outcomes =
        world.client.load_bisected("res.partner", &["id", "name"], &records, &create_only()).await.unwrap();
    for (bad, outcome) in pattern.iter().zip(&outcomes) {
        match outcome {
            LoadOutcome::Loaded(_) => assert!(!bad),
            LoadOutcome::Rejected(Rejection::Messages(messages)) => assert!(*bad && !messages.is_empty()),
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) async fn lines_without_a_tax_column_get_the_products_taxes(world: &World) {
    let name = format!("__vertebra__.{}", world.name());
    let id = world.loaded(&[world.rows(&name, &[(&format!("{name}_l"), "100")])], create_only()).await;
    let row = world
        .click("account.move", "read", &[id], json!({"fields": ["amount_untaxed", "amount_total"]}))
        .await
        .unwrap();
    assert_ne!(row[0]["amount_untaxed"], row[0]["amount_total"]);
}

pub(crate) async fn what_the_database_quotes_of_a_row_is_not_kept(world: &World) {
    let name = format!("__vertebra__.{}", world.name());
    let fields: Vec<&str> =
        HEADER.into_iter().chain(LINE).chain(["invoice_line_ids/account_id/.id"]).collect();
    let mut rows = world.rows(&name, &[(&format!("{name}_l"), "100")]);
    rows.rows[0][9] = "canary of a name".to_owned().into();
    // A cell that is empty on one line only: no account there, which a constraint refuses, quoting the row.
    rows.rows[0].push(String::new().into());
    let answer = world.client.load("account.move", &fields, &[rows], &create_only()).await.unwrap();
    match answer {
        LoadAnswer::Rejected(messages) => {
            for message in messages {
                assert!(
                    message.message.reveal().contains("violates check constraint"),
                    "{}",
                    message.message.reveal()
                );
                assert!(!message.message.reveal().contains("canary"));
            }
        }
        // With the column empty in the whole call Odoo takes it for "not given".
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn a_product_brings_its_templates_external_id_along(world: &World) {
    let name = world.name();
    let product = record(&[&[&format!("__vertebra__.{name}"), "A product", &name]]);
    let answer = world
        .client
        .load("product.product", &["id", "name", "default_code"], &[product], &create_only())
        .await
        .unwrap();
    assert!(matches!(answer, LoadAnswer::Loaded(_)));
    let template = super::id(&format!("{name}_product_template"));
    assert_eq!(world.client.external_ids(&[&template]).await.unwrap()[&template].model, "product.template");
}

pub(crate) async fn a_company_that_is_not_allowed_is_no_bad_data(world: &World) {
    let fields: Vec<&str> = HEADER.into_iter().chain(LINE).collect();
    let name = format!("__vertebra__.{}", world.name());
    let rows = world.rows(&name, &[(&format!("{name}_l"), "100")]);
    let answer =
        world.client.load("account.move", &fields, &[rows], &create_only().companies(&[4_711])).await;
    assert!(matches!(answer, Err(Error::Denied { .. })), "{answer:?}");
    // Not when it is looked for among those that there are, with none in force.
    let look = async |model: &str, context: &Context| {
        let search =
            Search { domain: json!([["id", "in", [4_711]]]), fields: &["name"], ..Search::default() };
        world.client.search_read::<Value>(model, &search, context).await
    };
    for model in ["account.journal", "account.move", "res.company"] {
        let answer = look(model, &Context::new().companies(&[4_711])).await;
        assert!(matches!(answer, Err(Error::Denied { .. })), "{model}: {answer:?}");
    }
    assert_eq!(look("res.company", &Context::new()).await.unwrap(), Vec::<Value>::new());
}

pub(crate) async fn loading_nothing_asks_nothing(world: &World) {
    assert_eq!(world.load(&[], create_only()).await, LoadAnswer::Loaded(vec![]));
}
