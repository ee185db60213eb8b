//! F4 and F5: SIGSTOP past the lease, a successor, SIGCONT.

use crate::play::{HAPPENS, Scenario, Stage};
use crate::until;
use harness::Role;

/// Of a relay, before and after `init_transactions`, with records buffered.
pub(super) const F4: Scenario = Scenario::new(
    "F4",
    "SIGSTOP of a relay past its lease, before and after `init_transactions` and with records buffered; a second one takes over; SIGCONT",
    |stage| Box::pin(relay(stage)),
);

/// Of a lane's owner, in a transaction and outside of one.
pub(super) const F5: Scenario = Scenario::new(
    "F5",
    "SIGSTOP of a lane's owner past its lease, also inside a transaction; the lane moves; SIGCONT",
    |stage| Box::pin(owner(stage)),
);

/// An outbox may be empty when it is read: who is about to publish has rows in hand.
const RELAY: [&str; 5] =
    ["fence:before:1", "outbox:after:2", "publish:before:2", "publish:inside:2", "flush:after:2"];
const OWNER: [&str; 4] = ["begin:after:3", "write:after:3", "commit:before:3", "load:after:3"];

async fn relay(stage: &mut Stage) {
    for point in RELAY {
        let role = stage.one_of(&[Role::Translate, Role::Bill]);
        rises_again(stage, role, point).await;
    }
}

async fn owner(stage: &mut Stage) {
    for _ in 0..2 {
        let (role, point) = (stage.one_of(&[Role::Translate, Role::Bill, Role::Write]), stage.one_of(&OWNER));
        rises_again(stage, role, point).await;
    }
    // Before it begins: of a sink there is no journal whose numbers would stop what is written late.
    rises_again(stage, Role::Write, "begin:before:3").await;
    // Wherever it happens to be.
    let role = stage.one_of(&[Role::Translate, Role::Bill, Role::Write]);
    let zombie = stage.stop(role).await;
    stage.joins(role);
    stage.ready(role).await;
    stage.flows(25).await;
    stage.wakes(role, zombie).await;
    stage.flows(15).await;
}

async fn rises_again(stage: &mut Stage, role: Role, point: &str) {
    let zombie = stage.stopped_at(role, point).await;
    taken_over(stage, role).await;
    // The same visits go on, so that what the zombie holds is older than what is published meanwhile.
    stage.flows(25).await;
    stage.wakes(role, zombie).await;
    stage.flows(15).await;
    stage.drain(role).await;
}

/// Waits until everything that stood still is somebody else's.
async fn taken_over(stage: &mut Stage, role: Role) {
    let schema = match role {
        Role::Translate => "ehr_adapter",
        Role::Bill => "billing_projector",
        _ => "odoo_writer",
    };
    let sql = format!(
        "SELECT (SELECT count(*) FROM {schema}.lane WHERE lease_until_us <= {schema}.now_us())
            + (SELECT count(*) FROM {schema}.shard WHERE lease_until_us <= {schema}.now_us())"
    );
    until(format!("{} is taken over", role.name()), HAPPENS, async || {
        let client = stage.world.connect().await.map_err(|error| error.to_string())?;
        let row = client.query_one(&sql, &[]).await.map_err(|error| error.to_string())?;
        match row.get::<_, i64>(0) {
            0 => Ok(()),
            left => Err(format!("{left} leases have passed and are nobody's")),
        }
    })
    .await;
}
