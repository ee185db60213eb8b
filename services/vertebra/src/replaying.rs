//! The commands about rebuilds beside what is live.

use crate::again::{patience, progress};
use crate::cluster::Cluster;
use crate::operate::{Place, Who, in_ledger, said};
use crate::{USAGE, fail};
use backbone::postgres::PostgresStore;
use backbone::postgres::operate::Asker;
use backbone::wish::CutOver;
use clap::{Args, Subcommand};
use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;
use vertebra::ledger::replay::{self, Changed, Plan, Rebuild, ReplayError, Run, Verified};

const CODES: &str = "Exit codes:
  0  it is done, or nothing speaks against it; of verify: nothing differs
  1  something differs, speaks against it, or is not through; the page says what
  2  the command line makes no sense, or there is no such ledger, projection or rebuild
  3  PostgreSQL or Kafka does not answer";

const WAY: &str = "The way, after a release that folds otherwise runs (or a code table was corrected, with --tables now):
  vertebra replay plan --service billing-projector --processor billing-case
  vertebra replay run --service billing-projector --processor billing-case --by jo --because 'the bill hold was wrong'
  vertebra replay verify --service billing-projector --replay 1
  vertebra replay cutover --service billing-projector --replay 1 --by jo --because 'as verified'
  vertebra replay rollback --service billing-projector --replay 1 --by jo --because 'the old one was right'
  vertebra replay retire --service billing-projector --replay 1 --by jo --because 'it is settled'

Projections that remember nothing, such as the translation of messages, need none of it: `vertebra raw replay`.";

#[derive(Debug, Subcommand)]
pub(crate) enum ReplayCommand {
    /// Put a rebuild's state in the place of what is live, lane by lane, and publish what differs
    ///
    /// Each lane stands still until the rebuild has followed it, and is changed over in one step. What was live goes on being
    /// folded beside it, so that `rollback` is the same step back. Shows first what would be stated; asks a person, or wants
    /// --yes-because.
    #[command(after_help = CODES)]
    Cutover(Cut),
    /// List rebuilds and how far they have come
    #[command(after_help = CODES)]
    List(List),
    /// Tell what a rebuild would take, and what could follow from it
    ///
    /// With --kafka-bootstrap it is also held against what the topics still hold: what retention has cut cannot be rebuilt.
    #[command(after_help = CODES)]
    Plan(Planned),
    /// Throw a rebuild away
    ///
    /// After it no rollback is possible. One that was never cut over to leaves no trace.
    #[command(after_help = CODES)]
    Retire(Ended),
    /// Put what was live before a cutover back, and publish what differs
    #[command(after_help = CODES)]
    Rollback(Cut),
    /// Rebuild a projection beside the live one; nothing is published
    ///
    /// The running service does it, by its own release and configuration, along the journal of what was folded: it goes on
    /// where it stopped, and once it has caught up it keeps up.
    #[command(after_help = WAY)]
    Run(Begun),
    /// Show what a rebuild has otherwise than what is live, by name, and what caused it
    #[command(after_help = CODES)]
    Verify(Looked),
}

#[derive(Args, Debug)]
pub(crate) struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Args, Debug)]
pub(crate) struct Planned {
    /// The projection
    #[arg(long, value_name = "NAME")]
    processor: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    cluster: Cluster,
}

/// As of when master data is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Tables {
    /// As it was when each input was folded
    Then,
    /// As it is now
    Now,
}

#[derive(Args, Debug)]
pub(crate) struct Begun {
    /// The projection
    #[arg(long, value_name = "NAME")]
    processor: String,
    /// As of when master data (code tables, senders' files, items) is looked up
    #[arg(long, value_enum, default_value_t = Tables::Then)]
    tables: Tables,
    /// Records a second, at most; without, as fast as it goes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// How long to wait until it has caught up; it goes on in any case
    #[arg(long, value_name = "DURATION", default_value = "600s", value_parser = patience)]
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
pub(crate) struct Looked {
    /// The rebuild's number, as `run` and `list` tell it
    #[arg(long, value_name = "N")]
    replay: i64,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Args, Debug)]
pub(crate) struct Cut {
    /// The rebuild's number, as `run` and `list` tell it
    #[arg(long, value_name = "N")]
    replay: i64,
    /// Only this lane; without, one after another
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    lane: Option<i32>,
    /// Only show what would be stated
    #[arg(long, conflicts_with = "yes_because")]
    dry_run: bool,
    /// Do it without asking a person: why that is right
    #[arg(long, value_name = "TEXT", value_parser = said)]
    yes_because: Option<String>,
    /// How long to wait for each lane
    #[arg(long, value_name = "DURATION", default_value = "120s", value_parser = patience)]
    timeout: Duration,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Who says so
    #[arg(long, env = "USER", value_name = "PERSON", value_parser = said)]
    by: String,
    /// Why; name no patient
    #[arg(long, value_name = "TEXT", value_parser = said, required_unless_present = "yes_because")]
    because: Option<String>,
    #[command(flatten)]
    place: Place,
}

#[derive(Args, Debug)]
pub(crate) struct Ended {
    /// The rebuild's number, as `run` and `list` tell it
    #[arg(long, value_name = "N")]
    replay: i64,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    place: Place,
}

pub(crate) fn run(command: &ReplayCommand) -> ExitCode {
    match command {
        ReplayCommand::Cutover(cut) => change(cut, false),
        ReplayCommand::List(list) => {
            let work = async |store: PostgresStore| replay::list(&store).await;
            in_ledger(&list.place, work, ReplayError::is_away, list.json, |list| {
                list.replays.iter().all(Rebuild::is_well)
            })
        }
        ReplayCommand::Plan(plan) => match plan.cluster.kafka() {
            Err(mistake) => fail(&mistake, USAGE),
            Ok(kafka) => {
                let work =
                    async |store: PostgresStore| replay::plan(&store, &plan.processor, kafka.as_ref()).await;
                in_ledger(&plan.place, work, ReplayError::is_away, plan.json, Plan::can_be_done)
            }
        },
        ReplayCommand::Retire(ended) => {
            let work =
                async |store: PostgresStore| replay::retire(&store, ended.replay, ended.who.asker()).await;
            in_ledger(&ended.place, work, ReplayError::is_away, ended.json, |done| done.retired)
        }
        ReplayCommand::Rollback(cut) => change(cut, true),
        ReplayCommand::Run(begun) => {
            let work = async |store: PostgresStore| {
                let run = Run {
                    processor: &begun.processor,
                    with_tables_of_now: begun.tables == Tables::Now,
                    rate: begun.rate,
                };
                let id = replay::start(&store, run, begun.who.asker()).await?;
                progress(&format!("asked for, under the number {id}"));
                replay::wait(&store, id, begun.timeout, progress).await
            };
            in_ledger(&begun.place, work, ReplayError::is_away, begun.json, Rebuild::is_well)
        }
        ReplayCommand::Verify(looked) => {
            let work = async |store: PostgresStore| replay::verify(&store, looked.replay).await;
            in_ledger(&looked.place, work, ReplayError::is_away, looked.json, Verified::is_same)
        }
    }
}

/// Shows what would be stated, asks, and does it.
fn change(cut: &Cut, back: bool) -> ExitCode {
    let work = async |store: PostgresStore| {
        let because = cut.yes_because.as_deref().or(cut.because.as_deref()).unwrap_or_default();
        let asker = Asker { by: &cut.by, because };
        let wish = |dry_run| CutOver { replay: cut.replay, back, dry_run };
        let would = replay::cut_over(&store, wish(true), cut.lane, asker, cut.timeout, progress).await?;
        if cut.dry_run || !would.is_done() || (cut.yes_because.is_none() && !agreed(&would)) {
            return Ok(would);
        }
        replay::cut_over(&store, wish(false), cut.lane, asker, cut.timeout, progress).await
    };
    let is_done = |changed: &Changed| changed.is_done() && (cut.dry_run || !changed.dry_run);
    in_ledger(&cut.place, work, ReplayError::is_away, cut.json, is_done)
}

/// Whether a person says yes to what would be done. Where nobody can, nobody does.
fn agreed(would: &Changed) -> bool {
    if !io::stdin().is_terminal() {
        progress("nothing was done: there is nobody to ask. Say --yes-because, or --dry-run");
        return false;
    }
    let _ = write!(io::stderr(), "{would}\nDo it? Type yes: ");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).is_ok() && answer.trim() == "yes"
}
