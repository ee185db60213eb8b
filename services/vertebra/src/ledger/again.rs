//! Asking a processor to fold the records of a topic again, and waiting for what its lanes' owners answer.
//!
//! Consumes the ledger; writes into it what is wished, one wish a lane, with who wishes it and why. Who folds is the
//! service: it has to run. What was wished and is not answered stays, and is carried out when the lane's owner comes to it. What
//! would change is asked of all lanes at once; what is done goes lane by lane, and on from the first one only when that went well.

mod page;

use super::{LedgerError, lanes};
use backbone::postgres::operate::{self, Asker, IntentSeen};
use backbone::postgres::{PostgresStore, look};
use backbone::wish::{Chosen, Outcome, Wish};
use canon::Catalog;
use serde::Serialize;
use std::time::{Duration, Instant};

/// How often the ledger is asked what came of it.
const ASKED_EVERY: Duration = Duration::from_millis(500);

/// What is wished of a processor.
#[derive(Clone, Debug)]
pub struct Wished<'a> {
    /// The projection.
    pub processor: &'a str,
    /// The topic whose records it folds again.
    pub topic: &'a str,
    /// Which of them; the others are left alone.
    pub chosen: Chosen,
    /// Only counts what would change.
    pub dry_run: bool,
}

/// How it is done.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Facts a second that go out, at most: after a lane, the next one waits so long.
    pub rate: u32,
    /// How long to wait for the lanes that are asked at a time.
    pub patience: Duration,
    /// Goes on from the first lane though something was rejected there.
    pub despite_rejected: bool,
}

/// What came of wishes.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The projection.
    pub processor: String,
    /// The topic; nothing when this release does not know such a wish.
    pub topic: Option<String>,
    /// Records before this time were left alone.
    pub since: Option<String>,
    /// Records of this time and later were left alone.
    pub until: Option<String>,
    /// Only this sender's records were folded.
    pub sender: Option<String>,
    /// Whether it was only counted.
    pub dry_run: bool,
    /// By number.
    pub lanes: Vec<Lane>,
    /// Over all lanes that have answered.
    pub sum: Outcome,
    /// Why it ended before all lanes were asked.
    pub stopped: Option<String>,
}

/// What came of a lane's wish.
#[derive(Clone, Debug, Serialize)]
pub struct Lane {
    /// The lane.
    pub lane: i32,
    /// The wish's number.
    pub wish: i64,
    /// What its owner answered; nothing yet.
    pub outcome: Option<Outcome>,
    /// How a lane stands that has not answered.
    pub state: Option<lanes::State>,
}

/// Writes a wish for each lane of a processor, or for one of them.
///
/// # Errors
/// When there is no such topic, processor or lane, or the ledger does not answer.
pub async fn ask(
    store: &PostgresStore,
    wished: &Wished<'_>,
    lane: Option<i32>,
    asker: Asker<'_>,
) -> Result<Vec<IntentSeen>, LedgerError> {
    let Wished { processor, topic, chosen, dry_run } = wished;
    let (processor, topic) = (*processor, *topic);
    // Whether the projection folds the topic its lanes say. A table is a processor of its own, called as its topic is; it
    // keeps rows and folds nothing, so nobody would ever answer.
    let catalog = Catalog::builtin();
    if catalog.topic(topic).is_none() || catalog.topic(processor).is_some() {
        let (topic, processor) = (topic.to_owned(), processor.to_owned());
        return Err(LedgerError::NotFolded { processor, topic });
    }
    let wish = Wish::Again { topic: topic.to_owned(), chosen: chosen.clone(), dry_run: *dry_run };
    if let Some(lane) = lane {
        let asked = operate::wish_of_lane(store, processor, lane, &wish, asker).await?;
        return match asked {
            Some(asked) => Ok(vec![asked]),
            None => Err(LedgerError::Unknown { processor: processor.to_owned(), lane }),
        };
    }
    let asked = operate::wish(store, processor, &wish, asker).await?;
    if asked.is_empty() {
        return Err(LedgerError::NoProcessor { processor: processor.to_owned() });
    }
    Ok(asked)
}

/// Has it done, lane by lane: on from the first one that has such records only when nothing was rejected there, and at most so
/// many facts a second. `told` hears of each news.
///
/// # Errors
/// When there is no such topic or processor, or the ledger does not answer.
pub async fn carry_out(
    store: &PostgresStore,
    wished: &Wished<'_>,
    asker: Asker<'_>,
    pace: Pace,
    mut told: impl FnMut(&str),
) -> Result<Report, LedgerError> {
    let numbers: Vec<i32> =
        look::lanes(store, wished.processor).await?.into_iter().map(|lane| lane.number).collect();
    if numbers.is_empty() {
        return Err(LedgerError::NoProcessor { processor: wished.processor.to_owned() });
    }
    let (mut asked, mut stopped, mut is_first) = (Vec::new(), None, true);
    for (place, number) in numbers.iter().enumerate() {
        let began = Instant::now();
        let one = ask(store, wished, Some(*number), asker).await?;
        let one = answers(store, one, pace.patience, &mut told).await;
        let outcome = one.first().and_then(|seen| seen.outcome.clone());
        asked.extend(one);
        let news = outcome.as_ref().map_or(0, |sum| sum.corrected + sum.recorded + sum.withdrawn);
        told(&format!("lane {number}, {} of {}: {news} facts went out", place + 1, numbers.len()));
        stopped = stops(*number, outcome.as_ref(), is_first && !pace.despite_rejected);
        if stopped.is_some() {
            break;
        }
        is_first &= outcome.is_none_or(|outcome| outcome.records == 0);
        if place + 1 < numbers.len() {
            let due = Duration::from_secs(1)
                .saturating_mul(u32::try_from(news).unwrap_or(u32::MAX))
                .checked_div(pace.rate.max(1));
            tokio::time::sleep(due.unwrap_or_default().saturating_sub(began.elapsed())).await;
        }
    }
    Ok(Report { stopped, ..of_all(store, asked).await })
}

/// Why no further lane is asked after one.
fn stops(lane: i32, outcome: Option<&Outcome>, is_first: bool) -> Option<String> {
    match outcome {
        None => Some(format!("lane {lane} has not answered")),
        Some(Outcome { failed: Some(why), .. }) => Some(format!("lane {lane} refused: {why}")),
        Some(outcome) if is_first && !outcome.rejected.is_empty() => Some(format!(
            "lane {lane}, the first that has such records, rejected {} of them; the other lanes were left alone \
             (--despite-rejected goes on)",
            outcome.rejected.values().sum::<u64>()
        )),
        Some(_) => None,
    }
}

/// Wishes that were written before.
///
/// # Errors
/// When one of them is not there, or the ledger does not answer.
pub async fn asked(store: &PostgresStore, wishes: &[i64]) -> Result<Vec<IntentSeen>, LedgerError> {
    let found = operate::intents(store, wishes).await?;
    let missing = wishes.iter().find(|wish| !found.iter().any(|seen| seen.id == **wish));
    missing.map_or(Ok(found), |wish| Err(LedgerError::NoWish { wish: *wish }))
}

/// Waits until every wish is answered, at most for so long; `told` hears of each news. A ledger that goes away
/// meanwhile is asked again: the wishes are written.
pub async fn wait(
    store: &PostgresStore,
    asked: Vec<IntentSeen>,
    at_most: Duration,
    told: impl FnMut(&str),
) -> Report {
    let asked = answers(store, asked, at_most, told).await;
    of_all(store, asked).await
}

async fn of_all(store: &PostgresStore, asked: Vec<IntentSeen>) -> Report {
    let silent = asked.iter().any(|seen| seen.outcome.is_none());
    let lanes = if silent { lanes::list(store).await.ok() } else { None };
    Report::of(asked, &lanes.map(|lanes| lanes.lanes).unwrap_or_default())
}

async fn answers(
    store: &PostgresStore,
    mut asked: Vec<IntentSeen>,
    at_most: Duration,
    mut told: impl FnMut(&str),
) -> Vec<IntentSeen> {
    let began = Instant::now();
    let ids: Vec<i64> = asked.iter().map(|seen| seen.id).collect();
    let mut news = None;
    loop {
        match operate::intents(store, &ids).await {
            Ok(seen) if seen.len() == asked.len() => asked = seen,
            Ok(_) => {}
            Err(error) => told(&format!("{error}; asking again")),
        }
        let answered = asked.iter().filter(|seen| seen.outcome.is_some()).count();
        if news.replace(answered) != Some(answered) {
            told(&format!("{answered} of {} lanes have answered", asked.len()));
        }
        let left = at_most.saturating_sub(began.elapsed());
        if answered == asked.len() || left.is_zero() {
            return asked;
        }
        tokio::time::sleep(ASKED_EVERY.min(left)).await;
    }
}

impl Report {
    fn of(asked: Vec<IntentSeen>, seen: &[lanes::Lane]) -> Self {
        let processor = asked.first().map(|seen| seen.processor.clone()).unwrap_or_default();
        let wish = asked.first().and_then(|seen| seen.wish.clone());
        let (topic, chosen, dry_run) = match wish {
            Some(Wish::Again { topic, chosen, dry_run }) => (Some(topic), Some(chosen), dry_run),
            Some(_) | None => (None, None, false),
        };
        let mut sum = Outcome::default();
        asked.iter().filter_map(|seen| seen.outcome.as_ref()).for_each(|outcome| sum.add(outcome));
        let state = |number| {
            let lane = seen.iter().find(|lane| lane.processor == processor && lane.lane == number);
            lane.map(|lane| lane.state)
        };
        let lane = |seen: IntentSeen| Lane {
            lane: seen.lane,
            wish: seen.id,
            state: if seen.outcome.is_none() { state(seen.lane) } else { None },
            outcome: seen.outcome,
        };
        let mut lanes: Vec<Lane> = asked.into_iter().map(lane).collect();
        lanes.sort_by_key(|lane| lane.lane);
        let since = chosen.as_ref().map(|chosen| chosen.since.to_string());
        let until = chosen.as_ref().and_then(|chosen| Some(chosen.until?.to_string()));
        let sender = chosen.and_then(|chosen| chosen.sender);
        Self { processor, topic, since, until, sender, dry_run, lanes, sum, stopped: None }
    }

    /// Whether every lane has answered, and nothing was rejected or refused.
    pub fn is_clean(&self) -> bool {
        let clean = |outcome: &Outcome| outcome.failed.is_none() && outcome.rejected.is_empty();
        self.stopped.is_none() && self.lanes.iter().all(|lane| lane.outcome.as_ref().is_some_and(clean))
    }

    /// The wishes that are not answered.
    fn open(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter().filter(|lane| lane.outcome.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn wish(lane: i32, outcome: Option<Outcome>) -> IntentSeen {
        let chosen = Chosen::since(canon::Timestamp(1_000_000));
        let again = Wish::Again { topic: "raw.hl7v2.v1".to_owned(), chosen, dry_run: true };
        let processor = "hl7-translation".to_owned();
        IntentSeen { id: 40 + i64::from(lane), processor, lane, wish: Some(again), outcome }
    }

    fn folded(records: u64) -> Outcome {
        Outcome { records, unchanged: records - 1, corrected: 1, ..Outcome::default() }
    }

    #[track_caller]
    fn check(outcomes: Vec<Option<Outcome>>, clean: bool, page: &str) {
        let asked = (0..).zip(outcomes).map(|(lane, outcome)| wish(lane, outcome)).collect();
        let report = Report::of(asked, &[]);
        assert_eq!(report.to_string(), page);
        assert_eq!(report.is_clean(), clean);
    }

    #[test]
    fn each_lane_is_a_line_and_the_sum_is_one() {
        check(
            vec![Some(folded(120)), Some(folded(9))],
            true,
            "hl7-translation folds raw.hl7v2.v1 again, since 1970-01-01T00:00:01Z\n\
             lane  records  unchanged  corrected  recorded  withdrawn  parked  rejected\n\
             0     120      119        1          0         0          0       0\n\
             1     9        8          1          0         0          0       0\n\
             sum   129      127        2          0         0          0       0\n\
             a dry run: nothing was changed; --yes does it",
        );
    }

    #[test]
    fn what_is_rejected_refused_or_not_answered_is_said_and_is_not_clean() {
        let rejected = Outcome { rejected: BTreeMap::from([("invalid".to_owned(), 3)]), ..folded(5) };
        let failed = Outcome { failed: Some("not here".to_owned()), ..Outcome::default() };
        check(
            vec![Some(rejected.clone()), Some(failed.clone())],
            false,
            "hl7-translation folds raw.hl7v2.v1 again, since 1970-01-01T00:00:01Z\n\
             lane  records  unchanged  corrected  recorded  withdrawn  parked  rejected\n\
             0     5        4          1          0         0          0       invalid 3\n\
             1     0        0          0          0         0          0       0          refused: not here\n\
             sum   5        4          1          0         0          0       invalid 3\n\
             where a lane refused, nothing was done",
        );
        let open = Report::of(vec![wish(0, Some(rejected)), wish(1, None)], &[]);
        let page = open.to_string();
        assert!(page.contains("1     -        -") && page.contains("1 lane not answered"), "{page}");
        assert!(page.ends_with("--asked 41`") && !open.is_clean(), "{page}");
    }

    #[test]
    fn the_first_lane_that_rejects_something_stops_the_others_and_later_ones_only_when_they_refuse() {
        let rejected = Outcome { rejected: BTreeMap::from([("invalid".to_owned(), 3)]), ..folded(5) };
        let failed = Outcome { failed: Some("not here".to_owned()), ..Outcome::default() };
        for (outcome, is_first, stopped) in [
            (Some(&folded(5)), true, false),
            (Some(&rejected), true, true),
            (Some(&rejected), false, false),
            (Some(&failed), false, true),
            (None, false, true),
        ] {
            assert_eq!(stops(0, outcome, is_first).is_some(), stopped, "{outcome:?} {is_first}");
        }
    }

    #[test]
    fn what_changes_is_named_and_summed() {
        use backbone::wish::{Became, Changed, Moved};
        let money = |text: &str| -> canon::Money { text.parse().expect("money") };
        let moved = Moved {
            topic: "billing.charge.v1".to_owned(),
            change: Became::Corrected,
            currency: Some("EUR".to_owned()),
            facts: 2,
            before: money("30"),
            after: money("12.5"),
            pieces_before: money("4"),
            pieces_after: money("1"),
        };
        let fact = Changed {
            topic: "billing.charge.v1".to_owned(),
            name: "charge/north/t/1".to_owned(),
            change: Became::Corrected,
            revision: 2,
            before: Some((money("20"), "USD".to_owned())),
            after: Some((money("20"), "EUR".to_owned())),
        };
        let range = Some((canon::Timestamp(0), canon::Timestamp(1_000_000)));
        let senders = BTreeMap::from([("north".to_owned(), 5)]);
        let outcome = Outcome { moved: vec![moved], facts: vec![fact], range, senders, ..folded(5) };
        let page = Report::of(vec![wish(0, Some(outcome))], &[]).to_string();
        for said in [
            "records from 1970-01-01T00:00:00Z to 1970-01-01T00:00:01Z, of north 5",
            "billing.charge.v1  2      corrected  EUR       30      12.5   -17.5       -3",
            "corrected  billing.charge.v1  charge/north/t/1  2         20 USD  20 EUR",
        ] {
            assert!(page.contains(said), "{said} in {page}");
        }
    }
}
