//! The `context` of a call: what Odoo is to assume besides the arguments.

use serde_json::{Map, Value, json};

/// A call's context. It always says `active_test: false`: without it archived records vanish from answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context(Map<String, Value>);

impl Context {
    /// Nothing but `active_test: false`. Without `lang` Odoo's messages are its English source texts, which
    /// [`Error`](crate::Error) and [`LoadAnswer`](crate::LoadAnswer) rely on.
    pub fn new() -> Self {
        Self::default()
    }

    /// The companies whose records the call may see and make; the first is the current one.
    pub fn companies(self, ids: &[i64]) -> Self {
        self.with("allowed_company_ids", json!(ids))
    }

    /// Makes a `load` create what is absent and leave alone what is there, whatever became of it since.
    pub fn create_only(self) -> Self {
        self.with("mode", json!("update")).with("noupdate", json!(true))
    }

    /// The language of names and messages, such as `en_US`; it must be installed.
    pub fn lang(self, code: &str) -> Self {
        self.with("lang", json!(code))
    }

    /// Any other key.
    pub fn with(mut self, key: &str, value: Value) -> Self {
        self.0.insert(key.to_owned(), value);
        self
    }

    /// The context as it is sent.
    pub fn to_json(&self) -> Value {
        let mut map = self.0.clone();
        map.insert("active_test".to_owned(), Value::Bool(false));
        Value::Object(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archived_records_are_always_asked_for() {
        assert_eq!(Context::new().to_json(), json!({"active_test": false}));
        assert_eq!(
            Context::new().companies(&[2]).create_only().with("active_test", json!(true)).to_json(),
            json!({"active_test": false, "allowed_company_ids": [2], "mode": "update", "noupdate": true}),
        );
    }
}
