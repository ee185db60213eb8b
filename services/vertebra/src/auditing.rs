//! The commands that show and check what people did by hand.

use crate::cluster::Cluster;
use crate::operate::Place;
use crate::{USAGE, fail, reported};
use backbone::edge::BrokerError;
use backbone::registry::Registry;
use clap::{Args, Subcommand};
use std::process::ExitCode;
use vertebra::ledger::audit::{self, AuditError, Verified};
use vertebra::ledger::{LedgerError, open};

const VERIFY: &str = "Exit codes:
  0  the chain holds
  1  it does not; the page says where
  2  the command line makes no sense, or the database has no such ledger
  3  PostgreSQL, Kafka or the registry does not answer

Each record seals the one before it, in the ledger and on ops.audit.v1. Whoever can write to PostgreSQL could make a whole chain
anew; not one that ends in a seal that somebody has noted elsewhere, nor the topic's.

Example:
  vertebra audit verify --service ehr-adapter --topic --kafka-bootstrap … --registry-url …";

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List what people did to a service by hand: who, when, what, why
    List(List),
    /// Hold every record against its seal
    #[command(after_help = VERIFY)]
    Verify(Verify),
}

#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    place: Place,
    /// How many of the last ones are listed
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Verify {
    #[command(flatten)]
    place: Place,
    /// Hold ops.audit.v1 against it too
    #[arg(long)]
    topic: bool,
    #[command(flatten)]
    cluster: Cluster,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: &AuditCommand) -> ExitCode {
    match command {
        AuditCommand::List(list) => list.run(),
        AuditCommand::Verify(verify) => verify.run(),
    }
}

impl List {
    fn run(&self) -> ExitCode {
        let url = match self.place.url() {
            Ok(url) => url,
            Err(mistake) => return fail(&mistake, USAGE),
        };
        let work = async {
            let store = open(url, self.place.service.as_str()).await?;
            audit::list(&store, self.limit).await
        };
        reported(work, LedgerError::is_away, self.json, |_| true)
    }
}

impl Verify {
    fn run(&self) -> ExitCode {
        let cluster = self.topic.then(|| self.cluster.settings()).transpose();
        let (cluster, url) = match (cluster, self.place.url()) {
            (Ok(cluster), Ok(url)) => (cluster, url),
            (cluster, url) => {
                let mistakes = cluster.err().into_iter().flatten().chain(url.err());
                return fail(&mistakes.collect::<Vec<_>>().join("\n"), USAGE);
            }
        };
        let verified = async {
            let service = self.place.service.as_str();
            let store = open(url, service).await?;
            let Some((kafka, registry)) = cluster else { return audit::verify(&store, service, None).await };
            let registry = Registry::new(&registry);
            let registry =
                registry.map_err(|error| BrokerError::caused("the registry cannot be asked", error))?;
            audit::verify(&store, service, Some((&kafka, &registry))).await
        };
        reported(verified, AuditError::is_away, self.json, |verified: &Verified| verified.broken.is_empty())
    }
}
