//! The commands about what took effect in Odoo.

use crate::again::patience;
use crate::cluster::Cluster;
use crate::odoo_at::OdooPlace;
use crate::operate::{Place, Who};
use crate::{USAGE, fail, reported};
use backbone::registry::Registry;
use canon::Timestamp;
use clap::{Args, Subcommand};
use std::process::ExitCode;
use std::time::Duration;
use vertebra::ledger::effects::{self, EffectsError, Forgotten, Verified, World};
use vertebra::ledger::open;

const CODES: &str = "Exit codes:
  0  Odoo has them all; or what it has lost was, or would be, parked
  1  Odoo has lost some; or some were left as they are, or a lane has not answered: the page says which
  2  the command line makes no sense, or the database has no such ledger
  3  PostgreSQL, Kafka, the registry or Odoo does not answer

Example, after Odoo was restored from last night's backup. What is lost; have it parked; make it again:
  vertebra effects verify --service odoo-writer
  vertebra effects forget --service odoo-writer --since 2026-11-02T01:00:00Z --by jo --because 'restored, ticket 4711' --yes
  vertebra parked redrive --service odoo-writer --reason lost --by jo --because 'restored, ticket 4711' --yes

What a person deleted in Odoo is lost like any other: --since leaves what was made before the backup alone.";

#[derive(Debug, Subcommand)]
pub(crate) enum EffectsCommand {
    /// Have what Odoo has lost parked, so that it can be made again
    ///
    /// Nothing is made by it: `vertebra parked redrive` does that, one first. What Odoo has all the same is found there under its
    /// external id, and not made twice. See docs/runbooks/odoo-was-restored.md.
    #[command(after_help = CODES)]
    Forget(Forget),
    /// Look for every invoice and credit note in Odoo that the writer's ledger says was made
    #[command(after_help = CODES)]
    Verify(Verify),
}

#[derive(Args, Debug)]
pub(crate) struct Verify {
    #[command(flatten)]
    at: At,
    /// Only what was made since this time
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Forget {
    #[command(flatten)]
    at: At,
    /// Only what was made since this time: that of the backup, or a little earlier
    #[arg(long, value_name = "TIME")]
    since: Timestamp,
    /// Do it; without, only tell what would come of it
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    who: Who,
    /// How long to wait for the lanes
    #[arg(long, value_name = "DURATION", default_value = "120s", value_parser = patience)]
    timeout: Duration,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct At {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    cluster: Cluster,
    #[command(flatten)]
    odoo: OdooPlace,
}

pub(crate) fn run(command: &EffectsCommand) -> ExitCode {
    match command {
        EffectsCommand::Verify(asked) => {
            let work = async |world: World<'_>| effects::verify(world, asked.since).await;
            in_world(&asked.at, work, asked.json, |verified: &Verified| verified.lost.is_empty())
        }
        EffectsCommand::Forget(asked) => {
            let work = async |world: World<'_>| {
                effects::forget(world, asked.since, asked.who.asker(), !asked.yes, asked.timeout).await
            };
            in_world(&asked.at, work, asked.json, Forgotten::is_clean)
        }
    }
}

/// Opens everything, does the work, and reports.
fn in_world<T: std::fmt::Display + serde::Serialize>(
    at: &At,
    work: impl AsyncFnOnce(World<'_>) -> Result<T, EffectsError>,
    json: bool,
    is_clean: impl Fn(&T) -> bool,
) -> ExitCode {
    let odoo = at.odoo.settings().and_then(|settings| {
        settings.ok_or_else(|| "--odoo-url is missing (or VERTEBRA_ODOO_URL)".to_owned())
    });
    let odoo = odoo.and_then(|settings| odoo::Client::new(&settings).map_err(|error| error.to_string()));
    let (kafka, registry, url, odoo) = match (at.cluster.settings(), at.place.url(), odoo) {
        (Ok((kafka, registry)), Ok(url), Ok(odoo)) => (kafka, registry, url, odoo),
        (cluster, url, odoo) => {
            let mistakes = cluster.err().into_iter().flatten().chain(url.err()).chain(odoo.err());
            return fail(&mistakes.collect::<Vec<_>>().join("\n"), USAGE);
        }
    };
    let work = async {
        let registry = Registry::new(&registry)?;
        let store = open(url, at.place.service.as_str()).await?;
        work(World { store: &store, kafka: &kafka, registry: &registry, odoo: &odoo }).await
    };
    reported(work, EffectsError::is_away, json, is_clean)
}
