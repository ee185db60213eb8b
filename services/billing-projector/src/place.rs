//! Where something is invoiced in Odoo: the company, and the journal of it.

use canon::Charge;
use serde::{Deserialize, Serialize};

/// A company and a journal, each by external id or database id; what nobody names is the writer's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Place {
    pub(crate) company: Option<String>,
    pub(crate) journal: Option<String>,
}

impl Place {
    /// What a charge says.
    pub(crate) fn said(charge: &Charge) -> Self {
        Self { company: charge.company.clone(), journal: charge.journal.clone() }
    }

    /// Whether nobody names anything: what states of charges that say nothing leave out.
    pub(crate) fn is_unsaid(&self) -> bool {
        *self == Self::default()
    }

    /// This, and where it says nothing the other. A journal is its company's: the other's counts for that one alone.
    pub(crate) fn or(&self, other: &Self) -> Self {
        let is_of_company = self.company.is_none() || self.company == other.company;
        let journal = other.journal.as_ref().filter(|_| is_of_company);
        Self {
            company: self.company.as_ref().or(other.company.as_ref()).cloned(),
            journal: self.journal.as_ref().or(journal).cloned(),
        }
    }

    /// Whether what said `before`, and was invoiced at `asked`, is where it should be now that it says this. What is
    /// said no longer is somebody else's to say; what was said for the first time may have been so already.
    pub(crate) fn is_at(&self, asked: &Self, before: &Self) -> bool {
        let is = |now: &Option<String>, asked: &Option<String>, before: &Option<String>| match now {
            Some(_) => now == asked,
            None => before.is_none(),
        };
        is(&self.company, &asked.company, &before.company)
            && is(&self.journal, &asked.journal, &before.journal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `company/journal`, a hyphen where none is said.
    fn place(text: &str) -> Place {
        let (company, journal) = text.split_once('/').unwrap();
        let said = |text: &str| (text != "-").then(|| text.to_owned());
        Place { company: said(company), journal: said(journal) }
    }

    #[track_caller]
    fn check(said: &str, facilitys: &str, expected: &str) {
        assert_eq!(place(said).or(&place(facilitys)), place(expected));
    }

    #[test]
    fn what_the_charge_says_goes_first_and_a_journal_is_never_of_another_company() {
        check("-/-", "-/-", "-/-");
        check("-/-", "north/7", "north/7");
        check("south/-", "north/7", "south/-");
        check("south/-", "-/7", "south/-");
        check("north/-", "north/7", "north/7");
        check("north/8", "north/7", "north/8");
        check("-/8", "north/7", "north/8");
    }

    #[track_caller]
    fn stays(now: &str, asked: &str, before: &str, expected: bool) {
        assert_eq!(place(now).is_at(&place(asked), &place(before)), expected);
    }

    #[test]
    fn what_was_invoiced_elsewhere_than_it_says_now_does_not_stay() {
        stays("-/-", "-/-", "-/-", true);
        // By the file of facilities, which says no more of what was asked for.
        stays("-/-", "north/7", "-/-", true);
        stays("north/-", "north/7", "-/-", true);
        stays("north/-", "north/7", "north/-", true);
        stays("south/-", "north/7", "-/-", false);
        stays("south/-", "north/7", "north/-", false);
        stays("north/8", "north/7", "north/7", false);
        stays("-/-", "north/7", "north/-", false);
        // The writer's own, whichever that is.
        stays("north/-", "-/-", "-/-", false);
    }
}
