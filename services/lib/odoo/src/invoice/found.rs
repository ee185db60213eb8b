//! What Odoo has under an invoice's external id.

use super::Invoices;
use super::draft::Ref;
use super::plan::{LINE, MOVE};
use crate::{Context, Error, Exact, ExternalId, Hidden, Link, Maybe, Search};
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const MOVE_FIELDS: [&str; 14] = [
    "name",
    "state",
    "payment_state",
    "move_type",
    "company_id",
    "journal_id",
    "partner_id",
    "currency_id",
    "invoice_date",
    "ref",
    "reversed_entry_id",
    "amount_untaxed",
    "amount_total",
    "amount_residual",
];
const LINE_FIELDS: [&str; 8] =
    ["move_id", "product_id", "name", "quantity", "price_unit", "price_subtotal", "tax_ids", "account_id"];

/// An invoice in Odoo, with exact amounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundInvoice {
    /// Database id.
    pub id: i64,
    /// Such as `INV/2026/00001`; a draft has none.
    pub number: Option<String>,
    /// Draft, posted or cancelled.
    pub state: MoveState,
    /// Such as `not_paid`, `in_payment`, `paid`, `partial`, `reversed`.
    pub payment_state: String,
    /// Such as `out_invoice`.
    pub move_type: String,
    /// The company's database id.
    pub company: i64,
    /// The journal.
    pub journal: FoundRef,
    /// Who is to pay.
    pub partner: Option<FoundRef>,
    /// The currency.
    pub currency: FoundRef,
    /// The invoice's date.
    pub invoice_date: Option<Date>,
    /// The reference for people.
    pub reference: Option<Hidden<String>>,
    /// Of a credit note: the invoice that it reverses.
    pub reverses: Option<FoundRef>,
    /// Without taxes.
    pub untaxed: Decimal,
    /// With taxes.
    pub total: Decimal,
    /// Not yet paid.
    pub residual: Decimal,
    /// Lines of products (no sections, notes, taxes or payment terms), by database id.
    pub lines: Vec<FoundLine>,
}

/// A line in Odoo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundLine {
    /// Database id.
    pub id: i64,
    /// Its external ids; none: a person added it.
    pub external: Vec<ExternalId>,
    /// The product.
    pub product: Option<FoundRef>,
    /// The line's text.
    pub name: Option<Hidden<String>>,
    /// How many.
    pub quantity: Decimal,
    /// In the invoice's currency.
    pub price_unit: Decimal,
    /// Quantity times price less discount, rounded by Odoo, without taxes.
    pub subtotal: Decimal,
    /// The taxes.
    pub taxes: Vec<FoundRef>,
    /// The income account.
    pub account: Option<FoundRef>,
}

/// A record that another one names, with all external ids it has: merged partners have several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRef {
    /// Database id.
    pub id: i64,
    /// External ids, of any module.
    pub external: Vec<ExternalId>,
}

impl FoundRef {
    /// Whether this is the record meant.
    pub fn is(&self, meant: &Ref) -> bool {
        match meant {
            Ref::External(id) => self.external.contains(id),
            Ref::Id(id) => self.id == *id,
        }
    }
}

/// An invoice's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MoveState {
    /// Not yet in the books.
    Draft,
    /// In the books.
    Posted,
    /// Cancelled by a person.
    Cancel,
}

#[derive(Deserialize)]
struct MoveRow {
    id: i64,
    name: Maybe<String>,
    state: MoveState,
    payment_state: Maybe<String>,
    move_type: String,
    company_id: Link,
    journal_id: Link,
    partner_id: Maybe<Link>,
    currency_id: Link,
    invoice_date: Maybe<Date>,
    #[serde(rename = "ref")]
    reference: Maybe<String>,
    reversed_entry_id: Maybe<Link>,
    amount_untaxed: Exact,
    amount_total: Exact,
    amount_residual: Exact,
}

#[derive(Deserialize)]
struct LineRow {
    id: i64,
    move_id: Link,
    product_id: Maybe<Link>,
    name: Maybe<String>,
    quantity: Exact,
    price_unit: Exact,
    price_subtotal: Exact,
    tax_ids: Vec<i64>,
    account_id: Maybe<Link>,
}

/// External ids by model and database id.
struct Names(BTreeMap<(String, i64), Vec<ExternalId>>);

impl Invoices {
    /// The invoices under these external ids, as they are now; what does not exist is left out.
    pub async fn read_back(
        &self,
        external_ids: &[ExternalId],
    ) -> Result<BTreeMap<ExternalId, FoundInvoice>, Error> {
        let external_ids: Vec<&ExternalId> = external_ids.iter().collect();
        let known = self.client.external_ids(&external_ids).await?;
        let known: BTreeMap<ExternalId, i64> = known
            .into_iter()
            .filter(|(_, known)| known.model == MOVE)
            .map(|(name, known)| (name, known.id))
            .collect();
        let ids: Vec<i64> = known.values().copied().collect();
        let moves: Vec<MoveRow> = self.client.read(MOVE, &ids, &MOVE_FIELDS, &self.context()).await?;
        let lines = self.lines_of(&moves).await?;
        let names = self.names(&moves, &lines).await?;
        let found = assemble(moves, lines, &names);
        Ok(known.into_iter().filter_map(|(name, id)| Some((name, found.get(&id)?.clone()))).collect())
    }

    async fn lines_of(&self, moves: &[MoveRow]) -> Result<Vec<LineRow>, Error> {
        if moves.is_empty() {
            return Ok(vec![]);
        }
        let ids: Vec<i64> = moves.iter().map(|row| row.id).collect();
        let domain = json!([["move_id", "in", ids], ["display_type", "=", "product"]]);
        let search = Search { domain, fields: &LINE_FIELDS, order: "id", ..Search::default() };
        self.client.search_read(LINE, &search, &self.context()).await
    }

    /// One question for the external ids of all that the rows name. It may bring a few more, of records of another model
    /// with the same number.
    async fn names(&self, moves: &[MoveRow], lines: &[LineRow]) -> Result<Names, Error> {
        if moves.is_empty() {
            return Ok(Names(BTreeMap::new()));
        }
        let mut ids: BTreeSet<i64> = BTreeSet::new();
        for row in moves {
            ids.extend([row.journal_id.0, row.currency_id.0]);
            ids.extend(
                [&row.partner_id, &row.reversed_entry_id]
                    .into_iter()
                    .filter_map(|link| link.0.map(|link| link.0)),
            );
        }
        for row in lines {
            ids.insert(row.id);
            ids.extend(&row.tax_ids);
            ids.extend(
                [&row.product_id, &row.account_id].into_iter().filter_map(|link| link.0.map(|link| link.0)),
            );
        }
        let models = [
            LINE,
            MOVE,
            "account.account",
            "account.journal",
            "account.tax",
            "product.product",
            "res.currency",
            "res.partner",
        ];
        let domain = json!([["model", "in", models], ["res_id", "in", ids]]);
        let mut names = BTreeMap::<_, Vec<_>>::new();
        for (name, known) in self.client.external_id_rows(domain).await? {
            names.entry((known.model, known.id)).or_default().push(name);
        }
        Ok(Names(names))
    }
}

fn assemble(moves: Vec<MoveRow>, lines: Vec<LineRow>, names: &Names) -> BTreeMap<i64, FoundInvoice> {
    let mut lines_of = BTreeMap::<i64, Vec<FoundLine>>::new();
    for row in lines {
        lines_of.entry(row.move_id.0).or_default().push(FoundLine {
            id: row.id,
            external: names.of(LINE, row.id),
            product: names.link("product.product", row.product_id),
            name: row.name.0.map(Hidden::new),
            quantity: row.quantity.0,
            price_unit: row.price_unit.0,
            subtotal: row.price_subtotal.0,
            taxes: row.tax_ids.iter().map(|id| names.found("account.tax", *id)).collect(),
            account: names.link("account.account", row.account_id),
        });
    }
    let invoice = |row: MoveRow| FoundInvoice {
        id: row.id,
        number: row.name.0,
        state: row.state,
        payment_state: row.payment_state.0.unwrap_or_default(),
        move_type: row.move_type,
        company: row.company_id.0,
        journal: names.found("account.journal", row.journal_id.0),
        partner: names.link("res.partner", row.partner_id),
        currency: names.found("res.currency", row.currency_id.0),
        invoice_date: row.invoice_date.0,
        reference: row.reference.0.map(Hidden::new),
        reverses: names.link(MOVE, row.reversed_entry_id),
        untaxed: row.amount_untaxed.0,
        total: row.amount_total.0,
        residual: row.amount_residual.0,
        lines: lines_of.remove(&row.id).unwrap_or_default(),
    };
    moves.into_iter().map(invoice).map(|invoice| (invoice.id, invoice)).collect()
}

impl Names {
    fn of(&self, model: &str, id: i64) -> Vec<ExternalId> {
        self.0.get(&(model.to_owned(), id)).cloned().unwrap_or_default()
    }

    fn found(&self, model: &str, id: i64) -> FoundRef {
        FoundRef { id, external: self.of(model, id) }
    }

    fn link(&self, model: &str, link: Maybe<Link>) -> Option<FoundRef> {
        link.0.map(|link| self.found(model, link.0))
    }
}

/// Puts together whatever can be read as rows of moves or lines.
#[cfg(any(test, fuzzing))]
pub(crate) fn found_rows(body: &[u8]) {
    let moves: Option<Vec<MoveRow>> = serde_json::from_slice(body).ok();
    let lines: Option<Vec<LineRow>> = serde_json::from_slice(body).ok();
    let ids = moves.iter().flatten().map(|row| row.id).collect::<BTreeSet<i64>>();
    let found = assemble(moves.unwrap_or_default(), lines.unwrap_or_default(), &Names(BTreeMap::new()));
    assert!(found.keys().eq(&ids), "each move is found under its id");
}

/// The states of moves, of those that exist.
pub(super) async fn states(invoices: &Invoices, ids: &[i64]) -> Result<BTreeMap<i64, MoveState>, Error> {
    #[derive(Deserialize)]
    struct Row {
        id: i64,
        state: MoveState,
    }
    let context: Context = invoices.context();
    let rows: Vec<Row> = invoices.client.read(MOVE, ids, &["state"], &context).await?;
    Ok(rows.into_iter().map(|row| (row.id, row.state)).collect())
}
