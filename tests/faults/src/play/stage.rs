//! What a scenario plays on: services, parts and proxies that it does things to, under traffic, with a schedule that is kept.

use super::traffic::Traffic;
use super::watch::Watch;
use crate::days::Playing;
use crate::ground::Ground;
use crate::nemesis::Part;
use crate::proxy::{Manner, Proxy};
use crate::victim::Victim;
use crate::wait::{Deadline, until};
use crate::world::{Start, World, program};
use harness::{Chance, History, Hospital, Role};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Visits of a day that is sent besides: as many as a day has going on at once.
const VISITS: usize = 6;
/// How long traffic may take to come as far as a scenario waits for.
const FLOWS: Deadline = Deadline::secs(120);
/// How long a thing that a scenario brings about may take.
pub const HAPPENS: Deadline = Deadline::secs(60);

/// A run that goes on.
pub struct Stage {
    /// Topics, ledgers and Odoo of this run.
    pub world: World,
    /// The stack.
    pub ground: Arc<Ground>,
    /// In front of Odoo.
    pub odoo: Proxy,
    /// Drawn from the seed: the schedule.
    pub chance: Chance,
    traffic: Option<Traffic>,
    /// Days that were sent besides.
    besides: Vec<(Hospital, History)>,
    /// What is looked at meanwhile.
    pub watch: Watch,
    /// What the run is to end with beside what was sent.
    pub wanted: Wanted,
    running: BTreeMap<Role, Vec<Victim>>,
    away: Vec<Part>,
    frozen: Vec<Part>,
    began: Instant,
    schedule: Vec<String>,
}

/// Topic, partition and offset.
pub(super) type Place = (&'static str, i32, i64);

/// What a scenario has brought about on purpose, and the checker is to find.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Records that nobody is to read.
    pub(crate) spoiled: BTreeSet<Place>,
    /// What is parked by a service and stays so, at the end.
    pub parked: BTreeMap<&'static str, usize>,
    /// Invariants that the scenario itself has looked at.
    pub looked: Vec<u8>,
    /// What it found wrong, by invariant.
    pub violated: Vec<(u8, String)>,
}

impl Stage {
    /// Services of these roles are ready, and traffic begins.
    pub async fn open(
        world: World,
        ground: Arc<Ground>,
        odoo: Proxy,
        seed: u64,
        traffic: impl FnOnce(&World) -> Traffic,
        roles: &[Role],
    ) -> Self {
        let watch = Watch::start(&world.stack);
        let mut running = BTreeMap::new();
        for (role, victim) in world.all_ready(roles).await {
            running.insert(role, vec![victim]);
        }
        let traffic = traffic(&world);
        Self {
            world,
            ground,
            odoo,
            chance: Chance::new(seed),
            traffic: Some(traffic),
            besides: Vec::new(),
            watch,
            wanted: Wanted::default(),
            running,
            away: Vec::new(),
            frozen: Vec::new(),
            began: Instant::now(),
            schedule: Vec::new(),
        }
    }

    /// Adds a line to the schedule.
    pub fn note(&mut self, line: impl std::fmt::Display) {
        let line = format!("{:>6.1} s  {line}", self.began.elapsed().as_secs_f32());
        crate::say(&line);
        self.schedule.push(line);
    }

    /// The schedule so far.
    pub fn schedule(&self) -> &[String] {
        &self.schedule
    }

    /// The roles that the run has.
    pub fn roles(&self) -> Vec<Role> {
        self.running.keys().copied().collect()
    }

    /// One of them, drawn.
    pub fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.chance.below(of.len())]
    }

    /// A number from `least` up to and with `most`.
    pub fn number(&mut self, least: usize, most: usize) -> usize {
        least + self.chance.below(most - least + 1)
    }

    /// Lets traffic go on until so many more messages were acknowledged.
    pub async fn flows(&mut self, messages: usize) {
        let traffic = self.traffic.as_ref().expect("the sender has not been told to end");
        let wanted = traffic.acknowledged() + messages;
        until(format!("{messages} more messages are acknowledged"), FLOWS, async || {
            let is = traffic.acknowledged();
            if !traffic.is_going() {
                return Err("the sender has ended".to_owned());
            }
            if is >= wanted { Ok(()) } else { Err(format!("{} are missing", wanted - is)) }
        })
        .await;
    }

    /// Waits until every service has done something: the first invoice was made. Before, faults would find nothing to break.
    pub async fn warm(&mut self) {
        until("the first invoice is made", FLOWS, async || {
            let client = self.world.connect().await.map_err(|error| error.to_string())?;
            let sql = "SELECT count(*) FROM odoo_writer.effect";
            match client.query_one(sql, &[]).await.map_err(|error| error.to_string())?.get::<_, i64>(0) {
                0 => Err("none is".to_owned()),
                _ => Ok(()),
            }
        })
        .await;
        self.note("the first invoice is made");
    }

    /// How many messages were acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        self.traffic.as_ref().map_or(0, Traffic::acknowledged)
    }

    /// Has the sender end with the day that it has begun, all of it acknowledged.
    ///
    /// # Errors
    /// What was not.
    pub async fn finish(&mut self) -> Result<Vec<(Hospital, History)>, String> {
        let mut days = self.traffic.take().ok_or("the sender was told to end before")?.finish().await?;
        days.append(&mut self.besides);
        Ok(days)
    }

    /// Sends half of a day besides: its visits have begun then, and have not ended.
    pub async fn visits_begin(&mut self) -> Playing {
        let traffic = self.traffic.as_mut().expect("the sender has not been told to end");
        let mut day = traffic.besides(VISITS);
        day.send_half().await;
        self.note(format_args!("{VISITS} visits have begun"));
        day
    }

    /// Sends the rest of it.
    pub async fn visits_end(&mut self, mut day: Playing) {
        day.send_rest();
        day.sent().await;
        self.besides.push(day.played());
        self.note("they have ended");
    }

    /// Leaves things as they are for a while: how long a fault lasts is the schedule's, and nobody's condition.
    pub async fn holds(&mut self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// The first instance of a role.
    pub fn victim(&mut self, role: Role) -> &mut Victim {
        self.running.get_mut(&role).and_then(|all| all.first_mut()).expect("an instance of the role runs")
    }

    /// How many instances of a role there are.
    pub fn instances(&self, role: Role) -> usize {
        self.running.get(&role).map_or(0, Vec::len)
    }

    /// One more instance, which is not waited for.
    pub fn joins(&mut self, role: Role) {
        self.note(format_args!("another {} starts", role.name()));
        let victim = self.world.start(role, &Start::default());
        self.running.entry(role).or_default().push(victim);
    }

    /// An instance more, started in a way of its own.
    pub fn joins_as(&mut self, role: Role, start: &Start<'_>) {
        let victim = self.world.start(role, start);
        self.running.entry(role).or_default().push(victim);
    }

    /// kill -9 of the oldest instance of a role.
    pub fn kill(&mut self, role: Role) {
        self.note(format_args!("kill -9 of {}", role.name()));
        self.take(role).kill();
    }

    /// SIGTERM to the oldest instance of a role; waits for its end.
    pub async fn drain(&mut self, role: Role) {
        self.note(format_args!("SIGTERM to {}", role.name()));
        self.take(role).drain().await;
    }

    /// kill -9 of a role's only instance, and a new one.
    pub async fn bounce(&mut self, role: Role) {
        self.kill(role);
        self.joins(role);
        self.ready(role).await;
    }

    /// Waits until all instances of a role are ready.
    pub async fn ready(&mut self, role: Role) {
        for victim in self.running.get_mut(&role).into_iter().flatten() {
            victim.until_ready().await;
        }
    }

    /// A role's only instance is one that kills itself at a place; when it has, another one takes over.
    pub async fn killed_at(&mut self, role: Role, point: &str) {
        let victim = self.doomed(role, point).await;
        self.dies_at(role, victim, point).await;
    }

    /// A role's only instance, if it has one, makes way for one that will kill itself at a place.
    pub async fn doomed(&mut self, role: Role, point: &str) -> Victim {
        let fault = format!("{point}:kill");
        self.makes_way(role).await;
        self.world.start(role, &Start { fault: Some(&fault), ..Start::default() })
    }

    /// Waits until it has; another one takes over.
    pub async fn dies_at(&mut self, role: Role, mut victim: Victim, point: &str) {
        victim.until_killed().await;
        self.note(format_args!("{} killed at {point}", role.name()));
        self.joins(role);
        self.ready(role).await;
    }

    /// A role's only instance, if it has one, makes way for one that stops itself at a place; it is taken over while it
    /// stands still.
    pub async fn stopped_at(&mut self, role: Role, point: &str) -> Victim {
        let fault = format!("{point}:stop");
        self.makes_way(role).await;
        let mut zombie = self.world.start(role, &Start { fault: Some(&fault), ..Start::default() });
        zombie.until_stopped().await;
        self.note(format_args!("{} stopped at {point}", role.name()));
        self.joins(role);
        self.ready(role).await;
        zombie
    }

    /// What stood still goes on beside those that took over, and stays.
    pub async fn wakes(&mut self, role: Role, zombie: Victim) {
        self.note(format_args!("the stopped {} goes on", role.name()));
        zombie.cont();
        until("the zombie goes on", HAPPENS, async || match zombie.is_awake() {
            true => Ok(()),
            false => Err("it stands still"),
        })
        .await;
        self.running.entry(role).or_default().push(zombie);
    }

    async fn makes_way(&mut self, role: Role) {
        if self.instances(role) > 0 {
            self.take(role).drain().await;
        }
    }

    fn take(&mut self, role: Role) -> Victim {
        let all = self.running.get_mut(&role).filter(|all| !all.is_empty());
        all.expect("an instance of the role runs").remove(0)
    }

    /// Stops a role's first instance where it stands.
    pub async fn stop(&mut self, role: Role) -> Victim {
        self.note(format_args!("SIGSTOP to {}", role.name()));
        let mut victim = self.take(role);
        victim.stop();
        victim.until_stopped().await;
        victim
    }

    /// kill -9 of a part of the stack.
    pub async fn kill_part(&mut self, part: Part) {
        self.note(format_args!("kill -9 of {}", part.component()));
        part.kill().await;
        self.away.push(part);
    }

    /// What died of what was done to it.
    pub fn died(&mut self, part: Part) {
        self.note(format_args!("{} has died", part.component()));
        self.away.push(part);
    }

    /// Everything that was killed is back.
    pub fn came_back(&mut self) {
        self.away.clear();
    }

    /// SIGSTOP of a part of the stack.
    pub async fn freeze_part(&mut self, part: Part) {
        self.note(format_args!("SIGSTOP to {}", part.component()));
        part.freeze().await;
        self.frozen.push(part);
    }

    /// SIGCONT.
    pub async fn thaw_part(&mut self, part: Part) {
        self.note(format_args!("SIGCONT to {}", part.component()));
        part.thaw().await;
        self.frozen.retain(|frozen| *frozen != part);
    }

    /// What was killed starts again.
    pub async fn start_part(&mut self, part: Part) {
        self.note(format_args!("{} starts", part.component()));
        part.start().await;
        self.away.retain(|away| *away != part);
    }

    /// A proxy behaves like this from now on.
    pub fn behaves(&mut self, which: Path, manner: Manner) {
        let name = self.path(which).name().to_owned();
        self.note(format_args!("{name}: {manner:?}"));
        self.path(which).behave(manner);
    }

    /// Every connection through a proxy is reset.
    pub fn resets(&mut self, which: Path) {
        let name = self.path(which).name().to_owned();
        self.note(format_args!("{name}: reset"));
        self.path(which).reset();
    }

    /// A proxy.
    pub fn path(&self, which: Path) -> &Proxy {
        match which {
            Path::Clients(node) => &self.ground.clients[usize::from(node) - 1],
            Path::Brokers(node) => &self.ground.brokers[usize::from(node) - 1],
            Path::Odoo => &self.odoo,
            Path::Postgres => &self.ground.postgres,
        }
    }

    /// Waits until something was held up or lost on a path.
    pub async fn touched(&mut self, which: Path, before: usize) {
        let what = format!("something comes by {}", self.path(which).name());
        until(what, HAPPENS, async || match self.path(which).touched() > before {
            true => Ok(()),
            false => Err("nothing has"),
        })
        .await;
    }

    /// Runs an operator's command of `vertebra`, as typed; returns whether it was content, and what it said.
    pub async fn types(&mut self, arguments: &[&str]) -> (bool, String) {
        self.typing(arguments).await.expect("the command ends")
    }

    /// The same, while other things happen.
    pub fn typing(&mut self, arguments: &[&str]) -> JoinHandle<(bool, String)> {
        self.note(format_args!("vertebra {}", arguments.join(" ")));
        let stack = &self.world.stack;
        let mut command = tokio::process::Command::new(program("vertebra"));
        command.args(arguments).env_clear().stdin(Stdio::null());
        command.env("VERTEBRA_KAFKA_BOOTSTRAP", &stack.kafka);
        command.env("VERTEBRA_REGISTRY_URL", &stack.registry_url);
        command.env("VERTEBRA_POSTGRES_URL", &stack.postgres_url);
        tokio::spawn(async move {
            let ended = command.output().await.expect("vertebra is built");
            let said = [ended.stdout, ended.stderr].concat();
            (ended.status.success(), String::from_utf8_lossy(&said).into_owned())
        })
    }

    /// Something that must hold does not.
    pub fn violates(&mut self, number: u8, what: impl std::fmt::Display) {
        self.note(format_args!("I{number} is violated: {what}"));
        self.wanted.violated.push((number, what.to_string()));
    }

    /// Ends every fault: paths are open, parts are back, whoever stood still goes on, every role has an instance, and all
    /// of them are ready.
    pub async fn heal(&mut self) {
        self.note("healing");
        self.ground.open();
        self.odoo.open();
        if let Some(odoo) = &self.world.odoo {
            odoo.heal();
        }
        for part in std::mem::take(&mut self.frozen) {
            part.thaw().await;
        }
        let away = std::mem::take(&mut self.away);
        if away.iter().any(|part| matches!(part, Part::Broker(_))) {
            // All at once: one by itself has nobody to agree with.
            Part::Kafka.start().await;
        }
        for part in away.into_iter().filter(|part| !matches!(part, Part::Broker(_))) {
            part.start().await;
        }
        for role in self.roles() {
            let mut all: Vec<Victim> = self.running.remove(&role).unwrap_or_default();
            all.retain_mut(Victim::is_running);
            self.running.insert(role, all);
            if self.instances(role) == 0 {
                self.joins(role);
            }
        }
        for role in self.roles() {
            self.ready(role).await;
        }
        self.note("every service is ready");
    }

    /// Every instance that runs.
    pub fn all(&mut self) -> impl Iterator<Item = &mut Victim> {
        self.running.values_mut().flatten()
    }

    /// Drains all of them.
    pub async fn drain_all(&mut self) {
        for victim in std::mem::take(&mut self.running).into_values().flatten() {
            victim.drain().await;
        }
    }
}

/// Which proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// From services to a broker, by its number.
    Clients(u8),
    /// From the other brokers to one.
    Brokers(u8),
    /// To Odoo.
    Odoo,
    /// To PostgreSQL.
    Postgres,
}
