//! SIGSTOP past the lease, in the worst places; another instance takes over; SIGCONT. Nothing stale is written, into
//! PostgreSQL or onto the compacted topic.

use crate::{Running, end};
use faults::{Days, Deadline, Start, World, is_long, say, until};
use harness::Role;
use std::time::Instant;

/// Where a service is stopped, and whether in the short form too.
const POINTS: [(&str, bool); 6] = [
    // In mid-transaction: its row locks must not hold the next owner up.
    ("begin:after:2", false),
    ("write:after:2", true),
    // Before `init_transactions`: the zombie's fence comes after the next owner's.
    ("fence:before:1", false),
    // After the epoch check, rows read and not yet sent.
    ("outbox:after:1", false),
    // Records buffered in the producer, the transaction open.
    ("publish:inside:1", true),
    // Records at the broker, the transaction open.
    ("flush:after:1", false),
];

#[tokio::test(flavor = "multi_thread")]
async fn stopped_past_its_lease_a_service_that_goes_on_writes_nothing_stale() {
    let Some(world) = World::fresh().await else { return };
    let mut running = world.all_ready(&Role::WAY).await;
    let mut days = Days::new(&world);
    let mut seed = 2000;
    for (point, short) in POINTS {
        for role in [Role::Bill, Role::Translate] {
            if is_long() || (short && role == Role::Bill) {
                seed += 2;
                check(&world, &mut days, &mut running, role, point, seed).await;
            }
        }
    }
    drop(days);
    end(world, running).await;
}

async fn check(
    world: &World,
    days: &mut Days<'_>,
    running: &mut Running,
    role: Role,
    point: &str,
    seed: u64,
) {
    let fault = format!("{point}:stop");
    if let Some(victim) = running.remove(&role) {
        victim.drain().await;
    }
    let mut zombie = world.start(role, &Start { fault: Some(&fault), ..Start::default() });
    let mut day = days.day(6, seed);
    day.send_half().await;
    zombie.until_stopped().await;
    let stopped = Instant::now();
    let successor = world.ready(role).await;
    // The same visits go on, so that what the zombie holds is older than what is published meanwhile.
    day.send_rest();
    days.close(day).await;
    days.balanced().await;
    let taken_over = stopped.elapsed();
    zombie.cont();
    until("the zombie goes on", Deadline::secs(10), async || {
        let log = zombie.log();
        if log.contains("going on after the fault") { Ok(()) } else { Err("its log does not say so") }
    })
    .await;
    days.play(4, seed + 1).await;
    days.balanced().await;
    // It works on, beside its successor; or it has ended by itself, which a supervisor would heal.
    assert!(zombie.is_running(), "the zombie ended:\n{}", zombie.log());
    zombie.until_ready().await;
    zombie.drain().await;
    days.balanced().await;
    running.insert(role, successor);
    say(format_args!(
        "{:<22} stopped at {point:<18} taken over and balanced after {:>4.1} s; nothing stale after it went on",
        role.name(),
        taken_over.as_secs_f32(),
    ));
}
