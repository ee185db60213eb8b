//! A projection with its types erased: one shape for the lane, whatever is folded.

use crate::compensation::{Compensate, Compensation, Typed};
use crate::contract::Schemas;
use crate::emission::{Outbox, Remark, mark};
use crate::fact::{Fact, Meta};
use crate::projection::{Cx, On, Projection, Row, Rows, Table};
use crate::record::Record;
use crate::reject::{Reason, Reject};
use crate::table::Book;
use crate::worth::{Weigh, weigh};
use canon::event::Event;
use canon::time::Timestamp;
use serde_json::error::Category;
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::str::FromStr;
use std::sync::Arc;

/// A state cannot be read as this release has it, or cannot be written. What serde says of it may hold a patient's data:
/// only its class is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a state of {processor} does not fit this release: {class}")]
pub struct StateError {
    processor: &'static str,
    class: &'static str,
}

impl StateError {
    fn of(processor: &'static str, error: &serde_json::Error) -> Self {
        let class = match error.classify() {
            Category::Data => "a field is missing, or of another type",
            Category::Eof | Category::Io | Category::Syntax => "it is no JSON",
        };
        Self { processor, class }
    }
}

/// A state of a projection whose type the runtime does not know.
pub(crate) trait State: Any + Send + Sync {
    fn body(&self) -> Result<serde_json::Value, StateError>;
    fn boxed(&self) -> Box<dyn State>;
    fn same(&self, other: &dyn State) -> bool;
    fn any(&self) -> &dyn Any;
    fn any_mut(&mut self) -> &mut dyn Any;
}

impl<P: Projection> State for P {
    fn body(&self) -> Result<serde_json::Value, StateError> {
        serde_json::to_value(self).map_err(|error| StateError::of(P::NAME, &error))
    }

    fn boxed(&self) -> Box<dyn State> {
        Box::new(self.clone())
    }

    fn same(&self, other: &dyn State) -> bool {
        other.any().downcast_ref::<P>() == Some(self)
    }

    fn any(&self) -> &dyn Any {
        self
    }

    fn any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// One input of a fold, as the runtime hands it over.
pub(crate) struct Given<'a> {
    pub(crate) record: &'a Record,
    pub(crate) meta: &'a Meta,
    pub(crate) homonyms: u32,
}

/// What a fold stands on: the batch's clock, the writers' schemas, and the tables as of the batch.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) now: Timestamp,
    pub(crate) schemas: &'a Schemas,
    pub(crate) book: &'a Book,
}

/// A projection, erased.
pub(crate) trait Program: Send + Sync {
    fn name(&self) -> &'static str;
    fn inputs(&self) -> &[(&'static str, &'static str)];
    fn outputs(&self) -> &[(&'static str, &'static str)];
    fn tables(&self) -> &[Table];
    /// How a fact of an output is marked with a change.
    fn mark(&self, topic: &str) -> Option<(&'static str, Remark)>;
    /// What tells what facts of an output come to.
    fn weigh(&self, topic: &str) -> Option<Weigh>;
    /// What the author makes of a command of an output that should have been another one.
    fn compensation(&self, topic: &str) -> Option<&dyn Compensation>;
    /// The compacted topics that are looked up.
    fn lookups(&self) -> &[(&'static str, &'static str)];
    fn setup_text(&self) -> String;
    fn fresh(&self) -> Box<dyn State>;
    fn stored(&self, body: &serde_json::Value) -> Result<Box<dyn State>, StateError>;
    fn on(
        &self,
        state: &mut dyn State,
        given: &Given<'_>,
        ground: Ground<'_>,
        out: &mut Outbox,
    ) -> Result<(), Reject>;
    fn woken(
        &self,
        state: &mut dyn State,
        key: &str,
        ground: Ground<'_>,
        out: &mut Outbox,
    ) -> Result<(), Reject>;
    fn report(&self, key: &str, state: &dyn State) -> Vec<Row>;
}

type Handler<P> = fn(&mut P, &Given<'_>, &mut Cx<'_, <P as Projection>::Setup>) -> Result<(), Reject>;

/// Declares what a projection folds, states and shows.
pub struct Folding<P: Projection> {
    setup: Arc<P::Setup>,
    handlers: BTreeMap<&'static str, Handler<P>>,
    inputs: Vec<(&'static str, &'static str)>,
    outputs: Vec<(&'static str, &'static str)>,
    tables: Vec<Table>,
    knows: Vec<(&'static str, &'static str)>,
    weighed: BTreeMap<&'static str, Weigh>,
    marks: BTreeMap<&'static str, Remark>,
    compensations: BTreeMap<&'static str, Box<dyn Compensation>>,
}

impl<P: Projection> Folding<P> {
    /// Starts a declaration, with what the installation configured.
    pub fn new(setup: P::Setup) -> Self {
        let setup = Arc::new(setup);
        Self {
            setup,
            handlers: BTreeMap::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            tables: Vec::new(),
            knows: Vec::new(),
            weighed: BTreeMap::new(),
            marks: BTreeMap::new(),
            compensations: BTreeMap::new(),
        }
    }

    /// Folds a kind of fact.
    #[must_use]
    pub fn on<E>(mut self) -> Self
    where
        E: Event<Key = P::Key>,
        P: On<E>,
    {
        self.handlers.insert(E::TOPIC, handle::<P, E>);
        self.inputs.push((E::TOPIC, E::SCHEMA));
        self
    }

    /// Looks a kind of master data up: a compacted topic, kept as a table beside the fold.
    #[must_use]
    pub fn knows<E: Event>(mut self) -> Self {
        self.knows.push((E::TOPIC, E::SCHEMA));
        self
    }

    /// States a kind of fact.
    #[must_use]
    pub fn emits<E: Event>(mut self) -> Self {
        self.outputs.push((E::TOPIC, E::SCHEMA));
        self.weighed.insert(E::TOPIC, weigh::<E>);
        self.marks.insert(E::TOPIC, mark::<E>);
        self
    }

    /// Says what a correction of a command means in the world, for when the fold says another content under a name that was
    /// given, or takes it back. Without it such an input is rejected, and so is it where records are folded again by themselves.
    #[must_use]
    pub fn compensates<E: Event>(mut self, make: Compensate<E>) -> Self {
        self.compensations.insert(E::TOPIC, Box::new(Typed(make)));
        self
    }

    /// Shows people a table of rows.
    #[must_use]
    pub fn reports<R: crate::projection::ReportRow>(mut self) -> Self {
        self.tables.push(R::TABLE);
        self
    }
}

fn handle<P, E>(state: &mut P, given: &Given<'_>, cx: &mut Cx<'_, P::Setup>) -> Result<(), Reject>
where
    P: On<E>,
    E: Event<Key = P::Key>,
{
    let value = given.record.value.as_deref();
    let value = value.ok_or_else(|| Reject::new(Reason::Decode, format!("a tombstone on {}", E::TOPIC)))?;
    let body: E = cx.schemas.decode(value)?;
    let key = parse_key::<E::Key>(&given.meta.key)?;
    let headers = given.meta.headers.clone();
    let time = headers.time;
    state.on(&Fact { body, key, headers, time, homonyms: given.homonyms }, cx)
}

fn parse_key<K: FromStr>(text: &str) -> Result<K, Reject> {
    K::from_str(text).map_err(|_| Reject::alone(Reason::Envelope, "the key is not of the topic's key type"))
}

impl<P: Projection> Folding<P>
where
    P::Setup: Debug,
{
    fn cx<'a>(&'a self, ground: Ground<'a>, out: &'a mut Outbox) -> Cx<'a, P::Setup> {
        let Ground { now, schemas, book } = ground;
        Cx { now, setup: &*self.setup, schemas, book, out }
    }

    fn typed<'s>(&self, state: &'s mut dyn State) -> Result<&'s mut P, Reject> {
        let wrong = || Reject::new(Reason::Conflict, "the state is another projection's");
        state.any_mut().downcast_mut::<P>().ok_or_else(wrong)
    }
}

impl<P: Projection> Program for Folding<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn inputs(&self) -> &[(&'static str, &'static str)] {
        &self.inputs
    }

    fn outputs(&self) -> &[(&'static str, &'static str)] {
        &self.outputs
    }

    fn tables(&self) -> &[Table] {
        &self.tables
    }

    fn lookups(&self) -> &[(&'static str, &'static str)] {
        &self.knows
    }

    fn weigh(&self, topic: &str) -> Option<Weigh> {
        self.weighed.get(topic).copied()
    }

    fn mark(&self, topic: &str) -> Option<(&'static str, Remark)> {
        self.marks.get_key_value(topic).map(|(topic, mark)| (*topic, *mark))
    }

    fn compensation(&self, topic: &str) -> Option<&dyn Compensation> {
        self.compensations.get(topic).map(AsRef::as_ref)
    }

    fn setup_text(&self) -> String {
        format!("{:?}", self.setup)
    }

    fn fresh(&self) -> Box<dyn State> {
        Box::new(P::default())
    }

    fn stored(&self, body: &serde_json::Value) -> Result<Box<dyn State>, StateError> {
        let state = P::deserialize(body).map_err(|error| StateError::of(P::NAME, &error))?;
        Ok(Box::new(state))
    }

    fn on(
        &self,
        state: &mut dyn State,
        given: &Given<'_>,
        ground: Ground<'_>,
        out: &mut Outbox,
    ) -> Result<(), Reject> {
        let topic = given.record.topic;
        let missing = || Reject::new(Reason::Unsupported, format!("{topic} is not folded here"));
        let handler = self.handlers.get(topic).ok_or_else(missing)?;
        handler(self.typed(state)?, given, &mut self.cx(ground, out))
    }

    fn woken(
        &self,
        state: &mut dyn State,
        key: &str,
        ground: Ground<'_>,
        out: &mut Outbox,
    ) -> Result<(), Reject> {
        let key = parse_key::<P::Key>(key)?;
        self.typed(state)?.woken(&key, &mut self.cx(ground, out))
    }

    fn report(&self, key: &str, state: &dyn State) -> Vec<Row> {
        let mut rows = Rows::default();
        if let (Ok(key), Some(state)) = (P::Key::from_str(key), state.any().downcast_ref::<P>()) {
            state.report(&key, &mut rows);
        }
        rows.rows
    }
}
