//! F13: instances come and go every few seconds, under load.

use crate::play::{HAPPENS, Scenario, Stage};
use crate::until;
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
    taken_back(stage).await;
}

/// A code comes into the tables and is taken out of them: its key gets a tombstone, and all versions are there to be read.
async fn taken_back(stage: &mut Stage) {
    for version in 1_i64..=2 {
        stage.world.change_codes();
        let sql = "SELECT count(*) FROM code_importer.counter WHERE key LIKE '%OTHER-%' AND version >= $1";
        until(format!("a code has version {version}"), HAPPENS, async || {
            let client = stage.world.connect().await.map_err(|error| error.to_string())?;
            let row = client.query_one(sql, &[&version]).await.map_err(|error| error.to_string())?;
            if row.get::<_, i64>(0) > 0 { Ok(()) } else { Err("none has".to_owned()) }
        })
        .await;
    }
    stage.note("a code is taken out of the tables");
}
