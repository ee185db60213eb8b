//! The day in numbers: what a page shows, and what sums are held against.

use super::evidence::Evidence;
use crate::history::History;
use crate::small::Hospital;
use canon::{Charge, InvoiceRequest, Money};
use odoo::ExternalId;
use odoo::invoice::MoveState;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The day in numbers.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Charges whose message was acknowledged.
    pub charges: usize,
    /// Their sum.
    pub sent: Money,
    /// What the cases say is not yet requested.
    pub unbilled: Money,
    /// What stands on lines of requests.
    pub requested: Money,
    /// What stands on lines of posted invoices.
    pub invoiced: Money,
    /// Requests for invoices.
    pub requests: usize,
    /// Posted invoices in Odoo.
    pub invoices: usize,
    /// Their lines.
    pub lines: usize,
    /// From the ACK of the last message that an invoice needed to the moment its effect was recorded, sorted.
    pub latencies: Vec<Duration>,
}

impl Figures {
    /// Counts what is the hospital's.
    pub fn of(hospital: &Hospital, history: &History, evidence: &Evidence) -> Self {
        let acknowledged = |control_id: &str| history.get(control_id).and_then(|sent| sent.acknowledged_at);
        let planned = hospital.visits().iter().flat_map(|visit| &visit.charges);
        let sent: Vec<Money> = planned
            .filter(|charge| acknowledged(&charge.message).is_some())
            .map(|charge| charge.amount)
            .collect();
        let mut figures = Self { charges: sent.len(), sent: sum(sent), ..Self::default() };
        let facts = evidence.charge_facts(hospital);
        let keys: BTreeSet<&str> = facts.values().map(|(key, _)| *key).collect();
        let mut latest = BTreeMap::new();
        for stated in evidence.cases.stated.iter().filter(|stated| keys.contains(stated.key.as_str())) {
            // In the order of a partition, so the last one is the latest.
            latest
                .insert(stated.key.as_str(), stated.body.as_ref().map_or(Money::ZERO, |case| case.unbilled));
        }
        figures.unbilled = sum(latest.into_values());
        let discharges = discharges(hospital, &facts);
        for request in evidence.requests_by_id(&keys).into_values() {
            figures.requests += 1;
            figures.requested = add(figures.requested, request.1.total);
            figures.invoice(request.1, evidence);
            let carried = request.1.lines.iter().filter_map(|line| Some(facts.get(line.charge.as_str())?.1));
            let discharge = discharges.get(request.1.encounter.as_str()).copied();
            let last = carried.chain(discharge).filter_map(acknowledged).max();
            let effect = evidence.effects.get(request.0).filter(|(applied, _)| *applied);
            // One that took effect before the day was sent again says nothing of this time.
            let measured = last.zip(effect).filter(|(acked, (_, at))| at >= acked);
            figures.latencies.extend(measured.map(|(acked, (_, at))| at.since(acked)));
        }
        figures.latencies.sort_unstable();
        figures
    }

    /// A percentile of the latencies, none without any.
    pub fn latency(&self, percent: usize) -> Option<Duration> {
        percentile(&self.latencies, percent)
    }

    fn invoice(&mut self, request: &InvoiceRequest, evidence: &Evidence) {
        let id = ExternalId::coded("invoice", &request.request).ok();
        let invoice = id.and_then(|id| evidence.invoices.get(&id));
        let Some(invoice) = invoice.filter(|invoice| invoice.state == MoveState::Posted) else { return };
        self.invoices += 1;
        self.lines += invoice.lines.len();
        for line in &invoice.lines {
            self.invoiced = add(self.invoiced, line.subtotal.to_string().parse().unwrap_or(Money::ZERO));
        }
    }
}

/// A percentile of sorted times, none without any.
pub fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied()
}

impl Evidence {
    /// By the charge's id: its key, and the control id of the message that carried it.
    pub(super) fn charge_facts<'a>(&'a self, hospital: &Hospital) -> BTreeMap<&'a str, (&'a str, &'a str)> {
        let prefix = hospital.prefix();
        let ours = |body: &Charge| body.sender == hospital.sender() && body.control_id.starts_with(&prefix);
        let stated = self.charges.stated.iter().filter_map(|stated| Some((stated, stated.body.as_ref()?)));
        let ours = stated.filter(|(_, body)| ours(body));
        ours.map(|(stated, body)| (body.charge.as_str(), (stated.key.as_str(), body.control_id.as_str())))
            .collect()
    }

    /// By the request's id: its fact's name and itself, of visits with these keys.
    pub(super) fn requests_by_id(&self, keys: &BTreeSet<&str>) -> BTreeMap<&str, (&str, &InvoiceRequest)> {
        let stated = self.requests.stated.iter().filter(|stated| keys.contains(stated.key.as_str()));
        stated
            .filter_map(|stated| {
                let body = stated.body.as_ref()?;
                Some((body.request.as_str(), (stated.name.as_str(), body)))
            })
            .collect()
    }

    /// Where the hospital's records stand: topic, partition and offset.
    pub(super) fn places(&self, hospital: &Hospital) -> BTreeSet<(&'static str, i32, i64)> {
        use canon::Event;
        let prefix = hospital.prefix();
        let facts = self.charge_facts(hospital);
        let mut keys: BTreeSet<&str> = facts.values().map(|(key, _)| *key).collect();
        let mut places = BTreeSet::new();
        for raw in self.raw.iter().filter(|raw| raw.sender == hospital.sender()) {
            if raw.control_id.as_deref().is_none_or(|control_id| control_id.starts_with(&prefix)) {
                places.insert((canon::RawHl7v2::TOPIC, raw.at.0, raw.at.1));
            }
        }
        for stated in &self.encounters.stated {
            let body = stated.body.as_ref();
            if body
                .is_some_and(|body| body.sender == hospital.sender() && body.control_id.starts_with(&prefix))
            {
                keys.insert(&stated.key);
            }
        }
        let mut put = |topic, key: &str, at: (i32, i64)| {
            if keys.contains(key) {
                places.insert((topic, at.0, at.1));
            }
        };
        self.encounters.stated.iter().for_each(|stated| put(canon::Encounter::TOPIC, &stated.key, stated.at));
        self.charges.stated.iter().for_each(|stated| put(Charge::TOPIC, &stated.key, stated.at));
        self.requests.stated.iter().for_each(|stated| put(InvoiceRequest::TOPIC, &stated.key, stated.at));
        places
    }
}

/// By the visit's key: the control id of its discharge.
fn discharges<'a>(
    hospital: &'a Hospital,
    facts: &BTreeMap<&'a str, (&'a str, &'a str)>,
) -> BTreeMap<&'a str, &'a str> {
    let keys: BTreeMap<&str, &str> = facts.values().map(|(key, control_id)| (*control_id, *key)).collect();
    let discharge = |visit: &'a crate::small::Visit| {
        let key = visit.charges.iter().find_map(|charge| keys.get(charge.message.as_str()))?;
        Some((*key, visit.discharge.as_deref()?))
    };
    hospital.visits().iter().filter_map(discharge).collect()
}

fn sum(amounts: impl IntoIterator<Item = Money>) -> Money {
    Money::sum(amounts).unwrap_or(Money::ZERO)
}

fn add(one: Money, other: Money) -> Money {
    one.checked_add(other).unwrap_or(one)
}
