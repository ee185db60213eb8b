//! Sharing lanes out: every instance takes its part of the free lanes and gives back what is too much.
//!
//! There is no group protocol and no coordinator: instances see each other's heartbeats in the ledger, and each one
//! works out the same quota. Lanes move one by one; the others go on.

use crate::contract::SchemaSource;
use crate::edge::Log;
use crate::env::{Backoff, Env, Loop, Watch};
use crate::lane::{Left, Parts, Worker, work};
use crate::store::{Fleet, Grant, LaneId, Store};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What to do about a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    Take(i32),
    GiveBack(i32),
}

/// What an instance does next, given who is alive, who owns what, and which lanes it works itself.
pub(crate) fn balance(me: Uuid, fleet: &Fleet, mine: &[i32]) -> Vec<Move> {
    let alive = fleet.instances.len().max(1);
    let lanes = fleet.owners.len();
    let rank = fleet.instances.iter().position(|instance| *instance == me).unwrap_or(alive - 1);
    let quota = lanes / alive + usize::from(rank < lanes % alive);
    if mine.len() > quota {
        return mine[quota..].iter().map(|lane| Move::GiveBack(*lane)).collect();
    }
    let free = (0..).zip(&fleet.owners).filter(|(lane, owner)| owner.is_none() && !mine.contains(lane));
    free.take(quota - mine.len()).map(|(lane, _)| Move::Take(lane)).collect()
}

/// Whoever holds lanes: what sharing them out needs.
pub(crate) struct Holder<'a, S, E> {
    pub(crate) store: &'a S,
    pub(crate) env: &'a E,
    pub(crate) watch: &'a dyn Watch,
    pub(crate) instance: Uuid,
    pub(crate) lease: Duration,
    pub(crate) backoff_max: Duration,
}

/// Works its share of a processor's lanes until told to stop; then gives all of them back.
pub(crate) async fn share<S, L, C, E, W>(
    parts: &Parts<S, L, C, E>,
    processor: &'static str,
    lanes: i32,
    worker: impl Fn() -> W,
    stop: CancellationToken,
) where
    S: Store,
    L: Log,
    C: SchemaSource,
    E: Env,
    W: Worker,
{
    let holder = Holder {
        store: &parts.store,
        env: &parts.env,
        watch: parts.watch.as_ref(),
        instance: parts.instance,
        lease: parts.limits.lease,
        backoff_max: parts.limits.backoff_max,
    };
    share_out(&holder, processor, lanes, |grant, token| work(parts, worker(), grant, token), stop).await;
}

/// The same for lanes that are worked in another way.
pub(crate) async fn share_out<S, E, F>(
    holder: &Holder<'_, S, E>,
    processor: &'static str,
    lanes: i32,
    work: impl Fn(Grant, CancellationToken) -> F,
    stop: CancellationToken,
) where
    S: Store,
    E: Env,
    F: Future<Output = Left>,
{
    let mut backoff = Backoff::new(Duration::from_millis(50), holder.backoff_max);
    while let Err(error) = holder.store.ensure_lanes(processor, lanes).await {
        holder.watch.trouble("postgres", &error);
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = holder.env.sleep(backoff.step(holder.env)) => {}
        }
    }
    let mut mine: BTreeMap<i32, CancellationToken> = BTreeMap::new();
    let mut working = FuturesUnordered::new();
    let mut pause = Duration::ZERO;
    while !stop.is_cancelled() {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some((lane, left)) = working.next(), if !working.is_empty() => {
                mine.remove(&lane);
                // A lane lost to another owner is looked at again in its turn; one given back is gone.
                let _: Left = left;
            }
            () = holder.env.sleep(pause) => {
                holder.watch.beat(Loop::Owner(processor));
                pause = holder.lease / 3;
                let fleet = holder.store.heartbeat(processor, holder.instance, holder.lease).await;
                let Ok(fleet) = fleet.inspect_err(|error| holder.watch.trouble("postgres", error)) else {
                    continue;
                };
                holder.watch.healed("postgres");
                let held: Vec<i32> = mine.keys().copied().collect();
                for step in balance(holder.instance, &fleet, &held) {
                    match step {
                        Move::GiveBack(lane) => mine[&lane].cancel(),
                        Move::Take(number) => {
                            let id = LaneId { processor, number };
                            let taken = holder.store.take_lane(id, holder.instance, holder.lease).await;
                            if let Ok(Some(grant)) = taken {
                                let token = stop.child_token();
                                mine.insert(number, token.clone());
                                let lane = work(grant, token);
                                working.push(async move { (number, lane.await) });
                            }
                        }
                    }
                }
            }
        }
    }
    while working.next().await.is_some() {}
    // An instance that could not say so is forgotten when its heartbeat expires.
    let _ = holder.store.leave(processor, holder.instance).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    #[track_caller]
    fn check(alive: &[u128], owners: &[u128], me: u128, want: &[Move]) {
        let fleet = Fleet {
            instances: alive.iter().map(|n| instance(*n)).collect(),
            owners: owners.iter().map(|n| (*n > 0).then(|| instance(*n))).collect(),
        };
        let mine: Vec<i32> =
            (0..).zip(owners).filter(|(_, owner)| **owner == me).map(|(lane, _)| lane).collect();
        assert_eq!(balance(instance(me), &fleet, &mine), want);
    }

    #[test]
    fn a_lone_instance_takes_every_free_lane() {
        check(&[1], &[0, 0, 0], 1, &[Move::Take(0), Move::Take(1), Move::Take(2)]);
    }

    #[test]
    fn lanes_are_shared_and_the_first_ones_take_the_remainder() {
        check(&[1, 2], &[0, 0, 0], 1, &[Move::Take(0), Move::Take(1)]);
        check(&[1, 2], &[1, 1, 0], 2, &[Move::Take(2)]);
    }

    #[test]
    fn an_instance_with_too_many_gives_back_what_is_over() {
        check(&[1, 2], &[1, 1, 1], 1, &[Move::GiveBack(2)]);
        check(&[1, 2], &[1, 1, 1], 2, &[]);
    }

    #[test]
    fn more_instances_than_lanes_leave_some_without() {
        check(&[1, 2, 3], &[0, 0], 3, &[]);
    }
}
