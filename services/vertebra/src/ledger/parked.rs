//! What is parked: why, under which key, from whom. Of the inputs themselves nothing is shown.

use super::{LedgerError, table};
use backbone::postgres::{PostgresStore, look};
use canon::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// Which of them are wanted.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those with this reason.
    pub reason: Option<String>,
    /// Only those of this sender or service.
    pub sender: Option<String>,
    /// Only those under this key.
    pub key: Option<String>,
    /// Only those of this projection or sink.
    pub processor: Option<String>,
    /// Only those parked at this time or later.
    pub since: Option<Timestamp>,
    /// Only those parked before this time.
    pub until: Option<Timestamp>,
    /// Only those that wait for a row of a table.
    pub waits: bool,
}

/// What is parked in a ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parked {
    /// How many there are, by processor and reason; all that the filter lets through.
    pub reasons: Vec<Count>,
    /// The first of them, in park order.
    pub inputs: Vec<Input>,
}

/// How many are parked alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    /// The processor.
    pub processor: String,
    /// The class of what is wrong.
    pub reason: String,
    /// Inputs.
    pub inputs: usize,
    /// Keys that wait because of them.
    pub keys: usize,
    /// When the first of them was parked.
    pub oldest: String,
}

/// One parked input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Input {
    /// Its number in the ledger.
    pub id: i64,
    /// The processor.
    pub processor: String,
    /// The lane.
    pub lane: i32,
    /// The class of what is wrong.
    pub reason: String,
    /// The key that waits because of it; a token or a code.
    pub key: Option<String>,
    /// Who said it: a sender, or a service.
    pub sender: Option<String>,
    /// Topic, partition and offset, or the deadline's time.
    pub place: String,
    /// When it was parked.
    pub at: String,
    /// In words, which name positions and never values.
    pub detail: String,
}

/// What is parked, the first `limit` of it one by one.
///
/// # Errors
/// When the ledger does not answer.
pub async fn list(store: &PostgresStore, filter: &Filter, limit: usize) -> Result<Parked, LedgerError> {
    let mut inputs = Vec::new();
    for processor in look::processors(store).await? {
        if filter.processor.as_ref().is_some_and(|wanted| *wanted != processor) {
            continue;
        }
        let rows = look::parked(store, &processor).await?;
        let rows = rows
            .into_iter()
            .filter(|row| filter.reason.as_deref().is_none_or(|reason| reason == row.reason.as_str()));
        let rows = rows.filter(|row| filter.key.is_none() || row.chain == filter.key);
        let rows = rows.filter(|row| filter.since.is_none_or(|since| row.at >= since));
        let rows = rows.filter(|row| filter.until.is_none_or(|until| row.at < until));
        inputs.extend(rows.map(|row| input(&processor, row)));
    }
    if filter.waits {
        let waiting = look::waiting_inputs(store).await?;
        inputs.retain(|input: &Input| waiting.contains(&input.id));
    }
    let ids: Vec<i64> = inputs.iter().map(|input| input.id).collect();
    let mut sources = look::sources(store, &ids).await?;
    for input in &mut inputs {
        input.sender = sources.remove(&input.id).map(|source| sender(&source).to_owned());
    }
    inputs.retain(|input| filter.sender.is_none() || input.sender == filter.sender);
    inputs.sort_by_key(|input| input.id);
    let reasons = counts(&inputs);
    inputs.truncate(limit);
    Ok(Parked { reasons, inputs })
}

fn input(processor: &str, row: look::ParkedSeen) -> Input {
    let place = match (row.record, row.deadline) {
        (Some(record), _) => format!("{}/{}@{}", record.topic, record.partition, record.offset),
        (None, Some((_, at))) => format!("deadline of {at}"),
        (None, None) => String::new(),
    };
    Input {
        id: row.id,
        processor: processor.to_owned(),
        lane: row.lane,
        reason: row.reason.as_str().to_owned(),
        key: row.chain,
        sender: None,
        place,
        at: row.at.to_string(),
        detail: row.detail,
    }
}

/// The last part of `vertebra/ehr-adapter/north`: the sender, else the service.
fn sender(source: &str) -> &str {
    source.rsplit('/').next().unwrap_or(source)
}

fn counts(inputs: &[Input]) -> Vec<Count> {
    let mut alike: BTreeMap<(&str, &str), Vec<&Input>> = BTreeMap::new();
    for input in inputs {
        alike.entry((&input.processor, &input.reason)).or_default().push(input);
    }
    let count = |((processor, reason), inputs): ((&str, &str), Vec<&Input>)| {
        let keys: std::collections::BTreeSet<_> =
            inputs.iter().filter_map(|input| input.key.as_deref()).collect();
        Count {
            processor: processor.to_owned(),
            reason: reason.to_owned(),
            inputs: inputs.len(),
            keys: keys.len(),
            // They are in park order.
            oldest: inputs[0].at.clone(),
        }
    };
    alike.into_iter().map(count).collect()
}

impl fmt::Display for Parked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.reasons.is_empty() {
            return write!(f, "nothing is parked");
        }
        let rows: Vec<_> = self.inputs.iter().map(Input::row).collect();
        table::write(
            f,
            ["id", "processor", "lane", "reason", "sender", "key", "place", "parked", "detail"],
            &rows,
        )?;
        writeln!(f)?;
        let counts = self.reasons.iter().map(|count| {
            let Count { processor, reason, inputs, keys, oldest } = count;
            [processor.clone(), reason.clone(), inputs.to_string(), keys.to_string(), oldest.clone()]
        });
        table::write(f, ["processor", "reason", "inputs", "keys", "oldest"], &counts.collect::<Vec<_>>())?;
        let all: usize = self.reasons.iter().map(|count| count.inputs).sum();
        match all - self.inputs.len() {
            0 => write!(f, "{all} parked"),
            _ => write!(f, "{all} parked, the first {} of them shown: --limit shows more", self.inputs.len()),
        }
    }
}

impl Input {
    fn row(&self) -> [String; 9] {
        let told = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        [
            self.id.to_string(),
            self.processor.clone(),
            self.lane.to_string(),
            self.reason.clone(),
            told(&self.sender),
            told(&self.key),
            self.place.clone(),
            self.at.clone(),
            self.detail.clone(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, expected: &str) {
        assert_eq!(sender(source), expected);
    }

    #[test]
    fn a_sender_is_the_last_part_of_the_source() {
        check("vertebra/ehr-adapter/north", "north");
        check("vertebra/billing-projector", "billing-projector");
        check("north", "north");
    }
}
