//! `billing-projector`: folds visits and charges into billing cases.
//!
//! Consumes `clinical.encounter.v1` and `billing.charge.v1`; publishes `billing.invoice-request.v1` when a visit is
//! finished and the bill hold has passed, and `billing.case.v1` after each change; shows people the tables
//! `billing_case` and `billing_charge`. Does nothing else to the world.

mod case;
mod rows;
mod visit;

use backbone::service::{Service, Work};
use case::Setup;
use std::process::ExitCode;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

fn main() -> ExitCode {
    let mut service = Service::new("billing-projector", "folds visits and charges into billing cases");
    let ledger = service.ledger();
    let mut billing = service.settings().group("Billing");
    let hold = billing
        .duration(
            "bill-hold",
            "how long a finished visit waits for late charges; 0s asks for an invoice at once",
        )
        .range(Duration::ZERO..=90 * DAY)
        .default("3d");
    let lines_max = billing
        .number("bill-lines-max", "lines of an invoice at most; more make a further one")
        .range(1..=2_000)
        .default("500");
    service.run(|values| {
        let setup = Setup { hold: *values.get(&hold), lines_max: *values.get(&lines_max) };
        Ok(Work::with_ledger(ledger.values(values)).project(case::folding(setup)))
    })
}
