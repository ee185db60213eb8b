//! The settings of this service.

use backbone::settings::{Mistake, Mistakes, Scope, ServiceUrl, Setting, Values};
use jiff::SignedDuration;
use odoo::{Client, Interface, Secret};
use odoo_poller::{Figures, Odoo, Pace, Poke, Polling, Webhooks};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// What is declared of Odoo and of the pace.
pub(crate) struct Declared {
    url: Setting<ServiceUrl>,
    database: Setting<String>,
    login: Setting<String>,
    interface: Setting<Interface>,
    key_file: Setting<PathBuf>,
    companies: Setting<Vec<String>>,
    timeout: Setting<Duration>,
    calls_per_second: Setting<u64>,
    poll: Setting<Duration>,
    overlap: Setting<Duration>,
    sweep: Setting<Duration>,
    webhook_listen: Setting<Option<SocketAddr>>,
    webhook_secret: Setting<Option<Uuid>>,
}

impl Declared {
    pub(crate) fn declare(mut scope: Scope<'_>) -> Self {
        let interfaces = [
            ("by-version", Interface::ByVersion),
            ("json-2", Interface::Json2),
            ("json-rpc", Interface::JsonRpc),
        ];
        Self {
            url: scope.url("odoo-url", "Odoo's address", &["http", "https"]).required(),
            database: scope.text("odoo-database", "name of Odoo's database").required(),
            login: scope.text("odoo-login", "the integration's user; for JSON-RPC only").default("admin"),
            interface: scope
                .choice("odoo-interface", "how Odoo is called; JSON-2 from Odoo 19 on", &interfaces)
                .default("by-version"),
            key_file: scope
                .path(
                    "odoo-api-key-file",
                    "file with an API key of the integration's user; read again when Odoo denies the key",
                )
                .required(),
            companies: scope
                .list(
                    "odoo-companies",
                    "database ids of the companies that are read, with commas, the one whose costs are told first; the user's \
                     own when left out",
                )
                .default(""),
            timeout: scope
                .duration("odoo-timeout", "how long one call may take; more than Odoo's own limit_time_real")
                .range(SECOND..=600 * SECOND)
                .default("130s"),
            calls_per_second: scope
                .number("odoo-calls-per-second", "calls to Odoo in a second at most, one at a time")
                .range(1..=1_000)
                .default("5"),
            poll: scope
                .duration("poll-interval", "how long Odoo is left alone between two looks")
                .range(SECOND / 10..=HOUR)
                .default("5s"),
            overlap: scope
                .duration(
                    "poll-overlap",
                    "how far each look reaches back; longer than any transaction of Odoo's (limit_time_real, \
                     limit_time_real_cron)",
                )
                .range(2 * SECOND..=HOUR)
                .default("300s"),
            sweep: scope
                .duration("sweep-interval", "how often all rows are listed, to find what was deleted or came late")
                .range(SECOND..=24 * HOUR)
                .default("1h"),
            webhook_listen: scope
                .address("webhook-listen", "address where Odoo's webhooks are heard, on loopback behind a proxy; none")
                .optional(),
            webhook_secret: scope
                .parsed("webhook-secret", "webhooks are POSTs to /poke/<this>", "a UUID, as uuidgen makes them")
                .optional(),
        }
    }

    pub(crate) fn polling(&self, values: &Values, figures: Figures) -> Result<Polling, Mistakes> {
        let mistake = |name, what| Mistakes(vec![Mistake::together(name, what)]);
        let key_file = values.get(&self.key_file).clone();
        let key = std::fs::read_to_string(&key_file).map_err(|_| {
            mistake("odoo-api-key-file", "the file cannot be read: name one that this process may read")
        })?;
        let companies: Result<Vec<i64>, _> =
            values.get(&self.companies).iter().map(|id| id.trim().parse()).collect();
        let companies = companies.map_err(|_| mistake("odoo-companies", "give database ids with commas"))?;
        let (url, database) = (values.get(&self.url), values.get(&self.database));
        let settings = odoo::Settings {
            answer_ms: u64::try_from(values.get(&self.timeout).as_millis()).unwrap_or(u64::MAX),
            concurrent: 1,
            apart_ms: 1_000 / values.get(&self.calls_per_second),
            login: values.get(&self.login).clone(),
            interface: *values.get(&self.interface),
            ..odoo::Settings::new(url.reveal().as_str(), database, Secret::new(&key))
        };
        let client = Client::new(&settings).map_err(|error| match error {
            odoo::SettingsError::Key => mistake("odoo-api-key-file", "the file holds no API key"),
            _ => mistake("odoo-url", "no client of Odoo can be made with this address and database name"),
        })?;
        if values.get(&self.webhook_listen).is_some() && values.get(&self.webhook_secret).is_none() {
            return Err(mistake("webhook-secret", "is needed with webhook-listen"));
        }
        Ok(Polling {
            odoo: Arc::new(Odoo::new(client, companies, signed(*values.get(&self.overlap)), key_file)),
            pace: Pace { poll: *values.get(&self.poll), sweep: signed(*values.get(&self.sweep)) },
            poke: Poke::default(),
            webhooks: self.webhooks(values),
            figures,
        })
    }

    fn webhooks(&self, values: &Values) -> Option<Webhooks> {
        let address = (*values.get(&self.webhook_listen))?;
        Some(Webhooks { address, secret: (*values.get(&self.webhook_secret))? })
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}
