//! The cases, by the numbers of the facts they stand for. A file a group.

mod acknowledgement;
mod commit;
mod connection;
mod content;
mod encryption;
mod framing;
mod hostile;
mod oversize;

use crate::bench::{Bench, Ended};
use futures::future::BoxFuture;

/// How a case ends: well, possibly with variations noted, or why not.
pub(crate) type End = Result<(), Ended>;

/// One case.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The number of the fact it stands for; several cases may stand for one.
    pub number: &'static str,
    /// Its name, unique.
    pub name: &'static str,
    /// What the standard, or experience with engines, says.
    pub says: &'static str,
    pub(crate) run: for<'b> fn(&'b mut Bench) -> BoxFuture<'b, End>,
}

/// Every case, in the order of their numbers.
pub fn all() -> Vec<Case> {
    let mut all = [
        framing::CASES,
        oversize::CASES,
        connection::CASES,
        encryption::CASES,
        commit::CASES,
        acknowledgement::CASES,
        content::CASES,
        hostile::CASES,
    ]
    .concat();
    // 12b behind 12.
    all.sort_by_key(|case| {
        let digits = case.number.trim_end_matches(char::is_alphabetic);
        (digits.parse::<u32>().unwrap_or(u32::MAX), case.number.len())
    });
    all
}

/// What has to work before any case tells anything.
pub(crate) fn healthy() -> Case {
    Case {
        number: "0",
        name: "a-healthy-message",
        says: "A plain ADT^A08 is answered AA with its MSH-10 as MSA-2.",
        run: |_| Box::pin(std::future::ready(Ok(()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_number_of_the_facts_has_a_case_and_every_case_a_name_of_its_own() {
        let all = all();
        let names: BTreeSet<&str> = all.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), all.len());
        let numbers: BTreeSet<&str> = all.iter().map(|case| case.number).collect();
        let expected: BTreeSet<String> = (1..=18).map(|n| n.to_string()).chain(["12b".to_owned()]).collect();
        assert_eq!(numbers, expected.iter().map(String::as_str).collect());
    }
}
