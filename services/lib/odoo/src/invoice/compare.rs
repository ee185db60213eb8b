//! What differs between a draft and what Odoo has: a plain function. It names fields, never values.

use super::draft::{InvoiceDraft, Line, Ref, Taxes};
use super::found::{FoundInvoice, FoundLine, FoundRef};
use crate::ExternalId;
use rust_decimal::Decimal;
use std::fmt;

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// The company.
    Company,
    /// The currency.
    Currency,
    /// The invoice's date.
    InvoiceDate,
    /// The journal.
    Journal,
    /// A field of a line.
    Line {
        /// Which line.
        line: ExternalId,
        /// Which field.
        field: LineField,
    },
    /// A line that no draft asked for: a person added it.
    LineAdded {
        /// Its database id.
        id: i64,
    },
    /// A line that is not there, or not on this invoice.
    LineGone {
        /// Which line.
        line: ExternalId,
    },
    /// The kind of document.
    MoveType,
    /// Who is to pay.
    Partner,
    /// The reference.
    Reference,
    /// The invoice that is reversed.
    Reverses,
    /// The sum with taxes, where no line is taxed.
    Total,
    /// The sum without taxes.
    Untaxed,
}

/// A field of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LineField {
    /// The income account.
    Account,
    /// The text.
    Name,
    /// The price of one.
    PriceUnit,
    /// The product.
    Product,
    /// How many.
    Quantity,
    /// Quantity times price.
    Subtotal,
    /// The taxes.
    Taxes,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = match self {
            Self::Company => "company_id",
            Self::Currency => "currency_id",
            Self::InvoiceDate => "invoice_date",
            Self::Journal => "journal_id",
            Self::Line { line, field } => return write!(f, "{field} of {line}"),
            Self::LineAdded { id } => return write!(f, "line {id} was added"),
            Self::LineGone { line } => return write!(f, "{line} is gone"),
            Self::MoveType => "move_type",
            Self::Partner => "partner_id",
            Self::Reference => "ref",
            Self::Reverses => "reversed_entry_id",
            Self::Total => "amount_total",
            Self::Untaxed => "amount_untaxed",
        };
        f.write_str(field)
    }
}

impl fmt::Display for LineField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Account => "account_id",
            Self::Name => "name",
            Self::PriceUnit => "price_unit",
            Self::Product => "product_id",
            Self::Quantity => "quantity",
            Self::Subtotal => "price_subtotal",
            Self::Taxes => "tax_ids",
        })
    }
}

/// What differs, amounts exactly; empty if the invoice is as it was meant. State and payment are not compared.
pub fn compare(draft: &InvoiceDraft, found: &FoundInvoice) -> Vec<Difference> {
    let mut differences = vec![];
    let mut same = |same: bool, difference| differences.extend((!same).then_some(difference));
    same(found.company == draft.company, Difference::Company);
    same(found.currency.is(&draft.currency), Difference::Currency);
    same(found.invoice_date == Some(draft.invoice_date), Difference::InvoiceDate);
    same(found.journal.is(&draft.journal), Difference::Journal);
    same(found.move_type == draft.move_type.as_str(), Difference::MoveType);
    same(names(found.partner.as_ref(), &draft.partner), Difference::Partner);
    same(
        found.reference.clone().unwrap_or_default() == draft.reference.clone().unwrap_or_default(),
        Difference::Reference,
    );
    let reverses = match (draft.move_type.reverses(), &found.reverses) {
        (None, None) => true,
        (Some(meant), Some(found)) => found.external.contains(meant),
        _ => false,
    };
    same(reverses, Difference::Reverses);
    same(Some(found.untaxed) == draft.untaxed(), Difference::Untaxed);
    let untaxed = draft.lines.iter().all(|line| line.taxes == Taxes::None);
    same(!untaxed || Some(found.total) == draft.untaxed(), Difference::Total);
    for line in &draft.lines {
        match found.lines.iter().find(|found| found.external.contains(&line.external_id)) {
            Some(found) => differences.extend(fields(line, found)),
            None => differences.push(Difference::LineGone { line: line.external_id.clone() }),
        }
    }
    let ours = |found: &&FoundLine| draft.lines.iter().any(|line| found.external.contains(&line.external_id));
    let added = found.lines.iter().filter(|found| !ours(found));
    differences.extend(added.map(|found| Difference::LineAdded { id: found.id }));
    differences
}

fn fields(line: &Line, found: &FoundLine) -> impl Iterator<Item = Difference> {
    let number = |meant: Option<Decimal>, found: Decimal| meant == Some(found);
    let account = line.account.as_ref().is_none_or(|account| names(found.account.as_ref(), account));
    let checks = [
        (LineField::Account, account),
        (LineField::Name, found.name.as_ref() == Some(&line.name)),
        (LineField::PriceUnit, number(Some(line.price_unit), found.price_unit)),
        (LineField::Product, names(found.product.as_ref(), &line.product.clone().into())),
        (LineField::Quantity, number(Some(line.quantity), found.quantity)),
        (LineField::Subtotal, number(line.subtotal(), found.subtotal)),
        (LineField::Taxes, taxes(&line.taxes, &found.taxes)),
    ];
    let id = line.external_id.clone();
    let differing = checks.into_iter().filter(|(_, same)| !same);
    differing.map(move |(field, _)| Difference::Line { line: id.clone(), field })
}

fn names(found: Option<&FoundRef>, meant: &Ref) -> bool {
    found.is_some_and(|found| found.is(meant))
}

fn taxes(meant: &Taxes, found: &[FoundRef]) -> bool {
    let meant: &[ExternalId] = match meant {
        Taxes::Named(taxes) => taxes,
        Taxes::None => &[],
    };
    meant.len() == found.len()
        && meant.iter().all(|tax| found.iter().any(|found| found.external.contains(tax)))
}

#[cfg(test)]
mod tests {
    use super::super::draft::MoveType;
    use super::super::draft::tests::{decimal, draft, id, line};
    use super::super::found::MoveState;
    use super::*;
    use crate::Hidden;

    fn reference(id_: i64, external: &[&str]) -> FoundRef {
        FoundRef { id: id_, external: external.iter().map(|name| id(name)).collect() }
    }

    fn found_line(name: &str, quantity: &str, price: &str, subtotal: &str) -> FoundLine {
        FoundLine {
            id: 9,
            external: vec![id(name)],
            product: Some(reference(3, &["item_mri"])),
            name: Some(Hidden::new("MRI, 30% off".to_owned())),
            quantity: decimal(quantity),
            price_unit: decimal(price),
            subtotal: decimal(subtotal),
            taxes: vec![],
            account: Some(reference(26, &[])),
        }
    }

    fn found() -> FoundInvoice {
        FoundInvoice {
            id: 4,
            number: None,
            state: MoveState::Draft,
            payment_state: "not_paid".into(),
            move_type: "out_invoice".into(),
            company: 1,
            journal: reference(1, &[]),
            partner: Some(reference(6, &["partner_merged", "partner_self_pay"])),
            currency: reference(1, &[]),
            invoice_date: Some(jiff::civil::date(2026, 11, 1)),
            reference: Some(Hidden::new("visit".into())),
            reverses: None,
            untaxed: decimal("12.64"),
            total: decimal("12.64"),
            residual: decimal("0"),
            lines: vec![found_line("l0", "1", "12.34", "12.34"), found_line("l1", "3", "0.1", "0.3")],
        }
    }

    #[track_caller]
    fn check(edit: impl FnOnce(&mut FoundInvoice), differences: &[&str]) {
        let draft = draft("d", vec![line("l0", "1", "12.34"), line("l1", "3", "0.10")]);
        let mut found = found();
        edit(&mut found);
        let texts: Vec<String> = compare(&draft, &found).iter().map(ToString::to_string).collect();
        assert_eq!(texts, differences);
    }

    #[test]
    fn an_invoice_as_it_was_meant_has_no_differences() {
        check(|_| {}, &[]);
        check(|found| found.state = MoveState::Posted, &[]);
    }

    #[test]
    fn every_field_of_the_header_is_compared() {
        check(|found| found.company = 2, &["company_id"]);
        check(|found| found.currency.id = 2, &["currency_id"]);
        check(|found| found.invoice_date = None, &["invoice_date"]);
        check(|found| found.journal.id = 2, &["journal_id"]);
        check(|found| found.move_type = "out_refund".into(), &["move_type"]);
        check(|found| found.partner = Some(reference(7, &[])), &["partner_id"]);
        check(|found| found.reference = None, &["ref"]);
        check(|found| found.reverses = Some(reference(3, &[])), &["reversed_entry_id"]);
        check(|found| found.untaxed = decimal("12.63"), &["amount_untaxed"]);
        check(|found| found.total = decimal("14.54"), &["amount_total"]);
    }

    #[test]
    fn a_credit_note_reverses_the_invoice_it_was_meant_for() {
        let check = |reverses: Option<FoundRef>, differences: &[Difference]| {
            let move_type = MoveType::OutRefund { reverses: Some(id("d0")) };
            let draft = InvoiceDraft {
                move_type,
                ..draft("d", vec![line("l0", "1", "12.34"), line("l1", "3", "0.10")])
            };
            let found = FoundInvoice { move_type: "out_refund".into(), reverses, ..found() };
            assert_eq!(compare(&draft, &found), differences);
        };
        check(Some(reference(3, &["d0"])), &[]);
        check(Some(reference(4, &["d1"])), &[Difference::Reverses]);
        check(None, &[Difference::Reverses]);
    }

    #[test]
    fn every_field_of_a_line_is_compared() {
        check(|found| found.lines[0].name = None, &["name of __vertebra__.l0"]);
        check(|found| found.lines[1].price_unit = decimal("0.11"), &["price_unit of __vertebra__.l1"]);
        check(|found| found.lines[1].product = None, &["product_id of __vertebra__.l1"]);
        check(|found| found.lines[1].quantity = decimal("2.99"), &["quantity of __vertebra__.l1"]);
        check(
            |found| found.lines[1].subtotal = decimal("0.30000000000000004"),
            &["price_subtotal of __vertebra__.l1"],
        );
        check(|found| found.lines[1].taxes = vec![reference(1, &[])], &["tax_ids of __vertebra__.l1"]);
    }

    #[test]
    fn lines_that_came_or_went_are_named() {
        check(|found| drop(found.lines.remove(0)), &["__vertebra__.l0 is gone"]);
        check(
            |found| found.lines.push(FoundLine { external: vec![], ..found_line("x", "1", "1", "1") }),
            &["line 9 was added"],
        );
        check(|found| found.lines[0].external.clear(), &["__vertebra__.l0 is gone", "line 9 was added"]);
    }
}
