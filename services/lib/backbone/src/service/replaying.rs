//! Rebuilds that people asked for, made beside what is live.

use super::ledger::{Live, LiveParts};
use super::{TokioEnv, chain};
use crate::env::Env;
use crate::follow::Follower;
use crate::kafka::{KafkaLog, KafkaSettings, LogSettings};
use crate::postgres::PostgresStore;
use crate::program::Program;
use crate::replay::Replay;
use crate::store::{Store, StoreError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// How often it is looked whether somebody asks for one.
const LOOKED_EVERY: Duration = Duration::from_secs(1);

/// What a service's rebuilds are made with.
pub(super) struct Replaying {
    pub(super) service: &'static str,
    pub(super) kafka: KafkaSettings,
    pub(super) store: Live<PostgresStore>,
    pub(super) programs: Vec<(Arc<dyn Program>, i32)>,
    pub(super) env: TokioEnv,
}

impl Replaying {
    /// Makes what is asked for and throws away what is over, until told to stop. `parts` are a projection's, on another ledger.
    pub(super) async fn run(
        self,
        parts: impl Fn(Live<PostgresStore>, Arc<KafkaLog>) -> LiveParts,
        stop: CancellationToken,
    ) {
        let mut running: BTreeMap<i64, (CancellationToken, JoinHandle<()>)> = BTreeMap::new();
        while !stop.is_cancelled() {
            if let Err(error) = self.turn(&parts, &mut running, &stop).await {
                tracing::warn!(%error, "rebuilds are not attended to");
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = self.env.sleep(LOOKED_EVERY) => {}
            }
        }
        let mut ends: JoinSet<()> = JoinSet::new();
        for (_, (_, running)) in running {
            // One that panicked was told of by the panic.
            ends.spawn(async move { drop(running.await) });
        }
        while ends.join_next().await.is_some() {}
    }

    async fn turn(
        &self,
        parts: &impl Fn(Live<PostgresStore>, Arc<KafkaLog>) -> LiveParts,
        running: &mut BTreeMap<i64, (CancellationToken, JoinHandle<()>)>,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        running.retain(|_, (_, task)| !task.is_finished());
        for replay in self.store.replays().await? {
            let ours = self.programs.iter().find(|(program, _)| program.name() == replay.processor);
            let Some((program, lanes)) = ours else { continue };
            if replay.is_retired {
                match running.get(&replay.id) {
                    // Thrown away at the next look, when it has let go.
                    Some((token, _)) => token.cancel(),
                    None => self.store.throw_away(replay.id).await?,
                }
                continue;
            }
            if running.contains_key(&replay.id) {
                continue;
            }
            let beside = match self.store.beside(replay.id).await {
                Ok(beside) => beside,
                Err(error) => {
                    // The role may lack the right to make a schema: whoever asked has to hear of it.
                    self.store.note_replay(replay.id, None, Some(&chain(&error))).await?;
                    return Err(error);
                }
            };
            let token = stop.child_token();
            let id = replay.id;
            let made = self.follow(parts, program.clone(), *lanes, replay, beside, token.clone());
            running.insert(id, (token, made));
        }
        Ok(())
    }

    /// Follows in a task of its own, so that lanes that are live do not wait for it.
    fn follow(
        &self,
        parts: &impl Fn(Live<PostgresStore>, Arc<KafkaLog>) -> LiveParts,
        program: Arc<dyn Program>,
        lanes: i32,
        replay: Replay,
        beside: Live<PostgresStore>,
        stop: CancellationToken,
    ) -> JoinHandle<()> {
        let open = |topic: &str| {
            let group = LogSettings::new(format!("{}.{}.replay.{topic}", self.service, program.name()));
            KafkaLog::start(&self.kafka, &group, None).map(Arc::new)
        };
        let logs = program.inputs().iter().map(|(topic, _)| Ok((*topic, open(topic)?)));
        let logs: Result<BTreeMap<&'static str, Arc<KafkaLog>>, crate::edge::BrokerError> = logs.collect();
        let again = open("again");
        let (live, name) = (self.store.clone(), program.name());
        let parts = match again {
            Ok(log) => Ok(parts(beside, log)),
            Err(error) => Err(error),
        };
        tokio::spawn(async move {
            match (logs, parts) {
                (Ok(logs), Ok(parts)) => {
                    tracing::info!(
                        replay = replay.id,
                        processor = name,
                        "a projection is rebuilt beside the live one"
                    );
                    Follower::new(&live, &parts, program, replay, logs).run(lanes, &stop).await;
                }
                (Err(error), _) | (_, Err(error)) => {
                    tracing::warn!(%error, replay = replay.id, "the rebuild cannot read its inputs");
                }
            }
        })
    }
}
