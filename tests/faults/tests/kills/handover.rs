//! Two instances share the lanes, and hand them over: at once on a drain, after the lease on a crash.

use crate::end;
use faults::{Days, Deadline, Start, Victim, World, say, until};
use harness::Role;
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

/// Long beside what a drain takes.
const LEASE: Duration = Duration::from_secs(9);
const LANES: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_share_the_lanes_and_hand_them_over() {
    let Some(world) = World::fresh().await else { return };
    let mut running = world.all_ready(&[Role::Land, Role::Translate, Role::Write]).await;
    let mut days = Days::new(&world);
    let (first, one) = instance(&world).await;
    let (second, two) = instance(&world).await;
    let shared = || owning(&world, [(one, 3), (two, 3)].into());
    let (_, took) = until("the lanes are shared", Deadline(2 * LEASE), shared).await;
    say(format_args!("two billing-projectors own three lanes each after {:.1} s", took.as_secs_f32()));
    days.play(6, 3000).await;
    days.balanced().await;

    // Traffic goes on while lanes move.
    let mut day = days.day(6, 3001);
    day.send_rest();
    let drained = first.drain().await;
    let all_two = || owning(&world, [(two, LANES)].into());
    let (_, took) = until("the other one has all lanes", Deadline(LEASE * 2 / 3), all_two).await;
    days.close(day).await;
    days.balanced().await;
    say(format_args!(
        "SIGTERM to one: drained in {:.1} s, the other has all lanes {:.1} s later; the lease is {LEASE:?}",
        drained.as_secs_f32(),
        took.as_secs_f32()
    ));

    let (third, three) = instance(&world).await;
    let shared = || owning(&world, [(two, 3), (three, 3)].into());
    until("the lanes are shared again", Deadline(2 * LEASE), shared).await;
    let mut day = days.day(6, 3002);
    day.send_rest();
    second.kill();
    let all_three = || owning(&world, [(three, LANES)].into());
    let (_, took) = until("the other one has all lanes", Deadline(2 * LEASE), all_three).await;
    days.close(day).await;
    days.balanced().await;
    say(format_args!(
        "kill -9 of one: the other has all lanes {:.1} s later; the lease is {LEASE:?}",
        took.as_secs_f32()
    ));
    running.insert(Role::Bill, third);
    drop(days);
    end(world, running).await;
}

async fn instance(world: &World) -> (Victim, Uuid) {
    let id = Uuid::new_v4();
    let lease = format!("{}s", LEASE.as_secs());
    let mut victim =
        world.start(Role::Bill, &Start { lease: Some(&lease), instance: Some(id), ..Start::default() });
    victim.until_ready().await;
    (victim, id)
}

/// Whether each instance owns so many of the fold's lanes, and nobody else any. Tables have lanes of their own.
async fn owning(world: &World, wanted: BTreeMap<Uuid, usize>) -> Result<(), String> {
    let client = world.connect().await.map_err(|error| error.to_string())?;
    let sql = "SELECT owner FROM billing_projector.lane
        WHERE processor = 'billing-case' AND owner IS NOT NULL AND lease_until_us > billing_projector.now_us()";
    let rows = client.query(sql, &[]).await.map_err(|error| error.to_string())?;
    let mut owned: BTreeMap<Uuid, usize> = BTreeMap::new();
    for row in rows {
        *owned.entry(row.get(0)).or_default() += 1;
    }
    if owned == wanted { Ok(()) } else { Err(format!("they own {owned:?}")) }
}
