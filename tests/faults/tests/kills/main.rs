//! What must hold when processes are killed or stopped at the worst moments, and when parts of the stack go away: on
//! the real services, Kafka, registry and PostgreSQL. Odoo is the fake that speaks its HTTP, for speed.
//!
//! Without VERTEBRA_TEST_LONG=1 a handful of cases runs; with it, all of them.

mod between;
mod handover;
mod outages;
mod refusal;
mod storm;
mod zombies;

use faults::{Victim, World};
use harness::Role;
use std::collections::BTreeMap;

/// The services of a test that run undisturbed at the moment.
type Running = BTreeMap<Role, Victim>;

/// Ends a test that went well: services drain, and the world goes.
async fn end(world: World, running: Running) {
    for victim in running.into_values() {
        victim.drain().await;
    }
    world.end().await;
}
