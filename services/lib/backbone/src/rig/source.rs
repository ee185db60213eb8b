//! A rig for authors of sources: the live core over a ledger in memory, so that a source is tested without broker or
//! database.
//!
//! Every page goes the way it goes in production: lease, transaction, emission by name, sweeps, the outbox. After every
//! page the books are checked: what a compacted topic holds is what the rows state.

use super::{Known, Still, one_partition_each};
use crate::contract::{Contract, SchemaSource, Schemas};
use crate::env::Unwatched;
use crate::guard::Unguarded;
use crate::memory::MemoryStore;
use crate::record::OutRecord;
use crate::reject::Reason;
use crate::sink::Unavailable;
use crate::source::lane::{Post, Pulling, Trouble};
use crate::source::{Approval, Hold, Pulled, Source, SourceLimits, Sourcing};
use crate::store::{LaneId, Store};
use canon::DeadLetter;
use canon::event::Event;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// More pages without a wait are no source that comes to rest.
const PAGES_MAX: usize = 10_000;

/// One source on the live core over a ledger in memory.
pub struct SourceRig<A: Source> {
    sourcing: Sourcing<A>,
    parts: Pulling<MemoryStore<Still>, Known, Still>,
    published: Vec<OutRecord>,
}

impl<A: Source> SourceRig<A> {
    /// A rig at 2026-01-01T00:00:00Z with nothing in it.
    pub fn new(sourcing: Sourcing<A>) -> Self {
        let contract = one_partition_each(with_notices(&sourcing).iter());
        Self::under(sourcing, contract)
    }

    pub(crate) fn under(sourcing: Sourcing<A>, contract: Contract) -> Self {
        let topics = with_notices(&sourcing);
        let world = Still(Arc::new(AtomicI64::new(1_767_225_600_000_000)));
        let parts = Pulling {
            service: "rig",
            instance: Uuid::nil(),
            store: MemoryStore::new(world.clone(), 1),
            schemas: Arc::new(Known(Arc::new(Schemas::with(&topics)))),
            contract: Arc::new(contract),
            env: world,
            watch: Arc::new(Unwatched),
            limits: SourceLimits::default(),
            bell: Arc::default(),
            guard: Arc::new(Unguarded),
        };
        Self { sourcing, parts, published: Vec::new() }
    }

    /// The source, to change a fake world that it holds.
    pub fn source(&mut self) -> &mut A {
        &mut self.sourcing.source
    }

    /// Asks for pages until one asks to wait, or until the source asks a person; tells what they came to together.
    /// Each page has an owner of its own: nothing may live in memory that is not in the cursor.
    ///
    /// # Errors
    /// The world cannot be asked now.
    ///
    /// # Panics
    /// When the source does not come to rest, panics, or does not get its own cursor back; so with a page.
    pub async fn pulls(&mut self) -> Result<Pulled, Unavailable> {
        let mut all = Pulled::default();
        for _ in 0..PAGES_MAX {
            let (pulled, wait) = self.page().await?;
            all.rows += pulled.rows;
            all.refused += pulled.refused;
            all.gone += pulled.gone;
            all.published += pulled.published;
            all.held = pulled.held;
            if pulled.held || wait > Duration::ZERO {
                return Ok(all);
            }
        }
        panic!("{PAGES_MAX} pages, and none asked to wait")
    }

    /// Asks for one page and keeps it.
    ///
    /// # Errors
    /// The world cannot be asked now.
    pub async fn pulls_page(&mut self) -> Result<Pulled, Unavailable> {
        Ok(self.page().await?.0)
    }

    async fn page(&mut self) -> Result<(Pulled, Duration), Unavailable> {
        let lane = LaneId { processor: A::NAME, number: 0 };
        let (store, lease) = (&self.parts.store, self.parts.limits.lease);
        store.ensure_lanes(A::NAME, 1).await.expect("a ledger in memory");
        let grant = store.take_lane(lane, self.parts.instance, lease).await.expect("a ledger in memory");
        let grant = grant.expect("the source is given back after each page");
        let fence = grant.fence;
        let mut post = Post::new(&self.parts, &self.sourcing, &grant);
        let turned = async {
            let cursor = post.cursor().await?;
            let page = post.ask(&cursor, &CancellationToken::new()).await?;
            let page = page.expect("the rig does not stop");
            let wait = page.wait;
            Ok((post.take(page, &cursor).await?, wait))
        };
        let turned = turned.await;
        store.release_lane(&fence).await.expect("a ledger in memory");
        let outbox = std::mem::take(&mut store.tables().outbox);
        self.published.extend(outbox.into_values());
        self.balances();
        match turned {
            Ok(turned) => Ok(turned),
            Err(Trouble::World(unavailable)) => Err(unavailable),
            Err(trouble) => panic!("the page could not be kept: {trouble:?}"),
        }
    }

    /// A person approves that a sweep withdraws up to so many rows of a kind.
    ///
    /// # Panics
    /// When the source does not ask.
    pub async fn approves(&mut self, kind: &str, gone: i64) {
        let was_asked = self.parts.store.approve(A::NAME, kind, gone).await.expect("a ledger in memory");
        assert!(was_asked, "{} does not ask about {kind}", A::NAME);
    }

    /// Everything that was published on an event's topic, in order: the key's text, and the event or a tombstone.
    pub fn published<E: Event>(&self) -> Vec<(String, Option<E>)> {
        let mine = self.published.iter().filter(|record| record.topic == E::TOPIC);
        let key = |record: &OutRecord| String::from_utf8_lossy(&record.key).into_owned();
        mine.map(|record| (key(record), record.value.as_deref().map(|value| self.decode(value)))).collect()
    }

    /// What is stated on an event's topic and not withdrawn, in order of the names.
    pub fn latest<E: Event>(&self) -> Vec<E> {
        let tables = self.parts.store.tables();
        let mut rows: Vec<_> =
            tables.emitted.values().filter(|row| row.topic == E::TOPIC && !row.withdrawn).collect();
        rows.sort_by(|left, right| left.name.cmp(&right.name));
        rows.into_iter().map(|row| self.decode(&row.wire)).collect()
    }

    /// The rows known to be there, by kind and identity.
    pub fn rows(&self) -> BTreeSet<(String, String)> {
        let tables = self.parts.store.tables();
        tables.sources.rows.keys().map(|(_, kind, id)| (kind.clone(), id.clone())).collect()
    }

    /// Rows that could not be stated, by kind and identity, and why.
    pub fn refused(&self) -> Vec<(String, String, Reason, String)> {
        let tables = self.parts.store.tables();
        let rows = tables.sources.rows.iter().filter_map(|((_, kind, id), row)| {
            let why = row.refused.clone()?;
            Some((kind.clone(), id.clone(), why.reason, why.detail))
        });
        rows.collect()
    }

    /// What a person is asked, by kind.
    pub fn holds(&self) -> BTreeMap<String, Hold> {
        let tables = self.parts.store.tables();
        tables.sources.holds.iter().map(|((_, kind), hold)| (kind.clone(), *hold)).collect()
    }

    fn decode<E: Event>(&self, wire: &[u8]) -> E {
        self.parts.schemas.schemas().decode(wire).expect("what the rig encoded decodes")
    }

    /// Every fact in force has a row that states it, and the last word under each key of a compacted topic is one.
    fn balances(&self) {
        let tables = self.parts.store.tables();
        let in_force = || {
            let rows = tables.emitted.values().filter(|row| !row.withdrawn);
            rows.filter(|row| row.topic != DeadLetter::TOPIC)
        };
        let stated: BTreeSet<Uuid> = tables.sources.facts.values().map(|fact| fact.fact).collect();
        assert_eq!(
            in_force().map(|row| row.fact).collect::<BTreeSet<_>>(),
            stated,
            "facts and who states them"
        );
        let mut last: BTreeMap<(&str, &[u8]), bool> = BTreeMap::new();
        for record in &self.published {
            last.insert((&record.topic, &record.key), record.value.is_some());
        }
        for row in in_force().filter(|row| self.parts.contract.is_compacted(&row.topic)) {
            let place = format!("{} under {}", row.name, row.key);
            assert!(
                last.get(&(row.topic.as_str(), row.key.as_bytes())) == Some(&true),
                "{place} is in force, and {} ends in a tombstone: two names had one key; name facts of a compacted \
                 topic by their key",
                row.topic
            );
        }
    }
}

/// What a source publishes: what it states, and notices of what it refuses.
fn with_notices<A: Source>(sourcing: &Sourcing<A>) -> Vec<(&'static str, &'static str)> {
    let mut topics = sourcing.outputs();
    topics.push((DeadLetter::TOPIC, DeadLetter::SCHEMA));
    topics
}
