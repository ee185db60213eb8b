//! What a move of a visit states: plain functions.

use super::read::Found;
use crate::models::{date, money};
use backbone::Reject;
use canon::events::billing_invoice::{InvoiceKind, InvoiceLine, InvoiceState};
use canon::{Change, Invoice, Payment};

/// The invoice or credit note, and what was paid of it.
pub(super) fn stated(found: &Found) -> Result<(Invoice, Vec<Payment>), Reject> {
    let header = &found.header;
    let lines: Result<Vec<InvoiceLine>, Reject> = found
        .lines
        .iter()
        .map(|line| {
            let amount = money("price_subtotal", line.amount)?;
            Ok(InvoiceLine { line: line.line.clone(), code: line.code.clone(), amount })
        })
        .collect();
    let payments: Result<Vec<Payment>, Reject> = found.paid.iter().map(|paid| payment(found, paid)).collect();
    let invoice = Invoice {
        change: Change::Unknown,
        invoice: header.id,
        encounter: found.visit,
        request: found.request.clone(),
        // Odoo 16 to 18 write a slash where there is none yet.
        number: header.name.0.clone().filter(|number| number != "/"),
        kind: match header.move_type.as_str() {
            "out_invoice" => InvoiceKind::Invoice,
            "out_refund" => InvoiceKind::CreditNote,
            _ => InvoiceKind::Unknown,
        },
        state: match header.state.as_str() {
            "cancel" => InvoiceState::Cancelled,
            "draft" => InvoiceState::Draft,
            "posted" => InvoiceState::Posted,
            _ => InvoiceState::Unknown,
        },
        payment_state: header.payment_state.0.clone().unwrap_or_default(),
        total: money("amount_total", header.amount_total)?,
        residual: money("amount_residual", header.amount_residual)?,
        currency: header.currency_id.name.clone(),
        invoice_date: date(header.invoice_date.0),
        reverses: header.reversed_entry_id.0.map(|link| link.0),
        reversed_request: found.reversed_request.clone(),
        lines: lines?,
        ours: found.request.is_some(),
    };
    Ok((invoice, payments?))
}

fn payment(found: &Found, paid: &super::read::Paid) -> Result<Payment, Reject> {
    Ok(Payment {
        change: Change::Unknown,
        payment: paid.payment,
        invoice: found.header.id,
        encounter: found.visit,
        request: found.request.clone(),
        amount: money("the amount set off", paid.amount)?,
        currency: found.header.currency_id.name.clone(),
        state: paid.state.clone(),
        paid_on: date(paid.paid_on),
    })
}
