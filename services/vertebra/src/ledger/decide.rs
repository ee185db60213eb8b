//! What a person decides about parked inputs: tried again, edited, given up; and the one look at what is parked.
//!
//! Consumes the ledger; writes wishes into it, one a lane and step, with who wishes and why. The lanes' owners carry them
//! out. What is chosen is fixed before the first step: inputs that park meanwhile are not touched. One input goes first, and
//! the rest only when that went through.

use super::parked::{self, Filter, Input};
use super::{LedgerError, table};
use backbone::postgres::operate::{self, Asker, IntentSeen};
use backbone::postgres::{PostgresStore, look};
use backbone::wish::{Outcome, Wish};
use canon::codec::{self, WriterSchema};
use canon::{Event, Phi, RawHl7v2};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

/// How often the ledger is asked what came of a wish.
const ASKED_EVERY: Duration = Duration::from_millis(250);
/// Inputs in one step at most.
const STEP_MAX: usize = 200;

/// What is to be done with inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Given up.
    Discard,
    /// Tried again.
    Redrive,
}

/// How it is done.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Only told what would come of it.
    pub dry_run: bool,
    /// Inputs a second, at most.
    pub rate: u32,
    /// How long to wait for each answer.
    pub patience: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was asked: discard, edit or redrive.
    pub verb: &'static str,
    /// Whether it was only told what would come of it.
    pub dry_run: bool,
    /// Inputs that were chosen.
    pub chosen: usize,
    /// Inputs that were asked for, of these.
    pub asked: usize,
    /// Over all answers.
    pub sum: Outcome,
    /// Why it ended before all were asked for.
    pub stopped: Option<String>,
}

/// Chooses inputs: of those that a filter lets through, or that are named by number. What is tried is named by the first
/// input of a key.
///
/// # Errors
/// When a number is not parked, or stands behind another one of its key.
pub async fn choose(
    store: &PostgresStore,
    verb: Verb,
    filter: &Filter,
    numbers: &[i64],
) -> Result<Vec<Input>, LedgerError> {
    let all = parked::list(store, &Filter::default(), usize::MAX).await?.inputs;
    let mut first: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for input in &all {
        if let Some(key) = input.key.as_deref() {
            first.entry((&input.processor, key)).or_insert(input.id);
        }
    }
    let first_of =
        |input: &Input| input.key.as_deref().map_or(input.id, |key| first[&(input.processor.as_str(), key)]);
    if numbers.is_empty() {
        let wanted = parked::list(store, filter, usize::MAX).await?.inputs;
        let is_chosen = |input: &Input| verb == Verb::Discard || first_of(input) == input.id;
        let known: BTreeSet<i64> = all.iter().map(|input| input.id).collect();
        return Ok(wanted
            .into_iter()
            .filter(|input| known.contains(&input.id) && is_chosen(input))
            .collect());
    }
    let mut chosen = Vec::new();
    for number in numbers {
        let found = all.iter().find(|input| input.id == *number);
        let input = found.ok_or(LedgerError::NotParked { input: *number })?;
        let first = first_of(input);
        if verb == Verb::Redrive && first != *number {
            return Err(LedgerError::NotFirst { input: *number, first });
        }
        chosen.push(input.clone());
    }
    Ok(chosen)
}

/// Has inputs tried again or given up: one first, the rest when that went through, so many a second. `told` hears how far
/// it is.
///
/// # Errors
/// When the ledger does not answer, or a lane is not there.
pub async fn carry_out(
    store: &PostgresStore,
    verb: Verb,
    chosen: &[Input],
    asker: Asker<'_>,
    pace: Pace,
    mut told: impl FnMut(&str),
) -> Result<Report, LedgerError> {
    let name = if verb == Verb::Discard { "discard" } else { "redrive" };
    let mut report = Report::new(name, pace.dry_run, chosen.len());
    let mut chosen = chosen.to_vec();
    // The first of a key goes last: given up earlier, what is still to be given up behind it would go on.
    if verb == Verb::Discard {
        chosen.sort_by_key(|input| std::cmp::Reverse(input.id));
    }
    let canary = usize::from(!pace.dry_run && verb == Verb::Redrive && chosen.len() > 1);
    let (first, rest) = chosen.split_at(canary);
    let per_step = match (verb, pace.dry_run) {
        // What would come of the first of a key depends on what is given up behind it.
        (Verb::Discard, true) => chosen.len().max(1),
        _ => usize::try_from(pace.rate).unwrap_or(STEP_MAX).clamp(1, STEP_MAX),
    };
    let mut is_canary = canary > 0;
    for step in [first].into_iter().chain(rest.chunks(per_step)).filter(|step| !step.is_empty()) {
        let began = Instant::now();
        let came = ask(store, verb, step, asker, pace).await?;
        report.asked += step.len();
        report.sum.add(&came.sum);
        told(&format!(
            "{} of {}: {} parked no longer, {} parked",
            report.asked,
            report.chosen,
            report.sum.resolved + report.sum.discarded,
            report.sum.parked
        ));
        report.stopped = came.stopped.or_else(|| stops(&came.sum, std::mem::take(&mut is_canary)));
        if report.stopped.is_some() {
            return Ok(report);
        }
        if report.asked < report.chosen && !pace.dry_run {
            // What waited behind an input was tried with it.
            let tried = u32::try_from(came.sum.records.max(step.len() as u64)).unwrap_or(u32::MAX);
            let due = Duration::from_secs(1).saturating_mul(tried) / pace.rate.max(1);
            tokio::time::sleep(due.saturating_sub(began.elapsed())).await;
        }
    }
    Ok(report)
}

/// Why no more is asked for after a step: the first one did not go through, or nothing of a step did.
fn stops(sum: &Outcome, is_canary: bool) -> Option<String> {
    let rejected: u64 = sum.rejected.values().sum();
    let went = sum.resolved + sum.discarded;
    match (is_canary, rejected) {
        (_, 0) => None,
        (true, _) => Some("the first one was rejected again; the others were left alone".to_owned()),
        (false, _) if went == 0 => Some("all of a step were rejected again".to_owned()),
        (false, _) => None,
    }
}

/// One step: a wish for each lane that has inputs in it.
async fn ask(
    store: &PostgresStore,
    verb: Verb,
    step: &[Input],
    asker: Asker<'_>,
    pace: Pace,
) -> Result<Came, LedgerError> {
    let mut lanes: BTreeMap<(&str, i32), Vec<i64>> = BTreeMap::new();
    for input in step {
        lanes.entry((&input.processor, input.lane)).or_default().push(input.id);
    }
    let mut asked = Vec::new();
    for ((processor, lane), inputs) in lanes {
        let dry_run = pace.dry_run;
        let wish = match verb {
            Verb::Discard => Wish::Discard { inputs, dry_run },
            Verb::Redrive => Wish::Redrive { inputs, dry_run },
        };
        asked.push(wish_one(store, processor, lane, &wish, asker).await?);
    }
    wait(store, asked, pace.patience).await
}

async fn wish_one(
    store: &PostgresStore,
    processor: &str,
    lane: i32,
    wish: &Wish,
    asker: Asker<'_>,
) -> Result<IntentSeen, LedgerError> {
    let asked = operate::wish_of_lane(store, processor, lane, wish, asker).await?;
    asked.ok_or_else(|| LedgerError::Unknown { processor: processor.to_owned(), lane })
}

/// What came of a step.
pub(super) struct Came {
    pub(super) sum: Outcome,
    pub(super) stopped: Option<String>,
}

pub(super) async fn wait(
    store: &PostgresStore,
    mut asked: Vec<IntentSeen>,
    patience: Duration,
) -> Result<Came, LedgerError> {
    let began = Instant::now();
    let ids: Vec<i64> = asked.iter().map(|seen| seen.id).collect();
    let mut stopped = stopped(store, &asked).await?;
    let is_awaited =
        |seen: &IntentSeen, stopped: &Stopped| seen.outcome.is_none() && !stopped.contains_key(&seen.id);
    while asked.iter().any(|seen| is_awaited(seen, &stopped)) && began.elapsed() < patience {
        tokio::time::sleep(ASKED_EVERY).await;
        asked = operate::intents(store, &ids).await?;
        stopped = self::stopped(store, &asked).await?;
    }
    let mut came = Came { sum: Outcome::default(), stopped: None };
    for seen in asked {
        match seen.outcome {
            None if let Some(why) = stopped.get(&seen.id) => {
                came.stopped = Some(format!(
                    "lane {} of {} is stopped and carries nothing out: {why}. `vertebra lanes resume` has it go on, once the cause is \
                     gone. What was asked stays, under the number {}",
                    seen.lane, seen.processor, seen.id
                ));
            }
            None => {
                came.stopped = Some(format!(
                    "lane {} of {} has not answered: see `vertebra lanes list`. What was asked stays, under the number {}, and is \
                     carried out when the lane's owner comes to it",
                    seen.lane, seen.processor, seen.id
                ));
            }
            Some(Outcome { failed: Some(why), .. }) => {
                came.stopped = Some(format!("lane {} of {} refused: {why}", seen.lane, seen.processor));
            }
            Some(outcome) => came.sum.add(&outcome),
        }
    }
    Ok(came)
}

/// Why lanes are stopped that have not answered, by the wishes' numbers.
type Stopped = BTreeMap<i64, String>;

async fn stopped(store: &PostgresStore, asked: &[IntentSeen]) -> Result<Stopped, LedgerError> {
    let open = || asked.iter().filter(|seen| seen.outcome.is_none());
    let mut stopped = Stopped::new();
    for processor in open().map(|seen| seen.processor.as_str()).collect::<BTreeSet<_>>() {
        for lane in look::lanes(store, processor).await? {
            let Some((why, _)) = lane.stopped else { continue };
            let its = open().filter(|seen| (seen.processor.as_str(), seen.lane) == (processor, lane.number));
            stopped.extend(its.map(|seen| (seen.id, why.clone())));
        }
    }
    Ok(stopped)
}

/// Puts another message in the place of a parked one, and has it tried.
///
/// # Errors
/// When the number is not that of a parked message that is the first of its key, or the ledger does not answer.
pub async fn edit(
    store: &PostgresStore,
    number: i64,
    message: Vec<u8>,
    asker: Asker<'_>,
    pace: Pace,
) -> Result<Report, LedgerError> {
    let chosen = choose(store, Verb::Redrive, &Filter::default(), &[number]).await?;
    let input = &chosen[0];
    let (schema, before) = message_of(store, input).await?;
    let after = RawHl7v2 { payload: Phi(message), ..before };
    let value = codec::encode(schema, &after).map_err(|_| LedgerError::Unreadable { input: number })?;
    let wish = Wish::Edit { input: number, value, dry_run: pace.dry_run };
    let asked = wish_one(store, &input.processor, input.lane, &wish, asker).await?;
    let came = wait(store, vec![asked], pace.patience).await?;
    let mut report = Report::new("edit", pace.dry_run, 1);
    (report.asked, report.sum, report.stopped) = (1, came.sum, came.stopped);
    Ok(report)
}

/// The message that is parked under a number, with the number of the schema that it was written with.
async fn message_of(store: &PostgresStore, input: &Input) -> Result<(u32, RawHl7v2), LedgerError> {
    let topic = input.place.split(['/', ' ']).next().unwrap_or_default();
    if topic != RawHl7v2::TOPIC {
        return Err(LedgerError::NoText { input: input.id, topic: topic.to_owned() });
    }
    let unreadable = || LedgerError::Unreadable { input: input.id };
    let bytes = look::bytes(store, input.id).await?.ok_or(LedgerError::NotParked { input: input.id })?;
    let value = bytes.value.ok_or_else(unreadable)?;
    let (schema, body) = codec::split(&value).map_err(|_| unreadable())?;
    let writer = WriterSchema::parse(RawHl7v2::SCHEMA).map_err(|_| unreadable())?;
    Ok((schema, codec::decode(&writer, body).map_err(|_| unreadable())?))
}

/// A parked message as text, for whoever has said why they look; nothing where what is parked is no message.
pub(crate) async fn text(store: &PostgresStore, number: i64) -> Result<Option<String>, LedgerError> {
    let all = parked::list(store, &Filter::default(), usize::MAX).await?.inputs;
    let Some(input) = all.iter().find(|input| input.id == number) else { return Ok(None) };
    match message_of(store, input).await {
        Ok((_, message)) => Ok(Some(readable(&message))),
        Err(LedgerError::NoText { .. } | LedgerError::Unreadable { .. } | LedgerError::NotParked { .. }) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn readable(message: &RawHl7v2) -> String {
    String::from_utf8_lossy(message.payload.reveal()).replace('\r', "\n")
}

/// One parked input, and what waits behind it.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// The input.
    pub input: Input,
    /// The first input of its key, when that is another one.
    pub behind: Option<i64>,
    /// How many inputs wait behind it.
    pub waiting: usize,
    /// What was parked, as text: patients' data, for whoever asked for it and said why.
    pub message: Option<String>,
}

/// Shows one parked input; the message only to somebody who says why, and that is kept.
///
/// # Errors
/// When the number is not parked, its message is none, or the ledger does not answer.
pub async fn show(
    store: &PostgresStore,
    number: i64,
    reveal: Option<Asker<'_>>,
) -> Result<Shown, LedgerError> {
    let all = parked::list(store, &Filter::default(), usize::MAX).await?.inputs;
    let input = all.iter().find(|input| input.id == number).cloned();
    let input = input.ok_or(LedgerError::NotParked { input: number })?;
    let chain = all.iter().filter(|other| {
        (other.id == number || other.key.is_some())
            && other.key == input.key
            && other.processor == input.processor
    });
    let chain: Vec<i64> = chain.map(|other| other.id).collect();
    let message = match reveal {
        None => None,
        Some(asker) => {
            let (_, message) = message_of(store, &input).await?;
            // Written down before it is shown.
            operate::revealed(store, (&input.processor, input.lane), number, asker).await?;
            Some(readable(&message))
        }
    };
    let behind = chain.first().copied().filter(|first| *first != number);
    let waiting = chain.iter().filter(|other| **other > number).count();
    Ok(Shown { input, behind, waiting, message })
}

impl Report {
    fn new(verb: &'static str, dry_run: bool, chosen: usize) -> Self {
        Self { verb, dry_run, chosen, asked: 0, sum: Outcome::default(), stopped: None }
    }

    /// Whether all was done that was asked for, and nothing was rejected again.
    pub fn is_clean(&self) -> bool {
        self.stopped.is_none() && self.sum.rejected.is_empty() && self.sum.missed == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { resolved, discarded, parked, missed, recorded, corrected, withdrawn, .. } = self.sum;
        let facts = [recorded, corrected, withdrawn].map(|facts| facts.to_string()).join(" / ");
        let rejected = self.sum.rejected.iter().map(|(reason, of)| format!("{reason} {of}"));
        let rejected = rejected.collect::<Vec<_>>().join(", ");
        let cells =
            [self.chosen as u64, resolved, discarded, parked, missed].map(|number| number.to_string());
        let [chosen, resolved, discarded, parked, missed] = cells;
        let heading = [
            "",
            "chosen",
            "through",
            "given up",
            "parked",
            "missed",
            "facts new / corrected / withdrawn",
            "rejected again",
        ];
        let row = [self.verb.to_owned(), chosen, resolved, discarded, parked, missed, facts, rejected];
        table::write(f, heading, &[row])?;
        if let Some(why) = &self.stopped {
            return write!(f, "stopped after {} of {}: {why}", self.asked, self.chosen);
        }
        match (self.chosen, self.dry_run) {
            (0, _) => write!(f, "nothing was chosen"),
            (_, true) => write!(f, "a dry run: nothing was changed; --yes does it"),
            (_, false) => write!(f, "done"),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Input { id, processor, lane, reason, key, sender, place, at, detail } = &self.input;
        let told = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let rows = [
            ["number".to_owned(), id.to_string()],
            ["processor".to_owned(), format!("{processor}, lane {lane}")],
            ["reason".to_owned(), format!("{reason}: {detail}")],
            ["sender".to_owned(), told(sender)],
            ["key".to_owned(), told(key)],
            ["place".to_owned(), place.clone()],
            ["parked".to_owned(), at.clone()],
            ["behind".to_owned(), self.behind.map_or_else(|| "nobody".to_owned(), |first| first.to_string())],
            ["waiting behind it".to_owned(), self.waiting.to_string()],
        ];
        table::write(f, ["what", "is"], &rows)?;
        match &self.message {
            None => write!(
                f,
                "what was parked is not shown: --reveal --by … --because … shows a message, and is kept"
            ),
            Some(message) => write!(f, "\n{message}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(resolved: u64, rejected: u64, is_canary: bool, stopped: bool) {
        let rejected = (rejected > 0).then(|| ("invalid".to_owned(), rejected)).into_iter().collect();
        let sum = Outcome { resolved, rejected, ..Outcome::default() };
        assert_eq!(stops(&sum, is_canary).is_some(), stopped);
    }

    #[test]
    fn a_rejected_first_one_stops_it_and_so_does_a_step_of_which_nothing_went_through() {
        check(1, 0, true, false);
        check(0, 1, true, true);
        check(3, 1, true, true);
        check(5, 5, false, false);
        check(0, 5, false, true);
        check(0, 0, false, false);
    }
}
