//! Following a model: windows of changes in turn, a sweep now and then, and what is to be read again; a [`Source`].
//!
//! A round reads one window of every model that is watched. What changed names roots (a product; an item at a location;
//! an invoice), and roots are read whole, so a row says what Odoo has now, however it came to be looked at. Between rounds
//! it waits for its time or a poke. A sweep lists all rows: those that are gone are withdrawn by the runtime, those that
//! came to light later than the overlap are read, and counted. Of further models it reads the changes of some time again.

use crate::Polling;
use crate::books::{Odoo, is_configuration};
use crate::codes::conditions;
use crate::memory::{Memory, Seen};
use crate::poke::Poked;
use crate::said::Row;
use ::odoo::Error;
use ::odoo::window::{self, Reading};
use backbone::Unavailable;
use backbone::source::{Mark, Page, Source, SourceRow, Sweep};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Rows of a window's page, and roots that are read at a time.
const ROWS_PER_PAGE: u32 = 200;
const ROOTS_PER_PAGE: usize = 200;
/// Rows of a sweep's page: it asks for ids and times only.
const ROWS_PER_SWEEP: u32 = 5_000;
/// The runtime asks again at once: a source waits by itself, so that a poke can end it.
const AT_ONCE: Duration = Duration::from_millis(1);

/// What is read for one topic or two.
pub trait Model: Send + Sync + 'static {
    /// The source's name; for life.
    const NAME: &'static str;
    /// What its rows are called.
    const KIND: &'static str;
    /// What is read and stated as one.
    type Root: Ord + Clone + Display + Send + Sync + 'static;

    /// Models whose changes concern it; the first one is its own, whose rows are swept.
    fn watched(&self) -> &'static [Watched];

    /// The root of a row of its own model; none where it is nothing to us.
    fn own(&self, row: &Value) -> Option<Self::Root>;

    /// The roots that changed rows of a further model concern.
    fn concerned(
        &self,
        odoo: &Odoo,
        model: &'static str,
        rows: &[Value],
    ) -> impl Future<Output = Result<BTreeSet<Self::Root>, Error>> + Send;

    /// Reads roots and says what they state; those that are gone are left out.
    fn read(
        &self,
        odoo: &Odoo,
        roots: BTreeSet<Self::Root>,
    ) -> impl Future<Output = Result<Vec<Row>, Error>> + Send;

    /// What is to be read again after a sweep, though nothing of its own changed.
    fn unsettled(&self, odoo: &Odoo) -> impl Future<Output = Result<BTreeSet<Self::Root>, Error>> + Send;
}

/// A model whose changes are looked for.
#[derive(Debug)]
pub struct Watched {
    pub(crate) model: &'static str,
    /// A domain in which every condition holds, as JSON.
    pub(crate) domain: &'static str,
    /// Fields that tell which roots are concerned.
    pub(crate) fields: &'static [&'static str],
}

/// How often.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// From the end of a round to the next.
    pub poll: Duration,
    /// From one sweep to the next.
    pub sweep: SignedDuration,
}

/// Where following has come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cursor {
    /// Which of the watched models is next in this round.
    pub(crate) turn: usize,
    pub(crate) windows: BTreeMap<String, window::Cursor>,
    /// Odoo's clock at the last sweep.
    pub(crate) swept_at: Option<Timestamp>,
    /// How often something was read again: a page that does so and is not kept is found out by it.
    pub(crate) again: u64,
}

/// The source of a model.
pub struct Follow<M: Model> {
    polling: Polling,
    model: M,
    state: Mutex<State<M::Root>>,
}

struct State<R> {
    memory: Memory<R>,
    ear: Poked,
    /// Whether a round has begun.
    has_begun: bool,
    is_sweep_wanted: bool,
    /// When the next round begins, if nobody pokes.
    due: Instant,
    /// Odoo's clock, and ours, at the beginning of the round.
    clock: Option<(Timestamp, Instant)>,
}

#[derive(Deserialize)]
struct Changed {
    id: i64,
    #[serde(flatten)]
    fields: serde_json::Map<String, Value>,
}

impl window::Row for Changed {
    fn id(&self) -> i64 {
        self.id
    }
}

impl Changed {
    fn written_at(&self) -> Option<Timestamp> {
        window::instant(self.fields.get("write_date")?.as_str()?)
    }

    fn into_row(mut self) -> Value {
        self.fields.insert("id".to_owned(), self.id.into());
        Value::Object(self.fields)
    }
}

impl<M: Model> Source for Follow<M> {
    const NAME: &'static str = M::NAME;
    type Cursor = Cursor;

    async fn next(&self, cursor: &Cursor, at: Mark) -> Result<Page<Cursor>, Unavailable> {
        let mut state = self.state.lock().await;
        if !state.memory.take_up(cursor) {
            // So does a sweep that was not kept, since a person is asked about it: it is made again.
            state.has_begun = false;
        }
        match self.step(&mut state, cursor.clone(), at).await {
            Ok(page) => {
                state.memory.leave(&page.cursor);
                Ok(page)
            }
            Err(error) => {
                if is_configuration(&error) {
                    self.odoo().after(&error).await;
                }
                Err(Unavailable::because(error))
            }
        }
    }
}

impl<M: Model> Follow<M> {
    pub(crate) fn new(polling: &Polling, model: M) -> Self {
        let (memory, ear, due) = (Memory::default(), polling.poke.ear(), Instant::now());
        let state =
            Mutex::new(State { memory, ear, has_begun: false, is_sweep_wanted: false, due, clock: None });
        Self { polling: polling.clone(), model, state }
    }

    /// Forgets all that it remembers, as a process does that has just begun.
    pub async fn forget(&self) {
        self.state.lock().await.memory = Memory::default();
    }

    /// Lists all rows at the beginning of the next round, whenever that would be due.
    pub async fn sweeps_now(&self) {
        self.state.lock().await.is_sweep_wanted = true;
    }

    fn odoo(&self) -> &Odoo {
        &self.polling.odoo
    }

    async fn step(
        &self,
        state: &mut State<M::Root>,
        cursor: Cursor,
        at: Mark,
    ) -> Result<Page<Cursor>, Error> {
        let own = &self.model.watched()[0];
        if self.odoo().fields(own.model, &[]).await?.is_none() {
            // The app that brings it is not installed; it may be, one day.
            return Ok(
                Page::new(vec![], cursor).then_wait(self.polling.pace.poll.max(Duration::from_secs(60)))
            );
        }
        if state.memory.has_again() {
            return self.again(state, cursor).await;
        }
        let watched = self.model.watched().get(cursor.turn).unwrap_or(own);
        let window = cursor.windows.get(watched.model);
        if cursor.turn == 0 && !window.is_some_and(window::Cursor::is_open) && !state.has_begun {
            self.polling.listen();
            let at_most = state.due.saturating_duration_since(Instant::now());
            state.ear.wait(at_most).await;
            state.ear.hear();
            let clock = self.odoo().client.clock().await?;
            (state.clock, state.has_begun) = (Some((clock, Instant::now())), true);
            let is_sweep_due =
                |swept: Timestamp| clock.duration_since(swept).abs() >= self.polling.pace.sweep;
            // Before the first windows everything is still to come.
            let is_wanted = std::mem::take(&mut state.is_sweep_wanted);
            if window.is_some() && (is_wanted || cursor.swept_at.is_none_or(is_sweep_due)) {
                return self.sweep(state, cursor, at, clock).await;
            }
        }
        self.window(state, cursor, watched).await
    }

    /// A page of a window, with what it concerns.
    async fn window(
        &self,
        state: &mut State<M::Root>,
        mut cursor: Cursor,
        watched: &'static Watched,
    ) -> Result<Page<Cursor>, Error> {
        let clock = self.clock(state).await?;
        if cursor.windows.is_empty() {
            // The first window of its own model brings everything; of others, changes since are enough.
            let since = clock.saturating_sub(self.odoo().overlap).unwrap_or(clock);
            let others = self.model.watched().iter().skip(1);
            cursor.windows =
                others.map(|other| (other.model.to_owned(), window::Cursor::since(since))).collect();
        }
        let before = cursor.windows.get(watched.model).cloned().unwrap_or_default();
        let before = before.begin(clock, self.odoo().overlap);
        let wanted = [&["write_date"], watched.fields].concat();
        let Some(fields) = self.odoo().fields(watched.model, &wanted).await? else {
            return Ok(self.turn(state, cursor, vec![]));
        };
        let context = self.odoo().context();
        let reading = Reading {
            model: watched.model,
            domain: conditions(watched.domain),
            fields: &fields,
            context: &context,
            limit: ROWS_PER_PAGE,
        };
        let (rows, after) =
            window::page::<Changed>(&self.odoo().client, &reading, &before, self.odoo().overlap).await?;
        let roots = match watched.model == self.model.watched()[0].model {
            true => self.own(state, rows, before.low().is_none()),
            false if rows.is_empty() => BTreeSet::new(),
            false => {
                let rows: Vec<Value> = rows.into_iter().map(Changed::into_row).collect();
                self.model.concerned(self.odoo(), watched.model, &rows).await?
            }
        };
        let rows = match roots.is_empty() {
            true => vec![],
            false => self.read(roots).await?,
        };
        let is_over = !after.is_open();
        cursor.windows.insert(watched.model.to_owned(), after);
        match is_over {
            true => Ok(self.turn(state, cursor, rows)),
            false => Ok(Page::new(rows, cursor)),
        }
    }

    /// On to the next model's window, or to a rest.
    fn turn(&self, state: &mut State<M::Root>, mut cursor: Cursor, rows: Vec<SourceRow>) -> Page<Cursor> {
        cursor.turn += 1;
        if cursor.turn < self.model.watched().len() {
            return Page::new(rows, cursor);
        }
        (cursor.turn, state.due, state.has_begun) = (0, Instant::now() + self.polling.pace.poll, false);
        Page::new(rows, cursor).then_wait(AT_ONCE)
    }

    /// The roots of rows of its own model; new ones are measured.
    fn own(&self, state: &mut State<M::Root>, rows: Vec<Changed>, is_first: bool) -> BTreeSet<M::Root> {
        let now = state.clock.map(|(clock, since)| {
            clock
                .saturating_add(SignedDuration::try_from(since.elapsed()).unwrap_or_default())
                .unwrap_or(clock)
        });
        let mut roots = BTreeSet::new();
        for row in rows {
            let (id, written_at) = (row.id, row.written_at());
            let Some(root) = self.model.own(&row.into_row()) else { continue };
            let is_new = state.memory.see(id, Seen { written_at, root: root.clone() });
            if let (true, false, Some(now), Some(written_at)) = (is_new, is_first, now, written_at) {
                self.polling.figures.detected(self.model.watched()[0].model, now.duration_since(written_at));
            }
            roots.insert(root);
        }
        roots
    }

    /// Lists all rows of its own model, in one go.
    async fn sweep(
        &self,
        state: &mut State<M::Root>,
        cursor: Cursor,
        at: Mark,
        clock: Timestamp,
    ) -> Result<Page<Cursor>, Error> {
        let own = &self.model.watched()[0];
        let seen = everything(self.odoo(), &self.model).await?;
        let present = seen.values().map(|seen| seen.root.to_string()).collect();
        let unsettled = self.model.unsettled(self.odoo()).await?;
        let from = cursor.windows.get(own.model).and_then(window::Cursor::low);
        let found = state.memory.sweep(seen, from);
        state.memory.read_again(unsettled);
        if found.late > 0 {
            self.polling.figures.late(own.model, found.late);
            let overlap_s = self.odoo().overlap.as_secs();
            tracing::warn!(
                model = own.model,
                rows = found.late,
                overlap_s,
                "rows came to light later than the overlap: a transaction of Odoo's took longer than that; make it longer"
            );
        }
        let cursor = Cursor { swept_at: Some(clock), ..self.set_back(cursor) };
        Ok(Page::new(vec![], cursor).swept(Sweep { kind: M::KIND, present, began: at }))
    }

    /// No sweep lists the rows of further models: their windows begin again so far back that what came to light since the
    /// last sweep is read, of transactions that took as long as a sweep's interval and the overlap.
    fn set_back(&self, mut cursor: Cursor) -> Cursor {
        let Some(swept) = cursor.swept_at else { return cursor };
        let far = self.polling.pace.sweep.saturating_add(self.odoo().overlap);
        let from = swept.saturating_sub(far).unwrap_or(Timestamp::MIN);
        for other in self.model.watched().iter().skip(1) {
            if let Some(window) = cursor.windows.get_mut(other.model) {
                *window = std::mem::take(window).back_to(from);
            }
        }
        cursor
    }

    /// Reads some of what is to be read again.
    async fn again(&self, state: &mut State<M::Root>, cursor: Cursor) -> Result<Page<Cursor>, Error> {
        let roots = state.memory.some_again(ROOTS_PER_PAGE);
        let rows = self.read(roots.clone()).await?;
        state.memory.was_read(&roots);
        Ok(Page::new(rows, Cursor { again: cursor.again.wrapping_add(1), ..cursor }))
    }

    async fn read(&self, roots: BTreeSet<M::Root>) -> Result<Vec<SourceRow>, Error> {
        let rows = self.model.read(self.odoo(), roots).await?;
        Ok(rows.into_iter().map(|row| row.into_source(M::KIND)).collect())
    }

    async fn clock(&self, state: &mut State<M::Root>) -> Result<Timestamp, Error> {
        match state.clock {
            Some((clock, _)) => Ok(clock),
            None => self.odoo().client.clock().await,
        }
    }
}

/// All rows of a model's own, in one go.
pub(crate) async fn everything<M: Model>(
    odoo: &Odoo,
    model: &M,
) -> Result<BTreeMap<i64, Seen<M::Root>>, Error> {
    let own = &model.watched()[0];
    let context = odoo.context();
    let mut seen = BTreeMap::new();
    let Some(fields) = odoo.fields(own.model, &[&["write_date"], own.fields].concat()).await? else {
        return Ok(seen);
    };
    let (domain, limit) = (conditions(own.domain), ROWS_PER_SWEEP);
    let reading = Reading { model: own.model, domain, fields: &fields, context: &context, limit };
    let mut last = 0;
    loop {
        let (rows, more) = window::sweep::<Changed>(&odoo.client, &reading, last).await?;
        for row in rows {
            let (id, written_at) = (row.id, row.written_at());
            last = id;
            if let Some(root) = model.own(&row.into_row()) {
                seen.insert(id, Seen { written_at, root });
            }
        }
        if !more {
            return Ok(seen);
        }
    }
}
