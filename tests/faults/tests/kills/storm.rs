//! Everything in turn, during traffic: kill -9 and SIGSTOP of each service, restarts of Kafka and PostgreSQL. At the
//! end the books balance. Only in the long form.

use crate::{Running, end};
use faults::{Days, Deadline, Part, World, is_long, say, until};
use harness::Role;
use std::time::Instant;

#[tokio::test(flavor = "multi_thread")]
async fn hit_in_turn_during_traffic_everything_balances_and_nothing_is_doubled() {
    if !is_long() {
        say("left out: it runs with VERTEBRA_TEST_LONG=1");
        return;
    }
    let Some(world) = World::fresh().await else { return };
    let mut running = world.all_ready(&Role::ALL).await;
    let mut days = Days::new(&world);
    let mut seed = 5000;
    for role in Role::ALL {
        for hit in ["kill -9", "SIGSTOP"] {
            seed += 1;
            let mut day = days.day(12, seed);
            day.send_rest();
            let began = Instant::now();
            match hit {
                "kill -9" => {
                    running.remove(&role).expect("it runs").kill();
                    running.insert(role, world.ready(role).await);
                }
                _ => stop_past_the_lease(&world, &mut running, role).await,
            }
            days.close(day).await;
            days.balanced().await;
            world.odoo_is_as_published().await;
            say(format_args!(
                "{:<22} {hit}: balanced after {:.1} s",
                role.name(),
                began.elapsed().as_secs_f32()
            ));
        }
    }
    for part in [Part::Kafka, Part::Postgres] {
        seed += 1;
        let mut day = days.day(12, seed);
        day.send_rest();
        let began = Instant::now();
        part.restart().await;
        for victim in running.values_mut() {
            victim.until_ready().await;
        }
        days.close(day).await;
        days.balanced().await;
        say(format_args!(
            "{:<22} restarted: balanced after {:.1} s",
            part.name(),
            began.elapsed().as_secs_f32()
        ));
    }
    drop(days);
    end(world, running).await;
}

/// Stops it until the database says that its leases have passed; a listener has none, and is stopped until it is seen
/// not to answer.
async fn stop_past_the_lease(world: &World, running: &mut Running, role: Role) {
    let victim = running.get_mut(&role).expect("it runs");
    victim.stop();
    victim.until_stopped().await;
    let schema = match role {
        Role::Land => None,
        Role::Import => Some("code_importer"),
        Role::Poll => Some("odoo_poller"),
        Role::Translate => Some("ehr_adapter"),
        Role::Bill => Some("billing_projector"),
        Role::Write => Some("odoo_writer"),
    };
    until(format!("{} is past its lease", role.name()), Deadline::secs(20), async || match schema {
        None => match victim.readiness().await {
            Ok(()) => Err("it answers".to_owned()),
            Err(_) => Ok(()),
        },
        Some(schema) => {
            let client = world.connect().await.map_err(|error| error.to_string())?;
            let sql = format!("SELECT count(*) FROM {schema}.lane WHERE lease_until_us > {schema}.now_us()");
            let row = client.query_one(&sql, &[]).await.map_err(|error| error.to_string())?;
            match row.get::<_, i64>(0) {
                0 => Ok(()),
                held => Err(format!("{held} lanes are held")),
            }
        }
    })
    .await;
    victim.cont();
    victim.until_ready().await;
}
