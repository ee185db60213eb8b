//! A visit as billing sees it: what single messages said of it, merged by the source's time.
//!
//! One visit's messages may come in any order, be corrected and be withdrawn. So what each one said is kept, and the
//! visit is merged from all of them whenever it is asked for; a visit has tens of messages.

use backbone::Fact;
use canon::events::clinical_encounter::EncounterStatus;
use canon::{Change, Encounter, EncounterToken, Phi, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What messages said, each under its fact's name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Visit {
    said: BTreeMap<String, Said>,
}

/// What one message said, as far as billing asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Said {
    occurred_at: Timestamp,
    /// When we learned of it, by the batch's clock: no discharge is later, however fast the source's clock is.
    learned_at: Timestamp,
    status: EncounterStatus,
    discharged_at: Option<Timestamp>,
    sender: String,
    facility: Option<String>,
    payer: Option<String>,
    /// The visit that it was merged into.
    moved_to: Option<EncounterToken>,
    visit_number: Phi<String>,
}

/// Who pays, as it was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Payer {
    /// In the words of that sender.
    pub(crate) code: String,
    pub(crate) sender: String,
}

impl Visit {
    /// Takes what a message said, or takes it back.
    pub(crate) fn hear(&mut self, fact: &Fact<Encounter>, now: Timestamp) {
        let (name, body) = (&fact.headers.factname, &fact.body);
        if body.change == Change::Withdrawn {
            self.said.remove(name);
            return;
        }
        let said = Said {
            occurred_at: body.occurred_at,
            learned_at: self.said.get(name).map_or(now, |before| before.learned_at),
            status: body.status,
            discharged_at: body.discharged_at,
            sender: body.sender.clone(),
            facility: body.facility.clone(),
            payer: body.payer.clone(),
            moved_to: body.moved_to,
            visit_number: body.visit_number.clone(),
        };
        self.said.insert(name.clone(), said);
    }

    /// When the visit was finished: by the discharge time that was said last, else by the first message that said so.
    /// None while it is not, which a cancelled discharge makes it again. One that was merged into another is finished
    /// by that: nobody will discharge it.
    pub(crate) fn finished_at(&self) -> Option<Timestamp> {
        let (mut finished, mut discharged) = (None, None);
        for said in self.in_order() {
            let status = if said.moved_to.is_some() { EncounterStatus::Finished } else { said.status };
            match status {
                EncounterStatus::Finished => {
                    finished = finished.or(Some(said.occurred_at.min(said.learned_at)))
                }
                EncounterStatus::Unsaid => {}
                EncounterStatus::Planned | EncounterStatus::InProgress | EncounterStatus::Cancelled => {
                    (finished, discharged) = (None, None);
                }
            }
            if let Some(at) = said.discharged_at.filter(|_| finished.is_some()) {
                discharged = Some(at.min(said.learned_at));
            }
        }
        finished.map(|first| discharged.unwrap_or(first))
    }

    /// The facility's code, as it was said last.
    pub(crate) fn facility(&self) -> Option<String> {
        self.last(|said| said.facility.clone())
    }

    /// The payer's code, as it was said last; none when that was that there is none.
    pub(crate) fn payer(&self) -> Option<Payer> {
        let said = self.last(|said| Some(Payer { code: said.payer.clone()?, sender: said.sender.clone() }));
        said.filter(|payer| !payer.code.is_empty())
    }

    /// The visit that this one was merged into.
    pub(crate) fn moved_to(&self) -> Option<EncounterToken> {
        self.last(|said| said.moved_to)
    }

    /// The visit's number for people, as it was said last; empty when nobody said it.
    pub(crate) fn number(&self) -> Phi<String> {
        let said = self.last(|said| Some(&said.visit_number).filter(|number| !number.reveal().is_empty()));
        said.cloned().unwrap_or_default()
    }

    fn last<'a, T>(&'a self, field: impl Fn(&'a Said) -> Option<T>) -> Option<T> {
        self.in_order().into_iter().rev().find_map(field)
    }

    /// By the source's time; what was said in the same moment goes by name.
    fn in_order(&self) -> Vec<&Said> {
        let mut said: Vec<_> = self.said.iter().collect();
        said.sort_by_key(|(name, said)| (said.occurred_at, *name));
        said.into_iter().map(|(_, said)| said).collect()
    }
}
