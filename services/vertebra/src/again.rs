//! The command that has records folded again.

use crate::operate::{Place, said};
use crate::{USAGE, fail, reported};
use backbone::postgres::operate::Asker;
use backbone::settings::{ServiceUrl, duration};
use canon::Timestamp;
use clap::Args;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;
use vertebra::ledger::again::{self, Report, Wished};
use vertebra::ledger::{LedgerError, open};

const HELP: &str = "Exit codes:
  0  every lane has answered: it was done, or counted
  1  a record was rejected, or a lane refused or has not answered; the page says which
  2  the command line makes no sense, or the database has no such ledger or processor
  3  PostgreSQL does not answer

Example, after the mapping of a sender was corrected. First what would change, then the same with --yes:
  vertebra again --service ehr-adapter --processor hl7-translation --topic raw.hl7v2.v1 \\
      --since 2025-03-10T00:00:00Z --by jo --because 'DG1 of north was read as admitting'

  records     folded again: those of the topic since then, by the topic's time
  unchanged   facts that say what they said; corrected, recorded, withdrawn: those that do not, and go out
  parked      records that wait for a person and stay where they are
  rejected    records that cannot be folded now; what they stated before stays";

/// Have a projection fold the records of a topic again, and publish what differs
///
/// For projections that fold each record by itself, such as the translation: run it after a mapping was corrected and the
/// new release runs. The service does it, lane by lane, while this waits: what comes in meanwhile waits behind it. Without
/// --yes it is only counted.
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct Again {
    /// The projection
    #[arg(long, value_name = "NAME", required_unless_present = "asked")]
    processor: Option<String>,
    /// The topic whose records are folded again
    #[arg(long, value_name = "TOPIC", required_unless_present = "asked")]
    topic: Option<String>,
    /// Records before this time (the topic's) are left alone
    #[arg(long, value_name = "TIME", required_unless_present = "asked")]
    since: Option<Timestamp>,
    /// Do it; without, only count what would change
    #[arg(long)]
    yes: bool,
    /// Who says so
    #[arg(long, env = "USER", value_name = "PERSON", value_parser = said, required_unless_present = "asked")]
    by: Option<String>,
    /// Why: what was corrected
    #[arg(long, value_name = "TEXT", value_parser = said, required_unless_present = "asked")]
    because: Option<String>,
    /// Wish nothing new: wait on for what was wished before, by the numbers that were told then
    #[arg(long, value_name = "N,…", value_delimiter = ',',
        conflicts_with_all = ["processor", "topic", "since", "yes", "because"])]
    asked: Vec<i64>,
    /// How long to wait for the lanes; what they have not answered by then stays wished
    #[arg(long, value_name = "DURATION", default_value = "600s", value_parser = patience)]
    timeout: Duration,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

pub(crate) fn run(command: &Again) -> ExitCode {
    let url = match command.place.url() {
        Ok(url) => url,
        Err(mistake) => return fail(&mistake, USAGE),
    };
    reported(command.ask(url), LedgerError::is_away, command.json, Report::is_clean)
}

impl Again {
    async fn ask(&self, url: ServiceUrl) -> Result<Report, LedgerError> {
        let store = open(url, self.place.service.as_str()).await?;
        let asked = match self.wished() {
            None => again::asked(&store, &self.asked).await?,
            Some((wished, asker)) => {
                let asked = again::ask(&store, &wished, asker).await?;
                let wishes: Vec<String> = asked.iter().map(|seen| seen.id.to_string()).collect();
                progress(&format!("asked {} lanes, under the numbers {}", wishes.len(), wishes.join(",")));
                asked
            }
        };
        Ok(again::wait(&store, asked, self.timeout, progress).await)
    }

    /// What is wished anew; clap has seen to it that all of it is there, or none.
    fn wished(&self) -> Option<(Wished<'_>, Asker<'_>)> {
        let dry_run = !self.yes;
        let (processor, topic) = (self.processor.as_deref()?, self.topic.as_deref()?);
        let asker = Asker { by: self.by.as_deref()?, because: self.because.as_deref()? };
        Some((Wished { processor, topic, since: self.since?, dry_run }, asker))
    }
}

/// Whoever waits sees it; it is no part of the report.
pub(crate) fn progress(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

pub(crate) fn patience(text: &str) -> Result<Duration, String> {
    duration(text).map_err(|wrong| format!("it is not {}", wrong.expects))
}
