//! The questions of `agreement`, put to a real Odoo 19: with them the fake is kept honest.
//!
//! They run when `VERTEBRA_TEST_ODOO_URL`, `VERTEBRA_TEST_ODOO_DB` and `VERTEBRA_TEST_ODOO_KEY` name one, and leave their
//! records there, under names that no other run uses.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests stop them the way tests do, and say why one was skipped"
)]

mod agreement;

use agreement::INTERFACES;
use agreement::{World, answers, creating, crediting, loading, paying, posting, reading};
use odoo::{Secret, Settings};
use tokio::sync::OnceCell;

#[expect(
    clippy::disallowed_methods,
    reason = "a test asks its caller for an Odoo; there is no configuration to validate"
)]
fn settings() -> Option<Settings> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let url = variable("VERTEBRA_TEST_ODOO_URL")?;
    let database = variable("VERTEBRA_TEST_ODOO_DB")?;
    Some(Settings::new(&url, &database, Secret::new(&variable("VERTEBRA_TEST_ODOO_KEY")?)))
}

#[expect(clippy::disallowed_methods, reason = "whether a test may be skipped is its caller's to say")]
fn is_required() -> bool {
    std::env::var("VERTEBRA_TEST_REQUIRED").is_ok_and(|value| !value.is_empty())
}

/// Every question has a client of its own, since each has a runtime of its own; the names are the run's.
async fn check(question: impl AsyncFn(&World)) {
    static SEEDED: OnceCell<()> = OnceCell::const_new();
    let Some(settings) = settings() else {
        assert!(!is_required(), "VERTEBRA_TEST_REQUIRED is set and no Odoo is given");
        println!("skipped: no Odoo given");
        return;
    };
    // One at a time: two racing seeds would each be right, and one be told to come again.
    SEEDED.get_or_init(async || drop(World::new(settings.clone(), "seed").await)).await;
    for interface in INTERFACES {
        let run = uuid::Uuid::new_v4().simple().to_string();
        question(&World::new(Settings { interface, ..settings.clone() }, &run).await).await;
    }
}

#[tokio::test]
async fn the_version_says_that_there_is_json_2() {
    check(async |world| answers::the_version_says_that_there_is_json_2(world).await).await;
}

#[tokio::test]
async fn the_database_has_a_uuid() {
    check(async |world| answers::the_database_has_a_uuid(world).await).await;
}

#[tokio::test]
async fn fields_get_tells_what_there_is() {
    check(async |world| answers::fields_get_tells_what_there_is(world).await).await;
}

#[tokio::test]
async fn a_wrong_key_is_denied_until_it_is_changed() {
    check(async |world| answers::a_wrong_key_is_denied_until_it_is_changed(world).await).await;
}

#[tokio::test]
async fn a_wrong_database_is_missing() {
    check(async |world| answers::a_wrong_database_is_missing(world).await).await;
}

#[tokio::test]
async fn unknown_models_and_methods_are_missing() {
    check(async |world| answers::unknown_models_and_methods_are_missing(world).await).await;
}

#[tokio::test]
async fn unknown_fields_are_refused() {
    check(async |world| answers::unknown_fields_are_refused(world).await).await;
}

#[tokio::test]
async fn records_that_are_gone_are_left_out_or_missing() {
    check(async |world| answers::records_that_are_gone_are_left_out_or_missing(world).await).await;
}

#[tokio::test]
async fn archived_records_are_found() {
    check(async |world| answers::archived_records_are_found(world).await).await;
}

#[tokio::test]
async fn an_archived_product_is_accepted_on_a_line() {
    check(async |world| answers::an_archived_product_is_accepted_on_a_line(world).await).await;
}

#[tokio::test]
async fn a_search_has_order_limit_and_offset() {
    check(async |world| answers::a_search_has_order_limit_and_offset(world).await).await;
}

#[tokio::test]
async fn a_draft_is_created_and_read_back_exactly() {
    check(async |world| creating::a_draft_is_created_and_read_back_exactly(world).await).await;
}

#[tokio::test]
async fn several_drafts_are_created_in_one_call() {
    check(async |world| creating::several_drafts_are_created_in_one_call(world).await).await;
}

#[tokio::test]
async fn a_repeat_changes_nothing_that_a_person_changed() {
    check(async |world| creating::a_repeat_changes_nothing_that_a_person_changed(world).await).await;
}

#[tokio::test]
async fn a_line_that_a_person_deleted_is_missed() {
    check(async |world| creating::a_line_that_a_person_deleted_is_missed(world).await).await;
}

#[tokio::test]
async fn a_deleted_invoice_is_made_again() {
    check(async |world| creating::a_deleted_invoice_is_made_again(world).await).await;
}

#[tokio::test]
async fn a_line_of_another_invoice_is_never_taken() {
    check(async |world| creating::a_line_of_another_invoice_is_never_taken(world).await).await;
}

#[tokio::test]
async fn one_bad_draft_in_a_batch_is_found_and_the_others_are_kept() {
    check(async |world| creating::one_bad_draft_in_a_batch_is_found_and_the_others_are_kept(world).await)
        .await;
}

#[tokio::test]
async fn a_draft_repeated_in_a_batch_is_one_invoice() {
    check(async |world| creating::a_draft_repeated_in_a_batch_is_one_invoice(world).await).await;
}

#[tokio::test]
async fn drafts_may_name_records_by_either_id_in_one_batch() {
    check(async |world| creating::drafts_may_name_records_by_either_id_in_one_batch(world).await).await;
}

#[tokio::test]
async fn named_taxes_are_taken_and_no_others() {
    check(async |world| creating::named_taxes_are_taken_and_no_others(world).await).await;
}

#[tokio::test]
async fn what_odoo_rounds_is_seen() {
    check(async |world| creating::what_odoo_rounds_is_seen(world).await).await;
}

#[tokio::test]
async fn racing_writers_make_one_invoice() {
    check(async |world| creating::racing_writers_make_one_invoice(world).await).await;
}

#[tokio::test]
async fn seeding_again_changes_nothing() {
    check(async |world| creating::seeding_again_changes_nothing(world).await).await;
}

#[tokio::test]
async fn seeding_adopts_a_product_that_is_there() {
    check(async |world| creating::seeding_adopts_a_product_that_is_there(world).await).await;
}

#[tokio::test]
async fn seeds_that_race_adopt_a_product_once() {
    check(async |world| creating::seeds_that_race_adopt_a_product_once(world).await).await;
}

#[tokio::test]
async fn a_create_only_load_leaves_alone_what_is_there_and_another_overwrites() {
    check(async |world| {
        loading::a_create_only_load_leaves_alone_what_is_there_and_another_overwrites(world).await
    })
    .await;
}

#[tokio::test]
async fn a_line_id_moves_to_the_header_that_names_it_even_out_of_a_posted_invoice() {
    check(async |world| {
        loading::a_line_id_moves_to_the_header_that_names_it_even_out_of_a_posted_invoice(world).await
    })
    .await;
}

#[tokio::test]
async fn a_posted_invoice_is_not_overwritten() {
    check(async |world| loading::a_posted_invoice_is_not_overwritten(world).await).await;
}

#[tokio::test]
async fn a_batch_with_a_bad_record_is_refused_whole() {
    check(async |world| loading::a_batch_with_a_bad_record_is_refused_whole(world).await).await;
}

#[tokio::test]
async fn bisection_blames_exactly_the_bad_records() {
    check(async |world| loading::bisection_blames_exactly_the_bad_records(world).await).await;
}

#[tokio::test]
async fn lines_without_a_tax_column_get_the_products_taxes() {
    check(async |world| loading::lines_without_a_tax_column_get_the_products_taxes(world).await).await;
}

#[tokio::test]
async fn what_the_database_quotes_of_a_row_is_not_kept() {
    check(async |world| loading::what_the_database_quotes_of_a_row_is_not_kept(world).await).await;
}

#[tokio::test]
async fn a_product_brings_its_templates_external_id_along() {
    check(async |world| loading::a_product_brings_its_templates_external_id_along(world).await).await;
}

#[tokio::test]
async fn a_company_that_is_not_allowed_is_no_bad_data() {
    check(async |world| loading::a_company_that_is_not_allowed_is_no_bad_data(world).await).await;
}

#[tokio::test]
async fn loading_nothing_asks_nothing() {
    check(async |world| loading::loading_nothing_asks_nothing(world).await).await;
}

#[tokio::test]
async fn a_draft_is_posted_once() {
    check(async |world| posting::a_draft_is_posted_once(world).await).await;
}

#[tokio::test]
async fn posting_answers_false_and_refuses_a_second_time() {
    check(async |world| posting::posting_answers_false_and_refuses_a_second_time(world).await).await;
}

#[tokio::test]
async fn what_cannot_be_posted_does_not_hold_up_the_others() {
    check(async |world| posting::what_cannot_be_posted_does_not_hold_up_the_others(world).await).await;
}

#[tokio::test]
async fn a_posted_invoice_is_not_deleted() {
    check(async |world| posting::a_posted_invoice_is_not_deleted(world).await).await;
}

#[tokio::test]
async fn posting_nothing_asks_nothing() {
    check(async |world| posting::posting_nothing_asks_nothing(world).await).await;
}

#[tokio::test]
async fn a_credit_note_is_written_like_an_invoice_and_set_off_when_it_is_posted() {
    check(async |world| {
        crediting::a_credit_note_is_written_like_an_invoice_and_set_off_when_it_is_posted(world).await
    })
    .await;
}

#[tokio::test]
async fn a_credit_note_for_an_invoice_that_is_not_there_is_refused() {
    check(async |world| crediting::a_credit_note_for_an_invoice_that_is_not_there_is_refused(world).await)
        .await;
}

#[tokio::test]
async fn invoices_and_credit_notes_of_others_go_in_one_batch() {
    check(async |world| crediting::invoices_and_credit_notes_of_others_go_in_one_batch(world).await).await;
}

#[tokio::test]
async fn a_credit_note_posted_with_or_before_its_invoice_stays_open() {
    check(async |world| crediting::a_credit_note_posted_with_or_before_its_invoice_stays_open(world).await)
        .await;
}

#[tokio::test]
async fn a_line_of_the_invoice_is_never_taken_by_its_credit_note() {
    check(async |world| crediting::a_line_of_the_invoice_is_never_taken_by_its_credit_note(world).await)
        .await;
}

#[tokio::test]
async fn payments_in_part_and_of_the_rest_pay_an_invoice() {
    check(async |world| paying::payments_in_part_and_of_the_rest_pay_an_invoice(world).await).await;
}

#[tokio::test]
async fn a_cancelled_payment_opens_the_invoice_again() {
    check(async |world| paying::a_cancelled_payment_opens_the_invoice_again(world).await).await;
}

#[tokio::test]
async fn what_was_set_off_is_taken_apart() {
    check(async |world| paying::what_was_set_off_is_taken_apart(world).await).await;
}

#[tokio::test]
async fn a_credit_note_by_hand_reverses_an_invoice_and_has_no_external_id() {
    check(async |world| {
        paying::a_credit_note_by_hand_reverses_an_invoice_and_has_no_external_id(world).await
    })
    .await;
}

#[tokio::test]
async fn a_paid_invoice_that_is_cancelled_is_open_and_not_paid() {
    check(async |world| paying::a_paid_invoice_that_is_cancelled_is_open_and_not_paid(world).await).await;
}

#[tokio::test]
async fn a_repriced_draft_has_another_total() {
    check(async |world| paying::a_repriced_draft_has_another_total(world).await).await;
}

#[tokio::test]
async fn what_is_set_off_moves_the_invoices_write_date() {
    check(async |world| paying::what_is_set_off_moves_the_invoices_write_date(world).await).await;
}

#[tokio::test]
async fn a_window_has_every_row_once_whatever_the_pages() {
    check(async |world| reading::a_window_has_every_row_once_whatever_the_pages(world).await).await;
}

#[tokio::test]
async fn what_was_written_since_is_in_the_next_window() {
    check(async |world| reading::what_was_written_since_is_in_the_next_window(world).await).await;
}

#[tokio::test]
async fn a_sweep_has_every_row_and_not_what_was_deleted() {
    check(async |world| reading::a_sweep_has_every_row_and_not_what_was_deleted(world).await).await;
}

#[tokio::test]
async fn the_clock_is_that_of_write_dates() {
    check(async |world| reading::the_clock_is_that_of_write_dates(world).await).await;
}

#[tokio::test]
async fn capabilities_are_fields_and_models_that_are_there() {
    check(async |world| reading::capabilities_are_fields_and_models_that_are_there(world).await).await;
}
