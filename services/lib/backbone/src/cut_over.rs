//! A lane is cut over to what a rebuild came to, or back: under the lane's fence, in one transaction over both ledgers.
//!
//! States, deadlines and parked inputs change places. Of facts only the difference is stated: what the rebuild has otherwise is
//! corrected, what it has no longer is withdrawn, and commands that should have been others are made right by further ones.
//! The other ledger gets what was live, so that the way back is the same step.

use crate::compensation::compensate;
use crate::contract::SchemaSource;
use crate::edge::Log;
use crate::emission::{Cause, Desk, Draft, Emitted, Refusal, Resolved, Said, counter_keys, facts, resolve};
use crate::env::{Backoff, Env};
use crate::fold_lane::FoldWorker;
use crate::journal::{self, Entry, InForce, Place};
use crate::lane::{Position, Trouble, ensure_writers};
use crate::parking;
use crate::projection::Row;
use crate::record::Record;
use crate::replay::{Difference, Side, Which};
use crate::store::{CUT_OVER, Changes, FOLLOWED, Parked, ParkedItem, Store, StoredState, Tx, Want};
use crate::wish::{CutOver, Outcome};
use canon::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;
use uuid::Uuid;

/// How long a lane stands still until the rebuild has followed it to its last entry.
const STILL_MAX: Duration = Duration::from_secs(60);
/// The longest wait between two looks at it.
const LOOKED_EVERY: Duration = Duration::from_secs(1);
/// Keys of a lane whose states are compared at once.
const KEYS_MAX: usize = 2000;

impl<S, L, C, E> FoldWorker<'_, S, L, C, E>
where
    S: Store,
    L: Log,
    C: SchemaSource,
    E: Env,
{
    /// Cuts the lane over, or back. While the rebuild is behind the lane stands still: nothing is read until it is there.
    pub(crate) async fn cut_over(
        &mut self,
        lane: &mut Position,
        id: i64,
        wish: CutOver,
    ) -> Result<(), Trouble> {
        let parts = self.parts;
        let replays = parts.store.replays().await?;
        let is_meant =
            |one: &&crate::replay::Replay| one.id == wish.replay && one.processor == self.program.name();
        let Some(replay) = replays.iter().find(is_meant).filter(|one| !one.is_retired) else {
            return self.give_up(lane, id, "there is no such rebuild of this projection").await;
        };
        let began = parts.env.elapsed();
        let mut backoff = Backoff::new(Duration::from_millis(20), LOOKED_EVERY);
        loop {
            let mut tx = parts.store.begin(&lane.fence, parts.limits.lease, 0).await?;
            let Some(standing) = tx.take_along(wish.replay).await? else {
                drop(tx);
                return self.give_up(lane, id, "the rebuild has not begun on this lane").await;
            };
            if standing.is_cut_over != wish.back {
                drop(tx);
                let why = if wish.back { "the lane is not cut over" } else { "the lane is cut over already" };
                return self.give_up(lane, id, why).await;
            }
            if standing.has_missed {
                drop(tx);
                let why = "it had taken an input about which a person decided afterwards: retire it and rebuild anew";
                return self.give_up(lane, id, why).await;
            }
            if standing.followed >= standing.journal {
                let before = InForce::of(&parts.store.cut_overs(lane.fence.lane).await?).tables_at;
                let tables_at = replay.tables_at.or((before > 0).then_some(before));
                let cut = journal::CutOver { replay: wish.replay, back: wish.back, tables_at };
                return self.change_over(lane, tx, id, cut, wish.dry_run).await;
            }
            drop(tx);
            if parts.env.elapsed().saturating_sub(began) >= STILL_MAX {
                let behind = standing.journal - standing.followed;
                let why =
                    format!("the rebuild is {behind} entries of the journal behind and did not catch up");
                return self.give_up(lane, id, &why).await;
            }
            parts.env.sleep(backoff.step(&parts.env)).await;
            parts.store.renew(&lane.fence, parts.limits.lease).await?;
        }
    }

    async fn change_over(
        &mut self,
        lane: &mut Position,
        mut tx: S::Tx,
        id: i64,
        cut: journal::CutOver,
        dry_run: bool,
    ) -> Result<(), Trouble> {
        let (book, ..) = self.look(lane, &mut tx, 0).await?;
        let now = tx.now();
        let (mut live, mut beside) = (Changes::default(), Changes::default());
        let parked = self.change_parked(&mut tx, (&mut live, &mut beside)).await?;
        let (resolved, before) = match self.state_differences(lane, &mut tx, &parked, &mut beside).await? {
            Ok(stated) => stated,
            Err(why) => {
                drop(tx);
                return self.give_up(lane, id, &why).await;
            }
        };
        let outputs = self.program.outputs();
        let is_ours = |row: &&Emitted| outputs.iter().any(|(topic, _)| *topic == row.topic);
        let mut outcome = Outcome {
            parked: parked.now.len() as u64,
            resolved: parked.no_longer.len() as u64,
            ..Outcome::default()
        };
        let news: Vec<&Emitted> = resolved.emitted.iter().filter(is_ours).collect();
        outcome.count(&news);
        let scale = self.scale();
        news.iter().for_each(|row| outcome.becomes(&scale, before.get(&row.fact), row));
        outcome.records = self.change_states(lane, &mut tx, dry_run).await?;
        live.ended = Some((id, outcome));
        if dry_run {
            return self.end(lane, tx, Changes { ended: live.ended, ..Changes::default() }).await;
        }
        self.change_deadlines(&mut tx, (&mut live, &mut beside)).await?;
        let entry = self.entry(lane, now, &book);
        beside.positions =
            BTreeMap::from([(FOLLOWED.to_owned(), entry.seq), (CUT_OVER.to_owned(), i64::from(!cut.back))]);
        (live.emitted, live.counters, live.outbox) = (resolved.emitted, resolved.counters, resolved.outbox);
        live.journal = Some(Entry { cut_over: Some(cut), ..entry });
        tx.turn(Side::Beside).await?;
        tx.write(beside).await?;
        tx.turn(Side::Live).await?;
        self.cache.clear();
        // What is parked now may wait for a row that came before.
        lane.looked = None;
        self.end(lane, tx, live).await
    }

    /// Parked inputs change places.
    async fn change_parked(
        &self,
        tx: &mut S::Tx,
        (live, beside): (&mut Changes, &mut Changes),
    ) -> Result<Moved, Trouble> {
        let ours = tx.parked_of(&Which::all()).await?;
        tx.turn(Side::Beside).await?;
        let theirs = tx.parked_of(&Which::all()).await?;
        tx.turn(Side::Live).await?;
        let places = |rows: &[(i64, Parked)]| -> BTreeSet<String> {
            rows.iter().map(|(_, parked)| format!("{:?}", Place::of(&parked.item))).collect()
        };
        let (here, there) = (places(&ours), places(&theirs));
        let only = |rows: &[(i64, Parked)], others: &BTreeSet<String>| -> Vec<Parked> {
            let is_only = |parked: &&Parked| !others.contains(&format!("{:?}", Place::of(&parked.item)));
            rows.iter().map(|(_, parked)| parked).filter(is_only).cloned().collect()
        };
        let moved = Moved { now: only(&theirs, &here), no_longer: only(&ours, &there) };
        let same = |rows: &[(i64, Parked)]| rows.iter().map(|(_, one)| one.clone()).collect::<Vec<_>>();
        if same(&ours) != same(&theirs) {
            (live.unparked, beside.parked) = ours.into_iter().unzip();
            (beside.unparked, live.parked) = theirs.into_iter().unzip();
        }
        Ok(moved)
    }

    /// What is to be stated so that the world has what the rebuild has, with what the ledger has of it; and what the rebuild's
    /// ledger gets instead.
    async fn state_differences(
        &self,
        lane: &Position,
        tx: &mut S::Tx,
        parked: &Moved,
        beside: &mut Changes,
    ) -> Result<Result<(Resolved, HashMap<Uuid, Emitted>), String>, Trouble> {
        let schemas = self.parts.source.schemas();
        let contract = &self.parts.contract;
        let desk = Desk { source: self.parts.service, contract, schemas, now: tx.now() };
        let id = lane.fence.lane;
        let differing = tx.differing().await?;
        let mut said: Vec<Said> = Vec::new();
        for Difference { live, beside: new } in &differing {
            let Some(row) = new.as_ref().filter(|row| !row.withdrawn).or(live.as_ref()) else { continue };
            let Some((topic, mark)) = self.program.mark(&row.topic) else { continue };
            let is_new = new.as_ref().is_some_and(|row| !row.withdrawn);
            let draft = match is_new {
                true => Draft::adopt(row.clone(), topic, mark),
                false => Draft::withdrawal(row, topic, mark),
            };
            let origin = new.as_ref().and_then(|row| row.origin.clone()).or_else(|| row.origin.clone());
            said.push(Said { input: said.len(), draft, cause: Cause { origin, ..Cause::default() } });
            beside.emitted.extend(self.kept_beside(live.as_ref(), new.as_ref()));
        }
        said.extend(parking::notices(&desk, id, &parked.now));
        said.extend(parking::withdrawals(&desk, id, &records(&parked.no_longer)));
        let counters = tx.lock_counters(&counter_keys(&said)).await?;
        let mut emitted = tx.emitted(&facts(&said)).await?;
        let wires = emitted.values().map(|row| row.wire.as_slice());
        ensure_writers(self.parts.source.as_ref(), wires).await?;
        let told = |refusal: Refusal| format!("{}: {}", refusal.reject.reason, refusal.reject.detail);
        match compensate(&mut said, &emitted, self.program.as_ref(), &desk) {
            Ok(made) => emitted.extend(tx.emitted(&made).await?),
            Err(refusal) => return Ok(Err(told(refusal))),
        }
        let resolved = resolve(&said, &counters, emitted.clone(), &desk).map_err(told);
        Ok(resolved.map(|resolved| (resolved, emitted)))
    }

    /// What the rebuild's ledger has of a fact afterwards: what was in force.
    fn kept_beside(&self, live: Option<&Emitted>, beside: Option<&Emitted>) -> Option<Emitted> {
        match (live, beside) {
            (Some(live), _) => Some(live.clone()),
            (None, Some(beside)) => Some(Emitted { withdrawn: true, ..beside.clone() }),
            (None, None) => None,
        }
    }

    /// States and report rows change places, some keys at a time; how many states differ.
    async fn change_states(&self, lane: &Position, tx: &mut S::Tx, dry_run: bool) -> Result<u64, Trouble> {
        let mut keys: BTreeSet<String> = BTreeSet::new();
        for side in [Side::Beside, Side::Live] {
            tx.turn(side).await?;
            self.keys_of_lane(lane, tx, &mut keys).await?;
        }
        let keys: Vec<String> = keys.into_iter().collect();
        let mut differing = 0;
        for keys in keys.chunks(KEYS_MAX) {
            let want = Want { keys: keys.to_vec(), identities: Vec::new() };
            let ours = tx.load(&want).await?.states;
            tx.turn(Side::Beside).await?;
            let theirs = tx.load(&want).await?.states;
            let differ: BTreeSet<&String> =
                keys.iter().filter(|key| ours.get(*key) != theirs.get(*key)).collect();
            differing += differ.len() as u64;
            if !dry_run {
                let changes = self.states(keys, &differ, &theirs, &ours)?;
                tx.write(changes).await?;
            }
            tx.turn(Side::Live).await?;
            if !dry_run {
                let changes = self.states(keys, &differ, &ours, &theirs)?;
                tx.write(changes).await?;
            }
        }
        Ok(differing)
    }

    async fn keys_of_lane(
        &self,
        lane: &Position,
        tx: &mut S::Tx,
        keys: &mut BTreeSet<String>,
    ) -> Result<(), Trouble> {
        let Some((topic, _)) = self.program.inputs().first() else { return Ok(()) };
        let mut behind = String::new();
        loop {
            let page = tx.keys(&behind, KEYS_MAX).await?;
            let Some(last) = page.last().cloned() else { return Ok(()) };
            let of = |key: &String| self.parts.contract.partition_of(topic, key.as_bytes());
            keys.extend(page.into_iter().filter(|key| of(key) == lane.fence.lane.number));
            behind = last;
        }
    }

    /// What a ledger gets in the place of what it has of some keys. Report rows are written for all of them: this release may show
    /// a state that is the same in other columns.
    fn states(
        &self,
        keys: &[String],
        differing: &BTreeSet<&String>,
        before: &HashMap<String, StoredState>,
        after: &HashMap<String, StoredState>,
    ) -> Result<Changes, Trouble> {
        let mut changes = Changes::default();
        for key in keys {
            let shown = |states: &HashMap<String, StoredState>| -> Result<Vec<Row>, Trouble> {
                let Some(stored) = states.get(key) else { return Ok(Vec::new()) };
                let state = self.program.stored(&stored.body)?;
                // A key of which all was dropped or parked has nothing to show.
                let is_fresh = state.same(self.program.fresh().as_ref());
                Ok(if is_fresh { Vec::new() } else { self.program.report(key, state.as_ref()) })
            };
            let (old, new) = (shown(before)?, shown(after)?);
            let is_gone =
                |row: &&Row| !new.iter().any(|other| (other.table, &other.row) == (row.table, &row.row));
            changes.rows_gone.extend(old.iter().filter(is_gone).map(|row| (row.table, row.row.clone())));
            changes.rows.extend(new);
            if !differing.contains(key) {
                continue;
            }
            match after.get(key) {
                Some(state) => changes.states.push((key.clone(), state.clone())),
                None => changes.states_gone.push(key.clone()),
            }
        }
        Ok(changes)
    }

    /// Deadlines change places.
    async fn change_deadlines(
        &self,
        tx: &mut S::Tx,
        (live, beside): (&mut Changes, &mut Changes),
    ) -> Result<(), Trouble> {
        let ours = tx.deadlines().await?;
        tx.turn(Side::Beside).await?;
        let theirs = tx.deadlines().await?;
        tx.turn(Side::Live).await?;
        let changed = |from: &BTreeMap<String, Timestamp>, to: &BTreeMap<String, Timestamp>| {
            let gone = from.keys().filter(|key| !to.contains_key(*key)).map(|key| (key.clone(), None));
            let set = to.iter().filter(|(key, at)| from.get(*key) != Some(*at));
            gone.chain(set.map(|(key, at)| (key.clone(), Some(*at)))).collect::<Vec<_>>()
        };
        (live.deadlines, beside.deadlines) = (changed(&ours, &theirs), changed(&theirs, &ours));
        Ok(())
    }
}

/// Parked inputs that the cutover parks, and those that it frees.
struct Moved {
    now: Vec<Parked>,
    no_longer: Vec<Parked>,
}

fn records(parked: &[Parked]) -> Vec<Record> {
    let record = |parked: &Parked| match &parked.item {
        ParkedItem::Record(record) => Some(record.clone()),
        ParkedItem::Deadline { .. } => None,
    };
    parked.iter().filter_map(record).collect()
}
