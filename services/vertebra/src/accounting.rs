//! The command that tells whether the books balance.

use crate::again::progress;
use crate::cluster::Cluster;
use crate::following::since;
use crate::operate::database;
use crate::{USAGE, fail, reported};
use ::books::Control;
use backbone::edge::BrokerError;
use backbone::kafka::KafkaSettings;
use backbone::registry::Registry;
use backbone::settings::ServiceUrl;
use canon::Timestamp;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use vertebra::books::{self, Failed, Report, Topics};

const HELP: &str = "Exit codes:
  0  the books balance: everything that was acknowledged is somewhere, once; every request is in Odoo as it was asked for; the
     control totals are met
  1  they do not; the page says where
  2  the command line makes no sense, or the database has no ledger of billing-projector
  3  PostgreSQL, Kafka or the registry does not answer

  acknowledged   what a sender was told is safe, or a service has stated
  applied        it took effect; of a message also: it says nothing that is mapped, or came again
  parked         it waits for a person: vertebra parked list
  given up       by a person, who said why: vertebra audit list
  in flight      it was not read yet
  missing        nobody knows of it. Three looks found it so

Of a correction that waits the amount is what it changes. Days of flows are UTC; those of accounts are the facility's.

A control total is CSV with a heading and the columns sender, facility, day (YYYY-MM-DD, of the services, at the facility), currency,
count and amount, in any order, one row an account. It speaks for its sender's whole day: an account that it leaves out differs.

Example:
  vertebra books --control-total posted-by-the-ehr.csv --since 3d --kafka-bootstrap … --registry-url … --postgres-url …";

/// Tell of everything that was acknowledged where it is, and of every amount
///
/// Messages are counted; charges and requests are counted and summed by currency. With --kafka-bootstrap and --registry-url what
/// was acknowledged is taken from the topics, record by record; without, only the accounts of visits are shown.
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct Books {
    /// Control totals of senders to hold the accounts against
    #[arg(long, alias = "control", value_name = "FILE")]
    control_total: Option<PathBuf>,
    /// Flows are looked at from this time on; or how long ago, such as 12h
    #[arg(long, value_name = "TIME", default_value = "31d", value_parser = since)]
    since: Timestamp,
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

/// What the command line comes to.
struct Ready {
    ledgers: ServiceUrl,
    cluster: Option<(KafkaSettings, ServiceUrl)>,
    control: Option<Control>,
}

pub(crate) fn run(command: &Books) -> ExitCode {
    let ready = match command.ready() {
        Ok(ready) => ready,
        Err(mistakes) => return fail(&mistakes.join("\n"), USAGE),
    };
    reported(command.look(ready), Failed::is_away, command.json, |report| report.balances)
}

impl Books {
    fn ready(&self) -> Result<Ready, Vec<String>> {
        let mut mistakes = Vec::new();
        let ledgers = database(self.postgres_url.as_deref(), self.postgres_password_file.as_deref());
        let ledgers = ledgers.map_err(|mistake| mistakes.push(mistake)).ok();
        let control = self.control().map_err(|mistake| mistakes.push(mistake)).ok();
        let cluster = match self.cluster.kafka() {
            Ok(None) => Some(None),
            Ok(Some(_)) => self.cluster.settings().map_err(|more| mistakes.extend(more)).ok().map(Some),
            Err(mistake) => {
                mistakes.push(mistake);
                None
            }
        };
        match (ledgers, control, cluster) {
            (Some(ledgers), Some(control), Some(cluster)) => Ok(Ready { ledgers, cluster, control }),
            _ => Err(mistakes),
        }
    }

    fn control(&self) -> Result<Option<Control>, String> {
        let Some(file) = &self.control_total else { return Ok(None) };
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("--control-total cannot be read: {error}"))?;
        let control = Control::parse(&text);
        control.map(Some).map_err(|error| format!("--control-total: {}", crate::chain(&error)))
    }

    async fn look(&self, ready: Ready) -> Result<Report, Failed> {
        let Ready { ledgers, cluster, control } = ready;
        let told = &mut |text: &str| progress(text);
        let Some((kafka, registry)) = cluster else {
            return books::books(&ledgers, None, control, told).await;
        };
        let registry = Registry::new(&registry);
        let registry =
            registry.map_err(|error| BrokerError::caused("the registry cannot be asked", error))?;
        let topics = Topics { kafka: &kafka, registry: &registry, since: self.since };
        books::books(&ledgers, Some(&topics), control, told).await
    }
}
