//! From a request to the invoice that Odoo is to have: a plain function over what Odoo was asked before.
//!
//! Nothing is left to a default of Odoo's but the income account, where the installation names none. What cannot be
//! an invoice is refused here, in words that name positions and codes and nothing of a patient.

use canon::{Date, InvoiceRequest, Money, Phi, Quantity};
use odoo::invoice::{InvoiceDraft, Line, MoveType, Ref, Taxes};
use odoo::seed::{item_id, payer_id};
use odoo::{ExternalId, Hidden, Known};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// What holds for every invoice of a batch, as Odoo has it now.
#[derive(Clone, Debug)]
pub(crate) struct Books {
    /// The company's database id.
    pub(crate) company: i64,
    pub(crate) journal: Ref,
    /// Who pays what no payer covers; never a patient.
    pub(crate) self_pay: ExternalId,
    pub(crate) taxes: Taxes,
    /// None: the product's or the journal's.
    pub(crate) account: Option<Ref>,
    /// Active currencies by their ISO 4217 code.
    pub(crate) currencies: BTreeMap<String, Currency>,
    /// What is known of the external ids that the batch's requests name.
    pub(crate) known: BTreeMap<ExternalId, Known>,
}

/// A currency in Odoo.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Currency {
    /// Its database id.
    pub(crate) id: i64,
    /// Digits behind the point that its amounts may have.
    pub(crate) decimals: u32,
}

/// A request that cannot be an invoice as Odoo is now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unwritable {
    #[error("odoo has no active currency {currency}: activate it there")]
    Currency { currency: String },
    #[error("the invoice's date is no day of the calendar")]
    Date,
    #[error("line {line}: the amount has more decimals than {currency} has")]
    Decimals { line: usize, currency: String },
    #[error("an id or a code of the request makes no external id")]
    Name,
    #[error("the sum of an invoice is below zero: that needs a credit note")]
    Negative,
    #[error("no lines")]
    NoLines,
    #[error("the request's total is not the sum of its lines")]
    Total,
    #[error("odoo has no product for the charge codes {}: give products the external ids __vertebra__.item_<code>", codes.join(", "))]
    UnknownItems { codes: Vec<String> },
}

/// `__vertebra__.invoice_<request>`.
pub(crate) fn invoice_id(request: &str) -> Result<ExternalId, Unwritable> {
    ExternalId::coded("invoice", request).map_err(|_| Unwritable::Name)
}

/// `__vertebra__.line_<line>`: a line belongs to one request for ever.
pub(crate) fn line_id(line: &str) -> Result<ExternalId, Unwritable> {
    ExternalId::coded("line", line).map_err(|_| Unwritable::Name)
}

/// The product of a charge code.
fn product_id(code: &str) -> Result<ExternalId, Unwritable> {
    item_id(code).map_err(|_| Unwritable::Name)
}

/// The external ids that Odoo is asked for before a request can be a draft.
pub(crate) fn names(request: &InvoiceRequest) -> impl Iterator<Item = ExternalId> {
    let items = request.lines.iter().map(|line| item_id(&line.code));
    items.chain(request.payer.as_deref().map(payer_id)).filter_map(Result::ok)
}

/// The invoice that a request asks for.
pub(crate) fn draft(request: &InvoiceRequest, books: &Books) -> Result<InvoiceDraft, Unwritable> {
    let currency = currency(request, books)?;
    check_sum(request)?;
    check_items(request, books)?;
    Ok(InvoiceDraft {
        external_id: invoice_id(&request.request)?,
        move_type: MoveType::OutInvoice,
        company: books.company,
        journal: books.journal.clone(),
        partner: partner(request, books).into(),
        currency: Ref::Id(currency.id),
        invoice_date: civil(request.invoice_date).ok_or(Unwritable::Date)?,
        reference: Some(reference(request)),
        lines: request.lines.iter().map(|line| draft_line(line, books)).collect::<Result<_, _>>()?,
    })
}

/// The extended amount is the price of one: Odoo would round a unit price, and charges say what all of it costs.
fn draft_line(
    line: &canon::events::billing_invoice_request::Line,
    books: &Books,
) -> Result<Line, Unwritable> {
    Ok(Line {
        external_id: line_id(&line.line)?,
        product: product_id(&line.code)?,
        name: text(line.description.as_ref(), &line.code, line.quantity),
        quantity: Decimal::ONE,
        price_unit: decimal(line.amount),
        taxes: books.taxes.clone(),
        account: books.account.clone(),
    })
}

fn currency(request: &InvoiceRequest, books: &Books) -> Result<Currency, Unwritable> {
    let code = &request.currency;
    let unknown = || Unwritable::Currency { currency: code.clone() };
    let currency = books.currencies.get(code).copied().ok_or_else(unknown)?;
    match request.lines.iter().position(|line| line.amount.decimals() > currency.decimals) {
        Some(index) => Err(Unwritable::Decimals { line: index + 1, currency: code.clone() }),
        None => Ok(currency),
    }
}

fn check_sum(request: &InvoiceRequest) -> Result<(), Unwritable> {
    if request.lines.is_empty() {
        return Err(Unwritable::NoLines);
    }
    if Money::sum(request.lines.iter().map(|line| line.amount)) != Some(request.total) {
        return Err(Unwritable::Total);
    }
    // Odoo would keep such a draft and never post it.
    if request.total.is_negative() { Err(Unwritable::Negative) } else { Ok(()) }
}

fn check_items(request: &InvoiceRequest, books: &Books) -> Result<(), Unwritable> {
    let mut codes = Vec::new();
    for line in &request.lines {
        if !books.names(&product_id(&line.code)?, "product.product") && !codes.contains(&line.code) {
            codes.push(line.code.clone());
        }
    }
    if codes.is_empty() { Ok(()) } else { Err(Unwritable::UnknownItems { codes }) }
}

/// The payer's partner where there is one, else the self-pay partner.
fn partner(request: &InvoiceRequest, books: &Books) -> ExternalId {
    let payer = request.payer.as_deref().and_then(|code| payer_id(code).ok());
    payer.filter(|payer| books.names(payer, "res.partner")).unwrap_or_else(|| books.self_pay.clone())
}

impl Books {
    fn names(&self, id: &ExternalId, model: &str) -> bool {
        self.known.get(id).is_some_and(|known| known.model == model)
    }
}

/// What people find the visit by: its number, else the request's id.
fn reference(request: &InvoiceRequest) -> Hidden<String> {
    let number = plain(request.visit_number.reveal());
    Hidden::new(if number.is_empty() { request.request.clone() } else { number })
}

/// A line's text: the source's, else the code, with the quantity that the price is for.
fn text(description: Option<&Phi<String>>, code: &str, quantity: Quantity) -> Hidden<String> {
    let said = description.map(|text| plain(text.reveal())).filter(|text| !text.is_empty());
    let said = said.unwrap_or_else(|| code.to_owned());
    let one = Quantity::from_whole(1).is_ok_and(|one| one == quantity);
    Hidden::new(if one { said } else { format!("{said} × {quantity}") })
}

/// One line without control characters: it has to read back as it was sent.
fn plain(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

fn decimal(money: Money) -> Decimal {
    Decimal::new(money.unscaled(), 4).normalize()
}

fn civil(date: Date) -> Option<jiff::civil::Date> {
    date.to_string().parse().ok()
}

#[cfg(test)]
mod tests;
