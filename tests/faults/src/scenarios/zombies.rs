//! F4 and F5: SIGSTOP past the lease, a successor, SIGCONT; and SIGSTOP within the lease.

use crate::play::{HAPPENS, Scenario, Stage};
use crate::until;
use crate::victim::Victim;
use crate::world::Start;
use harness::Role;
use std::time::Duration;

/// Of a relay, before and after `init_transactions`, with records buffered.
pub(super) const F4: Scenario = Scenario::new(
    "F4",
    "SIGSTOP of a relay past its lease, before and after `init_transactions` and with records buffered; a second one takes over; SIGCONT",
    |stage| Box::pin(relay(stage)),
);

/// Of a lane's owner, in a transaction and outside of one.
pub(super) const F5: Scenario = Scenario::new(
    "F5",
    "SIGSTOP of a lane's owner past its lease, also inside a transaction; the lane moves; SIGCONT; and of one within its lease",
    |stage| Box::pin(owner(stage)),
);

/// Each time there are rows at its first step already.
const RELAY: [&str; 5] =
    ["fence:before:1", "outbox:after:1", "publish:before:1", "publish:inside:1", "flush:after:1"];
const OWNER: [&str; 4] = ["begin:after:3", "write:after:3", "commit:before:3", "load:after:3"];

/// More rows than those that a transaction under way has numbered and nobody can see.
const OVERTAKING: i64 = 30;

async fn relay(stage: &mut Stage) {
    for point in RELAY {
        let role = stage.one_of(&[Role::Translate, Role::Bill]);
        // What it has in hand is of visits that go on while it stands still, and not afterwards: whatever it publishes late is
        // the last record of its key.
        stage.drain(role).await;
        let day = stage.visits_begin().await;
        let mut doomed = stage.doomed(role, "outbox:after:1").await;
        doomed.until_killed().await;
        stage.note(format_args!("{} killed, with rows in its outbox", role.name()));
        let zombie = stage.stopped_at(role, point).await;
        taken_over(stage, role, &zombie).await;
        stage.visits_end(day).await;
        returns(stage, role, zombie).await;
        stage.drain(role).await;
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
    taken_over(stage, role, &zombie).await;
    returns(stage, role, zombie).await;
    overtaken(stage).await;
}

/// One stands still in a transaction, and within its lease: what it has numbered becomes visible after higher numbers were
/// published. Who publishes is not exchanged any more; rows that it passes by stay where they are.
async fn overtaken(stage: &mut Stage) {
    let role = stage.one_of(&[Role::Translate, Role::Bill]);
    let mut nth = 2;
    let slow = loop {
        let point = format!("commit:before:{nth}:stop");
        let start = Start { fault: Some(&point), lease: Some("20s"), ..Start::default() };
        let mut slow = stage.world.start(role, &start);
        slow.until_stopped().await;
        if numbers(stage, role).await > 0 {
            stage.note(format_args!("another {} stops with rows that it has numbered", role.name()));
            break slow;
        }
        // The transaction states nothing.
        slow.cont();
        slow.drain().await;
        nth += 1;
        assert!(nth < 10, "{} numbers nothing", role.name());
    };
    let (highest, _) = outbox(stage, role, i64::MAX).await;
    until("rows that are numbered later are published", HAPPENS, async || {
        match outbox(stage, role, highest).await {
            (now, left) if now - highest - left > OVERTAKING => Ok(()),
            (now, left) => Err(format!("{} were numbered since, {left} of them wait", now - highest)),
        }
    })
    .await;
    stage.wakes(role, slow).await;
    stage.flows(15).await;
}

/// How many transactions that stand still have put rows into the outbox.
async fn numbers(stage: &mut Stage, role: Role) -> i64 {
    // Whoever is at work stands still for less than that.
    stage.holds(Duration::from_millis(700)).await;
    let sql = format!(
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
            WHERE state = 'idle in transaction' AND state_change < now() - interval '500 ms'
                AND mode = 'RowExclusiveLock' AND relation = '{}.outbox'::regclass",
        schema(role)
    );
    let client = stage.world.connect().await.expect("the database answers");
    client.query_one(&sql, &[]).await.expect("the locks").get(0)
}

/// The highest number that a row was given, and how many rows beyond a number wait that everybody can see.
async fn outbox(stage: &Stage, role: Role, beyond: i64) -> (i64, i64) {
    let schema = schema(role);
    let sql = format!(
        "SELECT last_value, (SELECT count(*) FROM {schema}.outbox WHERE seq > $1) FROM {schema}.outbox_seq"
    );
    let client = stage.world.connect().await.expect("the database answers");
    let row = client.query_one(&sql, &[&beyond]).await.expect("the outbox");
    (row.get(0), row.get(1))
}

async fn rises_again(stage: &mut Stage, role: Role, point: &str) {
    let zombie = stage.stopped_at(role, point).await;
    taken_over(stage, role, &zombie).await;
    returns(stage, role, zombie).await;
    stage.drain(role).await;
}

/// When enough was done without it, it goes on.
async fn returns(stage: &mut Stage, role: Role, zombie: Victim) {
    stage.flows(25).await;
    stage.wakes(role, zombie).await;
    stage.flows(15).await;
}

/// Waits until nothing is its any more.
async fn taken_over(stage: &mut Stage, role: Role, zombie: &Victim) {
    let schema = schema(role);
    let sql = format!(
        "SELECT (SELECT count(*) FROM {schema}.lane WHERE owner = $1)
            + (SELECT count(*) FROM {schema}.shard WHERE owner = $1)"
    );
    let instance = zombie.instance();
    until(format!("{} is taken over", role.name()), HAPPENS, async || {
        let client = stage.world.connect().await.map_err(|error| error.to_string())?;
        let row = client.query_one(&sql, &[&instance]).await.map_err(|error| error.to_string())?;
        match row.get::<_, i64>(0) {
            0 => Ok(()),
            left => Err(format!("{left} lanes and shards are still the stopped one's")),
        }
    })
    .await;
    stage.note("what it had is somebody else's");
}

fn schema(role: Role) -> &'static str {
    match role {
        Role::Translate => "ehr_adapter",
        Role::Bill => "billing_projector",
        _ => "odoo_writer",
    }
}
