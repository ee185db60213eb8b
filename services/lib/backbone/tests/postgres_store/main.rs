//! What a ledger promises, written once and held against both of them: the one in memory, which the simulation and
//! authors' tests run on, and PostgreSQL. What only PostgreSQL can do is in `schema`
//! and `sessions`.
//!
//! PostgreSQL comes from `VERTEBRA_TEST_POSTGRES_URL`; without it its half is skipped, or fails when
//! `VERTEBRA_TEST_REQUIRED=1`. Each test has a schema of its own and drops it.

mod audit;
mod batches;
mod contents;
mod home;
mod lanes;
mod recover;
mod replays;
mod schema;
mod sessions;
mod sources;
mod tables;

/// Runs each case against both ledgers.
///
/// A function cannot do it: a case is generic over the ledger, and so is its future.
macro_rules! on_both {
    ($($file:ident::$case:ident),* $(,)?) => {
        mod in_memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                crate::$file::$case(crate::home::memory(crate::home::LEASE)).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                crate::home::on_postgres(crate::home::LEASE, |home| crate::$file::$case(home.store)).await;
            })*
        }
    };
}

on_both! {
    replays::a_rebuild_is_found_where_its_lane_is_and_tells_how_far_it_is,
    replays::facts_that_differ_are_told_of_the_lane_and_of_no_other,
    replays::both_ledgers_change_in_one_transaction_and_whoever_followed_is_fenced_off,
    replays::a_change_over_that_is_given_up_leaves_both_as_they_were,
    replays::parked_inputs_are_found_by_what_the_journal_says_of_them,
    replays::a_journal_is_read_on_behind_an_entry_and_by_what_people_decided,
    replays::rows_of_tables_are_read_between_two_places,
    replays::what_was_thrown_away_is_found_no_more,
    lanes::a_lane_is_owned_by_one_instance_until_it_is_given_back,
    lanes::a_lane_is_free_again_when_its_lease_has_passed,
    lanes::a_lane_nobody_made_known_is_not_taken,
    lanes::a_renewed_lane_stays_ours,
    lanes::a_renewal_is_fenced_by_epoch_and_by_sequence,
    lanes::a_lane_is_read_again_only_under_its_epoch,
    lanes::lanes_made_known_again_stay_as_they_are,
    lanes::a_new_owner_is_told_where_the_lane_stands,
    lanes::takes_without_a_commit_between_them_are_counted,
    lanes::instances_see_each_other_and_who_owns_what,
    lanes::a_silent_instance_is_forgotten,
    lanes::a_shard_is_relayed_by_one_instance_at_a_time,
    batches::a_stale_epoch_writes_nothing,
    batches::a_stale_sequence_writes_nothing,
    batches::a_dropped_batch_leaves_nothing_behind,
    batches::a_batch_is_visible_as_a_whole_and_only_after_its_commit,
    batches::the_clock_of_a_lane_never_runs_backwards,
    batches::a_batch_that_is_given_a_time_is_not_past_it,
    batches::a_locked_counter_makes_the_next_batch_wait,
    batches::versions_are_drawn_without_gaps_by_many_lanes_at_once,
    batches::outbox_rows_lie_in_the_order_they_were_said_in,
    batches::each_shard_has_its_own_outbox_rows,
    batches::deadlines_fire_by_time_and_then_by_key,
    batches::the_earliest_deadline_is_told_after_each_change,
    contents::states_come_back_as_they_were_written,
    contents::of_a_key_written_twice_the_last_state_stays,
    contents::a_parked_chain_is_met_by_every_lane_of_its_processor,
    contents::parked_records_keep_their_very_bytes,
    contents::parked_inputs_are_found_by_number_with_their_chains,
    contents::what_was_decided_is_kept_with_the_bytes_that_came,
    contents::an_intent_is_open_until_it_is_ended_and_tells_how_often_it_was_begun,
    contents::identities_once_seen_are_known,
    contents::the_emission_ledger_keeps_the_latest_revision,
    contents::the_effect_ledger_keeps_what_became_of_a_command,
    contents::a_journal_entry_comes_back_as_it_was_written,
    contents::what_records_of_a_range_stated_is_found_by_their_offsets,
    contents::a_stopped_lane_is_told_to_whoever_takes_or_renews_it,
    recover::what_was_published_and_forgotten_is_taken_over,
    recover::what_was_given_lies_ahead_of_its_lane_until_it_is_given_again,
    recover::what_was_not_published_gets_versions_after_what_was,
    recover::lanes_of_a_recovered_ledger_are_free_and_those_of_sinks_wait,
    recover::a_ledger_that_lacks_nothing_is_left_as_it_is,
    sources::a_cursor_comes_back_as_it_was_written,
    sources::a_page_that_is_dropped_leaves_nothing_behind,
    sources::rows_and_facts_come_back_as_they_were_written,
    sources::a_fact_has_one_owner_and_what_is_gone_is_gone,
    sources::a_sweep_counts_and_names_what_was_known_before_it_and_not_found,
    sources::a_person_is_asked_and_the_answer_stays_until_the_question_goes,
    tables::a_version_of_a_key_is_kept_once_and_an_older_one_not_at_all,
    tables::a_batch_is_told_the_latest_place_when_it_begins_and_when_it_renews,
    tables::what_waited_for_a_row_is_found_with_its_chain_and_nothing_else,
    tables::tables_are_complete_when_every_partition_was_read_to_its_end,
}

mod idle {
    const SHORT: std::time::Duration = std::time::Duration::from_secs(4);

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stopped_owners_transaction_is_ended_in_memory() {
        crate::batches::a_stopped_owners_transaction_is_ended(crate::home::memory(SHORT), SHORT).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stopped_owners_transaction_is_ended_on_postgres() {
        let case = |home: crate::home::Home| {
            crate::batches::a_stopped_owners_transaction_is_ended(home.store, SHORT)
        };
        crate::home::on_postgres(SHORT, case).await;
    }
}
