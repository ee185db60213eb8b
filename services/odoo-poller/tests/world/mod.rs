//! An Odoo, a poller's sources on it, and what people do there.
#![allow(dead_code, reason = "each of the two suites uses some of it")]

use jiff::SignedDuration;
use odoo::cashier::Cashier;
use odoo::invoice::{Created, InvoiceDraft, Invoices, Line, MoveType, Posted, Ref, Taxes};
use odoo::seed::{self, Named, Plan, Seeded, item_id, self_pay_id};
use odoo::{Client, Context, ExternalId, Hidden, Settings};
use odoo_poller::{Figures, Odoo, Pace, Poke, Polling};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const OVERLAP: SignedDuration = SignedDuration::from_secs(300);
/// No sweep but the first.
pub(crate) const NEVER: SignedDuration = SignedDuration::from_hours(24 * 365);
/// A sweep at every look.
pub(crate) const ALWAYS: SignedDuration = SignedDuration::ZERO;
/// A visit's token.
pub(crate) const VISIT: &str = "00112233445566778899aabbccddeeff";

pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) seeded: Seeded,
    pub(crate) figures: Figures,
    pub(crate) poke: Poke,
    settings: Settings,
}

impl World {
    pub(crate) async fn new(settings: Settings) -> Self {
        let client = Client::new(&settings).unwrap();
        let named = |code: &str, name: &str| Named { code: code.to_owned(), name: name.to_owned() };
        let plan = Plan {
            currency: "USD".to_owned(),
            self_pay: "Self-pay".to_owned(),
            payers: vec![named("ACME", "Acme Health Plan")],
            items: vec![named("70551", "MRI brain"), named("99213", "Office visit")],
        };
        let seeded = seed::seed(&client, &plan).await.unwrap();
        Self { client, seeded, figures: Figures::new().unwrap(), poke: Poke::default(), settings }
    }

    /// Sources that look at once, with a sweep every so often.
    pub(crate) fn polling(&self, sweep: SignedDuration) -> Polling {
        self.polling_with(sweep, OVERLAP)
    }

    pub(crate) fn polling_with(&self, sweep: SignedDuration, overlap: SignedDuration) -> Polling {
        let client = Client::new(&self.settings).unwrap();
        Polling {
            odoo: Arc::new(Odoo::new(
                client,
                vec![self.seeded.company],
                overlap,
                PathBuf::from("no-key-file"),
            )),
            pace: Pace { poll: Duration::ZERO, sweep },
            poke: self.poke.clone(),
            webhooks: None,
            figures: self.figures.clone(),
        }
    }

    pub(crate) async fn create(&self, model: &str, values: Value) -> i64 {
        self.client.create(model, &[values], &Context::new()).await.unwrap()[0]
    }

    /// An item called GAUZE, and a quant of it at the location WHSTOCK that is still to be made.
    pub(crate) async fn gauze(&self) -> (i64, Value) {
        let place = json!({"complete_name": "WH/Stock", "usage": "internal", "barcode": "WHSTOCK"});
        let place = self.create("stock.location", place).await;
        let gauze = json!({"name": "Gauze", "default_code": "GAUZE", "is_storable": true});
        let gauze = self.create("product.product", gauze).await;
        (gauze, json!({"product_id": gauze, "location_id": place, "quantity": 12.5}))
    }

    pub(crate) async fn write(&self, model: &str, id: i64, values: Value) {
        let args = json!({"vals": values});
        self.client.call::<Value>(model, "write", &[id], args, &Context::new()).await.unwrap();
    }

    pub(crate) async fn unlink(&self, model: &str, ids: &[i64]) {
        self.client.call::<Value>(model, "unlink", ids, Value::Null, &Context::new()).await.unwrap();
    }

    pub(crate) fn cashier(&self) -> Cashier {
        Cashier::new(self.client.clone(), self.seeded.company)
    }

    /// An invoice, or a credit note, for request *n* of the visit, over lines of these amounts.
    pub(crate) fn draft(&self, visit: &str, n: u32, move_type: MoveType, amounts: &[&str]) -> InvoiceDraft {
        let line = |(index, amount): (usize, &&str)| Line {
            external_id: id("line", &format!("{visit}-{n}-{}", index + 1)),
            product: item_id("70551").unwrap(),
            name: Hidden::new("MRI of the brain".to_owned()),
            quantity: Decimal::ONE,
            price_unit: decimal(amount),
            taxes: Taxes::None,
            account: None,
        };
        InvoiceDraft {
            external_id: id("invoice", &format!("{visit}-{n}")),
            move_type,
            company: self.seeded.company,
            journal: Ref::Id(self.seeded.journal),
            partner: self_pay_id().unwrap().into(),
            currency: Ref::Id(self.seeded.currency),
            invoice_date: jiff::civil::date(2026, 11, 2),
            reference: None,
            lines: amounts.iter().enumerate().map(line).collect(),
        }
    }

    /// As odoo-writer does it.
    pub(crate) async fn posted(&self, draft: &InvoiceDraft) -> i64 {
        let invoices = Invoices::new(self.client.clone(), vec![self.seeded.company]);
        let created = invoices.create_only(std::slice::from_ref(draft)).await.unwrap();
        let [Created::Loaded(id)] = created[..] else { panic!("{created:?}") };
        assert_eq!(invoices.post(&[id]).await.unwrap(), [Posted::Posted]);
        id
    }
}

pub(crate) fn id(kind: &str, code: &str) -> ExternalId {
    ExternalId::coded(kind, code).unwrap()
}

pub(crate) fn decimal(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}
