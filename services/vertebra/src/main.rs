//! `vertebra`: what operators do by hand. Consumes its command line and `VERTEBRA_*` variables; creates topics, registers
//! schemas, recovers ledgers and lets lanes and sources go on when told to; prints reports.

mod accounting;
mod again;
mod auditing;
mod cli;
mod cluster;
mod deciding;
mod examining;
mod following;
mod forgetting;
mod mending;
mod odoo_at;
mod operate;
mod paint;
mod recovering;
mod replaying;
mod standing;

use again::RawCommand;
use canon::Catalog;
use clap::{CommandFactory, Parser};
use cli::{Area, Cli, ContractCommand};
use cluster::Cluster;
use operate::{CodesCommand, Command, LanesCommand, ParkedCommand, SourceCommand};
use serde::Serialize;
use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;
use vertebra::contract::{Contract, ContractError, Copies, Report, check_releases};
use vertebra::watch;

/// The contract does not hold, or something waits for a person.
const DIFFERENT: u8 = 1;
/// The command line makes no sense; clap ends with the same.
const USAGE: u8 = 2;
/// Kafka, the registry or PostgreSQL does not answer.
const UNREACHABLE: u8 = 3;

/// The page of events as it was when this program was built.
const EVENTS: &str = include_str!("../../../docs/events.md");

fn main() -> ExitCode {
    let Cli { area, colour } = Cli::parse();
    paint::decide(colour);
    match &area {
        Area::Again(replay) | Area::Raw { command: RawCommand::Replay(replay) } => again::run(replay),
        Area::Audit { command } => auditing::run(command),
        Area::Books(books) => accounting::run(books),
        Area::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "vertebra", &mut script);
            say(&String::from_utf8_lossy(&script))
        }
        Area::Contract { command } => contract(command),
        Area::Codes { command: CodesCommand::Unmapped(look) } => operated(Command::Unmapped(look)),
        Area::Doctor(doctor) => examining::run(doctor),
        Area::Effects { command } => forgetting::run(command),
        Area::Lanes { command: LanesCommand::List(look) } => operated(Command::Lanes(look)),
        Area::Lanes { command: LanesCommand::Resume(resume) } => operated(Command::Resume(resume)),
        Area::Parked { command: ParkedCommand::Discard(discard) } => deciding::discard(discard),
        Area::Parked { command: ParkedCommand::Edit(edit) } => deciding::edit(edit),
        Area::Parked { command: ParkedCommand::List(list) } => operated(Command::Parked(list)),
        Area::Parked { command: ParkedCommand::Redrive(redrive) } => deciding::redrive(redrive),
        Area::Parked { command: ParkedCommand::Release(release) } => deciding::release(release),
        Area::Parked { command: ParkedCommand::Show(show) } => deciding::show(show),
        Area::Recover(recover) => recovering::run(recover),
        Area::Replay { command } => replaying::run(command),
        Area::Source { command: SourceCommand::Approve(approve) } => operated(Command::Approve(approve)),
        Area::Source { command: SourceCommand::List(look) } => operated(Command::Sources(look)),
        Area::Status(status) => standing::run(status),
        Area::Trace(trace) => following::run(trace),
        Area::Topic { command } => mending::run(command),
    }
}

fn operated(command: Command<'_>) -> ExitCode {
    match operate::run(command) {
        Ok(told) => {
            let said = say(&format!("{}\n", told.text));
            if told.waits { ExitCode::from(DIFFERENT) } else { said }
        }
        Err(operate::Failed::Usage(mistakes)) => fail(&mistakes.join("\n"), USAGE),
        Err(operate::Failed::Ledger(error)) => {
            fail(&chain(&error), if error.is_away() { UNREACHABLE } else { USAGE })
        }
    }
}

fn contract(command: &ContractCommand) -> ExitCode {
    let done = match command {
        ContractCommand::Docs => return say(EVENTS),
        ContractCommand::Alerts(alerts) => return say(&watch::rules(Catalog::builtin(), &alerts.runbooks)),
        ContractCommand::Dashboard => {
            return say(&format!("{:#}\n", watch::dashboard(Catalog::builtin())));
        }
        ContractCommand::Check(check) if check.offline => Ok(check_releases()),
        ContractCommand::Apply(apply) => {
            let usual = Copies::of(apply.replication);
            let min_in_sync = apply.min_in_sync.unwrap_or(usual.min_in_sync);
            connected(&apply.cluster, Some(Copies { min_in_sync, ..usual }))
        }
        ContractCommand::Check(check) => connected(&check.cluster, None),
    };
    let json = match command {
        ContractCommand::Apply(apply) => apply.json,
        ContractCommand::Check(check) => check.json,
        ContractCommand::Alerts(_) | ContractCommand::Dashboard | ContractCommand::Docs => false,
    };
    match done {
        Ok(report) => tell(&report, json),
        Err(Failed::Usage(mistakes)) => fail(&mistakes.join("\n"), USAGE),
        Err(Failed::Away(error)) => fail(&chain(&error), UNREACHABLE),
    }
}

enum Failed {
    /// Everything that is wrong with what we were told.
    Usage(Vec<String>),
    Away(ContractError),
}

fn connected(cluster: &Cluster, apply: Option<Copies>) -> Result<Report, Failed> {
    let (kafka, registry) = cluster.settings().map_err(Failed::Usage)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| Failed::Usage(vec![error.to_string()]))?;
    let work = async {
        // A release that breaks an earlier one is not registered anywhere.
        let released = check_releases();
        if apply.is_some() && !released.holds() {
            return Ok(released);
        }
        let admin = backbone::kafka::Admin::new(&kafka)?;
        let registry = backbone::registry::Registry::new(&registry).map_err(ContractError::Registry)?;
        let catalog = Catalog::builtin();
        let contract =
            Contract { admin: &admin, registry: &registry, catalog, schemas: &canon::events::SCHEMAS };
        match apply {
            Some(copies) => contract.apply(copies).await,
            None => contract.check().await,
        }
    };
    runtime.block_on(work).map_err(Failed::Away)
}

fn tell(report: &Report, json: bool) -> ExitCode {
    let text = match json {
        true => serde_json::to_string_pretty(report).unwrap_or_default(),
        false => paint::page(report.to_string()),
    };
    let said = say(&format!("{text}\n"));
    match report.holds() {
        true => said,
        false => ExitCode::from(DIFFERENT),
    }
}

/// Does what a command asks for, prints its report, and ends as that says.
fn reported<T: Display + Serialize, E: Error>(
    work: impl Future<Output = Result<T, E>>,
    is_away: impl Fn(&E) -> bool,
    json: bool,
    is_well: impl Fn(&T) -> bool,
) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.to_string(), USAGE),
    };
    let ended = runtime.block_on(work);
    // A call of the Kafka client may never come back: nobody waits for it.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match ended {
        Err(error) => fail(&chain(&error), if is_away(&error) { UNREACHABLE } else { USAGE }),
        Ok(report) => {
            let text = match json {
                true => serde_json::to_string_pretty(&report).unwrap_or_default(),
                false => paint::page(report.to_string()),
            };
            let told = say(&format!("{text}\n"));
            if is_well(&report) { told } else { ExitCode::from(DIFFERENT) }
        }
    }
}

/// Whoever reads may stop reading: that is no failure of ours.
fn say(text: &str) -> ExitCode {
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn fail(text: &str, code: u8) -> ExitCode {
    let _ = writeln!(io::stderr(), "error: {text}");
    ExitCode::from(code)
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
