//! Odoo's exceptions, as JSON-2 answers them.

use serde_json::{Value, json};

/// An exception raised while a call was carried out; the transaction is rolled back.
#[derive(Clone, Debug)]
pub(super) struct Raised {
    pub(super) status: u16,
    pub(super) class: &'static str,
    pub(super) message: String,
}

impl Raised {
    pub(super) fn user(message: impl Into<String>) -> Self {
        Self { status: 422, class: "odoo.exceptions.UserError", message: message.into() }
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self { status: 422, class: "odoo.exceptions.ValidationError", message: message.into() }
    }

    pub(super) fn access(message: &str) -> Self {
        Self { status: 403, class: "odoo.exceptions.AccessError", message: message.to_owned() }
    }

    pub(super) fn value(message: impl Into<String>) -> Self {
        Self { status: 500, class: "builtins.ValueError", message: message.into() }
    }

    pub(super) fn arguments(message: &str) -> Self {
        Self { status: 422, class: "werkzeug.exceptions.UnprocessableEntity", message: message.to_owned() }
    }

    pub(super) fn not_found(message: String) -> Self {
        Self { status: 404, class: "werkzeug.exceptions.NotFound", message }
    }

    pub(super) fn missing(model: &str, id: i64) -> Self {
        let message =
            format!("Record does not exist or has been deleted.\n(Record: {model}({id},), User: 2)");
        Self { status: 404, class: "odoo.exceptions.MissingError", message }
    }

    pub(super) fn unauthorized() -> Self {
        Self { status: 401, class: "werkzeug.exceptions.Unauthorized", message: "Invalid apikey".to_owned() }
    }

    pub(super) fn serialization() -> Self {
        let message = format!("{SERIALIZATION}\n");
        Self { status: 500, class: "psycopg2.errors.SerializationFailure", message }
    }

    /// The body, with a traceback that quotes data as real ones may: whoever keeps it is found out.
    pub(super) fn body(&self) -> Value {
        json!({
            "name": self.class, "message": self.message, "arguments": [self.message], "context": {},
            "debug": format!("Traceback (most recent call last):\n  canary-in-debug\n{}: {}", self.class, self.message),
        })
    }
}

pub(super) const SERIALIZATION: &str = "could not serialize access due to concurrent update";
