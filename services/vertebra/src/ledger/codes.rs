//! The worklist of codes that were seen and that no table has.

use super::{LedgerError, table};
use backbone::postgres::PostgresStore;
use backbone::postgres::look::{self, WaitingSeen};
use canon::event::Event;
use canon::{Code, CodeKey};
use serde::Serialize;
use std::fmt;

/// What parked inputs wait for, what most of them wait for first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unmapped {
    /// One for each code.
    pub codes: Vec<Missing>,
}

/// A code, or another row of a table, that is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The topic that it would come by.
    pub topic: String,
    /// Its key there.
    pub key: String,
    /// Of a code, its table: `charge`.
    pub table: Option<&'static str>,
    /// Of a code, whose it is; nothing where it is everybody's.
    pub sender: Option<String>,
    /// The code as its system writes it, else the key.
    pub code: String,
    /// Inputs that wait for it; those that wait behind them are not counted.
    pub inputs: i64,
    /// Since when.
    pub oldest: String,
}

/// What is waited for in a ledger.
///
/// # Errors
/// When the ledger does not answer.
pub async fn unmapped(store: &PostgresStore) -> Result<Unmapped, LedgerError> {
    let waiting = look::waiting(store).await?;
    Ok(Unmapped { codes: waiting.into_iter().map(missing).collect() })
}

fn missing(seen: WaitingSeen) -> Missing {
    let key: Option<CodeKey> = (seen.topic == Code::TOPIC).then(|| seen.key.parse().ok()).flatten();
    Missing {
        table: key.as_ref().map(|key| key.table().as_str()),
        sender: key.as_ref().and_then(|key| key.sender().map(ToString::to_string)),
        code: key.map_or_else(|| seen.key.clone(), |key| key.code().to_owned()),
        topic: seen.topic,
        key: seen.key,
        inputs: seen.inputs,
        oldest: seen.oldest.to_string(),
    }
}

impl fmt::Display for Unmapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.codes.is_empty() {
            return write!(f, "nothing waits for a code");
        }
        let rows = self.codes.iter().map(|missing| {
            let table = missing.table.unwrap_or(&missing.topic).to_owned();
            let sender = missing.sender.clone().unwrap_or_else(|| "*".to_owned());
            [table, sender, missing.code.clone(), missing.inputs.to_string(), missing.oldest.clone()]
        });
        table::write(f, ["table", "sender", "code", "inputs", "oldest"], &rows.collect::<Vec<_>>())?;
        let inputs: i64 = self.codes.iter().map(|missing| missing.inputs).sum();
        write!(
            f,
            "{} missing; {inputs} inputs wait, and go on by themselves when they come",
            self.codes.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use canon::Timestamp;

    #[track_caller]
    fn check(topic: &str, key: &str, expected: (Option<&str>, Option<&str>, &str)) {
        let (topic, key) = (topic.to_owned(), key.to_owned());
        let told = missing(WaitingSeen { topic, key, inputs: 1, oldest: Timestamp(0) });
        assert_eq!((told.table, told.sender.as_deref(), told.code.as_str()), expected);
    }

    #[test]
    fn a_code_is_told_by_table_sender_and_as_its_system_writes_it() {
        check("reference.code.v1", "charge/north/A%2FB", (Some("charge"), Some("north"), "A/B"));
        check("reference.code.v1", "unit/*/BX", (Some("unit"), None, "BX"));
    }

    #[test]
    fn rows_of_other_tables_and_keys_of_no_form_are_told_as_they_are() {
        check("inventory.item.v1", "GLOVE-M", (None, None, "GLOVE-M"));
        check("reference.code.v1", "nonsense", (None, None, "nonsense"));
    }
}
