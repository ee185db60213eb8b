//! What an invoice or a credit note is to be.

use crate::{ExternalId, Hidden, is_exact_in_odoo};
use jiff::civil::Date;
use rust_decimal::Decimal;
use std::collections::BTreeSet;

/// An invoice or a credit note as it is to be, complete: nothing is left to a default of Odoo's but what is said to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvoiceDraft {
    /// The header's external id.
    pub external_id: ExternalId,
    /// What kind of document.
    pub move_type: MoveType,
    /// The company's database id.
    pub company: i64,
    /// The journal.
    pub journal: Ref,
    /// Who is to pay; never a patient.
    pub partner: Ref,
    /// The currency.
    pub currency: Ref,
    /// The invoice's date.
    pub invoice_date: Date,
    /// A reference for people.
    pub reference: Option<Hidden<String>>,
    /// At least one.
    pub lines: Vec<Line>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The line's external id. It belongs to this invoice for ever: under another header Odoo would move the line there, even
    /// out of a posted invoice.
    pub external_id: ExternalId,
    /// The product.
    pub product: ExternalId,
    /// The line's text; not empty.
    pub name: Hidden<String>,
    /// How many. Odoo rounds to its "Product Unit" decimals (two, as installed).
    pub quantity: Decimal,
    /// In the invoice's currency, without taxes.
    pub price_unit: Decimal,
    /// Said explicitly: otherwise Odoo takes the product's.
    pub taxes: Taxes,
    /// The income account; none: the product's or the journal's. All lines of an invoice have one, or none has.
    pub account: Option<Ref>,
}

/// The kinds of documents.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MoveType {
    /// A customer's invoice.
    OutInvoice,
    /// A customer's credit note. Its lines have amounts above zero; Odoo knows that it gives them back.
    OutRefund {
        /// The invoice that it reverses, in part or whole. Posted after that one, and not in the same call, Odoo sets the two
        /// off against each other by itself, up to what is still to be paid; otherwise it never does. None: it stands alone.
        reverses: Option<ExternalId>,
    },
}

impl MoveType {
    /// As Odoo writes it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::OutInvoice => "out_invoice",
            Self::OutRefund { .. } => "out_refund",
        }
    }

    /// The invoice that is reversed.
    pub fn reverses(&self) -> Option<&ExternalId> {
        match self {
            Self::OutInvoice => None,
            Self::OutRefund { reverses } => reverses.as_ref(),
        }
    }
}

/// A record in Odoo.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ref {
    /// By its external id.
    External(ExternalId),
    /// By its database id.
    Id(i64),
}

impl From<ExternalId> for Ref {
    fn from(id: ExternalId) -> Self {
        Self::External(id)
    }
}

/// The taxes of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taxes {
    /// Exactly these.
    Named(Vec<ExternalId>),
    /// None at all.
    None,
}

/// Why a draft is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DraftFault {
    /// More than 15 significant digits: Odoo's floats would change it.
    #[error("line {line}: an amount has more than 15 digits")]
    Inexact {
        /// From 0.
        line: usize,
    },
    /// Some lines name an account and some do not: Odoo would take an empty cell for "no account".
    #[error("either all lines name an account or none")]
    MixedAccounts,
    /// No line.
    #[error("no lines")]
    NoLines,
    /// A line without text.
    #[error("line {line}: no text")]
    NoName {
        /// From 0.
        line: usize,
    },
    /// Two lines with one external id.
    #[error("line {line}: its external id is on an earlier line")]
    RepeatedLine {
        /// From 0.
        line: usize,
    },
}

impl InvoiceDraft {
    /// The draft's own faults, as far as they show without Odoo.
    pub fn check(&self) -> Result<(), DraftFault> {
        if self.lines.is_empty() {
            return Err(DraftFault::NoLines);
        }
        let with_account = self.lines.iter().filter(|line| line.account.is_some()).count();
        if with_account != 0 && with_account != self.lines.len() {
            return Err(DraftFault::MixedAccounts);
        }
        let mut seen = BTreeSet::new();
        for (index, line) in self.lines.iter().enumerate() {
            if !seen.insert(&line.external_id) {
                return Err(DraftFault::RepeatedLine { line: index });
            }
            if line.name.reveal().trim().is_empty() {
                return Err(DraftFault::NoName { line: index });
            }
            let exact = |amount: Option<Decimal>| amount.is_some_and(is_exact_in_odoo);
            if ![Some(line.quantity), Some(line.price_unit), line.subtotal()].into_iter().all(exact) {
                return Err(DraftFault::Inexact { line: index });
            }
        }
        Ok(())
    }

    /// The sum of the lines, without taxes; none if it is beyond 28 digits.
    pub fn untaxed(&self) -> Option<Decimal> {
        self.lines.iter().try_fold(Decimal::ZERO, |sum, line| sum.checked_add(line.subtotal()?))
    }
}

impl Line {
    /// Quantity times price, not rounded; none if it is beyond 28 digits.
    pub fn subtotal(&self) -> Option<Decimal> {
        self.quantity.checked_mul(self.price_unit)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn id(name: &str) -> ExternalId {
        ExternalId::ours(name).unwrap()
    }

    pub(crate) fn decimal(text: &str) -> Decimal {
        Decimal::from_str_exact(text).unwrap()
    }

    pub(crate) fn line(name: &str, quantity: &str, price: &str) -> Line {
        Line {
            external_id: id(name),
            product: id("item_mri"),
            name: Hidden::new("MRI, 30% off".to_owned()),
            quantity: decimal(quantity),
            price_unit: decimal(price),
            taxes: Taxes::None,
            account: None,
        }
    }

    pub(crate) fn draft(name: &str, lines: Vec<Line>) -> InvoiceDraft {
        InvoiceDraft {
            external_id: id(name),
            move_type: MoveType::OutInvoice,
            company: 1,
            journal: Ref::Id(1),
            partner: id("partner_self_pay").into(),
            currency: Ref::Id(1),
            invoice_date: jiff::civil::date(2026, 11, 1),
            reference: Some(Hidden::new("visit".to_owned())),
            lines,
        }
    }

    #[track_caller]
    fn check(lines: Vec<Line>, verdict: Result<(), DraftFault>) {
        assert_eq!(draft("d", lines).check(), verdict);
    }

    #[test]
    fn a_draft_is_checked_before_odoo_sees_it() {
        let nameless = Line { name: Hidden::new(" ".into()), ..line("b", "1", "1") };
        let accounted = Line { account: Some(Ref::Id(26)), ..line("b", "1", "1") };
        check(vec![line("a", "1", "12.34"), line("b", "-2", "0.10")], Ok(()));
        check(vec![], Err(DraftFault::NoLines));
        check(vec![line("a", "1", "1"), line("a", "1", "1")], Err(DraftFault::RepeatedLine { line: 1 }));
        check(vec![line("a", "1", "1"), nameless], Err(DraftFault::NoName { line: 1 }));
        check(vec![line("a", "1", "1"), accounted.clone()], Err(DraftFault::MixedAccounts));
        check(vec![accounted], Ok(()));
        check(vec![line("a", "1", "99999999999999.99")], Err(DraftFault::Inexact { line: 0 }));
        check(vec![line("a", "1.00000001", "1.00000001")], Err(DraftFault::Inexact { line: 0 }));
    }

    #[test]
    fn a_drafts_texts_are_not_printed() {
        assert!(!format!("{:?}", draft("d", vec![line("a", "1", "1")])).contains("MRI"));
    }
}
