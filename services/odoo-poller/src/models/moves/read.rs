//! What is asked of Odoo about moves: whose they are, their lines, and what they are set off against.

use super::{LINE, MOVE, PARTIAL, PAYMENT};
use crate::books::{Named, Odoo};
use ::odoo::{Error, Exact, Link, Maybe};
use canon::key::EncounterToken;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const MOVE_FIELDS: &[&str] = &[
    "amount_residual",
    "amount_total",
    "currency_id",
    "invoice_date",
    "move_type",
    "name",
    "payment_state",
    "reversed_entry_id",
    "state",
];
/// Reversals of reversals that are followed.
const REVERSALS_MAX: usize = 8;

/// A move of a visit, with all that is told of it.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) header: Header,
    /// Whose visit's.
    pub(crate) visit: EncounterToken,
    /// Our request, if it was made for one.
    pub(crate) request: Option<String>,
    /// Our request for the move that is reversed.
    pub(crate) reversed_request: Option<String>,
    pub(crate) lines: Vec<Line>,
    pub(crate) paid: Vec<Paid>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Header {
    pub(crate) id: i64,
    pub(crate) amount_residual: Exact,
    pub(crate) amount_total: Exact,
    pub(crate) currency_id: Named,
    pub(crate) invoice_date: Maybe<Date>,
    pub(crate) move_type: String,
    pub(crate) name: Maybe<String>,
    pub(crate) payment_state: Maybe<String>,
    pub(crate) reversed_entry_id: Maybe<Link>,
    pub(crate) state: String,
}

/// A line of products.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// Our line, if it is one.
    pub(crate) line: Option<String>,
    /// The product's code.
    pub(crate) code: Option<String>,
    pub(crate) amount: Exact,
}

/// What was set off against a move, other than another invoice or credit note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Paid {
    /// The payment; an entry without one: the entry's id, negative.
    pub(crate) payment: i64,
    pub(crate) amount: Exact,
    pub(crate) state: String,
    pub(crate) paid_on: Option<Date>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct LineOfMove {
    pub(crate) id: i64,
    pub(crate) move_id: Link,
    #[serde(default)]
    pub(crate) payment_id: Maybe<Link>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Partial {
    pub(crate) debit_move_id: Link,
    pub(crate) credit_move_id: Link,
    debit_amount_currency: Exact,
    credit_amount_currency: Exact,
}

#[derive(Deserialize)]
struct Entry {
    id: i64,
    move_type: String,
    state: String,
    date: Maybe<Date>,
}

#[derive(Deserialize)]
struct PaymentRow {
    id: i64,
    state: String,
    date: Maybe<Date>,
}

/// Those of the moves that belong to a visit; others are left out.
pub(crate) async fn found(odoo: &Odoo, ids: BTreeSet<i64>) -> Result<Vec<Found>, Error> {
    let headers: Vec<Header> = odoo.read(MOVE, ids, MOVE_FIELDS).await?;
    let behind: Vec<i64> = headers.iter().filter_map(reversed).collect();
    let mut names = odoo.ours(MOVE, headers.iter().map(|header| header.id).chain(behind)).await?;
    let chain = chain(odoo, &headers, &mut names).await?;
    let whose = |header: &Header| {
        let request = names.get(&header.id).and_then(|name| request(name));
        let mut token = request.as_deref().and_then(token);
        let mut next = chain.get(&header.id).copied();
        while let (None, Some(id)) = (token, next) {
            token = names.get(&id).and_then(|name| self::request(name)).as_deref().and_then(self::token);
            next = chain.get(&id).copied();
        }
        let reversed_request = reversed(header).and_then(|id| self::request(names.get(&id)?));
        Some(Found {
            header: header.clone(),
            visit: token?,
            request,
            reversed_request,
            lines: vec![],
            paid: vec![],
        })
    };
    let mut found: Vec<Found> = headers.iter().filter_map(whose).collect();
    let ids: BTreeSet<i64> = found.iter().map(|found| found.header.id).collect();
    if ids.is_empty() {
        return Ok(found);
    }
    let mut lines = lines(odoo, &ids).await?;
    let mut paid = paid(odoo, &ids).await?;
    for found in &mut found {
        found.lines = lines.remove(&found.header.id).unwrap_or_default();
        found.paid = paid.remove(&found.header.id).unwrap_or_default();
    }
    Ok(found)
}

fn reversed(header: &Header) -> Option<i64> {
    header.reversed_entry_id.0.map(|link| link.0)
}

/// Which move reverses which, for moves behind those that were read; as far as none of ours is met.
async fn chain(
    odoo: &Odoo,
    headers: &[Header],
    names: &mut BTreeMap<i64, String>,
) -> Result<BTreeMap<i64, i64>, Error> {
    #[derive(Deserialize)]
    struct Row {
        id: i64,
        reversed_entry_id: Maybe<Link>,
    }
    let mut chain: BTreeMap<i64, i64> =
        headers.iter().filter_map(|header| Some((header.id, reversed(header)?))).collect();
    let mut next: BTreeSet<i64> = chain.values().copied().collect();
    for _ in 0..REVERSALS_MAX {
        next.retain(|id| !names.contains_key(id) && !chain.contains_key(id));
        if next.is_empty() {
            break;
        }
        let rows: Vec<Row> = odoo.read(MOVE, next, &["reversed_entry_id"]).await?;
        let behind: BTreeMap<i64, i64> =
            rows.iter().filter_map(|row| Some((row.id, row.reversed_entry_id.0?.0))).collect();
        names.extend(odoo.ours(MOVE, behind.values().copied()).await?);
        next = behind.values().copied().collect();
        chain.extend(behind);
    }
    Ok(chain)
}

async fn lines(odoo: &Odoo, ids: &BTreeSet<i64>) -> Result<BTreeMap<i64, Vec<Line>>, Error> {
    #[derive(Deserialize)]
    struct Row {
        id: i64,
        move_id: Link,
        product_id: Maybe<Link>,
        price_subtotal: Exact,
    }
    #[derive(Deserialize)]
    struct Product {
        id: i64,
        default_code: Maybe<String>,
    }
    let domain = json!([["move_id", "in", ids], ["display_type", "=", "product"]]);
    let rows: Vec<Row> = odoo.find(LINE, domain, &["move_id", "price_subtotal", "product_id"]).await?;
    let names = odoo.ours(LINE, rows.iter().map(|row| row.id)).await?;
    let products = rows.iter().filter_map(|row| row.product_id.0.map(|link| link.0));
    let products: Vec<Product> = odoo.read("product.product", products, &["default_code"]).await?;
    let codes: BTreeMap<i64, String> =
        products.into_iter().filter_map(|product| Some((product.id, product.default_code.0?))).collect();
    let mut lines = BTreeMap::<i64, Vec<Line>>::new();
    for row in rows {
        lines.entry(row.move_id.0).or_default().push(Line {
            line: names.get(&row.id).and_then(|name| named(name)),
            code: row.product_id.0.and_then(|link| codes.get(&link.0).cloned()),
            amount: row.price_subtotal,
        });
    }
    Ok(lines)
}

/// What is set off between lines of which this field is among those asked for, and all lines that it names.
pub(crate) async fn set_off(
    odoo: &Odoo,
    field: &str,
    ids: &BTreeSet<i64>,
) -> Result<(Vec<Partial>, BTreeMap<i64, LineOfMove>), Error> {
    if ids.is_empty() {
        return Ok((vec![], BTreeMap::new()));
    }
    let side = |side: &str| json!([format!("{side}.{field}"), "in", ids]);
    let domain = json!(["|", side("debit_move_id"), side("credit_move_id")]);
    let fields = &["credit_amount_currency", "credit_move_id", "debit_amount_currency", "debit_move_id"];
    let partials: Vec<Partial> = odoo.find(PARTIAL, domain, fields).await?;
    let lines = partials.iter().flat_map(|partial| [partial.debit_move_id.0, partial.credit_move_id.0]);
    let lines: Vec<LineOfMove> = odoo.read(LINE, lines, &["move_id", "payment_id"]).await?;
    Ok((partials, lines.into_iter().map(|line| (line.id, line)).collect()))
}

async fn paid(odoo: &Odoo, ids: &BTreeSet<i64>) -> Result<BTreeMap<i64, Vec<Paid>>, Error> {
    let (partials, lines) = set_off(odoo, "move_id", ids).await?;
    let others = lines.values().map(|line| line.move_id.0).filter(|id| !ids.contains(id));
    let entries: Vec<Entry> = odoo.read(MOVE, others, &["date", "move_type", "state"]).await?;
    let entries: BTreeMap<i64, Entry> = entries.into_iter().map(|entry| (entry.id, entry)).collect();
    let payments = lines.values().filter_map(|line| line.payment_id.0.map(|link| link.0));
    let payments: Vec<PaymentRow> = odoo.read(PAYMENT, payments, &["date", "state"]).await?;
    let payments: BTreeMap<i64, PaymentRow> =
        payments.into_iter().map(|payment| (payment.id, payment)).collect();
    let mut paid = BTreeMap::<i64, Vec<Paid>>::new();
    for partial in &partials {
        let sides = [
            (partial.debit_move_id.0, partial.credit_move_id.0, partial.debit_amount_currency),
            (partial.credit_move_id.0, partial.debit_move_id.0, partial.credit_amount_currency),
        ];
        for (own, other, amount) in sides {
            let (Some(own), Some(other)) = (lines.get(&own), lines.get(&other)) else { continue };
            // An invoice and its credit note each tell of themselves.
            let Some(entry) = entries.get(&other.move_id.0).filter(|entry| entry.move_type == "entry") else {
                continue;
            };
            if !ids.contains(&own.move_id.0) {
                continue;
            }
            let by = match other.payment_id.0.and_then(|link| payments.get(&link.0)) {
                Some(payment) => (payment.id, payment.state.clone(), payment.date.0),
                None => (-entry.id, entry.state.clone(), entry.date.0),
            };
            let so_far = paid.entry(own.move_id.0).or_default();
            match so_far.iter_mut().find(|paid| paid.payment == by.0) {
                // In instalments one payment is set off against several lines of one invoice.
                Some(paid) => paid.amount = Exact(paid.amount.0.saturating_add(amount.0)),
                None => so_far.push(Paid { payment: by.0, amount, state: by.1, paid_on: by.2 }),
            }
        }
    }
    Ok(paid)
}

/// `invoice_<request>` → the request: what odoo-writer names its invoices and credit notes.
pub(crate) fn request(name: &str) -> Option<String> {
    let request = named(name)?;
    token(&request).map(|_| request)
}

/// The visit's token, which a request's id begins with.
pub(crate) fn token(request: &str) -> Option<EncounterToken> {
    request.split_once('-').map_or(request, |(token, _)| token).parse().ok()
}

/// `<kind>_<code>` → the code, with what an external id cannot have given back.
pub(crate) fn named(name: &str) -> Option<String> {
    let (_, coded) = name.rsplit_once('_')?;
    let (mut bytes, mut rest) = (vec![], coded.as_bytes());
    while let Some((first, others)) = rest.split_first() {
        match (first, others) {
            (b'.', [high, low, after @ ..]) => {
                let digits = [*high, *low];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
                rest = after;
            }
            (b'.', _) => return None,
            (byte, after) => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok().filter(|code| !code.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "00112233445566778899aabbccddeeff";

    #[track_caller]
    fn check(name: &str, request_id: Option<&str>) {
        assert_eq!(request(name).as_deref(), request_id, "{name}");
    }

    #[test]
    fn an_external_id_names_our_request_and_that_the_visit() {
        check(&format!("invoice_{TOKEN}-3"), Some(&format!("{TOKEN}-3")));
        check(&format!("credit_note_{TOKEN}-3"), Some(&format!("{TOKEN}-3")));
        check(&format!("invoice_{TOKEN}-3.2f1"), Some(&format!("{TOKEN}-3/1")));
        check("invoice_12345-3", None);
        check("item_70551", None);
        check("partner", None);
        check(&format!("invoice_{TOKEN}-3.2"), None);
        assert_eq!(token(&format!("{TOKEN}-3")).unwrap().as_str(), TOKEN);
    }
}
