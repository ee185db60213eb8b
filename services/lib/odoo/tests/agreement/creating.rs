//! Drafts: created once, left alone afterwards, never at another invoice's cost.

use super::{World, decimal, id};
use odoo::invoice::{Created, DraftFault, InvoiceDraft, Line, MoveState, Reason, Ref, Taxes};
use odoo::seed::{item_id, payer_id};
use odoo::{Context, ExternalId, Rejection, Secret};
use serde_json::json;

pub(crate) async fn a_draft_is_created_and_read_back_exactly(world: &World) {
    let draft =
        world.draft(&[("1", "12.34"), ("3", "0.10"), ("-1", "0.3"), ("1", "0"), ("1", "99999999.99")]);
    let created = world.create(&draft).await;
    let found = world.find(&draft).await.unwrap();
    assert_eq!((found.id, found.state, found.number.clone()), (created, MoveState::Draft, None));
    assert_eq!((found.payment_state.as_str(), found.move_type.as_str()), ("not_paid", "out_invoice"));
    assert_eq!((found.untaxed, found.total), (decimal("100000012.33"), decimal("100000012.33")));
    assert_eq!(found.residual, decimal("100000012.33"));
    let subtotals: Vec<String> = found.lines.iter().map(|line| line.subtotal.to_string()).collect();
    assert_eq!(subtotals, ["12.34", "0.3", "-0.3", "0", "99999999.99"]);
    assert!(found.lines.iter().all(|line| line.taxes.is_empty() && line.account.is_some()));
    assert_eq!(found.lines[1].external, [draft.lines[1].external_id.clone()]);
    assert_eq!(world.differences(&draft).await, [""; 0]);
}

pub(crate) async fn several_drafts_are_created_in_one_call(world: &World) {
    let drafts: Vec<InvoiceDraft> = (0..5).map(|_| world.draft(&[("1", "5"), ("2", "6.5")])).collect();
    let created = world.invoices.create_only(&drafts).await.unwrap();
    let again = world.invoices.create_only(&drafts).await.unwrap();
    for (created, again) in created.iter().zip(&again) {
        let (Created::Loaded(id), Created::Existing(same)) = (created, again) else {
            panic!("{created:?} {again:?}")
        };
        assert_eq!(id, same);
    }
    for draft in &drafts {
        assert_eq!(world.differences(draft).await, [""; 0]);
    }
}

pub(crate) async fn a_repeat_changes_nothing_that_a_person_changed(world: &World) {
    let draft = world.draft(&[("1", "10"), ("1", "20")]);
    let created = world.create(&draft).await;
    let line = world.find(&draft).await.unwrap().lines[0].id;
    world.click("account.move.line", "write", &[line], json!({"vals": {"price_unit": 7.5}})).await.unwrap();
    assert_eq!(world.create(&draft).await, created);
    assert_eq!(world.prices(created).await, ["7.5", "20"]);
    let differences = world.differences(&draft).await;
    let line = &draft.lines[0].external_id;
    assert_eq!(
        differences,
        [
            "amount_untaxed",
            "amount_total",
            &format!("price_unit of {line}"),
            &format!("price_subtotal of {line}")
        ]
    );
}

pub(crate) async fn a_line_that_a_person_deleted_is_missed(world: &World) {
    let draft = world.draft(&[("1", "10"), ("1", "20")]);
    world.create(&draft).await;
    let line = world.find(&draft).await.unwrap().lines[0].id;
    world.click("account.move.line", "unlink", &[line], json!(null)).await.unwrap();
    world.create(&draft).await;
    let gone = format!("{} is gone", draft.lines[0].external_id);
    assert_eq!(world.differences(&draft).await, ["amount_untaxed", "amount_total", &gone]);
}

pub(crate) async fn a_deleted_invoice_is_made_again(world: &World) {
    let draft = world.draft(&[("1", "10")]);
    let created = world.create(&draft).await;
    world.click("account.move", "unlink", &[created], json!(null)).await.unwrap();
    assert_eq!(world.find(&draft).await, None);
    let names = [&draft.external_id, &draft.lines[0].external_id];
    assert!(world.client.external_ids(&names).await.unwrap().is_empty(), "external ids go with their record");
    assert_ne!(world.create(&draft).await, created);
}

pub(crate) async fn a_line_of_another_invoice_is_never_taken(world: &World) {
    let victim = world.draft(&[("1", "10"), ("1", "20")]);
    world.create(&victim).await;
    let mut thief = world.draft(&[("1", "1"), ("1", "2")]);
    thief.lines[1].external_id = victim.lines[0].external_id.clone();
    let outcome = world.invoices.create_only(&[thief.clone()]).await.unwrap();
    assert_eq!(outcome, [Created::Refused(Reason::LineTaken { line: 1 })]);
    assert_eq!(world.differences(&victim).await, [""; 0]);
    assert_eq!(world.find(&thief).await, None);
}

pub(crate) async fn one_bad_draft_in_a_batch_is_found_and_the_others_are_kept(world: &World) {
    let good = || world.draft(&[("1", "10")]);
    let bad = || {
        let mut draft = good();
        draft.lines[0].product = item_id("no-such-item").unwrap();
        draft
    };
    let unbalanced = world.draft(&[("1", "1000000000000000")]);
    let drafts = [good(), bad(), good(), good(), bad(), good(), world.draft(&[])];
    let outcomes = world.invoices.create_only(&drafts).await.unwrap();
    for (index, (draft, outcome)) in drafts.iter().zip(&outcomes).enumerate() {
        match outcome {
            Created::Loaded(_) => assert!([0, 2, 3, 5].contains(&index)),
            Created::Refused(Reason::Odoo(Rejection::Messages(messages))) => {
                assert!([1, 4].contains(&index));
                assert_eq!((messages[0].record, messages[0].rows), (Some(0), Some((0, 0))));
                assert_eq!(messages[0].field.as_deref(), Some("invoice_line_ids"));
                assert!(!format!("{messages:?}").contains("no-such-item"));
            }
            other => assert_eq!((index, other), (6, &Created::Refused(Reason::Draft(DraftFault::NoLines)))),
        }
        assert_eq!(world.find(draft).await.is_some(), matches!(outcome, Created::Loaded(_)));
    }
    // Sixteen digits: refused before Odoo sees it, since its floats would change it.
    let outcome = world.invoices.create_only(&[unbalanced]).await.unwrap();
    assert_eq!(outcome, [Created::Refused(Reason::Draft(DraftFault::Inexact { line: 0 }))]);
}

pub(crate) async fn a_draft_repeated_in_a_batch_is_one_invoice(world: &World) {
    let draft = world.draft(&[("1", "10")]);
    let mut other = world.draft(&[("1", "10")]);
    other.external_id = draft.external_id.clone();
    let outcomes = world.invoices.create_only(&[draft.clone(), draft.clone(), other]).await.unwrap();
    let [Created::Loaded(first), Created::Loaded(second), Created::Refused(Reason::Repeated)] = outcomes[..]
    else {
        panic!("{outcomes:?}")
    };
    assert_eq!(first, second);
    assert_eq!(world.differences(&draft).await, [""; 0]);
}

pub(crate) async fn drafts_may_name_records_by_either_id_in_one_batch(world: &World) {
    let by_name = world.draft(&[("1", "10")]);
    let mut by_id = world.draft(&[("1", "10")]);
    by_id.partner = Ref::Id(world.find_partner().await);
    by_id.currency = "base.USD".parse::<ExternalId>().unwrap().into();
    let mut accounted = world.draft(&[("1", "10"), ("1", "11")]);
    accounted.partner = payer_id("B & C/1").unwrap().into();
    let account = world.income_account(&by_name).await;
    accounted.lines.iter_mut().for_each(|line| line.account = Some(account.clone()));
    let drafts = [by_name, by_id, accounted];
    let outcomes = world.invoices.create_only(&drafts).await.unwrap();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Created::Loaded(_))), "{outcomes:?}");
    for draft in &drafts {
        assert_eq!(world.differences(draft).await, [""; 0]);
    }
}

pub(crate) async fn named_taxes_are_taken_and_no_others(world: &World) {
    let mut draft = world.draft(&[("1", "100")]);
    let tax = world.tax_name().await;
    draft.lines[0].taxes = Taxes::Named(vec![tax]);
    world.create(&draft).await;
    assert_eq!(world.differences(&draft).await, [""; 0]);
    let found = world.find(&draft).await.unwrap();
    assert!(found.total > found.untaxed);
    let untaxed =
        InvoiceDraft { lines: vec![Line { taxes: Taxes::None, ..draft.lines[0].clone() }], ..draft.clone() };
    let taxes = format!("tax_ids of {}", draft.lines[0].external_id);
    assert_eq!(
        odoo::invoice::compare(&untaxed, &found).iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["amount_total", &taxes]
    );
}

pub(crate) async fn what_odoo_rounds_is_seen(world: &World) {
    let draft = world.draft(&[("0.3333", "3"), ("1", "12.3456")]);
    world.create(&draft).await;
    let (first, second) = (&draft.lines[0].external_id, &draft.lines[1].external_id);
    assert_eq!(
        world.differences(&draft).await,
        [
            "amount_untaxed",
            "amount_total",
            &format!("quantity of {first}"),
            &format!("price_subtotal of {first}"),
            &format!("price_subtotal of {second}"),
        ]
    );
}

pub(crate) async fn racing_writers_make_one_invoice(world: &World) {
    let draft = world.draft(&[("1", "10"), ("1", "20")]);
    let mut settings = world.settings.clone();
    settings.concurrent = 8;
    settings.key = Secret::new(settings.key.reveal());
    let client = odoo::Client::new(&settings).unwrap();
    let invoices = odoo::invoice::Invoices::new(client, vec![world.seeded.company]);
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (invoices, draft) = (invoices.clone(), draft.clone());
        racers.spawn(async move { invoices.create_only(&[draft]).await.unwrap().remove(0) });
    }
    let found = || async { world.find(&draft).await };
    let outcomes = racers.join_all().await;
    let winner = found().await.expect("one of them wins").id;
    for outcome in outcomes {
        match outcome {
            Created::Loaded(id) | Created::Existing(id) => assert_eq!(id, winner),
            outcome => assert_eq!(outcome, Created::Retry),
        }
    }
    assert_eq!(world.differences(&draft).await, [""; 0]);
}

pub(crate) async fn seeding_again_changes_nothing(world: &World) {
    let again = odoo::seed::seed(&world.client, &super::plan()).await.unwrap();
    assert_eq!((again.created, again.adopted), (0, 0));
    assert_eq!((again.company, again.journal), (world.seeded.company, world.seeded.journal));
}

pub(crate) async fn seeding_adopts_a_product_that_is_there(world: &World) {
    let code = world.name();
    let product = json!({"name": "Theirs", "default_code": code});
    let made = world.client.create("product.product", &[product], &Context::new()).await.unwrap();
    let mut plan = super::plan();
    plan.items.push(odoo::seed::Named { code: code.clone(), name: "Ours".to_owned() });
    let seeded = odoo::seed::seed(&world.client, &plan).await.unwrap();
    assert_eq!((seeded.created, seeded.adopted), (0, 1));
    let name = item_id(&code).unwrap();
    assert_eq!(world.client.external_ids(&[&name]).await.unwrap()[&name].id, made[0]);
    assert_eq!(id(&format!("item_{code}")), name);
}

pub(crate) async fn seeds_that_race_adopt_a_product_once(world: &World) {
    let code = world.name();
    let product = json!({"name": "Theirs", "default_code": code});
    world.client.create("product.product", &[product], &Context::new()).await.unwrap();
    let mut plan = super::plan();
    plan.items.push(odoo::seed::Named { code, name: "Ours".to_owned() });
    let seed = || odoo::seed::seed(&world.client, &plan);
    let (one, two, three) = tokio::join!(seed(), seed(), seed());
    let adopted: usize = [one, two, three].map(|seeded| seeded.unwrap().adopted).iter().sum();
    assert_eq!(adopted, 1);
}

impl World {
    async fn find_partner(&self) -> i64 {
        let name = payer_id("ACME").unwrap();
        self.client.external_ids(&[&name]).await.unwrap()[&name].id
    }

    async fn income_account(&self, like: &InvoiceDraft) -> Ref {
        let mut draft = like.clone();
        draft.external_id = id(&self.name());
        draft.lines[0].external_id = id(&self.name());
        self.create(&draft).await;
        Ref::Id(self.find(&draft).await.unwrap().lines[0].account.as_ref().unwrap().id)
    }

    /// Gives the product's own tax a name of ours, if it has none yet.
    async fn tax_name(&self) -> ExternalId {
        let name = id("test_tax");
        if self.client.external_ids(&[&name]).await.unwrap().is_empty() {
            let taxes = self.click(
                "account.tax",
                "search",
                &[],
                json!({"domain": [["type_tax_use", "=", "sale"]], "limit": 1}),
            );
            let tax = taxes.await.unwrap()[0].clone();
            let row = json!({"module": name.module(), "name": name.name(), "model": "account.tax", "res_id": tax, "noupdate": true});
            self.client.create("ir.model.data", &[row], &Context::new()).await.unwrap();
        }
        name
    }
}
