//! What is to be done with each draft of a batch, given what Odoo has already: a plain function.

use super::draft::{DraftFault, InvoiceDraft};
use crate::{ExternalId, Known, Rejection};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub(crate) const MOVE: &str = "account.move";
pub(crate) const LINE: &str = "account.move.line";

/// Why a draft is not written, for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The draft is none.
    Draft(DraftFault),
    /// The header's external id is that of a record which is no invoice.
    HeaderTaken,
    /// A line's external id is under another header, in Odoo or earlier in the batch: loading it would take the line away
    /// there.
    LineTaken {
        /// The line, from 0.
        line: usize,
    },
    /// Odoo does not take it.
    Odoo(Rejection),
    /// Another draft with this external id is earlier in the batch.
    Repeated,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Draft(fault) => fault.fmt(f),
            Self::HeaderTaken => f.write_str("the external id is that of a record which is no invoice"),
            Self::LineTaken { line } => write!(f, "line {line}: its external id is on another invoice"),
            Self::Odoo(Rejection::Messages(messages)) => {
                let fields: BTreeSet<&str> =
                    messages.iter().map(|message| message.field.as_deref().unwrap_or("record")).collect();
                write!(f, "odoo refuses, because of: {}", fields.into_iter().collect::<Vec<_>>().join(", "))
            }
            Self::Odoo(Rejection::Refusal(refusal)) => refusal.fmt(f),
            Self::Repeated => f.write_str("another draft has this external id"),
        }
    }
}

/// What Odoo has of a batch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Present {
    /// External ids of headers and lines.
    pub(crate) known: BTreeMap<ExternalId, Known>,
    /// Invoices that exist, of those known.
    pub(crate) moves: BTreeSet<i64>,
    /// Lines that exist, of those known.
    pub(crate) lines: BTreeSet<i64>,
}

/// What is to be done with a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is there: leave it alone.
    Existing(i64),
    /// Load it.
    Load,
    /// Never.
    Refuse(Reason),
    /// The same draft is at this earlier place: what becomes of it holds here too.
    SameAs(usize),
}

pub(crate) fn plan(drafts: &[InvoiceDraft], present: &Present) -> Vec<Step> {
    let mut headers: BTreeMap<&ExternalId, usize> = BTreeMap::new();
    let mut lines: BTreeSet<&ExternalId> = BTreeSet::new();
    let mut steps = Vec::with_capacity(drafts.len());
    for (index, draft) in drafts.iter().enumerate() {
        if let Some(&first) = headers.get(&draft.external_id) {
            let same = drafts[first] == *draft;
            steps.push(if same { Step::SameAs(first) } else { Step::Refuse(Reason::Repeated) });
            continue;
        }
        headers.insert(&draft.external_id, index);
        let taken = draft.lines.iter().position(|line| lines.contains(&line.external_id));
        lines.extend(draft.lines.iter().map(|line| &line.external_id));
        steps.push(match taken {
            Some(line) => Step::Refuse(Reason::LineTaken { line }),
            None => present.step(draft),
        });
    }
    steps
}

impl Present {
    fn step(&self, draft: &InvoiceDraft) -> Step {
        if let Err(fault) = draft.check() {
            return Step::Refuse(Reason::Draft(fault));
        }
        match self.known.get(&draft.external_id) {
            Some(header) if header.model != MOVE => return Step::Refuse(Reason::HeaderTaken),
            Some(header) if self.moves.contains(&header.id) => return Step::Existing(header.id),
            // The name of a record that is gone: `load` gives it to the new one.
            _ => {}
        }
        // The header is not there, so a line that is stands under another one.
        let taken = |id: &ExternalId| {
            self.known.get(id).is_some_and(|line| line.model != LINE || self.lines.contains(&line.id))
        };
        match draft.lines.iter().position(|line| taken(&line.external_id)) {
            Some(line) => Step::Refuse(Reason::LineTaken { line }),
            None => Step::Load,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::draft::tests::{draft, id, line};
    use super::*;

    fn present(known: &[(&str, &str, i64)], moves: &[i64], lines: &[i64]) -> Present {
        let known = known
            .iter()
            .map(|(name, model, id_)| (id(name), Known { model: (*model).into(), id: *id_ }))
            .collect();
        Present { known, moves: moves.iter().copied().collect(), lines: lines.iter().copied().collect() }
    }

    #[track_caller]
    fn check(present: Present, step: Step) {
        assert_eq!(plan(&[draft("d", vec![line("l0", "1", "1"), line("l1", "1", "1")])], &present), [step]);
    }

    #[test]
    fn what_is_not_there_is_loaded() {
        check(present(&[], &[], &[]), Step::Load);
    }

    #[test]
    fn what_is_there_is_left_alone() {
        check(present(&[("d", MOVE, 4), ("l1", LINE, 9)], &[4], &[9]), Step::Existing(4));
    }

    #[test]
    fn a_line_under_another_header_is_not_taken_away() {
        check(present(&[("l1", LINE, 9)], &[], &[9]), Step::Refuse(Reason::LineTaken { line: 1 }));
        check(
            present(&[("d", MOVE, 4), ("l1", LINE, 9)], &[], &[9]),
            Step::Refuse(Reason::LineTaken { line: 1 }),
        );
        check(present(&[("l0", "res.partner", 9)], &[], &[]), Step::Refuse(Reason::LineTaken { line: 0 }));
    }

    #[test]
    fn names_of_records_that_are_gone_are_free() {
        check(present(&[("d", MOVE, 4), ("l1", LINE, 9)], &[], &[]), Step::Load);
    }

    #[test]
    fn a_header_that_names_something_else_is_refused() {
        check(present(&[("d", "res.partner", 4)], &[4], &[]), Step::Refuse(Reason::HeaderTaken));
    }

    #[test]
    fn a_batch_never_names_a_record_twice() {
        let first = draft("d", vec![line("l0", "1", "1")]);
        let other = draft("d", vec![line("l9", "1", "1")]);
        let thief = draft("e", vec![line("x", "1", "1"), line("l0", "1", "1")]);
        let steps = plan(&[first.clone(), first, other, thief], &Present::default());
        let expected = [
            Step::Load,
            Step::SameAs(0),
            Step::Refuse(Reason::Repeated),
            Step::Refuse(Reason::LineTaken { line: 1 }),
        ];
        assert_eq!(steps, expected);
    }

    #[test]
    fn a_faulty_draft_is_refused_without_asking() {
        let steps = plan(&[draft("d", vec![])], &Present::default());
        assert_eq!(steps, [Step::Refuse(Reason::Draft(DraftFault::NoLines))]);
    }
}
