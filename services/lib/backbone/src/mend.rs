//! Parked inputs that a person decides about: tried again, edited, given up. Pure: from what is parked to what is to be done.
//!
//! Inputs are named by their numbers in the ledger. What is tried is a chain as a whole, from its first input on, so that
//! the order of a key never breaks; an input that is parked no longer, or has come to stand behind another one, is missed
//! and nothing else.

use crate::emission::Emitted;
use crate::journal::{Edited, Place};
use crate::record::Record;
use crate::reject::Reason;
use crate::store::{Decision, Parked, ParkedItem};
use crate::wish::{Outcome, Wish};
use std::collections::{BTreeMap, BTreeSet};

/// What is to be done about parked inputs.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Plan {
    /// Numbers that leave the parked inputs; what is rejected again gets another.
    pub(crate) unparked: Vec<i64>,
    /// What is tried: chains whole, in park order.
    pub(crate) released: Vec<Parked>,
    /// What is given up.
    pub(crate) discarded: Vec<Parked>,
    /// A record as it was, and the value it gets.
    pub(crate) edited: Option<(Record, Vec<u8>)>,
    /// Chains of which nothing is left.
    pub(crate) freed: Vec<String>,
    /// Inputs asked for that are not parked, or not the first of their key.
    missed: u64,
}

/// Inputs that a wish is about; none of another kind of wish.
pub(crate) fn inputs(wish: &Wish) -> &[i64] {
    match wish {
        Wish::Again { .. } | Wish::CutOver(_) | Wish::Forget { .. } => &[],
        Wish::Discard { inputs, .. } | Wish::Redrive { inputs, .. } => inputs,
        Wish::Edit { input, .. } => std::slice::from_ref(input),
    }
}

/// What follows from a wish, given the inputs that it is about, each with its whole chain, in park order.
///
/// # Errors
/// Why nothing can be done.
pub(crate) fn plan(wish: &Wish, rows: Vec<(i64, Parked)>) -> Result<Plan, &'static str> {
    let wanted: BTreeSet<i64> = inputs(wish).iter().copied().collect();
    let mut first: BTreeMap<&str, i64> = BTreeMap::new();
    for (number, parked) in &rows {
        parked.chain.as_deref().map(|chain| first.entry(chain).or_insert(*number));
    }
    let is_first = |number: i64, parked: &Parked| {
        parked.chain.as_deref().is_none_or(|chain| first.get(chain) == Some(&number))
    };
    let gives_up = matches!(wish, Wish::Discard { .. });
    let found = |(number, parked): &&(i64, Parked)| {
        wanted.contains(number) && (gives_up || is_first(*number, parked))
    };
    let found: BTreeSet<i64> = rows.iter().filter(found).map(|(number, _)| *number).collect();
    // Chains that go on: those whose first input is tried, or given up.
    let moved: BTreeSet<String> = first
        .iter()
        .filter(|(_, number)| found.contains(number))
        .map(|(chain, _)| (*chain).to_owned())
        .collect();
    let mut plan = Plan { missed: (wanted.len() - found.len()) as u64, ..Plan::default() };
    for (number, parked) in rows {
        let moves = parked.chain.as_ref().is_some_and(|chain| moved.contains(chain));
        if !found.contains(&number) && !moves {
            continue;
        }
        plan.unparked.push(number);
        match gives_up && found.contains(&number) {
            true => plan.discarded.push(parked),
            false => plan.released.push(parked),
        }
    }
    let goes_on = |chain: &String| plan.released.iter().any(|parked| parked.chain.as_ref() == Some(chain));
    plan.freed = moved.into_iter().filter(|chain| !goes_on(chain)).collect();
    if let (Wish::Edit { value, .. }, Some(head)) = (wish, plan.released.first_mut()) {
        let ParkedItem::Record(record) = &mut head.item else {
            return Err("a deadline has no value to edit");
        };
        plan.edited = Some((record.clone(), value.clone()));
        record.value = Some(value.clone());
    }
    Ok(plan)
}

impl Plan {
    /// Records that are given up: their notices are taken back.
    pub(crate) fn given_up(&self) -> Vec<Record> {
        let records = self.discarded.iter().filter_map(|parked| match &parked.item {
            ParkedItem::Record(record) => Some(record.clone()),
            ParkedItem::Deadline { .. } => None,
        });
        records.collect()
    }

    /// What the journal says was given up.
    pub(crate) fn places(&self) -> Vec<Place> {
        self.discarded.iter().map(|parked| Place::of(&parked.item)).collect()
    }

    /// What the journal says was edited.
    pub(crate) fn edits(&self) -> Vec<Edited> {
        let edited = self.edited.iter().map(|(was, value)| Edited {
            topic: was.topic.to_owned(),
            offset: was.offset,
            value: value.clone(),
        });
        edited.collect()
    }

    /// What is kept of it for good, bytes included.
    pub(crate) fn decisions(&self, intent: i64) -> Vec<Decision> {
        let decision = |was: &Record, now: Option<Vec<u8>>| Decision {
            topic: was.topic.to_owned(),
            offset: was.offset,
            was: was.value.clone(),
            now,
            intent,
        };
        let discarded = self.given_up().into_iter().map(|was| decision(&was, None));
        let edited = self.edited.iter().map(|(was, value)| decision(was, Some(value.clone())));
        discarded.chain(edited).collect()
    }

    /// What came of it: given what is parked again, and the facts that are news.
    pub(crate) fn outcome(&self, parked: &[Parked], news: &[&Emitted]) -> Outcome {
        let tried = self.released.len() as u64;
        let again = parked.len() as u64;
        let mut outcome = Outcome {
            records: tried,
            resolved: tried.saturating_sub(again),
            discarded: self.discarded.len() as u64,
            parked: again,
            missed: self.missed,
            ..Outcome::default()
        };
        outcome.count(news);
        for parked in parked.iter().filter(|parked| parked.reason != Reason::Behind) {
            *outcome.rejected.entry(parked.reason.as_str().to_owned()).or_default() += 1;
        }
        outcome
    }
}

impl Outcome {
    /// Counts facts that are news.
    pub(crate) fn count(&mut self, news: &[&Emitted]) {
        for row in news {
            match (row.withdrawn, row.revision) {
                (true, _) => self.withdrawn += 1,
                (false, 1) => self.recorded += 1,
                (false, _) => self.corrected += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reject::Reject;
    use canon::time::Timestamp;

    fn row(number: i64, chain: Option<&str>) -> (i64, Parked) {
        let record = Record {
            topic: "raw.hl7v2.v1",
            partition: 0,
            offset: number,
            timestamp: Timestamp(0),
            key: None,
            value: Some(vec![1]),
            headers: Vec::new(),
        };
        let reject = Reject::new(Reason::Invalid, "so");
        (number, Parked::of(chain.map(str::to_owned), ParkedItem::Record(record), reject, Timestamp(0)))
    }

    /// Chains `a` (1, 3, 5) and `b` (2, 4), and one that blocks nobody (6).
    fn rows() -> Vec<(i64, Parked)> {
        let chains = [Some("a"), Some("b"), Some("a"), Some("b"), Some("a"), None];
        (1..).zip(chains).map(|(number, chain)| row(number, chain)).collect()
    }

    fn numbers(parked: &[Parked]) -> Vec<i64> {
        let offset = |parked: &Parked| match &parked.item {
            ParkedItem::Record(record) => record.offset,
            ParkedItem::Deadline { .. } => 0,
        };
        parked.iter().map(offset).collect()
    }

    /// What is tried, what is given up, how many are missed, and the chains of which nothing is left.
    #[track_caller]
    fn check(wish: &Wish, tried: &[i64], given_up: &[i64], missed: u64, freed: &[&str]) {
        let plan = plan(wish, rows()).expect("something to do");
        assert_eq!(numbers(&plan.released), tried);
        assert_eq!(numbers(&plan.discarded), given_up);
        assert_eq!(
            (plan.missed, plan.freed),
            (missed, freed.iter().map(|chain| (*chain).to_owned()).collect())
        );
        let mut out: Vec<i64> = tried.iter().chain(given_up).copied().collect();
        out.sort_unstable();
        assert_eq!(plan.unparked, out);
    }

    fn redrive(inputs: &[i64]) -> Wish {
        Wish::Redrive { inputs: inputs.to_vec(), dry_run: false }
    }

    fn discard(inputs: &[i64]) -> Wish {
        Wish::Discard { inputs: inputs.to_vec(), dry_run: false }
    }

    #[test]
    fn a_chain_is_tried_whole_and_from_its_first_input_on() {
        check(&redrive(&[1]), &[1, 3, 5], &[], 0, &[]);
        check(&redrive(&[6, 2]), &[2, 4, 6], &[], 0, &[]);
        check(&redrive(&[3, 2]), &[2, 4], &[], 1, &[]);
        check(&redrive(&[7]), &[], &[], 1, &[]);
    }

    #[test]
    fn behind_a_first_input_that_is_given_up_the_rest_goes_on() {
        check(&discard(&[1]), &[3, 5], &[1], 0, &[]);
        check(&discard(&[1, 3]), &[5], &[1, 3], 0, &[]);
        check(&discard(&[2, 4]), &[], &[2, 4], 0, &["b"]);
        check(&discard(&[6, 9]), &[], &[6], 1, &[]);
    }

    #[test]
    fn one_given_up_behind_another_moves_nothing() {
        check(&discard(&[3]), &[], &[3], 0, &[]);
    }

    #[test]
    fn an_edited_record_is_tried_with_its_new_value_and_both_are_kept() {
        let wish = |input| Wish::Edit { input, value: vec![7, 7], dry_run: false };
        let done = plan(&wish(2), rows()).expect("something to do");
        let ParkedItem::Record(head) = &done.released[0].item else { panic!("a record") };
        assert_eq!(head.value.as_deref(), Some(&[7, 7][..]));
        let kept = &done.decisions(9)[0];
        assert_eq!((kept.was.as_deref(), kept.now.as_deref()), (Some(&[1][..]), Some(&[7, 7][..])));
        check(&wish(4), &[], &[], 1, &[]);
    }

    #[test]
    fn a_deadline_cannot_be_edited() {
        let item = ParkedItem::Deadline { key: "a".into(), at: Timestamp(1) };
        let parked = Parked::of(Some("a".into()), item, Reject::new(Reason::Panic, "so"), Timestamp(0));
        assert!(plan(&Wish::Edit { input: 1, value: vec![], dry_run: false }, vec![(1, parked)]).is_err());
    }

    #[test]
    fn a_wish_is_read_back_as_it_was_written() {
        let wish = Wish::Edit { input: 3, value: vec![0, 255, 13], dry_run: true };
        let text = serde_json::to_string(&wish).expect("JSON");
        assert_eq!(serde_json::from_str::<Wish>(&text).expect("a wish"), wish);
    }
}
