//! From a request to the invoice or credit note that Odoo is to have: a plain function over what Odoo was asked before.
//!
//! Nothing is left to a default of Odoo's but the income account, where the installation names none. What cannot be
//! an invoice is refused here, in words that name positions and codes and nothing of a patient.

use backbone::mutant::{self, Mutant};
use canon::events::billing_invoice_request::RequestKind;
use canon::{Date, InvoiceRequest, Money, Phi, Quantity};
use odoo::invoice::{FoundInvoice, InvoiceDraft, Line, MoveState, MoveType, Ref, Taxes};
use odoo::seed::{item_id, payer_id};
use odoo::{ExternalId, Hidden, Known};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// What holds for every invoice of a batch, as Odoo has it now.
#[derive(Clone, Debug)]
pub(crate) struct Books {
    /// Where requests go, by what they say of it.
    pub(crate) places: BTreeMap<PlaceSaid, Result<Place, Unplaced>>,
    /// Who pays where there is no payer; never a patient.
    pub(crate) self_pay: ExternalId,
    /// Active currencies by their ISO 4217 code.
    pub(crate) currencies: BTreeMap<String, Currency>,
    /// What is known of the external ids that the batch's requests name.
    pub(crate) known: BTreeMap<ExternalId, Known>,
    /// Invoices that the batch's credit notes reverse; what is not there any more is left out.
    pub(crate) reversed: BTreeMap<ExternalId, Reversed>,
}

/// An invoice that a credit note reverses, as it is; amounts without taxes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reversed {
    pub(crate) state: MoveState,
    /// The database id of who was invoiced.
    pub(crate) partner: Option<i64>,
    pub(crate) total: Decimal,
    pub(crate) back: GivenBack,
}

/// What posted credit notes come to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct GivenBack {
    pub(crate) ours: Decimal,
    /// Those that people made.
    pub(crate) by_hand: Decimal,
}

impl Reversed {
    /// Of an invoice that was found, with the credit notes that name it.
    pub(crate) fn of(found: &FoundInvoice, mut back: GivenBack) -> Self {
        // Closed by credit notes alone: what ours do not come to was given back by hand, whatever that names.
        if found.payment_state == "reversed" {
            back.by_hand = back.by_hand.max(found.untaxed.saturating_sub(back.ours));
        }
        let partner = found.partner.as_ref().map(|partner| partner.id);
        Self { state: found.state, partner, total: found.untaxed, back }
    }

    /// Whether a person has given back some of it already, and this with it would be more than there was.
    fn is_given_back_by_hand(&self, amount: Money) -> bool {
        let GivenBack { ours, by_hand } = self.back;
        let all = by_hand.saturating_add(ours).saturating_add(decimal(amount));
        by_hand > Decimal::ZERO && all > self.total
    }
}

/// What a request says of where it goes: company and journal.
pub(crate) type PlaceSaid = (Option<String>, Option<String>);

/// Where a request goes.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The company's database id.
    pub(crate) company: i64,
    pub(crate) journal: Ref,
    /// Of every line.
    pub(crate) taxes: Taxes,
    /// Of every line. None: the product's or the journal's.
    pub(crate) account: Option<Ref>,
}

/// Why a request goes nowhere.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Unplaced {
    #[error(
        "odoo has no company {company} that the API key's user may use: name one by its external id or its database id"
    )]
    Company { company: String },
    #[error("odoo has no journal {journal}: name one by its external id or its database id")]
    Journal { journal: String },
    #[error("odoo's company {company} has no sales journal")]
    NoJournal { company: i64 },
}

/// What a request says of where it goes.
pub(crate) fn place_said(request: &InvoiceRequest) -> PlaceSaid {
    (request.company.clone(), request.journal.clone())
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
    #[error("a kind of request that this release does not know")]
    Kind,
    #[error("the sum of an invoice is below zero: that needs a credit note")]
    Negative,
    #[error("no lines")]
    NoLines,
    #[error(transparent)]
    Place(#[from] Unplaced),
    #[error("the invoice that is to be reversed {what}")]
    Reversed { what: &'static str },
    #[error("the request's total is not the sum of its lines")]
    Total,
    #[error(
        "odoo has no partner for the payer {payer}: give the partner who is to pay the external id {id}, or decide who pays"
    )]
    UnknownPayer { payer: String, id: ExternalId },
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
    let payer = request.payer.as_deref().map(payer_id);
    let itself = request.reverses.as_ref().and_then(|_| invoice_id(&request.request).ok());
    items.chain(payer).filter_map(Result::ok).chain(itself)
}

/// The invoice that a request reverses.
pub(crate) fn reversed(request: &InvoiceRequest) -> Option<ExternalId> {
    request.reverses.as_deref().and_then(|reversed| invoice_id(reversed).ok())
}

/// The invoice or credit note that a request asks for.
pub(crate) fn draft(request: &InvoiceRequest, books: &Books) -> Result<InvoiceDraft, Unwritable> {
    let move_type = move_type(request, books)?;
    let missing = || Unplaced::Company { company: String::new() };
    let place = books.places.get(&place_said(request)).cloned().ok_or_else(missing)??;
    let currency = currency(request, books)?;
    check_sum(request)?;
    check_items(request, books)?;
    let lines = request.lines.iter().map(|line| draft_line(line, &place)).collect::<Result<_, _>>()?;
    Ok(InvoiceDraft {
        external_id: invoice_id(&request.request)?,
        move_type,
        company: place.company,
        journal: place.journal,
        partner: partner(request, books)?,
        currency: Ref::Id(currency.id),
        invoice_date: civil(request.invoice_date).ok_or(Unwritable::Date)?,
        reference: Some(reference(request)),
        lines,
    })
}

/// A credit note reverses what is posted: Odoo sets it off against nothing else, and a cancelled invoice would be given
/// back a second time. So would one that a person has credited by hand.
fn move_type(request: &InvoiceRequest, books: &Books) -> Result<MoveType, Unwritable> {
    match request.kind {
        RequestKind::Unknown => return Err(Unwritable::Kind),
        RequestKind::Invoice => return Ok(MoveType::OutInvoice),
        RequestKind::CreditNote => {}
    }
    // What became of the invoice once the credit note is there is somebody else's decision.
    let is_there = invoice_id(&request.request).is_ok_and(|id| books.known.contains_key(&id));
    if let Some(reversed) = reversed(request).filter(|_| !is_there) {
        let reversed = books.reversed.get(&reversed);
        let what = match reversed.map(|reversed| reversed.state) {
            Some(MoveState::Posted) => reversed
                .filter(|reversed| reversed.is_given_back_by_hand(request.total))
                .map(|_| "was credited by hand in odoo: decide what is owed"),
            Some(MoveState::Draft) => Some("was made a draft again in odoo: post it, or decide what is owed"),
            Some(MoveState::Cancel) => Some("was cancelled in odoo: decide what is owed"),
            None => Some("was deleted in odoo: decide what is owed"),
        };
        if let Some(what) = what {
            return Err(Unwritable::Reversed { what });
        }
    }
    let reverses = request.reverses.as_deref().map(invoice_id).transpose()?;
    Ok(MoveType::OutRefund { reverses })
}

/// The extended amount is the price of one: Odoo would round a unit price, and charges say what all of it costs.
fn draft_line(
    line: &canon::events::billing_invoice_request::Line,
    place: &Place,
) -> Result<Line, Unwritable> {
    Ok(Line {
        external_id: match mutant::is(Mutant::IdOnHeaderOnly) {
            true => line_id(&format!("{}/{}", line.line, mutant::fresh()))?,
            false => line_id(&line.line)?,
        },
        product: product_id(&line.code)?,
        name: text(line.description.as_ref(), &line.code, line.quantity),
        quantity: Decimal::ONE,
        price_unit: decimal(line.amount),
        taxes: place.taxes.clone(),
        account: place.account.clone(),
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

/// Who was invoiced, of a credit note; else the payer's partner, and the self-pay partner where there is no payer. Not where
/// nobody knows the payer: the invoice would go to somebody who does not owe it.
fn partner(request: &InvoiceRequest, books: &Books) -> Result<Ref, Unwritable> {
    let invoiced = reversed(request).and_then(|id| books.reversed.get(&id)?.partner);
    if let Some(partner) = invoiced {
        return Ok(Ref::Id(partner));
    }
    let Some(payer) = &request.payer else { return Ok(books.self_pay.clone().into()) };
    let id = payer_id(payer).map_err(|_| Unwritable::Name)?;
    if books.names(&id, "res.partner") {
        Ok(id.into())
    } else {
        Err(Unwritable::UnknownPayer { payer: payer.clone(), id })
    }
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
    if mutant::is(Mutant::MoneyThroughFloat)
        && let Some(through) = money.to_string().parse().ok().and_then(Decimal::from_f64_retain)
    {
        return through;
    }
    Decimal::new(money.unscaled(), 4).normalize()
}

fn civil(date: Date) -> Option<jiff::civil::Date> {
    date.to_string().parse().ok()
}

#[cfg(test)]
mod tests;
