//! The verdict: every invariant held against what can be seen from outside, when nothing is on its way any more.
//!
//! Reads what was sent and acknowledged, the topics and the ledgers whole, Odoo, logs and metrics.

mod ledgers;

use super::stage::{Place, Stage, Wanted};
use crate::versions;
use backbone::kafka::{Visible, tail};
use canon::{DeadLetter, Event};
use harness::{Books, Difference, Evidence, History, Hospital, Read, canaries, check};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How many invariants there are.
pub const INVARIANTS: u8 = 11;

/// What became of one invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It was looked at and holds.
    Held,
    /// It was not looked at, and why.
    NotJudged(&'static str),
    /// What does not hold.
    Violated(Vec<String>),
}

/// All of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict(BTreeMap<u8, Judgement>);

impl Default for Verdict {
    fn default() -> Self {
        Self(
            (1..=INVARIANTS)
                .map(|number| (number, Judgement::NotJudged("the run did not come so far")))
                .collect(),
        )
    }
}

impl Verdict {
    /// What became of one.
    pub fn of(&self, number: u8) -> &Judgement {
        self.0.get(&number).unwrap_or(&Judgement::NotJudged("there is no such invariant"))
    }

    /// Whether none is violated.
    pub fn is_good(&self) -> bool {
        !self.0.values().any(|judgement| matches!(judgement, Judgement::Violated(_)))
    }

    /// An invariant was looked at.
    pub fn looked(&mut self, number: u8) {
        let judgement = self.0.entry(number).or_insert(Judgement::Held);
        if matches!(judgement, Judgement::NotJudged(_)) {
            *judgement = Judgement::Held;
        }
    }

    /// It does not hold.
    pub fn violated(&mut self, number: u8, what: impl fmt::Display) {
        match self.0.entry(number).or_insert(Judgement::Held) {
            Judgement::Violated(all) => all.push(what.to_string()),
            judgement => *judgement = Judgement::Violated(vec![what.to_string()]),
        }
    }

    /// It cannot be looked at here.
    pub fn not_judged(&mut self, number: u8, why: &'static str) {
        self.0.insert(number, Judgement::NotJudged(why));
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, judgement) in &self.0 {
            match judgement {
                Judgement::Held => writeln!(f, "I{number:<3} held")?,
                Judgement::NotJudged(why) => writeln!(f, "I{number:<3} not judged: {why}")?,
                Judgement::Violated(all) => {
                    writeln!(f, "I{number:<3} VIOLATED, {} times", all.len())?;
                    for what in all.iter().take(12) {
                        writeln!(f, "       {what}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Holds everything against everything; nothing may be on its way. The services run.
///
/// # Errors
/// When something cannot be read.
pub async fn judge(
    stage: &mut Stage,
    books: &Books,
    days: &[(Hospital, History)],
) -> Result<Verdict, String> {
    let mut verdict = Verdict::default();
    // Settled before its deadline: else nobody judges.
    verdict.looked(11);
    let evidence = books.read().await.map_err(|error| error.to_string())?;
    let evidence = without_spoiled(evidence, &stage.wanted.spoiled);
    sent(&mut verdict, days, &evidence);
    of_wanted(&mut verdict, &stage.wanted, &evidence);
    let (mistakes, _) = versions::mistakes(&stage.world).await?;
    verdict.looked(3);
    for mistake in mistakes {
        // Two records under one version, or an old one last: somebody who was fenced has written.
        let stale = mistake.contains("is two records") || mistake.contains("the last record is");
        verdict.violated(if stale { 6 } else { 3 }, mistake);
    }
    let (looks, back) = stage.watch.told();
    for number in [5, 6] {
        match looks {
            0 => verdict.not_judged(number, "nobody could look at the ledgers during the run"),
            _ => verdict.looked(number),
        }
    }
    for what in back {
        verdict.violated(if what.starts_with("the epoch") { 6 } else { 5 }, what);
    }
    ledgers::read(&mut verdict, stage, books, &evidence).await?;
    patients(&mut verdict, stage, books).await?;
    Ok(verdict)
}

/// I1, I2, I4, I9: what the sender did, on topics, in cases and in Odoo.
fn sent(verdict: &mut Verdict, days: &[(Hospital, History)], evidence: &Evidence) {
    for number in [1, 2, 4, 9] {
        verdict.looked(number);
    }
    for (hospital, history) in days {
        for difference in check(hospital, history, evidence) {
            verdict.violated(number_of(&difference), difference);
        }
    }
    // Nothing at the door that nobody sent, whatever it is called.
    let all: BTreeSet<&str> = days.iter().flat_map(|(_, history)| history.iter().map(|(id, _)| id)).collect();
    for raw in evidence.raw.iter().filter(|raw| raw.sender == "hosp") {
        let control_id = raw.control_id.as_deref().unwrap_or_default();
        if control_id.starts_with('S') && !all.contains(control_id) {
            verdict.violated(2, format!("message {control_id} is on raw.hl7v2.v1 and was never sent"));
        }
    }
}

/// Without the records that the scenario itself spoiled: nobody is to read them.
fn without_spoiled(mut evidence: Evidence, spoiled: &BTreeSet<Place>) -> Evidence {
    fn without<E: Event>(read: &mut Read<E>, spoiled: &BTreeSet<Place>) {
        read.unreadable.retain(|(partition, offset)| !spoiled.contains(&(E::TOPIC, *partition, *offset)));
    }
    without(&mut evidence.cases, spoiled);
    without(&mut evidence.charges, spoiled);
    without(&mut evidence.encounters, spoiled);
    without(&mut evidence.requests, spoiled);
    evidence
}

/// The invariant that a difference is about.
fn number_of(difference: &Difference) -> u8 {
    match difference {
        Difference::Lost { .. }
        | Difference::Facts { .. }
        | Difference::Unreadable { .. }
        | Difference::Parked(_) => 1,
        Difference::Unsent { .. } | Difference::Stranger { .. } => 2,
        Difference::Version { .. } | Difference::Revised { .. } | Difference::Keys { .. } => 3,
        Difference::Requests { .. }
        | Difference::NoInvoice { .. }
        | Difference::NotPosted { .. }
        | Difference::LineCount { .. }
        | Difference::InvoiceLine { .. }
        | Difference::Copies { .. }
        | Difference::NoEffect { .. } => 4,
        Difference::Amount { .. }
        | Difference::Lines { .. }
        | Difference::StrangeLines { .. }
        | Difference::Unbilled { .. }
        | Difference::Sum { .. } => 9,
    }
}

/// I1: exactly what was to be parked is.
fn of_wanted(verdict: &mut Verdict, wanted: &Wanted, evidence: &Evidence) {
    let mut parked: BTreeMap<&str, usize> = BTreeMap::new();
    for one in &evidence.parked {
        *parked.entry(one.service).or_default() += 1;
    }
    for service in ["ehr-adapter", "billing-projector", "odoo-writer"] {
        let is = parked.get(service).copied().unwrap_or(0);
        let should = wanted.parked.get(service).copied().unwrap_or(0);
        if is != should {
            let its = evidence.parked.iter().filter(|one| one.service == service).take(3);
            let told: Vec<String> = its.map(|one| format!("{} ({})", one.detail, one.reason)).collect();
            verdict
                .violated(1, format!("{service} has parked {is}, {should} were to be: {}", told.join("; ")));
        }
    }
}

/// I10: planted data are in no key, header, log, metric or report.
async fn patients(verdict: &mut Verdict, stage: &mut Stage, books: &Books) -> Result<(), String> {
    let mut sightings = books.canaries().await.map_err(|error| error.to_string())?;
    for victim in stage.all() {
        let metrics = victim.metrics().await.unwrap_or_default();
        sightings.extend(canaries::in_bytes(victim.name(), metrics.as_bytes()));
    }
    sightings.extend(canaries::in_logs(stage.world.folder()).map_err(|error| error.to_string())?);
    verdict.looked(10);
    for sighting in sightings {
        verdict.violated(10, sighting);
    }
    Ok(())
}

/// How many different notices there are of what a service has parked.
async fn notices(stage: &Stage, service: &str) -> Result<usize, String> {
    let records = tail(&stage.world.stack.kafka(), DeadLetter::TOPIC, Visible::Committed).await;
    let records = records.map_err(|error| error.to_string())?;
    let its = records.iter().filter(|record| record.key.as_deref() == Some(service.as_bytes()));
    Ok(its.filter_map(|record| record.header(canon::headers::CE_ID)).collect::<BTreeSet<_>>().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_stays_one_and_what_was_not_looked_at_says_so() {
        let mut verdict = Verdict::default();
        assert!(verdict.is_good());
        verdict.looked(4);
        assert_eq!(verdict.of(4), &Judgement::Held);
        assert!(matches!(verdict.of(5), Judgement::NotJudged(_)));
        verdict.violated(4, "an invoice is there twice");
        verdict.looked(4);
        assert_eq!(verdict.of(4), &Judgement::Violated(vec!["an invoice is there twice".to_owned()]));
        assert!(!verdict.is_good());
        assert!(verdict.to_string().contains("I4   VIOLATED, 1 times\n       an invoice is there twice"));
    }
}
