//! From drafts to the columns and rows of a `load`.

use super::draft::{InvoiceDraft, Line, Ref, Taxes};
use crate::{Hidden, LoadRecord};
use rust_decimal::Decimal;

/// Where the header's own columns end.
const REVERSES_AT: usize = 8;

/// The columns of one call. An empty cell means "nothing", not "the default": so drafts that name things differently, or
/// leave different things to Odoo, go in different calls.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shape {
    company: i64,
    journal: bool,
    partner: bool,
    currency: bool,
    reverses: bool,
    account: Option<bool>,
}

impl Shape {
    pub(crate) fn of(draft: &InvoiceDraft) -> Self {
        let account = draft.lines.first().and_then(|line| line.account.as_ref());
        Self {
            company: draft.company,
            journal: by_id(&draft.journal),
            partner: by_id(&draft.partner),
            currency: by_id(&draft.currency),
            reverses: draft.move_type.reverses().is_some(),
            account: account.map(by_id),
        }
    }

    pub(crate) fn company(&self) -> i64 {
        self.company
    }

    pub(crate) fn columns(&self) -> Vec<&'static str> {
        let pick = |by_id, id, external| if by_id { id } else { external };
        let mut columns = vec![
            "id",
            "move_type",
            "company_id/.id",
            pick(self.journal, "journal_id/.id", "journal_id/id"),
            pick(self.partner, "partner_id/.id", "partner_id/id"),
            pick(self.currency, "currency_id/.id", "currency_id/id"),
            "invoice_date",
            "ref",
            "invoice_line_ids/id",
            "invoice_line_ids/product_id/id",
            "invoice_line_ids/name",
            "invoice_line_ids/quantity",
            "invoice_line_ids/price_unit",
            "invoice_line_ids/tax_ids/id",
        ];
        if self.reverses {
            columns.insert(REVERSES_AT, "reversed_entry_id/id");
        }
        if let Some(by_id) = self.account {
            columns.push(pick(by_id, "invoice_line_ids/account_id/.id", "invoice_line_ids/account_id/id"));
        }
        columns
    }
}

/// The first line shares the header's row; the others' rows leave the header's cells empty.
pub(crate) fn record(draft: &InvoiceDraft) -> LoadRecord {
    let mut header = vec![
        draft.external_id.to_string(),
        draft.move_type.as_str().to_owned(),
        draft.company.to_string(),
        text(&draft.journal),
        text(&draft.partner),
        text(&draft.currency),
        draft.invoice_date.to_string(),
        draft.reference.as_ref().map(|reference| reference.reveal().clone()).unwrap_or_default(),
    ];
    header.extend(draft.move_type.reverses().map(ToString::to_string));
    let nothing = vec![String::new(); header.len()];
    let headers = std::iter::once(header).chain(std::iter::repeat(nothing));
    let row = |(header, line): (Vec<String>, &Line)| {
        header.into_iter().chain(cells(line)).map(Hidden::new).collect()
    };
    LoadRecord { rows: headers.zip(&draft.lines).map(row).collect() }
}

fn cells(line: &Line) -> Vec<String> {
    let taxes = match &line.taxes {
        Taxes::Named(taxes) => taxes.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        Taxes::None => String::new(),
    };
    let mut cells = vec![
        line.external_id.to_string(),
        line.product.to_string(),
        line.name.reveal().clone(),
        amount(line.quantity),
        amount(line.price_unit),
        taxes,
    ];
    cells.extend(line.account.as_ref().map(text));
    cells
}

/// Plain decimal text, never with an exponent.
fn amount(amount: Decimal) -> String {
    amount.normalize().to_string()
}

fn text(reference: &Ref) -> String {
    match reference {
        Ref::External(id) => id.to_string(),
        Ref::Id(id) => id.to_string(),
    }
}

fn by_id(reference: &Ref) -> bool {
    matches!(reference, Ref::Id(_))
}

#[cfg(test)]
mod tests {
    use super::super::draft::MoveType;
    use super::super::draft::tests::{draft, id, line};
    use super::*;

    fn rows(draft: &InvoiceDraft) -> Vec<String> {
        let text = |row: Vec<Hidden<String>>| {
            row.iter().map(|cell| cell.reveal().as_str()).collect::<Vec<_>>().join("|")
        };
        record(draft).rows.into_iter().map(text).collect()
    }

    #[test]
    fn the_first_line_shares_the_headers_row() {
        let draft =
            draft("d1", vec![line("l1", "1", "12.340"), line("l2", "-3", "0"), line("l3", "1", "1000000")]);
        assert_eq!(
            rows(&draft),
            [
                "__vertebra__.d1|out_invoice|1|1|__vertebra__.partner_self_pay|1|2026-11-01|visit\
                 |__vertebra__.l1|__vertebra__.item_mri|MRI, 30% off|1|12.34|",
                "||||||||__vertebra__.l2|__vertebra__.item_mri|MRI, 30% off|-3|0|",
                "||||||||__vertebra__.l3|__vertebra__.item_mri|MRI, 30% off|1|1000000|",
            ]
        );
    }

    #[test]
    fn every_row_has_a_cell_for_every_column() {
        let with_all = Line {
            account: Some(Ref::Id(26)),
            taxes: Taxes::Named(vec![id("t1"), id("t2")]),
            ..line("l1", "1", "1")
        };
        let draft = InvoiceDraft {
            move_type: MoveType::OutRefund { reverses: Some(id("d0")) },
            ..draft("d1", vec![with_all, Line { account: Some(Ref::Id(26)), ..line("l2", "1", "1") }])
        };
        let row = &rows(&draft)[0];
        assert!(row.ends_with("|__vertebra__.t1,__vertebra__.t2|26"), "{row}");
        let columns = Shape::of(&draft).columns();
        for row in rows(&draft) {
            assert_eq!(row.split('|').count(), columns.len(), "{row}");
        }
        let reversed = columns.iter().position(|column| *column == "reversed_entry_id/id");
        assert_eq!(row.split('|').nth(reversed.unwrap()), Some("__vertebra__.d0"));
    }

    #[test]
    fn drafts_that_name_things_differently_have_different_columns() {
        let one = draft("d1", vec![line("l1", "1", "1")]);
        let two = InvoiceDraft { partner: Ref::Id(7), journal: id("j").into(), ..one.clone() };
        let refund = MoveType::OutRefund { reverses: Some(id("d0")) };
        let four = InvoiceDraft { move_type: refund, ..one.clone() };
        let three = InvoiceDraft { company: 2, ..one.clone() };
        assert!(Shape::of(&one).columns().contains(&"partner_id/id"));
        assert!(Shape::of(&two).columns().contains(&"partner_id/.id"));
        assert!(Shape::of(&two).columns().contains(&"journal_id/id"));
        assert_ne!(Shape::of(&one), Shape::of(&three));
        assert_ne!(Shape::of(&one), Shape::of(&four));
    }
}
