//! What was found so far, and what belongs to it.

use super::found::Found;
use super::page::{Looked, Step};
use canon::{Charge, EncounterToken, Event, Invoice, InvoiceRequest, Payment, RawHl7v2, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// The way of what was asked after.
pub(super) struct Way {
    pub(super) since: Timestamp,
    /// Visits of which everything belongs to it.
    pub(super) visits: BTreeSet<EncounterToken>,
    /// Visits of which only what follows from single events does.
    partly: BTreeSet<EncounterToken>,
    /// Single events that were asked after.
    begun: BTreeSet<Uuid>,
    pub(super) records: BTreeMap<(&'static str, i32, i64), Found>,
    pub(super) steps: Vec<Step>,
    pub(super) looked: Vec<Looked>,
    /// What could not be told, and why.
    pub(super) notes: Vec<String>,
}

impl Way {
    pub(super) fn new(since: Timestamp) -> Self {
        Self {
            since,
            visits: BTreeSet::new(),
            partly: BTreeSet::new(),
            begun: BTreeSet::new(),
            records: BTreeMap::new(),
            steps: Vec::new(),
            looked: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// An event that was asked after itself.
    pub(super) fn begin(&mut self, found: Found) {
        self.begun.insert(found.headers.id);
        self.partly.extend(found.visit());
        self.add(found);
    }

    pub(super) fn add(&mut self, found: Found) {
        self.records.insert((found.topic, found.partition, found.offset), found);
    }

    /// Follows a visit as far as single events lead to it.
    pub(super) fn leads_to(&mut self, visit: EncounterToken) {
        self.partly.insert(visit);
    }

    /// Every visit that is looked into.
    pub(super) fn keys(&self) -> BTreeSet<EncounterToken> {
        self.visits.union(&self.partly).copied().collect()
    }

    /// Whether anything was found that was asked after.
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.steps.is_empty()
    }

    /// Keeps what belongs to what was asked after: everything of a visit, and of other events their causes and what followed
    /// from them.
    pub(super) fn prune(&mut self) {
        let mut kept: BTreeSet<Uuid> = self.begun.clone();
        let of_visit = |found: &Found| found.visit().is_some_and(|visit| self.visits.contains(&visit));
        kept.extend(self.records.values().filter(|found| of_visit(found)).map(|found| found.headers.id));
        let causes = self.causes(&kept);
        let mut kept: BTreeSet<Uuid> = kept.union(&causes).copied().collect();
        loop {
            let charges = self.said(&kept, Charge::TOPIC, "charge");
            let requests = self.said(&kept, InvoiceRequest::TOPIC, "request");
            // What a message that was only a cause said besides belongs to another way.
            let follows = |found: &Found| {
                let caused = [found.headers.causationid.as_deref(), found.headers.correlationid.as_deref()];
                let is_caused = caused.into_iter().flatten().filter_map(|id| id.parse::<Uuid>().ok());
                is_caused.into_iter().any(|id| kept.contains(&id) && !causes.contains(&id))
                    || (found.topic == InvoiceRequest::TOPIC
                        && found.charges().any(|of| charges.contains(of)))
                    || (matches!(found.topic, Invoice::TOPIC | Payment::TOPIC)
                        && found.text("request").is_some_and(|of| requests.contains(of)))
            };
            let more = self.records.values().filter(|found| follows(found)).map(|found| found.headers.id);
            let more: BTreeSet<Uuid> = more.filter(|id| !kept.contains(id)).collect();
            if more.is_empty() {
                break;
            }
            kept.extend(more);
        }
        self.records.retain(|_, found| kept.contains(&found.headers.id));
    }

    /// The events that led to some, and to those.
    fn causes(&self, of: &BTreeSet<Uuid>) -> BTreeSet<Uuid> {
        let by_id: BTreeMap<Uuid, &Found> =
            self.records.values().map(|found| (found.headers.id, found)).collect();
        let mut causes = BTreeSet::new();
        let mut open: Vec<Uuid> = of.iter().copied().collect();
        while let Some(id) = open.pop() {
            let Some(headers) = by_id.get(&id).map(|found| &found.headers) else { continue };
            let causing = [headers.causationid.as_deref(), headers.correlationid.as_deref()];
            for cause in causing.into_iter().flatten().filter_map(|id| id.parse::<Uuid>().ok()) {
                if !of.contains(&cause) && causes.insert(cause) {
                    open.push(cause);
                }
            }
        }
        causes
    }

    /// What kept events of a topic say under a field.
    fn said(&self, kept: &BTreeSet<Uuid>, topic: &str, field: &str) -> BTreeSet<String> {
        let of_topic = self.records.values().filter(|found| found.topic == topic);
        let said = of_topic.filter(|found| kept.contains(&found.headers.id));
        said.filter_map(|found| found.text(field)).map(str::to_owned).collect()
    }

    /// Keys under which something of it may wait: visits, and the patients of whole visits' messages.
    pub(super) fn chains(&self) -> BTreeSet<String> {
        let visits = self.visits.iter().flat_map(|visit| [visit.to_string(), format!("v:{visit}")]);
        let messages = self.records.values().filter(|found| found.topic == RawHl7v2::TOPIC);
        let keys = messages.filter(|_| !self.visits.is_empty()).map(|found| found.headers.subject.clone());
        // Under a sender's name lie the messages of everybody.
        visits.chain(keys.filter(|key| !key.starts_with("s:"))).collect()
    }

    /// Facts of commands that belong to it: what an effect ledger knows them by.
    pub(super) fn commands(&self) -> Vec<Uuid> {
        let requests = self.records.values().filter(|found| found.topic == InvoiceRequest::TOPIC);
        let names = requests.filter_map(|found| found.headers.factname.parse::<canon::Name>().ok());
        names.map(|name| name.fact_id(InvoiceRequest::TOPIC)).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The last charge that a request is for.
    pub(super) fn last_charge_of(&self, found: &Found) -> Option<Uuid> {
        let charges: BTreeSet<&str> = found.charges().collect();
        let said = self.records.values().filter(|charge| {
            charge.topic == Charge::TOPIC && charge.text("charge").is_some_and(|id| charges.contains(id))
        });
        said.max_by_key(|charge| (charge.at, charge.headers.version)).map(|charge| charge.headers.id)
    }

    /// The ids of the requests that belong to it.
    pub(super) fn requests(&self) -> BTreeSet<String> {
        let requests = self.records.values().filter(|found| found.topic == InvoiceRequest::TOPIC);
        requests.filter_map(|found| found.text("request")).map(str::to_owned).collect()
    }
}
