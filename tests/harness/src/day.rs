//! A whole day of the invented hospital, its laboratory and a clinic: played to running services, and what became of it
//! held against the day's own truth.
//!
//! The truth is `hospital`'s, kept while the day was made up; what was acknowledged is what its sender saw.

mod accounts;
mod cases;
mod cashier;
mod check;
mod clinic;
mod control;
mod figures;
mod invoices;
mod planted;
mod supply;

pub use cashier::{Paid, pay};
pub use check::{Amiss, amiss};
pub use figures::DayFigures;

use crate::small;
use canon::{EncounterToken, PatientToken, Tokenizer};
use hospital::send::{Report, Sending, Told};
use hospital::truth::MessageId;
use hospital::{Config, Day, Sender};
use odoo::seed::{Named, Plan};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Which tables of codes were imported when the books are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codes {
    /// Those that are there from the morning on: what nobody has mapped yet waits.
    Morning,
    /// What the day uses and nobody had mapped, too.
    Later,
}

/// A day, and what was sent of it so far.
#[derive(Clone)]
pub struct Played {
    /// What it comes to.
    pub plan: Arc<hospital::Plan>,
    /// Every time that a message was written, in order of the ends.
    pub told: Vec<Told>,
    tokens: Tokenizer,
}

impl Played {
    /// Makes a day up; nothing is sent yet. Tokens are made with the services' secret.
    ///
    /// # Panics
    /// When the secret is too short for one.
    pub fn new(config: &Config, secret: &[u8]) -> Self {
        let tokens = Tokenizer::new(secret).expect("a secret of 32 bytes or more");
        Self { plan: Arc::new(Day::plan(config)), told: Vec::new(), tokens }
    }

    /// A day for services that a [`Fleet`](crate::Fleet) has started.
    pub fn of_fleet(config: &Config) -> Self {
        Self::new(config, crate::fleet::SECRET.as_bytes())
    }

    /// Sends all of it, again if it was sent before.
    pub async fn send(&mut self, how: &Sending, mut tell: impl FnMut(&Told)) -> Report {
        let told = &mut self.told;
        hospital::send::send(&self.plan, how, |one| {
            tell(one);
            told.push(one.clone());
        })
        .await
    }

    /// The messages that their sender saw acknowledged.
    pub fn acknowledged(&self) -> BTreeSet<MessageId> {
        self.told.iter().filter(|told| told.acknowledged_at.is_some()).map(|told| told.id).collect()
    }

    /// The tokens of all visits.
    pub fn visits(&self) -> BTreeSet<String> {
        self.plan
            .truth
            .visits
            .iter()
            .map(|visit| self.visit(visit.sender, &visit.visit).to_string())
            .collect()
    }

    /// The tokens of everybody, whoever said something of them.
    pub(crate) fn patients(&self) -> BTreeSet<String> {
        let truth = &self.plan.truth;
        let of = |sender, id: &str| self.patient(sender, id).to_string();
        let mut all: BTreeSet<String> = truth.patients.iter().map(|one| of(one.sender, &one.id)).collect();
        all.extend(truth.orders.iter().map(|one| of(one.sender, &one.patient)));
        all.extend(truth.results.iter().map(|one| of(one.sender, &one.patient)));
        all.extend(truth.appointments.iter().map(|one| of(one.sender, &one.patient)));
        all
    }

    /// Whether a message that claims this number claims to be of this day. The clinic's numbers are those of every day.
    pub(crate) fn is_ours(&self, sender: &str, control_id: &str) -> bool {
        let seed = self.plan.config.seed;
        match sender.parse() {
            Ok(Sender::North) => control_id.starts_with(&format!("N{seed}-")),
            Ok(Sender::Lab) => control_id.starts_with(&format!("L{seed}-")),
            Ok(Sender::Clinic) | Err(_) => false,
        }
    }

    /// The token of a visit.
    pub(crate) fn visit(&self, sender: Sender, number: &str) -> EncounterToken {
        self.tokens.encounter(authority(sender), number)
    }

    /// The token of a patient.
    pub(crate) fn patient(&self, sender: Sender, number: &str) -> PatientToken {
        self.tokens.patient(authority(sender), number)
    }
}

/// Whose numbers a sender's patients and visits have, as its file says.
fn authority(sender: Sender) -> &'static str {
    match sender {
        Sender::North | Sender::Lab => "NORTH",
        Sender::Clinic => "CLINIC",
    }
}

/// What Odoo has to know before there can be invoices of a day, whole or small.
pub fn seeds() -> Plan {
    let named = |(code, name): (String, String)| Named { code, name };
    let once = |day: Vec<(String, String)>, small: Vec<Named>| {
        let all = day.into_iter().map(named).chain(small);
        let by_code: BTreeMap<String, Named> = all.map(|named| (named.code.clone(), named)).collect();
        by_code.into_values().collect()
    };
    Plan {
        currency: "USD".to_owned(),
        self_pay: "Self-pay".to_owned(),
        payers: once(hospital::payers(), small::payers()),
        items: once(hospital::products(), small::products()),
    }
}
