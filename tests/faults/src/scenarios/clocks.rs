//! F14: clocks that are ten minutes apart.
//!
//! Leases, deadlines and batches are by PostgreSQL's clock, `received_at` by the adapter's, the poller's cursor by Odoo's: these three are
//! set apart, and PostgreSQL's and Odoo's jump on while the run goes on. Sources' times are months ago in every run.

use crate::play::{Scenario, Stage};
use harness::{Chance, Role};
use std::path::Path;
use std::time::Duration;

/// PostgreSQL's, Odoo's, everybody else's.
pub(super) const F14: Scenario = Scenario {
    roles: &Role::ALL,
    lacks: |_| (!is_installed()).then_some("libfaketime is not installed (Debian: faketime)"),
    before: |ground, chance| {
        ground.shift_postgres(first(chance)).expect("postgres starts");
    },
    ..Scenario::new(
        "F14",
        "clocks ten minutes apart: PostgreSQL's, Odoo's, everybody else's; the first two jump on by ten minutes",
        |stage| Box::pin(apart(stage)),
    )
};

const TEN_MINUTES: Duration = Duration::from_secs(600);

fn is_installed() -> bool {
    let folders =
        ["x86_64", "aarch64"].map(|kind| format!("/usr/lib/{kind}-linux-gnu/faketime/libfaketime.so.1"));
    folders.iter().any(|library| Path::new(library).exists())
}

/// Where PostgreSQL's clock stands at first, beside everybody else's.
fn first(chance: &mut Chance) -> &'static str {
    ["-600s", "+0s"][chance.below(2)]
}

async fn apart(stage: &mut Stage) {
    stage.flows(20).await;
    odoo_jumps(stage);
    stage.flows(30).await;
    let role = stage.one_of(&[Role::Poll, Role::Write, Role::Bill, Role::Translate]);
    stage.bounce(role).await;
    // Forward only: what jumps back while leases are held is an operator's mistake (docs/delivery.md).
    stage.note("postgres restarts, its clock ten minutes ahead");
    stage.ground.shift_postgres("+600s").expect("postgres starts");
    stage.flows(30).await;
    odoo_jumps(stage);
    stage.flows(40).await;
}

fn odoo_jumps(stage: &mut Stage) {
    stage.note("odoo's clock jumps ten minutes on");
    if let Some(odoo) = &stage.world.odoo {
        odoo.passes(TEN_MINUTES);
    }
}
