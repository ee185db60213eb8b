//! F13: instances come and go every few seconds, under load.

use crate::play::{Scenario, Stage};
use harness::Role;

/// Joins, drains and kills.
pub(super) const F13: Scenario = Scenario {
    roles: &Role::ALL,
    per_second: 25,
    ..Scenario::new("F13", "instances join and leave every few seconds under load", |stage| {
        Box::pin(storm(stage))
    })
};

const MOST: usize = 3;

async fn storm(stage: &mut Stage) {
    let roles = [Role::Translate, Role::Bill, Role::Write, Role::Translate, Role::Bill, Role::Poll];
    for _ in 0..14 {
        let role = stage.one_of(&roles);
        match (stage.instances(role), stage.number(0, 2)) {
            (1, _) | (2, 0) => stage.joins(role),
            (_, 1) => stage.kill(role),
            _ => stage.drain(role).await,
        }
        if stage.instances(role) > MOST {
            stage.kill(role);
        }
        let messages = stage.number(10, 50);
        stage.flows(messages).await;
    }
}
