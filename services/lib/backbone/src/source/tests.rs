//! What a source's pages come to, on the live core over a ledger in memory.

use crate::contract::{Contract, TopicPolicy};
use crate::reject::{Reason, Reject};
use crate::sim::sample::{Left, Note, Order, Sum};
use crate::sink::Unavailable;
use crate::source::{Bounds, Mark, Page, Pulled, Source, SourceRig, SourceRow, Sourcing, Sweep};
use canon::DeadLetter;
use canon::event::{Change, Event, Name};
use canon::key::EncounterToken;
use futures::executor::block_on;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

type Scripted = Box<dyn FnOnce(Mark) -> Page<u64> + Send>;

/// Gives the pages it was told to give, and then none.
#[derive(Default)]
struct Script(Mutex<VecDeque<Scripted>>);

impl Source for Script {
    const NAME: &'static str = "script";
    type Cursor = u64;

    async fn next(&self, cursor: &u64, at: Mark) -> Result<Page<u64>, Unavailable> {
        let scripted = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let idle = || Page::new(Vec::new(), *cursor).then_wait(Duration::from_secs(1));
        Ok(scripted.map_or_else(idle, |scripted| scripted(at)))
    }
}

fn rig() -> SourceRig<Script> {
    let policy = |topic| {
        let (compacted, command) = (topic == Sum::TOPIC, topic == Order::TOPIC);
        (topic, TopicPolicy { partitions: 1, compacted, command, value_bytes_max: 200 })
    };
    let topics = [Sum::TOPIC, Note::TOPIC, Order::TOPIC];
    let mut policies: Vec<_> = topics.into_iter().map(policy).collect();
    let notices = TopicPolicy { partitions: 1, compacted: false, command: false, value_bytes_max: 5_000 };
    policies.push((DeadLetter::TOPIC, notices));
    let sourcing = Sourcing::new(Script::default()).states::<Sum>().states::<Note>().states::<Order>();
    SourceRig::under(sourcing, Contract::with(policies))
}

impl SourceRig<Script> {
    fn reads(&mut self, page: impl FnOnce(Mark) -> Page<u64> + Send + 'static) -> Pulled {
        self.source().0.get_mut().unwrap_or_else(PoisonError::into_inner).push_back(Box::new(page));
        block_on(self.pulls_page()).unwrap()
    }

    fn finds(&mut self, rows: Vec<SourceRow>) -> Pulled {
        self.reads(move |_| Page::new(rows, 1))
    }

    /// A sweep in one call finds these.
    fn sweeps(&mut self, present: &[u64]) -> Pulled {
        let present: BTreeSet<String> = present.iter().map(u64::to_string).collect();
        self.reads(move |began| Page::new(Vec::new(), 1).swept(Sweep { kind: "row", present, began }))
    }

    /// Codes that are in force with their numbers, and all that was said on the way: withdrawals as nothing.
    fn sums(&self) -> Vec<(u64, Option<i64>)> {
        let said = self.published::<Sum>().into_iter();
        said.map(|(key, sum)| (u64::from_str_radix(&key, 16).unwrap(), sum.map(|sum| sum.n))).collect()
    }

    /// Notices in the order they were told; and those in force.
    fn told(&self) -> (Vec<String>, usize) {
        let notices = self.published::<DeadLetter>().into_iter().filter_map(|(_, notice)| notice);
        let told = notices.map(|notice| format!("{} {}", notice.topic, notice.reason)).collect();
        (told, self.latest::<DeadLetter>().len())
    }
}

fn key(code: u64) -> EncounterToken {
    format!("{code:032x}").parse().unwrap()
}

fn name(code: u64) -> Name {
    Name::new("sum", &[code.to_string()])
}

/// A row that says nothing.
fn mute(id: u64) -> SourceRow {
    SourceRow::new("row", id.to_string())
}

fn row(id: u64, code: u64, n: i64) -> SourceRow {
    mute(id).states(name(code), &key(code), Sum::new(n, ""))
}

fn bad(id: u64, why: &str) -> SourceRow {
    SourceRow::refused("row", id.to_string(), Reject::new(Reason::Invalid, why))
}

fn large(id: u64, code: u64) -> SourceRow {
    mute(id).states(name(code), &key(code), Sum::new(0, &"x".repeat(500)))
}

#[test]
fn what_did_not_change_is_not_published_again() {
    let mut rig = rig();
    assert_eq!(rig.finds(vec![row(1, 1, 5), row(2, 2, 6)]).published, 2);
    assert_eq!(rig.finds(vec![row(1, 1, 5), row(2, 2, 7)]).published, 1);
    assert_eq!(rig.finds(vec![row(1, 1, 5), row(2, 2, 7)]), Pulled { rows: 2, ..Pulled::default() });
    assert_eq!(rig.sums(), [(1, Some(5)), (2, Some(6)), (2, Some(7))]);
}

#[test]
fn what_a_row_says_no_more_is_withdrawn() {
    let note = |n| Note::new(n, "");
    let mut rig = rig();
    let both = row(1, 1, 5).states(Name::new("note", &["1"]), &key(1), note(3));
    rig.finds(vec![both]);
    rig.finds(vec![row(1, 2, 5)]);
    assert_eq!(rig.sums(), [(1, Some(5)), (1, None), (2, Some(5))]);
    let notes: Vec<_> = rig.published::<Note>().into_iter().filter_map(|(_, note)| note).collect();
    assert_eq!(
        notes.iter().map(|note| note.change).collect::<Vec<_>>(),
        [Change::Recorded, Change::Withdrawn]
    );
    rig.finds(vec![mute(1)]);
    assert!(rig.latest::<Sum>().is_empty());
    assert_eq!(rig.rows().len(), 1, "it is there and says nothing");
}

/// Rows 1 and 2 are read as they are told; then code 1 is row 2's, whatever was said on the way.
#[track_caller]
fn check_moves(pages: Vec<Vec<SourceRow>>, said: &[(u64, Option<i64>)]) {
    let mut rig = rig();
    rig.finds(vec![row(1, 1, 5)]);
    for rows in pages {
        rig.finds(rows);
    }
    assert_eq!(rig.sums()[1..], *said);
    rig.sweeps(&[2]);
    assert!(rig.latest::<Sum>().iter().any(|sum| sum.n == 6), "the end of the former row took it away");
}

#[test]
fn a_name_that_moves_to_another_row_is_not_taken_away_by_the_former() {
    check_moves(vec![vec![row(1, 9, 5), row(2, 1, 6)]], &[(9, Some(5)), (1, Some(6))]);
    check_moves(vec![vec![row(2, 1, 6), row(1, 9, 5)]], &[(1, Some(6)), (9, Some(5))]);
    check_moves(vec![vec![row(2, 1, 6)], vec![row(1, 9, 5)]], &[(1, Some(6)), (9, Some(5))]);
    check_moves(vec![vec![row(1, 9, 5)], vec![row(2, 1, 6)]], &[(1, None), (9, Some(5)), (1, Some(6))]);
    check_moves(vec![vec![row(2, 1, 6)]], &[(1, Some(6))]);
}

#[test]
fn of_a_row_found_twice_and_a_name_stated_twice_the_last_one_holds() {
    let mut rig = rig();
    rig.finds(vec![row(1, 1, 5), row(2, 2, 6), row(1, 1, 7), row(3, 2, 8)]);
    assert_eq!(rig.sums(), [(1, Some(7)), (2, Some(8))]);
    rig.sweeps(&[1, 3]);
    assert_eq!(rig.latest::<Sum>().len(), 2, "row 2 did not own what it had said");
}

#[test]
fn a_row_that_is_refused_is_told_of_once_and_what_it_said_before_stays() {
    let mut rig = rig();
    rig.finds(vec![row(1, 1, 5)]);
    let pulled = rig.finds(vec![bad(1, "field 3"), row(2, 2, 6)]);
    assert_eq!((pulled.rows, pulled.refused, pulled.published), (2, 1, 1));
    rig.finds(vec![bad(1, "field 3")]);
    rig.finds(vec![bad(1, "field 4"), bad(7, "a\0b")]);
    let told = ["row row 1: field 3", "row row 1: field 4", "row row 7: a\u{fffd}b"];
    assert_eq!(rig.told(), (told.map(str::to_owned).to_vec(), 2));
    assert_eq!(rig.latest::<Sum>().len(), 2);
    assert_eq!(rig.refused().len(), 2);
    rig.finds(vec![row(1, 1, 8)]);
    assert_eq!(rig.told().1, 1, "the notice of a row that can be stated is taken back");
    rig.sweeps(&[1, 2]);
    assert_eq!(rig.told().1, 0, "and of one that is gone");
    assert!(rig.refused().is_empty());
    assert_eq!(rig.sums().last(), Some(&(1, Some(8))));
}

/// Row 1 said the first, and cannot say the second.
#[track_caller]
fn check_refused(first: SourceRow, second: SourceRow, reason: Reason) {
    let mut rig = rig();
    rig.finds(vec![first]);
    let pulled = rig.finds(vec![row(2, 2, 6), second, row(3, 3, 7)]);
    assert_eq!((pulled.refused, pulled.published), (1, 2));
    let refused: Vec<_> = rig.refused().into_iter().map(|(_, id, why, _)| (id, why)).collect();
    assert_eq!(refused, [("1".to_owned(), reason)]);
    assert_eq!(rig.latest::<Sum>().len(), 3, "what it said before stays");
}

#[test]
fn what_cannot_be_said_refuses_its_row_and_no_other() {
    let first = || row(1, 1, 5);
    check_refused(first(), large(1, 1), Reason::Encode);
    check_refused(first(), mute(1).states(name(1), &key(8), Sum::new(5, "")), Reason::Conflict);
    check_refused(first(), row(1, 1, 9).states(name(4), &key(4), Left::new(4, "")), Reason::Unsupported);
    let nul = Name::new("a\0b", &["1"]);
    check_refused(first(), first().states(nul, &key(1), Sum::new(5, "")), Reason::Encode);
    // A command has one content for ever, and cannot be taken back.
    let order = |n| row(1, 1, 5).states(Name::new("order", &["1"]), &key(1), Order::new(n, ""));
    check_refused(order(1), order(2), Reason::Revision);
    check_refused(order(1), row(1, 1, 9), Reason::Revision);
}

#[test]
fn a_name_that_a_refused_row_would_have_taken_is_still_the_former_rows_to_withdraw() {
    let mut rig = rig();
    rig.finds(vec![row(1, 1, 5)]);
    rig.finds(vec![mute(1), large(2, 1)]);
    assert_eq!(rig.sums(), [(1, Some(5)), (1, None)]);
}

#[test]
fn a_sweep_withdraws_rows_that_were_not_found() {
    let mut rig = rig();
    rig.finds((1..=4).map(|id| row(id, id, 5)).collect());
    let pulled = rig.sweeps(&[1, 3, 77]);
    assert_eq!((pulled.gone, pulled.published), (2, 2));
    assert_eq!(rig.sums()[4..], [(2, None), (4, None)]);
    assert_eq!(rig.rows().len(), 2);
    assert_eq!(rig.sweeps(&[1, 3]), Pulled::default());
    assert_eq!(rig.finds(vec![row(2, 2, 5)]).published, 1, "a row that comes back is said again");
}

#[test]
fn what_was_in_a_page_since_a_sweep_began_was_found() {
    let mut rig = rig();
    rig.finds((1..=3).map(|id| row(id, id, 5)).collect());
    let began = std::sync::Arc::new(Mutex::new(None));
    let keep = began.clone();
    rig.reads(move |at| {
        *keep.lock().unwrap() = Some(at);
        Page::new(vec![row(1, 1, 5)], 2)
    });
    rig.reads(|_| Page::new(vec![row(4, 4, 5)], 3));
    let began = began.lock().unwrap().unwrap();
    let sweep = Sweep { kind: "row", present: BTreeSet::new(), began };
    let pulled = rig.reads(move |_| Page::new(vec![row(2, 2, 5)], 4).swept(sweep));
    assert_eq!(pulled.gone, 1);
    let left: Vec<String> = rig.rows().into_iter().map(|(_, id)| id).collect();
    assert_eq!(left, ["1", "2", "4"], "one before, one after, one with the end of the sweep");
}

#[test]
fn a_sweep_that_finds_much_gone_keeps_nothing_and_asks() {
    let mut rig = rig();
    rig.finds((1..=30).map(|id| row(id, id, 5)).collect());
    assert!(rig.sweeps(&[]).held);
    let hold = rig.holds()["row"];
    assert_eq!((hold.gone, hold.known, rig.rows().len()), (30, 30, 30));
    assert!(!rig.sweeps(&(1..=30).collect::<Vec<_>>()).held, "they are there again");
    assert!(rig.holds().is_empty());

    rig.sweeps(&[]);
    block_on(rig.approves("row", 25));
    assert!(rig.sweeps(&[]).held, "more is gone than was approved");
    assert_eq!(rig.sweeps(&(1..=5).collect::<Vec<_>>()).gone, 25);
    assert!(rig.holds().is_empty());

    rig.finds((6..=30).map(|id| row(id, id, 5)).collect());
    assert!(rig.sweeps(&[1, 2, 3, 4, 5]).held, "an approval is used once");
}

#[track_caller]
fn check_bound(gone: i64, known: i64, is_too_much: bool) {
    assert_eq!(Bounds::default().is_too_much(gone, known), is_too_much, "{gone} of {known}");
}

#[test]
fn more_than_twenty_and_more_than_one_in_a_hundred_is_much() {
    check_bound(20, 20, false);
    check_bound(21, 21, true);
    check_bound(21, 2_099, true);
    check_bound(21, 2_100, false);
    check_bound(1_000, 100_000, false);
    check_bound(1_001, 100_000, true);
}

#[test]
fn a_source_rests_when_a_page_asks_to_wait() {
    let mut rig = rig();
    let all = block_on(rig.pulls()).unwrap();
    assert_eq!(all, Pulled::default());
}

#[test]
#[should_panic(expected = "name facts of a compacted topic by their key")]
fn the_rig_notices_two_names_under_one_key() {
    let mut rig = rig();
    let twin = |id: u64| mute(id).states(Name::new("by-id", &[id.to_string()]), &key(1), Sum::new(5, ""));
    rig.finds(vec![twin(1), twin(2)]);
    rig.finds(vec![mute(1)]);
}
