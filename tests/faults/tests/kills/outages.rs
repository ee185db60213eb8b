//! Kafka, PostgreSQL or the registry goes away and comes back: services say why they are not ready, heal by
//! themselves, and the books balance.

use crate::{Running, end};
use faults::{Days, Part, Start, World, is_long, say};
use harness::Role;
use std::time::Instant;

/// How a part goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Away {
    Killed,
    Frozen,
}

const KAFKA: [Role; 4] = Role::WAY;
const POSTGRES: [Role; 3] = [Role::Translate, Role::Bill, Role::Write];

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_away_and_comes_back_heals_by_itself() {
    let Some(world) = World::fresh().await else { return };
    let mut running = world.all_ready(&Role::WAY).await;
    let mut days = Days::new(&world);
    days.play(2, 4000).await;
    days.balanced().await;
    check(&mut days, &mut running, Part::Postgres, Away::Killed, &POSTGRES).await;
    check(&mut days, &mut running, Part::Kafka, Away::Killed, &KAFKA).await;
    if is_long() {
        check(&mut days, &mut running, Part::Postgres, Away::Frozen, &POSTGRES).await;
        check(&mut days, &mut running, Part::Kafka, Away::Frozen, &KAFKA).await;
    }
    without_registry(&world, &mut days, &mut running).await;
    drop(days);
    end(world, running).await;
}

async fn check(days: &mut Days<'_>, running: &mut Running, part: Part, away: Away, touched: &[Role]) {
    let seed = 4001 + u64::from(part == Part::Kafka) * 10 + (away as u64);
    let mut day = days.day(8, seed);
    day.send_half().await;
    day.send_rest();
    match away {
        Away::Killed => part.kill().await,
        Away::Frozen => part.freeze().await,
    }
    let gone = Instant::now();
    for role in touched {
        let reason = running[role].until_unready(&[part.name(), "relay"]).await;
        say(format_args!(
            "{} {away:?}: {} after {:.1} s: {reason}",
            part.name(),
            role.name(),
            gone.elapsed().as_secs_f32()
        ));
    }
    for (role, victim) in running.iter().filter(|(role, _)| !touched.contains(role)) {
        assert!(victim.readiness().await.is_ok(), "{} does not need {}", role.name(), part.name());
    }
    match away {
        Away::Killed => part.start().await,
        Away::Frozen => part.thaw().await,
    }
    let back = Instant::now();
    for victim in running.values_mut() {
        victim.until_ready().await;
    }
    let ready = back.elapsed();
    days.close(day).await;
    days.balanced().await;
    let (acknowledged, again) = days.sent();
    say(format_args!(
        "{} {away:?}: ready {:.1} s and balanced {:.1} s after it was back; {acknowledged} messages acknowledged so far, {again} sendings besides",
        part.name(),
        ready.as_secs_f32(),
        back.elapsed().as_secs_f32()
    ));
}

/// Warm services go on without a registry; one that starts waits for it, and says so.
async fn without_registry(world: &World, days: &mut Days<'_>, running: &mut Running) {
    Part::Registry.kill().await;
    days.play(3, 4100).await;
    days.balanced().await;
    for (role, victim) in running.iter() {
        assert!(victim.readiness().await.is_ok(), "{} is warm and does not need the registry", role.name());
    }
    say("registry killed: warm services are ready, and the books balance");
    if let Some(victim) = running.remove(&Role::Translate) {
        victim.drain().await;
    }
    let mut cold = world.start(Role::Translate, &Start::default());
    let reason = cold.until_unready(&["registry"]).await;
    say(format_args!("registry killed: a service that starts waits: {reason}"));
    let mut day = days.day(3, 4101);
    day.send_rest();
    Part::Registry.start().await;
    let back = Instant::now();
    cold.until_ready().await;
    running.insert(Role::Translate, cold);
    days.close(day).await;
    days.balanced().await;
    say(format_args!("registry back: started and balanced {:.1} s later", back.elapsed().as_secs_f32()));
}
