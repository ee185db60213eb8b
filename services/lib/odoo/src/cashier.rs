//! What people do to invoices by hand, for demonstrations and tests: pay, set back, edit, credit, cancel, delete.
//!
//! Each method is the click that Odoo's pages make of it. Nothing of a service's own work is here.

use crate::error::{Call, Puzzle};
use crate::{Client, Context, Error, Search};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

const LINE: &str = "account.move.line";
const MOVE: &str = "account.move";
const PAYMENT: &str = "account.payment";
const REGISTER: &str = "account.payment.register";
const REVERSAL: &str = "account.move.reversal";

/// Somebody at the desk of one company.
#[derive(Clone, Debug)]
pub struct Cashier {
    client: Client,
    company: i64,
}

impl Cashier {
    /// Works for the company with this database id.
    pub fn new(client: Client, company: i64) -> Self {
        Self { client, company }
    }

    /// Registers a payment on a posted invoice, or pays a credit note out; without an amount all that is open. The payment's
    /// database id.
    pub async fn pay(&self, invoice: i64, amount: Option<Decimal>) -> Result<i64, Error> {
        let context = self.clicked_on(invoice);
        let mut values = json!({});
        if let Some(amount) = amount {
            values["amount"] = number(amount)?;
        }
        let wizards = self.client.create(REGISTER, &[values], &context).await?;
        self.window(REGISTER, "action_create_payments", &wizards, &context).await
    }

    /// Cancels a payment: its entry goes, and the invoice is open again.
    pub async fn cancel_payment(&self, payment: i64) -> Result<(), Error> {
        self.click(PAYMENT, "action_draft", &[payment], Value::Null).await?;
        self.click(PAYMENT, "action_cancel", &[payment], Value::Null).await
    }

    /// Takes apart what an invoice was set off against; payments stay, for another one.
    pub async fn unreconcile(&self, invoice: i64) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Row {
            id: i64,
        }
        let domain = json!([["move_id", "=", invoice], ["display_type", "=", "payment_term"]]);
        let search = Search { domain, fields: &["id"], order: "id", ..Search::default() };
        let lines: Vec<Row> = self.client.search_read(LINE, &search, &self.context()).await?;
        let lines: Vec<i64> = lines.iter().map(|line| line.id).collect();
        self.click(LINE, "remove_move_reconcile", &lines, Value::Null).await
    }

    /// Makes a draft credit note for the whole of an invoice, without any external id; its database id.
    pub async fn credit(&self, invoice: i64, journal: i64) -> Result<i64, Error> {
        let context = self.clicked_on(invoice);
        let values = json!({"reason": "by hand", "journal_id": journal});
        let wizards = self.client.create(REVERSAL, &[values], &context).await?;
        self.window(REVERSAL, "refund_moves", &wizards, &context).await
    }

    /// Posts a draft.
    pub async fn post(&self, invoice: i64) -> Result<(), Error> {
        self.click(MOVE, "action_post", &[invoice], Value::Null).await
    }

    /// Makes a posted or cancelled one a draft again.
    pub async fn reset(&self, invoice: i64) -> Result<(), Error> {
        self.click(MOVE, "button_draft", &[invoice], Value::Null).await
    }

    /// Cancels a draft.
    pub async fn cancel(&self, invoice: i64) -> Result<(), Error> {
        self.click(MOVE, "button_cancel", &[invoice], Value::Null).await
    }

    /// Deletes a draft or a cancelled one.
    pub async fn delete(&self, invoice: i64) -> Result<(), Error> {
        self.click(MOVE, "unlink", &[invoice], Value::Null).await
    }

    /// Gives a draft's line another price.
    pub async fn reprice(&self, line: i64, price: Decimal) -> Result<(), Error> {
        self.click(LINE, "write", &[line], json!({"vals": {"price_unit": number(price)?}})).await
    }

    fn context(&self) -> Context {
        Context::new().companies(&[self.company])
    }

    fn clicked_on(&self, invoice: i64) -> Context {
        self.context().with("active_model", json!(MOVE)).with("active_ids", json!([invoice]))
    }

    async fn click(&self, model: &str, method: &str, ids: &[i64], args: Value) -> Result<(), Error> {
        self.client.call::<IgnoredAny>(model, method, ids, args, &self.context()).await.map(drop)
    }

    /// A button that opens the window of the record it made.
    async fn window(&self, model: &str, method: &str, ids: &[i64], context: &Context) -> Result<i64, Error> {
        #[derive(Deserialize)]
        struct Window {
            res_id: i64,
        }
        let window: Window = self.client.call(model, method, ids, Value::Null, context).await?;
        Ok(window.res_id)
    }
}

fn number(decimal: Decimal) -> Result<Value, Error> {
    let number = decimal.normalize().to_string().parse().map(Value::Number);
    number.map_err(|_| Error::Protocol { call: Call::new(REGISTER, "create"), puzzle: Puzzle::Request })
}
