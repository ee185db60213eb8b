//! What Odoo has of every request, and nothing besides (I4).

use super::Played;
use super::accounts::decimal;
use super::check::{Amiss, latest};
use crate::books::Evidence;
use canon::events::billing_invoice_request::RequestKind;
use canon::{Change, InvoiceRequest};
use odoo::ExternalId;
use odoo::invoice::{FoundInvoice, FoundLine, FoundRef, MoveState};
use odoo::seed::{item_id, payer_id, self_pay_id};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// One posted invoice of the payer's in the request's currency, one line per line, nothing besides.
pub(super) fn differs(request: &InvoiceRequest, invoice: &FoundInvoice) -> Option<Amiss> {
    let tell = |is: String, should: String| {
        Some(Amiss::Differs { what: "the invoice of request", of: request.request.clone(), is, should })
    };
    if invoice.state != MoveState::Posted {
        return tell(format!("{:?}", invoice.state), "posted".to_owned());
    }
    let move_type = if request.kind == RequestKind::CreditNote { "out_refund" } else { "out_invoice" };
    if invoice.move_type != move_type {
        return tell(invoice.move_type.clone(), move_type.to_owned());
    }
    let currency = ExternalId::new("base", &request.currency).ok();
    if !currency.is_some_and(|id| invoice.currency.external.contains(&id)) {
        return tell(format!("{:?}", invoice.currency.external), request.currency.clone());
    }
    let partner = request.payer.as_deref().map_or_else(self_pay_id, payer_id).ok();
    let is: &[ExternalId] = invoice.partner.as_ref().map_or(&[], |partner| &partner.external);
    if !partner.as_ref().is_some_and(|partner| is.contains(partner)) {
        return tell(format!("{is:?}"), format!("{partner:?}"));
    }
    let is: BTreeSet<_> = invoice.lines.iter().flat_map(found).collect();
    let should: BTreeSet<_> = request
        .lines
        .iter()
        .filter_map(|line| {
            let id = ExternalId::coded("line", &line.line).ok()?;
            Some((id, item_id(&line.code).ok(), decimal(line.amount)))
        })
        .collect();
    if is != should || invoice.lines.len() != request.lines.len() {
        return tell(
            format!("{} lines: {is:?}", invoice.lines.len()),
            format!("{} lines: {should:?}", request.lines.len()),
        );
    }
    None
}

/// A line's id, product and amount.
fn found(line: &FoundLine) -> impl Iterator<Item = (ExternalId, Option<ExternalId>, Decimal)> {
    let ours =
        |product: &FoundRef| product.external.iter().find(|id| id.module() == odoo::OUR_MODULE).cloned();
    let product = line.product.as_ref().and_then(ours);
    line.external.iter().map(move |id| (id.clone(), product.clone(), line.subtotal.normalize()))
}

/// Odoo has as many invoices under a visit's number as were requested, whoever made them.
pub(super) fn copies(played: &Played, evidence: &Evidence, found: &mut Vec<Amiss>) {
    let keys = played.visits();
    let requests = latest(&evidence.requests.stated, |one| one.change == Change::Withdrawn);
    let mut requested: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
    for (stated, request) in requests.into_values().filter(|(stated, _)| keys.contains(&stated.key)) {
        let (_, count) = requested.entry(request.visit_number.reveal()).or_insert((&stated.key, 0));
        *count += usize::from(request.kind == RequestKind::Invoice);
    }
    for (number, (key, should)) in requested {
        let is = evidence.by_reference.get(number).copied().unwrap_or_default();
        if is != should {
            let (of, is, should) = (key.to_owned(), format!("{is} times"), format!("{should} times"));
            found.push(Amiss::Differs { what: "the invoices in odoo of visit", of, is, should });
        }
    }
}
