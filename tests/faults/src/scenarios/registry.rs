//! F11: the registry is down, for services that run and for services that start.

use crate::Part;
use crate::play::{Scenario, Stage};
use harness::Role;
use std::time::Duration;

/// Warm ones go on; a cold one says so and waits.
pub(super) const F11: Scenario =
    Scenario::new("F11", "the registry is down: services that run, services that start", |stage| {
        Box::pin(away(stage))
    });

async fn away(stage: &mut Stage) {
    let mut restarted = Vec::new();
    for (frozen, cold) in [(false, [Role::Translate, Role::Land]), (true, [Role::Bill, Role::Write])] {
        if frozen {
            stage.freeze_part(Part::Registry).await;
        } else {
            stage.kill_part(Part::Registry).await;
        }
        stage.flows(30).await;
        // One that has started lately may meet a schema for the first time, and wait (docs/delivery.md).
        for role in Role::WAY.into_iter().filter(|role| !restarted.contains(role)) {
            if let Err(told) = stage.victim(role).readiness().await {
                stage.violates(11, format_args!("{} runs and needs the registry: {told}", role.name()));
            }
        }
        let role = stage.one_of(&cold);
        restarted.push(role);
        stage.drain(role).await;
        stage.joins(role);
        let reason = stage.victim(role).until_unready(&["registry"]).await;
        stage.note(format_args!("{} starts and waits: {reason}", role.name()));
        let held = stage.number(1, 5);
        stage.holds(Duration::from_secs(held as u64)).await;
        if frozen {
            stage.thaw_part(Part::Registry).await;
        } else {
            stage.start_part(Part::Registry).await;
        }
        stage.ready(role).await;
        stage.flows(20).await;
    }
}
