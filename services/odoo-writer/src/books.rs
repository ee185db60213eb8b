//! What Odoo says before anything is written: that it is the database that was confirmed, and which of the records that
//! invoices name are there. Asked for each batch anew, so that nothing remembered can be wrong.

mod reversed;

use crate::invoice::{
    Books, Currency, Place, PlaceSaid, Unplaced, names, place_said, reversed as reversed_by,
};
use crate::key::KeyError;
use canon::InvoiceRequest;
use odoo::invoice::{Ref, Taxes};
use odoo::seed::self_pay_id;
use odoo::{BadExternalId, Client, Context, ExternalId, Known, Search};
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

const ACCOUNT: &str = "account.account";
const COMPANY: &str = "res.company";
const JOURNAL: &str = "account.journal";
const TAX: &str = "account.tax";

/// What the installation says about every invoice.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Which database they may be written to.
    pub database: Database,
    /// Who invoices, where a request names nobody.
    pub company: Record,
    /// Of that company, where a request names none. None: the company's first sales journal.
    pub journal: Option<Record>,
    /// On every line of that company. Empty: no taxes. Another company's lines have none.
    pub taxes: Vec<ExternalId>,
    /// The income account of every line of that company. None, and for another company: the product's, or the journal's.
    pub account: Option<Record>,
}

/// A record that a setting names.
struct Named {
    record: Ref,
    model: &'static str,
    what: &'static str,
    setting: &'static str,
}

/// Which database invoices may be written to. A restored or copied one must not get a second set of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// Whichever is there: for demonstrations.
    Any,
    /// The one with this `database.uuid`.
    Confirmed(String),
    /// None: nobody has said yet which.
    Unconfirmed,
}

/// A record of Odoo's, as people name it in a configuration: `module.name`, or its database id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record(pub Ref);

impl FromStr for Record {
    type Err = BadExternalId;
    fn from_str(text: &str) -> Result<Self, BadExternalId> {
        match text.parse::<i64>() {
            Ok(id) => Ok(Self(Ref::Id(id))),
            Err(_) => text.parse::<ExternalId>().map(|id| Self(Ref::External(id))),
        }
    }
}

/// Why nothing can be written now, whatever the requests are. They wait in their place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Held {
    #[error("another transaction was in the way in odoo")]
    Contended,
    #[error(
        "odoo's database is {found}, and {expected} was confirmed: it may be a copy, or restored from a backup; once a \
         person has made sure, set VERTEBRA_ODOO_DATABASE_UUID={found}"
    )]
    Database { found: String, expected: String },
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("odoo has no {what}: {setting} names it")]
    Missing { what: &'static str, setting: &'static str },
    #[error(transparent)]
    Odoo(#[from] odoo::Error),
    #[error("odoo has no partner __vertebra__.partner_self_pay: seed it, or give a partner this external id")]
    SelfPay,
    #[error(
        "odoo's database is {found}: set VERTEBRA_ODOO_DATABASE_UUID={found} to confirm that invoices are to be written \
         to this one"
    )]
    Unconfirmed { found: String },
}

/// Asks what drafts of these requests need.
pub(crate) async fn ask(client: &Client, terms: &Terms, requests: &[&InvoiceRequest]) -> Result<Books, Held> {
    let self_pay = self_pay_id().map_err(|_| Held::SelfPay)?;
    let mut names: BTreeSet<ExternalId> = requests.iter().flat_map(|request| names(request)).collect();
    names.insert(self_pay.clone());
    let said = requests.iter().flat_map(|request| [&request.company, &request.journal]);
    let said = said.filter_map(|text| text.as_deref()?.parse::<Record>().ok()).chain([terms.company.clone()]);
    let said = said.map(|record| record.0).chain(terms.named().into_iter().map(|named| named.record));
    names.extend(said.filter_map(|record| match record {
        Ref::External(id) => Some(id),
        Ref::Id(_) => None,
    }));
    let asked: Vec<&ExternalId> = names.iter().collect();
    let (uuid, known, currencies) =
        tokio::try_join!(client.database_uuid(), client.external_ids(&asked), currencies(client, requests))?;
    terms.database.check(uuid)?;
    if !known.contains_key(&self_pay) {
        return Err(Held::SelfPay);
    }
    terms.check(client, &known).await?;
    let places = places(client, terms, requests, &known).await?;
    let reversed: Vec<ExternalId> = requests.iter().filter_map(|request| reversed_by(request)).collect();
    let reversed = match reversed.is_empty() {
        true => BTreeMap::new(),
        false => reversed::as_they_are(client, companies(&places), &reversed).await?,
    };
    Ok(Books { places, self_pay, currencies, known, reversed })
}

impl Terms {
    /// What the settings name, but for the company.
    fn named(&self) -> Vec<Named> {
        let named =
            |record: &Ref, model, what, setting| Named { record: record.clone(), model, what, setting };
        let journal = self.journal.iter().map(|it| named(&it.0, JOURNAL, "such journal", "odoo-journal"));
        let account =
            self.account.iter().map(|it| named(&it.0, ACCOUNT, "such account", "odoo-income-account"));
        let taxes = self.taxes.iter().map(|id| named(&id.clone().into(), TAX, "such tax", "odoo-taxes"));
        journal.chain(account).chain(taxes).collect()
    }

    /// Whether all of that is there. Were it left to Odoo, it would refuse each request for what the settings say.
    async fn check(&self, client: &Client, known: &BTreeMap<ExternalId, Known>) -> Result<(), Held> {
        for Named { record, model, what, setting } in self.named() {
            let is_there = match &record {
                Ref::External(id) => known.get(id).is_some_and(|known| known.model == model),
                Ref::Id(id) => !found(client, model, json!([["id", "=", id]])).await?.is_empty(),
            };
            if !is_there {
                return Err(Held::Missing { what, setting });
            }
        }
        Ok(())
    }

    /// A place in that company, or in another one: an account and taxes are their company's, as a journal is.
    fn place(&self, company: i64, journal: Ref, is_own: bool) -> Place {
        let taxes = match is_own && !self.taxes.is_empty() {
            true => Taxes::Named(self.taxes.clone()),
            false => Taxes::None,
        };
        let account = self.account.as_ref().filter(|_| is_own).map(|account| account.0.clone());
        Place { company, journal, taxes, account }
    }
}

impl Database {
    fn check(&self, found: String) -> Result<(), Held> {
        match self {
            Self::Any => Ok(()),
            Self::Confirmed(expected) if *expected == found => Ok(()),
            Self::Confirmed(expected) => Err(Held::Database { found, expected: expected.clone() }),
            Self::Unconfirmed => Err(Held::Unconfirmed { found }),
        }
    }
}

/// Every company that the batch's requests go to.
pub(crate) fn companies(places: &BTreeMap<PlaceSaid, Result<Place, Unplaced>>) -> Vec<i64> {
    let companies: BTreeSet<i64> = places.values().flatten().map(|place| place.company).collect();
    companies.into_iter().collect()
}

async fn places(
    client: &Client,
    terms: &Terms,
    requests: &[&InvoiceRequest],
    known: &BTreeMap<ExternalId, Known>,
) -> Result<BTreeMap<PlaceSaid, Result<Place, Unplaced>>, Held> {
    let own = id_of(&terms.company, COMPANY, known);
    let said: BTreeSet<PlaceSaid> = requests.iter().map(|request| place_said(request)).collect();
    let named =
        said.iter().filter_map(|(company, _)| id_of(&company.as_ref()?.parse().ok()?, COMPANY, known));
    // Asked with no company in force: where one that is not there is among those of a call, Odoo denies all of it, and
    // every request of the batch would wait for the one that names it.
    let named: BTreeSet<i64> = named.chain(own).collect();
    let usable = found(client, COMPANY, json!([["id", "in", named], ["active", "=", true]])).await?;
    let no_company = Held::Missing { what: "such company", setting: "odoo-company" };
    let own = own.filter(|own| usable.contains(own)).ok_or(no_company)?;
    let mut places = BTreeMap::new();
    for said in said {
        let place = match as_said(&said, own, terms, known, &usable) {
            Ok((company, Some(journal))) => Ok(terms.place(company, journal, company == own)),
            Ok((company, None)) => match first_sales_journal(client, company).await? {
                Some(journal) => Ok(terms.place(company, Ref::Id(journal), company == own)),
                None if company == own => {
                    let what = "sales journal for the company";
                    return Err(Held::Missing { what, setting: "odoo-journal" });
                }
                None => Err(Unplaced::NoJournal { company }),
            },
            Err(unplaced) => Err(unplaced),
        };
        places.insert(said, place);
    }
    Ok(places)
}

/// Company and journal as far as somebody names them. The journal of the settings is the own company's.
fn as_said(
    (company, journal): &PlaceSaid,
    own: i64,
    terms: &Terms,
    known: &BTreeMap<ExternalId, Known>,
    usable: &BTreeSet<i64>,
) -> Result<(i64, Option<Ref>), Unplaced> {
    let find = |text: &str, model| id_of(&text.parse().ok()?, model, known);
    let company = match company {
        None => own,
        Some(text) => {
            let found = find(text, COMPANY).filter(|company| usable.contains(company));
            found.ok_or_else(|| Unplaced::Company { company: text.clone() })?
        }
    };
    let journal = match journal {
        None => terms.journal.as_ref().filter(|_| company == own).map(|journal| journal.0.clone()),
        Some(text) => {
            let found = find(text, JOURNAL);
            Some(Ref::Id(found.ok_or_else(|| Unplaced::Journal { journal: text.clone() })?))
        }
    };
    Ok((company, journal))
}

/// A record's database id; none of an external id that is another model's, or nobody's.
fn id_of(record: &Record, model: &str, known: &BTreeMap<ExternalId, Known>) -> Option<i64> {
    match &record.0 {
        Ref::Id(id) => Some(*id),
        Ref::External(id) => known.get(id).filter(|known| known.model == model).map(|known| known.id),
    }
}

/// The ids of a domain's records, of those that the key's user sees.
async fn found(
    client: &Client,
    model: &str,
    domain: serde_json::Value,
) -> Result<BTreeSet<i64>, odoo::Error> {
    #[derive(Deserialize)]
    struct Row {
        id: i64,
    }
    let search = Search { domain, fields: &["id"], order: "id", ..Search::default() };
    let rows: Vec<Row> = client.search_read(model, &search, &Context::new()).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

async fn first_sales_journal(client: &Client, company: i64) -> Result<Option<i64>, odoo::Error> {
    #[derive(Deserialize)]
    struct Row {
        id: i64,
    }
    let domain = json!([["type", "=", "sale"], ["company_id", "=", company], ["active", "=", true]]);
    let search = Search { domain, fields: &["id"], order: "id", limit: Some(1), offset: 0 };
    let context = Context::new().companies(&[company]);
    let rows: Vec<Row> = client.search_read(JOURNAL, &search, &context).await?;
    Ok(rows.first().map(|row| row.id))
}

/// The active currencies among those that the requests name.
async fn currencies(
    client: &Client,
    requests: &[&InvoiceRequest],
) -> Result<BTreeMap<String, Currency>, odoo::Error> {
    #[derive(Deserialize)]
    struct Row {
        id: i64,
        name: String,
        decimal_places: u32,
    }
    let codes: BTreeSet<&str> = requests.iter().map(|request| request.currency.as_str()).collect();
    let domain = json!([["name", "in", codes], ["active", "=", true]]);
    let search = Search { domain, fields: &["name", "decimal_places"], order: "id", ..Search::default() };
    let rows: Vec<Row> = client.search_read("res.currency", &search, &Context::new()).await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.name, Currency { id: row.id, decimals: row.decimal_places }))
        .collect())
}
