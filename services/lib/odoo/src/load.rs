//! `load`: records as rows of text, several in one call and one transaction, each under its external id.

use crate::classify::{Circumstance, without_detail};
use crate::error::{Call, Error, Puzzle};
use crate::{Hidden, Maybe};
use serde::Deserialize;

/// One record for a `load`: its own row, then one more for each further line of it (the record's own cells empty there).
/// An empty cell says "nothing"; whoever wants Odoo's default leaves the column away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadRecord {
    /// Rows of cells, in the order of the call's columns.
    pub rows: Vec<Vec<Hidden<String>>>,
}

/// What Odoo answered to a `load`. All of a call's records are kept, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadAnswer {
    /// Another transaction was in the way; nothing was kept. The same call again.
    Contended,
    /// All records exist; their ids, in the order of the records.
    Loaded(Vec<i64>),
    /// Nothing was kept. The messages blame records, but not reliably: only a call with one record blames it.
    Rejected(Vec<LoadMessage>),
}

/// What Odoo says about a record that it could not load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadMessage {
    /// The record's index in the call.
    pub record: Option<usize>,
    /// The field's technical name.
    pub field: Option<String>,
    /// First and last row, from 0.
    pub rows: Option<(usize, usize)>,
    /// Odoo's text. It may quote the data: not for a log.
    pub message: Hidden<String>,
}

/// A `load`'s result on the wire.
#[derive(Deserialize)]
pub(crate) struct Wire {
    ids: Maybe<Vec<i64>>,
    #[serde(default)]
    messages: Vec<WireMessage>,
}

#[derive(Deserialize)]
struct WireMessage {
    #[serde(default, rename = "type")]
    kind: String,
    record: Option<usize>,
    field: Option<Maybe<String>>,
    rows: Option<WireRows>,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct WireRows {
    from: usize,
    to: usize,
}

impl LoadAnswer {
    /// Reads the answer to a `load` of `asked` records.
    pub(crate) fn read(call: Call, asked: usize, wire: Wire) -> Result<Self, Error> {
        if let Some(ids) = wire.ids.0 {
            return match ids.len() == asked {
                true => Ok(Self::Loaded(ids)),
                false => Err(Error::Protocol { call, puzzle: Puzzle::Count { asked, got: ids.len() } }),
            };
        }
        let errors = || wire.messages.iter().filter(|message| message.kind == "error");
        // A circumstance outweighs what is said of the data: once it is gone, the data are judged alone.
        match errors().find_map(|message| Circumstance::of(&message.message)) {
            Some(Circumstance::Contended) => Ok(Self::Contended),
            Some(circumstance) => Err(circumstance.into_error(call)),
            None => Ok(Self::Rejected(errors().map(LoadMessage::read).collect())),
        }
    }
}

impl LoadMessage {
    fn read(wire: &WireMessage) -> Self {
        Self {
            record: wire.record,
            field: wire.field.as_ref().and_then(|field| field.0.clone()),
            rows: wire.rows.as_ref().map(|rows| (rows.from, rows.to)),
            message: without_detail(&wire.message).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(wire: Value) -> Result<LoadAnswer, Error> {
        LoadAnswer::read(Call::new("m", "load"), 2, serde_json::from_str(&wire.to_string()).unwrap())
    }

    fn error(message: &str) -> Value {
        json!({"type": "error", "record": 1, "rows": {"from": 1, "to": 2}, "message": message})
    }

    #[track_caller]
    fn check(messages: Value, answer: LoadAnswer) {
        assert_eq!(read(json!({"ids": false, "messages": messages, "nextrow": 0})).unwrap(), answer);
    }

    #[test]
    fn ids_are_success_whatever_the_warnings_say() {
        let wire =
            json!({"ids": [4, 7], "messages": [{"type": "warning", "message": "two matches"}], "nextrow": 0});
        assert_eq!(read(wire).unwrap(), LoadAnswer::Loaded(vec![4, 7]));
    }

    #[test]
    fn fewer_ids_than_records_are_not_believed() {
        assert!(matches!(read(json!({"ids": [4]})), Err(Error::Protocol { .. })));
    }

    #[test]
    fn contention_outweighs_bad_data() {
        let lost = error("could not serialize access due to concurrent update\n");
        check(json!([error("No matching record"), lost]), LoadAnswer::Contended);
    }

    #[test]
    fn a_missing_right_is_no_bad_data() {
        let wire = json!({"ids": false, "messages": [error("Access to unauthorized or invalid companies.")]});
        assert!(matches!(read(wire), Err(Error::Denied { .. })));
    }

    #[test]
    fn a_message_keeps_its_place_and_hides_its_text() {
        let message = json!({"type": "error", "record": 1, "field": "partner_id", "rows": {"from": 1, "to": 2},
            "message": "new row violates…\nDETAIL:  Failing row contains (Jane)", "moreinfo": {"domain": []}});
        let expected = LoadMessage {
            record: Some(1),
            field: Some("partner_id".into()),
            rows: Some((1, 2)),
            message: "new row violates…".to_owned().into(),
        };
        assert!(!format!("{expected:?}").contains("violates"));
        check(json!([message]), LoadAnswer::Rejected(vec![expected]));
    }
}
