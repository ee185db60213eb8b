//! A run: seed → traffic on real processes → faults by schedule → heal → settle → verdict.

mod judge;
mod stage;
mod traffic;
mod watch;

pub use judge::{INVARIANTS, Judgement, Verdict, judge};
pub use stage::{HAPPENS, Path, Stage, Wanted};
pub use traffic::Traffic;

use crate::ground::Ground;
use crate::world::World;
use futures::future::LocalBoxFuture;
use harness::{Books, Role};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// How long everything may take to come to its end once nothing is broken any more (I11).
const SETTLED: Duration = Duration::from_secs(180);

/// What is done to services and what is under them.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// As `docs/fault-report.md` and `SCENARIO=` name it.
    pub id: &'static str,
    /// What is done, in words.
    pub fault: &'static str,
    /// Whether Odoo is the real one.
    pub real_odoo: bool,
    /// Services of the run.
    pub roles: &'static [Role],
    /// Messages a second.
    pub per_second: u32,
    /// What of the ground it cannot do without; nothing, or why it is not run there.
    pub lacks: fn(&Ground) -> Option<&'static str>,
    /// What is done before any service runs.
    pub before: fn(&Ground, &mut harness::Chance),
    /// What is done.
    pub play: for<'a> fn(&'a mut Stage) -> LocalBoxFuture<'a, ()>,
    /// What is done and looked at when all is settled and the books were held against what was sent.
    pub after: for<'a> fn(&'a mut Stage) -> LocalBoxFuture<'a, ()>,
}

impl Scenario {
    /// A scenario on the charge's way, with nothing special.
    pub const fn new(
        id: &'static str,
        fault: &'static str,
        play: for<'a> fn(&'a mut Stage) -> LocalBoxFuture<'a, ()>,
    ) -> Self {
        Self {
            id,
            fault,
            real_odoo: false,
            roles: &Role::WAY,
            per_second: 15,
            lacks: |_| None,
            before: |_, _| (),
            play,
            after: |_| Box::pin(async {}),
        }
    }
}

/// For scenarios that need brokers which can be lost one by one, behind proxies.
pub fn lacks_cluster(ground: &Ground) -> Option<&'static str> {
    let is_one = ground.clients.len() < 3 || ground.brokers.len() < 3;
    is_one.then_some("Kafka has one node here, and nothing stands in front of it")
}

/// What a run has come to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// Messages that were acknowledged.
    pub messages: usize,
    /// Sendings besides.
    pub again: usize,
    /// From the beginning of the healing until nothing was on its way.
    pub recovered: Duration,
    /// What was done, and when.
    pub schedule: Vec<String>,
}

/// Plays a scenario. The world goes when all went well.
///
/// # Errors
/// What kept the run from its verdict.
///
/// # Panics
/// When something that a scenario brings about does not come about.
pub async fn run(
    scenario: &Scenario,
    seed: u64,
    ground: Arc<Ground>,
    folder: PathBuf,
    services: impl FnOnce(&mut World),
) -> Result<Outcome, String> {
    ground.open();
    ground.repair().await.map_err(|error| error.to_string())?;
    ground.unshift_postgres().map_err(|error| error.to_string())?;
    let (mut world, odoo) = World::on(&ground, folder, scenario.real_odoo).await;
    services(&mut world);
    (scenario.before)(&ground, &mut harness::Chance::new(seed));
    let first = first_seed(scenario, seed);
    let traffic = |world: &World| Traffic::start(world.mllp(), first, scenario.per_second);
    let mut stage = Stage::open(world, ground, odoo, seed, traffic, scenario.roles).await;
    let books = Books::open(&stage.world.stack).await.map_err(|error| error.to_string())?;
    stage.warm().await;
    (scenario.play)(&mut stage).await;
    let healing = Instant::now();
    stage.heal().await;
    let days = stage.finish().await?;
    settle(&books).await.map_err(|why| found_before(why, &stage.wanted))?;
    let recovered = healing.elapsed();
    stage.note(format_args!("settled {:.1} s after the healing began", recovered.as_secs_f32()));
    let mut verdict = judge(&mut stage, &books, &days).await?;
    (scenario.after)(&mut stage).await;
    if scenario.roles.contains(&Role::Poll) && !scenario.real_odoo {
        // I1 of what comes out of Odoo: the topics say what it has.
        stage.world.odoo_is_as_published().await;
    }
    stage.wanted.looked.iter().for_each(|number| verdict.looked(*number));
    for (number, what) in std::mem::take(&mut stage.wanted.violated) {
        verdict.violated(number, what);
    }
    let histories = || days.iter().map(|(_, history)| history);
    let messages = histories().map(harness::History::acknowledged_messages).sum();
    let again = histories().map(harness::History::transmissions).sum::<usize>() - messages;
    stage.drain_all().await;
    let schedule = stage.schedule().to_vec();
    drop(books);
    if verdict.is_good() {
        stage.world.end().await;
    }
    Ok(Outcome { verdict, messages, again, recovered, schedule })
}

async fn settle(books: &Books) -> Result<(), String> {
    let settled = books.settle(SETTLED, |_| ()).await.map_err(|error| error.to_string())?;
    settled.map_err(|unsettled| format!("I11: {unsettled}"))
}

/// Why there is no verdict, and what the scenario had found wrong by then: that is not to be lost.
fn found_before(why: String, wanted: &Wanted) -> String {
    let found = wanted.violated.iter().map(|(number, what)| format!("; before, I{number}: {what}"));
    why + &found.collect::<String>()
}

/// Days of a seed are the same days; but a real Odoo keeps what it was given in earlier runs, and days must not meet there.
fn first_seed(scenario: &Scenario, seed: u64) -> u64 {
    if !scenario.real_odoo {
        return seed % 1_000_000_000 * 1_000;
    }
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    (since % 1_000_000 * 1_000 + seed % 1_000) * 1_000
}
