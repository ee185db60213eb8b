//! A small projection for the simulation: it has everything that can go wrong (rejects, panics, deadlines, commands,
//! corrections, withdrawals, a compacted output).

use super::Sim;
use crate::compensation::Amendment;
use crate::contract::{Contract, Schemas, TopicPolicy};
use crate::fact::Fact;
use crate::program::Folding;
use crate::projection::{Column, Cx, On, Projection, ReportRow, Rows, Table};
use crate::record::OutRecord;
use crate::reject::{Reason, Reject};
use crate::sink::{Outcome, Sink, Unavailable};
use canon::event::{Change, ContentHasher, Event, Name, event_id};
use canon::headers::Headers;
use canon::key::EncounterToken;
use canon::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Topic names; the index is the type parameter of [`Sample`].
pub(crate) const TOPICS: [&str; 6] =
    ["sim.left", "sim.right", "sim.sum", "sim.order", "sim.note", "sim.rate"];
pub(crate) type Left = Sample<0>;
pub(crate) type Right = Sample<1>;
/// Compacted: the latest sum of a key.
pub(crate) type Sum = Sample<2>;
/// A command, given once for each full ten.
pub(crate) type Order = Sample<3>;
/// A fact that is corrected and withdrawn.
pub(crate) type Note = Sample<4>;
/// A table: a rate that some numbers need.
pub(crate) type Rate = Sample<5>;

const SCHEMA: &str = r#"{"type":"record","name":"Sample","namespace":"org.vertebra.sim","fields":[
 {"name":"change","type":{"type":"enum","name":"Change","symbols":["recorded","corrected","withdrawn","unknown"],"default":"unknown"},"default":"unknown"},
 {"name":"n","type":"long"},{"name":"mood","type":"string","default":""}]}"#;

/// One event of the simulation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Sample")]
pub(crate) struct Sample<const TOPIC: usize> {
    pub(crate) change: Change,
    pub(crate) n: i64,
    pub(crate) mood: String,
}

impl<const TOPIC: usize> Sample<TOPIC> {
    pub(crate) fn new(n: i64, mood: &str) -> Self {
        Self { change: Change::Recorded, n, mood: mood.to_owned() }
    }
}

impl<const TOPIC: usize> Event for Sample<TOPIC> {
    const TOPIC: &'static str = TOPICS[TOPIC];
    const SCHEMA: &'static str = SCHEMA;
    type Key = EncounterToken;

    fn change(&self) -> Change {
        self.change
    }

    fn mark(&mut self, change: Change) {
        self.change = change;
    }

    fn content(&self, hasher: &mut ContentHasher) {
        hasher.field("n", &self.n);
        hasher.field("mood", &self.mood);
    }
}

thread_local! {
    /// Set by a number that kills its process, as a stack overflow or the kernel's killer would.
    pub(crate) static ABORTED: Cell<bool> = const { Cell::new(false) };
}

/// The fold: sums what it sees, each number once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) left: BTreeSet<i64>,
    pub(crate) right: BTreeSet<i64>,
    pub(crate) doubled: u32,
    pub(crate) woken: u32,
    /// When it wants to be woken.
    #[serde(default)]
    pub(crate) due: Option<Timestamp>,
    /// Whoever is woken from here on dies of it.
    #[serde(default)]
    pub(crate) doomed: bool,
    /// The rates that were in force when they were needed.
    pub(crate) rates: Vec<i64>,
}

/// How long orders wait for what comes further.
pub(crate) const HOLD: Duration = Duration::from_secs(3);

#[derive(Serialize)]
struct TallyRow {
    key: String,
    sum: i64,
}

impl ReportRow for TallyRow {
    const TABLE: Table = Table { name: "tally", columns: &[("key", Column::Text), ("sum", Column::Integer)] };

    fn row(&self) -> String {
        self.key.clone()
    }
}

impl Tally {
    pub(crate) fn sum(&self) -> i64 {
        self.left.iter().chain(&self.right).sum()
    }

    fn took(
        &mut self,
        new: bool,
        key: &EncounterToken,
        mood: &str,
        cx: &mut Cx<'_, ()>,
    ) -> Result<(), Reject> {
        self.doubled += u32::from(!new);
        let name = |kind: &str| Name::new(kind, &[key.to_string()]);
        cx.emit(name("sum"), key, Sum::new(self.sum(), ""));
        match mood {
            "bad" => return Err(Reject::new(Reason::Invalid, "a bad number")),
            "rated" => self.rates.push(cx.lookup::<Rate>(key)?.n),
            "abort" => ABORTED.set(true),
            "doom" => self.doomed = true,
            "panic" => panic!("a number to panic over"),
            "note" => cx.emit(name("note"), key, Note::new(self.sum() / 10, "")),
            "uncommand" => cx.retract::<Order>(name("order/fixed"), key),
            "unsay" => cx.retract::<Note>(name("note"), key),
            "recommand" => cx.emit(name("order/fixed"), key, Order::new(self.sum(), "")),
            _ => {}
        }
        self.due = Some(cx.now() + HOLD);
        cx.wake(cx.now() + HOLD);
        Ok(())
    }
}

impl Projection for Tally {
    const NAME: &'static str = "tally";
    type Key = EncounterToken;
    type Setup = ();

    fn woken(&mut self, key: &EncounterToken, cx: &mut Cx<'_, ()>) -> Result<(), Reject> {
        if self.doomed {
            ABORTED.set(true);
        }
        // Woken before its time it says nothing, as a fold does that looks what is due.
        if self.due.is_none_or(|due| due > cx.now()) {
            return Ok(());
        }
        self.due = None;
        self.woken += 1;
        let name = Name::new("order", &[key.to_string(), self.woken.to_string()]);
        cx.emit(name, key, Order::new(self.sum(), ""));
        Ok(())
    }

    fn report(&self, key: &EncounterToken, rows: &mut Rows) {
        rows.put(&TallyRow { key: key.to_string(), sum: self.sum() });
    }
}

impl On<Left> for Tally {
    fn on(&mut self, fact: &Fact<Left>, cx: &mut Cx<'_, ()>) -> Result<(), Reject> {
        let new = self.left.insert(fact.body.n);
        self.took(new, &fact.key, &fact.body.mood, cx)
    }
}

impl On<Right> for Tally {
    fn on(&mut self, fact: &Fact<Right>, cx: &mut Cx<'_, ()>) -> Result<(), Reject> {
        let new = self.right.insert(fact.body.n);
        self.took(new, &fact.key, &fact.body.mood, cx)
    }
}

/// A fold that remembers nothing: a note for each left number, named by its mood, with the rate that holds now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Echo {}

impl Projection for Echo {
    const NAME: &'static str = "echo";
    type Key = EncounterToken;
    type Setup = ();
}

impl On<Left> for Echo {
    fn on(&mut self, fact: &Fact<Left>, cx: &mut Cx<'_, ()>) -> Result<(), Reject> {
        let rate = cx.lookup::<Rate>(&fact.key)?.n;
        if fact.body.n * rate > 1_000 {
            return Err(Reject::new(Reason::Invalid, "more than a note can hold"));
        }
        let name = Name::new("note", &[fact.key.to_string(), fact.body.mood.clone()]);
        // A rate of zero means that such a number says nothing.
        if rate != 0 || fact.body.mood == "always" {
            cx.emit(name, &fact.key, Note::new(fact.body.n * rate, ""));
        }
        Ok(())
    }
}

/// The declaration of the one that remembers nothing.
pub(crate) fn echo() -> Folding<Echo> {
    Folding::new(()).on::<Left>().knows::<Rate>().emits::<Note>()
}

/// The declaration.
pub(crate) fn folding() -> Folding<Tally> {
    Folding::new(())
        .on::<Left>()
        .on::<Right>()
        .knows::<Rate>()
        .emits::<Sum>()
        .emits::<Order>()
        .emits::<Note>()
        .reports::<TallyRow>()
}

/// What makes of an order the one that it should have been: the difference.
pub(crate) fn difference(order: &Amendment<'_, Order>) -> Vec<(Name, Order)> {
    let n = |order: Option<&Order>| order.map_or(0, |order| order.n);
    let name = Name::new("difference", &[order.name.to_owned(), order.revision.to_string()]);
    vec![(name, Order::new(n(order.after) - n(order.before), ""))]
}

/// The declaration, of an author who knows what a correction of an order means.
pub(crate) fn compensating() -> Folding<Tally> {
    folding().compensates(difference)
}

/// A fold whose releases differ: a number weighs so much.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Weighed {
    pub(crate) weight: i64,
    woken: u32,
}

/// What a release of it says of numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weight {
    pub(crate) each: i64,
    /// It refuses numbers that it does not know.
    pub(crate) is_strict: bool,
}

#[derive(Serialize)]
struct WeighedRow {
    key: String,
    weight: i64,
}

impl ReportRow for WeighedRow {
    const TABLE: Table =
        Table { name: "weighed", columns: &[("key", Column::Text), ("weight", Column::Integer)] };

    fn row(&self) -> String {
        self.key.clone()
    }
}

impl Projection for Weighed {
    const NAME: &'static str = "weighed";
    type Key = EncounterToken;
    type Setup = Weight;

    fn woken(&mut self, key: &EncounterToken, cx: &mut Cx<'_, Weight>) -> Result<(), Reject> {
        self.woken += 1;
        cx.emit(
            Name::new("order", &[key.to_string(), self.woken.to_string()]),
            key,
            Order::new(self.weight, ""),
        );
        Ok(())
    }

    fn report(&self, key: &EncounterToken, rows: &mut Rows) {
        rows.put(&WeighedRow { key: key.to_string(), weight: self.weight });
    }
}

impl On<Left> for Weighed {
    fn on(&mut self, fact: &Fact<Left>, cx: &mut Cx<'_, Weight>) -> Result<(), Reject> {
        let Weight { each, is_strict } = *cx.setup();
        let rate = if fact.body.mood == "rated" { cx.lookup::<Rate>(&fact.key)?.n } else { 1 };
        if is_strict && fact.body.mood == "odd" {
            return Err(Reject::new(Reason::Invalid, "an odd number"));
        }
        self.weight += each * rate * fact.body.n;
        let name = |kind: &str| Name::new(kind, &[fact.key.to_string(), fact.body.n.to_string()]);
        if each > 1 || fact.body.mood != "heavy" {
            cx.emit(name("note"), &fact.key, Note::new(each * rate * fact.body.n, ""));
        }
        cx.wake(cx.now() + HOLD);
        Ok(())
    }
}

/// The declaration of a release of it.
pub(crate) fn weighing(each: i64, is_strict: bool) -> Folding<Weighed> {
    Folding::new(Weight { each, is_strict })
        .on::<Left>()
        .knows::<Rate>()
        .emits::<Order>()
        .emits::<Note>()
        .reports::<WeighedRow>()
        .compensates(difference)
}

/// Two lanes; sums are compacted, orders are commands.
pub(crate) fn contract() -> Contract {
    Contract::with(TOPICS.map(|topic| {
        let (compacted, command) = ([Sum::TOPIC, Rate::TOPIC].contains(&topic), topic == Order::TOPIC);
        (topic, TopicPolicy { partitions: 2, compacted, command, value_bytes_max: 1000 })
    }))
}

/// Ids of the sample's schema.
pub(crate) fn schemas() -> Schemas {
    Schemas::with(&TOPICS.map(|topic| (topic, SCHEMA)))
}

/// An input record as an upstream service's relay writes it.
pub(crate) fn input<const TOPIC: usize>(
    key: &EncounterToken,
    version: i64,
    sample: &Sample<TOPIC>,
    schemas: &Schemas,
) -> OutRecord {
    let name = Name::new("number", &[key.to_string(), version.to_string()]);
    let headers = Headers {
        id: event_id(name.fact_id(TOPICS[TOPIC]), 1),
        source: "generator".to_owned(),
        r#type: TOPICS[TOPIC].to_owned(),
        // Two in a row have the same time.
        time: Timestamp(version / 2 * 2),
        subject: key.to_string(),
        version: Some(version),
        revision: Some(1),
        factname: name.to_string(),
        correlationid: None,
        causationid: None,
        facility: None,
        sourceref: None,
        traceparent: None,
    };
    let id = schemas.id_of(TOPICS[TOPIC]).unwrap();
    let value = canon::codec::encode(id, sample).unwrap();
    OutRecord {
        seq: 0,
        topic: TOPICS[TOPIC].to_owned(),
        partition: contract().partition_of(TOPICS[TOPIC], key.to_string().as_bytes()),
        key: key.to_string().into_bytes(),
        value: Some(value),
        headers: headers.to_pairs(),
    }
}

/// The record as a tombstone.
pub(crate) fn tombstone(record: OutRecord) -> OutRecord {
    OutRecord { value: None, ..record }
}

/// The world outside: orders made, each with its key, in the order they were made. Create-only, as Odoo's `load` is.
#[derive(Clone, Default)]
pub(crate) struct Orders(Arc<Mutex<Vec<(String, String)>>>);

impl Orders {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Vec<(String, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Orders {
    fn make(&self, name: &str, key: &EncounterToken) {
        let mut orders = self.lock();
        if !orders.iter().any(|(made, _)| made == name) {
            orders.push((name.to_owned(), key.to_string()));
        }
    }
}

/// Makes orders; refuses some for good, and loses answers.
pub(crate) struct OrderSink {
    pub(crate) sim: Sim,
    pub(crate) orders: Orders,
}

impl OrderSink {
    async fn make(&self, command: &Fact<Order>) -> Outcome {
        let lost = || Outcome::Retry(Unavailable { source: None });
        self.sim.give_way().await;
        if self.sim.fails(20, "an order does not arrive") {
            return lost();
        }
        assert!(command.body.n % 23 != 22, "an order to panic over");
        if command.body.n % 11 == 10 {
            return Outcome::refused("elevens are not made");
        }
        self.orders.make(&command.headers.factname, &command.key);
        self.sim.give_way().await;
        if self.sim.fails(20, "an order's answer is lost") {
            lost()
        } else {
            Outcome::Applied { their_id: None }
        }
    }
}

impl Sink for OrderSink {
    const NAME: &'static str = "orders";
    type Command = Order;

    async fn effect(&self, commands: &[Fact<Order>]) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for command in commands {
            outcomes.push(self.make(command).await);
        }
        outcomes
    }
}
