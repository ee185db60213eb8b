//! Faults that a test or a demonstration injects.

use serde_json::Value;
use std::time::Duration;

/// What goes wrong with a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call's transaction began so long ago: what it writes comes to light with a `write_date` behind that of others.
    BeganAgo(Duration),
    /// Somebody else is faster by a moment: their call is carried out first, then this one.
    Meanwhile {
        /// Their call's model.
        model: String,
        /// Its method.
        method: String,
        /// Its body.
        body: Value,
    },
    /// The page that Odoo shows for a database it does not have, and while its PostgreSQL is down.
    NoDatabase,
    /// What has this text in it is refused with this message: a `load` names the record, other calls answer 422. A batch is
    /// refused whole, as everywhere.
    Refuse {
        /// Looked for in cells and arguments.
        containing: String,
        /// Odoo's message.
        message: String,
    },
    /// The call is carried out, and the connection reset before the answer.
    ResetAfter,
    /// The connection is reset and nothing carried out.
    ResetBefore,
    /// Another transaction is in the way: status 500, nothing carried out.
    Serialization,
    /// Another transaction is in the way of a `load`, which says so in a message.
    SerializationMessage,
    /// The call is carried out after this time, whether or not the client still waits.
    Stall(Duration),
    /// An answer of Odoo's proxy or of Odoo itself; nothing carried out.
    Status {
        /// HTTP status.
        status: u16,
        /// The header `Retry-After`.
        retry_after_seconds: Option<u64>,
    },
}

/// When a fault happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    fault: Fault,
    model: Option<String>,
    method: Option<String>,
    /// None: until the rules are cleared.
    left: Option<u32>,
}

impl Fault {
    /// At the next call of this method.
    pub fn on(self, model: &str, method: &str) -> Rule {
        let (model, method) = (Some(model.to_owned()), Some(method.to_owned()));
        Rule { fault: self, model, method, left: Some(1) }
    }

    /// At the next call, whichever.
    pub fn on_any(self) -> Rule {
        Rule { fault: self, model: None, method: None, left: Some(1) }
    }
}

impl Rule {
    /// At so many calls.
    pub fn times(self, times: u32) -> Self {
        Self { left: Some(times), ..self }
    }

    /// At every call, until the rules are cleared.
    pub fn always(self) -> Self {
        Self { left: None, ..self }
    }

    fn fits(&self, model: &str, method: &str) -> bool {
        let is = |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
        self.left != Some(0) && is(&self.model, model) && is(&self.method, method)
    }
}

/// The faults that are waiting.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules(pub(super) Vec<Rule>);

/// What is to go wrong with one call: at most one fault of its course, and any refusals.
#[derive(Clone, Debug, Default)]
pub(super) struct Due {
    pub(super) fault: Option<Fault>,
    pub(super) refusals: Vec<(String, String)>,
}

impl Rules {
    /// Takes what is due at a call, the oldest rule first.
    pub(super) fn take(&mut self, model: &str, method: &str) -> Due {
        let mut due = Due::default();
        for rule in self.0.iter_mut().filter(|rule| rule.fits(model, method)) {
            match &rule.fault {
                Fault::Refuse { containing, message } => {
                    due.refusals.push((containing.clone(), message.clone()))
                }
                _ if due.fault.is_some() => continue,
                fault => due.fault = Some(fault.clone()),
            }
            rule.left = rule.left.map(|left| left - 1);
        }
        self.0.retain(|rule| rule.left != Some(0));
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_used_up_in_their_order_and_only_where_they_fit() {
        let refusal = Fault::Refuse { containing: "x".into(), message: "no".into() };
        let mut rules = Rules(vec![
            Fault::ResetAfter.on("account.move", "load"),
            Fault::Serialization.on_any().times(2),
            refusal.on("account.move", "load").always(),
        ]);
        assert_eq!(rules.take("res.partner", "read").fault, Some(Fault::Serialization));
        for fault in [Some(Fault::ResetAfter), Some(Fault::Serialization), None] {
            let due = rules.take("account.move", "load");
            assert_eq!((due.fault, due.refusals.len()), (fault, 1));
        }
    }
}
