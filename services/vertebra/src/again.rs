//! The command that has messages translated again, or any records folded again by themselves.

use crate::following::since;
use crate::operate::{database, said};
use crate::{USAGE, fail, reported};
use backbone::postgres::operate::Asker;
use backbone::settings::{ServiceUrl, duration};
use backbone::wish::Chosen;
use canon::{ServiceName, Timestamp};
use clap::{Args, Subcommand};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use vertebra::ledger::again::{self, Pace, Report, Wished};
use vertebra::ledger::{LedgerError, open};

const HELP: &str = "Exit codes:
  0  every lane has answered: it was done, or counted
  1  a record was rejected, or a lane refused or has not answered; the page says which
  2  the command line makes no sense, or the database has no such ledger or processor
  3  PostgreSQL does not answer

Without --yes nothing is changed: the page tells which messages, what of their facts would change, by topic with sums of money, and
names the facts. With --yes one lane goes first, and the others, one after another, only when nothing was rejected there; facts go out
at most --rate a second, taken over a lane. What comes in meanwhile waits behind it.

Example, after the mapping of a sender was corrected. First what would change, then the same with --yes:
  vertebra raw replay --sender north --since 2025-03-10T00:00:00Z --until 2025-03-13T07:30:00Z \\
      --by jo --because 'DG1 of north was read as admitting'

  records     folded again: those of the topic that were chosen, by the topic's time
  unchanged   facts that say what they said; corrected, recorded, withdrawn: those that do not, and go out
  parked      records that wait for a person and stay where they are
  rejected    records that cannot be folded now; what they stated before stays";

#[derive(Debug, Subcommand)]
pub(crate) enum RawCommand {
    Replay(Replay),
}

/// Have messages translated again after a mapping was corrected, and publish what differs
///
/// What was said right is not said again; what was wrong is corrected, and what should never have been said is withdrawn, and
/// downstream corrects itself: a wrong price becomes a credit note and a new line. Run it once the corrected sender's file, or the new
/// release, is in force. The service does it, lane by lane, while this waits. It works for every projection that folds each record by
/// itself: --service, --processor and --topic name another one.
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct Replay {
    /// Only messages of this sender; of events between services, of this service
    #[arg(long, value_name = "NAME")]
    sender: Option<String>,
    /// Not those before this time, the topic's; or how long ago, such as 36h
    #[arg(long, value_name = "TIME", value_parser = since, required_unless_present = "asked")]
    since: Option<Timestamp>,
    /// Not those of this time and later
    #[arg(long, value_name = "TIME", value_parser = since)]
    until: Option<Timestamp>,
    /// The service whose projection it is
    #[arg(long, value_name = "NAME", default_value = "ehr-adapter")]
    service: ServiceName,
    /// The projection
    #[arg(long, value_name = "NAME", default_value = "hl7-translation")]
    processor: String,
    /// The topic whose records are folded again
    #[arg(long, value_name = "TOPIC", default_value = "raw.hl7v2.v1")]
    topic: String,
    /// Only tell what would change, as without --yes
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Do it; without, only tell what would change
    #[arg(long)]
    yes: bool,
    /// Facts that go out a second, at most
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Go on though something was rejected in the first lane
    #[arg(long, requires = "yes")]
    despite_rejected: bool,
    /// Who says so
    #[arg(long, env = "USER", value_name = "PERSON", value_parser = said, required_unless_present = "asked")]
    by: Option<String>,
    /// Why: what was corrected
    #[arg(long, value_name = "TEXT", value_parser = said, required_unless_present = "asked")]
    because: Option<String>,
    /// Wish nothing new: wait on for what was wished before, by the numbers that were told then
    #[arg(long, value_name = "N,…", value_delimiter = ',',
        conflicts_with_all = ["sender", "since", "until", "yes", "dry_run", "because"])]
    asked: Vec<i64>,
    /// How long to wait for the lanes that are asked at a time; what they have not answered by then stays wished
    #[arg(long, value_name = "DURATION", default_value = "600s", value_parser = patience)]
    timeout: Duration,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Database of the ledger, postgres://user@host:5432/name
    #[arg(
        long,
        env = "VERTEBRA_POSTGRES_URL",
        value_name = "URL",
        hide_env_values = true,
        help_heading = "Ledger"
    )]
    postgres_url: Option<String>,
    /// File of the password, when the URL holds none
    #[arg(long, env = "VERTEBRA_POSTGRES_PASSWORD_FILE", value_name = "FILE", help_heading = "Ledger")]
    postgres_password_file: Option<PathBuf>,
}

pub(crate) fn run(command: &Replay) -> ExitCode {
    let url = database(command.postgres_url.as_deref(), command.postgres_password_file.as_deref());
    let url = match url {
        Ok(url) => url,
        Err(mistake) => return fail(&mistake, USAGE),
    };
    reported(command.ask(url), LedgerError::is_away, command.json, Report::is_clean)
}

impl Replay {
    async fn ask(&self, url: ServiceUrl) -> Result<Report, LedgerError> {
        let store = open(url, self.service.as_str()).await?;
        let Some((wished, asker)) = self.wished() else {
            let asked = again::asked(&store, &self.asked).await?;
            return Ok(again::wait(&store, asked, self.timeout, progress).await);
        };
        if self.yes {
            let pace =
                Pace { rate: self.rate, patience: self.timeout, despite_rejected: self.despite_rejected };
            return again::carry_out(&store, &wished, asker, pace, progress).await;
        }
        let asked = again::ask(&store, &wished, None, asker).await?;
        let wishes: Vec<String> = asked.iter().map(|seen| seen.id.to_string()).collect();
        progress(&format!("asked {} lanes, under the numbers {}", wishes.len(), wishes.join(",")));
        Ok(again::wait(&store, asked, self.timeout, progress).await)
    }

    /// What is wished anew; clap has seen to it that all of it is there, or none.
    fn wished(&self) -> Option<(Wished<'_>, Asker<'_>)> {
        let chosen = Chosen { since: self.since?, until: self.until, sender: self.sender.clone() };
        let asker = Asker { by: self.by.as_deref()?, because: self.because.as_deref()? };
        let (processor, topic) = (self.processor.as_str(), self.topic.as_str());
        Some((Wished { processor, topic, chosen, dry_run: !self.yes }, asker))
    }
}

/// Whoever waits sees it; it is no part of the report.
pub(crate) fn progress(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

pub(crate) fn patience(text: &str) -> Result<Duration, String> {
    duration(text).map_err(|wrong| format!("it is not {}", wrong.expects))
}
