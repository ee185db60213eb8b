//! `billing-projector`: folds visits and charges into billing cases.
//!
//! Consumes `clinical.encounter.v1`, `billing.charge.v1`, `billing.invoice.v1` and `billing.payment.v1`; looks up
//! `reference.code.v1` and `inventory.item.v1`; publishes `billing.invoice-request.v1` when a visit is finished and the
//! bill hold has passed, and `billing.case.v1` after each change; shows people the tables `billing_*`. Does nothing
//! else to the world. Its metrics tell where every amount is, as `vertebra books` prints it.

use backbone::service::{Service, Work};
use backbone::settings::{Mistake, Mistakes, Problem, Setting, Values};
use billing_projector::{Facilities, Gauges, Setup, folding};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

fn main() -> ExitCode {
    let mut service = Service::new("billing-projector", "folds visits and charges into billing cases");
    let ledger = service.ledger();
    let declared = Declared::declare(&mut service);
    service.run(|values| {
        let setup = declared.setup(values)?;
        let ledger = ledger.values(values);
        let gauges = Gauges::new().map_err(|error| mistake("metrics", error.to_string()))?;
        let followed = gauges.clone().follow(ledger.postgres_url.clone());
        Ok(Work::with_ledger(ledger).project(folding(setup)).beside(gauges, followed))
    })
}

/// The settings of this service.
struct Declared {
    hold: Setting<Duration>,
    lines_max: Setting<usize>,
    known_items_only: Setting<bool>,
    taxed: Setting<bool>,
    facilities: Setting<Option<PathBuf>>,
}

impl Declared {
    fn declare(service: &mut Service) -> Self {
        let mut billing = service.settings().group("Billing");
        Self {
            hold: billing
                .duration(
                    "bill-hold",
                    "how long a finished visit waits for late charges; 0s asks for an invoice at once",
                )
                .range(Duration::ZERO..=90 * DAY)
                .default("3d"),
            lines_max: billing
                .number("bill-lines-max", "lines of an invoice at most; more make a further one")
                .range(1..=2_000)
                .default("500"),
            known_items_only: billing
                .switch(
                    "known-items-only",
                    "whether a charge waits until its item is one of odoo's; false where nobody reads odoo",
                )
                .default("true"),
            taxed: billing
                .switch("invoices-taxed", "whether odoo adds taxes: totals then say nothing of what was edited")
                .default("false"),
            facilities: billing
                .path(
                    "facilities",
                    "YAML file of facilities: company, journal, owner and time_zone of each, `*` for all others",
                )
                .optional(),
        }
    }

    fn setup(&self, values: &Values) -> Result<Setup, Mistakes> {
        let facilities = match values.get(&self.facilities) {
            None => Facilities::default(),
            Some(path) => {
                let mistake = |said: String| mistake("facilities", said);
                let text = std::fs::read_to_string(path)
                    .map_err(|error| mistake(format!("{} cannot be read: {error}", path.display())))?;
                Facilities::parse(&text).map_err(|error| mistake(format!("{}: {error}", path.display())))?
            }
        };
        Ok(Setup {
            hold: *values.get(&self.hold),
            lines_max: *values.get(&self.lines_max),
            known_items_only: *values.get(&self.known_items_only),
            taxed: *values.get(&self.taxed),
            facilities,
        })
    }
}

fn mistake(name: &str, said: String) -> Mistakes {
    Mistakes(vec![Mistake { name: name.to_owned(), problem: Problem::Inside { said } }])
}
