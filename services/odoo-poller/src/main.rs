//! `odoo-poller`: reads what Odoo has, and publishes what changed.
//!
//! Consumes no topic. Publishes `inventory.item.v1`, `inventory.location.v1`, `inventory.stock-level.v1`, `partner.v1`,
//! `billing.invoice.v1` and `billing.payment.v1`. Changes nothing in Odoo. `odoo-poller check` holds the topics against
//! Odoo instead, and prints the rows that differ.

mod declared;

use backbone::service::{Service, Work};
use backbone::settings::{Common, Inputs, Mistakes, Spec, Stop, Values};
use declared::Declared;
use odoo_poller::check::{self, CheckError, Difference};
use odoo_poller::{Figures, Polling};
use std::io::Write;
use std::process::ExitCode;

const CHECK: &str = "check";

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == CHECK) {
        return checked();
    }
    let mut service = Service::new(
        "odoo-poller",
        "reads what Odoo has and publishes what changed; 'odoo-poller check' holds the topics against Odoo",
    );
    let ledger = service.ledger();
    let declared = Declared::declare(service.settings().group("Odoo"));
    service.run(|values| {
        let polling = polling(&declared, values)?;
        Ok(Work::with_ledger(ledger.values(values))
            .serves(polling.figures.clone())
            .source(polling.items())
            .source(polling.locations())
            .source(polling.partners())
            .source(polling.stock())
            .source(polling.invoices()))
    })
}

fn polling(declared: &Declared, values: &Values) -> Result<Polling, Mistakes> {
    // Their names are constants: they are made or the program is wrong.
    let figures = Figures::new().map_err(|_| Mistakes(Vec::new()))?;
    declared.polling(values, figures)
}

/// `odoo-poller check`: 0 where nothing differs, 1 where something does, 2 for a wrong configuration, 3 where something
/// cannot be read.
fn checked() -> ExitCode {
    let mut spec = Spec::new("odoo-poller", "holds the topics against Odoo and prints the rows that differ");
    spec.command(
        CHECK,
        "hold the topics against Odoo; ends with 1 where rows differ, with 3 where it cannot look",
    );
    let common = Common::declare(spec.all());
    let declared = Declared::declare(spec.all().group("Odoo"));
    let values = match spec.parse(&Inputs::of_process()) {
        Ok(values) => values,
        Err(stop) => return stop.end(),
    };
    let polling = match polling(&declared, &values) {
        Ok(polling) => polling,
        Err(mistakes) => return Stop::Mistakes(mistakes).end(),
    };
    let common = common.values("odoo-poller-check", &values);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let looked = match runtime {
        Ok(runtime) => runtime.block_on(async {
            let folded = check::folded(&common.kafka, &common.registry_url).await?;
            let expected = check::expected(&polling.odoo, &polling.figures).await?;
            Ok::<_, CheckError>((check::differences(&folded, &expected.folds), expected.rows()))
        }),
        Err(error) => return failed(&error.to_string()),
    };
    match looked {
        Ok((differences, rows)) => told(&differences, rows),
        Err(error) => failed(&error.to_string()),
    }
}

fn told(differences: &[Difference], rows: usize) -> ExitCode {
    let mut out = std::io::stdout().lock();
    // A closed pipe is the reader's business.
    for difference in differences {
        let _ = writeln!(out, "{difference}");
    }
    let _ = writeln!(out, "{rows} rows in odoo, {} differ", differences.len());
    if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

fn failed(why: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "odoo-poller check: {why}");
    ExitCode::from(3)
}
