//! kill -9 wherever a commit and a publish part ways: nothing is doubled, nothing is lost.

use crate::{Running, end};
use faults::{Days, Start, World, is_long, say};
use harness::Role;
use std::time::Instant;

/// Where a service with a ledger is killed, and in which of them also in the short form.
const POINTS: [(&str, &[Role]); 10] = [
    ("begin:after:2", &[]),
    ("write:after:2", &[]),
    ("commit:before:2", &[Role::Write]),
    ("commit:after:2", &[Role::Bill]),
    ("publish:before:1", &[]),
    ("publish:inside:1", &[Role::Bill]),
    ("flush:after:1", &[]),
    ("publish:after:1", &[Role::Translate]),
    ("delete outbox:before:1", &[]),
    ("delete outbox:after:1", &[]),
];

/// Where a service that reads the world is killed, and in which of them also in the short form.
const SOURCE_POINTS: [(&str, &[Role]); 5] = [
    ("commit:before:1", &[]),
    ("commit:after:1", &[Role::Poll]),
    ("publish:inside:1", &[]),
    ("publish:after:1", &[Role::Import]),
    ("delete outbox:before:1", &[]),
];

/// Between Kafka's acknowledgement and the ACK on the wire; the sender sends again.
const LANDED: &str = "landed:after:5";

#[tokio::test(flavor = "multi_thread")]
async fn killed_wherever_a_commit_and_a_publish_part_ways_a_service_doubles_and_loses_nothing() {
    let Some(world) = World::fresh().await else { return };
    let mut running = world.all_ready(&Role::ALL).await;
    let mut days = Days::new(&world);
    let mut seed = 1000;
    check(&world, &mut days, &mut running, Role::Land, LANDED, seed).await;
    for (point, short) in POINTS {
        for role in [Role::Translate, Role::Bill, Role::Write] {
            if is_long() || short.contains(&role) {
                seed += 1;
                check(&world, &mut days, &mut running, role, point, seed).await;
            }
        }
    }
    for (point, short) in SOURCE_POINTS {
        for role in [Role::Import, Role::Poll] {
            if is_long() || short.contains(&role) {
                seed += 1;
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
    let fault = format!("{point}:kill");
    if let Some(victim) = running.remove(&role) {
        victim.drain().await;
    }
    if role == Role::Import {
        world.change_codes();
    }
    let mut victim = world.start(role, &Start { fault: Some(&fault), ..Start::default() });
    let mut day = days.day(6, seed);
    day.send_rest();
    if role == Role::Write {
        days.play_unbillable(2).await;
    }
    victim.until_killed().await;
    let died = Instant::now();
    running.insert(role, world.ready(role).await);
    days.close(day).await;
    days.balanced().await;
    world.odoo_is_as_published().await;
    let (acknowledged, again) = days.sent();
    say(format_args!(
        "{:<22} killed at {point:<22} balanced after {:>4.1} s; {acknowledged} messages acknowledged so far, {again} sendings besides",
        role.name(),
        died.elapsed().as_secs_f32(),
    ));
}
