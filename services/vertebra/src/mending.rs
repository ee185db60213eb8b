//! The commands about a topic that was damaged.

use crate::cluster::Cluster;
use crate::operate::{Place, Yes};
use crate::{USAGE, fail, reported};
use backbone::kafka::Admin;
use clap::{Args, Subcommand};
use std::process::ExitCode;
use vertebra::ledger::damage::{self, DamageError};
use vertebra::ledger::open;

const CODES: &str = "Exit codes:
  0  nothing is amiss, or it was done, or counted
  1  lanes stand outside of what the topic holds, and were left there since --yes was not said
  2  the command line makes no sense, or the service does not write the topic
  3  Kafka or PostgreSQL does not answer

Example, after somebody cut off what billing had not read. First its lanes, then the producer says it once more:
  vertebra topic reread --service billing-projector --topic billing.charge.v1 --by jo --because 'ticket 4711' --yes
  vertebra topic restate --service ehr-adapter --topic billing.charge.v1 --by jo --because 'ticket 4711' --yes";

#[derive(Debug, Subcommand)]
pub(crate) enum TopicCommand {
    /// Have lanes that stand outside of what a topic holds read it from where it begins
    ///
    /// Lanes that stand within are left alone. What they know they drop. See docs/runbooks/topic-was-damaged.md.
    #[command(after_help = CODES)]
    Reread(Asked),
    /// Have a topic's one producer publish once more what it said last of every fact
    ///
    /// Under the ids and versions that it gave, so that readers drop what they know. Contents that were corrected since are not
    /// said again.
    #[command(after_help = CODES)]
    Restate(Asked),
}

#[derive(Args, Debug)]
pub(crate) struct Asked {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    cluster: Cluster,
    /// The topic
    #[arg(long, value_name = "TOPIC")]
    topic: String,
    #[command(flatten)]
    yes: Yes,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: &TopicCommand) -> ExitCode {
    let (TopicCommand::Reread(asked) | TopicCommand::Restate(asked)) = command;
    let asker = asked.yes.asker();
    let url = match asked.place.url() {
        Ok(url) => url,
        Err(mistake) => return fail(&mistake, USAGE),
    };
    let service = asked.place.service.as_str();
    match command {
        TopicCommand::Restate(_) => {
            let work =
                async { damage::restate(&open(url, service).await?, service, &asked.topic, asker).await };
            reported(work, DamageError::is_away, asked.json, |_| true)
        }
        TopicCommand::Reread(_) => {
            let kafka = match asked.cluster.kafka() {
                Ok(Some(kafka)) => kafka,
                Ok(None) => return fail("--kafka-bootstrap is missing (or VERTEBRA_KAFKA_BOOTSTRAP)", USAGE),
                Err(mistake) => return fail(&mistake, USAGE),
            };
            let work = async {
                let admin = Admin::new(&kafka)?;
                damage::reread(&open(url, service).await?, &admin, &asked.topic, asker).await
            };
            reported(work, DamageError::is_away, asked.json, |reread| reread.done || reread.lanes.is_empty())
        }
    }
}
