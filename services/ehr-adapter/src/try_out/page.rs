//! What is printed: each message with what came of it, and a summary. Patients' data only where they were asked for.

use super::Told;
use crate::translate::Shown;
use crate::translate::tables::AsSaid;
use canon::readable::readable;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Characters of a token.
const TOKEN_LENGTH: usize = 32;

/// Everything that is printed, in both forms.
pub(super) struct Page {
    reveal: bool,
    text: String,
    messages: Vec<Value>,
    notes: Vec<String>,
    aliases: BTreeMap<String, String>,
    /// Kind of message, what became of it: how many.
    outcomes: BTreeMap<(String, &'static str), u64>,
    facts: BTreeMap<&'static str, u64>,
    /// Kind of message, reason: how many, and the first of them.
    parked: BTreeMap<(String, String), (u64, usize)>,
    unmapped: BTreeMap<(String, &'static str), u64>,
    as_said: BTreeMap<AsSaid, u64>,
    behind: u64,
}

impl Page {
    pub(super) fn new(reveal: bool, notes: Vec<String>) -> Self {
        Self {
            reveal,
            text: String::new(),
            messages: Vec::new(),
            notes,
            aliases: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            facts: BTreeMap::new(),
            parked: BTreeMap::new(),
            unmapped: BTreeMap::new(),
            as_said: BTreeMap::new(),
            behind: 0,
        }
    }

    /// Takes a message in; `is_behind` where it would wait behind one of its key that parked.
    pub(super) fn add(&mut self, told: &Told, is_behind: bool) {
        let outcome = told.outcome();
        *self.outcomes.entry((told.what.clone(), outcome)).or_default() += 1;
        self.behind += u64::from(is_behind);
        let control_id = told.control_id.as_deref().unwrap_or("none");
        let _ = writeln!(self.text, "{}  {}  control id {control_id}: {outcome}", told.number, told.what);
        if is_behind {
            self.text.push_str("    would wait behind an earlier message of its key that parked\n");
        }
        let mut facts = Vec::new();
        for fact in &told.facts {
            *self.facts.entry(fact.topic).or_default() += 1;
            facts.push(self.fact(fact));
        }
        for unmapped in &told.unmapped {
            *self.unmapped.entry((unmapped.what.clone(), unmapped.why.as_str())).or_default() += 1;
            let _ = writeln!(self.text, "    {} comes to nothing: {}", unmapped.what, unmapped.why.as_str());
        }
        for as_said in &told.as_said {
            *self.as_said.entry(as_said.clone()).or_default() += 1;
            let _ = writeln!(
                self.text,
                "    {} {}: in no code table, passes as it is said",
                as_said.table.as_str(),
                as_said.code
            );
        }
        let mut message = json!({
            "message": told.number, "what": told.what, "control_id": told.control_id, "outcome": outcome,
            "behind": is_behind, "facts": facts,
            "unmapped": told.unmapped.iter()
                .map(|unmapped| json!({"what": unmapped.what, "reason": unmapped.why.as_str()}))
                .collect::<Vec<_>>(),
            "as_said": told.as_said.iter()
                .map(|as_said| json!({"table": as_said.table.as_str(), "code": as_said.code}))
                .collect::<Vec<_>>(),
        });
        if let Some(reject) = &told.parked {
            let reason = reject.to_string();
            let _ = writeln!(self.text, "    parks: {reason}");
            message["parked"] = json!({"reason": reject.reason.as_str(), "detail": reject.detail,
                "waits_for": reject.waits_for.first().map(|waits| format!("{} {}", waits.topic, waits.key))});
            self.parked.entry((told.what.clone(), reason)).or_insert((0, told.number)).0 += 1;
        }
        self.messages.push(message);
    }

    pub(super) fn parks(&self) -> bool {
        !self.parked.is_empty()
    }

    /// A fact, its tokens by their short names.
    fn fact(&mut self, fact: &Shown) -> Value {
        let (name, key) = (self.alias(&fact.name), self.alias(&fact.key));
        let _ = writeln!(self.text, "    {}  {name}  at {key}", fact.topic);
        let Some(event) = &fact.event else {
            self.text.push_str("        taken back\n");
            return json!({"topic": fact.topic, "name": name, "key": key, "withdrawn": true});
        };
        let mut event = event.clone();
        let schema: Value = serde_json::from_str(fact.schema).unwrap_or_default();
        readable(&mut event, &schema, self.reveal);
        self.alias_all(&mut event);
        let mut line = String::new();
        for (field, value) in event.as_object().into_iter().flatten() {
            let is_news = field != "change" && !value.is_null();
            if is_news {
                let _ = match value {
                    Value::String(text) => write!(line, " {field}={text:?}"),
                    other => write!(line, " {field}={other}"),
                };
            }
        }
        let _ = writeln!(self.text, "       {line}");
        json!({"topic": fact.topic, "name": name, "key": key, "event": event})
    }

    fn alias_all(&mut self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.alias(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.alias_all(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.alias_all(field)),
            _ => {}
        }
    }

    /// Every token in a text as `#1`, by when it was first met: short, and the same in every run.
    fn alias(&mut self, text: &str) -> String {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let (mut out, mut rest) = (String::with_capacity(text.len()), text);
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(|byte| is_digit(*byte)).count();
            if digits == TOKEN_LENGTH {
                let (token, tail) = rest.split_at(TOKEN_LENGTH);
                let next = format!("#{}", self.aliases.len() + 1);
                out.push_str(self.aliases.entry(token.to_owned()).or_insert(next));
                rest = tail;
                continue;
            }
            let first = rest.chars().next().map_or(0, char::len_utf8);
            let (plain, tail) = rest.split_at(digits.max(first));
            out.push_str(plain);
            rest = tail;
        }
        out
    }

    /// The page for people; the summary alone where only that was asked for.
    pub(super) fn text(&self, summary: bool) -> String {
        let mut text = if summary { String::new() } else { self.text.clone() + "\n" };
        let _ = writeln!(text, "{} messages; {} would wait behind others", self.messages.len(), self.behind);
        let mut table = |title: &str, rows: Vec<(u64, String)>| {
            if !rows.is_empty() {
                let _ = writeln!(text, "\n{title}");
                for (count, what) in rows {
                    let _ = writeln!(text, "  {count:>7}  {what}");
                }
            }
        };
        table(
            "messages",
            self.outcomes.iter().map(|((what, how), count)| (*count, format!("{what}  {how}"))).collect(),
        );
        table("facts", self.facts.iter().map(|(topic, count)| (*count, (*topic).to_owned())).collect());
        table(
            "came to nothing",
            self.unmapped.iter().map(|((what, why), count)| (*count, format!("{what}  {why}"))).collect(),
        );
        table(
            "in no code table, and passed as said",
            self.as_said
                .iter()
                .map(|(as_said, count)| (*count, format!("{}  {}", as_said.table.as_str(), as_said.code)))
                .collect(),
        );
        let parked = self.parked.iter();
        let first = |((what, why), (count, first)): (&(String, String), &(u64, usize))| {
            (*count, format!("{what}  {why}  (first: message {first})"))
        };
        table("parked", parked.map(first).collect());
        table("besides", self.notes.iter().map(|note| (1, note.clone())).collect());
        text
    }

    pub(super) fn json(&self) -> String {
        let counted =
            |what: &str, how: &str, count: u64| json!({"what": what, "outcome": how, "count": count});
        let parked = |((what, why), (count, first)): (&(String, String), &(u64, usize))| json!({"what": what, "reason": why, "count": count, "first": first});
        let page = json!({
            "messages": self.messages,
            "summary": {
                "messages": self.messages.len(),
                "behind": self.behind,
                "outcomes": self.outcomes.iter().map(|((what, how), count)| counted(what, how, *count)).collect::<Vec<_>>(),
                "facts": self.facts,
                "unmapped": self.unmapped.iter().map(|((what, why), count)| counted(what, why, *count)).collect::<Vec<_>>(),
                "as_said": self.as_said.iter()
                    .map(|(as_said, count)| json!({"table": as_said.table.as_str(), "code": as_said.code, "count": count}))
                    .collect::<Vec<_>>(),
                "parked": self.parked.iter().map(parked).collect::<Vec<_>>(),
                "besides": self.notes,
            },
        });
        format!("{page:#}\n")
    }
}
