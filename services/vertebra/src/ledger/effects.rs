//! What a sink's ledger says took effect, held against what Odoo has; and forgetting what Odoo has lost.
//!
//! Consumes the effect ledger, the topic of commands and Odoo. Verifying changes nothing. Forgetting writes a wish for each lane
//! with something lost: the lane's owner parks those commands, and nothing is made again before a person redrives them.

use super::decide::{Came, wait};
use super::{LedgerError, table};
use backbone::contract::SchemaSource as _;
use backbone::edge::BrokerError;
use backbone::kafka::{KafkaSettings, Visible, each};
use backbone::postgres::operate::{self, Asker};
use backbone::postgres::{PostgresStore, look};
use backbone::record::Record;
use backbone::registry::{Registry, RegistryError};
use backbone::store::{Effect, Ended};
use backbone::wish::{Lost, Outcome, Wish};
use canon::{Event, InvoiceRequest, Name, Timestamp};
use odoo::{Client, Context, ExternalId, Search};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;
use uuid::Uuid;

/// The sink whose effects Odoo has.
const SINK: &str = "odoo-invoices";
const MOVE: &str = "account.move";
/// Lines of a table; `--json` has them all.
const SHOWN: usize = 20;
/// Records asked for in one call.
const PER_CALL: usize = 500;

/// Where everything is.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// The writer's ledger.
    pub store: &'a PostgresStore,
    /// Where its commands are.
    pub kafka: &'a KafkaSettings,
    /// Their schemas.
    pub registry: &'a Registry,
    /// Where its effects are to be.
    pub odoo: &'a Client,
}

/// What took effect, as the ledger says, and what of it Odoo has not.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// Effects that were looked for.
    pub effects: usize,
    /// Those that Odoo has not, in the order of their time.
    pub lost: Vec<Gone>,
}

/// An effect that Odoo has not.
#[derive(Clone, Debug, Serialize)]
pub struct Gone {
    /// The request.
    pub request: String,
    /// The external id that is not there, or names nothing.
    pub external_id: String,
    /// What the ledger has for it.
    pub their_id: Option<String>,
    /// When it was applied.
    pub at: String,
    /// The lane.
    pub lane: i32,
    #[serde(skip)]
    lost: Lost,
}

/// What came of forgetting.
#[derive(Clone, Debug, Serialize)]
pub struct Forgotten {
    /// What was lost.
    pub lost: Vec<Gone>,
    /// Whether it was only told what would come of it.
    pub dry_run: bool,
    /// Over all lanes.
    pub sum: Outcome,
    /// Why not every lane has answered.
    pub stopped: Option<String>,
}

/// Effects cannot be verified.
#[derive(Debug, thiserror::Error)]
pub enum EffectsError {
    /// Kafka cannot be read.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Odoo does not answer, or not sensibly.
    #[error(transparent)]
    Odoo(#[from] odoo::Error),
    /// The registry cannot be asked.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl EffectsError {
    /// Whether another try, later, may do.
    pub fn is_away(&self) -> bool {
        match self {
            Self::Broker(_) | Self::Odoo(_) | Self::Registry(_) => true,
            Self::Ledger(error) => error.is_away(),
        }
    }
}

/// Looks for everything that took effect since a time, or ever.
///
/// # Errors
/// When the ledger, Kafka, the registry or Odoo does not answer.
pub async fn verify(world: World<'_>, since: Option<Timestamp>) -> Result<Verified, EffectsError> {
    let effects = look::effects(world.store, SINK).await.map_err(LedgerError::Store)?;
    let is_meant =
        |effect: &Effect| effect.ended == Ended::Applied && since.is_none_or(|since| effect.at >= since);
    let applied: BTreeMap<Uuid, Effect> =
        effects.into_iter().filter(|(_, effect)| is_meant(effect)).collect();
    let commands = commands(world, &applied).await?;
    let ids: Vec<&ExternalId> = commands.iter().map(|command| &command.external_id).collect();
    let there = there(world.odoo, &ids).await?;
    let mut lost: Vec<(Timestamp, Gone)> = commands
        .into_iter()
        .filter(|command| !there.contains(&command.external_id))
        .filter_map(|command| {
            let effect = applied.get(&command.lost.command)?;
            let gone = Gone {
                request: command.request,
                external_id: command.external_id.to_string(),
                their_id: effect.their_id.clone(),
                at: effect.at.to_string(),
                lane: command.lane,
                lost: command.lost,
            };
            Some((effect.at, gone))
        })
        .collect();
    lost.sort_by(|(left, one), (right, other)| (left, &one.request).cmp(&(right, &other.request)));
    Ok(Verified { effects: applied.len(), lost: lost.into_iter().map(|(_, gone)| gone).collect() })
}

/// Has the lanes' owners park what Odoo has lost of what took effect since a time.
///
/// # Errors
/// As [`verify`], or when a lane is not there.
pub async fn forget(
    world: World<'_>,
    since: Timestamp,
    asker: Asker<'_>,
    dry_run: bool,
    patience: Duration,
) -> Result<Forgotten, EffectsError> {
    let lost = verify(world, Some(since)).await?.lost;
    let mut lanes: BTreeMap<i32, Vec<Lost>> = BTreeMap::new();
    for gone in &lost {
        lanes.entry(gone.lane).or_default().push(gone.lost);
    }
    let mut asked = Vec::new();
    for (lane, lost) in lanes {
        let wish = Wish::Forget { lost, dry_run };
        let one =
            operate::wish_of_lane(world.store, SINK, lane, &wish, asker).await.map_err(LedgerError::Store)?;
        asked.push(one.ok_or_else(|| LedgerError::Unknown { processor: SINK.to_owned(), lane })?);
    }
    let Came { sum, stopped } = wait(world.store, asked, patience).await?;
    Ok(Forgotten { lost, dry_run, sum, stopped })
}

/// A command on its topic.
struct Command {
    request: String,
    external_id: ExternalId,
    lane: i32,
    lost: Lost,
}

/// The commands of effects, as they stand on their topic.
async fn commands(world: World<'_>, applied: &BTreeMap<Uuid, Effect>) -> Result<Vec<Command>, BrokerError> {
    let mut commands = Vec::new();
    let take = async |records: Vec<Record>| {
        let values = records.iter().filter_map(|record| record.value.as_deref());
        let ids: BTreeSet<u32> =
            values.filter_map(|value| canon::codec::split(value).ok()).map(|(id, _)| id).collect();
        world.registry.ensure(&ids.into_iter().collect::<Vec<_>>()).await?;
        commands.extend(records.iter().filter_map(|record| command(world, applied, record)));
        Ok(())
    };
    each(world.kafka, InvoiceRequest::TOPIC, Visible::Committed, take).await?;
    Ok(commands)
}

fn command(world: World<'_>, applied: &BTreeMap<Uuid, Effect>, record: &Record) -> Option<Command> {
    let name: Name = record.header(canon::headers::CE_FACTNAME)?.parse().ok()?;
    let command = name.fact_id(InvoiceRequest::TOPIC);
    if !applied.contains_key(&command) {
        return None;
    }
    let body: InvoiceRequest = world.registry.schemas().decode(record.value.as_deref()?).ok()?;
    let external_id = ExternalId::coded("invoice", &body.request).ok()?;
    let lost = Lost { command, offset: record.offset };
    Some(Command { request: body.request, external_id, lane: record.partition, lost })
}

/// Those of the external ids that name a record which is there: raw SQL leaves external ids behind.
async fn there(odoo: &Client, ids: &[&ExternalId]) -> Result<BTreeSet<ExternalId>, odoo::Error> {
    #[derive(Deserialize)]
    struct Row {
        id: i64,
    }
    let search = Search { fields: &["id"], order: "id", ..Search::default() };
    let companies: Vec<Row> = odoo.search_read("res.company", &search, &Context::new()).await?;
    let companies: Vec<i64> = companies.into_iter().map(|row| row.id).collect();
    let context = Context::new().companies(&companies);
    let known = odoo.external_ids(ids).await?;
    let known: BTreeMap<i64, ExternalId> = known
        .into_iter()
        .filter(|(_, known)| known.model == MOVE)
        .map(|(name, known)| (known.id, name))
        .collect();
    let mut there = BTreeSet::new();
    for ids in known.keys().copied().collect::<Vec<i64>>().chunks(PER_CALL) {
        let rows: Vec<Row> = odoo.read(MOVE, ids, &["id"], &context).await?;
        there.extend(rows.iter().filter_map(|row| known.get(&row.id).cloned()));
    }
    Ok(there)
}

impl Forgotten {
    /// Whether every command was, or would be, parked.
    pub fn is_clean(&self) -> bool {
        self.stopped.is_none() && self.sum.missed == 0
    }
}

fn write(f: &mut fmt::Formatter<'_>, lost: &[Gone]) -> fmt::Result {
    if lost.is_empty() {
        return Ok(());
    }
    let row = |gone: &Gone| {
        let their_id = gone.their_id.clone().unwrap_or_else(|| "-".to_owned());
        [gone.at.clone(), gone.lane.to_string(), their_id, gone.external_id.clone()]
    };
    let rows: Vec<[String; 4]> = lost.iter().take(SHOWN).map(row).collect();
    table::write(f, ["applied", "lane", "was", "external id"], &rows)?;
    match lost.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => writeln!(f, "and {more} more: --json has them all"),
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, &self.lost)?;
        let Self { effects, lost } = self;
        match lost.len() {
            0 => write!(f, "odoo has all {effects} of them"),
            lost => write!(f, "odoo has LOST {lost} of {effects}"),
        }
    }
}

impl fmt::Display for Forgotten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, &self.lost)?;
        let Outcome { parked, missed, .. } = self.sum;
        let would = if self.dry_run { "would be " } else { "" };
        writeln!(f, "{} lost, {parked} {would}parked, {missed} left as they are", self.lost.len())?;
        match (&self.stopped, self.dry_run, self.lost.is_empty()) {
            (Some(why), ..) => write!(f, "stopped: {why}"),
            (None, _, true) => write!(f, "nothing is lost"),
            (None, true, _) => write!(f, "a dry run: nothing was changed; --yes does it"),
            (None, false, _) => write!(f, "`vertebra parked redrive --reason lost` makes them again"),
        }
    }
}
