//! The command that recovers a ledger.

use crate::again::progress;
use crate::cluster::Cluster;
use crate::operate::{Place, Yes};
use crate::{USAGE, fail, reported};
use backbone::postgres::operate::Asker;
use backbone::recover::How;
use backbone::registry::Registry;
use clap::Args;
use std::process::ExitCode;
use vertebra::ledger::open;
use vertebra::recover::{Ledger, RecoverError, Report, recover};

const CODES: &str = "Exit codes:
  0  the ledger lacks nothing, or was recovered
  1  the ledger is behind, and nothing was changed since --yes was not said
  2  the command line makes no sense, or the database has no such ledger
  3  Kafka, the registry or PostgreSQL does not answer

Example:
  vertebra recover --service billing-projector
  vertebra recover --service billing-projector --yes --by jo --because 'restored the backup of last night'";

/// Run it when a service says that its ledger is older than what was published from it, after PostgreSQL was restored
/// from a backup. It reads all that the service ever published. See docs/runbooks/postgres-restored.md.
#[derive(Args, Debug)]
#[command(after_help = CODES)]
pub(crate) struct Recover {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    cluster: Cluster,
    #[command(flatten)]
    yes: Yes,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(asked: &Recover) -> ExitCode {
    let (kafka, registry, url) = match (asked.cluster.settings(), asked.place.url()) {
        (Ok((kafka, registry)), Ok(url)) => (kafka, registry, url),
        (cluster, url) => {
            let mistakes = cluster.err().into_iter().flatten().chain(url.err());
            return fail(&mistakes.collect::<Vec<_>>().join("\n"), USAGE);
        }
    };
    let work = async {
        let registry = Registry::new(&registry)
            .map_err(|error| backbone::edge::BrokerError::caused("the registry cannot be asked", error))?;
        let service = asked.place.service.as_str();
        let store = open(url, service).await?;
        recover(&Ledger { service, store: &store, kafka: &kafka, registry: &registry }, asked.how(), progress)
            .await
    };
    reported(work, is_away, asked.json, |report: &Report| !report.behind || report.done)
}

fn is_away(error: &RecoverError) -> bool {
    match error {
        RecoverError::Broker(_) => true,
        RecoverError::Ledger(error) => error.is_away(),
    }
}

impl Recover {
    fn how(&self) -> How<'_> {
        self.yes.asker().map_or(How::DryRun, |Asker { by, because }| How::Done { by, because })
    }
}
