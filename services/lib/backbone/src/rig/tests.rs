//! The rig on the simulation's sample: what authors rely on.

use super::*;
use crate::breaker::BreakerLimits;
use crate::sim::sample::{self, Echo, Left, Note, Order, Rate, Right, Sum, Tally};
use crate::wish::Became;
use canon::event::Change;
use canon::key::EncounterToken;
use std::collections::BTreeSet;

fn key() -> EncounterToken {
    "00000000000000000000000000000001".parse().unwrap()
}

fn name(number: i64) -> Name {
    Name::new("number", &[number.to_string()])
}

/// A rig that saw numbers with their moods, in order.
fn rig(numbers: &[(i64, &str)]) -> Rig<Tally> {
    let mut rig = Rig::under(sample::folding(), sample::contract());
    for (number, mood) in numbers {
        rig.sees(name(*number), &key(), Left::new(*number, mood));
    }
    rig
}

fn notes(rig: &Rig<Tally>) -> Vec<(Change, i64)> {
    rig.emitted::<Note>().into_iter().map(|note| (note.change, note.n)).collect()
}

#[track_caller]
fn check(numbers: &[(i64, &str)], sum: i64, parked: &[Reason]) {
    let rig = rig(numbers);
    assert_eq!(rig.state(&key()).map_or(0, |tally| tally.sum()), sum);
    assert_eq!(rig.parked().into_iter().map(|(reason, _)| reason).collect::<Vec<_>>(), parked);
}

#[test]
fn what_a_fold_rejects_changes_nothing_and_parks_what_follows() {
    check(&[(1, ""), (2, "bad"), (4, "")], 1, &[Reason::Invalid, Reason::Behind]);
}

#[test]
fn a_fold_that_panics_parks_its_input() {
    check(&[(1, ""), (2, "panic")], 1, &[Reason::Panic]);
}

#[test]
fn a_command_given_again_with_other_content_rejects_the_input_that_said_it() {
    check(&[(1, "recommand"), (2, "recommand"), (4, "")], 1, &[Reason::Revision, Reason::Behind]);
    assert_eq!(rig(&[(1, "recommand"), (2, "recommand")]).emitted::<Order>().len(), 1);
}

/// Orders that are given when each number is seen, the last of a batch last.
#[track_caller]
fn check_orders(numbers: &[(i64, &str)], expected: &[i64]) {
    let mut rig = Rig::under(sample::compensating(), sample::contract());
    for (number, mood) in numbers {
        rig.sees(name(*number), &key(), Left::new(*number, mood));
    }
    assert_eq!(rig.parked(), []);
    let given = rig.emitted::<Order>();
    assert!(given.iter().all(|order| order.change == Change::Recorded));
    assert_eq!(given.iter().map(|order| order.n).collect::<Vec<_>>(), expected);
    let names: BTreeSet<String> = rig.headers(Order::TOPIC).into_iter().map(|of| of.factname).collect();
    assert_eq!(names.len(), expected.len(), "a command was given twice under one name");
}

#[test]
fn a_command_that_should_have_been_another_is_made_right_by_further_commands() {
    check_orders(&[(1, "recommand"), (2, "recommand"), (4, "recommand")], &[1, 2, 4]);
    check_orders(&[(1, "recommand"), (2, ""), (4, "recommand")], &[1, 6]);
}

#[test]
fn a_command_that_is_taken_back_is_undone_and_can_be_given_anew() {
    let numbers = [(1, "recommand"), (2, "uncommand"), (3, "uncommand"), (4, "recommand"), (5, "uncommand")];
    check_orders(&numbers, &[1, -1, 10, -10]);
    check_orders(&[(1, "uncommand")], &[]);
}

#[test]
fn an_amendment_that_comes_up_again_is_another_one() {
    // 1, taken back, 1 + 2 - 2, taken back: the same difference twice.
    let numbers = [(1, "recommand"), (2, "uncommand"), (-2, "recommand"), (3, "uncommand")];
    check_orders(&numbers, &[1, -1, 1, -1]);
}

#[test]
fn the_same_content_is_no_news_and_other_content_is_a_correction() {
    let rig = rig(&[(10, "note"), (1, "note"), (9, "note")]);
    assert_eq!(notes(&rig), [(Change::Recorded, 1), (Change::Corrected, 2)]);
}

#[test]
fn what_is_withdrawn_is_said_with_its_last_content_and_can_be_stated_again() {
    let rig = rig(&[(10, "note"), (11, "unsay"), (12, "unsay"), (13, "note")]);
    assert_eq!(notes(&rig), [(Change::Recorded, 1), (Change::Withdrawn, 1), (Change::Corrected, 4)]);
    let headers = rig.headers(Note::TOPIC);
    let counted: Vec<_> = headers.iter().map(|headers| (headers.version, headers.revision)).collect();
    assert_eq!(counted, [(Some(1), Some(1)), (Some(2), Some(2)), (Some(3), Some(3))]);
}

#[test]
fn a_record_published_twice_is_folded_once() {
    let mut rig = rig(&[(1, "")]);
    rig.sees_again();
    assert_eq!(rig.state(&key()).unwrap().doubled, 0);
    assert_eq!(rig.emitted::<Sum>().len(), 1);
}

#[test]
fn the_last_wake_wins_and_fires_once() {
    let mut rig = rig(&[(1, "")]);
    rig.passes(Duration::from_secs(2));
    rig.sees(name(2), &key(), Right::new(2, ""));
    rig.passes(Duration::from_secs(2));
    assert_eq!(rig.emitted::<Order>().len(), 0);
    rig.passes(Duration::from_secs(60));
    assert_eq!(rig.emitted::<Order>().len(), 1);
}

#[test]
fn a_deadline_of_a_parked_key_joins_its_chain() {
    let mut rig = rig(&[(1, ""), (2, "bad")]);
    rig.passes(Duration::from_secs(60));
    assert_eq!(rig.emitted::<Order>().len(), 0);
    let reasons: Vec<Reason> = rig.parked().into_iter().map(|(reason, _)| reason).collect();
    assert_eq!(reasons, [Reason::Invalid, Reason::Behind]);
}

#[test]
fn what_a_table_does_not_know_parks_its_key_until_the_row_comes() {
    let mut rig = rig(&[(1, ""), (2, "rated"), (4, "")]);
    let reasons = |rig: &Rig<Tally>| rig.parked().into_iter().map(|(reason, _)| reason).collect::<Vec<_>>();
    assert_eq!(reasons(&rig), [Reason::Missing, Reason::Behind]);
    let other = "00000000000000000000000000000002".parse().unwrap();
    rig.knows(&other, &Rate::new(3, ""));
    assert_eq!(reasons(&rig), [Reason::Missing, Reason::Behind]);
    rig.knows(&key(), &Rate::new(5, ""));
    assert_eq!(reasons(&rig), []);
    assert_eq!((rig.state(&key()).unwrap().sum(), rig.state(&key()).unwrap().rates), (7, vec![5]));
}

#[test]
fn a_row_taken_back_is_told_from_one_that_never_was() {
    let mut rig = rig(&[]);
    rig.knows(&key(), &Rate::new(5, ""));
    rig.forgets::<Rate>(&key());
    rig.sees(name(1), &key(), Left::new(1, "rated"));
    assert_eq!(rig.parked()[0].0, Reason::Gone);
    rig.knows(&key(), &Rate::new(6, ""));
    assert_eq!(rig.state(&key()).unwrap().rates, [6]);
}

#[test]
fn what_is_released_and_rejected_parks_again_in_its_order() {
    let mut rig = rig(&[(1, "rated"), (2, "bad"), (4, "")]);
    rig.knows(&key(), &Rate::new(5, ""));
    let reasons: Vec<Reason> = rig.parked().into_iter().map(|(reason, _)| reason).collect();
    assert_eq!(reasons, [Reason::Invalid, Reason::Behind]);
    assert_eq!(rig.state(&key()).unwrap().sum(), 1);
}

/// Three numbers under two names, at a rate of 2.
/// Numbers of which the second is rejected, so that the third waits behind it.
fn blocked() -> Rig<Tally> {
    let rig = rig(&[(1, ""), (2, "bad"), (3, "")]);
    assert_eq!(reasons(&rig), [Reason::Invalid, Reason::Behind]);
    rig
}

fn reasons(rig: &Rig<Tally>) -> Vec<Reason> {
    rig.parked().into_iter().map(|(reason, _)| reason).collect()
}

fn sum(rig: &Rig<Tally>) -> i64 {
    rig.state(&key()).map_or(0, |tally| tally.sum())
}

#[test]
fn what_is_still_rejected_when_it_is_tried_again_parks_again_in_its_order() {
    let mut rig = blocked();
    let outcome = rig.redrives(false);
    assert_eq!((outcome.records, outcome.resolved, outcome.parked), (2, 0, 2));
    assert_eq!(outcome.rejected, [("invalid".to_owned(), 1)].into());
    assert_eq!(reasons(&rig), [Reason::Invalid, Reason::Behind]);
    assert_eq!(sum(&rig), 1);
}

#[test]
fn an_edited_input_goes_through_and_what_waited_behind_it_follows() {
    let mut rig = blocked();
    let outcome = rig.edits(&Left::new(2, ""), false);
    // The sum, as of the last of them.
    assert_eq!((outcome.resolved, outcome.parked, outcome.corrected), (2, 0, 1));
    assert_eq!((reasons(&rig), sum(&rig)), (vec![], 6));
    // What comes after finds the key free.
    rig.sees(name(4), &key(), Left::new(4, ""));
    assert_eq!(sum(&rig), 10);
}

#[test]
fn an_input_that_is_given_up_is_left_out_and_what_waited_behind_it_follows() {
    let mut rig = blocked();
    let outcome = rig.discards(false);
    assert_eq!((outcome.discarded, outcome.resolved, outcome.parked), (1, 1, 0));
    assert_eq!((reasons(&rig), sum(&rig)), (vec![], 4));
    rig.sees(name(4), &key(), Left::new(4, ""));
    assert_eq!(sum(&rig), 8);
}

#[test]
fn the_last_of_a_key_given_up_its_key_is_free() {
    let mut rig = rig(&[(1, "bad")]);
    rig.discards(false);
    rig.sees(name(2), &key(), Left::new(2, ""));
    assert_eq!((reasons(&rig), sum(&rig)), (vec![], 2));
}

#[test]
fn a_dry_run_tells_what_would_come_of_it_and_changes_nothing() {
    let mut rig = blocked();
    let dry = rig.edits(&Left::new(2, ""), true);
    assert_eq!(reasons(&rig), [Reason::Invalid, Reason::Behind]);
    assert_eq!(sum(&rig), 1);
    let done = rig.edits(&Left::new(2, ""), false);
    assert_eq!(dry, done);
}

#[test]
fn a_deadline_that_waited_behind_an_input_fires_once_that_is_edited() {
    let mut rig = rig(&[(1, ""), (2, "bad")]);
    rig.passes(Duration::from_secs(10));
    assert_eq!(reasons(&rig), [Reason::Invalid, Reason::Behind]);
    rig.edits(&Left::new(2, ""), false);
    assert_eq!(reasons(&rig), []);
    // What was edited has it wait anew.
    rig.passes(Duration::from_secs(10));
    assert_eq!(rig.state(&key()).map(|tally| tally.woken), Some(1));
}

#[test]
fn folded_again_what_was_edited_counts_and_what_was_given_up_stays_so() {
    let mut rig = Rig::under(sample::echo(), sample::contract());
    rig.knows(&key(), &Rate::new(2, ""));
    rig.sees(name(1), &key(), Left::new(1, "calm"));
    rig.forgets::<Rate>(&key());
    rig.sees(name(2), &key(), Left::new(2, "cross"));
    rig.sees(name(3), &key(), Left::new(3, "glad"));
    rig.discards(false);
    rig.edits(&Left::new(30, "glad"), false);
    rig.knows(&key(), &Rate::new(5, ""));
    assert_eq!(told(&rig), [2, 150]);
    rig.folds_again::<Left>(false);
    assert_eq!(told(&rig), [5, 150]);
}

#[test]
fn folded_again_a_fact_stays_whose_last_word_is_rejected_now() {
    let mut rig = Rig::under(sample::echo(), sample::contract());
    rig.knows(&key(), &Rate::new(1, ""));
    rig.sees(name(1), &key(), Left::new(1, "calm"));
    rig.sees(name(2), &key(), Left::new(600, "calm"));
    assert_eq!(told(&rig), [600]);
    rig.knows(&key(), &Rate::new(2, ""));
    let outcome = rig.folds_again::<Left>(false);
    assert_eq!((outcome.corrected, outcome.rejected), (0, [("invalid".to_owned(), 1)].into()));
    assert_eq!(told(&rig), [600]);
}

#[test]
fn folded_again_what_was_sent_again_is_no_news_though_its_first_copy_lies_before_the_range() {
    let mut rig = Rig::under(sample::echo(), sample::contract());
    rig.knows(&key(), &Rate::new(1, ""));
    rig.sees_raw(name(1), Uuid::from_u128(1), &key(), Left::new(100, "calm"));
    rig.passes(Duration::from_secs(60));
    let since = rig.now();
    rig.sees_raw(name(2), Uuid::from_u128(2), &key(), Left::new(80, "calm"));
    rig.sees_raw(name(1), Uuid::from_u128(1), &key(), Left::new(100, "calm"));
    assert_eq!(told(&rig), [80]);
    let chosen = Chosen::since(since);
    let outcome = rig.does(Wish::Again { topic: Left::TOPIC.to_owned(), chosen, dry_run: false });
    assert_eq!((outcome.records, outcome.unchanged), (1, 1));
    assert_eq!(told(&rig), [80]);
}

#[test]
fn folded_again_is_what_was_chosen_and_what_is_news_is_named() {
    let mut rig = Rig::under(sample::echo(), sample::contract());
    rig.knows(&key(), &Rate::new(1, ""));
    rig.sees(name(1), &key(), Left::new(100, "calm"));
    rig.passes(Duration::from_secs(60));
    let until = rig.now();
    rig.sees(name(2), &key(), Left::new(80, "cross"));
    rig.knows(&key(), &Rate::new(2, ""));
    let chosen = Chosen { since: Timestamp(i64::MIN), until: Some(until), sender: None };
    let outcome = rig.does(Wish::Again { topic: Left::TOPIC.to_owned(), chosen, dry_run: false });
    assert_eq!((outcome.records, outcome.corrected), (1, 1));
    let named: Vec<(&str, Became, u32)> =
        outcome.facts.iter().map(|fact| (fact.topic.as_str(), fact.change, fact.revision)).collect();
    assert_eq!(named, [(Note::TOPIC, Became::Corrected, 2)]);
    assert_eq!(outcome.moved.iter().map(|moved| moved.facts).collect::<Vec<_>>(), [1]);
    assert!(outcome.range.is_some_and(|(first, last)| first == last && last < until));
    let told: BTreeSet<i64> = told(&rig).into_iter().collect();
    assert_eq!(told, [200, 80].into());
}

fn echo() -> Rig<Echo> {
    let mut rig = Rig::under(sample::echo(), sample::contract());
    rig.knows(&key(), &Rate::new(2, ""));
    for (number, mood) in [(1, "a"), (2, "b"), (3, "a"), (4, "always")] {
        rig.sees(name(number), &key(), Left::new(number, mood));
    }
    rig
}

fn told(rig: &Rig<Echo>) -> Vec<i64> {
    rig.latest::<Note>().into_iter().map(|note| note.n).collect()
}

#[test]
fn folded_again_under_the_same_table_nothing_is_said() {
    let mut rig = echo();
    let before = rig.emitted::<Note>().len();
    let outcome = rig.folds_again::<Left>(false);
    assert_eq!((outcome.records, outcome.unchanged, outcome.corrected), (4, 3, 0));
    assert_eq!((rig.emitted::<Note>().len(), told(&rig)), (before, vec![6, 8, 4]));
}

#[test]
fn folded_again_under_a_corrected_table_each_fact_is_said_once_more_as_its_last_record_has_it() {
    let mut rig = echo();
    let before = rig.emitted::<Note>().len();
    rig.knows(&key(), &Rate::new(5, ""));
    let dry = rig.folds_again::<Left>(true);
    assert_eq!((dry.corrected, rig.emitted::<Note>().len()), (3, before));
    let outcome = rig.folds_again::<Left>(false);
    assert_eq!((outcome.corrected, outcome.withdrawn), (3, 0));
    assert_eq!((rig.emitted::<Note>().len(), told(&rig)), (before + 3, vec![15, 20, 10]));
}

#[test]
fn what_no_record_states_any_longer_is_withdrawn() {
    let mut rig = echo();
    rig.knows(&key(), &Rate::new(0, ""));
    let outcome = rig.folds_again::<Left>(false);
    assert_eq!((outcome.withdrawn, outcome.corrected), (2, 1));
    assert_eq!(told(&rig), [0]);
    rig.knows(&key(), &Rate::new(2, ""));
    rig.folds_again::<Left>(false);
    assert_eq!(told(&rig), [6, 8, 4]);
}

#[test]
fn a_fold_that_remembers_is_not_folded_again_record_by_record() {
    let mut rig = rig(&[(1, "")]);
    let outcome = rig.folds_again::<Left>(false);
    assert!(outcome.failed.is_some());
    assert_eq!(rig.state(&key()).unwrap().doubled, 0);
}

#[test]
fn a_lane_that_rejects_all_it_reads_is_stopped() {
    let mut rig = rig(&[]);
    for number in 0..BreakerLimits::default().run_max {
        assert!(!rig.is_stopped());
        let other: EncounterToken = format!("{:032x}", number + 9).parse().unwrap();
        rig.sees(name(1), &other, Left::new(1, "bad"));
    }
    assert!(rig.is_stopped());
}

#[test]
fn report_rows_follow_the_state() {
    assert_eq!(
        rig(&[(1, ""), (2, "")]).rows("tally"),
        [serde_json::json!({"key": key().to_string(), "sum": 3})]
    );
}

#[test]
fn what_an_emission_came_from_is_in_its_headers_and_not_in_its_content() {
    let rig = rig(&[(1, "")]);
    let headers = rig.headers(Sum::TOPIC);
    assert_eq!(headers[0].causationid, headers[0].correlationid);
    assert!(headers[0].causationid.is_some());
}
