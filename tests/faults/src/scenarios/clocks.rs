//! F14: clocks that are ten minutes apart.

use crate::World;
use crate::play::{Scenario, Stage};
use harness::{Chance, Role};
use std::time::Duration;

/// Each service has a clock of its own, and so has Odoo.
pub(super) const F14: Scenario = Scenario {
    roles: &Role::ALL,
    lacks: |_| library().is_none().then_some("libfaketime is not installed (Debian: faketime)"),
    settings: shifted,
    after: |stage| Box::pin(stated(stage)),
    ..Scenario::new("F14", "clocks ten minutes apart: the services', the database's and Odoo's", |stage| {
        Box::pin(apart(stage))
    })
};

const TEN_MINUTES: Duration = Duration::from_secs(600);
/// Where Debian has it, on either kind of machine.
const LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
];

fn library() -> Option<&'static str> {
    LIBRARIES.into_iter().find(|library| std::path::Path::new(library).exists())
}

/// What a process sees of the wall's clock; how long something takes is measured by another one, which nothing shifts.
fn shifted(mut world: World, chance: &mut Chance) -> World {
    let Some(library) = library() else { return world };
    for role in Role::ALL {
        let shift = ["-600s", "-600s", "+600s", "+600s", "+0s"][chance.below(5)];
        crate::say(format_args!("          {}: {shift}", role.name()));
        let fleet = world.fleet.clone().environment_of(role, "LD_PRELOAD", library);
        let fleet = fleet.environment_of(role, "FAKETIME", shift);
        world.fleet = fleet.environment_of(role, "DONT_FAKE_MONOTONIC", "1");
    }
    world
}

async fn apart(stage: &mut Stage) {
    for _ in 0..2 {
        stage.flows(30).await;
        let role = stage.one_of(&[Role::Poll, Role::Write, Role::Bill, Role::Translate]);
        stage.bounce(role).await;
        stage.note("odoo's clock goes ten minutes on");
        if let Some(odoo) = &stage.world.odoo {
            odoo.passes(TEN_MINUTES);
        }
    }
    stage.flows(40).await;
}

/// Whatever the clocks said, the topics say what Odoo has.
async fn stated(stage: &mut Stage) {
    stage.world.odoo_is_as_published().await;
}
