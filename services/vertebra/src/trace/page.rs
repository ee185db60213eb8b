//! The way as a page: steps in order of time, a cause always before what it caused, and where was looked.

use super::found::Found;
use super::subject::Taken;
use super::way::Way;
use crate::ledger::table;
use backbone::postgres::look::PlaceSeen;
use canon::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use uuid::Uuid;

/// The way of a fact.
#[derive(Clone, Debug, Serialize)]
pub struct Trace {
    /// As what the question was understood.
    pub taken: Vec<Taken>,
    /// Records before this time were not looked at.
    pub since: String,
    /// In order.
    pub steps: Vec<Step>,
    /// Where was looked.
    pub looked: Vec<Looked>,
    /// What could not be told, and why.
    pub notes: Vec<String>,
}

/// Where something of it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Where {
    /// On a topic.
    Topic,
    /// In a service's ledger.
    Ledger,
    /// In Odoo.
    Odoo,
}

/// One step of the way.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Its number on this page.
    pub step: usize,
    /// The number of the step that it comes of.
    pub because: Option<usize>,
    /// When; nothing where nobody has noted it.
    #[serde(serialize_with = "time")]
    pub at: Option<Timestamp>,
    /// Where it lies.
    pub r#where: Where,
    /// Topic, partition and offset; service and processor; or the external id.
    pub place: String,
    /// In words.
    pub what: String,
    /// The event's id.
    pub id: Option<Uuid>,
    /// The fact's name.
    pub fact: Option<String>,
    /// The event's version among its key's.
    pub version: Option<i64>,
    /// The fact's revision.
    pub revision: Option<u32>,
    /// The event that caused it.
    pub cause: Option<Uuid>,
    /// What it says, without a patient's data.
    pub values: BTreeMap<String, String>,
    /// Whether something waits here: for a person, a reader, or the relay.
    pub waits: bool,
    /// All of it: patients' data, for whoever asked for it and said why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whole: Option<Value>,
    /// The record it is about.
    #[serde(skip)]
    pub of: Option<PlaceSeen>,
    /// The request it is about.
    #[serde(skip)]
    pub request: Option<String>,
    /// The event that it comes of, where its cause is a deadline: of a request the last charge that it is for.
    #[serde(skip)]
    pub comes_of: Option<Uuid>,
}

/// Where was looked, and how much of it belonged to the way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Looked {
    /// A topic, a ledger, or Odoo.
    pub place: String,
    /// From when on.
    pub since: Option<String>,
    /// How many records were read there.
    pub read: Option<u64>,
    /// How many were looked for and found.
    pub found: usize,
}

impl Looked {
    pub(super) fn topic(topic: &str, since: Timestamp, read: u64, found: usize) -> Self {
        Self { place: topic.to_owned(), since: Some(since.to_string()), read: Some(read), found }
    }

    pub(super) fn ledger(service: &str, found: usize) -> Self {
        Self { place: format!("the ledger of {service}"), since: None, read: None, found }
    }

    pub(super) fn odoo(asked: usize, found: usize) -> Self {
        Self { place: "odoo".to_owned(), since: None, read: u64::try_from(asked).ok(), found }
    }
}

impl Step {
    pub(super) fn new(r#where: Where) -> Self {
        Self {
            step: 0,
            because: None,
            at: None,
            r#where,
            place: String::new(),
            what: String::new(),
            id: None,
            fact: None,
            version: None,
            revision: None,
            cause: None,
            values: BTreeMap::new(),
            waits: false,
            whole: None,
            of: None,
            request: None,
            comes_of: None,
        }
    }

    fn record(found: &Found, reveal: bool) -> Self {
        let id = |text: &Option<String>| text.as_deref().and_then(|id| id.parse().ok());
        let change =
            found.text("change").unwrap_or(if found.body.is_some() { "stated" } else { "tombstone" });
        Self {
            at: Some(found.at),
            place: found.place(),
            what: change.to_owned(),
            id: Some(found.headers.id),
            fact: Some(found.headers.factname.clone()),
            version: found.headers.version,
            revision: found.headers.revision,
            cause: id(&found.headers.causationid),
            values: said(found),
            whole: found.whole.clone().filter(|_| reveal),
            of: Some(super::topics::place(found)),
            request: found.text("request").map(str::to_owned),
            ..Self::new(Where::Topic)
        }
    }
}

/// What of an event people look for first. Tokens and places are told otherwise.
fn said(found: &Found) -> BTreeMap<String, String> {
    const FIELDS: [&str; 22] = [
        "account",
        "amount",
        "code",
        "control_id",
        "currency",
        "facility",
        "invoice",
        "kind",
        "message_code",
        "moved_to",
        "number",
        "payer",
        "payment_state",
        "quantity",
        "request",
        "residual",
        "reverses",
        "state",
        "status",
        "total",
        "trigger",
        "unparsed",
    ];
    let body = found.body.as_ref().and_then(Value::as_object);
    let fields = body.into_iter().flatten().filter(|(name, _)| FIELDS.contains(&name.as_str()));
    let text = |value: &Value| match value {
        Value::Null | Value::Array(_) | Value::Object(_) => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    fields.filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect()
}

/// Puts the steps into their order.
pub(super) fn of(way: Way, taken: Vec<Taken>, reveal: bool) -> Trace {
    let is_empty = way.is_empty();
    let records = way
        .records
        .values()
        .map(|found| Step { comes_of: way.last_charge_of(found), ..Step::record(found, reveal) });
    let records: Vec<Step> = records.collect();
    let steps = if is_empty { Vec::new() } else { ordered(records.into_iter().chain(way.steps).collect()) };
    let looked: BTreeSet<Looked> = way.looked.into_iter().collect();
    let mut notes = way.notes;
    let known: BTreeSet<Uuid> = steps.iter().filter_map(|step| step.id).collect();
    let unknown: BTreeSet<Uuid> =
        steps.iter().filter_map(|step| step.cause).filter(|cause| !known.contains(cause)).collect();
    notes.extend(unknown.iter().map(|cause| {
        format!(
            "the event {cause} is said to be a cause and was not found: it may lie before --since, or be gone"
        )
    }));
    Trace { taken, since: way.since.to_string(), steps, looked: looked.into_iter().collect(), notes }
}

/// By time, but never before what it comes of.
fn ordered(steps: Vec<Step>) -> Vec<Step> {
    let is_record = |step: &&Step| step.r#where == Where::Topic;
    let mut by_id: BTreeMap<Uuid, usize> = BTreeMap::new();
    let mut by_place: BTreeMap<PlaceSeen, usize> = BTreeMap::new();
    let mut by_request: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, step) in steps.iter().enumerate().filter(|(_, step)| is_record(step)) {
        by_id.extend(step.id.map(|id| (id, index)));
        by_place.extend(step.of.clone().map(|place| (place, index)));
        if step.place.starts_with("billing.invoice-request.") {
            by_request.extend(step.request.as_deref().map(|request| (request, index)));
        }
    }
    let by_fact: BTreeMap<&str, usize> = steps
        .iter()
        .enumerate()
        .filter(|(_, step)| is_record(step))
        .filter_map(|(index, step)| Some((step.fact.as_deref()?, index)))
        .collect();
    let cause = |index: usize| -> Option<usize> {
        let step = &steps[index];
        let of_record = match is_record(&step) {
            true => step.cause.or(step.comes_of).and_then(|id| by_id.get(&id)),
            false => (step.of.as_ref().and_then(|place| by_place.get(place)))
                .or_else(|| step.id.and_then(|id| by_id.get(&id)))
                .or_else(|| step.fact.as_deref().and_then(|fact| by_fact.get(fact))),
        };
        let of_request = || step.request.as_deref().and_then(|request| by_request.get(request));
        of_record.or_else(of_request).copied().filter(|of| *of != index)
    };
    let causes: Vec<Option<usize>> = (0..steps.len()).map(cause).collect();
    let key = |index: usize| {
        let (mut time, mut depth, mut at) = (steps[index].at, 0, index);
        // Causes are records and records of one way are few; a circle of them would be somebody else's mistake.
        while let Some(of) = causes[at].filter(|_| depth < steps.len()) {
            time = time.max(steps[of].at);
            (at, depth) = (of, depth + 1);
        }
        (time.unwrap_or(Timestamp::MAX), depth, steps[index].r#where, steps[index].place.clone())
    };
    let mut order: Vec<usize> = (0..steps.len()).collect();
    order.sort_by_cached_key(|index| key(*index));
    let numbers: BTreeMap<usize, usize> = (1..).zip(&order).map(|(number, index)| (*index, number)).collect();
    let numbered = order.iter().map(|index| Step {
        step: numbers[index],
        because: causes[*index].map(|of| numbers[&of]),
        ..steps[*index].clone()
    });
    numbered.collect()
}

#[expect(clippy::ref_option, reason = "serde asks so")]
fn time<S: serde::Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.collect_str(at),
        None => serializer.serialize_none(),
    }
}

impl Trace {
    /// Whether it was found, and nothing of it waits.
    pub fn is_well(&self) -> bool {
        !self.steps.is_empty() && !self.steps.iter().any(|step| step.waits)
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let taken: Vec<String> = self.taken.iter().map(ToString::to_string).collect();
        let taken =
            if taken.is_empty() { "nothing that can be looked for".to_owned() } else { taken.join(", or ") };
        writeln!(f, "taken as {taken}\n")?;
        if !self.steps.is_empty() {
            let rows: Vec<_> = self.steps.iter().map(Step::row).collect();
            table::write(f, ["step", "of", "at", "place", "version", "what"], &rows)?;
            for step in self.steps.iter().filter(|step| step.whole.is_some()) {
                let whole = match &step.whole {
                    Some(Value::String(text)) => text.clone(),
                    Some(value) => format!("{value:#}"),
                    None => String::new(),
                };
                writeln!(f, "\nstep {}, all of it:\n{whole}", step.step)?;
            }
            writeln!(f)?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        for Looked { place, since, read, found } in &self.looked {
            let since = since.as_ref().map(|since| format!(" since {since}")).unwrap_or_default();
            let read = read.map(|read| format!(" of {read}")).unwrap_or_default();
            writeln!(f, "looked at {place}{since}: {found}{read}")?;
        }
        let waits = self.steps.iter().filter(|step| step.waits).count();
        match (self.steps.len(), waits) {
            (0, _) => write!(
                f,
                "nothing was found. What lies before {} was not looked at (--since); a number is understood with the installation's \
                 secret (--token-secret-file) and under the authorities that senders' files name (--authority)",
                self.since
            ),
            (steps, 0) => write!(f, "{steps} steps; nothing of it waits"),
            (steps, waits) => write!(f, "{steps} steps; {waits} of them wait"),
        }
    }
}

impl Step {
    fn row(&self) -> [String; 6] {
        let shown = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let version = match (self.version, self.revision) {
            (Some(version), Some(revision)) => Some(format!("{version} (rev. {revision})")),
            (version, _) => version.map(|version| version.to_string()),
        };
        let mut what = self.what.clone();
        for (name, value) in &self.values {
            what += &format!(" {name}={value}");
        }
        if let Some(fact) = &self.fact {
            what += &format!("  {fact}");
        }
        [
            self.step.to_string(),
            shown(self.because.map(|of| format!("#{of}"))),
            shown(self.at.map(|at| at.to_string())),
            self.place.clone(),
            shown(version),
            if self.waits { format!("WAITS: {what}") } else { what },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(place: &str, at: i64, id: u128, cause: Option<u128>) -> Step {
        Step {
            at: Some(Timestamp(at)),
            place: place.to_owned(),
            id: Some(Uuid::from_u128(id)),
            cause: cause.map(Uuid::from_u128),
            ..Step::new(Where::Topic)
        }
    }

    #[track_caller]
    fn check(steps: Vec<Step>, expected: &[(&str, Option<usize>)]) {
        let ordered = ordered(steps);
        let told: Vec<(&str, Option<usize>)> =
            ordered.iter().map(|step| (step.place.as_str(), step.because)).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn a_cause_comes_before_what_it_caused_whatever_the_clocks_say() {
        let early = record("charge", 5, 2, Some(1));
        let steps = vec![early, record("raw", 10, 1, None), record("other", 7, 3, None)];
        check(steps, &[("other", None), ("raw", None), ("charge", Some(2))]);
    }

    #[test]
    fn what_a_ledger_knows_of_a_record_stands_behind_it() {
        let place = PlaceSeen { topic: "t".to_owned(), partition: 0, offset: 1 };
        let raw = Step { of: Some(place.clone()), ..record("raw", 10, 1, None) };
        let read = Step {
            at: Some(Timestamp(3)),
            place: "ledger".to_owned(),
            of: Some(place),
            ..Step::new(Where::Ledger)
        };
        let request =
            Step { request: Some("v-1".to_owned()), ..record("billing.invoice-request.v1/0@4", 20, 2, None) };
        let odoo =
            Step { place: "odoo".to_owned(), request: Some("v-1".to_owned()), ..Step::new(Where::Odoo) };
        let expected =
            [("raw", None), ("ledger", Some(1)), ("billing.invoice-request.v1/0@4", None), ("odoo", Some(3))];
        check(vec![odoo, read, request, raw], &expected);
    }

    #[test]
    fn what_a_deadline_did_comes_of_what_it_is_for() {
        let request = Step { comes_of: Some(Uuid::from_u128(1)), ..record("request", 3, 2, None) };
        check(vec![request, record("charge", 5, 1, None)], &[("charge", None), ("request", Some(1))]);
    }

    #[test]
    fn a_circle_of_causes_ends() {
        check(
            vec![record("a", 1, 1, Some(2)), record("b", 2, 2, Some(1))],
            &[("a", Some(2)), ("b", Some(1))],
        );
    }
}
