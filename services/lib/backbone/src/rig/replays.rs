//! A projection rebuilt beside the live one, cut over to and back, on the rig.

use super::*;
use crate::sim::sample::{self, Left, Note, Order, Rate, Weighed};
use canon::event::Change;
use canon::key::EncounterToken;

fn key() -> EncounterToken {
    "00000000000000000000000000000001".parse().unwrap()
}

fn sees(rig: &mut Rig<Weighed>, number: i64, mood: &str) {
    rig.sees(Name::new("number", &[number.to_string()]), &key(), Left::new(number, mood));
}

/// A rig whose first release weighed every number once.
fn rig(numbers: &[(i64, &str)]) -> Rig<Weighed> {
    let mut rig = Rig::under(sample::weighing(1, false), sample::contract());
    numbers.iter().for_each(|(number, mood)| sees(&mut rig, *number, mood));
    rig
}

fn weight(rig: &Rig<Weighed>) -> i64 {
    rig.state(&key()).map_or(0, |state| state.weight)
}

fn notes(rig: &Rig<Weighed>) -> Vec<i64> {
    rig.latest::<Note>().into_iter().map(|note| note.n).collect()
}

fn orders(rig: &Rig<Weighed>) -> Vec<i64> {
    rig.emitted::<Order>().into_iter().map(|order| order.n).collect()
}

#[test]
fn a_rebuild_publishes_nothing_before_it_is_cut_over_to() {
    let mut rig = rig(&[(1, ""), (2, "heavy")]);
    rig.passes(Duration::from_secs(10));
    rig.becomes(sample::weighing(10, false));
    let before = rig.published.len();
    let replay = rig.replays();
    let dry = rig.cuts_over(replay, false, true);
    assert_eq!((rig.published.len(), weight(&rig)), (before, 3));
    // A note and an order are others, a note and what makes the order right are new; one state differs.
    assert_eq!((dry.corrected, dry.recorded, dry.records), (2, 2, 1));
}

#[test]
fn a_cutover_states_what_differs_and_a_command_is_made_right_by_another_one() {
    let mut rig = rig(&[(1, ""), (2, "heavy")]);
    rig.passes(Duration::from_secs(10));
    assert_eq!(orders(&rig), [3]);
    rig.becomes(sample::weighing(10, false));
    let replay = rig.replays();
    rig.cuts_over(replay, false, false);
    assert_eq!((weight(&rig), notes(&rig), orders(&rig)), (30, vec![10, 20], vec![3, 27]));
    assert_eq!(rig.rows("weighed"), [serde_json::json!({"key": key().to_string(), "weight": 30})]);
    let mut changes: Vec<(i64, Change)> =
        rig.emitted::<Note>().into_iter().map(|note| (note.n, note.change)).collect();
    changes.sort_by_key(|(note, _)| *note);
    assert_eq!(changes, [(1, Change::Recorded), (10, Change::Corrected), (20, Change::Recorded)]);
}

#[test]
fn a_rollback_is_the_same_step_back() {
    let mut rig = rig(&[(1, ""), (2, "heavy")]);
    rig.passes(Duration::from_secs(10));
    rig.becomes(sample::weighing(10, false));
    let replay = rig.replays();
    rig.cuts_over(replay, false, false);
    rig.cuts_over(replay, true, false);
    assert_eq!((weight(&rig), notes(&rig), orders(&rig)), (3, vec![1], vec![3, 27, -27]));
    rig.cuts_over(replay, false, false);
    assert_eq!((weight(&rig), notes(&rig), orders(&rig)), (30, vec![10, 20], vec![3, 27, -27, 27]));
}

#[test]
fn what_comes_after_a_cutover_is_folded_on_what_was_cut_over_to() {
    let mut rig = rig(&[(1, "")]);
    rig.becomes(sample::weighing(10, false));
    let replay = rig.replays();
    sees(&mut rig, 2, "");
    rig.cuts_over(replay, false, false);
    sees(&mut rig, 3, "");
    rig.passes(Duration::from_secs(10));
    assert_eq!((weight(&rig), notes(&rig), orders(&rig)), (60, vec![10, 20, 30], vec![60]));
    rig.cuts_over(replay, true, true);
}

#[test]
fn a_lane_is_cut_over_once_and_a_rebuild_that_nobody_asked_for_never() {
    let mut rig = rig(&[(1, "")]);
    let replay = rig.replays();
    assert!(rig.cuts_over(replay, true, false).failed.is_some());
    assert_eq!(rig.cuts_over(replay, false, false).failed, None);
    assert!(rig.cuts_over(replay, false, false).failed.is_some());
    let asked = Wish::CutOver(CutOver { replay: 9, back: false, dry_run: false });
    assert!(rig.does(asked).failed.is_some());
}

#[test]
fn the_same_fold_rebuilt_and_cut_over_to_says_nothing() {
    let mut rig = rig(&[(1, ""), (2, "heavy"), (3, "odd")]);
    rig.passes(Duration::from_secs(10));
    sees(&mut rig, 4, "rated");
    let (before, parked) = (rig.published.len(), rig.parked());
    let replay = rig.replays();
    let outcome = rig.cuts_over(replay, false, false);
    assert_eq!(outcome, Outcome::default());
    assert_eq!((rig.published.len(), rig.parked()), (before, parked));
}

#[test]
fn what_the_rebuild_parks_is_parked_by_the_cutover_and_what_it_does_not_is_free() {
    let mut rig = rig(&[(1, ""), (2, "odd"), (3, "")]);
    rig.becomes(sample::weighing(1, true));
    let replay = rig.replays();
    rig.cuts_over(replay, false, false);
    let reasons: Vec<Reason> = rig.parked().into_iter().map(|(reason, _)| reason).collect();
    assert_eq!((reasons, weight(&rig), notes(&rig)), (vec![Reason::Invalid, Reason::Behind], 1, vec![1]));
    sees(&mut rig, 4, "");
    assert_eq!(rig.parked().len(), 3);
    rig.cuts_over(replay, true, false);
    assert_eq!((rig.parked(), weight(&rig)), (vec![], 10));
}

#[test]
fn the_tables_are_looked_up_as_they_were_then_or_as_they_are_now() {
    let mut rig = Rig::under(sample::weighing(1, false), sample::contract());
    rig.knows(&key(), &Rate::new(2, ""));
    sees(&mut rig, 1, "rated");
    rig.knows(&key(), &Rate::new(5, ""));
    let then = rig.replays();
    assert_eq!(rig.cuts_over(then, false, true).records, 0);
    let now = rig.replays_with_the_tables_of_now();
    rig.cuts_over(now, false, false);
    assert_eq!((weight(&rig), notes(&rig)), (5, vec![5]));
    sees(&mut rig, 2, "rated");
    assert_eq!(weight(&rig), 15);
}

#[test]
fn what_was_looked_up_anew_and_cut_over_to_is_how_it_was_looked_up_then() {
    let mut rig = Rig::under(sample::weighing(1, false), sample::contract());
    rig.knows(&key(), &Rate::new(2, ""));
    sees(&mut rig, 1, "rated");
    rig.knows(&key(), &Rate::new(5, ""));
    let now = rig.replays_with_the_tables_of_now();
    rig.cuts_over(now, false, false);
    rig.cuts_over(now, true, false);
    let then = rig.replays();
    assert_eq!(
        (weight(&rig), rig.cuts_over(then, false, true).records),
        (2, 0),
        "gone back from, it does not count"
    );
    rig.cuts_over(now, false, false);
    sees(&mut rig, 2, "rated");
    rig.knows(&key(), &Rate::new(7, ""));
    let then = rig.replays();
    assert_eq!(weight(&rig), 15);
    assert_eq!(rig.cuts_over(then, false, false).records, 0);
    // Cut over to in its turn, it stands for the same.
    let then = rig.replays();
    assert_eq!((weight(&rig), rig.cuts_over(then, false, true).records), (15, 0));
}

#[test]
fn what_waited_behind_an_input_that_was_given_up_goes_on_in_the_rebuild_too() {
    let mut rig = Rig::under(sample::weighing(1, true), sample::contract());
    [(1, "odd"), (2, ""), (3, "")].iter().for_each(|(number, mood)| sees(&mut rig, *number, mood));
    rig.discards(false);
    assert_eq!((rig.parked(), weight(&rig)), (vec![], 5));
    let replay = rig.replays();
    assert_eq!(rig.cuts_over(replay, false, false), Outcome::default());
    assert_eq!((rig.parked(), weight(&rig)), (vec![], 5));
}

#[test]
fn what_was_given_up_stays_so_though_the_rebuild_would_take_it() {
    let mut rig = Rig::under(sample::weighing(1, true), sample::contract());
    [(1, "odd"), (2, "")].iter().for_each(|(number, mood)| sees(&mut rig, *number, mood));
    rig.discards(false);
    rig.becomes(sample::weighing(10, false));
    let replay = rig.replays();
    rig.cuts_over(replay, false, false);
    assert_eq!((rig.parked(), weight(&rig), notes(&rig)), (vec![], 20, vec![20]));
}

#[test]
fn a_rebuild_that_took_what_was_given_up_afterwards_is_not_cut_over_to() {
    let mut rig = Rig::under(sample::weighing(1, true), sample::contract());
    sees(&mut rig, 1, "odd");
    rig.becomes(sample::weighing(10, false));
    let replay = rig.replays();
    rig.discards(false);
    let outcome = rig.cuts_over(replay, false, true);
    assert!(outcome.failed.is_some_and(|why| why.contains("anew")));
}

#[test]
fn what_people_decided_far_behind_is_known_from_the_beginning() {
    let other: EncounterToken = "00000000000000000000000000000002".parse().unwrap();
    let mut rig = Rig::under(sample::weighing(1, true), sample::contract());
    sees(&mut rig, 1, "odd");
    // More entries than are read of the journal at once.
    for number in 2..=600 {
        rig.sees(Name::new("number", &[number.to_string()]), &other, Left::new(number, ""));
    }
    rig.becomes(sample::weighing(1, false));
    rig.discards(false);
    let replay = rig.replays();
    assert_eq!(rig.cuts_over(replay, false, true), Outcome::default());
}

#[test]
fn what_people_decided_is_followed() {
    let mut rig = Rig::under(sample::weighing(1, true), sample::contract());
    for (number, mood) in [(1, "odd"), (2, ""), (3, "odd")] {
        sees(&mut rig, number, mood);
    }
    rig.edits(&Left::new(10, ""), false);
    rig.discards(false);
    sees(&mut rig, 4, "");
    let live = (rig.parked(), weight(&rig));
    let replay = rig.replays();
    assert_eq!(rig.cuts_over(replay, false, false), Outcome::default());
    assert_eq!((rig.parked(), weight(&rig)), live);
}
