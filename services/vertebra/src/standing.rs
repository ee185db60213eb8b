//! The command that shows how every service stands.

use crate::cluster::Cluster;
use crate::operate::database;
use crate::{USAGE, fail, reported};
use backbone::settings::ServiceUrl;
use canon::ServiceName;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use vertebra::ledger::status::{Status, StatusError, status};

const HELP: &str = "Exit codes:
  0  nothing waits for a person
  1  a lane is stopped or unowned, something is parked, a source asks, or a sender is silent for longer than it may
  2  the command line makes no sense, or the database has no such ledger
  3  PostgreSQL, Kafka or Prometheus does not answer

A lane that has never committed anything of a topic is behind by all of it. How long senders have been silent, against their habit at this
hour of the week, Prometheus knows by the rules of `vertebra contract alerts`: docs/runbooks/sender-silent.md.";

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
    /// Prometheus, to tell how long senders have been silent against their habit
    #[arg(long, env = "VERTEBRA_PROMETHEUS_URL", value_name = "URL", hide_env_values = true)]
    prometheus_url: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    cluster: Cluster,
}

pub(crate) fn run(command: &Standing) -> ExitCode {
    let url = database(command.postgres_url.as_deref(), command.postgres_password_file.as_deref());
    let prometheus = command.prometheus_url.as_deref().map(|url| {
        ServiceUrl::parse(url, &["http", "https"])
            .map_err(|wrong| format!("--prometheus-url is not {}", wrong.expects))
    });
    let (url, kafka, prometheus) = match (url, command.cluster.kafka(), prometheus.transpose()) {
        (Ok(url), Ok(kafka), Ok(prometheus)) => (url, kafka, prometheus),
        (url, kafka, prometheus) => {
            let mistakes = url.err().into_iter().chain(kafka.err()).chain(prometheus.err());
            return fail(&mistakes.collect::<Vec<_>>().join("\n"), USAGE);
        }
    };
    let service = command.service.as_ref().map(ServiceName::as_str);
    let work = status(&url, service, kafka.as_ref(), prometheus.as_ref());
    reported(work, StatusError::is_away, command.json, Status::is_well)
}
