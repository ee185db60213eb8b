//! EHR messages in: `land` makes HL7v2 over MLLP durable before it is acknowledged, `translate` makes facts of it.
//!
//! `land` consumes MLLP connections and publishes `raw.hl7v2.v1`; it needs Kafka and nothing else. `translate`
//! consumes `raw.hl7v2.v1` and publishes `clinical.encounter.v1` and `billing.charge.v1`; its ledger is in PostgreSQL.
//! Both read the senders' configuration: one YAML file each.

mod land;
mod sender;
mod subject;
mod translate;

use backbone::Folding;
use backbone::service::{Service, Work};
use backbone::settings::{Mistake, Mistakes, Problem, Tokens};
use canon::{Charge, Encounter, RawHl7v2, Tokenizer};
use sender::Sender;
use std::path::Path;
use std::process::ExitCode;
use translate::{Setup, Translation};

fn main() -> ExitCode {
    let mut service =
        Service::new("ehr-adapter", "takes HL7v2 messages over MLLP and makes canonical facts of them");
    service.command("land", "listen for MLLP and land every message before it is acknowledged");
    let translate = service.command("translate", "make visits' and charges' facts of landed messages");
    let mut scope = service.settings().group("Senders");
    let folder = scope
        .path("senders", "folder of YAML files, one a sender, named as the sender is")
        .default("deploy/senders");
    // Also what `--check-config` runs, so that a sender's file is checked without being put to work.
    scope.rule(move |values| senders(values.get(&folder).as_path()).err().unwrap_or_default());
    let tokens = Tokens::declare(service.settings());
    let ledger = service.ledger_of(&[translate]);
    service.run(move |values| {
        let senders = senders(values.get(&folder).as_path()).map_err(Mistakes)?;
        let tokenizer = Tokenizer::new(tokens.secret(values).reveal().as_bytes())
            .map_err(|_| Mistakes(vec![Mistake::together("token-secret", "is too short")]))?;
        if values.command() == Some(translate.name) {
            let folding = Folding::<Translation>::new(Setup::new(senders, tokenizer));
            let folding = folding.on::<RawHl7v2>().emits::<Encounter>().emits::<Charge>();
            return Ok(Work::with_ledger(ledger.values(values)).project(folding));
        }
        Ok(Work::landing(move |lander| land::run(lander, senders, tokenizer)))
    })
}

/// The senders in a folder, or every mistake in their files as the settings tell mistakes.
fn senders(folder: &Path) -> Result<Vec<Sender>, Vec<Mistake>> {
    sender::load(folder).map_err(|mistakes| {
        let told = |mistake: &sender::Mistake| Mistake {
            name: "senders".to_owned(),
            problem: Problem::Inside { said: mistake.to_string() },
        };
        mistakes.iter().map(told).collect()
    })
}
