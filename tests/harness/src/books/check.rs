//! What does not agree, all of it: a plain function over what was read.

use super::evidence::{Evidence, ParkedAt, Read, Stated};
use crate::history::History;
use crate::small::{Hospital, Kind, Visit};
use canon::{Charge, Event, InvoiceRequest, Money};
use odoo::ExternalId;
use odoo::invoice::{FoundInvoice, MoveState};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// One thing that does not agree. Ids are invented or tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each field is named in its message")]
pub enum Difference {
    /// I1
    #[error("message {control_id} was acknowledged and is not on raw.hl7v2.v1 as it was sent")]
    Lost { control_id: String },
    /// I2
    #[error("message {control_id} is on raw.hl7v2.v1 and was never sent")]
    Unsent { control_id: String },
    /// I2
    #[error("{topic} states {of}, which was never sent")]
    Stranger { topic: &'static str, of: String },
    /// I1
    #[error("{topic} has {count} facts of {of}, not one")]
    Facts { topic: &'static str, of: String, count: usize },
    #[error("{topic} has revision {revision} of {of}, and its source never changed")]
    Revised { topic: &'static str, of: String, revision: u32 },
    #[error("charge {transaction} is stated with {is}, it was sent with {should}")]
    Amount { transaction: String, is: Money, should: Money },
    #[error("visit {visit}'s facts have {count} keys, not one")]
    Keys { visit: usize, count: usize },
    #[error("{topic} {partition}@{offset} cannot be read")]
    Unreadable { topic: &'static str, partition: i32, offset: i64 },
    /// I3
    #[error("{topic} {partition}@{offset} has version {is} of its key, behind {after}")]
    Version { topic: &'static str, partition: i32, offset: i64, is: i64, after: i64 },
    #[error("request {request} is there {count} times")]
    Requests { request: String, count: usize },
    #[error("charge {transaction} is on {count} lines of requests, not on {should}")]
    Lines { transaction: String, count: usize, should: usize },
    #[error("request {request} has {is} lines without a charge of the day")]
    StrangeLines { request: String, is: usize },
    #[error("the case of visit {visit} has {is} unbilled, {should} is")]
    Unbilled { visit: usize, is: Money, should: Money },
    /// I4
    #[error("request {request} has no invoice in odoo")]
    NoInvoice { request: String },
    #[error("request {request}'s invoice is {state:?}, not posted")]
    NotPosted { request: String, state: MoveState },
    #[error("request {request}'s invoice has {is} lines, the request has {should}")]
    LineCount { request: String, is: usize, should: usize },
    #[error("request line {line} is on {count} invoice lines with its amount, not on one")]
    InvoiceLine { line: String, count: usize },
    #[error("visit {visit} has {is} invoices in odoo, {should} were requested")]
    Copies { visit: usize, is: usize, should: usize },
    #[error("the writer does not remember that request {request} took effect")]
    NoEffect { request: String },
    /// I9
    #[error("{what} is {is}, {should} was sent")]
    Sum { what: &'static str, is: String, should: String },
    #[error("{} parked: {} ({})", .0.service, .0.detail, .0.reason)]
    Parked(ParkedAt),
}

/// Holds what was read against what was sent and acknowledged; everything that differs. Only what the hospital sent is
/// looked at, but for the versions, which hold for every key.
pub fn check(hospital: &Hospital, history: &History, evidence: &Evidence) -> Vec<Difference> {
    let mut checking = Checking { hospital, history, evidence, found: Vec::new() };
    checking.landed();
    checking.readable();
    checking.versions();
    checking.visits();
    let charges = checking.charges();
    let keys = checking.keys(&charges);
    checking.requests(&charges, &keys);
    checking.invoices(&keys);
    checking.sums(&charges);
    checking.parked();
    checking.found
}

struct Checking<'a> {
    hospital: &'a Hospital,
    history: &'a History,
    evidence: &'a Evidence,
    found: Vec<Difference>,
}

/// The facts of the day's charges by transaction.
type Charges<'a> = BTreeMap<&'a str, Vec<&'a Stated<Charge>>>;
/// The key of each visit that has one, by its index.
type Keys = BTreeMap<usize, String>;

impl<'a> Checking<'a> {
    fn acknowledged(&self, control_id: &str) -> bool {
        self.history.get(control_id).is_some_and(|sent| sent.acknowledged_at.is_some())
    }

    /// I1 and I2 at the door.
    fn landed(&mut self) {
        let mut there: BTreeMap<&str, BTreeSet<[u8; 32]>> = BTreeMap::new();
        for raw in self.evidence.raw.iter().filter(|raw| raw.sender == self.hospital.sender()) {
            there.entry(raw.control_id.as_deref().unwrap_or_default()).or_default().insert(raw.content);
        }
        for (control_id, sent) in self.history.iter() {
            let is_there = there.get(control_id).is_some_and(|contents| contents.contains(&sent.content));
            if sent.acknowledged_at.is_some() && !is_there {
                self.found.push(Difference::Lost { control_id: control_id.to_owned() });
            }
        }
        let prefix = self.hospital.prefix();
        for (control_id, contents) in there.iter().filter(|(control_id, _)| control_id.starts_with(&prefix)) {
            let sent = self.history.get(control_id);
            if sent.is_none_or(|sent| contents.iter().any(|content| *content != sent.content)) {
                self.found.push(Difference::Unsent { control_id: (*control_id).to_owned() });
            }
        }
    }

    fn readable(&mut self) {
        fn unreadable<E: Event>(read: &Read<E>) -> impl Iterator<Item = Difference> + '_ {
            read.unreadable.iter().map(|(partition, offset)| Difference::Unreadable {
                topic: E::TOPIC,
                partition: *partition,
                offset: *offset,
            })
        }
        let evidence = self.evidence;
        self.found.extend(unreadable(&evidence.encounters));
        self.found.extend(unreadable(&evidence.charges));
        self.found.extend(unreadable(&evidence.requests));
        self.found.extend(unreadable(&evidence.cases));
    }

    /// I3: from one on without gaps; of a compacted topic only that they rise.
    fn versions(&mut self) {
        fn rising<E: Event>(read: &Read<E>, gaps: bool, found: &mut Vec<Difference>) {
            let mut last: BTreeMap<&str, i64> = BTreeMap::new();
            for stated in &read.stated {
                let after = last.insert(&stated.key, stated.version).unwrap_or(0);
                let rises = if gaps { stated.version > after } else { stated.version == after + 1 };
                if !rises {
                    let (partition, offset) = stated.at;
                    found.push(Difference::Version {
                        topic: E::TOPIC,
                        partition,
                        offset,
                        is: stated.version,
                        after,
                    });
                }
            }
        }
        let evidence = self.evidence;
        rising(&evidence.encounters, false, &mut self.found);
        rising(&evidence.charges, false, &mut self.found);
        rising(&evidence.requests, false, &mut self.found);
        rising(&evidence.cases, true, &mut self.found);
    }

    /// One fact of each visit's message.
    fn visits(&mut self) {
        let topic = canon::Encounter::TOPIC;
        let prefix = self.hospital.prefix();
        let mut facts: BTreeMap<&str, Vec<&Stated<canon::Encounter>>> = BTreeMap::new();
        for stated in &self.evidence.encounters.stated {
            let Some(body) = &stated.body else { continue };
            if body.sender == self.hospital.sender() && body.control_id.starts_with(&prefix) {
                facts.entry(&body.control_id).or_default().push(stated);
            }
        }
        for (_, message) in self.hospital.messages().filter(|(_, message)| message.kind == Kind::Visit) {
            let its = facts.remove(message.control_id.as_str()).unwrap_or_default();
            self.one(topic, &message.control_id, &message.control_id, &its);
        }
        let strangers = facts.into_keys().map(|of| Difference::Stranger { topic, of: of.to_owned() });
        self.found.extend(strangers);
    }

    /// One fact of each charge, with its amount.
    fn charges(&mut self) -> Charges<'a> {
        let topic = Charge::TOPIC;
        let prefix = self.hospital.prefix();
        let mut facts: Charges<'a> = BTreeMap::new();
        for stated in &self.evidence.charges.stated {
            let Some(body) = &stated.body else { continue };
            if body.sender == self.hospital.sender() && body.control_id.starts_with(&prefix) {
                facts.entry(&body.transaction_id).or_default().push(stated);
            }
        }
        let mut planned = BTreeSet::new();
        for charge in self.hospital.visits().iter().flat_map(|visit| &visit.charges) {
            planned.insert(charge.transaction.as_str());
            let its = facts.get(charge.transaction.as_str()).cloned().unwrap_or_default();
            self.one(topic, &charge.transaction, &charge.message, &its);
            for body in its.iter().filter_map(|stated| stated.body.as_ref()) {
                if body.amount != charge.amount {
                    let (transaction, is) = (charge.transaction.clone(), body.amount);
                    self.found.push(Difference::Amount { transaction, is, should: charge.amount });
                }
            }
        }
        let strangers = facts.keys().filter(|transaction| !planned.contains(*transaction));
        self.found.extend(strangers.map(|of| Difference::Stranger { topic, of: (*of).to_owned() }));
        facts
    }

    /// What was acknowledged is stated once; what was only sent, at most once.
    fn one<E>(&mut self, topic: &'static str, of: &str, message: &str, facts: &[&Stated<E>]) {
        let names: BTreeSet<&str> = facts.iter().map(|stated| stated.name.as_str()).collect();
        let enough = match self.acknowledged(message) {
            true => names.len() == 1,
            false => names.len() <= 1,
        };
        if !enough {
            self.found.push(Difference::Facts { topic, of: of.to_owned(), count: names.len() });
        }
        if let Some(stated) = facts.iter().find(|stated| stated.revision > 1) {
            self.found.push(Difference::Revised { topic, of: of.to_owned(), revision: stated.revision });
        }
    }

    fn keys(&mut self, charges: &Charges<'_>) -> Keys {
        let mut keys = Keys::new();
        for (index, visit) in self.hospital.visits().iter().enumerate() {
            let facts =
                visit.charges.iter().filter_map(|charge| charges.get(charge.transaction.as_str())).flatten();
            let its: BTreeSet<&str> = facts.map(|stated| stated.key.as_str()).collect();
            if its.len() > 1 {
                self.found.push(Difference::Keys { visit: index, count: its.len() });
            }
            keys.extend(its.first().map(|key| (index, (*key).to_owned())));
        }
        keys
    }

    /// The requests of the day, each once.
    fn requests_of(&self, keys: &Keys) -> Vec<(usize, &'a Stated<InvoiceRequest>, &'a InvoiceRequest)> {
        let visits: BTreeMap<&str, usize> = keys.iter().map(|(visit, key)| (key.as_str(), *visit)).collect();
        let ours = |stated: &'a Stated<InvoiceRequest>| {
            Some((*visits.get(stated.key.as_str())?, stated, stated.body.as_ref()?))
        };
        self.evidence.requests.stated.iter().filter_map(ours).collect()
    }

    /// A charge of a finished visit is on one request line, of another on none and in its case's unbilled sum.
    fn requests(&mut self, charges: &Charges<'_>, keys: &Keys) {
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        let mut on_lines: BTreeMap<&str, usize> = BTreeMap::new();
        let facts: BTreeSet<&str> = charges
            .values()
            .flatten()
            .filter_map(|stated| Some(stated.body.as_ref()?.charge.as_str()))
            .collect();
        for (_, _, request) in self.requests_of(keys) {
            *times.entry(&request.request).or_default() += 1;
            for line in &request.lines {
                *on_lines.entry(&line.charge).or_default() += 1;
            }
            let strange = request.lines.iter().filter(|line| !facts.contains(line.charge.as_str())).count();
            if strange > 0 {
                self.found.push(Difference::StrangeLines { request: request.request.clone(), is: strange });
            }
        }
        let twice = times.into_iter().filter(|(_, count)| *count > 1);
        self.found.extend(
            twice.map(|(request, count)| Difference::Requests { request: request.to_owned(), count }),
        );
        for (index, visit) in self.hospital.visits().iter().enumerate() {
            let finished = visit.discharge.as_deref().is_some_and(|control_id| self.acknowledged(control_id));
            for charge in &visit.charges {
                if !self.acknowledged(&charge.message) {
                    continue;
                }
                let Some(body) =
                    charges.get(charge.transaction.as_str()).and_then(|its| its.first()?.body.as_ref())
                else {
                    continue;
                };
                let (count, should) =
                    (on_lines.get(body.charge.as_str()).copied().unwrap_or(0), usize::from(finished));
                if count != should {
                    let transaction = charge.transaction.clone();
                    self.found.push(Difference::Lines { transaction, count, should });
                }
            }
            self.case(index, visit, finished, keys);
        }
    }

    fn case(&mut self, index: usize, visit: &Visit, finished: bool, keys: &Keys) {
        let Some(key) = keys.get(&index) else { return };
        let its = self.evidence.cases.stated.iter().filter(|stated| stated.key == *key);
        let latest = its.max_by_key(|stated| stated.version).and_then(|stated| stated.body.as_ref());
        let is = latest.map_or(Money::ZERO, |case| case.unbilled);
        let should = if finished { Money::ZERO } else { self.sent(visit) };
        if is != should {
            self.found.push(Difference::Unbilled { visit: index, is, should });
        }
    }

    /// I4: one posted invoice per request, one line per line, nothing besides.
    fn invoices(&mut self, keys: &Keys) {
        let mut requested: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for (visit, stated, request) in self.requests_of(keys) {
            requested.entry(visit).or_default().insert(&request.request);
            if !seen.insert(&request.request) {
                continue;
            }
            let id = ExternalId::coded("invoice", &request.request).ok();
            match id.and_then(|id| self.evidence.invoices.get(&id)) {
                Some(invoice) => self.found.extend(lines(request, invoice)),
                None => self.found.push(Difference::NoInvoice { request: request.request.clone() }),
            }
            if !self.evidence.effects.get(&stated.name).is_some_and(|(applied, _)| *applied) {
                self.found.push(Difference::NoEffect { request: request.request.clone() });
            }
        }
        for (visit, requests) in requested {
            let number = &self.hospital.visits()[visit].number;
            let is = self.evidence.by_reference.get(number).copied().unwrap_or(0);
            if is != requests.len() {
                self.found.push(Difference::Copies { visit, is, should: requests.len() });
            }
        }
    }

    /// I9: what was sent is stated, and is unbilled or on lines, to the cent.
    fn sums(&mut self, charges: &Charges<'_>) {
        let figures = super::figures::Figures::of(self.hospital, self.history, self.evidence);
        let should = figures.sent;
        let mut hold = |what, is: Option<Money>| {
            if is != Some(should) {
                let is = is.map_or("beyond 18 digits".to_owned(), |is| is.to_string());
                self.found.push(Difference::Sum { what, is, should: should.to_string() });
            }
        };
        let facts = charges.values().filter_map(|its| Some(its.first()?.body.as_ref()?.amount));
        hold("the sum of charges stated", Money::sum(facts));
        hold("the sum of what is unbilled and requested", figures.unbilled.checked_add(figures.requested));
        hold("the sum of what is unbilled and on invoices", figures.unbilled.checked_add(figures.invoiced));
    }

    fn sent(&self, visit: &Visit) -> Money {
        let its = visit.charges.iter().filter(|charge| self.acknowledged(&charge.message));
        Money::sum(its.map(|charge| charge.amount)).unwrap_or(Money::ZERO)
    }

    /// Nothing of ours waits for a person.
    fn parked(&mut self) {
        let ours = self.evidence.places(self.hospital);
        let parked = self.evidence.parked.iter().filter(|parked| match &parked.record {
            Some((topic, partition, offset)) => ours.contains(&(topic.as_str(), *partition, *offset)),
            None => true,
        });
        self.found.extend(parked.cloned().map(Difference::Parked));
    }
}

fn lines(request: &InvoiceRequest, invoice: &FoundInvoice) -> Vec<Difference> {
    let mut found = Vec::new();
    if invoice.state != MoveState::Posted {
        found.push(Difference::NotPosted { request: request.request.clone(), state: invoice.state });
    }
    if invoice.lines.len() != request.lines.len() {
        let (is, should) = (invoice.lines.len(), request.lines.len());
        found.push(Difference::LineCount { request: request.request.clone(), is, should });
    }
    for line in &request.lines {
        let amount = Decimal::new(line.amount.unscaled(), 4);
        let id = ExternalId::coded("line", &line.line).ok();
        let is_it = |found: &&odoo::invoice::FoundLine| {
            id.as_ref().is_some_and(|id| found.external.contains(id)) && found.subtotal == amount
        };
        let count = invoice.lines.iter().filter(is_it).count();
        if count != 1 {
            found.push(Difference::InvoiceLine { line: line.line.clone(), count });
        }
    }
    found
}
