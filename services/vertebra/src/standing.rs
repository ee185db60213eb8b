//! The command that shows how every service stands.

use crate::cluster::Cluster;
use crate::operate::database;
use crate::{USAGE, fail, reported};
use canon::ServiceName;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use vertebra::ledger::status::{Status, StatusError, status};

const HELP: &str = "Exit codes:
  0  nothing waits for a person
  1  a lane is stopped or unowned, something is parked, or a source asks
  2  the command line makes no sense, or the database has no such ledger
  3  PostgreSQL or Kafka does not answer

How long senders have been silent, against their habit, is for Prometheus to tell: see docs/runbooks/sender-silent.md.";

/// How every service stands: lanes, how far they are behind, what is parked, what waits to be published
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct Standing {
    /// Only this service; without, all that have a ledger in this database
    #[arg(long, value_name = "NAME")]
    service: Option<ServiceName>,
    /// Database of the ledgers, postgres://user@host:5432/name
    #[arg(long, env = "VERTEBRA_POSTGRES_URL", value_name = "URL", hide_env_values = true)]
    postgres_url: Option<String>,
    /// File of the password, when the URL holds none
    #[arg(long, env = "VERTEBRA_POSTGRES_PASSWORD_FILE", value_name = "FILE")]
    postgres_password_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    cluster: Cluster,
}

pub(crate) fn run(command: &Standing) -> ExitCode {
    let url = database(command.postgres_url.as_deref(), command.postgres_password_file.as_deref());
    let (url, kafka) = match (url, command.cluster.kafka()) {
        (Ok(url), Ok(kafka)) => (url, kafka),
        (url, kafka) => {
            let mistakes: Vec<String> = url.err().into_iter().chain(kafka.err()).collect();
            return fail(&mistakes.join("\n"), USAGE);
        }
    };
    let service = command.service.as_ref().map(ServiceName::as_str);
    let work = status(&url, service, kafka.as_ref());
    reported(work, StatusError::is_away, command.json, Status::is_well)
}
