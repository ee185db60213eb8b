//! The way to the ledger's report tables: sums made where the rows are, so that books of millions of visits are a page.

use super::{Account, Books, Diverged, Sums, Unbilled};
use backbone::settings::ServiceUrl;
use canon::codec::{self, WriterSchema};
use canon::{Change, Charge, Event, Money};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_postgres::{Client, Config, NoTls, Row};

/// The schema of the ledger that has the report tables.
const SCHEMA: &str = "billing_projector";

const ACCOUNTS: &str = "SELECT sender, facility, day, currency, sum(charges_count)::bigint, sum(charges)::text, \
    sum(carried)::text, sum(unbilled)::text, sum(requested)::text, sum(draft)::text, sum(posted)::text, \
    sum(cancelled)::text, sum(deleted)::text, \
    sum(abs(charges + carried - unbilled - requested - draft - posted - cancelled - deleted))::text \
    FROM billing_account GROUP BY 1, 2, 3, 4";

const UNBILLED: &str = "SELECT coalesce(facility, ''), currency, state, days, count(*), sum(amount)::text FROM (\
    SELECT *, CASE WHEN age < 4 THEN '0-3' WHEN age < 8 THEN '4-7' WHEN age < 31 THEN '8-30' WHEN age < 91 THEN '31-90' \
    ELSE '91+' END AS days FROM (SELECT *, extract(day FROM now() - since) AS age FROM billing_unbilled) aged) bucketed \
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, min(age)";

const DIVERGED: &str = "SELECT request, coalesce(facility, ''), coalesce(owner, ''), \
    to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), what, currency, amount::text \
    FROM billing_diverged ORDER BY since, request";

const DIVERGED_SUMS: &str =
    "SELECT coalesce(facility, ''), currency, sum(amount)::text FROM billing_diverged GROUP BY 1, 2";

const CHARGES: &str = "SELECT \"row\", amount::text FROM billing_charge WHERE \"row\" = ANY($1)";

const ASIDE: &str = "SELECT value, true FROM parked WHERE processor = 'billing-case' AND topic = 'billing.charge.v1' \
    UNION ALL SELECT was, false FROM decision \
    WHERE processor = 'billing-case' AND topic = 'billing.charge.v1' AND value IS NULL";

const PARKED: &str = "SELECT reason, count(*) FROM parked WHERE processor = 'billing-case' GROUP BY 1";

/// The books cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BooksError {
    /// The database cannot be used.
    #[error("the ledger cannot be read")]
    Database(#[source] tokio_postgres::Error),
    /// A sum that is none.
    #[error("a sum of the ledger has more than 18 digits")]
    Sum,
    /// The URL is not one that the driver understands. (Its own words could quote a password.)
    #[error("the database's URL cannot be used: postgres://user@host:5432/name is expected")]
    Url,
}

/// A sender, a facility's code (empty where none is said) and a currency.
pub type Whose = (String, String, String);

/// What stands beside the accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Aside {
    /// What waits for a person.
    pub parked: Money,
    /// What a person gave up.
    pub discarded: Money,
}

/// Reads the books.
pub struct Reader {
    client: Client,
}

impl Reader {
    /// Connects, for reading.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn connect(url: &ServiceUrl) -> Result<Self, BooksError> {
        Self::within(url, SCHEMA).await
    }

    /// Connects to the same tables in another schema.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn within(url: &ServiceUrl, schema: &str) -> Result<Self, BooksError> {
        let mut config: Config = url.reveal().as_str().parse().map_err(|_| BooksError::Url)?;
        config.connect_timeout(Duration::from_secs(5)).application_name("vertebra/books");
        let (client, connection) = config.connect(NoTls).await.map_err(BooksError::Database)?;
        // It ends with the client; what went wrong on it, the client's next call says.
        drop(tokio::spawn(connection));
        let session = format!(
            "SET search_path = {schema}; SET default_transaction_read_only = on; SET statement_timeout = '60s'"
        );
        client.batch_execute(&session).await.map_err(BooksError::Database)?;
        Ok(Self { client })
    }

    /// Everything, as of one moment.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn books(&mut self) -> Result<Books, BooksError> {
        let moment =
            self.client.build_transaction().isolation_level(tokio_postgres::IsolationLevel::RepeatableRead);
        let moment = moment.start().await.map_err(BooksError::Database)?;
        let rows = async |sql| moment.query(sql, &[]).await.map_err(BooksError::Database);
        let accounts = rows(ACCOUNTS).await?.iter().map(account).collect::<Result<_, _>>()?;
        let unbilled = rows(UNBILLED).await?.iter().map(unbilled).collect::<Result<_, _>>()?;
        let diverged = rows(DIVERGED).await?.iter().map(diverged).collect::<Result<_, _>>()?;
        let parked = rows(PARKED).await?.iter().map(parked).collect::<Result<_, _>>()?;
        Ok(Books { accounts, unbilled, diverged, parked })
    }

    /// What the books have of single charges, by visit and charge.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn charges(&self, keys: &[String]) -> Result<BTreeMap<String, Money>, BooksError> {
        let rows = self.client.query(CHARGES, &[&keys]).await.map_err(BooksError::Database)?;
        rows.iter().map(|row| Ok((get(row, 0)?, money(row, 1)?))).collect()
    }

    /// What charges come to that are parked or were given up; of a correction, what it changes. What this build cannot read is
    /// left out: it counts as parked all the same.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn aside(&self) -> Result<BTreeMap<Whose, Aside>, BooksError> {
        let rows = self.client.query(ASIDE, &[]).await.map_err(BooksError::Database)?;
        let Ok(writer) = WriterSchema::parse(Charge::SCHEMA) else { return Ok(BTreeMap::new()) };
        let mut charges: BTreeMap<String, (Charge, bool)> = BTreeMap::new();
        for row in &rows {
            let (value, is_parked): (Option<&[u8]>, bool) = (get(row, 0)?, get(row, 1)?);
            let body = value.and_then(|value| Some(codec::split(value).ok()?.1));
            if let Some(charge) = body.and_then(|body| codec::decode::<Charge>(&writer, body).ok()) {
                // Of several words on one charge the last one counts.
                charges.insert(format!("{}/{}", charge.encounter, charge.charge), (charge, is_parked));
            }
        }
        let booked = self.charges(&charges.keys().cloned().collect::<Vec<_>>()).await?;
        let mut aside: BTreeMap<Whose, Aside> = BTreeMap::new();
        for (key, (charge, is_parked)) in charges {
            let said = if charge.change == Change::Withdrawn { Money::ZERO } else { charge.amount };
            let changes = Money::sum([said, -booked.get(&key).copied().unwrap_or_default()]);
            let whose = (charge.sender, charge.facility.unwrap_or_default(), charge.currency);
            let sums = aside.entry(whose).or_default();
            let sum = if is_parked { &mut sums.parked } else { &mut sums.discarded };
            *sum = Money::sum([*sum, changes.ok_or(BooksError::Sum)?]).ok_or(BooksError::Sum)?;
        }
        Ok(aside)
    }

    /// The accounts alone.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn accounts(&self) -> Result<BTreeMap<Account, Sums>, BooksError> {
        let rows = self.client.query(ACCOUNTS, &[]).await.map_err(BooksError::Database)?;
        rows.iter().map(account).collect()
    }

    /// By how much requests diverged, by facility and currency; nothing where none did.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn diverged(&self) -> Result<BTreeMap<(String, String), Money>, BooksError> {
        let rows = self.client.query(DIVERGED_SUMS, &[]).await.map_err(BooksError::Database)?;
        rows.iter().map(|row| Ok(((get(row, 0)?, get(row, 1)?), money(row, 2)?))).collect()
    }
}

fn account(row: &Row) -> Result<(Account, Sums), BooksError> {
    let account =
        Account { sender: get(row, 0)?, facility: get(row, 1)?, day: get(row, 2)?, currency: get(row, 3)? };
    let sums = Sums {
        count: get(row, 4)?,
        charges: money(row, 5)?,
        carried: money(row, 6)?,
        unbilled: money(row, 7)?,
        requested: money(row, 8)?,
        draft: money(row, 9)?,
        posted: money(row, 10)?,
        cancelled: money(row, 11)?,
        deleted: money(row, 12)?,
        missing: money(row, 13)?,
    };
    Ok((account, sums))
}

fn unbilled(row: &Row) -> Result<Unbilled, BooksError> {
    Ok(Unbilled {
        facility: get(row, 0)?,
        currency: get(row, 1)?,
        state: get(row, 2)?,
        days: get(row, 3)?,
        count: get(row, 4)?,
        amount: money(row, 5)?,
    })
}

fn diverged(row: &Row) -> Result<Diverged, BooksError> {
    Ok(Diverged {
        request: get(row, 0)?,
        facility: get(row, 1)?,
        owner: get(row, 2)?,
        since: get(row, 3)?,
        what: get(row, 4)?,
        currency: get(row, 5)?,
        amount: money(row, 6)?,
    })
}

fn parked(row: &Row) -> Result<(String, i64), BooksError> {
    Ok((get(row, 0)?, get(row, 1)?))
}

fn get<'r, T: tokio_postgres::types::FromSql<'r>>(row: &'r Row, column: usize) -> Result<T, BooksError> {
    row.try_get(column).map_err(BooksError::Database)
}

fn money(row: &Row, column: usize) -> Result<Money, BooksError> {
    get::<&str>(row, column)?.parse().map_err(|_| BooksError::Sum)
}
