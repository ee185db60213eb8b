//! What the library relies on in Odoo, as questions put alike to the fake (`tests/fake.rs`) and to a real Odoo
//! (`tests/real.rs`). Every question makes records of its own names, so that it can be put again to the same database.

pub(crate) mod answers;
pub(crate) mod creating;
pub(crate) mod crediting;
pub(crate) mod loading;
pub(crate) mod paying;
pub(crate) mod posting;
pub(crate) mod reading;

use jiff::civil::{Date, date};
use odoo::invoice::{Created, FoundInvoice, InvoiceDraft, Invoices, Line, MoveType, Ref, Taxes};
use odoo::seed::{self, Named, Plan, Seeded, item_id, self_pay_id};
use odoo::{Client, Context, ExternalId, Hidden, Interface, LoadRecord, Search, Settings};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Every question is put over each of them.
pub(crate) const INTERFACES: [Interface; 2] = [Interface::Json2, Interface::JsonRpc];

/// A charge code that the seed makes.
pub(crate) const MRI: &str = "70551";

/// An Odoo, and names that nobody has used there yet.
pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) client: Client,
    pub(crate) invoices: Invoices,
    pub(crate) seeded: Seeded,
    run: String,
    next: AtomicUsize,
}

impl World {
    /// `run` sets this run's names apart from those of others.
    pub(crate) async fn new(settings: Settings, run: &str) -> Self {
        let client = Client::new(&settings).unwrap();
        let seeded = seed::seed(&client, &plan()).await.unwrap();
        let invoices = Invoices::new(client.clone(), vec![seeded.company]);
        Self { settings, client, invoices, seeded, run: run.to_owned(), next: AtomicUsize::new(0) }
    }

    /// A name for an invoice.
    pub(crate) fn name(&self) -> String {
        format!("test_{}_{}", self.run, self.next.fetch_add(1, Ordering::SeqCst))
    }

    /// A draft of so many lines, each a quantity and a price.
    pub(crate) fn draft(&self, lines: &[(&str, &str)]) -> InvoiceDraft {
        let name = self.name();
        let line = |(index, (quantity, price)): (usize, &(&str, &str))| Line {
            external_id: id(&format!("{name}_l{index}")),
            product: item_id(MRI).unwrap(),
            name: Hidden::new("MRI of the brain, 30%".to_owned()),
            quantity: decimal(quantity),
            price_unit: decimal(price),
            taxes: Taxes::None,
            account: None,
        };
        InvoiceDraft {
            external_id: id(&name),
            move_type: MoveType::OutInvoice,
            company: self.seeded.company,
            journal: Ref::Id(self.seeded.journal),
            partner: self_pay_id().unwrap().into(),
            currency: Ref::Id(self.seeded.currency),
            invoice_date: day(),
            reference: Some(Hidden::new("test".to_owned())),
            lines: lines.iter().enumerate().map(line).collect(),
        }
    }

    /// Creates one draft, which must work.
    pub(crate) async fn create(&self, draft: &InvoiceDraft) -> i64 {
        match self.invoices.create_only(std::slice::from_ref(draft)).await.unwrap()[..] {
            [Created::Loaded(id) | Created::Existing(id)] => id,
            ref other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn find(&self, draft: &InvoiceDraft) -> Option<FoundInvoice> {
        let found = self.invoices.read_back(std::slice::from_ref(&draft.external_id)).await.unwrap();
        found.get(&draft.external_id).cloned()
    }

    /// What differs, as text.
    pub(crate) async fn differences(&self, draft: &InvoiceDraft) -> Vec<String> {
        let found = self.find(draft).await.expect("the invoice is there");
        odoo::invoice::compare(draft, &found).iter().map(ToString::to_string).collect()
    }

    /// A method that people's clicks call.
    pub(crate) async fn click(
        &self,
        model: &str,
        method: &str,
        ids: &[i64],
        args: Value,
    ) -> Result<Value, odoo::Error> {
        self.client.call(model, method, ids, args, &Context::new()).await
    }

    /// Prices of the lines of products, by line id.
    pub(crate) async fn prices(&self, invoice: i64) -> Vec<String> {
        #[derive(Deserialize)]
        struct Row {
            price_unit: odoo::Exact,
        }
        let domain = json!([["move_id", "=", invoice], ["display_type", "=", "product"]]);
        let search = Search { domain, fields: &["price_unit"], order: "id", ..Search::default() };
        let rows: Vec<Row> =
            self.client.search_read("account.move.line", &search, &Context::new()).await.unwrap();
        rows.iter().map(|row| row.price_unit.to_string()).collect()
    }
}

pub(crate) fn plan() -> Plan {
    let named = |code: &str, name: &str| Named { code: code.to_owned(), name: name.to_owned() };
    Plan {
        currency: "USD".to_owned(),
        self_pay: "Self-pay".to_owned(),
        payers: vec![named("ACME", "Acme Health Plan"), named("B & C/1", "B and C Insurance")],
        items: vec![named(MRI, "MRI brain"), named("99213-25", "Office visit")],
    }
}

pub(crate) fn id(name: &str) -> ExternalId {
    ExternalId::ours(name).unwrap()
}

pub(crate) fn decimal(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

pub(crate) fn day() -> Date {
    date(2026, 11, 2)
}

pub(crate) fn record(rows: &[&[&str]]) -> LoadRecord {
    let row = |row: &&[&str]| row.iter().map(|cell| Hidden::new((*cell).to_owned())).collect();
    LoadRecord { rows: rows.iter().map(row).collect() }
}
