//! EHR messages in: `land` makes HL7v2 over MLLP durable before it is acknowledged, `translate` makes facts of it.
//!
//! `land` consumes MLLP connections and publishes `raw.hl7v2.v1`; it needs Kafka and nothing else. `translate`
//! publishes the senders' files as `reference.sender.v1`, consumes `raw.hl7v2.v1` with them and `reference.code.v1`
//! beside it, and publishes `clinical.*`, `billing.charge.v1` and `supply.consumption.v1`; its ledger is in PostgreSQL.
//! `try` shows what a sender's file makes of messages, and does nothing to the world.

#[cfg(any(test, fuzzing))]
pub mod any_bytes;
mod land;
mod patients;
mod publishing;
mod sender;
mod setup;
mod subject;
mod translate;
mod try_out;

use backbone::service::{Service, Work};
use backbone::settings::{Mistake, Mistakes, Problem, Tokens};
use backbone::{Folding, Projection};
use canon::Tokenizer;
use setup::Setup;
use std::process::ExitCode;
use translate::UnmappedCount;

/// What the ledgers' journals are folded with, given the tokens' secret: for whoever folds one again.
///
/// # Errors
/// When the counters of what is not mapped cannot be made.
pub fn foldings(
    tokenizer: Tokenizer,
) -> Result<(Folding<impl Projection>, Folding<impl Projection>), prometheus::Error> {
    let unmapped = UnmappedCount::new()?;
    let setup = || Setup::new(tokenizer.clone(), unmapped.clone());
    Ok((translate::folding(setup()), patients::folding(setup())))
}

/// Does what the command line asks, to the end.
pub fn run() -> ExitCode {
    // It is for a desk and not for a cluster: it has a command line of its own and none of a service's settings.
    if let Some(ended) = try_out::asked(std::env::args_os()) {
        return ended;
    }
    let mut service =
        Service::new("ehr-adapter", "takes HL7v2 messages over MLLP and makes canonical facts of them");
    let land = service.command("land", "listen for MLLP and land every message before it is acknowledged");
    let translate = service
        .command("translate", "make canonical facts of landed messages, and publish the senders' files");
    service.command("try", "show what a sender's file makes of messages: try <sender.yaml> <messages or ->");
    let mut scope = service.settings().group("Senders");
    let folder = scope
        .path("senders", "folder of YAML files, one a sender, named as the sender is")
        .default("deploy/senders");
    // Also what `--check-config` runs, so that a sender's file is checked without being put to work.
    scope.rule(move |values| {
        let (folder, is_landing) = (values.get(&folder).as_path(), values.command() == Some(land.name));
        // What only landing opens, such as keys, need not be where the translation runs.
        let checked = if is_landing { land::check(folder) } else { sender::load(folder).map(drop) };
        checked.map_err(told).err().unwrap_or_default()
    });
    let tokens = Tokens::declare(service.settings());
    let ledger = service.ledger_of(&[translate]);
    service.run(move |values| {
        let tokenizer = Tokenizer::new(tokens.secret(values).reveal().as_bytes())
            .map_err(|_| Mistakes(vec![Mistake::together("token-secret", "is too short")]))?;
        if values.command() == Some(translate.name) {
            let unmapped = UnmappedCount::new().map_err(|_| Mistakes(Vec::new()))?;
            let work = Work::with_ledger(ledger.values(values));
            return Ok(work
                .serves(unmapped.clone())
                .source(publishing::sourcing(values.get(&folder).clone()))
                .project(translate::folding(Setup::new(tokenizer.clone(), unmapped.clone())))
                .project(patients::folding(Setup::new(tokenizer, unmapped))));
        }
        let folder = values.get(&folder).clone();
        Ok(Work::landing(move |lander| land::run(lander, folder, tokenizer)))
    })
}

/// Mistakes in senders' files as the settings tell mistakes.
fn told(mistakes: Vec<sender::Mistake>) -> Vec<Mistake> {
    let told = |mistake: sender::Mistake| Mistake {
        name: "senders".to_owned(),
        problem: Problem::Inside { said: mistake.to_string() },
    };
    mistakes.into_iter().map(told).collect()
}
