//! Seeding: the records that a demonstration or a test needs in Odoo before there can be invoices.
//!
//! Repeatable, and it changes nothing that is there: everything goes through create-only `load`s; products that people made
//! under the same code are adopted by giving them our external id. The company, its currency and its chart of accounts are
//! Odoo's own: they are looked up, never made.

use crate::{Client, Context, Error, ExternalId, Known, LoadOutcome, LoadRecord, Maybe, Rejection, Search};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Records in one `load`.
const RECORDS_PER_LOAD: usize = 200;

/// What is to be there.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The company's currency, such as `USD`.
    pub currency: String,
    /// Name of the partner who pays what no payer covers.
    pub self_pay: String,
    /// Payers.
    pub payers: Vec<Named>,
    /// Charge products.
    pub items: Vec<Named>,
}

/// A code from elsewhere and a name for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The code: a payer's `ref`, a product's `default_code`.
    pub code: String,
    /// The name.
    pub name: String,
}

/// What is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeded {
    /// The company's database id: the first company.
    pub company: i64,
    /// Its currency's database id.
    pub currency: i64,
    /// Its sales journal's database id: the first one.
    pub journal: i64,
    /// How many records were not there before.
    pub created: usize,
    /// How many products of other people's were given our external id.
    pub adopted: usize,
}

/// Why seeding stopped. What was done stays; the same call again goes on.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// A code that makes no external id.
    #[error("a code is empty or too long")]
    Code,
    /// The company has another currency.
    #[error("the company's currency is not {wanted}: set it in odoo's settings before anything is posted")]
    Currency {
        /// The currency that was to be.
        wanted: String,
    },
    /// No company, no chart of accounts.
    #[error("odoo has no {what}: install its app 'account' and a chart of accounts")]
    Nothing {
        /// What is missing.
        what: &'static str,
    },
    /// Odoo does not answer, or does not let us.
    #[error(transparent)]
    Odoo(#[from] Error),
    /// Odoo does not take a record.
    #[error("odoo does not take a {model} of the seed")]
    Refused {
        /// The model.
        model: &'static str,
        /// Why.
        rejection: Rejection,
    },
    /// Another transaction was in the way.
    #[error("another transaction was in the way: again")]
    Retry,
}

/// `__vertebra__.partner_self_pay`: who pays what no payer covers.
pub fn self_pay_id() -> Result<ExternalId, SeedError> {
    ExternalId::ours("partner_self_pay").map_err(|_| SeedError::Code)
}

/// `__vertebra__.payer_<code>`.
pub fn payer_id(code: &str) -> Result<ExternalId, SeedError> {
    ExternalId::coded("payer", code).map_err(|_| SeedError::Code)
}

/// `__vertebra__.item_<code>`: the product of a charge code.
pub fn item_id(code: &str) -> Result<ExternalId, SeedError> {
    ExternalId::coded("item", code).map_err(|_| SeedError::Code)
}

/// How often another transaction may be in the way before a person is told.
const TRIES: u32 = 10;

/// Sees to it that everything in the plan is in Odoo. Somebody else may be doing the same at this moment.
pub async fn seed(client: &Client, plan: &Plan) -> Result<Seeded, SeedError> {
    for _ in 1..TRIES {
        match seed_once(client, plan).await {
            Err(SeedError::Retry) => {}
            seeded => return seeded,
        }
    }
    seed_once(client, plan).await
}

async fn seed_once(client: &Client, plan: &Plan) -> Result<Seeded, SeedError> {
    let (company, currency) = company(client, &plan.currency).await?;
    let journal = journal(client, company).await?;
    let mut partners = vec![(self_pay_id()?, String::new(), plan.self_pay.clone())];
    for payer in &plan.payers {
        partners.push((payer_id(&payer.code)?, payer.code.clone(), payer.name.clone()));
    }
    let mut items = vec![];
    for item in &plan.items {
        items.push((item_id(&item.code)?, item.code.clone(), item.name.clone()));
    }
    let partners = missing(client, partners).await?;
    let (items, adopted) = adopt(client, missing(client, items).await?).await?;
    let created = partners.len() + items.len();
    let rows = |(id, code, name): (ExternalId, String, String), kind: &str| {
        row([&id.to_string(), &name, &code, kind])
    };
    let partners = partners.into_iter().map(|partner| rows(partner, "1")).collect();
    let items = items.into_iter().map(|item| rows(item, "service")).collect();
    load(client, "res.partner", &["id", "name", "ref", "is_company"], partners).await?;
    load(client, "product.product", &["id", "name", "default_code", "type"], items).await?;
    Ok(Seeded { company, currency, journal, created, adopted })
}

/// Activates currencies besides the company's own; Odoo knows them all, but invoices only in active ones. How many were not.
pub async fn activate(client: &Client, currencies: &[&str]) -> Result<usize, SeedError> {
    #[derive(Deserialize)]
    struct Row {
        id: i64,
    }
    let domain = json!([["name", "in", currencies], ["active", "=", false]]);
    let search = Search { domain, fields: &["id"], order: "id", ..Search::default() };
    let rows: Vec<Row> = client.search_read("res.currency", &search, &Context::new()).await?;
    let ids: Vec<i64> = rows.into_iter().map(|row| row.id).collect();
    if !ids.is_empty() {
        let args = json!({"vals": {"active": true}});
        client.call::<Value>("res.currency", "write", &ids, args, &Context::new()).await?;
    }
    Ok(ids.len())
}

type Wanted = (ExternalId, String, String);

async fn company(client: &Client, currency: &str) -> Result<(i64, i64), SeedError> {
    #[derive(Deserialize)]
    struct Company {
        id: i64,
        currency_id: Maybe<crate::Link>,
    }
    #[derive(Deserialize)]
    struct Currency {
        name: String,
    }
    let context = Context::new();
    let search = Search { fields: &["currency_id"], order: "id", limit: Some(1), ..Search::default() };
    let companies: Vec<Company> = client.search_read("res.company", &search, &context).await?;
    let company = companies.first().ok_or(SeedError::Nothing { what: "company" })?;
    let id = company.currency_id.0.ok_or(SeedError::Nothing { what: "currency" })?.0;
    let found: Vec<Currency> = client.read("res.currency", &[id], &["name"], &context).await?;
    match found.first().is_some_and(|found| found.name == currency) {
        true => Ok((company.id, id)),
        false => Err(SeedError::Currency { wanted: currency.to_owned() }),
    }
}

async fn journal(client: &Client, company: i64) -> Result<i64, SeedError> {
    #[derive(Deserialize)]
    struct Row {
        id: i64,
    }
    let domain = json!([["type", "=", "sale"], ["company_id", "=", company], ["active", "=", true]]);
    let search = Search { domain, fields: &["id"], order: "id", limit: Some(1), ..Search::default() };
    let rows: Vec<Row> =
        client.search_read("account.journal", &search, &Context::new().companies(&[company])).await?;
    rows.first().map(|row| row.id).ok_or(SeedError::Nothing { what: "sales journal" })
}

async fn named(client: &Client, wanted: &[Wanted]) -> Result<BTreeMap<ExternalId, Known>, SeedError> {
    let ids: Vec<&ExternalId> = wanted.iter().map(|(id, ..)| id).collect();
    Ok(client.external_ids(&ids).await?)
}

/// Those whose external id names nothing yet; each once.
async fn missing(client: &Client, wanted: Vec<Wanted>) -> Result<Vec<Wanted>, SeedError> {
    let known = named(client, &wanted).await?;
    let mut seen = BTreeSet::new();
    Ok(wanted.into_iter().filter(|(id, ..)| !known.contains_key(id) && seen.insert(id.clone())).collect())
}

/// Gives our external id to products that have the code already; the rest is still to be made.
async fn adopt(client: &Client, items: Vec<Wanted>) -> Result<(Vec<Wanted>, usize), SeedError> {
    #[derive(Deserialize)]
    struct Row {
        id: i64,
        default_code: Maybe<String>,
    }
    if items.is_empty() {
        return Ok((items, 0));
    }
    let codes: Vec<&str> = items.iter().map(|(_, code, _)| code.as_str()).collect();
    let domain = json!([["default_code", "in", codes]]);
    let search = Search { domain, fields: &["default_code"], order: "id desc", ..Search::default() };
    let rows: Vec<Row> = client.search_read("product.product", &search, &Context::new()).await?;
    // Of several with one code, the oldest.
    let by_code: BTreeMap<String, i64> =
        rows.into_iter().filter_map(|row| Some((row.default_code.0?, row.id))).collect();
    let name = |(id, code, _): &Wanted| -> Option<Value> {
        let product = by_code.get(code)?;
        Some(json!({
            "module": id.module(), "name": id.name(), "model": "product.product", "res_id": product, "noupdate": true,
        }))
    };
    let names: Vec<Value> = items.iter().filter_map(name).collect();
    if !names.is_empty() {
        match client.create("ir.model.data", &names, &Context::new()).await {
            Ok(_) => {}
            Err(Error::Contended { .. }) => return Err(SeedError::Retry),
            // Somebody named one of them since it was found to be missing: what is missing is to be asked again.
            Err(Error::Refused { .. }) if !named(client, &items).await?.is_empty() => {
                return Err(SeedError::Retry);
            }
            Err(error) => return Err(error.into()),
        }
    }
    let rest = items.into_iter().filter(|(_, code, _)| !by_code.contains_key(code)).collect();
    Ok((rest, names.len()))
}

async fn load(
    client: &Client,
    model: &'static str,
    fields: &[&str],
    records: Vec<LoadRecord>,
) -> Result<(), SeedError> {
    for records in records.chunks(RECORDS_PER_LOAD) {
        let outcomes = client.load_bisected(model, fields, records, &Context::new().create_only()).await?;
        for outcome in outcomes {
            match outcome {
                LoadOutcome::Loaded(_) => {}
                LoadOutcome::Rejected(rejection) => return Err(SeedError::Refused { model, rejection }),
                LoadOutcome::Retry => return Err(SeedError::Retry),
            }
        }
    }
    Ok(())
}

fn row(cells: [&str; 4]) -> LoadRecord {
    LoadRecord { rows: vec![cells.iter().map(|cell| (*cell).to_owned().into()).collect()] }
}
