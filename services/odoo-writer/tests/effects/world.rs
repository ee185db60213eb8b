//! A fake Odoo with a seed, and a writer on it.

use crate::sample::request;
use canon::InvoiceRequest;
use odoo::fake::Server;
use odoo::invoice::Ref;
use odoo::seed::{Named, Plan, seed};
use odoo::{Client, Context, Exact, ExternalId, Link, Maybe, Search, Secret};
use odoo_writer::{Database, KeyFile, Portion, Record, Terms, Writer};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a call may take, in a world where one is stalled.
pub(crate) const SHORT_ANSWER_MS: u64 = 250;
/// How long it may take elsewhere: longer than a busy machine takes.
const ANSWER_MS: u64 = 30_000;

/// A fake Odoo, a person's client of it, and the file with the writer's API key.
pub(crate) struct World {
    pub(crate) odoo: Server,
    pub(crate) person: Client,
    pub(crate) key_file: PathBuf,
    /// How long its writers wait for an answer.
    pub(crate) answer_ms: u64,
}

/// One invoice as a person sees it: a duplicate shows, whatever its external ids are.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) id: i64,
    /// State, sum, and the sums of the lines.
    pub(crate) text: String,
}

impl World {
    /// With the products 4711 and 4712, the payer AOK and the self-pay partner.
    pub(crate) async fn seeded() -> Self {
        let world = Self::empty().await;
        world.seed().await;
        world
    }

    /// Without them.
    pub(crate) async fn empty() -> Self {
        let odoo = Server::start().await.unwrap();
        let person = odoo.client().unwrap();
        let key_file = std::env::temp_dir().join(format!("odoo-writer-key-{}", uuid::Uuid::new_v4()));
        std::fs::write(&key_file, odoo::fake::KEY).unwrap();
        Self { odoo, person, key_file, answer_ms: ANSWER_MS }
    }

    pub(crate) async fn seed(&self) {
        self.seed_payer("AOK").await;
    }

    /// With this payer's partner.
    pub(crate) async fn seed_payer(&self, payer: &str) {
        let named = |code: &str| Named { code: code.to_owned(), name: format!("name of {code}") };
        let plan = Plan {
            currency: "USD".to_owned(),
            self_pay: "Self-pay".to_owned(),
            payers: vec![named(payer)],
            items: vec![named("4711"), named("4712")],
        };
        seed(&self.person, &plan).await.unwrap();
        self.odoo.forget_served();
    }

    pub(crate) fn writer(&self) -> Writer {
        self.writer_for(Database::Any, Portion { requests_max: 20, lines_max: 500 })
    }

    pub(crate) fn writer_for(&self, database: Database, portion: Portion) -> Writer {
        self.writer_with(portion, |terms| terms.database = database)
    }

    /// One whose settings say something else.
    pub(crate) fn writer_with(&self, portion: Portion, edit: impl FnOnce(&mut Terms)) -> Writer {
        let key = KeyFile::open(self.key_file.clone()).unwrap();
        let settings = odoo::Settings { answer_ms: self.answer_ms, key: key.key(), ..self.odoo.settings() };
        let company = Record(Ref::External("base.main_company".parse().unwrap()));
        let database = Database::Any;
        let mut terms = Terms { database, company, journal: None, taxes: vec![], account: None };
        edit(&mut terms);
        Writer::new(Client::new(&settings).unwrap(), key, terms, portion)
    }

    /// A client with another key.
    pub(crate) fn client_with(&self, key: &str) -> Client {
        Client::new(&odoo::Settings { key: Secret::new(key), ..self.odoo.settings() }).unwrap()
    }

    /// All invoices, in order of their ids.
    pub(crate) async fn invoices(&self) -> Vec<Seen> {
        #[derive(Deserialize)]
        struct Move {
            id: i64,
            state: String,
            amount_total: Exact,
        }
        #[derive(Deserialize)]
        struct Line {
            move_id: Maybe<Link>,
            price_subtotal: Exact,
        }
        let context = Context::new();
        let search = Search { fields: &["state", "amount_total"], order: "id", ..Search::default() };
        let moves: Vec<Move> = self.person.search_read("account.move", &search, &context).await.unwrap();
        let domain = serde_json::json!([["display_type", "=", "product"]]);
        let search =
            Search { domain, fields: &["move_id", "price_subtotal"], order: "id", ..Search::default() };
        let lines: Vec<Line> = self.person.search_read("account.move.line", &search, &context).await.unwrap();
        let mut sums: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        for line in lines {
            let id = line.move_id.0.map_or(0, |link| link.0);
            sums.entry(id).or_default().push(line.price_subtotal.to_string());
        }
        let seen = |row: Move| {
            let lines = sums.remove(&row.id).unwrap_or_default().join(" + ");
            Seen { id: row.id, text: format!("{} {} = {lines}", row.state, row.amount_total) }
        };
        moves.into_iter().map(seen).collect()
    }

    /// Their texts.
    pub(crate) async fn books(&self) -> Vec<String> {
        self.invoices().await.into_iter().map(|seen| seen.text).collect()
    }

    /// The ids of an external id's record.
    pub(crate) async fn id_of(&self, name: &str) -> i64 {
        let id = ExternalId::ours(name).unwrap();
        self.person.external_ids(&[&id]).await.unwrap()[&id].id
    }

    /// The lines of an invoice or a credit note.
    pub(crate) async fn lines(&self, header: i64) -> Vec<i64> {
        #[derive(Deserialize)]
        struct Line {
            id: i64,
        }
        let domain = serde_json::json!([["move_id", "=", header], ["display_type", "=", "product"]]);
        let search = Search { domain, fields: &["id"], order: "id", ..Search::default() };
        let lines: Vec<Line> =
            self.person.search_read("account.move.line", &search, &Context::new()).await.unwrap();
        lines.into_iter().map(|line| line.id).collect()
    }

    /// A person makes a record; its database id.
    pub(crate) async fn makes(&self, model: &str, values: serde_json::Value) -> i64 {
        self.person.create(model, &[values], &Context::new()).await.unwrap()[0]
    }

    /// A person calls a method.
    pub(crate) async fn does(&self, model: &str, method: &str, ids: &[i64], args: serde_json::Value) {
        let context = Context::new();
        self.person.call::<serde_json::Value>(model, method, ids, args, &context).await.unwrap();
    }

    /// Waits for something that another task brings about.
    pub(crate) async fn until(&self, what: impl Fn(&Server) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !what(&self.odoo) {
            assert!(Instant::now() < deadline, "it has not come about");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.key_file);
    }
}

/// Requests of so many visits: 12.44 in two lines each.
pub(crate) fn requests(count: u8) -> Vec<InvoiceRequest> {
    (1..=count).map(|visit| request(visit, &[("4711", "12.34"), ("4712", "0.10")])).collect()
}

/// What the books say of one such request.
pub(crate) const POSTED: &str = "posted 12.44 = 12.34 + 0.1";
