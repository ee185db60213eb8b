//! The commands that look into a service's ledger.

use crate::deciding::{Decide, Edit, Show};
use crate::following::since;
use crate::paint;
use crate::{USAGE, fail, reported};
use backbone::postgres::PostgresStore;
use backbone::postgres::operate::Asker;
use backbone::settings::{Secret, ServiceUrl};
use canon::{ServiceName, Timestamp};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::error::Error;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use vertebra::ledger::{LedgerError, codes, lanes, open, parked, sources};

const CODES: &str = "Exit codes:
  0  nothing waits for a person; or it was done
  1  something waits for a person, and is listed; or there was nothing to be done
  2  the command line makes no sense, or the database has no such ledger or lane
  3  PostgreSQL does not answer";

const APPROVE: &str = "Exit codes:
  0  it goes on within a minute or so
  1  it does not ask, or more is gone than --gone says; nothing was done
  2  the command line makes no sense, or the database has no such ledger
  3  PostgreSQL does not answer

Example:
  vertebra source list --service odoo-poller
  vertebra source approve --service odoo-poller --source odoo-items --kind product.product --gone 120 \\
      --by jo --because 'supply chain has archived the old catalogue'";

#[derive(Debug, Subcommand)]
pub(crate) enum CodesCommand {
    /// List codes, items and senders that parked inputs wait for
    ///
    /// They go on by themselves once the code comes: see docs/runbooks/unmapped-codes.md.
    #[command(after_help = CODES)]
    Unmapped(Look),
}

#[derive(Debug, Subcommand)]
pub(crate) enum LanesCommand {
    /// List the lanes, who works them, and why some are stopped
    #[command(after_help = CODES)]
    List(Look),
    /// Let a lane go on that its breaker has stopped
    ///
    /// Repair what it was stopped over first: else it stops again, and parks more until then. See
    /// docs/runbooks/lane-stopped.md.
    #[command(after_help = CODES)]
    Resume(Resume),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ParkedCommand {
    /// Give parked inputs up, for good; what waits behind one of them goes on
    Discard(Decide),
    /// Put another message in the place of a parked one, and have it tried
    Edit(Edit),
    /// List what is parked, by reason, key and sender; nothing of what was parked is shown
    #[command(after_help = CODES)]
    List(List),
    /// Have parked inputs tried again, each with what waits behind it
    Redrive(Decide),
    /// Have parked inputs tried that wait for a row of a table, though the row has not come
    ///
    /// What waits for a code, an item or a sender's file goes on by itself once that comes. This is `redrive` of such inputs only, for
    /// the case that nobody needs to wait any longer: the mapping was changed so that the row is not looked up any more, or the row came
    /// under another key. What still misses it parks again. Without --id, --reason, --sender, --key and --processor it is all of them.
    Release(Decide),
    /// Show one parked input: where it is from, and what waits behind it
    Show(Show),
}

#[derive(Debug, Subcommand)]
pub(crate) enum SourceCommand {
    /// Let a source go on that has stopped, since much of what it knew is gone
    ///
    /// Ask whoever answers for those rows first: what is withdrawn, everybody downstream forgets. It holds once, and for
    /// up to so many rows; when they come back meanwhile, nothing is withdrawn. See docs/runbooks/odoo-down.md.
    #[command(after_help = APPROVE)]
    Approve(Approve),
    /// List what the sources know, what of it they cannot state, and what they ask
    #[command(after_help = CODES)]
    List(Look),
}

/// Who decides, and why.
#[derive(Args, Debug)]
pub(crate) struct Who {
    /// Who says so
    #[arg(long, env = "USER", value_name = "PERSON", value_parser = said)]
    by: String,
    /// Why; kept for good: name no patient
    #[arg(long, value_name = "TEXT", value_parser = said)]
    because: String,
}

impl Who {
    pub(crate) fn asker(&self) -> Asker<'_> {
        Asker { by: &self.by, because: &self.because }
    }
}

/// Whether it is done, and then by whom and why.
#[derive(Args, Debug)]
pub(crate) struct Yes {
    /// Do it; without, only tell what would be done
    #[arg(long, requires = "by", requires = "because")]
    yes: bool,
    /// Who says so
    #[arg(long, env = "USER", value_name = "PERSON", value_parser = said)]
    by: Option<String>,
    /// Why; kept for good: name no patient
    #[arg(long, value_name = "TEXT", value_parser = said)]
    because: Option<String>,
}

impl Yes {
    /// Who has it done; nobody, where it is only to be told what would be.
    pub(crate) fn asker(&self) -> Option<Asker<'_>> {
        let asker = Asker { by: self.by.as_deref()?, because: self.because.as_deref()? };
        self.yes.then_some(asker)
    }
}

/// Which ledger.
#[derive(Args, Debug)]
#[command(next_help_heading = "Ledger")]
pub(crate) struct Place {
    /// The service whose ledger it is
    #[arg(long, value_name = "NAME")]
    pub(crate) service: ServiceName,
    /// Database of the ledger, postgres://user@host:5432/name
    #[arg(long, env = "VERTEBRA_POSTGRES_URL", value_name = "URL", hide_env_values = true)]
    postgres_url: Option<String>,
    /// File of the password, when the URL holds none
    #[arg(long, env = "VERTEBRA_POSTGRES_PASSWORD_FILE", value_name = "FILE")]
    postgres_password_file: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Look {
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Which parked inputs: those that are all of this.
#[derive(Args, Clone, Debug)]
pub(crate) struct Which {
    /// Those parked for this reason, such as missing or invalid
    #[arg(long)]
    reason: Option<String>,
    /// Those of this sender; of events between services, of this service
    #[arg(long)]
    sender: Option<String>,
    /// Those under this key
    #[arg(long)]
    key: Option<String>,
    /// Those of this projection or sink
    #[arg(long, value_name = "NAME")]
    processor: Option<String>,
    /// Those parked at this time or later, such as 2026-03-01T02:00:00Z, or 6h for six hours ago: with --until, those of an incident
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
    /// Those parked before this time
    #[arg(long, value_name = "TIME", value_parser = since)]
    until: Option<Timestamp>,
}

impl Which {
    pub(crate) fn filter(&self, waits: bool) -> parked::Filter {
        let Self { reason, sender, key, processor, since, until } = self.clone();
        parked::Filter { reason, sender, key, processor, since, until, waits }
    }

    /// Whether anything is chosen.
    pub(crate) fn chooses(&self) -> bool {
        let Self { reason, sender, key, processor, since, until } = self;
        let texts = [reason, sender, key, processor];
        texts.iter().any(|text| text.is_some()) || since.is_some() || until.is_some()
    }
}

#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    which: Which,
    /// How many are listed one by one; all are counted
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Resume {
    #[command(flatten)]
    place: Place,
    /// The projection or sink
    #[arg(long, value_name = "NAME")]
    processor: String,
    /// The lane's number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    lane: i32,
    /// Who says so
    #[arg(long, env = "USER", value_name = "PERSON", value_parser = said)]
    by: String,
    /// Why it may go on: what was repaired
    #[arg(long, value_name = "TEXT", value_parser = said)]
    because: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Approve {
    /// The source
    #[arg(long, value_name = "NAME")]
    source: String,
    /// The kind of rows, as `source list` and the log call it
    #[arg(long, value_name = "KIND")]
    kind: String,
    /// How many rows may go
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    gone: i64,
    /// Who says so
    #[arg(long, env = "USER", value_name = "PERSON", value_parser = said)]
    by: String,
    /// Why they are gone, and who said that they may be
    #[arg(long, value_name = "TEXT", value_parser = said)]
    because: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// A command of this kind.
pub(crate) enum Command<'a> {
    Approve(&'a Approve),
    Lanes(&'a Look),
    Parked(&'a List),
    Resume(&'a Resume),
    Sources(&'a Look),
    Unmapped(&'a Look),
}

/// What is to be printed, and whether a person has something to do.
pub(crate) struct Told {
    pub(crate) text: String,
    pub(crate) waits: bool,
}

/// Why nothing was told.
pub(crate) enum Failed {
    /// Everything that is wrong with what we were told.
    Usage(Vec<String>),
    Ledger(LedgerError),
}

pub(crate) fn run(command: Command<'_>) -> Result<Told, Failed> {
    let (place, json) = match &command {
        Command::Approve(approve) => (&approve.place, approve.json),
        Command::Lanes(look) | Command::Sources(look) | Command::Unmapped(look) => (&look.place, look.json),
        Command::Parked(list) => (&list.place, list.json),
        Command::Resume(resume) => (&resume.place, resume.json),
    };
    let url = place.url().map_err(|mistake| Failed::Usage(vec![mistake]))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failed::Usage(vec![error.to_string()]))?;
    let work = async {
        let store = open(url, place.service.as_str()).await?;
        Ok(match command {
            Command::Approve(asked) => {
                let asker = Asker { by: &asked.by, because: &asked.because };
                let done = sources::approve(&store, &asked.source, &asked.kind, asked.gone, asker).await?;
                told(&done, json, !done.approved)
            }
            Command::Lanes(_) => {
                let lanes = lanes::list(&store).await?;
                told(&lanes, json, !lanes.all_work())
            }
            Command::Parked(list) => {
                let found = parked::list(&store, &list.which.filter(false), list.limit).await?;
                told(&found, json, !found.reasons.is_empty())
            }
            Command::Resume(resume) => {
                let asker = Asker { by: &resume.by, because: &resume.because };
                let done = lanes::resume(&store, &resume.processor, resume.lane, asker).await?;
                told(&done, json, !done.resumed)
            }
            Command::Sources(_) => {
                let found = sources::list(&store).await?;
                told(&found, json, !found.are_well())
            }
            Command::Unmapped(_) => {
                let found = codes::unmapped(&store).await?;
                told(&found, json, !found.codes.is_empty())
            }
        })
    };
    runtime.block_on(work).map_err(Failed::Ledger)
}

impl Place {
    pub(crate) fn url(&self) -> Result<ServiceUrl, String> {
        database(self.postgres_url.as_deref(), self.postgres_password_file.as_deref())
    }
}

/// Where the ledgers are.
pub(crate) fn database(url: Option<&str>, password_file: Option<&Path>) -> Result<ServiceUrl, String> {
    let Some(url) = url else {
        return Err("--postgres-url is missing (or VERTEBRA_POSTGRES_URL)".to_owned());
    };
    let url = ServiceUrl::parse(url, &["postgres", "postgresql"])
        .map_err(|wrong| format!("--postgres-url is not {}", wrong.expects))?;
    let Some(file) = password_file else { return Ok(url) };
    if url.has_password() {
        return Err(
            "the URL holds a password and --postgres-password-file gives one too: leave one out".to_owned()
        );
    }
    let password = std::fs::read_to_string(file)
        .map_err(|error| format!("--postgres-password-file cannot be read: {error}"))?;
    Ok(url.with_password(&Secret::new(password.trim_end())))
}

fn told(report: &(impl Display + Serialize), json: bool, waits: bool) -> Told {
    let text = match json {
        true => serde_json::to_string_pretty(report).unwrap_or_default(),
        false => paint::page(report.to_string()),
    };
    Told { text, waits }
}

/// Opens the ledger, does the work in it, and reports.
pub(crate) fn in_ledger<T, E>(
    place: &Place,
    work: impl AsyncFnOnce(PostgresStore) -> Result<T, E>,
    is_away: impl Fn(&E) -> bool,
    json: bool,
    is_clean: impl Fn(&T) -> bool,
) -> ExitCode
where
    T: Display + Serialize,
    E: Error + From<LedgerError>,
{
    let url = match place.url() {
        Ok(url) => url,
        Err(mistake) => return fail(&mistake, USAGE),
    };
    let work = async { work(open(url, place.service.as_str()).await?).await };
    reported(work, is_away, json, is_clean)
}

/// Words, since a reason that says nothing is none.
pub(crate) fn said(text: &str) -> Result<String, &'static str> {
    match text.trim() {
        "" => Err("it says nothing"),
        text => Ok(text.to_owned()),
    }
}
