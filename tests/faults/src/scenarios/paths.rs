//! F8: connections that are half-open, reset, slow, or lose what is answered.

use crate::play::{Path, Scenario, Stage, lacks_cluster};
use crate::proxy::Manner;
use std::time::Duration;

/// To the brokers, to PostgreSQL, to Odoo.
pub(super) const F8: Scenario = Scenario {
    real_odoo: true,
    per_second: 6,
    lacks: lacks_cluster,
    ..Scenario::new(
        "F8",
        "half-open, muted, slow and reset connections, while producing, to PostgreSQL, and to Odoo",
        |stage| Box::pin(paths(stage)),
    )
};

const PATHS: [Path; 6] =
    [Path::Clients(1), Path::Postgres, Path::Odoo, Path::Clients(2), Path::Clients(3), Path::Postgres];

async fn paths(stage: &mut Stage) {
    for round in 0..10 {
        // Each once, then any.
        let which = PATHS.get(round).copied().unwrap_or_else(|| stage.one_of(&PATHS));
        let time = stage.number(2, 8);
        let manners = [
            None,
            Some(Manner::Silent),
            Some(Manner::Silent),
            Some(Manner::Mute),
            Some(Manner::Refuse),
            Some(Manner::Delay(Duration::from_millis(120))),
        ];
        match manners[stage.chance.below(manners.len())].clone() {
            None => stage.resets(which),
            Some(manner) => {
                stage.behaves(which, manner);
                stage.holds(Duration::from_secs(time as u64)).await;
                stage.behaves(which, Manner::Open);
            }
        }
        stage.flows(12).await;
    }
}
