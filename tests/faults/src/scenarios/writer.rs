//! F3: kill -9 of the writer after its call was sent and before the answer.

use crate::play::{Path, Scenario, Stage};
use crate::proxy::Manner;
use harness::Role;

/// Odoo did what it was asked, did not, or does it when the writer is long dead.
pub(super) const F3: Scenario = Scenario {
    real_odoo: true,
    per_second: 6,
    ..Scenario::new(
        "F3",
        "kill -9 of the Odoo writer after its call was sent, before the answer; Odoo did it, did not, or does it later",
        |stage| Box::pin(unanswered(stage)),
    )
};

async fn unanswered(stage: &mut Stage) {
    for _ in 0..4 {
        let manner = if stage.chance.of_hundred(40) { Manner::Mute } else { Manner::Silent };
        let before = stage.path(Path::Odoo).touched();
        stage.behaves(Path::Odoo, manner.clone());
        stage.touched(Path::Odoo, before).await;
        stage.kill(Role::Write);
        let late = manner == Manner::Silent && stage.chance.of_hundred(50);
        if !late {
            // What waits to be handed on goes with its connection.
            stage.resets(Path::Odoo);
        }
        stage.behaves(Path::Odoo, Manner::Open);
        stage.joins(Role::Write);
        stage.ready(Role::Write).await;
        stage.flows(20).await;
    }
}
