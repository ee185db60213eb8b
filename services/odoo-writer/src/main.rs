//! `odoo-writer`: makes the invoices that are requested, each once.
//!
//! Consumes `billing.invoice-request.v1`, publishes nothing of its own. Writes customer invoices into Odoo by a
//! create-only `load`, reads them back, compares and posts them; never changes or deletes a record there.

use backbone::service::{Service, Work};
use backbone::settings::{Mistake, Mistakes, Scope, ServiceUrl, Setting, Values};
use odoo::{Client, ExternalId};
use odoo_writer::{Database, KeyFile, Portion, Record, Terms, Writer};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Lines of one `load` at most, which Odoo needs about 10 s for.
const LINES_PER_LOAD_MAX: usize = 500;

fn main() -> ExitCode {
    let mut service = Service::new("odoo-writer", "makes the invoices that are requested, each once");
    let ledger = service.ledger();
    let declared = Declared::declare(service.settings().group("Odoo"));
    service.run(|values| Ok(Work::with_ledger(ledger.values(values)).sink(declared.writer(values)?)))
}

/// The settings of this service.
struct Declared {
    url: Setting<ServiceUrl>,
    database: Setting<String>,
    database_uuid: Setting<Option<String>>,
    key_file: Setting<PathBuf>,
    company: Setting<Record>,
    journal: Setting<Option<Record>>,
    account: Setting<Option<Record>>,
    taxes: Setting<Vec<String>>,
    requests_max: Setting<usize>,
    concurrency: Setting<usize>,
    timeout: Setting<Duration>,
}

impl Declared {
    fn declare(mut scope: Scope<'_>) -> Self {
        const RECORD: &str = "an external id such as base.main_company, or a database id";
        Self {
            url: scope.url("odoo-url", "Odoo's address", &["http", "https"]).required(),
            database: scope.text("odoo-database", "name of Odoo's database").required(),
            database_uuid: scope
                .text(
                    "odoo-database-uuid",
                    "database.uuid of the database that invoices are to be written to; nothing is written before a person \
                     has confirmed it here, and the log says which one is there; \"any\" for demonstrations",
                )
                .optional(),
            key_file: scope
                .path(
                    "odoo-api-key-file",
                    "file with an API key of the integration's user; read again when Odoo denies the key",
                )
                .required(),
            company: scope.parsed("odoo-company", "the company that invoices", RECORD).default("base.main_company"),
            journal: scope
                .parsed("odoo-journal", "the journal of that company's invoices; its first sales journal when left out", RECORD)
                .optional(),
            account: scope
                .parsed("odoo-income-account", "account of that company's lines; the product's or the journal's when left out, and in another company", RECORD)
                .optional(),
            taxes: scope
                .list("odoo-taxes", "external ids of the taxes of that company's lines, with commas; none when left out, and in another company")
                .default(""),
            requests_max: scope.number("odoo-requests-max", "invoices that one load takes at most").range(1..=200).default("20"),
            concurrency: scope.number("odoo-concurrency", "calls to Odoo at a time").range(1..=32).default("2"),
            timeout: scope
                .duration("odoo-timeout", "how long one call may take; more than Odoo's own limit_time_real")
                .range(Duration::from_secs(1)..=Duration::from_secs(600))
                .default("130s"),
        }
    }

    fn writer(&self, values: &Values) -> Result<Writer, Mistakes> {
        let mistake = |name, what| Mistakes(vec![Mistake::together(name, what)]);
        let key = KeyFile::open(values.get(&self.key_file).clone()).map_err(|_| {
            mistake("odoo-api-key-file", "the file cannot be read: name one that this process may read")
        })?;
        let timeout = values.get(&self.timeout);
        let (url, database): (&ServiceUrl, &String) = (values.get(&self.url), values.get(&self.database));
        let settings = odoo::Settings {
            answer_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
            concurrent: *values.get(&self.concurrency),
            ..odoo::Settings::new(url.reveal().as_str(), database, key.key())
        };
        let client = Client::new(&settings).map_err(|error| match error {
            odoo::SettingsError::Key => mistake("odoo-api-key-file", "the file holds no API key"),
            _ => mistake("odoo-url", "no client of Odoo can be made with this address and database name"),
        })?;
        let portion =
            Portion { requests_max: *values.get(&self.requests_max), lines_max: LINES_PER_LOAD_MAX };
        Ok(Writer::new(client, key, self.terms(values)?, portion))
    }

    fn terms(&self, values: &Values) -> Result<Terms, Mistakes> {
        let bad = |_| {
            Mistakes(vec![Mistake::together("odoo-taxes", "give external ids, module.name, with commas")])
        };
        let taxes: Result<Vec<ExternalId>, _> = values.get(&self.taxes).iter().map(|id| id.parse()).collect();
        Ok(Terms {
            database: match values.get(&self.database_uuid).as_deref() {
                None => Database::Unconfirmed,
                Some("any") => Database::Any,
                Some(uuid) => Database::Confirmed(uuid.trim().to_owned()),
            },
            company: values.get(&self.company).clone(),
            journal: values.get(&self.journal).clone(),
            taxes: taxes.map_err(bad)?,
            account: values.get(&self.account).clone(),
        })
    }
}
