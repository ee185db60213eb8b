//! The commands by which a person decides about parked inputs.

use crate::again::{patience, progress};
use crate::operate::{Place, Which, Who, in_ledger, said};
use crate::{USAGE, fail};
use backbone::postgres::PostgresStore;
use backbone::postgres::operate::Asker;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use vertebra::ledger::LedgerError;
use vertebra::ledger::decide::{self, Pace, Report, Verb};

const HELP: &str = "Exit codes:
  0  all that was chosen was done, or counted
  1  something was rejected again, is parked no longer, or a lane refused or has not answered; the page says which
  2  the command line makes no sense, or the database has no such ledger or input
  3  PostgreSQL does not answer

Without --yes nothing is changed: the lanes' owners tell what would come of it (a sink only how many it would try). With --yes one
input is tried again first, and the others, at most --rate a second, only if it went through; what is given up is given up without such a
trial. The service has to run.

Example, after a release that could not read a segment was mended:
  vertebra parked redrive --service ehr-adapter --reason invalid --sender north --by jo --because 'ZPI is read now'
  vertebra parked redrive --service ehr-adapter --reason invalid --sender north --by jo --because 'ZPI is read now' --yes";

const EDIT: &str = "Exit codes are those of `vertebra parked redrive`.

Only messages of raw.hl7v2.v1 are edited: what was made of one corrects itself. Both messages are kept, in the ledger, with who
says so and why. The message has to be the first of its key.

Example:
  vertebra parked show --service ehr-adapter --id 17 --reveal --by jo --because 'ticket 4711' > message.hl7
  vertebra parked edit --service ehr-adapter --id 17 --message message.hl7 --by jo --because 'ticket 4711: PV1-19 was cut off'";

/// Inputs are chosen by their numbers, or by what they have in common. Say at least one of --id, --reason, --sender, --key,
/// --processor, --since and --until.
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct Decide {
    /// The inputs with these numbers, as `parked list` tells them; what is tried again is named by the first of its key
    #[arg(long, value_name = "N,…", value_delimiter = ',', conflicts_with_all = ["reason", "sender", "key", "processor", "since", "until"])]
    id: Vec<i64>,
    #[command(flatten)]
    which: Which,
    /// Do it; without, only tell what would come of it
    #[arg(long)]
    yes: bool,
    /// Inputs a second, at most; what waits behind an input of the same key is tried with it, and counts
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// How long to wait for each answer
    #[arg(long, value_name = "DURATION", default_value = "120s", value_parser = patience)]
    timeout: Duration,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    place: Place,
}

#[derive(Args, Debug)]
#[command(after_help = EDIT)]
pub(crate) struct Edit {
    /// The message's number, as `parked list` tells it
    #[arg(long, value_name = "N")]
    id: i64,
    /// File of the message that takes its place; lines may end as they like
    #[arg(long, value_name = "FILE")]
    message: PathBuf,
    /// Do it; without, only tell what would come of it
    #[arg(long)]
    yes: bool,
    /// How long to wait for the answer
    #[arg(long, value_name = "DURATION", default_value = "120s", value_parser = patience)]
    timeout: Duration,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    place: Place,
}

#[derive(Args, Debug)]
pub(crate) struct Show {
    /// The input's number, as `parked list` tells it
    #[arg(long, value_name = "N")]
    id: i64,
    /// Show the message too: patients' data. Who asked for it and why is kept
    #[arg(long, requires = "because")]
    reveal: bool,
    /// Who asks
    #[arg(long, env = "USER", value_name = "PERSON", value_parser = said)]
    by: Option<String>,
    /// Why it has to be seen; name no patient
    #[arg(long, value_name = "TEXT", value_parser = said, requires = "by")]
    because: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

pub(crate) fn redrive(command: &Decide) -> ExitCode {
    command.run(Verb::Redrive, false)
}

pub(crate) fn release(command: &Decide) -> ExitCode {
    command.run(Verb::Redrive, true)
}

pub(crate) fn discard(command: &Decide) -> ExitCode {
    command.run(Verb::Discard, false)
}

pub(crate) fn edit(command: &Edit) -> ExitCode {
    let message = match std::fs::read(&command.message) {
        Ok(text) => segments(&text),
        Err(error) => return fail(&format!("--message cannot be read: {error}"), USAGE),
    };
    let pace = Pace { dry_run: !command.yes, rate: 1, patience: command.timeout };
    let work = async |store: PostgresStore| {
        decide::edit(&store, command.id, message.clone(), command.who.asker(), pace).await
    };
    in_ledger(&command.place, work, LedgerError::is_away, command.json, Report::is_clean)
}

pub(crate) fn show(command: &Show) -> ExitCode {
    let asker = match (command.reveal, &command.by, &command.because) {
        (true, Some(by), Some(because)) => Some(Asker { by, because }),
        _ => None,
    };
    let work = async |store: PostgresStore| decide::show(&store, command.id, asker).await;
    in_ledger(&command.place, work, LedgerError::is_away, command.json, |_| true)
}

impl Decide {
    /// `waits`: only what waits for a row of a table, and all of that unless something is chosen.
    fn run(&self, verb: Verb, waits: bool) -> ExitCode {
        if !waits && self.id.is_empty() && !self.which.chooses() {
            return fail(
                "choose inputs: --id, --reason, --sender, --key, --processor, --since or --until",
                USAGE,
            );
        }
        let filter = self.which.filter(waits);
        let pace = Pace { dry_run: !self.yes, rate: self.rate, patience: self.timeout };
        let work = async |store: PostgresStore| {
            let chosen = decide::choose(&store, verb, &filter, &self.id).await?;
            decide::carry_out(&store, verb, &chosen, self.who.asker(), pace, progress).await
        };
        in_ledger(&self.place, work, LedgerError::is_away, self.json, Report::is_clean)
    }
}

/// HL7 ends a segment with CR alone; whoever edits a file ends lines as the machine does.
fn segments(text: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(text.len());
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            message.extend_from_slice(line);
            message.push(b'\r');
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::segments;

    #[track_caller]
    fn check(text: &str, message: &str) {
        assert_eq!(segments(text.as_bytes()), message.as_bytes());
    }

    #[test]
    fn lines_of_a_file_become_segments() {
        check("MSH|a\nPID|b\n", "MSH|a\rPID|b\r");
        check("MSH|a\r\nPID|b", "MSH|a\rPID|b\r");
        check("\nMSH|a\n\n", "MSH|a\r");
        check("MSH|a\rPID|b\r", "MSH|a\rPID|b\r");
    }
}
